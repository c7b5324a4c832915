#!/usr/bin/env bash
# The program and its unit tests under ThreadSanitizer or AddressSanitizer.
#
#   Tests/Sanitizers/run.sh thread|address [units] [mounted] [control]
#
# units: the unit tests of every module. mounted: a mount by a sanitized daemon under mixed loads (random operations of four writers, status asked during
# changes, fio, a disk that fails). control (thread): the same tests without locks.c must be reported, else the sanitizer sees nothing.
# Without words: all. Nothing is suppressed. Not part of the tests of every change. Builds in .build-tsan and .build-asan.
# REPORTS=DIRECTORY keeps what the sanitizer wrote, and the output of what failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
kind=${1:?thread or address}
shift
case $kind in
thread) build=.build-tsan ;;
address) build=.build-asan ;;
*) echo "thread or address?" >&2; exit 64 ;;
esac
work=$(mktemp -d)
# Ordinary users of the tests load the library too.
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
swift build --sanitize="$kind" --scratch-path $build --build-tests

# pagesAreUndumpableAndWipedOnFork asks whether keys are locked into memory: the sanitizers turn mlock into nothing.
units=(--skip pagesAreUndumpableAndWipedOnFork --filter "BytesTests|POSIXTests|CryptographyTests|FormatTests|KeyManagementTests|FilesystemTests|FUSETests")
"${SWIFT_CLANG:-clang}" -O1 -shared -fPIC -o "$work/locks.so" Tests/Sanitizers/locks.c -ldl
if [ "$kind" = thread ]; then
    preload=$work/locks.so
    export TSAN_OPTIONS="halt_on_error=0 exitcode=0 log_path=$work/report"
else
    preload=
    # Leaks are looked for by ptrace, which the daemon forbids for itself.
    export ASAN_OPTIONS="detect_leaks=0 halt_on_error=1 log_path=$work/report"
fi

# A sanitized daemon takes several times as long; one that does not answer at all is found the same.
export ENVELOPEFS_PATIENCE=6

failed=0
# judge NAME STATUS: what the part ended with, and what the sanitizer has written
judge() {
    local reports=0
    reports=$(cat "$work"/report* 2>/dev/null | grep -c "^SUMMARY:" || true)
    echo "$kind, $1: exit $2, $reports reports, $((SECONDS - begun)) s"
    [ "$2" = 0 ] || grep -E "WRONG|FAILED|Error|error:|✘" "$work/out" | head -20 || true
    cat "$work"/report* 2>/dev/null | grep "^SUMMARY:" | sort | uniq -c | sort -rn | head -20 || true
    if [ -n "${REPORTS:-}" ]; then
        if [ "$reports" != 0 ]; then cp "$work"/report* "$REPORTS"/; fi
        if [ "$2" != 0 ]; then cp "$work/out" "$REPORTS/$(echo "$1" | tr -c 'A-Za-z0-9\n' -).out"; fi
    fi
    rm -f "$work"/report*
    [ "$2" = 0 ] && [ "$reports" = 0 ] || failed=1
}

for part in "${@:-units}" $([ $# -gt 0 ] || echo mounted) $([ $# -gt 0 ] || [ "$kind" = address ] || echo control); do
    status=0 begun=$SECONDS
    case $part in
    units)
        LD_PRELOAD=$preload swift test --sanitize="$kind" --scratch-path $build --skip-build --disable-xctest "${units[@]}" > "$work/out" 2>&1 || status=$?
        tail -n 1 "$work/out"
        judge units $status ;;
    mounted)
        export ENVELOPEFS_BINARY=$PWD/$build/debug/envelopefs
        for load in "Differential/differential.py --seed 7 --operations 4000 --writers 4 --per-round 1000" "Mounted/late_answers.py --changes 1000" \
            "Soak/soak.py --short --as root fio" "Soak/soak.py --short --as root stress" "Failing/failing.py --share 40" "Tamper/fuzz.py --rounds 5"; do
            status=0 begun=$SECONDS
            # shellcheck disable=SC2086
            LD_PRELOAD=$preload python3 Tests/$load > "$work/out" 2>&1 || status=$?
            tail -n 1 "$work/out"
            judge "$load" $status
        done ;;
    control)
        swift test --sanitize="$kind" --scratch-path $build --skip-build --disable-xctest --filter SecretBytesTests > "$work/out" 2>&1 || true
        if ! grep -qs "^SUMMARY:" "$work"/report*; then
            echo "without locks.c nothing was reported: the sanitizer is blind" >&2
            failed=1
        fi
        rm -f "$work"/report* ;;
    esac
done
exit $failed

#!/usr/bin/env python3
"""Runs libFuzzer, with coverage of the project's own code, over parsers of bytes that nothing vouches for yet.

    Tests/Fuzz/fuzz.py [--runs N | --seconds N] [--build DIR] [SUBJECT…]

Subjects: wrapped-keys, rows (of a keystore), csv and json (files of secrets), vault (vault.json), metadata (of a secret). Each gets N inputs of at most 4096 bytes.
A crash, an input that takes more than 5 s, an allocation of more than 64 MiB, more than 1 GiB of memory, or a changed input that is accepted ends the run with
exit code 1, and leaves the input beside this file as found-SUBJECT-…; what was learned is in DIR/corpus. It builds the program it needs, in DIR (.build/fuzz).
"""

import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUBJECTS = ["wrapped-keys", "rows", "csv", "json", "vault", "metadata"]


def build(directory):
    command = ["swift", "build", "-c", "release", "--sanitize", "fuzzer", "-Xswiftc", "-enable-testing", "--product", "Fuzzing", "--scratch-path", directory]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "ENVELOPEFS_LIBFUZZER": "1"}, check=True, stdout=sys.stderr)
    return os.path.join(directory, "release", "Fuzzing")


def run(program, subject, directory, limit):
    corpus = os.path.join(directory, "corpus", subject)
    os.makedirs(corpus, exist_ok=True)
    # A crash is libFuzzer's to report, with the input.
    environment = {**os.environ, "ENVELOPEFS_FUZZ_SUBJECT": subject, "SWIFT_BACKTRACE": "enable=no"}
    subprocess.run([program, "-runs=0"], check=True, env={**environment, "ENVELOPEFS_FUZZ_SAMPLES": corpus}, stderr=subprocess.DEVNULL)
    options = ["-max_len=4096", "-timeout=5", "-malloc_limit_mb=64", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=1",
               f"-artifact_prefix={os.path.join(ROOT, 'Tests', 'Fuzz', f'found-{subject}-')}", limit]
    outcome = subprocess.run([program, *options, corpus], env=environment, stderr=subprocess.PIPE, text=True, errors="replace")
    said = outcome.stderr
    runs = re.search(r"stat::number_of_executed_units: (\d+)", said)
    coverage = re.findall(r"cov: (\d+)", said)
    peak = re.search(r"stat::peak_rss_mb:\s+(\d+)", said)
    if outcome.returncode or not runs:
        print(f"{subject}: FAILED with {outcome.returncode}\n{said[-3000:]}")
        return False
    print(f"{subject}: {runs[1]} inputs, {coverage[-1] if coverage else 0} places covered, {peak[1] if peak else '?'} MiB at most, nothing found", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--build", default=os.path.join(ROOT, ".build", "fuzz"))
    parser.add_argument("subjects", nargs="*", choices=[[], *SUBJECTS], default=[])
    arguments = parser.parse_args()
    program = build(arguments.build)
    limit = f"-max_total_time={arguments.seconds}" if arguments.seconds else f"-runs={arguments.runs}"
    outcomes = [run(program, subject, arguments.build, limit) for subject in arguments.subjects or SUBJECTS]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

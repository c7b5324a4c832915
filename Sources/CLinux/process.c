// The process: identity, limits, signals, clocks, pipes, starting programs.
#define _GNU_SOURCE
#include "include/linux_process.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER(call) do { long answer_ = (long)(call); return answer_ < 0 ? -errno : answer_; } while (0)
#define RETRY(result, call) do { (result) = (call); } while ((result) < 0 && errno == EINTR)

int linux_process_id(void) { return getpid(); }
int linux_parent_id(void) { return getppid(); }
uint32_t linux_user(void) { return getuid(); }
uint32_t linux_effective_user(void) { return geteuid(); }
uint32_t linux_group(void) { return getgid(); }
uint32_t linux_effective_group(void) { return getegid(); }
int linux_groups(uint32_t *groups, int count) { ANSWER(getgroups(count, groups)); }
int linux_set_dumpable(int is_dumpable) { ANSWER(prctl(PR_SET_DUMPABLE, is_dumpable, 0, 0, 0)); }
uint32_t linux_set_umask(uint32_t mask) { return umask((mode_t)mask); }
int linux_unmount(const uint8_t *path, int is_lazy, int is_forced) {
    ANSWER(umount2((const char *)path, (is_lazy ? MNT_DETACH : 0) | (is_forced ? MNT_FORCE : 0) | UMOUNT_NOFOLLOW));
}

int linux_get_limit(int resource, uint64_t *soft, uint64_t *hard) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0) return -errno;
    *soft = limit.rlim_cur;
    *hard = limit.rlim_max;
    return 0;
}
int linux_set_limit(int resource, uint64_t soft, uint64_t hard) {
    struct rlimit limit = {soft, hard};
    ANSWER(setrlimit(resource, &limit));
}

static uint64_t nanoseconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
uint64_t linux_monotonic(void) { return nanoseconds(CLOCK_MONOTONIC); }
uint64_t linux_monotonic_coarse(void) { return nanoseconds(CLOCK_MONOTONIC_COARSE); }
void linux_realtime(int64_t *seconds, int32_t *part) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    *seconds = t.tv_sec;
    *part = (int32_t)t.tv_nsec;
}
int linux_sleep(uint64_t duration) {
    struct timespec t = {(time_t)(duration / 1000000000u), (long)(duration % 1000000000u)};
    return nanosleep(&t, NULL) < 0 ? -errno : 0;
}

static sigset_t expand(uint64_t set) {
    sigset_t signals;
    sigemptyset(&signals);
    for (int i = 1; i <= 64; i++) if (set >> (i - 1) & 1) sigaddset(&signals, i);
    return signals;
}
int linux_signals_block(uint64_t set, int is_blocked) {
    sigset_t signals = expand(set);
    return -pthread_sigmask(is_blocked ? SIG_BLOCK : SIG_UNBLOCK, &signals, NULL);
}
int linux_signals_wait(uint64_t set, int64_t timeout) {
    sigset_t signals = expand(set);
    struct timespec t = {timeout / 1000000000, timeout % 1000000000};
    int result;
    RETRY(result, timeout < 0 ? sigwaitinfo(&signals, NULL) : sigtimedwait(&signals, NULL, &t));
    return result < 0 ? -errno : result;
}
int linux_signal_descriptor(uint64_t set) {
    sigset_t signals = expand(set);
    ANSWER(signalfd(-1, &signals, SFD_CLOEXEC));
}
int linux_signal_read(int descriptor) {
    struct signalfd_siginfo info;
    long result;
    RETRY(result, read(descriptor, &info, sizeof info));
    if (result < 0) return -errno;
    return result == sizeof info ? (int)info.ssi_signo : -EIO;
}
static int handle(int signal, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    ANSWER(sigaction(signal, &action, NULL));
}
int linux_signal_ignore(int signal) { return handle(signal, SIG_IGN); }
int linux_signal_default(int signal) { return handle(signal, SIG_DFL); }

int linux_signal_is_ignored(int signal) {
    struct sigaction action;
    if (sigaction(signal, NULL, &action) < 0) return -errno;
    return action.sa_handler == SIG_IGN;
}
int linux_kill(int process, int signal) { ANSWER(kill(process, signal)); }
int linux_kill_thread(int thread, int signal) { ANSWER(syscall(SYS_tgkill, getpid(), thread, signal)); }

int linux_pipe(int *read_end, int *write_end) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    *read_end = ends[0];
    *write_end = ends[1];
    return 0;
}
int linux_event_descriptor(void) { ANSWER(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
int linux_poll(int descriptor, int events, int timeout) {
    struct pollfd p = {.fd = descriptor, .events = (short)((events & 1 ? POLLIN : 0) | (events & 2 ? POLLOUT : 0))};
    int result;
    RETRY(result, poll(&p, 1, timeout));
    if (result < 0) return -errno;
    return p.revents & POLLNVAL ? -EBADF : result;
}
int linux_poll_any(const int *descriptors, int count, int timeout) {
    enum { most = 32 };
    if (count > most) return -EINVAL;
    struct pollfd p[most];
    for (int i = 0; i < count; i++) p[i] = (struct pollfd){.fd = descriptors[i], .events = POLLIN};
    int result;
    RETRY(result, poll(p, (nfds_t)count, timeout));
    if (result < 0) return -errno;
    for (int i = 0; i < count; i++) if (p[i].revents) return i;
    return -EAGAIN;
}

// Every source is first moved above all targets, so that no dup2 in the child overwrites one still to be used.
static int raise_sources(const int *sources, const int *targets, int count, int *raised) {
    int floor = 3;
    for (int i = 0; i < count; i++) if (targets[i] >= floor) floor = targets[i] + 1;
    for (int i = 0; i < count; i++) {
        raised[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, floor);
        if (raised[i] < 0) {
            int error = errno;
            while (i-- > 0) close(raised[i]);
            return error;
        }
    }
    return 0;
}
static int is_target(const int *targets, int count, int number) {
    for (int i = 0; i < count; i++) if (targets[i] == number) return 1;
    return 0;
}
// Whatever this process got from its own parent, or a library opened without close-on-exec, stays here.
static int close_others(posix_spawn_file_actions_t *actions, const int *targets, int count) {
    int end = 3, error = 0;
    for (int i = 0; i < count; i++) if (targets[i] >= end) end = targets[i] + 1;
    for (int number = 3; !error && number < end; number++)
        if (!is_target(targets, count, number)) error = posix_spawn_file_actions_addclose(actions, number);
    return error ? error : posix_spawn_file_actions_addclosefrom_np(actions, end);
}
int linux_spawn(const uint8_t *program, int search_path, uint8_t *const *arguments, uint8_t *const *environment,
                const int *sources, const int *targets, int count, const uint8_t *directory, int new_session, uint64_t restored, int *process) {
    enum { most = 32 };
    int raised[most];
    if (count > most) return -EINVAL;
    int error = raise_sources(sources, targets, count, raised);
    if (error) return -error;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (int i = 0; !error && i < count; i++) error = posix_spawn_file_actions_adddup2(&actions, raised[i], targets[i]);
    if (!error) error = close_others(&actions, targets, count);
    if (!error && directory) error = posix_spawn_file_actions_addchdir_np(&actions, (const char *)directory);
    sigset_t none, defaults = expand(restored);
    sigemptyset(&none);
    // The program starts with no signal blocked and none of these ignored, whatever this process has set for itself.
    if (!error) error = posix_spawnattr_setsigmask(&attributes, &none);
    if (!error) error = posix_spawnattr_setsigdefault(&attributes, &defaults);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (new_session ? POSIX_SPAWN_SETSID : 0);
    if (!error) error = posix_spawnattr_setflags(&attributes, flags);
    pid_t created = 0;
    if (!error)
        error = (search_path ? posix_spawnp : posix_spawn)(&created, (const char *)program, &actions, &attributes,
                                                           (char *const *)arguments, (char *const *)environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    for (int i = 0; i < count; i++) close(raised[i]);
    *process = created;
    return -error;
}
int linux_wait(int process, int wait) {
    int status, result;
    RETRY(result, waitpid(process, &status, wait ? 0 : WNOHANG));
    if (result < 0) return -errno;
    if (result == 0) return 0;
    return WIFEXITED(status) ? 0x100 | WEXITSTATUS(status) : 0x200 | WTERMSIG(status);
}

extern char **environ;
uint8_t *const *linux_environment(void) { return (uint8_t *const *)environ; }
int linux_unsetenv(const uint8_t *name) { ANSWER(unsetenv((const char *)name)); }
const char *linux_error_text(int code) {
    const char *text = strerrordesc_np(code);
    return text ? text : "Unknown error";
}

// The process: identity, limits, signals, clocks, pipes, starting programs.
#ifndef CLINUX_PROCESS_H
#define CLINUX_PROCESS_H
#include <stddef.h>
#include <stdint.h>

int linux_process_id(void);
int linux_parent_id(void);
uint32_t linux_user(void);
uint32_t linux_effective_user(void);
uint32_t linux_group(void);
uint32_t linux_effective_group(void);
int linux_groups(uint32_t *groups, int count);
int linux_set_dumpable(int is_dumpable);
uint32_t linux_set_umask(uint32_t mask);
int linux_unmount(const uint8_t *path, int is_lazy, int is_forced);

// resource: LINUX_RLIMIT_*. Values are UINT64_MAX where unlimited.
int linux_get_limit(int resource, uint64_t *soft, uint64_t *hard);
int linux_set_limit(int resource, uint64_t soft, uint64_t hard);

uint64_t linux_monotonic(void);
uint64_t linux_monotonic_coarse(void);
void linux_realtime(int64_t *seconds, int32_t *nanoseconds);
int linux_sleep(uint64_t nanoseconds);  // -EINTR when a signal handler ran

// Signal sets: bit N-1 is signal N.
int linux_signals_block(uint64_t set, int is_blocked);
int linux_signals_wait(uint64_t set, int64_t timeout_nanoseconds);  // the signal; -EAGAIN after the timeout (< 0: none)
int linux_signal_descriptor(uint64_t set);
int linux_signal_read(int descriptor);
int linux_signal_ignore(int signal);
int linux_signal_default(int signal);
int linux_signal_is_ignored(int signal);  // 1 or 0
int linux_kill(int process, int signal);
int linux_kill_thread(int thread, int signal);

int linux_pipe(int *read_end, int *write_end);
int linux_event_descriptor(void);
// 1 ready (or hung up), 0 timeout. events: 1 readable, 2 writable. Signals restart the wait with the same timeout.
int linux_poll(int descriptor, int events, int timeout_milliseconds);
// The index of a ready one, -EAGAIN after the timeout.
int linux_poll_any(const int *descriptors, int count, int timeout_milliseconds);

// sources[i] becomes descriptor targets[i] of the program; all others but 0, 1 and 2 are closed in it. restored: the signals, bit i for number i + 1, that it does not ignore.
int linux_spawn(const uint8_t *program, int search_path, uint8_t *const *arguments, uint8_t *const *environment,
                const int *sources, const int *targets, int count, const uint8_t *directory, int new_session, uint64_t restored, int *process);
// 0 still running (only without wait); else 0x100 | exit code, or 0x200 | signal.
int linux_wait(int process, int wait);

uint8_t *const *linux_environment(void);
int linux_unsetenv(const uint8_t *name);
const char *linux_error_text(int code);  // never NULL; static text
#endif

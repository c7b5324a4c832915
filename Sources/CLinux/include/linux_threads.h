// Threads: starting, CPUs, per-thread umask and file-system identity, read-write locks.
#ifndef CLINUX_THREADS_H
#define CLINUX_THREADS_H
#include <stddef.h>
#include <stdint.h>

int linux_thread_start(void (*body)(void *), void *context, size_t stack_size, const char *name, uint64_t *thread);
int linux_thread_join(uint64_t thread);
int linux_thread_detach(uint64_t thread);
int linux_thread_id(void);
int linux_thread_set_cpu(int thread_id, int cpu);  // cpu < 0: every CPU the process may use
int linux_thread_cpu(void);
int linux_thread_set_idle(int is_idle);
void linux_thread_yield(void);
int linux_cpu_count(void);
// The CPUs the calling thread may use, one bit each for the first 64.
uint64_t linux_thread_cpus(void);

// The umask of the calling thread alone: unshares the thread's file-system state the first time.
int linux_thread_umask(uint32_t mask);
// The calling thread's file-system user and group. 0 or -EPERM.
int linux_thread_identity(uint32_t user, uint32_t group);
// The calling thread's supplementary groups alone (the raw call; glibc's changes all threads).
int linux_thread_groups(const uint32_t *groups, size_t count);

typedef struct linux_rwlock linux_rwlock;
linux_rwlock *linux_rwlock_create(void);
void linux_rwlock_destroy(linux_rwlock *lock);
int linux_rwlock_read(linux_rwlock *lock);
int linux_rwlock_try_read(linux_rwlock *lock);
int linux_rwlock_write(linux_rwlock *lock);
int linux_rwlock_try_write(linux_rwlock *lock);
void linux_rwlock_unlock(linux_rwlock *lock);
#endif

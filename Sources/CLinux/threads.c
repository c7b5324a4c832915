// Threads: starting, CPUs, per-thread umask and file-system identity, read-write locks.
#define _GNU_SOURCE
#include "include/linux_threads.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct start { void (*body)(void *); void *context; char name[16]; };
static void *run(void *argument) {
    struct start start = *(struct start *)argument;
    free(argument);
    if (start.name[0]) prctl(PR_SET_NAME, start.name);
    start.body(start.context);
    return NULL;
}
int linux_thread_start(void (*body)(void *), void *context, size_t stack_size, const char *name, uint64_t *thread) {
    struct start *start = calloc(1, sizeof *start);
    if (start == NULL) return -ENOMEM;
    start->body = body;
    start->context = context;
    if (name) strncpy(start->name, name, sizeof start->name - 1);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    int error = 0;
    if (stack_size) error = pthread_attr_setstacksize(&attributes, stack_size);
    pthread_t created;
    if (!error) error = pthread_create(&created, &attributes, run, start);
    pthread_attr_destroy(&attributes);
    if (error) { free(start); return -error; }
    *thread = (uint64_t)created;
    return 0;
}
int linux_thread_join(uint64_t thread) { return -pthread_join((pthread_t)thread, NULL); }
int linux_thread_detach(uint64_t thread) { return -pthread_detach((pthread_t)thread); }
int linux_thread_id(void) {
    static __thread int id;
    if (id == 0) id = (int)syscall(SYS_gettid);
    return id;
}
int linux_thread_set_cpu(int thread_id, int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu >= CPU_SETSIZE) return -EINVAL;
    if (cpu >= 0) CPU_SET(cpu, &set);
    else for (int i = 0; i < CPU_SETSIZE; i++) CPU_SET(i, &set);
    return sched_setaffinity(thread_id, sizeof set, &set) < 0 ? -errno : 0;
}
int linux_thread_cpu(void) { int cpu = sched_getcpu(); return cpu < 0 ? -errno : cpu; }
int linux_thread_set_idle(int is_idle) {
    struct sched_param parameter = {0};
    return sched_setscheduler(0, is_idle ? SCHED_IDLE : SCHED_OTHER, &parameter) < 0 ? -errno : 0;
}
void linux_thread_yield(void) { sched_yield(); }
int linux_cpu_count(void) { long n = sysconf(_SC_NPROCESSORS_ONLN); return n < 1 ? 1 : (int)n; }
uint64_t linux_thread_cpus(void) {
    cpu_set_t set;
    uint64_t bits = 0;
    if (sched_getaffinity(0, sizeof set, &set) < 0) return 1;
    for (int i = 0; i < 64; i++) if (CPU_ISSET(i, &set)) bits |= 1ull << i;
    return bits;
}

static __thread int has_own_filesystem_state;
static __thread uint32_t own_umask;
int linux_thread_umask(uint32_t mask) {
    mask &= 0777;
    if (!has_own_filesystem_state) {
        if (unshare(CLONE_FS) < 0) return -errno;
        has_own_filesystem_state = 1;
    } else if (own_umask == mask) {
        return 0;
    }
    umask((mode_t)mask);
    own_umask = mask;
    return 0;
}
// setfsuid answers the value before, never an error: ask again with an impossible value to see what is set.
int linux_thread_identity(uint32_t user, uint32_t group) {
    setfsgid((gid_t)group);
    if ((uint32_t)setfsgid((gid_t)-1) != group) return -EPERM;
    setfsuid((uid_t)user);
    return (uint32_t)setfsuid((uid_t)-1) == user ? 0 : -EPERM;
}
int linux_thread_groups(const uint32_t *groups, size_t count) {
    return syscall(SYS_setgroups, count, groups) < 0 ? -errno : 0;
}

struct linux_rwlock { pthread_rwlock_t lock; };
linux_rwlock *linux_rwlock_create(void) {
    linux_rwlock *lock = malloc(sizeof *lock);
    if (lock == NULL) return NULL;
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    // The only kind of glibc's that really lets a waiting writer pass before new readers.
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    int error = pthread_rwlock_init(&lock->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    if (error) { free(lock); return NULL; }
    return lock;
}
void linux_rwlock_destroy(linux_rwlock *lock) {
    pthread_rwlock_destroy(&lock->lock);
    free(lock);
}
int linux_rwlock_read(linux_rwlock *lock) { return -pthread_rwlock_rdlock(&lock->lock); }
int linux_rwlock_try_read(linux_rwlock *lock) { return -pthread_rwlock_tryrdlock(&lock->lock); }
int linux_rwlock_write(linux_rwlock *lock) { return -pthread_rwlock_wrlock(&lock->lock); }
int linux_rwlock_try_write(linux_rwlock *lock) { return -pthread_rwlock_trywrlock(&lock->lock); }
void linux_rwlock_unlock(linux_rwlock *lock) { pthread_rwlock_unlock(&lock->lock); }

// Names in directories, and the ownership, mode and times of what they name.
#define _GNU_SOURCE
#include "include/linux_names.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define TEXT(bytes) ((const char *)(bytes))
#define ANSWER(call) do { long answer_ = (long)(call); return answer_ < 0 ? -errno : answer_; } while (0)

int linux_mkdirat(int directory, const uint8_t *name, uint32_t mode) {
    ANSWER(mkdirat(directory, TEXT(name), (mode_t)mode));
}
int linux_mknodat(int directory, const uint8_t *name, uint32_t mode, uint64_t device) {
    ANSWER(mknodat(directory, TEXT(name), (mode_t)mode, (dev_t)device));
}
int linux_symlinkat(const uint8_t *target, int directory, const uint8_t *name) {
    ANSWER(symlinkat(TEXT(target), directory, TEXT(name)));
}
long linux_readlinkat(int directory, const uint8_t *name, uint8_t *buffer, size_t size) {
    ANSWER(readlinkat(directory, TEXT(name), (char *)buffer, size));
}
int linux_unlinkat(int directory, const uint8_t *name, int is_directory) {
    ANSWER(unlinkat(directory, TEXT(name), is_directory ? AT_REMOVEDIR : 0));
}
int linux_linkat(int from, const uint8_t *name, int to, const uint8_t *new_name) {
    ANSWER(linkat(from, TEXT(name), to, TEXT(new_name), 0));
}
// Through /proc, because AT_EMPTY_PATH wants CAP_DAC_READ_SEARCH before Linux 6.10.
int linux_link_descriptor(int descriptor, int to, const uint8_t *new_name) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    ANSWER(linkat(AT_FDCWD, path, to, TEXT(new_name), AT_SYMLINK_FOLLOW));
}
int linux_renameat2(int from, const uint8_t *name, int to, const uint8_t *new_name, uint32_t flags) {
    ANSWER(renameat2(from, TEXT(name), to, TEXT(new_name), flags));
}

// fchmodat2 (Linux 6.6) where the kernel has it: one call instead of glibc's open, stat and chmod through /proc.
static atomic_int without_fchmodat2;
static long chmod_with_flags(int directory, const char *name, mode_t mode, int flags) {
    if (atomic_load_explicit(&without_fchmodat2, memory_order_relaxed)) { errno = ENOSYS; return -1; }
    long result = syscall(SYS_fchmodat2, directory, name, mode, flags);
    if (result < 0 && errno == ENOSYS) atomic_store_explicit(&without_fchmodat2, 1, memory_order_relaxed);
    return result;
}
int linux_fchmodat(int directory, const uint8_t *name, uint32_t mode) {
    long result = chmod_with_flags(directory, TEXT(name), (mode_t)mode, AT_SYMLINK_NOFOLLOW);
    if (result < 0 && errno == ENOSYS) result = fchmodat(directory, TEXT(name), (mode_t)mode, AT_SYMLINK_NOFOLLOW);
    return result < 0 ? -errno : 0;
}
int linux_fchmod(int descriptor, uint32_t mode) {
    if (fchmod(descriptor, (mode_t)mode) == 0) return 0;
    if (errno != EBADF) return -errno;
    // An O_PATH descriptor. A symbolic link's mode cannot be changed, and chmod through /proc does not always say so.
    struct stat status;
    if (fstat(descriptor, &status) < 0) return -errno;
    if (S_ISLNK(status.st_mode)) return -EOPNOTSUPP;
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    ANSWER(chmod(path, (mode_t)mode));
}
int linux_fchownat(int directory, const uint8_t *name, uint32_t user, uint32_t group) {
    ANSWER(fchownat(directory, TEXT(name), (uid_t)user, (gid_t)group, AT_SYMLINK_NOFOLLOW));
}
int linux_fchown(int descriptor, uint32_t user, uint32_t group) {
    ANSWER(fchownat(descriptor, "", (uid_t)user, (gid_t)group, AT_EMPTY_PATH));
}

static void spread(struct timespec out[2], linux_times times) {
    out[0] = (struct timespec){.tv_sec = times.access_seconds, .tv_nsec = (long)times.access_nanoseconds};
    out[1] = (struct timespec){.tv_sec = times.modification_seconds, .tv_nsec = (long)times.modification_nanoseconds};
}
int linux_utimensat(int directory, const uint8_t *name, linux_times times) {
    struct timespec t[2];
    spread(t, times);
    ANSWER(utimensat(directory, TEXT(name), t, AT_SYMLINK_NOFOLLOW));
}
int linux_futimens(int descriptor, linux_times times) {
    struct timespec t[2];
    spread(t, times);
    if (futimens(descriptor, t) == 0) return 0;
    if (errno != EBADF) return -errno;
    ANSWER(utimensat(descriptor, "", t, AT_EMPTY_PATH));  // O_PATH
}

int linux_realpath(const uint8_t *path, uint8_t *buffer) {
    char resolved[PATH_MAX];
    if (realpath(TEXT(path), resolved) == NULL) return -errno;
    size_t count = strlen(resolved);
    memcpy(buffer, resolved, count);
    return (int)count;
}

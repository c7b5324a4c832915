// Descriptors: opening, reading, writing, sizes, locks.
#define _GNU_SOURCE
#include "include/linux_files.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define RETRY(result, call) do { (result) = (call); } while ((result) < 0 && errno == EINTR)
#define ANSWER(call) do { long answer_ = (long)(call); return answer_ < 0 ? -errno : answer_; } while (0)
#define ANSWER_RETRY(call) do { long answer_; RETRY(answer_, (long)(call)); return answer_ < 0 ? -errno : answer_; } while (0)

int linux_open(const uint8_t *path, int flags, uint32_t mode) {
    ANSWER_RETRY(open((const char *)path, flags | O_CLOEXEC, (mode_t)mode));
}
int linux_openat(int directory, const uint8_t *name, int flags, uint32_t mode) {
    ANSWER_RETRY(openat(directory, (const char *)name, flags | O_CLOEXEC, (mode_t)mode));
}
int linux_reopen(int descriptor, int flags) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    ANSWER_RETRY(open(path, (flags & ~(O_NOFOLLOW | O_CREAT | O_EXCL)) | O_CLOEXEC));
}
// Not repeated after EINTR: Linux has closed the descriptor then, and its number may be in use again.
int linux_close(int descriptor) {
    return close(descriptor) < 0 && errno != EINTR ? -errno : 0;
}
int linux_duplicate(int descriptor, int minimum) { ANSWER(fcntl(descriptor, F_DUPFD_CLOEXEC, minimum)); }
int linux_status_flags(int descriptor) { ANSWER(fcntl(descriptor, F_GETFL)); }
long linux_descriptor_path(int descriptor, uint8_t *buffer, size_t size) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    ANSWER(readlink(path, (char *)buffer, size));
}

static int fill(linux_status *out, const struct stat *in, int result) {
    if (result < 0) return -errno;
    *out = (linux_status){
        .device = in->st_dev, .inode = in->st_ino, .link_count = in->st_nlink, .special_device = in->st_rdev,
        .mode = in->st_mode, .user = in->st_uid, .group = in->st_gid,
        .size = in->st_size, .block_size = in->st_blksize, .blocks = in->st_blocks,
        .access_seconds = in->st_atim.tv_sec, .access_nanoseconds = (int32_t)in->st_atim.tv_nsec,
        .modification_seconds = in->st_mtim.tv_sec, .modification_nanoseconds = (int32_t)in->st_mtim.tv_nsec,
        .change_seconds = in->st_ctim.tv_sec, .change_nanoseconds = (int32_t)in->st_ctim.tv_nsec,
    };
    return 0;
}
int linux_fstat(int descriptor, linux_status *status) {
    struct stat in;
    return fill(status, &in, fstat(descriptor, &in));
}
int linux_fstatat(int directory, const uint8_t *name, linux_status *status) {
    struct stat in;
    return fill(status, &in, fstatat(directory, (const char *)name, &in, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT));
}
int linux_stat(const uint8_t *path, int follow, linux_status *status) {
    struct stat in;
    return fill(status, &in, fstatat(AT_FDCWD, (const char *)path, &in, follow ? 0 : AT_SYMLINK_NOFOLLOW));
}
int linux_fstatvfs(int descriptor, linux_statistics *out) {
    struct statvfs v;
    struct statfs s;
    int result;
    RETRY(result, fstatvfs(descriptor, &v));
    if (result < 0) return -errno;
    RETRY(result, fstatfs(descriptor, &s));
    if (result < 0) return -errno;
    *out = (linux_statistics){
        .block_size = v.f_bsize, .fragment_size = v.f_frsize, .blocks = v.f_blocks, .free_blocks = v.f_bfree,
        .available_blocks = v.f_bavail, .files = v.f_files, .free_files = v.f_ffree, .available_files = v.f_favail,
        .filesystem_id = v.f_fsid, .flags = v.f_flag, .name_max = v.f_namemax, .type = (uint64_t)s.f_type,
    };
    return 0;
}

long linux_pwrite(int descriptor, const void *bytes, size_t count, uint64_t offset) {
    ANSWER_RETRY(pwrite(descriptor, bytes, count, (off_t)offset));
}
long linux_read(int descriptor, void *bytes, size_t count) { ANSWER_RETRY(read(descriptor, bytes, count)); }

// A full transfer that stops early without an error: the end of the file for reads; a write that moves nothing is EIO.
#define FULL(call, is_write) \
    size_t done = 0; \
    while (done < count) { \
        long n; \
        RETRY(n, (long)(call)); \
        if (n < 0) return -errno; \
        if (n == 0) { if (is_write) return -EIO; break; } \
        done += (size_t)n; \
    } \
    return (long)done

long linux_pread_full(int descriptor, void *bytes, size_t count, uint64_t offset) {
    FULL(pread(descriptor, (char *)bytes + done, count - done, (off_t)(offset + done)), 0);
}
long linux_pwrite_full(int descriptor, const void *bytes, size_t count, uint64_t offset) {
    FULL(pwrite(descriptor, (const char *)bytes + done, count - done, (off_t)(offset + done)), 1);
}
long linux_read_full(int descriptor, void *bytes, size_t count) {
    FULL(read(descriptor, (char *)bytes + done, count - done), 0);
}
long linux_write_full(int descriptor, const void *bytes, size_t count) {
    FULL(write(descriptor, (const char *)bytes + done, count - done), 1);
}

// What is left of two parts after `done` bytes; returns the number of parts.
static int parts(struct iovec v[2], const void *a, size_t a_count, const void *b, size_t b_count, size_t done) {
    int n = 0;
    if (done < a_count) v[n++] = (struct iovec){(char *)(uintptr_t)a + done, a_count - done};
    size_t of_b = done > a_count ? done - a_count : 0;
    if (of_b < b_count) v[n++] = (struct iovec){(char *)(uintptr_t)b + of_b, b_count - of_b};
    return n;
}
long linux_preadv_full(int descriptor, void *a, size_t a_count, void *b, size_t b_count, uint64_t offset) {
    size_t count = a_count + b_count;
    struct iovec v[2];
    FULL(preadv(descriptor, v, parts(v, a, a_count, b, b_count, done), (off_t)(offset + done)), 0);
}
long linux_pwritev_full(int descriptor, const void *a, size_t a_count, const void *b, size_t b_count, uint64_t offset) {
    size_t count = a_count + b_count;
    struct iovec v[2];
    FULL(pwritev(descriptor, v, parts(v, a, a_count, b, b_count, done), (off_t)(offset + done)), 1);
}

int linux_ftruncate(int descriptor, uint64_t size) { ANSWER_RETRY(ftruncate(descriptor, (off_t)size)); }
int linux_fallocate(int descriptor, int mode, uint64_t offset, uint64_t length) {
    ANSWER_RETRY(fallocate(descriptor, mode, (off_t)offset, (off_t)length));
}
int64_t linux_lseek(int descriptor, uint64_t offset, int whence) { ANSWER(lseek(descriptor, (off_t)offset, whence)); }
int linux_fsync(int descriptor) { ANSWER_RETRY(fsync(descriptor)); }
int linux_fdatasync(int descriptor) { ANSWER_RETRY(fdatasync(descriptor)); }
int linux_syncfs(int descriptor) { ANSWER_RETRY(syncfs(descriptor)); }
int linux_fadvise(int descriptor, uint64_t offset, uint64_t length, int advice) {
    return -posix_fadvise(descriptor, (off_t)offset, (off_t)length, advice);
}

int linux_flock(int descriptor, int operation) { ANSWER_RETRY(flock(descriptor, operation)); }
int linux_ofd_lock(int descriptor, int kind, uint64_t start, uint64_t length) {
    struct flock lock = {
        .l_type = kind == 0 ? F_RDLCK : kind == 1 ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET,
        .l_start = (off_t)start, .l_len = (off_t)length,
    };
    ANSWER_RETRY(fcntl(descriptor, F_OFD_SETLK, &lock));
}

int linux_lock_is_held(int descriptor) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(descriptor, F_OFD_GETLK, &lock) < 0) return -errno;
    return lock.l_type != F_UNLCK;
}

long linux_getdents(int descriptor, void *buffer, size_t size) {
    ANSWER_RETRY(syscall(SYS_getdents64, descriptor, buffer, size));
}

// Descriptors: opening, reading, writing, sizes, locks.
#ifndef CLINUX_FILES_H
#define CLINUX_FILES_H
#include <stddef.h>
#include <stdint.h>

typedef struct linux_status {
    uint64_t device, inode, link_count, special_device;
    uint32_t mode, user, group;
    int64_t size, block_size, blocks;
    int64_t access_seconds, modification_seconds, change_seconds;
    int32_t access_nanoseconds, modification_nanoseconds, change_nanoseconds;
} linux_status;

typedef struct linux_statistics {
    uint64_t block_size, fragment_size, blocks, free_blocks, available_blocks;
    uint64_t files, free_files, available_files, filesystem_id, flags, name_max, type;
} linux_statistics;

int linux_open(const uint8_t *path, int flags, uint32_t mode);
int linux_openat(int directory, const uint8_t *name, int flags, uint32_t mode);
int linux_reopen(int descriptor, int flags);
int linux_close(int descriptor);
int linux_duplicate(int descriptor, int minimum);
int linux_status_flags(int descriptor);
long linux_descriptor_path(int descriptor, uint8_t *buffer, size_t size);

int linux_fstat(int descriptor, linux_status *status);
int linux_fstatat(int directory, const uint8_t *name, linux_status *status);
int linux_stat(const uint8_t *path, int follow, linux_status *status);
int linux_fstatvfs(int descriptor, linux_statistics *statistics);

// One call, repeated only for EINTR.
long linux_pwrite(int descriptor, const void *bytes, size_t count, uint64_t offset);
long linux_read(int descriptor, void *bytes, size_t count);
// Until all is moved, the end of the file, or an error. The vector form moves `a`, then `b`.
long linux_pread_full(int descriptor, void *bytes, size_t count, uint64_t offset);
long linux_pwrite_full(int descriptor, const void *bytes, size_t count, uint64_t offset);
long linux_read_full(int descriptor, void *bytes, size_t count);
long linux_write_full(int descriptor, const void *bytes, size_t count);
long linux_preadv_full(int descriptor, void *a, size_t a_count, void *b, size_t b_count, uint64_t offset);
long linux_pwritev_full(int descriptor, const void *a, size_t a_count, const void *b, size_t b_count, uint64_t offset);

int linux_ftruncate(int descriptor, uint64_t size);
int linux_fallocate(int descriptor, int mode, uint64_t offset, uint64_t length);
int64_t linux_lseek(int descriptor, uint64_t offset, int whence);
int linux_fsync(int descriptor);
int linux_fdatasync(int descriptor);
int linux_syncfs(int descriptor);
int linux_fadvise(int descriptor, uint64_t offset, uint64_t length, int advice);

int linux_flock(int descriptor, int operation);
// kind: 0 shared, 1 exclusive, 2 unlock. length 0 = to the end.
int linux_ofd_lock(int descriptor, int kind, uint64_t start, uint64_t length);
// 1 if a lock of bytes of the file by somebody else would keep this open file from locking all of it, else 0. Takes nothing.
int linux_lock_is_held(int descriptor);

long linux_getdents(int descriptor, void *buffer, size_t size);
#endif

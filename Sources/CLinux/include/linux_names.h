// Names in directories, and the ownership, mode and times of what they name. Never follows a link in the last part.
#ifndef CLINUX_NAMES_H
#define CLINUX_NAMES_H
#include <stddef.h>
#include <stdint.h>

int linux_mkdirat(int directory, const uint8_t *name, uint32_t mode);
int linux_mknodat(int directory, const uint8_t *name, uint32_t mode, uint64_t device);
int linux_symlinkat(const uint8_t *target, int directory, const uint8_t *name);
long linux_readlinkat(int directory, const uint8_t *name, uint8_t *buffer, size_t size);
int linux_unlinkat(int directory, const uint8_t *name, int is_directory);
int linux_linkat(int from, const uint8_t *name, int to, const uint8_t *new_name);
int linux_link_descriptor(int descriptor, int to, const uint8_t *new_name);
int linux_renameat2(int from, const uint8_t *name, int to, const uint8_t *new_name, uint32_t flags);

int linux_fchmodat(int directory, const uint8_t *name, uint32_t mode);
int linux_fchmod(int descriptor, uint32_t mode);
int linux_fchownat(int directory, const uint8_t *name, uint32_t user, uint32_t group);
int linux_fchown(int descriptor, uint32_t user, uint32_t group);

// Nanoseconds may be LINUX_UTIME_NOW or LINUX_UTIME_OMIT.
typedef struct linux_times {
    int64_t access_seconds, access_nanoseconds, modification_seconds, modification_nanoseconds;
} linux_times;
int linux_utimensat(int directory, const uint8_t *name, linux_times times);
int linux_futimens(int descriptor, linux_times times);

int linux_realpath(const uint8_t *path, uint8_t *buffer /* 4096 */);
#endif

// Extended attributes of a descriptor (O_PATH too) or of (directory, name), never following a link.
//
// There is no *at form before Linux 6.13 and no form for O_PATH descriptors: both go through /proc/self/fd. The path
// "/proc/self/fd/N" jumps to the object itself, even where that is a symbolic link; "/proc/self/fd/N/NAME" is used with the l- calls.
#define _GNU_SOURCE
#include "include/linux_attributes.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

enum { path_size = 40 + 4096 };
static int object_path(char path[path_size], int descriptor, const uint8_t *file) {
    int n = snprintf(path, path_size, "/proc/self/fd/%d%s%s", descriptor, file ? "/" : "", file ? (const char *)file : "");
    return n < path_size ? 0 : -ENAMETOOLONG;
}
#define TEXT(bytes) ((const char *)(bytes))
#define ON_OBJECT(on_descriptor, on_path, on_link) \
    char path[path_size]; \
    long result; \
    if (file == NULL) { \
        result = (long)(on_descriptor); \
        if (result >= 0) return result; \
        if (errno != EBADF) return -errno; \
        object_path(path, descriptor, NULL); \
        result = (long)(on_path); \
        if (result < 0 && errno == ENOENT) return -EBADF; \
    } else { \
        int bad = object_path(path, descriptor, file); \
        if (bad < 0) return bad; \
        result = (long)(on_link); \
    } \
    return result < 0 ? -errno : result

long linux_getxattr(int descriptor, const uint8_t *file, const uint8_t *name, void *value, size_t size) {
    ON_OBJECT(fgetxattr(descriptor, TEXT(name), value, size), getxattr(path, TEXT(name), value, size),
              lgetxattr(path, TEXT(name), value, size));
}
int linux_setxattr(int descriptor, const uint8_t *file, const uint8_t *name, const void *value, size_t size, int flags) {
    ON_OBJECT(fsetxattr(descriptor, TEXT(name), value, size, flags), setxattr(path, TEXT(name), value, size, flags),
              lsetxattr(path, TEXT(name), value, size, flags));
}
long linux_listxattr(int descriptor, const uint8_t *file, uint8_t *names, size_t size) {
    ON_OBJECT(flistxattr(descriptor, (char *)names, size), listxattr(path, (char *)names, size),
              llistxattr(path, (char *)names, size));
}
int linux_removexattr(int descriptor, const uint8_t *file, const uint8_t *name) {
    ON_OBJECT(fremovexattr(descriptor, TEXT(name)), removexattr(path, TEXT(name)), lremovexattr(path, TEXT(name)));
}

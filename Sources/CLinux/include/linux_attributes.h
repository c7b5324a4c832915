// Extended attributes of a descriptor (O_PATH too) or of (directory, name), never following a link.
#ifndef CLINUX_ATTRIBUTES_H
#define CLINUX_ATTRIBUTES_H
#include <stddef.h>
#include <stdint.h>

// `file` may be NULL: the descriptor's own object.
long linux_getxattr(int descriptor, const uint8_t *file, const uint8_t *name, void *value, size_t size);
int linux_setxattr(int descriptor, const uint8_t *file, const uint8_t *name, const void *value, size_t size, int flags);
long linux_listxattr(int descriptor, const uint8_t *file, uint8_t *names, size_t size);
int linux_removexattr(int descriptor, const uint8_t *file, const uint8_t *name);
#endif

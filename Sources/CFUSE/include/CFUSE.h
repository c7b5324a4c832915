// libfuse's low-level interface and the kernel's protocol, with the interface version set once for every importer.
#ifndef CFUSE_H
#define CFUSE_H
#define FUSE_USE_VERSION 314
// No feature macro here or in CLinux's headers: both modules show the C library's types to Swift, which must find them as its own Glibc module has them.
#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
#include <fcntl.h>

// Swift does not import calls with a variable number of arguments.
static inline int cfuse_set_nonblocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 ? -1 : fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}
#endif

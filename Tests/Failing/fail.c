// Preloaded into the daemon: makes chosen calls on the vault's device fail, steered through a page that the test shares (FAIL_CONTROL names its file).
// A call that fails does nothing, as on a disk that refuses it; but close closes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

// Kinds of calls, as bits. What needs room on the disk may also change it, and what changes may also fail as reading does.
enum { READS = 1, CHANGES = 2, GROWS = 4 };
enum { NAMES = 8192, NAME = 16 };

// failing.py writes and reads the same fields in the same order.
struct control {
    uint64_t device;      // calls on this device alone are counted
    uint64_t first, last; // of the counted calls these fail; first 0: none
    uint32_t error;
    uint32_t kinds;       // which are counted
    uint64_t count;       // how many there were
    uint64_t failed;
    char names[NAMES][NAME]; // what the first of them were
};
static struct control *control;

__attribute__((constructor)) static void attach(void) {
    const char *path = getenv("FAIL_CONTROL");
    if (path == NULL) return;
    int descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    void *page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (page != MAP_FAILED) control = page;
}

static void *real_of(const char *name) { return dlsym(RTLD_NEXT, name); }
#define REAL(name) static __typeof__(name) *real; if (real == NULL) real = (__typeof__(name) *)real_of(#name)

static long raw(long number, long a, long b, long c, long d) {
    REAL(syscall);
    return real(number, a, b, c, d);
}

static uint64_t device_of(int descriptor, const char *path) {
    struct stat status;
    long result;
    int number;
    if (path != NULL && sscanf(path, "/proc/self/fd/%d", &number) == 1) descriptor = number, path = NULL;
    if (path == NULL || (path[0] != '/' && descriptor != AT_FDCWD)) {
        if (descriptor < 0) return 0;
        result = raw(SYS_newfstatat, descriptor, (long)"", (long)&status, AT_EMPTY_PATH);
    } else {
        result = raw(SYS_newfstatat, descriptor, (long)path, (long)&status, 0);
        char parent[PATH_MAX];
        char *slash;
        if (result < 0 && strlen(path) < sizeof parent && (slash = strrchr(strcpy(parent, path), '/')) != NULL && slash != parent) {
            *slash = 0;
            result = raw(SYS_newfstatat, descriptor, (long)parent, (long)&status, 0);
        }
    }
    return result < 0 ? 0 : status.st_dev;
}

static int fails(const char *name, uint32_t kind, int descriptor, const char *path) {
    if (control == NULL || __atomic_load_n(&control->device, __ATOMIC_RELAXED) == 0 || (control->kinds & kind) == 0) return 0;
    int before = errno;
    uint64_t device = device_of(descriptor, path);
    errno = before;
    if (device != control->device) return 0;
    uint64_t number = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);
    if (number <= NAMES) strncpy(control->names[number - 1], name, NAME - 1);
    uint64_t first = __atomic_load_n(&control->first, __ATOMIC_SEQ_CST);
    if (first == 0 || number < first || number > control->last) return 0;
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
    errno = (int)control->error;
    return 1;
}

#define WRAP(type, name, parameters, arguments, kind, descriptor, path) \
    type name parameters { REAL(name); return fails(#name, kind, descriptor, path) ? -1 : real arguments; }

// descriptors
WRAP(ssize_t, read, (int d, void *b, size_t n), (d, b, n), READS, d, NULL)
WRAP(ssize_t, pread, (int d, void *b, size_t n, off_t o), (d, b, n, o), READS, d, NULL)
WRAP(ssize_t, pread64, (int d, void *b, size_t n, off64_t o), (d, b, n, o), READS, d, NULL)
WRAP(ssize_t, preadv, (int d, const struct iovec *v, int n, off_t o), (d, v, n, o), READS, d, NULL)
WRAP(ssize_t, write, (int d, const void *b, size_t n), (d, b, n), READS | CHANGES | GROWS, d, NULL)
WRAP(ssize_t, pwrite, (int d, const void *b, size_t n, off_t o), (d, b, n, o), READS | CHANGES | GROWS, d, NULL)
WRAP(ssize_t, pwrite64, (int d, const void *b, size_t n, off64_t o), (d, b, n, o), READS | CHANGES | GROWS, d, NULL)
WRAP(ssize_t, pwritev, (int d, const struct iovec *v, int n, off_t o), (d, v, n, o), READS | CHANGES | GROWS, d, NULL)
WRAP(int, ftruncate, (int d, off_t n), (d, n), READS | CHANGES | GROWS, d, NULL)
WRAP(int, ftruncate64, (int d, off64_t n), (d, n), READS | CHANGES | GROWS, d, NULL)
WRAP(int, fallocate, (int d, int m, off_t o, off_t n), (d, m, o, n), READS | CHANGES | GROWS, d, NULL)
WRAP(off_t, lseek, (int d, off_t o, int w), (d, o, w), READS, d, NULL)
WRAP(int, fsync, (int d), (d), READS | CHANGES | GROWS, d, NULL)
WRAP(int, fdatasync, (int d), (d), READS | CHANGES | GROWS, d, NULL)
WRAP(int, syncfs, (int d), (d), READS | CHANGES | GROWS, d, NULL)
WRAP(int, flock, (int d, int o), (d, o), READS, d, NULL)
WRAP(int, fstat, (int d, struct stat *s), (d, s), READS, d, NULL)
WRAP(int, fstatvfs, (int d, struct statvfs *s), (d, s), READS, d, NULL)
WRAP(int, fchmod, (int d, mode_t m), (d, m), READS | CHANGES, d, NULL)
WRAP(int, futimens, (int d, const struct timespec t[2]), (d, t), READS | CHANGES, d, NULL)
int close(int d) {
    REAL(close);
    int fault = fails("close", READS, d, NULL), result = real(d);
    if (!fault) return result;
    errno = (int)control->error;
    return -1;
}

// names
WRAP(int, fstatat, (int d, const char *p, struct stat *s, int f), (d, p, s, f), READS, d, p)
WRAP(int, mkdirat, (int d, const char *p, mode_t m), (d, p, m), READS | CHANGES | GROWS, d, p)
WRAP(int, mknodat, (int d, const char *p, mode_t m, dev_t v), (d, p, m, v), READS | CHANGES | GROWS, d, p)
WRAP(int, symlinkat, (const char *t, int d, const char *p), (t, d, p), READS | CHANGES | GROWS, d, p)
WRAP(ssize_t, readlinkat, (int d, const char *p, char *b, size_t n), (d, p, b, n), READS, d, p)
WRAP(int, unlinkat, (int d, const char *p, int f), (d, p, f), READS | CHANGES, d, p)
WRAP(int, linkat, (int a, const char *p, int b, const char *q, int f), (a, p, b, q, f), READS | CHANGES | GROWS, b, q)
WRAP(int, renameat2, (int a, const char *p, int b, const char *q, unsigned f), (a, p, b, q, f), READS | CHANGES | GROWS, b, q)
WRAP(int, faccessat, (int d, const char *p, int m, int f), (d, p, m, f), READS, d, p)
WRAP(int, chmod, (const char *p, mode_t m), (p, m), READS | CHANGES, AT_FDCWD, p)
WRAP(int, fchmodat, (int d, const char *p, mode_t m, int f), (d, p, m, f), READS | CHANGES, d, p)
WRAP(int, fchownat, (int d, const char *p, uid_t u, gid_t g, int f), (d, p, u, g, f), READS | CHANGES, d, p)
WRAP(int, utimensat, (int d, const char *p, const struct timespec t[2], int f), (d, p, t, f), READS | CHANGES, d, p)

// attributes
WRAP(ssize_t, fgetxattr, (int d, const char *n, void *v, size_t s), (d, n, v, s), READS, d, NULL)
WRAP(ssize_t, getxattr, (const char *p, const char *n, void *v, size_t s), (p, n, v, s), READS, AT_FDCWD, p)
WRAP(ssize_t, lgetxattr, (const char *p, const char *n, void *v, size_t s), (p, n, v, s), READS, AT_FDCWD, p)
WRAP(int, fsetxattr, (int d, const char *n, const void *v, size_t s, int f), (d, n, v, s, f), READS | CHANGES | GROWS, d, NULL)
WRAP(int, setxattr, (const char *p, const char *n, const void *v, size_t s, int f), (p, n, v, s, f), READS | CHANGES | GROWS, AT_FDCWD, p)
WRAP(int, lsetxattr, (const char *p, const char *n, const void *v, size_t s, int f), (p, n, v, s, f), READS | CHANGES | GROWS, AT_FDCWD, p)
WRAP(ssize_t, flistxattr, (int d, char *b, size_t n), (d, b, n), READS, d, NULL)
WRAP(ssize_t, listxattr, (const char *p, char *b, size_t n), (p, b, n), READS, AT_FDCWD, p)
WRAP(ssize_t, llistxattr, (const char *p, char *b, size_t n), (p, b, n), READS, AT_FDCWD, p)
WRAP(int, fremovexattr, (int d, const char *n), (d, n), READS | CHANGES, d, NULL)
WRAP(int, removexattr, (const char *p, const char *n), (p, n), READS | CHANGES, AT_FDCWD, p)
WRAP(int, lremovexattr, (const char *p, const char *n), (p, n), READS | CHANGES, AT_FDCWD, p)

// those with a variable number of arguments
static uint32_t kind_of_open(int flags) {
    return flags & O_CREAT ? READS | CHANGES | GROWS : flags & (O_TRUNC | O_ACCMODE) ? READS | CHANGES : READS;
}
#define WRAP_OPEN(name, parameters, arguments, descriptor) \
    int name parameters { \
        REAL(name); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = va_arg(list, mode_t); \
        va_end(list); \
        return fails(#name, kind_of_open(flags), descriptor, path) ? -1 : real arguments; \
    }
WRAP_OPEN(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
WRAP_OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
WRAP_OPEN(openat, (int directory, const char *path, int flags, ...), (directory, path, flags, mode), directory)
WRAP_OPEN(openat64, (int directory, const char *path, int flags, ...), (directory, path, flags, mode), directory)

long syscall(long number, ...) {
    REAL(syscall);
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_getdents64 && fails("getdents64", READS, (int)a[0], NULL)) return -1;
    if (number == SYS_fchmodat2 && fails("fchmodat2", READS | CHANGES, (int)a[0], (const char *)a[1])) return -1;
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

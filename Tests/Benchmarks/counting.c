// Preloaded into the daemon by costs.py: counts what its serving threads ask of malloc, memcpy and libcrypto, in a file that others may look at.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { allocations, copies, seals, kinds };
// A copy of fewer bytes counts for nothing.
static const size_t least_copied = 1024;

static uint64_t before[kinds];
static uint64_t *counts = before;
static void *(*real_copy)(void *, const void *, size_t);
static void *(*real_move)(void *, const void *, size_t);
static int (*real_final)(void *, unsigned char *, int *);

// A thread gets its name after its first allocations.
static __thread int is_serving;

static void count(int kind) {
    if (!is_serving) {
        char name[16] = "";
        if (prctl(PR_GET_NAME, name) != 0 || strncmp(name, "serve ", 6) != 0) return;
        is_serving = 1;
    }
    __atomic_fetch_add(&counts[kind], 1, __ATOMIC_RELAXED);
}

__attribute__((constructor)) static void begin(void) {
    real_copy = (void *(*)(void *, const void *, size_t))dlsym(RTLD_NEXT, "memcpy");
    real_move = (void *(*)(void *, const void *, size_t))dlsym(RTLD_NEXT, "memmove");
    real_final = (int (*)(void *, unsigned char *, int *))dlsym(RTLD_NEXT, "EVP_CipherFinal_ex");
    const char *path = getenv("EFS_COUNTS");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *shared = mmap(NULL, sizeof before, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared != MAP_FAILED) counts = shared;
}

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) {
    count(allocations);
    return __libc_malloc(size);
}
void *calloc(size_t number, size_t size) {
    count(allocations);
    return __libc_calloc(number, size);
}
void *realloc(void *old, size_t size) {
    count(allocations);
    return __libc_realloc(old, size);
}
void *aligned_alloc(size_t boundary, size_t size) {
    count(allocations);
    return __libc_memalign(boundary, size);
}
int posix_memalign(void **place, size_t boundary, size_t size) {
    count(allocations);
    void *memory = __libc_memalign(boundary, size);
    if (!memory) return ENOMEM;
    *place = memory;
    return 0;
}

// Before the real ones are known: byte by byte.
static void *copy_slowly(void *target, const void *source, size_t size) {
    volatile unsigned char *to = target;
    const unsigned char *from = source;
    if (to <= from)
        for (size_t i = 0; i < size; i++) to[i] = from[i];
    else
        while (size--) to[size] = from[size];
    return target;
}
void *memcpy(void *target, const void *source, size_t size) {
    if (size >= least_copied) count(copies);
    return real_copy ? real_copy(target, source, size) : copy_slowly(target, source, size);
}
void *memmove(void *target, const void *source, size_t size) {
    if (size >= least_copied) count(copies);
    return real_move ? real_move(target, source, size) : copy_slowly(target, source, size);
}

int EVP_CipherFinal_ex(void *context, unsigned char *out, int *length) {
    count(seals);
    return real_final(context, out, length);
}

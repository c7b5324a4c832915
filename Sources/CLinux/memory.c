// Page-aligned memory, and each thread's stack of scratch buffers.
#define _GNU_SOURCE
#include "include/linux_memory.h"
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { page = 4096, kept_depth = 6, most_depth = 64 };
static const size_t kept_size = 1310720;  // 1.25 MiB: a 1 MiB request with its slots and edges

// Bytes of the pages that hold `count` bytes, at least one page; 0 when that is no size.
static size_t whole_pages(size_t count) {
    if (count > (size_t)-1 - page) return 0;
    return count ? (count + page - 1) / page * page : page;
}
void *linux_pages_create(size_t count) {
    void *pages = NULL;
    size_t size = whole_pages(count);
    if (size == 0 || posix_memalign(&pages, page, size) != 0) return NULL;
    memset(pages, 0, count);
    return pages;
}
void linux_pages_destroy(void *pages) { free(pages); }

// Mapped, not allocated: malloc keeps what it once gave out, between smaller pieces.
static void *map(size_t size) {
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}
static void unmap(void *pages, size_t size) { if (pages) munmap(pages, size); }

// INVARIANT: levels [0, depth) are in use. A level below kept_depth keeps its memory when popped if it is small enough.
struct scratch { int depth; struct { void *pages; size_t size; } levels[most_depth]; };
static __thread struct scratch *own;
static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void discard(void *argument) {
    struct scratch *scratch = argument;
    for (int i = 0; i < most_depth; i++) unmap(scratch->levels[i].pages, scratch->levels[i].size);
    free(scratch);
    own = NULL;
}
static void create_key(void) { pthread_key_create(&key, discard); }

void *linux_scratch_push(size_t count) {
    if (own == NULL) {
        pthread_once(&key_once, create_key);
        own = calloc(1, sizeof *own);
        if (own == NULL) return NULL;
        pthread_setspecific(key, own);
    }
    if (own->depth == most_depth) return NULL;
    int level = own->depth;
    if (own->levels[level].pages == NULL || own->levels[level].size < count) {
        unmap(own->levels[level].pages, own->levels[level].size);
        own->levels[level].pages = NULL;
        // Doubling, so that a thread settles after a few sizes.
        size_t size = page;
        while (size < count && size < kept_size) size *= 2;
        if (size > kept_size) size = kept_size;
        if (size < count) size = whole_pages(count);
        own->levels[level].pages = size ? map(size) : NULL;
        own->levels[level].size = own->levels[level].pages ? size : 0;
        if (own->levels[level].pages == NULL) return NULL;
    }
    own->depth++;
    return own->levels[level].pages;
}
void linux_scratch_pop(void) {
    int level = --own->depth;
    if (level >= kept_depth || own->levels[level].size > kept_size) {
        unmap(own->levels[level].pages, own->levels[level].size);
        own->levels[level].pages = NULL;
        own->levels[level].size = 0;
    }
}
void linux_scratch_give_back(void) {
    if (own == NULL) return;
    for (int i = own->depth; i < kept_depth; i++)
        if (own->levels[i].pages) madvise(own->levels[i].pages, own->levels[i].size, MADV_DONTNEED);
}

void linux_set_pools(int count) {
    mallopt(M_ARENA_MAX, count);
    mallopt(M_MMAP_THRESHOLD, 1 << 18);
    mallopt(M_TRIM_THRESHOLD, 1 << 21);
}
void linux_trim_pools(void) { malloc_trim(0); }

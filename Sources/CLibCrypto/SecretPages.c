// Pages for secrets: locked, left out of core dumps, wiped in forked children.
#define _GNU_SOURCE
#include "CLibCrypto.h"
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

void *clibcrypto_map_secret_pages(size_t size, int *is_locked) {
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return NULL;
    // Both are refused only by kernels older than 4.14: then there is no place for secrets here.
    if (madvise(pages, size, MADV_DONTDUMP) != 0 || madvise(pages, size, MADV_WIPEONFORK) != 0) {
        munmap(pages, size);
        return NULL;
    }
    *is_locked = mlock(pages, size) == 0;
    return pages;
}

int clibcrypto_unmap_secret_pages(void *pages, size_t size) {
    return munmap(pages, size) == 0 ? 0 : -errno;
}

unsigned clibcrypto_thread_number(void) {
    static atomic_uint next = 1;
    static _Thread_local unsigned number;  // 0: none yet
    if (number == 0) number = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
    return number - 1;
}

// libcrypto (OpenSSL 3.0), and the few calls about memory pages that secrets need.
#ifndef CLIBCRYPTO_H
#define CLIBCRYPTO_H
// No feature macro, as in CLinux and CFUSE: where they meet, Swift must find the C library's types as in its own Glibc module.
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stddef.h>

/// `size` zeroed bytes of fresh pages that core dumps leave out and that a forked child sees as zeros; NULL when there is no memory.
/// `*is_locked` becomes 1 when the pages are locked into memory, 0 when the limit (RLIMIT_MEMLOCK) refused.
void *clibcrypto_map_secret_pages(size_t size, int *is_locked);
/// Gives such pages back. 0, or -errno.
int clibcrypto_unmap_secret_pages(void *pages, size_t size);
/// A small number that each thread keeps: 0, 1, 2 … in the order of first calls.
unsigned clibcrypto_thread_number(void);
#endif

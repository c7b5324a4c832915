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

/// HKDF-SHA512 (RFC 5869) with a salt of at most 128 bytes and an output of 64. `digest` was initialised with SHA-512, and holds nothing secret afterwards. 1, or less on failure.
int clibcrypto_hkdf_sha512_block(EVP_MD_CTX *digest, const unsigned char *key, size_t key_count, const unsigned char *salt, size_t salt_count,
                                 const unsigned char *info, size_t info_count, unsigned char *output);

/// A new RSA key pair, to be freed with EVP_PKEY_free; NULL on failure.
EVP_PKEY *clibcrypto_generate_rsa(unsigned bits);
/// The RSA key pair that exactly these bytes (PKCS #8) are; NULL for anything else.
EVP_PKEY *clibcrypto_rsa_from_private(const unsigned char *bytes, size_t count);
/// The private half (PKCS #8) or the public half (SubjectPublicKeyInfo) as DER, in memory of libcrypto to be freed with `clibcrypto_free_secret`; its count, or less than 1.
int clibcrypto_rsa_private(const EVP_PKEY *key, unsigned char **place);
int clibcrypto_rsa_public(const EVP_PKEY *key, unsigned char **place);
/// Wipes and frees memory of libcrypto.
void clibcrypto_free_secret(unsigned char *place, size_t count);
/// Seals or opens with OAEP and SHA-256. `output` has as many bytes as the key; `*output_count` is that, and then what was written. 1, or less on failure.
int clibcrypto_rsa_oaep(EVP_PKEY *key, int seals, const unsigned char *input, size_t count, unsigned char *output, size_t *output_count);
#endif

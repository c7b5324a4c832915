// RSA key pairs and OAEP with SHA-256.
#include "CLibCrypto.h"
#include <openssl/rsa.h>
#include <openssl/x509.h>

EVP_PKEY *clibcrypto_generate_rsa(unsigned bits) { return EVP_RSA_gen(bits); }

EVP_PKEY *clibcrypto_rsa_from_private(const unsigned char *bytes, size_t count) {
    const unsigned char *end = bytes;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &end, (long)count);
    if (key != NULL && end == bytes + count && EVP_PKEY_is_a(key, "RSA")) return key;
    EVP_PKEY_free(key);
    return NULL;
}

int clibcrypto_rsa_private(const EVP_PKEY *key, unsigned char **place) {
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    if (info == NULL) return -1;
    *place = NULL;
    int count = i2d_PKCS8_PRIV_KEY_INFO(info, place);
    PKCS8_PRIV_KEY_INFO_free(info);
    return count;
}

int clibcrypto_rsa_public(const EVP_PKEY *key, unsigned char **place) {
    *place = NULL;
    return i2d_PUBKEY(key, place);
}

void clibcrypto_free_secret(unsigned char *place, size_t count) { OPENSSL_clear_free(place, count); }

int clibcrypto_rsa_oaep(EVP_PKEY *key, int seals, const unsigned char *input, size_t count, unsigned char *output, size_t *output_count) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    if (context == NULL) return 0;
    int result = (seals ? EVP_PKEY_encrypt_init(context) : EVP_PKEY_decrypt_init(context)) == 1
        && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1
        && EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1
        && EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1
        && (seals ? EVP_PKEY_encrypt(context, output, output_count, input, count) : EVP_PKEY_decrypt(context, output, output_count, input, count)) == 1;
    EVP_PKEY_CTX_free(context);
    return result;
}

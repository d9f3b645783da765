/* crypto: the only adapter of libsodium, and of libcrypto for SHA-256. */
#ifndef CORE_CRYPTO_H
#define CORE_CRYPTO_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void crypto_init(void); /* once a process, first thing; aborts when the system has no randomness */

/* HMAC-SHA256 with a key of any length (RFC 2104). */
void crypto_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length, uint8_t ret_mac[32]);
void crypto_hmac_sha1(const void *key, size_t key_length, const void *data, size_t length, uint8_t ret_mac[20]);
void crypto_sha256(const void *data, size_t length, uint8_t ret_hash[32]);
char *crypto_sha256_hex(const void *data, size_t length); /* lower hex, g_free */
/* SHA-256 of what comes piece by piece. crypto_hash_end() gives lower hex (g_free) and frees; crypto_hash_free() without. */
struct crypto_hash;
struct crypto_hash *crypto_hash_new(void);
void crypto_hash_add(struct crypto_hash *hash, const void *data, size_t length);
char *crypto_hash_end(struct crypto_hash *hash);
void crypto_hash_free(struct crypto_hash *hash);
char *crypto_hex(const void *data, size_t length);
bool crypto_equal(const void *a, const void *b, size_t length); /* constant time */

void crypto_random(void *ret, size_t length);
/* A new id: prefix, '_', 10 characters of time (ms) and 10 of randomness, Crockford base32 lower case; ids made later sort
 * later. g_free. "run_01k3zq7v4c…". */
char *crypto_id(const char *prefix);
/* "hks_" + 43 characters of 32 random bytes, base64url. g_free; wipe with crypto_wipe when done. */
char *crypto_token(void);
void crypto_wipe(void *bytes, size_t length);

#endif

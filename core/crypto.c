/* crypto: the only adapter of libsodium: hashes, MACs, random names. Knows no key's meaning.
 *
 * SHA-256 comes from libcrypto, which uses the processor's instructions for it: every webhook's signature is one. */
#include "core/crypto.h"
#include "core/clock.h"
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

void crypto_init(void)
{
    if (sodium_init() < 0)
        g_error("the system gives no random numbers");
}

/* --- SHA-256 --------------------------------------------------------------------------------------------------------
 */

enum { SHA256_BLOCK = 64, SHA256_SIZE = 32 };

/* Fetched once: finding an algorithm by name costs more than hashing a webhook. */
static const EVP_MD *sha256_algorithm(void)
{
    static EVP_MD *algorithm;
    if (g_once_init_enter(&algorithm)) {
        EVP_MD *fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
        if (fetched == NULL)
            g_error("libcrypto has no SHA-256");
        g_once_init_leave(&algorithm, fetched);
    }
    return algorithm;
}

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static EVP_MD_CTX *thread_context(void)
{
    static GPrivate key = G_PRIVATE_INIT(free_context);
    EVP_MD_CTX *context = g_private_get(&key);
    if (context == NULL) {
        context = EVP_MD_CTX_new();
        g_private_set(&key, context);
    }
    return context;
}

/* The hash of two pieces. Fails only when memory is out, which ends the process everywhere else, too. */
static void sha256_of(const void *first, size_t first_length, const void *second, size_t second_length,
                      uint8_t ret_hash[SHA256_SIZE])
{
    EVP_MD_CTX *context = thread_context();
    if (context == NULL || EVP_DigestInit_ex2(context, sha256_algorithm(), NULL) != 1 ||
        EVP_DigestUpdate(context, first, first_length) != 1 || EVP_DigestUpdate(context, second, second_length) != 1 ||
        EVP_DigestFinal_ex(context, ret_hash, NULL) != 1)
        g_error("libcrypto cannot hash");
}

void crypto_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length, uint8_t ret_mac[32])
{
    uint8_t inner[SHA256_BLOCK] = {0}, outer[SHA256_BLOCK], hash[SHA256_SIZE];
    if (key_length > SHA256_BLOCK)
        crypto_sha256(key, key_length, inner);
    else if (key_length > 0)
        memcpy(inner, key, key_length);
    for (size_t i = 0; i < SHA256_BLOCK; i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }
    sha256_of(inner, sizeof inner, data, length, hash);
    sha256_of(outer, sizeof outer, hash, sizeof hash, ret_mac);
    sodium_memzero(inner, sizeof inner);
    sodium_memzero(outer, sizeof outer);
}

void crypto_sha256(const void *data, size_t length, uint8_t ret_hash[32])
{
    sha256_of(data, length, "", 0, ret_hash);
}

struct crypto_hash {
    EVP_MD_CTX *context;
};

struct crypto_hash *crypto_hash_new(void)
{
    struct crypto_hash *hash = g_new0(struct crypto_hash, 1);
    hash->context = EVP_MD_CTX_new();
    if (hash->context == NULL || EVP_DigestInit_ex2(hash->context, sha256_algorithm(), NULL) != 1)
        g_error("libcrypto cannot hash");
    return hash;
}

void crypto_hash_add(struct crypto_hash *hash, const void *data, size_t length)
{
    if (EVP_DigestUpdate(hash->context, data, length) != 1)
        g_error("libcrypto cannot hash");
}

char *crypto_hash_end(struct crypto_hash *hash)
{
    uint8_t digest[SHA256_SIZE];
    if (EVP_DigestFinal_ex(hash->context, digest, NULL) != 1)
        g_error("libcrypto cannot hash");
    crypto_hash_free(hash);
    return crypto_hex(digest, sizeof digest);
}

void crypto_hash_free(struct crypto_hash *hash)
{
    if (hash == NULL)
        return;
    EVP_MD_CTX_free(hash->context);
    g_free(hash);
}

/* --- everything else
 * --------------------------------------------------------------------------------------------------- */

void crypto_hmac_sha1(const void *key, size_t key_length, const void *data, size_t length, uint8_t ret_mac[20])
{
    /* libsodium has no SHA-1, which only the hashed names of known_hosts still need. */
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA1, key, key_length);
    gsize size = 20;
    g_hmac_update(hmac, data, (gssize)length);
    g_hmac_get_digest(hmac, ret_mac, &size);
    g_hmac_unref(hmac);
}

char *crypto_sha256_hex(const void *data, size_t length)
{
    uint8_t hash[32];
    crypto_sha256(data, length, hash);
    return crypto_hex(hash, sizeof hash);
}

char *crypto_hex(const void *data, size_t length)
{
    char *text = g_malloc(length * 2 + 1);
    sodium_bin2hex(text, length * 2 + 1, data, length);
    return text;
}

bool crypto_equal(const void *a, const void *b, size_t length)
{
    return sodium_memcmp(a, b, length) == 0;
}

void crypto_random(void *ret, size_t length)
{
    randombytes_buf(ret, length);
}

static void append_base32(char *out, uint64_t value, int characters)
{
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    for (int i = characters - 1; i >= 0; i--, value >>= 5)
        out[i] = alphabet[value & 31];
}

char *crypto_id(const char *prefix)
{
    enum { TIME_CHARACTERS = 10, RANDOM_CHARACTERS = 10 };
    static const uint64_t random_mask = (UINT64_C(1) << (5 * RANDOM_CHARACTERS)) - 1;
    static GMutex mutex;
    static uint64_t last_time, last_random;

    g_mutex_lock(&mutex);
    uint64_t now = (uint64_t)MAX(clock_now_ms(), 0);
    if (now > last_time) {
        last_time = now;
        crypto_random(&last_random, sizeof last_random);
        last_random &= random_mask >> 1; /* room to count up within the millisecond */
    } else {
        last_random++; /* same millisecond, or the clock went back: still later than the one before */
    }
    uint64_t time_part = last_time, random_part = last_random & random_mask;
    g_mutex_unlock(&mutex);

    char text[TIME_CHARACTERS + RANDOM_CHARACTERS + 1] = {0};
    append_base32(text, time_part, TIME_CHARACTERS);
    append_base32(text + TIME_CHARACTERS, random_part, RANDOM_CHARACTERS);
    return g_strconcat(prefix, "_", text, NULL);
}

char *crypto_token(void)
{
    uint8_t bytes[32];
    char text[sodium_base64_ENCODED_LEN(sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    crypto_random(bytes, sizeof bytes);
    sodium_bin2base64(text, sizeof text, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *token = g_strconcat("hks_", text, NULL);
    sodium_memzero(bytes, sizeof bytes);
    sodium_memzero(text, sizeof text);
    return token;
}

void crypto_wipe(void *bytes, size_t length)
{
    if (bytes != NULL)
        sodium_memzero(bytes, length);
}

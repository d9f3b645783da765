/* crypto: the only adapter of libsodium: hashes, MACs, random names. Knows no key's meaning. */
#include "core/crypto.h"
#include "core/clock.h"
#include <sodium.h>
#include <string.h>

void crypto_init(void)
{
    if (sodium_init() < 0)
        g_error("the system gives no random numbers");
}

void crypto_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length, uint8_t ret_mac[32])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, key_length);
    crypto_auth_hmacsha256_update(&state, data, length);
    crypto_auth_hmacsha256_final(&state, ret_mac);
    sodium_memzero(&state, sizeof state);
}

void crypto_hmac_sha1(const void *key, size_t key_length, const void *data, size_t length, uint8_t ret_mac[20])
{
    /* libsodium has no SHA-1, which only the hashed names of known_hosts still need. */
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA1, key, key_length);
    gsize size = 20;
    g_hmac_update(hmac, data, (gssize)length);
    g_hmac_get_digest(hmac, ret_mac, &size);
    g_hmac_unref(hmac);
}

void crypto_sha256(const void *data, size_t length, uint8_t ret_hash[32])
{
    crypto_hash_sha256(ret_hash, data, length);
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
    return sodium_bin2hex(text, length * 2 + 1, data, length);
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

/* bcrypt: see bcrypt.h. Blowfish's initial state is the fraction of pi; it is computed, not typed in. */
#include "runner/ssh/bcrypt.h"
#include <glib.h>
#include <stdbool.h>
#include <string.h>

enum {
    P_WORDS = 18,
    S_WORDS = 4 * 256,
    STATE_WORDS = P_WORDS + S_WORDS,
    PI_WORDS = 1 + STATE_WORDS + 2, /* integer part, the fraction we need, two words for the rounding of the series */
    HASH_BYTES = 32,
    SHA512_BYTES = 64,
};

struct blowfish {
    uint32_t p[P_WORDS];
    uint32_t s[S_WORDS];
};

/* Fixed-point numbers, most significant word first. Returns the index of the first word that is not 0. */
static size_t divide(uint32_t *number, size_t first, uint32_t divisor)
{
    uint64_t rest = 0;
    for (size_t i = first; i < PI_WORDS; i++) {
        rest = rest << 32 | number[i];
        number[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    while (first < PI_WORDS && number[first] == 0)
        first++;
    return first;
}

static void accumulate(uint32_t *sum, const uint32_t *term, bool subtract)
{
    int64_t carry = 0;
    for (size_t i = PI_WORDS; i-- > 0;) {
        carry += subtract ? (int64_t)sum[i] - term[i] : (int64_t)sum[i] + term[i];
        sum[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* sum ± factor × arctan(1/x), by its power series. */
static void add_arctan(uint32_t *sum, uint32_t factor, uint32_t x, bool subtract)
{
    uint32_t power[PI_WORDS] = {factor}, term[PI_WORDS];
    size_t first = divide(power, 0, x);
    for (uint32_t k = 1; first < PI_WORDS; k += 2) {
        memcpy(term, power, sizeof term);
        divide(term, first, k);
        accumulate(sum, term, subtract != (k % 4 == 3));
        first = divide(power, first, x * x);
    }
}

static void *initial_state(void *unused)
{
    (void)unused;
    uint32_t pi[PI_WORDS] = {0};
    add_arctan(pi, 16, 5, false); /* Machin, 1706 */
    add_arctan(pi, 4, 239, true);
    struct blowfish *state = g_new(struct blowfish, 1);
    memcpy(state->p, pi + 1, sizeof state->p);
    memcpy(state->s, pi + 1 + P_WORDS, sizeof state->s);
    return state;
}

static uint32_t mix(const struct blowfish *state, uint32_t x)
{
    const uint32_t *s = state->s;
    return ((s[x >> 24] + s[256 + (x >> 16 & 255)]) ^ s[512 + (x >> 8 & 255)]) + s[768 + (x & 255)];
}

static void encipher(const struct blowfish *state, uint32_t *left, uint32_t *right)
{
    uint32_t l = *left ^ state->p[0], r = *right;
    for (int i = 1; i < 17; i += 2) {
        r ^= mix(state, l) ^ state->p[i];
        l ^= mix(state, r) ^ state->p[i + 1];
    }
    *left = r ^ state->p[17];
    *right = l;
}

/* The next 32 bits of 64 bytes read round and round. */
static uint32_t next_word(const uint8_t bytes[SHA512_BYTES], size_t *at)
{
    uint32_t word;
    memcpy(&word, bytes + *at, sizeof word);
    *at = (*at + sizeof word) % SHA512_BYTES;
    return GUINT32_FROM_BE(word);
}

/* Blowfish's key schedule; with `salt` the expensive one of bcrypt. */
static void schedule(struct blowfish *state, const uint8_t *salt, const uint8_t key[SHA512_BYTES])
{
    size_t key_at = 0, salt_at = 0;
    for (int i = 0; i < P_WORDS; i++)
        state->p[i] ^= next_word(key, &key_at);
    uint32_t l = 0, r = 0;
    for (int i = 0; i < STATE_WORDS; i += 2) {
        if (salt != NULL) {
            l ^= next_word(salt, &salt_at);
            r ^= next_word(salt, &salt_at);
        }
        encipher(state, &l, &r);
        uint32_t *to = i < P_WORDS ? state->p + i : state->s + (i - P_WORDS);
        to[0] = l;
        to[1] = r;
    }
}

static void bcrypt_hash(const uint8_t key[SHA512_BYTES], const uint8_t salt[SHA512_BYTES], uint8_t ret[HASH_BYTES])
{
    static GOnce once = G_ONCE_INIT;
    g_once(&once, initial_state, NULL);
    struct blowfish state = *(const struct blowfish *)once.retval;
    schedule(&state, salt, key);
    for (int i = 0; i < 64; i++) {
        schedule(&state, NULL, salt);
        schedule(&state, NULL, key);
    }
    uint32_t words[HASH_BYTES / 4];
    memcpy(words, "OxychromaticBlowfishSwatDynamite", HASH_BYTES);
    for (int i = 0; i < HASH_BYTES / 4; i += 2) {
        uint32_t l = GUINT32_FROM_BE(words[i]), r = GUINT32_FROM_BE(words[i + 1]);
        for (int turn = 0; turn < 64; turn++)
            encipher(&state, &l, &r);
        words[i] = GUINT32_TO_LE(l);
        words[i + 1] = GUINT32_TO_LE(r);
    }
    memcpy(ret, words, HASH_BYTES);
    explicit_bzero(&state, sizeof state);
}

static void sha512(const void *bytes, size_t length, const void *more, size_t more_length, uint8_t ret[SHA512_BYTES])
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA512);
    g_checksum_update(sum, bytes, (gssize)length);
    g_checksum_update(sum, more, (gssize)more_length);
    gsize size = SHA512_BYTES;
    g_checksum_get_digest(sum, ret, &size);
}

void ssh_bcrypt_pbkdf(const char *passphrase, const uint8_t *salt, size_t salt_length, uint32_t rounds, uint8_t *ret,
                      size_t length)
{
    uint8_t key[SHA512_BYTES], block_salt[SHA512_BYTES], hash[HASH_BYTES], block[HASH_BYTES];
    size_t blocks = (length + HASH_BYTES - 1) / HASH_BYTES;
    sha512(passphrase, strlen(passphrase), NULL, 0, key);
    for (uint32_t count = 0; count < blocks; count++) {
        uint32_t number = GUINT32_TO_BE(count + 1);
        sha512(salt, salt_length, &number, sizeof number, block_salt);
        bcrypt_hash(key, block_salt, hash);
        memcpy(block, hash, sizeof block);
        for (uint32_t round = 1; round < rounds; round++) {
            sha512(hash, sizeof hash, NULL, 0, block_salt);
            bcrypt_hash(key, block_salt, hash);
            for (size_t i = 0; i < sizeof block; i++)
                block[i] ^= hash[i];
        }
        /* Unlike PBKDF2, the blocks are interleaved: every part of the key costs all of the work. */
        for (size_t i = 0; i * blocks + count < length && i < HASH_BYTES; i++)
            ret[i * blocks + count] = block[i];
    }
    explicit_bzero(key, sizeof key);
    explicit_bzero(hash, sizeof hash);
    explicit_bzero(block, sizeof block);
}

/* key_openssh: OpenSSH's private key files (PROTOCOL.key in OpenSSH's source), encrypted or not. */
#include "core/errors.h"
#include "runner/ssh/bcrypt.h"
#include "runner/ssh/key_private.h"
#include "runner/ssh/packet.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>
#include <string.h>

#define BEGIN_LINE "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END_LINE   "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC      "openssh-key-v1"
/* A file can ask for any number of rounds; ssh-keygen's default is 16 to 24, and 2,000 take a quarter of a minute. */
enum { MAX_KDF_ROUNDS = 2000 };

G_DEFINE_AUTOPTR_CLEANUP_FUNC(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OSSL_PARAM, OSSL_PARAM_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

/* Secret bytes on the heap, wiped when they go. */
static void wipe_array(GByteArray *array)
{
    if (array == NULL)
        return;
    OPENSSL_cleanse(array->data, array->len);
    g_byte_array_unref(array);
}
typedef GByteArray secret_array;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(secret_array, wipe_array)

static EVP_PKEY *pkey_from(const char *algorithm, OSSL_PARAM_BLD *builder)
{
    g_autoptr(OSSL_PARAM) params = OSSL_PARAM_BLD_to_param(builder);
    g_autoptr(EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
    EVP_PKEY *pkey = NULL;
    if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) <= 0 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params) <= 0)
        return NULL;
    return pkey;
}

static EVP_PKEY *read_ed25519(struct ssh_reader *reader)
{
    struct ssh_span public, private;
    if (!ssh_read_string(reader, &public) || !ssh_read_string(reader, &private) || private.length != 64)
        return NULL;
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private.bytes, 32);
}

static EVP_PKEY *read_ecdsa(struct ssh_reader *reader, const struct ssh_curve *curve)
{
    struct ssh_span name, point, scalar;
    if (!ssh_read_string(reader, &name) || !ssh_read_string(reader, &point) || !ssh_read_string(reader, &scalar) ||
        !ssh_span_is(&name, curve->name))
        return NULL;
    g_autoptr(BIGNUM) number = BN_bin2bn(scalar.bytes, (int)scalar.length, NULL);
    g_autoptr(OSSL_PARAM_BLD) builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0);
    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.bytes, point.length);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, number);
    return pkey_from("EC", builder);
}

/* OpenSSL wants d mod (p−1) and d mod (q−1), which the file leaves out. */
static EVP_PKEY *read_rsa(struct ssh_reader *reader)
{
    static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N,       OSSL_PKEY_PARAM_RSA_E,
                                        OSSL_PKEY_PARAM_RSA_D,       OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
                                        OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2};
    enum { D = 2, P = 4, Q = 5, COUNT = 6 };
    BIGNUM *numbers[COUNT] = {NULL}, *dp = BN_new(), *dq = BN_new(), *less = BN_new();
    BN_CTX *scratch = BN_CTX_new();
    g_autoptr(OSSL_PARAM_BLD) builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    for (int i = 0; i < COUNT; i++) {
        struct ssh_span span;
        if (!ssh_read_string(reader, &span))
            goto out;
        numbers[i] = BN_bin2bn(span.bytes, (int)span.length, NULL);
        OSSL_PARAM_BLD_push_BN(builder, names[i], numbers[i]);
    }
    if (BN_sub(less, numbers[P], BN_value_one()) && BN_mod(dp, numbers[D], less, scratch) &&
        BN_sub(less, numbers[Q], BN_value_one()) && BN_mod(dq, numbers[D], less, scratch)) {
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT1, dp);
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT2, dq);
        pkey = pkey_from("RSA", builder);
    }
out:
    for (int i = 0; i < COUNT; i++)
        BN_clear_free(numbers[i]);
    BN_clear_free(dp);
    BN_clear_free(dq);
    BN_clear_free(less);
    BN_CTX_free(scratch);
    return pkey;
}

/* The decrypted part: check numbers, type, the key's fields. */
static EVP_PKEY *read_private_section(const uint8_t *bytes, size_t length, const char *name, GError **error)
{
    struct ssh_reader reader = ssh_reader_over(bytes, length);
    uint32_t check1, check2;
    struct ssh_span type;
    if (!ssh_read_u32(&reader, &check1) || !ssh_read_u32(&reader, &check2) || check1 != check2 ||
        !ssh_read_string(&reader, &type)) {
        errors_set(error, ERROR_SECRET, "cannot decrypt identity '%s': wrong passphrase", name);
        return NULL;
    }
    g_autofree char *text = g_strndup((const char *)type.bytes, type.length);
    const struct ssh_curve *curve = ssh_curve_by(text, NULL);
    EVP_PKEY *pkey = NULL;
    if (strcmp(text, "ssh-ed25519") == 0)
        pkey = read_ed25519(&reader);
    else if (strcmp(text, "ssh-rsa") == 0)
        pkey = read_rsa(&reader);
    else if (curve != NULL)
        pkey = read_ecdsa(&reader, curve);
    else {
        g_autofree char *shown = g_strescape(text, NULL);
        errors_set(error, ERROR_UNSUPPORTED,
                   "identity '%s' is a key of type %s, which is not supported: use ed25519, ECDSA or RSA", name, shown);
        return NULL;
    }
    if (pkey == NULL)
        errors_set(error, ERROR_SECRET, "identity '%s' is damaged", name);
    return pkey;
}

static const struct cipher {
    const char *name, *library;
    size_t key_bytes;
} ciphers[] = {
    {"aes256-ctr", "AES-256-CTR", 32}, {"aes192-ctr", "AES-192-CTR", 24}, {"aes128-ctr", "AES-128-CTR", 16},
    {"aes256-cbc", "AES-256-CBC", 32}, {"aes192-cbc", "AES-192-CBC", 24}, {"aes128-cbc", "AES-128-CBC", 16},
};
enum { IV_BYTES = 16, BLOCK_BYTES = 16 };

/* The file's fields before the keys. */
struct envelope {
    struct ssh_span cipher, kdf, kdf_options, public, section;
};

static bool read_envelope(const uint8_t *bytes, size_t length, struct envelope *ret)
{
    struct ssh_reader reader = ssh_reader_over(bytes, length);
    struct ssh_span magic;
    uint32_t keys;
    return ssh_read_raw(&reader, sizeof MAGIC, &magic) && memcmp(magic.bytes, MAGIC, sizeof MAGIC) == 0 &&
           ssh_read_string(&reader, &ret->cipher) && ssh_read_string(&reader, &ret->kdf) &&
           ssh_read_string(&reader, &ret->kdf_options) && ssh_read_u32(&reader, &keys) && keys == 1 &&
           ssh_read_string(&reader, &ret->public) && ssh_read_string(&reader, &ret->section);
}

static const struct cipher *find_cipher(const struct envelope *envelope)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ciphers); i++)
        if (ssh_span_is(&envelope->cipher, ciphers[i].name))
            return &ciphers[i];
    return NULL;
}

static bool decrypt(const struct cipher *cipher, const uint8_t *secret, const struct ssh_span *section, uint8_t *ret)
{
    g_autoptr(EVP_CIPHER_CTX) context = EVP_CIPHER_CTX_new();
    int length = 0;
    return EVP_DecryptInit_ex(context, EVP_get_cipherbyname(cipher->library), NULL, secret,
                              secret + cipher->key_bytes) &&
           EVP_CIPHER_CTX_set_padding(context, 0) &&
           EVP_DecryptUpdate(context, ret, &length, section->bytes, (int)section->length) &&
           (size_t)length == section->length;
}

static EVP_PKEY *read_encrypted(const struct envelope *envelope, const char *passphrase, const char *name,
                                GError **error)
{
    const struct cipher *cipher = find_cipher(envelope);
    if (cipher == NULL || !ssh_span_is(&envelope->kdf, "bcrypt")) {
        errors_set(error, ERROR_UNSUPPORTED,
                   "identity '%s' is encrypted in a way that is not supported: write it again with ssh-keygen -p -Z "
                   "aes256-ctr",
                   name);
        return NULL;
    }
    if (passphrase == NULL) {
        errors_set(error, ERROR_SECRET, "identity '%s' is encrypted and no passphrase is configured", name);
        return NULL;
    }
    struct ssh_reader options = ssh_reader_over(envelope->kdf_options.bytes, envelope->kdf_options.length);
    struct ssh_span salt;
    uint32_t rounds = 0;
    if (!ssh_read_string(&options, &salt) || !ssh_read_u32(&options, &rounds) || rounds == 0 ||
        rounds > MAX_KDF_ROUNDS || envelope->section.length % BLOCK_BYTES != 0) {
        errors_set(error, ERROR_SECRET, "identity '%s' is damaged", name);
        return NULL;
    }
    uint8_t secret[32 + IV_BYTES];
    ssh_bcrypt_pbkdf(passphrase, salt.bytes, salt.length, rounds, secret, cipher->key_bytes + IV_BYTES);
    g_autoptr(secret_array) plain = g_byte_array_sized_new((guint)envelope->section.length);
    g_byte_array_set_size(plain, (guint)envelope->section.length);
    bool fine = decrypt(cipher, secret, &envelope->section, plain->data);
    OPENSSL_cleanse(secret, sizeof secret);
    if (!fine) {
        errors_set(error, ERROR_SECRET, "identity '%s' is damaged", name);
        return NULL;
    }
    return read_private_section(plain->data, plain->len, name, error);
}

bool ssh_key_is_openssh(const char *text, size_t length)
{
    return g_strstr_len(text, (gssize)length, BEGIN_LINE) != NULL;
}

/* The bytes between the two lines, or NULL. */
static GByteArray *decode(const char *text, size_t length)
{
    const char *begin = g_strstr_len(text, (gssize)length, BEGIN_LINE) + strlen(BEGIN_LINE);
    const char *end = g_strstr_len(begin, (gssize)(length - (size_t)(begin - text)), END_LINE);
    if (end == NULL)
        return NULL;
    gint state = 0;
    guint save = 0;
    GByteArray *bytes = g_byte_array_sized_new((guint)(end - begin));
    g_byte_array_set_size(bytes, (guint)(end - begin));
    gsize size = g_base64_decode_step(begin, (gsize)(end - begin), bytes->data, &state, &save);
    g_byte_array_set_size(bytes, (guint)size);
    return bytes;
}

EVP_PKEY *ssh_key_read_openssh(const char *text, size_t length, const char *passphrase, const char *name,
                               GError **error)
{
    g_autoptr(secret_array) bytes = decode(text, length);
    struct envelope envelope;
    if (bytes == NULL || !read_envelope(bytes->data, bytes->len, &envelope)) {
        errors_set(error, ERROR_SECRET, "identity '%s' is damaged", name);
        return NULL;
    }
    if (!ssh_span_is(&envelope.cipher, "none"))
        return read_encrypted(&envelope, passphrase, name, error);
    return read_private_section(envelope.section.bytes, envelope.section.length, name, error);
}

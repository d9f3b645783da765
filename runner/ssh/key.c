/* key: see key.h. Knows no session and no file. OpenSSH's own format is read in key_openssh.c. */
#include "runner/ssh/key.h"
#include "core/errors.h"
#include "runner/ssh/key_private.h"
#include "runner/ssh/packet.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

struct ssh_key {
    const char *type; /* static */
    EVP_PKEY *pkey;
    GByteArray *public;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_MD_CTX, EVP_MD_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ECDSA_SIG, ECDSA_SIG_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_vfree)

static const struct ssh_curve curves[] = {
    {"ecdsa-sha2-nistp256", "nistp256", "prime256v1", "SHA256"},
    {"ecdsa-sha2-nistp384", "nistp384", "secp384r1", "SHA384"},
    {"ecdsa-sha2-nistp521", "nistp521", "secp521r1", "SHA512"},
};

const struct ssh_curve *ssh_curve_by(const char *type, const char *group)
{
    for (size_t i = 0; i < G_N_ELEMENTS(curves); i++)
        if ((type != NULL && strcmp(curves[i].type, type) == 0) ||
            (group != NULL && strcmp(curves[i].group, group) == 0))
            return &curves[i];
    return NULL;
}

static void put_bignum(GByteArray *out, const EVP_PKEY *pkey, const char *name)
{
    g_autoptr(BIGNUM) number = NULL;
    if (!EVP_PKEY_get_bn_param(pkey, name, &number))
        return;
    g_autofree uint8_t *bytes = g_malloc((gsize)BN_num_bytes(number) + 1);
    int length = BN_bn2bin(number, bytes);
    ssh_put_mpint(out, bytes, (size_t)length);
}

static bool describe_ec(struct ssh_key *key)
{
    char group[64];
    uint8_t point[256];
    size_t length = 0;
    if (!EVP_PKEY_get_group_name(key->pkey, group, sizeof group, NULL))
        return false;
    const struct ssh_curve *curve = ssh_curve_by(NULL, group);
    if (curve == NULL)
        return false;
    if (!EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &length))
        return false;
    key->type = curve->type;
    ssh_put_text(key->public, curve->type);
    ssh_put_text(key->public, curve->name);
    ssh_put_string(key->public, point, length);
    return true;
}

/* Fills type and public from pkey. False when SSH has no name for such a key. */
static bool describe(struct ssh_key *key)
{
    switch (EVP_PKEY_get_base_id(key->pkey)) {
    case EVP_PKEY_ED25519: {
        uint8_t raw[32];
        size_t length = sizeof raw;
        if (!EVP_PKEY_get_raw_public_key(key->pkey, raw, &length))
            return false;
        key->type = "ssh-ed25519";
        ssh_put_text(key->public, key->type);
        ssh_put_string(key->public, raw, length);
        return true;
    }
    case EVP_PKEY_EC:
        return describe_ec(key);
    case EVP_PKEY_RSA:
        key->type = "ssh-rsa";
        ssh_put_text(key->public, key->type);
        put_bignum(key->public, key->pkey, OSSL_PKEY_PARAM_RSA_E);
        put_bignum(key->public, key->pkey, OSSL_PKEY_PARAM_RSA_N);
        return true;
    default:
        return false;
    }
}

/* ---- reading ---- */

struct passphrase {
    const char *text; /* NULL = none was given */
    bool asked;
};

static int give_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)writing;
    struct passphrase *passphrase = arg;
    passphrase->asked = true;
    size_t length = passphrase->text ? strlen(passphrase->text) : 0;
    if (length == 0 || length > (size_t)size)
        return -1;
    memcpy(buffer, passphrase->text, length);
    return (int)length;
}

static EVP_PKEY *read_pem(const char *text, size_t length, const char *passphrase, const char *name, GError **error)
{
    g_autoptr(BIO) bio = BIO_new_mem_buf(text, (int)length);
    struct passphrase given = {.text = passphrase};
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &given);
    ERR_clear_error();
    if (pkey != NULL)
        return pkey;
    if (given.asked && passphrase == NULL)
        errors_set(error, ERROR_SECRET, "identity '%s' is encrypted and no passphrase is configured", name);
    else if (given.asked)
        errors_set(error, ERROR_SECRET, "cannot decrypt identity '%s': wrong passphrase", name);
    else
        errors_set(error, ERROR_SECRET, "'%s' is not a private key (OpenSSH or PEM)", name);
    return NULL;
}

struct ssh_key *ssh_key_parse(const char *text, size_t length, const char *passphrase, const char *name, GError **error)
{
    g_autoptr(ssh_key) key = g_new0(struct ssh_key, 1);
    key->public = g_byte_array_new();
    key->pkey = ssh_key_is_openssh(text, length) ? ssh_key_read_openssh(text, length, passphrase, name, error)
                                                 : read_pem(text, length, passphrase, name, error);
    if (key->pkey == NULL)
        return NULL;
    if (!describe(key)) {
        errors_set(error, ERROR_UNSUPPORTED,
                   "identity '%s' is a kind of key that SSH does not use: use ed25519, ECDSA or RSA", name);
        return NULL;
    }
    return g_steal_pointer(&key);
}

void ssh_key_free(struct ssh_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    g_byte_array_unref(key->public);
    g_free(key);
}

const char *ssh_key_type(const struct ssh_key *key)
{
    return key->type;
}

const uint8_t *ssh_key_public(const struct ssh_key *key, size_t *ret_length)
{
    *ret_length = key->public->len;
    return key->public->data;
}

/* ---- signing ---- */

/* OpenSSL's DER (r, s) as SSH's two mpints. */
static uint8_t *ecdsa_to_wire(const uint8_t *der, size_t length, size_t *ret_length)
{
    g_autoptr(ECDSA_SIG) signature = d2i_ECDSA_SIG(NULL, &der, (long)length);
    if (signature == NULL)
        return NULL;
    GByteArray *out = g_byte_array_new();
    const BIGNUM *parts[] = {ECDSA_SIG_get0_r(signature), ECDSA_SIG_get0_s(signature)};
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        uint8_t bytes[80]; /* P-521 needs 66 */
        int size = BN_bn2bin(parts[i], bytes);
        ssh_put_mpint(out, bytes, (size_t)size);
    }
    *ret_length = out->len;
    return g_byte_array_free(out, FALSE);
}

/* The hash of a signature algorithm; "" = the algorithm hashes by itself, NULL = it is not this key's. */
static const char *digest_for(const struct ssh_key *key, const char *algorithm)
{
    if (strcmp(key->type, "ssh-rsa") == 0)
        return strcmp(algorithm, "rsa-sha2-512") == 0   ? "SHA512"
               : strcmp(algorithm, "rsa-sha2-256") == 0 ? "SHA256"
                                                        : NULL;
    if (strcmp(key->type, algorithm) != 0)
        return NULL;
    const struct ssh_curve *curve = ssh_curve_by(key->type, NULL);
    return curve ? curve->digest : "";
}

uint8_t *ssh_key_sign(const struct ssh_key *key, const char *algorithm, const uint8_t *data, size_t length,
                      size_t *ret_length)
{
    const char *digest = digest_for(key, algorithm);
    if (digest == NULL)
        return NULL;
    g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
    size_t size = 0;
    if (EVP_DigestSignInit_ex(context, NULL, *digest ? digest : NULL, NULL, NULL, key->pkey, NULL) <= 0 ||
        EVP_DigestSign(context, NULL, &size, data, length) <= 0)
        return NULL;
    g_autofree uint8_t *signature = g_malloc(size);
    if (EVP_DigestSign(context, signature, &size, data, length) <= 0)
        return NULL;
    if (ssh_curve_by(key->type, NULL) != NULL)
        return ecdsa_to_wire(signature, size, ret_length);
    *ret_length = size;
    return g_steal_pointer(&signature);
}

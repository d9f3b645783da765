/* key_private: what key.c shares with key_openssh.c. Nothing else includes this. */
#ifndef RUNNER_SSH_KEY_PRIVATE_H
#define RUNNER_SSH_KEY_PRIVATE_H

#include <glib.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

/* The elliptic curves of RFC 5656, by SSH's and OpenSSL's names. */
struct ssh_curve {
    const char *type, *name, *group, *digest;
};
/* By key type or by OpenSSL group (the other is NULL). NULL when there is none. */
const struct ssh_curve *ssh_curve_by(const char *type, const char *group);

/* True when the text holds an OpenSSH private key ("openssh-key-v1"). */
bool ssh_key_is_openssh(const char *text, size_t length);
EVP_PKEY *ssh_key_read_openssh(const char *text, size_t length, const char *passphrase, const char *name,
                               GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIGNUM, BN_clear_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)

#endif

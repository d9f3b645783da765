/* key: private keys of users: OpenSSH and PEM files, encrypted or not; the only adapter of OpenSSL.
 *
 * A key is decrypted once, off the loop, and then signs in microseconds: libssh2's own readers repeat the key
 * derivation of an encrypted file (136 ms) in every authentication. */
#ifndef RUNNER_SSH_KEY_H
#define RUNNER_SSH_KEY_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ssh_key;

/* Reads the text of a private key file. `passphrase` may be NULL; `name` stands in messages. ERROR_SECRET: not a key, a
 * wrong or missing passphrase. ERROR_UNSUPPORTED: a kind we cannot use. May take long: not on the loop. */
struct ssh_key *ssh_key_parse(const char *text, size_t length, const char *passphrase, const char *name,
                              GError **error);
void ssh_key_free(struct ssh_key *key);

/* "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", … */
const char *ssh_key_type(const struct ssh_key *key);
/* The public key as the SSH wire has it. Borrowed. */
const uint8_t *ssh_key_public(const struct ssh_key *key, size_t *ret_length);
/* Signs for one signature algorithm ("rsa-sha2-512", else the key's type): the inner bytes of the wire's signature.
 * g_free. NULL when the algorithm is not this key's. */
uint8_t *ssh_key_sign(const struct ssh_key *key, const char *algorithm, const uint8_t *data, size_t length,
                      size_t *ret_length);

typedef struct ssh_key ssh_key;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ssh_key, ssh_key_free)

#endif

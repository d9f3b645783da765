/* bcrypt: the key derivation of encrypted OpenSSH private keys (bcrypt_pbkdf, the "bcrypt" kdf of PROTOCOL.key). No
 * library of Debian offers it. */
#ifndef RUNNER_SSH_BCRYPT_H
#define RUNNER_SSH_BCRYPT_H

#include <stddef.h>
#include <stdint.h>

/* Fills `ret` from the passphrase. Costs `rounds` × 8 ms: never on a loop. Any thread. */
void ssh_bcrypt_pbkdf(const char *passphrase, const uint8_t *salt, size_t salt_length, uint32_t rounds, uint8_t *ret,
                      size_t length);

#endif

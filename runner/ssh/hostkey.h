/* hostkey: which host keys are believed: a pin of the inventory, else known_hosts. Nothing is trusted on first use. */
#ifndef RUNNER_SSH_HOSTKEY_H
#define RUNNER_SSH_HOSTKEY_H

#include "core/known_hosts.h"
#include "runner/ssh/target.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The key types to ask for, best first ("ssh-ed25519,ecdsa-…"): those on file for the host, then the others, less the
 * first `skip` of them. NULL when `skip` leaves none. g_free. The order matters: a host that is known by its ed25519
 * key alone would otherwise show its ECDSA key and look changed. */
char *ssh_hostkey_preference(const struct ssh_target *target, const struct known_hosts *known, unsigned skip);

/* Checks the key that the host showed; ERROR_HOST_KEY says what is wrong, what stands where, and what to do. `path` is
 * the known_hosts file's, for messages. */
bool ssh_hostkey_verify(const struct ssh_target *target, const struct known_hosts *known, const char *path,
                        const uint8_t *key, size_t length, GError **error);
/* As above, without words: the verdict, and for CHANGED and REVOKED the line and fingerprint on file (g_free). */
enum known_hosts_verdict ssh_hostkey_verdict(const struct ssh_target *target, const struct known_hosts *known,
                                             const uint8_t *key, size_t length, int *ret_line, char **ret_fingerprint);
/* The type at the start of a key blob, printable. g_free. */
char *ssh_hostkey_type(const uint8_t *key, size_t length);

#endif

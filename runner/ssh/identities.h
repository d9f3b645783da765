/* identities: the private keys of a pool: read and decrypted once, in a worker, then shared by all sessions. */
#ifndef RUNNER_SSH_IDENTITIES_H
#define RUNNER_SSH_IDENTITIES_H

#include "core/loop.h"
#include "runner/ssh/key.h"
#include <glib.h>

struct ssh_identity {
    char *name;          /* the reference or path, for messages */
    struct ssh_key *key; /* NULL when it could not be read; `error` says why */
    GError *error;
};

struct ssh_identities;
/* `references`: as in ssh_settings; NULL = ~/.ssh/id_ed25519, id_ecdsa and id_rsa, where they exist. */
struct ssh_identities *ssh_identities_new(struct loop *loop, const char *const *references, const char *passphrase);
void ssh_identities_free(struct ssh_identities *identities); /* loads under way end by themselves, unheard */

/* The identities to offer: `only` (a reference) when it is not NULL, else the configured ones. Returns NULL while they are
 * being read: `loaded` is called later, on the loop, and the caller asks again. Borrowed array of struct ssh_identity*. */
GPtrArray *ssh_identities_get(struct ssh_identities *identities, const char *only);
/* Called whenever a load has ended. */
void ssh_identities_on_loaded(struct ssh_identities *identities, void (*loaded)(void *arg), void *arg);

#endif

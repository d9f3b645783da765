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

/* The identities to offer: `only` (a reference) when it is not NULL, else the configured ones. Returns NULL while they
 * are being read: listeners hear of it, and ask again. Borrowed array of struct ssh_identity*:
 * whoever keeps a key refers to the array, which is replaced when files have changed. */
GPtrArray *ssh_identities_get(struct ssh_identities *identities, const char *only);
/* loaded(arg) is called, on the loop, whenever a load has ended. `arg` is what tells listeners apart. */
void ssh_identities_listen(struct ssh_identities *identities, void (*loaded)(void *arg), void *arg);
void ssh_identities_unlisten(struct ssh_identities *identities, void *arg);

#endif

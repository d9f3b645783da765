/* auth: proves to a host who we are, one public key after the other. Steps are driven by the session. */
#ifndef RUNNER_SSH_AUTH_H
#define RUNNER_SSH_AUTH_H

#include "core/loop.h"
#include "runner/ssh/identities.h"
#include "runner/ssh/target.h"
#include <glib.h>
#include <libssh2.h>
#include <stdbool.h>

enum ssh_auth_progress { SSH_AUTH_WAIT, SSH_AUTH_DONE, SSH_AUTH_FAILED };

struct ssh_auth;
/* `wake` is called when a step may get further for another reason than the socket (keys were read, the agent answered).
 */
struct ssh_auth *ssh_auth_new(struct loop *loop, LIBSSH2_SESSION *ssh2, const struct ssh_target *target,
                              struct ssh_identities *identities, bool agent, void (*wake)(void *arg), void *arg);
void ssh_auth_free(struct ssh_auth *auth);
/* FAILED sets error: ERROR_AUTH names what was tried and what to do; or NULL when the connection broke. */
enum ssh_auth_progress ssh_auth_step(struct ssh_auth *auth, GError **error);

#endif

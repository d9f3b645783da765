/* auth: proves to a host who we are: one public key after the other, then a password, if there is one. Steps are driven
 * by the session. */
#ifndef RUNNER_SSH_AUTH_H
#define RUNNER_SSH_AUTH_H

#include "core/loop.h"
#include "runner/ssh/identities.h"
#include "runner/ssh/password.h"
#include "runner/ssh/target.h"
#include <glib.h>
#include <libssh2.h>
#include <stdbool.h>

enum ssh_auth_progress { SSH_AUTH_WAIT, SSH_AUTH_DONE, SSH_AUTH_FAILED };

struct ssh_auth;
struct ssh_auth_options {
    struct loop *loop;
    LIBSSH2_SESSION *ssh2;
    const struct ssh_target *target;
    struct ssh_identities *identities;
    bool agent;
    const struct ssh_passwords *passwords;
    /* libssh2's callback for prompts, which calls ssh_auth_answer(): only its caller knows what the session's abstract
     * pointer is. */
    LIBSSH2_USERAUTH_KBDINT_RESPONSE_FUNC((*prompted));
    /* Called when a step may get further for another reason than the socket (keys were read, the agent answered). */
    void (*wake)(void *arg);
    void *arg;
};
struct ssh_auth *ssh_auth_new(const struct ssh_auth_options *options);
void ssh_auth_free(struct ssh_auth *auth);
/* FAILED sets error: ERROR_AUTH names what was tried and what to do; or NULL when the connection broke. */
enum ssh_auth_progress ssh_auth_step(struct ssh_auth *auth, GError **error);
/* Answers one round of a host's prompts: one for a password with the password, once; no other. Their texts stand in the
 * error. */
void ssh_auth_answer(struct ssh_auth *auth, int count, const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
                     LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses);

#endif

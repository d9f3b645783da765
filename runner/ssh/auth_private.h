/* auth_private: what auth.c shares with auth_password.c. Nothing else includes this. */
#ifndef RUNNER_SSH_AUTH_PRIVATE_H
#define RUNNER_SSH_AUTH_PRIVATE_H

#include "runner/ssh/agent.h"
#include "runner/ssh/auth.h"

/* One public key to offer. */
struct ssh_candidate {
    char *name;
    const struct ssh_key *key; /* or NULL: the agent signs */
    GBytes *blob;
};

/* What is tried now. The host says which of the two forms of a password it takes; a wrong one is not tried twice. */
enum ssh_auth_method { AUTH_KEYS, AUTH_LIST, AUTH_PASSWORD, AUTH_PROMPTS, AUTH_METHOD_COUNT };

struct ssh_auth {
    LIBSSH2_SESSION *ssh2;
    const struct ssh_target *target;
    enum ssh_auth_method method;
    struct ssh_password *reading;
    char *password; /* NULL = none */
    bool password_sent;
    char *offers; /* the methods that the host takes, as it says them: "publickey,password"; NULL = not asked yet */
    LIBSSH2_USERAUTH_KBDINT_RESPONSE_FUNC((*prompted));
    struct ssh_identities *identities;
    struct ssh_agent *agent; /* NULL = not used */
    GPtrArray *keys;         /* reference to what the candidates' keys are in */
    GPtrArray *candidates;   /* NULL until all keys are known */
    guint next;
    bool asked_agent; /* a signature of the current candidate is under way */
    GString *notes;   /* what could not be tried, and why */
    void (*wake)(void *arg);
    void *wake_arg;
    void *self; /* what libssh2 hands to the callback */
};

void ssh_auth_note(struct ssh_auth *auth, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The host turned down everything that we have. */
enum ssh_auth_progress ssh_auth_refused(struct ssh_auth *auth, GError **error);
/* The connection broke. */
enum ssh_auth_progress ssh_auth_cut_off(struct ssh_auth *auth, GError **error);
/* Not the last word: another method follows. */
enum ssh_auth_progress ssh_auth_go_on(struct ssh_auth *auth, enum ssh_auth_method method);

/* auth_password.c: steps of LIST, PASSWORD and PROMPTS. */
void ssh_auth_read_password(struct ssh_auth *auth, struct loop *loop, const struct ssh_passwords *passwords);
enum ssh_auth_progress ssh_auth_step_list(struct ssh_auth *auth, GError **error);
enum ssh_auth_progress ssh_auth_step_password(struct ssh_auth *auth, GError **error);
enum ssh_auth_progress ssh_auth_step_prompts(struct ssh_auth *auth, GError **error);

#endif

/* agent: a small asynchronous client of ssh-agent (draft-miller-ssh-agent): list the keys, sign. libssh2's own client
 * blocks the loop even on non-blocking sessions. */
#ifndef RUNNER_SSH_AGENT_H
#define RUNNER_SSH_AGENT_H

#include "core/loop.h"
#include "runner/ssh/packet.h"
#include <glib.h>
#include <stdbool.h>

struct ssh_agent_key {
    GBytes *blob;  /* public key, wire format */
    char *comment; /* printable */
};

enum ssh_agent_state { SSH_AGENT_WAITING, SSH_AGENT_ANSWERED, SSH_AGENT_BROKEN };
enum { SSH_AGENT_RSA_SHA2_256 = 2, SSH_AGENT_RSA_SHA2_512 = 4 }; /* sign flags */

struct ssh_agent;
/* Connects and asks for the keys at once. `wake` is called when the state has changed. Never NULL: an agent that cannot
 * be reached is BROKEN. */
struct ssh_agent *ssh_agent_new(struct loop *loop, const char *path, void (*wake)(void *arg), void *arg);
void ssh_agent_free(struct ssh_agent *agent);
enum ssh_agent_state ssh_agent_state(const struct ssh_agent *agent);
const char *ssh_agent_problem(const struct ssh_agent *agent); /* of BROKEN: words for a message */

/* The keys, once the first answer is there. Borrowed array of struct ssh_agent_key*. */
GPtrArray *ssh_agent_keys(const struct ssh_agent *agent);
/* Asks for a signature; one at a time. */
void ssh_agent_sign(struct ssh_agent *agent, GBytes *blob, const void *data, size_t length, uint32_t flags);
/* The answer to ssh_agent_sign() when ANSWERED: the wire's signature (string algorithm, string bytes). False when the
 * agent refused. Borrowed. */
bool ssh_agent_signature(const struct ssh_agent *agent, struct ssh_span *ret);

#endif

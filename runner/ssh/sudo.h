/* sudo: the password of a command that runs under sudo: where it is handed over, and what sudo said about it. wrap.c
 * has the program on the host that takes it. */
#ifndef RUNNER_SSH_SUDO_H
#define RUNNER_SSH_SUDO_H

#include "runner/ssh/channel.h"
#include "runner/ssh/pool.h"
#include <glib.h>
#include <stdbool.h>

struct ssh_sudo;

/* True when a password is configured for sudo on this host: then ssh_command.sudo_asks is to be set. */
bool ssh_sudo_asks(const struct ssh_pool *pool, const struct ssh_target *target);

/* Reads the password. known comes once, later, on the loop; error: ERROR_SECRET. */
struct ssh_sudo *ssh_sudo_new(struct ssh_pool *pool, const struct ssh_target *target, const char *marker,
                              void (*known)(void *arg, const GError *error), void *arg);
void ssh_sudo_free(struct ssh_sudo *sudo); /* known will not come; NULL accepted */

const char *ssh_sudo_password(const struct ssh_sudo *sudo); /* borrowed; NULL when sudo is NULL or it is not known */

/* Without a terminal: header, the password's line, then `rest` (may be NULL). Wiped when freed. */
GBytes *ssh_sudo_input(const struct ssh_sudo *sudo, GBytes *header, GBytes *rest);

/* On a terminal, which would show what is typed before it is asked for: output passes through here. What asks for the
 * password is taken out and answered; then `rest` is typed. `pass` gets the output. */
struct ssh_sudo_terminal {
    struct ssh_channel *channel; /* started with `hold` */
    GBytes *rest;                /* may be NULL */
    void (*pass)(void *arg, const char *bytes, size_t length);
    void *arg;
};
void ssh_sudo_terminal_begin(struct ssh_sudo *sudo); /* of each connection's try */
void ssh_sudo_terminal_output(struct ssh_sudo *sudo, const struct ssh_sudo_terminal *terminal, const char *bytes,
                              size_t length);
/* The command ended: passes on what was held back. */
void ssh_sudo_terminal_end(struct ssh_sudo *sudo, const struct ssh_sudo_terminal *terminal);

/* ERROR_AUTH when the host's words (standard error, or the terminal's) say that sudo did not take the password: then
 * the command did not run. NULL otherwise. */
GError *ssh_sudo_refusal(const struct ssh_sudo *sudo, const struct ssh_target *target, const char *said, size_t length);
/* What to do about it when sudo itself was what failed; NULL when its words are not among these. */
const char *ssh_sudo_hint(const char *said, size_t length);

#endif

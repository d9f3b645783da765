/* wrap: turns a command into what is sent: one exec string that every login shell understands, and the bytes of stdin.
 *
 * argv, script, environment and directory arrive exactly, for every byte but NUL, whatever the login shell. The README
 * says what the two forms look like and why. */
#ifndef RUNNER_SSH_WRAP_H
#define RUNNER_SSH_WRAP_H

#include "runner/ssh/ssh.h"
#include <glib.h>
#include <stdbool.h>

/* The variable that every process of a command carries: its value is the marker and a colon, so that one marker is
 * never the beginning of another's. */
#define SSH_MARKER_VARIABLE "HIKESHI_MARKER"

/* Under a sudo that is given a password, with the marker (see sudo.h): what the program on the host prints on a
 * terminal before it reads the password and when it has, and what it says when sudo asked again. */
#define SSH_SUDO_ASK     "hikeshi-ask:%s:"
#define SSH_SUDO_GO      "hikeshi-go:%s:"
#define SSH_SUDO_REFUSED "hikeshi: sudo did not take the password (%s)"

struct ssh_wrapped {
    char *exec;
    char *direct;   /* in place of exec where sshd itself starts a process group; NULL when the words need our shell */
    GBytes *header; /* what comes on stdin before the password's line; NULL = no such line goes there */
    GBytes *input;
};

/* ERROR_INVALID names the option that cannot be sent; ERROR_TOO_LARGE what is too long for a terminal. */
bool ssh_wrap(const struct ssh_command *command, struct ssh_wrapped *ret, GError **error);
void ssh_wrapped_clear(struct ssh_wrapped *wrapped);

/* Letters, digits, _ . - only: it stands on command lines as it is. ERROR_INTERNAL: markers are made, not given. */
bool ssh_wrap_check_marker(const char *marker, GError **error);

#endif

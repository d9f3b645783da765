/* password: which password a host is signed in to with, and which its sudo takes: secret references, read off the loop
 * each time that one is needed: they may change, and are not kept longer than they are used.
 *
 * An inventory can only name passwords that the runner's own configuration has: whoever writes it must not choose what
 * is read here and sent to a host of theirs. */
#ifndef RUNNER_SSH_PASSWORD_H
#define RUNNER_SSH_PASSWORD_H

#include "core/loop.h"
#include "core/yaml.h"
#include "runner/ssh/target.h"
#include <glib.h>
#include <stdbool.h>

enum ssh_password_use { SSH_PASSWORD_LOGIN, SSH_PASSWORD_SUDO, SSH_PASSWORD_USES };

struct ssh_passwords;
/* login, sudo: references for hosts that name none, or NULL. named: a map of references, or NULL. All are copied. */
struct ssh_passwords *ssh_passwords_new(const char *login, const char *sudo, const struct yaml_node *named);
void ssh_passwords_free(struct ssh_passwords *passwords);

/* True when the target has one: ssh_password_read() will say which, or why it cannot be read. */
bool ssh_passwords_have(const struct ssh_passwords *passwords, enum ssh_password_use use,
                        const struct ssh_target *target);

struct ssh_password;
/* NULL: the target has none. Else done comes once, later, on the loop: the value (borrowed), or NULL with ERROR_SECRET,
 * which names configuration key and reference. The ssh_password is gone then. */
struct ssh_password *ssh_password_read(struct loop *loop, const struct ssh_passwords *passwords,
                                       enum ssh_password_use use, const struct ssh_target *target,
                                       void (*done)(void *arg, const char *value, const GError *error), void *arg);
void ssh_password_cancel(struct ssh_password *password); /* done will not come; NULL accepted */

#endif

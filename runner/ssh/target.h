/* target: where a session goes: a host of the inventory with its defaults filled in, and the hosts it is reached
 * through. */
#ifndef RUNNER_SSH_TARGET_H
#define RUNNER_SSH_TARGET_H

#include "core/json.h"
#include <glib.h>
#include <stdint.h>

struct ssh_target {
    char *name;    /* in the inventory */
    char *address; /* name or number, without brackets */
    uint16_t port;
    char *user;
    char *host_key;                 /* pin "SHA256:…", or NULL */
    char *identity;                 /* the only identity to offer, or NULL */
    char *password, *sudo_password; /* names in runner.ssh.passwords, or NULL */
    struct ssh_target *jump;
    char *key;   /* equal for targets that may share a session */
    char *label; /* for messages: "'db-1' (10.0.1.11:22)" */
};

/* ERROR_INVALID when the inventory entry is malformed, ERROR_NOT_IN_INVENTORY when a jump host is missing,
 * ERROR_INVALID when they are more than LIMIT_SSH_JUMPS, as in a circle. */
struct ssh_target *ssh_target_new(const json_t *host, const json_t *inventory, const char *default_user,
                                  GError **error);
struct ssh_target *ssh_target_ref(struct ssh_target *target);
void ssh_target_unref(struct ssh_target *target);

typedef struct ssh_target ssh_target;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ssh_target, ssh_target_unref)

#endif

/* target: see target.h. Knows the wire's inventory shape and nothing of sessions. */
#include "runner/ssh/target.h"
#include "core/errors.h"
#include "core/limits.h"
#include <string.h>

enum { DEFAULT_PORT = 22 };

static void target_clear(void *pointer)
{
    struct ssh_target *target = pointer;
    g_free(target->name);
    g_free(target->address);
    g_free(target->user);
    g_free(target->host_key);
    g_free(target->identity);
    g_free(target->password);
    g_free(target->sudo_password);
    g_free(target->key);
    g_free(target->label);
    ssh_target_unref(target->jump);
}

struct ssh_target *ssh_target_ref(struct ssh_target *target)
{
    return g_rc_box_acquire(target);
}

void ssh_target_unref(struct ssh_target *target)
{
    if (target != NULL)
        g_rc_box_release_full(target, target_clear);
}

static char *strip_brackets(const char *address)
{
    size_t length = strlen(address);
    if (length > 2 && address[0] == '[' && address[length - 1] == ']')
        return g_strndup(address + 1, length - 2);
    return g_strdup(address);
}

static bool fill(struct ssh_target *target, const json_t *host, const char *default_user, GError **error)
{
    const char *name = json_get_string(host, "name", NULL);
    const char *address = json_get_string(host, "address", name);
    if (address == NULL || *address == '\0') {
        errors_set(error, ERROR_INVALID, "host '%s' has neither name nor address", name ? name : "");
        return false;
    }
    json_int_t port = json_get_integer(host, "port", DEFAULT_PORT);
    if (port < 1 || port > 65535) {
        errors_set(error, ERROR_INVALID, "host '%s': port %" JSON_INTEGER_FORMAT " is not in 1..65535",
                   name ? name : address, port);
        return false;
    }
    target->name = g_strdup(name ? name : address);
    target->address = strip_brackets(address);
    target->port = (uint16_t)port;
    target->user = g_strdup(json_get_string(host, "user", default_user ? default_user : g_get_user_name()));
    target->host_key = g_strdup(json_get_string(host, "host_key", NULL));
    target->identity = g_strdup(json_get_string(host, "identity", NULL));
    target->password = g_strdup(json_get_string(host, "password", NULL));
    target->sudo_password = g_strdup(json_get_string(host, "sudo_password", NULL));
    bool colons = strchr(target->address, ':') != NULL;
    target->label =
        g_strdup_printf(colons ? "'%s' ([%s]:%u)" : "'%s' (%s:%u)", target->name, target->address, target->port);
    return true;
}

/* `whole`: the host that all this leads to; `depth`: how many jumps before it this one is. */
static struct ssh_target *target_at(const json_t *host, const json_t *inventory, const char *default_user,
                                    const char *whole, int depth, GError **error)
{
    g_autoptr(ssh_target) target = g_rc_box_new0(struct ssh_target);
    if (!fill(target, host, default_user, error))
        return NULL;
    const char *jump = json_get_string(host, "jump", NULL);
    if (jump != NULL && *jump != '\0') {
        const json_t *next = json_find(inventory, "name", jump);
        if (next == NULL) {
            errors_set(error, ERROR_NOT_IN_INVENTORY,
                       "host '%s' is reached through '%s', which the inventory does not have", target->name, jump);
            return NULL;
        }
        if (depth == LIMIT_SSH_JUMPS) {
            errors_set(error, ERROR_INVALID,
                       "host '%s' is behind more than %d jump hosts, or a circle of them: '%s', reached through '%s', "
                       "would be number %d",
                       whole ? whole : target->name, LIMIT_SSH_JUMPS, jump, target->name, depth + 1);
            return NULL;
        }
        target->jump = target_at(next, inventory, default_user, whole ? whole : target->name, depth + 1, error);
        if (target->jump == NULL)
            return NULL;
    }
    /* Name and pin are part of it: a session that was trusted by one name or pin must not serve a host with another,
     * and its errors name one host. */
    target->key = g_strdup_printf("%s|%s@%s:%u|%s|%s|%s|%s", target->name, target->user, target->address, target->port,
                                  target->identity ? target->identity : "", target->password ? target->password : "",
                                  target->host_key ? target->host_key : "", target->jump ? target->jump->key : "");
    return g_steal_pointer(&target);
}

struct ssh_target *ssh_target_new(const json_t *host, const json_t *inventory, const char *default_user, GError **error)
{
    return target_at(host, inventory, default_user, NULL, 0, error);
}

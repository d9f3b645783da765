/* hostkey: see hostkey.h. */
#include "runner/ssh/hostkey.h"
#include "core/errors.h"
#include "runner/ssh/packet.h"
#include <string.h>

/* Best first. libssh2 drops from this list what it does not know (1.10: both rsa-sha2). ssh-rsa, which signs with
 * SHA-1, and ssh-dss are left out on purpose. */
static const char *const key_types[] = {"ssh-ed25519",         "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
                                        "ecdsa-sha2-nistp521", "rsa-sha2-512",        "rsa-sha2-256"};

/* A known_hosts line says ssh-rsa for a key that signs as rsa-sha2-*. */
static bool same_type(const char *algorithm, const char *type)
{
    return strcmp(algorithm, type) == 0 || (strcmp(type, "ssh-rsa") == 0 && g_str_has_prefix(algorithm, "rsa-sha2-"));
}

static bool on_file(const char *algorithm, char **known_types)
{
    for (char **type = known_types; type != NULL && *type != NULL; type++)
        if (same_type(algorithm, *type))
            return true;
    return false;
}

char *ssh_hostkey_preference(const struct ssh_target *target, const struct known_hosts *known, unsigned skip)
{
    g_auto(GStrv) by_address = known_hosts_key_types(known, target->address, target->port);
    g_auto(GStrv) by_name = known_hosts_key_types(known, target->name, target->port);
    g_autoptr(GString) list = g_string_new(NULL);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < G_N_ELEMENTS(key_types); i++) {
            bool known_type = on_file(key_types[i], by_address) || on_file(key_types[i], by_name);
            if (known_type != (pass == 0))
                continue;
            if (skip > 0)
                skip--;
            else
                g_string_append_printf(list, "%s%s", list->len ? "," : "", key_types[i]);
        }
    }
    return list->len ? g_string_free(g_steal_pointer(&list), FALSE) : NULL;
}

char *ssh_hostkey_type(const uint8_t *key, size_t length)
{
    struct ssh_reader reader = ssh_reader_over(key, length);
    struct ssh_span type;
    if (!ssh_read_string(&reader, &type))
        return g_strdup("unreadable");
    g_autofree char *text = g_strndup((const char *)type.bytes, type.length);
    return g_strescape(text, NULL);
}

/* Looked up by address, as ssh(1) would; by the inventory's name when the address is not on file. Revoked under either
 * is revoked. */
enum known_hosts_verdict ssh_hostkey_verdict(const struct ssh_target *target, const struct known_hosts *known,
                                             const uint8_t *key, size_t length, int *ret_line, char **ret_fingerprint)
{
    const char *const names[] = {target->address, target->name};
    enum known_hosts_verdict verdict = KNOWN_HOSTS_UNKNOWN;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        int line = 0;
        g_autofree char *fingerprint = NULL;
        enum known_hosts_verdict one =
            known_hosts_check(known, names[i], target->port, key, length, &line, &fingerprint);
        if (one == KNOWN_HOSTS_UNKNOWN || (one != KNOWN_HOSTS_REVOKED && verdict != KNOWN_HOSTS_UNKNOWN))
            continue;
        verdict = one;
        *ret_line = line;
        g_free(*ret_fingerprint);
        *ret_fingerprint = g_steal_pointer(&fingerprint);
    }
    return verdict;
}

/* A pin decides alone, except that a revoked key stays revoked. */
static bool verify_pin(const struct ssh_target *target, const char *shown, GError **error)
{
    if (strcmp(shown, target->host_key) == 0)
        return true;
    errors_set(error, ERROR_HOST_KEY,
               "%s shows host key %s, but the inventory pins %s: if the host was set up anew, check the new "
               "fingerprint on its "
               "console and change host_key",
               target->label, shown, target->host_key);
    return false;
}

/* The host is on file, but not with this key. */
static void changed(const struct ssh_target *target, const struct known_hosts *known, const char *type,
                    const char *shown, const char *place, const char *stands, GError **error)
{
    g_auto(GStrv) types = known_hosts_key_types(known, target->address, target->port);
    if (types == NULL || types[0] == NULL) {
        g_strfreev(types);
        types = known_hosts_key_types(known, target->name, target->port);
    }
    if (types != NULL && g_strv_contains((const char *const *)types, type)) {
        errors_set(error, ERROR_HOST_KEY,
                   "host key of %s has changed: it shows %s %s, but %s has %s. Somebody may be in between; if the host "
                   "was set "
                   "up anew, check on its console and run: hikeshi hosts trust %s --replace",
                   target->label, type, shown, place, stands ? stands : "another key", target->name);
        return;
    }
    g_autofree char *names = types ? g_strjoinv(", ", types) : g_strdup("");
    errors_set(
        error, ERROR_HOST_KEY,
        "%s is on file with another type of key only (%s at %s), and shows %s %s: the host does not offer that one, or "
        "this libssh2 cannot check it (RSA before 1.11). Check on its console and run: hikeshi hosts trust %s "
        "--replace",
        target->label, names, place, type, shown, target->name);
}

bool ssh_hostkey_verify(const struct ssh_target *target, const struct known_hosts *known, const char *path,
                        const uint8_t *key, size_t length, GError **error)
{
    g_autofree char *shown = known_hosts_fingerprint(key, length);
    g_autofree char *type = ssh_hostkey_type(key, length);
    g_autofree char *stands = NULL;
    int line = 0;
    enum known_hosts_verdict verdict = ssh_hostkey_verdict(target, known, key, length, &line, &stands);
    if (verdict == KNOWN_HOSTS_REVOKED) {
        errors_set(error, ERROR_HOST_KEY, "%s shows host key %s, which is revoked at %s:%d: the host needs a new key",
                   target->label, shown, path, line);
        return false;
    }
    if (target->host_key != NULL && *target->host_key != '\0')
        return verify_pin(target, shown, error);
    switch (verdict) {
    case KNOWN_HOSTS_MATCH:
        return true;
    case KNOWN_HOSTS_CHANGED: {
        g_autofree char *place = g_strdup_printf("%s:%d", path, line);
        changed(target, known, type, shown, place, stands, error);
        return false;
    }
    default:
        errors_set(
            error, ERROR_HOST_KEY,
            "host key of %s is not known: it shows %s %s, and %s has no key for it. Check the fingerprint on its "
            "console, then run: hikeshi hosts trust %s",
            target->label, type, shown, path, target->name);
        return false;
    }
}

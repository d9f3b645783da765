/* hikeshi hosts trust: looks at the key that a host shows, and puts it on file when a person (or a fingerprint that a
 * person was given) says that it is the host's. Never signs in. */
#include "cli/client.h"
#include "cli/cmd_hosts.h"
#include "cli/local_inventory.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/config.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/known_hosts.h"
#include "runner/settings.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- the key that it shows ------------------------------------------------------------------------------------------
 */

struct look {
    json_t *result;
    GError *error;
    bool done;
};

static void looked(void *arg, json_t *result, const GError *error)
{
    struct look *look = arg;
    look->result = json_incref(result);
    look->error = error ? g_error_copy(error) : NULL;
    look->done = true;
}

static json_t *scan(const struct ssh_settings *settings, const json_t *host, const json_t *inventory, GError **error)
{
    struct look look = {0};
    struct loop *loop = loop_new();
    struct ssh_pool *pool = ssh_pool_new(loop, settings);
    struct op *op = op_new(looked, &look);
    ssh_scan_key(pool, host, inventory, op);
    while (!look.done)
        loop_step(loop);
    op_unref(op);
    ssh_pool_free(pool);
    loop_free(loop);
    if (look.error != NULL)
        g_propagate_error(error, look.error);
    return look.result;
}

/* --- who says that it is right --------------------------------------------------------------------------------------
 */

/* True when the key may be written; false with error. */
static bool check_verdict(const struct cli_call *call, const json_t *host, const json_t *seen, const char *path,
                          GError **error)
{
    const char *verdict = json_get_string(seen, "verdict", ""), *name = json_get_string(host, "name", "");
    const char *shown = json_get_string(seen, "fingerprint", ""), *pin = json_get_string(host, "host_key", NULL);
    json_int_t line = json_get_integer(seen, "known_line", 0);
    if (strcmp(verdict, "revoked") == 0)
        errors_set(error, ERROR_HOST_KEY, "'%s' shows host key %s, which %s:%d revokes: the host needs a new key", name,
                   shown, path, (int)line);
    else if (pin != NULL && strcmp(pin, shown) != 0)
        errors_set(error, ERROR_HOST_KEY, "'%s' shows host key %s, but the inventory pins %s: change host_key there",
                   name, shown, pin);
    else if (strcmp(verdict, "changed") == 0 && !cli_given(call, "replace"))
        errors_set(error, ERROR_HOST_KEY,
                   "host key of '%s' has changed: it shows %s %s, but %s:%d has %s. Somebody may be in between; if you "
                   "know why "
                   "it changed, say --replace",
                   name, json_get_string(seen, "type", ""), shown, path, (int)line,
                   json_get_string(seen, "known_fingerprint", "another key"));
    else
        return true;
    return false;
}

static bool ask(const json_t *seen, GError **error)
{
    if (!terminal_is_tty(stdin)) {
        errors_set(error, ERROR_USAGE,
                   "nobody to ask: give --fingerprint SHA256:… as its administrator told you, or --yes");
        return false;
    }
    fprintf(stderr, "Is that the fingerprint on the host's own console (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub)?\n"
                    "Type yes, or the fingerprint: ");
    char line[256];
    if (fgets(line, sizeof line, stdin) == NULL)
        *line = '\0';
    g_strstrip(line);
    if (strcmp(line, "yes") == 0 || strcmp(line, json_get_string(seen, "fingerprint", "")) == 0)
        return true;
    errors_set(error, ERROR_DENIED, "not trusted: nothing was written");
    return false;
}

/* known: it is on file already; a fingerprint that somebody gives must be right all the same. */
static bool confirm(const struct cli_call *call, const json_t *host, const json_t *seen, bool known, GError **error)
{
    const char *shown = json_get_string(seen, "fingerprint", ""), *wanted = cli_value(call, "fingerprint");
    g_autofree char *where =
        g_strdup_printf("%s:%d", json_get_string(host, "address", json_get_string(host, "name", "")),
                        (int)json_get_integer(host, "port", 22));
    if (!cli_wants_json(call))
        fprintf(stderr, "%s (%s) shows %s %s\n", json_get_string(host, "name", ""), where,
                json_get_string(seen, "type", ""), shown);
    if (wanted == NULL)
        return known || cli_given(call, "yes") || ask(seen, error);
    if (strcmp(wanted, shown) == 0)
        return true;
    errors_set(error, ERROR_HOST_KEY, "'%s' shows host key %s, not %s: nothing was written",
               json_get_string(host, "name", ""), shown, wanted);
    return false;
}

/* --- the file -------------------------------------------------------------------------------------------------------
 */

static bool write_key(const json_t *host, const json_t *seen, const char *path, GError **error)
{
    gsize length;
    g_autofree guchar *key = g_base64_decode(json_get_string(seen, "key", ""), &length);
    const char *address = json_get_string(host, "address", json_get_string(host, "name", ""));
    uint16_t port = (uint16_t)json_get_integer(host, "port", 22);
    bool changed = strcmp(json_get_string(seen, "verdict", ""), "changed") == 0;
    return (changed ? known_hosts_replace : known_hosts_add)(path, address, port, key, length, error);
}

static void report(const struct cli_call *call, const json_t *host, const json_t *seen, const char *path, bool known)
{
    if (cli_wants_json(call)) {
        g_autoptr(json_t) answer =
            json_pack("{s:s,s:s,s:s,s:s,s:b}", "host", json_get_string(host, "name", ""), "type",
                      json_get_string(seen, "type", ""), "fingerprint", json_get_string(seen, "fingerprint", ""),
                      "file", path, "known_before", known);
        json_set_string(answer, "replaced", known ? NULL : json_get_string(seen, "known_fingerprint", NULL));
        print_json(answer);
    } else {
        printf(known ? "%s was trusted already (%s)\n" : "%s is trusted (%s)\n", json_get_string(host, "name", ""),
               path);
    }
}

static int trust(const struct cli_call *call, const struct ssh_settings *settings, GError **error)
{
    g_autoptr(json_t) inventory = local_inventory(call, error);
    g_autoptr(json_t) host = inventory ? local_inventory_host(inventory, cli_argument(call, 0), error) : NULL;
    g_autoptr(json_t) seen = host ? scan(settings, host, inventory, error) : NULL;
    if (seen == NULL || !check_verdict(call, host, seen, settings->known_hosts, error))
        return -1;
    bool known = strcmp(json_get_string(seen, "verdict", ""), "match") == 0;
    if (!confirm(call, host, seen, known, error) || (!known && !write_key(host, seen, settings->known_hosts, error)))
        return -1;
    report(call, host, seen, settings->known_hosts, known);
    return 0;
}

int cmd_hosts_trust(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    crypto_init();
    g_autoptr(config_t) config = config_load(cli_value(call, "config"), NULL, &error);
    if (config == NULL)
        return cli_fail(call, &error);
    struct ssh_settings settings = settings_ssh(config);
    g_autofree char *standard = g_build_filename(g_get_home_dir(), ".ssh", "known_hosts", NULL);
    if (cli_given(call, "known-hosts"))
        settings.known_hosts = cli_value(call, "known-hosts");
    else if (settings.known_hosts == NULL)
        settings.known_hosts = standard;
    g_autofree char *home = g_str_has_prefix(settings.known_hosts, "~/")
                                ? g_build_filename(g_get_home_dir(), settings.known_hosts + 2, NULL)
                                : NULL;
    if (home != NULL)
        settings.known_hosts = home;
    return trust(call, &settings, &error) == 0 ? 0 : cli_fail(call, &error);
}

const struct cli_option cmd_hosts_trust_options[] = {
    {.name = "fingerprint", .value = "SHA256:...", .help = "trust the key if it has this fingerprint; asks nothing"},
    {.name = "yes", .help = "trust whatever key the host shows now"},
    {.name = "replace", .help = "take the place of another key that is on file for the host"},
    CLI_OPTION_INVENTORY,
    {.name = "known-hosts",
     .value = "PATH",
     .help = "file to write; default: runner.ssh.known_hosts, else ~/.ssh/known_hosts"},
    {.name = "config", .value = "FILE", .help = "configuration to read; default: hikeshi.yaml if it exists"},
    CLI_OPTION_JSON,
    CLI_OPTION_CLIENT,
    CLI_OPTION_END,
};

/* hikeshi hosts trust: looks at the key that a host shows, and puts it on file when a person (or a fingerprint that a
 * person was given) says that it is the host's. Never signs in. */
#include "cli/cmd_hosts_trust.h"
#include "cli/client.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/config.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/known_hosts.h"
#include "jobs/inventory.h"
#include "runner/settings.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INVENTORY_PATH "hikeshi/inventory.yaml"

/* --- which host -----------------------------------------------------------------------------------------------------
 */

/* The inventory of the repository that we stand in, or NULL. g_free. */
static char *nearest_inventory(void)
{
    g_autofree char *folder = g_get_current_dir();
    for (;;) {
        g_autofree char *path = g_build_filename(folder, INVENTORY_PATH, NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&path);
        g_autofree char *git = g_build_filename(folder, ".git", NULL);
        char *parent = g_path_get_dirname(folder);
        bool top = g_file_test(git, G_FILE_TEST_EXISTS) || strcmp(parent, folder) == 0;
        g_free(folder);
        folder = parent;
        if (top)
            return NULL;
    }
}

static json_t *read_inventory(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) failure = NULL;
    if (!g_file_get_contents(path, &text, &length, &failure)) {
        errors_set(error, ERROR_IO, "cannot read the inventory: %s", failure->message);
        return NULL;
    }
    g_autoptr(finding_list) findings = finding_list_new();
    json_t *inventory = inventory_parse(path, text, length, findings);
    if (inventory == NULL) {
        g_autofree char *first = finding_count(findings) ? finding_to_text(finding_at(findings, 0)) : g_strdup(path);
        errors_set(error, ERROR_PARSE, "%s", first);
    }
    return inventory;
}

/* From --inventory, a server that was named, or the repository that we stand in; empty without any. */
static json_t *find_inventory(const struct cli_call *call, GError **error)
{
    if (cli_given(call, "inventory"))
        return read_inventory(cli_value(call, "inventory"), error);
    if (cli_given(call, "server") || g_getenv("HIKESHI_SERVER") != NULL) {
        g_autoptr(client_t) client = client_new(call, error);
        g_autoptr(json_t) list = client ? client_list(client, "/hosts", G_MAXINT, error) : NULL;
        return list ? json_incref(json_object_get(list, "items")) : NULL;
    }
    g_autofree char *path = nearest_inventory();
    return path ? read_inventory(path, error) : json_array();
}

/* "10.0.0.1", "web-1.example.com:2222", "[2001:db8::1]:22": a host that no inventory has. New reference, or NULL. */
static json_t *host_from_text(const char *text)
{
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[';
    bool has_port = colon != NULL && (bracketed ? colon[-1] == ']' : strchr(text, ':') == colon);
    gint64 port = 22;
    if (has_port && !g_ascii_string_to_signed(colon + 1, 10, 1, 65535, &port, NULL))
        return NULL;
    g_autofree char *address = has_port ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
    for (const char *at = address; *at != '\0'; at++)
        if (!g_ascii_isalnum(*at) && strchr(".-_:[]%", *at) == NULL)
            return NULL;
    return *address ? json_pack("{s:s,s:s,s:I}", "name", text, "address", address, "port", (json_int_t)port) : NULL;
}

static json_t *find_host(const char *text, const json_t *inventory, GError **error)
{
    const json_t *known = inventory_find(inventory, text);
    json_t *host = known ? json_incref((json_t *)(uintptr_t)known) : host_from_text(text);
    if (host == NULL)
        errors_set(error, ERROR_NOT_IN_INVENTORY, "'%s' is neither a host of the inventory nor an address", text);
    return host;
}

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

static bool confirm(const struct cli_call *call, const json_t *host, const json_t *seen, GError **error)
{
    const char *shown = json_get_string(seen, "fingerprint", ""), *wanted = cli_value(call, "fingerprint");
    g_autofree char *where =
        g_strdup_printf("%s:%d", json_get_string(host, "address", json_get_string(host, "name", "")),
                        (int)json_get_integer(host, "port", 22));
    if (!cli_wants_json(call))
        fprintf(stderr, "%s (%s) shows %s %s\n", json_get_string(host, "name", ""), where,
                json_get_string(seen, "type", ""), shown);
    if (wanted == NULL)
        return cli_given(call, "yes") || ask(seen, error);
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
    g_autoptr(json_t) inventory = find_inventory(call, error);
    g_autoptr(json_t) host = inventory ? find_host(cli_argument(call, 0), inventory, error) : NULL;
    g_autoptr(json_t) seen = host ? scan(settings, host, inventory, error) : NULL;
    if (seen == NULL || !check_verdict(call, host, seen, settings->known_hosts, error))
        return -1;
    bool known = strcmp(json_get_string(seen, "verdict", ""), "match") == 0;
    if (!known && (!confirm(call, host, seen, error) || !write_key(host, seen, settings->known_hosts, error)))
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
    {.name = "inventory",
     .value = "FILE",
     .help = "default: hikeshi/inventory.yaml of the repository around the working folder"},
    {.name = "known-hosts",
     .value = "PATH",
     .help = "file to write; default: runner.ssh.known_hosts, else ~/.ssh/known_hosts"},
    {.name = "config", .value = "FILE", .help = "configuration to read; default: hikeshi.yaml if it exists"},
    CLI_OPTION_JSON,
    CLI_OPTION_CLIENT,
    CLI_OPTION_END,
};

/* hikeshi hosts check: connects to each host, looks at its key, signs in, and leaves: what works and what does not,
 * before an incident asks. Runs nothing. */
#include "cli/cmd_hosts.h"
#include "cli/fleet.h"
#include "cli/local_inventory.h"
#include "cli/print.h"
#include "cli/ssh_options.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "jobs/inventory.h"

/* Signing in costs a host more than a command does. */
#define AT_ONCE 32

/* How far a connection came, by the error that ended it. */
static const struct stage {
    int code;
    bool reachable, key;
} stages[] = {
    {ERROR_HOST_KEY, true, false},
    {ERROR_AUTH, true, true},
    {ERROR_CHANNEL, true, true},
    {ERROR_SECRET, true, true},
};

struct check {
    const json_t *inventory;
    json_t *items;
};

static void start(void *arg, struct ssh_pool *pool, const json_t *host, struct op *op)
{
    const struct check *check = arg;
    ssh_reach(pool, host, check->inventory, op);
}

static json_t *item_of(const json_t *host, const json_t *result, const GError *error)
{
    struct stage stage = {.reachable = error == NULL, .key = error == NULL};
    for (size_t i = 0; error != NULL && i < G_N_ELEMENTS(stages); i++)
        if (stages[i].code == errors_of(error))
            stage = stages[i];
    json_t *latency = json_object_get(result, "latency_ms");
    json_t *item = json_pack("{s:O, s:O?, s:O?, s:b, s:b, s:b, s:O?}", "name", json_object_get(host, "name"), "address",
                             json_object_get(host, "address"), "port", json_object_get(host, "port"), "reachable",
                             stage.reachable, "key", stage.key, "login", error == NULL, "latency_ms", latency);
    json_set_string(item, "fingerprint", json_get_string(result, "fingerprint", NULL));
    json_set_string(item, "code", error ? errors_code(errors_of(error)) : NULL);
    json_set_string(item, "message", error ? error->message : NULL);
    return item;
}

static bool ended(void *arg, const json_t *host, const json_t *result, const GError *error)
{
    struct check *check = arg;
    json_array_append_new(check->items, item_of(host, result, error));
    return error == NULL;
}

static int by_name(const void *a, const void *b)
{
    const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
    return g_strcmp0(json_get_string(left, "name", ""), json_get_string(right, "name", ""));
}

static json_t *sorted(const json_t *items)
{
    g_autoptr(GPtrArray) array = g_ptr_array_new();
    size_t index;
    json_t *item, *list = json_array();
    json_array_foreach (items, index, item)
        g_ptr_array_add(array, item);
    g_ptr_array_sort(array, by_name);
    for (guint i = 0; i < array->len; i++)
        json_array_append(list, array->pdata[i]);
    return list;
}

static const char *cross(const json_t *item, const char *key, bool known)
{
    return !known ? "-" : json_get_bool(item, key, false) ? "yes" : "no";
}

static void print_checks(const json_t *items)
{
    static const char *const headers[] = {"NAME", "REACHABLE", "KEY", "LOGIN", "LATENCY", "PROBLEM", NULL};
    struct print_table *table = print_table_new(headers);
    size_t index;
    json_t *item;
    json_array_foreach (items, index, item) {
        bool reachable = json_get_bool(item, "reachable", false), key = json_get_bool(item, "key", false);
        const json_t *ms = json_object_get(item, "latency_ms");
        g_autofree char *latency =
            json_is_integer(ms) ? g_strdup_printf("%lld ms", (long long)json_integer_value(ms)) : NULL;
        const char *cells[] = {json_get_string(item, "name", ""),
                               cross(item, "reachable", true),
                               cross(item, "key", reachable),
                               cross(item, "login", reachable && key),
                               latency,
                               json_get_string(item, "message", NULL)};
        print_table_row(table, cells);
    }
    print_table_end(table, "no hosts");
}

static int check_hosts(struct cli_call *call, const struct ssh_settings *ssh, const json_t *inventory,
                       const json_t *hosts)
{
    g_autoptr(json_t) items = json_array();
    g_autoptr(json_t) rollout = json_pack("{s:i, s:s}", "at_once", AT_ONCE, "effect", "read");
    struct check check = {.inventory = inventory, .items = items};
    struct fleet_outcome outcome;
    const struct fleet_options options = {.command = "hosts check",
                                          .ssh = ssh,
                                          .hosts = hosts,
                                          .rollout = rollout,
                                          .start = start,
                                          .ended = ended,
                                          .arg = &check};
    fleet_run(&options, &outcome);
    json_decref(outcome.not_started);
    g_autoptr(json_t) list = sorted(items);
    g_autoptr(json_t) answer = json_pack("{s:O, s:n}", "items", list, "next");
    if (cli_wants_json(call))
        print_json(answer);
    else
        print_checks(list);
    return outcome.failed > 0 || outcome.cancelled ? 1 : 0;
}

int cmd_hosts_check(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    crypto_init();
    g_autoptr(config_t) config = config_load(cli_value(call, "config"), NULL, &error);
    g_autoptr(json_t) inventory = config ? local_inventory(call, &error) : NULL;
    g_autoptr(json_t) hosts = inventory ? inventory_select(inventory, cli_argument(call, 0), &error) : NULL;
    if (hosts == NULL)
        return cli_fail(call, &error);
    struct ssh_options ssh;
    ssh_options_read(call, config, &ssh);
    int status = check_hosts(call, &ssh.settings, inventory, hosts);
    ssh_options_clear(&ssh);
    return status;
}

const struct cli_option cmd_hosts_check_options[] = {
    CLI_OPTION_INVENTORY, CLI_OPTION_SSH, CLI_OPTION_JSON, CLI_OPTION_CLIENT, CLI_OPTION_END,
};

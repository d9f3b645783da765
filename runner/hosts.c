/* hosts: see hosts.h. */
#include "runner/hosts.h"

#include "core/errors.h"
#include "core/hostfilter.h"
#include "core/limits.h"

#include <string.h>

#define PARAM_PREFIX "$params."

static const char *host_name(const json_t *host)
{
    return json_get_string(host, "name", "");
}

static bool host_jump_only(const json_t *host)
{
    return json_get_bool(host, "jump_only", false);
}

static bool host_has_alias(const json_t *host, const char *text)
{
    size_t i;
    json_t *alias;

    json_array_foreach (json_object_get(host, "aliases"), i, alias)
        if (g_strcmp0(json_string_value(alias), text) == 0)
            return true;
    return false;
}

static bool host_is_named(const json_t *host, const char *text)
{
    return strcmp(host_name(host), text) == 0;
}

static bool host_is_at(const json_t *host, const char *text)
{
    return strcmp(json_get_string(host, "address", ""), text) == 0;
}

/* A name counts before an alias, and both before an address: one host's address may be another one's name. */
static const json_t *hosts_find(const struct hosts *hosts, const char *text)
{
    static bool (*const ways[])(const json_t *host, const char *text) = {host_is_named, host_has_alias, host_is_at};
    size_t i;
    json_t *host;

    for (size_t way = 0; way < G_N_ELEMENTS(ways); way++)
        json_array_foreach (json_object_get(hosts->job, "inventory"), i, host)
            if (ways[way](host, text))
                return host;
    return NULL;
}

static bool hosts_refused(const struct hosts *hosts, const char *text)
{
    size_t i;
    json_t *name;

    json_array_foreach (json_object_get(hosts->job, "refused_hosts"), i, name)
        if (g_strcmp0(json_string_value(name), text) == 0)
            return true;
    return false;
}

/* The host, if the run (whatever the step) may touch it. */
static const json_t *hosts_of_run(const struct hosts *hosts, const char *text, GError **error)
{
    const json_t *host = hosts_find(hosts, text);

    if (!host && !hosts_refused(hosts, text)) {
        errors_set(error, ERROR_NOT_IN_INVENTORY, "the inventory has no host '%s'", text);
        return NULL;
    }
    if (!host || host_jump_only(host)) {
        errors_set(error, ERROR_NOT_ALLOWED,
                   "host '%s' is in the inventory, but this runbook's 'hosts' or the server's 'trust' leaves it out",
                   text);
        return NULL;
    }
    return host;
}

static int64_t hosts_ceiling(const json_t *job)
{
    const json_t *limits = json_object_get(job, "limits");
    int64_t ceiling = json_get_integer(limits, "max_hosts", 0);
    int64_t percent = json_get_integer(limits, "max_percent", 0);
    int64_t total = 0;
    size_t i;
    json_t *host;

    if (ceiling <= 0)
        ceiling = DEFAULT_MAX_HOSTS;
    json_array_foreach (json_object_get(job, "inventory"), i, host)
        total += !host_jump_only(host);
    if (percent > 0)
        ceiling = MIN(ceiling, MAX(1, total * percent / 100));
    return ceiling;
}

void hosts_init(struct hosts *hosts, const json_t *job)
{
    *hosts = (struct hosts){.job = job, .ceiling = hosts_ceiling(job)};
    hosts->touched = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void hosts_clear(struct hosts *hosts)
{
    g_clear_pointer(&hosts->scope, g_hash_table_unref);
    g_clear_pointer(&hosts->touched, g_hash_table_unref);
}

static json_t *hosts_select_param(const struct hosts *hosts, const char *param, GError **error)
{
    const char *text = json_string_value(json_object_get(json_object_get(hosts->job, "params"), param));

    if (!text) {
        errors_set(error, ERROR_INVALID, "hosts: $params.%s has no value", param);
        return NULL;
    }
    const json_t *host = hosts_of_run(hosts, text, error);
    return host ? json_pack("[s]", host_name(host)) : NULL;
}

static int names_compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The inventory is sorted by name where it comes from the catalog; the digest of an approval needs it in any case. */
static json_t *names_sorted(GPtrArray *names)
{
    json_t *array = json_array();

    g_ptr_array_sort(names, names_compare);
    for (guint i = 0; i < names->len; i++)
        json_array_append_new(array, json_string(names->pdata[i]));
    return array;
}

/* A list that was settled before: each of them, or an error. */
static json_t *hosts_select_named(const struct hosts *hosts, const json_t *list, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    size_t i;
    json_t *name;

    json_array_foreach (list, i, name) {
        const json_t *host = hosts_of_run(hosts, json_string_value(name), error);
        if (!host)
            return NULL;
        g_ptr_array_add(names, (char *)host_name(host));
    }
    return names_sorted(names);
}

/* Whatever an earlier run has done. */
static json_t *hosts_select_all(const struct hosts *hosts, const json_t *step, GError **error)
{
    const json_t *named = json_object_get(step, "host_names");
    const char *text = json_get_string(step, "hosts", NULL);
    g_autoptr(hostfilter) filter = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    size_t i;
    json_t *host;

    if (named)
        return hosts_select_named(hosts, named, error);
    if (text && g_str_has_prefix(text, PARAM_PREFIX))
        return hosts_select_param(hosts, text + strlen(PARAM_PREFIX), error);
    if (text && !(filter = hostfilter_parse(text, error)))
        return NULL;
    const json_t *params = json_object_get(hosts->job, "params");
    json_array_foreach (json_object_get(hosts->job, "inventory"), i, host) {
        const json_t *labels = json_object_get(host, "labels");
        if (!host_jump_only(host) && (!filter || hostfilter_matches(filter, host_name(host), labels, params)))
            g_ptr_array_add(names, (char *)host_name(host));
    }
    return names_sorted(names);
}

static json_t *hosts_select_part(const struct hosts *hosts, const json_t *step, bool done, GError **error)
{
    const json_t *known = json_object_get(json_object_get(step, "done"), "hosts");
    g_autoptr(json_t) all = hosts_select_all(hosts, step, error);
    size_t i;
    json_t *name;

    if (!all)
        return NULL;
    json_t *part = json_array();
    json_array_foreach (all, i, name)
        if ((json_object_get(known, json_string_value(name)) != NULL) == done)
            json_array_append(part, name);
    return part;
}

json_t *hosts_select(const struct hosts *hosts, const json_t *step, GError **error)
{
    return hosts_select_part(hosts, step, false, error);
}

json_t *hosts_select_done(const struct hosts *hosts, const json_t *step, GError **error)
{
    return hosts_select_part(hosts, step, true, error);
}

bool hosts_enter(struct hosts *hosts, const json_t *step, GError **error)
{
    g_autoptr(json_t) names = NULL;
    size_t i;
    json_t *name;

    g_clear_pointer(&hosts->scope, g_hash_table_unref);
    hosts->step = json_get_string(step, "id", "");
    if (!json_get_string(step, "hosts", NULL) && !json_get_string(step, "approve", NULL) &&
        !json_object_get(step, "host_names"))
        return true;
    if (!(names = hosts_select(hosts, step, error)))
        return false;
    hosts->scope = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    json_array_foreach (names, i, name)
        g_hash_table_add(hosts->scope, g_strdup(json_string_value(name)));
    return true;
}

static bool hosts_limit_error(struct hosts *hosts, GError **error)
{
    hosts->exceeded = true;
    errors_set(error, ERROR_NOT_ALLOWED,
               "this run may touch at most %" G_GINT64_FORMAT " hosts (limits: max_hosts, max_percent)",
               hosts->ceiling);
    return false;
}

bool hosts_within_limit(struct hosts *hosts, size_t count, GError **error)
{
    return (int64_t)count <= hosts->ceiling || hosts_limit_error(hosts, error);
}

const json_t *hosts_admit(struct hosts *hosts, const char *text, GError **error)
{
    const json_t *host = hosts_of_run(hosts, text, error);

    if (!host)
        return NULL;
    const char *name = host_name(host);
    if (hosts->scope && !g_hash_table_contains(hosts->scope, name)) {
        errors_set(error, ERROR_NOT_ALLOWED, "host '%s' is not among the hosts of step '%s'", name, hosts->step);
        return NULL;
    }
    if (!g_hash_table_contains(hosts->touched, name)) {
        if (g_hash_table_size(hosts->touched) >= hosts->ceiling && !hosts_limit_error(hosts, error))
            return NULL;
        g_hash_table_add(hosts->touched, g_strdup(name));
    }
    return host;
}

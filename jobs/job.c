/* job: a pinned plan, an inventory and a run become the wire's job. Pure: no store, no clock.
 *
 * What a runbook may reach is decided here, once: hosts by its own filter and by the server's trust of its owner,
 * secrets by its own list and by the same trust. The runner enforces what the job says. */
#include "jobs/job.h"
#include "core/errors.h"
#include "core/hostfilter.h"

/* --- plan ----------------------------------------------------------------------------------------------------------
 */

static const char *const type_names[] = {
    [PARAM_STRING] = "string", [PARAM_INTEGER] = "integer", [PARAM_NUMBER] = "number",     [PARAM_BOOLEAN] = "boolean",
    [PARAM_CHOICE] = "choice", [PARAM_HOST] = "host",       [PARAM_DURATION] = "duration",
};

static json_t *param_types(const struct runbook *runbook)
{
    json_t *types = json_object();
    for (guint i = 0; runbook->params && i < runbook->params->len; i++) {
        const struct param *param = runbook->params->pdata[i];
        json_set_string(types, param->name, type_names[param->type]);
    }
    return types;
}

/* The modules are large and most runbooks use none. */
static bool uses_modules(const struct runbook *runbook)
{
    for (guint i = 0; i < runbook->steps->len; i++) {
        const struct step *step = runbook->steps->pdata[i];
        if (step->language == STEP_LUA && strstr(step->text, "require"))
            return true;
    }
    return false;
}

static json_t *string_list(char *const *strings)
{
    json_t *list = json_array();
    for (; strings && *strings; strings++)
        json_array_append_new(list, json_string(*strings));
    return list;
}

json_t *job_plan(const struct runbook *runbook, const struct catalog_set *set)
{
    json_t *plan = runbook_to_wire(runbook);
    json_object_set_new(plan, "runbook",
                        json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:s?}", "id", runbook->id, "title", runbook->title,
                                  "path", runbook->path, "repository", runbook->repository, "commit", runbook->commit,
                                  "owner", runbook->owner));
    json_object_set_new(plan, "param_types", param_types(runbook));
    json_set_string(plan, "hosts", runbook->hosts);
    json_object_set_new(plan, "secrets", string_list(runbook->secrets));
    json_t *modules = set && uses_modules(runbook) ? catalog_set_modules(set, runbook->repository) : NULL;
    json_object_set_new(plan, "modules", modules ? json_incref(modules) : json_object());
    return plan;
}

/* --- trust ---------------------------------------------------------------------------------------------------------
 */

static bool list_has(const struct yaml_node *list, const char *text)
{
    for (size_t i = 0; text && list && i < list->count; i++)
        if (list->items[i]->text && strcmp(list->items[i]->text, text) == 0)
            return true;
    return false;
}

/* The filter that `trust.hosts` gives an owner. No trust.hosts: *ret_all. An owner it does not name gets nothing. */
static bool trusted_hosts(const struct job_rules *rules, const char *owner, bool *ret_all,
                          struct hostfilter **ret_filter, GError **error)
{
    const struct yaml_node *hosts = rules && rules->trust ? yaml_get(rules->trust, "hosts") : NULL;
    *ret_all = hosts == NULL;
    *ret_filter = NULL;
    const struct yaml_node *filter = hosts && owner ? yaml_get(hosts, owner) : NULL;
    if (!filter)
        return true;
    *ret_filter = hostfilter_parse(filter->text ? filter->text : "", error);
    if (!*ret_filter)
        g_prefix_error(error, "trust.hosts.%s: ", owner);
    return *ret_filter != NULL;
}

/* References to the secrets that the runbook lists, the configuration has, and trust gives its owner. */
static json_t *granted_secrets(const json_t *plan, const struct job_rules *rules, const char *owner)
{
    json_t *granted = json_object();
    const struct yaml_node *trust = rules && rules->trust ? yaml_get(rules->trust, "secrets") : NULL;
    size_t index;
    json_t *name;
    json_array_foreach (json_object_get(plan, "secrets"), index, name) {
        const char *text = json_string_value(name);
        const struct yaml_node *reference = rules && rules->secrets ? yaml_get(rules->secrets, text) : NULL;
        if (reference && reference->text && (!trust || list_has(yaml_get(trust, text), owner)))
            json_set_string(granted, text, reference->text);
    }
    return granted;
}

/* --- hosts ---------------------------------------------------------------------------------------------------------
 */

struct reach {
    struct hostfilter *runbook, *trust; /* NULL: no filter */
    bool trust_all;
    const json_t *params;
};

static bool reaches(const struct reach *reach, const json_t *host)
{
    const char *name = json_get_string(host, "name", "");
    const json_t *labels = json_object_get(host, "labels");
    if (!reach->trust_all && !(reach->trust && hostfilter_matches(reach->trust, name, labels, NULL)))
        return false;
    return !reach->runbook || hostfilter_matches(reach->runbook, name, labels, reach->params);
}

json_t *job_untrusted(const struct job_rules *rules, const char *owner, const json_t *hosts, GError **error)
{
    g_autoptr(hostfilter) trust = NULL;
    struct reach reach = {0};
    if (!trusted_hosts(rules, owner, &reach.trust_all, &trust, error))
        return NULL;
    reach.trust = trust;
    json_t *names = json_array(), *host;
    size_t index;
    json_array_foreach (hosts, index, host)
        if (!reaches(&reach, host))
            json_array_append(names, json_object_get(host, "name"));
    return names;
}

/* Marks the jump hosts on the way to an allowed host. A loop ends where a host is marked already. */
static void mark_jumps(GHashTable *jumps, const json_t *inventory, const json_t *host)
{
    for (const char *name;
         host && (name = json_get_string(host, "jump", NULL)) && g_hash_table_add(jumps, (char *)name);)
        host = json_find(inventory, "name", name);
}

json_t *job_hosts(const json_t *inventory, const json_t *names)
{
    g_autoptr(GHashTable) wanted = g_hash_table_new(g_str_hash, g_str_equal);
    json_t *hosts = json_array();
    size_t index;
    json_t *name, *host;
    json_array_foreach (names, index, name) {
        g_hash_table_add(wanted, (char *)json_string_value(name));
        mark_jumps(wanted, inventory, json_find(inventory, "name", json_string_value(name)));
    }
    json_array_foreach (inventory, index, host)
        if (g_hash_table_contains(wanted, json_get_string(host, "name", "")))
            json_array_append(hosts, host);
    return hosts;
}

static void split_inventory(json_t *job, const json_t *inventory, const struct reach *reach)
{
    g_autoptr(GHashTable) jumps = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) allowed = g_hash_table_new(NULL, NULL);
    json_t *hosts = json_array(), *refused = json_array();
    size_t index;
    json_t *host;
    json_array_foreach (inventory, index, host)
        if (reaches(reach, host)) {
            g_hash_table_add(allowed, host);
            mark_jumps(jumps, inventory, host);
        }
    json_array_foreach (inventory, index, host) {
        const char *name = json_get_string(host, "name", "");
        bool may = g_hash_table_contains(allowed, host), jump = g_hash_table_contains(jumps, name);
        if (may || jump) {
            json_t *copy = json_copy(host);
            json_object_set_new(copy, "jump_only", json_boolean(!may));
            json_array_append_new(hosts, copy);
        }
        if (!may)
            json_array_append_new(refused, json_string(name));
    }
    json_object_set_new(job, "inventory", hosts);
    json_object_set_new(job, "refused_hosts", refused);
}

static bool add_hosts(json_t *job, const json_t *plan, const json_t *inventory, const json_t *run,
                      const struct job_rules *rules, GError **error)
{
    const char *filter = json_get_string(plan, "hosts", NULL), *owner = json_path_string(plan, "runbook.owner");
    g_autoptr(hostfilter) runbook = filter ? hostfilter_parse(filter, error) : NULL, trust = NULL;
    struct reach reach = {.params = json_object_get(run, "params")};
    if ((filter && !runbook) || !trusted_hosts(rules, owner, &reach.trust_all, &trust, error))
        return false;
    reach.runbook = runbook;
    reach.trust = trust;
    split_inventory(job, inventory, &reach);
    return true;
}

/* --- job -----------------------------------------------------------------------------------------------------------
 */

/* The plan's steps, each with where the run stands. */
static json_t *steps_of(const json_t *plan, const json_t *run)
{
    const json_t *states = json_object_get(run, "steps");
    json_t *steps = json_array();
    size_t index;
    json_t *step;
    json_array_foreach (json_object_get(plan, "steps"), index, step) {
        g_autoptr(json_t) fresh = json_pack("{s:s, s:n, s:i, s:b, s:n, s:n}", "state", "pending", "result", "attempt",
                                            0, "waited", 0, "approval", "output");
        json_t *copy = json_copy(step), *state = json_object_get(states, json_get_string(step, "id", ""));
        json_object_update(copy, fresh);
        if (state)
            json_object_update(copy, state);
        json_array_append_new(steps, copy);
    }
    return steps;
}

static void copy_run(json_t *job, const json_t *run)
{
    static const struct {
        const char *from, *to;
    } keys[] = {
        {"id", "run"},      {"attempt", "attempt"}, {"elapsed_ms", "elapsed_ms"},     {"incident", "incident"},
        {"alert", "alert"}, {"trigger", "trigger"}, {"requested_by", "requested_by"}, {"url", "url"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        json_t *value = json_object_get(run, keys[i].from);
        json_object_set_new(job, keys[i].to, value ? json_incref(value) : json_null());
    }
    json_t *data = json_object_get(run, "data");
    json_object_set_new(job, "data", json_is_object(data) ? json_incref(data) : json_object());
}

/* Every declared name, null without a value: a step may ask for each of them. */
static json_t *declared_params(const json_t *plan, const json_t *run)
{
    json_t *params = json_object(), *type;
    const char *name;
    json_object_foreach (json_object_get(plan, "param_types"), name, type)
        json_object_set_new(params, name, json_null());
    json_object_update(params, json_object_get(run, "params"));
    return params;
}

json_t *job_from_plan(const json_t *plan, const json_t *inventory, const json_t *run, const struct job_rules *rules,
                      GError **error)
{
    static const char *const pinned[] = {"runbook", "param_types", "limits", "modules", "inputs"};
    g_autoptr(json_t) job = json_object();
    copy_run(job, run);
    json_object_set_new(job, "params", declared_params(plan, run));
    for (size_t i = 0; i < G_N_ELEMENTS(pinned); i++) {
        json_t *value = json_object_get(plan, pinned[i]);
        json_object_set_new(job, pinned[i], value ? json_incref(value) : json_object());
    }
    json_object_set_new(job, "steps", steps_of(plan, run));
    json_object_set_new(job, "secrets", granted_secrets(plan, rules, json_path_string(plan, "runbook.owner")));
    if (!add_hosts(job, plan, inventory, run, rules, error))
        return NULL;
    return g_steal_pointer(&job);
}

json_t *job_build(const struct runbook *runbook, const struct catalog_set *set, const json_t *run,
                  const struct job_rules *rules, GError **error)
{
    g_autoptr(json_t) plan = job_plan(runbook, set);
    return job_from_plan(plan, set ? set->inventory : NULL, run, rules, error);
}

/* work: copies in, copies out; the loop's JSON is never read by the Lua thread. */
#include "lua/work.h"

#include "core/limits.h"

#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(json_get_string(*(json_t *const *)a, "name", ""), json_get_string(*(json_t *const *)b, "name", ""));
}

/* What a script may know of a host: not the user, key or identity that the runner logs in with. In order of the names.
 */
static json_t *visible_hosts(const json_t *inventory)
{
    GPtrArray *sorted = g_ptr_array_new();
    json_t *hosts = json_object(), *host;
    size_t i;
    json_array_foreach (inventory, i, host) {
        if (json_get_string(host, "name", NULL) && !json_get_bool(host, "jump_only", false))
            g_ptr_array_add(sorted, host);
    }
    g_ptr_array_sort(sorted, by_name);
    for (i = 0; i < sorted->len; i++) {
        host = sorted->pdata[i];
        const char *name = json_get_string(host, "name", NULL);
        json_t *labels = json_object_get(host, "labels");
        json_object_set_new(hosts, name,
                            json_pack("{s:s, s:s, s:o}", "name", name, "address",
                                      json_get_string(host, "address", name), "labels",
                                      labels ? json_deep_copy(labels) : json_object()));
    }
    g_ptr_array_free(sorted, TRUE);
    return hosts;
}

struct facts *facts_new(const struct lua_run_options *options)
{
    struct facts *facts = g_new0(struct facts, 1);
    facts->memory_limit = options->memory_limit ? options->memory_limit : LIMIT_LUA_MEMORY_BYTES;
    facts->note_branches = options->note_branches;
    facts->params = options->params ? json_deep_copy(options->params) : json_object();
    facts->incident = json_deep_copy(options->incident);
    facts->alert = json_deep_copy(options->alert);
    facts->run = options->run ? json_deep_copy(options->run) : json_object();
    facts->modules = json_deep_copy(options->modules);
    facts->inventory = json_deep_copy(options->inventory);
    facts->hosts = visible_hosts(options->inventory);
    facts->refused_hosts = json_deep_copy(options->refused_hosts);
    return facts;
}

void facts_free(struct facts *facts)
{
    if (!facts)
        return;
    json_decref(facts->params);
    json_decref(facts->incident);
    json_decref(facts->alert);
    json_decref(facts->run);
    json_decref(facts->modules);
    json_decref(facts->inventory);
    json_decref(facts->hosts);
    json_decref(facts->refused_hosts);
    g_free(facts);
}

struct work *work_new(const struct lua_step *step, const char *expression)
{
    struct work *work = g_new0(struct work, 1);
    work->expression = expression != NULL;
    work->id = g_strdup(step->id);
    work->file = g_strdup(step->file ? step->file : "step");
    work->line = step->line;
    work->text = g_strdup(expression ? expression : step->text);
    work->length = strlen(work->text);
    work->data = step->data ? json_deep_copy(step->data) : json_object();
    work->steps = step->steps ? json_deep_copy(step->steps) : json_object();
    work->approval = json_deep_copy(step->approval);
    work->done = json_deep_copy(step->done);
    return work;
}

void work_free(struct work *work)
{
    if (!work)
        return;
    json_decref(work->data);
    json_decref(work->steps);
    json_decref(work->approval);
    json_decref(work->done);
    g_free(work->outcome.message);
    json_decref(work->outcome.data);
    json_decref(work->outcome.error);
    json_decref(work->outcome.branches);
    g_free(work->id);
    g_free(work->file);
    g_free(work->text);
    g_free(work);
}

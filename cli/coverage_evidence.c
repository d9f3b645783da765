/* coverage_evidence: see the header. */
#include "cli/coverage_evidence.h"
#include "cli/client.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/limits.h"

json_t *coverage_test_report(const struct cli_call *call, GError **error)
{
    const char *path = cli_value(call, "tests");
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    gsize length;
    if (!path)
        return NULL;
    if (!g_file_get_contents(path, &text, &length, &failure)) {
        errors_set(error, ERROR_USAGE, "--tests: %s", failure->message);
        return NULL;
    }
    json_t *report = json_parse(text, length, path, error);
    if (report && !json_is_array(json_object_get(report, "files"))) {
        errors_set(error, ERROR_USAGE, "--tests: '%s' is not what 'hikeshi test --format json' prints", path);
        g_clear_pointer(&report, json_decref);
    }
    return report;
}

/* Path in its repository → id. NULL: the server said no. */
static GHashTable *runbook_ids(struct client *client, GError **error)
{
    g_autoptr(json_t) list = client_list(client, "/runbooks?kind=runbook", LIMIT_CATALOG_FILES, error);
    if (!list)
        return NULL;
    GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(list, "items"), i, item) {
        const char *path = json_get_string(item, "path", NULL), *id = json_get_string(item, "id", NULL);
        if (path && id)
            g_hash_table_insert(ids, g_strdup(path), g_strdup(id));
    }
    return ids;
}

/* 0: none. */
static bool last_success(struct client *client, const char *id, int64_t *ret_ms, GError **error)
{
    g_autofree char *path = client_path("/runs?state=succeeded&limit=1&runbook=", id, "");
    g_autoptr(json_t) list = client_get(client, path, error);
    if (!list)
        return false;
    const json_t *run = json_array_get(json_object_get(list, "items"), 0);
    const char *ended = json_get_string(run, "ended_at", NULL);
    *ret_ms = 0;
    return !ended || clock_parse(ended, ret_ms, error);
}

static bool ask(struct client *client, const struct coverage *coverage, GHashTable *runs, GError **error)
{
    g_autoptr(GHashTable) ids = runbook_ids(client, error);
    for (guint i = 0; ids && i < coverage->documents->len; i++) {
        const struct document *document = ((struct document_answer *)coverage->documents->pdata[i])->document;
        const char *id = document->runbook ? g_hash_table_lookup(ids, document->file) : NULL;
        int64_t ms;
        if (!id)
            continue;
        if (!last_success(client, id, &ms, error))
            return false;
        g_hash_table_insert(runs, g_strdup(document->file), g_memdup2(&ms, sizeof ms));
    }
    return ids != NULL;
}

GHashTable *coverage_runs(const struct cli_call *call, const struct coverage *coverage, GError **error)
{
    if (!cli_given(call, "server"))
        return NULL;
    g_autoptr(client_t) client = client_new(call, error);
    g_autoptr(GHashTable) runs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (!client || !ask(client, coverage, runs, error))
        return NULL;
    return g_steal_pointer(&runs);
}

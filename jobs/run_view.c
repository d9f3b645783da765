/* run_view: runs in product shape, from their rows. Reads only. */
#include "core/errors.h"
#include "jobs/run_private.h"
#include <string.h>

/* The part of the shape that a list shows too. */
static json_t *head(const json_t *row, const char *base_url)
{
    static const char *const same[] = {"id",       "runbook", "title",   "owner",    "state", "reason",
                                       "incident", "alert",   "attempt", "rerun_of", NULL};
    json_t *run = json_object();
    view_copy(run, row, same);
    json_object_set_new(run, "commit", view_value(row, "commit_id"));
    json_object_set_new(run, "repository", view_value(row, "repository"));
    json_object_set_new(run, "verified", view_value(row, "verified_bool"));
    json_object_set_new(run, "params", view_value(row, "params_json"));
    json_object_set_new(
        run, "trigger",
        json_pack("{s:o, s:o}", "kind", view_value(row, "trigger_kind"), "id", view_value(row, "trigger_id")));
    json_object_set_new(
        run, "requested_by",
        json_pack("{s:o, s:o}", "kind", view_value(row, "requested_kind"), "name", view_value(row, "requested_name")));
    json_object_set_new(run, "created_at", view_time(row, "created_at"));
    json_object_set_new(run, "started_at", view_time(row, "started_at"));
    json_object_set_new(run, "ended_at", view_time(row, "ended_at"));
    g_autofree char *url = g_strdup_printf("%s/runs/%s", base_url ? base_url : "", json_get_string(row, "id", ""));
    json_set_string(run, "url", url);
    return run;
}

static json_t *step_hosts(const json_t *hosts, const char *step)
{
    static const char *const same[] = {"host", "result", "code", "error", "duration_ms", NULL};
    json_t *of_step = json_array();
    size_t index;
    json_t *row;
    json_array_foreach (hosts, index, row) {
        if (g_strcmp0(json_get_string(row, "step", NULL), step) != 0)
            continue;
        json_t *host = json_object();
        view_copy(host, row, same);
        json_array_append_new(of_step, host);
    }
    return of_step;
}

static json_t *step_view(const json_t *row, const json_t *hosts)
{
    static const char *const same[] = {"id",     "title",    "state",       "result",   "reason", "line",
                                       "effect", "attempts", "duration_ms", "approval", NULL};
    json_t *step = json_object();
    view_copy(step, row, same);
    json_object_set_new(step, "started_at", view_time(row, "started_at"));
    json_object_set_new(step, "ended_at", view_time(row, "ended_at"));
    json_object_set_new(step, "error", view_error(json_object_get(row, "error_json")));
    json_object_set_new(step, "hosts", step_hosts(hosts, json_get_string(row, "id", NULL)));
    json_object_set_new(step, "output",
                        json_pack("{s:I, s:b}", "bytes", json_get_integer(row, "output_bytes", 0), "truncated",
                                  json_get_bool(row, "truncated_bool", false)));
    return step;
}

/* Where a report's file is fetched; null when it is not, or not any more, kept. */
static void add_file(json_t *report, const json_t *row, const char *base_url, const char *run)
{
    json_int_t n = json_get_integer(row, "file", 0);
    json_object_set_new(report, "file", n > 0 ? json_integer(n) : json_null());
    json_object_set_new(
        report, "url",
        n > 0 ? json_sprintf("%s/api/v1/runs/%s/files/%" JSON_INTEGER_FORMAT, base_url ? base_url : "", run, n)
              : json_null());
}

/* What runners said, in the order they said it; reports without their time. */
static void add_said(json_t *run, const char *base_url, const json_t *said)
{
    static const struct {
        const char *kind, *list;
    } lists[] = {{"report", "reports"}, {"note", "notes"}, {"message", "messages"}, {"incident", "incidents"}};
    size_t index;
    json_t *row;
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        json_object_set_new(run, lists[i].list, json_array());
    json_array_foreach (said, index, row) {
        const char *kind = json_get_string(row, "kind", "");
        json_t *item = json_object();
        json_object_update_missing(item, json_object_get(row, "body_json"));
        json_object_set_new(item, "step", view_value(row, "step"));
        if (strcmp(kind, "report") == 0) {
            json_object_set_new(item, "kind", view_value(item, "report_kind"));
            json_object_set_new(item, "host", view_value(item, "host"));
            json_object_del(item, "report_kind");
            if (g_strcmp0(json_get_string(item, "kind", NULL), "file") == 0)
                add_file(item, row, base_url, json_get_string(run, "id", ""));
        } else {
            json_object_set_new(item, "at", view_time(row, "at"));
        }
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
            if (strcmp(lists[i].kind, kind) == 0)
                json_array_append(json_object_get(run, lists[i].list), item);
        json_decref(item);
    }
}

json_t *run_view(struct store_tx *tx, const char *base_url, const char *id, GError **error)
{
    g_autoptr(json_t) row = NULL, steps = NULL, hosts = NULL, said = NULL;
    if (!store_get(tx, SQL_RUN_FULL, &row, error, "s", id))
        return NULL;
    if (!row) {
        errors_set(error, ERROR_NOT_FOUND, "there is no run '%s'", id);
        return NULL;
    }
    if (!store_list(tx, SQL_STEPS_OF_RUN, &steps, error, "s", id) ||
        !store_list(tx, SQL_STEP_HOSTS_OF_RUN, &hosts, error, "s", id) ||
        !store_list(tx, SQL_RUN_SAID, &said, error, "s", id))
        return NULL;
    json_t *run = head(row, base_url), *views = json_array();
    size_t index;
    json_t *step;
    json_array_foreach (steps, index, step)
        json_array_append_new(views, step_view(step, hosts));
    json_object_set_new(run, "steps", views);
    json_object_set_new(run, "data", view_value(row, "data_json"));
    json_object_set_new(run, "message", view_value(row, "message"));
    json_object_set_new(run, "cancel_reason", view_value(row, "cancel_reason"));
    add_said(run, base_url, said);
    return run;
}

static bool get_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *id = call_need_string(call->request, "id", error);
    call->result = id ? run_view(tx, call->jobs->base_url, id, error) : NULL;
    return call->result != NULL;
}

void run_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, get_job, done, arg);
}

static json_t *list_shape(struct store_tx *tx, const struct call *call, const json_t *row, GError **error)
{
    (void)tx, (void)error;
    return head(row, call->jobs->base_url);
}

/* Newest first; ?state= ?runbook= ?incident= ?limit= and ?after= (the last id of the page before). */
static bool list_job(struct store_tx *tx, struct call *call, GError **error)
{
    static const char *const states[] = {
#define RUN_STATE(NAME, name, ended) name,
#include "jobs/run_states.def"
        NULL};
    const json_t *request = call->request;
    const char *state;
    g_autoptr(json_t) rows = NULL;
    return call_choice(request, "state", states, &state, error) &&
           store_list(tx, SQL_RUN_LIST, &rows, error, "ssssi", state, call_string(request, "runbook"),
                      call_string(request, "incident"), call_string(request, "after"), call_limit(request) + 1) &&
           call_list(tx, call, rows, list_shape, error);
}

void run_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, list_job, done, arg);
}

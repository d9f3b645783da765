/* delivery_view: what people can ask about deliveries and sources, and replay. */
#include "core/clock.h"
#include "core/errors.h"
#include "jobs/call.h"
#include "jobs/delivery_private.h"
#include "jobs/view.h"

static json_t *delivery_shape(const json_t *row)
{
    static const char *const same[] = {"source",   "state", "tries", "event", "event_key",
                                       "incident", "note",  "bytes", NULL};
    json_t *delivery = json_object();
    g_autofree char *id = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_get_integer(row, "seq", 0));
    json_set_string(delivery, "id", id);
    view_copy(delivery, row, same);
    json_object_set_new(delivery, "received_at", view_time(row, "received_at"));
    json_object_set_new(delivery, "processed_at", view_time(row, "processed_at"));
    return delivery;
}

static json_t *list_shape(struct store_tx *tx, const struct call *call, const json_t *row, GError **error)
{
    (void)tx, (void)call, (void)error;
    return delivery_shape(row);
}

static bool list_job(struct store_tx *tx, struct call *call, GError **error)
{
    static const char *const states[] = {"received", "processed", "dead", NULL};
    const char *state;
    g_autoptr(json_t) rows = NULL;
    return call_choice(call->request, "state", states, &state, error) &&
           store_list(tx, SQL_DELIVERY_LIST, &rows, error, "sssii", call_string(call->request, "source"), state,
                      call_string(call->request, "incident"),
                      call_integer(call->request, "after", G_MAXINT64, G_MAXINT64), call_limit(call->request) + 1) &&
           call_list(tx, call, rows, list_shape, error);
}

void delivery_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, list_job, done, arg);
}

static json_t *load(struct store_tx *tx, struct call *call, GError **error)
{
    json_t *row = NULL;
    const char *id = call_need_string(call->request, "id", error);
    int64_t seq = call_integer(call->request, "id", 0, G_MAXINT64);
    if (!id || !store_get(tx, SQL_DELIVERY_GET, &row, error, "i", seq))
        return NULL;
    if (!row)
        errors_set(error, ERROR_NOT_FOUND, "there is no delivery '%s'", id);
    return row;
}

static bool get_job(struct store_tx *tx, struct call *call, GError **error)
{
    g_autoptr(json_t) row = load(tx, call, error);
    if (!row)
        return false;
    call->result = delivery_shape(row);
    json_object_set_new(call->result, "dedup_key", view_value(row, "dedup_key"));
    json_object_set_new(call->result, "due_at", view_time(row, "due_at"));
    json_object_set_new(call->result, "body", view_value(row, "body"));
    json_object_set_new(call->result, "body_cut", json_boolean(json_get_integer(row, "bytes", 0) > 65536));
    return true;
}

void delivery_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, get_job, done, arg);
}

static bool explain_job(struct store_tx *tx, struct call *call, GError **error)
{
    static const char *const keys[] = {"change", "rules", "omitted", NULL};
    g_autoptr(json_t) row = load(tx, call, error);
    if (!row)
        return false;
    const json_t *explain = json_object_get(row, "explain_json");
    call->result = delivery_shape(row);
    view_copy(call->result, explain, keys);
    if (!json_is_array(json_object_get(call->result, "rules")))
        json_object_set_new(call->result, "rules", json_array());
    if (!json_is_object(explain) && json_is_null(json_object_get(call->result, "note")))
        json_set_string(call->result, "note", "it waits to be worked on");
    return true;
}

void delivery_explain(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, explain_job, done, arg);
}

static bool replay_job(struct store_tx *tx, struct call *call, GError **error)
{
    int64_t changes = 0, seq = call_integer(call->request, "id", 0, G_MAXINT64);
    g_autoptr(json_t) row = load(tx, call, error);
    if (!row || !store_exec(tx, SQL_DELIVERY_REPLAY, &changes, error, "ii", seq, clock_now_ms()))
        return false;
    if (!changes) {
        errors_set(error, ERROR_CONFLICT, "delivery '%" G_GINT64_FORMAT "' is still to be worked on", seq);
        return false;
    }
    call->result = delivery_shape(row);
    json_set_string(call->result, "state", "received");
    return true;
}

static void after_replay(struct call *call)
{
    delivery_queue_kick_due(call->jobs->deliveries->queue);
}

void delivery_replay(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, replay_job, after_replay, done, arg);
}

/* --- sources --- */

static const json_t *counts_of(const json_t *rows, const char *source)
{
    size_t i;
    json_t *row;
    json_array_foreach ((json_t *)rows, i, row)
        if (g_strcmp0(json_get_string(row, "source", NULL), source) == 0)
            return row;
    return NULL;
}

static bool sources_job(struct store_tx *tx, struct call *call, GError **error)
{
    const GPtrArray *sources = call->jobs->deliveries->sources;
    g_autoptr(json_t) rows = NULL;
    if (!store_list(tx, SQL_DELIVERY_SOURCES, &rows, error, ""))
        return false;
    json_t *items = json_array();
    for (guint i = 0; i < sources->len; i++) {
        const struct source *source = sources->pdata[i];
        if (!source->kind->configure) /* the one that is always there has no address */
            continue;
        const json_t *row = counts_of(rows, source->name);
        g_autofree char *url =
            g_strdup_printf("%s/hooks/%s", call->jobs->base_url ? call->jobs->base_url : "", source->name);
        json_t *item = json_pack("{s:s, s:s, s:b, s:s}", "name", source->name, "kind", source->kind->name, "enabled",
                                 source->enabled, "url", url);
        json_object_set_new(item, "deliveries", json_integer(json_get_integer(row, "deliveries", 0)));
        json_object_set_new(item, "dead", json_integer(json_get_integer(row, "dead", 0)));
        json_object_set_new(item, "last_received_at", view_time(row, "last_received_at"));
        json_array_append_new(items, item);
    }
    call->result = call_page(items, NULL);
    return true;
}

void source_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, sources_job, done, arg);
}

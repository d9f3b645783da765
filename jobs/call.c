/* call: carries a jobs_fn from the loop to a store thread and back. Knows nothing of what is asked. */
#include "jobs/call.h"
#include "core/errors.h"
#include <errno.h>

enum { PAGE_DEFAULT = 100, PAGE_MAXIMUM = 500 };

static struct call *call_new(struct jobs *jobs, json_t *request, const struct actor *actor, call_job_fn job,
                             op_done_fn done, void *arg)
{
    struct call *call = g_new0(struct call, 1);
    call->jobs = jobs;
    call->request = json_incref(request);
    call->actor = (struct actor){
        .kind = g_strdup(actor->kind), .name = g_strdup(actor->name), .role = actor->role, .via = g_strdup(actor->via)};
    call->set = jobs->catalog ? catalog_set_ref(catalog_current(jobs->catalog)) : NULL;
    call->job = job;
    call->done = done;
    call->arg = arg;
    return call;
}

static void call_free(struct call *call)
{
    json_decref(call->request);
    json_decref(call->result);
    json_decref(call->stopped);
    g_clear_error(&call->refusal);
    g_free((char *)call->actor.kind);
    g_free((char *)call->actor.name);
    g_free((char *)call->actor.via);
    if (call->set)
        catalog_set_unref(call->set);
    g_free(call);
}

static bool run_job(struct store_tx *tx, void *arg, GError **error)
{
    struct call *call = arg;
    g_clear_pointer(&call->result, json_decref);
    g_clear_pointer(&call->stopped, json_decref);
    g_clear_error(&call->refusal);
    return call->job(tx, call, error);
}

static void job_done(void *arg, const GError *error)
{
    struct call *call = arg;
    if (!error && call->after)
        call->after(call);
    if (!error)
        error = call->refusal;
    call->done(call->arg, error ? NULL : call->result, error);
    call_free(call);
}

void call_read(struct jobs *jobs, json_t *request, const struct actor *actor, call_job_fn job, op_done_fn done,
               void *arg)
{
    store_read(jobs->store, run_job, job_done, call_new(jobs, request, actor, job, done, arg));
}

void call_write(struct jobs *jobs, json_t *request, const struct actor *actor, call_job_fn job, call_after_fn after,
                op_done_fn done, void *arg)
{
    struct call *call = call_new(jobs, request, actor, job, done, arg);
    call->after = after;
    store_write(jobs->store, STORE_NORMAL, run_job, job_done, call);
}

const char *call_string(const json_t *request, const char *key)
{
    const char *text = json_get_string(request, key, NULL);
    return text ? text : json_get_string(json_object_get(request, "body"), key, NULL);
}

bool call_choice(const json_t *request, const char *key, const char *const *names, const char **ret, GError **error)
{
    *ret = call_string(request, key);
    if (!*ret || g_strv_contains(names, *ret))
        return true;
    g_autofree char *all = g_strjoinv(", ", (char **)names);
    errors_set(error, ERROR_INVALID, "'%s' must be one of %s, not '%s'", key, all, *ret);
    return false;
}

const char *call_need_string(const json_t *request, const char *key, GError **error)
{
    const char *text = call_string(request, key);
    if (!text || !*text) {
        errors_set(error, ERROR_INVALID, "'%s' is missing", key);
        return NULL;
    }
    return text;
}

int64_t call_integer(const json_t *request, const char *key, int64_t fallback, int64_t maximum)
{
    const json_t *value = json_object_get(request, key);
    if (!value)
        value = json_object_get(json_object_get(request, "body"), key);
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        return number < 0 ? fallback : MIN(number, maximum);
    }
    guint64 number = 0;
    if (!json_is_string(value) ||
        !g_ascii_string_to_unsigned(json_string_value(value), 10, 0, G_MAXINT64, &number, NULL))
        return fallback;
    return MIN((int64_t)number, maximum);
}

int64_t call_limit(const json_t *request)
{
    return MAX(call_integer(request, "limit", PAGE_DEFAULT, PAGE_MAXIMUM), 1);
}

json_t *call_page(json_t *items, json_t *next)
{
    return json_pack("{s:o, s:o}", "items", items, "next", next ? next : json_null());
}

json_t *call_page_cut(json_t *items, int64_t limit, const char *key)
{
    if (json_array_size(items) <= (size_t)limit)
        return call_page(items, NULL);
    json_array_remove(items, (size_t)limit);
    return call_page(items, json_incref(json_object_get(json_array_get(items, (size_t)limit - 1), key)));
}

bool call_list(struct store_tx *tx, struct call *call, const json_t *rows, call_shape_fn shape, GError **error)
{
    g_autoptr(json_t) items = json_array();
    size_t i;
    json_t *row;
    json_array_foreach ((json_t *)rows, i, row) {
        json_t *item = shape(tx, call, row, error);
        if (!item)
            return false;
        json_array_append_new(items, item);
    }
    call->result = call_page_cut(g_steal_pointer(&items), call_limit(call->request), "id");
    return true;
}

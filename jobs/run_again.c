/* run_again: see run_again.h. What was done is read from the record of the earlier run, which knows what it left out
 * itself. */
#include "jobs/run_again.h"
#include "core/errors.h"
#include "core/host_names.h"
#include "jobs/hosts_exec.h"
#include "jobs/run_allow.h"
#include "jobs/run_private.h"

struct again {
    const char *run;     /* the earlier one */
    const json_t *plan;  /* its */
    const char *unknown; /* what to do where nobody knows: "run", "skip", or NULL */
    json_t *done;        /* {STEP: {"language","text","hosts","items"}} */
    json_t *open;        /* {NAME: true}: hosts and steps of which nobody knows */
    size_t bad;          /* hosts and items that were not well */
};

static void again_clear(struct again *again)
{
    json_decref(again->done);
    json_decref(again->open);
}

static const json_t *planned(const struct again *again, const char *step)
{
    return json_find(json_object_get(again->plan, "steps"), "id", step);
}

static bool is_lua(const json_t *step)
{
    return strcmp(json_get_string(step, "language", ""), "lua") == 0;
}

/* What is known of one step. Borrowed. */
static json_t *done_of(struct again *again, const char *step)
{
    json_t *done = json_object_get(again->done, step);
    const json_t *plan = planned(again, step);
    if (done)
        return done;
    done = json_pack("{s:s, s:s, s:{}, s:[]}", "language", json_get_string(plan, "language", ""), "text",
                     json_get_string(plan, "text", ""), "hosts", "items");
    json_object_set_new(again->done, step, done);
    return done;
}

static bool went_well(const char *result)
{
    return strcmp(result, "ok") == 0 || strcmp(result, "skipped") == 0;
}

/* Nobody knows whether it ran, or whether it still does. */
static bool is_open(const json_t *step, const char *result, const char *code, const char *text)
{
    bool lost = g_strcmp0(code, "lost") == 0 && !json_get_bool(step, "idempotent", false);
    return strcmp(result, "unknown") == 0 || lost || (text && strstr(text, "could not confirm"));
}

static char *reason_of(const struct again *again, const char *result, const char *said)
{
    if (strcmp(result, "skipped") == 0 && said)
        return g_strdup(said);
    return g_strdup_printf("%s in %s", strcmp(result, "ok") == 0 ? "ok" : "left out: unknown", again->run);
}

/* True when this host or item is left out. */
static bool judge(struct again *again, const char *step, const char *name, const char *result, const char *code,
                  const char *text)
{
    bool well = went_well(result);
    if (well)
        return true;
    again->bad++;
    if (!is_open(planned(again, step), result, code, text))
        return false;
    json_object_set_new(again->open, name, json_true());
    return g_strcmp0(again->unknown, "skip") == 0;
}

/* ---- hosts of shell steps ---- */

/* The list that was begun last: where an item that nobody recorded has been. */
static json_t *last_items(json_t *done)
{
    json_t *items = json_object_get(done, "items");
    if (json_array_size(items) == 0)
        json_array_append_new(items, json_object());
    return json_array_get(items, json_array_size(items) - 1);
}

static void read_host(struct again *again, const json_t *outputs, const json_t *row)
{
    const char *step = json_get_string(row, "step", ""), *name = json_get_string(row, "host", "");
    const char *result = json_get_string(row, "result", ""), *said = json_get_string(row, "error", NULL);
    bool lua = is_lua(planned(again, step)), left_out = judge(again, step, name, result, NULL, said);
    if (!left_out || (lua && went_well(result))) /* of Lua, items tell what is done */
        return;
    g_autofree char *reason = reason_of(again, result, said);
    json_t *output = json_object_get(json_object_get(json_object_get(outputs, step), "hosts"), name);
    if (lua)
        json_set_string(last_items(done_of(again, step)), name, reason);
    else
        json_object_set_new(json_object_get(done_of(again, step), "hosts"), name,
                            json_pack("{s:s, s:O?}", "reason", reason, "output", output));
}

static bool read_hosts(struct store_tx *tx, struct again *again, const json_t *steps, GError **error)
{
    g_autoptr(json_t) rows = NULL, outputs = json_object();
    size_t index;
    json_t *row;
    if (!store_list(tx, SQL_STEP_HOSTS_OF_RUN, &rows, error, "s", again->run))
        return false;
    json_array_foreach (steps, index, row)
        json_object_set(outputs, json_get_string(row, "id", ""), json_object_get(row, "output_json"));
    json_array_foreach (rows, index, row)
        read_host(again, outputs, row);
    return true;
}

/* ---- items of each() ---- */

/* The last word on each item stands: {STEP: [{NAME: body}…]}. */
static json_t *last_words(const json_t *events)
{
    json_t *words = json_object(), *event;
    size_t index;
    json_array_foreach (events, index, event) {
        const char *step = json_get_string(event, "step", "");
        const json_t *body = json_object_get(event, "body_json");
        size_t call = (size_t)CLAMP(json_get_integer(body, "call", 1), 1, 10000);
        json_t *calls = json_object_get(words, step);
        if (!calls)
            json_object_set_new(words, step, calls = json_array());
        while (json_array_size(calls) < call)
            json_array_append_new(calls, json_object());
        json_object_set(json_array_get(calls, call - 1), json_get_string(body, "name", ""), (json_t *)(uintptr_t)body);
    }
    return words;
}

static void read_call(struct again *again, const char *step, json_t *bodies)
{
    json_t *left_out = json_object(), *body;
    const char *name;
    json_object_foreach (bodies, name, body) {
        const char *result = json_get_string(body, "result", ""), *said = json_get_string(body, "reason", NULL);
        const char *code = json_path_string(body, "error.code"), *text = json_path_string(body, "error.message");
        if (!judge(again, step, name, result, code, text))
            continue;
        g_autofree char *reason = reason_of(again, result, said);
        json_set_string(left_out, name, reason);
    }
    json_array_append_new(json_object_get(done_of(again, step), "items"), left_out);
}

static bool read_items(struct store_tx *tx, struct again *again, GError **error)
{
    g_autoptr(json_t) events = NULL;
    if (!store_list(tx, SQL_RUN_ITEMS, &events, error, "s", again->run))
        return false;
    g_autoptr(json_t) words = last_words(events);
    const char *step;
    json_t *calls, *bodies;
    size_t index;
    json_object_foreach (words, step, calls)
        json_array_foreach (calls, index, bodies)
            read_call(again, step, bodies);
    return true;
}

/* ---- the whole ---- */

static char *open_names(const struct again *again)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *name;
    json_t *value;
    json_object_foreach (again->open, name, value)
        g_ptr_array_add(names, (char *)name);
    return host_names_fold(names);
}

static bool check(const struct again *again, GError **error)
{
    if (json_object_size(again->open) > 0 && !again->unknown) {
        g_autofree char *names = open_names(again);
        errors_set(error, ERROR_CONFLICT,
                   "nobody knows what became of %s in the run '%s': look there, then say whether it runs there again "
                   "(unknown: run, --unknown run) or not (skip)",
                   names, again->run);
        return false;
    }
    if (again->bad > 0)
        return true;
    errors_set(error, ERROR_CONFLICT, "no host or item of the run '%s' failed or was left out: run all of it again",
               again->run);
    return false;
}

/* A step that nobody saw end, and that told of no host: nobody knows of the whole step. */
static void read_steps(struct again *again, const json_t *steps)
{
    size_t index;
    json_t *row;
    json_array_foreach (steps, index, row) {
        const char *id = json_get_string(row, "id", "");
        if (strcmp(json_get_string(row, "result", ""), "unknown") != 0)
            continue;
        again->bad++;
        if (json_object_size(again->open) == 0)
            json_object_set_new(again->open, id, json_true());
    }
}

/* What a new run of it leaves out. New reference, or NULL. */
static json_t *read_done(struct store_tx *tx, const char *run, const char *unknown, GError **error)
{
    g_autoptr(json_t) plan = NULL, steps = NULL;
    if (!store_get(tx, SQL_RUN_PLAN, &plan, error, "s", run) ||
        !store_list(tx, SQL_STEPS_OF_RUN, &steps, error, "s", run))
        return NULL;
    struct again again = {.run = run,
                          .plan = json_object_get(plan, "body_json"),
                          .unknown = unknown,
                          .done = json_object(),
                          .open = json_object()};
    json_t *done = NULL;
    if (read_items(tx, &again, error) && read_hosts(tx, &again, steps, error)) {
        read_steps(&again, steps);
        done = check(&again, error) ? json_incref(again.done) : NULL;
    }
    again_clear(&again);
    return done;
}

static bool same_step(const json_t *step, const json_t *done)
{
    const char *language = json_get_string(step, "language", ""), *before = json_get_string(done, "language", "");
    return strcmp(language, before) == 0 &&
           (!is_lua(step) || strcmp(json_get_string(step, "text", ""), json_get_string(done, "text", "")) == 0);
}

/* What only reads is read again everywhere. */
static bool apply_step(json_t *step, const json_t *done, GError **error)
{
    const char *id = json_get_string(step, "id", "");
    bool nothing =
        json_object_size(json_object_get(done, "hosts")) == 0 && json_array_size(json_object_get(done, "items")) == 0;
    if (!done || nothing || strcmp(json_get_string(step, "effect", "write"), "read") == 0)
        return true;
    if (!same_step(step, done)) {
        errors_set(error, ERROR_CONFLICT,
                   "the step '%s' is not what it was: what it has done cannot be told apart; run all of it again", id);
        return false;
    }
    json_object_set_new(
        step, "done",
        json_pack("{s:O, s:O}", "hosts", json_object_get(done, "hosts"), "items", json_object_get(done, "items")));
    return true;
}

bool run_again_apply(json_t *plan, const json_t *done, GError **error)
{
    size_t index;
    json_t *step;
    json_array_foreach (json_object_get(plan, "steps"), index, step)
        if (!apply_step(step, json_object_get(done, json_get_string(step, "id", "")), error))
            return false;
    return true;
}

/* ---- the API ---- */

static const struct runbook *runbook_of(const struct catalog_set *set, const json_t *row)
{
    const char *repository = json_get_string(row, "repository", ""), *id = json_get_string(row, "runbook", "");
    g_autofree char *full = g_strdup_printf("%s:%s", repository, id);
    const struct runbook *runbook = set ? catalog_set_runbook(set, full) : NULL;
    if (!runbook && set)
        runbook = catalog_set_runbook(set, id);
    return runbook && g_strcmp0(runbook->repository, repository) == 0 ? runbook : NULL;
}

/* The same words once more, on the hosts that they mean now. */
static bool rerun_words(struct store_tx *tx, struct call *call, const json_t *row, json_t *done, GError **error)
{
    json_t *params = json_object_get(row, "params_json");
    g_autoptr(runbook_t) runbook =
        hosts_exec_may(call->jobs, &call->actor, error)
            ? hosts_exec_runbook(call->jobs, call->set ? call->set->inventory : NULL, params, error)
            : NULL;
    struct run_start start = {
        .trigger_kind = "manual", .params = params, .rerun_of = json_get_string(row, "id", NULL), .done = done};
    return runbook && run_start_and_view(tx, call, runbook, &start, error);
}

/* {"only":"failed","unknown":"run|skip"}: *ret_done stays NULL for a run of everything. */
static bool read_choice(struct store_tx *tx, const struct call *call, const char *run, json_t **ret_done,
                        GError **error)
{
    static const char *const parts[] = {"failed", NULL}, *const ways[] = {"run", "skip", NULL};
    const char *only, *unknown;
    if (!call_choice(call->request, "only", parts, &only, error) ||
        !call_choice(call->request, "unknown", ways, &unknown, error))
        return false;
    if (unknown && !only) {
        errors_set(error, ERROR_INVALID, "'unknown' goes with 'only': a run of everything leaves nothing out");
        return false;
    }
    *ret_done = only ? read_done(tx, run, unknown, error) : NULL;
    return !only || *ret_done;
}

/* A new run of the runbook as it is now, with the params, incident and alert of an ended one. */
static bool rerun_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *id = call_need_string(call->request, "id", error);
    g_autoptr(json_t) row = NULL;
    if (!id || !store_get(tx, SQL_RUN_FULL, &row, error, "s", id))
        return false;
    if (!row) {
        errors_set(error, ERROR_NOT_FOUND, "there is no run '%s'", id);
        return false;
    }
    if (!run_state_ended(run_row_state(row))) {
        errors_set(error, ERROR_CONFLICT, "the run '%s' has not ended", id);
        return false;
    }
    g_autoptr(json_t) done = NULL;
    if (!read_choice(tx, call, id, &done, error))
        return false;
    if (hosts_exec_made(row))
        return rerun_words(tx, call, row, done, error);
    const struct runbook *runbook = runbook_of(call->set, row);
    if (!runbook) {
        run_not_in_service(call->set, json_get_string(row, "runbook", "?"), error);
        return false;
    }
    const struct trigger *trigger;
    bool of_incident = json_get_string(row, "incident", NULL) != NULL;
    if (!run_allow(call->set, runbook, TRIGGER_MANUAL, of_incident, &call->actor, &trigger, error))
        return false;
    g_autoptr(json_t) params =
        runbook_bind_params(runbook, json_object_get(row, "params_json"), NULL, call->set->inventory, NULL, error);
    if (!params)
        return false;
    json_t *incident = json_object_get(row, "incident_json"), *alert = json_object_get(row, "alert_json");
    struct run_start start = {.trigger_kind = "manual",
                              .trigger_id = trigger ? trigger->id : NULL,
                              .incident = json_get_string(row, "incident", NULL),
                              .alert = json_get_string(row, "alert", NULL),
                              .params = params,
                              .incident_snapshot = json_is_object(incident) ? incident : NULL,
                              .alert_snapshot = json_is_object(alert) ? alert : NULL,
                              .rerun_of = id,
                              .done = done};
    return run_start_and_view(tx, call, runbook, &start, error);
}

void run_rerun(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, rerun_job, run_start_after, done, arg);
}

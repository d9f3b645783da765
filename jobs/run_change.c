/* run_change: applies the table of run_states.def to a run's row, and tells everybody. */
#include "jobs/run_change.h"
#include "core/clock.h"
#include "core/errors.h"
#include "jobs/incident.h"
#include "jobs/outbox.h"
#include "jobs/run_step.h"

json_t *run_row(struct store_tx *tx, const char *id, GError **error)
{
    json_t *row = NULL;
    if (!store_get(tx, SQL_RUN_ROW, &row, error, "s", id))
        return NULL;
    if (!row)
        errors_set(error, ERROR_NOT_FOUND, "there is no run '%s'", id);
    return row;
}

enum run_state run_row_state(const json_t *row)
{
    enum run_state state = RUN_UNKNOWN;
    run_state_from_name(json_get_string(row, "state", NULL), &state);
    return state;
}

bool run_record(struct store_tx *tx, const json_t *row, const char *kind, const char *step, json_t *body,
                GError **error)
{
    g_autoptr(json_t) owned = body;
    return store_exec(tx, SQL_EVENT_ADD, NULL, error, "siiissj", json_get_string(row, "id", NULL),
                      (int64_t)json_get_integer(row, "attempt", 0), (int64_t)0, clock_now_ms(), kind, step, owned);
}

bool run_tell(struct store_tx *tx, const json_t *row, const char *kind, const char *actor, const char *text,
              GError **error)
{
    const char *incident = json_get_string(row, "incident", NULL);
    if (!incident)
        return true;
    return incident_timeline_add(tx, incident, kind, actor ? actor : "hikeshi", text, json_get_string(row, "id", NULL),
                                 error);
}

static const char *verified_text(enum run_verified verified)
{
    return verified == RUN_VERIFIED_TRUE ? ", verified" : verified == RUN_VERIFIED_FALSE ? ", not verified" : "";
}

/* "'Disk is filling up' failed (step_failed): …" */
static char *sentence(const json_t *row, enum run_state state, const struct run_change *change)
{
    const char *title = json_get_string(row, "title", "?");
    bool began = json_is_integer(json_object_get(row, "started_at"));
    GString *text = g_string_new(NULL);
    g_string_printf(text, "\"%s\" ", title);
    if (change->text)
        g_string_append(text, change->text);
    else if (state == RUN_RUNNING)
        g_string_append(text, began ? "goes on" : "started");
    else if (state == RUN_UNKNOWN)
        g_string_append(text, "may have run in part: its state is unknown");
    else if (run_state_ended(state)) {
        g_string_append_printf(text, state == RUN_DENIED || state == RUN_CANCELLED ? "was %s" : "%s",
                               run_state_name(state));
        g_string_append(text, verified_text(change->verified));
    } else
        g_string_append_printf(text, "is %s", run_state_name(state));
    if (change->reason && g_strcmp0(change->reason, run_state_name(state)) != 0)
        g_string_append_printf(text, " (%s)", change->reason);
    if (change->message)
        g_string_append_printf(text, ": %s", change->message);
    return g_string_free(text, FALSE);
}

static bool write_row(struct store_tx *tx, const char *id, enum run_action action, const char *state,
                      const struct run_change *change, GError **error)
{
    int64_t now_ms = clock_now_ms();
    switch (action) {
    case RUN_ACTION_START:
        return store_exec(tx, SQL_RUN_BEGIN, NULL, error, "ssii", id, state, now_ms, change->lease_until);
    case RUN_ACTION_QUEUE:
        return store_exec(tx, SQL_RUN_QUEUE, NULL, error, "ssi", id, state, now_ms);
    case RUN_ACTION_PARK:
        return store_exec(tx, SQL_RUN_PARK, NULL, error, "ssii", id, state, now_ms, change->wake_at);
    case RUN_ACTION_MARK:
        return store_exec(tx, SQL_RUN_MARK, NULL, error, "sss", id, state, change->reason);
    case RUN_ACTION_END:
        return store_exec(tx, SQL_RUN_END, NULL, error, "ssisis", id, state, now_ms, change->reason,
                          (int64_t)change->verified, change->message);
    case RUN_ACTION_REFUSE:
        break;
    }
    g_assert_not_reached();
}

/* What else an end means: steps that were not reached, questions that nobody needs to answer. Of an unknown run the
 * later steps stay pending: it may go on once a person has said what happened. */
static bool end_rest(struct store_tx *tx, const char *id, enum run_state state, GError **error)
{
    if (state != RUN_UNKNOWN && !run_steps_leave(tx, id, error))
        return false;
    return store_exec(tx, SQL_APPROVAL_VOID_OF_RUN, NULL, error, "si", id, clock_now_ms());
}

static const char *outbox_event(enum run_action action)
{
    switch (action) {
    case RUN_ACTION_START:
        return "run_started";
    case RUN_ACTION_PARK:
        return "run_waiting";
    case RUN_ACTION_END:
        return "run_ended";
    default:
        return NULL;
    }
}

static bool tell(struct store_tx *tx, const json_t *row, enum run_action action, enum run_state next,
                 const struct run_change *change, GError **error)
{
    const char *id = json_get_string(row, "id", NULL), *incident = json_get_string(row, "incident", NULL);
    g_autofree char *text = sentence(row, next, change);
    json_t *body = json_pack("{s:s, s:s?, s:s}", "state", run_state_name(next), "reason", change->reason, "text", text);
    if (!run_record(tx, row, "run", NULL, body, error) || !run_tell(tx, row, "run", change->actor, text, error))
        return false;
    const char *event = outbox_event(action);
    if (!event)
        return true;
    g_autoptr(json_t) detail = json_pack("{s:s, s:s?, s:s, s:s}", "state", run_state_name(next), "reason",
                                         change->reason, "title", json_get_string(row, "title", ""), "text", text);
    return outbox_add(tx, event, incident, id, detail, error);
}

bool run_change(struct store_tx *tx, const json_t *row, const struct run_change *change, GError **error)
{
    const char *id = json_get_string(row, "id", NULL);
    enum run_state state = run_row_state(row), next;
    enum run_action action = run_state_move(state, change->event, &next);
    if (action == RUN_ACTION_REFUSE) {
        errors_set(error, ERROR_CONFLICT, "the run '%s' %s %s: '%s' is not possible", id,
                   run_state_ended(state) ? "has ended," : "is", run_state_name(state), run_event_name(change->event));
        return false;
    }
    if (!write_row(tx, id, action, run_state_name(next), change, error))
        return false;
    if (action == RUN_ACTION_END && !end_rest(tx, id, next, error))
        return false;
    /* An unconfirmed lease that comes back is nothing that people need to read. */
    return state == RUN_QUEUED && next == RUN_QUEUED ? true : tell(tx, row, action, next, change, error);
}

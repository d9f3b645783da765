/* approval_decide: one person's answer. Every door (API, command line, and what comes later) goes through decide_job():
 * the checks and the compare-and-set are one store job, so two deciders, a decider and the deadline, or a decider and a
 * cancel cannot both win. */
#include "core/clock.h"
#include "core/errors.h"
#include "jobs/approval_inputs.h"
#include "jobs/approval_private.h"
#include "jobs/call.h"
#include "jobs/outbox.h"
#include "jobs/policy.h"
#include "jobs/run.h"
#include "jobs/run_change.h"
#include "jobs/run_step.h"
#include "jobs/token.h"

enum { MAX_VALUE_SHOWN = 200 }; /* characters of an input in the sentence that channels tell */

/* One decision on its way. Rows are as they were when the job began. */
struct decision {
    struct store_tx *tx;
    struct call *call;
    const json_t *approval, *run, *inputs; /* inputs: as given, or NULL */
    json_t *filled;                        /* what `approval` is after fill(), or NULL */
    const char *id, *verdict, *digest, *reason;
};

static const json_t *teams_of(const struct catalog_set *set)
{
    return set ? json_object_get(set->policies, "teams") : NULL;
}

static const json_t *inventory_of(const struct decision *decision)
{
    return decision->call->set ? decision->call->set->inventory : NULL;
}

static enum approval_state state_of(const json_t *approval)
{
    enum approval_state state = APPROVAL_VOID;
    approval_state_from_name(json_get_string(approval, "state", NULL), &state);
    return state;
}

/* The compare-and-set. ERROR_CONFLICT when somebody was first. */
static bool set_state(struct store_tx *tx, const json_t *approval, enum approval_event event, GError **error)
{
    enum approval_state next;
    const char *id = json_get_string(approval, "id", NULL);
    int64_t changed = 0;
    if (approval_state_move(state_of(approval), event, &next) &&
        !store_exec(tx, SQL_APPROVAL_DECIDE, &changed, error, "ssis", id, approval_state_name(next), clock_now_ms(),
                    json_get_string(approval, "digest", NULL)))
        return false;
    if (changed == 0)
        errors_set(error, ERROR_CONFLICT, "the approval '%s' is %s", id, json_get_string(approval, "state", "decided"));
    return changed > 0;
}

/* Ends the waiting step and its run with the same result. */
static bool end_step_and_run(struct store_tx *tx, const json_t *approval, enum run_event event, const char *result,
                             const char *message, const char *actor, GError **error)
{
    const char *run = json_get_string(approval, "run", "");
    g_autoptr(json_t) row = run_row(tx, run, error);
    g_autoptr(json_t) step = row ? run_step_row(tx, run, json_get_string(approval, "step", ""), error) : NULL;
    struct run_step_end end = {.result = result, .reason = message, .duration_ms = -1};
    struct run_change change = {
        .event = event, .reason = result, .message = message, .verified = RUN_VERIFIED_NULL, .actor = actor};
    return step && run_step_end(tx, step, STEP_EVENT_FINISH, &end, error) && run_change(tx, row, &change, error);
}

static bool tell_decision(struct store_tx *tx, const json_t *row, const json_t *approval, const char *actor,
                          const char *said, GError **error)
{
    const char *step = json_get_string(approval, "step", "?"), *id = json_get_string(approval, "id", "");
    g_autofree char *text = g_strdup_printf("\"%s\", step %s: %s", json_get_string(row, "title", "?"), step, said);
    json_t *body = json_pack("{s:s, s:s}", "approval", id, "text", text);
    g_autoptr(json_t) detail = json_pack("{s:s, s:s, s:s}", "approval", id, "step", step, "text", text);
    return run_record(tx, row, "step", step, body, error) && run_tell(tx, row, "approval", actor, text, error) &&
           outbox_add(tx, "approval_decided", json_get_string(approval, "incident", NULL),
                      json_get_string(approval, "run", NULL), detail, error);
}

bool approval_expire(struct store_tx *tx, const json_t *approval, GError **error)
{
    g_autoptr(json_t) row = run_row(tx, json_get_string(approval, "run", ""), error);
    return row && set_state(tx, approval, APPROVAL_EVENT_TIMEOUT, error) &&
           tell_decision(tx, row, approval, NULL, "nobody approved in time", error) &&
           end_step_and_run(tx, approval, RUN_EVENT_EXPIRE, "expired", "nobody approved in time", NULL, error);
}

/* --- may this person decide this -----------------------------------------------------------------------------------
 */

static bool asked_by_person(const json_t *run)
{
    const char *kind = json_get_string(run, "requested_kind", "");
    return strcmp(kind, "token") == 0 || strcmp(kind, "local") == 0 || strcmp(kind, "user") == 0;
}

static bool named_by_policy(const struct decision *decision)
{
    const struct actor *actor = &decision->call->actor;
    const json_t *teams = teams_of(decision->call->set);
    size_t index;
    json_t *entry;
    json_array_foreach (json_object_get(json_object_get(decision->approval, "policy_json"), "need"), index, entry)
        if (policy_may_decide(teams, entry, actor->name, role_name(actor->role)))
            return true;
    return false;
}

static bool may_decide(const struct decision *decision, GError **error)
{
    const char *name = decision->call->actor.name, *policy = json_get_string(decision->approval, "policy", "?");
    if (!named_by_policy(decision)) {
        errors_set(error, ERROR_FORBIDDEN, "the policy '%s' does not name '%s'", policy, name);
        return false;
    }
    bool own =
        asked_by_person(decision->run) && g_strcmp0(json_get_string(decision->run, "requested_name", NULL), name) == 0;
    bool allowed = json_get_bool(json_object_get(decision->approval, "policy_json"), "self_approval", false);
    if (own && !allowed && strcmp(decision->verdict, "approve") == 0) {
        errors_set(error, ERROR_FORBIDDEN,
                   "'%s' started the run and may not approve it: the policy '%s' wants somebody else", name, policy);
        return false;
    }
    return true;
}

/* --- what follows --------------------------------------------------------------------------------------------------
 */

/* ", with new_primary=\"db-2\"" of the person who filled the inputs in, else "". */
static char *filled_text(const struct decision *decision)
{
    GString *text = g_string_new(NULL);
    const char *name;
    json_t *value;
    json_object_foreach (json_object_get(decision->filled, "inputs_json"), name, value) {
        g_autofree char *whole = json_text(value);
        g_autofree char *shown = g_utf8_substring(whole, 0, MIN(g_utf8_strlen(whole, -1), MAX_VALUE_SHOWN));
        g_string_append_printf(text, "%s%s=%s", text->len ? ", " : ", with ", name, shown);
    }
    return g_string_free(text, FALSE);
}

static char *said_by(const struct decision *decision, const char *what)
{
    g_autofree char *values = filled_text(decision);
    return g_strconcat(what, " by ", decision->call->actor.name, values, decision->reason ? ": " : "", decision->reason,
                       NULL);
}

/* Others approve what the first one filled in, and only that. */
static bool agrees(const struct decision *decision, const json_t *values, GError **error)
{
    const char *name;
    json_t *given;
    json_object_foreach ((json_t *)decision->inputs, name, given) {
        const json_t *ask = json_find(json_object_get(decision->approval, "asks_json"), "name", name);
        g_autoptr(json_t) value = ask ? approval_input_value(ask, given, inventory_of(decision), error) : json_null();
        if (value && json_equal(value, json_object_get(values, name)))
            continue;
        if (value)
            errors_set(error, ERROR_CONFLICT,
                       "input '%s' was filled in with another value before: approve that one, or deny", name);
        return false;
    }
    return true;
}

/* Takes the values of the first who approves. The request is about them from now on: it has another digest, which the
 * next person has to have seen. */
static bool fill(struct decision *decision, GError **error)
{
    const json_t *asks = json_object_get(decision->approval, "asks_json"),
                 *values = json_object_get(decision->approval, "inputs_json");
    g_autofree char *digest = NULL;
    int64_t changed = 0;
    if (json_is_object(values))
        return agrees(decision, values, error);
    g_autoptr(json_t) bound = approval_inputs_bind(asks, decision->inputs, inventory_of(decision), error);
    if (!bound || json_array_size(asks) == 0)
        return bound != NULL;
    decision->filled = json_copy((json_t *)decision->approval);
    json_object_set(decision->filled, "inputs_json", bound);
    if (!approval_current_digest(decision->tx, decision->call->set, decision->filled, &digest, error) ||
        !store_exec(decision->tx, SQL_APPROVAL_FILL, &changed, error, "sjss", decision->id, bound, digest,
                    decision->digest))
        return false;
    if (changed == 0)
        errors_set(error, ERROR_CONFLICT, "the approval '%s' was filled in by somebody else", decision->id);
    json_set_string(decision->filled, "digest", digest);
    decision->approval = decision->filled;
    return changed > 0;
}

static bool deny(struct decision *decision, GError **error)
{
    g_autofree char *said = said_by(decision, "denied");
    const char *actor = decision->call->actor.name;
    return set_state(decision->tx, decision->approval, APPROVAL_EVENT_REFUSE, error) &&
           tell_decision(decision->tx, decision->run, decision->approval, actor, said, error) &&
           end_step_and_run(decision->tx, decision->approval, RUN_EVENT_DENY, "denied", said, actor, error);
}

/* The step is ready and the run goes back to the queue. */
static bool grant(struct decision *decision, GError **error)
{
    const char *run = json_get_string(decision->run, "id", NULL), *actor = decision->call->actor.name;
    g_autoptr(json_t) step = run_step_row(decision->tx, run, json_get_string(decision->approval, "step", ""), error);
    struct run_change change = {.event = RUN_EVENT_WAKE, .actor = actor, .text = "is queued again: approved"};
    return step && set_state(decision->tx, decision->approval, APPROVAL_EVENT_GRANT, error) &&
           run_step_ready(decision->tx, step, json_get_bool(step, "waited_bool", false), error) &&
           run_change(decision->tx, decision->run, &change, error);
}

static bool approve(struct decision *decision, GError **error)
{
    g_autoptr(json_t) decisions = NULL;
    if (!store_list(decision->tx, SQL_DECISIONS_OF, &decisions, error, "s", decision->id))
        return false;
    bool met;
    g_autoptr(json_t) counts = approval_count(teams_of(decision->call->set),
                                              json_object_get(decision->approval, "policy_json"), decisions, &met);
    g_autofree char *said = said_by(decision, met ? "approved" : "approved in part");
    if (!tell_decision(decision->tx, decision->run, decision->approval, decision->call->actor.name, said, error))
        return false;
    return met ? grant(decision, error) : set_state(decision->tx, decision->approval, APPROVAL_EVENT_TALLY, error);
}

static bool record(struct decision *decision, GError **error)
{
    const struct actor *actor = &decision->call->actor;
    return store_exec(decision->tx, SQL_DECISION_ADD, NULL, error, "ssssisss", decision->id, actor->name,
                      role_name(actor->role), actor->via ? actor->via : "api", clock_now_ms(), decision->verdict,
                      decision->reason, decision->digest);
}

/* What this person said about the request before, or NULL. */
static bool said_before(struct decision *decision, json_t **ret_row, GError **error)
{
    return store_get(decision->tx, SQL_DECISION_BY, ret_row, error, "ss", decision->id, decision->call->actor.name);
}

/* What was asked about is not what would happen now: this request is void, the new one is another. */
static bool annul(struct decision *decision, GError **error)
{
    g_autofree char *id = NULL;
    if (!set_state(decision->tx, decision->approval, APPROVAL_EVENT_ANNUL, error) ||
        !tell_decision(decision->tx, decision->run, decision->approval, NULL, "void, what was asked about has changed",
                       error) ||
        !approval_renew(decision->tx, decision->call->set, decision->run, decision->approval, &id, error))
        return false;
    if (id)
        errors_set(&decision->call->refusal, ERROR_VOID,
                   "the approval '%s' is void: its policy has changed; the new request is '%s'", decision->id, id);
    else
        errors_set(&decision->call->refusal, ERROR_VOID,
                   "the approval '%s' is void: its policy is gone, and the run has failed", decision->id);
    return true;
}

/* The request still waits, in time, with the digest that the person saw: decide. */
static bool decide_waiting(struct decision *decision, GError **error)
{
    bool no = strcmp(decision->verdict, "deny") == 0;
    if (!may_decide(decision, error) || (!no && !fill(decision, error)) || !record(decision, error))
        return false;
    return no ? deny(decision, error) : approve(decision, error);
}

static bool decide(struct decision *decision, GError **error)
{
    g_autoptr(json_t) before = NULL;
    g_autofree char *digest = NULL;
    if (!said_before(decision, &before, error))
        return false;
    if (before || state_of(decision->approval) != APPROVAL_WAITING) {
        errors_set(error, ERROR_CONFLICT, "the approval '%s' is %s%s", decision->id,
                   json_get_string(decision->approval, "state", "?"), before ? ", and you have decided already" : "");
        return false;
    }
    if (json_get_integer(decision->approval, "expires_at", 0) <= clock_now_ms()) {
        errors_set(&decision->call->refusal, ERROR_EXPIRED, "the approval '%s' has expired", decision->id);
        return approval_expire(decision->tx, decision->approval, error);
    }
    if (strcmp(decision->digest, json_get_string(decision->approval, "digest", "")) != 0) {
        errors_set(error, ERROR_VOID, "the approval '%s' is about something else than what you saw", decision->id);
        return false;
    }
    if (!approval_current_digest(decision->tx, decision->call->set, decision->approval, &digest, error))
        return false;
    return g_strcmp0(digest, decision->digest) == 0 ? decide_waiting(decision, error) : annul(decision, error);
}

static bool read_request(struct decision *decision, GError **error)
{
    const json_t *request = decision->call->request;
    decision->reason = call_string(request, "reason");
    decision->inputs = json_path(request, "body.inputs");
    if (!(decision->id = call_need_string(request, "id", error)) ||
        !(decision->verdict = call_need_string(request, "verdict", error)) ||
        !(decision->digest = call_need_string(request, "digest", error)))
        return false;
    bool no = strcmp(decision->verdict, "deny") == 0;
    if (!no && strcmp(decision->verdict, "approve") != 0)
        errors_set(error, ERROR_INVALID, "'%s' is not approve or deny", decision->verdict);
    else if (decision->inputs && !json_is_object(decision->inputs))
        errors_set(error, ERROR_INVALID, "'inputs' must be an object of names to values");
    else if (no && json_object_size(decision->inputs) > 0)
        errors_set(error, ERROR_INVALID, "inputs go with an approval, not with a denial");
    else
        return true;
    return false;
}

static bool decide_job(struct store_tx *tx, struct call *call, GError **error)
{
    g_autoptr(json_t) approval = NULL, run = NULL, filled = NULL;
    struct decision decision = {.tx = tx, .call = call};
    if (!read_request(&decision, error))
        return false;
    if (!store_get(tx, SQL_APPROVAL_GET, &approval, error, "s", decision.id))
        return false;
    if (!approval) {
        errors_set(error, ERROR_NOT_FOUND, "there is no approval '%s'", decision.id);
        return false;
    }
    run = run_row(tx, json_get_string(approval, "run", ""), error);
    decision.approval = approval;
    decision.run = run;
    bool decided = run && decide(&decision, error);
    filled = decision.filled;
    if (!decided)
        return false;
    call->result = approval_view(tx, call->set, decision.id, error);
    return call->result != NULL;
}

static void decide_after(struct call *call)
{
    run_queue_kick(call->jobs);
    approval_kick(call->jobs);
    outbox_kick(call->jobs);
}

void approval_decide(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, decide_job, decide_after, done, arg);
}

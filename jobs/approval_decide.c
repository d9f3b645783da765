/* approval_decide: one person's answer. Every door (API, command line, and what comes later) goes through decide_job():
 * the checks and the compare-and-set are one store job, so two deciders, a decider and the deadline, or a decider and a
 * cancel cannot both win. */
#include "core/clock.h"
#include "core/errors.h"
#include "jobs/approval_private.h"
#include "jobs/call.h"
#include "jobs/outbox.h"
#include "jobs/policy.h"
#include "jobs/run.h"
#include "jobs/run_change.h"
#include "jobs/run_step.h"
#include "jobs/token.h"

/* One decision on its way. Rows are as they were when the job began. */
struct decision {
    struct store_tx *tx;
    struct call *call;
    const json_t *approval, *run;
    const char *id, *verdict, *digest, *reason;
};

static const json_t *teams_of(const struct catalog_set *set)
{
    return set ? json_object_get(set->policies, "teams") : NULL;
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

static char *said_by(const struct decision *decision, const char *what)
{
    const char *name = decision->call->actor.name;
    return decision->reason ? g_strdup_printf("%s by %s: %s", what, name, decision->reason)
                            : g_strdup_printf("%s by %s", what, name);
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
    if (!may_decide(decision, error) || !record(decision, error))
        return false;
    return strcmp(decision->verdict, "deny") == 0 ? deny(decision, error) : approve(decision, error);
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

static bool decide_job(struct store_tx *tx, struct call *call, GError **error)
{
    g_autoptr(json_t) approval = NULL, run = NULL;
    struct decision decision = {.tx = tx, .call = call, .reason = call_string(call->request, "reason")};
    if (!(decision.id = call_need_string(call->request, "id", error)) ||
        !(decision.verdict = call_need_string(call->request, "verdict", error)) ||
        !(decision.digest = call_need_string(call->request, "digest", error)))
        return false;
    if (strcmp(decision.verdict, "approve") != 0 && strcmp(decision.verdict, "deny") != 0) {
        errors_set(error, ERROR_INVALID, "'%s' is not approve or deny", decision.verdict);
        return false;
    }
    if (!store_get(tx, SQL_APPROVAL_GET, &approval, error, "s", decision.id))
        return false;
    if (!approval) {
        errors_set(error, ERROR_NOT_FOUND, "there is no approval '%s'", decision.id);
        return false;
    }
    run = run_row(tx, json_get_string(approval, "run", ""), error);
    decision.approval = approval;
    decision.run = run;
    if (!run || !decide(&decision, error))
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

/* plan: see plan.h. The two tables say what a result does to the run. */
#include "runner/plan.h"

#include <glib.h>
#include <string.h>

enum flow {
    FLOW_ON,          /* the next step follows */
    FLOW_BY_ON_ERROR, /* stop, continue or a handler, as the step says */
    FLOW_STOP,        /* only always steps follow */
};

enum evidence { EVIDENCE_NONE, EVIDENCE_GOOD, EVIDENCE_BAD };

/* What a step's result means: may it be tried again, what follows, what does it say when it is a verify step, and how
 * does the run end when it stops there. */
static const struct result_rule {
    const char *name;
    bool retried;
    enum flow flow;
    enum evidence evidence;
    const char *state, *reason;
} result_rules[RESULT_COUNT] = {
    [RESULT_NONE] = {NULL, false, FLOW_ON, EVIDENCE_NONE, NULL, NULL},
    [RESULT_OK] = {"ok", false, FLOW_ON, EVIDENCE_GOOD, NULL, NULL},
    [RESULT_FAILED] = {"failed", true, FLOW_BY_ON_ERROR, EVIDENCE_BAD, "failed", "step_failed"},
    [RESULT_SKIPPED] = {"skipped", false, FLOW_ON, EVIDENCE_NONE, NULL, NULL},
    [RESULT_TIMED_OUT] = {"timed_out", true, FLOW_BY_ON_ERROR, EVIDENCE_BAD, "failed", "timed_out"},
    [RESULT_CANCELLED] = {"cancelled", false, FLOW_STOP, EVIDENCE_BAD, "cancelled", "person"},
    [RESULT_DENIED] = {"denied", false, FLOW_STOP, EVIDENCE_NONE, "denied", "denied"},
    [RESULT_EXPIRED] = {"expired", false, FLOW_STOP, EVIDENCE_NONE, "expired", "expired"},
    /* Only steps after the one that stopped the run get it: it says nothing of its own. */
    [RESULT_NOT_REACHED] = {"not_reached", false, FLOW_ON, EVIDENCE_NONE, NULL, NULL},
    /* Nobody knows whether it ran: nothing may build on it, neither `continue` nor a handler nor an always step. */
    [RESULT_UNKNOWN] = {"unknown", false, FLOW_STOP, EVIDENCE_BAD, "unknown", "step_failed"},
};

const char *step_result_name(enum step_result result)
{
    return result_rules[result].name;
}

enum step_result step_result_from_name(const char *name)
{
    for (int i = RESULT_NONE + 1; i < RESULT_COUNT; i++)
        if (g_strcmp0(result_rules[i].name, name) == 0)
            return i;
    return RESULT_NONE;
}

bool step_result_retried(enum step_result result)
{
    return result_rules[result].retried;
}

void plan_init(struct plan *plan, const json_t *job)
{
    plan->steps = json_object_get(job, "steps");
    plan->count = json_array_size(plan->steps);
    plan->results = g_new0(enum step_result, plan->count + 1);
    for (size_t i = 0; i < plan->count; i++) {
        const json_t *step = plan_step(plan, i);
        if (strcmp(json_get_string(step, "state", "pending"), "done") == 0)
            plan->results[i] = step_result_from_name(json_get_string(step, "result", NULL));
    }
}

void plan_clear(struct plan *plan)
{
    g_clear_pointer(&plan->results, g_free);
}

const json_t *plan_step(const struct plan *plan, size_t index)
{
    return json_array_get(plan->steps, index);
}

static bool plan_flag(const struct plan *plan, size_t index, const char *flag)
{
    return json_get_bool(plan_step(plan, index), flag, false);
}

static ssize_t plan_find(const struct plan *plan, const char *id)
{
    for (size_t i = 0; i < plan->count; i++)
        if (strcmp(json_get_string(plan_step(plan, i), "id", ""), id) == 0)
            return (ssize_t)i;
    return -1;
}

/* The first step whose result stops the run, or -1; *ret_handler is the handler it calls that has not run yet, or -1.
 */
static ssize_t plan_stopper(const struct plan *plan, ssize_t *ret_handler)
{
    *ret_handler = -1;
    for (size_t i = 0; i < plan->count; i++) {
        enum flow flow = result_rules[plan->results[i]].flow;
        const char *on_error = json_get_string(plan_step(plan, i), "on_error", "stop");

        if (flow == FLOW_ON || (flow == FLOW_BY_ON_ERROR && strcmp(on_error, "continue") == 0))
            continue;
        if (flow == FLOW_BY_ON_ERROR && strcmp(on_error, "stop") != 0) {
            ssize_t handler = plan_find(plan, on_error);
            if (handler >= 0 && plan->results[handler] == RESULT_NONE)
                *ret_handler = handler;
        }
        return (ssize_t)i;
    }
    return -1;
}

/* A run with such a step rests until a person has said what became of it: then it comes back, and goes on from there.
 */
static ssize_t plan_unknown(const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->results[i] == RESULT_UNKNOWN)
            return (ssize_t)i;
    return -1;
}

/* A run that was cancelled or ran out of time asks nobody and waits for nothing. */
static bool plan_may_clean_up(const struct plan *plan, size_t index, enum plan_stop stop)
{
    const json_t *step = plan_step(plan, index);
    bool waits = json_get_string(step, "approve", NULL) || json_get_integer(step, "wait_ms", 0) > 0;

    return plan_flag(plan, index, "always") && !plan->closed && (stop == PLAN_GOING || !waits);
}

ssize_t plan_next(const struct plan *plan, enum plan_stop stop)
{
    ssize_t handler;

    if (stop == PLAN_FENCED || plan_unknown(plan) >= 0)
        return -1;
    bool stopping = plan_stopper(plan, &handler) >= 0 || stop != PLAN_GOING;
    if (handler >= 0 && stop == PLAN_GOING)
        return handler;
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->results[i] != RESULT_NONE || plan_flag(plan, i, "handler"))
            continue;
        if (!stopping || plan_may_clean_up(plan, i, stop))
            return (ssize_t)i;
    }
    return -1;
}

ssize_t plan_leftover(const struct plan *plan, enum plan_stop stop, enum step_result *ret_result)
{
    ssize_t handler;
    ssize_t stopper = plan_stopper(plan, &handler);
    bool stopping = stopper >= 0 || stop != PLAN_GOING;

    if (stop == PLAN_FENCED || plan_unknown(plan) >= 0 || (handler >= 0 && stop == PLAN_GOING) ||
        (!stopping && plan_next(plan, stop) >= 0))
        return -1;
    for (size_t i = 0; i < plan->count; i++) {
        bool is_handler = plan_flag(plan, i, "handler");
        if (plan->results[i] != RESULT_NONE || (!is_handler && plan_may_clean_up(plan, i, stop)))
            continue;
        *ret_result = is_handler ? RESULT_SKIPPED : RESULT_NOT_REACHED;
        return (ssize_t)i;
    }
    return -1;
}

/* One failed verify step is enough to say no; a skipped one says nothing. */
static json_t *plan_verified(const struct plan *plan, ssize_t *ret_bad)
{
    json_t *verified = json_null();

    *ret_bad = -1;
    for (size_t i = 0; i < plan->count; i++) {
        enum evidence evidence = result_rules[plan->results[i]].evidence;
        if (!plan_flag(plan, i, "verify") || evidence == EVIDENCE_NONE)
            continue;
        if (evidence == EVIDENCE_BAD) {
            *ret_bad = (ssize_t)i;
            return json_false();
        }
        verified = json_true();
    }
    return verified;
}

/* Whether a cancel or the deadline changed anything: a run that had failed by itself, or had nothing left to do, ends
 * as it would have. */
static bool plan_cut_short(const struct plan *plan, ssize_t stopper)
{
    if (stopper >= 0)
        return plan->results[stopper] == RESULT_CANCELLED || plan->results[stopper] == RESULT_TIMED_OUT;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->results[i] == RESULT_NOT_REACHED)
            return true;
    return false;
}

struct plan_end plan_conclude(const struct plan *plan, enum plan_stop stop, const char *cancel_reason)
{
    ssize_t handler, bad, unknown = plan_unknown(plan);
    struct plan_end end = {.state = "succeeded", .verified = plan_verified(plan, &bad)};

    end.step = plan_stopper(plan, &handler);
    if (unknown >= 0)
        end.step = unknown;
    if (end.step >= 0) {
        const struct result_rule *rule = &result_rules[plan->results[end.step]];
        end.state = rule->state;
        end.reason = end.step == bad && rule->evidence == EVIDENCE_BAD && rule->flow == FLOW_BY_ON_ERROR
                         ? "not_verified"
                         : rule->reason;
    } else if (bad >= 0) {
        end = (struct plan_end){"failed", "not_verified", end.verified, bad};
    }
    if (stop == PLAN_GOING || unknown >= 0 || !plan_cut_short(plan, end.step))
        return end;
    end.state = stop == PLAN_CANCELLED ? "cancelled" : "failed";
    end.reason = stop == PLAN_CANCELLED ? cancel_reason : "timed_out";
    return end;
}

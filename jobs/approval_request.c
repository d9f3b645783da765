/* approval_request: asks people about one step of one run. Inside store jobs. */
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/approval_private.h"
#include "jobs/outbox.h"
#include "jobs/run_change.h"
#include "jobs/run_step.h"

/* What the runner says about the step that waits, and what people filled in. Any may be NULL. */
struct asked {
    const json_t *hosts, *shows, *asks, *inputs;
};

static json_t *held(const json_t *value, json_t *(*otherwise)(void))
{
    return value ? json_incref((json_t *)value) : otherwise();
}

static const json_t *planned_step(const json_t *plan, const char *id)
{
    return json_find(json_object_get(json_object_get(plan, "body_json"), "steps"), "id", id);
}

static const json_t *policy_named(const struct catalog_set *set, const char *name)
{
    return set && name ? json_object_get(json_object_get(set->policies, "policies"), name) : NULL;
}

/* What the digest covers, from the run as stored and the policy in service. New reference. */
static json_t *facts_of(const json_t *plan, const json_t *planned, const struct asked *asked, const char *policy_name,
                        const json_t *policy)
{
    json_t *facts = json_object();
    json_object_set(facts, "commit", json_object_get(plan, "commit_id"));
    json_object_set(facts, "step_text", json_object_get(planned, "text"));
    json_object_set(facts, "params", json_object_get(plan, "params_json"));
    json_object_set(facts, "data", json_object_get(plan, "data_json"));
    json_object_set_new(facts, "hosts", held(asked->hosts, json_null));
    json_object_set_new(facts, "shows", held(asked->shows, json_object));
    json_object_set_new(facts, "inputs", held(json_is_object(asked->inputs) ? asked->inputs : NULL, json_object));
    json_object_set_new(facts, "policy", json_pack("{s:s, s:O}", "name", policy_name, "definition", policy));
    return facts;
}

static bool insert(struct store_tx *tx, const json_t *row, const json_t *planned, const json_t *facts,
                   const json_t *asks, const char *id, const char *digest, GError **error)
{
    const json_t *policy = json_path(facts, "policy.definition");
    int64_t now_ms = clock_now_ms();
    int64_t expires_ms = json_get_integer(policy, "expires_ms", DEFAULT_APPROVAL_EXPIRY_MS);
    return store_exec(tx, SQL_APPROVAL_ADD, NULL, error, "sssssssjssjjjjjssii", id, json_get_string(row, "id", NULL),
                      json_get_string(row, "incident", NULL), json_get_string(row, "runbook", NULL),
                      json_get_string(planned, "id", NULL), json_get_string(planned, "title", NULL),
                      json_path_string(facts, "policy.name"), policy, digest, json_get_string(planned, "text", ""),
                      json_object_get(facts, "params"), json_object_get(facts, "hosts"),
                      json_object_get(facts, "shows"), asks, json_object_get(facts, "data"),
                      json_get_string(facts, "commit", ""), json_get_string(row, "requested_name", ""), now_ms,
                      now_ms + expires_ms);
}

static bool tell(struct store_tx *tx, const json_t *row, const char *id, const char *step, const json_t *facts,
                 const char *digest, GError **error)
{
    const char *policy = json_path_string(facts, "policy.name");
    g_autofree char *text =
        g_strdup_printf("\"%s\", step %s: %s is asked for approval", json_get_string(row, "title", "?"), step, policy);
    json_t *body = json_pack("{s:s, s:s, s:s}", "state", "waiting", "approval", id, "text", text);
    if (!run_record(tx, row, "step", step, body, error) || !run_tell(tx, row, "approval", NULL, text, error))
        return false;
    g_autoptr(json_t) detail =
        json_pack("{s:s, s:s, s:s, s:s, s:O, s:s}", "approval", id, "step", step, "policy", policy, "digest", digest,
                  "hosts", json_object_get(facts, "hosts"), "text", text);
    return outbox_add(tx, "approval_requested", json_get_string(row, "incident", NULL),
                      json_get_string(row, "id", NULL), detail, error);
}

/* Without its policy nobody can answer: the step fails, and the run with it. It waits already when its policy went
 * away. */
static bool fail(struct store_tx *tx, const json_t *row, const json_t *step, const char *why, GError **error)
{
    g_autoptr(json_t) problem = json_pack("{s:s, s:s}", "code", "not_allowed", "message", why);
    struct run_step_end end = {.result = "failed", .error = problem, .duration_ms = -1};
    struct run_change change = {.event = RUN_EVENT_FAIL,
                                .reason = run_step_state(step) == STEP_WAITING ? "void" : "step_failed",
                                .message = why,
                                .verified = RUN_VERIFIED_NULL};
    return run_step_end(tx, step, STEP_EVENT_FINISH, &end, error) && run_change(tx, row, &change, error);
}

/* Makes the request for a step that is about to wait, or waits already. *ret_id stays NULL when the run failed instead.
 */
static bool ask(struct store_tx *tx, const struct catalog_set *set, const json_t *row, const json_t *step,
                const struct asked *asked, char **ret_id, GError **error)
{
    const char *run = json_get_string(row, "id", NULL), *name = json_get_string(step, "id", NULL);
    g_autoptr(json_t) plan = NULL;
    *ret_id = NULL;
    if (!store_get(tx, SQL_RUN_PLAN, &plan, error, "s", run))
        return false;
    const json_t *planned = planned_step(plan, name);
    const char *policy_name = json_get_string(planned, "approve", NULL);
    const json_t *policy = policy_named(set, policy_name);
    if (!policy) {
        g_autofree char *why =
            g_strdup_printf("step '%s' needs approval by the policy '%s', which the catalog does not have", name,
                            policy_name ? policy_name : "");
        return fail(tx, row, step, why, error);
    }
    g_autoptr(json_t) facts = facts_of(plan, planned, asked, policy_name, policy);
    g_autoptr(json_t) asks = held(json_is_array(asked->asks) ? asked->asks : NULL, json_array);
    g_autofree char *digest = approval_digest(facts);
    g_autofree char *id = crypto_id("apr");
    if (!insert(tx, row, planned, facts, asks, id, digest, error) || !run_step_wait(tx, step, id, error) ||
        !tell(tx, row, id, name, facts, digest, error))
        return false;
    *ret_id = g_steal_pointer(&id);
    return true;
}

bool approval_request(struct store_tx *tx, const struct catalog_set *set, const json_t *row, const json_t *event,
                      GError **error)
{
    const char *name = json_get_string(event, "step", "");
    g_autoptr(json_t) step = run_step_row(tx, json_get_string(row, "id", NULL), name, error);
    g_autofree char *id = NULL;
    const struct asked asked = {.hosts = json_object_get(event, "hosts"),
                                .shows = json_object_get(event, "shows"),
                                .asks = json_object_get(event, "asks")};
    if (!step || !ask(tx, set, row, step, &asked, &id, error))
        return false;
    if (!id)
        return true;
    g_autofree char *text = g_strdup_printf("waits for approval of step %s", name);
    struct run_change change = {.event = RUN_EVENT_WAIT, .text = text};
    return run_change(tx, row, &change, error);
}

bool approval_renew(struct store_tx *tx, const struct catalog_set *set, const json_t *row, const json_t *approval,
                    char **ret_id, GError **error)
{
    g_autoptr(json_t) step =
        run_step_row(tx, json_get_string(row, "id", NULL), json_get_string(approval, "step", ""), error);
    const struct asked asked = {.hosts = json_object_get(approval, "hosts_json"),
                                .shows = json_object_get(approval, "shows_json"),
                                .asks = json_object_get(approval, "asks_json")};
    return step && ask(tx, set, row, step, &asked, ret_id, error);
}

bool approval_current_digest(struct store_tx *tx, const struct catalog_set *set, const json_t *approval,
                             char **ret_digest, GError **error)
{
    g_autoptr(json_t) plan = NULL;
    *ret_digest = NULL;
    if (!store_get(tx, SQL_RUN_PLAN, &plan, error, "s", json_get_string(approval, "run", NULL)))
        return false;
    const char *name = json_get_string(approval, "policy", NULL);
    const json_t *planned = planned_step(plan, json_get_string(approval, "step", NULL)),
                 *policy = policy_named(set, name);
    if (!planned || !policy)
        return true;
    const struct asked asked = {.hosts = json_object_get(approval, "hosts_json"),
                                .shows = json_object_get(approval, "shows_json"),
                                .inputs = json_object_get(approval, "inputs_json")};
    g_autoptr(json_t) facts = facts_of(plan, planned, &asked, name, policy);
    *ret_digest = approval_digest(facts);
    return true;
}

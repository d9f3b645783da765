#include "jobs/delivery_match.h"
#include "core/clock.h"
#include "core/errors.h"
#include "jobs/policy.h"
#include "jobs/sources/sources.h"
#include "jobs/trigger.h"
#include <string.h>

/* Rules that did not match are kept for explaining up to this many; those that matched always, up to MAX_STARTS. */
#define MAX_UNMATCHED 200
#define MAX_STARTS    2000

static void start_free(void *data)
{
    struct match_start *start = data;
    json_decref(start->alert);
    json_decref(start->incident);
    json_decref(start->params);
    g_free(start->start_key);
    g_free(start);
}

void match_plan_free(struct match_plan *plan)
{
    if (!plan)
        return;
    g_ptr_array_unref(plan->starts);
    json_decref(plan->documents);
    json_decref(plan->rules);
    json_decref(plan->tells);
    if (plan->set)
        catalog_set_unref(plan->set);
    g_free(plan);
}

/* The evaluation of all triggers against the incident or each of its alerts. */
struct matching {
    struct match_plan *plan;
    GPtrArray *alerts; /* json_t*: those that runs may start for */
    const json_t *incident, *change;
    bool news; /* worth a sentence in the timeline: not a second look at what was told before */
    size_t unmatched;
};

static char *start_key(const struct runbook *runbook, const struct trigger *trigger, const json_t *incident,
                       const json_t *alert)
{
    g_autofree char *of_alert = alert ? g_strdup_printf(":%s.%" JSON_INTEGER_FORMAT, json_get_string(alert, "id", ""),
                                                        json_get_integer(alert, "opening", 1))
                                      : g_strdup("");
    return g_strdup_printf("T:%s:%s:%s:%s.%" JSON_INTEGER_FORMAT "%s", runbook->repository ? runbook->repository : "",
                           runbook->id, trigger->id, json_get_string(incident, "id", ""),
                           json_get_integer(incident, "opening", 1), of_alert);
}

/* What steps see as `incident`: in a run for one alert, that alert only: a thousand runs must not carry a million
 * alerts. */
static json_t *snapshot(const json_t *incident, json_t *alert)
{
    json_t *copy = json_copy((json_t *)incident);
    if (alert) {
        json_t *alerts = json_array();
        json_array_append(alerts, alert);
        json_object_set_new(copy, "alerts", alerts);
    }
    return copy;
}

static void tell(struct matching *m, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void tell(struct matching *m, const char *format, ...)
{
    if (!m->news || json_array_size(m->plan->tells) >= 50)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    json_array_append_new(m->plan->tells, json_string(text));
}

static json_t *rule_entry(const struct runbook *runbook, const struct trigger *trigger, const json_t *alert,
                          bool matched, json_t *rules)
{
    json_t *entry = json_object();
    json_set_string(entry, "runbook", runbook->id);
    json_set_string(entry, "repository", runbook->repository);
    json_set_string(entry, "trigger", trigger->id);
    json_object_set_new(entry, "line", json_integer(trigger->line));
    json_set_string(entry, "alert", alert ? json_get_string(alert, "id", NULL) : NULL);
    json_object_set_new(entry, "matched", json_boolean(matched));
    json_object_set_new(entry, "rules", rules ? rules : json_array());
    json_set_string(entry, "outcome", matched ? "matched" : "not_matched");
    json_set_string(entry, "message", NULL);
    json_set_string(entry, "run", NULL);
    return entry;
}

static void add_start(struct matching *m, const struct runbook *runbook, const struct trigger *trigger, json_t *alert,
                      json_t *entry)
{
    g_autoptr(json_t) context = json_object();
    g_autoptr(GError) problem = NULL;
    const char *reason = NULL;
    json_object_set(context, "incident", (json_t *)m->incident);
    if (alert)
        json_object_set(context, "alert", alert);
    g_autoptr(json_t) params = runbook_bind_params(runbook, NULL, context, m->plan->set->inventory, &reason, &problem);
    if (!params) {
        json_set_string(entry, "outcome", reason ? reason : "invalid_param");
        json_set_string(entry, "message", problem ? problem->message : NULL);
        tell(m, "runbook %s does not start: %s (%s)", runbook->id,
             problem ? problem->message : "a param cannot be bound", reason ? reason : "invalid_param");
        return;
    }
    if (trigger->suggest) {
        json_set_string(entry, "outcome", "suggested");
        const char *alert_id = json_get_string(alert, "id", NULL);
        tell(m, "runbook %s is suggested: hikeshi start %s --incident %s%s%s", runbook->id, runbook->id,
             json_get_string(m->incident, "id", "?"), alert_id ? " --alert " : "", alert_id ? alert_id : "");
        return;
    }
    struct match_start *start = g_new0(struct match_start, 1);
    start->runbook = runbook;
    start->trigger = trigger;
    start->alert = json_incref(alert);
    start->incident = snapshot(m->incident, alert);
    start->params = g_steal_pointer(&params);
    start->start_key = start_key(runbook, trigger, m->incident, alert);
    start->rule = json_array_size(m->plan->rules);
    g_ptr_array_add(m->plan->starts, start);
}

/* `hours`, of the runbook's owner, as one more rule. Hours that nobody knows are neither in nor out. */
static bool within_hours(const struct matching *m, const struct runbook *runbook, const struct trigger *trigger,
                         json_t *rules)
{
    bool in = false;
    const json_t *teams = json_object_get(m->plan->set->policies, "teams");
    bool known = policy_team_hours(teams, runbook->owner, clock_now_ms(), &in);
    const char *got = !known ? "unknown" : in ? "in" : "out";
    bool ok = strcmp(trigger->hours, got) == 0;
    json_array_append_new(
        rules, json_pack("{s:s, s:s, s:b, s:s}", "rule", "hours", "wanted", trigger->hours, "ok", ok, "got", got));
    return ok;
}

/* A runbook must not start itself by what it opens. */
static bool is_opener(const json_t *incident, const struct runbook *runbook)
{
    const json_t *labels = json_object_get(incident, "labels");
    return g_strcmp0(json_get_string(incident, "source", NULL), SOURCE_RUNBOOK) == 0 &&
           g_strcmp0(json_get_string(labels, "runbook", NULL), runbook->id) == 0 &&
           g_strcmp0(json_get_string(labels, "repository", NULL), runbook->repository) == 0;
}

static void evaluate(struct matching *m, const struct runbook *runbook, const struct trigger *trigger, json_t *alert)
{
    json_t *rules = NULL;
    bool matched = trigger_matches(trigger, m->incident, alert, &rules);
    if (matched && trigger->hours)
        matched = within_hours(m, runbook, trigger, rules);
    if (!matched && m->unmatched >= MAX_UNMATCHED) {
        m->plan->omitted++;
        json_decref(rules);
        return;
    }
    m->unmatched += !matched;
    json_t *entry = rule_entry(runbook, trigger, alert, matched, rules);
    if (matched && is_opener(m->incident, runbook))
        json_set_string(entry, "outcome", "opened_it");
    else if (matched && m->plan->starts->len >= MAX_STARTS)
        json_set_string(entry, "outcome", "too_many");
    else if (matched)
        add_start(m, runbook, trigger, alert, entry);
    json_array_append_new(m->plan->rules, entry);
}

/* The alerts that runs may start for: the ones that began to fire, or all that fire when more than them changed. */
static GPtrArray *pick_alerts(const json_t *incident, const json_t *change, bool all)
{
    GPtrArray *picked = g_ptr_array_new();
    g_autoptr(GHashTable) fired = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(change, "alerts"), i, item)
        g_hash_table_add(fired, (void *)json_string_value(item));
    json_array_foreach (json_object_get(incident, "alerts"), i, item)
        if (g_strcmp0(json_get_string(item, "status", NULL), "firing") == 0 &&
            (all || g_hash_table_contains(fired, json_get_string(item, "id", ""))))
            g_ptr_array_add(picked, item);
    return picked;
}

/* A trigger for one alert name cannot match another: with thousands of both, this comparison is most of the work. */
static bool names_another(const char *name, const json_t *alert)
{
    return name && *name != '~' && *name != '!' && strcmp(name, json_get_string(alert, "name", "")) != 0;
}

static void evaluate_alerts(struct matching *m, const struct runbook *runbook, const struct trigger *trigger)
{
    const char *name = json_get_string(trigger->match, "alert", NULL);
    for (guint i = 0; i < m->alerts->len; i++) {
        json_t *alert = m->alerts->pdata[i];
        if (m->unmatched >= MAX_UNMATCHED && names_another(name, alert))
            m->plan->omitted++;
        else
            evaluate(m, runbook, trigger, alert);
    }
}

static void match_triggers(struct matching *m)
{
    const GPtrArray *runbooks = m->plan->set->runbooks;
    for (guint i = 0; i < runbooks->len; i++) {
        const struct runbook *runbook = runbooks->pdata[i];
        for (guint j = 0; !runbook->document && runbook->triggers && j < runbook->triggers->len; j++) {
            const struct trigger *trigger = runbook->triggers->pdata[j];
            if (trigger->kind != TRIGGER_INCIDENT)
                continue;
            if (trigger->for_each_alert)
                evaluate_alerts(m, runbook, trigger);
            else
                evaluate(m, runbook, trigger, NULL);
        }
    }
}

static void match_documents(struct matching *m)
{
    const GPtrArray *runbooks = m->plan->set->runbooks;
    for (guint i = 0; i < runbooks->len; i++) {
        const struct runbook *runbook = runbooks->pdata[i];
        const char *by = NULL;
        if (!runbook_covers_incident(runbook, m->incident, &by))
            continue;
        json_t *entry = json_object();
        json_set_string(entry, "path", runbook->path);
        json_set_string(entry, "by", by ? by : "covers");
        json_set_string(entry, "owner", runbook->owner);
        json_set_string(entry, "severity", runbook->severity);
        json_array_append_new(m->plan->documents, entry);
    }
}

struct match_plan *delivery_match(struct catalog_set *set, const json_t *incident, const json_t *change)
{
    struct match_plan *plan = g_new0(struct match_plan, 1);
    plan->set = set ? catalog_set_ref(set) : NULL;
    plan->documents = json_array();
    plan->rules = json_array();
    plan->tells = json_array();
    plan->starts = g_ptr_array_new_with_free_func(start_free);
    const char *starts = json_get_string(change, "starts", "never");
    bool always = strcmp(starts, "always") == 0, opened = json_get_bool(change, "opened", false);
    bool fired = json_array_size(json_object_get(change, "alerts")) > 0,
         details = json_get_bool(change, "details", false);
    bool resolved = g_strcmp0(json_get_string(incident, "status", NULL), "resolved") == 0;
    struct matching m = {.plan = plan, .incident = incident, .change = change, .news = opened || fired || always};
    if (!set || !(opened || details || fired || always))
        return plan;
    match_documents(&m);
    if (resolved || strcmp(starts, "never") == 0)
        return plan;
    m.alerts = pick_alerts(incident, change, always || details || opened);
    match_triggers(&m);
    g_ptr_array_unref(m.alerts);
    return plan;
}

size_t delivery_match_cost(const struct catalog_set *set, const json_t *incident)
{
    size_t alerts = json_array_size(json_object_get(incident, "alerts"));
    return set ? set->runbooks->len * (alerts + 2) : 0;
}

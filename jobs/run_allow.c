/* run_allow: see run_allow.h. The role that starting needs at all is the route's. */
#include "jobs/run_allow.h"
#include "core/errors.h"
#include "jobs/policy.h"
#include "jobs/token.h"

static const json_t *teams_of(const struct catalog_set *set)
{
    return set ? json_object_get(set->policies, "teams") : NULL;
}

static bool names(const struct catalog_set *set, json_t *principals, const struct actor *actor)
{
    g_autoptr(json_t) entry = json_pack("{s:O}", "from", principals);
    return policy_may_decide(teams_of(set), entry, actor->name, role_name(actor->role));
}

static bool by_default(const struct catalog_set *set, const struct runbook *runbook, const struct actor *actor)
{
    if (!runbook->owner || !json_object_get(teams_of(set), runbook->owner))
        return true;
    g_autoptr(json_t) principals = json_pack("[{s:s}, {s:s}]", "team", runbook->owner, "role", "admin");
    return names(set, principals, actor);
}

static bool lets_in(const struct catalog_set *set, const struct runbook *runbook, const struct trigger *trigger,
                    const struct actor *actor)
{
    return trigger->allow ? names(set, trigger->allow, actor) : by_default(set, runbook, actor);
}

static bool has_kind(const struct runbook *runbook, enum trigger_kind kind)
{
    for (guint i = 0; i < runbook->triggers->len; i++)
        if (((const struct trigger *)runbook->triggers->pdata[i])->kind == kind)
            return true;
    return false;
}

bool run_allow(const struct catalog_set *set, const struct runbook *runbook, enum trigger_kind kind, bool incident,
               const struct actor *actor, const struct trigger **ret_trigger, GError **error)
{
    bool asked = false, allowed = false;
    bool incidents = incident || !has_kind(runbook, kind);
    *ret_trigger = NULL;
    for (guint i = 0; i < runbook->triggers->len; i++) {
        const struct trigger *trigger = runbook->triggers->pdata[i];
        bool own = trigger->kind == kind;
        if (!own && !(incidents && trigger->kind == TRIGGER_INCIDENT && trigger->allow))
            continue;
        bool fits = lets_in(set, runbook, trigger, actor);
        if (own && (!*ret_trigger || (fits && !allowed)))
            *ret_trigger = trigger;
        asked = true;
        allowed = allowed || fits;
    }
    if (allowed || (!asked && by_default(set, runbook, actor)))
        return true;
    errors_set(error, ERROR_FORBIDDEN, "'%s' may not start '%s': see 'allow' and 'owner' of the runbook", actor->name,
               runbook->id);
    return false;
}

/* lint_runbook: one runbook among the other files: names, triggers, the order of its steps. */
#include "core/hostfilter.h"
#include "core/lua_lex.h"
#include "core/regex.h"
#include "jobs/inventory.h"
#include "jobs/lint_private.h"
#include <string.h>

#define TEAMS "hikeshi/teams.yaml"

static GPtrArray *keys_of(const json_t *object)
{
    GPtrArray *names = g_ptr_array_new();
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)object, key, value)
        g_ptr_array_add(names, (char *)key);
    return names;
}

/* The line of the fence that opens a step. */
static int line_of(const struct step *step)
{
    return step->line - 1;
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static void check_filter(struct lint *lint, const char *filter, int line)
{
    /* With params, what it matches is known only when the run starts. */
    if (!filter || strchr(filter, '$') || !lint->repository->inventory)
        return;
    g_autoptr(json_t) hosts = inventory_filter(lint->repository->inventory, filter, NULL, NULL);
    if (hosts && json_array_size(hosts) == 0)
        lint_say(lint, "no-hosts", FINDING_WARNING, line, 1, NULL, "no host of the inventory matches '%s'", filter);
}

static void check_policy(struct lint *lint, const struct step *step)
{
    const json_t *policies = json_object_get(lint->repository->policies, "policies");
    if (!step->approve || !lint->repository->has_policies || json_object_get(policies, step->approve))
        return;
    g_autoptr(GPtrArray) names = keys_of(policies);
    const char *suggestion = lint_nearest(step->approve, names);
    lint_say(lint, "unknown-name", FINDING_ERROR, line_of(step), 1,
             suggestion ? suggestion : "policies stand in " TEAMS, "there is no policy '%s'", step->approve);
}

static void check_owner(struct lint *lint)
{
    const json_t *teams = json_object_get(lint->repository->policies, "teams");
    const char *owner = lint->runbook->owner;
    if (!owner || json_object_size(teams) == 0 || json_object_get(teams, owner))
        return;
    g_autoptr(GPtrArray) names = keys_of(teams);
    const char *suggestion = lint_nearest(owner, names);
    lint_say(lint, "unknown-team", FINDING_WARNING, 1, 1, suggestion ? suggestion : "teams stand in " TEAMS,
             "the owner '%s' is no team", owner);
}

/* ---- triggers -------------------------------------------------------------------------------------------------- */

static void check_schedule(struct lint *lint, const struct trigger *trigger)
{
    g_autoptr(GError) error = NULL;
    if (!lint->repository->inventory)
        return;
    g_autoptr(json_t) params =
        runbook_bind_params(lint->runbook, trigger->params, NULL, lint->repository->inventory, NULL, &error);
    if (!params)
        lint_say(lint, "params", FINDING_ERROR, trigger->line, 1, NULL, "this schedule cannot start: %s",
                 error->message);
}

/* Whether a rule of `match` (equal, "~regex"; "!…" is true of something) is met by one of the alerts. */
static bool alert_exists(const char *const *alerts, const char *wanted)
{
    g_autoptr(GRegex) regex = *wanted == '~' ? regex_new(wanted + 1, false, NULL) : NULL;
    if (*wanted == '!' || (*wanted == '~' && !regex))
        return true;
    for (; *alerts; alerts++)
        if (regex ? regex_matches(regex, *alerts) : strcmp(*alerts, wanted) == 0)
            return true;
    return false;
}

/* One of a list is enough. */
static void check_alert(struct lint *lint, const struct trigger *trigger)
{
    const json_t *wanted = json_object_get(trigger->match, "alert");
    const char *const *alerts = lint->options->alerts;
    g_autoptr(json_t) list = json_is_array(wanted) ? json_incref((json_t *)wanted) : json_pack("[O]", wanted);
    size_t i;
    json_t *one;
    if (!alerts || !wanted)
        return;
    json_array_foreach (list, i, one)
        if (!json_is_string(one) || alert_exists(alerts, json_string_value(one)))
            return;
    const char *first = json_string_value(json_array_get(list, 0));
    if (first)
        lint_say(lint, "unknown-alert", FINDING_WARNING, trigger->line, 1, finding_nearest(first, alerts),
                 "no alert rule is called '%s'", first);
}

static void check_allow(struct lint *lint, const struct trigger *trigger, const json_t *teams)
{
    size_t index;
    json_t *principal;
    json_array_foreach (trigger->allow, index, principal) {
        const char *team = json_get_string(principal, "team", NULL);
        if (!team || json_object_get(teams, team))
            continue;
        g_autoptr(GPtrArray) names = keys_of(teams);
        lint_say(lint, "unknown-name", FINDING_ERROR, trigger->line, 1, lint_nearest(team, names),
                 "there is no team '%s'", team);
    }
}

static void check_people(struct lint *lint, const struct trigger *trigger)
{
    const json_t *teams = json_object_get(lint->repository->policies, "teams");
    const char *owner = lint->runbook->owner;
    if (json_object_size(teams) == 0)
        return;
    check_allow(lint, trigger, teams);
    if (trigger->hours && owner && !json_path(json_object_get(teams, owner), "hours"))
        lint_say(lint, "trigger", FINDING_ERROR, trigger->line, 1, "give the team 'hours' in " TEAMS,
                 "the team '%s' has no 'hours': this trigger would never start", owner);
}

static void check_triggers(struct lint *lint)
{
    for (guint i = 0; i < lint->runbook->triggers->len; i++) {
        const struct trigger *trigger = lint->runbook->triggers->pdata[i];
        check_people(lint, trigger);
        if (trigger->kind == TRIGGER_SCHEDULE)
            check_schedule(lint, trigger);
        if (trigger->kind == TRIGGER_INCIDENT)
            check_alert(lint, trigger);
    }
}

/* ---- the order of steps ---------------------------------------------------------------------------------------- */

static bool changes_something(const struct step *step, const GArray *tokens)
{
    return !step->effect_read && (!tokens || lint_lua_reaches_out(tokens));
}

static void check_first_write(struct lint *lint)
{
    for (guint i = 0; i < lint->runbook->steps->len; i++) {
        const struct step *step = lint->runbook->steps->pdata[i];
        if (step->effect_read)
            return;
        if (!step->handler && changes_something(step, lint->tokens->pdata[i])) {
            lint_say(lint, "write-first", FINDING_WARNING, line_of(step), 1,
                     "look first, in a step with 'effect: read'; or say so if this one only looks",
                     "the step '%s' may change something before any step has looked", step->id);
            return;
        }
    }
}

static bool never_runs(const struct step *step)
{
    return step->when && (strcmp(step->when, "false") == 0 || strcmp(step->when, "nil") == 0);
}

/* Steps below one that always ends the run. */
static void check_unreachable(struct lint *lint)
{
    const struct step *last = NULL;
    for (guint i = 0; i < lint->runbook->steps->len; i++) {
        const struct step *step = lint->runbook->steps->pdata[i];
        if (never_runs(step))
            lint_say(lint, "unreachable", FINDING_WARNING, line_of(step), 1, NULL, "'when: %s' never lets '%s' run",
                     step->when, step->id);
        else if (last && !step->always && !step->handler)
            lint_say(lint, "unreachable", FINDING_WARNING, line_of(step), 1, NULL,
                     "the step '%s' never runs: '%s' always ends the run", step->id, last->id);
        bool guarded = step->when || step->handler || step->always || step->on_error != ON_ERROR_STOP;
        if (!last && !guarded && step->language == STEP_LUA && lint_lua_always_ends(lint->tokens->pdata[i]))
            last = step;
    }
}

/* ---- params ---------------------------------------------------------------------------------------------------- */

static void use_params_of_filter(void *arg, const char *param)
{
    g_hash_table_add(arg, g_strdup(param));
}

static void use_params_of(struct lint *lint, const char *filter)
{
    g_autoptr(hostfilter) parsed = filter ? hostfilter_parse(filter, NULL) : NULL;
    if (filter && g_str_has_prefix(filter, "$params."))
        g_hash_table_add(lint->params_used, g_strdup(filter + strlen("$params.")));
    if (parsed)
        hostfilter_each_param(parsed, use_params_of_filter, lint->params_used);
}

static void use_params_of_paths(struct lint *lint, char *const *paths)
{
    for (; paths && *paths; paths++)
        if (g_str_has_prefix(*paths, "params."))
            g_hash_table_add(lint->params_used, g_strdup(*paths + strlen("params.")));
}

/* Shell reads $PARAM_NAME. */
static void use_params_of_shell(struct lint *lint, const char *text)
{
    for (guint i = 0; i < lint->runbook->params->len; i++) {
        const struct param *param = lint->runbook->params->pdata[i];
        g_autofree char *upper = g_ascii_strup(param->name, -1), *variable = g_strconcat("PARAM_", upper, NULL);
        if (strstr(text, variable))
            g_hash_table_add(lint->params_used, g_strdup(param->name));
    }
}

static void check_unused_params(struct lint *lint)
{
    use_params_of(lint, lint->runbook->hosts);
    use_params_of_paths(lint, lint->runbook->limits.per);
    for (guint i = 0; i < lint->runbook->params->len && !lint->params_computed; i++) {
        const struct param *param = lint->runbook->params->pdata[i];
        if (!g_hash_table_contains(lint->params_used, param->name))
            lint_say(lint, "unused-param", FINDING_NOTE, param->line, 1, NULL, "nothing reads the param '%s'",
                     param->name);
    }
}

static void check_unused_inputs(struct lint *lint)
{
    for (guint i = 0; i < lint->runbook->inputs->len; i++) {
        const struct param *input = lint->runbook->inputs->pdata[i];
        bool asked = false;
        for (guint k = 0; k < lint->runbook->steps->len; k++) {
            char **asks = ((const struct step *)lint->runbook->steps->pdata[k])->asks;
            asked = asked || (asks && g_strv_contains((const char *const *)asks, input->name));
        }
        if (!asked)
            lint_say(lint, "unused-param", FINDING_NOTE, input->line, 1, NULL, "no step asks for the input '%s'",
                     input->name);
    }
}

/* ---- one runbook ----------------------------------------------------------------------------------------------- */

static void check_shows(struct lint *lint, const struct step *step)
{
    use_params_of_paths(lint, step->shows);
    for (char **path = step->shows; path && *path; path++) {
        g_autoptr(GArray) tokens = lua_lex(*path, line_of(step));
        if (g_str_has_prefix(*path, "data."))
            lint_check_names(lint, tokens);
    }
}

static void check_when(struct lint *lint, const struct step *step)
{
    g_autoptr(GArray) tokens = lua_lex(step->when, line_of(step));
    lint_check_syntax(lint, step->when, line_of(step), true);
    lint_check_globals(lint, tokens);
    lint_check_names(lint, tokens);
}

/* What an input may be must have been found by a step before. */
static void check_asks(struct lint *lint, const struct step *step)
{
    for (char **name = step->asks; name && *name; name++) {
        const struct param *input = runbook_input(lint->runbook, *name);
        const char *choices = input ? json_string_value(input->choices) : NULL;
        g_autoptr(GArray) tokens = lua_lex(choices ? choices : "", line_of(step));
        lint_check_names(lint, tokens);
    }
}

static void check_step(struct lint *lint, const struct step *step)
{
    lint->result->steps++;
    check_filter(lint, step->hosts, line_of(step));
    use_params_of(lint, step->hosts);
    check_policy(lint, step);
    if (step->when)
        check_when(lint, step);
    check_shows(lint, step);
    check_asks(lint, step);
    const GArray *tokens = lint->tokens->pdata[lint->step];
    if (tokens) {
        lint_check_syntax(lint, step->text, step->line, false);
        lint_check_globals(lint, tokens);
        lint_check_names(lint, tokens);
    } else {
        use_params_of_shell(lint, step->text);
    }
}

static void free_tokens(void *tokens)
{
    if (tokens)
        g_array_unref(tokens);
}

static void begin(struct lint *lint, const struct runbook *runbook)
{
    lint->runbook = runbook;
    lint->params_computed = lint->data.unknown = false;
    lint->params_used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    lint->data.set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    lint->tokens = g_ptr_array_new_with_free_func(free_tokens);
    for (guint i = 0; i < runbook->steps->len; i++) {
        const struct step *step = runbook->steps->pdata[i];
        g_ptr_array_add(lint->tokens, step->language == STEP_LUA ? lua_lex(step->text, step->line) : NULL);
    }
}

static void end(struct lint *lint)
{
    g_clear_pointer(&lint->params_used, g_hash_table_unref);
    g_clear_pointer(&lint->data.set, g_hash_table_unref);
    g_clear_pointer(&lint->tokens, g_ptr_array_unref);
    lint->runbook = NULL;
}

void lint_check_runbook(struct lint *lint, const struct runbook *runbook)
{
    begin(lint, runbook);
    g_ptr_array_add(lint->ids, g_strdup(runbook->id));
    for (char **alias = runbook->aliases; *alias; alias++)
        g_ptr_array_add(lint->ids, g_strdup(*alias));
    check_owner(lint);
    check_filter(lint, runbook->hosts, 1);
    check_triggers(lint);
    for (lint->step = 0; lint->step < runbook->steps->len; lint->step++)
        check_step(lint, runbook->steps->pdata[lint->step]);
    check_first_write(lint);
    check_unreachable(lint);
    check_unused_params(lint);
    check_unused_inputs(lint);
    end(lint);
}

void lint_check_broken(struct lint *lint, const struct runbook *runbook)
{
    for (guint i = 0; i < runbook->steps->len; i++) {
        const struct step *step = runbook->steps->pdata[i];
        if (step->language != STEP_LUA)
            continue;
        g_autoptr(GArray) tokens = lua_lex(step->text, step->line);
        lint_check_syntax(lint, step->text, step->line, false);
        lint_check_globals(lint, tokens);
    }
}

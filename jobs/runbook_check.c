/* runbook_check: what only the whole file shows: names that must exist, steps that can never run, triggers that cannot
 * start. */
#include "jobs/runbook_parse.h"
#include <string.h>

static void reference_error(const struct parser *parser, const struct reference *reference, const char *what,
                            GPtrArray *known)
{
    g_ptr_array_add(known, NULL);
    const char *nearest = finding_nearest(reference->name, (const char *const *)known->pdata);
    finding_add(parser->reader.findings, "unknown-name", FINDING_ERROR, parser->reader.file, reference->line,
                reference->column, nearest, "there is no %s '%s'", what, reference->name);
}

static void check_param(const struct parser *parser, const struct reference *reference, const char *what,
                        const GPtrArray *params)
{
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    for (guint i = 0; i < params->len; i++) {
        const struct param *param = params->pdata[i];
        if (strcmp(param->name, reference->name) == 0)
            return;
        g_ptr_array_add(known, param->name);
    }
    reference_error(parser, reference, what, known);
}

static void check_handler(const struct parser *parser, const struct reference *reference)
{
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    const GPtrArray *steps = parser->runbook->steps;
    for (guint i = 0; i < steps->len; i++) {
        const struct step *step = steps->pdata[i];
        if (strcmp(step->id, reference->name) != 0) {
            if (step->handler)
                g_ptr_array_add(known, step->id);
            continue;
        }
        const char *problem = !step->handler         ? "must be marked 'handler: true'"
                              : i <= reference->step ? "must stand below the step that names it"
                                                     : NULL;
        if (problem)
            finding_add(parser->reader.findings, "on-error", FINDING_ERROR, parser->reader.file, reference->line,
                        reference->column, NULL, "the step '%s' %s", reference->name, problem);
        return;
    }
    reference_error(parser, reference, "step", known);
}

static void check_unused_handlers(const struct parser *parser)
{
    const GPtrArray *steps = parser->runbook->steps;
    for (guint i = 0; i < steps->len; i++) {
        const struct step *step = steps->pdata[i];
        bool used = !step->handler;
        for (guint k = 0; k < steps->len; k++)
            used = used || g_strcmp0(((const struct step *)steps->pdata[k])->on_error_step, step->id) == 0;
        if (!used)
            finding_add(parser->reader.findings, "unreachable", FINDING_WARNING, parser->reader.file, step->line - 1, 1,
                        NULL, "the handler '%s' never runs: no step names it in 'on_error'", step->id);
    }
}

/* Without hosts of its own, an approved step may reach all that the runbook may: the approver should know which. */
static void check_approvals(const struct parser *parser)
{
    const GPtrArray *steps = parser->runbook->steps;
    for (guint i = 0; i < steps->len; i++) {
        const struct step *step = steps->pdata[i];
        if (step->approve && !step->hosts)
            finding_add(parser->reader.findings, "approve-hosts", FINDING_WARNING, parser->reader.file, step->line - 1,
                        1, "add 'hosts: $params.host' or a filter",
                        "the step '%s' waits for approval but does not say which hosts it touches", step->id);
    }
}

static void check_trigger_ids(const struct parser *parser, const struct trigger *trigger, guint index)
{
    for (guint i = 0; i < index; i++) {
        const struct trigger *other = parser->runbook->triggers->pdata[i];
        if (strcmp(other->id, trigger->id) == 0)
            finding_add(parser->reader.findings, "duplicate", FINDING_ERROR, parser->reader.file, trigger->line, 1,
                        NULL, "there is a trigger '%s' already", trigger->id);
    }
}

/* A schedule gives the same params each time: whether they fit is known now. */
static void check_schedule(const struct parser *parser, const struct trigger *trigger)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) params = runbook_bind_params(parser->runbook, trigger->params, NULL, NULL, NULL, &error);
    if (!params)
        finding_add(parser->reader.findings, "params", FINDING_ERROR, parser->reader.file, trigger->line, 1, NULL,
                    "this schedule cannot start: %s", error->message);
}

static void trigger_error(const struct parser *parser, const struct trigger *trigger, const char *suggestion,
                          const char *message)
{
    finding_add(parser->reader.findings, "trigger", FINDING_ERROR, parser->reader.file, trigger->line, 1, suggestion,
                "%s", message);
}

/* An incident gives no params but those with `from` or a default. */
static void check_incident(const struct parser *parser, const struct trigger *trigger)
{
    bool verifies = false;
    for (guint i = 0; i < parser->runbook->steps->len; i++)
        verifies = verifies || ((const struct step *)parser->runbook->steps->pdata[i])->verify;
    if (trigger->resolve_verified && !verifies)
        trigger_error(parser, trigger, "add a step with 'verify: true'",
                      "'resolve: verified' would never resolve: no step verifies");
    if (trigger->hours && !parser->runbook->owner)
        trigger_error(parser, trigger, "add 'owner' to the front matter",
                      "'hours' are those of the owner's team: whose?");
    const GPtrArray *params = parser->runbook->params;
    for (guint i = 0; i < params->len; i++) {
        const struct param *param = params->pdata[i];
        if (param->required && !param->from)
            finding_add(parser->reader.findings, "params", FINDING_ERROR, parser->reader.file, trigger->line, 1,
                        "add 'from' to the param", "an incident cannot start this: nothing gives it the param '%s'",
                        param->name);
    }
}

static void check_triggers(const struct parser *parser)
{
    const GPtrArray *triggers = parser->runbook->triggers;
    for (guint i = 0; i < triggers->len; i++) {
        const struct trigger *trigger = triggers->pdata[i];
        check_trigger_ids(parser, trigger, i);
        if (trigger->kind == TRIGGER_SCHEDULE)
            check_schedule(parser, trigger);
        else if (trigger->kind == TRIGGER_INCIDENT)
            check_incident(parser, trigger);
    }
    if (triggers->len && parser->runbook->steps->len == 0)
        finding_add(parser->reader.findings, "no-steps", FINDING_WARNING, parser->reader.file,
                    ((const struct trigger *)triggers->pdata[0])->line, 1,
                    "a step is a block with {step=ID} behind its language",
                    "the triggers start nothing: there is no step");
}

void runbook_check(struct parser *parser)
{
    for (guint i = 0; i < parser->references->len; i++) {
        const struct reference *reference = parser->references->pdata[i];
        if (reference->kind == REFERENCE_PARAM)
            check_param(parser, reference, "param", parser->runbook->params);
        else if (reference->kind == REFERENCE_INPUT)
            check_param(parser, reference, "input", parser->runbook->inputs);
        else
            check_handler(parser, reference);
    }
    check_unused_handlers(parser);
    check_approvals(parser);
    if (finding_count_level(parser->reader.findings, FINDING_ERROR) == 0)
        check_triggers(parser);
}

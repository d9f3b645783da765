/* runbook_json: a runbook as JSON: for the wire (what a runner needs) and for people (API, `hikeshi runbooks show`). */
#include "jobs/runbook_parse.h"

static json_t *strings(char **list)
{
    json_t *array = json_array();
    for (char **item = list; item && *item; item++)
        json_array_append_new(array, json_string(*item));
    return array;
}

static json_t *copy(const json_t *value)
{
    return value ? json_deep_copy(value) : json_null();
}

static const char *on_error(const struct step *step)
{
    return step->on_error == ON_ERROR_HANDLER    ? step->on_error_step
           : step->on_error == ON_ERROR_CONTINUE ? "continue"
                                                 : "stop";
}

static json_t *number_or_null(int64_t number)
{
    return number > 0 ? json_integer(number) : json_null();
}

/* [1, "25%"] */
static json_t *waves_json(char **waves)
{
    json_t *array = waves ? json_array() : json_null();
    for (char **wave = waves; wave && *wave; wave++) {
        bool percent = g_str_has_suffix(*wave, "%");
        json_array_append_new(array, percent ? json_string(*wave) : json_integer(g_ascii_strtoll(*wave, NULL, 10)));
    }
    return array;
}

static json_t *step_json(const struct step *step)
{
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:s, s:b, s:b, s:b, s:b, s:b, s:s, s:o, s:o}", //
                  "id", step->id, "title", step->title, "language", step_language_names[step->language],        //
                  "line", step->line, "timeout_ms", (json_int_t)step->timeout_ms,                               //
                  "attempts", (json_int_t)step->attempts, "retry_delay_ms", (json_int_t)step->retry_delay_ms,   //
                  "wait_ms", (json_int_t)step->wait_ms, "at_once", (json_int_t)step->at_once,                   //
                  "effect", step->effect_read ? "read" : "write", "idempotent", step->idempotent,               //
                  "handler", step->handler, "always", step->always, "verify", step->verify,                     //
                  "cancel_after", step->cancel_after, "on_error", on_error(step),                               //
                  "asks", strings(step->asks), "shows", strings(step->shows));
    json_set_string(json, "text", step->text);
    json_set_string(json, "when", step->when);
    json_set_string(json, "approve", step->approve);
    json_set_string(json, "hosts", step->hosts);
    json_set_string(json, "sudo", step->sudo);
    if (step->argv) {
        json_object_set_new(json, "argv", strings(step->argv));
        json_object_set_new(json, "host_names", strings(step->host_names));
        json_object_set_new(json, "command_timeout_ms", number_or_null(step->command_timeout_ms));
    }
    json_object_set_new(json, "canary", number_or_null(step->canary));
    json_object_set_new(json, "waves", waves_json(step->waves));
    json_object_set_new(json, "stop_after", number_or_null(step->stop_after));
    json_object_set_new(json, "max_percent", number_or_null(step->max_percent));
    return json;
}

static json_t *steps_json(const struct runbook *runbook)
{
    json_t *array = json_array();
    for (guint i = 0; i < runbook->steps->len; i++) {
        json_t *step = step_json(runbook->steps->pdata[i]);
        json_set_string(step, "file", runbook->path);
        json_array_append_new(array, step);
    }
    return array;
}

static json_t *limits_json(const struct limits *limits)
{
    json_t *json =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "timeout_ms", (json_int_t)limits->timeout_ms,  //
                  "concurrency", (json_int_t)limits->concurrency, "cooldown_ms", (json_int_t)limits->cooldown_ms, //
                  "max_hosts", (json_int_t)limits->max_hosts, "max_percent", (json_int_t)limits->max_percent,     //
                  "breaker", (json_int_t)limits->breaker, "max_runs", (json_int_t)limits->max_runs,               //
                  "max_runs_window_ms", (json_int_t)limits->max_runs_window_ms, "per", strings(limits->per));
    json_set_string(json, "overflow", limits->overflow);
    json_set_string(json, "lock", limits->lock);
    return json;
}

static json_t *identity_json(const struct runbook *runbook)
{
    json_t *json = json_object();
    json_set_string(json, "id", runbook->id);
    json_set_string(json, "title", runbook->title);
    json_set_string(json, "path", runbook->path);
    json_set_string(json, "repository", runbook->repository);
    json_set_string(json, "commit", runbook->commit);
    json_set_string(json, "owner", runbook->owner);
    return json;
}

json_t *param_to_json(const struct param *param)
{
    json_t *json =
        json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o}", "name", param->name, "type", param_type_names[param->type],
                  "required", param->required, "default", copy(param->fallback), "choices", copy(param->choices),
                  "minimum", param->has_minimum ? json_real(param->minimum) : json_null(), "maximum",
                  param->has_maximum ? json_real(param->maximum) : json_null());
    json_object_set_new(json, "min_length", param->min_length >= 0 ? json_integer(param->min_length) : json_null());
    json_object_set_new(json, "max_length", param->max_length >= 0 ? json_integer(param->max_length) : json_null());
    json_set_string(json, "pattern", param->pattern);
    json_set_string(json, "description", param->description);
    json_set_string(json, "from", param->from);
    return json;
}

static json_t *params_json(const GPtrArray *params)
{
    json_t *array = json_array();
    for (guint i = 0; i < params->len; i++)
        json_array_append_new(array, param_to_json(params->pdata[i]));
    return array;
}

json_t *runbook_to_wire(const struct runbook *runbook)
{
    json_t *types = json_object();
    for (guint i = 0; i < runbook->params->len; i++) {
        const struct param *param = runbook->params->pdata[i];
        json_object_set_new(types, param->name, json_string(param_type_names[param->type]));
    }
    json_t *wire =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "runbook", identity_json(runbook), "param_types", types, //
                  "limits", limits_json(&runbook->limits), "steps", steps_json(runbook), "secrets",
                  strings(runbook->secrets), "inputs", params_json(runbook->inputs));
    json_set_string(wire, "hosts", runbook->hosts);
    return wire;
}

static json_t *trigger_json(const struct trigger *trigger)
{
    json_t *json = json_pack("{s:s, s:s, s:i}", "kind", trigger_kind_names[trigger->kind], "id", trigger->id, "line",
                             trigger->line);
    if (trigger->kind != TRIGGER_SCHEDULE)
        json_object_set_new(json, "allow", copy(trigger->allow));
    if (trigger->kind == TRIGGER_INCIDENT) {
        json_object_set_new(json, "match", copy(trigger->match));
        json_set_string(json, "for_each", trigger->for_each_alert ? "alert" : "incident");
        json_set_string(json, "start", trigger->suggest ? "suggest" : "auto");
        json_set_string(json, "on_resolve", trigger->cancel_on_resolve ? "cancel" : "continue");
        json_set_string(json, "hours", trigger->hours);
        json_set_string(json, "resolve", trigger->resolve_verified ? "verified" : NULL);
    } else if (trigger->kind == TRIGGER_SCHEDULE) {
        json_set_string(json, "cron", trigger->cron);
        json_set_string(json, "timezone", trigger->timezone);
        json_set_string(json, "catch_up", trigger->catch_up);
        json_object_set_new(json, "params", copy(trigger->params));
        json_object_set_new(json, "jitter_ms", json_integer(trigger->jitter_ms));
        json_object_set_new(json, "blackout", trigger->blackout ? json_deep_copy(trigger->blackout) : json_array());
    }
    return json;
}

json_t *runbook_to_json(const struct runbook *runbook)
{
    json_t *json = identity_json(runbook);
    json_t *triggers = json_array();
    for (guint i = 0; i < runbook->triggers->len; i++)
        json_array_append_new(triggers, trigger_json(runbook->triggers->pdata[i]));
    json_object_set_new(json, "document", json_boolean(runbook->document));
    json_set_string(json, "severity", runbook->severity);
    json_set_string(json, "hosts", runbook->hosts);
    json_object_set_new(json, "covers", strings(runbook->covers));
    json_object_set_new(json, "aliases", strings(runbook->aliases));
    json_object_set_new(json, "secrets", strings(runbook->secrets));
    json_object_set_new(json, "params", params_json(runbook->params));
    json_object_set_new(json, "inputs", params_json(runbook->inputs));
    json_object_set_new(json, "triggers", triggers);
    json_object_set_new(json, "limits", limits_json(&runbook->limits));
    json_object_set_new(json, "steps", steps_json(runbook));
    return json;
}

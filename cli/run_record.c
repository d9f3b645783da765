/* run_record: one function an event kind. */
#include "cli/run_record.h"
#include "core/clock.h"
#include "jobs/view.h"
#include <string.h>

struct run_record {
    json_t *job;        /* of the attempt under way */
    json_t *run;        /* product shape */
    json_t *waiting;    /* the event that left, or NULL */
    bool contents;      /* files' bytes stand in their reports */
    int64_t attempt_at; /* when the attempt under way began */
};

void run_record_keep_contents(struct run_record *record)
{
    record->contents = true;
}

static json_t *find_by(json_t *list, const char *key, const char *value)
{
    size_t index;
    json_t *item;
    json_array_foreach (list, index, item) {
        if (g_strcmp0(json_get_string(item, key, NULL), value) == 0)
            return item;
    }
    return NULL;
}

static json_t *step_in(json_t *owner, const json_t *event)
{
    return find_by(json_object_get(owner, "steps"), "id", json_get_string(event, "step", NULL));
}

static void set_time(json_t *object, const char *key, const json_t *event)
{
    g_autofree char *text = clock_format(json_get_integer(event, "at", 0));
    json_set_string(object, key, text);
}

static void copy(json_t *to, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);
    json_object_set_new(to, key, value ? json_incref(value) : json_null());
}

/* --- the start -----------------------------------------------------------------------------------------------------
 */

static json_t *step_new(const json_t *step)
{
    static const char *const kept[] = {"id", "title", "line", "effect"};
    json_t *made = json_pack("{s:s, s:n, s:n, s:i, s:n, s:n, s:n, s:n, s:n, s:[], s:{s:i, s:b}}", "state", "pending",
                             "result", "reason", "attempts", 0, "started_at", "ended_at", "duration_ms", "error",
                             "approval", "hosts", "output", "bytes", 0, "truncated", 0);
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++)
        copy(made, step, kept[i]);
    if (strcmp(json_get_string(step, "state", ""), "done") == 0) { /* was left out from the start */
        copy(made, step, "state");
        copy(made, step, "result");
    }
    return made;
}

static json_t *run_new(const json_t *job)
{
    static const char *const kept[] = {"incident", "alert", "trigger", "requested_by", "params", "data"};
    const json_t *runbook = json_object_get(job, "runbook");
    g_autofree char *now = clock_format(clock_now_ms());
    json_t *run = json_pack("{s:s, s:n, s:n, s:i, s:n, s:s, s:n, s:n, s:n, s:[], s:[], s:[], s:[], s:[]}", "state",
                            "running", "reason", "verified", "attempt", 1, "rerun_of", "created_at", now, "started_at",
                            "ended_at", "url", "steps", "reports", "notes", "messages", "incidents");
    size_t index;
    json_t *step;
    json_object_set(run, "id", json_object_get(job, "run"));
    json_object_set(run, "runbook", json_object_get(runbook, "id"));
    copy(run, runbook, "title");
    copy(run, runbook, "owner");
    copy(run, runbook, "commit");
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++)
        copy(run, job, kept[i]);
    json_array_foreach (json_object_get(job, "steps"), index, step)
        json_array_append_new(json_object_get(run, "steps"), step_new(step));
    return run;
}

struct run_record *run_record_new(const json_t *job)
{
    struct run_record *record = g_new0(struct run_record, 1);
    record->job = json_deep_copy(job);
    record->run = run_new(job);
    return record;
}

void run_record_free(struct run_record *record)
{
    if (!record)
        return;
    json_decref(record->job);
    json_decref(record->run);
    json_decref(record->waiting);
    g_free(record);
}

/* --- events --------------------------------------------------------------------------------------------------------
 */

static void on_run_start(struct run_record *record, const json_t *event)
{
    if (!json_is_string(json_object_get(record->run, "started_at")))
        set_time(record->run, "started_at", event);
    json_set_string(record->run, "state", "running");
    record->attempt_at = json_get_integer(event, "at", 0);
}

static void on_step_start(struct run_record *record, const json_t *event)
{
    json_t *step = step_in(record->run, event);
    json_set_string(step, "state", "running");
    json_object_set(step, "attempts", json_object_get(event, "try"));
    if (!json_is_string(json_object_get(step, "started_at")))
        set_time(step, "started_at", event);
}

static void on_retry(struct run_record *record, const json_t *event)
{
    json_set_string(step_in(record->run, event), "state", "retrying");
}

static void on_output(struct run_record *record, const json_t *event)
{
    json_t *output = json_object_get(step_in(record->run, event), "output");
    json_int_t more = (json_int_t)json_string_length(json_object_get(event, "text"));
    if (output)
        json_object_set_new(output, "bytes", json_integer(json_get_integer(output, "bytes", 0) + more));
}

static void on_host(struct run_record *record, const json_t *event)
{
    static const char *const kept[] = {"host", "result", "code", "duration_ms"};
    const json_t *step = step_in(record->run, event);
    json_t *hosts = json_object_get(step, "hosts");
    json_t *host = find_by(hosts, "host", json_get_string(event, "host", NULL));
    int64_t try = json_get_integer(step, "attempts", 0);
    if (host && json_get_integer(event, "try", try) < try)
        return; /* a later try's word on the host stands */
    if (!host) {
        host = json_object();
        json_array_append_new(hosts, host);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++)
        copy(host, event, kept[i]);
    json_set_string(host, "error", json_path_string(event, "error.message"));
}

static void on_note(struct run_record *record, const json_t *event)
{
    json_t *note = json_object();
    copy(note, event, "step");
    set_time(note, "at", event);
    copy(note, event, "text");
    json_array_append_new(json_object_get(record->run, "notes"), note);
}

static void file_of(const struct run_record *record, const json_t *event, json_t *report)
{
    static const char *const kept[] = {"name", "bytes", "sha256"};
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++)
        copy(report, event, kept[i]);
    if (!record->contents)
        return;
    gsize length;
    g_autofree guchar *bytes = g_base64_decode(json_get_string(event, "content", ""), &length);
    json_object_set_new(report, "content", json_text_value((const char *)bytes, length));
}

static void on_message(struct run_record *record, const json_t *event)
{
    static const char *const kept[] = {"step", "channel", "text", "template", "values", NULL};
    json_t *message = json_object();
    set_time(message, "at", event);
    view_copy(message, event, kept);
    json_array_append_new(json_object_get(record->run, "messages"), message);
}

static void on_incident(struct run_record *record, const json_t *event)
{
    static const char *const kept[] = {"step", "action", "key", "title", "severity", "labels", NULL};
    json_t *incident = json_object();
    set_time(incident, "at", event);
    view_copy(incident, event, kept);
    json_array_append_new(json_object_get(record->run, "incidents"), incident);
}

static void on_report(struct run_record *record, const json_t *event)
{
    static const char *const kept[] = {"step", "title", "value", "unit", "columns", "rows", "text", "host", NULL};
    json_t *report = json_object();
    json_object_set(report, "kind", json_object_get(event, "report_kind"));
    view_copy(report, event, kept);
    if (g_strcmp0(json_get_string(event, "report_kind", NULL), "file") == 0)
        file_of(record, event, report);
    json_array_append_new(json_object_get(record->run, "reports"), report);
}

static void on_data(struct run_record *record, const json_t *event)
{
    json_object_set(record->run, "data", json_object_get(event, "data"));
    json_object_set(record->job, "data", json_object_get(event, "data"));
}

static void on_step_end(struct run_record *record, const json_t *event)
{
    static const char *const kept[] = {"result", "duration_ms"};
    json_t *step = step_in(record->run, event), *next = step_in(record->job, event);
    json_set_string(step, "state", "done");
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++)
        copy(step, event, kept[i]);
    json_object_set_new(step, "error", view_error(json_object_get(event, "error")));
    json_set_string(step, "reason", json_get_string(event, "reason", json_get_string(event, "message", NULL)));
    set_time(step, "ended_at", event);
    json_set_string(next, "state", "done");
    copy(next, event, "result");
    copy(next, event, "output");
    on_data(record, event);
}

static void on_leave(struct run_record *record, const json_t *event)
{
    json_int_t ran_ms = json_get_integer(event, "at", 0) - record->attempt_at;
    json_object_set_new(record->job, "elapsed_ms",
                        json_integer(json_get_integer(record->job, "elapsed_ms", 0) + ran_ms));
    json_set_string(record->run, "state", "waiting");
    json_set_string(step_in(record->run, event), "state", "waiting");
    json_set_string(step_in(record->job, event), "state", "waiting");
    record->waiting = json_deep_copy(event);
}

static void on_run_end(struct run_record *record, const json_t *event)
{
    copy(record->run, event, "state");
    copy(record->run, event, "reason");
    copy(record->run, event, "verified");
    set_time(record->run, "ended_at", event);
}

static const struct {
    const char *kind;
    void (*fn)(struct run_record *record, const json_t *event);
} kinds[] = {
    {"run_start", on_run_start}, {"step_start", on_step_start},
    {"retry", on_retry},         {"output", on_output},
    {"host", on_host},           {"note", on_note},
    {"report", on_report},       {"data", on_data},
    {"step_end", on_step_end},   {"approval", on_leave},
    {"delay", on_leave},         {"plan", on_leave},
    {"run_end", on_run_end},     {"message", on_message},
    {"incident", on_incident},
};

void run_record_event(struct run_record *record, const json_t *event)
{
    const char *kind = json_get_string(event, "kind", "");
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(kinds[i].kind, kind) == 0)
            kinds[i].fn(record, event);
    }
}

/* --- waiting --------------------------------------------------------------------------------------------------------
 */

const json_t *run_record_waiting(const struct run_record *record)
{
    return record->waiting;
}

void run_record_waited(struct run_record *record)
{
    json_object_set_new(step_in(record->job, record->waiting), "waited", json_true());
}

void run_record_decide(struct run_record *record, const struct run_decision *decision)
{
    json_t *next = step_in(record->job, record->waiting), *step = step_in(record->run, record->waiting);
    g_autofree char *at = clock_format(clock_now_ms());
    if (strcmp(decision->result, "approved") != 0) {
        json_set_string(next, "state", "done");
        json_set_string(next, "result", decision->result);
        json_set_string(step, "state", "done");
        json_set_string(step, "result", decision->result);
        return;
    }
    g_autoptr(json_t) inputs = decision->inputs ? json_incref(decision->inputs) : json_object();
    json_object_set_new(next, "approval",
                        json_pack("{s:s, s:O, s:O, s:[{s:s, s:s, s:s, s:s, s:n}]}", "state", "approved", "inputs",
                                  inputs, "hosts", json_object_get(record->waiting, "hosts"), "decisions", "by",
                                  decision->by, "via", decision->via, "at", at, "verdict", "approve", "reason"));
}

json_t *run_record_next_job(struct run_record *record)
{
    json_int_t attempt = json_get_integer(record->job, "attempt", 1) + 1;
    g_clear_pointer(&record->waiting, json_decref);
    json_object_set_new(record->job, "attempt", json_integer(attempt));
    json_object_set_new(record->run, "attempt", json_integer(attempt));
    return json_deep_copy(record->job);
}

const json_t *run_record_run(const struct run_record *record)
{
    return record->run;
}

const json_t *run_record_job(const struct run_record *record)
{
    return record->job;
}

/* run_events: what runners say about their runs, applied once each.
 *
 * Events are idempotent by (run, attempt, seq): a repeated one is acknowledged and dropped, a gap is refused. A batch
 * is one store job, so an acknowledged event is on disk. One function a kind; docs/design/wire.md says what each means.
 */
#include "core/clock.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/approval_private.h"
#include "jobs/delivery.h"
#include "jobs/incident_close.h"
#include "jobs/outbox.h"
#include "jobs/run_file.h"
#include "jobs/run_incident.h"
#include "jobs/run_private.h"

/* One batch on its way into the store. */
struct intake {
    struct store_tx *tx;
    const struct catalog_set *set;
    const json_t *row; /* the run as it was before the batch */
    const char *run;
    int64_t output_bytes; /* text of this batch */
    bool over;            /* the attempt's last event was seen */
};

/* --- one function a kind -------------------------------------------------------------------------------------------
 */

static json_t *step_of(struct intake *intake, const json_t *event, GError **error)
{
    const char *step = call_need_string(event, "step", error);
    return step ? run_step_row(intake->tx, intake->run, step, error) : NULL;
}

static bool nothing(struct intake *intake, const json_t *event, GError **error)
{
    (void)intake, (void)event, (void)error;
    return true;
}

static bool step_start(struct intake *intake, const json_t *event, GError **error)
{
    g_autoptr(json_t) step = step_of(intake, event, error);
    return step && run_step_start(intake->tx, step, json_get_integer(event, "try", 1), error);
}

/* The intent to run something on a host: only a step that was acknowledged as started may have one. */
static bool command(struct intake *intake, const json_t *event, GError **error)
{
    g_autoptr(json_t) step = step_of(intake, event, error);
    if (!step)
        return false;
    if (run_step_state(step) == STEP_RUNNING)
        return true;
    errors_set(error, ERROR_CONFLICT, "the step '%s' is not running", json_get_string(step, "id", "?"));
    return false;
}

/* The database ends text at a NUL: as everywhere, what cannot be shown becomes U+FFFD. */
static char *text_of(const json_t *value)
{
    const char *bytes = json_is_string(value) ? json_string_value(value) : "";
    size_t length = json_is_string(value) ? json_string_length(value) : 0;
    GString *text = g_string_sized_new(length + 1);
    for (size_t i = 0; i < length; i++) {
        if (bytes[i])
            g_string_append_c(text, bytes[i]);
        else
            g_string_append(text, "\xef\xbf\xbd");
    }
    return g_string_free(text, FALSE);
}

/* Text over the run's ceiling is dropped, and its step says so. */
static bool output(struct intake *intake, const json_t *event, GError **error)
{
    int64_t n = store_last_rowid(intake->tx), at = json_get_integer(event, "at", clock_now_ms());
    const char *step = json_get_string(event, "step", NULL);
    g_autofree char *text = text_of(json_object_get(event, "text"));
    int64_t stored = json_get_integer(intake->row, "output_bytes", 0) + intake->output_bytes,
            length = (int64_t)strlen(text);
    bool fits = stored + length <= LIMIT_RUN_OUTPUT_BYTES;
    if (step && !store_exec(intake->tx, SQL_STEP_OUTPUT, NULL, error, "ssib", intake->run, step, length, (int)!fits))
        return false;
    if (!fits)
        return true;
    intake->output_bytes += length;
    return store_exec(intake->tx, SQL_OUTPUT_ADD, NULL, error, "sisssis", intake->run, n, step,
                      json_get_string(event, "host", NULL), json_get_string(event, "stream", "log"), at, text);
}

/* A command that was told to stop may end after its step did: the step's own sentence could not say how. */
static bool tell_late_end(struct intake *intake, const char *step, const char *host, const char *result,
                          const char *problem, GError **error)
{
    g_autofree char *text = g_strdup_printf("\"%s\", step %s: its command on %s ended later: %s%s%s",
                                            json_get_string(intake->row, "title", "?"), step, host, result,
                                            problem ? ": " : "", problem ? problem : "");
    return run_tell(intake->tx, intake->row, "step", NULL, text, error);
}

static bool host(struct intake *intake, const json_t *event, GError **error)
{
    g_autoptr(json_t) step = step_of(intake, event, error);
    const char *name = step ? call_need_string(event, "host", error) : NULL;
    const char *result = name ? call_need_string(event, "result", error) : NULL;
    if (!result)
        return false;
    if (!step_result_known(result)) {
        errors_set(error, ERROR_INVALID, "'%s' is not a result of a host", result);
        return false;
    }
    g_autofree char *code = json_scalar_text(json_object_get(event, "code"));
    const json_t *problem = json_object_get(event, "error");
    const char *text = json_is_object(problem) ? json_get_string(problem, "message", NULL) : json_string_value(problem);
    if (!text)
        text = json_get_string(event, "reason", NULL);
    const char *id = json_get_string(step, "id", NULL);
    int64_t try = json_get_integer(step, "attempts", 0);
    bool old = json_get_integer(event, "try", try) < try; /* a later try's word on the host stands */
    return store_exec(intake->tx, old ? SQL_STEP_HOST_ADD : SQL_STEP_HOST_PUT, NULL, error, "ssssssi", intake->run, id,
                      name, result, *code ? code : NULL, text, (int64_t)json_get_integer(event, "duration_ms", 0)) &&
           ((!old && run_step_state(step) != STEP_DONE) || tell_late_end(intake, id, name, result, text, error));
}

/* What a rerun left out of an each() stands beside the hosts; the others have their commands there. */
static bool item(struct intake *intake, const json_t *event, GError **error)
{
    if (g_strcmp0(json_get_string(event, "result", NULL), "skipped") != 0)
        return true;
    g_autoptr(json_t) step = step_of(intake, event, error);
    const char *name = step ? call_need_string(event, "name", error) : NULL;
    return name && store_exec(intake->tx, SQL_STEP_HOST_ADD, NULL, error, "ssssssi", intake->run,
                              json_get_string(step, "id", NULL), name, "skipped", NULL,
                              json_get_string(event, "reason", NULL), (int64_t)0);
}

static bool note(struct intake *intake, const json_t *event, GError **error)
{
    const char *text = call_need_string(event, "text", error);
    if (!text || !run_tell(intake->tx, intake->row, "note", NULL, text, error))
        return false;
    g_autoptr(json_t) detail = json_pack("{s:s?, s:s}", "step", json_get_string(event, "step", NULL), "text", text);
    return outbox_add(intake->tx, "note", json_get_string(intake->row, "incident", NULL), intake->run, detail, error);
}

static bool report(struct intake *intake, const json_t *event, GError **error)
{
    int64_t n = store_last_rowid(intake->tx);
    return g_strcmp0(json_get_string(event, "report_kind", NULL), "file") != 0 ||
           run_file_add(intake->tx, intake->run, n, event, error);
}

static bool incident(struct intake *intake, const json_t *event, GError **error)
{
    return run_incident_tell(intake->tx, intake->row, event, error);
}

/* A sentence for one channel. That there is such a channel was looked at by the runner, by what it was told then. */
static bool message(struct intake *intake, const json_t *event, GError **error)
{
    static const char *const kept[] = {"step", "channel", "text", "template", "values", NULL};
    const char *channel = call_need_string(event, "channel", error);
    const char *text = channel ? call_need_string(event, "text", error) : NULL;
    bool known;
    g_autoptr(json_t) detail = json_object();
    view_copy(detail, event, kept);
    if (!text || !outbox_add_to(intake->tx, channel, "message", json_get_string(intake->row, "incident", NULL),
                                intake->run, detail, &known, error))
        return false;
    g_autofree char *told = known ? g_strdup_printf("told %s: %s", channel, text)
                                  : g_strdup_printf("channel %s was not told: it is not configured any more", channel);
    return run_tell(intake->tx, intake->row, "message", NULL, told, error);
}

static bool set_data(struct intake *intake, const json_t *data, GError **error)
{
    if (!data || json_is_null(data))
        return true;
    g_autofree char *text = json_text(data);
    if (strlen(text) > LIMIT_DATA_BYTES) {
        errors_set(error, ERROR_TOO_LARGE, "the data of the run '%s' is over %d bytes", intake->run, LIMIT_DATA_BYTES);
        return false;
    }
    return store_exec(intake->tx, SQL_RUN_SET_DATA, NULL, error, "ss", intake->run, text);
}

static bool data(struct intake *intake, const json_t *event, GError **error)
{
    return set_data(intake, json_object_get(event, "data"), error);
}

static bool retry(struct intake *intake, const json_t *event, GError **error)
{
    g_autoptr(json_t) step = step_of(intake, event, error);
    return step && run_step_retry(intake->tx, step, json_object_get(event, "error"), error);
}

/* "'Disk is filling up', step clean: failed (2.1 s): exit code 1" */
static bool tell_step(struct intake *intake, const json_t *event, const char *step, const char *result, GError **error)
{
    if (g_strcmp0(result, "not_reached") == 0)
        return true;
    int64_t duration_ms = json_get_integer(event, "duration_ms", -1);
    g_autofree char *took = duration_ms >= 0 ? clock_duration_format(duration_ms) : NULL;
    const char *message = json_get_string(event, "message", NULL);
    if (!message)
        message = json_path_string(event, "error.message");
    g_autofree char *text = g_strdup_printf("\"%s\", step %s: %s%s%s%s%s%s", json_get_string(intake->row, "title", "?"),
                                            step, result, took ? " (" : "", took ? took : "", took ? ")" : "",
                                            message ? ": " : "", message ? message : "");
    if (!run_tell(intake->tx, intake->row, "step", NULL, text, error))
        return false;
    g_autoptr(json_t) detail = json_pack("{s:s, s:s, s:s}", "step", step, "result", result, "text", text);
    return outbox_add(intake->tx, "step_ended", json_get_string(intake->row, "incident", NULL), intake->run, detail,
                      error);
}

static bool step_end(struct intake *intake, const json_t *event, GError **error)
{
    g_autoptr(json_t) step = step_of(intake, event, error);
    const char *result = step ? call_need_string(event, "result", error) : NULL;
    if (!result)
        return false;
    if (!step_result_known(result)) {
        errors_set(error, ERROR_INVALID, "'%s' is not a result of a step", result);
        return false;
    }
    struct run_step_end end = {.result = result,
                               .reason = json_get_string(event, "reason", json_get_string(event, "message", NULL)),
                               .error = json_object_get(event, "error"),
                               .output = json_object_get(event, "output"),
                               .duration_ms = json_get_integer(event, "duration_ms", -1)};
    return run_step_end(intake->tx, step, STEP_EVENT_FINISH, &end, error) &&
           set_data(intake, json_object_get(event, "data"), error) &&
           tell_step(intake, event, json_get_string(step, "id", "?"), result, error);
}

/* The run was about to wait while somebody cancelled it: it ends instead. */
static bool end_cancelled(struct intake *intake, const char *reason, GError **error)
{
    struct run_change change = {.event = RUN_EVENT_CANCEL, .reason = reason, .verified = RUN_VERIFIED_NULL};
    return run_change(intake->tx, intake->row, &change, error);
}

static bool approval(struct intake *intake, const json_t *event, GError **error)
{
    intake->over = true;
    if (!set_data(intake, json_object_get(event, "data"), error))
        return false;
    const char *cancel = json_get_string(intake->row, "cancel_reason", NULL);
    return cancel ? end_cancelled(intake, cancel, error)
                  : approval_request(intake->tx, intake->set, intake->row, event, error);
}

static bool delay(struct intake *intake, const json_t *event, GError **error)
{
    intake->over = true;
    const char *cancel = json_get_string(intake->row, "cancel_reason", NULL);
    if (cancel)
        return end_cancelled(intake, cancel, error);
    int64_t until = json_get_integer(event, "until", 0);
    g_autoptr(json_t) step = step_of(intake, event, error);
    if (!step || !run_step_wait(intake->tx, step, NULL, error))
        return false;
    g_autofree char *when = clock_format(until);
    g_autofree char *text = g_strdup_printf("waits until %s before step %s", when, json_get_string(step, "id", "?"));
    struct run_change change = {.event = RUN_EVENT_WAIT, .wake_at = MAX(until, 1), .text = text};
    return run_change(intake->tx, intake->row, &change, error);
}

static bool run_end(struct intake *intake, const json_t *event, GError **error)
{
    intake->over = true;
    const char *name = json_get_string(event, "state", NULL), *reason = json_get_string(event, "reason", NULL);
    enum run_state state;
    struct run_change change = {.reason = reason, .message = json_get_string(event, "message", NULL)};
    if (!run_state_from_name(name, &state) || !run_event_for_end(state, &change.event)) {
        errors_set(error, ERROR_INVALID, "a runner cannot end a run as '%s'", name ? name : "");
        return false;
    }
    if (reason && !run_reason_known(reason)) {
        errors_set(error, ERROR_INVALID, "'%s' is not a reason of a run's end", reason);
        return false;
    }
    const json_t *verified = json_object_get(event, "verified");
    change.verified = json_is_boolean(verified) ? (enum run_verified)json_is_true(verified) : RUN_VERIFIED_NULL;
    if (!run_change(intake->tx, intake->row, &change, error))
        return false;
    bool verified_end = state == RUN_SUCCEEDED && change.verified == RUN_VERIFIED_TRUE;
    return !verified_end || incident_close_by_run(intake->tx, intake->row, error);
}

static const struct {
    const char *kind;
    bool (*apply)(struct intake *intake, const json_t *event, GError **error);
} kinds[] = {
    {"run_start", nothing}, {"step_start", step_start},
    {"command", command},   {"output", output},
    {"host", host},         {"note", note},
    {"report", report},     {"data", data},
    {"retry", retry},       {"step_end", step_end},
    {"approval", approval}, {"delay", delay},
    {"run_end", run_end},   {"item", item},
    {"message", message},   {"incident", incident},
};

/* --- a batch -------------------------------------------------------------------------------------------------------
 */

/* What the log keeps: not the envelope, not what has a place of its own. */
static json_t *log_body(const char *kind, const json_t *event)
{
    static const char *const elsewhere[] = {"seq", "at", "kind", "step", "data", "output"};
    json_t *body = json_copy((json_t *)event);
    for (size_t i = 0; i < G_N_ELEMENTS(elsewhere); i++)
        json_object_del(body, elsewhere[i]);
    if (strcmp(kind, "output") == 0)
        json_object_del(body, "text");
    if (strcmp(kind, "report") == 0)
        json_object_del(body, "content");
    return body;
}

static bool apply(struct intake *intake, const json_t *event, int64_t attempt, int64_t seq, GError **error)
{
    const char *kind = call_need_string(event, "kind", error);
    if (!kind)
        return false;
    if (intake->over) {
        errors_set(error, ERROR_CONFLICT, "'%s' after the last event of the attempt", kind);
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(kinds[i].kind, kind) != 0)
            continue;
        g_autoptr(json_t) body = log_body(kind, event);
        return store_exec(intake->tx, SQL_EVENT_ADD, NULL, error, "siiissj", intake->run, attempt, seq,
                          (int64_t)json_get_integer(event, "at", clock_now_ms()), kind,
                          json_get_string(event, "step", NULL), body) &&
               kinds[i].apply(intake, event, error);
    }
    errors_set(error, ERROR_INVALID, "there is no event '%s'", kind);
    return false;
}

/* Applies the events after *seq (the last one known); *seq follows. */
static bool apply_all(struct intake *intake, const json_t *events, int64_t attempt, bool mine, int64_t *seq,
                      GError **error)
{
    size_t index;
    json_t *event;
    json_array_foreach (events, index, event) {
        int64_t given = json_get_integer(event, "seq", 0);
        if (given <= *seq && given > 0)
            continue;
        if (!mine) {
            errors_set(error, ERROR_CONFLICT, "the lease is over: the run '%s' is not this worker's any more",
                       intake->run);
            return false;
        }
        if (given != *seq + 1) {
            errors_set(error, ERROR_CONFLICT,
                       "expected event %" G_GINT64_FORMAT " of the run '%s', got %" G_GINT64_FORMAT, *seq + 1,
                       intake->run, given);
            return false;
        }
        if (!apply(intake, event, attempt, given, error))
            return false;
        *seq = given;
    }
    return true;
}

static bool events_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *run = call_need_string(call->request, "run", error);
    const char *lease = run ? call_need_string(call->request, "lease", error) : NULL;
    const json_t *events = json_object_get(json_object_get(call->request, "body"), "events");
    int64_t attempt = call_integer(call->request, "attempt", 0, G_MAXINT32);
    g_autoptr(json_t) row = lease ? run_row(tx, run, error) : NULL;
    if (!row)
        return false;
    if (!json_is_array(events)) {
        errors_set(error, ERROR_INVALID, "'events' is not a list");
        return false;
    }
    bool same_attempt = json_get_integer(row, "attempt", 0) == attempt;
    bool mine =
        same_attempt && run_row_state(row) == RUN_RUNNING && g_strcmp0(json_get_string(row, "lease", NULL), lease) == 0;
    if (!same_attempt) {
        errors_set(error, ERROR_CONFLICT, "the run '%s' is at attempt %d", run,
                   (int)json_get_integer(row, "attempt", 0));
        return false;
    }
    struct intake intake = {.tx = tx, .set = call->set, .row = row, .run = run};
    int64_t last = json_get_integer(row, "last_seq", 0), seq = last;
    if (!apply_all(&intake, events, attempt, mine, &seq, error))
        return false;
    if (seq > last && !store_exec(tx, SQL_RUN_PROGRESS, NULL, error, "sii", run, seq, intake.output_bytes))
        return false;
    call->result = json_pack("{s:I, s:O}", "acked", (json_int_t)seq, "cancel", json_object_get(row, "cancel_reason"));
    return true;
}

static bool has_kind(const json_t *events, const char *kind)
{
    return json_find(events, "kind", kind) != NULL;
}

/* The lease lives on, or is over when the batch had the attempt's last event. */
static void events_after(struct call *call)
{
    const char *lease = call_string(call->request, "lease");
    const json_t *events = json_object_get(json_object_get(call->request, "body"), "events");
    const json_t *last = json_array_get(events, json_array_size(events) - 1);
    const char *kind = json_get_string(last, "kind", "");
    struct run_leases *leases = call->jobs->runs->leases;
    json_object_set_new(call->result, "lease_ms", json_integer(run_leases_touch(leases, lease)));
    run_log_kick(call->jobs->runs->log);
    if (strcmp(kind, "output") != 0) /* the steady stream of a long command concerns nobody outside */
        outbox_kick(call->jobs);
    if (has_kind(events, "incident"))
        delivery_kick(call->jobs);
    bool asked = strcmp(kind, "approval") == 0, delayed = strcmp(kind, "delay") == 0,
         ended = strcmp(kind, "run_end") == 0;
    if (!asked && !delayed && !ended)
        return;
    run_leases_drop(leases, lease);
    if (asked)
        approval_kick(call->jobs);
    if (delayed)
        run_queue_note_wake(call->jobs->runs->queue, json_get_integer(last, "until", 0));
    run_queue_kick(call->jobs); /* a run of the same guard may begin now */
}

void run_events(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, events_job, events_after, done, arg);
}

/* run_local: see run_local.h. Each attempt is one exec; between attempts the run waits for a person or a time, as it
 * would on a server. */
#include "cli/run_local.h"
#include "cli/input_prompt.h"
#include "cli/live.h"
#include "cli/print.h"
#include "cli/run_plan.h"
#include "cli/run_record.h"
#include "cli/terminal.h"
#include "core/clock.h"
#include "core/descriptors.h"
#include "core/errors.h"
#include "core/filename.h"
#include "core/loop.h"
#include "jobs/approval_inputs.h"
#include "runner/exec.h"
#include "runner/tape.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct local {
    const struct run_local_options *options;
    struct loop *loop;
    struct network network;
    struct mask *mask;  /* the secrets that the run has read */
    struct live *live;  /* NULL with --json */
    struct tape *tape;  /* with --record */
    struct world world; /* the tape's, or the pool's */
    json_t *approvals;  /* for the tape */
    json_t *inputs;     /* filled in for the request that stands */
    struct run_record *record;
    struct exec *exec; /* NULL between attempts */
    json_t *plan;      /* of the steps that --plan left, or NULL */
    json_t *job;       /* of the attempt under way */
    struct loop_signal *interrupt, *terminate;
    struct loop_timer *turn;  /* what comes after an attempt; also the end of a delay */
    struct loop_poll *answer; /* the terminal, while a question stands */
    bool cancelled;
    int status;
};

static void start_attempt(struct local *local, json_t *job);

static FILE *talk(const struct local *local)
{
    return local->options->json ? stderr : stdout;
}

static void leave(struct local *local, int status)
{
    local->status = status;
    loop_stop(local->loop);
}

static void go_on(struct local *local)
{
    start_attempt(local, run_record_next_job(local->record));
}

/* --- approvals ------------------------------------------------------------------------------------------------------
 */

static const json_t *waiting_step(const struct local *local)
{
    const char *id = json_get_string(run_record_waiting(local->record), "step", "");
    return json_find(json_object_get(local->job, "steps"), "id", id);
}

static bool approved_by_option(const struct local *local, const char *step)
{
    const GPtrArray *list = local->options->approve;
    for (guint i = 0; list && i < list->len; i++) {
        if (strcmp(list->pdata[i], step) == 0)
            return true;
    }
    return false;
}

static void note_decision(struct local *local, bool approved)
{
    const json_t *event = run_record_waiting(local->record);
    json_t *decision = json_pack("{s:s, s:O, s:O}", "decision", approved ? "approve" : "deny", "hosts",
                                 json_object_get(event, "hosts"), "shows", json_object_get(event, "shows"));
    if (approved && json_object_size(local->inputs) > 0)
        json_object_set(decision, "inputs", local->inputs);
    json_object_set_new(local->approvals, json_get_string(event, "step", ""), decision);
}

static void decide(struct local *local, bool approved)
{
    note_decision(local, approved);
    const struct run_decision decision = {.result = approved ? "approved" : "denied",
                                          .by = g_get_user_name(),
                                          .via = "terminal",
                                          .inputs = local->inputs};
    run_record_decide(local->record, &decision);
    go_on(local);
}

static const json_t *next_input(const struct local *local)
{
    return input_prompt_next(json_object_get(run_record_waiting(local->record), "asks"), local->inputs);
}

/* First what the step asks for, then whether it may run. */
static void print_prompt(const struct local *local)
{
    const json_t *event = run_record_waiting(local->record), *input = next_input(local);
    if (input) {
        input_prompt_print(input, talk(local));
        return;
    }
    g_autofree char *hosts = print_value_text(json_object_get(event, "hosts"));
    fprintf(talk(local), "Run step '%s' on %s? [y/N] ", json_get_string(event, "step", ""), *hosts ? hosts : "no host");
    fflush(talk(local));
}

static void on_answer(void *arg, int events)
{
    (void)events;
    struct local *local = arg;
    char line[INPUT_PROMPT_LINE];
    ssize_t got = read(STDIN_FILENO, line, sizeof line - 1);
    line[MAX(got, 0)] = '\0';
    g_strstrip(line);
    const json_t *input = next_input(local);
    if (input && got > 0) {
        input_prompt_take(input, line, local->options->inventory, local->inputs, talk(local));
        print_prompt(local);
        return;
    }
    g_clear_pointer(&local->answer, loop_poll_free);
    bool yes = g_ascii_strcasecmp(line, "y") == 0 || g_ascii_strcasecmp(line, "yes") == 0;
    fprintf(talk(local), yes ? "approved\n" : "denied\n");
    decide(local, yes);
}

/* Everything that an approver of the server would see: what would run, where, with what. */
static void print_question(const struct local *local, const json_t *step)
{
    const json_t *event = run_record_waiting(local->record);
    FILE *out = talk(local);
    const char *name;
    json_t *value;
    fprintf(out, "\n");
    run_plan_print_text(json_get_string(step, "text", ""), out);
    json_object_foreach (json_object_get(local->job, "params"), name, value) {
        g_autofree char *text = print_value_text(value);
        fprintf(out, "  %s: %s\n", name, text);
    }
    if (local->options->json) /* live printed these already */
        json_object_foreach (json_object_get(event, "shows"), name, value) {
            g_autofree char *shown = print_value_text(value);
            fprintf(out, "  %s: %s\n", name, shown);
        }
}

/* What -i gave of what this step asks for. False: something does not fit, or, when nobody is asked, is missing. */
static bool take_inputs(struct local *local, bool all, GError **error)
{
    const json_t *asks = json_object_get(run_record_waiting(local->record), "asks");
    size_t index;
    json_t *input;
    json_object_clear(local->inputs);
    json_array_foreach (asks, index, input) {
        const char *name = json_get_string(input, "name", "");
        const json_t *given = json_object_get(local->options->inputs, name);
        if (!given && !all)
            continue;
        json_t *value = approval_input_value(input, given, local->options->inventory, error);
        if (!value)
            return false;
        json_object_set_new(local->inputs, name, value);
    }
    return true;
}

static void ask(struct local *local)
{
    const json_t *step = waiting_step(local);
    const char *id = json_get_string(step, "id", "");
    bool approved = approved_by_option(local, id);
    g_autoptr(GError) error = NULL;
    if (!take_inputs(local, approved, &error)) {
        fprintf(stderr, "hikeshi run: step '%s' did not run: %s; it is given as -i NAME=VALUE\n", id, error->message);
        leave(local, run_exit_status("waiting"));
        return;
    }
    if (approved) {
        fprintf(talk(local), "step '%s' is approved by --approve\n", id);
        decide(local, true);
        return;
    }
    if (!isatty(STDIN_FILENO)) {
        fprintf(stderr,
                "hikeshi run: step '%s' needs an approval and there is no terminal to ask on: it did not run.\n"
                "To approve it in advance: --approve %s\n",
                id, id);
        leave(local, run_exit_status("waiting"));
        return;
    }
    print_question(local, step);
    print_prompt(local);
    local->answer = loop_poll_new(local->loop, STDIN_FILENO, on_answer, local);
    loop_poll_set(local->answer, LOOP_READ);
}

/* --- attempts -------------------------------------------------------------------------------------------------------
 */

static void delay(struct local *local)
{
    int64_t left_ms = json_get_integer(run_record_waiting(local->record), "until", 0) - clock_now_ms();
    loop_timer_start(local->turn, (uint64_t)MAX(0, left_ms), 0);
}

/* --plan: what was looked at has been printed; this is what would follow. */
static void show_rest(struct local *local)
{
    local->plan = run_plan_new(run_record_job(local->record));
    if (!local->options->json) {
        printf("\n");
        run_plan_print(local->plan, "what follows was not run", stdout);
    }
    leave(local, run_plan_good(local->plan) ? 0 : 1);
}

/* The attempt has left: what comes next. */
static void after_attempt(struct local *local)
{
    const json_t *waiting = run_record_waiting(local->record);
    if (waiting == NULL)
        leave(local, run_exit_status(json_get_string(run_record_run(local->record), "state", NULL)));
    else if (local->cancelled)
        go_on(local); /* only to cancel it */
    else if (strcmp(json_get_string(waiting, "kind", ""), "plan") == 0)
        show_rest(local);
    else if (strcmp(json_get_string(waiting, "kind", ""), "delay") == 0)
        delay(local);
    else
        ask(local);
}

static void on_turn(void *arg)
{
    struct local *local = arg;
    if (local->exec != NULL) {
        g_clear_pointer(&local->exec, exec_free);
        after_attempt(local);
    } else if (run_record_waiting(local->record)) {
        run_record_waited(local->record);
        go_on(local);
    }
}

/* A file of a name that came before takes its place: another try of the step wrote it. */
static void keep_file(const struct local *local, const json_t *event)
{
    g_autofree char *name = filename_safe(json_get_string(event, "name", ""));
    g_autofree char *path = g_build_filename(local->options->files, name, NULL);
    g_autoptr(GError) error = NULL;
    gsize length;
    g_autofree guchar *bytes = g_base64_decode(json_get_string(event, "content", ""), &length);
    if (!g_file_set_contents(path, (const char *)bytes, (gssize)length, &error))
        fprintf(stderr, "hikeshi run: the file '%s' was not kept: %s\n", name, error->message);
}

static void on_event(void *arg, json_t *event)
{
    struct local *local = arg;
    if (local->options->files && g_strcmp0(json_get_string(event, "report_kind", NULL), "file") == 0)
        keep_file(local, event);
    run_record_event(local->record, event);
    if (local->live)
        live_event(local->live, event);
    exec_acknowledge(local->exec, json_get_integer(event, "seq", 0));
}

static void on_finished(void *arg)
{
    struct local *local = arg;
    loop_timer_start(local->turn, 0, 0);
}

static void start_attempt(struct local *local, json_t *job)
{
    g_autoptr(GError) error = NULL;
    json_decref(local->job);
    local->job = job;
    const struct exec_options options = {.loop = local->loop,
                                         .world = &local->world,
                                         .mask = local->mask,
                                         .read_only = local->options->read_only,
                                         .job = job,
                                         .emit = on_event,
                                         .finished = on_finished,
                                         .arg = local};
    local->exec = exec_new(&options, &error);
    if (local->exec == NULL) {
        fprintf(stderr, "hikeshi run: %s\n", error->message);
        leave(local, errors_exit_status(errors_of(error)));
        return;
    }
    if (local->cancelled) /* first, or it would wait or ask again */
        exec_cancel(local->exec, "person");
    exec_start(local->exec);
}

/* --- Ctrl-C ---------------------------------------------------------------------------------------------------------
 */

static void on_interrupt(void *arg, int signum)
{
    (void)signum;
    struct local *local = arg;
    if (local->cancelled) {
        fprintf(stderr, "\nhikeshi run: left; what ran on hosts may still run\n");
        leave(local, run_exit_status("unknown"));
        return;
    }
    local->cancelled = true;
    fprintf(stderr, "\nhikeshi run: cancelling, and waiting until hosts confirm that it stopped; once more to leave\n");
    if (local->exec != NULL) {
        exec_cancel(local->exec, "person");
        return;
    }
    loop_timer_stop(local->turn);
    g_clear_pointer(&local->answer, loop_poll_free);
    go_on(local);
}

/* --- life -----------------------------------------------------------------------------------------------------------
 */

static void local_init(struct local *local, const struct run_local_options *options)
{
    *local = (struct local){.options = options, .loop = loop_new()};
    local->network = (struct network){.loop = local->loop,
                                      .ssh = ssh_pool_new(local->loop, options->ssh),
                                      .http = http_client_new(local->loop),
                                      .reach = options->reach,
                                      .local = options->exec ? local_pool_new(local->loop) : NULL};
    local->world = world_of_network(&local->network);
    local->mask = mask_new();
    local->approvals = json_object();
    local->inputs = json_object();
    if (options->record) {
        options->record->started_ms = clock_now_ms();
        local->tape = tape_new(local->loop, &local->world);
        local->world = tape_world(local->tape);
    }
    local->record = run_record_new(options->job);
    local->turn = loop_timer_new(local->loop, on_turn, local);
    local->interrupt = loop_signal_new(local->loop, SIGINT, on_interrupt, local);
    local->terminate = loop_signal_new(local->loop, SIGTERM, on_interrupt, local);
    if (!options->json) {
        local->live = live_new(stdout);
        live_alone(local->live);
        live_steps(local->live, json_object_get(options->job, "steps"));
    }
}

static void local_clear(struct local *local)
{
    exec_free(local->exec);
    ssh_pool_free(local->network.ssh);
    http_client_free(local->network.http);
    local_pool_free(local->network.local);
    tape_free(local->tape);
    mask_free(local->mask);
    json_decref(local->approvals);
    json_decref(local->inputs);
    live_free(local->live);
    run_record_free(local->record);
    json_decref(local->job);
    json_decref(local->plan);
    loop_poll_free(local->answer);
    loop_timer_free(local->turn);
    loop_signal_free(local->interrupt);
    loop_signal_free(local->terminate);
    loop_free(local->loop);
}

/* Returns false, after saying why, when the case could not be written. */
static bool write_record(const struct local *local)
{
    struct test_record record = *local->options->record;
    g_autoptr(json_t) heard = tape_hosts(local->tape), hosts = mask_cut_json(local->mask, heard);
    g_autoptr(GError) error = NULL;
    record.job = local->options->job;
    record.run = run_record_run(local->record);
    record.hosts = hosts;
    record.approvals = local->approvals;
    bool written = test_record_write(&record, &error);
    if (written)
        fprintf(talk(local), "recorded as a case in %s\n", record.path);
    else
        fprintf(stderr, "hikeshi run: the run was not recorded: %s\n", error->message);
    return written;
}

/* The run; with --plan also what would follow, as "plan". */
static void print_run(const struct local *local)
{
    g_autoptr(json_t) run = json_copy((json_t *)run_record_run(local->record));
    if (local->options->read_only)
        json_object_set_new(run, "plan", local->plan ? json_incref(local->plan) : json_null());
    print_json(run);
}

int run_local(const struct run_local_options *options)
{
    struct local local;
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise_limit();
    local_init(&local, options);
    start_attempt(&local, json_incref(options->job));
    loop_run(local.loop);
    if (options->json)
        print_run(&local);
    int status = local.status;
    if (options->record && !write_record(&local) && status == 0)
        status = 1;
    local_clear(&local);
    return status;
}

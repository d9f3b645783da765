/* exec: what a job's steps, outcomes and attributes make of a run, as the order of its events; acknowledgements before
 * effects; cancel, time-out, fence. Lua and SSH are fakes. */
#include "core/errors.h"
#include "core/limits.h"
#include "runner/command.h"
#include "runner/exec.h"
#include "runner/exec_private.h"

#include "tests/unit/support.h"

#include "tests/unit/fake_lua.h"
#include "tests/unit/fake_ssh.h"

struct fixture {
    struct loop *loop;
    struct ssh_pool *pool;
    struct network network;
    struct exec *exec;
    json_t *job;
    GString *trace;        /* the events, one word each */
    json_t *last;          /* the last event */
    bool finished, silent; /* silent: acknowledge nothing */
    int64_t seq;
    /* When the event `kind` comes: */
    const char *on;
    void (*react)(struct fixture *fixture);
};

static void trace_event(GString *trace, const json_t *event)
{
    static const char *const shown[] = {"step", "try", "host", "result", "state", "reason"};

    g_string_append_printf(trace, "%s%s", trace->len ? " " : "", json_get_string(event, "kind", "?"));
    for (size_t i = 0; i < G_N_ELEMENTS(shown); i++) {
        g_autofree char *text = json_scalar_text(json_object_get(event, shown[i]));
        if (*text && !(strcmp(shown[i], "try") == 0 && strcmp(text, "1") == 0))
            g_string_append_printf(trace, ":%s", text);
    }
}

static void fixture_emit(void *arg, json_t *event)
{
    struct fixture *fixture = arg;

    assert_int_equal(json_get_integer(event, "seq", 0), ++fixture->seq);
    assert_true(json_get_integer(event, "at", 0) > 0);
    trace_event(fixture->trace, event);
    json_decref(fixture->last);
    fixture->last = json_deep_copy(event);
    if (!fixture->silent)
        exec_acknowledge(fixture->exec, fixture->seq);
    if (fixture->on && strcmp(fixture->on, json_get_string(event, "kind", "")) == 0) {
        fixture->on = NULL;
        fixture->react(fixture);
    }
}

static void nothing(void *arg)
{
    (void)arg;
}

static void fixture_finished(void *arg)
{
    struct fixture *fixture = arg;

    assert_false(fixture->finished);
    fixture->finished = true;
    loop_post(fixture->loop, nothing, NULL); /* the turn that saw it must not wait for more */
}

/* steps: JSON array; hosts h1..h3 (role=web) and db (role=db), `far` is refused, `bastion` a jump host. */
static json_t *job_new(const char *steps, const char *more)
{
    static const char base[] =
        "{'run':'run_1','attempt':1,'elapsed_ms':0,'params':{'host':'h2','days':7,'force':true,'name':'a "
        "b'},'data':{'n':'0'},"
        "'inventory':[{'name':'h1','address':'10.0.0.1','aliases':['one'],'labels':{'role':'web'}},"
        "{'name':'h2','address':'10.0.0.2','labels':{'role':'web'}},{'name':'h3','address':'10.0.0.3','labels':{'role':"
        "'web'}},"
        "{'name':'db','address':'10.0.0.9','labels':{'role':'db'}},"
        "{'name':'bastion','address':'10.0.0.8','labels':{'role':'web'},'jump_only':true}],"
        "'refused_hosts':['far'],'limits':{},'incident':null,'alert':null,'modules':{}}";
    g_autofree char *base_text = g_strdelimit(g_strdup(base), "'", '"');
    g_autofree char *steps_text = g_strdelimit(g_strdup(steps), "'", '"');
    g_autofree char *more_text = g_strdelimit(g_strdup(more ? more : "{}"), "'", '"');
    g_autoptr(GError) error = NULL;
    json_t *job = json_parse(base_text, strlen(base_text), "job", &error);
    json_t *list = json_parse(steps_text, strlen(steps_text), "steps", &error);
    g_autoptr(json_t) extra = json_parse(more_text, strlen(more_text), "more", &error);

    assert_null(error);
    json_object_set_new(job, "steps", list);
    json_object_update(job, extra);
    return job;
}

static void fixture_open(struct fixture *fixture, const char *steps, const char *more)
{
    GError *error = NULL;

    fixture->loop = loop_new();
    fixture->pool = fake_pool_new(fixture->loop);
    fixture->job = job_new(steps, more);
    fixture->trace = g_string_new(NULL);
    fixture->network = (struct network){.loop = fixture->loop, .ssh = fixture->pool};
    const struct world world = world_of_network(&fixture->network);
    struct exec_options options = {.loop = fixture->loop,
                                   .world = &world,
                                   .job = fixture->job,
                                   .emit = fixture_emit,
                                   .finished = fixture_finished,
                                   .arg = fixture};
    fixture->exec = exec_new(&options, &error);
    assert_null(error);
}

static void fixture_close(struct fixture *fixture)
{
    exec_free(fixture->exec);
    fake_pool_free(fixture->pool);
    json_decref(fixture->job);
    json_decref(fixture->last);
    g_string_free(fixture->trace, TRUE);
    loop_free(fixture->loop);
}

static void fixture_run(struct fixture *fixture)
{
    exec_start(fixture->exec);
    while (!fixture->finished)
        loop_step(fixture->loop);
}

static void steps(struct fixture *fixture, int turns)
{
    for (int i = 0; i < turns; i++) {
        loop_post(fixture->loop, nothing, NULL); /* so that a turn never waits */
        loop_step(fixture->loop);
    }
}

/* ---- order of events ---- */

static const struct row {
    const char *why;
    const char *steps, *more;
    const char *trace; /* run_start is left out */
    const char *verified, *sent;
} rows[] = {
    {"two steps", "[{'id':'a','text':'ok'},{'id':'b','text':'ok'}]", NULL,
     "step_start:a step_end:a:ok step_start:b step_end:b:ok run_end:succeeded", "null", ""},
    {"words on hosts by name, a name before another host's address",
     "[{'id':'a','language':'argv','argv':['true','x'],'host_names':['h1','10.0.0.2'],'stop_after':9}]",
     "{'inventory':[{'name':'away','address':'h1'},{'name':'h1','address':'10.0.0.1'},{'name':'h2','address':'10.0.0.2'"
     "}]}",
     "step_start:a command:a:h1 command:a:h2 output:a:h1 host:a:h1:ok output:a:h2 host:a:h2:ok step_end:a:ok "
     "run_end:succeeded",
     "null", "h1:true h2:true"},
    {"words on a host that the run may not reach any more run nowhere",
     "[{'id':'a','language':'argv','argv':['true'],'host_names':['h1','far']}]", NULL,
     "step_start:a step_end:a:failed run_end:failed:step_failed", "null", ""},
    {"a command: intent, then the host", "[{'id':'a','text':'ssh h1 true'}]", NULL,
     "step_start:a command:a:h1 host:a:h1:ok step_end:a:ok run_end:succeeded", "null", "h1:true"},
    {"an alias finds its host", "[{'id':'a','text':'ssh one true'}]", NULL,
     "step_start:a command:a:h1 host:a:h1:ok step_end:a:ok run_end:succeeded", "null", "h1:true"},
    {"an exit code fails the step", "[{'id':'a','text':'ssh h1 false'},{'id':'b','text':'ok'}]", NULL,
     "step_start:a command:a:h1 host:a:h1:failed step_end:a:failed step_end:b:not_reached run_end:failed:step_failed",
     "null", "h1:false"},
    {"lost in a write step: unknown", "[{'id':'a','text':'ssh h1 lost'},{'id':'b','text':'ok'}]", NULL,
     "step_start:a command:a:h1 host:a:h1:unknown step_end:a:unknown "
     "run_end:unknown:step_failed",
     "null", "h1:lost"},
    {"lost in an idempotent step: failed", "[{'id':'a','text':'ssh h1 lost','idempotent':true}]", NULL,
     "step_start:a command:a:h1 host:a:h1:failed step_end:a:failed run_end:failed:step_failed", "null", "h1:lost"},
    {"an unknown host: no command", "[{'id':'a','text':'ssh nope true'}]", NULL,
     "step_start:a step_end:a:failed run_end:failed:step_failed", "null", ""},
    {"a host of others: no command", "[{'id':'a','text':'ssh far true'}]", NULL,
     "step_start:a step_end:a:failed run_end:failed:step_failed", "null", ""},
    {"a mere jump host: no command", "[{'id':'a','text':'ssh bastion true'}]", NULL,
     "step_start:a step_end:a:failed run_end:failed:step_failed", "null", ""},
    {"a host outside the step's filter: no command", "[{'id':'a','hosts':'role=web','text':'ssh db true'}]", NULL,
     "step_start:a step_end:a:failed run_end:failed:step_failed", "null", ""},
    {"the step's host by param", "[{'id':'a','hosts':'$params.host','text':'ssh h2 true; ssh h1 true'}]", NULL,
     "step_start:a command:a:h2 host:a:h2:ok step_end:a:failed run_end:failed:step_failed", "null", "h2:true"},
    {"the filter of one step does not bind the next",
     "[{'id':'a','hosts':'role=web','text':'ssh h1 true'},{'id':'b','text':'ssh db true'}]", NULL,
     "step_start:a command:a:h1 host:a:h1:ok step_end:a:ok step_start:b command:b:db host:b:db:ok step_end:b:ok "
     "run_end:succeeded",
     "null", "h1:true db:true"},
    {"max_hosts counts hosts, not commands", "[{'id':'a','text':'ssh h1 true; ssh h1 true; ssh h2 true'}]",
     "{'limits':{'max_hosts':1}}",
     "step_start:a command:a:h1 host:a:h1:ok command:a:h1 host:a:h1:ok step_end:a:failed run_end:failed:max_hosts",
     "null", "h1:true h1:true"},
    {"when is false", "[{'id':'a','when':'false','text':'ok'},{'id':'b','when':'true','text':'ok'}]", NULL,
     "step_end:a:skipped:when step_start:b step_end:b:ok run_end:succeeded", "null", ""},
    {"when raises", "[{'id':'a','when':'error','text':'ok'}]", NULL,
     "step_start:a step_end:a:failed run_end:failed:step_failed", "null", ""},
    {"skip", "[{'id':'a','text':'skip'},{'id':'b','text':'ok'}]", NULL,
     "step_start:a step_end:a:skipped:skip step_start:b step_end:b:ok run_end:succeeded", "null", ""},
    {"finish skips the rest but always steps",
     "[{'id':'a','text':'finish'},{'id':'b','text':'ok'},{'id':'z','always':true,'text':'ok'}]", NULL,
     "step_start:a step_end:a:ok:finished step_end:b:skipped:finished step_start:z step_end:z:ok run_end:succeeded",
     "null", ""},
    {"attempts: again, then ok", "[{'id':'a','attempts':3,'idempotent':true,'text':'fail check_failed'}]", NULL,
     "step_start:a retry:a step_start:a:2 retry:a:2 step_start:a:3 step_end:a:failed run_end:failed:step_failed",
     "null", ""},
    {"attempts of an idempotent step that was lost", "[{'id':'a','attempts':2,'idempotent':true,'text':'ssh h1 lost'}]",
     NULL,
     "step_start:a command:a:h1 host:a:h1:failed retry:a step_start:a:2 command:a:h1 host:a:2:h1:failed "
     "step_end:a:failed "
     "run_end:failed:step_failed",
     "null", "h1:lost h1:lost"},
    {"tries go on counting after a crash", "[{'id':'a','attempt':1,'idempotent':true,'text':'ok'}]", NULL,
     "step_start:a:2 step_end:a:ok run_end:succeeded", "null", ""},
    {"on_error: continue", "[{'id':'a','on_error':'continue','text':'fail failed'},{'id':'b','text':'ok'}]", NULL,
     "step_start:a step_end:a:failed step_start:b step_end:b:ok run_end:succeeded", "null", ""},
    {"on_error: a handler",
     "[{'id':'a','on_error':'h','text':'fail failed'},{'id':'b','text':'ok'},{'id':'h','handler':true,'text':'ok'}]",
     NULL,
     "step_start:a step_end:a:failed step_start:h step_end:h:ok step_end:b:not_reached run_end:failed:step_failed",
     "null", ""},
    {"a handler that asks people asks them",
     "[{'id':'a','on_error':'h','text':'fail failed'},{'id':'h','handler':true,'approve':'ops','text':'ok'}]", NULL,
     "step_start:a step_end:a:failed approval:h", NULL, ""},
    {"verify", "[{'id':'a','text':'ok'},{'id':'v','verify':true,'text':'ok'}]", NULL,
     "step_start:a step_end:a:ok step_start:v step_end:v:ok run_end:succeeded", "true", ""},
    {"verify fails", "[{'id':'a','text':'ok'},{'id':'v','verify':true,'text':'fail check_failed'}]", NULL,
     "step_start:a step_end:a:ok step_start:v step_end:v:failed run_end:failed:not_verified", "false", ""},
    {"wait leaves", "[{'id':'a','wait_ms':1000,'text':'ok'}]", NULL, "delay:a", NULL, ""},
    {"waited goes on", "[{'id':'a','wait_ms':1000,'waited':true,'text':'ok'}]", NULL,
     "step_start:a step_end:a:ok run_end:succeeded", "null", ""},
    {"wait, then approve", "[{'id':'a','wait_ms':1000,'waited':true,'approve':'ops','text':'ok'}]", NULL, "approval:a",
     NULL, ""},
    {"when is asked before people are", "[{'id':'a','when':'false','approve':'ops','text':'ok'}]", NULL,
     "step_end:a:skipped:when run_end:succeeded", "null", ""},
    {"approved",
     "[{'id':'a','state':'waiting','approve':'ops','hosts':'name=h1','approval':{'state':'approved','hosts':['h1']},'"
     "text':'ssh h1 true'}]",
     NULL, "step_start:a command:a:h1 host:a:h1:ok step_end:a:ok run_end:succeeded", "null", "h1:true"},
    {"approved for other hosts: asked anew",
     "[{'id':'a','state':'waiting','approve':'ops','hosts':'role=web','approval':{'state':'approved','hosts':['h1']},'"
     "text':'ssh h2 true'}]",
     NULL, "approval:a", NULL, ""},
    {"approved, and its hosts are enforced",
     "[{'id':'a','state':'waiting','approve':'ops','hosts':'name=h1','approval':{'state':'approved','hosts':['h1']},'"
     "text':'ssh h2 true'}]",
     NULL, "step_start:a step_end:a:failed run_end:failed:step_failed", "null", ""},
    {"a done step is not run again",
     "[{'id':'a','state':'done','result':'ok','text':'ssh h1 true'},{'id':'b','text':'ok'}]", NULL,
     "step_start:b step_end:b:ok run_end:succeeded", "null", ""},
    {"denied by people: always steps run",
     "[{'id':'a','state':'done','result':'denied'},{'id':'b','text':'ok'},{'id':'z','always':true,'text':'ok'}]", NULL,
     "step_end:b:not_reached step_start:z step_end:z:ok run_end:denied:denied", "null", ""},
    {"a shell step on every host of its filter", "[{'id':'s','language':'sh','hosts':'role=web','text':'true\\n'}]",
     NULL,
     "step_start:s command:s:h1 command:s:h2 command:s:h3 host:s:h1:ok host:s:h2:ok host:s:h3:ok step_end:s:ok "
     "run_end:succeeded",
     "null", "h1:true h2:true h3:true"},
    {"one at once", "[{'id':'s','language':'bash','at_once':1,'hosts':'role=web','text':'true'}]", NULL,
     "step_start:s command:s:h1 host:s:h1:ok command:s:h2 host:s:h2:ok command:s:h3 host:s:h3:ok step_end:s:ok "
     "run_end:succeeded",
     "null", "h1:true h2:true h3:true"},
    {"a write step stops at the first failure",
     "[{'id':'s','language':'sh','at_once':1,'hosts':'role=web','text':'false'}]", NULL,
     "step_start:s command:s:h1 host:s:h1:failed host:s:h2:not_reached host:s:h3:not_reached step_end:s:failed "
     "run_end:failed:step_failed",
     "null", "h1:false"},
    {"a read step tries every host",
     "[{'id':'s','language':'sh','effect':'read','idempotent':true,'at_once':1,'hosts':'name in (h1, "
     "h2)','text':'false'}]",
     NULL,
     "step_start:s command:s:h1 host:s:h1:failed command:s:h2 host:s:h2:failed step_end:s:failed "
     "run_end:failed:step_failed",
     "null", "h1:false h2:false"},
    {"a shell step lost in writing is unknown", "[{'id':'s','language':'sh','hosts':'name=h1','text':'lost'}]", NULL,
     "step_start:s command:s:h1 host:s:h1:unknown step_end:s:unknown run_end:unknown:step_failed", "null", "h1:lost"},
    {"a shell step without hosts runs nowhere", "[{'id':'s','language':'sh','text':'true'}]", NULL,
     "step_start:s step_end:s:failed run_end:failed:step_failed", "null", ""},
    {"a filter that no host matches", "[{'id':'s','language':'sh','hosts':'role=none','text':'true'}]", NULL,
     "step_start:s step_end:s:failed run_end:failed:step_failed", "null", ""},
    {"a shell step over more hosts than allowed runs nowhere",
     "[{'id':'s','language':'sh','hosts':'role=web','text':'true'}]", "{'limits':{'max_hosts':2}}",
     "step_start:s step_end:s:failed run_end:failed:max_hosts", "null", ""},
    {"max_percent of four hosts", "[{'id':'s','language':'sh','hosts':'role=web','text':'true'}]",
     "{'limits':{'max_percent':50}}", "step_start:s step_end:s:failed run_end:failed:max_hosts", "null", ""},
};

static void tells_events_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct fixture fixture = {0};
        g_autofree char *expected = g_strconcat("run_start ", rows[i].trace, NULL);

        fixture_open(&fixture, rows[i].steps, rows[i].more);
        fixture_run(&fixture);
        if (strcmp(fixture.trace->str, expected) != 0)
            row_failed(rows[i].why, "expected %s\n     got %s", expected, fixture.trace->str);
        if (strcmp(fixture.pool->sent->str, rows[i].sent) != 0)
            row_failed(rows[i].why, "expected commands %s, got %s", rows[i].sent, fixture.pool->sent->str);
        if (rows[i].verified) {
            g_autofree char *verified = json_dumps(json_object_get(fixture.last, "verified"), JSON_ENCODE_ANY);
            if (strcmp(verified, rows[i].verified) != 0)
                row_failed(rows[i].why, "expected verified %s, got %s", rows[i].verified, verified);
        }
        fixture_close(&fixture);
    }
}

/* ---- stops ---- */

static void react_cancel(struct fixture *fixture)
{
    exec_cancel(fixture->exec, "person");
}

static void react_cancel_twice(struct fixture *fixture)
{
    exec_cancel(fixture->exec, "person");
    exec_cancel(fixture->exec, "stopped");
}

static void react_deadline(struct fixture *fixture)
{
    loop_timer_start(fixture->exec->deadline, 0, 0);
}

static void react_fence(struct fixture *fixture)
{
    exec_fence(fixture->exec);
}

static const struct stop_row {
    const char *why;
    const char *steps, *more, *on;
    void (*react)(struct fixture *fixture);
    const char *trace;
} stop_rows[] = {
    {"cancel while Lua runs", "[{'id':'a','text':'hang'},{'id':'b','text':'ok'}]", NULL, "step_start", react_cancel,
     "step_start:a step_end:a:cancelled step_end:b:not_reached run_end:cancelled:person"},
    {"the first reason counts", "[{'id':'a','text':'hang'}]", NULL, "step_start", react_cancel_twice,
     "step_start:a step_end:a:cancelled run_end:cancelled:person"},
    {"cancel before the command was sent: it is not sent", "[{'id':'a','text':'ssh h1 true'}]", NULL, "command",
     react_cancel, "step_start:a command:a:h1 host:a:h1:cancelled step_end:a:cancelled run_end:cancelled:person"},
    {"cancel in retry_delay",
     "[{'id':'a','attempts':2,'idempotent':true,'retry_delay_ms':100000,'text':'fail failed'}]", NULL, "retry",
     react_cancel, "step_start:a retry:a step_end:a:cancelled run_end:cancelled:person"},
    {"cancel: after is a point of no return",
     "[{'id':'a','cancel_after':true,'text':'ssh h1 true'},{'id':'b','text':'ok'}]", NULL, "step_start", react_cancel,
     "step_start:a command:a:h1 host:a:h1:ok step_end:a:ok step_end:b:not_reached run_end:cancelled:person"},
    {"an always step under way is not cut", "[{'id':'z','always':true,'text':'ssh h1 true'},{'id':'b','text':'ok'}]",
     NULL, "step_start", react_cancel,
     "step_start:z command:z:h1 host:z:h1:ok step_end:z:ok step_end:b:not_reached run_end:cancelled:person"},
    {"cancel of the last step that ends well all the same", "[{'id':'a','text':'stubborn'}]", NULL, "step_start",
     react_cancel, "step_start:a step_end:a:ok run_end:succeeded"},
    {"cancel in a nap", "[{'id':'a','text':'nap 100000'}]", NULL, "step_start", react_cancel,
     "step_start:a step_end:a:cancelled run_end:cancelled:person"},
    {"cancel in a shell step: running ones stop, others do not start",
     "[{'id':'s','language':'sh','at_once':1,'hosts':'role=web','text':'true'}]", NULL, "host", react_cancel,
     "step_start:s command:s:h1 host:s:h1:ok command:s:h2 host:s:h2:cancelled host:s:h3:not_reached "
     "step_end:s:cancelled "
     "run_end:cancelled:person"},
    {"the run's time is over", "[{'id':'a','text':'hang'},{'id':'z','always':true,'text':'ok'}]", NULL, "step_start",
     react_deadline, "step_start:a step_end:a:timed_out step_start:z step_end:z:ok run_end:failed:timed_out"},
    {"the run's time was over before it went on", "[{'id':'a','text':'ok'}]",
     "{'limits':{'timeout_ms':1000},'elapsed_ms':1000}", NULL, NULL, "step_end:a:not_reached run_end:failed:timed_out"},
    {"a shell step's time is over", "[{'id':'s','language':'sh','timeout_ms':1,'hosts':'name=h1','text':'hang'}]", NULL,
     NULL, NULL, "step_start:s command:s:h1 host:s:h1:timed_out step_end:s:timed_out run_end:failed:timed_out"},
    {"fenced while Lua runs: not a word more", "[{'id':'a','text':'hang'},{'id':'z','always':true,'text':'ok'}]", NULL,
     "step_start", react_fence, "step_start:a"},
    {"fenced before a command was sent", "[{'id':'a','text':'ssh h1 true'}]", NULL, "command", react_fence,
     "step_start:a command:a:h1"},
    {"fenced in retry_delay",
     "[{'id':'a','attempts':2,'idempotent':true,'retry_delay_ms':100000,'text':'fail failed'}]", NULL, "retry",
     react_fence, "step_start:a retry:a"},
    {"fenced between steps", "[{'id':'a','text':'ok'},{'id':'b','text':'ok'}]", NULL, "step_end", react_fence,
     "step_start:a step_end:a:ok"},
};

static void stops_where_it_stands(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(stop_rows); i++) {
        const struct stop_row *row = &stop_rows[i];
        struct fixture fixture = {.on = row->on, .react = row->react};
        g_autofree char *expected = g_strconcat("run_start ", row->trace, NULL);

        fixture_open(&fixture, row->steps, row->more);
        fixture_run(&fixture);
        if (strcmp(fixture.trace->str, expected) != 0)
            row_failed(row->why, "expected %s\n     got %s", expected, fixture.trace->str);
        fixture_close(&fixture);
    }
}

/* A cancel that comes while the command runs on the host. */
static void cancel_stops_the_command(void **state)
{
    struct fixture fixture = {0};

    (void)state;
    fixture_open(&fixture, "[{'id':'a','text':'ssh h1 hang'},{'id':'z','always':true,'text':'ok'}]", NULL);
    exec_start(fixture.exec);
    while (fixture.pool->sent->len == 0)
        steps(&fixture, 1);
    exec_cancel(fixture.exec, "incident_resolved");
    while (!fixture.finished)
        loop_step(fixture.loop);
    assert_string_equal(fixture.trace->str,
                        "run_start step_start:a command:a:h1 host:a:h1:cancelled step_end:a:cancelled "
                        "step_start:z step_end:z:ok run_end:cancelled:incident_resolved");
    fixture_close(&fixture);
}

/* An interrupt spares what a defer function waits for; the fence does not, and nothing new is sent after it. */
static void a_fence_stops_what_defer_started(void **state)
{
    struct fixture fixture = {0};

    (void)state;
    fixture_open(&fixture, "[{'id':'a','text':'defer; ssh h1 hang'}]", NULL);
    exec_start(fixture.exec);
    while (fixture.pool->sent->len == 0)
        steps(&fixture, 1);
    exec_fence(fixture.exec);
    steps(&fixture, 50);
    assert_true(fixture.finished);
    assert_string_equal(fixture.trace->str, "run_start step_start:a command:a:h1");
    fixture_close(&fixture);
}

static void ended_with(void *arg, json_t *result, const GError *error)
{
    (void)result;
    *(int *)arg = error ? (int)errors_of(error) : 0;
}

static void start_on_h1(struct fixture *fixture, const char *word, struct op *op)
{
    g_autoptr(json_t) argv = json_pack("[s]", word);
    struct command_request request = {.host = json_array_get(json_object_get(fixture->job, "inventory"), 0),
                                      .argv = argv};

    command_start(fixture->exec, &request, op);
}

static void fenced_sends_nothing_new(void **state)
{
    struct fixture fixture = {0};
    int code = 0;
    struct op *op = op_new(ended_with, &code);

    (void)state;
    fixture_open(&fixture, "[{'id':'a','text':'defer; hang'}]", NULL);
    exec_start(fixture.exec);
    steps(&fixture, 20);
    exec_fence(fixture.exec);
    start_on_h1(&fixture, "true", op);
    assert_int_equal(code, ERROR_CANCELLED);
    op_unref(op);
    fixture_close(&fixture);
}

/* Starts a run whose first step leaves a command behind that is being stopped: the step's grace was over before that
 * was seen. */
static void leave_a_command(struct fixture *fixture, const char *job_steps)
{
    struct op *op = op_new(NULL, NULL);

    fixture_open(fixture, job_steps, NULL);
    exec_start(fixture->exec);
    while (!strstr(fixture->trace->str, "step_start:a"))
        steps(fixture, 1);
    start_on_h1(fixture, "linger", op);
    while (fixture->pool->sent->len == 0)
        steps(fixture, 1);
    op_abandon(op);
    op_unref(op);
    lua_run_interrupt(fixture->exec->lua, ERROR_TIMEOUT);
}

/* Its end is on the record of its own step, whatever runs then; what it still says is not. */
static void a_command_outlives_its_step(void **state)
{
    static const struct {
        const char *steps, *trace, *why;
    } cases[] = {
        {"[{'id':'a','on_error':'continue','text':'hang'},{'id':'b','text':'hang'}]",
         "run_start step_start:a command:a:h1 step_end:a:timed_out step_start:b host:a:h1:cancelled",
         "the next step runs"},
        {"[{'id':'a','attempts':2,'text':'hang'}]",
         "run_start step_start:a command:a:h1 retry:a step_start:a:2 host:a:h1:cancelled", "the next try runs"},
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct fixture fixture = {0};
        leave_a_command(&fixture, cases[i].steps);
        steps(&fixture, 30);
        fake_pool_release(fixture.pool);
        if (strcmp(fixture.trace->str, cases[i].trace) != 0)
            row_failed(cases[i].why, "got %s", fixture.trace->str);
        assert_true(json_is_true(json_object_get(fixture.last, "stopped")));
        assert_int_equal(json_get_integer(fixture.last, "try", 0), 1);
        fixture_close(&fixture);
    }
}

/* The attempt's last event waits for it. */
static void a_command_outlives_the_last_step(void **state)
{
    static const struct {
        const char *steps, *before, *after, *why;
    } cases[] = {
        {"[{'id':'a','text':'hang'}]", "run_start step_start:a command:a:h1 step_end:a:timed_out",
         " host:a:h1:cancelled run_end:failed:timed_out", "the run ends"},
        {"[{'id':'a','on_error':'continue','text':'hang'},{'id':'b','approve':'ops','hosts':'name=h1','text':'ok'}]",
         "run_start step_start:a command:a:h1 step_end:a:timed_out", " host:a:h1:cancelled approval:b",
         "the run waits for people"},
        {"[{'id':'a','on_error':'continue','text':'hang'},{'id':'b','wait_ms':1000,'text':'ok'}]",
         "run_start step_start:a command:a:h1 step_end:a:timed_out", " host:a:h1:cancelled delay:b",
         "the run waits for a time"},
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct fixture fixture = {0};
        leave_a_command(&fixture, cases[i].steps);
        while (fixture.exec->phase != PHASE_LEAVING)
            steps(&fixture, 1);
        steps(&fixture, 20);
        assert_string_equal(fixture.trace->str, cases[i].before);
        assert_false(fixture.finished);
        exec_cancel(fixture.exec, "person"); /* comes too late */
        steps(&fixture, 20);
        fake_pool_release(fixture.pool);
        while (!fixture.finished)
            steps(&fixture, 1);
        g_autofree char *whole = g_strconcat(cases[i].before, cases[i].after, NULL);
        if (strcmp(fixture.trace->str, whole) != 0)
            row_failed(cases[i].why, "got %s", fixture.trace->str);
        fixture_close(&fixture);
    }
}

/* A fence waits for nothing, and an exec that is freed leaves nobody to tell. */
static void a_command_outlives_its_run(void **state)
{
    (void)state;
    for (int freed = 0; freed < 2; freed++) {
        struct fixture fixture = {0};
        leave_a_command(&fixture, "[{'id':'a','text':'hang'}]");
        while (fixture.exec->phase != PHASE_LEAVING)
            steps(&fixture, 1);
        if (freed) {
            exec_free(g_steal_pointer(&fixture.exec));
        } else {
            exec_fence(fixture.exec);
            while (!fixture.finished)
                steps(&fixture, 1);
        }
        fake_pool_release(fixture.pool);
        steps(&fixture, 20);
        assert_string_equal(fixture.trace->str, "run_start step_start:a command:a:h1 step_end:a:timed_out");
        fixture_close(&fixture);
    }
}

static void cancelled_before_the_start(void **state)
{
    struct fixture fixture = {0};

    (void)state;
    fixture_open(&fixture, "[{'id':'a','approve':'ops','text':'ok'},{'id':'z','always':true,'text':'ok'}]", NULL);
    exec_cancel(fixture.exec, "person");
    fixture_run(&fixture);
    assert_string_equal(fixture.trace->str,
                        "run_start step_end:a:not_reached step_start:z step_end:z:ok run_end:cancelled:person");
    fixture_close(&fixture);
}

/* ---- acknowledgements ---- */

static void a_command_waits_for_its_intent(void **state)
{
    struct fixture fixture = {.silent = true};

    (void)state;
    fixture_open(&fixture, "[{'id':'a','text':'ssh h1 true'}]", NULL);
    exec_start(fixture.exec);
    while (fixture.seq < 3)
        steps(&fixture, 1);
    assert_string_equal(fixture.trace->str, "run_start step_start:a command:a:h1");
    steps(&fixture, 20);
    assert_string_equal(fixture.pool->sent->str, "");
    exec_acknowledge(fixture.exec, 2);
    steps(&fixture, 20);
    assert_string_equal(fixture.pool->sent->str, "");
    exec_acknowledge(fixture.exec, 3);
    while (!fixture.finished)
        loop_step(fixture.loop);
    assert_string_equal(fixture.pool->sent->str, "h1:true");
    fixture_close(&fixture);
}

static void a_checkpoint_waits_to_be_stored(void **state)
{
    struct fixture fixture = {.silent = true};

    (void)state;
    fixture_open(&fixture, "[{'id':'a','text':'data 5; point; fail failed'}]", NULL);
    exec_start(fixture.exec);
    while (fixture.seq < 3)
        steps(&fixture, 1);
    assert_string_equal(json_path_string(fixture.last, "data.n"), "5");
    steps(&fixture, 20);
    assert_int_equal(fixture.seq, 3);
    exec_acknowledge(fixture.exec, 3);
    while (!fixture.finished)
        loop_step(fixture.loop);
    fixture_close(&fixture);
}

static void freed_in_the_middle(void **state)
{
    static const char *const jobs[] = {"[{'id':'a','text':'hang'}]", "[{'id':'a','text':'nap 100000'}]",
                                       "[{'id':'a','text':'ssh h1 hang'}]",
                                       "[{'id':'s','language':'sh','hosts':'role=web','text':'hang'}]"};

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(jobs); i++)
        for (int silent = 0; silent < 2; silent++) {
            struct fixture fixture = {.silent = silent};
            fixture_open(&fixture, jobs[i], NULL);
            exec_start(fixture.exec);
            steps(&fixture, 30);
            exec_free(g_steal_pointer(&fixture.exec));
            steps(&fixture, 5);
            fixture_close(&fixture);
        }
}

/* ---- contents ---- */

static void passes_data_on(void **state)
{
    struct fixture fixture = {0};

    (void)state;
    fixture_open(
        &fixture,
        "[{'id':'a','text':'data "
        "7'},{'id':'b','approve':'ops','hosts':'role=web','shows':['data.n','params.days','data.x'],'text':'ok'}]",
        NULL);
    fixture_run(&fixture);
    g_autofree char *text = json_text(fixture.last);
    assert_non_null(strstr(text, "\"data\":{\"n\":\"7\"}"));
    assert_non_null(strstr(text, "\"hosts\":[\"h1\",\"h2\",\"h3\"]"));
    assert_non_null(strstr(text, "\"shows\":{\"data.n\":\"7\",\"data.x\":null,\"params.days\":7}"));
    assert_non_null(strstr(text, "\"policy\":\"ops\""));
    fixture_close(&fixture);
}

static void shell_steps_get_params(void **state)
{
    struct fixture fixture = {0};

    (void)state;
    fixture_open(&fixture, "[{'id':'s','language':'sh','hosts':'$params.host','sudo':'true','text':'true'}]", NULL);
    fixture_run(&fixture);
    assert_string_equal(json_path_string(fixture.pool->env, "PARAM_HOST"), "h2");
    assert_string_equal(json_path_string(fixture.pool->env, "PARAM_DAYS"), "7");
    assert_string_equal(json_path_string(fixture.pool->env, "PARAM_FORCE"), "true");
    assert_string_equal(json_path_string(fixture.pool->env, "PARAM_NAME"), "a b");
    assert_string_equal(fixture.pool->sudo, "root");
    fixture_close(&fixture);
}

static void a_language_that_nobody_runs(void **state)
{
    g_autoptr(json_t) job = job_new("[{'id':'p','language':'perl','text':''}]", NULL);
    struct exec_options options = {.job = job};
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_null(exec_new(&options, &error));
    assert_string_equal(error->message, "step 'p' is in 'perl', which this runner does not run");
}

/* services.def and the table of services.c name the same services in the same order. */
static void services_are_the_contract(void **state)
{
    static const char *const names[] = {
#define X(name, what) name,
#include "lua/services.def"
#undef X
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        assert_string_equal(services_name(i), names[i]);
    assert_null(services_name(G_N_ELEMENTS(names)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_events_in_order),
        cmocka_unit_test(stops_where_it_stands),
        cmocka_unit_test(cancel_stops_the_command),
        cmocka_unit_test(a_fence_stops_what_defer_started),
        cmocka_unit_test(fenced_sends_nothing_new),
        cmocka_unit_test(a_command_outlives_its_step),
        cmocka_unit_test(a_command_outlives_the_last_step),
        cmocka_unit_test(a_command_outlives_its_run),
        cmocka_unit_test(cancelled_before_the_start),
        cmocka_unit_test(a_command_waits_for_its_intent),
        cmocka_unit_test(a_checkpoint_waits_to_be_stored),
        cmocka_unit_test(freed_in_the_middle),
        cmocka_unit_test(passes_data_on),
        cmocka_unit_test(shell_steps_get_params),
        cmocka_unit_test(a_language_that_nobody_runs),
        cmocka_unit_test(services_are_the_contract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

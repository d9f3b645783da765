/* engine_support: a control plane in a temporary folder for tests of runs, approvals and schedules: real store and
 * loop, a catalog set by hand, a runner that the test plays by calling the protocol's functions. */
#ifndef TESTS_UNIT_ENGINE_SUPPORT_H
#define TESTS_UNIT_ENGINE_SUPPORT_H

#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/approval.h"
#include "jobs/catalog.h"
#include "jobs/feed.h"
#include "jobs/incident.h"
#include "jobs/job.h"
#include "jobs/jobs.h"
#include "jobs/outbox.h"
#include "jobs/policy.h"
#include "jobs/run.h"
#include "jobs/run_private.h"
#include "jobs/schedule.h"
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

/* --- parts of the control plane that these tests do not need ---------------------------------------------------------
 */

#define FAKE __attribute__((weak))

struct catalog {
    struct catalog_set *set;
};

FAKE struct catalog_set *catalog_set_ref(struct catalog_set *set)
{
    return set;
}

FAKE void catalog_set_unref(struct catalog_set *set)
{
    (void)set;
}

FAKE struct catalog_set *catalog_current(struct catalog *catalog)
{
    return catalog->set;
}

FAKE const struct runbook *catalog_set_runbook(const struct catalog_set *set, const char *id)
{
    for (guint i = 0; i < set->runbooks->len; i++)
        if (strcmp(((struct runbook *)set->runbooks->pdata[i])->id, id) == 0)
            return set->runbooks->pdata[i];
    return NULL;
}

FAKE json_t *catalog_set_modules(const struct catalog_set *set, const char *repository)
{
    (void)repository;
    return set->modules;
}

FAKE void outbox_kick(struct jobs *jobs)
{
    (void)jobs;
}

static gint engine_end_fails; /* 1: the next write that ends a run is refused */

FAKE bool outbox_add(struct store_tx *tx, const char *event, const char *incident, const char *run, json_t *detail,
                     GError **error)
{
    (void)tx, (void)incident, (void)run, (void)detail;
    if (strcmp(event, "run_ended") != 0 || !g_atomic_int_compare_and_exchange(&engine_end_fails, 1, 0))
        return true;
    errors_set(error, ERROR_STORE, "the test refuses this write");
    return false;
}

FAKE bool outbox_add_to(struct store_tx *tx, const char *channel, const char *event, const char *incident,
                        const char *run, json_t *detail, bool *ret_known, GError **error)
{
    (void)channel;
    *ret_known = true;
    return outbox_add(tx, event, incident, run, detail, error);
}

FAKE json_t *outbox_channels(struct jobs *jobs, const char *source)
{
    (void)jobs, (void)source;
    return json_object();
}

FAKE bool incident_timeline_add(struct store_tx *tx, const char *incident, const char *kind, const char *actor,
                                const char *text, const char *run, GError **error)
{
    (void)tx, (void)incident, (void)kind, (void)actor, (void)text, (void)run, (void)error;
    return true;
}

/* --- the control plane
 * ------------------------------------------------------------------------------------------------ */

struct engine {
    char *folder;
    struct jobs jobs;
    struct catalog catalog;
    struct catalog_set set;
};

static inline void engine_open(struct engine *engine)
{
    g_autoptr(GError) error = NULL;
    struct jobs *jobs = &engine->jobs;
    jobs->store = store_open(jobs->loop, engine->folder, &error);
    assert_null(error);
    jobs->feed = feed_new();
    jobs->runs = run_service_new(jobs, &error);
    assert_null(error);
    jobs->approvals = approval_service_new(jobs, &error);
    assert_null(error);
}

static inline void engine_close(struct engine *engine)
{
    struct jobs *jobs = &engine->jobs;
    store_close(jobs->store);
    schedule_service_free(jobs->schedules);
    approval_service_free(jobs->approvals);
    run_service_free(jobs->runs);
    feed_free(jobs->feed);
    jobs->schedules = NULL;
}

/* As after kill -9, but for what was committed. */
static inline void engine_reopen(struct engine *engine)
{
    engine_close(engine);
    engine_open(engine);
}

static inline int engine_setup(void **state)
{
    struct engine *engine = g_new0(struct engine, 1);
    crypto_init();
    engine->folder = g_dir_make_tmp("hikeshi-engine-XXXXXX", NULL);
    engine->set.runbooks = g_ptr_array_new_with_free_func((GDestroyNotify)runbook_free);
    engine->set.inventory =
        json_pack("[{s:s, s:s, s:{s:s}}, {s:s, s:s, s:{s:s}, s:s}, {s:s, s:s, s:{s:s}}]", "name", "bastion", "address",
                  "203.0.113.5", "labels", "role", "bastion", "name", "db-1", "address", "10.0.0.1", "labels", "role",
                  "db", "jump", "bastion", "name", "web-1", "address", "10.0.0.2", "labels", "role", "web");
    engine->set.policies = json_pack("{s:{}, s:{}}", "teams", "policies");
    engine->catalog.set = &engine->set;
    engine->jobs.loop = loop_new();
    engine->jobs.catalog = &engine->catalog;
    engine->jobs.data_folder = engine->folder;
    engine->jobs.base_url = (char *)"http://hikeshi.test";
    engine_open(engine);
    *state = engine;
    return 0;
}

static inline int engine_teardown(void **state)
{
    struct engine *engine = *state;
    clock_set_fake(-1);
    engine_close(engine);
    loop_step(engine->jobs.loop);
    loop_free(engine->jobs.loop);
    g_ptr_array_unref(engine->set.runbooks);
    json_decref(engine->set.inventory);
    json_decref(engine->set.policies);
    GDir *dir = g_dir_open(engine->folder, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(engine->folder, name, NULL);
        g_remove(path);
    }
    g_dir_close(dir);
    g_rmdir(engine->folder);
    g_free(engine->folder);
    g_free(engine);
    return 0;
}

/* Puts a runbook into service: markdown, whose front matter (`front`: lines, may be "") and steps are the test's. */
static inline struct runbook *engine_add_runbook(struct engine *engine, const char *id, const char *front,
                                                 const char *steps)
{
    g_autoptr(finding_list) findings = finding_list_new();
    g_autofree char *path = g_strdup_printf("runbooks/%s.md", id);
    g_autofree char *text =
        g_strdup_printf("---\nhikeshi: 1\nid: %s\nowner: storage\n%s---\n# Title of %s\n\n%s", id, front, id, steps);
    struct runbook *runbook = runbook_parse(path, text, strlen(text), findings);
    for (size_t i = 0; !runbook && i < finding_count(findings); i++) {
        g_autofree char *line = finding_to_text(finding_at(findings, i));
        print_error("%s\n", line);
    }
    assert_non_null(runbook);
    runbook->repository = g_strdup("ops");
    runbook->commit = g_strdup("c0ffee");
    g_ptr_array_add(engine->set.runbooks, runbook);
    return runbook;
}

/* --- calling ---------------------------------------------------------------------------------------------------------
 */

struct answer {
    bool done;
    json_t *result;
    int error; /* error_code, 0 = none */
    char *message;
};

static inline void take_answer(void *arg, json_t *result, const GError *error)
{
    struct answer *answer = arg;
    answer->done = true;
    answer->result = json_incref(result);
    answer->error = error ? errors_of(error) : 0;
    answer->message = error ? g_strdup(error->message) : NULL;
}

static inline void answer_clear(struct answer *answer)
{
    json_decref(answer->result);
    g_free(answer->message);
    *answer = (struct answer){0};
}

static const struct actor operator_actor = {.kind = "token", .name = "olga", .role = ROLE_OPERATOR, .via = "api"};

/* Calls and runs the loop until the answer is there. Takes request. */
static inline struct answer call_as(struct engine *engine, jobs_fn fn, json_t *request, const struct actor *actor)
{
    struct answer answer = {0};
    fn(&engine->jobs, request, actor, take_answer, &answer);
    json_decref(request);
    while (!answer.done)
        loop_step(engine->jobs.loop);
    return answer;
}

/* The answer must be a result. New reference. */
static inline json_t *call_ok(struct engine *engine, jobs_fn fn, json_t *request)
{
    struct answer answer = call_as(engine, fn, request, &operator_actor);
    if (answer.error)
        fail_msg("%s", answer.message);
    json_t *result = json_incref(answer.result);
    answer_clear(&answer);
    return result;
}

/* The answer must be this error. */
static inline void call_refused(struct engine *engine, jobs_fn fn, json_t *request, int error)
{
    struct answer answer = call_as(engine, fn, request, &operator_actor);
    if (answer.error != error)
        fail_msg("expected %s, got %s: %s", errors_code(error), answer.error ? errors_code(answer.error) : "a result",
                 answer.message ? answer.message : "");
    answer_clear(&answer);
}

static inline bool nothing_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)tx, (void)arg, (void)error;
    return true;
}

static inline void nothing_done(void *arg, const GError *error)
{
    assert_null(error);
    *(bool *)arg = true;
}

/* Runs the loop until every write that was asked for is on disk. */
static inline void settle_writes(struct engine *engine)
{
    bool done = false;
    store_write(engine->jobs.store, STORE_BACKGROUND, nothing_job, nothing_done, &done);
    while (!done)
        loop_step(engine->jobs.loop);
}

/* --- the runner's part -----------------------------------------------------------------------------------------------
 */

/* How long polls, unconfirmed and confirmed leases live: polls from now on, and every lease. */
static inline void engine_set_times(struct engine *engine, int64_t poll_ms, int64_t confirm_ms, int64_t lease_ms)
{
    run_queue_set_poll_ms(engine->jobs.runs->queue, poll_ms);
    run_leases_set_times(engine->jobs.runs->leases, confirm_ms, lease_ms);
}

/* Starts a run by hand and returns its id. */
static inline char *start_run(struct engine *engine, const char *runbook)
{
    g_autoptr(json_t) run = call_ok(engine, run_start_request, json_pack("{s:{s:s}}", "body", "runbook", runbook));
    return g_strdup(json_get_string(run, "id", NULL));
}

static inline json_t *poll_job(struct engine *engine)
{
    return call_ok(engine, run_lease,
                   json_pack("{s:{s:s, s:s, s:i}}", "body", "runner", "local", "worker", "w1", "slots", 1));
}

/* The request that names a job's lease; more keys may be added to its body. */
static inline json_t *of_job(const json_t *job)
{
    return json_pack("{s:{s:O, s:O, s:O, s:s}}", "body", "lease", json_object_get(job, "lease"), "run",
                     json_object_get(job, "run"), "attempt", json_object_get(job, "attempt"), "worker", "w1");
}

/* A job, confirmed. */
static inline json_t *take_job(struct engine *engine)
{
    json_t *job = poll_job(engine);
    assert_non_null(job);
    json_decref(call_ok(engine, run_confirm, of_job(job)));
    return job;
}

/* events: JSON text of a list; takes the request's place in one call. */
static inline json_t *events_request(const json_t *job, const char *events)
{
    g_autoptr(GError) error = NULL;
    json_t *request = of_job(job), *list = json_parse(events, strlen(events), "events", &error);
    assert_null(error);
    json_object_set_new(json_object_get(request, "body"), "events", list);
    return request;
}

static inline json_t *send_events(struct engine *engine, const json_t *job, const char *events)
{
    return call_ok(engine, run_events, events_request(job, events));
}

static inline json_t *get_run(struct engine *engine, const char *id)
{
    return call_ok(engine, run_get, json_pack("{s:s}", "id", id));
}

static inline void assert_run(struct engine *engine, const char *id, const char *state, const char *reason)
{
    g_autoptr(json_t) run = get_run(engine, id);
    assert_string_equal(json_get_string(run, "state", ""), state);
    assert_string_equal(json_get_string(run, "reason", ""), reason);
}

/* Runs the loop until the run is in this state. */
static inline void await_run(struct engine *engine, const char *id, const char *state)
{
    for (;;) {
        g_autoptr(json_t) run = get_run(engine, id);
        if (strcmp(json_get_string(run, "state", ""), state) == 0)
            return;
        loop_step(engine->jobs.loop);
    }
}

static inline const json_t *step_at(const json_t *run, size_t index)
{
    return json_array_get(json_object_get(run, "steps"), index);
}

#endif

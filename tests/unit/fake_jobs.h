/* fake_jobs: stands in for jobs/ under web/: records what a route asked, answers what the test says. Weak, so that a
 * test program that also needs the real parts links. Include once, from a test's only file. */
#ifndef TESTS_UNIT_FAKE_JOBS_H
#define TESTS_UNIT_FAKE_JOBS_H

#include "core/errors.h"
#include "jobs/approval.h"
#include "jobs/catalog.h"
#include "jobs/catalog_api.h"
#include "jobs/delivery.h"
#include "jobs/feed.h"
#include "jobs/hosts_exec.h"
#include "jobs/incident.h"
#include "jobs/outbox.h"
#include "jobs/run.h"
#include "jobs/run_file.h"
#include "jobs/run_reap.h"
#include "jobs/schedule.h"
#include "jobs/token.h"
#include <string.h>

#define FAKE __attribute__((weak))

static struct {
    const char *called;  /* the function asked last */
    json_t *request;     /* with this */
    char *actor;         /* by this one: "name/role" */
    json_t *result;      /* what it answers; NULL = 204 */
    int code;            /* or this error; -1 = none */
    int refreshes;       /* of the token table */
    char *late_token;    /* known only after a refresh */
    const char *revoked; /* a token that is no longer good */
    int ready;
    /* webhooks */
    char *source, *body, *header, *query;
    int status, retry_after_s;
    int refused; /* before the body, with this status; 0 = not */
    bool pushed;
    /* run log: all stored events, and whether the run has ended */
    json_t *log;
    bool ended;
    int log_reads;
    bool log_held; /* run_log answers when fake_log_release() is called */
    op_done_fn log_done;
    void *log_arg;
    json_t *log_result;
    /* a poll: waits when held */
    bool poll_held;
    op_done_fn poll_done;
    void *poll_arg;
    /* the feed: one subscriber */
    void (*listener)(void *arg, const json_t *event);
    void *listener_arg;
    char *topic;
} fake = {.code = -1, .status = 202};

static void fake_reset(void)
{
    json_decref(fake.request);
    json_decref(fake.result);
    json_decref(fake.log);
    json_decref(fake.log_result);
    g_free(fake.actor);
    g_free(fake.late_token);
    g_free(fake.source);
    g_free(fake.body);
    g_free(fake.header);
    g_free(fake.query);
    g_free(fake.topic);
    memset(&fake, 0, sizeof fake);
    fake.code = -1;
    fake.status = 202;
}

static void fake_asked(const char *name, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    fake.called = name;
    json_decref(fake.request);
    fake.request = json_incref(request);
    g_free(fake.actor);
    fake.actor = g_strdup_printf("%s/%d", actor->name, (int)actor->role);
    g_autoptr(GError) error = NULL;
    if (fake.code >= 0)
        errors_set(&error, fake.code, "the fake says %s", errors_code(fake.code));
    done(arg, error == NULL ? fake.result : NULL, error);
}

#define FAKE_FN(name)                                                                                                  \
    FAKE void name(struct jobs *jobs G_GNUC_UNUSED, json_t *request, const struct actor *actor, op_done_fn done,       \
                   void *arg)                                                                                          \
    {                                                                                                                  \
        fake_asked(#name, request, actor, done, arg);                                                                  \
    }
FAKE_FN(run_start_request)
FAKE_FN(run_start_link)
FAKE_FN(run_list)
FAKE_FN(run_get)
FAKE_FN(run_file)
FAKE_FN(run_cancel)
FAKE_FN(run_rerun)
FAKE_FN(run_resolve)
FAKE_FN(run_confirm)
FAKE_FN(run_events)
FAKE_FN(run_renew)
FAKE_FN(run_reaped)
FAKE_FN(approval_list)
FAKE_FN(approval_get)
FAKE_FN(approval_decide)
FAKE_FN(incident_list)
FAKE_FN(incident_get)
FAKE_FN(delivery_list)
FAKE_FN(delivery_get)
FAKE_FN(delivery_explain)
FAKE_FN(delivery_replay)
FAKE_FN(source_list)
FAKE_FN(outbox_list)
FAKE_FN(schedule_list)
FAKE_FN(token_list)
FAKE_FN(token_create_request)
FAKE_FN(token_revoke)
FAKE_FN(runbook_list)
FAKE_FN(runbook_get)
FAKE_FN(catalog_findings)
FAKE_FN(repository_list)
FAKE_FN(repository_fetch)
FAKE_FN(host_list)
FAKE_FN(hosts_exec_request)
FAKE_FN(host_get)

FAKE struct catalog_set *catalog_current(struct catalog *catalog G_GNUC_UNUSED)
{
    return NULL;
}

FAKE struct catalog_set *catalog_set_ref(struct catalog_set *set)
{
    return set;
}

FAKE void catalog_set_unref(struct catalog_set *set G_GNUC_UNUSED)
{
}

FAKE void run_lease(struct jobs *jobs G_GNUC_UNUSED, json_t *request, const struct actor *actor, op_done_fn done,
                    void *arg)
{
    if (!fake.poll_held) {
        fake_asked("run_lease", request, actor, done, arg);
        return;
    }
    fake.called = "run_lease";
    json_decref(fake.request);
    fake.request = json_incref(request);
    fake.poll_done = done;
    fake.poll_arg = arg;
}

FAKE void run_lease_cancel(struct jobs *jobs G_GNUC_UNUSED, const void *arg)
{
    fake.called = "run_lease_cancel";
    if (arg == fake.poll_arg)
        fake.poll_done(fake.poll_arg, NULL, NULL);
}

/* Tokens are their role's name; "" and others are unknown. */
static const struct {
    const char *name;
    enum role role;
} fake_roles[] = {{"viewer", ROLE_VIEWER},
                  {"operator", ROLE_OPERATOR},
                  {"approver", ROLE_APPROVER},
                  {"admin", ROLE_ADMIN},
                  {"runner", ROLE_RUNNER}};

FAKE const char *role_name(enum role role)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fake_roles); i++)
        if (fake_roles[i].role == role)
            return fake_roles[i].name;
    return "none";
}

FAKE const struct actor *token_actor(struct jobs *jobs G_GNUC_UNUSED, const char *bearer)
{
    static struct actor actor;
    for (size_t i = 0; i < G_N_ELEMENTS(fake_roles); i++) {
        if (strcmp(fake_roles[i].name, bearer) != 0)
            continue;
        actor = (struct actor){.kind = "token", .name = fake_roles[i].name, .role = fake_roles[i].role, .via = "api"};
        return &actor;
    }
    if (fake.late_token != NULL && fake.refreshes > 0 && strcmp(bearer, fake.late_token) == 0) {
        actor = (struct actor){.kind = "token", .name = "late", .role = ROLE_ADMIN, .via = "api"};
        return &actor;
    }
    return NULL;
}

FAKE char *token_hash(const char *bearer)
{
    return g_strdup(bearer);
}

FAKE enum role token_role(struct jobs *jobs, const char *hash)
{
    const struct actor *actor =
        fake.revoked != NULL && strcmp(hash, fake.revoked) == 0 ? NULL : token_actor(jobs, hash);
    return actor != NULL ? actor->role : ROLE_NONE;
}

FAKE void token_refresh(struct jobs *jobs, void (*done)(void *arg), void *arg)
{
    fake.refreshes++;
    loop_post(jobs->loop, done, arg);
}

FAKE json_t *jobs_ready(struct jobs *jobs G_GNUC_UNUSED)
{
    return json_pack("{s:b, s:{s:s}}", "ready", fake.ready, "checks", "store", fake.ready ? "ok" : "no");
}

FAKE json_t *jobs_metrics(struct jobs *jobs G_GNUC_UNUSED)
{
    return json_pack("{s:i, s:i, s:i, s:f, s:s}", "runs{state=\"failed\"}", 2, "hikeshi_runs{state=\"queued\"}", 1,
                     "deliveries_total", 7, "store_seconds", 0.5, "not_a_number", "x");
}

FAKE void delivery_receive(struct jobs *jobs G_GNUC_UNUSED, const char *source_name,
                           const struct source_request *request, delivery_answer_fn done, void *arg)
{
    fake.called = "delivery_receive";
    g_free(fake.source);
    fake.source = g_strdup(source_name);
    g_free(fake.body);
    fake.body = g_strndup(request->body, request->body_length);
    g_free(fake.header);
    fake.header = g_strdup(request->header(request->arg, "x-pagerduty-signature"));
    g_free(fake.query);
    fake.query = g_strdup(request->query(request->arg, "auth_token"));
    done(arg, fake.status, fake.retry_after_s, "the fake's message");
}

FAKE bool delivery_admit(struct jobs *jobs G_GNUC_UNUSED, const char *source_name,
                         const struct source_request *headers G_GNUC_UNUSED, delivery_answer_fn done, void *arg)
{
    if (fake.refused == 0)
        return true;
    g_free(fake.source);
    fake.source = g_strdup(source_name);
    done(arg, fake.refused, 0, "the fake refuses it");
    return false;
}

FAKE bool catalog_takes_push(struct catalog *catalog G_GNUC_UNUSED, const char *repository)
{
    return strcmp(repository, "ops") == 0;
}

FAKE bool catalog_push(struct catalog *catalog G_GNUC_UNUSED, const char *repository, const char *signature,
                       const char *body, size_t length)
{
    fake.called = "catalog_push";
    return fake.pushed && strcmp(repository, "ops") == 0 && strcmp(signature, "sha256=ab") == 0 &&
           length == strlen(body);
}

/* --- the log and the feed
 * ----------------------------------------------------------------------------------------------- */

static void fake_log_release(void)
{
    g_autoptr(json_t) result = g_steal_pointer(&fake.log_result);
    fake.log_done(fake.log_arg, result, NULL);
}

FAKE void run_log(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    if (fake.log == NULL) {
        fake_asked("run_log", request, actor, done, arg);
        return;
    }
    (void)jobs;
    fake.called = "run_log";
    fake.log_reads++;
    json_int_t after = json_get_integer(request, "after", 0), limit = json_get_integer(request, "limit", 1000),
               last = after;
    json_t *items = json_array(), *event;
    size_t index;
    json_array_foreach (fake.log, index, event) {
        if (json_get_integer(event, "n", 0) <= after || (json_int_t)json_array_size(items) >= limit)
            continue;
        json_array_append_new(items, json_deep_copy(event));
        last = json_get_integer(event, "n", 0);
    }
    bool complete = last == json_get_integer(json_array_get(fake.log, json_array_size(fake.log) - 1), "n", last);
    json_t *result = json_pack("{s:o, s:I, s:b, s:b}", "items", items, "next", last, "more", !complete, "ended",
                               complete && fake.ended);
    fake.log_done = done;
    fake.log_arg = arg;
    fake.log_result = result;
    if (!fake.log_held)
        fake_log_release();
}

FAKE struct feed_subscription *feed_subscribe(struct feed *feed G_GNUC_UNUSED, const char *topic,
                                              void (*fn)(void *arg, const json_t *event), void *arg)
{
    fake.listener = fn;
    fake.listener_arg = arg;
    g_free(fake.topic);
    fake.topic = g_strdup(topic);
    return (struct feed_subscription *)&fake;
}

FAKE void feed_unsubscribe(struct feed_subscription *subscription)
{
    if (subscription != NULL)
        fake.listener = NULL;
}

/* Stores an event, and tells the listener unless `silent` (stored, its publication is still to come). */
static void fake_event(int n, const char *kind, bool publish)
{
    json_t *event = json_pack("{s:i, s:s}", "n", n, "kind", kind);
    json_array_append_new(fake.log, event);
    if (publish && fake.listener != NULL)
        fake.listener(fake.listener_arg, event);
}

#endif

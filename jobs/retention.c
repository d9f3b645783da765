#include "jobs/retention.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/log.h"

#define FIRST_MS ((uint64_t)60 * 1000)
#define EVERY_MS ((uint64_t)3600 * 1000)
/* Rows of one store job: a few milliseconds. */
#define BATCH 200
/* Deliveries are what tells a redelivery from a new event: they outlive the 48 hours in which senders try again. */
#define DELIVERIES_LEAST_MS ((int64_t)72 * 3600 * 1000)

enum cutoff { CUTOFF_RUNS, CUTOFF_OUTPUT, CUTOFF_DELIVERIES, CUTOFF_COUNT };

struct retention_service {
    struct jobs *jobs; /* NULL: stopped; the job under way frees the service */
    struct loop_timer *timer;
    int64_t cutoffs_ms[CUTOFF_COUNT];
    size_t step; /* of the sweep */
    bool sweeping, more, deleted_runs;
    void (*done)(void *arg);
    void *arg;
};

/* --- what is deleted --- */

static bool delete_rows(struct store_tx *tx, enum store_sql sql, int64_t cutoff_ms, bool *ret_more, GError **error)
{
    int64_t changes = 0;
    if (!store_exec(tx, sql, &changes, error, "ii", cutoff_ms, (int64_t)BATCH))
        return false;
    *ret_more = changes >= BATCH;
    return true;
}

/* Things that hang on one run or incident: the long ones in batches, then the rest, then itself. */
struct dependents {
    enum store_sql next;
    const enum store_sql *batched, *rest; /* end with SQL_COUNT */
};

static const enum store_sql run_batched[] = {SQL_RETAIN_RUN_EVENTS, SQL_RETAIN_RUN_OUTPUT, SQL_RETAIN_RUN_FILES,
                                             SQL_COUNT};
static const enum store_sql run_rest[] = {SQL_RETAIN_RUN_DECISIONS,
                                          SQL_RETAIN_RUN_APPROVALS,
                                          SQL_RETAIN_RUN_HOSTS,
                                          SQL_RETAIN_RUN_STEPS,
                                          SQL_RETAIN_RUN_CONTEXT,
                                          SQL_RETAIN_RUN,
                                          SQL_COUNT};
static const enum store_sql incident_batched[] = {SQL_RETAIN_INCIDENT_TIMELINE, SQL_COUNT};
static const enum store_sql incident_rest[] = {SQL_RETAIN_INCIDENT_ALERTS, SQL_RETAIN_INCIDENT_DOCUMENTS,
                                               SQL_RETAIN_INCIDENT_MESSAGES, SQL_RETAIN_INCIDENT, SQL_COUNT};
static const struct dependents run_dependents = {SQL_RETAIN_RUN_NEXT, run_batched, run_rest};
static const struct dependents incident_dependents = {SQL_RETAIN_INCIDENT_NEXT, incident_batched, incident_rest};

/* Deletes of the oldest thing what fits into one job. */
static bool delete_oldest(struct store_tx *tx, const struct dependents *what, int64_t cutoff_ms, bool *ret_more,
                          GError **error)
{
    g_autoptr(json_t) row = NULL;
    if (!store_get(tx, what->next, &row, error, "i", cutoff_ms))
        return false;
    const char *id = json_get_string(row, "id", NULL);
    *ret_more = id != NULL;
    for (const enum store_sql *sql = what->batched; id && *sql != SQL_COUNT; sql++) {
        int64_t changes = 0;
        if (!store_exec(tx, *sql, &changes, error, "si", id, (int64_t)BATCH))
            return false;
        if (changes >= BATCH)
            return true; /* the rest in the next job */
    }
    for (const enum store_sql *sql = what->rest; id && *sql != SQL_COUNT; sql++)
        if (!store_exec(tx, *sql, NULL, error, "s", id))
            return false;
    return true;
}

/* The sweep, in order. */
static const struct sweep_step {
    enum store_sql sql;              /* deletes by age … */
    const struct dependents *oldest; /* … or thing by thing */
    enum cutoff cutoff;
} sweep_steps[] = {
    {SQL_RETAIN_DELIVERIES, NULL, CUTOFF_DELIVERIES}, {SQL_RETAIN_OUTBOX, NULL, CUTOFF_DELIVERIES},
    {SQL_RETAIN_OUTPUT, NULL, CUTOFF_OUTPUT},         {SQL_RETAIN_FILES, NULL, CUTOFF_OUTPUT},
    {SQL_COUNT, &run_dependents, CUTOFF_RUNS},        {SQL_COUNT, &incident_dependents, CUTOFF_RUNS},
    {SQL_RETAIN_FIRINGS, NULL, CUTOFF_RUNS},
};

static bool step_job(struct store_tx *tx, void *arg, GError **error)
{
    struct retention_service *service = arg;
    const struct sweep_step *step = &sweep_steps[service->step];
    int64_t cutoff_ms = service->cutoffs_ms[step->cutoff];
    service->more = false;
    if (!step->oldest)
        return delete_rows(tx, step->sql, cutoff_ms, &service->more, error);
    return delete_oldest(tx, step->oldest, cutoff_ms, &service->more, error);
}

static bool plans_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)arg;
    return store_exec(tx, SQL_RETAIN_PLANS, NULL, error, "");
}

/* --- the sweep --- */

static void on_step(void *arg, const GError *error);

static void next_step(struct retention_service *service)
{
    store_write(service->jobs->store, STORE_BACKGROUND, step_job, on_step, service);
}

static void finish(struct retention_service *service)
{
    service->sweeping = false;
    if (service->deleted_runs)
        store_write(service->jobs->store, STORE_BACKGROUND, plans_job, NULL, NULL);
    loop_timer_start(service->timer, EVERY_MS, 0);
    if (service->done)
        service->done(service->arg);
}

static void on_step(void *arg, const GError *error)
{
    struct retention_service *service = arg;
    if (!service->jobs) {
        g_free(service);
        return;
    }
    if (error) {
        if (error->code != ERROR_UNAVAILABLE) /* that is: the server stops */
            log_error("old rows not deleted", "error", error->message, NULL);
        finish(service);
        return;
    }
    if (sweep_steps[service->step].oldest == &run_dependents)
        service->deleted_runs = service->deleted_runs || service->more;
    if (!service->more)
        service->step++;
    if (service->step < G_N_ELEMENTS(sweep_steps))
        next_step(service);
    else
        finish(service);
}

void retention_sweep(struct retention_service *service, void (*done)(void *arg), void *arg)
{
    const struct config *config = service->jobs->config;
    int64_t now = clock_now_ms();
    service->done = done;
    service->arg = arg;
    if (service->sweeping)
        return;
    service->cutoffs_ms[CUTOFF_RUNS] = now - config_duration_ms(config, "retention.runs");
    service->cutoffs_ms[CUTOFF_OUTPUT] = now - config_duration_ms(config, "retention.output");
    service->cutoffs_ms[CUTOFF_DELIVERIES] =
        now - MAX(config_duration_ms(config, "retention.deliveries"), DELIVERIES_LEAST_MS);
    service->step = 0;
    service->sweeping = true;
    service->deleted_runs = false;
    next_step(service);
}

static void on_timer(void *arg)
{
    retention_sweep(arg, NULL, NULL);
}

struct retention_service *retention_service_new(struct jobs *jobs)
{
    struct retention_service *service = g_new0(struct retention_service, 1);
    service->jobs = jobs;
    service->timer = loop_timer_new(jobs->loop, on_timer, service);
    loop_timer_start(service->timer, FIRST_MS, 0);
    return service;
}

void retention_service_free(struct retention_service *service)
{
    if (!service)
        return;
    loop_timer_free(service->timer);
    service->jobs = NULL;
    if (!service->sweeping)
        g_free(service);
}

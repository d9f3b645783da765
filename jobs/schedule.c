/* schedule: the cron triggers of the catalog in service, and the one timer to the next of them.
 *
 * A firing and its run are one transaction, and (schedule, slot) is unique: a slot fires once, across restarts and
 * servers. Slots are wall-clock times, so the clock is looked at again at least every LOOK_AGAIN_MS: it may have been
 * set. */
#include "jobs/schedule.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/log.h"
#include "jobs/call.h"
#include "jobs/outbox.h"
#include "jobs/run.h"
#include "jobs/schedule_plan.h"
#include "jobs/view.h"

enum {
    LOOK_AGAIN_MS = 30 * 1000,
    TRY_AGAIN_MS = 5000,
    PREVIEW = 5,
    MAX_LOOKS = 2000 /* slots, for a preview beyond a blackout */
};

/* One trigger of a runbook of the set in service. */
struct schedule {
    char *id;         /* REPOSITORY:RUNBOOK:TRIGGER */
    char *definition; /* cron|zone: when it changes, the schedule starts from now */
    const struct runbook *runbook;
    const struct trigger *trigger;
    struct cron *cron;
    GTimeZone *zone;
    struct schedule_plan plan;
    int64_t seen;    /* the last slot that is over */
    int64_t written; /* what a store job wrote as `seen`: taken over once that is committed */
    int64_t next;    /* when the next slot fires; INT64_MAX = never */
};

struct schedule_service {
    struct jobs *jobs;
    struct catalog_set *set;
    GPtrArray *schedules; /* struct schedule* */
    struct loop_timer *timer;
    bool writing;      /* a store job is under way that reads `schedules` */
    bool changed;      /* the catalog was switched meanwhile */
    bool unsynced;     /* the store does not know `schedules` yet: nothing fires */
    json_t *stopped;   /* by the store job under way: run_stopped_all() */
    int64_t looked_at; /* the clock, when it was looked at last */
};

static void schedule_free(void *data)
{
    struct schedule *schedule = data;
    g_free(schedule->id);
    g_free(schedule->definition);
    cron_free(schedule->cron);
    if (schedule->zone)
        g_time_zone_unref(schedule->zone);
    g_free(schedule);
}

/* --- reading the catalog -------------------------------------------------------------------------------------------
 */

/* NULL (logged) for what lint refuses, too: such a runbook is in service only as its last good version. */
static struct schedule *schedule_new(const struct runbook *runbook, const struct trigger *trigger)
{
    g_autoptr(GError) error = NULL;
    struct schedule *schedule = g_new0(struct schedule, 1);
    schedule->id = g_strdup_printf("%s:%s:%s", runbook->repository, runbook->id, trigger->id);
    schedule->definition = g_strdup_printf("%s|%s", trigger->cron, trigger->timezone ? trigger->timezone : "UTC");
    schedule->runbook = runbook;
    schedule->trigger = trigger;
    schedule->seen = -1; /* as no slot is: the store says where it stands */
    schedule->next = INT64_MAX;
    schedule->cron = cron_parse(trigger->cron, &error);
    schedule->zone = error ? NULL : cron_zone(trigger->timezone, &error);
    schedule->plan = (struct schedule_plan){.cron = schedule->cron,
                                            .zone = schedule->zone,
                                            .jitter_ms = trigger->jitter_ms,
                                            .id = schedule->id,
                                            .blackout = trigger->blackout};
    if (!error && !schedule_catch_up_from_name(trigger->catch_up, &schedule->plan.catch_up))
        errors_set(&error, ERROR_INVALID, "'%s' is not skip, once or all", trigger->catch_up);
    if (!error)
        return schedule;
    log_warn("a schedule cannot be used", "schedule", schedule->id, "error", error->message, NULL);
    schedule_free(schedule);
    return NULL;
}

static GPtrArray *schedules_of(const struct catalog_set *set)
{
    GPtrArray *schedules = g_ptr_array_new_with_free_func(schedule_free);
    for (guint i = 0; i < set->runbooks->len; i++) {
        const struct runbook *runbook = set->runbooks->pdata[i];
        for (guint j = 0; !runbook->document && j < runbook->triggers->len; j++) {
            const struct trigger *trigger = runbook->triggers->pdata[j];
            struct schedule *schedule = trigger->kind == TRIGGER_SCHEDULE ? schedule_new(runbook, trigger) : NULL;
            if (schedule)
                g_ptr_array_add(schedules, schedule);
        }
    }
    return schedules;
}

/* Makes the store know the schedules in service, and these know where they stand. */
static bool sync_job(struct store_tx *tx, void *arg, GError **error)
{
    struct schedule_service *service = arg;
    int64_t now_ms = clock_now_ms();
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < service->schedules->len; i++) {
        struct schedule *schedule = service->schedules->pdata[i];
        g_hash_table_insert(known, schedule->id, schedule);
        if (!store_exec(tx, SQL_SCHEDULE_PUT, NULL, error, "ssi", schedule->id, schedule->definition, now_ms))
            return false;
    }
    g_autoptr(json_t) rows = NULL;
    if (!store_list(tx, SQL_SCHEDULES_ALL, &rows, error, ""))
        return false;
    size_t index;
    json_t *row;
    json_array_foreach (rows, index, row) {
        const char *id = json_get_string(row, "id", "");
        struct schedule *schedule = g_hash_table_lookup(known, id);
        if (schedule)
            schedule->written = json_get_integer(row, "last_slot", json_get_integer(row, "known_since", now_ms));
        else if (!store_exec(tx, SQL_SCHEDULE_DROP, NULL, error, "s", id))
            return false;
    }
    return true;
}

/* --- firing --------------------------------------------------------------------------------------------------------
 */

/* The clock may have been set back behind what was seen: then slots come again, and the unique key lets none fire
 * twice. */
static int64_t begin(const struct schedule *schedule, int64_t now_ms)
{
    return MIN(schedule->seen, now_ms);
}

static bool start_run(struct store_tx *tx, const struct schedule_service *service, const struct schedule *schedule,
                      int64_t slot, GError **error)
{
    g_autoptr(json_t) none = json_object();
    g_autoptr(GError) problem = NULL;
    json_t *given = schedule->trigger->params ? schedule->trigger->params : none;
    g_autoptr(json_t) params = runbook_bind_params(schedule->runbook, given, NULL,
                                                   service->set ? service->set->inventory : NULL, NULL, &problem);
    if (!params) {
        log_error("a schedule starts nothing", "schedule", schedule->id, "error", problem->message, NULL);
        return true; /* the slot is over all the same */
    }
    g_autofree char *key = g_strdup_printf("schedule:%s:%" G_GINT64_FORMAT, schedule->id, slot);
    g_autofree char *run = NULL;
    struct run_start start = {.repository = schedule->runbook->repository,
                              .runbook = schedule->runbook->id,
                              .trigger_kind = "schedule",
                              .trigger_id = schedule->trigger->id,
                              .start_key = key,
                              .requested_kind = "schedule",
                              .requested_name = schedule->id,
                              .params = params,
                              .stopped = service->stopped,
                              .set = service->set};
    return run_insert(tx, schedule->runbook, &start, &run, error) &&
           store_exec(tx, SQL_FIRING_RUN, NULL, error, "sis", schedule->id, slot, run);
}

static bool fire(struct store_tx *tx, struct schedule_service *service, struct schedule *schedule, int64_t now_ms,
                 GError **error)
{
    g_autoptr(GArray) slots = schedule_due(&schedule->plan, begin(schedule, now_ms), now_ms, &schedule->written);
    for (guint i = 0; i < slots->len; i++) {
        int64_t slot = g_array_index(slots, int64_t, i), added = 0;
        if (!store_exec(tx, SQL_FIRING_ADD, &added, error, "sii", schedule->id, slot, now_ms) ||
            (added && !start_run(tx, service, schedule, slot, error)))
            return false;
    }
    return store_exec(tx, SQL_SCHEDULE_SEEN, NULL, error, "si", schedule->id, schedule->written);
}

static bool fire_job(struct store_tx *tx, void *arg, GError **error)
{
    struct schedule_service *service = arg;
    int64_t now_ms = clock_now_ms();
    json_decref(service->stopped);
    service->stopped = json_array();
    for (guint i = 0; i < service->schedules->len; i++) {
        struct schedule *schedule = service->schedules->pdata[i];
        if (schedule->next <= now_ms && !fire(tx, service, schedule, now_ms, error))
            return false;
    }
    return true;
}

/* --- the timer -----------------------------------------------------------------------------------------------------
 */

static void find_next(struct schedule *schedule, int64_t now_ms)
{
    int64_t slot = cron_next(schedule->cron, schedule->zone, begin(schedule, now_ms));
    schedule->next = slot < 0 ? INT64_MAX : schedule_fire_at(&schedule->plan, slot);
}

/* What the store job wrote is committed: goes on from there. */
static void adopt(struct schedule_service *service)
{
    int64_t now_ms = clock_now_ms();
    service->unsynced = false;
    for (guint i = 0; i < service->schedules->len; i++) {
        struct schedule *schedule = service->schedules->pdata[i];
        if (schedule->seen == schedule->written)
            continue;
        schedule->seen = schedule->written;
        find_next(schedule, now_ms);
    }
}

/* Looks at the clock. When it was set back, what would come next is not next any more. */
static int64_t look(struct schedule_service *service)
{
    int64_t now_ms = clock_now_ms();
    bool back = now_ms < service->looked_at;
    service->looked_at = now_ms;
    for (guint i = 0; back && i < service->schedules->len; i++)
        find_next(service->schedules->pdata[i], now_ms);
    return now_ms;
}

static int64_t earliest(const struct schedule_service *service)
{
    int64_t due_ms = INT64_MAX;
    for (guint i = 0; i < service->schedules->len; i++)
        due_ms = MIN(due_ms, ((struct schedule *)service->schedules->pdata[i])->next);
    return due_ms;
}

static void arm(struct schedule_service *service)
{
    int64_t now_ms = look(service), due_ms = earliest(service);
    if (due_ms == INT64_MAX)
        loop_timer_stop(service->timer);
    else
        loop_timer_start(service->timer, (uint64_t)CLAMP(due_ms - now_ms, 0, LOOK_AGAIN_MS), 0);
}

static void write_now(struct schedule_service *service);

static void take_catalog(struct schedule_service *service)
{
    g_ptr_array_unref(service->schedules);
    if (service->set)
        catalog_set_unref(service->set);
    service->set = catalog_set_ref(catalog_current(service->jobs->catalog));
    service->schedules = schedules_of(service->set);
    service->changed = false;
    service->unsynced = true;
}

static void write_done(void *arg, const GError *error)
{
    struct schedule_service *service = arg;
    service->writing = false;
    if (!error)
        run_stopped_all(service->jobs, service->stopped);
    g_clear_pointer(&service->stopped, json_decref);
    if (service->changed) {
        take_catalog(service);
        write_now(service);
        return;
    }
    if (error) {
        log_error("schedules cannot be written", "error", error->message, NULL);
        loop_timer_start(service->timer, TRY_AGAIN_MS, 0);
        return;
    }
    adopt(service);
    arm(service);
    run_queue_kick(service->jobs);
    outbox_kick(service->jobs);
}

static void write_now(struct schedule_service *service)
{
    service->writing = true;
    store_write(service->jobs->store, STORE_NORMAL, service->unsynced ? sync_job : fire_job, write_done, service);
}

static void due(void *arg)
{
    struct schedule_service *service = arg;
    if (service->writing || service->jobs->draining)
        return;
    int64_t now_ms = look(service);
    if (service->unsynced || earliest(service) <= now_ms)
        write_now(service);
    else
        arm(service);
}

void schedule_catalog_changed(struct jobs *jobs)
{
    struct schedule_service *service = jobs->schedules;
    service->changed = true;
    if (service->writing)
        return; /* write_done() goes on */
    take_catalog(service);
    write_now(service);
}

struct schedule_service *schedule_service_new(struct jobs *jobs, GError **error)
{
    struct schedule_service *service = g_new0(struct schedule_service, 1);
    service->jobs = jobs;
    service->timer = loop_timer_new(jobs->loop, due, service);
    service->schedules = g_ptr_array_new_with_free_func(schedule_free);
    take_catalog(service);
    if (!store_sync(jobs->store, sync_job, service, error)) {
        schedule_service_free(service);
        return NULL;
    }
    adopt(service);
    arm(service);
    return service;
}

void schedule_service_free(struct schedule_service *service)
{
    if (!service)
        return;
    loop_timer_free(service->timer);
    json_decref(service->stopped);
    g_ptr_array_unref(service->schedules);
    if (service->set)
        catalog_set_unref(service->set);
    g_free(service);
}

/* --- the API -------------------------------------------------------------------------------------------------------
 */

static json_t *preview(const struct schedule *schedule, int64_t now_ms)
{
    json_t *next = json_array();
    int64_t slot = MAX(begin(schedule, now_ms), now_ms);
    for (int i = 0; i < MAX_LOOKS && json_array_size(next) < PREVIEW; i++) {
        if ((slot = cron_next(schedule->cron, schedule->zone, slot)) < 0)
            break;
        if (schedule_blacked_out(&schedule->plan, slot))
            continue;
        g_autofree char *text = clock_format(slot);
        json_array_append_new(next, json_string(text));
    }
    return next;
}

static bool list_job(struct store_tx *tx, struct call *call, GError **error)
{
    static const char *const names[] = {"skip", "once", "all"};
    g_autoptr(GPtrArray) schedules = schedules_of(call->set);
    g_autoptr(json_t) items = json_array();
    int64_t now_ms = clock_now_ms();
    for (guint i = 0; i < schedules->len; i++) {
        const struct schedule *schedule = schedules->pdata[i];
        const struct trigger *trigger = schedule->trigger;
        g_autoptr(json_t) last = NULL;
        if (!store_get(tx, SQL_FIRING_LAST, &last, error, "s", schedule->id))
            return false;
        json_t *fired = last ? json_pack("{s:o, s:o, s:o}", "slot", view_time(last, "slot"), "at",
                                         view_time(last, "at"), "run", view_value(last, "run"))
                             : json_null();
        json_array_append_new(items, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "id", schedule->id,
                                               "runbook", schedule->runbook->id, "trigger", trigger->id, "cron",
                                               trigger->cron, "timezone", trigger->timezone ? trigger->timezone : "UTC",
                                               "catch_up", names[schedule->plan.catch_up], "last", fired, "next",
                                               preview(schedule, now_ms)));
    }
    call->result = call_page(g_steal_pointer(&items), NULL);
    return true;
}

void schedule_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, list_job, done, arg);
}

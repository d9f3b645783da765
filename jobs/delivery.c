/* delivery: intake: authenticate, store, answer. Nothing else happens before the answer; the rest is delivery_work.c.
 */
#include "jobs/delivery.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/log.h"
#include "jobs/delivery_private.h"
#include <string.h>

/* PagerDuty disables a subscription after three deliveries in a row that it had to drop: say so loudly before. */
#define REFUSED_ALARM 2
#define BUSY_RETRY_S  5

struct delivery_service *delivery_service_new(struct jobs *jobs, GError **error)
{
    g_autoptr(GPtrArray) sources = sources_configure(config_tree(jobs->config, "sources"), error);
    struct label_rules *rules = sources ? label_rules_new(jobs->config, error) : NULL;
    if (!rules)
        return NULL;
    struct delivery_service *service = g_new0(struct delivery_service, 1);
    service->jobs = jobs;
    service->sources = g_steal_pointer(&sources);
    g_ptr_array_add(service->sources, source_new_runbook());
    service->rules = rules;
    service->queue = delivery_queue_new(service);
    return service;
}

void delivery_service_free(struct delivery_service *service)
{
    if (!service)
        return;
    delivery_queue_free(service->queue);
    g_ptr_array_unref(service->sources);
    label_rules_free(service->rules);
    g_free(service);
}

void delivery_kick(struct jobs *jobs)
{
    if (jobs->deliveries)
        delivery_queue_kick(jobs->deliveries->queue);
}

struct source *delivery_source(const struct delivery_service *service, const char *name)
{
    for (guint i = 0; i < service->sources->len; i++) {
        struct source *source = service->sources->pdata[i];
        if (strcmp(source->name, name) == 0)
            return source;
    }
    return NULL;
}

void delivery_metrics(struct jobs *jobs, json_t *metrics)
{
    const struct delivery_service *s = jobs->deliveries;
    json_object_set_new(metrics, "hikeshi_deliveries_received_total", json_integer(s->received));
    json_object_set_new(metrics, "hikeshi_deliveries_repeated_total", json_integer(s->repeated));
    json_object_set_new(metrics, "hikeshi_deliveries_refused_total", json_integer(s->refused));
    json_object_set_new(metrics, "hikeshi_deliveries_malformed_total", json_integer(s->malformed));
    json_object_set_new(metrics, "hikeshi_deliveries_busy_total", json_integer(s->busy));
    json_object_set_new(metrics, "hikeshi_deliveries_in_work",
                        json_integer((json_int_t)delivery_queue_flying(s->queue)));
}

bool delivery_counts(struct store_tx *tx, json_t *metrics, GError **error)
{
    g_autoptr(json_t) row = NULL;
    if (!store_get(tx, SQL_DELIVERY_WAITING, &row, error, ""))
        return false;
    json_object_set(metrics, "hikeshi_deliveries_waiting", json_object_get(row, "count"));
    return true;
}

/* --- intake --- */

/* One delivery on its way to the disk. */
struct intake {
    struct delivery_service *service;
    const struct source *source;
    delivery_answer_fn answer;
    void *arg;
    int64_t received_ms, changes;
    char *dedup_key;
    size_t length;
    char body[];
};

static bool store_delivery(struct store_tx *tx, void *arg, GError **error)
{
    struct intake *intake = arg;
    return store_exec(tx, SQL_DELIVERY_ADD, &intake->changes, error, "ssiBs", intake->source->name, intake->dedup_key,
                      intake->received_ms, intake->body, intake->length, "received");
}

static void on_stored(void *arg, const GError *error)
{
    struct intake *intake = arg;
    struct delivery_service *service = intake->service;
    const struct source_kind *kind = intake->source->kind;
    if (error) {
        service->busy++;
        log_error("delivery not stored", "source", intake->source->name, "error", error->message, NULL);
        intake->answer(intake->arg, kind->busy_status, BUSY_RETRY_S, "the delivery could not be stored: try again");
    } else if (intake->changes) {
        service->received++;
        intake->answer(intake->arg, kind->accepted_status, 0, "accepted");
        delivery_queue_kick(service->queue);
    } else {
        service->repeated++;
        intake->answer(intake->arg, kind->accepted_status, 0, "known already");
    }
    g_free(intake->dedup_key);
    g_free(intake);
}

static void refuse(struct delivery_service *service, struct source *source, delivery_answer_fn done, void *arg)
{
    service->refused++;
    if (++source->refused == REFUSED_ALARM)
        log_error("deliveries with bad credentials in a row: the sender may stop sending", "source", source->name,
                  NULL);
    else
        log_warn("delivery refused: bad credentials", "source", source->name, NULL);
    done(arg, source->kind->unauthorised_status, 0, "the signature or credentials do not match");
}

static void keep(struct delivery_service *service, const struct source *source, const struct source_request *request,
                 char *dedup_key, delivery_answer_fn done, void *arg)
{
    struct intake *intake = g_malloc(sizeof *intake + request->body_length);
    *intake = (struct intake){.service = service,
                              .source = source,
                              .answer = done,
                              .arg = arg,
                              .received_ms = clock_now_ms(),
                              .dedup_key = dedup_key,
                              .length = request->body_length};
    memcpy(intake->body, request->body, request->body_length);
    store_write(service->jobs->store, STORE_INTAKE, store_delivery, on_stored, intake);
}

/* NULL after `done` was called. */
static struct source *find_source(struct jobs *jobs, const char *name, delivery_answer_fn done, void *arg)
{
    struct source *source = delivery_source(jobs->deliveries, name);
    if (source && source->enabled)
        return source;
    done(arg, 404, 0, "there is no such source");
    return NULL;
}

static bool may_enter(struct jobs *jobs, struct source *source, bool authentic, delivery_answer_fn done, void *arg)
{
    if (!authentic)
        refuse(jobs->deliveries, source, done, arg);
    else if (jobs->draining)
        done(arg, source->kind->busy_status, BUSY_RETRY_S, "the server is stopping: try again");
    return authentic && !jobs->draining;
}

bool delivery_admit(struct jobs *jobs, const char *source_name, const struct source_request *headers,
                    delivery_answer_fn done, void *arg)
{
    struct source *source = find_source(jobs, source_name, done, arg);
    return source &&
           may_enter(jobs, source, source->kind->signs_body || source->kind->authenticate(source, headers), done, arg);
}

void delivery_receive(struct jobs *jobs, const char *source_name, const struct source_request *request,
                      delivery_answer_fn done, void *arg)
{
    struct delivery_service *service = jobs->deliveries;
    struct source *source = find_source(jobs, source_name, done, arg);
    if (!source || !may_enter(jobs, source, source->kind->authenticate(source, request), done, arg))
        return;
    source->refused = 0;
    g_autoptr(json_t) body = NULL;
    if (!source->kind->keep_malformed)
        body = json_parse(request->body, request->body_length, "body", NULL);
    char *dedup_key = source->kind->keep_malformed || body ? source->kind->dedup_key(source, request, body) : NULL;
    if (!dedup_key) {
        service->malformed++;
        log_warn("delivery refused: malformed", "source", source->name, NULL);
        done(arg, source->kind->malformed_status, 0, "the body is not what this kind of source sends");
        return;
    }
    keep(service, source, request, dedup_key, done, arg);
}

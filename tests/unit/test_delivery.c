/* Deliveries on a real store: intake, incidents, starts of runs, explanations, crashes between the steps. */
#include "engine_support.h"
#include "jobs/delivery_job.h"
#include "jobs/delivery_private.h"
#include "jobs/store/store_private.h"
#include "web/server.h"
#include <unistd.h>

#define NOW_MS INT64_C(1800000000000) /* 2027-01-15T08:00:00Z */

#define CONFIG                                                                                                         \
    "sources:\n"                                                                                                       \
    "  pd: {kind: pagerduty, secrets: \"env:T_PD\"}\n"                                                                 \
    "  fetch: {kind: pagerduty, secrets: \"env:T_PD\", api_token: \"env:T_AM\", api: \"%s\"}\n"                        \
    "  am: {kind: alertmanager, bearer: \"env:T_AM\"}\n"                                                               \
    "  off: {kind: alertmanager, bearer: \"env:T_AM\", enabled: false}\n"

struct site {
    struct engine *engine;
    struct server *api; /* answers for PagerDuty's REST API */
    char *api_url, *api_answer;
    int api_status, api_requests;
    int api_alerts, api_page; /* so many alerts in pages instead of api_answer; the most on one */
    int api_fails_at;         /* the request that is answered 500; 0 = none */
};

static void answer_page(struct site *site, struct server_request *request)
{
    int offset = atoi(server_query(request, "offset")), asked = atoi(server_query(request, "limit"));
    int limit = MIN(asked, site->api_page), end = MIN(offset + limit, site->api_alerts);
    g_autoptr(json_t) alerts = json_array();
    for (int i = offset; i < end; i++) {
        g_autofree char *id = g_strdup_printf("PA%d", i), *host = g_strdup_printf("db-%d:9100", i);
        json_array_append_new(alerts, json_pack("{s:s, s:s, s:s, s:{s:{s:s, s:s}}}", "id", id, "status", "triggered",
                                                "created_at", "2027-01-15T07:58:00Z", "body", "details", "alertname",
                                                "Disk", "instance", host));
    }
    g_autoptr(json_t) answer = json_pack("{s:O, s:i, s:i, s:b, s:n}", "alerts", alerts, "limit", limit, "offset",
                                         offset, "more", end < site->api_alerts, "total");
    server_answer_json(request, 200, answer);
}

static void on_api(void *arg, struct server_request *request)
{
    struct site *site = arg;
    if (++site->api_requests == site->api_fails_at)
        server_answer(request, 500, NULL, NULL, "", 0);
    else if (site->api_alerts)
        answer_page(site, request);
    else
        server_answer(request, site->api_status, "application/json", NULL, site->api_answer, strlen(site->api_answer));
}

static void open_services(struct site *site)
{
    struct jobs *jobs = &site->engine->jobs;
    g_autoptr(GError) error = NULL;
    jobs->deliveries = delivery_service_new(jobs, &error);
    assert_null(error);
}

static int setup(void **state)
{
    struct site *site = g_new0(struct site, 1);
    g_autoptr(GError) error = NULL;
    void *engine;
    g_setenv("T_PD", "pd-secret", TRUE);
    g_setenv("T_AM", "am-token", TRUE);
    engine_setup(&engine);
    site->engine = engine;
    struct jobs *jobs = &site->engine->jobs;
    site->api_status = 200;
    site->api_answer = g_strdup("{\"alerts\":[]}");
    const struct server_options options = {.listen = "127.0.0.1:0", .max_body = 65536, .handler = on_api, .arg = site};
    site->api = server_new(jobs->loop, &options, &error);
    assert_null(error);
    g_autofree char *address = server_address(site->api);
    site->api_url = g_strconcat("http://", address, NULL);
    g_autofree char *config = g_strdup_printf(CONFIG, site->api_url),
                    *path = g_build_filename(site->engine->folder, "c.yaml", NULL);
    assert_true(g_file_set_contents(path, config, -1, NULL));
    jobs->config = config_load(path, NULL, &error);
    assert_null(error);
    jobs->http = http_client_new(jobs->loop);
    clock_set_fake(NOW_MS);
    open_services(site);
    *state = site;
    return 0;
}

static int teardown(void **state)
{
    struct site *site = *state;
    void *engine = site->engine;
    struct jobs *jobs = &site->engine->jobs;
    struct config *config = jobs->config;
    store_close(jobs->store);
    delivery_service_free(jobs->deliveries);
    jobs->store = store_open(jobs->loop, site->engine->folder, NULL); /* engine_teardown closes it */
    http_client_free(jobs->http);
    server_free(site->api);
    engine_teardown(&engine);
    config_free(config);
    g_free(site->api_url);
    g_free(site->api_answer);
    g_free(site);
    return 0;
}

/* As after kill -9, but for what was committed. */
static void reopen(struct site *site)
{
    struct jobs *jobs = &site->engine->jobs;
    store_close(jobs->store);
    delivery_service_free(jobs->deliveries);
    jobs->deliveries = NULL;
    jobs->store = store_open(jobs->loop, site->engine->folder, NULL);
    assert_non_null(jobs->store);
    open_services(site);
}

/* --- sending --- */

struct headers {
    const char *names[4], *values[4];
};

static const char *get_header(void *arg, const char *name)
{
    const struct headers *headers = arg;
    for (int i = 0; i < 4 && headers->names[i]; i++)
        if (strcmp(headers->names[i], name) == 0)
            return headers->values[i];
    return NULL;
}

static const char *get_query(void *arg, const char *name)
{
    (void)arg, (void)name;
    return NULL;
}

struct told {
    int status, retry_after_s;
    bool done;
};

static void on_answer(void *arg, int status, int retry_after_s, const char *message)
{
    struct told *told = arg;
    assert_false(told->done);
    assert_non_null(message);
    *told = (struct told){.status = status, .retry_after_s = retry_after_s, .done = true};
}

static int receive(struct site *site, const char *source, struct headers *headers, const char *body)
{
    struct told told = {0};
    const struct source_request request = {
        .header = get_header, .query = get_query, .arg = headers, .body = body, .body_length = strlen(body)};
    delivery_receive(&site->engine->jobs, source, &request, on_answer, &told);
    while (!told.done)
        loop_step(site->engine->jobs.loop);
    return told.status;
}

static char *quotes(const char *text)
{
    return g_strdelimit(g_strdup(text), "'", '"');
}

static int pagerduty_raw(struct site *site, const char *source, const char *webhook_id, const char *body)
{
    uint8_t mac[32];
    crypto_hmac_sha256("pd-secret", 9, body, strlen(body), mac);
    g_autofree char *hex = crypto_hex(mac, sizeof mac), *signature = g_strconcat("v1=", hex, NULL);
    struct headers headers = {{"x-pagerduty-signature", webhook_id ? "x-webhook-id" : NULL}, {signature, webhook_id}};
    return receive(site, source, &headers, body);
}

/* An event of incident PINC that happened `second` seconds after NOW - 60 s. */
static int pagerduty(struct site *site, const char *source, const char *id, const char *type, const char *status,
                     int second)
{
    g_autofree char *at = clock_format(NOW_MS - 60000 + second * 1000);
    g_autofree char *text =
        g_strdup_printf("{'event':{'id':'%s','event_type':'incident.%s','occurred_at':'%s','agent':{'summary':'Aiko'},'"
                        "data':{'type':'incident',"
                        "'id':'PINC','title':'Disk is "
                        "full','status':'%s','urgency':'high','service':{'summary':'db'},'html_url':'https://pd/PINC',"
                        "'created_at':'2027-01-15T07:58:00Z'}}}",
                        id, type, at, status);
    g_autofree char *body = quotes(text);
    return pagerduty_raw(site, source, id, body);
}

static int alertmanager_raw(struct site *site, const char *body)
{
    struct headers headers = {{"authorization"}, {"Bearer am-token"}};
    return receive(site, "am", &headers, body);
}

/* One alert of a group: "FINGERPRINT STATUS MINUTE", MINUTE of 2027-01-15T07 when it began. */
static int alertmanager(struct site *site, const char *group, const char *const *alerts)
{
    g_autoptr(GString) list = g_string_new(NULL);
    bool fires = false;
    for (; *alerts; alerts++) {
        g_auto(GStrv) part = g_strsplit(*alerts, " ", 3);
        fires = fires || strcmp(part[1], "firing") == 0;
        g_string_append_printf(
            list,
            "%s{'status':'%s','labels':{'alertname':'Disk','instance':'%s:9100','severity':'warning'},'annotations':{},"
            "'startsAt':'2027-01-15T07:%s:00Z','endsAt':'2027-01-15T07:59:00Z','fingerprint':'%s'}",
            list->len ? "," : "", part[1], part[0], part[2], part[0]);
    }
    g_autofree char *text = g_strdup_printf(
        "{'version':'4','groupKey':'%s','status':'%s','groupLabels':{},'alerts':[%s],'externalURL':'http://am'}", group,
        fires ? "firing" : "resolved", list->str);
    g_autofree char *body = quotes(text);
    return alertmanager_raw(site, body);
}

#define ALERTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* --- looking --- */

static json_t *items(struct site *site, jobs_fn fn)
{
    g_autoptr(json_t) page = call_ok(site->engine, fn, json_object());
    return json_incref(json_object_get(page, "items"));
}

/* Runs the loop until no delivery waits to be worked on. */
static void settle(struct site *site)
{
    for (;;) {
        g_autoptr(json_t) all = items(site, delivery_list);
        size_t i, waiting = 0;
        json_t *delivery;
        json_array_foreach (all, i, delivery)
            waiting += strcmp(json_get_string(delivery, "state", ""), "received") == 0 &&
                       json_get_integer(delivery, "tries", 0) == 0;
        if (!waiting && delivery_queue_flying(site->engine->jobs.deliveries->queue) == 0)
            return;
        loop_step(site->engine->jobs.loop);
    }
}

/* The incidents, newest first. */
static json_t *incident_at(struct site *site, size_t index)
{
    g_autoptr(json_t) all = items(site, incident_list);
    json_t *row = json_array_get(all, index);
    return row ? call_ok(site->engine, incident_get, json_pack("{s:O}", "id", json_object_get(row, "id"))) : NULL;
}

static size_t count(struct site *site, jobs_fn fn)
{
    g_autoptr(json_t) all = items(site, fn);
    return json_array_size(all);
}

static json_t *explain(struct site *site, const char *id)
{
    return call_ok(site->engine, delivery_explain, json_pack("{s:s}", "id", id));
}

static void assert_outcome(struct site *site, const char *delivery, const char *outcome)
{
    g_autoptr(json_t) explained = explain(site, delivery);
    const json_t *rule = json_array_get(json_object_get(explained, "rules"), 0);
    if (g_strcmp0(json_get_string(rule, "outcome", NULL), outcome) != 0) {
        g_autofree char *text = json_text(explained);
        fail_msg("expected %s in %s", outcome, text);
    }
}

static void assert_note(struct site *site, const char *delivery, const char *state, const char *part)
{
    g_autoptr(json_t) explained = explain(site, delivery);
    assert_string_equal(json_get_string(explained, "state", ""), state);
    if (!strstr(json_get_string(explained, "note", ""), part))
        fail_msg("expected '%s' in '%s'", part, json_get_string(explained, "note", "(null)"));
}

static size_t timeline_count(const json_t *incident, const char *kind)
{
    size_t i, found = 0;
    json_t *entry;
    json_array_foreach (json_object_get(incident, "timeline"), i, entry)
        found += strcmp(json_get_string(entry, "kind", ""), kind) == 0;
    return found;
}

#define STEP "```lua {step=a}\nlog('x')\n```\n"

static void serve_wide(struct site *site)
{
    engine_add_runbook(site->engine, "wide", "triggers: [{kind: incident, match: {source: [pd, am, fetch]}}]\n", STEP);
}

static void serve_each(struct site *site)
{
    engine_add_runbook(site->engine, "each",
                       "params: {where: {type: string, from: alert.labels.instance}}\n"
                       "triggers: [{kind: incident, match: {alert: Disk}, for_each: alert}]\n",
                       STEP);
}

/* --- answers --- */

static void answers(void **state)
{
    struct site *site = *state;
    struct headers none = {0}, bearer = {{"authorization"}, {"Bearer am-token"}},
                   wrong = {{"authorization"}, {"Bearer x"}};
    assert_int_equal(receive(site, "nobody", &none, "{}"), 404);
    assert_int_equal(receive(site, "off", &bearer, "{}"), 404);
    assert_int_equal(receive(site, "pd", &none, "{}"), 403);
    assert_int_equal(receive(site, "am", &none, "{}"), 401);
    assert_int_equal(receive(site, "am", &wrong, "{}"), 401);
    assert_int_equal(receive(site, "am", &bearer, "not json"), 400);
    assert_int_equal(receive(site, "am", &bearer, "{}"), 400);
    assert_int_equal(pagerduty_raw(site, "pd", "W1", "{"), 202); /* kept: three dropped ones would blind us */
    assert_int_equal(pagerduty(site, "pd", "E1", "invented", "triggered", 0), 202);
    assert_int_equal(pagerduty(site, "pd", "E1", "invented", "triggered", 0), 202);
    settle(site);
    assert_int_equal(count(site, delivery_list), 2);
    assert_note(site, "1", "dead", "body:1:");
    assert_note(site, "2", "processed", "unknown event 'incident.invented'");
    assert_int_equal(count(site, incident_list), 0);
    site->engine->jobs.draining = true;
    assert_int_equal(pagerduty(site, "pd", "E2", "triggered", "triggered", 0), 503);
    assert_int_equal(alertmanager(site, "g", ALERTS("db-1 firing 01")), 503);
}

/* Headers alone: what may send a body at all. */
static void admissions(void **state)
{
    static const struct {
        const char *source, *authorization;
        int status; /* 0 = the body may come */
        const char *why;
    } rows[] = {
        {"nobody", NULL, 404, "no such source"},
        {"off", "Bearer am-token", 404, "disabled"},
        {"am", NULL, 401, "credentials stand in the headers, and there are none"},
        {"am", "Bearer x", 401, "wrong ones"},
        {"am", "Bearer am-token", 0, "good ones"},
        {"pd", NULL, 0, "a signature can only be checked with the body"},
    };
    struct site *site = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct told told = {0};
        struct headers headers = {{rows[i].authorization ? "authorization" : NULL}, {rows[i].authorization}};
        const struct source_request request = {
            .header = get_header, .query = get_query, .arg = &headers, .body = "", .body_length = 0};
        bool may = delivery_admit(&site->engine->jobs, rows[i].source, &request, on_answer, &told);
        if (may == told.done || told.status != rows[i].status)
            fail_msg("%s: %d", rows[i].why, told.status);
    }
    site->engine->jobs.draining = true;
    struct told told = {0};
    struct headers none = {{NULL}, {NULL}};
    const struct source_request request = {.header = get_header, .arg = &none, .body = ""};
    assert_false(delivery_admit(&site->engine->jobs, "pd", &request, on_answer, &told));
    assert_int_equal(told.status, 503);
}

/* The disk is full: SQLite takes the current size as the least that max_page_count can be. */
static bool sql_job(struct store_tx *tx, void *arg, GError **error)
{
    return store_run_sql(tx, arg, error);
}

static void a_store_that_fails_is_not_an_acceptance(void **state)
{
    struct site *site = *state;
    g_autofree char *large = g_strnfill(500000, 'x');
    g_autofree char *body = g_strdup_printf("{\"event\":\"%s\"}", large);
    assert_true(store_sync(site->engine->jobs.store, sql_job, (void *)"PRAGMA max_page_count=1", NULL));
    assert_int_equal(pagerduty_raw(site, "pd", "W1", body), 503);
    assert_int_equal(count(site, delivery_list), 0);
    assert_true(store_sync(site->engine->jobs.store, sql_job, (void *)"PRAGMA max_page_count=1000000", NULL));
    assert_int_equal(pagerduty_raw(site, "pd", "W1", body), 202);
    settle(site);
}

/* --- PagerDuty --- */

static void an_incident_starts_one_run(void **state)
{
    struct site *site = *state;
    serve_wide(site);
    assert_int_equal(pagerduty(site, "pd", "E1", "triggered", "triggered", 0), 202);
    assert_int_equal(pagerduty(site, "pd", "E1", "triggered", "triggered", 0), 202); /* the same delivery */
    settle(site);
    pagerduty(site, "pd", "E2", "acknowledged", "acknowledged", 5);
    settle(site);
    pagerduty(site, "pd", "E3", "priority_updated", "acknowledged", 6);
    settle(site);
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_int_equal(count(site, incident_list), 1);
    assert_int_equal(count(site, delivery_list), 3);
    assert_int_equal(json_array_size(json_object_get(incident, "runs")), 1);
    assert_string_equal(json_get_string(incident, "key", ""), "PINC");
    assert_string_equal(json_get_string(incident, "title", ""), "Disk is full");
    assert_string_equal(json_get_string(incident, "status", ""), "acknowledged");
    assert_string_equal(json_get_string(incident, "severity", ""), "SEV2");
    assert_string_equal(json_get_string(incident, "service", ""), "db");
    assert_string_equal(json_get_string(incident, "team", ""), "storage"); /* owner of the runbook that covers it */
    assert_string_equal(json_get_string(incident, "opened_at", ""), "2027-01-15T07:58:00.000Z");
    assert_int_equal(timeline_count(incident, "opened"), 1);
    assert_int_equal(timeline_count(incident, "acknowledged"), 1);
    assert_outcome(site, "1", "started");
    g_autoptr(json_t) deliveries = items(site, delivery_list); /* newest first */
    assert_note(site, json_get_string(json_array_get(deliveries, 1), "id", ""), "processed",
                "this event starts nothing");
    assert_outcome(site, json_get_string(json_array_get(deliveries, 0), "id", ""), "started_before");
}

static void the_same_event_under_another_header_is_worked_on_once(void **state)
{
    struct site *site = *state;
    serve_wide(site);
    g_autofree char *body = quotes(
        "{'event':{'id':'E1','event_type':'incident.triggered','occurred_at':'2027-01-15T07:59:00Z','data':{'type':"
        "'incident','id':'PINC','status':'triggered'}}}");
    assert_int_equal(pagerduty_raw(site, "pd", "W1", body), 202);
    settle(site);
    assert_int_equal(pagerduty_raw(site, "pd", "W2", body), 202);
    assert_int_equal(pagerduty_raw(site, "pd", NULL, body), 202);
    assert_int_equal(count(site, delivery_list), 1); /* nobody can fill the disk with a recorded body */
    g_autofree char *spaced = g_strconcat(body, " ", NULL);
    assert_int_equal(pagerduty_raw(site, "pd", "W1", spaced), 202); /* a redelivery need not have the same bytes */
    settle(site);
    g_autoptr(json_t) deliveries = items(site, delivery_list); /* newest first */
    assert_int_equal(json_array_size(deliveries), 2);
    assert_note(site, json_get_string(json_array_get(deliveries, 0), "id", ""), "processed",
                "the same event as delivery 1");
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_int_equal(json_array_size(json_object_get(incident, "runs")), 1);
}

static void a_resolve_that_overtakes_wins(void **state)
{
    struct site *site = *state;
    serve_wide(site);
    pagerduty(site, "pd", "E3", "resolved", "resolved", 9);
    settle(site);
    pagerduty(site, "pd", "E1", "triggered", "triggered", 1);
    pagerduty(site, "pd", "E2", "acknowledged", "acknowledged", 5);
    settle(site);
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_int_equal(count(site, incident_list), 1);
    assert_string_equal(json_get_string(incident, "status", ""), "resolved");
    assert_int_equal(json_array_size(json_object_get(incident, "runs")), 0);
    assert_note(site, "2", "processed", "the incident is resolved");
}

static void a_late_trigger_after_an_acknowledgement_starts(void **state)
{
    struct site *site = *state;
    serve_wide(site);
    pagerduty(site, "pd", "E2", "acknowledged", "acknowledged", 5);
    settle(site);
    pagerduty(site, "pd", "E1", "triggered", "triggered", 1);
    settle(site);
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_string_equal(json_get_string(incident, "status", ""), "acknowledged");
    assert_int_equal(json_array_size(json_object_get(incident, "runs")), 1);
}

static void a_reopened_incident_starts_again(void **state)
{
    struct site *site = *state;
    serve_wide(site);
    pagerduty(site, "pd", "E1", "triggered", "triggered", 1);
    settle(site);
    pagerduty(site, "pd", "E2", "resolved", "resolved", 2);
    settle(site);
    pagerduty(site, "pd", "E3", "reopened", "triggered", 3);
    settle(site);
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_int_equal(count(site, incident_list), 1);
    assert_int_equal(json_get_integer(incident, "opening", 0), 2);
    assert_true(json_is_null(json_object_get(incident, "resolved_at")));
    assert_int_equal(json_array_size(json_object_get(incident, "runs")), 2);
    assert_int_equal(timeline_count(incident, "reopened"), 1);
}

/* --- Alertmanager --- */

static void one_run_an_alert_and_firing(void **state)
{
    struct site *site = *state;
    const struct {
        const char *why, *alerts[4];
        size_t runs, incidents;
        const char *status;
    } rows[] = {
        {"two fire", {"db-1 firing 01", "db-2 firing 02"}, 2, 1, "triggered"},
        {"a repeat", {"db-1 firing 01", "db-2 firing 02"}, 2, 1, "triggered"},
        {"a third joins", {"db-1 firing 01", "db-2 firing 02", "db-3 firing 03"}, 3, 1, "triggered"},
        {"one ends", {"db-1 resolved 01", "db-2 firing 02", "db-3 firing 03"}, 3, 1, "triggered"},
        {"an old message arrives late", {"db-1 firing 01", "db-2 firing 02"}, 3, 1, "triggered"},
        {"it fires again", {"db-1 firing 09", "db-2 firing 02", "db-3 firing 03"}, 4, 1, "triggered"},
        {"the resolve of its first firing comes late",
         {"db-1 resolved 01", "db-2 firing 02", "db-3 firing 03"},
         4,
         1,
         "triggered"},
        {"all end", {"db-1 resolved 09", "db-2 resolved 02", "db-3 resolved 03"}, 4, 1, "resolved"},
        {"an old message after the end", {"db-1 firing 09", "db-2 firing 02", "db-3 firing 03"}, 4, 1, "resolved"},
        {"another one fires", {"db-1 firing 20"}, 5, 2, "triggered"},
    };
    serve_each(site);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        assert_int_equal(alertmanager(site, "g", rows[i].alerts), 200);
        settle(site);
        g_autoptr(json_t) incident = incident_at(site, 0);
        size_t runs = count(site, run_list), incidents = count(site, incident_list);
        if (runs != rows[i].runs || incidents != rows[i].incidents ||
            strcmp(json_get_string(incident, "status", ""), rows[i].status) != 0)
            fail_msg("%s: %zu runs, %zu incidents, %s", rows[i].why, runs, incidents,
                     json_get_string(incident, "status", ""));
    }
    g_autoptr(json_t) first = incident_at(site, 1);
    assert_string_equal(json_get_string(first, "severity", ""), "SEV3");
    assert_string_equal(json_path_string(first, "labels.alertname"), "Disk");
    assert_int_equal(json_array_size(json_object_get(first, "alerts")), 3);
}

static void an_alert_that_vanishes_from_its_group_is_over(void **state)
{
    struct site *site = *state;
    serve_each(site);
    alertmanager(site, "g", ALERTS("db-1 firing 01", "db-2 firing 02"));
    settle(site);
    alertmanager(site, "g", ALERTS("db-1 firing 01"));
    settle(site);
    g_autoptr(json_t) incident = incident_at(site, 0);
    const json_t *second = json_array_get(json_object_get(incident, "alerts"), 1);
    assert_string_equal(json_get_string(second, "status", ""), "resolved");
    alertmanager(site, "g",
                 ALERTS("db-1 firing 01", "db-2 firing 02", "db-3 resolved 01")); /* it was there after all */
    settle(site);
    g_autoptr(json_t) again = incident_at(site, 0);
    size_t firing = 0, i;
    json_t *alert;
    json_array_foreach (json_object_get(again, "alerts"), i, alert)
        firing += strcmp(json_get_string(alert, "status", ""), "firing") == 0;
    assert_int_equal(firing, 2);
    assert_int_equal(count(site, run_list), 2); /* the same firing */
}

static void a_large_group_starts_all_its_runs(void **state)
{
    struct site *site = *state;
    const char *alerts[71] = {0};
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    serve_each(site);
    for (int i = 0; i < 70; i++) {
        g_ptr_array_add(texts, g_strdup_printf("db-%d firing 01", i));
        alerts[i] = texts->pdata[i];
    }
    alertmanager(site, "g", alerts);
    settle(site);
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_int_equal(json_array_size(json_object_get(incident, "runs")), 70);
}

/* --- what starts, and why not --- */

static void explains_why_nothing_starts(void **state)
{
    struct site *site = *state;
    engine_add_runbook(site->engine, "missing",
                       "params: {host: {type: string, required: true, from: incident.labels.nowhere}}\n"
                       "triggers: [{kind: incident, match: {source: pd}}]\n",
                       STEP);
    pagerduty(site, "pd", "E1", "triggered", "triggered", 0);
    settle(site);
    assert_outcome(site, "1", "missing_param");
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_int_equal(timeline_count(incident, "trigger"), 1);
    assert_int_equal(count(site, run_list), 0);
    alertmanager(site, "g", ALERTS("db-1 firing 01"));
    settle(site);
    g_autoptr(json_t) explained = explain(site, "2");
    const json_t *rule = json_array_get(json_object_get(explained, "rules"), 0);
    assert_string_equal(json_get_string(rule, "outcome", ""), "not_matched");
    const json_t *part = json_array_get(json_object_get(rule, "rules"), 0);
    assert_string_equal(json_get_string(part, "rule", ""), "source");
    assert_false(json_get_bool(part, "ok", true));
}

static void a_suggestion_starts_nothing(void **state)
{
    struct site *site = *state;
    engine_add_runbook(site->engine, "ask", "triggers: [{kind: incident, match: {source: pd}, start: suggest}]\n",
                       STEP);
    pagerduty(site, "pd", "E1", "triggered", "triggered", 0);
    settle(site);
    assert_outcome(site, "1", "suggested");
    assert_int_equal(count(site, run_list), 0);
}

/* What was suggested is started by a person, for the incident: its values reach the params, and the run is its. */
static void a_person_starts_what_was_suggested(void **state)
{
    struct site *site = *state;
    engine_add_runbook(
        site->engine, "ask",
        "params: {title: {type: string, required: true, from: incident.title}}\n"
        "triggers: [{kind: incident, match: {source: pd}, start: suggest}, {kind: manual, id: by-hand}]\n",
        STEP);
    pagerduty(site, "pd", "E1", "triggered", "triggered", 0);
    settle(site);
    g_autoptr(json_t) incident = incident_at(site, 0);
    const char *id = json_get_string(incident, "id", "");
    call_refused(site->engine, run_start_request, json_pack("{s:{s:s}}", "body", "runbook", "ask"), ERROR_INVALID);
    call_refused(site->engine, run_start_request,
                 json_pack("{s:{s:s, s:s}}", "body", "runbook", "ask", "incident", "inc_none"), ERROR_NOT_FOUND);
    call_refused(site->engine, run_start_request,
                 json_pack("{s:{s:s, s:s, s:s}}", "body", "runbook", "ask", "incident", id, "alert", "none"),
                 ERROR_NOT_FOUND);
    call_refused(site->engine, run_start_request,
                 json_pack("{s:{s:s, s:s}}", "body", "runbook", "ask", "alert", "none"), ERROR_INVALID);
    g_autoptr(json_t) run =
        call_ok(site->engine, run_start_request, json_pack("{s:{s:s, s:s}}", "body", "runbook", "ask", "incident", id));
    assert_string_equal(json_get_string(run, "incident", ""), id);
    assert_string_equal(json_path_string(run, "params.title"), json_get_string(incident, "title", "-"));
    assert_string_equal(json_path_string(run, "trigger.id"), "by-hand");
    g_autoptr(json_t) after = incident_at(site, 0);
    assert_int_equal(timeline_count(after, "run"), 1);
}

static void documents_are_linked(void **state)
{
    struct site *site = *state;
    engine_add_runbook(site->engine, "covering", "severity: SEV1\ncovers: [alert/Disk]\n", STEP);
    alertmanager(site, "g", ALERTS("db-1 firing 01"));
    settle(site);
    g_autoptr(json_t) incident = incident_at(site, 0);
    const json_t *document = json_array_get(json_object_get(incident, "documents"), 0);
    assert_string_equal(json_get_string(document, "path", ""), "runbooks/covering.md");
    assert_string_equal(json_get_string(incident, "severity", ""), "SEV3"); /* the alert's own label wins */
}

static void a_resolve_cancels_what_asks_for_it(void **state)
{
    struct site *site = *state;
    engine_add_runbook(site->engine, "stops", "triggers: [{kind: incident, match: {source: pd}, on_resolve: cancel}]\n",
                       STEP);
    engine_add_runbook(site->engine, "stays", "triggers: [{kind: incident, match: {source: pd}}]\n", STEP);
    pagerduty(site, "pd", "E1", "triggered", "triggered", 0);
    settle(site);
    pagerduty(site, "pd", "E2", "resolved", "resolved", 5);
    settle(site);
    g_autoptr(json_t) runs = items(site, run_list);
    assert_int_equal(json_array_size(runs), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *run = json_array_get(runs, i);
        bool stops = strcmp(json_get_string(run, "runbook", ""), "stops") == 0;
        assert_string_equal(json_get_string(run, "state", ""), stops ? "cancelled" : "queued");
        assert_string_equal(json_get_string(run, "reason", ""), stops ? "incident_resolved" : "");
    }
}

static void a_replay_matches_with_the_runbooks_of_now(void **state)
{
    struct site *site = *state;
    pagerduty(site, "pd", "E1", "triggered", "triggered", 0);
    settle(site);
    assert_note(site, "1", "processed", "no runbook is in service");
    serve_wide(site);
    json_decref(call_ok(site->engine, delivery_replay, json_pack("{s:s}", "id", "1")));
    settle(site);
    assert_outcome(site, "1", "started");
    json_decref(call_ok(site->engine, delivery_replay, json_pack("{s:s}", "id", "1")));
    settle(site);
    assert_outcome(site, "1", "started_before");
    assert_int_equal(count(site, run_list), 1);
    call_refused(site->engine, delivery_replay, json_pack("{s:s}", "id", "77"), ERROR_NOT_FOUND);
}

/* --- crashes --- */

static bool apply_only(struct store_tx *tx, void *arg, GError **error)
{
    return delivery_job_apply(tx, arg, error);
}

/* So many runbooks that matching is not done inside the store's thread: the delivery is applied, then everything dies.
 */
static void a_crash_between_the_steps_repeats_nothing(void **state)
{
    struct site *site = *state;
    struct jobs *jobs = &site->engine->jobs;
    for (int i = 0; i < 260; i++) {
        g_autofree char *id = g_strdup_printf("other-%d", i);
        engine_add_runbook(site->engine, id, "triggers: [{kind: incident, match: {alert: Other}, for_each: alert}]\n",
                           STEP);
    }
    serve_each(site);
    g_autofree char *body = quotes(
        "{'version':'4','groupKey':'g','status':'firing','alerts':[{'status':'firing','labels':{'alertname':'Disk',"
        "'instance':'db-1'},'startsAt':'2027-01-15T07:01:00Z','fingerprint':'f'}]}");
    struct delivery_service *service = jobs->deliveries;
    jobs->deliveries = NULL;
    delivery_service_free(service); /* nobody works on deliveries */
    service = g_new0(struct delivery_service, 1);
    g_autoptr(GError) error = NULL;
    service->jobs = jobs;
    service->sources = sources_configure(config_tree(jobs->config, "sources"), &error);
    service->rules = label_rules_new(jobs->config, &error);
    struct delivery_job job = {.seq = 1,
                               .received_ms = NOW_MS,
                               .source = delivery_source(service, "am"),
                               .rules = service->rules,
                               .set = &site->engine->set};
    open_services(site);
    /* stored, but the loop does not run: the queue has not looked yet */
    struct told told = {0};
    struct headers headers = {{"authorization"}, {"Bearer am-token"}};
    const struct source_request request = {
        .header = get_header, .query = get_query, .arg = &headers, .body = body, .body_length = strlen(body)};
    delivery_receive(jobs, "am", &request, on_answer, &told);
    delivery_job_read(&job, body, strlen(body));
    assert_true(store_sync(jobs->store, apply_only, &job, &error));
    assert_null(job.plan);
    assert_false(job.ended);
    reopen(site);
    settle(site);
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_int_equal(timeline_count(incident, "opened"), 1);
    assert_int_equal(timeline_count(incident, "alert_fired"), 1);
    assert_int_equal(json_array_size(json_object_get(incident, "runs")), 1); /* the new alert was not forgotten */
    assert_int_equal(count(site, run_list), 1);
    job.set = NULL;
    delivery_job_clear(&job);
    g_ptr_array_unref(service->sources);
    label_rules_free(service->rules);
    g_free(service);
}

static void what_was_accepted_before_a_crash_is_worked_on_after_it(void **state)
{
    struct site *site = *state;
    serve_wide(site);
    for (int i = 0; i < 30; i++) {
        g_autofree char *id = g_strdup_printf("E%d", i);
        assert_int_equal(
            pagerduty(site, "pd", id, i ? "acknowledged" : "triggered", i ? "acknowledged" : "triggered", i), 202);
    }
    reopen(site);
    settle(site);
    assert_int_equal(count(site, delivery_list), 30);
    assert_int_equal(count(site, run_list), 1);
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_int_equal(timeline_count(incident, "opened"), 1);
}

static void a_delivery_that_always_fails_stops_no_other(void **state)
{
    struct site *site = *state;
    serve_each(site);
    delivery_queue_set_times(site->engine->jobs.deliveries->queue, 1000, 10);
    const char *fault = "CREATE TRIGGER fault BEFORE INSERT ON incidents WHEN NEW.key = 'PINC' BEGIN SELECT "
                        "RAISE(ABORT, 'a fault'); END;";
    assert_true(store_sync(site->engine->jobs.store, sql_job, (void *)fault, NULL));
    assert_int_equal(pagerduty(site, "pd", "E1", "triggered", "triggered", 0), 202);
    assert_int_equal(alertmanager(site, "g", ALERTS("db-1 firing 01")), 200);
    settle(site);
    assert_note(site, "1", "dead", "could not be worked on");
    assert_int_equal(count(site, run_list), 1);
}

/* --- alerts from the API --- */

#define ONE_ALERT                                                                                                      \
    "{'alerts':[{'id':'PA1','status':'triggered','severity':'critical','created_at':'2027-01-15T07:58:00Z','body':{'"  \
    "details':"                                                                                                        \
    "{'alertname':'Disk','instance':'db-1:9100'}}}],'more':false}"

static void alerts_are_fetched_before_matching(void **state)
{
    struct site *site = *state;
    serve_each(site);
    g_free(site->api_answer);
    site->api_answer = quotes(ONE_ALERT);
    assert_int_equal(pagerduty(site, "fetch", "E1", "triggered", "triggered", 0), 202);
    settle(site);
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_int_equal(site->api_requests, 1);
    assert_string_equal(json_path_string(json_array_get(json_object_get(incident, "alerts"), 0), "labels.instance"),
                        "db-1:9100");
    assert_string_equal(json_path_string(incident, "labels.alertname"), "Disk");
    assert_int_equal(json_array_size(json_object_get(incident, "runs")), 1);
}

static void without_the_api_it_matches_without_and_tries_once_more(void **state)
{
    struct site *site = *state;
    serve_wide(site);
    serve_each(site);
    site->api_status = 500;
    delivery_queue_set_times(site->engine->jobs.deliveries->queue, 1000, 10);
    pagerduty(site, "fetch", "E1", "triggered", "triggered", 0);
    settle(site);
    assert_int_equal(count(site, run_list), 1); /* what needs no alerts has started */
    assert_note(site, "1", "received", "matched without");
    site->api_status = 200;
    g_free(site->api_answer);
    site->api_answer = quotes(ONE_ALERT);
    clock_set_fake(NOW_MS + 2000);
    delivery_queue_kick_due(site->engine->jobs.deliveries->queue);
    for (size_t runs = 0; runs < 2; runs = count(site, run_list))
        loop_step(site->engine->jobs.loop);
    settle(site);
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_int_equal(json_array_size(json_object_get(incident, "runs")), 2);
    assert_int_equal(timeline_count(incident, "opened"), 1);
    g_autoptr(json_t) explained = explain(site, "1");
    assert_string_equal(json_get_string(explained, "state", ""), "processed");
}

static void alerts_come_in_pages(void **state)
{
    static const struct {
        int alerts, page, requests;
        size_t known;
        const char *why;
    } rows[] = {
        {100, 100, 1, 100, "one full page"},
        {250, 100, 3, 250, "the last page is not full"},
        {90, 40, 3, 90, "the API gives smaller pages than were asked for"},
        {2300, 100, 20, 2000, "no more than an incident may have"},
    };
    struct site *site = *state;
    serve_each(site);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        site->api_alerts = rows[i].alerts;
        site->api_page = rows[i].page;
        site->api_requests = 0;
        g_autofree char *body =
            g_strdup_printf("{\"event\":{\"id\":\"E%zu\",\"event_type\":\"incident.triggered\",\"occurred_at\":\"2027-"
                            "01-15T07:59:00Z\","
                            "\"data\":{\"type\":\"incident\",\"id\":\"P%zu\",\"status\":\"triggered\"}}}",
                            i, i);
        assert_int_equal(pagerduty_raw(site, "fetch", NULL, body), 202);
        settle(site);
        g_autoptr(json_t) incident = incident_at(site, 0);
        size_t known = json_array_size(json_object_get(incident, "alerts"));
        if (site->api_requests != rows[i].requests || known != rows[i].known)
            fail_msg("%s: %d requests, %zu alerts", rows[i].why, site->api_requests, known);
        assert_int_equal(json_array_size(json_object_get(incident, "runs")), rows[i].known);
    }
}

/* What was read before a page failed starts its runs; the rest follows with the second try. */
static void a_page_that_fails_is_read_again(void **state)
{
    struct site *site = *state;
    serve_each(site);
    delivery_queue_set_times(site->engine->jobs.deliveries->queue, 1000, 10);
    site->api_alerts = 150;
    site->api_page = 100;
    site->api_fails_at = 2;
    pagerduty(site, "fetch", "E1", "triggered", "triggered", 0);
    settle(site);
    assert_note(site, "1", "received", "the API answered 500");
    g_autoptr(json_t) so_far = incident_at(site, 0);
    assert_int_equal(json_array_size(json_object_get(so_far, "runs")), 100);
    clock_set_fake(NOW_MS + 2000);
    delivery_queue_kick_due(site->engine->jobs.deliveries->queue);
    for (;;) {
        g_autoptr(json_t) explained = explain(site, "1");
        if (strcmp(json_get_string(explained, "state", ""), "processed") == 0)
            break;
        loop_step(site->engine->jobs.loop);
    }
    g_autoptr(json_t) incident = incident_at(site, 0);
    assert_int_equal(json_array_size(json_object_get(incident, "runs")), 150);
    assert_int_equal(json_array_size(json_object_get(incident, "alerts")), 150);
}

/* More deliveries wait for another try than are read at a time. */
static void many_second_tries_all_come(void **state)
{
    struct site *site = *state;
    site->api_status = 500;
    delivery_queue_set_times(site->engine->jobs.deliveries->queue, 1000, 10);
    for (int i = 0; i < 40; i++) {
        g_autofree char *id = g_strdup_printf("E%d", i);
        pagerduty(site, "fetch", id, "triggered", "triggered", i);
    }
    settle(site);
    site->api_status = 200;
    clock_set_fake(NOW_MS + 2000);
    delivery_queue_kick_due(site->engine->jobs.deliveries->queue);
    for (size_t processed = 0; processed < 40;) {
        g_autoptr(json_t) page =
            call_ok(site->engine, delivery_list, json_pack("{s:s, s:s}", "state", "processed", "limit", "100"));
        processed = json_array_size(json_object_get(page, "items"));
        if (processed < 40) /* else nothing is left to wait for but the server's own heartbeat */
            loop_step(site->engine->jobs.loop);
    }
}

static void sources_are_listed(void **state)
{
    struct site *site = *state;
    pagerduty(site, "pd", "E1", "triggered", "triggered", 0);
    settle(site);
    g_autoptr(json_t) sources = items(site, source_list);
    assert_int_equal(json_array_size(sources), 4);
    const json_t *pd = json_array_get(sources, 0);
    assert_string_equal(json_get_string(pd, "name", ""), "pd");
    assert_string_equal(json_get_string(pd, "url", ""), "http://hikeshi.test/hooks/pd");
    assert_int_equal(json_get_integer(pd, "deliveries", 0), 1);
    assert_false(json_get_bool(json_array_get(sources, 3), "enabled", true));
}

/* Every list that the store answers pages alike. */
static void lists_have_pages(void **state)
{
    static const struct {
        const char *limit;
        size_t count;
        bool more;
        const char *why;
    } rows[] = {
        {"1", 1, true, "a page"},
        {"2", 2, true, "another"},
        {"3", 3, false, "all there is, exactly"},
        {"4", 3, false, "more than there is"},
        {"0", 1, true, "a page has something on it, or its `next` would never come"},
        {"-1", 3, false, "not a number of rows"},
    };
    static const jobs_fn lists[] = {delivery_list, incident_list, run_list};
    struct site *site = *state;
    serve_wide(site);
    for (int i = 0; i < 3; i++) {
        g_autofree char *group = g_strdup_printf("g%d", i);
        alertmanager(site, group, ALERTS("db-1 firing 01"));
    }
    settle(site);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(lists); j++) {
            g_autoptr(json_t) page = call_ok(site->engine, lists[j], json_pack("{s:s}", "limit", rows[i].limit));
            const json_t *shown = json_object_get(page, "items"), *next = json_object_get(page, "next");
            if (json_array_size(shown) != rows[i].count || json_is_null(next) == rows[i].more)
                fail_msg("list %zu, %s: %zu items, next %s", j, rows[i].why, json_array_size(shown),
                         json_is_null(next) ? "null" : "there");
            if (!rows[i].more)
                continue;
            assert_true(json_equal(next, json_object_get(json_array_get(shown, rows[i].count - 1), "id")));
            g_autoptr(json_t) rest = call_ok(site->engine, lists[j], json_pack("{s:O}", "after", next));
            assert_int_equal(json_array_size(json_object_get(rest, "items")), 3 - rows[i].count);
        }
    }
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers),
        TEST(admissions),
        TEST(a_store_that_fails_is_not_an_acceptance),
        TEST(an_incident_starts_one_run),
        TEST(the_same_event_under_another_header_is_worked_on_once),
        TEST(a_resolve_that_overtakes_wins),
        TEST(a_late_trigger_after_an_acknowledgement_starts),
        TEST(a_reopened_incident_starts_again),
        TEST(one_run_an_alert_and_firing),
        TEST(an_alert_that_vanishes_from_its_group_is_over),
        TEST(a_large_group_starts_all_its_runs),
        TEST(explains_why_nothing_starts),
        TEST(a_suggestion_starts_nothing),
        TEST(a_person_starts_what_was_suggested),
        TEST(documents_are_linked),
        TEST(a_resolve_cancels_what_asks_for_it),
        TEST(a_replay_matches_with_the_runbooks_of_now),
        TEST(a_crash_between_the_steps_repeats_nothing),
        TEST(what_was_accepted_before_a_crash_is_worked_on_after_it),
        TEST(a_delivery_that_always_fails_stops_no_other),
        TEST(alerts_are_fetched_before_matching),
        TEST(without_the_api_it_matches_without_and_tries_once_more),
        TEST(alerts_come_in_pages),
        TEST(a_page_that_fails_is_read_again),
        TEST(many_second_tries_all_come),
        TEST(sources_are_listed),
        TEST(lists_have_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

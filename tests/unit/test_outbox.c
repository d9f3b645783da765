/* The outbox on a real store, with an HTTP server that plays PagerDuty and a receiver of webhooks. */
#include "engine_support.h"
#include "jobs/delivery.h"
#include "jobs/incident_update.h"
#include "jobs/outbox_private.h"
#include "web/server.h"
#include <arpa/inet.h>
#include <unistd.h>

#define CONFIG                                                                                                         \
    "sources:\n"                                                                                                       \
    "  pd: {kind: pagerduty, secrets: \"env:T_PD\"}\n"                                                                 \
    "  am: {kind: alertmanager, bearer: \"env:T_AM\"}\n"                                                               \
    "channels:\n"                                                                                                      \
    "  pagerduty: {kind: pagerduty, token: \"env:T_PD\", from: ops@example.com, api: \"%s\"}\n"                        \
    "  hook: {kind: webhook, url: \"%s/hook\", secret: [\"env:T_NEW\", \"env:T_OLD\"], enabled: %s}\n"

/* One request that the server saw. */
struct seen {
    char *method, *path, *body, *signature, *delivery, *timestamp, *from;
};

struct site {
    struct engine *engine;
    struct server *server;
    GPtrArray *seen;
    char *notes[8]; /* what the incident's notes say; NOTE0, NOTE1, … */
    size_t note_count;
    int fail_status; /* answer so, `fail_times` times */
    int fail_times;
    const char *fail_header;
    struct server_request *held; /* hold: a request that is not answered yet */
    bool hold;
    char *incident;
};

static void seen_free(void *data)
{
    struct seen *seen = data;
    g_free(seen->method);
    g_free(seen->path);
    g_free(seen->body);
    g_free(seen->signature);
    g_free(seen->delivery);
    g_free(seen->timestamp);
    g_free(seen->from);
    g_free(seen);
}

static void note_request(struct site *site, struct server_request *request)
{
    size_t length;
    struct seen *seen = g_new0(struct seen, 1);
    seen->method = g_strdup(server_method(request));
    seen->path = g_strdup(server_path(request));
    seen->body = g_strdup(server_body(request, &length));
    seen->signature = g_strdup(server_header(request, "x-hikeshi-signature"));
    seen->delivery = g_strdup(server_header(request, "x-hikeshi-delivery"));
    seen->timestamp = g_strdup(server_header(request, "x-hikeshi-timestamp"));
    seen->from = g_strdup(server_header(request, "from"));
    g_ptr_array_add(site->seen, seen);
}

static json_t *note_shape(struct site *site, size_t index)
{
    g_autofree char *id = g_strdup_printf("NOTE%zu", index);
    return json_pack("{s:s, s:s}", "id", id, "content", site->notes[index]);
}

static char *content_of(struct server_request *request)
{
    size_t length;
    const char *body = server_body(request, &length);
    g_autoptr(json_t) value = json_parse(body, length, "body", NULL);
    return g_strdup(json_path_string(value, "note.content"));
}

/* /incidents/PINC/notes[/NOTEn] */
static void answer_notes(struct site *site, struct server_request *request)
{
    const char *method = server_method(request), *id = strstr(server_path(request), "/NOTE");
    size_t index = id ? (size_t)(id[5] - '0') : site->note_count;
    g_autoptr(json_t) answer = json_object();
    if (strcmp(method, "GET") == 0) {
        json_t *list = json_array();
        for (size_t i = 0; i < site->note_count; i++)
            json_array_append_new(list, note_shape(site, i));
        json_object_set_new(answer, "notes", list);
    } else if (id && (index >= site->note_count || !site->notes[index])) {
        server_answer(request, 404, "application/json", NULL, "{}", 2);
        return;
    } else {
        site->note_count += !id;
        g_free(site->notes[index]);
        site->notes[index] = content_of(request);
        json_object_set_new(answer, "note", note_shape(site, index));
    }
    server_answer_json(request, 200, answer);
}

static void on_request(void *arg, struct server_request *request)
{
    struct site *site = arg;
    note_request(site, request);
    if (site->hold) {
        site->held = server_request_ref(request);
        return;
    }
    if (site->fail_times > 0) {
        const char *const headers[] = {site->fail_header, NULL};
        site->fail_times--;
        server_answer(request, site->fail_status, "text/plain", headers, "no", 2);
        return;
    }
    if (g_str_has_prefix(server_path(request), "/incidents/PINC/notes"))
        answer_notes(site, request);
    else
        server_answer(request, 200, "text/plain", NULL, "ok", 2);
}

static void open_outbox(struct site *site)
{
    struct jobs *jobs = &site->engine->jobs;
    g_autoptr(GError) error = NULL;
    jobs->outbox = outbox_service_new(jobs, &error);
    assert_null(error);
    outbox_set_backoff_ms(jobs->outbox, 20);
}

static bool add_incident(struct store_tx *tx, void *arg, GError **error)
{
    struct site *site = arg;
    struct label_rules *rules = label_rules_new(site->engine->jobs.config, error);
    g_autoptr(json_t) update = json_pack("{s:s, s:s, s:s, s:s, s:I}", "key", "PINC", "title", "Disk is full", "status",
                                         "triggered", "starts", "never", "at", (json_int_t)clock_now_ms());
    g_autoptr(json_t) change = NULL;
    bool ok = rules && incident_update_apply(tx, "pd", update, rules, NULL, &change, error);
    label_rules_free(rules);
    site->incident = g_strdup(json_get_string(change, "incident", NULL));
    return ok;
}

static int open_site(void **state, const char *hook_enabled)
{
    struct site *site = g_new0(struct site, 1);
    g_autoptr(GError) error = NULL;
    void *engine;
    g_setenv("T_PD", "pd-token", TRUE);
    g_setenv("T_AM", "am-token", TRUE);
    g_setenv("T_NEW", "new", TRUE);
    g_setenv("T_OLD", "old", TRUE);
    engine_setup(&engine);
    site->engine = engine;
    site->seen = g_ptr_array_new_with_free_func(seen_free);
    struct jobs *jobs = &site->engine->jobs;
    const struct server_options options = {
        .listen = "127.0.0.1:0", .max_body = 1 << 20, .handler = on_request, .arg = site};
    site->server = server_new(jobs->loop, &options, &error);
    assert_null(error);
    g_autofree char *address = server_address(site->server), *url = g_strconcat("http://", address, NULL);
    g_autofree char *config = g_strdup_printf(CONFIG, url, url, hook_enabled);
    g_autofree char *path = g_build_filename(site->engine->folder, "c.yaml", NULL);
    assert_true(g_file_set_contents(path, config, -1, NULL));
    jobs->config = config_load(path, NULL, &error);
    assert_null(error);
    jobs->http = http_client_new(jobs->loop);
    open_outbox(site);
    assert_true(store_sync(jobs->store, add_incident, site, &error));
    *state = site;
    return 0;
}

static int setup(void **state)
{
    return open_site(state, "false");
}

static int setup_with_hook(void **state)
{
    return open_site(state, "true");
}

static int teardown(void **state)
{
    struct site *site = *state;
    void *engine = site->engine;
    struct jobs *jobs = &site->engine->jobs;
    struct config *config = jobs->config;
    store_close(jobs->store);
    outbox_service_free(jobs->outbox);
    jobs->outbox = NULL;
    jobs->store = store_open(jobs->loop, site->engine->folder, NULL); /* engine_teardown closes it */
    http_client_free(jobs->http);
    server_request_unref(site->held);
    server_free(site->server);
    engine_teardown(&engine);
    config_free(config);
    g_ptr_array_unref(site->seen);
    for (size_t i = 0; i < G_N_ELEMENTS(site->notes); i++)
        g_free(site->notes[i]);
    g_free(site->incident);
    g_free(site);
    return 0;
}

/* --- acting and looking --- */

struct telling {
    struct site *site;
    const char *event, *incident, *run;
};

static bool tell_job(struct store_tx *tx, void *arg, GError **error)
{
    const struct telling *t = arg;
    return outbox_add(tx, t->event, t->incident, t->run, NULL, error);
}

static void tell(struct site *site, const char *event, const char *run)
{
    struct telling telling = {site, event, site->incident, run};
    assert_true(store_sync(site->engine->jobs.store, tell_job, &telling, NULL));
    outbox_kick(&site->engine->jobs);
}

/* A run of the incident, queued. */
static char *add_run(struct site *site)
{
    engine_add_runbook(site->engine, "disk", "", "```lua {step=look}\nlog('x')\n```\n");
    return start_run(site->engine, "disk");
}

static json_t *rows(struct site *site)
{
    g_autoptr(json_t) page = call_ok(site->engine, outbox_list, json_object());
    return json_incref(json_object_get(page, "items"));
}

/* Runs the loop until no row is pending. */
static void settle(struct site *site)
{
    for (;;) {
        g_autoptr(json_t) all = rows(site);
        size_t pending = 0, i;
        json_t *row;
        json_array_foreach (all, i, row)
            pending += strcmp(json_get_string(row, "state", ""), "pending") == 0;
        if (!pending)
            return;
        loop_step(site->engine->jobs.loop);
    }
}

static void wait_seen(struct site *site, guint count)
{
    while (site->seen->len < count)
        loop_step(site->engine->jobs.loop);
}

static const struct seen *seen_at(struct site *site, guint index)
{
    assert_true(index < site->seen->len);
    return site->seen->pdata[index];
}

/* --- tests --- */

static void one_note_is_made_and_then_edited(void **state)
{
    struct site *site = *state;
    tell(site, "run_ended", NULL);
    settle(site);
    assert_int_equal(site->note_count, 1);
    g_autofree char *first_line = g_strdup_printf("hikeshi on %s at http://hikeshi.test", site->incident);
    assert_true(g_str_has_prefix(site->notes[0], first_line));
    tell(site, "run_ended", NULL);
    settle(site);
    assert_int_equal(site->note_count, 1);
    assert_string_equal(seen_at(site, 0)->method, "GET"); /* is there a note of ours already? */
    assert_string_equal(seen_at(site, 1)->method, "POST");
    assert_string_equal(seen_at(site, 2)->method, "PUT");
    assert_string_equal(seen_at(site, 2)->path, "/incidents/PINC/notes/NOTE0");
    assert_string_equal(seen_at(site, 1)->from, "ops@example.com");
    assert_int_equal(site->seen->len, 3);
}

static void a_note_that_was_made_before_a_crash_is_found(void **state)
{
    struct site *site = *state;
    site->notes[0] = g_strdup("somebody's own words");
    site->notes[1] = g_strdup_printf("hikeshi on %s\nold", site->incident);
    site->note_count = 2;
    tell(site, "run_ended", NULL);
    settle(site);
    assert_int_equal(site->note_count, 2);
    assert_string_equal(site->notes[0], "somebody's own words");
    assert_null(strstr(site->notes[1], "old"));
    assert_string_equal(seen_at(site, 1)->method, "PUT");
}

static void a_removed_note_is_made_again(void **state)
{
    struct site *site = *state;
    tell(site, "run_ended", NULL);
    settle(site);
    g_clear_pointer(&site->notes[0], g_free); /* somebody removed it */
    site->note_count = 0;
    tell(site, "run_ended", NULL);
    settle(site);
    assert_int_equal(site->note_count, 1);
    assert_non_null(site->notes[0]);
}

static void what_happens_while_a_note_is_sent_is_sent_too(void **state)
{
    struct site *site = *state;
    site->hold = true;
    tell(site, "run_ended", NULL);
    wait_seen(site, 1);
    tell(site, "approval_requested", NULL); /* coalesces into the row that is on its way */
    tell(site, "run_ended", NULL);
    site->hold = false;
    struct server_request *held = g_steal_pointer(&site->held);
    answer_notes(site, held);
    server_request_unref(held);
    settle(site);
    assert_int_equal(site->note_count, 1);
    g_autoptr(json_t) all = rows(site);
    assert_int_equal(json_array_size(all), 1);
    assert_int_equal(site->seen->len, 3); /* GET, POST, and one PUT for both */
}

static void failures_are_tried_again(void **state)
{
    const struct {
        const char *why;
        int status, times;
        const char *header;
        const char *state;
        int64_t tries;
    } table[] = {
        {"an error of theirs", 500, 3, NULL, "sent", 4},
        {"too many requests do not count as tries", 429, 1, "Retry-After: 1", "sent", 1},
        {"the other header says when", 429, 1, "ratelimit-reset: 1", "sent", 1},
        {"a refusal is final", 400, 1, NULL, "dead", 1},
        {"credentials that do not work", 401, 1, NULL, "dead", 1},
    };
    struct site *site = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        site->fail_status = table[i].status;
        site->fail_times = table[i].times;
        site->fail_header = table[i].header;
        tell(site, "run_ended", NULL);
        settle(site);
        g_autoptr(json_t) all = rows(site);
        const json_t *row = json_array_get(all, 0);
        if (strcmp(json_get_string(row, "state", ""), table[i].state) != 0 ||
            json_get_integer(row, "tries", 0) != table[i].tries)
            fail_msg("%s: %s after %" JSON_INTEGER_FORMAT " tries", table[i].why, json_get_string(row, "state", ""),
                     json_get_integer(row, "tries", 0));
        assert_int_equal(json_get_string(row, "last_error", NULL) != NULL, strcmp(table[i].state, "dead") == 0);
    }
    g_autoptr(json_t) incident = call_ok(site->engine, incident_get, json_pack("{s:s}", "id", site->incident));
    size_t told = 0, i;
    json_t *entry;
    json_array_foreach (json_object_get(incident, "timeline"), i, entry)
        told +=
            strstr(json_get_string(entry, "text", ""), "channel pagerduty was not told: the API answered 40") != NULL;
    assert_int_equal(told, 2);
}

/* Nobody listens at the server's address any more, and no other test may get it. Returns a descriptor that holds it. */
static int leave_port(struct site *site)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    g_autofree char *text = server_address(site->server);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    address.sin_port = htons((uint16_t)g_ascii_strtoull(strrchr(text, ':') + 1, NULL, 10));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    server_free(g_steal_pointer(&site->server));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void a_dead_endpoint_keeps_its_rows_and_nothing_else_waits(void **state)
{
    struct site *site = *state;
    struct jobs *jobs = &site->engine->jobs;
    int port = leave_port(site);
    tell(site, "run_ended", NULL);
    for (int64_t tries = 0; tries < 2;) {
        g_autoptr(json_t) all = rows(site);
        tries = json_get_integer(json_array_get(all, 0), "tries", 0);
        if (tries < 2)
            loop_step(jobs->loop);
    }
    g_autofree char *run = add_run(site); /* the store and the loop go on */
    assert_run(site->engine, run, "queued", "");
    g_autoptr(json_t) all = rows(site);
    assert_string_equal(json_get_string(json_array_get(all, 0), "state", ""), "pending");
    assert_non_null(json_get_string(json_array_get(all, 0), "last_error", NULL));
    close(port);
}

static void what_waits_survives_a_restart(void **state)
{
    struct site *site = *state;
    struct jobs *jobs = &site->engine->jobs;
    site->hold = true;
    tell(site, "run_ended", NULL);
    wait_seen(site, 1);
    store_close(jobs->store);
    outbox_service_free(jobs->outbox); /* in the middle of a request */
    server_request_unref(g_steal_pointer(&site->held));
    site->hold = false;
    jobs->store = store_open(jobs->loop, site->engine->folder, NULL);
    open_outbox(site);
    settle(site);
    assert_int_equal(site->note_count, 1);
}

static void a_webhook_is_signed_and_says_what_happened(void **state)
{
    struct site *site = *state;
    g_autofree char *run = add_run(site);
    struct telling telling = {site, "run_ended", NULL, run};
    assert_true(store_sync(site->engine->jobs.store, tell_job, &telling, NULL));
    outbox_kick(&site->engine->jobs);
    settle(site);
    const struct seen *seen = seen_at(site, 0);
    assert_string_equal(seen->path, "/hook");
    static const char *const secrets[] = {"new", "old"};
    g_autoptr(GString) expected = g_string_new(NULL);
    g_autofree char *covered = g_strdup_printf("%s.%s.%s", seen->delivery, seen->timestamp, seen->body);
    for (size_t i = 0; i < 2; i++) {
        uint8_t mac[32];
        crypto_hmac_sha256(secrets[i], strlen(secrets[i]), covered, strlen(covered), mac);
        g_autofree char *hex = crypto_hex(mac, sizeof mac);
        g_string_append_printf(expected, "%sv1=%s", i ? "," : "", hex);
    }
    assert_string_equal(seen->signature, expected->str);
    g_autoptr(json_t) body = json_parse(seen->body, strlen(seen->body), "body", NULL);
    assert_string_equal(json_get_string(body, "id", ""), seen->delivery);
    assert_string_equal(json_get_string(body, "event", ""), "run_ended");
    assert_string_equal(json_path_string(body, "run.id"), run);
    assert_true(json_is_null(json_object_get(body, "incident")));
}

static void webhooks_are_told_of_each_event_and_notes_once(void **state)
{
    struct site *site = *state;
    site->hold = false;
    tell(site, "run_started", NULL);
    tell(site, "step_ended", NULL);
    tell(site, "run_ended", NULL);
    settle(site);
    size_t hooks = 0;
    for (guint i = 0; i < site->seen->len; i++)
        hooks += strcmp(seen_at(site, i)->path, "/hook") == 0;
    assert_int_equal(hooks, 3);
    assert_int_equal(site->note_count, 1);
}

static void backoff_doubles_with_a_ceiling(void **state)
{
    (void)state;
    for (int64_t tries = 0; tries < 100; tries++) {
        int64_t middle = MIN(INT64_C(1000) << MIN(tries, 20), INT64_C(300000));
        assert_in_range(outbox_backoff_ms(1000, tries, 0), middle * 3 / 4, middle * 3 / 4);
        assert_in_range(outbox_backoff_ms(1000, tries, 999), middle, middle * 5 / 4);
    }
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_note_is_made_and_then_edited),
        TEST(a_note_that_was_made_before_a_crash_is_found),
        TEST(a_removed_note_is_made_again),
        TEST(what_happens_while_a_note_is_sent_is_sent_too),
        TEST(failures_are_tried_again),
        TEST(a_dead_endpoint_keeps_its_rows_and_nothing_else_waits),
        TEST(what_waits_survives_a_restart),
        cmocka_unit_test_setup_teardown(a_webhook_is_signed_and_says_what_happened, setup_with_hook, teardown),
        cmocka_unit_test_setup_teardown(webhooks_are_told_of_each_event_and_notes_once, setup_with_hook, teardown),
        cmocka_unit_test(backoff_doubles_with_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

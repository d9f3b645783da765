/* reaper: every host is looked at once, what is not known in time is told as such, and the server hears of it however
 * long it is away. The server and SSH are fakes, the time is virtual. */
#include "core/errors.h"
#include "core/limits.h"
#include "core/wire.h"
#include "runner/reaper.h"

#include "tests/unit/support.h"

/* ---- the fakes ---- */

struct uplink_call {
    char *body;
    uplink_done_fn done;
    void *arg;
};

static struct uplink_call *posted; /* unanswered */
static int posts;

struct uplink_call *uplink_post(struct uplink *uplink, const char *path, const char *body, size_t length,
                                int64_t timeout_ms, uplink_done_fn done, void *arg)
{
    (void)uplink, (void)timeout_ms;
    assert_string_equal(path, WIRE_REAPED_PATH);
    assert_null(posted);
    posted = g_new(struct uplink_call, 1);
    *posted = (struct uplink_call){g_strndup(body, length), done, arg};
    posts++;
    return posted;
}

void uplink_call_cancel(struct uplink_call *call)
{
    if (call == NULL)
        return;
    assert_ptr_equal(call, posted);
    posted = NULL;
    g_free(call->body);
    g_free(call);
}

static void server_answers(int status)
{
    struct uplink_call *call = g_steal_pointer(&posted);
    assert_non_null(call);
    call->done(call->arg, status, NULL, NULL);
    g_free(call->body);
    g_free(call);
}

static GString *looked_at; /* "host:marker:sudo " */
static struct op *hanging; /* of the host "silent" */

static void hanging_cancelled(void *arg, int code)
{
    (void)arg;
    op_done(hanging, NULL, g_error_new(HIKESHI_ERROR, code, "given up"));
    op_unref(g_steal_pointer(&hanging));
}

/* Hosts answer what they are called: clean, stubborn, silent (when it is cancelled), down. */
void ssh_reap(struct ssh_pool *pool, const json_t *host, const json_t *inventory, const char *marker, bool sudo,
              struct op *op)
{
    (void)pool, (void)inventory;
    const char *name = json_get_string(host, "name", "");
    g_string_append_printf(looked_at, "%s:%s:%d ", name, marker, sudo);
    if (strcmp(name, "silent") == 0) {
        hanging = op_ref(op);
        op_on_cancel(op, hanging_cancelled, NULL);
    } else if (strcmp(name, "down") == 0) {
        op_done(op, NULL, g_error_new(HIKESHI_ERROR, ERROR_CONNECT, "down"));
    } else {
        op_done(op, json_pack("{s:s, s:b}", "host", name, "stopped", strcmp(name, "clean") == 0), NULL);
    }
}

/* ---- the tests ---- */

struct fixture {
    struct loop *loop;
    struct reaper *reaper;
    bool ended;
};

static void reaper_ended(void *arg, struct reaper *reaper)
{
    struct fixture *fixture = arg;
    assert_false(fixture->ended);
    fixture->ended = true;
    reaper_free(reaper);
    fixture->reaper = NULL;
}

static void start(struct fixture *fixture, const char *hosts)
{
    *fixture = (struct fixture){.loop = loop_new_virtual(0)};
    looked_at = g_string_new(NULL);
    posts = 0;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdup_printf("{\"reap\":{\"run\":\"run_1\",\"attempt\":3,\"hosts\":%s},\"inventory\":["
                                            "{\"name\":\"clean\"},{\"name\":\"stubborn\"},{\"name\":\"silent\"},"
                                            "{\"name\":\"down\"}]}",
                                            hosts);
    g_autoptr(json_t) job = json_parse(text, strlen(text), "job", &error);
    assert_null(error);
    const struct reaper_options options = {
        .loop = fixture->loop, .worker = "w1", .job = job, .ended = reaper_ended, .arg = fixture};
    fixture->reaper = reaper_new(&options);
}

static void finish(struct fixture *fixture)
{
    reaper_free(fixture->reaper);
    loop_free(fixture->loop);
    g_string_free(looked_at, TRUE);
}

static void until_posted(struct fixture *fixture)
{
    while (posted == NULL)
        loop_step(fixture->loop);
}

static void every_host_has_its_answer(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, "[{\"host\":\"clean\",\"sudo\":false},{\"host\":\"stubborn\",\"sudo\":true},"
                    "{\"host\":\"silent\",\"sudo\":false},{\"host\":\"down\",\"sudo\":false},"
                    "{\"host\":\"removed\",\"sudo\":false}]");
    assert_string_equal(looked_at->str, "clean:run_1.3.:0 stubborn:run_1.3.:1 silent:run_1.3.:0 down:run_1.3.:0 ");
    assert_null(posted);
    until_posted(&fixture); /* after REAP_MS */
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) body = json_parse(posted->body, strlen(posted->body), "body", &error);
    static const struct {
        const char *host, *stopped;
    } rows[] = {{"clean", "true"}, {"stubborn", "false"}, {"silent", "null"}, {"down", "null"}, {"removed", "null"}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const json_t *found = json_find(json_object_get(body, "hosts"), "host", rows[i].host);
        g_autofree char *stopped = json_dumps(json_object_get(found, "stopped"), JSON_ENCODE_ANY);
        if (found == NULL || strcmp(stopped, rows[i].stopped) != 0)
            fail_msg("%s: %s", rows[i].host, found ? stopped : "not told");
    }
    assert_int_equal(json_array_size(json_object_get(body, "hosts")), G_N_ELEMENTS(rows));
    server_answers(200);
    assert_true(fixture.ended);
    finish(&fixture);
}

static void the_server_hears_of_it_when_it_is_back(void **state)
{
    (void)state;
    static const struct {
        int statuses[4];
        int posts;
        const char *why;
    } rows[] = {
        {{0, 503, 500, 200}, 4, "away, busy, broken, there"},
        {{404}, 1, "an older server does not know the question"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct fixture fixture;
        start(&fixture, "[{\"host\":\"clean\",\"sudo\":false}]");
        for (int k = 0; k < rows[i].posts; k++) {
            if (fixture.ended)
                fail_msg("%s: ended after %d", rows[i].why, k);
            until_posted(&fixture);
            server_answers(rows[i].statuses[k]);
        }
        if (!fixture.ended || posts != rows[i].posts)
            fail_msg("%s: %d posts", rows[i].why, posts);
        finish(&fixture);
    }
}

static void it_may_go_at_any_moment(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, "[{\"host\":\"silent\",\"sudo\":false}]"); /* while it looks */
    finish(&fixture);
    assert_null(hanging);
    start(&fixture, "[{\"host\":\"clean\",\"sudo\":false}]"); /* while it tells */
    until_posted(&fixture);
    finish(&fixture);
    assert_null(posted);
    start(&fixture, "[]"); /* nothing to look at */
    until_posted(&fixture);
    server_answers(200);
    assert_true(fixture.ended);
    finish(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_host_has_its_answer),
        cmocka_unit_test(the_server_hears_of_it_when_it_is_back),
        cmocka_unit_test(it_may_go_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* lease: nothing before the confirmation, nothing twice, nothing after the fence. The server, Lua and SSH are fakes. */
#include "core/limits.h"
#include "core/wire.h"
#include "runner/lease.h"

#include "tests/unit/support.h"

#include "tests/unit/fake_lua.h"
#include "tests/unit/fake_ssh.h"

/* ---- the server ---- */

struct uplink {
    GQueue calls; /* struct uplink_call, unanswered */
    int posts;
};

struct uplink_call {
    struct uplink *uplink;
    char *path, *body;
    uplink_done_fn done;
    void *arg;
};

struct uplink_call *uplink_post(struct uplink *uplink, const char *path, const char *body, size_t length,
                                int64_t timeout_ms, uplink_done_fn done, void *arg)
{
    struct uplink_call *call = g_new0(struct uplink_call, 1);

    (void)timeout_ms;
    *call = (struct uplink_call){
        .uplink = uplink, .path = g_strdup(path), .body = g_strndup(body, length), .done = done, .arg = arg};
    g_queue_push_tail(&uplink->calls, call);
    uplink->posts++;
    return call;
}

static void call_free(struct uplink_call *call)
{
    g_queue_remove(&call->uplink->calls, call);
    g_free(call->path);
    g_free(call->body);
    g_free(call);
}

void uplink_call_cancel(struct uplink_call *call)
{
    if (call)
        call_free(call);
}

/* ---- fixture ---- */

struct fixture {
    struct loop *loop;
    struct uplink uplink;
    struct ssh_pool *pool;
    struct network network;
    struct world world;
    struct lease *lease;
    bool ended;
    int64_t acked;   /* what the server has stored */
    GString *stored; /* kinds, each seq once */
    const char *cancel;
};

static void nothing(void *arg)
{
    (void)arg;
}

static void steps(struct fixture *fixture, int turns)
{
    for (int i = 0; i < turns; i++) {
        loop_post(fixture->loop, nothing, NULL); /* so that a turn never waits */
        loop_step(fixture->loop);
    }
}

static void lease_ended(void *arg, struct lease *lease)
{
    struct fixture *fixture = arg;

    assert_false(fixture->ended);
    assert_ptr_equal(lease, fixture->lease);
    fixture->ended = true;
    lease_free(lease);
    fixture->lease = NULL;
}

static void fixture_open(struct fixture *fixture, const char *text)
{
    g_autoptr(json_t) job =
        json_pack("{s:s, s:i, s:s, s:i, s:{}, s:{}, s:[{s:s, s:s}], s:[{s:s, s:s, s:{}}], s:{}}", "lease", "lease_1",
                  "lease_ms", WIRE_CONFIRM_MS, "run", "run_1", "attempt", 3, "params", "data", "steps", "id", "a",
                  "text", text, "inventory", "name", "h1", "address", "127.0.0.1", "labels", "limits");

    *fixture = (struct fixture){.loop = loop_new()};
    fake_lua_said = 0;
    fixture->pool = fake_pool_new(fixture->loop);
    fixture->network = (struct network){.loop = fixture->loop, .ssh = fixture->pool};
    fixture->world = world_of_network(&fixture->network);
    fixture->stored = g_string_new(NULL);
    g_queue_init(&fixture->uplink.calls);
    struct lease_options options = {.loop = fixture->loop,
                                    .uplink = &fixture->uplink,
                                    .world = &fixture->world,
                                    .worker = "worker_1",
                                    .job = job,
                                    .ended = lease_ended,
                                    .arg = fixture};
    fixture->lease = lease_new(&options);
}

static void fixture_close(struct fixture *fixture)
{
    lease_free(fixture->lease);
    assert_int_equal(fixture->uplink.calls.length, 0);
    fake_pool_free(fixture->pool);
    g_string_free(fixture->stored, TRUE);
    loop_free(fixture->loop);
}

/* False: the lease ended without another request. */
static bool await_request(struct fixture *fixture)
{
    while (fixture->uplink.calls.length == 0 && !fixture->ended)
        steps(fixture, 1);
    return fixture->uplink.calls.length > 0;
}

/* The one request under way, once there is one. */
static struct uplink_call *request(struct fixture *fixture, const char *path)
{
    assert_true(await_request(fixture));
    assert_int_equal(fixture->uplink.calls.length, 1);
    struct uplink_call *call = g_queue_peek_head(&fixture->uplink.calls);
    assert_string_equal(call->path, path);
    return call;
}

static void answer(struct uplink_call *call, int status, json_t *body)
{
    uplink_done_fn done = call->done;
    void *arg = call->arg;
    g_autoptr(GError) error = status ? NULL : g_error_new(HIKESHI_ERROR, ERROR_UNAVAILABLE, "nobody listens");

    call_free(call);
    done(arg, status, body, error);
    json_decref(body);
}

/* Once the run has told all that it can tell before its first effect. */
static void confirm(struct fixture *fixture, int64_t lease_ms)
{
    while (fake_lua_said == 0)
        steps(fixture, 1);
    answer(request(fixture, WIRE_CONFIRM_PATH), 200, json_pack("{s:I}", "lease_ms", (json_int_t)lease_ms));
}

/* Stores what is new of an events request, as the server does: a repeated seq is dropped, a gap is a failure. */
static void store(struct fixture *fixture, const char *body)
{
    g_autoptr(json_t) parsed = json_parse(body, strlen(body), "body", NULL);
    size_t i;
    json_t *event;

    assert_non_null(parsed);
    assert_string_equal(json_path_string(parsed, "lease"), "lease_1");
    assert_int_equal(json_get_integer(parsed, "attempt", 0), 3);
    json_array_foreach (json_object_get(parsed, "events"), i, event) {
        int64_t seq = json_get_integer(event, "seq", 0);
        assert_true(seq <= fixture->acked + 1);
        if (seq <= fixture->acked)
            continue;
        fixture->acked = seq;
        g_string_append_printf(fixture->stored, "%s%s", fixture->stored->len ? " " : "",
                               json_get_string(event, "kind", "?"));
    }
}

static void take_events(struct fixture *fixture, int64_t lease_ms)
{
    struct uplink_call *call = request(fixture, WIRE_EVENTS_PATH);

    store(fixture, call->body);
    answer(call, 200,
           json_pack("{s:I, s:s?, s:I}", "acked", (json_int_t)fixture->acked, "cancel", fixture->cancel, "lease_ms",
                     (json_int_t)lease_ms));
}

static void to_the_end(struct fixture *fixture)
{
    while (await_request(fixture))
        take_events(fixture, LEASE_MS);
}

/* ---- tests ---- */

static void one_request_before_the_first_command(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_open(&fixture, "ssh h1 true");
    confirm(&fixture, LEASE_MS);
    request(&fixture, WIRE_EVENTS_PATH);
    assert_string_equal(fixture.pool->sent->str, "");
    take_events(&fixture, LEASE_MS);
    assert_string_equal(fixture.stored->str, "run_start step_start command");
    to_the_end(&fixture);
    assert_string_equal(fixture.pool->sent->str, "h1:true");
    assert_string_equal(fixture.stored->str, "run_start step_start command host step_end run_end");
    fixture_close(&fixture);
}

static void unconfirmed_has_no_effect(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_open(&fixture, "ssh h1 true");
    answer(request(&fixture, WIRE_CONFIRM_PATH), 409, NULL);
    while (!fixture.ended)
        steps(&fixture, 1);
    assert_string_equal(fixture.pool->sent->str, "");
    assert_int_equal(fixture.uplink.posts, 1);
    fixture_close(&fixture);
}

static void asks_again_until_the_server_answers(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_open(&fixture, "ssh h1 true");
    answer(request(&fixture, WIRE_CONFIRM_PATH), 0, NULL);
    answer(request(&fixture, WIRE_CONFIRM_PATH), 503, NULL);
    confirm(&fixture, LEASE_MS);
    /* Stored, but the answer is lost: the same events come again and count once. */
    struct uplink_call *call = request(&fixture, WIRE_EVENTS_PATH);
    store(&fixture, call->body);
    answer(call, 0, NULL);
    assert_string_equal(fixture.pool->sent->str, "");
    to_the_end(&fixture);
    assert_string_equal(fixture.pool->sent->str, "h1:true");
    assert_string_equal(fixture.stored->str, "run_start step_start command host step_end run_end");
    fixture_close(&fixture);
}

static void fences_itself_before_the_lease_ends(void **state)
{
    struct fixture fixture;

    (void)state;
    g_autoptr(json_t) last = json_pack("{s:i}", "lease_ms", LEASE_MARGIN_MS + 30);
    fixture_open(&fixture, "ssh h1 true");
    confirm(&fixture, LEASE_MS);
    request(&fixture, WIRE_EVENTS_PATH); /* never answered */
    lease_renewed(fixture.lease, loop_now_ms(fixture.loop), last);
    while (!fixture.ended)
        loop_step(fixture.loop);
    assert_string_equal(fixture.pool->sent->str, "");
    fixture_close(&fixture);
}

static void a_running_command_is_stopped_at_the_fence(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_open(&fixture, "ssh h1 hang");
    confirm(&fixture, LEASE_MS);
    take_events(&fixture, LEASE_MS);
    while (fixture.pool->sent->len == 0)
        steps(&fixture, 1);
    lease_renewed(fixture.lease, loop_now_ms(fixture.loop), NULL);
    while (!fixture.ended)
        steps(&fixture, 1);
    assert_string_equal(fixture.stored->str, "run_start step_start command");
    assert_int_equal(fixture.uplink.posts, 2);
    fixture_close(&fixture);
}

static void refused_events_fence(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_open(&fixture, "ssh h1 true");
    confirm(&fixture, LEASE_MS);
    answer(request(&fixture, WIRE_EVENTS_PATH), 409, NULL);
    while (!fixture.ended)
        steps(&fixture, 1);
    assert_string_equal(fixture.pool->sent->str, "");
    fixture_close(&fixture);
}

static void the_last_events_are_not_given_up(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_open(&fixture, "ok");
    confirm(&fixture, LEASE_MS);
    answer(request(&fixture, WIRE_EVENTS_PATH), 500, NULL);
    assert_false(fixture.ended);
    to_the_end(&fixture);
    assert_string_equal(fixture.stored->str, "run_start step_start step_end run_end");
    fixture_close(&fixture);
}

static void a_cancel_comes_with_an_answer(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_open(&fixture, "ssh h1 hang");
    confirm(&fixture, LEASE_MS);
    fixture.cancel = "person";
    take_events(&fixture, LEASE_MS);
    to_the_end(&fixture);
    assert_string_equal(fixture.pool->sent->str, ""); /* the same answer acknowledged the command */
    assert_string_equal(fixture.stored->str, "run_start step_start command host step_end run_end");
    fixture_close(&fixture);
}

static void freed_at_any_moment(void **state)
{
    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        struct fixture fixture;
        fixture_open(&fixture, "ssh h1 hang");
        if (turns > 2)
            confirm(&fixture, LEASE_MS);
        if (turns > 6)
            take_events(&fixture, LEASE_MS);
        steps(&fixture, turns);
        lease_free(g_steal_pointer(&fixture.lease));
        steps(&fixture, 3);
        fixture_close(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request_before_the_first_command),
        cmocka_unit_test(unconfirmed_has_no_effect),
        cmocka_unit_test(asks_again_until_the_server_answers),
        cmocka_unit_test(fences_itself_before_the_lease_ends),
        cmocka_unit_test(a_running_command_is_stopped_at_the_fence),
        cmocka_unit_test(refused_events_fence),
        cmocka_unit_test(the_last_events_are_not_given_up),
        cmocka_unit_test(a_cancel_comes_with_an_answer),
        cmocka_unit_test(freed_at_any_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tokens: first start, expiry, revocation, the table in memory. */
#include "engine_support.h"
#include "jobs/token.h"
#include <sys/stat.h>

static int token_setup(void **state)
{
    engine_setup(state);
    struct engine *engine = *state;
    g_autoptr(GError) error = NULL;
    engine->jobs.tokens = token_service_new(&engine->jobs, &error);
    return error != NULL;
}

static int token_teardown(void **state)
{
    struct engine *engine = *state;
    struct token_service *tokens = engine->jobs.tokens;
    int result = engine_teardown(state); /* the store goes first: a read may be under way */
    token_service_free(tokens);
    return result;
}

static char *read_token(const struct engine *engine, const char *name)
{
    g_autofree char *path = g_build_filename(engine->folder, name, NULL);
    char *text = NULL;
    struct stat status;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    return g_strchomp(text);
}

static void refreshed(void *arg)
{
    *(bool *)arg = true;
}

static void refresh(struct engine *engine)
{
    json_decref(call_ok(engine, token_list, json_object())); /* a turn of the loop: its time goes on */
    bool done = false;
    token_refresh(&engine->jobs, refreshed, &done);
    while (!done)
        loop_step(engine->jobs.loop);
}

static void test_bootstrap(void **state)
{
    struct engine *engine = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *first = token_bootstrap(engine->jobs.store, engine->folder, &error);
    assert_non_null(first);
    g_autofree char *second = token_bootstrap(engine->jobs.store, engine->folder, &error);
    assert_null(second);
    assert_null(error);
    g_autofree char *admin = read_token(engine, "admin-token"), *runner = read_token(engine, "runner-token");
    assert_string_equal(first, admin);
    token_service_free(engine->jobs.tokens);
    engine->jobs.tokens = token_service_new(&engine->jobs, &error);
    assert_int_equal(token_actor(&engine->jobs, admin)->role, ROLE_ADMIN);
    assert_int_equal(token_actor(&engine->jobs, runner)->role, ROLE_RUNNER);
    assert_null(token_actor(&engine->jobs, "hks_nonsense"));
    assert_null(token_actor(&engine->jobs, ""));
    assert_null(token_actor(&engine->jobs, NULL));
}

/* Somebody replaced the runner's file: the next start makes a new token, and leaves the people's alone. */
static void test_runner_file_lost(void **state)
{
    struct engine *engine = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *admin = token_bootstrap(engine->jobs.store, engine->folder, &error);
    g_autofree char *before = read_token(engine, "runner-token");
    g_autofree char *path = g_build_filename(engine->folder, "runner-token", NULL);
    g_remove(path);
    g_autofree char *again = token_bootstrap(engine->jobs.store, engine->folder, &error);
    assert_null(again);
    g_autofree char *after = read_token(engine, "runner-token");
    assert_string_not_equal(before, after);
}

static json_t *create(struct engine *engine, const char *role, const char *expires)
{
    return call_ok(engine, token_create_request,
                   json_pack("{s:{s:s, s:s, s:s*}}", "body", "name", "ci", "role", role, "expires", expires));
}

static void test_create_and_revoke(void **state)
{
    struct engine *engine = *state;
    g_autoptr(json_t) made = create(engine, "operator", NULL);
    const char *text = json_get_string(made, "token", NULL);
    const struct actor *actor = token_actor(&engine->jobs, text); /* at once */
    assert_non_null(actor);
    assert_int_equal(actor->role, ROLE_OPERATOR);
    assert_string_equal(actor->name, "ci");
    g_autofree char *hash = token_hash(text);
    assert_int_equal(token_role(&engine->jobs, hash), ROLE_OPERATOR);
    g_autoptr(json_t) list = call_ok(engine, token_list, json_object());
    g_autofree char *shown = json_text(list);
    assert_null(strstr(shown, text)); /* never again */
    json_t *request = json_pack("{s:O}", "id", json_object_get(made, "id"));
    json_decref(call_ok(engine, token_revoke, json_incref(request)));
    assert_null(token_actor(&engine->jobs, text));
    assert_int_equal(token_role(&engine->jobs, hash), ROLE_NONE);
    call_refused(engine, token_revoke, request, ERROR_NOT_FOUND);
}

static void test_expiry(void **state)
{
    struct engine *engine = *state;
    int64_t now_ms = clock_now_ms();
    clock_set_fake(now_ms);
    g_autoptr(json_t) made = create(engine, "viewer", "1h");
    const char *text = json_get_string(made, "token", NULL);
    clock_set_fake(now_ms + 3599999);
    assert_non_null(token_actor(&engine->jobs, text));
    g_autofree char *hash = token_hash(text);
    assert_int_equal(token_role(&engine->jobs, hash), ROLE_VIEWER);
    clock_set_fake(now_ms + 3600000);
    assert_null(token_actor(&engine->jobs, text));
    assert_int_equal(token_role(&engine->jobs, hash), ROLE_NONE);
}

static void test_refused(void **state)
{
    struct engine *engine = *state;
    call_refused(engine, token_create_request, json_pack("{s:{s:s, s:s}}", "body", "name", "x", "role", "god"),
                 ERROR_INVALID);
    call_refused(engine, token_create_request, json_pack("{s:{s:s, s:s}}", "body", "name", "x", "role", "none"),
                 ERROR_INVALID);
    call_refused(engine, token_create_request, json_pack("{s:{s:s}}", "body", "role", "viewer"), ERROR_INVALID);
    call_refused(engine, token_create_request,
                 json_pack("{s:{s:s, s:s, s:s}}", "body", "name", "x", "role", "viewer", "expires", "soon"),
                 ERROR_PARSE);
    call_refused(engine, token_create_request,
                 json_pack("{s:{s:s, s:s, s:s}}", "body", "name", "x", "role", "viewer", "expires", "0s"),
                 ERROR_INVALID);
}

/* The command line made a token in the database beside the server: known after a refresh. */
static void test_made_elsewhere(void **state)
{
    struct engine *engine = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = token_create(engine->jobs.store, "beside", ROLE_VIEWER, 0, &error);
    assert_null(token_actor(&engine->jobs, text));
    while (!token_actor(&engine->jobs, text)) /* at most once a second does it look */
        refresh(engine);
}

#define token_test(f) cmocka_unit_test_setup_teardown(f, token_setup, token_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        token_test(test_bootstrap), token_test(test_runner_file_lost), token_test(test_create_and_revoke),
        token_test(test_expiry),    token_test(test_refused),          token_test(test_made_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

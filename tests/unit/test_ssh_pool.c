/* Many commands on few connections: nothing is mixed up, our own crowding fails nobody, a lost connection is told
 * apart. */
#include "tests/unit/ssh_world.h"

#include <stdlib.h>

static int set_up(void **state)
{
    (void)state;
    return world_start("");
}

static void restart(const char *sshd_options, const struct ssh_settings *extra)
{
    sshd_halt(world.sshd);
    sshd_launch(world.sshd, sshd_options);
    ssh_pool_free(world.pool);
    g_autofree char *key = sshd_path(world.sshd, "user");
    g_autofree char *known = sshd_path(world.sshd, "known_hosts");
    struct ssh_settings settings = extra ? *extra : (struct ssh_settings){0};
    settings.identities = (const char *[]){key, NULL};
    settings.known_hosts = known;
    world.pool = ssh_pool_new(world.loop, &settings);
}

static json_int_t stat_of(const char *name)
{
    json_t *stats = ssh_pool_stats(world.pool);
    json_int_t value = json_get_integer(stats, name, -1);
    json_decref(stats);
    return value;
}

/* Every command tells its own number in all ways that it has. */
struct numbered {
    struct answer answer;
    struct op *op;
    int number;
    bool cancel_when_sent;
};

static void cancel_self(void *arg)
{
    struct numbered *numbered = arg;
    if (numbered->cancel_when_sent)
        op_cancel(numbered->op, ERROR_CANCELLED);
}

static void start_numbered(struct numbered *numbered, int number)
{
    numbered->number = number;
    g_autofree char *text = g_strdup_printf("read x; echo $x; echo %d >&2; exit %d", number, number % 256);
    g_autofree char *input = g_strdup_printf("%d\n", number);
    json_t *argv = json_pack("[sss]", "sh", "-c", text);
    numbered->op = op_new(answered, &numbered->answer);
    ssh_run(world.pool,
            &(struct ssh_command){.host = world.host,
                                  .argv = argv,
                                  .stdin_bytes = input,
                                  .stdin_length = strlen(input),
                                  .on_sent = cancel_self,
                                  .arg = numbered},
            numbered->op);
    json_decref(argv);
}

static void check_numbered(struct numbered *numbered)
{
    wait_for(&numbered->answer);
    g_autofree char *line = g_strdup_printf("%d\n", numbered->number);
    expect_code(&numbered->answer, numbered->number % 256);
    assert_string_equal(out_of(&numbered->answer), line);
    assert_string_equal(json_get_string(numbered->answer.result, "stderr", ""), line);
}

static void numbered_clear(struct numbered *numbered)
{
    op_unref(numbered->op);
    answer_clear(&numbered->answer);
}

static void run_numbered(int count)
{
    g_autofree struct numbered *all = g_new0(struct numbered, count);
    for (int i = 0; i < count; i++)
        start_numbered(&all[i], i);
    for (int i = 0; i < count; i++) {
        check_numbered(&all[i]);
        numbered_clear(&all[i]);
    }
}

static void five_hundred_commands_on_one_session(void **state)
{
    (void)state;
    run_numbered(500);
    assert_int_equal(stat_of("connects"), 1);
}

static void fewer_places_than_we_would_use(void **state)
{
    (void)state;
    static const char *const options[] = {"MaxSessions 1", "MaxSessions 2", "MaxSessions 4"};
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        restart(options[i], NULL);
        run_numbered(40);
    }
}

static void sshd_that_takes_no_commands_says_so(void **state)
{
    (void)state;
    restart("MaxSessions 0", NULL);
    struct answer answer = {0};
    run_sh("true", (struct ssh_command){0}, &answer);
    expect_error("MaxSessions 0", &answer, ERROR_CHANNEL, "MaxSessions");
    answer_clear(&answer);
}

/* sshd hangs up on some of those that are still signing in. */
static void a_crowd_at_the_door(void **state)
{
    (void)state;
    enum { CROWD = 24 };
    restart("MaxStartups 2:60:4", NULL);
    struct answer answers[CROWD] = {0};
    struct op *ops[CROWD];
    for (int i = 0; i < CROWD; i++) {
        ops[i] = op_new(answered, &answers[i]);
        ssh_reach(world.pool, world.host, NULL, ops[i]);
    }
    for (int i = 0; i < CROWD; i++) {
        wait_for(&answers[i]);
        if (answers[i].error != NULL)
            fail_msg("%s", answers[i].error->message);
        op_unref(ops[i]);
        answer_clear(&answers[i]);
    }
}

/* Cancelling at any moment, in the queue and in the middle of opening, touches nobody else. */
static void cancelling_some_harms_no_others(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    restart("", NULL);
    static struct numbered all[COUNT];
    memset(all, 0, sizeof all);
    for (int i = 0; i < COUNT; i++) {
        all[i].cancel_when_sent = i % 3 == 1;
        start_numbered(&all[i], i);
    }
    for (int i = 0; i < COUNT; i++) {
        if (i % 3 != 2)
            continue;
        loop_step(world.loop); /* some are still waiting now, some are opening, some run */
        op_cancel(all[i].op, ERROR_CANCELLED);
    }
    for (int i = 0; i < COUNT; i++) {
        wait_for(&all[i].answer);
        if (i % 3 == 0)
            check_numbered(&all[i]);
        else if (i % 3 == 1)
            expect_error("when sent", &all[i].answer, ERROR_CANCELLED, "stopped on web-1");
        numbered_clear(&all[i]);
    }
    run_numbered(9); /* and all places are free again */
}

static void cut_off(void *arg, const char *stream, const char *bytes, size_t length)
{
    (void)stream, (void)bytes, (void)length;
    bool *cut = arg;
    if (!*cut)
        signal_sessions(SIGKILL);
    *cut = true;
}

static void a_connection_cut_in_mid_command_is_lost(void **state)
{
    (void)state;
    restart("", NULL);
    struct answer answer = {0};
    bool cut = false;
    run_sh("while echo before; do sleep 0.1; done", (struct ssh_command){.on_output = cut_off, .arg = &cut}, &answer);
    expect_error("cut", &answer, ERROR_LOST, "may have run; stopped on web-1");
    assert_true(json_is_null(json_object_get(answer.result, "code")));
    assert_true(g_str_has_prefix(out_of(&answer), "before\n"));
    answer_clear(&answer);
    json_int_t before = stat_of("connects"); /* with those that looked for it */
    run_numbered(1);                         /* and the next one connects again */
    assert_int_equal(stat_of("connects"), before + 1);
}

static void a_warm_session_that_went_away_is_replaced(void **state)
{
    (void)state;
    restart("", NULL);
    run_numbered(1);
    signal_sessions(SIGKILL);
    run_numbered(12);
    assert_int_equal(stat_of("connects"), 2);
}

/* The peer is there, but answers nothing: what was not sent goes over a new connection. */
static void a_session_that_went_silent_is_replaced(void **state)
{
    (void)state;
    restart("", &(struct ssh_settings){.connect_timeout_ms = 500});
    run_numbered(1);
    signal_sessions(SIGSTOP);
    run_numbered(3);
    signal_sessions(SIGKILL);
    assert_int_equal(stat_of("connects"), 2);
}

static void unused_sessions_make_room_and_commands_wait_for_it(void **state)
{
    (void)state;
    restart("", &(struct ssh_settings){.max_sessions = 2});
    enum { HOSTS = 6, AT_ONCE = 3 };
    json_t *argv = json_pack("[ss]", "sleep", "0.05");
    for (int i = 0; i < HOSTS; i += AT_ONCE) {
        struct answer answers[AT_ONCE] = {0};
        struct op *ops[AT_ONCE];
        for (int k = 0; k < AT_ONCE; k++) {
            json_t *host = json_deep_copy(world.host); /* another identity: another destination */
            g_autofree char *key = sshd_path(world.sshd, "user");
            g_autofree char *same = g_strdup_printf("file:%.*s%s", i + k, "//////", key);
            json_set_string(host, "identity", same);
            ops[k] = op_new(answered, &answers[k]);
            ssh_run(world.pool, &(struct ssh_command){.host = host, .argv = argv}, ops[k]);
            json_decref(host);
        }
        for (int k = 0; k < AT_ONCE; k++) {
            while (!answers[k].done) {
                loop_step(world.loop);
                assert_in_range(stat_of("sessions"), 0, 2);
            }
            expect_code(&answers[k], 0);
            answer_clear(&answers[k]);
            op_unref(ops[k]);
        }
    }
    assert_int_equal(stat_of("connects"), HOSTS);
    json_decref(argv);
}

static void an_unused_session_is_closed(void **state)
{
    (void)state;
    restart("", &(struct ssh_settings){.idle_ms = 50});
    run_numbered(2);
    while (stat_of("sessions") > 0)
        loop_step(world.loop);
    run_numbered(1);
    assert_int_equal(stat_of("connects"), 2);
}

static void another_name_user_or_pin_is_another_session(void **state)
{
    (void)state;
    restart("", NULL);
    run_numbered(1);
    struct answer answer = {0};
    json_t *mine = json_incref(world.host);
    world.host = json_deep_copy(mine);
    json_set_string(world.host, "host_key", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    run_sh("true", (struct ssh_command){0}, &answer); /* must not ride on the session that is already there */
    expect_error("pin", &answer, ERROR_HOST_KEY, "pins");
    answer_clear(&answer);
    json_object_del(world.host, "host_key");
    json_int_t connects = stat_of("connects");
    json_set_string(world.host, "name", "elsewhere"); /* the same address */
    run_sh("true", (struct ssh_command){0}, &answer);
    assert_null(answer.error);
    assert_int_equal(stat_of("connects"), connects + 1);
    answer_clear(&answer);
    json_object_set(world.host, "name", json_object_get(mine, "name"));
    json_set_string(world.host, "user", "nobody-of-that-name");
    run_sh("true", (struct ssh_command){0}, &answer);
    expect_error("user", &answer, ERROR_AUTH, "nobody-of-that-name");
    answer_clear(&answer);
    json_decref(world.host);
    world.host = mine;
    json_decref(mine);
}

static void freeing_the_pool_ends_everything(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    restart("", NULL);
    struct answer answers[COUNT] = {0};
    struct op *ops[COUNT];
    json_t *argv = json_pack("[ss]", "sleep", "0.5");
    for (int i = 0; i < COUNT; i++) {
        ops[i] = op_new(answered, &answers[i]);
        ssh_run(world.pool, &(struct ssh_command){.host = world.host, .argv = argv}, ops[i]);
    }
    while (stat_of("channels") < 3)
        loop_step(world.loop);
    ssh_pool_free(world.pool);
    world.pool = NULL;
    for (int i = 0; i < COUNT; i++) {
        assert_true(answers[i].done);
        assert_non_null(answers[i].error);
        op_unref(ops[i]);
        answer_clear(&answers[i]);
    }
    json_decref(argv);
}

/* The owner went away: nothing is called, and nothing leaks. */
static void abandoned_commands_end_unheard(void **state)
{
    (void)state;
    restart("", NULL);
    struct answer answer = {0};
    json_t *argv = json_pack("[ss]", "sleep", "1000");
    struct op *op = op_new(answered, &answer);
    ssh_run(world.pool, &(struct ssh_command){.host = world.host, .argv = argv}, op);
    while (stat_of("channels") == 0)
        loop_step(world.loop);
    op_abandon(op);
    op_unref(op);
    while (stat_of("channels") > 0)
        loop_step(world.loop);
    assert_false(answer.done);
    json_decref(argv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_hundred_commands_on_one_session),
        cmocka_unit_test(fewer_places_than_we_would_use),
        cmocka_unit_test(sshd_that_takes_no_commands_says_so),
        cmocka_unit_test(a_crowd_at_the_door),
        cmocka_unit_test(cancelling_some_harms_no_others),
        cmocka_unit_test(a_connection_cut_in_mid_command_is_lost),
        cmocka_unit_test(a_warm_session_that_went_away_is_replaced),
        cmocka_unit_test(a_session_that_went_silent_is_replaced),
        cmocka_unit_test(an_unused_session_is_closed),
        cmocka_unit_test(unused_sessions_make_room_and_commands_wait_for_it),
        cmocka_unit_test(another_name_user_or_pin_is_another_session),
        cmocka_unit_test(freeing_the_pool_ends_everything),
        cmocka_unit_test(abandoned_commands_end_unheard),
    };
    return cmocka_run_group_tests(tests, set_up, world_end);
}

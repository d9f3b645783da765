/* Hosts behind other hosts: the right one is reached, whatever happens at once, and errors say which hop failed. */
#include "tests/unit/ssh_world.h"

#include "core/limits.h"
#include <stdlib.h>

enum { TARGETS = 4 };

static struct sshd *targets[TARGETS];
static json_t *inventory;

static void add(const char *name, const struct sshd *sshd, const char *jump)
{
    json_t *host = sshd_host(sshd);
    json_set_string(host, "name", name);
    if (jump != NULL)
        json_set_string(host, "jump", jump);
    json_array_append_new(inventory, host);
}

static json_t *host_named(const char *name)
{
    size_t index;
    json_t *host;
    json_array_foreach (inventory, index, host)
        if (strcmp(json_get_string(host, "name", ""), name) == 0)
            return host;
    fail_msg("no host %s", name);
    return NULL;
}

/* bastion; inner behind it; t0..t3 behind bastion; deep0..deep3 behind inner. All take the same user key. */
static int set_up(void **state)
{
    (void)state;
    world_start("");
    inventory = json_array();
    g_autofree char *user = sshd_read(world.sshd, "authorized_keys");
    g_autoptr(GString) known = g_string_new(NULL);
    g_autofree char *mine = sshd_read(world.sshd, "known_hosts");
    g_string_append(known, mine);
    add("bastion", world.sshd, NULL);
    add("inner", world.sshd, "bastion");
    for (int i = 0; i < TARGETS; i++) {
        g_autofree char *who = g_strdup_printf("SetEnv SHLVL=2 WHO=t%d", i);
        targets[i] = sshd_start(who);
        sshd_write(targets[i], "authorized_keys", user);
        g_autofree char *line = sshd_read(targets[i], "known_hosts");
        g_string_append(known, line);
        g_autofree char *name = g_strdup_printf("t%d", i), *deep = g_strdup_printf("deep%d", i);
        add(name, targets[i], "bastion");
        add(deep, targets[i], "inner");
    }
    sshd_write(world.sshd, "known_hosts", known->str);
    return 0;
}

static int tear_down(void **state)
{
    for (int i = 0; i < TARGETS; i++)
        sshd_stop(targets[i]);
    json_decref(inventory);
    return world_end(state);
}

static void on(const char *name, const char *text, struct ssh_command command, struct answer *answer)
{
    command.host = host_named(name);
    command.inventory = inventory;
    run_sh(text, command, answer);
}

static void one_and_two_hops(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"t0", "t0"}, {"t3", "t3"}, {"inner", ""}, {"deep1", "t1"}};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        struct answer answer = {0};
        on(names[i][0], "printf '%s' \"$WHO\"; exit 5", (struct ssh_command){0}, &answer);
        expect_code(&answer, 5);
        assert_string_equal(out_of(&answer), names[i][1]);
        answer_clear(&answer);
    }
}

/* libssh2 mixes up the answers of opens that overlap: then some of these would be somebody else. */
static void everyone_at_once_reaches_the_right_one(void **state)
{
    (void)state;
    enum { ROUNDS = 12 };
    struct answer answers[ROUNDS][2 * TARGETS] = {0};
    struct op *ops[ROUNDS][2 * TARGETS];
    ssh_pool_free(world.pool);
    world.pool = pool_with("user", "known_hosts"); /* cold: all hops are opened at once */
    json_t *argv = json_pack("[sss]", "sh", "-c", "cat; printf '%s' \"$WHO\"");
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 2 * TARGETS; i++) {
            g_autofree char *name = g_strdup_printf("%s%d", i < TARGETS ? "t" : "deep", i % TARGETS);
            ops[round][i] = op_new(answered, &answers[round][i]);
            ssh_run(world.pool,
                    &(struct ssh_command){.host = host_named(name),
                                          .inventory = inventory,
                                          .argv = argv,
                                          .stdin_bytes = name,
                                          .stdin_length = strlen(name)},
                    ops[round][i]);
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 2 * TARGETS; i++) {
            struct answer *answer = &answers[round][i];
            wait_for(answer);
            expect_code(answer, 0);
            g_autofree char *expected =
                g_strdup_printf("%s%dt%d", i < TARGETS ? "t" : "deep", i % TARGETS, i % TARGETS);
            assert_string_equal(out_of(answer), expected);
            op_unref(ops[round][i]);
            answer_clear(answer);
        }
    }
    json_decref(argv);
    json_t *stats = ssh_pool_stats(world.pool); /* bastion, inner, four behind each: nobody has a bastion of his own */
    assert_int_equal(json_get_integer(stats, "connects", -1), 2 + 2 * TARGETS);
    json_decref(stats);
}

static void bulk_passes_two_hops_both_ways(void **state)
{
    (void)state;
    size_t length = 5 * 1024 * 1024 + 13;
    g_autofree char *bytes = g_malloc(length);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)('a' + (i * 31 + i / 997) % 26);
    struct answer answer = {0};
    on("deep2", "cat", (struct ssh_command){.stdin_bytes = bytes, .stdin_length = length, .max_output = length},
       &answer);
    expect_code(&answer, 0);
    assert_int_equal(json_string_length(json_object_get(answer.result, "stdout")), length);
    assert_memory_equal(out_of(&answer), bytes, length);
    answer_clear(&answer);
}

static void stopping_works_through_hops(void **state)
{
    (void)state;
    struct answer answer = {0};
    on("deep3", "sleep 1000 & sleep 1000", (struct ssh_command){.timeout_ms = 200}, &answer);
    expect_error("time-out", &answer, ERROR_TIMEOUT, "; stopped on deep3");
    answer_clear(&answer);
}

static void reaching_a_host_behind_another(void **state)
{
    (void)state;
    struct answer answer = {0};
    struct op *op = op_new(answered, &answer);
    ssh_reach(world.pool, host_named("deep0"), inventory, op);
    wait_for(&answer);
    assert_null(answer.error);
    op_unref(op);
    answer_clear(&answer);
}

/* b0 is the bastion itself; each of b1, b2, … is the same server once more, behind the one before, with a jump host's
 * own session, user, key and identity. */
static json_t *row_of_jumps(int count)
{
    g_autofree char *identity = sshd_path(world.sshd, "user"), *reference = g_strdup_printf("file:%s", identity);
    g_autofree char *pin = sshd_fingerprint(world.sshd, "host");
    json_t *row = json_array();
    for (int i = 0; i <= count; i++) {
        json_t *host = sshd_host(world.sshd);
        g_autofree char *name = g_strdup_printf("b%d", i), *before = g_strdup_printf("b%d", i - 1);
        json_set_string(host, "name", name);
        json_set_string(host, "jump", i > 0 ? before : NULL);
        json_set_string(host, "user", g_get_user_name());
        json_set_string(host, "identity", reference);
        json_set_string(host, "host_key", pin);
        json_array_append_new(row, host);
    }
    return row;
}

static void through_row(const json_t *row, size_t last, struct answer *answer)
{
    run_sh("exit 6", (struct ssh_command){.host = json_array_get(row, last), .inventory = row}, answer);
}

static void eight_hops_and_no_more(void **state)
{
    (void)state;
    json_t *row = row_of_jumps(LIMIT_SSH_JUMPS + 1);
    struct answer answer = {0};
    through_row(row, LIMIT_SSH_JUMPS, &answer);
    expect_code(&answer, 6);
    answer_clear(&answer);
    through_row(row, LIMIT_SSH_JUMPS + 1, &answer);
    expect_error(
        "too many", &answer, ERROR_INVALID,
        "host 'b9' is behind more than 8 jump hosts, or a circle of them: 'b0', reached through 'b1', would be "
        "number 9");
    answer_clear(&answer);
    json_decref(row);
}

/* No hop is believed because of the one before it. */
static void each_hop_has_its_own_strict_host_key(void **state)
{
    (void)state;
    enum { HOPS = 3 };
    for (size_t wrong = 0; wrong <= HOPS; wrong++) {
        json_t *row = row_of_jumps(HOPS);
        json_set_string(json_array_get(row, wrong), "host_key", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        g_autofree char *says = g_strdup_printf("'b%zu' (", wrong);
        struct answer answer = {0};
        through_row(row, HOPS, &answer);
        expect_error(says, &answer, ERROR_HOST_KEY, says);
        answer_clear(&answer);
        json_decref(row);
    }
}

/* A jump host is signed in to as its own entry says, whatever the host behind it needs. */
static void each_hop_has_its_own_user_and_identity(void **state)
{
    (void)state;
    enum { HOPS = 2 };
    sshd_keygen(world.sshd, "stranger", "ed25519", "");
    g_autofree char *path = sshd_path(world.sshd, "stranger"), *stranger = g_strdup_printf("file:%s", path);
    static const char *const keys[] = {"identity", "user"};
    const char *const values[] = {stranger, "nobody-here"};
    for (size_t key = 0; key < G_N_ELEMENTS(keys); key++) {
        for (size_t wrong = 0; wrong <= HOPS; wrong++) {
            json_t *row = row_of_jumps(HOPS);
            json_set_string(json_array_get(row, wrong), keys[key], values[key]);
            g_autofree char *says = g_strdup_printf("'b%zu' (", wrong);
            struct answer answer = {0};
            through_row(row, HOPS, &answer);
            expect_error(says, &answer, ERROR_AUTH, says);
            expect_error(keys[key], &answer, ERROR_AUTH, key == 0 ? "stranger" : "'nobody-here'");
            answer_clear(&answer);
            json_decref(row);
        }
    }
}

static void errors_say_which_hop(void **state)
{
    (void)state;
    struct answer answer = {0};
    json_t *closed = json_deep_copy(host_named("t0")), *missing = json_deep_copy(closed);
    json_object_set_new(closed, "port", json_integer(1));
    run_sh("true", (struct ssh_command){.host = closed, .inventory = inventory}, &answer);
    expect_error("the bastion cannot connect", &answer, ERROR_CONNECT, "'bastion'");
    answer_clear(&answer);
    json_set_string(missing, "jump", "nobody");
    run_sh("true", (struct ssh_command){.host = missing, .inventory = inventory}, &answer);
    expect_error("no such jump host", &answer, ERROR_NOT_IN_INVENTORY, "'nobody'");
    answer_clear(&answer);
    json_t *circle = json_deep_copy(inventory);
    json_set_string(json_array_get(circle, 0), "jump", "inner");
    run_sh("true", (struct ssh_command){.host = host_named("t0"), .inventory = circle}, &answer);
    expect_error("a circle", &answer, ERROR_INVALID, "circle");
    answer_clear(&answer);
    json_t *stranger = json_deep_copy(inventory);
    json_set_string(json_array_get(stranger, 0), "host_key", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    run_sh("true", (struct ssh_command){.host = host_named("t0"), .inventory = stranger}, &answer);
    expect_error("the bastion's key", &answer, ERROR_HOST_KEY, "through 'bastion'");
    answer_clear(&answer);
    json_decref(closed);
    json_decref(missing);
    json_decref(circle);
    json_decref(stranger);
}

static void cut(void *arg, const char *stream, const char *bytes, size_t length)
{
    (void)stream, (void)bytes, (void)length;
    bool *done = arg;
    if (!*done)
        signal_sessions(SIGKILL); /* the bastion's */
    *done = true;
}

/* An address that answers nothing: a listening socket whose queue is full. */
static json_t *blackhole(int *ret_fds, int count)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    ret_fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(ret_fds[0], (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(ret_fds[0], 0), 0);
    assert_int_equal(getsockname(ret_fds[0], (struct sockaddr *)&at, &length), 0);
    for (int i = 1; i < count; i++) {
        ret_fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(ret_fds[i], (struct sockaddr *)&at, sizeof at);
    }
    return json_pack("{s:s, s:s, s:i, s:s}", "name", "dead", "address", "127.0.0.1", "port", (int)ntohs(at.sin_port),
                     "jump", "bastion");
}

static void note_output(void *arg, const char *stream, const char *bytes, size_t length)
{
    (void)stream, (void)bytes, (void)length;
    *(bool *)arg = true;
}

/* The bastion's session can be asked nothing else until its sshd gives up on the dead one, which is minutes. */
static void a_dead_host_harms_no_other_behind_its_bastion(void **state)
{
    (void)state;
    int fds[8];
    json_array_append_new(inventory, blackhole(fds, G_N_ELEMENTS(fds)));
    ssh_pool_free(world.pool);
    g_autofree char *key = sshd_path(world.sshd, "user"), *known = sshd_path(world.sshd, "known_hosts");
    const struct ssh_settings settings = {
        .identities = (const char *[]){key, NULL}, .known_hosts = known, .connect_timeout_ms = 4000};
    world.pool = ssh_pool_new(world.loop, &settings);
    g_autofree char *go = sshd_path(world.sshd, "go");
    g_autofree char *waits = g_strdup_printf("echo on; until [ -e %s ]; do sleep 0.05; done; exit 7", go);
    json_t *argv = json_pack("[sss]", "sh", "-c", waits);
    struct answer riding = {0}, dead = {0}, answer = {0};
    struct op *ops[] = {op_new(answered, &riding), op_new(answered, &dead)};
    bool begun = false;
    ssh_run(
        world.pool,
        &(struct ssh_command){
            .host = host_named("t0"), .inventory = inventory, .argv = argv, .on_output = note_output, .arg = &begun},
        ops[0]);
    while (!begun)
        loop_step(world.loop);
    ssh_run(world.pool, &(struct ssh_command){.host = host_named("dead"), .inventory = inventory, .argv = argv},
            ops[1]);
    for (int i = 1; i < TARGETS; i++) {
        g_autofree char *name = g_strdup_printf("t%d", i);
        on(name, "printf '%s' \"$WHO\"", (struct ssh_command){0}, &answer);
        expect_code(&answer, 0);
        assert_string_equal(out_of(&answer), name);
        answer_clear(&answer);
    }
    assert_false(dead.done); /* they did not wait for it */
    wait_for(&dead);
    expect_error("dead", &dead, ERROR_TIMEOUT, "no session with 'dead'");
    sshd_write(world.sshd, "go", "");
    wait_for(&riding);
    expect_code(&riding, 7); /* its session was not touched */
    answer_clear(&riding);
    answer_clear(&dead);
    for (size_t i = 0; i < G_N_ELEMENTS(ops); i++)
        op_unref(ops[i]);
    json_decref(argv);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
    json_array_remove(inventory, json_array_size(inventory) - 1);
}

static void a_bastion_that_goes_takes_its_riders_along(void **state)
{
    (void)state;
    struct answer answer = {0};
    bool once = false;
    on("t1", "while echo x; do sleep 0.1; done", (struct ssh_command){.on_output = cut, .arg = &once}, &answer);
    expect_error("lost", &answer, ERROR_LOST, "'t1'");
    answer_clear(&answer);
    on("t1", "printf '%s' \"$WHO\"", (struct ssh_command){0}, &answer); /* and comes back */
    expect_code(&answer, 0);
    assert_string_equal(out_of(&answer), "t1");
    answer_clear(&answer);
}

static void a_bastion_that_does_not_forward(void **state)
{
    (void)state;
    sshd_halt(world.sshd);
    sshd_launch(world.sshd, "AllowTcpForwarding no");
    ssh_pool_free(world.pool);
    world.pool = pool_with("user", "known_hosts");
    struct answer answer = {0};
    on("t2", "true", (struct ssh_command){0}, &answer);
    expect_error("refused", &answer, ERROR_CONNECT, "AllowTcpForwarding");
    answer_clear(&answer);
}

static void the_pool_may_go_at_any_moment(void **state)
{
    (void)state;
    sshd_halt(world.sshd);
    sshd_launch(world.sshd, "");
    json_t *argv = json_pack("[ss]", "sleep", "0.5");
    for (int turns = 0; turns < 60; turns += 6) {
        ssh_pool_free(world.pool);
        world.pool = pool_with("user", "known_hosts");
        struct answer answers[2] = {0};
        struct op *ops[2] = {op_new(answered, &answers[0]), op_new(answered, &answers[1])};
        ssh_run(world.pool, &(struct ssh_command){.host = host_named("deep0"), .inventory = inventory, .argv = argv},
                ops[0]);
        ssh_run(world.pool, &(struct ssh_command){.host = host_named("t0"), .inventory = inventory, .argv = argv},
                ops[1]);
        for (int turn = 0; turn < turns && !answers[0].done && !answers[1].done; turn++)
            loop_step(world.loop);
        ssh_pool_free(world.pool);
        world.pool = NULL;
        for (int i = 0; i < 2; i++) {
            assert_true(answers[i].done);
            op_unref(ops[i]);
            answer_clear(&answers[i]);
        }
    }
    json_decref(argv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_and_two_hops),
        cmocka_unit_test(everyone_at_once_reaches_the_right_one),
        cmocka_unit_test(bulk_passes_two_hops_both_ways),
        cmocka_unit_test(stopping_works_through_hops),
        cmocka_unit_test(reaching_a_host_behind_another),
        cmocka_unit_test(eight_hops_and_no_more),
        cmocka_unit_test(each_hop_has_its_own_strict_host_key),
        cmocka_unit_test(each_hop_has_its_own_user_and_identity),
        cmocka_unit_test(errors_say_which_hop),
        cmocka_unit_test(a_dead_host_harms_no_other_behind_its_bastion),
        cmocka_unit_test(a_bastion_that_goes_takes_its_riders_along),
        cmocka_unit_test(a_bastion_that_does_not_forward),
        cmocka_unit_test(the_pool_may_go_at_any_moment),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* ssh_run() against a real sshd: results, streams, errors. */
#include "tests/unit/sshd.h"

#include "core/crypto.h"
#include "core/errors.h"
#include "runner/ssh/ssh.h"
#include <stdlib.h>

struct world {
    struct sshd *sshd;
    struct loop *loop;
    struct ssh_pool *pool;
    json_t *host;
};
static struct world world;

struct answer {
    json_t *result;
    GError *error;
    bool done;
};

static void answered(void *arg, json_t *result, const GError *error)
{
    struct answer *answer = arg;
    answer->result = json_incref(result);
    answer->error = error ? g_error_copy(error) : NULL;
    answer->done = true;
}

static void answer_clear(struct answer *answer)
{
    json_decref(answer->result);
    g_clear_error(&answer->error);
    *answer = (struct answer){0};
}

static void wait_for(struct answer *answer)
{
    while (!answer->done)
        loop_step(world.loop);
}

static struct ssh_pool *pool_with(const char *identity, const char *known_hosts)
{
    g_autofree char *key = sshd_path(world.sshd, identity);
    g_autofree char *known = sshd_path(world.sshd, known_hosts);
    const struct ssh_settings settings = {.identities = (const char *[]){key, NULL}, .known_hosts = known};
    return ssh_pool_new(world.loop, &settings);
}

static void run(struct ssh_command command, struct answer *answer)
{
    command.host = command.host ? command.host : world.host;
    struct op *op = op_new(answered, answer);
    ssh_run(world.pool, &command, op);
    wait_for(answer);
    op_unref(op);
}

static int set_up(void **state)
{
    (void)state;
    crypto_init();
    world.sshd = sshd_start("");
    world.loop = loop_new();
    world.pool = pool_with("user", "known_hosts");
    world.host = sshd_host(world.sshd);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ssh_pool_free(world.pool);
    loop_free(world.loop);
    json_decref(world.host);
    sshd_stop(world.sshd);
    return 0;
}

static void test_exit_codes(void **state)
{
    (void)state;
    static const int codes[] = {0, 1, 2, 77, 99, 126, 127, 128, 254, 255};
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        struct answer answer = {0};
        g_autofree char *text = g_strdup_printf("echo out; echo err >&2; exit %d", codes[i]);
        json_t *argv = json_pack("[sss]", "sh", "-c", text);
        run((struct ssh_command){.argv = argv}, &answer);
        if (answer.error != NULL)
            row_failed(text, "%s", answer.error->message);
        assert_int_equal(json_get_integer(answer.result, "code", -1), codes[i]);
        assert_string_equal(json_get_string(answer.result, "stdout", ""), "out\n");
        assert_string_equal(json_get_string(answer.result, "stderr", ""), "err\n");
        assert_string_equal(json_get_string(answer.result, "host", ""), "web-1");
        json_decref(argv);
        answer_clear(&answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_codes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* ssh_run() against a real sshd: results, streams, input, environment. */
#include "tests/unit/ssh_world.h"

#include <stdlib.h>

static int set_up(void **state)
{
    (void)state;
    return world_start("");
}

static void exit_codes_are_exact(void **state)
{
    (void)state;
    static const int codes[] = {0, 1, 2, 77, 99, 126, 127, 128, 254, 255};
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        struct answer answer = {0};
        g_autofree char *text = g_strdup_printf("echo out; echo err >&2; exit %d", codes[i]);
        run_sh(text, (struct ssh_command){0}, &answer);
        expect_code(&answer, codes[i]);
        assert_string_equal(out_of(&answer), "out\n");
        assert_string_equal(json_get_string(answer.result, "stderr", ""), "err\n");
        assert_string_equal(json_get_string(answer.result, "host", ""), "web-1");
        assert_false(json_get_bool(answer.result, "truncated", true));
        answer_clear(&answer);
    }
}

static void a_missing_program_is_127(void **state)
{
    (void)state;
    struct answer answer = {0};
    json_t *argv = json_pack("[s]", "/nonexistent/program");
    run((struct ssh_command){.argv = argv}, &answer);
    expect_code(&answer, 127);
    json_decref(argv);
    answer_clear(&answer);
}

static void signals_are_named(void **state)
{
    (void)state;
    static const char *const names[] = {"TERM", "KILL", "SEGV"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        struct answer answer = {0};
        g_autofree char *text = g_strdup_printf("echo before; kill -%s $$", names[i]);
        run_sh(text, (struct ssh_command){0}, &answer);
        assert_null(answer.error);
        assert_true(json_is_null(json_object_get(answer.result, "code")));
        assert_string_equal(json_get_string(answer.result, "signal", "(none)"), names[i]);
        assert_string_equal(out_of(&answer), "before\n");
        answer_clear(&answer);
    }
}

struct collected {
    GByteArray *out, *err;
    int sent;
};

static void collect(void *arg, const char *stream, const char *bytes, size_t length)
{
    struct collected *collected = arg;
    g_byte_array_append(strcmp(stream, "out") == 0 ? collected->out : collected->err, (const guint8 *)bytes,
                        (guint)length);
}

static void count_sent(void *arg)
{
    ((struct collected *)arg)->sent++;
}

static void every_byte_passes_both_ways(void **state)
{
    (void)state;
    struct collected collected = {.out = g_byte_array_new(), .err = g_byte_array_new()};
    g_autofree char *bytes = g_malloc(3 * 1024 * 1024 + 7);
    size_t length = 3 * 1024 * 1024 + 7;
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    struct answer answer = {0};
    run_sh("tee /dev/stderr",
           (struct ssh_command){.stdin_bytes = bytes,
                                .stdin_length = length,
                                .on_output = collect,
                                .on_sent = count_sent,
                                .arg = &collected,
                                .max_output = 4 * 1024 * 1024},
           &answer);
    expect_code(&answer, 0);
    assert_int_equal(collected.sent, 1);
    assert_int_equal(collected.out->len, length);
    assert_memory_equal(collected.out->data, bytes, length);
    assert_int_equal(collected.err->len, length);
    assert_memory_equal(collected.err->data, bytes, length);
    assert_false(json_get_bool(answer.result, "truncated", true));
    g_byte_array_unref(collected.out);
    g_byte_array_unref(collected.err);
    answer_clear(&answer);
}

static void output_has_a_ceiling_a_stream(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text;
        size_t out, err;
        bool truncated;
        size_t ceiling;
    } rows[] = {
        {"just the ceiling", "head -c 5000 /dev/zero", 5000, 0, false, 5000},
        {"one byte more", "head -c 5001 /dev/zero", 5000, 0, true, 5000},
        {"stderr alone over it", "echo a; head -c 9000 /dev/zero >&2", 2, 5000, true, 5000},
        {"the default is 1 MiB", "head -c 5000000 /dev/zero; echo end >&2", 1024 * 1024, 4, true, 0},
        {"much more than a window", "head -c 50000000 /dev/zero; exit 0", 1000, 0, true, 1000},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct answer answer = {0};
        run_sh(rows[i].text, (struct ssh_command){.max_output = rows[i].ceiling}, &answer);
        expect_code(&answer, 0);
        if (json_string_length(json_object_get(answer.result, "stdout")) != rows[i].out ||
            json_string_length(json_object_get(answer.result, "stderr")) != rows[i].err ||
            json_get_bool(answer.result, "truncated", false) != rows[i].truncated)
            row_failed(rows[i].why, "stdout %zu, stderr %zu",
                       json_string_length(json_object_get(answer.result, "stdout")),
                       json_string_length(json_object_get(answer.result, "stderr")));
        answer_clear(&answer);
    }
}

static void stdin_ends(void **state)
{
    (void)state;
    struct answer answer = {0};
    run_sh("cat; echo end", (struct ssh_command){0}, &answer); /* without stdin: at once */
    expect_code(&answer, 0);
    assert_string_equal(out_of(&answer), "end\n");
    answer_clear(&answer);
    run_sh("cat; echo end", (struct ssh_command){.stdin_bytes = "in\n", .stdin_length = 3}, &answer);
    expect_code(&answer, 0);
    assert_string_equal(out_of(&answer), "in\nend\n");
    answer_clear(&answer);
}

static void stdin_that_nobody_reads_is_no_error(void **state)
{
    (void)state;
    g_autofree char *bytes = g_malloc0(8 * 1024 * 1024);
    struct answer answer = {0};
    run_sh("exit 3", (struct ssh_command){.stdin_bytes = bytes, .stdin_length = 8 * 1024 * 1024}, &answer);
    expect_code(&answer, 3);
    answer_clear(&answer);
}

/* The default sshd has no AcceptEnv. */
static void environment_and_directory_arrive(void **state)
{
    (void)state;
    json_t *env = json_pack("{s:s,s:s}", "A_B", "it's\n$HOME \xf0\x9f\x94\xa5", "EMPTY", "");
    struct answer answer = {0};
    run_sh("printf '%s|%s|' \"$A_B\" \"${EMPTY-unset}\"; pwd", (struct ssh_command){.env = env, .cwd = "/usr/lib"},
           &answer);
    expect_code(&answer, 0);
    assert_string_equal(out_of(&answer), "it's\n$HOME \xf0\x9f\x94\xa5||/usr/lib\n");
    json_decref(env);
    answer_clear(&answer);
}

static void scripts_run(void **state)
{
    (void)state;
    const char *script = "echo \"$0 $#\"\ncat\necho after; exit 77\n";
    struct answer answer = {0};
    run((struct ssh_command){.script = script,
                             .script_length = strlen(script),
                             .shell = "bash",
                             .stdin_bytes = "in\n",
                             .stdin_length = 3},
        &answer);
    expect_code(&answer, 77);
    assert_string_equal(out_of(&answer), "hikeshi 0\nin\nafter\n");
    answer_clear(&answer);
}

static void a_terminal_is_there_when_asked_for(void **state)
{
    (void)state;
    struct answer answer = {0};
    run_sh("test -t 0 && test -t 1 && echo yes", (struct ssh_command){.pty = true}, &answer);
    expect_code(&answer, 0);
    assert_string_equal(out_of(&answer), "yes\r\n");
    answer_clear(&answer);
    run_sh("test -t 0 || echo no", (struct ssh_command){0}, &answer);
    assert_string_equal(out_of(&answer), "no\n");
    answer_clear(&answer);
}

static void output_is_bytes(void **state)
{
    (void)state;
    struct answer answer = {0};
    run_sh("printf 'a\\377\\0b'", (struct ssh_command){0}, &answer);
    expect_code(&answer, 0);
    json_t *out = json_object_get(answer.result, "stdout");
    assert_int_equal(json_string_length(out), 4);
    assert_memory_equal(json_string_value(out), "a\377\0b", 4);
    answer_clear(&answer);
}

static void commands_share_a_session(void **state)
{
    (void)state;
    json_t *stats = ssh_pool_stats(world.pool);
    assert_int_equal(json_get_integer(stats, "connects", -1), 1); /* all of the tests before this one */
    assert_int_equal(json_get_integer(stats, "sessions", -1), 1);
    json_decref(stats);
}

static void misuse_is_refused(void **state)
{
    (void)state;
    struct answer answer = {0};
    json_t *argv = json_pack("[s]", "true"), *env = json_pack("{s:s}", "A=B", "x");
    run((struct ssh_command){.argv = argv, .env = env}, &answer);
    expect_error("variable name", &answer, ERROR_INVALID, "A=B");
    answer_clear(&answer);
    json_t *host = json_pack("{s:s,s:i}", "name", "x", "port", 70000);
    run((struct ssh_command){.argv = argv, .host = host}, &answer);
    expect_error("port", &answer, ERROR_INVALID, "70000");
    answer_clear(&answer);
    json_decref(host);
    json_decref(env);
    json_decref(argv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_codes_are_exact),
        cmocka_unit_test(a_missing_program_is_127),
        cmocka_unit_test(signals_are_named),
        cmocka_unit_test(every_byte_passes_both_ways),
        cmocka_unit_test(output_has_a_ceiling_a_stream),
        cmocka_unit_test(stdin_ends),
        cmocka_unit_test(stdin_that_nobody_reads_is_no_error),
        cmocka_unit_test(environment_and_directory_arrive),
        cmocka_unit_test(scripts_run),
        cmocka_unit_test(a_terminal_is_there_when_asked_for),
        cmocka_unit_test(output_is_bytes),
        cmocka_unit_test(commands_share_a_session),
        cmocka_unit_test(misuse_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, world_end);
}

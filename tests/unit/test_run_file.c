/* Files of reports: kept beside the log, fetched by number; what a runner makes up is not kept. */
#include "core/limits.h"
#include "engine_support.h"
#include "jobs/run_file.h"

/* Files stand beside the log, whatever a runner sends. */
static void test_files(void **state)
{
    struct engine *engine = *state;
    engine_add_runbook(engine, "disk", "", "```lua {step=look}\nlog(1)\n```\n");
    g_autofree char *id = start_run(engine, "disk"), *large = g_malloc0(LIMIT_FILE_BYTES + 1);
    g_autofree char *content = g_base64_encode((const guchar *)large, LIMIT_FILE_BYTES + 1);
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(
        engine, job,
        "[{\"seq\":1,\"kind\":\"run_start\"},{\"seq\":2,\"kind\":\"step_start\",\"step\":\"look\",\"try\":1}]"));
    g_autofree char *events = g_strdup_printf(
        "[{\"seq\":3,\"kind\":\"report\",\"step\":\"look\",\"report_kind\":\"file\",\"name\":\"../a\",\"title\":\"../"
        "a\","
        "\"bytes\":3,\"sha256\":\"x\",\"content\":\"AP9C\"},"
        "{\"seq\":4,\"kind\":\"report\",\"step\":\"look\",\"report_kind\":\"file\",\"name\":\"none\",\"bytes\":3},"
        "{\"seq\":5,\"kind\":\"report\",\"step\":\"look\",\"report_kind\":\"file\",\"name\":\"large\",\"content\":\"%"
        "s\"}]",
        content);
    json_decref(send_events(engine, job, events));
    g_autoptr(json_t) run = get_run(engine, id);
    const json_t *reports = json_object_get(run, "reports"), *first = json_array_get(reports, 0);
    g_autofree char *text = json_text(reports), *file = json_scalar_text(json_object_get(first, "file"));
    assert_null(strstr(text, "AP9C"));
    assert_string_equal(json_get_string(first, "name", ""), "../a");
    for (size_t i = 1; i < 3; i++)
        assert_true(json_is_null(json_object_get(json_array_get(reports, i), "url")));
    g_autoptr(json_t) got = call_ok(engine, run_file, json_pack("{s:s, s:s}", "id", id, "file", file));
    const json_t *bytes = json_object_get(got, "content");
    assert_int_equal(json_string_length(bytes), 3);
    assert_memory_equal(json_string_value(bytes),
                        "\0\xff"
                        "B",
                        3);
    static const char *const others[] = {"0", "1", "x", "-1", "99999999999999999999", ""};
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        call_refused(engine, run_file, json_pack("{s:s, s:s}", "id", id, "file", others[i]),
                     *others[i] ? ERROR_NOT_FOUND : ERROR_INVALID);
    call_refused(engine, run_file, json_pack("{s:s, s:s}", "id", "run_other", "file", file), ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_files, engine_setup, engine_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

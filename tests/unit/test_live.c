/* live: events in, safe plain lines out. */
#include "tests/unit/support.h"

#include "cli/live.h"
#include "cli/terminal.h"
#include <stdlib.h>
#include <string.h>

static char *play(const char *const *events, int *ret_status)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct live *live = live_new(out);
    g_autoptr(json_t) steps = json_loads("[{\"id\":\"look\",\"title\":\"How full?\"}]", 0, NULL);
    live_steps(live, steps);
    for (size_t i = 0; events[i]; i++) {
        json_t *event = json_loads(events[i], 0, NULL);
        assert_non_null(event);
        live_event(live, event);
        json_decref(event);
    }
    *ret_status = live_exit_status(live);
    live_free(live);
    fclose(out);
    return text;
}

static void test_plain(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        const char *events[8];
        const char *wanted;
        int status;
    } rows[] = {
        {"chunks become whole lines with their host",
         {"{\"kind\":\"step_start\",\"step\":\"look\",\"try\":1}",
          "{\"kind\":\"output\",\"step\":\"look\",\"host\":\"db-1\",\"stream\":\"out\",\"text\":\"ab\"}",
          "{\"kind\":\"output\",\"step\":\"look\",\"host\":\"db-2\",\"stream\":\"out\",\"text\":\"x\\n\"}",
          "{\"kind\":\"output\",\"step\":\"look\",\"host\":\"db-1\",\"stream\":\"out\",\"text\":\"c\\nd\"}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-1\",\"result\":\"ok\"}",
          "{\"kind\":\"step_end\",\"step\":\"look\",\"result\":\"ok\",\"duration_ms\":850}",
          "{\"kind\":\"run_end\",\"state\":\"succeeded\",\"verified\":true}"},
         "[look] How full?\n[look] db-2: x\n[look] db-1: abc\n[look] db-1: d\n[look] ok in 850 ms\nrun succeeded, "
         "verified\n",
         0},
        {"hosts that say the same at the same time are told once",
         {"{\"kind\":\"command\",\"step\":\"look\",\"host\":\"db-1\",\"script\":\"uptime\"}",
          "{\"kind\":\"command\",\"step\":\"look\",\"host\":\"db-2\",\"script\":\"uptime\"}",
          "{\"kind\":\"output\",\"step\":\"look\",\"host\":\"db-1\",\"stream\":\"out\",\"text\":\"a\\nb\"}",
          "{\"kind\":\"output\",\"step\":\"look\",\"host\":\"db-2\",\"stream\":\"out\",\"text\":\"a\\n\"}",
          "{\"kind\":\"output\",\"step\":\"look\",\"host\":\"db-2\",\"stream\":\"out\",\"text\":\"b\\n\"}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-1\",\"result\":\"ok\"}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-2\",\"result\":\"ok\"}"},
         "[look] How full?\n[look] db-1 $ sh: uptime\n"
         "[look] db-[1-2]: a\n[look] db-[1-2]: b\n",
         5},
        {"hosts that nothing ran on stand in one line",
         {"{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-1\",\"result\":\"not_reached\"}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-3\",\"result\":\"not_reached\"}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-2\",\"result\":\"not_reached\"}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-4\",\"result\":\"skipped\",\"reason\":\"ok in run_1\"}"},
         "[look] How full?\n[look] 3 hosts not_reached: db-[1-3]\n[look] db-4 skipped: ok in run_1\n",
         5},
        {"the first that fail alike are told at once, the others together",
         {"{\"kind\":\"command\",\"step\":\"look\",\"host\":\"db-9\",\"script\":\"x\"}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-1\",\"result\":\"failed\",\"error\":{\"code\":\"exit\","
          "\"message\":\"exit code 3 on db-1\"}}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-2\",\"result\":\"failed\",\"error\":{\"code\":\"exit\","
          "\"message\":\"exit code 3 on db-2\"}}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-3\",\"result\":\"failed\",\"error\":{\"code\":\"exit\","
          "\"message\":\"exit code 3 on db-3\"}}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-5\",\"result\":\"failed\",\"error\":{\"code\":\"exit\","
          "\"message\":\"exit code 3 on db-5\"}}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-4\",\"result\":\"failed\",\"error\":{\"code\":\"exit\","
          "\"message\":\"exit code 3 on db-4\"}}",
          "{\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-9\",\"result\":\"failed\",\"error\":{\"code\":\"lost\","
          "\"message\":\"gone\"}}"},
         "[look] How full?\n[look] db-9 $ sh: x\n[look] db-1 failed: exit code 3 on db-1\n[look] db-2 failed: exit "
         "code 3 on db-2\n"
         "[look] db-3 failed: exit code 3 on db-3\n[look] db-9 failed: lost: gone\n[look] 2 more failed: exit code 3: "
         "db-[4-5]\n",
         5},
        {"others are not",
         {"{\"kind\":\"command\",\"step\":\"look\",\"host\":\"db-1\",\"script\":\"uptime\"}",
          "{\"kind\":\"command\",\"step\":\"look\",\"host\":\"db-2\",\"script\":\"uptime\"}",
          "{\"kind\":\"output\",\"step\":\"look\",\"host\":\"db-2\",\"stream\":\"out\",\"text\":\"a\"}",
          "{\"kind\":\"output\",\"step\":\"look\",\"host\":\"db-1\",\"stream\":\"err\",\"text\":\"a\"}",
          "{\"kind\":\"step_end\",\"step\":\"look\",\"result\":\"failed\"}"},
         "[look] How full?\n[look] db-1 $ sh: uptime\n"
         "[look] db-1 (err): a\n[look] db-2: a\n[look] failed\n",
         5},
        {"hostile output neither moves the cursor nor sets the title",
         {"{\"kind\":\"output\",\"step\":\"look\",\"host\":\"db-1\",\"stream\":\"err\","
          "\"text\":\"\\u001b]0;owned\\u0007a\\u001b[2J\\u001b[31mb\\b\\u202ec\\n\"}"},
         "[look] How full?\n[look] db-1 (err): ab\\x08\\u{202e}c\n",
         5},
        {"an escape does not split the character behind it",
         {"{\"kind\":\"output\",\"step\":\"look\",\"host\":\"h\",\"stream\":\"out\",\"text\":\"\\u001b\\u00db31m "
          "\\u001b(\\u00db1\\n\"}"},
         "[look] How full?\n[look] h: \xc3\x9b"
         "31m \xc3\x9b"
         "1\n",
         5},
        {"a progress bar shows its last state",
         {"{\"kind\":\"output\",\"step\":\"look\",\"host\":\"h\",\"stream\":\"out\",\"text\":\"10%\\r50%\\r100%"
          "\\r\\n\"}"},
         "[look] How full?\n[look] h: 100%\n",
         5},
        {"a title cannot forge lines",
         {"{\"kind\":\"note\",\"step\":\"look\",\"text\":\"a\\nrun succeeded\"}"},
         "[look] How full?\n[look] note: a run succeeded\n",
         5},
        {"an approval is a wait",
         {"{\"kind\":\"approval\",\"step\":\"look\",\"policy\":\"dba\",\"hosts\":[\"db-1\"],\"shows\":{\"data.used\":"
          "91}}"},
         "[look] How full?\n[look] waits for approval (policy dba)\n[look] hosts: db-1\n[look] data.used: 91\n",
         5},
        {"the server's own end counts",
         {"{\"kind\":\"run\",\"state\":\"denied\",\"reason\":\"denied\",\"text\":\"by ben\"}"},
         "run denied (denied): by ben\n",
         4},
        {"words are quoted where they end unseen",
         {"{\"kind\":\"command\",\"step\":\"look\",\"host\":\"h\",\"argv\":[\"rm\",\"-rf\",\"a "
          "b\",\"\",\"it's\"],\"sudo\":true}"},
         "[look] How full?\n[look] h # rm -rf 'a b' '' 'it'\\''s'\n",
         5},
        {"tables are aligned",
         {"{\"kind\":\"report\",\"step\":\"look\",\"report_kind\":\"table\",\"title\":\"t\",\"columns\":[\"a\",\"b\"],"
          "\"rows\":[[\"long\",1],[\"x\"]]}"},
         "[look] How full?\n[look] t\n[look] a     b\n[look] long  1\n[look] x     \n",
         5},
        {"unknown kinds are no output", {"{\"kind\":\"later\",\"text\":\"x\"}", "{}"}, "", 5},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int status;
        char *got = play(rows[i].events, &status);
        if (strcmp(got, rows[i].wanted) != 0 || status != rows[i].status)
            row_failed(rows[i].why, "got status %d and:\n%s", status, got);
        free(got);
    }
}

static void test_clean(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text;
        enum terminal_clean mode;
        const char *wanted;
    } rows[] = {
        {"colours stay, with a reset", "\033[1;31mred", TERMINAL_COLOUR, "\033[1;31mred\033[0m"},
        {"colours go", "\033[1;31mred\033[m", TERMINAL_PLAIN, "red"},
        {"private modes are no colours", "\033[?25ha", TERMINAL_COLOUR, "a"},
        {"an unfinished sequence", "a\033[", TERMINAL_COLOUR, "a"},
        {"an unfinished title keeps the next line", "\033]0;x\nb", TERMINAL_PLAIN, "\nb"},
        {"8-bit controls",
         "\xc2\x9b"
         "2J",
         TERMINAL_PLAIN, "\\u{9b}2J"},
        {"bad UTF-8", "a\xff", TERMINAL_PLAIN, "a\xef\xbf\xbd"},
        {"Windows lines", "a\r\nb", TERMINAL_PLAIN, "a\nb"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = terminal_clean(rows[i].text, strlen(rows[i].text), rows[i].mode);
        if (strcmp(got, rows[i].wanted) != 0)
            row_failed(rows[i].why, "got '%s'", got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_clean)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

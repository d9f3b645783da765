/* rollout: which hosts start together, and which never, by a step's attributes and the hosts that fail. */
#include "runner/rollout.h"

#include "tests/unit/support.h"

#include <string.h>

/* All that may start start, then all that run end: the sizes of these rounds. fails: one character a host, x = fails.
 */
static char *play(const char *step_text, size_t count, const char *fails)
{
    g_autofree char *text = g_strdelimit(g_strdup(step_text), "'", '"');
    g_autoptr(json_t) step = json_parse(text, strlen(text), "step", NULL);
    GString *rounds = g_string_new(NULL);
    struct rollout rollout;
    assert_non_null(step);
    rollout_init(&rollout, step, count);
    for (;;) {
        size_t before = rollout.started;
        while (rollout_may_start(&rollout))
            rollout.started++;
        if (rollout.started == before)
            break;
        g_string_append_printf(rounds, "%s%zu", before ? " " : "", rollout.started - before);
        for (; rollout.ended < rollout.started; rollout.ended++)
            rollout.failed += rollout.ended < strlen(fails) && fails[rollout.ended] == 'x';
    }
    rollout_clear(&rollout);
    return g_string_free(rounds, FALSE);
}

static void test_rounds(void **state)
{
    (void)state;
    static const struct {
        const char *why, *step;
        size_t count;
        const char *fails, *rounds;
    } rows[] = {
        {"ten at once by default", "{}", 23, "", "10 10 3"},
        {"no host", "{}", 0, "", ""},
        {"a write step stops at the first failure", "{'at_once':2}", 6, "..x", "2 2"},
        {"a read step goes on", "{'at_once':2,'effect':'read'}", 5, "xxxxx", "2 2 1"},
        {"unless it says otherwise", "{'at_once':2,'effect':'read','stop_after':3}", 9, "xxxxxxxxx", "2 2"},
        {"failures that are allowed", "{'at_once':1,'stop_after':2}", 5, "x.x", "1 1 1"},
        {"percent, rounded up", "{'at_once':1,'max_percent':25}", 5, "x.x", "1 1 1"},
        {"percent of few is one", "{'at_once':1,'max_percent':1}", 5, "x", "1"},
        {"the smaller of two limits", "{'at_once':1,'max_percent':100,'stop_after':1}", 5, "x", "1"},
        {"a good canary", "{'canary':2,'at_once':3}", 7, "", "2 3 2"},
        {"a canary that dies, whatever is allowed after it", "{'canary':2,'stop_after':5}", 7, ".x", "2"},
        {"after it failures count as usual", "{'canary':1,'at_once':2,'stop_after':2}", 9, ".xx", "1 2"},
        {"more canaries than hosts", "{'canary':9}", 3, "", "3"},
        {"waves; the last size repeats", "{'waves':[1,2],'at_once':100}", 8, "", "1 2 2 2 1"},
        {"waves in percent of all", "{'waves':[1,'25%','100%'],'at_once':100}", 10, "", "1 3 6"},
        {"a wave of more than may run at once", "{'waves':[5,1],'at_once':2}", 6, "", "2 2 1 1"},
        {"no wave after too many failures", "{'waves':[1,3],'stop_after':2,'at_once':9}", 9, "x.x", "1 3"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *rounds = play(rows[i].step, rows[i].count, rows[i].fails);
        if (strcmp(rounds, rows[i].rounds) != 0)
            row_failed(rows[i].why, "rounds are '%s', not '%s'", rounds, rows[i].rounds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

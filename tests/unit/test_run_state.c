/* The state machines, every state × every event, against a table written a second time by hand. */
#include "jobs/approval_private.h"
#include "jobs/run_state.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

/* One letter an event, in the order of run_states.def: . refused, else the first letters of what follows. */
struct run_row {
    const char *state, *next[RUN_EVENT_COUNT];
    const char *why;
};

#define ENDED                                                                                                          \
    {                                                                                                                  \
        "", "", "", "", "", "", "", "", "", "", "", ""                                                                 \
    }

static const struct run_row run_rows[RUN_STATE_COUNT] = {
    /*            confirm    wait       wake      requeue   revive    stop         succeed      fail      deny cancel
       expire     lose */
    {"queued",
     {"running", "", "", "queued", "", "cancelled", "", "failed", "", "", "", ""},
     "a run that nobody has can be taken, given up or cancelled, but not end well"},
    {"running",
     {"", "waiting", "", "queued", "", "running", "succeeded", "failed", "denied", "cancelled", "expired", "unknown"},
     "only its runner ends a running run; a person's cancel is passed on"},
    {"waiting",
     {"", "", "queued", "", "", "cancelled", "", "failed", "denied", "", "expired", ""},
     "people or a time decide"},
    {"succeeded", ENDED, "ended is ended"},
    {"failed", ENDED, "ended is ended"},
    {"denied", ENDED, "ended is ended"},
    {"cancelled", ENDED, "ended is ended"},
    {"expired", ENDED, "ended is ended"},
    {"suppressed", ENDED, "ended is ended"},
    {"unknown",
     {"", "", "", "", "queued", "", "", "", "", "", "", ""},
     "only a person's word brings an unknown run back"},
};

static void test_runs(void **state)
{
    (void)state;
    for (int from = 0; from < RUN_STATE_COUNT; from++) {
        assert_string_equal(run_state_name((enum run_state)from), run_rows[from].state);
        for (int event = 0; event < RUN_EVENT_COUNT; event++) {
            enum run_state next = RUN_STATE_COUNT;
            enum run_action action = run_state_move((enum run_state)from, (enum run_event)event, &next);
            const char *expected = run_rows[from].next[event];
            if (!*expected) {
                assert_int_equal(action, RUN_ACTION_REFUSE);
                assert_int_equal(next, RUN_STATE_COUNT);
                continue;
            }
            assert_int_not_equal(action, RUN_ACTION_REFUSE);
            assert_string_equal(run_state_name(next), expected);
            assert_int_equal(action == RUN_ACTION_END, run_state_ended(next));
        }
    }
}

struct step_row {
    const char *state, *next[STEP_EVENT_COUNT];
};

static const struct step_row step_rows[STEP_STATE_COUNT] = {
    /*             start      retry       finish  wait       ready      reset      lose    leave   settle  redo */
    {"pending", {"running", "", "done", "waiting", "", "", "", "done", "", ""}},
    {"running", {"", "retrying", "done", "", "", "pending", "done", "", "", ""}},
    {"waiting", {"", "", "done", "waiting", "pending", "", "", "done", "", ""}},
    {"retrying", {"running", "", "done", "", "", "pending", "", "", "", ""}},
    {"done", {"", "", "", "", "", "", "", "", "done", "pending"}},
};

static void test_steps(void **state)
{
    (void)state;
    for (int from = 0; from < STEP_STATE_COUNT; from++) {
        assert_string_equal(step_state_name((enum step_state)from), step_rows[from].state);
        for (int event = 0; event < STEP_EVENT_COUNT; event++) {
            enum step_state next = STEP_STATE_COUNT;
            bool allowed = step_state_move((enum step_state)from, (enum step_event)event, &next);
            assert_int_equal(allowed, *step_rows[from].next[event] != '\0');
            if (allowed)
                assert_string_equal(step_state_name(next), step_rows[from].next[event]);
        }
    }
}

static void test_approvals(void **state)
{
    (void)state;
    static const char *const waiting[APPROVAL_EVENT_COUNT] = {"waiting", "approved", "denied", "expired", "void"};
    for (int from = 0; from < APPROVAL_STATE_COUNT; from++)
        for (int event = 0; event < APPROVAL_EVENT_COUNT; event++) {
            enum approval_state next = APPROVAL_STATE_COUNT;
            bool allowed = approval_state_move((enum approval_state)from, (enum approval_event)event, &next);
            assert_int_equal(allowed, from == APPROVAL_WAITING); /* a decision is for ever */
            if (allowed)
                assert_string_equal(approval_state_name(next), waiting[event]);
        }
}

/* The lists are closed, and names go both ways. */
static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < RUN_STATE_COUNT; i++) {
        enum run_state found;
        assert_true(run_state_from_name(run_state_name((enum run_state)i), &found));
        assert_int_equal(found, i);
    }
    enum run_state none = RUN_STATE_COUNT;
    assert_false(run_state_from_name("sleeping", &none));
    assert_false(run_state_from_name(NULL, &none));
    assert_true(run_reason_known("lost_runner"));
    assert_false(run_reason_known("bored"));
    assert_false(run_reason_known(NULL));
    assert_true(step_result_known("not_reached"));
    assert_false(step_result_known("fine"));
}

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        enum run_state state;
        bool allowed;
        const char *why;
    } rows[] = {
        {RUN_SUCCEEDED, true, ""},
        {RUN_FAILED, true, ""},
        {RUN_DENIED, true, ""},
        {RUN_CANCELLED, true, ""},
        {RUN_EXPIRED, true, ""},
        {RUN_UNKNOWN, true, "a connection was lost after a command was sent"},
        {RUN_SUPPRESSED, false, "such a run never reaches a runner"},
        {RUN_QUEUED, false, "not an end"},
        {RUN_RUNNING, false, "not an end"},
        {RUN_WAITING, false, "not an end"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum run_event event;
        assert_int_equal(run_event_for_end(rows[i].state, &event), rows[i].allowed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),  cmocka_unit_test(test_steps), cmocka_unit_test(test_approvals),
        cmocka_unit_test(test_names), cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

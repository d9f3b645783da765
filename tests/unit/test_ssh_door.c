/* Doors: how many connect at the same time, to all, to one, through one; what a door learns from being hung up on. */
#include "tests/unit/support.h"

#include "runner/ssh/door.h"

enum { KNOCKS = 64 };

struct caller {
    struct ssh_knock knock;
    bool in;
};

static struct caller callers[KNOCKS];

static void come_in(void *arg)
{
    ((struct caller *)arg)->in = true;
}

static void knock(struct ssh_doors *doors, int i, const char *name, bool through)
{
    callers[i] = (struct caller){.knock = {.enter = come_in, .arg = &callers[i]}};
    ssh_doors_knock(doors, name, through, &callers[i].knock);
}

static void leave(struct ssh_doors *doors, int i, enum ssh_door_answer answer)
{
    callers[i].in = false;
    ssh_doors_leave(doors, &callers[i].knock, answer);
}

static int count_in(int from, int to)
{
    int count = 0;
    for (int i = from; i < to; i++)
        count += callers[i].in;
    return count;
}

static void leave_all(struct ssh_doors *doors)
{
    for (int i = 0; i < KNOCKS; i++)
        leave(doors, i, SSH_DOOR_NONE);
    ssh_doors_free(doors);
}

static int forget_callers(void **state)
{
    (void)state;
    memset(callers, 0, sizeof callers);
    return 0;
}

static void each_limit_holds(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        guint most, of_one, through_one;
        bool one, through;
        int in;
    } rows[] = {
        {"to one server", 100, 3, 50, true, false, 3},
        {"to many servers", 10, 3, 50, false, false, 10},
        {"through one jump host", 2, 3, 5, true, true, 5},
        {"through many: those do not count for all", 2, 3, 5, false, true, 20},
    };
    for (size_t r = 0; r < G_N_ELEMENTS(rows); r++) {
        struct ssh_doors *doors = ssh_doors_new(rows[r].most, rows[r].of_one, rows[r].through_one);
        for (int i = 0; i < 20; i++) {
            g_autofree char *name = g_strdup_printf("host%d", rows[r].one ? 0 : i);
            knock(doors, i, name, rows[r].through);
        }
        if (count_in(0, 20) != rows[r].in)
            fail_msg("%s: %d", rows[r].why, count_in(0, 20));
        int left = 20;
        for (int i = 0; i < 20; i++) { /* in order of knocking, each has its turn */
            if (!callers[i].in)
                fail_msg("%s: number %d does not come in", rows[r].why, i);
            leave(doors, i, SSH_DOOR_IN);
            left--;
            assert_int_equal(count_in(0, 20), MIN(left, rows[r].in));
        }
        leave_all(doors);
    }
}

/* A crowd at one door keeps nobody else waiting. */
static void doors_take_turns(void **state)
{
    (void)state;
    struct ssh_doors *doors = ssh_doors_new(4, 4, 4);
    for (int i = 0; i < 30; i++)
        knock(doors, i, "crowded", false);
    knock(doors, 30, "other", false);
    knock(doors, 31, "third", false);
    assert_int_equal(count_in(0, 32), 4);
    leave(doors, 0, SSH_DOOR_IN);
    leave(doors, 1, SSH_DOOR_IN);
    leave(doors, 2, SSH_DOOR_IN);
    assert_true(callers[30].in && callers[31].in);
    assert_int_equal(count_in(0, 32), 4);
    leave_all(doors);
}

static void who_leaves_while_waiting_is_not_let_in(void **state)
{
    (void)state;
    struct ssh_doors *doors = ssh_doors_new(10, 1, 1);
    for (int i = 0; i < 3; i++)
        knock(doors, i, "host", false);
    leave(doors, 1, SSH_DOOR_NONE);
    leave(doors, 1, SSH_DOOR_NONE); /* harmless */
    leave(doors, 0, SSH_DOOR_IN);
    assert_false(callers[1].in);
    assert_true(callers[2].in);
    leave_all(doors);
}

static void a_door_that_hung_up_lets_fewer_come(void **state)
{
    (void)state;
    struct ssh_doors *doors = ssh_doors_new(100, 8, 8);
    for (int i = 0; i < 40; i++)
        knock(doors, i, "host", false);
    assert_int_equal(count_in(0, 40), 8);
    leave(doors, 0, SSH_DOOR_DROPPED);
    for (int i = 1; i < 5; i++)
        leave(doors, i, SSH_DOOR_IN);
    assert_int_equal(count_in(0, 40), 4);
    for (int i = 5; i < 8; i++)
        leave(doors, i, SSH_DOOR_DROPPED);
    assert_int_equal(count_in(0, 40), 1);
    int came = 0;
    for (int i = 8; i < 40; i++) {
        assert_true(callers[i].in); /* none is forgotten */
        leave(doors, i, SSH_DOOR_IN);
        came = MAX(came, count_in(0, 40));
    }
    assert_in_range(came, 2, 8); /* and when it takes them, more come */
    knock(doors, 0, "another", false);
    assert_true(callers[0].in);
    leave_all(doors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_limit_holds, forget_callers),
        cmocka_unit_test_setup(doors_take_turns, forget_callers),
        cmocka_unit_test_setup(who_leaves_while_waiting_is_not_let_in, forget_callers),
        cmocka_unit_test_setup(a_door_that_hung_up_lets_fewer_come, forget_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

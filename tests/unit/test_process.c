/* process: names that stay true, and the moment of a process' end. */
#include "core/process.h"

#include "tests/unit/support.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct seen {
    int times;
    struct process_watch *watch;
};

static void on_gone(void *arg)
{
    struct seen *seen = arg;
    seen->times++;
    process_watch_free(g_steal_pointer(&seen->watch)); /* allowed from within */
}

/* A child that does nothing until it is killed. */
static pid_t idle_child(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (pid == 0)
        pause();
    return pid;
}

static void end_child(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void await(struct loop *loop, const struct seen *seen)
{
    while (seen->times == 0)
        loop_step(loop);
}

static void tells_the_end(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    pid_t pid = idle_child();
    g_autofree char *name = process_name(pid);
    struct seen seen = {0};
    assert_non_null(name);
    seen.watch = process_watch_new(loop, name, on_gone, &seen);
    assert_non_null(seen.watch);
    assert_int_equal(kill(pid, SIGKILL), 0);
    await(loop, &seen); /* although nobody has waited for it yet */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(seen.times, 1);
    loop_free(loop);
}

static void tells_an_end_that_was_missed(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    pid_t pid = idle_child();
    g_autofree char *name = process_name(pid);
    struct seen seen = {0};
    end_child(pid);
    assert_null(process_name(pid));
    seen.watch = process_watch_new(loop, name, on_gone, &seen);
    assert_non_null(seen.watch);
    assert_int_equal(seen.times, 0); /* never from within */
    await(loop, &seen);
    loop_free(loop);
}

/* The number lives on in another process: its start tells them apart. */
static void another_process_with_the_number_is_not_it(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    g_autofree char *name = process_name(getpid());
    struct seen seen = {0};
    assert_non_null(name);
    *strrchr(name, '/') = '\0';
    g_autofree char *older = g_strconcat(name, "/1", NULL);
    seen.watch = process_watch_new(loop, older, on_gone, &seen);
    assert_non_null(seen.watch);
    await(loop, &seen);
    loop_free(loop);
}

static void freed_it_says_nothing(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    pid_t living = idle_child(), dead = idle_child();
    g_autofree char *first = process_name(living), *second = process_name(dead);
    struct seen seen = {0};
    end_child(dead);
    process_watch_free(process_watch_new(loop, first, on_gone, &seen));
    process_watch_free(process_watch_new(loop, second, on_gone, &seen));
    end_child(living);
    loop_step(loop);
    assert_int_equal(seen.times, 0);
    loop_free(loop);
}

static void what_cannot_be_said(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    g_autofree char *own = process_name(getpid());
    g_auto(GStrv) words = g_strsplit(own, "/", 4);
    g_autofree char *boot = g_strdup_printf("%s/%s/%s/%s", "another-boot", words[1], words[2], words[3]),
                    *space = g_strdup_printf("%s/%s/%s/%s", words[0], "1", words[2], words[3]),
                    *no_pid = g_strdup_printf("%s/%s/%s/%s", words[0], words[1], "0", words[3]),
                    *wide = g_strdup_printf("%s/%s/%s/%s", words[0], words[1], "4294967297", words[3]),
                    *more = g_strdup_printf("%s/1", own);
    const struct {
        const char *name, *why;
    } rows[] = {
        {boot, "another boot, perhaps another machine"},
        {space, "numbers of another namespace mean others"},
        {no_pid, "0 is no process"},
        {wide, "wider than a number can be"},
        {more, "five words"},
        {"", "nothing"},
        {"a/b/c/d", "no numbers"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (process_watch_new(loop, rows[i].name, on_gone, NULL) != NULL)
            fail_msg("%s", rows[i].why);
    assert_null(process_name(0));
    assert_null(process_name(-1));
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_end),
        cmocka_unit_test(tells_an_end_that_was_missed),
        cmocka_unit_test(another_process_with_the_number_is_not_it),
        cmocka_unit_test(freed_it_says_nothing),
        cmocka_unit_test(what_cannot_be_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

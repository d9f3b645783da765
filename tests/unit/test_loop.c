/* loop: timers, posts, descriptors, children, work, name lookups; nothing left open. */
#include "core/errors.h"
#include "core/loop.h"
#include "tests/unit/support.h"
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct seen {
    struct loop *loop;
    int count;
    int status, term_signal;
    GString *order;
    GPtrArray *addresses;
    int code;
};

static void count_and_stop(void *arg)
{
    struct seen *seen = arg;
    seen->count++;
    loop_stop(seen->loop);
}

static void count_only(void *arg)
{
    struct seen *seen = arg;
    seen->count++;
}

static void test_timer_fires_once(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()};
    struct loop_timer *timer = loop_timer_new(seen.loop, count_and_stop, &seen);
    assert_false(loop_timer_active(timer));
    loop_timer_start(timer, 1, 0);
    assert_true(loop_timer_active(timer));
    loop_run(seen.loop);
    assert_int_equal(seen.count, 1);
    assert_false(loop_timer_active(timer));
    loop_timer_free(timer);
    loop_free(seen.loop);
}

static void test_stopped_and_freed_timers_stay_silent(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()}, silent = {0};
    struct loop_timer *stopped = loop_timer_new(seen.loop, count_only, &silent);
    struct loop_timer *freed = loop_timer_new(seen.loop, count_only, &silent);
    struct loop_timer *last = loop_timer_new(seen.loop, count_and_stop, &seen);
    loop_timer_start(stopped, 0, 0);
    loop_timer_start(freed, 0, 0);
    loop_timer_start(last, 2, 0);
    loop_timer_stop(stopped);
    loop_timer_free(freed);
    loop_run(seen.loop);
    assert_int_equal(silent.count, 0);
    loop_timer_free(stopped);
    loop_timer_free(last);
    loop_free(seen.loop);
}

enum { THREADS = 4, POSTS = 500 };

struct poster {
    struct seen *seen;
    int next; /* on the loop: the number expected from this thread */
    int out_of_order;
};

struct numbered {
    struct poster *poster;
    int number;
};

static void on_numbered(void *arg)
{
    struct numbered *numbered = arg;
    struct poster *poster = numbered->poster;
    poster->out_of_order += numbered->number != poster->next++;
    if (++poster->seen->count == THREADS * POSTS)
        loop_stop(poster->seen->loop);
    g_free(numbered);
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    for (int i = 0; i < POSTS; i++) {
        struct numbered *numbered = g_new(struct numbered, 1);
        *numbered = (struct numbered){poster, i};
        loop_post(poster->seen->loop, on_numbered, numbered);
    }
    return NULL;
}

static void test_posts_arrive_in_order(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()};
    struct poster posters[THREADS] = {0};
    GThread *threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        posters[i].seen = &seen;
        threads[i] = g_thread_new("poster", post_many, &posters[i]);
    }
    loop_run(seen.loop);
    for (int i = 0; i < THREADS; i++) {
        g_thread_join(threads[i]);
        assert_int_equal(posters[i].out_of_order, 0);
    }
    assert_int_equal(seen.count, THREADS * POSTS);
    loop_free(seen.loop);
}

static void post_again(void *arg)
{
    struct seen *seen = arg;
    if (++seen->count == 3)
        loop_stop(seen->loop);
    else
        loop_post(seen->loop, post_again, seen);
}

static void test_post_from_a_post(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()};
    loop_post(seen.loop, post_again, &seen);
    loop_run(seen.loop);
    assert_int_equal(seen.count, 3);
    assert_false(loop_step(seen.loop)); /* nothing is active */
    loop_free(seen.loop);
}

static void on_readable(void *arg, int events)
{
    struct seen *seen = arg;
    seen->count++;
    seen->status |= events;
    loop_stop(seen->loop);
}

static void test_poll_is_level_triggered(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()};
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    struct loop_poll *poll = loop_poll_new(seen.loop, fds[0], on_readable, &seen);
    assert_non_null(poll);
    loop_poll_set(poll, LOOP_READ);
    assert_int_equal(write(fds[1], "x", 1), 1);
    loop_run(seen.loop);
    loop_run(seen.loop); /* still unread: comes again */
    assert_int_equal(seen.count, 2);
    assert_true(seen.status & LOOP_READ);
    loop_poll_set(poll, 0);
    assert_false(loop_step(seen.loop));
    assert_int_equal(seen.count, 2);
    loop_poll_free(poll);
    close(fds[0]);
    close(fds[1]);
    loop_free(seen.loop);
}

static void test_poll_refuses_a_regular_file(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()};
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_null(loop_poll_new(seen.loop, fd, on_readable, &seen));
    close(fd);
    loop_free(seen.loop);
}

static void on_sig(void *arg, int signum)
{
    struct seen *seen = arg;
    seen->term_signal = signum;
    loop_stop(seen->loop);
}

static void test_signal(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()};
    struct loop_signal *sig = loop_signal_new(seen.loop, SIGUSR1, on_sig, &seen);
    raise(SIGUSR1);
    loop_run(seen.loop);
    assert_int_equal(seen.term_signal, SIGUSR1);
    loop_signal_free(sig);
    loop_free(seen.loop);
}

static void on_exit_seen(void *arg, int status, int term_signal)
{
    struct seen *seen = arg;
    seen->count++;
    seen->status = status;
    seen->term_signal = term_signal;
    loop_stop(seen->loop);
}

static void test_child_ends(void **state)
{
    (void)state;
    static const struct {
        const char *why, *script;
        int status, term_signal;
    } rows[] = {
        {"success", "exit 0", 0, 0},
        {"an exit code", "exit 77", 77, 0},
        {"the highest code", "exit 255", 255, 0},
        {"a signal is no exit code", "kill -TERM $$", -1, SIGTERM},
        {"ignored signals are not inherited", "kill -PIPE $$; exit 1", -1, SIGPIPE},
        {"no descriptor but 0, 1, 2",
         "for f in /proc/self/fd/*; do n=${f##*/}; [ $n -le 2 ] || [ ! -e $f ] || exit 9; done", 0, 0},
        {"stdin is /dev/null", "[ \"$(readlink /proc/self/fd/0)\" = /dev/null ]", 0, 0},
        {"cwd", "[ \"$(pwd)\" = / ]", 0, 0},
        {"env", "[ \"$ONLY\" = 'a b' ] && [ -z \"$HOME\" ]", 0, 0},
    };
    signal(SIGPIPE, SIG_IGN);
    int stray = open("/dev/null", O_RDONLY); /* without O_CLOEXEC on purpose */
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct seen seen = {.loop = loop_new()};
        const char *argv[] = {"sh", "-c", rows[i].script, NULL};
        const char *env[] = {"ONLY=a b", "PATH=/usr/bin:/bin", NULL};
        struct loop_child_options options = {.argv = argv,
                                             .env = env,
                                             .cwd = "/",
                                             .stdin_fd = LOOP_FD_NULL,
                                             .stdout_fd = LOOP_FD_NULL,
                                             .stderr_fd = 2,
                                             .on_exit = on_exit_seen,
                                             .arg = &seen};
        struct loop_child *child = loop_child_new(seen.loop, &options, NULL);
        assert_non_null(child);
        loop_run(seen.loop);
        if (seen.count != 1 || seen.status != rows[i].status || seen.term_signal != rows[i].term_signal)
            row_failed(rows[i].why, "status %d signal %d", seen.status, seen.term_signal);
        assert_false(loop_child_kill(child, SIGTERM));
        loop_child_free(child);
        loop_free(seen.loop);
    }
    close(stray);
    signal(SIGPIPE, SIG_DFL);
}

static void test_child_descriptors(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()};
    int fds[2], extra[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(pipe2(extra, O_CLOEXEC), 0);
    const char *argv[] = {"sh", "-c", "echo out; echo extra >&3; echo swapped >&4", NULL};
    int extra_fds[] = {extra[1], fds[1]};
    struct loop_child_options options = {.argv = argv,
                                         .stdin_fd = LOOP_FD_NULL,
                                         .stdout_fd = fds[1],
                                         .stderr_fd = fds[1],
                                         .extra_fds = extra_fds,
                                         .extra_fd_count = 2,
                                         .die_with_parent = true,
                                         .on_exit = on_exit_seen,
                                         .arg = &seen};
    struct loop_child *child = loop_child_new(seen.loop, &options, NULL);
    assert_non_null(child);
    close(fds[1]);
    close(extra[1]);
    loop_run(seen.loop);
    char text[64] = {0};
    assert_int_equal(read(fds[0], text, sizeof text - 1), 12);
    assert_string_equal(text, "out\nswapped\n");
    assert_int_equal(read(extra[0], text, sizeof text - 1), 6);
    close(fds[0]);
    close(extra[0]);
    loop_child_free(child);
    loop_free(seen.loop);
}

static void test_child_that_cannot_start(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()};
    const char *missing[] = {"/nonexistent/program", NULL}, *present[] = {"true", NULL};
    struct loop_child_options options = {.argv = missing, .stdin_fd = LOOP_FD_NULL, .stdout_fd = 1, .stderr_fd = 2};
    GError *error = NULL;
    assert_null(loop_child_new(seen.loop, &options, &error));
    assert_string_equal(error->message, "cannot start '/nonexistent/program': No such file or directory");
    g_clear_error(&error);
    options.argv = present;
    options.cwd = "/nonexistent";
    assert_null(loop_child_new(seen.loop, &options, &error));
    assert_int_equal(errors_of(error), ERROR_IO);
    g_clear_error(&error);
    loop_free(seen.loop);
}

static void test_freed_child_is_collected(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()};
    const char *argv[] = {"sleep", "1000", NULL}, *marker[] = {"true", NULL};
    struct loop_child_options options = {
        .argv = argv, .stdin_fd = LOOP_FD_NULL, .stdout_fd = 1, .stderr_fd = 2, .on_exit = on_exit_seen, .arg = &seen};
    struct loop_child *killed = loop_child_new(seen.loop, &options, NULL);
    struct loop_child *left = loop_child_new(seen.loop, &options, NULL);
    pid_t pid = loop_child_pid(killed), left_pid = loop_child_pid(left);
    assert_true(loop_child_kill(killed, SIGKILL));
    loop_child_free(killed);
    loop_child_free(left);
    assert_false(loop_step(seen.loop)); /* freed children keep no loop alive */
    options.argv = marker;
    struct loop_child *other = loop_child_new(seen.loop, &options, NULL);
    while (seen.count == 0 || kill(pid, 0) == 0) /* a zombie would answer for ever */
        loop_step(seen.loop);
    assert_int_equal(seen.count, 1);
    loop_child_free(other);
    loop_free(seen.loop);
    assert_int_equal(kill(left_pid, SIGKILL), 0);
}

static void work_off_loop(void *arg)
{
    struct seen *seen = arg;
    seen->count = 41;
}

static void test_work(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()};
    loop_work(seen.loop, work_off_loop, count_and_stop, &seen);
    loop_run(seen.loop);
    assert_int_equal(seen.count, 42);
    loop_work(seen.loop, work_off_loop, count_only, &seen); /* loop_free waits for it */
    loop_free(seen.loop);
    assert_int_equal(seen.count, 42);
}

static void on_resolved(void *arg, GPtrArray *addresses, const GError *error)
{
    struct seen *seen = arg;
    seen->count++;
    seen->addresses = addresses;
    seen->code = error != NULL ? errors_of(error) : -1;
    loop_stop(seen->loop);
}

/* A bare root has no /etc/hosts, and then no localhost. */
static bool system_resolves(const char *name)
{
    struct addrinfo *found = NULL;
    int result = getaddrinfo(name, NULL, NULL, &found);
    if (result == 0)
        freeaddrinfo(found);
    return result == 0;
}

static void test_resolve(void **state)
{
    (void)state;
    const struct {
        const char *why, *host;
        int code, family;
    } rows[] = {
        {"IPv4", "127.0.0.1", -1, AF_INET},
        {"IPv6", "2001:db8::1", -1, AF_INET6},
        {"IPv6 in brackets", "[::1]", -1, AF_INET6},
        {"a name from /etc/hosts", "localhost", system_resolves("localhost") ? -1 : ERROR_DNS, 0},
        {"a name that cannot exist", "no-such-host.invalid", ERROR_DNS, 0},
        {"not an address", "1:2:3", ERROR_DNS, 0},
        {"empty label", "a..b", ERROR_DNS, 0},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct seen seen = {.loop = loop_new()};
        assert_non_null(loop_resolve(seen.loop, rows[i].host, 2222, on_resolved, &seen));
        assert_int_equal(seen.count, 0); /* never before it returns */
        loop_run(seen.loop);
        if (seen.count != 1 || seen.code != rows[i].code || (seen.addresses->len == 0) != (rows[i].code != -1))
            row_failed(rows[i].why, "count %d code %d addresses %u", seen.count, seen.code, seen.addresses->len);
        if (rows[i].family != 0) {
            struct loop_address *address = g_ptr_array_index(seen.addresses, 0);
            assert_int_equal(address->family, rows[i].family);
            assert_int_equal(ntohs(((struct sockaddr_in *)address->bytes)->sin_port), 2222); /* same place in both */
        }
        g_ptr_array_unref(seen.addresses);
        loop_free(seen.loop);
    }
}

static void test_cancelled_resolve_never_comes(void **state)
{
    (void)state;
    struct seen seen = {.loop = loop_new()};
    loop_resolve_cancel(loop_resolve(seen.loop, "127.0.0.1", 22, on_resolved, &seen));
    loop_resolve_cancel(loop_resolve(seen.loop, "localhost", 22, on_resolved, &seen));
    loop_step(seen.loop);
    loop_free(seen.loop); /* the second may still be on its thread */
    assert_int_equal(seen.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_fires_once),
        cmocka_unit_test(test_stopped_and_freed_timers_stay_silent),
        cmocka_unit_test(test_posts_arrive_in_order),
        cmocka_unit_test(test_post_from_a_post),
        cmocka_unit_test(test_poll_is_level_triggered),
        cmocka_unit_test(test_poll_refuses_a_regular_file),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_child_ends),
        cmocka_unit_test(test_child_descriptors),
        cmocka_unit_test(test_child_that_cannot_start),
        cmocka_unit_test(test_freed_child_is_collected),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_cancelled_resolve_never_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

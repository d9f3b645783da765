/* Time-out and cancel end every process of a command on its host, and say whether that was seen. */
#include "tests/unit/ssh_world.h"

#include <dirent.h>
#include <stdlib.h>

static int set_up(void **state)
{
    (void)state;
    return world_start("");
}

/* The ids of processes whose /proc/ID/FILE holds the text. */
static GArray *processes_with(const char *file, const char *text)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while ((entry = readdir(proc)) != NULL) {
        pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);
        if (id <= 0)
            continue;
        g_autofree char *path = g_build_filename("/proc", entry->d_name, file, NULL);
        g_autofree char *content = NULL;
        gsize length = 0;
        if (g_file_get_contents(path, &content, &length, NULL) && memmem(content, length, text, strlen(text)) != NULL)
            g_array_append_val(ids, id);
    }
    closedir(proc);
    return ids;
}

static guint alive_with(const char *file, const char *text)
{
    g_autoptr(GArray) ids = processes_with(file, text);
    return ids->len;
}

static void kill_all(const char *tag)
{
    g_autoptr(GArray) ids = processes_with("cmdline", tag);
    for (guint i = 0; i < ids->len; i++)
        kill(g_array_index(ids, pid_t, i), SIGKILL);
}

/* TAG is replaced by a number of seconds that nobody else sleeps. Each says "ready" when all of it runs. */
static const struct command_case {
    const char *why, *text;
    bool script, pty;
} cases[] = {
    {"one process", "echo ready; exec sleep TAG", false, false},
    {"a child", "sleep TAG & echo ready; wait", false, false},
    {"the leader is gone, its child is not", "sleep TAG & echo ready", false, false},
    {"TERM is ignored", "trap '' TERM; echo ready; while :; do sleep TAG; done", false, false},
    {"children that ignore TERM", "(trap '' TERM; sleep TAG; sleep TAG) & (trap '' TERM; sleep TAG) & echo ready; wait",
     false, false},
    {"double fork into a new session", "(setsid sh -c 'sleep TAG & sleep TAG & echo ready; wait' &); sleep TAG", false,
     false},
    {"a daemon that let go of the streams",
     "setsid sh -c 'trap \"\" TERM; echo ready; exec </dev/null >/dev/null 2>&1; sleep TAG; sleep TAG' & sleep TAG",
     false, false},
    {"an empty environment in the same group", "env -i sleep TAG & echo ready; wait", false, false},
    {"an empty environment in another session, with its parent alive",
     "env -i setsid sh -c 'echo ready; sleep TAG; :' & wait", false, false},
    {"a spawner", "trap 'sleep TAG & sleep TAG &' TERM; echo ready; while :; do sleep TAG & wait; done", false, false},
    {"a script", "sleep TAG & echo ready\nsleep TAG\n", true, false},
    {"a script that ignores TERM", "trap '' TERM\necho ready\nsleep TAG\nsleep TAG\n", true, false},
    {"on a terminal", "trap '' HUP; sleep TAG & echo ready; sleep TAG", false, true},
    {"floods its output", "yes TAG & echo ready; sleep TAG", false, false},
};

struct stopping {
    struct op *op;
    int code; /* to cancel with when it says ready; 0 = its own time-out */
    bool ready;
    const char *sudo;
};

static void on_output(void *arg, const char *stream, const char *bytes, size_t length)
{
    (void)stream;
    struct stopping *stopping = arg;
    if (stopping->ready || memmem(bytes, length, "ready", 5) == NULL)
        return;
    stopping->ready = true;
    if (stopping->code != 0)
        op_cancel(stopping->op, stopping->code);
}

static void start(const struct command_case *row, const char *marker, const char *tag, int64_t timeout_ms,
                  struct stopping *stopping, struct answer *answer)
{
    g_auto(GStrv) parts = g_strsplit(row->text, "TAG", -1);
    g_autofree char *text = g_strjoinv(tag, parts);
    json_t *argv = json_pack("[sss]", "sh", "-c", text);
    struct ssh_command command = {.host = world.host,
                                  .argv = row->script ? NULL : argv,
                                  .pty = row->pty,
                                  .timeout_ms = timeout_ms,
                                  .marker = marker,
                                  .sudo = stopping->sudo,
                                  .on_output = on_output,
                                  .arg = stopping};
    if (row->script) {
        command.script = text;
        command.script_length = strlen(text);
    }
    stopping->op = op_new(answered, answer);
    ssh_run(world.pool, &command, stopping->op);
    wait_for(answer);
    op_unref(stopping->op);
    json_decref(argv);
}

static void check_nothing_left(const struct command_case *row, const char *marker, const char *tag,
                               struct answer *answer, int code, const char *says)
{
    g_autofree char *variable = g_strdup_printf("HIKESHI_MARKER=%s:", marker);
    guint left = alive_with("cmdline", tag) + alive_with("environ", variable);
    kill_all(tag);
    expect_error(row->why, answer, code, says);
    if (strstr(answer->error->message, "; stopped on web-1") == NULL)
        row_failed(row->why, "%s", answer->error->message);
    if (!json_get_bool(answer->result, "stopped", false) || strstr(out_of(answer), "ready") == NULL)
        row_failed(row->why, "the result does not say so");
    if (left > 0)
        row_failed(row->why, "%u processes are left", left);
    answer_clear(answer);
}

static void cancel_leaves_no_process(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        print_message("  %s\n", cases[i].why);
        g_autofree char *marker = g_strdup_printf("run_c.%d.%zu", getpid(), i);
        g_autofree char *tag = g_strdup_printf("%d%03zu", 100000 + getpid(), i);
        struct stopping stopping = {.code = ERROR_CANCELLED};
        struct answer answer = {0};
        start(&cases[i], marker, tag, 0, &stopping, &answer);
        check_nothing_left(&cases[i], marker, tag, &answer, ERROR_CANCELLED, "cancelled");
    }
}

static void time_out_leaves_no_process(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        g_autofree char *marker = g_strdup_printf("run_t.%d.%zu", getpid(), i);
        g_autofree char *tag = g_strdup_printf("%d%03zu", 200000 + getpid(), i);
        struct stopping stopping = {0};
        struct answer answer = {0};
        start(&cases[i], marker, tag, 500, &stopping, &answer);
        check_nothing_left(&cases[i], marker, tag, &answer, ERROR_TIMEOUT, "timed out");
    }
}

/* Nothing ties it to the command any more, but it holds the command's output open: we cannot say that all is over. */
static void what_escapes_is_not_called_stopped(void **state)
{
    (void)state;
    static const struct command_case row = {"escaped", "(env -i setsid sh -c 'echo ready; sleep TAG; :' &); sleep TAG",
                                            false, false};
    g_autofree char *tag = g_strdup_printf("%d999", 300000 + getpid());
    struct stopping stopping = {.code = ERROR_CANCELLED};
    struct answer answer = {0};
    start(&row, "run_e.1", tag, 0, &stopping, &answer);
    kill_all(tag);
    expect_error(row.why, &answer, ERROR_CANCELLED, "could not confirm that it stopped on web-1");
    assert_false(json_get_bool(answer.result, "stopped", true));
    answer_clear(&answer);
}

static void what_was_not_sent_did_not_start(void **state)
{
    (void)state;
    struct answer answer = {0};
    json_t *argv = json_pack("[s]", "true");
    struct op *op = op_new(answered, &answer);
    ssh_run(world.pool, &(struct ssh_command){.host = world.host, .argv = argv}, op);
    op_cancel(op, ERROR_CANCELLED);
    wait_for(&answer);
    expect_error("at once", &answer, ERROR_CANCELLED, "did not start on web-1");
    op_unref(op);
    json_decref(argv);
    answer_clear(&answer);
}

/* The neighbours on the session, with markers that begin alike, go on. */
static void others_are_left_alone(void **state)
{
    (void)state;
    struct answer neighbour = {0}, answer = {0};
    struct op *op = op_new(answered, &neighbour);
    g_autofree char *fifo = sshd_path(world.sshd, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    json_t *waiting = json_pack("[ss]", "cat", fifo);
    ssh_run(world.pool, &(struct ssh_command){.host = world.host, .argv = waiting, .marker = "run_x.1.42"}, op);
    struct stopping stopping = {.code = ERROR_CANCELLED};
    start(&cases[0], "run_x.1.4", "876543", 0, &stopping, &answer);
    check_nothing_left(&cases[0], "run_x.1.4", "876543", &answer, ERROR_CANCELLED, "cancelled");
    assert_false(neighbour.done);
    int fd = open(fifo, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, "done\n", 5), 5);
    close(fd);
    wait_for(&neighbour);
    expect_code(&neighbour, 0);
    assert_string_equal(out_of(&neighbour), "done\n");
    answer_clear(&neighbour);
    op_unref(op);
    json_decref(waiting);
}

/* The worker that sent it died; another one knows the marker. */
/* marker: what the command has; asked: what is looked for; theirs: a neighbour's, which is left alone. */
static void reap_as(const char *marker, const char *asked, const char *theirs)
{
    struct ssh_pool *mine = world.pool;
    world.pool = pool_with("user", "known_hosts");
    struct answer lost[2] = {0}, answer = {0};
    /* Of this process alone: what another run of this test left behind is not counted. */
    g_autofree char *nap = g_strdup_printf("5432%07d", (int)getpid());
    g_autofree char *script = g_strdup_printf("trap '' TERM HUP PIPE; sleep %s & echo ready; wait; sleep %s", nap, nap);
    json_t *argv = json_pack("[sss]", "sh", "-c", script);
    const char *const markers[] = {marker, theirs};
    for (size_t i = 0; i < G_N_ELEMENTS(markers); i++) {
        struct stopping stopping = {0};
        struct op *op = op_new(answered, &lost[i]);
        ssh_run(world.pool,
                &(struct ssh_command){
                    .host = world.host, .argv = argv, .marker = markers[i], .on_output = on_output, .arg = &stopping},
                op);
        while (!stopping.ready)
            loop_step(world.loop);
        op_unref(op);
    }
    ssh_pool_free(world.pool);
    world.pool = mine;
    for (size_t i = 0; i < G_N_ELEMENTS(markers); i++) {
        expect_error("the worker's end", &lost[i], ERROR_LOST, "could not confirm");
        answer_clear(&lost[i]);
    }
    g_autofree char *of_us = g_strdup_printf("HIKESHI_MARKER=%s:", marker);
    g_autofree char *of_them = g_strdup_printf("HIKESHI_MARKER=%s:", theirs);
    assert_true(alive_with("environ", of_us) > 0);
    struct op *op = op_new(answered, &answer);
    ssh_reap(world.pool, world.host, NULL, asked, false, op);
    wait_for(&answer);
    assert_null(answer.error);
    guint left = alive_with("environ", of_us), others = alive_with("environ", of_them);
    kill_all(nap); /* before anything may fail */
    assert_true(json_get_bool(answer.result, "stopped", false));
    assert_int_equal(left, 0);
    assert_true(others > 0);
    op_unref(op);
    json_decref(argv);
    answer_clear(&answer);
}

static void what_a_dead_worker_left_is_reaped(void **state)
{
    (void)state;
    g_autofree char *one = g_strdup_printf("run_r%d.1.1", getpid());
    g_autofree char *like_it = g_strdup_printf("%s2", one);
    reap_as(one, one, like_it);
}

static void all_of_an_attempt_is_reaped(void **state)
{
    (void)state;
    g_autofree char *attempt = g_strdup_printf("run_r%d.1.", getpid());
    g_autofree char *one = g_strdup_printf("%s77", attempt);
    g_autofree char *like_it = g_strdup_printf("run_r%d.10.77", getpid());
    reap_as(one, attempt, like_it);
}

/* Like sudo with use_pty: stays as parent, drops the environment but for locales, runs the command in a session of its
 * own. */
static const char fake_sudo[] = "#!/bin/sh\n"
                                "[ \"$1\" = -n ] || exit 90; shift\n"
                                "case $1 in kill|grep) exec \"$@\";; esac\n"
                                "[ \"$1\" = -- ] || exit 91; shift\n"
                                "env -i PATH=\"$PATH\" LC_HIKESHI_MARKER=\"$LC_HIKESHI_MARKER\" setsid -w \"$@\"; "
                                "exit $?\n";
/* One for whom sudoers lists the command alone. */
static const char narrow_sudo[] = "#!/bin/sh\n"
                                  "[ \"$1 $2\" = '-n --' ] || exit 1; shift 2\n"
                                  "env -i PATH=\"$PATH\" \"$@\"; exit $?\n";

static void use_sudo(const char *text)
{
    g_autofree char *program = sshd_path(world.sshd, "sudo");
    assert_true(g_file_set_contents(program, text, -1, NULL));
    chmod(program, 0700);
    g_autofree char *options = g_strdup_printf("SetEnv SHLVL=2 PATH=%s:/usr/bin:/bin", world.sshd->folder);
    sshd_halt(world.sshd);
    sshd_launch(world.sshd, options);
    ssh_pool_free(world.pool);
    world.pool = pool_with("user", "known_hosts");
}

static void stops_what_runs_under_sudo(void **state)
{
    (void)state;
    use_sudo(fake_sudo);
    for (size_t i = 0; i <= 6; i++) {
        g_autofree char *marker = g_strdup_printf("run_s.%d.%zu", getpid(), i);
        g_autofree char *tag = g_strdup_printf("%d%03zu", 400000 + getpid(), i);
        struct stopping stopping = {.code = ERROR_CANCELLED, .sudo = "root"};
        struct answer answer = {0};
        start(&cases[i], marker, tag, 0, &stopping, &answer);
        check_nothing_left(&cases[i], marker, tag, &answer, ERROR_CANCELLED, "cancelled");
    }
}

/* Nothing found says nothing where root's processes cannot be looked at. */
static void what_sudo_hides_is_not_called_stopped(void **state)
{
    (void)state;
    use_sudo(narrow_sudo);
    const struct command_case row = {"sudo for the command alone", "echo ready; exec sleep TAG", false, false};
    g_autofree char *marker = g_strdup_printf("run_n.%d", getpid());
    g_autofree char *tag = g_strdup_printf("%d", 600000 + getpid());
    struct stopping stopping = {.code = ERROR_CANCELLED, .sudo = "root"};
    struct answer answer = {0};
    start(&row, marker, tag, 0, &stopping, &answer);
    expect_error(row.why, &answer, ERROR_CANCELLED, "could not confirm that it stopped on web-1");
    answer_clear(&answer);
    kill_all(tag);
}

/* Its owner, and what on_output was given, are gone while it is being stopped and goes on to write. */
static void an_abandoned_command_tells_nobody(void **state)
{
    (void)state;
    json_t *argv = json_pack("[sss]", "sh", "-c", "trap '' TERM; echo ready; exec yes abandoned");
    struct stopping *stopping = g_new0(struct stopping, 1);
    struct op *op = stopping->op = op_new(NULL, NULL);
    struct ssh_command command = {
        .host = world.host, .argv = argv, .marker = "run_a.1", .on_output = on_output, .arg = stopping};
    ssh_run(world.pool, &command, op);
    while (!stopping->ready)
        loop_step(world.loop);
    op_cancel(op, ERROR_CANCELLED);
    op_abandon(op);
    g_free(stopping);
    while (!op_ended(op))
        loop_step(world.loop);
    op_unref(op);
    json_decref(argv);
}

/* One place only: the look needs another connection. */
static void stops_without_a_free_place(void **state)
{
    (void)state;
    sshd_halt(world.sshd);
    sshd_launch(world.sshd, "MaxSessions 1");
    ssh_pool_free(world.pool);
    world.pool = pool_with("user", "known_hosts");
    struct stopping stopping = {.code = ERROR_CANCELLED};
    struct answer answer = {0};
    start(&cases[1], "run_m.1", "765432", 0, &stopping, &answer);
    check_nothing_left(&cases[1], "run_m.1", "765432", &answer, ERROR_CANCELLED, "cancelled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancel_leaves_no_process),
        cmocka_unit_test(time_out_leaves_no_process),
        cmocka_unit_test(what_escapes_is_not_called_stopped),
        cmocka_unit_test(what_was_not_sent_did_not_start),
        cmocka_unit_test(others_are_left_alone),
        cmocka_unit_test(what_a_dead_worker_left_is_reaped),
        cmocka_unit_test(all_of_an_attempt_is_reaped),
        cmocka_unit_test(stops_what_runs_under_sudo),
        cmocka_unit_test(what_sudo_hides_is_not_called_stopped),
        cmocka_unit_test(an_abandoned_command_tells_nobody),
        cmocka_unit_test(stops_without_a_free_place),
    };
    return cmocka_run_group_tests(tests, set_up, world_end);
}

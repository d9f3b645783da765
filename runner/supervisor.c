/* supervisor: see supervisor.h. Stalls are counted in own ticks, not in time: a machine that was suspended has missed
 * no beat. */
#include "runner/supervisor.h"

#include "core/limits.h"
#include "core/log.h"
#include "runner/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define TICK_MS          1000
#define STALL_TICKS      (WORKER_STALL_MS / TICK_MS)
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS  10000
#define HEALTHY_TICKS    30 /* a worker that lived so long was fine: its end is no sign of a loop of crashes */
#define IDLE_TICKS       60 /* an extra worker without a run so long goes */

struct seat {
    struct supervisor *supervisor;
    struct loop_child *child; /* NULL: free, or waiting to start again */
    struct loop_poll *poll;
    struct loop_timer *restart;
    int pipe_fd;
    char load;
    int silent_ticks, lived_ticks, idle_ticks;
    uint64_t backoff_ms;
    bool wanted;   /* start again when it ends */
    bool retiring; /* was told to go */
};

struct supervisor {
    struct supervisor_options options;
    struct seat *seats; /* options.most; the first is always wanted */
    struct loop_timer *tick;
    bool draining;
};

static void seat_start(void *arg);

static bool supervisor_empty(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->options.most; i++)
        if (supervisor->seats[i].child)
            return false;
    return true;
}

static void seat_close(struct seat *seat)
{
    g_clear_pointer(&seat->poll, loop_poll_free);
    if (seat->pipe_fd >= 0)
        close(seat->pipe_fd);
    seat->pipe_fd = -1;
    g_clear_pointer(&seat->child, loop_child_free);
}

static void seat_restart(struct seat *seat)
{
    if (seat->lived_ticks >= HEALTHY_TICKS)
        seat->backoff_ms = 0;
    loop_timer_start(seat->restart, seat->backoff_ms, 0);
    seat->backoff_ms = CLAMP(seat->backoff_ms * 2, BACKOFF_FIRST_MS, BACKOFF_MOST_MS);
}

static void seat_exited(void *arg, int status, int term_signal)
{
    struct seat *seat = arg;
    struct supervisor *supervisor = seat->supervisor;
    g_autofree char *how =
        term_signal ? g_strdup_printf("signal %d", term_signal) : g_strdup_printf("exit status %d", status);

    seat_close(seat);
    if (!seat->retiring)
        log_warn("a worker ended", "how", how, NULL);
    seat->retiring = false;
    if (supervisor->draining) {
        if (supervisor_empty(supervisor))
            supervisor->options.ended(supervisor->options.arg);
    } else if (seat->wanted) {
        seat_restart(seat);
    }
}

static void seat_heard(void *arg, int events)
{
    struct seat *seat = arg;
    char loads[64];
    ssize_t got = read(seat->pipe_fd, loads, sizeof(loads));

    (void)events;
    if (got > 0) {
        seat->load = loads[got - 1];
        seat->silent_ticks = 0;
    } else if (got == 0) {
        loop_poll_set(seat->poll, 0); /* its end is closed: seat_exited() comes */
    }
}

static bool seat_spawn(struct seat *seat, int heartbeat_fd, GError **error)
{
    const struct supervisor_options *options = &seat->supervisor->options;
    const struct loop_child_options child = {
        .argv = options->argv,
        .env = options->env,
        .stdin_fd = LOOP_FD_NULL,
        .stdout_fd = STDOUT_FILENO,
        .stderr_fd = STDERR_FILENO,
        .extra_fds = &heartbeat_fd,
        .extra_fd_count = 1,
        .die_with_parent = true,
        .on_exit = seat_exited,
        .arg = seat,
    };

    seat->child = loop_child_new(options->loop, &child, error);
    return seat->child != NULL;
}

static void seat_start(void *arg)
{
    struct seat *seat = arg;
    g_autoptr(GError) error = NULL;
    int pipe_fds[2];

    seat->silent_ticks = seat->lived_ticks = seat->idle_ticks = 0;
    seat->load = WORKER_BUSY;
    if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        log_error("a worker cannot be started", "why", g_strerror(errno), NULL);
        seat_restart(seat);
        return;
    }
    bool started = seat_spawn(seat, pipe_fds[1], &error);
    close(pipe_fds[1]);
    seat->pipe_fd = pipe_fds[0];
    if (!started) {
        log_error("a worker cannot be started", "why", error->message, NULL);
        seat_close(seat);
        seat_restart(seat);
        return;
    }
    seat->poll = loop_poll_new(seat->supervisor->options.loop, seat->pipe_fd, seat_heard, seat);
    loop_poll_set(seat->poll, LOOP_READ);
}

/* ---- each tick ---- */

static void seat_check(struct seat *seat)
{
    if (!seat->child)
        return;
    seat->lived_ticks++;
    seat->idle_ticks = seat->load == WORKER_IDLE ? seat->idle_ticks + 1 : 0;
    if (++seat->silent_ticks > STALL_TICKS) {
        log_error("a worker's loop has stalled: it is killed, its runs become unknown", NULL);
        loop_child_kill(seat->child, SIGKILL);
        return;
    }
    if (seat != seat->supervisor->seats && seat->idle_ticks > IDLE_TICKS && !seat->retiring) {
        seat->wanted = false;
        seat->retiring = true;
        loop_child_kill(seat->child, SIGTERM);
    }
}

static struct seat *supervisor_free_seat(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->options.most; i++)
        if (!supervisor->seats[i].child && !supervisor->seats[i].wanted)
            return &supervisor->seats[i];
    return NULL;
}

static bool supervisor_full(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->options.most; i++)
        if (supervisor->seats[i].wanted && supervisor->seats[i].load != WORKER_FULL)
            return false;
    return true;
}

static void supervisor_tick(void *arg)
{
    struct supervisor *supervisor = arg;
    struct seat *seat;

    for (size_t i = 0; i < supervisor->options.most; i++)
        seat_check(&supervisor->seats[i]);
    if (!supervisor->draining && supervisor_full(supervisor) && (seat = supervisor_free_seat(supervisor))) {
        seat->wanted = true;
        seat_start(seat);
    }
}

/* ---- life ---- */

struct supervisor *supervisor_new(const struct supervisor_options *options)
{
    struct supervisor *supervisor = g_new0(struct supervisor, 1);

    supervisor->options = *options;
    supervisor->seats = g_new0(struct seat, options->most);
    for (size_t i = 0; i < options->most; i++) {
        struct seat *seat = &supervisor->seats[i];
        seat->supervisor = supervisor;
        seat->pipe_fd = -1;
        seat->restart = loop_timer_new(options->loop, seat_start, seat);
    }
    supervisor->tick = loop_timer_new(options->loop, supervisor_tick, supervisor);
    loop_timer_start(supervisor->tick, TICK_MS, TICK_MS);
    supervisor->seats[0].wanted = true;
    seat_start(&supervisor->seats[0]);
    return supervisor;
}

void supervisor_drain(struct supervisor *supervisor)
{
    supervisor->draining = true;
    for (size_t i = 0; i < supervisor->options.most; i++) {
        struct seat *seat = &supervisor->seats[i];
        loop_timer_stop(seat->restart);
        seat->retiring = true;
        if (seat->child)
            loop_child_kill(seat->child, SIGTERM);
    }
    if (supervisor_empty(supervisor))
        supervisor->options.ended(supervisor->options.arg);
}

void supervisor_free(struct supervisor *supervisor)
{
    if (!supervisor)
        return;
    for (size_t i = 0; i < supervisor->options.most; i++) {
        struct seat *seat = &supervisor->seats[i];
        if (seat->child)
            loop_child_kill(seat->child, SIGKILL);
        seat_close(seat);
        loop_timer_free(seat->restart);
    }
    loop_timer_free(supervisor->tick);
    g_free(supervisor->seats);
    g_free(supervisor);
}

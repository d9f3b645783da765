/* loop: the only adapter of libuv. Timers, descriptors, signals, child processes, name lookups, work off the loop.
 *
 * One loop belongs to one thread; every function but loop_post() must be called on that thread. Handles are heap
 * objects owned by the caller and freed with their _free (NULL accepted); after _free no callback comes. loop_free()
 * aborts when a handle is still open: a leak is a defect. Nothing that can block belongs on a loop. */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct loop;

struct loop *loop_new(void); /* aborts when the system has no descriptors left */
/* A loop whose timers run in virtual time, for tests of runbooks: an hour passes at once when nothing else is to do.
 * Wall time (clock_now_ms(), of the whole process: one such loop at a time) begins at wall_ms and follows. Work that
 * computes on and on without any time passing is ended by the next timer after LOOP_PATIENCE_MS of real time. */
#define LOOP_PATIENCE_MS 5000
struct loop *loop_new_virtual(int64_t wall_ms);
void loop_free(struct loop *loop);
void loop_run(struct loop *loop);  /* returns after loop_stop() */
void loop_stop(struct loop *loop); /* on the loop thread */
/* Runs what is ready, waiting at most once for the next event: for tests and loop_run-less callers.
 * Returns false when nothing is active any more. */
bool loop_step(struct loop *loop);

/* Milliseconds of CLOCK_MONOTONIC as cached at the start of this loop turn. */
uint64_t loop_now_ms(struct loop *loop);

/* Runs fn(arg) on the loop's thread, in order of posting. Any thread. The loop must outlive the call. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* A thread other than the loop's has work whose end the loop will hear of through loop_post(): virtual time stands
 * still from loop_busy() to loop_idle(). Any thread; the loop must outlive the calls. */
void loop_busy(struct loop *loop);
void loop_idle(struct loop *loop);

/* Timers: one callback a firing. start on a running timer restarts it. repeat_ms 0 = once. */
struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg);
void loop_timer_start(struct loop_timer *timer, uint64_t after_ms, uint64_t repeat_ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_active(const struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

/* Descriptors: level triggered. The caller owns the descriptor and closes it after loop_poll_free(). */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };
struct loop_poll;
struct loop_poll *loop_poll_new(struct loop *loop, int fd, void (*fn)(void *arg, int events), void *arg);
/* ^ NULL with errno set when the descriptor cannot be watched: EPERM for a regular file. */
void loop_poll_set(struct loop_poll *poll, int events); /* 0 = stop watching; errors arrive as READ|WRITE */
void loop_poll_free(struct loop_poll *poll);

struct loop_signal;
struct loop_signal *loop_signal_new(struct loop *loop, int signum, void (*fn)(void *arg, int signum), void *arg);
void loop_signal_free(struct loop_signal *sig);

/* Child processes. stdin/stdout/stderr: a descriptor to inherit, or LOOP_FD_NULL for /dev/null. Children of this loop
 * get no other descriptor. env NULL = inherit, else a NULL-terminated list "K=V". die_with_parent sets PR_SET_PDEATHSIG
 * to SIGKILL. own_group makes the child the leader of a new process group. on_exit comes exactly once (unless freed
 * first): status is the exit code, or -1 with term_signal set. loop_child_free() on a living child lets it live on,
 * unwatched: kill first. */
enum { LOOP_FD_NULL = -1 };
struct loop_child_options {
    const char *const *argv;
    const char *const *env;
    const char *cwd;
    int stdin_fd, stdout_fd, stderr_fd;
    const int *extra_fds; /* become 3, 4, … in the child */
    size_t extra_fd_count;
    bool die_with_parent, own_group;
    void (*on_exit)(void *arg, int status, int term_signal);
    void *arg;
};
struct loop_child;
struct loop_child *loop_child_new(struct loop *loop, const struct loop_child_options *options, GError **error);
pid_t loop_child_pid(const struct loop_child *child);
bool loop_child_kill(struct loop_child *child, int signum); /* false when it is gone already */
void loop_child_free(struct loop_child *child);

/* Runs work(arg) on a thread of a bounded pool, then done(arg) on the loop. No cancel: make work short or bounded, and
 * nothing that can hang on a network. */
void loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* Name lookup (getaddrinfo on a pool of its own, never libuv's). addresses: GPtrArray of struct loop_address*, IPv6 and
 * IPv4 in the system's order, owned by the callee of done; empty only with error set (ERROR_DNS). done comes exactly
 * once, later, on the loop; loop_resolve_cancel() makes it never come. A numeric address resolves without a thread. */
struct loop_address {
    int family;
    socklen_t length;
    unsigned char bytes[128]; /* a struct sockaddr_storage */
};
struct loop_resolve;
struct loop_resolve *loop_resolve(struct loop *loop, const char *host, uint16_t port,
                                  void (*done)(void *arg, GPtrArray *addresses, const GError *error), void *arg);
void loop_resolve_cancel(struct loop_resolve *resolve);

#endif

/* loop: timers, descriptors, signals and posts on libuv. Knows no protocol; threads and processes are in loop_*.c. */
#include "core/loop.h"
#include "core/loop_private.h"
#include "core/loop_virtual.h"
#include <errno.h>
#include <uv.h>

struct post {
    void (*fn)(void *arg);
    void *arg;
};

struct loop_mailbox {
    gatomicrefcount references;
    GMutex mutex;
    GArray *posts;     /* struct post; guarded by mutex */
    struct loop *loop; /* NULL once the loop is gone; guarded by mutex */
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    struct loop_mailbox *mailbox;
    GArray *running; /* the batch of posts that is being run; kept for its memory */
    unsigned held;
    bool stopped;
    struct virtual_time *virtual_time; /* or NULL: real time */
    gint busy;                         /* atomic: threads at work, see loop_busy() */
    uint64_t moved_ms;                 /* real: when virtual time passed last */
    uv_timer_t patience;               /* of virtual time only */
};

static void check(int result, const char *what)
{
    if (result < 0)
        g_error("loop: %s: %s", what, uv_strerror(result));
}

/* Posts */

struct loop_mailbox *loop_mailbox_ref(struct loop *loop)
{
    g_atomic_ref_count_inc(&loop->mailbox->references);
    return loop->mailbox;
}

void loop_mailbox_unref(struct loop_mailbox *mailbox)
{
    if (!g_atomic_ref_count_dec(&mailbox->references))
        return;
    g_array_free(mailbox->posts, TRUE);
    g_mutex_clear(&mailbox->mutex);
    g_free(mailbox);
}

bool loop_mailbox_post(struct loop_mailbox *mailbox, void (*fn)(void *arg), void *arg)
{
    struct post post = {fn, arg};
    g_mutex_lock(&mailbox->mutex);
    struct loop *loop = mailbox->loop;
    if (loop != NULL) {
        g_array_append_val(mailbox->posts, post);
        if (mailbox->posts->len == 1) /* one wake-up a batch */
            uv_async_send(&loop->wake);
    }
    g_mutex_unlock(&mailbox->mutex);
    return loop != NULL;
}

void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    loop_mailbox_post(loop->mailbox, fn, arg);
}

/* Runs one batch. Posts made meanwhile wait for the next turn, so that descriptors and timers get theirs. */
static bool run_posts(struct loop *loop)
{
    GArray *batch = loop->mailbox->posts;
    g_mutex_lock(&loop->mailbox->mutex);
    loop->mailbox->posts = loop->running;
    g_mutex_unlock(&loop->mailbox->mutex);
    loop->running = NULL; /* a nested run would be a defect: it has no array to swap in */
    for (guint i = 0; i < batch->len; i++) {
        struct post *post = &g_array_index(batch, struct post, i);
        post->fn(post->arg);
    }
    bool any = batch->len > 0;
    g_array_set_size(batch, 0);
    loop->running = batch;
    return any;
}

static void on_wake(uv_async_t *wake)
{
    run_posts(wake->data);
}

/* Life */

struct loop *loop_new(void)
{
    struct loop *loop = g_new0(struct loop, 1);
    check(uv_loop_init(&loop->uv), "cannot create the event loop");
    check(uv_async_init(&loop->uv, &loop->wake, on_wake), "cannot create the wake-up");
    loop->wake.data = loop;
    loop->running = g_array_new(FALSE, FALSE, sizeof(struct post));
    loop->mailbox = g_new0(struct loop_mailbox, 1);
    g_atomic_ref_count_init(&loop->mailbox->references);
    g_mutex_init(&loop->mailbox->mutex);
    loop->mailbox->posts = g_array_new(FALSE, FALSE, sizeof(struct post));
    loop->mailbox->loop = loop;
    return loop;
}

struct loop *loop_new_virtual(int64_t wall_ms)
{
    struct loop *loop = loop_new();
    loop->virtual_time = virtual_time_new(wall_ms);
    loop->moved_ms = uv_now(&loop->uv);
    check(uv_timer_init(&loop->uv, &loop->patience), "cannot create a timer");
    return loop;
}

void loop_hold(struct loop *loop)
{
    loop->held++;
}

void loop_release(struct loop *loop)
{
    g_assert(loop->held > 0);
    loop->held--;
}

/* True when something other than the wake-up could still happen. */
static bool is_active(struct loop *loop)
{
    uv_unref((uv_handle_t *)&loop->wake);
    bool active = uv_loop_alive(&loop->uv) != 0;
    uv_ref((uv_handle_t *)&loop->wake);
    return active || loop->held > 0;
}

/* Virtual time */

void loop_busy(struct loop *loop)
{
    g_atomic_int_inc(&loop->busy);
}

void loop_idle(struct loop *loop)
{
    if (g_atomic_int_dec_and_test(&loop->busy) && loop->virtual_time != NULL)
        uv_async_send(&loop->wake);
}

/* What a thread posted before it became idle is seen here, because the counter is read first. */
static bool is_settled(struct loop *loop)
{
    if (g_atomic_int_get(&loop->busy) > 0 || loop->held > 0)
        return false;
    g_mutex_lock(&loop->mailbox->mutex);
    bool settled = loop->mailbox->posts->len == 0;
    g_mutex_unlock(&loop->mailbox->mutex);
    return settled;
}

static void on_impatience(uv_timer_t *timer)
{
    (void)timer; /* its coming alone ends the wait */
}

static void turn_virtual(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    if (loop->stopped)
        return;
    bool patient = uv_now(&loop->uv) - loop->moved_ms < LOOP_PATIENCE_MS, moved = false;
    if (patient && !is_settled(loop)) {
        check(uv_timer_start(&loop->patience, on_impatience, LOOP_PATIENCE_MS, 0), "cannot start a timer");
        uv_run(&loop->uv, UV_RUN_ONCE);
        uv_timer_stop(&loop->patience);
        return;
    }
    if (!virtual_time_fire(loop->virtual_time, &moved))
        uv_run(&loop->uv, UV_RUN_ONCE); /* only the outside is left */
    if (moved)
        loop->moved_ms = uv_now(&loop->uv);
}

void loop_run(struct loop *loop)
{
    loop->stopped = false;
    loop->moved_ms = uv_now(&loop->uv);
    while (!loop->stopped) {
        if (loop->virtual_time != NULL)
            turn_virtual(loop);
        else
            uv_run(&loop->uv, UV_RUN_DEFAULT);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
    uv_stop(&loop->uv);
}

bool loop_step(struct loop *loop)
{
    bool active = is_active(loop);
    if (loop->virtual_time != NULL) {
        turn_virtual(loop);
        return true;
    }
    uv_run(&loop->uv, active ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    return is_active(loop);
}

uint64_t loop_now_ms(struct loop *loop)
{
    return loop->virtual_time != NULL ? virtual_time_now_ms(loop->virtual_time) : uv_now(&loop->uv);
}

static void close_or_abort(uv_handle_t *handle, void *arg);

static void close_mailbox(struct loop *loop)
{
    g_mutex_lock(&loop->mailbox->mutex);
    loop->mailbox->loop = NULL;
    g_mutex_unlock(&loop->mailbox->mutex);
    loop_mailbox_unref(loop->mailbox);
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    while (loop->held > 0)
        uv_run(&loop->uv, UV_RUN_ONCE);
    while (run_posts(loop))
        ;
    uv_walk(&loop->uv, close_or_abort, loop);
    close_mailbox(loop);
    if (loop->virtual_time != NULL)
        uv_close((uv_handle_t *)&loop->patience, NULL);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
        ;
    check(uv_loop_close(&loop->uv), "cannot close the event loop");
    virtual_time_free(loop->virtual_time);
    g_array_free(loop->running, TRUE);
    g_free(loop);
}

/* Timers */

struct loop_timer {
    uv_timer_t uv;
    struct virtual_time *virtual_time; /* or NULL: uv fires it */
    struct virtual_timer virtual_timer;
    void (*fn)(void *arg);
    void *arg;
};

static void on_timer(uv_timer_t *uv)
{
    struct loop_timer *timer = uv->data;
    timer->fn(timer->arg);
}

static void free_handle(uv_handle_t *handle)
{
    g_free(handle->data);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *timer = g_new0(struct loop_timer, 1);
    check(uv_timer_init(&loop->uv, &timer->uv), "cannot create a timer");
    timer->uv.data = timer;
    timer->fn = fn;
    timer->arg = arg;
    timer->virtual_time = loop->virtual_time;
    timer->virtual_timer = (struct virtual_timer){.fn = fn, .arg = arg};
    return timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    if (timer->virtual_time != NULL)
        virtual_timer_start(timer->virtual_time, &timer->virtual_timer, after_ms, repeat_ms);
    else
        check(uv_timer_start(&timer->uv, on_timer, after_ms, repeat_ms), "cannot start a timer");
}

void loop_timer_stop(struct loop_timer *timer)
{
    virtual_timer_stop(&timer->virtual_timer);
    uv_timer_stop(&timer->uv);
}

bool loop_timer_active(const struct loop_timer *timer)
{
    return timer->virtual_timer.at != NULL || uv_is_active((const uv_handle_t *)&timer->uv) != 0;
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer == NULL)
        return;
    virtual_timer_stop(&timer->virtual_timer);
    uv_close((uv_handle_t *)&timer->uv, free_handle);
}

/* Descriptors */

struct loop_poll {
    uv_poll_t uv;
    void (*fn)(void *arg, int events);
    void *arg;
    int events;                 /* watched: UV_READABLE … */
    void (*dispose)(void *arg); /* set: detached */
};

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct loop_poll *poll = uv->data;
    if (status < 0) {
        /* libuv stops watching at an error; here it stays level triggered until the owner acts. */
        check(uv_poll_start(uv, poll->events, on_poll), "cannot watch a descriptor");
        poll->fn(poll->arg, LOOP_READ | LOOP_WRITE);
        return;
    }
    poll->fn(poll->arg, (events & UV_READABLE ? LOOP_READ : 0) | (events & UV_WRITABLE ? LOOP_WRITE : 0) |
                            (events & UV_DISCONNECT ? LOOP_HANGUP : 0));
}

struct loop_poll *loop_poll_new(struct loop *loop, int fd, void (*fn)(void *arg, int events), void *arg)
{
    struct loop_poll *poll = g_new0(struct loop_poll, 1);
    int result = uv_poll_init(&loop->uv, &poll->uv, fd);
    if (result < 0) { /* not a handle yet: nothing to close */
        g_free(poll);
        errno = -result;
        return NULL;
    }
    poll->uv.data = poll;
    poll->fn = fn;
    poll->arg = arg;
    return poll;
}

void loop_poll_set(struct loop_poll *poll, int events)
{
    int wanted = (events & LOOP_READ ? UV_READABLE : 0) | (events & LOOP_WRITE ? UV_WRITABLE : 0) |
                 (events & LOOP_HANGUP ? UV_DISCONNECT : 0);
    if (wanted == poll->events && (wanted == 0) == (uv_is_active((uv_handle_t *)&poll->uv) == 0))
        return;
    poll->events = wanted;
    if (wanted == 0)
        uv_poll_stop(&poll->uv);
    else
        check(uv_poll_start(&poll->uv, wanted, on_poll), "cannot watch a descriptor");
}

void loop_poll_free(struct loop_poll *poll)
{
    if (poll != NULL)
        uv_close((uv_handle_t *)&poll->uv, free_handle);
}

void loop_poll_detach(struct loop_poll *poll, void (*dispose)(void *arg))
{
    poll->dispose = dispose;
    uv_unref((uv_handle_t *)&poll->uv);
}

/* Signals */

struct loop_signal {
    uv_signal_t uv;
    void (*fn)(void *arg, int signum);
    void *arg;
};

static void on_signal(uv_signal_t *uv, int signum)
{
    struct loop_signal *sig = uv->data;
    sig->fn(sig->arg, signum);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signum, void (*fn)(void *arg, int signum), void *arg)
{
    struct loop_signal *sig = g_new0(struct loop_signal, 1);
    check(uv_signal_init(&loop->uv, &sig->uv), "cannot create a signal handler");
    sig->uv.data = sig;
    sig->fn = fn;
    sig->arg = arg;
    check(uv_signal_start(&sig->uv, on_signal, signum), "cannot watch a signal");
    return sig;
}

void loop_signal_free(struct loop_signal *sig)
{
    if (sig != NULL)
        uv_close((uv_handle_t *)&sig->uv, free_handle);
}

static void close_or_abort(uv_handle_t *handle, void *arg)
{
    struct loop *loop = arg;
    if (uv_is_closing(handle) || handle == (uv_handle_t *)&loop->wake || handle->data == NULL)
        return; /* libuv's own handles have no data */
    struct loop_poll *poll = handle->type == UV_POLL ? handle->data : NULL;
    if (poll != NULL && poll->dispose != NULL)
        poll->dispose(poll->arg);
    else
        g_error("loop: freed with an open %s", uv_handle_type_name(handle->type));
}

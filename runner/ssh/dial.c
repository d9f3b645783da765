/* dial: see dial.h. Knows no SSH and no time-out: its owner cancels it. */
#include "runner/ssh/dial.h"
#include "core/errors.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum { NEXT_ADDRESS_MS = 250 };

struct attempt {
    struct ssh_dial *owner;
    int fd;
    struct loop_poll *poll;
};

struct ssh_dial {
    struct loop *loop;
    GPtrArray *addresses;
    guint next;
    GPtrArray *attempts; /* struct attempt*, under way */
    struct loop_timer *timer;
    int last_errno;
    void (*done)(void *arg, int fd, const GError *error);
    void *arg;
};

static void attempt_free(void *pointer)
{
    struct attempt *attempt = pointer;
    loop_poll_free(attempt->poll);
    if (attempt->fd >= 0)
        close(attempt->fd);
    g_free(attempt);
}

void ssh_dial_cancel(struct ssh_dial *dial)
{
    if (dial == NULL)
        return;
    loop_timer_free(dial->timer);
    g_ptr_array_unref(dial->attempts);
    g_ptr_array_unref(dial->addresses);
    g_free(dial);
}

static void finish(struct ssh_dial *dial, int fd)
{
    void (*done)(void *, int, const GError *) = dial->done;
    void *arg = dial->arg;
    g_autoptr(GError) error = NULL;
    if (fd < 0)
        errors_set(&error, ERROR_CONNECT, "%s", g_strerror(dial->last_errno));
    ssh_dial_cancel(dial);
    done(arg, fd, error);
}

static void try_next(void *arg);

static void attempt_event(void *arg, int events)
{
    (void)events;
    struct attempt *attempt = arg;
    struct ssh_dial *dial = attempt->owner;
    int status = 0;
    socklen_t length = sizeof status;
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &status, &length) != 0)
        status = errno;
    if (status == 0) {
        loop_poll_free(g_steal_pointer(&attempt->poll));
        int fd = attempt->fd;
        attempt->fd = -1;
        finish(dial, fd);
        return;
    }
    dial->last_errno = status;
    g_ptr_array_remove_fast(dial->attempts, attempt);
    try_next(dial);
}

static void tune(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

/* Starts one address. False when it failed at once. */
static bool attempt_start(struct ssh_dial *dial, const struct loop_address *address)
{
    int fd = socket(address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        dial->last_errno = errno;
        return false;
    }
    tune(fd);
    const struct sockaddr *to = (const struct sockaddr *)(const void *)address->bytes;
    if (connect(fd, to, address->length) != 0 && errno != EINPROGRESS) {
        dial->last_errno = errno;
        close(fd);
        return false;
    }
    struct attempt *attempt = g_new0(struct attempt, 1);
    attempt->owner = dial;
    attempt->fd = fd;
    attempt->poll = loop_poll_new(dial->loop, fd, attempt_event, attempt);
    loop_poll_set(attempt->poll, LOOP_WRITE);
    g_ptr_array_add(dial->attempts, attempt);
    return true;
}

static void try_next(void *arg)
{
    struct ssh_dial *dial = arg;
    while (dial->next < dial->addresses->len) {
        const struct loop_address *address = g_ptr_array_index(dial->addresses, dial->next++);
        if (attempt_start(dial, address)) {
            loop_timer_start(dial->timer, NEXT_ADDRESS_MS, 0);
            return;
        }
    }
    if (dial->attempts->len == 0)
        finish(dial, -1);
}

struct ssh_dial *ssh_dial_start(struct loop *loop, GPtrArray *addresses,
                                void (*done)(void *arg, int fd, const GError *error), void *arg)
{
    struct ssh_dial *dial = g_new0(struct ssh_dial, 1);
    dial->loop = loop;
    dial->addresses = g_ptr_array_ref(addresses);
    dial->attempts = g_ptr_array_new_with_free_func(attempt_free);
    dial->last_errno = EHOSTUNREACH;
    dial->done = done;
    dial->arg = arg;
    dial->timer = loop_timer_new(loop, try_next, dial);
    loop_timer_start(dial->timer, 0, 0); /* later, so that done never comes from within start */
    return dial;
}

/* bridge: two queues under one mutex, and an atomic. Knows nothing of Lua, services or steps. */
#include "lua/bridge.h"

#include "lua/work.h"

#include <stdatomic.h>

struct bridge {
    gatomicrefcount references;
    GMutex mutex;
    GCond arrived;
    GQueue to_thread, to_loop;
    bool posted; /* a delivery is on its way to the loop: one a batch */
    bool closed;
    bool working; /* the thread has taken mail, or has some: virtual time waits for it */
    struct loop *loop;
    void (*deliver)(void *owner, struct mail *mail);
    void *owner;
    atomic_int level, code;
};

struct mail *mail_new(enum mail_kind kind)
{
    struct mail *mail = g_new0(struct mail, 1);
    mail->kind = kind;
    return mail;
}

void mail_free(struct mail *mail)
{
    if (!mail)
        return;
    json_decref(mail->value);
    g_clear_error(&mail->error);
    work_free(mail->work);
    g_free(mail);
}

static void drop_all(GQueue *queue)
{
    for (struct mail *mail; (mail = g_queue_pop_head(queue));)
        mail_free(mail);
}

struct bridge *bridge_new(struct loop *loop, void (*deliver)(void *owner, struct mail *mail), void *owner)
{
    struct bridge *bridge = g_new0(struct bridge, 1);
    g_atomic_ref_count_init(&bridge->references);
    g_mutex_init(&bridge->mutex);
    g_cond_init(&bridge->arrived);
    bridge->loop = loop;
    bridge->deliver = deliver;
    bridge->owner = owner;
    return bridge;
}

struct bridge *bridge_ref(struct bridge *bridge)
{
    g_atomic_ref_count_inc(&bridge->references);
    return bridge;
}

void bridge_unref(struct bridge *bridge)
{
    if (!bridge || !g_atomic_ref_count_dec(&bridge->references))
        return;
    drop_all(&bridge->to_thread);
    drop_all(&bridge->to_loop);
    g_cond_clear(&bridge->arrived);
    g_mutex_clear(&bridge->mutex);
    g_free(bridge);
}

/* Under the mutex. */
static void set_working(struct bridge *bridge, bool working)
{
    if (bridge->working == working)
        return;
    bridge->working = working;
    if (working)
        loop_busy(bridge->loop);
    else
        loop_idle(bridge->loop);
}

void bridge_to_thread(struct bridge *bridge, struct mail *mail)
{
    g_mutex_lock(&bridge->mutex);
    g_queue_push_tail(&bridge->to_thread, mail);
    set_working(bridge, !bridge->closed);
    g_cond_signal(&bridge->arrived);
    g_mutex_unlock(&bridge->mutex);
}

void bridge_close(struct bridge *bridge)
{
    bridge_set_level(bridge, LEVEL_GONE, 0);
    g_mutex_lock(&bridge->mutex);
    bridge->closed = true;
    set_working(bridge, false);
    drop_all(&bridge->to_loop);
    g_cond_signal(&bridge->arrived);
    g_mutex_unlock(&bridge->mutex);
}

void bridge_set_level(struct bridge *bridge, enum level level, int code)
{
    atomic_store(&bridge->code, code);
    atomic_store(&bridge->level, (int)level);
}

enum level bridge_level(const struct bridge *bridge)
{
    return (enum level)atomic_load(&bridge->level);
}

int bridge_level_code(const struct bridge *bridge)
{
    return atomic_load(&bridge->code);
}

static struct mail *next_for_loop(struct bridge *bridge)
{
    g_mutex_lock(&bridge->mutex);
    struct mail *mail = g_queue_pop_head(&bridge->to_loop);
    if (!mail)
        bridge->posted = false;
    g_mutex_unlock(&bridge->mutex);
    return mail;
}

/* On the loop. The queue is looked at again after each mail: its receiver may have closed the bridge, which empties it.
 */
static void deliver_all(void *arg)
{
    struct bridge *bridge = arg;
    for (struct mail *mail; (mail = next_for_loop(bridge));)
        bridge->deliver(bridge->owner, mail);
    bridge_unref(bridge);
}

void bridge_to_loop(struct bridge *bridge, struct mail *mail)
{
    g_mutex_lock(&bridge->mutex);
    if (bridge->closed) {
        g_mutex_unlock(&bridge->mutex);
        mail_free(mail);
        return;
    }
    g_queue_push_tail(&bridge->to_loop, mail);
    if (!bridge->posted) {
        bridge->posted = true;
        loop_post(bridge->loop, deliver_all,
                  bridge_ref(bridge)); /* under the mutex: the loop outlives an open bridge */
    }
    g_mutex_unlock(&bridge->mutex);
}

struct mail *bridge_take(struct bridge *bridge)
{
    struct mail *mail;
    g_mutex_lock(&bridge->mutex);
    while (!(mail = g_queue_pop_head(&bridge->to_thread)) && !bridge->closed) {
        set_working(bridge, false);
        g_cond_wait(&bridge->arrived, &bridge->mutex);
    }
    g_mutex_unlock(&bridge->mutex);
    return mail;
}

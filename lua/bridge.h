/* bridge: the one thing that the loop and a run's Lua thread share: two queues of mail and the interrupt level.
 *
 * Mail carries values, never pointers into the other side: what is in a mail belongs to whoever takes it. The bridge
 * lives as long as either side holds it; after bridge_close() nothing is delivered to the loop any more and the thread
 * sees LEVEL_GONE. */
#ifndef LUA_BRIDGE_H
#define LUA_BRIDGE_H

#include "core/json.h"
#include "core/loop.h"
#include <glib.h>
#include <stdint.h>

enum mail_kind {
    /* loop → thread */
    MAIL_WORK, /* a step or an expression to run: `work` */
    MAIL_DONE, /* the call (task, generation) ended with value or error */
    MAIL_WAKE, /* look at the interrupt level */
    MAIL_QUIT,
    /* thread → loop */
    MAIL_CALL,       /* start `service` with `value` for (task, generation) */
    MAIL_STOP_CALLS, /* cancel every call under way; each still ends with MAIL_DONE */
    MAIL_GRACE,      /* the step's own part is over without success (so LEVEL_STOP took hold): its defer functions' time
                        starts */
    MAIL_OUTCOME,    /* `work` is done and holds its outcome */
};

/* How far the loop wants the thread to stop. Only ever rises during one step. */
enum level {
    LEVEL_NONE,
    LEVEL_STOP,       /* stop the step's tasks, then run its defer functions */
    LEVEL_GRACE_OVER, /* stop those too */
    LEVEL_GONE,       /* nobody waits for an outcome */
};

struct mail {
    enum mail_kind kind;
    uint64_t task;
    unsigned generation;
    const char *service; /* static */
    json_t *value;
    GError *error;
    struct work *work;
};
struct mail *mail_new(enum mail_kind kind);
void mail_free(struct mail *mail); /* with what is still in it */

struct bridge;
/* deliver(owner, mail) is called on the loop for each mail of the thread; it takes the mail and may close the bridge.
 */
struct bridge *bridge_new(struct loop *loop, void (*deliver)(void *owner, struct mail *mail), void *owner);
struct bridge *bridge_ref(struct bridge *bridge);
void bridge_unref(struct bridge *bridge);

/* On the loop. Both take the mail. */
void bridge_to_thread(struct bridge *bridge, struct mail *mail);
void bridge_close(struct bridge *bridge);
void bridge_set_level(struct bridge *bridge, enum level level, int code);

/* On the thread. bridge_take() waits; NULL when the bridge is closed. */
void bridge_to_loop(struct bridge *bridge, struct mail *mail);
struct mail *bridge_take(struct bridge *bridge);

/* Any thread, also inside a signal handler. code: why (ERROR_CANCELLED, ERROR_TIMEOUT). */
enum level bridge_level(const struct bridge *bridge);
int bridge_level_code(const struct bridge *bridge);

#endif

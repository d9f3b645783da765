/* stop: ends what a command left on its host, found by its marker, and says what a last look showed. */
#ifndef RUNNER_SSH_STOP_H
#define RUNNER_SSH_STOP_H

#include "runner/ssh/pool.h"
#include <stdbool.h>

enum ssh_stop_outcome {
    SSH_STOP_NONE_LEFT, /* looked, and nothing with the marker (any more) */
    SSH_STOP_SOME_LEFT, /* something did not go away */
    SSH_STOP_UNKNOWN,   /* could not look */
};

struct ssh_stop;
/* TERM, 0.3 s, KILL, look again, on `session` (may be NULL; must outlive the stop) through the place that the pool
 * keeps free, else on a connection of its own. A marker that ends in '.' stands for all that begin with it. `sudo`: the
 * command ran under it, so kill under it too, with this password (NULL: sudo -n). done comes once, later. */
struct ssh_stop *ssh_stop_start(struct ssh_pool *pool, struct ssh_target *target, struct ssh_session *session,
                                const char *marker, bool sudo, const char *password,
                                void (*done)(void *arg, enum ssh_stop_outcome outcome), void *arg);
void ssh_stop_cancel(struct ssh_stop *stop); /* done will not come; NULL accepted */

#endif

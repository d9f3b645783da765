/* dial: one TCP connection to the first of several addresses that answers (a simple form of RFC 8305, "happy eyeballs":
 * the next address is tried after 250 ms or at once when one fails; the first to connect wins). */
#ifndef RUNNER_SSH_DIAL_H
#define RUNNER_SSH_DIAL_H

#include "core/loop.h"
#include <glib.h>

struct ssh_dial;
/* done comes exactly once, later, on the loop: fd >= 0 (non-blocking, the callee's) or -1 with error (ERROR_CONNECT,
 * the system's words for the last failure). The ssh_dial is gone then. */
struct ssh_dial *ssh_dial_start(struct loop *loop, GPtrArray *addresses,
                                void (*done)(void *arg, int fd, const GError *error), void *arg);
void ssh_dial_cancel(struct ssh_dial *dial); /* done will not come; NULL accepted */

#endif

/* lease: one run on this worker: confirms the job, executes it, delivers its events, and fences it when the lease is
 * nearly over.
 *
 * The lease's end is counted here, on the monotonic clock, from the moment a request was sent: never later than the
 * server counts it. LEASE_MARGIN_MS before it the run is fenced, whatever the network says. */
#ifndef RUNNER_LEASE_H
#define RUNNER_LEASE_H

#include "core/json.h"
#include "core/loop.h"
#include "runner/uplink.h"
#include "runner/world.h"

struct lease;

struct lease_options {
    struct loop *loop;
    struct uplink *uplink;
    const struct world *world;
    const char *worker; /* its id; borrowed for the lease's life */
    json_t *job;        /* the answer of a lease poll; borrowed, kept by reference */
    /* The run has left this worker (ended, waits, or was fenced), and nothing more will be sent. Once; the lease may be
     * freed from within. */
    void (*ended)(void *arg, struct lease *lease);
    void *arg;
};

struct lease *lease_new(const struct lease_options *options);
void lease_free(struct lease *lease); /* whatever runs is abandoned; NULL accepted */

const char *lease_id(const struct lease *lease);
bool lease_confirmed(const struct lease *lease);
/* The server's answer about this lease, to a request sent at sent_ms (loop time): `lease_ms` and `cancel`; NULL or null
 * = it is not ours any more. */
void lease_renewed(struct lease *lease, uint64_t sent_ms, const json_t *answer);
void lease_cancel(struct lease *lease, const char *reason);

#endif

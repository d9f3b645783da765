/* run_leases: who has which run, and for how long.
 *
 * The database says whose a run is; how long a lease lives is counted here, on the monotonic clock, so that a wall
 * clock that jumps takes no run from a living worker. A granted lease counts only once it is confirmed, within
 * WIRE_CONFIRM_MS; a confirmed one lives LEASE_MS after each word of its worker. Either ends at once when it is known
 * that nobody has it any more. What happens to the run of a lease that ended is in run_recover.c. Loop thread. */
#ifndef JOBS_RUN_LEASES_H
#define JOBS_RUN_LEASES_H

#include "jobs/jobs.h"
#include "jobs/run_workers.h"

struct run_leases;

/* With the leases that a restart found: living workers renew them. Their workers are told to `workers`, borrowed. */
struct run_leases *run_leases_new(struct jobs *jobs, struct run_workers *workers, GError **error);
void run_leases_free(struct run_leases *leases);

/* After the commits that say so. An unconfirmed lease has been granted; its worker has confirmed it. */
void run_leases_add(struct run_leases *leases, const char *id, const char *run, const char *worker);
void run_leases_confirm(struct run_leases *leases, const char *id, const char *run, const char *worker);
/* Its holder was heard: it lives that many ms more from now; 0 = it is over. */
int64_t run_leases_touch(struct run_leases *leases, const char *id);
/* The same for a holder that asks: {"lease_ms","cancel"}, or null when the lease is not that worker's. New reference.
 */
json_t *run_leases_renew(struct run_leases *leases, const char *id, const char *worker);
/* What the holder is to be told. Returns its worker, borrowed; NULL when nobody holds a lease of that run. */
const char *run_leases_note_cancel(struct run_leases *leases, const char *run, const char *reason);

/* The lease, or every lease of the run, is over: the run was parked, ended, or handed on. NULL accepted. */
void run_leases_drop(struct run_leases *leases, const char *id);
void run_leases_drop_run(struct run_leases *leases, const char *run);
/* Nobody has it any more: it ends now, as if it had not been heard for its time. */
void run_leases_lose(struct run_leases *leases, const char *id);
void run_leases_lose_worker(struct run_leases *leases, const char *worker);

int64_t run_leases_confirm_ms(const struct run_leases *leases);
int64_t run_leases_lease_ms(const struct run_leases *leases);
size_t run_leases_count(const struct run_leases *leases);
/* Tests: other times than WIRE_CONFIRM_MS and LEASE_MS, for every lease. */
void run_leases_set_times(struct run_leases *leases, int64_t confirm_ms, int64_t lease_ms);

#endif

/* hosts_exec: a command on many hosts that an admin asks for, without a runbook: `hikeshi hosts exec` on a server.
 *
 * It is a run like any other (record, live log, limits, trust, cancel, unknown after a crash) whose one step is the
 * words of its params. Off unless the configuration says `hosts_exec.enabled`. Refuses to know how words reach a host.
 */
#ifndef JOBS_HOSTS_EXEC_H
#define JOBS_HOSTS_EXEC_H

#include "jobs/job.h"
#include "jobs/jobs.h"

/* API. POST /hosts/exec {"hosts","argv","reason","sudo","timeout_ms","at_once","canary","stop_after","max_percent",
 * "max_hosts"}. ERROR_NOT_ALLOWED while it is off, or for a host that trust does not give. */
void hosts_exec_request(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

/* Whether a run's row, or the "runbook" of a plan, is one of these. */
bool hosts_exec_made(const json_t *row);
/* ERROR_NOT_ALLOWED naming the key when it is off: also of runs that wait already. */
bool hosts_exec_enabled(const struct jobs *jobs, GError **error);
/* The same, and the person is an admin: for whatever makes such a run's words run (again). */
bool hosts_exec_may(const struct jobs *jobs, const struct actor *actor, GError **error);
/* What such a run with these params would do now, as a runbook of one step: runbook_free(). */
struct runbook *hosts_exec_runbook(const struct jobs *jobs, const json_t *inventory, const json_t *params,
                                   GError **error);

#endif

/* jobs_status: is the control plane ready, and its numbers. */
#ifndef JOBS_JOBS_STATUS_H
#define JOBS_JOBS_STATUS_H

#include "jobs/jobs.h"

struct jobs_status;
struct jobs_status *jobs_status_new(struct jobs *jobs, GError **error);
void jobs_status_free(struct jobs_status *status);

#endif

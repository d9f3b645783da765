/* retention: what is old is deleted, a little at a time, in the background of the store: `retention.*` of the
 * configuration. */
#ifndef JOBS_RETENTION_H
#define JOBS_RETENTION_H

#include "jobs/jobs.h"

/* Starts the hourly sweep. Never fails. */
struct retention_service *retention_service_new(struct jobs *jobs);
void retention_service_free(struct retention_service *service);
/* Sweeps now; done (may be NULL) comes when nothing old is left. A sweep that is under way goes on. */
void retention_sweep(struct retention_service *service, void (*done)(void *arg), void *arg);

#endif

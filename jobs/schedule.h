/* schedule: cron triggers. Fires once per slot by the unique key (schedule, slot), also across restarts and servers. */
#ifndef JOBS_SCHEDULE_H
#define JOBS_SCHEDULE_H

#include "jobs/jobs.h"

struct schedule_service *schedule_service_new(struct jobs *jobs, GError **error);
void schedule_service_free(struct schedule_service *service);
void schedule_catalog_changed(struct jobs *jobs); /* re-reads the triggers of the catalog in service */
void schedule_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

#endif

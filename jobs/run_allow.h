/* run_allow: who may start a runbook by hand. Pure, over the catalog in service. */
#ifndef JOBS_RUN_ALLOW_H
#define JOBS_RUN_ALLOW_H

#include "jobs/catalog.h"
#include "jobs/jobs.h"
#include "jobs/runbook.h"

/* True when a trigger of `kind` (MANUAL, LINK) lets this person in: its `allow` names them, or it has none and they
 * belong to the owner's team, or are an admin, or the owner is no team. Triggers of incidents count too where they have
 * an `allow`, for a run of an incident and where there is no trigger of `kind`. Else ERROR_FORBIDDEN. *ret_trigger: the
 * one of `kind`, or NULL when there is none. */
bool run_allow(const struct catalog_set *set, const struct runbook *runbook, enum trigger_kind kind, bool incident,
               const struct actor *actor, const struct trigger **ret_trigger, GError **error);

#endif

/* fields: the key tables of every YAML format of a runbook repository: what the readers loop over, and what schema.c
 * makes schemas of. Each ends with key == NULL. */
#ifndef JOBS_FIELDS_H
#define JOBS_FIELDS_H

#include "jobs/field.h"

extern const struct field runbook_front_fields[], runbook_param_fields[], runbook_limit_fields[], runbook_step_fields[];
extern const struct field *const runbook_trigger_fields[]; /* by enum trigger_kind */
extern const struct field inventory_fields[], policy_file_fields[], casefile_fields[];

#endif

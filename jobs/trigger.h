/* trigger: does this incident or alert start that runbook? Pure functions over JSON; no store. */
#ifndef JOBS_TRIGGER_H
#define JOBS_TRIGGER_H

#include "core/json.h"
#include "jobs/runbook.h"

/* Evaluates `match` rule by rule. incident: product shape; alert: one of its alerts, or NULL for an incident-wide match (then
 * `alert` and `labels.x` rules hold when any firing alert, resp. the incident's labels, match). *ret_rules (maybe NULL) becomes
 * [{"rule","wanted","got","ok"}] for explain. Values: equal, list = any of, "~regex", "!value". */
bool trigger_matches(const struct trigger *trigger, const json_t *incident, const json_t *alert, json_t **ret_rules);

/* True when the document or runbook covers this alert or workload (covers: alert/NAME, kind/name, kind/ns/name; a trigger that
 * matches; the file name, ignoring case; the alert's runbook_url ending in the file name). *ret_by says which. */
bool runbook_covers_incident(const struct runbook *runbook, const json_t *incident, const char **ret_by);

#endif

/* pagerduty_alerts: the alerts of an incident as PagerDuty's REST API tells them (GET /incidents/{id}/alerts). */
#ifndef JOBS_SOURCES_PAGERDUTY_ALERTS_H
#define JOBS_SOURCES_PAGERDUTY_ALERTS_H

#include "core/json.h"
#include <stdbool.h>

/* Appends the answer's alerts in the shape of source.h, up to LIMIT_ALERTS_PER_INCIDENT in all. False when it is not
 * such an answer. */
bool pagerduty_alerts_add(json_t *alerts, const json_t *answer);
/* The alerts in the text that Alertmanager's PagerDuty integration writes ("Labels:\n - alertname = X\n…"), appended.
 */
void pagerduty_alerts_from_text(json_t *alerts, const char *text, const char *id, const char *status,
                                json_t *starts_at);

#endif

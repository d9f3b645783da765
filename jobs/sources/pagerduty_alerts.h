/* pagerduty_alerts: the alerts of an incident as PagerDuty's REST API tells them (GET /incidents/{id}/alerts). */
#ifndef JOBS_SOURCES_PAGERDUTY_ALERTS_H
#define JOBS_SOURCES_PAGERDUTY_ALERTS_H

#include "core/json.h"

/* The answer's alerts in the shape of source.h, or NULL when it is not such an answer. New reference. */
json_t *pagerduty_alerts(const json_t *answer);
/* The alerts in the text that Alertmanager's PagerDuty integration writes ("Labels:\n - alertname = X\n…"), appended.
 */
void pagerduty_alerts_from_text(json_t *alerts, const char *text, const char *id, const char *status,
                                json_t *starts_at);

#endif

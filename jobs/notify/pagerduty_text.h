/* pagerduty_text: what the note on a PagerDuty incident says. Pure. */
#ifndef JOBS_NOTIFY_PAGERDUTY_TEXT_H
#define JOBS_NOTIFY_PAGERDUTY_TEXT_H

#include "jobs/notify/notify.h"

/* The note's first line begins so, for this incident and no other. g_free. */
char *pagerduty_text_marker(const json_t *incident);
/* The whole note, at most 20,000 bytes. g_free. */
char *pagerduty_text(const struct notify_message *message);

#endif

/* The senders that source.c lists: one file each. */
#ifndef JOBS_SOURCES_SOURCES_H
#define JOBS_SOURCES_SOURCES_H

#include "jobs/source.h"

extern const struct source_kind source_pagerduty;
extern const struct source_kind source_alertmanager;

/* Always there, and never configured: its name and that of its kind. */
#define SOURCE_RUNBOOK "runbook"
extern const struct source_kind source_runbook;

/* The first line of every note that hikeshi writes on a PagerDuty incident begins so: PagerDuty echoes notes back. */
#define PAGERDUTY_NOTE_MARKER "hikeshi on "

#endif

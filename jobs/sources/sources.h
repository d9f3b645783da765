/* The senders that source.c lists: one file each. */
#ifndef JOBS_SOURCES_SOURCES_H
#define JOBS_SOURCES_SOURCES_H

#include "jobs/source.h"

extern const struct source_kind source_pagerduty;
extern const struct source_kind source_alertmanager;

/* The first line of every note that hikeshi writes on a PagerDuty incident begins so: PagerDuty echoes notes back. */
#define PAGERDUTY_NOTE_MARKER "hikeshi on "

#endif

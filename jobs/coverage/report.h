/* report: a coverage for people: text for a terminal, markdown for a step summary. Grouped by owner. */
#ifndef JOBS_COVERAGE_REPORT_H
#define JOBS_COVERAGE_REPORT_H

#include "jobs/coverage/coverage.h"

/* colour: ANSI on a terminal. g_free. Names are made safe for the place they go to. */
char *report_text(const struct coverage *coverage, bool colour);
char *report_markdown(const struct coverage *coverage);

#endif

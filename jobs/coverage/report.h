/* report: a coverage for people: text for a terminal, markdown for a step summary. Grouped by owner. */
#ifndef JOBS_COVERAGE_REPORT_H
#define JOBS_COVERAGE_REPORT_H

#include "core/finding.h"
#include "jobs/coverage/coverage.h"

/* `findings` add what is no gap: orphans, what is out of date. colour: ANSI on a terminal. g_free. Names are made safe
 * for the place they go to. */
char *report_text(const struct coverage *coverage, const struct finding_list *findings, bool colour);
/* At most LIMIT_STEP_SUMMARY_BYTES: what does not fit is cut between rows, and the last line counts it. */
char *report_markdown(const struct coverage *coverage, const struct finding_list *findings);
/* Whether the reports show a finding in a list of its own: gaps and skipped files have their places already. */
bool report_lists(const struct finding *finding);

#endif

/* links: whether the links of documents, and the runbook_url of alerts, lead anywhere inside the repository. */
#ifndef JOBS_COVERAGE_LINKS_H
#define JOBS_COVERAGE_LINKS_H

#include "jobs/coverage/coverage.h"
#include "jobs/coverage/say.h"

/* Says dead-link and dead-runbook-url. Of a coverage with changes: those of documents that the change touches, and
 * those that lead to a file that it deletes, renames or edits. Looks at the disk. */
void links_findings(const struct coverage *coverage, const struct say *say);

#endif

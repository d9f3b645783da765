/* coverage_formats: the forms that `hikeshi coverage` answers in, for --format and --report. */
#ifndef CLI_COVERAGE_FORMATS_H
#define CLI_COVERAGE_FORMATS_H

#include "core/finding.h"
#include "jobs/coverage/coverage.h"

/* Prints to stdout. `format` is one of the command's own list, or NULL for text. */
void coverage_print(const char *format, const struct coverage *coverage, const struct finding_list *findings);

/* Writes a report; `report` is "FORMAT=FILE". Colour never. ERROR_USAGE, ERROR_IO. */
bool coverage_report(const char *report, const struct coverage *coverage, const struct finding_list *findings,
                     GError **error);
/* Whether it could be written as far as can be known before: ERROR_USAGE. */
bool coverage_report_check(const char *report, GError **error);

#endif

/* summary: the first paragraph of a runbook's prose as plain text, for pages that show what a runbook is about. Pure.
 */
#ifndef JOBS_SUMMARY_H
#define JOBS_SUMMARY_H

#include <stddef.h>

/* text: markdown below the front matter, UTF-8. Headings, blocks, lists, tables and HTML are passed over; emphasis,
 * code marks and the targets of links are left out; at most SUMMARY_CHARACTERS. NULL when there is no prose. g_free. */
#define SUMMARY_CHARACTERS 400
char *summary_of(const char *text, size_t length);

#endif

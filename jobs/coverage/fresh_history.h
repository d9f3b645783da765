/* fresh_history: when the files of a coverage last changed, from the Git histories that hold them. */
#ifndef JOBS_COVERAGE_FRESH_HISTORY_H
#define JOBS_COVERAGE_FRESH_HISTORY_H

#include "jobs/coverage/coverage.h"

struct fresh_history;
/* One walk back through each repository. Files that are in none have no history. */
struct fresh_history *fresh_history_new(const struct coverage *coverage);
void fresh_history_free(struct fresh_history *history);
/* By the file's name as reported: seconds since 1970 of the commit; 0 when it is not known. */
int64_t fresh_history_seconds(const struct fresh_history *history, const char *file);
/* It has changes that are not committed. */
bool fresh_history_is_dirty(const struct fresh_history *history, const char *file);
/* Some file's last change is hidden because a clone is shallow. */
bool fresh_history_is_cut(const struct fresh_history *history);

#endif

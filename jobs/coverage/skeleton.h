/* skeleton: the document that a gap asks for: where it belongs, what it says, and writing it. */
#ifndef JOBS_COVERAGE_SKELETON_H
#define JOBS_COVERAGE_SKELETON_H

#include "jobs/coverage/coverage.h"

/* What stands in every skeleton until somebody wrote the document. */
#define SKELETON_MARK "hikeshi: skeleton"

/* Where a document for the subject belongs, relative to the repository: the first folder of runbooks, and the subject's
 * name as a file's name; whatever the name holds, the file is in that folder. g_free. */
char *skeleton_file(const struct coverage *coverage, const struct subject *subject);

/* Writes a document for every gap that `known` (may be NULL) does not have; gaps of one file share it. Nothing is ever
 * overwritten: a file that is there is left alone, and told. `told` gets each file, and NULL or why it was not written.
 * The number written. */
size_t skeleton_write(const struct coverage *coverage, const GHashTable *known,
                      void (*told)(const char *file, const char *problem));

#endif

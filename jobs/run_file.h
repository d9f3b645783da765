/* run_file: the files that steps leave behind with report.file(): kept beside the event that names them, until output
 * of that age goes. */
#ifndef JOBS_RUN_FILE_H
#define JOBS_RUN_FILE_H

#include "jobs/jobs.h"

/* Inside a store job: keeps the file of a `report` event of kind "file", which is the event n. What is not valid, or
 * too much for the run, is not kept: the report says so by having no `url`. */
bool run_file_add(struct store_tx *tx, const char *run, int64_t n, const json_t *event, GError **error);

/* API: {"id","file"} → {"name","content"}: the content is bytes. ERROR_NOT_FOUND. */
void run_file(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

#endif

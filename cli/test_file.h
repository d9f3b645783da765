/* test_file: one *.test.yaml: reads it, finds its runbook, runs its cases. Keeps the repositories it has read. */
#ifndef CLI_TEST_FILE_H
#define CLI_TEST_FILE_H

#include "core/json.h"

struct test_files;
/* only: run cases whose name holds this text; NULL = all. */
struct test_files *test_files_new(const char *only);
void test_files_free(struct test_files *files);

/* {"file","runbook":path|null,"problems":[text…],"cases":[as test_case_run()],"coverage":as test_coverage_json()|null,
 * "duration_ms"}. `problems`: why no case could run. Never NULL; new reference. */
json_t *test_files_run(struct test_files *files, const char *path);

/* Every *.test.yaml at and below the paths, sorted within each, without what is hidden or linked. Strings with g_free.
 * NULL with ERROR_USAGE when a path does not exist or is another kind of file. */
GPtrArray *test_files_find(const char *const *paths, GError **error);

#endif

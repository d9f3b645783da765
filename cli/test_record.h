/* test_record: a run that happened, written down as a case of a *.test.yaml. */
#ifndef CLI_TEST_RECORD_H
#define CLI_TEST_RECORD_H

#include "core/json.h"
#include <glib.h>
#include <stdbool.h>

struct test_record {
    const char *path;         /* of the test file; a new case goes to the end of one that exists */
    const char *runbook_path; /* of the runbook's file, absolute */
    const char *runbook_id;
    const json_t *given; /* the params as given */
    const json_t *job;   /* as it started */
    const json_t *run;   /* as it ended, product shape */
    json_t *hosts;       /* tape_hosts() */
    json_t *approvals;   /* {STEP: {"decision","hosts","shows"}} */
    int64_t started_ms;
};

/* False when the path is no place for a case: the file exists and is no file of cases, or its folder does not.
 * ERROR_USAGE. To be asked before the run. */
bool test_record_possible(const char *path, GError **error);
bool test_record_write(const struct test_record *record, GError **error);

#endif

/* test_case: runs one case of a *.test.yaml: the runbook's real executor and Lua, in virtual time, on written answers;
 * then compares what came of it with what the case expects. Reaches no network. */
#ifndef CLI_TEST_CASE_H
#define CLI_TEST_CASE_H

#include "cli/test_coverage.h"
#include "jobs/catalog.h"

struct test_case_options {
    const json_t *spec; /* of casefile_parse() */
    const struct runbook *runbook;
    const struct catalog_set *set;
    struct test_coverage *coverage; /* is told what ran */
};

/* {"name","line","result":"passed|failed","problems":[text of several lines…],"state","steps":{ID:result}}. One at a
 * time in a process: virtual time is the process's. New reference. */
json_t *test_case_run(const struct test_case_options *options);

/* test_expect.c: appends to `problems` how `run` (product shape) differs from `expect` (may be NULL: it succeeds). */
void test_expect(const json_t *expect, const json_t *run, json_t *problems);

/* Appends one text to `problems`; it may hold any bytes and lines. */
void test_problem(json_t *problems, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif

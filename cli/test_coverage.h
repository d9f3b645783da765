/* test_coverage: which steps of a runbook its cases ran, and which way its conditions went. */
#ifndef CLI_TEST_COVERAGE_H
#define CLI_TEST_COVERAGE_H

#include "core/finding.h"
#include "core/json.h"
#include "jobs/runbook.h"

/* Of one runbook. */
struct test_coverage;
struct test_coverage *test_coverage_new(const struct runbook *runbook);
void test_coverage_free(struct test_coverage *coverage);
/* run: product shape; branches: as exec_options has it. */
void test_coverage_add_case(struct test_coverage *coverage, const json_t *run, const json_t *branches);
/* {"file","steps":[{"id","line","ran"}],"branches":[{"line","column","keyword","step","seen":bits}]}. New reference. */
json_t *test_coverage_json(const struct test_coverage *coverage);

/* Several files may test one runbook: `from` is added to `to`, both of that runbook. */
void test_coverage_merge(json_t *to, const json_t *from);

/* What no case reached, as notes; sums are added up. */
struct test_coverage_sums {
    size_t steps, steps_run, branches, branches_taken; /* a condition has two branches */
};
void test_coverage_findings(const json_t *coverage, struct test_coverage_sums *sums, struct finding_list *findings);

#endif

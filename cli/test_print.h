/* test_print: results of tests as people, CI systems and machines read them. */
#ifndef CLI_TEST_PRINT_H
#define CLI_TEST_PRINT_H

#include "cli/test_coverage.h"
#include "core/json.h"

/* Sums of all files so far. */
struct test_sums {
    size_t files, cases, failed; /* failed: cases, and files that could not run */
    struct test_coverage_sums coverage;
    struct finding_list *unreached; /* to be listed: what no case came to */
};
void test_sums_add(struct test_sums *sums, const json_t *result);

/* One format: `file` comes for each file as its result comes, `end` once; either may be NULL. To stdout. */
struct test_format {
    const char *name;
    void (*file)(const json_t *result);
    void (*end)(const json_t *results, const struct test_sums *sums);
};
/* By the name that --format takes. */
const struct test_format *test_format_find(const char *name);

#endif

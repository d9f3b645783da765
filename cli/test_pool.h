/* test_pool: files of tests spread over child processes (`hikeshi test-worker`), because virtual time is a process's
 * own and a Lua that cannot be stopped must not spoil the next file. */
#ifndef CLI_TEST_POOL_H
#define CLI_TEST_POOL_H

#include "core/json.h"

struct test_pool_options {
    const GPtrArray *files; /* const char *; borrowed */
    const char *only;       /* as test_files_new() */
    guint workers;
    /* The result of each file (as test_files_run()), in the order of the files; borrowed. */
    void (*result)(void *arg, const json_t *result);
    void *arg;
};

void test_pool_run(const struct test_pool_options *options);

/* The child's side: a file's path as a JSON string in each line on stdin, a result in each line on stdout. */
int test_pool_worker(const char *only);

#endif

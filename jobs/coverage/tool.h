/* tool: runs programs to their end and keeps what they print: an argument list and no shell, a time limit, a ceiling on
 * output, several at once. The programs get no secrets and, as far as they can be told, no network. */
#ifndef JOBS_COVERAGE_TOOL_H
#define JOBS_COVERAGE_TOOL_H

#include <glib.h>
#include <stdbool.h>

struct tool_run {
    const char *const *argv; /* in: the first is looked up in PATH */
    GString *output;         /* out: what it printed; NULL when it failed */
    char *problem; /* out: NULL, or why it failed: the first line that it wrote to standard error, or what stopped it */
};

/* Runs all of them, as many at once as there are processors. */
void tools_run(struct tool_run *const *runs, size_t count);
void tool_run_clear(struct tool_run *run); /* what came out */
/* Whether a program of this name is there. */
bool tool_is_there(const char *name);

#endif

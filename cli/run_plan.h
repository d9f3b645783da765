/* run_plan: what a run would do, without doing it: steps, hosts, params. For `hikeshi run --dry-run` and as the
 * question of an approval. */
#ifndef CLI_RUN_PLAN_H
#define CLI_RUN_PLAN_H

#include "core/json.h"
#include <stdbool.h>
#include <stdio.h>

/* {"runbook","title","params","steps":[{"id","title","language","when","wait_ms","approve","hosts":[…]|null,"error","text",…}]}.
 * hosts is null for a Lua step that names none: it may touch any host of the run. Steps that are done are left out. New
 * reference. */
json_t *run_plan_new(const json_t *job);
/* False when a step's hosts cannot be resolved. */
bool run_plan_good(const json_t *plan);
/* With a headline that says what this is. */
void run_plan_print(const json_t *plan, const char *headline, FILE *out);

/* A step's source text, indented, safe to print. */
void run_plan_print_text(const char *text, FILE *out);

#endif

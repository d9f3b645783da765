/* casefile: NAME.test.yaml: cases of one runbook: what starts the run, what hosts answer, who approves, what is
 * expected. Text in, JSON and findings out. Runs nothing. Format: docs/testing.md. */
#ifndef JOBS_CASEFILE_H
#define JOBS_CASEFILE_H

#include "core/finding.h"
#include "core/json.h"
#include "jobs/runbook.h"

#define CASEFILE_SUFFIX ".test.yaml"

/* {"runbook":ID|null,"cases":[{"name","line","params","alert","incident","now_ms",
 *   "order":"strict|any","hosts":{NAME:[ANSWER…]},"secrets":{NAME:text},"approvals":{STEP:{"decision","by","inputs","hosts","shows"}},
 *   "expect":{"state","reason","verified","steps","data","notes","reports","error"}}]}
 * ANSWER is as replay.h has it. Keys that were not given are absent. NULL when there is an error finding. */
json_t *casefile_parse(const char *path, const char *text, size_t length, struct finding_list *findings);

/* Findings for names that do not exist: hosts, steps. The inventory is the wire's array; findings go to `path`. */
void casefile_check(const json_t *cases, const char *path, const struct runbook *runbook, const json_t *inventory,
                    struct finding_list *findings);

#endif

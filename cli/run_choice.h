/* run_choice: `hikeshi run --step`, `--from-step` and `--data`: a part of a runbook, as if the rest had been skipped.
 */
#ifndef CLI_RUN_CHOICE_H
#define CLI_RUN_CHOICE_H

#include "cli/cli.h"

/* Changes the job. ERROR_USAGE for a step that does not exist, or data that is no object. */
bool run_choice_apply(const struct cli_call *call, json_t *job, GError **error);

#endif

/* input_prompt: asks the person at this terminal for what a step wants its approver to fill in, one line an input. */
#ifndef CLI_INPUT_PROMPT_H
#define CLI_INPUT_PROMPT_H

#include "core/json.h"
#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

enum { INPUT_PROMPT_LINE = 4096 }; /* a terminal's line is not longer */

/* The first input of `asks` (approval_inputs.h) without a member in `values`, or NULL. Borrowed. */
const json_t *input_prompt_next(const json_t *asks, const json_t *values);
/* "new_primary (who takes over), one of db-2, db-3: ", flushed. */
void input_prompt_print(const json_t *ask, FILE *out);
/* Takes the line that was typed: an empty one means the default, or nothing. False: it does not fit, said to `out`. */
bool input_prompt_take(const json_t *ask, const char *line, const json_t *inventory, json_t *values, FILE *out);

#endif

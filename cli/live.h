/* live: a run as it goes, for people: step titles, commands, output with host prefixes, notes, reports, results.
 * Commands that run at the same time on several hosts are printed when all have ended, once for all that said the same.
 *
 * Feed it the events of docs/design/wire.md in order, as the runner emits them (`hikeshi run`) or as the server's log
 * has them
 * (`start --follow`, `runs log --follow`):
 *
 *     struct live *live = live_new(stdout);
 *     live_steps(live, json_object_get(job, "steps"));    // optional: titles
 *     live_event(live, event);                            // for each
 *     int status = live_exit_status(live);                // after the last one
 *     live_free(live);
 *
 * On a terminal: colours and headings; else plain lines, each with its step's id. Text from hosts is made safe to
 * print: whole lines only, no escape sequences but colours, and those only on a terminal. For --json print the events
 * with print_json_line(). */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H

#include "core/json.h"
#include <stdbool.h>
#include <stdio.h>

struct live;
struct live *live_new(FILE *out);
void live_free(struct live *live); /* prints what is left of unfinished lines */

/* [{"id","title"}, …]: a job's or a run's steps. Copied. */
void live_steps(struct live *live, const json_t *steps);
void live_event(struct live *live, const json_t *event);
/* There is no server: messages and incidents are shown, and said to be no more than that. */
void live_alone(struct live *live);

/* The run's state as far as the events told, "running" before the end; borrowed. */
const char *live_state(const struct live *live);
bool live_ended(const struct live *live); /* the run is in a state that it does not leave */
int live_exit_status(const struct live *live);

/* The exit status of the command line for a run's state: succeeded 0, failed 1, denied 4, waiting 5, unknown 6 … */
int run_exit_status(const char *state);
bool run_state_is_final(const char *state);

#endif

/* output: text of a command or of log() on its way into `output` events: cut into chunks between characters, held back
 * while too many events are unacknowledged, dropped with a word about it over the run's ceiling. */
#ifndef RUNNER_OUTPUT_H
#define RUNNER_OUTPUT_H

#include "runner/exec_private.h"

struct output {
    struct exec *exec;
    const char *host;   /* borrowed */
    const json_t *step; /* and its try, whose output it is: after them it is dropped */
    int64_t try_number;
    GByteArray *pending[2];
    struct journal_wait *wait;
};

void output_init(struct output *output, struct exec *exec, const char *host);
/* stream: "out" or "err". */
void output_add(struct output *output, const char *stream, const char *bytes, size_t length);
/* Emits what is left. */
void output_finish(struct output *output);
void output_clear(struct output *output);

/* Emits text at once, as stream "log". */
void output_log(struct exec *exec, const char *bytes, size_t length);

#endif

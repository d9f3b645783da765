/* command: one command on one host, for a step: its intent is stored before it is sent, its output streams into events,
 * its end is a `host` event. */
#ifndef RUNNER_COMMAND_H
#define RUNNER_COMMAND_H

#include "runner/exec_private.h"

struct command_request {
    const json_t *host; /* of the inventory, admitted by hosts_admit(); borrowed for as long as the exec lives */
    json_t *argv;       /* or NULL: script is set. Borrowed for the call, as all that follows */
    const char *script;
    size_t script_length;
    const char *shell;
    bool whole_step;    /* the script is the step's own text */
    bool exit_is_error; /* op ends with ERROR_EXIT or ERROR_SIGNAL beside the result of a command that failed */
    json_t *options;    /* timeout_ms, check, stdin, env, sudo, pty, max_output, cwd; may be NULL */
};

/* op ends with ssh_run's result or error. The `host` event says `failed` for a bad exit unless `check` is false. */
void command_start(struct exec *exec, const struct command_request *request, struct op *op);
/* Asks every command to stop, whoever waits for it. */
void command_cancel_all(struct exec *exec, int code);
/* All commands of an exec that goes away: nothing comes after. */
void command_abandon_all(struct exec *exec);

#endif

/* command: one command on one host, or one file's way there or back, for a step: its intent is stored before it is
 * sent, its output streams into events, its end is a `host` event. */
#ifndef RUNNER_COMMAND_H
#define RUNNER_COMMAND_H

#include "runner/exec_private.h"

struct command_request {
    /* Of the inventory, admitted by hosts_admit(), or exec->local_host; borrowed for as long as the exec lives. */
    const json_t *host;
    json_t *argv; /* or NULL: script is set. Borrowed for the call, as all that follows */
    const char *script;
    size_t script_length;
    const char *shell;
    bool whole_step;    /* the script is the step's own text */
    bool exit_is_error; /* op ends with ERROR_EXIT or ERROR_SIGNAL beside the result of a command that failed */
    json_t *options;    /* timeout_ms, check, stdin, env, sudo, pty, max_output, cwd; may be NULL */
    /* Or a file: options are timeout_ms, sudo, mode, sha256, verify, max_bytes. */
    enum { COMMAND_RUNS, COMMAND_UPLOADS, COMMAND_DOWNLOADS, COMMAND_LOCAL } does;
    const char *path;
    json_t *content; /* string of any bytes, of an upload; referenced */
};

/* op ends with the result or error of ssh_run, ssh_upload or ssh_download. The `host` event says `failed` for a bad
 * exit unless `check` is false. */
void command_start(struct exec *exec, const struct command_request *request, struct op *op);
/* Asks every command to stop, whoever waits for it. */
void command_cancel_all(struct exec *exec, int code);
/* All commands of an exec that goes away: nothing comes after. */
void command_abandon_all(struct exec *exec);

#endif

/* run_local: executes a job in this process, without a server: prints it live, asks the person at the terminal for
 * approvals, waits for `wait:`, and stops on Ctrl-C. */
#ifndef CLI_RUN_LOCAL_H
#define CLI_RUN_LOCAL_H

#include "cli/test_record.h"
#include "core/json.h"
#include "runner/ssh/ssh.h"

struct run_local_options {
    json_t *job; /* borrowed */
    const struct ssh_settings *ssh;
    bool exec;                  /* steps may run programs on this machine */
    const struct reach *reach;  /* what steps may reach with http; borrowed */
    const GPtrArray *approve;   /* ids of steps approved on the command line; may be NULL */
    const json_t *inputs;       /* what approved steps ask for, as far as it was given; may be NULL */
    const json_t *inventory;    /* inputs of type host are looked up here; may be NULL */
    bool read_only;             /* --plan: stops before the first step that changes something, and prints the rest */
    const char *files;          /* folder for the files of reports, or NULL */
    bool json;                  /* print the run as one object at the end instead of live */
    struct test_record *record; /* or NULL; path, runbook and params filled: the run is written there as a case */
};

/* Returns the exit status: 0 done, 1 failed, 4 denied, 5 waits for an approval that nobody is here to give, 6 unknown.
 */
int run_local(const struct run_local_options *options);

#endif

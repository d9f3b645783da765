/* run_record: what the events of a local run add up to: the `run` object that machines read, and the job of the next
 * attempt when the run waited. What the server's store does for its runs, without a store. */
#ifndef CLI_RUN_RECORD_H
#define CLI_RUN_RECORD_H

#include "core/json.h"

struct run_record;

/* job: as job_build() made it; copied. */
struct run_record *run_record_new(const json_t *job);
void run_record_free(struct run_record *record);
/* For tests of runbooks: reports of files have their `content`, as text, which the API's have not. */
void run_record_keep_contents(struct run_record *record);

void run_record_event(struct run_record *record, const json_t *event);

/* The last event of an attempt that says that the run waits: "approval", "delay" or "plan", borrowed; NULL: it has
 * ended. */
const json_t *run_record_waiting(const struct run_record *record);
/* Goes on after waiting: the delay is over; or the request was decided. */
void run_record_waited(struct run_record *record);
struct run_decision {
    const char *result; /* "approved", or how the step ends: "denied", "expired" */
    const char *by, *via;
    json_t *inputs; /* or NULL; borrowed */
};
void run_record_decide(struct run_record *record, const struct run_decision *decision);
/* The job of the next attempt. New reference. */
json_t *run_record_next_job(struct run_record *record);

/* What the job has become: the data so far, and which steps are done. Borrowed. */
const json_t *run_record_job(const struct run_record *record);

/* The run as the API would show it. Borrowed. */
const json_t *run_record_run(const struct run_record *record);

#endif

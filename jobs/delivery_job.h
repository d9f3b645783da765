/* delivery_job: what is done with one delivery inside store jobs: apply, match, start, end. Knows no loop and no HTTP.
 */
#ifndef JOBS_DELIVERY_JOB_H
#define JOBS_DELIVERY_JOB_H

#include "jobs/delivery_match.h"
#include "jobs/labels.h"
#include "jobs/source.h"
#include "jobs/store/store.h"

/* One delivery in work. The first part is filled before the store jobs, the second by them (and reset at each try). */
struct delivery_job {
    int64_t seq, received_ms, tries;
    const struct source *source; /* NULL: no longer configured */
    struct source_reading reading;
    char *dead;    /* why the body cannot be used, or NULL */
    char *lacking; /* why something could not be fetched, or NULL */
    const struct label_rules *rules;
    struct catalog_set *set;
    int64_t retry_ms; /* how much later to try once more for what is lacking */

    json_t *change, *incident;
    struct match_plan *plan;      /* NULL after apply: matching is too much work for the store's thread */
    guint next_start, next_chunk; /* the caller moves next_start to next_chunk after the commit: a job may run twice */
    json_t *stopped;              /* ids of runs that are to stop */
    bool started;                 /* runs were inserted */
    bool ended;                   /* nothing is left to do */
    int64_t due_ms;               /* the delivery comes again then; 0 = it does not */
};
void delivery_job_clear(struct delivery_job *job);

/* Any thread: parses the body into `reading`, or `dead`. */
void delivery_job_read(struct delivery_job *job, const char *body, size_t length);
/* Inside a store job: applies the update; when matching is little work also matches, starts and ends. */
bool delivery_job_apply(struct store_tx *tx, struct delivery_job *job, GError **error);
/* Any thread: makes `plan`. */
void delivery_job_match(struct delivery_job *job);
/* Inside a store job: starts some of the plan's runs; with the last ones it ends the delivery. */
bool delivery_job_start(struct store_tx *tx, struct delivery_job *job, GError **error);

#endif

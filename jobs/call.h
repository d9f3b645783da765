/* call: one jobs_fn under way: the request, who asked, the store job that answers it, and what to do after the commit.
 *
 * Loop thread, except `job`, which runs on a store thread, perhaps more than once: it reads the request and fills
 * `result`, `set` stays the catalog of the moment the request came. */
#ifndef JOBS_CALL_H
#define JOBS_CALL_H

#include "jobs/catalog.h"
#include "jobs/jobs.h"

struct call;
typedef bool (*call_job_fn)(struct store_tx *tx, struct call *call, GError **error);
/* After the job, on the loop, before the answer is given. Not called on failure. */
typedef void (*call_after_fn)(struct call *call);

struct call {
    struct jobs *jobs;
    json_t *request;
    struct actor actor;      /* own copies */
    struct catalog_set *set; /* NULL when there is no catalog (tests) */
    json_t *result;          /* what done gets; reset before each try of the job */
    json_t *stopped; /* runs that the job stopped: run_stopped_all() in `after`; NULL, or reset as `result` is */
    GError *refusal; /* set by a job that wrote something and yet says no: committed, then done gets this error */
    call_job_fn job;
    call_after_fn after; /* may be NULL */
    op_done_fn done;
    void *arg;
};

void call_read(struct jobs *jobs, json_t *request, const struct actor *actor, call_job_fn job, op_done_fn done,
               void *arg);
void call_write(struct jobs *jobs, json_t *request, const struct actor *actor, call_job_fn job, call_after_fn after,
                op_done_fn done, void *arg);

/* The value of request[key] or request.body[key]; NULL when absent or not a string. */
const char *call_string(const json_t *request, const char *key);
/* The same, but one of a NULL-terminated list: false and ERROR_INVALID with the list. *ret is NULL when absent. */
bool call_choice(const json_t *request, const char *key, const char *const *names, const char **ret, GError **error);
/* The same, but it must be there: ERROR_INVALID "'key' is missing". */
const char *call_need_string(const json_t *request, const char *key, GError **error);
/* request[key] or request.body[key] as a whole number from 0 to maximum (query parameters are text); `fallback` when
 * absent or not one. */
int64_t call_integer(const json_t *request, const char *key, int64_t fallback, int64_t maximum);

/* Listings. ?limit= is the page (default 100, 1 to 500), ?after= the `next` of the page before. */
int64_t call_limit(const json_t *request);
/* {"items": items, "next": next}; takes both; next may be NULL. */
json_t *call_page(json_t *items, json_t *next);
/* The same of items that may be one more than `limit`: that one is dropped, and `next` is then the last one's [key].
 * Takes items. */
json_t *call_page_cut(json_t *items, int64_t limit, const char *key);
/* One row of the store as it is shown, with its "id". NULL with the error. */
typedef json_t *(*call_shape_fn)(struct store_tx *tx, const struct call *call, const json_t *row, GError **error);
/* The page of these rows becomes the result: the job asked the store for call_limit() + 1 of them. */
bool call_list(struct store_tx *tx, struct call *call, const json_t *rows, call_shape_fn shape, GError **error);

#endif

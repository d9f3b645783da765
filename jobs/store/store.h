/* store: the database. Refuses to know what the rows mean: transactions over prepared statements, on threads of its own.
 *
 * Writes: a store_job is a C function that runs on the store thread inside a savepoint of a group transaction: the store
 * takes all waiting jobs, runs them, commits once, then posts each job's done to the loop. `done` with no error means
 * committed and on disk (synchronous=FULL). When a transaction is lost (disk full, interrupt), its jobs are retried singly.
 * A job may therefore run more than once: it only touches the database and its own arg, resetting what it filled.
 * Reads: run on a read thread with a connection of its own and a time limit, never delaying writes.
 * SQL lives only in jobs/store/ (sql_*.def): statements are named, prepared at start, and never built from strings. */
#ifndef JOBS_STORE_STORE_H
#define JOBS_STORE_STORE_H

#include "core/json.h"
#include "core/loop.h"
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct store;
struct store_tx; /* one job's view of the database; valid during the job, on its thread */

/* Every statement of sql_*.def: X(NAME, "SQL with ?1, ?2 …"). */
enum store_sql {
#define X(NAME, SQL) SQL_##NAME,
#include "jobs/store/sql_all.def"
#undef X
    SQL_COUNT
};

/* Opens DATA/hikeshi.db (created 0600, WAL), applies migrations, prepares every statement: a typo fails here. One process
 * serves a folder: a second one gets ERROR_CONFLICT. `loop` NULL is for the command line beside a server: no threads, no lock,
 * only store_sync(); the schema is then only changed when nobody serves. */
struct store *store_open(struct loop *loop, const char *data_folder, GError **error);
/* Finishes queued writes, then closes. Done callbacks still pending are run before it returns; what they queue is refused
 * with ERROR_UNAVAILABLE. Loop thread. */
void store_close(struct store *store);

typedef bool (*store_job_fn)(struct store_tx *tx, void *arg, GError **error);
typedef void (*store_done_fn)(void *arg, const GError *error);

/* STORE_INTAKE goes first and runs exactly one statement that changes one row: it gets no savepoint. STORE_BACKGROUND rests while
 * intake waits in line. */
enum store_priority { STORE_INTAKE, STORE_NORMAL, STORE_BACKGROUND };
/* Queues a write. Loop thread. `done` (may be NULL) comes exactly once, later, on the loop. When more than 10,000 jobs wait,
 * it comes with ERROR_BUSY. A job that fails is rolled back alone; done then gets the job's error. */
void store_write(struct store *store, enum store_priority priority, store_job_fn job, store_done_fn done, void *arg);
/* Queues a read. Loop thread. Ended with ERROR_TIMEOUT after 5 s. */
void store_read(struct store *store, store_job_fn job, store_done_fn done, void *arg);
/* Runs a write or read on the calling thread and waits: start-up and command line only, never on a running loop. */
bool store_sync(struct store *store, store_job_fn job, void *arg, GError **error);

/* Binding: `types` has one letter a parameter: s text (NULL = SQL NULL), i int64, d double, b bool,
 * j json_t* (stored as canonical text, NULL = SQL NULL), v json_t* scalar (stored as what it is; NULL and null = SQL NULL), B (const void*, size_t) blob, n NULL (takes no argument).
 * Integer literals need a cast: (int64_t)0. Texts are not copied: they live until the call returns.
 * Errors: ERROR_CONFLICT for a broken constraint, ERROR_TIMEOUT for an interrupted read, else ERROR_STORE. */
/* Runs a statement that returns no row; *ret_changes may be NULL. */
bool store_exec(struct store_tx *tx, enum store_sql sql, int64_t *ret_changes, GError **error, const char *types, ...);
/* Runs a query: fn for each row until it returns false. */
struct store_row;
bool store_query(struct store_tx *tx, enum store_sql sql, bool (*fn)(struct store_row *row, void *arg), void *arg, GError **error,
                 const char *types, ...);
/* The first row as a JSON object keyed by the full column name (the values of columns named *_json are parsed, those of
 * *_bool become booleans, SQL NULL becomes null; blobs are text with U+FFFD). *ret_row is NULL when there is no row. Caller owns. */
bool store_get(struct store_tx *tx, enum store_sql sql, json_t **ret_row, GError **error, const char *types, ...);
/* All rows as a JSON array of such objects. */
bool store_list(struct store_tx *tx, enum store_sql sql, json_t **ret_rows, GError **error, const char *types, ...);

int64_t store_row_int(const struct store_row *row, int column);
const char *store_row_text(const struct store_row *row, int column); /* NULL for SQL NULL; valid until the next row */
const void *store_row_blob(const struct store_row *row, int column, size_t *ret_length);
json_t *store_row_object(const struct store_row *row); /* new reference */
int64_t store_last_rowid(const struct store_tx *tx);

/* For /metrics: writes committed, transactions, jobs waiting, retries. */
json_t *store_stats(struct store *store);

#endif

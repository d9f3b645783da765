/* connection: one SQLite connection with its prepared statements. Private to jobs/store/.
 *
 * A connection is used by one thread at a time. It is also the `struct store_tx` that jobs see. */
#ifndef JOBS_STORE_CONNECTION_H
#define JOBS_STORE_CONNECTION_H

#include "jobs/store/store.h"
#include <sqlite3.h>

/* The statements around jobs, prepared too: they run for each of them. */
enum control { CONTROL_BEGIN, CONTROL_SAVEPOINT, CONTROL_ROLLBACK_TO, CONTROL_RELEASE, CONTROL_COMMIT, CONTROL_COUNT };

struct store_tx {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT + 1]; /* prepared at start by the writer, on first use by readers */
    sqlite3_stmt *controls[CONTROL_COUNT];   /* prepared on first use */
    bool lost;                               /* the transaction is gone: refuse every further statement of this job */
    gint64 deadline_us;                      /* g_get_monotonic_time() at which a read is interrupted; 0 = none */
};

struct store_row {
    sqlite3_stmt *statement;
};

/* What a connection is for decides its pragmas. WRITE creates the file (0600) when it is not there. */
enum connection_mode { CONNECTION_WRITE, CONNECTION_READ };

struct store_tx *connection_open(const char *path, enum connection_mode mode, GError **error);
void connection_close(struct store_tx *tx); /* NULL accepted */

/* Brings the schema up to date in one transaction. `may_change` false: only checks that it is (another process serves
 * it). */
bool connection_migrate(struct store_tx *tx, bool may_change, GError **error);
/* Prepares every statement of sql_*.def, so that a typo fails at start. */
bool connection_prepare_all(struct store_tx *tx, GError **error);
sqlite3_stmt *connection_statement(struct store_tx *tx, enum store_sql sql, GError **error);
const char *connection_statement_name(enum store_sql sql);

bool connection_control(struct store_tx *tx, enum control control, GError **error);
/* Runs constant SQL without parameters: pragmas. */
bool connection_run(struct store_tx *tx, const char *sql, GError **error);
/* True while a transaction is open. After any error the only truth about whether it still is (a full disk ends it). */
bool connection_in_transaction(const struct store_tx *tx);
/* Ends a transaction without keeping it, whatever state it is in. */
void connection_rollback(struct store_tx *tx);

/* Sets `error` from the connection's last failure: "cannot WHAT 'SUBJECT': reason". */
void connection_set_error(struct store_tx *tx, int code, const char *what, const char *subject, GError **error);

#endif

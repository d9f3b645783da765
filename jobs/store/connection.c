/* connection: opens a database file, its pragmas, its migrations, its statements. Refuses to know threads and jobs. */
#include "jobs/store/connection.h"
#include "core/errors.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct statement_text {
    const char *name, *sql;
};
static const struct statement_text statement_texts[] = {
#define X(NAME, SQL) {#NAME, SQL},
#include "jobs/store/sql_all.def"
#undef X
    {NULL, NULL}, /* so that the table is never empty */
};

struct migration {
    int version;
    const char *sql;
};
/* The version is written by the same text, so that schema and number change together. */
static const struct migration migrations[] = {
#define X(VERSION, SQL) {VERSION, SQL "PRAGMA user_version=" #VERSION ";"},
#include "jobs/store/migrations.def"
#undef X
};

/* How long a statement waits for another process's transaction (`hikeshi token create` beside a server). */
#define BUSY_TIMEOUT_MS 5000
/* A read is interrupted within this many virtual machine steps of its deadline. */
#define PROGRESS_STEPS 2000

static int error_code_of(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_CONSTRAINT:
        return ERROR_CONFLICT;
    case SQLITE_INTERRUPT:
        return ERROR_TIMEOUT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERROR_BUSY;
    default:
        return ERROR_STORE;
    }
}

void connection_set_error(struct store_tx *tx, int code, const char *what, const char *subject, GError **error)
{
    const char *reason =
        tx->db && sqlite3_extended_errcode(tx->db) == code ? sqlite3_errmsg(tx->db) : sqlite3_errstr(code);
    errors_set(error, error_code_of(code), "cannot %s '%s': %s", what, subject, reason);
}

static int on_progress(void *arg)
{
    const struct store_tx *tx = arg;
    return tx->deadline_us && g_get_monotonic_time() > tx->deadline_us;
}

/* SQLite would create the file with the umask's mode; the journal files take the mode of the database. */
static bool create_private(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fchmod(fd, 0600) != 0) {
        errors_set(error, ERROR_STORE, "cannot open '%s': %s", path, g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    close(fd);
    return true;
}

bool connection_run(struct store_tx *tx, const char *sql, GError **error)
{
    int code = sqlite3_exec(tx->db, sql, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return true;
    connection_set_error(tx, code, "run", sql, error);
    return false;
}

bool connection_control(struct store_tx *tx, enum control control, GError **error)
{
    static const char *const texts[CONTROL_COUNT] = {
        [CONTROL_BEGIN] = "BEGIN IMMEDIATE",
        [CONTROL_SAVEPOINT] = "SAVEPOINT job",
        [CONTROL_ROLLBACK_TO] = "ROLLBACK TO job",
        [CONTROL_RELEASE] = "RELEASE job",
        [CONTROL_COMMIT] = "COMMIT",
    };
    sqlite3_stmt **statement = &tx->controls[control];
    int code = SQLITE_OK;
    if (!*statement)
        code = sqlite3_prepare_v3(tx->db, texts[control], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(*statement);
    if (code != SQLITE_DONE)
        connection_set_error(tx, code, "run", texts[control], error);
    sqlite3_reset(*statement);
    return code == SQLITE_DONE;
}

bool connection_in_transaction(const struct store_tx *tx)
{
    return !sqlite3_get_autocommit(tx->db);
}

void connection_rollback(struct store_tx *tx)
{
    if (connection_in_transaction(tx))
        sqlite3_exec(tx->db, "ROLLBACK", NULL, NULL, NULL);
}

/* synchronous=FULL: a commit is on disk before its done. The caches are small on purpose: the system's page cache is
 * the big one. journal_size_limit gives a log that once grew back to the disk. */
static const char *const write_pragmas[] = {
    "PRAGMA page_size=8192",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA cache_size=-2000",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA temp_store=MEMORY",
    NULL,
};
static const char *const read_pragmas[] = {
    "PRAGMA cache_size=-1000",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA temp_store=MEMORY",
    NULL,
};

/* Statistics of SQLite's own allocator take a process-wide lock for each allocation, and nobody reads them. */
static void configure_library(void)
{
    static gsize done;
    if (g_once_init_enter(&done)) {
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        g_once_init_leave(&done, 1);
    }
}

struct store_tx *connection_open(const char *path, enum connection_mode mode, GError **error)
{
    configure_library();
    if (mode == CONNECTION_WRITE && !create_private(path, error))
        return NULL;
    struct store_tx *tx = g_new0(struct store_tx, 1);
    int flags = mode == CONNECTION_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    int code = sqlite3_open_v2(path, &tx->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        connection_set_error(tx, code, "open", path, error);
        goto fail;
    }
    sqlite3_busy_timeout(tx->db, BUSY_TIMEOUT_MS);
    sqlite3_extended_result_codes(tx->db, 1);
    for (const char *const *pragma = mode == CONNECTION_WRITE ? write_pragmas : read_pragmas; *pragma; pragma++)
        if (!connection_run(tx, *pragma, error))
            goto fail;
    if (mode == CONNECTION_READ)
        sqlite3_progress_handler(tx->db, PROGRESS_STEPS, on_progress, tx);
    return tx;
fail:
    connection_close(tx);
    return NULL;
}

void connection_close(struct store_tx *tx)
{
    if (!tx)
        return;
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(tx->statements[i]);
    for (size_t i = 0; i < CONTROL_COUNT; i++)
        sqlite3_finalize(tx->controls[i]);
    sqlite3_close(tx->db);
    g_free(tx);
}

static bool schema_version(struct store_tx *tx, int *ret_version, GError **error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(tx->db, "PRAGMA user_version", -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        *ret_version = sqlite3_column_int(statement, 0);
    else
        connection_set_error(tx, code, "read", "user_version", error);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW;
}

static bool apply_migrations(struct store_tx *tx, int from, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(migrations); i++) {
        if (migrations[i].version <= from)
            continue;
        int code = sqlite3_exec(tx->db, migrations[i].sql, NULL, NULL, NULL);
        if (code != SQLITE_OK) {
            g_autofree char *name = g_strdup_printf("%d", migrations[i].version);
            connection_set_error(tx, code, "apply migration", name, error);
            return false;
        }
    }
    return true;
}

bool connection_migrate(struct store_tx *tx, bool may_change, GError **error)
{
    const int newest = migrations[G_N_ELEMENTS(migrations) - 1].version;
    int version = 0;
    /* IMMEDIATE: two processes that start together must not both find the old version. */
    if (!connection_run(tx, may_change ? "BEGIN IMMEDIATE" : "BEGIN", error))
        return false;
    bool ok = schema_version(tx, &version, error);
    if (ok && version > newest) {
        errors_set(error, ERROR_STORE, "cannot use the database: its version %d is newer than this program's %d",
                   version, newest);
        ok = false;
    } else if (ok && version < newest && !may_change) {
        errors_set(error, ERROR_STORE,
                   "cannot use the database: its version is %d, this program needs %d (is an older server running?)",
                   version, newest);
        ok = false;
    } else if (ok && version < newest) {
        ok = apply_migrations(tx, version, error);
    }
    if (ok && connection_run(tx, "COMMIT", error))
        return true;
    connection_rollback(tx);
    return false;
}

const char *connection_statement_name(enum store_sql sql)
{
    return statement_texts[sql].name;
}

sqlite3_stmt *connection_statement(struct store_tx *tx, enum store_sql sql, GError **error)
{
    if (tx->statements[sql])
        return tx->statements[sql];
    const struct statement_text *text = &statement_texts[sql];
    int code = sqlite3_prepare_v3(tx->db, text->sql, -1, SQLITE_PREPARE_PERSISTENT, &tx->statements[sql], NULL);
    if (code != SQLITE_OK)
        connection_set_error(tx, code, "prepare statement", text->name, error);
    return tx->statements[sql];
}

bool connection_prepare_all(struct store_tx *tx, GError **error)
{
    for (size_t i = 0; statement_texts[i].name; i++)
        if (!connection_statement(tx, (enum store_sql)i, error))
            return false;
    return true;
}

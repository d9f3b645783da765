/* statement: what jobs call: bind, run, read rows, rows as JSON. Refuses to know what the rows mean. */
#include "core/errors.h"
#include "jobs/store/connection.h"
#include <string.h>

/* A scalar as what it is: rows that came as JSON go back without conversions. */
static int bind_scalar(sqlite3_stmt *statement, int index, const json_t *value)
{
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        return sqlite3_bind_text(statement, index, json_string_value(value), (int)json_string_length(value),
                                 SQLITE_STATIC);
    case JSON_INTEGER:
        return sqlite3_bind_int64(statement, index, json_integer_value(value));
    case JSON_REAL:
        return sqlite3_bind_double(statement, index, json_real_value(value));
    case JSON_TRUE:
    case JSON_FALSE:
        return sqlite3_bind_int(statement, index, json_is_true(value));
    case JSON_NULL:
        return sqlite3_bind_null(statement, index);
    default:
        return SQLITE_MISUSE;
    }
}

/* Binds one parameter of a type letter; takes its arguments from the list. */
static int bind_one(sqlite3_stmt *statement, int index, char type, va_list *arguments)
{
    switch (type) {
    case 's': {
        const char *text = va_arg(*arguments, const char *);
        return sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC); /* NULL binds SQL NULL */
    }
    case 'i':
        return sqlite3_bind_int64(statement, index, va_arg(*arguments, int64_t));
    case 'd':
        return sqlite3_bind_double(statement, index, va_arg(*arguments, double));
    case 'b':
        return sqlite3_bind_int(statement, index, va_arg(*arguments, int) != 0);
    case 'j': {
        const json_t *value = va_arg(*arguments, const json_t *);
        return value ? sqlite3_bind_text(statement, index, json_text(value), -1, g_free)
                     : sqlite3_bind_null(statement, index);
    }
    case 'v':
        return bind_scalar(statement, index, va_arg(*arguments, const json_t *));
    case 'B': {
        const void *bytes = va_arg(*arguments, const void *);
        size_t length = va_arg(*arguments, size_t);
        return sqlite3_bind_blob64(statement, index, bytes ? bytes : "", length, SQLITE_STATIC);
    }
    case 'n':
        return sqlite3_bind_null(statement, index);
    default:
        return SQLITE_MISUSE;
    }
}

/* The statement with its parameters bound, or NULL. The caller ends it with finish(). */
static sqlite3_stmt *bind_all(struct store_tx *tx, enum store_sql sql, const char *types, va_list *arguments,
                              GError **error)
{
    const char *name = connection_statement_name(sql);
    if (tx->lost) { /* without a transaction each statement would commit by itself */
        errors_set(error, ERROR_STORE, "cannot run '%s': the transaction was lost", name);
        return NULL;
    }
    sqlite3_stmt *statement = connection_statement(tx, sql, error);
    if (!statement)
        return NULL;
    if (sqlite3_stmt_busy(statement)) {
        errors_set(error, ERROR_INTERNAL, "statement '%s' is used inside its own rows", name);
        return NULL;
    }
    size_t given = types ? strlen(types) : 0;
    if (given != (size_t)sqlite3_bind_parameter_count(statement)) {
        errors_set(error, ERROR_INTERNAL, "statement '%s' takes %d parameters, got %zu", name,
                   sqlite3_bind_parameter_count(statement), given);
        return NULL;
    }
    for (size_t i = 0; i < given; i++) {
        int code = bind_one(statement, (int)i + 1, types[i], arguments);
        if (code != SQLITE_OK) {
            connection_set_error(tx, code, "bind a parameter of", name, error);
            sqlite3_clear_bindings(statement);
            return NULL;
        }
    }
    return statement;
}

/* Leaves the statement ready for its next use. `code` is what the last step said. */
static bool finish(struct store_tx *tx, enum store_sql sql, sqlite3_stmt *statement, int code, GError **error)
{
    bool ok = code == SQLITE_DONE || code == SQLITE_ROW;
    if (!ok)
        connection_set_error(tx, code, "run", connection_statement_name(sql), error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (!ok && !connection_in_transaction(tx))
        tx->lost = true; /* a full disk or an interrupt rolls back everything, not just this statement */
    return ok;
}

bool store_exec(struct store_tx *tx, enum store_sql sql, int64_t *ret_changes, GError **error, const char *types, ...)
{
    va_list arguments;
    va_start(arguments, types);
    sqlite3_stmt *statement = bind_all(tx, sql, types, &arguments, error);
    va_end(arguments);
    if (!statement)
        return false;
    int code = sqlite3_step(statement);
    if (!finish(tx, sql, statement, code, error))
        return false;
    if (ret_changes)
        *ret_changes = sqlite3_stmt_readonly(statement) ? 0 : sqlite3_changes64(tx->db);
    return true;
}

static bool query_va(struct store_tx *tx, enum store_sql sql, bool (*fn)(struct store_row *row, void *arg), void *arg,
                     GError **error, const char *types, va_list *arguments)
{
    sqlite3_stmt *statement = bind_all(tx, sql, types, arguments, error);
    if (!statement)
        return false;
    struct store_row row = {.statement = statement};
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        if (!fn(&row, arg))
            break;
    return finish(tx, sql, statement, code, error);
}

bool store_query(struct store_tx *tx, enum store_sql sql, bool (*fn)(struct store_row *row, void *arg), void *arg,
                 GError **error, const char *types, ...)
{
    va_list arguments;
    va_start(arguments, types);
    bool ok = query_va(tx, sql, fn, arg, error, types, &arguments);
    va_end(arguments);
    return ok;
}

static bool take_first(struct store_row *row, void *arg)
{
    *(json_t **)arg = store_row_object(row);
    return false;
}

bool store_get(struct store_tx *tx, enum store_sql sql, json_t **ret_row, GError **error, const char *types, ...)
{
    json_t *row = NULL;
    va_list arguments;
    va_start(arguments, types);
    bool ok = query_va(tx, sql, take_first, &row, error, types, &arguments);
    va_end(arguments);
    if (ok)
        *ret_row = row;
    else
        json_decref(row);
    return ok;
}

static bool take_each(struct store_row *row, void *arg)
{
    json_array_append_new(arg, store_row_object(row));
    return true;
}

bool store_list(struct store_tx *tx, enum store_sql sql, json_t **ret_rows, GError **error, const char *types, ...)
{
    json_t *rows = json_array();
    va_list arguments;
    va_start(arguments, types);
    bool ok = query_va(tx, sql, take_each, rows, error, types, &arguments);
    va_end(arguments);
    if (ok)
        *ret_rows = rows;
    else
        json_decref(rows);
    return ok;
}

int64_t store_row_int(const struct store_row *row, int column)
{
    return sqlite3_column_int64(row->statement, column);
}

const char *store_row_text(const struct store_row *row, int column)
{
    return (const char *)sqlite3_column_text(row->statement, column);
}

const void *store_row_blob(const struct store_row *row, int column, size_t *ret_length)
{
    const void *bytes = sqlite3_column_blob(row->statement, column);
    *ret_length = (size_t)sqlite3_column_bytes(row->statement, column);
    return bytes ? bytes : "";
}

/* Stored JSON is our own canonical text; should it not parse, its text is better than nothing. */
static json_t *text_value(const char *name, const char *text, size_t length)
{
    if (g_str_has_suffix(name, "_json")) {
        json_t *value = json_parse(text, length, name, NULL);
        if (value)
            return value;
    }
    return json_text_value(text, length);
}

static json_t *column_value(sqlite3_stmt *statement, int column, const char *name)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        return g_str_has_suffix(name, "_bool") ? json_boolean(sqlite3_column_int64(statement, column) != 0)
                                               : json_integer(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
        return json_real(sqlite3_column_double(statement, column));
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(statement, column);
        return text_value(name, text, (size_t)sqlite3_column_bytes(statement, column));
    }
    case SQLITE_BLOB: {
        const char *bytes = sqlite3_column_blob(statement, column);
        return json_text_value(bytes ? bytes : "", (size_t)sqlite3_column_bytes(statement, column));
    }
    default:
        return json_null();
    }
}

json_t *store_row_object(const struct store_row *row)
{
    json_t *object = json_object();
    int count = sqlite3_column_count(row->statement);
    for (int i = 0; i < count; i++) {
        const char *name = sqlite3_column_name(row->statement, i);
        json_object_set_new_nocheck(object, name, column_value(row->statement, i, name));
    }
    return object;
}

int64_t store_last_rowid(const struct store_tx *tx)
{
    return sqlite3_last_insert_rowid(tx->db);
}

/* bind_report: tables, metrics, texts and files that a step leaves behind for people. */
#include "core/filename.h"
#include "core/limits.h"
#include "lua/bind.h"
#include "lua/call.h"
#include "lua/options.h"
#include "lua/raise.h"
#include "lua/value.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

/* @class ReportOptions
 * @field private? boolean `true`: the report stays off channels */

static const struct option options[] = {{.name = "private", .kind = OPTION_BOOL}, {.name = NULL}};

/* Pushes a box with {"kind", "title", "private"}. */
static json_t *push_report(lua_State *L, const char *kind, const char *function, int options_index)
{
    size_t length;
    if (lua_type(L, 1) != LUA_TSTRING)
        raise_misuse(L, "%s needs a title as its first argument", function);
    const char *title = lua_tolstring(L, 1, &length);
    json_t **box = value_box(L);
    *box = json_object();
    json_object_set_new(*box, "kind", json_string(kind));
    json_object_set_new(*box, "title", json_text_value(title, length));
    json_object_set_new(*box, "private", json_false());
    options_read(L, options_index, options, function, *box);
    return *box;
}

static int send_report(lua_State *L, int box)
{
    json_t **slot = lua_touserdata(L, box);
    return call_service(L, "report", g_steal_pointer(slot), 0, call_finish);
}

/* report.metric(name, value [, unit [, opts]])
 * Keeps a number.
 * @param name string
 * @param value number
 * @param unit? string
 * @param opts? ReportOptions
 * @raise misuse
 * @example
 *     report.metric("disk used", 91, "%") */
static int metric(lua_State *L)
{
    lua_settop(L, 4);
    if (lua_type(L, 2) != LUA_TNUMBER || !isfinite(lua_tonumber(L, 2)))
        raise_misuse(L, "report.metric needs a number as its second argument, not %s", luaL_typename(L, 2));
    if (!lua_isnil(L, 3) && lua_type(L, 3) != LUA_TSTRING)
        raise_misuse(L, "report.metric needs a text such as \"%%\" as its unit");
    json_t *report = push_report(L, "metric", "report.metric", 4);
    json_object_set_new(report, "value",
                        lua_isinteger(L, 2) ? json_integer(lua_tointeger(L, 2)) : json_real(lua_tonumber(L, 2)));
    size_t length = 0;
    const char *unit = lua_tolstring(L, 3, &length);
    json_object_set_new(report, "unit", unit ? json_text_value(unit, length) : json_null());
    return send_report(L, 5);
}

/* A cell of a table: text, number, boolean, or nothing. */
static json_t *cell(lua_State *L, int index)
{
    size_t length;
    switch (lua_type(L, index)) {
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, index, &length);
        return json_text_value(text, length);
    }
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            return json_integer(lua_tointeger(L, index));
        return isfinite(lua_tonumber(L, index)) ? json_real(lua_tonumber(L, index)) : json_null();
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(L, index));
    default:
        return lua_isnil(L, index) || value_is_null(L, index) ? json_null() : NULL;
    }
}

static void read_columns(lua_State *L, int index, json_t *columns)
{
    lua_Unsigned count = lua_type(L, index) == LUA_TTABLE ? lua_rawlen(L, index) : 0;
    if (count == 0 || count > 100)
        raise_misuse(L, "report.table needs a list of 1 to 100 column names as its second argument");
    for (lua_Unsigned i = 1; i <= count; i++) {
        if (lua_rawgeti(L, index, (lua_Integer)i) != LUA_TSTRING)
            raise_misuse(L, "column %d of report.table is not text", (int)i);
        json_array_append_new(columns, cell(L, -1));
        lua_pop(L, 1);
    }
}

/* The row at the top of the stack: a list in the columns' order, or a table by their names. */
static void read_row(lua_State *L, const json_t *columns, int number, json_t *rows)
{
    if (lua_type(L, -1) != LUA_TTABLE)
        raise_misuse(L, "row %d of report.table is not a table", number);
    json_t *row = json_array();
    json_array_append_new(rows, row);
    bool named = lua_rawlen(L, -1) == 0;
    size_t i;
    json_t *column;
    json_array_foreach (columns, i, column) {
        if (named) {
            lua_pushstring(L, json_string_value(column));
            lua_rawget(L, -2);
        } else {
            lua_rawgeti(L, -1, (lua_Integer)i + 1);
        }
        json_t *value = cell(L, -1);
        if (!value)
            raise_misuse(L, "row %d of report.table: column '%s' is a %s; text, a number or a boolean is needed",
                         number, json_string_value(column), luaL_typename(L, -1));
        json_array_append_new(row, value);
        lua_pop(L, 1);
    }
}

/* report.table(title, columns, rows [, opts])
 * Keeps a table. `columns` is a list of names; a row is a list in their order, or a table by their names.
 * @param title string
 * @param columns string[]
 * @param rows table[]
 * @param opts? ReportOptions
 * @raise misuse
 * @example
 *     report.table("largest folders", {"folder", "MB"}, {{"/var/log", 812}, {folder = "/tmp", MB = 90}}) */
static int table(lua_State *L)
{
    lua_settop(L, 4);
    json_t *report = push_report(L, "table", "report.table", 4);
    json_t *columns = json_array(), *rows = json_array();
    json_object_set_new(report, "columns", columns);
    json_object_set_new(report, "rows", rows);
    read_columns(L, 2, columns);
    if (lua_type(L, 3) != LUA_TTABLE)
        raise_misuse(L, "report.table needs a list of rows as its third argument");
    lua_Unsigned count = lua_rawlen(L, 3);
    if (count > LIMIT_LUA_REPORT_ROWS)
        raise_misuse(L, "report.table takes at most %d rows", LIMIT_LUA_REPORT_ROWS);
    for (lua_Unsigned i = 1; i <= count; i++) {
        lua_rawgeti(L, 3, (lua_Integer)i);
        read_row(L, columns, (int)i, rows);
        lua_pop(L, 1);
    }
    return send_report(L, 5);
}

/* report.text(title, text [, opts])
 * Keeps a text.
 * @param title string
 * @param text string
 * @param opts? ReportOptions
 * @raise misuse
 * @example
 *     report.text("last errors", ssh("db-1"):run{"journalctl", "-p", "err", "-n", "20"}.stdout, {private = true}) */
static int text_report(lua_State *L)
{
    lua_settop(L, 3);
    if (lua_type(L, 2) != LUA_TSTRING)
        raise_misuse(L, "report.text needs a text as its second argument, not %s", luaL_typename(L, 2));
    size_t length;
    const char *text = lua_tolstring(L, 2, &length);
    json_t *report = push_report(L, "text", "report.text", 3);
    json_object_set_new(report, "text", json_text_value(text, length));
    return send_report(L, 4);
}

/* report.file(name, bytes [, opts])
 * Keeps a file with the run, up to 1 MiB (100 files and 16 MiB a run), as long as output is kept. It is downloaded by
 * people and by `hikeshi runs file`, and never shown in place. `name` is a file name without folders, at most 100
 * characters. Secrets in it are masked.
 * @param name string
 * @param bytes string
 * @param opts? ReportOptions
 * @raise too_large, misuse
 * @example
 *     report.file("threads.txt", ssh("db-1"):run{"cat", "/var/log/app/threads.txt"}.stdout) */
static int file_report(lua_State *L)
{
    lua_settop(L, 3);
    if (lua_type(L, 1) != LUA_TSTRING || strlen(lua_tostring(L, 1)) != lua_rawlen(L, 1) ||
        !filename_is_safe(lua_tostring(L, 1)))
        raise_misuse(L,
                     "report.file needs a file name as its first argument: at most 100 characters, no folder, none of "
                     "/\\:*?\"<>|, no dot at either end");
    if (lua_type(L, 2) != LUA_TSTRING)
        raise_misuse(L, "report.file needs bytes as its second argument, not %s", luaL_typename(L, 2));
    size_t length;
    const char *bytes = lua_tolstring(L, 2, &length);
    json_t *report = push_report(L, "file", "report.file", 3);
    json_object_set_new(report, "content", json_stringn_nocheck(bytes, length));
    return send_report(L, 4);
}

static const struct binding bindings[] = {
    {"metric", metric}, {"table", table}, {"text", text_report}, {"file", file_report}, {NULL, NULL}};
const struct bind_table bind_report = {BIND_TABLE, "report", bindings};

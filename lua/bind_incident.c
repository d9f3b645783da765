/* bind_incident: incidents that a runbook opens and resolves by itself. */
#include "lua/bind.h"
#include "lua/call.h"
#include "lua/options.h"
#include "lua/raise.h"
#include "lua/value.h"

#include <lauxlib.h>
#include <string.h>

enum { KEY_BYTES = 200, TITLE_BYTES = 1000, LABELS = 50 };

/* @class IncidentOptions
 * What `incidents.open` takes; `key` and `title` must be there.
 * @field key string what tells it from others of this repository, up to 200 bytes
 * @field title string one line
 * @field severity? "SEV1"|"SEV2"|"SEV3"|"SEV4" else what the labels, or the documents that cover it, say
 * @field labels? table<string, string|number|boolean> as an alert's; `team` is the runbook's owner unless it stands
 * here */

static const char *const severities[] = {"SEV1", "SEV2", "SEV3", "SEV4", NULL};
static const struct option options[] = {{.name = "key", .kind = OPTION_TEXT},
                                        {.name = "title", .kind = OPTION_TEXT},
                                        {.name = "severity", .kind = OPTION_CHOICE, .choices = severities},
                                        {.name = "labels", .kind = OPTION_MAP},
                                        {.name = NULL}};

static bool is_line(const json_t *text, size_t most)
{
    const char *at = json_string_value(text);
    size_t length = json_string_length(text);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)at[i] < 0x20 || at[i] == 0x7f)
            return false;
    return length > 0 && length <= most;
}

/* Raises unless the key and, where it is asked for, the title are lines. */
static void check_lines(lua_State *L, const json_t *args, const char *function, bool with_title)
{
    if (!is_line(json_object_get(args, "key"), KEY_BYTES))
        raise_misuse(L, "%s needs a key: one line of at most %d bytes", function, KEY_BYTES);
    if (with_title && !is_line(json_object_get(args, "title"), TITLE_BYTES))
        raise_misuse(L, "%s needs a title: one line of at most %d bytes", function, TITLE_BYTES);
}

/* Labels that say where an incident is from are not the script's to write. */
static void check_labels(lua_State *L, json_t *labels)
{
    static const char *const taken[] = {"runbook", "repository"};
    if (json_object_size(labels) > LABELS)
        raise_misuse(L, "incidents.open takes at most %d labels", LABELS);
    for (size_t i = 0; i < G_N_ELEMENTS(taken); i++)
        if (json_object_get(labels, taken[i]))
            raise_misuse(L, "the label '%s' of incidents.open is hikeshi's own", taken[i]);
}

/* incidents.open(opts)
 * Opens an incident, as a webhook would: source `runbook`, triggers, documents and channels included. One that is open
 * under the same key is updated instead, and stays acknowledged. It has the labels `runbook` and `team`. It starts no
 * run of this runbook, and none at all when the run itself is for an incident that a runbook opened.
 * @param opts IncidentOptions
 * @raise misuse
 * @example
 *     incidents.open{key = "backup " .. params.host, title = "no backup for two days", severity = "SEV2"} */
static int open_incident(lua_State *L)
{
    lua_settop(L, 1);
    if (lua_type(L, 1) != LUA_TTABLE)
        return raise_misuse(L, "incidents.open needs a table, as in incidents.open{key = \"backup\", title = \"…\"}");
    json_t **box = value_box(L); /* 2 */
    *box = json_object();
    json_object_set_new(*box, "action", json_string("open"));
    options_read(L, 1, options, "incidents.open", *box);
    check_lines(L, *box, "incidents.open", true);
    check_labels(L, json_object_get(*box, "labels"));
    return call_service(L, "incident", g_steal_pointer(box), 0, call_finish);
}

/* incidents.resolve(key)
 * Resolves the incident that a runbook of this repository has opened under the key. Without one that is open nothing
 * happens.
 * @param key string
 * @raise misuse
 * @example
 *     incidents.resolve("backup " .. params.host) */
static int resolve_incident(lua_State *L)
{
    lua_settop(L, 1);
    json_t **box = value_box(L); /* 2 */
    *box = json_object();
    json_object_set_new(*box, "action", json_string("resolve"));
    if (lua_type(L, 1) == LUA_TSTRING)
        json_object_set_new(*box, "key", json_stringn_nocheck(lua_tostring(L, 1), lua_rawlen(L, 1)));
    check_lines(L, *box, "incidents.resolve", false);
    return call_service(L, "incident", g_steal_pointer(box), 0, call_finish);
}

static const struct binding bindings[] = {{"open", open_incident}, {"resolve", resolve_incident}, {NULL, NULL}};
const struct bind_table bind_incidents = {BIND_TABLE, "incidents", bindings};

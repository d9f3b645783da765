/* bind_ssh: commands on hosts. The runner does them (services ssh.*); this checks what is asked for and what came back.
 */
#include "core/errors.h"
#include "core/limits.h"
#include "lua/bind.h"
#include "lua/call.h"
#include "lua/host.h"
#include "lua/options.h"
#include "lua/raise.h"
#include "lua/ssh_handle.h"
#include "lua/value.h"

#include <lauxlib.h>
#include <string.h>

/* @class ExecOptions
 * Options of `exec`.
 * @field timeout? Duration of the program; without it only the step's own time counts
 * @field check? boolean `false`: an exit code that is not 0 does not raise
 * @field stdin? string
 * @field env? table<string, string|number|boolean>
 * @field max_output? integer bytes kept of each stream, 1 MiB at most and by default
 * @field cwd? string directory to run in */

/* @class Handle
 * What `ssh` returns: a host to run commands on. */

/* @class Result
 * What a command gave.
 * @field host string
 * @field code? integer the exit code; `nil` when a signal ended the command
 * @field signal? string the signal's name
 * @field stdout string
 * @field stderr string
 * @field duration_ms integer
 * @field truncated boolean more came than `max_output`
 * @field hint? string what to do, when it was sudo that failed */

/* @class RunOptions
 * Options of `h:run`, and defaults of `ssh`; an unknown one raises with the nearest name.
 * @field timeout? Duration of the command; without it only the step's own time counts
 * @field check? boolean `false`: an exit code that is not 0 does not raise
 * @field stdin? string bytes for the command's standard input; without it that is empty
 * @field env? table<string, string|number|boolean> environment variables; they arrive whatever the server accepts
 * @field sudo? boolean|string `true` for root, or a user's name
 * @field pty? boolean `true`: with a terminal
 * @field max_output? integer bytes kept of each stream, 1 MiB at most and by default
 * @field cwd? string directory to run in */

/* @class ScriptOptions : RunOptions
 * Options of `h:script`: those of `h:run`, and one more.
 * @field shell? "sh"|"bash" what runs the text; `"sh"` */

#define HANDLE "ssh"

static const char *const shells[] = {"sh", "bash", NULL};
#define COMMAND_OPTIONS                                                                                                \
    {.name = "timeout", .key = "timeout_ms", .kind = OPTION_DURATION}, {.name = "check", .kind = OPTION_BOOL},         \
        {.name = "stdin", .kind = OPTION_BYTES}, {.name = "env", .kind = OPTION_MAP},                                  \
        {.name = "sudo", .kind = OPTION_USER}, {.name = "pty", .kind = OPTION_BOOL},                                   \
        {.name = "max_output", .kind = OPTION_COUNT, .max = LIMIT_OUTPUT_BYTES},                                       \
    {                                                                                                                  \
        .name = "cwd", .kind = OPTION_TEXT                                                                             \
    }
static const struct option options[] = {COMMAND_OPTIONS, {.name = NULL}};
static const struct option script_options[] = {
    COMMAND_OPTIONS, {.name = "shell", .kind = OPTION_CHOICE, .choices = shells}, {.name = NULL}};

static const struct option exec_options[] = {{.name = "timeout", .key = "timeout_ms", .kind = OPTION_DURATION},
                                             {.name = "check", .kind = OPTION_BOOL},
                                             {.name = "stdin", .kind = OPTION_BYTES},
                                             {.name = "env", .kind = OPTION_MAP},
                                             {.name = "max_output", .kind = OPTION_COUNT, .max = LIMIT_OUTPUT_BYTES},
                                             {.name = "cwd", .kind = OPTION_TEXT},
                                             {.name = NULL}};

json_t *ssh_handle_check(lua_State *L)
{
    if (!luaL_testudata(L, 1, HANDLE))
        raise_misuse(L, "call it with a colon, as in h:run{\"uptime\"}, on what ssh(host) returned");
    return *(json_t **)lua_touserdata(L, 1);
}

static int handle_gc(lua_State *L)
{
    json_t **handle = lua_touserdata(L, 1);
    json_decref(*handle);
    *handle = NULL;
    return 0;
}

static int handle_tostring(lua_State *L)
{
    lua_pushfstring(L, "ssh(%s)", json_get_string(ssh_handle_check(L), "host", ""));
    return 1;
}

static void set_metatable(lua_State *L)
{
    if (luaL_newmetatable(L, HANDLE)) {
        lua_newtable(L);
        for (const struct binding *binding = bind_ssh_methods.bindings; binding->name; binding++) {
            lua_pushcfunction(L, binding->function);
            lua_setfield(L, -2, binding->name);
        }
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, handle_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, handle_tostring);
        lua_setfield(L, -2, "__tostring");
        lua_pushliteral(L, "protected");
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
}

/* ssh(host [, opts]) → h
 * A handle for commands and files on a host: its name, an alias, an address, or an object of `hosts()`. `opts` are
 * defaults for each call on the handle. Nothing is connected yet.
 * @param host string|Host
 * @param opts? RunOptions
 * @return Handle h
 * @raise not_in_inventory, not_allowed (this runbook may not touch it)
 * @example
 *     local h = ssh(params.host, {timeout = "30s"})
 *     log(h:run{"uptime"}.stdout) */
static int ssh(lua_State *L)
{
    lua_settop(L, 2);
    const char *name = host_check(L, 1, "ssh");
    json_t **handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = NULL;
    set_metatable(L);
    *handle = json_object();
    json_object_set_new(*handle, "host", json_stringn_nocheck(name, strlen(name)));
    json_object_set_new(*handle, "defaults", json_object());
    options_read(L, 2, options, "ssh", json_object_get(*handle, "defaults"));
    return 1;
}

/* How messages call a command. */
static void describe_command(const json_t *result, const char *what, char *text, size_t size)
{
    json_t *code = json_object_get(result, "code");
    const char *signal = json_get_string(result, "signal", NULL);
    const char *host = json_get_string(result, "host", "the host");
    if (json_is_integer(code))
        g_snprintf(text, size, "%.300s ended with exit code %d on %s", what, (int)json_integer_value(code), host);
    else
        g_snprintf(text, size, "%.300s was ended by signal %s on %s", what, signal ? signal : "(unknown)", host);
}

/* The last line of stderr that says something; at most `size` bytes. */
static void last_line(const json_t *result, char *line, size_t size)
{
    json_t *stream = json_object_get(result, "stderr");
    const char *text = json_string_value(stream) ? json_string_value(stream) : "";
    size_t end = json_string_length(stream);
    while (end > 0 && g_ascii_isspace(text[end - 1]))
        end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    g_snprintf(line, size, "%.*s", (int)MIN(end - start, size - 1), text + start);
}

enum { CHECKED = 1 };

/* After the service: the result, or a raised error. The words for the command are on top of the stack. */
static int finish_command(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    const GError *error = call_error(L);
    json_t *result = call_result(L);
    if (error)
        return raise_error(L, errors_of(error), call_host(L), result, "%s", error->message);
    bool ended_well = json_get_integer(result, "code", -1) == 0;
    if (!ended_well && (context & CHECKED)) {
        char text[600], line[300];
        describe_command(result, lua_tostring(L, -1), text, sizeof text);
        last_line(result, line, sizeof line);
        int code = json_is_integer(json_object_get(result, "code")) ? ERROR_EXIT : ERROR_SIGNAL;
        const char *hint = json_get_string(result, "hint", NULL);
        return raise_error(L, code, json_get_string(result, "host", call_host(L)), result, "%s%s%s%s%s", text,
                           *line ? ": " : "", line, hint ? ": " : "", hint ? hint : "");
    }
    value_push(L, result, VALUE_NULL_AS_NIL);
    return 1;
}

/* Pushes a box with {"host", "opts"}: the handle's defaults, then the call's own options. */
static json_t *push_args(lua_State *L, const json_t *handle, int index, const struct option *allowed,
                         const char *function)
{
    json_t **box = value_box(L);
    *box = json_object();
    json_object_set(*box, "host", json_object_get(handle, "host"));
    json_object_set_new(*box, "opts", json_deep_copy(json_object_get(handle, "defaults")));
    options_read(L, index, allowed, function, json_object_get(*box, "opts"));
    return *box;
}

/* Takes the arguments out of the box at `box` and calls; the words for the command are on top. */
static int call_command(lua_State *L, const char *service, int box)
{
    json_t **slot = lua_touserdata(L, box);
    json_t *args = g_steal_pointer(slot);
    bool check = json_get_bool(json_object_get(args, "opts"), "check", true);
    return call_service(L, service, args, check ? CHECKED : 0, finish_command);
}

/* The words of a command: texts and numbers. */
static void read_argv(lua_State *L, int index, json_t *argv, const char *function)
{
    lua_Unsigned count = lua_rawlen(L, index);
    if (count == 0)
        raise_misuse(L, "%s needs a list with the program and its arguments, as in %s{\"df\", \"-P\"}", function,
                     function);
    lua_pushnil(L); /* a name in the list is an option at the wrong place */
    while (lua_next(L, index)) {
        if (lua_type(L, -2) == LUA_TSTRING)
            raise_misuse(L, "'%.60s' stands in the command; options come after it: %s({...}, {%.60s = ...})",
                         lua_tostring(L, -2), function, lua_tostring(L, -2));
        lua_pop(L, 1);
    }
    for (lua_Unsigned i = 1; i <= count; i++) {
        int type = lua_rawgeti(L, index, (lua_Integer)i);
        if (type != LUA_TSTRING && type != LUA_TNUMBER)
            raise_misuse(L, "argument %d of the command is a %s; text or a number is needed", (int)i,
                         lua_typename(L, type));
        size_t length;
        const char *word = lua_tolstring(L, -1, &length);
        if (strlen(word) != length)
            raise_misuse(L, "argument %d of the command holds a NUL byte, which no command can receive", (int)i);
        json_array_append_new(argv, json_stringn_nocheck(word, length));
        lua_pop(L, 1);
    }
}

/* Pushes the command as messages call it: 'df -P /', shortened. */
static void push_words(lua_State *L, int index)
{
    char words[200] = "'";
    for (lua_Integer i = 1; i <= 20 && lua_rawgeti(L, index, i) != LUA_TNIL; i++) {
        if (i > 1)
            g_strlcat(words, " ", sizeof words);
        g_strlcat(words, lua_tostring(L, -1), sizeof words);
        lua_pop(L, 1);
    }
    if (g_strlcat(words, "'", sizeof words) >= sizeof words)
        memcpy(words + sizeof words - 5, "...'", 5);
    lua_pushstring(L, words);
}

/* h:run(argv [, opts]) → result
 * Runs a program. `argv` is a list of words (text or numbers); each arrives exactly, nothing is quoted or expanded.
 * @param argv (string|number)[]
 * @param opts? RunOptions
 * @return Result result
 * @raise dns, connect, host_key, auth, channel, timeout, exit, signal, lost, cancelled
 * @example
 *     local h = ssh("db-1")
 *     h:run{"systemctl", "restart", "app"}
 *     h:run({"find", "/var/log/app", "-name", "*.gz", "-delete"}, {sudo = true, timeout = "2m"}) */
static int ssh_run(lua_State *L)
{
    const json_t *handle = ssh_handle_check(L);
    lua_settop(L, 3);
    if (lua_type(L, 2) != LUA_TTABLE)
        raise_misuse(
            L, "h:run needs a list with the program and its arguments, as in h:run{\"df\", \"-P\"}; for shell text "
               "there is h:script");
    json_t *args = push_args(L, handle, 3, options, "h:run"); /* 4 */
    json_object_set_new(args, "argv", json_array());
    read_argv(L, 2, json_object_get(args, "argv"), "h:run");
    push_words(L, 2);
    return call_command(L, "ssh.run", 4);
}

/* h:script(text [, opts]) → result
 * Runs shell text with `sh`, or with bash when `opts.shell` says so. Pass values in `opts.env`, never by building
 * text.
 * @param text string
 * @param opts? ScriptOptions
 * @return Result result
 * @raise dns, connect, host_key, auth, channel, timeout, exit, signal, lost, cancelled
 * @example
 *     ssh("db-1"):script([[ du -s "$DIR" | sort -n ]], {env = {DIR = "/var/log"}}) */
static int ssh_script(lua_State *L)
{
    const json_t *handle = ssh_handle_check(L);
    lua_settop(L, 3);
    if (lua_type(L, 2) != LUA_TSTRING)
        raise_misuse(L, "h:script needs the shell text; for a program with arguments there is h:run");
    size_t length;
    const char *text = lua_tolstring(L, 2, &length);
    json_t *args = push_args(L, handle, 3, script_options, "h:script"); /* 4 */
    json_object_set_new(args, "shell", json_string(json_get_string(json_object_get(args, "opts"), "shell", "sh")));
    json_object_del(json_object_get(args, "opts"), "shell");
    json_object_set_new(args, "text", json_stringn_nocheck(text, length));
    lua_pushliteral(L, "the script");
    return call_command(L, "ssh.script", 4);
}

static int finish_reachable(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    const GError *error = call_error(L);
    if (error)
        return raise_error(L, errors_of(error), call_host(L), NULL, "%s", error->message);
    lua_pushboolean(L, json_get_bool(call_result(L), "reachable", false));
    lua_pushstring(L, json_get_string(call_result(L), "error", NULL));
    return 2;
}

/* h:reachable() → true | false, message
 * Connects and signs in without running anything.
 * @return boolean reachable
 * @return string? message why not
 * @example
 *     local up, why = ssh("db-1"):reachable()
 *     if not up then log("db-1 cannot be reached:", why) end */
static int ssh_reachable(lua_State *L)
{
    const json_t *handle = ssh_handle_check(L);
    json_t *args = json_pack("{s:O}", "host", json_object_get(handle, "host"));
    return call_service(L, "ssh.reachable", args, 0, finish_reachable);
}

/* exec(argv [, opts]) → result
 * Runs a program on the machine of the runner, for tools that know many hosts by themselves. It is off: `runner.exec:
 * true` in the runner's configuration turns it on. `result.host` is `(runner)`. The program gets PATH, HOME, USER, TZ
 * and what `env` says of the runner's environment, nothing else; a time-out or cancel ends its process group and says
 * whether that is gone.
 * @param argv (string|number)[]
 * @param opts? ExecOptions
 * @return Result result
 * @raise unsupported (it is off), timeout, exit, signal, cancelled
 * @example
 *     local pods = json.decode(exec{"kubectl", "get", "pods", "-o", "json"}.stdout) */
static int exec_local(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_type(L, 1) != LUA_TTABLE)
        raise_misuse(
            L, "exec needs a list with the program and its arguments, as in exec{\"kubectl\", \"get\", \"pods\"}");
    json_t **box = value_box(L); /* 3 */
    *box = json_pack("{s:{}, s:[]}", "opts", "argv");
    options_read(L, 2, exec_options, "exec", json_object_get(*box, "opts"));
    read_argv(L, 1, json_object_get(*box, "argv"), "exec");
    push_words(L, 1);
    return call_command(L, "exec", 3);
}

static const struct binding globals[] = {{"ssh", ssh}, {"exec", exec_local}, {NULL, NULL}};
const struct bind_table bind_ssh_globals = {BIND_GLOBALS, "", globals};

static const struct binding methods[] = {{"run", ssh_run},
                                         {"script", ssh_script},
                                         {"upload", ssh_file_upload},
                                         {"download", ssh_file_download},
                                         {"reachable", ssh_reachable},
                                         {NULL, NULL}};
const struct bind_table bind_ssh_methods = {BIND_METHODS, "h", methods};

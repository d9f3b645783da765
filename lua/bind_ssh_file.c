/* bind_ssh_file: files to and from a host, as methods of bind_ssh.c's object. The runner does them (services ssh.*). */
#include "core/errors.h"
#include "core/limits.h"
#include "lua/call.h"
#include "lua/options.h"
#include "lua/raise.h"
#include "lua/ssh_handle.h"
#include "lua/value.h"

#include <lauxlib.h>
#include <string.h>

/* @class FileResult
 * What a transfer gave.
 * @field host string
 * @field path string where links led
 * @field bytes integer
 * @field mode string such as `"0644"`
 * @field sha256 string
 * @field duration_ms integer */

/* @class UploadOptions
 * Options of `h:upload`; `timeout` and `sudo` also as defaults of the handle.
 * @field timeout? Duration
 * @field sudo? boolean|string `true` for root, or a user's name
 * @field mode? string such as `"0600"`; else that of the file which is there, else `0644`
 * @field sha256? string what the bytes must have
 * @field verify? boolean `true`: reads the file back before it is put in place */

/* @class DownloadOptions
 * Options of `h:download`; `timeout` and `sudo` also as defaults of the handle.
 * @field timeout? Duration
 * @field sudo? boolean|string `true` for root, or a user's name
 * @field sha256? string what the bytes must have
 * @field max_bytes? integer 32 MiB at most and by default; a larger file raises `too_large` */

#define FILE_OPTIONS                                                                                                   \
    {.name = "timeout", .key = "timeout_ms", .kind = OPTION_DURATION}, {.name = "sudo", .kind = OPTION_USER},          \
    {                                                                                                                  \
        .name = "sha256", .kind = OPTION_TEXT                                                                          \
    }
static const struct option upload_options[] = {
    FILE_OPTIONS, {.name = "mode", .kind = OPTION_TEXT}, {.name = "verify", .kind = OPTION_BOOL}, {.name = NULL}};
static const struct option download_options[] = {
    FILE_OPTIONS, {.name = "max_bytes", .kind = OPTION_COUNT, .max = LIMIT_TRANSFER_BYTES}, {.name = NULL}};

static bool all_of(const char *text, const char *set, size_t least, size_t most)
{
    size_t length = strlen(text);
    return length >= least && length <= most && strspn(text, set) == length;
}

/* Options that are texts of a certain form. */
static void check_forms(lua_State *L, json_t *opts, const char *function)
{
    const char *mode = json_get_string(opts, "mode", NULL), *sha256 = json_get_string(opts, "sha256", NULL);
    if (mode != NULL && !all_of(mode, "01234567", 3, 4))
        raise_misuse(L, "option 'mode' of %s must be text like \"0644\"", function);
    if (sha256 != NULL && !all_of(sha256, "0123456789abcdefABCDEF", 64, 64))
        raise_misuse(L, "option 'sha256' of %s must be 64 hexadecimal digits", function);
    char lower[65] = "";
    for (size_t i = 0; sha256 != NULL && i < 64; i++)
        lower[i] = g_ascii_tolower(sha256[i]);
    if (sha256 != NULL)
        json_object_set_new(opts, "sha256", json_string(lower));
}

/* Pushes a box with {"host", "path", "opts"}. */
static json_t *push_args(lua_State *L, const json_t *handle, int path, int opts, const struct option *allowed,
                         const char *function)
{
    size_t length;
    if (lua_type(L, path) != LUA_TSTRING)
        raise_misuse(L, "%s needs the path on the host as text", function);
    const char *text = lua_tolstring(L, path, &length);
    if (length == 0 || strlen(text) != length)
        raise_misuse(L, "the path of %s is empty or holds a NUL byte", function);
    json_t **box = value_box(L);
    *box = json_object();
    json_object_set(*box, "host", json_object_get(handle, "host"));
    json_object_set_new(*box, "path", json_stringn_nocheck(text, length));
    json_object_set_new(*box, "opts", json_object());
    json_t *options = json_object_get(*box, "opts");
    for (const struct option *option = allowed; option->name; option++) {
        const char *key = option->key ? option->key : option->name;
        json_object_set(options, key, json_object_get(json_object_get(handle, "defaults"), key));
    }
    options_read(L, opts, allowed, function, options);
    check_forms(L, options, function);
    return *box;
}

static int call(lua_State *L, const char *service, lua_KFunction finish)
{
    json_t **box = lua_touserdata(L, -1);
    json_t *args = g_steal_pointer(box);
    return call_service(L, service, args, 0, finish);
}

static int finish_upload(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    const GError *error = call_error(L);
    if (error)
        return raise_error(L, errors_of(error), call_host(L), NULL, "%s", error->message);
    value_push(L, call_result(L), VALUE_NULL_AS_NIL);
    return 1;
}

/* h:upload(bytes, path [, opts]) → result
 * Writes a file on the host, up to 32 MiB, any bytes. It is written beside its place and put there at once: whoever
 * reads `path` sees the old file or the new one. The owner stays; links are followed; a folder or device is refused.
 * Needs the server's SFTP subsystem; with `sudo`, an `sftp-server` there and a sudoers entry for `/bin/sh`. After a
 * failed upload the file is as it was, unless the code is `lost` or the message says otherwise.
 * @param bytes string
 * @param path string
 * @param opts? UploadOptions
 * @return FileResult result
 * @raise dns, connect, host_key, auth, channel, timeout, lost, cancelled, file (the host refused), check_failed,
 * too_large
 * @example
 *     ssh("web-1"):upload("limit_req zone=one;\n", "/etc/nginx/conf.d/limit.conf", {sudo = true, mode = "0644"}) */
int ssh_file_upload(lua_State *L)
{
    const json_t *handle = ssh_handle_check(L);
    size_t length;
    lua_settop(L, 4);
    if (lua_type(L, 2) != LUA_TSTRING)
        raise_misuse(L, "h:upload needs the file's bytes as text, then the path");
    const char *bytes = lua_tolstring(L, 2, &length);
    if (length > LIMIT_TRANSFER_BYTES)
        return raise_error(L, ERROR_TOO_LARGE, NULL, NULL, "h:upload: %zu bytes; %d is the most", length,
                           LIMIT_TRANSFER_BYTES);
    json_t *args = push_args(L, handle, 3, 4, upload_options, "h:upload");
    json_object_set_new(args, "bytes", json_stringn_nocheck(bytes, length));
    return call(L, "ssh.upload", finish_upload);
}

static int finish_download(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    const GError *error = call_error(L);
    if (error)
        return raise_error(L, errors_of(error), call_host(L), NULL, "%s", error->message);
    json_t *content = json_object_get(call_result(L), "content");
    lua_pushlstring(L, json_string_value(content), json_string_length(content));
    json_object_del(call_result(L), "content");
    value_push(L, call_result(L), VALUE_NULL_AS_NIL);
    return 2;
}

/* h:download(path [, opts]) → bytes, result
 * Reads a regular file, the whole or none.
 * @param path string
 * @param opts? DownloadOptions
 * @return string bytes
 * @return FileResult result
 * @raise dns, connect, host_key, auth, channel, timeout, lost, cancelled, file (the host refused), check_failed,
 * too_large
 * @example
 *     local text = ssh("db-1"):download("/var/log/app/error.log", {max_bytes = 100000}) */
int ssh_file_download(lua_State *L)
{
    const json_t *handle = ssh_handle_check(L);
    lua_settop(L, 3);
    push_args(L, handle, 2, 3, download_options, "h:download");
    return call(L, "ssh.download", finish_download);
}

/* bind_secret: values of secrets. The runner has them, and masks them in all that leaves it. */
#include "core/errors.h"
#include "lua/bind.h"
#include "lua/call.h"
#include "lua/raise.h"

#include <lauxlib.h>

static int finish_secret(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    const GError *error = call_error(L);
    if (error)
        return raise_error(L, errors_of(error), NULL, NULL, "%s", error->message);
    lua_pushlstring(L, json_string_value(call_result(L)), json_string_length(call_result(L)));
    return 1;
}

/* secret(name) → text
 * The value of a secret, if the runbook lists its name under `secrets:`, the configuration has it, and
 * [trust](configuration.md#rights-and-secrets) gives it to the runbook's owner. A secret shorter than four bytes is
 * refused.
 * @param name string
 * @return string text
 * @raise not_allowed, secret (it cannot be read)
 * @example
 *     http.post("https://vm.example.com/reset", {headers = {Authorization = "Bearer " .. secret("hypervisor")}})
 *     ssh(params.host):run({"mysqladmin", "ping"}, {env = {MYSQL_PWD = secret("mysql")}}) */
static int secret(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TSTRING)
        return raise_misuse(L, "secret needs the name of a secret, as in secret(\"api-token\")");
    json_t *args = json_object();
    json_object_set_new(args, "name", json_text_value(lua_tostring(L, 1), lua_rawlen(L, 1)));
    return call_service(L, "secret", args, 0, finish_secret);
}

static const struct binding bindings[] = {{"secret", secret}, {NULL, NULL}};
const struct bind_table bind_secret = {BIND_GLOBALS, "", bindings};

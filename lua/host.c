#include "lua/host.h"

#include "core/errors.h"
#include "core/finding.h"
#include "lua/raise.h"
#include "lua/script.h"

#include <lauxlib.h>
#include <string.h>

#define MAX_CANDIDATES 1000

static bool lists(const json_t *list, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        if (json_is_string(item) && strcmp(json_string_value(item), name) == 0)
            return true;
    }
    return false;
}

/* Names first: an alias of one host never hides another host's name. */
static const char *resolve(const json_t *inventory, const char *word)
{
    size_t i;
    json_t *host = json_find(inventory, "name", word);
    if (host != NULL)
        return json_get_string(host, "name", NULL);
    json_array_foreach (inventory, i, host) {
        if (lists(json_object_get(host, "aliases"), word) || strcmp(json_get_string(host, "address", ""), word) == 0)
            return json_get_string(host, "name", NULL);
    }
    return NULL;
}

static const char *unknown(lua_State *L, const struct facts *facts, const char *word)
{
    if (lists(facts->refused_hosts, word)) {
        raise_error(L, ERROR_NOT_ALLOWED, word, NULL,
                    "this runbook may not touch host '%s': its 'hosts' or the server's 'trust' leaves it out", word);
        return NULL;
    }
    const char *names[MAX_CANDIDATES + 1];
    size_t count = 0;
    const char *name;
    json_t *host;
    json_object_foreach (facts->hosts, name, host) {
        if (count < MAX_CANDIDATES)
            names[count++] = name;
    }
    names[count] = NULL;
    const char *nearest = finding_nearest(word, names);
    raise_error(L, ERROR_NOT_IN_INVENTORY, word, NULL, "the inventory has no host '%.200s'%s%s%s", word,
                nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return NULL;
}

const char *host_check(lua_State *L, int index, const char *function)
{
    const struct facts *facts = script_of(L)->facts;
    if (lua_type(L, index) == LUA_TTABLE) {
        lua_getfield(L, index, "name");
        lua_replace(L, index);
    }
    if (lua_type(L, index) != LUA_TSTRING)
        raise_misuse(L, "%s needs a host: a name, or an object of hosts()", function);
    const char *word = lua_tostring(L, index);
    const char *name = facts->inventory ? resolve(facts->inventory, word) : word;
    return name ? name : unknown(L, facts, word);
}

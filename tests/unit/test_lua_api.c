/* Every function that a step can really reach, found by walking a sandbox, has an entry in docs/lua.md and in the stubs
 * for editors, and these have nothing that a step cannot reach. That each has a complete comment and a test:
 * scripts/lua-api check. */
#include "tests/unit/support.h"

#include "core/json.h"
#include "lua/lua_run.h"
#include "lua/sandbox.h"
#include "lua/script.h"
#include "lua/stubs.h"

#include <glib.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

/* Names of functions → "" for the API's own, "lua" for those that are plainly Lua's. */
struct world {
    lua_State *L, *plain;
    struct facts facts;
    struct work work;
    struct script script;
    GHashTable *names;
};

/* Is NAME of LIBRARY (or a global) the very function of plain Lua? */
static bool is_plain(struct world *world, const char *library, const char *name)
{
    lua_State *L = world->plain;
    lua_pushglobaltable(L);
    if (library)
        lua_getfield(L, -1, library);
    bool same = false;
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, name);
        same = lua_tocfunction(L, -1) && lua_tocfunction(L, -1) == lua_tocfunction(world->L, -1);
    }
    lua_settop(L, 0);
    return same;
}

/* The table at the top of the stack: its functions, and those of its tables. */
static void walk(struct world *world, const char *library, const char *separator)
{
    lua_State *L = world->L;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        if (key && lua_isfunction(L, -1))
            g_hash_table_insert(world->names, g_strconcat(library ? library : "", library ? separator : "", key, NULL),
                                is_plain(world, library, key) ? "lua" : "");
        else if (key && lua_istable(L, -1) && !library)
            walk(world, key, ".");
        lua_pop(L, 1);
    }
}

/* Objects: each metatable that a name leads to, with methods. */
static void walk_methods(struct world *world)
{
    lua_State *L = world->L;
    assert_int_equal(luaL_loadstring(L, "return ssh('db-1')"), LUA_OK); /* makes the metatable */
    assert_int_equal(lua_pcall(L, 0, 1, 0), LUA_OK);
    assert_true(lua_getmetatable(L, -1));
    assert_int_equal(lua_getfield(L, -1, "__index"), LUA_TTABLE);
    walk(world, "h", ":");
    lua_settop(L, 0);
}

static int setup(void **state)
{
    struct world *world = g_new0(struct world, 1);
    world->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    world->work.data = json_object();
    world->script.facts = &world->facts;
    world->script.work = &world->work;
    world->plain = luaL_newstate();
    luaL_openlibs(world->plain);
    lua_State *L = world->L = luaL_newstate();
    *(struct script **)lua_getextraspace(L) = &world->script;
    sandbox_open(L, &world->script);
    for (const char *const *name = lua_global_names(); *name; name++) /* makes those that are made on first use */
        lua_getglobal(L, *name);
    lua_settop(L, 0);
    lua_pushglobaltable(L);
    assert_true(lua_getmetatable(L, -1));
    assert_int_equal(lua_getfield(L, -1, "__index"), LUA_TTABLE);
    walk(world, NULL, "");
    lua_settop(L, 0);
    walk_methods(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    lua_close(world->L);
    lua_close(world->plain);
    json_decref(world->work.data);
    g_hash_table_unref(world->names);
    g_free(world);
    return 0;
}

static bool is_own(struct world *world, const char *name)
{
    return *(const char *)g_hash_table_lookup(world->names, name) == '\0';
}

/* How the stubs call it: methods of a handle are those of its class. */
static char *stub_name(const char *name)
{
    return g_str_has_prefix(name, "h:") ? g_strconcat("Handle:", name + 2, NULL) : g_strdup(name);
}

static int missing_from(struct world *world, const char *text, bool stubs, const char *where)
{
    GHashTableIter iter;
    gpointer name;
    int missing = 0;
    g_hash_table_iter_init(&iter, world->names);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_autofree char *shown = stub_name(name), *wanted = stubs ? g_strdup_printf("\nfunction %s(", shown)
                                                                  : g_strdup_printf("\n### `%s(", (char *)name);
        if (is_own(world, name) && !strstr(text, wanted))
            missing++, print_error("%s: no entry for %s\n", where, (char *)name);
    }
    return missing;
}

static void test_docs(void **state)
{
    struct world *world = *state;
    g_autofree char *docs = NULL;
    assert_true(g_file_get_contents("docs/lua.md", &docs, NULL, NULL));
    assert_true(g_hash_table_size(world->names) > 100);
    assert_int_equal(missing_from(world, docs, false, "docs/lua.md"), 0);
}

/* What is plainly Lua's has no entry, but is named; of whole libraries the library is. */
static void test_plain(void **state)
{
    struct world *world = *state;
    g_autofree char *docs = NULL;
    assert_true(g_file_get_contents("docs/lua.md", &docs, NULL, NULL));
    char *section = strstr(docs, "\n## Lua's own library");
    assert_non_null(section);
    *strstr(section, "\n### ") = '\0';
    int missing = 0;
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, world->names);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_auto(GStrv) parts = g_strsplit(name, ".", 2);
        g_autofree char *word = g_strdup_printf("\\b%s\\b", parts[0]);
        if (!is_own(world, name) && !g_regex_match_simple(word, section, 0, 0))
            missing++, print_error("'Lua's own library' of docs/lua.md does not name %s\n", (char *)name);
    }
    assert_int_equal(missing, 0);
}

static void test_stubs(void **state)
{
    struct world *world = *state;
    const char *text = (const char *)lua_stub_files[0].bytes;
    assert_int_equal(missing_from(world, text, true, "the stubs"), 0);
    if (luaL_loadbuffer(world->plain, text, lua_stub_files[0].size, "=stubs") != LUA_OK)
        fail_msg("%s", lua_tostring(world->plain, -1));
    assert_int_equal(lua_pcall(world->plain, 0, 0, 0), LUA_OK);
}

/* An entry for what a step cannot reach would mislead. */
static void test_nothing_more(void **state)
{
    struct world *world = *state;
    int wrong = 0;
    g_autoptr(GHashTable) reached = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, world->names);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_hash_table_add(reached, stub_name(key));
    for (const char *at = (const char *)lua_stub_files[0].bytes; (at = strstr(at, "\nfunction ")); at++) {
        const char *start = at + strlen("\nfunction ");
        g_autofree char *name = g_strndup(start, strcspn(start, "("));
        if (!g_hash_table_contains(reached, name))
            wrong++, print_error("a comment describes %s, which no step can reach\n", name);
    }
    assert_int_equal(wrong, 0);
}

/* The file of a module of the standard library: hikeshi/psql.lua for hikeshi.psql. */
static const char *module_stub(const char *module)
{
    g_autoptr(GString) path = g_string_new(module);
    g_string_replace(path, ".", "/", 0);
    g_string_append(path, ".lua");
    for (const struct embedded_file *file = lua_stub_files; file->path; file++) {
        if (strcmp(file->path, path->str) == 0)
            return (const char *)file->bytes;
    }
    fail_msg("no stub of the module %s", module);
    return NULL;
}

/* Every function that require() gives. Methods of what these return are read from the source: scripts/lua-api. */
static void test_modules(void **state)
{
    struct world *world = *state;
    lua_State *L = world->L;
    int missing = 0, seen = 0;
    for (const char *const *module = lua_module_names(); *module; module++) {
        const char *stub = module_stub(*module), *short_name = strrchr(*module, '.') + 1;
        lua_getglobal(L, "require");
        lua_pushstring(L, *module);
        if (lua_pcall(L, 1, 1, 0) != LUA_OK)
            fail_msg("%s", lua_tostring(L, -1));
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
            if (!lua_isfunction(L, -1))
                continue;
            g_autofree char *wanted = g_strdup_printf("\nfunction %s.%s(", short_name, lua_tostring(L, -2));
            seen++;
            if (!strstr(stub, wanted))
                missing++, print_error("the stub of %s: no entry for %s\n", *module, lua_tostring(L, -2));
        }
        lua_settop(L, 0);
        if (luaL_loadstring(world->plain, stub) != LUA_OK)
            fail_msg("%s", lua_tostring(world->plain, -1));
    }
    assert_true(seen > 10);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_docs),         cmocka_unit_test(test_plain),   cmocka_unit_test(test_stubs),
        cmocka_unit_test(test_nothing_more), cmocka_unit_test(test_modules),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

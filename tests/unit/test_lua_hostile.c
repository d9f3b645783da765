/* The sandbox against scripts that do not want to stop, want too much, or want out. Each ends with its own clear error,
 * and the next step works. */
#include "tests/unit/lua_fixture.h"

#include <signal.h>
#include <unistd.h>

/* Where a row ends. */
enum ending { ENDS_BY_TIME, ENDS_BY_MEMORY, ENDS_BY_ERROR, ENDS_BY_ERROR_OR_TIME, ENDS_WELL };

static const struct {
    const char *text;
    enum ending ending;
    const char *message; /* part of it */
    const char *why;
} rows[] = {
    {"while true do end", ENDS_BY_TIME, "", "endless loop"},
    {"repeat until false", ENDS_BY_TIME, "", "another"},
    {"::a:: goto a", ENDS_BY_TIME, "", "goto"},
    {"while true do pcall(function() while true do end end) end", ENDS_BY_TIME, "", "pcall around the loop"},
    {"local function f() pcall(f) f() end f()", ENDS_BY_TIME, "", "pcall recursion"},
    {"while true do xpcall(error, function() while true do end end) end", ENDS_BY_TIME, "", "endless message handler"},
    {"local function h() while true do pcall(h) end end while true do xpcall(h, h) end", ENDS_BY_TIME, "",
     "handlers in handlers"},
    {"local function f() return f() end f()", ENDS_BY_TIME, "", "tail calls for ever"},
    {"table.sort({3, 1, 2}, function() while true do end end)", ENDS_BY_TIME, "", "endless comparator"},
    {"while true do pcall(table.sort, {3, 1, 2}, function() while true do pcall(function() while true do end end) end "
     "end) end",
     ENDS_BY_TIME, "", "pcalls inside and around a comparator"},
    {"(('x'):rep(10)):gsub('x', function() while true do end end)", ENDS_BY_TIME, "", "gsub callback"},
    {"while true do (('x'):rep(10)):gsub('x', function() end) end", ENDS_BY_TIME, "", "many gsubs"},
    {"while true do pcall(string.find, ('a'):rep(1000), ('a-'):rep(20) .. 'b') end", ENDS_BY_TIME, "",
     "catastrophic patterns for ever"},
    {"for _ in (('x'):rep(10)):gmatch('x') do while true do end end", ENDS_BY_TIME, "", "gmatch loop"},
    {"local t = setmetatable({}, {__index = function(t, k) while true do end end}) return t.x", ENDS_BY_TIME, "",
     "__index"},
    {"local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) while true do pcall(function() return "
     "t[1] end) end",
     ENDS_BY_TIME, "", "__index recursion"},
    {"return tostring(setmetatable({}, {__tostring = function() while true do end end}))", ENDS_BY_TIME, "",
     "__tostring"},
    {"log(setmetatable({}, {__tostring = function() while true do end end}))", ENDS_BY_TIME, "", "__tostring in log"},
    {"local t = setmetatable({}, {__concat = function() while true do end end}) return t .. t", ENDS_BY_TIME, "",
     "__concat"},
    {"local t = setmetatable({}, {__eq = function() while true do end end}) return t == setmetatable({}, "
     "getmetatable(t))",
     ENDS_BY_TIME, "", "__eq"},
    {"for _ in pairs(setmetatable({}, {__pairs = function() while true do end end})) do end", ENDS_BY_TIME, "",
     "__pairs"},
    {"while true do log('x') end", ENDS_BY_TIME, "", "services for ever"},
    {"while true do pcall(log, 'x') end", ENDS_BY_TIME, "", "services in pcall for ever"},
    {"while true do pcall(sleep, 0) end", ENDS_BY_TIME, "", "sleep in pcall for ever"},
    {"parallel(function() while true do end end, function() while true do end end)", ENDS_BY_TIME, "", "tasks"},
    {"retry(function() while true do end end)", ENDS_BY_TIME, "", "retry"},
    {"while true do pcall(retry, function() error('x') end, {attempts = 1000, delay = 0}) end", ENDS_BY_TIME, "",
     "retry in pcall"},
    {"defer(function() log('cleaned') end) while true do end", ENDS_BY_TIME, "", "with a defer function"},
    {"while true do load('while true do end')() end", ENDS_BY_TIME, "", "loaded code"},
    {"error(setmetatable({}, {__tostring = function() while true do end end}))", ENDS_BY_ERROR_OR_TIME, "__tostring",
     "endless __tostring of an error"},
    {"error(setmetatable({}, {__tostring = function() error('again') end}))", ENDS_BY_ERROR, "__tostring",
     "raising __tostring of an error"},
    {"error(setmetatable({}, {__tostring = function() return 'mine' end}))", ENDS_BY_ERROR, "mine",
     "good __tostring of an error"},

    {"local s = string.rep('x', 1e10)", ENDS_BY_MEMORY, "16 MiB", "a bomb"},
    {"local s = ('x'):rep(1 << 62, 'y')", ENDS_BY_MEMORY, "16 MiB", "a bomb that overflows"},
    {"local s = 'x' while true do s = s .. s end", ENDS_BY_MEMORY, "16 MiB", "doubling"},
    {"local t = {} for i = 1, 1e9 do t[i] = i end", ENDS_BY_MEMORY, "16 MiB", "a large table"},
    {"local t = {} while true do t = {t} end", ENDS_BY_MEMORY, "16 MiB", "a long chain"},
    {"local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end", ENDS_BY_MEMORY, "16 MiB", "many texts"},
    {"parallel(function() local t = {} while true do t = {t} end end)", ENDS_BY_MEMORY, "16 MiB", "in another task"},
    {"table.concat({('x'):rep(5e6), ('y'):rep(5e6), ('z'):rep(5e6)})", ENDS_BY_MEMORY, "16 MiB", "concat"},
    {"local t, s = {}, ('x'):rep(100) for i = 1, 1e5 do t[i] = s end json.encode(t)", ENDS_BY_ERROR, "8 MiB",
     "JSON of much"},

    {"local function f() return 1 + f() end f()", ENDS_BY_MEMORY, "recursion without end", "deep recursion"},
    {"local function f(n) return (tostring(setmetatable({}, {__tostring = function() return f(n + 1) end}))) end f(1)",
     ENDS_BY_ERROR, "stack overflow", "C recursion"},
    {"local s = 'return ' .. ('('):rep(1e5) local f, e = load(s) error(e)", ENDS_BY_ERROR, "",
     "deep nesting of source"},
    {"string.rep('', 1e18)", ENDS_WELL, "", "10^18 times nothing"},
    {"table.move({}, 1, 1e18, 2)", ENDS_BY_ERROR, "range", "a C loop of 10^18"},
    {"local t = setmetatable({}, {__len = function() return 1e18 // 1 end}) table.insert(t, 1, 'x')", ENDS_BY_ERROR,
     "__len", "invented length"},
    {"local t = {} for i = 1, 5 do t[i] = 1 end for i = 0, 62 do t[1 << i] = 1 end pcall(table.insert, t, 1, 'x')",
     ENDS_WELL, "", "invented border"},
    {"table.concat(setmetatable({}, {__index = table.concat}), '', 1, 1 << 60)", ENDS_BY_ERROR, "range",
     "a C __index for ever"},
    {"return (('a'):rep(1000)):find(('a-'):rep(20) .. 'b')", ENDS_BY_ERROR, "takes too long", "catastrophic pattern"},
    {"return (('a'):rep(1e5)):match('.-.-.-b')", ENDS_BY_ERROR, "takes too long", "a pattern of the fourth degree"},
    {"return ('a'):find(('a?'):rep(300) .. 'b')", ENDS_BY_ERROR, "too complex", "many repetitions"},
    {"return (('('):rep(2e6)):find('%b()')", ENDS_BY_ERROR, "takes too long", "%b from every place"},
    {"check(#(('x'):rep(3e6)):gsub('x', 'y') == 3e6)", ENDS_WELL, "", "a large text and a plain pattern"},
    {"table.unpack({}, 1, 1e8)", ENDS_BY_ERROR, "too many results", "unpack"},
    {"setmetatable({}, {__gc = function() end})", ENDS_BY_ERROR, "defer(f)", "__gc"},
    {"setmetatable({}, {__close = function() end})", ENDS_BY_ERROR, "defer(f)", "__close"},
    {"local m = {} local o = setmetatable({}, m) m.__gc = function() while true do end end o = nil for i = 1, 1e5 do "
     "local t = {} end",
     ENDS_WELL, "", "__gc after setmetatable is never called"},
    {"load('\\27Lua')()", ENDS_BY_ERROR, "", "bytecode"},
    {"error(select(2, load('\\27Lua')))", ENDS_BY_ERROR, "binary", "bytecode is named"},
    {"load(function() return 'x' end)", ENDS_BY_ERROR, "source text", "load takes no functions"},
    {"string.dump(log)", ENDS_BY_ERROR, "", "no dump"},
    {"os.execute('id')", ENDS_BY_ERROR, "'os' does not exist", "os"},
    {"io.open('/etc/passwd')", ENDS_BY_ERROR, "'io' does not exist", "io"},
    {"debug.getregistry()", ENDS_BY_ERROR, "'debug' does not exist", "debug"},
    {"coroutine.wrap(log)", ENDS_BY_ERROR, "'coroutine' does not exist", "coroutine"},
    {"collectgarbage('stop')", ENDS_BY_ERROR, "'collectgarbage' does not exist", "collectgarbage"},
    {"package.loadlib('x', 'y')", ENDS_BY_ERROR, "'package' does not exist", "package"},
    {"dofile('/etc/passwd')", ENDS_BY_ERROR, "'dofile' does not exist", "dofile"},
    {"loadfile('/etc/passwd')", ENDS_BY_ERROR, "'loadfile' does not exist", "loadfile"},
    {"check(getmetatable('') == 'protected' and getmetatable(params) == 'protected' and getmetatable(json.null) == "
     "'protected')",
     ENDS_WELL, "", "protected metatables"},
    {"check(getmetatable(ssh('db-1')) == 'protected')", ENDS_WELL, "", "the handle's metatable"},
    {"local s, e = pcall(ssh, 'nope') check(getmetatable(e) == 'protected')", ENDS_WELL, "", "the errors' metatable"},
    {"local _, t = pairs(params) check(t == params)", ENDS_WELL, "", "pairs hands out no inner table"},
    {"for k in next, params do check(type(k) == 'string') end", ENDS_WELL, "", "next shows no inner keys"},
    {"ssh('db-1').run(params, {'x'})", ENDS_BY_ERROR, "colon", "methods on something else"},
    {"load('x = 1', 'n', 't', setmetatable({}, {__newindex = function() while true do end end}))()", ENDS_BY_TIME, "",
     "an environment that loops"},
};

static void check_row(struct fixture *f, size_t i, int *failures)
{
    bool right = false;
    switch (rows[i].ending) {
    case ENDS_BY_TIME:
        right = f->result == LUA_RESULT_TIMED_OUT && g_strcmp0(f->code, "timeout") == 0;
        break;
    case ENDS_BY_MEMORY:
        right = f->result == LUA_RESULT_FAILED && g_strcmp0(f->code, "memory") == 0;
        break;
    case ENDS_BY_ERROR:
        right = f->result == LUA_RESULT_FAILED && g_strcmp0(f->code, "lua") == 0;
        break;
    case ENDS_BY_ERROR_OR_TIME: /* the time may be over before the error was raised */
        if (f->result == LUA_RESULT_TIMED_OUT)
            return;
        right = f->result == LUA_RESULT_FAILED && g_strcmp0(f->code, "lua") == 0;
        break;
    case ENDS_WELL:
        right = f->result == LUA_RESULT_OK;
        break;
    }
    if (right && (!*rows[i].message || (f->error && strstr(f->error, rows[i].message))))
        return;
    (*failures)++;
    print_error("row: %s: result %d, code '%s', error '%s' at %d\n", rows[i].why, (int)f->result, f->code, f->error,
                f->line);
}

static void test_table(void **state)
{
    (void)state;
    struct fixture f;
    int failures = 0;
    fixture_open(&f, 16 * 1024 * 1024); /* so that filling it does not take long */
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct lua_step step = fixture_step(rows[i].text);
        step.timeout_ms = rows[i].ending == ENDS_BY_TIME || rows[i].ending == ENDS_BY_ERROR_OR_TIME ? 30 : 60000;
        fixture_start(&f, &step);
        fixture_wait(&f);
        check_row(&f, i, &failures);
        fixture_run(&f, "log('still here')");
        if (f.result != LUA_RESULT_OK || strcmp(f.heard->str, "still here\n") != 0)
            failures++, print_error("row: %s: the next step does not work\n", rows[i].why);
    }
    assert_false(lua_run_stuck(f.run));
    fixture_close(&f);
    assert_int_equal(failures, 0);
    assert_int_equal(lua_run_abandoned(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

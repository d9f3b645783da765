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
    {"local m = {} local o = setmetatable({}, m) m.__close = function() while true do end end do local x <close> = o "
     "end",
     ENDS_BY_TIME, "", "__close that was set after setmetatable"},
    {"local m = {} local o = setmetatable({}, m) m.__close = function() while true do pcall(function() while true do "
     "end "
     "end) end end while true do local x <close> = o while true do end end",
     ENDS_BY_TIME, "", "a loop in __close behind an endless loop"},
    {"local m = {} local o = setmetatable({}, m) m.__close = function() error('again') end do local x <close> = o "
     "error('first') end",
     ENDS_BY_ERROR, "first", "__close that would raise"},
    {"local t = setmetatable({}, {__lt = function() while true do end end}) return t < t", ENDS_BY_TIME, "", "__lt"},
    {"local t = setmetatable({}, {__le = function() while true do end end}) return t <= t", ENDS_BY_TIME, "", "__le"},
    {"local t = setmetatable({}, {__len = function() while true do end end}) return #t", ENDS_BY_TIME, "", "__len"},
    {"local t = setmetatable({}, {__unm = function() while true do end end}) return -t", ENDS_BY_TIME, "", "__unm"},
    {"local t = setmetatable({}, {__call = function() while true do end end}) t()", ENDS_BY_TIME, "", "__call"},
    {"local t = setmetatable({}, {__newindex = function() while true do end end}) t.x = 1", ENDS_BY_TIME, "",
     "__newindex"},
    {"local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x", ENDS_BY_ERROR, "loop",
     "a chain of __index without end"},
    {"local t = setmetatable({}, {__name = ('x'):rep(1e6)}) return #t + t", ENDS_BY_ERROR, "", "a long __name"},
    {"table.sort({3, 1, 2}, function() error(setmetatable({}, {__tostring = error})) end)", ENDS_BY_ERROR, "",
     "a comparator that raises what raises"},
    {"local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function() return true end)", ENDS_BY_ERROR, "order",
     "a comparator that lies"},
    {"xpcall(error, function(e) return xpcall(error, function() while true do end end) end)", ENDS_BY_TIME, "",
     "a handler in a handler"},
    {"local function h(e) return error(e) end while true do xpcall(error, h, 'x') end", ENDS_BY_TIME, "",
     "a handler that raises, for ever"},
    {"local function h(e) return h(e) .. h(e) end while true do pcall(xpcall, error, h, 'x') end", ENDS_BY_TIME, "",
     "a handler that recurses, for ever"},
    {"error(setmetatable({}, {__index = function() while true do end end}))", ENDS_BY_ERROR_OR_TIME, "",
     "an error whose fields loop"},
    {"error(setmetatable({}, {__index = function() error('again') end}))", ENDS_BY_ERROR, "", "whose fields raise"},
    {"error(setmetatable({}, {__pairs = function() while true do end end}))", ENDS_BY_ERROR_OR_TIME, "",
     "whose pairs loop"},
    {"fail(setmetatable({}, {__tostring = function() while true do end end}))", ENDS_BY_ERROR_OR_TIME, "",
     "fail with what loops"},
    {"check(false, setmetatable({}, {__tostring = function() error('again') end}))", ENDS_BY_ERROR, "",
     "check with what raises"},

    {"local t = {} for i = 1, 64 do t[i] = '[' end json.decode(('['):rep(1e5))", ENDS_BY_ERROR, "json.decode",
     "JSON without end in depth"},
    {"json.decode('[' .. ('[],'):rep(2e6) .. '[]]')", ENDS_BY_ERROR, "values", "JSON of millions of lists"},
    {"json.decode('[' .. ('0,'):rep(3e6) .. '0]')", ENDS_BY_ERROR, "values", "JSON of millions of numbers"},
    {"check(#json.decode('[\"' .. (',[{'):rep(2e6) .. '\"]') == 1)", ENDS_WELL, "", "JSON of a text full of brackets"},
    {"local t = {} while true do t[#t + 1] = json.decode('[[],[],[],[]]') end", ENDS_BY_MEMORY, "16 MiB",
     "JSON for ever"},
    {"('%99999d'):format(1)", ENDS_BY_ERROR, "conversion", "a wide number"},
    {"('%.99999f'):format(1)", ENDS_BY_ERROR, "conversion", "a long number"},
    {"check(#('%99.99f'):format(1e308) < 1000)", ENDS_WELL, "", "the widest that there is"},
    {"local s = ('%s'):rep(1e5):format(table.unpack({}, 1, 10))", ENDS_BY_ERROR, "", "too few values"},
    {"local s = ('x'):rep(4e6) return ('%s%s%s%s%s'):format(s, s, s, s, s)", ENDS_BY_MEMORY, "16 MiB", "format"},
    {"local s = ('%q'):format(('\\0'):rep(8e6))", ENDS_BY_MEMORY, "16 MiB", "quoted format"},
    {"string.pack(('i16'):rep(1e6), table.unpack({}, 1, 200))", ENDS_BY_ERROR, "", "pack"},
    {"string.pack('!16 Xi16 c1000000000', 'x')", ENDS_BY_MEMORY, "16 MiB", "pack that pads"},
    {"('x'):rep(5e6):byte(1, -1)", ENDS_BY_ERROR, "too long", "all bytes at once"},
    {"check(utf8.len(('x'):rep(8e6)) == 8e6)", ENDS_WELL, "", "utf8.len of much"},
    {"check(utf8.offset(('\\xF4\\x8F\\xBF\\xBF'):rep(2e6), -1) > 0)", ENDS_WELL, "", "utf8.offset of much"},
    {"utf8.codepoint(('x'):rep(5e6), 1, -1)", ENDS_BY_ERROR, "", "utf8.codepoint of much"},
    {"while true do for _ in utf8.codes(('x'):rep(1e6)) do end end", ENDS_BY_TIME, "", "utf8.codes for ever"},
    {"while true do utf8.len(('x'):rep(1e6)) end", ENDS_BY_TIME, "", "utf8.len for ever"},
    {"return (('a'):rep(1000)):gsub(('a-'):rep(20) .. 'b', '')", ENDS_BY_ERROR, "takes too long", "in gsub"},
    {"for _ in (('a'):rep(1000)):gmatch(('a-'):rep(20) .. 'b') do end", ENDS_BY_ERROR, "takes too long", "in gmatch"},
    {"(('x'):rep(1e6)):gsub('', ('y'):rep(1000))", ENDS_BY_MEMORY, "16 MiB", "gsub that grows"},
    {"local s = ('x'):rep(1e6) s:gsub('.', {x = s})", ENDS_BY_MEMORY, "16 MiB", "gsub by a table"},
    {"table.concat({1, 2}, ('x'):rep(5e6), 1, 2) local t = {} for i = 1, 9 do t[i] = 'x' end table.concat(t, "
     "('x'):rep(5e6))",
     ENDS_BY_MEMORY, "16 MiB", "concat by its separator"},
    {"base64.encode(('x'):rep(9e6)) local s = base64.encode(('x'):rep(8e6))", ENDS_BY_MEMORY, "16 MiB", "base64"},

    {"load('\\27Lua', 'n', 'b')()", ENDS_BY_ERROR, "", "bytecode by its mode"},
    {"check(load('return 1', 'n', 'b')() == 1)", ENDS_WELL, "", "source is source whatever its mode"},
    {"check(('').__index == nil) check(getmetatable('').__index == nil)", ENDS_WELL, "",
     "nothing behind a text's metatable"},
    {"setmetatable('', {})", ENDS_BY_ERROR, "", "another metatable for texts"},
    {"getmetatable('').__index = {}", ENDS_BY_ERROR, "", "another __index for texts"},
    {"setmetatable(_ENV, {})", ENDS_BY_ERROR, "", "another metatable for the environment"},
    {"_ENV = setmetatable({}, {__index = function() while true do end end}) x()", ENDS_BY_TIME, "",
     "an own environment"},
    {"_ENV = {} log('x')", ENDS_BY_ERROR, "log", "an empty environment"},
    {"rawset(params, 'host', 1)", ENDS_BY_ERROR, "", "rawset on params"},
    {"for _, t in ipairs{params, incident, run, steps, hosts()[1], json.null} do check(not pcall(setmetatable, t, {})) "
     "check(not pcall(rawset, t, 'x', 1)) end",
     ENDS_WELL, "", "none of the engine's tables takes a key or a metatable"},
    {"require('/etc/passwd')", ENDS_BY_ERROR, "not a module's name", "require of a path"},
    {"require('../../etc/passwd')", ENDS_BY_ERROR, "not a module's name", "require upwards"},
    {"require('disk/../disk')", ENDS_BY_ERROR, "not a module's name", "require around"},
    {"require('..disk')", ENDS_BY_ERROR, "", "require of dots"},
    {"require('disk.')", ENDS_BY_ERROR, "", "require of half a name"},
    {"require('disk\\0.lua')", ENDS_BY_ERROR, "not a module's name", "require with a NUL"},
    {"require(('a.'):rep(1e5) .. 'b')", ENDS_BY_ERROR, "", "require of a long name"},
    {"require('')", ENDS_BY_ERROR, "not a module's name", "require of nothing"},
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

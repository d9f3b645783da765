/* fuzz_lua_pattern: the first line is a pattern, the rest a text: every string function ends, with a result or an error
 * of its own, and gsub that replaces each match by itself changes nothing. */
#include "lua/lua_run.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char script[] =
    "local text, pattern = base64.decode(data.text), base64.decode(data.pattern)\n"
    "pcall(string.find, text, pattern) pcall(string.match, text, pattern, -3)\n"
    "pcall(function() for a, b in text:gmatch(pattern) do end end)\n"
    "pcall(string.gsub, text, pattern, '<%0%1>') pcall(string.gsub, text, pattern, {x = 'y'})\n"
    "local fine, same = pcall(string.gsub, text, pattern, '%0')\n"
    "check(not fine or same == text, 'gsub changed the text')\n";

static bool ended;

static void no_service(void *arg, const char *name, json_t *args, struct op *op)
{
    (void)arg, (void)name, (void)args;
    op_done(op, json_null(), NULL);
}

static void on_done(void *arg, const struct lua_outcome *outcome)
{
    (void)arg;
    g_assert(outcome->result == LUA_RESULT_OK || outcome->result == LUA_RESULT_TIMED_OUT);
    ended = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loop *loop;
    static struct lua_run *run;
    if (!run) {
        loop = loop_new();
        run = lua_run_new(&(struct lua_run_options){.loop = loop, .service = no_service}, NULL);
    }
    const uint8_t *line_end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t pattern_length = line_end ? (size_t)(line_end - data) : size;
    size_t rest = line_end ? size - pattern_length - 1 : 0;
    g_autofree char *pattern = g_base64_encode(data, pattern_length);
    g_autofree char *text = g_base64_encode(line_end ? line_end + 1 : data, rest);
    json_t *kept = json_pack("{s:s, s:s}", "pattern", pattern, "text", text);
    struct lua_step step = {.id = "s", .file = "f.md", .line = 1, .text = script, .data = kept, .timeout_ms = 5000};
    ended = false;
    lua_run_step(run, &step, on_done, NULL);
    while (!ended)
        loop_step(loop);
    json_decref(kept);
    return 0;
}

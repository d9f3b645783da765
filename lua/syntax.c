#include "lua/syntax.h"

#include "core/limits.h"
#include "lua/lua_run.h"
#include "lua/memory.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

/* Two of these are enough for any runbook; more are read from the same bytes again. */
static const char newlines[] = "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
                               "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";

struct source {
    size_t lines_left; /* newlines still to be fed */
    const char *prefix;
    const char *text;
    size_t length;
};

static const char *read_source(lua_State *L, void *arg, size_t *ret_size)
{
    (void)L;
    struct source *source = arg;
    if (source->lines_left > 0) {
        *ret_size = MIN(source->lines_left, sizeof newlines - 1);
        source->lines_left -= *ret_size;
        return newlines;
    }
    const char *piece = source->prefix ? source->prefix : source->text;
    *ret_size = source->prefix ? strlen(piece) : source->length;
    if (source->prefix)
        source->prefix = NULL;
    else
        source->length = 0;
    return *ret_size > 0 ? piece : NULL;
}

int syntax_load(lua_State *L, const char *text, size_t length, const char *file, int line, bool expression)
{
    struct source source = {.lines_left = line > 1 ? (size_t)line - 1 : 0,
                            .prefix = expression ? "return " : NULL,
                            .text = text,
                            .length = length};
    const char *name = lua_pushfstring(L, "@%s", file);
    int status = lua_load(L, read_source, &source, name, "t");
    lua_remove(L, -2);
    return status;
}

int syntax_message_line(const char *message, const char **ret_rest)
{
    for (const char *at = message; (at = strchr(at, ':')); at++) {
        char *end;
        long line = strtol(at + 1, &end, 10);
        if (end > at + 1 && end[0] == ':' && end[1] == ' ') {
            *ret_rest = end + 2;
            return (int)line;
        }
    }
    *ret_rest = message;
    return 0;
}

static bool blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

#define GARBAGE_BYTES (1024 * 1024)

/* Making a state takes as long as reading a small step, so each thread keeps one. It runs nothing, and what it loaded
 * is garbage at once: collected when there is some, rather than bit by bit. */
struct checker {
    struct memory memory;
    lua_State *L;
};

static void checker_free(void *data)
{
    struct checker *checker = data;
    lua_close(checker->L);
    g_free(checker);
}

static lua_State *checker_state(void)
{
    static GPrivate of_thread = G_PRIVATE_INIT(checker_free);
    struct checker *checker = g_private_get(&of_thread);
    if (!checker) {
        checker = g_new0(struct checker, 1);
        checker->memory.limit = LIMIT_LUA_MEMORY_BYTES;
        checker->L = memory_new_state(&checker->memory);
        lua_gc(checker->L, LUA_GCSTOP);
        g_private_set(&of_thread, checker);
    }
    if (checker->memory.used > GARBAGE_BYTES)
        lua_gc(checker->L, LUA_GCCOLLECT);
    return checker->L;
}

char *lua_check_syntax(const char *text, const char *file, int line, bool expression, int *ret_line)
{
    lua_State *L = checker_state();
    char *message = NULL;
    int problem_line = line;

    if (expression && blank(text)) {
        message = g_strdup_printf("%s:%d: the expression is empty", file, line);
    } else if (syntax_load(L, text, strlen(text), file, line, expression) != LUA_OK) {
        const char *rest;
        problem_line = syntax_message_line(lua_tostring(L, -1), &rest);
        if (problem_line == 0)
            problem_line = line; /* "attempt to load a binary chunk" has no place of its own */
        message = g_strdup_printf("%s:%d: %s", file, problem_line, rest);
    }
    lua_settop(L, 0);
    if (message && ret_line)
        *ret_line = problem_line;
    return message;
}

/* lint_lua: what can be said about a step's Lua without running it. */
#include "core/hostfilter.h"
#include "core/lua_lex.h"
#include "jobs/inventory.h"
#include "jobs/lint_private.h"
#include "jobs/lua_globals.h"
#include "jobs/lua_scan.h"
#include <string.h>

/* ---- syntax ---------------------------------------------------------------------------------------------------- */

/* The message without the "file:line: " that a finding has in columns of its own. */
static const char *bare_message(const char *message, const char *file)
{
    size_t length = strlen(file);
    if (strncmp(message, file, length) != 0 || message[length] != ':')
        return message;
    const char *rest = message + length + 1;
    rest += strspn(rest, "0123456789");
    return g_str_has_prefix(rest, ": ") ? rest + 2 : message;
}

void lint_check_syntax(struct lint *lint, const char *text, int line, bool expression)
{
    int at = line;
    g_autofree char *message = lint->options->check_lua(text, lint->display, line, expression, &at);
    if (message)
        lint_say(lint, "lua-syntax", FINDING_ERROR, at, 1, NULL, "%s", bare_message(message, lint->display));
}

/* ---- globals --------------------------------------------------------------------------------------------------- */

static void on_global(void *arg, const char *name, int line, int column, bool assigned)
{
    struct lint *lint = arg;
    const char *const *known = lint->options->lua_globals;
    if (assigned && !g_strv_contains(known, name))
        lint_say(lint, "global", FINDING_WARNING, line, column, "write 'local' before it",
                 "'%s' is assigned as a global", name);
    else if (assigned)
        lint_say(lint, "global", FINDING_WARNING, line, column, "give it another name",
                 "'%s' is a name of the API, and is replaced here", name);
    else if (!g_strv_contains(known, name))
        lint_say(lint, "undeclared", FINDING_ERROR, line, column, finding_nearest(name, known), "there is no '%s' here",
                 name);
}

void lint_check_globals(struct lint *lint, const GArray *tokens)
{
    lua_globals(tokens, on_global, lint);
}

/* ---- names that the text mentions ------------------------------------------------------------------------------ */

struct mention {
    enum lua_mention kind;
    char *name;
    int line, column;
};

static void unknown(struct lint *lint, const struct mention *mention, GPtrArray *known, const char *what)
{
    lint_say(lint, "unknown-name", FINDING_ERROR, mention->line, mention->column, lint_nearest(mention->name, known),
             "%s '%s'", what, mention->name);
}

static GPtrArray *keys_of(GHashTable *table)
{
    GPtrArray *names = g_ptr_array_new();
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(names, name);
    return names;
}

static void mention_param(struct lint *lint, const struct mention *mention)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_hash_table_add(lint->params_used, g_strdup(mention->name));
    if (runbook_param(lint->runbook, mention->name))
        return;
    for (guint i = 0; i < lint->runbook->params->len; i++)
        g_ptr_array_add(names, ((struct param *)lint->runbook->params->pdata[i])->name);
    unknown(lint, mention, names, "there is no param");
}

static void mention_params(struct lint *lint, const struct mention *mention G_GNUC_UNUSED)
{
    lint->params_computed = true;
}

static void mention_input(struct lint *lint, const struct mention *mention)
{
    const struct step *step = lint->runbook->steps->pdata[lint->step];
    if (!step->asks || !g_strv_contains((const char *const *)step->asks, mention->name))
        lint_say(lint, "unknown-name", FINDING_ERROR, mention->line, mention->column,
                 "list it under 'asks' of the step", "this step does not ask for an input '%s'", mention->name);
}

static void mention_step(struct lint *lint, const struct mention *mention)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < lint->runbook->steps->len; i++) {
        const struct step *step = lint->runbook->steps->pdata[i];
        g_ptr_array_add(names, step->id);
        if (strcmp(step->id, mention->name) != 0)
            continue;
        if (i >= lint->step)
            lint_say(lint, "step-order", FINDING_WARNING, mention->line, mention->column, NULL,
                     "the step '%s' has not run yet here", mention->name);
        return;
    }
    unknown(lint, mention, names, "there is no step");
}

static void mention_host(struct lint *lint, const struct mention *mention)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    size_t index;
    json_t *host;
    if (!lint->repository->inventory || inventory_find(lint->repository->inventory, mention->name))
        return;
    json_array_foreach (lint->repository->inventory, index, host)
        g_ptr_array_add(names, (char *)json_get_string(host, "name", ""));
    unknown(lint, mention, names, "the inventory has no host");
}

static void mention_filter(struct lint *lint, const struct mention *mention)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(hostfilter) filter = hostfilter_parse(mention->name, &error);
    if (!filter)
        lint_say(lint, "host-filter", FINDING_ERROR, mention->line, mention->column, NULL, "%s", error->message);
}

static void mention_concat(struct lint *lint, const struct mention *mention)
{
    lint_say(lint, "filter-concat", FINDING_ERROR, mention->line, mention->column,
             "give a table: hosts{role=\"web\", env=params.env}", "a host filter must not be put together with '..'");
}

static void mention_secret(struct lint *lint, const struct mention *mention)
{
    if (!g_strv_contains((const char *const *)lint->runbook->secrets, mention->name))
        lint_say(lint, "unknown-name", FINDING_ERROR, mention->line, mention->column,
                 "list it under 'secrets' in the front matter", "the secret '%s' is not listed", mention->name);
}

static void mention_module(struct lint *lint, const struct mention *mention)
{
    g_autoptr(GPtrArray) names = keys_of(lint->repository->modules);
    for (const char *const *module = lint->options->lua_modules; *module; module++)
        g_ptr_array_add(names, (char *)*module);
    if (!g_ptr_array_find_with_equal_func(names, mention->name, g_str_equal, NULL))
        unknown(lint, mention, names, "there is no module");
}

static void mention_data_set(struct lint *lint, const struct mention *mention)
{
    g_hash_table_add(lint->data.set, g_strdup(mention->name));
}

static void mention_data_computed(struct lint *lint, const struct mention *mention G_GNUC_UNUSED)
{
    lint->data.unknown = true;
}

static void mention_data(struct lint *lint, const struct mention *mention)
{
    g_autoptr(GPtrArray) names = keys_of(lint->data.set);
    if (!lint->data.unknown && !g_hash_table_contains(lint->data.set, mention->name))
        lint_say(lint, "unknown-data", FINDING_WARNING, mention->line, mention->column,
                 lint_nearest(mention->name, names), "no step up to here sets data.%s", mention->name);
}

typedef void (*mention_fn)(struct lint *lint, const struct mention *mention);

static void on_mention(void *arg, enum lua_mention kind, const char *name, int line, int column)
{
    struct mention mention = {kind, g_strdup(name), line, column};
    g_array_append_val((GArray *)arg, mention);
}

static void tell_mentions(struct lint *lint, const GArray *mentions, const mention_fn functions[])
{
    for (guint i = 0; i < mentions->len; i++) {
        const struct mention *mention = &g_array_index(mentions, struct mention, i);
        if (functions[mention->kind])
            functions[mention->kind](lint, mention);
    }
}

static void mention_clear(void *mention)
{
    g_free(((struct mention *)mention)->name);
}

void lint_check_names(struct lint *lint, const GArray *tokens)
{
    /* A loop or a function may read above what sets it below: what this text sets counts everywhere in it. */
    static const mention_fn settings[LUA_MENTIONS] = {
        [LUA_DATA_SET] = mention_data_set, [LUA_DATA_COMPUTED] = mention_data_computed};
    static const mention_fn uses[LUA_MENTIONS] = {
        [LUA_PARAM] = mention_param,
        [LUA_PARAM_COMPUTED] = mention_params,
        [LUA_INPUT] = mention_input,
        [LUA_STEP] = mention_step,
        [LUA_HOST] = mention_host,
        [LUA_FILTER] = mention_filter,
        [LUA_FILTER_CONCAT] = mention_concat,
        [LUA_SECRET] = mention_secret,
        [LUA_MODULE] = mention_module,
        [LUA_DATA] = mention_data,
    };
    g_autoptr(GArray) mentions = g_array_new(FALSE, FALSE, sizeof(struct mention));
    g_array_set_clear_func(mentions, mention_clear);
    lua_scan(tokens, on_mention, mentions);
    tell_mentions(lint, mentions, settings);
    tell_mentions(lint, mentions, uses);
}

/* ---- what a text does ------------------------------------------------------------------------------------------ */

bool lint_lua_reaches_out(const GArray *tokens)
{
    static const char *const doors[] = {"ssh", "exec", "http", "incidents", "require"};
    for (guint i = 0; i < tokens->len; i++)
        for (size_t k = 0; k < G_N_ELEMENTS(doors); k++)
            if (lua_lex_at(tokens, i)->kind == LUA_TOKEN_NAME && lua_token_is(lua_lex_at(tokens, i), doors[k]))
                return true;
    return false;
}

/* Where the brackets that open at `index` are closed; the end of the text when they are not. */
static guint closing(const GArray *tokens, guint index)
{
    int depth = 0;
    for (guint i = index; i < tokens->len; i++) {
        depth += lua_token_is(lua_lex_at(tokens, i), "(");
        depth -= lua_token_is(lua_lex_at(tokens, i), ")");
        if (depth == 0)
            return i;
    }
    return tokens->len;
}

static int depth_change(const struct lua_token *token)
{
    static const char *const opening[] = {"function", "then", "do", "repeat"}, *const ending[] = {"end", "until",
                                                                                                  "elseif"};
    int change = 0;
    if (token->kind != LUA_TOKEN_KEYWORD)
        return 0;
    for (size_t k = 0; k < G_N_ELEMENTS(opening); k++)
        change += lua_token_is(token, opening[k]);
    for (size_t k = 0; k < G_N_ELEMENTS(ending); k++)
        change -= lua_token_is(token, ending[k]);
    return change;
}

/* A statement finish(…) or fail "…" at `index`, with nothing behind it. */
static bool is_last_call(const GArray *tokens, guint index)
{
    static const char *const attached[] = {".", ":", "or", "and"};
    const struct lua_token *token = lua_lex_at(tokens, index), *next = lua_lex_at(tokens, index + 1);
    if (token->kind != LUA_TOKEN_NAME || !(lua_token_is(token, "finish") || lua_token_is(token, "fail")) ||
        !(lua_token_is(next, "(") || next->kind == LUA_TOKEN_STRING))
        return false;
    for (size_t k = 0; k < G_N_ELEMENTS(attached) && index > 0; k++)
        if (lua_token_is(lua_lex_at(tokens, index - 1), attached[k]))
            return false;
    return closing(tokens, index + 1) + 1 >= tokens->len;
}

bool lint_lua_always_ends(const GArray *tokens)
{
    int depth = 0;
    for (guint i = 0; i < tokens->len; i++) {
        depth += depth_change(lua_lex_at(tokens, i));
        if (depth == 0 && is_last_call(tokens, i))
            return true;
    }
    return false;
}

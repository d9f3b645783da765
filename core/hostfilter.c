/* hostfilter: a recursive-descent parser into a small tree, and its evaluation. Knows labels and params, no inventory.
 */
#include "core/hostfilter.h"
#include "core/errors.h"
#include "core/regex.h"
#include <stdarg.h>
#include <string.h>

#define MAX_BYTES 4096 /* longer than any filter a person writes */
#define MAX_DEPTH 32   /* of parentheses and '!' */

enum node_kind { NODE_OR, NODE_AND, NODE_NOT, NODE_EQUAL, NODE_IN, NODE_REGEX };

struct value {
    char *text;
    bool param; /* text is the name of a param */
};

struct hostfilter {
    enum node_kind kind;
    struct hostfilter *left, *right; /* OR, AND; NOT has left only */
    char *key;
    GPtrArray *values; /* struct value*; one for EQUAL */
    GRegex *regex;
};

struct parser {
    const char *text;
    size_t at;
    int depth;
    GError **error;
    bool failed;
};

static void value_free(struct value *value)
{
    g_free(value->text);
    g_free(value);
}

void hostfilter_free(struct hostfilter *filter)
{
    if (!filter)
        return;
    hostfilter_free(filter->left);
    hostfilter_free(filter->right);
    g_free(filter->key);
    g_clear_pointer(&filter->values, g_ptr_array_unref);
    g_clear_pointer(&filter->regex, g_regex_unref);
    g_free(filter);
}

static struct hostfilter *node_new(enum node_kind kind, struct hostfilter *left, struct hostfilter *right)
{
    struct hostfilter *node = g_new0(struct hostfilter, 1);
    node->kind = kind;
    node->left = left;
    node->right = right;
    return node;
}

static void *fail(struct parser *parser, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void *fail(struct parser *parser, const char *format, ...)
{
    if (!parser->failed) {
        va_list args;
        va_start(args, format);
        g_autofree char *message = g_strdup_vprintf(format, args);
        va_end(args);
        errors_set(parser->error, ERROR_PARSE, "host filter: column %zu: %s", parser->at + 1, message);
    }
    parser->failed = true;
    return NULL;
}

static void skip_spaces(struct parser *parser)
{
    parser->at += strspn(parser->text + parser->at, " \t\r\n");
}

static bool take(struct parser *parser, const char *symbol)
{
    skip_spaces(parser);
    if (!g_str_has_prefix(parser->text + parser->at, symbol))
        return false;
    parser->at += strlen(symbol);
    return true;
}

static char *take_word(struct parser *parser)
{
    skip_spaces(parser);
    size_t length = strcspn(parser->text + parser->at, " \t\r\n()&|!=,~\"$'");
    if (length == 0)
        return NULL;
    char *word = g_strndup(parser->text + parser->at, length);
    parser->at += length;
    return word;
}

static char *take_quoted(struct parser *parser)
{
    size_t start = parser->at + 1, length = strcspn(parser->text + start, "\"");
    if (parser->text[start + length] != '"')
        return fail(parser, "the quote is not closed");
    parser->at = start + length + 1;
    return g_strndup(parser->text + start, length);
}

/* $params.NAME → NAME */
static char *take_param(struct parser *parser)
{
    if (!take(parser, "$params."))
        return fail(parser, "expected $params.NAME");
    size_t length = strspn(parser->text + parser->at, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (length == 0)
        return fail(parser, "expected a param's name after '$params.'");
    char *name = g_strndup(parser->text + parser->at, length);
    parser->at += length;
    return name;
}

static struct value *parse_value(struct parser *parser, const char *after)
{
    skip_spaces(parser);
    char next = parser->text[parser->at];
    char *text = next == '"' ? take_quoted(parser) : next == '$' ? take_param(parser) : take_word(parser);
    if (!text)
        return fail(parser, "expected a value after '%s'", after);
    struct value *value = g_new0(struct value, 1);
    value->text = text;
    value->param = next == '$';
    return value;
}

static struct hostfilter *term_new(enum node_kind kind, char *key)
{
    struct hostfilter *term = node_new(kind, NULL, NULL);
    term->key = key;
    term->values = g_ptr_array_new_with_free_func((GDestroyNotify)value_free);
    return term;
}

static bool parse_list(struct parser *parser, GPtrArray *values)
{
    const char *after = "(";
    if (!take(parser, "("))
        return fail(parser, "expected '(' after 'in'"), false;
    do {
        struct value *value = parse_value(parser, after);
        if (!value)
            return false;
        g_ptr_array_add(values, value);
        after = ",";
    } while (take(parser, ","));
    if (!take(parser, ")"))
        return fail(parser, "expected ',' or ')'"), false;
    return true;
}

static bool parse_regex(struct parser *parser, struct hostfilter *term)
{
    skip_spaces(parser);
    size_t at = parser->at;
    g_autofree char *pattern = parser->text[at] == '"' ? take_quoted(parser) : take_word(parser);
    g_autoptr(GError) problem = NULL;
    if (!pattern)
        return fail(parser, "expected a quoted regex after '~'"), false;
    term->regex = regex_new(pattern, false, &problem);
    if (!term->regex) {
        parser->at = at;
        return fail(parser, "%s", problem->message), false;
    }
    return true;
}

/* `in` is a word like any other unless it follows a key. */
static bool take_in(struct parser *parser)
{
    size_t before = parser->at;
    g_autofree char *word = take_word(parser);
    if (g_strcmp0(word, "in") == 0)
        return true;
    parser->at = before;
    return false;
}

/* A lone $params.host stands for name = $params.host. */
static struct hostfilter *parse_param_term(struct parser *parser)
{
    struct value *value = parse_value(parser, "(");
    if (!value)
        return NULL;
    struct hostfilter *term = term_new(NODE_EQUAL, g_strdup("name"));
    g_ptr_array_add(term->values, value);
    return term;
}

static struct hostfilter *parse_comparison(struct parser *parser, struct hostfilter *term, bool negate)
{
    struct value *value = parse_value(parser, negate ? "!=" : "=");
    if (!value) {
        hostfilter_free(term);
        return NULL;
    }
    g_ptr_array_add(term->values, value);
    return negate ? node_new(NODE_NOT, term, NULL) : term;
}

static struct hostfilter *parse_term(struct parser *parser)
{
    skip_spaces(parser);
    if (parser->text[parser->at] == '$')
        return parse_param_term(parser);
    char *key = take_word(parser);
    if (!key)
        return fail(parser, parser->text[parser->at] ? "expected a label's name" : "the filter ends too early");
    struct hostfilter *term = term_new(NODE_EQUAL, key);
    if (take(parser, "!="))
        return parse_comparison(parser, term, true);
    if (take(parser, "="))
        return parse_comparison(parser, term, false);
    bool fine;
    if (take(parser, "~")) {
        term->kind = NODE_REGEX;
        fine = parse_regex(parser, term);
    } else if (take_in(parser)) {
        term->kind = NODE_IN;
        fine = parse_list(parser, term->values);
    } else {
        fine = fail(parser, "expected =, !=, in or ~ after '%s'", key);
    }
    if (!fine)
        g_clear_pointer(&term, hostfilter_free);
    return term;
}

static struct hostfilter *parse_or(struct parser *parser);

static struct hostfilter *parse_unary(struct parser *parser)
{
    if (parser->depth >= MAX_DEPTH)
        return fail(parser, "more than %d levels of parentheses and '!'", MAX_DEPTH);
    struct hostfilter *node;
    parser->depth++;
    if (take(parser, "!")) {
        node = parse_unary(parser);
        if (node)
            node = node_new(NODE_NOT, node, NULL);
    } else if (take(parser, "(")) {
        node = parse_or(parser);
        if (node && !take(parser, ")")) {
            hostfilter_free(node);
            node = fail(parser, "expected ')'");
        }
    } else {
        node = parse_term(parser);
    }
    parser->depth--;
    return node;
}

static struct hostfilter *parse_chain(struct parser *parser, const char *symbol, enum node_kind kind,
                                      struct hostfilter *(*operand)(struct parser *))
{
    struct hostfilter *left = operand(parser);
    while (left && take(parser, symbol)) {
        struct hostfilter *right = operand(parser);
        if (!right) {
            hostfilter_free(left);
            return NULL;
        }
        left = node_new(kind, left, right);
    }
    return left;
}

static struct hostfilter *parse_and(struct parser *parser)
{
    return parse_chain(parser, "&", NODE_AND, parse_unary);
}

static struct hostfilter *parse_or(struct parser *parser)
{
    return parse_chain(parser, "|", NODE_OR, parse_and);
}

struct hostfilter *hostfilter_parse(const char *text, GError **error)
{
    struct parser parser = {.text = text, .error = error};
    if (strlen(text) > MAX_BYTES)
        return fail(&parser, "longer than %d bytes", MAX_BYTES);
    struct hostfilter *filter = parse_or(&parser);
    skip_spaces(&parser);
    if (filter && text[parser.at]) {
        fail(&parser, "expected '&' or '|'");
        g_clear_pointer(&filter, hostfilter_free);
    }
    return filter;
}

struct subject {
    const char *name;
    const json_t *labels, *params;
    bool unbound; /* a param is absent: nothing matches */
};

static char *label(const struct subject *subject, const char *key)
{
    if (strcmp(key, "name") == 0)
        return g_strdup(subject->name);
    const json_t *value = json_object_get(subject->labels, key);
    return value && !json_is_null(value) ? json_scalar_text(value) : NULL;
}

static bool equals(struct subject *subject, const struct value *value, const char *got)
{
    if (!value->param)
        return got && strcmp(got, value->text) == 0;
    const json_t *param = json_object_get(subject->params, value->text);
    if (!param || json_is_null(param) || json_is_array(param) || json_is_object(param)) {
        subject->unbound = true;
        return false;
    }
    g_autofree char *wanted = json_scalar_text(param);
    return got && strcmp(got, wanted) == 0;
}

static bool matches(struct subject *subject, const struct hostfilter *node)
{
    bool left;
    switch (node->kind) {
    case NODE_OR: /* both sides always: an absent param anywhere must be seen */
        left = matches(subject, node->left);
        return matches(subject, node->right) || left;
    case NODE_AND:
        left = matches(subject, node->left);
        return matches(subject, node->right) && left;
    case NODE_NOT:
        return !matches(subject, node->left);
    case NODE_EQUAL:
    case NODE_IN:
    case NODE_REGEX:
        break;
    }
    g_autofree char *got = label(subject, node->key);
    if (node->kind == NODE_REGEX)
        return got && regex_matches(node->regex, got);
    bool any = false;
    for (guint i = 0; i < node->values->len; i++)
        any = equals(subject, node->values->pdata[i], got) || any;
    return any;
}

bool hostfilter_matches(const struct hostfilter *filter, const char *name, const json_t *labels, const json_t *params)
{
    struct subject subject = {name, labels, params, false};
    return matches(&subject, filter) && !subject.unbound;
}

void hostfilter_each_param(const struct hostfilter *filter, void (*fn)(void *arg, const char *param), void *arg)
{
    if (!filter)
        return;
    hostfilter_each_param(filter->left, fn, arg);
    hostfilter_each_param(filter->right, fn, arg);
    for (guint i = 0; filter->values && i < filter->values->len; i++) {
        const struct value *value = filter->values->pdata[i];
        if (value->param)
            fn(arg, value->text);
    }
}

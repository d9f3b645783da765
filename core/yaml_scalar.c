/* yaml_scalar: the core schema (YAML 1.2.2, section 10.3.2) by hand: "yes" is a string, 0o17 is a number, 012 is
 * twelve. */
#include "core/yaml_scalar.h"
#include <errno.h>
#include <math.h>
#include <string.h>

#define CORE_TAG "tag:yaml.org,2002:"

static bool is_one_of(const char *text, const char *const *words)
{
    return g_strv_contains(words, text);
}

static bool all_in(const char *text, const char *set)
{
    return *text != '\0' && text[strspn(text, set)] == '\0';
}

/* Integers outside int64_t become floats, as JSON readers do; the text stays exact. */
static bool type_integer(struct yaml_node *node)
{
    const char *text = node->text, *digits = text;
    int base = 10;
    if (g_str_has_prefix(text, "0o") && all_in(text + 2, "01234567"))
        base = 8, digits = text + 2;
    else if (g_str_has_prefix(text, "0x") && all_in(text + 2, "0123456789abcdefABCDEF"))
        base = 16, digits = text + 2;
    else if (!all_in(*text == '-' || *text == '+' ? text + 1 : text, "0123456789"))
        return false;
    errno = 0;
    node->integer = g_ascii_strtoll(digits, NULL, base);
    bool fits = errno == 0;
    node->kind = fits ? YAML_INTEGER : YAML_FLOAT;
    node->number = fits ? (double)node->integer : g_ascii_strtod(text, NULL);
    return true;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *text)
{
    text += *text == '-' || *text == '+';
    size_t whole = strspn(text, "0123456789");
    text += whole;
    if (*text == '.') {
        size_t fraction = strspn(++text, "0123456789");
        if (whole + fraction == 0)
            return false;
        text += fraction;
    } else if (whole == 0) {
        return false;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        return all_in(text, "0123456789");
    }
    return *text == '\0';
}

static bool type_float(struct yaml_node *node)
{
    static const char *const infinities[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const not_numbers[] = {".nan", ".NaN", ".NAN", NULL};
    bool signed_ = *node->text == '-' || *node->text == '+';
    if (is_one_of(node->text + signed_, infinities))
        node->number = *node->text == '-' ? -INFINITY : INFINITY;
    else if (is_one_of(node->text, not_numbers))
        node->number = NAN;
    else if (is_float(node->text))
        node->number = g_ascii_strtod(node->text, NULL);
    else
        return false;
    node->kind = YAML_FLOAT;
    return true;
}

void yaml_scalar_type(struct yaml_node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    node->kind = YAML_STRING;
    if (is_one_of(node->text, nulls)) {
        node->kind = YAML_NULL;
    } else if (is_one_of(node->text, trues) || is_one_of(node->text, falses)) {
        node->kind = YAML_BOOL;
        node->boolean = is_one_of(node->text, trues);
    } else if (strchr("+-.0123456789", *node->text) != NULL && !type_integer(node)) {
        type_float(node);
    }
}

bool yaml_scalar_tag(struct yaml_node *node, const char *tag)
{
    static const struct {
        const char *tag;
        enum yaml_kind kind;
    } kinds[] = {
        {CORE_TAG "null", YAML_NULL},
        {CORE_TAG "bool", YAML_BOOL},
        {CORE_TAG "int", YAML_INTEGER},
        {CORE_TAG "float", YAML_FLOAT},
    };
    if (strcmp(tag, "!") == 0 || strcmp(tag, CORE_TAG "str") == 0) {
        node->kind = YAML_STRING;
        return true;
    }
    yaml_scalar_type(node);
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (strcmp(tag, kinds[i].tag) == 0) {
            if (node->kind == YAML_INTEGER && kinds[i].kind == YAML_FLOAT)
                node->kind = YAML_FLOAT;
            return node->kind == kinds[i].kind;
        }
    return false;
}

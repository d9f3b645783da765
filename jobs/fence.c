/* fence: step attributes from braces and comment lines, merged into one YAML map so that one table reads both. */
#include "jobs/fence.h"
#include <stdint.h>
#include <string.h>

static const struct {
    const char *name, *prefix; /* of attribute lines */
} languages[] = {{"lua", "--|"}, {"sh", "#|"}, {"bash", "#|"}};

struct fence {
    char *language;
    const char *prefix;
    bool broken;
    GPtrArray *own;              /* struct yaml_node* made here for the braces, with their text */
    struct yaml_document *lines; /* the comment lines, or NULL */
    GPtrArray *keys, *items;     /* borrowed from `own` and `lines` */
    struct yaml_node map;
};

static void node_free(struct yaml_node *node)
{
    g_free((char *)node->text);
    g_free(node);
}

void fence_free(struct fence *fence)
{
    if (!fence)
        return;
    g_free(fence->language);
    g_ptr_array_unref(fence->own);
    g_ptr_array_unref(fence->keys);
    g_ptr_array_unref(fence->items);
    g_clear_pointer(&fence->lines, yaml_document_free);
    g_free(fence);
}

const char *fence_language(const struct fence *fence)
{
    return fence->language;
}

const struct yaml_node *fence_attributes(const struct fence *fence)
{
    return &fence->map;
}

bool fence_broken(const struct fence *fence)
{
    return fence->broken;
}

/* Does the info line say step= inside braces? Deliberately generous: what looks like a step is one, or an error. */
static bool says_step(const char *info)
{
    for (const char *p = strchr(info, '{'); p && (p = strstr(p, "step")); p += 4) {
        const char *end = p + 4;
        while (*end == ' ' || *end == '\t')
            end++;
        if (*end == '=' && strchr("{ \t,", p[-1]))
            return true;
    }
    return false;
}

static size_t language_length(const char *info)
{
    return strcspn(info, " \t{");
}

/* Reads the braces; `at` is an index into block->info. */
struct braces {
    const struct field_reader *reader;
    const struct markdown_fence *block;
    struct fence *fence;
    size_t at;
};

static void braces_error(struct braces *braces, size_t at, const char *suggestion, const char *message)
{
    finding_add(braces->reader->findings, "attributes", FINDING_ERROR, braces->reader->file, braces->block->line,
                braces->block->info_column + (int)at, suggestion, "%s", message);
    braces->fence->broken = true;
}

/* A scalar of YAML's core schema, as far as attributes need it; a quoted one is text. */
static struct yaml_node *new_scalar(struct braces *braces, size_t from, size_t to, bool quoted)
{
    struct yaml_node *node = g_new0(struct yaml_node, 1);
    node->line = braces->block->line;
    node->column = braces->block->info_column + (int)from;
    node->text = g_strndup(braces->block->info + from, to - from);
    node->text_length = to - from;
    node->kind = YAML_STRING;
    if (!quoted && (strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0)) {
        node->kind = YAML_BOOL;
        node->boolean = node->text[0] == 't';
    } else if (!quoted && g_ascii_string_to_signed(node->text, 10, INT64_MIN, INT64_MAX, &node->integer, NULL)) {
        node->kind = YAML_INTEGER;
        node->number = (double)node->integer;
    }
    g_ptr_array_add(braces->fence->own, node);
    return node;
}

static void skip_spaces(struct braces *braces)
{
    braces->at += strspn(braces->block->info + braces->at, " \t");
}

static bool read_value(struct braces *braces, struct yaml_node **ret)
{
    const char *info = braces->block->info;
    size_t start = braces->at;
    if (info[start] == '"') {
        size_t length = strcspn(info + start + 1, "\"");
        if (info[start + 1 + length] != '"') {
            braces_error(braces, start, NULL, "the quoted value is not closed");
            return false;
        }
        braces->at = start + length + 2;
        *ret = new_scalar(braces, start + 1, start + 1 + length, true);
        if (info[braces->at] && !strchr(" \t}", info[braces->at])) {
            braces_error(braces, braces->at, NULL, "expected a space or '}' after the quoted value");
            return false;
        }
        return true;
    }
    size_t length = strcspn(info + start, " \t\"'{}[]");
    if (info[start + length] && !strchr(" \t}", info[start + length])) {
        braces_error(braces, start + length, "quote the value, or put it in an attribute line",
                     "this character needs quotes");
        return false;
    }
    if (length == 0) {
        braces_error(braces, start, NULL, "expected a value after '='");
        return false;
    }
    braces->at = start + length;
    *ret = new_scalar(braces, start, start + length, false);
    return true;
}

static bool read_attribute(struct braces *braces)
{
    const char *info = braces->block->info;
    size_t start = braces->at, length = 0;
    while (g_ascii_islower(info[start + length]) ||
           (length && (g_ascii_isdigit(info[start + length]) || info[start + length] == '_')))
        length++;
    if (length == 0) {
        braces_error(braces, start, NULL, "expected an attribute: key=value");
        return false;
    }
    if (info[start + length] != '=') {
        braces_error(braces, start + length, NULL, "expected '=' directly after the attribute's name");
        return false;
    }
    struct yaml_node *key = new_scalar(braces, start, start + length, true), *value;
    braces->at = start + length + 1;
    if (!read_value(braces, &value))
        return false;
    for (guint i = 0; i < braces->fence->keys->len; i++) {
        const struct yaml_node *other = braces->fence->keys->pdata[i];
        if (strcmp(other->text, key->text) == 0) {
            g_autofree char *message = g_strdup_printf("the attribute '%s' is given twice", key->text);
            braces_error(braces, start, NULL, message);
            return false;
        }
    }
    g_ptr_array_add(braces->fence->keys, key);
    g_ptr_array_add(braces->fence->items, value);
    return true;
}

static bool check_escapes(struct braces *braces)
{
    const char *info = braces->block->info;
    size_t bad = braces->at + strcspn(info + braces->at, "\\&`");
    if (!info[bad])
        return true;
    g_autofree char *message =
        g_strdup_printf("'%c' cannot stand in braces: markdown gives it a meaning of its own", info[bad]);
    g_autofree char *suggestion =
        g_strdup_printf("put the attribute in a line '%s key: value' at the top of the block", braces->fence->prefix);
    braces_error(braces, bad, suggestion, message);
    return false;
}

static void read_braces(struct braces *braces)
{
    const char *info = braces->block->info;
    skip_spaces(braces);
    if (info[braces->at] != '{') {
        braces_error(braces, braces->at, NULL, "expected '{' directly after the language");
        return;
    }
    if (!check_escapes(braces))
        return;
    braces->at++;
    for (skip_spaces(braces); info[braces->at] != '}'; skip_spaces(braces)) {
        if (!info[braces->at]) {
            braces_error(braces, braces->at, NULL, "the braces are not closed");
            return;
        }
        if (!read_attribute(braces))
            return;
    }
    braces->at++;
    skip_spaces(braces);
    if (info[braces->at])
        braces_error(braces, braces->at, NULL, "nothing may follow the braces");
}

/* "  --| key: value": the index behind the prefix, or 0. */
static size_t prefix_end(const char *line, const char *prefix)
{
    size_t spaces = strspn(line, " \t");
    return g_str_has_prefix(line + spaces, prefix) ? spaces + strlen(prefix) : 0;
}

/* "-- | key:" or "# | key:": a comment whose writer meant an attribute; it must not pass unseen. */
static bool is_near_miss(const char *line)
{
    line += strspn(line, " \t");
    size_t comment = g_str_has_prefix(line, "--") ? 2 : *line == '#' ? 1 : 0;
    if (!comment)
        return false;
    const char *p = line + comment;
    size_t gap = strspn(p, " \t");
    if (p[gap] != '|')
        return false;
    p += gap + 1;
    p += strspn(p, " \t");
    size_t word = strspn(p, "abcdefghijklmnopqrstuvwxyz_");
    return word && p[word] == ':';
}

static void misplaced_line(const struct field_reader *reader, const struct markdown_fence *block, struct fence *fence,
                           size_t index, bool leading)
{
    g_autofree char *message =
        leading ? g_strdup_printf("attribute lines of a %s block begin with '%s'", fence->language, fence->prefix)
                : g_strdup("attribute lines stand at the top of the block, before anything else");
    finding_add(reader->findings, "attributes", FINDING_ERROR, reader->file, block->line + 1 + (int)index,
                block->text_column, NULL, "%s", message);
    fence->broken = true;
}

/* The leading attribute lines as YAML at their own columns: the prefix is overwritten with spaces. */
static char *yaml_of_lines(const struct field_reader *reader, const struct markdown_fence *block, struct fence *fence)
{
    g_auto(GStrv) lines = g_strsplit(block->text, "\n", -1);
    GString *yaml = g_string_new(NULL);
    bool leading = true;
    for (size_t i = 0; lines[i]; i++) {
        size_t end = prefix_end(lines[i], fence->prefix);
        if (end && leading) {
            size_t gap = strspn(lines[i] + end, " \t"); /* tabs are no indentation in YAML */
            for (size_t column = 1; column < end + gap + (size_t)block->text_column; column++)
                g_string_append_c(yaml, ' ');
            g_string_append(yaml, lines[i] + end + gap);
            g_string_append_c(yaml, '\n');
            continue;
        }
        if (end || (leading && is_near_miss(lines[i])))
            misplaced_line(reader, block, fence, i, leading);
        leading = false;
    }
    return g_string_free(yaml, FALSE);
}

static void read_lines(const struct field_reader *reader, const struct markdown_fence *block, struct fence *fence)
{
    g_autofree char *yaml = yaml_of_lines(reader, block, fence);
    g_autoptr(GError) error = NULL;
    fence->lines = yaml_parse(yaml, strlen(yaml), reader->file, block->line, &error);
    if (!fence->lines) {
        field_yaml_error(reader, error, block->line + 1);
        fence->broken = true;
        return;
    }
    const struct yaml_node *root = yaml_root(fence->lines);
    if (root->kind != YAML_MAP && root->kind != YAML_NULL) {
        field_error(reader, "attributes", root, NULL, "expected '%s key: value'", fence->prefix);
        fence->broken = true;
        return;
    }
    for (size_t i = 0; i < root->count; i++) {
        for (guint k = 0; k < fence->keys->len; k++) {
            const struct yaml_node *other = fence->keys->pdata[k];
            if (strcmp(other->text, root->keys[i]->text) == 0) {
                field_error(reader, "attributes", root->keys[i], NULL,
                            "the attribute '%s' is given twice: it stands in the braces", other->text);
                fence->broken = true;
            }
        }
        g_ptr_array_add(fence->keys, root->keys[i]);
        g_ptr_array_add(fence->items, root->items[i]);
    }
}

struct fence *fence_read(const struct field_reader *reader, const struct markdown_fence *block)
{
    if (!says_step(block->info))
        return NULL;
    struct fence *fence = g_new0(struct fence, 1);
    size_t length = language_length(block->info);
    fence->language = g_strndup(block->info, length);
    fence->own = g_ptr_array_new_with_free_func((GDestroyNotify)node_free);
    fence->keys = g_ptr_array_new();
    fence->items = g_ptr_array_new();
    for (size_t i = 0; i < G_N_ELEMENTS(languages); i++) {
        if (strcmp(languages[i].name, fence->language) == 0)
            fence->prefix = languages[i].prefix;
    }
    struct braces braces = {reader, block, fence, length};
    if (!fence->prefix) {
        g_autofree char *message = g_strdup_printf("a step is written in lua, sh or bash, not '%s'", fence->language);
        braces_error(&braces, 0, NULL, message);
        return fence;
    }
    read_braces(&braces);
    read_lines(reader, block, fence);
    if (!block->closed)
        braces_error(&braces, 0, NULL, "the block is not closed: everything below would be part of this step");
    fence->map = (struct yaml_node){
        .kind = YAML_MAP,
        .line = block->line,
        .column = block->info_column,
        .count = fence->keys->len,
        .keys = (struct yaml_node **)fence->keys->pdata,
        .items = (struct yaml_node **)fence->items->pdata,
    };
    return fence;
}

bool fence_looks_like_step(const struct markdown_fence *block)
{
    size_t length = language_length(block->info);
    for (size_t i = 0; i < G_N_ELEMENTS(languages); i++) {
        if (strlen(languages[i].name) == length && strncmp(languages[i].name, block->info, length) == 0)
            return prefix_end(block->text, languages[i].prefix) > 0;
    }
    return false;
}

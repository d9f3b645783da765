/* markdown: fences, headings and links out of cmark-gfm's tree, with what the tree does not keep read from the raw
 * lines. */
#include "jobs/markdown.h"
#include <cmark-gfm.h>
#include <string.h>

static void fence_free(struct markdown_fence *fence)
{
    g_free(fence->info);
    g_free(fence->text);
    g_free(fence);
}

static void heading_free(struct markdown_heading *heading)
{
    g_free(heading->text);
    g_free(heading);
}

static void link_free(struct markdown_link *link)
{
    g_free(link->url);
    g_free(link);
}

void markdown_free(struct markdown *markdown)
{
    if (!markdown)
        return;
    g_ptr_array_unref(markdown->fences);
    g_ptr_array_unref(markdown->headings);
    g_ptr_array_unref(markdown->links);
    g_ptr_array_unref(markdown->html);
    g_free(markdown);
}

/* Starts of the text's lines; line N begins at index N - 1. A line ends with \n, \r\n or \r, as in CommonMark. */
static GArray *line_starts(const char *text, size_t length)
{
    GArray *starts = g_array_new(FALSE, FALSE, sizeof(size_t));
    size_t at = 0;
    while (at <= length) {
        g_array_append_val(starts, at);
        while (at < length && text[at] != '\n' && text[at] != '\r')
            at++;
        at += at + 1 < length && text[at] == '\r' && text[at + 1] == '\n' ? 2 : 1;
    }
    return starts;
}

struct raw {
    const char *text;
    size_t length;
    GArray *starts;
};

/* The line without its end; NULL when there is none of that number. */
static const char *raw_line(const struct raw *raw, int line, size_t *ret_length)
{
    if (line < 1 || (guint)line > raw->starts->len)
        return NULL;
    size_t start = g_array_index(raw->starts, size_t, line - 1), end = start;
    while (end < raw->length && raw->text[end] != '\n' && raw->text[end] != '\r')
        end++;
    *ret_length = end - start;
    return raw->text + start;
}

static size_t run_length(const char *line, size_t length, size_t at, char character)
{
    size_t n = 0;
    while (at + n < length && line[at + n] == character)
        n++;
    return n;
}

/* Where the run of at least `minimum` fence characters begins, or `length`. What may stand before it (list markers,
 * quote markers, spaces) never holds three of them. */
static size_t find_fence(const char *line, size_t length, char character, size_t minimum)
{
    for (size_t i = 0; i < length; i++) {
        if (line[i] == character && run_length(line, length, i, character) >= minimum)
            return i;
    }
    return length;
}

static bool is_closing(const struct raw *raw, int line, char character, size_t minimum)
{
    size_t length;
    const char *text = raw_line(raw, line, &length);
    if (!text)
        return false;
    size_t at = find_fence(text, length, character, minimum);
    for (size_t i = 0; i < at; i++) {
        if (!strchr(" \t>", text[i]))
            return false;
    }
    size_t end = at + run_length(text, length, at, character);
    for (size_t i = end; i < length; i++) {
        if (text[i] != ' ' && text[i] != '\t')
            return false;
    }
    return at < length;
}

/* Steps are sent to shells and Lua: a CR from a Windows editor is no part of them. */
static char *unix_lines(const char *text)
{
    size_t length = strlen(text);
    if (!memchr(text, '\r', length))
        return g_strndup(text, length);
    GString *out = g_string_sized_new(length);
    for (const char *p = text; *p; p++) {
        if (*p == '\r')
            g_string_append(out, p[1] == '\n' ? "" : "\n");
        else
            g_string_append_c(out, *p);
    }
    return g_string_free(out, FALSE);
}

static void add_fence(struct markdown *markdown, cmark_node *node, const struct raw *raw, int line_offset)
{
    int minimum, offset;
    char character;
    if (!cmark_node_get_fenced(node, &minimum, &offset, &character))
        return; /* an indented code block */
    int line = cmark_node_get_start_line(node);
    size_t length;
    const char *text = raw_line(raw, line, &length);
    if (!text)
        return;
    size_t at = find_fence(text, length, character, (size_t)minimum);
    size_t info = at + run_length(text, length, at, character);
    while (info < length && (text[info] == ' ' || text[info] == '\t'))
        info++;
    struct markdown_fence *fence = g_new0(struct markdown_fence, 1);
    fence->info = g_strchomp(g_strndup(text + info, length - info));
    fence->line = line + line_offset;
    fence->info_column = (int)info + 1;
    fence->text_column = (int)at + 1;
    fence->text = unix_lines(cmark_node_get_literal(node));
    int last = cmark_node_get_end_line(node);
    fence->closed = last > line && is_closing(raw, last, character, (size_t)minimum);
    g_ptr_array_add(markdown->fences, fence);
}

static void add_heading(struct markdown *markdown, cmark_node *node, int line_offset)
{
    GString *text = g_string_new(NULL);
    cmark_iter *iter = cmark_iter_new(node);
    for (cmark_event_type event; (event = cmark_iter_next(iter)) != CMARK_EVENT_DONE;) {
        cmark_node *part = cmark_iter_get_node(iter);
        cmark_node_type type = cmark_node_get_type(part);
        if (event != CMARK_EVENT_ENTER)
            continue;
        if (type == CMARK_NODE_TEXT || type == CMARK_NODE_CODE)
            g_string_append(text, cmark_node_get_literal(part));
        else if (type == CMARK_NODE_SOFTBREAK || type == CMARK_NODE_LINEBREAK)
            g_string_append_c(text, ' ');
    }
    cmark_iter_free(iter);
    struct markdown_heading *heading = g_new0(struct markdown_heading, 1);
    heading->text = g_strstrip(g_string_free(text, FALSE));
    heading->level = cmark_node_get_heading_level(node);
    heading->line = cmark_node_get_start_line(node) + line_offset;
    g_ptr_array_add(markdown->headings, heading);
}

static void add_link(struct markdown *markdown, cmark_node *node, int line)
{
    const char *url = cmark_node_get_url(node);
    if (!url || !*url)
        return;
    struct markdown_link *link = g_new(struct markdown_link, 1);
    *link = (struct markdown_link){g_strdup(url), line};
    g_ptr_array_add(markdown->links, link);
}

static void add_html(struct markdown *markdown, cmark_node *node)
{
    const char *text = cmark_node_get_literal(node);
    if (text)
        g_ptr_array_add(markdown->html, g_strdup(text));
}

/* Breaks count the lines inside of a block: inline nodes of older libraries have no place of their own. */
static void take_node(struct markdown *markdown, cmark_node *node, const struct raw *raw, int line_offset, int *line)
{
    cmark_node_type type = cmark_node_get_type(node);
    if (type == CMARK_NODE_CODE_BLOCK)
        add_fence(markdown, node, raw, line_offset);
    else if (type == CMARK_NODE_HEADING)
        add_heading(markdown, node, line_offset);
    else if (type == CMARK_NODE_LINK || type == CMARK_NODE_IMAGE)
        add_link(markdown, node, *line);
    else if (type == CMARK_NODE_HTML_INLINE || type == CMARK_NODE_HTML_BLOCK)
        add_html(markdown, node);
    if (type == CMARK_NODE_SOFTBREAK || type == CMARK_NODE_LINEBREAK)
        ++*line;
    else if ((type & CMARK_NODE_TYPE_MASK) == CMARK_NODE_TYPE_BLOCK)
        *line = cmark_node_get_start_line(node) + line_offset;
}

struct markdown *markdown_parse(const char *text, size_t length, int line_offset)
{
    struct markdown *markdown = g_new0(struct markdown, 1);
    markdown->fences = g_ptr_array_new_with_free_func((GDestroyNotify)fence_free);
    markdown->headings = g_ptr_array_new_with_free_func((GDestroyNotify)heading_free);
    markdown->links = g_ptr_array_new_with_free_func((GDestroyNotify)link_free);
    markdown->html = g_ptr_array_new_with_free_func(g_free);
    cmark_node *root = cmark_parse_document(text, length, CMARK_OPT_DEFAULT);
    struct raw raw = {text, length, line_starts(text, length)};
    cmark_iter *iter = cmark_iter_new(root);
    int line = 1 + line_offset;
    for (cmark_event_type event; (event = cmark_iter_next(iter)) != CMARK_EVENT_DONE;) {
        if (event == CMARK_EVENT_ENTER)
            take_node(markdown, cmark_iter_get_node(iter), &raw, line_offset, &line);
    }
    cmark_iter_free(iter);
    cmark_node_free(root);
    g_array_unref(raw.starts);
    return markdown;
}

const struct markdown_heading *markdown_heading_above(const struct markdown *markdown, int line)
{
    const struct markdown_heading *above = NULL;
    for (guint i = 0; i < markdown->headings->len; i++) {
        const struct markdown_heading *heading = markdown->headings->pdata[i];
        if (heading->line < line)
            above = heading;
    }
    return above;
}

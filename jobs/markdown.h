/* markdown: the only adapter of cmark-gfm: which fenced blocks and headings a text has, and where. Knows no runbook.
 *
 * Fences carry their raw info line: the library unescapes backslashes and entities, and attributes must not be. */
#ifndef JOBS_MARKDOWN_H
#define JOBS_MARKDOWN_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct markdown_fence {
    char *info;      /* what stands behind the fence's characters, raw, without spaces around it */
    int line;        /* of the opening fence, from 1 */
    int info_column; /* of info's first byte, from 1 */
    int text_column; /* of the content's lines: 1 unless the fence is indented */
    char *text;      /* the content; its first line is line + 1; every line ends with \n */
    bool closed;
};

struct markdown_heading {
    char *text; /* plain */
    int level, line;
};

struct markdown_link {
    char *url; /* of a link or an image, as it is followed: escapes and references resolved */
    int line;
};

struct markdown {
    GPtrArray *fences;   /* struct markdown_fence*, in file order */
    GPtrArray *headings; /* struct markdown_heading*, in file order */
    GPtrArray *links;    /* struct markdown_link*, in file order */
    GPtrArray *html;     /* char*: pieces of raw HTML; they may hold anchors */
};

/* text: UTF-8. line_offset is added to every line (front matter). Never fails. */
struct markdown *markdown_parse(const char *text, size_t length, int line_offset);
void markdown_free(struct markdown *markdown);

/* The last heading before a line, or NULL. Borrowed. */
const struct markdown_heading *markdown_heading_above(const struct markdown *markdown, int line);

#endif

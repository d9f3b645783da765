/* yaml_text: from a scalar as it stands in the file to its text: folds, escapes, block indentation. Knows no parser.
 *
 * Our own, because libfyaml 0.7 gets some of them wrong: 'a''''b' reads as a'''b, a folded block loses an empty line
 * before an indented one and gains a NUL, and a backslash pair before an escaped newline turns into a space. */
#ifndef CORE_YAML_TEXT_H
#define CORE_YAML_TEXT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* UTF-8 without NUL; else where the first bad byte stands, from 1. */
bool yaml_text_valid(const char *text, size_t length, int *ret_line, int *ret_column);
/* Without byte order mark, every CRLF or CR as one newline. The text itself, or *ret_copy when something had to go. */
const char *yaml_text_normal(const char *text, size_t *length, char **ret_copy);

/* What stands between the quotes, or a plain scalar; newlines are "\n" alone. Well-formed: libfyaml has checked it. */
void yaml_text_plain(GString *text, const char *raw, size_t length);
void yaml_text_single_quoted(GString *text, const char *raw, size_t length);
void yaml_text_double_quoted(GString *text, const char *raw, size_t length);

/* The header of a block scalar: "|", ">2-", "|+1 # comment". */
struct yaml_block {
    bool folded;
    char chomping; /* '-', '+', or 0 for clip */
    int indent;    /* columns that belong to the block, not to its text; 0 = as the first line has */
};
/* Finds the header in what precedes the block's first line, from where the token before it ends. `parent` is the
 * indentation of the collection that the block stands in. */
void yaml_text_header(const char *from, size_t length, int parent, struct yaml_block *ret);
/* False when the lines are not indented more than `parent`: libfyaml takes what follows an empty block for its text. */
bool yaml_text_block(GString *text, const char *raw, size_t length, const struct yaml_block *block, int parent);

#endif

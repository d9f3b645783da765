/* text_diff: how one text differs from another, line by line, for people. */
#ifndef CORE_TEXT_DIFF_H
#define CORE_TEXT_DIFF_H

/* Every line of both in order: "  same", "- only in before", "+ only in after"; each ends with a newline. g_free. */
char *text_diff(const char *before, const char *after);

#endif

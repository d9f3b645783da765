/* front_matter: the settings between --- lines at the top of a markdown file, found but not read. Knows no key but
 * `hikeshi`. */
#ifndef JOBS_FRONT_MATTER_H
#define JOBS_FRONT_MATTER_H

#include <stdbool.h>
#include <stddef.h>

enum front_matter_kind {
    FRONT_MATTER_NONE,
    FRONT_MATTER_YAML,
    FRONT_MATTER_TOML, /* +++ lines, as Hugo has them */
    FRONT_MATTER_OPEN, /* begins with --- and a key, and never ends */
};

struct front_matter {
    enum front_matter_kind kind;
    size_t start, length; /* of what stands between the lines; bytes */
    size_t body;          /* where the markdown begins */
    int body_line;        /* lines before the body */
    bool says_hikeshi; /* a line begins with "hikeshi:": the file is meant as a runbook even when it does not parse */
};

/* A byte order mark is skipped. Never fails. */
struct front_matter front_matter_find(const char *text, size_t length);

#endif

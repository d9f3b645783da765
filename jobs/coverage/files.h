/* files: walks folders for files of some kinds, in a stable order, without following links. */
#ifndef JOBS_COVERAGE_FILES_H
#define JOBS_COVERAGE_FILES_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct files {
    const char *root;  /* set by files_each(): the repository of the given path; paths are told relative to it */
    GPtrArray *ignore; /* GPatternSpec*, matched against the relative path and each of its parts' names */
    const char *const *suffixes; /* ".yaml", …, NULL-terminated */
    size_t max_bytes;            /* larger files are skipped */
    void (*file)(void *arg, const char *path, const char *text, size_t length);
    void (*skip)(void *arg, const char *path, const char *reason);
    void *arg;
    GHashTable *seen; /* absolute paths that were told already: folders may overlap */
};

/* Walks each of paths (folders or files; NULL = none). ERROR_INVALID when one of them is not there. */
bool files_each(struct files *files, char *const *paths, GError **error);

#endif

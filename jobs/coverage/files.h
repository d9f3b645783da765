/* files: which files below a given folder coverage reads, in a stable order, without following links. Reads none. */
#ifndef JOBS_COVERAGE_FILES_H
#define JOBS_COVERAGE_FILES_H

#include <glib.h>
#include <stdbool.h>

/* A folder or file that was asked for. */
struct place {
    char *path; /* absolute, links resolved */
    char *root; /* the repository that holds it, else the folder itself: paths are told relative to it */
    bool folder;
    bool gone; /* not on disk (any more) */
};
/* ERROR_INVALID when there is no such path and `may_be_gone` is not set. */
struct place *place_new(const char *path, bool may_be_gone, GError **error);
void place_free(struct place *place);
/* A path below the place's root, relative to it; "" for the root itself. Borrowed from `path`. */
const char *place_relative(const struct place *place, const char *path);

struct files {
    const GPtrArray *ignore;     /* GPatternSpec*, matched against the relative path and each of its parts' names */
    const char *const *suffixes; /* ".yaml", …, NULL-terminated */
    void (*file)(void *arg, const char *path, const char *relative);
    void (*skip)(void *arg, const char *path, const char *relative, const char *reason);
    void *arg;
};
/* Tells every file of the place. A file that was named by hand is told whatever its name is. */
void files_each(const struct files *files, const struct place *place);
/* Whether files_each() would come to a file of this absolute path if it were there. */
bool files_include(const struct files *files, const struct place *place, const char *path);

#endif

/* place: where a file of a repository stands on this disk, and the repository's working tree around it. */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include "jobs/catalog.h"
#include <glib.h>
#include <stdbool.h>

struct place {
    char *root;   /* of the repository: the nearest folder above with .git or hikeshi/, else the file's own */
    char *folder; /* of the file, relative to root; "." */
    char *path;   /* the file, relative to root */
};

/* ERROR_USAGE when there is no such file. */
bool place_find(const char *file, struct place *ret, GError **error);
void place_clear(struct place *place);

/* The runbook that stands at `place`; what is wrong with it goes to stderr. *ret_set owns it and is to be unref'd, also
 * after an error. ERROR_PARSE, ERROR_INVALID for a document. */
const struct runbook *place_load(const struct place *place, struct catalog_set **ret_set, GError **error);

#endif

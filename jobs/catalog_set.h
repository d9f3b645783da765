/* catalog_set: builds the immutable snapshot that is in service out of the trees of all repositories. */
#ifndef JOBS_CATALOG_SET_H
#define JOBS_CATALOG_SET_H

#include "jobs/catalog.h"
#include "jobs/catalog_tree.h"

struct catalog_part {
    const char *name;
    struct catalog_tree *tree; /* NULL: nothing read yet */
};

struct catalog_set_options {
    const struct catalog_part *parts;
    size_t count;
    bool prefix;                  /* ids and paths in findings are "REPOSITORY:…" */
    const char *rules_repository; /* gives inventory and teams; NULL: the first part that has the file */
    const char *inventory, *teams;
};

struct catalog_set *catalog_set_new(const struct catalog_set_options *options);

#endif

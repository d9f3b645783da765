/* catalog_read: one commit of a mirror, or a working tree, as a catalog_tree. Blocks: off the loop, or before it runs.
 */
#ifndef JOBS_CATALOG_READ_H
#define JOBS_CATALOG_READ_H

#include "jobs/catalog_tree.h"

/* The commit of a branch (NULL: HEAD) of a mirror. Returns `previous` again (a new reference) when it is that commit
 * already; NULL without error when there is no mirror or no such branch yet. */
struct catalog_tree *catalog_read_mirror(const char *mirror, const char *branch, const struct catalog_layout *layout,
                                         struct catalog_tree *previous, GError **error);
struct catalog_tree *catalog_read_working_tree(const char *folder, const struct catalog_layout *layout, GError **error);

#endif

/* catalog_file: reading one file of a tree; its struct is in catalog_tree.h. */
#ifndef JOBS_CATALOG_FILE_H
#define JOBS_CATALOG_FILE_H

#include "jobs/catalog_tree.h"

/* Never NULL: what cannot be read or parsed is a file with findings and without a value. */
struct catalog_file *catalog_file_read(enum catalog_file_kind kind, const char *path, const char *blob,
                                       const struct catalog_reader *reader);

#endif

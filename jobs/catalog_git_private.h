/* catalog_git_private: what the files of the libgit2 adapter share. Private to jobs/catalog_git*.c. */
#ifndef JOBS_CATALOG_GIT_PRIVATE_H
#define JOBS_CATALOG_GIT_PRIVATE_H

#include "jobs/catalog_git.h"
#include <git2.h>

struct catalog_git {
    git_repository *repository;
    char *folder; /* of a checkout: absolute, real, no slash at its end; NULL for a mirror */
};

void catalog_git_start(void); /* libgit2, once */
struct catalog_git *catalog_git_take(git_repository *repository);
char *catalog_git_hex(const git_oid *id);
/* libgit2's last message on one line (g_free). After a cancelled operation there is none. */
char *catalog_git_message(void);
/* ERROR_GIT: "WHAT 'SUBJECT': libgit2's message". */
void catalog_git_fail(GError **error, const char *what, const char *subject);

#endif

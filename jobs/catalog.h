/* catalog: the repositories' mirrors and the one commit of each that is in service.
 *
 * A mirror is a bare repository under DATA/repositories/NAME.git, fetched by a child process (`hikeshi git-fetch`,
 * killable: libgit2 has no time-out). A new commit is read off the loop, blob by blob; only changed blobs are parsed;
 * then the whole set is switched at once. A file that does not parse keeps its last good version, with its findings. */
#ifndef JOBS_CATALOG_H
#define JOBS_CATALOG_H

#include "core/config.h"
#include "core/finding.h"
#include "core/loop.h"
#include "jobs/runbook.h"

struct catalog;

/* An immutable snapshot; reference counted (atomic); its runbooks live as long as it. */
struct catalog_set {
    GPtrArray *runbooks;          /* struct runbook* (runbooks and documents), sorted by id */
    json_t *inventory, *policies; /* wire shapes */
    json_t *modules; /* of the first repository: {"hikeshi/lib/x.lua": text}; of another: catalog_set_modules() */
    struct finding_list *findings;
    json_t *commits; /* {repository: commit} */
};
struct catalog_set *catalog_set_ref(struct catalog_set *set);
void catalog_set_unref(struct catalog_set *set);
/* By id or alias; "REPO:ID" when several repositories. Documents are not returned. Borrowed. */
const struct runbook *catalog_set_runbook(const struct catalog_set *set, const char *id);
/* The modules of one repository, at the same commit as its runbooks. Borrowed, never NULL. */
json_t *catalog_set_modules(const struct catalog_set *set, const char *repository);

/* Repositories come from the configuration: `repositories`, or the one of `repo`, which is called "default".
 * changed(arg) comes on the loop after each switch. Reads what the mirrors already have before returning (start with
 * the remote down works), then fetches. ERROR_CONFIG with file:line:column. */
struct catalog *catalog_new(struct loop *loop, struct config *config, const char *data_folder,
                            void (*changed)(void *arg), void *arg, GError **error);
void catalog_free(struct catalog *catalog);
struct catalog_set *catalog_current(struct catalog *catalog);       /* borrowed; take a reference to keep it */
void catalog_poll(struct catalog *catalog, const char *repository); /* fetch now (push webhook); NULL = all */
/* [{"name","url","branch","commit","fetched_at","error","runbooks","documents","findings"}]; the URL without
 * credentials. */
json_t *catalog_status(struct catalog *catalog);

/* There is such a repository, and it has a push secret. */
bool catalog_takes_push(struct catalog *catalog, const char *repository);
/* Checks X-Hub-Signature-256 of a push webhook for a repository and polls it. False: bad signature or unknown. */
bool catalog_push(struct catalog *catalog, const char *repository, const char *signature, const char *body,
                  size_t length);

/* The working tree of a local folder as a set, without Git, for `hikeshi run` and `hikeshi lint`. `folder` is the
 * repository's root (found upwards from a file by `.git` or `hikeshi/`); runbooks_path NULL = "runbooks". The
 * repository is "local", commit NULL. */
struct catalog_set *catalog_read_folder(const char *folder, const char *runbooks_path, GError **error);

/* The child's main (`hikeshi git-fetch`): reads its request as JSON on stdin, which hides it from ps, fetches into the
 * bare mirror and exits 0, or prints one error line on stdout and exits 1. */
void catalog_fetch_main(void) G_GNUC_NORETURN;

#endif

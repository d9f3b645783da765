/* catalog_repository: one configured repository: where it is, how it is read, and the child that fetches it. Knows no
 * runbook. */
#ifndef JOBS_CATALOG_REPOSITORY_H
#define JOBS_CATALOG_REPOSITORY_H

#include "core/config.h"
#include "core/loop.h"
#include <stdbool.h>
#include <stdint.h>

/* As configured; `repositories.NAME` overrides `git.*`. */
struct catalog_repository_settings {
    char *url, *branch, *path;
    char *user, *token, *identity, *passphrase, *known_hosts, *push_secret; /* token … push_secret: secret references */
    int64_t poll_ms, timeout_ms;
};

struct catalog_repository {
    char *name, *mirror;
    struct catalog_repository_settings settings;
    /* Fetching */
    struct loop *loop;
    struct loop_timer *poll_timer, *deadline;
    struct loop_child *child;
    int output_fd;
    bool again; /* asked for while a fetch is under way */
    bool timed_out;
    int64_t fetched_at_ms; /* of the last success; 0 = never */
    char *error;           /* of the last fetch, NULL = it worked */
    /* After each fetch that worked. */
    void (*fetched)(void *arg, struct catalog_repository *repository);
    void *arg;
};

/* The repositories of the configuration, sorted by name. GPtrArray of struct catalog_repository*, freed with it.
 * ERROR_CONFIG. */
GPtrArray *catalog_repositories_new(struct loop *loop, struct config *config, const char *data_folder, GError **error);
void catalog_repository_free(struct catalog_repository *repository);

/* Stops polling and kills a fetch under way; the loop's handles are closed after it. */
void catalog_repository_stop(struct catalog_repository *repository);

/* Fetches now, or once more when a fetch is under way; then every poll_ms. */
void catalog_repository_fetch(struct catalog_repository *repository);

#endif

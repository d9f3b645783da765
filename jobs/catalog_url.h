/* catalog_url: what a repository's URL says: which transport, which host, what may be shown of it. Knows no Git
 * library. */
#ifndef JOBS_CATALOG_URL_H
#define JOBS_CATALOG_URL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum catalog_transport { CATALOG_LOCAL, CATALOG_HTTPS, CATALOG_SSH };

struct catalog_url {
    enum catalog_transport transport;
    char *host; /* NULL for local paths */
    uint16_t port;
};

/* Local paths, file://, https://, ssh:// and user@host:path. Plain http:// only to this machine; other schemes would
 * let whoever sits on the network change runbooks: ERROR_CONFIG. */
bool catalog_url_parse(const char *url, struct catalog_url *ret, GError **error);
void catalog_url_clear(struct catalog_url *url);
/* The URL without a password or user, for logs and the API. g_free. */
char *catalog_url_public(const char *url);

#endif

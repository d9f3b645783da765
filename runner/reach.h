/* reach: which servers steps may reach with http, by runner.http of the configuration. Knows names and addresses, no
 * HTTP.
 */
#ifndef RUNNER_REACH_H
#define RUNNER_REACH_H

#include <glib.h>
#include <stdbool.h>
#include <sys/socket.h>

struct reach;
/* rules: NULL-terminated: "off", names, "*.name", addresses and networks; none: all but link-local and cloud metadata
 * addresses. ERROR_CONFIG names the item. */
struct reach *reach_new(const char *const *rules, GError **error);
void reach_free(struct reach *reach);

/* Before anything is looked up; host: a name or an address, in small letters. ERROR_NOT_ALLOWED. */
bool reach_allows_host(const struct reach *reach, const char *host, GError **error);
/* The address that `host` was resolved to. */
bool reach_allows_address(const struct reach *reach, const char *host, const struct sockaddr *address);

typedef struct reach reach_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(reach_t, reach_free)

#endif

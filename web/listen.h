/* listen: listening sockets from text: TCP over IPv4 and IPv6, and Unix sockets. Knows no HTTP. */
#ifndef WEB_LISTEN_H
#define WEB_LISTEN_H

#include <glib.h>

/* "127.0.0.1:8460", "[::1]:0", "localhost:8460". Returns a listening, non-blocking descriptor, or -1: ERROR_INVALID,
 * ERROR_IO. *ret_address has the real port; g_free. A name is looked up, blocking: for start-up only. */
int listen_tcp(const char *text, char **ret_address, GError **error);

/* A socket file, mode 0600. A file left by a process that is gone is replaced; one that answers is "already in use". */
int listen_unix(const char *path, GError **error);

#endif

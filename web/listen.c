/* listen: see listen.h. */
#include "web/listen.h"
#include "core/errors.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

/* Splits "host:port" and "[v6]:port". A bare IPv6 address is refused: its last group would read as a port. */
static bool split_address(const char *text, char **ret_host, char **ret_port, GError **error)
{
    const char *colon = strrchr(text, ':');
    size_t length = colon != NULL ? (size_t)(colon - text) : 0;
    bool bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
    if (colon == NULL || length == 0 || (!bracketed && memchr(text, ':', length) != NULL)) {
        errors_set(error, ERROR_INVALID, "cannot listen on '%s': expected HOST:PORT or [IPV6]:PORT", text);
        return false;
    }
    guint64 port = 0;
    if (!g_ascii_string_to_unsigned(colon + 1, 10, 0, 65535, &port, NULL)) {
        errors_set(error, ERROR_INVALID, "cannot listen on '%s': the port must be a number from 0 to 65535", text);
        return false;
    }
    *ret_host = bracketed ? g_strndup(text + 1, length - 2) : g_strndup(text, length);
    *ret_port = g_strdup(colon + 1);
    return true;
}

static int bind_and_listen(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info->ai_protocol);
    if (fd < 0)
        return -1;
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static char *address_of(int fd)
{
    struct sockaddr_storage storage = {0};
    socklen_t length = sizeof storage;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getsockname(fd, (struct sockaddr *)&storage, &length) != 0 ||
        getnameinfo((struct sockaddr *)&storage, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return g_strdup("?");
    return storage.ss_family == AF_INET6 ? g_strdup_printf("[%s]:%s", host, port)
                                         : g_strdup_printf("%s:%s", host, port);
}

int listen_tcp(const char *text, char **ret_address, GError **error)
{
    g_autofree char *host = NULL, *port = NULL;
    if (!split_address(text, &host, &port, error))
        return -1;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0) {
        errors_set(error, ERROR_INVALID, "cannot listen on '%s': %s", text, gai_strerror(code));
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *info = found; info != NULL && fd < 0; info = info->ai_next)
        fd = bind_and_listen(info);
    int saved = errno;
    freeaddrinfo(found);
    if (fd < 0) {
        errors_set(error, ERROR_IO, "cannot listen on '%s': %s", text, g_strerror(saved));
        return -1;
    }
    *ret_address = address_of(fd);
    return fd;
}

static bool somebody_answers(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answered = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0)
        close(fd);
    return answered;
}

int listen_unix(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errors_set(error, ERROR_INVALID, "cannot listen on '%s': a socket's path has at most %zu characters", path,
                   sizeof address.sun_path - 1);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode)) {
        if (somebody_answers(&address)) {
            errors_set(error, ERROR_IO, "cannot listen on '%s': already in use by a living process", path);
            return -1;
        }
        (void)unlink(path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* On Linux the file takes its mode from the socket: no moment at which others could connect. */
    if (fd >= 0 && fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    errors_set(error, ERROR_IO, "cannot listen on '%s': %s", path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

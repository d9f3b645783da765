/* loop_resolve: getaddrinfo on threads of its own, because a dead DNS server holds each of them for half a minute.
 * Knows no caching: the system's resolver decides. */
#include "core/errors.h"
#include "core/loop_private.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

enum { RESOLVE_THREADS = 16 };

/* Shared by the loop (until done or cancel) and the thread (until it has posted). */
struct loop_resolve {
    gatomicrefcount references;
    struct loop *loop; /* loop thread only */
    struct loop_mailbox *mailbox;
    char *host;
    uint16_t port;
    GPtrArray *addresses;
    GError *error;
    void (*done)(void *arg, GPtrArray *addresses, const GError *error); /* NULL: cancelled */
    void *arg;
};

static void resolve_unref(struct loop_resolve *resolve)
{
    if (!g_atomic_ref_count_dec(&resolve->references))
        return;
    loop_mailbox_unref(resolve->mailbox);
    g_free(resolve->host);
    g_clear_pointer(&resolve->addresses, g_ptr_array_unref);
    g_clear_error(&resolve->error);
    g_free(resolve);
}

/* On the loop. Drops the thread's reference and, when the owner still waits, the owner's. */
static void resolve_finish(void *arg)
{
    struct loop_resolve *resolve = arg;
    if (resolve->done != NULL) {
        loop_release(resolve->loop);
        resolve->done(resolve->arg, g_steal_pointer(&resolve->addresses), resolve->error);
        resolve_unref(resolve);
    }
    resolve_unref(resolve);
}

static void lookup(struct loop_resolve *resolve, int flags)
{
    char service[8];
    g_snprintf(service, sizeof service, "%u", resolve->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(resolve->host, service, &hints, &found);
    if (result != 0) {
        errors_set(&resolve->error, ERROR_DNS, "cannot resolve '%s': %s", resolve->host, gai_strerror(result));
        return;
    }
    for (struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        if ((at->ai_family != AF_INET && at->ai_family != AF_INET6) || at->ai_addrlen > sizeof(struct sockaddr_storage))
            continue;
        struct loop_address *address = g_new0(struct loop_address, 1);
        address->family = at->ai_family;
        address->length = at->ai_addrlen;
        memcpy(address->bytes, at->ai_addr, at->ai_addrlen);
        g_ptr_array_add(resolve->addresses, address);
    }
    freeaddrinfo(found);
    if (resolve->addresses->len == 0)
        errors_set(&resolve->error, ERROR_DNS, "cannot resolve '%s': no IPv4 or IPv6 address", resolve->host);
}

static void resolve_run(void *data, void *unused)
{
    (void)unused;
    struct loop_resolve *resolve = data;
    lookup(resolve, AI_ADDRCONFIG);
    if (!loop_mailbox_post(resolve->mailbox, resolve_finish, resolve))
        resolve_unref(resolve);
}

static void *pool_new(void *unused)
{
    (void)unused;
    return g_thread_pool_new(resolve_run, NULL, RESOLVE_THREADS, FALSE, NULL);
}

/* "[2001:db8::1]" is how an IPv6 address stands beside a port; getaddrinfo wants it bare. */
static char *bare_host(const char *host)
{
    size_t length = strlen(host);
    return length > 2 && host[0] == '[' && host[length - 1] == ']' ? g_strndup(host + 1, length - 2) : g_strdup(host);
}

/* Digits, dots, colons: never a thread. A scope ("fe80::1%eth0") is numeric too. */
static bool is_numeric(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || strchr(host, ':') != NULL;
}

struct loop_resolve *loop_resolve(struct loop *loop, const char *host, uint16_t port,
                                  void (*done)(void *arg, GPtrArray *addresses, const GError *error), void *arg)
{
    static GOnce pool = G_ONCE_INIT;
    struct loop_resolve *resolve = g_new0(struct loop_resolve, 1);
    g_atomic_ref_count_init(&resolve->references);
    g_atomic_ref_count_inc(&resolve->references);
    resolve->loop = loop;
    resolve->mailbox = loop_mailbox_ref(loop);
    resolve->host = bare_host(host);
    resolve->port = port;
    resolve->addresses = g_ptr_array_new_with_free_func(g_free);
    resolve->done = done;
    resolve->arg = arg;
    loop_hold(loop);
    if (is_numeric(resolve->host)) {
        lookup(resolve, AI_NUMERICHOST);
        loop_post(loop, resolve_finish, resolve);
    } else {
        g_thread_pool_push(g_once(&pool, pool_new, NULL), resolve, NULL);
    }
    return resolve;
}

void loop_resolve_cancel(struct loop_resolve *resolve)
{
    if (resolve == NULL)
        return;
    resolve->done = NULL;
    loop_release(resolve->loop);
    resolve_unref(resolve);
}

/* web: the two servers and their life. Routes are in web/api/, a request's way through them in call.c. */
#include "web/web.h"
#include "core/limits.h"
#include "core/wire.h"
#include "web/call.h"
#include "web/log_reader.h"

/* Everything on this machine, and what the configuration says stands in front of us: behind a reverse proxy all clients
 * have its address. */
static char **unlimited(const struct config *config)
{
    static const char *const loopback[] = {"127.0.0.0/8", "::1", NULL};
    g_autoptr(GStrvBuilder) networks = g_strv_builder_new();
    g_strv_builder_addv(networks, (const char **)(uintptr_t)loopback);
    g_strv_builder_addv(networks, (const char **)(uintptr_t)config_list(config, "http.proxies"));
    return g_strv_builder_end(networks);
}

static struct server *open_public(struct web *web, GError **error)
{
    const struct config *config = web->jobs->config;
    g_auto(GStrv) networks = unlimited(config);
    const struct server_options options = {
        .listen = config_string(config, "listen"),
        .admit = web_admit_public,
        .handler = web_call_public,
        .arg = web,
        .request_timeout_ms = (uint64_t)config_duration_ms(config, "http.request_timeout"),
        .connections_per_address = (unsigned)config_integer(config, "http.connections_per_address"),
        .unlimited = (const char *const *)networks,
    };
    return server_new(web->jobs->loop, &options, error);
}

/* The runner's socket is its owner's alone: nobody there is slow on purpose. */
static struct server *open_local(struct web *web, GError **error)
{
    g_autofree char *path = g_build_filename(web->jobs->data_folder, WIRE_SOCKET_NAME, NULL);
    const struct server_options options = {
        .unix_socket = path, .admit = web_admit_runner, .handler = web_call_runner, .arg = web};
    return server_new(web->jobs->loop, &options, error);
}

struct web *web_new(struct jobs *jobs, GError **error)
{
    struct web *web = g_new0(struct web, 1);
    web->jobs = jobs;
    web->log_readers = log_readers_new(jobs);
    web->api_bodies.most = LIMIT_BODIES_OF_API_BYTES;
    web->open_bodies.most = LIMIT_BODIES_OF_OPEN_BYTES;
    web->source_bodies = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    web->server = open_public(web, error);
    if (web->server != NULL)
        web->local = open_local(web, error);
    if (web->local != NULL)
        return web;
    web_free(web);
    return NULL;
}

char *web_address(const struct web *web)
{
    return server_address(web->server);
}

void web_drain(struct web *web)
{
    server_quiesce(web->server);
}

void web_free(struct web *web)
{
    if (web == NULL)
        return;
    log_readers_free(web->log_readers);
    server_free(web->server);
    server_free(web->local);
    g_hash_table_unref(web->source_bodies);
    g_free(web);
}

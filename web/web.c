/* web: the two servers and their life. Routes are in web/api/, a request's way through them in call.c. */
#include "web/web.h"
#include "core/wire.h"
#include "web/call.h"
#include "web/log_reader.h"

static struct server *open_server(struct web *web, const char *listen, const char *unix_socket, GError **error)
{
    const struct server_options options = {
        .listen = listen,
        .unix_socket = unix_socket,
        .body_limit = web_body_limit,
        .handler = unix_socket != NULL ? web_call_runner : web_call_public,
        .arg = web,
    };
    return server_new(web->jobs->loop, &options, error);
}

struct web *web_new(struct jobs *jobs, GError **error)
{
    struct web *web = g_new0(struct web, 1);
    web->jobs = jobs;
    web->log_readers = log_readers_new(jobs);
    g_autofree char *socket_path = g_build_filename(jobs->data_folder, WIRE_SOCKET_NAME, NULL);
    web->server = open_server(web, config_string(jobs->config, "listen"), NULL, error);
    if (web->server != NULL)
        web->local = open_server(web, NULL, socket_path, error);
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
    g_free(web);
}

/* server_body: whether a request's body may come, and keeping it. See server.h.
 *
 * A body costs memory only after its request was admitted, and then at most what three accounts have left: the
 * server's, its address's, and the budget that it was admitted to. One that may not come is not waited for. */
#include "core/errors.h"
#include "web/server_private.h"
#include <string.h>

/* A body without (believable) Content-Length starts with this and doubles. */
#define BODY_FIRST_BYTES ((size_t)64 * 1024)
/* What turns out to be over the limit is read to the end, as libmicrohttpd takes no answer in the middle; up to so many
 * limits. */
#define DROP_FACTOR 4

/* --- may it come?
 * -------------------------------------------------------------------------------------------------------------- */

static enum MHD_Result wait_for_decision(struct server_request *request)
{
    request->phase = REQUEST_PENDING;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

static enum MHD_Result answer_without_it(struct server_request *request)
{
    linger_start(request);
    return request_answer_now(request);
}

enum MHD_Result body_decided(struct server_request *request)
{
    if (request->response != NULL)
        return answer_without_it(request);
    if (!request->admitted)
        return request->server->stopping ? MHD_NO : wait_for_decision(request);
    if (request->content_length > request->body_limit) {
        if (request->waits_for_continue || request->content_length / DROP_FACTOR > request->body_limit)
            return request_refuse(request, ERROR_TOO_LARGE, "the body is too large");
        request->refusal = ERROR_TOO_LARGE;
    } else if (request->content_length > 0) {
        request->body_capacity = MIN((size_t)request->content_length, BODY_FIRST_BYTES);
    }
    request->phase = REQUEST_READING;
    return MHD_YES;
}

enum MHD_Result body_announced(struct server_request *request)
{
    const struct server_options *options = &request->server->options;
    request->phase = REQUEST_ADMITTING;
    if (options->admit != NULL)
        options->admit(options->arg, request);
    else
        server_admit(request, options->max_body, NULL);
    return body_decided(request);
}

void server_admit(struct server_request *request, size_t max_body, struct server_budget *budget)
{
    if (request->connection == NULL || request->response != NULL || request->admitted)
        return;
    request->admitted = true;
    request->body_limit = max_body;
    request->budget = budget;
    if (request->phase == REQUEST_PENDING)
        server_resume(request->server, request->connection);
}

/* --- keeping it
 * -------------------------------------------------------------------------------------------------------------- */

static bool charge(struct server_request *request, size_t bytes)
{
    struct server *server = request->server;
    struct server_peer *peer = connection_peer(request->socket);
    struct server_budget *budget = request->budget;
    if (server->body_bytes + bytes > LIMIT_BODIES_BYTES ||
        (peer != NULL && peer->body_bytes + bytes > LIMIT_BODIES_OF_ADDRESS_BYTES) ||
        (budget != NULL && budget->used + bytes > budget->most))
        return false;
    server->body_bytes += bytes;
    if (peer != NULL)
        peer->body_bytes += bytes;
    if (budget != NULL)
        budget->used += bytes;
    return true;
}

void body_drop(struct server_request *request)
{
    if (request->body == NULL)
        return;
    struct server_peer *peer = connection_peer(request->socket);
    request->server->body_bytes -= request->body_capacity;
    if (peer != NULL)
        peer->body_bytes -= request->body_capacity;
    if (request->budget != NULL)
        request->budget->used -= request->body_capacity;
    g_clear_pointer(&request->body, g_free);
    request->body_length = request->body_capacity = 0;
}

static bool make_room(struct server_request *request, size_t length)
{
    size_t needed = request->body_length + length;
    if (request->body != NULL && needed <= request->body_capacity)
        return true;
    size_t capacity = MAX(request->body_capacity, (size_t)512);
    while (capacity < needed)
        capacity *= 2;
    if (!charge(request, request->body != NULL ? capacity - request->body_capacity : capacity))
        return false;
    request->body = g_realloc(request->body, capacity + 1);
    request->body_capacity = capacity;
    return true;
}

enum MHD_Result body_take(struct server_request *request, const char *bytes, size_t *length)
{
    size_t taken = *length;
    *length = 0;
    if (request->refusal < 0) {
        if (request->body_length + taken > request->body_limit)
            request->refusal = ERROR_TOO_LARGE;
        else if (!make_room(request, taken))
            request->refusal = ERROR_BUSY;
    }
    if (request->refusal >= 0) {
        body_drop(request);
        request->dropped += taken;
        return request->dropped / DROP_FACTOR > request->body_limit ? MHD_NO : MHD_YES;
    }
    memcpy(request->body + request->body_length, bytes, taken);
    request->body_length += taken;
    request->body[request->body_length] = '\0';
    return MHD_YES;
}

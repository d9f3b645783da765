/* hooks: webhooks into the control plane. Knows no sender: authenticity, status and meaning are the source's kind's. */
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/catalog.h"
#include "jobs/delivery.h"
#include "web/call.h"
#include "web/raw.h"
#include <string.h>

static const char *header_of(void *arg, const char *name)
{
    return server_header(arg, name);
}

static const char *query_of(void *arg, const char *name)
{
    return server_query(arg, name);
}

/* The code of a refusal, for problem+json: the status says more than one code's, and is the sender's contract. */
static const char *code_of(int status)
{
    switch (status) {
    case 401:
        return errors_code(ERROR_UNAUTHENTICATED);
    case 403:
        return errors_code(ERROR_BAD_SIGNATURE);
    case 404:
        return errors_code(ERROR_NOT_FOUND);
    case 413:
        return errors_code(ERROR_TOO_LARGE);
    case 429:
    case 503:
        return errors_code(ERROR_BUSY);
    default:
        return errors_code(status < 500 ? ERROR_INVALID : ERROR_INTERNAL);
    }
}

static void received(void *arg, int status, int retry_after_s, const char *message)
{
    struct server_request *request = arg;
    g_autofree char *retry = retry_after_s > 0 ? g_strdup_printf("Retry-After: %d", retry_after_s) : NULL;
    const char *const headers[] = {retry, NULL};
    if (status < 400) {
        static const char accepted[] = "{\"accepted\":true}";
        server_answer(request, status, "application/json", headers, accepted, sizeof accepted - 1);
    } else {
        server_answer_problem(request, status, code_of(status), message != NULL ? message : "refused", headers);
    }
    server_request_unref(request);
}

/* Each has a share of the memory: a flood to one source leaves the others alone. Only of names that exist. */
static struct server_budget *budget_of(struct web *web, const char *name)
{
    struct server_budget *budget = g_hash_table_lookup(web->source_bodies, name);
    if (budget != NULL)
        return budget;
    budget = g_new0(struct server_budget, 1);
    budget->most = LIMIT_BODIES_OF_SOURCE_BYTES;
    g_hash_table_insert(web->source_bodies, g_strdup(name), budget);
    return budget;
}

void hook_admit(struct web_call *call)
{
    g_autofree char *name = route_param(&call->params, "source");
    const struct source_request headers = {.header = header_of, .query = query_of, .arg = call->request, .body = ""};
    struct server_request *request = server_request_ref(call->request);
    if (!delivery_admit(call->web->jobs, name != NULL ? name : "", &headers, received, request))
        return; /* answered, and let go of there */
    server_admit(request, LIMIT_WEBHOOK_BODY_BYTES, budget_of(call->web, name));
    server_request_unref(request);
}

void hook_serve(struct web_call *call)
{
    g_autofree char *name = route_param(&call->params, "source");
    struct source_request delivery = {.header = header_of, .query = query_of, .arg = call->request};
    delivery.body = server_body(call->request, &delivery.body_length);
    delivery_receive(call->web->jobs, name != NULL ? name : "", &delivery, received, server_request_ref(call->request));
}

static void answer_push(struct web_call *call, int status)
{
    received(server_request_ref(call->request), status, 0,
             "the repository is unknown, has no push secret, or X-Hub-Signature-256 does not match");
}

void hook_admit_push(struct web_call *call)
{
    g_autofree char *repository = route_param(&call->params, "repository");
    if (repository == NULL || server_header(call->request, "X-Hub-Signature-256") == NULL ||
        !catalog_takes_push(call->web->jobs->catalog, repository)) {
        answer_push(call, 403);
        return;
    }
    g_autofree char *name = g_strconcat("git/", repository, NULL);
    server_admit(call->request, LIMIT_WEBHOOK_BODY_BYTES, budget_of(call->web, name));
}

void hook_serve_push(struct web_call *call)
{
    g_autofree char *repository = route_param(&call->params, "repository");
    size_t length = 0;
    const char *body = server_body(call->request, &length);
    const char *signature = server_header(call->request, "X-Hub-Signature-256");
    bool ok = repository != NULL && signature != NULL &&
              catalog_push(call->web->jobs->catalog, repository, signature, body, length);
    answer_push(call, ok ? 202 : 403);
}

/* go: /go/RUNBOOK, a link that people click: GET shows a form and changes nothing, POST starts the run as the person
 * whose API token stands in the form. There is no session: the same form sent again (a reload) shows the same run as it
 * is then. */
#include "core/errors.h"
#include "jobs/catalog.h"
#include "jobs/run.h"
#include "jobs/token.h"
#include "web/call.h"
#include "web/form.h"
#include "web/go_page.h"
#include "web/raw.h"
#include <string.h>

#define PARAM_PREFIX "p."

/* One form that was sent. */
struct go {
    struct web *web;
    struct server_request *request;
    struct catalog_set *set;
    const struct runbook *runbook; /* of set */
    json_t *form, *values;         /* as sent; {PARAM: TEXT} of it, without empty ones */
};

static bool has_link(const struct runbook *runbook)
{
    for (guint i = 0; runbook && !runbook->document && i < runbook->triggers->len; i++)
        if (((const struct trigger *)runbook->triggers->pdata[i])->kind == TRIGGER_LINK)
            return true;
    return false;
}

/* Runbooks without a link are not told apart from those that do not exist. */
static const struct runbook *find(struct web_call *call, struct catalog_set *set)
{
    g_autofree char *id = route_param(&call->params, "runbook");
    const struct runbook *runbook = set && id ? catalog_set_runbook(set, id) : NULL;
    if (has_link(runbook))
        return runbook;
    g_autofree char *text = g_strdup_printf("No runbook '%s' can be started by a link.", id ? id : "");
    go_page_problem(call->request, 404, "There is nothing here", text);
    return NULL;
}

static struct catalog_set *current(const struct web *web)
{
    return web->jobs->catalog ? catalog_set_ref(catalog_current(web->jobs->catalog)) : NULL;
}

void go_show(struct web_call *call)
{
    struct catalog_set *set = current(call->web);
    const struct runbook *runbook = find(call, set);
    g_autoptr(json_t) values = server_query_json(call->request);
    if (runbook)
        go_page_form(call->request, 200,
                     &(struct go_form){.runbook = runbook, .values = values, .inventory = set->inventory});
    if (set)
        catalog_set_unref(set);
}

/* ---- a form that was sent ---- */

/* Browsers say where a form came from; what says nothing is no browser, and has the API. */
static bool same_origin(const struct server_request *request)
{
    const char *site = server_header(request, "Sec-Fetch-Site"), *origin = server_header(request, "Origin"),
               *host = server_header(request, "Host");
    if (site)
        return strcmp(site, "same-origin") == 0;
    const char *authority = origin ? strstr(origin, "://") : NULL;
    return authority && host && g_ascii_strcasecmp(authority + strlen("://"), host) == 0;
}

static void go_free(struct go *go)
{
    server_request_unref(go->request);
    json_decref(go->form);
    json_decref(go->values);
    catalog_set_unref(go->set);
    g_free(go);
}

static void again(const struct go *go, int status, const char *problem)
{
    const struct go_form form = {.runbook = go->runbook,
                                 .values = go->values,
                                 .inventory = go->set->inventory,
                                 .reason = json_get_string(go->form, "reason", NULL),
                                 .problem = problem};
    go_page_form(go->request, status, &form);
}

static void started(void *arg, json_t *run, const GError *error)
{
    struct go *go = arg;
    if (error)
        again(go, errors_http_status(errors_of(error)), error->message);
    else
        go_page_run(go->request, run);
    go_free(go);
}

static void start(struct go *go, const struct actor *actor)
{
    struct actor person = *actor;
    const char *reason = json_get_string(go->form, "reason", "");
    g_autoptr(json_t) request = json_pack("{s:s, s:s, s:{s:O, s:s*}}", "runbook", go->runbook->id, "idempotency_key",
                                          json_get_string(go->form, "key", ""), "body", "params", go->values, "reason",
                                          *reason ? reason : NULL);
    person.via = "link";
    run_start_link(go->web->jobs, request, &person, started, go);
}

static const struct actor *person_of(const struct go *go)
{
    g_autofree char *token = g_strstrip(g_strdup(json_get_string(go->form, "token", "")));
    return *token ? token_actor(go->web->jobs, token) : NULL;
}

static void authorised(struct go *go, const struct actor *actor)
{
    if (!actor) {
        again(go, 401, "The API token is unknown, expired or revoked.");
    } else if (!route_role_allows(actor->role, ROLE_OPERATOR)) {
        g_autofree char *text = g_strdup_printf("Starting needs the role operator; the token '%s' has %s.", actor->name,
                                                role_name(actor->role));
        again(go, 403, text);
    } else {
        start(go, actor);
        return;
    }
    go_free(go);
}

static void refreshed(void *arg)
{
    struct go *go = arg;
    authorised(go, person_of(go));
}

/* Another process may have made the token. */
static void authorise(struct go *go)
{
    const struct actor *actor = person_of(go);
    if (actor)
        authorised(go, actor);
    else
        token_refresh(go->web->jobs, refreshed, go);
}

static json_t *values_of(const json_t *form)
{
    json_t *values = json_object(), *value;
    const char *name;
    json_object_foreach ((json_t *)form, name, value)
        if (g_str_has_prefix(name, PARAM_PREFIX) && json_string_length(value) > 0)
            json_object_set(values, name + strlen(PARAM_PREFIX), value);
    return values;
}

static json_t *read_form(const struct server_request *request, GError **error)
{
    size_t length;
    const char *body = server_body(request, &length), *type = server_header(request, "Content-Type");
    if (!type || g_ascii_strncasecmp(type, "application/x-www-form-urlencoded", 33) != 0) {
        errors_set(error, ERROR_INVALID, "this takes the form of its page; programs use POST /api/v1/runs");
        return NULL;
    }
    g_autoptr(json_t) form = form_parse(body, length, error);
    if (form && strlen(json_get_string(form, "key", "")) == 0) {
        errors_set(error, ERROR_INVALID, "the form's field 'key' is missing");
        return NULL;
    }
    return g_steal_pointer(&form);
}

void go_start(struct web_call *call)
{
    g_autoptr(GError) error = NULL;
    if (!same_origin(call->request)) {
        go_page_problem(call->request, 403, "Not from here",
                        "This form was sent by another site. Nothing was started.");
        return;
    }
    struct catalog_set *set = current(call->web);
    const struct runbook *runbook = find(call, set);
    json_t *form = runbook ? read_form(call->request, &error) : NULL;
    if (error)
        go_page_problem(call->request, errors_http_status(errors_of(error)), "That cannot be read", error->message);
    if (!form) {
        if (set)
            catalog_set_unref(set);
        return;
    }
    struct go *go = g_new0(struct go, 1);
    *go = (struct go){.web = call->web,
                      .request = server_request_ref(call->request),
                      .set = set,
                      .runbook = runbook,
                      .form = form,
                      .values = values_of(form)};
    authorise(go);
}

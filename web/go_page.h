/* go_page: the two pages behind a link: a form that starts a run, and the run. Plain HTML, readable without scripts, on
 * a phone and in the dark; every text from Git, a query or a run is escaped here. */
#ifndef WEB_GO_PAGE_H
#define WEB_GO_PAGE_H

#include "core/json.h"
#include "jobs/runbook.h"
#include "web/server.h"

struct go_form {
    const struct runbook *runbook;
    const json_t *values; /* {PARAM: TEXT} as given; each is checked, and its problem shown beside it */
    const json_t *inventory;
    const char *reason;  /* as given, or NULL */
    const char *problem; /* of the whole, or NULL */
};
/* The form; answers `status`, or 400 when a value does not fit and status is 200. */
void go_page_form(struct server_request *request, int status, const struct go_form *form);
/* run: product shape. */
void go_page_run(struct server_request *request, const json_t *run);
/* A page that says why there is nothing else. */
void go_page_problem(struct server_request *request, int status, const char *title, const char *text);

#endif

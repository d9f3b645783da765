/* catalog_view: a catalog's snapshot as the API shows it: runbooks, documents, findings, hosts. Pure functions.
 *
 * Lists are {"items":[…],"next"}: `limit` and `after` of the request (text or numbers) choose the page. */
#ifndef JOBS_CATALOG_VIEW_H
#define JOBS_CATALOG_VIEW_H

#include "jobs/catalog.h"

/* Each returns a new reference, or NULL with the error. */
typedef json_t *(*catalog_view_fn)(const struct catalog_set *set, const json_t *request, GError **error);

/* [{"id","title","owner","kind":"runbook|document","severity","repository","path","commit","covers","triggers"}] by id;
 * request: kind, owner. */
json_t *catalog_view_runbooks(const struct catalog_set *set, const json_t *request, GError **error);
/* runbook_to_json() of request.id, an id or an alias. ERROR_NOT_FOUND. */
json_t *catalog_view_runbook(const struct catalog_set *set, const json_t *request, GError **error);
/* Findings in product shape, by file and line; request: level, the least one. ERROR_INVALID for a level that is none.
 */
json_t *catalog_view_findings(const struct catalog_set *set, const json_t *request, GError **error);
/* The wire's hosts by name, without "identity" and the names of passwords: nobody learns which key reaches a host; request: filter. ERROR_PARSE.
 */
json_t *catalog_view_hosts(const struct catalog_set *set, const json_t *request, GError **error);
/* request.id: a name, alias or address. ERROR_NOT_FOUND. */
json_t *catalog_view_host(const struct catalog_set *set, const json_t *request, GError **error);

#endif

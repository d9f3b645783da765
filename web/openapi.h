/* openapi: the route tables as an OpenAPI 3.1 description. */
#ifndef WEB_OPENAPI_H
#define WEB_OPENAPI_H

#include "web/web.h"

/* New reference. */
json_t *openapi_describe(const struct web_route *const *tables);

#endif

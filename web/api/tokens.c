#include "jobs/token.h"
#include "web/api/api.h"

const struct web_route routes_tokens[] = {
    {.method = "GET",
     .path = "/api/v1/tokens",
     .role = ROLE_ADMIN,
     .success = 200,
     .fn = token_list,
     .help = "API tokens, without their text"},
    {.method = "POST",
     .path = "/api/v1/tokens",
     .role = ROLE_ADMIN,
     .success = 201,
     .fn = token_create_request,
     .body = "name! role! expires",
     .help = "make a token; its text is in this answer only"},
    {.method = "DELETE",
     .path = "/api/v1/tokens/{id}",
     .role = ROLE_ADMIN,
     .success = 200,
     .fn = token_revoke,
     .help = "revoke a token"},
    {0},
};

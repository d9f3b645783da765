/* fuzz_route: any path is a route, another method's, or nothing; what stands in for {names} is text or refused. */
#include "web/route.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses method and server. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "DELETE", "PUT", ""};
    if (size == 0)
        return 0;
    g_autofree char *path = g_strndup((const char *)data + 1, size - 1);
    g_autofree char *allow = NULL;
    struct route_params params;
    bool runner = (data[0] & 0x80) != 0;
    const struct web_route *route =
        route_find(web_routes, runner, methods[data[0] % G_N_ELEMENTS(methods)], path, &params, &allow);
    g_assert(route == NULL || allow == NULL);
    if (route == NULL)
        return 0;
    g_assert((route->role == ROLE_RUNNER) == runner);
    g_autoptr(json_t) request = json_object();
    if (route_params_to_json(&params, request))
        g_assert(json_object_size(request) == params.count);
    return 0;
}

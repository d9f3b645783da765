/* listing: what most commands over the API are: a list as a table, one thing as details, or either as JSON. */
#include "cli/client.h"
#include "cli/print.h"
#include "core/errors.h"
#include <string.h>

#define DEFAULT_COUNT 50

int client_usage(const struct cli_call *call, const char *message)
{
    g_autoptr(GError) error = NULL;
    errors_set(&error, ERROR_USAGE, "%s", message);
    return cli_fail(call, &error);
}

static char *list_path(const struct cli_call *call, const char *path, const char *const *filters)
{
    GString *url = g_string_new(path);
    for (size_t i = 0; filters && filters[i]; i++) {
        const char *value = cli_value(call, filters[i]);
        if (!value)
            continue;
        g_string_append_printf(url, "%c%s=", strchr(url->str, '?') ? '&' : '?', filters[i]);
        g_string_append_uri_escaped(url, value, NULL, FALSE);
    }
    return g_string_free(url, FALSE);
}

int client_print_list(struct cli_call *call, const char *path, const char *const *filters, const char *const *headers,
                      const char *const *paths, const char *empty)
{
    g_autoptr(GError) error = NULL;
    gint64 count = filters ? DEFAULT_COUNT : 0;
    g_autofree char *url = list_path(call, path, filters);
    g_autoptr(client_t) client =
        cli_integer(call, "count", 1, 100000, &count, &error) ? client_new(call, &error) : NULL;
    g_autoptr(json_t) page = client ? client_list(client, url, (size_t)count, &error) : NULL;
    if (!page)
        return cli_fail(call, &error);
    if (cli_wants_json(call))
        print_json(page);
    else
        print_items(json_object_get(page, "items"), headers, paths, empty);
    return 0;
}

int client_print_one(struct cli_call *call, const char *prefix, void (*print)(const json_t *value))
{
    g_autoptr(GError) error = NULL;
    g_autoptr(client_t) client = client_new(call, &error);
    g_autofree char *path = client_path(prefix, cli_argument(call, 0), "");
    g_autoptr(json_t) value = client ? client_get(client, path, &error) : NULL;
    if (!value)
        return cli_fail(call, &error);
    if (cli_wants_json(call))
        print_json(value);
    else
        print(value);
    return 0;
}

/* local_inventory: see local_inventory.h. */
#include "cli/local_inventory.h"
#include "cli/client.h"
#include "core/errors.h"
#include "jobs/inventory.h"
#include <stdint.h>
#include <string.h>

#define INVENTORY_PATH "hikeshi/inventory.yaml"

/* The inventory of the repository that we stand in, or NULL. g_free. */
static char *nearest_inventory(void)
{
    g_autofree char *folder = g_get_current_dir();
    for (;;) {
        g_autofree char *path = g_build_filename(folder, INVENTORY_PATH, NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&path);
        g_autofree char *git = g_build_filename(folder, ".git", NULL);
        char *parent = g_path_get_dirname(folder);
        bool top = g_file_test(git, G_FILE_TEST_EXISTS) || strcmp(parent, folder) == 0;
        g_free(folder);
        folder = parent;
        if (top)
            return NULL;
    }
}

static json_t *read_inventory(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) failure = NULL;
    if (!g_file_get_contents(path, &text, &length, &failure)) {
        errors_set(error, ERROR_IO, "cannot read the inventory: %s", failure->message);
        return NULL;
    }
    g_autoptr(finding_list) findings = finding_list_new();
    json_t *inventory = inventory_parse(path, text, length, findings);
    if (inventory == NULL) {
        g_autofree char *first = finding_count(findings) ? finding_to_text(finding_at(findings, 0)) : g_strdup(path);
        errors_set(error, ERROR_PARSE, "%s", first);
    }
    return inventory;
}

json_t *local_inventory(const struct cli_call *call, GError **error)
{
    if (cli_given(call, "inventory"))
        return read_inventory(cli_value(call, "inventory"), error);
    if (cli_given(call, "server") || g_getenv("HIKESHI_SERVER") != NULL) {
        g_autoptr(client_t) client = client_new(call, error);
        g_autoptr(json_t) list = client ? client_list(client, "/hosts", G_MAXINT, error) : NULL;
        return list ? json_incref(json_object_get(list, "items")) : NULL;
    }
    g_autofree char *path = nearest_inventory();
    return path ? read_inventory(path, error) : json_array();
}

/* "10.0.0.1", "web-1.example.com:2222", "[2001:db8::1]:22": a host that no inventory has. New reference, or NULL. */
static json_t *host_from_text(const char *text)
{
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[';
    bool has_port = colon != NULL && (bracketed ? colon[-1] == ']' : strchr(text, ':') == colon);
    gint64 port = 22;
    if (has_port && !g_ascii_string_to_signed(colon + 1, 10, 1, 65535, &port, NULL))
        return NULL;
    g_autofree char *address = has_port ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
    for (const char *at = address; *at != '\0'; at++)
        if (!g_ascii_isalnum(*at) && strchr(".-_:[]%", *at) == NULL)
            return NULL;
    return *address ? json_pack("{s:s,s:s,s:I}", "name", text, "address", address, "port", (json_int_t)port) : NULL;
}

json_t *local_inventory_host(const json_t *inventory, const char *text, GError **error)
{
    const json_t *known = inventory_find(inventory, text);
    json_t *host = known ? json_incref((json_t *)(uintptr_t)known) : host_from_text(text);
    if (host == NULL)
        errors_set(error, ERROR_NOT_IN_INVENTORY, "'%s' is neither a host of the inventory nor an address", text);
    return host;
}

/* hikeshi editor: writes what editors need to help with runbooks: stubs of the Lua API, JSON Schemas, snippets. */
#include "cli/commands.h"
#include "core/errors.h"
#include "jobs/schema.h"
#include "lua/stubs.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_FOLDER ".hikeshi"

extern const struct embedded_file snippet_files[];

/* Writes FOLDER/PLACE/NAME and says so. */
static bool write_file(const char *folder, const char *place, const char *name, const char *bytes, size_t size,
                       GError **error)
{
    g_autofree char *path = g_build_filename(folder, place, name, NULL), *parent = g_path_get_dirname(path);
    g_autoptr(GError) why = NULL;
    if (g_mkdir_with_parents(parent, 0755) != 0) {
        g_set_error(error, HIKESHI_ERROR, ERROR_IO, "cannot make the folder '%s': %s", parent, g_strerror(errno));
        return false;
    }
    if (!g_file_set_contents(path, bytes, (gssize)size, &why)) {
        g_set_error(error, HIKESHI_ERROR, ERROR_IO, "%s", why->message);
        return false;
    }
    printf("%s\n", path);
    return true;
}

static bool write_embedded(const char *folder, const char *place, const struct embedded_file *files, GError **error)
{
    bool fine = true;
    for (const struct embedded_file *file = files; file->path && fine; file++)
        fine = write_file(folder, place, file->path, (const char *)file->bytes, file->size, error);
    return fine;
}

static bool write_schemas(const char *folder, GError **error)
{
    bool fine = true;
    for (const struct schema *schema = schemas; schema->name && fine; schema++) {
        g_autoptr(json_t) json = schema_json(schema);
        g_autofree char *text = json_text_pretty(json), *name = g_strdup_printf("%s.schema.json", schema->name);
        fine = write_file(folder, "schemas", name, text, strlen(text), error);
    }
    return fine;
}

static int editor(struct cli_call *call)
{
    const char *folder = cli_argument(call, 0) ? cli_argument(call, 0) : DEFAULT_FOLDER;
    g_autoptr(GError) error = NULL;
    if (!write_embedded(folder, "lua", lua_stub_files, &error) || !write_schemas(folder, &error) ||
        !write_embedded(folder, "snippets", snippet_files, &error))
        return cli_fail(call, &error);
    return 0;
}

const struct cli_command cmd_editor = {
    .name = "editor",
    .arguments = "[DIR]",
    .summary = "write what editors need: types of the Lua API, schemas, snippets",
    .details =
        "Writes into DIR (default: .hikeshi) and overwrites what an earlier version of hikeshi has written there.\n"
        "docs/editor.md says how editors use it.",
    .run = editor,
};

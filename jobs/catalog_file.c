/* catalog_file: bytes of one blob into what its kind makes of them. */
#include "jobs/catalog_file.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/inventory.h"
#include "jobs/policy.h"
#include <string.h>

struct catalog_file *catalog_file_ref(struct catalog_file *file)
{
    g_atomic_ref_count_inc(&file->references);
    return file;
}

void catalog_file_unref(struct catalog_file *file)
{
    if (file == NULL || !g_atomic_ref_count_dec(&file->references))
        return;
    g_free(file->path);
    g_free(file->blob);
    runbook_free(file->runbook);
    json_decref(file->value);
    finding_list_free(file->findings);
    g_free(file);
}

bool catalog_file_good(const struct catalog_file *file)
{
    return file->runbook != NULL || file->value != NULL;
}

static json_t *parse_module(const char *path, const char *text, size_t length, struct finding_list *findings)
{
    json_t *value = json_stringn(text, length); /* NULL: not UTF-8 */
    if (value == NULL)
        finding_add(findings, "encoding", FINDING_ERROR, path, 0, 0, NULL, "not UTF-8");
    return value;
}

static void parse(struct catalog_file *file, const char *text, size_t length)
{
    switch (file->kind) {
    case CATALOG_RUNBOOK:
        file->runbook = runbook_parse(file->path, text, length, file->findings);
        break;
    case CATALOG_MODULE:
        file->value = parse_module(file->path, text, length, file->findings);
        break;
    case CATALOG_INVENTORY:
        file->value = inventory_parse(file->path, text, length, file->findings);
        break;
    case CATALOG_TEAMS:
        file->value = policy_parse(file->path, text, length, file->findings);
        break;
    }
}

static size_t maximum_of(enum catalog_file_kind kind)
{
    return kind == CATALOG_RUNBOOK  ? LIMIT_RUNBOOK_BYTES
           : kind == CATALOG_MODULE ? LIMIT_MODULE_BYTES
                                    : LIMIT_YAML_BYTES;
}

struct catalog_file *catalog_file_read(enum catalog_file_kind kind, const char *path, const char *blob,
                                       const struct catalog_reader *reader)
{
    struct catalog_file *file = g_new0(struct catalog_file, 1);
    g_atomic_ref_count_init(&file->references);
    file->kind = kind;
    file->path = g_strdup(path);
    file->blob = g_strdup(blob);
    file->findings = finding_list_new();
    size_t length;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = reader->read(reader->arg, path, blob, maximum_of(kind), &length, &error);
    if (text != NULL) {
        parse(file, text, length);
        return file;
    }
    bool too_large = errors_of(error) == ERROR_TOO_LARGE;
    finding_add(file->findings, too_large ? "file-size" : "file-read", FINDING_ERROR, path, 0, 0, NULL, "%s",
                error->message);
    if (!too_large)
        g_clear_pointer(&file->blob, g_free); /* read it again next time */
    return file;
}

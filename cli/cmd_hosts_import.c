/* hikeshi hosts import: the hosts of an OpenSSH configuration or an Ansible inventory as hikeshi/inventory.yaml, on
 * standard output; what was not taken over, on standard error. */
#include "cli/cmd_hosts.h"
#include "cli/import/import.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/errors.h"
#include "core/yaml_write.h"
#include "jobs/inventory.h"
#include <stdio.h>
#include <string.h>

#define MAX_FILE_BYTES (8 * 1024 * 1024)

static const struct {
    const char *name;
    import_fn read;
} formats[] = {{"ssh", import_openssh}, {"ansible-ini", import_ansible_ini}, {"ansible-yaml", import_ansible_yaml}};

static import_fn format_of(const struct cli_call *call, const char *text)
{
    const char *name = cli_value(call, "from");
    for (size_t i = 0; name != NULL && i < G_N_ELEMENTS(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].read;
    return import_guess(text);
}

static bool read_file(const struct cli_call *call, struct import *import, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) failure = NULL;
    if (!g_file_get_contents(path, &text, &length, &failure) || length > MAX_FILE_BYTES) {
        errors_set(error, ERROR_USAGE, "'%s' cannot be read%s%s", path, failure ? ": " : ", it is over 8 MiB",
                   failure ? failure->message : "");
        return false;
    }
    if (strlen(text) != length) {
        errors_set(error, ERROR_PARSE, "'%s' holds NUL bytes: it is no text", path);
        return false;
    }
    import->file = path;
    return format_of(call, text)(import, text, length, error);
}

static size_t print_notes(const struct finding_list *notes)
{
    for (size_t i = 0; i < finding_count(notes); i++) {
        g_autofree char *text = finding_to_text(finding_at(notes, i)), *line = terminal_clean_line(text);
        fprintf(stderr, "%s\n", line);
    }
    return finding_count_level(notes, FINDING_ERROR);
}

/* What `serve` would say about the result. */
static int print_inventory(const struct cli_call *call, const struct import *import)
{
    g_autoptr(json_t) inventory = import_inventory(import);
    g_autofree char *yaml = yaml_write(inventory);
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(json_t) parsed = inventory_parse("hikeshi/inventory.yaml", yaml, strlen(yaml), findings);
    print_notes(import->notes);
    if (cli_wants_json(call))
        print_json(inventory);
    else
        fputs(yaml, stdout);
    return print_notes(findings) > 0 || parsed == NULL ? 1 : 0;
}

int cmd_hosts_import(struct cli_call *call)
{
    GError *error = NULL;
    struct import import;
    bool fine = true;
    import_init(&import);
    for (size_t i = 0; fine && cli_argument(call, i) != NULL; i++)
        fine = read_file(call, &import, cli_argument(call, i), &error);
    int status = fine ? print_inventory(call, &import) : cli_fail(call, &error);
    import_clear(&import);
    return status;
}

const struct cli_option cmd_hosts_import_options[] = {
    {.name = "from",
     .value = "ssh|ansible-ini|ansible-yaml",
     .help = "what the files are; default: what they look like"},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

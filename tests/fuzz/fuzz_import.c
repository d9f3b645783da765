/* fuzz_import: any text as an OpenSSH configuration and as an Ansible inventory of both forms: what is taken over is an
 * inventory that can be written and read. */
#include "cli/import/import.h"
#include "core/yaml_write.h"
#include "jobs/inventory.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const import_fn formats[] = {import_openssh, import_ansible_ini, import_ansible_yaml};
    if (size == 0 || memchr(data, '\0', size) != NULL)
        return 0;
    g_autofree char *text = g_strndup((const char *)data + 1, size - 1);
    struct import import;
    g_autoptr(GError) error = NULL;
    import_init(&import);
    import.file = "f";
    if (formats[data[0] % G_N_ELEMENTS(formats)](&import, text, size - 1, &error)) {
        g_autoptr(json_t) inventory = import_inventory(&import);
        g_autofree char *yaml = yaml_write(inventory);
        g_autoptr(finding_list) findings = finding_list_new();
        json_decref(inventory_parse("i", yaml, strlen(yaml), findings));
    }
    import_clear(&import);
    return 0;
}

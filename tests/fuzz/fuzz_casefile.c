/* fuzz_casefile: any text is a file of cases or has an error finding; what was read can be written as YAML. */
#include "core/yaml_write.h"
#include "jobs/casefile.h"
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(json_t) cases = casefile_parse("x.test.yaml", (const char *)data, size, findings);
    g_assert((cases == NULL) == (finding_count_level(findings, FINDING_ERROR) > 0));
    if (cases) {
        g_autofree char *text = yaml_write(cases);
        g_assert(text[0]);
    }
    return 0;
}

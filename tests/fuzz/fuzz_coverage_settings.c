/* fuzz_coverage_settings: any bytes are settings, or problems that name the file. */
#include "jobs/coverage/settings.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(coverage_settings) settings = coverage_settings_parse((const char *)data, size, "f.yaml", &error);
    g_assert(!settings == (error != NULL));
    g_assert(!error || (g_str_has_prefix(error->message, "f.yaml:") && g_utf8_validate(error->message, -1, NULL)));
    for (guint i = 0; settings && i < settings->ignore->len; i++)
        g_pattern_spec_match_string(settings->ignore->pdata[i], "team/deploy/x.yaml");
    return 0;
}

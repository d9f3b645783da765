/* fuzz_hostfilter: any text is a filter or an error; matching never fails, and an absent param matches nothing. */
#include "core/hostfilter.h"
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *arg, const char *param)
{
    g_assert(param);
    ++*(int *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(hostfilter) filter = hostfilter_parse(text, &error);
    g_assert(!filter == (error != NULL));
    if (!filter)
        return 0;
    g_autoptr(json_t) labels = json_pack("{s:s, s:s}", "role", "db", "env", "prod");
    int params = 0;
    hostfilter_each_param(filter, count, &params);
    bool matches = hostfilter_matches(filter, "db-1", labels, NULL);
    g_assert(params == 0 || !matches);
    return 0;
}

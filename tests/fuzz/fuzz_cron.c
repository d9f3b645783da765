/* fuzz_cron: any text is an expression or an error; fires are later than what they are after, on whole minutes or ends
 * of gaps. */
#include "jobs/cron.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first 8 bytes choose the time and the zone. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                                        "Pacific/Apia"};
    uint64_t seed = 0;
    if (size < sizeof seed)
        return 0;
    memcpy(&seed, data, sizeof seed);
    g_autofree char *text = g_strndup((const char *)data + sizeof seed, size - sizeof seed);
    g_autoptr(GError) error = NULL;
    g_autoptr(cron_t) cron = cron_parse(text, &error);
    g_assert(!cron == (error != NULL));
    if (!cron)
        return 0;
    g_autoptr(GTimeZone) zone = cron_zone(zones[seed % G_N_ELEMENTS(zones)], NULL);
    int64_t at = (int64_t)(seed >> 8) % (4102444800LL * 1000); /* 1970 to 2100 */
    for (int i = 0; i < 3; i++) {
        int64_t next = cron_next(cron, zone, at);
        g_assert(next == -1 || (next > at && next % 1000 == 0));
        if (next == -1)
            break;
        at = next;
    }
    return 0;
}

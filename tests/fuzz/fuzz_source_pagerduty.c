/* Fuzz: a PagerDuty webhook's body, its signature header, and an answer of the alerts API. The first byte says which.
 */
#include "core/crypto.h"
#include "jobs/source.h"
#include "jobs/sources/pagerduty_alerts.h"
#include "jobs/sources/sources.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct source *configured(void)
{
    static GPtrArray *sources;
    if (!sources) {
        crypto_init();
        g_setenv("FUZZ_SECRET", "secret", TRUE);
        const char *text = "pd: {kind: pagerduty, secrets: \"env:FUZZ_SECRET\", api_token: \"env:FUZZ_SECRET\"}";
        g_autoptr(yaml_document) document = yaml_parse(text, strlen(text), "fuzz", 0, NULL);
        sources = sources_configure(yaml_root(document), NULL);
    }
    return sources->pdata[0];
}

static const char *get_header(void *arg, const char *name)
{
    return strcmp(name, "x-pagerduty-signature") == 0 ? arg : NULL;
}

static void body(const struct source *source, const char *text, size_t length)
{
    struct source_reading reading = {0};
    g_autoptr(json_t) value = json_parse(text, length, "body", NULL);
    g_autofree char *url = NULL;
    g_auto(GStrv) headers = NULL;
    if (value && source->kind->normalise(source, value, INT64_C(1620000000000), &reading, NULL) && reading.update &&
        source->kind->enrich_request(source, reading.update, &url, &headers) && strpbrk(url, " \r\n"))
        abort(); /* the incident's id must not reach the request as it is */
    source_reading_clear(&reading);
}

static void alerts(const char *text, size_t length)
{
    g_autoptr(json_t) value = json_parse(text, length, "answer", NULL);
    g_autoptr(json_t) list = json_array();
    pagerduty_alerts_add(list, value);
    size_t i;
    json_t *alert;
    json_array_foreach (list, i, alert)
        if (!json_is_string(json_object_get(alert, "id")) || !json_is_object(json_object_get(alert, "labels")))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct source *source = configured();
    if (size == 0)
        return 0;
    g_autofree char *text = g_strndup((const char *)data + 1, size - 1);
    if (data[0] == 's') {
        const struct source_request request = {.header = get_header, .arg = text, .body = "{}", .body_length = 2};
        source->kind->authenticate(source, &request);
    } else if (data[0] == 'a') {
        alerts(text, size - 1);
    } else if (data[0] == 't') {
        g_autoptr(json_t) list = json_array();
        pagerduty_alerts_from_text(list, text, "A", "firing", json_null());
    } else {
        body(source, text, size - 1);
    }
    return 0;
}

/* Fuzz: an Alertmanager notification's body, and an Authorization header (inputs that begin with 's'). */
#include "core/crypto.h"
#include "jobs/source.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct source *configured(void)
{
    static GPtrArray *sources;
    if (!sources) {
        crypto_init();
        g_setenv("FUZZ_SECRET", "secret", TRUE);
        const char *text =
            "am: {kind: alertmanager, bearer: \"env:FUZZ_SECRET\", username: u, password: \"env:FUZZ_SECRET\"}";
        g_autoptr(yaml_document) document = yaml_parse(text, strlen(text), "fuzz", 0, NULL);
        sources = sources_configure(yaml_root(document), NULL);
    }
    return sources->pdata[0];
}

static const char *get_header(void *arg, const char *name)
{
    return strcmp(name, "authorization") == 0 ? arg : NULL;
}

static void body(const struct source *source, const struct source_request *request)
{
    struct source_reading reading = {0};
    g_autoptr(json_t) value = json_parse(request->body, request->body_length, "body", NULL);
    g_autofree char *key = value ? source->kind->dedup_key(source, request, value) : NULL;
    bool read = value && source->kind->normalise(source, value, INT64_C(1620000000000), &reading, NULL);
    if (read != (key != NULL))
        abort(); /* what is accepted can be read, and what cannot be read is refused */
    source_reading_clear(&reading);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct source *source = configured();
    g_autofree char *text = g_strndup((const char *)data, size);
    const struct source_request request = {
        .header = get_header, .arg = size ? text + 1 : text, .body = text, .body_length = size};
    if (size && data[0] == 's')
        source->kind->authenticate(source, &request);
    else
        body(source, &request);
    return 0;
}

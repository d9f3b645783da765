/* fuzz_form: what people and other sites may send to a link's page, and the prose that it shows: any bytes are a form
 * of UTF-8 texts or an error; any text has a summary of bounded length, or none. */
#include "jobs/summary.h"
#include "web/form.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_form(const char *body, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) form = form_parse(body, size, &error);
    const char *name;
    json_t *value;
    g_assert(!form == (error != NULL));
    json_object_foreach (form, name, value) {
        g_assert(*name && g_utf8_validate(name, -1, NULL));
        g_assert(g_utf8_validate_len(json_string_value(value), json_string_length(value), NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_form((const char *)data, size);
    g_autofree char *text = g_utf8_make_valid((const char *)data, (gssize)size);
    g_autofree char *summary = summary_of(text, strlen(text));
    g_assert(!summary || (*summary && g_utf8_strlen(summary, -1) <= SUMMARY_CHARACTERS));
    return 0;
}

/* form: see form.h. */
#include "web/form.h"
#include "core/errors.h"
#include <string.h>

/* NULL for %00, bad escapes and bad UTF-8. g_free. */
static char *decode(const char *text, size_t length)
{
    g_autofree char *spaced = g_strndup(text, length);
    if (strlen(spaced) != length)
        return NULL;
    g_strdelimit(spaced, "+", ' ');
    char *decoded = g_uri_unescape_string(spaced, NULL);
    if (decoded && !g_utf8_validate(decoded, -1, NULL))
        g_clear_pointer(&decoded, g_free);
    return decoded;
}

json_t *form_parse(const char *body, size_t length, GError **error)
{
    g_autoptr(json_t) form = json_object();
    for (const char *field = body, *end = body + length; field < end;) {
        const char *next = memchr(field, '&', (size_t)(end - field));
        const char *stop = next ? next : end, *equals = memchr(field, '=', (size_t)(stop - field));
        const char *value = equals ? equals + 1 : stop;
        g_autofree char *name = decode(field, (size_t)((equals ? equals : stop) - field)),
                        *text = decode(value, (size_t)(stop - value));
        if (!name || !text || json_object_get(form, name)) {
            errors_set(error, ERROR_INVALID,
                       name && text ? "the form's field '%s' stands twice" : "a field of the form is no text", name);
            return NULL;
        }
        if (*name)
            json_object_set_new(form, name, json_string(text));
        field = stop + 1;
    }
    return g_steal_pointer(&form);
}

/* mask: see mask.h. Forms are kept by their first byte, longest first, so that a form never hides the rest of a longer
 * one. */
#include "runner/mask.h"

#include "core/crypto.h"

#include <string.h>

/* Pieces of a value (its lines, its base64 at an offset) that are shorter say too little to be worth hiding text for.
 */
#define PIECE_MIN_BYTES 8

struct form {
    char *bytes;
    size_t length;
};

struct mask {
    GPtrArray *by_first[256]; /* of struct form, longest first; NULL: none */
    size_t longest;
};

static void form_free(void *pointer)
{
    struct form *form = pointer;

    crypto_wipe(form->bytes, form->length);
    g_free(form->bytes);
    g_free(form);
}

struct mask *mask_new(void)
{
    return g_new0(struct mask, 1);
}

void mask_free(struct mask *mask)
{
    if (!mask)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(mask->by_first); i++)
        g_clear_pointer(&mask->by_first[i], g_ptr_array_unref);
    g_free(mask);
}

bool mask_is_empty(const struct mask *mask)
{
    return mask->longest == 0;
}

/* ---- forms ---- */

static int longest_first(gconstpointer a, gconstpointer b)
{
    const struct form *left = *(struct form *const *)a, *right = *(struct form *const *)b;

    return left->length < right->length ? 1 : left->length > right->length ? -1 : 0;
}

static void add_form(struct mask *mask, const char *bytes, size_t length, size_t least)
{
    if (length < least)
        return;
    GPtrArray **list = &mask->by_first[(guint8)bytes[0]];
    if (!*list)
        *list = g_ptr_array_new_with_free_func(form_free);
    for (guint i = 0; i < (*list)->len; i++) {
        const struct form *form = (*list)->pdata[i];
        if (form->length == length && memcmp(form->bytes, bytes, length) == 0)
            return;
    }
    struct form *form = g_new0(struct form, 1);
    *form = (struct form){g_memdup2(bytes, length), length};
    g_ptr_array_add(*list, form);
    g_ptr_array_sort(*list, longest_first);
    mask->longest = MAX(mask->longest, length);
}

/* A form that is freed, and wiped. */
static void take_form(struct mask *mask, char *text, size_t least)
{
    add_form(mask, text, strlen(text), least);
    crypto_wipe(text, strlen(text));
    g_free(text);
}

static void add_lines(struct mask *mask, const char *value, size_t length)
{
    for (const char *at = value, *end = value + length; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t line = newline ? (size_t)(newline - at) : (size_t)(end - at);
        add_form(mask, at, line > 0 && at[line - 1] == '\r' ? line - 1 : line, PIECE_MIN_BYTES);
        at += line + 1;
    }
}

static void add_json(struct mask *mask, const char *value, size_t length)
{
    g_autoptr(json_t) string = json_text_value(value, length);
    char *text = json_text(string); /* with its quotes */

    if (strlen(text) > 2) {
        memmove(text, text + 1, strlen(text));
        text[strlen(text) - 1] = '\0';
    }
    take_form(mask, text, MASK_MIN_BYTES);
}

static void add_shell(struct mask *mask, const char *value)
{
    char *quoted = g_shell_quote(value);

    quoted[strlen(quoted) - 1] = '\0'; /* what stands between the outer quotes */
    memmove(quoted, quoted + 1, strlen(quoted));
    take_form(mask, quoted, MASK_MIN_BYTES);
}

/* kept: what stands as it is besides letters and digits. */
static void add_percent(struct mask *mask, const char *value, size_t length, const char *kept, bool upper, bool plus)
{
    GString *text = g_string_sized_new(3 * length + 1);

    for (size_t i = 0; i < length; i++) {
        if (g_ascii_isalnum(value[i]) || (value[i] && strchr(kept, value[i])))
            g_string_append_c(text, value[i]);
        else if (plus && value[i] == ' ')
            g_string_append_c(text, '+');
        else
            g_string_append_printf(text, upper ? "%%%02X" : "%%%02x", (guint8)value[i]);
    }
    take_form(mask, g_string_free(text, FALSE), MASK_MIN_BYTES);
}

static void add_hex(struct mask *mask, const char *value, size_t length, bool upper)
{
    GString *text = g_string_sized_new(2 * length + 1);

    for (size_t i = 0; i < length; i++)
        g_string_append_printf(text, upper ? "%02X" : "%02x", (guint8)value[i]);
    take_form(mask, g_string_free(text, FALSE), PIECE_MIN_BYTES);
}

/* The characters that the value decides alone when `offset` bytes stand before it in the same base64 text. */
static void add_base64(struct mask *mask, const char *value, size_t length, size_t offset)
{
    g_autofree char *padded = g_malloc0(offset + length);
    static const size_t foreign_at_start[] = {0, 2, 3};

    memcpy(padded + offset, value, length);
    char *text = g_base64_encode((const guchar *)padded, offset + length);
    crypto_wipe(padded, offset + length);
    if ((offset + length) % 3 != 0)
        text[strlen(text) - ((offset + length) % 3 == 1 ? 3 : 2)] =
            '\0'; /* the last character depends on what follows */
    memmove(text, text + foreign_at_start[offset], strlen(text + foreign_at_start[offset]) + 1);
    char *url = g_strdelimit(g_strdup(text), "+", '-');
    take_form(mask, g_strdelimit(url, "/", '_'), PIECE_MIN_BYTES);
    take_form(mask, text, PIECE_MIN_BYTES);
}

bool mask_add(struct mask *mask, const char *value, size_t length)
{
    static const char unreserved[] = "-._~";

    if (length < MASK_MIN_BYTES)
        return false;
    add_form(mask, value, length, MASK_MIN_BYTES);
    add_lines(mask, value, length);
    add_json(mask, value, length);
    add_shell(mask, value);
    for (int plus = 0; plus < 2; plus++) {
        add_percent(mask, value, length, unreserved, true, plus);
        add_percent(mask, value, length, unreserved, false, plus);
        add_percent(mask, value, length, "-._~!*'()", true, plus); /* encodeURIComponent */
    }
    add_hex(mask, value, length, false);
    add_hex(mask, value, length, true);
    for (size_t offset = 0; offset < 3; offset++)
        add_base64(mask, value, length, offset);
    return true;
}

/* ---- looking ---- */

/* The length of the secret that begins at `at`, or 0. */
static size_t match(const struct mask *mask, const char *at, size_t left)
{
    const GPtrArray *list = mask->by_first[(guint8)*at];

    for (guint i = 0; list && i < list->len; i++) {
        const struct form *form = list->pdata[i];
        if (form->length <= left && memcmp(form->bytes, at, form->length) == 0)
            return form->length;
    }
    return 0;
}

bool mask_finds(const struct mask *mask, const char *bytes, size_t length)
{
    for (size_t i = 0; mask->longest > 0 && i < length; i++)
        if (match(mask, bytes + i, length - i) > 0)
            return true;
    return false;
}

char *mask_bytes(const struct mask *mask, const char *bytes, size_t length, size_t *ret_length)
{
    GString *masked = g_string_sized_new(length + 1);

    for (size_t i = 0; i < length;) {
        size_t found = match(mask, bytes + i, length - i);
        if (found > 0)
            g_string_append(masked, MASK_TEXT);
        else
            g_string_append_c(masked, bytes[i]);
        i += MAX(found, 1);
    }
    *ret_length = masked->len;
    return g_string_free(masked, FALSE);
}

/* Whether the bytes from `at` to the end are the beginning of a form and not yet all of it. */
static bool begins(const struct mask *mask, const char *at, size_t left)
{
    const GPtrArray *list = mask->by_first[(guint8)*at];

    for (guint i = 0; list && i < list->len; i++) {
        const struct form *form = list->pdata[i];
        if (form->length > left && memcmp(form->bytes, at, left) == 0)
            return true;
    }
    return false;
}

/* From the front, so that what ends a whole secret is not taken for the beginning of another. */
size_t mask_held(const struct mask *mask, const char *bytes, size_t length)
{
    for (size_t i = 0; mask->longest > 0 && i < length;) {
        if (begins(mask, bytes + i, length - i))
            return length - i;
        i += MAX(match(mask, bytes + i, length - i), 1);
    }
    return 0;
}

/* ---- JSON ---- */

bool mask_finds_json(const struct mask *mask, const json_t *value)
{
    const char *key;
    size_t i;
    json_t *item;

    if (mask_is_empty(mask))
        return false;
    json_array_foreach (value, i, item)
        if (mask_finds_json(mask, item))
            return true;
    json_object_foreach ((json_t *)value, key, item)
        if (mask_finds(mask, key, strlen(key)) || mask_finds_json(mask, item))
            return true;
    return json_is_string(value) && mask_finds(mask, json_string_value(value), json_string_length(value));
}

static json_t *masked_copy(const struct mask *mask, const json_t *value)
{
    const char *key;
    size_t i, length;
    json_t *item, *copy = json_is_array(value) ? json_array() : json_is_object(value) ? json_object() : NULL;

    json_array_foreach (value, i, item)
        json_array_append_new(copy, masked_copy(mask, item));
    json_object_foreach ((json_t *)value, key, item) {
        g_autofree char *name = mask_bytes(mask, key, strlen(key), &length);
        json_object_set_new_nocheck(copy, name, masked_copy(mask, item));
    }
    if (copy || !json_is_string(value))
        return copy ? copy : json_incref((json_t *)value);
    g_autofree char *text = mask_bytes(mask, json_string_value(value), json_string_length(value), &length);
    return json_stringn_nocheck(text, length);
}

json_t *mask_json(const struct mask *mask, json_t *value)
{
    return mask_finds_json(mask, value) ? masked_copy(mask, value) : json_incref(value);
}

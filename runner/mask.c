/* mask: see mask.h. Forms are kept by their first byte, longest first, so that a form never hides the rest of a longer
 * one. Which forms a value has is mask_forms.c's. */
#include "runner/mask_private.h"

#include "core/crypto.h"

#include <string.h>

/* A part of a form at its beginning counts where a text may have been cut: half of the form, within these. */
enum { PART_LEAST = 8, PART_MOST = 32 };

struct form {
    char *bytes;
    size_t length;
    bool wraps; /* it may be broken into lines */
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

static int longest_first(gconstpointer a, gconstpointer b)
{
    const struct form *left = *(struct form *const *)a, *right = *(struct form *const *)b;

    return left->length < right->length ? 1 : left->length > right->length ? -1 : 0;
}

void mask_add_form(struct mask *mask, const char *bytes, size_t length, bool wraps)
{
    GPtrArray **list = &mask->by_first[(guint8)bytes[0]];
    if (!*list)
        *list = g_ptr_array_new_with_free_func(form_free);
    for (guint i = 0; i < (*list)->len; i++) {
        struct form *form = (*list)->pdata[i];
        if (form->length != length || memcmp(form->bytes, bytes, length) != 0)
            continue;
        form->wraps = form->wraps || wraps;
        return;
    }
    struct form *form = g_new0(struct form, 1);
    *form = (struct form){g_memdup2(bytes, length), length, wraps};
    g_ptr_array_add(*list, form);
    g_ptr_array_sort(*list, longest_first);
    mask->longest = MAX(mask->longest, length);
}

/* ---- looking ---- */

/* How many bytes of the text the form takes from its beginning on; *ret_whole: all of the form. 0: it does not begin
 * here. */
static size_t common(const struct form *form, const char *at, size_t left, bool *ret_whole)
{
    size_t taken = 0, same = 0;

    while (taken < left && same < form->length) {
        if (at[taken] == form->bytes[same])
            same++;
        else if (!form->wraps || same == 0 || (at[taken] != '\n' && at[taken] != '\r'))
            break;
        taken++;
    }
    *ret_whole = same == form->length;
    return taken;
}

/* The length of the secret that begins at `at`, or 0. `parts`: or of a beginning of one that is long enough. */
static size_t match(const struct mask *mask, const char *at, size_t left, bool parts)
{
    const GPtrArray *list = mask->by_first[(guint8)*at];
    size_t longest_part = 0;

    for (guint i = 0; list && i < list->len; i++) {
        const struct form *form = list->pdata[i];
        bool whole;
        size_t taken = common(form, at, left, &whole);
        if (whole)
            return taken;
        if (parts && taken >= CLAMP(form->length / 2, PART_LEAST, PART_MOST))
            longest_part = MAX(longest_part, taken);
    }
    return longest_part;
}

static char *masked_bytes(const struct mask *mask, const char *bytes, size_t length, bool parts, size_t *ret_length)
{
    GString *masked = g_string_sized_new(length + 1);

    for (size_t i = 0; i < length;) {
        size_t found = match(mask, bytes + i, length - i, parts);
        if (found > 0)
            g_string_append(masked, MASK_TEXT);
        else
            g_string_append_c(masked, bytes[i]);
        i += MAX(found, 1);
    }
    *ret_length = masked->len;
    return g_string_free(masked, FALSE);
}

char *mask_bytes(const struct mask *mask, const char *bytes, size_t length, size_t *ret_length)
{
    return masked_bytes(mask, bytes, length, false, ret_length);
}

char *mask_cut_bytes(const struct mask *mask, const char *bytes, size_t length, size_t *ret_length)
{
    return masked_bytes(mask, bytes, length, true, ret_length);
}

/* Whether the bytes from `at` to the end are the beginning of a form and not yet all of it. */
static bool begins(const struct mask *mask, const char *at, size_t left)
{
    const GPtrArray *list = mask->by_first[(guint8)*at];

    for (guint i = 0; list && i < list->len; i++) {
        bool whole;
        if (common(list->pdata[i], at, left, &whole) == left && !whole)
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
        i += MAX(match(mask, bytes + i, length - i, false), 1);
    }
    return 0;
}

/* ---- JSON ---- */

static bool finds(const struct mask *mask, const char *bytes, size_t length, bool parts)
{
    for (size_t i = 0; mask->longest > 0 && i < length; i++)
        if (match(mask, bytes + i, length - i, parts) > 0)
            return true;
    return false;
}

static bool finds_json(const struct mask *mask, const json_t *value, bool parts)
{
    const char *key;
    size_t i;
    json_t *item;

    if (mask_is_empty(mask))
        return false;
    json_array_foreach (value, i, item)
        if (finds_json(mask, item, parts))
            return true;
    json_object_foreach ((json_t *)value, key, item)
        if (finds(mask, key, strlen(key), parts) || finds_json(mask, item, parts))
            return true;
    return json_is_string(value) && finds(mask, json_string_value(value), json_string_length(value), parts);
}

static json_t *masked_copy(const struct mask *mask, const json_t *value, bool parts)
{
    const char *key;
    size_t i, length;
    json_t *item, *copy = json_is_array(value) ? json_array() : json_is_object(value) ? json_object() : NULL;

    json_array_foreach (value, i, item)
        json_array_append_new(copy, masked_copy(mask, item, parts));
    json_object_foreach ((json_t *)value, key, item) {
        g_autofree char *name = masked_bytes(mask, key, strlen(key), parts, &length);
        json_object_set_new_nocheck(copy, name, masked_copy(mask, item, parts));
    }
    if (copy || !json_is_string(value))
        return copy ? copy : json_incref((json_t *)value);
    g_autofree char *text = masked_bytes(mask, json_string_value(value), json_string_length(value), parts, &length);
    return json_stringn_nocheck(text, length);
}

bool mask_finds(const struct mask *mask, const char *bytes, size_t length)
{
    return finds(mask, bytes, length, false);
}

bool mask_finds_json(const struct mask *mask, const json_t *value)
{
    return finds_json(mask, value, false);
}

json_t *mask_json(const struct mask *mask, json_t *value)
{
    return finds_json(mask, value, false) ? masked_copy(mask, value, false) : json_incref(value);
}

json_t *mask_cut_json(const struct mask *mask, json_t *value)
{
    return finds_json(mask, value, true) ? masked_copy(mask, value, true) : json_incref(value);
}

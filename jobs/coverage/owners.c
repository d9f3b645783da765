/* owners: see owners.h. */
#include "jobs/coverage/owners.h"
#include <string.h>

#define NO_OWNER    "(no owner)"
#define ALERT_OWNER "(alerts)"

static void owner_free(void *data)
{
    struct owner *owner = data;
    g_free(owner->name);
    g_ptr_array_unref(owner->missing);
    g_free(owner);
}

static struct owner *owner_get(GHashTable *by_name, GPtrArray *owners, const char *name)
{
    struct owner *owner = g_hash_table_lookup(by_name, name);
    if (owner)
        return owner;
    owner = g_new0(struct owner, 1);
    owner->name = g_strdup(name);
    owner->missing = g_ptr_array_new();
    g_ptr_array_add(owners, owner);
    g_hash_table_insert(by_name, owner->name, owner);
    return owner;
}

static gint by_owner(gconstpointer a, gconstpointer b)
{
    return strcmp((*(struct owner *const *)a)->name, (*(struct owner *const *)b)->name);
}

GPtrArray *owners_of(const struct coverage *coverage)
{
    GPtrArray *owners = g_ptr_array_new_with_free_func(owner_free);
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject_answer *answer = coverage->subjects->pdata[i];
        const char *none = answer->subject->kind == SUBJECT_ALERT ? ALERT_OWNER : NO_OWNER;
        struct owner *owner = owner_get(by_name, owners, answer->subject->owner ? answer->subject->owner : none);
        owner->all++;
        owner->covered += answer->by->len > 0;
        if (!answer->by->len)
            g_ptr_array_add(owner->missing, (void *)answer->subject);
    }
    g_ptr_array_sort(owners, by_owner);
    return owners;
}

char *owner_plain(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);
    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(out, g_unichar_isprint(c) ? c : 0xFFFD);
    }
    return g_string_free(out, FALSE);
}

/* owners: see owners.h. */
#include "jobs/coverage/owners.h"
#include "jobs/coverage/gaps.h"
#include <string.h>

#define NO_OWNER    "(no owner)"
#define ALERT_OWNER "(alerts)"

static void missing_free(void *data)
{
    struct owner_missing *missing = data;
    g_free(missing->name);
    g_free(missing);
}

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
    owner->missing = g_ptr_array_new_with_free_func(missing_free);
    g_ptr_array_add(owners, owner);
    g_hash_table_insert(by_name, owner->name, owner);
    return owner;
}

static void count(struct owner *owner, const GArray *by, struct owner_missing missing)
{
    owner->all++;
    if (by->len) {
        owner->covered++;
        g_free(missing.name);
        return;
    }
    g_ptr_array_add(owner->missing, g_memdup2(&missing, sizeof missing));
}

static gint by_owner(gconstpointer a, gconstpointer b)
{
    return strcmp((*(struct owner *const *)a)->name, (*(struct owner *const *)b)->name);
}

GPtrArray *owners_of(const struct coverage *coverage)
{
    GPtrArray *owners = g_ptr_array_new_with_free_func(owner_free);
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < coverage->set->workloads->len; i++) {
        const struct workload *workload = coverage->set->workloads->pdata[i];
        struct owner_missing missing = {gap_workload_name(workload), workload->file, workload->severity, workload->name,
                                        workload->line};
        count(owner_get(by_name, owners, workload->owner ? workload->owner : NO_OWNER), coverage->workload_by->pdata[i],
              missing);
    }
    for (guint i = 0; i < coverage->set->alerts->len; i++) {
        const struct alert_rule *alert = coverage->set->alerts->pdata[i];
        struct owner_missing missing = {gap_alert_name(alert), alert->file, alert->severity, alert->name, alert->line};
        count(owner_get(by_name, owners, ALERT_OWNER), coverage->alert_by->pdata[i], missing);
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

/* report: see report.h. Both forms walk the same list of owners. */
#include "jobs/coverage/report.h"
#include "jobs/coverage/gaps.h"
#include <math.h>
#include <string.h>

#define BAR_CELLS   20
#define NO_OWNER    "(no owner)"
#define ALERT_OWNER "(alerts)"

/* What one owner has and misses. */
struct owner {
    char *name;
    size_t all, covered;
    GPtrArray *missing; /* texts "deployment/prod/checkout  file:3" are made from these */
};

struct missing {
    char *name;
    const char *file, *severity;
    int line;
};

static void missing_free(void *data)
{
    struct missing *missing = data;
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

static struct owner *owner_get(GHashTable *owners, const char *name)
{
    struct owner *owner = g_hash_table_lookup(owners, name);
    if (owner)
        return owner;
    owner = g_new0(struct owner, 1);
    owner->name = g_strdup(name);
    owner->missing = g_ptr_array_new_with_free_func(missing_free);
    g_hash_table_insert(owners, owner->name, owner);
    return owner;
}

/* Takes `name`. */
static void count(struct owner *owner, const GArray *by, char *name, const char *file, int line, const char *severity)
{
    owner->all++;
    if (by->len) {
        owner->covered++;
        g_free(name);
        return;
    }
    struct missing *missing = g_new(struct missing, 1);
    *missing = (struct missing){name, file, severity, line};
    g_ptr_array_add(owner->missing, missing);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(((const struct owner *)a)->name, ((const struct owner *)b)->name);
}

/* Sorted list of struct owner*, owned by *ret_owners. */
static GList *owners_of(const struct coverage *coverage, GHashTable **ret_owners)
{
    GHashTable *owners = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, owner_free);
    for (guint i = 0; i < coverage->set->workloads->len; i++) {
        const struct workload *workload = coverage->set->workloads->pdata[i];
        count(owner_get(owners, workload->owner ? workload->owner : NO_OWNER), coverage->workload_by->pdata[i],
              gap_workload_name(workload), workload->file, workload->line, workload->severity);
    }
    for (guint i = 0; i < coverage->set->alerts->len; i++) {
        const struct alert_rule *alert = coverage->set->alerts->pdata[i];
        count(owner_get(owners, ALERT_OWNER), coverage->alert_by->pdata[i], gap_alert_name(alert), alert->file,
              alert->line, alert->severity);
    }
    *ret_owners = owners;
    return g_list_sort(g_hash_table_get_values(owners), by_name);
}

static void append_bar(GString *out, size_t covered, size_t all)
{
    size_t cells = all ? covered * BAR_CELLS / all : BAR_CELLS;
    for (size_t i = 0; i < BAR_CELLS; i++)
        g_string_append(out, i < cells ? "█" : "░");
}

/* Whole percents, never rounded up to 100. */
static int percent(size_t covered, size_t all)
{
    return all ? (int)(covered * 100 / all) : 100;
}

/* A name from a manifest, without what a terminal would act upon. */
static char *plain(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);
    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(out, g_unichar_isprint(c) ? c : 0xFFFD);
    }
    return g_string_free(out, FALSE);
}

/* ---- text ---- */

static void append_missing_text(GString *out, const struct owner *owner, bool colour)
{
    for (guint i = 0; i < owner->missing->len; i++) {
        const struct missing *missing = owner->missing->pdata[i];
        g_autofree char *name = plain(missing->name), *file = plain(missing->file);
        g_autofree char *severity = plain(missing->severity ? missing->severity : "");
        g_string_append_printf(out, "  %s✗%s %s%s%s  %s:%d\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "", name,
                               *severity ? " " : "", severity, file, missing->line);
    }
}

static void append_skipped_text(GString *out, const GPtrArray *skipped)
{
    if (skipped->len)
        g_string_append_printf(out, "\nskipped: %u\n", skipped->len);
    for (guint i = 0; i < skipped->len; i++) {
        const struct skipped_file *file = skipped->pdata[i];
        g_autofree char *path = plain(file->file), *reason = plain(file->reason);
        g_string_append_printf(out, "  %s: %s\n", path, reason);
    }
}

char *report_text(const struct coverage *coverage, bool colour)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GHashTable) owners = NULL;
    g_autoptr(GList) list = owners_of(coverage, &owners);
    for (GList *at = list; at; at = at->next) {
        const struct owner *owner = at->data;
        g_autofree char *name = plain(owner->name);
        append_bar(out, owner->covered, owner->all);
        g_string_append_printf(out, " %3d%%  %s%s%s  %zu of %zu\n", percent(owner->covered, owner->all),
                               colour ? "\033[1m" : "", name, colour ? "\033[0m" : "", owner->covered, owner->all);
        append_missing_text(out, owner, colour);
    }
    append_skipped_text(out, coverage->set->skipped);
    g_string_append_printf(out, "\nworkloads %zu of %u, alerts %zu of %u: %.1f%% covered, by %u documents\n",
                           coverage->workloads_covered, coverage->set->workloads->len, coverage->alerts_covered,
                           coverage->set->alerts->len, floor(coverage_percent(coverage) * 10) / 10,
                           coverage->documents->len);
    return g_string_free(out, FALSE);
}

/* ---- markdown ---- */

/* Text inside a table cell's code span: nothing in it can end the span or the cell. */
static void append_code(GString *out, const char *text)
{
    g_autofree char *safe = plain(text);
    g_string_append_c(out, '`');
    for (const char *at = safe; *at; at++)
        g_string_append_c(out, *at == '`' || *at == '|' ? '\'' : *at);
    g_string_append_c(out, '`');
}

char *report_markdown(const struct coverage *coverage)
{
    GString *out = g_string_new("## Runbook coverage\n\n");
    g_autoptr(GHashTable) owners = NULL;
    g_autoptr(GList) list = owners_of(coverage, &owners);
    g_string_append_printf(
        out, "**%.1f%%**: %zu of %u workloads, %zu of %u alerts.\n\n| owner | covered | of |\n|---|---:|---:|\n",
        floor(coverage_percent(coverage) * 10) / 10, coverage->workloads_covered, coverage->set->workloads->len,
        coverage->alerts_covered, coverage->set->alerts->len);
    for (GList *at = list; at; at = at->next) {
        const struct owner *owner = at->data;
        g_string_append(out, "| ");
        append_code(out, owner->name);
        g_string_append_printf(out, " | %zu | %zu |\n", owner->covered, owner->all);
    }
    bool any = false;
    for (GList *at = list; at; at = at->next) {
        const struct owner *owner = at->data;
        for (guint i = 0; i < owner->missing->len; i++) {
            const struct missing *missing = owner->missing->pdata[i];
            if (!any)
                g_string_append(out, "\n### Without a runbook\n\n| what | owner | where |\n|---|---|---|\n");
            any = true;
            g_string_append(out, "| ");
            append_code(out, missing->name);
            g_string_append(out, " | ");
            append_code(out, owner->name);
            g_autofree char *place = g_strdup_printf("%s:%d", missing->file, missing->line);
            g_string_append(out, " | ");
            append_code(out, place);
            g_string_append(out, " |\n");
        }
    }
    if (coverage->set->skipped->len)
        g_string_append_printf(out, "\n%u files were skipped; `hikeshi coverage` lists them with the reason.\n",
                               coverage->set->skipped->len);
    return g_string_free(out, FALSE);
}

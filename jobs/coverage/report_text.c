/* report_text: see report.h. */
#include "jobs/coverage/changes.h"
#include "jobs/coverage/owners.h"
#include "jobs/coverage/report.h"
#include "jobs/coverage/skeleton.h"
#include <math.h>

#define BAR_CELLS 20

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

static void append_missing(GString *out, const struct coverage *coverage, const struct owner *owner, bool colour)
{
    for (guint i = 0; i < owner->missing->len; i++) {
        const struct subject *missing = owner->missing->pdata[i];
        g_autofree char *name = owner_plain(missing->key), *file = owner_plain(missing->file);
        g_autofree char *severity = owner_plain(missing->severity ? missing->severity : "");
        g_autofree char *create = skeleton_file(coverage, missing), *place = owner_plain(create);
        g_string_append_printf(out, "  %s✗%s %s%s%s  %s:%d  → %s\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "",
                               name, *severity ? " " : "", severity, file, missing->line, place);
    }
}

static void append_findings(GString *out, const struct finding_list *findings)
{
    bool any = false;
    for (size_t i = 0; i < finding_count(findings); i++) {
        if (!report_lists(finding_at(findings, i)))
            continue;
        g_autofree char *said = finding_to_text(finding_at(findings, i));
        g_autofree char *line = owner_plain(said);
        g_string_append_printf(out, "%s  %s\n", any ? "" : "\nalso:\n", line);
        any = true;
    }
}

static void append_subject_changes(GString *out, const struct changes *changes)
{
    static const char marks[] = {'+', '~', '~', '-', '!'};
    for (guint i = 0; i < changes->subjects->len; i++) {
        const struct subject_change *change = changes->subjects->pdata[i];
        const struct subject *subject = subject_change_subject(change);
        g_autofree char *key = owner_plain(subject->key), *file = owner_plain(subject->file);
        g_autofree char *was = change->kind == CHANGE_RENAMED ? owner_plain(change->before->subject->key) : NULL;
        g_string_append_printf(out, "  %c %s  %s%s%s  %s:%d\n", marks[change->kind], key, change_names[change->kind],
                               was ? " from " : "", was ? was : "", file, subject->line);
    }
}

static void append_changes(GString *out, const struct changes *changes)
{
    g_autofree char *since = owner_plain(changes->since);
    g_string_append_printf(out, "\nchanged since %s (%.12s):%s\n", since, changes->base,
                           changes->subjects->len ? "" : " no workload and no alert");
    append_subject_changes(out, changes);
    for (guint i = 0; i < changes->automation->len; i++) {
        const struct automation_change *change = changes->automation->pdata[i];
        g_autofree char *alert = owner_plain(change->alert->name), *file = owner_plain(change->document->file);
        g_string_append_printf(out, "%s  %s %s %s\n", i ? "" : "automation:\n", alert, automation_words(change), file);
    }
}

static void append_skipped(GString *out, const GPtrArray *skipped)
{
    if (skipped->len)
        g_string_append_printf(out, "\nskipped: %u\n", skipped->len);
    for (guint i = 0; i < skipped->len; i++) {
        const struct input *input = skipped->pdata[i];
        g_autofree char *path = owner_plain(input->file), *reason = owner_plain(input->skipped);
        g_string_append_printf(out, "  %s: %s\n", path, reason);
    }
}

char *report_text(const struct coverage *coverage, const struct finding_list *findings, bool colour)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GPtrArray) owners = owners_of(coverage);
    for (guint i = 0; i < owners->len; i++) {
        const struct owner *owner = owners->pdata[i];
        g_autofree char *name = owner_plain(owner->name);
        append_bar(out, owner->covered, owner->all);
        g_string_append_printf(out, " %3d%%  %s%s%s  %zu of %zu\n", percent(owner->covered, owner->all),
                               colour ? "\033[1m" : "", name, colour ? "\033[0m" : "", owner->covered, owner->all);
        append_missing(out, coverage, owner, colour);
    }
    if (coverage->changes)
        append_changes(out, coverage->changes);
    append_findings(out, findings);
    append_skipped(out, coverage->skipped);
    g_string_append_printf(out, "\nworkloads %zu of %zu, alerts %zu of %zu: %.1f%% covered, by %u documents\n",
                           coverage->counts[SUBJECT_WORKLOAD].covered, coverage->counts[SUBJECT_WORKLOAD].all,
                           coverage->counts[SUBJECT_ALERT].covered, coverage->counts[SUBJECT_ALERT].all,
                           floor(coverage_percent(coverage) * 10) / 10, coverage->documents->len);
    return g_string_free(out, FALSE);
}

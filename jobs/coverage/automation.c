/* automation: which alerts start which runbooks now, against before: the diff that a reviewer of a trigger wants to
 * see. */
#include "jobs/coverage/changes.h"
#include "jobs/runbook.h"
#include <string.h>

const char *const automation_names[] = {"starts", "stops", "edited"};

/* What one alert and one runbook have to do with each other. */
struct link {
    const struct subject *alert;
    const struct document *now, *before; /* of the runbook */
    enum start_mode mode_now, mode_before;
};

static enum start_mode mode_of(const struct trigger *trigger)
{
    return trigger->suggest ? START_SUGGEST : START_AUTO;
}

/* An alert of one name may stand in several rules; a responder sees one. */
static struct link *link_of(GHashTable *links, const struct subject *alert, const char *file)
{
    char *text = g_strdup_printf("%s\n%s", alert->name, file);
    struct link *link = g_hash_table_lookup(links, text);
    if (link) {
        g_free(text);
        return link;
    }
    link = g_new0(struct link, 1);
    link->alert = alert;
    g_hash_table_insert(links, text, link);
    return link;
}

/* The name in the past of a document that is there now. */
static GHashTable *old_names(const struct changes *changes)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < changes->documents->len; i++) {
        const struct document_change *change = changes->documents->pdata[i];
        if (change->now && change->before)
            g_hash_table_insert(names, change->now->file, change->before->file);
    }
    return names;
}

static void add_now(GHashTable *links, const struct subject_answer *answer, const GHashTable *names)
{
    for (guint i = 0; i < answer->starts->len; i++) {
        const struct coverage_start *start = &g_array_index(answer->starts, struct coverage_start, i);
        const char *old = g_hash_table_lookup((GHashTable *)names, start->document->file);
        struct link *link = link_of(links, answer->subject, old ? old : start->document->file);
        link->now = start->document;
        link->mode_now = MAX(link->mode_now, mode_of(start->trigger));
    }
}

static void add_before(GHashTable *links, const struct subject_answer *answer)
{
    for (guint i = 0; i < answer->starts->len; i++) {
        const struct coverage_start *start = &g_array_index(answer->starts, struct coverage_start, i);
        struct link *link = link_of(links, answer->subject, start->document->file);
        link->before = start->document;
        link->mode_before = MAX(link->mode_before, mode_of(start->trigger));
    }
}

static bool is_edited(const struct link *link)
{
    return link->now && link->before && link->now != link->before &&
           g_strcmp0(link->now->digest, link->before->digest) != 0;
}

static gint by_alert(gconstpointer a, gconstpointer b)
{
    const struct automation_change *left = *(struct automation_change *const *)a,
                                   *right = *(struct automation_change *const *)b;
    int order = strcmp(left->alert->name, right->alert->name);
    return order ? order : strcmp(left->document->file, right->document->file);
}

void changes_compare_automation(struct changes *changes, const struct coverage *now)
{
    g_autoptr(GHashTable) links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GHashTable) names = old_names(changes);
    for (guint i = 0; i < now->subjects->len; i++)
        add_now(links, now->subjects->pdata[i], names);
    for (guint i = 0; i < changes->before->subjects->len; i++)
        add_before(links, changes->before->subjects->pdata[i]);
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, links);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct link *link = value;
        if (link->mode_now == link->mode_before && !is_edited(link))
            continue;
        struct automation_change change = {link->alert, link->now ? link->now : link->before, link->mode_now,
                                           link->mode_before};
        g_ptr_array_add(changes->automation, g_memdup2(&change, sizeof change));
    }
    g_ptr_array_sort(changes->automation, by_alert);
}

enum automation_kind automation_kind(const struct automation_change *change)
{
    return change->now > change->before   ? AUTOMATION_STARTS
           : change->now < change->before ? AUTOMATION_STOPS
                                          : AUTOMATION_EDITED;
}

const char *automation_words(const struct automation_change *change)
{
    static const char *const starts[] = {NULL, "now suggests", "now starts"};
    static const char *const edited[] = {NULL, "suggests the edited", "starts the edited"};
    switch (automation_kind(change)) {
    case AUTOMATION_STARTS:
        return starts[change->now];
    case AUTOMATION_EDITED:
        return edited[change->now];
    default:
        return change->now == START_SUGGEST      ? "now only suggests"
               : change->before == START_SUGGEST ? "no longer suggests"
                                                 : "no longer starts";
    }
}

/* document: see document.h. */
#include "jobs/coverage/document.h"
#include "core/crypto.h"
#include "jobs/coverage/skeleton.h"
#include "jobs/runbook.h"
#include <string.h>

/* Takes the triggers that incidents start out of the runbook. */
static void take_triggers(struct document *document, struct runbook *runbook)
{
    for (guint i = runbook->triggers->len; i-- > 0;) {
        const struct trigger *trigger = runbook->triggers->pdata[i];
        if (trigger->kind != TRIGGER_INCIDENT)
            g_ptr_array_remove_index(runbook->triggers, i);
    }
    document->triggers = g_steal_pointer(&runbook->triggers);
    runbook->triggers = g_ptr_array_new();
}

/* "https:", "mailto:", "//host": somebody else's; "{{": a site generator's. */
static bool is_local(const char *url)
{
    size_t name = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    bool scheme = name > 0 && url[name] == ':';
    return !scheme && !g_str_has_prefix(url, "//") && !strstr(url, "{{") && !strstr(url, "{%");
}

static void take_links(struct document *document, struct markdown *markdown)
{
    document->links = g_steal_pointer(&markdown->links);
    markdown->links = g_ptr_array_new();
    for (guint i = document->links->len; i-- > 0;)
        if (!is_local(((struct markdown_link *)document->links->pdata[i])->url))
            g_ptr_array_remove_index(document->links, i);
    document->anchors = anchors_of(markdown);
    for (guint i = 0; i < markdown->html->len; i++)
        document->skeleton = document->skeleton || strstr(markdown->html->pdata[i], SKELETON_MARK);
}

struct document *document_read(const char *file, const char *text, size_t length, bool digest, char **ret_problem)
{
    struct document *document = g_new0(struct document, 1);
    g_autoptr(finding_list) findings = finding_list_new();
    struct markdown *markdown;
    struct runbook *runbook = runbook_parse_markdown(file, text, length, findings, &markdown);
    document->file = g_strdup(file);
    document->digest = digest ? crypto_sha256_hex(text, length) : NULL;
    *ret_problem = NULL;
    if (runbook) {
        document->id = g_steal_pointer(&runbook->id);
        document->owner = g_steal_pointer(&runbook->owner);
        document->covers = g_steal_pointer(&runbook->covers);
        document->runbook = !runbook->document;
        take_triggers(document, runbook);
    } else {
        *ret_problem = finding_count(findings) ? finding_to_text(finding_at(findings, 0)) : g_strdup("not readable");
        document->covers = g_new0(char *, 1);
        document->triggers = g_ptr_array_new();
    }
    take_links(document, markdown);
    markdown_free(markdown);
    runbook_free(runbook);
    return document;
}

void document_free(struct document *document)
{
    if (!document)
        return;
    g_free(document->file);
    g_free(document->id);
    g_free(document->owner);
    g_free(document->digest);
    g_strfreev(document->covers);
    g_ptr_array_unref(document->triggers);
    g_ptr_array_unref(document->links);
    g_hash_table_unref(document->anchors);
    g_free(document);
}

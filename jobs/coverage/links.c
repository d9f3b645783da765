/* links: see links.h. A link is read as GitHub follows it (a file, relative to the document or from the root) or as
 * site generators do (a page, without .md). */
#include "jobs/coverage/links.h"
#include "core/limits.h"
#include "jobs/coverage/changes.h"
#include "jobs/front_matter.h"
#include <string.h>

struct checking {
    const struct say *say;
    const struct changes *changes; /* or NULL */
    GHashTable *touched;           /* documents that a change touches */
    GHashTable *anchors;           /* absolute path of a markdown file → its anchors; NULL: not readable */
};

/* A link taken apart. */
struct target {
    char *path; /* absolute, as written; may not be there */
    char *anchor;
    char *found; /* the file or folder that it leads to; NULL: none */
};

static void target_clear(struct target *target)
{
    g_free(target->path);
    g_free(target->anchor);
    g_free(target->found);
}

static bool is_inside(const char *root, const char *path)
{
    size_t length = strlen(root);
    return strncmp(path, root, length) == 0 && (path[length] == '/' || !path[length]);
}

/* What a page of this path may be called on disk. */
static char *find_page(const char *path)
{
    static const char *const suffixes[] = {"", ".md", "/README.md", "/index.md", "/_index.md"};
    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *file = g_strconcat(path, suffixes[i], NULL);
        if (g_file_test(file, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&file);
    }
    return NULL;
}

static void resolve(const struct input *input, const char *url, struct target *ret)
{
    size_t length = strcspn(url, "?#");
    const char *hash = strchr(url, '#');
    g_autofree char *escaped = g_strndup(url, length);
    g_autofree char *path = g_uri_unescape_string(escaped, NULL);
    g_autofree char *folder = g_path_get_dirname(input->path);
    if (!path)
        path = g_strdup(escaped); /* a stray percent sign */
    *ret = (struct target){.anchor = hash && hash[1] ? g_uri_unescape_string(hash + 1, NULL) : NULL};
    if (!*path)
        ret->path = g_strdup(input->path);
    else if (*path == '/')
        ret->path = g_canonicalize_filename(path + strspn(path, "/"), input->root);
    else
        ret->path = g_canonicalize_filename(path, folder);
    ret->found = is_inside(input->root, ret->path) ? find_page(ret->path) : NULL;
    if (ret->found || !*path || *path == '/')
        return;
    /* A generator serves x.md as the folder x/: "../y/" is a page beside it. */
    g_autofree char *page =
        g_strndup(input->path, strlen(input->path) - (g_str_has_suffix(input->path, ".md") ? 3 : 0));
    g_autofree char *served = g_canonicalize_filename(path, page);
    ret->found = is_inside(input->root, served) ? find_page(served) : NULL;
}

/* ---- anchors ---- */

static GHashTable *read_anchors(const char *path)
{
    g_autofree char *text = NULL;
    gsize length;
    if (!g_file_get_contents(path, &text, &length, NULL) || length > LIMIT_RUNBOOK_BYTES ||
        !g_utf8_validate_len(text, length, NULL))
        return NULL;
    struct front_matter front = front_matter_find(text, length);
    struct markdown *markdown = markdown_parse(text + front.body, length - front.body, front.body_line);
    GHashTable *anchors = anchors_of(markdown);
    markdown_free(markdown);
    return anchors;
}

/* NULL when nothing can be said about the file's anchors. */
static const GHashTable *anchors_in(struct checking *checking, const char *path)
{
    gpointer anchors;
    if (!g_str_has_suffix(path, ".md"))
        return NULL;
    if (g_hash_table_lookup_extended(checking->anchors, path, NULL, &anchors))
        return anchors;
    anchors = read_anchors(path);
    g_hash_table_insert(checking->anchors, g_strdup(path), anchors);
    return anchors;
}

static bool has_anchor(struct checking *checking, const struct target *target)
{
    const GHashTable *anchors = target->anchor ? anchors_in(checking, target->found) : NULL;
    if (!anchors || g_hash_table_contains((GHashTable *)anchors, target->anchor))
        return true;
    g_autofree char *lower = g_utf8_strdown(target->anchor, -1); /* browsers of GitHub's pages are as kind */
    return g_hash_table_contains((GHashTable *)anchors, lower);
}

/* ---- documents ---- */

static bool is_relevant(const struct checking *checking, const struct document *document, const struct target *target)
{
    if (!checking->changes || g_hash_table_contains(checking->touched, document))
        return true;
    g_autofree char *page = g_strconcat(target->path, ".md", NULL);
    const GHashTable *old = checking->changes->past->by_old;
    return g_hash_table_contains((GHashTable *)old, target->found ? target->found : target->path) ||
           g_hash_table_contains((GHashTable *)old, page);
}

static void check_link(struct checking *checking, const struct input *input, const struct markdown_link *link)
{
    struct target target;
    resolve(input, link->url, &target);
    const char *file = input->file;
    if (is_relevant(checking, input->document, &target)) {
        if (!is_inside(input->root, target.path) && !target.found)
            say_finding(checking->say, RULE_DEAD_LINK, file, link->line, link->url, NULL,
                        "the link '%s' leads out of the repository", link->url);
        else if (!target.found)
            say_finding(checking->say, RULE_DEAD_LINK, file, link->line, link->url, NULL,
                        "the link '%s' leads to no file", link->url);
        else if (!has_anchor(checking, &target))
            say_finding(checking->say, RULE_DEAD_LINK, file, link->line, link->url, NULL,
                        "the link '%s' leads to no heading: there is no '#%s'", link->url, target.anchor);
    }
    target_clear(&target);
}

static void check_documents(const struct coverage *coverage, struct checking *checking)
{
    for (guint i = 0; i < coverage->inputs->len; i++) {
        const struct input *input = coverage->inputs->pdata[i];
        if (input->document)
            g_hash_table_insert(checking->anchors, g_strdup(input->path), g_hash_table_ref(input->document->anchors));
    }
    for (guint i = 0; i < coverage->documents->len; i++)
        g_hash_table_add(checking->touched,
                         (void *)((struct document_answer *)coverage->documents->pdata[i])->document);
    for (guint i = 0; i < coverage->inputs->len; i++) {
        const struct input *input = coverage->inputs->pdata[i];
        for (guint j = 0; input->document && j < input->document->links->len; j++)
            check_link(checking, input, input->document->links->pdata[j]);
    }
}

static void unref_anchors(void *anchors)
{
    g_clear_pointer((GHashTable **)&anchors, g_hash_table_unref);
}

void links_findings(const struct coverage *coverage, const struct say *say)
{
    g_autoptr(GHashTable) touched = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) anchors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_anchors);
    struct checking checking = {say, coverage->changes, touched, anchors};
    if (say_wanted(say, RULE_DEAD_LINK))
        check_documents(coverage, &checking);
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject_answer *answer = coverage->subjects->pdata[i];
        const struct subject *subject = answer->subject;
        if (answer->dead_url && answer->by->len) /* an uncovered one says it already */
            say_finding(say, RULE_DEAD_RUNBOOK_URL, subject->file, subject->line, subject->key, NULL,
                        "the runbook_url of alert '%s' leads to no document: %s", subject->name, subject->runbook_url);
    }
}

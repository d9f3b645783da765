/* report_markdown: see report.h. A page for GitHub's step summary; GitLab and others render it too. */
#include "core/limits.h"
#include "jobs/coverage/changes.h"
#include "jobs/coverage/owners.h"
#include "jobs/coverage/report.h"
#include <math.h>
#include <string.h>

/* Kept free for the last line, which counts what is left out. */
enum { LAST_LINE_BYTES = 512 };

/* A page that stops growing at its limit, at the end of a row. */
struct page {
    GString *text;
    const char *heading; /* of the table that the next row begins; NULL once it stands there */
    size_t limit, left_out;
};

static void page_row(struct page *page, const char *row)
{
    size_t heading = page->heading ? strlen(page->heading) : 0;
    if (page->text->len + heading + strlen(row) > page->limit) {
        page->left_out++;
        return;
    }
    if (page->heading)
        g_string_append(page->text, page->heading);
    page->heading = NULL;
    g_string_append(page->text, row);
}

/* Appends a cell with text in a code span, where neither HTML nor @mentions nor links count. The span's fence is longer
 * than any run of backticks inside. A pipe would end the cell even here, unless an odd number of backslashes stands
 * before it (GitHub Flavored Markdown, tables). */
static void append_cell(GString *row, const char *text)
{
    g_autofree char *plain = owner_plain(*text ? text : "-");
    size_t longest = 0, run = 0, backslashes = 0;
    for (const char *at = plain; *at; at++) {
        run = *at == '`' ? run + 1 : 0;
        longest = MAX(longest, run);
    }
    g_autofree char *fence = g_strnfill(longest + 1, '`');
    const char *pad = longest || *plain == ' ' ? " " : "";
    g_string_append_printf(row, "| %s%s", fence, pad);
    for (const char *at = plain; *at; at++) {
        if (*at == '|')
            g_string_append(row, backslashes % 2 ? "\\\\" : "\\");
        backslashes = *at == '\\' ? backslashes + 1 : 0;
        g_string_append_c(row, *at);
    }
    g_string_append_printf(row, "%s%s ", pad, fence);
}

static void add_row(struct page *page, const char *const *cells)
{
    g_autoptr(GString) row = g_string_new(NULL);
    for (; *cells; cells++)
        append_cell(row, *cells);
    g_string_append(row, "|\n");
    page_row(page, row->str);
}

static void add_owners(struct page *page, const GPtrArray *owners)
{
    page->heading = "| owner | covered | of |\n|---|---:|---:|\n";
    for (guint i = 0; i < owners->len; i++) {
        const struct owner *owner = owners->pdata[i];
        g_autoptr(GString) row = g_string_new(NULL);
        append_cell(row, owner->name);
        g_string_append_printf(row, "| %zu | %zu |\n", owner->covered, owner->all);
        page_row(page, row->str);
    }
}

static void add_missing(struct page *page, const GPtrArray *owners)
{
    page->heading = "\n### Without a runbook\n\n| what | severity | owner | where |\n|---|---|---|---|\n";
    for (guint i = 0; i < owners->len; i++) {
        const struct owner *owner = owners->pdata[i];
        for (guint j = 0; j < owner->missing->len; j++) {
            const struct subject *missing = owner->missing->pdata[j];
            g_autofree char *place = g_strdup_printf("%s:%d", missing->file, missing->line);
            const char *severity = missing->severity ? missing->severity : "";
            add_row(page, (const char *[]){missing->key, severity, owner->name, place, NULL});
        }
    }
}

static void add_automation(struct page *page, const struct changes *changes)
{
    page->heading = "\n### Automation\n\n| alert | | runbook |\n|---|---|---|\n";
    for (guint i = 0; i < changes->automation->len; i++) {
        const struct automation_change *change = changes->automation->pdata[i];
        add_row(page, (const char *[]){change->alert->name, automation_words(change), change->document->file, NULL});
    }
}

static void add_changes(struct page *page, const struct changes *changes)
{
    g_autofree char *heading =
        g_strdup_printf("\n### Changed since %.12s\n\n| | what | where |\n|---|---|---|\n", changes->base);
    page->heading = heading;
    for (guint i = 0; i < changes->subjects->len; i++) {
        const struct subject_change *change = changes->subjects->pdata[i];
        const struct subject *subject = subject_change_subject(change);
        g_autofree char *place = g_strdup_printf("%s:%d", subject->file, subject->line);
        add_row(page, (const char *[]){change_names[change->kind], subject->key, place, NULL});
    }
    add_automation(page, changes);
    page->heading = NULL;
}

static void add_findings(struct page *page, const struct finding_list *findings)
{
    page->heading = "\n### Also\n\n| where | what |\n|---|---|\n";
    for (size_t i = 0; i < finding_count(findings); i++) {
        const struct finding *finding = finding_at(findings, i);
        if (!report_lists(finding))
            continue;
        g_autofree char *place =
            finding->line > 0 ? g_strdup_printf("%s:%d", finding->file, finding->line) : g_strdup(finding->file);
        add_row(page, (const char *[]){place, finding->message, NULL});
    }
}

static void add_skipped(struct page *page, const GPtrArray *skipped)
{
    page->heading = "\n### Skipped\n\n| file | reason |\n|---|---|\n";
    for (guint i = 0; i < skipped->len; i++) {
        const struct input *input = skipped->pdata[i];
        add_row(page, (const char *[]){input->file, input->skipped, NULL});
    }
}

char *report_markdown(const struct coverage *coverage, const struct finding_list *findings)
{
    g_autoptr(GPtrArray) owners = owners_of(coverage);
    struct page page = {g_string_new("## Runbook coverage\n\n"), NULL, LIMIT_STEP_SUMMARY_BYTES / 4, 0};
    g_string_append_printf(page.text, "**%.1f%%**: %zu of %zu workloads, %zu of %zu alerts.\n\n",
                           floor(coverage_percent(coverage) * 10) / 10, coverage->counts[SUBJECT_WORKLOAD].covered,
                           coverage->counts[SUBJECT_WORKLOAD].all, coverage->counts[SUBJECT_ALERT].covered,
                           coverage->counts[SUBJECT_ALERT].all);
    add_owners(&page, owners); /* thousands of owners must not crowd out the gaps */
    page.limit = LIMIT_STEP_SUMMARY_BYTES - LAST_LINE_BYTES;
    add_missing(&page, owners);
    if (coverage->changes)
        add_changes(&page, coverage->changes);
    add_findings(&page, findings);
    add_skipped(&page, coverage->skipped);
    if (page.left_out)
        g_string_append_printf(page.text,
                               "\n**%zu more rows are not shown**: GitHub takes a page of at most 1 MiB. "
                               "`hikeshi coverage` prints them all.\n",
                               page.left_out);
    return g_string_free(page.text, FALSE);
}

bool report_lists(const struct finding *finding)
{
    return !g_str_has_prefix(finding->rule, "uncovered-") && strcmp(finding->rule, "unreadable-file") != 0;
}

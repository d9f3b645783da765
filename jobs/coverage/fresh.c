/* fresh: see fresh.h. What Git says is fresh_history.c. */
#include "jobs/coverage/fresh.h"
#include "core/clock.h"
#include "jobs/coverage/fresh_history.h"
#include "jobs/policy.h"
#include <string.h>

/* "2026-11-21"; g_free. */
static char *date_of(int64_t ms)
{
    char *text = clock_format(ms);
    text[strcspn(text, "T")] = '\0';
    return text;
}

/* ---- owners ---- */

/* The names of the teams; NULL when there is no teams file, or when it does not parse, which is said. */
static json_t *read_teams(const char *path, const struct say *say)
{
    g_autofree char *text = NULL;
    gsize length;
    if (!path || !g_file_get_contents(path, &text, &length, NULL))
        return NULL;
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(json_t) parsed = policy_parse(path, text, length, findings);
    if (parsed)
        return json_incref(json_object_get(parsed, "teams"));
    const struct finding *first = finding_count(findings) ? finding_at(findings, 0) : NULL;
    say_finding(say, RULE_UNREADABLE_FILE, path, first ? first->line : 1, path, NULL, "owners are not checked: %s",
                first ? first->message : "not readable");
    return NULL;
}

static void check_owner(const struct say *say, const json_t *teams, const char *owner, const char *file, int line,
                        const char *about)
{
    if (owner && !json_object_get(teams, owner))
        say_finding(say, RULE_UNKNOWN_OWNER, file, line, about, NULL, "there is no team '%s' in hikeshi/teams.yaml",
                    owner);
}

static void check_owners(const struct coverage *coverage, const char *teams_path, const struct say *say)
{
    g_autoptr(json_t) teams = say_wanted(say, RULE_UNKNOWN_OWNER) ? read_teams(teams_path, say) : NULL;
    if (!teams)
        return;
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject *subject = ((struct subject_answer *)coverage->subjects->pdata[i])->subject;
        check_owner(say, teams, subject->owner, subject->file, subject->line, subject->key);
    }
    for (guint i = 0; i < coverage->documents->len; i++) {
        const struct document *document = ((struct document_answer *)coverage->documents->pdata[i])->document;
        check_owner(say, teams, document->owner, document->file, 1, document->file);
    }
}

/* ---- tests ---- */

static char *tested_file(const struct input *test)
{
    g_autofree char *folder = g_path_get_dirname(test->file);
    const char *named = test->tested;
    g_autofree char *same = g_strndup(test->file, strlen(test->file) - strlen(".test.yaml"));
    if (!named)
        return g_strconcat(same, ".md", NULL);
    if (!g_str_has_prefix(named, "./") && !g_str_has_prefix(named, "../"))
        return NULL;
    g_autofree char *base = g_strconcat("/", folder, NULL);
    g_autofree char *path = g_canonicalize_filename(named, base);
    return g_strdup(path + 1);
}

/* Files and ids of runbooks that a test runs. */
static GHashTable *tested_runbooks(const struct coverage *coverage)
{
    GHashTable *tested = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < coverage->inputs->len; i++) {
        const struct input *input = coverage->inputs->pdata[i];
        if (input->kind != INPUT_TEST || input->skipped)
            continue;
        char *file = tested_file(input);
        g_hash_table_add(tested, file ? file : g_strdup(input->tested));
    }
    return tested;
}

static void check_tests(const struct coverage *coverage, const struct say *say)
{
    g_autoptr(GHashTable) tested = tested_runbooks(coverage);
    for (guint i = 0; i < coverage->documents->len; i++) {
        const struct document *document = ((struct document_answer *)coverage->documents->pdata[i])->document;
        if (document->runbook && !g_hash_table_contains(tested, document->file) &&
            !g_hash_table_contains(tested, document->id))
            say_finding(say, RULE_UNTESTED_RUNBOOK, document->file, 1, document->file, NULL,
                        "no test runs this runbook");
    }
}

/* The first case or file that failed; NULL when all passed. Borrowed. */
static const char *failure_of(const json_t *result)
{
    size_t i;
    json_t *one;
    if (json_array_size(json_object_get(result, "problems")) > 0)
        return json_get_string(result, "file", "");
    json_array_foreach (json_object_get(result, "cases"), i, one)
        if (strcmp(json_get_string(one, "result", ""), "passed") != 0)
            return json_get_string(one, "name", "");
    return NULL;
}

static void check_report(const struct coverage *coverage, const json_t *report, const struct say *say)
{
    g_autoptr(GHashTable) failures = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i;
    json_t *result;
    json_array_foreach (json_object_get(report, "files"), i, result) {
        const char *runbook = json_get_string(result, "runbook", NULL), *failure = failure_of(result);
        if (runbook && failure)
            g_hash_table_insert(failures, (char *)runbook, (char *)failure);
    }
    for (guint j = 0; j < coverage->documents->len; j++) {
        const struct document *document = ((struct document_answer *)coverage->documents->pdata[j])->document;
        const char *failure = g_hash_table_lookup(failures, document->file);
        if (failure)
            say_finding(say, RULE_FAILING_TEST, document->file, 1, document->file, NULL,
                        "a test of this runbook does not pass: %s", failure);
    }
}

/* ---- runs ---- */

static void check_runs(const struct coverage *coverage, GHashTable *runs, const struct say *say)
{
    int64_t now = clock_now_ms(), within = say->settings->run_within_ms;
    for (guint i = 0; i < coverage->documents->len; i++) {
        const struct document *document = ((struct document_answer *)coverage->documents->pdata[i])->document;
        if (!document->runbook)
            continue;
        const int64_t *last = g_hash_table_lookup(runs, document->file);
        g_autofree char *date = last && *last ? date_of(*last) : NULL;
        if (!last)
            say_finding(say, RULE_UNPROVEN_RUNBOOK, document->file, 1, document->file, NULL,
                        "the server does not have this runbook in service");
        else if (!*last)
            say_finding(say, RULE_UNPROVEN_RUNBOOK, document->file, 1, document->file, NULL,
                        "no run of this runbook has succeeded");
        else if (now - *last > within)
            say_finding(say, RULE_UNPROVEN_RUNBOOK, document->file, 1, document->file, NULL,
                        "no run of this runbook has succeeded since %s", date);
    }
}

/* ---- age ---- */

/* What a document covers that changed last. */
struct newest {
    const struct subject *subject;
    int64_t seconds;
};

static GHashTable *newest_of(const struct coverage *coverage, const struct fresh_history *history)
{
    GHashTable *table = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject_answer *answer = coverage->subjects->pdata[i];
        int64_t seconds = fresh_history_seconds(history, answer->subject->file);
        for (guint j = 0; seconds && j < answer->by->len; j++) {
            const struct document *document = g_array_index(answer->by, struct coverage_by, j).document;
            struct newest *newest = g_hash_table_lookup(table, document);
            if (!newest)
                g_hash_table_insert(table, (void *)document, newest = g_new0(struct newest, 1));
            if (seconds > newest->seconds)
                *newest = (struct newest){answer->subject, seconds};
        }
    }
    return table;
}

static char *check_age(const struct coverage *coverage, const struct say *say)
{
    struct fresh_history *history = fresh_history_new(coverage);
    g_autoptr(GHashTable) table = newest_of(coverage, history);
    GHashTableIter iter;
    gpointer key, value;
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const struct document *document = key;
        const struct newest *newest = value;
        int64_t seconds = fresh_history_seconds(history, document->file);
        if (!seconds || (newest->seconds - seconds) * 1000 <= say->settings->stale_after_ms ||
            fresh_history_is_dirty(history, document->file))
            continue;
        g_autofree char *changed = date_of(newest->seconds * 1000), *written = date_of(seconds * 1000);
        say_finding(say, RULE_STALE_DOCUMENT, document->file, 1, document->file, NULL,
                    "%s changed on %s, this document last on %s", newest->subject->key, changed, written);
    }
    char *note =
        fresh_history_is_cut(history)
            ? g_strdup("the clone's history is cut short, so that nothing is said about the age of some documents "
                       "(actions/checkout: fetch-depth: 0)")
            : NULL;
    fresh_history_free(history);
    return note;
}

void fresh_findings(const struct coverage *coverage, const struct fresh_evidence *evidence, const struct say *say,
                    char **ret_note)
{
    *ret_note = say_wanted(say, RULE_STALE_DOCUMENT) ? check_age(coverage, say) : NULL;
    check_owners(coverage, evidence->teams_path, say);
    if (say_wanted(say, RULE_UNTESTED_RUNBOOK))
        check_tests(coverage, say);
    if (evidence->test_report)
        check_report(coverage, evidence->test_report, say);
    if (evidence->runs)
        check_runs(coverage, evidence->runs, say);
}

/* finding_format_sarif: see the header. Sources: SARIF 2.1.0 (OASIS), docs.github.com "SARIF support for code
 * scanning". */
#include "core/crypto.h"
#include "core/finding_format.h"
#include <string.h>

/* Above this GitHub refuses the whole upload. */
enum { MOST_RESULTS = 25000 };

static const char *const levels[] = {"note", "warning", "error"};

/* What the finding is, without its line: that moves with every edit above, and the finding would count as new. The
 * number tells findings apart that are otherwise the same; `seen` counts them. g_free. */
static char *fingerprint(const struct finding *finding, GHashTable *seen)
{
    const char *subject = finding->subject ? finding->subject : finding->message;
    g_autofree char *text = g_strjoin("\n", finding->rule, finding->file, subject, NULL);
    char *hash = crypto_sha256_hex(text, strlen(text));
    guint number = GPOINTER_TO_UINT(g_hash_table_lookup(seen, hash)) + 1;
    char *mark = g_strdup_printf("%s:%u", hash, number);
    g_hash_table_insert(seen, hash, GUINT_TO_POINTER(number));
    return mark;
}

static json_t *location(const struct finding *finding)
{
    g_autofree char *uri = g_uri_escape_string(finding->file, "/", FALSE);
    return json_pack("{s:{s:{s:s}, s:{s:i, s:i}}}", "physicalLocation", "artifactLocation", "uri", uri, "region",
                     "startLine", MAX(finding->line, 1), "startColumn", MAX(finding->column, 1));
}

static json_t *result(const struct finding *finding, GHashTable *seen)
{
    g_autofree char *mark = fingerprint(finding, seen);
    g_autofree char *text = finding->suggestion ? g_strdup_printf("%s (%s)", finding->message, finding->suggestion)
                                                : g_strdup(finding->message);
    json_t *message = json_text_value(text, strlen(text));
    return json_pack("{s:s, s:s, s:{s:o}, s:[o], s:{s:s}}", "ruleId", finding->rule, "level", levels[finding->level],
                     "message", "text", message, "locations", location(finding), "partialFingerprints",
                     "primaryLocationLineHash", mark);
}

static json_t *rule(const char *id, const char *help)
{
    return json_pack("{s:s, s:{s:s}, s:{s:s}, s:{s:s}}", "id", id, "shortDescription", "text", help, "fullDescription",
                     "text", help, "help", "text", help);
}

static json_t *all_results(const struct finding_list *list)
{
    json_t *results = json_array();
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (int level = FINDING_ERROR; level >= FINDING_NOTE; level--)
        for (size_t i = 0; i < finding_count(list) && json_array_size(results) < MOST_RESULTS; i++)
            if ((int)finding_at(list, i)->level == level)
                json_array_append_new(results, result(finding_at(list, i), seen));
    return results;
}

static json_t *all_rules(const struct finding_list *list, const char *(*help)(const char *rule))
{
    json_t *rules = json_array();
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = 0; i < finding_count(list); i++) {
        const char *id = finding_at(list, i)->rule, *said = help ? help(id) : NULL;
        if (g_hash_table_add(seen, (char *)id))
            json_array_append_new(rules, rule(id, said ? said : id));
    }
    return rules;
}

static json_t *invocation(size_t left_out)
{
    json_t *said = json_array();
    g_autofree char *text = g_strdup_printf("%zu more findings are not in this file", left_out);
    if (left_out)
        json_array_append_new(said, json_pack("{s:s, s:{s:s}}", "level", "warning", "message", "text", text));
    return json_pack("{s:b, s:o}", "executionSuccessful", true, "toolExecutionNotifications", said);
}

json_t *finding_format_sarif(const struct finding_list *list, const char *category,
                             const char *(*help)(const char *rule))
{
    g_autofree char *id = g_strconcat(category, "/", NULL);
    json_t *results = all_results(list);
    size_t left_out = finding_count(list) - json_array_size(results);
    return json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:{s:s}, s:[o], s:o}]}", "$schema",
                     "https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0", "runs", "tool", "driver",
                     "name", "hikeshi", "version", HIKESHI_VERSION, "rules", all_rules(list, help), "automationDetails",
                     "id", id, "invocations", invocation(left_out), "results", results);
}

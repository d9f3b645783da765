/* finding_format: see the header. Sources: GitHub's workflow command and code scanning pages, SARIF 2.1.0 (OASIS). */
#include "core/finding_format.h"
#include "core/crypto.h"
#include <string.h>

enum { GITHUB_SHOWN = 10 };

static const char *const github_kinds[] = {"notice", "warning", "error"};
static const char *const sarif_levels[] = {"note", "warning", "error"};

/* ---- GitHub ---- */

static void append_escaped(GString *out, const char *text, bool property)
{
    for (const char *at = text; *at; at++) {
        if (*at == '%' || *at == '\r' || *at == '\n' || (property && (*at == ':' || *at == ',')))
            g_string_append_printf(out, "%%%02X", (unsigned char)*at);
        else
            g_string_append_c(out, *at);
    }
}

static void append_github(GString *out, const struct finding *finding)
{
    g_string_append_printf(out, "::%s file=", github_kinds[finding->level]);
    append_escaped(out, finding->file, true);
    if (finding->line > 0)
        g_string_append_printf(out, ",line=%d", finding->line);
    if (finding->line > 0 && finding->column > 0)
        g_string_append_printf(out, ",col=%d", finding->column);
    g_string_append(out, ",title=");
    append_escaped(out, finding->rule, true);
    g_string_append(out, "::");
    append_escaped(out, finding->message, false);
    if (finding->suggestion) {
        g_string_append(out, " (");
        append_escaped(out, finding->suggestion, false);
        g_string_append_c(out, ')');
    }
    g_string_append_c(out, '\n');
}

char *finding_format_github(const struct finding_list *list, size_t *ret_left_out)
{
    GString *out = g_string_new(NULL);
    size_t left_out = 0;
    for (int level = FINDING_ERROR; level >= FINDING_NOTE; level--) {
        size_t shown = 0;
        for (size_t i = 0; i < finding_count(list); i++) {
            const struct finding *finding = finding_at(list, i);
            if ((int)finding->level != level)
                continue;
            if (shown++ < GITHUB_SHOWN)
                append_github(out, finding);
            else
                left_out++;
        }
    }
    if (ret_left_out)
        *ret_left_out = left_out;
    return g_string_free(out, FALSE);
}

/* ---- SARIF ---- */

static char *fingerprint(const struct finding *finding)
{
    /* No line: it moves with every edit above, and the finding would count as new. */
    g_autofree char *text = g_strjoin("\n", finding->rule, finding->file, finding->message, NULL);
    return crypto_sha256_hex(text, strlen(text));
}

static json_t *sarif_location(const struct finding *finding)
{
    g_autofree char *uri = g_uri_escape_string(finding->file, "/", FALSE);
    return json_pack("{s:{s:{s:s}, s:{s:i, s:i}}}", "physicalLocation", "artifactLocation", "uri", uri, "region",
                     "startLine", MAX(finding->line, 1), "startColumn", MAX(finding->column, 1));
}

static json_t *sarif_result(const struct finding *finding)
{
    g_autofree char *mark = fingerprint(finding);
    g_autofree char *text = finding->suggestion ? g_strdup_printf("%s (%s)", finding->message, finding->suggestion)
                                                : g_strdup(finding->message);
    json_t *message = json_text_value(text, strlen(text));
    return json_pack("{s:s, s:s, s:{s:o}, s:[o], s:{s:s}}", "ruleId", finding->rule, "level",
                     sarif_levels[finding->level], "message", "text", message, "locations", sarif_location(finding),
                     "partialFingerprints", "primaryLocationLineHash", mark);
}

static json_t *sarif_rule(const char *rule, const char *help)
{
    return json_pack("{s:s, s:{s:s}, s:{s:s}, s:{s:s}}", "id", rule, "shortDescription", "text", help,
                     "fullDescription", "text", help, "help", "text", help);
}

json_t *finding_format_sarif(const struct finding_list *list, const char *category,
                             const char *(*help)(const char *rule))
{
    json_t *rules = json_array(), *results = json_array();
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree char *id = g_strconcat(category, "/", NULL);
    for (size_t i = 0; i < finding_count(list); i++) {
        const struct finding *finding = finding_at(list, i);
        const char *said = help ? help(finding->rule) : NULL;
        if (g_hash_table_add(seen, (char *)finding->rule))
            json_array_append_new(rules, sarif_rule(finding->rule, said ? said : finding->rule));
        json_array_append_new(results, sarif_result(finding));
    }
    return json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:{s:s}, s:o}]}", "$schema",
                     "https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0", "runs", "tool", "driver",
                     "name", "hikeshi", "version", HIKESHI_VERSION, "rules", rules, "automationDetails", "id", id,
                     "results", results);
}

/* ---- JUnit ---- */

/* XML text without the control characters that XML 1.0 forbids. g_free. */
static char *xml(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    for (char *at = valid; *at; at++)
        if ((unsigned char)*at < 0x20 && *at != '\n' && *at != '\t')
            *at = ' ';
    return g_markup_escape_text(valid, -1);
}

static void append_failure(GString *out, const struct finding *finding)
{
    g_autofree char *name = g_strdup_printf("%s:%d", finding->file, finding->line);
    g_autofree char *case_name = xml(name), *rule = xml(finding->rule), *message = xml(finding->message);
    g_autofree char *more = xml(finding->suggestion ? finding->suggestion : "");
    g_string_append_printf(
        out,
        "    <testcase name=\"%s %s\" classname=\"%s\">\n      <failure message=\"%s\">%s</failure>\n    </testcase>\n",
        case_name, message, rule, message, more);
}

char *finding_format_junit(const struct finding_list *list, const char *suite, const char *const *passed)
{
    GString *out = g_string_new("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    g_autofree char *name = xml(suite);
    size_t failures = 0, good = passed ? g_strv_length((char **)passed) : 0;
    for (size_t i = 0; i < finding_count(list); i++)
        failures += finding_at(list, i)->level != FINDING_NOTE;
    g_string_append_printf(out, "  <testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\">\n", name, good + failures,
                           failures);
    for (size_t i = 0; i < finding_count(list); i++)
        if (finding_at(list, i)->level != FINDING_NOTE)
            append_failure(out, finding_at(list, i));
    for (size_t i = 0; i < good; i++) {
        g_autofree char *text = xml(passed[i]);
        g_string_append_printf(out, "    <testcase name=\"%s\" classname=\"%s\"/>\n", text, name);
    }
    g_string_append(out, "  </testsuite>\n</testsuites>\n");
    return g_string_free(out, FALSE);
}

/* fuzz_manifest: any bytes as a manifest, beside a document: subjects with places inside the file, the same twice; and
 * whatever they are called, every form of the answer is what its reader takes. */
#include "core/finding_format.h"
#include "jobs/coverage/gaps.h"
#include "jobs/coverage/report.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct input *parsed(const char *text, size_t length, const struct coverage_settings *settings)
{
    struct input *input = input_new(INPUT_MANIFEST, "/repo", "deploy/x.yaml");
    input_parse(input, text, length, &settings->rules, true);
    return input;
}

static void check_subjects(const struct input *input, const struct input *again, size_t lines)
{
    g_assert(input->subjects->len == again->subjects->len && g_strcmp0(input->skipped, again->skipped) == 0);
    g_assert(!input->skipped || g_utf8_validate(input->skipped, -1, NULL));
    for (guint i = 0; i < input->subjects->len; i++) {
        const struct subject *subject = input->subjects->pdata[i], *other = again->subjects->pdata[i];
        g_assert(*subject->name && *subject->key && subject->line >= 1 && (size_t)subject->line <= lines);
        g_assert(subject->digest && strcmp(subject->digest, other->digest) == 0 &&
                 strcmp(subject->key, other->key) == 0);
        g_assert(g_utf8_validate(subject->key, -1, NULL));
    }
}

/* Each annotation is one line that begins with its command; a page's rows end where they should. */
static void check_forms(const struct coverage *coverage, const struct coverage_settings *settings)
{
    g_autoptr(finding_list) findings = finding_list_new();
    struct say say = {settings, findings};
    gaps_findings(coverage, NULL, false, &say);
    g_autofree char *github = finding_format_github(findings, NULL), *text = report_text(coverage, findings, false);
    g_autofree char *page = report_markdown(coverage, findings), *junit = finding_format_junit(findings, "s", NULL, 0);
    g_autoptr(json_t) sarif = finding_format_sarif(findings, "c", rule_help);
    g_autoptr(json_t) json = coverage_to_json(coverage);
    g_assert(sarif && json);
    g_auto(GStrv) lines = g_strsplit(github, "\n", -1);
    for (char **line = lines; *line; line++)
        g_assert(!**line || g_str_has_prefix(*line, "::error file=deploy/x.yaml,") ||
                 g_str_has_prefix(*line, "::warning file="));
    g_assert(!strpbrk(text, "\r\033") && !strpbrk(page, "\r\033"));
    for (const char *at = junit; *at; at++)
        g_assert((unsigned char)*at >= 0x20 || *at == '\n' || *at == '\t');
    g_autoptr(GError) error = NULL;
    GMarkupParser ignore = {0};
    GMarkupParseContext *context = g_markup_parse_context_new(&ignore, 0, NULL, NULL);
    const char *root = strstr(junit, "<testsuites");
    g_assert(g_markup_parse_context_parse(context, root, -1, &error) &&
             g_markup_parse_context_end_parse(context, &error));
    g_markup_parse_context_free(context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(coverage_settings) settings = coverage_settings_parse("", 0, "c", NULL);
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || data[i] == '\r';
    struct input *input = parsed((const char *)data, size, settings),
                 *again = parsed((const char *)data, size, settings);
    check_subjects(input, again, lines);
    struct input *document = input_new(INPUT_DOCUMENT, "/repo", "runbooks/a.md");
    input_parse(document, "# a\n", 4, &settings->rules, false);
    g_autoptr(GPtrArray) inputs = g_ptr_array_new();
    g_ptr_array_add(inputs, input);
    g_ptr_array_add(inputs, document);
    g_autoptr(coverage_t) coverage = coverage_judge(inputs, settings);
    check_forms(coverage, settings);
    input_unref(input);
    input_unref(again);
    input_unref(document);
    return 0;
}

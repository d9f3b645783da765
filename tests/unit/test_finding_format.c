/* finding_format: what other programs read is what was said, whatever somebody else's text holds. */
#include "tests/unit/support.h"

#include "core/finding_format.h"
#include <string.h>

static const char *rule_help(const char *rule)
{
    return strcmp(rule, "r") == 0 ? "what r means" : NULL;
}

static void test_github_escapes(void **state)
{
    (void)state;
    static const struct {
        const char *why, *file, *message, *suggestion, *wanted;
    } rows[] = {
        {"plain", "a.yaml", "no runbook", NULL, "::error file=a.yaml,line=3,col=2,title=r::no runbook\n"},
        {"a property's colon and comma", "a:b,c.yaml", "x", NULL,
         "::error file=a%3Ab%2Cc.yaml,line=3,col=2,title=r::x\n"},
        {"data keeps colon and comma", "a", "x: y, z", NULL, "::error file=a,line=3,col=2,title=r::x: y, z\n"},
        {"percent, first of all", "a%0Ab", "100%0A", NULL, "::error file=a%250Ab,line=3,col=2,title=r::100%250A\n"},
        {"line ends", "a\nb", "x\r\n::error::y", NULL, "::error file=a%0Ab,line=3,col=2,title=r::x%0D%0A::error::y\n"},
        {"a suggestion is data too", "a", "x", "50%\n", "::error file=a,line=3,col=2,title=r::x (50%25%0A)\n"},
        {"bytes that are no UTF-8", "a", "\xff", NULL, "::error file=a,line=3,col=2,title=r::\xef\xbf\xbd\n"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(finding_list) list = finding_list_new();
        finding_add(list, "r", FINDING_ERROR, rows[i].file, 3, 2, rows[i].suggestion, "%s", rows[i].message);
        g_autofree char *text = finding_format_github(list, NULL);
        if (strcmp(text, rows[i].wanted) != 0)
            row_failed(rows[i].why, "%s", text);
    }
}

static void test_github_shows_ten_of_a_kind(void **state)
{
    (void)state;
    g_autoptr(finding_list) list = finding_list_new();
    for (int i = 0; i < 12; i++) {
        finding_add(list, "w", FINDING_WARNING, "a", 0, 0, NULL, "warning %d", i);
        finding_add(list, "e", FINDING_ERROR, "a", 0, 0, NULL, "error %d", i);
    }
    finding_add(list, "n", FINDING_NOTE, "a", 0, 0, NULL, "note");
    size_t left_out = 99;
    g_autofree char *text = finding_format_github(list, &left_out);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    assert_int_equal(g_strv_length(lines), 21 + 1);
    assert_int_equal(left_out, 4);
    assert_string_equal(lines[0], "::error file=a,title=e::error 0");
    assert_string_equal(lines[10], "::warning file=a,title=w::warning 0");
    assert_string_equal(lines[20], "::notice file=a,title=n::note");
}

static void test_github_log(void **state)
{
    (void)state;
    g_autofree char *one = finding_format_github_log("::error::x"), *two = finding_format_github_log("::error::x\n");
    g_auto(GStrv) lines = g_strsplit(one, "\n", -1);
    assert_int_equal(g_strv_length(lines), 4);
    assert_true(g_str_has_prefix(lines[0], "::stop-commands::"));
    const char *token = lines[0] + strlen("::stop-commands::");
    assert_int_equal(strlen(token), 32);
    g_autofree char *end = g_strconcat("::", token, "::", NULL);
    assert_string_equal(lines[1], "::error::x");
    assert_string_equal(lines[2], end);
    assert_null(strstr(two, token)); /* another run, another token */
}

static const char *fingerprint(const json_t *sarif, size_t i)
{
    const json_t *run = json_array_get(json_object_get(sarif, "runs"), 0);
    const json_t *result = json_array_get(json_object_get(run, "results"), i);
    return json_path_string(result, "partialFingerprints.primaryLocationLineHash");
}

static void add_one(struct finding_list *list, int line, const char *file, const char *subject, const char *message)
{
    finding_add(list, "r", FINDING_ERROR, file, line, 1, NULL, "%s", message);
    finding_about(list, subject);
}

static void test_sarif_fingerprints(void **state)
{
    (void)state;
    g_autoptr(finding_list) before = finding_list_new(), after = finding_list_new();
    add_one(before, 3, "a.yaml", "deployment/x", "changed 3 days ago");
    add_one(before, 9, "a.yaml", "deployment/x", "changed 3 days ago");
    add_one(before, 9, "a.yaml", "deployment/y", "changed 3 days ago");
    add_one(after, 30, "a.yaml", "deployment/x", "changed 4 days ago");
    add_one(after, 30, "b.yaml", "deployment/x", "changed 4 days ago");
    g_autoptr(json_t) one = finding_format_sarif(before, "c", rule_help);
    g_autoptr(json_t) two = finding_format_sarif(after, "c", rule_help);
    assert_string_equal(fingerprint(one, 0), fingerprint(two, 0)); /* neither its line nor its words count */
    assert_string_not_equal(fingerprint(one, 0), fingerprint(one, 1));
    assert_string_not_equal(fingerprint(one, 0), fingerprint(one, 2));
    assert_string_not_equal(fingerprint(two, 0), fingerprint(two, 1));
}

static void test_sarif_uri_and_rules(void **state)
{
    (void)state;
    g_autoptr(finding_list) list = finding_list_new();
    finding_add(list, "r", FINDING_ERROR, "a b/#%?ü:\xff.yaml", 0, 0, "do", "bad \xff byte");
    finding_add(list, "other", FINDING_NOTE, "a", 2, 5, NULL, "x");
    g_autoptr(json_t) sarif = finding_format_sarif(list, "hikeshi-x", rule_help);
    const json_t *run = json_array_get(json_object_get(sarif, "runs"), 0);
    const json_t *result = json_array_get(json_object_get(run, "results"), 0);
    const json_t *place = json_array_get(json_object_get(result, "locations"), 0);
    assert_string_equal(json_path_string(place, "physicalLocation.artifactLocation.uri"),
                        "a%20b/%23%25%3F%C3%BC%3A%FF.yaml");
    assert_int_equal(json_get_integer(json_path(place, "physicalLocation.region"), "startLine", 0), 1);
    assert_string_equal(json_path_string(result, "message.text"), "bad \xef\xbf\xbd byte (do)");
    assert_string_equal(json_path_string(run, "automationDetails.id"), "hikeshi-x/");
    const json_t *rules = json_path(run, "tool.driver.rules");
    assert_int_equal(json_array_size(rules), 2);
    assert_string_equal(json_path_string(json_array_get(rules, 0), "help.text"), "what r means");
    assert_string_equal(json_path_string(json_array_get(rules, 1), "help.text"), "other");
}

static void test_sarif_limit(void **state)
{
    (void)state;
    g_autoptr(finding_list) list = finding_list_new();
    for (int i = 0; i < 25000; i++)
        finding_add(list, "r", FINDING_NOTE, "a", i, 0, NULL, "note");
    finding_add(list, "r", FINDING_ERROR, "z", 1, 0, NULL, "error");
    g_autoptr(json_t) sarif = finding_format_sarif(list, "c", NULL);
    const json_t *run = json_array_get(json_object_get(sarif, "runs"), 0), *results = json_object_get(run, "results");
    assert_int_equal(json_array_size(results), 25000);
    assert_string_equal(json_get_string(json_array_get(results, 0), "level", ""), "error");
    const json_t *said =
        json_object_get(json_array_get(json_object_get(run, "invocations"), 0), "toolExecutionNotifications");
    assert_string_equal(json_path_string(json_array_get(said, 0), "message.text"),
                        "1 more findings are not in this file");
}

static void test_junit(void **state)
{
    (void)state;
    g_autoptr(finding_list) list = finding_list_new();
    finding_add(list, "r", FINDING_ERROR, "a.yaml", 3, 1, "do <this>", "bad \"x\" & \x01\xef\xbf\xbf\xc2\x9b]]>");
    finding_about(list, "deployment/x");
    finding_add(list, "r", FINDING_NOTE, "b.yaml", 0, 1, NULL, "known");
    const struct finding_passed passed[] = {{"deployment/y", "c.yaml"}};
    g_autofree char *text = finding_format_junit(list, "s", passed, 1);
    assert_string_equal(
        text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuites name=\"s\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"0\">\n"
        "  <testsuite name=\"s\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"0\">\n"
        "    <testcase name=\"deployment/x\" classname=\"s\" file=\"a.yaml\" time=\"0\">\n"
        "      <failure message=\"bad &quot;x&quot; &amp;    ]]&gt;\" type=\"r\">a.yaml:3: bad &quot;x&quot; &amp; "
        "   ]]&gt;\n"
        "do &lt;this&gt;</failure>\n"
        "    </testcase>\n"
        "    <testcase name=\"b.yaml: known\" classname=\"s\" file=\"b.yaml\" time=\"0\">\n"
        "      <skipped message=\"known\"/>\n"
        "    </testcase>\n"
        "    <testcase name=\"deployment/y\" classname=\"s\" file=\"c.yaml\" time=\"0\"/>\n"
        "  </testsuite>\n</testsuites>\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_github_escapes),
        cmocka_unit_test(test_github_shows_ten_of_a_kind),
        cmocka_unit_test(test_github_log),
        cmocka_unit_test(test_sarif_fingerprints),
        cmocka_unit_test(test_sarif_uri_and_rules),
        cmocka_unit_test(test_sarif_limit),
        cmocka_unit_test(test_junit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

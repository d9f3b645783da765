/* params: values given, looked up and defaulted; converted, checked, refused. */
#include "tests/unit/support.h"

#include "jobs/inventory.h"
#include "jobs/runbook.h"
#include <string.h>

static const char declarations[] = "---\n"
                                   "hikeshi: 1\n"
                                   "params:\n"
                                   "  text: {type: string, min_length: 2, max_length: 5}\n"
                                   "  word: {type: string, pattern: '[a-z]+|x'}\n"
                                   "  slow: {type: string, pattern: '(a+)+'}\n"
                                   "  count: {type: integer, minimum: 1, maximum: 30}\n"
                                   "  ratio: {type: number, minimum: 0.5}\n"
                                   "  flag: {type: boolean}\n"
                                   "  level: {type: choice, choices: [low, 2, true]}\n"
                                   "  host: {type: host}\n"
                                   "  time: {type: duration, minimum: 10s, maximum: 1h}\n"
                                   "---\n"
                                   "```lua {step=a}\n```\n";

static const char inventory_text[] =
    "hosts:\n"
    "  db-1: {address: 10.0.1.11, aliases: [db-1.prod.example.com], labels: {role: db}}\n"
    "  web-1: {address: '2001:db8::1'}\n"
    "  twin-a: {address: 127.0.0.1, port: 2201}\n"
    "  twin-b: {address: 127.0.0.1, port: 2202}\n";

static struct runbook *parse(const char *text)
{
    g_autoptr(finding_list) findings = finding_list_new();
    struct runbook *runbook = runbook_parse("x.md", text, strlen(text), findings);
    if (!runbook)
        fail_msg("%s", finding_at(findings, 0)->message);
    return runbook;
}

static json_t *inventory(void)
{
    g_autoptr(finding_list) findings = finding_list_new();
    json_t *hosts = inventory_parse("hikeshi/inventory.yaml", inventory_text, strlen(inventory_text), findings);
    assert_non_null(hosts);
    return hosts;
}

static void test_conversion(void **state)
{
    (void)state;
    static const struct {
        const char *why, *given, *wanted; /* wanted: the bound params, or the message */
    } rows[] = {
        {"nothing is needed", "{}", "{}"},
        {"null is nothing", "{\"text\":null}", "{}"},
        {"text", "{\"text\":\"abc\"}", "{\"text\":\"abc\"}"},
        {"a number as text", "{\"text\":123}", "{\"text\":\"123\"}"},
        {"characters, not bytes", "{\"text\":\"\\u706b\\u6d88\\u3057\"}",
         "{\"text\":\"\xe7\x81\xab\xe6\xb6\x88\xe3\x81\x97\"}"},
        {"too short", "{\"text\":\"a\"}", "param 'text' must have at least 2 characters"},
        {"too long", "{\"text\":\"abcdef\"}", "param 'text' must have at most 5 characters"},
        {"nothing hides behind a NUL", "{\"word\":\"ab\\u0000/../x\"}", "param 'word' must not hold a NUL character"},
        {"a list is no text", "{\"text\":[1]}", "param 'text' must be text, not [1]"},
        {"the pattern is for the whole value", "{\"word\":\"ab1\"}", "param 'word' must match [a-z]+|x"},
        {"a newline at the end is not the end", "{\"word\":\"ab\\n\"}", "param 'word' must match [a-z]+|x"},
        {"each alternative is anchored", "{\"word\":\"xx9\"}", "param 'word' must match [a-z]+|x"},
        {"a pattern that explodes does not match", "{\"slow\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}",
         "param 'slow' must match (a+)+"},
        {"integer from text", "{\"count\":\"7\"}", "{\"count\":7}"},
        {"integer from a whole real", "{\"count\":7.0}", "{\"count\":7}"},
        {"no integer", "{\"count\":7.5}", "param 'count' must be a whole number, not 7.5"},
        {"no integer in text", "{\"count\":\"7x\"}", "param 'count' must be a whole number, not \"7x\""},
        {"spaces are no number", "{\"count\":\" 7\"}", "param 'count' must be a whole number, not \" 7\""},
        {"too large for any integer", "{\"count\":\"99999999999999999999\"}",
         "param 'count' must be a whole number, not \"99999999999999999999\""},
        {"minimum", "{\"count\":0}", "param 'count' must be at least 1"},
        {"maximum", "{\"count\":\"31\"}", "param 'count' must be at most 30"},
        {"number from text", "{\"ratio\":\"0.75\"}", "{\"ratio\":0.75}"},
        {"infinity is no number", "{\"ratio\":\"inf\"}", "param 'ratio' must be a number, not \"inf\""},
        {"nor is NaN", "{\"ratio\":\"nan\"}", "param 'ratio' must be a number, not \"nan\""},
        {"fractional minimum", "{\"ratio\":0.25}", "param 'ratio' must be at least 0.5"},
        {"boolean", "{\"flag\":true}", "{\"flag\":true}"},
        {"boolean from text", "{\"flag\":\"false\"}", "{\"flag\":false}"},
        {"yes is no boolean", "{\"flag\":\"yes\"}", "param 'flag' must be true or false, not \"yes\""},
        {"choice", "{\"level\":\"low\"}", "{\"level\":\"low\"}"},
        {"a choice keeps its own type", "{\"level\":\"2\"}", "{\"level\":2}"},
        {"no choice", "{\"level\":\"high\"}", "param 'level' must be one of [\"low\",2,true], not \"high\""},
        {"host by name", "{\"host\":\"db-1\"}", "{\"host\":\"db-1\"}"},
        {"host by alias, any case", "{\"host\":\"DB-1.prod.example.com\"}", "{\"host\":\"db-1\"}"},
        {"host with scheme and port", "{\"host\":\"https://db-1:9100/metrics\"}", "{\"host\":\"db-1\"}"},
        {"host by address and port", "{\"host\":\"10.0.1.11:9100\"}", "{\"host\":\"db-1\"}"},
        {"IPv6 in brackets with port", "{\"host\":\"[2001:db8::1]:22\"}", "{\"host\":\"web-1\"}"},
        {"IPv6 bare", "{\"host\":\"2001:db8::1\"}", "{\"host\":\"web-1\"}"},
        {"an address of two hosts", "{\"host\":\"127.0.0.1\"}", "param 'host': the inventory has no host '127.0.0.1'"},
        {"no such host", "{\"host\":\"db-2\"}", "param 'host': the inventory has no host 'db-2'"},
        {"a shell's words are no host", "{\"host\":\"db-1;reboot\"}",
         "param 'host': the inventory has no host 'db-1;reboot'"},
        {"empty host", "{\"host\":\"\"}", "param 'host' must be a host, not \"\""},
        {"duration in seconds", "{\"time\":\"10m\"}", "{\"time\":600}"},
        {"a number is seconds", "{\"time\":30}", "{\"time\":30}"},
        {"fractions of a second", "{\"time\":\"10500ms\"}", "{\"time\":10.5}"},
        {"duration too short", "{\"time\":\"1s\"}", "param 'time' must be at least 10"},
        {"no duration", "{\"time\":\"soon\"}", "param 'time' must be a duration such as 30s or 10m, not \"soon\""},
        {"undeclared", "{\"hsot\":\"db-1\"}", "there is no param 'hsot', did you mean 'host'?"},
        {"undeclared, nothing near", "{\"LD_PRELOAD\":\"x\"}", "there is no param 'LD_PRELOAD'"},
    };
    g_autoptr(runbook_t) runbook = parse(declarations);
    g_autoptr(json_t) hosts = inventory();
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        const char *reason = "";
        g_autoptr(json_t) given = json_loads(rows[i].given, JSON_ALLOW_NUL, NULL);
        g_autoptr(json_t) bound = runbook_bind_params(runbook, given, NULL, hosts, &reason, &error);
        g_autofree char *got = bound ? json_text(bound) : g_strdup(error->message);
        if (strcmp(got, rows[i].wanted) != 0)
            row_failed(rows[i].why, "got %s", got);
        assert_true(bound ? reason == NULL : strcmp(reason, "invalid_param") == 0);
    }
}

static void test_where_values_come_from(void **state)
{
    (void)state;
    static const char text[] = "---\nhikeshi: 1\nparams:\n"
                               "  host: {type: string, required: true, from: alert.labels.instance}\n"
                               "  title: {type: string, default: none, from: incident.title}\n"
                               "  dotted: {type: string, default: '-', from: alert.labels.app.kubernetes.io/name}\n"
                               "---\n```lua {step=a}\n```\n";
    static const struct {
        const char *why, *given, *context, *wanted, *reason;
    } rows[] = {
        {"by hand", "{\"host\":\"a\"}", NULL, "{\"dotted\":\"-\",\"host\":\"a\",\"title\":\"none\"}", NULL},
        {"missing by hand", "{}", NULL, "param 'host' is missing", "missing_param"},
        {"from the alert", "{}",
         "{\"incident\":{\"title\":\"T\"},\"alert\":{\"labels\":{\"instance\":\"b\",\"app.kubernetes.io/"
         "name\":\"n\"}}}",
         "{\"dotted\":\"n\",\"host\":\"b\",\"title\":\"T\"}", NULL},
        {"given wins", "{\"host\":\"a\"}", "{\"alert\":{\"labels\":{\"instance\":\"b\"}}}",
         "{\"dotted\":\"-\",\"host\":\"a\",\"title\":\"none\"}", NULL},
        {"missing in the alert", "{}", "{\"alert\":{\"labels\":{}}}",
         "param 'host' is missing: there is no 'alert.labels.instance'", "missing_param"},
        {"empty is missing", "{}", "{\"alert\":{\"labels\":{\"instance\":\"\"}}}",
         "param 'host' is missing: there is no 'alert.labels.instance'", "missing_param"},
        {"the firing alerts agree", "{}",
         "{\"alert\":null,\"incident\":{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"instance\":\"a\"}},"
         "{\"status\":\"resolved\",\"labels\":{\"instance\":\"z\"}},{\"status\":\"firing\",\"labels\":{\"instance\":"
         "\"a\"}}]}}",
         "{\"dotted\":\"-\",\"host\":\"a\",\"title\":\"none\"}", NULL},
        {"the alerts differ", "{}",
         "{\"incident\":{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"instance\":\"a\"}},"
         "{\"status\":\"firing\",\"labels\":{\"instance\":\"b\"}}]}}",
         "param 'host': the alerts differ in 'alert.labels.instance'", "ambiguous_param"},
        {"one alert has none", "{}",
         "{\"incident\":{\"alerts\":[{\"status\":\"firing\",\"labels\":{}},{\"status\":\"firing\",\"labels\":{"
         "\"instance\":\"b\"}}]}}",
         "param 'host': the alerts differ in 'alert.labels.instance'", "ambiguous_param"},
        {"the wrong kind of thing", "{}", "{\"alert\":{\"labels\":{\"instance\":{}}}}",
         "param 'host' must be text, not {}", "invalid_param"},
    };
    g_autoptr(runbook_t) runbook = parse(text);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        const char *reason = NULL;
        g_autoptr(json_t) given = json_loads(rows[i].given, 0, NULL);
        g_autoptr(json_t) context = rows[i].context ? json_loads(rows[i].context, 0, NULL) : NULL;
        g_autoptr(json_t) bound = runbook_bind_params(runbook, given, context, NULL, &reason, &error);
        g_autofree char *got = bound ? json_text(bound) : g_strdup(error->message);
        if (strcmp(got, rows[i].wanted) != 0 || g_strcmp0(reason, rows[i].reason) != 0)
            row_failed(rows[i].why, "got %s (%s)", got, reason ? reason : "no reason");
    }
}

static void test_host_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"web-1", "web-1"},
        {"web-1:9100", "web-1"},
        {"https://web-1:9100/x?y", "web-1"},
        {"web-1.example.com.", "web-1.example.com"},
        {"[2001:db8::1]:22", "2001:db8::1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"http://[::1]:80/", "::1"},
        {"2001:db8::1", "2001:db8::1"},
        {"web-1:port", "web-1:port"},
        {"[::1", "[::1"},
        {"[::1]x", "[::1]x"},
        {":", ":"},
        {"", ""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = inventory_host_text(rows[i].text);
        assert_string_equal(got, rows[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_where_values_come_from),
        cmocka_unit_test(test_host_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* trigger: match rules one by one, and what a document covers. */
#include "tests/unit/support.h"

#include "jobs/trigger.h"
#include <string.h>

static const char incident_text[] =
    "{\"title\":\"Disk\",\"source\":\"am\",\"severity\":\"SEV2\",\"service\":null,\"status\":\"triggered\","
    "\"labels\":{\"env\":\"prod\"},\"alerts\":["
    "{\"name\":\"DiskFull\",\"status\":\"firing\",\"labels\":{\"env\":\"prod\",\"instance\":\"db-1\",\"deployment\":"
    "\"checkout\","
    "\"namespace\":\"shop\"},\"annotations\":{\"runbook_url\":\"https://x.example/runbooks/node/nodediskfull/?a#b\"}},"
    "{\"name\":\"HighLoad\",\"status\":\"firing\",\"labels\":{\"env\":\"prod\",\"port\":9100}},"
    "{\"name\":\"Gone\",\"status\":\"resolved\",\"labels\":{}}]}";

static struct runbook *parse(const char *path, const char *text)
{
    g_autoptr(finding_list) findings = finding_list_new();
    struct runbook *runbook = runbook_parse(path, text, strlen(text), findings);
    if (!runbook)
        fail_msg("%s", finding_at(findings, 0)->message);
    return runbook;
}

static void test_match(void **state)
{
    (void)state;
    static const struct {
        const char *why, *match;
        int alert; /* index, or -1: incident-wide */
        bool wanted;
    } rows[] = {
        {"equal", "{alert: DiskFull}", 0, true},
        {"another alert", "{alert: DiskFull}", 1, false},
        {"any firing alert", "{alert: HighLoad}", -1, true},
        {"a resolved alert does not fire", "{alert: Gone}", -1, false},
        {"a list is any of", "{labels.env: [stage, prod]}", 0, true},
        {"all rules must hold", "{alert: DiskFull, labels.env: stage}", 0, false},
        {"regex", "{labels.instance: '~^db-'}", 0, true},
        {"regex does not match", "{labels.instance: '~^web-'}", 0, false},
        {"not", "{labels.env: '!stage'}", 0, true},
        {"not, absent", "{labels.zone: '!a'}", 0, true},
        {"not a regex", "{labels.instance: '!~^db-'}", 0, false},
        {"an absent label equals nothing", "{labels.zone: ''}", 0, false},
        {"incident labels", "{labels.env: prod}", -1, true},
        {"an alert's label is not the incident's", "{labels.instance: db-1}", -1, false},
        {"numbers compare as text", "{labels.port: 9100}", 1, true},
        {"source and severity", "{source: am, severity: [SEV1, SEV2]}", 0, true},
        {"the incident's status", "{status: [triggered, acknowledged]}", 0, true},
        {"an alert's status", "{status: firing}", 0, true},
        {"an alert that is over", "{status: firing}", 2, false},
        {"some alert fires", "{status: firing}", -1, true},
        {"not firing", "{status: '!firing'}", 0, false},
        {"a null field", "{service: checkout}", 0, false},
        {"case counts", "{alert: diskfull}", 0, false},
    };
    g_autoptr(json_t) incident = json_loads(incident_text, 0, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = g_strdup_printf(
            "---\ntriggers:\n  - kind: incident\n    match: %s\n---\n```lua {step=a}\n```\n", rows[i].match);
        g_autoptr(runbook_t) runbook = parse("x.md", text);
        const struct trigger *trigger = runbook->triggers->pdata[0];
        const json_t *alert =
            rows[i].alert < 0 ? NULL : json_array_get(json_object_get(incident, "alerts"), (size_t)rows[i].alert);
        g_autoptr(json_t) rules = NULL;
        if (trigger_matches(trigger, incident, alert, &rules) != rows[i].wanted)
            row_failed(rows[i].why, "should be %d", rows[i].wanted);
        assert_int_equal(json_array_size(rules), json_object_size(trigger->match));
    }
}

static void test_rules_explain(void **state)
{
    (void)state;
    g_autoptr(json_t) incident = json_loads(incident_text, 0, NULL);
    g_autoptr(runbook_t) runbook = parse(
        "x.md", "---\ntriggers: [{kind: incident, match: {alert: X, labels.zone: a}}]\n---\n```lua {step=a}\n```\n");
    g_autoptr(json_t) rules = NULL;
    assert_false(trigger_matches(runbook->triggers->pdata[0], incident, NULL, &rules));
    g_autofree char *text = json_text(rules);
    assert_string_equal(text, "[{\"got\":\"DiskFull, HighLoad\",\"ok\":false,\"rule\":\"alert\",\"wanted\":\"X\"},"
                              "{\"got\":null,\"ok\":false,\"rule\":\"labels.zone\",\"wanted\":\"a\"}]");
}

static void test_covers(void **state)
{
    (void)state;
    static const struct {
        const char *why, *path, *text, *by;
    } rows[] = {
        {"covers an alert", "a.md", "---\ncovers: [alert/DiskFull]\n---\n", "covers"},
        {"covers a workload", "a.md", "---\ncovers: Deployment/checkout\n---\n", "covers"},
        {"covers a workload of a namespace", "a.md", "---\ncovers: [deployment/shop/checkout]\n---\n", "covers"},
        {"another namespace", "a.md", "---\ncovers: [deployment/other/checkout]\n---\n", NULL},
        {"another kind", "a.md", "---\ncovers: [job/checkout]\n---\n", NULL},
        {"named after the alert, any case", "runbooks/HIGHLOAD.md", "", "file name"},
        {"named after the workload", "runbooks/checkout.md", "", "file name"},
        {"linked", "runbooks/node/NodeDiskFull.md", "", "runbook_url"},
        {"nothing", "a.md", "# A\n", NULL},
        {"a trigger", "a.md",
         "---\ntriggers: [{kind: incident, match: {labels.instance: db-1}, for_each: alert}]\n---\n```lua "
         "{step=a}\n```\n",
         "trigger"},
    };
    g_autoptr(json_t) incident = json_loads(incident_text, 0, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(runbook_t) runbook = parse(rows[i].path, rows[i].text);
        const char *by = NULL;
        bool covers = runbook_covers_incident(runbook, incident, &by);
        if (covers != (rows[i].by != NULL) || g_strcmp0(by, rows[i].by) != 0)
            row_failed(rows[i].why, "by %s", by ? by : "nothing");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_rules_explain),
        cmocka_unit_test(test_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* runbook: what a whole file becomes, and what is said about a wrong one. Fences and values have tests of their own. */
#include "jobs/runbook.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char disk_full[] =
    "---\n"
    "hikeshi: 1\n"
    "title: Disk is filling up            # default: the first heading\n"
    "owner: storage\n"
    "severity: SEV2\n"
    "covers: [alert/NodeDiskFull, deployment/prod/checkout]\n"
    "hosts: \"role=db & env=prod\"\n"
    "params:\n"
    "  host: {type: host, required: true, from: alert.labels.instance}\n"
    "  keep_days: {type: integer, default: 7, minimum: 1, maximum: 30, description: keep newer logs}\n"
    "triggers:\n"
    "  - kind: incident\n"
    "    match: {alert: NodeDiskFull, labels.env: [prod, stage]}\n"
    "    for_each: alert\n"
    "  - kind: schedule\n"
    "    cron: \"0 9 * * MON-FRI\"\n"
    "    timezone: Asia/Tokyo\n"
    "    params: {host: db-1}\n"
    "  - kind: manual\n"
    "limits: {timeout: 10m, concurrency: 1, per: [params.host], overflow: queue, cooldown: 15m, max_hosts: 5}\n"
    "---\n"
    "# Disk\n"
    "Prose.\n"
    "\n"
    "## How full is it?\n"
    "```lua {step=look}\n"
    "--| timeout: 30s\n"
    "--| effect: read\n"
    "data.used = 1\n"
    "```\n"
    "\n"
    "## Remove old logs\n"
    "```lua {step=clean}\n"
    "--| approve: storage-oncall\n"
    "--| hosts: $params.host\n"
    "--| shows: [data.used]\n"
    "ssh(params.host):run{\"true\"}\n"
    "```\n"
    "```sh {step=top hosts=\"role=db\" at_once=3}\n"
    "#| sudo: postgres\n"
    "uptime\n"
    "```\n"
    "```sh\n"
    "an example for people\n"
    "```\n";

static void test_whole_file(void **state)
{
    (void)state;
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(runbook_t) runbook = runbook_parse("runbooks/disk-full.md", disk_full, strlen(disk_full), findings);
    for (size_t i = 0; i < finding_count(findings); i++)
        print_message("%s\n", finding_to_text(finding_at(findings, i)));
    assert_int_equal(finding_count(findings), 0);
    assert_non_null(runbook);
    assert_false(runbook->document);
    assert_string_equal(runbook->id, "disk-full");
    assert_string_equal(runbook->title, "Disk is filling up");
    assert_string_equal(runbook->owner, "storage");
    assert_string_equal(runbook->covers[1], "deployment/prod/checkout");
    assert_int_equal(runbook->params->len, 2);
    assert_int_equal(runbook->triggers->len, 3);
    assert_int_equal(runbook->steps->len, 3);
    assert_int_equal(runbook->limits.timeout_ms, 600000);
    assert_int_equal(runbook->limits.cooldown_ms, 900000);
    assert_string_equal(runbook->limits.per[0], "params.host");

    const struct step *look = runbook_step(runbook, "look"), *clean = runbook_step(runbook, "clean"),
                      *top = runbook_step(runbook, "top");
    assert_string_equal(look->title, "How full is it?");
    assert_int_equal(look->line, 27);
    assert_int_equal(look->timeout_ms, 30000);
    assert_true(look->effect_read && look->idempotent);
    assert_string_equal(look->text, "--| timeout: 30s\n--| effect: read\ndata.used = 1\n");
    assert_string_equal(clean->approve, "storage-oncall");
    assert_string_equal(clean->hosts, "$params.host");
    assert_string_equal(clean->shows[0], "data.used");
    assert_string_equal(top->title, "Remove old logs");
    assert_int_equal(top->language, STEP_SH);
    assert_int_equal(top->at_once, 3);
    assert_string_equal(top->sudo, "postgres");

    const struct trigger *schedule = runbook->triggers->pdata[1];
    assert_string_equal(schedule->id, "schedule-1");
    assert_string_equal(schedule->timezone, "Asia/Tokyo");
    assert_true(((struct trigger *)runbook->triggers->pdata[0])->for_each_alert);
    g_autoptr(json_t) wire = runbook_to_wire(runbook);
    g_autoptr(json_t) shown = runbook_to_json(runbook);
    assert_non_null(wire);
    assert_non_null(shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

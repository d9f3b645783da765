/* runbook: what a whole file becomes, and what is said about a wrong one. Fences and values have tests of their own. */
#include "tests/unit/support.h"

#include "jobs/runbook.h"
#include <string.h>

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

/* The findings of a file whose front matter is `front` and which has one step, one a line. */
static char *findings_of(const char *front)
{
    g_autofree char *text = g_strdup_printf("---\nhikeshi: 1\n%s\n---\n```lua {step=a}\n```\n", front);
    g_autoptr(finding_list) findings = finding_list_new();
    runbook_free(runbook_parse("x.md", text, strlen(text), findings));
    GString *all = g_string_new(NULL);
    for (size_t i = 0; i < finding_count(findings); i++) {
        g_autofree char *line = finding_to_text(finding_at(findings, i));
        g_string_append_printf(all, "%s%s", i ? "\n" : "", line);
    }
    return g_string_free(all, FALSE);
}

static void test_front_matter_findings(void **state)
{
    (void)state;
    static const struct {
        const char *front, *wanted;
    } rows[] = {
        {"titel: x",
         "x.md:3:1: error: unknown key 'titel' in the front matter of a runbook (did you mean 'title'?) [unknown-key]"},
        {"trigger: []", "x.md:3:1: error: unknown key 'trigger' in the front matter of a runbook (did you mean "
                        "'triggers'?) [unknown-key]"},
        {"onwer: x",
         "x.md:3:1: error: unknown key 'onwer' in the front matter of a runbook (did you mean 'owner'?) [unknown-key]"},
        {"param: {}", "x.md:3:1: error: unknown key 'param' in the front matter of a runbook (did you mean 'params'?) "
                      "[unknown-key]"},
        {"limit: {}", "x.md:3:1: error: unknown key 'limit' in the front matter of a runbook (did you mean 'limits'?) "
                      "[unknown-key]"},
        {"x-mine: {any: [thing]}", ""},
        {"owner: [a]", "x.md:3:8: error: 'owner' must be text, not a list [bad-value]"},
        {"owner:", "x.md:3:1: error: 'owner' must be text, not empty [bad-value]"},
        {"severity: SEV5", "x.md:3:11: error: 'severity' must be one of SEV1, SEV2, SEV3, SEV4, not 'SEV5' (did you "
                           "mean 'SEV1'?) [bad-value]"},
        {"covers: [NodeDiskFull]",
         "x.md:3:9: error: 'NodeDiskFull' must be alert/NAME, KIND/NAME or KIND/NAMESPACE/NAME [bad-value]"},
        {"hosts: role=", "x.md:3:8: error: host filter: column 6: expected a value after '=' [host-filter]"},
        {"id: 'a b'", "x.md:3:5: error: 'a b' cannot be an id: no spaces, quotes or any of : ? # % in it [bad-value]"},
        {"title: a\ntitle: b", NULL},
        {"title: [", NULL},
        {"params: [a]", "x.md:3:9: error: 'params' must be a map: name: {type: ...} [bad-value]"},
        {"params: {Host: {type: host}}",
         "x.md:3:10: error: the name 'Host' must be of small letters, digits and _, a letter first [bad-value]"},
        {"params: {a: {}}", "x.md:3:13: error: param 'a' needs the key 'type' [missing-key]"},
        {"params: {a: {type: strin}}",
         "x.md:3:20: error: 'type' must be one of string, integer, number, boolean, choice, host, duration, "
         "not 'strin' (did you mean 'string'?) [bad-value]"},
        {"params: {a: {type: string, requird: true}}",
         "x.md:3:28: error: unknown key 'requird' in param 'a' (did you mean 'required'?) [unknown-key]"},
        {"params: {a: {type: string, minimum: 1}}",
         "x.md:3:37: error: 'minimum' has no meaning for a param of type string [bad-value]"},
        {"params: {a: {type: string, pattern: '('}}", NULL},
        {"params: {a: {type: string, pattern: 'a)|(b'}}", NULL},
        {"params: {a: {type: integer, default: 9, maximum: 5}}",
         "x.md:3:38: error: the default does not fit: param 'a' must be at most 5 [bad-value]"},
        {"params: {a: {type: integer, minimum: 9, maximum: 5}}",
         "x.md:3:38: error: 'minimum' is more than 'maximum' [bad-value]"},
        {"params: {a: {type: choice}}",
         "x.md:3:13: error: a param of type choice needs the key 'choices' [missing-key]"},
        {"params: {a: {type: string, from: labels.x}}",
         "x.md:3:34: error: 'labels.x' must be a path that begins with incident.…, alert.… [bad-value]"},
        {"params: {a: {type: string, required: true, default: x}}",
         "x.md:3:53: error: a required param has no default [bad-value]"},
        {"triggers: {}", "x.md:3:11: error: 'triggers' must be a list [bad-value]"},
        {"triggers: [{match: {alert: x}}]",
         "x.md:3:12: error: a trigger needs the key 'kind': incident, schedule, link or manual [missing-key]"},
        {"triggers: [{kind: incidnet}]", "x.md:3:19: error: 'kind' must be one of incident, schedule, link, manual, "
                                         "not 'incidnet' (did you mean 'incident'?) [bad-value]"},
        {"triggers: [{kind: incident}]",
         "x.md:3:12: error: a trigger of kind incident needs the key 'match' [missing-key]"},
        {"triggers: [{kind: incident, match: {alrt: x}}]",
         "x.md:3:37: error: unknown key 'alrt' in match (did you mean 'alert'?) [unknown-key]"},
        {"triggers: [{kind: incident, match: {env: x}}]",
         "x.md:3:37: error: unknown key 'env' in match (a label is written labels.env) [unknown-key]"},
        {"triggers: [{kind: incident, match: {alert: ['!a', '!b']}}]", NULL},
        {"triggers: [{kind: incident, match: {alert: x}, for_eech: alert}]",
         "x.md:3:48: error: unknown key 'for_eech' in a trigger of kind incident (did you mean 'for_each'?) "
         "[unknown-key]"},
        {"triggers: [{kind: manual, cron: '* * * * *'}]",
         "x.md:3:27: error: unknown key 'cron' in a trigger of kind manual [unknown-key]"},
        {"triggers: [{kind: schedule, cron: '* * * *'}]",
         "x.md:3:35: error: cron: column 8: expected 5 fields (minute hour day month weekday), found 4 [cron]"},
        {"triggers: [{kind: schedule, cron: '@daily', timezone: Mars}]",
         "x.md:3:55: error: unknown time zone 'Mars': use a name such as Asia/Tokyo or UTC [cron]"},
        {"triggers: [{kind: schedule, cron: '@daily', params: {x: 1}}]",
         "x.md:3:54: error: there is no param 'x' [unknown-name]"},
        {"params: {a: {type: integer, required: true}}\ntriggers: [{kind: schedule, cron: '@daily'}]",
         "x.md:4:1: error: this schedule cannot start: param 'a' is missing [params]"},
        {"params: {a: {type: integer, maximum: 5}}\ntriggers: [{kind: schedule, cron: '@daily', params: {a: 9}}]",
         "x.md:4:1: error: this schedule cannot start: param 'a' must be at most 5 [params]"},
        {"params: {a: {type: integer, required: true}}\ntriggers: [{kind: incident, match: {alert: x}}]",
         "x.md:4:1: error: an incident cannot start this: nothing gives it the param 'a' (add 'from' to the param) "
         "[params]"},
        {"triggers: [{kind: manual, id: a}, {kind: manual, id: a}]",
         "x.md:3:1: error: there is a trigger 'a' already [duplicate]"},
        {"limits: {timout: 1m}",
         "x.md:3:10: error: unknown key 'timout' in limits (did you mean 'timeout'?) [unknown-key]"},
        {"limits: {timeout: 1y}",
         "x.md:3:19: error: 'timeout' must be a duration such as 30s or 10m, not '1y' [bad-value]"},
        {"limits: {concurrency: 0}", "x.md:3:23: error: 'concurrency' must be from 1 to 10000, not 0 [bad-value]"},
        {"limits: {per: [params.x]}", "x.md:3:15: error: there is no param 'x' [unknown-name]"},
        {"limits: {max_runs: 10}",
         "x.md:3:20: error: 'max_runs' must be a count and a time, such as 10/1h [bad-value]"},
        {"limits: {overflow: replace}",
         "x.md:3:20: error: 'overflow: replace' needs 'concurrency': which runs would be too many (add 'concurrency: "
         "1') [bad-value]"},
        {"limits: {overflow: drop}", "x.md:3:20: error: 'overflow' needs 'concurrency' or 'lock': no run is ever too "
                                     "many (add 'concurrency: 1') [bad-value]"},
        {"limits: {overflow: drop, lock: a}", ""},
        {"limits: {lock: A}",
         "x.md:3:16: error: the lock's name 'A' must be of small letters, digits, _ and - [bad-value]"},
        {"limits: {max_percent: 101}", "x.md:3:23: error: 'max_percent' must be from 1 to 100, not 101 [bad-value]"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = findings_of(rows[i].front);
        if (rows[i].wanted ? strcmp(got, rows[i].wanted) != 0 : !strstr(got, ": error: "))
            row_failed(rows[i].front, "got: %s", got);
    }
}

static void test_documents_are_left_alone(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *title, *owner;
    } rows[] = {
        {"empty", "", "Doc", NULL},
        {"no front matter", "# Heading\n", "Heading", NULL},
        {"Hugo", "---\ntitle: From Hugo\nweight: 20\nlayout: [x]\nowner: web\n---\n# H\n", "From Hugo", "web"},
        {"Hugo in TOML", "+++\ntitle = \"x\"\n[params]\n+++\n# H\n", "H", NULL},
        {"Jekyll with a template", "---\nlayout: {{ page.layout }}\ntitle: {% x %}\n---\n# H\n", "H", NULL},
        {"keys that runbooks know, with other meanings",
         "---\nparams: {a: 1}\ntriggers: none\nid: 7\nlimits: []\n---\n# H\n", "H", NULL},
        {"title is no text", "---\ntitle: [a]\nowner: {}\ncovers: 3\n---\n# H\n", "H", NULL},
        {"broken YAML", "---\ntitle: \"x\n---\n# H\n", "H", NULL},
        {"front matter that never ends", "---\ntitle: x\n\n# H\n", "H", NULL},
        {"a ruled line first", "---\n\n# H\n", "H", NULL},
        {"code for people", "# H\n```sh\nrm -rf /\n```\n```lua\n--| effect: read\n```\n", "H", NULL},
        {"not UTF-8", "# H\xff\n", "H\xef\xbf\xbd", NULL},
        {"a NUL", "# H\n", "H", NULL},
        {"Windows", "\xef\xbb\xbf---\r\ntitle: T\r\n---\r\n# H\r\n", "T", NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(finding_list) findings = finding_list_new();
        g_autoptr(runbook_t) runbook =
            runbook_parse("runbooks/sub/Doc.md", rows[i].text, strlen(rows[i].text), findings);
        if (!runbook || !runbook->document || finding_count(findings))
            row_failed(rows[i].why, "%zu findings", finding_count(findings));
        assert_string_equal(runbook->id, "sub/Doc");
        if (strcmp(runbook->title, rows[i].title) != 0 || g_strcmp0(runbook->owner, rows[i].owner) != 0)
            row_failed(rows[i].why, "title %s, owner %s", runbook->title, runbook->owner);
    }
}

static void test_runbooks_must_be_readable(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *wanted;
    } rows[] = {
        {"TOML", "+++\ntitle = 1\n+++\n```lua {step=a}\n```\n",
         "x.md:1:1: error: the front matter of a runbook must be YAML (write it as YAML between --- lines) "
         "[front-matter]"},
        {"unclosed", "---\ntitle: x\n```lua {step=a}\n```\n",
         "x.md:1:1: error: the front matter is not closed (add a line --- below it) [front-matter]"},
        {"not UTF-8", "# \xff\n```lua {step=a}\n```\n", "x.md:1:1: error: the file is not UTF-8 [encoding]"},
        {"a later version", "---\nhikeshi: 2\n---\n",
         "x.md:2:10: error: this version of hikeshi reads 'hikeshi: 1' [bad-value]"},
        {"meant as a runbook", "---\nhikeshi: 1\ntitel: x\n---\n",
         "x.md:3:1: error: unknown key 'titel' in the front matter of a runbook (did you mean 'title'?) [unknown-key]"},
        {"triggers without a step", "---\nhikeshi: 1\ntriggers: [{kind: manual}]\n---\n",
         "x.md:3:1: warning: the triggers start nothing: there is no step (a step is a block with {step=ID} behind its "
         "language) "
         "[no-steps]"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(finding_list) findings = finding_list_new();
        g_autoptr(runbook_t) runbook = runbook_parse("x.md", rows[i].text, strlen(rows[i].text), findings);
        if (finding_count(findings) != 1)
            row_failed(rows[i].why, "%zu findings", finding_count(findings));
        g_autofree char *got = finding_to_text(finding_at(findings, 0));
        if (strcmp(got, rows[i].wanted) != 0)
            row_failed(rows[i].why, "got: %s", got);
        assert_true(!runbook == (finding_count_level(findings, FINDING_ERROR) > 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_file),
        cmocka_unit_test(test_front_matter_findings),
        cmocka_unit_test(test_documents_are_left_alone),
        cmocka_unit_test(test_runbooks_must_be_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

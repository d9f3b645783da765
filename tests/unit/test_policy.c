/* policy: teams and policies as YAML has them, and who counts for a need. */
#include "tests/unit/support.h"

#include "jobs/policy.h"
#include <string.h>

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"", "{\"policies\":{},\"teams\":{}}"},
        {"policies: {p: {need: [{count: 2, from: [{team: t}, {role: admin}, {user: a}]}], expires: 10m}}\nteams: {t: "
         "{members: [a, b]}}",
         "{\"policies\":{\"p\":{\"expires_ms\":600000,\"need\":[{\"count\":2,\"from\":[{\"team\":\"t\"},{\"role\":"
         "\"admin\"},"
         "{\"user\":\"a\"}]}],\"self_approval\":false}},\"teams\":{\"t\":{\"members\":[\"a\",\"b\"]}}}"},
        {"policies: {p: {need: [{from: [{role: approver}]}], self_approval: true}}",
         "{\"policies\":{\"p\":{\"expires_ms\":1800000,\"need\":[{\"count\":1,\"from\":[{\"role\":\"approver\"}]}],"
         "\"self_approval\":true}}"},
        {"teams: {t: {hours: {days: MON-FRI}}}", "t.yaml:1:20: error: a team's 'hours' needs the key 'timezone'"},
        {"teams: {t: {hours: {timezone: Mars, days: MON}}}", "t.yaml:1:31: error: unknown time zone 'Mars'"},
        {"teams: {t: {hours: {timezone: UTC}}}", "t.yaml:1:20: error: 'days', or 'from' and 'to', are missing"},
        {"teams: {t: {hours: {timezone: UTC, from: 2026-01-01}}}",
         "t.yaml:1:20: error: 'from' and 'to' must be times such as"},
        {"policies: {p: {need: [{from: [{oncall: t}, {role: admin}]}]}}",
         "{\"policies\":{\"p\":{\"expires_ms\":1800000,\"need\":[{\"count\":1,\"from\":[{\"role\":\"admin\"}]}]"},
        {"policies: {p: {need: [{from: [{oncall: t}]}]}}",
         "t.yaml:1:31: error: 'oncall: t' is not enforced by this version: nobody could decide"},
        {"policies: {p: {need: [{from: [{oncall: t}, {team: incident.team}]}]}}",
         "t.yaml:1:31: warning: 'oncall: t' is not enforced"},
        {"policies: {p: {}}", "t.yaml:1:15: error: policy 'p' needs the key 'need'"},
        {"policies: {p: {need: []}}", "t.yaml:1:22: error: 'need' must be a list such as"},
        {"policies: {p: {need: [{count: 0, from: [{role: admin}]}]}}",
         "t.yaml:1:31: error: 'count' must be from 1 to 100, not 0"},
        {"policies: {p: {need: [{from: [{rol: admin}]}]}}",
         "t.yaml:1:32: error: unknown key 'rol' in 'from' (did you mean 'role'?)"},
        {"policies: {p: {need: [{from: [{role: amdin}]}]}}",
         "t.yaml:1:38: error: there is no role 'amdin' (did you mean 'admin'?)"},
        {"policies: {p: {need: [{from: [{team: x}]}]}}", "t.yaml:1:38: error: there is no team 'x'"},
        {"policies: {p: {need: [{from: [admin]}]}}", "t.yaml:1:31: error: people are written"},
        {"policies: {p: {need: [{from: [{role: admin}]}], expire: 1m}}",
         "t.yaml:1:49: error: unknown key 'expire' in policy 'p' (did you mean 'expires'?)"},
        {"policies: {p: {need: [{from: [{role: admin}]}], break_glass: admin}}",
         "t.yaml:1:49: error: 'break_glass' is not enforced by this version"},
        {"polices: {}", "t.yaml:1:1: error: unknown key 'polices' in the teams file (did you mean 'policies'?)"},
        {"teams: {Storage: {}}", "t.yaml:1:9: error: the team's name 'Storage' must be of small letters"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(finding_list) findings = finding_list_new();
        g_autoptr(json_t) parsed = policy_parse("t.yaml", rows[i].text, strlen(rows[i].text), findings);
        g_autofree char *got = parsed ? json_text(parsed) : finding_to_text(finding_at(findings, 0));
        if (!g_str_has_prefix(got, rows[i].wanted))
            row_failed(rows[i].text, "got %s", got);
    }
}

static void test_who_may_decide(void **state)
{
    (void)state;
    static const struct {
        const char *why, *from, *user, *role;
        bool wanted;
    } rows[] = {
        {"user", "[{\"user\":\"a\"}]", "a", "viewer", true},
        {"another user", "[{\"user\":\"a\"}]", "b", "admin", false},
        {"role", "[{\"role\":\"approver\"}]", "x", "approver", true},
        {"a higher role", "[{\"role\":\"approver\"}]", "x", "admin", true},
        {"a lower role", "[{\"role\":\"approver\"}]", "x", "operator", false},
        {"no role", "[{\"role\":\"viewer\"}]", "x", NULL, false},
        {"the runner's role", "[{\"role\":\"viewer\"}]", "x", "runner", false},
        {"team", "[{\"team\":\"t\"}]", "a", "viewer", true},
        {"not in the team", "[{\"team\":\"t\"}]", "b", "admin", false},
        {"a team that is gone", "[{\"team\":\"u\"}]", "a", "admin", false},
        {"any of", "[{\"team\":\"t\"},{\"role\":\"admin\"}]", "b", "admin", true},
        {"nobody", "[]", "a", "admin", false},
    };
    g_autoptr(json_t) teams = json_loads("{\"t\":{\"members\":[\"a\"]}}", 0, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(json_t) need = json_pack("{s:i, s:o}", "count", 1, "from", json_loads(rows[i].from, 0, NULL));
        if (policy_may_decide(teams, need, rows[i].user, rows[i].role) != rows[i].wanted)
            row_failed(rows[i].why, "should be %d", rows[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_who_may_decide)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

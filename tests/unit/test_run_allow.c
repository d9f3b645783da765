/* run_allow: who may start what, by trigger, owner and role. */
#include "support.h"

#include "core/errors.h"
#include "jobs/run_allow.h"
#include <string.h>

#define HEAD  "---\nhikeshi: 1\n"
#define STEPS "---\n# T\n```lua {step=a effect=read}\nreturn 1\n```\n"

static json_t *policies_of(const char *text)
{
    return json_parse(text, strlen(text), "policies", NULL);
}

static void test_who(void **state)
{
    (void)state;
    static const struct {
        const char *front, *name;
        enum role role;
        bool incident, wanted;
        const char *why;
    } rows[] = {
        {"", "carl", ROLE_OPERATOR, false, true, "no owner: every operator"},
        {"owner: storage\n", "aiko", ROLE_OPERATOR, false, true, "a member of the owner's team"},
        {"owner: storage\n", "carl", ROLE_OPERATOR, false, false, "somebody else"},
        {"owner: storage\n", "carl", ROLE_ADMIN, false, true, "an admin"},
        {"owner: nobody\n", "carl", ROLE_OPERATOR, false, true, "an owner that is no team"},
        {"owner: storage\ntriggers: [{kind: manual, allow: [{user: carl}]}]\n", "carl", ROLE_OPERATOR, false, true,
         "named"},
        {"owner: storage\ntriggers: [{kind: manual, allow: [{user: carl}]}]\n", "aiko", ROLE_ADMIN, false, false,
         "allow is the whole list, admins included"},
        {"triggers: [{kind: manual, allow: [{team: storage}]}]\n", "ben", ROLE_OPERATOR, false, true, "by team"},
        {"triggers: [{kind: manual, allow: [{role: approver}]}]\n", "ben", ROLE_OPERATOR, false, false,
         "by role: less"},
        {"triggers: [{kind: manual, allow: [{role: approver}]}]\n", "ben", ROLE_ADMIN, false, true, "by role: more"},
        {"triggers: [{kind: manual, allow: [{user: carl}]}, {kind: incident, match: {alert: x}}]\n", "ben",
         ROLE_OPERATOR, true, false, "an incident's trigger without allow opens no second door"},
        {"triggers: [{kind: manual, allow: [{user: carl}]}, {kind: incident, match: {alert: x}, allow: [{user: "
         "ben}]}]\n",
         "ben", ROLE_OPERATOR, true, true, "one with allow does, for its incidents"},
        {"triggers: [{kind: manual, allow: [{user: carl}]}, {kind: incident, match: {alert: x}, allow: [{user: "
         "ben}]}]\n",
         "ben", ROLE_OPERATOR, false, false, "and for nothing else"},
        {"triggers: [{kind: incident, match: {alert: x}, allow: [{user: ben}]}]\n", "carl", ROLE_OPERATOR, false, false,
         "nor is it passed by leaving the incident out"},
        {"triggers: [{kind: link, allow: [{user: carl}]}]\n", "ben", ROLE_OPERATOR, false, true,
         "a link's allow is the link's"},
    };
    struct catalog_set set = {
        .policies = policies_of("{\"teams\":{\"storage\":{\"members\":[\"aiko\",\"ben\"]}},\"policies\":{}}")};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(finding_list) findings = finding_list_new();
        g_autofree char *text = g_strconcat(HEAD, rows[i].front, STEPS, NULL);
        g_autoptr(runbook_t) runbook = runbook_parse("runbooks/t.md", text, strlen(text), findings);
        g_autoptr(GError) error = NULL;
        const struct actor actor = {.kind = "token", .name = rows[i].name, .role = rows[i].role, .via = "api"};
        const struct trigger *trigger;
        assert_non_null(runbook);
        bool got = run_allow(&set, runbook, TRIGGER_MANUAL, rows[i].incident, &actor, &trigger, &error);
        if (got != rows[i].wanted || (!got && errors_of(error) != ERROR_FORBIDDEN))
            row_failed(rows[i].why, "%s", got ? "let in" : error->message);
    }
    json_decref(set.policies);
}

/* The run carries the id of the trigger that let it be started. */
static void test_which_trigger(void **state)
{
    (void)state;
    static const char text[] =
        HEAD "triggers: [{kind: manual, id: a, allow: [{user: carl}]}, {kind: manual, id: b}]\n" STEPS;
    struct catalog_set set = {.policies = policies_of("{\"teams\":{},\"policies\":{}}")};
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(runbook_t) runbook = runbook_parse("runbooks/t.md", text, strlen(text), findings);
    const struct actor carl = {.kind = "token", .name = "carl", .role = ROLE_OPERATOR, .via = "api"},
                       ben = {.kind = "token", .name = "ben", .role = ROLE_OPERATOR, .via = "api"};
    const struct trigger *trigger;
    assert_true(run_allow(&set, runbook, TRIGGER_MANUAL, false, &carl, &trigger, NULL));
    assert_string_equal(trigger->id, "a");
    assert_true(run_allow(&set, runbook, TRIGGER_MANUAL, false, &ben, &trigger, NULL));
    assert_string_equal(trigger->id, "b");
    assert_true(run_allow(&set, runbook, TRIGGER_LINK, false, &ben, &trigger, NULL));
    assert_null(trigger);
    json_decref(set.policies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who), cmocka_unit_test(test_which_trigger)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The wire's job: what a runbook may reach, by its own filter and by the server's trust; what is pinned. */
#include "core/yaml.h"
#include "engine_support.h"

static const char host_steps[] = "## Look\n```lua {step=look effect=read}\nreturn 1\n```\n";

/* Names under a list of hosts or names, joined. */
static char *names_of(const json_t *list)
{
    GString *names = g_string_new(NULL);
    size_t index;
    json_t *item;
    json_array_foreach (list, index, item) {
        const char *name = json_is_string(item) ? json_string_value(item) : json_get_string(item, "name", "?");
        g_string_append_printf(names, "%s%s%s", names->len ? " " : "", name,
                               json_get_bool(item, "jump_only", false) ? "*" : "");
    }
    return g_string_free(names, FALSE);
}

struct reach_row {
    const char *front, *trust;
    const char *hosts, *refused; /* a * marks jump hosts that only carry */
    const char *why;
};

static void test_reach(void **state)
{
    static const struct reach_row rows[] = {
        {"", NULL, "bastion db-1 web-1", "", "nothing said: every host"},
        {"hosts: role=db\n", NULL, "bastion* db-1", "bastion web-1", "the filter, and the way there"},
        {"hosts: role=web\n", NULL, "web-1", "bastion db-1", "no jump needed"},
        {"", "hosts: {storage: role=web}", "web-1", "bastion db-1", "the server's trust"},
        {"hosts: role=db\n", "hosts: {storage: role=web}", "", "bastion db-1 web-1", "both must agree"},
        {"", "hosts: {other: role=web}", "", "bastion db-1 web-1", "an owner who is not named reaches nothing"},
        {"", "secrets: {x: [storage]}", "bastion db-1 web-1", "", "trust of secrets says nothing about hosts"},
        {"params: {r: {type: string}}\nhosts: \"role=$params.r\"\n", NULL, "bastion* db-1", "bastion web-1",
         "a param is bound"},
    };
    struct engine *engine = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct runbook *runbook = engine_add_runbook(engine, "disk", rows[i].front, host_steps);
        struct yaml_document *trust =
            rows[i].trust ? yaml_parse(rows[i].trust, strlen(rows[i].trust), "trust", 0, NULL) : NULL;
        struct job_rules rules = {.trust = trust ? yaml_root(trust) : NULL};
        g_autoptr(json_t) run = json_pack("{s:{s:s}}", "params", "r", "db");
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) job = job_build(runbook, &engine->set, run, &rules, &error);
        assert_null(error);
        g_autofree char *hosts = names_of(json_object_get(job, "inventory"));
        g_autofree char *refused = names_of(json_object_get(job, "refused_hosts"));
        if (strcmp(hosts, rows[i].hosts) != 0 || strcmp(refused, rows[i].refused) != 0)
            fail_msg("%s: '%s', refused '%s'", rows[i].why, hosts, refused);
        if (trust)
            yaml_document_free(trust);
    }
}

static void test_bad_trust(void **state)
{
    struct engine *engine = *state;
    const struct runbook *runbook = engine_add_runbook(engine, "disk", "", host_steps);
    struct yaml_document *trust = yaml_parse("hosts: {storage: 'role='}", 25, "trust", 0, NULL);
    struct job_rules rules = {.trust = yaml_root(trust)};
    g_autoptr(json_t) run = json_object();
    g_autoptr(GError) error = NULL;
    assert_null(job_build(runbook, &engine->set, run, &rules, &error)); /* never "everything" */
    assert_non_null(strstr(error->message, "trust.hosts.storage"));
    yaml_document_free(trust);
}

struct secret_row {
    const char *trust, *granted, *why;
};

static void test_secrets(void **state)
{
    static const struct secret_row rows[] = {
        {NULL, "{\"a\":\"env:A\"}", "listed by the runbook and known to the server"},
        {"secrets: {a: [storage]}", "{\"a\":\"env:A\"}", "its owner is trusted"},
        {"secrets: {a: [web]}", "{}", "another team's"},
        {"secrets: {b: [storage]}", "{}", "not trusted to anybody"},
    };
    struct engine *engine = *state;
    const struct runbook *runbook = engine_add_runbook(engine, "disk", "secrets: [a, missing]\n", host_steps);
    struct yaml_document *secrets = yaml_parse("{a: \"env:A\", b: \"env:B\"}", 24, "secrets", 0, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct yaml_document *trust =
            rows[i].trust ? yaml_parse(rows[i].trust, strlen(rows[i].trust), "trust", 0, NULL) : NULL;
        struct job_rules rules = {.trust = trust ? yaml_root(trust) : NULL, .secrets = yaml_root(secrets)};
        g_autoptr(json_t) run = json_object(), job = job_build(runbook, &engine->set, run, &rules, NULL);
        g_autofree char *granted = json_text(json_object_get(job, "secrets"));
        if (strcmp(granted, rows[i].granted) != 0)
            fail_msg("%s: %s", rows[i].why, granted);
        if (trust)
            yaml_document_free(trust);
    }
    yaml_document_free(secrets);
}

/* Modules are the run's only when a step may ask for them. */
static void test_modules(void **state)
{
    struct engine *engine = *state;
    engine->set.modules = json_pack("{s:s}", "hikeshi/lib/x.lua", "return {}");
    const struct runbook *plain = engine_add_runbook(engine, "plain", "", host_steps);
    const struct runbook *user =
        engine_add_runbook(engine, "user", "", "```lua {step=look effect=read}\nlocal x = require(\"x\")\n```\n");
    g_autoptr(json_t) none = job_plan(plain, &engine->set), some = job_plan(user, &engine->set);
    assert_int_equal(json_object_size(json_object_get(none, "modules")), 0);
    assert_int_equal(json_object_size(json_object_get(some, "modules")), 1);
    g_clear_pointer(&engine->set.modules, json_decref);
}

/* Every key of docs/design/wire.md is there, for a step that has not begun and one that has. */
static void test_keys(void **state)
{
    static const char *const keys[] = {"run",    "attempt", "elapsed_ms",  "runbook",       "trigger", "requested_by",
                                       "url",    "params",  "param_types", "incident",      "alert",   "data",
                                       "limits", "steps",   "inventory",   "refused_hosts", "modules", "secrets"};
    static const char *const step_keys[] = {"id",      "title",      "language",     "file",           "line",
                                            "text",    "timeout_ms", "attempts",     "retry_delay_ms", "wait_ms",
                                            "at_once", "when",       "effect",       "idempotent",     "handler",
                                            "always",  "verify",     "cancel_after", "on_error",       "approve",
                                            "asks",    "shows",      "hosts",        "sudo",           "state",
                                            "result",  "attempt",    "waited",       "approval",       "output"};
    struct engine *engine = *state;
    const struct runbook *runbook = engine_add_runbook(engine, "disk", "params: {n: {type: duration}}\n", host_steps);
    g_autoptr(json_t) run = json_pack("{s:s, s:i, s:{s:{s:s, s:s}}}", "id", "run_x", "attempt", 2, "steps", "look",
                                      "state", "done", "result", "ok");
    g_autoptr(json_t) job = job_build(runbook, &engine->set, run, NULL, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        if (!json_object_get(job, keys[i]))
            fail_msg("the job has no '%s'", keys[i]);
    const json_t *look = json_array_get(json_object_get(job, "steps"), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(step_keys); i++)
        if (!json_object_get(look, step_keys[i]))
            fail_msg("the step has no '%s'", step_keys[i]);
    assert_string_equal(json_get_string(look, "result", ""), "ok");
    assert_string_equal(json_path_string(job, "param_types.n"), "duration");
    assert_string_equal(json_path_string(job, "runbook.commit"), "c0ffee");
}

#define engine_test(f) cmocka_unit_test_setup_teardown(f, engine_setup, engine_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_reach),   engine_test(test_bad_trust), engine_test(test_secrets),
        engine_test(test_modules), engine_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

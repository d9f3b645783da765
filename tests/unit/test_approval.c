/* Approvals: digests, quorums, who may decide, races, expiry, restarts. */
#include "engine_support.h"
#include "jobs/approval_private.h"

static const struct actor aiko = {.kind = "token", .name = "aiko", .role = ROLE_APPROVER, .via = "api"};
static const struct actor ben = {.kind = "token", .name = "ben", .role = ROLE_APPROVER, .via = "cli"};
static const struct actor root = {.kind = "token", .name = "root", .role = ROLE_ADMIN, .via = "api"};

static void set_policy(struct engine *engine, const char *policies)
{
    g_autofree char *text = g_strdup_printf(
        "{\"teams\":{\"storage\":{\"members\":[\"aiko\",\"ben\",\"olga\"]}},\"policies\":{%s}}", policies);
    json_decref(engine->set.policies);
    engine->set.policies = json_parse(text, strlen(text), "policies", NULL);
    assert_non_null(engine->set.policies);
}

#define TEAM_OF_ONE "\"ops\":{\"need\":[{\"count\":1,\"from\":[{\"team\":\"storage\"}]}],\"expires_ms\":60000}"

static int approval_setup(void **state)
{
    engine_setup(state);
    struct engine *engine = *state;
    set_policy(engine, TEAM_OF_ONE);
    engine_add_runbook(engine, "disk", "params: {host: {type: string}}\n",
                       "## Clean\n```lua {step=clean approve=ops}\nreturn 1\n```\n## Then\n```lua {step=then "
                       "approve=ops}\nreturn 2\n```\n");
    engine_add_runbook(engine, "orphan", "", "## Clean\n```lua {step=clean approve=nobody}\nreturn 1\n```\n");
    return 0;
}

static const char asks_clean[] =
    "[{\"seq\":1,\"kind\":\"approval\",\"step\":\"clean\",\"policy\":\"ops\",\"hosts\":[\"db-1\"],"
    "\"shows\":{\"data.used\":91},\"data\":{\"used\":91}}]";

/* A run that waits for the approval of `clean`; *ret_run is its id. Returns the request. */
static json_t *ask(struct engine *engine, char **ret_run)
{
    char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(engine, job, asks_clean));
    assert_run(engine, id, "waiting", "");
    g_autoptr(json_t) list = call_ok(engine, approval_list, json_pack("{s:s}", "run", id));
    json_t *request = json_incref(json_array_get(json_object_get(list, "items"), 0));
    assert_non_null(request);
    if (ret_run)
        *ret_run = id;
    else
        g_free(id);
    return request;
}

static json_t *verdict(const json_t *request, const char *word)
{
    return json_pack("{s:O, s:{s:s, s:O}}", "id", json_object_get(request, "id"), "body", "verdict", word, "digest",
                     json_object_get(request, "digest"));
}

static int decide(struct engine *engine, const json_t *request, const char *word, const struct actor *actor)
{
    struct answer answer = call_as(engine, approval_decide, verdict(request, word), actor);
    int error = answer.error;
    answer_clear(&answer);
    return error;
}

static void assert_approval(struct engine *engine, const json_t *request, const char *state)
{
    g_autoptr(json_t) now = call_ok(engine, approval_get, json_pack("{s:O}", "id", json_object_get(request, "id")));
    assert_string_equal(json_get_string(now, "state", ""), state);
}

static void test_shape(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    assert_string_equal(json_get_string(request, "run", ""), id);
    assert_string_equal(json_get_string(request, "step_text", ""), "return 1\n");
    assert_string_equal(json_get_string(request, "title", ""), "Clean");
    assert_string_equal(json_get_string(request, "commit", ""), "c0ffee");
    assert_string_equal(json_string_value(json_array_get(json_object_get(request, "hosts"), 0)), "db-1");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(request, "shows"), "data.used")), 91);
    const json_t *need = json_array_get(json_object_get(request, "need"), 0);
    assert_int_equal(json_get_integer(need, "count", 0), 1);
    assert_int_equal(json_get_integer(need, "got", 9), 0);
    assert_true(g_str_has_prefix(json_get_string(request, "digest", ""), "v1:sha256:"));
    g_autoptr(json_t) run = get_run(engine, id);
    assert_string_equal(json_get_string(step_at(run, 0), "state", ""), "waiting");
    assert_string_equal(json_get_string(step_at(run, 0), "approval", ""), json_get_string(request, "id", "-"));
}

static void test_approve_runs_the_step(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    assert_int_equal(decide(engine, request, "approve", &aiko), 0);
    g_autoptr(json_t) job = take_job(engine);
    const json_t *clean = json_array_get(json_object_get(job, "steps"), 0);
    assert_string_equal(json_path_string(clean, "approval.state"), "approved");
    assert_string_equal(json_string_value(json_array_get(json_path(clean, "approval.hosts"), 0)), "db-1");
    assert_string_equal(json_get_string(json_array_get(json_path(clean, "approval.decisions"), 0), "by", ""), "aiko");
    assert_int_equal(json_integer_value(json_path(job, "data.used")), 91);
    assert_int_equal(decide(engine, request, "approve", &aiko), ERROR_CONFLICT); /* a double click */
    assert_int_equal(decide(engine, request, "deny", &aiko), ERROR_CONFLICT);
    assert_int_equal(decide(engine, request, "deny", &ben), ERROR_CONFLICT);
    assert_run(engine, id, "running", "");
}

static void test_two_gates(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) first = ask(engine, &id);
    assert_int_equal(decide(engine, first, "approve", &aiko), 0);
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(
        engine, job,
        "[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"clean\"},{\"seq\":2,\"kind\":\"step_end\",\"step\":\"clean\","
        "\"result\":\"ok\"},{\"seq\":3,\"kind\":\"approval\",\"step\":\"then\",\"hosts\":[],\"shows\":{}}]"));
    g_autoptr(json_t) list = call_ok(engine, approval_list, json_object());
    const json_t *second = json_array_get(json_object_get(list, "items"), 0);
    assert_string_equal(json_get_string(second, "step", ""), "then");
    assert_string_not_equal(json_get_string(second, "digest", ""), json_get_string(first, "digest", ""));
    assert_int_equal(decide(engine, second, "approve", &ben), 0);
    assert_run(engine, id, "queued", "");
}

static void test_deny(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    assert_int_equal(decide(engine, request, "deny", &aiko), 0);
    assert_run(engine, id, "denied", "denied");
    assert_approval(engine, request, "denied");
    assert_int_equal(decide(engine, request, "approve", &ben), ERROR_CONFLICT);
    g_autoptr(json_t) run = get_run(engine, id);
    assert_string_equal(json_get_string(step_at(run, 0), "result", ""), "denied");
    assert_string_equal(json_get_string(step_at(run, 1), "result", ""), "not_reached");
}

/* --- who -------------------------------------------------------------------------------------------------------------
 */

struct may_row {
    const char *policy;
    const struct actor *actor;
    const char *word;
    int error;
    const char *why;
};

static void test_who(void **state)
{
    static const struct may_row rows[] = {
        {TEAM_OF_ONE, &aiko, "approve", 0, "a member of the team"},
        {TEAM_OF_ONE, &root, "approve", ERROR_FORBIDDEN, "an admin whom the policy does not name"},
        {TEAM_OF_ONE, &root, "deny", ERROR_FORBIDDEN, "nor may they deny"},
        {TEAM_OF_ONE, &operator_actor, "approve", ERROR_FORBIDDEN, "olga started the run"},
        {TEAM_OF_ONE, &operator_actor, "deny", 0, "but she may say no to her own run"},
        {"\"ops\":{\"need\":[{\"count\":1,\"from\":[{\"team\":\"storage\"}]}],\"self_approval\":true}", &operator_actor,
         "approve", 0, "unless the policy allows it"},
        {"\"ops\":{\"need\":[{\"count\":1,\"from\":[{\"role\":\"admin\"}]}]}", &root, "approve", 0, "by role"},
        {"\"ops\":{\"need\":[{\"count\":1,\"from\":[{\"user\":\"ben\"}]}]}", &ben, "approve", 0, "by name"},
        {"\"ops\":{\"need\":[{\"count\":1,\"from\":[{\"user\":\"ben\"}]}]}", &aiko, "approve", ERROR_FORBIDDEN,
         "another name"},
        {"\"ops\":{\"need\":[]}", &root, "approve", ERROR_FORBIDDEN, "a policy that needs nobody allows nobody"},
        {TEAM_OF_ONE, &aiko, "maybe", ERROR_INVALID, "not a verdict"},
    };
    struct engine *engine = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        set_policy(engine, rows[i].policy);
        g_autofree char *id = NULL;
        g_autoptr(json_t) request = ask(engine, &id);
        int error = decide(engine, request, rows[i].word, rows[i].actor);
        if (error != rows[i].error)
            fail_msg("%s: got %s", rows[i].why, error ? errors_code(error) : "a decision");
        if (error)
            json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", id)));
        else if (strcmp(rows[i].word, "approve") == 0)
            json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", id)));
    }
}

static void test_quorum(void **state)
{
    struct engine *engine = *state;
    set_policy(engine, "\"ops\":{\"need\":[{\"count\":1,\"from\":[{\"team\":\"storage\"}]},{\"count\":1,\"from\":[{"
                       "\"role\":\"admin\"}]}]}");
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    assert_int_equal(decide(engine, request, "approve", &aiko), 0);
    assert_run(engine, id, "waiting", "");
    assert_int_equal(decide(engine, request, "approve", &ben), 0); /* one of the team was enough: still no admin */
    assert_run(engine, id, "waiting", "");
    assert_int_equal(decide(engine, request, "approve", &root), 0);
    assert_run(engine, id, "queued", "");
}

/* --- inputs --------------------------------------------------------------------------------------------------------
 */

static const char asks_primary[] =
    "[{\"seq\":1,\"kind\":\"approval\",\"step\":\"clean\",\"policy\":\"ops\",\"hosts\":[],\"shows\":{},"
    "\"asks\":[{\"name\":\"primary\",\"type\":\"choice\",\"required\":true,\"choices\":[\"db-2\",\"db-3\"]}],\"data\":{"
    "}}]";

static int fill_in(struct engine *engine, const json_t *request, const char *word, const char *primary,
                   const struct actor *actor)
{
    json_t *body = verdict(request, word);
    json_object_set_new(json_object_get(body, "body"), "inputs", json_pack("{s:s}", "primary", primary));
    struct answer answer = call_as(engine, approval_decide, body, actor);
    int error = answer.error;
    answer_clear(&answer);
    return error;
}

static json_t *ask_primary(struct engine *engine, char **ret_run)
{
    *ret_run = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(engine, job, asks_primary));
    g_autoptr(json_t) list = call_ok(engine, approval_list, json_pack("{s:s}", "run", *ret_run));
    return json_incref(json_array_get(json_object_get(list, "items"), 0));
}

static void test_inputs_reach_the_step(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask_primary(engine, &id);
    assert_int_equal(json_array_size(json_object_get(request, "asks")), 1);
    assert_true(json_is_null(json_object_get(request, "inputs")));
    assert_int_equal(decide(engine, request, "approve", &aiko), ERROR_INVALID); /* nothing was filled in */
    assert_int_equal(fill_in(engine, request, "approve", "db-1", &aiko), ERROR_INVALID);
    assert_int_equal(fill_in(engine, request, "deny", "db-2", &aiko), ERROR_INVALID);
    assert_int_equal(fill_in(engine, request, "approve", "db-2", &root), ERROR_FORBIDDEN);
    assert_run(engine, id, "waiting", "");
    assert_int_equal(fill_in(engine, request, "approve", "db-2", &aiko), 0);
    g_autoptr(json_t) job = take_job(engine);
    const json_t *clean = json_array_get(json_object_get(job, "steps"), 0);
    assert_string_equal(json_path_string(clean, "approval.inputs.primary"), "db-2");
}

/* The first one's values join the digest: who has not seen them cannot approve them, and nobody can put in others. */
static void test_inputs_of_a_quorum(void **state)
{
    struct engine *engine = *state;
    set_policy(engine, "\"ops\":{\"need\":[{\"count\":2,\"from\":[{\"team\":\"storage\"}]}]}");
    g_autofree char *id = NULL;
    g_autoptr(json_t) before = ask_primary(engine, &id);
    assert_int_equal(fill_in(engine, before, "approve", "db-3", &aiko), 0);
    assert_run(engine, id, "waiting", "");
    g_autoptr(json_t) now = call_ok(engine, approval_get, json_pack("{s:O}", "id", json_object_get(before, "id")));
    assert_string_not_equal(json_get_string(now, "digest", ""), json_get_string(before, "digest", ""));
    assert_string_equal(json_path_string(now, "inputs.primary"), "db-3");
    assert_int_equal(decide(engine, before, "approve", &ben), ERROR_VOID);
    assert_int_equal(fill_in(engine, now, "approve", "db-2", &ben), ERROR_CONFLICT);
    assert_run(engine, id, "waiting", "");
    assert_int_equal(decide(engine, now, "approve", &ben), 0);
    g_autoptr(json_t) job = take_job(engine);
    const json_t *clean = json_array_get(json_object_get(job, "steps"), 0);
    assert_string_equal(json_path_string(clean, "approval.inputs.primary"), "db-3");
}

/* A new request about another policy asks for the values again. */
static void test_inputs_and_a_changed_policy(void **state)
{
    struct engine *engine = *state;
    set_policy(engine, "\"ops\":{\"need\":[{\"count\":2,\"from\":[{\"team\":\"storage\"}]}]}");
    g_autofree char *id = NULL;
    g_autoptr(json_t) before = ask_primary(engine, &id);
    assert_int_equal(fill_in(engine, before, "approve", "db-3", &aiko), 0);
    g_autoptr(json_t) filled = call_ok(engine, approval_get, json_pack("{s:O}", "id", json_object_get(before, "id")));
    set_policy(engine, TEAM_OF_ONE);
    assert_int_equal(decide(engine, filled, "approve", &ben), ERROR_VOID);
    g_autoptr(json_t) list = call_ok(engine, approval_list, json_pack("{s:s}", "state", "waiting"));
    const json_t *fresh = json_array_get(json_object_get(list, "items"), 0);
    assert_int_equal(json_array_size(json_object_get(fresh, "asks")), 1);
    assert_true(json_is_null(json_object_get(fresh, "inputs")));
    assert_int_equal(fill_in(engine, fresh, "approve", "db-2", &ben), 0);
    assert_run(engine, id, "queued", "");
}

struct count_row {
    const char *need, *people;
    bool met;
    int got[2];
    const char *why;
};

static void test_count(void **state)
{
    static const char teams_text[] = "{\"storage\":{\"members\":[\"aiko\",\"ben\"]}}";
    static const struct count_row rows[] = {
        {"[{\"count\":1,\"from\":[{\"team\":\"storage\"}]}]", "aiko", true, {1, 0}, "one of one"},
        {"[{\"count\":2,\"from\":[{\"team\":\"storage\"}]}]", "aiko", false, {1, 0}, "one of two"},
        {"[{\"count\":2,\"from\":[{\"team\":\"storage\"}]}]",
         "aiko aiko",
         true,
         {2, 0},
         "rows are people: the store keeps one a person"},
        {"[{\"count\":1,\"from\":[{\"team\":\"storage\"}]},{\"count\":1,\"from\":[{\"user\":\"aiko\"}]}]",
         "aiko",
         false,
         {1, 0},
         "one person fills one place"},
        {"[{\"count\":1,\"from\":[{\"team\":\"storage\"}]},{\"count\":1,\"from\":[{\"user\":\"aiko\"}]}]",
         "aiko ben",
         true,
         {1, 1},
         "aiko moves where only she counts"},
        {"[{\"count\":1,\"from\":[{\"team\":\"storage\"}]}]", "carl", false, {0, 0}, "a stranger does not count"},
        {"[]", "aiko", false, {0, 0}, "needing nobody is never met"},
    };
    (void)state;
    g_autoptr(json_t) teams = json_parse(teams_text, strlen(teams_text), "teams", NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(json_t) policy = json_object(), decisions = json_array();
        json_object_set_new(policy, "need", json_parse(rows[i].need, strlen(rows[i].need), "need", NULL));
        g_auto(GStrv) people = g_strsplit(rows[i].people, " ", 0);
        for (char **name = people; *name; name++)
            json_array_append_new(
                decisions, json_pack("{s:s, s:s, s:s}", "by_name", *name, "role", "approver", "verdict", "approve"));
        bool met = !rows[i].met;
        g_autoptr(json_t) counts = approval_count(teams, policy, decisions, &met);
        if (met != rows[i].met)
            fail_msg("%s", rows[i].why);
        for (size_t j = 0; j < json_array_size(counts); j++)
            assert_int_equal(json_get_integer(json_array_get(counts, j), "got", -1), rows[i].got[j]);
    }
}

/* --- digest ----------------------------------------------------------------------------------------------------------
 */

static void test_digest(void **state)
{
    (void)state;
    static const char *const ingredients[] = {"commit", "step_text", "params", "hosts",
                                              "data",   "shows",     "inputs", "policy"};
    g_autoptr(json_t) facts = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(ingredients); i++)
        json_object_set_new(facts, ingredients[i], json_string("x"));
    g_autofree char *digest = approval_digest(facts), *again = approval_digest(facts);
    assert_string_equal(digest, again);
    for (size_t i = 0; i < G_N_ELEMENTS(ingredients); i++) {
        g_autoptr(json_t) changed = json_deep_copy(facts);
        json_object_set_new(changed, ingredients[i], json_string("y"));
        g_autofree char *other = approval_digest(changed);
        assert_string_not_equal(digest, other);
    }
}

/* Each ingredient reaches the digest from the runner's event, the run, and the catalog. */
static char *digest_of(struct engine *engine, const char *params, const char *hosts, const char *shows,
                       const char *data)
{
    json_t *request = json_pack("{s:{s:s}}", "body", "runbook", "disk");
    json_object_set_new(json_object_get(request, "body"), "params", json_parse(params, strlen(params), "params", NULL));
    g_autoptr(json_t) run = call_ok(engine, run_start_request, request);
    g_autoptr(json_t) job = take_job(engine);
    g_autofree char *events =
        g_strdup_printf("[{\"seq\":1,\"kind\":\"approval\",\"step\":\"clean\",\"hosts\":%s,\"shows\":%s,\"data\":%s}]",
                        hosts, shows, data);
    json_decref(send_events(engine, job, events));
    g_autoptr(json_t) list = call_ok(engine, approval_list, json_pack("{s:O}", "run", json_object_get(run, "id")));
    return g_strdup(json_get_string(json_array_get(json_object_get(list, "items"), 0), "digest", NULL));
}

static void test_digest_of_runs(void **state)
{
    struct engine *engine = *state;
    g_autofree char *same = digest_of(engine, "{\"host\":\"a\"}", "[\"db-1\"]", "{}", "{}");
    g_autofree char *again = digest_of(engine, "{\"host\":\"a\"}", "[\"db-1\"]", "{}", "{}");
    g_autofree char *params = digest_of(engine, "{\"host\":\"b\"}", "[\"db-1\"]", "{}", "{}");
    g_autofree char *hosts = digest_of(engine, "{\"host\":\"a\"}", "[\"db-1\",\"web-1\"]", "{}", "{}");
    g_autofree char *shows = digest_of(engine, "{\"host\":\"a\"}", "[\"db-1\"]", "{\"data.x\":1}", "{}");
    g_autofree char *data = digest_of(engine, "{\"host\":\"a\"}", "[\"db-1\"]", "{}", "{\"x\":1}");
    set_policy(engine, "\"ops\":{\"need\":[{\"count\":2,\"from\":[{\"team\":\"storage\"}]}],\"expires_ms\":60000}");
    g_autofree char *policy = digest_of(engine, "{\"host\":\"a\"}", "[\"db-1\"]", "{}", "{}");
    assert_string_equal(same, again);
    const char *const others[] = {params, hosts, shows, data, policy};
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        assert_string_not_equal(same, others[i]);
}

static void test_wrong_digest(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id), blind = json_deep_copy(request);
    json_object_set_new(blind, "digest", json_string("v1:sha256:00"));
    assert_int_equal(decide(engine, blind, "approve", &aiko), ERROR_VOID);
    json_object_del(blind, "digest");
    json_object_set_new(blind, "digest", json_string(""));
    assert_int_equal(decide(engine, blind, "approve", &aiko), ERROR_INVALID);
    assert_approval(engine, request, "waiting");
}

/* The policy changed after the question was asked: nobody's answer to the old one counts. */
static void test_changed_policy(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    set_policy(engine, "\"ops\":{\"need\":[{\"count\":1,\"from\":[{\"role\":\"admin\"}]}],\"expires_ms\":60000}");
    assert_int_equal(decide(engine, request, "approve", &aiko), ERROR_VOID);
    assert_approval(engine, request, "void");
    assert_run(engine, id, "waiting", "");
    g_autoptr(json_t) list = call_ok(engine, approval_list, json_object());
    const json_t *fresh = json_array_get(json_object_get(list, "items"), 0);
    assert_string_not_equal(json_get_string(fresh, "id", ""), json_get_string(request, "id", ""));
    assert_int_equal(decide(engine, fresh, "approve", &aiko), ERROR_FORBIDDEN);
    assert_int_equal(decide(engine, fresh, "approve", &root), 0);
    assert_run(engine, id, "queued", "");
}

static void test_policy_gone(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    set_policy(engine, "");
    assert_int_equal(decide(engine, request, "approve", &aiko), ERROR_VOID);
    assert_run(engine, id, "failed", "void");
}

static void test_unknown_policy(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = start_run(engine, "orphan");
    g_autoptr(json_t) job = take_job(engine);
    json_decref(
        send_events(engine, job, "[{\"seq\":1,\"kind\":\"approval\",\"step\":\"clean\",\"hosts\":[],\"shows\":{}}]"));
    assert_run(engine, id, "failed", "step_failed");
    g_autoptr(json_t) run = get_run(engine, id);
    assert_non_null(strstr(json_get_string(run, "message", ""), "'nobody'"));
    assert_string_equal(json_path_string(step_at(run, 0), "error.code"), "not_allowed");
}

/* --- time and races --------------------------------------------------------------------------------------------------
 */

static void test_expiry(void **state)
{
    struct engine *engine = *state;
    int64_t now_ms = clock_now_ms();
    clock_set_fake(now_ms);
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    clock_set_fake(now_ms + 60000);
    approval_kick(&engine->jobs);
    await_run(engine, id, "expired");
    assert_run(engine, id, "expired", "expired");
    assert_approval(engine, request, "expired");
    assert_int_equal(decide(engine, request, "approve", &aiko), ERROR_CONFLICT);
}

/* The deadline is over but its timer has not fired: the answer comes too late all the same. */
static void test_late_decision(void **state)
{
    struct engine *engine = *state;
    int64_t now_ms = clock_now_ms();
    clock_set_fake(now_ms);
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    clock_set_fake(now_ms + 60000);
    int error = decide(engine, request, "approve", &aiko);
    assert_true(error == ERROR_EXPIRED || error == ERROR_CONFLICT);
    assert_run(engine, id, "expired", "expired");
}

static void test_decided_then_deadline(void **state)
{
    struct engine *engine = *state;
    int64_t now_ms = clock_now_ms();
    clock_set_fake(now_ms);
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    assert_int_equal(decide(engine, request, "approve", &aiko), 0);
    clock_set_fake(now_ms + 60000);
    engine_reopen(engine);
    approval_kick(&engine->jobs);
    g_autoptr(json_t) job = take_job(engine);
    assert_non_null(job);
    assert_approval(engine, request, "approved");
}

/* Both ask at once, before either has an answer. */
static void test_two_deciders(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    struct answer yes = {0}, no = {0};
    g_autoptr(json_t) approve = verdict(request, "approve"), deny = verdict(request, "deny");
    approval_decide(&engine->jobs, approve, &aiko, take_answer, &yes);
    approval_decide(&engine->jobs, deny, &ben, take_answer, &no);
    while (!yes.done || !no.done)
        loop_step(engine->jobs.loop);
    assert_int_equal(yes.error, 0);
    assert_int_equal(no.error, ERROR_CONFLICT);
    assert_run(engine, id, "queued", "");
    answer_clear(&yes);
    answer_clear(&no);
}

/* The decision and the request are in the same group of writes: it must not get lost. */
static void test_decided_at_once(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    struct answer events = {0};
    g_autoptr(json_t) batch = events_request(job, asks_clean);
    run_events(&engine->jobs, batch, &operator_actor, take_answer, &events);
    g_autoptr(json_t) list = NULL;
    while (json_array_size(json_object_get(list, "items")) == 0) {
        json_decref(list);
        list = call_ok(engine, approval_list, json_object());
    }
    assert_int_equal(decide(engine, json_array_get(json_object_get(list, "items"), 0), "approve", &aiko), 0);
    while (!events.done)
        loop_step(engine->jobs.loop);
    answer_clear(&events);
    assert_run(engine, id, "queued", "");
}

static void test_restart_while_waiting(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    engine_reopen(engine);
    assert_run(engine, id, "waiting", "");
    assert_int_equal(decide(engine, request, "approve", &aiko), 0);
    g_autoptr(json_t) job = take_job(engine);
    assert_string_equal(json_get_string(job, "run", ""), id);
}

static void test_cancel_voids(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", id)));
    assert_run(engine, id, "cancelled", "person");
    assert_approval(engine, request, "void");
    assert_int_equal(decide(engine, request, "approve", &aiko), ERROR_CONFLICT);
}

/* An approved step whose run was lost while it ran is not run again on the old approval. */
static void test_redo_asks_again(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = NULL;
    g_autoptr(json_t) request = ask(engine, &id);
    assert_int_equal(decide(engine, request, "approve", &aiko), 0);
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(engine, job, "[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"clean\"}]"));
    engine_set_times(engine, 60000, 60000, 1);
    await_run(engine, id, "unknown");
    engine_set_times(engine, 60000, 60000, 60000);
    json_decref(call_ok(engine, run_resolve,
                        json_pack("{s:s, s:{s:s, s:s, s:s}}", "id", id, "body", "step", "clean", "as", "rerun",
                                  "reason", "nothing was deleted")));
    g_autoptr(json_t) next = take_job(engine);
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(next, "steps"), 0), "approval")));
}

/* The same when nobody needs to be asked whether it ran, because it may run twice: also between two tries. */
static void test_lost_runner_asks_again(void **state)
{
    static const char *const rows[] = {
        "[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"clean\"}]",
        "[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"clean\"},{\"seq\":2,\"kind\":\"retry\",\"step\":\"clean\"}]",
    };
    struct engine *engine = *state;
    g_ptr_array_set_size(engine->set.runbooks, 0);
    engine_add_runbook(engine, "disk", "",
                       "## Clean\n```lua {step=clean approve=ops idempotent=true attempts=2}\nreturn 1\n```\n");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *id = NULL;
        g_autoptr(json_t) request = ask(engine, &id);
        assert_int_equal(decide(engine, request, "approve", &aiko), 0);
        g_autoptr(json_t) job = take_job(engine);
        json_decref(send_events(engine, job, rows[i]));
        engine_set_times(engine, 60000, 60000, 1);
        await_run(engine, id, "queued");
        engine_set_times(engine, 60000, 60000, 60000);
        g_autoptr(json_t) next = take_job(engine);
        assert_string_equal(json_get_string(next, "run", ""), id);
        assert_true(json_is_null(json_object_get(json_array_get(json_object_get(next, "steps"), 0), "approval")));
        json_decref(send_events(engine, next, asks_clean));
        assert_run(engine, id, "waiting", "");
        json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", id)));
    }
}

#define approval_test(f) cmocka_unit_test_setup_teardown(f, approval_setup, engine_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        approval_test(test_shape),
        approval_test(test_approve_runs_the_step),
        approval_test(test_two_gates),
        approval_test(test_deny),
        approval_test(test_who),
        approval_test(test_quorum),
        approval_test(test_inputs_reach_the_step),
        approval_test(test_inputs_of_a_quorum),
        approval_test(test_inputs_and_a_changed_policy),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_digest),
        approval_test(test_digest_of_runs),
        approval_test(test_wrong_digest),
        approval_test(test_changed_policy),
        approval_test(test_policy_gone),
        approval_test(test_unknown_policy),
        approval_test(test_expiry),
        approval_test(test_late_decision),
        approval_test(test_decided_then_deadline),
        approval_test(test_two_deciders),
        approval_test(test_decided_at_once),
        approval_test(test_restart_while_waiting),
        approval_test(test_cancel_voids),
        approval_test(test_lost_runner_asks_again),
        approval_test(test_redo_asks_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

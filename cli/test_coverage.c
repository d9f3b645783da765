/* test_coverage: see the header. A `when` counts as a condition of its step. */
#include "cli/test_coverage.h"
#include "core/lua_branches.h"
#include <string.h>

struct test_coverage {
    json_t *json;
};

static void add_branch(json_t *list, const struct step *step, json_t *branch)
{
    json_set_string(branch, "step", step->id);
    json_object_set_new(branch, "seen", json_integer(0));
    json_array_append_new(list, branch);
}

struct test_coverage *test_coverage_new(const struct runbook *runbook)
{
    struct test_coverage *coverage = g_new0(struct test_coverage, 1);
    json_t *steps = json_array(), *branches = json_array();
    for (guint i = 0; i < runbook->steps->len; i++) {
        const struct step *step = runbook->steps->pdata[i];
        size_t k;
        json_t *branch;
        json_array_append_new(steps, json_pack("{s:s, s:i, s:b}", "id", step->id, "line", step->line - 1, "ran", 0));
        if (step->when)
            add_branch(branches, step,
                       json_pack("{s:i, s:i, s:s}", "line", step->line - 1, "column", 1, "keyword", "when"));
        g_autoptr(json_t) list = step->language == STEP_LUA ? lua_branches_list(step->text, step->line) : json_array();
        json_array_foreach (list, k, branch)
            add_branch(branches, step, json_incref(branch));
    }
    coverage->json = json_pack("{s:s, s:o, s:o}", "file", runbook->path, "steps", steps, "branches", branches);
    return coverage;
}

void test_coverage_free(struct test_coverage *coverage)
{
    if (coverage == NULL)
        return;
    json_decref(coverage->json);
    g_free(coverage);
}

json_t *test_coverage_json(const struct test_coverage *coverage)
{
    return json_incref(coverage->json);
}

/* ---- one case ---- */

static void see(json_t *branch, json_int_t bits)
{
    json_object_set_new(branch, "seen", json_integer(json_get_integer(branch, "seen", 0) | bits));
}

/* The branches of a step are in the order of its conditions; a `when` stands before them. */
static void see_step(json_t *coverage, const char *id, json_int_t when, const json_t *ways)
{
    size_t i, number = 0;
    json_t *branch;
    json_array_foreach (json_object_get(coverage, "branches"), i, branch) {
        if (strcmp(json_get_string(branch, "step", ""), id) != 0)
            continue;
        if (strcmp(json_get_string(branch, "keyword", ""), "when") == 0)
            see(branch, when);
        else
            see(branch, json_integer_value(json_array_get(ways, number++)));
    }
}

void test_coverage_add_case(struct test_coverage *coverage, const json_t *run, const json_t *branches)
{
    size_t i;
    json_t *step;
    json_array_foreach (json_object_get(run, "steps"), i, step) {
        const char *id = json_get_string(step, "id", "");
        bool ran = json_get_integer(step, "attempts", 0) > 0;
        bool skipped = strcmp(json_get_string(step, "reason", ""), "when") == 0;
        see_step(coverage->json, id,
                 skipped ? LUA_BRANCH_FALSE
                 : ran   ? LUA_BRANCH_TRUE
                         : 0,
                 json_object_get(branches, id));
        if (ran)
            json_object_set_new(json_array_get(json_object_get(coverage->json, "steps"), i), "ran", json_true());
    }
}

/* ---- several files ---- */

void test_coverage_merge(json_t *to, const json_t *from)
{
    size_t i;
    json_t *one;
    json_array_foreach (json_object_get(from, "steps"), i, one)
        if (json_get_bool(one, "ran", false))
            json_object_set_new(json_array_get(json_object_get(to, "steps"), i), "ran", json_true());
    json_array_foreach (json_object_get(from, "branches"), i, one)
        see(json_array_get(json_object_get(to, "branches"), i), json_get_integer(one, "seen", 0));
}

static void say(struct finding_list *findings, const json_t *coverage, const json_t *at, const char *text)
{
    finding_add(findings, "test-coverage", FINDING_NOTE, json_get_string(coverage, "file", ""),
                (int)json_get_integer(at, "line", 1), (int)json_get_integer(at, "column", 1), NULL, "%s", text);
}

static bool step_ran(const json_t *coverage, const char *id)
{
    return json_get_bool(json_find(json_object_get(coverage, "steps"), "id", id), "ran", false);
}

static void count_branch(const json_t *coverage, const json_t *branch, struct test_coverage_sums *sums,
                         struct finding_list *findings)
{
    json_int_t seen = json_get_integer(branch, "seen", 0);
    bool was_true = seen & LUA_BRANCH_TRUE, was_false = seen & LUA_BRANCH_FALSE;
    const char *keyword = json_get_string(branch, "keyword", "");
    sums->branches += 2;
    sums->branches_taken += (size_t)was_true + (size_t)was_false;
    if ((was_true && was_false) || !step_ran(coverage, json_get_string(branch, "step", "")))
        return; /* of a step that never ran, that is all there is to say */
    g_autofree char *text = g_strdup_printf("no case %s", !seen      ? "comes to this condition"
                                                          : was_true ? "has this condition false"
                                                                     : "has this condition true");
    g_autofree char *full = g_strdup_printf("%s (%s)", text, keyword);
    say(findings, coverage, branch, full);
}

void test_coverage_findings(const json_t *coverage, struct test_coverage_sums *sums, struct finding_list *findings)
{
    size_t i;
    json_t *one;
    json_array_foreach (json_object_get(coverage, "steps"), i, one) {
        bool ran = json_get_bool(one, "ran", false);
        g_autofree char *text = g_strdup_printf("no case runs the step '%s'", json_get_string(one, "id", ""));
        sums->steps++;
        sums->steps_run += ran;
        if (!ran)
            say(findings, coverage, one, text);
    }
    json_array_foreach (json_object_get(coverage, "branches"), i, one)
        count_branch(coverage, one, sums, findings);
}

/* runbook_api, host_api: the catalog in service as the API shows it. */
#include "core/errors.h"
#include "jobs/catalog.h"
#include "jobs/host_api.h"
#include "jobs/inventory.h"
#include "jobs/runbook_api.h"
#include "tests/unit/support.h"
#include <string.h>

/* The catalog's answer, without a Git repository. Weak: the real one is not needed here. */
static struct catalog_set set;
__attribute__((weak)) struct catalog_set *catalog_current(struct catalog *catalog)
{
    (void)catalog;
    return &set;
}
__attribute__((weak)) json_t *catalog_status(struct catalog *catalog)
{
    (void)catalog;
    return json_pack("{s:{s:s, s:n}}", "ops", "branch", "main", "error");
}
__attribute__((weak)) void catalog_poll(struct catalog *catalog, const char *repository)
{
    (void)catalog, (void)repository;
}
__attribute__((weak)) const struct runbook *catalog_set_runbook(const struct catalog_set *in, const char *id)
{
    for (guint i = 0; i < in->runbooks->len; i++) {
        const struct runbook *runbook = in->runbooks->pdata[i];
        if (!runbook->document && strcmp(runbook->id, id) == 0)
            return runbook;
    }
    return NULL;
}

static const char inventory[] =
    "hosts:\n"
    "  db-1: {address: 10.0.0.1, aliases: [db-1.example.com], labels: {role: db}, identity: \"file:/key\"}\n"
    "  db-2: {address: 10.0.0.2, labels: {role: db}}\n"
    "  web-1: {address: 10.0.0.3, labels: {role: web}}\n";

static void add(const char *id, const char *text)
{
    g_autofree char *path = g_strconcat("runbooks/", id, ".md", NULL);
    struct runbook *runbook = runbook_parse(path, text, strlen(text), set.findings);
    if (runbook == NULL)
        fail_msg("%s does not parse: %s", id, finding_to_text(finding_at(set.findings, 0)));
    g_free(runbook->id);
    runbook->id = g_strdup(id);
    g_ptr_array_add(set.runbooks, runbook);
}

static int setup(void **state)
{
    (void)state;
    set = (struct catalog_set){.runbooks = g_ptr_array_new_with_free_func((GDestroyNotify)runbook_free),
                               .findings = finding_list_new()};
    set.inventory = inventory_parse("hikeshi/inventory.yaml", inventory, strlen(inventory), set.findings);
    assert_non_null(set.inventory);
    add("a/doc", "---\nowner: storage\ncovers: [alert/X]\n---\n# A document\n");
    add("b", "---\nowner: web\n---\n# B\n\n```lua {step=look effect=read}\nreturn\n```\n");
    add("c/deep/id", "---\nowner: storage\n---\n# C\n\n```lua {step=look effect=read}\nreturn\n```\n");
    finding_add(set.findings, "one", FINDING_WARNING, "x.md", 1, 1, NULL, "a warning");
    finding_add(set.findings, "two", FINDING_ERROR, "y.md", 2, 1, NULL, "an error");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    g_ptr_array_unref(set.runbooks);
    finding_list_free(set.findings);
    json_decref(set.inventory);
    return 0;
}

static json_t *result;
static int code;

static void take(void *arg, json_t *answer, const GError *error)
{
    (void)arg;
    json_decref(result);
    result = json_incref(answer);
    code = error != NULL ? errors_of(error) : -1;
}

/* Asks with {"key": "value", …} given as text; returns the ids or names of the items, joined. */
static char *ask(jobs_fn fn, const char *request_text, const char *key)
{
    static struct jobs jobs;
    static const struct actor actor = {.kind = "token", .name = "t", .role = ROLE_VIEWER, .via = "api"};
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) request = json_parse(request_text, strlen(request_text), "request", &error);
    assert_non_null(request);
    fn(&jobs, request, &actor, take, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get(result, "items"), index, item)
        g_string_append_printf(text, "%s%s", index > 0 ? " " : "", json_get_string(item, key, "?"));
    return g_strdup(text->str);
}

static const struct {
    const char *why;
    jobs_fn fn;
    const char *request, *key, *wanted, *next;
} lists[] = {
    {"all", runbook_list, "{}", "id", "a/doc b c/deep/id", NULL},
    {"a page", runbook_list, "{\"limit\":\"2\"}", "id", "a/doc b", "b"},
    {"the next page", runbook_list, "{\"limit\":\"2\",\"after\":\"b\"}", "id", "c/deep/id", NULL},
    {"exactly a page", runbook_list, "{\"limit\":\"3\"}", "id", "a/doc b c/deep/id", NULL},
    {"by owner", runbook_list, "{\"owner\":\"storage\"}", "id", "a/doc c/deep/id", NULL},
    {"documents", runbook_list, "{\"kind\":\"document\"}", "id", "a/doc", NULL},
    {"findings", runbook_findings, "{}", "rule", "one two", NULL},
    {"errors", runbook_findings, "{\"level\":\"error\"}", "rule", "two", NULL},
    {"findings, a page", runbook_findings, "{\"limit\":\"1\"}", "rule", "one", "1"},
    {"findings, the next", runbook_findings, "{\"limit\":\"1\",\"after\":\"1\"}", "rule", "two", NULL},
    {"repositories", repository_list, "{}", "name", "ops", NULL},
    {"hosts", host_list, "{}", "name", "db-1 db-2 web-1", NULL},
    {"hosts, a page", host_list, "{\"limit\":\"2\"}", "name", "db-1 db-2", "db-2"},
    {"hosts, the next", host_list, "{\"limit\":\"2\",\"after\":\"db-2\"}", "name", "web-1", NULL},
    {"hosts by filter", host_list, "{\"filter\":\"role=db & name!=db-1\"}", "name", "db-2", NULL},
};

static void test_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autofree char *got = ask(lists[i].fn, lists[i].request, lists[i].key);
        if (strcmp(got, lists[i].wanted) != 0)
            row_failed(lists[i].why, "got '%s'", got);
        if (g_strcmp0(json_get_string(result, "next", NULL), lists[i].next) != 0)
            row_failed(lists[i].why, "next is '%s'", json_get_string(result, "next", "null"));
    }
}

static const struct {
    const char *why;
    jobs_fn fn;
    const char *request;
    int code;
} refusals[] = {
    {"no such runbook", runbook_get, "{\"id\":\"nothing\"}", ERROR_NOT_FOUND},
    {"no id", runbook_get, "{}", ERROR_INVALID},
    {"no such host", host_get, "{\"id\":\"db-9\"}", ERROR_NOT_FOUND},
    {"a filter with an error", host_list, "{\"filter\":\"role=\"}", ERROR_PARSE},
    {"no such level", runbook_findings, "{\"level\":\"fatal\"}", ERROR_INVALID},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *got = ask(refusals[i].fn, refusals[i].request, "id");
        if (code != refusals[i].code || result != NULL)
            row_failed(refusals[i].why, "got %d", code);
    }
}

static void test_one(void **state)
{
    (void)state;
    g_free(ask(runbook_get, "{\"id\":\"a/doc\"}", "id"));
    assert_string_equal(json_get_string(result, "title", ""), "A document");
    g_free(ask(runbook_get, "{\"id\":\"c/deep/id\"}", "id"));
    assert_int_equal(json_array_size(json_object_get(result, "steps")), 1);
    g_free(ask(host_get, "{\"id\":\"db-1.example.com\"}", "id"));
    assert_string_equal(json_get_string(result, "name", ""), "db-1");
    assert_null(json_object_get(result, "identity")); /* nobody learns which key reaches a host */
    json_decref(result);
    result = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* catalog_view: the catalog in service as the API shows it. */
#include "core/errors.h"
#include "jobs/catalog_view.h"
#include "tests/unit/support.h"
#include <glib/gstdio.h>
#include <string.h>

static const char inventory[] =
    "hosts:\n"
    "  db-1: {address: 10.0.0.1, aliases: [db-1.example.com], labels: {role: db}, identity: \"file:/key\"}\n"
    "  db-2: {address: 10.0.0.2, labels: {role: db}}\n"
    "  web-1: {address: 10.0.0.3, labels: {role: web}}\n";

static struct catalog_set *set;
static char *folder;

static void add(const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL), *parent = g_path_get_dirname(path);
    assert_int_equal(g_mkdir_with_parents(parent, 0700), 0);
    assert_true(g_file_set_contents(path, text, -1, NULL));
}

static int setup(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    folder = g_dir_make_tmp("hikeshi-api-XXXXXX", NULL);
    add("hikeshi/inventory.yaml", inventory);
    add("runbooks/a/doc.md", "---\nowner: storage\ncovers: [alert/X]\n---\n# A document\n");
    add("runbooks/b.md", "---\nowner: web\n---\n# B\n\n```lua {step=look effect=read}\nreturn\n```\n");
    add("runbooks/c/deep/id.md", "---\nowner: storage\n---\n# C\n\n```lua {step=look effect=read}\nreturn\n```\n");
    set = catalog_read_folder(folder, "runbooks", &error);
    if (set == NULL)
        fail_msg("%s", error->message);
    assert_int_equal(finding_count(set->findings), 0);
    finding_add(set->findings, "one", FINDING_WARNING, "x.md", 1, 1, NULL, "a warning");
    finding_add(set->findings, "two", FINDING_ERROR, "y.md", 2, 1, NULL, "an error");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    catalog_set_unref(set);
    static const char *const made[] = {
        "hikeshi/inventory.yaml", "hikeshi",         "runbooks/a/doc.md", "runbooks/a", "runbooks/b.md",
        "runbooks/c/deep/id.md",  "runbooks/c/deep", "runbooks/c",        "runbooks",   ""};
    for (size_t i = 0; i < G_N_ELEMENTS(made); i++) {
        g_autofree char *path = g_build_filename(folder, made[i], NULL);
        assert_int_equal(g_remove(path), 0);
    }
    g_clear_pointer(&folder, g_free);
    return 0;
}

static json_t *result;
static int code;

/* Asks with an object given as text; returns the values of `key` in the items, joined. */
static char *ask(catalog_view_fn fn, const char *request_text, const char *key)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) request = json_parse(request_text, strlen(request_text), "request", NULL);
    assert_non_null(request);
    json_decref(result);
    result = fn(set, request, &error);
    code = error != NULL ? errors_of(error) : -1;
    g_autoptr(GString) text = g_string_new(NULL);
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get(result, "items"), index, item)
        g_string_append_printf(text, "%s%s", index > 0 ? " " : "", json_get_string(item, key, "?"));
    return g_strdup(text->str);
}

static const struct {
    const char *why;
    catalog_view_fn fn;
    const char *request, *key, *wanted, *next;
} lists[] = {
    {"all", catalog_view_runbooks, "{}", "id", "a/doc b c/deep/id", NULL},
    {"a page", catalog_view_runbooks, "{\"limit\":\"2\"}", "id", "a/doc b", "b"},
    {"the next page", catalog_view_runbooks, "{\"limit\":\"2\",\"after\":\"b\"}", "id", "c/deep/id", NULL},
    {"exactly a page", catalog_view_runbooks, "{\"limit\":\"3\"}", "id", "a/doc b c/deep/id", NULL},
    {"by owner", catalog_view_runbooks, "{\"owner\":\"storage\"}", "id", "a/doc c/deep/id", NULL},
    {"documents", catalog_view_runbooks, "{\"kind\":\"document\"}", "id", "a/doc", NULL},
    {"findings", catalog_view_findings, "{}", "rule", "one two", NULL},
    {"errors", catalog_view_findings, "{\"level\":\"error\"}", "rule", "two", NULL},
    {"findings, a page", catalog_view_findings, "{\"limit\":\"1\"}", "rule", "one", "1"},
    {"findings, the next", catalog_view_findings, "{\"limit\":\"1\",\"after\":\"1\"}", "rule", "two", NULL},
    {"hosts", catalog_view_hosts, "{}", "name", "db-1 db-2 web-1", NULL},
    {"hosts, a page", catalog_view_hosts, "{\"limit\":\"2\"}", "name", "db-1 db-2", "db-2"},
    {"hosts, the next", catalog_view_hosts, "{\"limit\":\"2\",\"after\":\"db-2\"}", "name", "web-1", NULL},
    {"hosts by filter", catalog_view_hosts, "{\"filter\":\"role=db & name!=db-1\"}", "name", "db-2", NULL},
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
    catalog_view_fn fn;
    const char *request;
    int code;
} refusals[] = {
    {"no such runbook", catalog_view_runbook, "{\"id\":\"nothing\"}", ERROR_NOT_FOUND},
    {"no id", catalog_view_runbook, "{}", ERROR_INVALID},
    {"no such host", catalog_view_host, "{\"id\":\"db-9\"}", ERROR_NOT_FOUND},
    {"a filter with an error", catalog_view_hosts, "{\"filter\":\"role=\"}", ERROR_PARSE},
    {"no such level", catalog_view_findings, "{\"level\":\"fatal\"}", ERROR_INVALID},
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
    g_free(ask(catalog_view_runbook, "{\"id\":\"a/doc\"}", "id"));
    assert_string_equal(json_get_string(result, "title", ""), "A document");
    g_free(ask(catalog_view_runbook, "{\"id\":\"c/deep/id\"}", "id"));
    assert_int_equal(json_array_size(json_object_get(result, "steps")), 1);
    g_free(ask(catalog_view_host, "{\"id\":\"db-1.example.com\"}", "id"));
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

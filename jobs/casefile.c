/* casefile: maps of YAML become maps of JSON, key by key through one table for each level. */
#include "jobs/casefile.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/wire.h"
#include "jobs/casefile_value.h"
#include "jobs/field.h"
#include "jobs/fields.h"
#include <string.h>

READER(read_bool_or_null)
{
    if (casefile_want(reader, key, value, value->kind == YAML_BOOL || value->kind == YAML_NULL, "true, false or null"))
        json_object_set_new(target, key->text, yaml_to_json(value));
}

READER(read_now)
{
    int64_t ms;
    if (casefile_want(reader, key, value, casefile_is_scalar(value) && clock_parse(value->text, &ms, NULL) && ms > 0,
                      "a time such as 2026-11-21T22:42:23Z"))
        json_object_set_new(target, "now_ms", json_integer(ms));
}

CHOICE_READER(read_order, "strict", "any")
CHOICE_READER(read_decision, "approve", "deny", "expire")
CHOICE_READER(read_state, "succeeded", "failed", "denied", "cancelled", "expired", "unknown", "waiting")
CHOICE_READER(read_reason, "step_failed", "not_verified", "timed_out", "denied", "expired", "max_hosts")

/* ---- approvals ---- */

static const struct field approval_fields[] = {
    {"decision", FIELD_READ, .required = true, .read = read_decision, .shape = SHAPE_TEXT,
     .choices = read_decision_words, .help = "what the approver says"},
    {"by", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "who decides; tester"},
    {"inputs", FIELD_READ, .read = casefile_map, .shape = SHAPE_MAP, .help = "what the approver fills in"},
    {"hosts", FIELD_READ, .read = casefile_words, .shape = SHAPE_TEXT, .many = MANY_LIST,
     .help = "hosts that the request must show"},
    {"shows", FIELD_READ, .read = casefile_map, .shape = SHAPE_MAP,
     .help = "values that the request must show, by path"},
    {NULL},
};

READER(read_approvals)
{
    json_t *approvals = json_object();
    json_object_set_new(target, key->text, approvals);
    if (!casefile_want(reader, key, value, value->kind == YAML_MAP, "a map of steps to decisions"))
        return;
    for (size_t i = 0; i < value->count; i++) {
        const struct yaml_node decision = {.kind = YAML_STRING, .text = "decision", .line = value->keys[i]->line};
        json_t *approval = json_object();
        json_object_set_new(approvals, value->keys[i]->text, approval);
        g_autofree char *what = g_strdup_printf("the approval of '%s'", value->keys[i]->text);
        if (value->items[i]->kind == YAML_MAP)
            field_read_map(reader, value->items[i], what, approval_fields, approval);
        else
            read_decision(reader, &decision, value->items[i], approval);
    }
}

/* ---- expectations ---- */

static const char *const step_results[] = {"ok",     "failed",  "skipped",     "timed_out", "cancelled",
                                           "denied", "expired", "not_reached", "unknown",   NULL};

READER(read_step_results)
{
    json_t *steps = json_object();
    json_object_set_new(target, key->text, steps);
    if (!casefile_want(reader, key, value, value->kind == YAML_MAP, "a map of steps to results"))
        return;
    for (size_t i = 0; i < value->count; i++)
        casefile_choice(reader, value->keys[i], value->items[i], steps, step_results);
}

READER(read_reports)
{
    bool fine = value->kind == YAML_LIST;
    for (size_t i = 0; fine && i < value->count; i++)
        fine = value->items[i]->kind == YAML_MAP;
    if (casefile_want(reader, key, value, fine, "a list of maps, as in [{title: disk used, value: 91}]"))
        json_object_set_new(target, key->text, yaml_to_json(value));
}

static const struct field expect_fields[] = {
    {"state", FIELD_READ, .read = read_state, .shape = SHAPE_TEXT, .choices = read_state_words,
     .help = "state of the run; succeeded"},
    {"reason", FIELD_READ, .read = read_reason, .shape = SHAPE_TEXT, .choices = read_reason_words,
     .help = "why it ended"},
    {"verified", FIELD_READ, .read = read_bool_or_null, .shape = SHAPE_BOOL_OR_NULL,
     .help = "true, false, or null when nothing verified it"},
    {"steps", FIELD_READ, .read = read_step_results, .shape = SHAPE_TEXT, .many = MANY_MAP, .choices = step_results,
     .help = "results of steps, by id"},
    {"data", FIELD_READ, .read = casefile_map, .shape = SHAPE_MAP, .help = "keys of data, each as a whole"},
    {"notes", FIELD_READ, .read = casefile_words, .shape = SHAPE_TEXT, .many = MANY_LIST,
     .help = "texts that must be among the notes"},
    {"reports", FIELD_READ, .read = read_reports, .shape = SHAPE_MAP, .many = MANY_LIST,
     .help = "maps, each of which must be part of a report"},
    {"messages", FIELD_READ, .read = read_reports, .shape = SHAPE_MAP, .many = MANY_LIST,
     .help = "maps, each of which must be part of a message to a channel"},
    {"incidents", FIELD_READ, .read = read_reports, .shape = SHAPE_MAP, .many = MANY_LIST,
     .help = "maps, each of which must be part of what was opened or resolved"},
    {"error", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "words that the first failed step's error must hold"},
    {NULL},
};

READER(read_expect)
{
    json_t *expect = json_object();
    json_object_set_new(target, key->text, expect);
    field_read_map(reader, value, "'expect'", expect_fields, expect);
}

/* ---- cases and the file ---- */

static const struct field case_fields[] = {
    {"name", FIELD_READ, .required = true, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "says what the case shows"},
    {"params", FIELD_READ, .read = casefile_map, .shape = SHAPE_MAP, .help = "as a person gives them"},
    {"alert", FIELD_READ, .read = casefile_map, .shape = SHAPE_MAP, .help = "the alert that the run is for"},
    {"incident", FIELD_READ, .read = casefile_map, .shape = SHAPE_MAP, .help = "the incident that the run is for"},
    {"now", FIELD_READ, .read = read_now, .shape = SHAPE_TEXT,
     .help = "when the run begins, such as 2026-11-21T22:42:23Z"},
    {"order", FIELD_READ, .read = read_order, .shape = SHAPE_TEXT, .choices = read_order_words,
     .help = "any: answers of a host may be asked for in any order; strict"},
    {"hosts", FIELD_READ, .read = casefile_hosts, .shape = SHAPE_FIELDS, .many = MANY_MAP_OF_LISTS,
     .fields = casefile_answer_fields, .help = "what hosts answer, in order, by name"},
    {"exec", FIELD_READ, .read = casefile_exec, .shape = SHAPE_FIELDS, .many = MANY_LIST,
     .fields = casefile_answer_fields, .help = "what programs of exec() answer, in order"},
    {"http", FIELD_READ, .read = casefile_http, .shape = SHAPE_FIELDS, .many = MANY_LIST,
     .fields = casefile_http_fields, .help = "what HTTP servers answer, in order"},
    {"secrets", FIELD_READ, .read = casefile_text_map, .shape = SHAPE_TEXT_MAP,
     .help = "values of the secrets that steps ask for"},
    {"approvals", FIELD_READ, .read = read_approvals, .shape = SHAPE_FIELDS, .many = MANY_MAP,
     .choices = read_decision_words, .fields = approval_fields, .help = "decisions, by step"},
    {"expect", FIELD_READ, .read = read_expect, .shape = SHAPE_FIELDS, .fields = expect_fields,
     .help = "what must come of it"},
    {NULL},
};

READER(read_cases)
{
    json_t *cases = json_array();
    json_object_set_new(target, key->text, cases);
    if (!casefile_want(reader, key, value, value->kind == YAML_LIST && value->count > 0, "a list of cases"))
        return;
    for (size_t i = 0; i < value->count; i++) {
        json_t *one = json_object();
        json_object_set_new(one, "line", json_integer(value->items[i]->line));
        field_read_map(reader, value->items[i], "a case", case_fields, one);
        const char *name = json_get_string(one, "name", NULL);
        if (json_find(cases, "name", name))
            field_error(reader, "duplicate", value->items[i], NULL, "there are two cases named '%s'", name);
        json_array_append_new(cases, one);
    }
}

const struct field casefile_fields[] = {
    {"runbook", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "an id, or a path like ./disk-full.md; without it the file of the same name"},
    {"cases", FIELD_READ, .required = true, .read = read_cases, .shape = SHAPE_FIELDS, .many = MANY_LIST,
     .fields = case_fields, .help = "what is tried"},
    {NULL},
};

json_t *casefile_parse(const char *path, const char *text, size_t length, struct finding_list *findings)
{
    const struct field_reader reader = {.file = path, .findings = findings};
    g_autoptr(GError) error = NULL;
    g_autoptr(yaml_document) document = yaml_parse(text, length, path, 0, &error);
    if (!document) {
        field_yaml_error(&reader, error, 1);
        return NULL;
    }
    g_autoptr(json_t) file = json_object();
    bool fine = field_read_map(&reader, yaml_root(document), "a test file", casefile_fields, file);
    return fine ? g_steal_pointer(&file) : NULL;
}

/* ---- names ---- */

struct check {
    const char *path;
    int line; /* of the case */
    struct finding_list *findings;
};

static void check_name(const struct check *check, const char *what, const char *name, GPtrArray *known)
{
    g_ptr_array_add(known, NULL);
    if (!g_strv_contains((const char *const *)known->pdata, name))
        finding_add(check->findings, "unknown-name", FINDING_ERROR, check->path, check->line, 1,
                    finding_nearest(name, (const char *const *)known->pdata), "there is no %s '%s'", what, name);
    g_ptr_array_set_size(known, (int)known->len - 1);
}

static void check_keys(const struct check *check, const char *what, const json_t *map, GPtrArray *known)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)map, name, value)
        check_name(check, what, name, known);
}

void casefile_check(const json_t *file, const char *path, const struct runbook *runbook, const json_t *inventory,
                    struct finding_list *findings)
{
    g_autoptr(GPtrArray) steps = g_ptr_array_new(), approved = g_ptr_array_new(), hosts = g_ptr_array_new();
    size_t i;
    json_t *item;
    for (guint k = 0; k < runbook->steps->len; k++) {
        const struct step *step = runbook->steps->pdata[k];
        g_ptr_array_add(steps, step->id);
        if (step->approve)
            g_ptr_array_add(approved, step->id);
    }
    json_array_foreach (inventory, i, item)
        g_ptr_array_add(hosts, (char *)json_get_string(item, "name", ""));
    json_array_foreach (json_object_get(file, "cases"), i, item) {
        struct check check = {path, (int)json_get_integer(item, "line", 1), findings};
        g_autoptr(json_t) named = json_copy(json_object_get(item, "hosts"));
        json_object_del(named, WIRE_LOCAL_HOST);
        json_object_del(named, WIRE_HTTP_HOST);
        check_keys(&check, "host in the inventory called", named, hosts);
        check_keys(&check, "step with an approval called", json_object_get(item, "approvals"), approved);
        check_keys(&check, "step", json_path(item, "expect.steps"), steps);
    }
}

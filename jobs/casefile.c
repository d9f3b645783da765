/* casefile: maps of YAML become maps of JSON, key by key through one table for each level. */
#include "jobs/casefile.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/wire.h"
#include "jobs/field.h"
#include <string.h>

#define MAX_TIMES 100000

/* ---- one key: the target is the JSON object being filled ---- */

static bool is_scalar(const struct yaml_node *value)
{
    return value->kind != YAML_NULL && value->kind != YAML_LIST && value->kind != YAML_MAP;
}

#define READER(NAME)                                                                                                   \
    static void NAME(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,    \
                     void *target)

static bool want(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                 bool fine, const char *what)
{
    if (!fine)
        field_error(reader, "bad-value", value, NULL, "'%s' must be %s", key->text, what);
    return fine;
}

READER(read_text)
{
    if (want(reader, key, value, is_scalar(value), "text"))
        json_object_set_new(target, key->text, json_text_value(value->text, value->text_length));
}

READER(read_words)
{
    json_t *words = json_array();
    bool fine = value->kind == YAML_LIST;
    for (size_t i = 0; fine && i < value->count; i++) {
        fine = is_scalar(value->items[i]);
        json_array_append_new(words, json_text_value(value->items[i]->text, value->items[i]->text_length));
    }
    if (want(reader, key, value, fine, "a list of words, as in [df, -P, /]"))
        json_object_set(target, key->text, words);
    json_decref(words);
}

READER(read_bool)
{
    if (want(reader, key, value, value->kind == YAML_BOOL, "true or false"))
        json_object_set_new(target, key->text, json_boolean(value->boolean));
}

READER(read_bool_or_null)
{
    if (want(reader, key, value, value->kind == YAML_BOOL || value->kind == YAML_NULL, "true, false or null"))
        json_object_set_new(target, key->text, yaml_to_json(value));
}

READER(read_code)
{
    if (want(reader, key, value, value->kind == YAML_INTEGER && value->integer >= 0 && value->integer <= 255,
             "an exit code from 0 to 255"))
        json_object_set_new(target, key->text, json_integer(value->integer));
}

READER(read_times)
{
    if (want(reader, key, value, value->kind == YAML_INTEGER && value->integer >= 1 && value->integer <= MAX_TIMES,
             "a whole number from 1"))
        json_object_set_new(target, key->text, json_integer(value->integer));
}

READER(read_takes)
{
    int64_t ms;
    if (want(reader, key, value, is_scalar(value) && clock_duration_parse(value->text, &ms, NULL),
             "a duration such as 30s or 10m"))
        json_object_set_new(target, "takes_ms", json_integer(ms));
}

READER(read_now)
{
    int64_t ms;
    if (want(reader, key, value, is_scalar(value) && clock_parse(value->text, &ms, NULL) && ms > 0,
             "a time such as 2026-11-21T22:42:23Z"))
        json_object_set_new(target, "now_ms", json_integer(ms));
}

/* true: root; a name: that user; false: as if it were not there. */
READER(read_sudo)
{
    if (!want(reader, key, value, is_scalar(value), "true or a user's name"))
        return;
    if (value->kind != YAML_BOOL)
        json_object_set_new(target, key->text, json_string(value->text));
    else if (value->boolean)
        json_object_set_new(target, key->text, json_string("root"));
}

READER(read_map)
{
    if (want(reader, key, value, value->kind == YAML_MAP, "a map"))
        json_object_set_new(target, key->text, yaml_to_json(value));
}

READER(read_env)
{
    json_t *env = json_object();
    bool fine = value->kind == YAML_MAP;
    for (size_t i = 0; fine && i < value->count; i++) {
        fine = is_scalar(value->items[i]);
        json_object_set_new(env, value->keys[i]->text,
                            json_text_value(value->items[i]->text, value->items[i]->text_length));
    }
    if (want(reader, key, value, fine, "a map of names to texts"))
        json_object_set(target, key->text, env);
    json_decref(env);
}

/* ---- choices ---- */

static void read_choice(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                        json_t *target, const char *const *choices)
{
    if (is_scalar(value) && g_strv_contains(choices, value->text)) {
        json_object_set_new(target, key->text, json_string(value->text));
        return;
    }
    g_autofree char *all = g_strjoinv(", ", (char **)choices);
    field_error(reader, "bad-value", value, is_scalar(value) ? finding_nearest(value->text, choices) : NULL,
                "'%s' must be one of %s", key->text, all);
}

#define CHOICE_READER(NAME, ...)                                                                                       \
    READER(NAME)                                                                                                       \
    {                                                                                                                  \
        static const char *const choices[] = {__VA_ARGS__, NULL};                                                      \
        read_choice(reader, key, value, target, choices);                                                              \
    }

CHOICE_READER(read_error_code, "dns", "connect", "host_key", "auth", "channel", "timeout", "lost", "file",
              "check_failed", "unsupported", "too_large", "internal", "unavailable", "invalid", "io", "not_allowed")
CHOICE_READER(read_order, "strict", "any")
CHOICE_READER(read_shell, "sh", "bash")
CHOICE_READER(read_decision, "approve", "deny", "expire")
CHOICE_READER(read_state, "succeeded", "failed", "denied", "cancelled", "expired", "unknown", "waiting")
CHOICE_READER(read_reason, "step_failed", "not_verified", "timed_out", "denied", "expired", "max_hosts")

/* ---- answers of hosts ---- */

static const struct field answer_fields[] = {
    {"run", FIELD_READ, .read = read_words},
    {"script", FIELD_READ, .read = read_text},
    {"step", FIELD_READ, .read = read_text},
    {"upload", FIELD_READ, .read = read_text},
    {"download", FIELD_READ, .read = read_text},
    {"reachable", FIELD_READ, .read = read_bool},
    {"shell", FIELD_READ, .read = read_shell},
    {"sudo", FIELD_READ, .read = read_sudo},
    {"stdin", FIELD_READ, .read = read_text},
    {"env", FIELD_READ, .read = read_env},
    {"cwd", FIELD_READ, .read = read_text},
    {"pty", FIELD_READ, .read = read_bool},
    {"mode", FIELD_READ, .read = read_text},
    {"content", FIELD_READ, .read = read_text},
    {"sha256", FIELD_READ, .read = read_text},
    {"base64", FIELD_READ, .read = read_text},
    {"stdout", FIELD_READ, .read = read_text},
    {"stderr", FIELD_READ, .read = read_text},
    {"code", FIELD_READ, .read = read_code},
    {"signal", FIELD_READ, .read = read_text},
    {"error", FIELD_READ, .read = read_error_code},
    {"message", FIELD_READ, .read = read_text},
    {"takes", FIELD_READ, .read = read_takes},
    {"times", FIELD_READ, .read = read_times},
    {NULL},
};

static void read_answer(const struct field_reader *reader, const struct yaml_node *value, const char *host,
                        json_t *answers)
{
    static const char *const asked[] = {"run", "script", "step", "upload", "download", "reachable"};
    g_autofree char *what = g_strdup_printf("an answer of '%s'", host);
    json_t *answer = json_object();
    size_t questions = 0;
    json_object_set_new(answer, "line", json_integer(value->line));
    json_array_append_new(answers, answer);
    if (!field_read_map(reader, value, what, answer_fields, answer))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(asked); i++)
        questions += json_object_get(answer, asked[i]) != NULL;
    if (questions != 1)
        field_error(reader, "bad-value", value, NULL,
                    "%s needs one of run, script, step, upload, download or reachable", what);
}

/* Where answers go: `exec` and `http` stand beside the hosts and are answered like hosts that are called so. */
static json_t *hosts_of(json_t *target)
{
    json_t *hosts = json_object_get(target, "hosts");
    if (!hosts) {
        hosts = json_object();
        json_object_set_new(target, "hosts", hosts);
    }
    return hosts;
}

READER(read_hosts)
{
    json_t *hosts = hosts_of(target);
    if (!want(reader, key, value, value->kind == YAML_MAP || value->kind == YAML_NULL, "a map of hosts to lists"))
        return;
    for (size_t i = 0; i < value->count; i++) {
        const struct yaml_node *list = value->items[i];
        json_t *answers = json_array();
        json_object_set_new(hosts, value->keys[i]->text, answers);
        want(reader, value->keys[i], list, list->kind == YAML_LIST || list->kind == YAML_NULL, "a list of answers");
        for (size_t k = 0; list->kind == YAML_LIST && k < list->count; k++)
            read_answer(reader, list->items[k], value->keys[i]->text, answers);
    }
}

/* ---- programs of exec(), HTTP ---- */

READER(read_exec)
{
    json_t *answers = json_array();
    json_object_set_new(hosts_of(target), WIRE_LOCAL_HOST, answers);
    want(reader, key, value, value->kind == YAML_LIST, "a list of answers");
    for (size_t i = 0; value->kind == YAML_LIST && i < value->count; i++)
        read_answer(reader, value->items[i], "exec", answers);
}

READER(read_status)
{
    if (want(reader, key, value, value->kind == YAML_INTEGER && value->integer >= 100 && value->integer <= 599,
             "an HTTP status from 100 to 599"))
        json_object_set_new(target, key->text, json_integer(value->integer));
}

READER(read_any)
{
    (void)reader;
    json_object_set_new(target, key->text, yaml_to_json(value));
}

READER(read_headers)
{
    g_autoptr(json_t) read = json_object(), lower = json_object();
    const char *name;
    json_t *text;
    read_env(reader, key, value, read);
    json_object_foreach (json_object_get(read, key->text), name, text) {
        g_autofree char *small = g_ascii_strdown(name, -1);
        json_object_set(lower, small, text);
    }
    json_object_set(target, key->text, lower);
}

CHOICE_READER(read_http_error, "unavailable", "timeout", "too_large", "invalid")

static const struct field http_fields[] = {
    {"get", FIELD_READ, .read = read_text},
    {"head", FIELD_READ, .read = read_text},
    {"post", FIELD_READ, .read = read_text},
    {"put", FIELD_READ, .read = read_text},
    {"patch", FIELD_READ, .read = read_text},
    {"delete", FIELD_READ, .read = read_text},
    {"headers", FIELD_READ, .read = read_headers},
    {"json", FIELD_READ, .read = read_any},
    {"body", FIELD_READ, .read = read_text},
    {"status", FIELD_READ, .read = read_status},
    {"answer_headers", FIELD_READ, .read = read_headers},
    {"answer", FIELD_READ, .read = read_any},
    {"error", FIELD_READ, .read = read_http_error},
    {"message", FIELD_READ, .read = read_text},
    {"takes", FIELD_READ, .read = read_takes},
    {"times", FIELD_READ, .read = read_times},
    {NULL},
};

READER(read_http)
{
    json_t *answers = json_array();
    json_object_set_new(hosts_of(target), WIRE_HTTP_HOST, answers);
    want(reader, key, value, value->kind == YAML_LIST, "a list of answers");
    for (size_t i = 0; value->kind == YAML_LIST && i < value->count; i++) {
        json_t *answer = json_object();
        size_t questions = 0;
        json_object_set_new(answer, "line", json_integer(value->items[i]->line));
        json_array_append_new(answers, answer);
        if (!field_read_map(reader, value->items[i], "an answer of 'http'", http_fields, answer))
            continue;
        for (const struct field *field = http_fields; strcmp(field->key, "headers") != 0; field++)
            questions += json_object_get(answer, field->key) != NULL;
        if (questions != 1)
            field_error(reader, "bad-value", value->items[i], NULL,
                        "an answer of 'http' needs one of get, head, post, put, patch or delete");
    }
}

/* ---- approvals ---- */

static const struct field approval_fields[] = {
    {"decision", FIELD_READ, .required = true, .read = read_decision},
    {"by", FIELD_READ, .read = read_text},
    {"inputs", FIELD_READ, .read = read_map},
    {"hosts", FIELD_READ, .read = read_words},
    {"shows", FIELD_READ, .read = read_map},
    {NULL},
};

READER(read_approvals)
{
    json_t *approvals = json_object();
    json_object_set_new(target, key->text, approvals);
    if (!want(reader, key, value, value->kind == YAML_MAP, "a map of steps to decisions"))
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

READER(read_step_results)
{
    static const char *const results[] = {"ok",     "failed",  "skipped",     "timed_out", "cancelled",
                                          "denied", "expired", "not_reached", "unknown",   NULL};
    json_t *steps = json_object();
    json_object_set_new(target, key->text, steps);
    if (!want(reader, key, value, value->kind == YAML_MAP, "a map of steps to results"))
        return;
    for (size_t i = 0; i < value->count; i++)
        read_choice(reader, value->keys[i], value->items[i], steps, results);
}

READER(read_reports)
{
    bool fine = value->kind == YAML_LIST;
    for (size_t i = 0; fine && i < value->count; i++)
        fine = value->items[i]->kind == YAML_MAP;
    if (want(reader, key, value, fine, "a list of maps, as in [{title: disk used, value: 91}]"))
        json_object_set_new(target, key->text, yaml_to_json(value));
}

static const struct field expect_fields[] = {
    {"state", FIELD_READ, .read = read_state},
    {"reason", FIELD_READ, .read = read_reason},
    {"verified", FIELD_READ, .read = read_bool_or_null},
    {"steps", FIELD_READ, .read = read_step_results},
    {"data", FIELD_READ, .read = read_map},
    {"notes", FIELD_READ, .read = read_words},
    {"reports", FIELD_READ, .read = read_reports},
    {"error", FIELD_READ, .read = read_text},
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
    {"name", FIELD_READ, .required = true, .read = read_text},
    {"params", FIELD_READ, .read = read_map},
    {"alert", FIELD_READ, .read = read_map},
    {"incident", FIELD_READ, .read = read_map},
    {"now", FIELD_READ, .read = read_now},
    {"order", FIELD_READ, .read = read_order},
    {"hosts", FIELD_READ, .read = read_hosts},
    {"exec", FIELD_READ, .read = read_exec},
    {"http", FIELD_READ, .read = read_http},
    {"secrets", FIELD_READ, .read = read_env},
    {"approvals", FIELD_READ, .read = read_approvals},
    {"expect", FIELD_READ, .read = read_expect},
    {NULL},
};

READER(read_cases)
{
    json_t *cases = json_array();
    json_object_set_new(target, key->text, cases);
    if (!want(reader, key, value, value->kind == YAML_LIST && value->count > 0, "a list of cases"))
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

static const struct field file_fields[] = {
    {"runbook", FIELD_READ, .read = read_text},
    {"cases", FIELD_READ, .required = true, .read = read_cases},
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
    bool fine = field_read_map(&reader, yaml_root(document), "a test file", file_fields, file);
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

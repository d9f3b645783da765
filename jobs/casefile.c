/* casefile: maps of YAML become maps of JSON, key by key through one table for each level. */
#include "jobs/casefile.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/wire.h"
#include "jobs/field.h"
#include "jobs/fields.h"
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
    static const char *const NAME##_words[] = {__VA_ARGS__, NULL};                                                     \
    READER(NAME)                                                                                                       \
    {                                                                                                                  \
        read_choice(reader, key, value, target, NAME##_words);                                                         \
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
    {"run", FIELD_READ, .read = read_words, .shape = SHAPE_TEXT, .many = MANY_LIST,
     .help = "the words of h:run or exec that this answers"},
    {"script", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "the text of h:script that this answers"},
    {"step", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "the shell step that this answers"},
    {"upload", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "the path of h:upload that this answers"},
    {"download", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT,
     .help = "the path of h:download that this answers"},
    {"reachable", FIELD_READ, .read = read_bool, .shape = SHAPE_BOOL, .help = "the answer to h:reachable"},
    {"shell", FIELD_READ, .read = read_shell, .shape = SHAPE_TEXT, .choices = read_shell_words,
     .help = "the script's shell"},
    {"sudo", FIELD_READ, .read = read_sudo, .shape = SHAPE_TEXT, .help = "true, or the user that the command becomes"},
    {"stdin", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT,
     .help = "what the command must get on standard input"},
    {"env", FIELD_READ, .read = read_env, .shape = SHAPE_TEXT_MAP, .help = "environment variables that it must get"},
    {"cwd", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "directory that it must run in"},
    {"pty", FIELD_READ, .read = read_bool, .shape = SHAPE_BOOL, .help = "it must run with a terminal"},
    {"mode", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "the mode that an upload must say"},
    {"content", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT,
     .help = "bytes that are uploaded, or that a download gives"},
    {"sha256", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "hash of the bytes that are uploaded"},
    {"base64", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "bytes in base64 instead of content"},
    {"stdout", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "what it writes there"},
    {"stderr", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "what it writes there"},
    {"code", FIELD_READ, .read = read_code, .shape = SHAPE_INTEGER, .minimum = 0, .maximum = 255,
     .help = "exit code; 0"},
    {"signal", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "name of the signal that ended it"},
    {"error", FIELD_READ, .read = read_error_code, .shape = SHAPE_TEXT, .choices = read_error_code_words,
     .help = "code of the error that comes instead of an answer"},
    {"message", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "the error's text"},
    {"takes", FIELD_READ, .read = read_takes, .shape = SHAPE_DURATION, .help = "time that passes until the answer"},
    {"times", FIELD_READ, .read = read_times, .shape = SHAPE_INTEGER, .minimum = 1, .maximum = MAX_TIMES,
     .help = "how often this answer is given; 1"},
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
    {"get", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "the URL of a GET request that this answers"},
    {"head", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "the URL of a HEAD request that this answers"},
    {"post", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "the URL of a POST request that this answers"},
    {"put", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "the URL of a PUT request that this answers"},
    {"patch", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT,
     .help = "the URL of a PATCH request that this answers"},
    {"delete", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT,
     .help = "the URL of a DELETE request that this answers"},
    {"headers", FIELD_READ, .read = read_headers, .shape = SHAPE_TEXT_MAP,
     .help = "headers that the request must have"},
    {"json", FIELD_READ, .read = read_any, .shape = SHAPE_ANY, .help = "the JSON that its body must be"},
    {"body", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "the bytes that its body must be"},
    {"status", FIELD_READ, .read = read_status, .shape = SHAPE_INTEGER, .minimum = 100, .maximum = 599,
     .help = "status of the answer; 200"},
    {"answer_headers", FIELD_READ, .read = read_headers, .shape = SHAPE_TEXT_MAP, .help = "headers of the answer"},
    {"answer", FIELD_READ, .read = read_any, .shape = SHAPE_ANY,
     .help = "body of the answer: text, or a value that becomes JSON"},
    {"error", FIELD_READ, .read = read_http_error, .shape = SHAPE_TEXT, .choices = read_http_error_words,
     .help = "code of the error that comes instead of an answer"},
    {"message", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "the error's text"},
    {"takes", FIELD_READ, .read = read_takes, .shape = SHAPE_DURATION, .help = "time that passes until the answer"},
    {"times", FIELD_READ, .read = read_times, .shape = SHAPE_INTEGER, .minimum = 1, .maximum = MAX_TIMES,
     .help = "how often this answer is given; 1"},
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
    {"decision", FIELD_READ, .required = true, .read = read_decision, .shape = SHAPE_TEXT,
     .choices = read_decision_words, .help = "what the approver says"},
    {"by", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT, .help = "who decides; tester"},
    {"inputs", FIELD_READ, .read = read_map, .shape = SHAPE_MAP, .help = "what the approver fills in"},
    {"hosts", FIELD_READ, .read = read_words, .shape = SHAPE_TEXT, .many = MANY_LIST,
     .help = "hosts that the request must show"},
    {"shows", FIELD_READ, .read = read_map, .shape = SHAPE_MAP, .help = "values that the request must show, by path"},
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

static const char *const step_results[] = {"ok",     "failed",  "skipped",     "timed_out", "cancelled",
                                           "denied", "expired", "not_reached", "unknown",   NULL};

READER(read_step_results)
{
    json_t *steps = json_object();
    json_object_set_new(target, key->text, steps);
    if (!want(reader, key, value, value->kind == YAML_MAP, "a map of steps to results"))
        return;
    for (size_t i = 0; i < value->count; i++)
        read_choice(reader, value->keys[i], value->items[i], steps, step_results);
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
    {"state", FIELD_READ, .read = read_state, .shape = SHAPE_TEXT, .choices = read_state_words,
     .help = "state of the run; succeeded"},
    {"reason", FIELD_READ, .read = read_reason, .shape = SHAPE_TEXT, .choices = read_reason_words,
     .help = "why it ended"},
    {"verified", FIELD_READ, .read = read_bool_or_null, .shape = SHAPE_BOOL_OR_NULL,
     .help = "true, false, or null when nothing verified it"},
    {"steps", FIELD_READ, .read = read_step_results, .shape = SHAPE_TEXT, .many = MANY_MAP, .choices = step_results,
     .help = "results of steps, by id"},
    {"data", FIELD_READ, .read = read_map, .shape = SHAPE_MAP, .help = "keys of data, each as a whole"},
    {"notes", FIELD_READ, .read = read_words, .shape = SHAPE_TEXT, .many = MANY_LIST,
     .help = "texts that must be among the notes"},
    {"reports", FIELD_READ, .read = read_reports, .shape = SHAPE_MAP, .many = MANY_LIST,
     .help = "maps, each of which must be part of a report"},
    {"messages", FIELD_READ, .read = read_reports, .shape = SHAPE_MAP, .many = MANY_LIST,
     .help = "maps, each of which must be part of a message to a channel"},
    {"incidents", FIELD_READ, .read = read_reports, .shape = SHAPE_MAP, .many = MANY_LIST,
     .help = "maps, each of which must be part of what was opened or resolved"},
    {"error", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT,
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
    {"name", FIELD_READ, .required = true, .read = read_text, .shape = SHAPE_TEXT, .help = "says what the case shows"},
    {"params", FIELD_READ, .read = read_map, .shape = SHAPE_MAP, .help = "as a person gives them"},
    {"alert", FIELD_READ, .read = read_map, .shape = SHAPE_MAP, .help = "the alert that the run is for"},
    {"incident", FIELD_READ, .read = read_map, .shape = SHAPE_MAP, .help = "the incident that the run is for"},
    {"now", FIELD_READ, .read = read_now, .shape = SHAPE_TEXT,
     .help = "when the run begins, such as 2026-11-21T22:42:23Z"},
    {"order", FIELD_READ, .read = read_order, .shape = SHAPE_TEXT, .choices = read_order_words,
     .help = "any: answers of a host may be asked for in any order; strict"},
    {"hosts", FIELD_READ, .read = read_hosts, .shape = SHAPE_FIELDS, .many = MANY_MAP_OF_LISTS, .fields = answer_fields,
     .help = "what hosts answer, in order, by name"},
    {"exec", FIELD_READ, .read = read_exec, .shape = SHAPE_FIELDS, .many = MANY_LIST, .fields = answer_fields,
     .help = "what programs of exec() answer, in order"},
    {"http", FIELD_READ, .read = read_http, .shape = SHAPE_FIELDS, .many = MANY_LIST, .fields = http_fields,
     .help = "what HTTP servers answer, in order"},
    {"secrets", FIELD_READ, .read = read_env, .shape = SHAPE_TEXT_MAP,
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

const struct field casefile_fields[] = {
    {"runbook", FIELD_READ, .read = read_text, .shape = SHAPE_TEXT,
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

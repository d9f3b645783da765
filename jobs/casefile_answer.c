/* casefile_answer: what a case says that hosts, programs of exec() and HTTP servers answer. */
#include "core/clock.h"
#include "core/wire.h"
#include "jobs/casefile_value.h"
#include "jobs/fields.h"
#include <string.h>

#define MAX_TIMES 100000

/* ---- single values ---- */

READER(read_bool)
{
    if (casefile_want(reader, key, value, value->kind == YAML_BOOL, "true or false"))
        json_object_set_new(target, key->text, json_boolean(value->boolean));
}

READER(read_code)
{
    if (casefile_want(reader, key, value, value->kind == YAML_INTEGER && value->integer >= 0 && value->integer <= 255,
                      "an exit code from 0 to 255"))
        json_object_set_new(target, key->text, json_integer(value->integer));
}

READER(read_times)
{
    if (casefile_want(reader, key, value,
                      value->kind == YAML_INTEGER && value->integer >= 1 && value->integer <= MAX_TIMES,
                      "a whole number from 1"))
        json_object_set_new(target, key->text, json_integer(value->integer));
}

READER(read_takes)
{
    int64_t ms;
    if (casefile_want(reader, key, value, casefile_is_scalar(value) && clock_duration_parse(value->text, &ms, NULL),
                      "a duration such as 30s or 10m"))
        json_object_set_new(target, "takes_ms", json_integer(ms));
}

/* true: root; a name: that user; false: as if it were not there. */
READER(read_sudo)
{
    if (!casefile_want(reader, key, value, casefile_is_scalar(value), "true or a user's name"))
        return;
    if (value->kind != YAML_BOOL)
        json_object_set_new(target, key->text, json_string(value->text));
    else if (value->boolean)
        json_object_set_new(target, key->text, json_string("root"));
}

CHOICE_READER(read_error_code, "dns", "connect", "host_key", "auth", "channel", "timeout", "lost", "file",
              "check_failed", "unsupported", "too_large", "internal", "unavailable", "invalid", "io", "not_allowed")
CHOICE_READER(read_shell, "sh", "bash")

/* ---- answers of hosts ---- */

const struct field casefile_answer_fields[] = {
    {"run", FIELD_READ, .read = casefile_words, .shape = SHAPE_TEXT, .many = MANY_LIST,
     .help = "the words of h:run or exec that this answers"},
    {"script", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "the text of h:script that this answers"},
    {"step", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "the shell step that this answers"},
    {"upload", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "the path of h:upload that this answers"},
    {"download", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "the path of h:download that this answers"},
    {"reachable", FIELD_READ, .read = read_bool, .shape = SHAPE_BOOL, .help = "the answer to h:reachable"},
    {"shell", FIELD_READ, .read = read_shell, .shape = SHAPE_TEXT, .choices = read_shell_words,
     .help = "the script's shell"},
    {"sudo", FIELD_READ, .read = read_sudo, .shape = SHAPE_TEXT, .help = "true, or the user that the command becomes"},
    {"stdin", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "what the command must get on standard input"},
    {"env", FIELD_READ, .read = casefile_text_map, .shape = SHAPE_TEXT_MAP,
     .help = "environment variables that it must get"},
    {"cwd", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "directory that it must run in"},
    {"pty", FIELD_READ, .read = read_bool, .shape = SHAPE_BOOL, .help = "it must run with a terminal"},
    {"mode", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "the mode that an upload must say"},
    {"content", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "bytes that are uploaded, or that a download gives"},
    {"sha256", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "hash of the bytes that are uploaded"},
    {"base64", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "bytes in base64 instead of content"},
    {"stdout", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "what it writes there"},
    {"stderr", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "what it writes there"},
    {"code", FIELD_READ, .read = read_code, .shape = SHAPE_INTEGER, .minimum = 0, .maximum = 255,
     .help = "exit code; 0"},
    {"signal", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "name of the signal that ended it"},
    {"error", FIELD_READ, .read = read_error_code, .shape = SHAPE_TEXT, .choices = read_error_code_words,
     .help = "code of the error that comes instead of an answer"},
    {"message", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "the error's text"},
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
    if (!field_read_map(reader, value, what, casefile_answer_fields, answer))
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

CASEFILE_READER(casefile_hosts)
{
    json_t *hosts = hosts_of(target);
    if (!casefile_want(reader, key, value, value->kind == YAML_MAP || value->kind == YAML_NULL,
                       "a map of hosts to lists"))
        return;
    for (size_t i = 0; i < value->count; i++) {
        const struct yaml_node *list = value->items[i];
        json_t *answers = json_array();
        json_object_set_new(hosts, value->keys[i]->text, answers);
        casefile_want(reader, value->keys[i], list, list->kind == YAML_LIST || list->kind == YAML_NULL,
                      "a list of answers");
        for (size_t k = 0; list->kind == YAML_LIST && k < list->count; k++)
            read_answer(reader, list->items[k], value->keys[i]->text, answers);
    }
}

/* ---- programs of exec(), HTTP ---- */

CASEFILE_READER(casefile_exec)
{
    json_t *answers = json_array();
    json_object_set_new(hosts_of(target), WIRE_LOCAL_HOST, answers);
    casefile_want(reader, key, value, value->kind == YAML_LIST, "a list of answers");
    for (size_t i = 0; value->kind == YAML_LIST && i < value->count; i++)
        read_answer(reader, value->items[i], "exec", answers);
}

READER(read_status)
{
    if (casefile_want(reader, key, value, value->kind == YAML_INTEGER && value->integer >= 100 && value->integer <= 599,
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
    casefile_text_map(reader, key, value, read);
    json_object_foreach (json_object_get(read, key->text), name, text) {
        g_autofree char *small = g_ascii_strdown(name, -1);
        json_object_set(lower, small, text);
    }
    json_object_set(target, key->text, lower);
}

CHOICE_READER(read_http_error, "unavailable", "timeout", "too_large", "invalid")

const struct field casefile_http_fields[] = {
    {"get", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "the URL of a GET request that this answers"},
    {"head", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "the URL of a HEAD request that this answers"},
    {"post", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "the URL of a POST request that this answers"},
    {"put", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "the URL of a PUT request that this answers"},
    {"patch", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "the URL of a PATCH request that this answers"},
    {"delete", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT,
     .help = "the URL of a DELETE request that this answers"},
    {"headers", FIELD_READ, .read = read_headers, .shape = SHAPE_TEXT_MAP,
     .help = "headers that the request must have"},
    {"json", FIELD_READ, .read = read_any, .shape = SHAPE_ANY, .help = "the JSON that its body must be"},
    {"body", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "the bytes that its body must be"},
    {"status", FIELD_READ, .read = read_status, .shape = SHAPE_INTEGER, .minimum = 100, .maximum = 599,
     .help = "status of the answer; 200"},
    {"answer_headers", FIELD_READ, .read = read_headers, .shape = SHAPE_TEXT_MAP, .help = "headers of the answer"},
    {"answer", FIELD_READ, .read = read_any, .shape = SHAPE_ANY,
     .help = "body of the answer: text, or a value that becomes JSON"},
    {"error", FIELD_READ, .read = read_http_error, .shape = SHAPE_TEXT, .choices = read_http_error_words,
     .help = "code of the error that comes instead of an answer"},
    {"message", FIELD_READ, .read = casefile_text, .shape = SHAPE_TEXT, .help = "the error's text"},
    {"takes", FIELD_READ, .read = read_takes, .shape = SHAPE_DURATION, .help = "time that passes until the answer"},
    {"times", FIELD_READ, .read = read_times, .shape = SHAPE_INTEGER, .minimum = 1, .maximum = MAX_TIMES,
     .help = "how often this answer is given; 1"},
    {NULL},
};

CASEFILE_READER(casefile_http)
{
    json_t *answers = json_array();
    json_object_set_new(hosts_of(target), WIRE_HTTP_HOST, answers);
    casefile_want(reader, key, value, value->kind == YAML_LIST, "a list of answers");
    for (size_t i = 0; value->kind == YAML_LIST && i < value->count; i++) {
        json_t *answer = json_object();
        size_t questions = 0;
        json_object_set_new(answer, "line", json_integer(value->items[i]->line));
        json_array_append_new(answers, answer);
        if (!field_read_map(reader, value->items[i], "an answer of 'http'", casefile_http_fields, answer))
            continue;
        for (const struct field *field = casefile_http_fields; strcmp(field->key, "headers") != 0; field++)
            questions += json_object_get(answer, field->key) != NULL;
        if (questions != 1)
            field_error(reader, "bad-value", value->items[i], NULL,
                        "an answer of 'http' needs one of get, head, post, put, patch or delete");
    }
}

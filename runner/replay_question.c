/* replay_question: what a command, a file or a request asks, and whether an answer is written for it. */
#include "core/crypto.h"
#include "core/yaml_write.h"
#include "runner/replay.h"
#include "runner/replay_private.h"

#include <string.h>

/* What a person would still write into a case. */
#define CONTENT_BYTES 4096

/* What is compared, in the order in which a diff shows it. */
static const char *const question_keys[] = {"run",   "script",  "step",   "upload",  "download", "reachable",
                                            "get",   "head",    "post",   "put",     "patch",    "delete",
                                            "shell", "sudo",    "stdin",  "env",     "cwd",      "pty",
                                            "mode",  "content", "sha256", "headers", "json",     "body"};
const char *const replay_http_methods[] = {"get", "head", "post", "put", "patch", "delete", NULL};

/* ---- questions ---- */

static void set_flag(json_t *object, const char *key, bool value)
{
    if (value)
        json_object_set_new(object, key, json_true());
}

json_t *replay_question(const char *step, const struct ssh_command *command)
{
    json_t *question = json_object();
    if (step) {
        json_set_string(question, "step", step);
        return question; /* its text, params and user follow from the runbook */
    }
    if (command->argv)
        json_object_set(question, "run", command->argv);
    else
        json_object_set_new(question, "script", json_text_value(command->script, command->script_length));
    if (command->shell && strcmp(command->shell, "bash") == 0)
        json_set_string(question, "shell", command->shell);
    if (command->sudo)
        json_set_string(question, "sudo", command->sudo);
    if (command->stdin_bytes)
        json_object_set_new(question, "stdin", json_text_value(command->stdin_bytes, command->stdin_length));
    if (json_object_size(command->env) > 0)
        json_object_set(question, "env", command->env);
    if (command->cwd)
        json_set_string(question, "cwd", command->cwd);
    set_flag(question, "pty", command->pty);
    return question;
}

static bool is_short_text(GBytes *bytes)
{
    gsize length;
    const char *text = g_bytes_get_data(bytes, &length);
    return length <= CONTENT_BYTES && (length == 0 || g_utf8_validate(text, (gssize)length, NULL));
}

json_t *replay_file_question(const struct ssh_transfer_request *request)
{
    json_t *question = json_object();
    json_object_set_new(question, request->content ? "upload" : "download",
                        json_text_value(request->path, strlen(request->path)));
    if (request->sudo)
        json_set_string(question, "sudo", request->sudo);
    if (!request->content)
        return question;
    if (request->mode >= 0)
        json_object_set_new(question, "mode", json_sprintf("%04o", (unsigned)request->mode));
    gsize length;
    const char *bytes = g_bytes_get_data(request->content, &length);
    if (is_short_text(request->content))
        json_object_set_new(question, "content", json_stringn(bytes ? bytes : "", length));
    g_autofree char *sum = crypto_sha256_hex(bytes, length);
    json_set_string(question, "sha256", sum);
    return question;
}

json_t *replay_http_question(const json_t *request)
{
    json_t *question = json_object(), *headers = json_object(), *value;
    g_autofree char *method = g_ascii_strdown(json_get_string(request, "method", "GET"), -1);
    const char *name;
    bool is_json = false;
    json_object_set(question, method, json_object_get(request, "url"));
    json_object_foreach (json_object_get(request, "headers"), name, value) {
        g_autofree char *lower = g_ascii_strdown(name, -1);
        json_object_set(headers, lower, value);
        is_json = is_json || (strcmp(lower, "content-type") == 0 && strstr(json_string_value(value), "json"));
    }
    json_object_set_new(question, "headers", headers);
    const json_t *body = json_object_get(request, "body");
    if (json_string_length(body) == 0)
        return question;
    json_t *parsed = is_json ? json_parse(json_string_value(body), json_string_length(body), "body", NULL) : NULL;
    if (parsed)
        json_object_set_new(question, "json", parsed);
    else
        json_object_set_new(question, "body", json_text_value(json_string_value(body), json_string_length(body)));
    return question;
}

/* The part of an answer that is a question. `reachable` asks only whether; a download's content comes back. */
json_t *replay_question_of(const json_t *answer)
{
    json_t *question = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(question_keys); i++) {
        json_t *value = json_object_get(answer, question_keys[i]);
        if (value && !json_is_false(value))
            json_object_set(question, question_keys[i], value);
    }
    if (json_object_get(answer, "reachable"))
        json_object_set_new(question, "reachable", json_string("?"));
    if (json_object_get(answer, "download"))
        json_object_del(question, "content");
    return question;
}

/* What is uploaded is written as text or as its hash; headers (which often hold secrets) only where a case cares. */
static bool is_left_out(const json_t *wanted, const char *key)
{
    if (strcmp(key, "headers") == 0)
        return !json_object_get(wanted, "headers");
    bool hash = json_object_get(wanted, "sha256") != NULL;
    return (hash && strcmp(key, "content") == 0) || (!hash && strcmp(key, "sha256") == 0);
}

/* Blank lines at the end of a script mean nothing; YAML's block texts have a newline there. */
static bool same_script(const json_t *a, const json_t *b)
{
    g_autofree char *left = g_strdup(json_string_value(a)), *right = g_strdup(json_string_value(b));
    return left && right && strcmp(g_strchomp(left), g_strchomp(right)) == 0;
}

bool replay_same_question(const json_t *a, const json_t *b)
{
    for (size_t i = 0; i < G_N_ELEMENTS(question_keys); i++) {
        const char *key = question_keys[i];
        const json_t *left = json_object_get(a, key), *right = json_object_get(b, key);
        bool same = (!left && !right) || is_left_out(a, key) || (left && right && json_equal(left, right)) ||
                    (strcmp(key, "script") == 0 && same_script(left, right));
        if (!same)
            return false;
    }
    return true;
}

void replay_leave_out(const json_t *wanted, json_t *question)
{
    for (size_t i = 0; i < G_N_ELEMENTS(question_keys); i++)
        if (is_left_out(wanted, question_keys[i]))
            json_object_del(question, question_keys[i]);
}

/* In the order of the keys, so that a diff compares like with like. */
char *replay_question_text(const json_t *question)
{
    g_autoptr(json_t) ordered = json_object();
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(question_keys); i++) {
        json_t *value = json_object_get(question, question_keys[i]);
        if (!value)
            continue;
        json_object_clear(ordered);
        json_object_set(ordered, question_keys[i], value);
        g_autofree char *line = yaml_write(ordered);
        g_string_append(text, line);
    }
    return g_string_free(text, FALSE);
}

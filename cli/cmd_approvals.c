/* hikeshi approvals: what waits for a person, and the person's answer. A decision carries the digest of what was shown.
 */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/input_prompt.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/errors.h"
#include <stdio.h>
#include <string.h>

static int list(struct cli_call *call)
{
    static const char *const headers[] = {"ID", "*STATE", "RUNBOOK", "STEP", "POLICY", "EXPIRES", "HOSTS", NULL};
    static const char *const paths[] = {"id", "state", "runbook", "step", "policy", "expires_at", "hosts", NULL};
    static const char *const filters[] = {"state", "run", NULL};
    if (cli_given(call, "state"))
        return client_print_list(call, "/approvals", filters, headers, paths, "no such requests");
    return client_print_list(call, "/approvals?state=waiting", filters, headers, paths, "nothing waits for approval");
}

static void print_step_text(const json_t *approval)
{
    const char *text = json_get_string(approval, "step_text", NULL);
    if (!text)
        return;
    g_autofree char *safe = terminal_clean(text, strlen(text), TERMINAL_PLAIN);
    g_auto(GStrv) lines = g_strsplit(safe, "\n", -1);
    printf("\nwhat would run:\n");
    for (size_t i = 0; lines[i]; i++) {
        if (*lines[i] || lines[i + 1])
            printf("  %s%s%s\n", terminal_style(stdout, STYLE_CYAN), lines[i], terminal_style(stdout, STYLE_RESET));
    }
    printf("\n");
}

static void print_shown(const json_t *approval)
{
    const char *path;
    json_t *value;
    json_object_foreach (json_object_get(approval, "shows"), path, value) {
        g_autofree char *name = terminal_clean_line(path);
        print_field(name, json_is_null(value) ? NULL : value);
        if (json_is_null(value))
            printf("%-14s (nothing)\n", name);
    }
}

/* [{"role":"admin"},{"team":"storage"}] → "role admin or team storage" */
static char *need_from_text(const json_t *from)
{
    GString *text = g_string_new(NULL);
    size_t index;
    json_t *group, *name;
    const char *kind;
    json_array_foreach (from, index, group) {
        json_object_foreach (group, kind, name) {
            g_autofree char *value = print_value_text(name);
            g_string_append_printf(text, "%s%s %s", text->len ? " or " : "", kind, value);
        }
    }
    return g_string_free(text, FALSE);
}

static void print_need(const json_t *approval)
{
    size_t index;
    json_t *need, *decision;
    json_array_foreach (json_object_get(approval, "need"), index, need) {
        g_autofree char *from = need_from_text(json_object_get(need, "from"));
        g_autofree char *safe = terminal_clean_line(from);
        printf("%-14s %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " given by %s\n", "needs",
               json_get_integer(need, "got", 0), json_get_integer(need, "count", 1), safe);
    }
    json_array_foreach (json_object_get(approval, "decisions"), index, decision) {
        g_autofree char *text = g_strdup_printf(
            "%s %s at %s via %s%s%s", json_get_string(decision, "by", "?"), json_get_string(decision, "verdict", "?"),
            json_get_string(decision, "at", "?"), json_get_string(decision, "via", "?"),
            json_get_string(decision, "reason", NULL) ? ": " : "", json_get_string(decision, "reason", ""));
        g_autofree char *safe = terminal_clean_line(text);
        printf("%-14s %s\n", "decision", safe);
    }
}

/* What the approver fills in, or what the first one has filled in. */
static void print_inputs(const json_t *approval)
{
    const json_t *values = json_object_get(approval, "inputs");
    size_t index;
    json_t *ask;
    json_array_foreach (json_object_get(approval, "asks"), index, ask) {
        const char *name = json_get_string(ask, "name", "?");
        const json_t *value = json_object_get(values, name), *choices = json_object_get(ask, "choices");
        g_autofree char *text = value ? print_value_text(value) : NULL;
        g_autofree char *list = json_is_array(choices) ? print_value_text(choices) : NULL;
        g_autofree char *description = terminal_clean_line(json_get_string(ask, "description", ""));
        if (value)
            printf("%-14s %s = %s\n", "input", name, text);
        else
            printf("%-14s %s, %s%s%s%s\n", "asks for", name, list ? "one of " : "",
                   list ? list : json_get_string(ask, "type", ""), *description ? ": " : "", description);
    }
}

static void print_approval(const json_t *approval)
{
    static const struct {
        const char *name, *key;
    } fields[] = {
        {"approval", "id"},           {"state", "state"},           {"run", "run"},
        {"incident", "incident"},     {"runbook", "runbook"},       {"step", "step"},
        {"title", "title"},           {"policy", "policy"},         {"asked at", "asked_at"},
        {"expires at", "expires_at"}, {"commit", "commit"},         {"params", "params"},
        {"hosts", "hosts"},           {"asked by", "requested_by"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        print_field(fields[i].name, json_object_get(approval, fields[i].key));
    print_shown(approval);
    print_inputs(approval);
    print_need(approval);
    print_step_text(approval);
    print_field("digest", json_object_get(approval, "digest"));
}

static int show(struct cli_call *call)
{
    return client_print_one(call, "/approvals/", print_approval);
}

/* Until everything has a value: what was given with -i is left as it is, and looked at by the server. */
static bool ask_inputs(const json_t *approval, json_t *inputs)
{
    const json_t *ask;
    char line[INPUT_PROMPT_LINE];
    bool filled = json_is_object(json_object_get(approval, "inputs"));
    while (!filled && (ask = input_prompt_next(json_object_get(approval, "asks"), inputs))) {
        input_prompt_print(ask, stdout);
        if (!fgets(line, sizeof line, stdin))
            return false;
        input_prompt_take(ask, g_strstrip(line), NULL, inputs, stdout);
    }
    return true;
}

/* Shows the request and asks; the digest of what was shown, or NULL with an error. Fills `inputs`. */
static char *ask_person(struct cli_call *call, struct client *client, const char *verb, json_t *inputs, GError **error)
{
    if (!terminal_is_tty(stdin) || !terminal_is_tty(stdout)) {
        errors_set(error, ERROR_USAGE,
                   "without a terminal give the digest of what you have seen: --digest v1:sha256:...");
        return NULL;
    }
    g_autofree char *path = client_path("/approvals/", cli_argument(call, 0), "");
    g_autoptr(json_t) approval = client_get(client, path, error);
    if (!approval)
        return NULL;
    print_approval(approval);
    printf("\n");
    bool asked = strcmp(verb, "approve") != 0 || ask_inputs(approval, inputs);
    printf("Type '%s' to %s: ", verb, verb);
    fflush(stdout);
    char answer[32] = "";
    if (!asked || !fgets(answer, sizeof answer, stdin) || strcmp(g_strstrip(answer), verb) != 0) {
        errors_set(error, ERROR_CANCELLED, "nothing was decided");
        return NULL;
    }
    return g_strdup(json_get_string(approval, "digest", ""));
}

static int decide(struct cli_call *call, const char *verdict)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(client_t) client = client_new(call, &error);
    if (!client)
        return cli_fail(call, &error);
    g_autoptr(json_t) inputs = cli_inputs(call, &error);
    if (!inputs)
        return cli_fail(call, &error);
    g_autofree char *digest = cli_given(call, "digest") ? g_strdup(cli_value(call, "digest"))
                                                        : ask_person(call, client, verdict, inputs, &error);
    if (!digest)
        return cli_fail(call, &error);
    g_autoptr(json_t) body = json_pack("{s:s, s:s}", "verdict", verdict, "digest", digest);
    if (json_object_size(inputs) > 0)
        json_object_set(body, "inputs", inputs);
    if (cli_given(call, "reason"))
        json_set_string(body, "reason", cli_value(call, "reason"));
    g_autofree char *path = client_path("/approvals/", cli_argument(call, 0), "/decisions");
    g_autoptr(json_t) answer = client_post(client, path, body, &error);
    if (!answer)
        return cli_fail(call, &error);
    if (cli_wants_json(call)) {
        print_json(answer);
    } else {
        g_autofree char *state = terminal_clean_line(json_get_string(answer, "state", "decided"));
        printf("%s %s%s%s\n", cli_argument(call, 0), terminal_style(stdout, terminal_state_style(state)), state,
               terminal_style(stdout, STYLE_RESET));
        print_inputs(answer);
        print_need(answer);
        if (json_object_size(json_object_get(answer, "inputs")) > 0 && strcmp(state, "waiting") == 0)
            print_field("digest", json_object_get(answer, "digest")); /* what the others approve */
    }
    return 0;
}

static int approve(struct cli_call *call)
{
    return decide(call, "approve");
}

static int deny(struct cli_call *call)
{
    return decide(call, "deny");
}

/* clang-format off */
#define OPTION_DECIDE \
    {.name = "digest", .value = "DIGEST", .help = "what you have seen ('approvals show' prints it); asked for on a terminal"}, \
    {.name = "reason", .value = "TEXT", .help = "kept with the decision"}
/* clang-format on */
static const struct cli_option list_options[] = {
    {.name = "state", .value = "STATE", .help = "waiting (default), approved, denied, expired, void, or all"},
    {.name = "run", .value = "ID", .help = "only requests of this run"},
    CLI_OPTION_COUNT,
    CLI_OPTION_END,
};
static const struct cli_option deny_options[] = {
    OPTION_DECIDE,
    CLI_OPTION_END,
};

static const struct cli_option approve_options[] = {
    CLI_OPTION_INPUT,
    OPTION_DECIDE,
    CLI_OPTION_END,
};

static const struct cli_subcommand subcommands[] = {
    {"list", "", "requests, newest first", list_options, list},
    {"show", "APPROVAL", "what would run, where, and who may decide", NULL, show},
    {"approve", "APPROVAL", "let the step run", approve_options, approve},
    {"deny", "APPROVAL", "end the run", deny_options, deny},
    {NULL, NULL, NULL, NULL, NULL},
};

static const struct cli_option options[] = {CLI_OPTION_JSON, CLI_OPTION_CLIENT, CLI_OPTION_END};

const struct cli_command cmd_approvals = {
    .name = "approvals",
    .summary = "list, show, approve and deny what waits for a person",
    .details = "A decision counts for exactly what was shown: it carries a digest of commit, step, params, hosts, data "
               "and policy.\n"
               "On a terminal approve and deny show the request and ask; elsewhere give --digest.",
    .options = options,
    .subcommands = subcommands,
};

/* hikeshi sources: who sends webhooks, what they sent, and why that did or did not start something. */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include <stdio.h>

static int list(struct cli_call *call)
{
    static const char *const headers[] = {"NAME", "KIND", "ENABLED", "DELIVERIES", "DEAD", "LAST", "URL", NULL};
    static const char *const paths[] = {"name", "kind", "enabled", "deliveries", "dead", "last_received_at",
                                        "url",  NULL};
    return client_print_list(call, "/sources", NULL, headers, paths, "no sources are configured");
}

static int deliveries(struct cli_call *call)
{
    static const char *const headers[] = {"ID", "STATE", "SOURCE", "RECEIVED", "EVENT", "INCIDENT", "NOTE", NULL};
    static const char *const paths[] = {"id", "state", "source", "received_at", "event", "incident", "note", NULL};
    static const char *const filters[] = {"source", "state", NULL};
    return client_print_list(call, "/deliveries", filters, headers, paths, "no deliveries");
}

/* One trigger that was looked at: its outcome, then each rule with what was wanted and what there was. */
static void print_trigger(const json_t *entry)
{
    g_autofree char *name =
        g_strdup_printf("%s %s (line %" JSON_INTEGER_FORMAT ")%s%s: %s%s%s", json_get_string(entry, "runbook", "?"),
                        json_get_string(entry, "trigger", "?"), json_get_integer(entry, "line", 0),
                        json_get_string(entry, "alert", NULL) ? " alert " : "", json_get_string(entry, "alert", ""),
                        json_get_string(entry, "outcome", "?"), json_get_string(entry, "message", NULL) ? ": " : "",
                        json_get_string(entry, "message", ""));
    g_autofree char *safe = terminal_clean_line(name);
    bool matched = json_get_bool(entry, "matched", false);
    printf("%s%s%s\n", terminal_style(stdout, matched ? STYLE_GREEN : STYLE_DIM), safe,
           terminal_style(stdout, STYLE_RESET));
    size_t index;
    json_t *rule;
    json_array_foreach (json_object_get(entry, "rules"), index, rule) {
        g_autofree char *wanted = print_value_text(json_object_get(rule, "wanted"));
        g_autofree char *got = terminal_clean_line(json_get_string(rule, "got", "(nothing)"));
        g_autofree char *key = terminal_clean_line(json_get_string(rule, "rule", "?"));
        bool ok = json_get_bool(rule, "ok", false);
        printf("  %s%s%s %s: wanted %s, got %s\n", terminal_style(stdout, ok ? STYLE_GREEN : STYLE_RED),
               ok ? "yes" : "no ", terminal_style(stdout, STYLE_RESET), key, wanted, got);
    }
    print_field("  run", json_path(entry, "run"));
}

static void print_explanation(const json_t *answer)
{
    static const char *const fields[] = {"id", "source", "state", "event", "received_at", "incident", "change", "note"};
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        print_field(fields[i], json_object_get(answer, fields[i]));
    size_t index;
    json_t *entry;
    printf("\n");
    json_array_foreach (json_object_get(answer, "rules"), index, entry)
        print_trigger(entry);
    if (json_array_size(json_object_get(answer, "rules")) == 0)
        printf("no trigger was looked at\n");
    print_field("left out", json_object_get(answer, "omitted"));
}

static int answer_of(struct cli_call *call, bool post, const char *suffix, void (*print)(const json_t *answer))
{
    g_autoptr(GError) error = NULL;
    g_autoptr(client_t) client = client_new(call, &error);
    g_autofree char *path = client_path("/deliveries/", cli_argument(call, 0), suffix);
    g_autoptr(json_t) answer = !client ? NULL
                               : post  ? client_post(client, path, NULL, &error)
                                       : client_get(client, path, &error);
    if (!answer)
        return cli_fail(call, &error);
    if (cli_wants_json(call))
        print_json(answer);
    else
        print(answer);
    return 0;
}

static int explain(struct cli_call *call)
{
    return answer_of(call, false, "/explain", print_explanation);
}

static void print_replayed(const json_t *answer)
{
    print_field("delivery", json_object_get(answer, "id"));
    print_field("state", json_object_get(answer, "state"));
}

static int replay(struct cli_call *call)
{
    return answer_of(call, true, "/replay", print_replayed);
}

static const struct cli_option delivery_options[] = {
    {.name = "source", .value = "NAME", .help = "only deliveries of this source"},
    {.name = "state", .value = "STATE", .help = "only deliveries in this state"},
    CLI_OPTION_COUNT,
    CLI_OPTION_END,
};

static const struct cli_subcommand subcommands[] = {
    {"list", "", "configured senders", NULL, list},
    {"deliveries", "", "webhook requests as received, newest first", delivery_options, deliveries},
    {"explain", "DELIVERY", "why it did or did not start a run, rule by rule", NULL, explain},
    {"replay", "DELIVERY", "work on it again, as if it had just come", NULL, replay},
    {NULL, NULL, NULL, NULL, NULL},
};

static const struct cli_option options[] = {CLI_OPTION_JSON, CLI_OPTION_CLIENT, CLI_OPTION_END};

const struct cli_command cmd_sources = {
    .name = "sources",
    .summary = "list senders and deliveries, explain and replay them",
    .options = options,
    .subcommands = subcommands,
};

/* hikeshi schedules: those in service, and when an expression fires (without a server). */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/print.h"
#include "core/clock.h"
#include "core/errors.h"
#include "jobs/cron.h"
#include <stdio.h>

static int list(struct cli_call *call)
{
    static const char *const headers[] = {"SCHEDULE", "RUNBOOK", "CRON", "ZONE", "LAST", "NEXT", NULL};
    static const char *const paths[] = {"id", "runbook", "cron", "timezone", "last.slot", "next", NULL};
    return client_print_list(call, "/schedules", NULL, headers, paths, "no schedules");
}

static json_t *next_times(const struct cron *cron, GTimeZone *zone, int64_t from_ms, gint64 count)
{
    json_t *times = json_array();
    for (gint64 i = 0; i < count && (from_ms = cron_next(cron, zone, from_ms)) >= 0; i++) {
        g_autofree char *text = clock_format(from_ms);
        json_array_append_new(times, json_string(text));
    }
    return times;
}

static int next(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    gint64 count = 5;
    int64_t from_ms = clock_now_ms();
    if (!cli_given(call, "cron"))
        return client_usage(call, "give an expression: --cron '0 9 * * MON-FRI'");
    g_autoptr(cron_t) cron = cron_parse(cli_value(call, "cron"), &error);
    g_autoptr(GTimeZone) zone = cron ? cron_zone(cli_value(call, "timezone"), &error) : NULL;
    if (!zone || !cli_integer(call, "count", 1, 1000, &count, &error) ||
        (cli_given(call, "from") && !clock_parse(cli_value(call, "from"), &from_ms, &error))) {
        cli_fail(call, &error);
        return errors_exit_status(ERROR_USAGE);
    }
    g_autoptr(json_t) times = next_times(cron, zone, from_ms, count);
    if (cli_wants_json(call)) {
        g_autoptr(json_t) answer = json_pack("{s:O}", "next", times);
        print_json(answer);
        return 0;
    }
    size_t index;
    json_t *time;
    json_array_foreach (times, index, time)
        printf("%s\n", json_string_value(time));
    if (json_array_size(times) == 0)
        printf("never\n");
    return 0;
}

static const struct cli_option next_options[] = {
    {.name = "cron", .value = "EXPR", .help = "five fields, or @hourly and the like; required"},
    {.name = "timezone", .value = "TZ", .help = "a name such as Asia/Tokyo (default: UTC)"},
    {.name = "from", .value = "TIME", .help = "RFC 3339; the first fire is after it (default: now)"},
    {.name = "count", .letter = 'n', .value = "N", .help = "how many (default: 5)"},
    CLI_OPTION_END,
};

static const struct cli_subcommand subcommands[] = {
    {"list", "", "schedules of the runbooks in service", NULL, list},
    {"next", "", "when an expression fires; asks no server", next_options, next},
    {NULL, NULL, NULL, NULL, NULL},
};

static const struct cli_option options[] = {CLI_OPTION_JSON, CLI_OPTION_CLIENT, CLI_OPTION_END};

const struct cli_command cmd_schedules = {
    .name = "schedules",
    .summary = "list schedules, preview cron expressions",
    .options = options,
    .subcommands = subcommands,
};

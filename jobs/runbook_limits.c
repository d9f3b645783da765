/* runbook_limits: the `limits` of a runbook. Who enforces them is jobs/ (starting) and the runner (time, hosts). */
#include "core/clock.h"
#include "core/limits.h"
#include "jobs/runbook_parse.h"
#include <string.h>

#define DAY_MS (24 * 60 * 60 * 1000LL)

static void read_per(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                     void *target)
{
    static const struct field row = {"per", FIELD_STRINGS, .offset = offsetof(struct limits, per)};
    static const char *const roots[] = {"params", "incident", "alert", NULL};
    if (!field_read_value(reader, &row, key, value, target))
        return;
    for (char **path = ((struct limits *)target)->per; *path; path++) {
        if (!parser_check_path(reader, value, *path, roots))
            continue;
        if (g_str_has_prefix(*path, "params."))
            parser_refer(parser_of(reader), REFERENCE_PARAM, *path + strlen("params."), value);
    }
}

/* "10/1h" */
static void read_max_runs(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                          const struct yaml_node *value, void *target)
{
    struct limits *limits = target;
    g_auto(GStrv) parts = g_strsplit(value->kind == YAML_STRING ? value->text : "", "/", 2);
    gint64 runs;
    int64_t window_ms;
    if (g_strv_length(parts) == 2 && g_ascii_string_to_signed(parts[0], 10, 1, 1000000, &runs, NULL) &&
        clock_duration_parse(parts[1], &window_ms, NULL) && window_ms > 0) {
        limits->max_runs = runs;
        limits->max_runs_window_ms = window_ms;
        return;
    }
    field_error(reader, "bad-value", value, NULL, "'max_runs' must be a count and a time, such as 10/1h");
}

static void read_lock(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                      void *target)
{
    static const struct field row = {"lock", FIELD_STRING, .offset = offsetof(struct limits, lock)};
    if (field_read_value(reader, &row, key, value, target) && !field_is_name(value->text, true))
        field_error(reader, "bad-value", value, NULL, "the lock's name '%s' must be of small letters, digits, _ and -",
                    value->text);
}

static const char *const overflows[] = {"drop", "queue", "replace", NULL};

static void read_overflow(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                          void *target)
{
    static const struct field row = {"overflow", FIELD_STRING, .offset = offsetof(struct limits, overflow),
                                     .choices = overflows};
    field_read_value(reader, &row, key, value, target);
}

const struct field runbook_limit_fields[] = {
    {"timeout", FIELD_DURATION, .offset = offsetof(struct limits, timeout_ms), .minimum = 1, .maximum = 7 * DAY_MS,
     .help = "running time of a run; waiting does not count; 30m"},
    {"concurrency", FIELD_INTEGER, .offset = offsetof(struct limits, concurrency), .minimum = 1, .maximum = 10000,
     .help = "runs at a time, for each value of per"},
    {"per", FIELD_READ, .read = read_per, .shape = SHAPE_TEXTS,
     .help = "paths whose values are counted apart: params.NAME, incident.NAME, alert.NAME"},
    {"overflow", FIELD_READ, .read = read_overflow, .shape = SHAPE_TEXT, .choices = overflows,
     .help = "what becomes of a run too many; queue"},
    {"cooldown", FIELD_DURATION, .offset = offsetof(struct limits, cooldown_ms), .minimum = 0, .maximum = 366 * DAY_MS,
     .help = "least time since the last run began"},
    {"max_runs", FIELD_READ, .read = read_max_runs, .shape = SHAPE_TEXT, .help = "runs in a time, such as 10/1h"},
    {"max_hosts", FIELD_INTEGER, .offset = offsetof(struct limits, max_hosts), .minimum = 1, .maximum = 100000,
     .help = "hosts that one run may touch; 50"},
    {"max_percent", FIELD_INTEGER, .offset = offsetof(struct limits, max_percent), .minimum = 1, .maximum = 100,
     .help = "of the hosts that the runbook may touch"},
    {"lock", FIELD_READ, .read = read_lock, .shape = SHAPE_TEXT,
     .help = "name of a lock that runs of several runbooks share"},
    {"breaker", FIELD_INTEGER, .offset = offsetof(struct limits, breaker), .minimum = 1, .maximum = 1000,
     .help = "after so many failed or not verified runs in a row nothing starts by itself"},
    {NULL},
};

void runbook_read_limits(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                         const struct yaml_node *value, void *target)
{
    struct limits *limits = &((struct runbook *)target)->limits;
    if (!field_read_map(reader, value, "limits", runbook_limit_fields, limits))
        return;
    const struct yaml_node *overflow = yaml_get(value, "overflow");
    bool replace = overflow && strcmp(limits->overflow, "replace") == 0;
    if (replace && limits->concurrency <= 0)
        field_error(reader, "bad-value", overflow, "add 'concurrency: 1'",
                    "'overflow: replace' needs 'concurrency': which runs would be too many");
    else if (overflow && limits->concurrency <= 0 && !limits->lock)
        field_error(reader, "bad-value", overflow, "add 'concurrency: 1'",
                    "'overflow' needs 'concurrency' or 'lock': no run is ever too many");
}

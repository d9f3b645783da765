/* runbook_steps: a fence's attributes into a step. What the steps say about each other is runbook_check.c. */
#include "core/limits.h"
#include "jobs/runbook_parse.h"
#include <string.h>

#define DAY_MS         (24 * 60 * 60 * 1000LL)
#define MAX_HOSTS_SAID 1000000

const char *const step_language_names[] = {
    [STEP_LUA] = "lua", [STEP_SH] = "sh", [STEP_BASH] = "bash", [STEP_ARGV] = "argv", NULL};

void step_free(struct step *step)
{
    g_free(step->id);
    g_free(step->title);
    g_free(step->text);
    g_free(step->when);
    g_free(step->on_error_step);
    g_free(step->approve);
    g_strfreev(step->asks);
    g_strfreev(step->shows);
    g_free(step->hosts);
    g_strfreev(step->host_names);
    g_strfreev(step->argv);
    g_free(step->sudo);
    g_strfreev(step->waves);
    g_free(step);
}

static void read_id(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                    void *target)
{
    static const struct field row = {"step", FIELD_STRING, .offset = offsetof(struct step, id)};
    struct step *step = target;
    if (!field_read_value(reader, &row, key, value, step))
        return;
    if (!field_is_name(step->id, true))
        field_error(reader, "bad-value", value, NULL,
                    "the step's id '%s' must be of small letters, digits, _ and -, a letter first", step->id);
    else if (runbook_step(parser_of(reader)->runbook, step->id))
        field_error(reader, "duplicate", value, NULL, "there is a step '%s' already", step->id);
}

static const char *const effects[] = {"read", "write", NULL};

static void read_effect(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                        void *target)
{
    static const struct field row = {"effect", FIELD_STRING, .choices = effects};
    char *word = NULL;
    if (field_read_value(reader, &row, key, value, &word))
        ((struct step *)target)->effect_read = strcmp(word, "read") == 0;
    g_free(word);
}

static const char *const cancels[] = {"after", NULL};

static void read_cancel(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                        void *target)
{
    static const struct field row = {"cancel", FIELD_STRING, .choices = cancels};
    char *word = NULL;
    ((struct step *)target)->cancel_after = field_read_value(reader, &row, key, value, &word);
    g_free(word);
}

/* stop, continue, or the id of a handler. */
static void read_on_error(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                          void *target)
{
    static const struct field row = {"on_error", FIELD_STRING, .offset = offsetof(struct step, on_error_step)};
    struct step *step = target;
    if (!field_read_value(reader, &row, key, value, step))
        return;
    if (strcmp(step->on_error_step, "stop") == 0) {
        g_clear_pointer(&step->on_error_step, g_free);
    } else if (strcmp(step->on_error_step, "continue") == 0) {
        step->on_error = ON_ERROR_CONTINUE;
        g_clear_pointer(&step->on_error_step, g_free);
    } else {
        step->on_error = ON_ERROR_HANDLER;
        parser_refer(parser_of(reader), REFERENCE_HANDLER, step->on_error_step, value);
    }
}

static void read_asks(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                      void *target)
{
    static const struct field row = {"asks", FIELD_STRINGS, .offset = offsetof(struct step, asks)};
    if (!field_read_value(reader, &row, key, value, target))
        return;
    char **asks = ((struct step *)target)->asks;
    for (guint i = 0; asks[i]; i++) {
        parser_refer(parser_of(reader), REFERENCE_INPUT, asks[i], value);
        for (guint k = 0; k < i; k++)
            if (strcmp(asks[k], asks[i]) == 0)
                field_error(reader, "duplicate", value, NULL, "the input '%s' is asked for twice", asks[i]);
    }
}

static void read_shows(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                       void *target)
{
    static const struct field row = {"shows", FIELD_STRINGS, .offset = offsetof(struct step, shows)};
    static const char *const roots[] = {"data", "params", "incident", "alert", "steps", NULL};
    if (!field_read_value(reader, &row, key, value, target))
        return;
    for (char **path = ((struct step *)target)->shows; *path; path++) {
        if (parser_check_path(reader, value, *path, roots) && g_str_has_prefix(*path, "params."))
            parser_refer(parser_of(reader), REFERENCE_PARAM, *path + strlen("params."), value);
    }
}

static void read_hosts(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                       void *target)
{
    parser_read_filter(reader, key, value, &((struct step *)target)->hosts);
}

/* true, false, or the user to become. */
static void read_sudo(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                      void *target)
{
    static const struct field row = {"sudo", FIELD_STRING, .offset = offsetof(struct step, sudo)};
    struct step *step = target;
    if (value->kind == YAML_BOOL) {
        g_free(step->sudo);
        step->sudo = value->boolean ? g_strdup("true") : NULL;
    } else if (field_read_value(reader, &row, key, value, step) &&
               (strpbrk(step->sudo, " \t\n'\"\\$;|&") || *step->sudo == '-')) {
        field_error(reader, "bad-value", value, NULL, "'sudo' must be true or a user's name");
    }
}

static bool is_wave(const char *text)
{
    gint64 number;
    g_autofree char *digits = g_strndup(text, strlen(text) - g_str_has_suffix(text, "%"));
    bool percent = strlen(digits) < strlen(text);
    return g_ascii_string_to_signed(digits, 10, 1, percent ? 100 : MAX_HOSTS_SAID, &number, NULL);
}

/* [1, 5, 25%], or the same as one text between quotes. */
static void read_waves(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                       void *target)
{
    static const struct field row = {"waves", FIELD_STRINGS, .offset = offsetof(struct step, waves)};
    struct step *step = target;
    if (!field_read_value(reader, &row, key, value, step))
        return;
    g_autofree char *all = g_strjoinv(",", step->waves);
    g_strfreev(step->waves);
    step->waves = g_strsplit(all, ",", -1);
    bool fine = *step->waves != NULL;
    for (char **wave = step->waves; *wave; wave++)
        fine = is_wave(g_strstrip(*wave)) && fine;
    if (!fine)
        field_error(reader, "bad-value", value, NULL,
                    "'waves' must be a list of numbers of hosts, or of percents: [1, 5, 25%%]");
}

const struct field runbook_step_fields[] = {
    {"step", FIELD_READ, .read = read_id, .shape = SHAPE_TEXT, .help = "the step's id"},
    {"timeout", FIELD_DURATION, .offset = offsetof(struct step, timeout_ms), .minimum = 1, .maximum = 7 * DAY_MS,
     .help = "of one attempt; 5m"},
    {"attempts", FIELD_INTEGER, .offset = offsetof(struct step, attempts), .minimum = 1, .maximum = 100,
     .help = "how often in all; needs effect: read, idempotent or verify; 1"},
    {"retry_delay", FIELD_DURATION, .offset = offsetof(struct step, retry_delay_ms), .minimum = 0, .maximum = DAY_MS,
     .help = "between attempts; 0s"},
    {"when", FIELD_STRING, .offset = offsetof(struct step, when),
     .help = "Lua expression: the step is skipped when it is false or nil"},
    {"effect", FIELD_READ, .read = read_effect, .shape = SHAPE_TEXT, .choices = effects,
     .help = "read: the step changes nothing; write"},
    {"approve", FIELD_STRING, .offset = offsetof(struct step, approve),
     .help = "a policy of hikeshi/teams.yaml: the step waits for people"},
    {"asks", FIELD_READ, .read = read_asks, .shape = SHAPE_TEXTS, .help = "inputs that the approver fills in"},
    {"shows", FIELD_READ, .read = read_shows, .shape = SHAPE_TEXTS,
     .help = "paths of values that the approver sees: data.used, params.host"},
    {"hosts", FIELD_READ, .read = read_hosts, .shape = SHAPE_TEXT,
     .help = "host filter or $params.NAME: the step may touch no other host; shell steps run there"},
    {"on_error", FIELD_READ, .read = read_on_error, .shape = SHAPE_TEXT,
     .help = "stop, continue, or the id of a handler below; stop"},
    {"handler", FIELD_BOOL, .offset = offsetof(struct step, handler), .help = "runs only when on_error names it"},
    {"always", FIELD_BOOL, .offset = offsetof(struct step, always), .help = "runs also after failure and cancel"},
    {"verify", FIELD_BOOL, .offset = offsetof(struct step, verify), .help = "decides whether the run is verified"},
    {"idempotent", FIELD_BOOL, .offset = offsetof(struct step, idempotent), .help = "it may run twice"},
    {"wait", FIELD_DURATION, .offset = offsetof(struct step, wait_ms), .minimum = 0, .maximum = 30 * DAY_MS,
     .help = "a delay before the step that survives restarts"},
    {"cancel", FIELD_READ, .read = read_cancel, .shape = SHAPE_TEXT, .choices = cancels,
     .help = "after: a cancel waits for the step's end"},
    {"sudo", FIELD_READ, .read = read_sudo, .shape = SHAPE_TEXT, .help = "shell steps: true, or the user to become"},
    {"at_once", FIELD_INTEGER, .offset = offsetof(struct step, at_once), .minimum = 1, .maximum = 1000,
     .help = "shell steps: hosts at a time; 10"},
    {"canary", FIELD_INTEGER, .offset = offsetof(struct step, canary), .minimum = 1, .maximum = MAX_HOSTS_SAID,
     .help = "shell steps: so many hosts first; the others only when all of these are fine"},
    {"waves", FIELD_READ, .read = read_waves, .shape = SHAPE_TEXTS,
     .help = "shell steps: sizes of waves, such as [1, 5, 25%]"},
    {"stop_after", FIELD_INTEGER, .offset = offsetof(struct step, stop_after), .minimum = 1, .maximum = MAX_HOSTS_SAID,
     .help = "shell steps: failures after which no more hosts start; 1"},
    {"max_percent", FIELD_INTEGER, .offset = offsetof(struct step, max_percent), .minimum = 1, .maximum = 100,
     .help = "shell steps: the same in percent of the hosts"},
    {NULL},
};

/* Attributes that only mean something beside, or only for, others. */
static void check_combinations(const struct field_reader *reader, const struct step *step, const struct yaml_node *map)
{
    static const struct {
        const char *key, *needs, *why;
    } pairs[] = {
        {"retry_delay", "attempts", "without 'attempts' nothing is tried again"},
        {"asks", "approve", "only an approver fills in inputs"},
        {"shows", "approve", "only an approval request shows values"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        const struct yaml_node *value = yaml_get(map, pairs[i].key);
        if (value && !yaml_get(map, pairs[i].needs))
            field_error(reader, "attributes", value, NULL, "'%s' needs '%s': %s", pairs[i].key, pairs[i].needs,
                        pairs[i].why);
    }
    if (step->attempts > 1 && !step->idempotent)
        field_error(reader, "attributes", yaml_get(map, "attempts"),
                    "add 'effect: read', 'idempotent: true' or 'verify: true' if that is so",
                    "'attempts' needs a step that may safely run twice");
    if (step->handler && step->always)
        field_error(reader, "attributes", yaml_get(map, "handler"), NULL, "a step is 'handler' or 'always', not both");
    if (step->language != STEP_LUA && !step->hosts)
        field_error(reader, "attributes", map, NULL, "a shell step needs 'hosts': where it runs");
    if (step->canary > 0 && step->waves)
        field_error(reader, "attributes", yaml_get(map, "canary"), NULL,
                    "give 'canary' or 'waves', not both: a canary is a first wave in which nothing may fail");
    static const char *const shell_only[] = {"sudo", "at_once", "canary", "waves", "stop_after", "max_percent"};
    for (size_t i = 0; step->language == STEP_LUA && i < G_N_ELEMENTS(shell_only); i++) {
        const struct yaml_node *value = yaml_get(map, shell_only[i]);
        if (value)
            field_error(reader, "attributes", value, NULL,
                        "'%s' is for shell steps; in Lua it is an option of the call", shell_only[i]);
    }
}

void runbook_read_step(struct parser *parser, const struct fence *fence, const struct markdown_fence *block,
                       const char *title)
{
    struct step *step = g_new0(struct step, 1);
    const struct yaml_node *map = fence_attributes(fence);
    step->text = g_strdup(block->text);
    step->line = block->line + 1;
    step->timeout_ms = DEFAULT_STEP_TIMEOUT_MS;
    step->attempts = 1;
    step->at_once = DEFAULT_AT_ONCE;
    for (int i = 0; step_language_names[i]; i++) {
        if (strcmp(step_language_names[i], fence_language(fence)) == 0)
            step->language = (enum step_language)i;
    }
    const struct yaml_node *id = yaml_get(map, "step");
    g_autofree char *what = g_strdup_printf("step '%s'", id ? id->text : "?");
    bool fine = field_read_map(&parser->reader, map, what, runbook_step_fields, step);
    /* A check that the cure worked may be made again; whoever says `effect` or `idempotent` decides that alone. */
    bool may_repeat = step->verify && !yaml_get(map, "effect") && !yaml_get(map, "idempotent");
    step->idempotent = step->idempotent || step->effect_read || may_repeat;
    step->title = g_strdup(title ? title : step->id ? step->id : "");
    if (fine)
        check_combinations(&parser->reader, step, map);
    if (step->id)
        g_ptr_array_add(parser->runbook->steps, step);
    else
        step_free(step);
}

/* runbook_triggers: declarations of triggers: one table of keys a kind. Whether one matches is trigger.c. */
#include "core/regex.h"
#include "jobs/cron.h"
#include "jobs/policy.h"
#include "jobs/runbook_parse.h"
#include "jobs/window.h"
#include <string.h>

#define DAY_MS (24 * 60 * 60 * 1000LL)

const char *const trigger_kind_names[] = {
    [TRIGGER_INCIDENT] = "incident",
    [TRIGGER_SCHEDULE] = "schedule",
    [TRIGGER_LINK] = "link",
    [TRIGGER_MANUAL] = "manual",
    NULL,
};

void trigger_free(struct trigger *trigger)
{
    g_free(trigger->id);
    json_decref(trigger->match);
    g_free(trigger->hours);
    g_free(trigger->cron);
    g_free(trigger->timezone);
    g_free(trigger->catch_up);
    json_decref(trigger->params);
    json_decref(trigger->blackout);
    json_decref(trigger->allow);
    g_free(trigger);
}

/* What an incident trigger can ask about; "labels.NAME" besides. */
static const char *const match_keys[] = {"alert", "source", "severity", "service", "team", "status", "title", NULL};

/* One wanted value: text, "!text", "~regex". */
static void check_match_value(const struct field_reader *reader, const struct yaml_node *value)
{
    if (value->kind == YAML_LIST || value->kind == YAML_MAP || value->kind == YAML_NULL) {
        field_error(reader, "bad-value", value, NULL, "a match value must be text, not %s",
                    yaml_kind_name(value->kind));
        return;
    }
    const char *pattern = value->text[0] == '~'                 ? value->text + 1
                          : g_str_has_prefix(value->text, "!~") ? value->text + 2
                                                                : NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GRegex) regex = pattern ? regex_new(pattern, false, &error) : NULL;
    if (error)
        field_error(reader, "bad-value", value, NULL, "%s", error->message);
}

static void check_match_key(const struct field_reader *reader, const struct yaml_node *key)
{
    if (g_strv_contains(match_keys, key->text) || (g_str_has_prefix(key->text, "labels.") && key->text[7]))
        return;
    const char *nearest = finding_nearest(key->text, match_keys);
    g_autofree char *suggestion =
        nearest ? g_strdup(nearest) : g_strdup_printf("a label is written labels.%s", key->text);
    field_error(reader, "unknown-key", key, suggestion, "unknown key '%s' in match", key->text);
}

static void read_match(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                       const struct yaml_node *value, void *target)
{
    if (value->kind != YAML_MAP || value->count == 0) {
        field_error(reader, "bad-value", value, NULL,
                    "'match' must be a map such as {alert: NodeDiskFull, labels.env: prod}");
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        const struct yaml_node *wanted = value->items[i];
        check_match_key(reader, value->keys[i]);
        if (wanted->kind != YAML_LIST) {
            check_match_value(reader, wanted);
            continue;
        }
        for (size_t k = 0; k < wanted->count; k++) {
            check_match_value(reader, wanted->items[k]);
            if (wanted->count > 1 && wanted->items[k]->text && wanted->items[k]->text[0] == '!')
                field_error(reader, "bad-value", wanted->items[k], NULL,
                            "in a list any one value is enough: '%s' beside others lets nearly everything match",
                            wanted->items[k]->text);
        }
        if (wanted->count == 0)
            field_error(reader, "bad-value", wanted, NULL, "an empty list matches nothing");
    }
    ((struct trigger *)target)->match = yaml_to_json(value);
}

struct blackout {
    struct window_text window;
};

/* A key with two words, one of which sets a bool. */
static void read_word(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                      const char *const *choices, const char *when_true, bool *ret)
{
    char *word = NULL;
    struct field row = {key->text, FIELD_STRING, .choices = choices};
    if (field_read_value(reader, &row, key, value, &word))
        *ret = strcmp(word, when_true) == 0;
    g_free(word);
}

static const char *const for_each_words[] = {"incident", "alert", NULL};

static void read_for_each(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                          void *target)
{
    read_word(reader, key, value, for_each_words, "alert", &((struct trigger *)target)->for_each_alert);
}

static const char *const start_words[] = {"auto", "suggest", NULL};

static void read_start(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                       void *target)
{
    read_word(reader, key, value, start_words, "suggest", &((struct trigger *)target)->suggest);
}

static const char *const on_resolve_words[] = {"continue", "cancel", NULL};

static void read_on_resolve(const struct field_reader *reader, const struct yaml_node *key,
                            const struct yaml_node *value, void *target)
{
    read_word(reader, key, value, on_resolve_words, "cancel", &((struct trigger *)target)->cancel_on_resolve);
}

static const char *const resolve_words[] = {"verified", NULL};

static void read_resolve(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                         void *target)
{
    read_word(reader, key, value, resolve_words, "verified", &((struct trigger *)target)->resolve_verified);
}

static void read_cron(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                      void *target)
{
    static const struct field row = {"cron", FIELD_STRING, .offset = offsetof(struct trigger, cron)};
    if (!field_read_value(reader, &row, key, value, target))
        return;
    g_autoptr(GError) error = NULL;
    g_autoptr(cron_t) cron = cron_parse(value->text, &error);
    if (!cron)
        field_error(reader, "cron", value, NULL, "%s", error->message);
}

static void read_timezone(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                          void *target)
{
    static const struct field row = {"timezone", FIELD_STRING, .offset = offsetof(struct trigger, timezone)};
    if (!field_read_value(reader, &row, key, value, target))
        return;
    g_autoptr(GError) error = NULL;
    GTimeZone *zone = cron_zone(value->text, &error);
    if (zone)
        g_time_zone_unref(zone);
    else
        field_error(reader, "cron", value, NULL, "%s", error->message);
}

static const struct field blackout_fields[] = {WINDOW_FIELDS(struct blackout, window), {NULL}};

static void read_blackout(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                          const struct yaml_node *value, void *target)
{
    struct trigger *trigger = target;
    json_decref(trigger->blackout);
    trigger->blackout = json_array();
    if (value->kind != YAML_LIST)
        field_error(reader, "bad-value", value, NULL, "'blackout' must be a list such as [{days: SAT-SUN}]");
    for (size_t i = 0; value->kind == YAML_LIST && i < value->count; i++) {
        struct blackout blackout = {0};
        json_t *window = field_read_map(reader, value->items[i], "a blackout", blackout_fields, &blackout)
                             ? window_make(reader, value->items[i], &blackout.window, true)
                             : NULL;
        if (window)
            json_array_append_new(trigger->blackout, window);
        window_text_clear(&blackout.window);
    }
}

static void read_allow(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                       const struct yaml_node *value, void *target)
{
    struct trigger *trigger = target;
    size_t index;
    json_t *principal;
    json_decref(trigger->allow);
    trigger->allow = policy_read_principals(reader, value, "allow");
    json_array_foreach (trigger->allow, index, principal)
        if (g_strcmp0(json_get_string(principal, "role", NULL), "viewer") == 0)
            field_error(reader, "bad-value", value, "write {role: operator}", "viewers may start nothing");
}

static void refuse_allow(const struct field_reader *reader, const struct yaml_node *key,
                         const struct yaml_node *value G_GNUC_UNUSED, void *target G_GNUC_UNUSED)
{
    field_error(reader, "bad-value", key, "give it to a trigger of kind manual",
                "a schedule starts by itself: nobody is asked whether they may");
}

static void read_params(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                        const struct yaml_node *value, void *target)
{
    struct trigger *trigger = target;
    if (value->kind != YAML_MAP && value->kind != YAML_NULL) {
        field_error(reader, "bad-value", value, NULL, "'params' must be a map: name: value");
        return;
    }
    for (size_t i = 0; i < value->count; i++)
        parser_refer(parser_of(reader), REFERENCE_PARAM, value->keys[i]->text, value->keys[i]);
    json_decref(trigger->params);
    trigger->params = value->kind == YAML_MAP ? yaml_to_json(value) : json_object();
}

/* clang-format off */
#define COMMON \
    {"kind", .kind = FIELD_IGNORE, .help = "what starts it"}, \
    {"id", FIELD_STRING, .offset = offsetof(struct trigger, id), .help = "its name; kind and number without one"}
#define ALLOW \
    {"allow", FIELD_READ, .read = read_allow, .shape = SHAPE_MAP, .many = MANY_LIST, .help = "who may start it by hand"}
/* clang-format on */

static const struct field incident_fields[] = {
    COMMON,
    ALLOW,
    {"match", FIELD_READ, .read = read_match, .required = true, .shape = SHAPE_TEXTS, .many = MANY_MAP,
     .help = "rules that must all hold: alert, source, severity, service, team, status, title, labels.NAME; ~regex, "
             "!value"},
    {"for_each", FIELD_READ, .read = read_for_each, .shape = SHAPE_TEXT, .choices = for_each_words,
     .help = "one run for each incident or each alert; incident"},
    {"start", FIELD_READ, .read = read_start, .shape = SHAPE_TEXT, .choices = start_words,
     .help = "suggest only says on the incident how to start it; auto"},
    {"on_resolve", FIELD_READ, .read = read_on_resolve, .shape = SHAPE_TEXT, .choices = on_resolve_words,
     .help = "what becomes of the run when the incident resolves; continue"},
    {"hours", FIELD_STRING, .offset = offsetof(struct trigger, hours),
     .choices = (const char *const[]){"in", "out", NULL}, .help = "in or out of the hours of the owner's team"},
    {"resolve", FIELD_READ, .read = read_resolve, .shape = SHAPE_TEXT, .choices = resolve_words,
     .help = "a verified run resolves the incident"},
    {NULL},
};

static const struct field schedule_fields[] = {
    COMMON,
    {"cron", FIELD_READ, .read = read_cron, .required = true, .shape = SHAPE_TEXT,
     .help = "five fields, or @hourly and the like"},
    {"timezone", FIELD_READ, .read = read_timezone, .shape = SHAPE_TEXT, .help = "a name of the IANA database; UTC"},
    {"params", FIELD_READ, .read = read_params, .shape = SHAPE_MAP, .help = "values for the run"},
    {"catch_up", FIELD_STRING, .offset = offsetof(struct trigger, catch_up),
     .choices = (const char *const[]){"skip", "once", "all", NULL},
     .help = "what becomes of times that passed while the server was down; skip"},
    {"jitter", FIELD_DURATION, .offset = offsetof(struct trigger, jitter_ms), .minimum = 0, .maximum = DAY_MS,
     .help = "a random delay of at most so long"},
    {"blackout", FIELD_READ, .read = read_blackout, .shape = SHAPE_FIELDS, .many = MANY_LIST, .fields = blackout_fields,
     .help = "times in which it does not fire"},
    {"allow", FIELD_READ, .read = refuse_allow, .shape = SHAPE_ANY,
     .help = "not here: nobody starts a schedule by hand"},
    {NULL},
};

static const struct field other_fields[] = {COMMON, ALLOW, {NULL}};

const struct field *const runbook_trigger_fields[] = {
    [TRIGGER_INCIDENT] = incident_fields,
    [TRIGGER_SCHEDULE] = schedule_fields,
    [TRIGGER_LINK] = other_fields,
    [TRIGGER_MANUAL] = other_fields,
};

static bool read_kind(const struct field_reader *reader, const struct yaml_node *map, enum trigger_kind *ret)
{
    const struct yaml_node *kind = yaml_get(map, "kind");
    if (!kind) {
        field_error(reader, "missing-key", map, NULL,
                    "a trigger needs the key 'kind': incident, schedule, link or manual");
        return false;
    }
    char *name = NULL;
    struct field row = {"kind", FIELD_STRING, .choices = trigger_kind_names};
    bool fine = field_read_value(reader, &row, kind, kind, &name);
    for (int i = 0; fine && trigger_kind_names[i]; i++) {
        if (strcmp(trigger_kind_names[i], name) == 0)
            *ret = (enum trigger_kind)i;
    }
    g_free(name);
    return fine;
}

static void read_trigger(const struct field_reader *reader, const struct yaml_node *map, struct runbook *runbook)
{
    enum trigger_kind kind = TRIGGER_MANUAL;
    if (!read_kind(reader, map, &kind))
        return;
    struct trigger *trigger = g_new0(struct trigger, 1);
    trigger->kind = kind;
    trigger->line = map->line;
    g_autofree char *what = g_strdup_printf("a trigger of kind %s", trigger_kind_names[kind]);
    field_read_map(reader, map, what, runbook_trigger_fields[kind], trigger);
    guint number = 1;
    for (guint i = 0; i < runbook->triggers->len; i++)
        number += ((struct trigger *)runbook->triggers->pdata[i])->kind == kind;
    if (!trigger->id)
        trigger->id = g_strdup_printf("%s-%u", trigger_kind_names[kind], number);
    else if (!field_is_name(trigger->id, true))
        field_error(reader, "bad-value", yaml_get(map, "id"), NULL,
                    "the id '%s' must be of small letters, digits, _ and -", trigger->id);
    if (kind == TRIGGER_SCHEDULE) {
        trigger->timezone = trigger->timezone ? trigger->timezone : g_strdup("UTC");
        trigger->catch_up = trigger->catch_up ? trigger->catch_up : g_strdup("skip");
        trigger->params = trigger->params ? trigger->params : json_object();
    }
    g_ptr_array_add(runbook->triggers, trigger);
}

void runbook_read_triggers(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                           const struct yaml_node *value, void *target)
{
    if (value->kind == YAML_NULL)
        return;
    if (value->kind != YAML_LIST) {
        field_error(reader, "bad-value", value, NULL, "'triggers' must be a list");
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        if (value->items[i]->kind == YAML_MAP)
            read_trigger(reader, value->items[i], target);
        else
            field_error(reader, "bad-value", value->items[i], NULL, "a trigger must be a map such as {kind: manual}");
    }
}

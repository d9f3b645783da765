/* policy: teams and approval policies out of YAML, and whether one person counts for one need. Knows no run and no
 * store. */
#include "jobs/policy.h"
#include "core/limits.h"
#include "jobs/cron.h"
#include "jobs/field.h"
#include "jobs/fields.h"
#include "jobs/window.h"
#include <string.h>

#define DAY_MS (24 * 60 * 60 * 1000LL)

static const char *const role_names[] = {"viewer", "operator", "approver", "admin", NULL};

struct team {
    char **members;
    json_t *hours;
};

struct hours {
    char *timezone;
    struct window_text window;
};

struct policy {
    json_t *need;
    int64_t expires_ms;
    bool self_approval;
};

struct need {
    int64_t count;
    json_t *from;
};

struct file {
    json_t *teams, *policies;
};

static const struct field hours_fields[] = {
    {"timezone", FIELD_STRING, .offset = offsetof(struct hours, timezone), .required = true,
     .help = "a name of the IANA database"},
    WINDOW_FIELDS(struct hours, window),
    {NULL},
};

static void read_hours(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                       const struct yaml_node *value, void *target)
{
    struct hours hours = {0};
    g_autoptr(GError) error = NULL;
    if (field_read_map(reader, value, "a team's 'hours'", hours_fields, &hours)) {
        GTimeZone *zone = cron_zone(hours.timezone, &error);
        json_t *window = zone ? window_make(reader, value, &hours.window, false) : NULL;
        if (!zone)
            field_error(reader, "bad-value", yaml_get(value, "timezone"), NULL, "%s", error->message);
        if (window)
            ((struct team *)target)->hours = json_pack("{s:s, s:o}", "timezone", hours.timezone, "window", window);
        g_clear_pointer(&zone, g_time_zone_unref);
    }
    g_free(hours.timezone);
    window_text_clear(&hours.window);
}

static const struct field team_fields[] = {
    {"members", FIELD_STRINGS, .offset = offsetof(struct team, members), .help = "users of the team"},
    {"oncall", .kind = FIELD_IGNORE, .not_enforced = "nobody is looked up in it", .help = "who is on call"},
    {"hours", FIELD_READ, .read = read_hours, .shape = SHAPE_FIELDS, .fields = hours_fields, .help = "working hours"},
    {"channels", .kind = FIELD_IGNORE, .not_enforced = "nothing is sent there",
     .help = "where messages to the team go"},
    {NULL},
};

static bool read_name(const struct field_reader *reader, const struct yaml_node *name, const char *what)
{
    if (field_is_name(name->text, true))
        return true;
    field_error(reader, "bad-value", name, NULL,
                "the %s name '%s' must be of small letters, digits, _ and -, a letter first", what, name->text);
    return false;
}

static void read_teams(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                       const struct yaml_node *value, void *target)
{
    struct file *file = target;
    if (value->kind != YAML_MAP && value->kind != YAML_NULL) {
        field_error(reader, "bad-value", value, NULL, "'teams' must be a map: name: {members: [...]}");
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        struct team team = {0};
        g_autofree char *what = g_strdup_printf("team '%s'", value->keys[i]->text);
        read_name(reader, value->keys[i], "team's");
        field_read_map(reader, value->items[i], what, team_fields, &team);
        json_t *members = json_array();
        for (char **member = team.members; member && *member; member++)
            json_array_append_new(members, json_string(*member));
        json_object_set_new(file->teams, value->keys[i]->text,
                            json_pack("{s:o, s:o*}", "members", members, "hours", team.hours));
        g_strfreev(team.members);
    }
}

/* One of a need's `from`: {user: NAME}, {role: NAME} or {team: NAME}. */
static json_t *read_principal(const struct field_reader *reader, const struct yaml_node *map, bool alone)
{
    static const char *const kinds[] = {"user", "role", "team", NULL};
    if (map->kind != YAML_MAP || map->count != 1 || map->items[0]->kind == YAML_LIST ||
        map->items[0]->kind == YAML_MAP || map->items[0]->kind == YAML_NULL) {
        field_error(reader, "bad-value", map, NULL, "people are written {user: NAME}, {role: NAME} or {team: NAME}");
        return NULL;
    }
    const char *kind = map->keys[0]->text, *name = map->items[0]->text;
    if (strcmp(kind, "oncall") == 0 || strcmp(name, "incident.team") == 0) {
        finding_add(reader->findings, "not-enforced", alone ? FINDING_ERROR : FINDING_WARNING, reader->file, map->line,
                    map->column, NULL, "'%s: %s' is not enforced by this version: %s", kind, name,
                    alone ? "nobody could decide" : "only the others in the list may decide");
        return NULL;
    }
    if (!g_strv_contains(kinds, kind)) {
        const char *nearest = finding_nearest(kind, kinds);
        field_error(reader, "unknown-key", map->keys[0], nearest, "unknown key '%s' in 'from'", kind);
        return NULL;
    }
    if (strcmp(kind, "role") == 0 && !g_strv_contains(role_names, name)) {
        const char *nearest = finding_nearest(name, role_names);
        field_error(reader, "bad-value", map->items[0], nearest, "there is no role '%s'", name);
        return NULL;
    }
    return json_pack("{s:s}", kind, name);
}

json_t *policy_read_principals(const struct field_reader *reader, const struct yaml_node *list, const char *key)
{
    json_t *principals = json_array();
    if (list->kind != YAML_LIST || list->count == 0)
        field_error(reader, "bad-value", list, NULL, "'%s' must be a list of people: [{team: NAME}, {role: admin}]",
                    key);
    for (size_t i = 0; list->kind == YAML_LIST && i < list->count; i++) {
        json_t *principal = read_principal(reader, list->items[i], list->count == 1);
        if (principal)
            json_array_append_new(principals, principal);
    }
    return principals;
}

static void read_from(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                      const struct yaml_node *value, void *target)
{
    struct need *need = target;
    if (value->kind != YAML_LIST || value->count == 0) {
        field_error(reader, "bad-value", value, NULL, "'from' must be a list of who may decide");
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        json_t *principal = read_principal(reader, value->items[i], value->count == 1);
        if (principal)
            json_array_append_new(need->from, principal);
    }
    if (json_array_size(need->from) == 0 && finding_count_level(reader->findings, FINDING_ERROR) == 0)
        field_error(reader, "not-enforced", value, NULL,
                    "none of these is enforced by this version: nobody could decide");
}

static const struct field need_fields[] = {
    {"count", FIELD_INTEGER, .offset = offsetof(struct need, count), .minimum = 1, .maximum = 100,
     .help = "how many different people; 1"},
    {"from", FIELD_READ, .read = read_from, .required = true, .shape = SHAPE_TEXT_MAP, .many = MANY_LIST,
     .help = "who may decide: {user: NAME}, {team: NAME}, {role: ROLE}"},
    {NULL},
};

static void read_need(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                      const struct yaml_node *value, void *target)
{
    struct policy *policy = target;
    if (value->kind != YAML_LIST || value->count == 0) {
        field_error(reader, "bad-value", value, NULL,
                    "'need' must be a list such as [{count: 1, from: [{role: approver}]}]");
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        struct need need = {.count = 1, .from = json_array()};
        field_read_map(reader, value->items[i], "a policy's 'need'", need_fields, &need);
        json_array_append_new(policy->need,
                              json_pack("{s:I, s:o}", "count", (json_int_t)need.count, "from", need.from));
    }
}

static const struct field policy_fields[] = {
    {"need", FIELD_READ, .read = read_need, .required = true, .shape = SHAPE_FIELDS, .many = MANY_LIST,
     .fields = need_fields, .help = "who must agree: every entry must be met"},
    {"expires", FIELD_DURATION, .offset = offsetof(struct policy, expires_ms), .minimum = 1000, .maximum = 30 * DAY_MS,
     .help = "a request that nobody answers is denied then; 30m"},
    {"self_approval", FIELD_BOOL, .offset = offsetof(struct policy, self_approval),
     .help = "who started the run may decide; false"},
    {"escalate", .kind = FIELD_IGNORE, .refused = "nobody else would be asked", .help = "who is asked next"},
    {"ask", .kind = FIELD_IGNORE, .refused = "every step with this policy asks at any hour",
     .help = "when it is asked for"},
    {"break_glass", .kind = FIELD_IGNORE, .refused = "no role may pass a policy",
     .help = "a role that may pass it with a reason"},
    {NULL},
};

static void read_policies(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                          const struct yaml_node *value, void *target)
{
    struct file *file = target;
    if (value->kind != YAML_MAP && value->kind != YAML_NULL) {
        field_error(reader, "bad-value", value, NULL, "'policies' must be a map: name: {need: [...]}");
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        struct policy policy = {.need = json_array(), .expires_ms = DEFAULT_APPROVAL_EXPIRY_MS};
        g_autofree char *what = g_strdup_printf("policy '%s'", value->keys[i]->text);
        read_name(reader, value->keys[i], "policy's");
        field_read_map(reader, value->items[i], what, policy_fields, &policy);
        json_t *json = json_pack("{s:o, s:I, s:b}", "need", policy.need, "expires_ms", (json_int_t)policy.expires_ms,
                                 "self_approval", policy.self_approval);
        json_object_set_new(file->policies, value->keys[i]->text, json);
    }
}

const struct field policy_file_fields[] = {
    {"teams", FIELD_READ, .read = read_teams, .shape = SHAPE_FIELDS, .many = MANY_MAP, .fields = team_fields,
     .help = "owners of runbooks, by name"},
    {"policies", FIELD_READ, .read = read_policies, .shape = SHAPE_FIELDS, .many = MANY_MAP, .fields = policy_fields,
     .help = "who may approve steps, by name"},
    {NULL},
};

/* Teams that policies name must exist; looked at last, because they may stand below. */
static void check_teams(const struct field_reader *reader, const struct file *file, const struct yaml_node *node)
{
    for (size_t i = 0; i < node->count && (node->kind == YAML_LIST || node->kind == YAML_MAP); i++) {
        const struct yaml_node *item = node->items[i];
        bool team = node->kind == YAML_MAP && strcmp(node->keys[i]->text, "team") == 0 && item->kind == YAML_STRING;
        if (team && strcmp(item->text, "incident.team") != 0 && !json_object_get(file->teams, item->text))
            field_error(reader, "unknown-name", item, NULL, "there is no team '%s'", item->text);
        check_teams(reader, file, item);
    }
}

json_t *policy_parse(const char *path, const char *text, size_t length, struct finding_list *findings)
{
    g_autoptr(finding_list) of_file = finding_list_new();
    struct field_reader reader = {path, of_file, NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(yaml_document) document = yaml_parse(text, length, path, 0, &error);
    struct file file = {json_object(), json_object()};
    if (document) {
        const struct yaml_node *root = yaml_root(document), *policies = yaml_get(root, "policies");
        field_read_map(&reader, root, "the teams file", policy_file_fields, &file);
        if (policies)
            check_teams(&reader, &file, policies);
    } else {
        field_yaml_error(&reader, error, 1);
    }
    finding_append(findings, of_file);
    json_t *parsed = json_pack("{s:o, s:o}", "teams", file.teams, "policies", file.policies);
    if (finding_count_level(of_file, FINDING_ERROR))
        g_clear_pointer(&parsed, json_decref);
    return parsed;
}

static int rank(const char *role)
{
    for (int i = 0; role && role_names[i]; i++) {
        if (strcmp(role_names[i], role) == 0)
            return i;
    }
    return -1;
}

static bool is_member(const json_t *teams, const char *team, const char *user)
{
    size_t index;
    json_t *member;
    json_array_foreach (json_object_get(json_object_get(teams, team), "members"), index, member) {
        if (g_strcmp0(json_string_value(member), user) == 0)
            return true;
    }
    return false;
}

bool policy_may_decide(const json_t *teams, const json_t *need_entry, const char *user, const char *role_name)
{
    size_t index;
    json_t *principal;
    json_array_foreach (json_object_get(need_entry, "from"), index, principal) {
        const char *wanted_user = json_get_string(principal, "user", NULL),
                   *team = json_get_string(principal, "team", NULL);
        int wanted_rank = rank(json_get_string(principal, "role", NULL));
        if ((wanted_user && g_strcmp0(wanted_user, user) == 0) || (team && is_member(teams, team, user)) ||
            (wanted_rank >= 0 && rank(role_name) >= wanted_rank))
            return true;
    }
    return false;
}

bool policy_team_hours(const json_t *teams, const char *team, int64_t at_ms, bool *ret_in)
{
    const json_t *hours = team ? json_object_get(json_object_get(teams, team), "hours") : NULL;
    GTimeZone *zone = hours ? cron_zone(json_get_string(hours, "timezone", NULL), NULL) : NULL;
    if (!zone)
        return false;
    *ret_in = window_holds(json_object_get(hours, "window"), zone, at_ms);
    g_time_zone_unref(zone);
    return true;
}

/* runbook_front: the front matter's top-level keys, of runbooks (strict) and of documents (only what is understood). */
#include "jobs/runbook_parse.h"
#include <string.h>

static const char *const severities[] = {"SEV1", "SEV2", "SEV3", "SEV4", NULL};

static void read_version(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                         const struct yaml_node *value, void *target G_GNUC_UNUSED)
{
    if (value->kind != YAML_INTEGER || value->integer != 1)
        field_error(reader, "bad-value", value, NULL, "this version of hikeshi reads 'hikeshi: 1'");
}

static bool is_path_like(const char *id)
{
    return *id && !strpbrk(id, " \t\n:?#%\\\"'") && *id != '/' && *id != '.' && !strstr(id, "/../");
}

static void read_id(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                    void *target)
{
    static const struct field row = {"id", FIELD_STRING, .offset = offsetof(struct runbook, id)};
    if (field_read_value(reader, &row, key, value, target) && !is_path_like(((struct runbook *)target)->id))
        field_error(reader, "bad-value", value, NULL,
                    "'%s' cannot be an id: no spaces, quotes or any of : ? # %% in it", value->text);
}

static void read_aliases(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                         void *target)
{
    static const struct field row = {"aliases", FIELD_STRINGS, .offset = offsetof(struct runbook, aliases)};
    if (!field_read_value(reader, &row, key, value, target))
        return;
    for (char **alias = ((struct runbook *)target)->aliases; *alias; alias++) {
        if (!is_path_like(*alias))
            field_error(reader, "bad-value", value, NULL,
                        "'%s' cannot be an id: no spaces, quotes or any of : ? # %% in it", *alias);
    }
}

/* alert/NAME, kind/NAME, kind/NAMESPACE/NAME. */
static void read_covers(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                        void *target)
{
    static const struct field row = {"covers", FIELD_STRINGS, .offset = offsetof(struct runbook, covers)};
    if (!field_read_value(reader, &row, key, value, target))
        return;
    for (char **cover = ((struct runbook *)target)->covers; *cover; cover++) {
        g_auto(GStrv) parts = g_strsplit(*cover, "/", -1);
        guint count = g_strv_length(parts);
        bool empty = g_strv_contains((const char *const *)parts, "");
        if (empty || count < 2 || count > 3 || (count == 3 && strcmp(parts[0], "alert") == 0))
            field_error(reader, "bad-value", value, NULL, "'%s' must be alert/NAME, KIND/NAME or KIND/NAMESPACE/NAME",
                        *cover);
    }
}

static void read_owner(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                       void *target)
{
    static const struct field row = {"owner", FIELD_STRING, .offset = offsetof(struct runbook, owner)};
    if (field_read_value(reader, &row, key, value, target) && strcmp(value->text, RUNBOOK_OWNER_EXEC) == 0)
        field_error(reader, "bad-value", value, NULL, "'%s' is not a team: it stands for commands without a runbook",
                    value->text);
}

static void read_hosts(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                       void *target)
{
    parser_read_filter(reader, key, value, &((struct runbook *)target)->hosts);
}

const struct field runbook_front_fields[] = {
    {"hikeshi", FIELD_READ, .read = read_version, .shape = SHAPE_INTEGER, .minimum = 1, .maximum = 1,
     .help = "version of the format: 1"},
    {"id", FIELD_READ, .read = read_id, .shape = SHAPE_TEXT,
     .help = "name that runs, links and the API use; without it the path below the runbook folder, without .md"},
    {"aliases", FIELD_READ, .read = read_aliases, .shape = SHAPE_TEXTS, .help = "older ids that still lead here"},
    {"title", FIELD_STRING, .offset = offsetof(struct runbook, title),
     .help = "what people see; without it the first heading"},
    {"owner", FIELD_READ, .read = read_owner, .shape = SHAPE_TEXT, .help = "a team of hikeshi/teams.yaml"},
    {"severity", FIELD_STRING, .offset = offsetof(struct runbook, severity), .choices = severities,
     .help = "used when the sender gives none"},
    {"covers", FIELD_READ, .read = read_covers, .shape = SHAPE_TEXTS,
     .help = "what the file is about: alert/NAME, KIND/NAME or KIND/NAMESPACE/NAME"},
    {"hosts", FIELD_READ, .read = read_hosts, .shape = SHAPE_TEXT,
     .help = "host filter: the most that this runbook may touch"},
    {"secrets", FIELD_STRINGS, .offset = offsetof(struct runbook, secrets),
     .help = "names of the secrets that secret() gives its steps"},
    {"params", FIELD_READ, .read = runbook_read_params, .shape = SHAPE_FIELDS, .many = MANY_MAP,
     .fields = runbook_param_fields, .help = "values that a run is started with, by name"},
    {"inputs", FIELD_READ, .read = runbook_read_inputs, .shape = SHAPE_FIELDS, .many = MANY_MAP,
     .fields = runbook_param_fields, .help = "values that approvers fill in, by name"},
    {"triggers", FIELD_READ, .read = runbook_read_triggers, .shape = SHAPE_VARIANTS, .many = MANY_LIST,
     .choices = trigger_kind_names, .variants = runbook_trigger_fields, .help = "what starts runs"},
    {"limits", FIELD_READ, .read = runbook_read_limits, .shape = SHAPE_FIELDS, .fields = runbook_limit_fields,
     .help = "how long, how often and how wide runs may be"},
    {NULL},
};

void runbook_read_front(struct parser *parser, const struct yaml_node *root)
{
    field_read_map(&parser->reader, root, "the front matter of a runbook", runbook_front_fields, parser->runbook);
}

void runbook_read_document(struct runbook *runbook, const struct yaml_node *root)
{
    const struct yaml_node *title = yaml_get(root, "title"), *owner = yaml_get(root, "owner"),
                           *covers = yaml_get(root, "covers");
    if (title && title->kind == YAML_STRING && *title->text)
        runbook->title = g_strdup(title->text);
    if (owner && owner->kind == YAML_STRING && *owner->text)
        runbook->owner = g_strdup(owner->text);
    if (!covers || (covers->kind != YAML_LIST && covers->kind != YAML_STRING))
        return;
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    for (size_t i = 0; i < (covers->kind == YAML_LIST ? covers->count : 1); i++) {
        const struct yaml_node *item = covers->kind == YAML_LIST ? covers->items[i] : covers;
        if (item->kind == YAML_STRING)
            g_ptr_array_add(list, g_strdup(item->text));
    }
    g_ptr_array_add(list, NULL);
    g_strfreev(runbook->covers);
    runbook->covers = (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}

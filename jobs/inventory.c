/* inventory: hosts out of YAML, and finding them by what alerts and people call them. Knows no runbook and no SSH. */
#include "jobs/inventory.h"
#include "core/errors.h"
#include "core/hostfilter.h"
#include "core/limits.h"
#include "core/secret.h"
#include "jobs/field.h"
#include "jobs/fields.h"
#include <string.h>

struct host {
    char *name, *address, *user, *jump, *host_key, *identity, *password, *sudo_password;
    int64_t port;
    char **aliases;
    json_t *labels;
    int line, column;
};

static void host_free(struct host *host)
{
    g_free(host->name);
    g_free(host->address);
    g_free(host->user);
    g_free(host->jump);
    g_free(host->host_key);
    g_free(host->identity);
    g_free(host->password);
    g_free(host->sudo_password);
    g_strfreev(host->aliases);
    json_decref(host->labels);
    g_free(host);
}

/* The file on its way: `defaults` first, then the hosts. */
struct inventory {
    struct host defaults;
    GPtrArray *hosts;
};

static bool is_host_name(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return *name && !name[length] && *name != '-' && *name != '.';
}

static void read_address(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                         void *target)
{
    static const struct field row = {"address", FIELD_STRING, .offset = offsetof(struct host, address)};
    struct host *host = target;
    if (field_read_value(reader, &row, key, value, host) && (!*host->address || strpbrk(host->address, " \t/[]@'\"\\")))
        field_error(reader, "bad-value", value, "the port is a key of its own", "'%s' is not a host name or IP address",
                    value->text);
}

static void read_aliases(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                         void *target)
{
    static const struct field row = {"aliases", FIELD_STRINGS, .offset = offsetof(struct host, aliases)};
    struct host *host = target;
    if (!field_read_value(reader, &row, key, value, host))
        return;
    for (char **alias = host->aliases; *alias; alias++) {
        if (!is_host_name(*alias))
            field_error(reader, "bad-value", value, NULL, "the alias '%s' is not a host name", *alias);
    }
}

static void read_labels(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                        const struct yaml_node *value, void *target)
{
    struct host *host = target;
    if (value->kind != YAML_MAP && value->kind != YAML_NULL) {
        field_error(reader, "bad-value", value, NULL, "'labels' must be a map such as {role: db}");
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        const struct yaml_node *name = value->keys[i], *label = value->items[i];
        if (strcmp(name->text, "name") == 0)
            field_error(reader, "bad-value", name, NULL, "the label 'name' is always the host's name");
        else if (label->kind == YAML_LIST || label->kind == YAML_MAP || label->kind == YAML_NULL)
            field_error(reader, "bad-value", label, NULL, "the label '%s' must be text, not %s", name->text,
                        yaml_kind_name(label->kind));
        else
            json_object_set_new(host->labels, name->text, json_string(label->text));
    }
}

/* "SHA256:" and 43 characters of base64, as ssh-keygen -l prints it. */
static void read_host_key(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                          void *target)
{
    static const struct field row = {"host_key", FIELD_STRING, .offset = offsetof(struct host, host_key)};
    struct host *host = target;
    if (!field_read_value(reader, &row, key, value, host))
        return;
    const char *hash = g_str_has_prefix(host->host_key, "SHA256:") ? host->host_key + 7 : "";
    if (strlen(hash) != 43 || strspn(hash, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") != 43)
        field_error(reader, "bad-value", value, "ssh-keygen -lf FILE.pub prints it",
                    "'%s' is not a fingerprint of the form SHA256: and 43 characters", value->text);
}

static void read_identity(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                          void *target)
{
    static const struct field row = {"identity", FIELD_STRING, .offset = offsetof(struct host, identity)};
    struct host *host = target;
    if (field_read_value(reader, &row, key, value, host) && !secret_is_reference(host->identity))
        field_error(reader, "bad-value", value, NULL, "'identity' must be a reference: file:PATH or env:NAME");
}

/* A name only: a reference would let whoever writes this file choose what the runner reads and sends to a host. */
static void read_password_name(const struct field_reader *reader, const struct field *row, const struct yaml_node *key,
                               const struct yaml_node *value, struct host *host)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    if (field_read_value(reader, row, key, value, host) && (!*value->text || value->text[strspn(value->text, allowed)]))
        field_error(reader, "bad-value", value, "the reference stands in the runner's configuration",
                    "'%s' must be a name in runner.ssh.passwords", row->key);
}

static void read_password(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                          void *target)
{
    static const struct field row = {"password", FIELD_STRING, .offset = offsetof(struct host, password)};
    read_password_name(reader, &row, key, value, target);
}

static void read_sudo_password(const struct field_reader *reader, const struct yaml_node *key,
                               const struct yaml_node *value, void *target)
{
    static const struct field row = {"sudo_password", FIELD_STRING, .offset = offsetof(struct host, sudo_password)};
    read_password_name(reader, &row, key, value, target);
}

static void read_user(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                      void *target)
{
    static const struct field row = {"user", FIELD_STRING, .offset = offsetof(struct host, user)};
    struct host *host = target;
    if (field_read_value(reader, &row, key, value, host) && (!*host->user || strpbrk(host->user, " \t\n@:/")))
        field_error(reader, "bad-value", value, NULL, "'%s' is not a user's name", value->text);
}

/* clang-format off */
#define SHARED \
    {"user", FIELD_READ, .read = read_user, .shape = SHAPE_TEXT, .help = "who to sign in as"}, \
    {"port", FIELD_INTEGER, .offset = offsetof(struct host, port), .minimum = 1, .maximum = 65535, .help = "of the SSH server; 22"}, \
    {"identity", FIELD_READ, .read = read_identity, .shape = SHAPE_TEXT, .help = "private key: file:PATH or env:NAME"}, \
    {"password", FIELD_READ, .read = read_password, .shape = SHAPE_TEXT, .help = "name of a password in the runner's configuration, to sign in with"}, \
    {"sudo_password", FIELD_READ, .read = read_sudo_password, .shape = SHAPE_TEXT, .help = "name of a password in the runner's configuration, for sudo"}
/* clang-format on */

static const struct field host_fields[] = {
    SHARED,
    {"address", FIELD_READ, .read = read_address, .shape = SHAPE_TEXT,
     .help = "host name or IP address; without it the name"},
    {"aliases", FIELD_READ, .read = read_aliases, .shape = SHAPE_TEXTS,
     .help = "other names, as alerts and people write them"},
    {"labels", FIELD_READ, .read = read_labels, .shape = SHAPE_TEXT, .many = MANY_MAP,
     .help = "what host filters ask for"},
    {"jump", FIELD_STRING, .offset = offsetof(struct host, jump),
     .help = "another host of the inventory, through which this one is reached"},
    {"host_key", FIELD_READ, .read = read_host_key, .shape = SHAPE_TEXT,
     .help = "fingerprint, as ssh-keygen -lf prints it"},
    {NULL},
};

static const struct field default_fields[] = {SHARED, {NULL}};

static void read_defaults(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                          const struct yaml_node *value, void *target)
{
    field_read_map(reader, value, "defaults", default_fields, &((struct inventory *)target)->defaults);
}

static void read_host(const struct field_reader *reader, const struct yaml_node *name, const struct yaml_node *map,
                      struct inventory *inventory)
{
    struct host *host = g_new0(struct host, 1);
    host->name = g_strdup(name->text);
    host->line = name->line;
    host->column = name->column;
    host->aliases = g_new0(char *, 1);
    host->labels = json_object();
    g_autofree char *what = g_strdup_printf("host '%s'", name->text);
    field_read_map(reader, map, what, host_fields, host);
    if (!is_host_name(name->text))
        field_error(reader, "bad-value", name, NULL, "'%s' is not a host name", name->text);
    if (!host->address)
        host->address = g_strdup(host->name);
    g_ptr_array_add(inventory->hosts, host);
}

static void read_hosts(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                       const struct yaml_node *value, void *target)
{
    if (value->kind != YAML_MAP && value->kind != YAML_NULL) {
        field_error(reader, "bad-value", value, NULL, "'hosts' must be a map: name: {address: ...}");
        return;
    }
    for (size_t i = 0; i < value->count; i++)
        read_host(reader, value->keys[i], value->items[i], target);
}

const struct field inventory_fields[] = {
    {"defaults", FIELD_READ, .read = read_defaults, .shape = SHAPE_FIELDS, .fields = default_fields,
     .help = "for hosts that do not say otherwise"},
    {"hosts", FIELD_READ, .read = read_hosts, .shape = SHAPE_FIELDS, .many = MANY_MAP, .fields = host_fields,
     .help = "machines that steps may reach, by name"},
    {NULL},
};

static void host_error(const struct field_reader *reader, const struct host *host, const char *rule,
                       const char *message)
{
    finding_add(reader->findings, rule, FINDING_ERROR, reader->file, host->line, host->column, NULL, "%s", message);
}

static void claim_name(const struct field_reader *reader, GHashTable *seen, struct host *host, const char *name)
{
    char *lower = g_ascii_strdown(name, -1);
    const struct host *other = g_hash_table_lookup(seen, lower);
    if (other) {
        g_autofree char *message = g_strdup_printf("the name '%s' belongs to the host '%s' already", name, other->name);
        host_error(reader, host, "duplicate", message);
    }
    g_hash_table_replace(seen, lower, host);
}

/* A name or alias must lead to one host, whatever its case. */
static void check_names(const struct field_reader *reader, const struct inventory *inventory)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < inventory->hosts->len; i++) {
        struct host *host = inventory->hosts->pdata[i];
        claim_name(reader, seen, host, host->name);
        for (char **alias = host->aliases; *alias; alias++)
            claim_name(reader, seen, host, *alias);
    }
}

static struct host *host_named(const struct inventory *inventory, const char *name)
{
    for (guint i = 0; i < inventory->hosts->len; i++) {
        struct host *host = inventory->hosts->pdata[i];
        if (strcmp(host->name, name) == 0)
            return host;
    }
    return NULL;
}

static void check_jump(const struct field_reader *reader, const struct inventory *inventory, const struct host *host)
{
    if (!host->jump)
        return;
    const struct host *at = host;
    for (int depth = 0; at->jump; depth++) {
        const struct host *next = host_named(inventory, at->jump);
        g_autofree char *message = NULL;
        if (!next)
            message = g_strdup_printf("the jump host '%s' is not in the inventory", at->jump);
        else if (next == host)
            message = g_strdup_printf("the jump hosts of '%s' lead back to it", host->name);
        else if (depth >= LIMIT_SSH_JUMPS)
            message = g_strdup_printf("more than %d jump hosts on the way to '%s'", LIMIT_SSH_JUMPS, host->name);
        if (message && (next || at == host)) /* a missing one is told once, where it is named */
            host_error(reader, host, "jump", message);
        if (message)
            return;
        at = next;
    }
}

static json_t *host_json(const struct host *host, const struct host *defaults)
{
    json_t *aliases = json_array();
    for (char **alias = host->aliases; *alias; alias++)
        json_array_append_new(aliases, json_string(*alias));
    json_t *json = json_pack("{s:s, s:s, s:I, s:o, s:O}", "name", host->name, "address", host->address, "port",
                             (json_int_t)(host->port       ? host->port
                                          : defaults->port ? defaults->port
                                                           : 22),
                             "aliases", aliases, "labels", host->labels);
    json_set_string(json, "user", host->user ? host->user : defaults->user);
    json_set_string(json, "jump", host->jump);
    json_set_string(json, "host_key", host->host_key);
    json_set_string(json, "identity", host->identity ? host->identity : defaults->identity);
    json_set_string(json, "password", host->password ? host->password : defaults->password);
    json_set_string(json, "sudo_password", host->sudo_password ? host->sudo_password : defaults->sudo_password);
    return json;
}

static int by_name(gconstpointer a, gconstpointer b)
{
    const struct host *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static json_t *to_json(struct inventory *inventory)
{
    json_t *array = json_array();
    g_ptr_array_sort(inventory->hosts, by_name);
    for (guint i = 0; i < inventory->hosts->len; i++)
        json_array_append_new(array, host_json(inventory->hosts->pdata[i], &inventory->defaults));
    return array;
}

json_t *inventory_parse(const char *path, const char *text, size_t length, struct finding_list *findings)
{
    g_autoptr(finding_list) of_file = finding_list_new();
    struct field_reader reader = {path, of_file, NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(yaml_document) document = yaml_parse(text, length, path, 0, &error);
    struct inventory inventory = {.hosts = g_ptr_array_new_with_free_func((GDestroyNotify)host_free)};
    json_t *json = NULL;
    if (document) {
        field_read_map(&reader, yaml_root(document), "the inventory", inventory_fields, &inventory);
        check_names(&reader, &inventory);
        for (guint i = 0; i < inventory.hosts->len; i++)
            check_jump(&reader, &inventory, inventory.hosts->pdata[i]);
    } else {
        field_yaml_error(&reader, error, 1);
    }
    if (finding_count_level(of_file, FINDING_ERROR) == 0)
        json = to_json(&inventory);
    g_ptr_array_unref(inventory.hosts);
    g_free(inventory.defaults.user);
    g_free(inventory.defaults.identity);
    g_free(inventory.defaults.password);
    g_free(inventory.defaults.sudo_password);
    finding_append(findings, of_file);
    return json;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && !text[digits];
}

char *inventory_host_text(const char *text)
{
    const char *scheme = strstr(text, "://");
    const char *start = scheme ? scheme + 3 : text;
    start += strspn(start, " \t");
    g_autofree char *host = g_strndup(start, strcspn(start, "/?# \t"));
    if (host[0] == '[') {
        char *close = strchr(host, ']');
        return close && (!close[1] || (close[1] == ':' && is_port(close + 2)))
                   ? g_strndup(host + 1, (gsize)(close - host) - 1)
                   : g_strdup(host);
    }
    char *colon = strchr(host, ':');
    if (colon && !strchr(colon + 1, ':') && is_port(colon + 1)) /* more colons: an IPv6 address without brackets */
        *colon = '\0';
    size_t end = strlen(host);
    if (end > 1 && host[end - 1] == '.')
        host[end - 1] = '\0';
    return g_steal_pointer(&host);
}

static bool has_alias(const json_t *host, const char *text)
{
    size_t index;
    json_t *alias;
    json_array_foreach (json_object_get(host, "aliases"), index, alias) {
        if (g_ascii_strcasecmp(json_string_value(alias), text) == 0)
            return true;
    }
    return false;
}

const json_t *inventory_find(const json_t *inventory, const char *text)
{
    g_autofree char *wanted = inventory_host_text(text);
    size_t index;
    json_t *host;
    json_array_foreach (inventory, index, host) {
        if (g_ascii_strcasecmp(json_get_string(host, "name", ""), wanted) == 0 || has_alias(host, wanted))
            return host;
    }
    const json_t *found = NULL;
    json_array_foreach (inventory, index, host) {
        if (g_ascii_strcasecmp(json_get_string(host, "address", ""), wanted) != 0)
            continue;
        if (found)
            return NULL; /* two hosts behind one address: guessing could touch the wrong one */
        found = host;
    }
    return found;
}

json_t *inventory_filter(const json_t *inventory, const char *filter, const json_t *params, GError **error)
{
    g_autoptr(hostfilter) parsed = filter ? hostfilter_parse(filter, error) : NULL;
    if (filter && !parsed)
        return NULL;
    json_t *hosts = json_array();
    size_t index;
    json_t *host;
    json_array_foreach (inventory, index, host) {
        if (!parsed ||
            hostfilter_matches(parsed, json_get_string(host, "name", ""), json_object_get(host, "labels"), params))
            json_array_append(hosts, host);
    }
    return hosts;
}

/* Text that is names of hosts and nothing else. */
static bool select_names(const json_t *inventory, const char *text, json_t *hosts)
{
    g_auto(GStrv) names = g_strsplit(text, ",", -1);
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    for (char **name = names; *name; name++) {
        const json_t *host = inventory_find(inventory, g_strstrip(*name));
        if (!host)
            return false;
        if (g_hash_table_add(seen, (void *)(uintptr_t)host))
            json_array_append(hosts, (json_t *)(uintptr_t)host);
    }
    return true;
}

json_t *inventory_select(const json_t *inventory, const char *text, GError **error)
{
    g_autoptr(json_t) named = json_array();
    bool all = !text || strcmp(text, "*") == 0;
    if (!all && select_names(inventory, text, named))
        return g_steal_pointer(&named);
    if (!all && !strpbrk(text, "=~(")) {
        errors_set(error, ERROR_NOT_IN_INVENTORY, "'%s' is neither a host of the inventory nor a filter like 'role=db'",
                   text);
        return NULL;
    }
    json_t *hosts = inventory_filter(inventory, all ? NULL : text, NULL, error);
    if (hosts && json_array_size(hosts) == 0) {
        errors_set(error, ERROR_NOT_IN_INVENTORY, "the inventory has no host that matches '%s'", all ? "*" : text);
        g_clear_pointer(&hosts, json_decref);
    }
    return hosts;
}

/* import: see import.h. */
#include "cli/import/import.h"
#include "core/errors.h"

#include <string.h>

void import_init(struct import *import)
{
    *import = (struct import){.hosts = json_object(), .notes = finding_list_new()};
}

void import_clear(struct import *import)
{
    json_decref(import->hosts);
    finding_list_free(import->notes);
}

void import_note(struct import *import, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    finding_add(import->notes, "import", FINDING_WARNING, import->file, line, 0, NULL, "%s", text);
}

/* ---- hosts ---- */

/* As jobs/inventory.c takes them. */
static bool is_host_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return *name != '\0' && name[strspn(name, letters)] == '\0' && *name != '-' && *name != '.';
}

json_t *import_host(struct import *import, const char *name, int line)
{
    json_t *host = json_object_get(import->hosts, name);
    if (host != NULL)
        return host;
    if (!is_host_name(name)) {
        import_note(import, line, "'%s' is not a name that a host can have here: left out", name);
        return NULL;
    }
    host = json_object();
    json_object_set_new(import->hosts, name, host);
    return host;
}

/* ---- values ---- */

static bool is_template(struct import *import, const char *what, const char *value, int line)
{
    if (strstr(value, "{{") == NULL && strstr(value, "{%") == NULL)
        return false;
    import_note(import, line, "%s is a template ('%s'), which only Ansible can evaluate: left out", what, value);
    return true;
}

static bool set_text(struct import *import, json_t *host, const char *key, const char *value, const char *never,
                     int line)
{
    if (is_template(import, key, value, line))
        return false;
    if (*value == '\0' || strpbrk(value, never) != NULL || !g_utf8_validate(value, -1, NULL)) {
        import_note(import, line, "%s '%s' cannot be taken over", key, value);
        return false;
    }
    json_set_string(host, key, value);
    return true;
}

/* An IPv6 address may stand in brackets. */
void import_set_address(struct import *import, json_t *host, const char *value, int line)
{
    size_t length = strlen(value);
    g_autofree char *bare =
        length > 2 && value[0] == '[' && value[length - 1] == ']' ? g_strndup(value + 1, length - 2) : g_strdup(value);
    set_text(import, host, "address", bare, " \t\r\n/[]@'\"\\%", line);
}

void import_set_port(struct import *import, json_t *host, const char *value, int line)
{
    gint64 port;
    if (is_template(import, "port", value, line))
        return;
    if (g_ascii_string_to_signed(value, 10, 1, 65535, &port, NULL))
        json_object_set_new(host, "port", json_integer(port));
    else
        import_note(import, line, "'%s' is not a port", value);
}

void import_set_user(struct import *import, json_t *host, const char *value, int line)
{
    set_text(import, host, "user", value, " \t\r\n@:/%", line);
}

void import_set_identity(struct import *import, json_t *host, const char *path, int line)
{
    if (is_template(import, "identity", path, line))
        return;
    g_autofree char *full =
        g_str_has_prefix(path, "~/") ? g_build_filename(g_get_home_dir(), path + 2, NULL) : g_strdup(path);
    g_autofree char *reference = g_strconcat("file:", full, NULL);
    set_text(import, host, "identity", reference, "\r\n%", line);
}

/* ---- jump hosts ---- */

/* "user@host:port", "[2001:db8::1]:22", "ssh://user@host:22" into its parts. */
static void split_destination(const char *text, char **ret_user, char **ret_host, char **ret_port)
{
    if (g_str_has_prefix(text, "ssh://"))
        text += strlen("ssh://");
    const char *at = strrchr(text, '@');
    *ret_user = at ? g_strndup(text, (gsize)(at - text)) : NULL;
    text = at ? at + 1 : text;
    const char *bracket = *text == '[' ? strchr(text, ']') : NULL;
    const char *colon = strrchr(bracket ? bracket : text, ':');
    if (bracket == NULL && colon != NULL && strchr(text, ':') != colon)
        colon = NULL; /* an IPv6 address without brackets has no port */
    *ret_port = colon ? g_strdup(colon + 1) : NULL;
    *ret_host = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
    g_strdelimit(*ret_host, "[]", ' ');
    g_strstrip(*ret_host);
}

/* The host that is called so or has this address; NULL = none. Borrowed. */
static const char *find_host(const struct import *import, const char *text)
{
    const char *name;
    json_t *host;
    if (json_object_get(import->hosts, text) != NULL)
        return text;
    json_object_foreach (import->hosts, name, host)
        if (g_strcmp0(json_get_string(host, "address", NULL), text) == 0)
            return name;
    return NULL;
}

/* The name of the host that one hop is, made when there is none. g_free; NULL with a note. */
static char *hop_name(struct import *import, const char *hop, int line)
{
    g_autofree char *user = NULL, *address = NULL, *port = NULL;
    split_destination(hop, &user, &address, &port);
    const char *known = find_host(import, address);
    if (known != NULL)
        return g_strdup(known);
    g_autofree char *name = g_strdelimit(g_strdup(address), ":", '-');
    json_t *host = import_host(import, name, line);
    if (host == NULL)
        return NULL;
    if (strcmp(name, address) != 0)
        import_set_address(import, host, address, line);
    if (user != NULL)
        import_set_user(import, host, user, line);
    if (port != NULL)
        import_set_port(import, host, port, line);
    return g_strdup(name);
}

static void set_jump(struct import *import, const char *name, const char *jump, int line)
{
    json_t *host = json_object_get(import->hosts, name);
    const char *before = json_get_string(host, "jump", NULL);
    if (strcmp(name, jump) == 0)
        import_note(import, line, "host '%s' would be its own jump host: left out", name);
    else if (before == NULL)
        json_set_string(host, "jump", jump);
    else if (strcmp(before, jump) != 0)
        import_note(import, line,
                    "host '%s' is reached through '%s' here and through '%s' elsewhere: only one way is kept", name,
                    jump, before);
}

void import_set_jump(struct import *import, const char *name, const char *value, int line)
{
    g_autofree char *inner = NULL; /* the hop before */
    if (g_ascii_strcasecmp(value, "none") == 0 || is_template(import, "the jump host", value, line))
        return;
    g_auto(GStrv) hops = g_strsplit(value, ",", -1);
    for (char **hop = hops; *hop != NULL; hop++) {
        char *next = hop_name(import, g_strstrip(*hop), line);
        if (next == NULL)
            return;
        if (inner != NULL)
            set_jump(import, next, inner, line);
        g_free(inner);
        inner = next;
    }
    if (inner != NULL)
        set_jump(import, name, inner, line);
}

/* The last word of `ssh [-q] -W %h:%p [-p PORT] [USER@]HOST`. */
void import_set_proxy_command(struct import *import, const char *name, const char *value, int line)
{
    static const char *const with_value[] = {"-W", "-p", "-l", "-i", "-o", "-F", NULL};
    g_auto(GStrv) words = NULL;
    const char *destination = NULL, *port = NULL, *user = NULL;
    bool forwards = false;
    if (g_ascii_strcasecmp(value, "none") == 0 || is_template(import, "the ProxyCommand", value, line))
        return;
    bool ssh = g_shell_parse_argv(value, NULL, &words, NULL) && g_str_has_suffix(words[0], "ssh");
    for (char **word = ssh ? words + 1 : NULL; word && *word; word++) {
        bool takes = g_strv_contains(with_value, *word) && word[1] != NULL;
        forwards |= takes && strcmp(*word, "-W") == 0;
        if (takes && strcmp(*word, "-p") == 0)
            port = word[1];
        if (takes && strcmp(*word, "-l") == 0)
            user = word[1];
        if (takes)
            word++;
        else if (**word != '-')
            destination = *word;
    }
    if (!forwards || destination == NULL) {
        import_note(import, line, "host '%s': a ProxyCommand other than ssh -W is not supported: '%s'", name, value);
        return;
    }
    g_autofree char *hop = g_strdup_printf("%s%s%s%s%s", user ? user : "", user ? "@" : "", destination,
                                           port ? ":" : "", port ? port : "");
    import_set_jump(import, name, hop, line);
}

/* ---- the whole ---- */

bool import_is_text(const struct import *import, const char *text, size_t length, GError **error)
{
    if (g_utf8_validate(text, (gssize)length, NULL))
        return true;
    errors_set(error, ERROR_PARSE, "%s: not UTF-8 text", import->file);
    return false;
}

import_fn import_guess(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        const char *word = g_strstrip(*line);
        if (*word == '\0' || *word == '#' || *word == ';')
            continue;
        if (g_str_has_prefix(word, "---") || (strchr(word, ':') != NULL && strpbrk(word, " =[") == NULL))
            return import_ansible_yaml;
        if (g_ascii_strncasecmp(word, "Host", 4) == 0 || g_ascii_strncasecmp(word, "Match", 5) == 0 ||
            g_ascii_strncasecmp(word, "Include", 7) == 0)
            return import_openssh;
        if (*word == '[' || strstr(word, "ansible_") != NULL || strchr(word, ' ') == NULL)
            return import_ansible_ini;
    }
    return import_openssh;
}

json_t *import_inventory(const struct import *import)
{
    static const char *const order[] = {"address", "port", "user", "identity", "jump", "labels"};
    json_t *hosts = json_object(), *host;
    const char *name;
    json_object_foreach (import->hosts, name, host) {
        json_t *ordered = json_object();
        for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
            json_t *value = json_object_get(host, order[i]);
            if (value != NULL && !(json_is_object(value) && json_object_size(value) == 0))
                json_object_set(ordered, order[i], value);
        }
        json_object_set_new(hosts, name, ordered);
    }
    return json_pack("{s:o}", "hosts", hosts);
}

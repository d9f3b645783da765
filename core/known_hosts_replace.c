/* known_hosts_replace: takes a host out of a known_hosts file and puts one key in its place, in one step. */
#include "core/errors.h"
#include "core/known_hosts.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* Whether a line, read alone, gives the host any key. */
static bool speaks_of(const char *line, const char *host, uint16_t port)
{
    g_autoptr(known_hosts) alone = known_hosts_parse(line, strlen(line), "line");
    g_auto(GStrv) types = known_hosts_key_types(alone, host, port);
    return types != NULL && types[0] != NULL;
}

/* The line without the names that mean the host alone: "" when none is left, NULL when a pattern means it too. */
static char *without_host(const char *line, const char *host, uint16_t port)
{
    size_t names_length = strcspn(line, " \t");
    const char *rest = line + names_length;
    g_autofree char *names = g_strndup(line, names_length);
    g_auto(GStrv) each = g_strsplit(names, ",", -1);
    g_autoptr(GString) left = g_string_new(NULL);
    for (char **name = each; *name != NULL; name++) {
        g_autofree char *alone = g_strconcat(*name, rest, NULL);
        bool meant = speaks_of(alone, host, port);
        if (meant && strpbrk(*name, "*?!") != NULL)
            return NULL;
        if (!meant)
            g_string_append_printf(left, "%s%s", left->len ? "," : "", *name);
    }
    return left->len ? g_strconcat(left->str, rest, NULL) : g_strdup("");
}

/* The file's text without the host. NULL with error when a line's pattern means it: others would lose their key. */
static char *text_without_host(const char *path, const char *text, const char *host, uint16_t port, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GString) left = g_string_new(NULL);
    for (size_t i = 0; lines[i] != NULL; i++) {
        bool last = lines[i + 1] == NULL;
        if (!speaks_of(lines[i], host, port)) {
            g_string_append_printf(left, "%s%s", lines[i], last ? "" : "\n");
            continue;
        }
        g_autofree char *rest = without_host(lines[i], host, port);
        if (rest == NULL) {
            errors_set(error, ERROR_CONFLICT,
                       "%s:%zu names '%s' by a pattern that may mean others too: edit that line by hand", path, i + 1,
                       host);
            return NULL;
        }
        if (*rest != '\0')
            g_string_append_printf(left, "%s\n", rest);
    }
    return g_string_free(g_steal_pointer(&left), FALSE);
}

bool known_hosts_replace(const char *path, const char *host, uint16_t port, const uint8_t *key, size_t key_length,
                         GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    if (!g_file_get_contents(path, &text, NULL, &failure) &&
        !g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        errors_set(error, ERROR_IO, "cannot read '%s': %s", path, failure->message);
        return false;
    }
    g_clear_error(&failure);
    g_autofree char *left = text_without_host(path, text ? text : "", host, port, error);
    if (left == NULL)
        return false;
    /* A file beside it takes its place when all is written: a reader sees the old keys or the new one, never none. */
    g_autofree char *fresh = g_strdup_printf("%s.%d.new", path, (int)getpid());
    if (!g_file_set_contents_full(fresh, left, -1, G_FILE_SET_CONTENTS_DURABLE, 0600, &failure)) {
        errors_set(error, ERROR_IO, "cannot write '%s': %s", fresh, failure->message);
        return false;
    }
    bool fine = known_hosts_add(fresh, host, port, key, key_length, error);
    if (fine && g_rename(fresh, path) != 0) {
        errors_set(error, ERROR_IO, "cannot replace '%s': %s", path, g_strerror(errno));
        fine = false;
    }
    if (!fine)
        g_unlink(fresh);
    return fine;
}

/* services_tell: what a step tells others through the server: a channel, or everybody by an incident. The runner does
 * nothing itself: the event is stored once, and is the effect. Without a server nobody is told. */
#include "runner/exec_private.h"

#include "core/errors.h"
#include "core/limits.h"

#include <string.h>

/* Ends when the event is stored: what comes after it in the script may rely on it. Values from hosts become UTF-8. */
static void tell(struct exec *exec, const char *kind, json_t *args, const char *const *keys, struct op *op)
{
    g_autofree char *text = json_text(args);
    if (strlen(text) > LIMIT_DATA_BYTES) {
        op_done(op, NULL,
                g_error_new(HIKESHI_ERROR, ERROR_TOO_LARGE, "%s: over %d KiB", kind, LIMIT_DATA_BYTES / 1024));
        return;
    }
    if (exec->tells++ >= LIMIT_RUN_TELLS) {
        op_done(
            op, NULL,
            g_error_new(HIKESHI_ERROR, ERROR_TOO_LARGE, "%s: a run may tell others %d times", kind, LIMIT_RUN_TELLS));
        return;
    }
    g_autoptr(json_t) clean = json_parse(text, strlen(text), kind, NULL);
    json_t *event = exec_event(exec);
    for (; *keys; keys++) {
        json_t *value = json_object_get(clean, *keys);
        json_object_set_new(event, *keys, value ? json_incref(value) : json_null());
    }
    services_end_when_stored(exec, op, journal_add(exec->journal, kind, event));
}

void services_incident(struct exec *exec, json_t *args, struct op *op)
{
    static const char *const keys[] = {"action", "key", "title", "severity", "labels", NULL};
    tell(exec, "incident", args, keys, op);
}

/* The channels of the server, as {NAME: null | why this run cannot use it}; NULL: there is no server to know. */
static GError *refuse_channel(const json_t *channels, const char *name)
{
    const json_t *found = json_object_get(channels, name);
    if (!json_is_object(channels) || json_is_null(found))
        return NULL;
    if (found)
        return g_error_new(HIKESHI_ERROR, ERROR_UNSUPPORTED, "notify: %s", json_string_value(found));
    g_autoptr(GString) known = g_string_new(NULL);
    const char *other;
    json_t *value;
    json_object_foreach ((json_t *)channels, other, value)
        g_string_append_printf(known, "%s%s", known->len ? ", " : "", other);
    return g_error_new(HIKESHI_ERROR, ERROR_NOT_FOUND, "notify: there is no channel '%.60s'; there %s%s", name,
                       known->len ? "are: " : "is none", known->str);
}

void services_notify(struct exec *exec, json_t *args, struct op *op)
{
    static const char *const keys[] = {"channel", "template", "values", "text", NULL};
    GError *error =
        refuse_channel(json_object_get(exec->options.job, "channels"), json_get_string(args, "channel", ""));
    if (error)
        op_done(op, NULL, error);
    else
        tell(exec, "message", args, keys, op);
}

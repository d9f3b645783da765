/* sse: splits a byte stream into lines and lines into events. Knows no HTTP. */
#include "cli/sse.h"
#include "core/limits.h"
#include <glib.h>
#include <string.h>

struct sse {
    sse_fn fn;
    void *arg;
    GString *line, *data;
    char *event, *id;
    bool skip_newline; /* the last byte was CR: a following LF belongs to it */
    bool overflowed;
};

struct sse *sse_new(sse_fn fn, void *arg)
{
    struct sse *sse = g_new0(struct sse, 1);
    sse->fn = fn;
    sse->arg = arg;
    sse->line = g_string_new(NULL);
    sse->data = g_string_new(NULL);
    return sse;
}

void sse_free(struct sse *sse)
{
    if (!sse)
        return;
    g_string_free(sse->line, TRUE);
    g_string_free(sse->data, TRUE);
    g_free(sse->event);
    g_free(sse->id);
    g_free(sse);
}

static bool dispatch(struct sse *sse)
{
    bool more = true;
    if (sse->data->len) {
        g_string_truncate(sse->data, sse->data->len - 1);
        more = sse->fn(sse->arg, sse->event ? sse->event : "message", sse->id, sse->data->str);
    }
    g_string_truncate(sse->data, 0);
    g_clear_pointer(&sse->event, g_free);
    return more;
}

static bool take_line(struct sse *sse)
{
    char *line = sse->line->str;
    if (!*line)
        return dispatch(sse);
    char *value = strchr(line, ':');
    if (value == line)
        return true; /* a comment: keeps the connection alive */
    if (value) {
        *value++ = '\0';
        value += *value == ' ';
    } else {
        value = line + strlen(line);
    }
    if (strcmp(line, "data") == 0) {
        g_string_append(sse->data, value);
        g_string_append_c(sse->data, '\n');
    } else if (strcmp(line, "event") == 0) {
        g_free(sse->event);
        sse->event = g_strdup(value);
    } else if (strcmp(line, "id") == 0) {
        g_free(sse->id);
        sse->id = g_strdup(value);
    }
    return true;
}

bool sse_feed(struct sse *sse, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (c == '\n' && sse->skip_newline) {
            sse->skip_newline = false;
            continue;
        }
        sse->skip_newline = c == '\r';
        if (c != '\n' && c != '\r') {
            g_string_append_c(sse->line, c);
            if (sse->line->len + sse->data->len <= LIMIT_RUNNER_BODY_BYTES)
                continue;
            sse->overflowed = true;
            return false;
        }
        bool more = take_line(sse);
        g_string_truncate(sse->line, 0);
        if (!more)
            return false;
    }
    return true;
}

bool sse_overflowed(const struct sse *sse)
{
    return sse->overflowed;
}

const char *sse_last_id(const struct sse *sse)
{
    return sse->id;
}

void sse_reconnected(struct sse *sse)
{
    g_string_truncate(sse->line, 0);
    g_string_truncate(sse->data, 0);
    g_clear_pointer(&sse->event, g_free);
    sse->skip_newline = false;
}

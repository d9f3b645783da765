/* log: formats one line and hands it to stderr in one write. Knows nothing of rotation or shipping. */
#include "core/log.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/limits.h"
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static struct {
    char process[32];
    int level, format;
} settings = {.process = "hikeshi", .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_TEXT};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(const char *process, enum log_level level, enum log_format format)
{
    g_strlcpy(settings.process, process, sizeof settings.process);
    settings.level = level;
    settings.format = format;
}

bool log_level_from_name(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < G_N_ELEMENTS(level_names); i++)
        if (strcmp(level_names[i], name) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    return false;
}

/* What a terminal might act upon, or a reader might take for the end of the line. */
static bool is_hostile(gunichar c)
{
    GUnicodeType type = g_unichar_type(c);
    return !g_unichar_isprint(c) || type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR;
}

static void append_escaped(GString *line, const char *text, size_t length)
{
    for (const char *at = text, *end = text + length; at < end;) {
        gunichar c = g_utf8_get_char_validated(at, end - at);
        if (c == (gunichar)-1 || c == (gunichar)-2) {
            g_string_append_printf(line, "\\x%02x", (unsigned char)*at++);
            continue;
        }
        if (c == '"' || c == '\\')
            g_string_append_printf(line, "\\%c", (char)c);
        else if (c == '\n')
            g_string_append(line, "\\n");
        else if (is_hostile(c))
            g_string_append_printf(line, c < 0x80 ? "\\x%02x" : "\\u{%x}", (unsigned)c);
        else
            g_string_append_unichar(line, c);
        at = g_utf8_next_char(at);
    }
}

/* A plain word stands as it is; anything else in quotes, so that a value can never look like another pair. */
static void append_value(GString *line, const char *value)
{
    if (value == NULL) {
        g_string_append_c(line, '-');
        return;
    }
    size_t length = strnlen(value, LIMIT_LOG_VALUE_BYTES);
    bool plain = length > 0 && value[length] == '\0' && strcmp(value, "-") != 0;
    for (size_t i = 0; plain && i < length; i++)
        plain = g_ascii_isalnum(value[i]) || strchr("-_.:/@+,%", value[i]) != NULL;
    if (plain) {
        g_string_append(line, value);
        return;
    }
    g_string_append_c(line, '"');
    append_escaped(line, value, length);
    g_string_append(line, value[length] != '\0' ? "…\"" : "\"");
}

static void format_text(GString *line, enum log_level level, const char *message, va_list pairs)
{
    g_autofree char *now = clock_format(clock_now_ms());
    g_string_append_printf(line, "%s %-5s %s: ", now, level_names[level], settings.process);
    append_escaped(line, message, strnlen(message, LIMIT_LOG_VALUE_BYTES));
    for (const char *key; (key = va_arg(pairs, const char *)) != NULL;) {
        g_string_append_printf(line, " %s=", key);
        append_value(line, va_arg(pairs, const char *));
    }
}

static void format_json(GString *line, enum log_level level, const char *message, va_list pairs)
{
    g_autofree char *now = clock_format(clock_now_ms());
    g_autoptr(json_t) object = json_object();
    json_set_string(object, "time", now);
    json_set_string(object, "level", level_names[level]);
    json_set_string(object, "process", settings.process);
    json_set_string(object, "message", message);
    for (const char *key; (key = va_arg(pairs, const char *)) != NULL;) {
        const char *value = va_arg(pairs, const char *);
        json_object_set_new(
            object, key, value == NULL ? json_null() : json_text_value(value, strnlen(value, LIMIT_LOG_VALUE_BYTES)));
    }
    g_autofree char *text = json_text(object);
    g_string_append(line, text);
}

void log_write(enum log_level level, const char *message, ...)
{
    if ((int)level < settings.level)
        return;
    GString *line = g_string_sized_new(256);
    va_list pairs;
    va_start(pairs, message);
    (settings.format == LOG_FORMAT_JSON ? format_json : format_text)(line, level, message, pairs);
    va_end(pairs);
    g_string_append_c(line, '\n');
    ssize_t written = write(STDERR_FILENO, line->str, line->len);
    (void)written; /* nobody is left to tell */
    g_string_free(line, TRUE);
}

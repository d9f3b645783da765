/* say: see say.h. */
#include "jobs/coverage/say.h"

static void add(const struct say *say, enum rule rule, enum finding_level level, const char *file, int line,
                const char *about, const char *suggestion, const char *format, va_list arguments)
{
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    finding_add(say->findings, rule_names[rule], level, file, line, line ? 1 : 0, suggestion, "%s", message);
    finding_about(say->findings, about);
}

void say_finding(const struct say *say, enum rule rule, const char *file, int line, const char *about,
                 const char *suggestion, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (say_wanted(say, rule))
        add(say, rule, (enum finding_level)say->settings->levels[rule], file, line, about, suggestion, format,
            arguments);
    va_end(arguments);
}

void say_at(const struct say *say, enum rule rule, enum finding_level level, const char *file, int line,
            const char *about, const char *suggestion, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (say_wanted(say, rule))
        add(say, rule, level, file, line, about, suggestion, format, arguments);
    va_end(arguments);
}

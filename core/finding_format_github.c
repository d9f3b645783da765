/* finding_format_github: annotations and log text for GitHub Actions. Source: docs.github.com, "Workflow commands for
 * GitHub Actions"; the runner unescapes exactly what is escaped here. */
#include "core/crypto.h"
#include "core/finding_format.h"

/* What GitHub shows of each kind a step (docs.github.com, "Annotations"). */
enum { GITHUB_SHOWN = 10 };

static const char *const kinds[] = {"notice", "warning", "error"};

static void append_escaped(GString *out, const char *text, bool property)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    for (const char *at = valid; *at; at++) {
        if (*at == '%' || *at == '\r' || *at == '\n' || (property && (*at == ':' || *at == ',')))
            g_string_append_printf(out, "%%%02X", (unsigned char)*at);
        else
            g_string_append_c(out, *at);
    }
}

static void append_annotation(GString *out, const struct finding *finding)
{
    g_string_append_printf(out, "::%s file=", kinds[finding->level]);
    append_escaped(out, finding->file, true);
    if (finding->line > 0)
        g_string_append_printf(out, ",line=%d", finding->line);
    if (finding->line > 0 && finding->column > 0)
        g_string_append_printf(out, ",col=%d", finding->column);
    g_string_append(out, ",title=");
    append_escaped(out, finding->rule, true);
    g_string_append(out, "::");
    append_escaped(out, finding->message, false);
    if (finding->suggestion) {
        g_string_append(out, " (");
        append_escaped(out, finding->suggestion, false);
        g_string_append_c(out, ')');
    }
    g_string_append_c(out, '\n');
}

char *finding_format_github(const struct finding_list *list, size_t *ret_left_out)
{
    GString *out = g_string_new(NULL);
    size_t left_out = 0;
    for (int level = FINDING_ERROR; level >= FINDING_NOTE; level--) {
        size_t shown = 0;
        for (size_t i = 0; i < finding_count(list); i++) {
            const struct finding *finding = finding_at(list, i);
            if ((int)finding->level != level)
                continue;
            if (shown++ < GITHUB_SHOWN)
                append_annotation(out, finding);
            else
                left_out++;
        }
    }
    if (ret_left_out)
        *ret_left_out = left_out;
    return g_string_free(out, FALSE);
}

char *finding_format_github_log(const char *text)
{
    uint8_t random[16];
    crypto_random(random, sizeof random);
    g_autofree char *token = crypto_hex(random, sizeof random);
    const char *newline = *text && !g_str_has_suffix(text, "\n") ? "\n" : "";
    return g_strdup_printf("::stop-commands::%s\n%s%s::%s::\n", token, text, newline, token);
}

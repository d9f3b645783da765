#include "jobs/notify/notify.h"

#define PAUSE_DEFAULT_S 60
#define PAUSE_MAX_S     3600

/* Seconds as a header says them; dates, which Retry-After may also be, count as unreadable. */
static int64_t header_seconds(const struct http_response *response, const char *name)
{
    const char *text = g_hash_table_lookup(response->headers, name);
    guint64 seconds = 0;
    if (!text || !g_ascii_string_to_unsigned(text, 10, 0, PAUSE_MAX_S, &seconds, NULL))
        return -1;
    return (int64_t)seconds;
}

static int64_t pause_ms(const struct http_response *response)
{
    int64_t seconds = header_seconds(response, "retry-after");
    if (seconds < 0)
        seconds = header_seconds(response, "ratelimit-reset");
    if (seconds < 0)
        seconds = PAUSE_DEFAULT_S;
    return MAX(seconds, 1) * 1000;
}

/* The beginning of the answer, for people: why it was refused. */
static void append_reason(GString *text, const struct http_response *response)
{
    g_autofree char *valid = g_utf8_make_valid(response->body, (gssize)MIN(response->body_length, 200));
    g_string_append_printf(text, "the API answered %d", response->status);
    if (*g_strstrip(valid))
        g_string_append_printf(text, ": %s", valid);
}

struct notify_result notify_judge(const struct http_response *response, const GError *error, GString *text)
{
    struct notify_result result = {.outcome = NOTIFY_RETRY};
    g_string_truncate(text, 0);
    if (!response) {
        g_string_assign(text, error->message);
    } else if (response->status >= 200 && response->status < 300) {
        result.outcome = NOTIFY_SENT;
    } else {
        append_reason(text, response);
        if (response->status == 429)
            result.pause_ms = pause_ms(response);
        else if (response->status < 500 && response->status != 408)
            result.outcome = NOTIFY_DEAD;
    }
    result.error = text->str;
    return result;
}

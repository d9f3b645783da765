/* metrics: /readyz and /metrics, from what jobs/ counts. */
#include "core/errors.h"
#include "web/call.h"
#include "web/raw.h"
#include <string.h>

void ready_serve(struct web_call *call)
{
    g_autoptr(json_t) ready = jobs_ready(call->web->jobs);
    server_answer_json(call->request, json_get_bool(ready, "ready", false) ? 200 : 503, ready);
}

#define PREFIX "hikeshi_"

struct metric {
    const char *name; /* without PREFIX; labels may follow: runs{state="failed"} */
    double value;
};

/* A name ending in _total is a counter, everything else a gauge; the help is the name in words. */
static void append_family(GString *text, const char *name, size_t length)
{
    bool counter = length > 6 && memcmp(name + length - 6, "_total", 6) == 0;
    g_autofree char *words = g_strndup(name, length - (counter ? 6 : 0));
    g_strdelimit(words, "_", ' ');
    g_string_append_printf(text, "# HELP " PREFIX "%.*s %s%s\n", (int)length, name, words,
                           counter ? " since the start" : "");
    g_string_append_printf(text, "# TYPE " PREFIX "%.*s %s\n", (int)length, name, counter ? "counter" : "gauge");
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(((const struct metric *)a)->name, ((const struct metric *)b)->name);
}

static GArray *sorted_metrics(const json_t *object)
{
    GArray *metrics = g_array_new(FALSE, FALSE, sizeof(struct metric));
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        if (!json_is_number(value) && !json_is_boolean(value))
            continue;
        struct metric metric = {.name = g_str_has_prefix(key, PREFIX) ? key + strlen(PREFIX) : key};
        metric.value = json_is_boolean(value) ? (double)json_boolean_value(value) : json_number_value(value);
        g_array_append_val(metrics, metric);
    }
    g_array_sort(metrics, by_name);
    return metrics;
}

static char *metrics_text(const json_t *object)
{
    g_autoptr(GArray) metrics = sorted_metrics(object);
    GString *text = g_string_new(NULL);
    const char *family = "";
    size_t family_length = 0;
    for (guint i = 0; i < metrics->len; i++) {
        const struct metric *metric = &g_array_index(metrics, struct metric, i);
        size_t length = strcspn(metric->name, "{");
        if (length != family_length || memcmp(metric->name, family, length) != 0)
            append_family(text, metric->name, length);
        family = metric->name;
        family_length = length;
        char number[G_ASCII_DTOSTR_BUF_SIZE];
        g_string_append_printf(text, PREFIX "%s %s\n", metric->name,
                               g_ascii_dtostr(number, sizeof number, metric->value));
    }
    return g_string_free(text, FALSE);
}

void metrics_serve(struct web_call *call)
{
    g_autoptr(json_t) metrics = jobs_metrics(call->web->jobs);
    server_metrics(call->web->server, metrics);
    g_autofree char *text = metrics_text(metrics);
    server_answer(call->request, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, text, strlen(text));
}

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

/* A name ending in _total is a counter, everything else a gauge; the help is the name in words. Labels may follow the
 * name: runs{state="failed"}. */
static void append_family(GString *text, const char *name, size_t length)
{
    bool counter = length > 6 && memcmp(name + length - 6, "_total", 6) == 0;
    g_autofree char *words = g_strndup(name, length - (counter ? 6 : 0));
    g_strdelimit(words, "_", ' ');
    g_string_append_printf(text, "# HELP hikeshi_%.*s %s%s\n", (int)length, name, words,
                           counter ? " since the start" : "");
    g_string_append_printf(text, "# TYPE hikeshi_%.*s %s\n", (int)length, name, counter ? "counter" : "gauge");
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *metrics_text(const json_t *metrics)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)metrics, key, value)
        if (json_is_number(value) || json_is_boolean(value))
            g_ptr_array_add(names, (char *)(uintptr_t)key);
    g_ptr_array_sort(names, by_name);
    GString *text = g_string_new(NULL);
    const char *family = "";
    size_t family_length = 0;
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        size_t length = strcspn(name, "{");
        if (length != family_length || memcmp(name, family, length) != 0)
            append_family(text, name, length);
        family = name;
        family_length = length;
        const json_t *number = json_object_get(metrics, name);
        char buffer[G_ASCII_DTOSTR_BUF_SIZE];
        double plain = json_is_boolean(number) ? (double)json_boolean_value(number) : json_number_value(number);
        g_string_append_printf(text, "hikeshi_%s %s\n", name, g_ascii_dtostr(buffer, sizeof buffer, plain));
    }
    return g_string_free(text, FALSE);
}

void metrics_serve(struct web_call *call)
{
    g_autoptr(json_t) metrics = jobs_metrics(call->web->jobs);
    g_autofree char *text = metrics_text(metrics);
    server_answer(call->request, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, text, strlen(text));
}

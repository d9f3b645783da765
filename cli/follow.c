/* follow: the run's log through the live printer. */
#include "cli/follow.h"
#include "cli/live.h"
#include "cli/print.h"
#include <string.h>

#define PAGE_EVENTS 1000

struct follow {
    enum follow_mode mode;
    struct live *live;
};

static void show(struct follow *follow, const json_t *event)
{
    if (follow->mode == FOLLOW_JSON)
        print_json_line(event);
    else if (follow->mode == FOLLOW_TEXT)
        live_event(follow->live, event);
}

static bool on_event(void *arg, const char *event, const json_t *data)
{
    if (strcmp(event, "end") == 0)
        return false;
    if (json_object_get(data, "kind")) /* anything else is the stream's own business ("lagged") */
        show(arg, data);
    return true;
}

static bool follow_begin(struct follow *follow, struct client *client, const char *run, enum follow_mode mode,
                         GError **error)
{
    g_autofree char *path = client_path("/runs/", run, "");
    g_autoptr(json_t) found = client_get(client, path, error);
    if (!found)
        return false;
    *follow = (struct follow){.mode = mode, .live = live_new(stdout)};
    live_steps(follow->live, json_object_get(found, "steps"));
    return true;
}

json_t *follow_run(struct client *client, const char *run, enum follow_mode mode, GError **error)
{
    struct follow follow;
    if (!follow_begin(&follow, client, run, mode, error))
        return NULL;
    g_autofree char *log = client_path("/runs/", run, "/log"), *path = client_path("/runs/", run, "");
    bool ended = client_stream(client, log, on_event, &follow, error);
    live_free(follow.live);
    return ended ? client_get(client, path, error) : NULL;
}

bool follow_log(struct client *client, const char *run, enum follow_mode mode, GError **error)
{
    struct follow follow;
    if (!follow_begin(&follow, client, run, mode, error))
        return false;
    json_int_t after = 0;
    bool fine = true;
    for (bool more = true; more;) {
        g_autofree char *query = g_strdup_printf("/log?limit=%d&after=%" JSON_INTEGER_FORMAT, PAGE_EVENTS, after);
        g_autofree char *path = client_path("/runs/", run, query);
        g_autoptr(json_t) page = client_get(client, path, error);
        const json_t *items = json_object_get(page, "items");
        size_t index;
        json_t *event;
        json_array_foreach (items, index, event) {
            show(&follow, event);
            after = json_get_integer(event, "n", after);
        }
        fine = page != NULL;
        more = fine && json_array_size(items) > 0;
    }
    live_free(follow.live);
    return fine;
}

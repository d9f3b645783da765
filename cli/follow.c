/* follow: the run's log through the live printer. */
#include "cli/follow.h"
#include "cli/live.h"
#include "cli/print.h"
#include <string.h>

#define PAGE_EVENTS 1000

struct follow {
    enum follow_mode mode;
    struct live *live;
    json_int_t last; /* the number of the last event seen: where to go on from */
    bool pause;      /* stop when a person is asked */
    bool ended;      /* the server said that the log is complete */
};

static void show(struct follow *follow, const json_t *event)
{
    follow->last = json_get_integer(event, "n", follow->last);
    if (follow->mode == FOLLOW_JSON)
        print_json_line(event);
    else if (follow->mode == FOLLOW_TEXT)
        live_event(follow->live, event);
}

/* The server's own event that a step is asked for approval. It may be of the past: the caller looks at the run. */
static bool asks_a_person(const json_t *event)
{
    return g_strcmp0(json_get_string(event, "kind", NULL), "step") == 0 &&
           g_strcmp0(json_get_string(event, "state", NULL), "waiting") == 0;
}

static bool on_event(void *arg, const char *event, const json_t *data)
{
    struct follow *follow = arg;
    follow->ended = strcmp(event, "end") == 0;
    if (follow->ended)
        return false;
    if (!json_object_get(data, "kind")) /* the stream's own business ("lagged") */
        return true;
    show(follow, data);
    return !follow->pause || !asks_a_person(data);
}

static json_t *get_run(struct client *client, const char *run, GError **error)
{
    g_autofree char *path = client_path("/runs/", run, "");
    return client_get(client, path, error);
}

static bool follow_begin(struct follow *follow, struct client *client, const char *run, enum follow_mode mode,
                         GError **error)
{
    g_autoptr(json_t) found = get_run(client, run, error);
    if (!found)
        return false;
    *follow = (struct follow){.mode = mode, .live = live_new(stdout)};
    live_steps(follow->live, json_object_get(found, "steps"));
    return true;
}

/* Until the log has ended or pauses for a person; then the run as it is now. */
static json_t *follow_on(struct follow *follow, struct client *client, const char *run, GError **error)
{
    g_autofree char *query = g_strdup_printf("/log?after=%" JSON_INTEGER_FORMAT, follow->last);
    g_autofree char *path = client_path("/runs/", run, query);
    return client_stream(client, path, on_event, follow, error) ? get_run(client, run, error) : NULL;
}

static bool is_waiting(const json_t *run)
{
    return g_strcmp0(json_get_string(run, "state", NULL), "waiting") == 0;
}

json_t *follow_run(struct client *client, const char *run, enum follow_mode mode, bool pause, GError **error)
{
    struct follow follow;
    if (!follow_begin(&follow, client, run, mode, error))
        return NULL;
    follow.pause = pause;
    json_t *now = NULL;
    do {
        json_decref(now);
        now = follow_on(&follow, client, run, error);
    } while (now && !follow.ended && !is_waiting(now));
    live_free(follow.live);
    return now;
}

bool follow_log(struct client *client, const char *run, enum follow_mode mode, GError **error)
{
    struct follow follow;
    if (!follow_begin(&follow, client, run, mode, error))
        return false;
    bool fine = true;
    for (bool more = true; more;) {
        g_autofree char *query = g_strdup_printf("/log?limit=%d&after=%" JSON_INTEGER_FORMAT, PAGE_EVENTS, follow.last);
        g_autofree char *path = client_path("/runs/", run, query);
        g_autoptr(json_t) page = client_get(client, path, error);
        const json_t *items = json_object_get(page, "items");
        size_t index;
        json_t *event;
        json_array_foreach (items, index, event) {
            show(&follow, event);
        }
        fine = page != NULL;
        more = fine && json_array_size(items) > 0;
    }
    live_free(follow.live);
    return fine;
}

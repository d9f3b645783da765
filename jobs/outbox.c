/* outbox: the rows that wait to be sent, and the channels they are for. Sending: outbox_send.c. */
#include "jobs/outbox.h"
#include "core/clock.h"
#include "core/errors.h"
#include "jobs/call.h"
#include "jobs/outbox_private.h"
#include "jobs/view.h"

static const struct notify_kind *const notify_kinds[] = {
    &notify_pagerduty,
    &notify_webhook,
    NULL,
};

/* --- written by others, inside their store jobs --- */

/* Steps end in quick succession: the message is edited a little later, once for all of them. */
static bool may_wait(const char *event)
{
    static const char *const noisy[] = {"run_started", "step_ended", "note", "message", NULL};
    return g_strv_contains(noisy, event);
}

bool outbox_add(struct store_tx *tx, const char *event, const char *incident, const char *run, json_t *detail,
                GError **error)
{
    return store_exec(tx, SQL_OUTBOX_ADD, NULL, error, "sssjiin", event, incident, run, detail, clock_now_ms(),
                      may_wait(event) ? (int64_t)LIVE_DELAY_MS : (int64_t)0);
}

bool outbox_add_to(struct store_tx *tx, const char *channel, const char *event, const char *incident, const char *run,
                   json_t *detail, bool *ret_known, GError **error)
{
    int64_t changes = 0;
    bool fine = store_exec(tx, SQL_OUTBOX_ADD, &changes, error, "sssjiis", event, incident, run, detail, clock_now_ms(),
                           may_wait(event) ? (int64_t)LIVE_DELAY_MS : (int64_t)0, channel);
    *ret_known = changes > 0;
    return fine;
}

/* --- configuration --- */

void outbox_channel_free(void *data)
{
    struct channel *channel = data;
    if (channel->settings)
        channel->kind->settings_free(channel->settings);
    g_free(channel->name);
    g_free(channel);
}

static const struct notify_kind *kind_by_name(const char *name)
{
    for (const struct notify_kind *const *kind = notify_kinds; *kind; kind++)
        if (g_strcmp0((*kind)->name, name) == 0)
            return *kind;
    return NULL;
}

static struct channel *configure_one(const char *name, const struct yaml_node *node, GError **error)
{
    const struct yaml_node *kind_node = yaml_get(node, "kind");
    const struct notify_kind *kind = kind_node && kind_node->kind == YAML_STRING ? kind_by_name(kind_node->text) : NULL;
    if (!kind) {
        const char *word = kind_node && kind_node->kind == YAML_STRING ? kind_node->text : NULL;
        errors_set(error, ERROR_CONFIG, "line %d: channel '%s' %s%s%s; the kinds are pagerduty, webhook", node->line,
                   name, word ? "is of an unknown kind '" : "has no kind", word ? word : "", word ? "'" : "");
        return NULL;
    }
    g_autofree char *owner = g_strdup_printf("channel '%s'", name);
    void *settings = kind->configure(owner, node, error);
    if (!settings)
        return NULL;
    struct channel *channel = g_new0(struct channel, 1);
    channel->kind = kind;
    channel->name = g_strdup(name);
    channel->settings = settings;
    return channel;
}

static GPtrArray *configure(const struct yaml_node *tree, GError **error)
{
    g_autoptr(GPtrArray) channels = g_ptr_array_new_with_free_func(outbox_channel_free);
    if (tree && tree->kind != YAML_MAP && tree->kind != YAML_NULL) {
        errors_set(error, ERROR_CONFIG, "line %d: 'channels' must be a map of names", tree->line);
        return NULL;
    }
    for (size_t i = 0; tree && i < tree->count; i++) {
        const struct yaml_node *enabled = yaml_get(tree->items[i], "enabled");
        struct channel *channel = configure_one(tree->keys[i]->text, tree->items[i], error);
        if (!channel)
            return NULL;
        if (enabled && enabled->kind == YAML_BOOL && !enabled->boolean)
            outbox_channel_free(channel);
        else
            g_ptr_array_add(channels, channel);
    }
    return g_steal_pointer(&channels);
}

/* Tells the database who hears of what: adding a message is then one statement in anybody's transaction. */
struct announcement {
    const GPtrArray *channels;
    const struct yaml_node *sources;
};

static bool announce_channel(struct store_tx *tx, const struct announcement *a, const struct channel *channel,
                             GError **error)
{
    if (!channel->kind->source_kind)
        return store_exec(tx, SQL_CHANNEL_ADD, NULL, error, "ssbb", channel->name, "", channel->kind->live,
                          channel->kind->resolves);
    for (size_t i = 0; a->sources && i < a->sources->count; i++) {
        const struct yaml_node *kind = yaml_get(a->sources->items[i], "kind");
        if (kind && g_strcmp0(kind->text, channel->kind->source_kind) == 0 &&
            !store_exec(tx, SQL_CHANNEL_ADD, NULL, error, "ssbb", channel->name, a->sources->keys[i]->text,
                        channel->kind->live, channel->kind->resolves))
            return false;
    }
    return true;
}

static bool announce(struct store_tx *tx, void *arg, GError **error)
{
    const struct announcement *a = arg;
    if (!store_exec(tx, SQL_CHANNEL_CLEAR, NULL, error, ""))
        return false;
    for (guint i = 0; i < a->channels->len; i++)
        if (!announce_channel(tx, a, a->channels->pdata[i], error))
            return false;
    return store_exec(tx, SQL_OUTBOX_ORPHANS, NULL, error, "i", clock_now_ms());
}

/* Whether the channel hears of incidents of this source, by the kinds of both. */
static bool hears(const struct jobs *jobs, const struct channel *channel, const char *source)
{
    const struct yaml_node *sources = config_tree(jobs->config, "sources");
    const struct yaml_node *node = source && sources ? yaml_get(sources, source) : NULL;
    const struct yaml_node *kind = node ? yaml_get(node, "kind") : NULL;
    return !channel->kind->source_kind || (kind && g_strcmp0(kind->text, channel->kind->source_kind) == 0);
}

json_t *outbox_channels(struct jobs *jobs, const char *source)
{
    json_t *channels = json_object();
    for (guint i = 0; jobs->outbox && i < jobs->outbox->channels->len; i++) {
        const struct channel *channel = jobs->outbox->channels->pdata[i];
        g_autofree char *why =
            hears(jobs, channel, source)
                ? NULL
                : g_strdup_printf("the channel '%s' writes on incidents of %s, and this run is for none", channel->name,
                                  channel->kind->name);
        json_set_string(channels, channel->name, why);
    }
    return channels;
}

static void on_timer(void *arg)
{
    struct outbox_service *service = arg;
    service->wanted = true;
    outbox_pull(service);
}

void outbox_kick(struct jobs *jobs)
{
    if (!jobs->outbox)
        return;
    jobs->outbox->wanted = true;
    outbox_pull(jobs->outbox);
}

/* --- life --- */

struct outbox_service *outbox_service_new(struct jobs *jobs, GError **error)
{
    g_autoptr(GPtrArray) channels = configure(config_tree(jobs->config, "channels"), error);
    if (!channels)
        return NULL;
    struct announcement announcement = {.channels = channels, .sources = config_tree(jobs->config, "sources")};
    if (!store_sync(jobs->store, announce, &announcement, error))
        return NULL;
    struct outbox_service *service = g_new0(struct outbox_service, 1);
    service->jobs = jobs;
    service->channels = g_steal_pointer(&channels);
    service->flying = g_hash_table_new(g_int64_hash, g_int64_equal);
    service->recorded = g_ptr_array_new();
    service->timer = loop_timer_new(jobs->loop, on_timer, service);
    service->backoff_ms = BACKOFF_MS;
    service->references = 1;
    outbox_arm(service, 0); /* what was not sent before a restart */
    return service;
}

void outbox_service_free(struct outbox_service *service)
{
    if (!service)
        return;
    service->closed = true;
    g_clear_pointer(&service->timer, loop_timer_free);
    outbox_cancel(service);
    outbox_service_unref(service);
}

void outbox_set_backoff_ms(struct outbox_service *service, int64_t backoff_ms)
{
    service->backoff_ms = backoff_ms;
}

bool outbox_counts(struct store_tx *tx, json_t *metrics, GError **error)
{
    g_autoptr(json_t) rows = NULL;
    size_t i;
    json_t *row;
    if (!store_list(tx, SQL_OUTBOX_COUNTS, &rows, error, ""))
        return false;
    json_object_set_new(metrics, "hikeshi_outbox_pending", json_integer(0));
    json_object_set_new(metrics, "hikeshi_outbox_dead", json_integer(0));
    json_array_foreach (rows, i, row) {
        g_autofree char *name = g_strconcat("hikeshi_outbox_", json_get_string(row, "state", "unknown"), NULL);
        json_object_set(metrics, name, json_object_get(row, "count"));
    }
    return true;
}

/* --- the API --- */

static json_t *row_shape(struct store_tx *tx, const struct call *call, const json_t *row, GError **error)
{
    (void)tx, (void)call, (void)error;
    static const char *const same[] = {"channel", "event", "incident", "run", "state", "tries", "last_error", NULL};
    json_t *item = json_object();
    g_autofree char *id = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_get_integer(row, "seq", 0));
    json_set_string(item, "id", id);
    view_copy(item, row, same);
    json_object_set_new(item, "created_at", view_time(row, "created_at"));
    json_object_set_new(item, "due_at", view_time(row, "due_at"));
    json_object_set_new(item, "sent_at", view_time(row, "sent_at"));
    return item;
}

static bool list_job(struct store_tx *tx, struct call *call, GError **error)
{
    static const char *const states[] = {"pending", "sent", "dead", NULL};
    const char *state;
    g_autoptr(json_t) rows = NULL;
    return call_choice(call->request, "state", states, &state, error) &&
           store_list(tx, SQL_OUTBOX_LIST, &rows, error, "sssii", state, call_string(call->request, "channel"),
                      call_string(call->request, "incident"),
                      call_integer(call->request, "after", G_MAXINT64, G_MAXINT64), call_limit(call->request) + 1) &&
           call_list(tx, call, rows, row_shape, error);
}

void outbox_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, list_job, done, arg);
}

/* feed: subscriptions by topic. Loop thread only; keeps nothing. */
#include "jobs/feed.h"

struct feed {
    GHashTable *topics; /* topic → GPtrArray of struct feed_subscription*; emptied arrays are removed */
    guint subscriptions;
    guint publishing; /* depth: while it is not 0, ended subscriptions are only marked */
    bool stale;       /* some are marked */
};

struct feed_subscription {
    struct feed *feed;
    char *topic;
    void (*fn)(void *arg, const json_t *event); /* NULL: ended */
    void *arg;
};

static void subscription_free(void *data)
{
    struct feed_subscription *subscription = data;
    g_free(subscription->topic);
    g_free(subscription);
}

struct feed *feed_new(void)
{
    struct feed *feed = g_new0(struct feed, 1);
    feed->topics = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    return feed;
}

void feed_free(struct feed *feed)
{
    if (!feed)
        return;
    g_hash_table_unref(feed->topics);
    g_free(feed);
}

bool feed_idle(const struct feed *feed)
{
    return feed->subscriptions == 0;
}

static gboolean drop_ended(void *topic, void *value, void *arg)
{
    (void)topic, (void)arg;
    GPtrArray *list = value;
    for (guint i = list->len; i-- > 0;)
        if (!((struct feed_subscription *)list->pdata[i])->fn)
            g_ptr_array_remove_index(list, i);
    return list->len == 0;
}

static void sweep(struct feed *feed)
{
    if (feed->publishing > 0 || !feed->stale)
        return;
    feed->stale = false;
    g_hash_table_foreach_remove(feed->topics, drop_ended, NULL);
}

void feed_publish(struct feed *feed, const char *topic, const json_t *event)
{
    GPtrArray *list = g_hash_table_lookup(feed->topics, topic);
    if (!list)
        return;
    feed->publishing++;
    guint count = list->len; /* those who subscribe from a callback hear the next event */
    for (guint i = 0; i < count; i++) {
        struct feed_subscription *subscription = list->pdata[i];
        if (subscription->fn)
            subscription->fn(subscription->arg, event);
    }
    feed->publishing--;
    sweep(feed);
}

struct feed_subscription *feed_subscribe(struct feed *feed, const char *topic,
                                         void (*fn)(void *arg, const json_t *event), void *arg)
{
    struct feed_subscription *subscription = g_new(struct feed_subscription, 1);
    *subscription = (struct feed_subscription){.feed = feed, .topic = g_strdup(topic), .fn = fn, .arg = arg};
    GPtrArray *list = g_hash_table_lookup(feed->topics, topic);
    if (!list) {
        list = g_ptr_array_new_with_free_func(subscription_free);
        g_hash_table_insert(feed->topics, g_strdup(topic), list);
    }
    g_ptr_array_add(list, subscription);
    feed->subscriptions++;
    return subscription;
}

void feed_unsubscribe(struct feed_subscription *subscription)
{
    if (!subscription)
        return;
    struct feed *feed = subscription->feed;
    subscription->fn = NULL;
    feed->subscriptions--;
    feed->stale = true;
    sweep(feed);
}

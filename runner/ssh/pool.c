/* pool: see pool.h and ssh.h. Knows destinations, sessions and queues; no command. */
#include "runner/ssh/pool.h"
#include "core/errors.h"
#include "core/limits.h"
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { DEFAULT_IDLE_MS = 60 * 1000, DEFAULT_KEEPALIVE_MS = 15 * 1000, DEFAULT_MAX_CHANNELS = 9, MAX_TRIES = 4 };
enum { LEAST_KEEPALIVE_MS = 2000 }; /* libssh2 asks no more often, and who is not asked is silent */
/* An sshd takes ten newcomers at a time before it begins to hang up on some (MaxStartups 10:30:100). Through a jump
 * host they go to many servers; what is bounded there is its work. */
enum { DEFAULT_CONNECTS = 100, CONNECTS_TO_ONE = 8, CONNECTS_THROUGH_ONE = 32 };
/* 56 KiB each. The other descriptors are for looking and stopping, DNS, keys and the server. */
enum { DEFAULT_MAX_SESSIONS = 1000, OTHER_DESCRIPTORS = 128 };

struct ssh_pool {
    struct loop *loop;
    char *user, *known_hosts_path;
    struct ssh_passwords *passwords;
    bool agent;
    int64_t connect_timeout_ms, idle_ms, keepalive_ms;
    guint max_channels, max_sessions;
    struct ssh_doors *doors;
    struct ssh_identities *identities;
    GHashTable *hosts; /* target key → struct ssh_host* */
    guint sessions;    /* those of hosts, retired ones aside */
    GQueue idle;       /* struct ssh_host*: with a session that nobody uses, the longest first */
    GQueue hopefuls;   /* struct ssh_host*: would connect, were there not so many sessions */
    struct loop_timer *serve_timer;
    GPtrArray *tasks;
    struct known_hosts *known_hosts;
    GPtrArray *old_known_hosts; /* sessions may still look at them */
    struct stat known_hosts_stat;
    json_int_t connects;
    bool closing;
};

struct ssh_host {
    struct ssh_pool *pool;
    struct ssh_target *target;
    struct ssh_session *session; /* NULL = none yet, or lost */
    GPtrArray *retired;          /* struct retired*: they serve those that they have */
    GQueue queue;                /* struct ssh_request* */
    guint max_channels;          /* lowered when the server opens fewer */
    struct loop_timer *idle_timer;
    GList idle_link, hopeful_link; /* in the pool's queues while data is set */
};

struct retired {
    struct ssh_host *host;
    struct ssh_session *session;
};

static void retired_free(void *pointer)
{
    struct retired *retired = pointer;
    ssh_session_close(retired->session);
    g_free(retired);
}

/* In or out, whatever it was. */
static void enlist(GQueue *queue, GList *link, struct ssh_host *host, bool in)
{
    if (in && link->data == NULL) {
        link->data = host;
        g_queue_push_tail_link(queue, link);
    } else if (!in && link->data != NULL) {
        g_queue_unlink(queue, link);
        link->data = NULL;
    }
}

static struct ssh_session *take_session(struct ssh_host *host)
{
    enlist(&host->pool->idle, &host->idle_link, host, false);
    host->pool->sessions -= host->session != NULL;
    if (!g_queue_is_empty(&host->pool->hopefuls))
        loop_timer_start(host->pool->serve_timer, 0, 0);
    return g_steal_pointer(&host->session);
}

static void host_free(void *pointer)
{
    struct ssh_host *host = pointer;
    enlist(&host->pool->hopefuls, &host->hopeful_link, host, false);
    ssh_session_close(take_session(host));
    g_ptr_array_unref(host->retired);
    loop_timer_free(host->idle_timer);
    ssh_target_unref(host->target);
    g_queue_clear(&host->queue);
    g_free(host);
}

static void *init_library(void *unused)
{
    (void)unused;
    if (libssh2_init(0) != 0)
        g_error("libssh2 cannot be initialised");
    return NULL;
}

static char *known_hosts_path(const char *path)
{
    if (path == NULL)
        return g_build_filename(g_get_home_dir(), ".ssh", "known_hosts", NULL);
    return g_str_has_prefix(path, "~/") ? g_build_filename(g_get_home_dir(), path + 2, NULL) : g_strdup(path);
}

static void serve_hopefuls(void *arg);

static guint most_sessions(int wanted)
{
    guint most = wanted > 0 ? (guint)wanted : DEFAULT_MAX_SESSIONS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return most;
    return (guint)MIN(most,
                      limit.rlim_cur > 2 * OTHER_DESCRIPTORS ? limit.rlim_cur - OTHER_DESCRIPTORS : limit.rlim_cur / 2);
}

struct ssh_pool *ssh_pool_new(struct loop *loop, const struct ssh_settings *settings)
{
    static GOnce once = G_ONCE_INIT;
    g_once(&once, init_library, NULL);
    struct ssh_pool *pool = g_new0(struct ssh_pool, 1);
    pool->loop = loop;
    pool->user = g_strdup(settings->user);
    pool->agent = settings->agent;
    pool->passwords = ssh_passwords_new(settings->password, settings->sudo_password, settings->passwords);
    pool->known_hosts_path = known_hosts_path(settings->known_hosts);
    pool->connect_timeout_ms = settings->connect_timeout_ms ? settings->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS;
    pool->idle_ms = settings->idle_ms ? settings->idle_ms : DEFAULT_IDLE_MS;
    pool->keepalive_ms =
        settings->keepalive_ms ? MAX(settings->keepalive_ms, LEAST_KEEPALIVE_MS) : DEFAULT_KEEPALIVE_MS;
    pool->max_channels = settings->max_channels > 0 ? (guint)settings->max_channels : DEFAULT_MAX_CHANNELS;
    pool->max_sessions = most_sessions(settings->max_sessions);
    pool->doors = ssh_doors_new(settings->connects_at_once > 0 ? (guint)settings->connects_at_once : DEFAULT_CONNECTS,
                                CONNECTS_TO_ONE, CONNECTS_THROUGH_ONE);
    g_queue_init(&pool->idle);
    g_queue_init(&pool->hopefuls);
    pool->serve_timer = loop_timer_new(loop, serve_hopefuls, pool);
    pool->identities = ssh_identities_new(loop, settings->identities, settings->passphrase);
    pool->hosts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, host_free);
    pool->tasks = g_ptr_array_new();
    pool->old_known_hosts = g_ptr_array_new_with_free_func((GDestroyNotify)known_hosts_free);
    return pool;
}

void ssh_pool_free(struct ssh_pool *pool)
{
    if (pool == NULL)
        return;
    pool->closing = true;
    while (pool->tasks->len > 0) {
        struct ssh_task *task = g_ptr_array_index(pool->tasks, pool->tasks->len - 1);
        task->abort(task->arg);
    }
    g_hash_table_unref(pool->hosts);
    loop_timer_free(pool->serve_timer);
    g_ptr_array_unref(pool->tasks);
    ssh_doors_free(pool->doors);
    ssh_identities_free(pool->identities);
    known_hosts_free(pool->known_hosts);
    g_ptr_array_unref(pool->old_known_hosts);
    g_free(pool->user);
    ssh_passwords_free(pool->passwords);
    g_free(pool->known_hosts_path);
    g_free(pool);
}

void ssh_pool_add_task(struct ssh_pool *pool, struct ssh_task *task)
{
    g_ptr_array_add(pool->tasks, task);
}

void ssh_pool_remove_task(struct ssh_pool *pool, struct ssh_task *task)
{
    g_ptr_array_remove_fast(pool->tasks, task);
}

struct loop *ssh_pool_loop(const struct ssh_pool *pool)
{
    return pool->loop;
}

const struct ssh_passwords *ssh_pool_passwords(const struct ssh_pool *pool)
{
    return pool->passwords;
}

struct ssh_target *ssh_pool_target(struct ssh_pool *pool, const json_t *host, const json_t *inventory, GError **error)
{
    if (pool->closing) { /* the end of one operation must not start the next */
        errors_set(error, ERROR_CANCELLED, "the runner is closing its connections");
        return NULL;
    }
    return ssh_target_new(host, inventory, pool->user, error);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

const struct known_hosts *ssh_pool_known_hosts(struct ssh_pool *pool, GError **error)
{
    struct stat now = {0};
    if (stat(pool->known_hosts_path, &now) != 0)
        memset(&now, 0, sizeof now);
    if (pool->known_hosts != NULL && same_file(&now, &pool->known_hosts_stat))
        return pool->known_hosts;
    struct known_hosts *fresh = known_hosts_load(pool->known_hosts_path, error);
    if (fresh == NULL)
        return NULL;
    if (pool->known_hosts != NULL)
        g_ptr_array_add(pool->old_known_hosts, pool->known_hosts);
    pool->known_hosts = fresh;
    pool->known_hosts_stat = now;
    return fresh;
}

struct ssh_session *ssh_pool_new_session(struct ssh_pool *pool, struct ssh_target *target,
                                         const struct ssh_session_options *callbacks, GError **error)
{
    const struct known_hosts *known = ssh_pool_known_hosts(pool, error);
    if (known == NULL)
        return NULL;
    struct ssh_session_options options = *callbacks;
    options.loop = pool->loop;
    options.pool = pool;
    options.doors = pool->doors;
    options.target = target;
    options.known_hosts = known;
    options.known_hosts_path = pool->known_hosts_path;
    options.identities = pool->identities;
    options.agent = pool->agent;
    options.passwords = pool->passwords;
    options.connect_timeout_ms = pool->connect_timeout_ms;
    options.keepalive_ms = pool->keepalive_ms;
    pool->connects++;
    return ssh_session_new(&options);
}

/* ---- one destination ---- */

static void host_dispatch(struct ssh_host *host);

static void fail_request(struct ssh_request *request, const GError *error)
{
    request->queued = false;
    request->failed(request->arg, error);
}

/* Those that wait now; a failed one may queue again from its callback. */
static void fail_queue(struct ssh_host *host, const GError *error)
{
    for (guint left = g_queue_get_length(&host->queue); left > 0 && !g_queue_is_empty(&host->queue); left--)
        fail_request(g_queue_pop_head(&host->queue), error);
}

static void session_ready(void *arg)
{
    host_dispatch(arg);
}

static void session_closed(void *arg, const GError *error)
{
    struct ssh_host *host = arg;
    ssh_session_close(take_session(host));
    if (!g_error_matches(error, HIKESHI_ERROR, ERROR_LOST)) {
        fail_queue(host, error);
        host_dispatch(host);
        return;
    }
    /* A warm session went away: those who wait get a new one, but not for ever. */
    for (guint left = g_queue_get_length(&host->queue); left > 0 && !g_queue_is_empty(&host->queue); left--) {
        struct ssh_request *request = g_queue_pop_head(&host->queue);
        if (++request->tries >= MAX_TRIES)
            fail_request(request, error);
        else
            g_queue_push_tail(&host->queue, request);
    }
    host_dispatch(host);
}

static void retired_closed(void *arg, const GError *error)
{
    (void)error; /* its channels have heard */
    struct retired *retired = arg;
    struct ssh_host *host = retired->host;
    g_ptr_array_remove_fast(host->retired, retired);
    host_dispatch(host);
}

/* Hosts behind it go on over the session that they have; others get another one. */
static void session_stuck(void *arg)
{
    struct ssh_host *host = arg;
    struct retired *retired = g_new(struct retired, 1);
    *retired = (struct retired){host, take_session(host)};
    g_ptr_array_add(host->retired, retired);
    ssh_session_retire(retired->session, retired_closed, retired);
    host_dispatch(host);
}

/* Room for one more session: an unused one goes for it. Jump hosts always have it: those behind them wait for them. */
static bool make_room(struct ssh_host *host)
{
    struct ssh_pool *pool = host->pool;
    const struct ssh_request *first = g_queue_peek_head(&host->queue);
    if (pool->sessions < pool->max_sessions || first->tunnel)
        return true;
    struct ssh_host *oldest = g_queue_peek_head(&pool->idle);
    if (oldest != NULL)
        g_hash_table_remove(pool->hosts, oldest->target->key);
    return oldest != NULL;
}

/* From the timer: a place became free, or may be made of an idle one, whose callbacks may be on the stack then. */
static void serve_hopefuls(void *arg)
{
    struct ssh_pool *pool = arg;
    while (!g_queue_is_empty(&pool->hopefuls) &&
           (pool->sessions < pool->max_sessions || !g_queue_is_empty(&pool->idle))) {
        struct ssh_host *host = g_queue_peek_head(&pool->hopefuls);
        enlist(&pool->hopefuls, &host->hopeful_link, host, false);
        host_dispatch(host);
    }
}

static void host_connect(struct ssh_host *host)
{
    GError *error = NULL;
    host->max_channels = host->pool->max_channels;
    const struct ssh_session_options callbacks = {
        .ready = session_ready, .freed = session_ready, .stuck = session_stuck, .closed = session_closed, .arg = host};
    host->session = ssh_pool_new_session(host->pool, host->target, &callbacks, &error);
    host->pool->sessions += host->session != NULL;
    if (host->session == NULL)
        fail_queue(host, error);
    g_clear_error(&error);
}

static void idle(void *arg)
{
    struct ssh_host *host = arg;
    g_hash_table_remove(host->pool->hosts, host->target->key);
}

/* The first in the queue that the session has a place for, taken out; NULL when there is none. */
static struct ssh_request *next_request(struct ssh_host *host)
{
    bool room = ssh_session_commands(host->session) < host->max_channels;
    for (GList *link = host->queue.head; link != NULL; link = link->next) {
        struct ssh_request *request = link->data;
        if (!room && !request->tunnel)
            continue;
        g_queue_delete_link(&host->queue, link);
        request->queued = false;
        return request;
    }
    return NULL;
}

static void host_dispatch(struct ssh_host *host)
{
    if (host->pool->closing)
        return;
    while (!g_queue_is_empty(&host->queue)) {
        if (host->session == NULL && !make_room(host)) {
            enlist(&host->pool->hopefuls, &host->hopeful_link, host, true);
            break;
        }
        if (host->session == NULL)
            host_connect(host);
        if (host->session == NULL || !ssh_session_is_ready(host->session))
            break;
        struct ssh_request *request = next_request(host);
        if (request == NULL)
            break;
        request->ready(request->arg, host->session);
    }
    bool busy = !g_queue_is_empty(&host->queue) || host->retired->len > 0 ||
                (host->session != NULL && ssh_session_channels(host->session) > 0);
    enlist(&host->pool->idle, &host->idle_link, host, !busy && host->session != NULL);
    if (busy)
        loop_timer_stop(host->idle_timer);
    else
        loop_timer_start(host->idle_timer, (uint64_t)host->pool->idle_ms, 0);
    if (!g_queue_is_empty(&host->pool->hopefuls) && !g_queue_is_empty(&host->pool->idle))
        loop_timer_start(host->pool->serve_timer, 0, 0);
}

static struct ssh_host *host_for(struct ssh_pool *pool, struct ssh_target *target)
{
    struct ssh_host *host = g_hash_table_lookup(pool->hosts, target->key);
    if (host != NULL)
        return host;
    host = g_new0(struct ssh_host, 1);
    host->pool = pool;
    host->target = ssh_target_ref(target);
    host->retired = g_ptr_array_new_with_free_func(retired_free);
    host->idle_timer = loop_timer_new(pool->loop, idle, host);
    g_hash_table_insert(pool->hosts, host->target->key, host);
    return host;
}

void ssh_pool_request(struct ssh_pool *pool, struct ssh_target *target, struct ssh_request *request)
{
    request->host = host_for(pool, target);
    request->queued = true;
    request->tries = 0;
    g_queue_push_tail(&request->host->queue, request);
    host_dispatch(request->host);
}

/* How many channels a session's server opens is only known from its refusal. Channels that the server has not closed
 * yet count for it; when there are none and it still refuses, only another connection helps. */
static void learn_from_refusal(struct ssh_host *host, struct ssh_session *session)
{
    if (host->session != session)
        return;
    guint others = ssh_session_commands(session) - 1;
    if (others > 0)
        host->max_channels = others;
    else if (ssh_session_channels(session) == 1) /* hosts behind it are not to suffer */
        ssh_session_close(take_session(host));
}

void ssh_pool_request_again(struct ssh_pool *pool, struct ssh_request *request, struct ssh_session *crowded,
                            GError *error)
{
    struct ssh_host *host = request->host;
    bool retired = crowded != NULL && host->session != crowded;
    bool waits_for_others = retired || (crowded != NULL && ssh_session_commands(crowded) > 1);
    if (crowded != NULL)
        learn_from_refusal(host, crowded);
    /* Waiting for a place among our own channels is no failed try: they end. */
    if (pool->closing || (!waits_for_others && ++request->tries >= MAX_TRIES)) {
        request->failed(request->arg, error);
    } else {
        request->queued = true;
        g_queue_push_head(&host->queue, request);
        host_dispatch(host);
    }
    g_clear_error(&error);
}

void ssh_pool_request_cancel(struct ssh_request *request)
{
    if (!request->queued)
        return;
    request->queued = false;
    g_queue_remove(&request->host->queue, request);
}

const char *ssh_library_version(void)
{
    return libssh2_version(0);
}

json_t *ssh_pool_stats(const struct ssh_pool *pool)
{
    json_int_t sessions = 0, channels = 0;
    GHashTableIter iterator;
    void *value;
    g_hash_table_iter_init(&iterator, pool->hosts);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const struct ssh_host *host = value;
        if (host->session == NULL)
            continue;
        sessions++;
        channels += ssh_session_channels(host->session);
    }
    return json_pack("{s:I,s:I,s:I}", "sessions", sessions, "channels", channels, "connects", pool->connects);
}

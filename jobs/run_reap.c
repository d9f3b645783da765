/* run_reap: see run_reap.h. */
#include "jobs/run_reap.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/log.h"
#include "jobs/job.h"
#include "jobs/run_private.h"

/* A worker says how it went within REAP_MS (docs/design/wire.md); one that kept silent so long is not asked for it. */
enum { GIVE_AGAIN_MS = 2 * REAP_MS, TRIES = 3 };

/* --- noting --------------------------------------------------------------------------------------------------------
 */

struct begun {
    int64_t open;
    bool sudo;
};

/* host → struct begun. Each command has one end, whatever it was, so a count tells whether one is missing. */
static GHashTable *count_commands(const json_t *events)
{
    GHashTable *hosts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    size_t index;
    json_t *event;
    json_array_foreach (events, index, event) {
        const json_t *body = json_object_get(event, "body_json");
        const char *name = json_get_string(body, "host", NULL);
        if (!name) /* an HTTP request leaves no process */
            continue;
        struct begun *begun = g_hash_table_lookup(hosts, name);
        if (!begun)
            g_hash_table_insert(hosts, (char *)name, begun = g_new0(struct begun, 1));
        if (strcmp(json_get_string(event, "kind", ""), "command") == 0) {
            begun->open++;
            begun->sudo |= json_get_string(body, "sudo", NULL) != NULL;
        } else {
            begun->open--;
        }
    }
    return hosts;
}

bool run_reap_note(struct store_tx *tx, const json_t *row, GError **error)
{
    const char *run = json_get_string(row, "id", "");
    int64_t attempt = json_get_integer(row, "attempt", 0);
    g_autoptr(json_t) events = NULL;
    if (!store_list(tx, SQL_REAP_COMMANDS, &events, error, "si", run, attempt))
        return false;
    g_autoptr(GHashTable) hosts = count_commands(events);
    GHashTableIter iter;
    const char *host;
    const struct begun *begun;
    g_hash_table_iter_init(&iter, hosts);
    while (g_hash_table_iter_next(&iter, (void **)&host, (void **)&begun))
        if (begun->open > 0 && !store_exec(tx, SQL_REAP_ADD, NULL, error, "sisb", run, attempt, host, (int)begun->sudo))
            return false;
    return true;
}

/* --- how it ended --------------------------------------------------------------------------------------------------
 */

/* stopped: as in the `host` event; null = could not look. */
static bool end_one(struct store_tx *tx, const char *run, int64_t attempt, const char *host, const json_t *stopped,
                    GError **error)
{
    int64_t changes = 0;
    if (!store_exec(tx, SQL_REAP_END, &changes, error, "sis", run, attempt, host))
        return false;
    g_autoptr(json_t) row = changes > 0 ? run_row(tx, run, NULL) : NULL;
    if (!row) /* said before, or the run is no longer kept */
        return true;
    const char *how = json_is_true(stopped)    ? "stopped, or had ended"
                      : json_is_false(stopped) ? "could not confirm that it stopped: something is left"
                                               : "could not confirm that it stopped";
    g_autofree char *note = g_strdup_printf("; %s", how);
    g_autofree char *text = g_strdup_printf("\"%s\": what the lost runner had begun on %s: %s",
                                            json_get_string(row, "title", "?"), host, how);
    json_t *value = json_is_boolean(stopped) ? json_incref((json_t *)stopped) : json_null();
    json_t *body = json_pack("{s:s, s:I, s:o, s:s}", "host", host, "of_attempt", (json_int_t)attempt, "stopped", value,
                             "text", text);
    return store_exec(tx, SQL_REAP_TELL, NULL, error, "sss", run, host, note) &&
           run_record(tx, row, "reap", NULL, body, error) && run_tell(tx, row, "step", NULL, text, error);
}

static bool reaped_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *run = call_need_string(call->request, "run", error);
    int64_t attempt = call_integer(call->request, "attempt", 0, G_MAXINT32);
    if (!run)
        return false;
    size_t index;
    json_t *host;
    json_array_foreach (json_object_get(json_object_get(call->request, "body"), "hosts"), index, host)
        if (!end_one(tx, run, attempt, json_get_string(host, "host", ""), json_object_get(host, "stopped"), error))
            return false;
    call->result = json_object();
    return true;
}

static void reaped_after(struct call *call)
{
    run_queue_kick(call->jobs); /* the run may begin again */
}

void run_reaped(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, reaped_job, reaped_after, done, arg);
}

/* --- giving --------------------------------------------------------------------------------------------------------
 */

static bool give_up(struct store_tx *tx, const char *run, int64_t attempt, const json_t *hosts, GError **error)
{
    size_t index;
    json_t *host;
    json_array_foreach (hosts, index, host)
        if (!end_one(tx, run, attempt, json_get_string(host, "host", ""), NULL, error))
            return false;
    return true;
}

bool run_reap_next(struct store_tx *tx, const char *worker, json_t **ret, GError **error)
{
    *ret = NULL;
    for (int64_t now = clock_now_ms();;) {
        g_autoptr(json_t) next = NULL, rows = NULL;
        if (!store_get(tx, SQL_REAP_NEXT, &next, error, "i", now - GIVE_AGAIN_MS))
            return false;
        if (!next)
            return true;
        const char *run = json_get_string(next, "run", "");
        int64_t attempt = json_get_integer(next, "attempt", 0);
        if (!store_list(tx, SQL_REAP_HOSTS, &rows, error, "si", run, attempt))
            return false;
        if (json_get_integer(json_array_get(rows, 0), "tries", 0) >= TRIES) {
            if (!give_up(tx, run, attempt, rows, error))
                return false;
            continue;
        }
        if (!store_exec(tx, SQL_REAP_GIVE, NULL, error, "sisi", run, attempt, worker, now))
            return false;
        *ret = json_pack("{s:s, s:I, s:O}", "run", run, "attempt", (json_int_t)attempt, "hosts", rows);
        return true;
    }
}

json_t *run_reap_job(json_t *reap, const json_t *inventory)
{
    json_t *hosts = json_array(), *names = json_array();
    size_t index;
    json_t *row;
    json_array_foreach (json_object_get(reap, "hosts"), index, row) {
        json_t *name = json_object_get(row, "host");
        json_array_append(names, name);
        json_array_append_new(hosts,
                              json_pack("{s:O, s:b}", "host", name, "sudo", json_get_bool(row, "sudo_bool", false)));
    }
    json_object_set_new(reap, "hosts", hosts);
    json_t *job = json_pack("{s:o, s:o}", "reap", reap, "inventory", job_hosts(inventory, names));
    json_decref(names);
    return job;
}

struct release {
    struct jobs *jobs;
    char *worker;
};

static bool release_job(struct store_tx *tx, void *arg, GError **error)
{
    const struct release *release = arg;
    return store_exec(tx, SQL_REAP_RELEASE, NULL, error, "s", release->worker);
}

static void release_done(void *arg, const GError *error)
{
    struct release *release = arg;
    if (error)
        log_warn("hosts to look at are given again later", "error", error->message, NULL);
    else
        run_queue_kick(release->jobs);
    g_free(release->worker);
    g_free(release);
}

void run_reap_release(struct jobs *jobs, const char *worker)
{
    struct release *release = g_new(struct release, 1);
    *release = (struct release){.jobs = jobs, .worker = g_strdup(worker)};
    store_write(jobs->store, STORE_NORMAL, release_job, release_done, release);
}

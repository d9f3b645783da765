/* reaper: see reaper.h. */
#include "runner/reaper.h"

#include "core/errors.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/wire.h"

#include <string.h>

#define REQUEST_TIMEOUT_MS 10000
#define AGAIN_MS           1000

/* One host. */
struct look {
    struct reaper *reaper;
    struct op *op; /* NULL: over */
    const char *host;
};

struct reaper {
    struct reaper_options options;
    json_t *reap, *inventory;
    struct look *looks;
    size_t count, left;
    json_t *found; /* [{"host","stopped"}] */
    struct uplink_call *call;
    struct loop_timer *deadline, *tell;
};

static void reaper_told(void *arg, int status, json_t *body, const GError *error)
{
    struct reaper *reaper = arg;

    (void)body;
    reaper->call = NULL;
    if (status == 200 || (status >= 400 && status < 500)) {
        reaper->options.ended(reaper->options.arg, reaper);
        return;
    }
    log_debug("the server cannot be told what was left on hosts, trying again", "why",
              error ? error->message : "it is not ready", NULL);
    loop_timer_start(reaper->tell, AGAIN_MS, 0);
}

static void reaper_tell(void *arg)
{
    struct reaper *reaper = arg;
    g_autoptr(json_t) request =
        json_pack("{s:s, s:O, s:O, s:O}", "worker", reaper->options.worker, "run", json_object_get(reaper->reap, "run"),
                  "attempt", json_object_get(reaper->reap, "attempt"), "hosts", reaper->found);
    g_autofree char *body = json_text(request);

    reaper->call = uplink_post(reaper->options.uplink, WIRE_REAPED_PATH, body, strlen(body), REQUEST_TIMEOUT_MS,
                               reaper_told, reaper);
}

static void reaper_looked(void *arg, json_t *result, const GError *error)
{
    struct look *look = arg;
    struct reaper *reaper = look->reaper;
    json_t *stopped = json_object_get(result, "stopped");

    if (error)
        log_debug("cannot look for what was left", "host", look->host, "why", error->message, NULL);
    json_array_append_new(reaper->found, json_pack("{s:s, s:o}", "host", look->host, "stopped",
                                                   stopped ? json_incref(stopped) : json_null()));
    op_unref(g_steal_pointer(&look->op));
    if (--reaper->left == 0)
        loop_timer_start(reaper->tell, 0, 0); /* later: the first may end within reaper_new() */
}

static void reaper_overdue(void *arg)
{
    struct reaper *reaper = arg;

    for (size_t i = 0; i < reaper->count; i++)
        if (reaper->looks[i].op)
            op_cancel(reaper->looks[i].op, ERROR_TIMEOUT);
}

static void reaper_look(struct reaper *reaper, struct look *look, const json_t *host)
{
    g_autofree char *marker =
        g_strdup_printf("%s.%" JSON_INTEGER_FORMAT ".", json_get_string(reaper->reap, "run", "run"),
                        json_get_integer(reaper->reap, "attempt", 1));

    *look = (struct look){.reaper = reaper, .host = json_get_string(host, "host", "")};
    look->op = op_new(reaper_looked, look);
    const json_t *entry = json_find(reaper->inventory, "name", look->host);
    struct op *op = op_ref(look->op); /* it may end before ssh_reap() returns */
    if (entry)
        ssh_reap(reaper->options.ssh, entry, reaper->inventory, marker, json_get_bool(host, "sudo", false), op);
    else
        op_done(op, NULL,
                g_error_new(HIKESHI_ERROR, ERROR_NOT_IN_INVENTORY, "'%s' is no longer in the inventory", look->host));
    op_unref(op);
}

struct reaper *reaper_new(const struct reaper_options *options)
{
    struct reaper *reaper = g_new0(struct reaper, 1);

    reaper->options = *options;
    reaper->reap = json_incref(json_object_get(options->job, "reap"));
    reaper->inventory = json_incref(json_object_get(options->job, "inventory"));
    reaper->found = json_array();
    reaper->deadline = loop_timer_new(options->loop, reaper_overdue, reaper);
    reaper->tell = loop_timer_new(options->loop, reaper_tell, reaper);
    const json_t *hosts = json_object_get(reaper->reap, "hosts");
    reaper->count = reaper->left = json_array_size(hosts);
    reaper->looks = g_new0(struct look, reaper->count);
    log_info("looking for what a lost worker left on hosts", "run", json_get_string(reaper->reap, "run", ""), NULL);
    loop_timer_start(reaper->deadline, REAP_MS, 0);
    for (size_t i = 0; i < reaper->count; i++)
        reaper_look(reaper, &reaper->looks[i], json_array_get(hosts, i));
    if (reaper->count == 0)
        loop_timer_start(reaper->tell, 0, 0);
    return reaper;
}

void reaper_free(struct reaper *reaper)
{
    if (!reaper)
        return;
    uplink_call_cancel(reaper->call);
    for (size_t i = 0; i < reaper->count; i++)
        if (reaper->looks[i].op) {
            op_abandon(reaper->looks[i].op);
            op_unref(reaper->looks[i].op);
        }
    loop_timer_free(reaper->deadline);
    loop_timer_free(reaper->tell);
    json_decref(reaper->reap);
    json_decref(reaper->inventory);
    json_decref(reaper->found);
    g_free(reaper->looks);
    g_free(reaper);
}

/* live_apart: hosts on which nothing ran: not reached, or left out because an earlier run was there. One line for all
 * that come in a row. */
#include "cli/live_private.h"
#include "core/host_names.h"
#include <string.h>

struct apart {
    char *step, *what; /* "not_reached", "skipped: ok in run_…" */
    GPtrArray *hosts;
};

/* "skipped: ok in run_…"; NULL for a host that something ran on. g_free. */
static char *what_of(const json_t *event)
{
    static const char *const results[] = {"not_reached", "skipped", NULL};
    const char *result = live_text(event, "result"), *reason = live_text(event, "reason");
    const char *kind = live_text(event, "kind");
    bool one = g_strcmp0(kind, "host") == 0 || g_strcmp0(kind, "item") == 0; /* of each() */
    if (!one || !result || !g_strv_contains(results, result))
        return NULL;
    return g_strconcat(result, reason ? ": " : "", reason, NULL);
}

void live_apart_end(struct live *live)
{
    struct apart *apart = g_steal_pointer(&live->apart);
    if (!apart)
        return;
    g_autofree char *names = host_names_fold(apart->hosts);
    if (apart->hosts->len == 1)
        live_say(live, apart->step, STYLE_DIM, "%s %s", names, apart->what);
    else
        live_say(live, apart->step, STYLE_DIM, "%u hosts %s: %s", apart->hosts->len, apart->what, names);
    g_ptr_array_unref(apart->hosts);
    g_free(apart->step);
    g_free(apart->what);
    g_free(apart);
}

bool live_apart(struct live *live, const json_t *event)
{
    char *what = what_of(event);
    const char *step = live_text(event, "step");
    if (live->apart && (g_strcmp0(live->apart->what, what) != 0 || g_strcmp0(live->apart->step, step) != 0))
        live_apart_end(live);
    if (!what)
        return false;
    if (!live->apart) {
        live->apart = g_new0(struct apart, 1);
        live->apart->step = g_strdup(step);
        live->apart->what = g_steal_pointer(&what);
        live->apart->hosts = g_ptr_array_new_with_free_func(g_free);
    }
    g_free(what);
    g_ptr_array_add(live->apart->hosts,
                    g_strdup(live_text(event, "host") ? live_text(event, "host") : live_text(event, "name")));
    return true;
}

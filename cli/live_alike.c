/* live_alike: hosts that failed alike at the same time. The first ones are told at once, so that a person sees what
 * goes wrong; the others in one line, when what hosts said is printed. */
#include "cli/live_private.h"
#include "core/host_names.h"
#include <string.h>

#define TOLD_AT_ONCE 3

struct alike {
    char *step, *what; /* "failed: exit code 3" */
    unsigned told;
    GPtrArray *more;
};

static void alike_free(void *pointer)
{
    struct alike *alike = pointer;
    g_ptr_array_unref(alike->more);
    g_free(alike->step);
    g_free(alike->what);
    g_free(alike);
}

/* "exit code 3 on db-1" says the same as "exit code 3 on db-2". g_free. */
static char *without_name(const char *text, const char *host)
{
    g_autofree char *on_host = g_strconcat(" on ", host, NULL);
    g_auto(GStrv) parts = g_strsplit(text, on_host, -1);
    return g_strjoinv("", parts);
}

static struct alike *alike_of(struct live *live, const char *step, const char *what)
{
    if (!live->alike)
        live->alike = g_ptr_array_new_with_free_func(alike_free);
    for (guint i = 0; i < live->alike->len; i++) {
        struct alike *alike = live->alike->pdata[i];
        if (g_strcmp0(alike->step, step) == 0 && strcmp(alike->what, what) == 0)
            return alike;
    }
    struct alike *alike = g_new(struct alike, 1);
    *alike = (struct alike){g_strdup(step), g_strdup(what), 0, g_ptr_array_new_with_free_func(g_free)};
    g_ptr_array_add(live->alike, alike);
    return alike;
}

bool live_alike(struct live *live, const char *step, const char *host, const char *what)
{
    if (!live->gather || !host || strstr(what, " stopped on ")) /* a proof is told of each host */
        return false;
    g_autofree char *generic = without_name(what, host);
    struct alike *alike = alike_of(live, step, generic);
    if (alike->told++ < TOLD_AT_ONCE)
        return false;
    g_ptr_array_add(alike->more, g_strdup(host));
    return true;
}

void live_alike_end(struct live *live)
{
    GPtrArray *all = g_steal_pointer(&live->alike);
    for (guint i = 0; all && i < all->len; i++) {
        struct alike *alike = all->pdata[i];
        if (alike->more->len == 0)
            continue;
        g_autofree char *names = host_names_fold(alike->more);
        live_say(live, alike->step, STYLE_RED, "%u more %s: %s", alike->more->len, alike->what, names);
    }
    g_clear_pointer(&all, g_ptr_array_unref);
}

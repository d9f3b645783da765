/* live_gather: the output of commands that run at the same time on several hosts. It is kept until all of them have
 * ended and printed once for all hosts that said the same. A command that runs alone is printed as it comes. */
#include "cli/live_private.h"
#include "core/host_names.h"
#include <string.h>

/* More than this is printed before its time: what is kept is in memory. */
#define KEPT_BYTES (16 * 1024 * 1024)
/* A longer list of names stands in a line of its own. */
#define LABEL_CHARS 40

/* A host while commands run on it. */
struct talker {
    char *host;
    unsigned commands;
    bool company; /* another host's command ran at the same time, before anything was said */
    bool spoke;
    GString *lines; /* each with 'o' or 'e' before it */
    GString *partial[2];
};

/* What some hosts said. */
struct group {
    char *lines;
    GPtrArray *hosts;
};

struct gather {
    char *step;
    char *words; /* of the last command that was shown */
    unsigned under_way;
    GHashTable *talkers; /* host → struct talker* */
    GPtrArray *groups;
    GHashTable *by_lines; /* borrowed from groups */
    size_t kept_bytes;
};

static void talker_free(void *pointer)
{
    struct talker *talker = pointer;
    g_free(talker->host);
    g_string_free(talker->lines, TRUE);
    g_string_free(talker->partial[0], TRUE);
    g_string_free(talker->partial[1], TRUE);
    g_free(talker);
}

static void group_free(void *pointer)
{
    struct group *group = pointer;
    g_free(group->lines);
    g_ptr_array_unref(group->hosts);
    g_free(group);
}

void live_gather_free(struct live *live)
{
    struct gather *gather = g_steal_pointer(&live->gather);
    if (!gather)
        return;
    g_hash_table_unref(gather->talkers);
    g_hash_table_unref(gather->by_lines);
    g_ptr_array_unref(gather->groups);
    g_free(gather->step);
    g_free(gather->words);
    g_free(gather);
}

static struct talker *talker_of(struct gather *gather, const char *host)
{
    struct talker *talker = g_hash_table_lookup(gather->talkers, host);
    if (talker)
        return talker;
    talker = g_new0(struct talker, 1);
    talker->host = g_strdup(host);
    talker->lines = g_string_new(NULL);
    talker->partial[0] = g_string_new(NULL);
    talker->partial[1] = g_string_new(NULL);
    g_hash_table_insert(gather->talkers, talker->host, talker);
    return talker;
}

/* ---- printing ---- */

static int larger_first(gconstpointer a, gconstpointer b)
{
    const struct group *left = *(struct group *const *)a, *right = *(struct group *const *)b;
    if (left->hosts->len != right->hosts->len)
        return left->hosts->len > right->hosts->len ? -1 : 1;
    return strcmp(left->hosts->pdata[0], right->hosts->pdata[0]);
}

/* The names, or how many there are, the names told before. g_free. */
static char *label_of(struct live *live, const struct group *group)
{
    char *names = host_names_fold(group->hosts);
    if (strlen(names) <= LABEL_CHARS)
        return names;
    live_say(live, live->gather->step, STYLE_CYAN, "%u hosts: %s", group->hosts->len, names);
    g_free(names);
    return g_strdup_printf("%u hosts", group->hosts->len);
}

static void print_group(struct live *live, const struct group *group)
{
    if (!*group->lines)
        return;
    g_autofree char *label = label_of(live, group);
    for (const char *line = group->lines; *line;) {
        const char *end = strchr(line, '\n');
        live_output_line(live, live->gather->step, label, *line == 'e' ? "err" : "out", line + 1,
                         (size_t)(end - line) - 1);
        line = end + 1;
    }
}

static void print_groups(struct live *live)
{
    struct gather *gather = live->gather;
    live_alike_end(live);
    g_ptr_array_sort(gather->groups, larger_first);
    for (guint i = 0; i < gather->groups->len; i++)
        print_group(live, gather->groups->pdata[i]);
    g_hash_table_remove_all(gather->by_lines);
    g_ptr_array_set_size(gather->groups, 0);
    gather->kept_bytes = 0;
}

/* ---- keeping ---- */

static void end_line(struct gather *gather, struct talker *talker, int stream)
{
    GString *partial = talker->partial[stream];
    gsize before = talker->lines->len;
    g_string_append_c(talker->lines, stream ? 'e' : 'o');
    for (gsize i = 0; i < partial->len; i++) /* a NUL would end the text */
        g_string_append_c(talker->lines, partial->str[i] ? partial->str[i] : ' ');
    g_string_append_c(talker->lines, '\n');
    g_string_truncate(partial, 0);
    gather->kept_bytes += talker->lines->len - before;
}

/* The host's commands have ended: whoever said the same stands together. */
static void join_group(struct gather *gather, struct talker *talker)
{
    for (int stream = 0; stream < 2; stream++)
        if (talker->partial[stream]->len)
            end_line(gather, talker, stream);
    struct group *group = g_hash_table_lookup(gather->by_lines, talker->lines->str);
    if (group) {
        gather->kept_bytes -= talker->lines->len;
    } else {
        group = g_new0(struct group, 1);
        group->lines = g_strdup(talker->lines->str);
        group->hosts = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(gather->groups, group);
        g_hash_table_insert(gather->by_lines, group->lines, group);
    }
    g_ptr_array_add(group->hosts, g_strdup(talker->host));
}

/* Who has begun to speak alone goes on as it comes. */
static void has_company(void *host, void *talker, void *unused)
{
    (void)host, (void)unused;
    ((struct talker *)talker)->company |= !((struct talker *)talker)->spoke;
}

bool live_gather_command(struct live *live, const char *step, const char *host, const char *words)
{
    if (!host)
        return true;
    if (live->gather && g_strcmp0(live->gather->step, step) != 0)
        live_gather_end(live);
    if (!live->gather) {
        live->gather = g_new0(struct gather, 1);
        live->gather->step = g_strdup(step);
        live->gather->talkers = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, talker_free);
        live->gather->by_lines = g_hash_table_new(g_str_hash, g_str_equal);
        live->gather->groups = g_ptr_array_new_with_free_func(group_free);
    }
    struct talker *talker = talker_of(live->gather, host);
    talker->company |= live->gather->under_way > 0 && !talker->spoke;
    if (live->gather->under_way == 1) /* later ones had company from their start */
        g_hash_table_foreach(live->gather->talkers, has_company, NULL);
    bool told = live->gather->under_way > 0 && g_strcmp0(live->gather->words, words) == 0;
    g_free(live->gather->words);
    live->gather->words = g_strdup(words);
    live->gather->under_way++;
    talker->commands++;
    return !told;
}

bool live_gather_output(struct live *live, const char *step, const char *host, const char *stream, const char *bytes,
                        size_t length)
{
    struct gather *gather = live->gather;
    struct talker *talker =
        gather && host && g_strcmp0(step, gather->step) == 0 ? g_hash_table_lookup(gather->talkers, host) : NULL;
    if (!talker)
        return false;
    talker->spoke = true;
    int index = g_strcmp0(stream, "err") == 0;
    for (; talker->company && length > 0; bytes++, length--) {
        if (*bytes == '\n')
            end_line(gather, talker, index);
        else
            g_string_append_c(talker->partial[index], *bytes);
    }
    return talker->company;
}

void live_gather_host(struct live *live, const char *step, const char *host)
{
    struct gather *gather = live->gather;
    struct talker *talker =
        gather && host && g_strcmp0(step, gather->step) == 0 ? g_hash_table_lookup(gather->talkers, host) : NULL;
    if (!talker)
        return;
    gather->under_way--;
    if (--talker->commands == 0) {
        if (talker->company)
            join_group(gather, talker);
        g_hash_table_remove(gather->talkers, host);
    }
    if (gather->under_way == 0 || gather->kept_bytes > KEPT_BYTES)
        print_groups(live);
}

void live_gather_end(struct live *live)
{
    struct gather *gather = live->gather;
    GHashTableIter iterator;
    void *talker;
    if (!gather)
        return;
    g_hash_table_iter_init(&iterator, gather->talkers); /* commands whose end nobody told */
    while (g_hash_table_iter_next(&iterator, NULL, &talker))
        if (((struct talker *)talker)->company)
            join_group(gather, talker);
    print_groups(live);
    live_gather_free(live);
}

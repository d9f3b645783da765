/* door: see door.h. */
#include "runner/ssh/door.h"

struct ssh_door {
    char *name; /* with what is through it apart */
    bool through;
    bool listed;    /* in doors->open */
    guint inside;   /* knocks that connect now */
    guint limit;    /* how many may; fewer after it hung up on one */
    guint most;     /* of limit */
    guint passed;   /* that came in since the limit was changed */
    GQueue waiting; /* struct ssh_knock*, by their links */
};

struct ssh_doors {
    guint most, of_one, through_one;
    guint inside;      /* of those that count for all */
    GHashTable *names; /* "through?name" → struct ssh_door* */
    GQueue open;       /* doors that would let somebody in, were it not for the limit of all; each once */
};

static void door_free(void *pointer)
{
    struct ssh_door *door = pointer;
    g_free(door->name);
    g_free(door);
}

struct ssh_doors *ssh_doors_new(guint most, guint of_one, guint through_one)
{
    struct ssh_doors *doors = g_new0(struct ssh_doors, 1);
    doors->most = most;
    doors->of_one = of_one;
    doors->through_one = through_one;
    doors->names = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, door_free);
    g_queue_init(&doors->open);
    return doors;
}

void ssh_doors_free(struct ssh_doors *doors)
{
    if (doors == NULL)
        return;
    g_hash_table_unref(doors->names);
    g_queue_clear(&doors->open);
    g_free(doors);
}

static bool has_room(const struct ssh_doors *doors, const struct ssh_door *door)
{
    return door->through || doors->inside < doors->most;
}

static bool would_admit(const struct ssh_door *door)
{
    return door->waiting.length > 0 && door->inside < door->limit;
}

static void admit(struct ssh_doors *doors, struct ssh_door *door)
{
    struct ssh_knock *knock = g_queue_peek_head(&door->waiting);
    g_queue_unlink(&door->waiting, &knock->link);
    knock->inside = true;
    door->inside++;
    doors->inside += !door->through;
    knock->enter(knock->arg);
}

/* Lets in who may come in at this door; when only the limit of all forbids it, the door waits for its turn. */
static void serve(struct ssh_doors *doors, struct ssh_door *door)
{
    while (would_admit(door) && has_room(doors, door))
        admit(doors, door);
    if (would_admit(door) && !door->listed) {
        door->listed = true;
        g_queue_push_tail(&doors->open, door);
    }
}

/* One at each door in turn, so that many for one server do not keep all others waiting. */
static void serve_others(struct ssh_doors *doors)
{
    while (doors->inside < doors->most && !g_queue_is_empty(&doors->open)) {
        struct ssh_door *door = g_queue_pop_head(&doors->open);
        door->listed = false;
        if (would_admit(door))
            admit(doors, door);
        if (would_admit(door) && !door->listed) {
            door->listed = true;
            g_queue_push_tail(&doors->open, door);
        }
    }
}

static struct ssh_door *door_named(struct ssh_doors *doors, const char *name, bool through)
{
    g_autofree char *key = g_strconcat(through ? ">" : " ", name, NULL);
    struct ssh_door *door = g_hash_table_lookup(doors->names, key);
    if (door != NULL)
        return door;
    door = g_new0(struct ssh_door, 1);
    door->name = g_steal_pointer(&key);
    door->through = through;
    door->limit = door->most = through ? doors->through_one : doors->of_one;
    g_queue_init(&door->waiting);
    g_hash_table_insert(doors->names, door->name, door);
    return door;
}

void ssh_doors_knock(struct ssh_doors *doors, const char *name, bool through, struct ssh_knock *knock)
{
    knock->door = door_named(doors, name, through);
    knock->inside = false;
    knock->link = (GList){.data = knock};
    g_queue_push_tail_link(&knock->door->waiting, &knock->link);
    if (!knock->door->listed) /* else others of its own wait already */
        serve(doors, knock->door);
}

/* Halved when it hung up, one more when twice as many came in since: it finds what the server takes, and finds it again
 * when its load changes. */
static void learn(struct ssh_door *door, enum ssh_door_answer answer)
{
    if (answer == SSH_DOOR_DROPPED) {
        door->limit = MAX(1, MIN(door->limit, door->inside) / 2);
        door->passed = 0;
    } else if (answer == SSH_DOOR_IN && door->limit < door->most && ++door->passed >= 2 * door->limit) {
        door->limit++;
        door->passed = 0;
    }
}

/* Nobody is there, and nothing was learned: forgotten. */
static void forget(struct ssh_doors *doors, struct ssh_door *door)
{
    if (door->inside == 0 && g_queue_is_empty(&door->waiting) && door->limit == door->most && !door->listed)
        g_hash_table_remove(doors->names, door->name);
}

void ssh_doors_leave(struct ssh_doors *doors, struct ssh_knock *knock, enum ssh_door_answer answer)
{
    struct ssh_door *door = g_steal_pointer(&knock->door);
    if (door == NULL)
        return;
    if (!knock->inside) {
        g_queue_unlink(&door->waiting, &knock->link);
        forget(doors, door);
        return;
    }
    knock->inside = false;
    learn(door, answer);
    door->inside--;
    doors->inside -= !door->through;
    serve_others(doors);
    if (!door->listed)
        serve(doors, door);
    forget(doors, door);
}

/* secrets: see secrets.h. */
#include "runner/secrets.h"

#include "core/errors.h"
#include "core/secret.h"

#include <string.h>

struct entry {
    char *name, *reference;
    char *value; /* or NULL: `error` says why */
    GError *error;
};

/* What the thread works on; it may outlive the secrets. */
struct reading {
    struct secrets *owner; /* NULL: freed meanwhile */
    GPtrArray *entries;
};

struct secrets {
    struct mask *mask;
    struct reading *reading; /* under way, or NULL */
    struct loop_timer *timer;
    GPtrArray *entries; /* of struct entry; NULL until they are known */
    void (*done)(void *arg);
    void *arg;
};

static void entry_free(void *pointer)
{
    struct entry *entry = pointer;

    g_free(entry->name);
    g_free(entry->reference);
    secret_free(entry->value);
    g_clear_error(&entry->error);
    g_free(entry);
}

static void read_all(void *arg)
{
    const struct reading *reading = arg;

    for (guint i = 0; i < reading->entries->len; i++) {
        struct entry *entry = reading->entries->pdata[i];
        if (!entry->value)
            entry->value = secret_resolve(entry->reference, &entry->error);
    }
}

static void learn(struct secrets *secrets, struct entry *entry)
{
    bool given = entry->reference == NULL; /* by a test, where a short one harms nobody */
    if (!entry->value || mask_add(secrets->mask, entry->value, strlen(entry->value)) || given)
        return;
    secret_free(g_steal_pointer(&entry->value));
    entry->error =
        g_error_new(HIKESHI_ERROR, ERROR_SECRET, "the secret '%s' is shorter than %d bytes and could not be masked",
                    entry->name, MASK_MIN_BYTES);
}

static void reading_free(struct reading *reading)
{
    g_ptr_array_unref(reading->entries);
    g_free(reading);
}

static void all_read(void *arg)
{
    struct reading *reading = arg;
    struct secrets *secrets = reading->owner;

    if (secrets) {
        secrets->reading = NULL;
        secrets->entries = g_ptr_array_ref(reading->entries);
        for (guint i = 0; i < secrets->entries->len; i++)
            learn(secrets, secrets->entries->pdata[i]);
    }
    reading_free(reading);
    if (secrets)
        secrets->done(secrets->arg);
}

/* Nothing to read: still later, as promised. */
static void nothing_to_read(void *arg)
{
    struct secrets *secrets = arg;

    all_read(secrets->reading);
}

static GPtrArray *entries_new(const json_t *references, const json_t *values)
{
    GPtrArray *entries = g_ptr_array_new_with_free_func(entry_free);
    const char *name;
    json_t *text;

    json_object_foreach ((json_t *)(values ? values : references), name, text) {
        struct entry *entry = g_new0(struct entry, 1);
        entry->name = g_strdup(name);
        if (values)
            entry->value = g_strdup(json_string_value(text) ? json_string_value(text) : "");
        else
            entry->reference = g_strdup(json_string_value(text));
        g_ptr_array_add(entries, entry);
    }
    return entries;
}

struct secrets *secrets_new(struct loop *loop, const json_t *references, const json_t *values, struct mask *mask,
                            void (*done)(void *arg), void *arg)
{
    struct secrets *secrets = g_new0(struct secrets, 1);

    secrets->mask = mask;
    secrets->done = done;
    secrets->arg = arg;
    secrets->reading = g_new0(struct reading, 1);
    *secrets->reading = (struct reading){.owner = secrets, .entries = entries_new(references, values)};
    secrets->timer = loop_timer_new(loop, nothing_to_read, secrets);
    if (values || secrets->reading->entries->len == 0)
        loop_timer_start(secrets->timer, 0, 0);
    else
        loop_work(loop, read_all, all_read, secrets->reading);
    return secrets;
}

void secrets_free(struct secrets *secrets)
{
    if (!secrets)
        return;
    if (secrets->reading && loop_timer_active(secrets->timer))
        reading_free(secrets->reading);
    else if (secrets->reading)
        secrets->reading->owner = NULL; /* the thread still has it */
    loop_timer_free(secrets->timer);
    g_clear_pointer(&secrets->entries, g_ptr_array_unref);
    g_free(secrets);
}

bool secrets_known(const struct secrets *secrets)
{
    return secrets->entries != NULL;
}

const char *secrets_get(const struct secrets *secrets, const char *name, GError **error)
{
    for (guint i = 0; secrets->entries && i < secrets->entries->len; i++) {
        const struct entry *entry = secrets->entries->pdata[i];
        if (strcmp(entry->name, name) != 0)
            continue;
        if (entry->error)
            g_propagate_error(error, g_error_copy(entry->error));
        return entry->value;
    }
    errors_set(error, ERROR_NOT_ALLOWED,
               "this run has no secret '%s': the runbook must list it under 'secrets', the configuration must have it, "
               "and trust must give it to the runbook's owner",
               name);
    return NULL;
}

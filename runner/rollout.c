/* rollout: see rollout.h. */
#include "runner/rollout.h"

#include "core/limits.h"

#include <string.h>

static size_t share(size_t count, int64_t percent)
{
    return MAX(1, (count * (size_t)percent + 99) / 100);
}

/* 5, or "25%" of all hosts. */
static size_t wave_size(const json_t *size, size_t count)
{
    if (json_is_integer(size))
        return (size_t)MAX(1, json_integer_value(size));
    const char *text = json_is_string(size) ? json_string_value(size) : "";
    return share(count, CLAMP(g_ascii_strtoll(text, NULL, 10), 1, 100));
}

/* The last size counts for all waves that follow. */
static void add_waves(struct rollout *rollout, const json_t *waves)
{
    size_t last = json_array_size(waves) - 1, end = 0;
    for (size_t i = 0; end < rollout->count; i++) {
        end += wave_size(json_array_get(waves, MIN(i, last)), rollout->count);
        if (end < rollout->count)
            g_array_append_val(rollout->wave_ends, end);
    }
}

static size_t stop_after(const json_t *step, size_t count)
{
    bool read = strcmp(json_get_string(step, "effect", "write"), "read") == 0;
    json_int_t number = json_get_integer(step, "stop_after", 0), percent = json_get_integer(step, "max_percent", 0);
    size_t limit = number > 0 ? (size_t)number : read || percent > 0 ? G_MAXSIZE : 1;
    return percent > 0 ? MIN(limit, share(count, percent)) : limit;
}

void rollout_init(struct rollout *rollout, const json_t *step, size_t count)
{
    const json_t *waves = json_object_get(step, "waves");
    *rollout = (struct rollout){.count = count, .wave_ends = g_array_new(FALSE, FALSE, sizeof(size_t))};
    rollout->at_once = (size_t)MAX(1, json_get_integer(step, "at_once", DEFAULT_AT_ONCE));
    rollout->stop_after = stop_after(step, count);
    rollout->canary = (size_t)MAX(0, json_get_integer(step, "canary", 0));
    if (json_array_size(waves) > 0)
        add_waves(rollout, waves);
    else if (rollout->canary > 0 && rollout->canary < count)
        g_array_append_val(rollout->wave_ends, rollout->canary);
}

void rollout_clear(struct rollout *rollout)
{
    g_clear_pointer(&rollout->wave_ends, g_array_unref);
}

/* A wave begins when every host of those before has ended. */
static bool wave_is_open(const struct rollout *rollout)
{
    for (guint i = 0; i < rollout->wave_ends->len; i++) {
        size_t end = g_array_index(rollout->wave_ends, size_t, i);
        if (end <= rollout->started && rollout->ended < end)
            return false;
    }
    return true;
}

bool rollout_may_start(const struct rollout *rollout)
{
    bool canary_died = rollout->canary > 0 && rollout->started >= rollout->canary && rollout->failed > 0 &&
                       rollout->ended <= rollout->canary;
    return rollout->started < rollout->count && rollout->started - rollout->ended < rollout->at_once &&
           rollout->failed < rollout->stop_after && !canary_died && wave_is_open(rollout);
}

/* approval_count: have enough different people said yes? A matching of people to places, so that the order in which
 * they came does not matter: somebody who may fill several entries is counted where they are needed. Pure. */
#include "jobs/approval_private.h"
#include "jobs/policy.h"

enum { NOBODY = -1 };

/* Places are the entries' counts laid out one after the other. */
struct seating {
    const json_t *teams;
    GArray *entry_of;  /* place → need entry (json_t*) */
    GArray *person_in; /* place → index into people, or NOBODY */
    GPtrArray *people; /* approving decisions (json_t*) */
};

static bool may_take(const struct seating *seating, int person, guint place)
{
    const json_t *decision = seating->people->pdata[person];
    return policy_may_decide(seating->teams, g_array_index(seating->entry_of, const json_t *, place),
                             json_get_string(decision, "by_name", ""), json_get_string(decision, "role", ""));
}

/* Finds a place for the person, moving others along when that helps. tried: places seen in this search. */
static bool seat(struct seating *seating, int person, GByteArray *tried)
{
    for (guint place = 0; place < seating->entry_of->len; place++) {
        if (tried->data[place] || !may_take(seating, person, place))
            continue;
        tried->data[place] = 1;
        int *taken = &g_array_index(seating->person_in, int, place);
        if (*taken == NOBODY || seat(seating, *taken, tried)) {
            *taken = person;
            return true;
        }
    }
    return false;
}

static void lay_out(struct seating *seating, const json_t *need, const json_t *decisions)
{
    size_t index;
    json_t *entry;
    int nobody = NOBODY;
    json_array_foreach (need, index, entry)
        for (json_int_t i = 0; i < json_get_integer(entry, "count", 1); i++) {
            g_array_append_val(seating->entry_of, entry);
            g_array_append_val(seating->person_in, nobody);
        }
    json_array_foreach (decisions, index, entry)
        if (g_strcmp0(json_get_string(entry, "verdict", NULL), "approve") == 0)
            g_ptr_array_add(seating->people, entry);
}

static json_t *tally(const struct seating *seating, const json_t *need, bool *ret_met)
{
    json_t *counts = json_array();
    size_t index;
    json_t *entry;
    *ret_met = seating->entry_of->len > 0; /* a policy that needs nobody allows nothing */
    json_array_foreach (need, index, entry) {
        json_int_t got = 0;
        for (guint place = 0; place < seating->entry_of->len; place++)
            if (g_array_index(seating->entry_of, json_t *, place) == entry &&
                g_array_index(seating->person_in, int, place) != NOBODY)
                got++;
        json_int_t count = json_get_integer(entry, "count", 1);
        *ret_met = *ret_met && got >= count;
        json_array_append_new(
            counts, json_pack("{s:I, s:I, s:O?}", "count", count, "got", got, "from", json_object_get(entry, "from")));
    }
    return counts;
}

json_t *approval_count(const json_t *teams, const json_t *policy, const json_t *decisions, bool *ret_met)
{
    const json_t *need = json_object_get(policy, "need");
    struct seating seating = {.teams = teams,
                              .entry_of = g_array_new(FALSE, FALSE, sizeof(json_t *)),
                              .person_in = g_array_new(FALSE, FALSE, sizeof(int)),
                              .people = g_ptr_array_new()};
    lay_out(&seating, need, decisions);
    g_autoptr(GByteArray) tried = g_byte_array_new();
    g_byte_array_set_size(tried, seating.entry_of->len);
    for (guint person = 0; person < seating.people->len; person++) {
        if (tried->len)
            memset(tried->data, 0, tried->len);
        seat(&seating, (int)person, tried);
    }
    json_t *counts = tally(&seating, need, ret_met);
    g_array_unref(seating.entry_of);
    g_array_unref(seating.person_in);
    g_ptr_array_unref(seating.people);
    return counts;
}

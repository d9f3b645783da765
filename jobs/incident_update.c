/* How events that overtake each other are put right: an incident's status follows the newest event (updated_at is the
 * sender's time of it), an alert's status follows its own starts_at: a resolve of an earlier firing says nothing about
 * a later one. */
#include "jobs/incident_update.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/incident.h"
#include "jobs/outbox.h"
#include "jobs/sources/fields.h"
#include <string.h>

/* One update at work. */
struct applying {
    struct store_tx *tx;
    const char *source;
    const json_t *update;
    const struct label_rules *rules;
    json_t *row;    /* the incident as stored, then as it will be; NULL = there is none yet */
    json_t *change; /* the answer */
    bool is_new, reopened;
    GString *fired, *resolved; /* names of alerts, for the timeline */
    size_t fired_count, resolved_count;
};

static int64_t integer_of(const json_t *object, const char *key)
{
    return json_get_integer(object, key, 0);
}

static bool is_status(const json_t *object, const char *status)
{
    return g_strcmp0(json_get_string(object, "status", NULL), status) == 0;
}

static void set_time(json_t *row, const char *key, int64_t ms)
{
    json_object_set_new(row, key, ms > 0 ? json_integer(ms) : json_null());
}

static bool say(struct applying *a, const char *kind, const char *text, GError **error)
{
    const char *actor = json_get_string(a->update, "actor", NULL);
    return incident_timeline_add(a->tx, json_get_string(a->row, "id", NULL), kind, actor ? actor : a->source, text,
                                 NULL, error);
}

/* --- alerts --- */

/* What a told alert means for the stored one. */
enum alert_verdict { ALERT_STALE, ALERT_SAME, ALERT_FIRED, ALERT_RESOLVED };

static enum alert_verdict judge_alert(const json_t *stored, const json_t *told)
{
    bool fires = is_status(told, "firing");
    if (!stored)
        return fires ? ALERT_FIRED : ALERT_RESOLVED;
    int64_t told_start = integer_of(told, "starts_at"), stored_start = integer_of(stored, "starts_at");
    bool was_firing = is_status(stored, "firing");
    if (told_start && stored_start && told_start < stored_start)
        return ALERT_STALE;
    if (!fires)
        return was_firing ? ALERT_RESOLVED : ALERT_SAME;
    if (told_start > stored_start && stored_start)
        return ALERT_FIRED; /* also when we were never told that the earlier firing ended */
    if (was_firing)
        return ALERT_SAME;
    /* Resolved with an end, and now firing since the same moment: the two crossed on the way. Without an end it had
     * only been missing from a group. */
    return integer_of(stored, "ends_at") ? ALERT_STALE : ALERT_SAME;
}

static void list_name(GString *names, size_t *count, const char *name)
{
    if ((*count)++ < 5)
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
}

static bool put_alert(struct applying *a, const json_t *told, int64_t opening, GError **error)
{
    return store_exec(a->tx, SQL_ALERT_PUT, NULL, error, "svvvjjvvvi", json_get_string(a->row, "id", NULL),
                      json_object_get(told, "id"), json_object_get(told, "status"), json_object_get(told, "name"),
                      json_object_get(told, "labels"), json_object_get(told, "annotations"),
                      json_object_get(told, "starts_at"), json_object_get(told, "ends_at"),
                      json_object_get(told, "url"), opening);
}

static bool apply_alert(struct applying *a, const json_t *told, GError **error)
{
    const char *incident = json_get_string(a->row, "id", NULL), *id = json_get_string(told, "id", NULL);
    const char *name = json_get_string(told, "name", "alert");
    g_autoptr(json_t) stored = NULL;
    if (!store_get(a->tx, SQL_ALERT_GET, &stored, error, "ss", incident, id))
        return false;
    enum alert_verdict verdict = judge_alert(stored, told);
    int64_t opening = stored ? integer_of(stored, "opening") : 1;
    if (verdict == ALERT_STALE)
        return true;
    if (verdict == ALERT_FIRED) {
        opening += stored != NULL;
        list_name(a->fired, &a->fired_count, name);
        json_array_append_new(json_object_get(a->change, "alerts"), json_string(id));
    } else if (verdict == ALERT_RESOLVED && stored) {
        list_name(a->resolved, &a->resolved_count, name);
    }
    return put_alert(a, told, opening, error);
}

/* Alerts that a complete list no longer has: their end was never told. */
static bool end_missing(struct applying *a, const json_t *told, GError **error)
{
    const char *incident = json_get_string(a->row, "id", NULL);
    g_autoptr(json_t) firing = NULL;
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i;
    json_t *alert;
    json_array_foreach ((json_t *)told, i, alert)
        g_hash_table_add(ids, (void *)json_get_string(alert, "id", ""));
    if (!store_list(a->tx, SQL_ALERT_FIRING, &firing, error, "s", incident))
        return false;
    json_array_foreach (firing, i, alert) {
        const char *id = json_get_string(alert, "id", "");
        if (g_hash_table_contains(ids, id))
            continue;
        if (!store_exec(a->tx, SQL_ALERT_GONE, NULL, error, "ss", incident, id))
            return false;
        list_name(a->resolved, &a->resolved_count, json_get_string(alert, "name", id));
    }
    return true;
}

static bool say_alerts(struct applying *a, const char *kind, const char *verb, const GString *names, size_t count,
                       GError **error)
{
    if (!count)
        return true;
    g_autofree char *text = count == 1 ? g_strdup_printf("alert %s: %s", verb, names->str)
                            : count > 5
                                ? g_strdup_printf("%zu alerts %s: %s and %zu more", count, verb, names->str, count - 5)
                                : g_strdup_printf("%zu alerts %s: %s", count, verb, names->str);
    return say(a, kind, text, error);
}

static bool apply_alerts(struct applying *a, GError **error)
{
    const json_t *told = json_object_get(a->update, "alerts");
    size_t i;
    json_t *alert;
    if (!json_is_array(told))
        return true;
    json_array_foreach ((json_t *)told, i, alert)
        if (!apply_alert(a, alert, error))
            return false;
    if (json_get_bool(a->update, "alerts_complete", false) && !end_missing(a, told, error))
        return false;
    return say_alerts(a, "alert_fired", "fired", a->fired, a->fired_count, error) &&
           say_alerts(a, "alert_resolved", "resolved", a->resolved, a->resolved_count, error);
}

/* --- the incident's row --- */

static bool any_fires(const json_t *alerts)
{
    size_t i;
    json_t *alert;
    json_array_foreach ((json_t *)alerts, i, alert)
        if (is_status(alert, "firing"))
            return true;
    return false;
}

static void set_text(json_t *row, const char *key, const char *told, const char *fallback)
{
    const char *stored = json_get_string(row, key, NULL);
    json_set_string(row, key, told ? told : stored ? stored : fallback);
}

/* Title, labels and what they say. An older event does not overwrite what a newer one said. */
static void set_details(struct applying *a, const json_t *firing)
{
    bool late = integer_of(a->update, "at") < integer_of(a->row, "updated_at");
    const json_t *given = json_object_get(a->update, "labels");
    if (json_is_object(given))
        json_object_set_new(a->row, "labels_json", json_deep_copy(given));
    else if (json_array_size(firing))
        json_object_set_new(a->row, "labels_json", fields_common_labels(firing));
    if (late && json_get_string(a->row, "title", NULL))
        return;
    const json_t *labels = json_object_get(a->row, "labels_json");
    const char *word = json_get_string(a->update, "severity", NULL);
    const char *service = json_get_string(a->update, "service", NULL), *label = label_rules_service(a->rules, labels);
    set_text(a->row, "title", json_get_string(a->update, "title", NULL), json_get_string(a->row, "key", "incident"));
    set_text(a->row, "url", json_get_string(a->update, "url", NULL), NULL);
    set_text(a->row, "service", service ? service : label, NULL);
    set_text(a->row, "team", label_rules_team(a->rules, labels), NULL);
    set_text(a->row, "severity",
             label_rules_severity(a->rules, labels, firing, word, json_get_bool(a->update, "severity_explicit", false)),
             NULL);
}

/* True when a firing alert is news to an incident that is over: not an echo of what ended with it. */
static bool fires_anew(struct applying *a, bool *ret_anew, GError **error)
{
    const json_t *told = json_object_get(a->update, "alerts");
    size_t i;
    json_t *alert;
    *ret_anew = false;
    json_array_foreach ((json_t *)told, i, alert) {
        g_autoptr(json_t) stored = NULL;
        if (!is_status(alert, "firing"))
            continue;
        if (!store_get(a->tx, SQL_ALERT_GET, &stored, error, "ss", json_get_string(a->row, "id", NULL),
                       json_get_string(alert, "id", NULL)))
            return false;
        *ret_anew = *ret_anew || judge_alert(stored, alert) != ALERT_STALE;
    }
    return true;
}

/* A new incident, stored at once: its alerts and timeline name it. */
static bool add_row(struct applying *a, int64_t opening, GError **error)
{
    g_autofree char *id = crypto_id("inc");
    int64_t opened = integer_of(a->update, "opened_at");
    json_decref(a->row);
    a->row = json_pack("{s:s, s:s, s:s, s:I, s:s, s:{}, s:i}", "id", id, "source", a->source, "key",
                       json_get_string(a->update, "key", ""), "opening", (json_int_t)opening, "status", "triggered",
                       "labels_json", "updated_at", 0);
    set_time(a->row, "opened_at", opened ? opened : integer_of(a->update, "at"));
    set_details(a, json_object_get(a->update, "alerts"));
    a->is_new = true;
    const json_t *r = a->row;
    return store_exec(a->tx, SQL_INCIDENT_ADD, NULL, error, "vvvvvvvvvjvvvvv", json_object_get(r, "id"),
                      json_object_get(r, "source"), json_object_get(r, "key"), json_object_get(r, "opening"),
                      json_object_get(r, "title"), json_object_get(r, "status"), json_object_get(r, "severity"),
                      json_object_get(r, "service"), json_object_get(r, "team"), json_object_get(r, "labels_json"),
                      json_object_get(r, "url"), json_object_get(r, "opened_at"), json_object_get(r, "acknowledged_at"),
                      json_object_get(r, "resolved_at"), json_object_get(r, "updated_at")) &&
           say(a, "opened", json_get_string(r, "title", ""), error);
}

static bool put_row(struct applying *a, GError **error)
{
    const json_t *r = a->row;
    return store_exec(a->tx, SQL_INCIDENT_SET, NULL, error, "vvvvvvvjvvvvv", json_object_get(r, "id"),
                      json_object_get(r, "opening"), json_object_get(r, "title"), json_object_get(r, "status"),
                      json_object_get(r, "severity"), json_object_get(r, "service"), json_object_get(r, "team"),
                      json_object_get(r, "labels_json"), json_object_get(r, "url"), json_object_get(r, "opened_at"),
                      json_object_get(r, "acknowledged_at"), json_object_get(r, "resolved_at"),
                      json_object_get(r, "updated_at"));
}

/* Finds the incident that the update is about, or makes it, unless it must be known. *ret_stale: the update comes too
 * late to mean anything. */
static bool find_row(struct applying *a, bool *ret_stale, GError **error)
{
    *ret_stale = false;
    if (!store_get(a->tx, SQL_INCIDENT_LAST, &a->row, error, "ss", a->source, json_get_string(a->update, "key", "")))
        return false;
    if (!a->row)
        return json_get_bool(a->update, "known_only", false) || add_row(a, 1, error);
    int64_t resolved_at = integer_of(a->row, "resolved_at"), at = integer_of(a->update, "at");
    bool derived = is_status(a->update, "derived");
    bool opens = is_status(a->update, "triggered") || is_status(a->update, "acknowledged");
    if (!resolved_at)
        return true;
    if (derived) {
        bool anew;
        if (!fires_anew(a, &anew, error))
            return false;
        *ret_stale = !anew && any_fires(json_object_get(a->update, "alerts"));
        return !anew || add_row(a, integer_of(a->row, "opening") + 1, error);
    }
    if (opens && at > resolved_at) {
        json_object_set_new(a->row, "opening", json_integer(integer_of(a->row, "opening") + 1));
        json_object_set_new(a->row, "resolved_at", json_null());
        json_object_set_new(a->row, "acknowledged_at", json_null());
        a->reopened = true;
    }
    return true;
}

static const char *next_status(struct applying *a, const json_t *firing)
{
    if (is_status(a->update, "derived"))
        return json_array_size(firing) == 0        ? "resolved"
               : is_status(a->row, "acknowledged") ? "acknowledged"
                                                   : "triggered";
    bool kept = json_get_bool(a->update, "keeps_status", false) && !a->is_new && !a->reopened;
    if (kept || integer_of(a->update, "at") < integer_of(a->row, "updated_at"))
        return NULL;
    return json_get_string(a->update, "status", NULL);
}

static void set_status(struct applying *a, const json_t *firing)
{
    const char *status = next_status(a, firing);
    int64_t at = integer_of(a->update, "at");
    if (!status)
        return;
    json_object_set_new(a->row, "status", json_string(status));
    set_time(a->row, "updated_at", MAX(at, integer_of(a->row, "updated_at")));
    if (strcmp(status, "triggered") == 0)
        json_object_set_new(a->row, "acknowledged_at", json_null());
    if (strcmp(status, "acknowledged") == 0 && !integer_of(a->row, "acknowledged_at"))
        set_time(a->row, "acknowledged_at", at);
    if (strcmp(status, "resolved") != 0)
        json_object_set_new(a->row, "resolved_at", json_null());
    else if (!integer_of(a->row, "resolved_at"))
        set_time(a->row, "resolved_at", at);
}

/* --- what is said about it --- */

static bool differs(const json_t *before, const json_t *after, const char *key)
{
    const json_t *a = json_object_get(before, key), *b = json_object_get(after, key);
    bool none_before = !a || json_is_null(a), none_after = !b || json_is_null(b);
    return none_before != none_after || (!none_before && !json_equal(a, b));
}

static bool say_status(struct applying *a, const char *before, GError **error)
{
    const char *status = json_get_string(a->row, "status", "");
    bool changed = g_strcmp0(before, status) != 0;
    if (a->reopened && !say(a, "reopened", "incident opened again", error))
        return false;
    if (changed && strcmp(status, "acknowledged") == 0 && !say(a, "acknowledged", "incident acknowledged", error))
        return false;
    if (changed && !a->is_new && !a->reopened && strcmp(status, "triggered") == 0 &&
        !say(a, "triggered", "incident no longer acknowledged", error))
        return false;
    if (!changed || strcmp(status, "resolved") != 0)
        return true;
    return say(a, "resolved", "incident resolved", error) &&
           outbox_add(a->tx, "incident_resolved", json_get_string(a->row, "id", NULL), NULL, NULL, error);
}

static void note_change(struct applying *a, const json_t *before)
{
    static const char *const details[] = {"title", "severity", "service", "team", "labels_json", NULL};
    bool changed = false;
    for (const char *const *key = details; *key; key++)
        changed = changed || differs(before, a->row, *key);
    bool resolved = is_status(a->row, "resolved") && !is_status(before, "resolved");
    json_object_set(a->change, "incident", json_object_get(a->row, "id"));
    json_object_set_new(a->change, "opened", json_boolean(a->is_new || a->reopened));
    json_object_set_new(a->change, "details", json_boolean(changed));
    json_object_set_new(a->change, "resolved", json_boolean(resolved));
    json_set_string(a->change, "starts", json_get_string(a->update, "starts", "never"));
}

/* The alerts that fire now, in the shape that sources tell them. */
static bool load_firing(struct applying *a, json_t **ret, GError **error)
{
    size_t i;
    json_t *alert;
    if (!store_list(a->tx, SQL_ALERT_FIRING, ret, error, "s", json_get_string(a->row, "id", NULL)))
        return false;
    json_array_foreach (*ret, i, alert)
        json_object_set(alert, "labels", json_object_get(alert, "labels_json"));
    return true;
}

static bool apply(struct applying *a, GError **error)
{
    bool stale;
    if (!find_row(a, &stale, error))
        return false;
    if (!a->row) {
        json_set_string(a->change, "note", "there is no incident of this key");
        return true;
    }
    json_object_set(a->change, "incident", json_object_get(a->row, "id"));
    if (stale) {
        json_set_string(a->change, "note", "too late: the alerts that it tells of have ended since");
        return true;
    }
    g_autoptr(json_t) before = json_deep_copy(a->row);
    g_autoptr(json_t) firing = NULL;
    if (!apply_alerts(a, error) || !load_firing(a, &firing, error))
        return false;
    set_details(a, firing);
    set_status(a, firing);
    if (!put_row(a, error))
        return false;
    note_change(a, before);
    const char *text = json_get_string(a->update, "text", NULL);
    return say_status(a, json_get_string(before, "status", NULL), error) && (!text || say(a, "event", text, error));
}

/* What an earlier try of the same delivery changed is still to be matched. */
static void add_before(json_t *change, const json_t *before)
{
    static const char *const flags[] = {"opened", "details", "resolved", NULL};
    for (const char *const *flag = flags; *flag; flag++)
        if (json_get_bool(before, *flag, false))
            json_object_set_new(change, *flag, json_true());
    json_t *alerts = json_object_get(change, "alerts"), *id;
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i;
    json_array_foreach (alerts, i, id)
        g_hash_table_add(known, (void *)json_string_value(id));
    json_array_foreach (json_object_get(before, "alerts"), i, id)
        if (!g_hash_table_contains(known, json_string_value(id)))
            json_array_append(alerts, id);
}

bool incident_update_apply(struct store_tx *tx, const char *source, const json_t *update,
                           const struct label_rules *rules, const json_t *before, json_t **ret_change, GError **error)
{
    struct applying a = {.tx = tx, .source = source, .update = update, .rules = rules};
    a.change = json_pack("{s:[]}", "alerts");
    a.fired = g_string_new(NULL);
    a.resolved = g_string_new(NULL);
    bool ok = apply(&a, error);
    if (ok && before)
        add_before(a.change, before);
    if (ok)
        *ret_change = json_incref(a.change);
    json_decref(a.change);
    json_decref(a.row);
    g_string_free(a.fired, TRUE);
    g_string_free(a.resolved, TRUE);
    return ok;
}

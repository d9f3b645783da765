/* source: a configured sender of webhooks. A new sender is one file in jobs/sources/ and one line in the table of
 * source.c.
 *
 * Two moments: at intake only `authenticate` and `dedup_key` run (on the loop, before the answer); after the delivery
 * is durable, `normalise` turns it into updates of incidents. Nothing here knows HTTP libraries. */
#ifndef JOBS_SOURCE_H
#define JOBS_SOURCE_H

#include "core/json.h"
#include "core/yaml.h"
#include <glib.h>
#include <stdbool.h>

/* What arrived. `header` returns a request header by lower-case name, or NULL; `query` a query parameter. */
struct source_request {
    const char *(*header)(void *arg, const char *name);
    const char *(*query)(void *arg, const char *name);
    void *arg;
    const char *body;
    size_t body_length;
};

struct source {
    const struct source_kind *kind;
    char *name;
    bool enabled;
    void *settings; /* the kind's own, from its configuration */
    int refused;    /* deliveries with bad credentials in a row */
};

/* One incident's update as a source tells it. JSON so that it can be stored, explained and replayed; absent = null:
 * {"key","title","status":"triggered|acknowledged|resolved","severity","severity_explicit":bool,"service","url","at":ms,
 *  "opened_at":ms,"same_incident":bool,"reopens":bool,"starts":"always|changes|never","labels":{},"alerts_complete":bool,"actor","text",
 *  "alerts":[{"id","status":"firing|resolved","name","labels":{},"annotations":{},"starts_at":ms,"ends_at":ms|null,"url"}]}
 * status null: the event says nothing about it ("derived": it follows from the alerts). at: when the event happened,
 * for events that overtake each other. same_incident: the key is never used for another incident, so what opens again
 * continues it; reopens: the event itself says that it opened again. starts: whether the event may start runs: always
 * (again: nothing starts twice), when something changed, or never (an acknowledgement). severity_explicit: a person set
 * it, so it wins over labels. keeps_status: an incident that is open stays as it is, also acknowledged. known_only:
 * nothing follows when there is no incident of the key. text: the timeline's sentence for an event that is more than a
 * change of status. labels absent: those common to the firing alerts are used. alerts_complete: alerts that are not
 * listed are gone. */

/* What a delivery says. */
struct source_reading {
    json_t *update;  /* or NULL: nothing follows */
    char *event;     /* sender's name of the event, for people, or NULL */
    char *event_key; /* sender's id of the event inside what is signed: the same event is worked on once; or NULL */
    char *note;      /* why nothing follows ("unknown event 'x'"), or NULL */
};
void source_reading_clear(struct source_reading *reading);

struct source_kind {
    const char *name; /* "pagerduty" */
    /* HTTP answers, as each sender understands them (docs/connect-*.md). */
    int accepted_status, unauthorised_status, malformed_status, busy_status;
    /* A malformed body is stored as a dead letter and answered accepted_status; it is then not even parsed before the
     * answer. */
    bool keep_malformed;
    bool signs_body; /* `authenticate` needs the body; else it is asked before the body is read, too */
    /* Reads the source's configuration node; problems go to error with line and key. `owner` ("source 'pd'") is for
     * messages. */
    void *(*configure)(const char *owner, const struct yaml_node *node, GError **error);
    void (*settings_free)(void *settings);
    /* Constant-time check of signature or credentials. */
    bool (*authenticate)(const struct source *source, const struct source_request *request);
    /* Text that is the same for redeliveries of one delivery and different else; g_free. `body` is parsed only when
     * keep_malformed is false; NULL is then the answer "malformed". */
    char *(*dedup_key)(const struct source *source, const struct source_request *request, const json_t *body);
    /* Any thread. An error makes the delivery a dead letter with that reason. */
    bool (*normalise)(const struct source *source, const json_t *body, int64_t received_ms, struct source_reading *ret,
                      GError **error);
    /* Optional: more to fetch before matching (PagerDuty's alerts): url and headers of one GET, both g_free/g_strfreev.
     * Its answer is merged (false: it made no sense); then it is asked for the next one, until false = nothing is left
     * to fetch for this update. Where it stands is kept in the update. */
    bool (*enrich_request)(const struct source *source, const json_t *update, char **ret_url, char ***ret_headers);
    bool (*enrich_merge)(const struct source *source, json_t *update, const json_t *answer);
};

extern const struct source_kind *const source_kinds[]; /* ends with NULL */
const struct source_kind *source_kind_by_name(const char *name);

/* Builds the sources of the configuration's `sources` tree (NULL = none). GPtrArray of struct source*. ERROR_CONFIG. */
GPtrArray *sources_configure(const struct yaml_node *tree, GError **error);
/* The one that is always there: incidents that runbooks open. Not enabled: no webhook is for it. */
struct source *source_new_runbook(void);
void source_free(struct source *source);

#endif

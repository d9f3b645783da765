/* source: a configured sender of webhooks. A new sender is one file in jobs/sources/ and one line in the table of source.c.
 *
 * Two moments: at intake only `authenticate` and `dedup_key` run (on the loop, before the answer); after the delivery is
 * durable, `normalise` turns it into updates of incidents. Nothing here knows HTTP libraries. */
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
};

/* One incident's update as a source tells it. JSON so that it can be stored, explained and replayed:
 * {"key","title","status":"triggered|acknowledged|resolved","severity","service","url","at":ms,"reopens":bool,"labels":{},
 *  "event":"…sender's event name","alerts_complete":bool,
 *  "alerts":[{"id","status":"firing|resolved","name","labels":{},"annotations":{},"starts_at":ms,"ends_at":ms|null,"url"}]}
 * `labels` may be absent: then those common to the firing alerts are used. */

struct source_kind {
    const char *name; /* "pagerduty" */
    /* HTTP answers (design/senders): accepted, bad credentials, malformed, busy. */
    int accepted_status, unauthorised_status, malformed_status, busy_status;
    bool keep_malformed; /* store as a dead letter and answer accepted_status */
    /* Reads the source's configuration node; problems go to error with line and key. NULL settings is an error. */
    void *(*configure)(const char *name, const struct yaml_node *node, GError **error);
    void (*settings_free)(void *settings);
    /* Constant-time check of signature or credentials. */
    bool (*authenticate)(const struct source *source, const struct source_request *request);
    /* Text that is the same for redeliveries of one delivery and different else; from headers or body. g_free. */
    char *(*dedup_key)(const struct source *source, const struct source_request *request, const json_t *body);
    /* updates: JSON array as above; an empty array with *ret_note says why nothing follows ("unknown event 'x'"). */
    json_t *(*normalise)(const struct source *source, const json_t *body, char **ret_note, GError **error);
    /* Optional: more to fetch before matching (PagerDuty's alerts): fills url/headers for one GET per incident, and merges. */
    bool (*enrich_request)(const struct source *source, const json_t *update, char **ret_url, char ***ret_headers);
    void (*enrich_merge)(const struct source *source, json_t *update, const json_t *answer);
};

extern const struct source_kind *const source_kinds[]; /* ends with NULL */
const struct source_kind *source_kind_by_name(const char *name);

/* Builds the sources of the configuration's `sources` tree (NULL = none). GPtrArray of struct source*. ERROR_CONFIG. */
GPtrArray *sources_configure(const struct yaml_node *tree, GError **error);
void source_free(struct source *source);

#endif

/* delivery_match: which documents cover an incident and which runs it starts. Pure: a catalog, an incident, what
 * changed; no store. */
#ifndef JOBS_DELIVERY_MATCH_H
#define JOBS_DELIVERY_MATCH_H

#include "jobs/catalog.h"

/* A run to be started. Borrowed pointers live as long as the plan. */
struct match_start {
    const struct runbook *runbook;
    const struct trigger *trigger;
    json_t *alert;    /* product shape, or NULL for the whole incident */
    json_t *incident; /* what the steps see */
    json_t *params;
    char *start_key; /* T:repository:runbook:trigger:incident.opening[:alert.opening] */
    size_t rule;     /* its entry in rules */
};

struct match_plan {
    struct catalog_set *set;
    json_t *documents; /* [{"path","by","owner","severity"}] */
    json_t *rules;  /* [{"runbook","repository","trigger","alert","matched","rules":[…],"outcome","message","run"}] */
    size_t omitted; /* rules that did not match and are not listed */
    json_t *tells;  /* sentences for the timeline */
    GPtrArray *starts; /* struct match_start* */
};

/* incident: incident_load_brief(); change: incident_update_apply(). `set` NULL = there is no catalog. */
struct match_plan *delivery_match(struct catalog_set *set, const json_t *incident, const json_t *change);
/* How many rules that would evaluate at most: decides on which thread to do it. */
size_t delivery_match_cost(const struct catalog_set *set, const json_t *incident);
void match_plan_free(struct match_plan *plan);

#endif

/* subject: what needs a runbook: a workload of a manifest, or an alert rule. Plain data. */
#ifndef JOBS_COVERAGE_SUBJECT_H
#define JOBS_COVERAGE_SUBJECT_H

#include "core/json.h"
#include <glib.h>

enum subject_kind { SUBJECT_WORKLOAD, SUBJECT_ALERT };

struct subject {
    enum subject_kind kind;
    char *key; /* what `covers` and baselines call it: "deployment/prod/checkout", "alert/NodeDiskFull" */
    char *name, *file;
    int line;               /* of a workload: the first of its YAML document's content; of an alert: its rule's own */
    char *owner, *severity; /* from labels, then annotations; NULL when there is none */
    char *digest;           /* of what it says, but for comments and layout; NULL when nobody asked for it */
    /* workloads: a Deployment, StatefulSet, DaemonSet, Job or CronJob */
    char *type;      /* as written: "Deployment" */
    char *namespace; /* NULL when it gives none */
    /* alerts */
    char *runbook_url;
    json_t *labels; /* object of strings: for triggers that match */
};

/* The key is made from the rest; strings are copied. */
struct subject *subject_new_workload(const char *type, const char *namespace, const char *name);
struct subject *subject_new_alert(const char *name);
void subject_free(struct subject *subject);

#endif

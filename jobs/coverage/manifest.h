/* manifest: what Kubernetes manifests and Prometheus rule files declare: workloads and alerts, with their places.
 *
 * Reads one YAML text: multi-document, `kind: List`, anchors, CRLF, BOM. Knows nothing of runbooks. */
#ifndef JOBS_COVERAGE_MANIFEST_H
#define JOBS_COVERAGE_MANIFEST_H

#include "core/json.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* A Deployment, StatefulSet, DaemonSet, Job or CronJob. `line` is the first line of its YAML document's content. */
struct workload {
    char *kind; /* as written: "Deployment" */
    char *namespace, *name, *file;
    int line;
    char *owner, *severity; /* from labels, then annotations; NULL when there is none */
};

/* An alerting rule of a PrometheusRule object or a plain rule file. `line` is the rule's own first line. */
struct alert_rule {
    char *name, *severity, *runbook_url, *file;
    json_t *labels; /* object of strings: for triggers that match */
    int line;
};

/* Which labels or annotations name the owner and the severity, first hit wins. */
struct manifest_labels {
    char **owner, **severity;
};

struct manifest_set {
    GPtrArray *workloads; /* struct workload* */
    GPtrArray *alerts;    /* struct alert_rule* */
    GPtrArray *skipped;   /* struct skipped_file* */
};

struct skipped_file {
    char *file, *reason;
};

struct manifest_set *manifest_set_new(void);
void manifest_set_free(struct manifest_set *set);

/* Reads one file's text into the set. `file` is the path to report. A text that is no YAML is put under skipped with
 * the reason ("a template: …" when it holds template braces); objects in the documents before the error are kept. */
void manifest_read(struct manifest_set *set, const char *file, const char *text, size_t length,
                   const struct manifest_labels *labels);
void manifest_skip(struct manifest_set *set, const char *file, const char *reason);

#endif

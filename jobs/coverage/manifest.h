/* manifest: what Kubernetes manifests and Prometheus rule files declare: workloads and alerts, with their places.
 *
 * Reads one YAML text: multi-document, `kind: List`, anchors, CRLF, BOM. Knows nothing of runbooks. Any thread. */
#ifndef JOBS_COVERAGE_MANIFEST_H
#define JOBS_COVERAGE_MANIFEST_H

#include "jobs/coverage/subject.h"
#include <stdbool.h>
#include <stddef.h>

/* How manifests are read. */
struct manifest_rules {
    char **owner_labels, **severity_labels; /* labels or annotations, the first that is there */
    char **ignore_kinds;                    /* workloads that need no runbook */
};

/* The kind of workload that a text of this length names in any case: "deployment" → "Deployment"; NULL: none. */
const char *manifest_kind(const char *text, size_t length);
/* Reads one text and appends its subjects (struct subject*). `file` is the path to report. NULL: it was read whole.
 * Else why not (g_free), "a template, not YAML: …" when it holds template braces; what stood in the documents before
 * the error was appended. `digests`: fill in each subject's. */
char *manifest_read(GPtrArray *subjects, const char *file, const char *text, size_t length,
                    const struct manifest_rules *rules, bool digests);

#endif

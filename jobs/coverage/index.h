/* index: which documents cover a subject, and by what. Lookups go by name, path, `covers` and alert, so that 10,000
 * manifests against 10,000 documents stay linear. */
#ifndef JOBS_COVERAGE_INDEX_H
#define JOBS_COVERAGE_INDEX_H

#include "jobs/coverage/document.h"
#include "jobs/coverage/subject.h"

/* Why something is covered. */
struct coverage_by {
    const struct document *document;
    const char *by; /* name, covers, trigger, runbook_url */
};
/* What an alert starts. */
struct coverage_start {
    const struct document *document;
    const struct trigger *trigger;
};

struct index;
/* url_prefixes: what a runbook_url's beginning stands for; borrowed. */
struct index *index_new(const json_t *url_prefixes);
void index_free(struct index *index);
/* The document must outlive the index. */
void index_add(struct index *index, const struct document *document);
/* Appends to `by` (struct coverage_by; a document once, by the first way that fits) and to `starts` (struct
 * coverage_start). Triggers are judged by what a rule file can know: see docs/coverage.md. */
void index_cover(const struct index *index, const struct subject *subject, GArray *by, GArray *starts);
/* Where a runbook_url leads by the prefixes: true and the documents (may be NULL: none, a dead link); false when no
 * prefix fits. */
bool index_resolve_url(const struct index *index, const char *url, const GPtrArray **ret_documents);

#endif

/* changes: what a change does to a coverage: subjects and documents that it adds, changes, renames or deletes, subjects
 * that lose their runbook, and which automation alerts would start from now on. */
#ifndef JOBS_COVERAGE_CHANGES_H
#define JOBS_COVERAGE_CHANGES_H

#include "jobs/coverage/coverage.h"
#include "jobs/coverage/past.h"

enum change_kind { CHANGE_ADDED, CHANGE_MODIFIED, CHANGE_RENAMED, CHANGE_DELETED, CHANGE_UNCOVERED };
extern const char *const change_names[]; /* "added", … by enum change_kind */

/* A workload or alert that the change touches. UNCOVERED: it is the same, but nothing covers it any more. */
struct subject_change {
    enum change_kind kind;
    const struct subject_answer *now, *before; /* NULL: there is, there was none */
};

struct document_change {
    enum change_kind kind;
    const struct document *now, *before;
};

/* Whether an alert starts a runbook, as the strongest of its triggers says. */
enum start_mode { START_NONE, START_SUGGEST, START_AUTO };
extern const char *const start_names[]; /* NULL, "suggest", "auto" */

/* An alert and a runbook: modes that differ, or a runbook that reads differently. */
struct automation_change {
    const struct subject *alert;
    const struct document *document; /* as it is now; as it was when the alert stops starting it */
    enum start_mode now, before;
};

enum automation_kind { AUTOMATION_STARTS, AUTOMATION_STOPS, AUTOMATION_EDITED };
extern const char *const automation_names[]; /* "starts", … */
enum automation_kind automation_kind(const struct automation_change *change);

/* "now starts": what a person reads between the alert and the runbook. */
const char *automation_words(const struct automation_change *change);

struct changes {
    char *since, *base; /* as given; the commit */
    struct past *past;
    struct coverage *before; /* owns what the entries borrow, as the coverage of now does */
    GPtrArray *subjects;     /* struct subject_change*, by key */
    GPtrArray *documents;    /* struct document_change*, by file */
    GPtrArray *automation;   /* struct automation_change*, by alert and file */
};

/* Takes `before` and `past`. */
struct changes *changes_new(const struct coverage *now, struct coverage *before, struct past *past, const char *since);
void changes_free(struct changes *changes);

/* Leaves in a coverage that has changes what they touch: subjects, documents and what they orphan, skipped files
 * (all of them with keep_skipped). */
void changes_narrow(struct coverage *coverage, bool keep_skipped);

/* automation.c: fills changes->automation from the subjects of both. Private to changes.c. */
void changes_compare_automation(struct changes *changes, const struct coverage *now);

/* Which one a row is about. */
const struct subject *subject_change_subject(const struct subject_change *change);
const struct document *document_change_document(const struct document_change *change);

/* {"since","base","workloads","alerts","documents","automation"}: docs/coverage.md. New reference. */
json_t *changes_to_json(const struct changes *changes);

#endif

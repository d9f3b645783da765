/* input: one file as coverage sees it: the subjects of a manifest, or a document, or why it could not be read. Read
 * once; the coverages of now and of before share it. */
#ifndef JOBS_COVERAGE_INPUT_H
#define JOBS_COVERAGE_INPUT_H

#include "jobs/coverage/document.h"
#include "jobs/coverage/manifest.h"

enum input_kind { INPUT_MANIFEST, INPUT_DOCUMENT, INPUT_TEST };

struct input {
    gint references;
    enum input_kind kind;
    char *file;                /* as reported: relative to the repository of the given path */
    char *path;                /* where it is, or was, on disk: absolute */
    const char *root;          /* the repository of the given path, absolute; interned */
    bool rendered;             /* a tool printed it: it is read already */
    char *skipped;             /* why it was not read, or not whole; NULL when it was */
    GPtrArray *subjects;       /* INPUT_MANIFEST: struct subject* */
    struct document *document; /* INPUT_DOCUMENT; NULL when there is no text */
    char *tested; /* INPUT_TEST: the runbook that a *.test.yaml runs: "./FILE.md" or an id; NULL: the file of
                   * the same name */
};

/* `file` is relative to `root`. */
struct input *input_new(enum input_kind kind, const char *root, const char *file);
struct input *input_ref(struct input *input); /* one thread */
void input_unref(struct input *input);

/* Fills an input from its text, once. Any thread. */
void input_parse(struct input *input, const char *text, size_t length, const struct manifest_rules *rules,
                 bool digests);
/* Reads its path, at most `max_bytes`, and parses it. */
void input_read(struct input *input, const struct manifest_rules *rules, bool digests);
/* Every input of the list (struct input*) that was not rendered and has no reason to be skipped, on all cores.
 * `wants_digests` may be NULL. */
void inputs_read(const GPtrArray *inputs, const struct manifest_rules *rules,
                 bool (*wants_digests)(const void *arg, const struct input *input), const void *arg);
size_t input_max_bytes(enum input_kind kind);

#endif

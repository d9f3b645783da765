/* document: what coverage keeps of a runbook or document: what it offers to cover, and what it points at. */
#ifndef JOBS_COVERAGE_DOCUMENT_H
#define JOBS_COVERAGE_DOCUMENT_H

#include "jobs/coverage/anchors.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct document {
    char *file, *id, *owner; /* owner NULL when it names none */
    char **covers;
    bool runbook;        /* has steps */
    bool skeleton;       /* as skeleton.h writes it */
    GPtrArray *triggers; /* struct trigger*: those of incidents */
    GPtrArray *links;    /* struct markdown_link*: those inside the repository */
    GHashTable *anchors; /* anchors.h */
    char *digest;        /* of the whole text; NULL when nobody asked for it */
};

/* Reads one text; `file` is the path to report. Never NULL: a broken runbook still covers by its name, because the file
 * is there, and *ret_problem (g_free) says what is wrong with it; NULL when nothing is. Any thread. */
struct document *document_read(const char *file, const char *text, size_t length, bool digest, char **ret_problem);
void document_free(struct document *document);

#endif

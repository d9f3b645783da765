/* finding: one thing that lint, the catalog or coverage says about a file, with a level and a place. */
#ifndef CORE_FINDING_H
#define CORE_FINDING_H

#include "core/json.h"
#include <glib.h>

enum finding_level { FINDING_NOTE, FINDING_WARNING, FINDING_ERROR };

struct finding {
    const char *rule; /* static id: "unknown-key", "lua-syntax" */
    enum finding_level level;
    char *file;
    int line, column; /* from 1; 0 = the whole file */
    char *message;
    char *suggestion; /* NULL, one word to write instead, or advice of several words */
    char *subject; /* what it is about ("deployment/prod/checkout"): the same tomorrow, unlike the message; or NULL */
};

struct finding_list; /* append-only, owns its findings */
struct finding_list *finding_list_new(void);
void finding_list_free(struct finding_list *list);
void finding_add(struct finding_list *list, const char *rule, enum finding_level level, const char *file, int line,
                 int column, const char *suggestion, const char *format, ...) G_GNUC_PRINTF(8, 9);
/* Names what the last finding is about: its identity in formats that compare one analysis with the next. */
void finding_about(struct finding_list *list, const char *subject);
size_t finding_count(const struct finding_list *list);
size_t finding_count_level(const struct finding_list *list, enum finding_level level);
const struct finding *finding_at(const struct finding_list *list, size_t index);
void finding_sort(struct finding_list *list);                                  /* by file, line, column, rule */
void finding_append(struct finding_list *to, const struct finding_list *from); /* copies */
json_t *finding_to_json(const struct finding *finding);                        /* product shape */
char *finding_to_text(const struct finding *finding); /* "file:3:5: error: … (did you mean …?) [rule]" */

/* The nearest of `candidates` (NULL-terminated) to `word` by edit distance, or NULL when none is near. Borrowed. */
const char *finding_nearest(const char *word, const char *const *candidates);

typedef struct finding_list finding_list;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(finding_list, finding_list_free)

#endif

/* runbook_parse: what the parts of the runbook parser share while one file is read. Private to jobs/runbook*.c. */
#ifndef JOBS_RUNBOOK_PARSE_H
#define JOBS_RUNBOOK_PARSE_H

#include "jobs/fence.h"
#include "jobs/field.h"
#include "jobs/fields.h"
#include "jobs/markdown.h"
#include "jobs/runbook.h"

/* A name in one place that must exist in another, checked when everything is read. */
enum reference_kind { REFERENCE_PARAM, REFERENCE_INPUT, REFERENCE_HANDLER };
struct reference {
    enum reference_kind kind;
    char *name;
    int line, column;
    guint step; /* index of the step that refers; G_MAXUINT = none */
};

struct parser {
    struct field_reader reader; /* .arg is this parser */
    struct runbook *runbook;
    GPtrArray *references; /* struct reference* */
    guint step;            /* being read; G_MAXUINT outside of steps */
};

static inline struct parser *parser_of(const struct field_reader *reader)
{
    return reader->arg;
}
void parser_refer(struct parser *parser, enum reference_kind kind, const char *name, const struct yaml_node *at);
/* Reads a host filter, with findings and references to its params. *ret is replaced. */
void parser_read_filter(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                        char **ret);
/* A dotted path that begins with one of `roots` (NULL-terminated): "data.used". Finding when not. */
bool parser_check_path(const struct field_reader *reader, const struct yaml_node *value, const char *text,
                       const char *const *roots);

/* runbook_front.c: the front matter's keys; runbook_steps.c: one fence; runbook_check.c: what only the whole file
 * shows. */
void runbook_read_front(struct parser *parser, const struct yaml_node *root);
void runbook_read_document(struct runbook *runbook,
                           const struct yaml_node *root); /* title, owner, covers; no findings */
void runbook_read_step(struct parser *parser, const struct fence *fence, const struct markdown_fence *block,
                       const char *title);
void runbook_check(struct parser *parser);

/* Rows of the front matter: runbook_params.c, runbook_triggers.c, runbook_limits.c. */
void runbook_read_params(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                         void *target);
void runbook_read_inputs(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                         void *target);
void runbook_read_triggers(const struct field_reader *reader, const struct yaml_node *key,
                           const struct yaml_node *value, void *target);
void runbook_read_limits(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                         void *target);

void param_free(struct param *param);
void trigger_free(struct trigger *trigger);
void step_free(struct step *step);

/* params.c: one value against its declaration. New reference, or NULL with ERROR_INVALID. `inventory` may be NULL. */
extern const char *const param_type_names[];    /* by enum param_type, ends with NULL */
extern const char *const trigger_kind_names[];  /* by enum trigger_kind, ends with NULL */
extern const char *const step_language_names[]; /* by enum step_language, ends with NULL */

#endif

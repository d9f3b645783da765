/* casefile_value: single values of a test file, each into the JSON object that is being filled. Private to
 * jobs/casefile*.c. */
#ifndef JOBS_CASEFILE_VALUE_H
#define JOBS_CASEFILE_VALUE_H

#include "core/json.h"
#include "jobs/field.h"

/* Functions for FIELD_READ rows. */
#define CASEFILE_READER(NAME)                                                                                          \
    void NAME(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,           \
              void *target)
CASEFILE_READER(casefile_text);
CASEFILE_READER(casefile_words); /* a list */
CASEFILE_READER(casefile_map);
CASEFILE_READER(casefile_text_map);

/* casefile_answer.c: what hosts, programs and HTTP servers answer. */
CASEFILE_READER(casefile_hosts);
CASEFILE_READER(casefile_exec);
CASEFILE_READER(casefile_http);
extern const struct field casefile_answer_fields[], casefile_http_fields[];

bool casefile_is_scalar(const struct yaml_node *value);
/* Says "'KEY' must be WHAT" unless it is fine. */
bool casefile_want(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                   bool fine, const char *what);
void casefile_choice(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                     json_t *target, const char *const *choices);

#define READER(NAME) static CASEFILE_READER(NAME)
/* A reader of one of the words that NAME_words lists. */
#define CHOICE_READER(NAME, ...)                                                                                       \
    static const char *const NAME##_words[] = {__VA_ARGS__, NULL};                                                     \
    READER(NAME)                                                                                                       \
    {                                                                                                                  \
        casefile_choice(reader, key, value, target, NAME##_words);                                                     \
    }

#endif

/* fields: what all senders' bodies have in common: text, labels, times from hostile JSON, cut to limits.
 */
#ifndef JOBS_SOURCES_FIELDS_H
#define JOBS_SOURCES_FIELDS_H

#include "core/json.h"

/* One line of at most LIMIT_TITLE_CHARS characters, control characters as spaces; NULL for NULL and empty. New
 * reference. */
json_t *fields_line(const char *text);
/* The scalars of an object as label texts, at most LIMIT_LABELS_PER_ALERT of LIMIT_LABEL_VALUE_BYTES. New reference. */
json_t *fields_labels(const json_t *object);
void fields_label_set(json_t *labels, const char *name,
                      const char *value); /* within the same limits; keeps what is there */
/* RFC 3339 text as milliseconds, or null: absent, unreadable, or the year 1 that Go writes for "none". New reference.
 */
json_t *fields_time(const json_t *object, const char *key);
/* The labels that all firing alerts (all, when none fires) have with the same value. New reference. */
json_t *fields_common_labels(const json_t *alerts);
/* A text of any length as one of at most 200 bytes that is as unique. g_free. */
char *fields_key(const char *text);

#endif

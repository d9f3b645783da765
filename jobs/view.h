/* view: small pieces of the shapes that machines rely on (docs/api.md), made from rows. */
#ifndef JOBS_VIEW_H
#define JOBS_VIEW_H

#include "core/json.h"

/* row[key] (ms) as RFC 3339 text, or null. New reference. */
json_t *view_time(const json_t *row, const char *key);
/* row[key] as it is, or null. New reference. */
json_t *view_value(const json_t *row, const char *key);
/* Copies the given keys (NULL-terminated) of row into object, absent ones as null. */
void view_copy(json_t *object, const json_t *row, const char *const *keys);

/* The error of a step: every key of the shape, absent ones as null; null when there is none. New reference. */
json_t *view_error(const json_t *error);

#endif

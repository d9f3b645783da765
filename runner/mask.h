/* mask: the values of a run's secrets, and text without them: whatever leaves a run (events, logs, tests) passes here.
 *
 * Each value is looked for as it is and in the forms that programs print (mask_forms.c). What a program computes from a
 * secret in another way is not recognised.
 */
#ifndef RUNNER_MASK_H
#define RUNNER_MASK_H

#include "core/json.h"
#include <stdbool.h>
#include <stddef.h>

/* Shorter values cannot be told from ordinary text: they are refused as secrets. */
#define MASK_MIN_BYTES 4
#define MASK_TEXT      "***"

struct mask;
struct mask *mask_new(void);
void mask_free(struct mask *mask); /* wipes */

/* False: the value is shorter than MASK_MIN_BYTES. */
bool mask_add(struct mask *mask, const char *value, size_t length);
bool mask_is_empty(const struct mask *mask);

bool mask_finds(const struct mask *mask, const char *bytes, size_t length);
/* The bytes with MASK_TEXT in place of each secret. g_free. */
char *mask_bytes(const struct mask *mask, const char *bytes, size_t length, size_t *ret_length);
/* The same where the text may have been cut: what is only the beginning of a secret is masked, too, if it is long. */
char *mask_cut_bytes(const struct mask *mask, const char *bytes, size_t length, size_t *ret_length);
/* How many bytes at the end may be the beginning of a secret: a stream keeps them until more comes. */
size_t mask_held(const struct mask *mask, const char *bytes, size_t length);

/* Whether any text of a value, keys included, holds a secret. */
bool mask_finds_json(const struct mask *mask, const json_t *value);
/* The value with every text masked. New reference: the same value when nothing is found. */
json_t *mask_json(const struct mask *mask, json_t *value);
json_t *mask_cut_json(const struct mask *mask, json_t *value); /* as mask_cut_bytes() */

#endif

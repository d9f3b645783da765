/* json: the only door to jansson, with what it lacks: errors with line and column, paths, limits.
 *
 * json_t is used as the value type throughout. Ownership follows jansson's names: json_X_set_new steals, json_X_get
 * borrows. */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* Parses one JSON value of at most LIMIT_JSON_DEPTH levels; duplicate keys are an error. `name` is what messages call
 * the input ("body", a file's path): "body:3:14: invalid token". ERROR_PARSE. Caller owns the result. */
json_t *json_parse(const char *text, size_t length, const char *name, GError **error);

/* About how many values a text holds, without making them: its commas and opening brackets outside of strings. A list
 * of empty lists takes some fifty times the memory of its text, so a small limit of bytes is not enough where text is
 * hostile. */
size_t json_values(const char *text, size_t length);

/* Compact text with sorted keys: the canonical form for digests and storage. Caller frees with g_free. Strings that are
 * not UTF-8 are written with U+FFFD. Never NULL. */
char *json_text(const json_t *value);
char *json_text_pretty(const json_t *value);

/* A string value of arbitrary bytes: invalid UTF-8 becomes U+FFFD, NUL is kept as \u0000. */
json_t *json_text_value(const char *bytes, size_t length);

/* Walks dotted object keys from value: json_path(event, "event.data.service.summary"). A key may hold dots
 * itself: "labels.app.kubernetes.io/name" finds labels → "app.kubernetes.io/name". Borrowed; NULL when absent or null.
 */
json_t *json_path(const json_t *value, const char *path);
/* The string at a path, or NULL when absent or not a string. Borrowed. */
const char *json_path_string(const json_t *value, const char *path);

/* The first object of an array (NULL: none) whose member `key` is this text. Borrowed; NULL when there is none, or no
 * text. */
json_t *json_find(const json_t *array, const char *key, const char *text);

/* Object members with a default. Borrowed. */
const char *json_get_string(const json_t *object, const char *key, const char *fallback);
json_int_t json_get_integer(const json_t *object, const char *key, json_int_t fallback);
bool json_get_bool(const json_t *object, const char *key, bool fallback);

/* Sets key to a string, or to null when text is NULL. */
void json_set_string(json_t *object, const char *key, const char *text);

/* Scalars as text for labels, messages, params: strings as they are, numbers and booleans printed, null "". g_free. */
char *json_scalar_text(const json_t *value);

#endif

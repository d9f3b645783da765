/* settings: reading the configuration of a source or channel: one map, known keys, secrets by reference. */
#ifndef JOBS_SETTINGS_H
#define JOBS_SETTINGS_H

#include "core/yaml.h"
#include <glib.h>
#include <stdbool.h>

/* owner is what messages call it: "source 'pd'". */
/* Refuses keys that are not in `known` (NULL-terminated; kind and enabled are always known).
 * ERROR_CONFIG. */
bool settings_check_keys(const char *owner, const struct yaml_node *node, const char *const *known, GError **error);
/* A text key, or NULL when absent. ERROR_CONFIG for another type. g_free. */
bool settings_text(const char *owner, const struct yaml_node *node, const char *key, char **ret, GError **error);
/* A reference or a list of references, resolved: NULL-terminated values, free with settings_secrets_free(). NULL when
 * absent. */
bool settings_secrets(const char *owner, const struct yaml_node *node, const char *key, char ***ret, GError **error);
void settings_secrets_free(char **secrets);
/* Constant time, also in the lengths. */
bool settings_secret_equal(const char *expected, const char *given, size_t length);

#endif

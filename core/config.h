/* config: hikeshi.yaml, environment and flags, from one table (core/config_keys.def).
 *
 * Precedence: flag, environment (HIKESHI_ + the key in upper case, dots and dashes as _), file, default. Scalar keys are
 * typed; structured keys (repositories, sources, channels, trust, severities, secrets, runner, rules) stay YAML trees that
 * their owner reads. Unknown keys are errors with line, column and the nearest known key. */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include "core/json.h"
#include "core/yaml.h"
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum config_type { CONFIG_STRING, CONFIG_INTEGER, CONFIG_BOOL, CONFIG_DURATION, CONFIG_LIST, CONFIG_TREE };

struct config_key {
    const char *name; /* "listen", "retention.runs" */
    enum config_type type;
    const char *fallback; /* text of the default, NULL = none */
    const char *allowed;  /* "a|b|c" of a string, "1..64" of an integer, NULL = any */
    const char *help;     /* one line, for --help and docs/configuration.md */
};
extern const struct config_key config_keys[]; /* ends with name == NULL */
char *config_flag_name(const struct config_key *key); /* "log-level" (--log-level); g_free. CONFIG_TREE has none: NULL */
char *config_env_name(const struct config_key *key);  /* "HIKESHI_LOG_LEVEL"; g_free. CONFIG_TREE has none: NULL */

struct config;

/* Reads `path` (NULL: ./hikeshi.yaml when it exists), then the environment, then `flags`: "listen=127.0.0.1:0", … (a key or
 * its flag name; "no_runner" alone = true; NULL-terminated, may be NULL). Every problem is reported at once in the error's
 * message, one a line. ERROR_CONFIG. */
struct config *config_load(const char *path, const char *const *flags, GError **error);
void config_free(struct config *config);
const char *config_file(const struct config *config); /* the file read, or "(defaults)" */

const char *config_string(const struct config *config, const char *key); /* NULL when unset and no default */
int64_t config_integer(const struct config *config, const char *key);
bool config_bool(const struct config *config, const char *key);
int64_t config_duration_ms(const struct config *config, const char *key);
/* A list of texts, NULL-terminated; empty when unset. In flags and the environment: separated by commas. Borrowed. */
const char *const *config_list(const struct config *config, const char *key);
/* The YAML tree of a structured key, or what stands at any dotted path in the file ("runner.ssh"), or NULL. Borrowed. */
const struct yaml_node *config_tree(const struct config *config, const char *key);

typedef struct config config_t; /* not `config`: -Wshadow would forbid variables of that name */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(config_t, config_free)

#endif

#include "jobs/settings.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/finding.h"
#include "core/secret.h"
#include <string.h>

bool settings_check_keys(const char *owner, const struct yaml_node *node, const char *const *known, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_ptr_array_add(names, (void *)"kind");
    g_ptr_array_add(names, (void *)"enabled");
    for (; *known; known++)
        g_ptr_array_add(names, (void *)*known);
    g_ptr_array_add(names, NULL);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *key = node->keys[i];
        if (g_strv_contains((const char *const *)names->pdata, key->text))
            continue;
        const char *nearest = finding_nearest(key->text, (const char *const *)names->pdata);
        errors_set(error, ERROR_CONFIG, "line %d: %s has an unknown key '%s'%s%s%s", key->line, owner, key->text,
                   nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
        return false;
    }
    return true;
}

bool settings_text(const char *owner, const struct yaml_node *node, const char *key, char **ret, GError **error)
{
    const struct yaml_node *value = yaml_get(node, key);
    *ret = NULL;
    if (!value)
        return true;
    if (value->kind != YAML_STRING || value->text_length == 0) {
        errors_set(error, ERROR_CONFIG, "line %d: %s: '%s' must be a text, not %s", value->line, owner, key,
                   yaml_kind_name(value->kind));
        return false;
    }
    *ret = g_strdup(value->text);
    return true;
}

static char *resolve(const char *owner, const char *key, const struct yaml_node *node, GError **error)
{
    if (node->kind != YAML_STRING || !secret_is_reference(node->text)) {
        errors_set(error, ERROR_CONFIG, "line %d: %s: '%s' must be a reference, env:NAME or file:PATH", node->line,
                   owner, key);
        return NULL;
    }
    g_autoptr(GError) reason = NULL;
    char *value = secret_resolve(node->text, &reason);
    if (!value || !*value) {
        errors_set(error, ERROR_CONFIG, "line %d: %s: '%s': %s", node->line, owner, key,
                   reason ? reason->message : "the secret is empty");
        secret_free(value);
        return NULL;
    }
    return value;
}

bool settings_secrets(const char *owner, const struct yaml_node *node, const char *key, char ***ret, GError **error)
{
    const struct yaml_node *value = yaml_get(node, key);
    *ret = NULL;
    if (!value)
        return true;
    size_t count = value->kind == YAML_LIST ? value->count : 1;
    char **secrets = g_new0(char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        secrets[i] = resolve(owner, key, value->kind == YAML_LIST ? value->items[i] : value, error);
        if (!secrets[i]) {
            settings_secrets_free(secrets);
            return false;
        }
    }
    *ret = secrets;
    return true;
}

void settings_secrets_free(char **secrets)
{
    for (char **secret = secrets; secret && *secret; secret++)
        secret_free(*secret);
    g_free(secrets);
}

bool settings_secret_equal(const char *expected, const char *given, size_t length)
{
    uint8_t a[32], b[32];
    crypto_sha256(expected, strlen(expected), a);
    crypto_sha256(given, length, b);
    return crypto_equal(a, b, sizeof a);
}

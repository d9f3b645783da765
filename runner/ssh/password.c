/* password: see password.h. */
#include "runner/ssh/password.h"
#include "core/errors.h"
#include "core/secret.h"
#include <string.h>

static const char *const default_keys[SSH_PASSWORD_USES] = {
    [SSH_PASSWORD_LOGIN] = "runner.ssh.password",
    [SSH_PASSWORD_SUDO] = "runner.ssh.sudo_password",
};

struct ssh_passwords {
    char *defaults[SSH_PASSWORD_USES];
    GHashTable *named; /* name → reference */
};

struct ssh_password {
    char *key; /* where the reference stands */
    char *reference, *value;
    GError *error;
    void (*done)(void *arg, const char *value, const GError *error); /* NULL: cancelled */
    void *arg;
};

struct ssh_passwords *ssh_passwords_new(const char *login, const char *sudo, const struct yaml_node *named)
{
    struct ssh_passwords *passwords = g_new0(struct ssh_passwords, 1);
    passwords->defaults[SSH_PASSWORD_LOGIN] = g_strdup(login);
    passwords->defaults[SSH_PASSWORD_SUDO] = g_strdup(sudo);
    passwords->named = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (size_t i = 0; named != NULL && named->kind == YAML_MAP && i < named->count; i++)
        g_hash_table_insert(passwords->named, g_strdup(named->keys[i]->text), g_strdup(named->items[i]->text));
    return passwords;
}

void ssh_passwords_free(struct ssh_passwords *passwords)
{
    if (passwords == NULL)
        return;
    for (int i = 0; i < SSH_PASSWORD_USES; i++)
        g_free(passwords->defaults[i]);
    g_hash_table_unref(passwords->named);
    g_free(passwords);
}

static const char *name_of(enum ssh_password_use use, const struct ssh_target *target)
{
    return use == SSH_PASSWORD_SUDO ? target->sudo_password : target->password;
}

bool ssh_passwords_have(const struct ssh_passwords *passwords, enum ssh_password_use use,
                        const struct ssh_target *target)
{
    return name_of(use, target) != NULL || passwords->defaults[use] != NULL;
}

static void read_value(void *arg)
{
    struct ssh_password *password = arg;
    if (password->error == NULL)
        password->value = secret_resolve(password->reference, &password->error);
    if (password->value != NULL && strpbrk(password->value, "\r\n") != NULL) {
        secret_free(g_steal_pointer(&password->value));
        errors_set(&password->error, ERROR_SECRET, "the password holds a line break");
    }
    if (password->error != NULL)
        g_prefix_error(&password->error, "%s: ", password->key);
}

static void tell(void *arg)
{
    struct ssh_password *password = arg;
    if (password->done != NULL)
        password->done(password->arg, password->value, password->error);
    secret_free(password->value);
    g_clear_error(&password->error);
    g_free(password->reference);
    g_free(password->key);
    g_free(password);
}

struct ssh_password *ssh_password_read(struct loop *loop, const struct ssh_passwords *passwords,
                                       enum ssh_password_use use, const struct ssh_target *target,
                                       void (*done)(void *arg, const char *value, const GError *error), void *arg)
{
    if (!ssh_passwords_have(passwords, use, target))
        return NULL;
    const char *name = name_of(use, target);
    const char *reference = name ? g_hash_table_lookup(passwords->named, name) : passwords->defaults[use];
    struct ssh_password *password = g_new0(struct ssh_password, 1);
    password->key = name ? g_strdup_printf("runner.ssh.passwords.%s", name) : g_strdup(default_keys[use]);
    password->reference = g_strdup(reference);
    password->done = done;
    password->arg = arg;
    if (reference == NULL)
        errors_set(&password->error, ERROR_SECRET, "the inventory names it for host '%s', this runner has none",
                   target->name);
    loop_work(loop, read_value, tell, password);
    return password;
}

void ssh_password_cancel(struct ssh_password *password)
{
    if (password != NULL)
        password->done = NULL;
}

/* sudo: see sudo.h. */
#include "runner/ssh/sudo.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/secret.h"
#include "runner/ssh/password.h"
#include "runner/ssh/wrap.h"
#include <string.h>

/* Nothing that was asked for prints more before its first word: startup files do. */
enum { MAX_HELD_BYTES = 64 * 1024 };

enum { ASK, GO, MARK_COUNT };

struct ssh_sudo {
    struct ssh_password *reading;
    char *password;
    char *marks[MARK_COUNT];
    char *refused; /* what the program says when sudo asked twice */
    int next;      /* mark */
    GByteArray *held;
    void (*known)(void *arg, const GError *error);
    void *arg;
};

bool ssh_sudo_asks(const struct ssh_pool *pool, const struct ssh_target *target)
{
    return ssh_passwords_have(ssh_pool_passwords(pool), SSH_PASSWORD_SUDO, target);
}

static void password_read(void *arg, const char *value, const GError *error)
{
    struct ssh_sudo *sudo = arg;
    sudo->reading = NULL;
    sudo->password = g_strdup(value);
    sudo->known(sudo->arg, error);
}

struct ssh_sudo *ssh_sudo_new(struct ssh_pool *pool, const struct ssh_target *target, const char *marker,
                              void (*known)(void *arg, const GError *error), void *arg)
{
    struct ssh_sudo *sudo = g_new0(struct ssh_sudo, 1);
    sudo->known = known;
    sudo->arg = arg;
    sudo->marks[ASK] = g_strdup_printf(SSH_SUDO_ASK, marker ? marker : "");
    sudo->marks[GO] = g_strdup_printf(SSH_SUDO_GO, marker ? marker : "");
    sudo->refused = g_strdup_printf(SSH_SUDO_REFUSED, marker ? marker : "");
    sudo->held = g_byte_array_new();
    sudo->reading = ssh_password_read(ssh_pool_loop(pool), ssh_pool_passwords(pool), SSH_PASSWORD_SUDO, target,
                                      password_read, sudo);
    return sudo;
}

void ssh_sudo_free(struct ssh_sudo *sudo)
{
    if (sudo == NULL)
        return;
    ssh_password_cancel(sudo->reading);
    secret_free(sudo->password);
    for (int i = 0; i < MARK_COUNT; i++)
        g_free(sudo->marks[i]);
    g_free(sudo->refused);
    g_byte_array_unref(sudo->held);
    g_free(sudo);
}

const char *ssh_sudo_password(const struct ssh_sudo *sudo)
{
    return sudo ? sudo->password : NULL;
}

/* ---- handing it over ---- */

struct secret_bytes {
    size_t length;
    char bytes[];
};

static void wipe(void *pointer)
{
    struct secret_bytes *secret = pointer;
    crypto_wipe(secret->bytes, secret->length);
    g_free(secret);
}

static void append(struct secret_bytes *secret, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(secret->bytes + secret->length, bytes, length);
    secret->length += length;
}

GBytes *ssh_sudo_input(const struct ssh_sudo *sudo, GBytes *header, GBytes *rest)
{
    size_t before = 0, after = 0, length = strlen(sudo->password);
    const void *head = header ? g_bytes_get_data(header, &before) : NULL;
    const void *tail = rest ? g_bytes_get_data(rest, &after) : NULL;
    struct secret_bytes *secret = g_malloc(sizeof *secret + before + length + 1 + after);
    secret->length = 0;
    append(secret, head, before);
    append(secret, sudo->password, length);
    append(secret, "\n", 1);
    append(secret, tail, after);
    return g_bytes_new_with_free_func(secret->bytes, secret->length, wipe, secret);
}

void ssh_sudo_terminal_begin(struct ssh_sudo *sudo)
{
    sudo->next = ASK;
    g_byte_array_set_size(sudo->held, 0);
}

static void pass_held(struct ssh_sudo *sudo, const struct ssh_sudo_terminal *terminal, size_t length, size_t skip)
{
    if (length > 0)
        terminal->pass(terminal->arg, (const char *)sudo->held->data, length);
    g_byte_array_remove_range(sudo->held, 0, (guint)(length + skip));
}

/* The password is typed when the terminal does not show it; the rest when it shows again what is typed. */
static void answer(struct ssh_sudo *sudo, const struct ssh_sudo_terminal *terminal)
{
    g_autoptr(GBytes) bytes = sudo->next == ASK ? ssh_sudo_input(sudo, NULL, NULL)
                              : terminal->rest  ? g_bytes_ref(terminal->rest)
                                                : NULL;
    ssh_channel_input(terminal->channel, bytes, sudo->next == GO);
    sudo->next++;
}

void ssh_sudo_terminal_output(struct ssh_sudo *sudo, const struct ssh_sudo_terminal *terminal, const char *bytes,
                              size_t length)
{
    g_byte_array_append(sudo->held, (const guint8 *)bytes, (guint)length);
    while (sudo->next < MARK_COUNT) {
        const char *mark = sudo->marks[sudo->next];
        const uint8_t *at = memmem(sudo->held->data, sudo->held->len, mark, strlen(mark));
        if (at == NULL)
            break;
        answer(sudo, terminal);
        pass_held(sudo, terminal, (size_t)(at - sudo->held->data), strlen(mark));
    }
    if (sudo->next == MARK_COUNT || sudo->held->len > MAX_HELD_BYTES)
        ssh_sudo_terminal_end(sudo, terminal);
}

void ssh_sudo_terminal_end(struct ssh_sudo *sudo, const struct ssh_sudo_terminal *terminal)
{
    pass_held(sudo, terminal, sudo->held->len, 0);
}

/* ---- what it said ---- */

GError *ssh_sudo_refusal(const struct ssh_sudo *sudo, const struct ssh_target *target, const char *said, size_t length)
{
    if (memmem(said, length, sudo->refused, strlen(sudo->refused)) == NULL)
        return NULL;
    g_autofree char *key = target->sudo_password ? g_strconcat("runner.ssh.passwords.", target->sudo_password, NULL)
                                                 : g_strdup("runner.ssh.sudo_password");
    return g_error_new(HIKESHI_ERROR, ERROR_AUTH,
                       "sudo on %s did not take the password of %s for user '%s'; the command did not run. Is it this "
                       "user's, or does sudo want another's (targetpw, rootpw) or a second factor?",
                       target->label, key, target->user);
}

const char *ssh_sudo_hint(const char *said, size_t length)
{
    static const struct {
        const char *words, *hint;
    } hints[] = {
        {"sudo: a password is required",
         "sudo wants a password: set runner.ssh.sudo_password, or let sudoers allow the command with NOPASSWD"},
        {"you must have a tty to run sudo", "sudo wants a terminal (requiretty in sudoers): use pty = true"},
        {" is not in the sudoers file", "sudoers must allow this user the command"},
        {" may not run sudo on ", "sudoers must allow this user the command"},
        {" is not allowed to execute ",
         "sudoers must allow the program itself; with env, cwd, a script or an upload, /bin/sh"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(hints); i++)
        if (memmem(said, length, hints[i].words, strlen(hints[i].words)) != NULL)
            return hints[i].hint;
    return NULL;
}

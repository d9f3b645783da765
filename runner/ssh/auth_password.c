/* auth_password: signing in with a password, in the form that the host takes: sent as such, or as the answer to a
 * prompt (keyboard-interactive). */
#include "core/errors.h"
#include "core/secret.h"
#include "runner/ssh/auth_private.h"
#include <string.h>

enum { MAX_PROMPT_CHARACTERS = 160 };

static void password_read(void *arg, const char *value, const GError *error)
{
    struct ssh_auth *auth = arg;
    auth->reading = NULL;
    auth->password = g_strdup(value);
    if (error != NULL)
        ssh_auth_note(auth, "no password: %s", error->message);
    auth->wake(auth->wake_arg);
}

void ssh_auth_read_password(struct ssh_auth *auth, struct loop *loop, const struct ssh_passwords *passwords)
{
    auth->reading = ssh_password_read(loop, passwords, SSH_PASSWORD_LOGIN, auth->target, password_read, auth);
}

/* ---- which form ---- */

static bool lists(const char *methods, const char *method)
{
    g_auto(GStrv) each = g_strsplit(methods, ",", -1);
    return g_strv_contains((const char *const *)each, method);
}

/* Also without a password: the error then says what the host would take. */
enum ssh_auth_progress ssh_auth_step_list(struct ssh_auth *auth, GError **error)
{
    const char *user = auth->target->user;
    const char *methods = libssh2_userauth_list(auth->ssh2, user, (unsigned)strlen(user));
    if (methods == NULL && libssh2_session_last_errno(auth->ssh2) == LIBSSH2_ERROR_EAGAIN)
        return SSH_AUTH_WAIT;
    if (methods == NULL && libssh2_userauth_authenticated(auth->ssh2))
        return SSH_AUTH_DONE; /* it wants no proof at all */
    if (methods == NULL) {
        /* Asking was one try too many for it: what was refused before is what matters. */
        return auth->password == NULL && auth->candidates->len > 0 ? ssh_auth_refused(auth, error)
                                                                   : ssh_auth_cut_off(auth, error);
    }
    g_autofree char *valid = g_utf8_make_valid(methods, -1);
    auth->offers = g_strescape(valid, NULL);
    if (auth->password != NULL && lists(methods, "password"))
        return ssh_auth_go_on(auth, AUTH_PASSWORD);
    if (auth->password != NULL && lists(methods, "keyboard-interactive"))
        return ssh_auth_go_on(auth, AUTH_PROMPTS);
    if (auth->password != NULL)
        ssh_auth_note(auth, "the password was not tried");
    return ssh_auth_refused(auth, error);
}

static enum ssh_auth_progress password_ended(struct ssh_auth *auth, int status, GError **error)
{
    switch (status) {
    case LIBSSH2_ERROR_EAGAIN:
        return SSH_AUTH_WAIT;
    case 0:
        return SSH_AUTH_DONE;
    case LIBSSH2_ERROR_PASSWORD_EXPIRED:
        ssh_auth_note(auth, "it has expired and must be changed on the host");
        return ssh_auth_refused(auth, error);
    case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
        return ssh_auth_refused(auth, error);
    default:
        return ssh_auth_cut_off(auth, error);
    }
}

enum ssh_auth_progress ssh_auth_step_password(struct ssh_auth *auth, GError **error)
{
    const char *user = auth->target->user;
    auth->password_sent = true;
    int status = libssh2_userauth_password_ex(auth->ssh2, user, (unsigned)strlen(user), auth->password,
                                              (unsigned)strlen(auth->password), NULL);
    return password_ended(auth, status, error);
}

/* ---- prompts ---- */

/* A host may ask for a one-time code, for a new password or for anything else: what it gets is a password only where
 * its prompt says so, in one of these languages (those that Linux-PAM's own prompt comes in most often). */
static bool asks_for_password(const char *prompt)
{
    static const char *const words[] = {"password", "passwort", "mot de passe", "contraseña", "senha",  "wachtwoord",
                                        "hasło",    "heslo",    "пароль",       "パスワード", "密码",   "密碼",
                                        "암호",     "lösenord", "passord",      "salasana",   "jelszó", "parola"};
    const char *line = strrchr(prompt, '\n'); /* what stands before is a word of greeting, or of PAM */
    g_autofree char *lower = g_utf8_strdown(line ? line + 1 : prompt, -1);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (strstr(lower, words[i]) != NULL)
            return strstr(lower, "new password") == NULL && strstr(lower, "one-time") == NULL;
    return false;
}

/* It may have been made of what we sent before. */
static char *prompt_text(const struct ssh_auth *auth, const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompt)
{
    g_autofree char *bytes = g_strndup((const char *)prompt->text, prompt->length);
    if (auth->password_sent && *auth->password != '\0' && strstr(bytes, auth->password) != NULL)
        return g_strdup("(our password)");
    g_autofree char *valid = g_utf8_make_valid(bytes, -1);
    return g_strdup(g_strstrip(valid));
}

static const char *answer_to(struct ssh_auth *auth, const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompt)
{
    g_autofree char *text = prompt_text(auth, prompt);
    if (!prompt->echo && !auth->password_sent && asks_for_password(text)) {
        auth->password_sent = true;
        return auth->password;
    }
    g_autofree char *shown = g_utf8_substring(text, 0, MIN(g_utf8_strlen(text, -1), MAX_PROMPT_CHARACTERS));
    for (char *at = shown; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            *at = ' ';
    ssh_auth_note(auth, "it asks '%s', which is not answered", shown);
    return "";
}

void ssh_auth_answer(struct ssh_auth *auth, int count, const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
                     LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses)
{
    for (int i = 0; i < count; i++) {
        const char *text = answer_to(auth, &prompts[i]);
        responses[i].text = strdup(text); /* libssh2 frees it */
        responses[i].length = (unsigned)strlen(text);
    }
}

enum ssh_auth_progress ssh_auth_step_prompts(struct ssh_auth *auth, GError **error)
{
    const char *user = auth->target->user;
    int status = libssh2_userauth_keyboard_interactive_ex(auth->ssh2, user, (unsigned)strlen(user), auth->prompted);
    return password_ended(auth, status, error);
}

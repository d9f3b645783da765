/* Which password a host gets, and which of its questions are answered with it. That it signs in, and what is said when
 * it does not, is in tests/box/test_ssh_matrix.py, with real servers. */
#include "tests/unit/support.h"

#include "core/errors.h"
#include "core/yaml.h"
#include "runner/ssh/auth_private.h"
#include <stdlib.h>
#include <string.h>

static struct loop *loop;

struct answer {
    char *value, *error;
    bool done;
};

static void read_done(void *arg, const char *value, const GError *error)
{
    struct answer *answer = arg;
    *answer = (struct answer){g_strdup(value), error ? g_strdup(error->message) : NULL, true};
}

static void which_password(void **state)
{
    (void)state;
    static const struct {
        const char *why, *login, *sudo, *named;
        enum ssh_password_use use;
        const char *host_login, *host_sudo; /* of the inventory */
        const char *value, *error;          /* both NULL: there is none */
    } rows[] = {
        {"none", NULL, NULL, NULL, SSH_PASSWORD_LOGIN, NULL, NULL, NULL, NULL},
        {"the default", "env:HK_ONE", NULL, NULL, SSH_PASSWORD_LOGIN, NULL, NULL, "one", NULL},
        {"the sign-in's is not sudo's", "env:HK_ONE", NULL, NULL, SSH_PASSWORD_SUDO, NULL, NULL, NULL, NULL},
        {"sudo's", "env:HK_ONE", "env:HK_TWO", NULL, SSH_PASSWORD_SUDO, NULL, NULL, "two", NULL},
        {"the host's own", "env:HK_ONE", NULL, "{sw: 'env:HK_TWO'}", SSH_PASSWORD_LOGIN, "sw", NULL, "two", NULL},
        {"the host's own for sudo", NULL, "env:HK_ONE", "{sw: 'env:HK_TWO'}", SSH_PASSWORD_SUDO, NULL, "sw", "two",
         NULL},
        {"not this runner's", "env:HK_ONE", NULL, "{sw: 'env:HK_TWO'}", SSH_PASSWORD_LOGIN, "other", NULL, NULL,
         "runner.ssh.passwords.other: the inventory names it for host 'web-1', this runner has none"},
        {"not set", "env:HK_NONE", NULL, NULL, SSH_PASSWORD_LOGIN, NULL, NULL, NULL,
         "runner.ssh.password: secret 'env:HK_NONE': the environment variable is not set"},
        {"the password itself", NULL, "hunter2", NULL, SSH_PASSWORD_SUDO, NULL, NULL, NULL,
         "runner.ssh.sudo_password: a secret must be a reference, env:NAME or file:PATH"},
        {"two lines", "env:HK_LINES", NULL, NULL, SSH_PASSWORD_LOGIN, NULL, NULL, NULL,
         "runner.ssh.password: the password holds a line break"},
    };
    g_setenv("HK_ONE", "one", TRUE);
    g_setenv("HK_TWO", "two", TRUE);
    g_setenv("HK_LINES", "a\nb", TRUE);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(yaml_document) document =
            rows[i].named ? yaml_parse(rows[i].named, strlen(rows[i].named), "c.yaml", 0, NULL) : NULL;
        struct ssh_passwords *passwords =
            ssh_passwords_new(rows[i].login, rows[i].sudo, document ? yaml_root(document) : NULL);
        const struct ssh_target target = {.name = (char *)(uintptr_t) "web-1",
                                          .password = (char *)(uintptr_t)rows[i].host_login,
                                          .sudo_password = (char *)(uintptr_t)rows[i].host_sudo};
        struct answer answer = {0};
        bool any = ssh_password_read(loop, passwords, rows[i].use, &target, read_done, &answer) != NULL;
        while (any && !answer.done)
            loop_step(loop);
        if (any != (rows[i].value || rows[i].error) || g_strcmp0(answer.value, rows[i].value) != 0 ||
            g_strcmp0(answer.error, rows[i].error) != 0)
            row_failed(rows[i].why, "value '%s', error '%s'", answer.value, answer.error);
        g_free(answer.value);
        g_free(answer.error);
        ssh_passwords_free(passwords);
    }
}

/* ---- prompts ---- */

static void which_prompts_are_answered(void **state)
{
    (void)state;
    static const struct {
        const char *why, *prompt;
        bool echo, answered;
        const char *note;
    } rows[] = {
        {"PAM's", "Password: ", false, true, ""},
        {"OpenSSH's", "(ops@db-1) Password for ops@db-1:", false, true, ""},
        {"in another language", "Mot de passe : ", false, true, ""},
        {"and another", "パスワード: ", false, true, ""},
        {"and a third", "ПАРОЛЬ:", false, true, ""},
        {"a second factor", "Verification code: ", false, false,
         "; it asks 'Verification code:', which is not answered"},
        {"one of its names", "One-time password (OATH): ", false, false,
         "; it asks 'One-time password (OATH):', which is not answered"},
        {"a change of the password", "New password: ", false, false,
         "; it asks 'New password:', which is not answered"},
        {"would stand in the host's log", "Password: ", true, false, "; it asks 'Password:', which is not answered"},
        {"a question", "Is your password safe?\n(yes/no)\x1b[31m", true, false,
         "; it asks 'Is your password safe? (yes/no) [31m', which is not answered"},
        {"talk before it", "Your password expires soon.\nPassword: ", false, true, ""},
        {"talk that is not it", "Your password expires soon.\nCode: ", false, false,
         "; it asks 'Your password expires soon. Code:', which is not answered"},
        {"nothing", "", false, false, "; it asks '', which is not answered"},
        {"not text", "\xff\xfe", false, false, "; it asks '\xEF\xBF\xBD\xEF\xBF\xBD', which is not answered"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct ssh_auth auth = {.password = (char *)(uintptr_t) "secret", .notes = g_string_new(NULL)};
        LIBSSH2_USERAUTH_KBDINT_PROMPT prompt = {.text = (void *)(uintptr_t)rows[i].prompt, .echo = rows[i].echo};
        prompt.length = (unsigned)strlen(rows[i].prompt);
        LIBSSH2_USERAUTH_KBDINT_RESPONSE response = {0};
        ssh_auth_answer(&auth, 1, &prompt, &response);
        if (strcmp(response.text, rows[i].answered ? "secret" : "") != 0 || strcmp(auth.notes->str, rows[i].note) != 0)
            row_failed(rows[i].why, "answered '%s'%s", response.text, auth.notes->str);
        free(response.text);
        g_string_free(auth.notes, TRUE);
    }
}

/* Once: a host that asks again refused it, and one that makes a prompt of it must not bring it into our messages. */
static void the_password_is_given_once_and_never_shown(void **state)
{
    (void)state;
    struct ssh_auth auth = {.password = (char *)(uintptr_t) "hunter2", .notes = g_string_new(NULL)};
    static const char *const texts[] = {"Password:", "Password:", "You said hunter2: "};
    LIBSSH2_USERAUTH_KBDINT_PROMPT prompts[G_N_ELEMENTS(texts)] = {0};
    LIBSSH2_USERAUTH_KBDINT_RESPONSE responses[G_N_ELEMENTS(texts)] = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        prompts[i].text = (void *)(uintptr_t)texts[i];
        prompts[i].length = (unsigned)strlen(texts[i]);
    }
    ssh_auth_answer(&auth, G_N_ELEMENTS(texts), prompts, responses);
    assert_string_equal(responses[0].text, "hunter2");
    assert_string_equal(responses[1].text, "");
    assert_string_equal(responses[2].text, "");
    assert_null(strstr(auth.notes->str, "hunter2"));
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        free(responses[i].text);
    g_string_free(auth.notes, TRUE);
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_password),
        cmocka_unit_test(which_prompts_are_answered),
        cmocka_unit_test(the_password_is_given_once_and_never_shown),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

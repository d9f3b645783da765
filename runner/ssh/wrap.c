/* wrap: see wrap.h. Knows no session.
 *
 * Everything is first written as one program for a POSIX shell, where plain quoting is right. The login shell, which
 * may be anything, only ever sees constants without quotes, backslash pairs, newlines or `!` in them, and ASCII words.
 */
#include "runner/ssh/wrap.h"
#include "core/errors.h"
#include "core/limits.h"
#include <string.h>

/* libssh2 fails above about 34 KB. */
enum { MAX_EXEC_BYTES = 32 * 1024 };

/* A text is carried with % and three octal digits after a 0 for what may not stand there. Decoding needs shell
 * built-ins only: split at %, join with backslashes, let printf expand \0ooo. "\_" is a backslash in every shell's
 * eyes; the first character of IFS joins. */
#define DECODE "set -f;IFS=%;set -- $2;IFS=\"\\_\";eval \"$(printf %b \"$*\")\""
/* The program stands in the second argument. */
#define RUN_ARGUMENT DECODE
/* The program is the first line of stdin. `read` takes one byte at a time from a pipe: what follows is left for the
 * command. */
#define RUN_HEADER "IFS= read -r l&&set -- h \"$l\"&&{ unset l;" DECODE ";}"
/* Makes sure that the command leads a process group of its own (dropbear does not), then runs $1, which is one of the
 * above. $0 is what the shell calls itself in its messages. */
#define LEAD(shell)                                                                                                    \
    "kill -0 -$$ 2>/dev/null||{ command -v setsid >/dev/null&&exec setsid " shell                                      \
    " -c \"$1\" hikeshi h \"$2\";};eval \"$1\""

static const struct shell {
    const char *name, *program, *lead;
} shells[] = {
    {"sh", "/bin/sh", LEAD("/bin/sh")},
    {"bash", "bash", LEAD("bash")},
};

static const struct shell *find_shell(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shells); i++)
        if (strcmp(shells[i].name, name ? name : "sh") == 0)
            return &shells[i];
    return NULL;
}

static void append_quoted(GString *out, const char *bytes, size_t length)
{
    g_string_append_c(out, '\'');
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\'')
            g_string_append(out, "'\\''");
        else
            g_string_append_c(out, bytes[i]);
    }
    g_string_append_c(out, '\'');
}

static void append_quoted_text(GString *out, const char *text)
{
    append_quoted(out, text, strlen(text));
}

/* Appends the text for DECODE. `plain` says which bytes may stand as they are. */
static void append_encoded(GString *out, const GString *text, bool (*plain)(unsigned char byte))
{
    for (gsize i = 0; i < text->len; i++) {
        unsigned char byte = (unsigned char)text->str[i];
        if (plain(byte))
            g_string_append_c(out, (char)byte);
        else
            g_string_append_printf(out, "%%0%03o", byte);
    }
}

/* No shell gives these a meaning anywhere in a word. */
static bool plain_on_command_line(unsigned char byte)
{
    return g_ascii_isalnum(byte) || (byte != '\0' && strchr("_./:,@+-", byte) != NULL);
}

static bool plain_in_header(unsigned char byte)
{
    return byte != '\n' && byte != '%' && byte != '\\';
}

/* ---- checks ---- */

static bool check_text(const json_t *value, const char *what, const char *which, GError **error)
{
    if (!json_is_string(value)) {
        errors_set(error, ERROR_INVALID, "%s %s is not a string", what, which);
        return false;
    }
    if (strlen(json_string_value(value)) != json_string_length(value)) {
        errors_set(error, ERROR_INVALID, "%s %s holds a NUL byte, which no program can receive", what, which);
        return false;
    }
    return true;
}

static bool check_argv(const json_t *argv, GError **error)
{
    for (size_t i = 0; i < json_array_size(argv); i++) {
        g_autofree char *which = g_strdup_printf("%zu", i + 1);
        if (!check_text(json_array_get(argv, i), "argument", which, error))
            return false;
    }
    const char *program = json_string_value(json_array_get(argv, 0));
    if (program == NULL || *program == '\0' || *program == '-') {
        errors_set(error, ERROR_INVALID, "the first argument names the program: it cannot be empty or begin with '-'");
        return false;
    }
    return true;
}

static bool is_variable_name(const char *name)
{
    if (!g_ascii_isalpha(*name) && *name != '_')
        return false;
    for (; *name; name++)
        if (!g_ascii_isalnum(*name) && *name != '_')
            return false;
    return true;
}

static bool check_env(json_t *env, GError **error)
{
    const char *name;
    json_t *value;
    json_object_foreach (env, name, value) {
        if (!is_variable_name(name)) {
            g_autofree char *shown = g_strescape(name, NULL);
            errors_set(error, ERROR_INVALID, "env: '%s' is not a name for a variable (letters, digits, _)", shown);
            return false;
        }
        if (!check_text(value, "env:", name, error))
            return false;
    }
    return true;
}

bool ssh_wrap_check_marker(const char *marker, GError **error)
{
    for (const char *at = marker; *at != '\0'; at++) {
        if (!g_ascii_isalnum(*at) && strchr("_.-", *at) == NULL) {
            errors_set(error, ERROR_INTERNAL, "a command's marker may hold letters, digits, '_', '.' and '-' only");
            return false;
        }
    }
    return true;
}

static bool check(const struct ssh_command *command, GError **error)
{
    if (command->script == NULL ? !check_argv(command->argv, error)
                                : memchr(command->script, '\0', command->script_length) != NULL) {
        if (command->script != NULL)
            errors_set(error, ERROR_INVALID, "the script holds a NUL byte, which no shell can read");
        return false;
    }
    if (find_shell(command->shell) == NULL) {
        errors_set(error, ERROR_INVALID, "there is no shell '%s' here: use sh or bash", command->shell);
        return false;
    }
    if (command->sudo != NULL && (*command->sudo == '\0' || *command->sudo == '-')) {
        errors_set(error, ERROR_INVALID, "sudo: '%s' is not a user", command->sudo);
        return false;
    }
    if (command->cwd != NULL && *command->cwd == '\0') {
        errors_set(error, ERROR_INVALID, "cwd is empty");
        return false;
    }
    return check_env(command->env, error) && (command->marker == NULL || ssh_wrap_check_marker(command->marker, error));
}

/* ---- the program ---- */

static void append_environment(GString *out, json_t *env)
{
    const char *name;
    json_t *value;
    json_object_foreach (env, name, value) {
        g_string_append_printf(out, "export %s=", name);
        append_quoted(out, json_string_value(value), json_string_length(value));
        g_string_append(out, "||exit 126;");
    }
}

/* A relative path is made one: `cd -` and CDPATH have meanings of their own. */
static void append_cwd(GString *out, const char *cwd)
{
    if (cwd == NULL)
        return;
    g_autofree char *path = *cwd == '/' ? g_strdup(cwd) : g_strconcat("./", cwd, NULL);
    g_string_append(out, "cd ");
    append_quoted_text(out, path);
    g_string_append(out, "||exit 126;");
}

static void append_words(GString *out, const json_t *argv)
{
    size_t index;
    json_t *word;
    json_array_foreach (argv, index, word) {
        g_string_append_c(out, ' ');
        append_quoted(out, json_string_value(word), json_string_length(word));
    }
}

/* Environment, directory, then the command or the script's text itself: on the first line, so that the shell counts the
 * script's lines right. */
static GString *body(const struct ssh_command *command)
{
    GString *out = g_string_new("set +f;unset IFS;set --;");
    append_environment(out, command->env);
    append_cwd(out, command->cwd);
    if (command->script != NULL) {
        g_string_append_len(out, command->script, (gssize)command->script_length);
    } else {
        g_string_append(out, "exec");
        append_words(out, command->argv);
    }
    return out;
}

/* A password reaches sudo through its askpass program: cat, of a pipe that has a name for as long as nobody read from
 * it. So it is on no command line, in no environment, and never on the stdin that the command inherits; when sudo needs
 * none, nobody gets it. The second pipe takes the first one's name before the password is written: who opens that is a
 * sudo that asks again. In $p: the password; $d: the pipes' folder; $w: who writes. */
#define GIVE_PASSWORD                                                                                                  \
    "d=$(umask 77;mktemp -d)&&mkfifo \"$d/1\" \"$d/2\"||exit 126;"                                                     \
    "(trap 'rm -rf \"$d\";exit 1' HUP INT TERM;exec 4>&2 2>/dev/null;"                                                 \
    "{ mv -f \"$d/2\" \"$d/1\";printf '%%s\\n' \"$p\" >&3;} 3>\"$d/1\";"                                               \
    "{ rm -rf \"$d\";echo '" SSH_SUDO_REFUSED "' >&4;} 3>\"$d/1\")& w=$!;unset p;"
#define TAKE_PASSWORD_BACK ";r=$?;exec 2>/dev/null;kill -9 $w;rm -rf \"$d\";exit $r"

/* Where the password comes from: the next line of stdin; a terminal must not show it. */
static void append_password(GString *out, const struct ssh_command *command)
{
    const char *marker = command->marker ? command->marker : "";
    if (command->pty) {
        g_string_append_printf(out, "stty -echo||exit 126;printf %%s '" SSH_SUDO_ASK "';IFS= read -r p;", marker);
        g_string_append_printf(out, "stty echo;printf %%s '" SSH_SUDO_GO "';", marker);
    } else {
        g_string_append(out, "IFS= read -r p||exit 126;");
    }
    g_string_append_printf(out, GIVE_PASSWORD, marker);
}

static void append_sudo(GString *out, const struct ssh_command *command)
{
    const char *user = command->sudo;
    if (command->sudo_asks)
        g_string_append(out, "SUDO_ASKPASS=$(command -v cat) sudo -A -k -p \"$d/1\"");
    else
        g_string_append(out, "sudo -n");
    if (strcmp(user, "root") != 0) {
        g_string_append(out, " -u ");
        append_quoted_text(out, user);
    }
    g_string_append(out, " --");
}

/* sudo takes no variables, and may be allowed for certain programs only: it is given the command itself, and a shell
 * only when environment, directory or a script make that necessary. */
static bool sudo_needs_shell(const struct ssh_command *command)
{
    return command->script != NULL || json_object_size(command->env) > 0 || command->cwd != NULL;
}

static void append_line(GString *out, const GString *program)
{
    append_encoded(out, program, plain_in_header);
    g_string_append_c(out, '\n');
}

/* The program under sudo. Our shell stays as its parent: it carries the marker, which a sudo may drop, and is the root
 * of the tree to stop. What the inner shell is to run goes to `header`, or, without one, on its command line. */
static GString *sudo_program(const struct ssh_command *command, GString *header)
{
    GString *out = g_string_new(NULL);
    if (command->sudo_asks)
        append_password(out, command);
    append_sudo(out, command);
    if (!sudo_needs_shell(command)) {
        append_words(out, command->argv);
    } else {
        g_autoptr(GString) inner = g_string_new(NULL);
        if (command->marker != NULL)
            g_string_append_printf(inner, "export " SSH_MARKER_VARIABLE "=%s:;", command->marker);
        GString *rest = body(command);
        g_string_append_len(inner, rest->str, (gssize)rest->len);
        g_string_free(rest, TRUE);
        g_string_append_printf(out, " %s -c '%s' hikeshi h", find_shell(command->shell)->program,
                               header != NULL ? RUN_HEADER : RUN_ARGUMENT);
        if (header != NULL) {
            append_line(header, inner);
        } else {
            g_string_append_c(out, ' ');
            append_encoded(out, inner, plain_on_command_line);
        }
    }
    g_string_append(out, command->sudo_asks ? TAKE_PASSWORD_BACK : ";exit $?");
    return out;
}

static GString *outer_program(const struct ssh_command *command, GString *header)
{
    return command->sudo != NULL ? sudo_program(command, header) : body(command);
}

/* ---- the forms ---- */

static bool all_plain(const json_t *argv)
{
    size_t index;
    json_t *word;
    json_array_foreach (argv, index, word) {
        const char *text = json_string_value(word);
        if (*text == '\0')
            return false;
        for (; *text != '\0'; text++)
            if (!plain_on_command_line((unsigned char)*text))
                return false;
    }
    return true;
}

/* Form A: words that mean themselves to every shell, for a host that makes the command a group leader anyway: no shell
 * of ours, which is two processes and a millisecond less. */
static char *direct(const struct ssh_command *command)
{
    if (command->argv == NULL || command->script != NULL || command->sudo != NULL || command->cwd != NULL ||
        command->marker == NULL || json_object_size(command->env) > 0 || !all_plain(command->argv))
        return NULL;
    GString *out = g_string_new(NULL);
    g_string_printf(out, "exec env " SSH_MARKER_VARIABLE "=%s:", command->marker);
    size_t index;
    json_t *word;
    json_array_foreach (command->argv, index, word)
        g_string_append_printf(out, " %s", json_string_value(word));
    return g_string_free(out, FALSE);
}

static GString *exec_start(const struct ssh_command *command, const char *run)
{
    const struct shell *shell = find_shell(command->sudo != NULL ? "sh" : command->shell);
    GString *out = g_string_new("exec env ");
    if (command->marker != NULL)
        g_string_append_printf(out, SSH_MARKER_VARIABLE "=%s: ", command->marker);
    if (command->marker != NULL && command->sudo != NULL) /* sudo lets LC_ variables through, unless told otherwise */
        g_string_append_printf(out, "LC_" SSH_MARKER_VARIABLE "=%s: ", command->marker);
    g_string_append_printf(out, "%s -c '%s' hikeshi '%s'", shell->program, shell->lead, run);
    return out;
}

/* Form B: the program on the command line. One round trip, but visible in the process list. */
static char *on_command_line(const struct ssh_command *command)
{
    GString *out = exec_start(command, RUN_ARGUMENT);
    g_autoptr(GString) program = outer_program(command, NULL);
    g_string_append_c(out, ' ');
    append_encoded(out, program, plain_on_command_line);
    return g_string_free(out, FALSE);
}

/* Form C: the program as the first line of stdin (then the password's, which is not known here, then sudo's inner one),
 * then the user's stdin. */
static void in_header(const struct ssh_command *command, struct ssh_wrapped *ret)
{
    g_autoptr(GString) inner = g_string_new(NULL);
    g_autoptr(GString) program = outer_program(command, inner);
    GString *input = g_string_new(NULL);
    append_line(input, program);
    if (command->sudo_asks) {
        ret->header = g_string_free_to_bytes(input);
        input = g_string_new(NULL);
    }
    g_string_append_len(input, inner->str, (gssize)inner->len);
    if (command->stdin_length > 0)
        g_string_append_len(input, command->stdin_bytes, (gssize)command->stdin_length);
    ret->exec = g_string_free(exec_start(command, RUN_HEADER), FALSE);
    ret->input = g_string_free_to_bytes(input);
}

/* Variables and scripts may hold secrets and stay out of the process list. A terminal cannot take the header: it edits
 * lines and cuts them at 4 KiB. */
bool ssh_wrap(const struct ssh_command *command, struct ssh_wrapped *ret, GError **error)
{
    if (!check(command, error))
        return false;
    bool header = !command->pty && (command->script != NULL || command->sudo_asks || command->hide ||
                                    json_object_size(command->env) > 0);
    g_autofree char *line = header ? NULL : on_command_line(command);
    if (!command->pty && (header || strlen(line) > LIMIT_SSH_EXEC_BYTES)) {
        in_header(command, ret);
        return true;
    }
    if (strlen(line) > MAX_EXEC_BYTES) {
        errors_set(error, ERROR_TOO_LARGE,
                   "the command is %zu bytes long, and on a terminal (pty) %d is the most: send it as stdin",
                   strlen(line), MAX_EXEC_BYTES);
        return false;
    }
    ret->exec = g_steal_pointer(&line);
    ret->direct = direct(command);
    ret->input = command->stdin_length > 0 ? g_bytes_new(command->stdin_bytes, command->stdin_length) : NULL;
    return true;
}

void ssh_wrapped_clear(struct ssh_wrapped *wrapped)
{
    g_clear_pointer(&wrapped->exec, g_free);
    g_clear_pointer(&wrapped->direct, g_free);
    g_clear_pointer(&wrapped->header, g_bytes_unref);
    g_clear_pointer(&wrapped->input, g_bytes_unref);
}

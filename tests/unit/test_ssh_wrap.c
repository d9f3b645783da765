/* ssh_wrap(): what is sent means the same to every shell, for every byte. Run locally: `LOGIN -c EXEC` is what sshd
 * does. */
#include "tests/unit/support.h"

#include "core/errors.h"
#include "core/json.h"
#include "core/limits.h"
#include "runner/ssh/wrap.h"
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Those of them that are installed. The inner ones take the place of /bin/sh. */
static const char *const inner_shells[] = {"dash", "bash", "busybox", "mksh"};
static const char *const login_shells[] = {"dash", "bash", "busybox sh", "mksh", "zsh", "ksh", "yash", "fish", "tcsh"};

static char **installed(const char *const *shells, size_t count)
{
    GPtrArray *found = g_ptr_array_new();
    for (size_t i = 0; i < count; i++) {
        g_auto(GStrv) words = g_strsplit(shells[i], " ", 2);
        g_autofree char *path = g_find_program_in_path(words[0]);
        if (path != NULL)
            g_ptr_array_add(found, g_strdup(shells[i]));
    }
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(found, FALSE);
}

/* Runs the exec string as sshd would: login shell, -c, stdin as a pipe so that reading ahead would be noticed. */
static GByteArray *play(const char *login, const struct ssh_wrapped *wrapped, int *ret_code)
{
    g_auto(GStrv) words = g_strsplit(login, " ", 2);
    const char *argv[] = {words[0], words[1] ? words[1] : "-c", words[1] ? "-c" : wrapped->exec,
                          words[1] ? wrapped->exec : NULL, NULL};
    size_t length = 0;
    const char *input = wrapped->input ? g_bytes_get_data(wrapped->input, &length) : NULL;
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t reader = fork();
    if (reader == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        setsid();
        execvp(argv[0], (char **)(uintptr_t)argv);
        _exit(125);
    }
    pid_t writer = fork();
    if (writer == 0) {
        close(in[0]);
        while (length > 0) {
            ssize_t sent = write(in[1], input, length);
            if (sent <= 0)
                break;
            input += sent;
            length -= (size_t)sent;
        }
        _exit(0);
    }
    close(in[0]);
    close(in[1]);
    close(out[1]);
    GByteArray *got = g_byte_array_new();
    uint8_t bytes[65536];
    ssize_t count;
    while ((count = read(out[0], bytes, sizeof bytes)) > 0)
        g_byte_array_append(got, bytes, (guint)count);
    close(out[0]);
    int status = 0;
    waitpid(reader, &status, 0);
    waitpid(writer, NULL, 0);
    *ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return got;
}

/* json_t strings of any bytes: as the Lua binding makes them. */
static json_t *bytes_value(const char *bytes, size_t length)
{
    return json_stringn_nocheck(bytes, length);
}

static const struct {
    const char *why, *text;
} hostile[] = {
    {"plain", "plain"},
    {"empty", ""},
    {"a space", "a b"},
    {"only spaces", "   "},
    {"a tab", "\t"},
    {"a newline in the middle", "a\nb"},
    {"newlines at the end", "a\n\n"},
    {"only a newline", "\n"},
    {"CRLF", "a\r\nb\r"},
    {"a single quote", "it's"},
    {"many quotes", "''\"'\"''"},
    {"a backslash", "\\"},
    {"backslashes and letters that escape", "\\n\\t\\0101\\x41\\c\\\\"},
    {"dollar and substitution", "$HOME $(id) ${x} `id`"},
    {"history", "!! !$ wow!"},
    {"globs", "* ? [a-z] /etc/*"},
    {"braces", "{a,b} {1..3}"},
    {"tilde", "~ ~root"},
    {"operators", "; & && | || < > >> 2>&1 ( ) #x"},
    {"a comment", "#"},
    {"percent", "%s %d %% %0041"},
    {"leading dash", "-n"},
    {"double dash", "--"},
    {"leading dashes and equals", "--option=a b"},
    {"equals (zsh)", "=ls"},
    {"assignment", "A=B"},
    {"UTF-8", "火消し é 🔥"},
    {"invalid UTF-8", "\xff\xfe\x80 \xc3"},
    {"bytes that dash uses inside", "\x81\x82\x83\x84\x85\x86\x87\x88"},
    {"control characters", "\x01\x02\x03\x04\x07\x08\x0b\x0c\x1b[31m\x7f"},
    {"caret (csh)", "^a^b^"},
    {"at and colon", "@:%+,"},
    {"long", "0123456789012345678901234567890123456789012345678901234567890123456789"},
};

static json_t *hostile_argv(void)
{
    json_t *argv = json_pack("[ss]", "/usr/bin/printf", "%s\\0");
    for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++)
        json_array_append_new(argv, bytes_value(hostile[i].text, strlen(hostile[i].text)));
    char all[255];
    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    json_array_append_new(argv, bytes_value(all, sizeof all));
    return argv;
}

/* The words that came out, NUL-terminated each, against those that went in. */
static void compare_words(const char *login, const json_t *argv, const GByteArray *got)
{
    const char *at = (const char *)got->data, *end = at + got->len;
    for (size_t i = 2; i < json_array_size(argv); i++) {
        const json_t *word = json_array_get(argv, i);
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        const char *why = i - 2 < G_N_ELEMENTS(hostile) ? hostile[i - 2].why : "every byte";
        if (stop == NULL)
            row_failed(login, "%s: output ends early", why);
        if ((size_t)(stop - at) != json_string_length(word) ||
            memcmp(at, json_string_value(word), (size_t)(stop - at)) != 0)
            row_failed(login, "%s: came out as '%s'", why, at);
        at = stop + 1;
    }
    assert_ptr_equal(at, end);
}

/* /bin/sh becomes FOLDER/sh, a link to another shell: what /bin/sh is on other systems. */
static char *replace_sh(struct ssh_wrapped *wrapped, const char *shell)
{
    char *folder = g_dir_make_tmp("hikeshi-sh-XXXXXX", NULL);
    g_autofree char *link = g_build_filename(folder, "sh", NULL);
    g_autofree char *program = g_find_program_in_path(shell);
    assert_int_equal(symlink(program, link), 0);
    g_auto(GStrv) parts = g_strsplit(wrapped->exec, "/bin/sh", -1);
    g_free(wrapped->exec);
    wrapped->exec = g_strjoinv(link, parts);
    return folder;
}

static void remove_sh(const char *folder)
{
    g_autofree char *link = g_build_filename(folder, "sh", NULL);
    g_unlink(link);
    g_rmdir(folder);
}

static const char *left_out; /* an inner shell, or NULL */

static const char *password; /* the line that sudo.c puts between header and input */

static void add_password(struct ssh_wrapped *wrapped)
{
    GByteArray *all = g_byte_array_new();
    gsize length;
    const void *bytes = g_bytes_get_data(wrapped->header, &length);
    g_byte_array_append(all, bytes, (guint)length);
    g_byte_array_append(all, (const guint8 *)password, (guint)strlen(password));
    g_byte_array_append(all, (const guint8 *)"\n", 1);
    bytes = g_bytes_get_data(wrapped->input, &length);
    if (length > 0)
        g_byte_array_append(all, bytes, (guint)length);
    g_bytes_unref(wrapped->input);
    wrapped->input = g_byte_array_free_to_bytes(all);
}

static void each_login(const struct ssh_command *command,
                       void (*look)(const char *shells, const GByteArray *got, int code))
{
    g_auto(GStrv) logins = installed(login_shells, G_N_ELEMENTS(login_shells));
    g_auto(GStrv) inners = installed(inner_shells, G_N_ELEMENTS(inner_shells));
    for (char **login = logins; *login != NULL; login++) {
        for (char **inner = inners; *inner != NULL; inner++) {
            if (left_out != NULL && strcmp(*inner, left_out) == 0)
                continue;
            struct ssh_wrapped wrapped = {0};
            g_autoptr(GError) error = NULL;
            g_autofree char *shells = g_strdup_printf("%s, then %s", *login, *inner);
            if (!ssh_wrap(command, &wrapped, &error))
                row_failed(shells, "%s", error->message);
            if (command->sudo_asks)
                add_password(&wrapped);
            g_autofree char *folder = replace_sh(&wrapped, *inner);
            int code;
            g_autoptr(GByteArray) got = play(*login, &wrapped, &code);
            remove_sh(folder);
            look(shells, got, code);
            ssh_wrapped_clear(&wrapped);
        }
    }
}

static json_t *sent_argv;

static void look_argv(const char *login, const GByteArray *got, int code)
{
    if (code != 0)
        row_failed(login, "exit code %d", code);
    compare_words(login, sent_argv, got);
}

static void test_argv_on_the_command_line(void **state)
{
    (void)state;
    sent_argv = hostile_argv();
    each_login(&(struct ssh_command){.argv = sent_argv, .marker = "run_x.1.2"}, look_argv);
    json_decref(sent_argv);
}

static void test_argv_in_the_header(void **state)
{
    (void)state;
    sent_argv = hostile_argv();
    json_t *env = json_pack("{s:s}", "SECRET", "a'b\nc");
    const struct ssh_command command = {.argv = sent_argv, .env = env, .stdin_bytes = "rest\n", .stdin_length = 5};
    struct ssh_wrapped wrapped = {0};
    assert_true(ssh_wrap(&command, &wrapped, NULL));
    assert_null(strstr(wrapped.exec, "SECRET")); /* not in the process list */
    ssh_wrapped_clear(&wrapped);
    each_login(&command, look_argv);
    json_decref(env);
    json_decref(sent_argv);
}

static void test_long_argv_goes_into_the_header(void **state)
{
    (void)state;
    sent_argv = hostile_argv();
    g_autofree char *big = g_strnfill(100 * 1024, 'x');
    json_array_append_new(sent_argv, json_string(big));
    const struct ssh_command command = {.argv = sent_argv};
    struct ssh_wrapped wrapped = {0};
    assert_true(ssh_wrap(&command, &wrapped, NULL));
    assert_true(strlen(wrapped.exec) < LIMIT_SSH_EXEC_BYTES);
    ssh_wrapped_clear(&wrapped);
    each_login(&command, look_argv);
    json_decref(sent_argv);
}

static const char *expected;
static int expected_code;

static void look_text(const char *login, const GByteArray *got, int code)
{
    if (code != expected_code)
        row_failed(login, "exit code %d, not %d: %.*s", code, expected_code, (int)got->len, got->data);
    if (got->len != strlen(expected) || (got->len > 0 && memcmp(got->data, expected, got->len) != 0))
        row_failed(login, "got '%.*s', not '%s'", (int)got->len, got->data, expected);
}

struct script_case {
    const char *why, *script, *shell, *input, *out;
    int code;
};

static const struct script_case scripts[] = {
    {"two lines", "echo a\necho b", "sh", NULL, "a\nb\n", 0},
    {"exit code", "echo a; exit 77", "sh", NULL, "a\n", 77},
    {"last command's code", "true\nfalse\n", "sh", NULL, "", 1},
    {"a first line that names a shell", "#!/bin/sh\necho a", "sh", NULL, "a\n", 0},
    {"a command in it reads stdin, and the rest still runs", "cat\necho after\nexit 3", "sh", "in\n", "in\nafter\n", 3},
    {"the same in bash", "cat\necho after\nexit 3", "bash", "in\n", "in\nafter\n", 3},
    {"stdin line by line", "read -r a; read -r b; printf '%s\\n' \"$b$a\"", "sh", "1 \\n\n2\n", "21 \\n\n", 0},
    {"no stdin is an end of file", "cat; echo end", "sh", NULL, "end\n", 0},
    {"here document", "cat <<'E'\n$x \\ %s 100%\nE\necho 'it''s'", "sh", NULL, "$x \\ %s 100%\nits\n", 0},
    {"fields split as usual", "x='a  b'; set -- $x; echo $#; for f in $x; do echo $f; done", "sh", NULL, "2\na\nb\n",
     0},
    {"globs work as usual", "cd /etc && echo pass*d", "sh", NULL, "passwd\n", 0},
    {"no arguments are left", "echo $#", "sh", NULL, "0\n", 0},
    {"set -e ends it", "set -e\nfalse\necho never", "sh", NULL, "", 1},
    {"bash for bash", "a=(1 2 3); echo ${#a[@]} ${BASH_VERSION:+bash}", "bash", NULL, "3 bash\n", 0},
    {"a line number is the script's", "echo 1\necho $LINENO", "bash", NULL, "1\n2\n", 0},
    {"empty", "", "sh", NULL, "", 0},
    {"no newline at the end, percent, backslash", "printf '%s\\n' '100% \\n \\\\'", "sh", NULL, "100% \\n \\\\\n", 0},
};

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(scripts); i++) {
        const struct script_case *row = &scripts[i];
        expected = row->out;
        expected_code = row->code;
        print_message("  %s\n", row->why);
        each_login(&(struct ssh_command){.script = row->script,
                                         .script_length = strlen(row->script),
                                         .shell = row->shell,
                                         .stdin_bytes = row->input,
                                         .stdin_length = row->input ? strlen(row->input) : 0,
                                         .marker = "m.1"},
                   look_text);
    }
}

static void test_a_script_of_160_KiB(void **state)
{
    (void)state;
    g_autoptr(GString) script = g_string_new("n=0\n");
    while (script->len < 160 * 1024)
        g_string_append(script, "n=$((n+1)) # '\"\\ 100% comment, to fill the line up\n");
    g_string_append(script, "echo $n; cat\n");
    unsigned lines = 0;
    for (const char *at = script->str; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    g_autofree char *wanted = g_strdup_printf("%u\ninput", lines - 2);
    expected = wanted;
    expected_code = 0;
    static const char *const shells[] = {"sh", "bash"};
    left_out = "mksh"; /* its printf is a program, which takes no argument over 128 KiB */
    for (size_t i = 0; i < G_N_ELEMENTS(shells); i++)
        each_login(&(struct ssh_command){.script = script->str,
                                         .script_length = script->len,
                                         .shell = shells[i],
                                         .stdin_bytes = "input",
                                         .stdin_length = 5},
                   look_text);
    left_out = NULL;
}

static void test_environment_and_directory(void **state)
{
    (void)state;
    json_t *argv = json_pack("[sss]", "sh", "-c", "printf '%s|%s|' \"$A\" \"$_b2\"; pwd");
    json_t *env = json_pack("{s:s,s:s}", "A", "x'\n\\y\xc3\xa9 $A", "_b2", "");
    g_autofree char *folder = g_dir_make_tmp("-hikeshi 'wrap XXXXXX", NULL);
    g_autofree char *wanted = g_strdup_printf("x'\n\\y\xc3\xa9 $A||%s\n", folder);
    expected = wanted;
    expected_code = 0;
    each_login(&(struct ssh_command){.argv = argv, .env = env, .cwd = folder}, look_text);
    expected = "";
    expected_code = 126;
    each_login(&(struct ssh_command){.argv = argv, .env = env, .cwd = "/nonexistent/x"}, look_text);
    each_login(&(struct ssh_command){.argv = argv, .cwd = "-"}, look_text);
    g_rmdir(folder);
    json_decref(env);
    json_decref(argv);
}

static void test_every_process_carries_the_marker(void **state)
{
    (void)state;
    json_t *argv = json_pack("[sss]", "sh", "-c", "cat /proc/self/environ | tr '\\0' '\\n' | grep ^HIKESHI");
    expected = "HIKESHI_MARKER=run_x.1.2:\n";
    expected_code = 0;
    each_login(&(struct ssh_command){.argv = argv, .marker = "run_x.1.2"}, look_text);
    /* The shell that reads a script is found by what it was started with, not by what it exported. */
    const char *script = "tr '\\0' '\\n' </proc/$$/environ | grep ^HIKESHI";
    each_login(&(struct ssh_command){.script = script, .script_length = strlen(script), .marker = "run_x.1.2"},
               look_text);
    json_decref(argv);
}

static void test_codes_of_what_cannot_start(void **state)
{
    (void)state;
    expected = "";
    expected_code = 127;
    json_t *argv = json_pack("[s]", "/nonexistent/program");
    each_login(&(struct ssh_command){.argv = argv}, look_text);
    json_decref(argv);
    expected_code = 126;
    argv = json_pack("[s]", "/etc/passwd");
    each_login(&(struct ssh_command){.argv = argv}, look_text);
    json_decref(argv);
    expected_code = -9;
    argv = json_pack("[sss]", "sh", "-c", "kill -9 $$");
    each_login(&(struct ssh_command){.argv = argv}, look_text);
    json_decref(argv);
}

/* A stand-in that is as strict as sudo about its options and drops the environment. */
static const char fake_sudo[] = "#!/bin/sh\n"
                                "[ \"$1\" = -n ] || exit 90; shift\n"
                                "user=root; [ \"$1\" = -u ] && { user=$2; shift 2; }\n"
                                "[ \"$1\" = -- ] || exit 91; shift\n"
                                "exec env -i PATH=\"$PATH\" SUDO_AS=\"$user\" \"$@\"\n";

static void test_sudo(void **state)
{
    (void)state;
    g_autofree char *folder = g_dir_make_tmp("hikeshi-wrap-XXXXXX", NULL);
    g_autofree char *program = g_build_filename(folder, "sudo", NULL);
    assert_true(g_file_set_contents(program, fake_sudo, -1, NULL));
    g_chmod(program, 0700);
    g_autofree char *before = g_strdup(g_getenv("PATH"));
    g_autofree char *path = g_strconcat(folder, ":", before, NULL);
    g_setenv("PATH", path, TRUE);

    sent_argv = hostile_argv();
    each_login(&(struct ssh_command){.argv = sent_argv, .sudo = "root", .marker = "m.1"}, look_argv);
    json_decref(sent_argv);
    json_t *argv = json_pack("[sss]", "sh", "-c",
                             "printf '%s|%s|%s|%s|' \"$SUDO_AS\" \"$A\" \"$HIKESHI_MARKER\" \"$PWD\"; cat; exit 7");
    json_t *env = json_pack("{s:s}", "A", "it's\nset");
    expected = "dba|it's\nset|m.1:|/|stdin";
    expected_code = 7;
    const struct ssh_command command = {.argv = argv,
                                        .sudo = "dba",
                                        .marker = "m.1",
                                        .env = env,
                                        .cwd = "/",
                                        .stdin_bytes = "stdin",
                                        .stdin_length = 5};
    each_login(&command, look_text);
    struct ssh_command on_terminal = command;
    on_terminal.pty = true; /* no header: all of it on the command line */
    each_login(&on_terminal, look_text);
    const char *script = "echo $SUDO_AS $A\ncat\necho after\nexit 9";
    expected = "root it's set\nstdinafter\n";
    expected_code = 9;
    static const char *const shells[] = {"sh", "bash"};
    for (size_t i = 0; i < G_N_ELEMENTS(shells); i++)
        each_login(&(struct ssh_command){.script = script,
                                         .script_length = strlen(script),
                                         .sudo = "root",
                                         .env = env,
                                         .shell = shells[i],
                                         .stdin_bytes = "stdin",
                                         .stdin_length = 5},
                   look_text);
    json_decref(env);
    json_decref(argv);
    g_setenv("PATH", before, TRUE);
    g_unlink(program);
    g_rmdir(folder);
}

/* Asks as sudo -A does: once, or not at all for nobody, and once more when it did not like the answer. */
static const char asking_sudo[] = "#!/bin/sh\n"
                                  "[ \"$1 $2 $3\" = '-A -k -p' ] || exit 90\n"
                                  "prompt=$4; shift 4; user=root; [ \"$1\" = -u ] && { user=$2; shift 2; }\n"
                                  "[ \"$1\" = -- ] || exit 91; shift\n"
                                  "[ $user = nobody ] || got=$(\"$SUDO_ASKPASS\" \"$prompt\")\n"
                                  "[ $user = nobody ] || [ \"$got\" = \"$WANTED\" ] || {\n"
                                  "  again=$(\"$SUDO_ASKPASS\" \"$prompt\"); [ -z \"$again\" ] || exit 92; exit 1; }\n"
                                  "exec env -i PATH=\"$PATH\" \"$@\"\n";

static void test_sudo_with_a_password(void **state)
{
    (void)state;
    g_autofree char *folder = g_dir_make_tmp("hikeshi-wrap-XXXXXX", NULL);
    g_autofree char *program = g_build_filename(folder, "sudo", NULL);
    assert_true(g_file_set_contents(program, asking_sudo, -1, NULL));
    g_chmod(program, 0700);
    g_autofree char *before = g_strdup(g_getenv("PATH"));
    g_autofree char *path = g_strconcat(folder, ":", before, NULL);
    g_setenv("PATH", path, TRUE);
    password = " p w'd\"\\%s$x `id` \xff\\n";
    g_setenv("WANTED", password, TRUE);

    sent_argv = hostile_argv();
    each_login(&(struct ssh_command){.argv = sent_argv, .sudo = "root", .sudo_asks = true, .marker = "m.1"}, look_argv);
    json_decref(sent_argv);
    json_t *env = json_pack("{s:s}", "A", "it's\nset");
    static const char script[] = "printf '%s|' \"$A\"; cat; exit 7";
    struct ssh_command command = {.script = script,
                                  .script_length = strlen(script),
                                  .sudo = "root",
                                  .sudo_asks = true,
                                  .marker = "m.1",
                                  .env = env,
                                  .stdin_bytes = "two\nlines",
                                  .stdin_length = 9};
    expected = "it's\nset|two\nlines";
    expected_code = 7;
    each_login(&command, look_text);
    command.sudo = "nobody"; /* is not asked for: the password goes nowhere */
    each_login(&command, look_text);
    command.sudo = "root";
    g_setenv("WANTED", "another", TRUE);
    expected = "";
    expected_code = 1;
    each_login(&command, look_text);
    json_decref(env);
    g_setenv("PATH", before, TRUE);
    g_unlink(program);
    g_rmdir(folder);
}

static void test_what_cannot_be_sent_is_refused_by_name(void **state)
{
    (void)state;
    json_t *good = json_pack("[s]", "true");
    json_t *nul = json_pack("[ss%]", "true", "a\0b", (size_t)3);
    json_t *dash = json_pack("[s]", "-c"), *none = json_array(), *number = json_pack("[si]", "true", 1);
    json_t *name = json_pack("{s:s}", "A B", "x"), *value = json_pack("{s:i}", "A", 1);
    g_autofree char *big = g_strnfill(40 * 1024, 'x');
    json_t *long_argv = json_pack("[ss]", "true", big);
    const struct {
        const char *why, *says;
        int code;
        struct ssh_command command;
    } rows[] = {
        {"no argv", "first argument", ERROR_INVALID, {.argv = none}},
        {"a program that looks like an option", "first argument", ERROR_INVALID, {.argv = dash}},
        {"NUL", "argument 2 holds a NUL", ERROR_INVALID, {.argv = nul}},
        {"not a string", "argument 2 is not a string", ERROR_INVALID, {.argv = number}},
        {"a bad variable name", "'A B'", ERROR_INVALID, {.argv = good, .env = name}},
        {"a variable that is not a string", "env: A", ERROR_INVALID, {.argv = good, .env = value}},
        {"no such shell", "'zsh'", ERROR_INVALID, {.script = "true", .script_length = 4, .shell = "zsh"}},
        {"NUL in a script", "script", ERROR_INVALID, {.script = "a\0b", .script_length = 3}},
        {"a user like an option", "'-x'", ERROR_INVALID, {.argv = good, .sudo = "-x"}},
        {"empty directory", "cwd", ERROR_INVALID, {.argv = good, .cwd = ""}},
        {"a marker with a quote", "marker", ERROR_INTERNAL, {.argv = good, .marker = "a'b"}},
        {"too long for a terminal", "pty", ERROR_TOO_LARGE, {.argv = long_argv, .pty = true}},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct ssh_wrapped wrapped = {0};
        g_autoptr(GError) error = NULL;
        if (ssh_wrap(&rows[i].command, &wrapped, &error))
            row_failed(rows[i].why, "was accepted");
        if (error->code != rows[i].code || strstr(error->message, rows[i].says) == NULL)
            row_failed(rows[i].why, "%d: %s", error->code, error->message);
    }
    json_t *all[] = {good, nul, dash, none, number, name, value, long_argv};
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        json_decref(all[i]);
}

/* Words that need no shell of ours come as they are, and everything else goes the long way. */
static void test_the_direct_form(void **state)
{
    (void)state;
    json_t *plain = json_pack("[ssss]", "printf", "%", "", "x"),
           *words = json_pack("[sss]", "printenv", "HIKESHI_MARKER", "a-b/c.d:e,f@g+h");
    json_t *good = json_pack("[ss]", "printenv", "HIKESHI_MARKER"), *assigns = json_pack("[ss]", "A=b", "x"),
           *env = json_pack("{s:s}", "A", "b");
    const struct {
        const char *why, *direct;
        struct ssh_command command;
    } rows[] = {
        {"plain words",
         "exec env HIKESHI_MARKER=m: printenv HIKESHI_MARKER a-b/c.d:e,f@g+h",
         {.argv = words, .marker = "m"}},
        {"an empty word and a special one", NULL, {.argv = plain, .marker = "m"}},
        {"what env would take for a variable", NULL, {.argv = assigns, .marker = "m"}},
        {"a variable", NULL, {.argv = good, .marker = "m", .env = env}},
        {"a directory", NULL, {.argv = good, .marker = "m", .cwd = "/"}},
        {"another user", NULL, {.argv = good, .marker = "m", .sudo = "root"}},
        {"a script", NULL, {.script = "true", .script_length = 4, .marker = "m"}},
        {"no marker: nothing could find it again", NULL, {.argv = good}},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct ssh_wrapped wrapped = {0};
        assert_true(ssh_wrap(&rows[i].command, &wrapped, NULL));
        if (g_strcmp0(wrapped.direct, rows[i].direct) != 0)
            row_failed(rows[i].why, "sent %s", wrapped.direct);
        ssh_wrapped_clear(&wrapped);
    }
    g_auto(GStrv) logins = installed(login_shells, G_N_ELEMENTS(login_shells));
    for (char **login = logins; *login != NULL; login++) {
        struct ssh_wrapped wrapped = {0};
        assert_true(ssh_wrap(&(struct ssh_command){.argv = good, .marker = "m"}, &wrapped, NULL));
        g_free(wrapped.exec);
        wrapped.exec = g_steal_pointer(&wrapped.direct);
        int code;
        g_autoptr(GByteArray) got = play(*login, &wrapped, &code);
        if (code != 0 || got->len != 3 || memcmp(got->data, "m:\n", 3) != 0)
            row_failed(*login, "exit code %d, %u bytes", code, got->len);
        ssh_wrapped_clear(&wrapped);
    }
    json_t *all[] = {plain, words, good, assigns, env};
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        json_decref(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_argv_on_the_command_line),
        cmocka_unit_test(test_the_direct_form),
        cmocka_unit_test(test_argv_in_the_header),
        cmocka_unit_test(test_long_argv_goes_into_the_header),
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_a_script_of_160_KiB),
        cmocka_unit_test(test_environment_and_directory),
        cmocka_unit_test(test_every_process_carries_the_marker),
        cmocka_unit_test(test_codes_of_what_cannot_start),
        cmocka_unit_test(test_sudo),
        cmocka_unit_test(test_sudo_with_a_password),
        cmocka_unit_test(test_what_cannot_be_sent_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

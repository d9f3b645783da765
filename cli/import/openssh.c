/* openssh: ssh_config(5): the hosts that `Host` names without a wildcard, each with the options that ssh would use for
 * it: the first value of each that applies. */
#include "cli/import/import.h"

#include <glob.h>
#include <string.h>

enum { MAX_INCLUDE_DEPTH = 8, MAX_LINES = 100000 };

/* One line. */
struct option {
    const char *file;
    int line;
    char **patterns; /* of the Host block it stands in; NULL = all hosts */
    bool matched;    /* in a Match block: left out */
    char *keyword;   /* small letters */
    char *value;
    char **words;
};

struct config {
    struct import *import;
    GPtrArray *options;
    GPtrArray *files; /* names, owned: notes borrow them */
    char **patterns;  /* of the block being read */
    GPtrArray *blocks;
    bool matched;
};

static void option_free(void *pointer)
{
    struct option *option = pointer;
    g_free(option->keyword);
    g_free(option->value);
    g_strfreev(option->words);
    g_free(option);
}

/* "keyword value", "keyword = value"; words may stand in double quotes. False: a blank line or a comment. */
static bool split_line(const char *line, char **ret_keyword, char **ret_value, char ***ret_words)
{
    g_autofree char *text = g_strstrip(g_strdup(line));
    if (*text == '\0' || *text == '#')
        return false;
    size_t length = strcspn(text, " \t=");
    *ret_keyword = g_ascii_strdown(text, (gssize)length);
    const char *rest = text + length + strspn(text + length, " \t");
    rest += *rest == '=';
    *ret_value = g_strdup(rest + strspn(rest, " \t"));
    if (!g_shell_parse_argv(*ret_value, NULL, ret_words, NULL))
        *ret_words = g_strsplit_set(*ret_value, " \t", -1);
    return true;
}

static void read_text(struct config *config, const char *file, const char *text, int depth);

/* Relative paths are of ~/.ssh, as for ssh. */
static void include(struct config *config, const char *pattern, int line, int depth)
{
    glob_t found = {0};
    g_autofree char *home = g_str_has_prefix(pattern, "~/") ? g_build_filename(g_get_home_dir(), pattern + 2, NULL)
                            : g_path_is_absolute(pattern)   ? g_strdup(pattern)
                                                            : g_build_filename(g_get_home_dir(), ".ssh", pattern, NULL);
    if (depth >= MAX_INCLUDE_DEPTH) {
        import_note(config->import, line, "Include '%s': more than %d files deep", pattern, MAX_INCLUDE_DEPTH);
        return;
    }
    if (glob(home, 0, NULL, &found) != 0)
        import_note(config->import, line, "Include '%s': there is no such file", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        g_autofree char *text = NULL;
        const char *outer = config->import->file;
        gsize length;
        if (!g_file_get_contents(found.gl_pathv[i], &text, &length, NULL) ||
            !import_is_text(config->import, text, length, NULL)) {
            import_note(config->import, line, "Include '%s' cannot be read", found.gl_pathv[i]);
            continue;
        }
        char *name = g_strdup(found.gl_pathv[i]);
        g_ptr_array_add(config->files, name);
        config->import->file = name;
        read_text(config, name, text, depth + 1);
        config->import->file = outer;
    }
    globfree(&found);
}

static void begin_block(struct config *config, char **words)
{
    config->patterns = g_strdupv(words);
    g_ptr_array_add(config->blocks, config->patterns);
    config->matched = false;
}

static void read_line(struct config *config, const char *file, const char *text, int line, int depth)
{
    struct option *option = g_new0(struct option, 1);
    if (!split_line(text, &option->keyword, &option->value, &option->words)) {
        g_free(option);
        return;
    }
    if (strcmp(option->keyword, "host") == 0) {
        begin_block(config, option->words);
    } else if (strcmp(option->keyword, "match") == 0) {
        config->matched = g_ascii_strcasecmp(option->value, "all") != 0;
        config->patterns = NULL;
        if (config->matched)
            import_note(config->import, line, "Match is not supported: its lines are left out");
    } else if (strcmp(option->keyword, "include") == 0 && !config->matched) {
        for (char **word = option->words; *word != NULL; word++)
            include(config, *word, line, depth);
    }
    option->file = file;
    option->line = line;
    option->patterns = config->patterns;
    option->matched = config->matched;
    g_ptr_array_add(config->options, option);
}

static void read_text(struct config *config, const char *file, const char *text, int depth)
{
    char **before = config->patterns;
    bool matched = config->matched;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (int i = 0; lines[i] != NULL && config->options->len < MAX_LINES; i++)
        read_line(config, file, lines[i], i + 1, depth);
    if (depth > 0) { /* a block of an included file ends with it */
        config->patterns = before;
        config->matched = matched;
    }
}

/* ---- what applies to a host ---- */

static bool is_literal(const char *pattern)
{
    return strpbrk(pattern, "*?!") == NULL;
}

/* A pattern that begins with ! and matches excludes, whatever else does. */
static bool applies(const struct option *option, const char *name)
{
    bool found = option->patterns == NULL;
    if (option->matched)
        return false;
    for (char **pattern = option->patterns; pattern && *pattern; pattern++) {
        bool negated = **pattern == '!';
        if (!g_pattern_match_simple(*pattern + negated, name))
            continue;
        if (negated)
            return false;
        found = true;
    }
    return found;
}

static const struct option *first(const struct config *config, const char *name, const char *keyword)
{
    for (guint i = 0; i < config->options->len; i++) {
        const struct option *option = config->options->pdata[i];
        if (strcmp(option->keyword, keyword) == 0 && option->words[0] != NULL && applies(option, name))
            return option;
    }
    return NULL;
}

/* HostName may hold %h, the name that was given. */
static void set_address(struct import *import, json_t *host, const char *name, const char *value, int line)
{
    g_auto(GStrv) parts = g_strsplit(value, "%h", -1);
    g_autofree char *address = g_strjoinv(name, parts);
    if (strcmp(address, name) != 0)
        import_set_address(import, host, address, line);
}

static void read_host(struct config *config, const char *name, int line)
{
    struct import *import = config->import;
    json_t *host = import_host(import, name, line);
    const struct option *option;
    if (host == NULL)
        return;
    if ((option = first(config, name, "hostname")))
        set_address(import, host, name, option->words[0], option->line);
    if ((option = first(config, name, "port")))
        import_set_port(import, host, option->words[0], option->line);
    if ((option = first(config, name, "user")))
        import_set_user(import, host, option->words[0], option->line);
    if ((option = first(config, name, "identityfile")) && g_ascii_strcasecmp(option->words[0], "none") != 0)
        import_set_identity(import, host, option->words[0], option->line);
}

/* After all hosts are there: a jump host is one of them. */
static void read_jump(struct config *config, const char *name)
{
    const struct option *jump = first(config, name, "proxyjump"), *command = first(config, name, "proxycommand");
    if (json_object_get(config->import->hosts, name) == NULL)
        return;
    if (jump != NULL && (command == NULL || jump->line < command->line))
        import_set_jump(config->import, name, jump->words[0], jump->line);
    else if (command != NULL)
        import_set_proxy_command(config->import, name, command->value, command->line);
}

static void each_literal(struct config *config, bool jumps)
{
    for (guint i = 0; i < config->options->len; i++) {
        const struct option *option = config->options->pdata[i];
        if (strcmp(option->keyword, "host") != 0)
            continue;
        for (char **pattern = option->words; *pattern != NULL; pattern++) {
            config->import->file = option->file;
            if (is_literal(*pattern) && jumps)
                read_jump(config, *pattern);
            else if (is_literal(*pattern))
                read_host(config, *pattern, option->line);
        }
    }
}

static void note_unsupported(struct config *config)
{
    static const char *const keywords[] = {"hostkeyalias",         "certificatefile", "pkcs11provider",
                                           "canonicalizehostname", "bindaddress",     NULL};
    for (guint i = 0; i < config->options->len; i++) {
        const struct option *option = config->options->pdata[i];
        config->import->file = option->file;
        if (g_strv_contains(keywords, option->keyword) && g_ascii_strcasecmp(option->value, "no") != 0)
            import_note(config->import, option->line, "%s is not supported: left out", option->keyword);
    }
}

bool import_openssh(struct import *import, const char *text, size_t length, GError **error)
{
    if (!import_is_text(import, text, length, error))
        return false;
    const char *file = import->file;
    struct config config = {.import = import,
                            .options = g_ptr_array_new_with_free_func(option_free),
                            .files = g_ptr_array_new_with_free_func(g_free),
                            .blocks = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev)};
    read_text(&config, file, text, 0);
    each_literal(&config, false);
    each_literal(&config, true);
    note_unsupported(&config);
    import->file = file;
    g_ptr_array_unref(config.options);
    g_ptr_array_unref(config.files);
    g_ptr_array_unref(config.blocks);
    return true;
}

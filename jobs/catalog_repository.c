/* catalog_repository: configuration of a repository, checked at start. Fetching is in catalog_fetch.c. */
#include "jobs/catalog_repository.h"
#include "core/errors.h"
#include "core/secret.h"
#include "jobs/catalog_url.h"
#include "jobs/field.h"
#include <string.h>

#define OFFSET(member) offsetof(struct catalog_repository_settings, member)

/* Every string that stands for a secret is a reference. */
static void read_reference(const struct field_reader *reader, const struct yaml_node *key,
                           const struct yaml_node *value, void *target)
{
    static const struct field rows[] = {
        {"token", FIELD_STRING, .offset = OFFSET(token)},
        {"identity", FIELD_STRING, .offset = OFFSET(identity)},
        {"passphrase", FIELD_STRING, .offset = OFFSET(passphrase)},
        {"push_secret", FIELD_STRING, .offset = OFFSET(push_secret)},
        {0},
    };
    const struct field *row = field_find(rows, key->text);
    if (field_read_value(reader, row, key, value, target) && !secret_is_reference(value->text))
        field_error(reader, "bad-value", value, NULL, "'%s' must be a reference, env:NAME or file:PATH", key->text);
}

static void read_url(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                     void *target)
{
    static const struct field row = {"url", FIELD_STRING, .offset = OFFSET(url)};
    struct catalog_url url;
    g_autoptr(GError) error = NULL;
    if (!field_read_value(reader, &row, key, value, target))
        return;
    if (catalog_url_parse(value->text, &url, &error))
        catalog_url_clear(&url);
    else
        field_error(reader, "bad-value", value, NULL, "%s", error->message);
}

static const struct field fields[] = {
    {"url", FIELD_READ, .read = read_url, .required = true},
    {"branch", FIELD_STRING, .offset = OFFSET(branch)},
    {"path", FIELD_STRING, .offset = OFFSET(path)},
    {"poll", FIELD_DURATION, .offset = OFFSET(poll_ms), .maximum = INT64_MAX},
    {"timeout", FIELD_DURATION, .offset = OFFSET(timeout_ms), .minimum = 1000, .maximum = INT64_MAX},
    {"user", FIELD_STRING, .offset = OFFSET(user)},
    {"token", FIELD_READ, .read = read_reference},
    {"identity", FIELD_READ, .read = read_reference},
    {"passphrase", FIELD_READ, .read = read_reference},
    {"known_hosts", FIELD_STRING, .offset = OFFSET(known_hosts)},
    {"push_secret", FIELD_READ, .read = read_reference},
    {0},
};

static struct catalog_repository *repository_new(struct loop *loop, const char *name, const char *data_folder,
                                                 const struct config *config)
{
    struct catalog_repository *repository = g_new0(struct catalog_repository, 1);
    g_autofree char *file = g_strconcat(name, ".git", NULL);
    struct catalog_repository_settings *settings = &repository->settings;
    const char *known_hosts = config_string(config, "git.known_hosts");
    repository->loop = loop;
    repository->name = g_strdup(name);
    repository->mirror = g_build_filename(data_folder, "repositories", file, NULL);
    repository->output_fd = -1;
    settings->path = g_strdup(config_string(config, "repo_path"));
    settings->identity = g_strdup(config_string(config, "git.identity"));
    settings->passphrase = g_strdup(config_string(config, "git.passphrase"));
    settings->known_hosts =
        known_hosts != NULL ? g_strdup(known_hosts) : g_build_filename(g_get_home_dir(), ".ssh", "known_hosts", NULL);
    settings->poll_ms = config_duration_ms(config, "git.poll");
    settings->timeout_ms = config_duration_ms(config, "git.timeout");
    return repository;
}

/* "runbooks/", "./runbooks" and "/runbooks" are all the folder runbooks. */
static char *normal_path(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    for (char **part = parts; *part != NULL; part++)
        if (**part != '\0' && strcmp(*part, ".") != 0)
            g_ptr_array_add(kept, *part);
    g_ptr_array_add(kept, NULL);
    return kept->len == 1 ? g_strdup(".") : g_strjoinv("/", (char **)kept->pdata);
}

static void finish(struct catalog_repository *repository)
{
    char *path = normal_path(repository->settings.path);
    g_free(repository->settings.path);
    repository->settings.path = path;
}

static struct catalog_repository *read_single(struct loop *loop, const struct config *config, const char *data_folder,
                                              GError **error)
{
    const char *url = config_string(config, "repo"), *branch = config_string(config, "repo_branch");
    const char *identity = config_string(config, "git.identity"), *passphrase = config_string(config, "git.passphrase");
    struct catalog_url parsed;
    if (!catalog_url_parse(url, &parsed, error)) {
        g_prefix_error(error, "repo: ");
        return NULL;
    }
    catalog_url_clear(&parsed);
    if ((identity != NULL && !secret_is_reference(identity)) ||
        (passphrase != NULL && !secret_is_reference(passphrase))) {
        errors_set(error, ERROR_CONFIG, "git.identity and git.passphrase must be references, file:PATH or env:NAME");
        return NULL;
    }
    struct catalog_repository *repository = repository_new(loop, "default", data_folder, config);
    repository->settings.url = g_strdup(url);
    repository->settings.branch = g_strdup(branch);
    finish(repository);
    return repository;
}

static void read_one(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                     struct catalog_repository *repository)
{
    g_autofree char *what = g_strdup_printf("repository '%s'", key->text);
    if (!field_is_name(key->text, true))
        field_error(reader, "bad-value", key, NULL, "'%s' is not a name of small letters, digits, '-' and '_'",
                    key->text);
    field_read_map(reader, value, what, fields, &repository->settings);
    finish(repository);
}

static int compare(const void *left, const void *right)
{
    return strcmp((*(struct catalog_repository *const *)left)->name,
                  (*(struct catalog_repository *const *)right)->name);
}

static bool report(const struct finding_list *findings, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (size_t i = 0; i < finding_count(findings); i++) {
        g_autofree char *line = finding_to_text(finding_at(findings, i));
        g_string_append_printf(text, "%s%s", i > 0 ? "\n" : "", line);
    }
    if (text->len > 0)
        errors_set(error, ERROR_CONFIG, "%s", text->str);
    return text->len == 0;
}

GPtrArray *catalog_repositories_new(struct loop *loop, struct config *config, const char *data_folder, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)catalog_repository_free);
    const struct yaml_node *tree = config_tree(config, "repositories"), *key, *value;
    if (tree == NULL || tree->count == 0) {
        if (config_string(config, "repo") == NULL)
            return g_steal_pointer(&list); /* a server without runbooks still takes webhooks */
        struct catalog_repository *single = read_single(loop, config, data_folder, error);
        if (single == NULL)
            return NULL;
        g_ptr_array_add(list, single);
        return g_steal_pointer(&list);
    }
    g_autoptr(finding_list) findings = finding_list_new();
    struct field_reader reader = {config_file(config), findings, NULL};
    yaml_foreach (tree, i, key, value) {
        struct catalog_repository *repository = repository_new(loop, key->text, data_folder, config);
        g_ptr_array_add(list, repository);
        read_one(&reader, key, value, repository);
    }
    if (!report(findings, error))
        return NULL;
    g_ptr_array_sort(list, compare);
    return g_steal_pointer(&list);
}

void catalog_repository_free(struct catalog_repository *repository)
{
    if (repository == NULL)
        return;
    catalog_repository_stop(repository);
    struct catalog_repository_settings *settings = &repository->settings;
    char *texts[] = {repository->name,   repository->mirror,   repository->error,     settings->url,
                     settings->branch,   settings->path,       settings->user,        settings->token,
                     settings->identity, settings->passphrase, settings->known_hosts, settings->push_secret};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_free(repository);
}

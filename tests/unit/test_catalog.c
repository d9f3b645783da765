/* catalog: real repositories made with git: what is in service after each push, what is skipped, what survives a broken
 * file, a force-push, a restart with the remote gone. This program is also the fetching child: see main(). */
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "core/log.h"
#include "jobs/catalog.h"
#include "jobs/catalog_read.h"
#include "jobs/catalog_url.h"
#include "tests/unit/support.h"
#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNBOOK(TITLE) "---\nhikeshi: 1\ntitle: " TITLE "\n---\n# x\n```lua {step=a}\nlog(1)\n```\n"
#define BROKEN         "---\nhikeshi: 1\nnonsense_key: 1\n---\n```lua {step=a}\nlog(1)\n```\n"

/* A repository, a data folder, and the catalog between them. */
struct site {
    char *folder, *repository, *data, *config_path;
    struct loop *loop;
    struct config *config;
    struct catalog *catalog;
    struct loop_timer *guard;
    int changes;
    bool too_late;
};

/* Git */

/* Runs a shell command in the repository; its output without the last newline. */
static char *shell(const struct site *site, const char *format, ...) G_GNUC_PRINTF(2, 3);
static char *shell(const struct site *site, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *script = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    char *argv[] = {(char *)"sh", (char *)"-euc", script, NULL};
    char *output = NULL;
    int status;
    assert_true(
        g_spawn_sync(site->repository, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, NULL, &status, NULL));
    if (status != 0)
        fail_msg("%s: status %d", script, status);
    return g_strchomp(output);
}

static void put(const struct site *site, const char *path, const char *text)
{
    g_autofree char *full = g_build_filename(site->repository, path, NULL), *folder = g_path_get_dirname(full);
    assert_int_equal(g_mkdir_with_parents(folder, 0755), 0);
    assert_true(g_file_set_contents(full, text, -1, NULL));
}

/* Commits everything; the commit's name. */
static char *commit(const struct site *site)
{
    return shell(site, "git add -A && git commit -q --allow-empty -m x && git rev-parse HEAD");
}

/* The site */

static void set_environment(void)
{
    static const char *const variables[][2] = {
        {"GIT_CONFIG_GLOBAL", "/dev/null"},
        {"GIT_CONFIG_SYSTEM", "/dev/null"},
        {"GIT_AUTHOR_NAME", "a"},
        {"GIT_AUTHOR_EMAIL", "a@example.com"},
        {"GIT_COMMITTER_NAME", "a"},
        {"GIT_COMMITTER_EMAIL", "a@example.com"},
        {"PUSH_SECRET", "It's a Secret to Everybody"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(variables); i++)
        g_setenv(variables[i][0], variables[i][1], TRUE);
}

static int setup(void **state)
{
    struct site *site = g_new0(struct site, 1);
    site->folder = g_dir_make_tmp("hikeshi-catalog-XXXXXX", NULL);
    site->repository = g_build_filename(site->folder, "ops", NULL);
    site->data = g_build_filename(site->folder, "data", NULL);
    site->config_path = g_build_filename(site->folder, "hikeshi.yaml", NULL);
    g_mkdir(site->repository, 0755);
    g_free(shell(site, "git init -q -b main ."));
    put(site, "runbooks/disk.md", RUNBOOK("one"));
    put(site, "runbooks/readme.md", "# Who we are\n");
    put(site, "hikeshi/inventory.yaml", "hosts: {db-1: {address: 10.0.0.1}}\n");
    put(site, "hikeshi/teams.yaml", "teams: {storage: {members: [a@example.com]}}\n");
    put(site, "hikeshi/lib/x.lua", "return 1\n");
    put(site, "docs/other.md", RUNBOOK("not in the folder"));
    g_free(commit(site));
    site->loop = loop_new();
    *state = site;
    return 0;
}

static void close_catalog(struct site *site)
{
    catalog_free(g_steal_pointer(&site->catalog));
    g_clear_pointer(&site->config, config_free);
    g_clear_pointer(&site->guard, loop_timer_free);
    loop_free(site->loop);
    site->loop = NULL;
}

static int teardown(void **state)
{
    struct site *site = *state;
    if (site->loop != NULL)
        close_catalog(site);
    g_free(shell(site, "rm -rf '%s'", site->folder));
    g_free(site->folder);
    g_free(site->repository);
    g_free(site->data);
    g_free(site->config_path);
    g_free(site);
    return 0;
}

static void on_changed(void *arg)
{
    ((struct site *)arg)->changes++;
}

static void on_guard(void *arg)
{
    ((struct site *)arg)->too_late = true;
}

/* Opens the catalog on a configuration; NULL: this repository with polls off. */
static void open_catalog(struct site *site, const char *configuration)
{
    g_autofree char *usual = g_strdup_printf(
        "repositories: {ops: {url: '%s', poll: 0, push_secret: 'env:PUSH_SECRET'}}\n", site->repository);
    assert_true(g_file_set_contents(site->config_path, configuration != NULL ? configuration : usual, -1, NULL));
    g_autoptr(GError) error = NULL;
    if (site->loop == NULL)
        site->loop = loop_new();
    site->guard = loop_timer_new(site->loop, on_guard, site);
    loop_timer_start(site->guard, 20000, 0);
    site->config = config_load(site->config_path, NULL, &error);
    assert_null(error);
    site->catalog = catalog_new(site->loop, site->config, site->data, on_changed, site, &error);
    if (site->catalog == NULL)
        fail_msg("%s", error->message);
}

static json_t *status_of(struct site *site, size_t index)
{
    g_autoptr(json_t) list = catalog_status(site->catalog);
    return json_incref(json_array_get(list, index));
}

/* Runs the loop until the first repository's `key` is `wanted` (NULL: null) and no fetch is under way. */
static void wait_for(struct site *site, const char *key, const char *wanted)
{
    for (;;) {
        g_autoptr(json_t) status = status_of(site, 0);
        const char *value = json_get_string(status, key, NULL);
        if (!json_get_bool(status, "fetching", false) && g_strcmp0(value, wanted) == 0)
            return;
        if (site->too_late)
            fail_msg("%s is '%s', not '%s'; error: %s", key, value, wanted, json_get_string(status, "error", "-"));
        loop_step(site->loop);
    }
}

/* Runs the loop until the fetch ended with an error; the error. */
static char *wait_for_error(struct site *site)
{
    for (;;) {
        g_autoptr(json_t) status = status_of(site, 0);
        const char *error = json_get_string(status, "error", NULL);
        if (!json_get_bool(status, "fetching", false) && error != NULL)
            return g_strdup(error);
        if (site->too_late)
            fail_msg("no error came");
        loop_step(site->loop);
    }
}

/* Commits, polls, and waits until that commit is in service. */
static char *publish(struct site *site)
{
    char *wanted = commit(site);
    catalog_poll(site->catalog, NULL);
    wait_for(site, "commit", wanted);
    return wanted;
}

static const struct runbook *runbook(const struct site *site, const char *id)
{
    return catalog_set_runbook(catalog_current(site->catalog), id);
}

static const struct finding *finding_of(const struct site *site, const char *rule)
{
    const struct finding_list *findings = catalog_current(site->catalog)->findings;
    for (size_t i = 0; i < finding_count(findings); i++)
        if (strcmp(finding_at(findings, i)->rule, rule) == 0)
            return finding_at(findings, i);
    return NULL;
}

/* Tests */

static void test_first_commit(void **state)
{
    struct site *site = *state;
    open_catalog(site, NULL);
    assert_int_equal(catalog_current(site->catalog)->runbooks->len, 0); /* never NULL */
    g_autofree char *head = shell(site, "git rev-parse HEAD");
    wait_for(site, "commit", head);
    const struct catalog_set *set = catalog_current(site->catalog);
    assert_int_equal(site->changes, 1);
    assert_int_equal(set->runbooks->len, 2);
    assert_string_equal(runbook(site, "disk")->title, "one");
    assert_string_equal(runbook(site, "disk")->commit, head);
    assert_string_equal(runbook(site, "disk")->repository, "ops");
    assert_string_equal(runbook(site, "disk")->path, "runbooks/disk.md");
    assert_null(runbook(site, "readme")); /* a document cannot be started */
    assert_string_equal(json_get_string(json_array_get(set->inventory, 0), "name", ""), "db-1");
    assert_non_null(json_path(set->policies, "teams.storage"));
    assert_string_equal(json_get_string(set->modules, "hikeshi/lib/x.lua", ""), "return 1\n");
    assert_string_equal(json_get_string(set->commits, "ops", ""), head);
    g_autoptr(json_t) status = status_of(site, 0);
    assert_int_equal(json_get_integer(status, "runbooks", 0), 1);
    assert_int_equal(json_get_integer(status, "documents", 0), 1);
    assert_non_null(json_get_string(status, "fetched_at", NULL));
    assert_true(json_is_null(json_object_get(status, "error")));
}

static void test_set_outlives_the_switch(void **state)
{
    struct site *site = *state;
    open_catalog(site, NULL);
    g_autofree char *first = publish(site);
    struct catalog_set *set = catalog_set_ref(catalog_current(site->catalog));
    put(site, "runbooks/disk.md", RUNBOOK("two"));
    g_autofree char *second = publish(site);
    assert_string_equal(catalog_set_runbook(set, "disk")->title, "one"); /* a run stays at its commit */
    assert_string_equal(catalog_set_runbook(set, "disk")->commit, first);
    assert_string_equal(runbook(site, "disk")->title, "two");
    close_catalog(site);
    assert_string_equal(catalog_set_runbook(set, "disk")->title, "one");
    catalog_set_unref(set);
}

static void test_rename_and_delete(void **state)
{
    struct site *site = *state;
    put(site, "runbooks/gone.md", RUNBOOK("gone"));
    open_catalog(site, NULL);
    g_free(publish(site));
    assert_non_null(runbook(site, "gone"));
    g_free(shell(site, "git mv runbooks/disk.md runbooks/full.md && git rm -q runbooks/gone.md"));
    g_free(publish(site));
    assert_null(runbook(site, "disk"));
    assert_null(runbook(site, "gone"));
    assert_string_equal(runbook(site, "full")->title, "one");
    assert_string_equal(runbook(site, "full")->path, "runbooks/full.md");
}

static void test_broken_file_keeps_its_last_good_version(void **state)
{
    struct site *site = *state;
    open_catalog(site, NULL);
    g_autofree char *good = publish(site);
    put(site, "runbooks/disk.md", BROKEN);
    put(site, "runbooks/new.md", BROKEN);
    put(site, "hikeshi/inventory.yaml", "hosts: [\n");
    g_free(publish(site));
    put(site, "runbooks/readme.md", "# another commit, still broken\n");
    g_autofree char *head = publish(site);
    assert_string_equal(runbook(site, "disk")->title, "one");
    assert_string_equal(runbook(site, "disk")->commit, good);
    assert_null(runbook(site, "new")); /* never was good */
    assert_int_equal(json_array_size(catalog_current(site->catalog)->inventory), 1);
    assert_string_equal(finding_of(site, "unknown-key")->file, "runbooks/disk.md");
    assert_int_equal(finding_of(site, "unknown-key")->line, 3);
    assert_string_equal(finding_of(site, "yaml")->file, "hikeshi/inventory.yaml");

    /* After a restart, with the remote away, the last good version comes from the mirror's history. */
    close_catalog(site);
    g_free(shell(site, "mv '%s' '%s.away' && mkdir '%s'", site->repository, site->repository, site->repository));
    open_catalog(site, NULL);
    assert_string_equal(runbook(site, "disk")->title, "one");
    assert_string_equal(runbook(site, "disk")->commit, good);
    assert_int_equal(json_array_size(catalog_current(site->catalog)->inventory), 1);
    assert_string_equal(json_get_string(catalog_current(site->catalog)->commits, "ops", ""), head);
    g_autofree char *error = wait_for_error(site);
    assert_true(g_str_has_prefix(error, "cannot fetch '"));
    assert_string_equal(runbook(site, "disk")->title, "one");

    /* And the repaired file comes into service. */
    g_free(shell(site, "rmdir '%s' && mv '%s.away' '%s'", site->repository, site->repository, site->repository));
    put(site, "runbooks/disk.md", RUNBOOK("repaired"));
    g_free(publish(site));
    assert_string_equal(runbook(site, "disk")->title, "repaired");
    wait_for(site, "error", NULL);
}

static void test_force_push(void **state)
{
    struct site *site = *state;
    open_catalog(site, NULL);
    g_free(publish(site));
    put(site, "runbooks/disk.md", RUNBOOK("before"));
    g_free(publish(site));
    g_free(shell(site, "git checkout -q --orphan other && git branch -qD main && git branch -qm main"));
    put(site, "runbooks/disk.md", RUNBOOK("rewritten"));
    g_free(publish(site));
    assert_string_equal(runbook(site, "disk")->title, "rewritten");
    g_free(shell(site, "git commit -q --amend -m y --allow-empty && git reset -q --hard"));
    g_free(publish(site));
}

static void test_force_push_of_a_broken_file(void **state)
{
    struct site *site = *state;
    open_catalog(site, NULL);
    g_autofree char *good = publish(site);
    g_free(shell(site, "git checkout -q --orphan other && git branch -qD main && git branch -qm main"));
    put(site, "runbooks/disk.md", BROKEN);
    g_free(publish(site));
    assert_string_equal(runbook(site, "disk")->title, "one"); /* no longer in any branch, still in service */
    assert_string_equal(runbook(site, "disk")->commit, good);
}

static void test_unsafe_entries_are_skipped(void **state)
{
    struct site *site = *state;
    put(site, "secret.md", RUNBOOK("secret"));
    g_autofree char *huge = g_strnfill(LIMIT_RUNBOOK_BYTES + 1, 'x');
    put(site, "runbooks/huge.md", huge);
    g_free(shell(site, "cd runbooks && ln -s ../secret.md link.md && ln -s .. up && ln -s /etc/passwd passwd.md && "
                       "printf '%%b' '# x\\n' > \"$(printf 'bad-\\377.md')\" && printf x > 'back\\slash.md'"));
    g_free(shell(site, "git add -A && git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),runbooks/module "
                       "&& git commit -qm x"));
    open_catalog(site, NULL);
    g_autofree char *head = shell(site, "git rev-parse HEAD");
    wait_for(site, "commit", head);
    assert_int_equal(catalog_current(site->catalog)->runbooks->len, 2); /* disk and readme */
    static const char *const rows[][2] = {
        {"symlink", "runbooks/link.md"},
        {"submodule", "runbooks/module"},
        {"file-size", "runbooks/huge.md"},
        {"unsafe-name", "runbooks/back\\slash.md"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct finding *found = finding_of(site, rows[i][0]);
        if (found == NULL || strcmp(found->file, rows[i][1]) != 0)
            row_failed(rows[i][0], "%s", found != NULL ? found->file : "no finding");
    }
    g_autoptr(GString) all = g_string_new(NULL);
    const struct finding_list *findings = catalog_current(site->catalog)->findings;
    for (size_t i = 0; i < finding_count(findings); i++) {
        g_autofree char *line = finding_to_text(finding_at(findings, i));
        g_string_append_printf(all, "%s\n", line);
    }
    static const char *const said[] = {
        "runbooks/bad-\xef\xbf\xbd.md: warning: skipped: the name is not UTF-8",
        "runbooks/passwd.md: warning: skipped: symbolic links are not followed",
        "runbooks/up: warning: skipped: symbolic links are not followed",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(said); i++)
        if (strstr(all->str, said[i]) == NULL)
            row_failed(said[i], "%s", all->str);
}

/* Trees that git would not write: their names come from `git mktree`, or raw bytes when it refuses. */
static void test_hostile_trees(void **state)
{
    struct site *site = *state;
    g_free(shell(site,
                 "inner=$(printf '100644 blob %%s\\tevil.md\\n' $(git rev-parse HEAD:runbooks/disk.md) | git mktree)\n"
                 "raw=$(printf %%s $inner | sed 's/../\\\\x&/g')\n"
                 "dots=$(env printf \"40000 ..\\\\0$raw\" | git hash-object -w -t tree --literally --stdin)\n"
                 "root=$(printf '040000 tree %%s\\trunbooks\\n' $dots | git mktree)\n"
                 "git update-ref refs/heads/main $(git commit-tree -m x $root)"));
    open_catalog(site, NULL);
    g_autofree char *head = shell(site, "git rev-parse main");
    wait_for(site, "commit", head);
    assert_int_equal(catalog_current(site->catalog)->runbooks->len, 0);
    assert_string_equal(finding_of(site, "unsafe-name")->file, "runbooks/..");
}

static void test_branches(void **state)
{
    struct site *site = *state;
    g_free(shell(site, "git checkout -q -b next"));
    put(site, "runbooks/disk.md", RUNBOOK("next"));
    g_autofree char *next = commit(site), *main_commit = shell(site, "git rev-parse main");
    open_catalog(site, NULL);
    wait_for(site, "commit", next); /* the remote's HEAD */
    g_free(shell(site, "git checkout -q main"));
    catalog_poll(site->catalog, "ops");
    wait_for(site, "commit", main_commit); /* and it follows HEAD */
    close_catalog(site);

    g_autofree char *text =
        g_strdup_printf("repositories: {ops: {url: '%s', branch: next, poll: 0}}\n", site->repository);
    open_catalog(site, text); /* the mirror has that branch already */
    assert_string_equal(runbook(site, "disk")->title, "next");
    wait_for(site, "error", NULL);
    close_catalog(site);

    g_free(text);
    text = g_strdup_printf("repositories: {ops: {url: '%s', branch: none, poll: 0}}\n", site->repository);
    open_catalog(site, text);
    g_autofree char *error = wait_for_error(site);
    assert_non_null(strstr(error, "the repository has no branch 'none'"));
    g_free(shell(site, "git branch none"));
    catalog_poll(site->catalog, NULL);
    wait_for(site, "commit", main_commit);
    wait_for(site, "error", NULL);
}

static void test_empty_repository(void **state)
{
    struct site *site = *state;
    g_free(shell(site, "rm -rf .git && git init -q -b main ."));
    open_catalog(site, NULL);
    g_autofree char *error = wait_for_error(site);
    assert_non_null(strstr(error, "has no commit"));
    g_free(publish(site));
    assert_non_null(runbook(site, "disk"));
}

static void test_repository_of_another_owner(void **state)
{
    struct site *site = *state;
    if (geteuid() == 0)
        g_free(shell(site, "chown -R 12345:12345 ."));
    g_autofree char *head = shell(site, "git -c safe.directory='*' rev-parse HEAD");
    open_catalog(site, NULL);
    wait_for(site, "commit", head);
}

static void test_stale_locks(void **state)
{
    struct site *site = *state;
    open_catalog(site, NULL);
    g_free(publish(site));
    /* What a child that was killed while it wrote leaves behind. */
    g_autofree char *mirror = g_build_filename(site->data, "repositories", "ops.git", NULL);
    g_free(shell(
        site, "cd '%s' && touch refs/heads/main.lock HEAD.lock config.lock packed-refs.lock objects/pack/pack_git2_x",
        mirror));
    put(site, "runbooks/disk.md", RUNBOOK("after"));
    g_free(publish(site));
    assert_string_equal(runbook(site, "disk")->title, "after");
    g_free(shell(site, "[ ! -e '%s/objects/pack/pack_git2_x' ]", mirror));
}

/* A server that accepts and says nothing: only killing the child ends that fetch. */
static void test_silent_server(void **state)
{
    struct site *site = *state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    g_autofree char *text = g_strdup_printf(
        "repositories: {ops: {url: 'http://127.0.0.1:%u/x.git', timeout: 1s, poll: 0}}\n", ntohs(address.sin_port));
    open_catalog(site, text);
    g_autofree char *error = wait_for_error(site);
    assert_string_equal(error, "the fetch did not end within 1.0 s and was killed");
    close(fd);
}

static void test_freed_at_any_time(void **state)
{
    struct site *site = *state;
    open_catalog(site, NULL);
    close_catalog(site); /* the child is under way */
    open_catalog(site, NULL);
    while (catalog_current(site->catalog)->runbooks->len == 0 && !site->too_late) {
        g_autoptr(json_t) status = status_of(site, 0);
        if (json_get_string(status, "fetched_at", NULL) != NULL)
            break; /* the reading is under way */
        loop_step(site->loop);
    }
    close_catalog(site);
}

static void test_push_webhook(void **state)
{
    struct site *site = *state;
    static const char body[] = "Hello, World!";
    open_catalog(site, NULL);
    g_free(publish(site));
    put(site, "runbooks/disk.md", RUNBOOK("pushed"));
    g_autofree char *head = commit(site);
    static const struct {
        const char *why, *repository, *signature;
    } refused[] = {
        {"no signature", "ops", NULL},
        {"empty", "ops", ""},
        {"not ours", "ops", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e18"},
        {"without prefix", "ops", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        {"another repository", "other", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
        if (catalog_push(site->catalog, refused[i].repository, refused[i].signature, body, strlen(body)))
            row_failed(refused[i].why, "was accepted");
    /* The secret, body and signature of GitHub's own example. */
    assert_true(catalog_push(site->catalog, "ops",
                             "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", body,
                             strlen(body)));
    wait_for(site, "commit", head);
}

static void test_several_repositories(void **state)
{
    struct site *site = *state;
    g_free(shell(site, "cp -r . ../platform"));
    g_autofree char *text =
        g_strdup_printf("repositories: {web: {url: '%s/platform', poll: 0}, ops: {url: '%s', poll: 0}}\n"
                        "rules: {repository: web}\n",
                        site->folder, site->repository);
    put(site, "hikeshi/inventory.yaml", "hosts: {intruder: {address: 10.6.6.6}}\n");
    put(site, "hikeshi/lib/x.lua", "return 2\n");
    put(site, "runbooks/disk.md", "---\nhikeshi: 1\naliases: [old]\n---\n```lua {step=a}\nlog(1)\n```\n");
    put(site, "runbooks/bad.md", BROKEN);
    g_free(commit(site));
    open_catalog(site, text);
    while ((runbook(site, "web:disk") == NULL || runbook(site, "ops:disk") == NULL) && !site->too_late)
        loop_step(site->loop);
    const struct catalog_set *set = catalog_current(site->catalog);
    assert_null(runbook(site, "disk"));
    assert_string_equal(runbook(site, "web:disk")->title, "one");
    assert_ptr_equal(runbook(site, "ops:old"), runbook(site, "ops:disk"));
    assert_null(runbook(site, "web:old"));
    assert_string_equal(json_get_string(json_array_get(set->inventory, 0), "name", ""),
                        "db-1"); /* from web, not from ops */
    assert_string_equal(json_get_string(catalog_set_modules(set, "ops"), "hikeshi/lib/x.lua", ""), "return 2\n");
    assert_string_equal(json_get_string(catalog_set_modules(set, "web"), "hikeshi/lib/x.lua", ""), "return 1\n");
    assert_string_equal(finding_of(site, "unknown-key")->file, "ops:runbooks/bad.md");
}

static void test_same_id_twice(void **state)
{
    struct site *site = *state;
    put(site, "runbooks/a.md", "---\nhikeshi: 1\nid: disk\n---\n```lua {step=a}\nlog(1)\n```\n");
    put(site, "runbooks/b.md", "---\nhikeshi: 1\naliases: [disk, spare]\n---\n```lua {step=a}\nlog(1)\n```\n");
    open_catalog(site, NULL);
    g_free(publish(site));
    assert_string_equal(runbook(site, "disk")->path, "runbooks/a.md");
    assert_string_equal(runbook(site, "spare")->path, "runbooks/b.md");
    assert_int_equal(catalog_current(site->catalog)->runbooks->len, 3);
    const struct finding_list *findings = catalog_current(site->catalog)->findings;
    assert_int_equal(finding_count_level(findings, FINDING_ERROR), 2);
    assert_string_equal(finding_of(site, "duplicate-id")->message, "the alias 'disk' is taken by 'runbooks/a.md'");
}

static void test_only_changed_files_are_parsed(void **state)
{
    struct site *site = *state;
    struct catalog_layout layout = {"runbooks", "hikeshi/inventory.yaml", "hikeshi/teams.yaml"};
    g_autofree char *mirror = g_build_filename(site->repository, ".git", NULL);
    for (int i = 0; i < 50; i++) {
        g_autofree char *path = g_strdup_printf("runbooks/many/%d.md", i);
        put(site, path, RUNBOOK("many"));
    }
    g_free(commit(site));
    struct catalog_tree *first = catalog_read_mirror(mirror, NULL, &layout, NULL, NULL);
    assert_int_equal(first->parsed, 55);
    struct catalog_tree *same = catalog_read_mirror(mirror, NULL, &layout, first, NULL);
    assert_ptr_equal(same, first);
    catalog_tree_unref(same);
    put(site, "runbooks/many/7.md", RUNBOOK("changed"));
    put(site, "docs/other.md", RUNBOOK("does not matter"));
    g_free(commit(site));
    struct catalog_tree *second = catalog_read_mirror(mirror, NULL, &layout, first, NULL);
    assert_int_equal(second->parsed, 1);
    assert_ptr_equal(catalog_tree_entry(second, "runbooks/disk.md")->served,
                     catalog_tree_entry(first, "runbooks/disk.md")->served);
    catalog_tree_unref(first);
    assert_string_equal(catalog_tree_entry(second, "runbooks/disk.md")->served->runbook->title, "one");
    catalog_tree_unref(second);
}

static void test_working_tree(void **state)
{
    struct site *site = *state;
    put(site, "runbooks/draft.md", RUNBOOK("not committed"));
    g_free(shell(site, "ln -s ../docs/other.md runbooks/link.md && mkfifo runbooks/pipe.md"));
    struct catalog_set *set = catalog_read_folder(site->repository, NULL, NULL);
    assert_string_equal(catalog_set_runbook(set, "draft")->title, "not committed");
    assert_null(catalog_set_runbook(set, "draft")->commit);
    assert_string_equal(catalog_set_runbook(set, "draft")->repository, "local");
    assert_int_equal(json_array_size(set->inventory), 1);
    assert_int_equal(set->runbooks->len, 3);
    assert_string_equal(finding_at(set->findings, 0)->rule, "symlink");
    catalog_set_unref(set);
    set = catalog_read_folder(site->repository, ".", NULL);
    assert_non_null(catalog_set_runbook(set, "docs/other"));
    catalog_set_unref(set);
    g_autoptr(GError) error = NULL;
    assert_null(catalog_read_folder("/nonexistent", NULL, &error));
    assert_int_equal(errors_of(error), ERROR_IO);
}

static void test_configuration_errors(void **state)
{
    struct site *site = *state;
    static const struct {
        const char *why, *text, *part;
    } rows[] = {
        {"no URL", "repositories: {ops: {branch: main}}\n", ":1:21: error: "},
        {"unknown key", "repositories:\n  ops: {url: /x, brnch: main}\n", ":2:18: error: "},
        {"plain http", "repositories: {ops: {url: 'http://example.com/x'}}\n", ":1:27: error: "},
        {"a secret in the file", "repositories: {ops: {url: 'https://example.com/x', token: hunter2}}\n",
         "must be a reference"},
        {"a name that is a path", "repositories: {../x: {url: /x}}\n", "is not a name"},
        {"rules of nobody", "repositories: {ops: {url: /x}}\nrules: {repository: other}\n", ":2:21: error: "},
        {"rules misspelt", "rules: {inventry: x}\n", ":1:9: error: "},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        assert_true(g_file_set_contents(site->config_path, rows[i].text, -1, NULL));
        g_autoptr(config_t) config = config_load(site->config_path, NULL, NULL);
        struct catalog *catalog = catalog_new(site->loop, config, site->data, NULL, NULL, &error);
        if (catalog != NULL || errors_of(error) != ERROR_CONFIG || strstr(error->message, rows[i].part) == NULL)
            row_failed(rows[i].why, "%s", error != NULL ? error->message : "accepted");
        if (strstr(error->message, "hunter2") != NULL)
            row_failed(rows[i].why, "the secret is in the message");
    }
}

static void test_single_repository(void **state)
{
    struct site *site = *state;
    g_autofree char *text = g_strdup_printf("repo: '%s'\nrepo_path: ./docs/\ngit: {poll: 0}\n", site->repository);
    open_catalog(site, text);
    g_autofree char *head = shell(site, "git rev-parse HEAD");
    wait_for(site, "commit", head);
    assert_string_equal(runbook(site, "docs/other")->repository, "default");
    assert_null(runbook(site, "disk"));
    close_catalog(site);
    open_catalog(site, "environment: none\n"); /* no repository at all */
    assert_int_equal(catalog_current(site->catalog)->runbooks->len, 0);
    assert_non_null(catalog_current(site->catalog)->inventory);
}

static void test_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        int transport; /* -1: refused */
        const char *host;
        uint16_t port;
        const char *shown;
    } rows[] = {
        {"/srv/ops", CATALOG_LOCAL, NULL, 0, "/srv/ops"},
        {"./ops", CATALOG_LOCAL, NULL, 0, "./ops"},
        {"./a:b", CATALOG_LOCAL, NULL, 0, "./a:b"},
        {"file:///srv/ops", CATALOG_LOCAL, NULL, 0, "file:///srv/ops"},
        {"https://example.com/ops.git", CATALOG_HTTPS, "example.com", 443, "https://example.com/ops.git"},
        {"https://u:p@ss@example.com:8443/x", CATALOG_HTTPS, "example.com", 8443, "https://example.com:8443/x"},
        {"ssh://git@example.com/ops.git", CATALOG_SSH, "example.com", 22, "ssh://example.com/ops.git"},
        {"ssh://git@[2001:db8::1]:2222/x", CATALOG_SSH, "2001:db8::1", 2222, "ssh://[2001:db8::1]:2222/x"},
        {"git@example.com:ops.git", CATALOG_SSH, "example.com", 22, "git@example.com:ops.git"},
        {"http://127.0.0.1:3000/x", CATALOG_HTTPS, "127.0.0.1", 3000, "http://127.0.0.1:3000/x"},
        {"http://example.com/x", -1, NULL, 0, "http://example.com/x"},
        {"http://127.0.0.1@example.com/x", -1, NULL, 0, "http://example.com/x"},
        {"git://example.com/x", -1, NULL, 0, "git://example.com/x"},
        {"ext::sh -c x", -1, NULL, 0, "ext::sh -c x"},
        {"ssh://-oProxyCommand=x/y", -1, NULL, 0, "ssh://-oProxyCommand=x/y"},
        {"-oProxyCommand=x:y", -1, NULL, 0, "-oProxyCommand=x:y"},
        {"ssh://example.com:0/x", -1, NULL, 0, "ssh://example.com:0/x"},
        {"ssh://example.com:99999/x", -1, NULL, 0, "ssh://example.com:99999/x"},
        {"https:///x", -1, NULL, 0, "https:///x"},
        {"", -1, NULL, 0, ""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct catalog_url url;
        bool parsed = catalog_url_parse(rows[i].url, &url, NULL);
        if (parsed != (rows[i].transport >= 0) ||
            (parsed && ((int)url.transport != rows[i].transport || g_strcmp0(url.host, rows[i].host) != 0 ||
                        url.port != rows[i].port)))
            row_failed(rows[i].url, "parsed %d, host %s, port %u", parsed, url.host, url.port);
        catalog_url_clear(&url);
        g_autofree char *shown = catalog_url_public(rows[i].url);
        assert_string_equal(shown, rows[i].shown);
    }
}

int main(int argc, char **argv)
{
    crypto_init();
    if (argc > 1 && strcmp(argv[1], "git-fetch") == 0)
        catalog_fetch_main();
    log_init("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    set_environment();
#define SITE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_first_commit),
        SITE_TEST(test_set_outlives_the_switch),
        SITE_TEST(test_rename_and_delete),
        SITE_TEST(test_broken_file_keeps_its_last_good_version),
        SITE_TEST(test_force_push),
        SITE_TEST(test_force_push_of_a_broken_file),
        SITE_TEST(test_unsafe_entries_are_skipped),
        SITE_TEST(test_hostile_trees),
        SITE_TEST(test_branches),
        SITE_TEST(test_empty_repository),
        SITE_TEST(test_repository_of_another_owner),
        SITE_TEST(test_stale_locks),
        SITE_TEST(test_silent_server),
        SITE_TEST(test_freed_at_any_time),
        SITE_TEST(test_push_webhook),
        SITE_TEST(test_several_repositories),
        SITE_TEST(test_same_id_twice),
        SITE_TEST(test_only_changed_files_are_parsed),
        SITE_TEST(test_working_tree),
        SITE_TEST(test_configuration_errors),
        SITE_TEST(test_single_repository),
        cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* catalog_fetch: both ends of a fetch: the parent starts, times and kills the child; the child lets libgit2 block. */
#include "core/clock.h"
#include "core/errors.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/secret.h"
#include "jobs/catalog.h"
#include "jobs/catalog_git.h"
#include "jobs/catalog_repository.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RETRY_MS = 60 * 1000, ERROR_LINE_BYTES = 4096 };

/* Parent */

/* References go over, not values: the child resolves them itself. */
static char *make_request(const struct catalog_repository *repository)
{
    const struct catalog_repository_settings *settings = &repository->settings;
    const struct {
        const char *key, *value;
    } members[] = {
        {"mirror", repository->mirror},       {"url", settings->url},
        {"branch", settings->branch},         {"user", settings->user},
        {"token", settings->token},           {"identity", settings->identity},
        {"passphrase", settings->passphrase}, {"known_hosts", settings->known_hosts},
    };
    g_autoptr(json_t) request = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        json_set_string(request, members[i].key, members[i].value);
    return json_text(request);
}

/* A pipe that holds the whole request already: the child reads it to its end. -1 with error. */
static int request_pipe(const struct catalog_repository *repository, GError **error)
{
    g_autofree char *request = make_request(repository);
    size_t length = strlen(request);
    int fds[2];
    if (length > LIMIT_FETCH_REQUEST_BYTES) {
        errors_set(error, ERROR_CONFIG, "the settings of repository '%s' are too long", repository->name);
        return -1;
    }
    if (pipe2(fds, O_CLOEXEC) != 0 || write(fds[1], request, length) != (ssize_t)length) {
        errors_set(error, ERROR_IO, "cannot fetch: %s", g_strerror(errno));
        return -1;
    }
    close(fds[1]);
    return fds[0];
}

static void set_error(struct catalog_repository *repository, const char *message)
{
    /* A remote that stays down says so once, not at every poll. */
    if (g_strcmp0(repository->error, message) != 0) {
        if (message != NULL)
            log_warn("repository not fetched", "repository", repository->name, "error", message, NULL);
        else if (repository->error != NULL)
            log_info("repository fetched again", "repository", repository->name, NULL);
    }
    g_free(repository->error);
    repository->error = g_strdup(message);
}

static void schedule(struct catalog_repository *repository)
{
    int64_t wait_ms = repository->settings.poll_ms;
    if (repository->error != NULL && wait_ms == 0)
        wait_ms = RETRY_MS; /* without polls, a failure would wait for the next push */
    if (wait_ms > 0)
        loop_timer_start(repository->poll_timer, (uint64_t)wait_ms, 0);
}

/* The line that the child printed. It has ended, so this does not wait. */
static char *read_output(struct catalog_repository *repository)
{
    char text[ERROR_LINE_BYTES + 1];
    ssize_t length = read(repository->output_fd, text, ERROR_LINE_BYTES);
    text[MAX(length, 0)] = '\0';
    g_autofree char *valid = g_utf8_make_valid(g_strchomp(text), -1);
    return g_strdup(valid);
}

static char *failure_of(struct catalog_repository *repository, int status, int term_signal)
{
    if (repository->timed_out) {
        g_autofree char *limit = clock_duration_format(repository->settings.timeout_ms);
        return g_strdup_printf("the fetch did not end within %s and was killed", limit);
    }
    if (term_signal != 0)
        return g_strdup_printf("the fetch was killed by signal %d", term_signal);
    char *line = status == 0 ? NULL : read_output(repository);
    if (line != NULL && *line == '\0') {
        g_free(line);
        line = g_strdup_printf("the fetch ended with status %d", status);
    }
    return line;
}

static void on_exit_of_child(void *arg, int status, int term_signal)
{
    struct catalog_repository *repository = arg;
    g_autofree char *failure = failure_of(repository, status, term_signal);
    g_clear_pointer(&repository->child, loop_child_free);
    close(repository->output_fd);
    repository->output_fd = -1;
    loop_timer_stop(repository->deadline);
    set_error(repository, failure);
    if (failure == NULL) {
        repository->fetched_at_ms = clock_now_ms();
        repository->fetched(repository->arg, repository);
    }
    if (repository->again)
        catalog_repository_fetch(repository);
    else
        schedule(repository);
}

static void on_deadline(void *arg)
{
    struct catalog_repository *repository = arg;
    repository->timed_out = true;
    if (repository->child != NULL)
        loop_child_kill(repository->child, SIGKILL);
}

static bool start_child(struct catalog_repository *repository, GError **error)
{
    int output[2], request = request_pipe(repository, error);
    if (request < 0)
        return false;
    if (pipe2(output, O_CLOEXEC) != 0) {
        errors_set(error, ERROR_IO, "cannot fetch: %s", g_strerror(errno));
        close(request);
        return false;
    }
    const char *argv[] = {"/proc/self/exe", "git-fetch", NULL};
    struct loop_child_options options = {
        .argv = argv,
        .stdin_fd = request,
        .stdout_fd = output[1],
        .stderr_fd = STDERR_FILENO,
        .die_with_parent = true,
        .on_exit = on_exit_of_child,
        .arg = repository,
    };
    repository->child = loop_child_new(repository->loop, &options, error);
    close(request);
    close(output[1]);
    repository->output_fd = output[0];
    if (repository->child == NULL) {
        close(output[0]);
        repository->output_fd = -1;
    }
    return repository->child != NULL;
}

static void on_poll_timer(void *arg)
{
    catalog_repository_fetch(arg);
}

void catalog_repository_fetch(struct catalog_repository *repository)
{
    if (repository->poll_timer == NULL) {
        repository->poll_timer = loop_timer_new(repository->loop, on_poll_timer, repository);
        repository->deadline = loop_timer_new(repository->loop, on_deadline, repository);
    }
    repository->again = repository->child != NULL;
    if (repository->again)
        return;
    loop_timer_stop(repository->poll_timer);
    repository->timed_out = false;
    g_autoptr(GError) error = NULL;
    if (start_child(repository, &error)) {
        loop_timer_start(repository->deadline, (uint64_t)repository->settings.timeout_ms, 0);
        return;
    }
    set_error(repository, error->message);
    schedule(repository);
}

void catalog_repository_stop(struct catalog_repository *repository)
{
    if (repository->child != NULL)
        loop_child_kill(repository->child, SIGKILL);
    g_clear_pointer(&repository->child, loop_child_free);
    if (repository->output_fd >= 0)
        close(repository->output_fd);
    repository->output_fd = -1;
    g_clear_pointer(&repository->poll_timer, loop_timer_free);
    g_clear_pointer(&repository->deadline, loop_timer_free);
}

/* Child */

static json_t *read_request(GError **error)
{
    char text[LIMIT_FETCH_REQUEST_BYTES + 1];
    size_t used = 0;
    ssize_t got;
    while (used < sizeof text && (got = read(STDIN_FILENO, text + used, sizeof text - used)) != 0) {
        if (got > 0)
            used += (size_t)got;
        else if (errno != EINTR)
            break;
    }
    return json_parse(text, used, "request", error);
}

/* The value of a reference, NULL when the key is null. False: it cannot be resolved. */
static bool resolve(const json_t *request, const char *key, char **ret, GError **error)
{
    const char *reference = json_get_string(request, key, NULL);
    *ret = reference != NULL ? secret_resolve(reference, error) : NULL;
    return reference == NULL || *ret != NULL;
}

/* libssh2 reads the key itself: a file stays where it is, a key in the environment has no path to give. */
static bool identity_path(const json_t *request, const char **ret, GError **error)
{
    const char *reference = json_get_string(request, "identity", NULL);
    *ret = reference;
    if (reference == NULL)
        return true;
    if (!g_str_has_prefix(reference, "file:")) {
        errors_set(error, ERROR_CONFIG, "the identity of a repository must be file:PATH");
        return false;
    }
    *ret = reference + strlen("file:");
    if (g_access(*ret, R_OK) == 0)
        return true;
    errors_set(error, ERROR_AUTH, "cannot read the identity '%s': %s", *ret, g_strerror(errno));
    return false;
}

static bool fetch(const json_t *request, GError **error)
{
    char *token = NULL, *passphrase = NULL;
    struct catalog_fetch options = {
        .mirror = json_get_string(request, "mirror", ""),
        .url = json_get_string(request, "url", ""),
        .branch = json_get_string(request, "branch", NULL),
        .user = json_get_string(request, "user", NULL),
        .known_hosts = json_get_string(request, "known_hosts", ""),
    };
    bool fine = identity_path(request, &options.identity, error) && resolve(request, "token", &token, error) &&
                resolve(request, "passphrase", &passphrase, error);
    options.token = token;
    options.passphrase = passphrase;
    fine = fine && catalog_git_fetch(&options, error);
    secret_free(token);
    secret_free(passphrase);
    return fine;
}

void catalog_fetch_main(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) request = read_request(&error);
    bool fetched = request != NULL && fetch(request, &error);
    if (!fetched)
        printf("%s\n", error->message);
    fflush(stdout);
    _exit(fetched ? 0 : 1); /* not exit(): libgit2 1.5 leaks in its regular expressions, which is nobody's business here */
}

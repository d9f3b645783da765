/* catalog_git_fetch: fetching into the bare mirror. Blocks without limit; docs/design/decisions.md says why a child
 * does it. */
#include "core/errors.h"
#include "core/known_hosts.h"
#include "core/limits.h"
#include "jobs/catalog_git_private.h"
#include "jobs/catalog_url.h"
#include <glib/gstdio.h>
#include <string.h>

/* What the callbacks need, and what they found out: libgit2 keeps only its own words. */
struct fetching {
    const struct catalog_fetch *fetch;
    struct catalog_url url;
    unsigned credentials_asked;
    GError *cause;
};

static int fail_with(struct fetching *fetching, int code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static int fail_with(struct fetching *fetching, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (fetching->cause == NULL)
        fetching->cause = g_error_new_valist(HIKESHI_ERROR, code, format, arguments);
    va_end(arguments);
    return GIT_EUSER;
}

static int unknown_key(struct fetching *fetching, const struct known_hosts *hosts, const char *shown)
{
    const char *host = fetching->url.host;
    g_auto(GStrv) types = known_hosts_key_types(hosts, host, fetching->url.port);
    if (*types == NULL)
        return fail_with(fetching, ERROR_HOST_KEY, "the host key of '%s' is unknown (%s): add it to '%s'", host, shown,
                         fetching->fetch->known_hosts);
    g_autofree char *known = g_strjoinv(", ", types);
    return fail_with(fetching, ERROR_HOST_KEY,
                     "the host key of '%s' is another one (%s) than in '%s' (%s); if that file only lacks "
                     "this type of key, add it with ssh-keyscan and check the fingerprint",
                     host, shown, fetching->fetch->known_hosts, known);
}

/* SSH: our own known_hosts reader decides, strictly. TLS: libgit2's verdict stands. */
static int check_certificate(git_cert *certificate, int valid, const char *host, void *payload)
{
    (void)host; /* without the port: the URL has it */
    struct fetching *fetching = payload;
    if (certificate->cert_type != GIT_CERT_HOSTKEY_LIBSSH2)
        return valid ? 0 : GIT_PASSTHROUGH;
    const git_cert_hostkey *shown = (const git_cert_hostkey *)certificate;
    if ((shown->type & GIT_CERT_SSH_RAW) == 0 || fetching->url.host == NULL)
        return fail_with(fetching, ERROR_HOST_KEY, "libgit2 does not show the server's key");
    const uint8_t *key = (const uint8_t *)shown->hostkey;
    g_autofree char *fingerprint = known_hosts_fingerprint(key, shown->hostkey_len);
    struct known_hosts *hosts = known_hosts_load(fetching->fetch->known_hosts, &fetching->cause);
    if (hosts == NULL)
        return GIT_EUSER;
    int line = 0, result = 0;
    switch (known_hosts_check(hosts, fetching->url.host, fetching->url.port, key, shown->hostkey_len, &line, NULL)) {
    case KNOWN_HOSTS_MATCH:
        break;
    case KNOWN_HOSTS_REVOKED:
        result = fail_with(fetching, ERROR_HOST_KEY, "the host key of '%s' is revoked (%s:%d)", fetching->url.host,
                           fetching->fetch->known_hosts, line);
        break;
    default:
        result = unknown_key(fetching, hosts, fingerprint);
    }
    known_hosts_free(hosts);
    return result;
}

static int ssh_credential(git_credential **ret, struct fetching *fetching, const char *user)
{
    const struct catalog_fetch *fetch = fetching->fetch;
    if (fetch->identity != NULL)
        return git_credential_ssh_key_new(ret, user, NULL, fetch->identity, fetch->passphrase);
    return git_credential_ssh_key_from_agent(ret, user);
}

/* Asked again and again while the server refuses: each kind of credential is given once. */
static int give_credential(git_credential **ret, const char *url, const char *user_of_url, unsigned allowed,
                           void *payload)
{
    (void)url;
    struct fetching *fetching = payload;
    const struct catalog_fetch *fetch = fetching->fetch;
    const char *user = user_of_url != NULL ? user_of_url : fetch->user != NULL ? fetch->user : "git";
    unsigned kind = allowed & GIT_CREDENTIAL_USERNAME             ? GIT_CREDENTIAL_USERNAME
                    : allowed & GIT_CREDENTIAL_SSH_KEY            ? GIT_CREDENTIAL_SSH_KEY
                    : allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT ? GIT_CREDENTIAL_USERPASS_PLAINTEXT
                                                                  : 0;
    if (kind == 0)
        return fail_with(fetching, ERROR_AUTH, "the server asks for credentials that are not supported");
    if (fetching->credentials_asked & kind)
        return fail_with(fetching, ERROR_AUTH, "the server refused %s",
                         kind == GIT_CREDENTIAL_USERPASS_PLAINTEXT ? "the user and token"
                         : fetch->identity != NULL                 ? fetch->identity
                                                                   : "every key of the SSH agent");
    fetching->credentials_asked |= kind;
    if (kind == GIT_CREDENTIAL_USERNAME)
        return git_credential_username_new(ret, user);
    if (kind == GIT_CREDENTIAL_SSH_KEY)
        return ssh_credential(ret, fetching, user);
    if (fetch->token == NULL)
        return fail_with(fetching, ERROR_AUTH, "the server asks for a user and token, and none is configured");
    return git_credential_userpass_plaintext_new(ret, user, fetch->token);
}

/* The parent runs one child a mirror, so a lock that stands here was left by one that was killed. */
static void remove_stale_locks(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (g_str_has_suffix(name, ".lock"))
            g_unlink(path);
        else if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK) && g_file_test(path, G_FILE_TEST_IS_DIR))
            remove_stale_locks(path);
    }
}

static void clean_mirror(const char *mirror)
{
    g_autofree char *refs = g_build_filename(mirror, "refs", NULL),
                    *packs = g_build_filename(mirror, "objects", "pack", NULL);
    static const char *const locks[] = {"HEAD.lock", "config.lock", "packed-refs.lock"};
    for (size_t i = 0; i < G_N_ELEMENTS(locks); i++) {
        g_autofree char *path = g_build_filename(mirror, locks[i], NULL);
        g_unlink(path);
    }
    remove_stale_locks(refs);
    g_autoptr(GDir) dir = g_dir_open(packs, 0, NULL);
    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;)
        if (g_str_has_prefix(name, "pack_git2_") || g_str_has_prefix(name, "tmp_")) {
            g_autofree char *path = g_build_filename(packs, name, NULL);
            g_unlink(path);
        }
}

static int open_or_create(git_repository **ret, const char *mirror)
{
    clean_mirror(mirror);
    int result = git_repository_open_bare(ret, mirror);
    return result == GIT_ENOTFOUND ? git_repository_init(ret, mirror, 1) : result;
}

/* "refs/heads/main": the branch that is asked for, or the one of the remote's HEAD. g_free. */
static char *reference_to_fetch(struct fetching *fetching, git_remote *remote)
{
    if (fetching->fetch->branch != NULL)
        return g_strconcat("refs/heads/", fetching->fetch->branch, NULL);
    git_buf name = {0};
    int result = git_remote_default_branch(&name, remote);
    char *reference = result == 0 ? g_strndup(name.ptr, name.size) : NULL;
    if (result == GIT_ENOTFOUND)
        fail_with(fetching, ERROR_GIT, "the repository has no commit, or its HEAD names no branch");
    git_buf_dispose(&name);
    return reference;
}

static bool has_reference(git_remote *remote, const char *reference)
{
    const git_remote_head **heads;
    size_t count;
    if (git_remote_ls(&heads, &count, remote) < 0)
        return true; /* the fetch will say why */
    for (size_t i = 0; i < count; i++)
        if (strcmp(heads[i]->name, reference) == 0)
            return true;
    return false;
}

static int fetch_reference(git_repository *repository, git_remote *remote, struct fetching *fetching,
                           const git_fetch_options *options)
{
    git_remote_connect_options connect;
    git_remote_connect_options_init(&connect, GIT_REMOTE_CONNECT_OPTIONS_VERSION);
    connect.callbacks = options->callbacks;
    connect.proxy_opts = options->proxy_opts;
    connect.follow_redirects = GIT_REMOTE_REDIRECT_NONE; /* the credentials would go along to another host */
    int result = git_remote_connect_ext(remote, GIT_DIRECTION_FETCH, &connect);
    if (result < 0)
        return result;
    g_autofree char *reference = reference_to_fetch(fetching, remote);
    if (reference == NULL)
        return -1;
    if (!has_reference(remote, reference))
        return fail_with(fetching, ERROR_GIT, "the repository has no branch '%s'", reference + strlen("refs/heads/"));
    g_autofree char *spec = g_strdup_printf("+%s:%s", reference, reference);
    char *specs[] = {spec};
    git_strarray list = {specs, 1};
    result = git_remote_fetch(remote, &list, options, NULL);
    return result < 0 ? result : git_repository_set_head(repository, reference);
}

static void explain_failure(struct fetching *fetching, GError **error)
{
    g_autofree char *shown = catalog_url_public(fetching->fetch->url), *message = catalog_git_message();
    if (fetching->cause != NULL) {
        errors_set(error, fetching->cause->code, "cannot fetch '%s': %s", shown, fetching->cause->message);
        return;
    }
    const char *hint = "";
    if (strstr(message, "exchange encryption keys") != NULL)
        hint = " (libssh2 before 1.11 cannot use RSA host keys: give the server an ed25519 or ECDSA key)";
    else if (strstr(message, "sha256") != NULL || strstr(message, "object format") != NULL)
        hint = " (repositories with SHA-256 object names are not supported)";
    errors_set(error, ERROR_GIT, "cannot fetch '%s': %s%s", shown, message, hint);
}

/* libgit2 calls a path that is not there an unsupported protocol. */
static bool check_local(struct fetching *fetching, GError **error)
{
    const char *path = fetching->fetch->url;
    if (g_str_has_prefix(path, "file://"))
        path += strlen("file://");
    const char *problem = NULL;
    if (!g_file_test(path, G_FILE_TEST_IS_DIR))
        problem = "there is no such folder";
    else if (git_repository_open_ext(NULL, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) == GIT_ENOTFOUND)
        problem = "not a Git repository, or not its root folder";
    if (problem != NULL)
        errors_set(error, ERROR_GIT, "cannot fetch '%s': %s", fetching->fetch->url, problem);
    return problem == NULL;
}

bool catalog_git_fetch(const struct catalog_fetch *fetch, GError **error)
{
    catalog_git_start();
    struct fetching fetching = {.fetch = fetch};
    if (!catalog_url_parse(fetch->url, &fetching.url, error))
        return false;
    if (fetching.url.transport == CATALOG_LOCAL && !check_local(&fetching, error))
        return false;
    git_fetch_options options;
    git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
    options.callbacks.credentials = give_credential;
    options.callbacks.certificate_check = check_certificate;
    options.callbacks.payload = &fetching;
    options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    options.update_fetchhead = 0;
    options.proxy_opts.type = GIT_PROXY_AUTO;
    options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;

    git_repository *repository = NULL;
    git_remote *remote = NULL;
    bool fine = open_or_create(&repository, fetch->mirror) == 0 &&
                git_remote_create_anonymous(&remote, repository, fetch->url) == 0 &&
                fetch_reference(repository, remote, &fetching, &options) == 0;
    if (!fine)
        explain_failure(&fetching, error);
    git_remote_free(remote);
    git_repository_free(repository);
    catalog_url_clear(&fetching.url);
    g_clear_error(&fetching.cause);
    return fine;
}

/* sshd: a throwaway OpenSSH server for C tests, on an address and port of its own, with fresh host and user keys.
 *
 * Options of sshd_config are knobs of the caller. Ready when sshd says that it listens. */
#ifndef TESTS_UNIT_SSHD_H
#define TESTS_UNIT_SSHD_H

#include "tests/unit/support.h"

#include "core/json.h"
#include "core/known_hosts.h"
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct sshd {
    char *folder;
    char address[16];
    int port;
    pid_t pid;
    FILE *log;
};

/* Runs a program to its end; the test fails when it does. */
static inline void sshd_command(const char *const *argv)
{
    int status = 0;
    g_autoptr(GError) error = NULL;
    g_autofree char *errors = NULL;
    if (!g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
                      NULL, NULL, &errors, &status, &error))
        fail_msg("%s: %s", argv[0], error->message);
    if (status != 0)
        fail_msg("%s: status %d: %s", argv[0], status, errors);
}

static inline char *sshd_path(const struct sshd *sshd, const char *name)
{
    return g_build_filename(sshd->folder, name, NULL);
}

/* An existing name is replaced. */
static inline void sshd_keygen(const struct sshd *sshd, const char *name, const char *type, const char *passphrase)
{
    g_autofree char *path = sshd_path(sshd, name);
    g_autofree char *public = g_strconcat(path, ".pub", NULL);
    g_unlink(path);
    g_unlink(public);
    sshd_command((const char *[]){"ssh-keygen", "-q", "-t", type, "-N", passphrase, "-C", name, "-f", path, NULL});
}

static inline void sshd_write(const struct sshd *sshd, const char *name, const char *text)
{
    g_autofree char *path = sshd_path(sshd, name);
    assert_true(g_file_set_contents(path, text, -1, NULL));
    g_chmod(path, 0600);
}

static inline char *sshd_read(const struct sshd *sshd, const char *name)
{
    g_autofree char *path = sshd_path(sshd, name);
    char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

/* The public key "type base64" of a generated key. */
static inline char *sshd_public(const struct sshd *sshd, const char *name)
{
    g_autofree char *file = g_strconcat(name, ".pub", NULL);
    g_autofree char *text = sshd_read(sshd, file);
    g_auto(GStrv) words = g_strsplit(text, " ", 3);
    return g_strjoin(" ", words[0], words[1], NULL);
}

/* "SHA256:…" of a generated key; g_free. */
static inline char *sshd_fingerprint(const struct sshd *sshd, const char *name)
{
    g_autofree char *public = sshd_public(sshd, name);
    gsize length;
    g_autofree guchar *blob = g_base64_decode(strchr(public, ' ') + 1, &length);
    return known_hosts_fingerprint(blob, length);
}

static inline void sshd_authorize(const struct sshd *sshd, const char *name)
{
    g_autofree char *path = sshd_path(sshd, "authorized_keys");
    g_autofree char *key = sshd_public(sshd, name);
    g_autofree char *before = NULL;
    g_file_get_contents(path, &before, NULL, NULL);
    g_autofree char *text = g_strdup_printf("%s%s\n", before ? before : "", key);
    sshd_write(sshd, "authorized_keys", text);
}

/* known_hosts as it should be, with what `key` (a generated key's name) shows. */
static inline void sshd_trust(const struct sshd *sshd, const char *key)
{
    g_autofree char *public = sshd_public(sshd, key);
    g_autofree char *line = g_strdup_printf("[%s]:%d %s\n", sshd->address, sshd->port, public);
    sshd_write(sshd, "known_hosts", line);
}

/* An address of the loopback net that is this process's own, and a port that is free on it: tests that run at the same
 * time do not meet. */
static inline void sshd_place(struct sshd *sshd)
{
    unsigned pid = (unsigned)getpid();
    g_snprintf(sshd->address, sizeof sshd->address, "127.%u.%u.%u", 1 + (pid >> 16 & 127), pid >> 8 & 255,
               1 + pid % 254);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    unsigned char *bytes = (unsigned char *)&address.sin_addr;
    assert_int_equal(sscanf(sshd->address, "%hhu.%hhu.%hhu.%hhu", bytes, bytes + 1, bytes + 2, bytes + 3), 4);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    sshd->port = ntohs(address.sin_port);
    close(fd);
}

/* True when this sshd (9.8 and later) shuts out addresses from which sign-ins failed: tests fail on purpose. */
static inline bool sshd_penalises(const struct sshd *sshd)
{
    sshd_write(sshd, "penalties", "PerSourcePenalties no\n");
    g_autofree char *path = sshd_path(sshd, "penalties");
    g_autofree char *host = sshd_path(sshd, "host");
    const char *argv[] = {"/usr/sbin/sshd", "-t", "-h", host, "-f", path, NULL};
    int status = -1;
    g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status,
                 NULL);
    return status == 0;
}

/* A test that crashes leaves no server behind. */
static inline void sshd_dies_with_test(void *unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static inline void sshd_launch(struct sshd *sshd, const char *options)
{
    g_mkdir_with_parents("/run/sshd", 0755); /* sshd wants it when it runs as root */
    /* The first word counts for sshd: the caller's options come first. SHLVL: bash then leaves ~/.bashrc alone. */
    g_autofree char *config =
        g_strdup_printf("%s\nListenAddress %s:%d\nHostKey %s/host\nAuthorizedKeysFile %s/authorized_keys\nPidFile "
                        "none\nStrictModes no\n"
                        "PermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\nSetEnv SHLVL=2\n%s",
                        options, sshd->address, sshd->port, sshd->folder, sshd->folder,
                        sshd_penalises(sshd) ? "PerSourcePenalties no\n" : "");
    sshd_write(sshd, "sshd_config", config);
    g_autofree char *path = sshd_path(sshd, "sshd_config");
    const char *argv[] = {"/usr/sbin/sshd", "-D", "-e", "-f", path, NULL};
    int log = -1;
    g_autoptr(GError) error = NULL;
    if (!g_spawn_async_with_pipes(NULL, (char **)(uintptr_t)argv, NULL,
                                  G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL, sshd_dies_with_test, NULL,
                                  &sshd->pid, NULL, NULL, &log, &error))
        fail_msg("sshd: %s", error->message);
    sshd->log = fdopen(log, "r");
    char line[1024];
    g_autoptr(GString) said = g_string_new(NULL);
    while (fgets(line, sizeof line, sshd->log) != NULL) {
        g_string_append(said, line);
        if (strstr(line, "Server listening") != NULL) {
            /* Its log must not fill the pipe, and is not wanted. */
            fcntl(log, F_SETPIPE_SZ, 1024 * 1024);
            return;
        }
    }
    fail_msg("sshd did not start: %s", said->str);
}

/* A server with an ed25519 host key "host", a user key "user" that may sign in, and known_hosts to match. */
static inline struct sshd *sshd_start(const char *options)
{
    struct sshd *sshd = g_new0(struct sshd, 1);
    sshd->folder = g_dir_make_tmp("hikeshi-sshd-XXXXXX", NULL);
    sshd_place(sshd);
    sshd_keygen(sshd, "host", "ed25519", "");
    sshd_keygen(sshd, "user", "ed25519", "");
    sshd_authorize(sshd, "user");
    sshd_trust(sshd, "host");
    sshd_launch(sshd, options);
    return sshd;
}

static inline void sshd_halt(struct sshd *sshd)
{
    kill(sshd->pid, SIGTERM);
    waitpid(sshd->pid, NULL, 0);
    fclose(sshd->log);
}

static inline void sshd_stop(struct sshd *sshd)
{
    sshd_halt(sshd);
    sshd_command((const char *[]){"rm", "-rf", sshd->folder, NULL});
    g_free(sshd->folder);
    g_free(sshd);
}

/* The server as an inventory entry. */
static inline json_t *sshd_host(const struct sshd *sshd)
{
    return json_pack("{s:s,s:s,s:i}", "name", "web-1", "address", sshd->address, "port", sshd->port);
}

#endif

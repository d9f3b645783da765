/* ssh: commands on hosts over libssh2, on the loop. The pool keeps sessions warm; one reply token per session; our own
 * send buffer; our own known_hosts; the exit status only after CHANNEL_CLOSE (see the folder's README for why each).
 *
 * Strict: a host whose key is not pinned and not in known_hosts is refused. */
#ifndef RUNNER_SSH_SSH_H
#define RUNNER_SSH_SSH_H

#include "core/json.h"
#include "core/loop.h"
#include "core/op.h"
#include "core/yaml.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ssh_settings {
    const char *user; /* default user; NULL = the login name */
    const char *const
        *identities; /* secret references "file:…" or plain paths of private keys, NULL-terminated; may be NULL */
    const char *passphrase;            /* secret reference for encrypted keys, or NULL */
    const char *password;              /* secret reference: tried when no key is taken; or NULL */
    const char *sudo_password;         /* secret reference: for a sudo that asks; or NULL = sudo -n */
    const struct yaml_node *passwords; /* {NAME: reference}: for hosts whose inventory entry names one; or NULL */
    bool agent;                        /* use SSH_AUTH_SOCK when it is set */
    const char *known_hosts;           /* path; NULL = ~/.ssh/known_hosts */
    int64_t connect_timeout_ms;        /* TCP + handshake + auth; 0 = DEFAULT_CONNECT_TIMEOUT_MS */
    int64_t idle_ms;                   /* how long an unused session is kept; 0 = 60 s */
    int64_t keepalive_ms;              /* how often a silent host is asked if it is there, at least 2 s; 0 = 15 s */
    int connects_at_once;              /* to all hosts together; 0 = 100 */
    int max_sessions;                  /* warm and at work; 0 = 1,000; never more than the descriptors allow */
    int max_channels;                  /* a session; 0 = 9 (MaxSessions 10, one kept for stopping) */
};

struct ssh_pool;
struct ssh_pool *ssh_pool_new(struct loop *loop, const struct ssh_settings *settings);
/* Closes every session. Ops still under way end with ERROR_LOST/ERROR_CANCELLED first. */
void ssh_pool_free(struct ssh_pool *pool);

/* Where to: a host of the wire's inventory array (name, address, port, user, host_key, jump,
 * identity, password, sudo_password) and that array,
 * for the jump hosts. Borrowed during the call. */
struct ssh_command {
    const json_t *host;
    const json_t *inventory;
    json_t *argv;       /* array of strings (any bytes but NUL), or NULL when script is set */
    const char *script; /* text for `shell` */
    size_t script_length;
    const char *shell;       /* "sh" or "bash" */
    const char *stdin_bytes; /* NULL = no stdin (EOF) */
    size_t stdin_length;
    json_t *env;      /* object of strings, or NULL; arrives without AcceptEnv */
    const char *cwd;  /* or NULL */
    const char *sudo; /* NULL, "root" or a user */
    bool sudo_asks;   /* ssh_run()'s own: a password line follows the header, or is asked for on the terminal */
    bool pty;
    int64_t timeout_ms; /* of the command, from its start; 0 = none (the step's deadline cancels the op) */
    size_t max_output;  /* a stream; 0 = LIMIT_OUTPUT_BYTES; more is dropped and `truncated` says so */
    bool hide;          /* a word of argv is secret: none may stand in the host's process list */
    const char *marker; /* unique text of this command ("run_x.1.42"): names it on the host so that it can be stopped */
    /* Output as it comes (stream "out" or "err"); may be NULL. On the loop; must not free the pool. */
    void (*on_output)(void *arg, const char *stream, const char *bytes, size_t length);
    /* Called once, just before the command is sent: after this a lost connection is ERROR_LOST. May be NULL. */
    void (*on_sent)(void *arg);
    /* The password that sudo will get, before anything is sent: what shows output is to hide it. May be NULL. */
    void (*on_password)(void *arg, const char *password);
    void *arg;
};

/* Runs a command. op ends with the result object
 *   {"host","code":int|null,"signal":text|null,"stdout","stderr","duration_ms","truncated":bool}
 * (and "hint", text, when it was sudo that failed; the streams: any bytes) for any exit code (checking it is the
 * caller's), or with an error: ERROR_DNS, CONNECT, HOST_KEY, AUTH, CHANNEL, TIMEOUT, LOST, CANCELLED, whose message
 * names the host and what to try. Cancelling the op and the command's time-out stop the remote process group (TERM,
 * then KILL), check, and end the op; a connection lost after the command was sent does so over a new one. The error's
 * message then ends in "; stopped on HOST" or "; could not confirm that it stopped on HOST". */
void ssh_run(struct ssh_pool *pool, const struct ssh_command *command, struct op *op);

/* Stops what still carries the marker of a command whose worker is gone (its intent was recorded before it was sent),
 * or with a marker that ends in '.' ("run_x.1.") all markers that begin so: {"host","stopped":true|false|null}; null =
 * could not look. Looks for some time, because a slow login shell may start the command late. `sudo`: it ran under
 * sudo. */
void ssh_reap(struct ssh_pool *pool, const json_t *host, const json_t *inventory, const char *marker, bool sudo,
              struct op *op);

/* One file's way to or from a host, over SFTP. Borrowed during the call, but for content. */
struct ssh_transfer_request {
    const json_t *host;
    const json_t *inventory;
    const char *path;   /* on the host; relative to the user's home */
    const char *sudo;   /* NULL, "root" or a user: sudo starts an SFTP server of that user's */
    const char *sha256; /* lower hex that the bytes must have, or NULL */
    GBytes *content;    /* of an upload; referenced */
    int mode;           /* of an upload: permission bits; -1 = those of the file that is there, else 0644 */
    bool hide;          /* of an upload: it holds a secret, whose hash nobody is told */
    bool verify;        /* of an upload: read it back before it is put in place */
    size_t max_bytes;   /* of a download; 0 = LIMIT_TRANSFER_BYTES, which is also the most */
    const char *marker; /* as in ssh_command, for sudo; may be NULL */
    int64_t timeout_ms; /* from when the connection is there; 0 = none */
};

/* Puts a file in place at once: it is written beside, gets its mode (and the owner of the one it replaces), is synced
 * and renamed. Links are followed; only regular files are replaced. op ends with
 * {"host","path","bytes","mode":"0644","sha256","duration_ms"} or ERROR_FILE (the host refused), CHECK_FAILED (sha256,
 * verify), TOO_LARGE, UNSUPPORTED, or those of ssh_run(). Only ERROR_LOST leaves open whether the file was put in
 * place; after any other error the path is as it was. */
void ssh_upload(struct ssh_pool *pool, const struct ssh_transfer_request *request, struct op *op);
/* The whole of a regular file: the result has its bytes as "content" (any bytes). Errors as ssh_upload(), never LOST.
 */
void ssh_download(struct ssh_pool *pool, const struct ssh_transfer_request *request, struct op *op);

/* Connects and authenticates only: {"host","latency_ms","fingerprint"}. */
void ssh_reach(struct ssh_pool *pool, const json_t *host, const json_t *inventory, struct op *op);
/* The key a host shows, without trusting it:
 * {"host","type","fingerprint","key":base64,"verdict":"match|unknown|changed|revoked",
 * "known_fingerprint","known_line"}. For `hikeshi hosts trust`. */
void ssh_scan_key(struct ssh_pool *pool, const json_t *host, const json_t *inventory, struct op *op);

/* The version of libssh2 at work, "1.10.0": before 1.11 neither RSA user keys nor RSA host keys can be used. */
const char *ssh_library_version(void);

json_t *ssh_pool_stats(const struct ssh_pool *pool); /* {"sessions","channels","connects"} */

#endif

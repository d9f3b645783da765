/* transfer: the life of one file's way to or from a host, from the queue of the pool to the op's end. What is said to
 * the SFTP server is upload.c's and download.c's. The inside of ssh.h's ssh_upload() and ssh_download(). */
#ifndef RUNNER_SSH_TRANSFER_H
#define RUNNER_SSH_TRANSFER_H

#include "runner/ssh/pool.h"
#include "runner/ssh/sftp.h"
#include "runner/ssh/sudo.h"
#include "runner/ssh/wrap.h"

struct transfer;

struct transfer_kind {
    const char *noun;                  /* "upload" */
    void (*begin)(struct transfer *t); /* the server is there: send the first request */
    void (*answered)(struct transfer *t, const struct ssh_sftp_answer *answer);
    void (*room)(struct transfer *t); /* may be NULL */
    /* It ends early. True: the host is still to answer something, and then transfer_give_out() comes. May be NULL. */
    bool (*give_up)(struct transfer *t);
    /* What is known of the file now, for messages: "'/etc/motd' is as it was"; NULL = nothing to say. g_free. Sets
     * *ret_lost when the change may have been made. May be NULL. */
    char *(*standing)(const struct transfer *t, bool *ret_lost);
    void (*free)(struct transfer *t); /* its own fields */
};

/* The first member of each kind's struct. */
struct transfer {
    const struct transfer_kind *kind;
    struct ssh_pool *pool;
    struct ssh_target *target;
    struct op *op;
    struct ssh_task task;
    struct ssh_request request;
    struct ssh_session *session; /* of the channel; only compared */
    struct ssh_sftp *sftp;
    struct ssh_sudo *password;  /* NULL: sudo is given none */
    struct ssh_wrapped wrapped; /* under sudo: the command that becomes the server */
    struct loop_timer *timer;   /* the transfer's time; once given up, how long the host may take to answer */
    bool begun;                 /* the server answered */
    GError *error;              /* why it ends early, while the host is still waited for */
    char *path;                 /* as asked for */
    int64_t timeout_ms;
    uint64_t started_ms;
};

/* Queues it. t: zeroed but for the kind's own fields; taken. */
void transfer_start(struct transfer *t, const struct transfer_kind *kind, struct ssh_pool *pool,
                    const struct ssh_transfer_request *request, struct op *op);
/* Ends it at once, takes both. */
void transfer_end(struct transfer *t, json_t *result, GError *error);
/* Ends it early: give_up(), then transfer_give_out(), which adds what is known of the file. The first reason counts. */
void transfer_fail(struct transfer *t, int code, const char *format, ...) G_GNUC_PRINTF(3, 4);
void transfer_give_out(struct transfer *t);
/* {"host","path","bytes","mode","sha256","duration_ms"}, of which sha256 is taken. */
json_t *transfer_result(const struct transfer *t, const char *path, size_t bytes, uint32_t mode, char *sha256);

#endif

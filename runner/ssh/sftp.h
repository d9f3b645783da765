/* sftp: one conversation with a host's SFTP server (draft-ietf-secsh-filexfer-02, which is version 3, with OpenSSH's
 * extensions of its file PROTOCOL): requests out, answers in. Knows no order of requests and no file of ours.
 *
 * libssh2's own client is not used: 1.10 cannot replace a file atomically, and its requests wait for each other. */
#ifndef RUNNER_SSH_SFTP_H
#define RUNNER_SSH_SFTP_H

#include "runner/ssh/channel.h"
#include "runner/ssh/packet.h"
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* What every server takes in one read or write. */
enum { SSH_SFTP_BLOCK = 32 * 1024 };

enum ssh_sftp_status { /* those that we tell apart */
                       SSH_SFTP_OK = 0,
                       SSH_SFTP_EOF = 1,
                       SSH_SFTP_NO_SUCH_FILE = 2,
                       SSH_SFTP_PERMISSION_DENIED = 3,
};

struct ssh_sftp_attributes {
    bool has_size, has_owner, has_mode;
    uint64_t size;
    uint32_t uid, gid, mode;
};

enum ssh_sftp_kind { SSH_SFTP_STATUS, SSH_SFTP_HANDLE, SSH_SFTP_DATA, SSH_SFTP_NAME, SSH_SFTP_ATTRIBUTES };

struct ssh_sftp_answer {
    uint32_t id;
    enum ssh_sftp_kind kind;
    uint32_t status;       /* of STATUS */
    struct ssh_span bytes; /* the status' words, the handle, the data, or the first name; borrowed */
    struct ssh_sftp_attributes attributes;
};

struct ssh_sftp_callbacks {
    void (*ready)(void *arg);
    void (*answered)(void *arg, const struct ssh_sftp_answer *answer);
    void (*room)(void *arg); /* may be NULL: ssh_sftp_pending() has become small again */
    /* No more answers come. `said`: the beginning of its standard error. Once, unless freed first. */
    void (*ended)(void *arg, const struct ssh_channel_end *end, const char *said);
    void *arg;
};

struct ssh_sftp;
/* exec: a command that becomes an SFTP server, after it has read `first` (may be NULL); NULL = the host's subsystem.
 * May be freed from any callback. */
struct ssh_sftp *ssh_sftp_new(struct ssh_session *session, const char *exec, GBytes *first,
                              const struct ssh_sftp_callbacks *callbacks);
void ssh_sftp_free(struct ssh_sftp *sftp);

bool ssh_sftp_can(const struct ssh_sftp *sftp, const char *extension);
size_t ssh_sftp_pending(const struct ssh_sftp *sftp); /* bytes of requests that have not been sent */

/* Each request returns the id that its answer will carry. Handles are bytes of an answer. */
enum { SSH_SFTP_READ = 1, SSH_SFTP_WRITE = 2, SSH_SFTP_CREATE = 8, SSH_SFTP_EXCLUSIVE = 0x20 };
uint32_t ssh_sftp_open(struct ssh_sftp *sftp, const char *path, uint32_t flags, uint32_t mode);
uint32_t ssh_sftp_read(struct ssh_sftp *sftp, GBytes *handle, uint64_t offset, uint32_t length);
uint32_t ssh_sftp_write(struct ssh_sftp *sftp, GBytes *handle, uint64_t offset, const void *bytes, uint32_t length);
uint32_t ssh_sftp_fstat(struct ssh_sftp *sftp, GBytes *handle);
uint32_t ssh_sftp_fsetstat(struct ssh_sftp *sftp, GBytes *handle, const struct ssh_sftp_attributes *attributes);
uint32_t ssh_sftp_fsync(struct ssh_sftp *sftp, GBytes *handle); /* fsync@openssh.com */
uint32_t ssh_sftp_close(struct ssh_sftp *sftp, GBytes *handle);
uint32_t ssh_sftp_stat(struct ssh_sftp *sftp, const char *path); /* follows links */
uint32_t ssh_sftp_realpath(struct ssh_sftp *sftp, const char *path);
uint32_t ssh_sftp_remove(struct ssh_sftp *sftp, const char *path);
/* Replaces `to` at once where the server can (posix-rename@openssh.com); else it fails when `to` exists. */
uint32_t ssh_sftp_rename(struct ssh_sftp *sftp, const char *from, const char *to);

/* What a STATUS that is not OK says: the server's words, else its number's. g_free. */
char *ssh_sftp_problem(const struct ssh_sftp_answer *answer);

/* One answer from a packet's bytes: for the conversation and its fuzz target. */
bool ssh_sftp_parse(struct ssh_reader packet, struct ssh_sftp_answer *ret);

#endif

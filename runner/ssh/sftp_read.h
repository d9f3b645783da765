/* sftp_read: the whole of an open remote file, with many reads under way. */
#ifndef RUNNER_SSH_SFTP_READ_H
#define RUNNER_SSH_SFTP_READ_H

#include "runner/ssh/sftp.h"

enum ssh_sftp_progress {
    SSH_SFTP_MORE,
    SSH_SFTP_WHOLE,
    SSH_SFTP_TOO_LARGE, /* there is more than max_bytes */
    SSH_SFTP_FAILED,    /* the answer says why */
};

struct ssh_sftp_reading;
/* size: what the server says, 0 when it does not know (files of /proc). Sends the first reads. */
struct ssh_sftp_reading *ssh_sftp_reading_new(struct ssh_sftp *sftp, GBytes *handle, uint64_t size, size_t max_bytes);
void ssh_sftp_reading_free(struct ssh_sftp_reading *reading); /* NULL accepted; answers under way are nobody's */
/* An answer to one of its reads. */
enum ssh_sftp_progress ssh_sftp_reading_answer(struct ssh_sftp_reading *reading, const struct ssh_sftp_answer *answer);
/* Of a whole one: what was read, and its SHA-256 in hex (g_free). Both once. */
GBytes *ssh_sftp_reading_take(struct ssh_sftp_reading *reading, char **ret_sha256);

#endif

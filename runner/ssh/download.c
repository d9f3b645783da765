/* download: ssh_download(): the whole of one regular file, or an error; never a part. */
#include "core/errors.h"
#include "core/limits.h"
#include "runner/ssh/sftp_read.h"
#include "runner/ssh/transfer.h"
#include <string.h>
#include <sys/stat.h>

enum state { LOOK, OPEN, READ, STATE_COUNT };

struct download {
    struct transfer base;
    enum state state;
    size_t max_bytes;
    char *sha256; /* wanted, or NULL */
    struct ssh_sftp_attributes attributes;
    struct ssh_sftp_reading *reading;
};

static void refused(struct download *download, const struct ssh_sftp_answer *answer)
{
    g_autofree char *problem = ssh_sftp_problem(answer);
    transfer_fail(&download->base, ERROR_FILE, "cannot read '%s' on %s: %s", download->base.path,
                  download->base.target->label, problem);
}

static void too_large(struct download *download)
{
    transfer_fail(&download->base, ERROR_TOO_LARGE, "'%s' on %s has more than %zu bytes (max_bytes)",
                  download->base.path, download->base.target->label, download->max_bytes);
}

/* A pipe or a device would keep the server waiting in open, or never end. */
static void looked(struct download *download, const struct ssh_sftp_answer *answer)
{
    if (answer->kind != SSH_SFTP_ATTRIBUTES) {
        refused(download, answer);
        return;
    }
    download->attributes = answer->attributes;
    if (answer->attributes.has_mode && !S_ISREG(answer->attributes.mode)) {
        transfer_fail(&download->base, ERROR_FILE, "'%s' on %s is not a regular file", download->base.path,
                      download->base.target->label);
    } else if (answer->attributes.has_size && answer->attributes.size > download->max_bytes) {
        too_large(download);
    } else {
        download->state = OPEN;
        ssh_sftp_open(download->base.sftp, download->base.path, SSH_SFTP_READ, 0);
    }
}

static void opened(struct download *download, const struct ssh_sftp_answer *answer)
{
    if (answer->kind != SSH_SFTP_HANDLE) {
        refused(download, answer);
        return;
    }
    g_autoptr(GBytes) handle = g_bytes_new(answer->bytes.bytes, answer->bytes.length);
    download->state = READ;
    download->reading =
        ssh_sftp_reading_new(download->base.sftp, handle, download->attributes.size, download->max_bytes);
}

static void whole(struct download *download)
{
    struct transfer *t = &download->base;
    char *sha256;
    g_autoptr(GBytes) bytes = ssh_sftp_reading_take(download->reading, &sha256);
    if (download->sha256 != NULL && strcmp(download->sha256, sha256) != 0) {
        transfer_fail(t, ERROR_CHECK_FAILED, "'%s' on %s has SHA-256 %s, not %s", t->path, t->target->label, sha256,
                      download->sha256);
        g_free(sha256);
        return;
    }
    gsize length;
    const char *content = g_bytes_get_data(bytes, &length);
    json_t *result = transfer_result(t, t->path, length, download->attributes.mode, sha256);
    json_object_set_new(result, "content", json_stringn_nocheck(content ? content : "", length));
    transfer_end(t, result, NULL); /* the server closes the file with the channel */
}

static void read_on(struct download *download, const struct ssh_sftp_answer *answer)
{
    switch (ssh_sftp_reading_answer(download->reading, answer)) {
    case SSH_SFTP_MORE:
        return;
    case SSH_SFTP_TOO_LARGE:
        too_large(download);
        return;
    case SSH_SFTP_FAILED:
        refused(download, answer);
        return;
    case SSH_SFTP_WHOLE:
        whole(download);
    }
}

static void (*const steps[STATE_COUNT])(struct download *download, const struct ssh_sftp_answer *answer) = {
    [LOOK] = looked, [OPEN] = opened, [READ] = read_on};

static void begin(struct transfer *t)
{
    ssh_sftp_stat(t->sftp, t->path);
}

static void answered(struct transfer *t, const struct ssh_sftp_answer *answer)
{
    struct download *download = (struct download *)t;
    steps[download->state](download, answer);
}

static void download_free(struct transfer *t)
{
    struct download *download = (struct download *)t;
    ssh_sftp_reading_free(download->reading);
    g_free(download->sha256);
}

static const struct transfer_kind kind = {
    .noun = "download", .begin = begin, .answered = answered, .free = download_free};

void ssh_download(struct ssh_pool *pool, const struct ssh_transfer_request *request, struct op *op)
{
    struct download *download = g_new0(struct download, 1);
    size_t limit = request->max_bytes ? request->max_bytes : LIMIT_TRANSFER_BYTES;
    download->max_bytes = MIN(limit, LIMIT_TRANSFER_BYTES);
    download->sha256 = g_strdup(request->sha256);
    transfer_start(&download->base, &kind, pool, request, op);
}

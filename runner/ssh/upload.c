/* upload: ssh_upload(): a new file is written beside the path, made like the one that it replaces, and renamed over it.
 */
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "runner/ssh/sftp_read.h"
#include "runner/ssh/transfer.h"
#include <string.h>
#include <sys/stat.h>

/* What is under way at once, in requests and in bytes that have not left. */
enum { UNDER_WAY = 64, UNSENT_BYTES = 256 * 1024 };
enum { DEFAULT_MODE = 0644, PRIVATE_MODE = 0600 };

enum state {
    FIND,
    LOOK,
    CREATE,
    WRITE,
    MEASURE,
    OWN,
    PERMIT,
    SYNC,
    CLOSE,
    REOPEN,
    VERIFY,
    RENAME,
    CLEAN,
    PLACED,
    STATE_COUNT
};

struct upload {
    struct transfer base;
    enum state state;
    GBytes *content;
    int wanted_mode;
    bool verify, replaces;
    char *sha256; /* wanted, or NULL; then that of what was sent */
    char *path;   /* where links lead */
    char *beside;
    bool beside_is_there;
    struct ssh_sftp_attributes old; /* of the file that is replaced */
    GBytes *handle;
    uint32_t awaited; /* id of the one request under way; WRITE and VERIFY have many */
    size_t sent;
    guint writes;
    struct crypto_hash *hash;
    struct ssh_sftp_reading *reading;
};

static void await(struct upload *upload, enum state state, uint32_t id)
{
    upload->state = state;
    upload->awaited = id;
}

static void refused(struct upload *upload, const char *what, const struct ssh_sftp_answer *answer)
{
    g_autofree char *problem = ssh_sftp_problem(answer);
    transfer_fail(&upload->base, ERROR_FILE, "cannot %s '%s' on %s: %s", what, upload->base.path,
                  upload->base.target->label, problem);
}

/* SFTP has no word for it: OpenSSH's answer to ENOSPC and EDQUOT is a plain "Failure". */
static void write_refused(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    g_autofree char *problem = ssh_sftp_problem(answer);
    bool plain = g_ascii_strcasecmp(problem, "failure") == 0;
    transfer_fail(&upload->base, ERROR_FILE, "cannot write '%s' on %s: %s%s", upload->base.path,
                  upload->base.target->label, problem, plain ? " (is the disk full?)" : "");
}

static bool is_ok(const struct ssh_sftp_answer *answer)
{
    return answer->kind == SSH_SFTP_STATUS && answer->status == SSH_SFTP_OK;
}

/* ---- where to ---- */

static void begin(struct transfer *t)
{
    struct upload *upload = (struct upload *)t;
    await(upload, FIND, ssh_sftp_realpath(t->sftp, t->path));
}

static void found(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    if (answer->kind != SSH_SFTP_NAME) {
        refused(upload, "find the folder of", answer);
        return;
    }
    upload->path = g_strndup((const char *)answer->bytes.bytes, answer->bytes.length);
    await(upload, LOOK, ssh_sftp_stat(upload->base.sftp, upload->path));
}

static void create(struct upload *upload)
{
    g_autofree char *folder = g_path_get_dirname(upload->path);
    g_autofree char *id = crypto_id("up");
    g_autofree char *name = g_strdup_printf(".hikeshi-%s", id);
    upload->beside = g_build_filename(folder, name, NULL);
    await(upload, CREATE,
          ssh_sftp_open(upload->base.sftp, upload->beside, SSH_SFTP_WRITE | SSH_SFTP_CREATE | SSH_SFTP_EXCLUSIVE,
                        PRIVATE_MODE));
}

/* A device or a folder is not to be replaced by a file. */
static void looked(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    struct transfer *t = &upload->base;
    upload->replaces = answer->kind == SSH_SFTP_ATTRIBUTES;
    if (upload->replaces) {
        upload->old = answer->attributes;
        if (!upload->old.has_mode || !S_ISREG(upload->old.mode))
            transfer_fail(t, ERROR_FILE, "'%s' on %s is not a regular file", t->path, t->target->label);
        else if (!ssh_sftp_can(t->sftp, "posix-rename@openssh.com"))
            transfer_fail(t, ERROR_UNSUPPORTED,
                          "the SFTP server of %s cannot replace '%s' at once (posix-rename@openssh.com)",
                          t->target->label, t->path);
        else
            create(upload);
    } else if (answer->kind == SSH_SFTP_STATUS && answer->status == SSH_SFTP_NO_SUCH_FILE) {
        create(upload);
    } else {
        refused(upload, "look at", answer);
    }
}

/* ---- its bytes ---- */

static void write_on(struct upload *upload)
{
    struct transfer *t = &upload->base;
    gsize length;
    const char *bytes = g_bytes_get_data(upload->content, &length);
    while (upload->sent < length && upload->writes < UNDER_WAY && ssh_sftp_pending(t->sftp) < UNSENT_BYTES) {
        uint32_t size = (uint32_t)MIN(length - upload->sent, (gsize)SSH_SFTP_BLOCK);
        ssh_sftp_write(t->sftp, upload->handle, upload->sent, bytes + upload->sent, size);
        crypto_hash_add(upload->hash, bytes + upload->sent, size);
        upload->sent += size;
        upload->writes++;
    }
}

static void check_sum(struct upload *upload)
{
    struct transfer *t = &upload->base;
    g_autofree char *wanted = upload->sha256;
    upload->sha256 = crypto_hash_end(g_steal_pointer(&upload->hash));
    if (wanted != NULL && strcmp(wanted, upload->sha256) != 0)
        transfer_fail(t, ERROR_CHECK_FAILED, "the bytes for '%s' have SHA-256 %s, not %s", t->path, upload->sha256,
                      wanted);
    else
        await(upload, MEASURE, ssh_sftp_fstat(t->sftp, upload->handle));
}

static void written_all(struct upload *upload)
{
    if (upload->sent == g_bytes_get_size(upload->content) && upload->writes == 0)
        check_sum(upload);
}

static void created(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    if (answer->kind != SSH_SFTP_HANDLE) {
        refused(upload, "create a file beside", answer);
        return;
    }
    upload->beside_is_there = true;
    upload->handle = g_bytes_new(answer->bytes.bytes, answer->bytes.length);
    upload->state = WRITE;
    write_on(upload);
    written_all(upload);
}

static void written(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    upload->writes--;
    if (!is_ok(answer)) {
        write_refused(upload, answer);
        return;
    }
    write_on(upload);
    written_all(upload);
}

static void room(struct transfer *t)
{
    struct upload *upload = (struct upload *)t;
    if (upload->state == WRITE)
        write_on(upload);
}

/* ---- like the one before ---- */

static uint32_t final_mode(const struct upload *upload)
{
    if (upload->wanted_mode >= 0)
        return (uint32_t)upload->wanted_mode;
    return upload->replaces ? upload->old.mode & 07777 : DEFAULT_MODE;
}

/* After the owner, because a change of owner takes set-id bits away. */
static void permit(struct upload *upload)
{
    const struct ssh_sftp_attributes mode = {.has_mode = true, .mode = final_mode(upload)};
    await(upload, PERMIT, ssh_sftp_fsetstat(upload->base.sftp, upload->handle, &mode));
}

static void measured(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    struct transfer *t = &upload->base;
    const struct ssh_sftp_attributes *now = &answer->attributes, *old = &upload->old;
    if (answer->kind != SSH_SFTP_ATTRIBUTES) {
        refused(upload, "look at what was written for", answer);
    } else if (now->has_size && now->size != upload->sent) {
        transfer_fail(t, ERROR_CHECK_FAILED, "of the %zu bytes for '%s' %s kept %" G_GUINT64_FORMAT, upload->sent,
                      t->path, t->target->label, now->size);
    } else if (upload->replaces && old->has_owner && now->has_owner && (old->uid != now->uid || old->gid != now->gid)) {
        const struct ssh_sftp_attributes owner = {.has_owner = true, .uid = old->uid, .gid = old->gid};
        await(upload, OWN, ssh_sftp_fsetstat(t->sftp, upload->handle, &owner));
    } else {
        permit(upload);
    }
}

static void owned(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    struct transfer *t = &upload->base;
    if (is_ok(answer)) {
        permit(upload);
        return;
    }
    g_autofree char *problem = ssh_sftp_problem(answer);
    transfer_fail(t, ERROR_FILE, "'%s' on %s belongs to user %u, group %u, and would not any more: %s. Use sudo",
                  t->path, t->target->label, upload->old.uid, upload->old.gid, problem);
}

static void permitted(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    struct ssh_sftp *sftp = upload->base.sftp;
    if (!is_ok(answer))
        refused(upload, "set the mode of", answer);
    else if (ssh_sftp_can(sftp, "fsync@openssh.com"))
        await(upload, SYNC, ssh_sftp_fsync(sftp, upload->handle));
    else
        await(upload, CLOSE, ssh_sftp_close(sftp, upload->handle));
}

static void synced(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    if (is_ok(answer))
        await(upload, CLOSE, ssh_sftp_close(upload->base.sftp, upload->handle));
    else
        refused(upload, "sync", answer);
}

/* ---- ending early ---- */

/* A rename under way cannot be taken back: what became of it is awaited. */
static bool give_up(struct transfer *t)
{
    struct upload *upload = (struct upload *)t;
    if (upload->state == RENAME)
        return true;
    if (upload->beside == NULL)
        return false;
    upload->beside_is_there = true; /* or will be, before the next request is looked at */
    await(upload, CLEAN, ssh_sftp_remove(t->sftp, upload->beside));
    return true;
}

/* ---- in its place ---- */

static void closed(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    struct ssh_sftp *sftp = upload->base.sftp;
    if (!is_ok(answer))
        write_refused(upload, answer);
    else if (upload->verify)
        await(upload, REOPEN, ssh_sftp_open(sftp, upload->beside, SSH_SFTP_READ, 0));
    else
        await(upload, RENAME, ssh_sftp_rename(sftp, upload->beside, upload->path));
}

static void reopened(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    if (answer->kind != SSH_SFTP_HANDLE) {
        refused(upload, "read back", answer);
        return;
    }
    g_autoptr(GBytes) handle = g_bytes_new(answer->bytes.bytes, answer->bytes.length);
    upload->state = VERIFY;
    upload->reading = ssh_sftp_reading_new(upload->base.sftp, handle, upload->sent, upload->sent);
}

static void verified(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    struct transfer *t = &upload->base;
    enum ssh_sftp_progress progress = ssh_sftp_reading_answer(upload->reading, answer);
    if (progress == SSH_SFTP_MORE)
        return;
    if (progress == SSH_SFTP_FAILED) {
        refused(upload, "read back", answer);
        return;
    }
    g_autofree char *sum = NULL;
    g_autoptr(GBytes) bytes = progress == SSH_SFTP_WHOLE ? ssh_sftp_reading_take(upload->reading, &sum) : NULL;
    if (sum == NULL || strcmp(sum, upload->sha256) != 0)
        transfer_fail(t, ERROR_CHECK_FAILED, "%s kept other bytes of '%s' than were sent", t->target->label, t->path);
    else
        await(upload, RENAME, ssh_sftp_rename(t->sftp, upload->beside, upload->path));
}

static void renamed(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    struct transfer *t = &upload->base;
    if (!is_ok(answer)) {
        upload->state = CLOSE; /* it is not in place */
        if (t->error != NULL)
            give_up(t);
        else
            refused(upload, "put in place", answer);
        return;
    }
    upload->state = PLACED;
    if (t->error != NULL) {
        transfer_give_out(t);
        return;
    }
    json_t *result =
        transfer_result(t, upload->path, upload->sent, final_mode(upload), g_steal_pointer(&upload->sha256));
    transfer_end(t, result, NULL);
}

static void cleaned(struct upload *upload, const struct ssh_sftp_answer *answer)
{
    if (is_ok(answer) || (answer->kind == SSH_SFTP_STATUS && answer->status == SSH_SFTP_NO_SUCH_FILE))
        upload->beside_is_there = false;
    transfer_give_out(&upload->base);
}

static void (*const steps[STATE_COUNT])(struct upload *upload, const struct ssh_sftp_answer *answer) = {
    [FIND] = found,      [LOOK] = looked,      [CREATE] = created, [WRITE] = written, [MEASURE] = measured,
    [OWN] = owned,       [PERMIT] = permitted, [SYNC] = synced,    [CLOSE] = closed,  [REOPEN] = reopened,
    [VERIFY] = verified, [RENAME] = renamed,   [CLEAN] = cleaned,
};

static void answered(struct transfer *t, const struct ssh_sftp_answer *answer)
{
    struct upload *upload = (struct upload *)t;
    bool many = upload->state == WRITE || upload->state == VERIFY;
    if (many || answer->id == upload->awaited) /* others were overtaken by CLEAN */
        steps[upload->state](upload, answer);
}

static char *standing(const struct transfer *t, bool *ret_lost)
{
    const struct upload *upload = (const struct upload *)t;
    *ret_lost = upload->state == RENAME;
    if (upload->state == RENAME)
        return g_strdup("whether the new file is in place is not known");
    if (upload->state == PLACED)
        return g_strdup("the new file was put in place");
    return upload->beside_is_there
               ? g_strdup_printf("the file is as it was, but '%s' may be left beside it", upload->beside)
               : g_strdup("the file is as it was");
}

static void upload_free(struct transfer *t)
{
    struct upload *upload = (struct upload *)t;
    g_bytes_unref(upload->content);
    g_free(upload->sha256);
    g_free(upload->path);
    g_free(upload->beside);
    g_clear_pointer(&upload->handle, g_bytes_unref);
    crypto_hash_free(upload->hash);
    ssh_sftp_reading_free(upload->reading);
}

static const struct transfer_kind kind = {.noun = "upload",
                                          .begin = begin,
                                          .answered = answered,
                                          .room = room,
                                          .give_up = give_up,
                                          .standing = standing,
                                          .free = upload_free};

void ssh_upload(struct ssh_pool *pool, const struct ssh_transfer_request *request, struct op *op)
{
    if (g_bytes_get_size(request->content) > LIMIT_TRANSFER_BYTES) {
        op_done(op, NULL,
                g_error_new(HIKESHI_ERROR, ERROR_TOO_LARGE, "'%s' would have %zu bytes; %d is the most", request->path,
                            g_bytes_get_size(request->content), LIMIT_TRANSFER_BYTES));
        return;
    }
    struct upload *upload = g_new0(struct upload, 1);
    upload->content = g_bytes_ref(request->content);
    upload->wanted_mode = request->mode;
    upload->verify = request->verify;
    upload->sha256 = g_strdup(request->sha256);
    upload->hash = crypto_hash_new();
    transfer_start(&upload->base, &kind, pool, request, op);
}

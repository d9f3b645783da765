/* sftp_read: see sftp_read.h. */
#include "runner/ssh/sftp_read.h"
#include "core/crypto.h"
#include <string.h>

/* 2 MiB under way: enough for 100 MB/s at 20 ms, and libssh2's window. */
enum { UNDER_WAY = 64 };

struct block {
    uint32_t id, length;
    uint64_t offset;
};

struct ssh_sftp_reading {
    struct ssh_sftp *sftp;
    GBytes *handle;
    size_t max_bytes;
    uint64_t size;
    uint64_t next; /* first byte not asked for */
    uint64_t end;  /* where the server said that the file ends */
    bool ended;
    struct block blocks[UNDER_WAY];
    guint count;
    GByteArray *bytes;
    struct crypto_hash *hash;
    guint hashed;
};

static void ask(struct ssh_sftp_reading *reading, uint64_t offset, uint32_t length)
{
    uint32_t id = ssh_sftp_read(reading->sftp, reading->handle, offset, length);
    reading->blocks[reading->count++] = (struct block){id, length, offset};
}

/* To the end that is expected, and one block further; from there one after the other until the server says so. */
static void fill(struct ssh_sftp_reading *reading)
{
    while (!reading->ended && reading->count < UNDER_WAY && (reading->next <= reading->size || reading->count == 0)) {
        ask(reading, reading->next, SSH_SFTP_BLOCK);
        reading->next += SSH_SFTP_BLOCK;
    }
}

/* Everything before the first byte that is still awaited is final. */
static void hash_front(struct ssh_sftp_reading *reading)
{
    uint64_t front = reading->bytes->len;
    for (guint i = 0; i < reading->count; i++)
        front = MIN(front, reading->blocks[i].offset);
    if (reading->ended)
        front = MIN(front, reading->end);
    if (front > reading->hashed) {
        crypto_hash_add(reading->hash, reading->bytes->data + reading->hashed, (size_t)front - reading->hashed);
        reading->hashed = (guint)front;
    }
}

static void keep(struct ssh_sftp_reading *reading, uint64_t offset, const struct ssh_span *data)
{
    guint end = (guint)(offset + data->length);
    if (end > reading->bytes->len)
        g_byte_array_set_size(reading->bytes, end);
    memcpy(reading->bytes->data + offset, data->bytes, data->length);
}

static enum ssh_sftp_progress take_data(struct ssh_sftp_reading *reading, const struct block *block,
                                        const struct ssh_span *data)
{
    if (data->length == 0 || data->length > block->length)
        return SSH_SFTP_FAILED;
    if (block->offset + data->length > reading->max_bytes)
        return SSH_SFTP_TOO_LARGE;
    keep(reading, block->offset, data);
    uint64_t rest = block->offset + data->length;
    if (data->length < block->length && (!reading->ended || rest < reading->end))
        ask(reading, rest, block->length - (uint32_t)data->length);
    return SSH_SFTP_MORE;
}

enum ssh_sftp_progress ssh_sftp_reading_answer(struct ssh_sftp_reading *reading, const struct ssh_sftp_answer *answer)
{
    guint at = 0;
    while (at < reading->count && reading->blocks[at].id != answer->id)
        at++;
    if (at == reading->count)
        return SSH_SFTP_FAILED;
    struct block block = reading->blocks[at];
    reading->blocks[at] = reading->blocks[--reading->count];
    if (answer->kind == SSH_SFTP_DATA) {
        enum ssh_sftp_progress progress = take_data(reading, &block, &answer->bytes);
        if (progress != SSH_SFTP_MORE)
            return progress;
    } else if (answer->kind == SSH_SFTP_STATUS && answer->status == SSH_SFTP_EOF) {
        reading->end = reading->ended ? MIN(reading->end, block.offset) : block.offset;
        reading->ended = true;
    } else {
        return SSH_SFTP_FAILED;
    }
    fill(reading);
    hash_front(reading);
    return reading->count > 0 ? SSH_SFTP_MORE : SSH_SFTP_WHOLE;
}

GBytes *ssh_sftp_reading_take(struct ssh_sftp_reading *reading, char **ret_sha256)
{
    if (reading->end < reading->bytes->len) /* it became shorter meanwhile */
        g_byte_array_set_size(reading->bytes, (guint)reading->end);
    *ret_sha256 = crypto_hash_end(g_steal_pointer(&reading->hash));
    return g_byte_array_free_to_bytes(g_steal_pointer(&reading->bytes));
}

struct ssh_sftp_reading *ssh_sftp_reading_new(struct ssh_sftp *sftp, GBytes *handle, uint64_t size, size_t max_bytes)
{
    struct ssh_sftp_reading *reading = g_new0(struct ssh_sftp_reading, 1);
    reading->sftp = sftp;
    reading->handle = g_bytes_ref(handle);
    reading->size = size;
    reading->max_bytes = max_bytes;
    reading->bytes = g_byte_array_sized_new((guint)MIN(size, max_bytes));
    reading->hash = crypto_hash_new();
    fill(reading);
    return reading;
}

void ssh_sftp_reading_free(struct ssh_sftp_reading *reading)
{
    if (reading == NULL)
        return;
    g_bytes_unref(reading->handle);
    if (reading->bytes != NULL)
        g_byte_array_unref(reading->bytes);
    crypto_hash_free(reading->hash);
    g_free(reading);
}

/* sftp: see sftp.h. */
#include "runner/ssh/sftp.h"
#include <string.h>

enum type {
    INIT = 1,
    VERSION = 2,
    OPEN = 3,
    CLOSE = 4,
    READ = 5,
    WRITE = 6,
    FSTAT = 8,
    FSETSTAT = 10,
    REMOVE = 13,
    REALPATH = 16,
    STAT = 17,
    RENAME = 18,
    STATUS = 101,
    HANDLE = 102,
    DATA = 103,
    NAME = 104,
    ATTRS = 105,
    EXTENDED = 200,
};
enum { OUR_VERSION = 3, ATTR_SIZE = 1, ATTR_OWNER = 2, ATTR_MODE = 4 };
/* OpenSSH's and libssh2's limit of one packet; a server that sends more does not speak SFTP. */
enum { MAX_PACKET_BYTES = 256 * 1024, MAX_SAID_BYTES = 1024, MAX_EXTENSIONS = 64 };
/* Below this much unsent, `room` asks for more. */
enum { LOW_WATER_BYTES = 128 * 1024 };

#define POSIX_RENAME "posix-rename@openssh.com"
#define FSYNC        "fsync@openssh.com"

struct ssh_sftp {
    struct ssh_channel *channel;
    struct ssh_sftp_callbacks callbacks;
    GByteArray *in, *out;
    guint out_sent;
    uint32_t last_id;
    bool ready;
    GPtrArray *extensions; /* names */
    GString *said;
    unsigned entered; /* callbacks on the stack */
    bool doomed;
};

static void sftp_destroy(struct ssh_sftp *sftp)
{
    g_byte_array_unref(sftp->in);
    g_byte_array_unref(sftp->out);
    g_ptr_array_unref(sftp->extensions);
    g_string_free(sftp->said, TRUE);
    g_free(sftp);
}

void ssh_sftp_free(struct ssh_sftp *sftp)
{
    if (sftp == NULL)
        return;
    if (sftp->channel != NULL)
        ssh_channel_detach(g_steal_pointer(&sftp->channel));
    sftp->doomed = true;
    if (sftp->entered == 0)
        sftp_destroy(sftp);
}

static void leave(struct ssh_sftp *sftp)
{
    if (--sftp->entered == 0 && sftp->doomed)
        sftp_destroy(sftp);
}

/* Nothing follows: the owner hears of it, and frees. */
static void finish(struct ssh_sftp *sftp, const struct ssh_channel_end *end)
{
    if (sftp->channel != NULL)
        ssh_channel_detach(g_steal_pointer(&sftp->channel));
    sftp->callbacks.ended(sftp->callbacks.arg, end, sftp->said->str);
}

static void not_sftp(struct ssh_sftp *sftp)
{
    finish(sftp, &(struct ssh_channel_end){
                     .outcome = SSH_CHANNEL_REFUSED,
                     .code = -1,
                     .reason = "what it sent is not SFTP; does a startup file of the login shell print something?"});
}

/* ---- answers ---- */

static bool read_u64(struct ssh_reader *reader, uint64_t *ret)
{
    uint32_t high, low;
    if (!ssh_read_u32(reader, &high) || !ssh_read_u32(reader, &low))
        return false;
    *ret = (uint64_t)high << 32 | low;
    return true;
}

static bool read_attributes(struct ssh_reader *reader, struct ssh_sftp_attributes *ret)
{
    uint32_t flags;
    if (!ssh_read_u32(reader, &flags))
        return false;
    ret->has_size = flags & ATTR_SIZE;
    ret->has_owner = flags & ATTR_OWNER;
    ret->has_mode = flags & ATTR_MODE;
    return (!ret->has_size || read_u64(reader, &ret->size)) &&
           (!ret->has_owner || (ssh_read_u32(reader, &ret->uid) && ssh_read_u32(reader, &ret->gid))) &&
           (!ret->has_mode || ssh_read_u32(reader, &ret->mode));
}

/* Older servers leave the words away. */
static bool read_status(struct ssh_reader *reader, struct ssh_sftp_answer *ret)
{
    if (!ssh_read_u32(reader, &ret->status))
        return false;
    if (reader->left > 0)
        ssh_read_string(reader, &ret->bytes);
    return true;
}

static bool read_name(struct ssh_reader *reader, struct ssh_sftp_answer *ret)
{
    uint32_t count;
    return ssh_read_u32(reader, &count) && count >= 1 && ssh_read_string(reader, &ret->bytes);
}

bool ssh_sftp_parse(struct ssh_reader packet, struct ssh_sftp_answer *ret)
{
    uint8_t type;
    *ret = (struct ssh_sftp_answer){0};
    if (!ssh_read_byte(&packet, &type) || !ssh_read_u32(&packet, &ret->id))
        return false;
    switch (type) {
    case STATUS:
        ret->kind = SSH_SFTP_STATUS;
        return read_status(&packet, ret);
    case HANDLE:
        ret->kind = SSH_SFTP_HANDLE;
        return ssh_read_string(&packet, &ret->bytes);
    case DATA:
        ret->kind = SSH_SFTP_DATA;
        return ssh_read_string(&packet, &ret->bytes);
    case NAME:
        ret->kind = SSH_SFTP_NAME;
        return read_name(&packet, ret);
    case ATTRS:
        ret->kind = SSH_SFTP_ATTRIBUTES;
        return read_attributes(&packet, &ret->attributes);
    default:
        return false;
    }
}

char *ssh_sftp_problem(const struct ssh_sftp_answer *answer)
{
    static const char *const words[] = {"ok",           "end of file", "no such file",  "permission denied",
                                        "failure",      "bad message", "no connection", "connection lost",
                                        "not supported"};
    if (answer->kind != SSH_SFTP_STATUS)
        return g_strdup("an answer of another kind than asked for");
    if (answer->bytes.length > 0)
        return g_utf8_make_valid((const char *)answer->bytes.bytes, (gssize)MIN(answer->bytes.length, 200));
    return g_strdup(answer->status < G_N_ELEMENTS(words) ? words[answer->status] : "failure");
}

/* The answer to INIT: a version, and pairs of extension and its version. */
static bool take_version(struct ssh_sftp *sftp, struct ssh_reader packet)
{
    uint8_t type;
    uint32_t version;
    struct ssh_span name, value;
    if (!ssh_read_byte(&packet, &type) || type != VERSION || !ssh_read_u32(&packet, &version) || version < OUR_VERSION)
        return false;
    while (packet.left > 0 && sftp->extensions->len < MAX_EXTENSIONS && ssh_read_string(&packet, &name) &&
           ssh_read_string(&packet, &value))
        g_ptr_array_add(sftp->extensions, g_strndup((const char *)name.bytes, name.length));
    sftp->ready = true;
    return true;
}

static void take_packet(struct ssh_sftp *sftp, struct ssh_reader packet)
{
    struct ssh_sftp_answer answer;
    if (!sftp->ready && take_version(sftp, packet))
        sftp->callbacks.ready(sftp->callbacks.arg);
    else if (sftp->ready && ssh_sftp_parse(packet, &answer))
        sftp->callbacks.answered(sftp->callbacks.arg, &answer);
    else
        not_sftp(sftp);
}

/* Whole packets that have come. */
static void take_packets(struct ssh_sftp *sftp)
{
    guint taken = 0;
    while (!sftp->doomed && sftp->channel != NULL) {
        struct ssh_reader reader = ssh_reader_over(sftp->in->data + taken, sftp->in->len - taken);
        uint32_t length;
        struct ssh_span body;
        if (!ssh_read_u32(&reader, &length))
            break;
        if (length > MAX_PACKET_BYTES) {
            not_sftp(sftp);
            break;
        }
        if (!ssh_read_raw(&reader, length, &body))
            break;
        taken += 4 + length;
        take_packet(sftp, ssh_reader_over(body.bytes, body.length));
    }
    if (taken > 0)
        g_byte_array_remove_range(sftp->in, 0, taken);
}

/* ---- the channel ---- */

static void flush(struct ssh_sftp *sftp)
{
    if (sftp->channel == NULL)
        return;
    while (ssh_sftp_pending(sftp) > 0) {
        ssize_t sent = ssh_channel_write(sftp->channel, sftp->out->data + sftp->out_sent, ssh_sftp_pending(sftp));
        if (sent <= 0)
            return; /* no room now, or the end, which `ended` tells */
        sftp->out_sent += (guint)sent;
    }
    g_byte_array_set_size(sftp->out, 0);
    sftp->out_sent = 0;
}

static void channel_opened(void *arg)
{
    flush(arg);
}

static void channel_room(void *arg)
{
    struct ssh_sftp *sftp = arg;
    sftp->entered++;
    flush(sftp);
    if (sftp->callbacks.room != NULL && ssh_sftp_pending(sftp) < LOW_WATER_BYTES)
        sftp->callbacks.room(sftp->callbacks.arg);
    leave(sftp);
}

static void channel_output(void *arg, bool is_stderr, const char *bytes, size_t length)
{
    struct ssh_sftp *sftp = arg;
    if (is_stderr) {
        g_string_append_len(sftp->said, bytes, (gssize)MIN(length, MAX_SAID_BYTES - sftp->said->len));
        return;
    }
    sftp->entered++;
    g_byte_array_append(sftp->in, (const guint8 *)bytes, (guint)length);
    take_packets(sftp);
    leave(sftp);
}

static void channel_ended(void *arg, const struct ssh_channel_end *end)
{
    struct ssh_sftp *sftp = arg;
    sftp->channel = NULL;
    sftp->entered++;
    finish(sftp, end);
    leave(sftp);
}

/* ---- requests ---- */

/* A request's beginning; its length is filled in by send(). */
static GByteArray *request(struct ssh_sftp *sftp, enum type type)
{
    GByteArray *packet = g_byte_array_new();
    ssh_put_u32(packet, 0);
    ssh_put_byte(packet, (uint8_t)type);
    ssh_put_u32(packet, type == INIT ? OUR_VERSION : ++sftp->last_id);
    return packet;
}

static uint32_t send(struct ssh_sftp *sftp, GByteArray *packet)
{
    uint32_t length = GUINT32_TO_BE(packet->len - 4);
    memcpy(packet->data, &length, sizeof length);
    if (sftp->out_sent > 0 && ssh_sftp_pending(sftp) < sftp->out_sent) { /* keeps it from growing for ever */
        g_byte_array_remove_range(sftp->out, 0, sftp->out_sent);
        sftp->out_sent = 0;
    }
    g_byte_array_append(sftp->out, packet->data, packet->len);
    g_byte_array_unref(packet);
    flush(sftp);
    return sftp->last_id;
}

static void put_u64(GByteArray *packet, uint64_t number)
{
    ssh_put_u32(packet, (uint32_t)(number >> 32));
    ssh_put_u32(packet, (uint32_t)number);
}

static void put_handle(GByteArray *packet, GBytes *handle)
{
    gsize length;
    const void *bytes = g_bytes_get_data(handle, &length);
    ssh_put_string(packet, bytes, length);
}

static void put_attributes(GByteArray *packet, const struct ssh_sftp_attributes *attributes)
{
    ssh_put_u32(packet, (attributes->has_size ? ATTR_SIZE : 0u) | (attributes->has_owner ? ATTR_OWNER : 0u) |
                            (attributes->has_mode ? ATTR_MODE : 0u));
    if (attributes->has_size)
        put_u64(packet, attributes->size);
    if (attributes->has_owner) {
        ssh_put_u32(packet, attributes->uid);
        ssh_put_u32(packet, attributes->gid);
    }
    if (attributes->has_mode)
        ssh_put_u32(packet, attributes->mode);
}

static uint32_t send_path(struct ssh_sftp *sftp, enum type type, const char *path)
{
    GByteArray *packet = request(sftp, type);
    ssh_put_text(packet, path);
    return send(sftp, packet);
}

static uint32_t send_handle(struct ssh_sftp *sftp, enum type type, GBytes *handle)
{
    GByteArray *packet = request(sftp, type);
    put_handle(packet, handle);
    return send(sftp, packet);
}

uint32_t ssh_sftp_open(struct ssh_sftp *sftp, const char *path, uint32_t flags, uint32_t mode)
{
    const struct ssh_sftp_attributes attributes = {.has_mode = flags & SSH_SFTP_CREATE, .mode = mode};
    GByteArray *packet = request(sftp, OPEN);
    ssh_put_text(packet, path);
    ssh_put_u32(packet, flags);
    put_attributes(packet, &attributes);
    return send(sftp, packet);
}

uint32_t ssh_sftp_read(struct ssh_sftp *sftp, GBytes *handle, uint64_t offset, uint32_t length)
{
    GByteArray *packet = request(sftp, READ);
    put_handle(packet, handle);
    put_u64(packet, offset);
    ssh_put_u32(packet, length);
    return send(sftp, packet);
}

uint32_t ssh_sftp_write(struct ssh_sftp *sftp, GBytes *handle, uint64_t offset, const void *bytes, uint32_t length)
{
    GByteArray *packet = request(sftp, WRITE);
    put_handle(packet, handle);
    put_u64(packet, offset);
    ssh_put_string(packet, bytes, length);
    return send(sftp, packet);
}

uint32_t ssh_sftp_fsetstat(struct ssh_sftp *sftp, GBytes *handle, const struct ssh_sftp_attributes *attributes)
{
    GByteArray *packet = request(sftp, FSETSTAT);
    put_handle(packet, handle);
    put_attributes(packet, attributes);
    return send(sftp, packet);
}

uint32_t ssh_sftp_fsync(struct ssh_sftp *sftp, GBytes *handle)
{
    GByteArray *packet = request(sftp, EXTENDED);
    ssh_put_text(packet, FSYNC);
    put_handle(packet, handle);
    return send(sftp, packet);
}

uint32_t ssh_sftp_rename(struct ssh_sftp *sftp, const char *from, const char *to)
{
    bool posix = ssh_sftp_can(sftp, POSIX_RENAME);
    GByteArray *packet = request(sftp, posix ? EXTENDED : RENAME);
    if (posix)
        ssh_put_text(packet, POSIX_RENAME);
    ssh_put_text(packet, from);
    ssh_put_text(packet, to);
    return send(sftp, packet);
}

uint32_t ssh_sftp_fstat(struct ssh_sftp *sftp, GBytes *handle)
{
    return send_handle(sftp, FSTAT, handle);
}

uint32_t ssh_sftp_close(struct ssh_sftp *sftp, GBytes *handle)
{
    return send_handle(sftp, CLOSE, handle);
}

uint32_t ssh_sftp_stat(struct ssh_sftp *sftp, const char *path)
{
    return send_path(sftp, STAT, path);
}

uint32_t ssh_sftp_realpath(struct ssh_sftp *sftp, const char *path)
{
    return send_path(sftp, REALPATH, path);
}

uint32_t ssh_sftp_remove(struct ssh_sftp *sftp, const char *path)
{
    return send_path(sftp, REMOVE, path);
}

/* ---- life ---- */

struct ssh_sftp *ssh_sftp_new(struct ssh_session *session, const char *exec, GBytes *first,
                              const struct ssh_sftp_callbacks *callbacks)
{
    struct ssh_sftp *sftp = g_new0(struct ssh_sftp, 1);
    sftp->callbacks = *callbacks;
    sftp->in = g_byte_array_new();
    sftp->out = g_byte_array_new();
    sftp->extensions = g_ptr_array_new_with_free_func(g_free);
    sftp->said = g_string_new(NULL);
    const struct ssh_channel_request channel = {.exec = exec,
                                                .subsystem = exec ? NULL : "sftp",
                                                .opened = channel_opened,
                                                .room = channel_room,
                                                .output = channel_output,
                                                .ended = channel_ended,
                                                .arg = sftp};
    if (first != NULL)
        g_byte_array_append(sftp->out, g_bytes_get_data(first, NULL), (guint)g_bytes_get_size(first));
    send(sftp, request(sftp, INIT)); /* flushed when the channel is there */
    sftp->channel = ssh_channel_start(session, &channel);
    return sftp;
}

bool ssh_sftp_can(const struct ssh_sftp *sftp, const char *extension)
{
    for (guint i = 0; i < sftp->extensions->len; i++)
        if (strcmp(sftp->extensions->pdata[i], extension) == 0)
            return true;
    return false;
}

size_t ssh_sftp_pending(const struct ssh_sftp *sftp)
{
    return sftp->out->len - sftp->out_sent;
}

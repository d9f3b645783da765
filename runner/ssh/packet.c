/* packet: see packet.h. Knows no message. */
#include "runner/ssh/packet.h"
#include <string.h>

struct ssh_reader ssh_reader_over(const void *bytes, size_t length)
{
    return (struct ssh_reader){.bytes = bytes, .left = length};
}

bool ssh_read_raw(struct ssh_reader *reader, size_t length, struct ssh_span *ret)
{
    if (reader->failed || length > reader->left) {
        reader->failed = true;
        return false;
    }
    *ret = (struct ssh_span){reader->bytes, length};
    reader->bytes += length;
    reader->left -= length;
    return true;
}

bool ssh_read_byte(struct ssh_reader *reader, uint8_t *ret)
{
    struct ssh_span span;
    if (!ssh_read_raw(reader, 1, &span))
        return false;
    *ret = span.bytes[0];
    return true;
}

bool ssh_read_u32(struct ssh_reader *reader, uint32_t *ret)
{
    struct ssh_span span;
    if (!ssh_read_raw(reader, 4, &span))
        return false;
    *ret = (uint32_t)span.bytes[0] << 24 | (uint32_t)span.bytes[1] << 16 | (uint32_t)span.bytes[2] << 8 | span.bytes[3];
    return true;
}

bool ssh_read_string(struct ssh_reader *reader, struct ssh_span *ret)
{
    uint32_t length;
    return ssh_read_u32(reader, &length) && ssh_read_raw(reader, length, ret);
}

bool ssh_span_is(const struct ssh_span *span, const char *text)
{
    return span->length == strlen(text) && memcmp(span->bytes, text, span->length) == 0;
}

void ssh_put_byte(GByteArray *out, uint8_t byte)
{
    g_byte_array_append(out, &byte, 1);
}

void ssh_put_u32(GByteArray *out, uint32_t number)
{
    uint32_t big = GUINT32_TO_BE(number);
    g_byte_array_append(out, (const uint8_t *)&big, sizeof big);
}

void ssh_put_string(GByteArray *out, const void *bytes, size_t length)
{
    ssh_put_u32(out, (uint32_t)length);
    if (length > 0)
        g_byte_array_append(out, bytes, (guint)length);
}

void ssh_put_text(GByteArray *out, const char *text)
{
    ssh_put_string(out, text, strlen(text));
}

void ssh_put_mpint(GByteArray *out, const uint8_t *magnitude, size_t length)
{
    while (length > 0 && magnitude[0] == 0) {
        magnitude++;
        length--;
    }
    bool sign = length > 0 && (magnitude[0] & 0x80);
    ssh_put_u32(out, (uint32_t)(length + sign));
    if (sign)
        ssh_put_byte(out, 0);
    if (length > 0)
        g_byte_array_append(out, magnitude, (guint)length);
}

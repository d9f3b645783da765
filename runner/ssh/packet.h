/* packet: reading and writing the data types of the SSH wire format (RFC 4251, section 5), with bounds. */
#ifndef RUNNER_SSH_PACKET_H
#define RUNNER_SSH_PACKET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is left to read. Each read returns false, and from then on all do, when the bytes do not suffice. */
struct ssh_reader {
    const uint8_t *bytes;
    size_t left;
    bool failed;
};

struct ssh_span {
    const uint8_t *bytes; /* borrowed from the reader's */
    size_t length;
};

struct ssh_reader ssh_reader_over(const void *bytes, size_t length);
bool ssh_read_byte(struct ssh_reader *reader, uint8_t *ret);
bool ssh_read_u32(struct ssh_reader *reader, uint32_t *ret);
bool ssh_read_string(struct ssh_reader *reader, struct ssh_span *ret);
bool ssh_read_raw(struct ssh_reader *reader, size_t length, struct ssh_span *ret);
bool ssh_span_is(const struct ssh_span *span, const char *text);

void ssh_put_byte(GByteArray *out, uint8_t byte);
void ssh_put_u32(GByteArray *out, uint32_t number);
void ssh_put_string(GByteArray *out, const void *bytes, size_t length);
void ssh_put_text(GByteArray *out, const char *text);
void ssh_put_mpint(GByteArray *out, const uint8_t *magnitude, size_t length); /* unsigned, big endian */

#endif

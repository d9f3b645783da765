/* address: IP addresses as bytes, and networks of them. Pure functions; knows no HTTP. */
#ifndef CORE_ADDRESS_H
#define CORE_ADDRESS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* An IPv6 address, or an IPv4 address mapped into it (::ffff:192.0.2.1), so that both forms are one. */
struct address {
    uint8_t bytes[16];
};
/* False for what is no IP address (a Unix socket). */
bool address_of(const struct sockaddr *from, struct address *ret);
/* "192.0.2.1", "2001:db8::1". False for anything else, names too. */
bool address_parse(const char *text, struct address *ret);
/* What one subscriber has: an IPv4 address, or the /64 of an IPv6 address. */
struct address address_subscriber(const struct address *address);

struct address_range {
    struct address address;
    unsigned bits; /* that count, of 128 */
};
/* "10.0.0.0/8", "2001:db8::/32", or one address. ERROR_INVALID names the text. */
bool address_range_parse(const char *text, struct address_range *ret, GError **error);
bool address_range_has(const struct address_range *network, const struct address *address);

#endif

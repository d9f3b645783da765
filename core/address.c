/* address: see address.h. */
#include "core/address.h"
#include "core/errors.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { ALL_BITS = 128, V4_OFFSET = 12, V4_BITS_BEFORE = 96, SUBSCRIBER_BYTES = 8 };

static const uint8_t mapped[V4_OFFSET] = {[10] = 0xff, [11] = 0xff};

static struct address from_v4(const struct in_addr *v4)
{
    struct address address;
    memcpy(address.bytes, mapped, sizeof mapped);
    memcpy(address.bytes + V4_OFFSET, v4, sizeof *v4);
    return address;
}

bool address_of(const struct sockaddr *from, struct address *ret)
{
    if (from != NULL && from->sa_family == AF_INET) {
        *ret = from_v4(&((const struct sockaddr_in *)(const void *)from)->sin_addr);
        return true;
    }
    if (from == NULL || from->sa_family != AF_INET6)
        return false;
    memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, sizeof ret->bytes);
    return true;
}

struct address address_subscriber(const struct address *address)
{
    struct address subscriber = *address;
    if (memcmp(address->bytes, mapped, sizeof mapped) != 0)
        memset(subscriber.bytes + SUBSCRIBER_BYTES, 0, sizeof subscriber.bytes - SUBSCRIBER_BYTES);
    return subscriber;
}

static bool parse_address(const char *text, struct address *ret, unsigned *ret_bits_before)
{
    struct in_addr v4;
    *ret_bits_before = 0;
    if (inet_pton(AF_INET6, text, ret->bytes) == 1)
        return true;
    if (inet_pton(AF_INET, text, &v4) != 1)
        return false;
    *ret = from_v4(&v4);
    *ret_bits_before = V4_BITS_BEFORE;
    return true;
}

bool address_parse(const char *text, struct address *ret)
{
    unsigned before;
    return parse_address(text, ret, &before);
}

bool address_range_parse(const char *text, struct address_range *ret, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    unsigned before = 0;
    guint64 bits = ALL_BITS;
    bool ok = parts[0] != NULL && parse_address(parts[0], &ret->address, &before);
    if (ok && parts[1] != NULL) {
        ok = g_ascii_string_to_unsigned(parts[1], 10, 0, ALL_BITS - before, &bits, NULL);
        bits += before;
    }
    if (!ok)
        errors_set(error, ERROR_INVALID, "'%s' is not an IP address or network (10.0.0.0/8, 2001:db8::1)", text);
    ret->bits = (unsigned)bits;
    return ok;
}

bool address_range_has(const struct address_range *network, const struct address *address)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(network->address.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || (network->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

/* reach: see reach.h. */
#include "runner/reach.h"

#include "core/address.h"
#include "core/errors.h"

#include <string.h>

/* Where a machine asks for its own credentials and settings: never by default, and never because of a name. */
static const char *const own_network[] = {
    "169.254.0.0/16",           /* link-local; metadata of AWS, Google Cloud, Azure and others */
    "fe80::/10",                /* link-local */
    "fd00:ec2::254",            /* AWS */
    "100.100.100.200",          /* Alibaba Cloud */
    "168.63.129.16",            /* Azure's platform */
    "192.0.0.192",              /* Oracle Cloud */
    "64:ff9b::169.254.0.0/112", /* the first, through NAT64 */
};

struct reach {
    bool listed;          /* there are rules */
    GStrv names;          /* "example.com", "*.example.com" */
    GArray *ranges, *own; /* struct address_range */
};

static GArray *ranges_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(struct address_range));
}

static bool is_name(const char *text)
{
    const char *name = g_str_has_prefix(text, "*.") ? text + 2 : text;

    if (*name == '\0' || *name == '.' || strstr(name, ".."))
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(name);
}

static bool add_rule(struct reach *reach, GStrvBuilder *names, const char *rule, GError **error)
{
    struct address_range range;
    g_autofree char *small = g_ascii_strdown(rule, -1);

    if (address_range_parse(rule, &range, NULL)) {
        g_array_append_val(reach->ranges, range);
        return true;
    }
    if (strcmp(small, "off") != 0 && is_name(small) && !strchr(rule, '/')) {
        g_strv_builder_add(names, small);
        return true;
    }
    errors_set(
        error, ERROR_CONFIG,
        "runner.http: '%s' is no name, *.name, address or network; `off` stands alone, and there are no ports or paths",
        rule);
    return false;
}

struct reach *reach_new(const char *const *rules, GError **error)
{
    g_autoptr(reach_t) reach = g_new0(struct reach, 1);
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();
    guint count = rules ? g_strv_length((char **)(uintptr_t)rules) : 0;

    reach->listed = count > 0;
    reach->ranges = ranges_new();
    reach->own = ranges_new();
    for (size_t i = 0; i < G_N_ELEMENTS(own_network); i++) {
        struct address_range range;
        if (!address_range_parse(own_network[i], &range, error))
            return NULL;
        g_array_append_val(reach->own, range);
    }
    bool off = count == 1 && strcmp(rules[0], "off") == 0;
    for (guint i = 0; i < count && !off; i++)
        if (!add_rule(reach, names, rules[i], error))
            return NULL;
    reach->names = g_strv_builder_end(names);
    return g_steal_pointer(&reach);
}

void reach_free(struct reach *reach)
{
    if (!reach)
        return;
    g_strfreev(reach->names);
    g_clear_pointer(&reach->ranges, g_array_unref);
    g_clear_pointer(&reach->own, g_array_unref);
    g_free(reach);
}

static bool in_ranges(const GArray *ranges, const struct address *address)
{
    for (guint i = 0; i < ranges->len; i++)
        if (address_range_has(&g_array_index(ranges, struct address_range, i), address))
            return true;
    return false;
}

static bool named(const struct reach *reach, const char *host)
{
    for (char **name = reach->names; *name; name++)
        if (strcmp(*name, host) == 0 || (**name == '*' && g_str_has_suffix(host, *name + 1)))
            return true;
    return false;
}

static bool allows(const struct reach *reach, const char *host, const struct address *address)
{
    if (in_ranges(reach->ranges, address))
        return true;
    return (!reach->listed || named(reach, host)) && !in_ranges(reach->own, address);
}

bool reach_allows_host(const struct reach *reach, const char *host, GError **error)
{
    struct address address;
    bool literal = address_parse(host, &address);
    /* A name that is not listed may still have a listed address. */
    bool maybe =
        literal ? allows(reach, host, &address) : !reach->listed || named(reach, host) || reach->ranges->len > 0;

    if (!maybe && reach->listed)
        errors_set(error, ERROR_NOT_ALLOWED, "'%s' is not among what runner.http of this runner lets steps reach",
                   host);
    else if (!maybe)
        errors_set(
            error, ERROR_NOT_ALLOWED,
            "'%s' is an address of the machine's own network (link-local, cloud metadata): runner.http must list it",
            host);
    return maybe;
}

bool reach_allows_address(const struct reach *reach, const char *host, const struct sockaddr *address)
{
    struct address plain;

    return address_of(address, &plain) && allows(reach, host, &plain);
}

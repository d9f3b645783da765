/* reach: names and addresses against the rules of a runner. */
#include "core/errors.h"
#include "runner/reach.h"
#include "tests/unit/support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static bool allows_address(const struct reach *reach, const char *host, const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return reach_allows_address(reach, host, (struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return reach_allows_address(reach, host, (struct sockaddr *)&v6);
}

static void test_rules(void **state)
{
    (void)state;
    static const struct {
        const char *why, *rules, *host, *address;
        bool host_allowed, address_allowed;
    } rows[] = {
        {"any server", "", "api.example.com", "203.0.113.9", true, true},
        {"loopback", "", "localhost", "127.0.0.1", true, true},
        {"a private network", "", "10.1.2.3", "10.1.2.3", true, true},
        {"metadata by its address", "", "169.254.169.254", "169.254.169.254", false, false},
        {"metadata by a name", "", "metadata.google.internal", "169.254.169.254", true, false},
        {"metadata, mapped", "", "x", "::ffff:169.254.169.254", true, false},
        {"metadata, through NAT64", "", "x", "64:ff9b::a9fe:a9fe", true, false},
        {"metadata over IPv6", "", "fd00:ec2::254", "fd00:ec2::254", false, false},
        {"link-local over IPv6", "", "fe80::1", "fe80::1", false, false},
        {"its neighbour is no metadata", "", "169.253.1.1", "169.253.1.1", true, true},
        {"off", "off", "api.example.com", "203.0.113.9", false, false},
        {"a listed name", "api.example.com", "api.example.com", "203.0.113.9", true, true},
        {"in other letters", "API.Example.com", "api.example.com", "203.0.113.9", true, true},
        {"another name", "api.example.com", "example.com", "203.0.113.9", false, false},
        {"a name that ends so", "api.example.com", "xapi.example.com", "203.0.113.9", false, false},
        {"below a name", "*.example.com", "a.b.example.com", "203.0.113.9", true, true},
        {"the name itself is not below it", "*.example.com", "example.com", "203.0.113.9", false, false},
        {"a name that ends like it", "*.example.com", "badexample.com", "203.0.113.9", false, false},
        {"a listed name at metadata", "api.example.com", "api.example.com", "169.254.169.254", true, false},
        {"a listed network", "10.0.0.0/8", "10.1.2.3", "10.1.2.3", true, true},
        {"a name in a listed network", "10.0.0.0/8", "db.internal", "10.1.2.3", true, true},
        {"a name outside of it", "10.0.0.0/8", "db.internal", "203.0.113.9", true, false},
        {"an address outside of it", "10.0.0.0/8", "203.0.113.9", "203.0.113.9", false, false},
        {"metadata, listed", "169.254.169.254", "169.254.169.254", "169.254.169.254", true, true},
        {"one of several", "a.example.com 2001:db8::/32", "x", "2001:db8::7", true, true},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(GStrv) rules = *rows[i].rules ? g_strsplit(rows[i].rules, " ", -1) : NULL;
        g_autoptr(GError) error = NULL, refused = NULL;
        g_autoptr(reach_t) reach = reach_new((const char *const *)rules, &error);
        assert_null(error);
        if (reach_allows_host(reach, rows[i].host, &refused) != rows[i].host_allowed)
            row_failed(rows[i].why, "host");
        if (!rows[i].host_allowed && !g_error_matches(refused, HIKESHI_ERROR, ERROR_NOT_ALLOWED))
            row_failed(rows[i].why, "error");
        if (allows_address(reach, rows[i].host, rows[i].address) != rows[i].address_allowed)
            row_failed(rows[i].why, "address");
    }
}

static void test_bad_rules(void **state)
{
    (void)state;
    static const char *const rows[] = {"https://x", "x:443", "10.0.0.0/33", "*", "*.", "a..b", "a b", "", "x/8"};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const rules[] = {"fine.example.com", rows[i], NULL};
        g_autoptr(GError) error = NULL;
        g_autoptr(reach_t) reach = reach_new(rules, &error);
        if (reach != NULL || !g_error_matches(error, HIKESHI_ERROR, ERROR_CONFIG) || !strstr(error->message, rows[i]))
            row_failed(rows[i], "accepted, or not named");
    }
    const char *const mixed[] = {"off", "x", NULL};
    g_autoptr(GError) error = NULL;
    assert_null(reach_new(mixed, &error));
    assert_non_null(strstr(error->message, "off"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules), cmocka_unit_test(test_bad_rules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* known_hosts: each form of line, beside lines that hide nothing, and adding. Keys are real ones made for this table.
 */
#include "core/errors.h"
#include "core/known_hosts.h"
#include "tests/unit/support.h"
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define ED "ssh-ed25519 "
#define K1 ED "AAAAC3NzaC1lZDI1NTE5AAAAIKAwFkhXp80ByAd1cE0jbGJRx09IFeh8tCjqDyGYV8Sk"
#define K2 ED "AAAAC3NzaC1lZDI1NTE5AAAAICermEXlO27haYvDiXLbQgh5iC/zA57TikOcMIVkQoJK"
#define E1                                                                                                             \
    "ecdsa-sha2-nistp256 "                                                                                             \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKSBMoJ9ForY1DqnDpe9OfDuRJnUuassaIAPyKbH21rjkQbC7IEKHzgLFNTf" \
    "ug"                                                                                                               \
    "ung5m67baqshU8KEbH6fFYcy0="
/* ssh-keygen -H of "db-1" and "[db-1]:2222" */
#define HASHED      "|1|q2laglUHRiWYXfWBLbFZNaJQrnI=|fFbm2Y87Uk0o9eMt8edjW37jnaM= "
#define HASHED_2222 "|1|i4mqokq5QzkbG+IJW2bWISJMfAk=|7SWFRy/kX+24W6dovwvb6VOC62A= "

enum {
    MATCH = KNOWN_HOSTS_MATCH,
    UNKNOWN = KNOWN_HOSTS_UNKNOWN,
    CHANGED = KNOWN_HOSTS_CHANGED,
    REVOKED = KNOWN_HOSTS_REVOKED
};

static uint8_t *blob(const char *public_key, size_t *ret_length)
{
    return g_base64_decode(strchr(public_key, ' ') + 1, ret_length);
}

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *host;
        uint16_t port;
        const char *key;
        int verdict, line;
    } rows[] = {
        {"plain", "db-1 " K1 "\n", "db-1", 22, K1, MATCH, 0},
        {"no newline at the end", "db-1 " K1, "db-1", 22, K1, MATCH, 0},
        {"with a comment", "db-1 " K1 " ops@example.com 2026\n", "db-1", 22, K1, MATCH, 0},
        {"tabs and spaces", "  db-1\t\t" K1 "\n", "db-1", 22, K1, MATCH, 0},
        {"CRLF", "db-1 " K1 "\r\ndb-2 " K2 "\r\n", "db-2", 22, K2, MATCH, 0},
        {"names ignore case", "DB-1.Example.COM " K1 "\n", "db-1.EXAMPLE.com", 22, K1, MATCH, 0},
        {"another host", "db-1 " K1 "\n", "db-2", 22, K1, UNKNOWN, 0},
        {"an empty file", "", "db-1", 22, K1, UNKNOWN, 0},
        {"changed", "# x\ndb-1 " K2 "\n", "db-1", 22, K1, CHANGED, 2},
        {"known by another type only", "db-1 " E1 "\n", "db-1", 22, K1, CHANGED, 1},
        {"the line of the same type is named", "db-1 " E1 "\ndb-1 " K2 "\n", "db-1", 22, K1, CHANGED, 2},
        {"two keys, both good", "db-1 " K2 "\ndb-1 " K1 "\n", "db-1", 22, K1, MATCH, 0},
        {"several names", "db-1,10.0.0.1,db-1.example.com " K1 "\n", "10.0.0.1", 22, K1, MATCH, 0},
        {"no part of a name", "db-10 " K1 "\n", "db-1", 22, K1, UNKNOWN, 0},
        {"hashed", HASHED K1 "\n", "db-1", 22, K1, MATCH, 0},
        {"hashed, another host", HASHED K1 "\n", "db-2", 22, K1, UNKNOWN, 0},
        {"hashed, changed", HASHED K2 "\n", "db-1", 22, K1, CHANGED, 1},
        {"hashed with port", HASHED_2222 K1 "\n", "db-1", 2222, K1, MATCH, 0},
        {"hashed with port is not port 22", HASHED_2222 K1 "\n", "db-1", 22, K1, UNKNOWN, 0},
        {"port", "[db-1]:2222 " K1 "\n", "db-1", 2222, K1, MATCH, 0},
        {"another port", "[db-1]:2222 " K1 "\n", "db-1", 2223, K1, UNKNOWN, 0},
        {"a name without port is port 22", "db-1 " K1 "\n", "db-1", 2222, K1, UNKNOWN, 0},
        {"IPv6", "2001:db8::1 " K1 "\n", "2001:db8::1", 22, K1, MATCH, 0},
        {"IPv6 in brackets", "2001:db8::1 " K1 "\n", "[2001:db8::1]", 22, K1, MATCH, 0},
        {"IPv6 with port", "[2001:db8::1]:2222 " K1 "\n", "2001:DB8::1", 2222, K1, MATCH, 0},
        {"star", "*.example.com " K1 "\n", "db-1.example.com", 22, K1, MATCH, 0},
        {"star in the middle", "db-*.example.com " K1 "\n", "db-1.prod.example.com", 22, K1, MATCH, 0},
        {"star does not reach further", "*.example.com " K1 "\n", "example.com", 22, K1, UNKNOWN, 0},
        {"question mark", "db-? " K1 "\n", "db-1", 22, K1, MATCH, 0},
        {"question mark is one character", "db-? " K1 "\n", "db-10", 22, K1, UNKNOWN, 0},
        {"star with port", "[*.example.com]:2222 " K1 "\n", "a.example.com", 2222, K1, MATCH, 0},
        {"negation", "*.example.com,!db-1.example.com " K1 "\n", "db-1.example.com", 22, K1, UNKNOWN, 0},
        {"negation before", "!db-1.example.com,*.example.com " K1 "\n", "db-1.example.com", 22, K1, UNKNOWN, 0},
        {"negation of another", "*.example.com,!db-1.example.com " K1 "\n", "db-2.example.com", 22, K1, MATCH, 0},
        {"negation alone matches nobody", "!db-1 " K1 "\n", "db-2", 22, K1, UNKNOWN, 0},
        {"revoked", "@revoked db-1 " K1 "\n", "db-1", 22, K1, REVOKED, 1},
        {"revoked for all", "db-1 " K1 "\n@revoked * " K1 "\n", "db-1", 22, K1, REVOKED, 2},
        {"revoked and hashed", "db-1 " K1 "\n@revoked " HASHED K1 "\n", "db-1", 22, K1, REVOKED, 2},
        {"another key is revoked", "@revoked * " K2 "\ndb-1 " K1 "\n", "db-1", 22, K1, MATCH, 0},
        {"revoked elsewhere", "@revoked db-2 " K1 "\ndb-1 " K1 "\n", "db-1", 22, K1, MATCH, 0},
        {"only revoked: not known", "@revoked * " K2 "\n", "db-1", 22, K1, UNKNOWN, 0},
        {"an authority is no host", "@cert-authority * " K1 "\n", "db-1", 22, K1, UNKNOWN, 0},
        {"an authority is no other key", "@cert-authority * " K2 "\ndb-1 " K1 "\n", "db-1", 22, K1, MATCH, 0},
        {"bad lines hide nothing",
         "x\nx y\n@what db-1 " K2 "\ndb-1 ssh-ed25519 !!!\ndb-1 ssh-rsa " /* type and blob differ */
         "AAAAC3NzaC1lZDI1NTE5AAAAICermEXlO27haYvDiXLbQgh5iC/zA57TikOcMIVkQoJK\n|1|x " K2 "\ndb-1 " K1 "\n",
         "db-1", 22, K1, MATCH, 0},
        {"bad lines are no keys", "db-1 ssh-ed25519 AAAA\ndb-1 1024 35 1234567\n", "db-1", 22, K1, UNKNOWN, 0},
        {"a comment", "#db-1 " K1 "\n", "db-1", 22, K1, UNKNOWN, 0},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct known_hosts *hosts = known_hosts_parse(rows[i].text, strlen(rows[i].text), "known_hosts");
        size_t length;
        g_autofree uint8_t *key = blob(rows[i].key, &length);
        g_autofree char *fingerprint = NULL;
        int line = 0;
        int verdict = (int)known_hosts_check(hosts, rows[i].host, rows[i].port, key, length, &line, &fingerprint);
        if (verdict != rows[i].verdict || line != rows[i].line || (fingerprint != NULL) != (rows[i].line != 0))
            row_failed(rows[i].why, "verdict %d, line %d", verdict, line);
        known_hosts_free(hosts);
    }
}

static void test_long_and_bad_lines(void **state)
{
    (void)state;
    g_autofree char *spaces = g_strnfill(5000, 'x');
    g_autoptr(GString) text = g_string_new(spaces);
    g_string_append(text, "\n");
    for (int i = 0; i < 1000; i++)
        g_string_append_printf(text, "host-%d,", i); /* a good line of 9 KiB */
    g_string_append(text, "db-1 " K1 "\n@revoked ");
    for (int i = 0; i < 1000; i++)
        g_string_append_printf(text, "host-%d,", i);
    g_string_append(text, "db-1 " K2 "\n\xff\xfe \xff\ndb-2 " K2 "\n");
    struct known_hosts *hosts = known_hosts_parse(text->str, text->len, "f");
    size_t length, other_length;
    g_autofree uint8_t *key = blob(K1, &length), *other = blob(K2, &other_length);
    assert_int_equal(known_hosts_check(hosts, "db-1", 22, key, length, NULL, NULL), MATCH);
    assert_int_equal(known_hosts_check(hosts, "db-1", 22, other, other_length, NULL, NULL), REVOKED);
    assert_int_equal(known_hosts_check(hosts, "db-2", 22, other, other_length, NULL, NULL), MATCH);
    assert_int_equal(known_hosts_bad_lines(hosts), 2);
    known_hosts_free(hosts);
}

static void test_many_stars(void **state)
{
    (void)state;
    g_autofree char *host = g_strnfill(255, 'a');
    const char *text = "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b " K1 "\n";
    struct known_hosts *hosts = known_hosts_parse(text, strlen(text), "f");
    size_t length;
    g_autofree uint8_t *key = blob(K1, &length);
    assert_int_equal(known_hosts_check(hosts, host, 22, key, length, NULL, NULL), UNKNOWN);
    known_hosts_free(hosts);
}

static void test_key_types(void **state)
{
    (void)state;
    const char *text = "db-1 " K1 "\n" HASHED E1 "\ndb-1 " K2 "\n@revoked * " K1 "\ndb-2 " E1 "\n";
    struct known_hosts *hosts = known_hosts_parse(text, strlen(text), "f");
    g_auto(GStrv) types = known_hosts_key_types(hosts, "db-1", 22);
    g_auto(GStrv) none = known_hosts_key_types(hosts, "db-3", 22);
    assert_int_equal(g_strv_length(types), 2);
    assert_string_equal(types[0], "ssh-ed25519");
    assert_string_equal(types[1], "ecdsa-sha2-nistp256");
    assert_int_equal(g_strv_length(none), 0);
    known_hosts_free(hosts);
}

static void test_fingerprint(void **state)
{
    (void)state;
    size_t length;
    g_autofree uint8_t *key = blob(K1, &length);
    g_autofree char *fingerprint = known_hosts_fingerprint(key, length);
    assert_string_equal(fingerprint, "SHA256:9HKg0PHBEINJih63lLlPLNx4GhAqRiafxGSNrkvSe2o"); /* as ssh-keygen -l says */
}

static void test_add(void **state)
{
    (void)state;
    g_autofree char *folder = g_dir_make_tmp("hikeshi-known-XXXXXX", NULL);
    g_autofree char *inner = g_build_filename(folder, "ssh", NULL),
                    *path = g_build_filename(inner, "known_hosts", NULL);
    size_t length, other_length;
    g_autofree uint8_t *key = blob(K1, &length), *other = blob(E1, &other_length);
    assert_true(known_hosts_add(path, "DB-1", 22, key, length, NULL));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(inner, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);

    assert_true(g_file_set_contents(path, "db-1 " K1, -1, NULL)); /* somebody's editor left no newline */
    assert_true(known_hosts_add(path, "2001:db8::1", 2222, other, other_length, NULL));
    g_autofree char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_string_equal(text, "db-1 " K1 "\n[2001:db8::1]:2222 " E1 "\n");
    struct known_hosts *hosts = known_hosts_load(path, NULL);
    assert_int_equal(known_hosts_check(hosts, "db-1", 22, key, length, NULL, NULL), MATCH);
    assert_int_equal(known_hosts_check(hosts, "2001:db8::1", 2222, other, other_length, NULL, NULL), MATCH);
    known_hosts_free(hosts);

    static const char *const refused[] = {"", "a b", "a,b", "*", "a\nb", "!a", "|1|a", "#a", "@revoked", "a?"};
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GError) error = NULL;
        if (known_hosts_add(path, refused[i], 22, key, length, &error) || errors_of(error) != ERROR_INVALID)
            row_failed(refused[i], "was added");
    }
    g_autoptr(GError) error = NULL;
    assert_false(known_hosts_add(path, "a", 22, key, 3, &error));
    assert_int_equal(errors_of(error), ERROR_INVALID);
    g_unlink(path);
    g_rmdir(inner);
    g_rmdir(folder);
}

static void test_load(void **state)
{
    (void)state;
    struct known_hosts *none = known_hosts_load("/nonexistent/known_hosts", NULL);
    assert_non_null(none);
    known_hosts_free(none);
    g_autoptr(GError) error = NULL;
    assert_null(known_hosts_load("/proc/self", &error));
    assert_int_equal(errors_of(error), ERROR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_long_and_bad_lines), cmocka_unit_test(test_many_stars),
        cmocka_unit_test(test_key_types), cmocka_unit_test(test_fingerprint),        cmocka_unit_test(test_add),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

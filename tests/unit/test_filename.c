/* filename, and the header that carries one: whatever a host calls its file, it means nothing to a browser or a file
 * system. */
#include "core/filename.h"
#include "tests/unit/support.h"
#include "web/file.h"

#include <string.h>

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *why, *name, *safe;
    } rows[] = {
        {"plain", "app.log", "app.log"},
        {"blanks inside and letters of the world", "Größe 2 日本.txt", "Größe 2 日本.txt"},
        {"empty", "", "file"},
        {"folders", "../../etc/passwd", "___.._etc_passwd"},
        {"a folder of Windows", "C:\\x", "C__x"},
        {"this folder", ".", "_"},
        {"the folder above", "..", "__"},
        {"hidden", ".bashrc", "_bashrc"},
        {"a blank at the end, which Windows drops", "a.exe ", "a.exe_"},
        {"a header's end", "a\"\r\nSet-Cookie: x=1", "a___Set-Cookie_ x=1"},
        {"a terminal's colours", "\x1b[31mred", "_[31mred"},
        {"letters from right to left", "gpj.\xe2\x80\xaexe.exe", "gpj._xe.exe"},
        {"no width", "a\xe2\x80\x8b.txt", "a_.txt"},
        {"no UTF-8", "p\xe4.txt", "p_.txt"},
        {"a masked secret", "***.txt", "___.txt"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *safe = filename_safe(rows[i].name);
        if (strcmp(safe, rows[i].safe) != 0)
            row_failed(rows[i].why, "got '%s'", safe);
        if (filename_is_safe(rows[i].name) != (strcmp(rows[i].name, rows[i].safe) == 0))
            row_failed(rows[i].why, "safe or not");
        if (!filename_is_safe(safe))
            row_failed(rows[i].why, "'%s' is not safe itself", safe);
    }
    g_autofree char *many = g_strnfill(5000, 'x'), *cut = filename_safe(many);
    assert_int_equal(strlen(cut), 100);
}

static void test_disposition(void **state)
{
    (void)state;
    static const struct {
        const char *why, *name, *header;
    } rows[] = {
        {"plain", "app.log", "attachment; filename=\"app.log\"; filename*=UTF-8''app.log"},
        {"more than letters", "a b%c.txt", "attachment; filename=\"a_b_c.txt\"; filename*=UTF-8''a%20b%25c.txt"},
        {"beyond ASCII", "é;'.txt", "attachment; filename=\"____.txt\"; filename*=UTF-8''%C3%A9%3B%27.txt"},
        {"an injected parameter", "a\"; filename=\"b.html",
         "attachment; filename=\"a___filename__b.html\"; filename*=UTF-8''a_%3B%20filename%3D_b.html"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *header = file_disposition(rows[i].name);
        if (strcmp(header + strlen("Content-Disposition: "), rows[i].header) != 0)
            row_failed(rows[i].why, "got '%s'", header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_disposition)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

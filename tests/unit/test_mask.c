/* mask: every form of a secret goes, whatever the chunks; everything else stays. */
#include "runner/mask.h"
#include "tests/unit/support.h"
#include <string.h>

/* Letters that each encoding treats its own way. */
#define SECRET "s3cr+t/p&ss 'w\"rd\\é"

static void test_forms(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *masked;
    } rows[] = {
        {"as it is", "a " SECRET " b", "a *** b"},
        {"twice, side by side", SECRET SECRET, "******"},
        {"in JSON", "{\"p\":\"s3cr+t/p&ss 'w\\\"rd\\\\é\"}", "{\"p\":\"***\"}"},
        {"quoted for a shell", "x='s3cr+t/p&ss '\\''w\"rd\\é'", "x='***'"},
        {"percent", "?p=s3cr%2Bt%2Fp%26ss%20%27w%22rd%5C%C3%A9&x", "?p=***&x"},
        {"percent, lower", "?p=s3cr%2bt%2fp%26ss%20%27w%22rd%5c%c3%a9&x", "?p=***&x"},
        {"a form", "p=s3cr%2Bt%2Fp%26ss+%27w%22rd%5C%C3%A9", "p=***"},
        {"hexadecimal", "733363722b742f702673732027772272645cc3a9 0", "*** 0"},
        {"in Python's JSON", "s3cr+t/p&ss 'w\\\"rd\\\\\\u00e9", "***"},
        {"in PHP's JSON", "s3cr+t\\/p&ss 'w\\\"rd\\\\\\u00e9", "***"},
        {"in Go's JSON", "s3cr+t/p\\u0026ss 'w\\\"rd\\\\é", "***"},
        {"in HTML", "<p>s3cr+t/p&amp;ss &#x27;w&quot;rd\\é", "<p>***"},
        {"in HTML by Go", "s3cr+t/p&amp;ss &#39;w&#34;rd\\é", "***"},
        {"behind backslashes", "s3cr+t/p\\&ss\\ \\'w\\\"rd\\\\é", "***"},
        {"quoted by Python for a shell", "'s3cr+t/p&ss '\"'\"'w\"rd\\é'", "'***'"},
        {"in double quotes", "S=\"s3cr+t/p&ss 'w\\\"rd\\\\é\"", "S=\"***\""},
        {"in $'…'", "$'s3cr+t/p&ss \\'w\"rd\\\\é'", "$'***'"},
        {"percent, all but letters", "%73-s3cr%2bt%2fp%26ss%20%27w%22rd%5c%c3%a9", "%73-***"},
        {"percent, by Python", "s3cr%2Bt/p%26ss%20%27w%22rd%5C%C3%A9", "***"},
        {"in base64 of several lines", "czNjcit0L3Am\nc3MgJ3cic\r\nmRcw6k=", "***k="},
        {"others", "s3cr+t/p&ss 'w\"rd", "s3cr+t/p&ss 'w\"rd"},
        {"nothing", "", ""},
    };
    struct mask *mask = mask_new();
    assert_true(mask_is_empty(mask));
    assert_true(mask_add(mask, SECRET, strlen(SECRET)));
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        size_t length;
        g_autofree char *masked = mask_bytes(mask, rows[i].text, strlen(rows[i].text), &length);
        if (strcmp(masked, rows[i].masked) != 0 || length != strlen(masked))
            row_failed(rows[i].why, "got '%s'", masked);
        if (mask_finds(mask, rows[i].text, strlen(rows[i].text)) != (strcmp(rows[i].text, rows[i].masked) != 0))
            row_failed(rows[i].why, "found or not");
    }
    mask_free(mask);
}

/* Whatever stands around it, no base64 of a text with the secret shows more than its edges. */
static void test_base64(void **state)
{
    (void)state;
    struct mask *mask = mask_new();
    mask_add(mask, SECRET, strlen(SECRET));
    static const char *const around[] = {"", "u", "us", "user:", "user:x"};
    for (size_t i = 0; i < G_N_ELEMENTS(around); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(around); k++)
            for (int url = 0; url < 2; url++) {
                g_autofree char *text = g_strconcat(around[i], SECRET, around[k], NULL);
                g_autofree char *encoded = g_base64_encode((const guchar *)text, strlen(text));
                if (url)
                    g_strdelimit(g_strdelimit(encoded, "+", '-'), "/", '_');
                size_t length;
                g_autofree char *masked = mask_bytes(mask, encoded, strlen(encoded), &length);
                /* all but the two or three letters that share a byte with a neighbour, and the padding */
                if (!strstr(masked, "***") || length > strlen(encoded) - 4 * strlen(SECRET) / 3 + 9)
                    row_failed(text, "%s became %s", encoded, masked);
            }
    mask_free(mask);
}

static void test_lines(void **state)
{
    (void)state;
    static const char key[] = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nshort\n-----END KEY-----\n";
    struct mask *mask = mask_new();
    size_t length;
    mask_add(mask, key, strlen(key));
    g_autofree char *masked = mask_bytes(mask, "db-1: MIIEvQIBADANBgkq\nshort\n", 29, &length);
    assert_string_equal(masked, "db-1: ***\nshort\n");
    mask_free(mask);
}

/* Whatever the values hold. */
static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *why, *value, *text, *masked;
    } rows[] = {
        {"plus signs", "+++abc+++", "a+++abc+++b ++abc++", "a***b ++abc++"},
        {"a regex", "^(a+)+$[x]{2,}\\d.*|?", "^(a+)+$[x]{2,}\\d.*|? aa x", "*** aa x"},
        {"a template", "{{s}}%s%n$HOME`id`", "= {{s}}%s%n$HOME`id`", "= ***"},
        {"lines, as a terminal ends them", "ab\ncd\nef", "ab\r\ncd\r\nef ab", "*** ab"},
        {"no UTF-8", "p\xE4ssw\xF6rt", "p\xE4ssw\xF6rt p\xEF\xBF\xBDssw\xEF\xBF\xBDrt", "*** ***"},
        {"a word of ours", "****", "****", "***"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct mask *mask = mask_new();
        size_t length;
        mask_add(mask, rows[i].value, strlen(rows[i].value));
        g_autofree char *masked = mask_bytes(mask, rows[i].text, strlen(rows[i].text), &length);
        if (strcmp(masked, rows[i].masked) != 0)
            row_failed(rows[i].why, "got '%s'", masked);
        mask_free(mask);
    }
}

static void test_cut(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *masked;
    } rows[] = {
        {"all of it", "x 0123456789abcdefghij0123456789abcdefghij y", "x *** y"},
        {"cut at the end", "x 0123456789abcdefghij", "x ***"},
        {"cut with something behind", "no host '0123456789abcdefghij012' here", "no host '***' here"},
        {"too little to tell", "x 0123456789abcdefghi", "x 0123456789abcdefghi"},
    };
    struct mask *mask = mask_new();
    mask_add(mask, "0123456789abcdefghij0123456789abcdefghij", 40);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        size_t length;
        g_autofree char *masked = mask_cut_bytes(mask, rows[i].text, strlen(rows[i].text), &length);
        if (strcmp(masked, rows[i].masked) != 0)
            row_failed(rows[i].why, "got '%s'", masked);
    }
    mask_free(mask);
}

static void test_held(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text;
        size_t held;
    } rows[] = {
        {"nothing", "other", 0},
        {"a beginning", "x abc", 3},
        {"a whole one whose end begins one", "abca", 0},
        {"and one more letter", "abcaab", 2},
        {"a whole one that a longer one begins with", "12345", 5},
        {"not the longer one", "12345?", 0},
    };
    struct mask *mask = mask_new();
    mask_add(mask, "abca", 4);
    mask_add(mask, "12345", 5);
    mask_add(mask, "1234567", 7);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        size_t held = mask_held(mask, rows[i].text, strlen(rows[i].text));
        if (held != rows[i].held)
            row_failed(rows[i].why, "held %zu", held);
    }
    mask_free(mask);
}

/* A stream that keeps what is held and masks the rest says the same as one text, wherever it is cut. */
static void test_chunks(void **state)
{
    (void)state;
    static const char text[] = "one s3cr+t/p&ss 'w\"rd\\é two s3cr+t/p&ss s3s3cr+t/p&ss 'w\"rd\\é";
    struct mask *mask = mask_new();
    size_t length, count = strlen(text);
    mask_add(mask, SECRET, strlen(SECRET));
    g_autofree char *whole = mask_bytes(mask, text, count, &length);
    for (size_t first = 0; first <= count; first++)
        for (size_t second = first; second <= count; second++) {
            const size_t cuts[] = {first, second, count};
            g_autoptr(GString) pending = g_string_new(NULL), out = g_string_new(NULL);
            size_t done = 0;
            for (size_t i = 0; i < G_N_ELEMENTS(cuts); i++) {
                g_string_append_len(pending, text + done, (gssize)(cuts[i] - done));
                done = cuts[i];
                size_t held = i + 1 < G_N_ELEMENTS(cuts) ? mask_held(mask, pending->str, pending->len) : 0;
                g_autofree char *masked = mask_bytes(mask, pending->str, pending->len - held, &length);
                g_string_append(out, masked);
                g_string_erase(pending, 0, (gssize)(pending->len - held));
            }
            if (strcmp(out->str, whole) != 0)
                row_failed("chunks", "cut at %zu and %zu: %s", first, second, out->str);
        }
    mask_free(mask);
}

static void test_json(void **state)
{
    (void)state;
    struct mask *mask = mask_new();
    assert_false(mask_add(mask, "abc", 3));
    assert_true(mask_is_empty(mask));
    mask_add(mask, "hunter2", 7);
    g_autoptr(json_t) value =
        json_pack("{s:[s, {s:s}], s:i, s:s}", "a", "my hunter2", "k", "x", "n", 7, "hunter2", "y");
    g_autoptr(json_t) other = json_pack("[s, i]", "hunter3", 2);
    g_autoptr(json_t) masked = mask_json(mask, value), same = mask_json(mask, other);
    g_autofree char *text = json_text(masked);
    assert_string_equal(text, "{\"***\":\"y\",\"a\":[\"my ***\",{\"k\":\"x\"}],\"n\":7}");
    assert_ptr_equal(same, other);
    mask_free(mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms),  cmocka_unit_test(test_base64),
                                       cmocka_unit_test(test_lines),  cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_cut),    cmocka_unit_test(test_held),
                                       cmocka_unit_test(test_chunks), cmocka_unit_test(test_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

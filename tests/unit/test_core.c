/* core's small modules: errors, op, clock, log, crypto, secret, finding. */
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/finding.h"
#include "core/log.h"
#include "core/op.h"
#include "core/secret.h"
#include "tests/unit/support.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* errors */

static void test_error_codes(void **state)
{
    (void)state;
    for (int code = 0; code < ERROR_COUNT; code++) {
        assert_int_equal(errors_from_code(errors_code(code)), code); /* also: no code is there twice */
        assert_in_range(errors_http_status(code), 400, 599);
        assert_in_range(errors_exit_status(code), 1, 6);
        assert_true(strlen(errors_text(code)) > 0);
    }
    assert_int_equal(errors_from_code("no such"), ERROR_INTERNAL);
    assert_int_equal(errors_from_code(NULL), ERROR_INTERNAL);
    assert_string_equal(errors_code(-1), "internal");
    assert_string_equal(errors_code(ERROR_COUNT), "internal");
    g_autoptr(GError) file = g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_NOENT, "x");
    g_autoptr(GError) foreign = g_error_new_literal(G_MARKUP_ERROR, 0, "x");
    assert_int_equal(errors_of(file), ERROR_IO);
    assert_int_equal(errors_of(foreign), ERROR_INTERNAL);
}

/* op */

struct op_seen {
    int done, cancelled, code;
    struct op *op;
};

static void on_done(void *arg, json_t *result, const GError *error)
{
    struct op_seen *seen = arg;
    seen->done++;
    seen->code = error != NULL ? errors_of(error) : (int)json_integer_value(result);
    if (seen->op != NULL)
        op_unref(g_steal_pointer(&seen->op));
}

static void on_cancel(void *arg, int code)
{
    struct op_seen *seen = arg;
    seen->cancelled++;
    seen->code = code;
}

static GError *new_error(void)
{
    return g_error_new_literal(HIKESHI_ERROR, ERROR_LOST, "x");
}

static void test_op_first_done_wins(void **state)
{
    (void)state;
    struct op_seen seen = {0};
    struct op *op = op_new(on_done, &seen);
    op_done(op, json_integer(7), NULL);
    assert_true(op_ended(op));
    op_done(op, json_integer(8), new_error());
    op_cancel(op, ERROR_TIMEOUT);
    op_abandon(op);
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.code, 7);
    op_unref(op);
}

static void test_op_cancel(void **state)
{
    (void)state;
    struct op_seen alone = {0}, seen = {0};
    struct op *op = op_new(on_done, &alone);
    op_cancel(op, ERROR_TIMEOUT); /* nobody to ask: ends at once */
    assert_int_equal(alone.done, 1);
    assert_int_equal(alone.code, ERROR_TIMEOUT);
    op_unref(op);

    op = op_new(on_done, &seen);
    op_on_cancel(op, on_cancel, &seen);
    op_cancel(op, ERROR_TIMEOUT);
    op_cancel(op, ERROR_CANCELLED); /* asked once */
    assert_int_equal(seen.cancelled, 1);
    assert_int_equal(seen.done, 0);
    op_done(op, NULL, new_error());
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.code, ERROR_LOST);
    op_unref(op);
}

static void test_op_abandon(void **state)
{
    (void)state;
    struct op_seen seen = {0};
    struct op *op = op_ref(op_new(on_done, &seen));
    op_on_cancel(op, on_cancel, &seen);
    op_abandon(op);
    assert_int_equal(seen.cancelled, 1);
    op_unref(op);
    op_done(op, json_integer(1), NULL); /* the machinery comes late, on its own reference */
    assert_int_equal(seen.done, 0);
    op_unref(op);
}

static void test_op_abandon_when_cancelling(void **state)
{
    (void)state;
    struct op_seen seen = {0};
    struct op *op = op_new(on_done, &seen);
    op_on_cancel(op, on_cancel, &seen);
    op_cancel(op, ERROR_TIMEOUT);
    assert_false(op_abandoned(op));
    op_abandon(op);
    assert_true(op_abandoned(op));
    assert_int_equal(seen.cancelled, 1);
    op_done(op, NULL, new_error());
    assert_int_equal(seen.done, 0);
    op_unref(op);
}

static void test_op_freed_in_done(void **state)
{
    (void)state;
    struct op_seen seen = {0};
    seen.op = op_new(on_done, &seen);
    op_done(seen.op, json_integer(1), NULL);
    assert_int_equal(seen.done, 1);
    assert_null(seen.op);
}

/* clock */

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text;
        int64_t ms; /* -1: refused */
        const char *formatted;
    } rows[] = {
        {"UTC", "2026-11-21T22:42:23.000Z", 1795300943000, NULL},
        {"no fraction", "2026-11-21T22:42:23Z", 1795300943000, "2026-11-21T22:42:23.000Z"},
        {"long fraction", "2026-11-21T22:42:23.123456789Z", 1795300943123, "2026-11-21T22:42:23.123Z"},
        {"short fraction", "2026-11-21T22:42:23.5Z", 1795300943500, "2026-11-21T22:42:23.500Z"},
        {"offset", "2026-11-22T07:42:23+09:00", 1795300943000, "2026-11-21T22:42:23.000Z"},
        {"negative offset", "2026-11-21T17:12:23-05:30", 1795300943000, "2026-11-21T22:42:23.000Z"},
        {"small letters and a space", "2026-11-21 22:42:23z", 1795300943000, "2026-11-21T22:42:23.000Z"},
        {"leap day", "2024-02-29T00:00:00Z", 1709164800000, "2024-02-29T00:00:00.000Z"},
        {"leap day of a century", "2000-02-29T00:00:00Z", 951782400000, "2000-02-29T00:00:00.000Z"},
        {"leap second", "2016-12-31T23:59:60Z", 1483228800000, "2017-01-01T00:00:00.000Z"},
        {"the epoch", "1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000Z"},
        {"Alertmanager's zero", "0001-01-01T00:00:00Z", -62135596800000, "0001-01-01T00:00:00.000Z"},
        {"no leap day", "2026-02-29T00:00:00Z", -1, NULL},
        {"no leap day of a century", "1900-02-29T00:00:00Z", -1, NULL},
        {"month 13", "2026-13-01T00:00:00Z", -1, NULL},
        {"hour 24", "2026-01-01T24:00:00Z", -1, NULL},
        {"no zone", "2026-01-01T00:00:00", -1, NULL},
        {"only a date", "2026-01-01", -1, NULL},
        {"trailing text", "2026-01-01T00:00:00Zx", -1, NULL},
        {"an empty fraction", "2026-01-01T00:00:00.Z", -1, NULL},
        {"empty", "", -1, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int64_t ms = -1;
        g_autoptr(GError) error = NULL;
        bool parsed = clock_parse(rows[i].text, &ms, &error);
        if (parsed != (error == NULL) || (rows[i].ms != -1 && ms != rows[i].ms) || (rows[i].ms == -1 && parsed))
            row_failed(rows[i].why, "%s became %lld", rows[i].text, (long long)ms);
        g_autofree char *formatted = clock_format(ms);
        if (parsed && strcmp(formatted, rows[i].formatted != NULL ? rows[i].formatted : rows[i].text) != 0)
            row_failed(rows[i].why, "formatted as %s", formatted);
    }
}

static void test_times_agree_with_glib(void **state)
{
    (void)state;
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    for (int64_t day = -40000; day < 80000; day += 13) { /* 1860 to 2189 */
        g_autoptr(GDateTime) epoch = g_date_time_new_from_unix_utc(0);
        g_autoptr(GDateTime) date = g_date_time_add_days(epoch, (gint)day);
        g_autofree char *expected = g_date_time_format(date, "%Y-%m-%dT00:00:00.000Z");
        g_autofree char *text = clock_format(day * 86400000);
        assert_string_equal(text, expected);
        int64_t ms;
        assert_true(clock_parse(text, &ms, NULL));
        assert_int_equal(ms, day * 86400000);
    }
    g_autofree char *before = clock_format(-1);
    assert_string_equal(before, "1969-12-31T23:59:59.999Z");
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        {"30s", 30000},
        {"10m", 600000},
        {"1h30m", 5400000},
        {"2d", 172800000},
        {"500ms", 500},
        {"1w", 604800000},
        {"90", 90000},
        {"0", 0},
        {"1h1ms", 3600001},
        {"400d", 34560000000},
        {"1m30", -1},
        {"10m1h", -1},
        {"1h1h", -1},
        {"", -1},
        {"-5s", -1},
        {"5 s", -1},
        {"1.5h", -1},
        {"s", -1},
        {"1y", -1},
        {"99999999999999999999s", -1},
        {"9223372036854775807", -1},
        {"200w5200w", -1},
        {"36525d1s", -1},
        {"36525d", INT64_C(3155760000000)},
        {"1H", -1},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int64_t ms = -1;
        bool parsed = clock_duration_parse(rows[i].text, &ms, NULL);
        if (parsed != (rows[i].ms != -1) || (parsed && ms != rows[i].ms))
            row_failed(rows[i].text, "became %lld", (long long)ms);
    }
    static const struct {
        int64_t ms;
        const char *text;
    } shown[] = {{0, "0 ms"},        {850, "850 ms"},     {3250, "3.2 s"},       {250000, "4m 10s"},
                 {7500000, "2h 5m"}, {90000000, "1d 1h"}, {INT64_C(-5), "0 ms"}, {59999, "59.9 s"}};
    for (size_t i = 0; i < G_N_ELEMENTS(shown); i++) {
        g_autofree char *text = clock_duration_format(shown[i].ms);
        assert_string_equal(text, shown[i].text);
    }
}

static void test_fake_clock(void **state)
{
    (void)state;
    clock_set_fake(1000);
    assert_int_equal(clock_now_ms(), 1000);
    clock_set_fake(-1);
    assert_true(clock_now_ms() > 1700000000000);
}

/* log */

/* What one call writes to stderr. */
static char *logged(enum log_format format, const char *key, const char *value)
{
    int fds[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    clock_set_fake(0);
    log_init("test", LOG_LEVEL_INFO, format);
    dup2(fds[1], STDERR_FILENO);
    log_debug("not written", NULL);
    log_info("run ended", key, value, NULL);
    dup2(saved, STDERR_FILENO);
    clock_set_fake(-1);
    close(saved);
    close(fds[1]);
    char *text = g_malloc0(8192);
    assert_true(read(fds[0], text, 8191) > 0);
    close(fds[0]);
    return text;
}

static void test_log(void **state)
{
    (void)state;
    static const struct {
        const char *why, *value, *text;
    } rows[] = {
        {"a plain word", "run_1", "run_1"},
        {"nothing", NULL, "-"},
        {"a dash", "-", "\"-\""},
        {"empty", "", "\"\""},
        {"spaces and equals signs cannot make a pair", "a b=c", "\"a b=c\""},
        {"newlines", "a\nb\r", "\"a\\nb\\x0d\""},
        {"quotes", "a\"b\\", "\"a\\\"b\\\\\""},
        {"ANSI", "\x1b[31m", "\"\\x1b[31m\""},
        {"C1 control",
         "\xc2\x9b"
         "31m",
         "\"\\u{9b}31m\""},
        {"right-to-left override",
         "\xe2\x80\xae"
         "x",
         "\"\\u{202e}x\""},
        {"line separator", "\xe2\x80\xa8", "\"\\u{2028}\""},
        {"bad UTF-8", "a\xff", "\"a\\xff\""},
        {"UTF-8", "caf\xc3\xa9", "\"caf\xc3\xa9\""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *line = logged(LOG_FORMAT_TEXT, "key", rows[i].value);
        g_autofree char *wanted =
            g_strdup_printf("1970-01-01T00:00:00.000Z info  test: run ended key=%s\n", rows[i].text);
        if (strcmp(line, wanted) != 0)
            row_failed(rows[i].why, "%s", line);
    }
    g_autofree char *json = logged(LOG_FORMAT_JSON, "key", "a\n\xff");
    assert_string_equal(
        json, "{\"key\":\"a\\n\xef\xbf\xbd\",\"level\":\"info\",\"message\":\"run ended\",\"process\":\"test\","
              "\"time\":\"1970-01-01T00:00:00.000Z\"}\n");
    g_autofree char *long_value = g_strnfill(100000, 'x'), *cut = logged(LOG_FORMAT_TEXT, "key", long_value);
    assert_in_range(strlen(cut), 2048, 2200);
    enum log_level level;
    assert_true(log_level_from_name("warn", &level));
    assert_int_equal(level, LOG_LEVEL_WARN);
    assert_false(log_level_from_name("loud", &level));
}

/* crypto */

static void test_hashes(void **state)
{
    (void)state;
    uint8_t mac[32];
    g_autofree char *hash = crypto_sha256_hex("abc", 3);
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180-4 */
    crypto_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac); /* RFC 4231, case 2 */
    g_autofree char *sha256 = crypto_hex(mac, 32);
    assert_string_equal(sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    crypto_hmac_sha1("Jefe", 4, "what do ya want for nothing?", 28, mac); /* RFC 2202, case 2 */
    g_autofree char *sha1 = crypto_hex(mac, 20);
    assert_string_equal(sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    uint8_t key[131];
    memset(key, 0xaa, sizeof key);
    crypto_hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, mac); /* case 6 */
    g_autofree char *larger = crypto_hex(mac, 32);
    assert_string_equal(larger, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_true(crypto_equal("abc", "abc", 3));
    assert_false(crypto_equal("abc", "abd", 3));
}

static void test_ids_sort(void **state)
{
    (void)state;
    g_autofree char *previous = crypto_id("run");
    assert_int_equal(strlen(previous), 4 + 20);
    for (int i = 0; i < 20000; i++) { /* many within one millisecond */
        char *next = crypto_id("run");
        assert_true(strcmp(previous, next) < 0);
        g_free(previous);
        previous = next;
    }
    clock_set_fake(1000); /* the clock went back */
    g_autofree char *back = crypto_id("run");
    clock_set_fake(-1);
    assert_true(strcmp(previous, back) < 0);
}

static void test_tokens(void **state)
{
    (void)state;
    g_autofree char *a = crypto_token(), *b = crypto_token();
    assert_int_equal(strlen(a), 47);
    assert_true(g_str_has_prefix(a, "hks_"));
    assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 47);
    assert_string_not_equal(a, b);
}

/* secret */

static void test_secrets(void **state)
{
    (void)state;
    g_autofree char *folder = g_dir_make_tmp("hikeshi-secret-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "s", NULL), *reference = g_strconcat("file:", path, NULL);
    g_autofree char *large = g_strnfill(64 * 1024 + 1, 'x');
    const struct {
        const char *why, *content;
        gssize length;
        const char *value;
    } rows[] = {
        {"one newline goes", "s3cret\n", -1, "s3cret"},
        {"only one", "s3cret\n\n", -1, "s3cret\n"},
        {"no newline", "s3cret", -1, "s3cret"},
        {"empty", "", -1, ""},
        {"NUL", "a\0b", 3, NULL},
        {"too large", large, -1, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        assert_true(g_file_set_contents(path, rows[i].content, rows[i].length, NULL));
        g_autoptr(GError) error = NULL;
        char *value = secret_resolve(reference, &error);
        if (g_strcmp0(value, rows[i].value) != 0 ||
            (value == NULL) != (errors_of(error) == ERROR_SECRET && error != NULL))
            row_failed(rows[i].why, "%s", value);
        secret_free(value);
    }
    g_unlink(path);
    g_rmdir(folder);
}

static void test_secret_references(void **state)
{
    (void)state;
    g_setenv("HIKESHI_TEST_SECRET", "v", TRUE);
    char *value = secret_resolve("env:HIKESHI_TEST_SECRET", NULL);
    assert_string_equal(value, "v");
    secret_free(value);
    g_unsetenv("HIKESHI_TEST_SECRET");
    static const struct {
        const char *reference, *message;
    } rows[] = {
        {"env:HIKESHI_TEST_SECRET", "secret 'env:HIKESHI_TEST_SECRET': the environment variable is not set"},
        {"file:/nonexistent", "secret 'file:/nonexistent': cannot open the file: No such file or directory"},
        {"hunter2", "a secret must be a reference, env:NAME or file:PATH"}, /* never printed */
        {"env:", "a secret must be a reference, env:NAME or file:PATH"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(secret_resolve(rows[i].reference, &error));
        assert_string_equal(error->message, rows[i].message);
    }
    assert_false(secret_is_reference(NULL));
    secret_free(NULL);
}

/* finding */

static void test_findings(void **state)
{
    (void)state;
    g_autoptr(finding_list) list = finding_list_new(), copy = finding_list_new();
    finding_add(list, "b-rule", FINDING_ERROR, "b.md", 3, 5, "hosts", "unknown key '%s'", "hsots");
    finding_add(list, "a-rule", FINDING_WARNING, "b.md", 3, 5, NULL, "x");
    finding_add(list, "c-rule", FINDING_NOTE, "a.md", 0, 0, NULL, "whole file");
    finding_sort(list);
    finding_append(copy, list);
    assert_int_equal(finding_count(copy), 3);
    assert_int_equal(finding_count_level(copy, FINDING_ERROR), 1);
    g_autofree char *first = finding_to_text(finding_at(copy, 0)), *last = finding_to_text(finding_at(copy, 2));
    assert_string_equal(first, "a.md: note: whole file [c-rule]");
    assert_string_equal(last, "b.md:3:5: error: unknown key 'hsots' (did you mean 'hosts'?) [b-rule]");
    g_autoptr(json_t) json = finding_to_json(finding_at(copy, 2));
    g_autofree char *text = json_text(json);
    assert_string_equal(text,
                        "{\"column\":5,\"file\":\"b.md\",\"level\":\"error\",\"line\":3,\"message\":\"unknown key "
                        "'hsots'\",\"rule\":\"b-rule\",\"suggestion\":\"hosts\"}");
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const words[] = {"hosts", "host", "severity", "triggers", "on_error", NULL};
    static const char *const rows[][2] = {{"hsots", "hosts"},
                                          {"severtiy", "severity"},
                                          {"trigger", "triggers"},
                                          {"onerror", "on_error"},
                                          {"x", NULL},
                                          {"completely", NULL},
                                          {"", NULL},
                                          {"hos", "host"}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_strcmp0(finding_nearest(rows[i][0], words), rows[i][1]) != 0)
            row_failed(rows[i][0], "%s", finding_nearest(rows[i][0], words));
    g_autofree char *huge = g_strnfill(1000000, 'h');
    assert_null(finding_nearest(huge, words));
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_codes),
        cmocka_unit_test(test_op_first_done_wins),
        cmocka_unit_test(test_op_cancel),
        cmocka_unit_test(test_op_abandon),
        cmocka_unit_test(test_op_abandon_when_cancelling),
        cmocka_unit_test(test_op_freed_in_done),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_times_agree_with_glib),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_fake_clock),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_ids_sort),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_secret_references),
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* cron: expressions, and when they fire where clocks change. Times of zones are those of the IANA database. */
#include "tests/unit/support.h"

#include "core/clock.h"
#include "jobs/cron.h"
#include <string.h>

static void test_fires(void **state)
{
    (void)state;
    static const struct {
        const char *why, *cron, *zone, *after;
        const char *next[5]; /* UTC */
    } rows[] = {
        {"strictly after", "0 9 * * *", "UTC", "2026-01-01T09:00:00Z", {"2026-01-02T09:00"}},
        {"one millisecond before", "0 9 * * *", "UTC", "2026-01-01T08:59:59.999Z", {"2026-01-01T09:00"}},
        {"weekdays", "0 9 * * MON-FRI", "Asia/Tokyo", "2026-11-20T00:00:00Z", {"2026-11-23T00:00", "2026-11-24T00:00"}},
        {"Sunday is 0 and 7", "0 0 * * 7", "UTC", "2026-11-16T00:00:00Z", {"2026-11-22T00:00", "2026-11-29T00:00"}},
        {"Saturday to Sunday",
         "0 0 * * SAT-SUN",
         "UTC",
         "2026-11-16T00:00:00Z",
         {"2026-11-21T00:00", "2026-11-22T00:00", "2026-11-28T00:00"}},
        {"steps in a range",
         "10-30/10 8 * * *",
         "UTC",
         "2026-01-01T00:00:00Z",
         {"2026-01-01T08:10", "2026-01-01T08:20", "2026-01-01T08:30", "2026-01-02T08:10"}},
        {"names of months",
         "0 0 1 feb,DEC *",
         "UTC",
         "2026-01-15T00:00:00Z",
         {"2026-02-01T00:00", "2026-12-01T00:00", "2027-02-01T00:00"}},
        {"both days restricted: either",
         "0 0 13 * FRI",
         "UTC",
         "2026-02-10T00:00:00Z",
         {"2026-02-13T00:00", "2026-02-20T00:00"}},
        {"a day field with * restricts nothing but its step",
         "0 0 */2 * MON",
         "UTC",
         "2026-11-01T00:00:00Z",
         {"2026-11-09T00:00", "2026-11-23T00:00", "2026-12-07T00:00"}},
        {"leap day", "0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", {"2028-02-29T00:00", "2032-02-29T00:00"}},
        {"leap day over 2100", "0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", {"2104-02-29T00:00"}},
        {"the 31st", "0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", {"2026-03-31T00:00", "2026-05-31T00:00"}},
        {"never", "0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", {"never"}},
        {"never, every hour", "* * 31 4 *", "UTC", "2026-01-01T00:00:00Z", {"never"}},
        {"shortcut", "@weekly", "UTC", "2026-11-16T00:00:00Z", {"2026-11-22T00:00"}},
        {"shortcut @annually", "@annually", "UTC", "2026-11-16T00:00:00Z", {"2027-01-01T00:00"}},

        {"Berlin: 02:30 does not exist, end of the gap",
         "30 2 * * *",
         "Europe/Berlin",
         "2026-03-28T12:00:00Z",
         {"2026-03-29T01:00", "2026-03-30T00:30"}},
        {"Berlin: several in the gap are one",
         "*/15 2 * * *",
         "Europe/Berlin",
         "2026-03-28T12:00:00Z",
         {"2026-03-29T01:00", "2026-03-30T00:00", "2026-03-30T00:15"}},
        {"Berlin: the gap's end and 03:00 are one",
         "30 2,3 * * *",
         "Europe/Berlin",
         "2026-03-29T00:00:00Z",
         {"2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:30"}},
        {"Berlin: 03:00 itself",
         "0 2,3 * * *",
         "Europe/Berlin",
         "2026-03-29T00:00:00Z",
         {"2026-03-29T01:00", "2026-03-30T00:00"}},
        {"Berlin: 02:30 twice, the first",
         "30 2 * * *",
         "Europe/Berlin",
         "2026-10-24T12:00:00Z",
         {"2026-10-25T00:30", "2026-10-26T01:30"}},
        {"Berlin: asked between the two", "30 2 * * *", "Europe/Berlin", "2026-10-25T01:00:00Z", {"2026-10-26T01:30"}},
        {"Berlin: real time in spring",
         "30 * * * *",
         "Europe/Berlin",
         "2026-03-29T00:00:00Z",
         {"2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"}},
        {"Berlin: real time in autumn",
         "30 */1 * * *",
         "Europe/Berlin",
         "2026-10-24T23:45:00Z",
         {"2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"}},
        {"Berlin: even hours, real time",
         "0 */2 * * *",
         "Europe/Berlin",
         "2026-10-24T23:00:00Z",
         {"2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T03:00"}},

        {"New York: spring",
         "30 2 * * *",
         "America/New_York",
         "2026-03-07T12:00:00Z",
         {"2026-03-08T07:00", "2026-03-09T06:30"}},
        {"New York: autumn",
         "30 1 * * *",
         "America/New_York",
         "2026-10-31T12:00:00Z",
         {"2026-11-01T05:30", "2026-11-02T06:30"}},
        {"Tokyo: no changes",
         "30 2 * * *",
         "Asia/Tokyo",
         "2026-03-28T18:00:00Z",
         {"2026-03-29T17:30", "2026-03-30T17:30"}},
        {"Lord Howe: half an hour is missing",
         "15 2 * * *",
         "Australia/Lord_Howe",
         "2026-10-03T00:00:00Z",
         {"2026-10-03T15:30", "2026-10-04T15:15"}},
        {"Lord Howe: 02:30 exists",
         "30 2 * * *",
         "Australia/Lord_Howe",
         "2026-10-03T00:00:00Z",
         {"2026-10-03T15:30", "2026-10-04T15:30"}},
        {"Lord Howe: half an hour comes twice",
         "45 1 * * *",
         "Australia/Lord_Howe",
         "2026-04-03T18:00:00Z",
         {"2026-04-04T14:45", "2026-04-05T15:15"}},
        {"Lord Howe: real time",
         "45 * * * *",
         "Australia/Lord_Howe",
         "2026-04-04T14:30:00Z",
         {"2026-04-04T14:45", "2026-04-04T15:15", "2026-04-04T16:15"}},
        {"before 1970", "0 0 1 1 *", "UTC", "1969-06-01T00:00:00Z", {"1970-01-01T00:00"}},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(cron_t) cron = cron_parse(rows[i].cron, &error);
        g_autoptr(GTimeZone) zone = cron_zone(rows[i].zone, &error);
        int64_t at;
        if (!cron || !zone || !clock_parse(rows[i].after, &at, &error))
            row_failed(rows[i].why, "%s", error->message);
        for (size_t k = 0; k < G_N_ELEMENTS(rows[i].next) && rows[i].next[k]; k++) {
            at = cron_next(cron, zone, at);
            g_autofree char *got =
                at < 0 && strcmp(rows[i].next[k], "never") == 0 ? g_strdup("never") : clock_format(at);
            if (!g_str_has_prefix(got, rows[i].next[k]))
                row_failed(rows[i].why, "number %zu is %s, not %s", k + 1, got, rows[i].next[k]);
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *cron, *message;
    } rows[] = {
        {"", "cron: column 1: expected 5 fields (minute hour day month weekday), found 0"},
        {"* * * *", "cron: column 8: expected 5 fields (minute hour day month weekday), found 4"},
        {"0 0 12 * * ?", "cron: column 13: expected 5 fields (minute hour day month weekday), found 6"},
        {"0 0 ? * 1", "cron: column 5: day of month: '?' is not supported, write '*'"},
        {"0 0 12 * * 1", NULL},
        {"60 * * * *", "cron: column 1: minute: 60 is not from 0 to 59"},
        {"* 24 * * *", "cron: column 3: hour: 24 is not from 0 to 23"},
        {"* * 0 * *", "cron: column 5: day of month: 0 is not from 1 to 31"},
        {"* * * 13 *", "cron: column 7: month: 13 is not from 1 to 12"},
        {"* * * * 8", "cron: column 9: day of week: 8 is not from 0 to 7"},
        {"* * L * *", "cron: column 5: day of month: 'L' (last) is not supported"},
        {"* * 15W * *", "cron: column 7: day of month: 'W' (nearest weekday) is not supported"},
        {"* * * * 5#2", "cron: column 10: day of week: '#' (nth weekday) is not supported"},
        {"* * * * FRIL", "cron: column 9: day of week: unknown name 'FRIL'"},
        {"* * * * MAN", "cron: column 9: day of week: unknown name 'MAN'"},
        {"*/0 * * * *", "cron: column 3: minute: 0 is not from 1 to 9999"},
        {"5/10 * * * *", "cron: column 3: minute: a step needs '*' or a range in front of it"},
        {"30-10 * * * *", "cron: column 6: minute: the range runs backwards"},
        {"1,,2 * * * *", "cron: column 3: minute: expected a number from 0 to 59"},
        {"1- * * * *", "cron: column 3: minute: expected a number from 0 to 59"},
        {"*x * * * *", "cron: column 2: minute: unexpected 'x'"},
        {"*\xff * * * *", "cron: column 2: minute: unexpected byte 0xff"},
        {"-1 * * * *", "cron: column 1: minute: expected a number from 0 to 59"},
        {"99999999999 * * * *", NULL},
        {"@reboot", "cron: column 1: '@reboot' is not supported: a server that starts is no time of day"},
        {"@never", "cron: column 1: unknown name '@never'"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(cron_parse(rows[i].cron, &error));
        if (rows[i].message)
            assert_string_equal(error->message, rows[i].message);
    }
    static const char *const zones[] = {"",       "Asia/Tokio",  "/etc/passwd", "../../etc/passwd",
                                        "+02:00", ":Asia/Tokyo", "Asia"};
    for (size_t i = 0; i < G_N_ELEMENTS(zones); i++) {
        g_autoptr(GError) error = NULL;
        GTimeZone *zone = cron_zone(zones[i], &error);
        if (zone)
            row_failed(zones[i], "a zone that should not be one");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fires), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

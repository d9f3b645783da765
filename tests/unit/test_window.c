/* window: hours of a week and days of a calendar, in somebody's time zone. */
#include "support.h"

#include "core/clock.h"
#include "core/finding.h"
#include "jobs/window.h"

static const struct yaml_node at = {.kind = YAML_MAP, .line = 1, .column = 1};

static json_t *make(const char *days, const char *from, const char *to, struct finding_list *findings)
{
    const struct field_reader reader = {.file = "t.yaml", .findings = findings};
    const struct window_text text = {(char *)days, (char *)from, (char *)to};
    return window_make(&reader, &at, &text, true);
}

static void test_holds(void **state)
{
    (void)state;
    static const struct {
        const char *days, *from, *to, *at;
        bool wanted;
        const char *why;
    } rows[] = {
        /* 2026-11-20 is a Friday; Tokyo is nine hours ahead of UTC */
        {"MON-FRI", "09:30", "18:30", "2026-11-20T00:30:00Z", true, "the first minute, 09:30 in Tokyo"},
        {"MON-FRI", "09:30", "18:30", "2026-11-20T00:29:59Z", false, "a second before"},
        {"MON-FRI", "09:30", "18:30", "2026-11-20T09:30:00Z", false, "the end is outside"},
        {"MON-FRI", "09:30", "18:30", "2026-11-21T03:00:00Z", false, "Saturday"},
        {"sat,SUN", NULL, NULL, "2026-11-20T15:00:00Z", true, "Saturday has begun in Tokyo; the whole day"},
        {NULL, "22:00", "06:00", "2026-11-20T13:00:00Z", true, "22:00, over midnight"},
        {NULL, "22:00", "06:00", "2026-11-20T20:59:00Z", true, "05:59"},
        {NULL, "22:00", "06:00", "2026-11-20T21:00:00Z", false, "06:00"},
        {"FRI", "22:00", "06:00", "2026-11-20T20:00:00Z", true, "Saturday 05:00 is the end of Friday's night"},
        {"FRI", "22:00", "06:00", "2026-11-19T20:00:00Z", false, "Friday 05:00 is Thursday's night"},
        {"FRI-MON", NULL, NULL, "2026-11-22T03:00:00Z", true, "days over the weekend"},
        {"FRI-MON", NULL, NULL, "2026-11-18T03:00:00Z", false, "and not the others"},
        {NULL, "18:00", "24:00", "2026-11-20T14:59:00Z", true, "24:00 is the end of the day"},
        {NULL, "2026-12-24", "2027-01-02", "2026-12-23T15:00:00Z", true, "the first day begins in Tokyo"},
        {NULL, "2026-12-24", "2027-01-02", "2027-01-02T14:59:00Z", true, "the last day is inside"},
        {NULL, "2026-12-24", "2027-01-02", "2027-01-02T15:00:00Z", false, "the day after is not"},
        {NULL, "2026-12-24T18:00", "2026-12-24T20:00", "2026-12-24T10:59:00Z", true, "to the minute"},
        {NULL, "2026-12-24T18:00", "2026-12-24T20:00", "2026-12-24T11:00:00Z", false, "its end"},
    };
    g_autoptr(GTimeZone) tokyo = g_time_zone_new_identifier("Asia/Tokyo");
    assert_non_null(tokyo);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(finding_list) findings = finding_list_new();
        g_autoptr(json_t) window = make(rows[i].days, rows[i].from, rows[i].to, findings);
        int64_t ms;
        assert_true(clock_parse(rows[i].at, &ms, NULL));
        if (!window || window_holds(window, tokyo, ms) != rows[i].wanted)
            row_failed(rows[i].why, "%s", window ? "the other way round" : "unreadable");
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *days, *from, *to, *wanted;
    } rows[] = {
        {NULL, NULL, NULL, "'days', or 'from' and 'to', are missing"},
        {"MON-FRY", NULL, NULL, "'days' must be days such as MON-FRI or SAT,SUN"},
        {"", NULL, NULL, "'days' must be days such as MON-FRI or SAT,SUN"},
        {NULL, "9:30", NULL, "'from' and 'to' must be times such as \"09:30\""},
        {NULL, "09:60", NULL, "'from' and 'to' must be times such as \"09:30\""},
        {NULL, "00:00", "24:01", "'from' and 'to' must be times such as \"09:30\""},
        {NULL, "09:30", "09:30", "'from' and 'to' leave no time between them"},
        {NULL, "24:00", "06:00", "'from' and 'to' leave no time between them"},
        {NULL, "2026-12-24", NULL, "dates stand in both 'from' and 'to', as in 2026-12-24"},
        {NULL, "2026-13-24", "2027-01-02", "dates stand in both 'from' and 'to', as in 2026-12-24"},
        {NULL, "2026-02-30", "2027-01-02", "dates stand in both 'from' and 'to', as in 2026-12-24"},
        {NULL, "2026-12-24x", "2027-01-02", "dates stand in both 'from' and 'to', as in 2026-12-24"},
        {NULL, "2027-12-24", "2027-01-02", "'from' is not before 'to'"},
        {"MON", "2026-12-24", "2027-01-02", "'days' and dates do not go together"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(finding_list) findings = finding_list_new();
        g_autoptr(json_t) window = make(rows[i].days, rows[i].from, rows[i].to, findings);
        g_autofree char *got = window ? json_text(window) : finding_to_text(finding_at(findings, 0));
        if (!strstr(got, rows[i].wanted))
            row_failed(rows[i].wanted, "got: %s", got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_holds), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* window: see window.h. */
#include "jobs/window.h"
#include <stdio.h>
#include <string.h>

#define DAY_MINUTES (24 * 60)
#define ALL_DAYS    0x7f

void window_text_clear(struct window_text *text)
{
    g_free(text->days);
    g_free(text->from);
    g_free(text->to);
}

/* ---- reading ---- */

static int day_index(const char *name)
{
    static const char *const names[] = {"MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"};
    for (int i = 0; i < (int)G_N_ELEMENTS(names); i++)
        if (g_ascii_strcasecmp(names[i], name) == 0)
            return i;
    return -1;
}

/* MON-FRI, SAT,SUN, FRI-MON (over the weekend). 0 = unreadable. */
static int days_mask(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    int mask = 0;
    for (char **part = parts; *part; part++) {
        g_auto(GStrv) ends = g_strsplit(g_strstrip(*part), "-", 2);
        int first = ends[0] ? day_index(ends[0]) : -1, last = ends[0] && ends[1] ? day_index(ends[1]) : first;
        if (first < 0 || last < 0)
            return 0;
        for (int day = first;; day = (day + 1) % 7) {
            mask |= 1 << day;
            if (day == last)
                break;
        }
    }
    return mask;
}

/* "09:30" → 570; "24:00" is the end of the day. -1 = unreadable. */
static int minute_of(const char *text)
{
    if (strlen(text) != 5 || text[2] != ':' || strspn(text, "0123456789:") != 5)
        return -1;
    int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
    return minute > 59 || hour * 60 + minute > DAY_MINUTES ? -1 : hour * 60 + minute;
}

/* 2026-12-24 or 2026-12-24T18:00 as the second form; a bare day as `until` means its end. NULL = unreadable. g_free. */
static char *moment_of(const char *text, bool until)
{
    int year, month, day, hour = 0, minute = 0, used = 0;
    if (strspn(text, "0123456789-T:") != strlen(text))
        return NULL;
    bool whole = sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) == 3 && used == 10 && !text[used];
    if (!whole && (sscanf(text, "%4d-%2d-%2dT%2d:%2d%n", &year, &month, &day, &hour, &minute, &used) != 5 ||
                   used != 16 || text[used]))
        return NULL;
    g_autoptr(GDateTime) moment = g_date_time_new_utc(year, month, day, hour, minute, 0);
    g_autoptr(GDateTime) next = moment && whole && until ? g_date_time_add_days(moment, 1) : NULL;
    return moment ? g_date_time_format(next ? next : moment, "%Y-%m-%dT%H:%M") : NULL;
}

static json_t *make_calendar(const struct field_reader *reader, const struct yaml_node *at,
                             const struct window_text *text)
{
    g_autofree char *since = text->from ? moment_of(text->from, false) : NULL,
                    *until = text->to ? moment_of(text->to, true) : NULL;
    const char *problem = !since || !until            ? "dates stand in both 'from' and 'to', as in 2026-12-24"
                          : text->days                ? "'days' and dates do not go together"
                          : strcmp(since, until) >= 0 ? "'from' is not before 'to'"
                                                      : NULL;
    if (!problem)
        return json_pack("{s:s, s:s}", "since", since, "until", until);
    field_error(reader, "bad-value", at, NULL, "%s", problem);
    return NULL;
}

json_t *window_make(const struct field_reader *reader, const struct yaml_node *at, const struct window_text *text,
                    bool dates)
{
    if (dates && ((text->from && strchr(text->from, '-')) || (text->to && strchr(text->to, '-'))))
        return make_calendar(reader, at, text);
    int days = text->days ? days_mask(text->days) : ALL_DAYS, from = text->from ? minute_of(text->from) : 0,
        to = text->to ? minute_of(text->to) : DAY_MINUTES;
    const char *problem = days == 0                                 ? "'days' must be days such as MON-FRI or SAT,SUN"
                          : from < 0 || to < 0                      ? "'from' and 'to' must be times such as \"09:30\""
                          : from == to || from == DAY_MINUTES       ? "'from' and 'to' leave no time between them"
                          : !text->days && !text->from && !text->to ? "'days', or 'from' and 'to', are missing"
                                                                    : NULL;
    if (!problem)
        return json_pack("{s:i, s:i, s:i}", "days", days, "from", from, "to", to);
    field_error(reader, "bad-value", at, NULL, "%s", problem);
    return NULL;
}

/* ---- asking ---- */

static bool week_holds(const json_t *window, GDateTime *local)
{
    int days = (int)json_get_integer(window, "days", 0), from = (int)json_get_integer(window, "from", 0),
        to = (int)json_get_integer(window, "to", 0);
    int day = g_date_time_get_day_of_week(local) - 1,
        minute = g_date_time_get_hour(local) * 60 + g_date_time_get_minute(local);
    bool today = days & (1 << day), yesterday = days & (1 << ((day + 6) % 7));
    if (from < to)
        return today && minute >= from && minute < to;
    return (today && minute >= from) || (yesterday && minute < to);
}

bool window_holds(const json_t *window, GTimeZone *zone, int64_t at_ms)
{
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(at_ms / 1000);
    g_autoptr(GDateTime) local = utc ? g_date_time_to_timezone(utc, zone) : NULL;
    const char *since = json_get_string(window, "since", NULL), *until = json_get_string(window, "until", NULL);
    if (!local)
        return false;
    if (!since || !until)
        return week_holds(window, local);
    g_autofree char *now = g_date_time_format(local, "%Y-%m-%dT%H:%M");
    return strcmp(since, now) <= 0 && strcmp(now, until) < 0;
}

/* clock: civil time by arithmetic (no time zone database, no locale), durations as text. Knows no timers. */
#include "core/clock.h"
#include "core/errors.h"
#include <string.h>
#include <time.h>

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS };

/* Longer is a mistake, and sums of a time and a duration stay far from overflow. */
static const int64_t longest_duration_ms = INT64_C(36525) * DAY_MS;

static int64_t fake_now_ms = -1;

int64_t clock_now_ms(void)
{
    int64_t fake = __atomic_load_n(&fake_now_ms, __ATOMIC_RELAXED);
    if (fake >= 0)
        return fake;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * SECOND_MS + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_ms(void)
{
    int64_t fake = __atomic_load_n(&fake_now_ms, __ATOMIC_RELAXED);
    return fake >= 0 ? fake : g_get_monotonic_time() / 1000;
}

void clock_set_fake(int64_t now_ms)
{
    __atomic_store_n(&fake_now_ms, now_ms, __ATOMIC_RELAXED);
}

struct civil {
    int64_t year;
    int month, day;
};

/* Days since 1970-01-01 and back, proleptic Gregorian. Years are counted from March so that the leap day comes last. */
static int64_t days_from_civil(struct civil date)
{
    int64_t year = date.year - (date.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct civil civil_from_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    int month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    return (struct civil){
        .year = year_of_era + era * 400 + (month <= 2),
        .month = month,
        .day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1),
    };
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

char *clock_format(int64_t ms)
{
    int64_t days = ms / DAY_MS - (ms % DAY_MS < 0);
    int64_t rest = ms - days * DAY_MS;
    struct civil date = civil_from_days(days);
    return g_strdup_printf("%04" G_GINT64_FORMAT "-%02d-%02dT%02d:%02d:%02d.%03dZ", date.year, date.month, date.day,
                           (int)(rest / HOUR_MS), (int)(rest / MINUTE_MS % 60), (int)(rest / SECOND_MS % 60),
                           (int)(rest % SECOND_MS));
}

/* Reads exactly `digits` digits and moves *at past them. */
static bool take_number(const char **at, int digits, int *ret)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (!g_ascii_isdigit((*at)[i]))
            return false;
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += digits;
    *ret = value;
    return true;
}

static bool take_char(const char **at, const char *set)
{
    if (**at == '\0' || strchr(set, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

static int take_fraction_ms(const char **at)
{
    int ms = 0, scale = 100;
    for (; g_ascii_isdigit(**at); (*at)++, scale /= 10)
        ms += (**at - '0') * scale;
    return ms;
}

/* "Z" or "+09:00". */
static bool take_offset(const char **at, int64_t *ret_ms)
{
    *ret_ms = 0;
    if (take_char(at, "Zz"))
        return true;
    int sign = **at == '-' ? -1 : 1, hours, minutes;
    if (!take_char(at, "+-") || !take_number(at, 2, &hours) || !take_char(at, ":") || !take_number(at, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret_ms = sign * ((int64_t)hours * HOUR_MS + (int64_t)minutes * MINUTE_MS);
    return true;
}

static bool parse_rfc3339(const char *at, int64_t *ret_ms)
{
    int year, month, day, hour, minute, second, fraction = 0;
    int64_t offset_ms;
    if (!take_number(&at, 4, &year) || !take_char(&at, "-") || !take_number(&at, 2, &month) || !take_char(&at, "-") ||
        !take_number(&at, 2, &day) || !take_char(&at, "Tt ") || !take_number(&at, 2, &hour) || !take_char(&at, ":") ||
        !take_number(&at, 2, &minute) || !take_char(&at, ":") || !take_number(&at, 2, &second))
        return false;
    if (take_char(&at, ".")) {
        if (!g_ascii_isdigit(*at))
            return false;
        fraction = take_fraction_ms(&at);
    }
    if (!take_offset(&at, &offset_ms) || *at != '\0')
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    int64_t days = days_from_civil((struct civil){year, month, day});
    *ret_ms = days * DAY_MS + (int64_t)hour * HOUR_MS + (int64_t)minute * MINUTE_MS + (int64_t)second * SECOND_MS +
              fraction - offset_ms;
    return true;
}

bool clock_parse(const char *text, int64_t *ret_ms, GError **error)
{
    if (parse_rfc3339(text, ret_ms))
        return true;
    errors_set(error, ERROR_PARSE, "not an RFC 3339 time: '%s'", text);
    return false;
}

static const struct {
    const char *suffix;
    int64_t ms;
} units[] = {
    {"ms", 1}, {"s", SECOND_MS}, {"m", MINUTE_MS}, {"h", HOUR_MS}, {"d", DAY_MS}, {"w", 7 * (int64_t)DAY_MS},
};

/* The unit at *at, or 0. Longest suffixes come first in the table. */
static int64_t take_unit(const char **at)
{
    for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
        if (g_str_has_prefix(*at, units[i].suffix)) {
            *at += strlen(units[i].suffix);
            return units[i].ms;
        }
    return 0;
}

static bool parse_duration(const char *at, int64_t *ret_ms)
{
    int64_t total = 0, previous_unit = INT64_MAX;
    bool first = true;
    if (!g_ascii_isdigit(*at))
        return false;
    for (; *at != '\0'; first = false) {
        char *end;
        if (!g_ascii_isdigit(*at))
            return false;
        guint64 number = g_ascii_strtoull(at, &end, 10);
        at = end;
        int64_t unit = first && *at == '\0' ? SECOND_MS : take_unit(&at);
        /* "10m1h" is more likely a slip than a wish: units fall. */
        if (unit == 0 || unit >= previous_unit || number > (guint64)(longest_duration_ms / unit))
            return false;
        previous_unit = unit;
        total += (int64_t)number * unit;
    }
    *ret_ms = total;
    return total <= longest_duration_ms;
}

bool clock_duration_parse(const char *text, int64_t *ret_ms, GError **error)
{
    if (parse_duration(text, ret_ms))
        return true;
    errors_set(error, ERROR_PARSE, "not a duration such as 30s, 10m or 1h30m (at most 100 years): '%s'", text);
    return false;
}

char *clock_duration_format(int64_t ms)
{
    if (ms < 0)
        ms = 0;
    if (ms < SECOND_MS)
        return g_strdup_printf("%d ms", (int)ms);
    if (ms < MINUTE_MS)
        return g_strdup_printf("%d.%d s", (int)(ms / SECOND_MS), (int)(ms % SECOND_MS / 100));
    if (ms < HOUR_MS)
        return g_strdup_printf("%dm %ds", (int)(ms / MINUTE_MS), (int)(ms % MINUTE_MS / SECOND_MS));
    if (ms < DAY_MS)
        return g_strdup_printf("%dh %dm", (int)(ms / HOUR_MS), (int)(ms % HOUR_MS / MINUTE_MS));
    return g_strdup_printf("%" G_GINT64_FORMAT "d %dh", ms / DAY_MS, (int)(ms % DAY_MS / HOUR_MS));
}

/* cron: five fields as bit sets; the next instant is found by walking days (fixed hours) or real hours (hour field with
 * *). */
#include "jobs/cron.h"
#include "core/errors.h"
#include <stdarg.h>
#include <string.h>

#define DAY_S     86400
#define HOUR_S    3600
#define HORIZON_S (8LL * 366 * DAY_S) /* Feb 29 may be eight years away (2096 to 2104) */
#define MAX_BYTES 512

struct cron {
    uint64_t minutes, hours, days, months, weekdays; /* bit N = value N */
    bool any_hour, any_day, any_weekday;             /* the field begins with '*' */
};

struct field {
    const char *name;
    int minimum, maximum;
    const char *const *names; /* of minimum, minimum + 1, … */
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};
static const struct field fields[5] = {
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day of month", 1, 31, NULL},
    {"month", 1, 12, month_names},
    {"day of week", 0, 7, weekday_names}, /* 7 is Sunday too */
};

static const struct {
    const char *name, *expression;
} shortcuts[] = {
    {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
};

/* One field of the expression while it is read. */
struct reader {
    const struct field *field;
    const char *expression, *at, *end;
    GError **error;
};

static bool fail(const struct reader *reader, const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool fail(const struct reader *reader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    errors_set(reader->error, ERROR_PARSE, "cron: column %d: %s: %s", (int)(reader->at - reader->expression) + 1,
               reader->field->name, message);
    return false;
}

/* What other schedulers know and hikeshi refuses by name; NULL = nothing of the kind. */
static const char *refused(char c)
{
    switch (c) {
    case 'L':
    case 'l':
        return "'L' (last) is not supported";
    case 'W':
    case 'w':
        return "'W' (nearest weekday) is not supported";
    case '#':
        return "'#' (nth weekday) is not supported";
    case '?':
        return "'?' is not supported, write '*'";
    default:
        return NULL;
    }
}

static bool read_name(struct reader *reader, size_t length, int *ret)
{
    for (int i = 0; reader->field->names && reader->field->names[i]; i++) {
        if (length == 3 && g_ascii_strncasecmp(reader->at, reader->field->names[i], 3) == 0) {
            *ret = reader->field->minimum + i;
            reader->at += length;
            return true;
        }
    }
    const char *why = refused(*reader->at);
    if (why && (length == 1 || !reader->field->names))
        return fail(reader, "%s", why);
    return fail(reader, "unknown name '%.*s'", (int)length, reader->at);
}

static bool read_number(struct reader *reader, int *ret)
{
    const char *start = reader->at;
    size_t letters = 0, digits = 0;
    while (start + letters < reader->end && g_ascii_isalpha(start[letters]))
        letters++;
    if (letters)
        return read_name(reader, letters, ret);
    int value = 0;
    for (; start + digits < reader->end && g_ascii_isdigit(start[digits]) && digits < 4; digits++)
        value = value * 10 + (start[digits] - '0');
    if (digits == 0) {
        const char *why = start < reader->end ? refused(*start) : NULL;
        return why ? fail(reader, "%s", why)
                   : fail(reader, "expected a number from %d to %d", reader->field->minimum, reader->field->maximum);
    }
    if (value < reader->field->minimum || value > reader->field->maximum)
        return fail(reader, "%d is not from %d to %d", value, reader->field->minimum, reader->field->maximum);
    reader->at += digits;
    *ret = value;
    return true;
}

static bool read_step(struct reader *reader, int *ret)
{
    struct field step = {reader->field->name, 1, 9999, NULL};
    struct reader sub = *reader;
    sub.field = &step;
    bool fine = read_number(&sub, ret);
    reader->at = sub.at;
    return fine;
}

/* '*', '*' '/' n, a, a-b, a-b/n */
static bool read_item(struct reader *reader, uint64_t *bits)
{
    int first = reader->field->minimum, last = reader->field->maximum, step = 1;
    bool range = true;
    if (reader->at < reader->end && *reader->at == '*') {
        reader->at++;
        last -= reader->field->names == weekday_names; /* 0-6: each day once, so that a step counts right */
    } else {
        if (!read_number(reader, &first))
            return false;
        last = first;
        range = reader->at < reader->end && *reader->at == '-';
        if (range) {
            reader->at++;
            if (!read_number(reader, &last))
                return false;
            if (last == 0 && first > 0 && reader->field->names == weekday_names)
                last = 7; /* SAT-SUN */
            if (last < first)
                return fail(reader, "the range runs backwards");
        }
    }
    if (reader->at < reader->end && *reader->at == '/') {
        reader->at++;
        if (!range)
            return fail(reader, "a step needs '*' or a range in front of it");
        if (!read_step(reader, &step))
            return false;
    }
    for (int value = first; value <= last; value += step)
        *bits |= 1ULL << value;
    return true;
}

static bool read_field(struct reader *reader, uint64_t *bits)
{
    for (;;) {
        if (!read_item(reader, bits))
            return false;
        if (reader->at == reader->end)
            return true;
        const char *why = refused(*reader->at);
        if (*reader->at != ',' && why)
            return fail(reader, "%s", why);
        if (*reader->at != ',')
            return g_ascii_isgraph(*reader->at) ? fail(reader, "unexpected '%c'", *reader->at)
                                                : fail(reader, "unexpected byte 0x%02x", (unsigned char)*reader->at);
        reader->at++;
    }
}

static bool expand(const char **expression, GError **error)
{
    if (**expression != '@')
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(shortcuts); i++) {
        if (strcmp(shortcuts[i].name, *expression) == 0) {
            *expression = shortcuts[i].expression;
            return true;
        }
    }
    if (strcmp(*expression, "@reboot") == 0)
        errors_set(error, ERROR_PARSE,
                   "cron: column 1: '@reboot' is not supported: a server that starts is no time of day");
    else
        errors_set(error, ERROR_PARSE, "cron: column 1: unknown name '%s'", *expression);
    return false;
}

static bool read_fields(struct cron *cron, const char *expression, GError **error)
{
    uint64_t *bits[5] = {&cron->minutes, &cron->hours, &cron->days, &cron->months, &cron->weekdays};
    bool *any[5] = {NULL, &cron->any_hour, &cron->any_day, NULL, &cron->any_weekday};
    const char *at = expression;
    int count = 0;
    for (;; count++) {
        at += strspn(at, " \t");
        size_t length = strcspn(at, " \t");
        if (length == 0)
            break;
        if (count < 5) {
            struct reader reader = {&fields[count], expression, at, at + length, error};
            if (any[count])
                *any[count] = *at == '*';
            if (!read_field(&reader, bits[count]))
                return false;
        }
        at += length;
    }
    if (count == 5)
        return true;
    errors_set(error, ERROR_PARSE, "cron: column %d: expected 5 fields (minute hour day month weekday), found %d",
               (int)(at - expression) + 1, count);
    return false;
}

struct cron *cron_parse(const char *expression, GError **error)
{
    g_autofree char *stripped = g_strstrip(g_strdup(expression));
    const char *text = stripped;
    g_autoptr(cron_t) cron = g_new0(struct cron, 1);
    if (strlen(text) > MAX_BYTES) {
        errors_set(error, ERROR_PARSE, "cron: column %d: longer than %d bytes", MAX_BYTES + 1, MAX_BYTES);
        return NULL;
    }
    if (!expand(&text, error) || !read_fields(cron, text, error))
        return NULL;
    if (cron->weekdays & (1ULL << 7))
        cron->weekdays |= 1;
    return g_steal_pointer(&cron);
}

void cron_free(struct cron *cron)
{
    g_free(cron);
}

/* Only names of the database: GLib would also read paths and offsets. */
GTimeZone *cron_zone(const char *name, GError **error)
{
    if (!name)
        return g_time_zone_new_utc();
    bool plain = g_ascii_isalpha(*name) && !strstr(name, "..");
    for (const char *p = name; *p; p++)
        plain = plain && (g_ascii_isalnum(*p) || strchr("_+-/", *p));
    GTimeZone *zone = plain ? g_time_zone_new_identifier(name) : NULL;
    if (!zone)
        errors_set(error, ERROR_PARSE, "unknown time zone '%s': use a name such as Asia/Tokyo or UTC", name);
    return zone;
}

/* Seconds east of UTC at an instant. */
static int64_t offset_at(GTimeZone *zone, int64_t instant)
{
    return g_time_zone_get_offset(zone, g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, instant));
}

/* The first instant after `before` with the offset `offset`; it has that offset at `after`. */
static int64_t transition(GTimeZone *zone, int64_t before, int64_t after, int64_t offset)
{
    while (after - before > 1) {
        int64_t middle = before + (after - before) / 2;
        if (offset_at(zone, middle) == offset)
            after = middle;
        else
            before = middle;
    }
    return after;
}

/* The instant of a wall time (seconds as if the zone were UTC): the first of two, or the end of the gap it falls into.
 */
static int64_t instant_of(GTimeZone *zone, int64_t wall)
{
    int64_t earlier = offset_at(zone, wall - DAY_S), later = offset_at(zone, wall + DAY_S);
    int64_t first = wall - MAX(earlier, later), second = wall - MIN(earlier, later);
    if (earlier == later || offset_at(zone, first) == MAX(earlier, later))
        return first;
    if (offset_at(zone, second) == MIN(earlier, later))
        return second;
    return transition(zone, first, second, later);
}

/* Days since 1970-01-01 to a date (proleptic Gregorian). */
static void date_of_day(int64_t day, int *ret_month, int *ret_day, int *ret_weekday)
{
    GDate date;
    g_date_clear(&date, 1);
    g_date_set_julian(&date, (guint32)(day + 719163)); /* GLib counts from 0001-01-01 = 1 */
    *ret_month = g_date_get_month(&date);
    *ret_day = g_date_get_day(&date);
    *ret_weekday = g_date_get_weekday(&date) % 7;
}

static bool day_matches(const struct cron *cron, int64_t day_number)
{
    int month, day, weekday;
    date_of_day(day_number, &month, &day, &weekday);
    if (!(cron->months >> month & 1))
        return false;
    bool by_day = cron->days >> day & 1, by_weekday = cron->weekdays >> weekday & 1;
    /* Both restricted: either is enough. A field that begins with '*' restricts nothing but by its step. */
    return cron->any_day || cron->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Wall times in order map to instants in order, so the first instant after `after` is the answer. */
static int64_t next_fixed(const struct cron *cron, GTimeZone *zone, int64_t after)
{
    int64_t first_day = floor_div(after + offset_at(zone, after), DAY_S);
    for (int64_t day = first_day; day <= first_day + HORIZON_S / DAY_S; day++) {
        if (!day_matches(cron, day))
            continue;
        for (int minute = 0; minute < 24 * 60; minute++) {
            if (!(cron->hours >> (minute / 60) & 1) || !(cron->minutes >> (minute % 60) & 1))
                continue;
            int64_t instant = instant_of(zone, day * DAY_S + minute * 60);
            if (instant > after)
                return instant;
        }
    }
    return -1;
}

/* Real minutes, one after the other; hours and days that cannot match are leapt over while the offset stays the same.
 */
static int64_t next_real(const struct cron *cron, GTimeZone *zone, int64_t after)
{
    int64_t instant = (floor_div(after, 60) + 1) * 60, end = after + HORIZON_S;
    while (instant < end) {
        int64_t offset = offset_at(zone, instant), wall = instant + offset;
        int64_t day = floor_div(wall, DAY_S), second = wall - day * DAY_S;
        bool day_fits = day_matches(cron, day), hour_fits = cron->hours >> (second / HOUR_S) & 1;
        if (day_fits && hour_fits && cron->minutes >> (second / 60 % 60) & 1)
            return instant;
        int64_t leap = !day_fits ? DAY_S - second : !hour_fits ? HOUR_S - second % HOUR_S : 60;
        instant += offset_at(zone, instant + leap) == offset ? leap : 60;
    }
    return -1;
}

int64_t cron_next(const struct cron *cron, GTimeZone *zone, int64_t after_ms)
{
    int64_t after = floor_div(after_ms, 1000);
    int64_t next = cron->any_hour ? next_real(cron, zone, after) : next_fixed(cron, zone, after);
    return next < 0 ? -1 : next * 1000;
}

/* clock: wall time in integer milliseconds UTC, RFC 3339 text, durations. Timers use loop_now_ms(), never this. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

int64_t clock_now_ms(void);          /* since 1970-01-01T00:00:00Z */
int64_t clock_monotonic_ms(void);    /* of a clock that only goes forward; follows a fake. For threads without a loop */
void clock_set_fake(int64_t now_ms); /* tests: clock_now_ms() returns this from now on; -1 = real time again */

/* "2026-11-21T22:42:23.000Z", for machines. Caller frees. */
char *clock_format(int64_t ms);
/* RFC 3339 with any offset, fraction optional. ERROR_PARSE. */
bool clock_parse(const char *text, int64_t *ret_ms, GError **error);

/* Durations: "30s", "10m", "1h30m", "2d", "500ms", "1w"; a bare integer is seconds. ERROR_PARSE names the text. */
bool clock_duration_parse(const char *text, int64_t *ret_ms, GError **error);
/* For people: "850 ms", "3.2 s", "4m 10s", "2h 5m". Caller frees. */
char *clock_duration_format(int64_t ms);

#endif

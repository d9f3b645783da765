/* cron: five-field expressions and when they fire in a time zone, daylight-saving changes included (docs/schedules.md).
 */
#ifndef JOBS_CRON_H
#define JOBS_CRON_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct cron;
/* Five fields, names, lists, ranges, steps, @hourly @daily @midnight @weekly @monthly @yearly @annually. L, W, #, ? and
 * @reboot are refused by name. ERROR_PARSE says the field and the column. */
struct cron *cron_parse(const char *expression, GError **error);
void cron_free(struct cron *cron);
/* The first fire strictly after `after_ms`, or -1 when there is none within 8 years ("0 0 30 2 *"). zone: IANA name,
 * checked with cron_zone(). Rules: a local time that does not exist fires once at the end of the gap, several coalesce;
 * one that occurs twice fires once, at the first; hour fields that begin with * follow real time. */
int64_t cron_next(const struct cron *cron, GTimeZone *zone, int64_t after_ms);
GTimeZone *cron_zone(const char *name, GError **error); /* NULL name = UTC; ERROR_PARSE for an unknown one */

typedef struct cron cron_t; /* not `cron`: -Wshadow would forbid variables of that name */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(cron_t, cron_free)

#endif

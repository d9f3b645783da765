/* window: stretches of time as people name them: hours of a week ({days: MON-FRI, from: "09:30", to: "18:30"}) and days
 * of a calendar ({from: 2026-12-24, to: 2027-01-02}). Local time; whose, the caller says. Pure. */
#ifndef JOBS_WINDOW_H
#define JOBS_WINDOW_H

#include "core/json.h"
#include "core/yaml.h"
#include "jobs/field.h"

/* What was written in a map that has the rows below in its table. */
struct window_text {
    char *days, *from, *to;
};
#define WINDOW_FIELDS(type, member)                                                                                    \
    {"days", FIELD_STRING, .offset = offsetof(type, member.days), .help = "MON-FRI, SAT,SUN; all"},                    \
        {"from", FIELD_STRING, .offset = offsetof(type, member.from), .help = "a time of day such as 09:30"},          \
    {                                                                                                                  \
        "to", FIELD_STRING, .offset = offsetof(type, member.to), .help = "a time of day such as 18:30"                 \
    }
void window_text_clear(struct window_text *text);

/* {"days":MASK (1 = Monday, 64 = Sunday),"from":MINUTE,"to":MINUTE}, or, with `dates`, {"since","until"} (local, as
 * 2026-12-24T00:00, `until` no longer inside). Days default to all, times to the whole day; `from` after `to` goes over
 * midnight and belongs to the day it begins on. NULL after a finding at `at`. New reference. */
json_t *window_make(const struct field_reader *reader, const struct yaml_node *at, const struct window_text *text,
                    bool dates);
bool window_holds(const json_t *window, GTimeZone *zone, int64_t at_ms);

#endif

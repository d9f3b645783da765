/* live_private: what the parts of the live printer share. Private to cli/live*.c. */
#ifndef CLI_LIVE_PRIVATE_H
#define CLI_LIVE_PRIVATE_H

#include "cli/live.h"
#include "cli/terminal.h"
#include <glib.h>

struct live {
    FILE *out;
    bool tty;
    bool alone; /* nobody is told of anything: there is no server */
    enum terminal_clean clean;
    GHashTable *titles;    /* step id → title */
    GHashTable *partial;   /* "step\nhost\nstream" → GString, freed with its entry: the line that is not whole yet */
    struct gather *gather; /* live_gather.c: commands under way */
    GPtrArray *alike;      /* live_alike.c: failures, by what they say */
    struct apart *apart;   /* live_apart.c: hosts left out, in a row */
    char *step;            /* whose heading stands above */
    char *state;
};

static inline const char *live_text(const json_t *event, const char *key)
{
    return json_get_string(event, key, NULL);
}

/* One line in a colour, below the step's heading: what hikeshi itself says. */
void live_say(struct live *live, const char *step, enum terminal_style colour, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* One whole line of output, made safe. */
void live_output_line(struct live *live, const char *step, const char *host, const char *stream, const char *line,
                      size_t length);

/* live_gather.c. command: false when the same has just been shown for another host. output: true when it was taken, to
 * be printed later. end: prints what is kept. */
bool live_gather_command(struct live *live, const char *step, const char *host, const char *words);
bool live_gather_output(struct live *live, const char *step, const char *host, const char *stream, const char *bytes,
                        size_t length);
void live_gather_host(struct live *live, const char *step, const char *host);
void live_gather_end(struct live *live);
void live_gather_free(struct live *live);

/* live_alike.c. what: "failed: exit code 3". True when it is told later, together with others. end: tells them. */
bool live_alike(struct live *live, const char *step, const char *host, const char *what);
void live_alike_end(struct live *live);

/* live_apart.c: true when the event was taken. end: prints what is kept. */
bool live_apart(struct live *live, const json_t *event);
void live_apart_end(struct live *live);

/* live_report.c */
void live_report(struct live *live, const json_t *event);
void live_message(struct live *live, const json_t *event);
void live_incident(struct live *live, const json_t *event);

#endif

/* live_private: what the parts of the live printer share. Private to cli/live*.c. */
#ifndef CLI_LIVE_PRIVATE_H
#define CLI_LIVE_PRIVATE_H

#include "cli/live.h"
#include "cli/terminal.h"
#include <glib.h>

struct live {
    FILE *out;
    bool tty;
    enum terminal_clean clean;
    GHashTable *titles;  /* step id → title */
    GHashTable *partial; /* "step\nhost\nstream" → GString, freed with its entry: the line that is not whole yet */
    char *step;          /* whose heading stands above */
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

void live_report(struct live *live, const json_t *event); /* live_report.c */

#endif

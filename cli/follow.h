/* follow: reads the live log of a run until the run has ended. */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "cli/client.h"

enum follow_mode {
    FOLLOW_SILENT, /* only wait */
    FOLLOW_TEXT,   /* the live printer */
    FOLLOW_JSON,   /* one event a line */
};

/* Blocks until the run has ended, or, with `pause`, until it waits for approval; then returns it as it is (new
 * reference), or NULL with an error. A wait for a time (`wait: 30m`) is followed through. */
json_t *follow_run(struct client *client, const char *run, enum follow_mode mode, bool pause, GError **error);

/* What the stored log has now, printed in `mode`. */
bool follow_log(struct client *client, const char *run, enum follow_mode mode, GError **error);

#endif

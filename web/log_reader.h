/* log_reader: one client that follows a run's log as server-sent events: what is stored, then what happens, without a
 * gap or a repeat, until the run has ended. */
#ifndef WEB_LOG_READER_H
#define WEB_LOG_READER_H

#include "web/web.h"

struct log_readers; /* all of one server */
struct log_readers *log_readers_new(struct jobs *jobs);
void log_readers_free(struct log_readers *readers); /* ends every stream */

/* GET /api/v1/runs/{id}/log: with "Accept: text/event-stream" a stream that begins after Last-Event-ID or ?after=, else
 * the route's JSON. */
void log_reader_serve(struct web_call *call);

#endif

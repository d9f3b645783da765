/* file: a run's file as a download that no browser shows in place. */
#ifndef WEB_FILE_H
#define WEB_FILE_H

#include "web/web.h"

/* GET /api/v1/runs/{id}/files/{file} */
void file_serve(struct web_call *call);

/* "attachment; …" with the name made safe twice: letters that every client reads, and UTF-8 (RFC 6266, RFC 8187).
 * g_free. */
char *file_disposition(const char *name);

#endif

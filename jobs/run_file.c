/* run_file: see run_file.h. Names are kept as runners say them; whoever writes them somewhere makes them safe. */
#include "jobs/run_file.h"

#include "core/clock.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/run_private.h"

bool run_file_add(struct store_tx *tx, const char *run, int64_t n, const json_t *event, GError **error)
{
    const char *name = json_get_string(event, "name", NULL), *content = json_get_string(event, "content", NULL);
    gsize length = 0;
    g_autofree guchar *bytes = content ? g_base64_decode(content, &length) : NULL;
    g_autoptr(json_t) sums = NULL;
    if (!name || !bytes || length > LIMIT_FILE_BYTES)
        return true;
    if (!store_get(tx, SQL_FILES_OF_RUN, &sums, error, "s", run))
        return false;
    if (json_get_integer(sums, "files", 0) >= LIMIT_RUN_FILES ||
        json_get_integer(sums, "bytes", 0) + (json_int_t)length > LIMIT_RUN_FILES_BYTES)
        return true;
    return store_exec(tx, SQL_FILE_ADD, NULL, error, "siisiB", run, n,
                      (int64_t)json_get_integer(event, "at", clock_now_ms()), name, (int64_t)length, bytes, length);
}

static bool take_file(struct store_row *row, void *arg)
{
    json_t **result = arg;
    size_t length;
    const void *bytes = store_row_blob(row, 1, &length);
    *result = json_pack("{s:s, s:o}", "name", store_row_text(row, 0), "content",
                        json_stringn_nocheck(bytes ? bytes : "", length));
    return false;
}

static bool file_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *run = call_need_string(call->request, "id", error);
    const char *file = run ? call_need_string(call->request, "file", error) : NULL;
    guint64 n = 0;
    if (!file)
        return false;
    if (g_ascii_string_to_unsigned(file, 10, 1, G_MAXINT64, &n, NULL) &&
        !store_query(tx, SQL_FILE_GET, take_file, &call->result, error, "si", run, (int64_t)n))
        return false;
    if (!call->result)
        errors_set(error, ERROR_NOT_FOUND, "the run '%s' has no file %s, or not any more", run, file);
    return call->result != NULL;
}

void run_file(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, file_job, done, arg);
}

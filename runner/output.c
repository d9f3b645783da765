/* output: see output.h. */
#include "runner/output.h"

#include "core/limits.h"

#include <string.h>

/* While so many events of the run are unacknowledged, output gathers into larger chunks instead of more events. */
#define OUTPUT_WINDOW 64

static const char *const stream_names[2] = {"out", "err"};

static int stream_index(const char *stream)
{
    return strcmp(stream, "err") == 0;
}

/* How many bytes at the end are the beginning of a UTF-8 character whose rest has not come. */
static size_t utf8_unfinished(const uint8_t *bytes, size_t length)
{
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        uint8_t byte = bytes[length - back];
        if ((byte & 0xC0) == 0x80)
            continue;
        size_t size = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
        return size > back ? back : 0;
    }
    return 0;
}

static void output_emit(struct exec *exec, const char *host, const char *stream, const void *bytes, size_t length)
{
    json_t *event = exec_event(exec);

    json_set_string(event, "host", host);
    json_set_string(event, "stream", stream);
    json_object_set_new(event, "text", json_text_value(bytes, length));
    journal_add(exec->journal, "output", event);
}

/* False: the run has no room left. Says so once. */
static bool output_charge(struct exec *exec, size_t length)
{
    static const char notice[] = "hikeshi: this run's output is over its ceiling of 64 MiB; the rest is not kept\n";

    G_STATIC_ASSERT(LIMIT_RUN_OUTPUT_BYTES == 64 * 1024 * 1024);
    if (exec->output_bytes > LIMIT_RUN_OUTPUT_BYTES)
        return false;
    exec->output_bytes += length;
    if (exec->output_bytes <= LIMIT_RUN_OUTPUT_BYTES)
        return true;
    output_emit(exec, NULL, "log", notice, sizeof(notice) - 1);
    return false;
}

/* Emits in chunks; returns how many bytes were taken (all but an unfinished character, unless `last`). */
static size_t output_cut(struct exec *exec, const char *host, const char *stream, const uint8_t *bytes, size_t length,
                         bool last)
{
    size_t done = 0;

    while (done < length) {
        size_t take = MIN(length - done, LIMIT_OUTPUT_CHUNK_BYTES);
        if (!last || done + take < length)
            take -= utf8_unfinished(bytes + done, take);
        if (take == 0)
            break;
        if (output_charge(exec, take))
            output_emit(exec, host, stream, bytes + done, take);
        done += take;
    }
    return done;
}

/* The same without secrets: what may be the beginning of one stays, unless `last`. */
static size_t output_cut_masked(struct output *output, int stream, bool last)
{
    const struct mask *mask = output->exec->mask;
    const GByteArray *pending = output->pending[stream];
    size_t take = pending->len, length;

    if (!last) {
        take -= mask_held(mask, (const char *)pending->data, take);
        take -= utf8_unfinished(pending->data, take);
    }
    if (take == 0)
        return 0;
    const char *bytes = (const char *)pending->data;
    g_autofree char *masked =
        last ? mask_cut_bytes(mask, bytes, take, &length) : mask_bytes(mask, bytes, take, &length);
    output_cut(output->exec, output->host, stream_names[stream], (const uint8_t *)masked, length, true);
    return take;
}

static void output_flush(struct output *output, int stream, bool last)
{
    GByteArray *pending = output->pending[stream];
    if (!exec_in_try(output->exec, output->step, output->try_number)) {
        g_byte_array_set_size(pending, 0);
        return;
    }
    size_t done = mask_is_empty(output->exec->mask)
                      ? output_cut(output->exec, output->host, stream_names[stream], pending->data, pending->len, last)
                      : output_cut_masked(output, stream, last);

    if (done > 0)
        g_byte_array_remove_range(pending, 0, (guint)done);
}

static void output_go(void *arg)
{
    struct output *output = arg;

    output->wait = NULL;
    for (int i = 0; i < 2; i++)
        output_flush(output, i, false);
}

void output_init(struct output *output, struct exec *exec, const char *host)
{
    *output = (struct output){.exec = exec,
                              .host = host,
                              .step = exec->step,
                              .try_number = exec->try_number,
                              .pending = {g_byte_array_new(), g_byte_array_new()}};
}

void output_add(struct output *output, const char *stream, const char *bytes, size_t length)
{
    struct journal *journal = output->exec->journal;
    int index = stream_index(stream);

    g_byte_array_append(output->pending[index], (const guint8 *)bytes, (guint)length);
    if (output->wait)
        return;
    if (journal_in_flight(journal) < OUTPUT_WINDOW)
        output_flush(output, index, false);
    else
        output->wait = journal_wait(journal, journal_last(journal) - OUTPUT_WINDOW + 1, output_go, output);
}

void output_finish(struct output *output)
{
    for (int i = 0; i < 2; i++)
        output_flush(output, i, true);
}

void output_clear(struct output *output)
{
    g_clear_pointer(&output->wait, journal_wait_cancel);
    for (int i = 0; i < 2; i++)
        g_clear_pointer(&output->pending[i], g_byte_array_unref);
}

void output_log(struct exec *exec, const char *bytes, size_t length)
{
    size_t masked_length;
    g_autofree char *masked =
        mask_cut_bytes(exec->mask, bytes, length, &masked_length); /* it may be a caught error's message */

    output_cut(exec, NULL, "log", (const uint8_t *)masked, masked_length, true);
}

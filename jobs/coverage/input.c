/* input: see input.h. A text lives only while it is parsed, so that memory holds as many texts as there are threads. */
#include "jobs/coverage/input.h"
#include "core/limits.h"
#include "core/parallel.h"
#include "core/yaml.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

struct input *input_new(enum input_kind kind, const char *root, const char *file)
{
    struct input *input = g_new0(struct input, 1);
    input->references = 1;
    input->kind = kind;
    input->root = g_intern_string(root);
    input->file = g_strdup(file);
    input->path = g_build_filename(root, file, NULL);
    input->subjects = g_ptr_array_new_with_free_func((GDestroyNotify)subject_free);
    return input;
}

struct input *input_ref(struct input *input)
{
    input->references++;
    return input;
}

void input_unref(struct input *input)
{
    if (!input || --input->references)
        return;
    g_free(input->file);
    g_free(input->path);
    g_free(input->skipped);
    g_ptr_array_unref(input->subjects);
    document_free(input->document);
    g_free(input->tested);
    g_free(input);
}

size_t input_max_bytes(enum input_kind kind)
{
    return kind == INPUT_DOCUMENT ? LIMIT_RUNBOOK_BYTES : LIMIT_MANIFEST_BYTES;
}

/* What is wrong inside of it is for `hikeshi test` to say. */
static void read_test(struct input *input, const char *text, size_t length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(yaml_document) document = yaml_parse(text, length, input->file, 0, &error);
    const struct yaml_node *runbook = document ? yaml_get(yaml_root(document), "runbook") : NULL;
    if (!document)
        input->skipped = g_strdup_printf("not YAML: %s", error->message);
    else if (runbook && runbook->kind == YAML_STRING)
        input->tested = g_strdup(runbook->text);
}

void input_parse(struct input *input, const char *text, size_t length, const struct manifest_rules *rules, bool digests)
{
    if (input->kind == INPUT_MANIFEST)
        input->skipped = manifest_read(input->subjects, input->file, text, length, rules, digests);
    else if (input->kind == INPUT_TEST)
        read_test(input, text, length);
    else
        input->document = document_read(input->file, text, length, digests, &input->skipped);
}

/* The whole file, or why not (g_free) in *ret_reason. Never more than `most` bytes are read: a path given by hand may
 * be a pipe, or a device without end. */
static char *read_at_most(const char *path, size_t most, size_t *ret_length, char **ret_reason)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        *ret_reason = g_strdup_printf("cannot open '%s': %s", path, g_strerror(errno));
        return NULL;
    }
    struct stat status;
    size_t room = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) ? (size_t)status.st_size + 1 : 65536;
    room = MIN(room, most + 1);
    char *text = g_malloc(room);
    size_t length = 0, got;
    while ((got = fread(text + length, 1, room - length, file)) > 0) {
        length += got;
        if (length == room && room <= most)
            text = g_realloc(text, room = MIN(room * 2, most + 1));
    }
    if (ferror(file))
        *ret_reason = g_strdup_printf("cannot read '%s': %s", path, g_strerror(errno));
    else if (length > most)
        *ret_reason = g_strdup_printf("larger than %zu KiB", most / 1024);
    fclose(file);
    if (*ret_reason)
        g_clear_pointer(&text, g_free);
    *ret_length = length;
    return text;
}

void input_read(struct input *input, const struct manifest_rules *rules, bool digests)
{
    size_t length;
    g_autofree char *text = read_at_most(input->path, input_max_bytes(input->kind), &length, &input->skipped);
    if (text)
        input_parse(input, text, length, rules, digests);
}

/* ---- many ---- */

struct work {
    const GPtrArray *inputs;
    const struct manifest_rules *rules;
    bool (*wants_digests)(const void *arg, const struct input *input);
    const void *arg;
};

static void read_one(void *arg, guint index)
{
    const struct work *work = arg;
    struct input *input = work->inputs->pdata[index];
    if (!input->skipped && !input->rendered)
        input_read(input, work->rules, work->wants_digests && work->wants_digests(work->arg, input));
}

void inputs_read(const GPtrArray *inputs, const struct manifest_rules *rules,
                 bool (*wants_digests)(const void *arg, const struct input *input), const void *arg)
{
    struct work work = {inputs, rules, wants_digests, arg};
    parallel_each(inputs->len, read_one, &work);
}

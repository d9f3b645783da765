/* runbook: one markdown file into a runbook or document: decides which it is, and lets the parts read theirs. */
#include "jobs/runbook.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/front_matter.h"
#include "jobs/runbook_parse.h"
#include "jobs/summary.h"
#include <string.h>

static void reference_free(struct reference *reference)
{
    g_free(reference->name);
    g_free(reference);
}

void parser_refer(struct parser *parser, enum reference_kind kind, const char *name, const struct yaml_node *at)
{
    struct reference *reference = g_new0(struct reference, 1);
    *reference = (struct reference){kind, g_strdup(name), at->line, at->column, parser->step};
    g_ptr_array_add(parser->references, reference);
}

struct filter_use {
    struct parser *parser;
    const struct yaml_node *at;
};

static void refer_param(void *arg, const char *param)
{
    struct filter_use *use = arg;
    parser_refer(use->parser, REFERENCE_PARAM, param, use->at);
}

void parser_read_filter(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                        char **ret)
{
    struct field row = {key->text, .kind = FIELD_STRING};
    struct filter_use use = {parser_of(reader), value};
    if (!field_read_value(reader, &row, key, value, ret))
        return;
    g_autoptr(GError) error = NULL;
    g_autoptr(hostfilter) filter = hostfilter_parse(*ret, &error);
    if (filter)
        hostfilter_each_param(filter, refer_param, &use);
    else
        field_error(reader, "host-filter", value, NULL, "%s", error->message);
}

bool parser_check_path(const struct field_reader *reader, const struct yaml_node *value, const char *text,
                       const char *const *roots)
{
    g_auto(GStrv) parts = g_strsplit(text, ".", 2);
    if (g_strv_length(parts) == 2 && *parts[1] && g_strv_contains(roots, parts[0]))
        return true;
    g_autofree char *all = g_strjoinv(".…, ", (char **)roots);
    field_error(reader, "bad-value", value, NULL, "'%s' must be a path that begins with %s.…", text, all);
    return false;
}

struct runbook *runbook_new(const char *path)
{
    struct runbook *runbook = g_new0(struct runbook, 1);
    runbook->path = g_strdup(path);
    runbook->params = g_ptr_array_new_with_free_func((GDestroyNotify)param_free);
    runbook->inputs = g_ptr_array_new_with_free_func((GDestroyNotify)param_free);
    runbook->triggers = g_ptr_array_new_with_free_func((GDestroyNotify)trigger_free);
    runbook->steps = g_ptr_array_new_with_free_func((GDestroyNotify)step_free);
    runbook->covers = g_new0(char *, 1);
    runbook->aliases = g_new0(char *, 1);
    runbook->secrets = g_new0(char *, 1);
    runbook->limits.timeout_ms = DEFAULT_RUN_TIMEOUT_MS;
    runbook->limits.max_hosts = DEFAULT_MAX_HOSTS;
    runbook->limits.per = g_new0(char *, 1);
    runbook->limits.overflow = g_strdup("queue");
    return runbook;
}

void runbook_free(struct runbook *runbook)
{
    if (!runbook)
        return;
    g_free(runbook->repository);
    g_free(runbook->id);
    g_free(runbook->path);
    g_free(runbook->commit);
    g_free(runbook->title);
    g_free(runbook->owner);
    g_free(runbook->severity);
    g_free(runbook->summary);
    g_strfreev(runbook->covers);
    g_strfreev(runbook->aliases);
    g_strfreev(runbook->secrets);
    g_free(runbook->hosts);
    g_ptr_array_unref(runbook->params);
    g_ptr_array_unref(runbook->inputs);
    g_ptr_array_unref(runbook->triggers);
    g_ptr_array_unref(runbook->steps);
    g_strfreev(runbook->limits.per);
    g_free(runbook->limits.overflow);
    g_free(runbook->limits.lock);
    g_free(runbook);
}

/* The id of a file that gives none: its path without .md and without the default folder. */
static char *id_of_path(const char *path)
{
    if (g_str_has_prefix(path, "runbooks/"))
        path += strlen("runbooks/");
    size_t length = strlen(path);
    return g_strndup(path, g_str_has_suffix(path, ".md") ? length - 3 : length);
}

static void fill_names(struct runbook *runbook, const struct markdown *markdown)
{
    if (!runbook->id)
        runbook->id = id_of_path(runbook->path);
    if (!runbook->title && markdown->headings->len)
        runbook->title = g_strdup(((struct markdown_heading *)markdown->headings->pdata[0])->text);
    if (!runbook->title || !*runbook->title) {
        g_free(runbook->title);
        g_autofree char *base = g_path_get_basename(runbook->id);
        runbook->title = g_steal_pointer(&base);
    }
}

/* One file on its way. */
struct file {
    const char *path, *text; /* text: UTF-8 */
    size_t length;
    bool valid; /* false: bad bytes were replaced */
    struct front_matter front;
    struct markdown *markdown;
};

/* Shown where a link leads; nothing else needs it. */
static void fill_summary(struct runbook *runbook, const struct file *file)
{
    for (guint i = 0; i < runbook->triggers->len && !runbook->summary; i++)
        if (((const struct trigger *)runbook->triggers->pdata[i])->kind == TRIGGER_LINK)
            runbook->summary = summary_of(file->text + file->front.body, file->length - file->front.body);
}

static size_t count_lines(const char *text, size_t length)
{
    size_t lines = length && text[length - 1] != '\n';
    for (const char *at = text, *end = text + length; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        lines++;
    return lines;
}

static void read_steps(struct parser *parser, const struct file *file, GPtrArray *fences)
{
    for (guint i = 0; i < file->markdown->fences->len; i++) {
        const struct markdown_fence *block = file->markdown->fences->pdata[i];
        const struct fence *fence = fences->pdata[i];
        const struct markdown_heading *heading = markdown_heading_above(file->markdown, block->line);
        parser->step = parser->runbook->steps->len;
        if (fence && !fence_broken(fence))
            runbook_read_step(parser, fence, block, heading ? heading->text : NULL);
        else if (!fence && fence_looks_like_step(block))
            finding_add(parser->reader.findings, "attributes", FINDING_ERROR, file->path, block->line,
                        block->info_column, "write the id behind the language: {step=ID}",
                        "this block has attribute lines but is no step");
    }
    parser->step = G_MAXUINT;
    if (parser->runbook->steps->len > LIMIT_RUNBOOK_STEPS)
        finding_add(parser->reader.findings, "too-large", FINDING_ERROR, file->path, 1, 1, NULL, "more than %d steps",
                    LIMIT_RUNBOOK_STEPS);
}

static void read_settings(struct parser *parser, const struct file *file)
{
    if (file->front.kind == FRONT_MATTER_TOML)
        finding_add(parser->reader.findings, "front-matter", FINDING_ERROR, file->path, 1, 1,
                    "write it as YAML between --- lines", "the front matter of a runbook must be YAML");
    if (file->front.kind == FRONT_MATTER_OPEN)
        finding_add(parser->reader.findings, "front-matter", FINDING_ERROR, file->path, 1, 1, "add a line --- below it",
                    "the front matter is not closed");
    if (file->front.kind != FRONT_MATTER_YAML)
        return;
    g_autoptr(GError) error = NULL;
    g_autoptr(yaml_document) document =
        yaml_parse(file->text + file->front.start, file->front.length, file->path, 1, &error);
    if (document)
        runbook_read_front(parser, yaml_root(document));
    else
        field_yaml_error(&parser->reader, error, 1);
}

static struct runbook *read_runbook(const struct file *file, GPtrArray *fences, struct finding_list *findings)
{
    struct parser parser = {
        .reader = {file->path, findings, NULL},
        .runbook = runbook_new(file->path),
        .references = g_ptr_array_new_with_free_func((GDestroyNotify)reference_free),
        .step = G_MAXUINT,
    };
    parser.reader.arg = &parser;
    if (!file->valid)
        finding_add(findings, "encoding", FINDING_ERROR, file->path, 1, 1, NULL, "the file is not UTF-8");
    read_settings(&parser, file);
    read_steps(&parser, file, fences);
    fill_names(parser.runbook, file->markdown);
    fill_summary(parser.runbook, file);
    parser.runbook->document = parser.runbook->steps->len == 0;
    runbook_check(&parser);
    g_ptr_array_unref(parser.references);
    return parser.runbook;
}

static struct runbook *read_document(const struct file *file)
{
    struct runbook *runbook = runbook_new(file->path);
    runbook->document = true;
    if (file->front.kind == FRONT_MATTER_YAML) {
        g_autoptr(yaml_document) document =
            yaml_parse(file->text + file->front.start, file->front.length, file->path, 1, NULL);
        if (document)
            runbook_read_document(runbook, yaml_root(document));
    }
    fill_names(runbook, file->markdown);
    return runbook;
}

static struct runbook *read_file(struct file *file, struct finding_list *findings, bool *ret_good)
{
    file->front = front_matter_find(file->text, file->length);
    file->markdown =
        markdown_parse(file->text + file->front.body, file->length - file->front.body, file->front.body_line);
    g_autoptr(finding_list) of_file = finding_list_new();
    struct field_reader reader = {file->path, of_file, NULL};
    g_autoptr(GPtrArray) fences = g_ptr_array_new_with_free_func((GDestroyNotify)fence_free);
    bool steps = false;
    for (guint i = 0; i < file->markdown->fences->len; i++) {
        g_ptr_array_add(fences, fence_read(&reader, file->markdown->fences->pdata[i]));
        steps = steps || fences->pdata[i];
    }
    struct runbook *runbook =
        steps || file->front.says_hikeshi ? read_runbook(file, fences, of_file) : read_document(file);
    runbook->lines = count_lines(file->text, file->length);
    *ret_good = finding_count_level(of_file, FINDING_ERROR) == 0;
    finding_sort(of_file);
    finding_append(findings, of_file);
    return runbook;
}

/* The markdown is the caller's, in file->markdown. */
static struct runbook *read_text(struct file *file, const char *path, const char *text, size_t length,
                                 struct finding_list *findings, bool *ret_good)
{
    *file =
        (struct file){.path = path, .text = text, .length = length, .valid = g_utf8_validate_len(text, length, NULL)};
    if (length > LIMIT_RUNBOOK_BYTES) {
        finding_add(findings, "too-large", FINDING_WARNING, path, 0, 0, NULL,
                    "the file is larger than %d bytes and is not read", LIMIT_RUNBOOK_BYTES);
        file->length = 0;
    }
    g_autofree char *valid = file->valid ? NULL : g_utf8_make_valid(text, (gssize)file->length);
    if (valid) {
        file->text = valid;
        file->length = strlen(valid);
    }
    return read_file(file, findings, ret_good);
}

struct runbook *runbook_read(const char *path, const char *text, size_t length, struct finding_list *findings,
                             bool *ret_good)
{
    struct file file;
    struct runbook *runbook = read_text(&file, path, text, length, findings, ret_good);
    markdown_free(file.markdown);
    return runbook;
}

struct runbook *runbook_parse_markdown(const char *path, const char *text, size_t length, struct finding_list *findings,
                                       struct markdown **ret_markdown)
{
    bool good;
    struct file file;
    struct runbook *runbook = read_text(&file, path, text, length, findings, &good);
    *ret_markdown = file.markdown;
    if (!good)
        g_clear_pointer(&runbook, runbook_free);
    return runbook;
}

struct runbook *runbook_parse(const char *path, const char *text, size_t length, struct finding_list *findings)
{
    struct markdown *markdown;
    struct runbook *runbook = runbook_parse_markdown(path, text, length, findings, &markdown);
    markdown_free(markdown);
    return runbook;
}

const struct step *runbook_step(const struct runbook *runbook, const char *id)
{
    for (guint i = 0; i < runbook->steps->len; i++) {
        const struct step *step = runbook->steps->pdata[i];
        if (strcmp(step->id, id) == 0)
            return step;
    }
    return NULL;
}

static const struct param *param_in(const GPtrArray *params, const char *name)
{
    for (guint i = 0; i < params->len; i++) {
        const struct param *param = params->pdata[i];
        if (strcmp(param->name, name) == 0)
            return param;
    }
    return NULL;
}

const struct param *runbook_param(const struct runbook *runbook, const char *name)
{
    return param_in(runbook->params, name);
}

const struct param *runbook_input(const struct runbook *runbook, const char *name)
{
    return param_in(runbook->inputs, name);
}

/* fuzz_fence: the first line is a fence's info line, the rest its block: no step, a step whose attributes name each key
 * once, or findings; and the info line comes through the markdown library as it was written. */
#include "jobs/fence.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count_lines(const char *text)
{
    int lines = 1;
    for (; *text; text++)
        lines += *text == '\n' || *text == '\r';
    return lines;
}

static void check_places(const struct finding_list *findings, int lines)
{
    for (size_t i = 0; i < finding_count(findings); i++) {
        const struct finding *finding = finding_at(findings, i);
        g_assert(finding->line >= 1 && finding->line <= lines + 1 && finding->column >= 0);
        g_assert(g_utf8_validate(finding->message, -1, NULL));
    }
}

static void check_attributes(const struct fence *fence)
{
    const struct yaml_node *map = fence_attributes(fence);
    g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);
    g_assert(map->kind == YAML_MAP && yaml_get(map, "step") != NULL);
    for (size_t i = 0; i < map->count; i++) {
        g_assert(g_hash_table_add(keys, (void *)map->keys[i]->text));
        g_autoptr(json_t) value = yaml_to_json(map->items[i]);
        g_assert(value);
    }
}

static void check_block(const struct markdown_fence *block)
{
    g_autoptr(finding_list) findings = finding_list_new();
    const struct field_reader reader = {.file = "x.md", .findings = findings};
    g_autoptr(fence_t) fence = fence_read(&reader, block);
    (void)fence_looks_like_step(block);
    check_places(findings, block->line + count_lines(block->text));
    if (!fence) {
        g_assert(finding_count(findings) == 0);
        return;
    }
    g_assert(fence_broken(fence) == (finding_count_level(findings, FINDING_ERROR) > 0));
    if (!fence_broken(fence))
        check_attributes(fence);
}

/* As the library trims: blanks in front, all white space behind. */
static char *stripped(const char *text)
{
    return g_strchomp(g_strdup(text + strspn(text, " \t")));
}

/* A fence of tildes may have any info line that does not begin with one. */
static void check_markdown(const char *info)
{
    if (*info == '~' || strchr(info, '\r'))
        return;
    g_autofree char *text = g_strconcat("~~~", info, "\nx\n~~~\n", NULL), *bare = stripped(info);
    struct markdown *markdown = markdown_parse(text, strlen(text), 0);
    g_assert(markdown->fences->len == 1);
    const struct markdown_fence *block = markdown->fences->pdata[0];
    g_assert(block->closed && strcmp(block->text, "x\n") == 0);
    g_assert(strcmp(bare, block->info) == 0);
    markdown_free(markdown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    if (!g_utf8_validate(text, -1, NULL))
        return 0; /* the runbook parser refuses it before */
    char *end = strchr(text, '\n');
    g_autofree char *line = end ? g_strndup(text, (gsize)(end - text)) : g_strdup(text), *info = stripped(line);
    g_autofree char *content =
        end ? g_strconcat(end + 1, g_str_has_suffix(end + 1, "\n") ? "" : "\n", NULL) : g_strdup("");
    check_markdown(line);
    for (int indent = 0; indent < 4; indent += 3) {
        const struct markdown_fence block = {.info = info,
                                             .text = content,
                                             .line = 7,
                                             .info_column = indent + 4,
                                             .text_column = indent + 1,
                                             .closed = size % 8 != 0};
        check_block(&block);
    }
    return 0;
}

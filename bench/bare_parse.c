/* bare_parse: what it takes to read files and do nothing with them: markdown through libcmark-gfm to its tree, YAML
 * through libfyaml to its events. Reads paths from stdin, one a line; prints microseconds for markdown, then for YAML.
 */
#include <cmark-gfm.h>
#include <glib.h>
#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void parse_markdown(const char *text, size_t length)
{
    cmark_node *document = cmark_parse_document(text, length, CMARK_OPT_DEFAULT);
    cmark_node_free(document);
}

static void parse_yaml(const char *text, size_t length)
{
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET};
    struct fy_parser *parser = fy_parser_create(&config);
    struct fy_event *event;
    if (!parser || fy_parser_set_string(parser, text, length) != 0)
        abort();
    while ((event = fy_parser_parse(parser)) != NULL)
        fy_parser_event_free(parser, event);
    fy_parser_destroy(parser);
}

int main(void)
{
    gint64 spent_us[2] = {0, 0};
    char *path = NULL;
    size_t size = 0;
    while (getline(&path, &size, stdin) > 0) {
        path[strcspn(path, "\n")] = '\0';
        bool yaml = g_str_has_suffix(path, ".yaml");
        gint64 start = g_get_monotonic_time();
        char *text;
        gsize length;
        if (!g_file_get_contents(path, &text, &length, NULL))
            return 1;
        (yaml ? parse_yaml : parse_markdown)(text, length);
        g_free(text);
        spent_us[yaml] += g_get_monotonic_time() - start;
    }
    free(path);
    printf("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n", spent_us[0], spent_us[1]);
    return 0;
}

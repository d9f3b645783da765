/* render: see render.h. */
#include "jobs/coverage/render.h"
#include "jobs/coverage/render_roots.h"
#include "jobs/coverage/tool.h"
#include <string.h>

/* What runs for one root. */
struct rendering {
    struct tool_run run; /* first: tools_run() sees only this */
    const struct render_root *root;
    const char *argv[8];
};

static const struct {
    const char *name; /* for messages */
    const char *missing;
} tools[] = {
    [RENDER_HELM] = {"helm template", "helm is not installed"},
    [RENDER_KUSTOMIZE] = {"kustomize build", "neither kustomize nor kubectl is installed"},
};

/* False: there is no tool. --skip-tests: pods that only `helm test` makes are no workloads of anybody. */
static bool fill_argv(struct rendering *rendering)
{
    const struct render_root *root = rendering->root;
    const char *helm[] = {"helm", "template", root->name, root->folder, "--skip-tests", NULL};
    const char *kustomize[] = {"kustomize", "build", root->folder, NULL};
    const char *kubectl[] = {"kubectl", "kustomize", root->folder, NULL};
    const char *const *argv = root->kind == RENDER_HELM ? helm : tool_is_there("kustomize") ? kustomize : kubectl;
    for (size_t i = 0; (rendering->argv[i] = argv[i]); i++)
        continue;
    rendering->run.argv = rendering->argv;
    return tool_is_there(argv[0]);
}

static struct input *add_input(struct scan *scan, const struct render_root *root, const char *path)
{
    struct input *input = input_new(INPUT_MANIFEST, root->place->root, place_relative(root->place, path));
    input->rendered = true;
    g_ptr_array_add(scan->inputs, input);
    return input;
}

static void skip(struct scan *scan, const struct render_root *root, const char *reason)
{
    add_input(scan, root, root->marker)->skipped = g_strdup(reason);
}

/* ---- what came out ---- */

/* Places of lines in the output mean nothing to who edits the template. */
static void read_piece(struct scan *scan, const struct render_root *root, const char *path, const char *text,
                       size_t length, const struct coverage_settings *settings)
{
    struct input *input = add_input(scan, root, path);
    input_parse(input, text, length, &settings->rules, true);
    for (guint i = 0; i < input->subjects->len; i++)
        ((struct subject *)input->subjects->pdata[i])->line = 1;
    if (input->subjects->len == 0 && !input->skipped)
        g_ptr_array_remove(scan->inputs, input);
}

/* The template that "# Source: CHART/templates/x.yaml" names; NULL when it names none of the chart. g_free. */
static char *source_path(const struct render_root *root, const char *line, size_t length)
{
    const char *slash = memchr(line, '/', length);
    if (!slash)
        return NULL;
    g_autofree char *relative = g_strndup(slash + 1, length - (size_t)(slash + 1 - line));
    g_autofree char *path = g_canonicalize_filename(g_strchomp(relative), root->folder);
    bool inside = g_str_has_prefix(path, root->folder) && path[strlen(root->folder)] == '/';
    return inside && g_file_test(path, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer(&path) : NULL;
}

/* Helm says before each document which template it comes from: a piece ends where the next one begins. */
static void read_helm(struct scan *scan, const struct render_root *root, const GString *output,
                      const struct coverage_settings *settings)
{
    static const char mark[] = "---\n# Source: ";
    g_autofree char *path = g_strdup(root->marker);
    const char *at = output->str, *end = output->str + output->len;
    while (at < end) {
        const char *next = strstr(at + 1, "\n---\n# Source: ");
        size_t length = next ? (size_t)(next + 1 - at) : (size_t)(end - at);
        if (g_str_has_prefix(at, mark)) {
            const char *name = at + strlen(mark);
            char *source = source_path(root, name, strcspn(name, "\n"));
            g_free(path);
            path = source ? source : g_strdup(root->marker);
        }
        read_piece(scan, root, path, at, length, settings);
        at += length;
    }
}

static void take_output(struct scan *scan, const struct rendering *rendering, const struct coverage_settings *settings)
{
    const struct render_root *root = rendering->root;
    const GString *output = rendering->run.output;
    if (root->kind == RENDER_HELM)
        read_helm(scan, root, output, settings);
    else
        read_piece(scan, root, root->marker, output->str, output->len, settings);
}

/* ---- all ---- */

static void drop_parts(struct scan *scan, const GPtrArray *done)
{
    for (guint i = scan->inputs->len; i-- > 0;) {
        const struct input *input = scan->inputs->pdata[i];
        for (guint j = 0; !input->rendered && j < done->len; j++)
            if (g_hash_table_contains(((struct render_root *)done->pdata[j])->parts, input->path)) {
                g_ptr_array_remove_index(scan->inputs, i);
                break;
            }
    }
}

static void take_all(struct scan *scan, const struct coverage_settings *settings, GPtrArray *renderings)
{
    g_autoptr(GPtrArray) done = g_ptr_array_new();
    for (guint i = 0; i < renderings->len; i++) {
        struct rendering *rendering = renderings->pdata[i];
        g_autofree char *reason = rendering->run.problem ? g_strdup_printf("%s: %s", tools[rendering->root->kind].name,
                                                                           rendering->run.problem)
                                                         : NULL;
        if (reason) {
            skip(scan, rendering->root, reason);
        } else {
            take_output(scan, rendering, settings);
            g_ptr_array_add(done, (void *)rendering->root);
        }
        tool_run_clear(&rendering->run);
    }
    drop_parts(scan, done);
}

void render_scan(struct scan *scan, const struct coverage_settings *settings)
{
    g_autoptr(GPtrArray) roots = render_roots(scan, settings);
    g_autoptr(GPtrArray) renderings = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < roots->len; i++) {
        struct rendering *rendering = g_new0(struct rendering, 1);
        rendering->root = roots->pdata[i];
        if (fill_argv(rendering)) {
            g_ptr_array_add(renderings, rendering);
        } else {
            skip(scan, rendering->root, tools[rendering->root->kind].missing);
            g_free(rendering);
        }
    }
    tools_run((struct tool_run *const *)(void *)renderings->pdata, renderings->len);
    take_all(scan, settings, renderings);
}

/* render_roots: see render_roots.h. Reads Chart.yaml and kustomization.yaml as far as that needs; the tools say what is
 * wrong with them. */
#include "jobs/coverage/render_roots.h"
#include "core/limits.h"
#include "core/yaml.h"
#include <string.h>

static const char *const markers[] = {"/Chart.yaml", "/kustomization.yaml", "/kustomization.yml", "/Kustomization",
                                      NULL};

/* A marker that was found. */
struct found {
    struct render_root *root;
    bool helper; /* a library, a component, or a part of another one */
};

struct finding_roots {
    const struct place *place;
    GHashTable *folders; /* kustomizations: folder → struct found* */
    GPtrArray *all;      /* struct found* */
};

static void root_free(void *data)
{
    struct render_root *root = data;
    g_free(root->marker);
    g_free(root->folder);
    g_free(root->name);
    g_hash_table_unref(root->parts);
    g_free(root);
}

static void on_file(void *arg, const char *path, const char *relative)
{
    (void)relative;
    struct finding_roots *finding = arg;
    g_autofree char *slashed = g_strconcat("/", path, NULL); /* a file named by hand has any name */
    bool helm = g_str_has_suffix(slashed, markers[0]), kustomize = false;
    for (const char *const *marker = markers + 1; *marker; marker++)
        kustomize = kustomize || g_str_has_suffix(slashed, *marker);
    if (!helm && !kustomize)
        return;
    struct render_root *root = g_new0(struct render_root, 1);
    root->kind = helm ? RENDER_HELM : RENDER_KUSTOMIZE;
    root->place = finding->place;
    root->marker = g_strdup(path);
    root->folder = g_path_get_dirname(path);
    root->parts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct found *found = g_new0(struct found, 1);
    found->root = root;
    g_ptr_array_add(finding->all, found);
    if (kustomize)
        g_hash_table_insert(finding->folders, root->folder, found);
}

static void on_skip(void *arg, const char *path, const char *relative, const char *reason)
{
    (void)arg, (void)path, (void)relative, (void)reason; /* the scan has said so */
}

static struct yaml_document *read_marker(const struct render_root *root)
{
    g_autofree char *text = NULL;
    gsize length;
    if (!g_file_get_contents(root->marker, &text, &length, NULL) || length > LIMIT_MANIFEST_BYTES)
        return NULL;
    return yaml_parse(text, length, root->marker, 0, NULL);
}

static const char *text_at(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_get(map, key);
    return node && node->kind == YAML_STRING ? node->text : NULL;
}

static bool is_below(const char *folder, const char *path)
{
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

/* ---- Helm ---- */

/* A release's name is a DNS label of at most 53 characters. */
static char *release_name(const char *chart)
{
    GString *name = g_string_new(NULL);
    for (const char *at = chart; *at && name->len < 53; at++) {
        if (g_ascii_isalnum(*at))
            g_string_append_c(name, g_ascii_tolower(*at));
        else if (name->len && name->str[name->len - 1] != '-')
            g_string_append_c(name, '-');
    }
    while (name->len && name->str[name->len - 1] == '-')
        g_string_truncate(name, name->len - 1);
    return name->len ? g_string_free(name, FALSE) : (g_string_free(name, TRUE), g_strdup("release"));
}

static void read_chart(struct found *found, const struct scan *scan)
{
    struct render_root *root = found->root;
    g_autoptr(yaml_document) document = read_marker(root);
    const struct yaml_node *chart = document ? yaml_root(document) : NULL;
    const char *name = chart ? text_at(chart, "name") : NULL;
    found->helper = chart && g_strcmp0(text_at(chart, "type"), "library") == 0;
    root->name = release_name(name ? name : "release");
    g_autofree char *templates = g_build_filename(root->folder, "templates", NULL),
                    *charts = g_build_filename(root->folder, "charts", NULL);
    for (guint i = 0; i < scan->inputs->len; i++) {
        const struct input *input = scan->inputs->pdata[i];
        if (is_below(templates, input->path) || is_below(charts, input->path))
            g_hash_table_add(root->parts, g_strdup(input->path));
    }
}

static void drop_subcharts(const GPtrArray *all)
{
    g_autoptr(GHashTable) charts = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < all->len; i++) {
        const struct render_root *root = ((struct found *)all->pdata[i])->root;
        if (root->kind == RENDER_HELM)
            g_hash_table_add(charts, root->folder);
    }
    for (guint i = 0; i < all->len; i++) {
        struct found *found = all->pdata[i];
        g_autofree char *up = g_path_get_dirname(found->root->folder), *above = g_path_get_dirname(up);
        if (found->root->kind == RENDER_HELM && g_str_has_suffix(up, "/charts") && g_hash_table_contains(charts, above))
            found->helper = true;
    }
}

/* ---- kustomize ---- */

/* Keys that hold paths: of folders to build on or of files; some as `path:` of an item. */
static const char *const path_lists[] = {"resources",  "bases",        "components", "patchesStrategicMerge", "crds",
                                         "generators", "transformers", "validators", "configurations",        NULL};
static const char *const item_lists[] = {"patches", "patchesJson6902", "replacements", NULL};

static void add_path(struct found *found, const char *path, GHashTable *folders)
{
    if (strchr(path, '\n') || strstr(path, "://")) /* an inline patch; somebody else's */
        return;
    char *absolute = g_canonicalize_filename(path, found->root->folder);
    struct found *other = g_hash_table_lookup(folders, absolute);
    if (other && other != found)
        other->helper = true;
    g_hash_table_add(found->root->parts, absolute);
}

static void read_kustomization(struct found *found, GHashTable *folders)
{
    g_autoptr(yaml_document) document = read_marker(found->root);
    const struct yaml_node *root = document ? yaml_root(document) : NULL;
    if (g_strcmp0(root ? text_at(root, "kind") : NULL, "Component") == 0)
        found->helper = true;
    for (const char *const *key = path_lists; root && *key; key++) {
        const struct yaml_node *list = yaml_get(root, *key);
        for (size_t i = 0; list && list->kind == YAML_LIST && i < list->count; i++)
            if (list->items[i]->kind == YAML_STRING)
                add_path(found, list->items[i]->text, folders);
    }
    for (const char *const *key = item_lists; root && *key; key++) {
        const struct yaml_node *list = yaml_get(root, *key);
        for (size_t i = 0; list && list->kind == YAML_LIST && i < list->count; i++)
            if (text_at(list->items[i], "path"))
                add_path(found, text_at(list->items[i], "path"), folders);
    }
}

/* Parts of what a kustomization builds on are its own: round after round until nothing comes. */
static void gather_parts(struct found *found, GHashTable *folders)
{
    g_autoptr(GPtrArray) waiting = g_ptr_array_new();
    GHashTableIter iter;
    gpointer path;
    g_hash_table_iter_init(&iter, found->root->parts);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        g_ptr_array_add(waiting, path);
    while (waiting->len) {
        const struct found *other = g_hash_table_lookup(folders, g_ptr_array_steal_index(waiting, waiting->len - 1));
        if (!other || other == found)
            continue;
        g_hash_table_iter_init(&iter, other->root->parts);
        while (g_hash_table_iter_next(&iter, &path, NULL)) {
            char *copy = g_strdup(path);
            if (g_hash_table_add(found->root->parts, copy))
                g_ptr_array_add(waiting, copy);
        }
    }
}

/* ---- all ---- */

static void read_all(struct finding_roots *finding, const struct scan *scan)
{
    for (guint i = 0; i < finding->all->len; i++) {
        struct found *found = finding->all->pdata[i];
        if (found->root->kind == RENDER_HELM)
            read_chart(found, scan);
        else
            read_kustomization(found, finding->folders);
    }
    drop_subcharts(finding->all);
    for (guint i = 0; i < finding->all->len; i++) {
        struct found *found = finding->all->pdata[i];
        if (found->root->kind == RENDER_KUSTOMIZE && !found->helper)
            gather_parts(found, finding->folders);
    }
}

GPtrArray *render_roots(const struct scan *scan, const struct coverage_settings *settings)
{
    g_autoptr(GHashTable) folders = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    struct finding_roots finding = {NULL, folders, all};
    GPtrArray *roots = g_ptr_array_new_with_free_func(root_free);
    for (guint i = 0; i < scan->places->len; i++) {
        const struct scan_place *entry = scan->places->pdata[i];
        struct files files = {settings->ignore, markers, on_file, on_skip, &finding};
        finding.place = entry->place;
        if (entry->kind == INPUT_MANIFEST)
            files_each(&files, entry->place);
    }
    read_all(&finding, scan);
    for (guint i = 0; i < all->len; i++) {
        const struct found *found = all->pdata[i];
        if (!found->helper && g_hash_table_add(seen, found->root->marker)) /* folders may overlap */
            g_ptr_array_add(roots, found->root);
        else
            root_free(found->root);
    }
    return roots;
}

/* skeleton: see skeleton.h. Names in manifests are anybody's text: values of the front matter are quoted as JSON, and
 * the page names things in code spans. */
#include "jobs/coverage/skeleton.h"
#include "jobs/coverage/owners.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NAME_BYTES = 200 }; /* file systems take 255 */

/* Letters, digits, dots, hyphens and underscores; what else there is becomes a hyphen. Hidden files would not be read.
 */
static char *file_name(const char *name)
{
    GString *out = g_string_new(NULL);
    for (const char *at = name; *at && out->len < MAX_NAME_BYTES; at++) {
        bool plain = g_ascii_isalnum(*at) || (strchr("._-", *at) && out->len > 0);
        if (plain)
            g_string_append_c(out, *at);
        else if (out->len > 0 && out->str[out->len - 1] != '-')
            g_string_append_c(out, '-');
    }
    if (out->len == 0)
        g_string_append(out, "unnamed");
    return g_string_free(out, FALSE);
}

char *skeleton_file(const struct coverage *coverage, const struct subject *subject)
{
    g_autofree char *name = file_name(subject->name);
    g_autofree char *file = g_strconcat(name, ".md", NULL);
    return coverage->new_folder && *coverage->new_folder ? g_build_filename(coverage->new_folder, file, NULL)
                                                         : g_steal_pointer(&file);
}

/* ---- what it says ---- */

static const char *const sections[][4] = {
    [SUBJECT_WORKLOAD] = {"What it does", "How to see that it is well", "What to do when it is not", "Who to ask"},
    [SUBJECT_ALERT] = {"Meaning", "Impact", "Diagnosis", "Mitigation"},
};

static void append_quoted(GString *out, const char *text)
{
    g_autoptr(json_t) value = json_text_value(text, strlen(text));
    g_autofree char *quoted = json_text(value);
    g_string_append(out, quoted);
}

/* A name in a code span that it cannot end. */
static void append_code(GString *out, const char *text)
{
    g_autofree char *plain = owner_plain(text);
    g_string_append_printf(out, "`%s`", g_strdelimit(plain, "`", '\''));
}

static void append_front(GString *out, const GPtrArray *subjects)
{
    const struct subject *first = subjects->pdata[0];
    g_string_append(out, "---\ntitle: ");
    append_quoted(out, first->name);
    if (first->owner) {
        g_string_append(out, "\nowner: ");
        append_quoted(out, first->owner);
    }
    g_string_append(out, "\ncovers:\n");
    for (guint i = 0; i < subjects->len; i++) {
        g_string_append(out, "  - ");
        append_quoted(out, ((struct subject *)subjects->pdata[i])->key);
        g_string_append_c(out, '\n');
    }
    g_string_append(out, "---\n");
}

static char *text_of(const GPtrArray *subjects)
{
    GString *out = g_string_new(NULL);
    const struct subject *first = subjects->pdata[0];
    append_front(out, subjects);
    g_string_append(out, "# ");
    append_code(out, first->name);
    g_string_append(out, "\n\n<!-- " SKELETON_MARK ": remove this line when the page says what to do -->\n\n");
    for (guint i = 0; i < subjects->len; i++) {
        const struct subject *subject = subjects->pdata[i];
        g_string_append(out, "* ");
        append_code(out, subject->key);
        g_string_append(out, " in ");
        append_code(out, subject->file);
        g_string_append_c(out, '\n');
    }
    for (size_t i = 0; i < G_N_ELEMENTS(sections[0]); i++)
        g_string_append_printf(out, "\n## %s\n", sections[first->kind][i]);
    return g_string_free(out, FALSE);
}

/* ---- writing ---- */

/* NULL, or why not (static or g_strerror's). */
static const char *write_new(const char *path, const char *text)
{
    g_autofree char *folder = g_path_get_dirname(path);
    if (g_mkdir_with_parents(folder, 0777) != 0)
        return g_strerror(errno);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno == EEXIST ? "a file of this name is there and does not cover it" : g_strerror(errno);
    FILE *file = fdopen(fd, "w");
    bool ok = fputs(text, file) >= 0;
    if (fclose(file) == 0 && ok)
        return NULL;
    const char *problem = g_strerror(errno);
    g_unlink(path); /* half a document would count as one */
    return problem;
}

/* File → GPtrArray of const struct subject*, in the order of the subjects. */
static GHashTable *by_file(const struct coverage *coverage, const GHashTable *known, GPtrArray *files)
{
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject_answer *answer = coverage->subjects->pdata[i];
        if (answer->by->len || (known && g_hash_table_contains((GHashTable *)known, answer->subject->key)))
            continue;
        char *file = skeleton_file(coverage, answer->subject);
        GPtrArray *subjects = g_hash_table_lookup(table, file);
        if (subjects) {
            g_free(file);
        } else {
            subjects = g_ptr_array_new();
            g_hash_table_insert(table, file, subjects);
            g_ptr_array_add(files, file);
        }
        g_ptr_array_add(subjects, (void *)answer->subject);
    }
    return table;
}

size_t skeleton_write(const struct coverage *coverage, const GHashTable *known,
                      void (*told)(const char *file, const char *problem))
{
    g_autoptr(GPtrArray) files = g_ptr_array_new();
    g_autoptr(GHashTable) table = by_file(coverage, known, files);
    size_t written = 0;
    for (guint i = 0; i < files->len; i++) {
        const char *file = files->pdata[i];
        g_autofree char *path = g_build_filename(coverage->new_root, file, NULL);
        g_autofree char *text = text_of(g_hash_table_lookup(table, file));
        const char *problem = write_new(path, text);
        told(file, problem);
        written += problem == NULL;
    }
    return written;
}

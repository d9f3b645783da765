/* identities: see identities.h. Reads files and derives keys in loop_work(); never on the loop. */
#include "runner/ssh/identities.h"
#include "core/errors.h"
#include "core/limits.h"
#include "core/secret.h"
#include <string.h>
#include <sys/stat.h>

/* One list of references that is offered together. */
struct key_list {
    char **references;
    bool optional;         /* defaults: what does not exist is not an error */
    GPtrArray *identities; /* NULL while loading */
    uint64_t loaded_ms;
    guint64 stamp; /* of the files, when they were read */
};

/* Files are looked at again so long after they were read: keys are rotated, and put where they were missing, while a
 * runner runs. */
enum { CHECK_AGAIN_MS = 5 * 1000 };

struct ssh_identities {
    struct loop *loop;
    char **references;    /* NULL = defaults */
    char *passphrase;     /* reference */
    GHashTable *lists;    /* "" or the only reference → struct key_list* */
    GPtrArray *listeners; /* struct listener* */
    unsigned loads;
    bool orphan; /* freed while loads were under way: the last one frees the rest */
};

struct listener {
    void (*loaded)(void *arg);
    void *arg;
};

struct load {
    struct ssh_identities *owner;
    struct key_list *list;
    char **references;
    char *passphrase;
    bool optional;
    GPtrArray *identities;
    guint64 stamp;
};

static void identity_free(void *pointer)
{
    struct ssh_identity *identity = pointer;
    g_free(identity->name);
    ssh_key_free(identity->key);
    g_clear_error(&identity->error);
    g_free(identity);
}

static void key_list_free(void *pointer)
{
    struct key_list *list = pointer;
    g_strfreev(list->references);
    if (list->identities != NULL)
        g_ptr_array_unref(list->identities);
    g_free(list);
}

struct ssh_identities *ssh_identities_new(struct loop *loop, const char *const *references, const char *passphrase)
{
    struct ssh_identities *identities = g_new0(struct ssh_identities, 1);
    identities->loop = loop;
    identities->references = references && references[0] ? g_strdupv((char **)(uintptr_t)references) : NULL;
    identities->passphrase = g_strdup(passphrase);
    identities->listeners = g_ptr_array_new_with_free_func(g_free);
    identities->lists = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, key_list_free);
    return identities;
}

static void identities_destroy(struct ssh_identities *identities)
{
    g_hash_table_unref(identities->lists);
    g_ptr_array_unref(identities->listeners);
    g_strfreev(identities->references);
    g_free(identities->passphrase);
    g_free(identities);
}

void ssh_identities_free(struct ssh_identities *identities)
{
    if (identities == NULL)
        return;
    if (identities->loads > 0)
        identities->orphan = true;
    else
        identities_destroy(identities);
}

void ssh_identities_listen(struct ssh_identities *identities, void (*loaded)(void *arg), void *arg)
{
    struct listener *listener = g_new(struct listener, 1);
    *listener = (struct listener){loaded, arg};
    g_ptr_array_add(identities->listeners, listener);
}

void ssh_identities_unlisten(struct ssh_identities *identities, void *arg)
{
    for (guint i = identities->listeners->len; i-- > 0;)
        if (((struct listener *)g_ptr_array_index(identities->listeners, i))->arg == arg)
            g_ptr_array_remove_index(identities->listeners, i);
}

/* A listener may leave, or bring others in, while it is told. */
static void tell_listeners(struct ssh_identities *identities)
{
    for (guint i = identities->listeners->len; i-- > 0;) {
        if (i >= identities->listeners->len)
            continue;
        struct listener listener = *(struct listener *)g_ptr_array_index(identities->listeners, i);
        listener.loaded(listener.arg);
    }
}

/* Where a reference's file is; NULL for env:NAME. g_free. */
static char *path_of(const char *reference)
{
    if (g_str_has_prefix(reference, "env:"))
        return NULL;
    const char *path = g_str_has_prefix(reference, "file:") ? reference + strlen("file:") : reference;
    return g_str_has_prefix(path, "~/") ? g_build_filename(g_get_home_dir(), path + 2, NULL) : g_strdup(path);
}

/* Another number when one of the files is another, or there and was not. */
static guint64 stamp_of(char *const *references)
{
    guint64 stamp = 0;
    for (; *references != NULL; references++) {
        g_autofree char *path = path_of(*references);
        struct stat seen = {0};
        if (path != NULL && stat(path, &seen) == 0)
            stamp = stamp * 31 + (guint64)seen.st_ino + (guint64)seen.st_mtim.tv_sec * 1000000007u +
                    (guint64)seen.st_mtim.tv_nsec + (guint64)seen.st_size;
    }
    return stamp;
}

/* The text of a private key: env:NAME, file:PATH, or a plain path in which a leading ~ is the home directory. */
static char *read_reference(const char *reference, gsize *ret_length, GError **error)
{
    char *text = NULL;
    g_autofree char *full = path_of(reference);
    if (full == NULL) {
        text = secret_resolve(reference, error);
        *ret_length = text ? strlen(text) : 0;
        return text;
    }
    g_autoptr(GError) failure = NULL;
    if (!g_file_get_contents(full, &text, ret_length, &failure)) {
        errors_set(error, ERROR_SECRET, "cannot read identity '%s': %s", full, failure->message);
        return NULL;
    }
    return text;
}

static struct ssh_identity *load_one(const char *reference, const char *passphrase)
{
    struct ssh_identity *identity = g_new0(struct ssh_identity, 1);
    identity->name = g_strdup(reference);
    gsize length = 0;
    char *text = read_reference(reference, &length, &identity->error);
    if (text == NULL)
        return identity;
    if (length > LIMIT_SECRET_BYTES)
        errors_set(&identity->error, ERROR_SECRET, "identity '%s' is too large to be a key", reference);
    else
        identity->key = ssh_key_parse(text, length, NULL, reference, &identity->error);
    if (identity->key == NULL && passphrase != NULL && length <= LIMIT_SECRET_BYTES) {
        g_clear_error(&identity->error);
        char *secret = secret_resolve(passphrase, &identity->error);
        if (secret != NULL)
            identity->key = ssh_key_parse(text, length, secret, reference, &identity->error);
        secret_free(secret);
    }
    explicit_bzero(text, length);
    g_free(text);
    return identity;
}

static void load_work(void *arg)
{
    struct load *load = arg;
    load->identities = g_ptr_array_new_with_free_func(identity_free);
    load->stamp = stamp_of(load->references); /* before they are read: a change meanwhile shows later */
    for (char **reference = load->references; *reference != NULL; reference++) {
        if (load->optional && !g_file_test(*reference, G_FILE_TEST_EXISTS))
            continue;
        g_ptr_array_add(load->identities, load_one(*reference, load->passphrase));
    }
}

static void load_done(void *arg)
{
    struct load *load = arg;
    struct ssh_identities *owner = load->owner;
    load->list->identities = load->identities;
    load->list->stamp = load->stamp;
    load->list->loaded_ms = loop_now_ms(owner->loop);
    g_strfreev(load->references);
    g_free(load->passphrase);
    g_free(load);
    owner->loads--;
    if (owner->orphan && owner->loads == 0)
        identities_destroy(owner);
    else if (!owner->orphan)
        tell_listeners(owner);
}

static char **default_references(void)
{
    static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_rsa", NULL};
    GPtrArray *paths = g_ptr_array_new();
    for (const char *const *name = names; *name != NULL; name++)
        g_ptr_array_add(paths, g_build_filename(g_get_home_dir(), ".ssh", *name, NULL));
    g_ptr_array_add(paths, NULL);
    return (char **)g_ptr_array_free(paths, FALSE);
}

static char **references_for(const struct ssh_identities *identities, const char *only)
{
    if (only != NULL) {
        char **one = g_new0(char *, 2);
        one[0] = g_strdup(only);
        return one;
    }
    return identities->references ? g_strdupv(identities->references) : default_references();
}

static void start_load(struct ssh_identities *identities, struct key_list *list)
{
    g_clear_pointer(&list->identities, g_ptr_array_unref);
    struct load *load = g_new0(struct load, 1);
    load->owner = identities;
    load->list = list;
    load->references = g_strdupv(list->references);
    load->passphrase = g_strdup(identities->passphrase);
    load->optional = list->optional;
    identities->loads++;
    loop_work(identities->loop, load_work, load_done, load);
}

/* A passphrase may be there now that was not, and no file tells. */
static bool has_errors(const GPtrArray *identities)
{
    for (guint i = 0; i < identities->len; i++)
        if (((const struct ssh_identity *)g_ptr_array_index(identities, i))->key == NULL)
            return true;
    return false;
}

static bool is_stale(const struct ssh_identities *identities, const struct key_list *list)
{
    return list->identities != NULL && loop_now_ms(identities->loop) - list->loaded_ms >= CHECK_AGAIN_MS &&
           (has_errors(list->identities) || stamp_of(list->references) != list->stamp);
}

GPtrArray *ssh_identities_get(struct ssh_identities *identities, const char *only)
{
    const char *name = only ? only : "";
    struct key_list *list = g_hash_table_lookup(identities->lists, name);
    if (list == NULL) {
        list = g_new0(struct key_list, 1);
        list->references = references_for(identities, only);
        list->optional = only == NULL && identities->references == NULL;
        g_hash_table_insert(identities->lists, g_strdup(name), list);
        start_load(identities, list);
    } else if (is_stale(identities, list)) {
        start_load(identities, list);
    }
    return list->identities;
}

/* known_hosts: which key a host may show, read from OpenSSH's files. Knows no SSH library and no connection.
 *
 * Written because the readers of libssh2 and libgit2 accept @revoked keys and lose everything after a line they dislike
 * (docs/design/decisions.md). A line that cannot be read is skipped alone. */
#include "core/known_hosts.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum marker { MARKER_NONE, MARKER_REVOKED };

enum { HASH_BYTES = 20 };

/* One line. A hashed name has a salt, else `patterns` holds names in lower case, "!" first when negated. */
struct entry {
    int line;
    enum marker marker;
    char **patterns;
    uint8_t *salt;
    size_t salt_length;
    uint8_t hash[HASH_BYTES];
    char *type;
    uint8_t *key;
    size_t key_length;
};

struct known_hosts {
    GPtrArray *entries;
    size_t bad_lines;
};

static void entry_free(void *data)
{
    struct entry *entry = data;
    g_strfreev(entry->patterns);
    g_free(entry->salt);
    g_free(entry->type);
    g_free(entry->key);
    g_free(entry);
}

/* Keys */

/* The type that a key blob names in its first field, or NULL when the blob is malformed. g_free. */
static char *key_type(const uint8_t *key, size_t length)
{
    if (length < 4)
        return NULL;
    size_t type_length = (size_t)key[0] << 24 | (size_t)key[1] << 16 | (size_t)key[2] << 8 | key[3];
    if (type_length == 0 || type_length > 64 || type_length > length - 4)
        return NULL;
    for (size_t i = 0; i < type_length; i++)
        if (!g_ascii_isgraph(key[4 + i]))
            return NULL;
    return g_strndup((const char *)key + 4, type_length);
}

char *known_hosts_fingerprint(const uint8_t *key, size_t key_length)
{
    uint8_t hash[32];
    crypto_sha256(key, key_length, hash);
    g_autofree char *base64 = g_base64_encode(hash, sizeof hash);
    base64[strcspn(base64, "=")] = '\0';
    return g_strconcat("SHA256:", base64, NULL);
}

/* Decodes base64 strictly: GLib's decoder skips what it does not know. NULL when it is not base64. */
static uint8_t *decode_base64(const char *text, size_t *ret_length)
{
    size_t length = strlen(text),
           digits = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    if (length == 0 || length % 4 != 0 || length - digits > 2 || strspn(text + digits, "=") != length - digits)
        return NULL;
    gsize decoded;
    uint8_t *bytes = g_base64_decode(text, &decoded);
    *ret_length = decoded;
    return bytes;
}

/* Reading */

/* The next word of the line, terminated in place, or NULL. */
static char *next_word(char **at)
{
    *at += strspn(*at, " \t");
    if (**at == '\0')
        return NULL;
    char *word = *at;
    *at += strcspn(*at, " \t");
    if (**at != '\0')
        *(*at)++ = '\0';
    return word;
}

/* |1|base64 salt|base64 hash */
static bool read_hashed_name(struct entry *entry, const char *names)
{
    g_auto(GStrv) parts = g_strsplit(names, "|", -1);
    if (g_strv_length(parts) != 4 || strcmp(parts[1], "1") != 0)
        return false;
    size_t hash_length = 0;
    entry->salt = decode_base64(parts[2], &entry->salt_length);
    g_autofree uint8_t *hash = decode_base64(parts[3], &hash_length);
    if (entry->salt == NULL || hash == NULL || hash_length != HASH_BYTES)
        return false;
    memcpy(entry->hash, hash, HASH_BYTES);
    return true;
}

static bool read_names(struct entry *entry, const char *names)
{
    if (names[0] == '|')
        return read_hashed_name(entry, names);
    g_autofree char *lower = g_ascii_strdown(names, -1);
    entry->patterns = g_strsplit(lower, ",", -1);
    return true;
}

static bool read_key(struct entry *entry, const char *type, const char *base64)
{
    entry->key = decode_base64(base64, &entry->key_length);
    if (entry->key == NULL)
        return false;
    entry->type = key_type(entry->key, entry->key_length);
    return entry->type != NULL && strcmp(entry->type, type) == 0;
}

enum outcome { OUTCOME_ENTRY, OUTCOME_NOTHING, OUTCOME_BAD };

/* [marker] names type key [comment] */
static enum outcome read_line(struct entry *entry, char *line)
{
    char *names = next_word(&line);
    if (names == NULL || names[0] == '#')
        return OUTCOME_NOTHING;
    if (strcmp(names, "@cert-authority") == 0)
        return OUTCOME_NOTHING; /* a CA's key is no host's key, and certificates are not supported */
    if (names[0] == '@') {
        if (strcmp(names, "@revoked") != 0)
            return OUTCOME_BAD;
        entry->marker = MARKER_REVOKED;
        names = next_word(&line);
    }
    char *type = next_word(&line), *base64 = next_word(&line);
    if (names == NULL || type == NULL || base64 == NULL)
        return OUTCOME_BAD;
    return read_names(entry, names) && read_key(entry, type, base64) ? OUTCOME_ENTRY : OUTCOME_BAD;
}

struct known_hosts *known_hosts_parse(const char *text, size_t length, const char *path)
{
    (void)path; /* lines that cannot be read are counted, not told apart */
    struct known_hosts *hosts = g_new0(struct known_hosts, 1);
    hosts->entries = g_ptr_array_new_with_free_func(entry_free);
    const char *end = text + length;
    for (int number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline != NULL ? newline : end;
        g_autofree char *line = g_strndup(text, (size_t)(stop - text)); /* a NUL ends it: the rest is no base64 then */
        g_strchomp(line);                                               /* CR of a CRLF */
        struct entry *entry = g_new0(struct entry, 1);
        entry->line = number;
        enum outcome outcome = read_line(entry, line);
        if (outcome == OUTCOME_ENTRY)
            g_ptr_array_add(hosts->entries, entry);
        else
            entry_free(entry);
        hosts->bad_lines += outcome == OUTCOME_BAD;
        text = newline != NULL ? newline + 1 : end;
    }
    return hosts;
}

struct known_hosts *known_hosts_load(const char *path, GError **error)
{
    struct stat status = {0};
    if (stat(path, &status) != 0 && errno == ENOENT)
        return known_hosts_parse("", 0, path);
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) cause = NULL;
    if (status.st_size > LIMIT_KNOWN_HOSTS_BYTES) {
        errors_set(error, ERROR_TOO_LARGE, "cannot read '%s': larger than %d bytes", path, LIMIT_KNOWN_HOSTS_BYTES);
        return NULL;
    }
    if (!g_file_get_contents(path, &text, &length, &cause)) {
        errors_set(error, ERROR_IO, "cannot read '%s': %s", path, cause->message);
        return NULL;
    }
    return known_hosts_parse(text, length, path);
}

void known_hosts_free(struct known_hosts *hosts)
{
    if (hosts == NULL)
        return;
    g_ptr_array_free(hosts->entries, TRUE);
    g_free(hosts);
}

size_t known_hosts_bad_lines(const struct known_hosts *hosts)
{
    return hosts->bad_lines;
}

/* Matching */

/* `*` any text, `?` one byte. Goes back to the last star only, so the time is bounded by the product of the lengths. */
static bool wildcard_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

static bool entry_matches_name(const struct entry *entry, const char *name)
{
    if (entry->salt != NULL) {
        uint8_t hash[HASH_BYTES];
        crypto_hmac_sha1(entry->salt, entry->salt_length, name, strlen(name), hash);
        return crypto_equal(hash, entry->hash, HASH_BYTES);
    }
    bool found = false;
    for (char **pattern = entry->patterns; *pattern != NULL; pattern++) {
        bool negated = **pattern == '!';
        if (!wildcard_matches(*pattern + negated, name))
            continue;
        if (negated)
            return false; /* whatever else the line says */
        found = true;
    }
    return found;
}

/* "host" or "[host]:port", lower case, as the file writes names. g_free. */
static char *lookup_name(const char *host, uint16_t port)
{
    size_t length = strlen(host);
    bool bracketed = length > 2 && host[0] == '[' && host[length - 1] == ']';
    g_autofree char *bare = bracketed ? g_strndup(host + 1, length - 2) : g_strdup(host);
    g_autofree char *lower = g_ascii_strdown(bare, -1);
    return port == 22 ? g_strdup(lower) : g_strdup_printf("[%s]:%u", lower, port);
}

static bool same_key(const struct entry *entry, const uint8_t *key, size_t length)
{
    return entry->key_length == length && memcmp(entry->key, key, length) == 0;
}

/* The first line with this marker and key that is for this name. Keys are compared first: hashing names is what costs.
 */
static const struct entry *find_key(const struct known_hosts *hosts, enum marker marker, const char *name,
                                    const uint8_t *key, size_t length)
{
    for (guint i = 0; i < hosts->entries->len; i++) {
        const struct entry *entry = g_ptr_array_index(hosts->entries, i);
        if (entry->marker == marker && same_key(entry, key, length) && entry_matches_name(entry, name))
            return entry;
    }
    return NULL;
}

/* A line for this name, better one whose key has this type. */
static const struct entry *find_name(const struct known_hosts *hosts, const char *name, const char *type)
{
    const struct entry *found = NULL;
    for (guint i = 0; i < hosts->entries->len; i++) {
        const struct entry *entry = g_ptr_array_index(hosts->entries, i);
        bool same_type = type != NULL && strcmp(entry->type, type) == 0;
        if (entry->marker != MARKER_NONE || (found != NULL && !same_type) || !entry_matches_name(entry, name))
            continue;
        found = entry;
        if (same_type)
            break;
    }
    return found;
}

enum known_hosts_verdict known_hosts_check(const struct known_hosts *hosts, const char *host, uint16_t port,
                                           const uint8_t *key, size_t key_length, int *ret_line, char **ret_fingerprint)
{
    g_autofree char *name = lookup_name(host, port);
    const struct entry *entry = find_key(hosts, MARKER_REVOKED, name, key, key_length);
    enum known_hosts_verdict verdict = KNOWN_HOSTS_REVOKED;
    if (entry == NULL) {
        if (find_key(hosts, MARKER_NONE, name, key, key_length) != NULL)
            return KNOWN_HOSTS_MATCH;
        g_autofree char *type = key_type(key, key_length);
        entry = find_name(hosts, name, type);
        verdict = entry != NULL ? KNOWN_HOSTS_CHANGED : KNOWN_HOSTS_UNKNOWN;
    }
    if (entry != NULL && ret_line != NULL)
        *ret_line = entry->line;
    if (entry != NULL && ret_fingerprint != NULL)
        *ret_fingerprint = known_hosts_fingerprint(entry->key, entry->key_length);
    return verdict;
}

char **known_hosts_key_types(const struct known_hosts *hosts, const char *host, uint16_t port)
{
    g_autofree char *name = lookup_name(host, port);
    g_autoptr(GPtrArray) types = g_ptr_array_new();
    for (guint i = 0; i < hosts->entries->len; i++) {
        const struct entry *entry = g_ptr_array_index(hosts->entries, i);
        if (entry->marker == MARKER_NONE && !g_ptr_array_find_with_equal_func(types, entry->type, g_str_equal, NULL) &&
            entry_matches_name(entry, name))
            g_ptr_array_add(types, g_strdup(entry->type));
    }
    g_ptr_array_add(types, NULL);
    return (char **)g_ptr_array_steal(types, NULL);
}

/* Adding */

/* A name that means itself alone when it stands in the file. */
static bool is_plain_name(const char *host)
{
    if (*host == '\0' || strchr("#@|!", *host) != NULL)
        return false;
    for (; *host != '\0'; host++)
        if (!g_ascii_isgraph(*host) || strchr(",*?", *host) != NULL)
            return false;
    return true;
}

/* The line to append, with a newline before it when the file's last line has none. */
static char *make_line(int fd, const char *name, const char *type, const uint8_t *key, size_t key_length)
{
    g_autofree char *base64 = g_base64_encode(key, key_length);
    char last = '\n';
    off_t size = lseek(fd, 0, SEEK_END);
    if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
        last = '\n';
    return g_strdup_printf("%s%s %s %s\n", last == '\n' ? "" : "\n", name, type, base64);
}

static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return done;
}

static bool append_line(const char *path, const char *name, const char *type, const uint8_t *key, size_t key_length)
{
    g_autofree char *folder = g_path_get_dirname(path);
    if (g_mkdir_with_parents(folder, 0700) != 0)
        return false;
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    g_autofree char *line = make_line(fd, name, type, key, key_length);
    size_t length = strlen(line);
    ssize_t written = write(fd, line, length); /* one write: two processes that append do not mix lines */
    if (written >= 0 && (size_t)written < length)
        errno = ENOSPC;
    bool done = written == (ssize_t)length && fsync(fd) == 0;
    int cause = errno;
    close(fd);
    if (done)
        return sync_folder(folder);
    errno = cause;
    return false;
}

bool known_hosts_add(const char *path, const char *host, uint16_t port, const uint8_t *key, size_t key_length,
                     GError **error)
{
    g_autofree char *name = lookup_name(host, port), *type = key_type(key, key_length);
    if (!is_plain_name(name)) {
        errors_set(error, ERROR_INVALID, "cannot add to '%s': not a host name: '%s'", path, host);
        return false;
    }
    if (type == NULL) {
        errors_set(error, ERROR_INVALID, "cannot add to '%s': the key of '%s' is malformed", path, host);
        return false;
    }
    if (!append_line(path, name, type, key, key_length)) {
        errors_set(error, ERROR_IO, "cannot add to '%s': %s", path, g_strerror(errno));
        return false;
    }
    return true;
}

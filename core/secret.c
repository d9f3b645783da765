/* secret: resolves env:NAME and file:PATH. Knows neither who asks nor whether they may. */
#include "core/secret.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool secret_is_reference(const char *reference)
{
    return reference != NULL && ((g_str_has_prefix(reference, "env:") && reference[4] != '\0') ||
                                 (g_str_has_prefix(reference, "file:") && reference[5] != '\0'));
}

static char *resolve_env(const char *reference, GError **error)
{
    const char *value = g_getenv(reference + strlen("env:"));
    if (value == NULL)
        errors_set(error, ERROR_SECRET, "secret '%s': the environment variable is not set", reference);
    return g_strdup(value);
}

/* Reads all of fd into a buffer of fixed size, so that no realloc leaves a copy behind. -1 with errno, or -2: too long.
 */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t got = read(fd, buffer + used, size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -1 : (ssize_t)used;
        used += (size_t)got;
    }
    return -2;
}

static char *resolve_file(const char *reference, GError **error)
{
    int fd = open(reference + strlen("file:"), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        errors_set(error, ERROR_SECRET, "secret '%s': cannot open the file: %s", reference, g_strerror(errno));
        return NULL;
    }
    char *value = g_malloc(LIMIT_SECRET_BYTES + 1);
    ssize_t length = read_all(fd, value, LIMIT_SECRET_BYTES + 1);
    int cause = errno;
    close(fd);
    const char *problem = NULL;
    if (length == -1)
        problem = g_strerror(cause);
    else if (length == -2)
        problem = "the file is too large";
    else if (memchr(value, '\0', (size_t)length) != NULL)
        problem = "the file holds a NUL byte";
    if (problem != NULL) {
        errors_set(error, ERROR_SECRET, "secret '%s': cannot read the file: %s", reference, problem);
        crypto_wipe(value, LIMIT_SECRET_BYTES + 1);
        g_free(value);
        return NULL;
    }
    if (length > 0 && value[length - 1] == '\n')
        length--;
    value[length] = '\0';
    char *exact = g_strdup(value);
    crypto_wipe(value, LIMIT_SECRET_BYTES + 1);
    g_free(value);
    return exact;
}

char *secret_resolve(const char *reference, GError **error)
{
    if (!secret_is_reference(reference)) {
        /* The text itself may be a secret that somebody put in the wrong place. */
        errors_set(error, ERROR_SECRET, "a secret must be a reference, env:NAME or file:PATH");
        return NULL;
    }
    return reference[0] == 'e' ? resolve_env(reference, error) : resolve_file(reference, error);
}

void secret_free(char *value)
{
    if (value == NULL)
        return;
    crypto_wipe(value, strlen(value));
    g_free(value);
}

#include "jobs/store/folder.h"
#include "core/errors.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool folder_create(const char *folder, GError **error)
{
    if (g_mkdir_with_parents(folder, 0700) == 0)
        return true;
    errors_set(error, ERROR_STORE, "cannot create folder '%s': %s", folder, g_strerror(errno));
    return false;
}

/* The number in the file is for people only; the lock is what counts. */
static void refuse(const char *folder, int fd, GError **error)
{
    char text[32] = "";
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    g_strchomp(text);
    errors_set(error, ERROR_CONFLICT, "cannot serve data folder '%s': another hikeshi serves it (process %s)", folder,
               *text ? text : "unknown");
}

int folder_lock(const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "lock", NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        errors_set(error, ERROR_STORE, "cannot open '%s': %s", path, g_strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            refuse(folder, fd, error);
        else
            errors_set(error, ERROR_STORE, "cannot lock '%s': %s", path, g_strerror(errno));
        close(fd);
        return -1;
    }
    g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, strlen(text), 0) < 0) { /* only the message suffers */
    }
    return fd;
}

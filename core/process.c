/* process: see process.h. Only what is certain counts as gone: a number that nobody has, or that a process with another
 * start has. A pidfd (pidfd_open(2)) is bound to one process; its start is read after it was opened. */
#include "core/process.h"
#include <errno.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STAT_START = 19 }; /* words of /proc/PID/stat after the command's name; proc(5) calls it 22 */

struct identity {
    guint64 space, pid, start;
};

struct process_watch {
    int pidfd;                 /* -1: it was gone before */
    struct loop_poll *poll;    /* of pidfd */
    struct loop_timer *called; /* it was gone before: gone() comes from the loop */
    void (*gone)(void *arg);
    void *arg;
};

static char *boot_id(void)
{
    char *text = NULL;
    return g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL) ? g_strstrip(text) : NULL;
}

static guint64 own_namespace(void)
{
    struct stat status;
    return stat("/proc/self/ns/pid", &status) == 0 ? (guint64)status.st_ino : 0;
}

/* When the process started; 0 when that cannot be read. */
static guint64 start_of(guint64 pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%" G_GUINT64_FORMAT "/stat", pid), *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    const char *rest = strrchr(text, ')'); /* the name before it may hold anything, also ')' */
    if (rest == NULL || rest[1] != ' ')
        return 0;
    g_auto(GStrv) words = g_strsplit(rest + 2, " ", STAT_START + 2);
    guint64 start = 0;
    if (g_strv_length(words) > STAT_START)
        g_ascii_string_to_unsigned(words[STAT_START], 10, 1, G_MAXUINT64, &start, NULL);
    return start;
}

char *process_name(pid_t pid)
{
    g_autofree char *boot = boot_id();
    guint64 space = own_namespace(), start = pid > 0 ? start_of((guint64)pid) : 0;
    if (boot == NULL || space == 0 || start == 0)
        return NULL;
    return g_strdup_printf("%s/%" G_GUINT64_FORMAT "/%d/%" G_GUINT64_FORMAT, boot, space, (int)pid, start);
}

static bool parse(const char *name, struct identity *ret_identity)
{
    g_auto(GStrv) words = g_strsplit(name, "/", 5);
    g_autofree char *boot = boot_id();
    return g_strv_length(words) == 4 && g_strcmp0(words[0], boot) == 0 &&
           g_ascii_string_to_unsigned(words[1], 10, 1, G_MAXUINT64, &ret_identity->space, NULL) &&
           g_ascii_string_to_unsigned(words[2], 10, 1, G_MAXINT32, &ret_identity->pid, NULL) &&
           g_ascii_string_to_unsigned(words[3], 10, 1, G_MAXUINT64, &ret_identity->start, NULL);
}

/* Opens the process. False when it cannot be said whether it lives; *ret_pidfd is -1 when it does not. */
static bool open_process(const struct identity *identity, int *ret_pidfd)
{
    int pidfd = pidfd_open((pid_t)identity->pid, 0);
    if (pidfd < 0 && errno != ESRCH)
        return false;
    guint64 start = pidfd >= 0 ? start_of(identity->pid) : 0;
    if (start != 0 && start != identity->start) { /* somebody else has its number */
        close(pidfd);
        pidfd = -1;
    }
    *ret_pidfd = pidfd;
    return true;
}

static void tell(struct process_watch *watch)
{
    void (*gone)(void *arg) = g_steal_pointer(&watch->gone);
    if (gone != NULL)
        gone(watch->arg); /* may free the watch */
}

static void on_ended(void *arg, int events)
{
    (void)events;
    struct process_watch *watch = arg;
    loop_poll_set(watch->poll, 0);
    tell(watch);
}

static void on_called(void *arg)
{
    tell(arg);
}

struct process_watch *process_watch_new(struct loop *loop, const char *name, void (*gone)(void *arg), void *arg)
{
    struct identity identity;
    int pidfd;
    if (!parse(name, &identity) || identity.space != own_namespace() || !open_process(&identity, &pidfd))
        return NULL;
    struct process_watch *watch = g_new0(struct process_watch, 1);
    *watch = (struct process_watch){.pidfd = pidfd, .gone = gone, .arg = arg};
    if (pidfd < 0) {
        watch->called = loop_timer_new(loop, on_called, watch);
        loop_timer_start(watch->called, 0, 0);
        return watch;
    }
    watch->poll = loop_poll_new(loop, pidfd, on_ended, watch);
    if (watch->poll == NULL) {
        process_watch_free(watch);
        return NULL;
    }
    loop_poll_set(watch->poll, LOOP_READ);
    return watch;
}

void process_watch_free(struct process_watch *watch)
{
    if (watch == NULL)
        return;
    loop_poll_free(watch->poll);
    loop_timer_free(watch->called);
    if (watch->pidfd >= 0)
        close(watch->pidfd);
    g_free(watch);
}

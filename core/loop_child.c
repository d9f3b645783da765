/* loop_child: child processes by fork, exec and a pidfd that the loop polls. Knows no shell.
 *
 * Not libuv's uv_spawn: it neither closes foreign descriptors nor sets a parent-death signal, and its SIGCHLD handler
 * would meet those of other loops. A pidfd belongs to one child and one loop. */
#include "core/errors.h"
#include "core/loop_private.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct loop_child {
    pid_t pid;
    int pidfd;
    struct loop_poll *poll;
    bool exited, own_group;
    void (*on_exit)(void *arg, int status, int term_signal);
    void *arg;
};

/* What the forked child needs, made before fork: after it only async-signal-safe calls are allowed. */
struct launch {
    char *program;
    char **argv;
    char **env;
    const char *cwd;
    int *fds; /* the child's descriptors 0 … count-1; LOOP_FD_NULL = /dev/null */
    int count;
    int report_fd; /* the child writes errno here when it cannot start */
    pid_t parent;
    bool die_with_parent, own_group;
};

static void child_fail(int report_fd)
{
    int cause = errno;
    ssize_t written = write(report_fd, &cause, sizeof cause);
    (void)written;
    _exit(127);
}

/* Puts fds[i] at descriptor i. First all go above the range, so that no dup2 overwrites one that is still needed. */
static bool place_descriptors(int *fds, int count, int *report_fd)
{
    int above = count + 1;
    int report = fcntl(*report_fd, F_DUPFD_CLOEXEC, above);
    if (report < 0)
        return false;
    *report_fd = report;
    for (int i = 0; i < count; i++) {
        int fd = fds[i] == LOOP_FD_NULL ? open("/dev/null", O_RDWR | O_CLOEXEC) : fds[i];
        fds[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, above);
        if (fds[i] < 0)
            return false;
    }
    for (int i = 0; i < count; i++)
        if (dup2(fds[i], i) < 0)
            return false;
    /* The report descriptor goes right above the child's own; everything higher is closed. */
    if (dup3(*report_fd, count, O_CLOEXEC) < 0)
        return false;
    *report_fd = count;
    return close_range((unsigned)count + 1, ~0U, 0) == 0;
}

static void reset_signals(void)
{
    sigset_t none;
    for (int signum = 1; signum < NSIG; signum++)
        signal(signum, SIG_DFL); /* SIGKILL, SIGSTOP and the C library's own refuse: fine */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_start(struct launch *launch) G_GNUC_NORETURN;
static void child_start(struct launch *launch)
{
    if (launch->die_with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != launch->parent) /* it died before prctl */
            _exit(127);
    }
    if (launch->own_group && setpgid(0, 0) != 0)
        child_fail(launch->report_fd);
    if (!place_descriptors(launch->fds, launch->count, &launch->report_fd))
        child_fail(launch->report_fd);
    if (launch->cwd != NULL && chdir(launch->cwd) != 0)
        child_fail(launch->report_fd);
    reset_signals();
    execve(launch->program, launch->argv, launch->env);
    child_fail(launch->report_fd);
    _exit(127);
}

/* Forks; the parent learns through a pipe that exec worked (end of file) or why not (errno). */
static pid_t spawn(struct launch *launch, GError **error)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        errors_set(error, ERROR_IO, "cannot start '%s': %s", launch->program, g_strerror(errno));
        return -1;
    }
    launch->report_fd = report[1];
    launch->parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child_start(launch);
    int cause = errno;
    close(report[1]);
    ssize_t got = 0;
    if (pid > 0) {
        while ((got = read(report[0], &cause, sizeof cause)) < 0 && errno == EINTR)
            ;
    }
    close(report[0]);
    if (pid > 0 && got == 0)
        return pid;
    if (pid > 0)
        waitpid(pid, NULL, 0);
    errors_set(error, ERROR_IO, "cannot start '%s': %s", launch->program, g_strerror(cause));
    return -1;
}

static void child_destroy(void *arg)
{
    struct loop_child *child = arg;
    loop_poll_free(child->poll);
    close(child->pidfd);
    g_free(child);
}

static void on_pidfd(void *arg, int events)
{
    (void)events;
    struct loop_child *child = arg;
    int status;
    pid_t got = waitpid(child->pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return;
    child->exited = true;
    loop_poll_set(child->poll, 0);
    if (child->on_exit == NULL) { /* freed while it lived */
        child_destroy(child);
        return;
    }
    bool signalled = got > 0 && WIFSIGNALED(status);
    child->on_exit(child->arg, got > 0 && !signalled ? WEXITSTATUS(status) : -1, signalled ? WTERMSIG(status) : 0);
}

static void launch_prepare(struct launch *launch, const struct loop_child_options *options)
{
    launch->program = g_find_program_in_path(options->argv[0]);
    if (launch->program == NULL)
        launch->program = g_strdup(options->argv[0]); /* execve says why not */
    launch->argv = (char **)options->argv;
    launch->env = options->env != NULL ? (char **)options->env : environ;
    launch->cwd = options->cwd;
    launch->die_with_parent = options->die_with_parent;
    launch->own_group = options->own_group;
    launch->count = 3 + (int)options->extra_fd_count;
    launch->fds = g_new(int, launch->count);
    launch->fds[0] = options->stdin_fd;
    launch->fds[1] = options->stdout_fd;
    launch->fds[2] = options->stderr_fd;
    for (size_t i = 0; i < options->extra_fd_count; i++)
        launch->fds[3 + i] = options->extra_fds[i];
}

struct loop_child *loop_child_new(struct loop *loop, const struct loop_child_options *options, GError **error)
{
    struct launch launch = {0};
    launch_prepare(&launch, options);
    pid_t pid = spawn(&launch, error);
    g_free(launch.program);
    g_free(launch.fds);
    if (pid < 0)
        return NULL;

    struct loop_child *child = g_new0(struct loop_child, 1);
    child->pid = pid;
    child->own_group = options->own_group;
    child->on_exit = options->on_exit;
    child->arg = options->arg;
    child->pidfd = pidfd_open(pid, 0);
    if (child->pidfd >= 0)
        child->poll = loop_poll_new(loop, child->pidfd, on_pidfd, child);
    if (child->poll == NULL) {
        errors_set(error, ERROR_IO, "cannot watch the process of '%s': %s", options->argv[0], g_strerror(errno));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        if (child->pidfd >= 0)
            close(child->pidfd);
        g_free(child);
        return NULL;
    }
    loop_poll_set(child->poll, LOOP_READ);
    return child;
}

pid_t loop_child_pid(const struct loop_child *child)
{
    return child->pid;
}

bool loop_child_kill(struct loop_child *child, int signum)
{
    /* Until it is waited for, the process id cannot be reused. */
    return !child->exited && kill(child->own_group ? -child->pid : child->pid, signum) == 0;
}

void loop_child_free(struct loop_child *child)
{
    if (child == NULL)
        return;
    if (child->exited) {
        child_destroy(child);
        return;
    }
    child->on_exit = NULL; /* stays to collect the exit status, so that no zombie is left */
    loop_poll_detach(child->poll, child_destroy);
}

/* bare_mhd: what libmicrohttpd itself can do on this machine: reads each request's body, answers 202, stores nothing.
 * The yardstick of `scripts/bench intake`.
 *
 * Configured as its manual advises for throughput: epoll, the library's own polling threads, one answer object for all.
 */
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct MHD_Response *accepted;

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_length, void **context)
{
    static int seen;
    (void)arg, (void)url, (void)method, (void)version, (void)upload;
    if (*context == NULL) {
        *context = &seen;
        return MHD_YES;
    }
    if (*upload_length > 0) {
        *upload_length = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_ACCEPTED, accepted);
}

/* bare_mhd [THREADS]: prints its port, runs until SIGTERM. */
int main(int argc, char **argv)
{
    static char body[] = "{\"accepted\":true}";
    unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    accepted = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(accepted, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO, 0, NULL, NULL, answer,
                                                 NULL, MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0,
                                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32 * 1024, MHD_OPTION_END);
    const union MHD_DaemonInfo *info = daemon != NULL ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (info == NULL) {
        fputs("bare_mhd: cannot start\n", stderr);
        return 1;
    }
    printf("listening on http://127.0.0.1:%u\n", (unsigned)info->port);
    fflush(stdout);
    int received = 0;
    sigwait(&stop, &received);
    MHD_stop_daemon(daemon);
    MHD_destroy_response(accepted);
    return 0;
}

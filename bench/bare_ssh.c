/* bare_ssh: the floor of bench latency: one warm libssh2 session that runs a command whenever a line comes on stdin,
 * and prints the microseconds from there to its first byte of output. No checks, no stopping, no storing.
 *
 * bench_bare_ssh PORT USER KEYFILE COMMAND */
#include <arpa/inet.h>
#include <libssh2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bare_ssh: %s\n", what);
    exit(1);
}

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static LIBSSH2_SESSION *connect_to(int port, const char *user, const char *key)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    LIBSSH2_SESSION *session = libssh2_session_init();
    if (libssh2_session_handshake(session, fd) != 0)
        die("the handshake failed");
    if (libssh2_userauth_publickey_fromfile(session, user, NULL, key, NULL) != 0)
        die("the key was refused");
    return session;
}

static long long run_once(LIBSSH2_SESSION *session, const char *command)
{
    char bytes[4096];
    long long start = now_us();
    LIBSSH2_CHANNEL *channel = libssh2_channel_open_session(session);
    if (channel == NULL || libssh2_channel_exec(channel, command) != 0)
        die("the command was refused");
    if (libssh2_channel_read(channel, bytes, sizeof bytes) <= 0)
        die("the command said nothing");
    long long first = now_us();
    while (libssh2_channel_read(channel, bytes, sizeof bytes) > 0) {
    }
    libssh2_channel_close(channel);
    libssh2_channel_wait_closed(channel);
    libssh2_channel_free(channel);
    return first - start;
}

int main(int argc, char **argv)
{
    char line[16];
    if (argc != 5 || libssh2_init(0) != 0)
        die("usage: bench_bare_ssh PORT USER KEYFILE COMMAND");
    LIBSSH2_SESSION *session = connect_to(atoi(argv[1]), argv[2], argv[3]);
    while (fgets(line, sizeof line, stdin) != NULL) {
        printf("%lld\n", run_once(session, argv[4]));
        fflush(stdout);
    }
    return 0;
}

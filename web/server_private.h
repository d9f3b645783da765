/* server_private: what the three files of the adapter share: server.c (daemon and loop), server_request.c (one
 * exchange), server_stream.c (server-sent events). Nobody else includes this. */
#ifndef WEB_SERVER_PRIVATE_H
#define WEB_SERVER_PRIVATE_H

#include "core/limits.h"
#include "web/server.h"
#include <microhttpd.h>
#include <stdint.h>

/* Debian 12 has 0.9.75, where the answer type already is an enum (since 0.9.71). */
#if defined(MHD_VERSION) && MHD_VERSION < 0x00097100
#error "libmicrohttpd 0.9.71 or newer is needed"
#endif

struct server {
    struct loop *loop;
    struct server_options options; /* listen and unix_socket are not kept */
    struct MHD_Daemon *daemon;
    struct loop_poll *poll;   /* the daemon's epoll descriptor */
    struct loop_timer *timer; /* the daemon's next deadline, or work left over */
    uint64_t timer_due_ms;
    struct loop_timer *heartbeat; /* runs while streams are open */
    struct loop_timer *farewell;  /* tells owners of lagged streams */
    char *address;
    char *socket_path;
    struct server_request *exchanges; /* all that are under way */
    GQueue streams;                   /* struct server_stream, open */
    size_t body_bytes;                /* buffered by all exchanges */
    bool stopping;
};

enum request_phase {
    REQUEST_NEW,       /* the request line is there */
    REQUEST_READING,   /* headers were accepted, the body comes */
    REQUEST_HANDLING,  /* the handler is on the stack */
    REQUEST_SUSPENDED, /* the handler returned without an answer */
    REQUEST_ANSWERED,  /* the answer is with libmicrohttpd */
};

struct server_request {
    unsigned references;
    enum request_phase phase;
    struct server *server;               /* NULL once the exchange is over, with `connection` */
    struct MHD_Connection *connection;   /* NULL before the headers are there, too */
    struct server_request *next, **link; /* in server->exchanges */
    struct MHD_Response *response;       /* given, not yet handed to libmicrohttpd */
    unsigned status;
    struct server_stream *stream;
    struct server_hangup *hangup; /* watched while the answer is awaited; NULL = not */
    int refusal; /* an error_code: the body is read and dropped, then this is the answer; -1 = none */
    char *body;
    size_t body_length, body_capacity, body_limit, dropped;
    char method[16];
    char *peer; /* made when asked for */
    char *path; /* decoded; behind `raw_path` in the same block */
    bool bad_path;
    char raw_path[];
};

/* server.c: lets a suspended exchange go on, in the next turn of the loop. */
void server_resume(struct server *server, struct MHD_Connection *connection);

/* server_request.c: the callbacks of the daemon. */
void *request_begin(void *arg, const char *uri, struct MHD_Connection *connection);
enum MHD_Result request_access(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *upload, size_t *upload_length, void **context);
void request_over(void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode how);
/* Hands a built answer over, at once or by waking the exchange. Takes the response. */
void request_respond(struct server_request *request, unsigned status, struct MHD_Response *response);
void response_harden(struct MHD_Response *response);

/* server_peer.c: stops watching; NULL accepted. */
void hangup_free(struct server_hangup *hangup);

/* server_stream.c */
void stream_gone(struct server_stream *stream);    /* the exchange is over */
void stream_release(struct server_stream *stream); /* lets a suspended one move, for the end of the server */
void streams_heartbeat(void *arg);
void streams_farewell(void *arg);

#endif

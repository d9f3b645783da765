/* server_private: what the files of the adapter share: server.c (daemon and loop), server_connection.c (who may
 * connect, for how long), server_request.c (one exchange), server_body.c (its body), server_peer.c (the other end),
 * server_stream.c (server-sent events), server_linger.c (bodies that nobody waits for). Nobody else includes this. */
#ifndef WEB_SERVER_PRIVATE_H
#define WEB_SERVER_PRIVATE_H

#include "core/address.h"
#include "core/limits.h"
#include "web/server.h"
#include <microhttpd.h>
#include <stdint.h>

/* Debian 12 has 0.9.75, where the answer type already is an enum (since 0.9.71). */
#if defined(MHD_VERSION) && MHD_VERSION < 0x00097100
#error "libmicrohttpd 0.9.71 or newer is needed"
#endif

/* The longest silence of a peer that we wait for, also in the middle of a request. */
#define SERVER_IDLE_MS ((uint64_t)75 * 1000)

struct server_connection; /* server_connection.c */

/* One address, while it has connections. */
struct server_peer {
    struct address address;
    unsigned connections;
    size_t body_bytes;
    bool told; /* that it has too many */
};

struct server {
    struct loop *loop;
    struct server_options options; /* texts are not kept */
    GArray *unlimited;             /* struct address_range */
    GHashTable *peers;             /* struct address* → struct server_peer*, owned */
    struct server_connection *connections;
    size_t connection_count;
    uint64_t refused_connections, late_requests; /* since the start */
    struct loop_timer *sweep;                    /* runs while there are connections */
    struct MHD_Daemon *daemon;
    struct loop_poll *poll;   /* the daemon's epoll descriptor */
    struct loop_timer *timer; /* the daemon's next deadline, or work left over */
    uint64_t timer_due_ms;
    struct loop_timer *heartbeat; /* runs while streams are open */
    struct loop_timer *farewell;  /* tells owners of lagged streams */
    char *address;
    char *socket_path;
    struct server_request *exchanges; /* all that are under way */
    GPtrArray *lingers;               /* struct server_linger, owned */
    GQueue streams;                   /* struct server_stream, open */
    size_t body_bytes;                /* buffered by all exchanges */
    bool stopping;
};

enum request_phase {
    REQUEST_NEW,       /* the request line is there */
    REQUEST_ADMITTING, /* headers were accepted; whether the body may come is being asked */
    REQUEST_PENDING,   /* … and not yet said */
    REQUEST_READING,   /* the body comes */
    REQUEST_HANDLING,  /* the handler is on the stack */
    REQUEST_SUSPENDED, /* the handler returned without an answer */
    REQUEST_ANSWERED,  /* the answer is with libmicrohttpd */
};

struct server_request {
    unsigned references;
    enum request_phase phase;
    struct server *server;               /* NULL once the exchange is over, with `connection` */
    struct MHD_Connection *connection;   /* NULL before the headers are there, too */
    struct server_connection *socket;    /* there as long as the exchange is */
    struct server_request *next, **link; /* in server->exchanges */
    struct MHD_Response *response;       /* given, not yet handed to libmicrohttpd */
    unsigned status;
    struct server_stream *stream;
    struct server_linger *linger; /* reads what comes after an answer that was early, or NULL */
    struct server_hangup *hangup; /* watched while the answer is awaited; NULL = not */
    int refusal;                  /* an error_code: the body is read and dropped, then this is the answer; -1 = none */
    char *body;
    size_t body_length, body_capacity, body_limit, dropped;
    uint64_t content_length;      /* as announced; 0 also when it is not */
    struct server_budget *budget; /* that pays for `body`, or NULL */
    bool waits_for_continue, admitted;
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
/* Before the body: libmicrohttpd then reads no more from this connection, so nothing can hide behind it. */
enum MHD_Result request_answer_now(struct server_request *request);
enum MHD_Result request_refuse(struct server_request *request, int code, const char *detail);
/* Hands a built answer over, at once or by waking the exchange. Takes the response. */
void request_respond(struct server_request *request, unsigned status, struct MHD_Response *response);
void response_harden(struct MHD_Response *response);

/* server_connection.c: callbacks of the daemon and of the timer; how far the connection's request is. */
GHashTable *peers_new(void);
enum MHD_Result connection_accept(void *arg, const struct sockaddr *from, socklen_t length);
void connection_notify(void *arg, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code);
void connections_sweep(void *arg);
struct server_connection *connection_of(struct MHD_Connection *mhd);
struct server_peer *connection_peer(const struct server_connection *connection); /* NULL: not counted */
void connection_receives(struct server_connection *connection);                  /* a request has begun */
void connection_received(struct server_connection *connection);                  /* it is there, whole */
void connection_rests(struct server_connection *connection);                     /* it was answered */

/* server_body.c: steps of an exchange that has a body. */
enum MHD_Result body_announced(struct server_request *request); /* the headers are in */
enum MHD_Result body_decided(struct server_request *request);   /* woken, or decided at once */
enum MHD_Result body_take(struct server_request *request, const char *bytes, size_t *length);
void body_drop(struct server_request *request);

/* server_linger.c */
GPtrArray *lingers_new(void);
void linger_start(struct server_request *request);  /* it is answered, and its body may still come */
void linger_answered(struct server_linger *linger); /* the exchange is over; NULL accepted */

/* server_peer.c: stops watching; NULL accepted. */
void hangup_free(struct server_hangup *hangup);

/* server_stream.c */
void stream_gone(struct server_stream *stream);    /* the exchange is over */
void stream_release(struct server_stream *stream); /* lets a suspended one move, for the end of the server */
void streams_heartbeat(void *arg);
void streams_farewell(void *arg);

#endif

/* wire: names shared by jobs/ and runner/, which never include each other. Shapes: docs/design/wire.md. */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#define WIRE_LEASE_PATH   "/runner/v1/lease"
#define WIRE_CONFIRM_PATH "/runner/v1/confirm"
#define WIRE_RENEW_PATH   "/runner/v1/renew"
#define WIRE_EVENTS_PATH  "/runner/v1/events"
#define WIRE_REAPED_PATH  "/runner/v1/reaped"
#define WIRE_SOCKET_NAME  "runner.sock"
#define WIRE_TOKEN_NAME   "runner-token"

/* How long a leased job may stay unconfirmed before another worker gets it. */
#define WIRE_CONFIRM_MS 5000

/* What stands for a host where there is none: programs of exec(), HTTP requests. No host can be called so. */
#define WIRE_LOCAL_HOST "(runner)"
#define WIRE_HTTP_HOST  "(http)"

#endif

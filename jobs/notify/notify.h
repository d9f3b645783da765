/* notify: kinds of channels. A new one is one file here and one line in the table of outbox.c.
 *
 * A kind turns a message into HTTP requests and says what came of it. It keeps nothing, retries nothing, and knows no
 * store. */
#ifndef JOBS_NOTIFY_NOTIFY_H
#define JOBS_NOTIFY_NOTIFY_H

#include "core/http_client.h"
#include "core/json.h"
#include "core/yaml.h"

/* What is to be told, as things stand now. Borrowed during send(). */
struct notify_message {
    const char *id; /* of the message: receivers may see it twice */
    const char *event;
    const char *base_url;
    const json_t *incident; /* product shape, or NULL */
    const json_t *run;      /* the run that the event is about, or NULL */
    const json_t *runs;     /* array: all runs of the incident, oldest first (kinds with `live`) */
    const json_t *detail;   /* what the event says, or NULL */
    const char *remote;     /* what the other side called the message that is to be edited, or NULL */
};

enum notify_outcome { NOTIFY_SENT, NOTIFY_RETRY, NOTIFY_DEAD };
struct notify_result {
    enum notify_outcome outcome;
    int64_t pause_ms; /* RETRY: the other side asked that nothing be sent for so long; such a try does not count. 0 = it
                         did not */
    const char *error;  /* unless SENT */
    const char *remote; /* what the other side calls the message: kept; "" = it is gone: forgotten; NULL = no news */
};
typedef void (*notify_done_fn)(void *arg, const struct notify_result *result);

struct notify_call;
struct notify_kind {
    const char *name;
    const char *source_kind; /* only for incidents of such sources; NULL = all */
    bool live;               /* one message an incident, edited as things go on */
    bool resolves; /* an event "resolve" resolves the incident at its sender: needs source_kind */
    int max_flying;          /* requests at a time */
    void *(*configure)(const char *owner, const struct yaml_node *node, GError **error);
    void (*settings_free)(void *settings);
    /* done comes exactly once, later, unless cancelled. */
    struct notify_call *(*send)(void *settings, struct http_client *http, const struct notify_message *message,
                                notify_done_fn done, void *arg);
    void (*cancel)(struct notify_call *call);
};

extern const struct notify_kind notify_pagerduty;
extern const struct notify_kind notify_webhook;

/* The result of an exchange by the rules that all kinds share: 2xx is sent; 429 asks for a pause (Retry-After,
 * ratelimit-reset); 5xx, 408 and no answer are worth another try; anything else is not. The error's text is in `text`.
 */
struct notify_result notify_judge(const struct http_response *response, const GError *error, GString *text);

#endif

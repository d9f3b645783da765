/* runbook: the parser of runbooks and documents: text in, structs and findings out. Knows no Git, no store, no Lua.
 *
 * A file is a runbook when it has a step or the key `hikeshi: 1`; any other markdown file is a document (title, owner,
 * covers). Every finding has file, line, column. Format: docs/runbooks.md. */
#ifndef JOBS_RUNBOOK_H
#define JOBS_RUNBOOK_H

#include "core/finding.h"
#include "core/hostfilter.h"
#include "core/json.h"
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct markdown;

enum param_type { PARAM_STRING, PARAM_INTEGER, PARAM_NUMBER, PARAM_BOOLEAN, PARAM_CHOICE, PARAM_HOST, PARAM_DURATION };

struct param {
    char *name;
    enum param_type type;
    bool input; /* filled in by an approver */
    bool required;
    json_t *fallback; /* `default`, or NULL */
    bool has_minimum, has_maximum;
    double minimum, maximum;
    int64_t min_length, max_length; /* -1 = none */
    char *pattern;
    json_t *choices; /* array, a string path ("data.candidates", inputs only), or NULL */
    char *description;
    char *from; /* rooted path: alert.labels.instance */
    int line;
};

enum trigger_kind { TRIGGER_INCIDENT, TRIGGER_SCHEDULE, TRIGGER_LINK, TRIGGER_MANUAL };

struct trigger {
    enum trigger_kind kind;
    char *id; /* given, or KIND-N counted from 1 in file order */
    int line;
    /* incident */
    json_t *match; /* {"alert": "X", "labels.env": ["prod"], …} as written */
    bool for_each_alert;
    bool suggest; /* start: suggest */
    bool cancel_on_resolve;
    char *hours; /* in, out, or NULL */
    bool resolve_verified;
    /* schedule */
    char *cron, *timezone, *catch_up; /* skip once all */
    json_t *params;
    int64_t jitter_ms;
    json_t *blackout;
    json_t *allow; /* array of principals, or NULL */
};

enum step_language { STEP_LUA, STEP_SH, STEP_BASH, STEP_ARGV /* no fence has it: jobs/hosts_exec.h */ };
enum step_on_error { ON_ERROR_STOP, ON_ERROR_CONTINUE, ON_ERROR_HANDLER };

struct step {
    char *id, *title;
    enum step_language language;
    char *text; /* the fence's content, attribute comment lines included, so that lines match the file */
    int line;   /* of the first line of text in the file */
    int64_t timeout_ms, retry_delay_ms, wait_ms;
    int64_t attempts;
    int64_t at_once, canary, stop_after, max_percent; /* of hosts; 0 = not said */
    char **waves;                                     /* "5", "25%"; or NULL */
    char *when;                                       /* Lua expression */
    bool effect_read, idempotent, handler, always, verify, cancel_after;
    enum step_on_error on_error;
    char *on_error_step;
    char *approve;              /* policy name */
    char **asks;                /* input names */
    char **shows;               /* paths */
    char *hosts;                /* filter text, or "$params.x" */
    char **host_names;          /* STEP_ARGV: exactly these hosts; else NULL */
    char **argv;                /* STEP_ARGV: what runs on each of them */
    int64_t command_timeout_ms; /* of one host's command; 0 = the step's */
    char *sudo;                 /* NULL, "true", or a user */
};

struct limits {
    int64_t timeout_ms, concurrency, cooldown_ms, max_hosts, max_percent, breaker;
    char **per;
    char *overflow; /* drop queue replace */
    char *lock;
    int64_t max_runs, max_runs_window_ms;
};

struct runbook {
    bool document; /* no steps: only title, owner, covers are set */
    char *repository, *id, *path, *commit;
    char *title, *owner, *severity;
    char *summary; /* its first paragraph as plain text; only read for runbooks with a trigger of kind link; or NULL */
    char **covers, **aliases, **secrets;
    char *hosts;                                   /* filter text or NULL */
    GPtrArray *params, *inputs, *triggers, *steps; /* of the structs above */
    struct limits limits;
    size_t lines;
};

/* The owner of runs without a runbook (hosts_exec.h): `trust.hosts` gives it hosts, no file may name it. */
#define RUNBOOK_OWNER_EXEC "hosts_exec"

/* Empty, with the default limits. */
struct runbook *runbook_new(const char *path);
/* Parses one file. Findings are appended. Returns NULL when there is an error finding, or when the file is neither
 * (never for markdown: a document always parses). `path` is relative to the repository. */
struct runbook *runbook_parse(const char *path, const char *text, size_t length, struct finding_list *findings);
/* The same, and what the markdown holds: markdown_free(). */
struct runbook *runbook_parse_markdown(const char *path, const char *text, size_t length, struct finding_list *findings,
                                       struct markdown **ret_markdown);
/* The same, but a file with error findings gives what could be read of it, and *ret_good is false: for lint, which says
 * everything at once. */
struct runbook *runbook_read(const char *path, const char *text, size_t length, struct finding_list *findings,
                             bool *ret_good);
void runbook_free(struct runbook *runbook);
const struct step *runbook_step(const struct runbook *runbook, const char *id);
const struct param *runbook_param(const struct runbook *runbook, const char *name);
const struct param *runbook_input(const struct runbook *runbook, const char *name);

/* Takes given values (JSON object; strings from command lines and webhooks are converted) and makes the run's params:
 * defaults, `from` paths looked up in `context` ({"incident","alert"}, may be NULL), types, constraints, hosts resolved
 * through `inventory` (array of hosts as in docs/design/wire.md; NULL = hosts are not checked). Undeclared names are
 * refused. On failure NULL: ERROR_INVALID with a message for the first problem, *ret_reason (static, may be NULL)
 * "missing_param", "ambiguous_param" or "invalid_param". New reference. */
json_t *runbook_bind_params(const struct runbook *runbook, const json_t *given, const json_t *context,
                            const json_t *inventory, const char **ret_reason, GError **error);
enum param_type param_type_named(const char *name); /* PARAM_STRING for a name that is none */
/* One value, converted and checked; inventory as above. Messages name the param. New reference. */
json_t *param_convert(const struct param *param, const json_t *value, const json_t *inventory, GError **error);
/* A declaration as the API, the wire and approval requests have it. New reference. */
json_t *param_to_json(const struct param *param);

/* The step list and settings for the wire ("steps", "limits", "hosts", …; docs/design/wire.md). New reference. */
json_t *runbook_to_wire(const struct runbook *runbook);
/* What the API and `hikeshi runbooks show` print. New reference. */
json_t *runbook_to_json(const struct runbook *runbook);

typedef struct runbook runbook_t; /* not `runbook`: -Wshadow would forbid variables of that name */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(runbook_t, runbook_free)

#endif

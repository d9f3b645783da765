/* exec_private: what the files of the executor share: exec.c (order of steps), exec_lua.c and exec_shell.c (what runs
 * one step), command.c (one remote command), output.c, services.c. Nobody else includes it. */
#ifndef RUNNER_EXEC_PRIVATE_H
#define RUNNER_EXEC_PRIVATE_H

#include "core/json.h"
#include "core/loop.h"
#include "core/op.h"
#include "lua/lua_run.h"
#include "runner/exec.h"
#include "runner/hosts.h"
#include "runner/journal.h"
#include "runner/plan.h"
#include "runner/secrets.h"

/* Where the run stands in this process. */
enum phase {
    PHASE_IDLE,     /* between steps */
    PHASE_WHEN,     /* a `when` expression is evaluated */
    PHASE_RUNNING,  /* a step's code runs */
    PHASE_RETRYING, /* retry_delay */
    PHASE_LEAVING,  /* its last event waits for commands that are being stopped */
    PHASE_OVER,     /* nothing follows but finished() */
    PHASE_COUNT
};

struct shell_step;

struct exec {
    struct exec_options options;
    struct world world;
    struct mask *mask;
    struct secrets *secrets;
    json_t *local_host; /* what stands for this machine where a host is named */
    struct journal *journal;
    struct hosts hosts;
    struct plan plan;
    struct lua_run *lua; /* from the first step that needs it */
    GQueue commands;     /* struct command: remote commands under way */
    GQueue pauses;       /* struct pause: services that wait for a time or an acknowledgement */
    json_t *data;        /* what the steps pass on, as last committed */
    json_t *results;     /* {ID: {"result","hosts"}} of the steps that ended, for later ones */
    enum phase phase;
    enum plan_stop asked;      /* by exec_cancel(), exec_fence() */
    enum plan_stop stop;       /* in force */
    const char *cancel_reason; /* interned */
    bool finish_told, grace_armed;

    ssize_t current;    /* index of the step under way, or -1 */
    const json_t *step; /* and the step */
    int64_t try_number, tries_left;
    int64_t step_started_ms;
    struct shell_step *shell;
    char *finish_message;
    const char *last_kind; /* PHASE_LEAVING: the attempt's last event */
    json_t *last_event;

    struct loop_timer *kick;     /* one turn of the state machine */
    struct loop_timer *obey;     /* what was asked */
    struct loop_timer *deadline; /* of the run; after a stop, of the always steps */
    struct loop_timer *delay;    /* retry_delay */
    size_t output_bytes;         /* stored so far */
    size_t files, files_bytes;   /* of report.file() */
    int tells;                   /* messages and incidents so far */
};

/* How one try of a step ended; whoever runs it fills it. */
struct step_outcome {
    enum step_result result;
    bool finish;         /* finish(): skip the rest */
    const char *message; /* or NULL */
    json_t *data;        /* or NULL: unchanged. All borrowed */
    json_t *error;       /* {"code","message","host","file","line"} or NULL */
    json_t *output;      /* {"hosts":{…}} or NULL */
};
/* Called once for each start(), from the loop. */
void exec_step_ended(struct exec *exec, const struct step_outcome *outcome);

/* exec.c: steps and the end. */
void exec_kick(struct exec *exec); /* another turn */
void exec_tell_step_start(struct exec *exec);
void exec_try(struct exec *exec); /* one more try of the step */
void exec_interrupt(struct exec *exec, int code);
void exec_end_step(struct exec *exec, const struct step_outcome *outcome, const char *reason);
void exec_fail_step(struct exec *exec, const GError *error);
void exec_idle(struct exec *exec); /* no step is under way */
/* The attempt's last event; stolen. It comes after the ends of the commands that its steps left behind: what was
 * stopped, and whether that was confirmed, is on the record of this attempt or nowhere. */
void exec_leave(struct exec *exec, const char *kind, json_t *event);
void exec_command_ended(struct exec *exec);
void exec_over(struct exec *exec);
bool exec_flag(const struct exec *exec, const char *flag); /* of the step */
json_t *exec_or_null(json_t *value);                       /* new reference */

/* exec_gate.c: lets the step under way run, now, later, or not. */
void exec_gate(struct exec *exec);

/* exec_stop.c: timers' functions, with the exec as arg. */
void exec_obey(void *arg);
void exec_deadline(void *arg);
void exec_arm_grace(struct exec *exec);

/* A new event that belongs to the step under way. */
json_t *exec_event(const struct exec *exec);
/* Whether that try of that step still runs: a command that is being stopped may say more after both. */
bool exec_in_try(const struct exec *exec, const json_t *step, int64_t try_number);
json_t *exec_error_json(const GError *error, const char *host);
const char *exec_step_id(const struct exec *exec);

/* It would be stored, and masked there, so that a later step could not use it. */
#define EXEC_SECRET_IN_DATA "data holds the value of a secret: keep its name instead"

/* What runs a step, by language. */
void exec_lua_start(struct exec *exec);
void exec_lua_interrupt(struct exec *exec, int code);
void exec_lua_when(struct exec *exec, const char *expression, void (*done)(void *arg, bool value, const GError *error));
void exec_shell_start(struct exec *exec);
void exec_shell_interrupt(struct exec *exec, int code);
void exec_shell_free(struct shell_step *shell);

/* services.c: the world as Lua sees it; lua_service_fn with the exec as arg. */
void services_call(void *exec, const char *name, json_t *args, struct op *op);
const char *services_name(size_t index); /* NULL after the last */
void services_abandon_all(struct exec *exec);
/* Ends op with null once everything up to seq is stored. */
void services_end_when_stored(struct exec *exec, struct op *op, int64_t seq);

/* services_tell.c: two of them, which the server does: their event is the effect. */
void services_notify(struct exec *exec, json_t *args, struct op *op);
void services_incident(struct exec *exec, json_t *args, struct op *op);

#endif

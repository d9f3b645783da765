/* replay: a world of written answers: each command that a run sends to a host is compared with the next answer that its
 * case has for this host. What differs ends the test, with a diff.
 *
 * An answer is a JSON object: what is asked, one of "run": [word…], "script": text, "step": ID (a shell step's own
 * text), "upload": path, "download": path, "reachable": bool; with what: "shell", "sudo": user, "stdin", "env": {},
 * "cwd", "pty", "mode", and of an upload "content" or "sha256"; what comes back: of a download "content" or "base64",
 * else "stdout", "stderr", "code", "signal", or "error": code and "message"; "takes_ms" of virtual time; "times" that
 * the same is asked; "line" in the file of cases. HTTP requests and programs of exec() stand under the names of
 * core/wire.h; an HTTP answer has "get": URL (or another method), "headers", "json" or "body", and comes back as
 * "status" and "answer". */
#ifndef RUNNER_REPLAY_H
#define RUNNER_REPLAY_H

#include "core/json.h"
#include "core/loop.h"
#include "runner/world.h"

struct replay;

struct replay_options {
    struct loop *loop;
    const json_t *hosts; /* {NAME: [answer…]}; borrowed, for the replay's life */
    bool any_order;      /* of one host's answers; those of different hosts are never ordered */
    /* Something that the case does not say happened: several lines for people. */
    void (*problem)(void *arg, const char *text);
    void *arg;
};

struct replay *replay_new(const struct replay_options *options);
/* Ends no op: the exec is gone. */
void replay_free(struct replay *replay);
struct world replay_world(struct replay *replay);
/* Tells a problem for each answer that nobody asked for. */
void replay_finish(struct replay *replay);

/* The question of a command as an answer would have it ("run" or "script" or "step", "sudo", …), without what comes
 * back. step: as world.run has it. New reference. */
json_t *replay_question(const char *step, const struct ssh_command *command);
/* The same of a file. An upload has both "content", where it is short text, and "sha256": an answer needs one. */
json_t *replay_file_question(const struct ssh_transfer_request *request);

/* Of an HTTP request: "get": URL or another method, "headers" (names in small letters), "json" or "body". New
 * reference. */
json_t *replay_http_question(const json_t *request);

#endif

/* replay_private: questions and answers, as replay.c and replay_question.c share them. */
#ifndef RUNNER_REPLAY_PRIVATE_H
#define RUNNER_REPLAY_PRIVATE_H

#include "core/json.h"

extern const char *const replay_http_methods[]; /* "get", …; ends with NULL */

/* The part of an answer that is a question. New reference. */
json_t *replay_question_of(const json_t *answer);
/* wanted: as an answer has it. */
bool replay_same_question(const json_t *wanted, const json_t *question);
/* Removes what is not compared with `wanted`. */
void replay_leave_out(const json_t *wanted, json_t *question);
/* As YAML, in an order of its own, so that a diff compares like with like. g_free. */
char *replay_question_text(const json_t *question);

#endif

/* secrets: the values of a run's secrets, read once off the loop when it starts, so that they are masked from its first
 * event on, whichever step asks for them. */
#ifndef RUNNER_SECRETS_H
#define RUNNER_SECRETS_H

#include "core/json.h"
#include "core/loop.h"
#include "runner/mask.h"

struct secrets;

/* references: {NAME: "env:…" or "file:…"}; values: {NAME: text} instead of them (tests of runbooks), or NULL. `mask`
 * learns the values. done(arg) comes once, later, unless freed before. */
struct secrets *secrets_new(struct loop *loop, const json_t *references, const json_t *values, struct mask *mask,
                            void (*done)(void *arg), void *arg);
void secrets_free(struct secrets *secrets); /* wipes; NULL accepted */
bool secrets_known(const struct secrets *secrets);
/* Borrowed. ERROR_NOT_ALLOWED: the run has no such secret; ERROR_SECRET: it cannot be read, or is too short. */
const char *secrets_get(const struct secrets *secrets, const char *name, GError **error);

#endif

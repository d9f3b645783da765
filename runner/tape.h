/* tape: a world that passes everything on to another one and writes down what was asked and what came back, as the
 * answers of a test (replay.h). */
#ifndef RUNNER_TAPE_H
#define RUNNER_TAPE_H

#include "core/json.h"
#include "core/loop.h"
#include "runner/world.h"

struct tape;

struct tape *tape_new(struct loop *loop, const struct world *inner); /* inner: copied */
/* Nothing is under way any more: the execs and the inner world are gone or were told to stop. */
void tape_free(struct tape *tape);
struct world tape_world(struct tape *tape);
/* {NAME: [answer…]} in the order in which each host was asked; the same several times in a row is one with `times`. New
 * reference. */
json_t *tape_hosts(const struct tape *tape);

#endif

/* journal: the numbered events of one attempt of a run, which of them are stored, and who waits for that.
 *
 * An effect waits for its intent: journal_add() the intent, journal_wait() for its number, then act. Knows nothing of
 * what the events mean or how they travel. */
#ifndef RUNNER_JOURNAL_H
#define RUNNER_JOURNAL_H

#include "core/json.h"
#include "core/loop.h"
#include <stdint.h>

struct journal;

/* emit receives each event once, in order; borrowed. It may acknowledge from within, and must not free the journal. */
struct journal *journal_new(struct loop *loop, void (*emit)(void *arg, json_t *event), void *arg);
/* No wait's function comes after; the waits are freed with it. */
void journal_free(struct journal *journal);

/* Completes an event (stolen) with seq, at and kind, and emits it. Returns its number, or 0 when the journal is closed.
 */
int64_t journal_add(struct journal *journal, const char *kind, json_t *event);
/* Every event up to seq is stored. */
void journal_acknowledge(struct journal *journal, int64_t seq);
/* Fenced: emits nothing more, and whoever waits is never called. */
void journal_close(struct journal *journal);

int64_t journal_last(const struct journal *journal);
int64_t journal_in_flight(const struct journal *journal);

/* fn(arg) comes once, later, from the loop, when everything up to seq is stored (at once for seq <= 0). */
struct journal_wait;
struct journal_wait *journal_wait(struct journal *journal, int64_t seq, void (*fn)(void *arg), void *arg);
void journal_wait_cancel(struct journal_wait *wait); /* fn will not come; NULL accepted */

#endif

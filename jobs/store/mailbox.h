/* mailbox: how finished jobs get from the store's threads to the loop: many at a time, with one loop_post.
 *
 * Shared by the store and by posts under way, so that a post that comes after the store was closed finds an empty box.
 */
#ifndef JOBS_STORE_MAILBOX_H
#define JOBS_STORE_MAILBOX_H

#include "core/loop.h"
#include "jobs/store/store.h"

/* One write or read and what became of it. Owned by the queue it waits in, then by the mailbox. */
struct store_job {
    store_job_fn fn;
    store_done_fn done;
    void *arg;
    bool one_statement;      /* it needs no savepoint: its statement undoes itself */
    GError *error;           /* NULL = it worked (and is committed) */
    struct store_wait *wait; /* a thread in store_sync() that waits for it, instead of `done` */
};
void store_job_free(struct store_job *job);

struct mailbox;
struct mailbox *mailbox_new(struct loop *loop);
void mailbox_unref(struct mailbox *box);
/* Takes the jobs. Any thread. */
void mailbox_send(struct mailbox *box, struct store_job *const *jobs, size_t count);
/* Runs the done callbacks of everything in the box now. Loop thread. */
void mailbox_deliver(struct mailbox *box);
/* Delivers, and posts nothing to the loop any more. Loop thread. */
void mailbox_close(struct mailbox *box);

#endif

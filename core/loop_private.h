/* loop_private: what loop.c shares with the other loop_*.c files. Nothing else includes this. */
#ifndef CORE_LOOP_PRIVATE_H
#define CORE_LOOP_PRIVATE_H

#include "core/loop.h"

/* The loop's mailbox outlives the loop: a thread that comes back late finds it closed instead of a freed loop. */
struct loop_mailbox;
struct loop_mailbox *loop_mailbox_ref(struct loop *loop);
void loop_mailbox_unref(struct loop_mailbox *mailbox);
/* As loop_post(); false (and fn will not run) when the loop is gone. Any thread. */
bool loop_mailbox_post(struct loop_mailbox *mailbox, void (*fn)(void *arg), void *arg);

/* Work that is under way elsewhere keeps loop_step() true; loop_free() waits for held work. Loop thread. */
void loop_hold(struct loop *loop);
void loop_release(struct loop *loop);

/* A poll that does not keep the loop alive, and that loop_free() closes by itself through `dispose`. */
void loop_poll_detach(struct loop_poll *poll, void (*dispose)(void *arg));

#endif

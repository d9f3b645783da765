/* parallel: the same work on many things, on every processor: for commands that read a repository and end. Whoever has
 * a loop uses loop_work(). */
#ifndef CORE_PARALLEL_H
#define CORE_PARALLEL_H

#include <glib.h>

/* Calls fn for each index below `count`, in no order and from several threads, this one among them; returns when all
 * are done. What it does to one index must not touch another's. Few things are done here alone. */
void parallel_each(guint count, void (*fn)(void *arg, guint index), void *arg);

#endif

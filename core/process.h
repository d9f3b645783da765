/* process: a process of this machine under a name that stays true: it never means another process that later got the
 * same number, and it tells after a restart of the asker whether that process is still there.
 *
 * Knows nothing of what the process does, nor of children: loop_child does. Loop thread, except process_name(). */
#ifndef CORE_PROCESS_H
#define CORE_PROCESS_H

#include "core/loop.h"

/* "BOOT/NAMESPACE/PID/START" (proc(5): the boot's id, the inode of the PID namespace, the number in it, clock ticks
 * from boot to its start). NULL when the process cannot be seen from here: it is gone, hidden, or of a namespace that
 * is not below ours (pid 0). g_free. */
char *process_name(pid_t pid);

/* gone(arg) comes once, from the loop, when the process has ended, and soon when it already had: nothing it does comes
 * after. NULL when nobody here can say: the name is of another boot or namespace, or is not one. */
struct process_watch;
struct process_watch *process_watch_new(struct loop *loop, const char *name, void (*gone)(void *arg), void *arg);
void process_watch_free(struct process_watch *watch); /* also from within gone() */

#endif

/* run_workers: which workers were heard, and the moment when the process of one on this machine ends.
 *
 * A worker that dialled in from this machine is a process that the kernel names (core/process.h); its end is a fact,
 * and nothing comes from it any more. Of any other worker only silence is known. Loop thread. */
#ifndef JOBS_RUN_WORKERS_H
#define JOBS_RUN_WORKERS_H

#include "core/loop.h"

struct run_workers;

/* gone(arg, worker) comes from the loop when a worker's process has ended; the worker is forgotten then. */
struct run_workers *run_workers_new(struct loop *loop, void (*gone)(void *arg, const char *worker), void *arg);
void run_workers_free(struct run_workers *workers);

/* The worker said something just now. pid: of its process, or 0 when that is not known (this time). */
void run_workers_heard(struct run_workers *workers, const char *worker, pid_t pid);
/* A worker of before a restart, not heard yet. process: what run_workers_process() said then, or NULL. */
void run_workers_expect(struct run_workers *workers, const char *worker, const char *process);
/* The name of a worker's process (core/process.h), or NULL. Borrowed. */
const char *run_workers_process(const struct run_workers *workers, const char *worker);
/* How many were heard within that time. */
size_t run_workers_count(const struct run_workers *workers, int64_t within_ms);

#endif

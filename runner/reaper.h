/* reaper: looks on hosts for what the commands of a lost worker left there, stops it, and tells the server. The server
 * knows the hosts from the intents that it stored; nothing of the lost worker is needed. */
#ifndef RUNNER_REAPER_H
#define RUNNER_REAPER_H

#include "core/json.h"
#include "core/loop.h"
#include "runner/ssh/ssh.h"
#include "runner/uplink.h"

struct reaper;

struct reaper_options {
    struct loop *loop;
    struct uplink *uplink; /* borrowed; outlives the reaper, as ssh and worker do */
    struct ssh_pool *ssh;
    const char *worker; /* whose */
    const json_t *job;  /* {"reap":{"run","attempt","hosts":[{"host","sudo"}]},"inventory"}; borrowed during the call */
    /* The server knows, or does not want to: the reaper may be freed, also from within. Once, later. */
    void (*ended)(void *arg, struct reaper *reaper);
    void *arg;
};

/* Takes REAP_MS at most to look; what is not known then is told as not confirmed. */
struct reaper *reaper_new(const struct reaper_options *options);
void reaper_free(struct reaper *reaper); /* NULL accepted */

#endif

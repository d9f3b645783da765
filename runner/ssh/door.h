/* door: how many connections may be on their way at the same time: of all, to one server, and through one jump host. An
 * sshd hangs up on newcomers when too many are at its door (MaxStartups); one that did is knocked at by fewer.
 *
 * Those to a server of its own count for all; those through a jump host do not: the jump host's own connection would
 * wait for them while they wait for it. Knows no session. */
#ifndef RUNNER_SSH_DOOR_H
#define RUNNER_SSH_DOOR_H

#include <glib.h>
#include <stdbool.h>

struct ssh_doors;
struct ssh_door;

/* Somebody who wants to connect. Embedded in its owner. */
struct ssh_knock {
    void (*enter)(void *arg); /* its turn: connect now; may come from within ssh_doors_knock(), _leave() */
    void *arg;
    /* the doors' own */
    struct ssh_door *door;
    bool inside;
    GList link;
};

/* most: to all servers; of_one: to one; through_one: through one jump host. */
struct ssh_doors *ssh_doors_new(guint most, guint of_one, guint through_one);
void ssh_doors_free(struct ssh_doors *doors); /* after everybody left */

/* name: of the server, or of the jump host. */
void ssh_doors_knock(struct ssh_doors *doors, const char *name, bool through, struct ssh_knock *knock);

enum ssh_door_answer {
    SSH_DOOR_NONE,    /* given up, or failed in another way */
    SSH_DOOR_IN,      /* connected and signed in */
    SSH_DOOR_DROPPED, /* hung up on */
};
/* Has connected, or does not want to any more; also while it waits. Harmless when it did not knock. */
void ssh_doors_leave(struct ssh_doors *doors, struct ssh_knock *knock, enum ssh_door_answer answer);

#endif

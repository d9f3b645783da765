/* descriptors: how many this process may have open. */
#ifndef CORE_DESCRIPTORS_H
#define CORE_DESCRIPTORS_H

/* As many as the system allows: each connection is one, and the usual soft limit of 1,024 is below both what serve
 * accepts and what a fleet needs. Children inherit it. */
void descriptors_raise_limit(void);

#endif

/* filename: names of files that somebody else chose, for places where they must not mean anything: a header, a folder.
 */
#ifndef CORE_FILENAME_H
#define CORE_FILENAME_H

#include <stdbool.h>

/* A name without folders, control and direction characters, and what file systems dislike; never empty, no dot or blank
 * at either end, at most 100 characters. `text` may be any bytes. g_free. */
char *filename_safe(const char *text);
/* Whether it is safe as it is. */
bool filename_is_safe(const char *text);

#endif

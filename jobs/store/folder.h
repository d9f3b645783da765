/* folder: the data folder and who serves it. Private to jobs/store/. */
#ifndef JOBS_STORE_FOLDER_H
#define JOBS_STORE_FOLDER_H

#include <glib.h>
#include <stdbool.h>

/* Creates the folder (0700) when it is not there. ERROR_STORE. */
bool folder_create(const char *folder, GError **error);
/* Claims the folder for this process until the descriptor is closed, also by kill -9: returns the descriptor, or -1
 * with ERROR_CONFLICT that names the process which has it. */
int folder_lock(const char *folder, GError **error);

#endif

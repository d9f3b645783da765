/* secret: references to secrets: "env:NAME" or "file:PATH". The value never stands in configuration or Git. */
#ifndef CORE_SECRET_H
#define CORE_SECRET_H

#include <glib.h>
#include <stdbool.h>

/* True for text of the form env:NAME or file:PATH. */
bool secret_is_reference(const char *reference);
/* The value: the environment variable's, or the file's content less one trailing newline. A relative file path is relative
 * to the working directory. ERROR_SECRET names the reference, never the value. Caller wipes and frees (secret_free). */
char *secret_resolve(const char *reference, GError **error);
void secret_free(char *value); /* wipes; NULL accepted */

#endif

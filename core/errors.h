/* errors: the one GError domain of hikeshi and its table of codes (core/errors.def).
 *
 * Convention: functions that can fail take `GError **error` last and return false/NULL/-1 with it set. The message says
 * what failed first, then the subject in quotes, lower case, no full stop: "cannot open 'x.md': No such file or directory".
 * A failure is logged once, by whoever handles it; never logged and returned. */
#ifndef CORE_ERRORS_H
#define CORE_ERRORS_H

#include <glib.h>
#include <stdbool.h>

enum error_code {
#define X(NAME, code, http, exit_status, retryable, text) ERROR_##NAME,
#include "core/errors.def"
#undef X
    ERROR_COUNT
};

#define HIKESHI_ERROR (errors_quark())
GQuark errors_quark(void);

/* The machine-readable code ("host_key"), HTTP status, exit status, and one-line meaning of an error_code. */
const char *errors_code(int code);
int errors_http_status(int code);
int errors_exit_status(int code);
bool errors_retryable(int code);
const char *errors_text(int code);

/* The error_code for a wire code such as "host_key"; ERROR_INTERNAL for one that is not in the table. */
int errors_from_code(const char *code);

/* The error_code of any GError: its own when the domain is HIKESHI_ERROR, else ERROR_IO for GIO/file errors, ERROR_INTERNAL. */
int errors_of(const GError *error);

/* g_set_error in our domain: errors_set(error, ERROR_PARSE, "…", …). */
#define errors_set(error, code, ...) g_set_error((error), HIKESHI_ERROR, (code), __VA_ARGS__)

#endif

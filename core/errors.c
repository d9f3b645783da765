/* errors: the table of core/errors.def as lookups. Knows no other module. */
#include "core/errors.h"
#include <string.h>

struct error_row {
    const char *code;
    int http_status;
    int exit_status;
    bool retryable;
    const char *text;
};

static const struct error_row rows[ERROR_COUNT] = {
#define X(NAME, code, http, exit_status, retryable, text) {code, http, exit_status, retryable, text},
#include "core/errors.def"
#undef X
};

G_DEFINE_QUARK(hikeshi - error, errors)

/* A code from a foreign domain or a newer peer reads as a defect of ours rather than past the table. */
static const struct error_row *row_of(int code)
{
    return &rows[code >= 0 && code < ERROR_COUNT ? code : ERROR_INTERNAL];
}

const char *errors_code(int code)
{
    return row_of(code)->code;
}

int errors_http_status(int code)
{
    return row_of(code)->http_status;
}

int errors_exit_status(int code)
{
    return row_of(code)->exit_status;
}

bool errors_retryable(int code)
{
    return row_of(code)->retryable;
}

const char *errors_text(int code)
{
    return row_of(code)->text;
}

int errors_from_code(const char *code)
{
    for (int i = 0; code != NULL && i < ERROR_COUNT; i++)
        if (strcmp(rows[i].code, code) == 0)
            return i;
    return ERROR_INTERNAL;
}

int errors_of(const GError *error)
{
    if (error == NULL)
        return ERROR_INTERNAL;
    if (error->domain == HIKESHI_ERROR)
        return error->code;
    return error->domain == G_FILE_ERROR ? ERROR_IO : ERROR_INTERNAL;
}

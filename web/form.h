/* form: the body of an HTML form, application/x-www-form-urlencoded. Pure. */
#ifndef WEB_FORM_H
#define WEB_FORM_H

#include "core/json.h"
#include <glib.h>

/* {NAME: TEXT}. ERROR_INVALID for a field that stands twice, and for what is no UTF-8 text. New reference. */
json_t *form_parse(const char *body, size_t length, GError **error);

#endif

/* regex: regular expressions from runbooks and configuration (PCRE syntax through GRegex), bounded: a pattern such as
 * ^(a+)+$ ends with "no match" after LIMIT_REGEX_MATCH tries instead of running for seconds. */
#ifndef CORE_REGEX_H
#define CORE_REGEX_H

#include <glib.h>
#include <stdbool.h>

/* whole: the pattern must match the subject from end to end. ERROR_PARSE names the pattern and the reason. */
GRegex *regex_new(const char *pattern, bool whole, GError **error);
bool regex_matches(const GRegex *regex, const char *subject);

#endif

/* regex: GRegex with a ceiling on backtracking. */
#include "core/regex.h"
#include "core/errors.h"
#include "core/limits.h"

/* No G_REGEX_OPTIMIZE: the just-in-time compiler counts the limit in other units. */
GRegex *regex_new(const char *pattern, bool whole, GError **error)
{
    g_autoptr(GError) problem = NULL;
    /* On its own first: "a)|(?:b" must not pass by closing our group. */
    GRegex *alone = g_regex_new(pattern, 0, 0, &problem);
    if (!alone) {
        errors_set(error, ERROR_PARSE, "the regex '%s' is not valid: %s", pattern, problem->message);
        return NULL;
    }
    g_regex_unref(alone);
    g_autofree char *bounded = g_strdup_printf("(*LIMIT_MATCH=%d)%s(?:%s)%s", LIMIT_REGEX_MATCH, whole ? "\\A" : "",
                                               pattern, whole ? "\\z" : "");
    GRegex *regex = g_regex_new(bounded, 0, 0, &problem);
    if (!regex)
        errors_set(error, ERROR_PARSE, "the regex '%s' is not valid: %s", pattern, problem->message);
    return regex;
}

bool regex_matches(const GRegex *regex, const char *subject)
{
    return g_regex_match_full(regex, subject, -1, 0, 0, NULL, NULL);
}

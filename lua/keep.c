#include "lua/keep.h"

#include "core/errors.h"
#include "core/limits.h"
#include "lua/value.h"

#include <string.h>

static json_t *refuse(struct keep_problem *problem, int code, const char *text)
{
    problem->code = code;
    g_strlcpy(problem->text, text, sizeof problem->text);
    return NULL;
}

static json_t *refuse_size(struct keep_problem *problem, size_t bytes)
{
    char text[160];
    g_snprintf(
        text, sizeof text,
        "data holds %zu KiB; at most %d KiB are kept between steps: keep less, or report.text() what people need",
        (bytes + 1023) / 1024, LIMIT_DATA_BYTES / 1024);
    return refuse(problem, ERROR_TOO_LARGE, text);
}

json_t *keep_data(lua_State *L, int index, struct keep_problem *problem)
{
    if (lua_type(L, index) != LUA_TTABLE)
        return refuse(problem, ERROR_INVALID, "data must stay a table");
    struct value_problem why;
    json_t *data = value_to_json(L, index, "data", VALUE_BYTES_REFUSED, &why);
    if (!data)
        return refuse(problem, ERROR_INVALID, why.text);
    if (json_is_array(data)) {
        bool empty = json_array_size(data) == 0;
        json_decref(data);
        return empty ? json_object()
                     : refuse(problem, ERROR_INVALID,
                              "data must have names as keys; put a list into one, as in data.items");
    }
    char *text = json_text(data);
    size_t bytes = strlen(text);
    g_free(text);
    if (bytes <= LIMIT_DATA_BYTES)
        return data;
    json_decref(data);
    return refuse_size(problem, bytes);
}

/* view: rows to shapes. Pure. */
#include "jobs/view.h"
#include "core/clock.h"

json_t *view_time(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    if (!json_is_integer(value))
        return json_null();
    g_autofree char *text = clock_format(json_integer_value(value));
    return json_string(text);
}

json_t *view_value(const json_t *row, const char *key)
{
    json_t *value = json_object_get(row, key);
    return value ? json_incref(value) : json_null();
}

void view_copy(json_t *object, const json_t *row, const char *const *keys)
{
    for (; *keys; keys++)
        json_object_set_new(object, *keys, view_value(row, *keys));
}

json_t *view_error(const json_t *error)
{
    static const char *const keys[] = {"code", "message", "host", "file", "line", NULL};
    if (!json_is_object(error))
        return json_null();
    json_t *shape = json_object();
    view_copy(shape, error, keys);
    json_object_update_missing(shape, (json_t *)error);
    return shape;
}

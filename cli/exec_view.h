/* exec_view: what `hikeshi hosts exec` shows of a command on many hosts, wherever the command runs: for people as
 * live.h has it and a line at the end, or one JSON object a host as it ends. Fed with events of docs/design/wire.md. */
#ifndef CLI_EXEC_VIEW_H
#define CLI_EXEC_VIEW_H

#include "core/json.h"
#include <stdbool.h>
#include <stddef.h>

struct exec_view;
struct exec_view *exec_view_new(bool json);
/* A `command`, `output` or `host` event; others are left alone. A host that was not started has the result
 * "not_reached". */
void exec_view_event(struct exec_view *view, const json_t *event);
/* After the last one: prints what was kept, and, for people and when `tell`, how many hosts it went well on, if not on
 * all. */
void exec_view_end(struct exec_view *view, bool tell);
bool exec_view_failed(const struct exec_view *view);  /* a host failed, or was not started */
bool exec_view_unknown(const struct exec_view *view); /* something may still run */
void exec_view_free(struct exec_view *view);

#endif

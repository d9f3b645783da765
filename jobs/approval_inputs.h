/* approval_inputs: values that an approver fills in, checked against what the step asks for. Pure.
 *
 * asks: the declarations as the runner's `approval` event has them ([{"name","type","required","default","choices",…}],
 * paths in `choices` replaced by the values that stood there). Every input must be given, but one that has a default or
 * says `required: false`. */
#ifndef JOBS_APPROVAL_INPUTS_H
#define JOBS_APPROVAL_INPUTS_H

#include "core/json.h"
#include <glib.h>

/* The value of one input: `given` (NULL, null: nothing was said) or its default, converted and checked; null when it
 * needs none. inventory: as for runbook_bind_params(). ERROR_INVALID names the input. New reference. */
json_t *approval_input_value(const json_t *ask, const json_t *given, const json_t *inventory, GError **error);
/* All of them, by name. ERROR_INVALID for a name that is not asked for. New reference. */
json_t *approval_inputs_bind(const json_t *asks, const json_t *given, const json_t *inventory, GError **error);

#endif

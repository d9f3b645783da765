/* mask_private: what mask.c and mask_forms.c share. */
#ifndef RUNNER_MASK_PRIVATE_H
#define RUNNER_MASK_PRIVATE_H

#include "runner/mask.h"

/* One text to look for; copied. length > 0. wraps: line breaks within it do not count. */
void mask_add_form(struct mask *mask, const char *bytes, size_t length, bool wraps);

#endif

/* fence: is this fenced block a step, and what are its attributes? Reads the raw info line and the leading comment
 * lines.
 *
 *   ```lua {step=look timeout=30s hosts="role=db"}     key=value, key="quoted"; no escapes: a backslash, & or ` is an
 * error
 *   --| effect: read                                   #| in shell blocks; YAML values
 *
 * A block is a step only with step= in the braces and lua, sh or bash in front; any other language with step= is an
 * error. */
#ifndef JOBS_FENCE_H
#define JOBS_FENCE_H

#include "jobs/field.h"
#include "jobs/markdown.h"

struct fence; /* the attributes of one step; owns their nodes */

/* NULL: no step. Otherwise the block is meant as one, also when findings say that it is broken. */
struct fence *fence_read(const struct field_reader *reader, const struct markdown_fence *block);
void fence_free(struct fence *fence);

const char *fence_language(const struct fence *fence); /* "lua", "sh", "bash" */
/* All attributes as one map, those of the braces first. Findings told of duplicates. */
const struct yaml_node *fence_attributes(const struct fence *fence);
bool fence_broken(const struct fence *fence); /* its syntax is wrong: the attributes are not worth reading */

/* True when a block that is no step begins with attribute lines: its writer meant one. */
bool fence_looks_like_step(const struct markdown_fence *block);

typedef struct fence fence_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(fence_t, fence_free)

#endif

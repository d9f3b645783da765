/* embed: files compiled into the binary by hikeshi_embed() in cmake/embed.cmake. */
#ifndef CORE_EMBED_H
#define CORE_EMBED_H

#include <stddef.h>

/* One embedded file. `bytes` is followed by a NUL that `size` does not count. A table ends with path == NULL. */
struct embedded_file {
    const char *path;
    const unsigned char *bytes;
    size_t size;
};

#endif

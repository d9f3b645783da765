/* stubs: what steps can call, as lua-language-server reads it: one file of declarations with types, made from the
 * comments above the bindings by scripts/lua-api when hikeshi is built. */
#ifndef LUA_STUBS_H
#define LUA_STUBS_H

#include "core/embed.h"

extern const struct embedded_file lua_stub_files[];

#endif

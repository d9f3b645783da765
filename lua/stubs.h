/* stubs: what steps can call, as lua-language-server reads it: declarations with types, made from the comments
 * by scripts/lua-api when hikeshi is built: hikeshi.lua, then one file a module of the standard library. */
#ifndef LUA_STUBS_H
#define LUA_STUBS_H

#include "core/embed.h"

extern const struct embedded_file lua_stub_files[];

#endif

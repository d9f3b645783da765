/* ssh_handle: what bind_ssh.c, whose object h is, shares with bind_ssh_file.c. */
#ifndef LUA_SSH_HANDLE_H
#define LUA_SSH_HANDLE_H

#include "core/json.h"
#include <lua.h>

/* The object behind h, the first argument: {"host", "defaults"}. Raises when it is none. Borrowed. */
json_t *ssh_handle_check(lua_State *L);

int ssh_file_upload(lua_State *L);
int ssh_file_download(lua_State *L);

#endif

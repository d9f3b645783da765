/* local_inventory: the inventory for commands that reach hosts from here, and what the command line picks out of it. */
#ifndef CLI_LOCAL_INVENTORY_H
#define CLI_LOCAL_INVENTORY_H

#include "cli/cli.h"
#include "core/json.h"

/* clang-format off */
#define CLI_OPTION_INVENTORY \
    {.name = "inventory", .value = "FILE", .help = "default: hikeshi/inventory.yaml of the repository around the working folder"}
/* clang-format on */

/* From --inventory, a server that was named, or the repository that we stand in; empty without any. The wire's array of
 * hosts; new reference. */
json_t *local_inventory(const struct cli_call *call, GError **error);
/* A host by name, alias or address; or, when the inventory has none, what "10.0.0.1", "web-1.example.com:2222" or
 * "[2001:db8::1]:22" says. New reference. */
json_t *local_inventory_host(const json_t *inventory, const char *text, GError **error);

#endif

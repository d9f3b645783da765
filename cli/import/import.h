/* import: hosts on their way from another tool's format into hikeshi/inventory.yaml, and what is to be said about them.
 */
#ifndef CLI_IMPORT_IMPORT_H
#define CLI_IMPORT_IMPORT_H

#include "core/finding.h"
#include "core/json.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct import {
    json_t *hosts; /* {name: {"address","port","user","identity","jump","labels":{}}}, in the order of the file */
    struct finding_list *notes;
    const char *file; /* being read, for notes */
};

void import_init(struct import *import);
void import_clear(struct import *import);

/* Something is not taken over. */
void import_note(struct import *import, int line, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* The host of that name, made when there is none. NULL, with a note, when the inventory cannot have such a name.
 * Borrowed. */
json_t *import_host(struct import *import, const char *name, int line);
/* Values of other tools; each notes what cannot be taken over. */
void import_set_address(struct import *import, json_t *host, const char *value, int line);
void import_set_port(struct import *import, json_t *host, const char *value, int line);
void import_set_user(struct import *import, json_t *host, const char *value, int line);
void import_set_identity(struct import *import, json_t *host, const char *path, int line);
/* value: "bastion" or "user@host:port[,…]", the first being the nearest to us: hosts that are not there are made. */
void import_set_jump(struct import *import, const char *name, const char *value, int line);
/* value: a ProxyCommand. Only `ssh … -W %h:%p HOST` is a jump host. */
void import_set_proxy_command(struct import *import, const char *name, const char *value, int line);

/* One file. False with error when it cannot be understood at all. */
typedef bool (*import_fn)(struct import *import, const char *text, size_t length, GError **error);
bool import_openssh(struct import *import, const char *text, size_t length, GError **error);
bool import_ansible_ini(struct import *import, const char *text, size_t length, GError **error);
bool import_ansible_yaml(struct import *import, const char *text, size_t length, GError **error);
/* Which of them the text looks like. */
import_fn import_guess(const char *text);

/* False with ERROR_PARSE when it is not UTF-8. */
bool import_is_text(const struct import *import, const char *text, size_t length, GError **error);

/* {"hosts": …} as hikeshi/inventory.yaml has it. New reference. */
json_t *import_inventory(const struct import *import);

#endif

/* bind: the list of tables. A new one is one file and one line here. */
#include "lua/bind.h"

#include <stddef.h>

const struct bind_table *const bind_tables[] = {
    &bind_base, &bind_string, &bind_list,   &bind_ssh_globals, &bind_ssh_methods, &bind_hosts,
    &bind_http, &bind_secret, &bind_log,    &bind_incidents,   &bind_report,      &bind_flow,
    &bind_many, &bind_json,   &bind_base64, &bind_text,        &bind_time,        NULL,
};

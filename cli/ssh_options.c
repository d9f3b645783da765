/* ssh_options: see ssh_options.h. */
#include "cli/ssh_options.h"
#include "runner/settings.h"

void ssh_options_read(const struct cli_call *call, const struct config *config, struct ssh_options *ret)
{
    GPtrArray *given = cli_values(call, "identity");
    *ret = (struct ssh_options){.settings = settings_ssh(config), .identities = g_ptr_array_new()};
    if (given != NULL) {
        g_ptr_array_extend(ret->identities, given, NULL, NULL);
        g_ptr_array_add(ret->identities, NULL);
        ret->settings.identities = (const char *const *)ret->identities->pdata;
    }
    if (cli_given(call, "known-hosts"))
        ret->settings.known_hosts = cli_value(call, "known-hosts");
    if (cli_given(call, "user"))
        ret->settings.user = cli_value(call, "user");
}

void ssh_options_clear(struct ssh_options *options)
{
    g_ptr_array_unref(options->identities);
}

/* config_flags: see config_flags.h. */
#include "cli/config_flags.h"
#include <string.h>

/* A switch when naming the key can only mean true. */
static const char *metavariable(const struct config_key *key)
{
    switch (key->type) {
    case CONFIG_BOOL:
        return g_strcmp0(key->fallback, "false") == 0 ? NULL : "true|false";
    case CONFIG_INTEGER:
        return "N";
    case CONFIG_DURATION:
        return "DURATION";
    case CONFIG_LIST:
        return "LIST";
    default:
        return "TEXT";
    }
}

static const struct cli_option *make_options(void)
{
    size_t keys = 0;
    while (config_keys[keys].name != NULL)
        keys++;
    struct cli_option *options = g_new0(struct cli_option, keys + 2);
    struct cli_option *next = options;
    *next++ = (struct cli_option){
        .name = "config", .value = "FILE", .help = "the configuration (default: ./hikeshi.yaml when it exists)"};
    for (size_t i = 0; i < keys; i++) {
        char *name = config_flag_name(&config_keys[i]);
        if (name != NULL)
            *next++ =
                (struct cli_option){.name = name, .value = metavariable(&config_keys[i]), .help = config_keys[i].help};
    }
    return options;
}

const struct cli_option *config_flags_options(void)
{
    static const struct cli_option *options = NULL;
    if (options == NULL)
        options = make_options();
    return options;
}

struct config *config_flags_load(const struct cli_call *call, GError **error)
{
    g_autoptr(GPtrArray) flags = g_ptr_array_new_with_free_func(g_free);
    for (const struct cli_option *option = config_flags_options() + 1; option->name != NULL; option++) {
        const char *value = cli_value(call, option->name);
        if (value != NULL)
            g_ptr_array_add(flags, option->value != NULL ? g_strdup_printf("%s=%s", option->name, value)
                                                         : g_strdup(option->name));
    }
    g_ptr_array_add(flags, NULL);
    return config_load(cli_value(call, "config"), (const char *const *)flags->pdata, error);
}

char **config_flags_environment(const struct cli_call *call)
{
    char **environment = g_get_environ();
    for (const struct config_key *key = config_keys; key->name != NULL; key++) {
        g_autofree char *flag = config_flag_name(key), *variable = config_env_name(key);
        const char *value = flag != NULL ? cli_value(call, flag) : NULL;
        if (value != NULL)
            environment = g_environ_setenv(environment, variable, metavariable(key) != NULL ? value : "true", TRUE);
    }
    return environment;
}

/* settings: see settings.h. */
#include "runner/settings.h"

struct ssh_settings settings_ssh(const struct config *config)
{
    return (struct ssh_settings){
        .user = config_string(config, "runner.ssh.user"),
        .identities = config_list(config, "runner.ssh.identities"),
        .passphrase = config_string(config, "runner.ssh.passphrase"),
        .password = config_string(config, "runner.ssh.password"),
        .sudo_password = config_string(config, "runner.ssh.sudo_password"),
        .passwords = config_tree(config, "runner.ssh.passwords"),
        .agent = config_bool(config, "runner.ssh.agent"),
        .known_hosts = config_string(config, "runner.ssh.known_hosts"),
        .connect_timeout_ms = config_duration_ms(config, "runner.ssh.connect_timeout"),
        .keepalive_ms = config_duration_ms(config, "runner.ssh.keepalive"),
        .idle_ms = config_duration_ms(config, "runner.ssh.idle"),
        .connects_at_once = (int)config_integer(config, "runner.ssh.connects_at_once"),
        .max_sessions = (int)config_integer(config, "runner.ssh.max_sessions"),
        .max_channels = (int)config_integer(config, "runner.ssh.max_channels"),
    };
}

size_t settings_workers(const struct config *config)
{
    int64_t workers = config_integer(config, "runner.workers");

    return workers > 0 ? (size_t)workers : g_get_num_processors();
}

char *settings_name(const struct config *config)
{
    const char *name = config_string(config, "runner.name");

    return g_strdup(name ? name : g_get_host_name());
}

struct reach *settings_reach(const struct config *config, GError **error)
{
    return reach_new(config_list(config, "runner.http"), error);
}

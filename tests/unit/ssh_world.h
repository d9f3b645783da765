/* ssh_world: what the tests of runner/ssh share: a loop, a throwaway sshd, a pool, and commands that are waited for. */
#ifndef TESTS_UNIT_SSH_WORLD_H
#define TESTS_UNIT_SSH_WORLD_H

#include "tests/unit/sshd.h"

#include "core/crypto.h"
#include "core/errors.h"
#include "runner/ssh/ssh.h"
#include <dirent.h>
#include <stdlib.h>

struct world {
    struct sshd *sshd;
    struct loop *loop;
    struct ssh_pool *pool;
    json_t *host;
};
static struct world world;

struct answer {
    json_t *result;
    GError *error;
    bool done;
};

static inline void answered(void *arg, json_t *result, const GError *error)
{
    struct answer *answer = arg;
    answer->result = json_incref(result);
    answer->error = error ? g_error_copy(error) : NULL;
    answer->done = true;
}

static inline void answer_clear(struct answer *answer)
{
    json_decref(answer->result);
    g_clear_error(&answer->error);
    *answer = (struct answer){0};
}

static inline void wait_for(struct answer *answer)
{
    while (!answer->done)
        loop_step(world.loop);
}

static inline struct ssh_pool *pool_with(const char *identity, const char *known_file)
{
    g_autofree char *key = sshd_path(world.sshd, identity);
    g_autofree char *known = sshd_path(world.sshd, known_file);
    const struct ssh_settings settings = {.identities = (const char *[]){key, NULL}, .known_hosts = known};
    return ssh_pool_new(world.loop, &settings);
}

static inline void run(struct ssh_command command, struct answer *answer)
{
    command.host = command.host ? command.host : world.host;
    struct op *op = op_new(answered, answer);
    ssh_run(world.pool, &command, op);
    wait_for(answer);
    op_unref(op);
}

/* The shell text as argv. */
static inline void run_sh(const char *text, struct ssh_command command, struct answer *answer)
{
    command.argv = json_pack("[sss]", "sh", "-c", text);
    run(command, answer);
    json_decref(command.argv);
}

static inline void expect_code(const struct answer *answer, int code)
{
    if (answer->error != NULL)
        fail_msg("%s", answer->error->message);
    assert_int_equal(json_get_integer(answer->result, "code", -1), code);
}

static inline void expect_error(const char *why, const struct answer *answer, int code, const char *says)
{
    if (answer->error == NULL)
        row_failed(why, "no error");
    if (answer->error->code != code || strstr(answer->error->message, says) == NULL)
        row_failed(why, "got %s: %s", errors_code(answer->error->code), answer->error->message);
}

static inline const char *out_of(const struct answer *answer)
{
    return json_get_string(answer->result, "stdout", "(none)");
}

static inline int world_start(const char *sshd_options)
{
    crypto_init();
    world.sshd = sshd_start(sshd_options);
    world.loop = loop_new();
    world.pool = pool_with("user", "known_hosts");
    world.host = sshd_host(world.sshd);
    return 0;
}

static inline int world_end(void **state)
{
    (void)state;
    ssh_pool_free(world.pool);
    loop_free(world.loop);
    json_decref(world.host);
    sshd_stop(world.sshd);
    return 0;
}

/* The parent of a process whose name begins with "sshd"; 0 for others. */
static inline pid_t parent_of_sshd(pid_t id)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)id);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL) || strstr(text, "(sshd") == NULL)
        return 0;
    return (pid_t)strtol(strrchr(text, ')') + 4, NULL, 10);
}

/* The processes of the server's sessions: its children, and theirs where sshd has two a session. */
static inline void signal_sessions(int signum)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    while ((entry = readdir(proc)) != NULL) {
        pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);
        pid_t parent = id > 0 ? parent_of_sshd(id) : 0;
        if (parent > 0 && (parent == world.sshd->pid || parent_of_sshd(parent) == world.sshd->pid))
            g_array_append_val(ids, id);
    }
    closedir(proc);
    for (guint i = 0; i < ids->len; i++)
        kill(g_array_index(ids, pid_t, i), signum);
}

#endif

/* agent: see agent.h. The agent's answers are bounded and checked: it is another program. */
#include "runner/ssh/agent.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    REQUEST_IDENTITIES = 11,
    IDENTITIES_ANSWER = 12,
    SIGN_REQUEST = 13,
    SIGN_RESPONSE = 14,
    MAX_ANSWER_BYTES = 256 * 1024, /* OpenSSH's own limit */
    MAX_KEYS = 1024,
};

struct ssh_agent {
    int fd;
    struct loop_poll *poll;
    GByteArray *out, *in;
    enum ssh_agent_state state;
    const char *problem;
    GPtrArray *keys;
    bool signing; /* what the answer belongs to */
    bool signed_it;
    struct ssh_span signature; /* in `in` */
    void (*wake)(void *arg);
    void *arg;
};

static void key_free(void *pointer)
{
    struct ssh_agent_key *key = pointer;
    g_bytes_unref(key->blob);
    g_free(key->comment);
    g_free(key);
}

static void break_off(struct ssh_agent *agent, const char *problem)
{
    agent->state = SSH_AGENT_BROKEN;
    agent->problem = problem;
    loop_poll_free(g_steal_pointer(&agent->poll));
}

static void queue(struct ssh_agent *agent, GByteArray *body)
{
    ssh_put_string(agent->out, body->data, body->len);
    g_byte_array_set_size(agent->in, 0);
    if (agent->state == SSH_AGENT_BROKEN)
        return;
    agent->state = SSH_AGENT_WAITING;
    loop_poll_set(agent->poll, LOOP_READ | LOOP_WRITE);
}

static bool read_keys(struct ssh_agent *agent, struct ssh_reader *reader)
{
    uint32_t count;
    if (!ssh_read_u32(reader, &count) || count > MAX_KEYS)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct ssh_span blob, comment;
        if (!ssh_read_string(reader, &blob) || !ssh_read_string(reader, &comment))
            return false;
        struct ssh_agent_key *key = g_new0(struct ssh_agent_key, 1);
        key->blob = g_bytes_new(blob.bytes, blob.length);
        g_autofree char *text = g_strndup((const char *)comment.bytes, comment.length);
        key->comment = g_strescape(text, NULL);
        g_ptr_array_add(agent->keys, key);
    }
    return true;
}

/* A whole answer has arrived. */
static void handle(struct ssh_agent *agent, struct ssh_reader reader)
{
    uint8_t type = 0;
    ssh_read_byte(&reader, &type);
    agent->state = SSH_AGENT_ANSWERED;
    if (agent->signing)
        agent->signed_it = type == SIGN_RESPONSE && ssh_read_string(&reader, &agent->signature);
    else if (type != IDENTITIES_ANSWER || !read_keys(agent, &reader))
        break_off(agent, "it did not list its keys");
}

static void receive(struct ssh_agent *agent)
{
    uint8_t bytes[4096];
    ssize_t got;
    while ((got = recv(agent->fd, bytes, sizeof bytes, 0)) > 0)
        g_byte_array_append(agent->in, bytes, (guint)got);
    if (got == 0) {
        break_off(agent, "it closed the connection");
        return;
    }
    if (errno != EAGAIN && errno != EINTR) {
        break_off(agent, g_strerror(errno));
        return;
    }
    struct ssh_reader reader = ssh_reader_over(agent->in->data, agent->in->len);
    uint32_t length;
    struct ssh_span body;
    if (!ssh_read_u32(&reader, &length))
        return;
    if (length > MAX_ANSWER_BYTES)
        break_off(agent, "its answer is too long");
    else if (ssh_read_raw(&reader, length, &body))
        handle(agent, ssh_reader_over(body.bytes, body.length));
}

static void transmit(struct ssh_agent *agent)
{
    while (agent->out->len > 0) {
        ssize_t sent = send(agent->fd, agent->out->data, agent->out->len, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR)
                break_off(agent, g_strerror(errno));
            return;
        }
        g_byte_array_remove_range(agent->out, 0, (guint)sent);
    }
    loop_poll_set(agent->poll, LOOP_READ);
}

static void agent_event(void *arg, int events)
{
    struct ssh_agent *agent = arg;
    if ((events & LOOP_WRITE) && agent->out->len > 0)
        transmit(agent);
    if ((events & LOOP_READ) && agent->state != SSH_AGENT_BROKEN)
        receive(agent);
    if (agent->state != SSH_AGENT_WAITING)
        agent->wake(agent->arg);
}

static bool agent_connect(struct ssh_agent *agent, struct loop *loop, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        agent->problem = "the path of its socket is too long";
        return false;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    agent->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (agent->fd < 0 || connect(agent->fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        agent->problem = g_strerror(errno);
        return false;
    }
    agent->poll = loop_poll_new(loop, agent->fd, agent_event, agent);
    return true;
}

struct ssh_agent *ssh_agent_new(struct loop *loop, const char *path, void (*wake)(void *arg), void *arg)
{
    struct ssh_agent *agent = g_new0(struct ssh_agent, 1);
    agent->fd = -1;
    agent->out = g_byte_array_new();
    agent->in = g_byte_array_new();
    agent->keys = g_ptr_array_new_with_free_func(key_free);
    agent->wake = wake;
    agent->arg = arg;
    if (!agent_connect(agent, loop, path)) {
        agent->state = SSH_AGENT_BROKEN;
        return agent;
    }
    g_autoptr(GByteArray) body = g_byte_array_new();
    ssh_put_byte(body, REQUEST_IDENTITIES);
    queue(agent, body);
    return agent;
}

void ssh_agent_free(struct ssh_agent *agent)
{
    if (agent == NULL)
        return;
    loop_poll_free(agent->poll);
    if (agent->fd >= 0)
        close(agent->fd);
    g_byte_array_unref(agent->out);
    g_byte_array_unref(agent->in);
    g_ptr_array_unref(agent->keys);
    g_free(agent);
}

enum ssh_agent_state ssh_agent_state(const struct ssh_agent *agent)
{
    return agent->state;
}

const char *ssh_agent_problem(const struct ssh_agent *agent)
{
    return agent->problem;
}

GPtrArray *ssh_agent_keys(const struct ssh_agent *agent)
{
    return agent->keys;
}

void ssh_agent_sign(struct ssh_agent *agent, GBytes *blob, const void *data, size_t length, uint32_t flags)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    ssh_put_byte(body, SIGN_REQUEST);
    ssh_put_string(body, g_bytes_get_data(blob, NULL), g_bytes_get_size(blob));
    ssh_put_string(body, data, length);
    ssh_put_u32(body, flags);
    agent->signing = true;
    agent->signed_it = false;
    queue(agent, body);
}

bool ssh_agent_signature(const struct ssh_agent *agent, struct ssh_span *ret)
{
    if (agent->signed_it)
        *ret = agent->signature;
    return agent->signed_it;
}

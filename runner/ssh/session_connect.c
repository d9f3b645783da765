/* session_connect: how a session comes to be: name, TCP, key exchange, host key, user. */
#include "core/errors.h"
#include "runner/ssh/hostkey.h"
#include "runner/ssh/session_private.h"
#include <string.h>

/* sshd drops connections at random above MaxStartups: wait a little, longer each time, until the connect time-out. */
enum { BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 2000 };

/* libssh2 must not wait for the peer when it is freed: the transport is dead by then. */
static void drop_connection(struct ssh_session *session)
{
    ssh_auth_free(g_steal_pointer(&session->auth));
    if (session->ssh2 != NULL) {
        libssh2_session_disconnect(session->ssh2, "bye"); /* into our buffer; best effort */
        ssh_transport_flush(session->transport);
        ssh_transport_kill(session->transport);
        /* libssh2 forgets to free its half of a key exchange that is under way, unless the exchange itself fails. */
        if (session->exchanging)
            libssh2_session_handshake(session->ssh2, ssh_transport_fd(session->transport));
        session->exchanging = false;
        for (int tries = 0; tries < 10 && libssh2_session_free(session->ssh2) == LIBSSH2_ERROR_EAGAIN; tries++)
            continue;
        session->ssh2 = NULL;
    }
    ssh_transport_free(g_steal_pointer(&session->transport));
}

void ssh_connect_clear(struct ssh_session *session)
{
    if (session->resolve != NULL)
        loop_resolve_cancel(g_steal_pointer(&session->resolve));
    ssh_dial_cancel(g_steal_pointer(&session->dial));
    ssh_tunnel_free(g_steal_pointer(&session->tunnel));
    ssh_doors_leave(session->options.doors, &session->knock, SSH_DOOR_NONE);
    loop_timer_free(g_steal_pointer(&session->deadline));
    loop_timer_free(g_steal_pointer(&session->backoff));
    if (session->addresses != NULL)
        g_ptr_array_unref(g_steal_pointer(&session->addresses));
    g_clear_error(&session->pin_error);
    drop_connection(session);
}

static void fail_now(struct ssh_session *session, int code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void fail_now(struct ssh_session *session, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    ssh_session_fail(session, g_error_new_valist(HIKESHI_ERROR, code, format, arguments));
    va_end(arguments);
    ssh_session_step(session);
}

static void overdue(void *arg)
{
    static const char *const where[SESSION_STATE_COUNT] = {
        [SESSION_RESOLVE] = "looking up its name: does this machine's name server answer?",
        [SESSION_TURN] = "waiting for its turn",
        [SESSION_DIAL] = "connecting: is the address right, and does a firewall let us through?",
        [SESSION_BACKOFF] =
            "trying again: it hangs up at once (its sshd's MaxStartups or PerSourcePenalties, or not an sshd)",
        [SESSION_HANDSHAKE] = "exchanging keys: something listens there but does not speak SSH in time",
        [SESSION_AUTH] =
            "signing in: its sshd waits for something (PAM, a directory, DNS), or our ssh-agent does not answer",
    };
    struct ssh_session *session = arg;
    fail_now(session, ERROR_TIMEOUT, "no session with %s after %.1f s, while %s", session->target->label,
             (double)session->options.connect_timeout_ms / 1000.0, where[session->state]);
}

/* ---- libssh2's callbacks: bytes through the transport ---- */

static LIBSSH2_SEND_FUNC(on_send)
{
    (void)socket;
    (void)flags;
    struct ssh_session *session = *abstract;
    return ssh_transport_send(session->transport, buffer, length);
}

static LIBSSH2_RECV_FUNC(on_receive)
{
    (void)socket;
    (void)flags;
    struct ssh_session *session = *abstract;
    return ssh_transport_receive(session->transport, buffer, length);
}

static LIBSSH2_USERAUTH_KBDINT_RESPONSE_FUNC(on_prompt)
{
    (void)name, (void)name_len, (void)instruction, (void)instruction_len;
    struct ssh_session *session = *abstract;
    ssh_auth_answer(session->auth, num_prompts, prompts, responses);
}

static void set_callback(LIBSSH2_SESSION *ssh2, int which, void (*fn)(void))
{
#if LIBSSH2_VERSION_NUM >= 0x010b01
    libssh2_session_callback_set2(ssh2, which, (libssh2_cb_generic *)fn);
#else
    libssh2_session_callback_set(ssh2, which, (void *)fn);
#endif
}

static void transport_ready(void *arg)
{
    ssh_session_step(arg);
}

/* Not at once: the jump host's session is on the stack. */
static void tunnel_moved(void *arg)
{
    ssh_session_wake(arg);
}

static bool supports(const char **known, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(known[i], name) == 0)
            return true;
    return false;
}

/* Asks for host key types in this order. Only for those that libssh2 knows: 1.10 takes names out of the list with a
 * memcpy onto itself. */
static void prefer_types(LIBSSH2_SESSION *ssh2, const char *types)
{
    const char **known = NULL;
    int count = libssh2_session_supported_algs(ssh2, LIBSSH2_METHOD_HOSTKEY, &known);
    g_auto(GStrv) each = g_strsplit(types, ",", -1);
    g_autoptr(GString) list = g_string_new(NULL);
    for (char **type = each; *type != NULL; type++)
        if (supports(known, count, *type))
            g_string_append_printf(list, "%s%s", list->len ? "," : "", *type);
    if (list->len > 0)
        libssh2_session_method_pref(ssh2, LIBSSH2_METHOD_HOSTKEY, list->str);
    if (known != NULL)
        libssh2_free(ssh2, known);
}

/* A fresh libssh2 session over the connected transport. */
static void begin_handshake(struct ssh_session *session)
{
    session->ssh2 = libssh2_session_init_ex(NULL, NULL, NULL, session);
    if (session->ssh2 == NULL)
        g_error("libssh2 cannot allocate a session");
    libssh2_session_set_blocking(session->ssh2, 0);
    set_callback(session->ssh2, LIBSSH2_CALLBACK_SEND, (void (*)(void))on_send);
    set_callback(session->ssh2, LIBSSH2_CALLBACK_RECV, (void (*)(void))on_receive);
    g_autofree char *types = ssh_hostkey_preference(session->target, session->options.known_hosts, session->skip_types);
    if (types != NULL)
        prefer_types(session->ssh2, types);
    session->exchanging = true;
    session->state = SESSION_HANDSHAKE;
    ssh_session_step(session);
}

static void dialled(void *arg, int fd, const GError *error)
{
    struct ssh_session *session = arg;
    session->dial = NULL;
    if (fd < 0) {
        fail_now(session, ERROR_CONNECT, "cannot connect to %s: %s. Is the host up, and does sshd listen on this port?",
                 session->target->label, error->message);
        return;
    }
    session->transport = ssh_transport_new_socket(session->options.loop, fd, transport_ready, session);
    begin_handshake(session);
}

/* The jump host's connection to the target stands, or does not. */
static void tunnelled(void *arg, const GError *error)
{
    struct ssh_session *session = arg;
    struct ssh_tunnel *tunnel = g_steal_pointer(&session->tunnel);
    if (error != NULL) {
        ssh_tunnel_free(tunnel);
        fail_now(session, error->code, "cannot reach %s through '%s': %s", session->target->label,
                 session->target->jump->name, error->message);
        return;
    }
    const struct ssh_carrier carrier = ssh_tunnel_carrier(tunnel, tunnel_moved, session);
    session->transport = ssh_transport_new_carried(&carrier, transport_ready, session);
    begin_handshake(session);
}

/* ---- the deadline, which stands still while others connect first ---- */

static void run_deadline(void *arg)
{
    struct ssh_session *session = arg;
    if (loop_timer_active(session->deadline))
        return;
    session->deadline_from_ms = loop_now_ms(session->options.loop);
    loop_timer_start(session->deadline, (uint64_t)session->left_ms, 0);
}

static void hold_deadline(struct ssh_session *session)
{
    if (!loop_timer_active(session->deadline))
        return;
    int64_t passed_ms = (int64_t)(loop_now_ms(session->options.loop) - session->deadline_from_ms);
    session->left_ms = MAX(1, session->left_ms - passed_ms);
    loop_timer_stop(session->deadline);
}

static void begin_dial(struct ssh_session *session)
{
    session->state = SESSION_DIAL;
    if (session->target->jump != NULL) {
        session->tunnel = ssh_tunnel_start(session->options.pool, session->target->jump, session->target->address,
                                           session->target->port, run_deadline, tunnelled, session);
        return;
    }
    run_deadline(session);
    session->dial = ssh_dial_start(session->options.loop, session->addresses, dialled, session);
}

static void entered(void *arg)
{
    struct ssh_session *session = arg;
    /* How long connecting takes is told of hosts, and judged by: others are no part of it. */
    session->started_ms += loop_now_ms(session->options.loop) - session->knocked_ms;
    begin_dial(session);
}

static void wait_for_turn(void *arg)
{
    struct ssh_session *session = arg;
    const struct ssh_target *target = session->target;
    g_autofree char *server = g_strdup_printf("%s:%u", target->address, target->port);
    session->state = SESSION_TURN;
    session->knocked_ms = loop_now_ms(session->options.loop);
    hold_deadline(session);
    session->knock.enter = entered;
    session->knock.arg = session;
    ssh_doors_knock(session->options.doors, target->jump ? target->jump->key : server, target->jump != NULL,
                    &session->knock);
}

static void resolved(void *arg, GPtrArray *addresses, const GError *error)
{
    struct ssh_session *session = arg;
    session->resolve = NULL;
    session->addresses = addresses;
    if (error != NULL)
        fail_now(session, ERROR_DNS, "cannot resolve the address of %s: %s. Check the host's address in the inventory",
                 session->target->label, error->message);
    else
        wait_for_turn(session);
}

void ssh_connect_start(struct ssh_session *session)
{
    session->deadline = loop_timer_new(session->options.loop, overdue, session);
    session->backoff = loop_timer_new(session->options.loop, wait_for_turn, session);
    session->left_ms = session->options.connect_timeout_ms;
    /* Keys are read, and decrypted, while the connection is made. */
    ssh_identities_get(session->options.identities, session->target->identity);
    if (session->target->jump != NULL) { /* it is the jump host that looks up the name */
        wait_for_turn(session);
        return;
    }
    session->state = SESSION_RESOLVE;
    run_deadline(session);
    session->resolve =
        loop_resolve(session->options.loop, session->target->address, session->target->port, resolved, session);
}

/* ---- handshake ---- */

/* The peer hung up before it showed a key: most likely it has too many connections at the door. */
static void dropped_at_the_door(struct ssh_session *session)
{
    uint64_t delay = MIN((uint64_t)BACKOFF_FIRST_MS << MIN(session->dropped, 10), BACKOFF_MAX_MS);
    session->dropped++;
    drop_connection(session);
    ssh_doors_leave(session->options.doors, &session->knock, SSH_DOOR_DROPPED);
    session->state = SESSION_BACKOFF;
    loop_timer_start(session->backoff, delay / 2 + g_random_int() % delay, 0);
}

static void handshake_failed(struct ssh_session *session, int status)
{
    char *words = NULL;
    libssh2_session_last_error(session->ssh2, &words, NULL, 0);
    if (ssh_transport_errno(session->transport) != 0 || status == LIBSSH2_ERROR_SOCKET_DISCONNECT ||
        status == LIBSSH2_ERROR_SOCKET_RECV || status == LIBSSH2_ERROR_BANNER_RECV ||
        status == LIBSSH2_ERROR_SOCKET_SEND) {
        dropped_at_the_door(session);
        return;
    }
    if (session->pin_error != NULL)
        ssh_session_fail(session, g_steal_pointer(&session->pin_error));
    else if (status == LIBSSH2_ERROR_KEX_FAILURE && libssh2_version(0x010b00) == NULL)
        fail_now(session, ERROR_CONNECT,
                 "%s and this libssh2 %s have no algorithm in common. If the host has only an RSA host key, which "
                 "libssh2 before "
                 "1.11 cannot check with SHA-2, give it an ed25519 one (ssh-keygen -A) or run hikeshi on Debian 13",
                 session->target->label, libssh2_version(0));
    else
        fail_now(session, ERROR_CONNECT, "key exchange with %s failed: %s (libssh2 %s, %d)", session->target->label,
                 words ? words : "no reason given", libssh2_version(0), status);
}

/* A pin does not say which of the host's keys it names: connect again and ask for the next type. */
static bool try_next_type(struct ssh_session *session)
{
    if (session->target->host_key == NULL || strcmp(session->target->host_key, session->fingerprint) == 0)
        return false;
    g_autofree char *left =
        ssh_hostkey_preference(session->target, session->options.known_hosts, session->skip_types + 1);
    if (left == NULL)
        return false;
    session->skip_types++;
    drop_connection(session);
    begin_dial(session);
    return true;
}

/* True when the session may go on to sign in. */
static bool check_host_key(struct ssh_session *session)
{
    size_t length = 0;
    int type;
    const uint8_t *key = (const uint8_t *)libssh2_session_hostkey(session->ssh2, &length, &type);
    if (key == NULL) {
        fail_now(session, ERROR_HOST_KEY, "%s showed no host key", session->target->label);
        return false;
    }
    g_free(session->fingerprint);
    session->fingerprint = known_hosts_fingerprint(key, length);
    if (session->options.scanned != NULL) {
        session->options.scanned(session->options.arg, key, length);
        return false;
    }
    GError *error = NULL;
    if (ssh_hostkey_verify(session->target, session->options.known_hosts, session->options.known_hosts_path, key,
                           length, &error))
        return true;
    if (!try_next_type(session))
        ssh_session_fail(session, session->pin_error ? g_steal_pointer(&session->pin_error) : g_steal_pointer(&error));
    else if (session->pin_error == NULL)
        session->pin_error = g_steal_pointer(&error);
    g_clear_error(&error);
    return false;
}

void ssh_session_step_handshake(struct ssh_session *session)
{
    int status = libssh2_session_handshake(session->ssh2, ssh_transport_fd(session->transport));
    if (status == LIBSSH2_ERROR_EAGAIN)
        return;
    session->exchanging = false;
    if (status != 0) {
        handshake_failed(session, status);
        return;
    }
    if (!check_host_key(session))
        return;
    const struct ssh_auth_options auth = {.loop = session->options.loop,
                                          .ssh2 = session->ssh2,
                                          .target = session->target,
                                          .identities = session->options.identities,
                                          .agent = session->options.agent,
                                          .passwords = session->options.passwords,
                                          .prompted = on_prompt,
                                          .wake = transport_ready,
                                          .arg = session};
    session->auth = ssh_auth_new(&auth);
    session->state = SESSION_AUTH;
}

void ssh_session_step_auth(struct ssh_session *session)
{
    GError *error = NULL;
    switch (ssh_auth_step(session->auth, &error)) {
    case SSH_AUTH_WAIT:
        return;
    case SSH_AUTH_FAILED:
        ssh_session_fail(session, error);
        return;
    case SSH_AUTH_DONE:
        ssh_auth_free(g_steal_pointer(&session->auth));
        ssh_doors_leave(session->options.doors, &session->knock, SSH_DOOR_IN);
        loop_timer_free(g_steal_pointer(&session->deadline));
        loop_timer_free(g_steal_pointer(&session->backoff));
        ssh_session_become_ready(session);
    }
}

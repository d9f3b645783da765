/* auth: see auth.h. Signs by itself (key.h) or through the agent: libssh2 gets finished signatures from its callback.
 */
#include "core/errors.h"
#include "core/known_hosts.h"
#include "core/secret.h"
#include "runner/ssh/auth_private.h"
#include "runner/ssh/packet.h"
#include <stdlib.h>
#include <string.h>

/* sshd closes the connection after MaxAuthTries (6) refusals. */
enum { MAX_CANDIDATES = 6 };

static void candidate_free(void *pointer)
{
    struct ssh_candidate *candidate = pointer;
    g_free(candidate->name);
    g_bytes_unref(candidate->blob);
    g_free(candidate);
}

void ssh_auth_note(struct ssh_auth *auth, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_string_append(auth->notes, "; ");
    g_string_append_vprintf(auth->notes, format, arguments);
    va_end(arguments);
}

struct ssh_auth *ssh_auth_new(const struct ssh_auth_options *options)
{
    struct ssh_auth *auth = g_new0(struct ssh_auth, 1);
    auth->ssh2 = options->ssh2;
    auth->target = options->target;
    auth->identities = options->identities;
    auth->prompted = options->prompted;
    auth->notes = g_string_new(NULL);
    auth->self = auth;
    auth->wake = options->wake;
    auth->wake_arg = options->arg;
    ssh_identities_listen(options->identities, options->wake, options->arg);
    const char *path = g_getenv("SSH_AUTH_SOCK");
    if (options->agent && options->target->identity == NULL && path != NULL && *path != '\0')
        auth->agent = ssh_agent_new(options->loop, path, options->wake, options->arg);
    ssh_auth_read_password(auth, options->loop, options->passwords);
    return auth;
}

void ssh_auth_free(struct ssh_auth *auth)
{
    if (auth == NULL)
        return;
    ssh_identities_unlisten(auth->identities, auth->wake_arg);
    ssh_agent_free(auth->agent);
    ssh_password_cancel(auth->reading);
    secret_free(auth->password);
    g_free(auth->offers);
    if (auth->candidates != NULL)
        g_ptr_array_unref(auth->candidates);
    if (auth->keys != NULL)
        g_ptr_array_unref(auth->keys);
    g_string_free(auth->notes, TRUE);
    g_free(auth);
}

/* libssh2 before 1.11 signs RSA with SHA-1 only, which no current server takes. */
static bool library_knows_rsa_sha2(void)
{
    return libssh2_version(0x010b00) != NULL;
}

/* True when libssh2 can speak of such a public key. */
static bool usable(struct ssh_auth *auth, GBytes *blob, const char *name, bool quiet)
{
    gsize length;
    const uint8_t *bytes = g_bytes_get_data(blob, &length);
    struct ssh_reader reader = ssh_reader_over(bytes, length);
    struct ssh_span type;
    if (!ssh_read_string(&reader, &type))
        return false;
    if (ssh_span_is(&type, "ssh-rsa")) {
        if (library_knows_rsa_sha2())
            return true;
        ssh_auth_note(auth,
                      "RSA identity %s was not tried, libssh2 %s cannot sign with SHA-2: use an ed25519 or ECDSA key",
                      name, libssh2_version(0));
        return false;
    }
    if (ssh_span_is(&type, "ssh-ed25519") || (type.length > 11 && memcmp(type.bytes, "ecdsa-sha2-", 11) == 0))
        return true;
    if (!quiet)
        ssh_auth_note(auth, "identity %s is of a type that is not supported", name);
    return false;
}

static bool offered(const GPtrArray *candidates, GBytes *blob)
{
    for (guint i = 0; i < candidates->len; i++)
        if (g_bytes_equal(((struct ssh_candidate *)g_ptr_array_index(candidates, i))->blob, blob))
            return true;
    return false;
}

/* Takes blob. */
static void offer(struct ssh_auth *auth, const char *name, const struct ssh_key *key, GBytes *blob)
{
    if (!usable(auth, blob, name, key == NULL) || offered(auth->candidates, blob)) {
        g_bytes_unref(blob);
        return;
    }
    if (auth->candidates->len == MAX_CANDIDATES) {
        ssh_auth_note(auth, "identity %s was not tried, servers refuse more than %d", name, MAX_CANDIDATES);
        g_bytes_unref(blob);
        return;
    }
    struct ssh_candidate *candidate = g_new0(struct ssh_candidate, 1);
    candidate->name = g_strdup(name);
    candidate->key = key;
    candidate->blob = blob;
    g_ptr_array_add(auth->candidates, candidate);
}

/* Files first: they were configured; then what the agent has. False while something is still being read. */
static bool gather(struct ssh_auth *auth)
{
    GPtrArray *identities = ssh_identities_get(auth->identities, auth->target->identity);
    bool asking = auth->agent != NULL && ssh_agent_state(auth->agent) == SSH_AGENT_WAITING;
    if (identities == NULL || asking || auth->reading != NULL)
        return false;
    auth->keys = g_ptr_array_ref(identities);
    auth->candidates = g_ptr_array_new_with_free_func(candidate_free);
    for (guint i = 0; i < identities->len; i++) {
        const struct ssh_identity *identity = g_ptr_array_index(identities, i);
        if (identity->key == NULL) {
            ssh_auth_note(auth, "%s", identity->error->message);
            continue;
        }
        size_t length;
        const uint8_t *public = ssh_key_public(identity->key, &length);
        offer(auth, identity->name, identity->key, g_bytes_new(public, length));
    }
    if (auth->agent == NULL)
        return true;
    if (ssh_agent_state(auth->agent) == SSH_AGENT_BROKEN)
        ssh_auth_note(auth, "ssh-agent cannot be used: %s", ssh_agent_problem(auth->agent));
    GPtrArray *keys = ssh_agent_keys(auth->agent);
    for (guint i = 0; i < keys->len; i++) {
        const struct ssh_agent_key *key = g_ptr_array_index(keys, i);
        g_autofree char *name = g_strdup_printf("agent:%s", key->comment);
        offer(auth, name, NULL, g_bytes_ref(key->blob));
    }
    return true;
}

/* What is to be signed names its signature algorithm (RFC 4252, section 7): the RSA ones differ from the key's type. */
static char *algorithm_of(const unsigned char *data, size_t length)
{
    struct ssh_reader reader = ssh_reader_over(data, length);
    struct ssh_span span, algorithm;
    uint8_t byte;
    if (!ssh_read_string(&reader, &span) || !ssh_read_byte(&reader, &byte) || !ssh_read_string(&reader, &span) ||
        !ssh_read_string(&reader, &span) || !ssh_read_string(&reader, &span) || !ssh_read_byte(&reader, &byte) ||
        !ssh_read_string(&reader, &algorithm))
        return NULL;
    return g_strndup((const char *)algorithm.bytes, algorithm.length);
}

/* libssh2 frees the signature with free(). */
static int hand_over(const uint8_t *bytes, size_t length, unsigned char **ret, size_t *ret_length)
{
    *ret = malloc(length);
    if (*ret == NULL)
        return -1;
    memcpy(*ret, bytes, length);
    *ret_length = length;
    return 0;
}

static int sign_by_agent(struct ssh_auth *auth, const struct ssh_candidate *candidate, const char *algorithm,
                         const unsigned char *data, size_t length, unsigned char **ret, size_t *ret_length)
{
    if (!auth->asked_agent) {
        uint32_t flags = strcmp(algorithm, "rsa-sha2-512") == 0   ? SSH_AGENT_RSA_SHA2_512
                         : strcmp(algorithm, "rsa-sha2-256") == 0 ? SSH_AGENT_RSA_SHA2_256
                                                                  : 0;
        ssh_agent_sign(auth->agent, candidate->blob, data, length, flags);
        auth->asked_agent = true;
    }
    if (ssh_agent_state(auth->agent) == SSH_AGENT_WAITING)
        return LIBSSH2_ERROR_EAGAIN;
    auth->asked_agent = false;
    struct ssh_span whole, name, bytes;
    if (ssh_agent_state(auth->agent) == SSH_AGENT_BROKEN || !ssh_agent_signature(auth->agent, &whole)) {
        ssh_auth_note(auth, "ssh-agent did not sign with %s", candidate->name);
        return -1;
    }
    struct ssh_reader reader = ssh_reader_over(whole.bytes, whole.length);
    if (!ssh_read_string(&reader, &name) || !ssh_span_is(&name, algorithm) || !ssh_read_string(&reader, &bytes)) {
        ssh_auth_note(auth, "ssh-agent signed with %s in another way than asked", candidate->name);
        return -1;
    }
    return hand_over(bytes.bytes, bytes.length, ret, ret_length);
}

static LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(sign)
{
    (void)session;
    struct ssh_auth *auth = *abstract;
    const struct ssh_candidate *candidate = g_ptr_array_index(auth->candidates, auth->next);
    g_autofree char *algorithm = algorithm_of(data, data_len);
    if (algorithm == NULL)
        return -1;
    if (candidate->key == NULL)
        return sign_by_agent(auth, candidate, algorithm, data, data_len, sig, sig_len);
    size_t length;
    g_autofree uint8_t *signature = ssh_key_sign(candidate->key, algorithm, data, data_len, &length);
    if (signature == NULL) {
        ssh_auth_note(auth, "identity %s cannot sign with %s", candidate->name, algorithm);
        return -1;
    }
    return hand_over(signature, length, sig, sig_len);
}

static char *tried_text(const struct ssh_auth *auth, guint count)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < count; i++) {
        const struct ssh_candidate *candidate = g_ptr_array_index(auth->candidates, i);
        gsize length;
        const uint8_t *blob = g_bytes_get_data(candidate->blob, &length);
        g_autofree char *fingerprint = known_hosts_fingerprint(blob, length);
        g_string_append_printf(text, "%s%s (%s)", i ? ", " : "", candidate->name, fingerprint);
    }
    return g_string_free(text, FALSE);
}

/* What else would let us in. */
static const char *advice(const struct ssh_auth *auth)
{
    bool takes_passwords =
        auth->offers != NULL && (strstr(auth->offers, "password") || strstr(auth->offers, "keyboard"));
    if (auth->password_sent)
        return "Check the user and the password";
    if (takes_passwords && auth->password == NULL)
        return "Check the user, and that the public key stands in its authorized_keys; or set runner.ssh.password";
    return "Check the user, and that the public key stands in its authorized_keys";
}

enum ssh_auth_progress ssh_auth_refused(struct ssh_auth *auth, GError **error)
{
    g_autofree char *takes = auth->offers ? g_strdup_printf(". It takes %s", auth->offers) : g_strdup("");
    if (auth->candidates->len == 0 && !auth->password_sent) {
        errors_set(
            error, ERROR_AUTH,
            "no identity to offer to %s as user '%s'%s%s. Configure runner.ssh.identities (or runner.ssh.password), "
            "or run an ssh-agent that holds a key",
            auth->target->label, auth->target->user, auth->notes->str, takes);
        return SSH_AUTH_FAILED;
    }
    g_autofree char *tried = tried_text(auth, auth->candidates->len);
    errors_set(error, ERROR_AUTH, "%s refused user '%s': tried %s%s%s%s%s. %s", auth->target->label, auth->target->user,
               tried, *tried && auth->password_sent ? ", then " : "", auth->password_sent ? "the password" : "",
               auth->notes->str, takes, advice(auth));
    return SSH_AUTH_FAILED;
}

enum ssh_auth_progress ssh_auth_cut_off(struct ssh_auth *auth, GError **error)
{
    g_autofree char *tried = tried_text(auth, MIN(auth->next + 1, auth->candidates->len));
    errors_set(error, ERROR_AUTH,
               "%s closed the connection while user '%s' signed in: tried %s%s%s%s. If that is more than it allows "
               "(MaxAuthTries), set the host's identity",
               auth->target->label, auth->target->user, tried, *tried && auth->password_sent ? ", then " : "",
               auth->password_sent ? "the password"
               : *tried            ? ""
                                   : "nothing yet",
               auth->notes->str);
    return SSH_AUTH_FAILED;
}

enum ssh_auth_progress ssh_auth_go_on(struct ssh_auth *auth, enum ssh_auth_method method)
{
    auth->method = method;
    return SSH_AUTH_WAIT;
}

static enum ssh_auth_progress step_keys(struct ssh_auth *auth, GError **error)
{
    const char *user = auth->target->user;
    while (auth->next < auth->candidates->len) {
        const struct ssh_candidate *candidate = g_ptr_array_index(auth->candidates, auth->next);
        gsize length;
        const uint8_t *blob = g_bytes_get_data(candidate->blob, &length);
        int status = libssh2_userauth_publickey(auth->ssh2, user, blob, length, sign, &auth->self);
        switch (status) {
        case LIBSSH2_ERROR_EAGAIN:
            return SSH_AUTH_WAIT;
        case 0:
            return SSH_AUTH_DONE;
        case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
        case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
            auth->next++;
            continue;
        default:
            return ssh_auth_cut_off(auth, error);
        }
    }
    return ssh_auth_go_on(auth, AUTH_LIST);
}

static enum ssh_auth_progress (*const steps[AUTH_METHOD_COUNT])(struct ssh_auth *auth, GError **error) = {
    [AUTH_KEYS] = step_keys,
    [AUTH_LIST] = ssh_auth_step_list,
    [AUTH_PASSWORD] = ssh_auth_step_password,
    [AUTH_PROMPTS] = ssh_auth_step_prompts,
};

enum ssh_auth_progress ssh_auth_step(struct ssh_auth *auth, GError **error)
{
    enum ssh_auth_progress progress;
    enum ssh_auth_method before;
    if (auth->candidates == NULL && !gather(auth))
        return SSH_AUTH_WAIT;
    do {
        before = auth->method;
        progress = steps[auth->method](auth, error);
    } while (progress == SSH_AUTH_WAIT && auth->method != before);
    return progress;
}

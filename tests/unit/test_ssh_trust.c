/* Who they are and who we are: host keys, pins, key files, ssh-agent; and what the errors of connecting say. */
#include "tests/unit/ssh_world.h"

#include "core/known_hosts.h"
#include <stdlib.h>

static bool library_knows_rsa_sha2;

/* A server with an ed25519 and an ECDSA host key, and users' keys of every kind. */
static int set_up(void **state)
{
    (void)state;
    int minor = 0;
    assert_int_equal(sscanf(ssh_library_version(), "1.%d", &minor), 1);
    library_knows_rsa_sha2 = minor >= 11;
    crypto_init();
    g_setenv("HOME", "/nonexistent", TRUE); /* no keys of whoever runs the tests */
    g_unsetenv("SSH_AUTH_SOCK");
    world.loop = loop_new();
    world.sshd = sshd_start("");
    world.host = sshd_host(world.sshd);
    sshd_halt(world.sshd);
    sshd_keygen(world.sshd, "host_ecdsa", "ecdsa", "");
    sshd_keygen(world.sshd, "other", "ed25519", "");
    g_autofree char *second = g_strdup_printf("HostKey %s/host_ecdsa", world.sshd->folder);
    sshd_launch(world.sshd, second);
    return 0;
}

struct attempt {
    const char *identity, *passphrase, *known_hosts, *host_key;
    bool agent;
    int64_t connect_timeout_ms;
    const char *address; /* NULL = the server's */
    int port;
};

/* One command with a pool of its own. */
static void attempt(const struct attempt *how, struct answer *answer)
{
    g_autofree char *key = how->identity ? sshd_path(world.sshd, how->identity) : NULL;
    g_autofree char *known = sshd_path(world.sshd, how->known_hosts ? how->known_hosts : "known_hosts");
    const struct ssh_settings settings = {.identities = key ? (const char *[]){key, NULL} : NULL,
                                          .passphrase = how->passphrase,
                                          .known_hosts = known,
                                          .agent = how->agent,
                                          .connect_timeout_ms = how->connect_timeout_ms};
    world.pool = ssh_pool_new(world.loop, &settings);
    json_t *host = json_deep_copy(world.host);
    if (how->host_key != NULL)
        json_set_string(host, "host_key", how->host_key);
    if (how->address != NULL)
        json_set_string(host, "address", how->address);
    if (how->port != 0)
        json_object_set_new(host, "port", json_integer(how->port));
    run_sh("echo $USER; exit 3", (struct ssh_command){.host = host}, answer);
    json_decref(host);
    ssh_pool_free(world.pool);
}

static void must_work(const char *why, const struct attempt *how)
{
    struct answer answer = {0};
    attempt(how, &answer);
    if (answer.error != NULL)
        row_failed(why, "%s", answer.error->message);
    expect_code(&answer, 3);
    answer_clear(&answer);
}

static void must_fail(const char *why, const struct attempt *how, int code, const char *says)
{
    struct answer answer = {0};
    attempt(how, &answer);
    expect_error(why, &answer, code, says);
    answer_clear(&answer);
}

/* ---- host keys ---- */

static void trust_only(const char *file, const char *prefix, const char *key)
{
    g_autofree char *public = sshd_public(world.sshd, key);
    g_autofree char *text =
        g_strdup_printf("# a comment\n%s[%s]:%d %s\n", prefix, world.sshd->address, world.sshd->port, public);
    sshd_write(world.sshd, file, text);
}

static void an_unknown_key_is_refused(void **state)
{
    (void)state;
    g_autofree char *shown = sshd_fingerprint(world.sshd, "host");
    const struct attempt how = {.identity = "user", .known_hosts = "none"};
    must_fail("says what it shows", &how, ERROR_HOST_KEY, shown);
    must_fail("says what to do", &how, ERROR_HOST_KEY, "hikeshi hosts trust web-1");
}

static void a_changed_key_is_refused_and_both_are_named(void **state)
{
    (void)state;
    trust_only("changed", "", "other");
    g_autofree char *shown = sshd_fingerprint(world.sshd, "host"), *stands = sshd_fingerprint(world.sshd, "other");
    const struct attempt how = {.identity = "user", .known_hosts = "changed"};
    must_fail("new", &how, ERROR_HOST_KEY, shown);
    must_fail("old", &how, ERROR_HOST_KEY, stands);
    must_fail("where", &how, ERROR_HOST_KEY, "changed:2");
}

static void a_revoked_key_is_refused(void **state)
{
    (void)state;
    trust_only("revoked", "@revoked ", "host");
    g_autofree char *text = sshd_read(world.sshd, "revoked");
    g_autofree char *trusted = sshd_read(world.sshd, "known_hosts");
    g_autofree char *both = g_strconcat(trusted, text, NULL);
    sshd_write(world.sshd, "revoked", both);
    g_autofree char *pin = sshd_fingerprint(world.sshd, "host");
    must_fail("though trusted", &(struct attempt){.identity = "user", .known_hosts = "revoked"}, ERROR_HOST_KEY,
              "revoked");
    must_fail("though pinned", &(struct attempt){.identity = "user", .known_hosts = "revoked", .host_key = pin},
              ERROR_HOST_KEY, "revoked");
}

/* The host would rather show another key than the one that is known. */
static void a_host_known_by_one_type_is_asked_for_that(void **state)
{
    (void)state;
    trust_only("by_ecdsa", "", "host_ecdsa");
    must_work("ecdsa", &(struct attempt){.identity = "user", .known_hosts = "by_ecdsa"});
    must_work("ed25519", &(struct attempt){.identity = "user"});
}

/* libssh2 1.10 does not know how to ask for what is on file. */
static void a_host_known_by_rsa_alone(void **state)
{
    (void)state;
    sshd_keygen(world.sshd, "host_rsa", "rsa", "");
    trust_only("by_rsa", "", "host_rsa");
    const struct attempt how = {.identity = "user", .known_hosts = "by_rsa"};
    must_fail("the host has none", &how, ERROR_HOST_KEY, "on file with another type of key only (ssh-rsa");
    sshd_halt(world.sshd);
    g_autofree char *three =
        g_strdup_printf("HostKey %s/host_ecdsa\nHostKey %s/host_rsa", world.sshd->folder, world.sshd->folder);
    sshd_launch(world.sshd, three);
    if (library_knows_rsa_sha2)
        must_work("asked for RSA", &how);
    else
        must_fail("cannot ask for RSA", &how, ERROR_HOST_KEY, "RSA before 1.11");
}

static void a_pin_decides(void **state)
{
    (void)state;
    g_autofree char *first = sshd_fingerprint(world.sshd, "host"), *second = sshd_fingerprint(world.sshd, "host_ecdsa"),
                    *wrong = sshd_fingerprint(world.sshd, "other");
    must_work("the preferred key", &(struct attempt){.identity = "user", .known_hosts = "none", .host_key = first});
    must_work("another type", &(struct attempt){.identity = "user", .known_hosts = "none", .host_key = second});
    must_fail("says the pin", &(struct attempt){.identity = "user", .host_key = wrong}, ERROR_HOST_KEY, wrong);
    must_fail("says what it shows", &(struct attempt){.identity = "user", .host_key = wrong}, ERROR_HOST_KEY, first);
}

static json_t *scan(const char *file)
{
    g_autofree char *known = sshd_path(world.sshd, file);
    world.pool = ssh_pool_new(world.loop, &(struct ssh_settings){.known_hosts = known});
    struct answer answer = {0};
    struct op *op = op_new(answered, &answer);
    ssh_scan_key(world.pool, world.host, NULL, op);
    wait_for(&answer);
    assert_null(answer.error);
    op_unref(op);
    ssh_pool_free(world.pool);
    return answer.result;
}

static void a_scan_tells_the_verdict(void **state)
{
    (void)state;
    static const char *const files[][2] = {
        {"known_hosts", "match"}, {"none", "unknown"}, {"changed", "changed"}, {"revoked", "revoked"}};
    g_autofree char *shown = sshd_fingerprint(world.sshd, "host");
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        json_t *result = scan(files[i][0]);
        assert_string_equal(json_get_string(result, "verdict", ""), files[i][1]);
        assert_string_equal(json_get_string(result, "fingerprint", ""), shown);
        assert_string_equal(json_get_string(result, "type", ""), "ssh-ed25519");
        json_decref(result);
    }
}

/* ---- user keys ---- */

static const struct key_case {
    const char *why, *type, *format, *passphrase;
} keys[] = {
    {"ed25519", "ed25519", "RFC4716", ""},   {"ed25519, encrypted", "ed25519", "RFC4716", "correct horse"},
    {"ECDSA P-256", "ecdsa", "RFC4716", ""}, {"ECDSA P-256, encrypted", "ecdsa", "RFC4716", "correct horse"},
    {"ECDSA in PEM", "ecdsa", "PEM", ""},    {"ECDSA in PKCS#8, encrypted", "ecdsa", "PKCS8", "correct horse"},
    {"RSA", "rsa", "RFC4716", ""},           {"RSA in PEM, encrypted", "rsa", "PEM", "correct horse"},
};

static void make_key(const struct key_case *row)
{
    g_autofree char *path = sshd_path(world.sshd, "made");
    g_autofree char *public = g_strconcat(path, ".pub", NULL);
    g_unlink(path);
    g_unlink(public);
    sshd_command((const char *[]){"ssh-keygen", "-q", "-t", row->type, "-m", row->format, "-a", "4", "-N",
                                  row->passphrase, "-f", path, NULL});
    sshd_authorize(world.sshd, "made");
}

static void every_kind_of_key_file_signs_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        make_key(&keys[i]);
        g_setenv("SSH_TEST_PASSPHRASE", keys[i].passphrase, TRUE);
        const struct attempt how = {.identity = "made",
                                    .passphrase = *keys[i].passphrase ? "env:SSH_TEST_PASSPHRASE" : NULL};
        if (strcmp(keys[i].type, "rsa") == 0 && !library_knows_rsa_sha2)
            must_fail(keys[i].why, &how, ERROR_AUTH, "cannot sign with SHA-2: use an ed25519 or ECDSA key");
        else
            must_work(keys[i].why, &how);
    }
}

static void an_encrypted_key_needs_its_passphrase(void **state)
{
    (void)state;
    make_key(&keys[1]);
    g_setenv("SSH_TEST_PASSPHRASE", "wrong", TRUE);
    must_fail("wrong", &(struct attempt){.identity = "made", .passphrase = "env:SSH_TEST_PASSPHRASE"}, ERROR_AUTH,
              "wrong passphrase");
    must_fail("none", &(struct attempt){.identity = "made"}, ERROR_AUTH, "encrypted and no passphrase is configured");
    g_unsetenv("SSH_TEST_PASSPHRASE");
    must_fail("not set", &(struct attempt){.identity = "made", .passphrase = "env:SSH_TEST_PASSPHRASE"}, ERROR_AUTH,
              "SSH_TEST_PASSPHRASE");
}

static void a_refused_key_is_named(void **state)
{
    (void)state;
    g_autofree char *tried = sshd_fingerprint(world.sshd, "other");
    must_fail("fingerprint", &(struct attempt){.identity = "other"}, ERROR_AUTH, tried);
    must_fail("host", &(struct attempt){.identity = "other"}, ERROR_AUTH, "'web-1'");
    must_fail("no such file", &(struct attempt){.identity = "nowhere"}, ERROR_AUTH, "nowhere");
    must_fail("nothing to offer", &(struct attempt){0}, ERROR_AUTH, "runner.ssh.identities");
    must_fail("not a key", &(struct attempt){.identity = "sshd_config"}, ERROR_AUTH, "not a private key");
}

static void the_agent_signs(void **state)
{
    (void)state;
    g_autofree char *socket = sshd_path(world.sshd, "agent.sock");
    const char *argv[] = {"ssh-agent", "-D", "-a", socket, NULL};
    GPid agent;
    int out;
    assert_true(g_spawn_async_with_pipes(NULL, (char **)(uintptr_t)argv, NULL,
                                         G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, sshd_dies_with_test, NULL,
                                         &agent, NULL, &out, NULL, NULL));
    char bytes[256];
    assert_true(read(out, bytes, sizeof bytes) > 0); /* it says where it listens, when it does */
    g_setenv("SSH_AUTH_SOCK", socket, TRUE);
    must_fail("empty", &(struct attempt){.agent = true}, ERROR_AUTH, "no identity to offer");
    g_autofree char *user = sshd_path(world.sshd, "user"), *other = sshd_path(world.sshd, "other");
    sshd_command((const char *[]){"ssh-add", "-q", other, NULL});
    sshd_command((const char *[]){"ssh-add", "-q", user, NULL});
    must_work("the second of its keys", &(struct attempt){.agent = true});
    must_work("after a file that is refused", &(struct attempt){.agent = true, .identity = "other"});
    must_fail("not asked for", &(struct attempt){0}, ERROR_AUTH, "no identity to offer");
    sshd_keygen(world.sshd, "made", "ecdsa", "");
    sshd_authorize(world.sshd, "made");
    g_autofree char *made = sshd_path(world.sshd, "made");
    sshd_command((const char *[]){"ssh-add", "-q", "-D", NULL});
    sshd_command((const char *[]){"ssh-add", "-q", made, NULL});
    must_work("ECDSA", &(struct attempt){.agent = true});
    kill(agent, SIGTERM);
    waitpid(agent, NULL, 0);
    close(out);
    must_fail("gone", &(struct attempt){.agent = true}, ERROR_AUTH, "ssh-agent cannot be used");
    must_work("gone, but there is a file", &(struct attempt){.agent = true, .identity = "user"});
    g_unsetenv("SSH_AUTH_SOCK");
}

/* ---- connecting ---- */

static int listener(int *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void what_cannot_be_reached_says_where_it_ended(void **state)
{
    (void)state;
    int closed_port, silent_port;
    int closed_fd = listener(&closed_port), silent_fd = listener(&silent_port);
    assert_int_equal(listen(silent_fd, 8), 0);
    must_fail("nothing listens", &(struct attempt){.identity = "user", .address = "127.0.0.1", .port = closed_port},
              ERROR_CONNECT, "Connection refused");
    must_fail(
        "says nothing",
        &(struct attempt){.identity = "user", .address = "127.0.0.1", .port = silent_port, .connect_timeout_ms = 200},
        ERROR_TIMEOUT, "exchanging keys");
    must_fail("no such name", &(struct attempt){.identity = "user", .address = "host.invalid"}, ERROR_DNS, "'web-1'");
    close(closed_fd);
    close(silent_fd);
}

static void reaching_signs_in_and_no_more(void **state)
{
    (void)state;
    world.pool = pool_with("user", "known_hosts");
    struct answer answer = {0};
    struct op *op = op_new(answered, &answer);
    ssh_reach(world.pool, world.host, NULL, op);
    wait_for(&answer);
    assert_null(answer.error);
    g_autofree char *shown = sshd_fingerprint(world.sshd, "host");
    assert_string_equal(json_get_string(answer.result, "fingerprint", ""), shown);
    assert_string_equal(json_get_string(answer.result, "host", ""), "web-1");
    assert_true(json_get_integer(answer.result, "latency_ms", -1) >= 0);
    op_unref(op);
    answer_clear(&answer);
    ssh_pool_free(world.pool);
}

static int tear_down(void **state)
{
    world.pool = NULL;
    return world_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_key_is_refused),
        cmocka_unit_test(a_changed_key_is_refused_and_both_are_named),
        cmocka_unit_test(a_revoked_key_is_refused),
        cmocka_unit_test(a_host_known_by_one_type_is_asked_for_that),
        cmocka_unit_test(a_host_known_by_rsa_alone),
        cmocka_unit_test(a_pin_decides),
        cmocka_unit_test(a_scan_tells_the_verdict),
        cmocka_unit_test(every_kind_of_key_file_signs_in),
        cmocka_unit_test(an_encrypted_key_needs_its_passphrase),
        cmocka_unit_test(a_refused_key_is_named),
        cmocka_unit_test(the_agent_signs),
        cmocka_unit_test(what_cannot_be_reached_says_where_it_ended),
        cmocka_unit_test(reaching_signs_in_and_no_more),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* ssh_upload() and ssh_download() against a real SFTP server: every byte, at once or not at all. */
#include "tests/unit/ssh_world.h"

#include "core/limits.h"

#define SERVER "/usr/lib/openssh/sftp-server"

static char *remote; /* a folder on the "host" */

static int set_up(void **state)
{
    (void)state;
    remote = g_dir_make_tmp("hikeshi-remote-XXXXXX", NULL);
    return world_start("Subsystem sftp " SERVER);
}

static int tear_down(void **state)
{
    sshd_command((const char *[]){"rm", "-rf", remote, NULL});
    g_free(remote);
    return world_end(state);
}

/* The sshd again, with shell text as the server behind its subsystem. */
static void restart(const char *server)
{
    sshd_write(world.sshd, "server", server);
    g_autofree char *path = sshd_path(world.sshd, "server");
    g_autofree char *options = g_strdup_printf("Subsystem sftp /bin/sh %s", path);
    sshd_halt(world.sshd);
    sshd_launch(world.sshd, options);
    ssh_pool_free(world.pool);
    world.pool = pool_with("user", "known_hosts");
}

static char *at(const char *name)
{
    return g_build_filename(remote, name, NULL);
}

static guint files_left(void)
{
    guint count = 0;
    GDir *folder = g_dir_open(remote, 0, NULL);
    for (const char *name; (name = g_dir_read_name(folder)) != NULL;)
        count += g_str_has_prefix(name, ".hikeshi");
    g_dir_close(folder);
    return count;
}

static GBytes *noise(size_t length)
{
    char *bytes = g_malloc(length);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(i * 31 + i / 253 + i / 65537);
    return g_bytes_new_take(bytes, length);
}

static struct ssh_transfer_request request_for(const char *path)
{
    return (struct ssh_transfer_request){.host = world.host, .path = path, .mode = -1};
}

static void upload(struct ssh_transfer_request request, struct answer *answer)
{
    struct op *op = op_new(answered, answer);
    ssh_upload(world.pool, &request, op);
    wait_for(answer);
    op_unref(op);
}

static void download(struct ssh_transfer_request request, struct answer *answer)
{
    struct op *op = op_new(answered, answer);
    ssh_download(world.pool, &request, op);
    wait_for(answer);
    op_unref(op);
}

static void expect_file(const char *path, GBytes *bytes)
{
    g_autofree char *text = NULL;
    gsize length;
    assert_true(g_file_get_contents(path, &text, &length, NULL));
    assert_int_equal(length, g_bytes_get_size(bytes));
    if (length > 0)
        assert_memory_equal(text, g_bytes_get_data(bytes, NULL), length);
}

static void every_byte_arrives_both_ways(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 32767, 32768, 32769, 65536, 1000003, 24 * 1024 * 1024};
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autofree char *path = at("bytes");
        g_autoptr(GBytes) bytes = noise(lengths[i]);
        struct ssh_transfer_request request = request_for(path);
        struct answer up = {0}, down = {0};
        request.content = bytes;
        request.verify = i % 2;
        upload(request, &up);
        if (up.error != NULL)
            fail_msg("%zu bytes: %s", lengths[i], up.error->message);
        expect_file(path, bytes);
        assert_int_equal(json_get_integer(up.result, "bytes", -1), lengths[i]);
        download(request, &down);
        if (down.error != NULL)
            fail_msg("%zu bytes: %s", lengths[i], down.error->message);
        json_t *content = json_object_get(down.result, "content");
        assert_int_equal(json_string_length(content), lengths[i]);
        assert_int_equal(memcmp(json_string_value(content), g_bytes_get_data(bytes, NULL) ?: "", lengths[i]), 0);
        g_autofree char *sum = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
        assert_string_equal(json_get_string(up.result, "sha256", ""), sum);
        assert_string_equal(json_get_string(down.result, "sha256", ""), sum);
        answer_clear(&up);
        answer_clear(&down);
    }
    assert_int_equal(files_left(), 0);
}

static unsigned mode_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 07777;
}

static void the_mode_is_the_old_one_or_the_one_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        int before, asked;
        unsigned after;
    } rows[] = {
        {"a new file", -1, -1, 0644},  {"a new file, asked for", -1, 0600, 0600},
        {"kept", 0640, -1, 0640},      {"kept, set-id and all", 04755, -1, 04755},
        {"changed", 0640, 0444, 0444},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = at("mode");
        g_autoptr(GBytes) bytes = g_bytes_new_static("x", 1);
        struct ssh_transfer_request request = request_for(path);
        struct answer answer = {0};
        g_unlink(path);
        if (rows[i].before >= 0) {
            assert_true(g_file_set_contents(path, "old", -1, NULL));
            assert_int_equal(chmod(path, (mode_t)rows[i].before), 0);
        }
        request.content = bytes;
        request.mode = rows[i].asked;
        upload(request, &answer);
        if (answer.error != NULL || mode_of(path) != rows[i].after)
            row_failed(rows[i].why, "mode %o: %s", mode_of(path), answer.error ? answer.error->message : "");
        answer_clear(&answer);
    }
}

static void links_are_followed_and_owners_kept(void **state)
{
    (void)state;
    g_autofree char *path = at("real"), *link = at("link");
    g_autoptr(GBytes) bytes = g_bytes_new_static("new", 3);
    struct answer answer = {0};
    assert_true(g_file_set_contents(path, "old", -1, NULL));
    assert_int_equal(symlink("real", link), 0);
    bool root = getuid() == 0;
    if (root)
        assert_int_equal(chown(path, 12, 34), 0);
    struct ssh_transfer_request request = request_for(link);
    request.content = bytes;
    upload(request, &answer);
    assert_null(answer.error);
    assert_true(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    expect_file(path, bytes);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_true(!root || (info.st_uid == 12 && info.st_gid == 34));
    answer_clear(&answer);
}

static void what_cannot_be_written_is_refused_and_left_alone(void **state)
{
    (void)state;
    static const struct {
        const char *why, *path, *sha256;
        int code;
        const char *says;
    } rows[] = {
        {"a folder", ".", NULL, ERROR_FILE, "not a regular file"},
        {"a device", "/dev/null", NULL, ERROR_FILE, "not a regular file"},
        {"no such folder", "none/of/these", NULL, ERROR_FILE, "No such file"},
        {"a folder's name", "x/", NULL, ERROR_INVALID, "names a folder"},
        {"other bytes than promised", "sum", "00", ERROR_CHECK_FAILED, "the file is as it was"},
        {"a file as folder", "/etc/passwd/x", NULL, ERROR_FILE, "/etc/passwd/x"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path =
            *rows[i].path == '/' ? g_strdup(rows[i].path) : g_strdup_printf("%s/%s", remote, rows[i].path);
        g_autoptr(GBytes) bytes = g_bytes_new_static("x", 1);
        struct ssh_transfer_request request = request_for(path);
        struct answer answer = {0};
        request.content = bytes;
        request.sha256 = rows[i].sha256;
        upload(request, &answer);
        expect_error(rows[i].why, &answer, rows[i].code, rows[i].says);
        answer_clear(&answer);
    }
    assert_int_equal(files_left(), 0);
}

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *why, *path, *sha256;
        size_t most;
        int code;
        const char *says;
    } rows[] = {
        {"nothing there", "/nonexistent", NULL, 0, ERROR_FILE, "No such file"},
        {"a folder", "/etc", NULL, 0, ERROR_FILE, "not a regular file"},
        {"an endless device", "/dev/zero", NULL, 0, ERROR_FILE, "not a regular file"},
        {"over the ceiling", "/etc/passwd", NULL, 10, ERROR_TOO_LARGE, "more than 10 bytes"},
        {"over it, and its size not known", "/proc/self/maps", NULL, 10, ERROR_TOO_LARGE, "more than 10 bytes"},
        {"other bytes than promised", "/etc/passwd", "00", 0, ERROR_CHECK_FAILED, "has SHA-256"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct ssh_transfer_request request = request_for(rows[i].path);
        struct answer answer = {0};
        request.max_bytes = rows[i].most;
        request.sha256 = rows[i].sha256;
        download(request, &answer);
        expect_error(rows[i].why, &answer, rows[i].code, rows[i].says);
        answer_clear(&answer);
    }
}

static void files_without_a_size_are_read_to_their_end(void **state)
{
    (void)state;
    struct answer answer = {0};
    download(request_for("/proc/cpuinfo"), &answer);
    assert_null(answer.error);
    assert_true(json_string_length(json_object_get(answer.result, "content")) > 50);
    answer_clear(&answer);
}

/* However far it got. */
static void a_cancelled_upload_changes_nothing(void **state)
{
    (void)state;
    g_autofree char *path = at("cancelled");
    g_autoptr(GBytes) bytes = noise(8 * 1024 * 1024), old = g_bytes_new_static("old", 3);
    for (int turns = 0; turns < 60; turns += 7) {
        struct ssh_transfer_request request = request_for(path);
        struct answer answer = {0};
        assert_true(g_file_set_contents(path, "old", -1, NULL));
        request.content = bytes;
        struct op *op = op_new(answered, &answer);
        ssh_upload(world.pool, &request, op);
        for (int i = 0; i < turns && !answer.done; i++)
            loop_step(world.loop);
        op_cancel(op, ERROR_CANCELLED);
        wait_for(&answer);
        op_unref(op);
        if (answer.error != NULL) {
            assert_int_equal(answer.error->code, ERROR_CANCELLED);
            expect_file(path, old);
        }
        assert_int_equal(files_left(), 0);
        answer_clear(&answer);
    }
}

static void a_server_that_dies_or_hangs_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *why, *server;
        int64_t timeout_ms;
        int code;
        const char *says;
    } rows[] = {
        {"it closes in the middle", "dd bs=64k count=8 2>/dev/null | " SERVER, 0, ERROR_CHANNEL,
         "may be left beside it"},
        {"it hangs in the middle", "(dd bs=64k count=8 2>/dev/null; exec cat >/dev/null) | " SERVER, 300, ERROR_TIMEOUT,
         "may be left beside it"},
        {"it never answers", "exec cat >/dev/null", 300, ERROR_TIMEOUT, "timed out"},
        {"there is none", "/nonexistent", 0, ERROR_CHANNEL, "Subsystem"},
        {"it says something else", "echo Welcome to this host", 0, ERROR_CHANNEL, "login shell"},
    };
    g_autofree char *path = at("broken");
    g_autoptr(GBytes) bytes = noise(4 * 1024 * 1024), old = g_bytes_new_static("old", 3);
    assert_true(g_file_set_contents(path, "old", -1, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct ssh_transfer_request request = request_for(path);
        struct answer answer = {0};
        restart(rows[i].server);
        request.content = bytes;
        request.timeout_ms = rows[i].timeout_ms;
        upload(request, &answer);
        expect_error(rows[i].why, &answer, rows[i].code, rows[i].says);
        expect_file(path, old);
        answer_clear(&answer);
    }
    restart(SERVER);
}

static void transfers_and_commands_share_a_session(void **state)
{
    (void)state;
    enum { EACH = 12 };
    struct answer ups[EACH] = {0}, runs[EACH] = {0};
    struct op *ops[2 * EACH];
    g_autoptr(GBytes) bytes = noise(300000);
    json_t *argv = json_pack("[sss]", "sh", "-c", "head -c 200000 /dev/zero");
    for (int i = 0; i < EACH; i++) {
        g_autofree char *name = g_strdup_printf("many-%d", i);
        g_autofree char *path = at(name);
        struct ssh_transfer_request request = request_for(path);
        request.content = bytes;
        ops[2 * i] = op_new(answered, &ups[i]);
        ssh_upload(world.pool, &request, ops[2 * i]);
        ops[2 * i + 1] = op_new(answered, &runs[i]);
        ssh_run(world.pool, &(struct ssh_command){.host = world.host, .argv = argv}, ops[2 * i + 1]);
    }
    json_decref(argv);
    for (int i = 0; i < EACH; i++) {
        g_autofree char *name = g_strdup_printf("many-%d", i);
        g_autofree char *path = at(name);
        wait_for(&ups[i]);
        wait_for(&runs[i]);
        assert_null(ups[i].error);
        expect_file(path, bytes);
        expect_code(&runs[i], 0);
        assert_int_equal(json_string_length(json_object_get(runs[i].result, "stdout")), 200000);
        answer_clear(&ups[i]);
        answer_clear(&runs[i]);
        op_unref(ops[2 * i]);
        op_unref(ops[2 * i + 1]);
    }
    json_t *stats = ssh_pool_stats(world.pool);
    assert_int_equal(json_get_integer(stats, "connects", -1), 1);
    json_decref(stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_arrives_both_ways),
        cmocka_unit_test(the_mode_is_the_old_one_or_the_one_asked_for),
        cmocka_unit_test(links_are_followed_and_owners_kept),
        cmocka_unit_test(what_cannot_be_written_is_refused_and_left_alone),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(files_without_a_size_are_read_to_their_end),
        cmocka_unit_test(a_cancelled_upload_changes_nothing),
        cmocka_unit_test(a_server_that_dies_or_hangs_is_told),
        cmocka_unit_test(transfers_and_commands_share_a_session),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* The store: group commit, savepoints, lost transactions, limits, reopening. */
#include "core/crypto.h"
#include "core/errors.h"
#include "jobs/store/store.h"
#include "jobs/store/store_private.h"
#include <glib/gstdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

struct fixture {
    char *folder;
    struct loop *loop;
    struct store *store;
};

static void remove_folder(const char *folder)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_remove(path);
    }
    if (dir)
        g_dir_close(dir);
    g_rmdir(folder);
}

static int setup(void **state)
{
    struct fixture *f = g_new0(struct fixture, 1);
    g_autoptr(GError) error = NULL;
    f->folder = g_dir_make_tmp("hikeshi-store-XXXXXX", NULL);
    f->loop = loop_new();
    f->store = store_open(f->loop, f->folder, &error);
    assert_null(error);
    assert_non_null(f->store);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    loop_step(f->loop);
    loop_free(f->loop);
    remove_folder(f->folder);
    g_free(f->folder);
    g_free(f);
    return 0;
}

/* One write under test: what it does and what came back. */
struct write {
    const char *key;
    bool fail;   /* writes, then fails */
    size_t blob; /* size of the value to write; 0 = small */
    int runs;    /* how often the job ran */
    bool done;
    int code; /* -1 = no error */
    int *left;
};

static bool write_job(struct store_tx *tx, void *arg, GError **error)
{
    struct write *w = arg;
    w->runs++;
    g_autofree char *value = g_strnfill(w->blob ? w->blob : 5, 'x');
    if (!store_exec(tx, SQL_META_SET, NULL, error, "ss", w->key, value))
        return false;
    if (w->fail)
        errors_set(error, ERROR_INVALID, "asked to fail");
    return !w->fail;
}

static void on_written(void *arg, const GError *error)
{
    struct write *w = arg;
    assert_false(w->done);
    w->done = true;
    w->code = error ? error->code : -1;
    (*w->left)--;
}

static bool exists_job(struct store_tx *tx, void *arg, GError **error)
{
    struct write *w = arg;
    json_t *row = NULL;
    if (!store_get(tx, SQL_META_GET, &row, error, "s", w->key))
        return false;
    w->done = row != NULL;
    json_decref(row);
    return true;
}

static bool stored(struct store *store, const char *key)
{
    struct write w = {.key = key};
    assert_true(store_sync(store, exists_job, &w, NULL));
    return w.done;
}

static void run_until(struct loop *loop, const int *left)
{
    while (*left > 0)
        loop_step(loop);
}

/* Holds the store thread until the test has queued everything, so that all jobs meet in one group, however slow the
 * machine. */
struct gate {
    GMutex mutex;
    GCond cond;
    bool entered, open;
};

static bool gate_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)tx;
    (void)error;
    struct gate *gate = arg;
    g_mutex_lock(&gate->mutex);
    gate->entered = true;
    g_cond_signal(&gate->cond);
    while (!gate->open)
        g_cond_wait(&gate->cond, &gate->mutex);
    g_mutex_unlock(&gate->mutex);
    return true;
}

/* Returns when the store thread stands at the gate: nothing waits. */
static void gate_shut(struct store *store, struct gate *gate)
{
    store_set_group_limit_ms(store, 3600 * 1000);
    store_write(store, STORE_INTAKE, gate_job, NULL, gate);
    g_mutex_lock(&gate->mutex);
    while (!gate->entered)
        g_cond_wait(&gate->cond, &gate->mutex);
    g_mutex_unlock(&gate->mutex);
}

static void gate_open(struct gate *gate)
{
    g_mutex_lock(&gate->mutex);
    gate->open = true;
    g_cond_signal(&gate->cond);
    g_mutex_unlock(&gate->mutex);
}

static void commits_many_at_once(void **state)
{
    struct fixture *f = *state;
    int left = 300;
    struct write writes[300] = {0};
    char keys[300][16];
    struct gate gate = {0};
    gate_shut(f->store, &gate);
    for (int i = 0; i < 300; i++) {
        g_snprintf(keys[i], sizeof keys[i], "key-%d", i);
        writes[i] = (struct write){.key = keys[i], .left = &left};
        store_write(f->store, i % 2 ? STORE_INTAKE : STORE_NORMAL, write_job, on_written, &writes[i]);
    }
    gate_open(&gate);
    run_until(f->loop, &left);
    g_autoptr(json_t) stats = store_stats(f->store);
    assert_int_equal(json_get_integer(stats, "writes_committed", 0), 301);
    assert_true(json_get_integer(stats, "transactions", 999) < 10);
    assert_int_equal(json_get_integer(stats, "retries", -1), 0);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(writes[i].code, -1);
        assert_true(stored(f->store, keys[i]));
    }
}

/* Notes the order in which jobs ran. */
struct turn {
    GString *order;
    char letter;
    int *left;
};

static bool turn_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)tx;
    (void)error;
    struct turn *turn = arg;
    g_string_append_c(turn->order, turn->letter);
    return true;
}

static void on_turn(void *arg, const GError *error)
{
    assert_null(error);
    (*((struct turn *)arg)->left)--;
}

static void intake_goes_before_everything_else(void **state)
{
    struct fixture *f = *state;
    g_autoptr(GString) order = g_string_new(NULL);
    int left = 6;
    struct gate gate = {0};
    struct turn turns[] = {{order, 'b', &left}, {order, 'n', &left}, {order, 'i', &left},
                           {order, 'B', &left}, {order, 'N', &left}, {order, 'I', &left}};
    const enum store_priority priorities[] = {STORE_BACKGROUND, STORE_NORMAL, STORE_INTAKE};
    gate_shut(f->store, &gate);
    for (size_t i = 0; i < G_N_ELEMENTS(turns); i++)
        store_write(f->store, priorities[i % 3], turn_job, on_turn, &turns[i]);
    gate_open(&gate);
    run_until(f->loop, &left);
    assert_string_equal(order->str, "iInNbB");
}

static void one_failing_job_hurts_no_other(void **state)
{
    struct fixture *f = *state;
    int left = 3;
    struct write writes[] = {
        {.key = "a", .left = &left}, {.key = "b", .fail = true, .left = &left}, {.key = "c", .left = &left}};
    for (size_t i = 0; i < 3; i++)
        store_write(f->store, STORE_NORMAL, write_job, on_written, &writes[i]);
    run_until(f->loop, &left);
    assert_int_equal(writes[0].code, -1);
    assert_int_equal(writes[1].code, ERROR_INVALID);
    assert_int_equal(writes[2].code, -1);
    assert_true(stored(f->store, "a"));
    assert_false(stored(f->store, "b"));
    assert_true(stored(f->store, "c"));
}

/* The pages that fit are asked from SQLite itself: a ceiling a little above what is there now. */
static bool shrink_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)arg;
    return store_run_sql(tx, "PRAGMA max_page_count=1", error); /* SQLite takes the current size as the least */
}

static void grow_for_test(struct store *store, bool (*job)(struct store_tx *, void *, GError **))
{
    assert_true(store_sync(store, job, NULL, NULL));
}

static bool unlimited_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)arg;
    return store_run_sql(tx, "PRAGMA max_page_count=1000000", error);
}

static void a_full_disk_gives_no_false_success(void **state)
{
    struct fixture *f = *state;
    int left = 12;
    struct write writes[12] = {0};
    char keys[12][16];
    struct gate gate = {0};
    grow_for_test(f->store, shrink_job);
    gate_shut(f->store, &gate);
    for (int i = 0; i < 12; i++) {
        g_snprintf(keys[i], sizeof keys[i], "k%d", i);
        /* small ones fit into the pages that are there, the big one needs pages that do not exist */
        writes[i] = (struct write){.key = keys[i], .blob = i == 8 ? 1000000 : 0, .left = &left};
        store_write(f->store, STORE_NORMAL, write_job, on_written, &writes[i]);
    }
    gate_open(&gate);
    run_until(f->loop, &left);
    int succeeded = 0;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(writes[i].code == -1, stored(f->store, keys[i])); /* answered OK = it is there */
        succeeded += writes[i].code == -1;
    }
    assert_int_equal(writes[8].code, ERROR_STORE);
    assert_int_equal(succeeded, 11);
    assert_true(writes[0].runs > 1); /* it really was lost with the group and tried again */

    grow_for_test(f->store, unlimited_job);
    left = 1;
    struct write again = {.key = "k8", .blob = 1000000, .left = &left};
    store_write(f->store, STORE_NORMAL, write_job, on_written, &again);
    run_until(f->loop, &left);
    assert_int_equal(again.code, -1);
}

/* A job that ignores a failure and says that all is well. */
static bool careless_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)error;
    struct write *w = arg;
    g_autofree char *big = g_strnfill(1000000, 'x');
    store_exec(tx, SQL_META_SET, NULL, NULL, "ss", "big", big);
    store_exec(tx, SQL_META_SET, NULL, NULL, "ss", w->key, "after");
    return true;
}

static void a_job_that_ignores_a_lost_transaction_is_not_believed(void **state)
{
    struct fixture *f = *state;
    int left = 1;
    struct write w = {.key = "careless", .left = &left};
    grow_for_test(f->store, shrink_job);
    store_write(f->store, STORE_NORMAL, careless_job, on_written, &w);
    run_until(f->loop, &left);
    assert_int_equal(w.code, ERROR_STORE);
    assert_false(stored(f->store, "careless"));
}

static void refuses_when_too_much_waits(void **state)
{
    struct fixture *f = *state;
    enum { WAITING = 10000, EXTRA = WAITING + 50 };
    int left = EXTRA;
    struct gate gate = {0};
    struct write *writes = g_new0(struct write, EXTRA);
    gate_shut(f->store, &gate);
    for (int i = 0; i < EXTRA; i++) {
        writes[i] = (struct write){.key = "same", .left = &left};
        store_write(f->store, STORE_NORMAL, write_job, on_written, &writes[i]);
    }
    gate_open(&gate);
    run_until(f->loop, &left);
    int busy = 0;
    for (int i = 0; i < EXTRA; i++) {
        assert_true(writes[i].code == -1 || writes[i].code == ERROR_BUSY);
        assert_int_equal(writes[i].runs > 0, writes[i].code == -1);
        busy += writes[i].code == ERROR_BUSY;
    }
    assert_int_equal(busy, EXTRA - WAITING);
    g_free(writes);
}

static bool endless_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)arg;
    return store_run_sql(tx, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
                         error);
}

static void an_endless_read_is_ended(void **state)
{
    struct fixture *f = *state;
    int left = 1;
    struct write slow = {.left = &left}, next = {.key = "none", .left = &left};
    store_set_read_limit_ms(f->store, 50);
    store_read(f->store, endless_job, on_written, &slow);
    run_until(f->loop, &left);
    assert_int_equal(slow.code, ERROR_TIMEOUT);
    store_set_read_limit_ms(f->store, 3600 * 1000);
    left = 1;
    store_read(f->store, exists_job, on_written, &next);
    run_until(f->loop, &left);
    assert_int_equal(next.code, -1);
}

static bool write_in_read_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)arg;
    return store_exec(tx, SQL_META_SET, NULL, error, "ss", "a", "b");
}

static void a_read_cannot_write(void **state)
{
    struct fixture *f = *state;
    int left = 1;
    struct write w = {.left = &left};
    store_read(f->store, write_in_read_job, on_written, &w);
    run_until(f->loop, &left);
    assert_int_equal(w.code, ERROR_STORE);
    assert_false(stored(f->store, "a"));
}

static bool rows_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)arg;
    g_autoptr(json_t) nested = json_pack("{s:[i,i],s:s}", "b", 1, 2, "a", "x");
    g_autoptr(json_t) row = NULL, rows = NULL;
    int64_t changes = 0;
    if (!store_exec(tx, SQL_DELIVERY_ADD, &changes, error, "ssiBs", "pd", "k1", (int64_t)5, "a\0\xff", (size_t)3,
                    "received"))
        return false;
    assert_int_equal(changes, 1);
    assert_int_equal(store_last_rowid(tx), 1);
    if (!store_exec(tx, SQL_DELIVERY_ADD, &changes, error, "ssiBs", "pd", "k1", (int64_t)6, NULL, (size_t)0,
                    "received"))
        return false;
    assert_int_equal(changes, 0); /* the same delivery again */
    if (!store_exec(tx, SQL_META_SET, NULL, error, "sj", "json", nested) ||
        !store_get(tx, SQL_META_GET, &row, error, "s", "json") ||
        !store_list(tx, SQL_META_GET, &rows, error, "s", "none"))
        return false;
    assert_string_equal(json_get_string(row, "value", NULL), "{\"a\":\"x\",\"b\":[1,2]}");
    assert_int_equal(json_array_size(rows), 0);
    g_autoptr(GError) wrong = NULL;
    assert_false(store_exec(tx, SQL_META_SET, NULL, &wrong, "s", "too few"));
    assert_int_equal(wrong->code, ERROR_INTERNAL);
    return true;
}

static void binds_and_reads_rows(void **state)
{
    struct fixture *f = *state;
    g_autoptr(GError) error = NULL;
    assert_true(store_sync(f->store, rows_job, NULL, &error));
    assert_null(error);
}

static void files_are_private(void **state)
{
    struct fixture *f = *state;
    g_autofree char *inner = g_build_filename(f->folder, "new", NULL);
    struct store *store = store_open(NULL, inner, NULL);
    assert_non_null(store);
    const char *const names[] = {"hikeshi.db", "hikeshi.db-wal", "lock"};
    struct stat info;
    assert_int_equal(stat(inner, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(inner, names[i], NULL);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
    store_close(store);
    remove_folder(inner);
}

static void one_server_a_folder_but_the_command_line_works_beside_it(void **state)
{
    struct fixture *f = *state;
    g_autoptr(GError) error = NULL;
    assert_null(store_open(f->loop, f->folder, &error));
    assert_int_equal(error->code, ERROR_CONFLICT);
    assert_non_null(strstr(error->message, f->folder));

    struct store *beside = store_open(NULL, f->folder, NULL);
    assert_non_null(beside);
    struct write w = {.key = "from the command line"};
    assert_true(store_sync(beside, write_job, &w, NULL));
    store_close(beside);
    assert_true(stored(f->store, "from the command line"));
}

static void closing_finishes_what_was_queued(void **state)
{
    struct fixture *f = *state;
    int left = 100;
    struct write writes[100];
    for (int i = 0; i < 100; i++) {
        writes[i] = (struct write){.key = "k", .left = &left};
        store_write(f->store, STORE_BACKGROUND, write_job, on_written, &writes[i]);
    }
    store_close(f->store);
    assert_int_equal(left, 0);
    f->store = store_open(f->loop, f->folder, NULL);
    assert_true(stored(f->store, "k"));
}

/* A child process that says each key only after its done, until it is killed. */
static G_GNUC_NORETURN void writer_child(const char *folder, int fd)
{
    struct loop *loop = loop_new();
    struct store *store = store_open(loop, folder, NULL);
    for (int i = 0;; i++) {
        char key[16];
        int left = 1;
        g_snprintf(key, sizeof key, "k%d", i);
        struct write w = {.key = key, .left = &left};
        store_write(store, STORE_NORMAL, write_job, on_written, &w);
        run_until(loop, &left);
        if (w.code != -1 || write(fd, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

static void what_was_answered_survives_a_kill(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    int ends[2], last = -1, number;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        writer_child(f->folder, ends[1]);
    close(ends[1]);
    while (last < 40 && read(ends[0], &number, sizeof number) == sizeof number)
        last = number;
    kill(child, SIGKILL);
    while (read(ends[0], &number, sizeof number) == sizeof number)
        last = number;
    waitpid(child, NULL, 0);
    close(ends[0]);
    assert_true(last >= 40);

    g_autoptr(GError) error = NULL;
    f->store = store_open(f->loop, f->folder, &error); /* the lock went with the process */
    assert_null(error);
    for (int i = 0; i <= last; i++) {
        char key[16];
        g_snprintf(key, sizeof key, "k%d", i);
        assert_true(stored(f->store, key));
    }
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commits_many_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(intake_goes_before_everything_else, setup, teardown),
        cmocka_unit_test_setup_teardown(one_failing_job_hurts_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_gives_no_false_success, setup, teardown),
        cmocka_unit_test_setup_teardown(a_job_that_ignores_a_lost_transaction_is_not_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_when_too_much_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(an_endless_read_is_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_cannot_write, setup, teardown),
        cmocka_unit_test_setup_teardown(binds_and_reads_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(files_are_private, setup, teardown),
        cmocka_unit_test_setup_teardown(one_server_a_folder_but_the_command_line_works_beside_it, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_finishes_what_was_queued, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_answered_survives_a_kill, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

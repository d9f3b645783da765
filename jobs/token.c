/* token: API tokens. Only their SHA-256 is stored; the text is shown once. The table in memory follows the store, so
 * that a request costs no read. */
#include "jobs/token.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/wire.h"
#include "jobs/call.h"
#include "jobs/view.h"

enum {
    REFRESH_AT_MOST_MS = 1000, /* unknown tokens cause a read at most so often */
    REFRESH_AFTER_MS = 5000,   /* how long a token that another process revoked may still work while it is used */
};

static const char *const role_names[] = {
    [ROLE_NONE] = "none",         [ROLE_VIEWER] = "viewer", [ROLE_OPERATOR] = "operator",
    [ROLE_APPROVER] = "approver", [ROLE_ADMIN] = "admin",   [ROLE_RUNNER] = "runner",
};

const char *role_name(enum role role)
{
    return role_names[role];
}

bool role_from_name(const char *name, enum role *ret_role)
{
    for (size_t i = ROLE_VIEWER; i < G_N_ELEMENTS(role_names); i++)
        if (g_strcmp0(role_names[i], name) == 0) {
            *ret_role = (enum role)i;
            return true;
        }
    return false;
}

/* --- making --------------------------------------------------------------------------------------------------------
 */

/* A token on its way into the store. */
struct token {
    char *id, *text, *hash;
    const char *name;
    enum role role;
    int64_t created_at, expires_at; /* expires_at 0 = never */
};

static void token_init(struct token *token, const char *name, enum role role, int64_t lifetime_ms)
{
    *token = (struct token){
        .id = crypto_id("tok"), .text = crypto_token(), .name = name, .role = role, .created_at = clock_now_ms()};
    token->hash = crypto_sha256_hex(token->text, strlen(token->text));
    /* a life that would end after the end of time does not end */
    if (lifetime_ms > 0 && lifetime_ms < INT64_MAX - token->created_at)
        token->expires_at = token->created_at + lifetime_ms;
}

static void token_clear(struct token *token)
{
    if (token->text)
        crypto_wipe(token->text, strlen(token->text));
    g_clear_pointer(&token->text, g_free);
    g_clear_pointer(&token->id, g_free);
    g_clear_pointer(&token->hash, g_free);
}

static bool insert(struct store_tx *tx, void *arg, GError **error)
{
    const struct token *token = arg;
    return store_exec(tx, SQL_TOKEN_ADD, NULL, error, "ssssii", token->id, token->hash, token->name,
                      role_name(token->role), token->created_at, token->expires_at);
}

char *token_create(struct store *store, const char *name, enum role role, int64_t lifetime_ms, GError **error)
{
    struct token token;
    token_init(&token, name, role, lifetime_ms);
    char *text = store_sync(store, insert, &token, error) ? g_steal_pointer(&token.text) : NULL;
    token_clear(&token);
    return text;
}

/* --- first start ---------------------------------------------------------------------------------------------------
 */

static bool write_secret_file(const char *folder, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    bool ok = g_file_set_contents_full(path, line, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                       0600, error);
    crypto_wipe(line, strlen(line));
    return ok;
}

static bool count_people(struct store_tx *tx, void *arg, GError **error)
{
    g_autoptr(json_t) row = NULL;
    if (!store_get(tx, SQL_TOKEN_PEOPLE, &row, error, ""))
        return false;
    *(json_int_t *)arg = json_get_integer(row, "count", 0);
    return true;
}

/* Writes the file first: should the process die before the commit, the next start makes both anew. */
static char *make_with_file(struct store *store, const char *folder, const char *file, const char *name, enum role role,
                            GError **error)
{
    struct token token;
    token_init(&token, name, role, 0);
    char *text = NULL;
    if (write_secret_file(folder, file, token.text, error) && store_sync(store, insert, &token, error))
        text = g_steal_pointer(&token.text);
    token_clear(&token);
    return text;
}

struct lookup {
    char *hash;
    bool found;
};

static bool find_live(struct store_tx *tx, void *arg, GError **error)
{
    struct lookup *lookup = arg;
    g_autoptr(json_t) row = NULL;
    if (!store_get(tx, SQL_TOKEN_LIVE_RUNNER, &row, error, "s", lookup->hash))
        return false;
    lookup->found = row != NULL;
    return true;
}

/* The local runner reads its token from a file; the file and the store must say the same. */
static bool keep_runner_token(struct store *store, const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, WIRE_TOKEN_NAME, NULL);
    char *text = NULL;
    if (g_file_get_contents(path, &text, NULL, NULL)) {
        g_strchomp(text);
        struct lookup lookup = {.hash = crypto_sha256_hex(text, strlen(text))};
        crypto_wipe(text, strlen(text));
        g_free(text);
        bool ok = store_sync(store, find_live, &lookup, error);
        g_free(lookup.hash);
        if (!ok || lookup.found)
            return ok;
    }
    text = make_with_file(store, folder, WIRE_TOKEN_NAME, "runner", ROLE_RUNNER, error);
    if (text)
        crypto_wipe(text, strlen(text));
    bool ok = text != NULL;
    g_free(text);
    return ok;
}

char *token_bootstrap(struct store *store, const char *data_folder, GError **error)
{
    json_int_t people = 0;
    if (!keep_runner_token(store, data_folder, error) || !store_sync(store, count_people, &people, error) || people > 0)
        return NULL;
    return make_with_file(store, data_folder, "admin-token", "admin", ROLE_ADMIN, error);
}

/* --- the table in memory -------------------------------------------------------------------------------------------
 */

struct entry {
    char *name;
    enum role role;
    int64_t expires_at; /* 0 = never */
};

struct waiter {
    void (*done)(void *arg);
    void *arg;
    guint need; /* the read that began after it came: an earlier one may have missed what it waits for */
};

struct token_service {
    struct jobs *jobs;
    GHashTable *entries; /* hash → struct entry* */
    struct actor actor;  /* the last answer of token_actor() */
    char *actor_name;
    uint64_t read_ms; /* loop time of the last read's start */
    bool reading;
    bool stale;              /* the table changed while a read was under way: read again */
    json_t *rows;            /* what the read under way found */
    guint reads;             /* begun so far */
    struct loop_timer *next; /* of the read that waiters wait for, or NULL */
    GArray *waiters;         /* struct waiter */
};

static void entry_free(void *data)
{
    struct entry *entry = data;
    g_free(entry->name);
    g_free(entry);
}

static bool read_job(struct store_tx *tx, void *arg, GError **error)
{
    struct token_service *service = arg;
    g_clear_pointer(&service->rows, json_decref);
    return store_list(tx, SQL_TOKEN_LIVE, &service->rows, error, "");
}

static void take_rows(struct token_service *service)
{
    g_hash_table_remove_all(service->entries);
    size_t index;
    json_t *row;
    json_array_foreach (service->rows, index, row) {
        struct entry *entry = g_new0(struct entry, 1);
        entry->name = g_strdup(json_get_string(row, "name", ""));
        entry->expires_at = json_get_integer(row, "expires_at", 0);
        role_from_name(json_get_string(row, "role", NULL), &entry->role);
        g_hash_table_replace(service->entries, g_strdup(json_get_string(row, "hash", "")), entry);
    }
    g_clear_pointer(&service->rows, json_decref);
}

static void start_read(struct token_service *service);

/* Those whose read was made; the others wait for the next one. */
static void serve_waiters(struct token_service *service)
{
    g_autoptr(GArray) waiters = service->waiters;
    service->waiters = g_array_new(FALSE, FALSE, sizeof(struct waiter));
    for (guint i = 0; i < waiters->len; i++) {
        struct waiter *waiter = &g_array_index(waiters, struct waiter, i);
        if (waiter->need <= service->reads)
            waiter->done(waiter->arg);
        else
            g_array_append_val(service->waiters, *waiter);
    }
}

static void on_next(void *arg)
{
    struct token_service *service = arg;
    loop_timer_free(g_steal_pointer(&service->next));
    start_read(service);
}

/* Unknown tokens, however many come, cause one read a second; who brings one waits for it. */
static void schedule_read(struct token_service *service)
{
    if (service->reading || service->waiters->len == 0 || service->next)
        return;
    uint64_t due_ms = service->read_ms + REFRESH_AT_MOST_MS, now_ms = loop_now_ms(service->jobs->loop);
    service->next = loop_timer_new(service->jobs->loop, on_next, service);
    loop_timer_start(service->next, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void read_done(void *arg, const GError *error)
{
    struct token_service *service = arg;
    service->reading = false;
    if (service->stale) {
        start_read(service);
        return;
    }
    if (!error)
        take_rows(service);
    serve_waiters(service);
    schedule_read(service);
}

static void start_read(struct token_service *service)
{
    if (service->reading)
        return;
    service->reading = true;
    service->stale = false;
    service->reads++;
    service->read_ms = loop_now_ms(service->jobs->loop);
    store_read(service->jobs->store, read_job, read_done, service);
}

void token_refresh(struct jobs *jobs, void (*done)(void *arg), void *arg)
{
    struct token_service *service = jobs->tokens;
    struct waiter waiter = {done, arg, service->reads + 1};
    g_array_append_val(service->waiters, waiter);
    schedule_read(service);
}

/* The entry of a token that is good now, or NULL. Its use keeps the table fresh. */
static const struct entry *live_entry(struct token_service *service, const char *hash)
{
    const struct entry *entry = g_hash_table_lookup(service->entries, hash);
    if (!entry || entry->role == ROLE_NONE || (entry->expires_at && entry->expires_at <= clock_now_ms()))
        return NULL;
    if (loop_now_ms(service->jobs->loop) - service->read_ms > REFRESH_AFTER_MS)
        start_read(service);
    return entry;
}

char *token_hash(const char *bearer)
{
    return crypto_sha256_hex(bearer, strlen(bearer));
}

enum role token_role(struct jobs *jobs, const char *hash)
{
    const struct entry *entry = live_entry(jobs->tokens, hash);
    return entry ? entry->role : ROLE_NONE;
}

const struct actor *token_actor(struct jobs *jobs, const char *bearer)
{
    struct token_service *service = jobs->tokens;
    if (!bearer || !*bearer)
        return NULL;
    g_autofree char *hash = token_hash(bearer);
    const struct entry *entry = live_entry(service, hash);
    if (!entry)
        return NULL;
    g_free(service->actor_name);
    service->actor_name = g_strdup(entry->name);
    service->actor = (struct actor){.kind = "token", .name = service->actor_name, .role = entry->role, .via = "api"};
    return &service->actor;
}

struct token_service *token_service_new(struct jobs *jobs, GError **error)
{
    struct token_service *service = g_new0(struct token_service, 1);
    service->jobs = jobs;
    service->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
    service->waiters = g_array_new(FALSE, FALSE, sizeof(struct waiter));
    if (!store_sync(jobs->store, read_job, service, error)) {
        token_service_free(service);
        return NULL;
    }
    take_rows(service);
    return service;
}

void token_service_free(struct token_service *service)
{
    if (!service)
        return;
    service->reads = G_MAXUINT; /* nobody is left waiting: what they asked for ends with us */
    serve_waiters(service);
    loop_timer_free(service->next);
    g_hash_table_unref(service->entries);
    g_array_unref(service->waiters);
    json_decref(service->rows);
    g_free(service->actor_name);
    g_free(service);
}

/* --- the API -------------------------------------------------------------------------------------------------------
 */

static json_t *view(const json_t *row)
{
    static const char *const same[] = {"id", "name", "role", NULL};
    json_t *token = json_object();
    view_copy(token, row, same);
    json_object_set_new(token, "created_at", view_time(row, "created_at"));
    json_object_set_new(token, "expires_at", view_time(row, "expires_at"));
    json_object_set_new(token, "revoked_at", view_time(row, "revoked_at"));
    return token;
}

static bool list_job(struct store_tx *tx, struct call *call, GError **error)
{
    g_autoptr(json_t) rows = NULL;
    if (!store_list(tx, SQL_TOKEN_LIST, &rows, error, ""))
        return false;
    json_t *items = json_array();
    size_t index;
    json_t *row;
    json_array_foreach (rows, index, row)
        json_array_append_new(items, view(row));
    call->result = call_page(items, NULL);
    return true;
}

void token_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, list_job, done, arg);
}

/* body {"name","role","expires": "90d"} */
static bool read_wish(const struct call *call, const char **ret_name, enum role *ret_role, int64_t *ret_lifetime_ms,
                      GError **error)
{
    const char *role = NULL, *expires = call_string(call->request, "expires");
    if (!(*ret_name = call_need_string(call->request, "name", error)) ||
        !(role = call_need_string(call->request, "role", error)))
        return false;
    if (!role_from_name(role, ret_role)) {
        errors_set(error, ERROR_INVALID, "'%s' is not a role: viewer, operator, approver, admin or runner", role);
        return false;
    }
    *ret_lifetime_ms = 0;
    if (!expires)
        return true;
    if (!clock_duration_parse(expires, ret_lifetime_ms, error))
        return false;
    if (*ret_lifetime_ms <= 0)
        errors_set(error, ERROR_INVALID, "'expires' is not a time to come");
    return *ret_lifetime_ms > 0;
}

static bool create_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *name;
    enum role role;
    int64_t lifetime_ms;
    if (!read_wish(call, &name, &role, &lifetime_ms, error))
        return false;
    struct token token;
    token_init(&token, name, role, lifetime_ms);
    bool ok = insert(tx, &token, error);
    if (ok) {
        g_autoptr(json_t) row = json_pack("{s:s, s:s, s:s, s:I}", "id", token.id, "name", name, "role", role_name(role),
                                          "created_at", (json_int_t)token.created_at);
        if (token.expires_at)
            json_object_set_new(row, "expires_at", json_integer(token.expires_at));
        call->result = view(row);
        json_set_string(call->result, "token", token.text);
    }
    token_clear(&token);
    return ok;
}

/* The table knows the token before its maker does, so that its first use works. */
static void create_after(struct call *call)
{
    struct token_service *service = call->jobs->tokens;
    const char *text = json_get_string(call->result, "token", "");
    struct entry *entry = g_new0(struct entry, 1);
    entry->name = g_strdup(json_get_string(call->result, "name", ""));
    role_from_name(json_get_string(call->result, "role", NULL), &entry->role);
    const char *expires_at = json_get_string(call->result, "expires_at", NULL);
    if (expires_at)
        clock_parse(expires_at, &entry->expires_at, NULL);
    g_hash_table_replace(service->entries, crypto_sha256_hex(text, strlen(text)), entry);
    service->stale = service->reading;
}

void token_create_request(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, create_job, create_after, done, arg);
}

static bool revoke_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *id = call_need_string(call->request, "id", error);
    int64_t changed = 0;
    if (!id || !store_exec(tx, SQL_TOKEN_REVOKE, &changed, error, "si", id, clock_now_ms()))
        return false;
    if (changed == 0) {
        errors_set(error, ERROR_NOT_FOUND, "there is no live token '%s'", id);
        return false;
    }
    return store_get(tx, SQL_TOKEN_HASH, &call->result, error, "s", id);
}

/* It stops working with the answer. */
static void revoke_after(struct call *call)
{
    struct token_service *service = call->jobs->tokens;
    g_hash_table_remove(service->entries, json_get_string(call->result, "hash", ""));
    g_clear_pointer(&call->result, json_decref);
    service->stale = service->reading;
}

void token_revoke(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, revoke_job, revoke_after, done, arg);
}

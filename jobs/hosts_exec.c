/* hosts_exec: see hosts_exec.h. A request becomes params; params and the inventory become a runbook of one step. */
#include "jobs/hosts_exec.h"
#include "core/errors.h"
#include "core/host_names.h"
#include "core/limits.h"
#include "jobs/inventory.h"
#include "jobs/run_private.h"
#include <string.h>

#define RUNBOOK_ID  "hosts exec"
#define STEP_ID     "exec"
#define TITLE_CHARS 100
#define ALL_OF_THEM 1000000 /* failures after which no more hosts start, when nobody says: as one who only looks */

bool hosts_exec_made(const json_t *row)
{
    return strcmp(json_get_string(row, "repository", "?"), "") == 0;
}

bool hosts_exec_enabled(const struct jobs *jobs, GError **error)
{
    if (jobs->config && config_bool(jobs->config, "hosts_exec.enabled"))
        return true;
    errors_set(error, ERROR_NOT_ALLOWED,
               "commands without a runbook are off on this server: its configuration can allow them with "
               "`hosts_exec: {enabled: true}`");
    return false;
}

bool hosts_exec_may(const struct jobs *jobs, const struct actor *actor, GError **error)
{
    if (actor->role == ROLE_ADMIN)
        return hosts_exec_enabled(jobs, error);
    errors_set(error, ERROR_FORBIDDEN, "commands without a runbook need the role admin");
    return false;
}

/* --- the request ---------------------------------------------------------------------------------------------------
 */

static bool read_argv(json_t *params, const json_t *value, GError **error)
{
    size_t index, bytes = 0;
    json_t *word;
    json_array_foreach (value, index, word) {
        if (!json_is_string(word) || strlen(json_string_value(word)) != json_string_length(word))
            break;
        bytes += json_string_length(word);
    }
    if (json_array_size(value) == 0 || index < json_array_size(value) || !json_string_length(json_array_get(value, 0)))
        errors_set(error, ERROR_INVALID, "'argv' must be a list of texts, the program first");
    else if (bytes > LIMIT_ARGV_BYTES)
        errors_set(error, ERROR_TOO_LARGE, "the words of 'argv' are over %d KiB together", LIMIT_ARGV_BYTES / 1024);
    else
        return json_object_set(params, "argv", (json_t *)value) == 0;
    return false;
}

static bool read_text(json_t *params, const char *key, const json_t *value, GError **error)
{
    if (json_string_length(value) > 0 && strlen(json_string_value(value)) == json_string_length(value))
        return json_object_set(params, key, (json_t *)value) == 0;
    errors_set(error, ERROR_INVALID, "'%s' must be a text", key);
    return false;
}

static bool read_sudo(json_t *params, const json_t *value, GError **error)
{
    if (json_is_false(value))
        return true;
    if (json_is_true(value))
        return json_object_set(params, "sudo", (json_t *)value) == 0;
    return read_text(params, "sudo", value, error);
}

static bool read_number(json_t *params, const char *key, const json_t *value, GError **error)
{
    static const struct {
        const char *key;
        json_int_t maximum;
    } numbers[] = {
        {"timeout_ms", DEFAULT_RUN_TIMEOUT_MS},
        {"at_once", 1000},
        {"canary", 1000000},
        {"stop_after", 1000000},
        {"max_percent", 100},
        {"max_hosts", 1000000},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (strcmp(numbers[i].key, key) != 0)
            continue;
        if (json_is_integer(value) && json_integer_value(value) >= 1 && json_integer_value(value) <= numbers[i].maximum)
            return json_object_set(params, key, (json_t *)value) == 0;
        errors_set(error, ERROR_INVALID, "'%s' must be a whole number from 1 to %" JSON_INTEGER_FORMAT, key,
                   numbers[i].maximum);
        return false;
    }
    errors_set(error, ERROR_INVALID, "a command on hosts has no '%s'", key);
    return false;
}

static bool read_key(json_t *params, const char *key, const json_t *value, GError **error)
{
    if (json_is_null(value))
        return true;
    if (strcmp(key, "argv") == 0)
        return read_argv(params, value, error);
    if (strcmp(key, "sudo") == 0)
        return read_sudo(params, value, error);
    if (strcmp(key, "hosts") == 0 || strcmp(key, "reason") == 0)
        return read_text(params, key, value, error);
    return read_number(params, key, value, error);
}

/* Everything that decides what runs: these are the run's params. New reference. */
static json_t *read_params(const json_t *body, GError **error)
{
    g_autoptr(json_t) params = json_object();
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)body, key, value)
        if (!read_key(params, key, value, error))
            return NULL;
    static const char *const needed[] = {"hosts", "argv"};
    for (size_t i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (json_object_get(params, needed[i]))
            continue;
        errors_set(error, ERROR_INVALID, "'%s' is missing", needed[i]);
        return NULL;
    }
    return g_steal_pointer(&params);
}

/* --- the hosts -----------------------------------------------------------------------------------------------------
 */

static char *fold(const json_t *names)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    size_t index;
    json_t *name;
    json_array_foreach (names, index, name)
        g_ptr_array_add(list, (char *)(uintptr_t)json_string_value(name));
    return host_names_fold(list);
}

/* All or none: a filter that reaches fewer hosts than it says would go unseen. */
static bool check_trust(const struct jobs *jobs, const json_t *hosts, GError **error)
{
    const struct job_rules rules = {.trust = jobs->config ? config_tree(jobs->config, "trust") : NULL};
    g_autoptr(json_t) refused = job_untrusted(&rules, RUNBOOK_OWNER_EXEC, hosts, error);
    if (!refused)
        return false;
    if (json_array_size(refused) == 0)
        return true;
    g_autofree char *names = fold(refused);
    errors_set(error, ERROR_NOT_ALLOWED, "the server's `trust.hosts.%s` leaves out %s", RUNBOOK_OWNER_EXEC, names);
    return false;
}

static json_t *select_hosts(const struct jobs *jobs, const json_t *inventory, const json_t *params, GError **error)
{
    const char *filter = json_get_string(params, "hosts", "");
    json_int_t most = json_get_integer(params, "max_hosts", DEFAULT_MAX_HOSTS);
    g_autoptr(json_t) hosts = inventory_select(inventory, filter, error);
    if (!hosts || !check_trust(jobs, hosts, error))
        return NULL;
    if ((json_int_t)json_array_size(hosts) > most) {
        errors_set(error, ERROR_NOT_ALLOWED,
                   "'%s' is %zu hosts, more than %" JSON_INTEGER_FORMAT ": say so with max_hosts (--max-hosts)", filter,
                   json_array_size(hosts), most);
        return NULL;
    }
    return g_steal_pointer(&hosts);
}

/* --- the runbook ---------------------------------------------------------------------------------------------------
 */

static char **texts(const json_t *list, const char *key)
{
    GStrvBuilder *builder = g_strv_builder_new();
    size_t index;
    json_t *item;
    json_array_foreach (list, index, item)
        g_strv_builder_add(builder, key ? json_get_string(item, key, "") : json_string_value(item));
    char **strings = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return strings;
}

/* The words as one would type them, for those who approve and for the title. Nothing runs from this. */
static char *words_text(char *const *words)
{
    GString *text = g_string_new(NULL);
    for (; *words; words++) {
        bool plain = **words && !(*words)[strcspn(*words, " \t\r\n'\"\\$`;&|<>()*?[]#~!{}")];
        g_autofree char *quoted = plain ? g_strdup(*words) : g_shell_quote(*words);
        g_string_append_printf(text, "%s%s", text->len ? " " : "", quoted);
    }
    return g_string_free(text, FALSE);
}

static char *title_of(const char *hosts, const char *words)
{
    g_autofree char *whole = g_strdup_printf("%s: %s", hosts, words);
    if (g_utf8_strlen(whole, -1) <= TITLE_CHARS)
        return g_steal_pointer(&whole);
    g_autofree char *cut = g_utf8_substring(whole, 0, TITLE_CHARS - 1);
    return g_strconcat(cut, "…", NULL);
}

static struct step *make_step(const struct jobs *jobs, const json_t *params, const json_t *hosts)
{
    struct step *step = g_new0(struct step, 1);
    const json_t *sudo = json_object_get(params, "sudo");
    step->id = g_strdup(STEP_ID);
    step->language = STEP_ARGV;
    step->argv = texts(json_object_get(params, "argv"), NULL);
    step->host_names = texts(hosts, "name");
    step->text = words_text(step->argv);
    step->title = title_of(json_get_string(params, "hosts", ""), step->text);
    step->timeout_ms = DEFAULT_RUN_TIMEOUT_MS;
    step->command_timeout_ms = json_get_integer(params, "timeout_ms", 0);
    step->attempts = 1;
    step->at_once = json_get_integer(params, "at_once", DEFAULT_AT_ONCE_EXEC);
    step->canary = json_get_integer(params, "canary", 0);
    step->max_percent = json_get_integer(params, "max_percent", 0);
    step->stop_after = json_get_integer(params, "stop_after", ALL_OF_THEM);
    step->sudo = json_is_true(sudo) ? g_strdup("true") : g_strdup(json_string_value(sudo));
    step->approve = g_strdup(config_string(jobs->config, "hosts_exec.approve"));
    return step;
}

struct runbook *hosts_exec_runbook(const struct jobs *jobs, const json_t *inventory, const json_t *params,
                                   GError **error)
{
    g_autoptr(json_t) hosts = select_hosts(jobs, inventory, params, error);
    if (!hosts)
        return NULL;
    struct runbook *runbook = runbook_new("");
    struct step *step = make_step(jobs, params, hosts);
    g_ptr_array_add(runbook->steps, step);
    runbook->repository = g_strdup("");
    runbook->id = g_strdup(RUNBOOK_ID);
    runbook->owner = g_strdup(RUNBOOK_OWNER_EXEC);
    runbook->title = g_strdup(step->title);
    runbook->limits.max_hosts = json_get_integer(params, "max_hosts", DEFAULT_MAX_HOSTS);
    return runbook;
}

static bool exec_job(struct store_tx *tx, struct call *call, GError **error)
{
    if (!hosts_exec_may(call->jobs, &call->actor, error))
        return false;
    g_autoptr(json_t) params = read_params(json_object_get(call->request, "body"), error);
    g_autoptr(runbook_t) runbook =
        params ? hosts_exec_runbook(call->jobs, call->set ? call->set->inventory : NULL, params, error) : NULL;
    struct run_start start = {.trigger_kind = "manual", .params = params};
    return runbook && run_start_and_view(tx, call, runbook, &start, error);
}

void hosts_exec_request(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, exec_job, run_start_after, done, arg);
}

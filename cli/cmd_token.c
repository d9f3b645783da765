/* hikeshi token: API tokens. `create --data DIR` works on the database itself, for the server's own machine; the rest
 * asks the API. */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "jobs/store/store.h"
#include "jobs/token.h"
#include <stdio.h>
#include <string.h>

static int list(struct cli_call *call)
{
    static const char *const headers[] = {"ID", "NAME", "ROLE", "CREATED", "EXPIRES", "REVOKED", NULL};
    static const char *const paths[] = {"id", "name", "role", "created_at", "expires_at", "revoked_at", NULL};
    return client_print_list(call, "/tokens", NULL, headers, paths, "no tokens");
}

/* Without --name a token is called after its role. */
static const char *name_of(const struct cli_call *call)
{
    return cli_given(call, "name") ? cli_value(call, "name") : cli_value(call, "role");
}

static void print_created(const struct cli_call *call, const char *token)
{
    if (cli_wants_json(call)) {
        g_autoptr(json_t) answer =
            json_pack("{s:s, s:s, s:s}", "name", name_of(call), "role", cli_value(call, "role"), "token", token);
        print_json(answer);
    } else {
        printf("%s\n", token);
    }
}

/* Straight into the database, which also works beside a running server. */
static int create_local(struct cli_call *call, enum role role, int64_t lifetime_ms)
{
    g_autoptr(GError) error = NULL;
    const char *data = cli_value(call, "data");
    g_autofree char *path = g_build_filename(data, "hikeshi.db", NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) /* a mistyped folder would be made, and its token be good for nothing */
        errors_set(&error, ERROR_NOT_FOUND, "'%s' is not a server's data folder: it holds no hikeshi.db", data);
    struct store *store = error ? NULL : store_open(NULL, data, &error);
    char *token = store ? token_create(store, name_of(call), role, lifetime_ms, &error) : NULL;
    if (token) {
        print_created(call, token);
        crypto_wipe(token, strlen(token));
        g_free(token);
    }
    if (store)
        store_close(store);
    return error ? cli_fail(call, &error) : 0;
}

static int create_remote(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(client_t) client = client_new(call, &error);
    g_autoptr(json_t) body = json_pack("{s:s, s:s}", "name", name_of(call), "role", cli_value(call, "role"));
    if (cli_given(call, "expires"))
        json_set_string(body, "expires", cli_value(call, "expires"));
    g_autoptr(json_t) answer = client ? client_post(client, "/tokens", body, &error) : NULL;
    if (!answer)
        return cli_fail(call, &error);
    if (cli_wants_json(call))
        print_json(answer);
    else
        printf("%s\n", json_get_string(answer, "token", ""));
    return 0;
}

static int create(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    enum role role;
    int64_t lifetime_ms = 0;
    if (!cli_given(call, "role"))
        return client_usage(call, "a token needs --role");
    if (!role_from_name(cli_value(call, "role"), &role))
        return client_usage(call, "--role is one of viewer, operator, approver, admin");
    if (cli_given(call, "expires") &&
        (!clock_duration_parse(cli_value(call, "expires"), &lifetime_ms, &error) || lifetime_ms <= 0)) {
        g_clear_error(&error);
        return client_usage(call, "--expires is a duration such as 90d");
    }
    return cli_given(call, "data") ? create_local(call, role, lifetime_ms) : create_remote(call);
}

static int revoke_token(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(client_t) client = client_new(call, &error);
    g_autofree char *path = client_path("/tokens/", cli_argument(call, 0), "");
    g_autoptr(json_t) answer = client ? client_delete(client, path, &error) : NULL;
    if (!answer)
        return cli_fail(call, &error);
    if (cli_wants_json(call))
        print_json(answer);
    else
        printf("%s revoked\n", cli_argument(call, 0));
    return 0;
}

static const struct cli_option create_options[] = {
    {.name = "name",
     .value = "NAME",
     .help = "who or what it is for; decisions and timelines show it (default: the role)"},
    {.name = "role",
     .value = "viewer|operator|approver|admin",
     .help = "what it may do; each includes the ones before it"},
    {.name = "expires", .value = "DURATION", .help = "how long it lives (default: until revoked)"},
    {.name = "data", .value = "DIR", .help = "the server's data folder: needs no token, works without a server"},
    CLI_OPTION_END,
};

static const struct cli_subcommand subcommands[] = {
    {"list", "", "tokens, without their text", NULL, list},
    {"create", "", "make a token and print it, once", create_options, create},
    {"revoke", "TOKEN", "end a token's life", NULL, revoke_token},
    {NULL, NULL, NULL, NULL, NULL},
};

static const struct cli_option options[] = {CLI_OPTION_JSON, CLI_OPTION_CLIENT, CLI_OPTION_END};

const struct cli_command cmd_token = {
    .name = "token",
    .summary = "create, list and revoke API tokens",
    .options = options,
    .subcommands = subcommands,
};

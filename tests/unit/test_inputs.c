/* approval_inputs: what an approver may fill in, each refusal by the input's name. */
#include "jobs/approval_inputs.h"
#include "support.h"

static json_t *parse(const char *text)
{
    json_t *value = json_parse(text, strlen(text), "test", NULL);
    assert_non_null(value);
    return value;
}

static void test_bind(void **state)
{
    (void)state;
    static const char host[] = "[{\"name\":\"h\",\"type\":\"host\",\"required\":true}]";
    static const char choice[] =
        "[{\"name\":\"c\",\"type\":\"choice\",\"required\":true,\"choices\":[\"db-2\",\"db-3\"]}]";
    static const char number[] = "[{\"name\":\"n\",\"type\":\"integer\",\"required\":false,\"default\":7,"
                                 "\"minimum\":1.0,\"maximum\":30.0}]";
    static const char text[] = "[{\"name\":\"t\",\"type\":\"string\",\"required\":false,\"default\":null,"
                               "\"min_length\":2,\"max_length\":4,\"pattern\":\"[a-z]+\"}]";
    static const struct {
        const char *asks, *given, *wanted, *why;
    } rows[] = {
        {"[]", "{}", "{}", "nothing is asked"},
        {"[]", "{\"x\":1}", "input 'x' is not asked for", "what nobody asked for"},
        {choice, "{\"c\":\"db-3\"}", "{\"c\":\"db-3\"}", "one of the choices"},
        {choice, "{}", "input 'c' is missing", "required"},
        {choice, "{\"c\":null}", "input 'c' is missing", "null is nothing"},
        {choice, "{\"c\":\"db-1\"}", "input 'c' must be one of [\"db-2\",\"db-3\"], not \"db-1\"", "another value"},
        {choice, "{\"d\":\"db-3\"}", "input 'd' is not asked for", "another name"},
        {number, "{}", "{\"n\":7}", "the default"},
        {number, "{\"n\":\"12\"}", "{\"n\":12}", "text from a command line"},
        {number, "{\"n\":31}", "input 'n' must be at most 30", "constraints hold"},
        {number, "{\"n\":\"x\"}", "input 'n' must be a whole number, not \"x\"", "types hold"},
        {text, "{}", "{\"t\":null}", "not required: null"},
        {text, "{\"t\":\"abcde\"}", "input 't' must have at most 4 characters", "length"},
        {text, "{\"t\":\"A1\"}", "input 't' must match [a-z]+", "pattern"},
        {host, "{\"h\":\"https://db-one:9100\"}", "{\"h\":\"db-1\"}", "by alias, less scheme and port"},
        {host, "{\"h\":\"db-9\"}", "input 'h': the inventory has no host 'db-9'", "no such host"},
    };
    g_autoptr(json_t) inventory = parse("[{\"name\":\"db-1\",\"address\":\"192.0.2.1\",\"aliases\":[\"db-one\"]}]");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) asks = parse(rows[i].asks), given = parse(rows[i].given);
        g_autoptr(json_t) bound = approval_inputs_bind(asks, given, inventory, &error);
        g_autofree char *got = bound ? json_text(bound) : g_strdup(error->message);
        if (strcmp(got, rows[i].wanted) != 0)
            row_failed(rows[i].why, "got: %s", got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

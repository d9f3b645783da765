/* fence: which blocks are steps, and their attributes, from hostile info lines and comment lines. */
#include "tests/unit/support.h"

#include "jobs/runbook.h"
#include <string.h>

/* What one file with one block says: "id" when it is a step, "document", or the first error's message. */
static char *outcome(const char *text, struct runbook **ret_runbook)
{
    g_autoptr(finding_list) findings = finding_list_new();
    struct runbook *runbook = runbook_parse("x.md", text, strlen(text), findings);
    char *result;
    if (!runbook) {
        const struct finding *first = finding_at(findings, 0);
        for (size_t i = 0; first->level != FINDING_ERROR; i++)
            first = finding_at(findings, i);
        result = g_strdup_printf("%d:%d: %s", first->line, first->column, first->message);
    } else if (runbook->document) {
        result = g_strdup("document");
    } else {
        result = g_strdup(((struct step *)runbook->steps->pdata[0])->id);
    }
    if (ret_runbook)
        *ret_runbook = runbook;
    else
        runbook_free(runbook);
    return result;
}

static void test_what_is_a_step(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *wanted;
    } rows[] = {
        {"plain", "```lua {step=a}\nx()\n```\n", "a"},
        {"no space before the braces", "```lua{step=a}\n```\n", "a"},
        {"tildes", "~~~lua {step=a}\n~~~\n", "a"},
        {"a tab before the braces", "```lua\t{step=a}\n```\n", "a"},
        {"indented by three", "   ```lua {step=a}\n   x()\n   ```\n", "a"},
        {"in a list", "1. first\n\n   ```lua {step=a}\n   x()\n   ```\n", "a"},
        {"in a quote", "> ```lua {step=a}\n> x()\n> ```\n", "a"},
        {"Windows lines", "```lua {step=a}\r\nx()\r\n```\r\n", "a"},
        {"a byte order mark", "\xef\xbb\xbf```lua {step=a}\n```\n", "a"},
        {"quoted value", "```lua {step=\"a\" timeout=\"30s\"}\n```\n", "a"},
        {"no step=", "```lua\nx()\n```\n", "document"},
        {"other braces", "```sh {linenos=table}\n```\n", "document"},
        {"steps= is another word", "```sh {steps=3}\n```\n", "document"},
        {"step without braces", "```lua step=a\n```\n", "document"},
        {"indented code is no fence", "    ```lua {step=a}\n    ```\n", "document"},
        {"nested in a longer fence", "````markdown\n```lua {step=a}\n```\n````\n", "document"},
        {"inside a comment", "<!--\n```lua {step=a}\n```\n-->\n", "document"},
        {"another language", "```python {step=a}\n```\n", "1:4: a step is written in lua, sh or bash, not 'python'"},
        {"no language", "``` {step=a}\n```\n", "1:5: a step is written in lua, sh or bash, not ''"},
        {"unclosed block", "```lua {step=a}\nx()\n",
         "1:4: the block is not closed: everything below would be part of this step"},
        {"closed by too short a fence", "````lua {step=a}\nx()\n```\n",
         "1:5: the block is not closed: everything below would be part of this step"},
        {"unclosed braces", "```lua {step=a\n```\n", "1:15: the braces are not closed"},
        {"words behind", "```lua {step=a} extra\n```\n", "1:17: nothing may follow the braces"},
        {"words before", "```lua extra {step=a}\n```\n", "1:8: expected '{' directly after the language"},
        {"spaces around =", "```lua {step = a}\n```\n", "1:13: expected '=' directly after the attribute's name"},
        {"bare word", "```lua {step=a verify}\n```\n", "1:22: expected '=' directly after the attribute's name"},
        {"empty value", "```lua {step=}\n```\n", "1:14: expected a value after '='"},
        {"unclosed quote", "```lua {step=a when=\"x}\n```\n", "1:21: the quoted value is not closed"},
        {"text after a quote", "```lua {step=\"a\"b}\n```\n", "1:17: expected a space or '}' after the quoted value"},
        {"single quotes", "```lua {step='a'}\n```\n", "1:14: this character needs quotes"},
        {"backslash", "```lua {step=a hosts=\"a\\\"b\"}\n```\n",
         "1:24: '\\' cannot stand in braces: markdown gives it a meaning of its own"},
        {"entity", "```lua {step=a hosts=\"x&amp;y\"}\n```\n",
         "1:24: '&' cannot stand in braces: markdown gives it a meaning of its own"},
        {"backtick", "~~~lua {step=a when=`x`}\n~~~\n",
         "1:21: '`' cannot stand in braces: markdown gives it a meaning of its own"},
        {"twice in braces", "```lua {step=a step=b}\n```\n", "1:16: the attribute 'step' is given twice"},
        {"in braces and in a line", "```lua {step=a timeout=1s}\n--| timeout: 2s\n```\n",
         "2:5: the attribute 'timeout' is given twice: it stands in the braces"},
        {"twice in lines", "```lua {step=a}\n--| timeout: 1s\n--| timeout: 2s\n```\n", NULL},
        {"unknown attribute", "```lua {step=a}\n--| timout: 1s\n```\n", "2:5: unknown key 'timout' in step 'a'"},
        {"a line that does not lead", "```lua {step=a}\nx()\n--| approve: dba\n```\n",
         "3:1: attribute lines stand at the top of the block, before anything else"},
        {"a blank line before", "```lua {step=a}\n\n--| approve: dba\n```\n",
         "3:1: attribute lines stand at the top of the block, before anything else"},
        {"nearly an attribute line", "```lua {step=a}\n-- | approve: dba\n```\n",
         "2:1: attribute lines of a lua block begin with '--|'"},
        {"nearly one in shell", "```sh {step=a hosts=x=y}\n# | approve: dba\n```\n",
         "2:1: attribute lines of a sh block begin with '#|'"},
        {"a comment with a pipe is a comment", "```sh {step=a hosts=x=y}\n# a | b\nls\n```\n", "a"},
        {"not a map", "```lua {step=a}\n--| effect\n```\n", "2:5: expected '--| key: value'"},
        {"attribute lines in no step", "# h\n```lua\n--| effect: read\n```\n", "document"},
        {"the same in a runbook", "---\nhikeshi: 1\n---\n```lua\n--| effect: read\n```\n",
         "4:4: this block has attribute lines but is no step"},
        {"bad id", "```lua {step=A}\n```\n",
         "1:14: the step's id 'A' must be of small letters, digits, _ and -, a letter first"},
        {"same id twice", "```lua {step=a}\n```\n```lua {step=a}\n```\n", "3:14: there is a step 'a' already"},
        {"attempts of a write step", "```lua {step=a attempts=2}\n```\n",
         "1:25: 'attempts' needs a step that may safely run twice"},
        {"attempts of a check", "```lua {step=a verify=true attempts=2}\n```\n", "a"},
        {"attempts of a check that says it cannot repeat",
         "```lua {step=a verify=true idempotent=false attempts=2}\n```\n",
         "1:54: 'attempts' needs a step that may safely run twice"},
        {"attempts of a check that changes things", "```lua {step=a verify=true effect=write attempts=2}\n```\n",
         "1:50: 'attempts' needs a step that may safely run twice"},
        {"shell without hosts", "```sh {step=a}\nls\n```\n", "1:4: a shell step needs 'hosts': where it runs"},
        {"waves in a line", "```sh {step=a hosts=x=y}\n#| waves: [1, 5, 25%]\nls\n```\n", "a"},
        {"waves between quotes", "```sh {step=a hosts=x=y waves=\"1, 5, 25%\"}\nls\n```\n", "a"},
        {"a wave that is none", "```sh {step=a hosts=x=y}\n#| waves: [1, 200%]\nls\n```\n",
         "2:11: 'waves' must be a list of numbers of hosts, or of percents: [1, 5, 25%]"},
        {"canary and waves", "```sh {step=a hosts=x=y canary=1 waves=5}\nls\n```\n",
         "1:32: give 'canary' or 'waves', not both: a canary is a first wave in which nothing may fail"},
        {"waves in Lua", "```lua {step=a waves=5}\n```\n",
         "1:22: 'waves' is for shell steps; in Lua it is an option of the call"},
        {"sudo in Lua", "```lua {step=a sudo=true}\n```\n",
         "1:21: 'sudo' is for shell steps; in Lua it is an option of the call"},
        {"handler below only", "```lua {step=h handler=true}\n```\n```lua {step=a on_error=h}\n```\n",
         "3:25: the step 'h' must stand below the step that names it"},
        {"handler not marked", "```lua {step=a on_error=h}\n```\n```lua {step=h}\n```\n",
         "1:25: the step 'h' must be marked 'handler: true'"},
        {"handler that is not there", "```lua {step=a on_error=h}\n```\n", "1:25: there is no step 'h'"},
        {"unknown param in a filter", "```lua {step=a}\n--| hosts: $params.x\n```\n", "2:12: there is no param 'x'"},
        {"broken filter", "```lua {step=a hosts=\"role=\"}\n```\n",
         "1:23: host filter: column 6: expected a value after '='"},
        {"path without a root", "```lua {step=a}\n--| approve: x\n--| shows: used\n```\n",
         "3:12: 'used' must be a path that begins with data.…, params.…, incident.…, alert.…, steps.…"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = outcome(rows[i].text, NULL);
        if (rows[i].wanted ? strcmp(got, rows[i].wanted) != 0 : !g_str_has_prefix(got, "3:"))
            row_failed(rows[i].why, "got '%s'", got);
    }
}

static void test_attributes(void **state)
{
    (void)state;
    struct runbook *runbook;
    g_autofree char *id = outcome("## First *heading* `x`\n\n"
                                  "- item\n\n"
                                  "  ```lua {step=a timeout=90 verify=true}\n"
                                  "  --| when: data.used > 80\n"
                                  "  --|\tattempts: 3\n"
                                  "  --| idempotent: true\n"
                                  "  --| retry_delay: 1m30s\n"
                                  "  --| wait: 2h\n"
                                  "  --| cancel: after\n"
                                  "  if x then\n"
                                  "    y()\n"
                                  "  end\n"
                                  "  ```\n",
                                  &runbook);
    assert_string_equal(id, "a");
    const struct step *step = runbook_step(runbook, "a");
    assert_string_equal(step->title, "First heading x");
    assert_int_equal(step->timeout_ms, 90000);
    assert_string_equal(step->when, "data.used > 80");
    assert_int_equal(step->attempts, 3);
    assert_int_equal(step->retry_delay_ms, 90000);
    assert_int_equal(step->wait_ms, 7200000);
    assert_true(step->verify && step->idempotent && step->cancel_after && !step->effect_read);
    assert_int_equal(step->line, 6);
    assert_non_null(strstr(step->text, "\nif x then\n  y()\nend\n"));
    runbook_free(runbook);
}

static void test_shell_gets_unix_lines(void **state)
{
    (void)state;
    struct runbook *runbook;
    g_autofree char *id = outcome("```sh {step=a hosts=role=db}\r\n#| sudo: true\r\nls\r\n```\r\n", &runbook);
    assert_string_equal(runbook_step(runbook, id)->text, "#| sudo: true\nls\n");
    assert_string_equal(runbook_step(runbook, id)->sudo, "true");
    runbook_free(runbook);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_a_step),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_shell_gets_unix_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

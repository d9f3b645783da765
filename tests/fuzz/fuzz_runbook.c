/* fuzz_runbook: any bytes are a runbook, a document, or findings with places inside the file; what parses is stable. */
#include "core/lua_lex.h"
#include "jobs/lua_scan.h"
#include "jobs/runbook.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *arg, enum lua_mention mention, const char *name, int line)
{
    (void)arg, (void)mention, (void)line;
    g_assert(name);
}

static void check_runbook(const struct runbook *runbook)
{
    g_assert(runbook->id && runbook->title && runbook->document == (runbook->steps->len == 0));
    g_autoptr(json_t) wire = runbook_to_wire(runbook);
    g_autoptr(json_t) shown = runbook_to_json(runbook);
    g_assert(wire && shown);
    for (guint i = 0; i < runbook->steps->len; i++) {
        const struct step *step = runbook->steps->pdata[i];
        g_assert(runbook_step(runbook, step->id) == step && step->line > 1);
        g_autoptr(GArray) tokens = lua_lex(step->text, step->line);
        lua_scan(tokens, ignore, NULL);
    }
    g_autoptr(json_t) given = json_object();
    g_autoptr(json_t) params = runbook_bind_params(runbook, given, NULL, NULL, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(runbook_t) runbook = runbook_parse("runbooks/x.md", (const char *)data, size, findings);
    g_assert(!runbook == (finding_count_level(findings, FINDING_ERROR) > 0));
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || data[i] == '\r';
    for (size_t i = 0; i < finding_count(findings); i++) {
        const struct finding *finding = finding_at(findings, i);
        g_assert(finding->line >= 0 && (size_t)finding->line <= lines + 1 &&
                 g_utf8_validate(finding->message, -1, NULL));
    }
    if (runbook)
        check_runbook(runbook);
    return 0;
}

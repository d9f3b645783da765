/* fuzz_document: any bytes as a document or runbook: what coverage keeps of it, the same twice; links and anchors
 * inside of it. */
#include "jobs/coverage/document.h"
#include "jobs/markdown.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *problem = NULL, *again_problem = NULL;
    struct document *document = document_read("runbooks/a.md", (const char *)data, size, true, &problem),
                    *again = document_read("runbooks/a.md", (const char *)data, size, true, &again_problem);
    int lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || data[i] == '\r';
    g_assert(g_strcmp0(problem, again_problem) == 0 && strcmp(document->digest, again->digest) == 0);
    g_assert(document->links->len == again->links->len &&
             g_hash_table_size(document->anchors) == g_hash_table_size(again->anchors));
    g_assert(!problem || g_utf8_validate(problem, -1, NULL));
    for (guint i = 0; i < document->links->len; i++) {
        const struct markdown_link *link = document->links->pdata[i];
        g_assert(*link->url && link->line >= 1 && link->line <= lines);
    }
    document_free(document);
    document_free(again);
    return 0;
}

/* approval_digest: what a decision is about, as one line. Any difference in what would happen changes it. Pure. */
#include "core/crypto.h"
#include "jobs/approval_private.h"
#include <string.h>

char *approval_digest(const json_t *facts)
{
    g_autofree char *text = json_text(facts);
    g_autofree char *hash = crypto_sha256_hex(text, strlen(text));
    return g_strconcat("v1:sha256:", hash, NULL);
}

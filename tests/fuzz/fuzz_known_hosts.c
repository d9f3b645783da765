/* fuzz_known_hosts: any bytes as a known_hosts file, asked for hosts and keys that its lines may name. */
#include "core/crypto.h"
#include "core/known_hosts.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key that stands in the corpus. */
static const char key_text[] = "AAAAC3NzaC1lZDI1NTE5AAAAIKAwFkhXp80ByAd1cE0jbGJRx09IFeh8tCjqDyGYV8Sk";

static void ask(const struct known_hosts *hosts, const char *host, uint16_t port, const uint8_t *key, size_t length)
{
    int line = 0;
    g_autofree char *fingerprint = NULL;
    enum known_hosts_verdict verdict = known_hosts_check(hosts, host, port, key, length, &line, &fingerprint);
    bool named = verdict == KNOWN_HOSTS_CHANGED || verdict == KNOWN_HOSTS_REVOKED;
    g_assert((line > 0) == named && (fingerprint != NULL) == named);
    g_auto(GStrv) types = known_hosts_key_types(hosts, host, port);
    g_assert(types != NULL && (*types != NULL || verdict == KNOWN_HOSTS_UNKNOWN || verdict == KNOWN_HOSTS_REVOKED));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gsize length;
    g_autofree uint8_t *key = g_base64_decode(key_text, &length);
    struct known_hosts *hosts = known_hosts_parse((const char *)data, size, "f");
    g_assert(known_hosts_bad_lines(hosts) <= size);
    ask(hosts, "db-1", 22, key, length);
    ask(hosts, "db-1.example.com", 2222, key, length);
    ask(hosts, "[2001:db8::1]", 22, data, size);
    known_hosts_free(hosts);
    return 0;
}

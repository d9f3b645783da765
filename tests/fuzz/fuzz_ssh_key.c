/* fuzz_ssh_key: any bytes as a private key file, as they are and as the inside of OpenSSH's armour. What is taken for a
 * key must sign, or say that it cannot. */
#include "runner/ssh/key.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_key(const char *text, size_t length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ssh_key) key = ssh_key_parse(text, length, NULL, "f", &error);
    g_assert((key == NULL) == (error != NULL));
    if (key == NULL)
        return;
    size_t public_length, signature_length = 0;
    g_assert(ssh_key_public(key, &public_length) != NULL && public_length > strlen(ssh_key_type(key)));
    g_autofree uint8_t *signature = ssh_key_sign(key, ssh_key_type(key), (const uint8_t *)"x", 1, &signature_length);
    g_assert((signature == NULL) == (signature_length == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_key((const char *)data, size);
    g_autofree char *inside = g_base64_encode(data, size);
    g_autofree char *text =
        g_strdup_printf("-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n-----END OPENSSH PRIVATE KEY-----\n", inside);
    try_key(text, strlen(text));
    return 0;
}

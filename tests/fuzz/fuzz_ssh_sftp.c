/* fuzz_ssh_sftp: any bytes as the packets of an SFTP server: each is understood or refused, and nothing outside of it
 * is looked at. */
#include "runner/ssh/sftp.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *copy = g_memdup2(data, size); /* so that a read behind the end is seen */
    struct ssh_sftp_answer answer;
    if (!ssh_sftp_parse(ssh_reader_over(copy, size), &answer))
        return 0;
    const uint8_t *bytes = answer.bytes.bytes;
    g_assert(answer.bytes.length == 0 || (bytes >= copy && bytes + answer.bytes.length <= copy + size));
    g_autofree char *problem = ssh_sftp_problem(&answer);
    g_assert(g_utf8_validate(problem, -1, NULL));
    return 0;
}

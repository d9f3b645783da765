/* known_hosts: our own reader of OpenSSH known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"), shared by SSH to hosts
 * and by Git over SSH. libssh2's and libgit2's readers accept @revoked keys and stop at a bad line; this one does not.
 *
 * Understands hashed names (|1|salt|hash), [host]:port, wildcards and negation, several names a line, @revoked, CRLF, bad
 * lines (skipped, counted). @cert-authority lines never match. A name is looked up as "host" for port 22, "[host]:port" else. */
#ifndef CORE_KNOWN_HOSTS_H
#define CORE_KNOWN_HOSTS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct known_hosts;

enum known_hosts_verdict { KNOWN_HOSTS_MATCH, KNOWN_HOSTS_UNKNOWN, KNOWN_HOSTS_CHANGED, KNOWN_HOSTS_REVOKED };

/* Reads a file; a missing one is empty. ERROR_IO when it cannot be read. */
struct known_hosts *known_hosts_load(const char *path, GError **error);
struct known_hosts *known_hosts_parse(const char *text, size_t length, const char *path);
void known_hosts_free(struct known_hosts *hosts);
size_t known_hosts_bad_lines(const struct known_hosts *hosts); /* lines that were skipped, comments not counted */

/* Checks a key blob (SSH wire format) for a host. REVOKED wins over MATCH. CHANGED: the host is known, but not by this key (a key
 * of another type counts too: the handshake should have asked for what is known). On CHANGED, *ret_line is the line and *ret_fingerprint the fingerprint of
 * the key that stands there (g_free); on REVOKED, the line of the revocation. Both may be NULL. */
enum known_hosts_verdict known_hosts_check(const struct known_hosts *hosts, const char *host, uint16_t port, const uint8_t *key,
                                           size_t key_length, int *ret_line, char **ret_fingerprint);
/* The key types ("ssh-ed25519", …) on file for a host, for the handshake's preference: NULL-terminated, g_strfreev. */
char **known_hosts_key_types(const struct known_hosts *hosts, const char *host, uint16_t port);
/* Appends a line for host:port to the file, fsynced, created 0600 with its folder. */
bool known_hosts_add(const char *path, const char *host, uint16_t port, const uint8_t *key, size_t key_length, GError **error);

/* As above, but what the file says of host:port so far goes (also keys of other types; @revoked lines stay). The file is replaced in
 * one step. ERROR_CONFLICT when a wildcard line means the host: it may mean others too. */
bool known_hosts_replace(const char *path, const char *host, uint16_t port, const uint8_t *key, size_t key_length, GError **error);

/* "SHA256:base64 without padding" as ssh-keygen -l prints. g_free. */
char *known_hosts_fingerprint(const uint8_t *key, size_t key_length);

typedef struct known_hosts known_hosts;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(known_hosts, known_hosts_free)

#endif

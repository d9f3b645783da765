/* inventory: hikeshi/inventory.yaml: hosts, labels, jump hosts. */
#ifndef JOBS_INVENTORY_H
#define JOBS_INVENTORY_H

#include "core/finding.h"
#include "core/json.h"

/* Parses to the wire's array of hosts, sorted by name:
 * [{"name","address","port","user","aliases":[],"labels":{},"jump":name|null,"host_key":"SHA256:…"|null,"identity":ref|null,
 * "password":name|null,"sudo_password":name|null}]
 * Findings for unknown keys, duplicate names and aliases, unknown jump hosts, jump loops, bad ports and fingerprints.
 * NULL when there is an error finding. An empty text is an empty inventory. */
json_t *inventory_parse(const char *path, const char *text, size_t length, struct finding_list *findings);

/* The bare host of "https://web-1:9100/x", "[2001:db8::1]:22", "web-1." g_free. */
char *inventory_host_text(const char *text);
/* The host with this name, alias or address, after inventory_host_text(), ignoring case; names and aliases come first,
 * an address that two hosts share finds neither. Borrowed. */
const json_t *inventory_find(const json_t *inventory, const char *text);
/* The hosts whose labels match the filter (NULL = all). New array of borrowed hosts (new references). */
json_t *inventory_filter(const json_t *inventory, const char *filter, const json_t *params, GError **error);
/* The hosts that a person means by "*" (or NULL), by names separated by commas, or by a filter; never none. New array.
 * ERROR_PARSE, ERROR_NOT_IN_INVENTORY. */
json_t *inventory_select(const json_t *inventory, const char *text, GError **error);

#endif

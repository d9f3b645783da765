/* labels: what an incident's labels say about its severity, service and team, by the server's configuration. Pure. */
#ifndef JOBS_LABELS_H
#define JOBS_LABELS_H

#include "core/config.h"
#include "core/json.h"

struct label_rules;

/* From `severities: {from: [paths], map: {SEV1: [words]}}` and `labels: {service: [names], team: [names]}`.
 * ERROR_CONFIG. */
struct label_rules *label_rules_new(const struct config *config, GError **error);
void label_rules_free(struct label_rules *rules);

/* "SEV1".."SEV4", or NULL when nothing says it: what the incident's labels say, else the worst of its alerts that fire
 * (they differ), else `given`, the sender's own word, which comes first when a person set it (`explicit`). */
const char *label_rules_severity(const struct label_rules *rules, const json_t *labels, const json_t *alerts,
                                 const char *given, bool is_explicit);
/* What a sender's word means unless the configuration says otherwise: "critical" → "SEV1"; NULL: nothing. */
const char *label_severity_of(const char *word);
/* The first of the configured labels that is there; NULL when none. Borrowed from `labels`. */
const char *label_rules_service(const struct label_rules *rules, const json_t *labels);
const char *label_rules_team(const struct label_rules *rules, const json_t *labels);

#endif

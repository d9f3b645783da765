/* policy: hikeshi/teams.yaml: teams and approval policies. */
#ifndef JOBS_POLICY_H
#define JOBS_POLICY_H

#include "core/finding.h"
#include "core/json.h"

/* Parses to {"teams":{NAME:{"members":[…],…}},"policies":{NAME:{"need":[{"count","from":[{"user"|"role"|"team":…}]}],
 * "expires_ms","self_approval":bool}}}. NULL when there is an error finding. Empty text: no teams, no policies. */
json_t *policy_parse(const char *path, const char *text, size_t length, struct finding_list *findings);

/* May this person decide for this need entry? `from` kinds: user, role (that one or a higher one), team. `teams` is the "teams" member. */
bool policy_may_decide(const json_t *teams, const json_t *need_entry, const char *user, const char *role_name);

#endif

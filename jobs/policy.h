/* policy: hikeshi/teams.yaml: teams and approval policies. */
#ifndef JOBS_POLICY_H
#define JOBS_POLICY_H

#include "core/finding.h"
#include "core/json.h"
#include "jobs/field.h"

/* Parses to {"teams":{NAME:{"members":[…],"hours":{"timezone","window"}}},"policies":{NAME:{"need":[{"count","from":[{"user"|"role"|"team":…}]}],
 * "expires_ms","self_approval":bool}}}. NULL when there is an error finding. Empty text: no teams, no policies. */
json_t *policy_parse(const char *path, const char *text, size_t length, struct finding_list *findings);

/* May this person decide for this need entry? `from` kinds: user, role (that one or a higher one), team. `teams` is the "teams" member. */
bool policy_may_decide(const json_t *teams, const json_t *need_entry, const char *user, const char *role_name);

/* A list of {user|role|team: NAME}, as `from` has them; findings name `key`. New reference, empty after errors. */
json_t *policy_read_principals(const struct field_reader *reader, const struct yaml_node *list, const char *key);

/* Whether a moment is within a team's hours. False when no such team, or no hours of it, are known. */
bool policy_team_hours(const json_t *teams, const char *team, int64_t at_ms, bool *ret_in);

#endif

/* incident_update: a source's update becomes rows: incident, alerts, timeline. Knows no senders and no runbooks. */
#ifndef JOBS_INCIDENT_UPDATE_H
#define JOBS_INCIDENT_UPDATE_H

#include "jobs/labels.h"
#include "jobs/store/store.h"

/* Inside a store job: applies one update (source.h). *ret_change says what is new, for matching:
 * {"incident":id,"opened":bool,"details":bool,"resolved":bool,"starts":"always|changes|never","alerts":[ids that began
 * to fire],"note"} Applying the same update again changes nothing; `before` (maybe NULL) is what an earlier try of the
 * same delivery changed, and is part of the answer. No "incident": there is none, and none was made. Events that come
 * too late change nothing that is newer. */
bool incident_update_apply(struct store_tx *tx, const char *source, const json_t *update,
                           const struct label_rules *rules, const json_t *before, json_t **ret_change, GError **error);

#endif

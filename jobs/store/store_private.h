/* What tests of the store may reach beyond store.h. */
#ifndef JOBS_STORE_STORE_PRIVATE_H
#define JOBS_STORE_STORE_PRIVATE_H

#include "jobs/store/store.h"

void store_set_read_limit_ms(struct store *store, int64_t limit_ms);
void store_set_group_limit_ms(struct store *store, int64_t limit_ms);
/* Runs constant SQL inside a job: pragmas that make the disk "full". */
bool store_run_sql(struct store_tx *tx, const char *sql, GError **error);

#endif

/* render: charts and kustomizations as what they come to, where `helm` and `kustomize` (or `kubectl`) are installed. */
#ifndef JOBS_COVERAGE_RENDER_H
#define JOBS_COVERAGE_RENDER_H

#include "jobs/coverage/scan.h"

/* Renders each chart and kustomization of the scan, and puts what came out in the place of the files that it is made
 * of: inputs that are read already, with the template (Helm) or the kustomization.yaml as their file. One that fails,
 * or whose tool is not there, becomes a skipped input with the reason, and its files are read as they stand. */
void render_scan(struct scan *scan, const struct coverage_settings *settings);

#endif

/* render_roots: which folders of a scan are Helm charts or kustomizations that stand for themselves, and which files
 * they are made of. */
#ifndef JOBS_COVERAGE_RENDER_ROOTS_H
#define JOBS_COVERAGE_RENDER_ROOTS_H

#include "jobs/coverage/scan.h"

enum render_kind { RENDER_HELM, RENDER_KUSTOMIZE };

struct render_root {
    enum render_kind kind;
    const struct place *place;
    char *marker;      /* Chart.yaml or kustomization.yaml, absolute */
    char *folder;      /* that holds it, absolute */
    char *name;        /* Helm: the release's, made from the chart's */
    GHashTable *parts; /* absolute paths of files that are not read by themselves once it is rendered */
};

/* struct render_root*: charts that are no part of another chart and no library, kustomizations that no other one builds
 * on. */
GPtrArray *render_roots(const struct scan *scan, const struct coverage_settings *settings);

#endif

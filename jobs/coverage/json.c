/* json: the stable JSON of a coverage. */
#include "jobs/coverage/changes.h"
#include <string.h>

static json_t *by_json(const GArray *by)
{
    json_t *list = json_array();
    for (guint i = 0; i < by->len; i++) {
        const struct coverage_by *entry = &g_array_index(by, struct coverage_by, i);
        json_t *object = json_pack("{s:s}", "by", entry->by);
        json_set_string(object, "file", entry->document->file);
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *subject_json(const struct subject_answer *answer)
{
    const struct subject *subject = answer->subject;
    json_t *object = json_pack("{s:i, s:o}", "line", subject->line, "covered_by", by_json(answer->by));
    json_set_string(object, "name", subject->name);
    json_set_string(object, "severity", subject->severity);
    json_set_string(object, "file", subject->file);
    if (subject->kind == SUBJECT_ALERT) {
        json_set_string(object, "runbook_url", subject->runbook_url);
        return object;
    }
    json_set_string(object, "kind", subject->type);
    json_set_string(object, "namespace", subject->namespace);
    json_set_string(object, "owner", subject->owner);
    return object;
}

static json_t *document_json(const struct document_answer *answer)
{
    json_t *covers = json_array();
    for (char **entry = answer->document->covers; *entry; entry++)
        json_array_append_new(covers, json_text_value(*entry, strlen(*entry)));
    json_t *object = json_pack("{s:o, s:b}", "covers", covers, "orphan", answer->orphan);
    json_set_string(object, "file", answer->document->file);
    return object;
}

static json_t *skipped_json(const struct input *input)
{
    json_t *object = json_object();
    json_set_string(object, "file", input->file);
    json_set_string(object, "reason", input->skipped);
    return object;
}

json_t *coverage_to_json(const struct coverage *coverage)
{
    json_t *subjects[2] = {json_array(), json_array()}, *documents = json_array(), *skipped = json_array();
    const struct coverage_count *workloads = &coverage->counts[SUBJECT_WORKLOAD],
                                *alerts = &coverage->counts[SUBJECT_ALERT];
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject_answer *answer = coverage->subjects->pdata[i];
        json_array_append_new(subjects[answer->subject->kind], subject_json(answer));
    }
    for (guint i = 0; i < coverage->documents->len; i++)
        json_array_append_new(documents, document_json(coverage->documents->pdata[i]));
    for (guint i = 0; i < coverage->skipped->len; i++)
        json_array_append_new(skipped, skipped_json(coverage->skipped->pdata[i]));
    json_t *object =
        json_pack("{s:o, s:o, s:o, s:o, s:{s:i, s:i, s:i, s:i, s:f}}", "workloads", subjects[SUBJECT_WORKLOAD],
                  "alerts", subjects[SUBJECT_ALERT], "documents", documents, "skipped", skipped, "summary", "workloads",
                  (int)workloads->all, "covered", (int)workloads->covered, "alerts", (int)alerts->all, "alerts_covered",
                  (int)alerts->covered, "percent", coverage_percent(coverage));
    if (coverage->changes)
        json_object_set_new(object, "changes", changes_to_json(coverage->changes));
    return object;
}

/* changes_json: the key `changes` of a coverage's JSON. */
#include "jobs/coverage/changes.h"

static json_t *place_json(const struct subject *subject)
{
    json_t *object = json_object();
    if (subject->kind == SUBJECT_WORKLOAD) {
        json_set_string(object, "kind", subject->type);
        json_set_string(object, "namespace", subject->namespace);
    }
    json_set_string(object, "name", subject->name);
    json_set_string(object, "file", subject->file);
    json_object_set_new(object, "line", json_integer(subject->line));
    return object;
}

static json_t *covered_json(const struct subject_answer *answer)
{
    return answer ? json_boolean(answer->by->len > 0) : json_null();
}

/* `was` says where a renamed one stood. */
static json_t *subject_json(const struct subject_change *change)
{
    json_t *object = place_json(subject_change_subject(change));
    json_set_string(object, "change", change_names[change->kind]);
    json_object_set_new(object, "was",
                        change->kind == CHANGE_RENAMED ? place_json(change->before->subject) : json_null());
    json_object_set_new(object, "covered", covered_json(change->now));
    json_object_set_new(object, "was_covered", covered_json(change->before));
    return object;
}

static json_t *document_json(const struct document_change *change)
{
    json_t *object = json_object();
    json_set_string(object, "change", change_names[change->kind]);
    json_set_string(object, "file", document_change_document(change)->file);
    json_set_string(object, "was", change->kind == CHANGE_RENAMED ? change->before->file : NULL);
    return object;
}

static json_t *automation_json(const struct automation_change *change)
{
    json_t *object = json_object();
    json_set_string(object, "change", automation_names[automation_kind(change)]);
    json_set_string(object, "alert", change->alert->name);
    json_set_string(object, "file", change->alert->file);
    json_object_set_new(object, "line", json_integer(change->alert->line));
    json_set_string(object, "runbook", change->document->file);
    json_set_string(object, "start", start_names[change->now]);
    json_set_string(object, "was_start", start_names[change->before]);
    return object;
}

json_t *changes_to_json(const struct changes *changes)
{
    json_t *subjects[2] = {json_array(), json_array()}, *documents = json_array(), *automation = json_array();
    for (guint i = 0; i < changes->subjects->len; i++) {
        const struct subject_change *change = changes->subjects->pdata[i];
        enum subject_kind kind = subject_change_subject(change)->kind;
        json_array_append_new(subjects[kind], subject_json(change));
    }
    for (guint i = 0; i < changes->documents->len; i++)
        json_array_append_new(documents, document_json(changes->documents->pdata[i]));
    for (guint i = 0; i < changes->automation->len; i++)
        json_array_append_new(automation, automation_json(changes->automation->pdata[i]));
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:o, s:o}", "base", changes->base, "workloads", subjects[SUBJECT_WORKLOAD], "alerts",
                  subjects[SUBJECT_ALERT], "documents", documents, "automation", automation);
    json_set_string(object, "since", changes->since);
    return object;
}

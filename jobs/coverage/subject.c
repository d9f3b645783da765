/* subject: see subject.h. */
#include "jobs/coverage/subject.h"

struct subject *subject_new_workload(const char *type, const char *namespace, const char *name)
{
    struct subject *subject = g_new0(struct subject, 1);
    g_autofree char *kind = g_ascii_strdown(type, -1);
    subject->kind = SUBJECT_WORKLOAD;
    subject->type = g_strdup(type);
    subject->namespace = g_strdup(namespace);
    subject->name = g_strdup(name);
    subject->key =
        namespace ? g_strdup_printf("%s/%s/%s", kind, namespace, name) : g_strdup_printf("%s/%s", kind, name);
    return subject;
}

struct subject *subject_new_alert(const char *name)
{
    struct subject *subject = g_new0(struct subject, 1);
    subject->kind = SUBJECT_ALERT;
    subject->name = g_strdup(name);
    subject->key = g_strdup_printf("alert/%s", name);
    return subject;
}

void subject_free(struct subject *subject)
{
    if (!subject)
        return;
    g_free(subject->key);
    g_free(subject->name);
    g_free(subject->file);
    g_free(subject->owner);
    g_free(subject->severity);
    g_free(subject->digest);
    g_free(subject->type);
    g_free(subject->namespace);
    g_free(subject->runbook_url);
    json_decref(subject->labels);
    g_free(subject);
}

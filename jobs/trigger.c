/* trigger: match rules over an incident and its alerts, and what a runbook or document covers. Pure functions over
 * JSON. */
#include "jobs/trigger.h"
#include "core/regex.h"
#include <string.h>

/* "value", "!value", "~regex", "!~regex" against what there is; an absent value equals nothing. */
static bool value_matches(const json_t *wanted, const char *got)
{
    g_autofree char *text = json_scalar_text(wanted);
    const char *pattern = text;
    bool negate = *pattern == '!';
    pattern += negate;
    bool matches = false;
    if (*pattern == '~') {
        g_autoptr(GRegex) regex = got ? regex_new(pattern + 1, false, NULL) : NULL;
        matches = regex && regex_matches(regex, got);
    } else {
        matches = got && strcmp(pattern, got) == 0;
    }
    return matches != negate;
}

/* A list is any of. */
static bool wanted_matches(const json_t *wanted, const char *got)
{
    if (!json_is_array(wanted))
        return value_matches(wanted, got);
    size_t index;
    json_t *item;
    json_array_foreach (wanted, index, item) {
        if (value_matches(item, got))
            return true;
    }
    return false;
}

static bool is_firing(const json_t *alert)
{
    return g_strcmp0(json_get_string(alert, "status", NULL), "resolved") != 0;
}

static char *label_text(const json_t *object, const char *label)
{
    const json_t *value = json_object_get(json_object_get(object, "labels"), label);
    return value && !json_is_null(value) ? json_scalar_text(value) : NULL;
}

/* `alert` on an incident-wide match: any firing alert's name will do. */
static bool any_alert_matches(const json_t *incident, const json_t *wanted, char **ret_got)
{
    g_autoptr(GString) names = g_string_new(NULL);
    size_t index;
    json_t *alert;
    bool matches = false;
    json_array_foreach (json_object_get(incident, "alerts"), index, alert) {
        const char *name = json_get_string(alert, "name", NULL);
        if (!is_firing(alert))
            continue;
        matches = matches || wanted_matches(wanted, name);
        if (names->len < 200)
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", name ? name : "-");
    }
    *ret_got = names->len ? g_strdup(names->str) : NULL;
    return matches;
}

static bool names_firing(const json_t *wanted)
{
    g_autofree char *text = json_scalar_text(wanted);
    return strstr(text, "firing") != NULL;
}

/* Alerts fire or are resolved, incidents are triggered, acknowledged or resolved: the word says whose status is meant.
 */
static const char *status_text(const json_t *wanted, const json_t *incident, const json_t *alert)
{
    if (!names_firing(wanted))
        return json_get_string(incident, "status", NULL);
    if (alert)
        return is_firing(alert) ? "firing" : "resolved";
    size_t index;
    json_array_foreach (json_object_get(incident, "alerts"), index, alert) {
        if (is_firing(alert))
            return "firing";
    }
    return "resolved";
}

static bool rule_matches(const char *rule, const json_t *wanted, const json_t *incident, const json_t *alert,
                         char **ret_got)
{
    if (strcmp(rule, "alert") == 0 && !alert)
        return any_alert_matches(incident, wanted, ret_got);
    if (strcmp(rule, "alert") == 0)
        *ret_got = g_strdup(json_get_string(alert, "name", NULL));
    else if (g_str_has_prefix(rule, "labels."))
        *ret_got = label_text(alert ? alert : incident, rule + strlen("labels."));
    else if (strcmp(rule, "status") == 0)
        *ret_got = g_strdup(status_text(wanted, incident, alert));
    else
        *ret_got = g_strdup(json_get_string(incident, rule, NULL));
    return wanted_matches(wanted, *ret_got);
}

bool trigger_matches(const struct trigger *trigger, const json_t *incident, const json_t *alert, json_t **ret_rules)
{
    bool all = trigger->kind == TRIGGER_INCIDENT && trigger->match;
    json_t *rules = json_array();
    const char *rule;
    json_t *wanted;
    json_object_foreach (trigger->match, rule, wanted) {
        char *got = NULL;
        bool ok = rule_matches(rule, wanted, incident, alert, &got);
        all = all && ok;
        json_t *row = json_pack("{s:s, s:O, s:b}", "rule", rule, "wanted", wanted, "ok", ok);
        json_set_string(row, "got", got);
        json_array_append_new(rules, row);
        g_free(got);
    }
    if (ret_rules)
        *ret_rules = rules;
    else
        json_decref(rules);
    return all;
}

/* The labels under which exporters name workloads, with the kind they stand for. */
static const struct {
    const char *label, *kind;
} workload_labels[] = {
    {"deployment", "deployment"}, {"statefulset", "statefulset"}, {"daemonset", "daemonset"}, {"cronjob", "cronjob"},
    {"job_name", "job"},
};

/* KIND/NAME or KIND/NAMESPACE/NAME against an alert's labels. */
static bool covers_workload(const char *cover, const json_t *alert)
{
    g_auto(GStrv) parts = g_strsplit(cover, "/", 3);
    guint count = g_strv_length(parts);
    if (count < 2)
        return false;
    g_autofree char *namespace = count == 3 ? label_text(alert, "namespace") : NULL;
    if (count == 3 && g_strcmp0(namespace, parts[1]) != 0)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(workload_labels); i++) {
        g_autofree char *name = label_text(alert, workload_labels[i].label);
        if (name && g_ascii_strcasecmp(workload_labels[i].kind, parts[0]) == 0 && strcmp(name, parts[count - 1]) == 0)
            return true;
    }
    return false;
}

static bool in_covers(const struct runbook *runbook, const json_t *alert)
{
    const char *name = json_get_string(alert, "name", "");
    for (char **cover = runbook->covers; *cover; cover++) {
        if (g_str_has_prefix(*cover, "alert/") ? strcmp(*cover + strlen("alert/"), name) == 0
                                               : covers_workload(*cover, alert))
            return true;
    }
    return false;
}

static char *file_name(const struct runbook *runbook)
{
    char *name = g_path_get_basename(runbook->path);
    if (g_str_has_suffix(name, ".md"))
        name[strlen(name) - 3] = '\0';
    return name;
}

/* Named after the alert (ignoring case) or after its workload. */
static bool named_after(const char *name, const json_t *alert)
{
    if (g_ascii_strcasecmp(name, json_get_string(alert, "name", "")) == 0)
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(workload_labels); i++) {
        g_autofree char *workload = label_text(alert, workload_labels[i].label);
        if (g_strcmp0(workload, name) == 0)
            return true;
    }
    return false;
}

/* ".../runbooks/node/nodefilesystemfull/" ends in the file's name. */
static bool linked_by(const char *name, const json_t *alert)
{
    const char *url = json_get_string(json_object_get(alert, "annotations"), "runbook_url", NULL);
    if (!url)
        return false;
    g_autofree char *path = g_strndup(url, strcspn(url, "?#"));
    for (size_t n = strlen(path); n && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    const char *slash = strrchr(path, '/');
    g_autofree char *last = g_strdup(slash ? slash + 1 : path);
    char *extension = strrchr(last, '.');
    if (extension && (strcmp(extension, ".md") == 0 || strcmp(extension, ".html") == 0))
        *extension = '\0';
    return *last && g_ascii_strcasecmp(last, name) == 0;
}

static bool covers_alert(const struct runbook *runbook, const char *name, const json_t *alert, const char **ret_by)
{
    const char *by = in_covers(runbook, alert)  ? "covers"
                     : named_after(name, alert) ? "file name"
                     : linked_by(name, alert)   ? "runbook_url"
                                                : NULL;
    if (by && ret_by)
        *ret_by = by;
    return by != NULL;
}

static bool is_triggered(const struct runbook *runbook, const json_t *incident)
{
    size_t index;
    json_t *alert;
    for (guint i = 0; i < runbook->triggers->len; i++) {
        const struct trigger *trigger = runbook->triggers->pdata[i];
        if (trigger->kind != TRIGGER_INCIDENT)
            continue;
        if (!trigger->for_each_alert && trigger_matches(trigger, incident, NULL, NULL))
            return true;
        json_array_foreach (json_object_get(incident, "alerts"), index, alert) {
            if (trigger->for_each_alert && trigger_matches(trigger, incident, alert, NULL))
                return true;
        }
    }
    return false;
}

bool runbook_covers_incident(const struct runbook *runbook, const json_t *incident, const char **ret_by)
{
    g_autofree char *name = file_name(runbook);
    size_t index;
    json_t *alert;
    json_array_foreach (json_object_get(incident, "alerts"), index, alert) {
        if (covers_alert(runbook, name, alert, ret_by))
            return true;
    }
    if (!is_triggered(runbook, incident))
        return false;
    if (ret_by)
        *ret_by = "trigger";
    return true;
}

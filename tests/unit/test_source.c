/* Sources: credentials, dedup keys, and what hostile, broken and ordinary bodies become. */
#include "core/clock.h"
#include "core/config.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "jobs/labels.h"
#include "jobs/source.h"
#include "jobs/sources/pagerduty_alerts.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

#define NOW_MS INT64_C(1800000000000) /* 2027-01-15T08:00:00Z */

/* --- configured sources and requests --- */

static GPtrArray *configure(const char *yaml, GError **error)
{
    g_autoptr(yaml_document) document = yaml_parse(yaml, strlen(yaml), "hikeshi.yaml", 0, error);
    return document ? sources_configure(yaml_root(document), error) : NULL;
}

static GPtrArray *all;

static struct source *source(const char *name)
{
    for (guint i = 0; i < all->len; i++)
        if (strcmp(((struct source *)all->pdata[i])->name, name) == 0)
            return all->pdata[i];
    fail_msg("no source %s", name);
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_setenv("T_NEW", "new secret", TRUE);
    g_setenv("T_OLD", "old secret", TRUE);
    g_setenv("T_BEARER", "am-token", TRUE);
    g_setenv("T_PUBLIC", "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK", TRUE);
    g_setenv("T_EMPTY", "", TRUE);
    all = configure("pd: {kind: pagerduty, secrets: [\"env:T_NEW\", \"env:T_OLD\"], api_token: \"env:T_BEARER\", api: "
                    "\"https://api.example.com/\"}\n"
                    "pub: {kind: pagerduty, secrets: \"env:T_PUBLIC\"}\n"
                    "am: {kind: alertmanager, bearer: \"env:T_BEARER\"}\n"
                    "basic: {kind: alertmanager, username: alert, password: \"env:T_NEW\", enabled: false}\n",
                    &error);
    assert_null(error);
    assert_int_equal(all->len, 4);
    assert_true(source("am")->enabled);
    assert_false(source("basic")->enabled);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    g_ptr_array_unref(all);
    return 0;
}

struct given {
    const char *header, *value;
};

static const char *get_header(void *arg, const char *name)
{
    const struct given *given = arg;
    return given->header && strcmp(given->header, name) == 0 ? given->value : NULL;
}

static const char *get_query(void *arg, const char *name)
{
    (void)arg, (void)name;
    return NULL;
}

static struct source_request request(struct given *given, const char *body)
{
    return (struct source_request){
        .header = get_header, .query = get_query, .arg = given, .body = body, .body_length = strlen(body)};
}

static bool authentic(const char *name, const char *header, const char *value, const char *body)
{
    struct given given = {header, value};
    struct source_request r = request(&given, body);
    return source(name)->kind->authenticate(source(name), &r);
}

/* --- signatures --- */

static char *sign(const char *secret, const char *body)
{
    uint8_t mac[32];
    crypto_hmac_sha256(secret, strlen(secret), body, strlen(body), mac);
    return crypto_hex(mac, sizeof mac);
}

static void pagerduty_signatures(void **state)
{
    (void)state;
    const char *body = "{\"event\":{}}";
    g_autofree char *new = sign("new secret", body), *old = sign("old secret", body), *bad = sign("other", body);
    g_autofree char *upper = g_ascii_strup(new, -1);
    const struct {
        const char *why, *format; /* N = new, O = old, B = bad, U = new in capitals */
        bool ok;
    } rows[] = {
        {"the live secret", "v1=N", true},
        {"the old secret during a rotation", "v1=O", true},
        {"two secrets live, one is ours", "v1=B,v1=N", true},
        {"spaces around commas", " v1=B , v1=N ", true},
        {"unknown versions are ignored", "v2=abc,v1=N,v3=", true},
        {"capital hex digits mean the same", "v1=U", true},
        {"wrong secret", "v1=B", false},
        {"only an unknown version", "v2=N", false},
        {"no version", "N", false},
        {"a digit is missing", "v1=N-", false},
        {"a digit too many", "v1=N0", false},
        {"nothing", "", false},
        {"only commas", ",,,,", false},
        {"more signatures than anybody has",
         "v1=B,v1=B,v1=B,v1=B,v1=B,v1=B,v1=B,v1=B,v1=B,v1=B,v1=B,v1=B,v1=B,v1=B,v1=B,v1=B,v1=N", false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) header = g_string_new(NULL);
        for (const char *c = rows[i].format; *c; c++) {
            if (*c == 'N' || *c == 'O' || *c == 'B' || *c == 'U')
                g_string_append(header, *c == 'N' ? new : *c == 'O' ? old : *c == 'U' ? upper : bad);
            else if (*c == '-')
                g_string_truncate(header, header->len - 1);
            else
                g_string_append_c(header, *c);
        }
        if (authentic("pd", "x-pagerduty-signature", header->str, body) != rows[i].ok)
            fail_msg("%s: %s", rows[i].why, header->str);
    }
    assert_false(authentic("pd", NULL, NULL, body));
    g_autofree char *header = g_strconcat("v1=", new, NULL);
    assert_false(authentic("pd", "x-pagerduty-signature", header, "{\"event\":{} }")); /* one byte more */
}

/* A pair that others computed (RFC 4231, test case 2), so that our HMAC is not only compared with itself. */
static void hmac_of_rfc_4231(void **state)
{
    (void)state;
    g_autofree char *mac = sign("Jefe", "what do ya want for nothing?");
    assert_string_equal(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void alertmanager_credentials(void **state)
{
    (void)state;
    g_autofree char *good = g_base64_encode((const guchar *)"alert:new secret", 16);
    g_autofree char *basic = g_strconcat("Basic ", good, NULL);
    g_autofree char *lower = g_strconcat("basic ", good, NULL);
    g_autofree char *wrong_user = g_base64_encode((const guchar *)"alert2:new secret", 17);
    g_autofree char *wrong = g_strconcat("Basic ", wrong_user, NULL);
    const struct {
        const char *why, *source, *header;
        bool ok;
    } rows[] = {
        {"the token", "am", "Bearer am-token", true},
        {"schemes ignore case", "am", "bearer am-token", true},
        {"a longer token", "am", "Bearer am-token2", false},
        {"a shorter token", "am", "Bearer am-toke", false},
        {"no token", "am", "Bearer ", false},
        {"basic where bearer is configured", "am", basic, false},
        {"user and password", "basic", basic, true},
        {"schemes ignore case", "basic", lower, true},
        {"another user", "basic", wrong, false},
        {"not base64", "basic", "Basic !!!", false},
        {"no colon", "basic", "Basic YWxlcnQ=", false},
        {"bearer where basic is configured", "basic", "Bearer new secret", false},
        {"an unknown scheme", "am", "Digest am-token", false},
        {"empty", "am", "", false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (authentic(rows[i].source, "authorization", rows[i].header, "{}") != rows[i].ok)
            fail_msg("%s (%s)", rows[i].why, rows[i].header);
    assert_false(authentic("am", NULL, NULL, "{}"));
}

static void configuration_mistakes(void **state)
{
    (void)state;
    const struct {
        const char *why, *yaml, *message;
    } rows[] = {
        {"a kind that is not there", "x: {kind: pagerdudy}", "line 1: source 'x' is of an unknown kind 'pagerdudy'"},
        {"no kind", "x: {}", "source 'x' has no kind"},
        {"a key that is not there", "x: {kind: pagerduty, secret: [\"env:T_NEW\"]}", "did you mean 'secrets'?"},
        {"the secret itself", "x: {kind: pagerduty, secrets: [hunter2]}", "must be a reference"},
        {"an unset variable", "x: {kind: pagerduty, secrets: [\"env:T_NOT_SET\"]}", "T_NOT_SET"},
        {"an empty secret would be guessed", "x: {kind: pagerduty, secrets: [\"env:T_EMPTY\"]}", "'secrets'"},
        {"no secret", "x: {kind: pagerduty}", "needs 'secrets'"},
        {"an empty list", "x: {kind: pagerduty, secrets: []}", "needs 'secrets'"},
        {"not a URL", "x: {kind: pagerduty, secrets: \"env:T_NEW\", api: ftp://x}", "'api' must be a URL"},
        {"no credentials", "x: {kind: alertmanager}", "needs 'bearer', or 'username' and 'password'"},
        {"half of basic", "x: {kind: alertmanager, username: a}", "needs 'bearer', or 'username' and 'password'"},
        {"a bad name", "\"../x\": {kind: alertmanager, bearer: \"env:T_NEW\"}", "source name '../x'"},
        {"not a map", "x: 1", "must be a map"},
        {"a word for true", "x: {kind: alertmanager, bearer: \"env:T_NEW\", enabled: 1}", "'enabled'"},
        {"a list", "- x", "must be a map of names"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) sources = configure(rows[i].yaml, &error);
        if (sources || !strstr(error->message, rows[i].message))
            fail_msg("%s: %s", rows[i].why, error ? error->message : "accepted");
        if (strstr(error->message, "hunter2"))
            fail_msg("%s: the secret stands in the message", rows[i].why);
    }
}

/* --- reading --- */

/* Replaces 'X' quotes so that tables stay readable. */
static char *quotes(const char *text)
{
    g_autofree char *copy = g_strdup(text);
    return g_strdelimit(g_steal_pointer(&copy), "'", '"');
}

static json_t *read_body(const char *name, const char *body, char **ret_event, char **ret_key, char **ret_note,
                         char **ret_error)
{
    g_autoptr(GError) error = NULL;
    struct source_reading reading = {0};
    g_autofree char *text = quotes(body);
    g_autoptr(json_t) value = json_parse(text, strlen(text), "body", &error);
    assert_non_null(value);
    bool ok = source(name)->kind->normalise(source(name), value, NOW_MS, &reading, &error);
    assert_int_equal(ok, error == NULL);
    *ret_error = error ? g_strdup(error->message) : NULL;
    *ret_event = g_strdup(reading.event);
    *ret_key = g_strdup(reading.event_key);
    *ret_note = g_strdup(reading.note);
    json_t *update = json_incref(reading.update);
    source_reading_clear(&reading);
    return update;
}

#define PD(type, data)                                                                                                 \
    "{'event':{'id':'E1','event_type':'" type                                                                          \
    "','occurred_at':'2027-01-15T07:59:00Z','agent':{'summary':'Aiko'},'data':" data "}}"
#define PD_INCIDENT(status, more)                                                                                      \
    "{'type':'incident','id':'PABC','title':'Disk full','status':'" status "','html_url':'https://pd/incidents/PABC'," \
    "'service':{'summary':'db'},'urgency':'high','created_at':'2027-01-15T07:58:00Z'" more "}"

static void pagerduty_events(void **state)
{
    (void)state;
    const struct {
        const char *why, *body;
        const char *error, *note; /* parts of them; NULL = none */
        const char *path, *value; /* what the update has there, as JSON */
    } rows[] = {
        {"triggered", PD("incident.triggered", PD_INCIDENT("triggered", "")), NULL, NULL, "status", "triggered"},
        {"key is the incident", PD("incident.triggered", PD_INCIDENT("triggered", "")), NULL, NULL, "key", "PABC"},
        {"starts runs", PD("incident.triggered", PD_INCIDENT("triggered", "")), NULL, NULL, "starts", "always"},
        {"severity is the urgency", PD("incident.triggered", PD_INCIDENT("triggered", "")), NULL, NULL, "severity",
         "high"},
        {"or the priority", PD("incident.triggered", PD_INCIDENT("triggered", ",'priority':{'summary':'P1'}")), NULL,
         NULL, "severity", "P1"},
        {"service", PD("incident.triggered", PD_INCIDENT("triggered", "")), NULL, NULL, "service", "db"},
        {"acknowledged", PD("incident.acknowledged", PD_INCIDENT("acknowledged", "")), NULL, NULL, "status",
         "acknowledged"},
        {"an acknowledgement starts nothing", PD("incident.acknowledged", PD_INCIDENT("acknowledged", "")), NULL, NULL,
         "starts", "never"},
        {"who", PD("incident.acknowledged", PD_INCIDENT("acknowledged", "")), NULL, NULL, "actor", "Aiko"},
        {"resolved", PD("incident.resolved", PD_INCIDENT("resolved", "")), NULL, NULL, "status", "resolved"},
        {"reopened", PD("incident.reopened", PD_INCIDENT("triggered", ",'reopened_at':'2027-01-15T07:59:00Z'")), NULL,
         NULL, "starts", "always"},
        {"escalated is a sentence", PD("incident.escalated", PD_INCIDENT("triggered", "")), NULL, NULL, "text",
         "escalated"},
        {"somebody's note",
         PD("incident.annotated",
            "{'type':'incident_note','incident':{'id':'PABC','summary':'S'},'content':'look at db-1'}"),
         NULL, NULL, "text", "note added: look at db-1"},
        {"a note says nothing about the status",
         PD("incident.annotated", "{'type':'incident_note','incident':{'id':'PABC'},'content':'x'}"), NULL, NULL,
         "status", NULL},
        {"our own note",
         PD("incident.annotated", "{'incident':{'id':'PABC'},'content':'hikeshi on inc_1\\nDisk full'}"), NULL,
         "hikeshi's own note", NULL, NULL},
        {"responder", PD("incident.responder.added", "{'incident':{'id':'PABC'},'user':{'summary':'Ben'}}"), NULL, NULL,
         "text", "responder added: Ben"},
        {"status update", PD("incident.status_update_published", "{'incident':{'id':'PABC'},'message':'on it'}"), NULL,
         NULL, "text", "status update published: on it"},
        {"workflow", PD("incident.workflow.started", "{'incident':{'id':'PABC'},'summary':'Major'}"), NULL, NULL,
         "text", "workflow started: Major"},
        {"test event", PD("pagey.ping", "{'message':'Hello'}"), NULL, "test event", NULL, NULL},
        {"unknown event", PD("incident.invented", PD_INCIDENT("triggered", "")), NULL,
         "unknown event 'incident.invented'", NULL, NULL},
        {"service event", PD("service.updated", "{'id':'S'}"), NULL, "unknown event 'service.updated'", NULL, NULL},
        {"no incident", PD("incident.triggered", "{'type':'incident'}"), NULL, "names no incident", NULL, NULL},
        {"data of another type", PD("incident.triggered", "[]"), NULL, "names no incident", NULL, NULL},
        {"data is text", PD("incident.triggered", "'x'"), NULL, "names no incident", NULL, NULL},
        {"an id of another type", PD("incident.triggered", "{'type':'incident','id':7}"), NULL, "names no incident",
         NULL, NULL},
        {"a strange status", PD("incident.triggered", PD_INCIDENT("on fire", "")), NULL, NULL, "status", NULL},
        {"no event", "{'events':[]}", "event.id", NULL, NULL, NULL},
        {"a list", "[1,2]", "event.id", NULL, NULL, NULL},
        {"a number", "7", "event.id", NULL, NULL, NULL},
        {"no id", "{'event':{'event_type':'incident.triggered','occurred_at':'2027-01-15T07:59:00Z'}}", "event.id",
         NULL, NULL, NULL},
        {"no time", "{'event':{'id':'E','event_type':'incident.triggered'}}", "occurred_at", NULL, NULL, NULL},
        {"a bad time", "{'event':{'id':'E','event_type':'incident.triggered','occurred_at':'yesterday'}}",
         "occurred_at", NULL, NULL, NULL},
        {"50 hours old", "{'event':{'id':'E','event_type':'pagey.ping','occurred_at':'2027-01-13T06:00:00Z'}}",
         "refused as a replay", NULL, NULL, NULL},
        {"48 hours old is still retried",
         "{'event':{'id':'E','event_type':'pagey.ping','occurred_at':'2027-01-13T08:00:00Z'}}", NULL, "test event",
         NULL, NULL},
        {"a clock that is ahead", "{'event':{'id':'E','event_type':'pagey.ping','occurred_at':'2999-01-01T00:00:00Z'}}",
         NULL, "test event", NULL, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *event = NULL, *key = NULL, *note = NULL, *error = NULL;
        g_autoptr(json_t) update = read_body("pd", rows[i].body, &event, &key, &note, &error);
        if (!rows[i].error != !error || (error && !strstr(error, rows[i].error)))
            fail_msg("%s: error %s", rows[i].why, error ? error : "(none)");
        if (!rows[i].note != !note || (note && !strstr(note, rows[i].note)))
            fail_msg("%s: note %s", rows[i].why, note ? note : "(none)");
        if ((update != NULL) != (rows[i].path != NULL))
            fail_msg("%s: update %s", rows[i].why, update ? "there" : "missing");
        if (update && g_strcmp0(json_get_string(update, rows[i].path, NULL), rows[i].value) != 0)
            fail_msg("%s: %s is %s", rows[i].why, rows[i].path, json_get_string(update, rows[i].path, "(null)"));
        if (!error && g_strcmp0(key, strstr(rows[i].body, "'E1'") ? "E1" : "E") != 0)
            fail_msg("%s: key %s", rows[i].why, key);
    }
}

static void pagerduty_dedup_keys(void **state)
{
    (void)state;
    struct given a = {"x-webhook-id", "W1"}, b = {"x-webhook-id", "W2"}, none = {0};
    const struct {
        struct source_request request;
        bool same;
        const char *why;
    } rows[] = {
        {request(&a, "{}"), true, "a redelivery"},
        {request(&b, "{}"), true, "the header is not signed: under another id it is still the same"},
        {request(&none, "{}"), true, "no header"},
        {request(&a, "{ }"), false, "other bytes, whatever the header says"},
        {request(&a, "{\"occurred_at\""), false, "a body that breaks off"},
        {request(&a, "{\"occurred_at\":\"2027-01-15T08:00"), false, "in the middle of its time"},
    };
    struct source_request first = request(&a, "{}");
    g_autofree char *key = source("pd")->kind->dedup_key(source("pd"), &first, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *other = source("pd")->kind->dedup_key(source("pd"), &rows[i].request, NULL);
        if ((strcmp(key, other) == 0) != rows[i].same)
            fail_msg("%s: %s and %s", rows[i].why, key, other);
    }
    struct source_request timed = request(&none, "{\"occurred_at\": \"2027-01-15T08:00:00.000Z\"}");
    g_autofree char *ordered = source("pd")->kind->dedup_key(source("pd"), &timed, NULL);
    assert_true(g_str_has_prefix(ordered, "20270115080000000:")); /* side by side in the index */
}

#define AM_ALERT(fp, status, start)                                                                                    \
    "{'status':'" status "','labels':{'alertname':'Disk','instance':'db-1','severity':'warning'},'annotations':{'"     \
    "summary':'s'},'startsAt':'" start                                                                                 \
    "','endsAt':'0001-01-01T00:00:00Z','generatorURL':'http://p','fingerprint':'" fp "'}"
#define AM(key, status, alerts)                                                                                        \
    "{'version':'4','groupKey':'" key "','status':'" status "','groupLabels':{'alertname':'Disk'},'alerts':[" alerts   \
    "],'externalURL':'http://am'}"

static char *am_key(const char *body)
{
    struct given none = {0};
    g_autofree char *text = quotes(body);
    g_autoptr(json_t) value = json_parse(text, strlen(text), "body", NULL);
    struct source_request r = request(&none, text);
    return source("am")->kind->dedup_key(source("am"), &r, value);
}

static void alertmanager_dedup_keys(void **state)
{
    (void)state;
    const char *base =
        AM("g", "firing",
           AM_ALERT("f1", "firing", "2027-01-01T00:00:00Z") "," AM_ALERT("f2", "firing", "2027-01-01T00:00:00Z"));
    const struct {
        const char *why, *body;
        bool same;
    } rows[] = {
        {"a repeat",
         AM("g", "firing",
            AM_ALERT("f1", "firing", "2027-01-01T00:00:00Z") "," AM_ALERT("f2", "firing", "2027-01-01T00:00:00Z")),
         true},
        {"another order",
         AM("g", "firing",
            AM_ALERT("f2", "firing", "2027-01-01T00:00:00Z") "," AM_ALERT("f1", "firing", "2027-01-01T00:00:00Z")),
         true},
        {"another group",
         AM("h", "firing",
            AM_ALERT("f1", "firing", "2027-01-01T00:00:00Z") "," AM_ALERT("f2", "firing", "2027-01-01T00:00:00Z")),
         false},
        {"one resolved",
         AM("g", "firing",
            AM_ALERT("f1", "resolved", "2027-01-01T00:00:00Z") "," AM_ALERT("f2", "firing", "2027-01-01T00:00:00Z")),
         false},
        {"one fired again",
         AM("g", "firing",
            AM_ALERT("f1", "firing", "2027-01-02T00:00:00Z") "," AM_ALERT("f2", "firing", "2027-01-01T00:00:00Z")),
         false},
        {"one less", AM("g", "firing", AM_ALERT("f1", "firing", "2027-01-01T00:00:00Z")), false},
    };
    g_autofree char *expected = am_key(base);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *key = am_key(rows[i].body);
        if ((strcmp(key, expected) == 0) != rows[i].same)
            fail_msg("%s", rows[i].why);
    }
    static const char *const malformed[] = {
        "{}",
        "[]",
        "7",
        "'text'",
        "{'version':'3','groupKey':'g','alerts':[]}",
        "{'version':4,'groupKey':'g','alerts':[]}",
        "{'version':'4','alerts':[]}",
        "{'version':'4','groupKey':'g','alerts':{}}",
        "{'version':'4','groupKey':7,'alerts':[]}",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(malformed); i++) {
        g_autofree char *key = am_key(malformed[i]);
        if (key)
            fail_msg("accepted: %s", malformed[i]);
    }
}

static void alertmanager_groups(void **state)
{
    (void)state;
    g_autofree char *event = NULL, *key = NULL, *note = NULL, *error = NULL;
    g_autoptr(json_t) update = read_body(
        "am",
        AM("g", "firing", AM_ALERT("f1", "firing", "2027-01-01T00:00:00Z") ",7,{}," AM_ALERT("", "resolved", "bad")),
        &event, &key, &note, &error);
    assert_null(error);
    assert_string_equal(event, "firing");
    const json_t *alerts = json_object_get(update, "alerts");
    assert_int_equal(json_array_size(alerts), 3); /* 7 is no alert; {} is one without labels */
    const json_t *first = json_array_get(alerts, 0), *last = json_array_get(alerts, 2);
    assert_string_equal(json_get_string(first, "id", ""), "f1");
    assert_string_equal(json_get_string(first, "name", ""), "Disk");
    assert_int_equal(json_get_integer(first, "starts_at", 0), INT64_C(1798761600000));
    assert_true(json_is_null(json_object_get(first, "ends_at")));
    assert_int_equal(strlen(json_get_string(last, "id", "")), 16); /* made from its labels */
    assert_true(json_is_null(json_object_get(last, "starts_at")));
    assert_string_equal(json_get_string(update, "title", ""), "3 alerts"); /* nothing that all have in common */
    assert_string_equal(json_get_string(update, "status", ""), "derived");
    assert_true(json_get_bool(update, "alerts_complete", false));
}

/* --- PagerDuty's alerts --- */

#define BLOB                                                                                                           \
    "Labels:\\n - alertname = NodeDiskFull\\n - instance = db-1:9100\\nAnnotations:\\n - description = line "          \
    "one\\nline two = more\\n - summary = full\\nSource: http://prom/graph\\n"
#define BLOB2 "Labels:\\n - alertname = NodeDiskFull\\n - instance = db-2:9100\\nSource: http://prom/graph\\n"

static void pagerduty_alert_details(void **state)
{
    (void)state;
    const struct {
        const char *why, *alert;
        size_t count;
        const char *path, *value; /* of the first alert */
    } rows[] = {
        {"details",
         "{'id':'A','status':'triggered','severity':'critical','body':{'details':{'alertname':'X','n':3,'o':{},'l':[1]}"
         "}}",
         1, "labels.n", "3"},
        {"nested values are no labels", "{'id':'A','body':{'details':{'o':{},'alertname':'X'}}}", 1, "labels.o", NULL},
        {"severity becomes a label", "{'id':'A','severity':'critical','body':{'details':{'alertname':'X'}}}", 1,
         "labels.severity", "critical"},
        {"but does not overwrite one", "{'id':'A','severity':'critical','body':{'details':{'severity':'page'}}}", 1,
         "labels.severity", "page"},
        {"cef", "{'id':'A','body':{'cef_details':{'details':{'alertname':'Y'}}}}", 1, "name", "Y"},
        {"a labels object inside", "{'id':'A','body':{'details':{'labels':{'alertname':'Z'}}}}", 1, "name", "Z"},
        {"no details", "{'id':'A','summary':'something broke','body':{}}", 1, "name", "something broke"},
        {"text details", "{'id':'A','summary':'s','body':{'details':'free text'}}", 1, "annotations.description",
         "free text"},
        {"Alertmanager's text", "{'id':'A','body':{'details':{'firing':'" BLOB "','resolved':'','num_firing':'1'}}}", 1,
         "labels.instance", "db-1:9100"},
        {"an annotation of two lines", "{'id':'A','body':{'details':{'firing':'" BLOB "'}}}", 1,
         "annotations.description", "line one line two = more"},
        {"and the one after it", "{'id':'A','body':{'details':{'firing':'" BLOB "'}}}", 1, "annotations.summary",
         "full"},
        {"source", "{'id':'A','body':{'details':{'firing':'" BLOB "'}}}", 1, "url", "http://prom/graph"},
        {"two in one text", "{'id':'A','body':{'details':{'firing':'" BLOB BLOB2 "'}}}", 2, "status", "firing"},
        {"one of them resolved", "{'id':'A','body':{'details':{'firing':'" BLOB "','resolved':'" BLOB2 "'}}}", 2,
         "status", "firing"},
        {"the alert is resolved", "{'id':'A','status':'resolved','body':{'details':{'firing':'" BLOB "'}}}", 1,
         "status", "resolved"},
        {"a text that is none", "{'id':'A','summary':'s','body':{'details':{'firing':'3 alerts'}}}", 1, "labels.firing",
         "3 alerts"},
        {"no id", "{'body':{'details':{'alertname':'X'}}}", 0, NULL, NULL},
        {"not an object", "7", 0, NULL, NULL},
        {"details of another type", "{'id':'A','summary':'s','body':{'details':[1]}}", 1, "name", "s"},
        {"body of another type", "{'id':'A','summary':'s','body':'x'}", 1, "name", "s"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = g_strdup_printf("{'alerts':[%s]}", rows[i].alert), *json = quotes(text);
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) answer = json_parse(json, strlen(json), "answer", &error);
        g_autoptr(json_t) alerts = json_array();
        assert_true(pagerduty_alerts_add(alerts, answer));
        if (!alerts || json_array_size(alerts) != rows[i].count)
            fail_msg("%s: %zu alerts %s", rows[i].why, json_array_size(alerts), error ? error->message : "");
        const char *value = rows[i].path ? json_path_string(json_array_get(alerts, 0), rows[i].path) : NULL;
        if (rows[i].path && g_strcmp0(value, rows[i].value) != 0)
            fail_msg("%s: %s", rows[i].why, value ? value : "(null)");
    }
    g_autoptr(json_t) wrong = json_pack("{s:s}", "alerts", "none"), other = json_pack("[]");
    g_autoptr(json_t) none = json_array();
    assert_false(pagerduty_alerts_add(none, wrong));
    assert_false(pagerduty_alerts_add(none, other));
    assert_int_equal(json_array_size(none), 0);
}

static void pagerduty_fetches(void **state)
{
    (void)state;
    const struct {
        const char *why, *source, *body, *url;
    } rows[] = {
        {"triggered", "pd", PD("incident.triggered", PD_INCIDENT("triggered", "")),
         "https://api.example.com/incidents/PABC/alerts?limit=100&offset=0"},
        {"priority", "pd", PD("incident.priority_updated", PD_INCIDENT("triggered", "")),
         "https://api.example.com/incidents/PABC/alerts?limit=100&offset=0"},
        {"an acknowledgement needs none", "pd", PD("incident.acknowledged", PD_INCIDENT("acknowledged", "")), NULL},
        {"over already", "pd", PD("incident.priority_updated", PD_INCIDENT("resolved", "")), NULL},
        {"no token", "pub", PD("incident.triggered", PD_INCIDENT("triggered", "")), NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *event = NULL, *key = NULL, *note = NULL, *error = NULL, *url = NULL;
        g_auto(GStrv) headers = NULL;
        const struct source *s = source(rows[i].source);
        g_autoptr(json_t) update = read_body(rows[i].source, rows[i].body, &event, &key, &note, &error);
        bool fetch = s->kind->enrich_request(s, update, &url, &headers);
        if (fetch != (rows[i].url != NULL) || g_strcmp0(url, rows[i].url) != 0)
            fail_msg("%s: %s", rows[i].why, url ? url : "(none)");
        if (fetch && !g_strv_contains((const char *const *)headers, "Authorization: Token token=am-token"))
            fail_msg("%s: no credentials", rows[i].why);
    }
}

/* --- severity --- */

static void severities(void **state)
{
    (void)state;
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("hikeshi-XXXXXX.yaml", &path, NULL);
    const char *text = "severities: {from: [labels.sev, prio], map: {SEV1: [fatal], SEV3: [critical]}}\n";
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    g_autoptr(GError) error = NULL;
    struct config *config = config_load(path, NULL, &error);
    assert_null(error);
    struct label_rules *rules = label_rules_new(config, &error);
    assert_null(error);
    const struct {
        const char *why, *labels, *given;
        bool is_explicit;
        const char *severity, *alerts;
    } rows[] = {
        {"the first label that says it", "{'sev':'fatal','prio':'low'}", NULL, false, "SEV1", NULL},
        {"the second", "{'prio':'low'}", NULL, false, "SEV4", NULL},
        {"a word that means something else here", "{'sev':'critical'}", NULL, false, "SEV3", NULL},
        {"the name itself", "{'sev':'sev2'}", NULL, false, "SEV2", NULL},
        {"a label that is not asked", "{'severity':'fatal'}", "high", false, "SEV2", NULL},
        {"labels before the sender", "{'sev':'fatal'}", "low", false, "SEV1", NULL},
        {"a person before labels", "{'sev':'fatal'}", "P4", true, "SEV4", NULL},
        {"the worst alert that fires, when they differ", "{}", "low", false, "SEV1",
         "[{'labels':{'prio':'low'}},{'labels':{'sev':'fatal'}},{'labels':{}}]"},
        {"not of those that are over", "{}", "low", false, "SEV4", "[{'status':'resolved','labels':{'sev':'fatal'}}]"},
        {"a word nobody knows", "{'sev':'purple'}", "mauve", false, NULL, NULL},
        {"nothing", "{}", NULL, false, NULL, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *json = quotes(rows[i].labels);
        g_autoptr(json_t) labels = json_parse(json, strlen(json), "labels", NULL);
        g_autofree char *list = quotes(rows[i].alerts ? rows[i].alerts : "[]");
        g_autoptr(json_t) alerts = json_parse(list, strlen(list), "alerts", NULL);
        const char *severity = label_rules_severity(rules, labels, alerts, rows[i].given, rows[i].is_explicit);
        if (g_strcmp0(severity, rows[i].severity) != 0)
            fail_msg("%s: %s", rows[i].why, severity ? severity : "(none)");
    }
    label_rules_free(rules);
    config_free(config);
    unlink(path);
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pagerduty_signatures),
        cmocka_unit_test(hmac_of_rfc_4231),
        cmocka_unit_test(alertmanager_credentials),
        cmocka_unit_test(configuration_mistakes),
        cmocka_unit_test(pagerduty_events),
        cmocka_unit_test(pagerduty_dedup_keys),
        cmocka_unit_test(alertmanager_dedup_keys),
        cmocka_unit_test(alertmanager_groups),
        cmocka_unit_test(pagerduty_alert_details),
        cmocka_unit_test(pagerduty_fetches),
        cmocka_unit_test(severities),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

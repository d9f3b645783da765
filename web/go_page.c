/* go_page: see go_page.h. */
#include "web/go_page.h"
#include "core/crypto.h"
#include "core/errors.h"
#include <string.h>

/* clang-format off */
static const char style[] =
    ":root{color-scheme:light dark;--back:#f6f5f2;--card:#fff;--text:#1d1f21;--soft:#5b6066;--line:#d5d3cd;--edge:#85888c;"
    "--act:#b3261e;--on-act:#fff;--bad:#b3261e;--bad-back:#fbeae9;--good:#1f6b35;--wait:#7a5200}"
    "@media(prefers-color-scheme:dark){:root{--back:#16181a;--card:#202326;--text:#e8e6e1;--soft:#a5abb1;--line:#3a3f44;"
    "--edge:#7f868d;--act:#ff8a7a;--on-act:#2a0b07;--bad:#ff9d90;--bad-back:#3a1d1a;--good:#7fd494;--wait:#f0c060}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--back);color:var(--text);font:1rem/1.5 system-ui,sans-serif}"
    "main{max-width:38rem;margin:0 auto;padding:1.5rem 1rem 3rem;overflow-wrap:anywhere}"
    ".brand,.foot{margin:0 0 .75rem;color:var(--soft);font-size:.875rem}.foot{margin:1rem 0 0}"
    "h1{margin:0 0 .5rem;font-size:1.625rem;line-height:1.25}"
    "h2{margin:1.5rem 0 .5rem;font-size:1.125rem}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1rem 0}"
    "dt{color:var(--soft)}dd{margin:0}"
    "form,.card{margin-top:1.25rem;padding:1rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem}"
    "label{display:block;margin-top:1rem;font-weight:600}"
    "form>label:first-of-type{margin-top:0}"
    "label span{color:var(--soft);font-weight:400}"
    "input,select{display:block;width:100%;min-height:2.75rem;margin-top:.25rem;padding:.5rem .625rem;font:inherit;"
    "color:inherit;background:var(--back);border:1px solid var(--edge);border-radius:.375rem}"
    "input:focus-visible,select:focus-visible,button:focus-visible{outline:3px solid var(--act);outline-offset:1px}"
    "small{display:block;margin-top:.25rem;color:var(--soft)}"
    "button{width:100%;min-height:3rem;margin-top:1.5rem;font:inherit;font-weight:600;color:var(--on-act);"
    "background:var(--act);border:0;border-radius:.375rem;cursor:pointer}"
    "code{font:.9375em ui-monospace,monospace}"
    ".problem{padding:.75rem 1rem;color:var(--bad);background:var(--bad-back);border-radius:.375rem}"
    "small.problem{padding:.25rem .5rem}"
    "ol{margin:0;padding-left:1.5rem}li{margin:.25rem 0}.state{font-weight:600}"
    ".succeeded,.ok{color:var(--good)}"
    ".failed,.denied,.expired,.cancelled,.unknown,.timed_out{color:var(--bad)}"
    ".waiting,.queued,.running{color:var(--wait)}";
/* clang-format on */

/* ---- the frame ---- */

static char *escaped(const char *text)
{
    return g_markup_escape_text(text ? text : "", -1);
}

/* Appends `format` with %s for texts, each escaped. Only %s. */
static void add(GString *page, const char *format, ...)
{
    va_list texts;
    va_start(texts, format);
    for (const char *p = format; *p; p++) {
        if (p[0] != '%' || p[1] != 's') {
            g_string_append_c(page, *p);
            continue;
        }
        g_autofree char *safe = escaped(va_arg(texts, const char *));
        g_string_append(page, safe);
        p++;
    }
    va_end(texts);
}

static GString *page_begin(const char *title)
{
    GString *page = g_string_new("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    add(page, "<title>%s · hikeshi</title><style>", title);
    g_string_append_printf(page, "%s</style></head>\n<body><main>\n", style);
    return page;
}

/* Nothing may be loaded or run, forms go back to us alone, and no other page may show this one. Referrer-Policy is not
 * no-referrer: a form's Origin would be "null" then. */
static char *policy_header(void)
{
    guint8 digest[32];
    gsize length = sizeof digest;
    GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(checksum, (const guchar *)style, (gssize)strlen(style));
    g_checksum_get_digest(checksum, digest, &length);
    g_checksum_free(checksum);
    g_autofree char *hash = g_base64_encode(digest, length);
    return g_strdup_printf("Content-Security-Policy: default-src 'none'; style-src 'sha256-%s'; form-action 'self'; "
                           "base-uri 'none'; frame-ancestors 'none'",
                           hash);
}

static void page_end(GString *page, struct server_request *request, int status)
{
    g_autofree char *policy = policy_header();
    const char *const headers[] = {policy, "Referrer-Policy: same-origin", "X-Frame-Options: DENY",
                                   "Cross-Origin-Opener-Policy: same-origin", NULL};
    g_string_append(page, "</main></body></html>\n");
    server_answer(request, status, "text/html; charset=utf-8", headers, page->str, page->len);
    g_string_free(page, TRUE);
}

void go_page_problem(struct server_request *request, int status, const char *title, const char *text)
{
    GString *page = page_begin(title);
    add(page, "<p class=\"brand\">hikeshi</p><h1>%s</h1>\n<p class=\"problem\" role=\"alert\">%s</p>\n", title, text);
    page_end(page, request, status);
}

/* ---- the form ---- */

/* What a person needs to know to fill it in: "integer, 1 to 30, required". */
static char *hint(const struct param *param)
{
    g_autoptr(json_t) shown = param_to_json(param);
    GString *text = g_string_new(json_get_string(shown, "type", ""));
    char low[G_ASCII_DTOSTR_BUF_SIZE], high[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd(low, sizeof low, "%.15g", param->minimum);
    g_ascii_formatd(high, sizeof high, "%.15g", param->maximum);
    const char *unit = param->type == PARAM_DURATION ? " s" : "";
    if (param->type == PARAM_DURATION)
        g_string_append(text, " such as 90s or 10m");
    if (param->has_minimum && param->has_maximum)
        g_string_append_printf(text, ", %s to %s%s", low, high, unit);
    else if (param->has_minimum || param->has_maximum)
        g_string_append_printf(text, ", at %s %s%s", param->has_minimum ? "least" : "most",
                               param->has_minimum ? low : high, unit);
    if (param->required)
        g_string_append(text, ", required");
    return g_string_free(text, FALSE);
}

static void add_options(GString *page, const struct param *param, const char *value)
{
    g_autoptr(json_t) booleans = json_pack("[b, b]", 1, 0);
    size_t index;
    json_t *choice;
    if (!param->required && !param->fallback)
        g_string_append(page, "<option value=\"\">–</option>");
    json_array_foreach (param->type == PARAM_CHOICE ? param->choices : booleans, index, choice) {
        g_autofree char *text = json_scalar_text(choice);
        add(page, "<option value=\"%s\"", text);
        g_string_append(page, g_strcmp0(text, value) == 0 ? " selected>" : ">");
        add(page, "%s</option>", text);
    }
}

static void add_control(GString *page, const struct param *param, const char *value, bool problem)
{
    bool list = param->type == PARAM_CHOICE || param->type == PARAM_BOOLEAN;
    bool number = param->type == PARAM_INTEGER || param->type == PARAM_NUMBER;
    add(page, list ? "<select id=\"p-%s\" name=\"p.%s\"" : "<input id=\"p-%s\" name=\"p.%s\"", param->name,
        param->name);
    g_string_append(page, param->required ? " required" : "");
    if (problem)
        add(page, " aria-invalid=\"true\" aria-describedby=\"e-%s\"", param->name);
    if (list) {
        g_string_append(page, ">");
        add_options(page, param, value);
        g_string_append(page, "</select>");
        return;
    }
    g_string_append_printf(page, " type=\"text\" autocapitalize=\"none\" spellcheck=\"false\"%s",
                           number ? " inputmode=\"decimal\"" : "");
    add(page, " value=\"%s\">\n", value);
}

/* One param; returns whether its value fits. */
static bool add_param(GString *page, const struct go_form *form, const struct param *param)
{
    g_autofree char *about = hint(param), *fallback = param->fallback ? json_scalar_text(param->fallback) : NULL;
    const char *given = json_get_string(form->values, param->name, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) text = given && *given ? json_string(given) : NULL;
    g_autoptr(json_t) value = text ? param_convert(param, text, form->inventory, &error) : NULL;
    add(page, "<label for=\"p-%s\">%s <span>%s</span></label>\n", param->name, param->name, about);
    add_control(page, param, given ? given : fallback, error != NULL);
    if (param->description)
        add(page, "<small>%s</small>\n", param->description);
    if (error)
        add(page, "<small class=\"problem\" id=\"e-%s\">%s</small>\n", param->name, error->message);
    return error == NULL;
}

static char *unknown_params(const struct go_form *form)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)form->values, name, value)
        if (!runbook_param(form->runbook, name))
            return g_strdup_printf("there is no param '%s'", name);
    return NULL;
}

static void add_head(GString *page, const struct runbook *runbook)
{
    add(page, "<p class=\"brand\">hikeshi · start a run</p>\n<h1>%s</h1>\n", runbook->title);
    if (runbook->summary)
        add(page, "<p>%s</p>\n", runbook->summary);
    add(page, "<dl><dt>Runbook</dt><dd><code>%s</code></dd>", runbook->id);
    if (runbook->owner)
        add(page, "<dt>Owner</dt><dd>%s</dd>", runbook->owner);
    if (runbook->hosts)
        add(page, "<dt>Hosts</dt><dd>%s</dd>", runbook->hosts);
    g_string_append(page, "</dl>\n");
}

void go_page_form(struct server_request *request, int status, const struct go_form *form)
{
    GString *page = page_begin(form->runbook->title), *fields = g_string_new(NULL);
    g_autofree char *key = crypto_id("link"), *unknown = unknown_params(form);
    const char *problem = form->problem ? form->problem : unknown;
    bool fits = !unknown;
    for (guint i = 0; i < form->runbook->params->len; i++)
        fits = add_param(fields, form, form->runbook->params->pdata[i]) && fits;
    add_head(page, form->runbook);
    if (problem)
        add(page, "<p class=\"problem\" role=\"alert\">%s</p>\n", problem);
    /* "?" is this address without its query: what counts is what stands in the form. */
    add(page,
        "<form method=\"post\" action=\"?\" autocomplete=\"off\"><input type=\"hidden\" name=\"key\" value=\"%s\">\n",
        key);
    g_string_append_len(page, fields->str, (gssize)fields->len);
    add(page,
        "<label for=\"reason\">Reason <span>optional; lets it pass cooldown and max_runs</span></label>\n"
        "<input id=\"reason\" name=\"reason\" type=\"text\" value=\"%s\">\n",
        form->reason);
    g_string_append(page,
                    "<label for=\"token\">Your API token <span>it says who you are; role operator</span></label>\n"
                    "<input id=\"token\" name=\"token\" type=\"password\" required>\n"
                    "<button>Start this run</button></form>\n"
                    "<p class=\"foot\">Nothing has been started by opening this page.</p>\n");
    g_string_free(fields, TRUE);
    page_end(page, request, status == 200 && !fits ? 400 : status);
}

/* ---- the run ---- */

static void add_step(GString *page, const json_t *step)
{
    const char *result = json_get_string(step, "result", NULL);
    const char *state = result ? result : json_get_string(step, "state", "");
    const char *problem = json_path_string(step, "error.message");
    add(page, "<li><span class=\"%s\">%s</span> %s", state, state, json_get_string(step, "title", ""));
    if (problem)
        add(page, "<small class=\"problem\">%s</small>", problem);
    if (!result && g_strcmp0(state, "waiting") == 0 && json_get_string(step, "approval", NULL))
        add(page, "<small>to decide: <code>hikeshi approvals show %s</code></small>",
            json_get_string(step, "approval", NULL));
    g_string_append(page, "</li>\n");
}

static void add_facts(GString *page, const json_t *run)
{
    const char *name, *state = json_get_string(run, "state", "?"), *reason = json_get_string(run, "reason", NULL);
    const json_t *verified = json_object_get(run, "verified");
    json_t *value;
    add(page, "<dl><dt>State</dt><dd><span class=\"state %s\">%s</span>", state, state);
    if (reason && strcmp(reason, state) != 0)
        add(page, " (%s)", reason);
    if (json_is_boolean(verified))
        add(page, ", %s", json_is_true(verified) ? "verified" : "not verified");
    add(page, "</dd><dt>Run</dt><dd><code>%s</code></dd><dt>Started by</dt><dd>%s</dd>",
        json_get_string(run, "id", "?"), json_path_string(run, "requested_by.name"));
    json_object_foreach (json_object_get(run, "params"), name, value) {
        g_autofree char *text =
            json_is_object(value) || json_is_array(value) ? json_text(value) : json_scalar_text(value);
        add(page, "<dt>%s</dt><dd>%s</dd>", name, text);
    }
    g_string_append(page, "</dl>\n");
}

static void add_notes(GString *page, const json_t *run)
{
    size_t index;
    json_t *note;
    if (json_array_size(json_object_get(run, "notes")) == 0)
        return;
    g_string_append(page, "<h2>Notes</h2>\n");
    json_array_foreach (json_object_get(run, "notes"), index, note)
        add(page, "<p>%s</p>\n", json_get_string(note, "text", ""));
}

void go_page_run(struct server_request *request, const json_t *run)
{
    const char *title = json_get_string(run, "title", "Run"), *message = json_get_string(run, "message", NULL);
    bool ended = !json_is_null(json_object_get(run, "ended_at"));
    GString *page = page_begin(title);
    size_t index;
    json_t *step;
    add(page, "<p class=\"brand\">hikeshi · a run</p>\n<h1>%s</h1>\n", title);
    add_facts(page, run);
    if (message)
        add(page, "<p>%s</p>\n", message);
    g_string_append(page, "<div class=\"card\"><ol>\n");
    json_array_foreach (json_object_get(run, "steps"), index, step)
        add_step(page, step);
    g_string_append(page, "</ol></div>\n");
    add_notes(page, run);
    if (!ended)
        g_string_append(page, "<p>Reload this page to see how it goes on: that starts nothing again.</p>\n");
    add(page, "<p class=\"foot\">All of it: <code>hikeshi runs show %s</code></p>\n", json_get_string(run, "id", "?"));
    page_end(page, request, 200);
}

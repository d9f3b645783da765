/* mask_forms: the forms in which programs print a value: as it is, lines of it, JSON, HTML, shells' quoting, percent
 * encoding, hexadecimal, base64 at any offset. One function each; knows nothing of looking for them. */
#include "runner/mask_private.h"

#include "core/crypto.h"

#include <string.h>

/* Pieces of a value (its lines, its base64 at an offset) that are shorter say too little to be worth hiding text for.
 */
#define PIECE_MIN_BYTES 8

static void add_form(struct mask *mask, const char *bytes, size_t length, size_t least)
{
    if (length >= least)
        mask_add_form(mask, bytes, length, false);
}

/* A form that is wiped and freed. */
static void take_form(struct mask *mask, GString *text)
{
    add_form(mask, text->str, text->len, MASK_MIN_BYTES);
    crypto_wipe(text->str, text->len);
    g_string_free(text, TRUE);
}

/* A terminal and the network break lines with \r\n. */
static void add_lines(struct mask *mask, const char *value, size_t length)
{
    GString *crlf = g_string_sized_new(length + 1);

    for (const char *at = value, *end = value + length; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t line = newline ? (size_t)(newline - at) : (size_t)(end - at);
        size_t shown = line > 0 && at[line - 1] == '\r' ? line - 1 : line;
        add_form(mask, at, shown, PIECE_MIN_BYTES);
        g_string_append_len(crlf, at, (gssize)shown);
        if (newline)
            g_string_append(crlf, "\r\n");
        at += line + 1;
    }
    take_form(mask, crlf);
}

/* ---- characters; `value` is UTF-8 ---- */

static void add_escaped_unit(GString *text, gunichar unit)
{
    g_string_append_printf(text, "\\u%04x", unit);
}

static void add_json_character(GString *text, gunichar c, const char *escaped, bool ascii)
{
    static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = c < 0x80 && c ? strchr(special, (int)c) : NULL;

    if (found)
        g_string_append_printf(text, "\\%c", letters[found - special]);
    else if (c == '/' && strchr(escaped, '/'))
        g_string_append(text, "\\/");
    else if (c < 0x20 || (c < 0x80 && strchr(escaped, (int)c)))
        add_escaped_unit(text, c);
    else if (c < 0x80 || !ascii)
        g_string_append_unichar(text, c);
    else if (c < 0x10000)
        add_escaped_unit(text, c);
    else {
        add_escaped_unit(text, 0xD800 + ((c - 0x10000) >> 10));
        add_escaped_unit(text, 0xDC00 + ((c - 0x10000) & 0x3FF));
    }
}

/* escaped: what is written as \uXXXX (a slash: as \/) though it need not be; ascii: and all that is not ASCII. */
static void add_json(struct mask *mask, const char *value, const char *escaped, bool ascii)
{
    GString *text = g_string_sized_new(2 * strlen(value) + 1);

    for (const char *at = value; *at; at = g_utf8_next_char(at))
        add_json_character(text, g_utf8_get_char(at), escaped, ascii);
    take_form(mask, text);
}

static void add_html(struct mask *mask, const char *value, const char *quote, const char *apostrophe)
{
    GString *text = g_string_sized_new(2 * strlen(value) + 1);

    for (const char *at = value; *at; at++) {
        const char *entity = *at == '&'    ? "&amp;"
                             : *at == '<'  ? "&lt;"
                             : *at == '>'  ? "&gt;"
                             : *at == '"'  ? quote
                             : *at == '\'' ? apostrophe
                                           : NULL;
        if (entity)
            g_string_append(text, entity);
        else
            g_string_append_c(text, *at);
    }
    take_form(mask, text);
}

static void add_characters(struct mask *mask, const char *value, size_t length)
{
    g_autofree char *valid = g_utf8_make_valid(value, (gssize)length);
    static const struct {
        const char *escaped;
        bool ascii;
    } json[] = {
        {"", false},    {"", true},      /* Python, Ruby, JavaScript */
        {"/", false},   {"/", true},     /* PHP */
        {"<>&", false}, {"<>&='", false} /* Go, Gson */
    };
    static const char *const html[][2] = {{"&quot;", "&#x27;"}, {"&#34;", "&#39;"}, {"&quot;", "&#39;"}, {"\"", "'"}};

    add_form(mask, valid, strlen(valid), MASK_MIN_BYTES);
    for (size_t i = 0; i < G_N_ELEMENTS(json); i++)
        add_json(mask, valid, json[i].escaped, json[i].ascii);
    for (size_t i = 0; i < G_N_ELEMENTS(html); i++)
        add_html(mask, valid, html[i][0], html[i][1]);
    crypto_wipe(valid, strlen(valid));
}

/* ---- bytes ---- */

/* What stands before a character that a style does not write as it is. */
static bool is_escaped(const char *set, char byte)
{
    if (set)
        return byte && strchr(set, byte);
    return !g_ascii_isalnum(byte) && (guint8)byte < 0x80 && !strchr("_@%+=:,./-", byte); /* as printf %q does */
}

/* Texts between quotes as shells and languages write them. */
static void add_quoted(struct mask *mask, const char *value)
{
    static const struct {
        const char *escaped; /* with a backslash; NULL: all that could mean anything */
        const char *quote;   /* what a ' becomes, or NULL */
        bool newline_letter;
    } styles[] = {
        {"", "'\\''", false},    /* sh -x, printf '%s\n' "${x@Q}" */
        {"", "'\"'\"'", false},  /* Python's shlex */
        {NULL, NULL, false},     /* printf %q */
        {"\"\\$`", NULL, false}, /* declare -p */
        {"'\\", NULL, true},     /* $'…', languages' own strings */
        {"\\", NULL, true},      /* Python's repr() */
    };
    for (size_t i = 0; i < G_N_ELEMENTS(styles); i++) {
        GString *text = g_string_new(NULL);
        for (const char *at = value; *at; at++) {
            if (*at == '\'' && styles[i].quote)
                g_string_append(text, styles[i].quote);
            else if (*at == '\n' && styles[i].newline_letter)
                g_string_append(text, "\\n");
            else
                g_string_append_printf(text, "%s%c", is_escaped(styles[i].escaped, *at) ? "\\" : "", *at);
        }
        take_form(mask, text);
    }
}

/* kept: what stands as it is besides letters and digits. */
static void add_percent(struct mask *mask, const char *value, size_t length, const char *kept, bool upper, bool plus)
{
    GString *text = g_string_sized_new(3 * length + 1);

    for (size_t i = 0; i < length; i++) {
        if (g_ascii_isalnum(value[i]) || (value[i] && strchr(kept, value[i])))
            g_string_append_c(text, value[i]);
        else if (plus && value[i] == ' ')
            g_string_append_c(text, '+');
        else
            g_string_append_printf(text, upper ? "%%%02X" : "%%%02x", (guint8)value[i]);
    }
    take_form(mask, text);
}

static void add_hex(struct mask *mask, const char *value, size_t length, bool upper)
{
    GString *text = g_string_sized_new(2 * length + 1);

    for (size_t i = 0; i < length; i++)
        g_string_append_printf(text, upper ? "%02X" : "%02x", (guint8)value[i]);
    take_form(mask, text);
}

/* The characters that the value decides alone when `offset` bytes stand before it in the same base64 text. */
static void add_base64(struct mask *mask, const char *value, size_t length, size_t offset)
{
    static const size_t foreign_at_start[] = {0, 2, 3}, foreign_at_end[] = {0, 3, 2};
    char *padded = g_malloc0(offset + length);

    memcpy(padded + offset, value, length);
    char *text = g_base64_encode((const guchar *)padded, offset + length);
    size_t whole = strlen(text), end = whole - foreign_at_end[(offset + length) % 3];
    const char *own = text + foreign_at_start[offset];
    text[end] = '\0';
    if (strlen(own) >= PIECE_MIN_BYTES) {
        mask_add_form(mask, own, strlen(own), true);
        g_strdelimit(g_strdelimit(text, "+", '-'), "/", '_');
        mask_add_form(mask, own, strlen(own), true);
    }
    crypto_wipe(padded, offset + length);
    crypto_wipe(text, whole);
    g_free(padded);
    g_free(text);
}

bool mask_add(struct mask *mask, const char *value, size_t length)
{
    /* RFC 3986; encodeURIComponent; Python's quote(); Perl's and PHP's older ways; letters and digits alone */
    static const char *const kept_in_urls[] = {"-._~", "-._~!*'()", "-._~/", "-._", ""};

    if (length < MASK_MIN_BYTES)
        return false;
    add_form(mask, value, length, MASK_MIN_BYTES);
    add_lines(mask, value, length);
    add_characters(mask, value, length);
    add_quoted(mask, value);
    for (size_t i = 0; i < G_N_ELEMENTS(kept_in_urls); i++)
        for (int way = 0; way < 4; way++)
            add_percent(mask, value, length, kept_in_urls[i], way & 1, way & 2);
    add_hex(mask, value, length, false);
    add_hex(mask, value, length, true);
    for (size_t offset = 0; offset < 3; offset++)
        add_base64(mask, value, length, offset);
    return true;
}

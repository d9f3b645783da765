/* catalog_url: see the header. */
#include "jobs/catalog_url.h"
#include "core/errors.h"
#include <string.h>

/* "user:password@host:port/path" → where the host begins. */
static const char *after_user(const char *authority)
{
    size_t length = strcspn(authority, "/");
    const char *at = g_strrstr_len(authority, (gssize)length, "@");
    return at != NULL ? at + 1 : authority;
}

/* Takes "host", "host:port", "[address]:port" up to the path. */
static bool take_authority(const char *text, uint16_t default_port, struct catalog_url *ret)
{
    text = after_user(text);
    size_t length = strcspn(text, "/");
    g_autofree char *authority = g_strndup(text, length);
    char *end = authority[0] == '[' ? strchr(authority, ']') : strchrnul(authority, ':');
    if (end == NULL)
        return false;
    char *port = authority[0] == '[' ? end + 1 : end;
    guint64 number = default_port;
    if (*port == ':' && !g_ascii_string_to_unsigned(port + 1, 10, 1, 65535, &number, NULL))
        return false;
    if (*port != ':' && *port != '\0')
        return false;
    *end = '\0';
    ret->host = g_strdup(authority[0] == '[' ? authority + 1 : authority);
    ret->port = (uint16_t)number;
    return *ret->host != '\0';
}

/* user@host:path, told from a local path by a colon before any slash. */
static bool is_scp_form(const char *url)
{
    size_t before = strcspn(url, ":/");
    return before > 0 && url[before] == ':';
}

static bool take_scp(const char *url, struct catalog_url *ret)
{
    const char *path = strchr(url, ':') + 1;
    g_autofree char *authority = g_strndup(url, (size_t)(path - 1 - url));
    const char *host = after_user(authority);
    ret->host = g_strdup(host);
    ret->port = 22;
    return *host != '\0' && *host != '-' && *path != '\0' && *path != ':'; /* "ext::" is Git's door to programs */
}

static bool is_this_machine(const char *host)
{
    return strcmp(host, "127.0.0.1") == 0 || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

static bool parse(const char *url, struct catalog_url *ret)
{
    if (g_str_has_prefix(url, "https://")) {
        ret->transport = CATALOG_HTTPS;
        return take_authority(url + strlen("https://"), 443, ret);
    }
    if (g_str_has_prefix(url, "http://")) {
        ret->transport = CATALOG_HTTPS;
        return take_authority(url + strlen("http://"), 80, ret) && is_this_machine(ret->host);
    }
    if (g_str_has_prefix(url, "ssh://")) {
        ret->transport = CATALOG_SSH;
        return take_authority(url + strlen("ssh://"), 22, ret) && ret->host[0] != '-';
    }
    ret->transport = CATALOG_LOCAL;
    if (g_str_has_prefix(url, "file:///"))
        return true;
    if (strstr(url, "://") != NULL || *url == '\0')
        return false;
    if (!is_scp_form(url))
        return true;
    ret->transport = CATALOG_SSH;
    return take_scp(url, ret);
}

bool catalog_url_parse(const char *url, struct catalog_url *ret, GError **error)
{
    *ret = (struct catalog_url){0};
    if (parse(url, ret))
        return true;
    catalog_url_clear(ret);
    g_autofree char *shown = catalog_url_public(url);
    errors_set(error, ERROR_CONFIG,
               "not a local path, https:// or ssh:// repository (plain http:// only on this machine): '%s'", shown);
    return false;
}

void catalog_url_clear(struct catalog_url *url)
{
    g_free(url->host);
    *url = (struct catalog_url){0};
}

char *catalog_url_public(const char *url)
{
    const char *scheme = strstr(url, "://");
    if (scheme == NULL)
        return g_strdup(url); /* user@host:path holds no password */
    const char *authority = scheme + 3, *host = after_user(authority);
    return g_strdup_printf("%.*s%s", (int)(authority - url), url, host);
}

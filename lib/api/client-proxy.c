/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's URL, and the proxy on the way to it: which one the environment names is decided as Go's golang.org/x/net/http/httpproxy does,
 * which kubectl uses, and not as libcurl would; the headers of impersonation are those of client-go.
 */
#include <ctype.h>
#include <errno.h>

#include "client-private.h"

int server_url_parse(const char *url, struct server_url *ret)
{
	struct server_url u = { .tls = str_starts(url, "https://") };
	const char *p = strstr(url, "://"), *end, *port;
	uint64_t n;

	if (!u.tls && !str_starts(url, "http://"))
		return SD_EPARSE;
	p += 3;
	u.rest = p + strcspn(p, "/?#");
	end = u.rest;
	if (*p == '[') {
		port = memchr(p, ']', (size_t)(end - p));
		if (!port)
			return SD_EPARSE;
		p++;
		end = port++;
	} else {
		port = memchr(p, ':', (size_t)(end - p));
		end = port ? port : end;
	}
	if (end == p || (size_t)(end - p) >= sizeof(u.host) || memchr(p, '@', (size_t)(u.rest - p)))
		return SD_EPARSE;
	memcpy(u.host, p, (size_t)(end - p));
	u.port = u.tls ? 443 : 80;
	u.port_said = port && port < u.rest;
	if (u.port_said) {
		if (*port != ':' || parse_uint(port + 1, (size_t)(u.rest - port - 1), 65535, &n) < 0 || n == 0)
			return SD_EPARSE;
		u.port = (unsigned)n;
	}
	*ret = u;
	return 0;
}

/* ---- NO_PROXY ---- */

/* The name as NO_PROXY compares it: in lower case, no dot at the end. */
static void lower(const char *s, size_t size, struct strbuf *ret)
{
	while (size > 0 && s[size - 1] == '.')
		size--;
	for (size_t i = 0; i < size; i++)
		strbuf_addc(ret, (char)tolower((unsigned char)s[i]));
}

/* "host:port", "[addr]:port": cuts the port off @item. False: it is for another port. */
static bool same_port(struct strbuf *item, unsigned port)
{
	char *colon = item->s ? strrchr(item->s, ':') : NULL;
	struct ip_addr a;
	uint64_t n;

	if (!colon || ip_addr_parse(item->s, &a) == 0)
		return true;
	if (parse_uint(colon + 1, strlen(colon + 1), 65535, &n) < 0)
		return true;
	*colon = '\0';
	item->len = (size_t)(colon - item->s);
	return n == port;
}

static bool covers_address(const char *item, const struct ip_addr *a)
{
	CLEANUP(strbuf_release) struct strbuf plain = STRBUF_INIT;
	struct ip_prefix prefix;
	struct ip_addr one;

	if (strchr(item, '/'))
		return ip_prefix_parse(item, &prefix) == 0 && ip_prefix_contains(&prefix, a);
	if (*item == '[' && str_ends(item, "]"))
		strbuf_add(&plain, item + 1, strlen(item) - 2);
	else
		strbuf_adds(&plain, item);
	return ip_addr_parse(strbuf_str(&plain), &one) == 0 && ip_addr_equal(&one, a);
}

/* "example.com" covers itself and what is below, ".example.com" and "*.example.com" what is below. */
static bool covers_name(const char *item, const char *host)
{
	size_t n, m = strlen(host);
	bool below = false;

	if (str_starts(item, "*."))
		item++;
	if (*item == '.') {
		below = true;
		item++;
	}
	n = strlen(item);
	if (n == 0 || n > m || strcmp(host + m - n, item) != 0)
		return false;
	return n == m ? !below : host[m - n - 1] == '.';
}

static bool item_covers(const char *s, size_t size, const struct server_url *u, const char *host)
{
	CLEANUP(strbuf_release) struct strbuf item = STRBUF_INIT;
	struct ip_addr a;

	while (size > 0 && isspace((unsigned char)*s)) {
		s++;
		size--;
	}
	while (size > 0 && isspace((unsigned char)s[size - 1]))
		size--;
	lower(s, size, &item);
	if (item.len == 0)
		return false;
	if (strcmp(item.s, "*") == 0)
		return true;
	if (!strchr(item.s, '/') && !same_port(&item, u->port))
		return false;
	return ip_addr_parse(host, &a) == 0 ? covers_address(item.s, &a) : covers_name(item.s, host);
}

static bool without_proxy(const struct server_url *u, const char *no)
{
	CLEANUP(strbuf_release) struct strbuf host = STRBUF_INIT;
	struct ip_addr a;

	lower(u->host, strlen(u->host), &host);
	if (str_is(host.s, "localhost") || (ip_addr_parse(strbuf_str(&host), &a) == 0 && ip_addr_is_loopback(&a)))
		return true;
	while (no && *no) {
		size_t n = strcspn(no, ",");

		if (item_covers(no, n, u, strbuf_str(&host)))
			return true;
		no += n + (no[n] == ',');
	}
	return false;
}

/* ---- proxies ---- */

/* Go lets a SOCKS5 proxy resolve the server's name, which libcurl calls socks5h; an address without scheme is an HTTP proxy. */
void proxy_for_curl(const char *url, struct strbuf *ret)
{
	if (str_starts(url, "socks5://"))
		strbuf_addf(ret, "socks5h://%s", url + strlen("socks5://"));
	else
		strbuf_addf(ret, strstr(url, "://") ? "%s" : "http://%s", url);
}

void proxy_of_environment(const struct server_url *u, const char *https, const char *http, const char *no, struct strbuf *ret)
{
	const char *url = u->tls ? https : http;

	if (url && *url && !without_proxy(u, no))
		proxy_for_curl(url, ret);
}

void url_without_secret(const char *url, struct strbuf *ret)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const char *p = strstr(url, "://"), *at;

	p = p ? p + 3 : url;
	strbuf_add(&b, url, (size_t)(p - url));
	at = memrchr(p, '@', strcspn(p, "/?#"));
	strbuf_adds(&b, at ? at + 1 : p);
	if (b.failed)
		ret->failed = true;
	else
		strbuf_add_clean(ret, strbuf_str(&b));
}

/* ---- impersonation ---- */

struct sink {
	int (*add)(void *arg, const char *line);
	void *arg;
};

/* What cannot stand in a header, is not sent: SD_EUSAGE. */
static int send_line(const struct sink *k, struct strbuf *b, const char *value)
{
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return SD_EUSAGE;
	strbuf_adds(b, value);
	return b->failed ? -ENOMEM : k->add(k->arg, strbuf_str(b));
}

static int send_header(const struct sink *k, const char *name, const char *value)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	if (!value || !*value)
		return 0;
	strbuf_addf(&b, "%s: ", name);
	return send_line(k, &b, value);
}

/* Keys may be any text; what is no character of a header's name (RFC 9110, 5.6.2) is percent-encoded, and so is '%'. */
static int send_extra(const struct sink *k, const struct api_exec_env *e)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "Impersonate-Extra-");
	for (const char *p = e->name; *p; p++)
		if (isalnum((unsigned char)*p) || strchr("!#$&'*+-.^_`|~", *p))
			strbuf_addc(&b, *p);
		else
			strbuf_addf(&b, "%%%02X", (unsigned char)*p);
	strbuf_adds(&b, ": ");
	return send_line(k, &b, e->value ? e->value : "");
}

int impersonation_headers(const struct api_access *access, int (*add)(void *arg, const char *line), void *arg)
{
	const struct sink k = { add, arg };
	int r = send_header(&k, "Impersonate-User", access->as);

	if (r == 0)
		r = send_header(&k, "Impersonate-Uid", access->as_uid);
	for (size_t i = 0; r == 0 && i < access->nas_groups; i++)
		r = send_header(&k, "Impersonate-Group", access->as_groups[i]);
	for (size_t i = 0; r == 0 && i < access->nas_extra; i++)
		r = send_extra(&k, &access->as_extra[i]);
	return r;
}

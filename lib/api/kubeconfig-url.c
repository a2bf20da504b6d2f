/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address of a server: "https://10.0.0.1:6443/prefix", or a host alone, which is plain HTTP. After client-go's rest/url_utils.go: what is
 * no URL with a host gets "http://" before it and may then have no path; query and fragment do not count.
 */
#include <ctype.h>
#include <errno.h>

#include "kubeconfig-private.h"

/* Length of "https" in "https://...": a scheme that a host follows; 0: none. */
static size_t scheme_length(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || (n > 0 && s[n] && strchr("+-.", s[n])))
		n++;
	if (n == 0 || !isalpha((unsigned char)s[0]) || !str_starts(s + n, "://"))
		return 0;
	return s[n + 3] && !strchr("/?#", s[n + 3]) ? n : 0;
}

static bool is_plain(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] <= ' ' || (unsigned char)s[i] >= 0x7f || strchr("\"<>\\^`{|}", s[i]))
			return false;
	}
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Percent-decoded; NULL: -ENOMEM. */
static const char *decode(struct arena *arena, const char *s, size_t len)
{
	char *out = arena_alloc(arena, len + 1);
	size_t n = 0;

	for (size_t i = 0; out && i < len; i++) {
		int high = s[i] == '%' && i + 2 < len ? hex_digit(s[i + 1]) : -1, low = high >= 0 ? hex_digit(s[i + 2]) : -1;

		out[n++] = low >= 0 ? (char)(high << 4 | low) : s[i];
		i += low >= 0 ? 2 : 0;
	}
	return out;
}

/* "user:password@" before the host; returns where the host begins. */
static const char *take_userinfo(struct arena *arena, const char *authority, size_t len, struct server_url *u)
{
	const char *at = memrchr(authority, '@', len), *colon;

	if (!at)
		return authority;
	colon = memchr(authority, ':', (size_t)(at - authority));
	u->username = decode(arena, authority, (size_t)((colon ? colon : at) - authority));
	u->password = colon ? decode(arena, colon + 1, (size_t)(at - colon - 1)) : "";
	return at + 1;
}

static bool port_ok(const char *host, size_t len)
{
	const char *bracket = memrchr(host, ']', len), *colon = memrchr(host, ':', len);
	uint64_t port;

	if (*host == '[' && !bracket)
		return false;
	if (!colon || (bracket && colon < bracket))
		return true;
	size_t digits = len - (size_t)(colon + 1 - host);
	return digits == 0 || parse_uint(colon + 1, digits, 65535, &port) == 0;
}

int server_parse(struct arena *arena, const char *text, struct server_url *ret, const char **ret_why)
{
	size_t scheme = scheme_length(text), host_len, path_len;
	const char *authority = text + (scheme ? scheme + 3 : 0), *path = authority + strcspn(authority, "/?#"), *host;
	struct server_url u = { .tls = scheme == 5 && strncasecmp(text, "https", 5) == 0 };

	path_len = strcspn(path, "?#");
	while (path_len > 0 && path[path_len - 1] == '/')
		path_len--;
	host = take_userinfo(arena, authority, (size_t)(path - authority), &u);
	host_len = (size_t)(path - host);
	*ret_why = NULL;
	if (scheme && !u.tls && (scheme != 4 || strncasecmp(text, "http", 4) != 0))
		*ret_why = "its scheme is neither http nor https";
	else if (!scheme && path_len > 0)
		*ret_why = "it is neither a URL nor a host with a port";
	else if (host_len == 0 || !is_plain(host, host_len) || !is_plain(path, path_len) || !port_ok(host, host_len))
		*ret_why = "it is no valid URL";
	if (*ret_why)
		return SD_EPARSE;
	u.url = arena_printf(arena, "http%s://%.*s%.*s", u.tls ? "s" : "", (int)host_len, host, (int)path_len, path);
	if (!u.url || (u.password && (!u.username || !u.password)))
		return -ENOMEM;
	*ret = u;
	return 0;
}

bool proxy_url_ok(const char *url)
{
	static const char *const schemes[] = { "http", "https", "socks5" };
	size_t n = scheme_length(url);

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (n == strlen(schemes[i]) && strncasecmp(url, schemes[i], n) == 0)
			return is_plain(url, strlen(url));
	}
	return false;
}

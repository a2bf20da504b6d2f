/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A SERVICE of the command line, as far as it must be understood to ask for it: which names it may mean, and which address or port.
 * What it means in the end is decided over the snapshot (lib/checks/resolve.c); to ask for one Service too many does no harm.
 */

#include <errno.h>

#include <svcdoctor/names.h>

#include "live-private.h"

#define WORD_MAX 1024

static int add_name(struct live_word *w, const char *ns, const char *name)
{
	if (!ns || !name)
		return -ENOMEM;
	if (w->nnames < ARRAY_LEN(w->names))
		w->names[w->nnames++] = (struct snap_name){ ns, name };
	return 0;
}

static bool is_label(const char *s)
{
	return is_k8s_name(s) && !strchr(s, '.');
}

/* "host", "host:port", "[v6]:port", "scheme://user@host:port/path". The host in the arena; NULL: out of memory, or none. */
static const char *split_host(struct arena *arena, const char *text, uint16_t *ret_port)
{
	const char *scheme = strstr(text, "://"), *host = scheme ? scheme + 3 : text, *at, *colon, *port = NULL;
	size_t len = scheme ? strcspn(host, "/?#") : strlen(host);
	uint64_t number;

	at = scheme ? memchr(host, '@', len) : NULL;
	if (at) {
		len -= (size_t)(at + 1 - host);
		host = at + 1;
	}
	at = len > 0 && host[0] == '[' ? memchr(host, ']', len) : NULL;
	if (at) {
		port = (size_t)(at + 1 - host) < len && at[1] == ':' ? at + 2 : NULL;
		host++;
		len = (size_t)(at - host);
	} else {
		colon = memchr(host, ':', len);
		if (colon && !memchr(colon + 1, ':', len - (size_t)(colon + 1 - host))) {
			port = colon + 1;
			len = (size_t)(colon - host);
		}
	}
	if (port && parse_uint(port, strspn(port, "0123456789"), UINT16_MAX, &number) == 0)
		*ret_port = (uint16_t)number;
	return arena_strndup(arena, host, len);
}

/* "svc/name", "ns/name", with a port behind it or not. True: it has that form. */
static bool has_slash(struct arena *arena, const char *text, const char **ret_ns, const char **ret_rest)
{
	const char *slash = strstr(text, "://") ? NULL : strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : 0;

	if (!slash || memchr(text, ':', len)) /* the slash of "53/UDP" */
		return false;
	*ret_rest = slash + 1;
	*ret_ns = NULL;
	if ((len == 3 && strncasecmp(text, "svc", 3) == 0) || (len == 7 && strncasecmp(text, "service", 7) == 0) ||
	    (len == 8 && strncasecmp(text, "services", 8) == 0))
		return true;
	*ret_ns = arena_strndup(arena, text, len);
	return true;
}

int live_word_parse(struct arena *arena, const char *text, const char *ns, struct live_word *ret)
{
	struct live_word w = { 0 };
	char name[64], in[64];
	const char *own = NULL, *rest;
	int r = 0;

	*ret = w;
	if (strlen(text) >= WORD_MAX)
		return 0;
	if (has_slash(arena, text, &own, &rest)) {
		text = rest;
		ns = own ? own : ns;
	}
	w.host = split_host(arena, text, &w.port);
	if (!w.host)
		return -ENOMEM;
	if (ip_addr_parse(w.host, &w.addr) < 0) {
		if (is_label(w.host) && is_k8s_name(ns))
			r = add_name(&w, arena_strdup(arena, ns), w.host);
		if (r == 0 && !own && service_name_split(w.host, NULL, name, in) == 0 && in[0])
			r = add_name(&w, arena_strdup(arena, in), arena_strdup(arena, name));
	}
	*ret = w;
	return r;
}

static bool has_address(const struct k8s_service *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->ncluster_ips; i++) {
		if (ip_addr_equal(&s->cluster_ips[i], a))
			return true;
	}
	for (size_t i = 0; i < s->nexternal_ips; i++) {
		if (ip_addr_equal(&s->external_ips[i], a))
			return true;
	}
	for (size_t i = 0; i < s->ningress; i++) {
		if (s->ingress[i].ip.family && ip_addr_equal(&s->ingress[i].ip, a))
			return true;
	}
	return false;
}

static bool has_host_name(const struct k8s_service *s, const char *host)
{
	for (size_t i = 0; i < s->ningress; i++) {
		if (s->ingress[i].hostname && strcasecmp(s->ingress[i].hostname, host) == 0)
			return true;
	}
	return false;
}

static bool has_node_port(const struct k8s_service *s, uint16_t port)
{
	for (size_t i = 0; i < s->nports; i++) {
		const struct k8s_service_port *p = &s->ports[i];

		if (p->node_port && (p->node_port == port || p->port == port || p->target.number == port))
			return true;
	}
	return s->health_check_node_port && s->health_check_node_port == port;
}

unsigned live_word_match(const struct live_word *w, const struct k8s_service *s)
{
	for (size_t i = 0; i < w->nnames; i++) {
		if (strcmp(w->names[i].name, s->meta.name) == 0 && strcmp(w->names[i].ns, s->meta.ns) == 0)
			return 3;
	}
	if (w->addr.family && has_address(s, &w->addr))
		return 2;
	if (w->host && has_host_name(s, w->host))
		return 2;
	return w->port && has_node_port(s, w->port);
}

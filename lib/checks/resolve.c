/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose question: the Services that a word of the command line names. Forms are tried from the most exact to the
 * loosest; a word that names nothing gives the names that come near it.
 */
#include <netinet/in.h>

#include <svcdoctor/names.h>

#include "checks-private.h"

#define SIMILAR_MAX 8
#define WORD_MAX 1024

/* A word taken apart: host and port of "[v6]:port", "host:port", "scheme://host:port/path". */
struct word {
	char host[WORD_MAX];
	uint16_t port; /* 0: none given */
	uint8_t proto; /* 0: none given */
	bool url;
	bool implied; /* the port is that of the scheme */
};

static int take_port(struct word *w, const char *s, size_t len)
{
	const char *slash = memchr(s, '/', len);
	size_t n = slash ? (size_t)(slash - s) : len;
	uint64_t v;

	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return SD_EPARSE;
	if (parse_uint(s, n, 65535, &v) < 0 || v == 0)
		return SD_EPARSE;
	w->port = (uint16_t)v;
	w->implied = false;
	if (slash && !w->url && proto_parse(slash + 1, len - n - 1, &w->proto) < 0)
		return SD_EPARSE;
	return 0;
}

static uint16_t scheme_port(const char *scheme, size_t len)
{
	static const struct {
		const char *name;
		uint16_t port;
	} known[] = { { "http", 80 }, { "https", 443 }, { "ws", 80 }, { "wss", 443 } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strlen(known[i].name) == len && strncasecmp(scheme, known[i].name, len) == 0)
			return known[i].port;
	return 0;
}

static int split_word(const char *text, struct word *w)
{
	const char *scheme = strstr(text, "://"), *at, *colon, *end;
	size_t len;

	*w = (struct word){ .url = scheme != NULL };
	if (scheme) {
		w->port = scheme_port(text, (size_t)(scheme - text));
		w->implied = w->port != 0;
		text = scheme + 3;
	}
	len = w->url ? strcspn(text, "/?#") : strlen(text);
	at = w->url ? memchr(text, '@', len) : NULL;
	if (at) {
		len -= (size_t)(at + 1 - text);
		text = at + 1;
	}
	if (len == 0 || len >= sizeof(w->host))
		return SD_EPARSE;
	if (text[0] == '[') {
		end = memchr(text, ']', len);
		if (!end)
			return SD_EPARSE;
		memcpy(w->host, text + 1, (size_t)(end - text - 1));
		len -= (size_t)(end + 1 - text);
		return len == 0 ? 0 : end[1] == ':' ? take_port(w, end + 2, len - 1) : SD_EPARSE;
	}
	colon = memchr(text, ':', len);
	if (colon && memchr(colon + 1, ':', len - (size_t)(colon + 1 - text)))
		colon = NULL; /* IPv6 without brackets has no port */
	memcpy(w->host, text, colon ? (size_t)(colon - text) : len);
	return colon ? take_port(w, colon + 1, len - (size_t)(colon + 1 - text)) : 0;
}

/* ---- by address ---- */

static bool port_matches(const struct k8s_service *s, const struct word *w)
{
	if (!w->port)
		return true;
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].port == w->port && (!w->proto || s->ports[i].proto == w->proto))
			return true;
	return false;
}

static bool has_address(const struct k8s_service *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->ncluster_ips; i++)
		if (ip_addr_equal(&s->cluster_ips[i], a))
			return true;
	for (size_t i = 0; i < s->nexternal_ips; i++)
		if (ip_addr_equal(&s->external_ips[i], a))
			return true;
	for (size_t i = 0; i < s->ningress; i++)
		if (s->ingress[i].ip.family && ip_addr_equal(&s->ingress[i].ip, a))
			return true;
	return false;
}

static bool has_node_port(const struct k8s_service *s, const struct word *w)
{
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].node_port == w->port && (!w->proto || s->ports[i].proto == w->proto))
			return true;
	return s->health_check_node_port == w->port && (!w->proto || w->proto == IPPROTO_TCP);
}

static int by_node_port(const struct k8s_cluster *c, const struct word *w, struct service_list *ret)
{
	for (size_t i = 0; w->port && i < c->services.len; i++)
		if (has_node_port(c->services.v[i], w) && array_push(&ret->v, c->services.v[i]) < 0)
			return -ENOMEM;
	return 0;
}

static bool is_node_address(const struct snapshot *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->cluster.nodes.len; i++)
		for (size_t j = 0; j < s->cluster.nodes.v[i]->naddresses; j++)
			if (ip_addr_equal(&s->cluster.nodes.v[i]->addresses[j].ip, a))
				return true;
	for (size_t i = 0; i < s->nodes.len; i++)
		if (map_get(&s->nodes.v[i]->facts.locals, a, sizeof(*a)))
			return true;
	return false;
}

/*
 * A port that no Service has at a node, and that is port or targetPort of a Service with a node port: that one is meant where
 * there is no other.
 */
static const struct k8s_service_port *meant_at_node(const struct k8s_service *s, const struct word *w)
{
	for (size_t i = 0; w->port && i < s->nports; i++) {
		const struct k8s_service_port *p = &s->ports[i];

		if (p->node_port && (!w->proto || p->proto == w->proto) &&
		    (p->port == w->port || (!p->target.name && p->target.number == w->port)))
			return p;
	}
	return NULL;
}

static int by_meant_port(const struct k8s_cluster *c, const struct word *w, struct service_list *ret)
{
	const struct k8s_service *only = NULL;

	for (size_t i = 0; i < c->services.len; i++) {
		if (!meant_at_node(c->services.v[i], w))
			continue;
		if (only)
			return 0;
		only = c->services.v[i];
	}
	return only ? array_push(&ret->v, only) : 0;
}

static int at_node(const struct k8s_cluster *c, const struct word *w, struct service_list *ret)
{
	int r = by_node_port(c, w, ret);

	ret->asked.place = ASKED_NODE;
	return r < 0 || ret->v.len ? r : by_meant_port(c, w, ret);
}

static bool has_cluster_ip(const struct k8s_service *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->ncluster_ips; i++)
		if (ip_addr_equal(&s->cluster_ips[i], a))
			return true;
	return false;
}

static int by_address(const struct snapshot *s, const struct ip_addr *a, const struct word *w, struct service_list *ret)
{
	const struct k8s_cluster *c = &s->cluster;
	const bool node = is_node_address(s, a) || ip_addr_is_loopback(a);
	bool known = false;

	for (size_t i = 0; i < c->services.len; i++) {
		if (!has_address(c->services.v[i], a))
			continue;
		known = true;
		if (!port_matches(c->services.v[i], w))
			continue;
		if (array_push(&ret->v, c->services.v[i]) < 0)
			return -ENOMEM;
		ret->asked.place = has_cluster_ip(c->services.v[i], a) ? ASKED_SERVICE : ASKED_ADDRESS;
	}
	if (ret->v.len)
		return 0;
	if (node && by_node_port(c, w, ret) < 0)
		return -ENOMEM;
	if (ret->v.len) {
		ret->asked.place = ASKED_NODE;
		return 0;
	}
	/* a port that no Service has there: the address still says which Services are meant */
	for (size_t i = 0; known && i < c->services.len; i++) {
		if (!has_address(c->services.v[i], a))
			continue;
		if (array_push(&ret->v, c->services.v[i]) < 0)
			return -ENOMEM;
		ret->asked.place = has_cluster_ip(c->services.v[i], a) ? ASKED_SERVICE : ASKED_ADDRESS;
	}
	return !ret->v.len && node ? at_node(c, w, ret) : 0;
}

static bool is_node_name(const struct snapshot *s, const char *host)
{
	if (k8s_find_node(&s->cluster, host))
		return true;
	for (size_t i = 0; i < s->nodes.len; i++)
		if (strcmp(s->nodes.v[i]->name, host) == 0)
			return true;
	return false;
}

/* ---- by name ---- */

static bool kind_prefix(const char *s)
{
	static const char *const kinds[] = { "svc", "service", "services" };
	size_t n = strcspn(s, "/");

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strlen(kinds[i]) == n && strncasecmp(s, kinds[i], n) == 0)
			return true;
	return false;
}

static int add_named(const struct snapshot *s, const char *ns, const char *name, struct service_list *ret)
{
	const struct k8s_service *found = ns && ns[0] ? k8s_find_service(&s->cluster, ns, name) : NULL;

	/* no Service has a dot in its name */
	if (!found && s->extents[K8S_SERVICES].limited && !strchr(name, '.') && !(ns && snapshot_would_have(s, K8S_SERVICES, ns, name)))
		ret->unread = true;
	return found ? array_push(&ret->v, found) : 0;
}

/* "a.b", "a.b.svc", "a.b.svc.cluster.local." and the load balancers' host names. */
static int by_dns_name(const struct snapshot *s, const char *host, const char *ns, struct service_list *ret)
{
	const struct k8s_cluster *c = &s->cluster;
	char name[64] = "", in[64] = "";
	size_t n = strlen(host);
	int r;

	if (n && host[n - 1] == '.' && n > 1)
		n--;
	if (service_name_split(host, NULL, name, in) == 0) {
		r = add_named(s, in[0] ? in : ns, name, ret);
		if (r < 0 || ret->v.len)
			return r;
	} else {
		ret->unread |= s->extents[K8S_SERVICES].limited;
	}
	for (size_t i = 0; i < c->services.len; i++)
		for (size_t j = 0; j < c->services.v[i]->ningress; j++) {
			const char *h = c->services.v[i]->ingress[j].hostname;

			if (h && strlen(h) == n && strncasecmp(h, host, n) == 0) {
				ret->asked.place = ASKED_ADDRESS;
				return array_push(&ret->v, c->services.v[i]);
			}
		}
	return 0;
}

static int by_name(const struct snapshot *s, const char *text, const char *ns, struct service_list *ret,
		   char name[static WORD_MAX], struct word *w)
{
	const char *slash = strchr(text, '/');
	CLEANUP(strbuf_release) struct strbuf in = STRBUF_INIT;
	int r;

	if (slash && !strstr(text, "://")) {
		if (kind_prefix(text)) {
			const char *again = strchr(slash + 1, '/');

			if (!again)
				return by_name(s, slash + 1, ns, ret, name, w);
			if (strchr(slash + 1, ':') && strchr(slash + 1, ':') < again)
				return by_name(s, slash + 1, ns, ret, name, w); /* svc/name:53/UDP */
			return -ENOENT;
		}
		strbuf_add(&in, text, (size_t)(slash - text));
		if (!strchr(slash + 1, '/') && is_k8s_name(strbuf_str(&in)) && is_k8s_name(slash + 1)) {
			memcpy(name, slash + 1, strlen(slash + 1) + 1);
			return in.failed ? -ENOMEM : add_named(s, strbuf_str(&in), name, ret);
		}
		if (is_k8s_name(strbuf_str(&in)) && split_word(slash + 1, w) == 0 && is_k8s_name(w->host)) {
			memcpy(name, w->host, sizeof(w->host));
			return in.failed ? -ENOMEM : add_named(s, strbuf_str(&in), name, ret);
		}
	}
	if (split_word(text, w) < 0)
		return 0;
	memcpy(name, w->host, sizeof(w->host));
	r = add_named(s, ns, w->host, ret);
	if (r < 0 || ret->v.len)
		return r;
	if (w->port && is_node_name(s, w->host)) {
		r = at_node(&s->cluster, w, ret);
		if (r < 0 || ret->v.len)
			return r;
		ret->unread |= s->extents[K8S_SERVICES].limited;
	}
	ret->asked.place = ASKED_SERVICE;
	return by_dns_name(s, w->host, ns, ret);
}

/* ---- what is similar ---- */

struct similar {
	const struct k8s_service *s;
	unsigned distance;
};

static int similar_order(const void *a, const void *b)
{
	const struct similar *x = a, *y = b;
	int c;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	c = strcmp(x->s->meta.ns, y->s->meta.ns);
	return c ? c : strcmp(x->s->meta.name, y->s->meta.name);
}

static int find_similar(struct arena *arena, const struct k8s_cluster *c, const char *name, const char *ns,
			const char *const **ret, size_t *ret_n)
{
	const char *bare = strchr(name, '.') ? arena_strndup(arena, name, strcspn(name, ".")) : name;
	ARRAY_OF(struct similar) v = { 0 };
	const char **names;
	size_t n;

	if (!bare)
		return -ENOMEM;
	for (size_t i = 0; bare[0] && i < c->services.len; i++) {
		const struct k8s_meta *m = &c->services.v[i]->meta;
		unsigned limit = strlen(bare) < 5    ? 1
				 : strlen(bare) < 10 ? 2
						     : 3,
			 d = edit_distance(bare, m->name, limit);

		if (d > limit && strlen(bare) >= 3 &&
		    (strstr(m->name, bare) || (strlen(m->name) >= 3 && strstr(bare, m->name))))
			d = limit;
		/* the same name elsewhere is the likeliest slip, then one letter here */
		if (d <= limit &&
		    array_push(&v, ((struct similar){ c->services.v[i],
						      2 * d + (ns && strcmp(ns, m->ns) == 0 ? 0 : 1) })) < 0) {
			array_free(&v);
			return -ENOMEM;
		}
	}
	if (v.len)
		qsort(v.v, v.len, sizeof(*v.v), similar_order);
	n = MIN(v.len, (size_t)SIMILAR_MAX);
	names = arena_array(arena, const char *, n + 1);
	for (size_t i = 0; names && i < n; i++)
		names[i] = arena_printf(arena, "%s/%s", v.v[i].s->meta.ns, v.v[i].s->meta.name);
	array_free(&v);
	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!names[i])
			return -ENOMEM;
	*ret = names;
	*ret_n = n;
	return 0;
}

/* At a node: where the Services are that have this port elsewhere, "default/web at node1:32035". Several: which one is meant is not known. */
static int find_at_node(struct arena *arena, const struct k8s_cluster *c, const struct word *w, const char *const **ret, size_t *ret_n)
{
	const char **names = arena_array(arena, const char *, SIMILAR_MAX);
	const char *colon = strchr(w->host, ':') ? "]:" : ":";
	size_t n = 0;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < c->services.len && n < SIMILAR_MAX; i++) {
		const struct k8s_service *s = c->services.v[i];
		const struct k8s_service_port *p = meant_at_node(s, w);

		if (!p)
			continue;
		names[n] = arena_printf(arena, "%s/%s at %s%s%s%u", s->meta.ns, s->meta.name, colon[0] == ']' ? "[" : "", w->host, colon,
					p->node_port);
		if (!names[n++])
			return -ENOMEM;
	}
	*ret = names;
	*ret_n = n;
	return 0;
}

int service_resolve(struct arena *arena, const struct snapshot *s, const char *text, const char *ns,
		    struct service_list *ret, const char *const **ret_similar, size_t *ret_nsimilar)
{
	char name[WORD_MAX] = "";
	struct word w = { 0 };
	struct ip_addr a;
	int r = 0;

	*ret_similar = NULL;
	*ret_nsimilar = 0;
	ret->asked = (struct asked_port){ 0 };
	if (!text[0] || strlen(text) >= WORD_MAX)
		return -ENOENT;
	if (split_word(text, &w) == 0 && ip_addr_parse(w.host, &a) == 0) {
		r = by_address(s, &a, &w, ret);
		ret->unread = s->extents[K8S_SERVICES].limited;
	} else {
		r = by_name(s, text, ns, ret, name, &w);
	}
	if (r < 0 && r != -ENOENT)
		return r;
	ret->asked.port = w.port;
	ret->asked.proto = w.proto;
	ret->asked.implied = w.implied;
	if (ret->v.len)
		return 0;
	if (w.port && (is_node_name(s, w.host) || (ip_addr_parse(w.host, &a) == 0 && is_node_address(s, &a)))) {
		r = find_at_node(arena, &s->cluster, &w, ret_similar, ret_nsimilar);
		if (r < 0 || *ret_nsimilar)
			return r < 0 ? r : -ENOENT;
	}
	r = find_similar(arena, &s->cluster, name, ns, ret_similar, ret_nsimilar);
	return r < 0 ? r : -ENOENT;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads `ip -j route show table all` into a node's routes. The output names no family: addresses tell it, and where
 * there is none ("default" without gateway, "blackhole default") the member "pref", which IPv6 routes alone have.
 */
#include <errno.h>

#include "ip-json-private.h"

/* As ip prints them, in the order of enum node_route_type; the number is RTN_* for `ip -N`. */
static const struct {
	const char *name;
	uint32_t number;
} route_types[] = {
	[RT_UNICAST] = { "unicast", 1 }, [RT_LOCAL] = { "local", 2 }, [RT_BROADCAST] = { "broadcast", 3 },
	[RT_ANYCAST] = { "anycast", 4 }, [RT_MULTICAST] = { "multicast", 5 }, [RT_BLACKHOLE] = { "blackhole", 6 },
	[RT_UNREACHABLE] = { "unreachable", 7 }, [RT_PROHIBIT] = { "prohibit", 8 }, [RT_THROW] = { "throw", 9 },
};

static enum node_route_type type_of(const json_t *item)
{
	const json_t *v = json_object_get(item, "type");
	const char *s = json_string_value(v);
	uint64_t n = 0;

	if (!v)
		return RT_UNICAST;
	if (json_is_integer(v))
		n = (uint64_t)json_integer_value(v);
	else if (!s || parse_uint(s, strlen(s), UINT32_MAX, &n) < 0)
		n = 0;
	for (size_t i = 0; i < ARRAY_LEN(route_types); i++) {
		if (n ? n == route_types[i].number : s && strcmp(s, route_types[i].name) == 0)
			return (enum node_route_type)i;
	}
	return RT_OTHER;
}

/* Gateway ("gateway", or "via" for one of the other family), device and state of a route or of one of its next hops. */
static int read_hop(struct ip_reader *r, const json_t *o, struct node_hop *h)
{
	if (ip_address(r, o, "gateway", &h->gateway) < 0)
		return SD_EPARSE;
	if (json_obj(o, "via") && ip_address(r, json_obj(o, "via"), "host", &h->gateway) < 0)
		return SD_EPARSE;
	h->linkdown = ip_has_word(o, "flags", "linkdown");
	h->dead = ip_has_word(o, "flags", "dead");
	return ip_copy(r, o, "dev", &h->dev);
}

static void use_hop(struct node_route *t, const struct node_hop *h)
{
	t->dev = h->dev;
	t->gateway = h->gateway;
	t->has_gateway = h->gateway.family != 0;
	t->linkdown = h->linkdown;
	t->dead = h->dead;
}

static int read_hops(struct ip_reader *r, const json_t *list, struct node_route *t)
{
	size_t n = json_array_size(list);
	struct node_hop *v = arena_array(&r->f->arena, struct node_hop, n);

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int e = read_hop(r, json_array_get(list, i), &v[i]);

		if (e < 0)
			return e;
	}
	t->hops = v;
	t->nhops = (uint32_t)n;
	t->multipath = n > 1;
	use_hop(t, &v[0]);
	for (size_t i = n; i-- > 0;) {
		if (!v[i].dead)
			use_hop(t, &v[i]);
	}
	return 0;
}

/* "default" and "all" leave the family open. 1: it is said, 0: it is not, SD_EPARSE: noted. */
static int read_prefix(struct ip_reader *r, const json_t *item, const char *key, struct ip_prefix *ret)
{
	const char *s = json_str(item, key);

	if (!s || strcmp(s, "default") == 0 || strcmp(s, "all") == 0 || strcmp(s, "any") == 0)
		return 0;
	if (ip_prefix_parse(s, ret) == 0)
		return 1;
	ip_bad(r, "a route has a bad \"%s\": '%s'", key, s);
	return SD_EPARSE;
}

static uint8_t family_of(const json_t *item, const struct node_route *t)
{
	const char *via = json_str(json_obj(item, "via"), "family");

	if (t->dst.addr.family)
		return t->dst.addr.family;
	if (t->prefsrc.family)
		return t->prefsrc.family;
	if (t->from.addr.family)
		return t->from.addr.family;
	/* A gateway of the other family is a "via", and the only such case is IPv4 through IPv6. */
	if (via || json_obj(json_array_get(json_arr(item, "nexthops"), 0), "via"))
		return AF_INET;
	if (json_str(item, "pref"))
		return AF_INET6;
	return t->has_gateway ? t->gateway.family : AF_INET;
}

/* "0x10", or a name from rt_dsfield: some TOS that is not 0. */
static uint8_t tos_of(const json_t *item)
{
	const char *s = json_str(item, "tos");
	uint64_t n;

	if (!s)
		return 0;
	return parse_uint(s, strlen(s), UINT8_MAX, &n) == 0 ? (uint8_t)n : 1;
}

/* 0, SD_EPARSE with a note, -ENOMEM. */
static int read_route(struct ip_reader *r, const json_t *item, struct node_route *t)
{
	const json_t *hops = json_arr(item, "nexthops");
	struct node_hop hop = { 0 };
	int e;

	if (!json_str(item, "dst")) {
		ip_bad(r, "a route has no \"dst\"");
		return SD_EPARSE;
	}
	if (read_prefix(r, item, "dst", &t->dst) < 0 || read_prefix(r, item, "from", &t->from) < 0 ||
	    ip_address(r, item, "prefsrc", &t->prefsrc) < 0 || !ip_number(r, item, "metric", 0, &t->metric))
		return SD_EPARSE;
	if (hops && json_array_size(hops) > 0) {
		e = read_hops(r, hops, t);
	} else {
		e = read_hop(r, item, &hop);
		use_hop(t, &hop);
	}
	if (e < 0)
		return e;
	t->type = type_of(item);
	t->family = family_of(item, t);
	t->dst.addr.family = t->family;
	t->table = ip_table(item, 254);
	t->scope = ip_scope(item, SCOPE_GLOBAL);
	t->tos = tos_of(item);
	return 0;
}

static int take_route(struct ip_reader *r, const json_t *item)
{
	struct node_route t = { 0 };
	int e = read_route(r, item, &t);

	if (e == SD_EPARSE)
		return 0;
	if (e < 0)
		return e;
	/* The null entry of IPv6, which old kernels show in no table; and what is in the cache. */
	if (t.table == 0 || ip_has_word(item, "flags", "cache"))
		return 0;
	return array_push(&r->f->routes, t);
}

int read_ip_route(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes)
{
	struct ip_reader r = { .f = f, .file = file, .notes = notes };
	int e = ip_each(&r, data, size, take_route);

	if (e == 0)
		f->routes_known = true;
	return e;
}

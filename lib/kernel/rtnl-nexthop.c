/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Next hops as objects of their own (linux/nexthop.h). With net.ipv4.nexthop_compat_mode=0 a route has only the number of one, and then
 * `ip route` without -d prints no device: here the route has "nexthops" all the same, as if it had come with them.
 */
#include <errno.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "rtnl-private.h"

#define OBJECTS_MAX (1u << 20)

static int note_object(void *arg, const struct rtnl_message *m)
{
	const struct nlattr *tb[NHA_MAX + 1];
	const struct nhmsg *h = m->header;
	struct rtnl_hops *v = arg;
	struct rtnl_hop hop = { .flags = h->nh_flags, .from = v->members.len };
	int e = 0;

	if (m->type != RTM_NEWNEXTHOP)
		return 0;
	if (v->v.len >= OBJECTS_MAX || v->members.len >= OBJECTS_MAX)
		return -EFBIG;
	rtnl_attrs(m->attrs, m->attrs_size, tb, NHA_MAX);
	hop.id = (uint32_t)rtnl_num(tb[NHA_ID], 0);
	hop.ifindex = (uint32_t)rtnl_num(tb[NHA_OIF], 0);
	if (tb[NHA_GATEWAY])
		(void)rtnl_addr(rtnl_size(tb[NHA_GATEWAY]) == 4 ? AF_INET : AF_INET6, rtnl_data(tb[NHA_GATEWAY]), rtnl_size(tb[NHA_GATEWAY]), &hop.gateway);
	for (size_t at = 0; e == 0 && at + sizeof(struct nexthop_grp) <= rtnl_size(tb[NHA_GROUP]); at += sizeof(struct nexthop_grp)) {
		struct nexthop_grp g;

		memcpy(&g, (const char *)rtnl_data(tb[NHA_GROUP]) + at, sizeof(g));
		e = array_push(&v->members, ((struct rtnl_member){ g.id, g.weight + 1u }));
	}
	hop.len = v->members.len - hop.from;
	return e < 0 ? e : array_push(&v->v, hop);
}

static int read_objects(struct rtnl_hops *v)
{
	const struct nhmsg h = { .nh_family = AF_UNSPEC };
	const struct rtnl_request q = { RTM_GETNEXTHOP, &h, sizeof(h), 0, NULL };

	v->read = true;
	return rtnl_dump(&q, note_object, v);
}

static const struct rtnl_hop *find(const struct rtnl_hops *v, uint32_t id)
{
	for (size_t i = 0; i < v->v.len; i++) {
		if (v->v.v[i].id == id)
			return &v->v.v[i];
	}
	return NULL;
}

static void print_one(struct rtnl_reading *r, const struct rtnl_hop *hop, unsigned weight, int family)
{
	char text[INET6_ADDRSTRLEN];

	jo_open(&r->out, NULL, '{');
	if (hop->gateway.family)
		(void)inet_ntop(hop->gateway.family, hop->gateway.b, text, sizeof(text));
	if (hop->gateway.family == family) {
		jo_str(&r->out, "gateway", text);
	} else if (hop->gateway.family) {
		jo_open(&r->out, "via", '{');
		jo_str(&r->out, "family", hop->gateway.family == AF_INET ? "inet" : "inet6");
		jo_str(&r->out, "host", text);
		jo_close(&r->out, '}');
	}
	if (hop->ifindex)
		jo_dev(r, "dev", hop->ifindex);
	jo_uint(&r->out, "weight", weight);
	jo_route_flags(r, hop->flags);
	jo_close(&r->out, '}');
}

/* An object that is not there has come or gone meanwhile. */
static const struct rtnl_hop *must_find(struct rtnl_reading *r, const struct rtnl_hops *v, uint32_t id)
{
	const struct rtnl_hop *hop = find(v, id);

	r->strange |= !hop;
	r->odd |= !hop;
	return hop;
}

int jo_nexthops(struct rtnl_reading *r, struct rtnl_hops *v, uint32_t id, int family)
{
	const int e = v->read ? 0 : read_objects(v);
	const struct rtnl_hop *hop;

	if (e < 0)
		return e;
	hop = must_find(r, v, id);
	jo_open(&r->out, "nexthops", '[');
	if (hop && !hop->len)
		print_one(r, hop, 1, family);
	for (size_t i = 0; hop && i < hop->len; i++) {
		const struct rtnl_member *m = &v->members.v[hop->from + i];
		const struct rtnl_hop *one = must_find(r, v, m->id);

		if (one)
			print_one(r, one, m->weight, family);
	}
	jo_close(&r->out, ']');
	return 0;
}

void rtnl_hops_release(struct rtnl_hops *v)
{
	array_free(&v->v);
	array_free(&v->members);
}

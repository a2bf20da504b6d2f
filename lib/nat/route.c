/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routing decisions of a packet under way, and the kernel's own reasons to lose it: martian sources, rp_filter,
 * forwarding switched off, no route. A loss is noted and the walk through the rules goes on: what the rules do never
 * depends on it.
 */
#include <errno.h>

#include "nat-private.h"

static const char NO_ROUTES[] = "no ip-route.json: the addresses of ip-addr.json are the node's own, everything else is "
				"forwarded by an interface that is not known";
static const char NO_ADDRS[] = "no ip-addr.json and no ip-route.json: an address that nothing claims for this node is taken "
			       "as somebody else's";
static const char NO_SYSCTL[] = "no sysctl.txt: forwarding is taken as on, route_localnet as kube-proxy sets it, rp_filter "
				"is not judged";

static int conf(const struct walk *w, const struct state *st, const char *ifname, const char *name)
{
	return node_conf(w->node->facts, st->dst.family, ifname, name);
}

/* IN_DEV_ORCONF: conf.all or that of the interface that it came by; -1: neither is known. */
static int either(const struct walk *w, const struct state *st, const char *name)
{
	int all = conf(w, st, "all", name);

	return st->iif ? MAX(all, conf(w, st, st->iif, name)) : all;
}

bool nat_dst_is_local(const struct walk *w, const struct state *st)
{
	return st->dst_forced_local || node_is_local(w->node->facts, &st->dst) == TRI_TRUE;
}

/* ip_route_input_slow(): an address of this node, or a loopback address, must not come from the wire. */
static void check_martian(struct walk *w, struct state *st)
{
	const struct node_facts *f = w->node->facts;
	char a[IP_ADDR_STRLEN];

	if (st->round)
		return;
	if (ip_addr_is_loopback(&st->src) || ip_addr_is_loopback(&st->dst)) {
		bool allowed = st->dst.family == AF_INET && either(w, st, "route_localnet") != 0;

		if (!allowed) {
			nat_lose(w, st, BY_KERNEL, "martian", "martian: a loopback address does not come from the wire (route_localnet is 0)");
			return;
		}
	}
	if (st->dst.family != AF_INET || node_is_local(f, &st->src) != TRI_TRUE)
		return;
	if (either(w, st, "accept_local") > 0)
		return;
	nat_lose(w, st, BY_KERNEL, "martian",
		 arena_printf(&w->out->arena, "martian: the source %s is an address of this node and came from the wire",
			      ip_addr_format(&st->src, a)));
}

static bool has_address4(const struct node_facts *f, const char *dev)
{
	for (size_t i = 0; i < f->addrs.len; i++)
		if (f->addrs.v[i].addr.family == AF_INET && f->addrs.v[i].ifname && strcmp(f->addrs.v[i].ifname, dev) == 0)
			return true;
	return false;
}

/* fib_validate_source(): the larger of conf.all and conf.IF; 1 is strict, 2 loose. IPv4 only. */
static void check_rp_filter(struct walk *w, struct state *st)
{
	struct node_route_query q = { .src = st->dst, .dst = st->src };
	struct node_route_result back;
	int all, dev, mode;

	if (st->lost || st->round || !st->iif || st->dst.family != AF_INET || !w->node->facts->routes_known)
		return;
	all = conf(w, st, "all", "rp_filter");
	dev = conf(w, st, st->iif, "rp_filter");
	mode = MAX(all, dev);
	if (mode <= 0)
		return;
	if (conf(w, st, st->iif, "src_valid_mark") == 1 || conf(w, st, "all", "src_valid_mark") == 1)
		q.mark = st->mark;
	node_route_lookup(w->node->facts, &q, &back);
	if (back.kind == NR_UNKNOWN || (back.kind == NR_UNICAST && (!back.dev || (back.route && back.route->multipath))))
		return;
	if (back.kind == NR_UNICAST && strcmp(back.dev, st->iif) == 0)
		return;
	/* Loose mode asks for an IPv4 address on the interface: __fib_validate_source(), "no_addr". */
	if (back.kind == NR_UNICAST && mode == 2 && (!w->node->facts->addrs_known || has_address4(w->node->facts, st->iif)))
		return;
	if (back.kind == NR_LOCAL) /* accept_local */
		return;
	nat_lose(w, st, BY_SYSCTL, "rp-filter",
		 arena_printf(&w->out->arena, "rp_filter = %d on %s: the way back to the source does not lead there", mode,
			      st->iif));
}

/* IN_DEV_FORWARD of the interface that it came by; for IPv6 the one switch for all. */
static void check_forwarding(struct walk *w, struct state *st)
{
	const struct node_facts *f = w->node->facts;
	const char *ip = node_sysctl(f, "net.ipv4.ip_forward");
	int all, dev;

	if (!f->sysctl_known) {
		nat_assumed(w, NO_SYSCTL);
		return;
	}
	all = conf(w, st, "all", "forwarding");
	if (st->dst.family == AF_INET6) {
		if (all == 0)
			nat_lose(w, st, BY_SYSCTL, "ip-forward", "net.ipv6.conf.all.forwarding = 0");
		return;
	}
	dev = st->iif ? conf(w, st, st->iif, "forwarding") : -1;
	/* ip_forward and conf.all.forwarding are one value: where they differ the dump is of two moments, and 0 is the fault. */
	if (ip && strcmp(ip, "0") == 0 && (dev != 1 || all == 1))
		nat_lose(w, st, BY_SYSCTL, "ip-forward", "net.ipv4.ip_forward = 0");
	else if (dev == 0)
		nat_lose(w, st, BY_SYSCTL, "ip-forward",
			 arena_printf(&w->out->arena, "net.ipv4.conf.%s.forwarding = 0", st->iif));
	else if (dev < 0 && all == 0)
		nat_lose(w, st, BY_SYSCTL, "ip-forward", "net.ipv4.conf.all.forwarding = 0");
}

static void check_link(struct walk *w, struct state *st)
{
	const struct node_link *l = st->oif && w->node->facts->links_known ? node_link_by_name(w->node->facts, st->oif) : NULL;

	if (l && !l->up)
		nat_lose(w, st, BY_LINK, "link-down", arena_printf(&w->out->arena, "link %s is down", st->oif));
}

void nat_take_route(struct walk *w, struct state *st, const struct ip_addr *dst, const struct node_route_result *r)
{
	char a[IP_ADDR_STRLEN];

	st->oif = NULL;
	st->gateway = (struct ip_addr){ 0 };
	switch (r->kind) {
	case NR_UNKNOWN:
		nat_assumed(w, w->node->facts->routes_known ? (r->unknown ? r->unknown : NO_ROUTES) :
			       w->node->facts->addrs_known ? NO_ROUTES : NO_ADDRS);
		return;
	case NR_NONE:
		nat_lose(w, st, BY_ROUTE, "no-route",
			 arena_printf(&w->out->arena, "no route to %s", ip_addr_format(dst, a)));
		return;
	case NR_REFUSED:
		nat_lose(w, st, BY_ROUTE, "no-route",
			 arena_printf(&w->out->arena, "a route refuses %s", ip_addr_format(dst, a)));
		return;
	case NR_LOCAL:
		st->oif = "lo";
		return;
	default:
		if (r->unknown)
			nat_assumed(w, r->unknown);
		st->oif = r->dev;
		st->gateway = r->gateway;
		check_link(w, st);
	}
}

/*
 * Translated to the bridge that it came by, with bridge netfilter, it is bridged. IPv6 asks for no forwarding then (br_nf_pre_routing_finish_ipv6()).
 * IPv4 does: with forwarding off ip_route_input_slow() gives a route that is an error, and since 3.6 no error code that
 * br_nf_pre_routing_finish() would take for a reason to bridge it all the same.
 */
static bool stays_on_bridge(const struct walk *w, const struct state *st, const struct node_route_result *r)
{
	const struct node_link *l = st->iif ? node_link_by_name(w->node->facts, st->iif) : NULL;
	bool changed = st->is_reply ? st->request && st->request->snat : !ip_addr_equal(&st->dst, &st->orig_dst);
	const char *why;

	return l && changed && r->kind == NR_UNICAST && r->dev && strcmp(r->dev, st->iif) == 0 && node_is_bridge(w->node->facts, l) &&
	       nat_bridge_netfilter(w, l, &why) == TRI_TRUE;
}

void nat_route_input(struct walk *w, struct state *st, bool *ret_local)
{
	struct node_route_query q = { .src = st->src, .dst = st->dst, .mark = st->mark, .iif = st->iif };
	struct node_route_result r;

	if (w->classes && w->node->routes_ask_iif && !st->is_reply)
		nat_ask_iif(w, NULL, NULL);
	check_martian(w, st);
	check_rp_filter(w, st);
	if (st->dst_forced_local) {
		*ret_local = true;
		return;
	}
	node_route_lookup(w->node->facts, &q, &r);
	*ret_local = r.kind == NR_LOCAL || r.kind == NR_BROADCAST;
	if (*ret_local)
		return;
	st->bridged = stays_on_bridge(w, st, &r);
	if (!st->bridged || st->dst.family == AF_INET)
		check_forwarding(w, st);
	nat_take_route(w, st, &st->dst, &r);
}

/* __mkroute_output(): a loopback source leaves by lo only, unless route_localnet is set on the way out. */
static void check_loopback_out(struct walk *w, struct state *st)
{
	if (st->src.family != AF_INET || !ip_addr_is_loopback(&st->src) || !st->oif || strcmp(st->oif, "lo") == 0)
		return;
	if (conf(w, st, st->oif, "route_localnet") == 0 && conf(w, st, "all", "route_localnet") == 0)
		nat_lose(w, st, BY_SYSCTL, "route-localnet", "net.ipv4.conf.all.route_localnet = 0");
}

void nat_route_output(struct walk *w, struct state *st, bool again)
{
	struct node_route_query q = { .src = st->src, .dst = st->dst, .mark = st->mark };
	struct node_route_result r;

	if (again && nat_dst_is_local(w, st)) {
		st->oif = "lo";
		st->gateway = (struct ip_addr){ 0 };
		return;
	}
	if (w->tails && !again)
		nat_tails_route(w, &q, &r);
	else
		node_route_lookup(w->node->facts, &q, &r);
	nat_take_route(w, st, &st->dst, &r);
	check_loopback_out(w, st);
}

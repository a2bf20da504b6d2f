/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routing rules by priority, as fib_rules_lookup() (net/core/fib_rules.c) with fib4_rule_* and fib6_rule_* runs them.
 * A rule that asks what is not modelled is followed both ways: only where it would decide otherwise than the rules
 * behind it is the answer unknown. table.c looks into the tables.
 */
#include "node-private.h"

enum match { NO, YES, MAYBE };

static bool prefix_holds(const struct ip_prefix *p, const struct ip_addr *a)
{
	struct ip_addr none = { .family = AF_INET };

	if (p->addr.family == 0)
		return true;
	if (a->family)
		return ip_prefix_contains(p, a);
	/* No source yet: 0.0.0.0 for IPv4; for IPv6 fib6_rule_match() refuses every source prefix. */
	return p->addr.family == AF_INET ? ip_prefix_contains(p, &none) : p->len == 0;
}

static bool name_is(const char *asked, const char *name)
{
	return !asked || (name && strcmp(asked, name) == 0);
}

/* An l3mdev rule is for flows by an interface of a VRF; which table that is, is not modelled. */
static enum match match_l3mdev(const struct node_facts *f, const struct flow *fl)
{
	bool details = false;

	for (size_t i = 0; i < f->links.len; i++)
		details |= f->links.v[i].kind != NULL;
	if (!f->links_known || !details)
		return MAYBE;
	return node_vrf(f, fl->iif) || node_vrf(f, fl->oif) ? MAYBE : NO;
}

static enum match match_rule(const struct node_facts *f, const struct node_rule *r, const struct flow *fl)
{
	enum match m = r->unknown ? MAYBE : YES;

	if (!name_is(r->iif, fl->iif) || !name_is(r->oif, fl->oif) || ((r->fwmark ^ fl->mark) & r->fwmask) ||
	    !prefix_holds(&r->src, &fl->src) || !prefix_holds(&r->dst, &fl->dst))
		m = NO;
	else if (r->action && strcmp(r->action, "l3mdev") == 0)
		m = match_l3mdev(f, fl);
	if (r->invert && m != MAYBE)
		m = m == YES ? NO : YES;
	return m;
}

/* Table local where it was not given. */
static struct found local_table(const struct node_facts *f, const struct flow *fl)
{
	const char *dev = NULL;
	struct found r = { 0 };

	if (node_routes_known(f, fl->dst.family) == ROUTES_ALL)
		return node_table_lookup(f, fl, TABLE_LOCAL, false);
	switch (node_local_by_addrs(f, &fl->dst, &dev)) {
	case LOCAL_YES:
		r.what = FOUND_LOCAL;
		break;
	case LOCAL_BROADCAST:
		r.what = FOUND_BROADCAST;
		break;
	default:
		return r;
	}
	r.dev = dev;
	if (fl->dev && fl->dev_strict && (!dev || strcmp(dev, fl->dev) != 0))
		r.what = FOUND_NOTHING;
	return r;
}

static struct found run_action(const struct node_facts *f, const struct node_rule *r, const struct flow *fl)
{
	struct found got = { 0 };

	if (r->table && !r->action) {
		got = r->table == TABLE_LOCAL ? local_table(f, fl) : node_table_lookup(f, fl, r->table, false);
		if (got.what == FOUND_ROUTE && r->suppress && got.plen < r->suppress)
			got = (struct found){ 0 };
	} else if (r->action && (strcmp(r->action, "blackhole") == 0 || strcmp(r->action, "unreachable") == 0 ||
				 strcmp(r->action, "prohibit") == 0)) {
		got.what = FOUND_REFUSED;
	} else if (!r->action || strcmp(r->action, "nop") != 0) {
		got.what = FOUND_UNKNOWN;
		got.unknown = "a routing rule has an action that is not modelled";
	}
	return got;
}

static bool same_found(const struct found *a, const struct found *b)
{
	const char *x = a->dev ? a->dev : "", *y = b->dev ? b->dev : "";

	return a->what == b->what && a->what != FOUND_UNKNOWN && strcmp(x, y) == 0 &&
	       ip_addr_equal(&a->gateway, &b->gateway) && (!a->route || !b->route || a->route->type == b->route->type);
}

/* The first rule of the priority that a goto names; @n where there is none: then the goto does nothing. */
static size_t goto_target(const struct node_rule *const *v, size_t n, size_t from)
{
	for (size_t i = from + 1; i < n; i++) {
		if (v[i]->priority == v[from]->goto_priority)
			return i;
	}
	return n;
}

static struct found undecided(void)
{
	return (struct found){
		.what = FOUND_UNKNOWN,
		.unknown = "a routing rule that could decide asks something that is not modelled",
	};
}

static struct found walk_rules(const struct node_facts *f, const struct flow *fl)
{
	int v6 = family_slot(fl->dst.family);
	const struct node_rule *const *v = f->index->rules[v6];
	size_t n = f->index->nrules[v6];
	struct found maybe = { 0 }, got = { 0 };
	bool pending = false;

	for (size_t i = 0; i < n; i++) {
		enum match m = match_rule(f, v[i], fl);

		if (m == NO)
			continue;
		if (v[i]->action && strcmp(v[i]->action, "goto") == 0) {
			size_t to = goto_target(v, n, i);

			if (to == n)
				continue;
			if (m == MAYBE)
				return undecided();
			i = to - 1;
			continue;
		}
		got = run_action(f, v[i], fl);
		if (got.what == FOUND_NOTHING)
			continue;
		if (pending && !same_found(&maybe, &got))
			return undecided();
		if (m == YES)
			return got;
		maybe = got;
		pending = true;
	}
	return pending ? undecided() : (struct found){ 0 };
}

/*
 * IPv4 with the kernel's own rules only, the short way of fib_lookup() (include/net/ip_fib.h): tables local and main
 * as one, then table default, which is asked even after a refusal.
 */
static struct found short_way(const struct node_facts *f, const struct flow *fl)
{
	struct found got = node_table_lookup(f, fl, TABLE_MAIN, true), last;

	if (got.what == FOUND_ROUTE)
		return got;
	last = node_table_lookup(f, fl, TABLE_DEFAULT, false);
	return last.what == FOUND_ROUTE || got.what == FOUND_NOTHING ? last : got;
}

struct found node_rules_lookup(const struct node_facts *f, const struct flow *fl)
{
	bool v4 = fl->dst.family == AF_INET;

	if (v4 && f->index->merged && node_routes_known(f, AF_INET) == ROUTES_ALL)
		return short_way(f, fl);
	return walk_rules(f, fl);
}

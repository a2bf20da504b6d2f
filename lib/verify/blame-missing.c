/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blame, first half: what kube-proxy would have made and what is not there. A packet needs some things in an order, which
 * differs by kube-proxy's mode; the first of them that is missing is the cause, with the place where it belongs and its text.
 * Where it was changed instead of removed, what stands in its place is named.
 */
#include <errno.h>

#include "blame-private.h"

/* ---- what is expected ---- */

bool blame_expects(const struct blame_context *b, const struct rs_rule *r)
{
	int family = b->frontend->port->family;
	const char *key = expect_key(b->scratch, r->chain->table->name, r->chain->name, r->text, r->text_len);

	if (!key || !vnode_common(b->v, family))
		return false;
	return map_gets(&b->v->common_set[family == AF_INET6], key) || map_gets(b->rules_set, key);
}

bool blame_expects_element(const struct blame_context *b, const struct rs_set *s, const struct rs_elem *e)
{
	const struct expect_rules *lists[2] = { vnode_common(b->v, b->frontend->port->family), b->rules };

	for (unsigned l = 0; l < 2; l++) {
		for (size_t i = 0; lists[l] && i < lists[l]->v.len; i++) {
			const struct expect_rule *x = &lists[l]->v.v[i];
			struct vfound f;

			if (x->part != PART_ELEMENT || strcmp(x->set, s->name) != 0)
				continue;
			vnode_look(b->v, b->scratch, b->frontend->port->family, x, &f);
			if (f.elem == e)
				return f.present;
		}
	}
	return false;
}

/* Chains that many Services share: a rule there that this port does not expect may be another's. */
static bool is_shared(const struct rs_chain *c)
{
	static const char *const shared[] = { "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL",
					      "KUBE-IPVS-OUT-FILTER" };

	for (size_t i = 0; i < ARRAY_LEN(shared); i++)
		if (strcmp(shared[i], c->name) == 0)
			return true;
	return !is_proxy_chain(c) || (!c->table->xtables && !strchr(c->name, '/'));
}

static bool on_path(const struct blame_context *b, const struct rs_rule *r)
{
	for (size_t i = 0; i < b->result->endings.len; i++)
		for (const struct nat_step *s = b->result->endings.v[i].path; s; s = s->prev)
			if (s->by.kind == BY_RULE && s->by.rule == r)
				return true;
	return false;
}

/* A rule of @chain that nobody expects there, and that takes part. */
static const struct rs_rule *altered_in(const struct blame_context *b, const struct rs_chain *chain)
{
	bool shared = is_shared(chain);
	const struct rs_rule *found = NULL;

	for (uint32_t i = 0; i < chain->nrules; i++) {
		const struct rs_rule *r = chain->rules[i];

		if (shared && !on_path(b, r))
			continue;
		if (blame_expects(b, r))
			continue;
		if (on_path(b, r))
			return r;
		if (!found && !shared)
			found = r;
	}
	return found;
}

/* ---- does it concern this packet? ---- */

static enum expect_mode mode_of(const struct blame_context *b)
{
	return b->v->expect.mode;
}

static bool of_outside_chains(const struct expect_rule *e)
{
	return str_starts(e->chain, "KUBE-EXT-") || str_starts(e->chain, "KUBE-XLB-") || str_starts(e->chain, "external-") ||
	       strcmp(e->chain, "KUBE-LOAD-BALANCER") == 0 || strcmp(e->chain, "KUBE-NODE-PORT") == 0;
}

static bool of_service_chains(const struct expect_rule *e)
{
	return str_starts(e->chain, "KUBE-SVC-") || str_starts(e->chain, "KUBE-SVL-") || str_starts(e->chain, "service-") ||
	       str_starts(e->chain, "local-") || strcmp(e->chain, "services") == 0;
}

/* A rule of IPVS mode that is written while its set has members: because of this frontend's. */
static bool has_member(const struct blame_context *b, const struct expect_rule *e)
{
	for (size_t i = 0; i < b->rules->v.len; i++) {
		const struct expect_rule *m = &b->rules->v.v[i];

		if (m->part == PART_MEMBER && strcmp(m->set, e->needs) == 0)
			return true;
	}
	return false;
}

static bool applies_to_refusal(const struct blame_context *b, const struct expect_rule *e)
{
	if (e->frontend)
		return true;
	/* nftables: the chains that elements lead to; IPVS: what a set leads to */
	return mode_of(b) != MODE_IPTABLES && (e->role == ROLE_REFUSE || b->frontend->kind == EXPECT_LOAD_BALANCER);
}

static bool applies(const struct blame_context *b, const struct expect_rule *e, const struct found_difference *d)
{
	const struct expect_frontend *f = b->frontend;

	if (e->frontend && (e->frontend->kind != f->kind || !ip_addr_equal(&e->frontend->addr, &f->addr)))
		return false;
	if (e->endpoint && d->endpoint.family &&
	    (!ip_addr_equal(&e->endpoint->addr, &d->endpoint) || e->endpoint->port != d->endpoint_port))
		return false;
	if (e->needs && !has_member(b, e))
		return false;
	if (e->role == ROLE_FW_DROP || e->role == ROLE_REFUSE)
		return applies_to_refusal(b, e);
	/* A convenience of kube-proxy's accounting: the general rule serves 127.0.0.1 just as well. */
	if (e->optional)
		return false;
	if (e->part != PART_RULE)
		return true;
	if (e->role == ROLE_MASQ)
		return f->kind == EXPECT_CLUSTER_IP ? !of_outside_chains(e) : !of_service_chains(e);
	if (e->role == ROLE_EXTERNAL || e->role == ROLE_FIREWALL)
		return f->kind == EXPECT_LOAD_BALANCER || (e->role == ROLE_EXTERNAL && f->kind != EXPECT_CLUSTER_IP);
	return true;
}

/* ---- what is needed, by mode ---- */

#define NODE_PORT (1u << EXPECT_NODE_PORT)
#define BALANCER (1u << EXPECT_LOAD_BALANCER)
#define CLUSTER (1u << EXPECT_CLUSTER_IP)
#define OTHER_THAN_NODE_PORT (0xffu & ~NODE_PORT)

/* The chain by which a packet from this source comes in. */
static const char at_hook[] = "hook", before_nat[] = "hook before nat";

struct need {
	enum expect_role role;
	const char *table, *chain, *target; /* of rules; NULL: any */
	unsigned kinds;			    /* of the frontend; 0: any */
	const char *set;		    /* of other parts, or a word of the rule; NULL: any */
};

static const struct need iptables_entry[] = {
	{ ROLE_JUMP, "nat", at_hook, NULL, 0, NULL },
	{ ROLE_ENTRY, "nat", "KUBE-SERVICES", NULL, OTHER_THAN_NODE_PORT, NULL },
	{ ROLE_JUMP, "nat", "KUBE-SERVICES", "KUBE-NODEPORTS", NODE_PORT, NULL },
	{ ROLE_ENTRY, "nat", NULL, NULL, OTHER_THAN_NODE_PORT, NULL }, { ROLE_NODEPORT, "nat", NULL, NULL, NODE_PORT, NULL },
	{ ROLE_FIREWALL, "nat", NULL, NULL, 0, NULL }, { ROLE_EXTERNAL, "nat", NULL, NULL, 0, NULL }, { 0 }
};
static const struct need nftables_entry[] = {
	{ ROLE_JUMP, NULL, at_hook, "services", 0, NULL },
	{ ROLE_JUMP, NULL, "services", NULL, OTHER_THAN_NODE_PORT, "@service-ips" }, { ROLE_JUMP, NULL, "services", NULL, NODE_PORT, "@service-nodeports" },
	{ ROLE_SET, NULL, NULL, NULL, NODE_PORT, "nodeport-ips" },
	{ ROLE_ENTRY, NULL, NULL, NULL, OTHER_THAN_NODE_PORT, NULL }, { ROLE_NODEPORT, NULL, NULL, NULL, NODE_PORT, NULL },
	{ ROLE_EXTERNAL, NULL, NULL, NULL, 0, NULL }, { 0 }
};
/* The sets are asked for what may pass KUBE-IPVS-FILTER. */
static const struct need ipvs_entry[] = {
	{ ROLE_ADDRESS, NULL, NULL, NULL, 0, NULL },
	{ ROLE_ENTRY, "", NULL, NULL, OTHER_THAN_NODE_PORT, NULL }, { ROLE_NODEPORT, "", NULL, NULL, NODE_PORT, NULL },
	{ ROLE_SET, NULL, NULL, NULL, 0, NULL }, { ROLE_CATCH, "filter", NULL, NULL, 0, NULL },
	{ ROLE_EXTERNAL, "nat", NULL, NULL, 0, NULL }, { 0 }
};
static const struct need iptables_endpoint[] = { { ROLE_BALANCE, "nat", NULL, NULL, 0, NULL }, { ROLE_ENDPOINT, "nat", NULL, NULL, 0, NULL }, { 0 } };
static const struct need any_endpoint[] = { { ROLE_BALANCE, NULL, NULL, NULL, 0, NULL }, { ROLE_ENDPOINT, NULL, NULL, NULL, 0, NULL }, { 0 } };
static const struct need any_share[] = { { ROLE_BALANCE, NULL, NULL, NULL, 0, NULL }, { 0 } };
static const struct need ipvs_share[] = { { ROLE_ENTRY, "", NULL, NULL, OTHER_THAN_NODE_PORT, NULL }, { ROLE_NODEPORT, "", NULL, NULL, NODE_PORT, NULL },
					  { ROLE_ENDPOINT, NULL, NULL, NULL, 0, NULL }, { 0 } };
static const struct need iptables_mark[] = { { ROLE_MASQ, "nat", NULL, NULL, 0, NULL }, { 0 } };
static const struct need nftables_mark[] = { { ROLE_MASQ, NULL, NULL, NULL, 0, NULL }, { ROLE_SET, NULL, NULL, NULL, CLUSTER, "cluster-ips" }, { 0 } };
static const struct need ipvs_mark[] = {
	{ ROLE_SET, NULL, NULL, NULL, 0, NULL }, { ROLE_JUMP, "nat", at_hook, NULL, 0, NULL },
	{ ROLE_ENTRY, "nat", "KUBE-SERVICES", "KUBE-LOAD-BALANCER", BALANCER, NULL }, { ROLE_JUMP, "nat", "KUBE-SERVICES", NULL, NODE_PORT, NULL },
	{ ROLE_MASQ, "nat", NULL, NULL, 0, NULL }, { 0 }
};
static const struct need any_hairpin[] = { { ROLE_ENDPOINT_MASQ, NULL, NULL, NULL, 0, NULL }, { 0 } };
static const struct need any_postrouting[] = { { ROLE_POSTROUTING, NULL, NULL, NULL, 0, NULL }, { 0 } };
static const struct need iptables_after[] = {
	{ ROLE_MARK, "nat", NULL, NULL, 0, NULL }, { ROLE_JUMP, "nat", "POSTROUTING", NULL, 0, NULL }, { ROLE_POSTROUTING, "nat", NULL, NULL, 0, NULL }, { 0 }
};
static const struct need nftables_after[] = { { ROLE_JUMP, NULL, "nat-postrouting", NULL, 0, NULL }, { ROLE_POSTROUTING, NULL, NULL, NULL, 0, NULL }, { 0 } };
static const struct need iptables_refusal[] = { { ROLE_REFUSE, "filter", NULL, NULL, 0, NULL }, { ROLE_FW_DROP, "filter", NULL, NULL, 0, NULL }, { 0 } };
static const struct need nftables_refusal[] = {
	{ ROLE_FIREWALL, NULL, NULL, NULL, BALANCER, NULL }, { ROLE_FW_DROP, NULL, NULL, NULL, BALANCER, NULL },
	{ ROLE_JUMP, NULL, before_nat, "firewall-check", BALANCER, NULL }, { ROLE_JUMP, NULL, "firewall-check", NULL, BALANCER, NULL },
	{ ROLE_REFUSE, NULL, NULL, NULL, 0, NULL }, { ROLE_JUMP, NULL, "service-endpoints-check", NULL, OTHER_THAN_NODE_PORT, NULL },
	{ ROLE_JUMP, NULL, "nodeport-endpoints-check", NULL, NODE_PORT, NULL }, { ROLE_JUMP, NULL, NULL, "service-endpoints-check", OTHER_THAN_NODE_PORT, NULL },
	{ ROLE_JUMP, NULL, NULL, "nodeport-endpoints-check", NODE_PORT, NULL }, { ROLE_SET, NULL, NULL, NULL, NODE_PORT, "nodeport-ips" }, { 0 }
};
/* Without a virtual server, or without the address, IPVS does not refuse for want of a server. */
static const struct need ipvs_refusal[] = {
	{ ROLE_ADDRESS, NULL, NULL, NULL, 0, NULL }, { ROLE_ENTRY, "", NULL, NULL, OTHER_THAN_NODE_PORT, NULL }, { ROLE_NODEPORT, "", NULL, NULL, NODE_PORT, NULL },
	{ ROLE_SET, NULL, NULL, NULL, 0, NULL }, { ROLE_CATCH, "filter", NULL, NULL, 0, NULL },
	{ ROLE_FIREWALL, "filter", NULL, NULL, BALANCER, NULL }, { ROLE_FW_DROP, "filter", NULL, NULL, BALANCER, NULL },
	{ ROLE_JUMP, "filter", NULL, "KUBE-PROXY-FIREWALL", BALANCER, NULL }, { ROLE_JUMP, "filter", NULL, "KUBE-IPVS-OUT-FILTER", BALANCER, NULL }, { 0 }
};
static const struct need iptables_forward[] = { { ROLE_JUMP, "filter", "FORWARD", "KUBE-FORWARD", 0, NULL }, { ROLE_FORWARD, "filter", NULL, NULL, 0, NULL }, { 0 } };
static const struct need iptables_health[] = { { ROLE_JUMP, "filter", "INPUT", "KUBE-NODEPORTS", 0, NULL }, { ROLE_ACCEPT, "filter", NULL, NULL, 0, NULL }, { 0 } };
static const struct need ipvs_health[] = { { ROLE_JUMP, "filter", "INPUT", "KUBE-NODE-PORT", 0, NULL }, { ROLE_ACCEPT, "filter", NULL, NULL, 0, NULL },
					   { ROLE_SET, NULL, NULL, NULL, 0, NULL }, { 0 } };
static const struct need ipvs_admit[] = { { ROLE_SET, NULL, NULL, NULL, 0, NULL }, { ROLE_FIREWALL, "filter", NULL, NULL, 0, NULL }, { 0 } };
static const struct need any_affinity[] = { { ROLE_AFFINITY, NULL, NULL, NULL, 0, NULL }, { 0 } };
static const struct need nothing[] = { { 0 } };

static const struct need *const needs[BLAME_WAYS][3] = {
	[WAY_ENTRY] = { iptables_entry, nftables_entry, ipvs_entry },
	[WAY_ENDPOINT] = { iptables_endpoint, any_endpoint, any_endpoint },
	[WAY_SHARE] = { any_share, any_share, ipvs_share },
	[WAY_MARK] = { iptables_mark, nftables_mark, ipvs_mark },
	[WAY_HAIRPIN] = { any_hairpin, any_hairpin, any_hairpin },
	[WAY_POSTROUTING] = { any_postrouting, any_postrouting, any_postrouting },
	[WAY_AFTER_MARK] = { iptables_after, nftables_after, iptables_after },
	[WAY_REFUSAL] = { iptables_refusal, nftables_refusal, ipvs_refusal },
	[WAY_FORWARD] = { iptables_forward, nothing, iptables_forward },
	[WAY_HEALTH] = { iptables_health, nothing, ipvs_health },
	[WAY_ADMITTED] = { nothing, nftables_refusal, ipvs_admit },
	[WAY_AFFINITY] = { any_affinity, any_affinity, nothing },
};

/* ---- the first that is missing ---- */

static bool from_node(const struct blame_context *b)
{
	return b->source->kind == SOURCE_NODE || b->source->kind == SOURCE_LOOPBACK;
}

static const char *chain_of(const struct blame_context *b, const char *chain)
{
	if (chain == at_hook && mode_of(b) == MODE_NFTABLES)
		return from_node(b) ? "nat-output" : "nat-prerouting";
	if (chain == before_nat)
		return from_node(b) ? "filter-output-pre-dnat" : "filter-prerouting-pre-dnat";
	return chain == at_hook ? from_node(b) ? "OUTPUT" : "PREROUTING" : chain;
}

/* Table "" asks for what is no rule. */
static bool is_needed(const struct blame_context *b, const struct need *n, const struct expect_rule *e)
{
	const char *chain = chain_of(b, n->chain);

	if (e->role != n->role || (n->kinds && !(n->kinds & 1u << b->frontend->kind)))
		return false;
	if (e->part != PART_RULE)
		return !n->chain && !n->target && (!n->set || strcmp(n->set, e->set) == 0);
	if ((n->table && strcmp(n->table, e->table) != 0) || (chain && strcmp(chain, e->chain) != 0))
		return false;
	return (!n->target || (e->target && strcmp(e->target, n->target) == 0)) && (!n->set || strstr(e->text, n->set));
}

static bool older_than(const struct blame_context *b, int minor)
{
	return b->v->expect.minor >= 0 && b->v->expect.minor < minor;
}

/* Of a set of addresses that node ports answer on: only the one that was asked counts. */
static bool other_address(const struct blame_context *b, const struct expect_rule *e)
{
	char buf[IP_ADDR_STRLEN];

	return e->part == PART_ELEMENT && strcmp(e->set, "nodeport-ips") == 0 && strcmp(ip_addr_format(b->dst, buf), e->key) != 0;
}

/* The server and its members of a node port stand for one address each. */
static bool other_server(const struct blame_context *b, const struct expect_rule *e)
{
	const char *key = e->part == PART_REAL ? e->set : e->key;
	char buf[IP_ENDPOINT_STRLEN];

	if (e->part != PART_SERVER && e->part != PART_REAL)
		return false;
	return !strchr(key, ' ') || strcmp(strchr(key, ' ') + 1, ip_endpoint_format(b->dst, b->frontend->number, buf)) != 0;
}

/* 1: it is not there, @ret says where it belongs or what stands there. */
static int look_for(const struct blame_context *b, const struct expect_rule *e, struct verify_by *ret)
{
	const unsigned f = b->frontend->port->family == AF_INET6;
	const struct rs_rule *altered;
	struct vfound found;

	vnode_look(b->v, b->scratch, b->frontend->port->family, e, &found);
	if (found.present)
		return 0;
	/* The texts are of a newer kube-proxy, which has chains that this one never made. */
	if (e->part == PART_RULE && mode_of(b) == MODE_IPTABLES && !found.chain && (e->role == ROLE_AFFINITY || older_than(b, 24)))
		return 0;
	altered = found.chain ? altered_in(b, found.chain) : NULL;
	if (altered)
		found = (struct vfound){ .rule = altered };
	if (altered || found.elem || found.server)
		verify_by_found(b->arena, b->v->snap->name, &found, ret);
	else
		verify_by_expected(b->arena, b->v->snap->name, b->v->backend[f], b->frontend->port->family, e, ret);
	return 1;
}

static int missing_of(const struct blame_context *b, const struct need *n, const struct found_difference *d, struct verify_by *ret)
{
	const struct expect_rules *lists[2] = { vnode_common(b->v, b->frontend->port->family), b->rules };

	for (unsigned l = 0; l < 2; l++)
		for (size_t i = 0; lists[l] && i < lists[l]->v.len; i++) {
			const struct expect_rule *e = &lists[l]->v.v[i];

			if (is_needed(b, n, e) && applies(b, e, d) && !other_address(b, e) && !other_server(b, e) && look_for(b, e, ret))
				return 1;
		}
	return 0;
}

/* In iptables mode the jump that leads to a refusing rule is found by that rule's chain. */
static int missing_jump(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	for (size_t i = 0; i < b->rules->v.len; i++) {
		const struct expect_rule *e = &b->rules->v.v[i];
		const struct need n = { ROLE_JUMP, "filter", NULL, e->chain, 0, NULL };

		if ((e->role == ROLE_REFUSE || e->role == ROLE_FW_DROP) && applies(b, e, d) && missing_of(b, &n, d, ret))
			return 1;
	}
	return 0;
}

int blame_missing(const struct blame_context *b, enum blame_way way, const struct found_difference *d, struct verify_by *ret)
{
	const struct need *n = needs[way][mode_of(b)];

	for (; n->role || n->table || n->chain || n->target; n++)
		if (missing_of(b, n, d, ret))
			return 1;
	return way == WAY_REFUSAL && mode_of(b) == MODE_IPTABLES ? missing_jump(b, d, ret) : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node as the engine and as kube-proxy see it. */
#include <errno.h>
#include <limits.h>

#include "verify-private.h"

bool is_proxy_chain(const struct rs_chain *c)
{
	return c->table->xtables ? str_starts(c->name, "KUBE-") : strcmp(c->table->name, "kube-proxy") == 0;
}

void verify_nat_node(const struct snapshot *s, const struct snap_node *n, struct nat_node *ret)
{
	(void)s;
	nat_node_init(ret, n->name, &n->rules, &n->facts);
	ret->kernel = n->kernel;
	for (unsigned f = 0; f < 2; f++) {
		enum known json = n->dumps[DUMP_NFT_JSON];
		enum known nft = n->dumps[f ? DUMP_NFT6 : DUMP_NFT4], legacy = n->dumps[f ? DUMP_LEGACY6 : DUMP_LEGACY4];

		/* nft shows the tables of iptables-nft too. */
		ret->nft_known[f] = nft == KNOWN || nft == PARTLY_KNOWN || json == KNOWN || json == PARTLY_KNOWN;
		ret->legacy_known[f] = legacy == KNOWN || legacy == PARTLY_KNOWN;
	}
}

static bool jumps_to(const struct rs_rule *r, const char *chain)
{
	const struct rs_chain *c = rule_chain(r);

	return c && strcmp(c->name, chain) == 0;
}

/* The newest kube-proxy that writes rules as these, where they tell one older than 1.25; INT_MAX: they do not. */
static int newest_of_rule(const struct rs_rule *r)
{
	static const char no_bridge[] = "-m physdev ! --physdev-is-in ";
	const struct rs_chain *to = rule_chain(r);

	/* "Allow traffic for external IPs that does not come from a bridge": gone with pull request 96296. */
	if (to && str_starts(to->name, "KUBE-SVC-") && memmem(r->text, r->text_len, no_bridge, sizeof(no_bridge) - 1))
		return 20;
	/* KUBE-EXT in place of it: pull request 109060. */
	if (to && str_starts(to->name, "KUBE-XLB-"))
		return 23;
	/* DROP in table filter in place of it: pull requests 110289, 110290. */
	for (uint32_t i = 0; to && str_starts(to->name, "KUBE-FW-") && i < to->nrules; i++)
		if (jumps_to(to->rules[i], "KUBE-MARK-DROP"))
			return 24;
	return INT_MAX;
}

/*
 * A Node tells the version of its kubelet, and not every bundle has it. Both chains are written anew in every sync: what
 * leads out of them is of the kube-proxy that runs now.
 */
static int newest_by_rules(const struct snap_node *n)
{
	int newest = INT_MAX;

	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];

		if (!t->xtables || strcmp(t->name, "nat") != 0)
			continue;
		for (int k = 0; k < 2; k++) {
			const struct rs_chain *c = table_find_chain(t, k ? "KUBE-NODEPORTS" : "KUBE-SERVICES");

			for (uint32_t j = 0; c && j < c->nrules; j++)
				newest = MIN(newest, newest_of_rule(c->rules[j]));
		}
	}
	return newest;
}

static bool is_unspecified(const struct ip_addr *a)
{
	const struct ip_addr zero = { .family = a->family };

	return ip_addr_equal(a, &zero);
}

/* pkg/util/node GetNodeHostIPs: the first address of each family, internal ones first. */
static void addresses_of_type(struct expect_node *e, const char *type)
{
	for (size_t i = 0; e->object && i < e->object->naddresses; i++) {
		const struct k8s_node_address *a = &e->object->addresses[i];
		struct ip_addr *to = a->ip.family == AF_INET ? &e->ip4 : &e->ip6;

		if (a->ip.family && a->type && strcmp(a->type, type) == 0 && !to->family)
			*to = a->ip;
	}
}

static void primary_addresses(const struct snapshot *s, const struct snap_node *n, struct expect_node *e)
{
	const struct node_facts *f = &n->facts;
	struct ip_addr bind;

	/* cmd/kube-proxy/app/server.go detectNodeIPs: a bind address that is not 0.0.0.0 or :: goes first. */
	if (e->config->bind_address && ip_addr_parse(e->config->bind_address, &bind) == 0 && !is_unspecified(&bind))
		*(bind.family == AF_INET ? &e->ip4 : &e->ip6) = bind;
	addresses_of_type(e, "InternalIP");
	addresses_of_type(e, "ExternalIP");
	/* Without a Node object: the source of the default route, which is what kube-proxy would see. */
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct ip_addr *to = v6 ? &e->ip6 : &e->ip4;
		struct node_route_query q = { .dst.family = v6 ? AF_INET6 : AF_INET };
		struct node_route_result r;

		if (to->family || !f->routes_known)
			continue;
		q.dst.b[0] = v6 ? 0x20 : 192;
		q.dst.b[1] = v6 ? 0x01 : 0;
		q.dst.b[2] = 2;
		q.dst.b[3] = 1;
		node_route_lookup(f, &q, &r);
		if (r.kind == NR_UNICAST && r.src.family)
			*to = r.src;
	}
	/* Else the first global address. */
	for (size_t i = 0; i < f->addrs.len; i++) {
		const struct node_address *a = &f->addrs.v[i];
		struct ip_addr *to = a->addr.family == AF_INET6 ? &e->ip6 : &e->ip4;

		if (!to->family && a->scope == SCOPE_GLOBAL && !ip_addr_is_loopback(&a->addr))
			*to = a->addr;
	}
	(void)s;
}

/* component-helpers/node/util GetHostname: without blanks around it, in lower case. */
const char *verify_own_name(struct arena *arena, const struct kube_proxy_config *c, const char *name)
{
	const char *given = c->hostname_override && c->hostname_override[strspn(c->hostname_override, " \t")] ? c->hostname_override : name;
	const char *from = given + strspn(given, " \t\r\n");
	size_t len = strlen(from);
	char *copy;

	while (len > 0 && strchr(" \t\r\n", from[len - 1]))
		len--;
	copy = arena_strndup(arena, from, len);
	for (size_t i = 0; copy && i < len; i++)
		copy[i] = (char)(copy[i] >= 'A' && copy[i] <= 'Z' ? copy[i] | 0x20 : copy[i]);
	return copy;
}

int verify_expect_node(struct arena *arena, const struct snapshot *s, const struct snap_node *n, struct expect_node *ret)
{
	const struct kube_proxy_config *c = snapshot_proxy_config(s, n);
	struct kube_proxy_config *own = arena_new(arena, struct kube_proxy_config);
	int r, newest;

	if (!own)
		return -ENOMEM;
	*own = *c;
	if (!c->known) {
		r = config_from_rules(arena, n, verify_mode(s, n), own);
		if (r < 0)
			return r;
	}
	*ret = (struct expect_node){ .mode = verify_mode(s, n), .cluster = &s->cluster, .facts = &n->facts, .config = own, .minor = -1 };
	ret->name = verify_own_name(arena, own, n->name);
	if (!ret->name)
		return -ENOMEM;
	ret->object = k8s_find_node(&s->cluster, ret->name);
	if (!ret->object)
		ret->object = k8s_find_node(&s->cluster, n->name);
	if (ret->object && ret->object->proxy_version)
		ret->minor = k8s_minor_version(ret->object->proxy_version);
	if (ret->minor < 0 && s->cluster.version)
		ret->minor = k8s_minor_version(s->cluster.version);
	newest = newest_by_rules(n);
	if (newest != INT_MAX && (ret->minor < 0 || ret->minor > newest))
		ret->minor = newest;
	primary_addresses(s, n, ret);
	return 0;
}

/* Does anything in the cluster name this node? */
static bool is_named(const struct snapshot *s, const char *name)
{
	const struct k8s_cluster *c = &s->cluster;

	if (s->services_from_rules || k8s_find_node(c, name))
		return true;
	for (size_t i = 0; i < c->pods.len; i++)
		if (c->pods.v[i]->node && strcmp(c->pods.v[i]->node, name) == 0)
			return true;
	for (size_t i = 0; i < c->slices.len; i++)
		for (size_t k = 0; k < c->slices.v[i]->nendpoints; k++)
			if (c->slices.v[i]->endpoints[k].node_name && strcmp(c->slices.v[i]->endpoints[k].node_name, name) == 0)
				return true;
	return false;
}

/* Of the two backends the one whose chain KUBE-SERVICES holds rules. */
static void find_backend(struct vnode *v, const struct snap_node *n, unsigned f)
{
	v->backend[f] = v->nat.nft_known[f] || !v->nat.legacy_known[f] ? BACKEND_NFT : BACKEND_LEGACY;
	for (int b = BACKEND_LEGACY; b <= BACKEND_NFT; b++) {
		const struct rs_table *t = ruleset_find_table(&n->rules, b, f ? RS_IP6 : RS_IP4, "nat");
		const struct rs_chain *c = t ? table_find_chain(t, "KUBE-SERVICES") : NULL;

		if (c && (!v->has_chains[f] || c->nrules > 0)) {
			v->has_chains[f] = true;
			v->backend[f] = (enum rs_backend)b;
		}
	}
}

static void find_rules(struct vnode *v, const struct snap_node *n, enum expect_mode mode, unsigned f)
{
	v->damaged[f] = vnode_bad_dump(n, mode, f, true);
	if (mode == MODE_NFTABLES) {
		v->backend[f] = BACKEND_NFT;
		v->has_chains[f] = verify_has_proxy_table(n, f);
		return;
	}
	find_backend(v, n, f);
	if (mode == MODE_IPVS)
		v->servers_only[f] = vnode_bad_dump(n, MODE_IPTABLES, f, false) || vnode_not_dumped(n, f) ||
				     (n->dumps[DUMP_IPSET] != KNOWN && n->dumps[DUMP_IPSET] != PARTLY_KNOWN);
	else if (vnode_bad_dump(n, mode, f, false))
		v->unknown_rules[f] = f ? "the IPv6 dump could not be read" : "the IPv4 dump could not be read";
	else if (vnode_not_dumped(n, f))
		v->unknown_rules[f] = f ? "kube-proxy's IPv6 rules are in no dump" : "kube-proxy's IPv4 rules are in no dump";
}

static bool has_local_routes(const struct node_facts *f)
{
	for (size_t i = 0; i < f->routes.len; i++)
		if (f->routes.v[i].type == RT_LOCAL)
			return true;
	return false;
}

int vnode_init(struct vnode *v, const struct snapshot *s, const struct snap_node *n)
{
	*v = (struct vnode){ .snapshot = s, .snap = n };
	verify_nat_node(s, n, &v->nat);
	for (unsigned f = 0; f < 2; f++)
		find_rules(v, n, verify_mode(s, n), f);
	v->locals_unknown = verify_mode(s, n) == MODE_IPVS && !n->facts.addrs_known && !has_local_routes(&n->facts);
	v->nameless = !is_named(s, n->name);
	for (size_t i = 0; i < n->facts.routes.len; i++)
		v->routes_by_source = v->routes_by_source || n->facts.routes.v[i].from.len;
	for (size_t i = 0; i < s->cluster.nodes.len; i++) {
		const struct k8s_node *o = s->cluster.nodes.v[i];

		for (size_t k = 0; k < o->naddresses; k++) {
			struct ip_addr *a = arena_new(&v->arena, struct ip_addr);

			if (!a)
				return -ENOMEM;
			*a = o->addresses[k].ip;
			if (a->family && map_put(&v->node_ips, a, sizeof(*a), a) < 0)
				return -ENOMEM;
		}
	}
	return verify_expect_node(&v->arena, s, n, &v->expect);
}

void vnode_release(struct vnode *v)
{
	for (size_t i = 0; i < v->signatures.cap; i++) {
		struct chain_signatures *s = v->signatures.v[i].value;

		if (s)
			map_release(&s->by_signature);
	}
	map_release(&v->signatures);
	map_release(&v->node_ips);
	vpresent_release(v);
	array_free(&v->common[0].v);
	array_free(&v->common[1].v);
	map_release(&v->common_set[0]);
	map_release(&v->common_set[1]);
	arena_release(&v->arena);
}

const struct expect_rules *vnode_common(struct vnode *v, int family)
{
	unsigned f = family == AF_INET6;

	if (!v->common_built[f]) {
		if (expect_common_rules(&v->arena, &v->expect, family, &v->common[f]) < 0 ||
		    expect_set(&v->arena, &v->common[f], &v->common_set[f]) < 0)
			return NULL;
		v->common_built[f] = true;
	}
	return &v->common[f];
}

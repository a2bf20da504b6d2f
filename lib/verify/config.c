/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kube-proxy's configuration, read back from its own rules: what most of them say of who is a pod and who is masqueraded. */
#include <errno.h>

#include "verify-private.h"

struct guess {
	struct ip_prefix prefix;
	size_t count;
};

static const struct rs_cond *find_cond(const struct rs_rule *r, enum rs_field f)
{
	for (unsigned i = 0; i < r->nconds; i++)
		if (r->conds[i].field == f)
			return &r->conds[i];
	return NULL;
}

bool vcond_prefix(const struct rs_cond *c, struct ip_prefix *ret)
{
	struct ip_prefix p = { .addr.family = AF_INET };

	if (c->op == OP_ADDR4) {
		uint32_t mask = ntohl(c->u.addr4.mask);

		memcpy(p.addr.b, &c->u.addr4.value, 4);
		p.len = (uint8_t)(mask ? 32 - __builtin_ctz(mask) : 0);
	} else if (c->op == OP_ADDR6) {
		p.addr = c->u.addr6->value;
		p.addr.family = AF_INET6;
		while (p.len < 128 && (c->u.addr6->mask.b[p.len / 8] & (0x80 >> (p.len % 8))))
			p.len++;
	} else {
		return false;
	}
	*ret = p;
	return true;
}

static bool jumps_to(const struct rs_rule *r, const char *chain)
{
	const struct rs_stmt *s = rule_target(r);

	return s && (s->kind == ST_JUMP || s->kind == ST_GOTO) && s->u.target && strcmp(s->u.target->name, chain) == 0;
}

struct rule_config {
	struct guess guesses[8];
	size_t nguesses;
	size_t masq_all, service_chains, masq_chains;
	bool addr_type_local, excludes_loopback;
	const char *not_iif; /* "! -i IF" of the masquerade rules */
	bool not_iif_wildcard;
	struct ip_prefix nodeport[16];
	size_t nnodeport;
	int masquerade_bit; /* -1: no rule of it */
};

static void learn_node_port_address(struct rule_config *k, const struct ip_addr *a)
{
	struct ip_prefix p = { *a, (uint8_t)(ip_addr_size(a) * 8) };

	for (size_t i = 0; i < k->nnodeport; i++)
		if (ip_addr_equal(&k->nodeport[i].addr, a))
			return;
	if (k->nnodeport < ARRAY_LEN(k->nodeport))
		k->nodeport[k->nnodeport++] = p;
}

static void learn_prefix(struct rule_config *k, const struct ip_prefix *p)
{
	for (size_t i = 0; i < k->nguesses; i++) {
		if (k->guesses[i].prefix.len == p->len && ip_addr_equal(&k->guesses[i].prefix.addr, &p->addr)) {
			k->guesses[i].count++;
			return;
		}
	}
	if (k->nguesses < ARRAY_LEN(k->guesses))
		k->guesses[k->nguesses++] = (struct guess){ *p, 1 };
}

/* A rule that marks for masquerade who is no pod. */
static void learn_masquerade(const struct rs_rule *r, struct rule_config *k)
{
	const struct rs_cond *cond;
	struct ip_prefix p;

	k->masq_chains++;
	cond = find_cond(r, FIELD_IIF);
	if (cond && cond->negate && cond->op == OP_IFNAME) {
		k->not_iif = cond->u.ifname;
		k->not_iif_wildcard = cond->flags & RS_WILDCARD;
		return;
	}
	cond = find_cond(r, FIELD_SADDR);
	if (!cond) {
		k->masq_all++;
		return;
	}
	if (!cond->negate || !vcond_prefix(cond, &p))
		return;
	learn_prefix(k, &p);
}

static void learn_service_chain(const struct rs_chain *c, struct rule_config *k)
{
	k->service_chains++;
	if (c->nrules > 0 && jumps_to(c->rules[0], "KUBE-MARK-MASQ"))
		learn_masquerade(c->rules[0], k);
}

/* kube-proxy 1.20 sets the mark beside the entry of the cluster IP; other addresses are marked there too, for all sources. */
static void learn_entries(const struct rs_chain *c, struct rule_config *k)
{
	static const char what[] = " cluster IP\"";

	for (uint32_t i = 0; i < c->nrules; i++)
		if (jumps_to(c->rules[i], "KUBE-MARK-MASQ") && memmem(c->rules[i]->text, c->rules[i]->text_len, what, sizeof(what) - 1))
			learn_masquerade(c->rules[i], k);
}

/* "pod traffic": who is a pod is let through to all endpoints of a Local Service. */
static void learn_external_chain(const struct rs_chain *c, struct rule_config *k)
{
	for (uint32_t i = 0; i < c->nrules; i++) {
		const struct rs_cond *cond = find_cond(c->rules[i], FIELD_SADDR);
		const struct rs_stmt *s = rule_target(c->rules[i]);
		struct ip_prefix p;

		if (cond && !cond->negate && vcond_prefix(cond, &p) && s && s->kind == ST_JUMP && s->u.target &&
		    str_starts(s->u.target->name, "KUBE-SVC-"))
			learn_prefix(k, &p);
	}
}

static void learn_nodeports(const struct rs_chain *c, struct rule_config *k)
{
	for (uint32_t i = 0; i < c->nrules; i++) {
		const struct rs_rule *r = c->rules[i];
		const struct rs_cond *d = find_cond(r, FIELD_DADDR);
		struct ip_prefix p;

		if (!jumps_to(r, "KUBE-NODEPORTS"))
			continue;
		if (find_cond(r, FIELD_DADDR_TYPE)) {
			k->addr_type_local = true;
			if (c->table->family == RS_IP4)
				k->excludes_loopback = d && d->negate;
		} else if (d && !d->negate && vcond_prefix(d, &p) && k->nnodeport < ARRAY_LEN(k->nodeport)) {
			k->nodeport[k->nnodeport++] = p;
		}
	}
}

static void learn_iptables(const struct snap_node *n, struct rule_config *k)
{
	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];

		if (!t->xtables || strcmp(t->name, "nat") != 0)
			continue;
		for (size_t j = 0; j < t->chain_list.len; j++) {
			const struct rs_chain *c = t->chain_list.v[j];

			if (str_starts(c->name, "KUBE-SVC-"))
				learn_service_chain(c, k);
			else if (str_starts(c->name, "KUBE-EXT-") || str_starts(c->name, "KUBE-XLB-"))
				learn_external_chain(c, k);
			if (strcmp(c->name, "KUBE-SERVICES") != 0)
				continue;
			learn_nodeports(c, k);
			learn_entries(c, k);
		}
	}
}

/* ---- nftables mode ---- */

/* "meta mark set meta mark | 0x4000", or (up to 1.32) a jump to the chain that holds it. */
static bool marks(const struct rs_rule *r, struct rule_config *k)
{
	const struct rs_chain *to = rule_chain(r);

	for (unsigned i = 0; i < r->nstmts; i++) {
		if (r->stmts[i].kind != ST_MARK || !r->stmts[i].u.bits.value)
			continue;
		k->masquerade_bit = __builtin_ctz(r->stmts[i].u.bits.value);
		return true;
	}
	return to && strcmp(to->name, "mark-for-masquerade") == 0;
}

static void learn_nft_chain(const struct rs_chain *c, struct rule_config *k)
{
	bool external = str_starts(c->name, "external-"), services = strcmp(c->name, "services") == 0;
	struct ip_prefix p;

	for (uint32_t i = 0; i < c->nrules; i++) {
		const struct rs_rule *r = c->rules[i];
		const struct rs_cond *s = find_cond(r, FIELD_SADDR);

		if (services && find_cond(r, FIELD_DADDR_TYPE))
			k->addr_type_local = true;
		if (external && s && !s->negate && rule_chain(r) && vcond_prefix(s, &p))
			learn_prefix(k, &p);
		else if (!external && marks(r, k) && strcmp(c->name, "mark-for-masquerade") != 0)
			learn_masquerade(r, k);
	}
}

/* pkg/proxy/nftables/proxier.go nodePortIPsSet */
static void learn_nft_node_ports(const struct snap_node *n, const struct rs_table *t, struct rule_config *k)
{
	const struct rs_set *s = ruleset_find_set(&n->rules, t, "nodeport-ips");

	for (size_t i = 0; s && i < s->nelems; i++) {
		const struct rs_value *v = s->nfields == 1 ? s->elems[i].keys : NULL;
		struct ip_addr a = { .family = AF_INET };
		uint32_t be;

		if (!v)
			continue;
		if (s->part_kinds[0] == VALUE_ADDR4) {
			be = htonl(v->u.num.lo);
			memcpy(a.b, &be, sizeof(be));
			learn_node_port_address(k, &a);
		} else if (s->part_kinds[0] == VALUE_ADDR6) {
			a = v->u.addr6->lo;
			learn_node_port_address(k, &a);
		}
	}
}

static void learn_nftables(const struct snap_node *n, struct rule_config *k)
{
	for (unsigned six = 0; six < 2; six++) {
		const struct rs_table *t = ruleset_find_table(&n->rules, BACKEND_NFT, six ? RS_IP6 : RS_IP4, "kube-proxy");

		if (!t || t->xtables)
			continue;
		k->service_chains++;
		for (size_t j = 0; j < t->chain_list.len; j++) {
			const char *name = t->chain_list.v[j]->name;

			if (strcmp(name, "services") == 0 || strchr(name, '/'))
				learn_nft_chain(t->chain_list.v[j], k);
			else if (strcmp(name, "mark-for-masquerade") == 0 && t->chain_list.v[j]->nrules)
				(void)marks(t->chain_list.v[j]->rules[0], k);
		}
		learn_nft_node_ports(n, t, k);
	}
}

/* ---- IPVS mode ---- */

static const struct rs_set_ref *asked_set(const struct rs_rule *r, const char *name)
{
	for (unsigned i = 0; i < r->nconds; i++) {
		const struct rs_cond *c = &r->conds[i];

		if (c->field == FIELD_SET && c->op == OP_SET && vset_is(c->u.set->name, name))
			return c->u.set;
	}
	return NULL;
}

/* pkg/proxy/ipvs/proxier.go writeIptablesRules: without a local detector the set is asked for the source. */
static void learn_ipvs_entry(const struct rs_rule *r, struct rule_config *k)
{
	const struct rs_set_ref *set = asked_set(r, "KUBE-CLUSTER-IP");

	if (!set || !jumps_to(r, "KUBE-MARK-MASQ"))
		return;
	k->service_chains++;
	if (set->nfields && set->dst[0])
		learn_masquerade(r, k);
}

static bool is_node_port(const struct snap_node *n, const struct rs_virtual_server *v)
{
	for (size_t i = 0; i < n->facts.addrs.len; i++)
		if (ip_addr_equal(&n->facts.addrs.v[i].addr, &v->addr) && n->facts.addrs.v[i].ifname &&
		    strcmp(n->facts.addrs.v[i].ifname, "kube-ipvs0") != 0)
			return v->port >= 1024;
	return false;
}

static void learn_ipvs(const struct snap_node *n, struct rule_config *k)
{
	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];
		const struct rs_chain *c = t->xtables && strcmp(t->name, "nat") == 0 ? table_find_chain(t, "KUBE-SERVICES") : NULL;

		for (uint32_t j = 0; c && j < c->nrules; j++)
			learn_ipvs_entry(c->rules[j], k);
	}
	for (size_t i = 0; i < n->rules.servers.len; i++)
		if (!n->rules.servers.v[i]->fwmark && is_node_port(n, n->rules.servers.v[i]))
			learn_node_port_address(k, &n->rules.servers.v[i]->addr);
}

/* ---- what it comes to ---- */

/* The prefix that most chains of a family use; one that is used once among many is a changed rule. */
static void set_local_detector(const struct rule_config *k, struct ip_prefix *cidrs, struct kube_proxy_config *c)
{
	size_t best[2] = { 0, 0 };

	for (size_t i = 0; i < k->nguesses; i++)
		best[k->guesses[i].prefix.addr.family == AF_INET6] =
			MAX(best[k->guesses[i].prefix.addr.family == AF_INET6], k->guesses[i].count);
	for (size_t i = 0; i < k->nguesses; i++)
		if (k->guesses[i].count == best[k->guesses[i].prefix.addr.family == AF_INET6])
			cidrs[c->ncluster_cidrs++] = k->guesses[i].prefix;
	c->cluster_cidrs = cidrs;
	c->detect_local_mode = c->ncluster_cidrs ? "ClusterCIDR" : !k->not_iif ? "" :
		k->not_iif_wildcard ? "InterfaceNamePrefix" : "BridgeInterface";
	c->bridge_interface = k->not_iif_wildcard ? NULL : k->not_iif;
	c->interface_prefix = k->not_iif_wildcard ? k->not_iif : NULL;
}

static int set_node_ports(struct arena *arena, const struct rule_config *k, struct kube_proxy_config *c)
{
	const char **addrs = arena_array(arena, const char *, ARRAY_LEN(k->nodeport));

	for (size_t i = 0; addrs && i < k->nnodeport && !k->addr_type_local; i++) {
		char buf[IP_PREFIX_STRLEN];

		addrs[c->nnode_port_addresses] = arena_strdup(arena, ip_prefix_format(&k->nodeport[i], buf));
		if (!addrs[c->nnode_port_addresses++])
			return -ENOMEM;
	}
	c->node_port_addresses = addrs;
	return addrs ? 0 : -ENOMEM;
}

int config_from_rules(struct arena *arena, const struct snap_node *n, enum expect_mode mode, struct kube_proxy_config *ret)
{
	static void (*const learn[])(const struct snap_node *, struct rule_config *) = {
		[MODE_IPTABLES] = learn_iptables, [MODE_NFTABLES] = learn_nftables, [MODE_IPVS] = learn_ipvs,
	};
	struct rule_config k = { .masquerade_bit = -1 };
	struct kube_proxy_config c = { .masquerade_all = 0, .masquerade_bit = -1, .localhost_node_ports = 1 };
	struct ip_prefix *cidrs = arena_array(arena, struct ip_prefix, ARRAY_LEN(k.guesses));

	if (!cidrs)
		return -ENOMEM;
	learn[mode](n, &k);
	if (k.service_chains == 0)
		return 0;
	set_local_detector(&k, cidrs, &c);
	c.masquerade_all = k.masq_all > k.masq_chains / 2;
	c.masquerade_bit = k.masquerade_bit;
	c.localhost_node_ports = !k.excludes_loopback;
	if (set_node_ports(arena, &k, &c) < 0)
		return -ENOMEM;
	c.mode = verify_mode_name(mode);
	c.source = "the rules themselves";
	c.known = true;
	*ret = c;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The iptables rules of IPVS mode, which all Services share (pkg/proxy/ipvs/proxier.go
 * createAndLinkKubeChain, writeIptablesRules): what is masqueraded, filtered and let through is
 * told by ipsets. In the words of iptables-save 1.8.9.
 *
 * Many of them are written only while their ipset has members: that is expect_rule.needs, and
 * expect_settle() holds it against the members that are expected.
 */

#include <errno.h>

#include "expect-private.h"

struct jump {
	const char *table, *chain, *comment, *target;
};

/* In the order of the chains. */
static const struct jump jumps[] = {
	{ "filter", "INPUT", "kubernetes ipvs access filter", "KUBE-IPVS-FILTER" },
	{ "filter", "INPUT", "kube-proxy firewall rules", "KUBE-PROXY-FIREWALL" },
	{ "filter", "INPUT", "kubernetes health check rules", "KUBE-NODE-PORT" },
	{ "filter", "FORWARD", "kube-proxy firewall rules", "KUBE-PROXY-FIREWALL" },
	{ "filter", "FORWARD", "kubernetes forwarding rules", "KUBE-FORWARD" },
	{ "filter", "OUTPUT", "kubernetes ipvs access filter", "KUBE-IPVS-OUT-FILTER" },
	{ "nat", "PREROUTING", "kubernetes service portals", "KUBE-SERVICES" },
	{ "nat", "OUTPUT", "kubernetes service portals", "KUBE-SERVICES" },
	{ "nat", "POSTROUTING", "kubernetes postrouting rules", "KUBE-POSTROUTING" },
};

#define CLUSTER_IP "Kubernetes service cluster ip + port for masquerade purpose"
#define EXTERNAL "Kubernetes service external ip + port for masquerade and filter purpose"
#define EXTERNAL_LOCAL "Kubernetes service external ip + port with externalTrafficPolicy=local"
#define HASHED " with type \\'hash ip:port\\'"

/* "-m comment --comment COMMENT -m set --match-set SET DIRECTIONS -j TARGET" while the set has members. */
struct set_rule {
	enum expect_role role;
	const char *table, *chain, *set, *directions, *target;
	const char *proto; /* "-p tcp ", or "" */
	const char *comment;
};

/* In the order of kube-proxy's ipsetWithIptablesChain. */
static const struct set_rule set_rules[] = {
	{ ROLE_ENDPOINT_MASQ, "nat", "KUBE-POSTROUTING", "KUBE-LOOP-BACK", "dst,dst,src", "MASQUERADE", "",
	  "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose" },
	{ ROLE_ENTRY, "nat", "KUBE-SERVICES", "KUBE-LOAD-BALANCER", "dst,dst", "KUBE-LOAD-BALANCER", "",
	  "Kubernetes service lb portal" },
	{ ROLE_EXTERNAL, "nat", "KUBE-LOAD-BALANCER", "KUBE-LOAD-BALANCER-LOCAL", "dst,dst", "RETURN", "",
	  "Kubernetes service load balancer ip + port with externalTrafficPolicy=local" },
	{ ROLE_EXTERNAL, "nat", "KUBE-NODE-PORT", "KUBE-NODE-PORT-LOCAL-TCP", "dst", "RETURN", "-p tcp ",
	  "Kubernetes nodeport TCP port with externalTrafficPolicy=local" },
	{ ROLE_MASQ, "nat", "KUBE-NODE-PORT", "KUBE-NODE-PORT-TCP", "dst", "KUBE-MARK-MASQ", "-p tcp ",
	  "Kubernetes nodeport TCP port for masquerade purpose" },
	{ ROLE_EXTERNAL, "nat", "KUBE-NODE-PORT", "KUBE-NODE-PORT-LOCAL-UDP", "dst", "RETURN", "-p udp ",
	  "Kubernetes nodeport UDP port with externalTrafficPolicy=local" },
	{ ROLE_MASQ, "nat", "KUBE-NODE-PORT", "KUBE-NODE-PORT-UDP", "dst", "KUBE-MARK-MASQ", "-p udp ",
	  "Kubernetes nodeport UDP port for masquerade purpose" },
	{ ROLE_EXTERNAL, "nat", "KUBE-NODE-PORT", "KUBE-NODE-PORT-LOCAL-SCTP-HASH", "dst,dst", "RETURN", "-p sctp ",
	  "Kubernetes nodeport SCTP port with externalTrafficPolicy=local" HASHED },
	{ ROLE_MASQ, "nat", "KUBE-NODE-PORT", "KUBE-NODE-PORT-SCTP-HASH", "dst,dst", "KUBE-MARK-MASQ", "-p sctp ",
	  "Kubernetes nodeport SCTP port for masquerade purpose" HASHED },
	{ ROLE_FIREWALL, "filter", "KUBE-PROXY-FIREWALL", "KUBE-LOAD-BALANCER-FW", "dst,dst",
	  "KUBE-SOURCE-RANGES-FIREWALL", "",
	  "Kubernetes service load balancer ip + port for load balancer with sourceRange" },
	{ ROLE_FIREWALL, "filter", "KUBE-SOURCE-RANGES-FIREWALL", "KUBE-LOAD-BALANCER-SOURCE-CIDR", "dst,dst,src",
	  "RETURN", "", "Kubernetes service load balancer ip + port + source cidr for packet filter purpose" },
	{ ROLE_FIREWALL, "filter", "KUBE-SOURCE-RANGES-FIREWALL", "KUBE-LOAD-BALANCER-SOURCE-IP", "dst,dst,src",
	  "RETURN", "", "Kubernetes service load balancer ip + port + source IP for packet filter purpose" },
};

struct common {
	struct arena *arena;
	const struct expect_node *node;
	struct expect_rules *rules;
	int family;
	bool optional; /* of a version whose chains are not known that well */
	int r;         /* first error */
};

#define emit(c, ro, t, ch, tgt, need, ...) \
	do { \
		if ((c)->r == 0) { \
			const struct expect_rule rule_ = { .role = (ro), .table = (t), .chain = (ch), .target = (tgt), \
							   .needs = (need), .optional = (c)->optional }; \
			(c)->r = expect_add_rule((c)->arena, (c)->rules, &rule_, __VA_ARGS__); \
		} \
	} while (0)

/* Of the family; never NULL. Without memory the error is kept and no rule follows. */
static const char *set_name(struct common *c, const char *name)
{
	const char *s = expect_ipset_name(c->arena, name, c->family);
	if (!s && c->r == 0) {
		c->r = -ENOMEM;
	}
	return s ? s : "";
}

static const char *chain_of(const char *target)
{
	return str_starts(target, "KUBE-") ? target : NULL;
}

static void by_sets(struct common *c)
{
	for (size_t i = 0; i < ARRAY_LEN(set_rules); i++) {
		const struct set_rule *s = &set_rules[i];
		const char *set = set_name(c, s->set);
		emit(c, s->role, s->table, s->chain, chain_of(s->target), set,
		     "%s-m comment --comment \"%s\" -m set --match-set %s %s -j %s", s->proto, s->comment, set,
		     s->directions, s->target);
	}
}

/* Cluster IPs: all, or who is no pod; without a detector the node itself, whose source is the address itself. */
static void cluster_ips(struct common *c)
{
	const char *set = set_name(c, "KUBE-CLUSTER-IP"), *directions = "dst,dst";
	char prefix[IP_PREFIX_STRLEN], who[IP_PREFIX_STRLEN + 80] = "";
	struct local_detector d;
	expect_detector(c->node, c->family, &d);
	if (c->node->config->masquerade_all == 1) {
		d.kind = DETECTOR_UNKNOWN;
	}
	switch (d.kind) {
	case DETECTOR_PREFIX:
		(void)snprintf(who, sizeof(who), "! -s %s ", ip_prefix_format(&d.prefix, prefix));
		break;
	case DETECTOR_INTERFACE:
		(void)snprintf(who, sizeof(who), "! -i %s ", d.interface);
		break;
	case DETECTOR_INTERFACE_PREFIX:
		(void)snprintf(who, sizeof(who), "! -i %s+ ", d.interface);
		break;
	case DETECTOR_NONE:
		directions = "src,dst";
		break;
	case DETECTOR_UNKNOWN:
		break;
	}
	emit(c, ROLE_MASQ, "nat", "KUBE-SERVICES", "KUBE-MARK-MASQ", set,
	     "%s-m comment --comment \"" CLUSTER_IP "\" -m set --match-set %s %s -j KUBE-MARK-MASQ", who, set,
	     directions);
}

static void external_ips(struct common *c, const char *name, const char *comment, bool masquerade)
{
	static const char *const who[] = { "-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL",
					   "-m addrtype --dst-type LOCAL" };
	const char *set = set_name(c, name);
	if (masquerade) {
		emit(c, ROLE_MASQ, "nat", "KUBE-SERVICES", "KUBE-MARK-MASQ", set,
		     "-m comment --comment \"%s\" -m set --match-set %s dst,dst -j KUBE-MARK-MASQ", comment, set);
	}
	for (size_t i = 0; i < ARRAY_LEN(who); i++) {
		emit(c, ROLE_ENTRY, "nat", "KUBE-SERVICES", NULL, set,
		     "-m comment --comment \"%s\" -m set --match-set %s dst,dst %s -j ACCEPT", comment, set, who[i]);
	}
}

static void services(struct common *c)
{
	static const char *const accepted[] = { "KUBE-CLUSTER-IP", "KUBE-LOAD-BALANCER" };
	emit(c, ROLE_ENTRY, "nat", "KUBE-SERVICES", NULL, NULL, "-s %s -j RETURN",
	     c->family == AF_INET ? "127.0.0.0/8" : "::1/128");
	by_sets(c);
	cluster_ips(c);
	external_ips(c, "KUBE-EXTERNAL-IP", EXTERNAL, true);
	external_ips(c, "KUBE-EXTERNAL-IP-LOCAL", EXTERNAL_LOCAL, false);
	emit(c, ROLE_JUMP, "nat", "KUBE-SERVICES", "KUBE-NODE-PORT", NULL,
	     "-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT");
	emit(c, ROLE_MASQ, "nat", "KUBE-LOAD-BALANCER", "KUBE-MARK-MASQ", NULL, "-j KUBE-MARK-MASQ");
	emit(c, ROLE_FW_DROP, "filter", "KUBE-SOURCE-RANGES-FIREWALL", NULL, NULL, "-j DROP");
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		const char *set = set_name(c, accepted[i]);
		emit(c, ROLE_ENTRY, "nat", "KUBE-SERVICES", NULL, set, "-m set --match-set %s dst,dst -j ACCEPT", set);
	}
}

/* Other ports of a virtual address must not reach the node's own listeners. */
static void access_filter(struct common *c)
{
	static const char *const passed[] = { "KUBE-LOAD-BALANCER dst,dst", "KUBE-CLUSTER-IP dst,dst",
					      "KUBE-EXTERNAL-IP dst,dst", "KUBE-EXTERNAL-IP-LOCAL dst,dst",
					      "KUBE-HEALTH-CHECK-NODE-PORT dst" };
	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		const char *directions = strchr(passed[i], ' ');
		char name[IPSET_NAME_MAX + 1];
		(void)snprintf(name, sizeof(name), "%.*s", (int)(directions - passed[i]), passed[i]);
		emit(c, ROLE_CATCH, "filter", "KUBE-IPVS-FILTER", NULL, NULL, "-m set --match-set %s%s -j RETURN",
		     set_name(c, name), directions);
	}
	emit(c, ROLE_CATCH, "filter", "KUBE-IPVS-FILTER", NULL, NULL,
	     "-m conntrack --ctstate NEW -m set --match-set %s dst -j REJECT --reject-with %s",
	     set_name(c, "KUBE-IPVS-IPS"), c->family == AF_INET ? "icmp-port-unreachable" : "icmp6-port-unreachable");
}

static void marked(struct common *c)
{
	unsigned mark = expect_mark(c->node);
	emit(c, ROLE_FORWARD, "filter", "KUBE-FORWARD", NULL, NULL,
	     "-m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x%x/0x%x -j ACCEPT", mark, mark);
	emit(c, ROLE_FORWARD, "filter", "KUBE-FORWARD", NULL, NULL,
	     "-m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate "
	     "RELATED,ESTABLISHED -j ACCEPT");
	emit(c, ROLE_POSTROUTING, "nat", "KUBE-POSTROUTING", NULL, NULL, "-m mark ! --mark 0x%x/0x%x -j RETURN", mark,
	     mark);
	emit(c, ROLE_POSTROUTING, "nat", "KUBE-POSTROUTING", NULL, NULL, "-j MARK --set-xmark 0x%x/0x0", mark);
	emit(c, ROLE_POSTROUTING, "nat", "KUBE-POSTROUTING", NULL, NULL,
	     "-m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully");
	emit(c, ROLE_MARK, "nat", "KUBE-MARK-MASQ", NULL, NULL, "-j MARK --set-xmark 0x%x/0x%x", mark, mark);
}

int expect_ipvs_common(struct arena *arena, const struct expect_node *node, int family, struct expect_rules *ret)
{
	struct common c = { .arena = arena, .node = node, .rules = ret, .family = family };
	bool filter = expect_after(node, CHANGE_IPVS_FILTER), out = expect_after(node, CHANGE_IPVS_NODE_RANGES);
	c.optional = !filter;
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		const struct jump *j = &jumps[i];
		if ((filter || strcmp(j->target, "KUBE-IPVS-FILTER") != 0) &&
		    (out || strcmp(j->target, "KUBE-IPVS-OUT-FILTER") != 0)) {
			emit(&c, ROLE_JUMP, j->table, j->chain, j->target, NULL, "-m comment --comment \"%s\" -j %s",
			     j->comment, j->target);
		}
	}
	services(&c);
	const char *set = set_name(&c, "KUBE-HEALTH-CHECK-NODE-PORT");
	emit(&c, ROLE_ACCEPT, "filter", "KUBE-NODE-PORT", NULL, NULL,
	     "-m comment --comment \"Kubernetes health check node port\" -m set --match-set %s dst -j ACCEPT", set);
	if (filter) {
		access_filter(&c);
	}
	marked(&c);
	return c.r;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int expect_settle(struct expect_rules *r)
{
	const char **sets = calloc(r->v.len + 1, sizeof(*sets));
	size_t n = 0, kept = 0;
	if (!sets) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < r->v.len; i++) {
		const char *s = r->v.v[i].part == PART_MEMBER ? r->v.v[i].set : NULL;
		if (s && (n == 0 || strcmp(sets[n - 1], s) != 0)) {
			sets[n++] = s;
		}
	}
	qsort(sets, n, sizeof(*sets), name_cmp);
	for (size_t i = 0; i < r->v.len; i++) {
		const struct expect_rule *x = &r->v.v[i];
		if (!x->needs || bsearch(&x->needs, sets, n, sizeof(*sets), name_cmp)) {
			r->v.v[kept++] = *x;
		}
	}
	r->v.len = kept;
	free(sets);
	return 0;
}

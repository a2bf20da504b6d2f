/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules that all Services share, as kube-proxy v1.36 writes them in iptables mode and
 * iptables-save 1.8.9 prints them: the jumps from the built-in chains, the mark for masquerade,
 * KUBE-POSTROUTING, KUBE-FORWARD, KUBE-FIREWALL and the way to the node ports. They are there as
 * soon as kube-proxy has synced once, without any Service.
 */

#include <errno.h>

#include "expect-private.h"

#define LIBERAL_SYSCTL "net.netfilter.nf_conntrack_tcp_be_liberal"
#define PORTALS "-m comment --comment \"kubernetes service portals\" "
#define EXTERNAL_PORTALS "-m comment --comment \"kubernetes externally-visible service portals\" "
#define LB_FIREWALL "-m comment --comment \"kubernetes load balancer firewall\" "
#define NEW "-m conntrack --ctstate NEW "

struct jump {
	const char *table, *chain, *match, *target;
};

/* In the order of the chains: kube-proxy puts each at the head, the last of them first. */
static const struct jump jumps[] = {
	{ "filter", "INPUT", "", "KUBE-FIREWALL" },
	{ "filter", "INPUT", NEW LB_FIREWALL, "KUBE-PROXY-FIREWALL" },
	{ "filter", "INPUT", "-m comment --comment \"kubernetes health check service ports\" ",
	  "KUBE-NODEPORTS" },
	{ "filter", "INPUT", NEW EXTERNAL_PORTALS, "KUBE-EXTERNAL-SERVICES" },
	{ "filter", "FORWARD", NEW LB_FIREWALL, "KUBE-PROXY-FIREWALL" },
	{ "filter", "FORWARD", "-m comment --comment \"kubernetes forwarding rules\" ", "KUBE-FORWARD" },
	{ "filter", "FORWARD", NEW PORTALS, "KUBE-SERVICES" },
	{ "filter", "FORWARD", NEW EXTERNAL_PORTALS, "KUBE-EXTERNAL-SERVICES" },
	{ "filter", "OUTPUT", "", "KUBE-FIREWALL" },
	{ "filter", "OUTPUT", NEW LB_FIREWALL, "KUBE-PROXY-FIREWALL" },
	{ "filter", "OUTPUT", NEW PORTALS, "KUBE-SERVICES" },
	{ "nat", "PREROUTING", PORTALS, "KUBE-SERVICES" },
	{ "nat", "OUTPUT", PORTALS, "KUBE-SERVICES" },
	{ "nat", "POSTROUTING", "-m comment --comment \"kubernetes postrouting rules\" ",
	  "KUBE-POSTROUTING" },
};

struct common {
	struct arena *arena;
	const struct expect_node *node;
	struct expect_rules *rules;
	int r; /* first error */
};

#define emit(c, ro, t, ch, tgt, ...) \
	do { \
		if ((c)->r == 0) { \
			const struct expect_rule rule_ = { \
				.role = (ro), .table = (t), .chain = (ch), .target = (tgt) \
			}; \
			(c)->r = expect_add_rule((c)->arena, (c)->rules, &rule_, __VA_ARGS__); \
		} \
	} while (0)

unsigned expect_mark(const struct expect_node *node)
{
	int bit = node->config->masquerade_bit;
	return 1u << (bit >= 0 && bit <= 31 ? bit : 14);
}

/* kube-proxy leaves INVALID packets alone where conntrack was told to be liberal. */
static bool drops_invalid(const struct expect_node *node)
{
	const char *liberal = node->facts ? node_sysctl(node->facts, LIBERAL_SYSCTL) : NULL;
	return !liberal || strcmp(liberal, "0") == 0;
}

static void filter_rules(struct common *c, int family)
{
	unsigned mark = expect_mark(c->node);
	if (family == AF_INET && expect_localhost_node_ports(c->node)) {
		emit(c, ROLE_FW_DROP, "filter", "KUBE-FIREWALL", NULL,
		     "! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \"block incoming localnet "
		     "connections\" "
		     "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP");
	}
	if (drops_invalid(c->node)) {
		emit(c, ROLE_FORWARD, "filter", "KUBE-FORWARD", NULL,
		     "-m conntrack --ctstate INVALID -m nfacct --nfacct-name  "
		     "ct_state_invalid_dropped_pkts -j DROP");
	}
	emit(c, ROLE_FORWARD, "filter", "KUBE-FORWARD", NULL,
	     "-m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x%x/0x%x -j ACCEPT",
	     mark, mark);
	emit(c, ROLE_FORWARD, "filter", "KUBE-FORWARD", NULL,
	     "-m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate "
	     "RELATED,ESTABLISHED -j ACCEPT");
}

static void nat_rules(struct common *c)
{
	unsigned mark = expect_mark(c->node);
	emit(c, ROLE_MARK, "nat", "KUBE-MARK-MASQ", NULL, "-j MARK --set-xmark 0x%x/0x%x", mark, mark);
	emit(c, ROLE_POSTROUTING, "nat", "KUBE-POSTROUTING", NULL, "-m mark ! --mark 0x%x/0x%x -j RETURN",
	     mark, mark);
	emit(c, ROLE_POSTROUTING, "nat", "KUBE-POSTROUTING", NULL, "-j MARK --set-xmark 0x%x/0x0", mark);
	emit(c, ROLE_POSTROUTING, "nat", "KUBE-POSTROUTING", NULL,
	     "-m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE "
	     "--random-fully");
}

#define LAST \
	"-m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this " \
	"chain\" "

static void node_ports_from(struct common *c, const struct ip_addr *a)
{
	char s[IP_ADDR_STRLEN];
	emit(c, ROLE_JUMP, "nat", "KUBE-SERVICES", "KUBE-NODEPORTS", "-d %s/%u " LAST "-j KUBE-NODEPORTS",
	     ip_addr_format(a, s), (unsigned)(8 * ip_addr_size(a)));
}

/*
 * One jump for each address of an interface that nodePortAddresses names; none where the addresses
 * are not known.
 */
static void node_ports_by_address(struct common *c, int family)
{
	struct ip_addr *v;
	size_t n;
	int r = expect_interface_addrs(c->arena, c->node, family, &v, &n);
	if (r < 0) {
		c->r = r;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		node_ports_from(c, &v[i]);
	}
}

static void node_ports(struct common *c, int family)
{
	if (expect_node_ports(c->node, family) != NODE_PORTS_ALL) {
		node_ports_by_address(c, family);
		return;
	}
	const char *but = "";
	if (family == AF_INET6) {
		but = "! -d ::1/128 ";
	} else if (!expect_localhost_node_ports(c->node)) {
		but = "! -d 127.0.0.0/8 ";
	}
	emit(c, ROLE_JUMP, "nat", "KUBE-SERVICES", "KUBE-NODEPORTS",
	     "%s" LAST "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS", but);
}

int expect_iptables_common(struct arena *arena, const struct expect_node *node, int family,
			   struct expect_rules *ret)
{
	struct common c = { .arena = arena, .node = node, .rules = ret };
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		const struct jump *j = &jumps[i];
		emit(&c, ROLE_JUMP, j->table, j->chain, j->target, "%s-j %s", j->match, j->target);
	}
	filter_rules(&c, family);
	nat_rules(&c);
	node_ports(&c, family);
	return c.r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_NODE_H
#define SVCDOCTOR_NODE_H

/*
 * What a node's network is made of: addresses, links and bridge ports, routes and routing rules,
 * neighbours, sysctls. Plain data, and the few questions that follow from it alone.
 * Each part is known or not known; a part that is not known is never taken as empty.
 * Strings and arrays lie in the arena of the facts.
 */

#include <svcdoctor/base.h>

enum node_scope { SCOPE_GLOBAL = 0, SCOPE_SITE = 200, SCOPE_LINK = 253, SCOPE_HOST = 254, SCOPE_NOWHERE = 255 };

struct node_address {
	struct ip_addr addr;
	uint8_t plen;
	uint8_t scope; /* enum node_scope */
	bool secondary, deprecated, tentative, temporary;
	bool optimistic;	/* IPv6: tentative, and used as a source all the same */
	struct ip_addr peer;	/* the other end of a point-to-point address; family 0: none */
	uint32_t ifindex;
	const char *ifname;
};

struct node_link {
	uint32_t ifindex;
	const char *name;
	const char *kind;	/* "bridge", "veth", "dummy", ...; NULL: none shown */
	const char *master;	/* NULL: none */
	bool up, loopback, promisc, pointopoint;
	int promiscuity;	/* count of listeners; -1: not shown (ip without -d) */
	bool is_bridge_port;	/* info_slave_kind bridge */
	int hairpin;		/* bridge port: 0, 1; -1: not shown */
	bool isolated;		/* bridge port: nothing goes from one such port to another */
	int nf_call_iptables, nf_call_ip6tables; /* bridge: 0, 1; -1: not shown */
	const char *mac;
	uint32_t mtu;
	const char *lower;	/* the link below a tunnel or VLAN; NULL: none is told */
	int learning;		/* vxlan: 0: where addresses are is told to it, 1: it learns, or asks; -1: not shown */
	bool over_ip6;		/* tunnel: its own packets are of IPv6 */
	uint32_t tunnel_id, tunnel_port; /* vxlan, geneve: VNI and UDP port; 0: not shown */
};

enum node_route_type { RT_UNICAST, RT_LOCAL, RT_BROADCAST, RT_ANYCAST, RT_MULTICAST, RT_BLACKHOLE, RT_UNREACHABLE, RT_PROHIBIT, RT_THROW, RT_OTHER };

/* One way of a multipath route. */
struct node_hop {
	const char *dev;	/* NULL: none */
	struct ip_addr gateway; /* family 0: on the link; may be IPv6 in an IPv4 route */
	bool linkdown, dead;
};

struct node_route {
	uint8_t family;		/* AF_INET, AF_INET6 */
	enum node_route_type type;
	uint32_t table;		/* 254 main, 255 local, 253 default; 0 is main too */
	struct ip_prefix dst;
	bool has_gateway;
	struct ip_addr gateway;
	const char *dev;	/* NULL: none (blackhole) */
	bool multipath;		/* several next hops: the first one that is not dead is here, all are in hops */
	const struct node_hop *hops; /* NULL where the route has one */
	uint32_t nhops;
	struct ip_addr prefsrc; /* family 0: none */
	uint8_t scope;
	uint32_t metric;
	bool linkdown, dead;
	uint8_t tos;		/* a route for this TOS only; lookups are for TOS 0 and skip it */
	struct ip_prefix from;	/* IPv6: for these sources only; family 0: all */
};

struct node_rule {
	uint8_t family;		/* 0: of both, or not said */
	uint32_t priority;
	bool invert;		/* "not" */
	struct ip_prefix src, dst; /* family 0: all */
	uint32_t fwmark, fwmask;   /* mask 0: not asked */
	const char *iif, *oif;	   /* NULL: not asked */
	uint32_t table;		   /* 0: another action */
	const char *action;	   /* NULL: look up the table; "blackhole", "unreachable", "prohibit", "goto", ... */
	uint32_t goto_priority;	   /* action "goto" */
	uint8_t suppress;	   /* suppress_prefixlength + 1: prefixes that short do not count; 0: not asked */
	bool unknown;		   /* asks something that is not modelled (uidrange, ipproto, sport, tos, ...) */
	const char *text;
};

struct node_neigh {
	struct ip_addr addr;
	const char *dev, *mac, *state;
};
struct node_fdb {
	const char *mac, *port, *master;
	bool self, permanent;
	struct ip_addr dst;	/* of a vxlan link: where it sends packets for this address; family 0: none */
};

/* A socket that listens in the node's own network. */
struct node_socket {
	uint8_t proto;		/* IPPROTO_TCP, IPPROTO_UDP */
	struct ip_addr addr;	/* family 0: every address of both families; zero: of its family */
	uint16_t port;
	const char *process;	/* "kube-proxy"; NULL: not shown (ss without -p) */
};

struct node_facts {
	struct arena arena;
	bool sockets_known;
	bool addrs_known, links_known, routes_known, rules_known, rules6_known, neigh_known, fdb_known, sysctl_known;
	ARRAY_OF(struct node_address) addrs;
	ARRAY_OF(struct node_link) links;
	ARRAY_OF(struct node_route) routes;
	ARRAY_OF(struct node_rule) rules;
	ARRAY_OF(struct node_neigh) neigh;
	ARRAY_OF(struct node_fdb) fdb;
	ARRAY_OF(struct node_socket) sockets;
	struct map sysctl;	/* "net.ipv4.ip_forward" -> char * */
	struct map locals;	/* struct ip_addr -> itself: exact local addresses; built by node_facts_finish */
	/* Addresses that something else than the node itself says it has (the Node object): used when addrs is not known. */
	ARRAY_OF(struct ip_addr) claimed;
	struct node_index *index; /* lib/node's lookups, built by node_facts_finish */
};

void node_facts_init(struct node_facts *f);
void node_facts_release(struct node_facts *f);
/*
 * After everything was added: builds the lookups and sorts routes and rules. Pointers into routes and rules from before
 * are not valid any more. May be called again after more was added. 0 or -ENOMEM.
 */
int node_facts_finish(struct node_facts *f);

/* Value of a sysctl or NULL; names with dots in an interface are given as sysctl prints them (eth0/5). */
const char *node_sysctl(const struct node_facts *f, const char *name);
/* net.{ipv4,ipv6}.conf.IF.NAME; -1 when not known. */
int node_conf(const struct node_facts *f, int family, const char *ifname, const char *name);

const struct node_link *node_link_by_name(const struct node_facts *f, const char *name);

/* By its kind; where `ip link` was run without -d, by being the master of a bridge port. */
bool node_is_bridge(const struct node_facts *f, const struct node_link *l);
bool node_is_port_of(const struct node_link *l, const struct node_link *bridge);
/*
 * The port that a neighbour of the bridge device hangs on: its MAC address by the neighbour table, the port by the FDB. NULL: these do
 * not say it.
 */
const struct node_link *node_bridge_port(const struct node_facts *f, const struct node_link *bridge, const struct ip_addr *a);

enum tri { TRI_FALSE, TRI_TRUE, TRI_UNKNOWN };

/*
 * Is @a delivered locally, by table local? Where no such route of its family is known (no routes, or `ip route` without
 * "table all"), by the addresses, then by the claimed ones.
 */
enum tri node_is_local(const struct node_facts *f, const struct ip_addr *a);

struct node_route_query {
	struct ip_addr src, dst; /* src.family 0: not chosen yet */
	uint32_t mark;
	const char *iif;	 /* NULL: sent by the node itself (iif lo) */
	const char *oif;	 /* NULL: any */
};
struct node_route_result {
	enum { NR_UNKNOWN, NR_LOCAL, NR_UNICAST, NR_BROADCAST, NR_MULTICAST, NR_NONE, NR_REFUSED } kind; /* NONE: no route; REFUSED: blackhole, unreachable, prohibit */
	const struct node_route *route; /* NULL where none or not known */
	const char *dev;		/* NULL: not known */
	struct ip_addr gateway;		/* family 0: on the link */
	struct ip_addr src;		/* the kernel's choice of a source for this route, not the query's; family 0: not known */
	const char *unknown;		/* why NR_UNKNOWN, or what was assumed: constant text, or NULL */
};
/*
 * The kernel's route lookup (fib_rules, then longest prefix, then metric): rules in order of priority, TOS not modelled.
 * Always fills @ret.
 */
void node_route_lookup(const struct node_facts *f, const struct node_route_query *q, struct node_route_result *ret);

/*
 * Type of an address as xt_addrtype sees it (inet_addr_type, or inet_dev_addr_type with @dev): ADDRTYPE bit number, or -1
 * when not known. An IPv6 address can be of several types for xt_addrtype: whatever is not UNSPEC or MULTICAST is UNICAST
 * too. The answer is the narrowest one.
 */
int node_addr_type(const struct node_facts *f, const struct ip_addr *a, const char *dev);

/*
 * The address that MASQUERADE takes on @dev: inet_select_addr(dev, next hop, RT_SCOPE_UNIVERSE) for IPv4 (net/ipv4/devinet.c),
 * RFC 6724 as net/ipv6/addrconf.c has it for IPv6: tentative ones never, deprecated and temporary ones only where there
 * is no better one. @nexthop: the gateway or, where there is none or it is of the other family, the destination; for IPv6
 * always the destination.
 * TRI_TRUE: @ret set. TRI_FALSE: the node has none, the packet is dropped. TRI_UNKNOWN: addresses or interface not known.
 */
enum tri node_select_source(const struct node_facts *f, const char *dev, const struct ip_addr *nexthop, struct ip_addr *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NODE_PRIVATE_H
#define NODE_PRIVATE_H

/* What the files of lib/node share: the index that node_facts_finish builds, and the steps of a route lookup. */

#include <svcdoctor/node.h>

enum { TABLE_DEFAULT = 253, TABLE_MAIN = 254, TABLE_LOCAL = 255 };

/* An interface with its addresses: index.addrs[first[v6] .. +count[v6]), in the kernel's order. */
struct node_dev {
	const char *name;
	uint32_t ifindex;
	const struct node_link *link; /* NULL: not known */
	uint32_t first[2], count[2];
};

/* The routes of one table and prefix: routes.v[first .. first + count). count 0: a free slot. */
struct route_group {
	uint32_t first, count;
};

struct route_table {
	uint8_t family;
	uint32_t id;
	uint64_t lens[3]; /* bit n: prefixes of length n are there */
};

struct node_index {
	struct arena arena;
	struct map dev_by_name;		    /* struct node_dev */
	struct node_dev **devs;		    /* by ifindex, as for_each_netdev has them */
	size_t ndevs;
	const struct node_address **addrs;  /* by device and family */
	const struct node_address **subnets; /* IPv4 ones that have a broadcast address */
	size_t nsubnets;
	struct map addr_by_ip;		    /* struct node_address; the first one of several */
	struct route_group *groups;	    /* open addressing */
	uint32_t group_mask;
	struct route_table *tables;	    /* by family and number */
	size_t ntables;
	const struct node_rule **rules[2];  /* IPv4, IPv6; by priority; the kernel's own where they are not known */
	size_t nrules[2];
	struct node_rule defaults[2][3];
	bool merged;			    /* IPv4: only the kernel's own rules: tables local and main are one trie */
	bool has_routes[2], has_local_table[2], has_addrs[2];
};

static inline int family_slot(int family) { return family == AF_INET6; }

/* 0 or -ENOMEM. Replaces the index of @f. */
int node_index_build(struct node_facts *f);
void node_index_free(struct node_index *ix);
const struct route_table *node_table(const struct node_index *ix, int family, uint32_t id);
/* The routes of @table whose prefix is the first @len bits of @a. NULL: none. */
const struct route_group *node_group(const struct node_facts *f, const struct route_table *table,
				     const struct ip_addr *a, unsigned len);
const struct node_dev *node_dev(const struct node_facts *f, const char *name);
/* The VRF that an interface belongs to (it may be one itself); NULL: none. */
const struct node_dev *node_vrf(const struct node_facts *f, const char *name);

/* What is known about the routes of a family. */
enum route_knowledge {
	ROUTES_UNKNOWN,	 /* none were given */
	ROUTES_NO_LOCAL, /* table local was not given: the addresses stand for it */
	ROUTES_ALL,
};
enum route_knowledge node_routes_known(const struct node_facts *f, int family);

/* What stands in for table local where it is not known: by addresses, claimed addresses, loopback. */
enum local_kind { LOCAL_NO, LOCAL_YES, LOCAL_BROADCAST, LOCAL_NOT_KNOWN };
/* @ret_dev (may be NULL): the interface that has the address or the subnet, NULL where not known. */
enum local_kind node_local_by_addrs(const struct node_facts *f, const struct ip_addr *a, const char **ret_dev);
bool node_addr_on_dev(const struct node_facts *f, const struct ip_addr *a, const char *dev);

struct flow {
	struct ip_addr src, dst;
	uint32_t mark;
	const char *iif, *oif; /* as rules see them; iif: "lo" for the node's own packets */
	const char *dev;       /* routes by this interface are asked for; NULL: any */
	bool dev_strict;       /* other routes do not count; else these are preferred (IPv6) */
};

/* What a table or the rules said. */
struct found {
	enum { FOUND_NOTHING, FOUND_ROUTE, FOUND_REFUSED, FOUND_LOCAL, FOUND_BROADCAST, FOUND_UNKNOWN } what;
	const struct node_route *route;
	const char *dev;
	struct ip_addr gateway;
	uint8_t plen;
	bool several;	     /* one of several next hops */
	bool thrown;	     /* a throw route ended the table: FOUND_NOTHING */
	const char *unknown; /* FOUND_UNKNOWN: why */
};

/* Longest prefix match in one table; @merged: in tables local and main as one (IPv4). */
struct found node_table_lookup(const struct node_facts *f, const struct flow *fl, uint32_t table, bool merged);
struct found node_rules_lookup(const struct node_facts *f, const struct flow *fl);

/* inet_select_addr() of net/ipv4/devinet.c. @dst: family 0: any subnet. Family 0: none. */
struct ip_addr node_select4(const struct node_facts *f, const char *dev, const struct ip_addr *dst, unsigned scope);
/* ipv6_dev_get_saddr() of net/ipv6/addrconf.c. Family 0: none. */
struct ip_addr node_select6(const struct node_facts *f, const char *dev, const struct ip_addr *dst);

#endif

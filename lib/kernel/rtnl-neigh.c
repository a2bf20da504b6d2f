/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `ip -j neigh` and `bridge -j fdb show`, as ip/ipneigh.c and bridge/fdb.c of iproute2 6.1 print them. */

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "rtnl-private.h"

static uint16_t type_of(const struct rtnl_reading *r, int ifindex)
{
	const struct rtnl_link *l = rtnl_link_find(r, (uint32_t)ifindex);

	return l ? l->type : 0;
}

static void print_states(struct rtnl_reading *r, unsigned state)
{
	static const struct {
		unsigned state;
		const char *name;
	} names[] = {
		{ NUD_INCOMPLETE, "INCOMPLETE" }, { NUD_REACHABLE, "REACHABLE" }, { NUD_STALE, "STALE" }, { NUD_DELAY, "DELAY" },
		{ NUD_PROBE, "PROBE" }, { NUD_FAILED, "FAILED" }, { NUD_NOARP, "NOARP" }, { NUD_PERMANENT, "PERMANENT" },
	};

	jo_open(&r->out, "state", '[');
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (state & names[i].state)
			jo_str(&r->out, NULL, names[i].name);
	}
	jo_close(&r->out, ']');
}

/* What `ip neigh` shows when it is not asked for more: neither entries without a state nor such as need none. */
static bool is_shown(const struct ndmsg *h)
{
	if (h->ndm_flags & (NTF_PROXY | NTF_EXT_LEARNED))
		return true;
	return h->ndm_state & 0xff & ~NUD_NOARP;
}

static int print_neighbour(void *arg, const struct rtnl_message *m)
{
	static const struct {
		unsigned flag;
		const char *name;
	} flags[] = { { NTF_ROUTER, "router" }, { NTF_PROXY, "proxy" }, { NTF_EXT_LEARNED, "extern_learn" }, { NTF_OFFLOADED, "offload" } };
	const struct nlattr *tb[NDA_MAX + 1];
	const struct ndmsg *h = m->header;
	struct rtnl_reading *r = arg;

	if (m->type != RTM_NEWNEIGH || (h->ndm_family != AF_INET && h->ndm_family != AF_INET6) || !is_shown(h))
		return 0;
	rtnl_attrs(m->attrs, m->attrs_size, tb, NDA_MAX);
	jo_open(&r->out, NULL, '{');
	jo_addr_attr(r, "dst", h->ndm_family, tb[NDA_DST]);
	if (h->ndm_ifindex)
		jo_dev(r, "dev", (uint32_t)h->ndm_ifindex);
	jo_lladdr_attr(r, "lladdr", tb[NDA_LLADDR], type_of(r, h->ndm_ifindex));
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (i == 2 && rtnl_num(tb[NDA_FLAGS_EXT], 0) & NTF_EXT_MANAGED)
			jo_null(&r->out, "managed");
		if (h->ndm_flags & flags[i].flag)
			jo_null(&r->out, flags[i].name);
	}
	if (h->ndm_state)
		print_states(r, h->ndm_state);
	if (rtnl_num(tb[NDA_PROTOCOL], 0))
		jo_name(r, "protocol", NAMES_PROTOCOL, (uint32_t)rtnl_num(tb[NDA_PROTOCOL], 0));
	jo_close(&r->out, '}');
	return 0;
}

static int dump_neighbours(int family, rtnl_fn fn, struct rtnl_reading *r)
{
	const struct ndmsg h = { .ndm_family = (uint8_t)family };
	const struct rtnl_request q = { RTM_GETNEIGH, &h, sizeof(h), 0, NULL };

	return rtnl_dump(&q, fn, r);
}

static int read_neighbours(struct rtnl_reading *r)
{
	return dump_neighbours(AF_UNSPEC, print_neighbour, r);
}

int kernel_ip_neigh(struct kernel_text *ret)
{
	return rtnl_read(ret, "neighbours", read_neighbours);
}

/* ---- forwarding database ---- */

static void print_fdb_flags(struct rtnl_reading *r, unsigned flags)
{
	static const struct {
		unsigned flag;
		const char *name;
	} names[] = { { NTF_SELF, "self" }, { NTF_ROUTER, "router" }, { NTF_EXT_LEARNED, "extern_learn" }, { NTF_OFFLOADED, "offload" },
		      { NTF_MASTER, "master" }, { NTF_STICKY, "sticky" } };

	jo_open(&r->out, "flags", '[');
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (flags & names[i].flag)
			jo_str(&r->out, NULL, names[i].name);
	}
	jo_close(&r->out, ']');
}

static void print_fdb_state(struct rtnl_reading *r, unsigned state)
{
	if (state & NUD_PERMANENT)
		jo_str(&r->out, "state", "permanent");
	else if (state & NUD_NOARP)
		jo_str(&r->out, "state", "static");
	else if (state & NUD_STALE)
		jo_str(&r->out, "state", "stale");
	else if (state & NUD_REACHABLE)
		jo_str(&r->out, "state", "");
	else
		jo_hex(&r->out, "state", state);
}

/* Where a tunnel sends it. */
static void print_fdb_remote(struct rtnl_reading *r, const struct nlattr *const *tb)
{
	const uint32_t ifindex = (uint32_t)rtnl_num(tb[NDA_IFINDEX], 0);

	if (tb[NDA_DST])
		jo_addr_attr(r, "dst", rtnl_size(tb[NDA_DST]) == 16 ? AF_INET6 : AF_INET, tb[NDA_DST]);
	if (rtnl_num(tb[NDA_VLAN], 0))
		jo_num_attr(r, "vlan", tb[NDA_VLAN]);
	if (tb[NDA_PORT])
		jo_uint(&r->out, "port", ntohs((uint16_t)rtnl_num(tb[NDA_PORT], 0)));
	jo_num_attr(r, "vni", tb[NDA_VNI]);
	jo_num_attr(r, "src_vni", tb[NDA_SRC_VNI]);
	if (tb[NDA_IFINDEX] && tb[NDA_LINK_NETNSID])
		jo_uint(&r->out, "viaIfIndex", ifindex);
	else if (tb[NDA_IFINDEX])
		jo_dev(r, "viaIf", ifindex);
	jo_num_attr(r, "nhid", tb[NDA_NH_ID]);
	jo_num_attr(r, "linkNetNsId", tb[NDA_LINK_NETNSID]);
}

static int print_fdb(void *arg, const struct rtnl_message *m)
{
	const struct nlattr *tb[NDA_MAX + 1];
	const struct ndmsg *h = m->header;
	struct rtnl_reading *r = arg;

	if (m->type != RTM_NEWNEIGH || h->ndm_family != AF_BRIDGE)
		return 0;
	rtnl_attrs(m->attrs, m->attrs_size, tb, NDA_MAX);
	jo_open(&r->out, NULL, '{');
	jo_lladdr_attr(r, "mac", tb[NDA_LLADDR], type_of(r, h->ndm_ifindex));
	if (h->ndm_ifindex)
		jo_dev(r, "ifname", (uint32_t)h->ndm_ifindex);
	print_fdb_remote(r, tb);
	print_fdb_flags(r, h->ndm_flags);
	if (tb[NDA_MASTER])
		jo_dev(r, "master", (uint32_t)rtnl_num(tb[NDA_MASTER], 0));
	print_fdb_state(r, h->ndm_state);
	jo_close(&r->out, '}');
	return 0;
}

static int read_fdb(struct rtnl_reading *r)
{
	return dump_neighbours(AF_BRIDGE, print_fdb, r);
}

int kernel_bridge_fdb(struct kernel_text *ret)
{
	return rtnl_read(ret, "forwarding database", read_fdb);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `ip -j addr` and `ip -j -d link`, as ip/ipaddress.c of iproute2 6.1 prints them. Left out: what was written by people (ifalias), virtual
 * functions, XDP programs, and reasons of proto_down.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "rtnl-private.h"

#define LINK_ATTRS 63

static const struct {
	uint32_t flag;
	const char *name;
} link_flags[] = {
	{ IFF_LOOPBACK, "LOOPBACK" },	{ IFF_BROADCAST, "BROADCAST" }, { IFF_POINTOPOINT, "POINTOPOINT" }, { IFF_MULTICAST, "MULTICAST" },
	{ IFF_NOARP, "NOARP" },		{ IFF_ALLMULTI, "ALLMULTI" },	{ IFF_PROMISC, "PROMISC" },	    { IFF_MASTER, "MASTER" },
	{ IFF_SLAVE, "SLAVE" },		{ IFF_DEBUG, "DEBUG" },		{ IFF_DYNAMIC, "DYNAMIC" },	    { IFF_AUTOMEDIA, "AUTOMEDIA" },
	{ IFF_PORTSEL, "PORTSEL" },	{ IFF_NOTRAILERS, "NOTRAILERS" }, { IFF_UP, "UP" },		    { IFF_LOWER_UP, "LOWER_UP" },
	{ IFF_DORMANT, "DORMANT" },	{ IFF_ECHO, "ECHO" },
};

static void print_flags(struct rtnl_reading *r, uint32_t flags, bool lower_down)
{
	jo_open(&r->out, "flags", '[');
	if (flags & IFF_UP && !(flags & IFF_RUNNING))
		jo_str(&r->out, NULL, "NO-CARRIER");
	flags &= ~(uint32_t)IFF_RUNNING;
	for (size_t i = 0; i < ARRAY_LEN(link_flags); i++) {
		if (flags & link_flags[i].flag)
			jo_str(&r->out, NULL, link_flags[i].name);
		flags &= ~link_flags[i].flag;
	}
	if (flags)
		jo_strf(&r->out, NULL, "%x", flags);
	if (lower_down)
		jo_str(&r->out, NULL, "M-DOWN");
	jo_close(&r->out, ']');
}

/* The other end, or what it stands on: by name, or by its number in another namespace. True: that one is down. */
static bool print_lower(struct rtnl_reading *r, const struct nlattr *const *tb)
{
	const uint32_t index = (uint32_t)rtnl_num(tb[IFLA_LINK], 0);
	const struct rtnl_link *l;

	if (!tb[IFLA_LINK])
		return false;
	if (!index) {
		jo_null(&r->out, "link");
		return false;
	}
	if (tb[IFLA_LINK_NETNSID]) {
		jo_int(&r->out, "link_index", (int32_t)index);
		return false;
	}
	l = rtnl_link_find(r, index);
	/* it may be gone or in a namespace without a number here, so this is not strange */
	if (l)
		jo_str(&r->out, "link", l->name);
	else
		jo_strf(&r->out, "link", "if%u", index);
	return !(l && l->flags & IFF_UP);
}

static void print_word(struct rtnl_reading *r, const char *key, const char *number_key, const struct nlattr *a, const char *const *words,
		       size_t len)
{
	const uint64_t n = rtnl_num(a, 0);

	if (!a)
		return;
	if (n < len)
		jo_str(&r->out, key, words[n]);
	else
		jo_uint(&r->out, number_key, n);
}

static const char *link_type(uint16_t type, char buf[static 16])
{
	static const struct {
		uint16_t type;
		const char *name;
	} types[] = {
		{ ARPHRD_ETHER, "ether" }, { ARPHRD_LOOPBACK, "loopback" }, { ARPHRD_NONE, "none" }, { ARPHRD_VOID, "void" }, { ARPHRD_PPP, "ppp" },
		{ ARPHRD_TUNNEL, "ipip" }, { ARPHRD_TUNNEL6, "tunnel6" }, { ARPHRD_SIT, "sit" }, { ARPHRD_IPGRE, "gre" }, { ARPHRD_IP6GRE, "gre6" },
		{ ARPHRD_INFINIBAND, "infiniband" }, { ARPHRD_NETLINK, "netlink" }, { ARPHRD_SLIP, "slip" }, { ARPHRD_CAN, "can" },
		{ ARPHRD_IEEE80211, "ieee802.11" }, { ARPHRD_IEEE80211_RADIOTAP, "ieee802.11/radiotap" }, { ARPHRD_PIMREG, "pimreg" },
		{ ARPHRD_6LOWPAN, "6lowpan" }, { ARPHRD_IEEE802154, "ieee802.15.4" }, { ARPHRD_IEEE1394, "ieee1394" }, { ARPHRD_HDLC, "hdlc" },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (types[i].type == type)
			return types[i].name;
	}
	(void)snprintf(buf, 16, "[%u]", type);
	return buf;
}

static bool same_bytes(const struct nlattr *a, const struct nlattr *b)
{
	return a && b && rtnl_size(a) == rtnl_size(b) && memcmp(rtnl_data(a), rtnl_data(b), rtnl_size(a)) == 0;
}

static void print_hardware(struct rtnl_reading *r, const struct ifinfomsg *h, const struct nlattr *const *tb)
{
	char buf[16];

	jo_str(&r->out, "link_type", link_type(h->ifi_type, buf));
	jo_lladdr_attr(r, "address", tb[IFLA_ADDRESS], h->ifi_type);
	if (tb[IFLA_BROADCAST] && h->ifi_flags & IFF_POINTOPOINT)
		jo_bool(&r->out, "link_pointtopoint", true);
	jo_lladdr_attr(r, "broadcast", tb[IFLA_BROADCAST], h->ifi_type);
	if (!same_bytes(tb[IFLA_PERM_ADDRESS], tb[IFLA_ADDRESS]))
		jo_lladdr_attr(r, "permaddr", tb[IFLA_PERM_ADDRESS], h->ifi_type);
	if (tb[IFLA_LINK_NETNSID])
		jo_int(&r->out, "link_netnsid", (int32_t)rtnl_num(tb[IFLA_LINK_NETNSID], 0));
	if (rtnl_num(tb[IFLA_PROTO_DOWN], 0))
		jo_bool(&r->out, "proto_down", true);
}

/* What both commands print of a link. @detail: `ip -d link`. */
static void print_link(struct rtnl_reading *r, const struct ifinfomsg *h, const struct nlattr *const *tb, bool detail)
{
	static const char *const states[] = { "UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP" };
	static const char *const modes[] = { "DEFAULT", "DORMANT" };
	bool lower_down;

	jo_int(&r->out, "ifindex", h->ifi_index);
	lower_down = print_lower(r, tb);
	jo_text_attr(r, "ifname", tb[IFLA_IFNAME]);
	print_flags(r, h->ifi_flags, lower_down);
	jo_num_attr(r, "mtu", tb[IFLA_MTU]);
	jo_text_attr(r, "qdisc", tb[IFLA_QDISC]);
	if (tb[IFLA_MASTER])
		jo_dev(r, "master", (uint32_t)rtnl_num(tb[IFLA_MASTER], 0));
	print_word(r, "operstate", "operstate_index", tb[IFLA_OPERSTATE], states, ARRAY_LEN(states));
	if (detail)
		print_word(r, "linkmode", "linkmode_index", tb[IFLA_LINKMODE], modes, ARRAY_LEN(modes));
	if (tb[IFLA_GROUP])
		jo_name(r, "group", NAMES_GROUP, (uint32_t)rtnl_num(tb[IFLA_GROUP], 0));
	if (rtnl_num(tb[IFLA_TXQLEN], 0))
		jo_int(&r->out, "txqlen", (int32_t)rtnl_num(tb[IFLA_TXQLEN], 0));
	print_hardware(r, h, tb);
}

static void print_names(struct rtnl_reading *r, const struct nlattr *list)
{
	if (!list)
		return;
	jo_open(&r->out, "altnames", '[');
	for (const struct nlattr *a = rtnl_first(list); a; a = rtnl_next(list, a)) {
		if ((a->nla_type & NLA_TYPE_MASK) == IFLA_ALT_IFNAME)
			jo_text_attr(r, NULL, a);
	}
	jo_close(&r->out, ']');
}

/* ---- ip -d link ---- */

static void print_address_mode(struct rtnl_reading *r, const struct nlattr *spec)
{
	static const char *const modes[] = { "eui64", "none", "stable_secret", "random" };
	const struct nlattr *families[AF_INET6 + 1], *tb[IFLA_INET6_ADDR_GEN_MODE + 1];
	uint64_t mode;

	rtnl_nested(spec, families, AF_INET6);
	rtnl_nested(families[AF_INET6], tb, IFLA_INET6_ADDR_GEN_MODE);
	if (!tb[IFLA_INET6_ADDR_GEN_MODE])
		return;
	mode = rtnl_num(tb[IFLA_INET6_ADDR_GEN_MODE], 0);
	if (mode < ARRAY_LEN(modes))
		jo_str(&r->out, "inet6_addr_gen_mode", modes[mode]);
	else
		jo_strf(&r->out, "inet6_addr_gen_mode", "%#.2x", (unsigned)mode);
}

static void print_hex(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	char text[2 * 32 + 1] = "";
	const unsigned char *from = a ? rtnl_data(a) : NULL;

	if (!a)
		return;
	for (size_t i = 0; i < MIN(rtnl_size(a), 32u); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", from[i]);
	jo_str(&r->out, key, text);
}

static void print_details(struct rtnl_reading *r, const struct nlattr *const *tb)
{
	static const struct {
		const char *key;
		uint16_t attr;
	} numbers[] = {
		{ "num_tx_queues", IFLA_NUM_TX_QUEUES }, { "num_rx_queues", IFLA_NUM_RX_QUEUES }, { "gso_max_size", IFLA_GSO_MAX_SIZE },
		{ "gso_max_segs", IFLA_GSO_MAX_SEGS },	 { "tso_max_size", IFLA_TSO_MAX_SIZE },	  { "tso_max_segs", IFLA_TSO_MAX_SEGS },
		{ "gro_max_size", IFLA_GRO_MAX_SIZE },
	};

	jo_num_attr(r, "promiscuity", tb[IFLA_PROMISCUITY]);
	jo_num_attr(r, "allmulti", tb[IFLA_ALLMULTI]);
	jo_num_attr(r, "min_mtu", tb[IFLA_MIN_MTU]);
	jo_num_attr(r, "max_mtu", tb[IFLA_MAX_MTU]);
	jo_linkinfo(r, tb[IFLA_LINKINFO]);
	print_address_mode(r, tb[IFLA_AF_SPEC]);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		jo_num_attr(r, numbers[i].key, tb[numbers[i].attr]);
	jo_text_attr(r, "phys_port_name", tb[IFLA_PHYS_PORT_NAME]);
	print_hex(r, "phys_port_id", tb[IFLA_PHYS_PORT_ID]);
	print_hex(r, "phys_switch_id", tb[IFLA_PHYS_SWITCH_ID]);
	jo_text_attr(r, "parentbus", tb[IFLA_PARENT_DEV_BUS_NAME]);
	jo_text_attr(r, "parentdev", tb[IFLA_PARENT_DEV_NAME]);
}

static int print_detailed_link(void *arg, const struct rtnl_message *m)
{
	const struct nlattr *tb[LINK_ATTRS + 1];
	struct rtnl_reading *r = arg;

	if (m->type != RTM_NEWLINK)
		return 0;
	rtnl_attrs(m->attrs, m->attrs_size, tb, LINK_ATTRS);
	jo_open(&r->out, NULL, '{');
	print_link(r, m->header, tb, true);
	print_details(r, tb);
	print_names(r, tb[IFLA_PROP_LIST]);
	jo_close(&r->out, '}');
	return 0;
}

static int dump_links(rtnl_fn fn, void *arg)
{
	const struct ifinfomsg h = { .ifi_family = AF_UNSPEC };
	const struct rtnl_request q = { RTM_GETLINK, &h, sizeof(h), RTEXT_FILTER_SKIP_STATS, NULL };

	return rtnl_dump(&q, fn, arg);
}

static int read_links(struct rtnl_reading *r)
{
	return dump_links(print_detailed_link, r);
}

int kernel_ip_link(struct kernel_text *ret)
{
	return rtnl_read(ret, "links", read_links);
}

/* ---- ip addr ---- */

/* The addresses as text until their link is printed, those of one interface strung together. Numbers count from 1, 0 is none. */
struct address {
	size_t from, len; /* in the texts */
	uint32_t next;
};
struct ends {
	uint32_t first, last;
};
struct addresses {
	struct rtnl_reading *r;
	struct strbuf texts;
	ARRAY_OF(struct address) v;
	struct ends *of_link; /* as many as r->links */
};

static void addresses_release(struct addresses *a)
{
	strbuf_release(&a->texts);
	array_free(&a->v);
	free(a->of_link);
}

static struct ends *ends_of(const struct addresses *a, uint32_t ifindex)
{
	const struct rtnl_link *l = rtnl_link_find(a->r, ifindex);

	return l ? &a->of_link[l - a->r->links.v] : NULL;
}

/* ip/ipaddress.c ifa_flag_data: what is not permanent is dynamic, and "secondary" is called temporary in IPv6. */
static void print_address_flags(struct rtnl_reading *r, uint32_t flags, bool ip6)
{
	const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{ IFA_F_SECONDARY, ip6 ? "temporary" : "secondary" },
		{ IFA_F_NODAD, "nodad" },
		{ IFA_F_OPTIMISTIC, "optimistic" },
		{ IFA_F_DADFAILED, "dadfailed" },
		{ IFA_F_HOMEADDRESS, "home" },
		{ IFA_F_DEPRECATED, "deprecated" },
		{ IFA_F_TENTATIVE, "tentative" },
		{ IFA_F_PERMANENT, NULL },
		{ IFA_F_MANAGETEMPADDR, "mngtmpaddr" },
		{ IFA_F_NOPREFIXROUTE, "noprefixroute" },
		{ IFA_F_MCAUTOJOIN, "autojoin" },
		{ IFA_F_STABLE_PRIVACY, "stable-privacy" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const bool set = flags & names[i].flag;

		if (names[i].name && set)
			jo_bool(&r->out, names[i].name, true);
		else if (!names[i].name && !set)
			jo_bool(&r->out, "dynamic", true);
		flags &= ~names[i].flag;
	}
	if (flags)
		jo_strf(&r->out, "ifa_flags", "%02x", flags);
}

static void print_lifetimes(struct rtnl_reading *r, const struct nlattr *a, uint32_t flags)
{
	struct ifa_cacheinfo c;

	r->odd |= a && rtnl_size(a) < sizeof(c);
	if (rtnl_size(a) < sizeof(c))
		return;
	memcpy(&c, rtnl_data(a), sizeof(c));
	jo_uint(&r->out, "valid_life_time", c.ifa_valid);
	/* of a deprecated one it is below zero, or nothing */
	if (flags & IFA_F_DEPRECATED && c.ifa_prefered != UINT32_MAX)
		jo_int(&r->out, "preferred_life_time", (int32_t)c.ifa_prefered);
	else
		jo_uint(&r->out, "preferred_life_time", c.ifa_prefered);
}

static void print_address(struct rtnl_reading *r, const struct ifaddrmsg *h, const struct nlattr *const *tb)
{
	const struct nlattr *local = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	const uint32_t flags = (uint32_t)rtnl_num(tb[IFA_FLAGS], h->ifa_flags);

	jo_open(&r->out, NULL, '{');
	jo_str(&r->out, "family", h->ifa_family == AF_INET ? "inet" : "inet6");
	jo_addr_attr(r, "local", h->ifa_family, local);
	if (tb[IFA_ADDRESS] && !same_bytes(tb[IFA_ADDRESS], local))
		jo_addr_attr(r, "address", h->ifa_family, tb[IFA_ADDRESS]);
	if (local)
		jo_uint(&r->out, "prefixlen", h->ifa_prefixlen);
	jo_num_attr(r, "metric", tb[IFA_RT_PRIORITY]);
	jo_addr_attr(r, "broadcast", h->ifa_family, tb[IFA_BROADCAST]);
	jo_addr_attr(r, "anycast", h->ifa_family, tb[IFA_ANYCAST]);
	jo_name(r, "scope", NAMES_SCOPE, h->ifa_scope);
	print_address_flags(r, flags, h->ifa_family == AF_INET6);
	jo_text_attr(r, "label", tb[IFA_LABEL]);
	print_lifetimes(r, tb[IFA_CACHEINFO], flags);
	jo_close(&r->out, '}');
}

/* Behind the ones of its interface that came before. */
static int keep_address(struct addresses *a, uint32_t ifindex, struct address new)
{
	struct ends *ends = ends_of(a, ifindex);
	int e = ends && a->v.len < UINT32_MAX ? array_push(&a->v, new) : -EAGAIN;

	if (e < 0)
		return e;
	if (ends->last)
		a->v.v[ends->last - 1].next = (uint32_t)a->v.len;
	else
		ends->first = (uint32_t)a->v.len;
	ends->last = (uint32_t)a->v.len;
	return 0;
}

static int take_address(void *arg, const struct rtnl_message *m)
{
	const struct ifaddrmsg *h = m->header;
	const struct nlattr *tb[IFA_RT_PRIORITY + 1];
	struct addresses *a = arg;
	const struct json_out out = a->r->out;
	struct address new = { .from = a->texts.len };

	if (m->type != RTM_NEWADDR || (h->ifa_family != AF_INET && h->ifa_family != AF_INET6))
		return 0;
	rtnl_attrs(m->attrs, m->attrs_size, tb, IFA_RT_PRIORITY);
	a->r->out = (struct json_out){ .b = &a->texts };
	print_address(a->r, h, tb);
	a->r->out = out;
	new.len = a->texts.len - new.from;
	return a->texts.failed ? -ENOMEM : keep_address(a, h->ifa_index, new);
}

static int print_link_with_addresses(void *arg, const struct rtnl_message *m)
{
	const struct ifinfomsg *h = m->header;
	const struct nlattr *tb[LINK_ATTRS + 1];
	const struct addresses *a = arg;
	struct rtnl_reading *r = a->r;
	const struct ends *ends = ends_of(a, (uint32_t)h->ifi_index);

	if (m->type != RTM_NEWLINK)
		return 0;
	if (!ends)
		return -EAGAIN;
	rtnl_attrs(m->attrs, m->attrs_size, tb, LINK_ATTRS);
	jo_open(&r->out, NULL, '{');
	print_link(r, h, tb, false);
	print_names(r, tb[IFLA_PROP_LIST]);
	jo_open(&r->out, "addr_info", '[');
	for (uint32_t i = ends->first; i; i = a->v.v[i - 1].next)
		jo_json(&r->out, a->texts.s + a->v.v[i - 1].from, a->v.v[i - 1].len);
	jo_close(&r->out, ']');
	jo_close(&r->out, '}');
	return 0;
}

static int read_addresses(struct rtnl_reading *r)
{
	const struct ifaddrmsg h = { .ifa_family = AF_UNSPEC };
	const struct rtnl_request q = { RTM_GETADDR, &h, sizeof(h), 0, NULL };
	CLEANUP(addresses_release) struct addresses a = { .r = r };
	int e;

	a.of_link = calloc(r->links.len + 1, sizeof(*a.of_link));
	e = a.of_link ? rtnl_dump(&q, take_address, &a) : -ENOMEM;
	return e < 0 ? e : dump_links(print_link_with_addresses, &a);
}

int kernel_ip_addr(struct kernel_text *ret)
{
	return rtnl_read(ret, "addresses", read_addresses);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `ip -j route show table all`, both families, as ip/iproute.c of iproute2 6.1 prints them. Of a route's encapsulation only the kind is shown.
 */
#include <errno.h>
#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "rtnl-private.h"

static const char *const types[] = {
	"none", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit", "throw", "nat", "xresolve",
};

/* A prefix, or the address alone where it is as long as that. */
static void print_prefix(struct rtnl_reading *r, const char *key, int family, const struct nlattr *a, unsigned len)
{
	char text[INET6_ADDRSTRLEN];
	struct ip_addr addr;

	if (!rtnl_addr(family, rtnl_data(a), rtnl_size(a), &addr)) {
		r->odd = true;
		jo_str(&r->out, key, "?");
		return;
	}
	(void)inet_ntop(family, addr.b, text, sizeof(text));
	if (len == 8 * ip_addr_size(&addr))
		jo_str(&r->out, key, text);
	else
		jo_strf(&r->out, key, "%s/%u", text, len);
}

static void print_encap(struct rtnl_reading *r, const struct nlattr *kind)
{
	static const char *const kinds[] = { [LWTUNNEL_ENCAP_MPLS] = "mpls", [LWTUNNEL_ENCAP_IP] = "ip", [LWTUNNEL_ENCAP_ILA] = "ila",
					     [LWTUNNEL_ENCAP_IP6] = "ip6", [LWTUNNEL_ENCAP_SEG6] = "seg6", [LWTUNNEL_ENCAP_BPF] = "bpf",
					     [LWTUNNEL_ENCAP_SEG6_LOCAL] = "seg6local", [LWTUNNEL_ENCAP_RPL] = "rpl", [LWTUNNEL_ENCAP_IOAM6] = "ioam6",
					     [LWTUNNEL_ENCAP_XFRM] = "xfrm" };
	const uint64_t n = rtnl_num(kind, 0);

	if (kind)
		jo_str(&r->out, "encap", n < ARRAY_LEN(kinds) && kinds[n] ? kinds[n] : "unknown");
}

/* struct rtvia: a family of 2 bytes and an address */
static void print_via(struct rtnl_reading *r, const struct nlattr *a)
{
	const unsigned char *data = a ? rtnl_data(a) : NULL;
	char text[INET6_ADDRSTRLEN];
	struct ip_addr addr;
	uint16_t family;

	if (!a)
		return;
	if (rtnl_size(a) < sizeof(family)) {
		r->odd = true;
		return;
	}
	memcpy(&family, data, sizeof(family));
	if (!rtnl_addr(family, data + sizeof(family), rtnl_size(a) - sizeof(family), &addr)) {
		r->odd = true;
		return;
	}
	jo_open(&r->out, "via", '{');
	jo_str(&r->out, "family", family == AF_INET ? "inet" : "inet6");
	jo_str(&r->out, "host", inet_ntop(family, addr.b, text, sizeof(text)));
	jo_close(&r->out, '}');
}

static void print_flow(struct rtnl_reading *r, const struct nlattr *a)
{
	const uint32_t flow = (uint32_t)rtnl_num(a, 0);

	if (!a)
		return;
	jo_open(&r->out, "flow", '{');
	if (flow >> 16)
		jo_name(r, "from", NAMES_REALM, flow >> 16);
	jo_name(r, "to", NAMES_REALM, flow & 0xffff);
	jo_close(&r->out, '}');
}

void jo_route_flags(struct rtnl_reading *r, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{ RTNH_F_DEAD, "dead" },	{ RTNH_F_ONLINK, "onlink" },	    { RTNH_F_PERVASIVE, "pervasive" },	  { RTNH_F_OFFLOAD, "offload" },
		{ RTNH_F_TRAP, "trap" },	{ RTM_F_NOTIFY, "notify" },	    { RTNH_F_LINKDOWN, "linkdown" },	  { RTNH_F_UNRESOLVED, "unresolved" },
		{ RTM_F_OFFLOAD, "rt_offload" }, { RTM_F_TRAP, "rt_trap" }, { RTM_F_OFFLOAD_FAILED, "rt_offload_failed" },
	};

	jo_open(&r->out, "flags", '[');
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (flags & names[i].flag)
			jo_str(&r->out, NULL, names[i].name);
	}
	jo_close(&r->out, ']');
}

static void print_cacheinfo(struct rtnl_reading *r, const struct nlattr *a)
{
	const long ticks = sysconf(_SC_CLK_TCK);
	struct rta_cacheinfo c;

	r->odd |= a && rtnl_size(a) < sizeof(c);
	if (rtnl_size(a) < sizeof(c))
		return;
	memcpy(&c, rtnl_data(a), sizeof(c));
	if (c.rta_expires)
		jo_int(&r->out, "expires", c.rta_expires / (ticks > 0 ? (int)ticks : 100));
	if (c.rta_error)
		jo_uint(&r->out, "error", c.rta_error);
	if (c.rta_id)
		jo_hex(&r->out, "ipid", c.rta_id);
	if (c.rta_ts || c.rta_tsage) {
		jo_hex(&r->out, "ts", c.rta_ts);
		jo_uint(&r->out, "tsage", c.rta_tsage);
	}
}

/* ---- metrics ---- */

static void print_metric(struct rtnl_reading *r, unsigned type, const struct nlattr *a)
{
	static const char *const names[RTAX_MAX + 1] = {
		[RTAX_MTU] = "mtu", [RTAX_WINDOW] = "window", [RTAX_RTT] = "rtt", [RTAX_RTTVAR] = "rttvar", [RTAX_SSTHRESH] = "ssthresh",
		[RTAX_CWND] = "cwnd", [RTAX_ADVMSS] = "advmss", [RTAX_REORDERING] = "reordering", [RTAX_HOPLIMIT] = "hoplimit",
		[RTAX_INITCWND] = "initcwnd", [RTAX_FEATURES] = "features", [RTAX_RTO_MIN] = "rto_min", [RTAX_INITRWND] = "initrwnd",
		[RTAX_QUICKACK] = "quickack", [RTAX_FASTOPEN_NO_COOKIE] = "fastopen_no_cookie",
	};
	uint32_t n = (uint32_t)rtnl_num(a, 0);

	if (type == RTAX_HOPLIMIT && n == UINT32_MAX)
		return;
	if (type == RTAX_CC_ALGO) {
		jo_text_attr(r, "congestion", a);
		return;
	}
	if (type == RTAX_FEATURES) {
		if (n & RTAX_FEATURE_ECN)
			jo_null(&r->out, "ecn");
		if (n & ~(uint32_t)RTAX_FEATURE_ECN)
			jo_hex(&r->out, "features", n);
		return;
	}
	n /= type == RTAX_RTT ? 8 : type == RTAX_RTTVAR ? 4 : 1;
	if (names[type])
		jo_uint(&r->out, names[type], n);
}

static void print_metrics(struct rtnl_reading *r, const struct nlattr *list)
{
	const struct nlattr *tb[RTAX_MAX + 1];
	uint32_t locked;

	if (!list)
		return;
	rtnl_nested(list, tb, RTAX_MAX);
	locked = (uint32_t)rtnl_num(tb[RTAX_LOCK], 0);
	jo_open(&r->out, "metrics", '[');
	jo_open(&r->out, NULL, '{');
	for (unsigned i = RTAX_LOCK + 1; i <= RTAX_MAX; i++) {
		if (tb[i] || locked >> i & 1)
			print_metric(r, i, tb[i]);
	}
	jo_close(&r->out, '}');
	jo_close(&r->out, ']');
}

/* ---- next hops ---- */

static void print_hop(struct rtnl_reading *r, int family, const struct rtnexthop *h, const char *attrs, size_t size)
{
	const struct nlattr *tb[RTA_MAX + 1];

	rtnl_attrs((const struct nlattr *)(const void *)attrs, size, tb, RTA_MAX);
	jo_open(&r->out, NULL, '{');
	if (tb[RTA_ENCAP])
		print_encap(r, tb[RTA_ENCAP_TYPE]);
	jo_addr_attr(r, "to", family, tb[RTA_NEWDST]);
	jo_addr_attr(r, "gateway", family, tb[RTA_GATEWAY]);
	print_via(r, tb[RTA_VIA]);
	print_flow(r, tb[RTA_FLOW]);
	jo_dev(r, "dev", (uint32_t)h->rtnh_ifindex);
	jo_uint(&r->out, "weight", h->rtnh_hops + 1u);
	jo_route_flags(r, h->rtnh_flags);
	jo_close(&r->out, '}');
}

static void print_hops(struct rtnl_reading *r, int family, const struct nlattr *list)
{
	const char *at = list ? rtnl_data(list) : NULL;
	size_t left = rtnl_size(list), step;
	struct rtnexthop h;

	if (!list)
		return;
	jo_open(&r->out, "nexthops", '[');
	for (; left >= sizeof(h); at += step, left -= step) {
		memcpy(&h, at, sizeof(h));
		if (h.rtnh_len < sizeof(h) || h.rtnh_len > left)
			break;
		print_hop(r, family, &h, at + sizeof(h), h.rtnh_len - sizeof(h));
		step = MIN(left, (size_t)RTNH_ALIGN(h.rtnh_len));
	}
	r->odd |= left != 0;
	jo_close(&r->out, ']');
}

/* ---- routes ---- */

static void print_destination(struct rtnl_reading *r, const struct rtmsg *h, const struct nlattr *const *tb)
{
	if (tb[RTA_DST])
		print_prefix(r, "dst", h->rtm_family, tb[RTA_DST], h->rtm_dst_len);
	else if (h->rtm_dst_len)
		jo_strf(&r->out, "dst", "0/%u", h->rtm_dst_len);
	else
		jo_str(&r->out, "dst", "default");
	if (tb[RTA_SRC])
		print_prefix(r, "from", h->rtm_family, tb[RTA_SRC], h->rtm_src_len);
	else if (h->rtm_src_len)
		jo_strf(&r->out, "src", "0/%u", h->rtm_src_len);
}

static void print_way(struct rtnl_reading *r, const struct rtmsg *h, const struct nlattr *const *tb)
{
	const uint32_t table = (uint32_t)rtnl_num(tb[RTA_TABLE], h->rtm_table);

	jo_num_attr(r, "nhid", tb[RTA_NH_ID]);
	jo_addr_attr(r, "to", h->rtm_family, tb[RTA_NEWDST]);
	if (tb[RTA_ENCAP])
		print_encap(r, tb[RTA_ENCAP_TYPE]);
	if (h->rtm_tos)
		jo_name(r, "tos", NAMES_DSFIELD, h->rtm_tos);
	jo_addr_attr(r, "gateway", h->rtm_family, tb[RTA_GATEWAY]);
	print_via(r, tb[RTA_VIA]);
	if (tb[RTA_OIF])
		jo_dev(r, "dev", (uint32_t)rtnl_num(tb[RTA_OIF], 0));
	if (table && table != RT_TABLE_MAIN)
		jo_name(r, "table", NAMES_TABLE, table);
	if (h->rtm_protocol != RTPROT_BOOT)
		jo_name(r, "protocol", NAMES_PROTOCOL, h->rtm_protocol);
	if (h->rtm_scope != RT_SCOPE_UNIVERSE)
		jo_name(r, "scope", NAMES_SCOPE, h->rtm_scope);
	jo_addr_attr(r, "prefsrc", h->rtm_family, tb[RTA_PREFSRC]);
	jo_num_attr(r, "metric", tb[RTA_PRIORITY]);
	jo_route_flags(r, h->rtm_flags);
}

static void print_rest(struct rtnl_reading *r, const struct rtmsg *h, const struct nlattr *const *tb)
{
	static const char *const prefs[] = { "medium", "high", NULL, "low" }; /* RFC 4191: two bits */
	const uint64_t pref = rtnl_num(tb[RTA_PREF], 0);

	if (rtnl_num(tb[RTA_MARK], 0))
		jo_num_attr(r, "mark", tb[RTA_MARK]);
	print_flow(r, tb[RTA_FLOW]);
	jo_num_attr(r, "uid", tb[RTA_UID]);
	print_cacheinfo(r, tb[RTA_CACHEINFO]);
	print_metrics(r, tb[RTA_METRICS]);
	if (tb[RTA_IIF])
		jo_dev(r, "iif", (uint32_t)rtnl_num(tb[RTA_IIF], 0));
	if (tb[RTA_PREF] && pref < ARRAY_LEN(prefs) && prefs[pref])
		jo_str(&r->out, "pref", prefs[pref]);
	else
		jo_num_attr(r, "pref", tb[RTA_PREF]);
	jo_flag_attr(r, "ttl-propogate", tb[RTA_TTL_PROPAGATE]); /* as iproute2 spells it */
	print_hops(r, h->rtm_family, tb[RTA_MULTIPATH]);
}

struct routes {
	struct rtnl_reading *r;
	int family;
	struct rtnl_hops *hops;
};

static bool has_way(const struct rtmsg *h, const struct nlattr *const *tb)
{
	return h->rtm_type != RTN_UNICAST || tb[RTA_OIF] || tb[RTA_GATEWAY] || tb[RTA_VIA] || tb[RTA_MULTIPATH] || !tb[RTA_NH_ID];
}

static int print_route(void *arg, const struct rtnl_message *m)
{
	const struct nlattr *tb[RTA_MAX + 1];
	const struct rtmsg *h = m->header;
	const struct routes *v = arg;
	struct rtnl_reading *r = v->r;
	int e = 0;

	/* a kernel without this family answers with all that it has; the cache is no route */
	if (m->type != RTM_NEWROUTE || h->rtm_family != v->family || h->rtm_flags & RTM_F_CLONED)
		return 0;
	rtnl_attrs(m->attrs, m->attrs_size, tb, RTA_MAX);
	jo_open(&r->out, NULL, '{');
	if (h->rtm_type >= ARRAY_LEN(types))
		jo_strf(&r->out, "type", "%u", h->rtm_type);
	else if (h->rtm_type != RTN_UNICAST)
		jo_str(&r->out, "type", types[h->rtm_type]);
	print_destination(r, h, tb);
	print_way(r, h, tb);
	print_rest(r, h, tb);
	if (!has_way(h, tb))
		e = jo_nexthops(r, v->hops, (uint32_t)rtnl_num(tb[RTA_NH_ID], 0), h->rtm_family);
	jo_close(&r->out, '}');
	return e;
}

static int read_routes(struct rtnl_reading *r)
{
	static const int families[] = { AF_INET, AF_INET6 };
	CLEANUP(rtnl_hops_release) struct rtnl_hops hops = { 0 };
	int e = 0;

	for (size_t i = 0; e == 0 && i < ARRAY_LEN(families); i++) {
		const struct rtmsg h = { .rtm_family = (unsigned char)families[i] };
		const struct rtnl_request q = { RTM_GETROUTE, &h, sizeof(h), 0, &r->in_pieces };
		struct routes v = { r, families[i], &hops };

		e = rtnl_dump(&q, print_route, &v);
		if (e == -EAFNOSUPPORT || e == -EOPNOTSUPP)
			e = 0;
	}
	return e;
}

int kernel_ip_route(struct kernel_text *ret)
{
	return rtnl_read(ret, "routes", read_routes);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `ip -j rule` and `ip -6 -j rule` in one array, as ip/iprule.c of iproute2 6.1 prints them. Its output names no family: whoever reads it
 * finds the second list where the priorities begin anew, and tells IPv4's by its addresses or its rule for table default. Where that would
 * not do, each rule has a "family" more.
 */

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "rtnl-private.h"

static void print_selector(struct rtnl_reading *r, const char *key, const char *len_key, int family, const struct nlattr *a, unsigned len)
{
	if (a)
		jo_addr_attr(r, key, family, a);
	else
		jo_str(&r->out, key, "0");
	if (!a || len != 8 * rtnl_size(a))
		jo_uint(&r->out, len_key, len);
}

static void print_mark(struct rtnl_reading *r, const struct nlattr *mark, const struct nlattr *mask)
{
	if (!mark && !mask)
		return;
	jo_hex(&r->out, "fwmark", rtnl_num(mark, 0));
	if (mask && rtnl_num(mask, 0) != UINT32_MAX)
		jo_hex(&r->out, "fwmask", rtnl_num(mask, 0));
}

/* Names of /etc/protocols, of what a rule asks for in practice. */
static void print_protocol(struct rtnl_reading *r, const struct nlattr *a)
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = { { 1, "icmp" }, { 2, "igmp" }, { 4, "ipencap" }, { 6, "tcp" }, { 17, "udp" }, { 33, "dccp" }, { 41, "ipv6" }, { 47, "gre" },
		      { 50, "esp" }, { 51, "ah" }, { 58, "ipv6-icmp" }, { 89, "ospf" }, { 103, "pim" }, { 112, "vrrp" }, { 132, "sctp" },
		      { 136, "udplite" } };

	if (!a)
		return;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i].number == rtnl_num(a, 0)) {
			jo_str(&r->out, "ipproto", names[i].name);
			return;
		}
	}
	jo_strf(&r->out, "ipproto", "ipproto-%u", (unsigned)rtnl_num(a, 0));
}

static void print_ports(struct rtnl_reading *r, const char *one, const char *start, const char *end, const struct nlattr *a)
{
	struct fib_rule_port_range p;

	r->odd |= a && rtnl_size(a) < sizeof(p);
	if (rtnl_size(a) < sizeof(p))
		return;
	memcpy(&p, rtnl_data(a), sizeof(p));
	if (p.start == p.end) {
		jo_uint(&r->out, one, p.start);
		return;
	}
	jo_uint(&r->out, start, p.start);
	jo_uint(&r->out, end, p.end);
}

static void print_users(struct rtnl_reading *r, const struct nlattr *a)
{
	struct fib_rule_uid_range u;

	r->odd |= a && rtnl_size(a) < sizeof(u);
	if (rtnl_size(a) < sizeof(u))
		return;
	memcpy(&u, rtnl_data(a), sizeof(u));
	jo_uint(&r->out, "uid_start", u.start);
	jo_uint(&r->out, "uid_end", u.end);
}

static void print_questions(struct rtnl_reading *r, const struct fib_rule_hdr *h, const struct nlattr *const *tb)
{
	if (tb[FRA_SRC] || h->src_len)
		print_selector(r, "src", "srclen", h->family, tb[FRA_SRC], h->src_len);
	else
		jo_str(&r->out, "src", "all");
	if (tb[FRA_DST] || h->dst_len)
		print_selector(r, "dst", "dstlen", h->family, tb[FRA_DST], h->dst_len);
	if (h->tos)
		jo_name(r, "tos", NAMES_DSFIELD, h->tos);
	print_mark(r, tb[FRA_FWMARK], tb[FRA_FWMASK]);
	jo_text_attr(r, "iif", tb[FRA_IFNAME]);
	if (tb[FRA_IFNAME] && h->flags & FIB_RULE_IIF_DETACHED)
		jo_null(&r->out, "iif_detached");
	jo_text_attr(r, "oif", tb[FRA_OIFNAME]);
	if (tb[FRA_OIFNAME] && h->flags & FIB_RULE_OIF_DETACHED)
		jo_null(&r->out, "oif_detached");
	if (rtnl_num(tb[FRA_L3MDEV], 0))
		jo_null(&r->out, "l3mdev");
	print_users(r, tb[FRA_UID_RANGE]);
	print_protocol(r, tb[FRA_IP_PROTO]);
	print_ports(r, "sport", "sport_start", "sport_end", tb[FRA_SPORT_RANGE]);
	print_ports(r, "dport", "dport_start", "dport_end", tb[FRA_DPORT_RANGE]);
	if (tb[FRA_TUN_ID])
		jo_uint(&r->out, "tun_id", be64toh(rtnl_num(tb[FRA_TUN_ID], 0)));
}

static void print_table(struct rtnl_reading *r, const struct fib_rule_hdr *h, const struct nlattr *const *tb)
{
	const uint32_t table = (uint32_t)rtnl_num(tb[FRA_TABLE], h->table);
	const int32_t length = (int32_t)rtnl_num(tb[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX),
		      group = (int32_t)rtnl_num(tb[FRA_SUPPRESS_IFGROUP], UINT32_MAX);

	if (!table)
		return;
	jo_name(r, "table", NAMES_TABLE, table);
	if (length != -1)
		jo_int(&r->out, "suppress_prefixlen", length);
	if (group != -1)
		jo_name(r, "suppress_ifgroup", NAMES_GROUP, (uint32_t)group);
}

static void print_action(struct rtnl_reading *r, const struct fib_rule_hdr *h, const struct nlattr *const *tb)
{
	static const char *const names[] = { [FR_ACT_BLACKHOLE] = "blackhole", [FR_ACT_UNREACHABLE] = "unreachable", [FR_ACT_PROHIBIT] = "prohibit" };

	if (h->action == FR_ACT_TO_TBL)
		return;
	if (h->action == FR_ACT_NOP) {
		jo_null(&r->out, "nop");
	} else if (h->action == FR_ACT_GOTO) {
		if (tb[FRA_GOTO])
			jo_num_attr(r, "goto", tb[FRA_GOTO]);
		else
			jo_str(&r->out, "goto", "none");
		if (h->flags & FIB_RULE_UNRESOLVED)
			jo_null(&r->out, "unresolved");
	} else if (h->action < ARRAY_LEN(names) && names[h->action]) {
		jo_str(&r->out, "action", names[h->action]);
	} else {
		jo_strf(&r->out, "action", "%u", h->action);
	}
}

/*
 * What later kernels ask beside that: linux/fib_rules.h of 6.18, named as iproute2 does since. Whoever reads this knows no such member, and
 * takes the rule for one that may match or not. A mask that holds all of the ports is none.
 */
static void print_later(struct rtnl_reading *r, const struct rtnl_message *m)
{
	static const char *const names[] = { "dscp", "flowlabel", "flowlabel_mask", "sport_mask", "dport_mask", "dscp_mask" };
	const struct nlattr *tb[256];

	rtnl_attrs(m->attrs, m->attrs_size, tb, ARRAY_LEN(tb) - 1);
	for (unsigned i = FRA_DPORT_RANGE + 1; i < ARRAY_LEN(tb); i++) {
		const unsigned number = i - FRA_DPORT_RANGE - 1;
		const bool ports = number == 3 || number == 4;
		char key[32];

		if (!tb[i] || (ports && rtnl_num(tb[i], 0) == UINT16_MAX))
			continue;
		(void)snprintf(key, sizeof(key), "unknown_%u", i);
		jo_uint(&r->out, number < ARRAY_LEN(names) ? names[number] : key, rtnl_num(tb[i], 0));
	}
}

/* One family's list, and what tells that it is. */
struct rules {
	struct rtnl_reading *r;
	int family;
	bool say_family;
	uint32_t first, last; /* priorities */
	size_t len;
	bool has_address, has_default;
};

static void note_rule(struct rules *v, uint32_t priority, const struct fib_rule_hdr *h, const struct nlattr *const *tb)
{
	if (v->len++ == 0)
		v->first = priority;
	v->last = priority;
	v->has_address |= tb[FRA_SRC] || tb[FRA_DST];
	v->has_default |= rtnl_num(tb[FRA_TABLE], h->table) == RT_TABLE_DEFAULT;
}

static int print_rule(void *arg, const struct rtnl_message *m)
{
	const struct nlattr *tb[FRA_DPORT_RANGE + 1];
	const struct fib_rule_hdr *h = m->header;
	struct rules *v = arg;
	struct rtnl_reading *r = v->r;
	uint32_t flow;

	if (m->type != RTM_NEWRULE || h->family != v->family)
		return 0;
	rtnl_attrs(m->attrs, m->attrs_size, tb, FRA_DPORT_RANGE);
	note_rule(v, (uint32_t)rtnl_num(tb[FRA_PRIORITY], 0), h, tb);
	flow = (uint32_t)rtnl_num(tb[FRA_FLOW], 0);
	jo_open(&r->out, NULL, '{');
	jo_uint(&r->out, "priority", rtnl_num(tb[FRA_PRIORITY], 0));
	if (v->say_family)
		jo_str(&r->out, "family", v->family == AF_INET ? "inet" : "inet6");
	if (h->flags & FIB_RULE_INVERT)
		jo_null(&r->out, "not");
	print_questions(r, h, tb);
	print_table(r, h, tb);
	if (tb[FRA_FLOW] && flow >> 16)
		jo_name(r, "flow_from", NAMES_REALM, flow >> 16);
	if (tb[FRA_FLOW])
		jo_name(r, "flow_to", NAMES_REALM, flow & 0xffff);
	print_action(r, h, tb);
	if (rtnl_num(tb[FRA_PROTOCOL], RTPROT_KERNEL) != RTPROT_KERNEL && rtnl_num(tb[FRA_PROTOCOL], 0))
		jo_name(r, "protocol", NAMES_PROTOCOL, (uint32_t)rtnl_num(tb[FRA_PROTOCOL], 0));
	print_later(r, m);
	jo_close(&r->out, '}');
	return 0;
}

static int dump_rules(struct rules *v)
{
	const struct fib_rule_hdr h = { .family = (uint8_t)v->family };
	const struct rtnl_request q = { RTM_GETRULE, &h, sizeof(h), 0, &v->r->in_pieces };
	const int e = rtnl_dump(&q, print_rule, v);

	/* a kernel without IPv6, or without rules */
	return e == -EAFNOSUPPORT || e == -EOPNOTSUPP ? 0 : e;
}

static bool tells_itself(const struct rules *v4, const struct rules *v6)
{
	if (v4->len && !v4->has_address && !v4->has_default)
		return false;
	if (v6->len && !v6->has_address && v6->has_default)
		return false;
	return !v4->len || !v6->len || v6->first < v4->last;
}

static int read_rules(struct rtnl_reading *r)
{
	const struct strbuf *b = r->out.b;
	const size_t start = b->len;
	int e = 0;

	for (bool say = false;; say = true) {
		struct rules v4 = { .r = r, .family = AF_INET, .say_family = say }, v6 = { .r = r, .family = AF_INET6, .say_family = say };

		e = dump_rules(&v4);
		if (e == 0)
			e = dump_rules(&v6);
		if (e < 0 || say || tells_itself(&v4, &v6) || b->failed)
			return e;
		r->out.b->len = start;
		r->out.comma = false;
	}
}

int kernel_ip_rule(struct kernel_text *ret)
{
	return rtnl_read(ret, "routing rules", read_rules);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoders of the matches that are met everywhere: what kube-proxy, Docker and CNI plugins write. The structs are the kernel's
 * (include/uapi/linux/netfilter), the words those of extensions/libxt_*.c of iptables 1.8.9.
 */
#include "xt-private.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_physdev.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#define UNUSED_ARGS ((void)c, (void)revision)

/* ---- words ---- */

bool xt_m_comment(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_comment_info *m = data;

	UNUSED_ARGS;
	XT_WORDS(b, " --comment");
	xt_string(b, m->comment, sizeof(m->comment) - 1);
	return true;
}

bool xt_m_nfacct(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_nfacct_match_info *m = data;

	UNUSED_ARGS;
	XT_WORDS(b, " --nfacct-name "); /* two spaces: nfacct_print_name of 1.8.9 */
	xt_string(b, m->name, sizeof(m->name));
	return true;
}

/* ---- ports, types ---- */

static void port_words(struct strbuf *b, const uint16_t sport[2], const uint16_t dport[2], bool not_s, bool not_d)
{
	if (sport[0] != 0 || sport[1] != UINT16_MAX || not_s) {
		xt_not(b, not_s);
		xt_opt_range(b, " --sport", sport[0], sport[1]);
	}
	if (dport[0] != 0 || dport[1] != UINT16_MAX || not_d) {
		xt_not(b, not_d);
		xt_opt_range(b, " --dport", dport[0], dport[1]);
	}
}

static void tcp_flags(struct strbuf *b, uint8_t flags)
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR" };

	if (!flags)
		XT_WORDS(b, " NONE");
	else
		(void)xt_bits(b, flags, names, ARRAY_LEN(names));
}

bool xt_m_tcp(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_tcp *m = data;

	UNUSED_ARGS;
	port_words(b, m->spts, m->dpts, m->invflags & XT_TCP_INV_SRCPT, m->invflags & XT_TCP_INV_DSTPT);
	if (m->option || m->invflags & XT_TCP_INV_OPTION) {
		xt_not(b, m->invflags & XT_TCP_INV_OPTION);
		xt_opt_dec(b, " --tcp-option", m->option);
	}
	if (m->flg_mask || m->invflags & XT_TCP_INV_FLAGS) {
		xt_not(b, m->invflags & XT_TCP_INV_FLAGS);
		XT_WORDS(b, " --tcp-flags");
		tcp_flags(b, m->flg_mask);
		tcp_flags(b, m->flg_cmp);
	}
	return !(m->invflags & ~XT_TCP_INV_MASK);
}

bool xt_m_udp(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_udp *m = data;

	UNUSED_ARGS;
	port_words(b, m->spts, m->dpts, m->invflags & XT_UDP_INV_SRCPT, m->invflags & XT_UDP_INV_DSTPT);
	return !(m->invflags & ~XT_UDP_INV_MASK);
}

static bool multiport_option(struct strbuf *b, unsigned flags, unsigned count)
{
	static const char *const options[] = { " --sports ", " --dports ", " --ports " };

	if (flags >= ARRAY_LEN(options) || count == 0 || count > XT_MULTI_PORTS)
		return false;
	strbuf_adds(b, options[flags]);
	return true;
}

bool xt_m_multiport0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_multiport *m = data;

	UNUSED_ARGS;
	if (!multiport_option(b, m->flags, m->count))
		return false;
	for (unsigned i = 0; i < m->count; i++) {
		if (i)
			strbuf_addc(b, ',');
		xt_dec(b, m->ports[i]);
	}
	return true;
}

bool xt_m_multiport1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_multiport_v1 *m = data;

	UNUSED_ARGS;
	xt_not(b, m->invert);
	if (!multiport_option(b, m->flags, m->count))
		return false;
	for (unsigned i = 0; i < m->count; i++) {
		if (i)
			strbuf_addc(b, ',');
		xt_dec(b, m->ports[i]);
		if (!m->pflags[i])
			continue;
		if (++i == m->count)
			return false;
		strbuf_addc(b, ':');
		xt_dec(b, m->ports[i]);
	}
	return true;
}

/* A range of codes is one, or all: iptables has no words for others. */
static bool icmp_type(struct strbuf *b, const char *option, uint8_t type, const uint8_t code[2])
{
	xt_opt_dec(b, option, type);
	if (code[0] == 0 && code[1] == 255)
		return true;
	strbuf_addc(b, '/');
	xt_dec(b, code[0]);
	return code[0] == code[1];
}

bool xt_m_icmp(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct ipt_icmp *m = data;

	UNUSED_ARGS;
	xt_not(b, m->invflags & IPT_ICMP_INV);
	if (m->type == 255) { /* whatever the code: ip_tables.c, icmp_type_code_match */
		XT_WORDS(b, " --icmp-type any");
		return true;
	}
	return icmp_type(b, " --icmp-type", m->type, m->code);
}

bool xt_m_icmp6(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct ip6t_icmp *m = data;

	UNUSED_ARGS;
	xt_not(b, m->invflags & IP6T_ICMP_INV);
	return icmp_type(b, " --icmpv6-type", m->type, m->code);
}

/* ---- addresses, interfaces, sets ---- */

static bool addr_type(struct strbuf *b, const char *option, uint16_t types, bool negated)
{
	static const char *const names[] = { "UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE",
					     "PROHIBIT", "THROW", "NAT", "XRESOLVE" };

	if (!types)
		return true;
	xt_not(b, negated);
	strbuf_adds(b, option);
	return xt_bits(b, types, names, ARRAY_LEN(names));
}

bool xt_m_addrtype0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_addrtype_info *m = data;

	UNUSED_ARGS;
	return addr_type(b, " --src-type", m->source, m->invert_source) && addr_type(b, " --dst-type", m->dest, m->invert_dest);
}

bool xt_m_addrtype1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_addrtype_info_v1 *m = data;

	UNUSED_ARGS;
	if (!addr_type(b, " --src-type", m->source, m->flags & XT_ADDRTYPE_INVERT_SOURCE) ||
	    !addr_type(b, " --dst-type", m->dest, m->flags & XT_ADDRTYPE_INVERT_DEST))
		return false;
	if (m->flags & XT_ADDRTYPE_LIMIT_IFACE_IN)
		XT_WORDS(b, " --limit-iface-in");
	if (m->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT)
		XT_WORDS(b, " --limit-iface-out");
	return m->flags < XT_ADDRTYPE_LIMIT_IFACE_OUT * 2;
}

/* The mask says how much of the name counts; iptables prints the name alone, and "eth+" comes back as that. */
static void physdev_name(struct strbuf *b, const char *option, const char *name)
{
	strbuf_adds(b, option);
	xt_name(b, name, IFNAMSIZ);
}

bool xt_m_physdev(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_physdev_info *m = data;

	UNUSED_ARGS;
	for (unsigned bit = 1; bit <= XT_PHYSDEV_OP_ISOUT; bit <<= 1)
		if (m->invert & bit && !(m->bitmask & bit))
			return false;
	if (m->bitmask & XT_PHYSDEV_OP_ISIN) {
		xt_not(b, m->invert & XT_PHYSDEV_OP_ISIN);
		XT_WORDS(b, " --physdev-is-in");
	}
	if (m->bitmask & XT_PHYSDEV_OP_IN) {
		xt_not(b, m->invert & XT_PHYSDEV_OP_IN);
		physdev_name(b, " --physdev-in", m->physindev);
	}
	if (m->bitmask & XT_PHYSDEV_OP_ISOUT) {
		xt_not(b, m->invert & XT_PHYSDEV_OP_ISOUT);
		XT_WORDS(b, " --physdev-is-out");
	}
	if (m->bitmask & XT_PHYSDEV_OP_OUT) {
		xt_not(b, m->invert & XT_PHYSDEV_OP_OUT);
		physdev_name(b, " --physdev-out", m->physoutdev);
	}
	if (m->bitmask & XT_PHYSDEV_OP_BRIDGED) {
		xt_not(b, m->invert & XT_PHYSDEV_OP_BRIDGED);
		XT_WORDS(b, " --physdev-is-bridged");
	}
	return true;
}

static bool match_set(struct strbuf *b, const struct xt_rule_context *c, const struct xt_set_info *set)
{
	const char *name = xt_set_name(c->sets, set->index);

	if (!name || set->dim == 0 || set->dim > IPSET_DIM_MAX)
		return false;
	xt_not(b, set->flags & IPSET_INV_MATCH);
	XT_WORDS(b, " --match-set");
	xt_name(b, name, IPSET_MAXNAMELEN);
	for (unsigned i = 1; i <= set->dim; i++) {
		strbuf_addc(b, i == 1 ? ' ' : ',');
		strbuf_add(b, set->flags & 1u << i ? "src" : "dst", 3);
	}
	return true;
}

bool xt_m_set0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_set_info_v0 *set = &((const struct xt_set_info_match_v0 *)data)->match_set;
	struct xt_set_info v1 = { .index = set->index };

	(void)revision;
	for (unsigned i = 0; i < IPSET_DIM_MAX && set->u.flags[i]; i++) {
		v1.dim++;
		if (set->u.flags[i] & IPSET_SRC)
			v1.flags |= (uint8_t)(1u << v1.dim);
	}
	if (set->u.flags[0] & IPSET_MATCH_INV)
		v1.flags |= IPSET_INV_MATCH;
	return match_set(b, c, &v1);
}

bool xt_m_set1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_set_info *set = &((const struct xt_set_info_match_v1 *)data)->match_set;

	if (!match_set(b, c, set))
		return false;
	if (set->flags & IPSET_RETURN_NOMATCH && revision > 1)
		XT_WORDS(b, " --return-nomatch");
	return true;
}

static bool set_counter(struct strbuf *b, const char *name, unsigned op, uint64_t value)
{
	static const char *const words[] = { NULL, " --%s-eq", " ! --%s-eq", " --%s-lt", " --%s-gt" };

	if (op == IPSET_COUNTER_NONE)
		return true;
	if (op >= ARRAY_LEN(words))
		return false;
	strbuf_addf(b, words[op], name);
	strbuf_addc(b, ' ');
	xt_dec(b, value);
	return true;
}

static void set_flags(struct strbuf *b, uint32_t flags)
{
	if (flags & IPSET_FLAG_RETURN_NOMATCH)
		XT_WORDS(b, " --return-nomatch");
	if (flags & IPSET_FLAG_SKIP_COUNTER_UPDATE)
		XT_WORDS(b, " ! --update-counters");
	if (flags & IPSET_FLAG_SKIP_SUBCOUNTER_UPDATE)
		XT_WORDS(b, " ! --update-subcounters");
}

bool xt_m_set3(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_set_info_match_v3 *m = data;

	(void)revision;
	if (!match_set(b, c, &m->match_set))
		return false;
	set_flags(b, m->flags);
	return set_counter(b, "packets", m->packets.op, m->packets.value) && set_counter(b, "bytes", m->bytes.op, m->bytes.value);
}

bool xt_m_set4(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_set_info_match_v4 *m = data;

	(void)revision;
	if (!match_set(b, c, &m->match_set))
		return false;
	set_flags(b, m->flags);
	return set_counter(b, "packets", m->packets.op, m->packets.value) && set_counter(b, "bytes", m->bytes.op, m->bytes.value);
}

/* ---- marks, connections ---- */

static void mark_words(struct strbuf *b, uint32_t mark, uint32_t mask, bool negated)
{
	xt_not(b, negated);
	XT_WORDS(b, " --mark ");
	xt_value_mask(b, mark, mask);
}

bool xt_m_mark(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_mark_mtinfo1 *m = data;

	UNUSED_ARGS;
	mark_words(b, m->mark, m->mask, m->invert);
	return true;
}

bool xt_m_connmark(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_connmark_mtinfo1 *m = data;

	UNUSED_ARGS;
	mark_words(b, m->mark, m->mask, m->invert);
	return true;
}

/* Bits in the order in which iptables names them. */
static bool ct_state(struct strbuf *b, unsigned mask)
{
	static const struct {
		unsigned bit;
		const char *name;
	} states[] = {
		{ XT_CONNTRACK_STATE_INVALID, "INVALID" },
		{ XT_CONNTRACK_STATE_BIT(IP_CT_NEW), "NEW" },
		{ XT_CONNTRACK_STATE_BIT(IP_CT_RELATED), "RELATED" },
		{ XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED), "ESTABLISHED" },
		{ XT_CONNTRACK_STATE_UNTRACKED, "UNTRACKED" },
		{ XT_CONNTRACK_STATE_SNAT, "SNAT" },
		{ XT_CONNTRACK_STATE_DNAT, "DNAT" },
	};
	char sep = ' ';

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (!(mask & states[i].bit))
			continue;
		strbuf_addc(b, sep);
		strbuf_adds(b, states[i].name);
		mask &= ~states[i].bit;
		sep = ',';
	}
	return mask == 0 && sep == ',';
}

static bool ct_status(struct strbuf *b, unsigned mask)
{
	static const char *const names[] = { "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED" };

	if (mask == 0) {
		XT_WORDS(b, " NONE");
		return true;
	}
	return xt_bits(b, mask, names, ARRAY_LEN(names));
}

static void ct_addrs(struct strbuf *b, bool ip6, const struct xt_conntrack_mtinfo3 *m)
{
	const struct {
		unsigned flag;
		const char *option;
		const union nf_inet_addr *addr, *mask;
	} rows[] = {
		{ XT_CONNTRACK_ORIGSRC, " --ctorigsrc ", &m->origsrc_addr, &m->origsrc_mask },
		{ XT_CONNTRACK_ORIGDST, " --ctorigdst ", &m->origdst_addr, &m->origdst_mask },
		{ XT_CONNTRACK_REPLSRC, " --ctreplsrc ", &m->replsrc_addr, &m->replsrc_mask },
		{ XT_CONNTRACK_REPLDST, " --ctrepldst ", &m->repldst_addr, &m->repldst_mask },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!(m->match_flags & rows[i].flag))
			continue;
		xt_not(b, m->invert_flags & rows[i].flag);
		strbuf_adds(b, rows[i].option);
		xt_addr(b, ip6, rows[i].addr);
		xt_mask(b, ip6, rows[i].mask, false);
	}
}

static void ct_ports(struct strbuf *b, const struct xt_conntrack_mtinfo3 *m)
{
	const struct {
		unsigned flag;
		const char *option;
		uint16_t lo, hi;
	} rows[] = {
		{ XT_CONNTRACK_ORIGSRC_PORT, " --ctorigsrcport", m->origsrc_port, m->origsrc_port_high },
		{ XT_CONNTRACK_ORIGDST_PORT, " --ctorigdstport", m->origdst_port, m->origdst_port_high },
		{ XT_CONNTRACK_REPLSRC_PORT, " --ctreplsrcport", m->replsrc_port, m->replsrc_port_high },
		{ XT_CONNTRACK_REPLDST_PORT, " --ctrepldstport", m->repldst_port, m->repldst_port_high },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!(m->match_flags & rows[i].flag))
			continue;
		xt_not(b, m->invert_flags & rows[i].flag);
		xt_opt_range(b, rows[i].option, rows[i].lo, rows[i].hi ? rows[i].hi : rows[i].lo);
	}
}

static bool conntrack_words(struct strbuf *b, bool ip6, const struct xt_conntrack_mtinfo3 *m)
{
	unsigned f = m->match_flags, inv = m->invert_flags;

	if (f & XT_CONNTRACK_STATE) {
		bool alias = f & XT_CONNTRACK_STATE_ALIAS;

		if (alias) {
			xt_take_back(b, strlen("conntrack"));
			XT_WORDS(b, "state");
		}
		xt_not(b, inv & XT_CONNTRACK_STATE);
		strbuf_adds(b, alias ? " --state" : " --ctstate");
		if (!ct_state(b, m->state_mask))
			return false;
		if (f == XT_CONNTRACK_STATE)
			return true;
	}
	if (f & XT_CONNTRACK_PROTO) {
		xt_not(b, inv & XT_CONNTRACK_PROTO);
		xt_opt_dec(b, " --ctproto", m->l4proto);
	}
	ct_addrs(b, ip6, m);
	ct_ports(b, m);
	if (f & XT_CONNTRACK_STATUS) {
		xt_not(b, inv & XT_CONNTRACK_STATUS);
		XT_WORDS(b, " --ctstatus");
		if (!ct_status(b, m->status_mask))
			return false;
	}
	if (f & XT_CONNTRACK_EXPIRES) {
		xt_not(b, inv & XT_CONNTRACK_EXPIRES);
		xt_opt_range(b, " --ctexpire", m->expires_min, m->expires_max);
	}
	if (f & XT_CONNTRACK_DIRECTION)
		strbuf_adds(b, inv & XT_CONNTRACK_DIRECTION ? " --ctdir REPLY" : " --ctdir ORIGINAL");
	return f != 0 && f < XT_CONNTRACK_STATE_ALIAS * 2;
}

/* Revisions 1 and 2: ports in network order, and in 1 masks of a byte. */
bool xt_m_conntrack(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	struct xt_conntrack_mtinfo3 m = { 0 };

	if (revision == 1) {
		const struct xt_conntrack_mtinfo1 *old = data;

		memcpy(&m, old, offsetof(struct xt_conntrack_mtinfo1, state_mask));
		m.state_mask = old->state_mask;
		m.status_mask = old->status_mask;
	} else {
		memcpy(&m, data, sizeof(struct xt_conntrack_mtinfo2));
		m.origsrc_port_high = m.origdst_port_high = m.replsrc_port_high = m.repldst_port_high = 0;
	}
	m.origsrc_port = ntohs(m.origsrc_port);
	m.origdst_port = ntohs(m.origdst_port);
	m.replsrc_port = ntohs(m.replsrc_port);
	m.repldst_port = ntohs(m.repldst_port);
	return conntrack_words(b, c->ip6, &m);
}

bool xt_m_conntrack3(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	(void)revision;
	return conntrack_words(b, c->ip6, data);
}

/* ---- chance, memory ---- */

/* k/2^31 with 11 digits as printf rounds it: to even where it lies between two. 10^11/2^31 is 5^11/2^20. */
static void probability(struct strbuf *b, uint32_t k)
{
	uint64_t q = (uint64_t)k * 48828125, v = q >> 20, rest = q & ((1u << 20) - 1);
	char digits[12];

	if (rest > 1u << 19 || (rest == 1u << 19 && v & 1))
		v++;
	xt_dec(b, v / 100000000000ull);
	v %= 100000000000ull;
	digits[0] = '.';
	for (int i = 11; i > 0; i--, v /= 10)
		digits[i] = (char)('0' + v % 10);
	strbuf_add(b, digits, sizeof(digits));
}

bool xt_m_statistic(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_statistic_info *m = data;
	bool inv = m->flags & XT_STATISTIC_INVERT;

	UNUSED_ARGS;
	switch (m->mode) {
	case XT_STATISTIC_MODE_RANDOM:
		XT_WORDS(b, " --mode random");
		xt_not(b, inv);
		XT_WORDS(b, " --probability ");
		probability(b, m->u.random.probability);
		return true;
	case XT_STATISTIC_MODE_NTH:
		XT_WORDS(b, " --mode nth");
		xt_not(b, inv);
		xt_opt_dec(b, " --every", m->u.nth.every + 1);
		xt_opt_dec(b, " --packet", m->u.nth.packet);
		return true;
	default:
		return false;
	}
}

bool xt_m_limit(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const struct {
		const char *name;
		uint32_t mult;
	} rates[] = { { "/day", XT_LIMIT_SCALE * 86400u }, { "/hour", XT_LIMIT_SCALE * 3600u }, { "/min", XT_LIMIT_SCALE * 60u },
		      { "/sec", XT_LIMIT_SCALE } };
	const struct xt_rateinfo *m = data;
	size_t i;

	UNUSED_ARGS;
	if (m->avg == 0)
		return false;
	for (i = 1; i < ARRAY_LEN(rates); i++)
		if (m->avg > rates[i].mult || rates[i].mult / m->avg < rates[i].mult % m->avg)
			break;
	xt_opt_dec(b, " --limit", rates[i - 1].mult / m->avg);
	strbuf_adds(b, rates[i - 1].name);
	if (m->burst != 5)
		xt_opt_dec(b, " --limit-burst", m->burst);
	return true;
}

static bool recent_words(struct strbuf *b, const struct xt_recent_mtinfo_v1 *m)
{
	static const char *const verbs[] = { " --set", " --rcheck", " --update", " --remove" };
	static const unsigned bits[] = { XT_RECENT_SET, XT_RECENT_CHECK, XT_RECENT_UPDATE, XT_RECENT_REMOVE };

	xt_not(b, m->invert);
	for (size_t i = 0; i < ARRAY_LEN(bits); i++)
		if (m->check_set & bits[i])
			strbuf_adds(b, verbs[i]);
	if (m->seconds)
		xt_opt_dec(b, " --seconds", m->seconds);
	if (m->check_set & XT_RECENT_REAP)
		XT_WORDS(b, " --reap");
	if (m->hit_count)
		xt_opt_dec(b, " --hitcount", m->hit_count);
	if (m->check_set & XT_RECENT_TTL)
		XT_WORDS(b, " --rttl");
	XT_WORDS(b, " --name");
	xt_name(b, m->name, sizeof(m->name));
	return m->side <= XT_RECENT_DEST && m->check_set < XT_RECENT_REAP * 2;
}

bool xt_m_recent(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_recent_mtinfo_v1 *m = data; /* which begins as revision 0 */

	if (!recent_words(b, m))
		return false;
	if (revision > 0) {
		XT_WORDS(b, " --mask ");
		xt_addr(b, c->ip6, &m->mask);
	}
	strbuf_adds(b, m->side == XT_RECENT_DEST ? " --rdest" : " --rsource");
	return true;
}

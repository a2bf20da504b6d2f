/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one table of matches and targets: name, revision, family, size of the struct, decoder. Sorted by name and revision; within that
 * by family. Both libiptc's entries and the compat expressions of iptables-nft hold these structs, padded to eight bytes.
 */
#include "xt-private.h"

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_physdev.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

#define DATA_MAX 8192u
#define UNKNOWN_MAX 512u

#define ANY(name, revision, type, print) { name, revision, NFPROTO_UNSPEC, sizeof(type), print }
#define IP4(name, revision, type, print) { name, revision, NFPROTO_IPV4, sizeof(type), print }
#define IP6(name, revision, type, print) { name, revision, NFPROTO_IPV6, sizeof(type), print }
#define EMPTY(name, revision) { name, revision, NFPROTO_UNSPEC, 0, xt_t_nothing }

static const struct xt_row matches[] = {
	ANY("addrtype", 0, struct xt_addrtype_info, xt_m_addrtype0),
	ANY("addrtype", 1, struct xt_addrtype_info_v1, xt_m_addrtype1),
	ANY("comment", 0, struct xt_comment_info, xt_m_comment),
	ANY("connmark", 1, struct xt_connmark_mtinfo1, xt_m_connmark),
	ANY("conntrack", 1, struct xt_conntrack_mtinfo1, xt_m_conntrack),
	ANY("conntrack", 2, struct xt_conntrack_mtinfo2, xt_m_conntrack),
	ANY("conntrack", 3, struct xt_conntrack_mtinfo3, xt_m_conntrack3),
	IP4("icmp", 0, struct ipt_icmp, xt_m_icmp),
	IP6("icmp6", 0, struct ip6t_icmp, xt_m_icmp6),
	ANY("limit", 0, struct xt_rateinfo, xt_m_limit),
	ANY("mark", 1, struct xt_mark_mtinfo1, xt_m_mark),
	ANY("multiport", 0, struct xt_multiport, xt_m_multiport0),
	ANY("multiport", 1, struct xt_multiport_v1, xt_m_multiport1),
	ANY("nfacct", 0, struct xt_nfacct_match_info, xt_m_nfacct),
	ANY("nfacct", 1, struct xt_nfacct_match_info_v1, xt_m_nfacct),
	ANY("physdev", 0, struct xt_physdev_info, xt_m_physdev),
	ANY("recent", 0, struct xt_recent_mtinfo, xt_m_recent),
	ANY("recent", 1, struct xt_recent_mtinfo_v1, xt_m_recent),
	ANY("set", 0, struct xt_set_info_match_v0, xt_m_set0),
	ANY("set", 1, struct xt_set_info_match_v1, xt_m_set1),
	ANY("set", 2, struct xt_set_info_match_v1, xt_m_set1),
	ANY("set", 3, struct xt_set_info_match_v3, xt_m_set3),
	ANY("set", 4, struct xt_set_info_match_v4, xt_m_set4),
	ANY("statistic", 0, struct xt_statistic_info, xt_m_statistic),
	ANY("tcp", 0, struct xt_tcp, xt_m_tcp),
	ANY("udp", 0, struct xt_udp, xt_m_udp),
	ANY("udplite", 0, struct xt_udp, xt_m_udp),
};

static const struct xt_row targets[] = {
	ANY("CONNMARK", 1, struct xt_connmark_tginfo1, xt_t_connmark1),
	ANY("CONNMARK", 2, struct xt_connmark_tginfo2, xt_t_connmark2),
	IP4("DNAT", 0, struct nf_nat_ipv4_multi_range_compat, xt_t_dnat0),
	ANY("DNAT", 1, struct nf_nat_range, xt_t_dnat1),
	ANY("DNAT", 2, struct nf_nat_range2, xt_t_dnat2),
	ANY("LOG", 0, struct xt_log_info, xt_t_log),
	ANY("MARK", 2, struct xt_mark_tginfo2, xt_t_mark),
	IP4("MASQUERADE", 0, struct nf_nat_ipv4_multi_range_compat, xt_t_masquerade4),
	IP6("MASQUERADE", 0, struct nf_nat_range, xt_t_masquerade6),
	IP4("NETMAP", 0, struct nf_nat_ipv4_multi_range_compat, xt_t_netmap4),
	IP6("NETMAP", 0, struct nf_nat_range, xt_t_netmap6),
	ANY("NFLOG", 0, struct xt_nflog_info, xt_t_nflog),
	EMPTY("NOTRACK", 0),
	IP4("REDIRECT", 0, struct nf_nat_ipv4_multi_range_compat, xt_t_masquerade4),
	IP6("REDIRECT", 0, struct nf_nat_range, xt_t_masquerade6),
	IP4("REJECT", 0, struct ipt_reject_info, xt_t_reject4),
	IP6("REJECT", 0, struct ip6t_reject_info, xt_t_reject6),
	IP4("SNAT", 0, struct nf_nat_ipv4_multi_range_compat, xt_t_snat0),
	ANY("SNAT", 1, struct nf_nat_range, xt_t_snat1),
	ANY("SNAT", 2, struct nf_nat_range2, xt_t_snat2),
	EMPTY("TRACE", 0),
};

const struct xt_row *xt_match_rows(size_t *ret_len)
{
	*ret_len = ARRAY_LEN(matches);
	return matches;
}

const struct xt_row *xt_target_rows(size_t *ret_len)
{
	*ret_len = ARRAY_LEN(targets);
	return targets;
}

static int compare(const struct xt_row *row, const char *name, unsigned revision)
{
	int d = strcmp(row->name, name);

	return d ? d : (int)row->revision - (int)revision;
}

static const struct xt_row *find(const struct xt_row *rows, size_t len, bool ip6, const char *name, unsigned revision)
{
	size_t lo = 0, hi = len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare(&rows[mid], name, revision) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < len && compare(&rows[lo], name, revision) == 0; lo++)
		if (rows[lo].family == NFPROTO_UNSPEC || (rows[lo].family == NFPROTO_IPV6) == ip6)
			return &rows[lo];
	return NULL;
}

/* The kernel hands out each struct padded to eight bytes. */
static bool size_fits(const struct xt_row *row, size_t size)
{
	return size >= row->size && size <= (row->size + 7u) / 8 * 8 && size <= DATA_MAX;
}

static bool print(struct strbuf *b, const struct xt_rule_context *c, const struct xt_row *row, const char *lead, const void *data, size_t size)
{
	uint64_t aligned[DATA_MAX / sizeof(uint64_t)];
	size_t before = b->len;

	if (!row || !size_fits(row, size))
		return false;
	if ((uintptr_t)data % sizeof(aligned[0]) != 0) {
		memcpy(aligned, data, size);
		data = aligned;
	}
	strbuf_add(b, lead, 4);
	strbuf_adds(b, row->name);
	if (row->print(b, c, data, row->revision))
		return true;
	xt_take_back(b, b->len - before);
	return false;
}

bool xt_print_match(struct strbuf *b, const struct xt_rule_context *c, const char *name, unsigned revision, const void *data, size_t size)
{
	return print(b, c, find(matches, ARRAY_LEN(matches), c->ip6, name, revision), " -m ", data, size);
}

bool xt_print_target(struct strbuf *b, const struct xt_rule_context *c, const char *name, unsigned revision, const void *data, size_t size)
{
	return print(b, c, find(targets, ARRAY_LEN(targets), c->ip6, name, revision), " -j ", data, size);
}

/* A name is one word of letters, whatever a module calls itself. */
static void unknown_name(struct strbuf *b, const char *name)
{
	for (; *name; name++)
		strbuf_addc(b, strchr("_-.+", *name) || (*name >= '0' && *name <= '9') || ((*name | 32) >= 'a' && (*name | 32) <= 'z') ?
					       *name : '?');
}

void xt_print_unknown(struct strbuf *b, bool is_target, const char *name, unsigned revision, const void *data, size_t size)
{
	const uint8_t *p = data;

	strbuf_adds(b, is_target ? " -j " : " -m ");
	unknown_name(b, *name ? name : "?");
	XT_WORDS(b, " --svcdoctor-unknown ");
	xt_dec(b, revision);
	strbuf_addc(b, '/');
	for (size_t i = 0; i < size && i < UNKNOWN_MAX; i++) {
		char hex[2] = { "0123456789abcdef"[p[i] >> 4], "0123456789abcdef"[p[i] & 15] };

		strbuf_add(b, hex, 2);
	}
	if (size > UNKNOWN_MAX)
		strbuf_addc(b, '+');
}

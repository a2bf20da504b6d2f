/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one table of matches and targets: name, revision, family, size of the struct, decoder. Sorted by name and revision; within that
 * by family. Both the entries of the legacy backend and the compat expressions of iptables-nft hold these structs, padded to eight bytes.
 */
#include "xt-private.h"

#include <limits.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_AUDIT.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_cgroup.h>
#include <linux/netfilter/xt_CHECKSUM.h>
#include <linux/netfilter/xt_CLASSIFY.h>
#include <linux/netfilter/xt_cluster.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlabel.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_CONNSECMARK.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_dccp.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_helper.h>
#include <linux/netfilter/xt_HMARK.h>
#include <linux/netfilter/xt_IDLETIMER.h>
#include <linux/netfilter/xt_ipcomp.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_ipvs.h>
#include <linux/netfilter/xt_LED.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_osf.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_physdev.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_RATEEST.h>
#include <linux/netfilter/xt_rateest.h>
#include <linux/netfilter/xt_realm.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_SECMARK.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_socket.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_SYNPROXY.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_TCPOPTSTRIP.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter/xt_TEE.h>
#include <linux/netfilter/xt_time.h>
#include <linux/netfilter/xt_TPROXY.h>
#include <linux/netfilter/xt_u32.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv4/ipt_ECN.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
/* Both ipt_TTL.h and ipt_ttl.h say _IPT_TTL_H; their structs are alike, as are those of HL and hl. */
#include <linux/netfilter_ipv4/ipt_ttl.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netfilter_ipv6/ip6t_ah.h>
#include <linux/netfilter_ipv6/ip6t_frag.h>
#include <linux/netfilter_ipv6/ip6t_hl.h>
#include <linux/netfilter_ipv6/ip6t_ipv6header.h>
#include <linux/netfilter_ipv6/ip6t_mh.h>
#include <linux/netfilter_ipv6/ip6t_NPT.h>
#include <linux/netfilter_ipv6/ip6t_opts.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>
#include <linux/netfilter_ipv6/ip6t_rt.h>
#include <linux/netfilter_ipv6/ip6t_srh.h>

#define DATA_MAX 8192u
#define UNKNOWN_MAX 512u

#define ANY(name, revision, type, print) { name, revision, NFPROTO_UNSPEC, sizeof(type), print }
#define IP4(name, revision, type, print) { name, revision, NFPROTO_IPV4, sizeof(type), print }
#define IP6(name, revision, type, print) { name, revision, NFPROTO_IPV6, sizeof(type), print }
#define EMPTY(name, revision, print) { name, revision, NFPROTO_UNSPEC, 0, print }

static const struct xt_row matches[] = {
	ANY("addrtype", 0, struct xt_addrtype_info, xt_m_addrtype0),
	ANY("addrtype", 1, struct xt_addrtype_info_v1, xt_m_addrtype1),
	IP4("ah", 0, struct ipt_ah, xt_m_ah4),
	IP6("ah", 0, struct ip6t_ah, xt_m_ah6),
	ANY("bpf", 0, struct xt_bpf_info, xt_m_bpf0),
	ANY("bpf", 1, struct xt_bpf_info_v1, xt_m_bpf1),
	ANY("cgroup", 0, struct xt_cgroup_info_v0, xt_m_cgroup0),
	ANY("cgroup", 1, struct xt_cgroup_info_v1, xt_m_cgroup1),
	ANY("cgroup", 2, struct xt_cgroup_info_v2, xt_m_cgroup2),
	ANY("cluster", 0, struct xt_cluster_match_info, xt_m_cluster),
	ANY("comment", 0, struct xt_comment_info, xt_m_comment),
	ANY("connbytes", 0, struct xt_connbytes_info, xt_m_connbytes),
	ANY("connlabel", 0, struct xt_connlabel_mtinfo, xt_m_connlabel),
	ANY("connlimit", 0, struct xt_connlimit_info, xt_m_connlimit),
	ANY("connlimit", 1, struct xt_connlimit_info, xt_m_connlimit),
	ANY("connmark", 1, struct xt_connmark_mtinfo1, xt_m_connmark),
	ANY("conntrack", 1, struct xt_conntrack_mtinfo1, xt_m_conntrack),
	ANY("conntrack", 2, struct xt_conntrack_mtinfo2, xt_m_conntrack),
	ANY("conntrack", 3, struct xt_conntrack_mtinfo3, xt_m_conntrack3),
	ANY("cpu", 0, struct xt_cpu_info, xt_m_cpu),
	ANY("dccp", 0, struct xt_dccp_info, xt_m_dccp),
	ANY("devgroup", 0, struct xt_devgroup_info, xt_m_devgroup),
	ANY("dscp", 0, struct xt_dscp_info, xt_m_dscp),
	IP6("dst", 0, struct ip6t_opts, xt_m_opts),
	ANY("ecn", 0, struct xt_ecn_info, xt_m_ecn),
	ANY("esp", 0, struct xt_esp, xt_m_esp),
	IP6("eui64", 0, int, xt_m_eui64),
	IP6("frag", 0, struct ip6t_frag, xt_m_frag),
	ANY("hashlimit", 1, struct xt_hashlimit_mtinfo1, xt_m_hashlimit1),
	ANY("hashlimit", 2, struct xt_hashlimit_mtinfo2, xt_m_hashlimit2),
	ANY("hashlimit", 3, struct xt_hashlimit_mtinfo3, xt_m_hashlimit3),
	IP6("hbh", 0, struct ip6t_opts, xt_m_opts),
	ANY("helper", 0, struct xt_helper_info, xt_m_helper),
	IP6("hl", 0, struct ip6t_hl_info, xt_m_hl),
	IP4("icmp", 0, struct ipt_icmp, xt_m_icmp),
	IP6("icmp6", 0, struct ip6t_icmp, xt_m_icmp6),
	ANY("ipcomp", 0, struct xt_ipcomp, xt_m_ipcomp),
	ANY("iprange", 1, struct xt_iprange_mtinfo, xt_m_iprange),
	IP6("ipv6header", 0, struct ip6t_ipv6header_info, xt_m_ipv6header),
	ANY("ipvs", 0, struct xt_ipvs_mtinfo, xt_m_ipvs),
	ANY("length", 0, struct xt_length_info, xt_m_length),
	ANY("limit", 0, struct xt_rateinfo, xt_m_limit),
	ANY("mac", 0, struct xt_mac_info, xt_m_mac),
	ANY("mark", 1, struct xt_mark_mtinfo1, xt_m_mark),
	IP6("mh", 0, struct ip6t_mh, xt_m_mh),
	ANY("multiport", 0, struct xt_multiport, xt_m_multiport0),
	ANY("multiport", 1, struct xt_multiport_v1, xt_m_multiport1),
	ANY("nfacct", 0, struct xt_nfacct_match_info, xt_m_nfacct),
	ANY("nfacct", 1, struct xt_nfacct_match_info_v1, xt_m_nfacct),
	ANY("osf", 0, struct xt_osf_info, xt_m_osf),
	ANY("owner", 1, struct xt_owner_match_info, xt_m_owner),
	ANY("physdev", 0, struct xt_physdev_info, xt_m_physdev),
	ANY("pkttype", 0, struct xt_pkttype_info, xt_m_pkttype),
	ANY("policy", 0, struct xt_policy_info, xt_m_policy),
	ANY("quota", 0, struct xt_quota_info, xt_m_quota),
	ANY("rateest", 0, struct xt_rateest_match_info, xt_m_rateest),
	ANY("realm", 0, struct xt_realm_info, xt_m_realm),
	ANY("recent", 0, struct xt_recent_mtinfo, xt_m_recent),
	ANY("recent", 1, struct xt_recent_mtinfo_v1, xt_m_recent),
	ANY("rpfilter", 0, struct xt_rpfilter_info, xt_m_rpfilter),
	IP6("rt", 0, struct ip6t_rt, xt_m_rt),
	ANY("sctp", 0, struct xt_sctp_info, xt_m_sctp),
	ANY("set", 0, struct xt_set_info_match_v0, xt_m_set0),
	ANY("set", 1, struct xt_set_info_match_v1, xt_m_set1),
	ANY("set", 2, struct xt_set_info_match_v1, xt_m_set1),
	ANY("set", 3, struct xt_set_info_match_v3, xt_m_set3),
	ANY("set", 4, struct xt_set_info_match_v4, xt_m_set4),
	EMPTY("socket", 0, xt_m_socket),
	ANY("socket", 1, struct xt_socket_mtinfo1, xt_m_socket),
	ANY("socket", 2, struct xt_socket_mtinfo2, xt_m_socket),
	ANY("socket", 3, struct xt_socket_mtinfo3, xt_m_socket),
	IP6("srh", 0, struct ip6t_srh, xt_m_srh0),
	IP6("srh", 1, struct ip6t_srh1, xt_m_srh1),
	ANY("state", 0, struct xt_state_info, xt_m_state),
	ANY("statistic", 0, struct xt_statistic_info, xt_m_statistic),
	ANY("string", 0, struct xt_string_info, xt_m_string),
	ANY("string", 1, struct xt_string_info, xt_m_string),
	ANY("tcp", 0, struct xt_tcp, xt_m_tcp),
	ANY("tcpmss", 0, struct xt_tcpmss_match_info, xt_m_tcpmss),
	ANY("time", 0, struct xt_time_info, xt_m_time),
	ANY("tos", 1, struct xt_tos_match_info, xt_m_tos),
	IP4("ttl", 0, struct ipt_ttl_info, xt_m_ttl),
	ANY("u32", 0, struct xt_u32, xt_m_u32),
	ANY("udp", 0, struct xt_udp, xt_m_udp),
	ANY("udplite", 0, struct xt_udp, xt_m_udp),
};

static const struct xt_row targets[] = {
	ANY("AUDIT", 0, struct xt_audit_info, xt_t_audit),
	ANY("CHECKSUM", 0, struct xt_CHECKSUM_info, xt_t_checksum),
	ANY("CLASSIFY", 0, struct xt_classify_target_info, xt_t_classify),
	ANY("CONNMARK", 1, struct xt_connmark_tginfo1, xt_t_connmark1),
	ANY("CONNMARK", 2, struct xt_connmark_tginfo2, xt_t_connmark2),
	ANY("CONNSECMARK", 0, struct xt_connsecmark_target_info, xt_t_connsecmark),
	ANY("CT", 0, struct xt_ct_target_info, xt_t_ct0),
	ANY("CT", 1, struct xt_ct_target_info_v1, xt_t_ct1),
	ANY("CT", 2, struct xt_ct_target_info_v1, xt_t_ct1),
	IP4("DNAT", 0, struct nf_nat_ipv4_multi_range_compat, xt_t_dnat0),
	ANY("DNAT", 1, struct nf_nat_range, xt_t_dnat1),
	ANY("DNAT", 2, struct nf_nat_range2, xt_t_dnat2),
	IP6("DNPT", 0, struct ip6t_npt_tginfo, xt_t_npt),
	ANY("DSCP", 0, struct xt_DSCP_info, xt_t_dscp),
	IP4("ECN", 0, struct ipt_ECN_info, xt_t_ecn),
	IP6("HL", 0, struct ip6t_hl_info, xt_t_hl),
	ANY("HMARK", 0, struct xt_hmark_info, xt_t_hmark),
	ANY("IDLETIMER", 0, struct idletimer_tg_info, xt_t_idletimer0),
	ANY("IDLETIMER", 1, struct idletimer_tg_info_v1, xt_t_idletimer1),
	ANY("LED", 0, struct xt_led_info, xt_t_led),
	ANY("LOG", 0, struct xt_log_info, xt_t_log),
	ANY("MARK", 2, struct xt_mark_tginfo2, xt_t_mark),
	IP4("MASQUERADE", 0, struct nf_nat_ipv4_multi_range_compat, xt_t_masquerade4),
	IP6("MASQUERADE", 0, struct nf_nat_range, xt_t_masquerade6),
	IP4("NETMAP", 0, struct nf_nat_ipv4_multi_range_compat, xt_t_netmap4),
	IP6("NETMAP", 0, struct nf_nat_range, xt_t_netmap6),
	ANY("NFLOG", 0, struct xt_nflog_info, xt_t_nflog),
	ANY("NFQUEUE", 0, struct xt_NFQ_info, xt_t_nfqueue),
	ANY("NFQUEUE", 1, struct xt_NFQ_info_v1, xt_t_nfqueue),
	ANY("NFQUEUE", 2, struct xt_NFQ_info_v2, xt_t_nfqueue),
	ANY("NFQUEUE", 3, struct xt_NFQ_info_v3, xt_t_nfqueue),
	EMPTY("NOTRACK", 0, xt_t_nothing),
	ANY("RATEEST", 0, struct xt_rateest_target_info, xt_t_rateest),
	IP4("REDIRECT", 0, struct nf_nat_ipv4_multi_range_compat, xt_t_masquerade4),
	IP6("REDIRECT", 0, struct nf_nat_range, xt_t_masquerade6),
	IP4("REJECT", 0, struct ipt_reject_info, xt_t_reject4),
	IP6("REJECT", 0, struct ip6t_reject_info, xt_t_reject6),
	ANY("SECMARK", 0, struct xt_secmark_target_info, xt_t_secmark0),
	ANY("SECMARK", 1, struct xt_secmark_target_info_v1, xt_t_secmark1),
	ANY("SET", 0, struct xt_set_info_target_v0, xt_t_set0),
	ANY("SET", 1, struct xt_set_info_target_v1, xt_t_set1),
	ANY("SET", 2, struct xt_set_info_target_v2, xt_t_set2),
	ANY("SET", 3, struct xt_set_info_target_v3, xt_t_set3),
	IP4("SNAT", 0, struct nf_nat_ipv4_multi_range_compat, xt_t_snat0),
	ANY("SNAT", 1, struct nf_nat_range, xt_t_snat1),
	ANY("SNAT", 2, struct nf_nat_range2, xt_t_snat2),
	IP6("SNPT", 0, struct ip6t_npt_tginfo, xt_t_npt),
	ANY("SYNPROXY", 0, struct xt_synproxy_info, xt_t_synproxy),
	ANY("TCPMSS", 0, struct xt_tcpmss_info, xt_t_tcpmss),
	ANY("TCPOPTSTRIP", 0, struct xt_tcpoptstrip_target_info, xt_t_tcpoptstrip),
	ANY("TEE", 1, struct xt_tee_tginfo, xt_t_tee),
	ANY("TOS", 1, struct xt_tos_target_info, xt_t_tos),
	ANY("TPROXY", 0, struct xt_tproxy_target_info, xt_t_tproxy0),
	ANY("TPROXY", 1, struct xt_tproxy_target_info_v1, xt_t_tproxy1),
	EMPTY("TRACE", 0, xt_t_nothing),
	IP4("TTL", 0, struct ipt_ttl_info, xt_t_ttl),
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
	int d = (unsigned char)row->name[0] - (unsigned char)name[0];

	if (d)
		return d;
	d = strcmp(row->name, name);
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef XT_PRIVATE_H
#define XT_PRIVATE_H

/*
 * What the decoders of xt-*.c share: words, numbers and addresses as iptables-save of 1.8.9 writes them, appended to a strbuf.
 * A decoder gets an aligned struct of exactly the size of its row (xt-table.c), appends its words, each with a space before it, and
 * returns false for what it cannot say: what it appended is taken back then, and the caller prints it as unknown.
 */

#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/netfilter.h>

#include "kernel-private.h"

typedef bool xt_print_fn(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision);

#define XT_WORDS(b, literal) strbuf_add(b, literal, sizeof(literal) - 1)

void xt_dec(struct strbuf *b, uint64_t v);
void xt_hex(struct strbuf *b, uint32_t v); /* "0x1f" */
static inline void xt_not(struct strbuf *b, bool negated)
{
	if (negated)
		XT_WORDS(b, " !");
}
void xt_put_proto(struct strbuf *b, unsigned proto); /* "tcp", or its number */
/* " --option 5", " --option 5:7" */
void xt_opt_dec(struct strbuf *b, const char *option, uint64_t v);
void xt_opt_range(struct strbuf *b, const char *option, uint32_t lo, uint32_t hi);
/* "0x1" or "0x1/0xff": a mask of all bits is not written. */
void xt_value_mask(struct strbuf *b, uint32_t v, uint32_t mask);
/* An address by itself; with "/MASK" behind it, as length where it is one. */
void xt_addr(struct strbuf *b, bool ip6, const void *addr);
void xt_mask(struct strbuf *b, bool ip6, const void *mask, bool full_too);
int xt_mask_length(bool ip6, const void *mask); /* -1: it is none */
/* A space and the text, in quotes where iptables writes them; at most @max bytes, up to the first NUL. Bytes that end a line become spaces. */
void xt_string(struct strbuf *b, const char *s, size_t max);
/* The same for names that iptables writes as they are: in quotes only where a reader would not get them back. */
void xt_name(struct strbuf *b, const char *s, size_t max);
/* " NAME" of each bit that is set, separated by commas; the first row is bit 0, NULL rows are skipped. False: a bit without a name. */
bool xt_bits(struct strbuf *b, uint32_t bits, const char *const *names, size_t len);
/* Takes back the last @len bytes. */
void xt_take_back(struct strbuf *b, size_t len);

/* ---- the rows ---- */

struct xt_row {
	const char *name;
	uint8_t revision, family; /* NFPROTO_UNSPEC: both */
	uint16_t size;
	xt_print_fn *print;
};
/* The tables, sorted by name, revision: for tests, and for who asks whether a name is a target's. */
const struct xt_row *xt_match_rows(size_t *ret_len);
const struct xt_row *xt_target_rows(size_t *ret_len);

/* xt-match.c */
xt_print_fn xt_m_addrtype0, xt_m_addrtype1, xt_m_comment, xt_m_connmark, xt_m_conntrack, xt_m_conntrack3, xt_m_icmp, xt_m_icmp6, xt_m_limit,
	xt_m_mark, xt_m_multiport0, xt_m_multiport1, xt_m_nfacct, xt_m_physdev, xt_m_recent, xt_m_set0, xt_m_set1, xt_m_set3, xt_m_set4,
	xt_m_statistic, xt_m_tcp, xt_m_udp;
/* xt-match-more.c */
xt_print_fn xt_m_bpf0, xt_m_bpf1, xt_m_cgroup0, xt_m_cgroup1, xt_m_cgroup2, xt_m_cluster, xt_m_connbytes, xt_m_connlabel, xt_m_connlimit,
	xt_m_cpu, xt_m_dccp, xt_m_devgroup, xt_m_hashlimit1, xt_m_hashlimit2, xt_m_hashlimit3, xt_m_helper, xt_m_iprange,
	xt_m_ipvs, xt_m_osf, xt_m_owner, xt_m_policy, xt_m_quota, xt_m_rateest, xt_m_realm, xt_m_rpfilter, xt_m_sctp, xt_m_socket,
	xt_m_state, xt_m_string, xt_m_time, xt_m_u32;
/* xt-match-header.c */
xt_print_fn xt_m_ah4, xt_m_ah6, xt_m_dscp, xt_m_ecn, xt_m_esp, xt_m_eui64, xt_m_frag, xt_m_hl, xt_m_ipcomp, xt_m_ipv6header, xt_m_length,
	xt_m_mac, xt_m_mh, xt_m_opts, xt_m_pkttype, xt_m_rt, xt_m_srh0, xt_m_srh1, xt_m_tcpmss, xt_m_tos, xt_m_ttl;
/* xt-target.c */
xt_print_fn xt_t_connmark1, xt_t_connmark2, xt_t_log, xt_t_mark, xt_t_dnat0, xt_t_dnat1, xt_t_dnat2, xt_t_masquerade4,
	xt_t_masquerade6, xt_t_netmap4, xt_t_netmap6, xt_t_nflog, xt_t_nothing, xt_t_reject4, xt_t_reject6,
	xt_t_snat0, xt_t_snat1, xt_t_snat2;
/* xt-target-more.c */
xt_print_fn xt_t_audit, xt_t_checksum, xt_t_classify, xt_t_connsecmark, xt_t_ct0, xt_t_ct1, xt_t_dscp, xt_t_ecn, xt_t_hl, xt_t_hmark,
	xt_t_idletimer0, xt_t_idletimer1, xt_t_led, xt_t_nfqueue, xt_t_npt, xt_t_rateest, xt_t_secmark0, xt_t_secmark1, xt_t_set0, xt_t_set1,
	xt_t_set2, xt_t_set3, xt_t_synproxy, xt_t_tcpmss, xt_t_tcpoptstrip, xt_t_tee, xt_t_tos, xt_t_tproxy0, xt_t_tproxy1, xt_t_ttl;

#endif

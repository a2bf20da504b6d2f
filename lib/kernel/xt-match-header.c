/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoders of the matches that look at a packet's headers, contents or time. The structs are the kernel's (include/uapi/linux/netfilter*), the
 * words those of extensions/lib{xt,ipt,ip6t}_*.c of iptables 1.8.9.
 */
#include "xt-private.h"

#include <limits.h>
#include <time.h>
#include <linux/dccp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter/xt_dccp.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_ipcomp.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_time.h>
#include <linux/netfilter/xt_u32.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>
#include <linux/netfilter_ipv6/ip6t_ah.h>
#include <linux/netfilter_ipv6/ip6t_frag.h>
#include <linux/netfilter_ipv6/ip6t_hl.h>
#include <linux/netfilter_ipv6/ip6t_ipv6header.h>
#include <linux/netfilter_ipv6/ip6t_mh.h>
#include <linux/netfilter_ipv6/ip6t_opts.h>
#include <linux/netfilter_ipv6/ip6t_rt.h>
#include <linux/netfilter_ipv6/ip6t_srh.h>

#define UNUSED_ARGS ((void)c, (void)revision)

/* A range that is not written where it is the whole one and not negated. */
static void span(struct strbuf *b, const char *option, uint32_t lo, uint32_t hi, uint32_t max, bool negated)
{
	if (lo == 0 && hi == max && !negated)
		return;
	xt_not(b, negated);
	xt_opt_range(b, option, lo, hi);
}

static void number(struct strbuf *b, const char *option, uint32_t v, bool negated)
{
	xt_not(b, negated);
	xt_opt_dec(b, option, v);
}

/* ---- the IP header, and the frame's ---- */

bool xt_m_tos(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_tos_match_info *m = data;

	UNUSED_ARGS;
	xt_not(b, m->invert);
	strbuf_addf(b, " --tos 0x%02x/0x%02x", m->tos_value, m->tos_mask);
	return true;
}

bool xt_m_dscp(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_dscp_info *m = data;

	UNUSED_ARGS;
	xt_not(b, m->invert);
	strbuf_addf(b, " --dscp 0x%02x", m->dscp);
	return true;
}

bool xt_m_ecn(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_ecn_info *m = data;

	UNUSED_ARGS;
	if (m->operation & XT_ECN_OP_MATCH_ECE) {
		xt_not(b, m->invert & XT_ECN_OP_MATCH_ECE);
		XT_WORDS(b, " --ecn-tcp-ece");
	}
	if (m->operation & XT_ECN_OP_MATCH_CWR) {
		xt_not(b, m->invert & XT_ECN_OP_MATCH_CWR);
		XT_WORDS(b, " --ecn-tcp-cwr");
	}
	if (m->operation & XT_ECN_OP_MATCH_IP)
		number(b, " --ecn-ip-ect", m->ip_ect, m->invert & XT_ECN_OP_MATCH_IP);
	return m->operation != 0;
}

static bool compared(struct strbuf *b, const char *const options[4], unsigned mode, unsigned v)
{
	if (mode > 3)
		return false;
	xt_opt_dec(b, options[mode], v);
	return true;
}

bool xt_m_ttl(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const options[] = { " --ttl-eq", " ! --ttl-eq", " --ttl-lt", " --ttl-gt" };
	const struct ipt_ttl_info *m = data;

	UNUSED_ARGS;
	return compared(b, options, m->mode, m->ttl);
}

bool xt_m_hl(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const options[] = { " --hl-eq", " ! --hl-eq", " --hl-lt", " --hl-gt" };
	const struct ip6t_hl_info *m = data;

	UNUSED_ARGS;
	return compared(b, options, m->mode, m->hop_limit);
}

bool xt_m_length(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_length_info *m = data;

	UNUSED_ARGS;
	xt_not(b, m->invert);
	xt_opt_range(b, " --length", m->min, m->max);
	return true;
}

bool xt_m_mac(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_mac_info *m = data;
	const unsigned char *a = m->srcaddr;

	UNUSED_ARGS;
	xt_not(b, m->invert);
	strbuf_addf(b, " --mac-source %02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5]);
	return true;
}

bool xt_m_pkttype(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const types[] = { [PACKET_HOST] = " --pkt-type unicast", [PACKET_BROADCAST] = " --pkt-type broadcast",
					     [PACKET_MULTICAST] = " --pkt-type multicast", [PACKET_OTHERHOST] = " --pkt-type otherhost" };
	const struct xt_pkttype_info *m = data;

	UNUSED_ARGS;
	xt_not(b, m->invert);
	if (m->pkttype < 0 || (size_t)m->pkttype >= ARRAY_LEN(types))
		return false;
	strbuf_adds(b, types[m->pkttype]);
	return true;
}

bool xt_m_eui64(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	(void)b;
	(void)data;
	UNUSED_ARGS;
	return true;
}

/* ---- transport ---- */

bool xt_m_tcpmss(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_tcpmss_match_info *m = data;

	UNUSED_ARGS;
	xt_not(b, m->invert);
	xt_opt_range(b, " --mss", m->mss_min, m->mss_max);
	return true;
}

static void ports(struct strbuf *b, const uint16_t s[2], const uint16_t d[2], unsigned flags, unsigned inverted)
{
	if (flags & XT_SCTP_SRC_PORTS) {
		xt_not(b, inverted & XT_SCTP_SRC_PORTS);
		xt_opt_range(b, " --sport", s[0], s[1]);
	}
	if (flags & XT_SCTP_DEST_PORTS) {
		xt_not(b, inverted & XT_SCTP_DEST_PORTS);
		xt_opt_range(b, " --dport", d[0], d[1]);
	}
}

/* Letters of the flags that a chunk can have, from the highest bit; a flag that must be off is a small letter. */
static bool chunk_flags(struct strbuf *b, const char *letters, unsigned flags, unsigned mask)
{
	if (mask)
		strbuf_addc(b, ':');
	for (unsigned i = 8; i-- > 0;) {
		char letter = letters ? letters[7 - i] : '-';

		if (!(mask & 1u << i))
			continue;
		if (letter == '-')
			return false;
		strbuf_addc(b, flags & 1u << i ? letter : (char)(letter | 32));
	}
	return true;
}

static bool chunks(struct strbuf *b, const struct xt_sctp_info *m)
{
	static const char *const names[256] = {
		"DATA", "INIT", "INIT_ACK", "SACK", "HEARTBEAT", "HEARTBEAT_ACK", "ABORT", "SHUTDOWN", "SHUTDOWN_ACK", "ERROR", "COOKIE_ECHO",
		"COOKIE_ACK", "ECN_ECNE", "ECN_CWR", "SHUTDOWN_COMPLETE", [64] = "I_DATA", [128] = "ASCONF_ACK", [130] = "RE_CONFIG",
		[132] = "PAD", [192] = "FORWARD_TSN", [193] = "ASCONF", [194] = "I_FORWARD_TSN",
	};
	static const char *const letters[256] = { "----IUBE", [6] = "-------T", [14] = "-------T", [64] = "----IUBE" };
	char sep = ' ';

	for (unsigned i = 0; i < 256; i++) {
		if (!(m->chunkmap[i / 32] & 1u << i % 32))
			continue;
		if (!names[i])
			return false;
		strbuf_addc(b, sep);
		strbuf_adds(b, names[i]);
		sep = ',';
		for (int j = 0; j < m->flag_count; j++)
			if (m->flag_info[j].chunktype == i &&
			    !chunk_flags(b, letters[i], m->flag_info[j].flag, m->flag_info[j].flag_mask))
				return false;
	}
	return true;
}

static bool chunk_words(struct strbuf *b, const struct xt_sctp_info *m)
{
	static const char *const how[] = { NULL, " any", " all", NULL, " only" };
	unsigned set = 0;

	if (m->chunk_match_type >= ARRAY_LEN(how) || !how[m->chunk_match_type] || m->flag_count < 0 || m->flag_count > XT_NUM_SCTP_FLAGS)
		return false;
	xt_not(b, m->invflags & XT_SCTP_CHUNK_TYPES);
	XT_WORDS(b, " --chunk-types");
	strbuf_adds(b, how[m->chunk_match_type]);
	for (size_t i = 0; i < ARRAY_LEN(m->chunkmap); i++)
		set += (unsigned)__builtin_popcount(m->chunkmap[i]);
	if (set == 0 || set == 256)
		strbuf_adds(b, set ? " ALL" : " NONE");
	return set == 0 || set == 256 || chunks(b, m);
}

bool xt_m_sctp(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_sctp_info *m = data;

	UNUSED_ARGS;
	ports(b, m->spts, m->dpts, m->flags, m->invflags);
	return m->flags <= XT_SCTP_VALID_FLAGS && (!(m->flags & XT_SCTP_CHUNK_TYPES) || chunk_words(b, m));
}

_Static_assert(XT_SCTP_SRC_PORTS == XT_DCCP_SRC_PORTS && XT_SCTP_DEST_PORTS == XT_DCCP_DEST_PORTS, "ports() serves both");

bool xt_m_dccp(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const types[] = { "REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC", "SYNCACK",
					     "INVALID" };
	const struct xt_dccp_info *m = data;
	unsigned invalid = m->typemask & 0xfc00u; /* iptables sets all of them for INVALID */

	UNUSED_ARGS;
	ports(b, m->spts, m->dpts, m->flags, m->invflags);
	if (m->flags & XT_DCCP_TYPE) {
		xt_not(b, m->invflags & XT_DCCP_TYPE);
		XT_WORDS(b, " --dccp-types");
		if (!xt_bits(b, (m->typemask & ~0xfc00u) | (invalid == 0xfc00u ? 0x400u : invalid), types, ARRAY_LEN(types)))
			return false;
	}
	if (m->flags & XT_DCCP_OPTION)
		number(b, " --dccp-option", m->option, m->invflags & XT_DCCP_OPTION);
	return m->flags <= XT_DCCP_VALID_FLAGS;
}

bool xt_m_esp(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_esp *m = data;

	UNUSED_ARGS;
	span(b, " --espspi", m->spis[0], m->spis[1], UINT32_MAX, m->invflags & XT_ESP_INV_SPI);
	return true;
}

bool xt_m_ipcomp(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_ipcomp *m = data;

	UNUSED_ARGS;
	span(b, " --ipcompspi", m->spis[0], m->spis[1], UINT32_MAX, m->invflags & XT_IPCOMP_INV_SPI);
	if (m->hdrres)
		XT_WORDS(b, " --compres");
	return true;
}

bool xt_m_ah4(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct ipt_ah *m = data;

	UNUSED_ARGS;
	span(b, " --ahspi", m->spis[0], m->spis[1], UINT32_MAX, m->invflags & IPT_AH_INV_SPI);
	return true;
}

/* ---- extension headers of IPv6 ---- */

bool xt_m_ah6(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct ip6t_ah *m = data;

	UNUSED_ARGS;
	span(b, " --ahspi", m->spis[0], m->spis[1], UINT32_MAX, m->invflags & IP6T_AH_INV_SPI);
	if (m->hdrlen || m->invflags & IP6T_AH_INV_LEN)
		number(b, " --ahlen", m->hdrlen, m->invflags & IP6T_AH_INV_LEN);
	if (m->hdrres)
		XT_WORDS(b, " --ahres");
	return true;
}

bool xt_m_frag(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const options[] = { NULL, NULL, " --fragres", " --fragfirst", " --fragmore", " --fraglast" };
	const struct ip6t_frag *m = data;

	UNUSED_ARGS;
	span(b, " --fragid", m->ids[0], m->ids[1], UINT32_MAX, m->invflags & IP6T_FRAG_INV_IDS);
	if (m->flags & IP6T_FRAG_LEN)
		number(b, " --fraglen", m->hdrlen, m->invflags & IP6T_FRAG_INV_LEN);
	for (size_t i = 2; i < ARRAY_LEN(options); i++)
		if (m->flags & 1u << i)
			strbuf_adds(b, options[i]);
	return true;
}

/* dst and hbh: the options begin with the match's own name. */
bool xt_m_opts(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct ip6t_opts *m = data;
	const char *name = b->len >= 3 && memcmp(b->s + b->len - 3, "hbh", 3) == 0 ? "hbh" : "dst";

	UNUSED_ARGS;
	if (m->optsnr > IP6T_OPTS_OPTSNR)
		return false;
	if (m->flags & IP6T_OPTS_LEN)
		strbuf_addf(b, "%s --%s-len %u", m->invflags & IP6T_OPTS_INV_LEN ? " !" : "", name, m->hdrlen);
	if (m->flags & IP6T_OPTS_OPTS)
		strbuf_addf(b, " --%s-opts", name);
	for (unsigned i = 0; i < m->optsnr; i++) {
		strbuf_addf(b, "%c%u", i ? ',' : ' ', m->opts[i] >> 8);
		if ((m->opts[i] & 255) != 255)
			strbuf_addf(b, ":%u", m->opts[i] & 255);
	}
	return true;
}

bool xt_m_ipv6header(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	/* In the order in which iptables names them. */
	static const struct {
		unsigned bit;
		const char *name;
	} headers[] = { { MASK_HOPOPTS, "hop-by-hop" }, { MASK_DSTOPTS, "ipv6-opts" }, { MASK_ROUTING, "ipv6-route" },
			{ MASK_FRAGMENT, "ipv6-frag" }, { MASK_AH, "ah" }, { MASK_ESP, "esp" }, { MASK_NONE, "ipv6-nonxt" }, { MASK_PROTO, "prot" } };
	const struct ip6t_ipv6header_info *m = data;
	char sep = ' ';

	UNUSED_ARGS;
	xt_not(b, m->invflags);
	XT_WORDS(b, " --header");
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		if (!(m->matchflags & headers[i].bit))
			continue;
		strbuf_addc(b, sep);
		strbuf_adds(b, headers[i].name);
		sep = ',';
	}
	if (m->modeflag)
		XT_WORDS(b, " --soft");
	return sep == ',';
}

bool xt_m_mh(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct ip6t_mh *m = data;

	UNUSED_ARGS;
	span(b, " --mh-type", m->types[0], m->types[1], UINT8_MAX, m->invflags & IP6T_MH_INV_TYPE);
	return true;
}

bool xt_m_rt(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct ip6t_rt *m = data;

	UNUSED_ARGS;
	if (m->addrnr > IP6T_RT_HOPS)
		return false;
	if (m->flags & IP6T_RT_TYP)
		number(b, " --rt-type", m->rt_type, m->invflags & IP6T_RT_INV_TYP);
	span(b, " --rt-segsleft", m->segsleft[0], m->segsleft[1], UINT32_MAX, m->invflags & IP6T_RT_INV_SGS);
	if (m->flags & IP6T_RT_LEN)
		number(b, " --rt-len", m->hdrlen, m->invflags & IP6T_RT_INV_LEN);
	if (m->flags & IP6T_RT_RES)
		XT_WORDS(b, " --rt-0-res");
	if (m->flags & IP6T_RT_FST)
		XT_WORDS(b, " --rt-0-addrs");
	for (unsigned i = 0; i < m->addrnr; i++) {
		strbuf_addc(b, i ? ',' : ' ');
		xt_addr(b, true, &m->addrs[i]);
	}
	if (m->flags & IP6T_RT_FST_NSTRICT)
		XT_WORDS(b, " --rt-0-not-strict");
	return true;
}

/* struct ip6t_srh1 begins as struct ip6t_srh. */
static void srh_numbers(struct strbuf *b, const struct ip6t_srh *m)
{
	const struct {
		unsigned flag;
		const char *option;
		unsigned v;
	} rows[] = {
		{ IP6T_SRH_NEXTHDR, " --srh-next-hdr", m->next_hdr },	 { IP6T_SRH_LEN_EQ, " --srh-hdr-len-eq", m->hdr_len },
		{ IP6T_SRH_LEN_GT, " --srh-hdr-len-gt", m->hdr_len },	 { IP6T_SRH_LEN_LT, " --srh-hdr-len-lt", m->hdr_len },
		{ IP6T_SRH_SEGS_EQ, " --srh-segs-left-eq", m->segs_left }, { IP6T_SRH_SEGS_GT, " --srh-segs-left-gt", m->segs_left },
		{ IP6T_SRH_SEGS_LT, " --srh-segs-left-lt", m->segs_left }, { IP6T_SRH_LAST_EQ, " --srh-last-entry-eq", m->last_entry },
		{ IP6T_SRH_LAST_GT, " --srh-last-entry-gt", m->last_entry }, { IP6T_SRH_LAST_LT, " --srh-last-entry-lt", m->last_entry },
		{ IP6T_SRH_TAG, " --srh-tag", m->tag },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (m->mt_flags & rows[i].flag)
			number(b, rows[i].option, rows[i].v, m->mt_invflags & rows[i].flag);
}

bool xt_m_srh0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	UNUSED_ARGS;
	srh_numbers(b, data);
	return true;
}

bool xt_m_srh1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct ip6t_srh1 *m = data;
	const struct {
		unsigned flag;
		const char *option;
		const struct in6_addr *addr, *mask;
	} rows[] = {
		{ IP6T_SRH_PSID, " --srh-psid ", &m->psid_addr, &m->psid_msk },
		{ IP6T_SRH_NSID, " --srh-nsid ", &m->nsid_addr, &m->nsid_msk },
		{ IP6T_SRH_LSID, " --srh-lsid ", &m->lsid_addr, &m->lsid_msk },
	};
	struct ip6t_srh first;

	UNUSED_ARGS;
	memcpy(&first, m, offsetof(struct ip6t_srh1, psid_addr));
	first.mt_flags = m->mt_flags;
	first.mt_invflags = m->mt_invflags;
	srh_numbers(b, &first);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!(m->mt_flags & rows[i].flag))
			continue;
		xt_not(b, m->mt_invflags & rows[i].flag);
		strbuf_adds(b, rows[i].option);
		xt_addr(b, true, rows[i].addr);
		xt_mask(b, true, rows[i].mask, true);
	}
	return true;
}

/* ---- contents, time ---- */

bool xt_m_string(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_string_info *m = data;
	bool negated = revision == 0 ? m->u.v0.invert : m->u.v1.flags & XT_STRING_FLAG_INVERT, hex = false;

	(void)c;
	if (m->patlen == 0 || m->patlen > sizeof(m->pattern))
		return false;
	for (unsigned i = 0; i < m->patlen; i++)
		hex = hex || m->pattern[i] < ' ' || m->pattern[i] > '~';
	hex = hex || m->pattern[m->patlen - 1] == '\\';
	xt_not(b, negated);
	strbuf_adds(b, hex ? " --hex-string \"|" : " --string \"");
	for (unsigned i = 0; i < m->patlen; i++) {
		if (hex)
			strbuf_addf(b, "%02x", (unsigned char)m->pattern[i]);
		else if (m->pattern[i] == '"' || m->pattern[i] == '\\')
			strbuf_addc(b, '\\');
		if (!hex)
			strbuf_addc(b, m->pattern[i]);
	}
	strbuf_adds(b, hex ? "|\" --algo" : "\" --algo");
	xt_name(b, m->algo, sizeof(m->algo));
	if (m->from_offset)
		xt_opt_dec(b, " --from", m->from_offset);
	if (m->to_offset != UINT16_MAX)
		xt_opt_dec(b, " --to", m->to_offset);
	if (revision > 0 && m->u.v1.flags & XT_STRING_FLAG_IGNORECASE)
		XT_WORDS(b, " --icase");
	return true;
}

static void clock_words(struct strbuf *b, const char *option, uint32_t t)
{
	strbuf_addf(b, "%s %02u:%02u:%02u", option, t / 3600, t / 60 % 60, t % 60);
}

static void date_words(struct strbuf *b, const char *option, uint32_t t)
{
	time_t when = t;
	struct tm tm;

	if (t == 0 || !gmtime_r(&when, &tm))
		return;
	strbuf_addf(b, "%s %04d-%02d-%02dT%02d:%02d:%02d", option, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		    tm.tm_sec);
}

static void month_days(struct strbuf *b, uint32_t days)
{
	char sep = ' ';

	XT_WORDS(b, " --monthdays");
	for (unsigned i = 1; i <= 31; i++) {
		if (!(days & 1u << i))
			continue;
		strbuf_addc(b, sep);
		xt_dec(b, i);
		sep = ',';
	}
}

bool xt_m_time(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const days[] = { NULL, "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
	const struct xt_time_info *m = data;

	UNUSED_ARGS;
	if (m->daytime_start != XT_TIME_MIN_DAYTIME || m->daytime_stop != XT_TIME_MAX_DAYTIME) {
		clock_words(b, " --timestart", m->daytime_start);
		clock_words(b, " --timestop", m->daytime_stop);
	}
	if (m->monthdays_match != XT_TIME_ALL_MONTHDAYS)
		month_days(b, m->monthdays_match);
	if (m->weekdays_match != XT_TIME_ALL_WEEKDAYS) {
		XT_WORDS(b, " --weekdays");
		if (!xt_bits(b, m->weekdays_match & XT_TIME_ALL_WEEKDAYS, days, ARRAY_LEN(days)))
			return false;
	}
	date_words(b, " --datestart", m->date_start);
	date_words(b, " --datestop", m->date_stop);
	if (m->flags & XT_TIME_LOCAL_TZ)
		XT_WORDS(b, " --kerneltz");
	if (m->flags & XT_TIME_CONTIGUOUS)
		XT_WORDS(b, " --contiguous");
	return true;
}

static bool u32_test(struct strbuf *b, const struct xt_u32_test *t)
{
	static const char *const ops[] = { "&", "<<", ">>", "@" };

	if (t->nnums == 0 || t->nnums > XT_U32_MAXSIZE + 1 || t->nvalues == 0 || t->nvalues > XT_U32_MAXSIZE + 1)
		return false;
	xt_hex(b, t->location[0].number);
	for (unsigned i = 1; i < t->nnums; i++) {
		if (t->location[i].nextop >= ARRAY_LEN(ops))
			return false;
		strbuf_adds(b, ops[t->location[i].nextop]);
		xt_hex(b, t->location[i].number);
	}
	for (unsigned i = 0; i < t->nvalues; i++) {
		strbuf_addc(b, i ? ',' : '=');
		xt_hex(b, t->value[i].min);
		if (t->value[i].min == t->value[i].max)
			continue;
		strbuf_addc(b, ':');
		xt_hex(b, t->value[i].max);
	}
	return true;
}

bool xt_m_u32(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_u32 *m = data;

	UNUSED_ARGS;
	if (m->ntests == 0 || m->ntests > XT_U32_MAXSIZE + 1)
		return false;
	xt_not(b, m->invert);
	XT_WORDS(b, " --u32 \"");
	for (unsigned i = 0; i < m->ntests; i++) {
		if (i)
			XT_WORDS(b, "&&");
		if (!u32_test(b, &m->tests[i]))
			return false;
	}
	strbuf_addc(b, '"');
	return true;
}

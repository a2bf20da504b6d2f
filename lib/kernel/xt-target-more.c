/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoders of the rarer targets. The structs are the kernel's (include/uapi/linux/netfilter*), the words those of
 * extensions/lib{xt,ipt,ip6t}_*.c of iptables 1.8.9.
 */
#include "xt-private.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_AUDIT.h>
#include <linux/netfilter/xt_CHECKSUM.h>
#include <linux/netfilter/xt_CLASSIFY.h>
#include <linux/netfilter/xt_CONNSECMARK.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_HMARK.h>
#include <linux/netfilter/xt_IDLETIMER.h>
#include <linux/netfilter/xt_LED.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_RATEEST.h>
#include <linux/netfilter/xt_SECMARK.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_SYNPROXY.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_TCPOPTSTRIP.h>
#include <linux/netfilter/xt_TEE.h>
#include <linux/netfilter/xt_TPROXY.h>
#include <linux/netfilter_ipv4/ipt_ECN.h>
#include <linux/netfilter_ipv4/ipt_TTL.h>
#include <linux/netfilter_ipv6/ip6t_HL.h>
#include <linux/netfilter_ipv6/ip6t_NPT.h>

#define UNUSED_ARGS ((void)c, (void)revision)

/* " --type accept": one of a few words. */
static bool choice(struct strbuf *b, const char *const *words, size_t len, size_t i)
{
	if (i >= len || !words[i])
		return false;
	strbuf_adds(b, words[i]);
	return true;
}

/* ---- the packet's header ---- */

bool xt_t_dscp(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	UNUSED_ARGS;
	strbuf_addf(b, " --set-dscp 0x%02x", ((const struct xt_DSCP_info *)data)->dscp);
	return true;
}

bool xt_t_tos(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_tos_target_info *t = data;

	UNUSED_ARGS;
	strbuf_addf(b, " --set-tos 0x%02x/0x%02x", t->tos_value, t->tos_mask);
	return true;
}

bool xt_t_ttl(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const modes[] = { " --ttl-set", " --ttl-inc", " --ttl-dec" };
	const struct ipt_TTL_info *t = data;

	UNUSED_ARGS;
	if (t->mode > IPT_TTL_MAXMODE)
		return false;
	xt_opt_dec(b, modes[t->mode], t->ttl);
	return true;
}

bool xt_t_hl(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const modes[] = { " --hl-set", " --hl-inc", " --hl-dec" };
	const struct ip6t_HL_info *t = data;

	UNUSED_ARGS;
	if (t->mode > IP6T_HL_MAXMODE)
		return false;
	xt_opt_dec(b, modes[t->mode], t->hop_limit);
	return true;
}

bool xt_t_ecn(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct ipt_ECN_info *t = data;

	UNUSED_ARGS;
	if (t->operation == (IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_CWR) && !t->proto.tcp.ece && !t->proto.tcp.cwr) {
		XT_WORDS(b, " --ecn-tcp-remove");
		return true;
	}
	if (t->operation & IPT_ECN_OP_SET_ECE)
		xt_opt_dec(b, " --ecn-tcp-ece", t->proto.tcp.ece);
	if (t->operation & IPT_ECN_OP_SET_CWR)
		xt_opt_dec(b, " --ecn-tcp-cwr", t->proto.tcp.cwr);
	if (t->operation & IPT_ECN_OP_SET_IP)
		xt_opt_dec(b, " --ecn-ip-ect", t->ip_ect);
	return true;
}

bool xt_t_checksum(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	UNUSED_ARGS;
	if (((const struct xt_CHECKSUM_info *)data)->operation & XT_CHECKSUM_OP_FILL)
		XT_WORDS(b, " --checksum-fill");
	return true;
}

bool xt_t_tcpmss(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_tcpmss_info *t = data;

	UNUSED_ARGS;
	if (t->mss == XT_TCPMSS_CLAMP_PMTU)
		XT_WORDS(b, " --clamp-mss-to-pmtu");
	else
		xt_opt_dec(b, " --set-mss", t->mss);
	return true;
}

bool xt_t_tcpoptstrip(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_tcpoptstrip_target_info *t = data;
	bool any = false;

	UNUSED_ARGS;
	for (unsigned i = 0; i < 256; i++) {
		if (!tcpoptstrip_test_bit(t->strip_bmap, i))
			continue;
		strbuf_adds(b, any ? "," : " --strip-options ");
		xt_dec(b, i);
		any = true;
	}
	return true;
}

bool xt_t_npt(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const union nf_inet_addr zero;
	const struct ip6t_npt_tginfo *t = data;

	UNUSED_ARGS;
	if (memcmp(&t->src_pfx, &zero, sizeof(zero)) != 0 || t->src_pfx_len) {
		XT_WORDS(b, " --src-pfx ");
		xt_addr(b, true, &t->src_pfx);
		strbuf_addf(b, "/%u", t->src_pfx_len);
	}
	if (memcmp(&t->dst_pfx, &zero, sizeof(zero)) != 0 || t->dst_pfx_len) {
		XT_WORDS(b, " --dst-pfx ");
		xt_addr(b, true, &t->dst_pfx);
		strbuf_addf(b, "/%u", t->dst_pfx_len);
	}
	return true;
}

/* ---- marks, classes, sets ---- */

bool xt_t_classify(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	uint32_t priority = ((const struct xt_classify_target_info *)data)->priority;

	UNUSED_ARGS;
	strbuf_addf(b, " --set-class %.4x:%.4x", priority >> 16, priority & 0xffff);
	return true;
}

bool xt_t_connsecmark(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const modes[] = { [CONNSECMARK_SAVE] = " --save", [CONNSECMARK_RESTORE] = " --restore" };

	UNUSED_ARGS;
	return choice(b, modes, ARRAY_LEN(modes), ((const struct xt_connsecmark_target_info *)data)->mode);
}

static bool secmark(struct strbuf *b, unsigned mode, const char *context, size_t max)
{
	XT_WORDS(b, " --selctx");
	xt_name(b, context, max);
	return mode == SECMARK_MODE_SEL;
}

bool xt_t_secmark0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_secmark_target_info *t = data;

	UNUSED_ARGS;
	return secmark(b, t->mode, t->secctx, sizeof(t->secctx));
}

bool xt_t_secmark1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_secmark_target_info_v1 *t = data;

	UNUSED_ARGS;
	return secmark(b, t->mode, t->secctx, sizeof(t->secctx));
}

/* Ports and SPI lie in network order, and are printed as they are set. */
static void hmark_words(struct strbuf *b, const struct xt_hmark_info *t)
{
	const struct {
		unsigned bit;
		const char *format;
		uint32_t v;
	} rows[] = {
		{ XT_HMARK_SPORT_MASK, " --hmark-sport-mask 0x%04x", ntohs(t->port_mask.b16.src) },
		{ XT_HMARK_DPORT_MASK, " --hmark-dport-mask 0x%04x", ntohs(t->port_mask.b16.dst) },
		{ XT_HMARK_SPI_MASK, " --hmark-spi-mask 0x%08x", ntohl(t->port_mask.b32) },
		{ XT_HMARK_SPORT, " --hmark-sport 0x%04x", ntohs(t->port_set.b16.src) },
		{ XT_HMARK_DPORT, " --hmark-dport 0x%04x", ntohs(t->port_set.b16.dst) },
		{ XT_HMARK_SPI, " --hmark-spi 0x%08x", ntohl(t->port_set.b32) },
		{ XT_HMARK_PROTO_MASK, " --hmark-proto-mask 0x%02x", t->proto_mask },
		{ XT_HMARK_RND, " --hmark-rnd 0x%08x", t->hashrnd },
		{ XT_HMARK_MODULUS, " --hmark-mod %u", t->hmodulus },
		{ XT_HMARK_OFFSET, " --hmark-offset %u", t->hoffset },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (t->flags & XT_HMARK_FLAG(rows[i].bit))
			strbuf_addf(b, rows[i].format, rows[i].v);
	if (t->flags & XT_HMARK_FLAG(XT_HMARK_CT))
		XT_WORDS(b, " --hmark-tuple ct");
}

bool xt_t_hmark(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_hmark_info *t = data;
	int src = xt_mask_length(c->ip6, &t->src_mask), dst = xt_mask_length(c->ip6, &t->dst_mask);

	(void)revision;
	if (src < 0 || dst < 0)
		return false;
	if (t->flags & XT_HMARK_FLAG(XT_HMARK_SADDR_MASK))
		xt_opt_dec(b, " --hmark-src-prefix", (unsigned)src);
	if (t->flags & XT_HMARK_FLAG(XT_HMARK_DADDR_MASK))
		xt_opt_dec(b, " --hmark-dst-prefix", (unsigned)dst);
	hmark_words(b, t);
	return true;
}

static bool one_set(struct strbuf *b, const struct xt_rule_context *c, const char *option, const struct xt_set_info *set)
{
	const char *name;

	if (set->index == IPSET_INVALID_ID)
		return true;
	name = xt_set_name(c->sets, set->index);
	if (!name || set->dim == 0 || set->dim > IPSET_DIM_MAX)
		return false;
	strbuf_adds(b, option);
	xt_name(b, name, IPSET_MAXNAMELEN);
	for (unsigned i = 1; i <= set->dim; i++) {
		strbuf_addc(b, i == 1 ? ' ' : ',');
		strbuf_add(b, set->flags & 1u << i ? "src" : "dst", 3);
	}
	return true;
}

static struct xt_set_info newer(const struct xt_set_info_v0 *old)
{
	struct xt_set_info set = { .index = old->index };

	for (unsigned i = 0; i < IPSET_DIM_MAX && old->u.flags[i]; i++) {
		set.dim++;
		if (old->u.flags[i] & IPSET_SRC)
			set.flags |= (uint8_t)(1u << set.dim);
	}
	return set;
}

bool xt_t_set0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_set_info_target_v0 *t = data;
	struct xt_set_info add = newer(&t->add_set), del = newer(&t->del_set);

	(void)revision;
	return one_set(b, c, " --add-set", &add) && one_set(b, c, " --del-set", &del);
}

bool xt_t_set1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_set_info_target_v1 *t = data;

	(void)revision;
	return one_set(b, c, " --add-set", &t->add_set) && one_set(b, c, " --del-set", &t->del_set);
}

static void set_options(struct strbuf *b, uint32_t flags, uint32_t timeout)
{
	if (flags & IPSET_FLAG_EXIST)
		XT_WORDS(b, " --exist");
	if (timeout != UINT32_MAX)
		xt_opt_dec(b, " --timeout", timeout);
}

bool xt_t_set2(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_set_info_target_v2 *t = data;

	(void)revision;
	if (!one_set(b, c, " --add-set", &t->add_set))
		return false;
	set_options(b, t->flags, t->timeout);
	return one_set(b, c, " --del-set", &t->del_set);
}

bool xt_t_set3(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_set_info_target_v3 *t = data;

	(void)revision;
	if (!one_set(b, c, " --add-set", &t->add_set))
		return false;
	set_options(b, t->flags, t->timeout);
	if (!one_set(b, c, " --del-set", &t->del_set) || !one_set(b, c, " --map-set", &t->map_set))
		return false;
	if (t->flags & IPSET_FLAG_MAP_SKBMARK)
		XT_WORDS(b, " --map-mark");
	if (t->flags & IPSET_FLAG_MAP_SKBPRIO)
		XT_WORDS(b, " --map-prio");
	if (t->flags & IPSET_FLAG_MAP_SKBQUEUE)
		XT_WORDS(b, " --map-queue");
	return true;
}

/* ---- connections ---- */

static void ct_events(struct strbuf *b, const char *option, uint32_t events, const char *const *names, size_t len)
{
	strbuf_adds(b, option);
	(void)xt_bits(b, events, names, len);
}

/* Revision 0 has no timeout, and begins as revision 1. */
static bool ct_words(struct strbuf *b, const struct xt_ct_target_info *t, const char *timeout, size_t max)
{
	static const char *const events[] = { [IPCT_NEW] = "new", [IPCT_RELATED] = "related", [IPCT_DESTROY] = "destroy", [IPCT_REPLY] = "reply",
					      [IPCT_ASSURED] = "assured", [IPCT_PROTOINFO] = "protoinfo", [IPCT_HELPER] = "helper",
					      [IPCT_MARK] = "mark", [IPCT_NATSEQADJ] = "natseqinfo", [IPCT_SECMARK] = "secmark" };
	static const char *const expected[] = { [IPEXP_NEW] = "new" };
	unsigned dirs = t->flags & (XT_CT_ZONE_DIR_ORIG | XT_CT_ZONE_DIR_REPL);

	if (t->flags & XT_CT_NOTRACK_ALIAS) {
		xt_take_back(b, strlen("CT"));
		XT_WORDS(b, "NOTRACK");
		return true;
	}
	if (t->flags & XT_CT_NOTRACK)
		XT_WORDS(b, " --notrack");
	if (t->helper[0]) {
		XT_WORDS(b, " --helper");
		xt_name(b, t->helper, sizeof(t->helper));
	}
	if (timeout && *timeout) {
		XT_WORDS(b, " --timeout");
		xt_name(b, timeout, max);
	}
	if (t->ct_events)
		ct_events(b, " --ctevents", t->ct_events, events, ARRAY_LEN(events));
	if (t->exp_events)
		ct_events(b, " --expevents", t->exp_events, expected, ARRAY_LEN(expected));
	if (t->flags & XT_CT_ZONE_MARK || t->zone) {
		strbuf_adds(b, dirs == XT_CT_ZONE_DIR_ORIG ? " --zone-orig " : dirs == XT_CT_ZONE_DIR_REPL ? " --zone-reply " : " --zone ");
		if (t->flags & XT_CT_ZONE_MARK)
			XT_WORDS(b, "mark");
		else
			xt_dec(b, t->zone);
	}
	return !(t->flags & ~XT_CT_MASK);
}

bool xt_t_ct0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	UNUSED_ARGS;
	return ct_words(b, data, NULL, 0);
}

bool xt_t_ct1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_ct_target_info_v1 *t = data;

	UNUSED_ARGS;
	return ct_words(b, data, t->timeout, sizeof(t->timeout));
}

bool xt_t_synproxy(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_synproxy_info *t = data;

	UNUSED_ARGS;
	if (t->options & XT_SYNPROXY_OPT_SACK_PERM)
		XT_WORDS(b, " --sack-perm");
	if (t->options & XT_SYNPROXY_OPT_TIMESTAMP)
		XT_WORDS(b, " --timestamp");
	if (t->options & XT_SYNPROXY_OPT_WSCALE)
		xt_opt_dec(b, " --wscale", t->wscale);
	if (t->options & XT_SYNPROXY_OPT_MSS)
		xt_opt_dec(b, " --mss", t->mss);
	if (t->options & XT_SYNPROXY_OPT_ECN)
		XT_WORDS(b, " --ecn");
	return true;
}

/* ---- to elsewhere ---- */

bool xt_t_nfqueue(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_NFQ_info *t0 = data;
	const struct xt_NFQ_info_v3 *t = data; /* each revision begins as the one before it */

	(void)c;
	if (revision == 0 || t->queues_total <= 1) {
		xt_opt_dec(b, " --queue-num", t0->queuenum);
	} else {
		xt_opt_dec(b, " --queue-balance", t->queuenum);
		strbuf_addc(b, ':');
		xt_dec(b, (unsigned)t->queuenum + t->queues_total - 1);
	}
	if (revision >= 2 && t->flags & NFQ_FLAG_BYPASS)
		XT_WORDS(b, " --queue-bypass");
	if (revision >= 3 && t->flags & NFQ_FLAG_CPU_FANOUT)
		XT_WORDS(b, " --queue-cpu-fanout");
	return true;
}

bool xt_t_tee(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_tee_tginfo *t = data;

	(void)revision;
	XT_WORDS(b, " --gateway ");
	xt_addr(b, c->ip6, &t->gw);
	if (t->oif[0]) {
		XT_WORDS(b, " --oif");
		xt_name(b, t->oif, sizeof(t->oif));
	}
	return true;
}

static bool tproxy(struct strbuf *b, bool ip6, uint16_t be_port, const void *addr, uint32_t mark, uint32_t mask)
{
	xt_opt_dec(b, " --on-port", ntohs(be_port));
	XT_WORDS(b, " --on-ip ");
	xt_addr(b, ip6, addr);
	strbuf_addf(b, " --tproxy-mark 0x%x/0x%x", mark, mask);
	return true;
}

bool xt_t_tproxy0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_tproxy_target_info *t = data;

	UNUSED_ARGS;
	return tproxy(b, false, t->lport, &t->laddr, t->mark_value, t->mark_mask);
}

bool xt_t_tproxy1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_tproxy_target_info_v1 *t = data;

	(void)revision;
	return tproxy(b, c->ip6, t->lport, &t->laddr, t->mark_value, t->mark_mask);
}

/* ---- who only watches ---- */

bool xt_t_audit(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const types[] = { " --type accept", " --type drop", " --type reject" };

	UNUSED_ARGS;
	return choice(b, types, ARRAY_LEN(types), ((const struct xt_audit_info *)data)->type);
}

static void idletimer(struct strbuf *b, uint32_t timeout, const char *label)
{
	xt_opt_dec(b, " --timeout", timeout);
	XT_WORDS(b, " --label");
	xt_name(b, label, MAX_IDLETIMER_LABEL_SIZE);
}

bool xt_t_idletimer0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct idletimer_tg_info *t = data;

	UNUSED_ARGS;
	idletimer(b, t->timeout, t->label);
	return true;
}

bool xt_t_idletimer1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct idletimer_tg_info_v1 *t = data;

	UNUSED_ARGS;
	idletimer(b, t->timeout, t->label);
	if (t->timer_type == XT_IDLETIMER_ALARM)
		XT_WORDS(b, " --alarm");
	if (t->send_nl_msg)
		XT_WORDS(b, " --send_nl_msg");
	return true;
}

bool xt_t_led(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char lead[] = "netfilter-";
	const struct xt_led_info *t = data;
	size_t len = strnlen(t->id, sizeof(t->id));

	UNUSED_ARGS;
	if (len < sizeof(lead) - 1 || memcmp(t->id, lead, sizeof(lead) - 1) != 0)
		return false;
	XT_WORDS(b, " --led-trigger-id \"");
	for (size_t i = sizeof(lead) - 1; i < len; i++) {
		if (t->id[i] == '"' || t->id[i] == '\\')
			strbuf_addc(b, '\\');
		strbuf_addc(b, t->id[i] == '\n' ? ' ' : t->id[i]);
	}
	strbuf_addc(b, '"');
	if (t->delay == UINT32_MAX)
		XT_WORDS(b, " --led-delay inf");
	else if (t->delay)
		xt_opt_dec(b, " --led-delay", t->delay);
	if (t->always_blink)
		XT_WORDS(b, " --led-always-blink");
	return true;
}

static void duration(struct strbuf *b, uint32_t us)
{
	if (us >= 1000000)
		strbuf_addf(b, " %.1fs", us / 1e6);
	else if (us >= 1000)
		strbuf_addf(b, " %.1fms", us / 1e3);
	else
		strbuf_addf(b, " %uus", us);
}

/* An interval is a power of two of a quarter of a second, net/core/gen_estimator.c. */
bool xt_t_rateest(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_rateest_target_info *t = data;
	uint32_t interval;

	UNUSED_ARGS;
	if (t->interval < -2 || t->interval > 3 || t->ewma_log > 8)
		return false;
	interval = (1000000u << (t->interval + 2)) / 4;
	XT_WORDS(b, " --rateest-name");
	xt_name(b, t->name, sizeof(t->name));
	XT_WORDS(b, " --rateest-interval");
	duration(b, interval);
	XT_WORDS(b, " --rateest-ewmalog");
	duration(b, interval << t->ewma_log);
	return true;
}

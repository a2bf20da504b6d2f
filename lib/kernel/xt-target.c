/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoders of the targets that are met everywhere: translation, marks, refusals, logs. The structs are the kernel's
 * (include/uapi/linux/netfilter), the words those of extensions/libxt_*.c of iptables 1.8.9.
 */
#include "xt-private.h"

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

#define UNUSED_ARGS ((void)c, (void)revision)

bool xt_t_nothing(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	(void)b;
	(void)data;
	UNUSED_ARGS;
	return true;
}

/* ---- translation ---- */

/* What all revisions of all translations can say; each is made one of these. */
struct nat {
	bool ip6;
	uint32_t flags;
	const void *min, *max;
	uint16_t port_min, port_max, port_base;
};

static void nat_addrs(struct strbuf *b, const struct nat *n)
{
	bool brackets = n->ip6 && n->flags & NF_NAT_RANGE_PROTO_SPECIFIED;

	if (brackets)
		strbuf_addc(b, '[');
	xt_addr(b, n->ip6, n->min);
	if (memcmp(n->min, n->max, n->ip6 ? 16 : 4) != 0) {
		strbuf_addc(b, '-');
		xt_addr(b, n->ip6, n->max);
	}
	if (brackets)
		strbuf_addc(b, ']');
}

static void nat_ports(struct strbuf *b, const struct nat *n)
{
	xt_dec(b, n->port_min);
	if (n->port_max != n->port_min) {
		strbuf_addc(b, '-');
		xt_dec(b, n->port_max);
	}
	if (n->flags & NF_NAT_RANGE_PROTO_OFFSET) {
		strbuf_addc(b, '/');
		xt_dec(b, n->port_base);
	}
}

/* @option "" : a masquerade or redirect has no address, and its ports no colon. */
static bool nat_words(struct strbuf *b, const struct nat *n, const char *option, bool ports_only)
{
	bool addrs = n->flags & NF_NAT_RANGE_MAP_IPS, ports = n->flags & NF_NAT_RANGE_PROTO_SPECIFIED;

	if (n->flags & ~(uint32_t)NF_NAT_RANGE_MASK || (ports_only && addrs))
		return false;
	if (addrs || ports)
		strbuf_adds(b, option);
	if (addrs)
		nat_addrs(b, n);
	if (ports && !ports_only)
		strbuf_addc(b, ':');
	if (ports)
		nat_ports(b, n);
	if (n->flags & NF_NAT_RANGE_PROTO_RANDOM)
		XT_WORDS(b, " --random");
	if (n->flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY)
		XT_WORDS(b, " --random-fully");
	if (n->flags & NF_NAT_RANGE_PERSISTENT)
		XT_WORDS(b, " --persistent");
	return true;
}

static bool nat_old(struct nat *n, const struct nf_nat_ipv4_multi_range_compat *r)
{
	*n = (struct nat){ .flags = r->range[0].flags, .min = &r->range[0].min_ip, .max = &r->range[0].max_ip,
			   .port_min = ntohs(r->range[0].min.all), .port_max = ntohs(r->range[0].max.all) };
	return r->rangesize == 1;
}

static void nat_range(struct nat *n, bool ip6, const struct nf_nat_range *r)
{
	*n = (struct nat){ .ip6 = ip6, .flags = r->flags, .min = &r->min_addr, .max = &r->max_addr,
			   .port_min = ntohs(r->min_proto.all), .port_max = ntohs(r->max_proto.all) };
}

/* nf_nat_range2 begins as nf_nat_range. */
static void nat_range2(struct nat *n, bool ip6, const struct nf_nat_range2 *r)
{
	*n = (struct nat){ .ip6 = ip6, .flags = r->flags, .min = &r->min_addr, .max = &r->max_addr, .port_min = ntohs(r->min_proto.all),
			   .port_max = ntohs(r->max_proto.all), .port_base = ntohs(r->base_proto.all) };
}

static bool nat4(struct strbuf *b, const void *data, const char *option, bool ports_only)
{
	struct nat n;

	return nat_old(&n, data) && nat_words(b, &n, option, ports_only);
}

static bool nat6(struct strbuf *b, bool ip6, const void *data, const char *option, bool ports_only)
{
	struct nat n;

	nat_range(&n, ip6, data);
	return nat_words(b, &n, option, ports_only);
}

bool xt_t_dnat0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	UNUSED_ARGS;
	return nat4(b, data, " --to-destination ", false);
}

bool xt_t_dnat1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	(void)revision;
	return nat6(b, c->ip6, data, " --to-destination ", false);
}

bool xt_t_dnat2(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	struct nat n;

	(void)revision;
	nat_range2(&n, c->ip6, data);
	return nat_words(b, &n, " --to-destination ", false);
}

bool xt_t_snat0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	UNUSED_ARGS;
	return nat4(b, data, " --to-source ", false);
}

bool xt_t_snat1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	(void)revision;
	return nat6(b, c->ip6, data, " --to-source ", false);
}

bool xt_t_snat2(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	struct nat n;

	(void)revision;
	nat_range2(&n, c->ip6, data);
	return nat_words(b, &n, " --to-source ", false);
}

bool xt_t_masquerade4(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	UNUSED_ARGS;
	return nat4(b, data, " --to-ports ", true);
}

bool xt_t_masquerade6(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	UNUSED_ARGS;
	return nat6(b, true, data, " --to-ports ", true);
}

/* NETMAP maps the prefix in which both ends agree. */
static bool netmap(struct strbuf *b, bool ip6, const uint8_t *min, const uint8_t *max, uint32_t flags)
{
	uint8_t mask[16] = { 0 };

	if (!(flags & NF_NAT_RANGE_MAP_IPS))
		return false;
	for (size_t i = 0; i < (ip6 ? 16u : 4u); i++)
		mask[i] = (uint8_t) ~(min[i] ^ max[i]);
	XT_WORDS(b, " --to ");
	xt_addr(b, ip6, min);
	xt_mask(b, ip6, mask, true);
	return true;
}

bool xt_t_netmap4(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct nf_nat_ipv4_multi_range_compat *t = data;

	UNUSED_ARGS;
	return t->rangesize == 1 &&
	       netmap(b, false, (const uint8_t *)&t->range[0].min_ip, (const uint8_t *)&t->range[0].max_ip, t->range[0].flags);
}

bool xt_t_netmap6(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct nf_nat_range *t = data;

	UNUSED_ARGS;
	return netmap(b, true, (const uint8_t *)&t->min_addr, (const uint8_t *)&t->max_addr, t->flags);
}

/* ---- marks ---- */

bool xt_t_mark(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_mark_tginfo2 *t = data;

	UNUSED_ARGS;
	XT_WORDS(b, " --set-xmark ");
	xt_hex(b, t->mark);
	strbuf_addc(b, '/');
	xt_hex(b, t->mask);
	return true;
}

static bool connmark_words(struct strbuf *b, unsigned mode, uint32_t mark, uint32_t ctmask, uint32_t nfmask)
{
	if (mode == XT_CONNMARK_SET) {
		strbuf_addf(b, " --set-xmark 0x%x/0x%x", mark, ctmask);
		return true;
	}
	if (mode != XT_CONNMARK_SAVE && mode != XT_CONNMARK_RESTORE)
		return false;
	strbuf_addf(b, " --%s-mark --nfmask 0x%x --ctmask 0x%x", mode == XT_CONNMARK_SAVE ? "save" : "restore", nfmask, ctmask);
	return true;
}

bool xt_t_connmark1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_connmark_tginfo1 *t = data;

	UNUSED_ARGS;
	return connmark_words(b, t->mode, t->ctmark, t->ctmask, t->nfmask);
}

bool xt_t_connmark2(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_connmark_tginfo2 *t = data;

	UNUSED_ARGS;
	if (!connmark_words(b, t->mode, t->ctmark, t->ctmask, t->nfmask))
		return false;
	if (t->shift_bits)
		xt_opt_dec(b, t->shift_dir == D_SHIFT_LEFT ? " --left-shift-mark" : " --right-shift-mark", t->shift_bits);
	return t->shift_dir <= D_SHIFT_RIGHT;
}

/* ---- refusal, logs ---- */

static bool reject_words(struct strbuf *b, const char *const *names, size_t len, unsigned with)
{
	if (with >= len || !names[with])
		return false;
	XT_WORDS(b, " --reject-with ");
	strbuf_adds(b, names[with]);
	return true;
}

bool xt_t_reject4(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const names[] = {
		[IPT_ICMP_NET_UNREACHABLE] = "icmp-net-unreachable", [IPT_ICMP_HOST_UNREACHABLE] = "icmp-host-unreachable",
		[IPT_ICMP_PROT_UNREACHABLE] = "icmp-proto-unreachable", [IPT_ICMP_PORT_UNREACHABLE] = "icmp-port-unreachable",
		[IPT_ICMP_NET_PROHIBITED] = "icmp-net-prohibited", [IPT_ICMP_HOST_PROHIBITED] = "icmp-host-prohibited",
		[IPT_TCP_RESET] = "tcp-reset", [IPT_ICMP_ADMIN_PROHIBITED] = "icmp-admin-prohibited",
	};

	UNUSED_ARGS;
	return reject_words(b, names, ARRAY_LEN(names), ((const struct ipt_reject_info *)data)->with);
}

bool xt_t_reject6(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const names[] = {
		[IP6T_ICMP6_NO_ROUTE] = "icmp6-no-route", [IP6T_ICMP6_ADM_PROHIBITED] = "icmp6-adm-prohibited",
		[IP6T_ICMP6_ADDR_UNREACH] = "icmp6-addr-unreachable", [IP6T_ICMP6_PORT_UNREACH] = "icmp6-port-unreachable",
		[IP6T_TCP_RESET] = "tcp-reset", [IP6T_ICMP6_POLICY_FAIL] = "icmp6-policy-fail",
		[IP6T_ICMP6_REJECT_ROUTE] = "icmp6-reject-route",
	};

	UNUSED_ARGS;
	return reject_words(b, names, ARRAY_LEN(names), ((const struct ip6t_reject_info *)data)->with);
}

bool xt_t_log(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const options[] = { " --log-tcp-sequence", " --log-tcp-options", " --log-ip-options", " --log-uid", NULL,
					       " --log-macdecode" };
	const struct xt_log_info *t = data;

	UNUSED_ARGS;
	if (t->prefix[0]) {
		XT_WORDS(b, " --log-prefix");
		xt_string(b, t->prefix, sizeof(t->prefix));
	}
	if (t->level != 4)
		xt_opt_dec(b, " --log-level", t->level);
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (t->logflags & 1u << i && options[i])
			strbuf_adds(b, options[i]);
	return true;
}

bool xt_t_nflog(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_nflog_info *t = data;

	UNUSED_ARGS;
	if (t->prefix[0]) {
		XT_WORDS(b, " --nflog-prefix");
		xt_string(b, t->prefix, sizeof(t->prefix));
	}
	if (t->group)
		xt_opt_dec(b, " --nflog-group", t->group);
	if (t->flags & XT_NFLOG_F_COPY_LEN)
		xt_opt_dec(b, " --nflog-size", t->len);
	else if (t->len)
		xt_opt_dec(b, " --nflog-range", t->len);
	if (t->threshold != XT_NFLOG_DEFAULT_THRESHOLD)
		xt_opt_dec(b, " --nflog-threshold", t->threshold);
	return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What connection tracking says of a packet: its state, the status and the tuples of its connection. */
#include "nat-private.h"

/* The state alone, as nftables has it: what was translated is in its status. */
#define PURE_STATES ((uint32_t)(CTSTATE_INVALID | CTSTATE_NEW | CTSTATE_ESTABLISHED | CTSTATE_RELATED | CTSTATE_UNTRACKED))

/* nf_conntrack's state as the chain sees it: before priority -200 there is none, which reads as INVALID. */
uint32_t nat_ct_state(const struct state *st)
{
	const struct state *connection = nat_connection(st);

	if (st->notrack)
		return CTSTATE_UNTRACKED;
	if (!nat_has_connection(st))
		return CTSTATE_INVALID;
	return (st->request ? CTSTATE_ESTABLISHED : CTSTATE_NEW) | (connection->dnat ? CTSTATE_DNAT : 0) |
	       (connection->snat ? CTSTATE_SNAT : 0);
}

uint32_t nat_ct_status(const struct state *st)
{
	const struct state *c = nat_connection(st);

	return (c->dnat ? CTSTATUS_DNAT : 0u) | (c->snat ? CTSTATUS_SNAT : 0u) |
	       (st->request ? CTSTATUS_SEEN_REPLY | CTSTATUS_CONFIRMED : 0u);
}

/* The type that the answer has: nf_conntrack_proto_icmp.c, nf_conntrack_proto_icmpv6.c */
static uint8_t icmp_answer(const struct state *st)
{
	if (st->proto == IPPROTO_ICMPV6)
		return st->icmp_type == 128 ? 129 : st->icmp_type == 129 ? 128 : st->icmp_type;
	return st->icmp_type == 8 ? 0 : st->icmp_type == 0 ? 8 : st->icmp_type;
}

/* union nf_conntrack_man_proto: towards the source an ICMP tuple has its id, towards the destination type and code. */
bool nat_ct_port(const struct state *p, enum rs_field f, uint32_t *ret)
{
	const struct state *st = nat_connection(p);
	bool icmp = st->proto == IPPROTO_ICMP || st->proto == IPPROTO_ICMPV6;

	switch (f) {
	case FIELD_CT_ORIG_SPORT:
		*ret = st->orig_sport;
		return !icmp;
	case FIELD_CT_ORIG_DPORT:
		*ret = icmp ? (uint32_t)st->icmp_type << 8 | st->icmp_code : st->orig_dport;
		return true;
	case FIELD_CT_REPL_SPORT: /* the reply comes from where the packet goes */
		*ret = st->dport;
		return !icmp;
	default:
		*ret = icmp ? (uint32_t)icmp_answer(st) << 8 | st->icmp_code : st->sport;
		return icmp || !st->snat;
	}
}

enum match_kind nat_match_conntrack(const struct state *p, const struct rs_cond *c, const struct rs_rule *r)
{
	const struct state *st = nat_connection(p);
	uint32_t port;

	if (c->field == FIELD_CT_STATE)
		return nat_yes_no(cond_match_u32(c, nat_ct_state(p) & (nat_is_native(r) ? PURE_STATES : UINT32_MAX)));
	/* nft_ct_get_eval(): without a connection the rule ends, whatever it asks for. */
	if (nat_is_native(r) && !nat_has_connection(p))
		return MATCH_NO;
	/* Without a connection a match of xt_conntrack looks at the state only: net/netfilter/xt_conntrack.c, "if (ct == NULL)"; connmark is not met. */
	if (!nat_has_connection(p))
		return nat_yes_no(c->flags & RS_WITH_STATE);
	switch ((enum rs_field)c->field) {
	case FIELD_CT_STATUS:
		return nat_yes_no(cond_match_u32(c, nat_ct_status(p)));
	case FIELD_CT_DIR:
		return nat_yes_no(cond_match_u32(c, p->request != NULL));
	case FIELD_CT_MARK:
		return nat_yes_no(cond_match_u32(c, p->ctmark));
	case FIELD_CT_PROTO:
		return nat_yes_no(cond_match_u32(c, st->proto));
	case FIELD_CT_ORIG_SADDR:
		return nat_yes_no(cond_match_addr(c, &st->orig_src));
	case FIELD_CT_ORIG_DADDR:
		return nat_yes_no(cond_match_addr(c, &st->orig_dst));
	case FIELD_CT_ORIG_SPORT:
	case FIELD_CT_ORIG_DPORT:
	case FIELD_CT_REPL_SPORT:
	case FIELD_CT_REPL_DPORT:
		return nat_ct_port(p, (enum rs_field)c->field, &port) ? nat_yes_no(cond_match_u32(c, port)) : MATCH_UNKNOWN;
	case FIELD_CT_REPL_SADDR: /* the reply comes from where the packet goes */
		return nat_yes_no(cond_match_addr(c, &st->dst));
	case FIELD_CT_REPL_DADDR:
		return st->src_known ? nat_yes_no(cond_match_addr(c, &st->src)) : MATCH_UNKNOWN;
	default:
		return MATCH_UNKNOWN;
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conditions: what a rule asks, and what the answer is for the first packet of a connection. Three values; what a
 * packet does not fix is unknown, what the past would have to tell has its value for a first packet (walk.c splits).
 */
#include <errno.h>

#include "nat-private.h"

#define TCP_SYN 0x02
#define TCP_ACK 0x10
#define CHANCE_ONE 2147483648.0 /* xt_statistic compares 31 bits: net/netfilter/xt_statistic.c */

static enum match_kind yes_no(bool v)
{
	return v ? MATCH_YES : MATCH_NO;
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP || proto == IPPROTO_DCCP ||
	       proto == IPPROTO_UDPLITE;
}

/* A port question of a protocol without ports does not match, negated or not. */
static enum match_kind match_port(const struct state *st, const struct rs_cond *c)
{
	if (!has_ports(st->proto))
		return MATCH_NO;
	if (c->field == FIELD_SPORT)
		return yes_no(cond_match_u32(c, st->sport));
	if (c->field == FIELD_DPORT)
		return yes_no(cond_match_u32(c, st->dport));
	if (c->negate)
		return yes_no(cond_match_u32(c, st->sport) && cond_match_u32(c, st->dport));
	return yes_no(cond_match_u32(c, st->sport) || cond_match_u32(c, st->dport));
}

static enum match_kind match_icmp(const struct state *st, const struct rs_cond *c)
{
	if (st->proto != IPPROTO_ICMP && st->proto != IPPROTO_ICMPV6)
		return MATCH_NO;
	return yes_no(cond_match_u32(c, (uint32_t)st->icmp_type << 8 | st->icmp_code));
}

static enum match_kind match_name(const struct rs_cond *c, const char *name)
{
	if (name)
		return yes_no(cond_match_ifname(c, name));
	/* "+" alone is any interface, known or not. */
	if (c->op == OP_IFNAME && (c->flags & RS_WILDCARD) && c->u.ifname[0] == '\0')
		return yes_no(!c->negate);
	return MATCH_UNKNOWN;
}

static enum match_kind match_interface(const struct state *st, const struct rs_cond *c)
{
	bool in_hook = st->hook == HOOK_PREROUTING || st->hook == HOOK_INPUT || st->hook == HOOK_FORWARD;

	/* A forwarded packet keeps its input device in POSTROUTING: ip_output() since Linux 5.7. */
	if (c->field == FIELD_IIF)
		return in_hook || (st->hook == HOOK_POSTROUTING && !st->from_node) ? match_name(c, st->iif) : match_name(c, "");
	if (st->hook == HOOK_PREROUTING || st->hook == HOOK_INPUT)
		return match_name(c, "");
	return match_name(c, st->oif);
}

/* No bridge port is concerned when the packet is the node's own or came by an interface that is not a bridge. */
static enum match_kind match_bridge_port(const struct walk *w, const struct state *st, const struct rs_cond *c)
{
	const struct node_facts *f = w->node->facts;
	const struct node_link *l;

	if (st->from_node)
		return yes_no(c->negate);
	if (!f->links_known || !st->iif)
		return MATCH_UNKNOWN;
	l = node_link_by_name(f, st->iif);
	if (!l || (l->kind && strcmp(l->kind, "bridge") == 0))
		return MATCH_UNKNOWN;
	return c->field == FIELD_PHYSOUT || c->field == FIELD_PHYS_IS_OUT || c->field == FIELD_PHYS_BRIDGED ?
		MATCH_UNKNOWN : yes_no(c->negate);
}

/* nf_conntrack's state as the chain sees it: before priority -200 there is none, which reads as INVALID. */
static uint32_t ct_state(const struct state *st)
{
	const struct state *connection = nat_connection(st);

	if (st->notrack)
		return CTSTATE_UNTRACKED;
	if (!nat_has_connection(st))
		return CTSTATE_INVALID;
	return (st->request ? CTSTATE_ESTABLISHED : CTSTATE_NEW) | (connection->dnat ? CTSTATE_DNAT : 0) |
	       (connection->snat ? CTSTATE_SNAT : 0);
}

static bool rule_asks_state(const struct rs_rule *r)
{
	for (unsigned i = 0; i < r->nconds; i++)
		if (r->conds[i].field == FIELD_CT_STATE)
			return true;
	return false;
}

static enum match_kind match_conntrack(const struct state *p, const struct rs_cond *c, const struct rs_rule *r)
{
	const struct state *st = nat_connection(p);

	if (c->field == FIELD_CT_STATE)
		return yes_no(cond_match_u32(c, ct_state(p)));
	/* Without a connection xt_conntrack looks at the state only: net/netfilter/xt_conntrack.c, "if (ct == NULL)". */
	if (!nat_has_connection(p))
		return yes_no(c->field != FIELD_CT_MARK && rule_asks_state(r)); /* connmark: "if (ct == NULL) return false" */
	switch (c->field) {
	case FIELD_CT_STATUS:
		return yes_no(cond_match_u32(c, (st->dnat ? CTSTATUS_DNAT : 0u) | (st->snat ? CTSTATUS_SNAT : 0u) |
						(p->request ? CTSTATUS_SEEN_REPLY | CTSTATUS_CONFIRMED : 0u)));
	case FIELD_CT_DIR:
		return yes_no(cond_match_u32(c, p->request != NULL));
	case FIELD_CT_MARK:
		return yes_no(cond_match_u32(c, p->ctmark));
	case FIELD_CT_PROTO:
		return yes_no(cond_match_u32(c, st->proto));
	case FIELD_CT_ORIG_SADDR:
		return yes_no(cond_match_addr(c, &st->orig_src));
	case FIELD_CT_ORIG_DADDR:
		return yes_no(cond_match_addr(c, &st->orig_dst));
	case FIELD_CT_ORIG_SPORT:
		return yes_no(cond_match_u32(c, st->orig_sport));
	case FIELD_CT_ORIG_DPORT:
		return yes_no(cond_match_u32(c, st->orig_dport));
	case FIELD_CT_REPL_SADDR: /* the reply comes from where the packet goes */
		return yes_no(cond_match_addr(c, &st->dst));
	case FIELD_CT_REPL_SPORT:
		return yes_no(cond_match_u32(c, st->dport));
	case FIELD_CT_REPL_DADDR:
		return st->src_known ? yes_no(cond_match_addr(c, &st->src)) : MATCH_UNKNOWN;
	case FIELD_CT_REPL_DPORT:
		return st->snat ? MATCH_UNKNOWN : yes_no(cond_match_u32(c, st->sport));
	default:
		return MATCH_UNKNOWN;
	}
}

/* ipv6_addr_type() & IPV6_ADDR_UNICAST: net/ipv6/addrconf_core.c */
static bool is_unicast6(const struct ip_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return !ip_addr_is_multicast(a) && !ip_addr_is_zero(a) && memcmp(a->b, mapped, sizeof(mapped)) != 0;
}

/*
 * match_type6() of net/netfilter/xt_addrtype.c: MULTICAST, UNICAST and UNSPEC are properties of the address which must
 * all hold; of LOCAL, ANYCAST and UNREACHABLE, which ask the routes, one is enough. A local address is UNICAST too.
 */
static enum match_kind match_addr_type6(const struct rs_cond *c, const struct ip_addr *a, int type)
{
	uint32_t mask = c->u.bits.value, routes = mask & (ADDRTYPE_LOCAL | ADDRTYPE_ANYCAST | ADDRTYPE_UNREACHABLE);

	if ((mask & ADDRTYPE_MULTICAST && !ip_addr_is_multicast(a)) || (mask & ADDRTYPE_UNICAST && !is_unicast6(a)) ||
	    (mask & ADDRTYPE_UNSPEC && !ip_addr_is_zero(a)))
		return yes_no(c->negate);
	if (!routes)
		return yes_no(!c->negate);
	return type < 0 ? MATCH_UNKNOWN : yes_no(((routes >> type) & 1) != c->negate);
}

static enum match_kind match_addr_type(const struct walk *w, const struct state *st, const struct rs_cond *c)
{
	const struct ip_addr *a = c->field == FIELD_SADDR_TYPE ? &st->src : &st->dst;
	const char *dev = c->flags & RS_LIMIT_IIF ? st->iif : c->flags & RS_LIMIT_OIF ? st->oif : NULL;
	int type;

	if ((c->flags & (RS_LIMIT_IIF | RS_LIMIT_OIF)) && !dev)
		return MATCH_UNKNOWN;
	if (c->field == FIELD_SADDR_TYPE ? !st->src_known : st->dst_hidden)
		return MATCH_UNKNOWN;
	type = node_addr_type(w->node->facts, a, dev);
	/* Not known, but what the node sends has an address of its own, and what comes from the wire has not (or is a martian). */
	if (type < 0 && c->field == FIELD_SADDR_TYPE && !dev && !st->snat)
		type = st->from_node ? 2 : 1; /* RTN_LOCAL, RTN_UNICAST */
	if (a->family == AF_INET6)
		return match_addr_type6(c, a, type);
	return type < 0 ? MATCH_UNKNOWN : yes_no(cond_match_u32(c, 1u << type));
}

/* xt_rpfilter: is the way back to the source the interface it came by? Strict form; lo and the node itself pass. */
static enum match_kind match_rpfilter(const struct walk *w, const struct state *st, const struct rs_cond *c)
{
	const char *text = c->op == OP_TEXT && c->u.text ? c->u.text : "";
	struct node_route_query q = { .src = st->dst, .dst = st->src, .mark = 0 };
	struct node_route_result back;

	if (st->from_node || st->round)
		return yes_no(!c->negate);
	if (!w->node->facts->routes_known || !st->iif || strstr(text, "--loose") || strstr(text, "--accept-local"))
		return MATCH_UNKNOWN;
	if (strstr(text, "--validmark"))
		q.mark = st->mark;
	node_route_lookup(w->node->facts, &q, &back);
	if (back.kind == NR_UNKNOWN || (back.kind == NR_UNICAST && !back.dev))
		return MATCH_UNKNOWN;
	return yes_no((back.kind == NR_UNICAST && strcmp(back.dev, st->iif) == 0) != c->negate);
}

/* Conditions that ask for the client, in a form that classes of sources can be made of. A reply goes to the client. */
static bool asks_client(const struct state *st, const struct rs_cond *c)
{
	return c->field == FIELD_CT_ORIG_SADDR || c->field == (st->is_reply ? FIELD_DADDR : FIELD_SADDR);
}

/* Is that the client's own address, and not what it was rewritten to? */
static bool client_shows(const struct state *st, const struct rs_cond *c)
{
	if (c->field == FIELD_CT_ORIG_SADDR)
		return true;
	if (!st->is_reply)
		return !st->snat && st->src_known;
	return !st->dst_hidden && (!st->request || ip_addr_equal(&st->dst, &st->request->orig_src));
}

static enum match_kind match_cond(const struct walk *w, const struct state *st, const struct rs_cond *c,
				  const struct rs_rule *r)
{
	if (c->op == OP_TEXT && c->field != FIELD_RPFILTER && c->field != FIELD_OWNER && c->field != FIELD_IPVS &&
	    c->field != FIELD_FALSE && c->field != FIELD_FRAGMENT)
		return MATCH_UNKNOWN;
	switch ((enum rs_field)c->field) {
	case FIELD_FALSE:
		return MATCH_NO;
	case FIELD_SADDR:
		return st->src_known ? yes_no(cond_match_addr(c, &st->src)) : MATCH_UNKNOWN;
	case FIELD_DADDR:
		return st->dst_hidden ? MATCH_UNKNOWN : yes_no(cond_match_addr(c, &st->dst));
	case FIELD_PROTO:
		return yes_no(cond_match_u32(c, st->proto));
	case FIELD_SPORT:
	case FIELD_DPORT:
	case FIELD_PORT:
		return match_port(st, c);
	case FIELD_ICMP:
		return match_icmp(st, c);
	case FIELD_TCP_FLAGS:
		return st->proto == IPPROTO_TCP ? yes_no(cond_match_u32(c, st->is_reply ? TCP_SYN | TCP_ACK : TCP_SYN)) : MATCH_NO;
	case FIELD_FRAGMENT:
		return yes_no(c->negate);
	case FIELD_IIF:
	case FIELD_OIF:
		return match_interface(st, c);
	case FIELD_PHYSIN:
	case FIELD_PHYSOUT:
	case FIELD_PHYS_BRIDGED:
	case FIELD_PHYS_IS_IN:
	case FIELD_PHYS_IS_OUT:
		return match_bridge_port(w, st, c);
	case FIELD_MARK:
		return yes_no(cond_match_u32(c, st->mark));
	case FIELD_CT_STATE:
	case FIELD_CT_STATUS:
	case FIELD_CT_DIR:
	case FIELD_CT_MARK:
	case FIELD_CT_PROTO:
	case FIELD_CT_ORIG_SADDR:
	case FIELD_CT_ORIG_DADDR:
	case FIELD_CT_ORIG_SPORT:
	case FIELD_CT_ORIG_DPORT:
	case FIELD_CT_REPL_SADDR:
	case FIELD_CT_REPL_DADDR:
	case FIELD_CT_REPL_SPORT:
	case FIELD_CT_REPL_DPORT:
		return match_conntrack(st, c, r);
	case FIELD_SADDR_TYPE:
	case FIELD_DADDR_TYPE:
		return match_addr_type(w, st, c);
	case FIELD_RPFILTER:
		return match_rpfilter(w, st, c);
	case FIELD_OWNER: /* a packet without a socket of this node: net/netfilter/xt_owner.c */
		return st->from_node && !st->round ? MATCH_UNKNOWN : yes_no(c->negate);
	case FIELD_IPVS: /* true only for what IPVS has handled */
		return w->node->rules->servers.len ? MATCH_UNKNOWN : yes_no(c->negate);
	case FIELD_RECENT_SET:
		return yes_no(!c->negate);
	default:
		return MATCH_UNKNOWN;
	}
}

/* A rule before this one, in the same walk, put the packet's address on that list. */
static bool is_remembered(const struct state *st, const struct rs_recent *r)
{
	for (const struct remembered *m = st->remembered; m && r; m = m->next)
		if (m->list->by_dest == r->by_dest && strcmp(m->list->name, r->name) == 0)
			return true;
	return false;
}

/* Conditions on the past, and chance: true when @c is one; their part goes into @m. */
static bool match_special(const struct state *st, const struct rs_cond *c, struct match *m)
{
	bool v = !c->negate;

	switch ((enum rs_field)c->field) {
	case FIELD_RANDOM:
		m->chance *= c->negate ? 1 - c->u.range.lo / CHANCE_ONE : c->u.range.lo / CHANCE_ONE;
		return true;
	case FIELD_NTH:
		if (c->u.range.lo > 0)
			m->chance *= c->negate ? 1 - 1.0 / c->u.range.lo : 1.0 / c->u.range.lo;
		return true;
	case FIELD_RECENT: /* nothing is remembered of a first packet, but what this walk has remembered itself */
		if (is_remembered(st, c->u.recent)) {
			if (c->u.recent->text && strstr(c->u.recent->text, "--hitcount"))
				m->kind = MATCH_UNKNOWN;
			else if (c->negate)
				m->never = true;
			return true;
		}
		v = c->negate;
		m->asked_recent = true;
		break;
	case FIELD_LIMIT:
	case FIELD_HASHLIMIT:
	case FIELD_CONNLIMIT:
	case FIELD_QUOTA:
	case FIELD_NFACCT_QUOTA:
	case FIELD_CT_COUNT: /* below every limit; the readers say "above" by negation */
		break;
	default:
		return false;
	}
	m->state_default = m->has_state ? m->state_default && v : v;
	m->has_state = true;
	return true;
}

void nat_match_rule(struct walk *w, const struct state *st, const struct rs_rule *r, struct match *ret)
{
	struct match m = { .kind = MATCH_YES, .chance = 1 };
	bool source_asked = false;

	for (unsigned i = 0; i < r->nconds; i++) {
		const struct rs_cond *c = &r->conds[i];
		enum match_kind k;

		if (asks_client(st, c)) {
			source_asked = true;
			continue;
		}
		if (match_special(st, c, &m)) {
			if (m.never) {
				ret->kind = MATCH_NO;
				return;
			}
			continue;
		}
		k = match_cond(w, st, c, r);
		if (k == MATCH_NO) {
			ret->kind = MATCH_NO;
			return;
		}
		if (k == MATCH_UNKNOWN)
			m.kind = MATCH_UNKNOWN;
	}
	/* Sources last: only a rule that would match otherwise asks for them. */
	for (unsigned i = 0; source_asked && i < r->nconds; i++) {
		const struct rs_cond *c = &r->conds[i];
		enum match_kind k;

		if (!asks_client(st, c))
			continue;
		if (w->asked_source && client_shows(st, c))
			w->asked_source(w->arg, c, r);
		k = match_cond(w, st, c, r);
		if (k == MATCH_NO)
			m.kind = MATCH_NO;
		else if (k == MATCH_UNKNOWN && m.kind == MATCH_YES)
			m.kind = MATCH_UNKNOWN;
	}
	w->out->asked_recent = w->out->asked_recent || m.asked_recent;
	*ret = m;
}

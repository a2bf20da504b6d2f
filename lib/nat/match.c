/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conditions: what a rule asks, and what the answer is for the first packet of a connection. Three values; what a
 * packet does not fix is unknown, what the past would have to tell has its value for a first packet (walk.c splits).
 */
#include <errno.h>

#include "nat-private.h"

#define TCP_SYN 0x02
#define TCP_ECE 0x40
#define TCP_CWR 0x80
#define TCP_ACK 0x10
#define CHANCE_ONE 2147483648.0 /* xt_statistic compares 31 bits: net/netfilter/xt_statistic.c */

/* A port question of a protocol without ports does not match, negated or not. nftables looks at the bytes that are there. */
static enum match_kind match_port(const struct state *st, const struct rs_cond *c, const struct rs_rule *r)
{
	if (!proto_has_ports(st->proto))
		return nat_is_native(r) ? MATCH_UNKNOWN : MATCH_NO;
	if (c->field == FIELD_SPORT)
		return nat_yes_no(cond_match_u32(c, st->sport));
	if (c->field == FIELD_DPORT)
		return nat_yes_no(cond_match_u32(c, st->dport));
	if (c->negate)
		return nat_yes_no(cond_match_u32(c, st->sport) && cond_match_u32(c, st->dport));
	return nat_yes_no(cond_match_u32(c, st->sport) || cond_match_u32(c, st->dport));
}

static enum match_kind match_icmp(const struct state *st, const struct rs_cond *c)
{
	if (st->proto != IPPROTO_ICMP && st->proto != IPPROTO_ICMPV6)
		return MATCH_NO;
	return nat_yes_no(cond_match_u32(c, (uint32_t)st->icmp_type << 8 | st->icmp_code));
}

/* A SYN may ask for ECN (ECE and CWR), and its answer may grant it (ECE): RFC 3168. */
static enum match_kind match_tcp_flags(const struct state *st, const struct rs_cond *c)
{
	uint32_t flags = st->is_reply ? TCP_SYN | TCP_ACK : TCP_SYN;
	bool plain = cond_match_u32(c, flags), ecn = cond_match_u32(c, flags | TCP_ECE | (st->is_reply ? 0 : TCP_CWR));

	if (st->proto != IPPROTO_TCP)
		return MATCH_NO;
	return plain == ecn ? nat_yes_no(plain) : MATCH_UNKNOWN;
}

static enum match_kind match_name(const struct rs_cond *c, const char *name)
{
	if (name)
		return nat_yes_no(cond_match_ifname(c, name));
	/* "+" alone is any interface, known or not. */
	if (c->op == OP_IFNAME && (c->flags & RS_WILDCARD) && c->u.ifname[0] == '\0')
		return nat_yes_no(!c->negate);
	return MATCH_UNKNOWN;
}

/* The packet entered by an interface, and others of its class may have entered by another. */
static void ask_iif(struct walk *w, const struct state *st, const struct rs_cond *c, const struct rs_rule *r)
{
	if (!w->classes || st->from_node || (st->is_reply && c))
		return;
	nat_ask_iif(w, c, r);
}

/* A reply leaves by the interface that its client's packets enter by, where that is their way back. */
static void ask_reply_oif(struct walk *w, const struct state *st, const struct rs_cond *c, const struct rs_rule *r)
{
	const char *iif = w->packet->iif;

	if (w->classes && st->is_reply && iif && st->oif && strcmp(iif, st->oif) == 0)
		nat_ask_iif(w, c, r);
}

static const char *in_interface(const struct state *st)
{
	bool in_hook = st->hook == HOOK_PREROUTING || st->hook == HOOK_INPUT || st->hook == HOOK_FORWARD;

	/* A forwarded packet keeps its input device in POSTROUTING: ip_output() since Linux 5.7; not so br_nf_post_routing(). */
	return in_hook || (st->hook == HOOK_POSTROUTING && !st->from_node && !st->bridged) ? st->iif : "";
}

static const char *out_interface(const struct state *st)
{
	return st->hook == HOOK_PREROUTING || st->hook == HOOK_INPUT ? "" : st->oif;
}

const char *nat_interface(struct walk *w, const struct state *st, enum rs_field f, const struct rs_rule *r)
{
	if (f == FIELD_IIF && in_interface(st) == st->iif)
		ask_iif(w, st, NULL, r);
	else if (f == FIELD_OIF)
		ask_reply_oif(w, st, NULL, r);
	return f == FIELD_IIF ? in_interface(st) : out_interface(st);
}

static enum match_kind match_interface(struct walk *w, const struct state *st, const struct rs_cond *c, const struct rs_rule *r)
{
	if (c->field == FIELD_IIF && in_interface(st) == st->iif)
		ask_iif(w, st, c, r);
	else if (c->field == FIELD_OIF)
		ask_reply_oif(w, st, c, r);
	return match_name(c, c->field == FIELD_IIF ? in_interface(st) : out_interface(st));
}

/* Does bridge netfilter hand the frames of this bridge to iptables? br_nf_pre_routing() of net/bridge/br_netfilter_hooks.c */
static enum tri bridge_netfilter(const struct node_facts *f, const struct node_link *l, int family)
{
	const char *v = node_sysctl(f, family == AF_INET ? "net.bridge.bridge-nf-call-iptables" : "net.bridge.bridge-nf-call-ip6tables");
	int own = family == AF_INET ? l->nf_call_iptables : l->nf_call_ip6tables;

	if (!f->sysctl_known)
		return TRI_UNKNOWN;
	if (!v) /* the module is not loaded */
		return TRI_FALSE;
	return strcmp(v, "0") != 0 || own > 0 ? TRI_TRUE : own == 0 ? TRI_FALSE : TRI_UNKNOWN;
}

/* Which kind an interface is: a bridge, none, or one that may hide a bridge below it. */
static enum tri is_bridge(const struct node_facts *f, const struct node_link *l)
{
	if (l->kind)
		return strcmp(l->kind, "bridge") == 0 ? TRI_TRUE : strstr(l->kind, "vlan") || strcmp(l->kind, "vrf") == 0 ?
			TRI_UNKNOWN : TRI_FALSE;
	for (size_t i = 0; i < f->links.len; i++)
		if (f->links.v[i].master && strcmp(f->links.v[i].master, l->name) == 0)
			return TRI_UNKNOWN;
	return TRI_FALSE;
}

/* Which of the bridge's ports it is, is not known: the answer is one where it is the same for all. */
static enum match_kind match_any_port(const struct node_facts *f, const struct node_link *bridge, const struct rs_cond *c)
{
	enum match_kind all = MATCH_UNKNOWN;
	bool first = true;

	for (size_t i = 0; i < f->links.len; i++) {
		enum match_kind k;

		if (!f->links.v[i].master || strcmp(f->links.v[i].master, bridge->name) != 0)
			continue;
		k = match_name(c, f->links.v[i].name);
		if (!first && k != all)
			return MATCH_UNKNOWN;
		all = k;
		first = false;
	}
	return all;
}

/*
 * net/netfilter/xt_physdev.c, and counted in Linux 6.18: without bridge netfilter at work on this packet each option holds if
 * negated. With it the input port is known in all hooks; an output port has only what leaves by the bridge that it came by, and
 * without one --physdev-out is not met, negated or not.
 */
static enum match_kind match_bridge_port(struct walk *w, const struct state *st, const struct rs_cond *c, const struct rs_rule *r)
{
	const struct node_facts *f = w->node->facts;
	const struct node_link *l = st->iif && !st->from_node ? node_link_by_name(f, st->iif) : NULL;
	bool behind = st->hook == HOOK_FORWARD || st->hook == HOOK_POSTROUTING;
	enum tri on;

	if (st->from_node)
		return nat_yes_no(c->negate);
	ask_iif(w, st, NULL, r);
	if (!f->links_known || !l)
		return MATCH_UNKNOWN;
	on = is_bridge(f, l);
	if (on == TRI_TRUE)
		on = bridge_netfilter(f, l, st->dst.family);
	if (on != TRI_TRUE)
		return on == TRI_FALSE ? nat_yes_no(c->negate) : MATCH_UNKNOWN;
	if (c->field == FIELD_PHYSIN)
		return match_any_port(f, l, c);
	if (c->field == FIELD_PHYS_IS_IN)
		return nat_yes_no(!c->negate);
	if (behind && !st->oif)
		return MATCH_UNKNOWN;
	/* IPVS takes it up to this node, and sends it on from here. */
	if (st->ipvs && !st->is_reply)
		behind = false;
	/* Translated to the same bridge it is bridged; with its own address it was sent to a neighbour or to the bridge itself. */
	behind = behind && strcmp(st->oif, st->iif) == 0;
	if (behind && ip_addr_equal(&st->dst, &st->orig_dst))
		return MATCH_UNKNOWN;
	if (c->field == FIELD_PHYSOUT)
		return behind ? match_any_port(f, l, c) : MATCH_NO;
	return nat_yes_no(behind != c->negate);
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
		return nat_yes_no(c->negate);
	if (!routes)
		return nat_yes_no(!c->negate);
	return type < 0 ? MATCH_UNKNOWN : nat_yes_no(((routes >> type) & 1) != c->negate);
}

int nat_addr_type(struct walk *w, const struct state *st, enum rs_field f, unsigned flags, const struct rs_rule *r)
{
	const struct ip_addr *a = f == FIELD_SADDR_TYPE ? &st->src : &st->dst;
	const char *dev = flags & RS_LIMIT_IIF ? st->iif : flags & RS_LIMIT_OIF ? st->oif : NULL;
	int type;

	if (flags & RS_LIMIT_IIF)
		ask_iif(w, st, NULL, r);
	/* What an address is on one interface is its own affair. */
	if (flags & (RS_LIMIT_IIF | RS_LIMIT_OIF)) {
		nat_tails_spoil(w);
		if (w->classes && (f == FIELD_SADDR_TYPE) != st->is_reply)
			nat_ask_alone(w, &w->packet->src, r);
	}
	if ((flags & (RS_LIMIT_IIF | RS_LIMIT_OIF)) && !dev)
		return -1;
	if (f == FIELD_SADDR_TYPE ? !st->src_known : st->dst_hidden)
		return -1;
	type = node_addr_type(w->node->facts, a, dev);
	/* Not known, but what the node sends has an address of its own, and what comes from the wire has not (or is a martian). */
	if (type < 0 && f == FIELD_SADDR_TYPE && !dev && !st->snat)
		type = st->from_node ? 2 : 1; /* RTN_LOCAL, RTN_UNICAST */
	return type;
}

static enum match_kind match_addr_type(struct walk *w, const struct state *st, const struct rs_cond *c, const struct rs_rule *r)
{
	const struct ip_addr *a = c->field == FIELD_SADDR_TYPE ? &st->src : &st->dst;
	bool limited = c->flags & (RS_LIMIT_IIF | RS_LIMIT_OIF);
	int type = nat_addr_type(w, st, (enum rs_field)c->field, c->flags, r);

	if (type < 0 && (limited || (c->field == FIELD_SADDR_TYPE ? !st->src_known : st->dst_hidden)))
		return MATCH_UNKNOWN;
	if (a->family == AF_INET6 && !nat_is_native(r))
		return match_addr_type6(c, a, type);
	return type < 0 ? MATCH_UNKNOWN : nat_yes_no(cond_match_u32(c, 1u << type));
}

/* Protocols that are headers in front of another one; packets of others are walked without any. */
static bool is_header(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT || proto == IPPROTO_ESP ||
	       proto == IPPROTO_AH || proto == IPPROTO_NONE || proto == IPPROTO_DSTOPTS || proto == IPPROTO_MH;
}

/* xt_rpfilter: is the way back to the source the interface it came by, or, loose, is there one? lo and the node itself pass. */
static enum match_kind match_rpfilter(struct walk *w, const struct state *st, const struct rs_cond *c, const struct rs_rule *r)
{
	const char *text = c->op == OP_TEXT && c->u.text ? c->u.text : "";
	struct node_route_query q = { .src = st->dst, .dst = st->src, .mark = 0 };
	struct node_route_result back;

	if (st->from_node || st->round)
		return nat_yes_no(!c->negate);
	ask_iif(w, st, NULL, r);
	if (!w->node->facts->routes_known || !st->iif || strstr(text, "--accept-local"))
		return MATCH_UNKNOWN;
	if (strstr(text, "--validmark"))
		q.mark = st->mark;
	node_route_lookup(w->node->facts, &q, &back);
	if (back.kind == NR_UNKNOWN || (back.kind == NR_UNICAST && !back.dev))
		return MATCH_UNKNOWN;
	return nat_yes_no((back.kind == NR_UNICAST && (strstr(text, "--loose") || strcmp(back.dev, st->iif) == 0)) != c->negate);
}

/*
 * Sets. What rules of this node put in or take out is state of the past, but what this very walk has done to the set is not
 * known: whether this packet was meant, and whether it was in before.
 */
static bool is_changed(const struct state *st, const struct rs_set_ref *ref)
{
	const struct rs_ipset *s = ref->set ? ref->set->ipset : NULL;

	for (const struct changed_set *c = st->changed_sets; c; c = c->next) {
		if (strcmp(c->set->name, ref->name) == 0)
			return true;
		for (uint32_t i = 0; s && i < s->nelems && s->elems[i].member; i++)
			if (strcmp(c->set->name, s->elems[i].member) == 0)
				return true;
	}
	return false;
}

static struct rs_set_packet set_packet(const struct state *st)
{
	return (struct rs_set_packet){
		.src = st->src, .dst = st->dst, .src_known = st->src_known, .proto = st->proto, .icmp_type = st->icmp_type,
		.icmp_code = st->icmp_code, .sport = st->sport, .dport = st->dport, .mark = st->mark,
		.iif = in_interface(st), .oif = out_interface(st),
	};
}

/* @ret_state: rules of this node may have changed what the answer rests on. */
static enum match_kind ask_set(const struct state *st, const struct rs_cond *c, bool *ret_state)
{
	struct rs_set_packet p = set_packet(st);
	enum rs_answer a = rs_set_has(c->u.set, &p, ret_state);

	if (a != RS_UNKNOWN && !is_changed(st, c->u.set))
		return nat_yes_no((a == RS_YES) != c->negate);
	*ret_state = false;
	return MATCH_UNKNOWN;
}

static enum match_kind match_set(const struct state *st, const struct rs_cond *c)
{
	bool is_state;

	return ask_set(st, c, &is_state);
}

static bool set_asks_client(const struct state *st, const struct rs_set_ref *ref)
{
	struct rs_set_ref r = *ref;

	for (size_t i = 0; st->is_reply && i < ARRAY_LEN(r.dst); i++)
		r.dst[i] = !r.dst[i];
	return rs_set_asks_source(&r);
}

/* Conditions that ask for the client, in a form that classes of sources can be made of. A reply goes to the client. */
static bool asks_client(const struct state *st, const struct rs_cond *c)
{
	return c->field == FIELD_CT_ORIG_SADDR || c->field == (st->is_reply ? FIELD_DADDR : FIELD_SADDR) ||
	       (c->op == OP_SET && set_asks_client(st, c->u.set)) || (c->op == OP_LOOKUP && nat_lookup_asks_client(st, c->u.lookup));
}

/* What a tail has no class for: lib/nat/tail.c. */
static bool spoils_tails(const struct rs_cond *c)
{
	switch ((enum rs_field)c->field) {
	case FIELD_CT_ORIG_DADDR:
	case FIELD_CT_ORIG_DPORT:
	case FIELD_CT_REPL_DADDR:
	case FIELD_RPFILTER:
	case FIELD_SET:
	case FIELD_RECENT:
	case FIELD_RECENT_SET:
		return true;
	case FIELD_DADDR:
	case FIELD_SADDR:
	case FIELD_CT_REPL_SADDR:
		return nat_cond_has_holes(c);
	default:
		return false;
	}
}

static enum match_kind match_ipvs(struct walk *w, const struct state *st, const struct rs_cond *c)
{
	enum tri answer = nat_ipvs_match(st, c->u.ipvs);

	nat_tails_spoil(w);
	return answer == TRI_UNKNOWN ? MATCH_UNKNOWN : nat_yes_no((answer == TRI_TRUE) != c->negate);
}

static enum match_kind match_cond(struct walk *w, const struct state *st, const struct rs_cond *c,
				  const struct rs_rule *r)
{
	if (c->op == OP_TEXT && c->field != FIELD_RPFILTER && c->field != FIELD_OWNER &&
	    c->field != FIELD_FALSE && c->field != FIELD_FRAGMENT && c->field != FIELD_HELPER && c->field != FIELD_EXTHDR)
		return MATCH_UNKNOWN;
	if (spoils_tails(c))
		nat_tails_spoil(w);
	switch ((enum rs_field)c->field) {
	case FIELD_FALSE:
		return MATCH_NO;
	case FIELD_SADDR:
		return st->src_known ? nat_yes_no(cond_match_addr(c, &st->src)) : MATCH_UNKNOWN;
	case FIELD_DADDR:
		return st->dst_hidden ? MATCH_UNKNOWN : nat_yes_no(cond_match_addr(c, &st->dst));
	case FIELD_PROTO:
		return nat_yes_no(cond_match_u32(c, st->proto));
	case FIELD_SPORT:
	case FIELD_DPORT:
	case FIELD_PORT:
		return match_port(st, c, r);
	case FIELD_ICMP:
		return match_icmp(st, c);
	case FIELD_TCP_FLAGS:
		return match_tcp_flags(st, c);
	case FIELD_FRAGMENT:
		return nat_yes_no(c->negate);
	case FIELD_IIF:
	case FIELD_OIF:
		return match_interface(w, st, c, r);
	case FIELD_PHYSIN:
	case FIELD_PHYSOUT:
	case FIELD_PHYS_BRIDGED:
	case FIELD_PHYS_IS_IN:
	case FIELD_PHYS_IS_OUT:
		return match_bridge_port(w, st, c, r);
	case FIELD_MARK:
		return nat_yes_no(cond_match_u32(c, st->mark));
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
		return nat_match_conntrack(st, c, r);
	case FIELD_SADDR_TYPE:
	case FIELD_DADDR_TYPE:
		return match_addr_type(w, st, c, r);
	case FIELD_RPFILTER:
		return match_rpfilter(w, st, c, r);
	case FIELD_OWNER: /* a packet without a socket of this node: net/netfilter/xt_owner.c, nft_meta.c */
		return st->from_node && !st->round ? MATCH_UNKNOWN : nat_yes_no(c->negate && !nat_is_native(r));
	case FIELD_HELPER: /* only a connection that another one announced has a helper's name: net/netfilter/xt_helper.c, nft_ct.c */
		return nat_yes_no(c->negate && !nat_is_native(r));
	case FIELD_NFPROTO:
		return nat_yes_no(cond_match_u32(c, st->dst.family == AF_INET ? 2 : 10));
	case FIELD_ETHERTYPE:
		return nat_yes_no(cond_match_u32(c, st->dst.family == AF_INET ? 0x0800 : 0x86dd));
	case FIELD_EXTHDR:
		return is_header(st->proto) ? MATCH_UNKNOWN : nat_yes_no(c->negate);
	case FIELD_SET:
		return match_set(st, c);
	case FIELD_IPVS:
		return c->op == OP_IPVS ? match_ipvs(w, st, c) : MATCH_UNKNOWN;
	case FIELD_RECENT_SET:
		return nat_yes_no(!c->negate);
	default:
		return MATCH_UNKNOWN;
	}
}

/* How often rules before this one, in the same walk, put the packet's address on that list. */
/* xt_recent.c keeps addresses under the mask of their list; without --mask it is of one bits. */
struct ip_addr nat_recent_addr(const struct state *st, const struct rs_recent *r)
{
	static const char opt[] = "--mask ";
	const char *p = r->text ? strstr(r->text, opt) : NULL;
	struct ip_addr a = r->by_dest ? st->dst : st->src, mask;

	if (!r->by_dest && !st->src_known)
		return (struct ip_addr){ 0 };
	p = p ? p + sizeof(opt) - 1 : NULL;
	if (p && ip_addr_parsen(p, strcspn(p, " \t"), &mask) == 0 && mask.family == a.family)
		for (size_t i = 0; i < sizeof(a.b); i++)
			a.b[i] &= mask.b[i];
	return a;
}

static uint32_t times_remembered(const struct state *st, const struct rs_recent *r)
{
	struct ip_addr a = r ? nat_recent_addr(st, r) : (struct ip_addr){ 0 };
	uint32_t n = 0;

	for (const struct remembered *m = st->remembered; m && r; m = m->next)
		n += strcmp(m->list->name, r->name) == 0 && ip_addr_equal(&m->addr, &a) && (a.family || m->list->by_dest == r->by_dest);
	return n;
}

/* The stamps that an entry needs: recent_mt() of net/netfilter/xt_recent.c counts those of this very packet too. */
static uint32_t hits_needed(const struct rs_recent *r)
{
	static const char opt[] = "--hitcount ";
	const char *p = r->text ? strstr(r->text, opt) : NULL;
	uint64_t n;

	if (!p)
		return 1;
	p += sizeof(opt) - 1;
	return parse_uint(p, strcspn(p, " \t"), UINT32_MAX, &n) == 0 ? (uint32_t)n : UINT32_MAX;
}

/* Conditions on the past, and chance: true when @c is one; their part goes into @m. */
static bool match_special(const struct state *st, const struct rs_cond *c, struct match *m)
{
	bool v = !c->negate, is_state;
	enum match_kind k;

	switch ((enum rs_field)c->field) {
	case FIELD_RANDOM:
		m->chance *= c->negate ? 1 - c->u.range.lo / CHANCE_ONE : c->u.range.lo / CHANCE_ONE;
		return true;
	case FIELD_NTH:
		if (c->u.range.lo > 0)
			m->chance *= c->negate ? 1 - 1.0 / c->u.range.lo : 1.0 / c->u.range.lo;
		return true;
	case FIELD_RECENT: /* nothing is remembered of a first packet, but what this walk has remembered itself */
		if (c->u.recent && times_remembered(st, c->u.recent) >= hits_needed(c->u.recent)) {
			m->never = c->negate;
			return true;
		}
		v = c->negate;
		m->asked_recent = true;
		break;
	case FIELD_SET:
		if (c->op != OP_SET)
			return false;
		k = ask_set(st, c, &is_state);
		if (!is_state)
			return false;
		v = k == MATCH_YES;
		break;
	case FIELD_CONNBYTES: /* xt_connbytes.c: false without a connection, negated or not */
		if (!st->tracked || st->notrack) {
			m->never = true;
			return true;
		}
		if (st->is_reply) { /* decoded for a first packet */
			m->kind = MATCH_UNKNOWN;
			return true;
		}
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

/* One part, the source's: the answer is the same wherever the packet goes. */
static bool is_about_source_only(const struct rs_set_ref *ref)
{
	const struct rs_ipset *s = ref->set ? ref->set->ipset : NULL;

	return s && s->type && (s->type->part[0] == SETPART_IP || s->type->part[0] == SETPART_NET) && s->type->part[1] == SETPART_NONE;
}

/* The same question of the packet the other way round: its destination becomes the source. */
static void turn_round(struct rs_set_ref *ref, struct rs_set_packet *p)
{
	struct rs_set_packet was = *p;

	for (size_t i = 0; i < ARRAY_LEN(ref->dst); i++)
		ref->dst[i] = !ref->dst[i];
	p->src = was.dst;
	p->dst = was.src;
	p->sport = was.dport;
	p->dport = was.sport;
	p->iif = was.oif;
	p->oif = was.iif;
	p->src_known = true;
}

static bool asks_interface(const struct rs_set_ref *ref)
{
	const struct rs_ipset *s = ref->set ? ref->set->ipset : NULL;

	for (unsigned i = 0; s && s->type && i < RS_IPSET_PARTS; i++)
		if (s->type->part[i] == SETPART_IFACE)
			return true;
	return false;
}

#define SET_RANGES_MAX 200000u

/* Narrows to one side of a list of ranges; empty lists say nothing. */
static int ask_ranges(struct walk *w, const struct ip_addr *a, const struct rs_ranges *v, const struct rs_rule *r)
{
	struct nat_range *set = arena_array(&w->classes->arena, struct nat_range, v->len);

	if (!set)
		return -ENOMEM;
	for (size_t i = 0; i < v->len; i++)
		set[i] = (struct nat_range){ nat_key_of(&v->v[i].lo), nat_key_of(&v->v[i].hi) };
	if (v->len)
		nat_classes_ask(w->classes, a, set, v->len, r);
	return 0;
}

/* Was the class cut by this set in this walk already? It only shrinks. */
static bool is_settled(struct walk *w, const struct rs_set_ref *ref)
{
	for (unsigned i = 0; i < w->nsettled; i++)
		if (w->settled[i] == ref)
			return true;
	if (w->nsettled < ARRAY_LEN(w->settled))
		w->settled[w->nsettled++] = ref;
	return false;
}

/* Nothing can cut it: the node itself, which replies to it ask thousands of elements about. */
static bool is_one_address(const struct nat_region *r)
{
	return r->len == 1 && nat_key_cmp(r->v[0].range.first, r->v[0].range.last) == 0;
}

/* A set as it looks from where the packet goes (a reply: from where it comes from): which clients are in it, and of which that is not known. */
static void ask_client_of_set(struct walk *w, const struct state *st, const struct rs_cond *c, const struct rs_rule *r)
{
	const struct ip_addr *client = &w->packet->src;
	struct rs_set_packet p = set_packet(st);
	struct rs_set_ref ref = *c->u.set;
	struct rs_set_sources s;
	int res;

	nat_tails_spoil(w);
	if (asks_interface(&ref))
		nat_ask_iif(w, NULL, r);
	if (is_one_address(&w->classes->now))
		return;
	if (!nat_client_shows(st, c->field)) {
		if (nat_connection(st)->src_derived)
			nat_ask_alone(w, client, r);
		return;
	}
	if (st->is_reply)
		turn_round(&ref, &p);
	else if (is_settled(w, c->u.set) && is_about_source_only(c->u.set))
		return;
	res = rs_set_project(&ref, &p, SET_RANGES_MAX, &s);
	if (res == SD_ELIMIT || res == SD_EFORMAT) {
		nat_ask_alone(w, client, r);
		return;
	}
	if (res == 0) {
		res = ask_ranges(w, client, &s.in, r);
		if (res == 0)
			res = ask_ranges(w, client, &s.unknown, r);
		array_free(&s.in);
		array_free(&s.unknown);
	}
	if (res < 0)
		w->error = res;
}

/*
 * What is asked of the client is asked of all its class: of the packet's source as long as it is the packet's own or made of it,
 * of a reply's destination, of what conntrack remembers.
 */
static void ask_client(struct walk *w, const struct state *st, const struct rs_cond *c, const struct rs_rule *r)
{
	const struct ip_addr *client = &w->packet->src;
	bool derived = c->field != FIELD_CT_ORIG_SADDR && nat_connection(st)->src_derived;
	struct nat_range range;

	if (!w->classes)
		return;
	if (c->op == OP_LOOKUP)
		return; /* nat_lookup() asks */
	if (c->op == OP_SET) {
		ask_client_of_set(w, st, c, r);
	} else if (derived && !nat_client_shows(st, c->field)) {
		nat_tails_spoil(w);
		nat_ask_alone(w, client, r);
	} else if (nat_client_shows(st, c->field) && nat_cond_range(c, client, &range)) {
		nat_classes_ask(w->classes, client, &range, 1, r);
		nat_tails_note(w, c, r, NULL, false, cond_match_addr(c, client));
	}
}

/* What nearly every rule asks, without the way through match_cond(); MATCH_UNKNOWN: ask there. */
static inline enum match_kind match_quickly(const struct state *st, const struct rs_cond *c)
{
	uint32_t v;

	switch ((enum rs_field)c->field) {
	case FIELD_PROTO:
		v = st->proto;
		break;
	case FIELD_DPORT:
		if (!proto_has_ports(st->proto))
			return MATCH_UNKNOWN;
		v = st->dport;
		break;
	case FIELD_DADDR:
		if (st->is_reply || c->op != OP_ADDR4 || c->u.addr4.mask != UINT32_MAX || st->dst.family != AF_INET)
			return MATCH_UNKNOWN;
		memcpy(&v, st->dst.b, sizeof(v));
		return nat_yes_no((v == c->u.addr4.value) != c->negate);
	default:
		return MATCH_UNKNOWN;
	}
	if (c->op == OP_EQ)
		return nat_yes_no((v == c->u.range.lo) != c->negate);
	return c->op == OP_RANGE ? nat_yes_no((v >= c->u.range.lo && v <= c->u.range.hi) != c->negate) : MATCH_UNKNOWN;
}

/* An IPv4 prefix that holds all of the packet's class or none of it, while nothing is noted for a tail: nothing to cut. */
static inline enum match_kind match_source_quickly(const struct walk *w, const struct state *st, const struct rs_cond *c)
{
	struct nat_range range;
	bool in = false;

	if (c->field != FIELD_SADDR || c->op != OP_ADDR4 || !w->classes || w->classes->now.family != AF_INET || st->is_reply ||
	    !st->src_known || st->src_derived || !ip_addr_equal(&st->src, &st->orig_src) || nat_tails_noting(w) || nat_cond_has_holes(c))
		return MATCH_UNKNOWN;
	range.first.lo = ntohl(c->u.addr4.value);
	range.last.lo = range.first.lo | ~ntohl(c->u.addr4.mask);
	for (size_t i = 0; i < w->classes->now.len; i++) {
		const struct nat_range *s = &w->classes->now.v[i].range;
		bool here = range.first.lo <= s->first.lo && s->last.lo <= range.last.lo;

		if ((!here && range.first.lo <= s->last.lo && s->first.lo <= range.last.lo) || (i > 0 && here != in))
			return MATCH_UNKNOWN;
		in = here;
	}
	return nat_yes_no(in != c->negate);
}

/* A set or map of nftables. Chance and state go into @m, and the rest of the answer is then yes. */
static enum match_kind match_lookup(struct walk *w, const struct state *st, const struct rs_cond *c, const struct rs_rule *r, struct match *m)
{
	CLEANUP(nat_found_release) struct nat_found f = { 0 };
	int res = nat_lookup(w, st, r, c->u.lookup, &f);

	if (res < 0) {
		w->error = res;
		return MATCH_UNKNOWN;
	}
	if (f.broken)
		return MATCH_NO;
	if (f.state) {
		m->state_default = (!m->has_state || m->state_default) && c->negate;
		m->has_state = true;
		m->asked_recent = true;
		return MATCH_YES;
	}
	if (f.too_many || f.unsure || f.by_hash)
		return MATCH_UNKNOWN;
	if (f.by_chance) {
		m->chance *= c->negate ? f.rest : 1 - f.rest;
		return MATCH_YES;
	}
	return nat_yes_no((f.len > 0 || f.put) != c->negate);
}

void nat_match_rule(struct walk *w, const struct state *st, const struct rs_rule *r, unsigned from, unsigned to, struct match *ret)
{
	struct match m = { .kind = MATCH_YES, .chance = 1 };
	bool source_asked = false;

	for (unsigned i = from; i < to; i++) {
		const struct rs_cond *c = &r->conds[i];
		enum match_kind k = match_quickly(st, c);

		if (k == MATCH_YES)
			continue;
		if (k == MATCH_NO) {
			ret->kind = MATCH_NO;
			return;
		}
		if (asks_client(st, c)) {
			source_asked = true;
			continue;
		}
		if (c->field == FIELD_SET)
			nat_tails_spoil(w);
		if (match_special(st, c, &m)) {
			if (m.never) {
				ret->kind = MATCH_NO;
				return;
			}
			continue;
		}
		k = c->op == OP_LOOKUP ? match_lookup(w, st, c, r, &m) : match_cond(w, st, c, r);
		if (k == MATCH_NO) {
			ret->kind = MATCH_NO;
			return;
		}
		if (k == MATCH_UNKNOWN)
			m.kind = MATCH_UNKNOWN;
	}
	/* Sources last: only a rule that would match otherwise asks for them. */
	for (unsigned i = from; source_asked && i < to; i++) {
		const struct rs_cond *c = &r->conds[i];
		enum match_kind k;

		if (!asks_client(st, c))
			continue;
		k = match_source_quickly(w, st, c);
		if (k == MATCH_YES)
			continue;
		if (k == MATCH_NO) {
			ret->kind = MATCH_NO;
			return;
		}
		ask_client(w, st, c, r);
		if (c->op == OP_SET && match_special(st, c, &m))
			continue;
		k = c->op == OP_LOOKUP ? match_lookup(w, st, c, r, &m) : match_cond(w, st, c, r);
		if (k == MATCH_NO) {
			ret->kind = MATCH_NO;
			return;
		}
		if (k == MATCH_UNKNOWN && m.kind == MATCH_YES)
			m.kind = MATCH_UNKNOWN;
	}
	if (m.asked_recent) {
		w->out->asked_recent = true;
		nat_tails_spoil(w);
	}
	*ret = m;
}

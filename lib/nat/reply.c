/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reply to a packet that has arrived: does it pass this node, and do this node's rules, routes and sysctls let it
 * home to the client with the address that the client sent to? The rules are run by the same walk as the request's,
 * with a state that belongs to the request's connection.
 *
 * Of a class of sources, all that is asked here of the client beyond the rules is alike (nat.h): where it is, by which interface
 * and over which router. Only which of several interfaces it is, is asked by nat_ask_whether_iif().
 */
#include <errno.h>

#include "nat-private.h"

static const char NO_PLACE[] = "not judged: where client and endpoint are attached is not known";
static const char LOST_BEFORE[] = "there is no reply to a packet that does not arrive";

/* What the ways of one reply have come to. */
struct reply {
	size_t home, lost, unsure;
	struct nat_by lost_by, unsure_by;
	const char *lost_text; /* NULL: lost_by says it */
};

/* ---- the reply under way ---- */

bool nat_reply_translate(struct state *st)
{
	const struct state *r = st->request;
	bool changed;

	if (!r || st->notrack || st->hook == HOOK_FORWARD)
		return false;
	if (st->hook == HOOK_INPUT || st->hook == HOOK_POSTROUTING) {
		/* What IPVS translated, it translates back. */
		if (!r->ipvs || r->dnat) {
			st->src = r->orig_dst;
			st->sport = r->orig_dport;
		}
		return false;
	}
	changed = st->dst_hidden || !ip_addr_equal(&st->dst, &r->orig_src);
	st->dst = r->orig_src;
	st->dport = r->orig_sport;
	st->dst_hidden = false;
	return changed;
}

static void note_lost(struct reply *r, const struct nat_by *by, const char *text)
{
	if (r->lost++)
		return;
	r->lost_by = by ? *by : (struct nat_by){ 0 };
	r->lost_text = text;
}

/* It comes to the client with the endpoint's address, or not to the client at all. */
static void note_untranslated(struct walk *w, const struct state *st)
{
	const struct rs_rule *r = st->notrack_rule;
	struct nat_by by = { 0 };
	char a[IP_ADDR_STRLEN], b[IP_ADDR_STRLEN];
	const char *text = arena_printf(&w->out->arena, "it is not translated back and leaves from %s for %s", ip_addr_format(&st->src, a),
					ip_addr_format(&st->dst, b));

	if (text && r) {
		by = nat_by_rule(r);
		text = arena_printf(&w->out->arena, "%s %s %u keeps it out of connection tracking: %s", r->chain->table->name, r->chain->name,
				    r->index, text);
	}
	if (!text)
		w->error = -ENOMEM;
	note_lost(w->reply, &by, text);
}

/* As the client expects it? The port that it comes to is not looked at but for one that was to be another: SNAT keeps it where it can. */
static bool is_translated(const struct walk *w, const struct state *st)
{
	const struct state *r = st->request;

	if (st->dst_hidden || !ip_addr_equal(&st->dst, &w->packet->src) || !ip_addr_equal(&st->src, &w->packet->dst))
		return false;
	if (!r) /* a datagram of a connection of its own, which may be translated as such */
		return st->sport == w->packet->dport && st->dport == w->packet->sport;
	return st->sport == w->packet->dport && !(st->notrack && r && r->snat);
}

void nat_reply_end(struct walk *w, const struct state *st, enum nat_verdict v, const struct nat_by *by)
{
	struct reply *r = w->reply;

	if (v == NAT_UNDECIDED) {
		if (!r->unsure++ && by)
			r->unsure_by = *by;
	} else if (v != NAT_ACCEPT) {
		note_lost(r, by, NULL);
	} else if (st->lost) {
		note_lost(r, &st->lost_by, NULL);
	} else if (!is_translated(w, st)) {
		note_untranslated(w, st);
	} else {
		r->home++;
	}
}

/* What the endpoint sends back, as this node gets it. SNAT keeps the port where it is free, and so it is taken here. */
static void make_reply(const struct state *end, bool local, bool switched, struct state *ret)
{
	*ret = (struct state){
		.src = end->dst, .dst = end->src, .sport = end->dport, .dport = end->sport, .proto = end->proto,
		.icmp_type = end->icmp_type == 8 && end->proto == IPPROTO_ICMP ? 0 :
			     end->icmp_type == 128 && end->proto == IPPROTO_ICMPV6 ? 129 : end->icmp_type,
		.icmp_code = end->icmp_code,
		.ctmark = end->ctmark, .src_known = true, .weight = 1, .from_node = local, .iif = local ? NULL : end->oif,
		.is_reply = true, .switched = switched, .ipvs = end->ipvs, .remembered = end->remembered, .changed_sets = end->changed_sets,
		.nft_updates = end->nft_updates,
		.hook = local ? HOOK_OUTPUT : HOOK_PREROUTING,
	};
	if (!end->notrack) {
		ret->request = end;
		ret->dst_hidden = !end->src_known;
		return;
	}
	/* Conntrack has not seen the request: a SYN-ACK, an INIT-ACK, an echo reply begin nothing; a datagram does. */
	ret->invalid = end->proto != IPPROTO_UDP && end->proto != IPPROTO_UDPLITE;
	ret->orig_src = ret->src;
	ret->orig_dst = ret->dst;
	ret->orig_sport = ret->sport;
	ret->orig_dport = ret->dport;
}

static void set_unknown(struct nat_ending *e, const char *why)
{
	e->reply = TRI_UNKNOWN;
	e->reply_why = why;
	e->reply_by = (struct nat_by){ 0 };
}

static void set_lost(struct walk *w, struct nat_ending *e, const struct nat_by *by, const char *why)
{
	e->reply = TRI_FALSE;
	e->reply_why = why;
	if (by)
		e->reply_by = *by;
	if (!why)
		w->error = -ENOMEM;
}

static const char *by_words(struct walk *w, const struct nat_by *by)
{
	if (by->text)
		return by->text;
	if (by->kind == BY_POLICY)
		return arena_printf(&w->out->arena, "the policy of %s %s drops it", by->chain->table->name, by->chain->name);
	if (by->rule)
		return arena_printf(&w->out->arena, "%s %s %u stops it", by->chain->table->name, by->chain->name, by->rule->index);
	return "the kernel drops it";
}

static void conclude(struct walk *w, const struct reply *r, bool assumed, const char *home_why, struct nat_ending *e)
{
	if (r->lost == 0 && r->unsure == 0) {
		e->reply = TRI_TRUE;
		e->reply_why = home_why;
	} else if (r->lost && r->home == 0 && r->unsure == 0) {
		set_lost(w, e, &r->lost_by, r->lost_text ? r->lost_text : by_words(w, &r->lost_by));
	} else if (r->lost && !assumed && r->unsure == 0) {
		set_lost(w, e, &r->lost_by, arena_printf(&w->out->arena, "a part of the replies: %s", by_words(w, &r->lost_by)));
	} else {
		const struct nat_by *by = r->unsure ? &r->unsure_by : &r->lost_by;

		set_unknown(e, by->rule ? arena_printf(&w->out->arena, "not decided: it depends on %s %s %u", by->chain->table->name,
						       by->chain->name, by->rule->index) : "not decided: it depends on a rule that a dump does not decide");
		e->reply_by = *by;
	}
}

static void walk_back(struct walk *w, const struct state *end, bool switched, const char *home_why, struct nat_ending *e)
{
	struct walk back = *w;
	struct reply r = { 0 };
	struct state st;

	make_reply(end, e->delivery == DELIVERY_LOCAL, switched, &st);
	back.flags |= NAT_NO_PATH;
	back.reply = &r;
	if (st.from_node)
		nat_route_output(&back, &st, false);
	if (nat_run(&back, &st) < 0 || back.error < 0)
		w->error = -ENOMEM;
	conclude(w, &r, back.splits != w->splits, home_why, e);
}

/* ---- who is where ---- */

static enum tri here(const struct walk *w, const struct ip_addr *a, const char **ret_why)
{
	*ret_why = NO_PLACE;
	if (node_is_local(w->node->facts, a) == TRI_TRUE)
		return TRI_TRUE;
	return w->here ? w->here(w->here_arg, a, ret_why) : TRI_UNKNOWN;
}

enum tri nat_is_attached(const struct walk *w, const struct ip_addr *a)
{
	const char *why = NO_PLACE;

	return w->here ? w->here(w->here_arg, a, &why) : TRI_UNKNOWN;
}

static enum tri client_here(const struct walk *w, const struct state *st, const char **ret_why)
{
	return st->from_node ? TRI_TRUE : here(w, &st->orig_src, ret_why);
}

/* The next hop towards the client. False: not known. */
static bool client_way(const struct walk *w, const struct state *st, struct node_route_result *ret)
{
	struct node_route_query q = { .dst = st->orig_src };

	node_route_lookup(w->node->facts, &q, ret);
	return ret->kind == NR_UNICAST && ret->dev && !(ret->route && ret->route->multipath);
}

/* Is the source one of this node's addresses? */
static enum tri source_is_ours(const struct walk *w, const struct state *st)
{
	if (!st->snat && st->from_node)
		return TRI_TRUE;
	if (st->src_ours)
		return TRI_TRUE;
	return st->src_known ? node_is_local(w->node->facts, &st->src) : TRI_UNKNOWN;
}

/* ---- the request's last step ---- */

/* May what came in by a bridge leave by that bridge again: towards the other end, or the gateway that it lies behind? */
static enum tri leaves_by_own_port(struct walk *w, const struct state *st, struct port_verdict *ret)
{
	struct node_route_result way;
	struct nat_ends ends = { .from = st->orig_src, .to = st->dst };

	nat_ask_whether_iif(w, st->oif);
	if (strcmp(st->iif, st->oif) != 0)
		return TRI_TRUE;
	if (client_way(w, st, &way) && way.gateway.family) {
		ends.from = way.gateway;
		ends.routed = true;
	}
	if (st->gateway.family) {
		ends.to = st->gateway;
		ends.routed = true;
	}
	return nat_may_turn_back(w, st->oif, &ends, ret);
}

/* Bridge netfilter has turned it round: may it leave by the port that it came in by? */
static enum tri leaves_bridge(struct walk *w, const struct state *st, struct port_verdict *ret)
{
	/* IPVS takes the packet up to the node, which sends it on by the bridge device. */
	if (st->from_node || !st->dnat || st->ipvs || ip_addr_equal(&st->orig_dst, &st->dst))
		return TRI_TRUE;
	ret->text = "not judged: which interface the pod hangs on is not known (ip-route.json)";
	if (!st->iif || !st->oif) /* of two hosts it is their replies that are in question */
		return ip_addr_equal(&st->orig_src, &st->dst) ? TRI_UNKNOWN : TRI_TRUE;
	return leaves_by_own_port(w, st, ret);
}

/* False: it does not get out of the node, or that is not known; @e says it. */
static bool check_port(struct walk *w, const struct state *st, struct nat_ending *e)
{
	struct port_verdict v = { 0 };
	struct state copy = *st;

	if (e->delivery == DELIVERY_LOCAL)
		return true;
	switch (leaves_bridge(w, st, &v)) {
	case TRI_TRUE:
		return true;
	case TRI_UNKNOWN:
		e->delivery = DELIVERY_UNKNOWN;
		set_unknown(e, v.text);
		return false;
	default:
		nat_lose(w, &copy, BY_BRIDGE, v.cause ? v.cause : "hairpin-mode", v.text);
		e->lost = copy.lost_by;
		e->path = copy.path;
		e->delivery = DELIVERY_LOST;
		set_unknown(e, LOST_BEFORE);
		return false;
	}
}

/* ---- the verdict ---- */

enum way { WAY_HERE, WAY_SWITCHED, WAY_PAST, WAY_UNKNOWN };

/* Why the reply takes its way. */
struct reason {
	const char *why;
	struct nat_by by; /* PAST: the node's own fault; NONE: it is nobody's */
};

/* Client and endpoint behind one bridge, the source as it was: a frame, which the rules see with bridge netfilter only. */
static enum way over_bridge(struct walk *w, const struct node_link *bridge, struct reason *ret)
{
	switch (nat_bridge_netfilter(w, bridge, &ret->why)) {
	case TRI_TRUE:
		ret->why = "returns over the bridge, through this node's rules";
		return WAY_SWITCHED;
	case TRI_UNKNOWN:
		return WAY_UNKNOWN;
	default:
		ret->why = arena_printf(&w->out->arena, "%s, and so %s switches the reply past the rules", ret->why, bridge->name);
		ret->by = (struct nat_by){ .kind = BY_BRIDGE, .cause = "bridge-nf", .text = ret->why };
		return WAY_PAST;
	}
}

static enum way from_here(struct walk *w, const struct state *st, struct reason *ret)
{
	const struct node_facts *f = w->node->facts;
	const struct node_link *link;
	struct node_route_result way;
	enum tri client = st->snat ? TRI_FALSE : client_here(w, st, &ret->why);

	if (client == TRI_UNKNOWN)
		return WAY_UNKNOWN;
	if (client == TRI_TRUE) {
		ret->why = "not judged: whether client and endpoint hang on one bridge is not known (ip-route.json, ip-link.json)";
		if (!st->oif || !client_way(w, st, &way))
			return WAY_UNKNOWN;
		nat_ask_whether_iif(w, st->oif);
		if (strcmp(way.dev, st->oif) == 0 && !way.gateway.family && !st->gateway.family) {
			if (!f->links_known)
				return WAY_UNKNOWN;
			link = node_link_by_name(f, st->oif);
			if (link && node_is_bridge(f, link))
				return over_bridge(w, link, ret);
		}
	}
	ret->why = "returns through this node: the endpoint is behind it";
	return WAY_HERE;
}

static enum way from_elsewhere(struct walk *w, const struct state *st, struct reason *ret)
{
	char a[IP_ADDR_STRLEN];

	if (st->snat) {
		ret->why = "not judged: the source becomes an address that is not known";
		if (!st->src_known)
			return WAY_UNKNOWN;
		ret->why = arena_printf(&w->out->arena, "it goes to %s, which is no address of this node", ip_addr_format(&st->src, a));
		return WAY_PAST;
	}
	switch (client_here(w, st, &ret->why)) {
	case TRI_TRUE:
		ret->why = "returns through this node: the client is behind it";
		return WAY_HERE;
	case TRI_UNKNOWN:
		return WAY_UNKNOWN;
	default:
		ret->why = arena_printf(&w->out->arena, "it goes from %s straight to the client, past this node: the source was not rewritten",
					ip_addr_format(&st->dst, a));
		return WAY_PAST;
	}
}

/* An address of a dummy link is of no network: whoever has the same one, as all nodes have the virtual addresses, takes it for its own. */
static bool is_on_dummy(const struct node_facts *f, const struct ip_addr *a)
{
	for (size_t i = 0; i < f->addrs.len; i++) {
		const struct node_link *l;

		if (!ip_addr_equal(&f->addrs.v[i].addr, a) || !f->addrs.v[i].ifname)
			continue;
		l = node_link_by_name(f, f->addrs.v[i].ifname);
		return l && l->kind ? strcmp(l->kind, "dummy") == 0 : strcmp(f->addrs.v[i].ifname, "kube-ipvs0") == 0;
	}
	return false;
}

/* The node itself sent it from a virtual address, and that is what it leaves with. */
static bool from_virtual_address(const struct walk *w, const struct state *st)
{
	return st->ipvs && st->from_node && !st->snat && st->src_known && is_on_dummy(w->node->facts, &st->src);
}

static enum way to_virtual_address(struct walk *w, const struct state *st, struct reason *ret)
{
	char a[IP_ADDR_STRLEN];

	switch (here(w, &st->dst, &ret->why)) {
	case TRI_TRUE:
		ret->why = "returns through this node: the endpoint is behind it";
		return WAY_HERE;
	case TRI_UNKNOWN:
		return WAY_UNKNOWN;
	default:
		ret->why = arena_printf(&w->out->arena, "it goes to %s, a virtual address that the endpoint's node takes for its own: the source was not rewritten",
					ip_addr_format(&st->src, a));
		return WAY_PAST;
	}
}

static enum way find_way(struct walk *w, const struct state *st, const struct nat_ending *e, struct reason *ret)
{
	*ret = (struct reason){ .why = "starts at this node" };
	if (e->delivery == DELIVERY_LOCAL)
		return WAY_HERE;
	if (from_virtual_address(w, st))
		return to_virtual_address(w, st, ret);
	ret->why = "it goes to a loopback address, which the endpoint takes for its own: the source was not rewritten";
	if (st->src_known && ip_addr_is_loopback(&st->src))
		return WAY_PAST;
	ret->why = "returns through this node: the source is one of its addresses";
	if (source_is_ours(w, st) == TRI_TRUE)
		return WAY_HERE;
	ret->why = "the client is the endpoint and gets a packet from its own address: the source was not rewritten";
	if (!st->snat && ip_addr_equal(&st->orig_src, &st->dst))
		return WAY_PAST;
	switch (here(w, &st->dst, &ret->why)) {
	case TRI_TRUE:
		return from_here(w, st, ret);
	case TRI_FALSE:
		return from_elsewhere(w, st, ret);
	default:
		return WAY_UNKNOWN;
	}
}

/* The reply to a masqueraded packet of IPVS is translated while it is bridged: may it leave by the port that it came in by? */
static enum tri reply_leaves_bridge(struct walk *w, const struct state *st, struct port_verdict *ret)
{
	if (!st->ipvs || !st->snat || st->from_node || !st->iif || !st->oif)
		return TRI_TRUE;
	return leaves_by_own_port(w, st, ret);
}

static void judge_translated(struct walk *w, const struct state *st, struct nat_ending *e)
{
	struct port_verdict v = { 0 };
	struct nat_by by = { .kind = BY_BRIDGE, .cause = "hairpin-mode" };
	struct reason r;
	enum way way = find_way(w, st, e, &r);

	if (way == WAY_HERE && e->delivery != DELIVERY_LOCAL) {
		enum tri leaves = reply_leaves_bridge(w, st, &v);

		if (leaves == TRI_UNKNOWN) {
			set_unknown(e, v.text);
			return;
		}
		if (leaves == TRI_FALSE) {
			by.text = v.text;
			by.cause = v.cause ? v.cause : by.cause;
			set_lost(w, e, &by, v.text);
			return;
		}
	}

	if (way == WAY_UNKNOWN)
		set_unknown(e, r.why);
	else if (way == WAY_PAST)
		set_lost(w, e, &r.by, r.why);
	else
		walk_back(w, st, way == WAY_SWITCHED, r.why, e);
}

/* Nothing to translate back: the reply may take any way, and where it takes this node's only what stops it counts. */
static void judge_untranslated(struct walk *w, const struct state *st, struct nat_ending *e)
{
	static const char any[] = "nothing is translated, so it may take any way";
	struct reason r;
	enum way way = find_way(w, st, e, &r);

	if (way == WAY_HERE) {
		walk_back(w, st, false, r.why, e);
		return;
	}
	walk_back(w, st, way == WAY_SWITCHED, any, e);
	if (way == WAY_PAST) {
		e->reply = TRI_TRUE;
		e->reply_why = any;
		e->reply_by = (struct nat_by){ 0 };
	} else if (way == WAY_UNKNOWN && e->reply == TRI_FALSE) {
		set_unknown(e, r.why);
	}
}

/* Route and tunnel: the server has the virtual address itself, and answers whoever sent the packet. */
static void judge_forwarded(const struct state *st, struct nat_ending *e)
{
	set_unknown(e, "not judged: IPVS sends it on as it is, and the source was rewritten");
	if (st->snat && !st->outer)
		return;
	e->reply = TRI_TRUE;
	e->reply_why = "the server answers the client itself: IPVS sends the packet on as it is";
}

void nat_reply(struct walk *w, const struct state *st, struct nat_ending *e)
{
	set_unknown(e, "not asked for");
	if (e->verdict != NAT_ACCEPT || e->delivery == DELIVERY_LOST) {
		e->reply_why = LOST_BEFORE;
		return;
	}
	if (!(w->flags & NAT_REPLY) || !check_port(w, st, e))
		return;
	if (st->zone_rule && (st->dnat || st->snat)) {
		set_unknown(e, "not judged: a rule puts the packet into another zone of conntrack, and which zone the reply is in is not followed");
		e->reply_by = nat_by_rule(st->zone_rule);
		return;
	}
	if (st->ipvs && st->ipvs->method != 'm' && e->delivery != DELIVERY_LOCAL)
		judge_forwarded(st, e);
	else if (st->dnat || st->snat || st->ipvs)
		judge_translated(w, st, e);
	else
		judge_untranslated(w, st, e);
	if (!e->reply_why)
		w->error = -ENOMEM;
}

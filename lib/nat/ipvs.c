/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPVS where the kernel puts it (ip_vs_ops4 and ip_vs_ops6 of net/netfilter/ipvs/ip_vs_core.c): replies are translated at 98 in
 * INPUT, -99 in OUTPUT and 100 in FORWARD; requests are taken at 99 in INPUT and -98 in OUTPUT. What it does to a request follows
 * ip_vs_schedule(), ip_vs_leave() and the transmitters of ip_vs_xmit.c. A packet is handled once (skb->ipvs_property).
 *
 * To conntrack it tells the server's address, without a DNAT status (ip_vs_update_conntrack()), so that rules of POSTROUTING can
 * still masquerade; with net.ipv4.vs.conntrack = 0 it takes the connection away.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>

#include "nat-private.h"

#define FTP_PORT 21
#define FTP_DATA_PORT 20
#define FIRST_FREE_PORT 1024 /* net.ipv4.ip_unprivileged_port_start, as it is by default */

/* What a scheduler can answer. */
struct choice {
	const struct rs_real_server *server; /* NULL: it finds none */
	double weight;
};

static bool sysctl_is(const struct walk *w, const char *name, const char *value)
{
	const char *v = node_sysctl(w->node->facts, name);

	return v && strcmp(v, value) == 0;
}

static const char NO_CONNTRACK[] = "net.ipv4.vs.conntrack is not known (sysctl.txt): it is taken as 1, as kube-proxy sets it";

static bool keeps_connections(struct walk *w)
{
	if (!node_sysctl(w->node->facts, "net.ipv4.vs.conntrack"))
		nat_assumed(w, NO_CONNTRACK);
	return !sysctl_is(w, "net.ipv4.vs.conntrack", "0");
}

int nat_ipvs_place(const struct state *st)
{
	switch (st->hook) {
	case HOOK_INPUT:
		return st->is_reply ? PRIO_NAT_SRC - 2 : PRIO_NAT_SRC - 1;
	case HOOK_OUTPUT:
		return st->is_reply ? PRIO_NAT_DST + 1 : PRIO_NAT_DST + 2;
	case HOOK_FORWARD:
		return PRIO_NAT_SRC;
	default:
		return INT_MAX;
	}
}

/* ---- which virtual server ---- */

/* ip_vs_service_find(): the mark, then the address and port, then FTP for its data connections, then every port. */
static const struct rs_virtual_server *find_server(const struct walk *w, const struct state *st)
{
	const struct ruleset *rs = w->node->rules;
	const struct rs_virtual_server *s = ruleset_find_mark_server(rs, st->dst.family, st->mark);

	if (!s)
		s = ruleset_find_server(rs, st->proto, &st->dst, st->dport);
	if (!s && st->proto == IPPROTO_TCP && rs->server_index.has_ftp && (st->dport == FTP_DATA_PORT || st->dport >= FIRST_FREE_PORT))
		s = ruleset_find_server(rs, st->proto, &st->dst, FTP_PORT);
	if (!s && rs->server_index.has_any_port)
		s = ruleset_find_server(rs, st->proto, &st->dst, 0);
	return s;
}

/* ---- schedulers ---- */

enum share {
	SHARE_EQUAL,	/* one after the other */
	SHARE_WEIGHT,	/* as often as the weights say */
	SHARE_MOST,	/* the one of the largest weight */
	SHARE_UNKNOWN,	/* connections decide, or chance among some */
	SHARE_HASH,	/* the address of client or service decides, and a server of weight 0 keeps its part of the table */
};

static enum share share_of(const struct rs_virtual_server *s)
{
	static const struct {
		const char *name;
		enum share share;
	} rows[] = { { "rr", SHARE_EQUAL }, { "wrr", SHARE_WEIGHT }, { "fo", SHARE_MOST }, { "sh", SHARE_HASH }, { "dh", SHARE_HASH },
		     { "mh", SHARE_HASH } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(s->scheduler, rows[i].name) == 0)
			return rows[i].share;
	return SHARE_UNKNOWN;
}

/* sh-fallback, mh-fallback: another server takes the part of one that is not available. */
static bool falls_back(const struct rs_virtual_server *s)
{
	return s->flags && strstr(s->flags, "fallback");
}

struct totals {
	size_t usable, most; /* most: servers of the largest weight */
	int largest;
	double sum;
};

static struct totals add_up(const struct rs_virtual_server *s)
{
	struct totals t = { 0 };

	for (size_t i = 0; i < s->nservers; i++) {
		int weight = s->servers[i].weight;

		if (weight <= 0)
			continue;
		t.usable++;
		t.sum += weight;
		if (weight > t.largest)
			t.most = 0;
		t.largest = MAX(t.largest, weight);
		t.most += weight == t.largest;
	}
	return t;
}

static double weight_of(const struct totals *t, enum share share, bool alone, int weight)
{
	switch (share) {
	case SHARE_EQUAL:
		return 1.0 / (double)t->usable;
	case SHARE_WEIGHT:
		return weight / t->sum;
	case SHARE_MOST:
		return t->most == 1 ? 1 : NAN;
	default:
		return alone ? 1 : NAN;
	}
}

/* All answers of the scheduler, at most one for each server and one more, into @ret. */
static size_t schedule(const struct rs_virtual_server *s, struct choice *ret)
{
	enum share share = share_of(s);
	struct totals t = add_up(s);
	bool refuses = share == SHARE_HASH && t.usable < s->nservers && !falls_back(s);
	size_t n = 0;

	for (size_t i = 0; i < s->nservers; i++) {
		const struct rs_real_server *r = &s->servers[i];

		if (r->weight > 0 && (share != SHARE_MOST || r->weight == t.largest))
			ret[n++] = (struct choice){ r, weight_of(&t, share, t.usable == 1 && !refuses, r->weight) };
	}
	if (n == 0 || refuses) {
		ret[n] = (struct choice){ NULL, n ? NAN : 1 };
		n++;
	}
	return n;
}

/* ---- the connection ---- */

static uint16_t server_port(const struct rs_virtual_server *s, const struct rs_real_server *r, uint16_t vport)
{
	/* Of a persistent one the port of a server stands for its own port only: ip_vs_sched_persist() */
	if (s->persistent && vport != s->port)
		return vport;
	return r->port ? r->port : vport;
}

static struct ipvs_conn *new_connection(struct walk *w, const struct state *st, const struct rs_virtual_server *s, const struct rs_real_server *r)
{
	struct ipvs_conn *c = arena_new(&w->out->arena, struct ipvs_conn);

	if (!c)
		return NULL;
	*c = (struct ipvs_conn){
		.server = s, .real = r, .method = r->method, .caddr = st->src, .vaddr = st->dst, .daddr = r->addr, .cport = st->sport, .vport = st->dport,
		.dport = r->method == 'm' ? server_port(s, r, st->dport) : st->dport, .tracked = keeps_connections(w),
		.one_packet = s->one_packet && st->proto == IPPROTO_UDP,
	};
	if (s->persistent && st->dport == s->port && s->port != FTP_PORT)
		c->control_port = st->dport;
	c->controlled = s->persistent != 0;
	return c;
}

static struct nat_by by_server(const struct rs_virtual_server *s)
{
	return (struct nat_by){ .kind = BY_IPVS, .server = s, .text = s->text };
}

/* ip_vs_notrack() */
static void leave_conntrack(struct state *st)
{
	if (nat_has_connection(st))
		st->notrack = true;
}

/* __ip_vs_get_out_rt() asks for a way to the server, whatever the packet's source and mark. True: the server is this node. */
static bool route_to_server(struct walk *w, struct state *st, const struct ipvs_conn *c)
{
	struct node_route_query q = { .dst = c->daddr };
	struct node_route_result r;

	node_route_lookup(w->node->facts, &q, &r);
	if (r.kind == NR_LOCAL || (r.kind == NR_UNKNOWN && node_is_local(w->node->facts, &c->daddr) == TRI_TRUE))
		return true;
	nat_take_route(w, st, &c->daddr, &r);
	return false;
}

/* crosses_local_route_boundary(), and the one check of ip_vs_nat_xmit() */
static void check_boundary(struct walk *w, struct state *st, const struct ipvs_conn *c, bool local)
{
	bool wire = !st->from_node;

	if (local && (c->method == 'r' || c->method == 't') && !nat_dst_is_local(w, st))
		nat_lose(w, st, BY_KERNEL, "martian", "martian: IPVS hands nothing to this node that it does not rewrite and whose destination is another's");
	if (local && wire && ip_addr_is_loopback(&c->daddr))
		nat_lose(w, st, BY_KERNEL, "martian", "martian: IPVS hands nothing that came from the wire to a loopback address");
	else if (!local && !wire && ip_addr_is_loopback(&st->src))
		nat_lose(w, st, BY_KERNEL, "martian", "martian: IPVS sends nothing that has a loopback address for its source to another host");
}

static void record_choice(struct walk *w, struct state *st, const struct ipvs_conn *c)
{
	struct nat_by by = by_server(c->server);
	struct nat_step *s = nat_record(w, st, EFFECT_DNAT, &by);

	if (!s)
		return;
	s->addr = c->daddr;
	s->port = c->dport;
	s->text = c->method == 'r' ? "sent on as it is" : c->method == 't' ? "sent on in a tunnel" : c->method == 'l' ? "for this node" : NULL;
}

static void record_way(struct walk *w, struct state *st)
{
	struct nat_step *s = nat_record(w, st, EFFECT_ROUTE, NULL);

	if (s) {
		s->device = st->oif;
		s->addr = st->gateway;
	}
}

/* A tunnel's packet is the node's own, and begins a connection of its own. */
static void wrap(struct walk *w, struct state *st, const struct ipvs_conn *c)
{
	struct ip_addr src = { 0 };
	bool known = st->oif && node_select_source(w->node->facts, st->oif, &c->daddr, &src) == TRI_TRUE;

	st->outer = true;
	st->src_known = known;
	if (known)
		st->src = src;
	st->orig_src = st->src;
	st->dst = st->orig_dst = c->daddr;
	st->proto = c->real->tunnel;
	st->sport = st->orig_sport = 0;
	st->dport = st->orig_dport = c->real->tunnel_port;
	st->dst_bound = st->src_bound = st->notrack = st->invalid = st->dnat = st->snat = false;
	st->ctmark = 0;
}

/* From the beginning, though conntrack and nat have seen it. */
static void enter_output(struct state *st)
{
	nat_enter_hook(st, HOOK_OUTPUT);
	st->tracked = !st->outer;
	st->dst_bound = !st->outer;
	st->reroute = st->has_next_oif = false;
}

/* Sends the packet to the server. */
static void transmit(struct walk *w, struct state *st, struct ipvs_conn *c)
{
	bool local = c->method == 'l' || route_to_server(w, st, c);

	record_choice(w, st, c);
	st->ipvs = c;
	st->ipvs_done = true;
	check_boundary(w, st, c, local);
	if (!c->tracked && (c->method != 't' || local))
		leave_conntrack(st);
	if (c->method == 'm') {
		st->translated = st->translated || !ip_addr_equal(&st->dst, &c->daddr) || st->dport != c->dport;
		st->dst = c->daddr;
		st->dport = c->dport;
	}
	if (local)
		return; /* it goes on where it is */
	if (c->method == 't')
		wrap(w, st, c);
	record_way(w, st);
	enter_output(st);
}

/* ---- requests ---- */

/* ip_vs_leave(): what becomes of a packet for which there is no server. 1: it has ended; 0: it goes on. */
static int refuse(struct walk *w, struct state *st, const struct rs_virtual_server *s)
{
	struct nat_by by = by_server(s);
	bool undecided = s->fwmark && sysctl_is(w, "net.ipv4.vs.cache_bypass", "1") && !nat_dst_is_local(w, st);
	int res;

	if (s->port == FTP_PORT && st->dport != FTP_PORT)
		return 0;
	if (undecided) {
		res = nat_end(w, st, NAT_UNDECIDED, &by, NULL);
		return res < 0 ? res : 1;
	}
	(void)nat_record(w, st, EFFECT_REJECT, &by);
	res = nat_end(w, st, NAT_REJECT, &by, st->dst.family == AF_INET6 ? "icmp6-port-unreachable" : "icmp-port-unreachable");
	return res < 0 ? res : 1;
}

/* One answer of the scheduler, in the state as it is. 1: the packet has ended. */
static int follow(struct walk *w, struct state *st, const struct rs_virtual_server *s, const struct choice *choice)
{
	struct ipvs_conn *c;

	st->weight *= choice->weight;
	if (!choice->server)
		return refuse(w, st, s);
	c = new_connection(w, st, s, choice->server);
	if (!c)
		return -ENOMEM;
	transmit(w, st, c);
	return 0;
}

static int follow_all(struct walk *w, struct state *st, const struct rs_virtual_server *s, const struct choice *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct state copy = *st;
		int res = follow(w, &copy, s, &v[i]);

		if (res == 0)
			res = nat_run(w, &copy);
		if (res < 0)
			return res;
	}
	return 1;
}

/* Only what would begin a connection is scheduled; others go on as they are. */
static bool is_scheduled(const struct state *st)
{
	return (st->proto == IPPROTO_TCP || st->proto == IPPROTO_UDP || st->proto == IPPROTO_SCTP) && st->sport != FTP_DATA_PORT;
}

static int take_request(struct walk *w, struct state *st)
{
	const struct rs_virtual_server *s = is_scheduled(st) ? find_server(w, st) : NULL;
	struct choice *v;
	size_t n;

	nat_tails_spoil(w);
	if (!s)
		return 0;
	/* One that serves other ports than its own needs persistence to know them together. */
	if (!s->persistent && !s->fwmark && st->dport != s->port)
		return refuse(w, st, s);
	v = arena_array(&w->out->arena, struct choice, s->nservers + 1);
	if (!v)
		return -ENOMEM;
	n = schedule(s, v);
	return n == 1 ? follow(w, st, s, &v[0]) : follow_all(w, st, s, v, n);
}

/* ---- replies ---- */

/* handle_response(): the server's address becomes the virtual one, and the way is looked up again as that of a packet from here. */
static void translate_reply(struct walk *w, struct state *st)
{
	const struct ipvs_conn *c = st->ipvs;

	if (c->method != 'm' || c->one_packet || st->dst_hidden || !ip_addr_equal(&st->src, &c->daddr) || st->sport != c->dport ||
	    !ip_addr_equal(&st->dst, &c->caddr) || st->dport != c->cport)
		return;
	st->src = c->vaddr;
	st->sport = c->vport;
	st->ipvs_done = true;
	if (!c->tracked)
		leave_conntrack(st);
	if (st->hook == HOOK_INPUT || st->switched || sysctl_is(w, "net.ipv4.vs.snat_reroute", "0"))
		return;
	nat_route_output(w, st, true);
}

/*
 * tcp_conn_schedule() takes a SYN with an ACK too, and udp_conn_schedule() anything: a virtual server for every port of the node's
 * address, or for a mark, takes the replies to the node's own connections. 1: the reply has ended.
 */
static int take_reply(struct walk *w, struct state *st)
{
	const struct rs_virtual_server *s = is_scheduled(st) && st->proto != IPPROTO_SCTP && !st->dst_hidden ? find_server(w, st) : NULL;
	struct nat_by by = { .kind = BY_IPVS, .server = s };
	enum nat_verdict v = NAT_DROP;
	int res;

	if (!s || (s->port == FTP_PORT && st->dport != FTP_PORT && !s->persistent))
		return 0;
	by.text = arena_printf(&w->out->arena, "%s takes it for a request", s->text);
	if (!by.text)
		return -ENOMEM;
	nat_tails_spoil(w);
	/* Sent on to the very address that it has it arrives all the same. */
	for (size_t i = 0; i < s->nservers && v == NAT_DROP; i++)
		if (ip_addr_equal(&s->servers[i].addr, &st->dst))
			v = NAT_UNDECIDED;
	res = nat_end(w, st, v, &by, NULL);
	return res < 0 ? res : 1;
}

/* ---- from the walk ---- */

/* The nat hook of OUTPUT finds that the connection's ends do not agree, and asks for the way again: nf_nat_ipv4_local_fn(). */
static void route_as_translated(struct walk *w, struct state *st)
{
	struct node_route_query q = { .src = st->src, .dst = st->dst, .mark = st->mark };
	struct node_route_result r;

	if (st->ipvs->method != 'm' || st->ipvs->one_packet || !w->node->has_nat[w->family_index] || !nat_has_connection(st) || !st->oif)
		return;
	node_route_lookup(w->node->facts, &q, &r);
	if (r.kind == NR_UNICAST && r.dev && strcmp(r.dev, st->oif) == 0 && ip_addr_equal(&r.gateway, &st->gateway))
		return;
	st->reroute = true;
	nat_route_again(w, st);
}

int nat_ipvs(struct walk *w, struct state *st)
{
	if (st->ipvs_asked || (w->node->rules->servers.len == 0 && !st->ipvs))
		return 0;
	st->ipvs_asked = true;
	st->tracked = true;
	if (st->is_reply) {
		if (st->ipvs && !st->ipvs_done)
			translate_reply(w, st);
		return st->ipvs_done || st->hook == HOOK_FORWARD ? 0 : take_reply(w, st);
	}
	if (!st->ipvs_done)
		return st->hook == HOOK_FORWARD ? 0 : take_request(w, st);
	if (st->hook == HOOK_OUTPUT && !st->outer)
		route_as_translated(w, st);
	return 0;
}

void nat_ipvs_ending(const struct state *st, struct nat_ending *e)
{
	e->ipvs = st->ipvs->server;
	e->server = st->ipvs->real;
	if (st->ipvs->method != 'm' && st->delivery != DELIVERY_LOCAL) {
		e->addr = st->ipvs->daddr;
		e->port = st->ipvs->dport;
	}
	if (st->outer) { /* what is in the tunnel comes out of it as it was */
		e->source = st->ipvs->caddr;
		e->masquerade = false;
	}
}

/* ---- -m ipvs ---- */

/* xt_ipvs.c looks for a connection of these very addresses: not of a reply, whose source is the virtual address by now. */
static bool is_found(const struct state *st)
{
	const struct ipvs_conn *c = st->ipvs;

	return c && !st->is_reply && !st->outer && !c->one_packet && c->method == 'm' && st->src_known && ip_addr_equal(&st->src, &c->caddr) &&
	       st->sport == c->cport && ip_addr_equal(&st->dst, &c->daddr) && st->dport == c->dport;
}

static bool answer(const struct state *st, const struct rs_ipvs *q, uint8_t what)
{
	const struct ipvs_conn *c = st->ipvs;

	switch (what) {
	case RS_IPVS_PROTO:
		return st->proto == q->proto;
	case RS_IPVS_ADDR:
		for (size_t i = 0; i < sizeof(q->addr.b); i++)
			if ((c->vaddr.b[i] & q->mask.b[i]) != q->addr.b[i])
				return false;
		return true;
	case RS_IPVS_PORT:
		return c->vport == q->port;
	case RS_IPVS_DIR:
		return !q->reply;
	case RS_IPVS_METHOD:
		return c->method == q->method;
	default:
		return c->controlled && c->control_port == q->portctl;
	}
}

enum tri nat_ipvs_match(const struct state *st, const struct rs_ipvs *q)
{
	if (q->asked == 0)
		return st->ipvs_done;
	if (!st->ipvs_done)
		return TRI_FALSE;
	/* How a connection is found that is not translated changed between kernels. */
	if (st->ipvs && st->ipvs->method != 'm' && !st->outer && !st->is_reply)
		return TRI_UNKNOWN;
	if (!is_found(st) || (q->asked & RS_IPVS_DIR && !nat_has_connection(st)))
		return TRI_FALSE;
	for (unsigned bit = 1; bit <= RS_IPVS_PORTCTL; bit <<= 1)
		if (q->asked & bit && answer(st, q, (uint8_t)bit) == ((q->negated & bit) != 0))
			return TRI_FALSE;
	return TRI_TRUE;
}

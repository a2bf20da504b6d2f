/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pods of a node and their packets: each pod asks a Service that it is an endpoint of, at its cluster IP, and so does a neighbour; of
 * the endings of these walks the one counts that is the pod itself.
 */
#include <errno.h>
#include <netinet/in.h>

#include "hairpin-private.h"

#define PODS_MAX 4096u /* of a node */
#define CLIENT_PORT 40000
#define BLAMED_MAX 32u /* Services of a node for which a missing rule is sought */

/* ---- which pods there are ---- */

static bool is_veth(const struct node_link *l)
{
	return !l->kind || strcmp(l->kind, "veth") == 0;
}

/* Something of the bridge leads to another machine: what is behind an unknown port of it may be anything. */
static bool has_other_ports(const struct node_facts *f, const struct node_link *bridge)
{
	for (size_t i = 0; i < f->links.len; i++)
		if (node_is_port_of(&f->links.v[i], bridge) && !is_veth(&f->links.v[i]))
			return true;
	return false;
}

bool hairpin_is_behind(const struct snap_node *n, const struct ip_addr *a, const char **ret_dev)
{
	const struct node_facts *f = &n->facts;
	struct node_route_query q = { .dst = *a };
	const struct node_link *l, *port;
	struct node_route_result way;

	if (!f->routes_known || ip_addr_is_loopback(a))
		return false;
	node_route_lookup(f, &q, &way);
	if (way.kind != NR_UNICAST || way.gateway.family || !way.dev || !way.route)
		return false;
	*ret_dev = way.dev;
	l = node_link_by_name(f, way.dev);
	if (!l || !node_is_bridge(f, l)) /* a link of its own */
		return way.route->dst.len == ip_addr_size(a) * 8 && (!l || is_veth(l));
	port = node_bridge_port(f, l, a);
	return port ? is_veth(port) : !has_other_ports(f, l);
}

static bool is_this_node(const struct hairpin_look *h, const char *name)
{
	return name && (strcmp(name, h->expect.name) == 0 || strcmp(name, h->snap->name) == 0);
}

static void attach(const struct hairpin_look *h, struct hairpin_pod *p)
{
	const struct node_facts *f = &h->snap->facts;
	struct node_route_query q = { .dst = p->addr };
	struct node_route_result way;
	const struct node_link *l;

	node_route_lookup(f, &q, &way);
	if (way.kind != NR_UNICAST || way.gateway.family || !way.dev)
		return;
	p->dev = way.dev;
	l = node_link_by_name(f, way.dev);
	if (!l || !node_is_bridge(f, l))
		return;
	p->bridge = l;
	p->port = node_bridge_port(f, l, &p->addr);
}

/* Each address once; the node's own, which pods of its network have too, are none. */
static int add_pod(struct hairpin_look *h, const struct ip_addr *a, const struct k8s_pod *pod)
{
	struct hairpin_report *out = h->out;
	struct hairpin_pod p = { .node = h->snap->name, .addr = *a, .masquerade = -1 };
	int r;

	if (!a->family || map_get(&h->pods, a, sizeof(*a)) || node_is_local(&h->snap->facts, a) == TRI_TRUE ||
	    out->pods.len - h->first_pod >= PODS_MAX)
		return 0;
	if (!pod)
		pod = map_get(&h->snapshot->cluster.pod_by_ip, a, sizeof(*a));
	if (pod) {
		p.name = arena_printf(&out->arena, "%s/%s", pod->meta.ns, pod->meta.name);
		if (!p.name)
			return -ENOMEM;
	}
	attach(h, &p);
	r = array_push(&out->pods, p);
	return r < 0 ? r : map_put(&h->pods, a, sizeof(*a), (void *)(out->pods.len - h->first_pod));
}

static bool is_over(const struct k8s_pod *p)
{
	return strcmp(p->phase, "Succeeded") == 0 || strcmp(p->phase, "Failed") == 0;
}

static int add_objects(struct hairpin_look *h)
{
	const struct k8s_cluster *c = &h->snapshot->cluster;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->pods.len; i++) {
		const struct k8s_pod *p = c->pods.v[i];

		if (p->host_network || is_over(p) || !is_this_node(h, p->node))
			continue;
		for (size_t k = 0; r == 0 && k < p->nips; k++)
			r = add_pod(h, &p->ips[k], p);
	}
	return r;
}

/* By the slice, by the pod; where neither says it, by the node's links. */
static bool is_endpoint_here(const struct hairpin_look *h, const struct expect_endpoint *e)
{
	const struct k8s_pod *pod = map_get(&h->snapshot->cluster.pod_by_ip, &e->addr, sizeof(e->addr));
	const char *dev;

	if (e->node)
		return is_this_node(h, e->node);
	if (pod && pod->node)
		return is_this_node(h, pod->node);
	return hairpin_is_behind(h->snap, &e->addr, &dev);
}

static int add_endpoints(struct hairpin_look *h)
{
	const struct k8s_cluster *c = &h->snapshot->cluster;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->services.len; i++) {
		struct expect_service s;

		r = expect_service(&h->arena, c, c->services.v[i], &h->expect, &s);
		if (r == 0 && s.nfrontends)
			r = array_push(&h->services, s);
		for (size_t k = 0; r == 0 && k < s.nports; k++)
			for (size_t j = 0; r == 0 && j < s.ports[k].nall; j++)
				if (is_endpoint_here(h, &s.ports[k].all[j]))
					r = add_pod(h, &s.ports[k].all[j].addr, NULL);
	}
	return r;
}

static bool is_link_local(const struct ip_addr *a)
{
	return a->family == AF_INET6 ? a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80 : a->b[0] == 169 && a->b[1] == 254;
}

/* Who is seen on a bridge or a link of its own, where nobody says which pods there are. */
static int add_neighbours(struct hairpin_look *h)
{
	const struct node_facts *f = &h->snap->facts;
	int r = 0;

	if (snapshot_has_all(h->snapshot, K8S_PODS, NULL))
		return 0;
	for (size_t i = 0; r == 0 && i < f->neigh.len; i++) {
		const struct node_neigh *n = &f->neigh.v[i];
		const char *dev;

		if (n->mac && n->dev && !is_link_local(&n->addr) && hairpin_is_behind(h->snap, &n->addr, &dev) &&
		    strcmp(dev, n->dev) == 0)
			r = add_pod(h, &n->addr, NULL);
	}
	return r;
}

static int pod_order(const void *a, const void *b)
{
	const struct hairpin_pod *x = a, *y = b;

	if (x->addr.family != y->addr.family)
		return x->addr.family == AF_INET ? -1 : 1;
	return memcmp(x->addr.b, y->addr.b, sizeof(x->addr.b));
}

int hairpin_find_pods(struct hairpin_look *h)
{
	struct hairpin_report *out = h->out;
	int r = add_objects(h);

	if (r == 0)
		r = add_endpoints(h);
	if (r == 0)
		r = add_neighbours(h);
	if (r < 0 || out->pods.len == h->first_pod)
		return r;
	qsort(&out->pods.v[h->first_pod], out->pods.len - h->first_pod, sizeof(out->pods.v[0]), pod_order);
	for (size_t i = h->first_pod; r == 0 && i < out->pods.len; i++)
		r = map_put(&h->pods, &out->pods.v[i].addr, sizeof(out->pods.v[i].addr), (void *)(i - h->first_pod + 1));
	return r;
}

/* ---- one packet ---- */

/* Pods of this node are here, whatever else is not known. */
static enum tri is_here(void *arg, const struct ip_addr *a, const char **ret_why)
{
	struct hairpin_look *h = arg;

	return map_get(&h->pods, a, sizeof(*a)) ? TRI_TRUE : verify_is_here(&h->place, a, ret_why);
}

/* What came of a walk, for one endpoint. */
struct outcome {
	struct hairpin_answer answer;
	int masquerade;
	const struct nat_by *by, *lost; /* by: a rule or policy; lost: a fault of the node */
	bool reply;			/* it is the reply that does not arrive */
	enum verify_kind kind;		/* of by */
};

static void say(struct outcome *o, enum hairpin_can can, const char *why)
{
	o->answer = (struct hairpin_answer){ can, why };
}

/* "rule 3 of FORWARD in table filter (legacy)" */
static const char *by_words(struct arena *a, const struct nat_by *by)
{
	const struct rs_chain *c = by->rule ? by->rule->chain : by->chain;
	const char *place;

	if (!c)
		return by->text ? by->text : "the kernel";
	place = arena_printf(a, "%s in table %s (%s)", c->name, c->table->name, rs_backend_name(c->table->backend));
	if (!place)
		return "a rule";
	place = by->kind == BY_POLICY ? arena_printf(a, "the policy of %s", place) : arena_printf(a, "rule %u of %s", by->rule ? by->rule->index : 0, place);
	return place ? place : "a rule";
}

static void no_reply(struct arena *a, const struct nat_ending *e, bool self, struct outcome *o)
{
	o->reply = true;
	say(o, HAIRPIN_NO, e->reply_why);
	o->kind = DIFF_REPLY_LOST;
	if (e->reply_by.cause)
		o->lost = &e->reply_by;
	else if (e->reply_by.kind != BY_NONE)
		o->by = &e->reply_by;
	if (self && !e->masquerade) {
		say(o, HAIRPIN_NO, arena_printf(a, "its packet to itself is not masqueraded: %s", e->reply_why));
		o->kind = DIFF_HAIRPIN;
	}
}

static void judge_ending(struct arena *a, const struct nat_ending *e, bool self, struct outcome *o)
{
	*o = (struct outcome){ .masquerade = e->verdict == NAT_ACCEPT ? e->masquerade : -1 };
	if (e->verdict == NAT_UNDECIDED) {
		say(o, HAIRPIN_UNKNOWN, arena_printf(a, "it depends on %s", by_words(a, &e->by)));
	} else if (e->verdict != NAT_ACCEPT) {
		o->by = &e->by;
		o->kind = e->verdict == NAT_DROP ? DIFF_DROPPED : DIFF_REJECTED;
		say(o, HAIRPIN_NO, arena_printf(a, "%s %s the packet", by_words(a, &e->by), e->verdict == NAT_DROP ? "drops" : "rejects"));
	} else if (e->delivery == DELIVERY_LOST) {
		o->lost = e->lost.cause ? &e->lost : NULL;
		say(o, HAIRPIN_NO, e->lost.text);
	} else if (e->reply == TRI_FALSE) {
		no_reply(a, e, self, o);
	} else {
		say(o, e->reply == TRI_TRUE ? HAIRPIN_YES : HAIRPIN_UNKNOWN, e->reply_why);
	}
	if (!o->answer.why)
		o->answer.why = "it is not told";
}

static bool stops(const struct nat_ending *e)
{
	return !e->translated && (e->verdict == NAT_DROP || e->verdict == NAT_REJECT);
}

/* The endings that lead to @to; where there are several, such as for what no dump decides, the worst one. False: none does. */
static bool find_outcome(struct arena *a, const struct nat_result *r, const struct ip_addr *to, bool self, struct outcome *ret)
{
	bool found = false;

	for (size_t i = 0; i < r->endings.len; i++) {
		const struct nat_ending *e = &r->endings.v[i];
		struct outcome o;

		if (e->translated ? !ip_addr_equal(&e->addr, to) : !stops(e))
			continue;
		judge_ending(a, e, self, &o);
		if (e->assumes && o.answer.can == HAIRPIN_NO)
			say(&o, HAIRPIN_UNKNOWN, arena_printf(a, "what no dump decides comes in, and it may be that %s", o.answer.why));
		if (!o.answer.why)
			o.answer.why = "it is not told";
		if (!found || o.answer.can < ret->answer.can)
			*ret = o;
		found = true;
	}
	return found;
}

/* ---- what is found ---- */

/* The first of @rules that is not there, of those that masquerade a packet from @to to itself. */
static void find_missing(struct hairpin_look *h, struct vnode *v, const struct expect_rules *rules, const struct hairpin_pod *to,
			 struct verify_difference *d)
{
	const int family = d->family;

	for (size_t i = 0; d->by.kind == BY_NONE && i < rules->v.len; i++) {
		const struct expect_rule *e = &rules->v.v[i];
		struct vfound found = { 0 };

		if ((e->role != ROLE_ENDPOINT_MASQ || !e->endpoint || !ip_addr_equal(&e->endpoint->addr, &to->addr)) && e->role != ROLE_MARK &&
		    e->role != ROLE_POSTROUTING)
			continue;
		vnode_look(v, &h->arena, family, e, &found);
		if (!found.present && !e->optional)
			verify_by_expected(&h->out->found.arena, h->snap->name, v->backend[family == AF_INET6], family, e, &d->by);
	}
}

/* Which rule is missing: the endpoint's own, or one of those that all Services share. */
static int blame_masquerade(struct hairpin_look *h, const struct expect_frontend *f, const struct hairpin_pod *to, struct verify_difference *d)
{
	const struct expect_service *s = NULL;
	struct expect_rules own = { 0 };
	const struct expect_rules *common;
	struct vnode v;
	int r = vnode_init(&v, h->snapshot, h->snap);

	for (size_t i = 0; i < h->services.len; i++)
		if (h->services.v[i].service == f->port->service)
			s = &h->services.v[i];
	if (r == 0 && s)
		r = expect_port_rules(&v.arena, &h->expect, s, f->port, &own);
	common = r == 0 ? vnode_common(&v, d->family) : NULL;
	if (common) {
		find_missing(h, &v, &own, to, d);
		find_missing(h, &v, common, to, d);
	}
	r = common ? 0 : -ENOMEM;
	array_free(&own.v);
	vnode_release(&v);
	return r;
}

static int add_difference(struct hairpin_look *h, const struct expect_frontend *f, const struct hairpin_pod *src, const struct hairpin_pod *to,
			  const struct outcome *o)
{
	struct verify_report *v = &h->out->found;
	struct verify_difference d = { .kind = o->kind, .severity = VERIFY_ERROR, .node = h->snap->name, .service = f->port->service,
				       .port = f->port->port, .frontend_kind = f->kind, .family = f->port->family, .class_from = "hairpin",
				       .example = src->addr, .endpoint = to->addr, .sources = "pods of this node" };
	const struct rs_chain *c = o->by ? o->by->rule ? o->by->rule->chain : o->by->chain : NULL;
	char addr[IP_ADDR_STRLEN];

	if (o->by)
		verify_by_from_nat(&v->arena, h->snap->name, o->by, &d.by);
	else if (o->kind == DIFF_HAIRPIN && h->blamed++ < BLAMED_MAX && blame_masquerade(h, f, to, &d) < 0)
		return -ENOMEM;
	if (o->by)
		d.foreign = o->by->kind == BY_POLICY || (c && !is_proxy_chain(c));
	d.interface = src->dev && to->dev && strcmp(src->dev, to->dev) == 0 ? src->dev : NULL;
	d.frontend = frontend_name(&v->arena, f);
	d.text = arena_printf(&v->arena, "%s asked by %s %s: %s", d.frontend ? d.frontend : "", src == to ? "the pod behind it," : "a neighbour of",
			      to->name ? to->name : ip_addr_format(&to->addr, addr), o->answer.why);
	return d.frontend && d.text ? array_push(&v->differences, d) : -ENOMEM;
}

static int note(struct hairpin_look *h, const struct expect_frontend *f, const struct hairpin_pod *src, const struct hairpin_pod *to,
		const struct outcome *o)
{
	if (o->answer.can != HAIRPIN_NO)
		return 0;
	if (o->lost)
		return report_broken(&h->out->found, h->snap->name, f->port->service, o->lost, o->reply);
	return o->by || o->kind == DIFF_HAIRPIN ? add_difference(h, f, src, to, o) : 0;
}

/* The rules pass its packets by: nothing is translated, whatever else may become of them. */
static bool is_passed_by(const struct nat_result *r)
{
	for (size_t i = 0; i < r->endings.len; i++)
		if (r->endings.v[i].translated || r->endings.v[i].ipvs || r->endings.v[i].verdict == NAT_UNDECIDED)
			return false;
	return r->endings.len > 0;
}

/* 1: what leads to @to was found, and judged into @ret; 0: nothing leads there, and @ret is set where nothing leads anywhere. */
static int ask(struct hairpin_look *h, struct nat_result *result, const struct expect_frontend *f, const struct hairpin_pod *src,
	       const struct hairpin_pod *to, struct hairpin_answer *ret, int *ret_masquerade)
{
	const struct nat_packet p = { .src = src->addr, .dst = f->addr, .proto = f->proto, .sport = CLIENT_PORT, .dport = f->number,
				      .iif = src->dev };
	const struct nat_options o = { .flags = NAT_REPLY | NAT_NO_PATH, .here = is_here, .here_arg = h };
	struct outcome out = { 0 };
	int r;

	nat_result_reset(result);
	r = nat_walk(&h->nat, &p, &o, result);
	if (r < 0)
		return r;
	h->out->found.walks++;
	if (!find_outcome(&h->out->arena, result, &to->addr, src == to, &out)) {
		if (!is_passed_by(result))
			return 0;
		ret->can = HAIRPIN_UNKNOWN;
		ret->why = arena_printf(&h->out->arena, "the rules of this node translate nothing that its pods send to %s (svcdoctor verify)",
					frontend_name(&h->out->arena, f));
		return ret->why ? 0 : -ENOMEM;
	}
	*ret_masquerade = out.masquerade;
	ret->can = out.answer.can;
	ret->why = arena_strdup(&h->out->arena, out.answer.why);
	r = note(h, f, src, to, &out);
	return r < 0 || !ret->why ? -ENOMEM : 1;
}

/* Another pod of its bridge, at another port of it where that is known; for a link of its own any other pod of the node. */
static const struct hairpin_pod *neighbour_of(const struct hairpin_look *h, const struct hairpin_pod *p)
{
	const struct hairpin_report *out = h->out;

	for (size_t i = h->first_pod; i < out->pods.len; i++) {
		const struct hairpin_pod *q = &out->pods.v[i];

		if (q == p || q->addr.family != p->addr.family || q->bridge != p->bridge || (p->bridge && p->port && p->port == q->port) ||
		    (p->name && q->name && strcmp(p->name, q->name) == 0))
			continue;
		return q;
	}
	return NULL;
}

static int ask_pod(struct hairpin_look *h, struct nat_result *result, struct hairpin_pod *p, const struct hairpin_front *fronts)
{
	const struct hairpin_pod *n = neighbour_of(h, p);
	int r = 0, unused;

	for (unsigned i = 0; r == 0 && i < fronts->n; i++) {
		const struct expect_frontend *f = fronts->v[i];

		r = ask(h, result, f, p, p, &p->self, &p->masquerade);
		if (r != 1)
			continue;
		p->service = f->port->service;
		p->frontend = frontend_name(&h->out->arena, f);
		if (n) {
			p->from = n->addr;
			r = ask(h, result, f, n, p, &p->neighbour, &unused);
		}
		return r < 0 || !p->frontend ? -ENOMEM : 0;
	}
	return MIN(r, 0);
}

/* ---- which Service a pod is asked through ---- */

static void offer(const struct hairpin_look *h, const struct expect_frontend *f)
{
	for (size_t i = 0; i < f->port->nall; i++) {
		const struct expect_endpoint *e = &f->port->all[i];
		size_t at = (size_t)map_get(&h->pods, &e->addr, sizeof(e->addr));
		struct hairpin_front *to = at ? &h->fronts.v[at - 1] : NULL;

		if (to && to->n < HAIRPIN_FRONTS && (e->ready || e->serving))
			to->v[to->n++] = f;
	}
}

int hairpin_ask_pods(struct hairpin_look *h)
{
	struct hairpin_report *out = h->out;
	struct nat_result result CLEANUP(nat_result_release);
	int r = 0;

	nat_result_init(&result);
	for (size_t i = h->first_pod; r == 0 && i < out->pods.len; i++)
		r = array_push(&h->fronts, (struct hairpin_front){ .n = 0 });
	for (size_t i = 0; r == 0 && i < h->services.len; i++)
		for (size_t k = 0; k < h->services.v[i].nfrontends; k++)
			if (h->services.v[i].frontends[k].kind == EXPECT_CLUSTER_IP)
				offer(h, &h->services.v[i].frontends[k]);
	for (size_t i = h->first_pod; r == 0 && i < out->pods.len; i++)
		r = ask_pod(h, &result, &out->pods.v[i], &h->fronts.v[i - h->first_pod]);
	return r;
}

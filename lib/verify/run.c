/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every node, every frontend, every source: the loop of verify. A first walk without paths decides; only where it
 * finds a difference is the packet walked again with its path, for the blame. Sources grow while walking: each source
 * condition that a packet meets adds the addresses on its two sides.
 */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>

#include "verify-private.h"

#define SOURCES_MAX 1024u
#define NODE_ADDRESSES_MAX 64u
#define SOURCE_PORT 40000

struct run {
	const struct snapshot *snapshot;
	struct verify_report *out;
	const struct endpoint_index *index;
	struct vnode *v;
	struct verify_place place;
	struct nat_result walk, explained;
	struct judgement judgement;
	/* of the port at hand */
	struct arena scratch;
	struct vsources sources;
	struct map seen_conds; /* struct rs_cond * by pointer */
	ARRAY_OF(const struct rs_cond *) asked;
	int error;
	const struct expect_service *service;
	struct expect_rules port_rules;
	struct map port_rules_set;
	size_t outside_tried; /* of them, outside the cluster and to be served */
	bool asked_recent;    /* some packet to the frontend at hand met a recent list */
	size_t asked_about;   /* sources of the frontend at hand that can start here */
	bool objects_damaged; /* some Services or EndpointSlices could not be read */
	bool port_rules_built;
};

static void asked_source(void *arg, const struct rs_cond *c, const struct rs_rule *r)
{
	struct run *x = arg;

	(void)r;
	if (array_push(&x->asked, c) < 0)
		x->error = -ENOMEM;
}

/* The conditions of the last walk give new sources; each is taken once for a port. */
static int take_asked(struct run *x, int family)
{
	for (size_t i = 0; i < x->asked.len; i++) {
		const struct rs_cond *c = x->asked.v[i], **key;
		int r;

		if (map_get(&x->seen_conds, &c, sizeof(c)))
			continue;
		key = arena_new(&x->scratch, const struct rs_cond *);
		if (!key)
			return -ENOMEM;
		*key = c;
		r = map_put(&x->seen_conds, key, sizeof(*key), key);
		if (r == 0)
			r = vsources_from_cond(x->v, &x->scratch, &x->sources, c, family);
		if (r < 0)
			return r;
	}
	x->asked.len = 0;
	return x->error;
}

static void make_packet(const struct vsource *s, const struct expect_frontend *f, const struct ip_addr *dst, struct nat_packet *p)
{
	*p = (struct nat_packet){
		.src = s->addr, .dst = *dst, .proto = f->proto, .sport = SOURCE_PORT, .dport = f->number, .iif = s->iif,
		.from_node = s->kind == SOURCE_NODE || s->kind == SOURCE_LOOPBACK,
	};
}

/* Every source that was rewritten without need (a client that is its own endpoint needs it), was so by somebody else's rule. */
static bool rewritten_by_others(const struct nat_result *r, const struct ip_addr *src)
{
	for (size_t i = 0; i < r->endings.len; i++) {
		const struct nat_step *s = r->endings.v[i].path;

		if (ip_addr_equal(&r->endings.v[i].addr, src))
			continue;
		while (s && s->effect != EFFECT_SNAT)
			s = s->prev;
		if (s && s->by.chain && is_proxy_chain(s->by.chain->name))
			return false;
	}
	return true;
}

/* ---- delivery ---- */

static int add_service(struct verify_broken *b, const struct k8s_service *s)
{
	/* Services come one after the other: the last one is enough to look at. */
	if (b->list.len && b->list.v[b->list.len - 1] == s)
		return 0;
	b->services++;
	return array_push(&b->list, s);
}

static int note_broken(struct run *x, const struct expect_frontend *f, const struct nat_by *lost, bool reply)
{
	struct verify_report *out = x->out;
	struct verify_broken b = { .node = x->v->snap->name, .cause = lost->cause };
	const struct k8s_service *s = f->port->service;
	int r;

	for (size_t i = 0; i < out->broken.len; i++)
		if (strcmp(out->broken.v[i].node, b.node) == 0 && strcmp(out->broken.v[i].cause, b.cause) == 0)
			return add_service(&out->broken.v[i], s);
	verify_by_from_nat(&out->arena, b.node, lost, &b.by);
	b.first = arena_printf(&out->arena, "%s/%s", s->meta.ns, s->meta.name);
	b.text = arena_printf(&out->arena, reply ? "node %s loses replies: %s" : "node %s does not deliver: %s", b.node, lost->text);
	r = b.first && b.text ? add_service(&b, s) : -ENOMEM;
	if (r == 0)
		r = array_push(&out->broken, b);
	if (r < 0)
		array_free(&b.list);
	return r;
}

/* Once for each node. */
static int add_assumed(struct run *x, const char *t)
{
	const char *text;

	for (size_t i = 0; i < x->out->assumed.len; i++)
		if (str_starts(x->out->assumed.v[i], x->v->snap->name) && str_ends(x->out->assumed.v[i], t))
			return 0;
	text = arena_printf(&x->out->arena, "%s: %s", x->v->snap->name, t);
	return text ? array_push(&x->out->assumed, text) : -ENOMEM;
}

/* What is not known of replies, once for each reason. */
static int note_unjudged(struct run *x, const char *why)
{
	static const char said[] = "not judged: ";
	const char *t = arena_printf(&x->scratch, "not every reply is judged: %s", why + (str_starts(why, said) ? sizeof(said) - 1 : 0));

	return t ? add_assumed(x, t) : -ENOMEM;
}

/* An outside address to which no route leads is no client here: it was only an example. */
static bool reply_is_broken(const struct nat_ending *e, const struct vsource *s)
{
	return e->reply == TRI_FALSE && e->reply_by.cause && !(s->kind == SOURCE_OUTSIDE && strcmp(e->reply_by.cause, "no-route") == 0);
}

static int note_losses(struct run *x, const struct expect_frontend *f, const struct expect_answer *a, const struct vsource *s)
{
	if (a->verdict != EXPECT_TRANSLATE && a->verdict != EXPECT_ACCEPT)
		return 0;
	for (size_t i = 0; i < x->walk.endings.len; i++) {
		const struct nat_ending *e = &x->walk.endings.v[i];
		int r = 0;

		if (e->verdict == NAT_ACCEPT && e->delivery == DELIVERY_LOST && e->lost.cause)
			r = note_broken(x, f, &e->lost, false);
		else if (e->verdict == NAT_ACCEPT && reply_is_broken(e, s))
			r = note_broken(x, f, &e->reply_by, true);
		else if (e->verdict == NAT_ACCEPT && e->reply == TRI_UNKNOWN && e->delivery != DELIVERY_LOST && e->reply_by.kind == BY_NONE)
			r = note_unjudged(x, e->reply_why);
		if (r < 0)
			return r;
	}
	return 0;
}

static int note_assumed(struct run *x)
{
	int r = 0;

	for (size_t i = 0; i < x->walk.assumed.len && r == 0; i++)
		r = add_assumed(x, x->walk.assumed.v[i]);
	return r;
}

/* ---- one frontend ---- */

static int build_port_rules(struct run *x, const struct expect_port *p)
{
	int r;

	if (x->port_rules_built)
		return 0;
	r = expect_port_rules(&x->scratch, &x->v->expect, x->service, p, &x->port_rules);

	x->port_rules_built = true;
	return r < 0 ? r : expect_set(&x->scratch, &x->port_rules, &x->port_rules_set);
}

/* With its path this time. */
static int walk_again(struct run *x, const struct nat_packet *p)
{
	struct nat_options o = { .flags = NAT_REPLY, .here = verify_is_here, .here_arg = &x->place };

	nat_result_reset(&x->explained);
	return nat_walk(&x->v->nat, p, &o, &x->explained);
}

/* Walks again with the path and asks whose fault each difference is. */
static int explain_differences(struct run *x, struct open_list *l, const struct expect_frontend *f, const struct vsource *s,
			       const struct ip_addr *dst, const struct expect_answer *answer)
{
	const struct blame_context b = { x->v, &x->out->arena, &x->scratch, f, &x->port_rules, &x->port_rules_set, s, answer,
					 &x->explained };
	struct nat_packet p;
	int r;

	make_packet(s, f, dst, &p);
	r = walk_again(x, &p);
	if (r == 0)
		r = build_port_rules(x, f->port);
	if (r == 0)
		r = judge(answer, f, &s->addr, &x->v->snap->facts, &x->explained, x->index, &x->judgement);
	for (size_t i = 0; r == 0 && i < x->judgement.found.len; i++) {
		struct found_difference d = x->judgement.found.v[i];

		r = difference_open(l, &b, &d, dst);
	}
	return r;
}

static int note_undecided(struct run *x, const struct expect_frontend *f, const struct vsource *s)
{
	struct verify_undecided u = {
		.node = x->v->snap->name, .service = f->port->service, .port = f->port->port,
		.class_from = source_class(s), .example = s->addr,
	};
	struct verify_report *out = x->out;

	u.frontend = frontend_name(&out->arena, f);
	if (!u.frontend)
		return -ENOMEM;
	verify_by_from_nat(&out->arena, u.node, &x->judgement.undecided_by, &u.by);
	for (size_t i = out->undecided.len; i-- > 0;) {
		const struct verify_undecided *o = &out->undecided.v[i];

		if (o->service != u.service || o->node != u.node)
			break;
		if (o->port == u.port && strcmp(o->frontend, u.frontend) == 0 && strcmp(o->class_from, u.class_from) == 0 &&
		    same_by(&o->by, &u.by))
			return 0;
	}
	u.text = arena_printf(&out->arena, u.by.rule || u.by.kind == BY_POLICY ? "what becomes of %s depends on a rule that a dump does not decide: %s" :
			      "what becomes of %s is not decided: %s", u.frontend, u.by.text ? u.by.text : "");
	return u.text ? array_push(&out->undecided, u) : -ENOMEM;
}

/*
 * The ClusterIP is an address of the node itself, and what comes for it is kept out of connection tracking or delivered
 * here as it is: a node-local cache answers, not kube-proxy's endpoints.
 */
static bool answered_here(const struct run *x, const struct expect_frontend *f, const struct ip_addr *dst)
{
	if (f->kind != EXPECT_CLUSTER_IP || node_is_local(&x->v->snap->facts, dst) != TRI_TRUE)
		return false;
	for (size_t i = 0; i < x->walk.endings.len; i++)
		if (x->walk.endings.v[i].translated || x->walk.endings.v[i].delivery != DELIVERY_LOCAL)
			return false;
	return true;
}

static int note_answered_here(struct run *x, const struct ip_addr *dst)
{
	char a[IP_ADDR_STRLEN];
	const char *t = arena_printf(&x->scratch, "%s is an address of the node itself: what answers there (a node-local cache?) is "
				     "not kube-proxy's", ip_addr_format(dst, a));

	return t ? add_assumed(x, t) : -ENOMEM;
}

static int judge_source(struct run *x, struct open_list *l, const struct expect_frontend *f, const struct vsource *s,
			const struct ip_addr *dst, struct verify_frontend *front)
{
	struct nat_options o = { .flags = NAT_NO_PATH | NAT_REPLY, .asked_source = asked_source, .arg = x,
				 .here = verify_is_here, .here_arg = &x->place };
	struct expect_answer answer;
	struct nat_packet p;
	int r;

	expect_answer(&x->v->expect, f, s->kind, &s->addr, dst, &answer);
	x->asked_about++;
	if (answer.verdict == EXPECT_NOTHING)
		return 0;
	x->outside_tried += s->kind == SOURCE_OUTSIDE;
	make_packet(s, f, dst, &p);
	nat_result_reset(&x->walk);
	r = nat_walk(&x->v->nat, &p, &o, &x->walk);
	x->out->walks++;
	x->asked_recent = x->asked_recent || x->walk.asked_recent;
	if (r == 0)
		r = take_asked(x, f->port->family);
	if (r == 0)
		r = note_assumed(x);
	if (r == 0)
		r = judge(&answer, f, &s->addr, &x->v->snap->facts, &x->walk, x->index, &x->judgement);
	if (r < 0 || !x->judgement.judged)
		return r;
	if (front->state == FRONTEND_NOT_JUDGED)
		front->state = FRONTEND_OK;
	front->refused_as_expected = answer.verdict == EXPECT_REJECT || answer.verdict == EXPECT_DROP;
	if (answer.verdict == EXPECT_TRANSLATE)
		front->endpoints = MAX(front->endpoints, answer.nendpoints);
	r = note_losses(x, f, &answer, s);
	if (r == 0 && x->judgement.masquerade_only && may_be_rewritten(f, s)) {
		struct nat_by by = x->judgement.undecided_by;

		r = walk_again(x, &p);
		if (r == 0 && rewritten_by_others(&x->explained, &s->addr))
			return 0;
		x->judgement.undecided = true;
		x->judgement.undecided_by = by;
	}
	if (r == 0 && x->judgement.undecided) {
		if (front->state == FRONTEND_OK)
			front->state = FRONTEND_UNDECIDED;
		return note_undecided(x, f, s);
	}
	if (r < 0 || x->judgement.found.len == 0)
		return r;
	if (answered_here(x, f, dst))
		return note_answered_here(x, dst);
	if (x->v->damaged[f->port->family == AF_INET6] || x->objects_damaged) {
		/* What is missing may stand in the part that could not be read. */
		x->judgement.undecided_by = (struct nat_by){ .kind = BY_KERNEL, .text = x->objects_damaged ?
			"a part of the cluster's Services or EndpointSlices could not be read" : "a part of this node's dump could not be read" };
		front->state = FRONTEND_UNDECIDED;
		return note_undecided(x, f, s);
	}
	return explain_differences(x, l, f, s, dst, &answer);
}

static int judge_address(struct run *x, struct open_list *l, const struct expect_frontend *f, const struct ip_addr *dst,
			 struct verify_frontend *front)
{
	for (size_t i = 0; i < x->sources.v.len; i++) {
		struct vsource s = x->sources.v.v[i];
		int r;

		if (i >= SOURCES_MAX) {
			front->state = FRONTEND_UNDECIDED;
			x->judgement.undecided_by = (struct nat_by){ .kind = BY_SET, .text = "more than 1024 kinds of sources" };
			return note_undecided(x, f, &s);
		}
		if (!source_can_reach(&s, f, dst))
			continue;
		r = judge_source(x, l, f, &s, dst, front);
		if (r < 0)
			return r;
	}
	return 0;
}

static int skip(struct verify_report *out, const char *node, const char *code, const char *what, const char *reason, const char *needs)
{
	struct verify_skipped s = { node, code, reason, needs, what };

	for (size_t i = 0; i < out->skipped.len; i++)
		if (strcmp(out->skipped.v[i].node, node) == 0 && strcmp(out->skipped.v[i].what, what) == 0 &&
		    strcmp(out->skipped.v[i].reason, reason) == 0)
			return 0;
	return array_push(&out->skipped, s);
}

/* What must be true depends on which endpoints are on this node, or near it. */
static bool asks_where(const struct expect_frontend *f)
{
	const struct k8s_service *s = f->port->service;

	for (size_t i = 0; i < f->port->nall; i++)
		if (f->port->all[i].object && (f->port->all[i].object->nzone_hints || f->port->all[i].object->nnode_hints))
			return true;
	return f->kind == EXPECT_CLUSTER_IP ? s->internal_local : s->external_local;
}

/*
 * Session affinity shows only in the second connection, so the rules themselves are compared, by their names: where every
 * first packet goes where it must, is the client looked up as the Service asks, and nobody else's?
 */
static int judge_affinity(struct run *x, struct open_list *l, const struct expect_frontend *f)
{
	struct found_difference d = { .kind = DIFF_WRONG_AFFINITY, .ending = SIZE_MAX };
	struct expect_answer a = { .verdict = EXPECT_NOTHING };
	const struct vsource *s = NULL;
	struct verify_by by;
	struct nat_packet p;
	bool foreign;
	int r;

	if (f->kind != EXPECT_CLUSTER_IP || l->v.len || !(x->asked_recent || f->port->service->affinity_client_ip) ||
	    !x->v->has_chains[f->port->family == AF_INET6])
		return 0;
	for (size_t i = 0; i < x->sources.v.len && a.verdict != EXPECT_TRANSLATE; i++) {
		s = &x->sources.v.v[i];
		if (source_can_reach(s, f, &f->addr))
			expect_answer(&x->v->expect, f, s->kind, &s->addr, &f->addr, &a);
	}
	r = a.verdict == EXPECT_TRANSLATE ? build_port_rules(x, f->port) : 0;
	if (r < 0 || a.verdict != EXPECT_TRANSLATE)
		return r;
	struct blame_context b = { x->v, &x->out->arena, &x->scratch, f, &x->port_rules, &x->port_rules_set, s, &a, &x->explained };

	make_packet(s, f, &f->addr, &p);
	r = walk_again(x, &p);
	if (r == 0)
		r = blame(&b, &d, &by, &foreign);
	return r < 0 || by.kind == BY_NONE ? r : difference_open(l, &b, &d, &f->addr);
}

static int run_frontend(struct run *x, const struct expect_frontend *f)
{
	static const struct vsource anybody = { .kind = SOURCE_OUTSIDE, .words = "anybody" };
	CLEANUP(open_list_release) struct open_list l = { 0 };
	struct verify_report *out = x->out;
	struct verify_frontend front = {
		.node = x->v->snap->name, .service = f->port->service, .port = f->port->port, .kind = f->kind,
		.state = FRONTEND_NOT_JUDGED,
	};
	size_t n = f->addr.family ? 1 : MIN(f->naddrs, (size_t)NODE_ADDRESSES_MAX);
	int r = 0;

	front.frontend = frontend_name(&out->arena, f);
	if (!front.frontend)
		return -ENOMEM;
	if (x->v->nameless && asks_where(f)) {
		front.state = FRONTEND_UNDECIDED;
		out->frontends++;
		x->judgement.undecided_by = (struct nat_by){ .kind = BY_KERNEL, .text = "which endpoints are on this node: no object of the "
							     "cluster knows a node of this name (name the bundle's folder after the node)" };
		r = note_undecided(x, f, &anybody);
		return r < 0 ? r : array_push(&out->fronts, front);
	}
	x->asked_about = x->outside_tried = 0;
	x->asked_recent = false;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = judge_address(x, &l, f, f->addr.family ? &f->addr : &f->addrs[i], &front);
	if (r == 0 && front.state == FRONTEND_OK)
		r = judge_affinity(x, &l, f);
	if (r < 0)
		return r;
	if (f->naddrs > n && !f->addr.family)
		r = skip(out, front.node, "late", "node-port-addresses", "only the first 64 addresses of the node were tried", "");
	if (n == 0)
		r = skip(out, front.node, "not-collected", "node-ports", "the node's addresses are not known",
			 "ip-addr.json or the Node object");
	if (r == 0)
		r = difference_close(&l, out, x->v->expect.minor, x->outside_tried);
	if (l.v.len)
		front.state = FRONTEND_DIFFERS;
	if (r == 0 && n > 0 && x->asked_about == 0) {
		front.state = FRONTEND_UNDECIDED;
		x->judgement.undecided_by = (struct nat_by){ .kind = BY_KERNEL, .text = "no client is known that can start at this node" };
		r = note_undecided(x, f, &anybody);
	}
	out->frontends++;
	if (front.state != FRONTEND_UNDECIDED && n > 0)
		out->decided++;
	return r < 0 ? r : array_push(&out->fronts, front);
}

static void forget_port(struct run *x)
{
	vsources_release(&x->sources);
	x->sources = (struct vsources){ 0 };
	map_release(&x->seen_conds);
	x->asked.len = 0;
	array_free(&x->port_rules.v);
	map_release(&x->port_rules_set);
	x->port_rules_built = false;
}

static int run_service(struct run *x, const struct k8s_service *s)
{
	struct expect_service es = { 0 };
	int r = expect_service(&x->scratch, &x->snapshot->cluster, s, &x->v->expect, &es);

	x->service = &es;
	for (size_t i = 0; r == 0 && i < es.nports; i++) {
		const char *unknown = x->v->unknown_rules[es.ports[i].family == AF_INET6];

		if (unknown) {
			r = skip(x->out, x->v->snap->name, "not-collected", "rules", unknown,
				 es.ports[i].family == AF_INET6 ? "ip6tables-save of both backends" : "iptables-save of both backends");
			continue;
		}
		r = vsources_fixed(x->v, &x->scratch, &x->sources, &es.ports[i]);
		for (size_t k = 0; r == 0 && k < es.nfrontends; k++)
			if (es.frontends[k].port == &es.ports[i])
				r = run_frontend(x, &es.frontends[k]);
		forget_port(x);
	}
	x->service = NULL;
	arena_reset(&x->scratch);
	return r;
}

/* ---- nodes ---- */

static int run_node(struct run *x, const struct snap_node *n, const struct verify_options *o)
{
	const struct k8s_cluster *c = &x->snapshot->cluster;
	size_t count = o->services ? o->nservices : c->services.len;
	struct vnode v = { 0 };
	int r = vnode_init(&v, x->snapshot, n);

	x->v = &v;
	verify_place_init(&x->place, x->snapshot, n, &v.expect);
	if (r == 0 && x->snapshot->services_from_rules)
		r = skip(x->out, n->name, "not-collected", "endpoints", "Services and endpoints are what the rules and their comments say; "
			 "whether they are the right ones was not checked",
			 "kubectl get svc,endpointslices,pods,nodes -A -o json > cluster.json");
	if (r == 0 && !v.expect.config->known)
		r = skip(x->out, n->name, "not-collected", "masquerade", "kube-proxy's configuration is not known, so the rewriting of "
			 "sources is not compared", "kube-proxy-configz.json or the ConfigMap kube-system/kube-proxy");
	if (r == 0 && n->dumps[DUMP_NFT_JSON] == UNSUPPORTED)
		r = skip(x->out, n->name, "unsupported", "nftables", "nft-ruleset.json holds native nftables rules, which this version does "
			 "not follow", "");
	for (size_t i = 0; r == 0 && i < count; i++)
		r = run_service(x, o->services ? o->services[i] : c->services.v[i]);
	verify_place_release(&x->place);
	vnode_release(&v);
	return r;
}

static int cmp_difference(const void *pa, const void *pb)
{
	const struct verify_difference *a = pa, *b = pb;
	int c = strcmp(a->node, b->node);

	if (c == 0)
		c = strcmp(a->service->meta.ns, b->service->meta.ns);
	if (c == 0)
		c = strcmp(a->service->meta.name, b->service->meta.name);
	if (c == 0)
		c = (a->port > b->port) - (a->port < b->port);
	if (c == 0)
		c = strcmp(a->frontend, b->frontend);
	if (c == 0)
		c = (int)a->kind - (int)b->kind;
	if (c == 0)
		c = strcmp(a->by.text ? a->by.text : "", b->by.text ? b->by.text : "");
	return c;
}

int verify_run(const struct snapshot *s, const struct verify_options *o, struct verify_report *ret)
{
	struct run x = { .snapshot = s, .out = ret };
	struct endpoint_index *index = endpoint_index_new(&s->cluster);
	int r = index ? 0 : -ENOMEM;

	x.index = index;
	x.objects_damaged = s->kinds[K8S_SERVICES] == PARTLY_KNOWN || s->kinds[K8S_SLICES] == PARTLY_KNOWN;
	ret->services = o->services ? o->nservices : s->cluster.services.len;
	for (size_t i = 0; r == 0 && i < s->nodes.len; i++) {
		const struct snap_node *n = s->nodes.v[i];
		struct verify_skipped skipped;

		if (o->node && strcmp(o->node, n->name) != 0)
			continue;
		r = verify_admit(s, n, &ret->arena, &skipped);
		if (r == 0)
			r = array_push(&ret->skipped, skipped);
		else if (r > 0)
			r = array_push(&ret->nodes, n->name) < 0 ? -ENOMEM : run_node(&x, n, o);
	}
	if (ret->differences.len)
		qsort(ret->differences.v, ret->differences.len, sizeof(*ret->differences.v), cmp_difference);
	nat_result_release(&x.walk);
	nat_result_release(&x.explained);
	array_free(&x.judgement.found);
	array_free(&x.asked);
	forget_port(&x);
	arena_release(&x.scratch);
	endpoint_index_free(index);
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One Service on one node: every frontend, every class of sources. A region of sources is walked with one address of it; what the rules and what must be true ask of the source cut it, and what is cut off is walked in its turn. A first
 * walk without paths decides; only where it finds a difference is the packet walked again with its path, for the blame.
 */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>

#include "verify-private.h"

#define CLASSES_MAX 1024u
#define NODE_ADDRESSES_MAX 64u
#define SOURCE_PORT 40000

struct vworker {
	const struct snapshot *snapshot;
	struct verify_report *out;
	struct endpoint_index *index;
	struct vnode *v;
	struct vnode node;
	struct verify_place place;
	const struct vsource *source; /* at hand */
	const struct expect_port *port;
	struct nat_result walk, explained;
	struct judgement judgement;
	const char *said[16]; /* what was assumed, as the engine says it */
	size_t nsaid;
	ARRAY_OF(struct vfrontend_key) frontends; /* of all Services so far */
	/* of the port at hand */
	struct arena scratch;
	struct nat_classes classes;
	struct nat_tails *tails;
	ARRAY_OF(struct nat_range) questions; /* what must be true depends on whether the source lies in these */
	const struct expect_service *service;
	struct expect_rules port_rules;
	struct map port_rules_set;
	size_t outside_tried; /* of them, outside the cluster and to be served */
	bool asked_recent;    /* some packet to the frontend at hand met a recent list */
	size_t asked_about;   /* classes of the frontend at hand that can start here */
	size_t classes_walked; /* to the address at hand and those before it */
	bool objects_damaged; /* some Services or EndpointSlices could not be read */
	bool port_rules_built;
};

/* ---- what must be true, and of whom ---- */

static int ask_about(struct vworker *x, const struct ip_prefix *p, int family)
{
	return p->addr.family == family ? array_push(&x->questions, nat_range_of(p)) : 0;
}

static int ask_about_address(struct vworker *x, const struct ip_addr *a, int family)
{
	struct ip_prefix p = { *a, (uint8_t)(ip_addr_size(a) * 8) };

	return ask_about(x, &p, family);
}

/* Everything that lib/expect asks of a source: who is a pod, the source ranges, the load-balancer's own address, the endpoints. */
static int list_questions(struct vworker *x, const struct expect_port *p)
{
	const struct expect_node *e = &x->v->expect;
	const struct k8s_service *s = p->service;
	int r = 0;

	x->questions.len = 0;
	for (size_t i = 0; r == 0 && i < e->config->ncluster_cidrs; i++)
		r = ask_about(x, &e->config->cluster_cidrs[i], p->family);
	for (size_t i = 0; r == 0 && e->object && i < e->object->npod_cidrs; i++)
		r = ask_about(x, &e->object->pod_cidrs[i], p->family);
	for (size_t i = 0; r == 0 && i < s->nsource_ranges; i++) {
		const char *t = s->source_ranges[i] + strspn(s->source_ranges[i], " \t");
		struct ip_prefix range;

		if (ip_prefix_parsen(t, strcspn(t, " \t\r\n"), &range) == 0)
			r = ask_about(x, &range, p->family);
	}
	for (size_t i = 0; r == 0 && i < s->ningress; i++)
		r = ask_about_address(x, &s->ingress[i].ip, p->family);
	for (size_t i = 0; r == 0 && i < p->nall; i++)
		r = ask_about_address(x, &p->all[i].addr, p->family);
	return r;
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
		if (s && s->by.chain && is_proxy_chain(s->by.chain))
			return false;
	}
	return true;
}

/* ---- delivery ---- */

/* The same few texts come with every walk; the report is asked about new ones only. False also where there is no room to remember. */
static bool said_before(struct vworker *x, const char *text)
{
	for (size_t i = 0; i < x->nsaid; i++)
		if (x->said[i] == text || strcmp(x->said[i], text) == 0)
			return true;
	if (x->nsaid < ARRAY_LEN(x->said)) {
		x->said[x->nsaid] = arena_strdup(&x->v->arena, text);
		x->nsaid += x->said[x->nsaid] != NULL;
	}
	return false;
}

/* What is not known of replies, once for each reason. */
static int note_unjudged(struct vworker *x, const char *why)
{
	static const char said[] = "not judged: ";
	const char *t;

	if (said_before(x, why))
		return 0;
	t = arena_printf(&x->scratch, "not every reply is judged: %s", why + (str_starts(why, said) ? sizeof(said) - 1 : 0));
	return t ? report_assume(x->out, x->v->snap->name, t) : -ENOMEM;
}

/* An outside address to which no route leads is no client here: it was only an example. */
static bool reply_is_broken(const struct nat_ending *e, const struct vsource *s)
{
	return e->reply == TRI_FALSE && e->reply_by.cause && !(s->kind == SOURCE_OUTSIDE && strcmp(e->reply_by.cause, "no-route") == 0);
}

static int note_losses(struct vworker *x, const struct expect_frontend *f, const struct expect_answer *a, const struct vsource *s)
{
	if (a->verdict != EXPECT_TRANSLATE && a->verdict != EXPECT_ACCEPT)
		return 0;
	for (size_t i = 0; i < x->walk.endings.len; i++) {
		const struct nat_ending *e = &x->walk.endings.v[i];
		int r = 0;

		if (e->verdict == NAT_ACCEPT && e->delivery == DELIVERY_LOST && e->lost.cause)
			r = report_broken(x->out, x->v->snap->name, f->port->service, &e->lost, false);
		else if (e->verdict == NAT_ACCEPT && reply_is_broken(e, s))
			r = report_broken(x->out, x->v->snap->name, f->port->service, &e->reply_by, true);
		else if (e->verdict == NAT_ACCEPT && e->reply == TRI_UNKNOWN && e->delivery != DELIVERY_LOST && e->reply_by.kind == BY_NONE)
			r = note_unjudged(x, e->reply_why);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool leads_away(const struct nat_result *r)
{
	for (size_t i = 0; i < r->endings.len; i++)
		if (r->endings.v[i].verdict == NAT_ACCEPT && r->endings.v[i].translated && !r->endings.v[i].masquerade)
			return true;
	return false;
}

/* That the source is kept is as kube-proxy means it, so what becomes of the reply is no difference: it is told once, of the Service. */
static int note_local_reply(struct vworker *x, const struct expect_frontend *f, const struct expect_answer *a, const struct vsource *s,
			    const char *name)
{
	const struct verify_local_reply l = { x->v->snap->name, f->port->service, name };
	struct verify_report *out = x->out;

	if (x->v->expect.mode != MODE_IPVS || a->verdict != EXPECT_TRANSLATE || f->kind == EXPECT_CLUSTER_IP || f->port->nlocal ||
	    !f->port->service->external_local || s->kind == SOURCE_POD || !leads_away(&x->walk))
		return 0;
	for (size_t i = out->local_replies.len; i-- > 0 && out->local_replies.v[i].service == l.service;)
		if (strcmp(out->local_replies.v[i].frontend, name) == 0)
			return 0;
	return array_push(&out->local_replies, l);
}

static int note_assumed(struct vworker *x)
{
	int r = 0;

	for (size_t i = 0; i < x->walk.assumed.len && r == 0; i++)
		if (!said_before(x, x->walk.assumed.v[i]))
			r = report_assume(x->out, x->v->snap->name, x->walk.assumed.v[i]);
	return r;
}

/* ---- one frontend ---- */

static int build_port_rules(struct vworker *x, const struct expect_port *p)
{
	int r;

	if (x->port_rules_built)
		return 0;
	r = expect_port_rules(&x->scratch, &x->v->expect, x->service, p, &x->port_rules);

	x->port_rules_built = true;
	return r < 0 ? r : expect_set(&x->scratch, &x->port_rules, &x->port_rules_set);
}

static const struct expect_endpoint *endpoint_at(const struct expect_port *p, const struct ip_addr *a)
{
	size_t lo = 0, hi = p ? p->nall : 0;

	/* Of a few, one after the other. */
	for (; hi <= 16 && lo < hi; lo++)
		if (ip_addr_equal(&p->all[lo].addr, a))
			return &p->all[lo];
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ip_addr_cmp(&p->all[mid].addr, a) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return p && lo < p->nall && ip_addr_equal(&p->all[lo].addr, a) ? &p->all[lo] : NULL;
}

/* Where an address is attached: what is known of the source and of the port's endpoints already, else all that the snapshot says. */
static enum tri is_here(void *arg, const struct ip_addr *a, const char **ret_why)
{
	struct vworker *x = arg;
	const struct expect_endpoint *e;

	if (x->source && ip_addr_equal(a, &x->source->addr) && x->source->seed->place != TRI_UNKNOWN)
		return x->source->seed->place;
	e = endpoint_at(x->port, a);
	if (e && e->node)
		return e->local ? TRI_TRUE : TRI_FALSE;
	return verify_is_here(&x->place, a, ret_why);
}

/* With its path this time. */
static int walk_again(struct vworker *x, const struct nat_packet *p)
{
	struct nat_options o = { .flags = NAT_REPLY, .here = is_here, .here_arg = x };

	nat_result_reset(&x->explained);
	return nat_walk(&x->v->nat, p, &o, &x->explained);
}

static struct judge_context context_of(const struct vworker *x, const struct expect_answer *a, const struct expect_frontend *f, const struct vsource *s)
{
	return (struct judge_context){ &x->v->expect, a, f, &s->addr, x->v->servers_only[f->port->family == AF_INET6] };
}

/* Walks again with the path and asks whose fault each difference is. */
static int explain_differences(struct vworker *x, struct open_list *l, const struct expect_frontend *f, const struct vsource *s,
			       const struct ip_addr *dst, const struct expect_answer *answer)
{
	const struct blame_context b = { x->v, &x->out->arena, &x->scratch, f, &x->port_rules, &x->port_rules_set, s, answer,
					 &x->explained, dst };
	const struct judge_context c = context_of(x, answer, f, s);
	struct nat_packet p;
	int r;

	make_packet(s, f, dst, &p);
	r = walk_again(x, &p);
	if (r == 0)
		r = build_port_rules(x, f->port);
	if (r == 0)
		r = judge(&c, &x->explained, x->index, &x->judgement);
	for (size_t i = 0; r == 0 && i < x->judgement.found.len; i++) {
		struct found_difference d = x->judgement.found.v[i];

		r = difference_open(l, &b, &d, dst);
	}
	return r;
}

static int note_undecided(struct vworker *x, const struct expect_frontend *f, const struct vsource *s)
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

/* In IPVS mode every virtual address is one of the node's. */
static bool lies_on_ipvs_link(const struct vnode *v, const struct ip_addr *a)
{
	const struct node_facts *f = &v->snap->facts;

	for (size_t i = 0; v->expect.mode == MODE_IPVS && i < f->addrs.len; i++)
		if (ip_addr_equal(&f->addrs.v[i].addr, a) && f->addrs.v[i].ifname && strcmp(f->addrs.v[i].ifname, IPVS_LINK) != 0)
			return false;
	return v->expect.mode == MODE_IPVS;
}

/*
 * The ClusterIP is an address of the node itself, and what comes for it is kept out of connection tracking or delivered
 * here as it is: a node-local cache answers, not kube-proxy's endpoints.
 */
static bool answered_here(const struct vworker *x, const struct expect_frontend *f, const struct ip_addr *dst)
{
	if (f->kind != EXPECT_CLUSTER_IP || node_is_local(&x->v->snap->facts, dst) != TRI_TRUE || lies_on_ipvs_link(x->v, dst))
		return false;
	for (size_t i = 0; i < x->walk.endings.len; i++)
		if (x->walk.endings.v[i].translated || x->walk.endings.v[i].delivery != DELIVERY_LOCAL)
			return false;
	return true;
}

static int note_answered_here(struct vworker *x, const struct ip_addr *dst)
{
	char a[IP_ADDR_STRLEN];
	const char *t = arena_printf(&x->scratch, "%s is an address of the node itself: what answers there (a node-local cache?) is "
				     "not kube-proxy's", ip_addr_format(dst, a));

	return t ? report_assume(x->out, x->v->snap->name, t) : -ENOMEM;
}

static int judge_source(struct vworker *x, struct open_list *l, const struct expect_frontend *f, struct vsource *s, const struct ip_addr *dst, struct verify_frontend *front)
{
	struct nat_options o = { .flags = NAT_NO_PATH | NAT_AS_WALKED | NAT_REPLY, .classes = &x->classes, .tails = x->tails,
				 .here = is_here, .here_arg = x };
	struct expect_answer answer;
	const struct judge_context c = context_of(x, &answer, f, s);
	struct nat_packet p;
	int r;

	expect_answer(&x->v->expect, f, s->kind, &s->addr, dst, &answer);
	/* Source ranges and health-check ports are the rules' work, and these are in no dump. */
	if (c.servers_only && (answer.verdict == EXPECT_DROP || answer.verdict == EXPECT_ACCEPT))
		answer.verdict = EXPECT_NOTHING;
	x->asked_about++;
	if (answer.verdict == EXPECT_NOTHING)
		return 0;
	x->outside_tried += s->kind == SOURCE_OUTSIDE;
	make_packet(s, f, dst, &p);
	x->source = s;
	nat_result_reset(&x->walk);
	r = nat_walk(&x->v->nat, &p, &o, &x->walk);
	x->out->walks++;
	x->asked_recent = x->asked_recent || x->walk.asked_recent;
	if (r == 0)
		r = x->classes.error;
	s->region = x->classes.now;
	if (r == 0)
		r = note_assumed(x);
	if (r == 0)
		r = judge(&c, &x->walk, x->index, &x->judgement);
	if (r < 0 || !x->judgement.judged)
		return r;
	if (front->state == FRONTEND_NOT_JUDGED)
		front->state = FRONTEND_OK;
	front->refused_as_expected = answer.verdict == EXPECT_REJECT || answer.verdict == EXPECT_DROP;
	if (answer.verdict == EXPECT_TRANSLATE)
		front->endpoints = MAX(front->endpoints, answer.nendpoints);
	r = note_losses(x, f, &answer, s);
	if (r == 0)
		r = note_local_reply(x, f, &answer, s, front->frontend);
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

/* The address that stands for the next region, and the region cut to what must be true of it. */
static struct vsource next_class(struct vworker *x, const struct vseed *seed)
{
	struct vsource s;

	x->classes.now = x->classes.rest.v[--x->classes.rest.len];
	s = vsource_of(seed, &x->classes.now);
	for (size_t i = 0; i < x->questions.len; i++)
		nat_classes_ask(&x->classes, &s.addr, &x->questions.v[i], 1, NULL);
	return s;
}

/* @number: of the seed, for all that is remembered of its sources. */
static int judge_seed(struct vworker *x, struct open_list *l, const struct expect_frontend *f, const struct vseed *seed, size_t number,
		      const struct ip_addr *dst, struct verify_frontend *front)
{
	int r = array_push(&x->classes.rest, seed->region);

	x->classes.seed = (uint32_t)number;
	while (r == 0 && x->classes.rest.len) {
		struct vsource s = next_class(x, seed);

		if (x->classes_walked++ >= CLASSES_MAX) {
			front->state = FRONTEND_UNDECIDED;
			x->judgement.undecided_by = (struct nat_by){ .kind = BY_SET, .text = "more than 1024 kinds of sources" };
			if (x->classes.cut_by)
				x->judgement.undecided_by = (struct nat_by){ .kind = BY_RULE, .rule = x->classes.cut_by,
									     .chain = x->classes.cut_by->chain };
			x->classes.rest.len = 0;
			return note_undecided(x, f, &s);
		}
		r = judge_source(x, l, f, &s, dst, front);
		x->source = NULL;
	}
	return r;
}

static int judge_address(struct vworker *x, struct open_list *l, const struct expect_frontend *f, const struct ip_addr *dst,
			 struct verify_frontend *front)
{
	const struct vseeds *seeds = &x->v->seeds[dst->family == AF_INET6];
	const struct vseed *own;
	int r = vseed_own(x->v, &x->scratch, dst, &own);

	/* Only what the node itself sends meets IPVS wherever the address lies. */
	for (size_t i = 0; r == 0 && i < seeds->len && !x->v->locals_unknown; i++)
		if (!(own && seeds->v[i].kind == own->kind) && vseed_can_reach(&seeds->v[i], f, dst))
			r = judge_seed(x, l, f, &seeds->v[i], i, dst, front);
	return r == 0 && own && vseed_can_reach(own, f, dst) ? judge_seed(x, l, f, own, seeds->len, dst, front) : r;
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
 * Session affinity shows only in the second connection, so the rules themselves are compared, by their names where nothing else tells: where every
 * first packet goes where it must, is the client looked up as the Service asks, and nobody else's?
 */
static int judge_affinity(struct vworker *x, struct open_list *l, const struct expect_frontend *f)
{
	struct found_difference d = { .kind = DIFF_WRONG_AFFINITY, .ending = SIZE_MAX };
	struct expect_answer a = { .verdict = EXPECT_NOTHING };
	const struct vseeds *seeds = &x->v->seeds[f->port->family == AF_INET6];
	struct vsource s = { 0 };
	struct verify_by by;
	struct nat_packet p;
	bool foreign;
	int r;

	if (f->kind != EXPECT_CLUSTER_IP || l->v.len ||
	    !(x->asked_recent || f->port->service->affinity_client_ip || x->v->expect.mode == MODE_IPVS) ||
	    !x->v->has_chains[f->port->family == AF_INET6])
		return 0;
	for (size_t i = 0; i < seeds->len && a.verdict != EXPECT_TRANSLATE; i++) {
		if (!vseed_can_reach(&seeds->v[i], f, &f->addr))
			continue;
		s = vsource_of(&seeds->v[i], &seeds->v[i].region);
		expect_answer(&x->v->expect, f, s.kind, &s.addr, &f->addr, &a);
	}
	r = a.verdict == EXPECT_TRANSLATE ? build_port_rules(x, f->port) : 0;
	if (r < 0 || a.verdict != EXPECT_TRANSLATE)
		return r;
	struct blame_context b = { x->v, &x->out->arena, &x->scratch, f, &x->port_rules, &x->port_rules_set, &s, &a, &x->explained, &f->addr };

	make_packet(&s, f, &f->addr, &p);
	x->source = &s;
	r = walk_again(x, &p);
	x->source = NULL;
	if (r == 0 && x->v->expect.mode == MODE_NFTABLES && f->port->service->affinity_client_ip && affinity_is_kept(&x->explained))
		return 0;
	if (r == 0)
		r = blame(&b, &d, &by, &foreign);
	return r < 0 || by.kind == BY_NONE ? r : difference_open(l, &b, &d, &f->addr);
}

static int note_frontend(struct vworker *x, const struct expect_frontend *f)
{
	struct vfrontend_key k;

	memset(&k, 0, sizeof(k));
	k.addr = f->addr;
	k.addr.family = f->port->family;
	k.proto = f->proto;
	k.port = f->number;
	return array_push(&x->frontends, k);
}

static int run_frontend(struct vworker *x, const struct expect_frontend *f)
{
	static const struct vsource anybody = { .kind = SOURCE_OUTSIDE, .words = "anybody" };
	CLEANUP(open_list_release) struct open_list l = { 0 };
	struct verify_report *out = x->out;
	struct verify_frontend front = {
		.node = x->v->snap->name, .service = f->port->service, .port = f->port->port, .kind = f->kind,
		.state = FRONTEND_NOT_JUDGED,
	};
	size_t n = f->addr.family ? 1 : MIN(f->naddrs, (size_t)NODE_ADDRESSES_MAX), before = out->differences.len;
	int r = 0;

	front.frontend = frontend_name(&out->arena, f);
	if (!front.frontend || note_frontend(x, f) < 0)
		return -ENOMEM;
	if (x->v->nameless && asks_where(f)) {
		front.state = FRONTEND_UNDECIDED;
		out->frontends++;
		x->judgement.undecided_by = (struct nat_by){ .kind = BY_KERNEL, .text = "which endpoints are on this node: no object of the "
							     "cluster knows a node of this name (name the bundle's folder after the node)" };
		r = note_undecided(x, f, &anybody);
		return r < 0 ? r : array_push(&out->fronts, front);
	}
	x->asked_about = x->outside_tried = x->classes_walked = 0;
	nat_classes_reset(&x->classes);
	x->asked_recent = false;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = judge_address(x, &l, f, f->addr.family ? &f->addr : &f->addrs[i], &front);
	if (r == 0 && front.state == FRONTEND_OK)
		r = judge_affinity(x, &l, f);
	if (r < 0)
		return r;
	if (f->naddrs > n && !f->addr.family)
		r = report_skip(out, front.node, "late", "node-port-addresses", "only the first 64 addresses of the node were tried", "");
	if (n == 0)
		r = report_skip(out, front.node, "not-collected", "node-ports", "the node's addresses are not known",
			 "ip-addr.json or the Node object");
	if (r == 0)
		r = difference_close(&l, x->v, out, x->v->expect.minor, x->outside_tried);
	if (l.v.len)
		front.state = FRONTEND_DIFFERS;
	front.minor = out->differences.len > before;
	for (size_t i = before; i < out->differences.len; i++)
		front.minor = front.minor && out->differences.v[i].severity == VERIFY_INFO;
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

static void forget_port(struct vworker *x)
{
	array_free(&x->port_rules.v);
	map_release(&x->port_rules_set);
	x->port_rules_built = false;
}

int vworker_service(struct vworker *x, const struct k8s_service *s, struct verify_report *out)
{
	struct expect_service es = { 0 };
	int r = expect_service(&x->scratch, &x->snapshot->cluster, s, &x->v->expect, &es);

	x->out = out;
	x->service = &es;
	for (size_t i = 0; r == 0 && i < es.nports; i++) {
		const char *unknown = x->v->unknown_rules[es.ports[i].family == AF_INET6];

		if (unknown) {
			r = report_skip(x->out, x->v->snap->name, "not-collected", "rules", unknown,
				 es.ports[i].family == AF_INET6 ? "ip6tables-save of both backends" : "iptables-save of both backends");
			continue;
		}
		x->port = &es.ports[i];
		r = list_questions(x, &es.ports[i]);
		if (r == 0 && !x->v->seeds[es.ports[i].family == AF_INET6].built)
			r = vseeds_build(x->v, es.ports[i].family, &x->v->seeds[es.ports[i].family == AF_INET6]);
		for (size_t k = 0; r == 0 && k < es.nfrontends; k++)
			if (es.frontends[k].port == &es.ports[i])
				r = run_frontend(x, &es.frontends[k]);
		forget_port(x);
	}
	x->service = NULL;
	x->port = NULL;
	x->source = NULL;
	arena_reset(&x->scratch);
	return r;
}

int vworker_new(const struct snapshot *s, const struct snap_node *n, struct vworker **ret)
{
	struct vworker *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	x->snapshot = s;
	x->v = &x->node;
	x->objects_damaged = s->kinds[K8S_SERVICES] == PARTLY_KNOWN || s->kinds[K8S_SLICES] == PARTLY_KNOWN;
	nat_result_init(&x->walk);
	nat_result_init(&x->explained);
	x->index = endpoint_index_new(&s->cluster);
	r = x->index ? vnode_init(x->v, s, n) : -ENOMEM;
	if (r == 0)
		r = nat_tails_new(&x->v->nat, &x->tails);
	verify_place_init(&x->place, s, n, &x->v->expect);
	if (r < 0)
		vworker_free(x);
	else
		*ret = x;
	return r;
}

int vworker_note(struct vworker *x, const struct k8s_service *s)
{
	struct expect_service es = { 0 };
	int r = expect_service(&x->scratch, &x->snapshot->cluster, s, &x->v->expect, &es);

	for (size_t i = 0; r == 0 && i < es.nfrontends; i++)
		r = note_frontend(x, &es.frontends[i]);
	arena_reset(&x->scratch);
	return r;
}

int vworker_frontends(const struct vworker *x, struct map *set)
{
	for (size_t i = 0; i < x->frontends.len; i++)
		if (map_put(set, &x->frontends.v[i], sizeof(x->frontends.v[i]), &x->frontends.v[i]) < 0)
			return -ENOMEM;
	return 0;
}

struct vnode *vworker_node(struct vworker *x)
{
	return x->v;
}

void vworker_free(struct vworker *x)
{
	if (!x)
		return;
	nat_result_release(&x->walk);
	nat_result_release(&x->explained);
	array_free(&x->judgement.found);
	array_free(&x->judgement.shares);
	array_free(&x->judgement.places);
	array_free(&x->questions);
	array_free(&x->frontends);
	nat_classes_release(&x->classes);
	forget_port(x);
	arena_release(&x->scratch);
	nat_tails_free(x->tails);
	verify_place_release(&x->place);
	endpoint_index_free(x->index);
	vnode_release(x->v);
	free(x);
}

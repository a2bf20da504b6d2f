/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is asked of DNS from one place, round by round, each a pure function of the answers so far. First kubernetes.default at every server, which
 * tells a broken DNS from a broken Service; then every name that either libc may try for what is typed, at the nameservers of resolv.conf, and
 * the whole names at the cluster's DNS and each of its endpoints; then what the answers lead to. A server that answers nothing is not asked for
 * more than a libc would ask it, and never more than a bounded number of questions are sent.
 */
#include <errno.h>
#include <netinet/in.h>

#include "dns-plan-private.h"

enum { QUESTIONS_MAX = 400, EDNS_SIZE = 1232, SRV_MAX = 4, HOSTS_MAX = 4, CHAIN_MAX = 8, RANDOM_MAX = 4, REPEAT_MAX = 100, REPEAT_SERVERS_MAX = 8 };

void dns_plan_release(struct dns_plan *p)
{
	array_free(&p->questions);
	array_free(&p->left);
	arena_release(&p->arena);
}

struct planner {
	const struct snapshot *s;
	const struct snap_dns *from;
	const struct dns_plan_options *o;
	struct dns_plan *p;
	struct dns_lookup lookup;
	struct dns_targets targets;
	struct dns_typed_list typed;
	struct resolv_view views[LIBC_COUNT];
	bool viewed; /* what a libc takes here is known */
	const char *domains[DNS_DOMAINS_MAX];
	int ndomains;
	size_t asked; /* questions that were asked before, but for repeated ones */
	size_t over;  /* beyond the bound */
	int err;
};

/* ---- one question ---- */

static bool same_question(const struct dns_question *a, const struct dns_question *b)
{
	return a->type == b->type && a->port == b->port && a->tcp == b->tcp && a->edns == b->edns && a->pair == b->pair &&
	       ip_addr_equal(&a->server, &b->server) && dns_name_equal(a->name, b->name);
}

static size_t times_asked(struct planner *x, const struct dns_question *q)
{
	const struct dns_found *f = dns_lookup_find(&x->lookup, q->name, q->type);
	size_t n = 0;

	for (size_t i = 0; f && i < f->v.len; i++)
		n += same_question(&f->v.v[i]->q, q);
	for (size_t i = x->p->questions.len; i > 0; i--)
		n += same_question(&x->p->questions.v[i - 1], q);
	return n;
}

/* What was not asked because time ran out is not asked again: the lookup does not have it, the place does. */
static bool ran_out(const struct planner *x)
{
	for (size_t i = 0; i < x->from->answers.len; i++)
		if (x->from->answers.v[i].end == DNS_NOT_ASKED)
			return true;
	return false;
}

static void leave(struct planner *x, const char *what, const char *reason)
{
	struct connect_left l = { NULL, NULL, what, reason };

	for (size_t i = 0; what && reason && i < x->p->left.len; i++)
		if (strcmp(x->p->left.v[i].what, what) == 0 && strcmp(x->p->left.v[i].reason, reason) == 0)
			return;
	if (!what || !reason || array_push(&x->p->left, l) < 0)
		x->err = -ENOMEM;
}

static const char *keep(struct planner *x, const char *name)
{
	char *s = name ? arena_strdup(&x->p->arena, name) : NULL;

	if (!s)
		x->err = -ENOMEM;
	return s;
}

/* At most @times in all. */
static void ask(struct planner *x, const struct dns_target *t, const char *name, uint16_t type, bool tcp, uint16_t edns, size_t times)
{
	struct dns_question q = { .name = name, .type = type, .server = t->addr, .port = tcp ? t->tcp_port : t->port, .tcp = tcp, .edns = edns };

	if (!name || strlen(name) > 253 || times_asked(x, &q) >= times)
		return;
	if (x->asked + x->p->questions.len >= QUESTIONS_MAX) {
		x->over++;
		return;
	}
	q.name = keep(x, name);
	if (q.name && array_push(&x->p->questions, q) < 0)
		x->err = -ENOMEM;
}

/* Over the transport that a libc would use. */
static void ask_both(struct planner *x, const struct dns_target *t, const char *name)
{
	ask(x, t, name, DNS_A, x->o->tcp_only, 0, 1);
	ask(x, t, name, DNS_AAAA, x->o->tcp_only, 0, 1);
}

/* ---- who answers ---- */

/* 1: over this transport it answered something; 0: it was asked and did not; -1: it was not asked. */
static int answers(const struct planner *x, const struct dns_target *t, bool tcp)
{
	int r = -1;

	for (size_t i = 0; i < x->from->answers.len; i++) {
		const struct dns_answer *a = &x->from->answers.v[i];

		if (a->q.tcp != tcp || a->q.port != (tcp ? t->tcp_port : t->port) || !ip_addr_equal(&a->q.server, &t->addr) || a->end == DNS_NOT_ASKED)
			continue;
		r = MAX(r, a->end == DNS_ANSWERED);
	}
	return r;
}

static bool is_alive(const struct planner *x, const struct dns_target *t)
{
	return answers(x, t, x->o->tcp_only) == 1;
}

/* Whom a libc of this place asks. With servers of --server, these take their place. */
static bool is_nameserver(const struct planner *x, const struct dns_target *t)
{
	for (int l = 0; l < LIBC_COUNT; l++)
		for (size_t i = 0; i < x->views[l].nservers; i++)
			if (ip_addr_equal(&x->views[l].servers[i], &t->addr))
				return true;
	return t->kind == DNS_TARGET_GIVEN || (t->kind == DNS_TARGET_NAMESERVER && !dns_place_is_host(x->from));
}

/* A nameserver of a node that is nothing to the cluster. */
static bool is_foreign(const struct planner *x, const struct dns_target *t)
{
	return t->kind == DNS_TARGET_NAMESERVER && !is_nameserver(x, t);
}

/* ---- the first round ---- */

static void controls(struct planner *x)
{
	for (int d = 0; d < x->ndomains; d++) {
		const char *name = arena_printf(&x->p->arena, "kubernetes.default.svc.%s", x->domains[d]);

		if (!name)
			x->err = -ENOMEM;
		for (size_t i = 0; name && i < x->targets.v.len; i++) {
			const struct dns_target *t = &x->targets.v.v[i];

			if (is_foreign(x, t))
				continue;
			if (!x->o->tcp_only)
				ask(x, t, name, DNS_A, false, 0, 1);
			ask(x, t, name, DNS_A, true, 0, 1);
			if (d == 0 && !x->o->tcp_only)
				ask(x, t, name, DNS_AAAA, false, 0, 1);
		}
	}
}

/* ---- the second: what is typed ---- */

static void ask_nameservers(struct planner *x, const char *name)
{
	for (size_t i = 0; i < x->targets.v.len; i++)
		if (is_nameserver(x, &x->targets.v.v[i]))
			ask_both(x, &x->targets.v.v[i], name);
}

static void walked(struct planner *x, enum libc libc, const char *typed)
{
	CLEANUP(libc_walk_release) struct libc_walk w = { 0 };

	if (libc_walk(&x->p->arena, &x->views[libc], typed, NULL, NULL, &w) < 0) {
		x->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < w.steps.len; i++)
		ask_nameservers(x, w.steps.v[i].name);
}

static void ask_typed(struct planner *x, const struct dns_typed *t)
{
	for (int libc = 0; x->viewed && libc < LIBC_COUNT; libc++)
		walked(x, (enum libc)libc, t->text);
	/* without a resolv.conf nothing is appended, and the whole name is what can be asked */
	if (!x->viewed || x->o->nservers)
		ask_nameservers(x, t->full ? t->full : t->text);
	for (size_t i = 0; !t->full && i < x->targets.v.len; i++)
		if (is_foreign(x, &x->targets.v.v[i]))
			ask_both(x, &x->targets.v.v[i], t->text);
}

static const char *in_domain(struct planner *x, const struct dns_typed *t, int d)
{
	size_t n = t->full ? strlen(t->full) : 0, len = strlen(x->domains[0]);

	if (n <= len || !dns_name_inside(t->full, x->domains[0]))
		return NULL;
	return d == 0 ? t->full : arena_printf(&x->p->arena, "%.*s%s", (int)(n - len), t->full, x->domains[d]);
}

/* The whole names at every server that answers. */
static void ask_whole(struct planner *x, const char *name)
{
	for (size_t i = 0; name && i < x->targets.v.len; i++)
		if (is_alive(x, &x->targets.v.v[i]) && !is_foreign(x, &x->targets.v.v[i]))
			ask_both(x, &x->targets.v.v[i], name);
}

static void typed_names(struct planner *x)
{
	CLEANUP(map_release) struct map seen = { 0 };

	for (size_t i = 0; i < x->typed.v.len && !x->err; i++)
		ask_typed(x, &x->typed.v.v[i]);
	for (size_t i = 0; i < x->typed.v.len && !x->err; i++) {
		const struct dns_typed *t = &x->typed.v.v[i];

		for (int d = 0; d < x->ndomains; d++) {
			const char *name = in_domain(x, t, d);

			if (!name || map_gets(&seen, name))
				continue;
			if (map_puts(&seen, name, &x->typed.v.v[i]) < 0)
				x->err = -ENOMEM;
			ask_whole(x, name);
		}
	}
}

/* ---- the third: the other records of Services ---- */

/* The server that is asked for what all of them should know: the first that answers, the cluster's own before others. */
static const struct dns_target *best(const struct planner *x)
{
	static const enum dns_target_kind order[] = { DNS_TARGET_GIVEN, DNS_TARGET_CLUSTER, DNS_TARGET_NAMESERVER, DNS_TARGET_ENDPOINT, DNS_TARGET_NODE_LOCAL,
						      DNS_TARGET_KUBELET };

	for (size_t k = 0; k < ARRAY_LEN(order); k++)
		for (size_t i = 0; i < x->targets.v.len; i++)
			if (x->targets.v.v[i].kind == order[k] && is_alive(x, &x->targets.v.v[i]) && !is_foreign(x, &x->targets.v.v[i]))
				return &x->targets.v.v[i];
	return NULL;
}

static void ask_srv(struct planner *x, const struct dns_target *t, const struct k8s_service *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nports && n < SRV_MAX; i++) {
		const struct k8s_service_port *p = &s->ports[i];

		if (!p->name || !*p->name)
			continue;
		ask(x, t, arena_printf(&x->p->arena, "_%s._%s.%s.%s.svc.%s", p->name, proto_name(p->proto), s->meta.name, s->meta.ns, x->domains[0]), DNS_SRV,
		    x->o->tcp_only, EDNS_SIZE, 1);
		n++;
	}
}

static void ask_reverse(struct planner *x, const struct dns_target *t, const struct k8s_service *s)
{
	char buf[DNS_REVERSE_STRLEN];

	for (size_t i = 0; i < s->ncluster_ips && i < 2; i++)
		ask(x, t, dns_reverse_name(&s->cluster_ips[i], buf), DNS_PTR, x->o->tcp_only, 0, 1);
}

/* The names of pods behind a headless Service, and the Service's own with an answer that may be large. */
static void ask_hosts(struct planner *x, const struct dns_target *t, const struct k8s_service *s)
{
	const struct k8s_slice_group *g = k8s_slices_of(&x->s->cluster, s);
	size_t n = 0;

	ask(x, t, arena_printf(&x->p->arena, "%s.%s.svc.%s", s->meta.name, s->meta.ns, x->domains[0]), DNS_A, x->o->tcp_only, EDNS_SIZE, 1);
	for (size_t i = 0; g && i < g->v.len; i++) {
		for (size_t j = 0; j < g->v.v[i]->nendpoints && n < HOSTS_MAX; j++) {
			const struct k8s_endpoint *e = &g->v.v[i]->endpoints[j];

			if (!e->hostname || !*e->hostname)
				continue;
			ask_both(x, t, arena_printf(&x->p->arena, "%s.%s.%s.svc.%s", e->hostname, s->meta.name, s->meta.ns, x->domains[0]));
			n++;
		}
	}
}

static void more_records(struct planner *x)
{
	const struct dns_target *t = best(x);

	for (size_t i = 0; t && i < x->o->nservices && i < 8; i++) {
		const struct k8s_service *s = x->o->services[i];

		ask_srv(x, t, s);
		ask_reverse(x, t, s);
		if (s->headless)
			ask_hosts(x, t, s);
	}
}

/* A label that nobody has, under each search domain that is none of the cluster: who answers it answers everything. */
static void random_labels(struct planner *x)
{
	size_t n = 0;

	for (size_t i = 0; x->from->has_conf && i < x->from->conf.searches.len && n < RANDOM_MAX; i++) {
		const char *search = x->from->conf.searches.v[i].domain;
		bool own = !*search;

		for (int d = 0; d < x->ndomains; d++)
			own |= dns_name_inside(search, x->domains[d]);
		if (own)
			continue;
		n++;
		ask_nameservers(x, arena_printf(&x->p->arena, "svcdoctor-%016llx.%s", (unsigned long long)x->o->random, search));
	}
}

/* ---- what the answers lead to ---- */

static const struct dns_target *target_of(const struct planner *x, const struct dns_question *q)
{
	for (size_t i = 0; i < x->targets.v.len; i++) {
		const struct dns_target *t = &x->targets.v.v[i];

		if (ip_addr_equal(&t->addr, &q->server) && (q->tcp ? t->tcp_port : t->port) == q->port)
			return t;
	}
	return NULL;
}

/* It answers for other names: behind one address may be several that answer, and one that does not. */
static bool was_lost(const struct planner *x, const struct dns_answer *a, const struct dns_target *t)
{
	if (a->end == DNS_TIMED_OUT && a->tries > 1)
		return false; /* that was more than one */
	return a->end != DNS_ANSWERED && a->end != DNS_NOT_ASKED && a->end != DNS_FAILED && answers(x, t, a->q.tcp) == 1;
}

static bool has_address(const struct dns_answer *a, const char *name)
{
	for (size_t i = 0; i < a->nanswers; i++)
		if (a->answers[i].type == a->q.type && dns_name_equal(a->answers[i].owner, name))
			return true;
	return false;
}

static size_t chain_depth(struct planner *x, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < x->from->answers.len && n <= CHAIN_MAX; i++)
		for (size_t j = 0; j < x->from->answers.v[i].nanswers; j++)
			n += x->from->answers.v[i].answers[j].type == DNS_CNAME && dns_name_equal(x->from->answers.v[i].answers[j].target, name);
	return n;
}

static void follow(struct planner *x, const struct dns_answer *a, const struct dns_target *t)
{
	size_t len;
	bool loop;
	const char *last;

	if (a->end != DNS_ANSWERED || (a->q.type != DNS_A && a->q.type != DNS_AAAA))
		return;
	last = dns_chain_end(a, a->q.name, &len, &loop);
	if (len > 0 && !loop && !has_address(a, last) && len < CHAIN_MAX && chain_depth(x, last) <= CHAIN_MAX)
		ask(x, t, last, a->q.type, a->q.tcp, 0, 1);
}

static void next_questions(struct planner *x)
{
	for (size_t i = 0; i < x->from->answers.len && !x->err; i++) {
		const struct dns_answer *a = &x->from->answers.v[i];
		const struct dns_target *t = a->q.pair ? NULL : target_of(x, &a->q);

		if (!t)
			continue;
		if (was_lost(x, a, t))
			ask(x, t, a->q.name, a->q.type, a->q.tcp, a->q.edns, 2);
		if (a->end == DNS_ANSWERED && a->tc && !a->q.tcp)
			ask(x, t, a->q.name, a->q.type, true, a->q.edns, 1);
		follow(x, a, t);
	}
}

/* ---- pairs ---- */

static const char *repeated_name(struct planner *x)
{
	for (size_t i = 0; i < x->typed.v.len; i++)
		if (!x->typed.v.v[i].control && x->typed.v.v[i].full)
			return x->typed.v.v[i].full;
	return x->typed.v.len ? x->typed.v.v[0].full : NULL;
}

static bool pairs_asked(const struct planner *x)
{
	for (size_t i = 0; i < x->from->answers.len; i++)
		if (x->from->answers.v[i].q.pair)
			return true;
	return false;
}

static void add_pair(struct planner *x, const struct dns_target *t, const char *name, unsigned number)
{
	struct dns_question q = { .name = name, .type = DNS_A, .server = t->addr, .port = x->o->tcp_only ? t->tcp_port : t->port, .tcp = x->o->tcp_only,
				  .pair = number };

	if (array_push(&x->p->questions, q) < 0)
		x->err = -ENOMEM;
	q.type = DNS_AAAA;
	if (array_push(&x->p->questions, q) < 0)
		x->err = -ENOMEM;
}

static void pairs(struct planner *x)
{
	const char *name = keep(x, repeated_name(x));
	unsigned n = MIN(x->o->repeat, (unsigned)REPEAT_MAX), number = 0;
	size_t servers = 0;

	for (size_t i = 0; name && i < x->targets.v.len && servers < REPEAT_SERVERS_MAX; i++) {
		if (!is_alive(x, &x->targets.v.v[i]) || is_foreign(x, &x->targets.v.v[i]))
			continue;
		servers++;
		for (unsigned k = 0; k < n && !x->err; k++)
			add_pair(x, &x->targets.v.v[i], name, ++number);
	}
}

/* ---- the whole ---- */

static void note_left(struct planner *x)
{
	struct arena *a = &x->p->arena;

	if (x->o->outside && !x->o->nservers)
		leave(x, "addresses of the cluster", x->s->kinds[K8S_NODES] == KNOWN ? "this machine is not in the cluster: they mean nothing here" :
									    "nothing tells that this machine is in the cluster: they may mean nothing here");
	else if (dns_place_is_host(x->from) && !x->viewed && !x->o->nservers)
		leave(x, "names of the cluster", "which server pods ask is not known here, and the node's own need not know them; --server names one");
	if (x->over)
		leave(x, arena_printf(a, "%zu questions", x->over), arena_printf(a, "%d are asked at most", QUESTIONS_MAX));
	if (x->targets.left)
		leave(x, arena_printf(a, "%zu endpoints of the cluster's DNS", x->targets.left), "16 are asked at most");
	if (x->typed.left)
		leave(x, arena_printf(a, "%zu Services", x->typed.left), "names of 20 are asked at most");
	for (size_t i = 0; i < x->targets.v.len; i++)
		if (!is_nameserver(x, &x->targets.v.v[i]) && answers(x, &x->targets.v.v[i], x->o->tcp_only) == 0)
			leave(x, arena_printf(a, "names at %s", x->targets.v.v[i].what), "it does not answer for kubernetes.default");
}

static int prepare(struct planner *x)
{
	bool assumed;

	x->ndomains = dns_domains(&x->p->arena, x->s, x->from, x->domains, &assumed);
	if (x->ndomains < 0)
		return x->ndomains;
	for (size_t i = 0; i < x->from->answers.len; i++)
		x->asked += x->from->answers.v[i].q.pair == 0;
	x->viewed = dns_place_has_view(x->s, x->from);
	for (int l = 0; x->viewed && l < LIBC_COUNT; l++)
		if (dns_place_view(&x->p->arena, x->s, x->from, x->o->ns, (enum libc)l, &x->views[l]) < 0)
			return -ENOMEM;
	if (dns_lookup_make(x->from, &x->lookup) < 0 || dns_targets_make(&x->p->arena, x->s, x->from, x->o, &x->targets) < 0)
		return -ENOMEM;
	return dns_typed_make(&x->p->arena, x->from, x->domains[0], x->o->name, x->o->ns, x->o->services, x->o->nservices, &x->typed);
}

static void rounds(struct planner *x)
{
	static void (*const steps[])(struct planner *x) = { typed_names, more_records, random_labels };

	if (ran_out(x))
		return;
	controls(x);
	if (x->p->questions.len)
		return;
	for (size_t i = 0; i < ARRAY_LEN(steps) && !x->err; i++)
		steps[i](x);
	if (!x->p->questions.len)
		next_questions(x);
	if (!x->p->questions.len && x->o->repeat && !pairs_asked(x))
		pairs(x);
}

int dns_plan_make(const struct snapshot *s, const struct snap_dns *from, const struct dns_plan_options *o, struct dns_plan *ret)
{
	struct planner x = { .s = s, .from = from, .o = o, .p = ret };
	int r = prepare(&x);

	if (r >= 0 && !x.err)
		rounds(&x);
	if (r >= 0 && !x.err)
		note_left(&x);
	dns_lookup_release(&x.lookup);
	for (int l = 0; l < LIBC_COUNT; l++)
		resolv_view_release(&x.views[l]);
	array_free(&x.targets.v);
	array_free(&x.typed.v);
	return r < 0 ? r : x.err;
}

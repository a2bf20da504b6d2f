/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tries of `connect` say. Endpoints first, each by itself: who refuses, who is silent, who has no way there; then by node, for what all
 * endpoints of other nodes have in common is the network between nodes and not the pods. Then whatever leads to endpoints: what it answers is
 * held against what the endpoints behind it answered (connect-share.c), so that a cluster IP is blamed only for what its endpoints do not explain.
 */
#include <errno.h>
#include <netinet/in.h>

#include "connect-private.h"

enum { TRIES_SURE = 4 }; /* how many standard deviations are still chance */

/* The targets of one port of a Service, in one family. */
struct group {
	struct run *r;
	struct connect_plan *p;
	size_t from, to;
	const struct k8s_service *service;
	const struct k8s_service_port *port;
	const char *name; /* "port 80/TCP of shop/web" */
	size_t endpoints, answering;
};

static struct connect_target *target(const struct group *g, size_t i)
{
	return &g->p->targets.v[i];
}

static bool is_reached(const struct connect_target *t)
{
	enum connect_fault f = connect_fault_of(t, connect_worst(t));

	return t->answered > 0 || f == FAULT_REFUSED || f == FAULT_HTTP;
}

static bool is_lost(const struct connect_target *t)
{
	enum connect_fault f = connect_fault_of(t, connect_worst(t));

	return t->made > 0 && t->answered == 0 && (f == FAULT_SILENT || f == FAULT_ROUTE);
}

static void count_tries(struct connect_target *t)
{
	t->made = t->answered = 0;
	t->weight = t->expected = t->predicted = NAN;
	t->by_rules = t->told = false;
	for (size_t i = 0; i < t->count; i++) {
		t->made += t->tries[i].end != TRY_NOT_MADE && t->tries[i].end != TRY_FAILED;
		t->answered += t->tries[i].end == TRY_ANSWERED;
	}
}

/* ---- findings ---- */

static const char *port_words(struct run *r, const struct k8s_service *s, const struct k8s_service_port *p)
{
	return run_printf(r, "port %u/%s of %s/%s", p->port, proto_upper(p->proto), s->meta.ns, s->meta.name);
}

/* Whoever is neither node nor pod for sure cannot tell a fault from a place where pods are not to be reached. */
static struct finding *new_finding(struct group *g, const char *id, const char *node, const char *detail)
{
	const struct k8s_meta *m = &g->service->meta;
	struct finding *f = finding_new(g->r, id, node, run_printf(g->r, "%u/%s%s%s%s", g->port->port, proto_upper(g->port->proto),
								     g->p->targets.v[g->from].addr.family == AF_INET6 ? "/IPv6" : "", detail ? "/" : "",
								     detail ? detail : ""),
					run_printf(g->r, "Service %s/%s", m->ns, m->name));

	finding_concerns(g->r, f, g->service);
	if (g->p->client.from == FROM_UNKNOWN && !g->p->client.entered && !g->p->client.in_pod && f->severity == SEVERITY_ERROR)
		finding_severity(f, SEVERITY_WARNING);
	return f;
}

static const char *trace_source(struct run *r, const struct connect_client *c, const struct ip_addr *to)
{
	char buf[IP_ADDR_STRLEN];
	const struct ip_addr *a = &c->addr[to->family == AF_INET6];

	return a->family ? run_printf(r, "%s", ip_addr_format(a, buf)) : NULL;
}

/* How a packet from the client gets there by the rules, where a node's rules are known. */
static void next_trace(struct group *g, struct finding *f, const struct connect_target *t)
{
	const struct connect_client *c = &g->p->client;
	const char *from = trace_source(g->r, c, &t->addr);
	const char *to = run_printf(g->r, "%s/%s", connect_address(g->r, t), proto_upper(t->proto));

	for (size_t i = 0; from && c->node && i < g->r->s->nodes.len; i++)
		if (g->r->s->nodes.v[i]->any_rules && strcmp(g->r->s->nodes.v[i]->name, c->node) == 0)
			finding_next(g->r, f, "svcdoctor trace %a %a --node %s", from, to, c->node);
}

static void next_pod(struct run *r, struct finding *f, const struct connect_target *t)
{
	if (!t->pod)
		return;
	finding_next(r, f, "kubectl -n %s describe pod %s", t->pod->meta.ns, t->pod->meta.name);
	finding_next(r, f, "kubectl -n %s logs %s", t->pod->meta.ns, t->pod->meta.name);
}

/* Behind the first line of evidence, which says what all of them have in common. */
static void second_evidence(struct run *r, struct finding *f, const char *line)
{
	if (array_push(&f->evidence, line) < 0) {
		r->err = -ENOMEM;
		return;
	}
	for (size_t i = f->evidence.len - 1; i > 1; i--) {
		const char *other = f->evidence.v[i];

		f->evidence.v[i] = f->evidence.v[i - 1];
		f->evidence.v[i - 1] = other;
	}
}

/* ---- who listens ---- */

static bool on_address(const struct node_socket *k, const struct ip_addr *a)
{
	return !k->addr.family || (k->addr.family == a->family && ip_addr_is_zero(&k->addr)) || ip_addr_equal(&k->addr, a);
}

/* Is it there for another port of the Service? */
static bool serves_another(struct run *r, const struct connect_target *t, uint16_t number)
{
	const struct k8s_slice_group *g = k8s_slices_of(r->c, t->service);
	bool found = false;

	for (size_t i = 0; g && i < g->v.len && !found; i++) {
		const struct k8s_slice *sl = g->v.v[i];
		bool lists = false, has = false;

		for (size_t j = 0; j < sl->nports; j++)
			lists |= sl->ports[j].port == number && sl->ports[j].proto == t->proto && sl->ports[j].name && strcmp(sl->ports[j].name, t->port->name) != 0;
		for (size_t j = 0; lists && j < sl->nendpoints && !has; j++)
			has = ip_addr_equal(&sl->endpoints[j].ip, &t->addr);
		found = has;
	}
	return found;
}

enum listening { LISTEN_UNKNOWN, LISTEN_YES, LISTEN_LOOPBACK, LISTEN_OTHER_PORT, LISTEN_OTHER_ADDRESS, LISTEN_NOTHING };

static enum listening listening(struct run *r, const struct connect_target *t)
{
	enum listening found = LISTEN_NOTHING;

	if (!t->listeners || !t->listeners->known)
		return LISTEN_UNKNOWN;
	for (size_t i = 0; i < t->listeners->sockets.len; i++) {
		const struct node_socket *k = &t->listeners->sockets.v[i];

		if (k->proto != t->proto)
			continue;
		if (k->port == t->number && on_address(k, &t->addr))
			return LISTEN_YES;
		if (k->port == t->number)
			found = ip_addr_is_loopback(&k->addr) ? LISTEN_LOOPBACK : found == LISTEN_LOOPBACK ? found : LISTEN_OTHER_ADDRESS;
		else if (found == LISTEN_NOTHING && on_address(k, &t->addr) && !serves_another(r, t, k->port))
			found = LISTEN_OTHER_PORT;
	}
	/* a node has listeners of its own, that have nothing to do with the pod */
	return found == LISTEN_OTHER_PORT && !t->pod ? LISTEN_NOTHING : found;
}

/* "8081, 9090": ports of the endpoint's protocol that others can reach; *@ret_only: the one, where there is one. */
static const char *other_ports(struct run *r, const struct connect_target *t, uint16_t *ret_only)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	size_t n = 0;

	*ret_only = 0;
	for (size_t i = 0; i < t->listeners->sockets.len && n < 8; i++) {
		const struct node_socket *k = &t->listeners->sockets.v[i];
		bool twice = false;

		for (size_t j = 0; j < i; j++)
			twice |= t->listeners->sockets.v[j].port == k->port && t->listeners->sockets.v[j].proto == k->proto;
		if (k->proto != t->proto || twice || !on_address(k, &t->addr) || serves_another(r, t, k->port))
			continue;
		strbuf_addf(&b, "%s%u", n ? ", " : "", k->port);
		*ret_only = n++ == 0 ? k->port : 0;
	}
	return run_printf(r, "%s", strbuf_str(&b));
}

static const char *listening_words(struct run *r, const struct connect_target *t)
{
	uint16_t only;

	switch (listening(r, t)) {
	case LISTEN_YES:
		return "; a program listens there";
	case LISTEN_LOOPBACK:
		return "; a program listens there on a loopback address only";
	case LISTEN_OTHER_ADDRESS:
		return "; a program listens there on another address only";
	case LISTEN_OTHER_PORT:
		return run_printf(r, "; listening there: %s", other_ports(r, t, &only));
	case LISTEN_NOTHING:
		return "; nothing listens there";
	case LISTEN_UNKNOWN:
		break;
	}
	return "";
}

/* ---- NetworkPolicies ---- */

static const struct k8s_netpol *policy_against(const struct run *r, const struct connect_client *c, const struct connect_target *t)
{
	const struct k8s_policy_end from = { c->pod, c->addr[t->addr.family == AF_INET6], c->node }, to = { t->pod, t->addr, t->node };
	struct k8s_policy_verdict v = { 0 };

	/* which policies mean a client is only known when it is known who it is */
	if (!t->pod || t->self || !(c->from == FROM_NODE || c->pod))
		return NULL;
	k8s_policy_judge(r->c, &from, &to, t->proto, t->number, false, &v);
	if (v.isolated && v.allowed == 0)
		return v.by;
	if (!c->pod)
		return NULL;
	k8s_policy_judge(r->c, &from, &to, t->proto, t->number, true, &v);
	return v.isolated && v.allowed == 0 ? v.by : NULL;
}

/* ---- endpoints, each by itself ---- */

enum trouble {
	TROUBLE_NONE, TROUBLE_PORT, TROUBLE_LOOPBACK, TROUBLE_REFUSED, TROUBLE_RULE, TROUBLE_ROUTE, TROUBLE_SILENT, TROUBLE_POLICY, TROUBLE_HTTP, TROUBLES
};
static const struct {
	const char *check, *one, *many;
} troubles[] = {
	[TROUBLE_PORT] = { "connect-wrong-port", "nothing listens on the port of %s: the program there listens on another one",
			   "nothing listens on the port of %zu endpoints of %s: the programs there listen on other ones" },
	[TROUBLE_LOOPBACK] = { "connect-loopback-only", "the program of %s listens on a loopback address, where only the pod itself reaches it",
			       "the programs of %zu endpoints of %s listen on loopback addresses, where only the pods themselves reach them" },
	[TROUBLE_REFUSED] = { "connect-endpoint-refused", "%s refuses connections", "%zu endpoints of %s refuse connections" },
	[TROUBLE_RULE] = { "connect-rejected-by-rule", "a rule refuses connections to %s", "rules refuse connections to %zu endpoints of %s" },
	[TROUBLE_ROUTE] = { "connect-no-route", "there is no way to %s", "there is no way to %zu endpoints of %s" },
	[TROUBLE_SILENT] = { "connect-endpoint-silent", "%s does not answer", "%zu endpoints of %s do not answer" },
	[TROUBLE_POLICY] = { "connect-endpoint-silent", "%s does not answer this client, as a NetworkPolicy wants it",
			     "%zu endpoints of %s do not answer this client, as NetworkPolicies want it" },
	[TROUBLE_HTTP] = { "connect-http-fails", "%s takes connections, and HTTP fails", "%zu endpoints of %s take connections, and HTTP fails" },
};

static enum trouble trouble_of(const struct group *g, const struct connect_target *t)
{
	enum listening l = listening(g->r, t);

	switch (connect_fault_of(t, connect_worst(t))) {
	case FAULT_REFUSED:
		return l == LISTEN_LOOPBACK ? TROUBLE_LOOPBACK : l == LISTEN_OTHER_PORT ? TROUBLE_PORT : l == LISTEN_YES ? TROUBLE_RULE : TROUBLE_REFUSED;
	case FAULT_RULE:
		return TROUBLE_RULE;
	case FAULT_ROUTE:
		return TROUBLE_ROUTE;
	case FAULT_SILENT:
		return policy_against(g->r, &g->p->client, t) ? TROUBLE_POLICY : TROUBLE_SILENT;
	case FAULT_HTTP:
		return TROUBLE_HTTP;
	default:
		return TROUBLE_NONE;
	}
}

/* All endpoints listen on @port and on no other: then it is the Service's port that is wrong. */
static bool all_listen_on(const struct group *g, uint16_t port)
{
	uint16_t only;

	for (size_t i = g->from; i < g->to; i++) {
		const struct connect_target *t = target(g, i);

		if (t->kind != CONNECT_ENDPOINT)
			continue;
		if (trouble_of(g, t) != TROUBLE_PORT)
			return false;
		(void)other_ports(g->r, t, &only);
		if (only != port)
			return false;
	}
	return true;
}

static void trouble_evidence(struct group *g, struct finding *f, enum trouble k, const struct connect_target *t)
{
	struct run *r = g->r;
	const struct k8s_netpol *np = k == TROUBLE_SILENT || k == TROUBLE_POLICY ? policy_against(r, &g->p->client, t) : NULL;
	uint16_t only;

	finding_evidence(r, f, "%s: %s%s", connect_target_words(r, t), t->result, listening_words(r, t));
	if (k == TROUBLE_RULE && connect_fault_of(t, connect_worst(t)) == FAULT_REFUSED)
		finding_evidence(r, f, "an RST although a program listens there: a rule with --reject-with tcp-reset, or a program that is full");
	if (np) {
		finding_evidence(r, f, "NetworkPolicy %s/%s does not allow it", np->meta.ns, np->meta.name);
		finding_next(r, f, "kubectl -n %s describe networkpolicy %s", np->meta.ns, np->meta.name);
	}
	if (k == TROUBLE_PORT) {
		(void)other_ports(r, t, &only);
		finding_next(r, f, "kubectl -n %s get service %s -o yaml", g->service->meta.ns, g->service->meta.name);
		if (only && f->fix.len == 0 && !g->port->target.name && all_listen_on(g, only))
			finding_fix(r, f, "kubectl -n %s patch service %s --type json -p '[{\"op\":\"replace\",\"path\":\"/spec/ports/%u/targetPort\",\"value\":%u}]'",
				    g->service->meta.ns, g->service->meta.name, (unsigned)(g->port - g->service->ports), (unsigned)only);
	}
}

static void trouble_next(struct group *g, struct finding *f, enum trouble k, const struct connect_target *t)
{
	struct run *r = g->r;
	char buf[IP_ADDR_STRLEN];

	if (k == TROUBLE_REFUSED && t->pod)
		finding_next(r, f, "kubectl -n %s exec %s -- cat /proc/net/tcp /proc/net/tcp6", t->pod->meta.ns, t->pod->meta.name);
	if (k == TROUBLE_ROUTE)
		finding_next(r, f, "ip route get %a", ip_addr_format(&t->addr, buf));
	if (k == TROUBLE_SILENT || k == TROUBLE_RULE)
		finding_next(r, f, "kubectl -n %s get networkpolicies", g->service->meta.ns);
	if (k == TROUBLE_SILENT || k == TROUBLE_RULE || k == TROUBLE_ROUTE)
		next_trace(g, f, t);
	next_pod(r, f, t);
}

/* No endpoint elsewhere is reached, and too few of them are known to say that it is not theirs. */
static bool may_be_network(const struct group *g, enum trouble k)
{
	size_t lost = 0;

	if ((k != TROUBLE_SILENT && k != TROUBLE_ROUTE) || !g->p->client.node)
		return false;
	for (size_t i = g->from; i < g->to; i++) {
		const struct connect_target *t = target(g, i);
		bool mine;

		if (t->kind != CONNECT_ENDPOINT || t->self)
			continue;
		mine = trouble_of(g, t) == k && !t->told;
		if (!t->node || (t->here && mine) || (!t->here && is_reached(t)))
			return false;
		lost += mine;
	}
	return lost > 0;
}

#define AT_SOME " at some of the tries"

/* All of one kind, in one finding. */
static void one_trouble(struct group *g, enum trouble k)
{
	const struct connect_target *first = NULL;
	struct finding *f;
	size_t n = 0, answering = 0, partly = 0;

	for (size_t i = g->from; i < g->to; i++) {
		const struct connect_target *t = target(g, i);

		if (t->kind == CONNECT_ENDPOINT && !t->told && trouble_of(g, t) == k) {
			first = first ? first : t;
			answering += t->answered == t->made;
			partly += t->answered > 0 && t->answered < t->made;
			n++;
		}
	}
	if (n == 0)
		return;
	f = new_finding(g, troubles[k].check, NULL, k == TROUBLE_POLICY ? "policy" : NULL);
	f->rank = 10 + (int)k;
	if (n == 1)
		finding_text(g->r, f, "%s%s", run_printf(g->r, troubles[k].one, connect_target_words(g->r, first)), partly ? AT_SOME : "");
	else
		finding_text(g->r, f, "%s%s", run_printf(g->r, troubles[k].many, n, g->name), partly == n ? AT_SOME : "");
	/* it is meant so, for this client; or HTTP works, and this path may be the wrong one to ask for */
	if (k == TROUBLE_POLICY || (k == TROUBLE_HTTP && answering == n))
		finding_severity(f, SEVERITY_WARNING);
	for (size_t i = g->from; i < g->to; i++) {
		struct connect_target *t = target(g, i);

		if (t->kind == CONNECT_ENDPOINT && !t->told && trouble_of(g, t) == k)
			trouble_evidence(g, f, k, t);
	}
	if (may_be_network(g, k))
		second_evidence(g->r, f, "no endpoint on another node than the client's is reached: the network between nodes may be what fails");
	trouble_next(g, f, k, first);
}

static void endpoints(struct group *g)
{
	for (int k = TROUBLE_NONE + 1; k < TROUBLES; k++)
		one_trouble(g, (enum trouble)k);
}

/* ---- by node ---- */

struct place {
	const char *node;
	size_t reached, lost; /* addresses */
};

/* One address with several ports counts once: it is reached when any of them is. */
static bool is_first_of_address(const struct connect_plan *p, size_t i, bool *ret_reached)
{
	const struct connect_target *t = &p->targets.v[i];

	*ret_reached = false;
	for (size_t k = 0; k < p->targets.len; k++) {
		const struct connect_target *y = &p->targets.v[k];

		if (y->kind != CONNECT_ENDPOINT || !ip_addr_equal(&y->addr, &t->addr))
			continue;
		if (k < i)
			return false;
		*ret_reached |= is_reached(y);
	}
	return true;
}

static struct place *place_of(struct place *v, size_t *n, const char *node)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(v[i].node, node) == 0)
			return &v[i];
	v[*n] = (struct place){ .node = node };
	return &v[(*n)++];
}

static void count_places(const struct run *r, const struct connect_plan *p, struct place *v, size_t *n)
{
	for (size_t i = 0; i < p->targets.len; i++) {
		const struct connect_target *t = &p->targets.v[i];
		bool reached;

		if (t->kind != CONNECT_ENDPOINT || !t->node || t->self || !is_first_of_address(p, i, &reached))
			continue;
		if (reached)
			place_of(v, n, t->node)->reached++;
		else if (is_lost(t) && !policy_against(r, &p->client, t))
			place_of(v, n, t->node)->lost++;
	}
}

static void tell_lost(struct run *r, struct connect_plan *p, struct finding *f, const char *node, bool but)
{
	const struct connect_target *first = NULL;
	char buf[IP_ADDR_STRLEN];

	for (size_t i = 0; i < p->targets.len; i++) {
		struct connect_target *t = &p->targets.v[i];

		if (t->kind != CONNECT_ENDPOINT || !t->node || (strcmp(t->node, node) == 0) == but || !is_lost(t) || policy_against(r, &p->client, t))
			continue;
		t->told = true;
		first = first ? first : t;
		finding_concerns(r, f, t->service);
		finding_evidence(r, f, "%s: %s%s", connect_target_words(r, t), t->result, listening_words(r, t));
	}
	if (first) {
		finding_next(r, f, "ip route get %a", ip_addr_format(&first->addr, buf));
		finding_next(r, f, "kubectl get nodes -o wide");
		finding_next(r, f, "kubectl -n kube-system get pods -o wide");
	}
}

static void pod_network(struct run *r, struct connect_plan *p, const struct place *own, size_t lost, size_t nodes)
{
	const struct connect_client *c = &p->client;
	struct finding *f = finding_new(r, "connect-pod-network", c->node, NULL, run_printf(r, "Node %s", c->node));

	finding_text(r, f, "only the endpoints on other nodes fail: %zu of %zu are reached, all on %s", own->reached, own->reached + own->lost + lost, c->node);
	finding_evidence(r, f, "from %s: none of %zu endpoint%s on %zu other node%s is reached", connect_client_words(r, c), lost, PLURAL(lost), nodes,
			 PLURAL(nodes));
	tell_lost(r, p, f, c->node, true);
}

static void one_node(struct run *r, struct connect_plan *p, const struct place *v, bool own)
{
	struct finding *f = finding_new(r, "connect-node-unreached", v->node, NULL, run_printf(r, "Node %s", v->node));

	finding_text(r, f, own ? "no endpoint on %s, the client's own node, is reached, and those on other nodes are" :
			   "no endpoint on %s is reached, and those on other nodes are", v->node);
	finding_evidence(r, f, "%zu endpoints there, from %s", v->lost, connect_client_words(r, &p->client));
	tell_lost(r, p, f, v->node, false);
	finding_next(r, f, "kubectl describe node %s", v->node);
}

static void places(struct run *r, struct connect_plan *p)
{
	struct place *v = calloc(p->targets.len + 1, sizeof(*v));
	const struct place *own = NULL;
	size_t n = 0, lost = 0, reached = 0, nodes = 0;

	if (!v) {
		r->err = -ENOMEM;
		return;
	}
	count_places(r, p, v, &n);
	for (size_t i = 0; i < n; i++) {
		bool mine = p->client.node && strcmp(v[i].node, p->client.node) == 0;

		own = mine ? &v[i] : own;
		lost += mine ? 0 : v[i].lost;
		nodes += !mine && v[i].lost > 0;
		reached += mine ? 0 : v[i].reached;
	}
	if (own && own->reached > 0 && reached == 0 && lost > 1) {
		pod_network(r, p, own, lost, nodes);
	} else {
		for (size_t i = 0; i < n; i++) {
			size_t others = reached + (own ? own->reached : 0) - v[i].reached;

			if (v[i].reached == 0 && v[i].lost > 1 && others > 0)
				one_node(r, p, &v[i], &v[i] == own);
		}
	}
	free(v);
}

/* ---- what leads to endpoints ---- */

/* Without a node's view of it: all of them answer, or none does. */
static void settle_expected(const struct group *g, struct connect_target *t)
{
	if (isnan(t->expected) && g->endpoints > 0 && (g->answering == g->endpoints || g->answering == 0))
		t->expected = g->answering > 0;
}

enum verdict { SAYS_NOTHING, AS_EXPECTED, FEWER, NONE_EXPECTED };

/* Not one answer, and a refusal that no endpoint gave: that is not the endpoints' part of the tries, as little likely as it is. */
static bool is_refused_before(const struct group *g, const struct connect_target *t, enum connect_fault fault)
{
	if (t->answered > 0 || (fault != FAULT_RULE && fault != FAULT_REFUSED) || pow(1 - t->expected, t->made) > 0.01)
		return false;
	for (size_t i = g->from; i < g->to; i++)
		if (target(g, i)->kind == CONNECT_ENDPOINT && connect_fault_of(target(g, i), connect_worst(target(g, i))) == fault)
			return false;
	return true;
}

static enum verdict compare(const struct group *g, const struct connect_target *t)
{
	double p = t->expected, seen;
	enum connect_fault fault = connect_fault_of(t, connect_worst(t));

	if (t->made == 0 || fault == FAULT_UNKNOWN || (fault == FAULT_NONE && t->answered < t->made))
		return SAYS_NOTHING;
	seen = (double)t->answered / t->made;
	if (!isnan(p) && p < 1e-9)
		return t->answered > 0 ? NONE_EXPECTED : AS_EXPECTED;
	if (t->answered == t->made)
		return AS_EXPECTED;
	if (isnan(p))
		return g->endpoints == 0 ? FEWER : SAYS_NOTHING;
	/* all tries of a client that sticks to an endpoint end as that one does */
	if (g->service->affinity_client_ip && p < 1 - 1e-9)
		return AS_EXPECTED;
	if (p > 1 - 1e-9)
		return FEWER;
	if (is_refused_before(g, t, fault))
		return FEWER;
	return seen < p - TRIES_SURE * sqrt(p * (1 - p) / t->made) ? FEWER : AS_EXPECTED;
}

static const char *share_text(struct run *r, double share, unsigned of)
{
	return run_printf(r, "%.3g of %u", share * of, of);
}

/* "3 of 10 are expected of the endpoints that answer, and 3 of 10 by the rules of node1" */
static const char *expected_words(struct run *r, const struct connect_plan *p, const struct connect_target *t)
{
	const char *node = t->kind == CONNECT_NODE_PORT ? t->node : p->client.node;
	const char *words = run_printf(r, "%s expected of the endpoints that answer", share_text(r, t->expected, t->made));

	if (!t->by_rules || !node || isnan(t->predicted))
		return words;
	return run_printf(r, "%s, %s %s by the rules of %s", words, fabs(t->predicted - t->expected) < 1e-3 ? "and" : "but",
			  share_text(r, t->predicted, t->made), node);
}

static const char *frontend_check(const struct connect_target *t)
{
	return t->kind == CONNECT_CLUSTER_IP ? "connect-cluster-ip-fails" : t->kind == CONNECT_NODE_PORT ? "connect-node-port-fails" : "connect-external-fails";
}

static void frontend_text(struct group *g, struct finding *f, const struct connect_target *t)
{
	struct run *r = g->r;
	const char *what = connect_kind_name(t->kind), *where = t->kind == CONNECT_NODE_PORT && t->node ? run_printf(r, " of %s", t->node) : "";
	const char *address = connect_address(r, t);

	if (g->endpoints == 0)
		finding_text(r, f, "the %s %s%s answers %u of %u tries", what, address, where, t->answered, t->made);
	else if (g->answering == g->endpoints)
		finding_text(r, f, "%s of %s answers, and the %s %s%s answers %u of %u tries", g->endpoints == 1 ? "the endpoint" : "every endpoint", g->name,
			     what, address, where, t->answered, t->made);
	else
		finding_text(r, f, "the %s %s%s of %s answers %u of %u tries, fewer than its endpoints explain", what, address, where, g->name, t->answered,
			     t->made);
}

/* What is missing is what falls to the client itself. */
static bool is_hairpin(const struct group *g, const struct connect_target *t)
{
	double own = 0, left, seen = (double)t->answered / t->made;

	for (size_t i = g->from; i < g->to; i++)
		own += target(g, i)->self ? target(g, i)->weight : 0;
	left = t->expected - own;
	if (isnan(left) || own <= 0)
		return false;
	return left < 1e-9 ? t->answered == 0 : fabs(seen - left) <= TRIES_SURE * sqrt(left * (1 - left) / t->made);
}

static void hairpin_fails(struct group *g, const struct connect_target *t)
{
	struct run *r = g->r;
	const struct connect_client *c = &g->p->client;
	struct finding *f = new_finding(g, "connect-hairpin-fails", c->node, connect_address(r, t));

	f->rank = 5;
	finding_text(r, f, "%s is an endpoint of %s itself, and does not reach itself through the %s %s", connect_client_words(r, c), g->name,
		     connect_kind_name(t->kind), connect_address(r, t));
	finding_evidence(r, f, "%u of %u tries are answered, about as many as fall to other endpoints: %s", t->answered, t->made, t->result);
	finding_evidence(r, f, "%s", expected_words(r, g->p, t));
	if (c->node)
		finding_next(r, f, "svcdoctor hairpin --node %s", c->node);
	next_trace(g, f, t);
}

static void frontend_fails(struct group *g, const struct connect_target *t)
{
	struct run *r = g->r;
	const struct k8s_meta *m = &g->service->meta;
	const char *node = t->kind == CONNECT_NODE_PORT ? t->node : g->p->client.node;
	struct finding *f = new_finding(g, frontend_check(t), node, connect_address(r, t));

	f->rank = 5;
	frontend_text(g, f, t);
	finding_evidence(r, f, "%s: %s", connect_address(r, t), t->result);
	if (!isnan(t->expected))
		finding_evidence(r, f, "%s", expected_words(r, g->p, t));
	if (node)
		finding_next(r, f, "svcdoctor verify %s/%s --node %s", m->ns, m->name, node);
	else
		finding_next(r, f, "svcdoctor verify %s/%s", m->ns, m->name);
	next_trace(g, f, t);
	finding_next(r, f, "svcdoctor diagnose %s/%s", m->ns, m->name);
}

/* Somebody answers, and it is no endpoint that this client reaches. */
static void stranger(struct group *g, const struct connect_target *t)
{
	struct finding *f = new_finding(g, "connect-answered-by-another", g->p->client.node, connect_address(g->r, t));

	f->rank = 30;
	finding_text(g->r, f, "the %s %s answers %u of %u tries, though no endpoint that it leads to answers this client", connect_kind_name(t->kind),
		     connect_address(g->r, t), t->answered, t->made);
	finding_next(g->r, f, "svcdoctor verify %s/%s", g->service->meta.ns, g->service->meta.name);
	next_trace(g, f, t);
}

static void frontends(struct group *g)
{
	for (size_t i = g->from; i < g->to; i++) {
		struct connect_target *t = target(g, i);
		enum verdict v;

		if (t->kind == CONNECT_ENDPOINT)
			continue;
		settle_expected(g, t);
		v = compare(g, t);
		if (v == FEWER && is_hairpin(g, t))
			hairpin_fails(g, t);
		else if (v == FEWER)
			frontend_fails(g, t);
		else if (v == NONE_EXPECTED && g->endpoints > 0)
			stranger(g, t);
	}
}

static bool concerns(const struct finding *f, const struct k8s_service *s)
{
	for (size_t i = 0; i < f->services.len; i++)
		if (f->services.v[i] == s)
			return true;
	return false;
}

/* What the faults of the endpoints make of a cluster IP stands beside the first of them, which is @first, and beside what is said of a node. */
static void add_shares(struct group *g, size_t first)
{
	struct run *r = g->r;

	for (size_t i = g->from; i < g->to; i++) {
		const struct connect_target *t = target(g, i);

		if (t->kind != CONNECT_CLUSTER_IP || isnan(t->expected) || t->answered == t->made || compare(g, t) != AS_EXPECTED)
			continue;
		for (size_t k = 0; k < r->d->findings.len; k++) {
			struct finding *f = r->d->findings.v[k];

			if (k == first || (f->check->scope == SCOPE_NODE && concerns(f, g->service)))
				second_evidence(r, f, run_printf(r, "the cluster IP %s answers %u of %u tries: %s", connect_address(r, t), t->answered, t->made,
								 expected_words(r, g->p, t)));
		}
	}
}

static void no_endpoints(struct group *g)
{
	const struct k8s_meta *m = &g->service->meta;
	struct finding *f;

	if (g->p->client.from == FROM_OUTSIDE || g->r->s->kinds[K8S_SLICES] != KNOWN)
		return;
	f = new_finding(g, "connect-no-endpoints", NULL, NULL);
	finding_text(g->r, f, "%s has no ready endpoint that could be tried", g->name);
	finding_next(g->r, f, "svcdoctor diagnose %s/%s", m->ns, m->name);
	finding_next(g->r, f, "svcdoctor endpoints %s/%s", m->ns, m->name);
}

/* ---- the whole ---- */

static size_t group_end(const struct connect_plan *p, size_t from)
{
	size_t to = from;

	while (to < p->targets.len && p->targets.v[to].service == p->targets.v[from].service && p->targets.v[to].port == p->targets.v[from].port &&
	       p->targets.v[to].addr.family == p->targets.v[from].addr.family)
		to++;
	return to;
}

static struct group group_at(struct run *r, struct connect_plan *p, size_t from)
{
	struct group g = { .r = r, .p = p, .from = from, .to = group_end(p, from), .service = p->targets.v[from].service, .port = p->targets.v[from].port };

	g.name = port_words(r, g.service, g.port);
	for (size_t i = g.from; i < g.to; i++) {
		g.endpoints += p->targets.v[i].kind == CONNECT_ENDPOINT;
		g.answering += p->targets.v[i].kind == CONNECT_ENDPOINT && p->targets.v[i].made > 0 && p->targets.v[i].answered == p->targets.v[i].made;
	}
	return g;
}

static void judge_group(struct group *g)
{
	size_t first = g->r->d->findings.len;

	if (g->endpoints == 0)
		no_endpoints(g);
	endpoints(g);
	/* refused, or left hanging, is as it must be without endpoints */
	if (g->endpoints > 0 || g->p->client.from == FROM_OUTSIDE)
		frontends(g);
	add_shares(g, first);
}

static void note_untried(struct run *r, const struct connect_plan *p)
{
	static const struct skipped_check late = { "connect", NULL, NULL, "late", "not every try was made: no time was left (--timeout)", NULL };
	static const struct skipped_check unable = { "connect", NULL, NULL, "unsupported", "some tries could not be made from here", NULL };
	bool is_late = false, is_unable = p->targets.len == 0;

	for (size_t i = 0; i < p->targets.len; i++) {
		for (size_t k = 0; k < p->targets.v[i].count; k++) {
			is_late |= p->targets.v[i].tries[k].end == TRY_NOT_MADE;
			is_unable |= p->targets.v[i].tries[k].end == TRY_FAILED;
		}
	}
	if (is_late)
		run_push(r, &r->d->skipped, late);
	if (is_unable)
		run_push(r, &r->d->skipped, unable);
	r->d->inconclusive |= is_late || is_unable;
}

static int by_id(const void *a, const void *b)
{
	return strcmp((*(const struct finding *const *)a)->id, (*(const struct finding *const *)b)->id);
}

int connect_judge(const struct snapshot *s, struct connect_plan *p, struct diagnosis *ret)
{
	struct run r = { .s = s, .c = &s->cluster, .d = ret, .a = &ret->arena };

	ret->healthy = -1;
	for (int a = 0; a < AXIS_COUNT; a++)
		ret->axis_has_source[a] = true;
	p->client.words = connect_client_words(&r, &p->client);
	for (size_t i = 0; i < p->targets.len; i++) {
		count_tries(&p->targets.v[i]);
		p->targets.v[i].worst = connect_worst(&p->targets.v[i]);
		p->targets.v[i].result = connect_result_words(&r, p, &p->targets.v[i]);
	}
	for (size_t i = 0; i < p->targets.len && !r.err; i = group_end(p, i))
		r.err = connect_shares(s, p, i, group_end(p, i));
	places(&r, p);
	for (size_t i = 0; i < p->targets.len && !r.err; i = group_end(p, i)) {
		struct group g = group_at(&r, p, i);

		judge_group(&g);
	}
	note_untried(&r, p);
	if (ret->findings.len > 1)
		qsort(ret->findings.v, ret->findings.len, sizeof(*ret->findings.v), by_id);
	run_release(&r);
	return r.err;
}

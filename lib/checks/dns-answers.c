/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What answers say of the DNS itself: another domain than the clients', a zone that is refused or fails, names outside that fail, a wrong NXDOMAIN for
 * AAAA, a denial out of a cache, servers that differ. Each pass tells what it explains (judged.told), so that one fault is one finding; what is left
 * are faults of single records (dns-records.c).
 */
#include "dns-seats-private.h"

#define NESTED_MAX 2000 /* answers of a place that are compared with each other */

static size_t some(const struct dns_seat *seat)
{
	return MIN(seat->d->answers.len, (size_t)NESTED_MAX);
}

/* The finding of a fault that shows in the same answers and was found elsewhere, in logs or objects: it is more certain now. */
static struct finding *known_reason(struct run *r, const char *const *ids)
{
	for (size_t i = 0; ids[i]; i++) {
		struct finding *f = dns_finding_there(r, ids[i], NULL);

		if (f)
			return f;
	}
	return NULL;
}

static void tell_all(struct dns_view *v, enum dns_verdict verdict)
{
	for (size_t i = 0; i < v->judged.len; i++)
		v->judged.v[i].told |= v->judged.v[i].verdict == verdict;
}

/* ---- the domain ---- */

static const struct dns_answer *control_answer(const struct dns_seat *seat, const char *domain, bool good)
{
	for (size_t i = 0; i < seat->d->answers.len; i++) {
		const struct dns_answer *a = &seat->d->answers.v[i];
		const char *rest = strncasecmp(a->q.name, "kubernetes.default.svc.", 23) == 0 ? a->q.name + 23 : NULL;

		if (rest && !a->searched && a->q.type == DNS_A && a->end == DNS_ANSWERED && dns_name_equal(rest, domain) &&
		    good == (a->rcode == DNS_NOERROR && (a->nanswers || a->records_unknown)))
			return a;
	}
	return NULL;
}

static struct finding *domain_finding(struct dns_view *v, const struct dns_seat *seat)
{
	const char *node = dns_seat_node(v, seat);
	struct finding *f;

	for (size_t i = 0; i < v->r->d->findings.len; i++) {
		f = v->r->d->findings.v[i];
		if (strcmp(f->check->id, "wrong-cluster-domain") == 0 && (!node || !f->node || strcmp(f->node, node) == 0))
			return f;
	}
	f = finding_new(v->r, "wrong-cluster-domain", node, NULL, node ? run_printf(v->r, "Node %s", node) : run_printf(v->r, "Place %s", seat->d->label));
	f->rank = 3;
	finding_cluster(f);
	finding_text(v->r, f, "%s searches names in %.200s, and the cluster's DNS has them in %.200s", seat->d->label, seat->domain, v->domain);
	return f;
}

static void judge_domain(struct dns_view *v, const struct dns_seat *seat)
{
	const struct dns_answer *bad, *good;
	struct finding *f;

	if (!seat->domain || dns_name_equal(seat->domain, v->domain) || !check_find("wrong-cluster-domain"))
		return;
	bad = control_answer(seat, seat->domain, false);
	good = control_answer(seat, v->domain, true);
	if (!bad || (!good && !v->domain_configured) || control_answer(seat, seat->domain, true))
		return;
	f = domain_finding(v, seat);
	finding_severity(f, SEVERITY_ERROR);
	finding_evidence(v->r, f, "%s", dns_answer_line(v->r, seat, dns_seat_server(seat, &bad->q.server), bad));
	if (good)
		finding_evidence(v->r, f, "%s", dns_answer_line(v->r, seat, dns_seat_server(seat, &good->q.server), good));
	else
		finding_evidence(v->r, f, "the Corefile has the cluster's names in %.200s", v->domain);
	finding_evidence(v->r, f, "the search list of %s ends in svc.%s", seat->d->label, seat->domain);
	finding_next(v->r, f, "kubectl -n kube-system get configmap coredns -o yaml");
	if (dns_seat_node(v, seat))
		finding_next(v->r, f, "kubectl get --raw /api/v1/nodes/%s/proxy/configz", dns_seat_node(v, seat));
}

/* ---- the zone as a whole ---- */

struct words {
	size_t all, failing, refusing, denied, of_others; /* of_others: denied by a SOA that is not the cluster's, or by none that is shown */
	bool surely; /* that SOA was seen, or kubernetes.default is denied as well */
	const struct dns_judged *first;
};

static void count_words(const struct dns_view *v, struct words *w)
{
	for (size_t i = 0; i < v->judged.len; i++) {
		const struct dns_judged *j = &v->judged.v[i];
		const struct dns_record *soa = dns_soa(j->a);

		if (j->a->q.type == DNS_PTR || !(j->e->service || dns_is_control(v, j->name) || j->verdict == DNS_FAILING || j->verdict == DNS_REFUSING))
			continue;
		w->all++;
		w->failing += j->verdict == DNS_FAILING;
		w->refusing += j->verdict == DNS_REFUSING;
		w->denied += j->verdict == DNS_DENIED;
		w->of_others += j->verdict == DNS_DENIED && (!soa || !dns_name_inside(soa->owner, v->domain));
		w->surely |= soa || dns_is_control(v, j->name);
		w->first = w->first ? w->first : j;
	}
}

static void all_evidence(struct dns_view *v, struct finding *f, enum dns_verdict verdict)
{
	for (size_t i = 0, n = 0; i < v->judged.len && n < 6; i++) {
		const struct dns_judged *j = &v->judged.v[i];

		if (j->verdict != verdict || j->a->q.type == DNS_PTR)
			continue;
		finding_evidence(v->r, f, "%s", dns_answer_line(v->r, j->seat, j->server, j->a));
		n++;
	}
}

static struct finding *zone_finding(struct dns_view *v, const char *id, const char *what)
{
	struct finding *f = dns_finding_cluster(v, id, NULL, NULL);

	f->rank = 3;
	finding_text(v->r, f, "the cluster's DNS %s", what);
	if (v->dns)
		finding_next(v->r, f, "kubectl -n %s get configmap coredns -o yaml", v->dns->meta.ns);
	return f;
}

static void zone_fails(struct dns_view *v)
{
	static const char *const reasons[] = { "coredns-api-unreachable", "coredns-rbac", NULL };
	struct finding *f = known_reason(v->r, reasons);

	if (f) {
		finding_severity(f, SEVERITY_ERROR);
	} else {
		f = zone_finding(v, "dns-servfail", run_printf(v->r, "answers SERVFAIL to names of the cluster: it could not find out what they are (%.200s)", v->domain));
		finding_next(v->r, f, "kubectl -n kube-system logs -l k8s-app=kube-dns --tail=50");
	}
	all_evidence(v, f, DNS_FAILING);
	tell_all(v, DNS_FAILING);
}

/* The Corefile may have told it already. */
static void no_zone(struct dns_view *v, enum dns_verdict verdict, const char *what)
{
	struct finding *f = dns_finding_there(v->r, "coredns-servfail-no-zone", NULL);

	f = f ? f : zone_finding(v, "coredns-servfail-no-zone", run_printf(v->r, "%s no block of its Corefile is for %.200s", what, v->domain));
	finding_severity(f, SEVERITY_ERROR);
	all_evidence(v, f, verdict);
	tell_all(v, verdict);
}

static void judge_zone(struct dns_view *v)
{
	struct words w = { 0 };

	count_words(v, &w);
	if (!w.all)
		return;
	if (w.failing == w.all)
		zone_fails(v);
	else if (w.refusing == w.all)
		no_zone(v, DNS_REFUSING, "answers REFUSED to names of the cluster:");
	else if (w.denied == w.all && w.of_others == w.all && w.surely)
		no_zone(v, DNS_DENIED, "asks others for names of the cluster, who say that there are none:");
}

/* ---- names outside ---- */

struct outside {
	size_t good, failed, refused, lost;
	const struct dns_answer *bad;
};

static void count_outside(const struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s, struct outside *o)
{
	for (size_t i = 0; i < seat->d->answers.len; i++) {
		const struct dns_answer *a = &seat->d->answers.v[i];

		if (!ip_addr_equal(&a->q.server, &s->addr) || a->searched || (a->q.type != DNS_A && a->q.type != DNS_AAAA) || !dns_is_outside_name(v, a->q.name))
			continue;
		if (a->end == DNS_TIMED_OUT && dns_way_alive(a->q.tcp ? &s->tcp : &s->udp) == 1) {
			o->lost += a->tries ? a->tries : 2;
			o->bad = o->bad ? o->bad : a;
		} else if (a->end == DNS_ANSWERED) {
			o->good += a->rcode == DNS_NOERROR || a->rcode == DNS_NXDOMAIN;
			o->refused += a->rcode == DNS_REFUSED;
			o->failed += a->rcode == DNS_SERVFAIL;
			if (a->rcode == DNS_REFUSED || a->rcode == DNS_SERVFAIL)
				o->bad = a;
		}
	}
}

/* It answers names of the cluster as it must. */
static bool knows_cluster(const struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s)
{
	for (size_t i = 0; i < v->judged.len; i++)
		if (v->judged.v[i].seat == seat && v->judged.v[i].server == s && v->judged.v[i].a->rcode == DNS_NOERROR && v->judged.v[i].a->nanswers)
			return true;
	return false;
}

static void outside_refused(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s, const struct outside *o)
{
	static const char *const reasons[] = { "coredns-max-concurrent", NULL };
	struct finding *f = known_reason(v->r, reasons);

	f = f ? f : dns_finding_there(v->r, "coredns-servfail-no-zone", NULL);
	f = f ? f : zone_finding(v, "coredns-servfail-no-zone", "answers REFUSED to names outside the cluster: no block of its Corefile is for them");
	finding_evidence(v->r, f, "%s", dns_answer_line(v->r, seat, s, o->bad));
}

/* Another server of the place had an answer for a name outside: then it may have been a moment, or one pod's fault. */
static bool anybody_good(const struct dns_view *v, const struct dns_seat *seat)
{
	for (size_t i = 0; i < seat->servers.len; i++) {
		const struct dns_server *s = &seat->servers.v[i];
		struct outside o = { 0 };

		if (s->foreign || !(s->is & (DNS_IS_CLUSTER | DNS_IS_NAMESERVER)) || !knows_cluster(v, seat, s))
			continue;
		count_outside(v, seat, s, &o);
		if (o.good)
			return true;
	}
	return false;
}

static void outside_fails(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s, const struct outside *o)
{
	static const char *const reasons[] = { "coredns-loop", "coredns-max-concurrent", "coredns-upstream-timeout", NULL };
	const bool partly = anybody_good(v, seat);
	struct finding *f = known_reason(v->r, reasons);

	f = f ? f : zone_finding(v, "coredns-upstream-timeout", partly ? "does not get an answer for names outside at one of its servers, and at another it does"
								       : "knows the cluster's names, and does not get an answer for names outside");
	if (!partly && strcmp(f->check->id, "coredns-max-concurrent") != 0)
		finding_severity(f, SEVERITY_ERROR);
	finding_evidence(v->r, f, "%s", dns_answer_line(v->r, seat, s, o->bad));
}

static void judge_outside(struct dns_view *v, const struct dns_seat *seat)
{
	for (size_t i = 0; i < seat->servers.len; i++) {
		const struct dns_server *s = &seat->servers.v[i];
		struct outside o = { 0 };

		if (s->foreign || !(s->is & (DNS_IS_CLUSTER | DNS_IS_NAMESERVER)) || !knows_cluster(v, seat, s))
			continue;
		count_outside(v, seat, s, &o);
		if (o.good || !o.bad)
			continue;
		if (o.refused)
			outside_refused(v, seat, s, &o);
		else if (o.failed || o.lost >= 2)
			outside_fails(v, seat, s, &o);
	}
}

/* ---- NXDOMAIN for AAAA alone ---- */

static bool same_server(const struct dns_answer *a, const struct dns_answer *b)
{
	return ip_addr_equal(&a->q.server, &b->q.server) && a->q.tcp == b->q.tcp;
}

static bool has_address(const struct dns_seat *seat, const struct dns_answer *aaaa)
{
	for (size_t i = 0; i < some(seat); i++) {
		const struct dns_answer *a = &seat->d->answers.v[i];

		if (a->q.type == DNS_A && a->end == DNS_ANSWERED && a->rcode == DNS_NOERROR && a->nanswers && !a->searched && same_server(a, aaaa) &&
		    dns_name_equal(a->q.name, aaaa->q.name))
			return true;
	}
	return false;
}

/* Somebody here knows nothing of the name. Behind a cluster IP it may be another server that answers each question. */
static bool denied_whole(const struct dns_seat *seat, const struct dns_answer *aaaa)
{
	for (size_t i = 0; i < some(seat); i++) {
		const struct dns_answer *a = &seat->d->answers.v[i];

		if (a->q.type == DNS_A && a->end == DNS_ANSWERED && a->rcode == aaaa->rcode && !a->searched && dns_name_equal(a->q.name, aaaa->q.name))
			return true;
	}
	return false;
}

/* Does the server answer AAAA of another name as it should? Then it is not its way with AAAA. */
static bool answers_aaaa(const struct dns_seat *seat, const struct dns_answer *aaaa)
{
	for (size_t i = 0; i < some(seat); i++) {
		const struct dns_answer *a = &seat->d->answers.v[i];

		if (a->q.type == DNS_AAAA && a->end == DNS_ANSWERED && a->rcode == DNS_NOERROR && !a->searched && same_server(a, aaaa))
			return true;
	}
	return false;
}

/* Behind the address is an endpoint that knows better: A may have come from another one than AAAA. */
static bool endpoint_knows(const struct dns_seat *seat, const struct dns_server *s, const struct dns_answer *aaaa)
{
	for (size_t i = 0; i < some(seat) && !(s->is & DNS_IS_ENDPOINT); i++) {
		const struct dns_answer *a = &seat->d->answers.v[i];
		const struct dns_server *x = a->q.server.family ? dns_seat_server(seat, &a->q.server) : NULL;

		if (x && (x->is & DNS_IS_ENDPOINT) && a->q.type == DNS_AAAA && a->end == DNS_ANSWERED && a->rcode == DNS_NOERROR && dns_name_equal(a->q.name, aaaa->q.name))
			return true;
	}
	return false;
}

/* A denial that was kept: its time runs down, or who says it does not answer for the zone. */
static bool out_of_cache(const struct dns_answer *a)
{
	const struct dns_record *soa = dns_soa(a);

	return soa && (soa->ttl < soa->minimum || !a->aa);
}

static void misread_concerns(struct dns_view *v, struct finding *f, const struct dns_answer *a)
{
	for (size_t i = 0; i < v->judged.len; i++) {
		struct dns_judged *j = &v->judged.v[i];

		if (j->a != a && !(j->a->q.type == DNS_AAAA && j->a->rcode == a->rcode && dns_name_equal(j->name, a->q.name) && same_server(j->a, a)))
			continue;
		j->told = true;
		if (j->e->service && run_svc(v->r, j->e->service))
			finding_concerns(v->r, f, j->e->service);
	}
}

static void misread(struct dns_view *v, const struct dns_seat *seat, const struct dns_answer *a)
{
	const char *id = "dns-aaaa-nodata-misread";
	struct finding *f = dns_finding_there(v->r, id, NULL);
	const struct dns_server *s = dns_seat_server(seat, &a->q.server);

	if (!f) {
		f = dns_finding_cluster(v, id, NULL, NULL);
		f->rank = 6;
		finding_text(v->r, f, "%s has an IPv4 address for %.253s, and says %s to the question for IPv6: %s take it for both", s ? s->what : "a server",
			     dns_clean(v->r, a->q.name), dns_rcode_name(a->rcode), a->rcode == DNS_REFUSED || a->rcode == DNS_NOTIMP ? "some clients" : "clients");
		finding_next(v->r, f, "kubectl -n kube-system get configmap coredns -o yaml");
	}
	finding_evidence(v->r, f, "%s", dns_answer_line(v->r, seat, s, a));
	misread_concerns(v, f, a);
}

/* musl takes none of these for an answer; glibc goes on to the next server, and fails where all say it first. */
static bool denies_six(uint8_t rcode)
{
	return rcode == DNS_NXDOMAIN || rcode == DNS_SERVFAIL || rcode == DNS_REFUSED || rcode == DNS_NOTIMP;
}

static void judge_aaaa(struct dns_view *v, const struct dns_seat *seat)
{
	for (size_t i = 0; i < some(seat); i++) {
		const struct dns_answer *a = &seat->d->answers.v[i];
		const struct dns_server *s = a->q.server.family ? dns_seat_server(seat, &a->q.server) : NULL;

		if (a->q.type != DNS_AAAA || a->end != DNS_ANSWERED || a->searched || !denies_six(a->rcode))
			continue;
		if (!s || s->foreign || !((s->is & DNS_IS_CLUSTER) || seat->domain) || !has_address(seat, a) || denied_whole(seat, a))
			continue;
		if (endpoint_knows(seat, s, a))
			continue;
		if ((out_of_cache(a) || a->rcode != DNS_NXDOMAIN) && answers_aaaa(seat, a))
			continue;
		misread(v, seat, a);
	}
}

/* ---- a denial that was kept ---- */

/* Somebody has the name: another server, or the same over the other transport or a moment later. */
static const struct dns_judged *somebody_has(const struct dns_view *v, const struct dns_judged *j)
{
	for (size_t i = 0; i < v->judged.len; i++) {
		const struct dns_judged *x = &v->judged.v[i];

		if (x->verdict == DNS_FINE && x->a->q.type == j->a->q.type && dns_name_equal(x->name, j->name))
			return x;
	}
	return NULL;
}

static bool is_kept_denial(const struct dns_view *v, const struct dns_judged *j)
{
	const struct dns_record *soa = dns_soa(j->a);

	if (j->told || j->verdict != DNS_DENIED || !j->e->service || !soa || !dns_name_inside(soa->owner, v->domain))
		return false;
	if (soa->ttl < soa->minimum)
		return true;
	return somebody_has(v, j) && (!j->a->aa || (j->server && j->server->is & DNS_IS_NODE_LOCAL));
}

static void kept_denial(struct dns_view *v, struct dns_judged *j)
{
	const struct dns_record *soa = dns_soa(j->a);
	const struct dns_judged *good = somebody_has(v, j);
	const struct k8s_service *s = j->e->service;
	bool fresh;
	struct finding *f = dns_finding_about(v, "dns-negative-cache", j, &fresh);

	j->told = true;
	if (fresh) {
		f->rank = 5;
		finding_text(v->r, f, "%s still says that there is no %.253s: a denial in a cache, for %u second%s more", j->server ? j->server->what : "the DNS",
			     dns_clean(v->r, j->name), soa->ttl, PLURAL(soa->ttl));
		if (s->meta.created)
			finding_evidence(v->r, f, "Service %s/%s was created at %s", s->meta.ns, s->meta.name, s->meta.created);
	}
	/* as long as it lasts, the name does not resolve there */
	if (j->a->q.type == DNS_A && (!j->server || (j->server->is & DNS_IS_NAMESERVER)))
		finding_severity(f, SEVERITY_ERROR);
	dns_evidence(v, f, j);
	finding_evidence(v->r, f, "the denial may be kept for %u of %u seconds more (SOA of %.200s)", soa->ttl, soa->minimum, dns_clean(v->r, soa->owner));
	if (good)
		finding_evidence(v->r, f, "%s", dns_answer_line(v->r, good->seat, good->server, good->a));
	else if (fresh)
		finding_evidence(v->r, f, "where it is still denied after that, the DNS does not see the Service: no server has it now");
	dns_next(v, f, j);
}

static void judge_denials(struct dns_view *v)
{
	for (size_t i = 0; i < v->judged.len && !v->r->err; i++)
		if (is_kept_denial(v, &v->judged.v[i]))
			kept_denial(v, &v->judged.v[i]);
}

/* ---- servers that differ ---- */

static bool is_bad(const struct dns_judged *j)
{
	return !j->told && j->verdict != DNS_FINE && j->verdict != DNS_UNDECIDED;
}

static bool of(const struct dns_judged *j, unsigned is)
{
	return j->server && (j->server->is & is);
}

/* The same name is answered as it must be by another endpoint; or, for the cluster IP, by the same address at another time. */
static const struct dns_judged *better(const struct dns_view *v, const struct dns_judged *j)
{
	for (size_t i = 0; i < v->judged.len; i++) {
		const struct dns_judged *x = &v->judged.v[i];

		if (x->verdict != DNS_FINE || x->a->q.type != j->a->q.type || !dns_name_equal(x->name, j->name))
			continue;
		if (of(j, DNS_IS_ENDPOINT) && of(x, DNS_IS_ENDPOINT) && !ip_addr_equal(&x->server->addr, &j->server->addr))
			return x;
		if (of(j, DNS_IS_VIP) && of(x, DNS_IS_VIP) && x->seat == j->seat)
			return x;
	}
	return NULL;
}

static struct finding *disagree_finding(struct dns_view *v, const struct dns_judged *j)
{
	struct finding *f = dns_finding_there(v->r, "coredns-pod-disagree", NULL);

	if (f)
		return f;
	f = dns_finding_cluster(v, "coredns-pod-disagree", NULL, NULL);
	f->rank = 5;
	finding_partial(f);
	finding_text(v->r, f, "the pods of the cluster's DNS give different answers: %s is wrong about %.253s, and another one is not", j->server->what,
		     dns_clean(v->r, j->name));
	if (j->server->pod && v->dns) {
		finding_next(v->r, f, "kubectl -n %s logs %s", v->dns->meta.ns, j->server->pod);
		finding_fix(v->r, f, "kubectl -n %s delete pod %s", v->dns->meta.ns, j->server->pod);
	}
	return f;
}

static void disagrees(struct dns_view *v, struct dns_judged *j, const struct dns_judged *x)
{
	struct finding *f = disagree_finding(v, j);

	j->told = true;
	dns_evidence(v, f, j);
	finding_evidence(v->r, f, "%s", dns_answer_line(v->r, x->seat, x->server, x->a));
	if (j->e->service && run_svc(v->r, j->e->service))
		finding_concerns(v->r, f, j->e->service);
}

/* What the other servers say of a Service about whose name the endpoints differ comes from one of them. */
static void tell_others(struct dns_view *v, const struct dns_judged *j)
{
	for (size_t i = 0; i < v->judged.len; i++)
		if (is_bad(&v->judged.v[i]) && (j->e->service ? v->judged.v[i].e->service == j->e->service : dns_name_equal(v->judged.v[i].name, j->name)))
			v->judged.v[i].told = true;
}

static bool same_data(const struct dns_answer *a, const struct dns_answer *b)
{
	size_t na = 0, nb = 0;

	for (size_t i = 0; i < a->nanswers; i++) {
		bool found = a->answers[i].type != DNS_A && a->answers[i].type != DNS_AAAA;

		na += !found;
		for (size_t k = 0; k < b->nanswers && !found; k++)
			found = ip_addr_equal(&a->answers[i].addr, &b->answers[k].addr);
		if (!found)
			return false;
	}
	for (size_t k = 0; k < b->nanswers; k++)
		nb += b->answers[k].type == DNS_A || b->answers[k].type == DNS_AAAA;
	return na == nb;
}

/* Nobody knows what is right, and two endpoints say different things of one name of the cluster. */
static void judge_unknown(struct dns_view *v, struct dns_judged *j)
{
	for (size_t i = 0; i < v->judged.len; i++) {
		struct dns_judged *x = &v->judged.v[i];
		struct finding *f;

		if (x == j || x->e != j->e || x->verdict != DNS_UNDECIDED || !of(x, DNS_IS_ENDPOINT) || (x->a->rcode == j->a->rcode && same_data(x->a, j->a)))
			continue;
		f = disagree_finding(v, j);
		if (f->evidence.len)
			return;
		finding_severity(f, SEVERITY_WARNING);
		finding_text(v->r, f, "the pods of the cluster's DNS give different answers for %.253s; which of them is right, is not known", dns_clean(v->r, j->name));
		finding_evidence(v->r, f, "%s", dns_answer_line(v->r, j->seat, j->server, j->a));
		finding_evidence(v->r, f, "%s", dns_answer_line(v->r, x->seat, x->server, x->a));
		return;
	}
}

static void judge_servers(struct dns_view *v)
{
	for (size_t i = 0; i < v->judged.len && !v->r->err; i++) {
		struct dns_judged *j = &v->judged.v[i];
		const struct dns_judged *x = is_bad(j) && of(j, DNS_IS_ENDPOINT | DNS_IS_VIP) ? better(v, j) : NULL;

		if (!x)
			continue;
		disagrees(v, j, x);
	}
	for (size_t i = 0; i < v->judged.len && dns_finding_there(v->r, "coredns-pod-disagree", NULL); i++)
		if (v->judged.v[i].told && of(&v->judged.v[i], DNS_IS_ENDPOINT) && better(v, &v->judged.v[i]))
			tell_others(v, &v->judged.v[i]);
	for (size_t i = 0; i < v->judged.len && i < NESTED_MAX && !v->r->err; i++)
		if (v->judged.v[i].verdict == DNS_UNDECIDED && of(&v->judged.v[i], DNS_IS_ENDPOINT) && v->judged.v[i].e->service)
			judge_unknown(v, &v->judged.v[i]);
}

void dns_answers_findings(struct dns_view *v)
{
	for (size_t i = 0; i < v->nseats && !v->r->err; i++) {
		judge_domain(v, &v->seats[i]);
		judge_aaaa(v, &v->seats[i]);
	}
	judge_zone(v);
	for (size_t i = 0; i < v->nseats && !v->r->err; i++)
		judge_outside(v, &v->seats[i]);
	judge_denials(v);
	judge_servers(v);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Places, servers and answers as the checks over answers of DNS need them. Which server an address is, the API says: the cluster IP of the
 * DNS Service, its endpoints, the address of NodeLocal DNSCache; what resolv.conf names is one of the cluster's as far as its search list
 * was made by a kubelet for names of the cluster.
 */
#include <ctype.h>
#include <errno.h>

#include "dns-plan-private.h"
#include "dns-seats-private.h"
#include "dns-server-private.h"

#define SERVERS_MAX 64
#define NODE_LOCAL "169.254.20.10"

/* ---- which server it is ---- */

static const struct k8s_endpoint *dns_endpoint_of(const struct dns_view *v, const struct ip_addr *a)
{
	const struct k8s_slice_group *g = v->dns ? k8s_slices_of(v->r->c, v->dns) : NULL;

	for (size_t i = 0; g && i < g->v.len; i++)
		for (size_t j = 0; j < g->v.v[i]->nendpoints; j++)
			if (ip_addr_equal(&g->v.v[i]->endpoints[j].ip, a))
				return &g->v.v[i]->endpoints[j];
	return NULL;
}

static bool is_vip(const struct dns_view *v, const struct ip_addr *a)
{
	for (size_t i = 0; v->dns && i < v->dns->ncluster_ips; i++)
		if (ip_addr_equal(&v->dns->cluster_ips[i], a))
			return true;
	return false;
}

/* The place in resolv.conf, from 1; 0: it is not there. */
static size_t nameserver_number(const struct snap_dns *d, const struct ip_addr *a)
{
	for (size_t i = 0; d->has_conf && i < d->conf.servers.len; i++)
		if (ip_addr_equal(&d->conf.servers.v[i].addr, a))
			return i + 1;
	return 0;
}

static void name_server(struct dns_view *v, const struct dns_seat *seat, struct dns_server *s)
{
	const struct k8s_endpoint *e = dns_endpoint_of(v, &s->addr);
	size_t n = nameserver_number(seat->d, &s->addr);
	char buf[IP_ADDR_STRLEN];
	struct ip_addr local;

	ip_addr_format(&s->addr, buf);
	s->is = (is_vip(v, &s->addr) ? DNS_IS_VIP : 0) | (e ? DNS_IS_ENDPOINT : 0) | (n ? DNS_IS_NAMESERVER : 0);
	/* where nobody tells which Service is the DNS, it is whom pods are told to ask */
	if (!v->dns && n && seat->domain)
		s->is |= DNS_IS_VIP;
	if (ip_addr_parse(NODE_LOCAL, &local) == 0 && ip_addr_equal(&local, &s->addr))
		s->is |= DNS_IS_NODE_LOCAL;
	s->what = run_printf(v->r, "%s", buf);
	if (e) {
		s->ready = e->ready != 0;
		s->node = e->node_name;
		s->pod = str_is(e->target_kind, "Pod") ? e->target_name : NULL;
		s->what = run_printf(v->r, "%s (%s%s%s%s)", buf, s->pod ? "Pod " : "endpoint", s->pod ? s->pod : "", s->node ? " on " : "", s->node ? s->node : "");
	} else if ((s->is & DNS_IS_VIP) && v->dns) {
		s->what = run_printf(v->r, "%s (cluster IP of %s)", buf, dns_dns_words(v));
	} else if (s->is & DNS_IS_NODE_LOCAL) {
		s->what = run_printf(v->r, "%s (NodeLocal DNSCache)", buf);
	} else if (n) {
		s->what = run_printf(v->r, "%s (nameserver %zu of resolv.conf)", buf, n);
	}
}

const char *dns_seat_node(const struct dns_view *v, const struct dns_seat *seat)
{
	const struct k8s_pod *p = seat->d->ns && seat->d->pod ? k8s_find_pod(v->r->c, seat->d->ns, seat->d->pod) : NULL;

	return seat->d->node ? seat->d->node : p ? p->node : NULL;
}

const char *dns_dns_words(const struct dns_view *v)
{
	return v->dns ? run_printf(v->r, "%s/%s", v->dns->meta.ns, v->dns->meta.name) : "the cluster's DNS";
}

struct dns_server *dns_seat_server(const struct dns_seat *seat, const struct ip_addr *a)
{
	for (size_t i = 0; i < seat->servers.len; i++)
		if (ip_addr_equal(&seat->servers.v[i].addr, a))
			return &seat->servers.v[i];
	return NULL;
}

static struct dns_server *seat_server(struct dns_view *v, struct dns_seat *seat, const struct ip_addr *a)
{
	struct dns_server *s = dns_seat_server(seat, a), fresh = { .addr = *a };

	if (s || seat->servers.len >= SERVERS_MAX)
		return s;
	name_server(v, seat, &fresh);
	run_push(v->r, &seat->servers, fresh);
	return v->r->err ? NULL : &seat->servers.v[seat->servers.len - 1];
}

/* ---- how it did ---- */

static void count_answer(struct dns_way *w, const struct dns_answer *a)
{
	if (a->end == DNS_NOT_ASKED || a->end == DNS_FAILED)
		return;
	w->asked++;
	w->answered += a->end == DNS_ANSWERED;
	w->timed_out += a->end == DNS_TIMED_OUT;
	w->closed += a->end == DNS_PORT_CLOSED;
	w->unreachable += a->end == DNS_UNREACHABLE;
	w->prohibited += a->end == DNS_PROHIBITED;
	w->cut += a->end == DNS_CUT_OFF;
	w->garbage += a->end == DNS_GARBAGE;
	w->strangers += a->end == DNS_STRANGERS;
	/* where the text does not say how often, it was a program that tries more than once */
	w->sent += a->end == DNS_TIMED_OUT ? (a->tries ? a->tries : 2) : 0;
	if (a->end != DNS_ANSWERED)
		w->lost = a;
}

int dns_way_alive(const struct dns_way *w)
{
	/* whatever comes, somebody is there */
	if (w->answered || w->garbage || w->strangers)
		return 1;
	if (!w->asked)
		return -1;
	/* one datagram may be lost anywhere; what refuses, says so */
	return w->timed_out == w->asked && w->sent < 2 ? -1 : 0;
}

int dns_server_alive(const struct dns_server *s)
{
	int udp = dns_way_alive(&s->udp), tcp = dns_way_alive(&s->tcp);

	if (udp == 1 || tcp == 1)
		return 1;
	return udp == 0 || tcp == 0 ? 0 : -1;
}

/* ---- places ---- */

static void find_domain(struct dns_view *v, struct dns_seat *seat)
{
	const struct resolv_conf *c = &seat->d->conf;

	for (size_t i = 0; seat->d->has_conf && i < c->searches.len && !seat->domain; i++) {
		const char *x = c->searches.v[i].domain;

		if (strncasecmp(x, "svc.", 4) == 0 && x[4])
			seat->domain = run_printf(v->r, "%s", x + 4);
	}
}

static void make_seat(struct dns_view *v, struct dns_seat *seat, const struct snap_dns *d)
{
	seat->d = d;
	find_domain(v, seat);
	for (size_t i = 0; i < d->answers.len; i++) {
		const struct dns_answer *a = &d->answers.v[i];
		struct dns_server *s = a->q.server.family ? seat_server(v, seat, &a->q.server) : NULL;

		if (!s)
			continue;
		count_answer(a->q.tcp ? &s->tcp : &s->udp, a);
		if (!a->q.tcp && a->end == DNS_ANSWERED && a->tc)
			s->cut_short = a;
	}
}

/* ---- the cluster's domain ---- */

#define CONTROL "kubernetes.default.svc."

static bool has_data(const struct dns_answer *a)
{
	return a->end == DNS_ANSWERED && a->rcode == DNS_NOERROR && (a->nanswers || a->records_unknown);
}

/* The domain under which kubernetes.default was found (@found), or asked for. */
static const char *asked_domain(const struct dns_view *v, bool found)
{
	for (size_t i = 0; i < v->nseats; i++) {
		for (size_t j = 0; j < v->seats[i].d->answers.len; j++) {
			const struct dns_answer *a = &v->seats[i].d->answers.v[j];

			if (!a->searched && strncasecmp(a->q.name, CONTROL, strlen(CONTROL)) == 0 && a->q.name[strlen(CONTROL)] && (!found || has_data(a)))
				return a->q.name + strlen(CONTROL);
		}
	}
	return NULL;
}

/* What answers show counts more than what the Corefile and kubelets say, which may be what is wrong. */
static void choose_domain(struct dns_view *v)
{
	const char *x = asked_domain(v, true), *domains[DNS_DOMAINS_MAX];
	bool assumed = true;
	size_t len;

	v->domain_found = x != NULL;
	if (!x) {
		int n = dns_domains(v->r->a, v->r->s, v->nseats ? v->seats[0].d : NULL, domains, &assumed);

		if (n < 0)
			v->r->err = n;
		x = assumed ? asked_domain(v, false) : NULL;
		x = x ? x : n > 0 ? domains[0] : "cluster.local";
	}
	len = strlen(x);
	v->domain = run_printf(v->r, "%.*s", (int)(len - (len && x[len - 1] == '.')), x);
	v->domain_assumed = !v->domain_found && assumed;
	v->domain_configured = !v->domain_found && !assumed;
	for (size_t i = 0; i < v->nseats; i++)
		v->domain_configured &= !v->seats[i].domain || !dns_name_equal(v->seats[i].domain, v->domain);
}

void dns_view_make(struct run *r, struct dns_view *v)
{
	v->r = r;
	v->dns = dns_service_object(r);
	v->seats = arena_array(&r->scratch, struct dns_seat, r->s->dns.len + 1);
	if (!v->seats) {
		r->err = -ENOMEM;
		return;
	}
	for (; v->nseats < r->s->dns.len && !r->err; v->nseats++)
		make_seat(v, &v->seats[v->nseats], r->s->dns.v[v->nseats]);
	choose_domain(v);
}

void dns_view_release(struct dns_view *v)
{
	for (size_t i = 0; v->seats && i <= v->nseats; i++)
		array_free(&v->seats[i].servers);
	for (size_t i = 0; i < v->all_expected.len; i++)
		dns_expected_release(v->all_expected.v[i]);
	array_free(&v->all_expected);
	array_free(&v->judged);
	map_release(&v->expected);
	map_release(&v->questions);
}

bool dns_is_control(const struct dns_view *v, const char *name)
{
	return strncasecmp(name, CONTROL, strlen(CONTROL)) == 0 && dns_name_equal(name + strlen(CONTROL), v->domain);
}

bool dns_is_outside_name(const struct dns_view *v, const char *name)
{
	if (dns_name_inside(name, v->domain) || dns_name_inside(name, "arpa") || !strchr(name, '.'))
		return false;
	for (size_t i = 0; i < v->nseats; i++)
		if (v->seats[i].domain && dns_name_inside(name, v->seats[i].domain))
			return false;
	return true;
}

const struct dns_record *dns_soa(const struct dns_answer *a)
{
	for (size_t i = 0; i < a->nauthority; i++)
		if (a->authority[i].type == DNS_SOA)
			return &a->authority[i];
	return NULL;
}

/* ---- words ---- */

static const char *rcode_words(struct run *r, uint8_t rcode)
{
	switch (rcode) {
	case DNS_NXDOMAIN:
		return "NXDOMAIN (there is no such name)";
	case DNS_SERVFAIL:
		return "SERVFAIL (the server could not find out)";
	case DNS_REFUSED:
		return "REFUSED (the server does not answer for this name, or not for this client)";
	default:
		return run_printf(r, "%s", dns_rcode_name(rcode));
	}
}

static const char *end_words(struct run *r, const struct dns_answer *a)
{
	static const char *const words[DNS_ENDS] = { [DNS_NOT_ASKED] = "was not asked",
						     [DNS_TIMED_OUT] = "nothing came back (time-out: lost, dropped, or nobody is there)",
						     [DNS_PORT_CLOSED] = "refused at once (nobody listens there, or a rule rejects)",
						     [DNS_UNREACHABLE] = "unreachable (there is no way there)",
						     [DNS_PROHIBITED] = "prohibited (a rule on the way forbids it)",
						     [DNS_CUT_OFF] = "the connection was closed before an answer came",
						     [DNS_GARBAGE] = "what came is no DNS message",
						     [DNS_STRANGERS] = "only answers to other questions or from other addresses came",
						     [DNS_FAILED] = "could not be asked" };

	if (a->end == DNS_GARBAGE && a->why)
		return run_printf(r, "%s: %.100s", words[a->end], dns_clean(r, a->why));
	return words[a->end] ? words[a->end] : "";
}

const char *dns_clean(struct run *r, const char *text)
{
	const char *s = arena_clean(r->a, text);

	if (!s)
		r->err = -ENOMEM;
	return s ? s : "";
}

static void add_record(struct strbuf *b, const struct dns_record *rec)
{
	char addr[IP_ADDR_STRLEN], type[DNS_TYPE_STRLEN];

	if (rec->addr.family)
		strbuf_adds(b, ip_addr_format(&rec->addr, addr));
	else if (rec->type == DNS_SRV)
		strbuf_addf(b, "port %u of %.253s", rec->port, rec->target ? rec->target : "?");
	else
		strbuf_addf(b, "%s %.253s", dns_type_name(rec->type, type), rec->target ? rec->target : "");
}

/* At most a few; from outside, so cleaned. */
static const char *records_words(struct run *r, const struct dns_record *v, size_t n)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	CLEANUP(strbuf_release) struct strbuf clean = STRBUF_INIT;

	for (size_t i = 0; i < n && i < 6; i++) {
		strbuf_adds(&b, i ? ", " : "");
		add_record(&b, &v[i]);
	}
	strbuf_adds(&b, n > 6 ? ", ..." : "");
	strbuf_add_clean(&clean, strbuf_str(&b));
	return run_printf(r, "%s", strbuf_str(&clean));
}

/* "10.96.0.10", "NXDOMAIN (there is no such name)", "nothing came back" */
static const char *answer_words(struct run *r, const struct dns_answer *a)
{
	if (a->end != DNS_ANSWERED)
		return end_words(r, a);
	if (a->rcode != DNS_NOERROR)
		return rcode_words(r, a->rcode);
	if (!a->nanswers)
		return a->records_unknown ? "answered" : a->tc ? "truncated" : "no record (the name exists, and has none of this type)";
	return records_words(r, a->answers, a->nanswers);
}

const char *dns_answer_line(struct run *r, const struct dns_seat *seat, const struct dns_server *s, const struct dns_answer *a)
{
	CLEANUP(strbuf_release) struct strbuf name = STRBUF_INIT;
	char buf[DNS_TYPE_STRLEN];

	strbuf_add_clean(&name, a->q.name);
	return run_printf(r, "%s %.253s%s%s%s, from %s: %s", dns_type_name(a->q.type, buf), strbuf_str(&name), s ? " at " : "", s ? s->what : "",
			  a->q.tcp ? " over TCP" : "", seat->d->label, answer_words(r, a));
}

const char *dns_way_words(struct run *r, const struct dns_way *w, const char *transport)
{
	if (!w->asked)
		return run_printf(r, "%s: not asked", transport);
	if (w->answered == w->asked)
		return run_printf(r, "%s: %zu of %zu answered", transport, w->answered, w->asked);
	return run_printf(r, "%s: %zu of %zu answered%s%s", transport, w->answered, w->asked, w->lost ? "; " : "", w->lost ? end_words(r, w->lost) : "");
}

/* ---- findings ---- */

struct finding *dns_finding_there(struct run *r, const char *id, const struct k8s_service *service)
{
	for (size_t i = 0; i < r->d->findings.len; i++) {
		struct finding *f = r->d->findings.v[i];
		bool about = !service;

		for (size_t j = 0; j < f->services.len; j++)
			about |= f->services.v[j] == service;
		if (about && strcmp(f->check->id, id) == 0)
			return f;
	}
	return NULL;
}

struct finding *dns_finding_cluster(struct dns_view *v, const char *id, const char *node, const char *detail)
{
	return dns_server_finding(v->r, id, node, detail, v->dns, 0);
}

struct finding *dns_finding_about(struct dns_view *v, const char *id, const struct dns_judged *j, bool *ret_new)
{
	struct run *r = v->r;
	const struct k8s_service *s = j->e->service;
	const char *subject = s ? run_printf(r, "Service %s/%s", s->meta.ns, s->meta.name) : run_printf(r, "Name %.253s", dns_clean(r, j->name));
	struct finding *f = NULL;

	for (size_t i = 0; i < r->d->findings.len && !f; i++)
		if (strcmp(r->d->findings.v[i]->check->id, id) == 0 && strcmp(r->d->findings.v[i]->subject, subject) == 0)
			f = r->d->findings.v[i];
	*ret_new = !f;
	if (f)
		return f;
	f = finding_new(r, id, NULL, NULL, subject);
	if (s && run_svc(r, s))
		finding_concerns(r, f, s);
	if (!s || !run_svc(r, s) || dns_is_control(v, j->name))
		finding_cluster(f);
	return f;
}

void dns_evidence(struct dns_view *v, struct finding *f, const struct dns_judged *j)
{
	const char *why;

	finding_evidence(v->r, f, "%s", dns_answer_line(v->r, j->seat, j->server, j->a));
	if (!j->e->why || j->e->kind == DNS_EXPECT_NOTHING)
		return;
	why = run_printf(v->r, "the API: %.500s", dns_clean(v->r, j->e->why));
	for (size_t i = 0; i < f->evidence.len; i++)
		if (strcmp(f->evidence.v[i], why) == 0)
			return;
	finding_evidence(v->r, f, "%s", why);
}

void dns_next(struct dns_view *v, struct finding *f, const struct dns_judged *j)
{
	const struct k8s_service *s = j->e->service;

	if (s)
		finding_next(v->r, f, s->headless ? "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o wide" : "kubectl -n %s get service %s -o wide",
			     s->meta.ns, s->meta.name);
	finding_next(v->r, f, "svcdoctor dns %t", j->name);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers that differ from what the API says, name by name, once faults of the DNS as a whole are told: an address that is gone, one of somebody
 * else, records that are missing; aliases that lead nowhere or never end. All that is wrong with the names of one Service is one finding.
 */
#include "dns-seats-private.h"

/* ---- is it gone? ---- */

static const struct k8s_service *service_with(const struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->c->services.len; i++)
		for (size_t j = 0; j < r->c->services.v[i]->ncluster_ips; j++)
			if (ip_addr_equal(a, &r->c->services.v[i]->cluster_ips[j]))
				return r->c->services.v[i];
	return NULL;
}

static bool near(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, a->family == AF_INET ? 2 : 8) == 0;
}

/* In a range of cluster IPs: as the API says it, or beside those that Services have. */
static bool like_cluster_ip(const struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->c->service_cidrs.len; i++)
		for (size_t j = 0; j < r->c->service_cidrs.v[i]->ncidrs; j++)
			if (ip_prefix_contains(&r->c->service_cidrs.v[i]->cidrs[j], a))
				return true;
	for (size_t i = 0; i < r->c->services.len; i++)
		for (size_t j = 0; j < r->c->services.v[i]->ncluster_ips; j++)
			if (near(a, &r->c->services.v[i]->cluster_ips[j]))
				return true;
	return false;
}

static bool like_pod(const struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->c->nodes.len; i++)
		for (size_t j = 0; j < r->c->nodes.v[i]->npod_cidrs; j++)
			if (ip_prefix_contains(&r->c->nodes.v[i]->pod_cidrs[j], a))
				return true;
	for (size_t i = 0; i < r->c->slices.len; i++)
		for (size_t j = 0; j < r->c->slices.v[i]->nendpoints; j++)
			if (near(a, &r->c->slices.v[i]->endpoints[j].ip))
				return true;
	return false;
}

/* Of the Service itself, and not ready any more, or not yet. */
static bool own_unready(const struct run *r, const struct k8s_service *s, const struct ip_addr *a)
{
	for (size_t i = 0; s && i < r->c->slices.len; i++) {
		const struct k8s_slice *sl = r->c->slices.v[i];

		for (size_t j = 0; str_is(sl->service, s->meta.name) && strcmp(sl->meta.ns, s->meta.ns) == 0 && j < sl->nendpoints; j++)
			if (ip_addr_equal(&sl->endpoints[j].ip, a) && sl->endpoints[j].ready == 0)
				return true;
	}
	return false;
}

/* What somebody else has: "Service shop/web", "Pod shop/db-0"; NULL: nobody that is known. */
static const char *owner_of(struct run *r, const struct ip_addr *a)
{
	const struct k8s_service *s = service_with(r, a);
	const struct k8s_pod *p = map_get(&r->c->pod_by_ip, a, sizeof(*a));

	if (s)
		return run_printf(r, "Service %s/%s", s->meta.ns, s->meta.name);
	return p ? run_printf(r, "Pod %s/%s", p->meta.ns, p->meta.name) : NULL;
}

/* The address was the Service's as far as one can tell, and nobody has it now. */
static bool is_gone(struct run *r, const struct dns_judged *j)
{
	const struct ip_addr *a = &j->record->addr;

	if (!a->family)
		return false;
	if (own_unready(r, j->e->service, a))
		return true;
	if (owner_of(r, a))
		return false;
	return (like_cluster_ip(r, a) && run_complete(r, K8S_SERVICES)) || (like_pod(r, a) && run_complete(r, K8S_PODS));
}

/* ---- one finding for what is wrong with a Service's names ---- */

static const char *shown(struct run *r, const struct dns_record *rec)
{
	char buf[IP_ADDR_STRLEN];

	return rec->addr.family ? run_printf(r, "%s", ip_addr_format(&rec->addr, buf)) : run_printf(r, "%.253s", rec->target ? dns_clean(r, rec->target) : "a record");
}

/* An error is what keeps clients of the Service away for certain; endpoints come and go between two looks. */
static enum severity severity_of(const struct dns_judged *j)
{
	const struct k8s_service *s = j->e->service;

	if ((j->a->q.type != DNS_A && j->a->q.type != DNS_AAAA) || j->e->hostname || !s)
		return SEVERITY_WARNING;
	if (s->headless)
		return (j->verdict == DNS_DENIED || j->verdict == DNS_EMPTY) && j->seat->d->live ? SEVERITY_ERROR : SEVERITY_WARNING;
	return j->verdict == DNS_EMPTY && j->a->q.type == DNS_AAAA ? SEVERITY_WARNING : SEVERITY_ERROR;
}

static void stale_text(struct dns_view *v, struct finding *f, const struct dns_judged *j)
{
	const struct k8s_service *s = j->e->service;

	if (s && own_unready(v->r, s, &j->record->addr))
		finding_text(v->r, f, "the DNS still answers %s for %.253s, an endpoint of Service %s/%s that is not ready", shown(v->r, j->record), dns_clean(v->r, j->name), s->meta.ns,
			     s->meta.name);
	else if (s)
		finding_text(v->r, f, "the DNS answers %s for %.253s, an address that Service %s/%s has no more", shown(v->r, j->record), dns_clean(v->r, j->name), s->meta.ns, s->meta.name);
	else
		finding_text(v->r, f, "the DNS answers %s for %.253s, and there is no such Service any more", shown(v->r, j->record), dns_clean(v->r, j->name));
}

static void wrong_text(struct dns_view *v, struct finding *f, const struct dns_judged *j)
{
	const char *owner = j->record && j->record->addr.family ? owner_of(v->r, &j->record->addr) : NULL, *name = dns_clean(v->r, j->name);
	char buf[DNS_TYPE_STRLEN];
	const char *type = dns_type_name(j->a->q.type, buf);

	if (j->record)
		finding_text(v->r, f, "the DNS answers %s for %.253s%s%s, which the API does not say", shown(v->r, j->record), name, owner ? ", the address of " : "",
			     owner ? owner : "");
	else if (j->verdict == DNS_DENIED)
		finding_text(v->r, f, "the DNS says NXDOMAIN (there is no such name) to %s of %.253s, which exists", type, name);
	else if (j->verdict == DNS_EMPTY)
		finding_text(v->r, f, "the DNS has no %s record of %.253s, and there must be one", type, name);
	else
		finding_text(v->r, f, "%s records of %.253s are missing in the DNS's answer", type, name);
}

static const char *const about_records[] = { "dns-stale-record", "dns-wrong-record", "dns-negative-cache", NULL };

/* The finding about records of the same Service. */
static struct finding *told_already(struct dns_view *v, const struct dns_judged *j)
{
	const struct k8s_service *s = j->e->service;
	const char *subject = s ? run_printf(v->r, "Service %s/%s", s->meta.ns, s->meta.name) : NULL;

	for (size_t i = 0; subject && i < v->r->d->findings.len; i++) {
		struct finding *f = v->r->d->findings.v[i];

		for (size_t k = 0; about_records[k]; k++)
			if (strcmp(f->check->id, about_records[k]) == 0 && strcmp(f->subject, subject) == 0)
				return f;
	}
	return NULL;
}

static void raise(struct finding *f, const struct dns_judged *j)
{
	enum severity s = severity_of(j);

	if (strcmp(f->check->id, "dns-negative-cache") != 0)
		finding_severity(f, MAX(f->severity, s));
}

static void record_finding(struct dns_view *v, struct dns_judged *j, const char *id)
{
	bool fresh;
	struct finding *f = told_already(v, j);

	j->told = true;
	if (!f) {
		f = dns_finding_about(v, id, j, &fresh);
		if (fresh) {
			f->rank = 7;
			finding_severity(f, SEVERITY_WARNING);
			if (str_is(id, "dns-stale-record"))
				stale_text(v, f, j);
			else
				wrong_text(v, f, j);
		}
	}
	raise(f, j);
	dns_evidence(v, f, j);
	if (j->a->nanswers && str_is(id, "dns-stale-record"))
		finding_evidence(v->r, f, "it may be kept for %u seconds more, as far as a cache gave it", j->a->answers[0].ttl);
	dns_next(v, f, j);
}

/* ---- what is left of the answers ---- */

static bool is_left(const struct dns_view *v, const struct dns_judged *j)
{
	if (j->told || j->verdict == DNS_FINE || j->verdict == DNS_UNDECIDED)
		return false;
	/* other plugins may answer other names of the domain, and who denies a name that is nobody's says what is so */
	if (!j->e->service && (j->verdict != DNS_UNFOUNDED || !dns_name_inside(j->name, run_printf(v->r, "svc.%s", v->domain))))
		return false;
	/* that the externalName is an address is said elsewhere */
	return !(j->e->service && str_is(j->e->service->type, "ExternalName") && j->e->kind == DNS_EXPECT_NXDOMAIN);
}

static void failing(struct dns_view *v, struct dns_judged *j)
{
	bool fresh;
	struct finding *f;

	j->told = true;
	/* what the servers outside do not answer */
	if (str_is(j->e->service->type, "ExternalName") || (j->a->q.type == DNS_PTR && dns_finding_there(v->r, "coredns-upstream-timeout", NULL)))
		return;
	f = dns_finding_about(v, j->verdict == DNS_REFUSING ? "coredns-servfail-no-zone" : "dns-servfail", j, &fresh);
	if (fresh) {
		f->rank = 7;
		finding_severity(f, SEVERITY_WARNING);
		finding_partial(f);
		finding_text(v->r, f, "the DNS answers %s to %.253s, and not to other names", dns_rcode_name(j->a->rcode), dns_clean(v->r, j->name));
	}
	dns_evidence(v, f, j);
	dns_next(v, f, j);
}

static void judge_left(struct dns_view *v, bool stale)
{
	for (size_t i = 0; i < v->judged.len && !v->r->err; i++) {
		struct dns_judged *j = &v->judged.v[i];

		if (!is_left(v, j))
			continue;
		if (stale && j->record && is_gone(v->r, j))
			record_finding(v, j, "dns-stale-record");
		else if (!stale && (j->verdict == DNS_FAILING || j->verdict == DNS_REFUSING))
			failing(v, j);
		else if (!stale)
			record_finding(v, j, "dns-wrong-record");
	}
}

/* ---- headless Services whose endpoints are not ready ---- */

/* Who leaves has no name any more, and shall have none. */
static bool is_leaving(const struct run *r, const struct k8s_service *s, const char *hostname)
{
	const struct k8s_slice_group *g = hostname ? k8s_slices_of(r->c, s) : NULL;

	for (size_t i = 0; g && i < g->v.len; i++)
		for (size_t j = 0; j < g->v.v[i]->nendpoints; j++)
			if (str_is(g->v.v[i]->endpoints[j].hostname, hostname) && g->v.v[i]->endpoints[j].terminating == 1)
				return true;
	return false;
}

static bool any_ready(const struct run *r, const struct k8s_service *s)
{
	const struct k8s_slice_group *g = k8s_slices_of(r->c, s);

	for (size_t i = 0; g && i < g->v.len; i++)
		for (size_t j = 0; j < g->v.v[i]->nendpoints; j++)
			if (g->v.v[i]->endpoints[j].ready != 0)
				return true;
	return false;
}

/* One endpoint of several that is not ready does not keep clients of the Service away. */
static struct finding *until_ready(struct dns_view *v, const struct dns_judged *j)
{
	bool fresh;
	struct finding *f = dns_finding_there(v->r, "headless-no-dns-until-ready", j->e->service);

	if (f)
		return f;
	f = dns_finding_about(v, "headless-no-dns-until-ready", j, &fresh);
	if (any_ready(v->r, j->e->service))
		finding_severity(f, SEVERITY_WARNING);
	return f;
}

static void judge_headless(struct dns_view *v)
{
	const char *id = "headless-no-dns-until-ready";

	for (size_t i = 0; i < v->judged.len && check_find(id) && !v->r->err; i++) {
		const struct dns_judged *j = &v->judged.v[i];
		struct finding *f;

		if (j->verdict != DNS_FINE || j->a->rcode != DNS_NXDOMAIN || j->e->kind != DNS_EXPECT_NXDOMAIN || !j->e->service || !j->e->service->headless ||
		    !j->e->why || !strstr(j->e->why, "ready") || is_leaving(v->r, j->e->service, j->e->hostname))
			continue;
		f = until_ready(v, j);
		if (!f->evidence.len)
			finding_text(v->r, f, "%.500s: its names are NXDOMAIN until then", dns_clean(v->r, j->e->why));
		dns_evidence(v, f, j);
	}
}

/* ---- aliases ---- */

#define STEPS_MAX 8

static const struct dns_answer *alias_answer(const struct dns_seat *seat, const struct dns_answer *from, const char *name)
{
	for (size_t i = 0; i < seat->d->answers.len && i < 500; i++) {
		const struct dns_answer *a = &seat->d->answers.v[i];

		if (a->end == DNS_ANSWERED && a->rcode == DNS_NOERROR && !a->searched && a->q.type == from->q.type && ip_addr_equal(&a->q.server, &from->q.server) &&
		    dns_name_equal(a->q.name, name))
			return a;
	}
	return NULL;
}

/* The aliases that begin here, from answer to answer: how many there are, and whether they come back. @ret: the last name. */
static size_t follow(const struct dns_seat *seat, const struct dns_answer *a, const char **ret, bool *ret_loop)
{
	size_t steps = 0, len = 0;

	*ret_loop = false;
	*ret = a->q.name;
	for (const struct dns_answer *x = a; x && steps <= STEPS_MAX && !*ret_loop; steps += len) {
		*ret = dns_chain_end(x, x->q.name, &len, ret_loop);
		if (!len)
			break;
		*ret_loop |= dns_name_equal(*ret, a->q.name);
		x = alias_answer(seat, a, *ret);
	}
	return steps;
}

static void endless(struct dns_view *v, const struct dns_seat *seat, const struct dns_answer *a, bool loop)
{
	const struct dns_server *s = a->q.server.family ? dns_seat_server(seat, &a->q.server) : NULL;
	struct finding *f = dns_finding_there(v->r, "dns-bad-answers", NULL);

	if (!f) {
		f = dns_finding_cluster(v, "dns-bad-answers", NULL, NULL);
		f->rank = 8;
		finding_text(v->r, f, "%s answers with aliases that %s", s ? s->what : "the DNS", loop ? "lead back to themselves" : "never end");
	}
	finding_evidence(v->r, f, "%s", dns_answer_line(v->r, seat, s, a));
	for (size_t i = 0; i < v->judged.len; i++)
		v->judged.v[i].told |= v->judged.v[i].seat == seat && v->judged.v[i].server == s && v->judged.v[i].a->q.type == a->q.type;
}

static bool is_alias_service(const struct dns_view *v, const char *name)
{
	for (size_t i = 0; i < v->judged.len; i++)
		if (v->judged.v[i].e->service && str_is(v->judged.v[i].e->service->type, "ExternalName") && dns_name_equal(v->judged.v[i].name, name))
			return true;
	return false;
}

static void judge_chains(struct dns_view *v, const struct dns_seat *seat)
{
	for (size_t i = 0; i < seat->d->answers.len && i < 500; i++) {
		const struct dns_answer *a = &seat->d->answers.v[i];
		const struct dns_server *s = a->q.server.family ? dns_seat_server(seat, &a->q.server) : NULL;
		const char *last;
		bool loop;

		if (a->end != DNS_ANSWERED || !a->nanswers || a->searched || (a->q.type != DNS_A && a->q.type != DNS_AAAA) || !s || s->foreign ||
		    !((s->is & DNS_IS_CLUSTER) || seat->domain))
			continue;
		if (follow(seat, a, &last, &loop) < STEPS_MAX && !loop)
			continue;
		if (dns_name_inside(a->q.name, v->domain) && !is_alias_service(v, a->q.name))
			endless(v, seat, a, loop);
	}
}

/* ---- ExternalNames that lead nowhere ---- */

static bool has_addresses(const struct dns_answer *a)
{
	for (size_t i = 0; i < a->nanswers; i++)
		if (a->answers[i].addr.family)
			return true;
	return false;
}

/* Is there an address for the name, by anybody, in any answer? */
static bool found_elsewhere(const struct dns_view *v, const char *name)
{
	for (size_t i = 0; i < v->nseats; i++)
		for (size_t k = 0; k < v->seats[i].d->answers.len && k < 2000; k++) {
			const struct dns_answer *a = &v->seats[i].d->answers.v[k];

			if (a->end == DNS_ANSWERED && dns_name_equal(a->q.name, name) && (has_addresses(a) || a->rcode == DNS_SERVFAIL || a->rcode == DNS_REFUSED || a->tc))
				return true;
		}
	return false;
}

/* Denied for certain: by NXDOMAIN in the same answer, or to the question for the target itself. */
static const struct dns_answer *denied(const struct dns_view *v, const struct dns_judged *j, const char *target)
{
	if (j->a->rcode == DNS_NXDOMAIN)
		return j->a;
	for (size_t i = 0; i < j->seat->d->answers.len && i < 2000; i++) {
		const struct dns_answer *a = &j->seat->d->answers.v[i];

		if (a->end == DNS_ANSWERED && a->rcode == DNS_NXDOMAIN && dns_name_equal(a->q.name, target))
			return a;
	}
	(void)v;
	return NULL;
}

static void unresolved(struct dns_view *v, const struct dns_judged *j, const char *target, bool loop)
{
	const struct dns_answer *proof = denied(v, j, target);
	const struct k8s_service *s = j->e->service;
	bool fresh;
	struct finding *f = dns_finding_about(v, "externalname-unresolved", j, &fresh);

	if (fresh) {
		f->rank = 6;
		finding_severity(f, proof || loop || j->e->kind == DNS_EXPECT_NODATA ? SEVERITY_ERROR : SEVERITY_WARNING);
		finding_text(v->r, f, loop ? "Service %s/%s is an ExternalName for %.253s, which leads back to it" : "Service %s/%s is an ExternalName for %.253s, which has no address",
			     s->meta.ns, s->meta.name, s->external_name ? dns_clean(v->r, s->external_name) : "");
	}
	dns_evidence(v, f, j);
	if (proof && proof != j->a)
		finding_evidence(v->r, f, "%s", dns_answer_line(v->r, j->seat, dns_seat_server(j->seat, &proof->q.server), proof));
	finding_next(v->r, f, "kubectl -n %s get service %s -o wide", s->meta.ns, s->meta.name);
	if (s->external_name)
		finding_next(v->r, f, "svcdoctor dns %t", s->external_name);
}

static void judge_external(struct dns_view *v, const struct dns_judged *j)
{
	const struct k8s_service *s = j->e->service;
	const char *last = s->external_name;
	bool loop = false;
	struct ip_addr a;

	if (!last || ip_addr_parse(last, &a) == 0 || dns_finding_there(v->r, "externalname-cname-loop", s) || has_addresses(j->a) || found_elsewhere(v, j->name))
		return;
	if (j->a->nanswers)
		(void)follow(j->seat, j->a, &last, &loop);
	if (found_elsewhere(v, last) || (j->e->kind == DNS_EXPECT_RECORDS && !j->a->nanswers))
		return;
	/* of one family alone it may have no address */
	if (j->a->q.type == DNS_A || loop)
		unresolved(v, j, last, loop);
}

static void dns_records_findings(struct dns_view *v)
{
	for (size_t i = 0; i < v->nseats && !v->r->err; i++)
		judge_chains(v, &v->seats[i]);
	for (size_t i = 0; i < v->judged.len && !v->r->err; i++) {
		const struct dns_judged *j = &v->judged.v[i];

		if (j->verdict == DNS_FINE && j->e->service && str_is(j->e->service->type, "ExternalName") && (j->a->q.type == DNS_A || j->a->q.type == DNS_AAAA))
			judge_external(v, j);
	}
	judge_headless(v);
	judge_left(v, true);
	judge_left(v, false);
}

/* ---- all of it ---- */

void check_dns_answers(struct run *r)
{
	struct dns_view v = { 0 };

	if (!r->s->dns.len)
		return;
	dns_view_make(r, &v);
	if (!r->err)
		dns_servers_before(&v);
	if (!r->err)
		dns_view_judge(&v);
	if (!r->err) {
		dns_servers_findings(&v);
		dns_latency_findings(&v);
		dns_answers_findings(&v);
		dns_records_findings(&v);
	}
	dns_view_release(&v);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the logs of the DNS pods say: that the API server refuses or does not answer, and that the upstream DNS does not. */
#include "dns-server-private.h"

#define FEW 3 /* lines that are needed to call it a fault */

static const char *const forbidden_kinds[] = { "rbac-forbidden", NULL };
static const char *const api_kinds[] = { "api-unreachable", "api-credentials", "api-failing", "api-unsynced", NULL };
static const char *const waiting_kinds[] = { "not-ready", "api-waiting", NULL };
static const char *const upstream_kinds[] = { "upstream-timeout",	"upstream-refused",   "upstream-unreachable",	"upstream-not-permitted",
					      "upstream-unhealthy",	"upstream-probe-lost", "upstream-errors-joined", NULL };
static const char *const concurrent_kinds[] = { "max-concurrent", NULL };

static const struct dns_told *newest(const struct dns_told_list *l)
{
	const struct dns_told *best = NULL;

	for (size_t i = 0; i < l->v.len; i++)
		if (!best || (l->v.v[i].hit->detail && !best->hit->detail))
			best = &l->v.v[i];
	return best;
}

static const char *pods_text(struct run *r, const struct dns_told_list *l)
{
	if (l->pods == 1)
		return run_printf(r, "Pod %s/%s", l->v.v[0].log->ns, l->v.v[0].log->pod);
	return run_printf(r, "%zu of %zu DNS pods", l->pods, MAX(l->logs, l->pods));
}

static void may_be_over(struct run *r, struct finding *f, const struct dns_told_list *l)
{
	if (!l->over)
		return;
	finding_severity(f, SEVERITY_WARNING);
	finding_evidence(r, f, "a pod that says so is ready: it may be over since");
}

/* ---- the API server ---- */

static bool check_rbac(struct run *r, const struct k8s_service *s)
{
	CLEANUP(dns_told_release) struct dns_told_list t = { 0 }, waits = { 0 };
	const struct dns_told *first;
	struct finding *f;

	dns_told(r, DNS_LOGS_SERVER, forbidden_kinds, &t);
	if (!t.v.len)
		return false;
	first = newest(&t);
	f = dns_server_finding(r, "coredns-rbac", NULL, NULL, s, 1);
	finding_text(r, f, "%s may not read %s: the ServiceAccount of CoreDNS lacks the right", pods_text(r, &t), first->hit->name ? first->hit->name : "what it needs of the API");
	may_be_over(r, f, &t);
	dns_told_evidence(r, f, &t, 4);
	dns_told(r, DNS_LOGS_SERVER, waiting_kinds, &waits);
	dns_told_evidence(r, f, &waits, 1);
	finding_next(r, f, "kubectl get clusterrole system:coredns -o yaml");
	finding_next(r, f, "kubectl auth can-i list endpointslices.discovery.k8s.io --as=system:serviceaccount:kube-system:coredns");
	finding_fix(r, f, "kubectl edit clusterrole system:coredns");
	return true;
}

/* Pods whose plugin ready names kubernetes: not read yet. */
static size_t probes_wait(const struct run *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->s->probes.len; i++) {
		const struct snap_probe *p = &r->s->probes.v[i];

		n += str_is(p->what, "ready") && p->status == 503 && p->text && strstr(p->text, "kubernetes");
	}
	return n;
}

/* It says again and again that it waits: not the moment of a start. */
static bool waits_long(const struct dns_told_list *waits)
{
	for (size_t i = 0; i < waits->v.len; i++)
		if (strcmp(waits->v.v[i].hit->kind->id, "not-ready") == 0 && waits->v.v[i].hit->count >= 5 && waits->v.v[i].hit->name &&
		    strstr(waits->v.v[i].hit->name, "kubernetes"))
			return !waits->over;
	return false;
}

/* The one node on which all pods are that say so; NULL: several, or not known. */
static const char *only_node(const struct run *r, const struct dns_told_list *t)
{
	const char *node = NULL;

	for (size_t i = 0; i < t->v.len; i++) {
		const struct k8s_pod *p = k8s_find_pod(r->c, t->v.v[i].log->ns, t->v.v[i].log->pod);

		if (!p || !p->node || (node && strcmp(node, p->node) != 0))
			return NULL;
		node = p->node;
	}
	return node;
}

static void api_text(struct run *r, struct finding *f, const struct dns_told_list *t)
{
	const struct dns_told *n = newest(t);

	if (!n)
		finding_text(r, f, "CoreDNS waits for the API server: it has not read the cluster's objects");
	else if (n->hit->name && n->hit->detail)
		finding_text(r, f, "%s cannot reach the API server at %.100s: %.160s", pods_text(r, t), n->hit->name, n->hit->detail);
	else if (n->hit->detail)
		finding_text(r, f, "%s cannot read the API server: %.200s", pods_text(r, t), n->hit->detail);
	else
		finding_text(r, f, "%s started without having read the API server", pods_text(r, t));
}

static void api_node_commands(struct run *r, struct finding *f, const struct dns_told_list *t)
{
	for (size_t i = 0; i < t->v.len && i < 2; i++) {
		const struct k8s_pod *p = k8s_find_pod(r->c, t->v.v[i].log->ns, t->v.v[i].log->pod);

		if (p && p->node)
			finding_evidence(r, f, "Pod %s/%s is on node %s", p->meta.ns, p->meta.name, p->node);
		if (p && p->node)
			proxy_commands(r, f, p->node);
	}
	finding_next(r, f, "kubectl get endpointslices -l kubernetes.io/service-name=kubernetes");
}

static void check_api(struct run *r, const struct k8s_service *s)
{
	CLEANUP(dns_told_release) struct dns_told_list t = { 0 }, waits = { 0 };
	const size_t probes = probes_wait(r);
	struct finding *f;

	dns_told(r, DNS_LOGS_SERVER, api_kinds, &t);
	dns_told(r, DNS_LOGS_SERVER, waiting_kinds, &waits);
	if (!t.v.len && !probes && !waits_long(&waits))
		return;
	f = dns_server_finding(r, "coredns-api-unreachable", only_node(r, &t), NULL, s, 1);
	api_text(r, f, &t);
	may_be_over(r, f, &t);
	/* some of several pods: the others answer */
	if (s && dns_ready(r, s) > 0 && t.logs > t.pods && t.pods + probes > 0) {
		finding_partial(f);
		finding_severity(f, SEVERITY_WARNING);
	}
	dns_told_evidence(r, f, &t, 4);
	dns_told_evidence(r, f, &waits, 2);
	for (size_t i = 0; i < r->s->probes.len; i++)
		if (r->s->probes.v[i].status == 503 && str_is(r->s->probes.v[i].what, "ready"))
			finding_evidence(r, f, "Pod %s/%s answers /ready with 503: %.100s", r->s->probes.v[i].ns, r->s->probes.v[i].pod,
					 r->s->probes.v[i].text ? r->s->probes.v[i].text : "");
	api_node_commands(r, f, &t);
}

void check_dns_api(struct run *r)
{
	const struct k8s_service *s = dns_service_object(r);

	if (!check_rbac(r, s))
		check_api(r, s);
}

/* ---- upstream ---- */

/* Names of the outside resolve at some place. */
static bool outside_resolves(const struct run *r)
{
	bool assumed;
	const char *domain = dns_domain(r, &assumed);

	for (size_t i = 0; i < r->s->dns.len; i++)
		for (size_t j = 0; j < r->s->dns.v[i]->answers.len; j++) {
			const struct dns_answer *a = &r->s->dns.v[i]->answers.v[j];

			if (a->end == DNS_ANSWERED && a->rcode == DNS_NOERROR && a->nanswers && !dns_name_inside(a->q.name, domain) && !dns_name_inside(a->q.name, "arpa"))
				return true;
		}
	return false;
}

/* An error where that was asked for and does not work; a few lost questions are no fault. */
static enum severity outside_severity(const struct run *r, size_t lines)
{
	if (dns_external_asked(r) && !outside_resolves(r) && lines >= FEW)
		return SEVERITY_ERROR;
	return lines >= FEW ? SEVERITY_WARNING : SEVERITY_INFO;
}

/* Only what is now, and not a name of the cluster: those are forwarded by NodeLocal DNSCache only. */
void check_dns_upstream(struct run *r)
{
	CLEANUP(dns_told_release) struct dns_told_list t = { 0 };
	const struct dns_told *n;
	struct finding *f;

	dns_told(r, DNS_LOGS_SERVER | DNS_LOGS_CACHE, upstream_kinds, &t);
	n = newest(&t);
	if (!n)
		return;
	f = dns_server_finding(r, "coredns-upstream-timeout", NULL, NULL, dns_service_object(r), 5);
	finding_partial(f);
	finding_severity(f, outside_severity(r, t.count));
	if (n->hit->detail)
		finding_text(r, f, "%s %s no answer from the upstream DNS: %.200s", pods_text(r, &t), t.pods == 1 ? "gets" : "get", n->hit->detail);
	else
		finding_text(r, f, "%s %s no answer from the upstream DNS", pods_text(r, &t), t.pods == 1 ? "gets" : "get");
	dns_told_evidence(r, f, &t, 6);
	if (!n->hit->last)
		finding_evidence(r, f, "the log tells no times: kubectl logs --timestamps shows whether it is so still");
	finding_next(r, f, "kubectl -n kube-system get configmap coredns -o yaml");
}

void check_dns_concurrent(struct run *r)
{
	CLEANUP(dns_told_release) struct dns_told_list t = { 0 };
	struct finding *f;

	dns_told(r, DNS_LOGS_SERVER | DNS_LOGS_CACHE, concurrent_kinds, &t);
	if (!t.v.len)
		return;
	f = dns_server_finding(r, "coredns-max-concurrent", NULL, NULL, dns_service_object(r), 6);
	finding_partial(f);
	finding_severity(f, outside_severity(r, t.count));
	finding_text(r, f, "%s refused questions for the outside %zu times: more than max_concurrent (%.20s) waited for the upstream DNS", pods_text(r, &t), t.count,
		     t.v.v[0].hit->detail ? t.v.v[0].hit->detail : "?");
	dns_told_evidence(r, f, &t, 4);
	finding_next(r, f, "kubectl -n kube-system get configmap coredns -o yaml");
	finding_fix(r, f, "kubectl -n kube-system edit configmap coredns");
}

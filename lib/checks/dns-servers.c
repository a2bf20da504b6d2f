/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who of the DNS servers answers at all, and over which transport: the cluster IP, each endpoint, the nameservers of a place. That one does
 * not is told apart by where it is seen from: an endpoint that nobody reaches, endpoints of other nodes that this node does not reach, a cluster
 * IP behind which all answer, a nameserver that is not the cluster's. One message that is lost is no silence.
 */
#include <netinet/in.h>

#include "dns-seats-private.h"

/* ---- nameservers that are none of the cluster's ---- */

/* What the server says of kubernetes.default: 1 data, 0 a refusal or denial, -1 nothing. */
static int knows_control(const struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s)
{
	int r = -1;

	for (size_t i = 0; i < seat->d->answers.len; i++) {
		const struct dns_answer *a = &seat->d->answers.v[i];

		if (a->end != DNS_ANSWERED || a->searched || !ip_addr_equal(&a->q.server, &s->addr) || !dns_is_control(v, a->q.name) || a->q.type != DNS_A)
			continue;
		r = MAX(r, a->rcode == DNS_NOERROR && (a->nanswers || a->records_unknown));
	}
	return r;
}

/* A server of the cluster that answers kubernetes.default in this place. */
static const struct dns_server *sound_server(const struct dns_view *v, const struct dns_seat *seat)
{
	for (size_t i = 0; i < seat->servers.len; i++)
		if ((seat->servers.v[i].is & (DNS_IS_VIP | DNS_IS_ENDPOINT)) && knows_control(v, seat, &seat->servers.v[i]) == 1)
			return &seat->servers.v[i];
	return NULL;
}

static struct finding *address_finding(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s, const char *id)
{
	const char *node = dns_seat_node(v, seat);
	char buf[IP_ADDR_STRLEN];
	struct finding *f;

	for (size_t i = 0; i < v->r->d->findings.len; i++) {
		f = v->r->d->findings.v[i];
		if (strcmp(f->check->id, id) == 0 && (!node || !f->node || strcmp(f->node, node) == 0))
			return f;
	}
	f = finding_new(v->r, id, node, ip_addr_format(&s->addr, buf), node ? run_printf(v->r, "Node %s", node) : run_printf(v->r, "Place %s", seat->d->label));
	f->rank = 3;
	finding_cluster(f);
	return f;
}

static bool other_nameserver_alive(const struct dns_seat *seat, const struct dns_server *s)
{
	for (size_t i = 0; i < seat->servers.len; i++)
		if (&seat->servers.v[i] != s && (seat->servers.v[i].is & DNS_IS_NAMESERVER) && dns_server_alive(&seat->servers.v[i]) == 1)
			return true;
	return false;
}

static void wrong_nameserver(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s, const struct dns_server *sound)
{
	const bool silent = dns_server_alive(s) == 0;
	const char *id = (s->is & DNS_IS_NODE_LOCAL) && check_find("nodelocaldns-broken") ? "nodelocaldns-broken" : "wrong-cluster-dns-address";
	struct finding *f = address_finding(v, seat, s, id);
	struct run *r = v->r;

	finding_severity(f, other_nameserver_alive(seat, s) ? MAX(f->severity, SEVERITY_WARNING) : SEVERITY_ERROR);
	if (!f->evidence.len)
		finding_text(r, f, silent ? "%s asks %s, where nobody answers, while the cluster's DNS answers" : "%s asks %s, which does not know the cluster's names",
			     seat->d->label, s->what);
	if (silent)
		finding_evidence(r, f, "%s, from %s: %s; %s", s->what, seat->d->label, dns_way_words(r, &s->udp, "UDP"), dns_way_words(r, &s->tcp, "TCP"));
	else
		finding_evidence(r, f, "%s, from %s, has no answer to kubernetes.default.svc.%s", s->what, seat->d->label, v->domain);
	finding_evidence(r, f, "%s, asked from the same place, answers kubernetes.default.svc.%s", sound->what, v->domain);
	if (v->dns)
		finding_next(r, f, "kubectl -n %s get service %s -o wide", v->dns->meta.ns, v->dns->meta.name);
}

static void judge_nameserver(struct dns_view *v, struct dns_seat *seat, struct dns_server *s, const struct dns_server *sound)
{
	if (!(s->is & DNS_IS_NAMESERVER) || (s->is & (DNS_IS_VIP | DNS_IS_ENDPOINT)) || s == sound)
		return;
	if (dns_server_alive(s) != 0 && (knows_control(v, seat, s) != 0 || (s->is & DNS_IS_NODE_LOCAL)))
		return;
	s->foreign = true;
	wrong_nameserver(v, seat, s, sound);
}

void dns_servers_before(struct dns_view *v)
{
	for (size_t i = 0; i < v->nseats && !v->r->err; i++) {
		struct dns_seat *seat = &v->seats[i];
		const struct dns_server *sound = seat->domain ? sound_server(v, seat) : NULL;

		for (size_t j = 0; sound && j < seat->servers.len; j++)
			judge_nameserver(v, seat, &seat->servers.v[j], sound);
	}
}

/* ---- endpoints ---- */

struct tally {
	size_t alive, dead, local_alive, local_dead, remote_alive, remote_dead;
};

static bool counts(const struct dns_server *s)
{
	return (s->is & DNS_IS_ENDPOINT) && s->ready;
}

static void count_endpoints(const struct dns_view *v, const struct dns_seat *seat, struct tally *t)
{
	const char *here = dns_seat_node(v, seat);

	for (size_t i = 0; i < seat->servers.len; i++) {
		const struct dns_server *s = &seat->servers.v[i];
		int alive = counts(s) ? dns_server_alive(s) : -1;
		bool local = here && s->node && strcmp(here, s->node) == 0, remote = here && s->node && !local;

		t->alive += alive == 1;
		t->dead += alive == 0;
		t->local_alive += alive == 1 && local;
		t->local_dead += alive == 0 && local;
		t->remote_alive += alive == 1 && remote;
		t->remote_dead += alive == 0 && remote;
	}
}

static void endpoint_evidence(struct dns_view *v, struct finding *f, const struct dns_seat *seat)
{
	for (size_t i = 0; i < seat->servers.len; i++) {
		const struct dns_server *s = &seat->servers.v[i];

		if (counts(s))
			finding_evidence(v->r, f, "%s, from %s: %s; %s", s->what, seat->d->label, dns_way_words(v->r, &s->udp, "UDP"),
					 dns_way_words(v->r, &s->tcp, "TCP"));
	}
}

static void next_pods(struct dns_view *v, struct finding *f)
{
	if (!v->dns)
		return;
	finding_next(v->r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o wide", v->dns->meta.ns, v->dns->meta.name);
}

static void cross_node(struct dns_view *v, const struct dns_seat *seat, const struct tally *t)
{
	const char *here = dns_seat_node(v, seat);
	struct finding *f = dns_finding_cluster(v, "dns-cross-node-blocked", here, NULL);

	f->rank = 4;
	finding_partial(f);
	finding_text(v->r, f, "from node %s the DNS endpoint%s of that node answer%s, and none of the %zu on other nodes", here, PLURAL(t->local_alive),
		     t->local_alive == 1 ? "s" : "", t->remote_dead);
	endpoint_evidence(v, f, seat);
	next_pods(v, f);
	finding_next(v->r, f, "kubectl get nodes -o wide");
}

static struct finding *dead_endpoint_finding(struct dns_view *v, const struct dns_server *s)
{
	char buf[IP_ADDR_STRLEN];
	const char *subject = s->pod && v->dns ? run_printf(v->r, "Pod %s/%s", v->dns->meta.ns, s->pod)
					       : run_printf(v->r, "Endpoint %s", ip_addr_format(&s->addr, buf));
	struct finding *f;

	for (size_t i = 0; i < v->r->d->findings.len; i++) {
		f = v->r->d->findings.v[i];
		if (strcmp(f->check->id, "dns-endpoint-not-answering") == 0 && strcmp(f->subject, subject) == 0)
			return f;
	}
	f = finding_new(v->r, "dns-endpoint-not-answering", NULL, NULL, subject);
	f->rank = 5;
	finding_cluster(f);
	finding_partial(f);
	if (v->dns && run_svc(v->r, v->dns))
		finding_concerns(v->r, f, v->dns);
	finding_text(v->r, f, "the DNS endpoint %s does not answer, and others do: lookups that are sent to it fail", s->what);
	return f;
}

static void dead_endpoint(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s)
{
	struct finding *f = dead_endpoint_finding(v, s);

	finding_evidence(v->r, f, "%s, from %s: %s; %s", s->what, seat->d->label, dns_way_words(v->r, &s->udp, "UDP"), dns_way_words(v->r, &s->tcp, "TCP"));
	if (v->dns && s->pod) {
		finding_next(v->r, f, "kubectl -n %s logs %s", v->dns->meta.ns, s->pod);
		finding_next(v->r, f, "kubectl -n %s describe pod %s", v->dns->meta.ns, s->pod);
	}
	next_pods(v, f);
}

/* ---- the cluster IP ---- */

static const struct dns_server *vip_of(const struct dns_seat *seat)
{
	for (size_t i = 0; i < seat->servers.len; i++)
		if (seat->servers.v[i].is & DNS_IS_VIP)
			return &seat->servers.v[i];
	return NULL;
}

static void vip_evidence(struct dns_view *v, struct finding *f, const struct dns_seat *seat)
{
	const struct dns_server *s = vip_of(seat);

	if (s)
		finding_evidence(v->r, f, "%s, from %s: %s; %s", s->what, seat->d->label, dns_way_words(v->r, &s->udp, "UDP"), dns_way_words(v->r, &s->tcp, "TCP"));
}

static struct finding *vip_finding(struct dns_view *v, const struct dns_seat *seat)
{
	const char *node = dns_seat_node(v, seat);
	struct finding *f = dns_finding_cluster(v, "dns-vip-not-answering", node, node ? NULL : seat->d->label);

	f->rank = 4;
	vip_evidence(v, f, seat);
	if (v->dns)
		finding_next(v->r, f, "svcdoctor verify %s/%s", v->dns->meta.ns, v->dns->meta.name);
	return f;
}

static const struct k8s_pod *pod_here(const struct dns_view *v, const struct dns_seat *seat)
{
	const struct k8s_pod *p = seat->d->ns && seat->d->pod ? k8s_find_pod(v->r->c, seat->d->ns, seat->d->pod) : NULL;

	return p && !p->host_network && run_reaches_in(v->r, K8S_NETPOLS, seat->d->ns) ? p : NULL;
}

/* The policy that isolates the pod of this place, when none lets it ask any of the endpoints; NULL: none, or not known. */
static const struct k8s_netpol *policy_here(const struct dns_view *v, const struct dns_seat *seat)
{
	const struct k8s_pod *here = pod_here(v, seat);
	const struct k8s_policy_end from = { .pod = here, .ip = here && here->nips ? here->ips[0] : (struct ip_addr){ 0 }, .node = here ? here->node : NULL };
	const struct k8s_netpol *by = NULL;

	for (size_t i = 0; here && i < seat->servers.len; i++) {
		const struct dns_server *s = &seat->servers.v[i];
		const struct k8s_pod *p = counts(s) && s->pod && v->dns ? k8s_find_pod(v->r->c, v->dns->meta.ns, s->pod) : NULL;
		const struct k8s_policy_end to = { .pod = p, .ip = s->addr, .node = s->node };
		struct k8s_policy_verdict verdict;

		if (!counts(s))
			continue;
		k8s_policy_judge(v->r->c, &from, &to, IPPROTO_UDP, 53, true, &verdict);
		if (!p || verdict.allowed != 0)
			return NULL;
		by = verdict.by;
	}
	return by;
}

/* A policy that keeps this place from asking is the reason, when nothing answers it. */
static struct finding *policy_finding(struct dns_view *v, const struct dns_seat *seat)
{
	const char *subject = seat->d->ns ? run_printf(v->r, "Namespace %s", seat->d->ns) : NULL;
	const struct k8s_netpol *by = policy_here(v, seat);
	struct finding *f;

	for (size_t i = 0; by && i < v->r->d->findings.len; i++)
		if (strcmp(v->r->d->findings.v[i]->check->id, "networkpolicy-blocks-dns") == 0 && strcmp(v->r->d->findings.v[i]->subject, subject) == 0)
			return v->r->d->findings.v[i];
	if (!by)
		return NULL;
	f = finding_new(v->r, "networkpolicy-blocks-dns", NULL, NULL, subject);
	f->axis = AXIS_NAME; /* it was seen by asking, and nobody may have asked for the rules */
	f->rank = 3;
	finding_cluster(f);
	finding_text(v->r, f, "NetworkPolicies keep %s from asking the cluster's DNS: its lookups of names time out", seat->d->label);
	finding_evidence(v->r, f, "NetworkPolicy %s isolates it for outgoing traffic, and no rule opens port 53/UDP of the DNS pods", by->meta.name);
	finding_next(v->r, f, "kubectl -n %s describe networkpolicy %s", by->meta.ns, by->meta.name);
	return f;
}

/* Nothing answers: neither an endpoint nor the cluster IP, as far as they were asked. */
static void nobody_answers(struct dns_view *v, const struct dns_seat *seat, const struct tally *t)
{
	struct finding *f = dns_finding_there(v->r, "coredns-not-running", NULL), *policy = policy_finding(v, seat);
	const struct dns_server *vip = vip_of(seat);

	if (policy) {
		f = policy;
		finding_severity(f, SEVERITY_ERROR);
	} else if (!f && t->dead) {
		f = dns_finding_cluster(v, "dns-endpoint-not-answering", NULL, seat->d->label);
		f->rank = 4;
		finding_text(v->r, f, "none of the %zu DNS endpoints that were asked answers %s, though the API calls them ready", t->dead, seat->d->label);
		next_pods(v, f);
	} else if (!f && vip && dns_way_refused(vip->udp.asked ? &vip->udp : &vip->tcp) && !run_has(v->r, K8S_SLICES)) {
		f = dns_finding_cluster(v, "coredns-not-running", NULL, NULL);
		f->rank = 2;
		finding_text(v->r, f, "the cluster's DNS refuses at once, as a Service without a ready endpoint does: no name of the cluster resolves");
		next_pods(v, f);
	} else if (!f) {
		f = vip_finding(v, seat);
		finding_text(v->r, f, "nothing answers %s at the address of the cluster's DNS", seat->d->label);
		return;
	}
	vip_evidence(v, f, seat);
	endpoint_evidence(v, f, seat);
}

static void judge_vip(struct dns_view *v, const struct dns_seat *seat, const struct tally *t)
{
	const struct dns_server *s = vip_of(seat);
	struct finding *f;

	if (!s || dns_server_alive(s) != 0)
		return;
	/* some endpoints that do not answer may be those that all messages went to */
	if (t->dead && !dns_way_refused(&s->udp))
		return;
	f = vip_finding(v, seat);
	finding_text(v->r, f, "nothing answers %s at the address of the cluster's DNS, while its endpoints answer: the rules do not lead to them",
		     seat->d->label);
	endpoint_evidence(v, f, seat);
}

static void judge_seat(struct dns_view *v, const struct dns_seat *seat)
{
	const struct dns_server *vip = vip_of(seat);
	struct tally t = { 0 };

	count_endpoints(v, seat, &t);
	if (!t.alive) {
		if ((t.dead && !(vip && dns_server_alive(vip) == 1)) || (!t.dead && vip && dns_server_alive(vip) == 0))
			nobody_answers(v, seat, &t);
		return;
	}
	judge_vip(v, seat, &t);
	if (t.remote_dead && t.local_alive && !t.remote_alive && !t.local_dead) {
		cross_node(v, seat, &t);
		return;
	}
	for (size_t i = 0; t.dead && i < seat->servers.len; i++)
		if (counts(&seat->servers.v[i]) && dns_server_alive(&seat->servers.v[i]) == 0)
			dead_endpoint(v, seat, &seat->servers.v[i]);
}

/* ---- transports ---- */

static bool is_ours(const struct dns_seat *seat, const struct dns_server *s)
{
	return !s->foreign && ((s->is & DNS_IS_CLUSTER) || ((s->is & DNS_IS_NAMESERVER) && seat->domain));
}

/* One finding for all servers of all places; the first says the text. */
static struct finding *transport_finding(struct dns_view *v, const char *id)
{
	struct finding *f = dns_finding_there(v->r, id, NULL);

	if (f)
		return f;
	f = dns_finding_cluster(v, id, NULL, NULL);
	f->rank = 8;
	return f;
}

static void ways_evidence(struct dns_view *v, struct finding *f, const struct dns_seat *seat, const struct dns_server *s)
{
	finding_evidence(v->r, f, "%s, from %s: %s; %s", s->what, seat->d->label, dns_way_words(v->r, &s->udp, "UDP"), dns_way_words(v->r, &s->tcp, "TCP"));
}

static bool another_has_udp(const struct dns_seat *seat)
{
	for (size_t i = 0; i < seat->servers.len; i++)
		if (is_ours(seat, &seat->servers.v[i]) && seat->servers.v[i].udp.answered)
			return true;
	return false;
}

static void udp_blocked(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s)
{
	struct finding *f = transport_finding(v, "dns-udp-blocked");

	/* of one server alone it may be that it has too much to do, and TCP waits longer */
	if (!f->evidence.len)
		finding_severity(f, SEVERITY_WARNING);
	if (!another_has_udp(seat))
		finding_severity(f, SEVERITY_ERROR);
	if (!f->evidence.len)
		finding_text(v->r, f, "%s answers %s over TCP, and not over UDP, which every libc asks first", s->what, seat->d->label);
	ways_evidence(v, f, seat, s);
	if (v->dns)
		finding_next(v->r, f, "kubectl -n %s get service %s -o yaml", v->dns->meta.ns, v->dns->meta.name);
	finding_next(v->r, f, "kubectl get networkpolicies -A");
}

static void tcp_blocked(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s)
{
	struct finding *f = dns_finding_there(v->r, "dns-truncation-tcp53", NULL);
	const bool fresh = !f;

	f = fresh ? transport_finding(v, "dns-truncation-tcp53") : f;
	if (fresh)
		finding_severity(f, SEVERITY_WARNING);
	if (fresh || (s->cut_short && f->severity == SEVERITY_WARNING))
		finding_text(v->r, f, s->cut_short ? "%s cuts large answers short over UDP, and does not answer %s over TCP, where the whole would be"
						   : "%s does not answer %s over TCP: answers that do not fit into UDP are lost",
			     s->what, seat->d->label);
	if (s->cut_short) {
		finding_severity(f, SEVERITY_ERROR);
		finding_partial(f);
		finding_evidence(v->r, f, "%s (flag TC: cut short)", dns_answer_line(v->r, seat, s, s->cut_short));
	}
	ways_evidence(v, f, seat, s);
	if (v->dns)
		finding_next(v->r, f, "kubectl -n %s get service %s -o yaml", v->dns->meta.ns, v->dns->meta.name);
	finding_next(v->r, f, "kubectl get networkpolicies -A");
}

static void bad_answers(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s)
{
	struct finding *f = transport_finding(v, "dns-bad-answers");
	const struct dns_way *w = s->udp.garbage + s->udp.strangers ? &s->udp : &s->tcp;

	if (s->udp.answered + s->tcp.answered)
		finding_severity(f, SEVERITY_WARNING);
	if (!f->evidence.len)
		finding_text(v->r, f, w->garbage ? "%s sends %s what is no DNS message" : "%s sends %s answers to questions that were not asked", s->what,
			     seat->d->label);
	if (w->lost)
		finding_evidence(v->r, f, "%s", dns_answer_line(v->r, seat, s, w->lost));
	ways_evidence(v, f, seat, s);
}

/* What comes too late for one question comes beside another. */
static bool is_late(const struct dns_way *w)
{
	return w->answered && w->timed_out && !w->garbage;
}

static bool sends_nonsense(const struct dns_way *w)
{
	return w->garbage || (w->strangers && !is_late(w));
}

static void judge_transports(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s)
{
	int udp = dns_way_alive(&s->udp), tcp = dns_way_alive(&s->tcp);

	if (sends_nonsense(&s->udp) || sends_nonsense(&s->tcp))
		bad_answers(v, seat, s);
	else if (udp == 0 && tcp == 1)
		udp_blocked(v, seat, s);
	else if (udp == 1 && tcp == 0)
		tcp_blocked(v, seat, s);
}

void dns_servers_findings(struct dns_view *v)
{
	for (size_t i = 0; i < v->nseats && !v->r->err; i++) {
		judge_seat(v, &v->seats[i]);
		for (size_t j = 0; j < v->seats[i].servers.len; j++)
			if (is_ours(&v->seats[i], &v->seats[i].servers.v[j]))
				judge_transports(v, &v->seats[i], &v->seats[i].servers.v[j]);
	}
}

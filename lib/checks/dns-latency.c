/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers that come late or not at all, now and then: by place, server, transport and type. glibc and musl wait 5 seconds before they ask again,
 * (resolv/resolv.h RES_TIMEOUT, musl res_msend.c), so a step of that size in a program's latency is a lost packet. A and AAAA that leave from
 * one socket at once can lose one of them to a race of conntrack on the node, which counts insert_failed.
 */
#include "dns-seats-private.h"

#define LATE_US 2000000u /* nobody's answer takes that long: it was asked again, or waited for somebody who did */

enum { TYPE_A, TYPE_AAAA, TYPE_COUNT };
struct pace {
	size_t asked, prompt, late, lost;
	const struct dns_answer *worst;
};

static bool counts(const struct dns_answer *a, const struct dns_server *s, bool tcp, bool pairs)
{
	return a->q.tcp == tcp && (a->q.pair != 0) == pairs && a->q.server.family && ip_addr_equal(&a->q.server, &s->addr) &&
	       (a->end == DNS_ANSWERED || a->end == DNS_TIMED_OUT);
}

static bool worse(const struct dns_answer *a, const struct dns_answer *than)
{
	return !than || (a->end == DNS_TIMED_OUT && than->end == DNS_ANSWERED) || (a->end == than->end && a->us > than->us);
}

static void count(struct pace *p, const struct dns_answer *a)
{
	const bool late = a->end == DNS_ANSWERED && a->us >= LATE_US;

	p->asked++;
	p->lost += a->end == DNS_TIMED_OUT;
	p->late += late;
	p->prompt += a->end == DNS_ANSWERED && !late;
	if ((late || a->end == DNS_TIMED_OUT) && worse(a, p->worst))
		p->worst = a;
}

/* Names outside wait for servers outside: what is slow there is another fault. */
static void measure(const struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s, bool tcp, bool pairs, struct pace ret[TYPE_COUNT])
{
	for (size_t i = 0; i < seat->d->answers.len; i++) {
		const struct dns_answer *a = &seat->d->answers.v[i];

		if (!counts(a, s, tcp, pairs) || !dns_name_inside(a->q.name, v->domain))
			continue;
		if (a->q.type == DNS_A || a->q.type == DNS_AAAA)
			count(&ret[a->q.type == DNS_AAAA], a);
	}
}

/* ---- what it means ---- */

static const struct snap_node *node_here(const struct dns_view *v, const struct dns_seat *seat)
{
	const char *name = dns_seat_node(v, seat);

	for (size_t i = 0; name && i < v->r->s->nodes.len; i++)
		if (strcmp(v->r->s->nodes.v[i]->name, name) == 0)
			return v->r->s->nodes.v[i];
	return NULL;
}

static void conntrack_evidence(struct dns_view *v, struct finding *f, const struct dns_seat *seat)
{
	const struct snap_node *n = node_here(v, seat);

	if (!n || !n->conntrack_known)
		return;
	if (n->insert_failed)
		finding_evidence(v->r, f, "conntrack of node %s counts insert_failed %llu: of two packets that leave one socket at once it may have dropped one", n->name,
				 (unsigned long long)n->insert_failed);
	else
		finding_evidence(v->r, f, "conntrack of node %s counts no insert_failed: it is not its race that loses them", n->name);
}

static void pace_evidence(struct dns_view *v, struct finding *f, const struct dns_seat *seat, const struct dns_server *s, const char *way, const struct pace *p,
			  const char *type)
{
	uint32_t us = p->worst && p->worst->end == DNS_ANSWERED ? p->worst->us : 0;

	if (p->asked)
		finding_evidence(v->r, f, "%s %s at %s, from %s: %zu asked, %zu lost, %zu late%s", type, way, s->what, seat->d->label, p->asked, p->lost, p->late,
				 us ? run_printf(v->r, " (%u.%u s)", us / 1000000, us / 100000 % 10) : "");
}

static struct finding *slow_finding(struct dns_view *v, const struct dns_seat *seat)
{
	struct finding *f = dns_finding_there(v->r, "dns-slow-answers", NULL);

	if (f)
		return f;
	f = dns_finding_cluster(v, "dns-slow-answers", NULL, NULL);
	f->rank = 9;
	finding_partial(f);
	if (v->dns)
		finding_next(v->r, f, "svcdoctor dns --repeat 20 kubernetes.default.svc.%t", v->domain);
	if (dns_seat_node(v, seat))
		finding_next(v->r, f, "conntrack -S");
	return f;
}

static void say(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s, const char *way, const struct pace p[TYPE_COUNT], const char *text)
{
	struct finding *f = slow_finding(v, seat);

	if (!f->evidence.len) {
		finding_text(v->r, f, "%s at %s, from %s", text, s->what, seat->d->label);
		conntrack_evidence(v, f, seat);
	}
	pace_evidence(v, f, seat, s, way, &p[TYPE_A], "A");
	pace_evidence(v, f, seat, s, way, &p[TYPE_AAAA], "AAAA");
}

/* Of one type nothing comes in time, of the other nearly everything does: it is asked about often enough to be no chance. */
static bool type_is_slow(const struct pace *slow, const struct pace *fine)
{
	return slow->lost + slow->late >= 2 && !slow->prompt && fine->prompt > 4 * (fine->lost + fine->late);
}

static void judge_plain(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s, bool tcp)
{
	struct pace p[TYPE_COUNT] = { 0 };

	measure(v, seat, s, tcp, false, p);
	if (type_is_slow(&p[TYPE_AAAA], &p[TYPE_A]))
		say(v, seat, s, tcp ? "over TCP" : "over UDP", p, "no AAAA answer comes in time, while those for A do: a libc waits for both, and lookups take its time-out longer");
	else if (type_is_slow(&p[TYPE_A], &p[TYPE_AAAA]))
		say(v, seat, s, tcp ? "over TCP" : "over UDP", p, "no A answer comes in time, while those for AAAA do: a libc waits for both, and lookups take its time-out longer");
	else if (p[TYPE_A].late + p[TYPE_AAAA].late >= 2)
		say(v, seat, s, tcp ? "over TCP" : "over UDP", p, "answers take seconds");
}

static void judge_pairs(struct dns_view *v, const struct dns_seat *seat, const struct dns_server *s, bool tcp)
{
	struct pace p[TYPE_COUNT] = { 0 };
	size_t bad, all;

	measure(v, seat, s, tcp, true, p);
	bad = p[TYPE_A].lost + p[TYPE_A].late + p[TYPE_AAAA].lost + p[TYPE_AAAA].late;
	all = p[TYPE_A].asked + p[TYPE_AAAA].asked;
	if (bad >= 2 && bad < all)
		say(v, seat, s, tcp ? "in pairs over TCP" : "in pairs over UDP", p,
		    run_printf(v->r, "%zu of %zu answers to pairs of A and AAAA are lost or take seconds", bad, all));
}

void dns_latency_findings(struct dns_view *v)
{
	for (size_t i = 0; i < v->nseats && !v->r->err; i++) {
		for (size_t j = 0; j < v->seats[i].servers.len; j++) {
			const struct dns_server *s = &v->seats[i].servers.v[j];

			if (s->foreign || !((s->is & DNS_IS_CLUSTER) || v->seats[i].domain))
				continue;
			judge_plain(v, &v->seats[i], s, false);
			judge_plain(v, &v->seats[i], s, true);
			judge_pairs(v, &v->seats[i], s, false);
			judge_pairs(v, &v->seats[i], s, true);
		}
	}
}

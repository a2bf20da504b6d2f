/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes of the names that are typed at a place: a name that does not resolve, a bare name of another namespace, a name of the world that a
 * namespace or a wildcard takes, names that cost many questions, and names that one libc finds and the other does not.
 */
#include <netinet/in.h>

#include "dns-client-private.h"

enum { RANDOM_DIGITS = 16, OTHERS_MAX = 3, COSTLY = 3 };

/* ---- words ---- */

static void walk_evidence(struct dns_client *c, struct finding *f, const struct dns_name_row *n)
{
	for (size_t i = 0; i < n->walk.steps.len; i++) {
		const struct libc_step *s = &n->walk.steps.v[i];

		if (s->needed)
			finding_evidence(c->r, f, "%s asks for %.253s: %s", libc_name(n->libc), s->name, s->outcome);
	}
	if (n->walk.stopped)
		finding_evidence(c->r, f, "%s", n->walk.stopped);
}

static void try_there(struct dns_client *c, struct finding *f, const char *name)
{
	if (c->pod && is_token(name))
		finding_next(c->r, f, "kubectl -n %s exec %s -- nslookup %t", c->pod->meta.ns, c->pod->meta.name, name);
}

/* ---- which rows ---- */

static bool is_of(const struct dns_client *c, const struct dns_name_row *n)
{
	return n->from == c->d && n->libc == (c->d->libc == LIBC_MUSL ? LIBC_MUSL : LIBC_GLIBC);
}

static bool fails(const struct dns_name_row *n)
{
	enum libc_result r = n->walk.result;

	return r == LIBC_NO_NAME || r == LIBC_NO_DATA || r == LIBC_TRY_AGAIN || r == LIBC_FAILED;
}

static bool resolves(const struct dns_name_row *n)
{
	return n->walk.result == LIBC_RESOLVED;
}

/* kubernetes.default is held against others, unless it is what somebody asked about. */
static bool is_judged(const struct dns_name_row *n)
{
	return !n->control || n->asked;
}

/* Several ways to type one name: are they of one? */
static bool same_name(const struct dns_name_row *a, const struct dns_name_row *b)
{
	if (a->service || b->service)
		return a->service == b->service;
	return a->full && b->full ? dns_name_equal(a->full, b->full) : strcmp(a->typed, b->typed) == 0;
}

/* The first row of each name; others of it are counted with it. */
static bool is_first(const struct dns_client *c, const struct dns_name_row *n)
{
	for (size_t i = 0; &c->r->dns->names.v[i] < n; i++)
		if (is_of(c, &c->r->dns->names.v[i]) && is_judged(&c->r->dns->names.v[i]) && same_name(&c->r->dns->names.v[i], n))
			return false;
	return true;
}

/* ---- a name that is not there ---- */

struct meant {
	char name[64], ns[64];
};

/* Which Service the name means here; false: it is the name of none. */
static bool means(const struct dns_client *c, const struct dns_name_row *n, struct meant *ret)
{
	if (service_name_split(n->full ? n->full : n->typed, c->domain, ret->name, ret->ns) < 0)
		return false;
	if (!*ret->ns && c->ns && strlen(c->ns) < sizeof(ret->ns))
		memcpy(ret->ns, c->ns, strlen(c->ns) + 1);
	return *ret->ns != 0;
}

/* Services of the name in other namespaces. */
static size_t elsewhere(const struct dns_client *c, const struct meant *m, const struct k8s_service *ret[static OTHERS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < c->r->c->services.len; i++) {
		const struct k8s_service *s = c->r->c->services.v[i];

		if (strcasecmp(s->meta.name, m->name) != 0 || strcasecmp(s->meta.ns, m->ns) == 0)
			continue;
		if (n < OTHERS_MAX)
			ret[n] = s;
		n++;
	}
	return n;
}

/* True: that is what it is. */
static bool wrong_namespace(struct dns_client *c, const struct dns_name_row *n)
{
	const struct k8s_service *others[OTHERS_MAX];
	struct finding *f;
	struct meant m;
	size_t k;

	if (n->service || !means(c, n, &m) || !run_would_have(c->r, K8S_SERVICES, m.ns, m.name) || k8s_find_service(c->r->c, m.ns, m.name))
		return false;
	k = elsewhere(c, &m, others);
	if (k == 0)
		return false;
	f = dns_client_finding(c, "service-wrong-namespace", n->typed);
	finding_text(c->r, f, "there is no Service %s in namespace %s, and %s has one: from %s its name is %s.%s", m.name, m.ns,
		     k == 1 ? others[0]->meta.ns : "more than one other", c->d->label, m.name, others[0]->meta.ns);
	for (size_t i = 0; i < MIN(k, (size_t)OTHERS_MAX); i++)
		finding_evidence(c->r, f, "Service %s/%s", others[i]->meta.ns, others[i]->meta.name);
	walk_evidence(c, f, n);
	if (k == 1)
		try_there(c, f, run_printf(c->r, "%s.%s", others[0]->meta.name, others[0]->meta.ns));
	return true;
}

/* Is it right that the name has no address now? */
static bool rightly_empty(const struct dns_client *c, const struct k8s_service *s)
{
	const struct svc *v = s ? run_svc(c->r, s) : NULL;

	return s && s->headless && (!v || v->nothing_ready);
}

static enum severity severity_of(const struct dns_client *c, const struct dns_name_row *n, bool known_name)
{
	if (dns_client_control(c, n->libc) != 1)
		return SEVERITY_WARNING;
	/* that somebody fails is a fault for any name; that there is none only for one that must be there */
	if (n->walk.result == LIBC_TRY_AGAIN)
		return SEVERITY_ERROR;
	return known_name && !n->service->external_name ? SEVERITY_ERROR : SEVERITY_WARNING;
}

/* Is there such a finding about this place? */
static bool is_told(const struct dns_client *c, const char *id, const char *detail)
{
	for (size_t i = 0; i < c->r->d->findings.len; i++) {
		const struct finding *f = c->r->d->findings.v[i];

		if (strcmp(f->check->id, id) == 0 && strcmp(f->subject, c->subject) == 0 && str_ends(f->id, detail))
			return true;
	}
	return false;
}

/* Does something that was found before say why: of the cluster, no less severe, or of this Service? */
static bool is_told_why(const struct dns_client *c, const struct k8s_service *s, enum severity severity)
{
	for (size_t i = 0; i < c->r->d->findings.len; i++) {
		const struct finding *f = c->r->d->findings.v[i];
		bool about = f->services.len == 0 && f->severity >= severity;

		if (f->severity < MIN(severity, SEVERITY_WARNING) || (f->axis != AXIS_NAME && strcmp(f->check->id, "networkpolicy-blocks-dns") != 0) ||
		    strcmp(f->check->id, "dns-name-not-resolved") == 0 || strcmp(f->check->id, "ndots-search-amplification") == 0)
			continue;
		for (size_t k = 0; s && k < f->services.len; k++)
			about |= f->services.v[k] == s;
		if (about)
			return true;
	}
	return false;
}

/* A message was lost here, and others were not. */
static bool is_loss(const struct dns_name_row *n)
{
	for (size_t i = 0; i < n->walk.steps.len; i++) {
		const struct libc_step *s = &n->walk.steps.v[i];

		if (s->needed && ((s->a && s->a->end == DNS_TIMED_OUT) || (s->aaaa && s->aaaa->end == DNS_TIMED_OUT)))
			return true;
	}
	return false;
}

static void not_resolved(struct dns_client *c, const struct dns_name_row *first)
{
	const struct dns_name_row *bad = NULL;
	CLEANUP(strbuf_release) struct strbuf good = STRBUF_INIT;
	enum severity severity;
	struct finding *f;

	for (size_t i = 0; i < c->r->dns->names.len; i++) {
		const struct dns_name_row *n = &c->r->dns->names.v[i];

		if (!is_of(c, n) || !is_judged(n) || !same_name(n, first))
			continue;
		if (n->asked && !n->service && resolves(n))
			return; /* its other forms are only made of it: it need not be the name of a Service */
		if (fails(n) && !bad)
			bad = n;
		else if (resolves(n) && !str_ends(n->typed, "."))
			strbuf_addf(&good, "%s%s", good.len ? ", " : "", n->typed);
	}
	if (!bad || rightly_empty(c, bad->service) || (!bad->service && wrong_namespace(c, bad)))
		return;
	/* where other forms of it resolve, the loss may be over the next moment */
	severity = good.len && is_loss(bad) ? SEVERITY_WARNING : severity_of(c, bad, bad->service != NULL);
	if (is_told_why(c, bad->service, severity) || (bad->libc == LIBC_MUSL && is_told(c, "musl-resolver", "")))
		return;
	f = dns_client_finding(c, "dns-name-not-resolved", bad->typed);
	f->rank = 6;
	finding_severity(f, severity);
	if (bad->service && run_svc(c->r, bad->service))
		finding_concerns(c->r, f, bad->service);
	finding_text(c->r, f, "%.253s does not resolve from %s%s%.300s%s", bad->typed, c->d->label, good.len ? ": only " : "", strbuf_str(&good),
		     good.len ? (strchr(strbuf_str(&good), ',') ? " do" : " does") : "");
	if (dns_client_control(c, bad->libc) == 0 && !bad->control)
		finding_evidence(c->r, f, "kubernetes.default does not resolve there, either: it is not this name alone");
	if (dns_client_control(c, bad->libc) == 0 && dns_looks_foreign(c->d))
		finding_evidence(c->r, f, "its resolv.conf has no search domain of a cluster: it is probably in none (--pid asks as a process of a pod)");
	walk_evidence(c, f, bad);
	try_there(c, f, bad->typed);
}

/* ---- names of the world ---- */

static bool has_addresses(const struct dns_answer *a)
{
	for (size_t i = 0; a && a->end == DNS_ANSWERED && i < a->nanswers; i++)
		if (a->answers[i].addr.family && a->answers[i].type == a->q.type)
			return true;
	return false;
}

/* The step without a search domain. */
static const struct libc_step *as_it_is(const struct dns_name_row *n)
{
	for (size_t i = 0; i < n->walk.steps.len; i++)
		if (!n->walk.steps.v[i].search)
			return &n->walk.steps.v[i];
	return NULL;
}

static void shadowed(struct dns_client *c, const struct dns_name_row *n)
{
	const struct libc_step *w = n->walk.winner, *plain = as_it_is(n);
	const char *last = strrchr(n->typed, '.');
	struct finding *f;

	if (!w || !w->search || !plain || !last || !last[1] || strncasecmp(w->search, "svc.", 4) != 0 || !dns_name_inside(w->search, c->domain))
		return;
	if (!has_addresses(plain->a) && !has_addresses(plain->aaaa))
		return;
	f = dns_client_finding(c, "namespace-shadows-tld", n->typed);
	finding_text(c->r, f, "%.253s means the Service %.253s from %s, and not the name of the world: namespace %s is called like its last part", n->typed,
		     w->name, c->d->label, last + 1);
	finding_evidence(c->r, f, "%.253s: %s", w->name, w->outcome);
	finding_evidence(c->r, f, "%.253s.: %s", plain->name, plain->outcome);
	finding_evidence(c->r, f, "with a final dot nothing is appended");
	try_there(c, f, run_printf(c->r, "%s.", n->typed));
}

static void costly(struct dns_client *c, const struct dns_name_row *n)
{
	const struct libc_step *w = n->walk.winner;
	struct finding *f;
	size_t before = 0;

	/* a name of the cluster is seldom typed as a whole */
	if (!w || w->search || !resolves(n) || (n->full && dns_name_equal(n->typed, n->full)))
		return;
	while (&n->walk.steps.v[before] < w)
		before++;
	if (before < COSTLY)
		return;
	f = dns_client_finding(c, "ndots-search-amplification", n->typed);
	finding_text(c->r, f, "%.253s costs %zu questions from %s: ndots is %u, and %zu search domains are tried before the name itself", n->typed, n->walk.queries,
		     c->d->label, c->v[n->libc].ndots, before);
	walk_evidence(c, f, n);
}

/* ---- a domain where everything resolves ---- */

/* "svcdoctor-0123456789abcdef", or a whole name of the cluster: nobody has that below a domain of the world. */
static bool is_nobodys(const struct dns_client *c, const char *name, const char *search)
{
	size_t len = strlen(name) - strlen(search);
	const char *domain = c->domain;

	if (len > 10 + RANDOM_DIGITS && strncmp(name, "svcdoctor-", 10) == 0)
		return strspn(name + 10, "0123456789abcdef") == RANDOM_DIGITS;
	len -= len > 0; /* the dot between */
	return len > strlen(domain) && strncasecmp(name + len - strlen(domain), domain, strlen(domain)) == 0 && name[len - strlen(domain) - 1] == '.';
}

static void wildcard(struct dns_client *c, const char *search)
{
	const struct dns_answer *found = NULL;
	char buf[IP_ADDR_STRLEN];
	struct finding *f;

	for (size_t i = 0; i < c->d->answers.len && !found; i++) {
		const struct dns_answer *a = &c->d->answers.v[i];

		if (a->q.name && has_addresses(a) && dns_name_inside(a->q.name, search) && strlen(a->q.name) > strlen(search) && is_nobodys(c, a->q.name, search))
			found = a;
	}
	if (!found)
		return;
	f = dns_client_finding(c, "wildcard-search-domain", search);
	f->rank = 1;
	for (size_t i = 0; i < found->nanswers; i++)
		if (found->answers[i].addr.family)
			ip_addr_format(&found->answers[i].addr, buf);
	finding_text(c->r, f, "every name below %.253s resolves, to %s: whatever is not found in the cluster is found there, from %s", search, buf, c->d->label);
	finding_evidence(c->r, f, "%.253s is the name of nobody, and has the address %s", found->q.name, buf);
	for (size_t i = 0; c->r->dns && i < c->r->dns->names.len; i++) {
		const struct dns_name_row *n = &c->r->dns->names.v[i];

		if (is_of(c, n) && n->walk.winner && n->walk.winner->search && dns_name_equal(n->walk.winner->search, search))
			finding_evidence(c->r, f, "%.253s means %.253s there", n->typed, n->walk.winner->name);
	}
	dns_client_evidence(c, f);
}

/* A name of the world that means another one below a search domain: hardly anybody has made such a record for it alone. */
static void taken_over(struct dns_client *c, const struct dns_name_row *n)
{
	const struct libc_step *w = n->walk.winner, *plain = as_it_is(n);
	struct finding *f;

	if (!w || !w->search || !plain || !strchr(n->typed, '.') || dns_name_inside(w->search, c->domain) || dns_is_cluster_search(w->search))
		return;
	if ((!has_addresses(plain->a) && !has_addresses(plain->aaaa)) || is_told(c, "wildcard-search-domain", w->search))
		return;
	f = dns_client_finding(c, "wildcard-search-domain", w->search);
	finding_severity(f, SEVERITY_WARNING);
	finding_text(c->r, f, "%.253s means %.253s from %s, though a name of the world is called like that: all names below %.253s may resolve", n->typed, w->name,
		     c->d->label, w->search);
	finding_evidence(c->r, f, "%.253s: %s", w->name, w->outcome);
	finding_evidence(c->r, f, "%.253s.: %s", plain->name, plain->outcome);
	dns_client_evidence(c, f);
}

static void wildcards(struct dns_client *c)
{
	for (size_t i = 0; c->d->has_conf && i < c->d->conf.searches.len; i++) {
		const char *search = c->d->conf.searches.v[i].domain;

		if (*search && !dns_name_inside(search, c->domain) && !dns_name_inside(c->domain, search))
			wildcard(c, search);
	}
}

/* ---- two libcs ---- */

/* What glibc would make of the same answers: the tables have only the libc of the place, where that is known. */
static bool glibc_resolves(struct dns_client *c, const char *typed, struct libc_walk *ret)
{
	struct dns_lookup l = { .view = &c->v[LIBC_GLIBC] };
	bool resolved = false;

	if (!c->viewed)
		return false;
	if (dns_lookup_make(c->d, &l) < 0 || libc_walk(c->r->a, &c->v[LIBC_GLIBC], typed, dns_lookup_answer, &l, ret) < 0)
		c->r->err = -ENOMEM;
	else
		resolved = ret->result == LIBC_RESOLVED;
	dns_lookup_release(&l);
	if (!resolved)
		libc_walk_release(ret);
	return resolved;
}

/* glibc would find what musl does not. Where nobody knows which libc is there, it is something to know. */
static void musl_differs(struct dns_client *c, const struct dns_name_row *m, const struct libc_walk *glibc)
{
	const bool known = c->d->libc == LIBC_MUSL;
	struct finding *f;

	if (is_told_why(c, m->service, known ? SEVERITY_WARNING : SEVERITY_INFO))
		return;
	f = dns_client_finding(c, "musl-resolver", NULL);
	f->rank = 5;
	if (!known)
		finding_severity(f, SEVERITY_INFO);
	finding_text(c->r, f, "%.253s resolves with glibc and not with musl, from %s%s%s", m->typed, c->d->label, m->walk.stopped ? ": " : "",
		     m->walk.stopped ? m->walk.stopped : "");
	walk_evidence(c, f, m);
	if (glibc->winner)
		finding_evidence(c->r, f, "glibc goes on to %.253s: %s", glibc->winner->name, glibc->winner->outcome);
}

static void musl(struct dns_client *c)
{
	for (size_t i = 0; c->d->libc != LIBC_GLIBC && i < c->r->dns->names.len; i++) {
		const struct dns_name_row *n = &c->r->dns->names.v[i];
		CLEANUP(libc_walk_release) struct libc_walk glibc = { 0 };

		if (n->from != c->d || n->libc != LIBC_MUSL || n->control || !fails(n) || !glibc_resolves(c, n->typed, &glibc))
			continue;
		musl_differs(c, n, &glibc);
		return;
	}
}

void dns_client_names(struct dns_client *c)
{
	wildcards(c);
	if (!c->r->dns)
		return;
	musl(c);
	for (size_t i = 0; i < c->r->dns->names.len && !c->r->err; i++) {
		const struct dns_name_row *n = &c->r->dns->names.v[i];

		if (!is_of(c, n) || !is_judged(n))
			continue;
		shadowed(c, n);
		taken_over(c, n);
		costly(c, n);
		if (is_first(c, n))
			not_resolved(c, n);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of the cluster's DNS without asking it, for the checks of its side: which Corefile, which version, and what its logs say
 * that is so now. A line from before the last start, of a run that is over, or one that stopped long before the log ends, is history.
 */
#include <ctype.h>
#include <time.h>

#include "dns-plan-private.h"
#include "dns-server-private.h"

#define RECENT_S 600 /* what did not come again for so long is over */

/* ---- the Corefile ---- */

static const struct k8s_configmap *find_map(const struct run *r, const char *ns, const char *name)
{
	for (size_t i = 0; i < r->c->configmaps.len; i++) {
		const struct k8s_configmap *m = r->c->configmaps.v[i];

		if (strcmp(m->meta.ns, ns) == 0 && strcmp(m->meta.name, name) == 0)
			return m;
	}
	return NULL;
}

const struct k8s_configmap *dns_corefile(struct run *r, bool node_local, struct corefile *ret)
{
	static const char *const server[][2] = { { "kube-system", "coredns" },
						 { "kube-system", "rke2-coredns-rke2-coredns" },
						 { "openshift-dns", "dns-default" } };
	static const char *const cache[][2] = { { "kube-system", "node-local-dns" }, { "kube-system", "nodelocaldns" } };
	const size_t n = node_local ? ARRAY_LEN(cache) : ARRAY_LEN(server);

	for (size_t i = 0; i < n; i++) {
		const struct k8s_configmap *m = node_local ? find_map(r, cache[i][0], cache[i][1]) : find_map(r, server[i][0], server[i][1]);
		const char *text = m ? k8s_configmap_get(m, "Corefile") : NULL;

		if (!text)
			continue;
		if (corefile_read(r->a, text, strlen(text), ret) < 0) {
			r->err = -ENOMEM;
			return NULL;
		}
		return m;
	}
	return NULL;
}

const char *dns_map_words(struct run *r, const struct k8s_configmap *m)
{
	return run_printf(r, "ConfigMap %s/%s", m->meta.ns, m->meta.name);
}

/* ---- pods and versions ---- */

const struct k8s_pod *dns_next_pod(const struct run *r, const struct k8s_service *s, size_t *at)
{
	const struct k8s_pod_group *g = s ? map_gets(&r->c->pods_by_ns, s->meta.ns) : NULL;

	while (g && *at < g->v.len) {
		const struct k8s_pod *p = g->v.v[(*at)++];

		if (!k8s_pod_terminal(p) && k8s_selector_matches(&s->selector, &p->meta.labels) && !dns_is_node_local(p))
			return p;
	}
	return NULL;
}

/* "1.11.3", "v1.8.4-eksbuild.1"; -1 */
static int version_parse(const char *s)
{
	unsigned part[3] = { 0 };

	s += *s == 'v';
	for (size_t i = 0; i < 3; i++) {
		if (!isdigit((unsigned char)*s))
			return i == 0 ? -1 : (int)(part[0] * 10000 + part[1] * 100 + part[2]);
		while (isdigit((unsigned char)*s) && part[i] < 100)
			part[i] = part[i] * 10 + (unsigned)(*s++ - '0');
		if (part[i] >= 100)
			return -1;
		if (i < 2 && *s == '.')
			s++;
		else if (i < 2)
			return i == 0 ? -1 : (int)(part[0] * 10000 + part[1] * 100);
	}
	return (int)(part[0] * 10000 + part[1] * 100 + part[2]);
}

const char *dns_version_text(struct run *r, int version)
{
	return run_printf(r, "%d.%d.%d", version / 10000, version / 100 % 100, version % 100);
}

/* Of the image of a container that is CoreDNS: the tag behind the last colon, which is not that of a port or a digest. */
static int image_version(const struct k8s_pod *p)
{
	for (size_t i = 0; i < p->ncontainers; i++) {
		const char *image = p->containers[i].image, *base, *tag;

		if (!image || !(base = path_base(image)) || !strstr(base, "coredns"))
			continue;
		tag = strchr(base, ':');
		return tag ? version_parse(tag + 1) : -1;
	}
	return -1;
}

static int log_version(const struct run *r)
{
	int version = -1;

	for (size_t i = 0; i < r->s->logs.len; i++) {
		const struct snap_log *l = &r->s->logs.v[i];
		const struct k8s_pod *p;
		int one;

		if (l->program != LOG_COREDNS || l->previous || !l->summary.version)
			continue;
		p = k8s_find_pod(r->c, l->ns, l->pod);
		if (p && dns_is_node_local(p))
			continue;
		one = version_parse(l->summary.version);
		if (one < 0 || (version >= 0 && one != version))
			return -1;
		version = one;
	}
	return version;
}

int dns_version(const struct run *r, const struct k8s_service *s)
{
	const struct k8s_pod *p;
	int version = -1;

	for (size_t at = 0; (p = dns_next_pod(r, s, &at));) {
		int one = image_version(p);

		if (one < 0 || (version >= 0 && one != version))
			return log_version(r);
		version = one;
	}
	return version >= 0 ? version : log_version(r);
}

const char *dns_domain(const struct run *r, bool *ret_assumed)
{
	const char *domain = NULL, *domains[DNS_DOMAINS_MAX] = { NULL };

	*ret_assumed = false;
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const char *x = r->s->nodes.v[i]->kubelet.cluster_domain;

		if (!x)
			continue;
		if (domain && !dns_name_equal(domain, x))
			*ret_assumed = true;
		domain = domain ? domain : x;
	}
	if (domain)
		return domain;
	return dns_domains(r->a, r->s, NULL, domains, ret_assumed) > 0 ? domains[0] : "cluster.local";
}

bool dns_external_asked(const struct run *r)
{
	bool assumed;
	const char *name = r->o->dns_name, *domain = dns_domain(r, &assumed);
	char service[64], ns[64];

	if (!name || !strchr(name, '.') || dns_name_inside(name, domain) || str_ends(name, ".svc") || str_ends(name, ".svc."))
		return false;
	/* web.shop is a Service where that namespace is there */
	return service_name_split(name, domain, service, ns) < 0 || !map_gets(&r->c->namespace_by_name, ns);
}

struct finding *dns_server_finding(struct run *r, const char *id, const char *node, const char *detail, const struct k8s_service *s, int rank)
{
	struct finding *f = finding_new(r, id, node, detail, s ? run_printf(r, "Service %s/%s", s->meta.ns, s->meta.name) : "the cluster's DNS");

	f->rank = rank;
	finding_cluster(f);
	if (s && run_svc(r, s))
		finding_concerns(r, f, s);
	return f;
}

/* ---- logs ---- */

static bool is_cache_log(const struct run *r, const struct snap_log *l)
{
	const struct k8s_pod *p = k8s_find_pod(r->c, l->ns, l->pod);

	return p ? dns_is_node_local(p) : str_starts(l->pod, "node-local-dns") || str_starts(l->pod, "nodelocaldns");
}

/* Seconds since 1970 of an RFC 3339 time in UTC, as runtimes and the API write it; -1 for any other. */
static int64_t seconds_of(const char *t)
{
	struct tm tm = { 0 };

	if (!t || strlen(t) < 20 || t[strlen(t) - 1] != 'Z' || !strptime(t, "%Y-%m-%dT%H:%M:%S", &tm))
		return -1;
	return (int64_t)timegm(&tm);
}

/* Is the container of this log one that failed, and is not replaced by one that runs well? */
static bool previous_counts(const struct run *r, const struct snap_log *l)
{
	const struct k8s_pod *p = k8s_find_pod(r->c, l->ns, l->pod);

	if (p)
		return !pod_counts_ready(p);
	for (size_t i = 0; i < r->s->logs.len; i++) {
		const struct snap_log *o = &r->s->logs.v[i];

		if (!o->previous && str_is(o->pod, l->pod) && str_is(o->ns, l->ns) && str_is(o->container, l->container) && o->summary.version)
			return false;
	}
	return true;
}

/* A good line of that kind behind the hit: what failed was done after all. */
static bool mended(const struct snap_log *l, const struct log_hit *h)
{
	for (size_t i = 0; i < l->summary.hits.len; i++) {
		const struct log_hit *g = &l->summary.hits.v[i];

		if (strcmp(g->kind->id, "reloaded") == 0 && g->last_line > h->last_line && str_is(h->kind->check, "corefile-error"))
			return true;
	}
	return false;
}

/* The last time that anything known here tells: a quiet log ends long before it is read. NULL: none. */
static const char *latest(const struct run *r)
{
	const char *t = NULL;

	for (size_t i = 0; i < r->s->logs.len; i++)
		if (seconds_of(r->s->logs.v[i].summary.until) >= 0)
			t = time_later(t, r->s->logs.v[i].summary.until);
	for (size_t i = 0; i < r->c->events.len; i++) {
		const char *e = r->c->events.v[i]->last;

		/* by the day they are compared as text, and only what may be later is read */
		if (e && (!t || strcmp(e, t) > 0) && seconds_of(e) >= 0)
			t = e;
	}
	return t;
}

/* What was refused when an older Corefile was read, and not this one. */
static bool of_older_file(const struct run *r, const struct log_hit *h)
{
	const int64_t last = seconds_of(h->last);

	if (last < 0 || !str_is(h->kind->check, "corefile-error"))
		return false;
	for (size_t i = 0; i < r->c->configmaps.len; i++)
		if (k8s_configmap_get(r->c->configmaps.v[i], "Corefile") && strstr(r->c->configmaps.v[i]->meta.name, "coredns") &&
		    seconds_of(r->c->configmaps.v[i]->meta.last_change) > last)
			return true;
	return false;
}

static bool is_now(const struct run *r, const struct snap_log *l, const struct log_hit *h, const char *now)
{
	const int64_t last = seconds_of(h->last), until = seconds_of(now);

	if (l->previous ? !previous_counts(r, l) : h->last_line < l->summary.started_line)
		return false;
	if (mended(l, h) || of_older_file(r, h))
		return false;
	/* what was refused, and what ended the container before, is written once */
	if (l->previous || str_is(h->kind->check, "coredns-loop"))
		return true;
	return last < 0 || until < 0 || until - last <= RECENT_S || str_is(h->kind->check, "corefile-error");
}

/* Its probe asks plugin ready, and was answered: what the log says of the start is over. */
static bool ready_since(const struct run *r, const struct snap_log *l)
{
	const struct k8s_pod *p = k8s_find_pod(r->c, l->ns, l->pod);

	for (size_t i = 0; p && pod_counts_ready(p) && i < p->ncontainers; i++)
		if (str_is(p->containers[i].readiness.path, "/ready"))
			return true;
	return false;
}

static bool pod_counted(const struct dns_told_list *l, const struct snap_log *log)
{
	for (size_t i = 0; i < l->v.len; i++)
		if (str_is(l->v.v[i].log->pod, log->pod) && str_is(l->v.v[i].log->ns, log->ns))
			return true;
	return false;
}

static void told_of_log(struct run *r, const struct snap_log *l, const char *const *kinds, const char *now, struct dns_told_list *ret)
{
	for (size_t i = 0; i < l->summary.hits.len; i++) {
		const struct log_hit *h = &l->summary.hits.v[i];

		if (!str_one_of(h->kind->id, strlen(h->kind->id), kinds) || !is_now(r, l, h, now))
			continue;
		ret->pods += !pod_counted(ret, l);
		ret->count += h->count;
		ret->over |= ready_since(r, l);
		run_push(r, &ret->v, ((struct dns_told){ l, h }));
	}
}

void dns_told(struct run *r, unsigned which, const char *const *kinds, struct dns_told_list *ret)
{
	const char *now = latest(r);

	*ret = (struct dns_told_list){ 0 };
	for (size_t i = 0; i < r->s->logs.len; i++) {
		const struct snap_log *l = &r->s->logs.v[i];

		if (l->program != LOG_COREDNS || !(which & (is_cache_log(r, l) ? DNS_LOGS_CACHE : DNS_LOGS_SERVER)))
			continue;
		ret->logs += !l->previous;
		told_of_log(r, l, kinds, now, ret);
	}
}

void dns_told_release(struct dns_told_list *l)
{
	array_free(&l->v);
}

static void told_line(struct run *r, struct finding *f, const struct dns_told *t)
{
	const struct log_hit *h = t->hit;

	finding_evidence(r, f, "Pod %s/%s logs%s%s%s%s: %.300s", t->log->ns, t->log->pod, t->log->previous ? " (the container before)" : "",
			 h->count > 1 ? run_printf(r, ", %zu times", h->count) : "", h->last ? ", last at " : "", h->last ? h->last : "", h->text);
	f->since = !h->first || seconds_of(h->first) < 0 ? f->since : !f->since || strcmp(h->first, f->since) < 0 ? h->first : f->since;
}

void dns_told_evidence(struct run *r, struct finding *f, const struct dns_told_list *l, size_t max)
{
	for (size_t i = 0; i < l->v.len && i < max; i++)
		told_line(r, f, &l->v.v[i]);
	for (size_t i = 0; i < l->v.len && i < 2; i++) {
		const struct snap_log *log = l->v.v[i].log;

		if (log->previous)
			finding_next(r, f, "kubectl -n %s logs %s --previous --timestamps", log->ns, log->pod);
		else
			finding_next(r, f, "kubectl -n %s logs %s --timestamps", log->ns, log->pod);
	}
}

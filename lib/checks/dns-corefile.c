/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Corefile: what CoreDNS refuses (by its version: core/dnsserver/zdirectives.go and the plugins' setup.go of all releases from 1.0 to 1.14),
 * what the pods' probes and the cluster's names need, and which names have no block. Only what is the same in every build is called an
 * error: a plugin that no release has may come with an image of somebody's own.
 */
#include "dns-server-private.h"

#define DOMAIN_TEXT "%.253s"

/* ---- which releases know what ---- */

struct known_word {
	const char *word;
	int since, until; /* 0: from the first release; still. until is the first release without it */
};
static const struct known_word directives[] = {
	{ "acl", 10604, 0 },	  { "any", 10501, 0 },	     { "auto", 0, 0 },		{ "autopath", 0, 0 },	   { "azure", 10602, 0 },
	{ "bind", 0, 0 },	  { "bufsize", 10606, 0 },   { "cache", 0, 0 },		{ "cancel", 10500, 0 },	   { "chaos", 0, 0 },
	{ "clouddns", 10603, 0 }, { "debug", 0, 0 },	     { "dns64", 10700, 0 },	{ "dnssec", 0, 0 },	   { "dnstap", 0, 0 },
	{ "erratic", 0, 0 },	  { "errors", 0, 0 },	     { "etcd", 0, 0 },		{ "federation", 0, 10700 }, { "file", 0, 0 },
	{ "forward", 10006, 0 },  { "geoip", 10805, 0 },     { "grpc", 10500, 0 },	{ "grpc_server", 11400, 0 }, { "header", 10805, 0 },
	{ "health", 0, 0 },	  { "hosts", 0, 0 },	     { "https", 11400, 0 },	{ "https3", 11400, 0 },	   { "k8s_external", 10300, 0 },
	{ "kubernetes", 0, 0 },	  { "loadbalance", 0, 0 },   { "local", 10801, 0 },	{ "log", 0, 0 },	   { "loop", 10201, 0 },
	{ "metadata", 10200, 0 }, { "minimal", 10804, 0 },   { "multisocket", 11200, 0 }, { "nomad", 11300, 0 },	   { "nsid", 10001, 0 },
	{ "on", 10005, 0 },	  { "pprof", 0, 0 },	     { "prometheus", 0, 0 },	{ "proxy", 0, 10500 },	   { "proxyproto", 11402, 0 },
	{ "quic", 11202, 0 },	  { "ready", 10500, 0 },     { "reload", 10100, 0 },	{ "reverse", 0, 10200 },   { "rewrite", 0, 0 },
	{ "root", 0, 0 },	  { "route53", 10005, 0 },   { "secondary", 0, 0 },	{ "shed", 11407, 0 },	   { "shutdown", 0, 10101 },
	{ "sign", 10603, 0 },	  { "startup", 0, 10101 },   { "template", 10003, 0 },	{ "timeouts", 11001, 0 },  { "tls", 0, 0 },
	{ "trace", 0, 0 },	  { "transfer", 10605, 0 },  { "tsig", 10904, 0 },	{ "view", 11000, 0 },	   { "whoami", 0, 0 },
};
/* Of the two plugins whose options changed under clusters that were upgraded. */
static const struct known_word kubernetes_words[] = {
	{ "apiserver_burst", 11400, 0 }, { "apiserver_max_inflight", 11400, 0 }, { "apiserver_qps", 11400, 0 }, { "endpoint", 0, 0 },
	{ "endpoint_pod_names", 0, 0 },	 { "fallthrough", 0, 0 },		 { "ignore", 10103, 0 },	{ "kubeconfig", 10203, 0 },
	{ "labels", 0, 0 },		 { "multicluster", 11202, 0 },		 { "namespace_labels", 10500, 0 }, { "namespaces", 0, 0 },
	{ "noendpoints", 10006, 0 },	 { "pods", 0, 0 },			 { "resyncperiod", 0, 10700 },	{ "startup_timeout", 11203, 0 },
	{ "tls", 0, 0 },		 { "transfer", 10006, 10800 },		 { "ttl", 0, 0 },		{ "upstream", 0, 10700 },
	{ "zonal", 11407, 0 },
};
static const struct known_word forward_words[] = {
	{ "doh_method", 11405, 0 }, { "except", 0, 0 },		{ "expire", 0, 0 },	   { "failfast_all_unhealthy_upstreams", 11201, 0 },
	{ "failover", 11300, 0 },   { "force_tcp", 0, 0 },	{ "health_check", 0, 0 },  { "max_age", 11403, 0 },
	{ "max_concurrent", 10608, 0 }, { "max_connect_attempts", 11302, 0 }, { "max_fails", 0, 0 }, { "max_idle_conns", 11401, 0 },
	{ "next", 11104, 0 },	    { "next_on_nodata", 11404, 0 }, { "policy", 0, 0 },	   { "prefer_udp", 10200, 0 },
	{ "read_timeout", 11405, 0 }, { "resolver", 11404, 0 },	{ "source_address", 11406, 0 }, { "tls", 0, 0 },
	{ "tls_servername", 0, 0 },
};

static const struct known_word *find_word(const struct known_word *v, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].word, word) == 0)
			return &v[i];
	return NULL;
}

/* ---- what was found ---- */

struct lint {
	unsigned line;	  /* 0: of none */
	bool certain;	  /* every CoreDNS of this version refuses it */
	const char *text;
};
struct lints {
	ARRAY_OF(struct lint) v;
	struct run *r;
	const struct corefile *c;
	const struct k8s_service *s;
	int version;
};

static void lint(struct lints *l, unsigned line, bool certain, const char *text)
{
	run_push(l->r, &l->v, ((struct lint){ line, certain, text }));
}

static const char *words_of(struct lints *l, const struct known_word *w, const char *what)
{
	if (w->until && l->version >= w->until)
		return run_printf(l->r, "%s '%s', which CoreDNS %s does not know any more (until %s)", what, w->word, dns_version_text(l->r, l->version),
				  dns_version_text(l->r, w->until));
	if (w->since && l->version >= 0 && l->version < w->since)
		return run_printf(l->r, "%s '%s', which CoreDNS %s does not know yet (since %s)", what, w->word, dns_version_text(l->r, l->version),
				  dns_version_text(l->r, w->since));
	return NULL;
}

static void lint_options(struct lints *l, const struct corefile_directive *d, const struct known_word *v, size_t n)
{
	for (size_t i = 0; i < d->ninner; i++) {
		const struct known_word *w = find_word(v, n, d->inner[i].name);
		const char *what = run_printf(l->r, "%s has the option", d->name), *text;

		if (strstr(d->inner[i].name, "{$") || strstr(d->inner[i].name, "{%"))
			continue;
		text = w ? words_of(l, w, what) : NULL;
		/* of a later release than those that are known here it may be */
		if (!w)
			lint(l, d->inner[i].line, false, run_printf(l->r, "%s '%.60s', which no known release has", what, arena_clean(l->r->a, d->inner[i].name)));
		else if (text)
			lint(l, d->inner[i].line, true, text);
	}
}

static void lint_directive(struct lints *l, const struct corefile_directive *d)
{
	const struct known_word *w = find_word(directives, ARRAY_LEN(directives), d->name);
	const char *text = w ? words_of(l, w, "it has the plugin") : NULL;

	if (!w && !strstr(d->name, "{$") && !strstr(d->name, "{%"))
		lint(l, d->line, false, run_printf(l->r, "it has the plugin '%.60s', which comes with no known release", arena_clean(l->r->a, d->name)));
	else if (text)
		lint(l, d->line, true, text);
	if (strcmp(d->name, "kubernetes") == 0)
		lint_options(l, d, kubernetes_words, ARRAY_LEN(kubernetes_words));
	else if (strcmp(d->name, "forward") == 0)
		lint_options(l, d, forward_words, ARRAY_LEN(forward_words));
}

/* Blocks that bind to addresses of their own, or look at who asks, may have a zone twice. */
static bool is_plain(const struct corefile_block *b)
{
	return !corefile_find(b, "bind") && !corefile_find(b, "view");
}

static void lint_double(struct lints *l, const struct corefile_block *b, size_t zone)
{
	for (const struct corefile_block *o = l->c->blocks.v; o <= b; o++)
		for (size_t j = 0; j < o->nzones && (o < b || j < zone); j++)
			/* of port 443 there are two transports */
			if (is_plain(o) && o->ports[j] == b->ports[zone] && o->ports[j] != 443 && dns_name_equal(o->zones[j], b->zones[zone])) {
				lint(l, b->line, true, run_printf(l->r, "zone '" DOMAIN_TEXT "' with port %u is there already, in line %u", *b->zones[zone] ? arena_clean(l->r->a, b->zones[zone]) : ".",
								  b->ports[zone], o->line));
				return;
			}
}

/* ---- what probes need ---- */

static uint16_t probe_port(const struct k8s_container *c, const struct k8s_probe *p)
{
	for (size_t i = 0; p->port.name && i < c->nports; i++)
		if (str_is(c->ports[i].name, p->port.name))
			return c->ports[i].port;
	return p->port.name ? 0 : p->port.number;
}

static bool has_port(const struct corefile *c, const char *directive, uint16_t by_default, uint16_t port)
{
	for (size_t i = 0; i < c->blocks.len; i++) {
		const struct corefile_directive *d = corefile_find(&c->blocks.v[i], directive);
		const char *colon = d && d->nargs ? strrchr(d->args[0], ':') : NULL;
		uint64_t n = by_default;

		if (d && (!colon || parse_uint(colon + 1, strlen(colon + 1), UINT16_MAX, &n) < 0))
			n = by_default;
		if (d && (n == port || (d->nargs && strstr(d->args[0], "{$"))))
			return true;
	}
	return false;
}

static void lint_probe(struct lints *l, const struct k8s_container *c, const struct k8s_probe *p, const char *kind, const char *directive,
		       const char *path, uint16_t by_default)
{
	const uint16_t port = probe_port(c, p);

	if (!p->set || !str_is(p->kind, "httpGet") || !str_is(p->path, path) || !port || has_port(l->c, directive, by_default, port))
		return;
	lint(l, 0, true, run_printf(l->r, "plugin %s is not there on port %u, and the %s probe of the pods asks %s there", directive, port, kind, path));
}

static void lint_probes(struct lints *l)
{
	const struct k8s_pod *p;

	for (size_t at = 0; (p = dns_next_pod(l->r, l->s, &at));)
		for (size_t i = 0; i < p->ncontainers; i++) {
			const struct k8s_container *c = &p->containers[i];

			if (!c->image || !strstr(c->image, "coredns"))
				continue;
			lint_probe(l, c, &c->readiness, "readiness", "ready", "/ready", 8181);
			lint_probe(l, c, &c->liveness, "liveness", "health", "/health", 8080);
			return; /* one pod stands for all */
		}
}

/* ---- which zones plugin kubernetes has ---- */

/* Does an argument stand for a zone of names, and not of addresses? "cluster.local", not "in-addr.arpa", "10.0.0.0/8". */
static bool is_name_zone(const char *arg)
{
	struct ip_prefix net;

	return !dns_name_inside(arg, "arpa") && ip_prefix_parse(arg, &net) < 0 && !strchr(arg, '{');
}

static void one_zone(const char *zone, unsigned line, const char *domain, bool *served, const char **ret_zone, unsigned *ret_line)
{
	if (!is_name_zone(zone))
		return;
	*served |= dns_name_equal(strcmp(zone, ".") == 0 ? "" : zone, domain);
	if (!*ret_zone) {
		*ret_zone = zone;
		*ret_line = line;
	}
}

int dns_kubernetes_serves(const struct corefile *c, const char *domain, const char **ret_zone, unsigned *ret_line)
{
	bool served = false;

	*ret_zone = NULL;
	for (size_t i = 0; i < c->blocks.len; i++) {
		const struct corefile_block *b = &c->blocks.v[i];

		for (size_t j = 0; j < b->ndirectives; j++) {
			const struct corefile_directive *d = &b->directives[j];

			if (strcmp(d->name, "kubernetes") != 0)
				continue;
			for (size_t k = 0; k < d->nargs; k++)
				one_zone(d->args[k], d->line, domain, &served, ret_zone, ret_line);
			for (size_t k = 0; !d->nargs && k < b->nzones; k++)
				one_zone(b->zones[k], d->line, domain, &served, ret_zone, ret_line);
		}
	}
	if (served)
		return 1;
	return *ret_zone && !c->error ? 0 : -1;
}

static bool has_directive(const struct corefile *c, const char *name)
{
	for (size_t i = 0; i < c->blocks.len; i++)
		if (corefile_find(&c->blocks.v[i], name))
			return true;
	return false;
}

/* ---- the finding ---- */

static const char *const corefile_kinds[] = { "reload-failed", "reload-unreadable", "restart-failed", "corefile-unknown-directive",
					      "corefile-unknown-property", "corefile-parse-error", "corefile-duplicate-zone",
					      "corefile-no-upstream", "corefile-missing", NULL };

static void run_lints(struct lints *l)
{
	const struct corefile *c = l->c;

	if (c->error)
		lint(l, c->error_line, true, c->error);
	for (size_t i = 0; i < c->blocks.len; i++) {
		const struct corefile_block *b = &c->blocks.v[i];

		for (size_t j = 0; j < b->nzones && is_plain(b); j++)
			lint_double(l, b, j);
		for (size_t j = 0; j < b->ndirectives; j++)
			lint_directive(l, &b->directives[j]);
	}
	/* what is missing may stand behind the error, or in what is imported */
	if (c->error || c->has_imports)
		return;
	lint_probes(l);
	if (c->blocks.len && !has_directive(c, "kubernetes") && find_word(directives, ARRAY_LEN(directives), "kubernetes")) {
		bool other = false;

		for (size_t i = 0; i < l->v.len; i++)
			other |= !l->v.v[i].certain; /* a plugin of somebody's own may know the cluster's names */
		if (!other)
			lint(l, 0, true, "no block has the plugin kubernetes: it knows no name of the cluster");
	}
}

static void corefile_finding(struct run *r, const struct k8s_configmap *m, const struct lints *l, const struct dns_told_list *t)
{
	const int ready = dns_ready(r, l->s);
	const struct lint *first = NULL;
	struct finding *f;

	for (size_t i = 0; i < l->v.len; i++)
		if (!first || l->v.v[i].certain > first->certain)
			first = &l->v.v[i];
	f = dns_server_finding(r, "corefile-error", NULL, NULL, l->s, 1);
	/* what runs keeps what it has; what it does not know for certain may be known to an image of somebody's own */
	if (ready > 0 || (!t->v.len && !first->certain))
		finding_severity(f, SEVERITY_WARNING);
	if (first && (first->certain || !t->v.len))
		finding_text(r, f, "CoreDNS cannot use its Corefile, %s%s: %s", dns_map_words(r, m), first->line ? run_printf(r, " line %u", first->line) : "", first->text);
	else
		finding_text(r, f, "CoreDNS does not take its Corefile: %.300s", t->v.v[0].hit->text);
	for (size_t i = 0; i < l->v.len && i < 5; i++)
		if (l->v.v[i].line)
			finding_evidence(r, f, "%s line %u: %s", dns_map_words(r, m), l->v.v[i].line, l->v.v[i].text);
		else
			finding_evidence(r, f, "%s: %s", dns_map_words(r, m), l->v.v[i].text);
	if (l->version >= 0)
		finding_evidence(r, f, "the DNS pods have CoreDNS %s", dns_version_text(r, l->version));
	if (ready > 0)
		finding_evidence(r, f, "DNS pods are ready all the same: they keep the Corefile that they started with, and fail when they start anew");
	dns_told_evidence(r, f, t, 4);
	if (m) {
		finding_changed(f, &m->meta);
		finding_next(r, f, "kubectl -n %s get configmap %s -o yaml", m->meta.ns, m->meta.name);
		finding_fix(r, f, "kubectl -n %s edit configmap %s", m->meta.ns, m->meta.name);
	}
}

/* Nothing to say but what may be an image of somebody's own that runs well. */
static bool worth_telling(const struct run *r, const struct lints *l, const struct dns_told_list *t)
{
	if (t->v.len)
		return true;
	for (size_t i = 0; i < l->v.len; i++)
		if (l->v.v[i].certain)
			return true;
	return l->v.len && dns_ready(r, l->s) == 0;
}

void check_corefile(struct run *r)
{
	CLEANUP(corefile_release) struct corefile c = { 0 };
	CLEANUP(dns_told_release) struct dns_told_list t = { 0 };
	struct lints l = { .r = r, .c = &c, .s = dns_service_object(r) };
	const struct k8s_configmap *m = dns_corefile(r, false, &c);

	l.version = dns_version(r, l.s);
	dns_told(r, DNS_LOGS_SERVER, corefile_kinds, &t);
	if (m)
		run_lints(&l);
	if (!r->err && worth_telling(r, &l, &t))
		corefile_finding(r, m, &l, &t);
	array_free(&l.v);
}

/* ---- names without a block ---- */

static void no_block_commands(struct run *r, struct finding *f, const struct k8s_configmap *m)
{
	finding_next(r, f, "kubectl -n %s get configmap %s -o yaml", m->meta.ns, m->meta.name);
	finding_fix(r, f, "kubectl -n %s edit configmap %s", m->meta.ns, m->meta.name);
	finding_changed(f, &m->meta);
}

static const char *zones_text(struct run *r, const struct corefile *c)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	size_t shown = 0;

	for (size_t i = 0; i < c->blocks.len; i++)
		for (size_t j = 0; j < c->blocks.v[i].nzones; j++)
			if (shown++ < 8)
				strbuf_addf(&b, "%s%.253s:%u", shown > 1 ? ", " : "", *c->blocks.v[i].zones[j] ? c->blocks.v[i].zones[j] : ".", c->blocks.v[i].ports[j]);
	if (shown > 8)
		strbuf_addf(&b, ", and %zu more", shown - 8);
	return arena_clean(r->a, strbuf_str(&b));
}

/* Plugins that can answer for any name, or hand it on. */
static bool may_answer(const struct corefile_block *b)
{
	static const char *const answering[] = { "forward", "proxy", "grpc", "file", "auto", "secondary", "etcd", "template", "hosts", "route53", "azure",
						 "clouddns", "erratic", "whoami", "chaos", "any", "nomad" };

	for (size_t i = 0; i < ARRAY_LEN(answering); i++)
		if (corefile_find(b, answering[i]))
			return true;
	for (size_t i = 0; i < b->ndirectives; i++)
		if (!find_word(directives, ARRAY_LEN(directives), b->directives[i].name))
			return true;
	return false;
}

/* Nobody answers for names of the cluster. */
static bool cluster_refused(struct run *r, const struct k8s_configmap *m, const struct corefile *c)
{
	const char *zone, *domain;
	struct finding *f;
	unsigned line;
	bool assumed;

	domain = dns_domain(r, &assumed);
	if (corefile_block_of(c, domain) || dns_kubernetes_serves(c, domain, &zone, &line) == 0)
		return false;
	f = dns_server_finding(r, "coredns-servfail-no-zone", NULL, NULL, dns_service_object(r), 2);
	if (assumed)
		finding_severity(f, SEVERITY_WARNING);
	finding_text(r, f, "the Corefile has no block for names of the cluster (%.253s): CoreDNS refuses them", domain);
	finding_evidence(r, f, "%s has the zones %s", dns_map_words(r, m), zones_text(r, c));
	no_block_commands(r, f, m);
	return true;
}

static void others_refused(struct run *r, const struct k8s_configmap *m, const struct corefile *c)
{
	const bool asked = dns_external_asked(r);
	const struct corefile_block *b = corefile_block_of(c, asked ? r->o->dns_name : "");
	struct finding *f;

	if (b && may_answer(b))
		return;
	f = dns_server_finding(r, "coredns-servfail-no-zone", NULL, NULL, dns_service_object(r), 6);
	finding_severity(f, asked ? SEVERITY_ERROR : SEVERITY_WARNING);
	finding_partial(f);
	if (b)
		finding_text(r, f, "the block of line %u of the Corefile has no plugin that knows names of the outside: CoreDNS answers SERVFAIL", b->line);
	else
		finding_text(r, f, "the Corefile has no block for %s: CoreDNS refuses %s", asked ? arena_clean(r->a, r->o->dns_name) : "'.'",
			     asked ? "it" : "every name of the outside");
	finding_evidence(r, f, "%s has the zones %s", dns_map_words(r, m), zones_text(r, c));
	no_block_commands(r, f, m);
}

void check_corefile_zones(struct run *r)
{
	CLEANUP(corefile_release) struct corefile c = { 0 };
	const struct k8s_configmap *m = dns_corefile(r, false, &c);

	if (!m || c.error || c.has_imports || !c.blocks.len)
		return;
	if (!cluster_refused(r, m, &c))
		others_refused(r, m, &c);
}

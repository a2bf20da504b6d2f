/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the Corefile changes of the plugin kubernetes' answers (CoreDNS, plugin/kubernetes/README.md and setup.go). Where no Corefile is known,
 * the answers are those of one as kubeadm writes it: pods insecure, every namespace.
 */

#include "dns-private.h"

#define COREFILE_MAX ((size_t)32 << 10) /* it is read again for each question */

static bool is_zone(const char *zone, const char *domain)
{
	return dns_name_equal(zone, domain);
}

/* The directive that answers for @zone: it names the zone, or its block does and it names none. */
static bool answers_for(const struct corefile_block *b, const struct corefile_directive *d, const char *zone)
{
	const char *const *zones = d->nargs ? d->args : b->zones;
	size_t n = d->nargs ? d->nargs : b->nzones;

	for (size_t i = 0; i < n; i++) {
		/* of a block for everything without zones of its own it is everything */
		if (is_zone(zones[i], zone) || (dns_name_inside(zone, zones[i]) && (!*zones[i] || d->nargs))) {
			return true;
		}
	}
	return false;
}

static const struct corefile_directive *find_plugin(const struct corefile *c, const char *zone, const struct corefile_block **ret)
{
	for (size_t i = 0; i < c->blocks.len; i++) {
		const struct corefile_block *b = &c->blocks.v[i];

		for (size_t j = 0; j < b->ndirectives; j++) {
			if (strcmp(b->directives[j].name, "kubernetes") == 0 && answers_for(b, &b->directives[j], zone)) {
				*ret = b;
				return &b->directives[j];
			}
		}
	}
	return NULL;
}

static bool has_arg(const struct corefile_directive *d, const char *word)
{
	for (size_t i = 0; i < d->nargs; i++) {
		if (strcasecmp(d->args[i], word) == 0) {
			return true;
		}
	}
	return false;
}

/* Without zones it is all of them. */
static bool falls_through(const struct corefile_directive *d, const char *zone)
{
	for (size_t i = 0; i < d->nargs; i++) {
		if (dns_name_inside(zone, d->args[i])) {
			return true;
		}
	}
	return d->nargs == 0;
}

/* What @how says of names concerns this one; a regular expression may. */
static bool concerns(const char *how, const char *what, const char *name)
{
	size_t n = strlen(name), m = strlen(what);

	if (strcmp(how, "regex") == 0) {
		return true;
	}
	if (strcmp(how, "prefix") == 0) {
		return strncasecmp(name, what, m) == 0;
	}
	if (strcmp(how, "substring") == 0) {
		return strcasestr(name, what) != NULL;
	}
	m -= m && what[m - 1] == '.';
	if (strcmp(how, "suffix") == 0) {
		return n >= m && strncasecmp(name + n - m, what, m) == 0;
	}
	return dns_name_equal(name, what);
}

/* "rewrite [continue|stop] name [exact|prefix|suffix|substring|regex] FROM TO" (plugin/rewrite/README.md); in braces, the words begin a line. */
static bool renames(const char *const *w, size_t n, const char *name)
{
	static const char *const ways[] = { "exact", "prefix", "suffix", "substring", "regex" };

	if (n && (strcmp(w[0], "continue") == 0 || strcmp(w[0], "stop") == 0)) {
		w++;
		n--;
	}
	if (n < 3 || strcmp(w[0], "name") != 0) {
		return false;
	}
	for (size_t i = 0; n > 3 && i < ARRAY_LEN(ways); i++) {
		if (strcmp(w[1], ways[i]) == 0) {
			return concerns(w[1], w[2], name);
		}
	}
	return concerns("exact", w[1], name);
}

static bool is_rewritten(const struct corefile_block *b, const char *name)
{
	for (size_t i = 0; i < b->ndirectives; i++) {
		const struct corefile_directive *d = &b->directives[i];

		if (strcmp(d->name, "rewrite") != 0) {
			continue;
		}
		if (renames(d->args, d->nargs, name)) {
			return true;
		}
		for (size_t j = 0; j < d->ninner; j++) {
			/* its first word is its name */
			const struct corefile_directive *x = &d->inner[j];
			const char *words[4] = { x->name, x->nargs > 0 ? x->args[0] : "", x->nargs > 1 ? x->args[1] : "", x->nargs > 2 ? x->args[2] : "" };

			if (renames(words, x->nargs > 2 ? 4 : x->nargs + 1, name)) {
				return true;
			}
		}
	}
	return false;
}

static void read_option(const struct dns_ask *q, const struct corefile_directive *d, const char *zone, struct dns_habits *ret)
{
	if (strcmp(d->name, "pods") == 0 && d->nargs) {
		ret->pods = strcmp(d->args[0], "insecure") == 0 ? DNS_PODS_INSECURE : strcmp(d->args[0], "verified") == 0 ? DNS_PODS_VERIFIED : DNS_PODS_DISABLED;
	} else if (strcmp(d->name, "endpoint_pod_names") == 0) {
		ret->pod_names = true;
	} else if (strcmp(d->name, "noendpoints") == 0) {
		ret->no_endpoints = true;
	} else if (strcmp(d->name, "labels") == 0 || strcmp(d->name, "namespace_labels") == 0) {
		ret->by_labels = true;
	} else if (strcmp(d->name, "ignore") == 0 && has_arg(d, "empty_service")) {
		ret->ignores_empty = true;
	} else if (strcmp(d->name, "namespaces") == 0 && d->nargs) {
		ret->hides_namespace = q->nlabels > 1 && !has_arg(d, q->label[1]);
	} else if (strcmp(d->name, "fallthrough") == 0) {
		ret->falls_through = falls_through(d, zone);
	}
}

static int read_text(const struct dns_ask *q, const char *text, const char *zone, struct dns_habits *ret)
{
	CLEANUP(corefile_release) struct corefile c = { 0 };
	CLEANUP(arena_release) struct arena arena = { 0 };
	int r = corefile_read(&arena, text, strlen(text), &c);

	if (r < 0 || c.error || c.has_imports) {
		return r;
	}
	const struct corefile_block *b = NULL;
	const struct corefile_directive *d = find_plugin(&c, zone, &b);
	ret->known = true;
	ret->not_served = !d;
	if (d) {
		ret->rewritten = is_rewritten(b, q->qname);
		/* the default of the plugin itself, other than kubeadm's */
		ret->pods = DNS_PODS_DISABLED;
	}
	for (size_t i = 0; d && i < d->ninner; i++) {
		read_option(q, &d->inner[i], zone, ret);
	}
	return 0;
}

static const char *corefile_text(const struct k8s_cluster *c)
{
	for (size_t i = 0; i < c->configmaps.len; i++) {
		const struct k8s_configmap *m = c->configmaps.v[i];
		const char *text = k8s_configmap_get(m, "Corefile");

		if (strcmp(m->meta.ns, "kube-system") != 0 || (strcmp(m->meta.name, "coredns") != 0 && strcmp(m->meta.name, "rke2-coredns-rke2-coredns") != 0)) {
			continue;
		}
		if (text) {
			return text;
		}
	}
	return NULL;
}

void dns_habits_read(struct dns_ask *q, const char *zone)
{
	const char *text = corefile_text(q->c);

	q->habits = (struct dns_habits){ .pods = DNS_PODS_INSECURE };
	if (text && strlen(text) <= COREFILE_MAX && read_text(q, text, zone, &q->habits) < 0) {
		q->err = -ENOMEM;
	}
}

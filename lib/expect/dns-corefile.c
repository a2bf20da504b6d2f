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

static const struct corefile_directive *find_plugin(const struct corefile *c, const char *zone)
{
	for (size_t i = 0; i < c->blocks.len; i++) {
		const struct corefile_block *b = &c->blocks.v[i];

		for (size_t j = 0; j < b->ndirectives; j++) {
			if (strcmp(b->directives[j].name, "kubernetes") == 0 && answers_for(b, &b->directives[j], zone)) {
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
	const struct corefile_directive *d = find_plugin(&c, zone);
	ret->known = true;
	ret->not_served = !d;
	if (d) {
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

		if (strcmp(m->meta.ns, "kube-system") != 0 || (strcmp(m->meta.name, "coredns") != 0 && strcmp(m->meta.name, "rke2-coredns-rke2-coredns") != 0)) {
			continue;
		}
		for (size_t j = 0; j < m->ndata; j++) {
			if (strcmp(m->data[j].key, "Corefile") == 0) {
				return m->data[j].value;
			}
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

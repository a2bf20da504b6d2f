/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the rules of one Service port have in common in all modes: which endpoints they use for
 * whom, which chains there are, and how a rule is put down.
 */

#include <errno.h>

#include "expect-private.h"

int expect_put(struct arena *arena, struct expect_rules *ret, const struct expect_rule *r, const char *fmt, ...)
{
	struct strbuf CLEANUP(strbuf_release) b = STRBUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	struct expect_rule copy = *r;
	copy.text = b.failed ? NULL : arena_strdup(arena, strbuf_str(&b));
	return copy.text ? array_push(&ret->v, copy) : -ENOMEM;
}

const struct expect_frontend *expect_find_frontend(const struct expect_service *s, const struct expect_port *p,
						   enum expect_kind kind, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->nfrontends; i++) {
		const struct expect_frontend *f = &s->frontends[i];
		bool mine = kind == EXPECT_HEALTH_CHECK ? f->port->family == p->family : f->port == p;
		if (f->kind == kind && mine && (!a || ip_addr_equal(&f->addr, a))) {
			return f;
		}
	}
	return NULL;
}

static bool has_vip(const struct expect_node *node, const struct expect_port *p)
{
	for (size_t i = 0; i < p->service->ningress; i++) {
		if (expect_is_vip(node, &p->service->ingress[i], p->family)) {
			return true;
		}
	}
	return false;
}

int expect_plan(struct arena *arena, const struct expect_node *node, const struct expect_port *p,
		struct expect_plan *ret)
{
	const struct k8s_service *s = p->service;
	const char *port = p->port->name;
	struct expect_plan x = {
		.name = arena_printf(arena, "%s/%s%s%s", s->meta.ns, s->meta.name, port[0] ? ":" : "", port),
		.proto = arena_strdup(arena, proto_name(p->port->proto)),
		.any = p->any_anywhere,
		.internal_local = expect_internal_local(node, s),
		.external_local = expect_external_local(s),
		.accessible = expect_externally_accessible(node, s, p->port, p->family),
		.has_ranges = has_vip(node, p) && expect_has_ranges(s, p->family),
	};
	if (!x.name || !x.proto) {
		return -ENOMEM;
	}
	x.internal = x.any && (!x.internal_local || p->nlocal > 0);
	x.external = x.any && (!x.external_local || p->nlocal > 0);
	x.uses_cluster = p->ncluster > 0 && (!x.internal_local || x.accessible);
	x.uses_local = p->nlocal > 0 && (x.internal_local || (x.external_local && x.accessible));
	expect_detector(node, p->family, &x.detector);
	x.has_detector = x.detector.kind > DETECTOR_NONE;
	*ret = x;
	return 0;
}

int expect_reached(struct arena *arena, const struct expect_port *p, const struct expect_plan *plan,
		   const struct expect_endpoint ***ret, size_t *ret_len)
{
	bool *reached = arena_array(arena, bool, p->nall + 1);
	const struct expect_endpoint **v = arena_array(arena, const struct expect_endpoint *, p->nall + 1);
	if (!reached || !v) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->ncluster && plan->uses_cluster; i++) {
		reached[p->cluster[i] - p->all] = true;
	}
	for (size_t i = 0; i < p->nlocal && plan->uses_local; i++) {
		reached[p->local[i] - p->all] = true;
	}
	size_t n = 0;
	for (size_t i = 0; i < p->nall; i++) {
		if (reached[i]) {
			v[n++] = &p->all[i];
		}
	}
	*ret = v;
	*ret_len = n;
	return 0;
}

static int addr_cmp(const void *a, const void *b)
{
	return ip_addr_cmp(a, b);
}

int expect_interface_addrs(struct arena *arena, const struct expect_node *node, int family, struct ip_addr **ret,
			   size_t *ret_len)
{
	const struct node_facts *f = node->facts;
	size_t n = 0, len = 0, most = f && f->addrs_known ? f->addrs.len : 0;
	struct ip_addr *v = arena_array(arena, struct ip_addr, most + 1);
	if (!v) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < most; i++) {
		const struct ip_addr *a = &f->addrs.v[i].addr;
		if (a->family == family && expect_is_node_port_addr(node, a)) {
			v[n++] = *a;
		}
	}
	qsort(v, n, sizeof(*v), addr_cmp);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || !ip_addr_equal(&v[len - 1], &v[i])) {
			v[len++] = v[i];
		}
	}
	*ret = v;
	*ret_len = len;
	return 0;
}

int expect_port_rules(struct arena *arena, const struct expect_node *node, const struct expect_service *s,
		      const struct expect_port *p, struct expect_rules *ret)
{
	switch (node->mode) {
	case MODE_NFTABLES:
		return expect_nft_port(arena, node, s, p, ret);
	case MODE_IPVS:
		return expect_ipvs_port(arena, node, s, p, ret);
	case MODE_IPTABLES:
		break;
	}
	return expect_iptables_port(arena, node, s, p, ret);
}

int expect_common_rules(struct arena *arena, const struct expect_node *node, int family,
			struct expect_rules *ret)
{
	switch (node->mode) {
	case MODE_NFTABLES:
		return expect_nft_common(arena, node, family, ret);
	case MODE_IPVS:
		return expect_ipvs_common(arena, node, family, ret);
	case MODE_IPTABLES:
		break;
	}
	return expect_iptables_common(arena, node, family, ret);
}

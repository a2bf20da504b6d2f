/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What NetworkPolicies say of one connection. Policies add up: each opens, none closes but by selecting a pod at all.
 * What network plugins do differently (an ipBlock that holds addresses of pods) is answered with "not known".
 */

#include "k8s-private.h"

#define NAME_LABEL "kubernetes.io/metadata.name" /* set on every namespace by the API server since 1.21 */

enum { NO = 0, YES = 1, UNKNOWN = -1 };

static bool has_value(const struct k8s_requirement *r, const char *value)
{
	for (size_t i = 0; i < r->nvalues; i++)
		if (strcmp(r->values[i], value) == 0)
			return true;
	return false;
}

static bool requirement_holds(const struct k8s_requirement *r, const char *value)
{
	switch (r->op) {
	case OPERATOR_IN:
		return value && has_value(r, value);
	case OPERATOR_NOT_IN:
		return !value || !has_value(r, value);
	case OPERATOR_EXISTS:
		return value != NULL;
	case OPERATOR_DOES_NOT_EXIST:
		return value == NULL;
	}
	return false;
}

bool k8s_label_selector_matches(const struct k8s_label_selector *s, const struct k8s_labels *labels)
{
	if (s->labels.len && !k8s_selector_matches(&s->labels, labels))
		return false;
	for (size_t i = 0; i < s->nrequirements; i++)
		if (!requirement_holds(&s->requirements[i], k8s_label_get(labels, s->requirements[i].key)))
			return false;
	return true;
}

bool k8s_policy_selects(const struct k8s_netpol *p, const struct k8s_pod *pod, bool egress)
{
	return !pod->host_network && (egress ? p->egress : p->ingress) && strcmp(p->meta.ns, pod->meta.ns) == 0 &&
	       k8s_label_selector_matches(&p->pods, &pod->meta.labels);
}

uint16_t k8s_pod_port_by_name(const struct k8s_pod *pod, const char *name, uint8_t proto)
{
	for (size_t i = 0; i < pod->ncontainers; i++)
		for (size_t j = 0; (!pod->containers[i].init || pod->containers[i].sidecar) && j < pod->containers[i].nports; j++) {
			const struct k8s_container_port *p = &pod->containers[i].ports[j];

			if (p->name && p->proto == proto && strcmp(p->name, name) == 0)
				return p->port;
		}
	return 0;
}

bool k8s_policy_rule_has_port(const struct k8s_policy_rule *r, const struct k8s_pod *pod, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < r->nports; i++) {
		const struct k8s_policy_port *p = &r->ports[i];

		if (p->proto != proto)
			continue;
		if (p->name ? pod && k8s_pod_port_by_name(pod, p->name, proto) == port : port >= p->from && port <= p->to)
			return true;
	}
	return r->nports == 0;
}

/* A namespace whose object is not there has at least the label with its name. */
static int namespace_matches(const struct k8s_cluster *c, const struct k8s_label_selector *s, const char *ns)
{
	const struct k8s_namespace *n = map_gets(&c->namespace_by_name, ns);
	const struct k8s_label name = { NAME_LABEL, ns };
	const struct k8s_labels implied = { &name, 1 };

	if (n)
		return k8s_label_selector_matches(s, &n->meta.labels);
	for (size_t i = 0; i < s->labels.len; i++)
		if (strcmp(s->labels.v[i].key, NAME_LABEL) != 0)
			return UNKNOWN;
	for (size_t i = 0; i < s->nrequirements; i++)
		if (strcmp(s->requirements[i].key, NAME_LABEL) != 0)
			return UNKNOWN;
	return k8s_label_selector_matches(s, &implied);
}

static int block_matches(const struct k8s_policy_peer *p, const struct k8s_policy_end *end)
{
	if (!end->ip.family)
		return UNKNOWN;
	if (!ip_prefix_contains(&p->block, &end->ip))
		return NO;
	for (size_t i = 0; i < p->nexcept; i++)
		if (ip_prefix_contains(&p->except[i], &end->ip))
			return NO;
	return end->pod ? UNKNOWN : YES;
}

int k8s_policy_peer_matches(const struct k8s_cluster *c, const char *ns, const struct k8s_policy_peer *p,
			    const struct k8s_policy_end *end)
{
	if (p->is_block)
		return block_matches(p, end);
	if (!end->pod || (!p->pods.set && !p->namespaces.set))
		return NO;
	if (p->pods.set && !k8s_label_selector_matches(&p->pods, &end->pod->meta.labels))
		return NO;
	if (!p->namespaces.set)
		return strcmp(end->pod->meta.ns, ns) == 0;
	return namespace_matches(c, &p->namespaces, end->pod->meta.ns);
}

static int rule_allows(const struct k8s_cluster *c, const char *ns, const struct k8s_policy_rule *r, const struct k8s_policy_end *other)
{
	int best = r->npeers ? NO : YES;

	for (size_t i = 0; i < r->npeers && best != YES; i++) {
		const int m = k8s_policy_peer_matches(c, ns, &r->peers[i], other);

		best = m == NO ? best : m;
	}
	return best;
}

static int policy_allows(const struct k8s_cluster *c, const struct k8s_netpol *p, const struct k8s_policy_end *other,
			 const struct k8s_pod *server, uint8_t proto, uint16_t port, bool egress)
{
	const struct k8s_policy_rule *rules = egress ? p->egress_rules : p->ingress_rules;
	const size_t n = egress ? p->negress : p->ningress;
	int best = NO;

	for (size_t i = 0; i < n && best != YES; i++) {
		int m = k8s_policy_rule_has_port(&rules[i], server, proto, port) ? rule_allows(c, p->meta.ns, &rules[i], other) : NO;

		best = m == NO ? best : m;
	}
	return best;
}

/* "A Pod cannot block access to itself", and not to and from its own node. */
static bool exempt(const struct k8s_policy_end *pod, const struct k8s_policy_end *other)
{
	return other->pod == pod->pod || (!other->pod && other->node && pod->pod->node && strcmp(other->node, pod->pod->node) == 0);
}

const struct k8s_netpol_group *k8s_netpols_of(const struct k8s_cluster *c, const char *ns)
{
	return map_gets(&c->netpols_by_ns, ns);
}

void k8s_policy_judge(const struct k8s_cluster *c, const struct k8s_policy_end *from, const struct k8s_policy_end *to, uint8_t proto,
		      uint16_t port, bool egress, struct k8s_policy_verdict *ret)
{
	const struct k8s_policy_end *pod = egress ? from : to, *other = egress ? to : from;
	const struct k8s_netpol_group *g = pod->pod ? k8s_netpols_of(c, pod->pod->meta.ns) : NULL;

	*ret = (struct k8s_policy_verdict){ .allowed = YES };
	for (size_t i = 0; g && i < g->len; i++) {
		int m;

		if (!k8s_policy_selects(g->v[i], pod->pod, egress))
			continue;
		if (!ret->isolated)
			*ret = (struct k8s_policy_verdict){ .isolated = true, .allowed = NO, .by = g->v[i] };
		m = exempt(pod, other) ? YES : policy_allows(c, g->v[i], other, to->pod, proto, port, egress);
		if (m == NO)
			continue;
		ret->allowed = m;
		ret->by = g->v[i];
		if (m == YES)
			return;
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decoder of NetworkPolicy. */

#include <netinet/in.h>

#include "k8s-private.h"

static enum k8s_operator decode_operator(struct k8s_dec *d, const json_t *o)
{
	static const char *const names[] = { [OPERATOR_IN] = "In", [OPERATOR_NOT_IN] = "NotIn", [OPERATOR_EXISTS] = "Exists",
					     [OPERATOR_DOES_NOT_EXIST] = "DoesNotExist" };
	const char *s = dec_name(d, o, "operator");

	for (size_t i = 0; s && i < ARRAY_LEN(names); i++)
		if (strcmp(s, names[i]) == 0)
			return (enum k8s_operator)i;
	dec_bad(d, "operator", "is none of In, NotIn, Exists and DoesNotExist");
	return OPERATOR_IN;
}

static struct k8s_label_selector decode_selector(struct k8s_dec *d, const json_t *o, const char *key)
{
	const json_t *selector = dec_obj(d, o, key), *a = dec_arr(d, selector, "matchExpressions");
	struct k8s_label_selector s = { .set = selector != NULL, .labels = dec_labels(d, selector, "matchLabels") };
	size_t len = json_array_size(a);
	struct k8s_requirement *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++) {
		const json_t *e = json_array_get(a, i);

		v[i].key = dec_name(d, e, "key");
		v[i].op = decode_operator(d, e);
		v[i].values = dec_strs(d, e, "values", &v[i].nvalues);
		if (!v[i].key)
			dec_bad(d, "matchExpressions", "has an element without key");
	}
	s.requirements = v;
	s.nrequirements = v ? len : 0;
	return s;
}

static void decode_block(struct k8s_dec *d, const json_t *block, struct k8s_policy_peer *p)
{
	const char *cidr = dec_name(d, block, "cidr");

	p->is_block = true;
	if (!cidr || ip_prefix_parse(cidr, &p->block) < 0)
		dec_bad(d, "cidr", "is no prefix of addresses");
	p->except = dec_cidrs(d, block, "except", &p->nexcept);
}

static void decode_peers(struct k8s_dec *d, const json_t *rule, const char *key, struct k8s_policy_rule *r)
{
	const json_t *a = dec_arr(d, rule, key);
	size_t len = json_array_size(a);
	struct k8s_policy_peer *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++) {
		const json_t *o = json_array_get(a, i), *block = dec_obj(d, o, "ipBlock");

		if (block)
			decode_block(d, block, &v[i]);
		v[i].pods = decode_selector(d, o, "podSelector");
		v[i].namespaces = decode_selector(d, o, "namespaceSelector");
	}
	r->peers = v;
	r->npeers = v ? len : 0;
}

static void decode_port(struct k8s_dec *d, const json_t *o, struct k8s_policy_port *p)
{
	const struct k8s_target_port t = dec_target(d, o, "port");

	p->proto = dec_proto(d, o);
	p->name = t.name;
	p->from = t.number;
	p->to = (uint16_t)dec_int(d, o, "endPort", 0, UINT16_MAX, t.number);
	if (!t.name && !t.number)
		p->to = UINT16_MAX; /* every port of the protocol */
}

static void decode_ports(struct k8s_dec *d, const json_t *rule, struct k8s_policy_rule *r)
{
	const json_t *a = dec_arr(d, rule, "ports");
	size_t len = json_array_size(a);
	struct k8s_policy_port *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++)
		decode_port(d, json_array_get(a, i), &v[i]);
	r->ports = v;
	r->nports = v ? len : 0;
}

static const struct k8s_policy_rule *decode_rules(struct k8s_dec *d, const json_t *spec, const char *key, const char *peers,
						  size_t *ret_len)
{
	const json_t *a = dec_arr(d, spec, key);
	size_t len = json_array_size(a);
	struct k8s_policy_rule *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++) {
		decode_peers(d, json_array_get(a, i), peers, &v[i]);
		decode_ports(d, json_array_get(a, i), &v[i]);
	}
	*ret_len = v ? len : 0;
	return v;
}

/*
 * policyTypes; where absent: Ingress always, Egress when there are egress rules (networking.k8s.io/v1
 * NetworkPolicySpec).
 */
static void decode_policy_types(struct k8s_dec *d, const json_t *spec, struct k8s_netpol *n)
{
	size_t len;
	const char *const *types = dec_strs(d, spec, "policyTypes", &len);

	for (size_t i = 0; i < len; i++) {
		n->ingress |= strcmp(types[i], "Ingress") == 0;
		n->egress |= strcmp(types[i], "Egress") == 0;
	}
	if (len == 0) {
		n->ingress = true;
		n->egress = n->negress > 0;
	}
}

void decode_netpol(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_netpol *n = dec_new(d, struct k8s_netpol, m);
	const json_t *spec = dec_obj(d, o, "spec");

	if (!n)
		return;
	d->where = "spec.podSelector";
	n->pods = decode_selector(d, spec, "podSelector");
	d->where = "spec.ingress";
	n->ingress_rules = decode_rules(d, spec, "ingress", "from", &n->ningress);
	d->where = "spec.egress";
	n->egress_rules = decode_rules(d, spec, "egress", "to", &n->negress);
	d->where = "spec";
	decode_policy_types(d, spec, n);
	dec_keep(d, &d->c->netpols, n);
}

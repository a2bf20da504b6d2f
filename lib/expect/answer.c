/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must become of a first packet: who gets what, as kube-proxy's rules in iptables mode decide
 * it (pkg/proxy/iptables/proxier.go syncProxyRules).
 *
 * Cluster IP. internalTrafficPolicy chooses the cluster's endpoints or this node's, for every
 * client. Masquerade: with masqueradeAll always, else when the local detector does not take the
 * source for a pod; without a detector never.
 *
 * External IP, load-balancer IP, node port. Policy Cluster: the cluster's endpoints, always
 * masqueraded. Policy Local is for who comes from outside: this node's endpoints and the source
 * kept. A pod (the detector says so) and the node itself would have got through the load balancer
 * to some node, so they get the cluster's endpoints, the pod with its source, the node
 * masqueraded, for its source may be the load-balancer IP itself. The detector is asked first: a
 * source of the node that lies in the pods' prefix is a pod here.
 *
 * Refusals. Without any endpoint in the cluster: REJECT. With some elsewhere, but policy Local and
 * none here: DROP. Where these rules hang decides whom they reach. Those of cluster IPs are jumped
 * to from FORWARD and OUTPUT, not from INPUT: a cluster IP that is an address of the node is
 * refused only to the node itself. Those of the external kinds hang in INPUT and FORWARD: the node
 * itself is refused only when its packet comes round by lo, that is when the address is its own.
 *
 * Source ranges hold for load-balancer IPs while there is an endpoint; who is in none is dropped
 * in INPUT, FORWARD and OUTPUT. A range that holds the node's own address also admits the
 * load-balancer IPs as sources: such an address is often on the node, and is then the source that
 * the node chooses.
 *
 * Node ports answer on 127.0.0.1 only to 127.0.0.1, and nothing else from that source is judged.
 */

#include "expect-private.h"

static const char why_none[] = "no endpoints";
static const char why_none_here[] = "no endpoint on this node";

static void answer(struct expect_answer *ret, enum expect_verdict verdict, const char *why)
{
	*ret = (struct expect_answer){ .verdict = verdict, .masquerade = TRI_FALSE, .why = why };
}

static void to_cluster(const struct expect_port *p, enum tri masquerade, const char *why,
		       struct expect_answer *ret)
{
	*ret = (struct expect_answer){
		.verdict = EXPECT_TRANSLATE,
		.endpoints = p->cluster,
		.nendpoints = p->ncluster,
		.masquerade = masquerade,
		.why = why,
	};
}

static void to_local(const struct expect_port *p, enum tri masquerade, const char *why,
		     struct expect_answer *ret)
{
	*ret = (struct expect_answer){
		.verdict = EXPECT_TRANSLATE,
		.endpoints = p->local,
		.nendpoints = p->nlocal,
		.masquerade = masquerade,
		.why = why,
	};
}

static enum tri tri_not(enum tri t)
{
	return t == TRI_UNKNOWN ? t : t == TRI_TRUE ? TRI_FALSE : TRI_TRUE;
}

static bool from_node(enum expect_source source)
{
	return source == SOURCE_NODE || source == SOURCE_LOOPBACK;
}

/*
 * A pod of this node comes by the interface that the detector names; where other pods' packets
 * come in is not known.
 */
static enum tri pod_by_interface(const struct expect_node *node, enum expect_source source,
				 const struct ip_addr *src)
{
	if (source != SOURCE_POD) {
		return TRI_FALSE;
	}
	for (size_t i = 0; node->object && i < node->object->npod_cidrs; i++) {
		if (ip_prefix_contains(&node->object->pod_cidrs[i], src)) {
			return TRI_TRUE;
		}
	}
	return TRI_UNKNOWN;
}

/* The detector's "local"; without detector nobody is. */
static enum tri taken_for_pod(const struct expect_node *node, const struct local_detector *d,
			      enum expect_source source, const struct ip_addr *src)
{
	switch (d->kind) {
	case DETECTOR_UNKNOWN:
		return TRI_UNKNOWN;
	case DETECTOR_NONE:
		return TRI_FALSE;
	case DETECTOR_PREFIX:
		return ip_prefix_contains(&d->prefix, src) ? TRI_TRUE : TRI_FALSE;
	case DETECTOR_INTERFACE:
	case DETECTOR_INTERFACE_PREFIX:
		return pod_by_interface(node, source, src);
	}
	return TRI_UNKNOWN;
}

static enum tri cluster_ip_masquerade(const struct expect_node *node, enum expect_source source,
				      const struct ip_addr *src)
{
	struct local_detector d;
	expect_detector(node, src->family, &d);
	if (node->config->known && node->config->masquerade_all == 1) {
		return TRI_TRUE;
	}
	return d.kind == DETECTOR_NONE ? TRI_FALSE : tri_not(taken_for_pod(node, &d, source, src));
}

static enum tri is_own(const struct expect_node *node, const struct ip_addr *a)
{
	return node->facts ? node_is_local(node->facts, a) : TRI_UNKNOWN;
}

/*
 * Before 1.25 a packet was dropped by its mark, in INPUT and OUTPUT; one that is forwarded kept its address and went on.
 */
static bool goes_on_marked(const struct expect_node *node, enum expect_source source,
			   const struct ip_addr *dst, enum expect_verdict verdict)
{
	return verdict == EXPECT_DROP && !expect_after(node, CHANGE_DROP_IN_FILTER) && !from_node(source) &&
	       is_own(node, dst) != TRI_TRUE;
}

static const char why_marked[] = "before kube-proxy 1.25 only INPUT and OUTPUT drop what must not pass";

/* Refusals of cluster IPs hang in FORWARD and OUTPUT. */
static void refuse_internal(const struct expect_node *node, enum expect_source source,
			    const struct ip_addr *dst, enum expect_verdict verdict, const char *why,
			    struct expect_answer *ret)
{
	if (goes_on_marked(node, source, dst, verdict)) {
		answer(ret, EXPECT_NOTHING, why_marked);
		return;
	}
	if (source != SOURCE_NODE && is_own(node, dst) == TRI_TRUE) {
		answer(ret, EXPECT_NOTHING,
		       "the cluster IP is an address of this node, and refusals do not hang in INPUT");
		return;
	}
	answer(ret, verdict, why);
}

/* Refusals of external addresses hang in INPUT and FORWARD. */
static void refuse_external(const struct expect_node *node, const struct expect_frontend *f,
			    enum expect_source source, const struct ip_addr *dst,
			    enum expect_verdict verdict, const char *why, struct expect_answer *ret)
{
	if (goes_on_marked(node, source, dst, verdict)) {
		answer(ret, EXPECT_NOTHING, why_marked);
		return;
	}
	if (from_node(source) && f->kind != EXPECT_NODE_PORT && is_own(node, dst) != TRI_TRUE) {
		answer(ret, EXPECT_NOTHING, "refusals of external addresses do not hang in OUTPUT");
		return;
	}
	answer(ret, verdict, why);
}

static void answer_cluster_ip(const struct expect_node *node, const struct expect_port *p,
			      enum expect_source source, const struct ip_addr *src,
			      const struct ip_addr *dst, struct expect_answer *ret)
{
	bool local = expect_internal_local(node, p->service);
	if (source == SOURCE_LOOPBACK) {
		answer(ret, EXPECT_NOTHING, "127.0.0.1 speaks to its own node ports only");
	} else if (!p->any_anywhere) {
		refuse_internal(node, source, dst, EXPECT_REJECT, why_none, ret);
	} else if (local && p->nlocal == 0) {
		refuse_internal(node, source, dst, EXPECT_DROP, why_none_here, ret);
	} else {
		enum tri masquerade = cluster_ip_masquerade(node, source, src);
		if (local) {
			to_local(p, masquerade, "internal traffic policy Local", ret);
		} else {
			to_cluster(p, masquerade, "internal traffic policy Cluster", ret);
		}
	}
}

static bool is_lb_ip(const struct expect_node *node, const struct k8s_service *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->ningress; i++) {
		if (expect_is_vip(node, &s->ingress[i], a->family) && ip_addr_equal(&s->ingress[i].ip, a)) {
			return true;
		}
	}
	return false;
}

/* TRI_UNKNOWN where it hangs on the node's own address, which is not known. */
static enum tri admitted(const struct expect_node *node, const struct k8s_service *s,
			 const struct ip_addr *src)
{
	if (expect_in_ranges(s, src)) {
		return TRI_TRUE;
	}
	if (!is_lb_ip(node, s, src)) {
		return TRI_FALSE;
	}
	const struct ip_addr *own = expect_node_ip(node, src->family);
	if (own->family == 0) {
		return TRI_UNKNOWN;
	}
	return expect_in_ranges(s, own) ? TRI_TRUE : TRI_FALSE;
}

static bool same_endpoints(const struct expect_port *p)
{
	if (p->ncluster != p->nlocal) {
		return false;
	}
	for (size_t i = 0; i < p->nlocal; i++) {
		if (p->cluster[i] != p->local[i]) {
			return false;
		}
	}
	return true;
}

static void answer_local_policy(const struct expect_node *node, const struct expect_frontend *f,
				enum expect_source source, const struct ip_addr *src,
				const struct ip_addr *dst, struct expect_answer *ret)
{
	const struct expect_port *p = f->port;
	struct local_detector d;
	expect_detector(node, src->family, &d);
	enum tri pod = taken_for_pod(node, &d, source, src);
	if (from_node(source)) {
		to_cluster(p, tri_not(pod), "external traffic policy Local, from the node itself", ret);
	} else if (pod == TRI_TRUE) {
		to_cluster(p, TRI_FALSE, "external traffic policy Local, from a pod", ret);
	} else if (pod == TRI_UNKNOWN && source == SOURCE_POD && !same_endpoints(p)) {
		answer(ret, EXPECT_NOTHING, "whether kube-proxy takes the source for a pod is not known");
	} else if (p->nlocal > 0) {
		to_local(p, TRI_FALSE, "external traffic policy Local", ret);
	} else {
		refuse_external(node, f, source, dst, EXPECT_DROP, why_none_here, ret);
	}
}

/* In 1.21 to 1.23 a pod's source was kept on its way to an external IP. */
static enum tri external_masquerade(const struct expect_node *node, const struct expect_frontend *f,
				    enum expect_source source, const struct ip_addr *src)
{
	struct local_detector d;
	expect_detector(node, src->family, &d);
	if (f->kind != EXPECT_EXTERNAL_IP || expect_after(node, CHANGE_EXTERNAL_IP_MASQ) ||
	    !expect_after(node, CHANGE_EXTERNAL_IP_INSIDE)) {
		return TRI_TRUE;
	}
	return tri_not(taken_for_pod(node, &d, source, src));
}

/* The source is in none of the ranges of a load-balancer IP, or it is not known whether it is. */
static bool keep_out(const struct expect_node *node, const struct k8s_service *s, enum expect_source source,
		     const struct ip_addr *src, const struct ip_addr *dst, struct expect_answer *ret)
{
	switch (admitted(node, s, src)) {
	case TRI_TRUE:
		return false;
	case TRI_UNKNOWN:
		answer(ret, EXPECT_NOTHING,
		       "whether the node's own address is in loadBalancerSourceRanges is not known");
		return true;
	case TRI_FALSE:
		break;
	}
	if (goes_on_marked(node, source, dst, EXPECT_DROP)) {
		answer(ret, EXPECT_NOTHING, why_marked);
	} else {
		answer(ret, EXPECT_DROP, "source not in loadBalancerSourceRanges");
	}
	return true;
}

static void answer_external(const struct expect_node *node, const struct expect_frontend *f,
			    enum expect_source source, const struct ip_addr *src, const struct ip_addr *dst,
			    struct expect_answer *ret)
{
	const struct expect_port *p = f->port;
	const struct k8s_service *s = p->service;
	if (!p->any_anywhere) {
		refuse_external(node, f, source, dst, EXPECT_REJECT, why_none, ret);
		return;
	}
	if (f->kind == EXPECT_LOAD_BALANCER && expect_has_ranges(s, p->family) &&
	    keep_out(node, s, source, src, dst, ret)) {
		return;
	}
	if (f->kind == EXPECT_EXTERNAL_IP && source != SOURCE_OUTSIDE && is_own(node, dst) != TRI_TRUE &&
	    !expect_after(node, CHANGE_EXTERNAL_IP_INSIDE)) {
		answer(ret, EXPECT_NOTHING,
		       "before kube-proxy 1.21 the node and pods on a bridge go out to external IPs");
		return;
	}
	if (expect_external_local(s)) {
		answer_local_policy(node, f, source, src, dst, ret);
	} else {
		to_cluster(p, external_masquerade(node, f, source, src), "external traffic policy Cluster",
			   ret);
	}
}

/* Refusals of node ports ask for a local address, translations for a node-port address. */
static void answer_node_port(const struct expect_node *node, const struct expect_frontend *f,
			     enum expect_source source, const struct ip_addr *src,
			     const struct ip_addr *dst, struct expect_answer *ret)
{
	if (ip_addr_is_loopback(dst) != (source == SOURCE_LOOPBACK)) {
		answer(ret, EXPECT_NOTHING, "127.0.0.1 speaks to its own node ports only");
		return;
	}
	if (source == SOURCE_LOOPBACK && !node->config->known) {
		answer(ret, EXPECT_NOTHING, "whether node ports answer on 127.0.0.1 is not known");
		return;
	}
	struct expect_answer a;
	answer_external(node, f, source, src, dst, &a);
	if (a.verdict == EXPECT_TRANSLATE && !expect_is_node_port_addr(node, dst)) {
		answer(&a, EXPECT_NOTHING, "not an address that node ports answer on");
	}
	*ret = a;
}

void expect_answer(const struct expect_node *node, const struct expect_frontend *f,
		   enum expect_source source, const struct ip_addr *src, const struct ip_addr *dst,
		   struct expect_answer *ret)
{
	switch (f->kind) {
	case EXPECT_CLUSTER_IP:
		answer_cluster_ip(node, f->port, source, src, dst, ret);
		break;
	case EXPECT_EXTERNAL_IP:
	case EXPECT_LOAD_BALANCER:
		if (source == SOURCE_LOOPBACK) {
			answer(ret, EXPECT_NOTHING, "127.0.0.1 speaks to its own node ports only");
		} else {
			answer_external(node, f, source, src, dst, ret);
		}
		break;
	case EXPECT_NODE_PORT:
		answer_node_port(node, f, source, src, dst, ret);
		break;
	case EXPECT_HEALTH_CHECK:
		answer(ret, EXPECT_ACCEPT, "health-check node port");
		break;
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must become of a first packet: who gets what, as kube-proxy's rules in iptables and nftables
 * mode decide it (pkg/proxy/{iptables,nftables}/proxier.go syncProxyRules). IPVS mode is in
 * answer-ipvs.c.
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
 *
 * nftables mode decides by the same policies, and differs in where its rules hang. Source ranges
 * are asked first of all, at priority -110 of PREROUTING and OUTPUT: who is in none is dropped
 * although there is no endpoint. Refusals of addresses hang in INPUT, FORWARD and OUTPUT, so they
 * reach the node itself and a cluster IP that is an address of the node; those of node ports hang
 * in INPUT and ask for the same addresses as the translation. Loopback never answers.
 */

#include "expect-private.h"

const char expect_why_none[] = "no endpoints";
const char expect_why_loopback[] = "127.0.0.1 speaks to its own node ports only";
const char expect_why_ranges[] = "source not in loadBalancerSourceRanges";
const char expect_why_own_ip[] =
	"whether the node's own address is in loadBalancerSourceRanges is not known";
const char expect_why_no_node_port[] = "not an address that node ports answer on";
static const char why_none_here[] = "no endpoint on this node";

void expect_say(struct expect_answer *ret, enum expect_verdict verdict, const char *why)
{
	*ret = (struct expect_answer){ .verdict = verdict, .masquerade = TRI_FALSE, .why = why };
}

void expect_to_cluster(const struct expect_port *p, enum tri masquerade, const char *why,
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

void expect_to_local(const struct expect_port *p, enum tri masquerade, const char *why,
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
enum tri expect_taken_for_pod(const struct expect_node *node, const struct local_detector *d,
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
	return d.kind == DETECTOR_NONE ? TRI_FALSE : tri_not(expect_taken_for_pod(node, &d, source, src));
}

enum tri expect_is_own(const struct expect_node *node, const struct ip_addr *a)
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
	       expect_is_own(node, dst) != TRI_TRUE;
}

static const char why_marked[] = "before kube-proxy 1.25 only INPUT and OUTPUT drop what must not pass";

/* Refusals of cluster IPs hang in FORWARD and OUTPUT; in nftables mode in INPUT too. */
static void refuse_internal(const struct expect_node *node, enum expect_source source,
			    const struct ip_addr *dst, enum expect_verdict verdict, const char *why,
			    struct expect_answer *ret)
{
	if (goes_on_marked(node, source, dst, verdict)) {
		expect_say(ret, EXPECT_NOTHING, why_marked);
		return;
	}
	if (node->mode == MODE_IPTABLES && source != SOURCE_NODE && expect_is_own(node, dst) == TRI_TRUE) {
		expect_say(ret, EXPECT_NOTHING,
			   "the cluster IP is an address of this node, and refusals do not hang in INPUT");
		return;
	}
	expect_say(ret, verdict, why);
}

/* Refusals of external addresses hang in INPUT and FORWARD; in nftables mode in OUTPUT too. */
static void refuse_external(const struct expect_node *node, const struct expect_frontend *f,
			    enum expect_source source, const struct ip_addr *dst,
			    enum expect_verdict verdict, const char *why, struct expect_answer *ret)
{
	if (goes_on_marked(node, source, dst, verdict)) {
		expect_say(ret, EXPECT_NOTHING, why_marked);
		return;
	}
	if (node->mode == MODE_IPTABLES && from_node(source) && f->kind != EXPECT_NODE_PORT &&
	    expect_is_own(node, dst) != TRI_TRUE) {
		expect_say(ret, EXPECT_NOTHING, "refusals of external addresses do not hang in OUTPUT");
		return;
	}
	expect_say(ret, verdict, why);
}

static void answer_cluster_ip(const struct expect_node *node, const struct expect_port *p,
			      enum expect_source source, const struct ip_addr *src,
			      const struct ip_addr *dst, struct expect_answer *ret)
{
	bool local = expect_internal_local(node, p->service);
	if (source == SOURCE_LOOPBACK) {
		expect_say(ret, EXPECT_NOTHING, expect_why_loopback);
	} else if (!p->any_anywhere) {
		refuse_internal(node, source, dst, EXPECT_REJECT, expect_why_none, ret);
	} else if (local && p->nlocal == 0) {
		refuse_internal(node, source, dst, EXPECT_DROP, why_none_here, ret);
	} else {
		enum tri masquerade = cluster_ip_masquerade(node, source, src);
		if (local) {
			expect_to_local(p, masquerade, "internal traffic policy Local", ret);
		} else {
			expect_to_cluster(p, masquerade, "internal traffic policy Cluster", ret);
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

static const char why_early[] =
	"before kube-proxy 1.34, and a patch release of 1.33, nftables mode drops the node itself here";

/* The refusals of OUTPUT came before the translation. */
static bool refused_too_early(const struct expect_node *node)
{
	return node->mode == MODE_NFTABLES && !expect_after(node, CHANGE_NFT_LATE_REFUSALS);
}

static void answer_local_policy(const struct expect_node *node, const struct expect_frontend *f,
				enum expect_source source, const struct ip_addr *src,
				const struct ip_addr *dst, struct expect_answer *ret)
{
	const struct expect_port *p = f->port;
	struct local_detector d;
	expect_detector(node, src->family, &d);
	enum tri pod = expect_taken_for_pod(node, &d, source, src);
	if (from_node(source) && p->nlocal == 0 && refused_too_early(node)) {
		expect_say(ret, EXPECT_NOTHING, why_early);
	} else if (from_node(source)) {
		expect_to_cluster(p, tri_not(pod), "external traffic policy Local, from the node itself", ret);
	} else if (pod == TRI_TRUE) {
		expect_to_cluster(p, TRI_FALSE, "external traffic policy Local, from a pod", ret);
	} else if (pod == TRI_UNKNOWN && source == SOURCE_POD && !same_endpoints(p)) {
		expect_say(ret, EXPECT_NOTHING, "whether kube-proxy takes the source for a pod is not known");
	} else if (p->nlocal > 0) {
		expect_to_local(p, TRI_FALSE, "external traffic policy Local", ret);
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
	return tri_not(expect_taken_for_pod(node, &d, source, src));
}

/* The source is in none of the ranges of a load-balancer IP, or it is not known whether it is. */
static bool keep_out(const struct expect_node *node, const struct k8s_service *s, enum expect_source source,
		     const struct ip_addr *src, const struct ip_addr *dst, struct expect_answer *ret)
{
	switch (admitted(node, s, src)) {
	case TRI_TRUE:
		return false;
	case TRI_UNKNOWN:
		expect_say(ret, EXPECT_NOTHING, expect_why_own_ip);
		return true;
	case TRI_FALSE:
		break;
	}
	if (goes_on_marked(node, source, dst, EXPECT_DROP)) {
		expect_say(ret, EXPECT_NOTHING, why_marked);
	} else {
		expect_say(ret, EXPECT_DROP, expect_why_ranges);
	}
	return true;
}

static void answer_external(const struct expect_node *node, const struct expect_frontend *f,
			    enum expect_source source, const struct ip_addr *src, const struct ip_addr *dst,
			    struct expect_answer *ret)
{
	const struct expect_port *p = f->port;
	const struct k8s_service *s = p->service;
	bool ranges = f->kind == EXPECT_LOAD_BALANCER && expect_has_ranges(s, p->family);
	if (ranges && node->mode == MODE_NFTABLES && keep_out(node, s, source, src, dst, ret)) {
		return;
	}
	if (!p->any_anywhere) {
		refuse_external(node, f, source, dst, EXPECT_REJECT, expect_why_none, ret);
		return;
	}
	if (ranges && node->mode == MODE_IPTABLES && keep_out(node, s, source, src, dst, ret)) {
		return;
	}
	if (f->kind == EXPECT_EXTERNAL_IP && source != SOURCE_OUTSIDE && expect_is_own(node, dst) != TRI_TRUE &&
	    !expect_after(node, CHANGE_EXTERNAL_IP_INSIDE)) {
		expect_say(ret, EXPECT_NOTHING,
			   "before kube-proxy 1.21 the node and pods on a bridge go out to external IPs");
		return;
	}
	if (expect_external_local(s)) {
		answer_local_policy(node, f, source, src, dst, ret);
	} else {
		expect_to_cluster(p, external_masquerade(node, f, source, src), "external traffic policy Cluster",
			   ret);
	}
}

/*
 * Refusals of node ports ask for a local address, translations for a node-port address; both for
 * that in nftables mode.
 */
static void answer_node_port(const struct expect_node *node, const struct expect_frontend *f,
			     enum expect_source source, const struct ip_addr *src,
			     const struct ip_addr *dst, struct expect_answer *ret)
{
	if (ip_addr_is_loopback(dst) != (source == SOURCE_LOOPBACK)) {
		expect_say(ret, EXPECT_NOTHING, expect_why_loopback);
		return;
	}
	if (source == SOURCE_LOOPBACK && node->mode == MODE_NFTABLES) {
		expect_say(ret, EXPECT_NOTHING, "nftables mode has no node ports on loopback");
		return;
	}
	if (source == SOURCE_LOOPBACK && !node->config->known) {
		expect_say(ret, EXPECT_NOTHING, "whether node ports answer on 127.0.0.1 is not known");
		return;
	}
	struct expect_answer a;
	answer_external(node, f, source, src, dst, &a);
	if ((a.verdict == EXPECT_TRANSLATE || node->mode == MODE_NFTABLES) && !expect_is_node_port_addr(node, dst)) {
		expect_say(&a, EXPECT_NOTHING, expect_why_no_node_port);
	}
	*ret = a;
}

enum tri expect_masquerade(const struct expect_node *node, const struct expect_answer *a,
			   const struct expect_endpoint *e, const struct ip_addr *src)
{
	bool everywhere = node->mode == MODE_IPTABLES ||
			  (node->mode == MODE_NFTABLES && !expect_after(node, CHANGE_NFT_SETS));
	return ip_addr_equal(&e->addr, src) && (everywhere || e->local) ? TRI_TRUE : a->masquerade;
}

void expect_answer(const struct expect_node *node, const struct expect_frontend *f,
		   enum expect_source source, const struct ip_addr *src, const struct ip_addr *dst,
		   struct expect_answer *ret)
{
	if (node->mode == MODE_IPVS) {
		expect_answer_ipvs(node, f, source, src, dst, ret);
		return;
	}
	switch (f->kind) {
	case EXPECT_CLUSTER_IP:
		answer_cluster_ip(node, f->port, source, src, dst, ret);
		break;
	case EXPECT_EXTERNAL_IP:
	case EXPECT_LOAD_BALANCER:
		if (source == SOURCE_LOOPBACK) {
			expect_say(ret, EXPECT_NOTHING, expect_why_loopback);
		} else {
			answer_external(node, f, source, src, dst, ret);
		}
		break;
	case EXPECT_NODE_PORT:
		answer_node_port(node, f, source, src, dst, ret);
		break;
	case EXPECT_HEALTH_CHECK:
		expect_say(ret, EXPECT_ACCEPT, "health-check node port");
		break;
	}
}

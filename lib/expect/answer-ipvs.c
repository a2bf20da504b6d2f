/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must become of a first packet in IPVS mode (pkg/proxy/ipvs/proxier.go syncProxyRules,
 * syncEndpoint, writeIptablesRules).
 *
 * A virtual server stands behind each address, whoever asks: policy Local takes this node's
 * endpoints if there are any, else the cluster's, for pods and for the node itself as for everybody
 * else. Without a server IPVS itself refuses.
 *
 * Masquerade is decided before IPVS, by ipsets. Cluster IPs: with masqueradeAll always, else when
 * the detector does not take the source for a pod; without a detector only a source that is the
 * virtual address itself, which is what the node's own packets bear. External addresses and node
 * ports: policy Cluster always, policy Local never, the node itself included. All virtual addresses
 * but external IPs also pass the rules of node ports: where such a port has the same number, it is
 * masqueraded as that (expect_frontend.marked).
 *
 * Source ranges hang in INPUT, where a packet to a virtual address comes by from everywhere but
 * from the node itself: they drop also where there is no endpoint. The node itself is dropped behind
 * IPVS, in OUTPUT, by a rule of its own, where its address is in no range; there is nothing to drop
 * there while IPVS has no server.
 */

#include "expect-private.h"

static const char why_refused[] = "no endpoints: IPVS has no server to choose";

static void to_servers(const struct expect_port *p, bool local, enum tri masquerade,
		       struct expect_answer *ret)
{
	if (!p->any_anywhere) {
		expect_say(ret, EXPECT_REJECT, why_refused);
	} else if (local && p->nlocal > 0) {
		expect_to_local(p, masquerade, "traffic policy Local", ret);
	} else if (local) {
		expect_to_cluster(p, masquerade,
				  "traffic policy Local, and no endpoint on this node: IPVS takes all", ret);
	} else {
		expect_to_cluster(p, masquerade, "traffic policy Cluster", ret);
	}
}

static enum tri cluster_ip_masquerade(const struct expect_node *node, const struct expect_frontend *f,
				      enum expect_source source, const struct ip_addr *src,
				      const struct ip_addr *dst)
{
	struct local_detector d;
	if (f->marked || (node->config->known && node->config->masquerade_all == 1)) {
		return TRI_TRUE;
	}
	expect_detector(node, src->family, &d);
	if (d.kind == DETECTOR_NONE) {
		return ip_addr_equal(src, dst) ? TRI_TRUE : TRI_FALSE;
	}
	return tri_not(expect_taken_for_pod(node, &d, source, src));
}

/* TRI_UNKNOWN where it hangs on the node's own address, which is not known. */
static enum tri node_in_ranges(const struct expect_node *node, const struct k8s_service *s, int family)
{
	const struct ip_addr *own = expect_node_ip(node, family);
	if (own->family == 0) {
		return TRI_UNKNOWN;
	}
	return expect_in_ranges(s, own) ? TRI_TRUE : TRI_FALSE;
}

/*
 * May @src come to the load-balancer IP @dst? A range that holds the node's own address admits the
 * virtual address as source, and that is what a packet of the node itself bears.
 */
static enum tri admitted(const struct expect_node *node, const struct k8s_service *s, enum expect_source source,
			 const struct ip_addr *src, const struct ip_addr *dst)
{
	bool virtual_source = ip_addr_equal(src, dst);
	if (source == SOURCE_NODE && (!virtual_source || !expect_after(node, CHANGE_IPVS_NODE_RANGES))) {
		return TRI_TRUE;
	}
	if (source != SOURCE_NODE && (expect_in_ranges(s, src) || !virtual_source)) {
		return expect_in_ranges(s, src) ? TRI_TRUE : TRI_FALSE;
	}
	return node_in_ranges(node, s, dst->family);
}

static bool keep_out(const struct expect_node *node, const struct expect_port *p, enum expect_source source,
		     const struct ip_addr *src, const struct ip_addr *dst, struct expect_answer *ret)
{
	/* Of what the node itself sends, IPVS sees more than the rule does: it is asked first. */
	if (source == SOURCE_NODE && !p->any_anywhere) {
		return false;
	}
	switch (admitted(node, p->service, source, src, dst)) {
	case TRI_TRUE:
		return false;
	case TRI_FALSE:
		expect_say(ret, EXPECT_DROP, expect_why_ranges);
		return true;
	case TRI_UNKNOWN:
		break;
	}
	expect_say(ret, EXPECT_NOTHING, expect_why_own_ip);
	return true;
}

static void answer_external(const struct expect_node *node, const struct expect_frontend *f,
			    enum expect_source source, const struct ip_addr *src, const struct ip_addr *dst,
			    struct expect_answer *ret)
{
	const struct expect_port *p = f->port;
	bool local = expect_external_local(p->service);
	if (f->kind == EXPECT_LOAD_BALANCER && expect_has_ranges(p->service, p->family) &&
	    keep_out(node, p, source, src, dst, ret)) {
		return;
	}
	to_servers(p, local, local && !f->marked ? TRI_FALSE : TRI_TRUE, ret);
}

void expect_answer_ipvs(const struct expect_node *node, const struct expect_frontend *f,
			enum expect_source source, const struct ip_addr *src, const struct ip_addr *dst,
			struct expect_answer *ret)
{
	if (f->kind == EXPECT_HEALTH_CHECK) {
		expect_say(ret, EXPECT_ACCEPT, "health-check node port");
	} else if (source == SOURCE_LOOPBACK || ip_addr_is_loopback(dst)) {
		expect_say(ret, EXPECT_NOTHING, "IPVS mode has no virtual server on loopback");
	} else if (f->kind == EXPECT_CLUSTER_IP) {
		to_servers(f->port, expect_internal_local(node, f->port->service),
			   cluster_ip_masquerade(node, f, source, src, dst), ret);
	} else if (f->kind == EXPECT_NODE_PORT && !expect_is_node_port_addr(node, dst)) {
		expect_say(ret, EXPECT_NOTHING, expect_why_no_node_port);
	} else {
		answer_external(node, f, source, src, dst, ret);
	}
}

bool expect_own_source(const struct expect_node *node, const struct ip_addr *dst, struct ip_addr *ret)
{
	if (node->mode != MODE_IPVS) {
		return false;
	}
	*ret = *dst;
	return true;
}

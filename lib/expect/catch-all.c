/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must become of a packet to an address of the Services, but to no Service: a port that the
 * address does not have, or an address that no Service has. iptables mode has no rules for that.
 *
 * nftables mode (chain cluster-ips-check) rejects what is left for a cluster IP behind the
 * translation, and drops what is left for the ServiceCIDRs; the chain hangs in FORWARD and OUTPUT,
 * so not where the address is one of the node. IPVS mode (KUBE-IPVS-FILTER) rejects in INPUT, where
 * every address on kube-ipvs0 ends, the node's own packets too.
 */

#include "expect-private.h"

static const char why_port[] = "a port that no Service has";
static const char why_unused[] = "an address of the ServiceCIDRs that no Service has";
static const char why_no_rule[] = "kube-proxy has no rule for ports and addresses of no Service";

static bool in_service_cidrs(const struct k8s_cluster *cluster, const struct ip_addr *a)
{
	for (size_t i = 0; i < cluster->service_cidrs.len; i++) {
		const struct k8s_service_cidr *c = cluster->service_cidrs.v[i];
		for (size_t j = 0; j < c->ncidrs; j++) {
			if (ip_prefix_contains(&c->cidrs[j], a)) {
				return true;
			}
		}
	}
	return false;
}

static void catch_nftables(const struct expect_node *node, const struct k8s_cluster *cluster,
			   enum expect_catch what, enum expect_source source, const struct ip_addr *dst,
			   struct expect_answer *ret)
{
	if (source != SOURCE_NODE && expect_is_own(node, dst) == TRI_TRUE) {
		expect_say(ret, EXPECT_NOTHING, "an address of this node, and cluster IPs are not checked in INPUT");
	} else if (what == CATCH_CLUSTER_IP_PORT && expect_after(node, CHANGE_NFT_CLUSTER_IPS)) {
		expect_say(ret, EXPECT_REJECT, why_port);
	} else if (what == CATCH_UNUSED_CLUSTER_IP && expect_after(node, CHANGE_NFT_SERVICE_CIDRS) &&
		   in_service_cidrs(cluster, dst)) {
		expect_say(ret, EXPECT_DROP, why_unused);
	} else {
		expect_say(ret, EXPECT_NOTHING, why_no_rule);
	}
}

/* An address that another interface of the node has is not bound to kube-ipvs0. */
bool expect_on_another_interface(const struct node_facts *f, const struct ip_addr *a)
{
	for (size_t i = 0; i < f->addrs.len; i++) {
		const struct node_address *n = &f->addrs.v[i];
		if (ip_addr_equal(&n->addr, a) && n->ifname && strcmp(n->ifname, EXPECT_IPVS_INTERFACE) != 0) {
			return true;
		}
	}
	return false;
}

static void catch_ipvs(const struct expect_node *node, enum expect_catch what, const struct ip_addr *dst,
		       struct expect_answer *ret)
{
	bool facts = node->facts && node->facts->addrs_known;
	if (what == CATCH_UNUSED_CLUSTER_IP || !expect_after(node, CHANGE_IPVS_FILTER)) {
		expect_say(ret, EXPECT_NOTHING, why_no_rule);
	} else if (what == CATCH_EXTERNAL_PORT && !facts) {
		expect_say(ret, EXPECT_NOTHING, "whether the address lies on kube-ipvs0 is not known");
	} else if (what == CATCH_EXTERNAL_PORT && expect_on_another_interface(node->facts, dst)) {
		expect_say(ret, EXPECT_NOTHING, "an address of the node itself is not bound to kube-ipvs0");
	} else {
		expect_say(ret, EXPECT_REJECT, why_port);
	}
}

void expect_catch_all(const struct expect_node *node, const struct k8s_cluster *cluster, enum expect_catch what,
		      enum expect_source source, const struct ip_addr *dst, struct expect_answer *ret)
{
	if (source == SOURCE_LOOPBACK) {
		expect_say(ret, EXPECT_NOTHING, expect_why_loopback);
	} else if (node->mode == MODE_NFTABLES) {
		catch_nftables(node, cluster, what, source, dst, ret);
	} else if (node->mode == MODE_IPVS) {
		catch_ipvs(node, what, dst, ret);
	} else {
		expect_say(ret, EXPECT_NOTHING, why_no_rule);
	}
}

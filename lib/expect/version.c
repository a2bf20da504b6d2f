/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What changed in kube-proxy's behaviour between 1.20 and 1.37, as one table. A row says since
 * which minor version the newer behaviour is there (by default, for what hangs on a feature gate)
 * and where that is written. The other files of lib/expect ask expect_after() and compare no
 * version themselves.
 */

#include "expect-private.h"

struct change {
	int since;          /* minor version of the first release that behaves so by default */
	const char *gate;   /* feature gate that decides instead, where it is set; NULL: none */
	const char *source; /* in kubernetes/kubernetes */
};

static const struct change changes[EXPECT_CHANGES] = {
	[CHANGE_HEALTH_ACCEPT] = { 21, NULL, "pkg/proxy/iptables/proxier.go, pull request 97824" },
	[CHANGE_INTERNAL_LOCAL] = { 22, "ServiceInternalTrafficPolicy", "pkg/features/kube_features.go" },
	/* Before: FilterEndpoints, at the head of syncProxyRules, kept what is left for all kinds of traffic. */
	[CHANGE_POLICIES_APART] = { 24, NULL, "pkg/proxy/topology.go, pull request 106497" },
	/* Before: KUBE-MARK-DROP, and KUBE-FIREWALL of the kubelet, which hangs in INPUT and OUTPUT. */
	[CHANGE_DROP_IN_FILTER] = { 25, NULL, "pkg/proxy/iptables/proxier.go, pull requests 110289, 110290" },
	/* Before: "-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL", or an address of the node. */
	[CHANGE_EXTERNAL_IP_INSIDE] = { 21, NULL, "pkg/proxy/iptables/proxier.go, pull request 96296" },
	[CHANGE_EXTERNAL_IP_MASQ] = { 24, NULL, "pkg/proxy/iptables/proxier.go, pull request 109060" },
	[CHANGE_TERMINATING] = { 26, "ProxyTerminatingEndpoints", "pkg/proxy/topology.go, KEP-1669" },
	[CHANGE_HINTS] = { 24, "TopologyAwareHints", "pkg/proxy/topology.go, KEP-2433" },
	[CHANGE_HINTS_ANY_VALUE] = { 27, NULL, "pkg/proxy/topology.go canUseTopology, KEP-2433" },
	[CHANGE_HINTS_NO_ANNOTATION] = { 31, "ServiceTrafficDistribution",
					 "pkg/proxy/topology.go, KEP-4444" },
	[CHANGE_NODE_HINTS] = { 34, "PreferSameTrafficDistribution", "pkg/proxy/topology.go, KEP-3015" },
	/* Before: one selector, without either label, for both kinds. */
	[CHANGE_LABELS_APART] = { 35, NULL, "cmd/kube-proxy/app/server.go Run, pull request 134623" },
	[CHANGE_IP_MODE] = { 30, "LoadBalancerIPMode", "pkg/proxy/serviceport.go, KEP-1860" },
	/* nftables mode came with 1.29. */
	[CHANGE_NFT_PRIMARY] = { 30, NULL, "cmd/kube-proxy/app/server.go, pull requests 122724, 123105" },
	[CHANGE_NFT_CLUSTER_IPS] = { 30, NULL, "pkg/proxy/nftables/proxier.go, pull request 122692" },
	[CHANGE_NFT_SERVICE_CIDRS] = { 33, "MultiCIDRServiceAllocator",
				       "pkg/proxy/nftables/proxier.go OnServiceCIDRsChanged, KEP-1880" },
	/* Carried into later patch releases of 1.33 too. */
	[CHANGE_NFT_LATE_REFUSALS] = { 34, NULL, "pkg/proxy/nftables/proxier.go, pull request 132456" },
	/* Before: one chain for each endpoint, with the hairpin rule in it, whichever node it is on. */
	[CHANGE_NFT_SETS] = { 36, NULL, "pkg/proxy/nftables/proxier.go, pull requests 135800, 136499" },
	[CHANGE_NFT_SINGLE] = { 37, NULL, "pkg/proxy/nftables/proxier.go, pull request 140723" },
	[CHANGE_IPVS_FILTER] = { 26, NULL, "pkg/proxy/ipvs/proxier.go, pull request 108460" },
	[CHANGE_IPVS_NODE_RANGES] = { 29, NULL, "pkg/proxy/ipvs/proxier.go, pull request 119791" },
};

int expect_gate(const struct expect_node *node, const char *name)
{
	const struct kube_proxy_config *c = node->config;
	size_t len = strlen(name);
	int value = -1;
	for (size_t i = 0; i < c->nfeature_gates; i++) {
		const char *g = c->feature_gates[i];
		if (strncmp(g, name, len) == 0 && g[len] == '=') {
			value = strcasecmp(g + len + 1, "true") == 0 || strcmp(g + len + 1, "1") == 0;
		}
	}
	return value;
}

bool expect_after(const struct expect_node *node, enum expect_change c)
{
	const struct change *row = &changes[c];
	if (row->gate) {
		int set = expect_gate(node, row->gate);
		if (set >= 0) {
			return set;
		}
	}
	return node->minor < 0 || node->minor >= row->since;
}

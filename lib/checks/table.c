/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which function makes which check. What a check needs stands in the catalogue; one that lacks it is skipped and said
 * so once. A function may yield findings of more than one id: the row has the id that stands for it.
 */
#include "checks-private.h"

static const struct {
	const char *id;
	void (*of_service)(struct run *r, struct svc *v);
	void (*of_all)(struct run *r);
} checks[] = {
	{ "selector-mismatch", check_selector, NULL },
	{ "named-target-port-missing", check_named_port, NULL },
	{ "target-port-wrong-number", check_number_port, NULL },
	{ "selector-too-broad", check_too_broad, NULL },
	{ "multi-port-needs-name", check_port_names, NULL },
	{ "headless-misuse", check_headless, NULL },
	{ "externalname-ip", check_external_name, NULL },
	{ "externalname-host-header-tls", check_external_http, NULL },
	{ "port-targetport-nodeport-confusion", check_external_ports, check_asked_ports },
	{ "apply-loses-port-same-number", check_applied_ports, NULL },
	{ "service-proxy-name-label", check_proxy_name, NULL },
	{ "service-links-env-clash", check_env_clash, NULL },
	{ "clusterip-outside-service-cidr", check_cluster_ip_range, NULL },
	{ "dual-stack-family-mismatch", check_family, NULL },
	{ "nodeport-out-of-range", check_service_events, NULL },
	{ "no-ready-endpoints", check_no_ready, NULL },
	{ "containers-not-ready", check_pods, NULL },
	{ "selectorless-no-endpoints", check_selectorless, NULL },
	{ "mirroring-invalid-or-capped", check_not_mirrored, NULL },
	{ "endpoints-vs-slice-mismatch", check_endpoints_object, NULL },
	{ "publish-not-ready", check_publish_not_ready, NULL },
	{ "selectorless-stale-endpoints", check_stale_manual, NULL },
	{ "orphan-mirrored-slice", check_orphan_mirror, NULL },
	{ "terminating-endpoints-only", check_terminating, NULL },
	{ "node-notready-endpoints-lag", check_dead_node, NULL },
	{ "endpoint-controller-not-syncing", check_not_syncing, NULL },
	{ "pod-excluded-no-ip-or-phase", check_pod_excluded, NULL },
	{ "pod-ip-reuse-wrong-backend", check_ip_reuse, NULL },
	{ "stale-headless-label-slice", check_headless_label, NULL },
	{ "slice-port-null-name-or-zero", check_slice_null_port, NULL },
	{ "endpoint-address-special-range", check_special_address, NULL },
	{ "kubernetes-endpoint-stale", check_api_servers, NULL },
	{ "sidecar-proxy-intercept", check_sidecar, NULL },
	{ "host-network-pod-service", check_host_network, NULL },
	{ "itp-local-no-local-endpoint", check_local_policy, NULL },
	{ "lb-pending-no-provider", check_load_balancer, NULL },
	{ "lb-requested-ip-not-given", check_lb_wishes, NULL },
	{ "externalip-equals-node-ip", check_node_address, NULL },
	{ "slice-service-name-label-wrong", NULL, check_slice_labels },
	{ "duplicate-vip-rules", NULL, check_duplicate_addresses },
	{ "service-cidr-overlap", NULL, check_range_overlap },
	{ "ingress-backend-missing", NULL, check_ingresses },
	{ "ingress-class-missing", NULL, check_ingress_classes },
	{ "gateway-route-backend-missing", NULL, check_gateway_routes },
	{ "statefulset-servicename-mismatch", NULL, check_statefulsets },
	{ "cni-portmap-conflict", NULL, check_host_ports },
	{ "node-not-ready", NULL, check_nodes },
	{ "cni-pod-not-ready", NULL, check_cni_pods },
	{ "kube-proxy-not-running", NULL, check_proxy_pods },
	{ "coredns-not-running", NULL, check_dns_pods },
	{ "coredns-loop", NULL, check_dns_loop },
	{ "corefile-error", NULL, check_corefile },
	{ "coredns-rbac", NULL, check_dns_api },
	{ "coredns-servfail-no-zone", NULL, check_corefile_zones },
	{ "coredns-upstream-timeout", NULL, check_dns_upstream },
	{ "coredns-max-concurrent", NULL, check_dns_concurrent },
	{ "wrong-cluster-domain", NULL, check_cluster_domain },
	{ "dns-truncation-tcp53", NULL, check_dns_tcp },
	{ "headless-no-dns-until-ready", check_headless_dns, NULL },
	{ "nodelocaldns-broken", NULL, check_node_local_dns },
	{ "wrong-cluster-dns-address", NULL, check_cluster_dns_address },
	{ "kubelet-probe-path-blocked", NULL, check_probe_path },
	{ "clustercidr-mismatch", NULL, check_cluster_cidr },
	{ "detect-local-noop", NULL, check_detect_local },
	{ "detect-local-nodecidr-wait", NULL, check_node_cidr_wait },
	{ "masquerade-all", NULL, check_masquerade_all },
	{ "kube-proxy-nodename-mismatch", NULL, check_proxy_node_name },
	{ "kube-proxy-unknown-mode", NULL, check_unknown_mode },
	{ "kube-proxy-mode-differs", NULL, check_proxy_mode },
	{ "kube-proxy-modes-mixed", NULL, check_modes_mixed },
	{ "kube-proxy-version-skew", NULL, check_proxy_version },
	{ "kube-proxy-versions-mixed", NULL, check_versions_mixed },
	{ "kube-proxy-config-lenient-decoding", NULL, check_proxy_config_map },
	{ "externalip-not-routed", NULL, check_external_route },
	{ "externalips-gate-off", check_external_gate, NULL },
	{ "kubernetes-service-vip-hijack", NULL, check_vip_hijack },
	{ "lb-ipmode-proxy", check_lb_ip_mode, NULL },
	{ "lb-source-ranges-drop", check_source_ranges, NULL },
	{ "lb-unavailable-nodes", check_lb_nodes, NULL },
	{ "lb-mixed-protocol", check_lb_port_errors, NULL },
	{ "hairpin-lb-client-ip", check_lb_hairpin, NULL },
	{ "nodeport-addresses-filter", NULL, check_node_port_addresses },
	{ "proxy-healthz-port-blocked", check_healthz_bind, NULL },
	{ "iptables-1.8.8-mark-mask-loss", NULL, check_mark_masks },
	{ "mark-bit-conflict", NULL, check_mark_bits },
	{ "kube-mark-drop-missing", NULL, check_mark_drop },
	{ "nftables-forward-drop-no-accept", NULL, check_nft_forward },
	{ "externally-edited-kube-chains", NULL, check_edited_chains },
	{ "vip-local-on-node-non-ipvs", NULL, check_local_vips },
	{ "ipvs-vip-hostport-exposure", NULL, check_ipvs_filter },
	{ "topology-hints-off-or-imbalanced", check_topology_hints, NULL },
	{ "traffic-distribution-hotspot", check_traffic_distribution, NULL },
	{ "session-affinity-sticky", check_affinity, NULL },
	{ "webhook-apiservice-unreachable", NULL, check_callers },
	{ "nodeport-process-conflict", NULL, check_port_processes },
	{ "service-hc-nodeport-bind-failure", check_health_listener, NULL },
	{ "networkpolicy-blocks-service", check_network_policy, check_policy_addresses },
	{ "networkpolicy-blocks-dns", NULL, check_dns_policy },
	{ "snat-breaks-networkpolicy", check_policy_sources, NULL },
	{ "tcp-tw-recycle", NULL, check_tw_recycle },
	{ "arp-cache-overflow", NULL, check_neighbours },
	{ "xt-recent-limit", NULL, check_recent },
	{ "ipv6-disabled-or-ra", NULL, check_six },
	{ "ipvs-modules-missing", NULL, check_ipvs_kernel },
	{ "ipvs-conn-reuse", NULL, check_ipvs_settings },
	{ "ipvs-strict-arp", NULL, check_ipvs_arp },
	{ "mtu-mismatch", NULL, check_mtu },
	{ "vxlan-checksum-offload", NULL, check_vxlan_checksum },
	{ "node-overlay-broken", NULL, check_overlay },
	{ "networkmanager-interferes", NULL, check_tunnel_address },
	/* last: what answers show may be told by a finding of objects, and makes that certain */
	{ "dns-endpoint-not-answering", NULL, check_dns_answers },
};

/* What each bit of needs stands for, and the file or right that gives it. */
static const struct {
	unsigned bit;
	enum k8s_kind kind;
	bool rare; /* many clusters have none of it: nobody misses what was not asked for */
} needed_kinds[] = {
	{ NEEDS_SERVICES, K8S_SERVICES, false },
	{ NEEDS_SLICES, K8S_SLICES, false },
	{ NEEDS_PODS, K8S_PODS, false },
	{ NEEDS_NODES, K8S_NODES, false },
	{ NEEDS_ENDPOINTS, K8S_ENDPOINTS, false },
	{ NEEDS_EVENTS, K8S_EVENTS, false },
	{ NEEDS_INGRESSES, K8S_INGRESSES, false },
	{ NEEDS_CONFIGMAPS, K8S_CONFIGMAPS, false },
	{ NEEDS_SERVICECIDRS, K8S_SERVICECIDRS, false },
	{ NEEDS_NETPOLS, K8S_NETPOLS, false },
	{ NEEDS_NAMESPACES, K8S_NAMESPACES, false },
	{ NEEDS_WORKLOADS, K8S_STATEFULSETS, false },
	{ NEEDS_ROUTES, K8S_HTTPROUTES, true },
	{ NEEDS_INGRESSCLASSES, K8S_INGRESSCLASSES, true },
};

static const char *why_not(enum known k)
{
	switch (k) {
	case FORBIDDEN:
		return "may not be read";
	case UNREADABLE:
		return "could not be read";
	case UNSUPPORTED:
		return "are in a form that is not supported";
	case LATE:
		return "came too late";
	case NOT_COLLECTED:
	case KNOWN:
	case PARTLY_KNOWN:
		break;
	}
	return "were not collected";
}

/* The right whose lack keeps the kind away, where it is known; else the kind itself. */
static const char *right_of(const struct run *r, enum k8s_kind k)
{
	for (size_t i = 0; i < r->s->missing.len; i++)
		if (r->s->missing.v[i].kind == (int)k && r->s->missing.v[i].right)
			return r->s->missing.v[i].right;
	return k8s_kind_plural(k);
}

static bool can_run(struct run *r, const struct check *c)
{
	for (size_t i = 0; i < ARRAY_LEN(needed_kinds); i++) {
		const enum k8s_kind kind = needed_kinds[i].kind;
		struct skipped_check s = { .check = c->id };

		if (!(c->needs & needed_kinds[i].bit) || run_has(r, kind) ||
		    (needed_kinds[i].rare && r->s->kinds[kind] == NOT_COLLECTED))
			continue;
		s.code = known_code(r->s->kinds[kind]);
		s.reason = run_printf(r, "%s %s", k8s_kind_plural(kind), why_not(r->s->kinds[kind]));
		s.needs = right_of(r, kind);
		run_push(r, &r->d->skipped, s);
		return false;
	}
	return true;
}

void run_checks(struct run *r)
{
	for (size_t i = 0; i < ARRAY_LEN(checks) && !r->err; i++) {
		const struct check *c = check_find(checks[i].id);

		if (!c) {
			r->err = -EINVAL;
			return;
		}
		if (!r->o->axes[c->axis] && r->o->axes_given)
			continue;
		if (!can_run(r, c))
			continue;
		if (checks[i].of_all)
			checks[i].of_all(r);
		for (size_t j = 0; checks[i].of_service && j < r->nsvcs && !r->err; j++)
			checks[i].of_service(r, &r->svcs[j]);
	}
}

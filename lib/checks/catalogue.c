/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The catalogue: one table, from which `explain`, the man page, the ids in JSON and the diagnosis come. Its rows
 * stand in the three catalogue-*-private.h files in the order of their ids, and nowhere else.
 */
#include "checks-private.h"

#define EXPLAINS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Everything that rules can show of a Service on a node. */
#define RULE_FAULTS \
	"rules-missing-for-service", "rules-endpoints-diff", "rules-stale-endpoint", "rules-stale-frontend", \
		"rules-not-refused", "rules-wrong-refusal", "rules-wrong-affinity", "rules-needless-masquerade", "masquerade-missing", \
		"hairpin-masquerade-missing", "rules-wrong-statistic-probability", "reply-lost", \
		"node-differs-from-peers", "dns-vip-not-answering"
/* Everything that differences on a node can be, once kube-proxy's rules are not there as a whole. */
#define NODE_RULE_FAULTS \
	RULE_FAULTS, "kube-chain-not-jumped", "foreign-rule-shadows", "foreign-rule-drops", "firewalld-reject", "forward-policy-drop", \
		"hc-nodeport-blocked", "nodeport-firewall-sg", "accept-before-reject", "calico-accept-before-reject", "kube-proxy-healthz-stale"
/* What follows where kube-proxy does not write rules any more, and where it does not even run. */
#define STALE_FLOWS "stale-udp-conntrack-deleted-endpoint", "stale-udp-conntrack-no-dnat", "stale-udp-conntrack-no-endpoints"
#define PROXY_SYMPTOMS RULE_FAULTS, STALE_FLOWS, "kube-proxy-wrote-nothing", "rules-torn", "kube-proxy-healthz-stale", "kube-proxy-not-syncing"
#define PROXY_ENDS PROXY_SYMPTOMS, "kube-proxy-not-running", "kube-proxy-crashloop", "kube-proxy-port-silent"
/* What fails for want of endpoints. */
#define WITHOUT_ENDPOINTS "webhook-apiservice-unreachable", "ingress-backend-no-endpoints", "gateway-route-backend-no-endpoints", "coredns-not-running", \
	"stale-udp-conntrack-no-endpoints"
/* What follows where a place asks the wrong servers, or for the wrong names, or is not answered. */
#define CLIENT_FAULTS "dns-name-not-resolved", "musl-resolver"
/* What answers of the cluster's DNS show when it does not know what it should. */
#define DNS_WRONG_ANSWERS "dns-servfail", "dns-wrong-record", "dns-stale-record", "coredns-pod-disagree", "dns-negative-cache", CLIENT_FAULTS
/* And when its pods do not run, or ask themselves. */
#define DNS_DOWN "coredns-not-running", "dns-endpoint-not-answering", "dns-vip-not-answering", "dns-slow-answers", DNS_WRONG_ANSWERS
/* Everything that keeps one pod from being ready. */
#define POD_FAULTS \
	"pod-crashlooping", "pod-image-pull-failing", "pod-container-config-error", "pod-init-failing", \
		"pod-pending", "pod-unschedulable", "containers-not-ready", "readiness-probe-failing", "readiness-gate-false", "pod-excluded-no-ip-or-phase"

const struct check check_catalogue[] = {
#include "catalogue-a-h-private.h"
#include "catalogue-i-p-private.h"
#include "catalogue-r-w-private.h"
	{ .id = NULL },
};

const struct check *check_find(const char *id)
{
	size_t lo = 0, hi = ARRAY_LEN(check_catalogue) - 1;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(check_catalogue[mid].id, id);

		if (c == 0)
			return &check_catalogue[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

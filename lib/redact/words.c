/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words that may be read by anybody: those of Kubernetes' own messages, states and kinds, of protocols, and the names of components
 * that everybody runs. Whatever is not here is replaced.
 */

#include "redact-private.h"

/* In lower case, sorted. */
static const char *const vocabulary[] = {
#include "vocabulary-private.h"
};

static const char *const protocol_words[] = {
	"dns", "grpc", "health", "healthz", "http", "https", "icmp", "metrics", "sctp", "tcp", "tls", "udp",
};

static int compare(const char *word, size_t len, const char *entry)
{
	int c = strncasecmp(word, entry, len);

	return c ? c : entry[len] ? -1 : 0;
}

static bool is_in(const char *const *v, size_t n, const char *word, size_t len)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = compare(word, len, v[mid]);

		if (c == 0)
			return true;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return false;
}

bool redact_is_vocabulary(const char *word, size_t len)
{
	return len > 0 && is_in(vocabulary, ARRAY_LEN(vocabulary), word, len);
}

bool redact_is_protocol_word(const char *word, size_t len)
{
	return len > 0 && is_in(protocol_words, ARRAY_LEN(protocol_words), word, len);
}

/* Names that stay as a whole. */
static const char *const kept_names[] = {
	"default", "kube-node-lease", "kube-public", "kube-root-ca.crt", "kube-system", "kubernetes", "linux", "amd64", "arm64", "windows", "true", "false",
};
/* Names that stay, also where more follows behind a dash, which is replaced. */
static const char *const kept_heads[] = {
	"antrea-agent", "antrea-config", "antrea-controller", "aws-node", "calico-kube-controllers", "calico-node", "calico-typha", "cilium-agent",
	"cilium-config", "cilium-envoy", "cilium-operator", "cilium", "coredns", "etcd", "extension-apiserver-authentication", "ingress-nginx-controller",
	"istio-proxy", "kindnet", "kube-apiserver", "kube-controller-manager", "kube-dns", "kube-flannel-ds", "kube-flannel", "kube-multus", "kube-proxy",
	"kube-router", "kube-scheduler", "kubelet", "linkerd-proxy", "metrics-server", "node-local-dns", "nodelocaldns", "ovnkube-node", "weave-net",
	"aws-load-balancer-controller", "cloud-controller-manager", "keepalived", "kube-vip", "metallb", "openelb", "purelb", "speaker", "svclb",
	"anetd", "azure-cni", "azure-cns", "canal", "flannel", "kube-multus-ds", "kube-ovn-cni", "multus", "rke2-canal",
	"endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io", "endpoint-controller", "kube-controller-manager",
};

size_t redact_kept_head(const char *s, size_t len)
{
	size_t best = 0;

	for (size_t i = 0; i < ARRAY_LEN(kept_names); i++) {
		if (strlen(kept_names[i]) == len && memcmp(kept_names[i], s, len) == 0)
			return len;
	}
	for (size_t i = 0; i < ARRAY_LEN(kept_heads); i++) {
		size_t n = strlen(kept_heads[i]);

		if (n <= len && n > best && memcmp(kept_heads[i], s, n) == 0 && (n == len || s[n] == '-'))
			best = n;
	}
	return best;
}

size_t redact_kept_tail(const char *s, size_t len)
{
	static const char *const tails[] = { ".svc.cluster.local.", ".svc.cluster.local", ".cluster.local", ".svc", ".k8s.io", ".kubernetes.io" };

	if (len == 13 && memcmp(s, "cluster.local", 13) == 0)
		return len;
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		size_t n = strlen(tails[i]);

		if (n < len && memcmp(s + len - n, tails[i], n) == 0)
			return n;
	}
	return 0;
}

/* https://kubernetes.io/docs/reference/labels-annotations-taints/: the others of these domains are somebody's own, and may hold anything. */
bool redact_is_kept_label(const char *key)
{
	static const char *const domains[] = {
		"kubernetes.io", "app.kubernetes.io", "apps.kubernetes.io", "batch.kubernetes.io", "beta.kubernetes.io", "endpointslice.kubernetes.io",
		"endpoints.kubernetes.io", "failure-domain.beta.kubernetes.io", "node.kubernetes.io", "service.kubernetes.io", "service.beta.kubernetes.io",
		"statefulset.kubernetes.io", "topology.kubernetes.io", "addonmanager.kubernetes.io", "ingressclass.kubernetes.io",
		"node.cloudprovider.kubernetes.io", "k8s.io", "node-role.k8s.io", "gateway.networking.k8s.io", "apiserver.kubernetes.io",
		"storage.k8s.io", "networking.k8s.io", NULL
	};
	static const char *const names[] = {
		"arch", "cluster-service", "component", "controller-uid", "created-by", "disk-pressure", "exclude-from-external-load-balancers", "headless",
		"hostname", "identity", "instance", "instance-type", "is-default-class", "job-completion-index", "job-name", "load-balancer-cleanup",
		"managed-by", "memory-pressure", "metadata.name", "mode", "name", "network-unavailable", "not-ready", "os", "out-of-service",
		"part-of", "pid-pressure", "pod-index", "pod-name", "region", "service-name", "service-proxy-name", "shutdown", "skip-mirror", "topology-mode",
		"uninitialized", "unreachable", "unschedulable", "version", "windows-build", "zone", "bootstrapping", "is-parent", NULL
	};
	static const char *const plain[] = { "app", "component", "controller-revision-hash", "job-name", "k8s-app", "name", "pod-template-generation",
					     "pod-template-hash", "ToBeDeletedByClusterAutoscaler", NULL };
	static const char *const roles[] = { "control-plane", "master", "controlplane", "etcd", "worker", "node", "", NULL };
	const char *slash = strchr(key, '/');

	if (!slash)
		return str_one_of(key, strlen(key), plain);
	if (str_starts(key, "node-role.kubernetes.io/"))
		return str_one_of(slash + 1, strlen(slash + 1), roles);
	return str_one_of(key, (size_t)(slash - key), domains) && str_one_of(slash + 1, strlen(slash + 1), names);
}

/* Those that checks read. */
bool redact_is_kept_annotation(const char *key)
{
	static const char *const keys[] = {
		"endpoints.kubernetes.io/over-capacity", "service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints",
		"service.beta.kubernetes.io/aws-load-balancer-type", "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type",
		"nginx.ingress.kubernetes.io/service-upstream", "kubernetes.io/ingress.class",
		"kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint", "service.beta.kubernetes.io/aws-load-balancer-proxy-protocol",
		"service.beta.kubernetes.io/do-loadbalancer-enable-proxy-protocol", "load-balancer.hetzner.cloud/uses-proxyprotocol",
		"flannel.alpha.coreos.com/backend-type", NULL
	};

	return str_one_of(key, strlen(key), keys);
}

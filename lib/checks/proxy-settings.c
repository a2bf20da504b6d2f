/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kube-proxy is set to, setting by setting, and whether that is what it does where nobody sets it:
 * pkg/proxy/apis/config/v1alpha1/defaults.go of kube-proxy 1.36. ConfigMaps leave much out, or set it to null, "" and 0s, which is the same.
 */
#include "proxy-settings-private.h"

const char *proxy_key_name(enum proxy_key k)
{
	static const char *const names[PROXY_KEYS] = {
		[KEY_MODE] = "mode", [KEY_CLUSTER_CIDR] = "clusterCIDR", [KEY_DETECT_LOCAL] = "detectLocalMode", [KEY_MASQUERADE_ALL] = "masqueradeAll",
		[KEY_MASQUERADE_BIT] = "masqueradeBit", [KEY_NODE_PORTS] = "nodePortAddresses", [KEY_LOCALHOST_NODE_PORTS] = "localhostNodePorts",
		[KEY_SYNC_PERIOD] = "syncPeriod", [KEY_MIN_SYNC_PERIOD] = "minSyncPeriod", [KEY_SCHEDULER] = "scheduler", [KEY_STRICT_ARP] = "strictARP",
		[KEY_TCP_TIMEOUT] = "tcpTimeout", [KEY_CONNTRACK_PER_CORE] = "conntrack.maxPerCore", [KEY_CONNTRACK_MIN] = "conntrack.min",
		[KEY_BE_LIBERAL] = "conntrack.tcpBeLiberal", [KEY_HOSTNAME] = "hostnameOverride", [KEY_BIND] = "bindAddress",
		[KEY_HEALTHZ] = "healthzBindAddress", [KEY_METRICS] = "metricsBindAddress", [KEY_GATES] = "featureGates", [KEY_KUBECONFIG] = "kubeconfig",
	};

	return (unsigned)k < PROXY_KEYS ? names[k] : "";
}

/* ---- the forms of values ---- */

static struct proxy_setting text_setting(const char *value, const char *standard)
{
	if (!value || !*value)
		return (struct proxy_setting){ standard, true };
	return (struct proxy_setting){ value, strcmp(value, standard) == 0 };
}

static struct proxy_setting truth_setting(int value, bool standard)
{
	const bool v = value < 0 ? standard : value;

	return (struct proxy_setting){ v ? "true" : "false", v == standard };
}

static struct proxy_setting number_setting(struct run *r, int64_t value, int64_t standard)
{
	return (struct proxy_setting){ run_printf(r, "%lld", (long long)(value < 0 ? standard : value)), value < 0 || value == standard };
}

static struct proxy_setting period_setting(const char *value, const char *standard)
{
	int64_t ms = 0, usual = 0;

	(void)parse_duration(standard, &usual);
	if (!value || (parse_duration(value, &ms) == 0 && ms == 0))
		return (struct proxy_setting){ standard, true };
	return (struct proxy_setting){ value, ms == usual };
}

static struct proxy_setting list_setting(struct run *r, const char *const *v, size_t n)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < n; i++)
		strbuf_addf(&b, "%s%.100s", i ? "," : "", v[i]);
	return (struct proxy_setting){ n ? run_printf(r, "%s", strbuf_str(&b)) : "", n == 0 };
}

static struct proxy_setting cidr_setting(struct run *r, const struct kube_proxy_config *c)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < c->ncluster_cidrs; i++) {
		char buf[IP_PREFIX_STRLEN];

		strbuf_addf(&b, "%s%s", i ? "," : "", ip_prefix_format(&c->cluster_cidrs[i], buf));
	}
	return (struct proxy_setting){ c->ncluster_cidrs ? run_printf(r, "%s", strbuf_str(&b)) : "", c->ncluster_cidrs == 0 };
}

static struct proxy_setting local_setting(struct run *r, const struct kube_proxy_config *c)
{
	const char *mode = c->detect_local_mode ? c->detect_local_mode : "";
	const char *link = strcmp(mode, "BridgeInterface") == 0 ? c->bridge_interface : strcmp(mode, "InterfaceNamePrefix") == 0 ? c->interface_prefix : NULL;

	if (link && *link)
		return (struct proxy_setting){ run_printf(r, "%s %.100s", mode, link), false };
	return text_setting(mode, "ClusterCIDR");
}

static struct proxy_setting bind_setting(const char *value, const char *standard, const char *standard6)
{
	if (value && strcmp(value, standard6) == 0)
		return (struct proxy_setting){ value, true };
	return text_setting(value, standard);
}

void proxy_settings(struct run *r, const struct proxy_view *v, struct proxy_setting ret[static PROXY_KEYS])
{
	const struct kube_proxy_config *c = v->config;
	const char *mode = v->mode ? v->mode : v->asked ? v->asked : "";
	const bool ipvs = strcmp(mode, "ipvs") == 0;

	if (!c->known)
		return;
	ret[KEY_MODE] = text_setting(c->mode, "iptables");
	ret[KEY_CLUSTER_CIDR] = cidr_setting(r, c);
	ret[KEY_DETECT_LOCAL] = local_setting(r, c);
	ret[KEY_MASQUERADE_ALL] = truth_setting(c->masquerade_all, false);
	ret[KEY_MASQUERADE_BIT] = number_setting(r, c->masquerade_bit, 14);
	ret[KEY_NODE_PORTS] = list_setting(r, c->node_port_addresses, c->nnode_port_addresses);
	if (strcmp(mode, "iptables") == 0)
		ret[KEY_LOCALHOST_NODE_PORTS] = truth_setting(c->localhost_node_ports, true);
	ret[KEY_SYNC_PERIOD] = period_setting(c->sync_period, "30s");
	ret[KEY_MIN_SYNC_PERIOD] = period_setting(c->min_sync_period, "1s");
	if (ipvs) {
		ret[KEY_SCHEDULER] = text_setting(c->ipvs_scheduler, "rr");
		ret[KEY_STRICT_ARP] = truth_setting(c->strict_arp, false);
		ret[KEY_TCP_TIMEOUT] = period_setting(c->ipvs_tcp_timeout, "0s");
	}
	ret[KEY_CONNTRACK_PER_CORE] = number_setting(r, c->conntrack_max_per_core, 32768);
	ret[KEY_CONNTRACK_MIN] = number_setting(r, c->conntrack_min, 131072);
	ret[KEY_BE_LIBERAL] = truth_setting(c->conntrack_be_liberal, false);
	ret[KEY_HOSTNAME] = text_setting(c->hostname_override, v->node);
	ret[KEY_BIND] = bind_setting(c->bind_address, "0.0.0.0", "::");
	ret[KEY_HEALTHZ] = bind_setting(c->healthz_bind_address, "0.0.0.0:10256", "[::]:10256");
	ret[KEY_METRICS] = bind_setting(c->metrics_bind_address, "127.0.0.1:10249", "[::1]:10249");
	ret[KEY_GATES] = list_setting(r, c->feature_gates, c->nfeature_gates);
	if (c->kubeconfig)
		ret[KEY_KUBECONFIG] = (struct proxy_setting){ c->kubeconfig, true };
}

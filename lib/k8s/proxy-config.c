/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1), as configz prints it and as kubeadm's ConfigMap
 * holds it: staging/src/k8s.io/kube-proxy/config/v1alpha1/types.go. A member of a wrong type makes the whole
 * unusable, but for those that only the command proxy shows: they are not known then. Since 1.12 members were added
 * and few were taken away, so that one reader does for all; what a version does not have is absent.
 */

#include <errno.h>
#include <jansson.h>

#include <svcdoctor/k8s.h>

/* Two are legal (dual stack); the rest is room for odd input. */
#define CIDRS_MAX 16

struct config_reader {
	struct arena *arena;
	int err;
};

static json_t *member(struct config_reader *r, const json_t *o, const char *key, json_type type)
{
	json_t *v = json_object_get(o, key);

	if (!v || json_is_null(v))
		return NULL;
	if (json_typeof(v) != type && r->err == 0)
		r->err = SD_EPARSE;
	return json_typeof(v) == type ? v : NULL;
}

static const char *copy(struct config_reader *r, const char *s)
{
	char *c = s ? arena_strdup(r->arena, s) : NULL;

	if (s && !c)
		r->err = -ENOMEM;
	return c;
}

static const char *text(struct config_reader *r, const json_t *o, const char *key)
{
	return copy(r, json_string_value(member(r, o, key, JSON_STRING)));
}

/* -1 where absent. */
static int truth(struct config_reader *r, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (v && !json_is_null(v) && !json_is_boolean(v) && r->err == 0)
		r->err = SD_EPARSE;
	return json_tri(o, key);
}

static int bit(struct config_reader *r, const json_t *o, const char *key)
{
	const json_t *v = member(r, o, key, JSON_INTEGER);

	if (!v)
		return -1;
	if ((json_integer_value(v) < 0 || json_integer_value(v) > 31) && r->err == 0)
		r->err = SD_EPARSE;
	return r->err ? -1 : (int)json_integer_value(v);
}

/* clusterCIDR: "10.244.0.0/16,fd00::/48". */
static void read_cidrs(struct config_reader *r, const json_t *o, struct kube_proxy_config *c)
{
	const char *s = json_string_value(member(r, o, "clusterCIDR", JSON_STRING));
	struct ip_prefix *v = arena_array(r->arena, struct ip_prefix, CIDRS_MAX);

	if (!v)
		r->err = -ENOMEM;
	while (s && v && *s) {
		const char *from = s + strspn(s, " "), *end = from + strcspn(from, ",");
		size_t len = (size_t)(end - from);

		while (len > 0 && from[len - 1] == ' ')
			len--;
		if (len > 0 && (c->ncluster_cidrs == CIDRS_MAX ||
				ip_prefix_parsen(from, len, &v[c->ncluster_cidrs++]) < 0)) {
			c->ncluster_cidrs = 0;
			r->err = SD_EPARSE;
			return;
		}
		s = *end ? end + 1 : end;
	}
	c->cluster_cidrs = v;
}

static void read_strings(struct config_reader *r, const json_t *o, const char *key, const char *const **ret,
			 size_t *ret_len)
{
	const json_t *a = member(r, o, key, JSON_ARRAY);
	size_t len = json_array_size(a);
	const char **v = arena_array(r->arena, const char *, len + 1);

	for (size_t i = 0; v && i < len; i++) {
		const char *s = json_string_value(json_array_get(a, i));

		if (!s && r->err == 0)
			r->err = SD_EPARSE;
		v[i] = copy(r, s ? s : "");
	}
	if (!v)
		r->err = -ENOMEM;
	*ret = v;
	*ret_len = v ? len : 0;
}

static void read_gates(struct config_reader *r, const json_t *o, struct kube_proxy_config *c)
{
	json_t *gates = member(r, o, "featureGates", JSON_OBJECT), *value;
	const char **v = arena_array(r->arena, const char *, json_object_size(gates) + 1);
	const char *name;
	size_t len = 0;

	if (!v)
		r->err = -ENOMEM;
	json_object_foreach(gates, name, value) {
		if (!v)
			return;
		v[len] = arena_printf(r->arena, "%s=%s", name, json_is_true(value) ? "true" : "false");
		if (!v[len++])
			r->err = -ENOMEM;
	}
	c->feature_gates = v;
	c->nfeature_gates = len;
}

/* Masquerading is set in a section of its own for nftables; ipvs uses that of iptables. */
static void read_masquerade(struct config_reader *r, const json_t *o, struct kube_proxy_config *c)
{
	const json_t *iptables = member(r, o, "iptables", JSON_OBJECT),
		     *nftables = member(r, o, "nftables", JSON_OBJECT);
	const json_t *section = c->mode && strcmp(c->mode, "nftables") == 0 ? nftables : iptables;

	c->masquerade_all = truth(r, section, "masqueradeAll");
	c->masquerade_bit = bit(r, section, "masqueradeBit");
	c->localhost_node_ports = truth(r, iptables, "localhostNodePorts");
}

/* Of a wrong type it is as if it were absent. */
static const char *word(struct config_reader *r, const json_t *o, const char *key)
{
	return copy(r, json_string_value(json_object_get(o, key)));
}

/* -1 where absent, or not one that could be meant. */
static int64_t number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? json_integer_value(v) : -1;
}

/*
 * The periods of the mode that is configured. Each mode has a section of its own; an empty mode is iptables
 * (cmd/kube-proxy/app/server_linux.go platformApplyDefaults).
 */
static void read_periods(struct config_reader *r, const json_t *o, struct kube_proxy_config *c)
{
	const char *mode = strcmp(c->mode, "ipvs") == 0 || strcmp(c->mode, "nftables") == 0 ? c->mode : "iptables";
	const json_t *section = json_object_get(o, mode), *ipvs = json_object_get(o, "ipvs");

	c->sync_period = word(r, section, "syncPeriod");
	c->min_sync_period = word(r, section, "minSyncPeriod");
	c->config_sync_period = word(r, o, "configSyncPeriod");
	c->ipvs_tcp_timeout = word(r, ipvs, "tcpTimeout");
	c->strict_arp = json_tri(ipvs, "strictARP");
}

static void read_conntrack(const json_t *o, struct kube_proxy_config *c)
{
	const json_t *conntrack = json_object_get(o, "conntrack");

	c->conntrack_max_per_core = number(conntrack, "maxPerCore");
	c->conntrack_min = number(conntrack, "min");
	c->conntrack_be_liberal = json_tri(conntrack, "tcpBeLiberal");
}

/* The configuration itself; NULL when @object is something else. */
static const json_t *unwrap(const json_t *object)
{
	static const char *const own_keys[] = { "mode", "clusterCIDR", "detectLocalMode", "iptables",
						"bindAddress" };
	const json_t *inner = json_obj(object, "kubeproxy.config.k8s.io");
	const char *kind;

	if (inner)
		object = inner;
	kind = json_str(object, "kind");
	if (kind)
		return strcmp(kind, "KubeProxyConfiguration") == 0 ? object : NULL;
	for (size_t i = 0; i < ARRAY_LEN(own_keys); i++) {
		if (json_object_get(object, own_keys[i]))
			return object;
	}
	return NULL;
}

int kube_proxy_config_decode(struct arena *arena, const struct json_t *object, struct kube_proxy_config *ret)
{
	struct config_reader r = { .arena = arena };
	struct kube_proxy_config c = { .known = true };
	const json_t *o = unwrap(object), *local;

	if (!o)
		return SD_EPARSE;
	c.mode = text(&r, o, "mode");
	if (!c.mode)
		c.mode = "";
	c.hostname_override = text(&r, o, "hostnameOverride");
	c.bind_address = text(&r, o, "bindAddress");
	c.healthz_bind_address = text(&r, o, "healthzBindAddress");
	c.metrics_bind_address = word(&r, o, "metricsBindAddress");
	c.kubeconfig = word(&r, json_object_get(o, "clientConnection"), "kubeconfig");
	c.detect_local_mode = text(&r, o, "detectLocalMode");
	if (!c.detect_local_mode)
		c.detect_local_mode = "";
	local = member(&r, o, "detectLocal", JSON_OBJECT);
	c.bridge_interface = text(&r, local, "bridgeInterface");
	c.interface_prefix = text(&r, local, "interfaceNamePrefix");
	c.ipvs_scheduler = text(&r, member(&r, o, "ipvs", JSON_OBJECT), "scheduler");
	read_masquerade(&r, o, &c);
	read_periods(&r, o, &c);
	read_conntrack(o, &c);
	read_cidrs(&r, o, &c);
	read_strings(&r, o, "nodePortAddresses", &c.node_port_addresses, &c.nnode_port_addresses);
	read_gates(&r, o, &c);
	if (r.err == 0)
		*ret = c;
	return r.err;
}

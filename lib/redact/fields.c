/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which fields go through, and as what. Whoever adds a field that the decoders of lib/k8s read adds it here, or redacted bundles lack
 * it: a field that is not listed is dropped.
 */

#include <ctype.h>

#include "redact-private.h"

struct row {
	const char *key;
	enum redact_field field;
};

/* Sorted by ASCII. */
static const struct row rows[] = {
	{ "address", FIELD_AN_ADDRESS },
	{ "addressType", FIELD_AS_IS },
	{ "addresses", FIELD_AN_ADDRESS },
	{ "allocateLoadBalancerNodePorts", FIELD_AS_IS },
	{ "allowedRoutes", FIELD_DEEP },
	{ "annotations", FIELD_ANNOTATIONS },
	{ "apiVersion", FIELD_API },
	{ "appProtocol", FIELD_KEY },
	{ "architecture", FIELD_AS_IS },
	{ "backend", FIELD_DEEP },
	{ "backendRef", FIELD_DEEP },
	{ "backendRefs", FIELD_DEEP },
	{ "cidr", FIELD_AN_ADDRESS },
	{ "cidrs", FIELD_AN_ADDRESS },
	{ "clientConfig", FIELD_DEEP },
	{ "clientIP", FIELD_DEEP },
	{ "clusterIP", FIELD_AN_ADDRESS },
	{ "clusterIPs", FIELD_AN_ADDRESS },
	{ "code", FIELD_AS_IS },
	{ "conditionType", FIELD_KEY },
	{ "conditions", FIELD_DEEP },
	{ "containerPort", FIELD_AS_IS },
	{ "containerRuntimeVersion", FIELD_VERSION },
	{ "containerStatuses", FIELD_DEEP },
	{ "containers", FIELD_DEEP },
	{ "controller", FIELD_KEY },
	{ "controllerName", FIELD_KEY },
	{ "count", FIELD_AS_IS },
	{ "creationTimestamp", FIELD_TIME },
	{ "data", FIELD_DATA },
	{ "defaultBackend", FIELD_DEEP },
	{ "deletionTimestamp", FIELD_TIME },
	{ "deprecatedCount", FIELD_AS_IS },
	{ "deprecatedFirstTimestamp", FIELD_TIME },
	{ "deprecatedLastTimestamp", FIELD_TIME },
	{ "desiredNumberScheduled", FIELD_AS_IS },
	{ "dnsConfig", FIELD_DEEP },
	{ "dnsPolicy", FIELD_AS_IS },
	{ "effect", FIELD_AS_IS },
	{ "egress", FIELD_DEEP },
	{ "enableServiceLinks", FIELD_AS_IS },
	{ "endPort", FIELD_AS_IS },
	{ "endpoints", FIELD_DEEP },
	{ "error", FIELD_TEXT },
	{ "eventTime", FIELD_TIME },
	{ "except", FIELD_AN_ADDRESS },
	{ "exec", FIELD_EMPTY },
	{ "exitCode", FIELD_AS_IS },
	{ "externalIPs", FIELD_AN_ADDRESS },
	{ "externalName", FIELD_NAME },
	{ "externalTrafficPolicy", FIELD_AS_IS },
	{ "failurePolicy", FIELD_AS_IS },
	{ "failureThreshold", FIELD_AS_IS },
	{ "finalizers", FIELD_KEY },
	{ "finishedAt", FIELD_TIME },
	{ "firstTimestamp", FIELD_TIME },
	{ "forNodes", FIELD_DEEP },
	{ "forZones", FIELD_DEEP },
	{ "from", FIELD_DEEP },
	{ "gatewayClassName", FIELD_NAME },
	{ "generateName", FIELD_NAME },
	{ "gitVersion", FIELD_VERSION },
	{ "group", FIELD_API },
	{ "grpc", FIELD_DEEP },
	{ "headers", FIELD_DROP },
	{ "healthCheckNodePort", FIELD_AS_IS },
	{ "hints", FIELD_DEEP },
	{ "host", FIELD_NAME },
	{ "hostIP", FIELD_AN_ADDRESS },
	{ "hostIPs", FIELD_DEEP },
	{ "hostNetwork", FIELD_AS_IS },
	{ "hostPort", FIELD_AS_IS },
	{ "hostname", FIELD_NAME },
	{ "hostnames", FIELD_NAME },
	{ "http", FIELD_DEEP },
	{ "httpGet", FIELD_DEEP },
	{ "image", FIELD_IMAGE },
	{ "ingress", FIELD_DEEP },
	{ "ingressClassName", FIELD_NAME },
	{ "initContainerStatuses", FIELD_DEEP },
	{ "initContainers", FIELD_DEEP },
	{ "initialDelaySeconds", FIELD_AS_IS },
	{ "internalTrafficPolicy", FIELD_AS_IS },
	{ "involvedObject", FIELD_DEEP },
	{ "ip", FIELD_AN_ADDRESS },
	{ "ipBlock", FIELD_DEEP },
	{ "ipFamilies", FIELD_AS_IS },
	{ "ipFamilyPolicy", FIELD_AS_IS },
	{ "ipMode", FIELD_AS_IS },
	{ "kernelVersion", FIELD_VERSION },
	{ "key", FIELD_KEY },
	{ "kind", FIELD_AS_IS },
	{ "kinds", FIELD_DEEP },
	{ "kubeProxyVersion", FIELD_VERSION },
	{ "kubeletVersion", FIELD_VERSION },
	{ "labels", FIELD_LABELS },
	{ "lastObservedTime", FIELD_TIME },
	{ "lastState", FIELD_DEEP },
	{ "lastTimestamp", FIELD_TIME },
	{ "lastTransitionTime", FIELD_TIME },
	{ "listeners", FIELD_DEEP },
	{ "livenessProbe", FIELD_DEEP },
	{ "loadBalancer", FIELD_DEEP },
	{ "loadBalancerClass", FIELD_KEY },
	{ "loadBalancerIP", FIELD_AN_ADDRESS },
	{ "loadBalancerSourceRanges", FIELD_AN_ADDRESS },
	{ "managedFields", FIELD_DEEP },
	{ "manager", FIELD_TEXT },
	{ "matchExpressions", FIELD_DEEP },
	{ "matchLabels", FIELD_LABELS },
	{ "matches", FIELD_DEEP },
	{ "message", FIELD_TEXT },
	{ "metadata", FIELD_DEEP },
	{ "method", FIELD_DEEP },
	{ "name", FIELD_NAME },
	{ "nameservers", FIELD_AN_ADDRESS },
	{ "namespace", FIELD_NAME },
	{ "namespaceSelector", FIELD_DEEP },
	{ "namespaces", FIELD_DEEP },
	{ "nodeInfo", FIELD_DEEP },
	{ "nodeName", FIELD_NAME },
	{ "nodePort", FIELD_AS_IS },
	{ "notReadyAddresses", FIELD_DEEP },
	{ "note", FIELD_TEXT },
	{ "number", FIELD_AS_IS },
	{ "numberReady", FIELD_AS_IS },
	{ "operatingSystem", FIELD_AS_IS },
	{ "operation", FIELD_AS_IS },
	{ "operator", FIELD_AS_IS },
	{ "osImage", FIELD_VERSION },
	{ "ownerReferences", FIELD_DEEP },
	{ "parallelism", FIELD_AS_IS },
	{ "parentRef", FIELD_DEEP },
	{ "parentRefs", FIELD_DEEP },
	{ "parents", FIELD_DEEP },
	{ "path", FIELD_VALUE },
	{ "pathType", FIELD_AS_IS },
	{ "paths", FIELD_DEEP },
	{ "periodSeconds", FIELD_AS_IS },
	{ "phase", FIELD_AS_IS },
	{ "podCIDR", FIELD_AN_ADDRESS },
	{ "podCIDRs", FIELD_AN_ADDRESS },
	{ "podIP", FIELD_AN_ADDRESS },
	{ "podIPs", FIELD_DEEP },
	{ "podSelector", FIELD_DEEP },
	{ "policyTypes", FIELD_AS_IS },
	{ "port", FIELD_NAME },
	{ "ports", FIELD_DEEP },
	{ "protocol", FIELD_AS_IS },
	{ "publishNotReadyAddresses", FIELD_AS_IS },
	{ "readinessGates", FIELD_DEEP },
	{ "readinessProbe", FIELD_DEEP },
	{ "ready", FIELD_AS_IS },
	{ "readyReplicas", FIELD_AS_IS },
	{ "reason", FIELD_AS_IS },
	{ "regarding", FIELD_DEEP },
	{ "replicas", FIELD_AS_IS },
	{ "resource", FIELD_DEEP },
	{ "restartCount", FIELD_AS_IS },
	{ "restartPolicy", FIELD_AS_IS },
	{ "rules", FIELD_DEEP },
	{ "running", FIELD_DEEP },
	{ "scheme", FIELD_AS_IS },
	{ "searches", FIELD_NAME },
	{ "sectionName", FIELD_NAME },
	{ "selector", FIELD_SELECTOR },
	{ "series", FIELD_DEEP },
	{ "service", FIELD_DEEP },
	{ "serviceName", FIELD_NAME },
	{ "servicePort", FIELD_NAME },
	{ "serving", FIELD_AS_IS },
	{ "sessionAffinity", FIELD_AS_IS },
	{ "sessionAffinityConfig", FIELD_DEEP },
	{ "spec", FIELD_DEEP },
	{ "startedAt", FIELD_TIME },
	{ "startupProbe", FIELD_DEEP },
	{ "state", FIELD_DEEP },
	{ "status", FIELD_AS_IS },
	{ "subdomain", FIELD_NAME },
	{ "subresource", FIELD_AS_IS },
	{ "subsets", FIELD_DEEP },
	{ "taints", FIELD_DEEP },
	{ "targetPort", FIELD_NAME },
	{ "targetRef", FIELD_DEEP },
	{ "tcpSocket", FIELD_DEEP },
	{ "template", FIELD_DEEP },
	{ "terminated", FIELD_DEEP },
	{ "terminating", FIELD_AS_IS },
	{ "time", FIELD_TIME },
	{ "timeoutSeconds", FIELD_AS_IS },
	{ "to", FIELD_DEEP },
	{ "topology", FIELD_LABELS },
	{ "trafficDistribution", FIELD_AS_IS },
	{ "type", FIELD_CONDITION },
	{ "uid", FIELD_OPAQUE },
	{ "unschedulable", FIELD_AS_IS },
	{ "value", FIELD_VALUE },
	{ "values", FIELD_VALUE },
	{ "waiting", FIELD_DEEP },
	{ "webhooks", FIELD_DEEP },
	{ "weight", FIELD_AS_IS },
	{ "zone", FIELD_NAME },
};

enum redact_field redact_field_of(const char *key)
{
	size_t lo = 0, hi = ARRAY_LEN(rows);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(key, rows[mid].key);

		if (c == 0)
			return rows[mid].field;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return FIELD_DROP;
}

/* ---- strings ---- */

/* RFC 3339, or Go's String(): "2023-05-01 10:00:00.123456789 +0000 UTC m=+100.5" */
static bool is_time(const char *s)
{
	const size_t n = strspn(s, "0123456789TZ:.+-"), zone = n + strspn(s + n, "0123456789:.+- UTCm=");

	return s[n] == '\0' || (n >= 10 && s[n] == ' ' && s[zone] == '\0' && zone < 80);
}

/* "v1.36.2", "6.1.0-18-amd64", "Debian GNU/Linux 12 (bookworm)": numbers and known words stay. */
static void add_version(struct redact *r, struct strbuf *b, const char *s)
{
	while (*s) {
		size_t n = strcspn(s, "-+_~ /:()");
		size_t v = (*s == 'v' || *s == 'V') && n > 1, digits = strspn(s + v, "0123456789.");

		if (n > 0 && (v + digits == n || redact_is_vocabulary(s, n)) && n < 16)
			strbuf_add(b, s, n);
		else if (n > 0)
			redact_add_name(r, b, s, n);
		s += n;
		if (*s)
			strbuf_addc(b, *s++);
	}
}

/* "registry.example.com/shop/cart:v1": of what everybody runs, the program and its version stay. */
static void add_image(struct redact *r, struct strbuf *b, const char *s)
{
	const char *base = strrchr(s, '/'), *tag;
	size_t len;

	base = base ? base + 1 : s;
	len = strcspn(base, ":@");
	tag = base[len] == ':' ? base + len + 1 : "";
	if (redact_kept_head(base, len) == len && len > 0) {
		strbuf_add(b, base, len);
		if (*tag)
			strbuf_addc(b, ':');
		add_version(r, b, tag);
		return;
	}
	redact_adds_name(r, b, s);
}

/* "apps/v1", "gateway.networking.k8s.io". */
static void add_api(struct redact *r, struct strbuf *b, const char *s)
{
	static const char *const plain[] = { "apps", "autoscaling", "batch", "extensions", "policy", "v1", "" };
	size_t len = strcspn(s, "/");
	bool known = (len > 7 && memcmp(s + len - 7, ".k8s.io", 7) == 0) || memchr(s, '.', len) == NULL;

	for (size_t i = 0; known && memchr(s, '.', len) == NULL && i < ARRAY_LEN(plain); i++) {
		if (strlen(plain[i]) == len && memcmp(plain[i], s, len) == 0)
			break;
		known = i + 1 < ARRAY_LEN(plain);
	}
	if (known)
		strbuf_add(b, s, len);
	else
		redact_add_name(r, b, s, len);
	if (s[len]) {
		bool is_version = s[len + 1] == 'v' && strspn(s + len + 2, "0123456789alphbet") == strlen(s + len + 2);

		strbuf_adds(b, is_version ? s + len : "/v1");
	}
}

static void add_flags(struct redact *r, struct strbuf *b, const char *s)
{
	static const char *const words[] = { "promiscuous-bridge", "hairpin-veth", "none", "self", "master", "permanent", "offload", "extern_learn", "ether",
					     "loopback", "ipip", "tunnel6", "sit", "gre", "static", "noarp", "onlink", "linkdown", "dead", "pervasive" };
	bool capitals = s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-0123456789")] == '\0';
	bool number = str_starts(s, "0x") && s[strspn(s, "0123456789abcdefx/")] == '\0';

	for (size_t i = 0; !capitals && !number && i < ARRAY_LEN(words); i++)
		number = strcmp(words[i], s) == 0;
	if (strlen(s) < 40 && (capitals || number))
		strbuf_adds(b, s);
	else
		redact_adds_text(r, b, s);
}

static void add_host_address(struct redact *r, struct strbuf *b, const char *s)
{
	size_t skip = strspn(s, " \t"), len = strlen(s);

	while (len > skip && strchr(" \t", s[len - 1]))
		len--;
	if (len == skip || strcmp(s, "None") == 0) {
		strbuf_adds(b, s);
		return;
	}
	strbuf_add(b, s, skip);
	if (!redact_add_address(r, b, s + skip, len - skip))
		redact_add_name(r, b, s + skip, len - skip);
	strbuf_adds(b, s + len);
}

void redact_add_field(struct redact *r, struct strbuf *b, enum redact_field f, const char *s)
{
	switch (f) {
	case FIELD_NAME:
		redact_learn_whole(r, s, strlen(s));
		redact_adds_name(r, b, s);
		break;
	case FIELD_VALUE:
		redact_adds_name(r, b, s);
		break;
	case FIELD_TEXT:
	case FIELD_AS_IS:
		redact_adds_text(r, b, s);
		break;
	case FIELD_CONDITION: /* "Ready", and "example.com/gate" */
	case FIELD_KEY:
		if (strpbrk(s, "./-"))
			redact_add_key(r, b, s);
		else
			redact_adds_text(r, b, s);
		break;
	case FIELD_AN_ADDRESS:
		add_host_address(r, b, s);
		break;
	case FIELD_LINK:
		redact_add_link(r, b, s, strlen(s));
		break;
	case FIELD_MAC:
		if (!redact_add_mac(r, b, s, strlen(s)))
			add_host_address(r, b, s);
		break;
	case FIELD_OPAQUE:
		redact_add_opaque(r, b, s, strlen(s));
		break;
	case FIELD_IMAGE:
		add_image(r, b, s);
		break;
	case FIELD_TIME:
		strbuf_adds(b, is_time(s) ? s : "");
		break;
	case FIELD_VERSION:
		add_version(r, b, s);
		break;
	case FIELD_API:
		add_api(r, b, s);
		break;
	case FIELD_FLAGS:
		add_flags(r, b, s);
		break;
	case FIELD_PATH:
		strbuf_adds(b, strcmp(s, "/etc/resolv.conf") == 0 || strcmp(s, "/run/systemd/resolve/resolv.conf") == 0 || !*s ? s : "/other");
		break;
	default: /* a string where none belongs */
		break;
	}
}

json_t *redact_string(struct redact *r, enum redact_field f, const char *s)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	json_t *v;

	redact_add_field(r, &b, f, s);
	v = json_string(strbuf_str(&b));
	if (!v && !b.failed)
		v = json_string(""); /* no UTF-8 */
	r->failed |= b.failed || !v;
	return v;
}

/* ---- values ---- */

static void set(struct redact *r, json_t *o, const char *key, json_t *v)
{
	if (v && json_object_set_new(o, key, v) < 0)
		r->failed = true;
}

static json_t *labels(struct redact *r, const json_t *v)
{
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)v, key, value) {
		struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;

		redact_add_key(r, &b, key);
		if (json_is_string(value))
			set(r, out, strbuf_str(&b), redact_string(r, FIELD_VALUE, json_string_value(value)));
	}
	return out;
}

/* Of what was applied last, the ports are what anybody reads. */
static json_t *applied(struct redact *r, const char *text)
{
	json_t *o = json_loads(text, 0, NULL), *ports = json_arr(json_obj(o, "spec"), "ports"), *kept = json_array(), *port, *out = NULL;
	char *dump;
	size_t i;

	json_array_foreach(ports, i, port) {
		json_t *p = json_object();

		set(r, p, "port", json_incref(json_object_get(port, "port")));
		if (json_str(port, "protocol"))
			set(r, p, "protocol", redact_string(r, FIELD_AS_IS, json_str(port, "protocol")));
		json_array_append_new(kept, p);
	}
	json_decref(o);
	o = json_pack("{s:{s:o}}", "spec", "ports", kept);
	dump = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (dump)
		out = json_string(dump);
	r->failed |= !out;
	free(dump);
	json_decref(o);
	return out;
}

/* {"VNI":1,"VtepMAC":"7e:4d:5a:12:9f:0b"}: what flannel tells of a node's VXLAN link. */
static json_t *tunnel(struct redact *r, const char *s)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	json_t *o = json_loads(s, 0, NULL), *vni = json_object_get(o, "VNI"), *out = NULL;
	const char *mac = json_str(o, "VtepMAC");

	strbuf_addc(&b, '{');
	if (json_is_integer(vni))
		strbuf_addf(&b, "\"VNI\":%lld,", (long long)json_integer_value(vni));
	strbuf_adds(&b, "\"VtepMAC\":\"");
	if (mac && redact_add_mac(r, &b, mac, strlen(mac))) {
		strbuf_adds(&b, "\"}");
		out = b.failed ? NULL : json_string(strbuf_str(&b));
		r->failed |= !out;
	}
	json_decref(o);
	return out;
}

static json_t *annotations(struct redact *r, const json_t *v)
{
	static const char last_applied[] = "kubectl.kubernetes.io/last-applied-configuration";
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)v, key, value) {
		const char *s = json_string_value(value);

		if (s && redact_is_kept_annotation(key))
			set(r, out, key, redact_string(r, FIELD_TEXT, s));
		else if (s && strcmp(key, last_applied) == 0)
			set(r, out, key, applied(r, s));
		else if (s && strcmp(key, "flannel.alpha.coreos.com/backend-data") == 0)
			set(r, out, key, tunnel(r, s));
	}
	return out;
}

/* Names of features, which are Kubernetes' own. */
static json_t *gates(const json_t *v)
{
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)v, key, value) {
		if (json_is_boolean(value) && strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == strlen(key))
			json_object_set_new(out, key, json_boolean(json_is_true(value)));
	}
	return out;
}

static json_t *members(struct redact *r, const json_t *v, redact_field_fn *field_of)
{
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)v, key, value)
		set(r, out, key, redact_value(r, field_of(key), value, field_of));
	return out;
}

static json_t *object(struct redact *r, enum redact_field f, const json_t *v, redact_field_fn *field_of)
{
	if (f == FIELD_SELECTOR)
		f = json_object_get(v, "matchLabels") || json_object_get(v, "matchExpressions") ? FIELD_DEEP : FIELD_LABELS;
	switch (f) {
	case FIELD_LABELS:
		return labels(r, v);
	case FIELD_ANNOTATIONS:
		return annotations(r, v);
	case FIELD_EMPTY:
		return json_object();
	case FIELD_GATES:
		return gates(v);
	case FIELD_DATA: /* objects.c does it, where it knows whose */
		return NULL;
	default:
		return members(r, v, field_of);
	}
}

json_t *redact_value(struct redact *r, enum redact_field f, const json_t *v, redact_field_fn *field_of)
{
	json_t *out, *item;
	size_t i;

	if (f == FIELD_DROP)
		return NULL;
	if (json_is_string(v))
		return redact_string(r, f, json_string_value(v));
	if (json_is_object(v))
		return object(r, f, v, field_of);
	if (!json_is_array(v)) {
		r->failed |= !v;
		return json_copy((json_t *)(uintptr_t)v);
	}
	out = json_array();
	json_array_foreach(v, i, item) {
		json_t *new = redact_value(r, f, item, field_of);

		if (new && json_array_append_new(out, new) < 0)
			r->failed = true;
	}
	return out;
}

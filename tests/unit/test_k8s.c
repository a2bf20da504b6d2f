/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decoding of Kubernetes objects: the recorded cluster, forms of older APIs, wrong types, lookups. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>

#include <svcdoctor/k8s.h>

#include <cmocka.h>
#include <jansson.h>

#define LAB "tests/corpus/lab-iptables-nft/cluster/"

struct loader {
	struct k8s_cluster c;
	struct sd_notes notes;
	int last;
};

static int on_item(void *arg, struct json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	struct loader *l = arg;

	(void)api_version;
	l->last = k8s_decode(&l->c, item, kind, "f.json", line, &l->notes);
	return l->last == -ENOMEM ? l->last : 0;
}

static void load_file(struct loader *l, const char *path)
{
	char *data = NULL;
	size_t size = 0;

	assert_int_equal(file_read_at(AT_FDCWD, path, 16 << 20, &data, &size), 0);
	assert_true(json_each_item(data, size, path, &l->notes, on_item, l) >= 0);
	free(data);
}

static void load_text(struct loader *l, const char *json)
{
	(void)json_each_item(json, strlen(json), "f.json", &l->notes, on_item, l);
}

static void unload(struct loader *l)
{
	k8s_cluster_release(&l->c);
	sd_notes_release(&l->notes);
}

static void load_lab(struct loader *l)
{
	static const char *const names[] = {
		"services",	   "endpointslices", "endpoints",   "pods",
		"nodes",	   "namespaces",     "configmaps",  "events",
		"networkpolicies", "deployments",    "replicasets", "ingresses",
		"servicecidrs",
	};

	k8s_cluster_init(&l->c);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[256];

		snprintf(path, sizeof(path), LAB "%s.json", names[i]);
		load_file(l, path);
	}
	assert_int_equal(k8s_cluster_finish(&l->c), 0);
}

static void test_lab_counts(void **state)
{
	struct loader l = { 0 };

	(void)state;
	load_lab(&l);
	assert_int_equal(l.notes.len, 0);
	assert_int_equal(l.c.undecodable, 0);
	assert_int_equal(l.c.services.len, 19);
	assert_int_equal(l.c.slices.len, 17);
	assert_int_equal(l.c.endpoints.len, 17);
	assert_int_equal(l.c.pods.len, 17);
	assert_int_equal(l.c.nodes.len, 2);
	assert_int_equal(l.c.namespaces.len, 5);
	assert_int_equal(l.c.configmaps.len, 8);
	assert_int_equal(l.c.events.len, 14);
	assert_int_equal(l.c.netpols.len, 0);
	assert_int_equal(l.c.workloads.len, 5);
	assert_int_equal(l.c.ingresses.len, 1);
	assert_int_equal(l.c.service_cidrs.len, 1);
	for (size_t i = 1; i < l.c.services.len; i++) {
		const struct k8s_meta *a = &l.c.services.v[i - 1]->meta, *b = &l.c.services.v[i]->meta;

		assert_true(strcmp(a->ns, b->ns) < 0 ||
			    (strcmp(a->ns, b->ns) == 0 && strcmp(a->name, b->name) < 0));
	}
	unload(&l);
}

static void test_lab_service(void **state)
{
	struct loader l = { 0 };
	const struct k8s_service *s;
	const struct k8s_slice_group *g;
	char buf[IP_ADDR_STRLEN];

	(void)state;
	load_lab(&l);
	s = k8s_find_service(&l.c, "default", "example-service");
	assert_non_null(s);
	assert_string_equal(s->type, "LoadBalancer");
	assert_true(s->external_local && !s->internal_local && !s->headless);
	assert_int_equal(s->nports, 1);
	assert_string_equal(s->ports[0].name, "");
	assert_int_equal(s->ports[0].proto, IPPROTO_TCP);
	assert_int_equal(s->ports[0].port, 8765);
	assert_int_equal(s->ports[0].target.number, 9376);
	assert_null(s->ports[0].target.name);
	assert_int_equal(s->ports[0].node_port, 32147);
	assert_int_equal(s->health_check_node_port, 32599);
	assert_int_equal(s->ncluster_ips, 1);
	assert_string_equal(ip_addr_format(&s->cluster_ips[0], buf), "10.96.107.94");
	assert_int_equal(s->ningress, 1);
	assert_string_equal(ip_addr_format(&s->ingress[0].ip, buf), "203.0.113.80");
	assert_string_equal(s->ingress[0].ip_mode, "VIP");
	assert_string_equal(k8s_label_get(&s->selector, "app"), "example");
	assert_string_equal(s->meta.last_manager, "kubectl");
	assert_string_equal(s->meta.last_change, "2026-11-21T07:29:55Z");
	assert_int_equal(s->allocate_node_ports, 1);
	assert_int_equal(s->affinity_timeout, 10800);
	assert_false(k8s_service_skipped_by_proxy(s));
	g = map_gets(&l.c.slices_by_service, "default/example-service");
	assert_non_null(g);
	assert_int_equal(g->v.len, 1);
	assert_string_equal(g->v.v[0]->endpoints[0].node_name, "node2");
	assert_int_equal(g->v.v[0]->endpoints[0].ready, 1);
	assert_int_equal(g->v.v[0]->ports[0].port, 9376);
	assert_string_equal(g->v.v[0]->ports[0].name, "");

	s = k8s_find_service(&l.c, "default", "headless");
	assert_true(s->headless && s->ncluster_ips == 0 && k8s_service_skipped_by_proxy(s));
	s = k8s_find_service(&l.c, "default", "my-service");
	assert_string_equal(s->type, "ExternalName");
	assert_true(k8s_service_skipped_by_proxy(s));
	s = k8s_find_service(&l.c, "default", "sticky");
	assert_true(s->affinity_client_ip);
	s = k8s_find_service(&l.c, "shop", "pay");
	assert_string_equal(s->ports[0].target.name, "https");
	s = k8s_find_service(&l.c, "shop", "lb-ranges");
	assert_int_equal(s->nsource_ranges, 1);
	assert_string_equal(s->source_ranges[0], "198.51.100.0/24");
	assert_null(k8s_find_service(&l.c, "shop", "nothing"));
	unload(&l);
}

static void test_lab_pods_and_nodes(void **state)
{
	struct loader l = { 0 };
	const struct k8s_pod *p;
	const struct k8s_node *n;
	struct ip_addr a;

	(void)state;
	load_lab(&l);
	p = k8s_find_pod(&l.c, "shop", "cart-1");
	assert_non_null(p);
	assert_false(k8s_pod_ready(p) || k8s_pod_terminal(p));
	assert_string_equal(p->node, "node2");
	assert_int_equal(p->ncontainers, 1);
	assert_int_equal(p->containers[0].restarts, 17);
	assert_string_equal(p->containers[0].state, "waiting");
	assert_string_equal(p->containers[0].state_reason, "CrashLoopBackOff");
	assert_int_equal(p->nips, 1);
	assert_ptr_equal(map_get(&l.c.pod_by_ip, &p->ips[0], sizeof(p->ips[0])), p);
	n = k8s_node_of_ip(&l.c, &p->ips[0]);
	assert_string_equal(n->meta.name, "node2");
	assert_int_equal(ip_addr_parse("10.244.1.250", &a), 0);
	assert_string_equal(k8s_node_of_ip(&l.c, &a)->meta.name, "node1");
	assert_int_equal(ip_addr_parse("192.0.2.1", &a), 0);
	assert_null(k8s_node_of_ip(&l.c, &a));
	n = k8s_find_node(&l.c, "node1");
	assert_string_equal(n->kernel, "6.18.44");
	assert_int_equal(n->ntaints, 1);
	assert_string_equal(n->addresses[0].type, "InternalIP");
	assert_int_equal(n->addresses[0].ip.family, AF_INET);
	assert_int_equal(n->addresses[1].ip.family, 0);
	assert_string_equal(k8s_condition(n->conditions, n->nconditions, "Ready")->reason, "KubeletReady");
	assert_int_equal(((struct k8s_pod_group *)map_gets(&l.c.pods_by_ns, "shop"))->v.len +
				 ((struct k8s_pod_group *)map_gets(&l.c.pods_by_ns, "default"))->v.len +
				 ((struct k8s_pod_group *)map_gets(&l.c.pods_by_ns, "kube-system"))->v.len,
			 l.c.pods.len);
	unload(&l);
}

static void test_lab_others(void **state)
{
	struct loader l = { 0 };
	const struct k8s_ingress *g;

	(void)state;
	load_lab(&l);
	g = l.c.ingresses.v[0];
	assert_int_equal(g->nbackends, 3);
	assert_string_equal(g->backends[1].host, "cafe.example.com");
	assert_string_equal(g->backends[1].path, "/tea");
	assert_string_equal(g->backends[1].service, "tea-svc");
	assert_int_equal(g->backends[1].port, 80);
	assert_int_equal(l.c.service_cidrs.v[0]->cidrs[0].len, 16);
	for (size_t i = 0; i < l.c.configmaps.len; i++) {
		const struct k8s_configmap *m = l.c.configmaps.v[i];

		assert_int_equal(m->ndata > 0, strcmp(m->meta.ns, "kube-system") == 0);
	}
	for (size_t i = 0; i < l.c.events.len; i++) {
		assert_non_null(l.c.events.v[i]->reason);
		assert_non_null(l.c.events.v[i]->last);
		assert_true(l.c.events.v[i]->count >= 1);
	}
	unload(&l);
}

/* One object; the note, if any, must contain @text. */
static int decode_one(struct loader *l, const char *json, const char *text)
{
	*l = (struct loader){ 0 };
	k8s_cluster_init(&l->c);
	load_text(l, json);
	if (text) {
		assert_int_equal(l->notes.len, 1);
		if (!strstr(l->notes.v[0].text, text))
			fail_msg("'%s' is not in '%s'", text, l->notes.v[0].text);
		assert_string_equal(l->notes.v[0].file, "f.json");
		assert_int_equal(l->notes.v[0].line, 1);
	} else {
		assert_int_equal(l->notes.len, 0);
	}
	assert_int_equal(k8s_cluster_finish(&l->c), 0);
	return l->last;
}

#define SERVICE(spec) \
	"{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"namespace\":\"a\",\"name\":\"b\"}," \
	"\"spec\":" spec "}"

static void test_wrong_types(void **state)
{
	static const struct {
		const char *json, *text;
	} rows[] = {
		{ SERVICE("[]"), "Service 'a/b': spec is not an object" },
		{ SERVICE("{\"ports\":{}}"), "spec.ports is not an array" },
		{ SERVICE("{\"ports\":[1]}"), "spec.ports has an element that is not an object" },
		{ SERVICE("{\"ports\":[{\"port\":\"80\"}]}"), "spec.ports[].port is not a whole number" },
		{ SERVICE("{\"ports\":[{\"port\":65536}]}"), "spec.ports[].port is out of range" },
		{ SERVICE("{\"ports\":[{}]}"), "spec.ports[].port is missing" },
		{ SERVICE("{\"ports\":[{\"port\":80,\"protocol\":\"QUIC\"}]}"),
		  "protocol is none of TCP, UDP and SCTP" },
		{ SERVICE("{\"ports\":[{\"port\":80,\"targetPort\":true}]}"),
		  "targetPort is not a whole number" },
		{ SERVICE("{\"selector\":{\"app\":1}}"), "spec.selector has a value that is not a string" },
		{ SERVICE("{\"clusterIPs\":[7]}"), "spec.clusterIPs has an element that is not a string" },
		{ SERVICE("{\"publishNotReadyAddresses\":\"yes\"}"),
		  "spec.publishNotReadyAddresses is neither true nor false" },
		{ "{\"kind\":\"Service\",\"metadata\":{}}", "Service '?': metadata.name is missing" },
		{ "{\"kind\":\"Service\"}", "metadata.name is missing" },
		{ "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"status\":{\"podIPs\":\"x\"}}",
		  "Pod 'p': status.podIPs is not an array" },
		{ "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"p\"}}", "addressType is missing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct loader l;

		assert_int_equal(decode_one(&l, rows[i].json, rows[i].text), SD_EPARSE);
		assert_string_equal(l.notes.v[0].code, "bad-object");
		assert_int_equal(l.c.undecodable, 1);
		assert_int_equal(l.c.services.len + l.c.pods.len + l.c.slices.len, 0);
		unload(&l);
	}
}

static void test_lenient(void **state)
{
	struct loader l;
	const struct k8s_service *s;

	(void)state;
	assert_int_equal(
		decode_one(&l, SERVICE("{\"new\":[{}],\"ports\":null,\"clusterIP\":\"\",\"selector\":null}"),
			   NULL),
		K8S_SERVICES);
	s = l.c.services.v[0];
	assert_string_equal(s->type, "ClusterIP");
	assert_true(!s->headless && s->ncluster_ips == 0 && s->nports == 0 && s->allocate_node_ports == -1);
	unload(&l);
	/* A string is a name even if it looks like a number; 0 and "" are no target. */
	assert_int_equal(
		decode_one(
			&l,
			SERVICE("{\"clusterIP\":\"fd00::1\",\"ports\":[{\"port\":80,\"targetPort\":\"80\"},"
				"{\"port\":81,\"targetPort\":0,\"protocol\":\"UDP\"},{\"port\":82,"
				"\"targetPort\":\"\"}]}"),
			NULL),
		K8S_SERVICES);
	s = l.c.services.v[0];
	assert_string_equal(s->ports[0].target.name, "80");
	assert_int_equal(s->ports[0].target.number, 0);
	assert_true(!s->ports[1].target.name && s->ports[1].target.number == 0 &&
		    s->ports[1].proto == IPPROTO_UDP);
	assert_null(s->ports[2].target.name);
	assert_int_equal(s->ncluster_ips, 1);
	assert_int_equal(s->cluster_ips[0].family, AF_INET6);
	unload(&l);
	/* kube-proxy's own sloppy address parser takes leading zeros, and mapped addresses are IPv4. */
	assert_int_equal(
		decode_one(&l, SERVICE("{\"externalIPs\":[\"010.0.0.001\",\"::ffff:192.0.2.1\"]}"), NULL),
		K8S_SERVICES);
	assert_int_equal(l.c.services.v[0]->external_ips[0].b[0], 10);
	assert_int_equal(l.c.services.v[0]->external_ips[1].family, AF_INET);
	unload(&l);
	assert_int_equal(decode_one(&l, SERVICE("{\"externalIPs\":[\"300.1.1.1\",\"192.0.2.1\"]}"),
				    "Service 'a/b': spec.externalIPs is no address: '300.1.1.1'"),
			 K8S_SERVICES);
	assert_int_equal(l.c.services.v[0]->nexternal_ips, 1);
	unload(&l);
}

static void test_groups(void **state)
{
	struct loader l;

	(void)state;
	assert_int_equal(decode_one(&l,
				    "{\"kind\":\"Service\",\"apiVersion\":\"serving.knative.dev/"
				    "v1\",\"metadata\":{\"name\":\"x\"}}",
				    NULL),
			 -ENOENT);
	unload(&l);
	assert_int_equal(decode_one(&l,
				    "{\"kind\":\"NetworkPolicy\",\"apiVersion\":\"crd.projectcalico.org/"
				    "v1\",\"metadata\":{\"name\":\"x\"}}",
				    NULL),
			 -ENOENT);
	unload(&l);
	assert_int_equal(
		decode_one(&l, "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"}}",
			   NULL),
		-ENOENT);
	unload(&l);
	assert_int_equal(k8s_kind_find("EndpointSlice", "discovery.k8s.io/v1beta1"), K8S_SLICES);
	assert_int_equal(k8s_kind_find("Ingress", "extensions/v1beta1"), K8S_INGRESSES);
	assert_int_equal(k8s_kind_by_plural("servicecidrs", 12), K8S_SERVICECIDRS);
	assert_int_equal(k8s_kind_by_plural("service", 7), -ENOENT);
}

static void test_old_forms(void **state)
{
	struct loader l;
	const struct k8s_endpoint *e;
	const struct k8s_event *ev;

	(void)state;
	decode_one(
		&l,
		"{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/"
		"v1beta1\",\"metadata\":{\"name\":\"s\",\"namespace\":\"n\","
		"\"labels\":{\"kubernetes.io/service-name\":\"svc\",\"service.kubernetes.io/"
		"headless\":\"\"}},\"addressType\":\"IPv4\","
		"\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"conditions\":{\"ready\":null},\"topology\":{"
		"\"kubernetes.io/hostname\":\"w1\"},"
		"\"hints\":{\"forZones\":[{\"name\":\"z1\"}]}}],\"ports\":[{\"name\":null,\"port\":null}]}",
		NULL);
	assert_true(l.c.slices.v[0]->headless);
	assert_string_equal(l.c.slices.v[0]->service, "svc");
	e = &l.c.slices.v[0]->endpoints[0];
	assert_string_equal(e->node_name, "w1");
	assert_true(e->ready == -1 && e->serving == -1);
	assert_string_equal(e->zone_hints[0], "z1");
	assert_null(l.c.slices.v[0]->ports[0].name);
	assert_false(l.c.slices.v[0]->ports[0].has_port);
	unload(&l);
	decode_one(&l,
		   "{\"kind\":\"Ingress\",\"apiVersion\":\"extensions/"
		   "v1beta1\",\"metadata\":{\"name\":\"i\",\"annotations\":{\"kubernetes.io/"
		   "ingress.class\":\"nginx\"}},"
		   "\"spec\":{\"backend\":{\"serviceName\":\"d\",\"servicePort\":\"http\"},\"rules\":[{"
		   "\"http\":{\"paths\":[{\"backend\":"
		   "{\"serviceName\":\"s\",\"servicePort\":8080}}]}},{\"host\":\"h\"}]}}",
		   NULL);
	assert_int_equal(l.c.ingresses.v[0]->nbackends, 2);
	assert_string_equal(l.c.ingresses.v[0]->class_name, "nginx");
	assert_null(l.c.ingresses.v[0]->backends[0].host);
	assert_string_equal(l.c.ingresses.v[0]->backends[0].port_name, "http");
	assert_string_equal(l.c.ingresses.v[0]->backends[1].service, "s");
	assert_int_equal(l.c.ingresses.v[0]->backends[1].port, 8080);
	unload(&l);
	decode_one(&l,
		   "{\"kind\":\"Event\",\"apiVersion\":\"events.k8s.io/"
		   "v1\",\"metadata\":{\"name\":\"e\"},\"regarding\":{\"kind\":\"Pod\",\"name\":\"p\"},"
		   "\"note\":\"text\",\"deprecatedCount\":5,\"deprecatedLastTimestamp\":\"2026-01-02T00:00:"
		   "00Z\",\"eventTime\":null}",
		   NULL);
	ev = l.c.events.v[0];
	assert_string_equal(ev->kind, "Pod");
	assert_string_equal(ev->message, "text");
	assert_string_equal(ev->last, "2026-01-02T00:00:00Z");
	assert_int_equal(ev->count, 5);
	unload(&l);
	decode_one(&l,
		   "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"initContainers\":[{\"name\":"
		   "\"i\",\"restartPolicy\":\"Always\"}],"
		   "\"containers\":[{\"name\":\"c\",\"readinessProbe\":{\"httpGet\":{\"port\":\"web\","
		   "\"path\":\"/\"},\"timeoutSeconds\":2}}]},"
		   "\"status\":{\"podIP\":\"10.0.0.9\"}}",
		   NULL);
	assert_int_equal(l.c.pods.v[0]->ncontainers, 2);
	assert_true(l.c.pods.v[0]->containers[0].init && l.c.pods.v[0]->containers[0].sidecar);
	assert_string_equal(l.c.pods.v[0]->containers[1].readiness.port.name, "web");
	assert_int_equal(l.c.pods.v[0]->containers[1].readiness.timeout, 2);
	assert_int_equal(l.c.pods.v[0]->containers[1].readiness.period, -1);
	assert_int_equal(l.c.pods.v[0]->nips, 1);
	assert_string_equal(l.c.pods.v[0]->phase, "");
	unload(&l);
	decode_one(&l,
		   "{\"kind\":\"NetworkPolicy\",\"apiVersion\":\"networking.k8s.io/"
		   "v1\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"podSelector\":{},\"egress\":[{}]}}",
		   NULL);
	assert_true(l.c.netpols.v[0]->pods.set && l.c.netpols.v[0]->ingress && l.c.netpols.v[0]->egress);
	unload(&l);
}

/* The later one of two objects of one name counts; kinds of workloads are told apart. */
static void test_doubles(void **state)
{
	struct loader l = { 0 };

	(void)state;
	k8s_cluster_init(&l.c);
	load_text(&l, SERVICE("{\"type\":\"NodePort\"}") SERVICE("{\"type\":\"LoadBalancer\"}"));
	load_text(&l, "{\"kind\":\"Deployment\",\"metadata\":{\"name\":\"w\"}}{\"kind\":\"DaemonSet\","
		      "\"metadata\":{\"name\":\"w\"}}"
		      "{\"kind\":\"Deployment\",\"metadata\":{\"name\":\"w\"},\"spec\":{\"replicas\":0}}");
	assert_int_equal(k8s_cluster_finish(&l.c), 0);
	assert_int_equal(l.c.services.len, 1);
	assert_string_equal(l.c.services.v[0]->type, "LoadBalancer");
	assert_ptr_equal(k8s_find_service(&l.c, "a", "b"), l.c.services.v[0]);
	assert_int_equal(l.c.workloads.len, 2);
	assert_string_equal(l.c.workloads.v[1]->kind, "Deployment");
	assert_int_equal(l.c.workloads.v[1]->replicas, 0);
	unload(&l);
}

/* Of two pods with one address the one that lives has it; a pod of the host network never. */
static void test_pod_addresses(void **state)
{
#define POD(name, spec, phase) \
	"{\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name "\"},\"spec\":{" spec \
	"},\"status\":{\"phase\":\"" phase "\",\"podIP\":\"10.0.0.1\"}}"
	struct loader l = { 0 };
	struct ip_addr a;

	(void)state;
	k8s_cluster_init(&l.c);
	load_text(&l, POD("done", "", "Succeeded") POD("live", "", "Running")
			      POD("host", "\"hostNetwork\":true", "Running"));
	assert_int_equal(k8s_cluster_finish(&l.c), 0);
	assert_int_equal(ip_addr_parse("10.0.0.1", &a), 0);
	assert_string_equal(((struct k8s_pod *)map_get(&l.c.pod_by_ip, &a, sizeof(a)))->meta.name, "live");
	unload(&l);
}

static void test_selectors(void **state)
{
	const struct k8s_label pairs[] = { { "app", "web" }, { "tier", "front" } };
	struct k8s_labels labels = { pairs, 2 }, one = { pairs, 1 }, none = { NULL, 0 };

	(void)state;
	assert_true(k8s_selector_matches(&one, &labels));
	assert_false(k8s_selector_matches(&labels, &one));
	assert_false(k8s_selector_matches(&none, &labels));
	assert_int_equal(k8s_minor_version("v1.36.2"), 36);
	assert_int_equal(k8s_minor_version("1.20+"), 20);
	assert_int_equal(k8s_minor_version("v1"), -1);
	assert_int_equal(k8s_minor_version(NULL), -1);
}

static int decode_config(struct arena *a, const char *json, struct kube_proxy_config *c)
{
	json_t *o = json_loads(json, 0, NULL);
	int r;

	assert_non_null(o);
	r = kube_proxy_config_decode(a, o, c);
	json_decref(o);
	return r;
}

static void test_proxy_config(void **state)
{
	struct arena a = { 0 };
	struct kube_proxy_config c = { 0 };
	char *data = NULL;
	size_t size;

	(void)state;
	assert_int_equal(file_read_at(AT_FDCWD,
				      "tests/corpus/lab-iptables-nft/nodes/node1/kube-proxy-configz.json",
				      1 << 20, &data, &size),
			 0);
	assert_int_equal(decode_config(&a, data, &c), 0);
	free(data);
	assert_string_equal(c.sync_period, "30s");
	assert_string_equal(c.min_sync_period, "1s");
	assert_string_equal(c.config_sync_period, "15m0s");
	assert_string_equal(c.metrics_bind_address, "127.0.0.1:10249");
	assert_string_equal(c.kubeconfig, "/var/lib/kube-proxy/kube-proxy.conf");
	assert_true(c.strict_arp == 0 && c.conntrack_min == 131072 && c.conntrack_be_liberal == 0);
	assert_true(c.known && c.masquerade_bit == 14 && c.masquerade_all == 0 &&
		    c.localhost_node_ports == 1);
	assert_string_equal(c.mode, "iptables");
	assert_string_equal(c.hostname_override, "node1");
	assert_string_equal(c.detect_local_mode, "ClusterCIDR");
	assert_int_equal(c.ncluster_cidrs, 1);
	assert_int_equal(c.nnode_port_addresses, 0);
	assert_int_equal(decode_config(&a,
				       "{\"mode\":\"nftables\",\"clusterCIDR\":\"10.0.0.0/8, "
				       "fd00::/48\",\"nftables\":{\"masqueradeAll\":true},"
				       "\"nodePortAddresses\":[\"primary\"],\"featureGates\":{\"X\":false}}",
				       &c),
			 0);
	assert_int_equal(c.ncluster_cidrs, 2);
	assert_int_equal(c.masquerade_all, 1);
	assert_int_equal(c.masquerade_bit, -1);
	assert_true(!c.sync_period && !c.config_sync_period && !c.kubeconfig && !c.metrics_bind_address);
	assert_true(c.strict_arp == -1 && c.conntrack_max_per_core == -1 && c.conntrack_min == -1 && c.conntrack_be_liberal == -1);
	assert_string_equal(c.node_port_addresses[0], "primary");
	assert_string_equal(c.feature_gates[0], "X=false");
	assert_int_equal(decode_config(&a, "{\"mode\":1}", &c), SD_EPARSE);
	assert_int_equal(decode_config(&a, "{\"mode\":\"\",\"clusterCIDR\":\"10.0.0.0/33\"}", &c), SD_EPARSE);
	assert_int_equal(decode_config(&a, "{\"kind\":\"KubeletConfiguration\",\"mode\":\"\"}", &c),
			 SD_EPARSE);
	assert_int_equal(decode_config(&a, "{}", &c), SD_EPARSE);
	arena_release(&a);
}

/* The periods are those of the mode; a member of a wrong type is not known, and takes nothing else with it. */
static void test_proxy_config_more(void **state)
{
	struct arena a = { 0 };
	struct kube_proxy_config c = { 0 };

	(void)state;
	assert_int_equal(decode_config(&a, "{\"mode\":\"ipvs\",\"iptables\":{\"syncPeriod\":\"1s\"},\"ipvs\":{\"syncPeriod\":\"2m0s\",\"minSyncPeriod\":"
				       "\"10s\",\"strictARP\":true,\"tcpTimeout\":\"15m0s\"},\"conntrack\":{\"maxPerCore\":0,\"min\":null,\"tcpBeLiberal\":true},"
				       "\"clientConnection\":{\"kubeconfig\":\"\"}}", &c), 0);
	assert_string_equal(c.sync_period, "2m0s");
	assert_string_equal(c.min_sync_period, "10s");
	assert_string_equal(c.ipvs_tcp_timeout, "15m0s");
	assert_string_equal(c.kubeconfig, "");
	assert_true(c.strict_arp == 1 && c.conntrack_max_per_core == 0 && c.conntrack_min == -1 && c.conntrack_be_liberal == 1);
	assert_int_equal(decode_config(&a, "{\"mode\":\"nftables\",\"nftables\":{\"syncPeriod\":30,\"minSyncPeriod\":\"5s\"},\"configSyncPeriod\":[],"
				       "\"conntrack\":{\"maxPerCore\":-4,\"min\":\"x\"},\"metricsBindAddress\":{},\"clientConnection\":7}", &c), 0);
	assert_true(!c.sync_period && !c.config_sync_period && !c.metrics_bind_address && !c.kubeconfig);
	assert_string_equal(c.min_sync_period, "5s");
	assert_true(c.conntrack_max_per_core == -1 && c.conntrack_min == -1);
	/* 1.12: no mode yet that is called nftables, and no detectLocal; an unknown mode has the periods of iptables */
	assert_int_equal(decode_config(&a, "{\"kind\":\"KubeProxyConfiguration\",\"mode\":\"userspace\",\"udpIdleTimeout\":\"250ms\",\"resourceContainer\":\"\","
				       "\"iptables\":{\"syncPeriod\":\"30s\",\"minSyncPeriod\":\"0s\"},\"conntrack\":{\"max\":0,\"maxPerCore\":32768,"
				       "\"min\":131072}}", &c), 0);
	assert_string_equal(c.sync_period, "30s");
	assert_true(c.conntrack_max_per_core == 32768 && c.conntrack_min == 131072 && c.conntrack_be_liberal == -1);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proxy_config_more),
		cmocka_unit_test(test_lab_counts),
		cmocka_unit_test(test_lab_service),
		cmocka_unit_test(test_lab_pods_and_nodes),
		cmocka_unit_test(test_lab_others),
		cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_lenient),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_old_forms),
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_pod_addresses),
		cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_proxy_config),
	};

	return cmocka_run_group_tests_name("k8s", tests, NULL, NULL);
}

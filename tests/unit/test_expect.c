/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expected endpoints, answers and rules: by hand for each rule of kube-proxy, and against the
 * rules that kube-proxy v1.36.2 wrote in the recorded clusters, all of them, nothing missing and
 * nothing left over.
 */

#include <setjmp.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <svcdoctor/expect.h>

/* ---- a cluster by hand ---- */

#define MAX_EP 8

struct fixture {
	struct arena arena;
	struct k8s_cluster cluster;
	struct k8s_service service;
	struct k8s_service_port port;
	struct ip_addr ips[2], external[2];
	struct k8s_ingress_point ingress[2];
	struct k8s_slice slice;
	struct k8s_slice_port slice_port;
	struct k8s_endpoint ep[MAX_EP];
	struct k8s_slice_group group;
	struct node_facts facts;
	struct k8s_node node_object;
	struct ip_prefix pod_cidr, cluster_cidr;
	struct kube_proxy_config config;
	struct expect_node node;
	struct k8s_label annotation, zone_label;
	const char *ranges[3];
	const char *node_ports[2];
	const char *gates[2];
	const char *hints[MAX_EP];
	struct expect_service out;
};

static struct ip_addr ip(const char *s)
{
	struct ip_addr a;
	assert_int_equal(ip_addr_parse(s, &a), 0);
	return a;
}

static struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p;
	assert_int_equal(ip_prefix_parse(s, &p), 0);
	return p;
}

static struct k8s_endpoint *add_ep(struct fixture *f, const char *addr, const char *node, int ready,
				   int serving, int terminating)
{
	struct k8s_endpoint *e = &f->ep[f->slice.nendpoints++];
	*e = (struct k8s_endpoint){
		.ip = ip(addr),
		.ready = ready,
		.serving = serving,
		.terminating = terminating,
		.node_name = node,
	};
	return e;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	k8s_cluster_init(&f->cluster);
	node_facts_init(&f->facts);
	f->port = (struct k8s_service_port){ .name = "http", .proto = IPPROTO_TCP, .port = 80 };
	f->ips[0] = ip("10.96.0.5");
	f->service = (struct k8s_service){
		.meta = { .ns = "ns", .name = "svc" },
		.type = "ClusterIP",
		.ports = &f->port,
		.nports = 1,
		.cluster_ips = f->ips,
		.ncluster_ips = 1,
		.affinity_timeout = 10800,
		.source_ranges = f->ranges,
		.ingress = f->ingress,
		.external_ips = f->external,
	};
	f->slice_port = (struct k8s_slice_port){
		.name = "http", .proto = IPPROTO_TCP, .has_port = true, .port = 8080
	};
	f->slice = (struct k8s_slice){
		.meta = { .ns = "ns", .name = "svc-1" },
		.service = "svc",
		.address_type = "IPv4",
		.endpoints = f->ep,
		.ports = &f->slice_port,
		.nports = 1,
	};
	assert_int_equal(array_push(&f->group.v, &f->slice), 0);
	assert_int_equal(map_puts(&f->cluster.slices_by_service, "ns/svc", &f->group), 0);
	f->pod_cidr = prefix("10.244.1.0/24");
	f->cluster_cidr = prefix("10.244.0.0/16");
	f->node_object = (struct k8s_node){ .meta = { .ns = "", .name = "n1" },
					    .pod_cidrs = &f->pod_cidr,
					    .npod_cidrs = 1 };
	f->config = (struct kube_proxy_config){
		.known = true,
		.mode = "iptables",
		.masquerade_all = 0,
		.masquerade_bit = 14,
		.localhost_node_ports = 1,
		.detect_local_mode = "ClusterCIDR",
		.cluster_cidrs = &f->cluster_cidr,
		.ncluster_cidrs = 1,
		.node_port_addresses = f->node_ports,
		.feature_gates = f->gates,
	};
	f->node = (struct expect_node){
		.name = "n1",
		.object = &f->node_object,
		.facts = &f->facts,
		.config = &f->config,
		.minor = -1,
		.ip4 = ip("192.0.2.1"),
	};
	const char *const own[] = { "192.0.2.1", "127.0.0.1", "10.244.1.1", "198.51.100.7" };
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		struct node_address a = { .addr = ip(own[i]),
					  .plen = 24,
					  .ifname = i == 1 ? "lo" : "eth0" };
		assert_int_equal(array_push(&f->facts.addrs, a), 0);
	}
	f->facts.addrs_known = true;
	assert_int_equal(node_facts_finish(&f->facts), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	arena_release(&f->arena);
	array_free(&f->group.v);
	k8s_cluster_release(&f->cluster);
	node_facts_release(&f->facts);
	free(f);
	return 0;
}

static const struct expect_port *run(struct fixture *f)
{
	assert_int_equal(expect_service(&f->arena, &f->cluster, &f->service, &f->node, &f->out), 0);
	return f->out.nports ? &f->out.ports[0] : NULL;
}

static const struct expect_frontend *frontend(struct fixture *f, enum expect_kind kind)
{
	for (size_t i = 0; i < f->out.nfrontends; i++) {
		if (f->out.frontends[i].kind == kind) {
			return &f->out.frontends[i];
		}
	}
	return NULL;
}

/* "V a,b m": verdict letter, last bytes of the endpoints, and y, n or ? for masquerade. */
static const char *ask(struct fixture *f, enum expect_kind kind, enum expect_source source, const char *src,
		       const char *dst)
{
	static char text[200];
	run(f);
	const struct expect_frontend *fe = frontend(f, kind);
	assert_non_null(fe);
	struct ip_addr s = ip(src), d = ip(dst);
	struct expect_answer a;
	expect_answer(&f->node, fe, source, &s, &d, &a);
	assert_non_null(a.why);
	struct strbuf CLEANUP(strbuf_release) b = STRBUF_INIT;
	strbuf_addc(&b, "TRDA-"[a.verdict]);
	for (size_t i = 0; i < a.nendpoints; i++) {
		strbuf_addf(&b, "%c%u", i ? ',' : ' ', a.endpoints[i]->addr.b[3]);
	}
	if (a.verdict == EXPECT_TRANSLATE) {
		strbuf_addf(&b, " %c", "ny?"[a.masquerade]);
	}
	(void)snprintf(text, sizeof(text), "%s", strbuf_str(&b));
	return text;
}

#define POD "10.244.1.9"
#define OUT "203.0.113.9"
#define NODE "192.0.2.1"

/* ---- endpoints ---- */

static void test_endpoints_of_the_port(void **state)
{
	struct fixture *f = *state;
	add_ep(f, "10.244.1.5", "n1", -1, -1, -1);
	add_ep(f, "10.244.2.5", "n2", 1, 1, 0);
	add_ep(f, "10.244.2.6", "n2", 0, 0, 0);
	add_ep(f, "10.244.2.7", "n2", 0, 1, 1);
	const struct expect_port *p = run(f);
	assert_int_equal(p->nall, 4);
	assert_int_equal(p->ncluster, 2);
	assert_int_equal(p->nlocal, 1);
	assert_true(p->any_anywhere);
	assert_int_equal(p->all[0].port, 8080);
	assert_true(p->all[0].local && p->all[0].ready && p->all[0].serving && !p->all[0].terminating);

	f->slice_port.proto = IPPROTO_UDP;
	assert_int_equal(run(f)->nall, 0);
	f->slice_port = (struct k8s_slice_port){
		.name = NULL, .proto = IPPROTO_TCP, .has_port = true, .port = 8080
	};
	assert_int_equal(run(f)->nall, 0);
	f->slice_port = (struct k8s_slice_port){ .name = "http", .proto = IPPROTO_TCP };
	assert_int_equal(run(f)->nall, 0);
	f->slice_port = (struct k8s_slice_port){
		.name = "http", .proto = IPPROTO_TCP, .has_port = true, .port = 1
	};
	f->slice.headless = true;
	assert_int_equal(run(f)->nall, 0);
	f->slice.headless = false;
	f->slice.address_type = "IPv6";
	assert_int_equal(run(f)->nall, 0);
}

static void test_doubles_count_once(void **state)
{
	struct fixture *f = *state;
	add_ep(f, "10.244.1.5", "n1", 0, 1, 1);
	add_ep(f, "10.244.1.5", "n1", 1, 1, 0);
	const struct expect_port *p = run(f);
	assert_int_equal(p->nall, 1);
	assert_true(p->all[0].ready);
}

static void test_last_resort(void **state)
{
	struct fixture *f = *state;
	add_ep(f, "10.244.1.5", "n1", 0, 1, 1);
	add_ep(f, "10.244.2.5", "n2", 1, 1, 0);
	const struct expect_port *p = run(f);
	/* For policy Local this node alone decides. */
	assert_int_equal(p->ncluster, 1);
	assert_int_equal(p->cluster[0]->addr.b[3], 5);
	assert_int_equal(p->cluster[0]->addr.b[2], 2);
	assert_int_equal(p->nlocal, 1);
	f->ep[1].ready = 0;
	f->ep[1].terminating = 1;
	f->ep[1].serving = -1;
	assert_int_equal(run(f)->ncluster, 2);
	f->node.minor = 25;
	p = run(f);
	assert_int_equal(p->ncluster, 0);
	assert_false(p->any_anywhere);
	f->gates[0] = "ProxyTerminatingEndpoints=true";
	f->config.nfeature_gates = 1;
	assert_int_equal(run(f)->ncluster, 2);
}

static void hint(struct k8s_endpoint *e, const char **slot, const char *zone)
{
	*slot = zone;
	e->zone_hints = slot;
	e->nzone_hints = 1;
}

static void test_zone_hints(void **state)
{
	struct fixture *f = *state;
	hint(add_ep(f, "10.244.1.5", "n1", 1, 1, 0), &f->hints[0], "a");
	hint(add_ep(f, "10.244.2.5", "n2", 1, 1, 0), &f->hints[1], "b");
	assert_int_equal(run(f)->ncluster, 2); /* the node has no zone */
	f->zone_label = (struct k8s_label){ "topology.kubernetes.io/zone", "b" };
	f->node_object.meta.labels = (struct k8s_labels){ &f->zone_label, 1 };
	const struct expect_port *p = run(f);
	assert_int_equal(p->ncluster, 1);
	assert_true(p->uses_topology);
	assert_int_equal(p->cluster[0]->addr.b[2], 2);
	assert_int_equal(p->nlocal, 1); /* hints are nothing to policy Local */

	add_ep(f, "10.244.2.6", "n2", 0, 1, 0); /* not ready: its missing hint does not matter */
	assert_int_equal(run(f)->ncluster, 1);
	f->ep[2].ready = 1;
	assert_int_equal(run(f)->ncluster, 3);
	assert_false(run(f)->uses_topology);
	f->ep[2].ready = 0;

	f->node.minor = 30;
	assert_int_equal(run(f)->ncluster, 2);
	f->annotation = (struct k8s_label){ "service.kubernetes.io/topology-mode", "Auto" };
	f->service.meta.annotations = (struct k8s_labels){ &f->annotation, 1 };
	assert_int_equal(run(f)->ncluster, 1);
	f->annotation.value = "disabled";
	assert_int_equal(run(f)->ncluster, 2);
	f->node.minor = 26;
	f->annotation = (struct k8s_label){ "service.kubernetes.io/topology-aware-hints", "auto" };
	assert_int_equal(run(f)->ncluster, 1);
	f->node.minor = 23;
	assert_int_equal(run(f)->ncluster, 2);
}

static void test_node_hints(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 2; i++) {
		struct k8s_endpoint *e =
			add_ep(f, i ? "10.244.2.5" : "10.244.1.5", i ? "n2" : "n1", 1, 1, 0);
		f->hints[i] = i ? "n2" : "n1";
		e->node_hints = &f->hints[i];
		e->nnode_hints = 1;
	}
	assert_int_equal(run(f)->ncluster, 1);
	assert_true(run(f)->cluster[0]->local);
	f->node.minor = 33;
	assert_int_equal(run(f)->ncluster, 2);
}

static void test_nothing_for_skipped(void **state)
{
	struct fixture *f = *state;
	add_ep(f, "10.244.1.5", "n1", 1, 1, 0);
	f->service.headless = true;
	assert_null(run(f));
	assert_int_equal(f->out.nfrontends, 0);
}

static void test_families(void **state)
{
	struct fixture *f = *state;
	f->ips[1] = ip("fd00::5");
	f->service.ncluster_ips = 2;
	add_ep(f, "10.244.1.5", "n1", 1, 1, 0);
	run(f);
	assert_int_equal(f->out.nports, 2);
	assert_int_equal(f->out.ports[0].nall, 1);
	assert_int_equal(f->out.ports[1].family, AF_INET6);
	assert_int_equal(f->out.ports[1].nall, 0);
}

/* ---- answers ---- */

static void two(struct fixture *f)
{
	add_ep(f, "10.244.1.5", "n1", 1, 1, 0);
	add_ep(f, "10.244.2.6", "n2", 1, 1, 0);
}

static void test_cluster_ip(void **state)
{
	struct fixture *f = *state;
	two(f);
	const char *d = "10.96.0.5";
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, d), "T 5,6 n");
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_NODE, NODE, d), "T 5,6 y");
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_OUTSIDE, OUT, d), "T 5,6 y");
	f->config.masquerade_all = 1;
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, d), "T 5,6 y");
	f->config.masquerade_all = 0;
	f->config.ncluster_cidrs = 0;
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_NODE, NODE, d), "T 5,6 n");
	f->config.known = false;
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_NODE, NODE, d), "T 5,6 ?");
}

static void test_detectors(void **state)
{
	struct fixture *f = *state;
	two(f);
	const char *d = "10.96.0.5";
	struct ip_addr pod = ip(POD);
	assert_int_equal(expect_is_local_pod(&f->node, &pod), TRI_TRUE);
	f->config.detect_local_mode = "NodeCIDR";
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, d), "T 5,6 n");
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, "10.244.2.9", d), "T 5,6 y");
	f->config.detect_local_mode = "BridgeInterface";
	f->config.bridge_interface = "cni0";
	assert_int_equal(expect_is_local_pod(&f->node, &pod), TRI_UNKNOWN);
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, d), "T 5,6 n");
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, "10.244.2.9", d), "T 5,6 ?");
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_NODE, NODE, d), "T 5,6 y");
}

static void test_internal_local(void **state)
{
	struct fixture *f = *state;
	two(f);
	f->service.internal_local = true;
	const char *d = "10.96.0.5";
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, d), "T 5 n");
	f->ep[0].node_name = "n3";
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, d), "D");
	f->node.minor = 23;
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, d), "R");
	f->node.minor = 21;
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, d), "T 5,6 n");
	f->node.minor = -1;
	f->slice.nendpoints = 0;
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, d), "R");
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_NODE, NODE, d), "R");
	/* A cluster IP that is the node's own passes INPUT, where nothing refuses it. */
	f->ips[0] = ip("198.51.100.7");
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, "198.51.100.7"), "-");
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_NODE, NODE, "198.51.100.7"), "R");
}

static void test_external_ip(void **state)
{
	struct fixture *f = *state;
	two(f);
	f->external[0] = ip("203.0.113.80");
	f->service.nexternal_ips = 1;
	const char *d = "203.0.113.80";
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_OUTSIDE, OUT, d), "T 5,6 y");
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_POD, POD, d), "T 5,6 y");
	f->node.minor = 23;
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_POD, POD, d), "T 5,6 n");
	f->node.minor = -1;
	f->service.external_local = true;
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_OUTSIDE, OUT, d), "T 5 n");
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_POD, POD, d), "T 5,6 n");
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_NODE, NODE, d), "T 5,6 y");
	/* The bridge's address lies in the pods' prefix: the detector is asked first. */
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_NODE, "10.244.1.1", d), "T 5,6 n");
	f->ep[0].node_name = "n3";
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_OUTSIDE, OUT, d), "D");
	f->config.known = false;
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_POD, POD, d), "-");
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_NODE, NODE, d), "T 5,6 ?");
	f->config.known = true;
	f->slice.nendpoints = 0;
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_OUTSIDE, OUT, d), "R");
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_NODE, NODE, d), "-");
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_LOOPBACK, "127.0.0.1", d), "-");
	f->external[0] = ip("198.51.100.7");
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_NODE, NODE, "198.51.100.7"), "R");
	f->gates[0] = "AllowServiceExternalIPs=false";
	f->config.nfeature_gates = 1;
	run(f);
	assert_null(frontend(f, EXPECT_EXTERNAL_IP));
}

static void test_load_balancer(void **state)
{
	struct fixture *f = *state;
	two(f);
	f->service.type = "LoadBalancer";
	f->ingress[0].ip = ip("203.0.113.81");
	f->ingress[1].hostname = "lb.example";
	f->service.ningress = 2;
	const char *d = "203.0.113.81";
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, d), "T 5,6 y");
	f->ranges[0] = "  198.51.0.0/16 ";
	f->ranges[1] = "2001:db8::/32";
	f->service.nsource_ranges = 2;
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, d), "D");
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_NODE, NODE, d), "D");
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_NODE, d, d), "D");
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, "198.51.3.4", d), "T 5,6 y");
	f->ranges[0] = "192.0.2.0/24";
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_NODE, d, d), "T 5,6 y");
	f->node.ip4.family = 0;
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_NODE, d, d), "-");
	f->ranges[1] = "0.0.0.0/0";
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, d), "T 5,6 y");
	f->ranges[1] = "2001:db8::/32";
	f->slice.nendpoints = 0;
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, d), "R");
	f->ingress[0].ip_mode = "Proxy";
	run(f);
	assert_null(frontend(f, EXPECT_LOAD_BALANCER));
	f->node.minor = 29;
	run(f);
	assert_non_null(frontend(f, EXPECT_LOAD_BALANCER));
}

static void test_node_port(void **state)
{
	struct fixture *f = *state;
	two(f);
	f->service.type = "NodePort";
	f->port.node_port = 30080;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE), "T 5,6 y");
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_LOOPBACK, "127.0.0.1", "127.0.0.1"), "T 5,6 y");
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_LOOPBACK, "127.0.0.1", NODE), "-");
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_POD, POD, "127.0.0.1"), "-");
	const struct expect_frontend *fe = frontend(f, EXPECT_NODE_PORT);
	assert_int_equal(fe->number, 30080);
	assert_true(fe->addrs_known);
	assert_int_equal(fe->naddrs, 4);
	f->service.external_local = true;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE), "T 5 n");
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_LOOPBACK, "127.0.0.1", "127.0.0.1"), "T 5,6 y");
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_NODE, NODE, NODE), "T 5,6 y");
	f->config.localhost_node_ports = 0;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_LOOPBACK, "127.0.0.1", "127.0.0.1"), "-");
	assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, 3);
	f->config.localhost_node_ports = 1;
	f->node_ports[0] = "192.0.2.0/24";
	f->config.nnode_port_addresses = 1;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_LOOPBACK, "127.0.0.1", "127.0.0.1"), "-");
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, "198.51.100.7"), "-");
	assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, 1);
	f->node_ports[0] = "primary";
	run(f);
	assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, 1);
	f->node_ports[0] = "2001:db8::/32"; /* nothing for IPv4: all */
	run(f);
	assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, 4);
	f->slice.nendpoints = 0;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_NODE, NODE, NODE), "R");
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_LOOPBACK, "127.0.0.1", "127.0.0.1"), "R");
}

static void test_claimed_addresses(void **state)
{
	struct fixture *f = *state;
	f->port.node_port = 30080;
	f->facts.addrs_known = false;
	run(f);
	assert_false(frontend(f, EXPECT_NODE_PORT)->addrs_known);
	assert_int_equal(array_push(&f->facts.claimed, ip("192.0.2.1")), 0);
	run(f);
	assert_true(frontend(f, EXPECT_NODE_PORT)->addrs_known);
	assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, 1);
	array_free(&f->facts.claimed);
}

static void test_health_check(void **state)
{
	struct fixture *f = *state;
	f->service.type = "LoadBalancer";
	f->service.health_check_node_port = 32000;
	run(f);
	assert_null(frontend(f, EXPECT_HEALTH_CHECK));
	f->service.external_local = true;
	assert_string_equal(ask(f, EXPECT_HEALTH_CHECK, SOURCE_OUTSIDE, OUT, NODE), "A");
	assert_int_equal(frontend(f, EXPECT_HEALTH_CHECK)->number, 32000);
}

/* ---- rules ---- */

static void test_names(void **state)
{
	(void)state;
	char name[EXPECT_CHAIN_MAX];
	expect_chain_name("KUBE-SVC-", "default", "kubernetes", "https", IPPROTO_TCP, name);
	assert_string_equal(name, "KUBE-SVC-NPX46M4PTMTKRN6Y");
	expect_chain_name("KUBE-EXT-", "default", "web", "", IPPROTO_TCP, name);
	assert_string_equal(name, "KUBE-EXT-LOLE4ISW44XBNF3G");
	expect_chain_name("KUBE-SVC-", "kube-system", "kube-dns", "dns", IPPROTO_UDP, name);
	assert_string_equal(name, "KUBE-SVC-TCOU7JCQXEZGVUNU");
	struct ip_addr a = ip("172.30.99.10");
	expect_sep_name("default", "kubernetes", "https", IPPROTO_TCP, &a, 6443, name);
	assert_string_equal(name, "KUBE-SEP-OCPDH4JI6HV4BGQF");
	a = ip("fd00:10:180::1");
	expect_sep_name("ns1", "svc1", "p80", IPPROTO_TCP, &a, 80, name);
	assert_string_equal(name, "KUBE-SEP-OGYCNMB4EMRUSJ6N");
}

static bool has_rule(const struct expect_rules *r, const char *text)
{
	for (size_t i = 0; i < r->v.len; i++) {
		if (strcmp(r->v.v[i].text, text) == 0) {
			return true;
		}
	}
	return false;
}

static void port_rules(struct fixture *f, size_t port, struct expect_rules *r)
{
	run(f);
	array_free(&r->v);
	assert_int_equal(expect_port_rules(&f->arena, &f->node, &f->out, &f->out.ports[port], r), 0);
}

static void test_rules_interface(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	two(f);
	f->config.detect_local_mode = "InterfaceNamePrefix";
	f->config.interface_prefix = "cali";
	f->port.node_port = 30080;
	f->service.external_local = true;
	f->service.type = "NodePort";
	port_rules(f, 0, &r);
	char svc[EXPECT_CHAIN_MAX], ext[EXPECT_CHAIN_MAX], line[300];
	expect_chain_name("KUBE-SVC-", "ns", "svc", "http", IPPROTO_TCP, svc);
	expect_chain_name("KUBE-EXT-", "ns", "svc", "http", IPPROTO_TCP, ext);
	(void)snprintf(
		line, sizeof(line),
		"-A %s -d 10.96.0.5/32 ! -i cali+ -p tcp -m comment --comment \"ns/svc:http cluster IP\" "
		"-m tcp --dport 80 -j KUBE-MARK-MASQ",
		svc);
	assert_true(has_rule(&r, line));
	(void)snprintf(line, sizeof(line),
		       "-A %s -i cali+ -m comment --comment \"pod traffic for ns/svc:http external "
		       "destinations\" -j %s",
		       ext, svc);
	assert_true(has_rule(&r, line));
	array_free(&r.v);
}

static void test_rules_ipv6(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	f->ips[0] = ip("fd00::5");
	f->service.affinity_client_ip = true;
	f->port.node_port = 30080;
	port_rules(f, 0, &r);
	assert_int_equal(r.v.len, 2);
	assert_true(has_rule(&r, "-A KUBE-SERVICES -d fd00::5/128 -p tcp -m comment --comment "
				 "\"ns/svc:http has no endpoints\" "
				 "-m tcp --dport 80 -j REJECT --reject-with icmp6-port-unreachable"));
	assert_true(has_rule(
		&r,
		"-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment \"ns/svc:http has no endpoints\" "
		"-m addrtype --dst-type LOCAL -m tcp --dport 30080 -j REJECT --reject-with "
		"icmp6-port-unreachable"));
	f->slice.address_type = "IPv6";
	add_ep(f, "fd00:1::5", "n1", 1, 1, 0);
	port_rules(f, 0, &r);
	char sep[EXPECT_CHAIN_MAX], line[400];
	expect_sep_name("ns", "svc", "http", IPPROTO_TCP, &f->ep[0].ip, 8080, sep);
	(void)snprintf(line, sizeof(line),
		       "-A %s -p tcp -m comment --comment \"ns/svc:http\" -m recent --set --name %s --mask "
		       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource -m tcp -j DNAT --to-destination "
		       "[fd00:1::5]:8080",
		       sep, sep);
	assert_true(has_rule(&r, line));
	array_free(&r.v);
}

/*
 * The probabilities of 1/n as iptables-save 1.8.9 prints them after lround(2^31 * p) of
 * kube-proxy's ten decimals.
 */
static void test_probabilities(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	for (int i = 0; i < 7; i++) {
		char a[IP_ADDR_STRLEN];
		(void)snprintf(a, sizeof(a), "10.244.2.%d", i + 5);
		add_ep(f, a, "n2", 1, 1, 0);
	}
	port_rules(f, 0, &r);
	static const char *const want[] = { "0.14285714272", "0.16666666651", "0.20000000019",
					    "0.25000000000", "0.33333333349", "0.50000000000" };
	static const uint8_t order[] = { 10, 11, 5, 6, 7, 8, 9 }; /* by text */
	size_t n = 0;
	for (size_t i = 0; i < r.v.len; i++) {
		if (r.v.v[i].role != ROLE_BALANCE) {
			continue;
		}
		assert_int_equal(r.v.v[i].endpoint->addr.b[3], order[n]);
		const char *p = strstr(r.v.v[i].text, "--probability ");
		if (n < ARRAY_LEN(want)) {
			assert_non_null(p);
			assert_memory_equal(p + strlen("--probability "), want[n], strlen(want[n]));
		} else {
			assert_null(p);
		}
		n++;
	}
	assert_int_equal(n, 7);
	array_free(&r.v);
}

/* ---- the recorded clusters ---- */

struct lab {
	struct arena arena;
	struct k8s_cluster cluster;
	struct node_facts facts;
	struct sd_notes notes;
	struct kube_proxy_config config;
	struct expect_node node;
};

static int take_item(void *arg, json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	struct lab *lab = arg;
	(void)api_version;
	return k8s_decode(&lab->cluster, item, kind, "lab", line, &lab->notes) < 0 ? -1 : 0;
}

static char *read_all(const char *lab, const char *name, size_t *size)
{
	char path[300];
	char *data = NULL;
	(void)snprintf(path, sizeof(path), "tests/corpus/%s/%s", lab, name);
	assert_int_equal(file_read_at(AT_FDCWD, path, 64u << 20, &data, size), 0);
	return data;
}

static void load(struct lab *lab, const char *name, const char *node)
{
	static const char *const files[] = { "cluster/services.json", "cluster/endpointslices.json",
					     "cluster/nodes.json" };
	char path[100];
	size_t size;
	k8s_cluster_init(&lab->cluster);
	node_facts_init(&lab->facts);
	assert_int_equal(node_facts_finish(&lab->facts), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char *data = read_all(name, files[i], &size);
		assert_true(json_each_item(data, size, files[i], &lab->notes, take_item, lab) > 0);
		free(data);
	}
	assert_int_equal(k8s_cluster_finish(&lab->cluster), 0);
	(void)snprintf(path, sizeof(path), "nodes/%s/kube-proxy-configz.json", node);
	char *data = read_all(name, path, &size);
	json_t *o = json_loadb(data, size, 0, NULL);
	assert_non_null(o);
	assert_int_equal(kube_proxy_config_decode(&lab->arena, o, &lab->config), 0);
	json_decref(o);
	free(data);
	lab->node = (struct expect_node){
		.name = node,
		.object = k8s_find_node(&lab->cluster, node),
		.facts = &lab->facts,
		.config = &lab->config,
		.minor = 36,
	};
	assert_non_null(lab->node.object);
	for (size_t i = 0; i < lab->node.object->naddresses; i++) {
		const struct k8s_node_address *a = &lab->node.object->addresses[i];
		if (strcmp(a->type, "InternalIP") == 0) {
			*(a->ip.family == AF_INET ? &lab->node.ip4 : &lab->node.ip6) = a->ip;
		}
	}
}

static void unload(struct lab *lab)
{
	k8s_cluster_release(&lab->cluster);
	node_facts_release(&lab->facts);
	sd_notes_release(&lab->notes);
	arena_release(&lab->arena);
}

typedef ARRAY_OF(char *) lines;

static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "TABLE -A ...", counters dropped. */
static void dumped_lines(struct arena *arena, char *data, lines *ret)
{
	char *save = NULL;
	const char *table = "";
	for (char *l = strtok_r(data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *rule = l[0] == '[' ? strchr(l, ']') + 2 : l;
		if (l[0] == '*') {
			table = l + 1;
		} else if (str_starts(rule, "-A ") && strstr(rule, "KUBE-")) {
			assert_int_equal(array_push(ret, arena_printf(arena, "%s %s", table, rule)), 0);
		}
	}
}

static void expected_lines(struct lab *lab, int family, lines *ret)
{
	struct expect_rules r = { 0 };
	assert_int_equal(expect_common_rules(&lab->arena, &lab->node, family, &r), 0);
	for (size_t i = 0; i < lab->cluster.services.len; i++) {
		struct expect_service s;
		assert_int_equal(expect_service(&lab->arena, &lab->cluster, lab->cluster.services.v[i],
						&lab->node, &s),
				 0);
		for (size_t j = 0; j < s.nports; j++) {
			if (s.ports[j].family == family) {
				assert_int_equal(
					expect_port_rules(&lab->arena, &lab->node, &s, &s.ports[j], &r), 0);
			}
		}
	}
	for (size_t i = 0; i < r.v.len; i++) {
		char *l = arena_printf(&lab->arena, "%s %s", r.v.v[i].table, r.v.v[i].text);
		assert_int_equal(array_push(ret, l), 0);
	}
	array_free(&r.v);
}

/*
 * Puts "TABLE -A CHAIN NUMBER" before each line: its place in the chain, or 0 where kube-proxy
 * walks a Go map and has no order.
 */
static void number_lines(struct arena *arena, lines *l)
{
	static const char *const unordered[] = { "-A KUBE-SERVICES ", "-A KUBE-EXTERNAL-SERVICES ",
						 "-A KUBE-NODEPORTS ", "-A KUBE-PROXY-FIREWALL " };
	lines out = { 0 };
	for (size_t i = 0; i < l->len; i++) {
		const char *chain = strstr(l->v[i], "-A ");
		size_t len = (size_t)(chain + 3 + strcspn(chain + 3, " ") + 1 - l->v[i]);
		unsigned place = 1;
		for (size_t j = 0; j < i; j++) {
			place += strncmp(l->v[j], l->v[i], len) == 0;
		}
		for (size_t j = 0; j < ARRAY_LEN(unordered); j++) {
			place = str_starts(chain, unordered[j]) ? 0 : place;
		}
		assert_int_equal(array_push(&out, arena_printf(arena, "%.*s %03u %s", (int)len, l->v[i],
							       place, l->v[i])),
				 0);
	}
	array_free(l);
	*l = out;
}

/* Both ways: nothing that kube-proxy wrote is missing, and nothing is left over. */
static void compare(const char *name, const char *node, const char *dump, int family)
{
	struct lab lab = { 0 };
	lines have = { 0 }, want = { 0 };
	char path[100];
	size_t size;
	load(&lab, name, node);
	(void)snprintf(path, sizeof(path), "nodes/%s/%s", node, dump);
	char *data = read_all(name, path, &size);
	dumped_lines(&lab.arena, data, &have);
	expected_lines(&lab, family, &want);
	number_lines(&lab.arena, &have);
	number_lines(&lab.arena, &want);
	qsort(have.v, have.len, sizeof(*have.v), line_cmp);
	qsort(want.v, want.len, sizeof(*want.v), line_cmp);
	size_t i = 0, j = 0, differences = 0;
	while (i < have.len || j < want.len) {
		int c = i == have.len ? 1 : j == want.len ? -1 : strcmp(have.v[i], want.v[j]);
		if (c != 0) {
			print_error("%s/%s: %s: %s\n", name, node,
				    c < 0 ? "only in the dump" : "only expected",
				    c < 0 ? have.v[i] : want.v[j]);
			differences++;
		}
		i += c <= 0;
		j += c >= 0;
	}
	assert_int_equal(differences, 0);
	assert_true(have.len > (family == AF_INET ? 150 : 20));
	array_free(&have);
	array_free(&want);
	free(data);
	unload(&lab);
}

static void test_lab_nft(void **state)
{
	(void)state;
	compare("lab-iptables-nft", "node1", "iptables-nft-save.txt", AF_INET);
	compare("lab-iptables-nft", "node2", "iptables-nft-save.txt", AF_INET);
	compare("lab-iptables-nft", "node1", "ip6tables-nft-save.txt", AF_INET6);
	compare("lab-iptables-nft", "node2", "ip6tables-nft-save.txt", AF_INET6);
}

static void test_lab_legacy(void **state)
{
	(void)state;
	compare("lab-iptables-legacy", "node1", "iptables-legacy-save.txt", AF_INET);
	compare("lab-iptables-legacy", "node2", "iptables-legacy-save.txt", AF_INET);
	compare("lab-iptables-legacy", "node1", "ip6tables-legacy-save.txt", AF_INET6);
	compare("lab-iptables-legacy", "node2", "ip6tables-legacy-save.txt", AF_INET6);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_endpoints_of_the_port),
		T(test_doubles_count_once),
		T(test_last_resort),
		T(test_zone_hints),
		T(test_node_hints),
		T(test_nothing_for_skipped),
		T(test_families),
		T(test_cluster_ip),
		T(test_detectors),
		T(test_internal_local),
		T(test_external_ip),
		T(test_load_balancer),
		T(test_node_port),
		T(test_claimed_addresses),
		T(test_health_check),
		cmocka_unit_test(test_names),
		T(test_rules_interface),
		T(test_rules_ipv6),
		T(test_probabilities),
		cmocka_unit_test(test_lab_nft),
		cmocka_unit_test(test_lab_legacy),
	};
	return cmocka_run_group_tests_name("expect", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expected endpoints and answers: by hand for each rule of kube-proxy, and for each version that did otherwise. */

#include "expect-fixture.h"

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

/* A named targetPort is another number in another slice: the port's name binds them together. */
static void test_named_port_that_differs(void **state)
{
	struct fixture *f = *state;
	two(f);
	add_slice(f, 9090, "10.244.1.7", "n1");
	const struct expect_port *p = run(f);
	assert_int_equal(p->ncluster, 3);
	assert_int_equal(p->cluster[0]->port, 8080);
	assert_int_equal(p->cluster[1]->addr.b[3], 7);
	assert_int_equal(p->cluster[1]->port, 9090);
	/* One address with two numbers is two endpoints. */
	f->ep2[0].ip = ip("10.244.1.5");
	assert_int_equal(run(f)->ncluster, 3);
	f->slice2_port.port = 8080;
	assert_int_equal(run(f)->ncluster, 2);
	f->slice2_port.name = "other";
	assert_int_equal(run(f)->ncluster, 2);
}

/* One port number for two protocols, and SCTP: each has the endpoints of its own protocol. */
static void test_protocols(void **state)
{
	struct fixture *f = *state;
	static const struct k8s_service_port ports[] = {
		{ .name = "dns", .proto = IPPROTO_UDP, .port = 53 },
		{ .name = "dns-tcp", .proto = IPPROTO_TCP, .port = 53 },
		{ .name = "sctp", .proto = IPPROTO_SCTP, .port = 53 },
	};
	static const struct k8s_slice_port slice_ports[] = {
		{ .name = "dns", .proto = IPPROTO_UDP, .has_port = true, .port = 5353 },
		{ .name = "dns-tcp", .proto = IPPROTO_TCP, .has_port = true, .port = 5354 },
		{ .name = "sctp", .proto = IPPROTO_TCP, .has_port = true, .port = 5355 },
	};
	two(f);
	f->service.ports = ports;
	f->service.nports = 3;
	f->slice.ports = slice_ports;
	f->slice.nports = 3;
	run(f);
	assert_int_equal(f->out.nports, 3);
	assert_int_equal(f->out.nfrontends, 3);
	assert_int_equal(f->out.ports[0].ncluster, 2);
	assert_int_equal(f->out.ports[0].cluster[0]->port, 5353);
	assert_int_equal(f->out.ports[1].cluster[0]->port, 5354);
	assert_int_equal(f->out.ports[2].nall, 0); /* of another protocol */
	assert_int_equal(f->out.frontends[2].proto, IPPROTO_SCTP);
}

/* Slices made by hand or mirrored from Endpoints count as all others; without nodeName an endpoint is on no node. */
static void test_manual_slices(void **state)
{
	struct fixture *f = *state;
	add_ep(f, "198.51.100.20", NULL, 1, -1, -1);
	f->slice.managed_by = "staff";
	add_slice(f, 8080, "198.51.100.21", NULL);
	f->slice2.managed_by = "endpointslicemirroring-controller.k8s.io";
	const struct expect_port *p = run(f);
	assert_int_equal(p->ncluster, 2);
	assert_int_equal(p->nlocal, 0);
	/* The same endpoint in both counts once, the one that knows its node goes first. */
	f->ep2[0].ip = ip("198.51.100.20");
	f->ep2[0].node_name = "n1";
	p = run(f);
	assert_int_equal(p->ncluster, 1);
	assert_true(p->cluster[0]->local);
	f->slice2.address_type = "FQDN";
	f->slice.nendpoints = 0;
	assert_int_equal(run(f)->nall, 0);
}

/* kube-proxy knows its node in lower case. */
static void test_node_name(void **state)
{
	struct fixture *f = *state;
	two(f);
	f->node.name = "N1";
	assert_int_equal(run(f)->nlocal, 1);
	for (int i = 0; i < 2; i++) {
		f->hints[i] = i ? "n2" : "n1";
		f->ep[i].node_hints = &f->hints[i];
		f->ep[i].nnode_hints = 1;
	}
	assert_int_equal(run(f)->ncluster, 1);
	f->node.name = NULL;
	assert_int_equal(run(f)->nlocal, 0);
	assert_int_equal(run(f)->ncluster, 2);
}

/* kube-proxy reads hints; trafficDistribution is a matter of who sets them. */
static void test_traffic_distribution(void **state)
{
	struct fixture *f = *state;
	two(f);
	f->service.traffic_distribution = "PreferSameZone";
	f->zone_label = (struct k8s_label){ "topology.kubernetes.io/zone", "a" };
	f->node_object.meta.labels = (struct k8s_labels){ &f->zone_label, 1 };
	f->ep[0].zone = "a";
	f->ep[1].zone = "b";
	assert_int_equal(run(f)->ncluster, 2);
	hint(&f->ep[0], &f->hints[0], "a");
	assert_int_equal(run(f)->ncluster, 2); /* one has none: none counts */
	hint(&f->ep[1], &f->hints[1], "b");
	assert_int_equal(run(f)->ncluster, 1);
	hint(&f->ep[0], &f->hints[0], "c");
	assert_int_equal(run(f)->ncluster, 2); /* none for this zone */
	/* Where not every one has a node hint, zone hints decide. */
	f->hints[2] = "n2";
	f->ep[1].node_hints = &f->hints[2];
	f->ep[1].nnode_hints = 1;
	hint(&f->ep[0], &f->hints[0], "a");
	const struct expect_port *p = run(f);
	assert_int_equal(p->ncluster, 1);
	assert_int_equal(p->cluster[0]->addr.b[3], 5);
}

static void test_serving(void **state)
{
	struct fixture *f = *state;
	add_ep(f, "10.244.1.5", "n1", 0, 0, 1);
	add_ep(f, "10.244.2.6", "n2", 0, 1, 0);
	const struct expect_port *p = run(f); /* serving and not terminating is no last resort, nor the reverse */
	assert_int_equal(p->ncluster, 0);
	assert_false(p->any_anywhere);
	/* publishNotReadyAddresses is in the slice's own conditions already. */
	f->service.publish_not_ready = true;
	assert_int_equal(run(f)->ncluster, 0);
	f->ep[1].ready = 1;
	f->ep[1].serving = 0;
	assert_int_equal(run(f)->ncluster, 1);
}

static void test_left_alone(void **state)
{
	struct fixture *f = *state;
	two(f);
	label(f, &f->service.meta.labels, "service.kubernetes.io/service-proxy-name", "");
	assert_null(run(f));
	label(f, &f->service.meta.labels, "service.kubernetes.io/headless", "");
	assert_non_null(run(f));
	f->node.minor = 34;
	assert_null(run(f));
	f->service.meta.labels = (struct k8s_labels){ 0 };
	label(f, &f->slice.meta.labels, "service.kubernetes.io/service-proxy-name", "other");
	assert_int_equal(run(f)->nall, 0);
	f->node.minor = 35;
	assert_int_equal(run(f)->nall, 2);
	f->service.type = "ExternalName";
	assert_null(run(f));
	f->service.type = "ClusterIP";
	f->service.ncluster_ips = 0;
	assert_null(run(f));
}

/* ---- answers ---- */

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
	f->node.minor = 20; /* writes no rule for it */
	run(f);
	assert_null(frontend(f, EXPECT_HEALTH_CHECK));
}

/* Up to 1.23 one policy took endpoints from the other. */
static void test_policies_before_1_24(void **state)
{
	struct fixture *f = *state;
	two(f);
	f->port.node_port = 30080;
	f->service.type = "NodePort";
	f->service.internal_local = true;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE), "T 5,6 y");
	f->node.minor = 23;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE), "T 5 y");
	f->ep[0].node_name = "n3";
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE), "R");
	f->service.external_local = true;
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, "10.96.0.5"), "T 5,6 n");
	f->node.minor = 24;
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_NODE, NODE, "10.96.0.5"), "D");
	/* Hints as well: with the gate, for policy Cluster only. */
	f->zone_label = (struct k8s_label){ "topology.kubernetes.io/zone", "a" };
	f->node_object.meta.labels = (struct k8s_labels){ &f->zone_label, 1 };
	hint(&f->ep[0], &f->hints[0], "a");
	hint(&f->ep[1], &f->hints[1], "b");
	label(f, &f->service.meta.annotations, "service.kubernetes.io/topology-aware-hints", "Auto");
	f->service.internal_local = false;
	assert_int_equal(run(f)->ncluster, 1);
	f->node.minor = 23;
	f->gates[0] = "TopologyAwareHints=true";
	f->config.nfeature_gates = 1;
	assert_int_equal(run(f)->ncluster, 2);
	f->service.external_local = false;
	assert_int_equal(run(f)->ncluster, 1);
}

/* Up to 1.24 what must be dropped got a mark that INPUT and OUTPUT look at: what is forwarded goes on. */
static void test_drops_before_1_25(void **state)
{
	struct fixture *f = *state;
	two(f);
	f->ep[0].node_name = "n3";
	f->service.type = "LoadBalancer";
	f->port.node_port = 30080;
	f->service.external_local = true;
	f->ingress[0].ip = ip("203.0.113.81");
	f->service.ningress = 1;
	f->node.minor = 24;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE), "D");
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, "203.0.113.81"), "-");
	f->ranges[0] = "198.51.100.0/24";
	f->service.nsource_ranges = 1;
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, "203.0.113.81"), "-");
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_NODE, NODE, "203.0.113.81"), "D");
	f->ingress[0].ip = ip("198.51.100.7"); /* the node's own */
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, "198.51.100.7"), "D");
	f->ingress[0].ip = ip("203.0.113.81");
	f->node.minor = 25;
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, "203.0.113.81"), "D");
}

static void test_external_ip_before_1_24(void **state)
{
	struct fixture *f = *state;
	two(f);
	f->external[0] = ip("203.0.113.80");
	f->service.nexternal_ips = 1;
	const char *d = "203.0.113.80";
	f->node.minor = 20;
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_OUTSIDE, OUT, d), "T 5,6 y");
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_POD, POD, d), "-");
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_NODE, NODE, d), "-");
	f->external[0] = ip("198.51.100.7"); /* the node's own */
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_POD, POD, "198.51.100.7"), "T 5,6 y");
	f->external[0] = ip(d);
	f->node.minor = 21;
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_POD, POD, d), "T 5,6 n");
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_NODE, NODE, d), "T 5,6 y");
	f->config.ncluster_cidrs = 0; /* without detector nobody is a pod */
	assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_POD, POD, d), "T 5,6 y");
}

static void test_source_ranges(void **state)
{
	static const struct {
		const char *range, *source, *want;
	} cases[] = {
		{ "198.51.100.77/24", "198.51.100.1", "T 5,6 y" }, /* bits behind the mask */
		{ "198.51.100.77/24", "198.51.101.1", "D" },
		{ "\t198.51.100.0/24\n", "198.51.100.1", "T 5,6 y" },
		{ "0198.051.100.0/24", "198.51.100.1", "T 5,6 y" }, /* zeros in front, as Go's sloppy parser reads them */
		{ "2001:db8::/32", OUT, "T 5,6 y" },		    /* of the other family: no limit is left */
		{ "nonsense", OUT, "T 5,6 y" },
		{ "198.51.100.1", OUT, "T 5,6 y" }, /* no prefix */
		{ "0.0.0.0/0", OUT, "T 5,6 y" },
		{ "198.51.100.1/32", "198.51.100.1", "T 5,6 y" },
		{ "198.51.100.1/32", "198.51.100.2", "D" },
	};
	struct fixture *f = *state;
	two(f);
	f->service.type = "LoadBalancer";
	f->port.node_port = 30080;
	f->ingress[0].ip = ip("203.0.113.81");
	f->service.ningress = 1;
	f->external[0] = ip("203.0.113.80");
	f->service.nexternal_ips = 1;
	f->service.nsource_ranges = 1;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		f->ranges[0] = cases[i].range;
		assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, cases[i].source, "203.0.113.81"), cases[i].want);
		/* They hold for load-balancer IPs only. */
		assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE), "T 5,6 y");
		assert_string_equal(ask(f, EXPECT_EXTERNAL_IP, SOURCE_OUTSIDE, OUT, "203.0.113.80"), "T 5,6 y");
		assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_OUTSIDE, OUT, "10.96.0.5"), "T 5,6 y");
	}
	/* Pods are kept out as well, before policy Local lets them through. */
	f->service.external_local = true;
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_POD, POD, "203.0.113.81"), "D");
}

/* Load balancer, node port and external IP of one Service with policy Local. */
static void test_external_local(void **state)
{
	static const struct {
		enum expect_kind kind;
		const char *dst;
	} kinds[] = {
		{ EXPECT_LOAD_BALANCER, "203.0.113.81" }, { EXPECT_EXTERNAL_IP, "203.0.113.80" }, { EXPECT_NODE_PORT, NODE },
	};
	struct fixture *f = *state;
	two(f);
	f->service.type = "LoadBalancer";
	f->service.external_local = true;
	f->port.node_port = 30080;
	f->ingress[0].ip = ip("203.0.113.81");
	f->service.ningress = 1;
	f->external[0] = ip("203.0.113.80");
	f->service.nexternal_ips = 1;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		f->ep[0].node_name = "n1";
		assert_string_equal(ask(f, kinds[i].kind, SOURCE_OUTSIDE, OUT, kinds[i].dst), "T 5 n");
		assert_string_equal(ask(f, kinds[i].kind, SOURCE_POD, POD, kinds[i].dst), "T 5,6 n");
		assert_string_equal(ask(f, kinds[i].kind, SOURCE_NODE, NODE, kinds[i].dst), "T 5,6 y");
		f->ep[0].node_name = "n3";
		assert_string_equal(ask(f, kinds[i].kind, SOURCE_OUTSIDE, OUT, kinds[i].dst), "D");
		assert_string_equal(ask(f, kinds[i].kind, SOURCE_POD, POD, kinds[i].dst), "T 5,6 n");
	}
	/* The cluster IP asks for the other policy. */
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, "10.96.0.5"), "T 5,6 n");
	/* Policy Local of a Service that nobody outside can reach is not looked at. */
	f->service.type = "ClusterIP";
	f->service.nexternal_ips = 0;
	f->service.ningress = 0;
	f->port.node_port = 0;
	f->service.internal_local = true;
	f->node.minor = 23;
	assert_string_equal(ask(f, EXPECT_CLUSTER_IP, SOURCE_POD, POD, "10.96.0.5"), "R");
}

static void test_dual_stack(void **state)
{
	struct fixture *f = *state;
	two(f);
	f->ips[1] = ip("fd00::5");
	f->service.ncluster_ips = 2;
	f->service.type = "LoadBalancer";
	f->port.node_port = 30080;
	f->ingress[0].ip = ip("203.0.113.81");
	f->ingress[1].ip = ip("2001:db8::81");
	f->service.ningress = 2;
	run(f);
	/* A cluster IP, a load-balancer IP and a node port in each family. */
	assert_int_equal(f->out.nfrontends, 6);
	for (size_t i = 0; i < f->out.nfrontends; i++) {
		const struct expect_frontend *fe = &f->out.frontends[i];
		bool six = fe->port->family == AF_INET6;
		struct ip_addr src = ip(six ? "2001:db8::9" : OUT), dst = six ? ip("2001:db8::81") : ip("203.0.113.81");
		struct expect_answer a;
		if (fe->kind != EXPECT_LOAD_BALANCER) {
			continue;
		}
		assert_int_equal(fe->addr.family, fe->port->family);
		expect_answer(&f->node, fe, SOURCE_OUTSIDE, &src, &dst, &a);
		assert_int_equal(a.verdict, six ? EXPECT_REJECT : EXPECT_TRANSLATE); /* endpoints of one family only */
	}
}

static void test_node_port_addresses(void **state)
{
	struct fixture *f = *state;
	two(f);
	f->port.node_port = 30080;
	f->service.type = "NodePort";
	f->node_ports[0] = "127.0.0.0/8";
	f->config.nnode_port_addresses = 1;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_LOOPBACK, "127.0.0.1", "127.0.0.1"), "T 5,6 y");
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE), "-");
	f->node_ports[1] = "0.0.0.0/0";
	f->config.nnode_port_addresses = 2;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE), "T 5,6 y");
	f->node_ports[0] = "primary";
	f->config.nnode_port_addresses = 1;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE), "T 5,6 y");
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, "198.51.100.7"), "-");
	/* IPv6: never on ::1; a family without a primary address takes all. */
	struct node_address own[] = { { .addr = ip("2001:db8::1"), .plen = 64, .ifname = "eth0" },
				      { .addr = ip("::1"), .plen = 128, .ifname = "lo" } };
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		assert_int_equal(array_push(&f->facts.addrs, own[i]), 0);
	}
	f->ips[0] = ip("fd00::5");
	run(f);
	assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, 1);
	f->config.nnode_port_addresses = 0;
	run(f);
	assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, 1);
	f->node_ports[0] = "fd00::/8";
	f->config.nnode_port_addresses = 1;
	run(f);
	assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_named_port_that_differs),
		T(test_protocols),
		T(test_manual_slices),
		T(test_node_name),
		T(test_traffic_distribution),
		T(test_serving),
		T(test_left_alone),
		T(test_policies_before_1_24),
		T(test_drops_before_1_25),
		T(test_external_ip_before_1_24),
		T(test_source_ranges),
		T(test_external_local),
		T(test_dual_stack),
		T(test_node_port_addresses),
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
	};
	return cmocka_run_group_tests_name("expect", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must be true, by mode of kube-proxy: every row for iptables, nftables and IPVS side by side. */

#include "expect-fixture.h"

#define LB "203.0.113.81"
#define EXT "203.0.113.80"
#define CIP "10.96.0.5"
#define BRIDGE "10.244.1.1"

/* What a packet must find: "T 5,6 y" as ask() writes it, in iptables, nftables and IPVS mode. */
struct row {
	enum expect_kind kind;
	enum expect_source source;
	const char *src, *dst;
	const char *want[3];
};

static void check_rows(struct fixture *f, const char *what, const struct row *rows, size_t n)
{
	static const char *const names[] = { "iptables", "nftables", "ipvs" };
	for (size_t i = 0; i < n; i++) {
		for (int m = MODE_IPTABLES; m <= MODE_IPVS; m++) {
			f->node.mode = (enum expect_mode)m;
			const char *got = ask(f, rows[i].kind, rows[i].source, rows[i].src, rows[i].dst);
			if (strcmp(got, rows[i].want[m]) != 0) {
				fail_msg("%s, row %zu (%s to %s), %s: '%s' instead of '%s'", what, i, rows[i].src,
					 rows[i].dst, names[m], got, rows[i].want[m]);
			}
		}
	}
}
#define check(f, what, rows) check_rows(f, what, rows, ARRAY_LEN(rows))

/* A load balancer with every kind of address. */
static void all_kinds(struct fixture *f)
{
	f->service.type = "LoadBalancer";
	f->port.node_port = 30080;
	f->ingress[0].ip = ip(LB);
	f->service.ningress = 1;
	f->external[0] = ip(EXT);
	f->service.nexternal_ips = 1;
}

static void test_policy_cluster(void **state)
{
	static const struct row rows[] = {
		{ EXPECT_CLUSTER_IP, SOURCE_POD, POD, CIP, { "T 5,6 n", "T 5,6 n", "T 5,6 n" } },
		{ EXPECT_CLUSTER_IP, SOURCE_OUTSIDE, OUT, CIP, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
		{ EXPECT_CLUSTER_IP, SOURCE_NODE, NODE, CIP, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
		{ EXPECT_CLUSTER_IP, SOURCE_NODE, CIP, CIP, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
		{ EXPECT_CLUSTER_IP, SOURCE_LOOPBACK, "127.0.0.1", CIP, { "-", "-", "-" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_POD, POD, LB, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
		{ EXPECT_EXTERNAL_IP, SOURCE_POD, POD, EXT, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
	};
	struct fixture *f = *state;
	two(f);
	all_kinds(f);
	check(f, "policy Cluster", rows);
}

static void test_local_here(void **state)
{
	static const struct row rows[] = {
		{ EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, LB, { "T 5 n", "T 5 n", "T 5 n" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_POD, POD, LB, { "T 5,6 n", "T 5,6 n", "T 5 n" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_NODE, NODE, LB, { "T 5,6 y", "T 5,6 y", "T 5 n" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_NODE, LB, LB, { "T 5,6 y", "T 5,6 y", "T 5 n" } },
		{ EXPECT_EXTERNAL_IP, SOURCE_OUTSIDE, OUT, EXT, { "T 5 n", "T 5 n", "T 5 n" } },
		{ EXPECT_EXTERNAL_IP, SOURCE_POD, POD, EXT, { "T 5,6 n", "T 5,6 n", "T 5 n" } },
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE, { "T 5 n", "T 5 n", "T 5 n" } },
		{ EXPECT_NODE_PORT, SOURCE_NODE, NODE, NODE, { "T 5,6 y", "T 5,6 y", "T 5 n" } },
		{ EXPECT_CLUSTER_IP, SOURCE_POD, POD, CIP, { "T 5,6 n", "T 5,6 n", "T 5,6 n" } },
	};
	struct fixture *f = *state;
	two(f);
	all_kinds(f);
	f->service.external_local = true;
	check(f, "policy Local, one endpoint here", rows);
}

static void test_local_elsewhere(void **state)
{
	static const struct row rows[] = {
		{ EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, LB, { "D", "D", "T 6 n" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_POD, POD, LB, { "T 6 n", "T 6 n", "T 6 n" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_NODE, NODE, LB, { "T 6 y", "T 6 y", "T 6 n" } },
		{ EXPECT_EXTERNAL_IP, SOURCE_OUTSIDE, OUT, EXT, { "D", "D", "T 6 n" } },
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE, { "D", "D", "T 6 n" } },
		{ EXPECT_NODE_PORT, SOURCE_POD, POD, NODE, { "T 6 n", "T 6 n", "T 6 n" } },
	};
	static const struct row internal[] = {
		{ EXPECT_CLUSTER_IP, SOURCE_POD, POD, CIP, { "D", "D", "T 6 n" } },
		{ EXPECT_CLUSTER_IP, SOURCE_NODE, NODE, CIP, { "D", "D", "T 6 y" } },
	};
	struct fixture *f = *state;
	add_ep(f, "10.244.2.6", "n2", 1, 1, 0);
	all_kinds(f);
	f->service.external_local = true;
	check(f, "policy Local, endpoints elsewhere", rows);
	f->service.internal_local = true;
	check(f, "internal policy Local, endpoints elsewhere", internal);
	/* Before 1.34 nftables refused to the node itself before it translated. */
	f->node.mode = MODE_NFTABLES;
	f->node.minor = 33;
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_NODE, NODE, LB), "-");
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_POD, POD, LB), "T 6 n");
	f->node.minor = 34;
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_NODE, NODE, LB), "T 6 y");
}

static void test_no_endpoints(void **state)
{
	static const struct row rows[] = {
		{ EXPECT_CLUSTER_IP, SOURCE_POD, POD, CIP, { "R", "R", "R" } },
		{ EXPECT_CLUSTER_IP, SOURCE_NODE, NODE, CIP, { "R", "R", "R" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, LB, { "R", "R", "R" } },
		/* iptables mode refuses nothing of the kind in OUTPUT. */
		{ EXPECT_LOAD_BALANCER, SOURCE_NODE, NODE, LB, { "-", "R", "R" } },
		{ EXPECT_EXTERNAL_IP, SOURCE_NODE, NODE, EXT, { "-", "R", "R" } },
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE, { "R", "R", "R" } },
		/* Not a node-port address in nftables mode, so not refused either. */
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, BRIDGE, { "R", "-", "R" } },
	};
	static const struct row bound[] = {
		{ EXPECT_CLUSTER_IP, SOURCE_POD, POD, CIP, { "-", "R", "R" } },
	};
	struct fixture *f = *state;
	all_kinds(f);
	f->service.external_local = true;
	check(f, "no endpoints", rows);
	/* The cluster IP is left on the node: packets to it pass INPUT. */
	struct node_address left = { .addr = ip(CIP), .plen = 32, .ifname = "kube-ipvs0" };
	assert_int_equal(array_push(&f->facts.addrs, left), 0);
	assert_int_equal(node_facts_finish(&f->facts), 0);
	check(f, "no endpoints, cluster IP on the node", bound);
}

static void test_source_ranges(void **state)
{
	static const struct row with[] = {
		{ EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, "198.51.100.9", LB, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, LB, { "D", "D", "D" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_POD, POD, LB, { "D", "D", "D" } },
		/* By its source; IPVS mode has a rule for the node's address alone. */
		{ EXPECT_LOAD_BALANCER, SOURCE_NODE, NODE, LB, { "D", "D", "T 5,6 y" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_NODE, "198.51.100.7", LB, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_NODE, LB, LB, { "D", "D", "D" } },
		{ EXPECT_EXTERNAL_IP, SOURCE_OUTSIDE, OUT, EXT, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
	};
	static const struct row without[] = {
		{ EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, LB, { "R", "D", "D" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, "198.51.100.9", LB, { "R", "R", "R" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_NODE, LB, LB, { "-", "D", "R" } },
	};
	static const struct row own[] = {
		{ EXPECT_LOAD_BALANCER, SOURCE_NODE, LB, LB, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, LB, { "D", "D", "D" } },
	};
	/* The load-balancer IP itself is in the ranges, and the node's address is not. */
	static const struct row virtual[] = {
		{ EXPECT_LOAD_BALANCER, SOURCE_NODE, LB, LB, { "T 5,6 y", "T 5,6 y", "D" } },
	};
	struct fixture *f = *state;
	two(f);
	all_kinds(f);
	f->ranges[0] = "203.0.113.80/30";
	f->service.nsource_ranges = 1;
	check(f, "source ranges with the load-balancer IP", virtual);
	f->ranges[0] = "198.51.100.0/24";
	f->service.nsource_ranges = 1;
	check(f, "source ranges", with);
	f->slice.nendpoints = 0;
	check(f, "source ranges, no endpoints", without);
	f->slice.nendpoints = 2;
	f->ranges[1] = "192.0.2.0/24";
	f->service.nsource_ranges = 2;
	check(f, "source ranges with the node's own address", own);
	f->node.mode = MODE_IPVS;
	f->service.nsource_ranges = 1;
	f->node.minor = 28;
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_NODE, LB, LB), "T 5,6 y");
	f->node.minor = -1;
	f->node.ip4.family = 0;
	assert_string_equal(ask(f, EXPECT_LOAD_BALANCER, SOURCE_NODE, LB, LB), "-");
}

static void test_node_port_addresses(void **state)
{
	static const struct row rows[] = {
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, BRIDGE, { "T 5,6 y", "-", "T 5,6 y" } },
		{ EXPECT_NODE_PORT, SOURCE_LOOPBACK, "127.0.0.1", "127.0.0.1", { "T 5,6 y", "-", "-" } },
	};
	static const struct row listed[] = {
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE, { "-", "-", "-" } },
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, BRIDGE, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
	};
	static const struct row localhost[] = {
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE, { "-", "-", "-" } },
		{ EXPECT_NODE_PORT, SOURCE_LOOPBACK, "127.0.0.1", "127.0.0.1", { "T 5,6 y", "-", "-" } },
	};
	static const struct row rows_of_both[] = {
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, BRIDGE, { "-", "-", "-" } },
		{ EXPECT_NODE_PORT, SOURCE_LOOPBACK, "127.0.0.1", "127.0.0.1", { "T 5,6 y", "-", "-" } },
	};
	static const size_t naddrs[] = { 4, 1, 3 };
	struct fixture *f = *state;
	two(f);
	f->service.type = "NodePort";
	f->port.node_port = 30080;
	check(f, "node-port addresses", rows);
	for (int m = MODE_IPTABLES; m <= MODE_IPVS; m++) {
		f->node.mode = (enum expect_mode)m;
		run(f);
		assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, naddrs[m]);
		assert_true(frontend(f, EXPECT_NODE_PORT)->addrs_known);
	}
	f->node_ports[0] = "10.244.1.0/24";
	f->config.nnode_port_addresses = 1;
	check(f, "node-port addresses that are listed", listed);
	/* Asked for, or before 1.30: all but loopback in nftables mode. */
	f->node.mode = MODE_NFTABLES;
	f->node_ports[0] = "0.0.0.0/0";
	f->config.nnode_port_addresses = 1;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, BRIDGE), "T 5,6 y");
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_LOOPBACK, "127.0.0.1", "127.0.0.1"), "-");
	assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, 3);
	f->config.nnode_port_addresses = 0;
	f->node.minor = 29;
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, BRIDGE), "T 5,6 y");
	f->node.minor = -1;
	/* Words among the prefixes: since 1.37, in every mode. */
	f->node_ports[0] = "localhost";
	f->config.nnode_port_addresses = 1;
	check(f, "localhost", localhost);
	f->node_ports[1] = "primary";
	f->config.nnode_port_addresses = 2;
	check(f, "localhost and primary", rows_of_both);
	f->node_ports[1] = "all";
	assert_string_equal(ask(f, EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, BRIDGE), "T 5,6 y");
	f->config.nnode_port_addresses = 0;
	f->node.mode = MODE_NFTABLES;
	/* No primary address, and nobody to ask for it. */
	f->node.ip4.family = 0;
	f->node.object = NULL;
	struct ip_addr node = ip(NODE);
	assert_int_equal(expect_answers_node_ports(&f->node, &node), TRI_UNKNOWN);
}

/* A family without primary address takes all but loopback; IPVS mode has nothing on fe80:: and on kube-ipvs0. */
static void test_node_port_addresses6(void **state)
{
	static const size_t naddrs[] = { 2, 2, 1 };
	struct fixture *f = *state;
	const struct node_address own[] = {
		{ .addr = ip("2001:db8::1"), .plen = 64, .ifname = "eth0" },
		{ .addr = ip("fe80::1"), .plen = 64, .ifname = "eth0" },
		{ .addr = ip("fd00::5"), .plen = 128, .ifname = "kube-ipvs0" },
		{ .addr = ip("::1"), .plen = 128, .ifname = "lo" },
	};
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		assert_int_equal(array_push(&f->facts.addrs, own[i]), 0);
	}
	f->ips[0] = ip("fd00::5");
	f->port.node_port = 30080;
	for (int m = MODE_IPTABLES; m <= MODE_IPVS; m++) {
		f->node.mode = (enum expect_mode)m;
		run(f);
		assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, naddrs[m]);
		assert_true(ip_addr_equal(&frontend(f, EXPECT_NODE_PORT)->addrs[0], &own[0].addr));
	}
}

/* An address that only a local route has: on the node for addrtype, no virtual server in IPVS mode. */
static void test_local_route(void **state)
{
	static const size_t naddrs[] = { 5, 4, 3 };
	struct fixture *f = *state;
	struct node_route r = { .type = RT_LOCAL, .dst = prefix("203.0.113.200/32"), .dev = "eth0" };
	assert_int_equal(array_push(&f->facts.routes, r), 0);
	f->facts.routes_known = true;
	f->port.node_port = 30080;
	f->node_ports[0] = "0.0.0.0/0";
	f->config.nnode_port_addresses = 1;
	for (int m = MODE_IPTABLES; m <= MODE_IPVS; m++) {
		f->node.mode = (enum expect_mode)m;
		run(f);
		assert_int_equal(frontend(f, EXPECT_NODE_PORT)->naddrs, naddrs[m]);
	}
}

static void test_no_detector(void **state)
{
	static const struct row cluster[] = {
		{ EXPECT_CLUSTER_IP, SOURCE_OUTSIDE, OUT, CIP, { "T 5,6 n", "T 5,6 n", "T 5,6 n" } },
		{ EXPECT_CLUSTER_IP, SOURCE_POD, POD, CIP, { "T 5,6 n", "T 5,6 n", "T 5,6 n" } },
		{ EXPECT_CLUSTER_IP, SOURCE_NODE, CIP, CIP, { "T 5,6 n", "T 5,6 n", "T 5,6 y" } },
	};
	static const struct row local[] = {
		{ EXPECT_LOAD_BALANCER, SOURCE_POD, POD, LB, { "T 5 n", "T 5 n", "T 5 n" } },
	};
	static const struct row all[] = {
		{ EXPECT_CLUSTER_IP, SOURCE_POD, POD, CIP, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
	};
	struct fixture *f = *state;
	two(f);
	all_kinds(f);
	f->config.ncluster_cidrs = 0;
	check(f, "no local detector", cluster);
	f->service.external_local = true;
	check(f, "no local detector, policy Local", local);
	f->config.masquerade_all = 1;
	check(f, "masqueradeAll", all);
}

/* Virtual addresses are local ones in IPVS mode: who shares its number with a node port is masqueraded as that. */
static void test_port_of_a_node_port(void **state)
{
	static const struct row own[] = {
		{ EXPECT_CLUSTER_IP, SOURCE_POD, POD, CIP, { "T 5,6 n", "T 5,6 n", "T 5,6 y" } },
		{ EXPECT_EXTERNAL_IP, SOURCE_POD, POD, EXT, { "T 5,6 y", "T 5,6 y", "T 5,6 y" } },
	};
	static const struct row local[] = {
		{ EXPECT_CLUSTER_IP, SOURCE_POD, POD, CIP, { "T 5,6 n", "T 5,6 n", "T 5,6 n" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, LB, { "T 5 n", "T 5 n", "T 5 n" } },
	};
	static const struct row others[] = {
		{ EXPECT_CLUSTER_IP, SOURCE_POD, POD, CIP, { "T 5,6 n", "T 5,6 n", "T 5,6 y" } },
		{ EXPECT_LOAD_BALANCER, SOURCE_OUTSIDE, OUT, LB, { "T 5 n", "T 5 n", "T 5 y" } },
		{ EXPECT_EXTERNAL_IP, SOURCE_OUTSIDE, OUT, EXT, { "T 5 n", "T 5 n", "T 5 n" } },
		{ EXPECT_NODE_PORT, SOURCE_OUTSIDE, OUT, NODE, { "T 5 n", "T 5 n", "T 5 n" } },
	};
	struct fixture *f = *state;
	struct k8s_service_port ports[] = { { .name = "a", .proto = IPPROTO_UDP, .port = 1, .node_port = 30080 },
					    { .name = "b", .proto = IPPROTO_TCP, .port = 2, .node_port = 30080 } };
	struct k8s_service other = f->service;
	other.meta.name = "other";
	other.ports = ports;
	other.nports = 1;
	two(f);
	all_kinds(f);
	f->port.port = 30080;
	check(f, "its own node port", own);
	f->service.external_local = true;
	check(f, "its own node port, policy Local", local);
	f->port.node_port = 30081;
	check(f, "nobody's node port", local);
	assert_int_equal(array_push(&f->cluster.services, &other), 0);
	check(f, "another's node port of another protocol", local);
	other.nports = 2;
	check(f, "another's node port", others);
	other.type = "NodePort";
	other.external_local = true;
	check(f, "another's node port of policy Local", local);
	other.external_local = false;
	other.headless = true;
	check(f, "a Service that kube-proxy leaves alone", local);
	array_free(&f->cluster.services);
}

static void test_health_check(void **state)
{
	struct fixture *f = *state;
	all_kinds(f);
	f->service.external_local = true;
	f->service.health_check_node_port = 32000;
	assert_string_equal(ask(f, EXPECT_HEALTH_CHECK, SOURCE_OUTSIDE, OUT, NODE), "A");
	f->node.mode = MODE_IPVS;
	assert_string_equal(ask(f, EXPECT_HEALTH_CHECK, SOURCE_OUTSIDE, OUT, NODE), "A");
	f->node.mode = MODE_NFTABLES;
	run(f);
	assert_null(frontend(f, EXPECT_HEALTH_CHECK));
}

static enum tri hairpin(struct fixture *f, size_t endpoint)
{
	run(f);
	struct expect_answer a = { .verdict = EXPECT_TRANSLATE, .masquerade = TRI_FALSE };
	const struct expect_endpoint *e = &f->out.ports[0].all[endpoint];
	return expect_masquerade(&f->node, &a, e, &e->addr);
}

static void test_hairpin(void **state)
{
	static const enum tri elsewhere[] = { TRI_TRUE, TRI_FALSE, TRI_FALSE };
	struct fixture *f = *state;
	two(f);
	for (int m = MODE_IPTABLES; m <= MODE_IPVS; m++) {
		f->node.mode = (enum expect_mode)m;
		assert_int_equal(hairpin(f, 0), TRI_TRUE);
		assert_int_equal(hairpin(f, 1), elsewhere[m]);
	}
	f->node.mode = MODE_NFTABLES;
	f->node.minor = 35;
	assert_int_equal(hairpin(f, 1), TRI_TRUE);
	struct expect_answer a = { .verdict = EXPECT_TRANSLATE, .masquerade = TRI_UNKNOWN };
	struct ip_addr pod = ip(POD);
	assert_int_equal(expect_masquerade(&f->node, &a, &f->out.ports[0].all[0], &pod), TRI_UNKNOWN);
}

static void test_own_source(void **state)
{
	struct fixture *f = *state;
	struct ip_addr dst = ip(CIP), src = { 0 };
	assert_false(expect_own_source(&f->node, &dst, &src));
	f->node.mode = MODE_NFTABLES;
	assert_false(expect_own_source(&f->node, &dst, &src));
	assert_int_equal(src.family, 0);
	f->node.mode = MODE_IPVS;
	assert_true(expect_own_source(&f->node, &dst, &src));
	assert_true(ip_addr_equal(&src, &dst));
}

/* The verdict's letters in iptables, nftables and IPVS mode. */
static const char *caught(struct fixture *f, enum expect_catch what, enum expect_source source, const char *dst)
{
	static char text[4];
	struct ip_addr d = ip(dst);
	for (int m = MODE_IPTABLES; m <= MODE_IPVS; m++) {
		struct expect_answer a;
		f->node.mode = (enum expect_mode)m;
		expect_catch_all(&f->node, &f->cluster, what, source, &d, &a);
		assert_non_null(a.why);
		text[m] = "TRDA-"[a.verdict];
	}
	return text;
}

static void test_catch_all(void **state)
{
	struct fixture *f = *state;
	const struct ip_prefix range = prefix("10.96.0.0/16");
	struct k8s_service_cidr cidr = { .cidrs = &range, .ncidrs = 1 };
	assert_int_equal(array_push(&f->cluster.service_cidrs, &cidr), 0);

	assert_string_equal(caught(f, CATCH_CLUSTER_IP_PORT, SOURCE_POD, CIP), "-RR");
	assert_string_equal(caught(f, CATCH_CLUSTER_IP_PORT, SOURCE_NODE, CIP), "-RR");
	assert_string_equal(caught(f, CATCH_CLUSTER_IP_PORT, SOURCE_LOOPBACK, CIP), "---");
	assert_string_equal(caught(f, CATCH_EXTERNAL_PORT, SOURCE_OUTSIDE, LB), "--R");
	assert_string_equal(caught(f, CATCH_EXTERNAL_PORT, SOURCE_OUTSIDE, NODE), "---");
	assert_string_equal(caught(f, CATCH_UNUSED_CLUSTER_IP, SOURCE_POD, "10.96.7.7"), "-D-");
	assert_string_equal(caught(f, CATCH_UNUSED_CLUSTER_IP, SOURCE_NODE, "10.96.7.7"), "-D-");
	assert_string_equal(caught(f, CATCH_UNUSED_CLUSTER_IP, SOURCE_POD, "10.97.0.1"), "---");
	f->node.minor = 32;
	assert_string_equal(caught(f, CATCH_UNUSED_CLUSTER_IP, SOURCE_POD, "10.96.7.7"), "---");
	f->gates[0] = "MultiCIDRServiceAllocator=true";
	f->config.nfeature_gates = 1;
	assert_string_equal(caught(f, CATCH_UNUSED_CLUSTER_IP, SOURCE_POD, "10.96.7.7"), "-D-");
	f->node.minor = 29;
	assert_string_equal(caught(f, CATCH_CLUSTER_IP_PORT, SOURCE_POD, CIP), "--R");
	f->node.minor = 25;
	assert_string_equal(caught(f, CATCH_CLUSTER_IP_PORT, SOURCE_POD, CIP), "---");
	f->node.minor = -1;

	/* On the node itself packets pass INPUT, where nftables mode does not look. */
	struct node_address left = { .addr = ip(CIP), .plen = 32, .ifname = "kube-ipvs0" };
	assert_int_equal(array_push(&f->facts.addrs, left), 0);
	assert_int_equal(node_facts_finish(&f->facts), 0);
	assert_string_equal(caught(f, CATCH_CLUSTER_IP_PORT, SOURCE_POD, CIP), "--R");
	assert_string_equal(caught(f, CATCH_CLUSTER_IP_PORT, SOURCE_NODE, CIP), "-RR");
	f->facts.addrs_known = false;
	assert_string_equal(caught(f, CATCH_EXTERNAL_PORT, SOURCE_OUTSIDE, LB), "---");
	array_free(&f->cluster.service_cidrs);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_policy_cluster),
		T(test_local_here),
		T(test_local_elsewhere),
		T(test_no_endpoints),
		T(test_source_ranges),
		T(test_node_port_addresses),
		T(test_node_port_addresses6),
		T(test_local_route),
		T(test_no_detector),
		T(test_port_of_a_node_port),
		T(test_health_check),
		T(test_hairpin),
		T(test_own_source),
		T(test_catch_all),
	};
	return cmocka_run_group_tests_name("expect_modes", tests, NULL, NULL);
}

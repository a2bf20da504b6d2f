/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The readers of `ip -j`, `bridge -j fdb` and sysctl: recorded nodes, the forms that they lack, and damage. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "facts.h"

typedef int (*reader)(struct node_facts *, const char *, size_t, const char *, struct sd_notes *);

static int read_text(struct fixture *x, reader fn, const char *text)
{
	return fn(&x->f, text, strlen(text), "test.json", &x->notes);
}

static void read_file_of(struct fixture *x, reader fn, const char *node, const char *name)
{
	char path[256], *data = NULL;
	size_t size;

	snprintf(path, sizeof(path), "tests/corpus/%s/%s", node, name);
	assert_int_equal(file_read_at(AT_FDCWD, path, SOURCE_FILE_MAX, &data, &size), 0);
	assert_int_equal(fn(&x->f, data, size, name, &x->notes), 0);
	free(data);
}

static void read_node(struct fixture *x, const char *node)
{
	read_file_of(x, read_ip_addr, node, "ip-addr.json");
	read_file_of(x, read_ip_link, node, "ip-link.json");
	read_file_of(x, read_ip_route, node, "ip-route.json");
	read_file_of(x, read_ip_rule, node, "ip-rule.json");
	read_file_of(x, read_ip_neigh, node, "ip-neigh.json");
	read_file_of(x, read_bridge_fdb, node, "bridge-fdb.json");
	read_file_of(x, read_sysctl, node, "sysctl.txt");
	assert_int_equal(x->notes.len, 0);
	assert_int_equal(node_facts_finish(&x->f), 0);
}

static void assert_addr(const struct ip_addr *a, const char *want)
{
	char buf[IP_ADDR_STRLEN];

	if (!want[0])
		assert_int_equal(a->family, 0);
	else
		assert_string_equal(ip_addr_format(a, buf), want);
}

static struct node_route_result route_to(const struct fixture *x, const char *dst, const char *src, const char *iif)
{
	struct node_route_query q = { .dst = facts_addr(dst), .iif = iif };
	struct node_route_result r;

	if (src)
		q.src = facts_addr(src);
	node_route_lookup(&x->f, &q, &r);
	return r;
}

static void test_ipvs_node(void **state)
{
	struct fixture *x = *state;
	const struct node_link *l;
	struct node_route_result r;
	struct ip_addr a;

	read_node(x, "lab-ipvs/nodes/node1");
	assert_true(x->f.addrs_known && x->f.links_known && x->f.routes_known && x->f.rules_known &&
		    x->f.neigh_known && x->f.fdb_known && x->f.sysctl_known);
	assert_false(x->f.rules6_known);
	assert_int_equal(x->f.rules.len, 3);
	assert_int_equal(x->f.links.len, 6);
	l = node_link_by_name(&x->f, "vetha");
	assert_non_null(l);
	assert_string_equal(l->kind, "veth");
	assert_string_equal(l->master, "cni0");
	assert_int_equal(l->ifindex, 4);
	assert_int_equal(l->mtu, 1500);
	assert_int_equal(l->promiscuity, 1);
	assert_int_equal(l->hairpin, 1);
	assert_true(l->is_bridge_port && l->up && !l->promisc && !l->loopback);
	l = node_link_by_name(&x->f, "cni0");
	assert_string_equal(l->kind, "bridge");
	assert_int_equal(l->nf_call_iptables, 0);
	assert_int_equal(l->hairpin, -1);
	assert_false(node_link_by_name(&x->f, "kube-ipvs0")->up);
	assert_true(node_link_by_name(&x->f, "lo")->loopback);
	assert_null(node_link_by_name(&x->f, "eth9"));

	/* A ClusterIP on kube-ipvs0 is local; so is node2's address, which a Service stole. */
	a = facts_addr("10.96.0.10");
	assert_int_equal(node_is_local(&x->f, &a), TRI_TRUE);
	assert_int_equal(node_addr_type(&x->f, &a, NULL), 2);
	assert_int_equal(node_addr_type(&x->f, &a, "kube-ipvs0"), 2);
	assert_int_equal(node_addr_type(&x->f, &a, "eth0"), 1);
	a = facts_addr("172.30.99.2");
	assert_int_equal(node_is_local(&x->f, &a), TRI_TRUE);
	a = facts_addr("10.244.1.7");
	assert_int_equal(node_is_local(&x->f, &a), TRI_FALSE);
	a = facts_addr("10.244.1.255");
	assert_int_equal(node_addr_type(&x->f, &a, NULL), 3);
	r = route_to(x, "10.244.2.9", NULL, NULL);
	assert_int_equal(r.kind, NR_UNICAST);
	assert_string_equal(r.dev, "eth0");
	assert_addr(&r.gateway, "172.30.99.2");
	assert_addr(&r.src, "172.30.99.1");
	assert_null(r.unknown);
	r = route_to(x, "10.244.1.9", "10.244.2.1", "eth0");
	assert_string_equal(r.dev, "cni0");
	assert_int_equal(r.gateway.family, 0);
	r = route_to(x, "10.96.0.10", NULL, NULL);
	assert_int_equal(r.kind, NR_LOCAL);
	assert_string_equal(r.dev, "lo");
	assert_addr(&r.src, "10.96.0.10");
	r = route_to(x, "2001:db8::1", NULL, NULL);
	assert_int_equal(r.kind, NR_NONE);
	a = facts_addr("172.30.99.254");
	assert_int_equal(node_select_source(&x->f, "eth0", &a, &a), TRI_TRUE);
	assert_addr(&a, "172.30.99.1");
}

static void test_all_nodes(void **state)
{
	static const char *const nodes[] = {
		"lab-iptables-nft/nodes/node1",
		"lab-iptables-nft/nodes/node2",
		"lab-iptables-legacy/nodes/node1",
		"lab-iptables-legacy/nodes/node2",
		"lab-nftables/nodes/node1",
		"lab-nftables/nodes/node2",
		"lab-ipvs/nodes/node1",
		"lab-ipvs/nodes/node2",
	};

	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		struct fixture *x = *state;

		read_node(x, nodes[i]);
		assert_true(x->f.addrs.len > 4 && x->f.routes.len > 10 && x->f.rules.len == 3 && x->f.neigh.len > 1 &&
			    x->f.fdb.len > 4);
		assert_int_equal(node_conf(&x->f, AF_INET, "all", "forwarding"), 1);
		assert_int_equal(node_conf(&x->f, AF_INET, "eth0", "no-such"), -1);
		assert_string_equal(node_sysctl(&x->f, "net.ipv4.ip_forward"), "1");
		for (size_t j = 0; j < x->f.addrs.len; j++)
			assert_int_equal(node_is_local(&x->f, &x->f.addrs.v[j].addr), TRI_TRUE);
		assert_int_equal(facts_teardown(state), 0);
		assert_int_equal(facts_setup(state), 0);
	}
}

static void test_flows_node(void **state)
{
	struct fixture *x = *state;
	struct ip_addr a = facts_addr("192.168.99.11"), b = facts_addr("192.168.99.12"), lo = facts_addr("127.1.2.3");
	struct node_route_result r;

	read_file_of(x, read_ip_addr, "flows-iptables/002", "ip-addr.json");
	assert_int_equal(node_facts_finish(&x->f), 0);
	assert_int_equal(node_is_local(&x->f, &a), TRI_TRUE);
	assert_int_equal(node_is_local(&x->f, &lo), TRI_TRUE);
	assert_int_equal(node_is_local(&x->f, &b), TRI_FALSE);
	assert_int_equal(node_addr_type(&x->f, &a, NULL), 2);
	assert_int_equal(node_addr_type(&x->f, &b, NULL), 1);
	r = route_to(x, "192.168.99.12", NULL, NULL);
	assert_int_equal(r.kind, NR_UNKNOWN);
	assert_non_null(r.unknown);
	r = route_to(x, "192.168.99.11", NULL, NULL);
	assert_int_equal(r.kind, NR_LOCAL);
}

static void test_route_forms(void **state)
{
	struct fixture *x = *state;
	const struct node_route *t;

	assert_int_equal(
		read_text(
			x, read_ip_route,
			"[{\"dst\":\"10.5.0.0/"
			"16\",\"gateway\":\"10.0.0.5\",\"dev\":\"v0\",\"table\":\"77\",\"protocol\":\"bird\","
			"\"prefsrc\":\"10.0.0.2\",\"metric\":40,\"flags\":[]},\n"
			"{\"dst\":\"10.5.0.0/"
			"16\",\"gateway\":\"10.0.0.5\",\"dev\":\"v0\",\"table\":\"default\",\"flags\":[]},\n"
			"{\"dst\":\"10.1.0.0/"
			"16\",\"flags\":[],\"nexthops\":[{\"gateway\":\"10.0.0.3\",\"dev\":\"v0\",\"weight\":2,"
			"\"flags\":[\"dead\",\"linkdown\"]},"
			"{\"dev\":\"v2\",\"weight\":3,\"flags\":[]}]},\n"
			"{\"dst\":\"10.2.0.0/"
			"16\",\"via\":{\"family\":\"inet6\",\"host\":\"fd00::9\"},\"dev\":\"v0\",\"flags\":[]},\n"
			"{\"dst\":\"10.3.0.0/"
			"16\",\"nhid\":5,\"gateway\":\"10.0.0.4\",\"dev\":\"v0\",\"flags\":[\"linkdown\"]},\n"
			"{\"type\":\"blackhole\",\"dst\":\"default\",\"flags\":[]},\n"
			"{\"type\":\"blackhole\",\"dst\":\"default\",\"dev\":\"lo\",\"metric\":1024,\"flags\":[],"
			"\"pref\":\"medium\"},\n"
			"{\"dst\":\"10.6.0.0/16\",\"dev\":\"v0\",\"scope\":\"77\",\"flags\":[]},\n"
			"{\"dst\":\"10.6.1.0/24\",\"tos\":\"0x10\",\"dev\":\"v0\",\"scope\":\"link\",\"flags\":[]},\n"
			"{\"type\":\"2\",\"dst\":\"10.0.0.1\",\"dev\":\"v0\",\"table\":\"255\",\"scope\":\"254\","
			"\"flags\":[]},\n"
			"{\"dst\":\"fd06::/64\",\"from\":\"fd00::/"
			"64\",\"gateway\":\"fd00::5\",\"dev\":\"v0\",\"metric\":1024,\"pref\":\"medium\"},\n"
			"{\"type\":\"unreachable\",\"dst\":\"default\",\"dev\":\"lo\",\"table\":\"unspec\","
			"\"metric\":4294967295,\"error\":-101},\n"
			"{\"dst\":\"10.8.0.0/"
			"16\",\"dev\":\"v0\",\"table\":\"blue\"},{\"dst\":\"default\",\"via\":{\"family\":\"inet6\","
			"\"host\":\"fe80::1\"},\"dev\":\"v0\"}]\n"),
		0);
	assert_int_equal(x->notes.len, 0);
	assert_int_equal(x->f.routes.len, 13);
	t = x->f.routes.v;
	assert_int_equal(t[0].table, 77);
	assert_int_equal(t[0].metric, 40);
	assert_addr(&t[0].prefsrc, "10.0.0.2");
	assert_int_equal(t[1].table, 253);
	assert_true(t[2].multipath && !t[2].dead && t[2].nhops == 2 && t[2].hops[0].dead && !t[2].has_gateway);
	assert_string_equal(t[2].dev, "v2");
	assert_int_equal(t[3].family, AF_INET);
	assert_addr(&t[3].gateway, "fd00::9");
	assert_true(t[4].linkdown && !t[4].dead);
	assert_int_equal(t[5].type, RT_BLACKHOLE);
	assert_int_equal(t[5].family, AF_INET);
	assert_int_equal(t[6].family, AF_INET6);
	assert_int_equal(t[7].scope, 77);
	assert_int_equal(t[8].scope, SCOPE_LINK);
	assert_int_equal(t[8].tos, 0x10);
	assert_int_equal(t[9].type, RT_LOCAL);
	assert_int_equal(t[9].table, 255);
	assert_int_equal(t[9].scope, SCOPE_HOST);
	assert_int_equal(t[10].from.len, 64);
	assert_true(t[11].table & 0x80000000u);
	assert_int_equal(t[12].family, AF_INET);
}

static void test_rule_forms(void **state)
{
	struct fixture *x = *state;
	const struct node_rule *u;

	assert_int_equal(
		read_text(x, read_ip_rule,
			  "[{\"priority\":0,\"src\":\"all\",\"table\":\"local\"},{\"priority\":90,\"src\":\"all\","
			  "\"fwmark\":\"0x5\",\"table\":\"300\"},\n"
			  "{\"priority\":100,\"src\":\"all\",\"fwmark\":\"0x4000\",\"fwmask\":\"0x4000\",\"table\":"
			  "\"77\",\"protocol\":\"unspec\"},\n"
			  "{\"priority\":101,\"not\":null,\"src\":\"10.0.0.0\",\"srclen\":8,\"dst\":\"10.4.4.4\","
			  "\"iif\":\"v0\",\"oif\":\"v2\",\"table\":\"77\"},\n"
			  "{\"priority\":102,\"src\":\"all\",\"table\":\"main\",\"suppress_prefixlen\":0},\n"
			  "{\"priority\":103,\"src\":\"all\",\"ipproto\":\"tcp\",\"sport\":80,\"table\":\"77\"},\n"
			  "{\"priority\":104,\"src\":\"all\",\"uid_start\":0,\"uid_end\":9,\"table\":\"77\"},\n"
			  "{\"priority\":200,\"src\":\"all\",\"dst\":\"10.200.0.1\",\"action\":\"blackhole\"},{"
			  "\"priority\":201,\"src\":\"all\",\"action\":\"7\"},\n"
			  "{\"priority\":203,\"src\":\"all\",\"goto\":32766},{\"priority\":204,\"src\":\"all\","
			  "\"nop\":null},\n"
			  "{\"priority\":1000,\"src\":\"all\",\"l3mdev\":null},{\"priority\":1002,\"src\":"
			  "\"nonsense\",\"table\":\"77\"},\n"
			  "{\"priority\":32766,\"src\":\"all\",\"table\":\"main\"},{\"priority\":32767,\"src\":"
			  "\"all\",\"table\":\"default\"}]\n"
			  "[{\"priority\":0,\"src\":\"all\",\"table\":\"local\"},{\"priority\":10,\"src\":\"fd00::\","
			  "\"srclen\":64,\"fwmark\":\"0x1\",\"table\":\"77\"},"
			  "{\"priority\":32766,\"src\":\"all\",\"table\":\"main\"}]"),
		0);
	assert_true(x->f.rules_known && x->f.rules6_known);
	assert_int_equal(x->notes.len, 1);
	assert_int_equal(x->notes.v[0].line, 9);
	assert_int_equal(x->f.rules.len, 18);
	u = x->f.rules.v;
	assert_int_equal(u[0].table, 255);
	assert_int_equal(u[0].family, AF_INET);
	assert_int_equal(u[1].fwmask, 0xffffffffu);
	assert_int_equal(u[2].fwmask, 0x4000);
	assert_true(u[3].invert && !u[3].unknown && u[3].src.len == 8 && u[3].dst.len == 32);
	assert_string_equal(u[3].iif, "v0");
	assert_string_equal(u[3].oif, "v2");
	assert_string_equal(u[3].text, "101: not from 10.0.0.0/8 to 10.4.4.4/32 iif v0 oif v2 lookup 77");
	assert_int_equal(u[4].suppress, 1);
	assert_false(u[4].unknown);
	assert_true(u[5].unknown && u[6].unknown);
	assert_string_equal(u[7].action, "blackhole");
	assert_string_equal(u[8].action, "unreachable");
	assert_string_equal(u[9].action, "goto");
	assert_int_equal(u[9].goto_priority, 32766);
	assert_string_equal(u[10].action, "nop");
	assert_string_equal(u[11].action, "l3mdev");
	assert_true(u[12].unknown);
	for (size_t i = 15; i < 18; i++)
		assert_int_equal(u[i].family, AF_INET6);
}

static void test_rule_families(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(read_text(x, read_ip_rule,
				   "[{\"priority\":0,\"src\":\"all\",\"table\":\"local\"},"
				   "{\"priority\":32766,\"src\":\"all\",\"table\":\"main\"}]"),
			 0);
	assert_true(!x->f.rules_known && x->f.rules6_known);
	assert_int_equal(read_text(x, read_ip_rule, "[]"), SD_EPARSE);
	assert_false(x->f.rules_known);
}

/* A list that looks like the other family's, and one that goes on where the first ends. */
static void test_rule_families_said(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(read_text(x, read_ip_rule,
				   "[{\"priority\":0,\"src\":\"all\",\"table\":\"local\",\"family\":\"inet\"},"
				   "{\"priority\":5,\"src\":\"all\",\"table\":\"main\",\"family\":\"inet\"},"
				   "{\"priority\":5,\"src\":\"all\",\"table\":\"default\",\"family\":\"inet6\"}]"),
			 0);
	assert_true(x->f.rules_known && x->f.rules6_known);
	assert_int_equal(x->f.rules.len, 3);
	assert_int_equal(x->f.rules.v[1].family, AF_INET);
	assert_int_equal(x->f.rules.v[2].family, AF_INET6);
	assert_string_equal(x->f.rules.v[2].text, "5: from all lookup default");
	assert_false(x->f.rules.v[2].unknown);
}

static void test_addr_forms(void **state)
{
	struct fixture *x = *state;
	const struct node_address *a;

	assert_int_equal(
		read_text(x, read_ip_addr,
			  "[{},{\"ifindex\":5,\"ifname\":\"v2\",\"addr_info\":["
			  "{\"family\":\"inet\",\"local\":\"10.7.0.1\",\"prefixlen\":24,\"scope\":\"150\","
			  "\"noprefixroute\":true},"
			  "{\"family\":\"inet\",\"local\":\"10.0.1.2\",\"address\":\"10.0.1.3\",\"prefixlen\":32,"
			  "\"scope\":\"global\",\"secondary\":true},"
			  "{\"family\":\"inet6\",\"local\":\"fd00::2\",\"prefixlen\":64,\"scope\":\"253\","
			  "\"deprecated\":true,\"tentative\":true,\"temporary\":true},"
			  "{\"local\":\"10.0.0.300\",\"prefixlen\":24},{\"local\":\"10.0.0.3\",\"prefixlen\":99},7,"
			  "{\"local\":\"10.0.0.4\",\"prefixlen\":24}]}]"),
		0);
	assert_int_equal(x->f.addrs.len, 4);
	a = x->f.addrs.v;
	assert_int_equal(a[0].scope, 150);
	assert_string_equal(a[0].ifname, "v2");
	assert_addr(&a[1].peer, "10.0.1.3");
	assert_true(a[1].secondary);
	assert_true(a[2].deprecated && a[2].tentative && a[2].temporary && a[2].scope == SCOPE_LINK);
	assert_addr(&a[3].addr, "10.0.0.4");
	assert_true(x->notes.len >= 3);
	assert_true(x->f.addrs_known);
}

static void test_link_forms(void **state)
{
	struct fixture *x = *state;
	const struct node_link *l;

	assert_int_equal(read_text(x, read_ip_link,
				   "[{\"ifindex\":2,\"ifname\":\"br0\",\"flags\":[\"BROADCAST\",\"PROMISC\"],\"mtu\":"
				   "1450,\"linkinfo\":{\"info_kind\":\"bridge\","
				   "\"info_data\":{\"nf_call_iptables\":1,\"nf_call_ip6tables\":0}}},"
				   "{\"ifindex\":3,\"ifname\":\"p\",\"flags\":[\"UP\"],\"master\":\"br0\","
				   "\"linkinfo\":{\"info_kind\":\"vlan\",\"info_slave_kind\":\"bridge\","
				   "\"info_slave_data\":{\"hairpin\":false}}},"
				   "{\"ifindex\":4,\"ifname\":\"tunl0\",\"flags\":[\"NOARP\",\"POINTOPOINT\"],"
				   "\"linkinfo\":{\"info_kind\":\"ipip\",\"info_data\":{\"proto\":\"ipip\"}}},"
				   "{\"ifindex\":5,\"ifname\":\"wg0\",\"flags\":[\"POINTOPOINT\",\"NOARP\",\"UP\"],"
				   "\"linkinfo\":{\"info_kind\":\"wireguard\"}},"
				   "{\"ifindex\":6,\"ifname\":\"e\",\"flags\":[]}]"),
			 0);
	l = x->f.links.v;
	assert_true(l[0].promisc && l[0].nf_call_iptables == 1 && l[0].nf_call_ip6tables == 0 &&
		    l[0].promiscuity == -1);
	assert_true(l[1].is_bridge_port && l[1].hairpin == 0 && l[1].up);
	assert_true(l[2].pointopoint && !l[2].is_bridge_port && l[2].hairpin == -1);
	assert_string_equal(l[3].kind, "wireguard");
	assert_null(l[4].kind);
}

static void test_neigh_fdb(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(read_text(x, read_ip_neigh,
				   "[{\"dst\":\"10.0.0.2\",\"dev\":\"v0\",\"lladdr\":\"02:00:00:00:00:01\",\"state\":"
				   "[\"REACHABLE\"]},"
				   "{\"dst\":\"fe80::1\",\"dev\":\"v0\",\"router\":null,\"state\":[\"FAILED\"]},{"
				   "\"dst\":\"x\",\"dev\":\"v0\"}]"),
			 0);
	assert_int_equal(x->f.neigh.len, 2);
	assert_string_equal(x->f.neigh.v[0].state, "REACHABLE");
	assert_null(x->f.neigh.v[1].mac);
	assert_int_equal(x->notes.len, 1);
	read_file_of(x, read_bridge_fdb, "lab-ipvs/nodes/node1", "bridge-fdb.json");
	for (size_t i = 0; i < x->f.fdb.len; i++) {
		const struct node_fdb *b = &x->f.fdb.v[i];

		if (strcmp(b->mac, "66:d1:5c:bd:7a:23") == 0) {
			assert_string_equal(b->port, "vetha");
			assert_string_equal(b->master, "cni0");
			assert_false(b->permanent || b->self);
			return;
		}
	}
	fail();
}

static void test_sysctl(void **state)
{
	struct fixture *x = *state;
	static const char text[] = "net.ipv4.ip_forward = 1\r\n"
				   "net.ipv4.vs.sync_threshold = 3\t50\n"
				   "sysctl: reading key \"net.ipv6.conf.all.stable_secret\"\n"
				   "sysctl: permission denied on key 'net.core.bpf_jit_harden'\n"
				   "net.ipv4.conf.eth0/5.rp_filter = 2\n"
				   "net.ipv4.conf.eth0.rp_filter=0\n"
				   "\n"
				   "what is this\n"
				   "kernel.core_pattern = |/bin/x %P a=b\n"
				   "net.ipv4.conf.v1.rp_filter = abc\n"
				   "net.ipv4.empty =\n"
				   "net.ipv4.conf.la";

	assert_int_equal(read_text(x, read_sysctl, text), 0);
	assert_string_equal(node_sysctl(&x->f, "net.ipv4.ip_forward"), "1");
	assert_string_equal(node_sysctl(&x->f, "net.ipv4.vs.sync_threshold"), "3\t50");
	assert_string_equal(node_sysctl(&x->f, "kernel.core_pattern"), "|/bin/x %P a=b");
	assert_string_equal(node_sysctl(&x->f, "net.ipv4.empty"), "");
	assert_int_equal(node_conf(&x->f, AF_INET, "eth0.5", "rp_filter"), 2);
	assert_int_equal(node_conf(&x->f, AF_INET, "eth0/5", "rp_filter"), 2);
	assert_int_equal(node_conf(&x->f, AF_INET, "eth0", "rp_filter"), 0);
	assert_int_equal(node_conf(&x->f, AF_INET, "v1", "rp_filter"), -1);
	assert_int_equal(node_conf(&x->f, AF_INET6, "eth0", "rp_filter"), -1);
	assert_int_equal(x->notes.len, 3);
	assert_int_equal(x->notes.v[0].line, 8);
	assert_int_equal(x->notes.v[1].line, 12);
	assert_int_equal(x->notes.v[2].line, 3);
	assert_false(x->notes.v[2].fatal_to_part);
	assert_int_equal(read_sysctl(&x->f, "", 0, "s", &x->notes), SD_EPARSE);
}

static void check_socket(const struct node_socket *s, uint8_t proto, const char *addr, uint16_t port, const char *process)
{
	char buf[IP_ADDR_STRLEN];

	assert_int_equal(s->proto, proto);
	assert_int_equal(s->port, port);
	assert_string_equal(s->addr.family ? ip_addr_format(&s->addr, buf) : "*", addr);
	assert_int_equal(s->process != NULL, process != NULL);
	if (process)
		assert_string_equal(s->process, process);
}

static void test_ss(void **state)
{
	static const char text[] = "Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:PortProcess\n"
				   "udp   UNCONN 0      0      127.0.0.53%lo:53          0.0.0.0:*\n"
				   "tcp   LISTEN 0      4096       127.0.0.1:10248       0.0.0.0:*    users:((\"kubelet\",pid=1,fd=3))\n"
				   "tcp   LISTEN 0      128             [::]:22             [::]:*\n"
				   "tcp   LISTEN 0      4096               *:10250             *:*    users:((\"kubelet\",pid=1,fd=9),(\"x\",pid=2,fd=1))\n"
				   "udp   UNCONN 0      0      [fe80::1]%eth0:546           [::]:*\r\n"
				   "u_str LISTEN 0      128    /run/x.sock 1234                * 0\n"
				   "\n"
				   "tcp   ESTAB  0      0      10.0.0.1:22   10.0.0.2:4000\n";
	static const char plain[] = "State  Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0 128 0.0.0.0:30080 0.0.0.0:*\nUNCONN 0 0 0.0.0.0:68 0.0.0.0:*";
	struct fixture *x = *state;

	assert_int_equal(read_text(x, read_ss, text), 0);
	assert_int_equal(x->notes.len, 0);
	assert_true(x->f.sockets_known);
	assert_int_equal(x->f.sockets.len, 5);
	check_socket(&x->f.sockets.v[0], IPPROTO_UDP, "127.0.0.53", 53, NULL);
	check_socket(&x->f.sockets.v[1], IPPROTO_TCP, "127.0.0.1", 10248, "kubelet");
	check_socket(&x->f.sockets.v[2], IPPROTO_TCP, "::", 22, NULL);
	check_socket(&x->f.sockets.v[3], IPPROTO_TCP, "*", 10250, "kubelet");
	check_socket(&x->f.sockets.v[4], IPPROTO_UDP, "fe80::1", 546, NULL);
	assert_int_equal(read_text(x, read_ss, plain), 0);
	assert_int_equal(x->f.sockets.len, 7);
	check_socket(&x->f.sockets.v[5], IPPROTO_TCP, "0.0.0.0", 30080, NULL);
	check_socket(&x->f.sockets.v[6], IPPROTO_UDP, "0.0.0.0", 68, NULL);
	/* none listens, and that is known */
	assert_int_equal(read_text(x, read_ss, "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"), 0);
	assert_true(x->f.sockets_known);
	/* damage */
	assert_int_equal(read_text(x, read_ss, "tcp LISTEN 0 128 10.0.0.1:http 0.0.0.0:*\ntcp LISTEN 0 128\nwhat\ntcp LISTEN 0 1 :80 *:*\n"), SD_EPARSE);
	assert_int_equal(x->notes.len, 5);
	assert_int_equal(x->notes.v[0].line, 1);
	assert_int_equal(read_ss(&x->f, "", 0, "s", &x->notes), SD_EPARSE);
}

/* Every reader gets every file of a node, cut at many places and with bytes flipped: none may crash, damage is noted.
 */
static void test_damage(void **state)
{
	static const struct {
		reader fn;
		const char *name;
	} files[] = {
		{ read_ip_addr, "ip-addr.json" },   { read_ip_link, "ip-link.json" },
		{ read_ip_route, "ip-route.json" }, { read_ip_rule, "ip-rule.json" },
		{ read_ip_neigh, "ip-neigh.json" }, { read_bridge_fdb, "bridge-fdb.json" },
		{ read_sysctl, "sysctl.txt" },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[256], *data = NULL;
		size_t size;

		snprintf(path, sizeof(path), "tests/corpus/lab-nftables/nodes/node1/%s", files[i].name);
		assert_int_equal(file_read_at(AT_FDCWD, path, SOURCE_FILE_MAX, &data, &size), 0);
		for (size_t j = 0; j < 60; j++) {
			struct fixture *x = *state;
			char *cut = malloc(size + 1);
			size_t len = j % 2 ? size : size * j / 60;
			int e;

			memcpy(cut, data, size);
			if (j % 2)
				cut[(size * j / 60) % size] ^= (char)(1 << (j % 7));
			cut[len] = '\0';
			e = files[i].fn(&x->f, cut, len, files[i].name, &x->notes);
			assert_true(e == 0 || e == SD_EPARSE);
			assert_true(e == 0 || x->notes.len > 0);
			if (j % 2 == 0 && i < 6)
				assert_true(x->notes.len > 0);
			free(cut);
			assert_int_equal(node_facts_finish(&x->f), 0);
			assert_int_equal(facts_teardown(state), 0);
			assert_int_equal(facts_setup(state), 0);
		}
		free(data);
	}
}

/* What was read before the damage stays. */
static void test_truncated_keeps(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(
		read_text(x, read_ip_route,
			  "[{\"dst\":\"default\",\"gateway\":\"10.0.0.1\",\"dev\":\"e\"},\n{\"dst\":\"10.0.0"),
		0);
	assert_int_equal(x->f.routes.len, 1);
	assert_int_equal(x->notes.len, 1);
	assert_true(x->notes.v[0].fatal_to_part);
	assert_int_equal(x->notes.v[0].line, 2);
	assert_int_equal(read_text(x, read_ip_route, "default via 10.0.0.1 dev e\n"), SD_EPARSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ipvs_node, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_all_nodes, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_flows_node, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_route_forms, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_rule_forms, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_rule_families, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_rule_families_said, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_addr_forms, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_link_forms, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_neigh_fdb, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_ss, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_sysctl, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_damage, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_truncated_keeps, facts_setup, facts_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

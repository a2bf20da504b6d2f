/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPVS mode: virtual servers, ipset members, addresses and rules by hand, and all that kube-proxy v1.36.2 made in the
 * recorded cluster, nothing missing and nothing left over.
 */

#include "expect-fixture.h"
#include "expect-lab.h"

/* ---- by hand ---- */

static const struct expect_rule *find(const struct expect_rules *r, enum expect_part part, const char *text)
{
	for (size_t i = 0; i < r->v.len; i++) {
		if (r->v.v[i].part == part && strcmp(r->v.v[i].text, text) == 0) {
			return &r->v.v[i];
		}
	}
	return NULL;
}

#define assert_has(r, part, text) \
	do { \
		if (!find(r, part, text)) { \
			fail_msg("no '%s'", text); \
		} \
	} while (0)

static void port_rules(struct fixture *f, struct expect_rules *r)
{
	f->node.mode = MODE_IPVS;
	run(f);
	array_free(&r->v);
	assert_int_equal(expect_port_rules(&f->arena, &f->node, &f->out, &f->out.ports[0], r), 0);
}

static void common_rules(struct fixture *f, int family, struct expect_rules *r)
{
	f->node.mode = MODE_IPVS;
	array_free(&r->v);
	assert_int_equal(expect_common_rules(&f->arena, &f->node, family, r), 0);
}

static void test_servers(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	two(f);
	f->service.type = "NodePort";
	f->port.node_port = 30080;
	port_rules(f, &r);
	assert_int_equal(find(&r, PART_SERVER, "-A -t 10.96.0.5:80 -s rr")->role, ROLE_ENTRY);
	assert_int_equal(find(&r, PART_MEMBER, "add KUBE-CLUSTER-IP 10.96.0.5,tcp:80")->role, ROLE_SET);
	assert_int_equal(find(&r, PART_MEMBER, "add KUBE-IPVS-IPS 10.96.0.5")->role, ROLE_SET);
	assert_has(&r, PART_REAL, "-a -t 10.96.0.5:80 -r 10.244.2.6:8080 -m -w 1");
	const struct expect_rule *s = find(&r, PART_SERVER, "-A -t 192.0.2.1:30080 -s rr");
	assert_non_null(s);
	assert_int_equal(s->role, ROLE_NODEPORT);
	assert_string_equal(s->key, "-t 192.0.2.1:30080");
	assert_ptr_equal(s->frontend, frontend(f, EXPECT_NODE_PORT));
	s = find(&r, PART_REAL, "-a -t 10.244.1.1:30080 -r 10.244.1.5:8080 -m -w 1");
	assert_non_null(s);
	assert_string_equal(s->set, "-t 10.244.1.1:30080");
	assert_string_equal(s->key, "10.244.1.5:8080");
	assert_true(s->endpoint->local);
	assert_null(find(&r, PART_SERVER, "-A -t 127.0.0.1:30080 -s rr"));
	/* Only a node port is not bound. */
	assert_has(&r, PART_ADDRESS, "10.96.0.5");
	assert_has(&r, PART_MEMBER, "add KUBE-IPVS-IPS 10.96.0.5");
	assert_null(find(&r, PART_ADDRESS, "192.0.2.1"));
	assert_has(&r, PART_MEMBER, "add KUBE-NODE-PORT-TCP 30080");
	assert_null(find(&r, PART_MEMBER, "add KUBE-NODE-PORT-LOCAL-TCP 30080"));

	/* Policy Local: this node's endpoints, and all where there are none. */
	f->service.external_local = true;
	port_rules(f, &r);
	assert_has(&r, PART_MEMBER, "add KUBE-NODE-PORT-LOCAL-TCP 30080");
	assert_has(&r, PART_REAL, "-a -t 192.0.2.1:30080 -r 10.244.1.5:8080 -m -w 1");
	assert_null(find(&r, PART_REAL, "-a -t 192.0.2.1:30080 -r 10.244.2.6:8080 -m -w 1"));
	assert_has(&r, PART_REAL, "-a -t 10.96.0.5:80 -r 10.244.2.6:8080 -m -w 1");
	f->ep[0].node_name = "n3";
	port_rules(f, &r);
	assert_has(&r, PART_REAL, "-a -t 192.0.2.1:30080 -r 10.244.2.6:8080 -m -w 1");
	array_free(&r.v);
}

static void test_options(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	f->service.affinity_client_ip = true;
	f->service.affinity_timeout = 600;
	f->config.ipvs_scheduler = "sh";
	port_rules(f, &r);
	assert_has(&r, PART_SERVER, "-A -t 10.96.0.5:80 -s sh -p 600");
	f->service.affinity_client_ip = false;
	f->config.ipvs_scheduler = "mh";
	f->port.proto = IPPROTO_UDP;
	port_rules(f, &r);
	assert_has(&r, PART_SERVER, "-A -u 10.96.0.5:80 -s mh -b mh-port");
	f->config.ipvs_scheduler = "";
	f->port.proto = IPPROTO_SCTP;
	f->port.node_port = 30080;
	port_rules(f, &r);
	assert_has(&r, PART_SERVER, "-A --sctp-service 10.96.0.5:80 -s rr");
	assert_has(&r, PART_MEMBER, "add KUBE-CLUSTER-IP 10.96.0.5,sctp:80");
	assert_has(&r, PART_MEMBER, "add KUBE-NODE-PORT-SCTP-HASH 192.0.2.1,sctp:30080");
	array_free(&r.v);
}

static void test_load_balancer(void **state)
{
	static const char drop[] =
		"-A KUBE-IPVS-OUT-FILTER -s 203.0.113.81/32 -m ipvs --vproto 6 --vaddr 203.0.113.81 --vport 80 -j DROP";
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	two(f);
	f->service.type = "LoadBalancer";
	f->ingress[0].ip = ip("203.0.113.81");
	f->service.ningress = 1;
	f->ranges[0] = "198.51.100.0/24";
	f->ranges[1] = "198.51.101.1/32";
	f->service.nsource_ranges = 2;
	port_rules(f, &r);
	assert_has(&r, PART_MEMBER, "add KUBE-LOAD-BALANCER 203.0.113.81,tcp:80");
	assert_has(&r, PART_MEMBER, "add KUBE-LOAD-BALANCER-FW 203.0.113.81,tcp:80");
	assert_has(&r, PART_MEMBER, "add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.81,tcp:80,198.51.100.0/24");
	assert_has(&r, PART_MEMBER, "add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.81,tcp:80,198.51.101.1");
	assert_has(&r, PART_ADDRESS, "203.0.113.81");
	const struct expect_rule *d = find(&r, PART_RULE, drop);
	assert_non_null(d);
	assert_false(d->optional);
	f->node.minor = 28;
	port_rules(f, &r);
	assert_null(find(&r, PART_RULE, drop));
	f->node.minor = -1;
	f->ranges[1] = "192.0.2.0/24"; /* the node's own address */
	port_rules(f, &r);
	assert_null(find(&r, PART_RULE, drop));
	assert_has(&r, PART_MEMBER, "add KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.81,tcp:80,203.0.113.81");
	f->node.ip4.family = 0;
	port_rules(f, &r);
	d = find(&r, PART_RULE, drop);
	assert_non_null(d);
	assert_true(d->optional);

	f->service.nsource_ranges = 0;
	f->service.external_local = true;
	f->service.health_check_node_port = 32000;
	port_rules(f, &r);
	assert_has(&r, PART_MEMBER, "add KUBE-LOAD-BALANCER-LOCAL 203.0.113.81,tcp:80");
	assert_has(&r, PART_MEMBER, "add KUBE-HEALTH-CHECK-NODE-PORT 32000");
	array_free(&r.v);
}

static void test_external_ip(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	f->service.nexternal_ips = 1;
	f->external[0] = ip("203.0.113.80");
	port_rules(f, &r);
	assert_has(&r, PART_MEMBER, "add KUBE-EXTERNAL-IP 203.0.113.80,tcp:80");
	const struct expect_rule *a = find(&r, PART_ADDRESS, "203.0.113.80");
	assert_non_null(a);
	assert_string_equal(a->set, "kube-ipvs0");
	assert_false(a->optional);
	f->service.external_local = true;
	port_rules(f, &r);
	assert_has(&r, PART_MEMBER, "add KUBE-EXTERNAL-IP-LOCAL 203.0.113.80,tcp:80");
	assert_null(find(&r, PART_MEMBER, "add KUBE-EXTERNAL-IP 203.0.113.80,tcp:80"));
	/* The node's own address: a virtual server, but nothing on kube-ipvs0. */
	f->external[0] = ip("192.0.2.1");
	port_rules(f, &r);
	assert_has(&r, PART_SERVER, "-A -t 192.0.2.1:80 -s rr");
	assert_null(find(&r, PART_ADDRESS, "192.0.2.1"));
	assert_null(find(&r, PART_MEMBER, "add KUBE-IPVS-IPS 192.0.2.1"));
	f->facts.addrs_known = false;
	port_rules(f, &r);
	assert_true(find(&r, PART_ADDRESS, "192.0.2.1")->optional);
	array_free(&r.v);
}

static void test_loop_back(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	two(f);
	f->ep[0].ready = 0;
	port_rules(f, &r);
	assert_has(&r, PART_MEMBER, "add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5");
	assert_null(find(&r, PART_MEMBER, "add KUBE-LOOP-BACK 10.244.2.6,tcp:8080,10.244.2.6"));
	assert_null(find(&r, PART_REAL, "-a -t 10.96.0.5:80 -r 10.244.1.5:8080 -m -w 1"));
	array_free(&r.v);
}

static void test_ipv6(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	f->ips[0] = ip("fd00::5");
	f->slice.address_type = "IPv6";
	add_ep(f, "fd00:1::5", "n1", 1, 1, 0);
	f->service.type = "LoadBalancer";
	f->ingress[0].ip = ip("2001:db8::81");
	f->service.ningress = 1;
	f->ranges[0] = "2001:db8:1::/48";
	f->service.nsource_ranges = 1;
	port_rules(f, &r);
	assert_has(&r, PART_REAL, "-a -t [fd00::5]:80 -r [fd00:1::5]:8080 -m -w 1");
	assert_has(&r, PART_MEMBER, "add KUBE-6-CLUSTER-IP fd00::5,tcp:80");
	assert_has(&r, PART_MEMBER, "add KUBE-6-LOAD-BALANCER-SOURCE-CID 2001:db8::81,tcp:80,2001:db8:1::/48");
	common_rules(f, AF_INET6, &r);
	assert_has(&r, PART_RULE, "-A KUBE-SERVICES -s ::1/128 -j RETURN");
	assert_has(&r, PART_RULE, "-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-6-IPVS-IPS dst "
				  "-j REJECT --reject-with icmp6-port-unreachable");
	array_free(&r.v);
}

#define CLUSTER_IPS \
	"-m comment --comment \"Kubernetes service cluster ip + port for masquerade purpose\" -m set --match-set " \
	"KUBE-CLUSTER-IP "

static void test_cluster_ip_masquerade(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	common_rules(f, AF_INET, &r);
	assert_has(&r, PART_RULE, "-A KUBE-SERVICES ! -s 10.244.0.0/16 " CLUSTER_IPS "dst,dst -j KUBE-MARK-MASQ");
	/* External IPs of policy Local are let through, never marked. */
	for (size_t i = 0; i < r.v.len; i++) {
		if (strstr(r.v.v[i].text, "KUBE-EXTERNAL-IP-LOCAL")) {
			assert_null(strstr(r.v.v[i].text, "KUBE-MARK-MASQ"));
		}
	}
	f->config.detect_local_mode = "InterfaceNamePrefix";
	f->config.interface_prefix = "cali";
	common_rules(f, AF_INET, &r);
	assert_has(&r, PART_RULE, "-A KUBE-SERVICES ! -i cali+ " CLUSTER_IPS "dst,dst -j KUBE-MARK-MASQ");
	f->config.detect_local_mode = "";
	f->config.ncluster_cidrs = 0;
	common_rules(f, AF_INET, &r);
	assert_has(&r, PART_RULE, "-A KUBE-SERVICES " CLUSTER_IPS "src,dst -j KUBE-MARK-MASQ");
	f->config.masquerade_all = 1;
	common_rules(f, AF_INET, &r);
	assert_has(&r, PART_RULE, "-A KUBE-SERVICES " CLUSTER_IPS "dst,dst -j KUBE-MARK-MASQ");
	array_free(&r.v);
}

/* A rule with a set is there while the set has members. */
static void test_settle(void **state)
{
	static const char sctp[] =
		"-A KUBE-NODE-PORT -p sctp -m comment --comment \"Kubernetes nodeport SCTP port for masquerade purpose with type "
		"\\'hash ip:port\\'\" -m set --match-set KUBE-NODE-PORT-SCTP-HASH dst,dst -j KUBE-MARK-MASQ";
	static const char tcp[] =
		"-A KUBE-NODE-PORT -p tcp -m comment --comment \"Kubernetes nodeport TCP port for masquerade purpose\" -m set "
		"--match-set KUBE-NODE-PORT-TCP dst -j KUBE-MARK-MASQ";
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	f->port.node_port = 30080;
	common_rules(f, AF_INET, &r);
	assert_has(&r, PART_RULE, sctp);
	run(f);
	assert_int_equal(expect_port_rules(&f->arena, &f->node, &f->out, &f->out.ports[0], &r), 0);
	assert_int_equal(expect_settle(&r), 0);
	assert_null(find(&r, PART_RULE, sctp));
	assert_has(&r, PART_RULE, tcp);
	assert_has(&r, PART_RULE, "-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ");
	array_free(&r.v);
}

static void test_versions(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	static const char out[] =
		"-A OUTPUT -m comment --comment \"kubernetes ipvs access filter\" -j KUBE-IPVS-OUT-FILTER";
	static const char in[] = "-A INPUT -m comment --comment \"kubernetes ipvs access filter\" -j KUBE-IPVS-FILTER";
	common_rules(f, AF_INET, &r);
	assert_has(&r, PART_RULE, out);
	assert_has(&r, PART_RULE, in);
	f->node.minor = 28;
	common_rules(f, AF_INET, &r);
	assert_null(find(&r, PART_RULE, out));
	assert_has(&r, PART_RULE, in);
	f->node.minor = 25;
	common_rules(f, AF_INET, &r);
	assert_null(find(&r, PART_RULE, in));
	array_free(&r.v);
}

/* ---- the recorded cluster ---- */

static void add_line(expect_lines *l, char *s)
{
	assert_non_null(s);
	assert_int_equal(array_push(l, s), 0);
}

/* "TABLE CHAIN NUMBER: RULE", its place in the chain. Where kube-proxy walks a Go map there is but one rule here. */
static void dumped_rules(struct arena *arena, const char *family, char *data, expect_lines *ret)
{
	char *save = NULL, chain[64], last[64] = "";
	const char *table = "";
	unsigned number = 0;
	for (char *l = strtok_r(data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *rule = l[0] == '[' ? strchr(l, ']') + 2 : l;
		if (l[0] == '*') {
			table = l + 1;
			last[0] = '\0';
		} else if (sscanf(rule, "-A %63s ", chain) == 1 && strstr(rule, "KUBE-")) {
			number = strcmp(chain, last) == 0 ? number + 1 : 1;
			(void)snprintf(last, sizeof(last), "%s", chain);
			add_line(ret, arena_printf(arena, "%s %s %s %u: %s", family, table, chain, number, rule));
		}
	}
}

static void dumped_lines(struct arena *arena, const char *start, char *data, expect_lines *ret)
{
	char *save = NULL;
	for (char *l = strtok_r(data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (str_starts(l, start)) {
			add_line(ret, arena_printf(arena, "%s", l));
		}
	}
}

static void dumped_addresses(struct expect_lab *l, expect_lines *ret)
{
	for (size_t i = 0; i < l->snap->facts.addrs.len; i++) {
		const struct node_address *a = &l->snap->facts.addrs.v[i];
		char s[IP_ADDR_STRLEN];
		if (a->ifname && strcmp(a->ifname, "kube-ipvs0") == 0) {
			add_line(ret, arena_printf(&l->arena, "address %s", ip_addr_format(&a->addr, s)));
		}
	}
}

static void expected(struct expect_lab *l, int family, expect_lines *ret)
{
	const char *ip = family == AF_INET ? "ip" : "ip6";
	struct expect_rules r = { 0 };
	expect_lab_rules(l, family, &r);
	assert_int_equal(expect_settle(&r), 0);
	for (size_t i = 0; i < r.v.len; i++) {
		const struct expect_rule *x = &r.v.v[i];
		unsigned number = 1;
		for (size_t j = 0; j < i && x->part == PART_RULE; j++) {
			number += r.v.v[j].part == PART_RULE && strcmp(r.v.v[j].chain, x->chain) == 0 &&
				  strcmp(r.v.v[j].table, x->table) == 0;
		}
		assert_false(x->optional);
		if (x->part == PART_RULE) {
			add_line(ret, arena_printf(&l->arena, "%s %s %s %u: %s", ip, x->table, x->chain, number, x->text));
		} else {
			add_line(ret, arena_printf(&l->arena, "%s%s", x->part == PART_ADDRESS ? "address " : "", x->text));
		}
	}
	array_free(&r.v);
}

static void compare(const char *node)
{
	struct expect_lab l;
	expect_lines have = { 0 }, want = { 0 };
	char *files[4];
	static const char *const names[] = { "iptables-legacy-save", "ip6tables-legacy-save", "ipset-save", "ipvsadm-save" };
	expect_lab_open(&l, "lab-ipvs", node, MODE_IPVS);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[200];
		(void)snprintf(path, sizeof(path), "tests/corpus/lab-ipvs/nodes/%s/%s.txt", node, names[i]);
		files[i] = expect_lab_file(&l.arena, path);
	}
	dumped_rules(&l.arena, "ip", files[0], &have);
	dumped_rules(&l.arena, "ip6", files[1], &have);
	dumped_lines(&l.arena, "add ", files[2], &have);
	dumped_lines(&l.arena, "-", files[3], &have);
	dumped_addresses(&l, &have);
	expected(&l, AF_INET, &want);
	expected(&l, AF_INET6, &want);
	expect_lines_compare(node, &have, &want, 180);
	expect_lab_release(&l);
}

static void test_lab(void **state)
{
	(void)state;
	compare("node1");
	compare("node2");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_servers),
		T(test_options),
		T(test_load_balancer),
		T(test_external_ip),
		T(test_loop_back),
		T(test_ipv6),
		T(test_cluster_ip_masquerade),
		T(test_settle),
		T(test_versions),
		cmocka_unit_test(test_lab),
	};
	return cmocka_run_group_tests_name("expect-ipvs", tests, NULL, NULL);
}

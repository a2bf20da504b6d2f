/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nftables mode: names, the texts of rules and elements by hand, and all that kube-proxy v1.36.2 wrote in the recorded
 * cluster, nothing missing and nothing left over. tests/corpus/nft-list holds what nft 1.0.6 prints (`nft list ruleset`)
 * of the recorded JSON, loaded into a kernel.
 */

#include "expect-fixture.h"
#include "expect-lab.h"

/* ---- names ---- */

static void test_names(void **state)
{
	(void)state;
	char name[EXPECT_NFT_NAME_MAX], longest[64];
	expect_nft_name("service-", "default", "web", "", IPPROTO_TCP, name);
	assert_string_equal(name, "service-PFISGYVC-default/web/tcp/");
	expect_nft_name("external-", "ns1", "svc1", "p80", IPPROTO_TCP, name);
	assert_string_equal(name, "external-ULMVA6XW-ns1/svc1/tcp/p80");
	expect_nft_name("service-", "kube-system", "kube-dns", "dns", IPPROTO_UDP, name);
	assert_string_equal(name, "service-FY5PMXPG-kube-system/kube-dns/udp/dns");
	struct ip_addr a = ip("10.244.1.135");
	expect_nft_endpoint_name("endpoint-", "default", "sticky", "", IPPROTO_TCP, &a, 80, name);
	assert_string_equal(name, "endpoint-K5RUQYNJ-default/sticky/tcp/__10.244.1.135/80");
	expect_nft_endpoint_name("affinity-", "default", "sticky", NULL, IPPROTO_TCP, &a, 80, name);
	assert_string_equal(name, "affinity-K5RUQYNJ-default/sticky/tcp/__10.244.1.135/80");
	a = ip("fd00:10:180::2:1");
	expect_nft_endpoint_name("endpoint-", "ns1", "svc1", "p80", IPPROTO_TCP, &a, 80, name);
	assert_string_equal(name, "endpoint-2CRNCTTE-ns1/svc1/tcp/p80__fd00.10.180..2.1/80");

	/* Three names of 63 characters and an endpoint: too long only together. */
	memset(longest, 'a', sizeof(longest) - 1);
	longest[63] = '\0';
	expect_nft_name("service-", longest, longest, longest, IPPROTO_SCTP, name);
	assert_int_equal(strlen(name), strlen("service-") + 9 + 3 * 63 + strlen("//sctp/"));
	a = ip("2001:db8:1111:2222:3333:4444:5555:6666");
	expect_nft_endpoint_name("endpoint-", longest, longest, longest, IPPROTO_SCTP, &a, 65535, name);
	assert_int_equal(strlen(name), strlen("endpoint-") + 240);
	assert_string_equal(name + strlen(name) - 8, "444.5...");
}

/* ---- texts ---- */

static const struct expect_rule *find(const struct expect_rules *r, const char *where, const char *text)
{
	for (size_t i = 0; i < r->v.len; i++) {
		const struct expect_rule *x = &r->v.v[i];
		const char *place = x->part == PART_RULE ? x->chain : x->set;
		if (strcmp(place, where) == 0 && strcmp(x->text, text) == 0) {
			return x;
		}
	}
	return NULL;
}

static void port_rules(struct fixture *f, struct expect_rules *r)
{
	run(f);
	array_free(&r->v);
	assert_int_equal(expect_port_rules(&f->arena, &f->node, &f->out, &f->out.ports[0], r), 0);
}

static void common_rules(struct fixture *f, int family, struct expect_rules *r)
{
	array_free(&r->v);
	assert_int_equal(expect_common_rules(&f->arena, &f->node, family, r), 0);
}

#define assert_has(r, where, text) \
	do { \
		if (!find(r, where, text)) { \
			fail_msg("no '%s' in %s", text, where); \
		} \
	} while (0)

#define MARK "meta mark set meta mark | 0x00004000"

/* The names of the fixture's Service, by what they begin with. */
static const char *named(const char *prefix)
{
	static char names[4][EXPECT_NFT_NAME_MAX];
	static size_t next;
	char *name = names[next++ % 4];
	expect_nft_name(prefix, "ns", "svc", "http", IPPROTO_TCP, name);
	return name;
}

static const char *named_endpoint(const char *prefix, const char *addr)
{
	static char names[4][EXPECT_NFT_NAME_MAX];
	static size_t next;
	char *name = names[next++ % 4];
	struct ip_addr a = ip(addr);
	expect_nft_endpoint_name(prefix, "ns", "svc", "http", IPPROTO_TCP, &a, 8080, name);
	return name;
}

static const char *line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *line(const char *fmt, ...)
{
	static char text[1000];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

static void test_old_shape(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	two(f);
	f->node.mode = MODE_NFTABLES;
	f->node.minor = 35;
	f->service.affinity_client_ip = true;
	f->service.type = "NodePort";
	f->port.node_port = 30080;
	port_rules(f, &r);
	const char *here = named_endpoint("endpoint-", "10.244.1.5"), *there = named_endpoint("endpoint-", "10.244.2.6");
	const char *affinity = named_endpoint("affinity-", "10.244.2.6");
	assert_has(&r, named("service-"),
		   "ip daddr 10.96.0.5 tcp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade");
	assert_has(&r, named("external-"), "jump mark-for-masquerade");
	assert_has(&r, named("service-"),
		   line("numgen random mod 2 vmap { 0 : goto %s, 1 : goto %s }", here, there));
	assert_has(&r, named("service-"), line("ip saddr @%s goto %s", affinity, there));
	assert_has(&r, there, "ip saddr 10.244.2.6 jump mark-for-masquerade");
	assert_has(&r, there, line("update @%s { ip saddr }", affinity));
	assert_has(&r, there, "meta l4proto tcp dnat to 10.244.2.6:8080");
	assert_null(find(&r, "hairpin-connections", "10.244.1.5 . 10.244.1.5 . tcp . 8080"));
	common_rules(f, AF_INET, &r);
	assert_has(&r, "mark-for-masquerade", MARK);
	assert_has(&r, "masquerading", "meta mark & 0x00004000 == 0x00000000 return");
	assert_has(&r, "filter-output", "ct state new jump cluster-ips-check");
	f->node.minor = 33;
	common_rules(f, AF_INET, &r);
	assert_has(&r, "filter-output-post-dnat", "ct state new jump cluster-ips-check");
	f->node.minor = 29;
	common_rules(f, AF_INET, &r);
	assert_null(find(&r, "cluster-ips-check",
			 "ip daddr @cluster-ips reject comment \"Reject traffic to invalid ports of ClusterIPs\""));
	array_free(&r.v);
}

static void test_new_shape(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	two(f);
	f->node.mode = MODE_NFTABLES;
	port_rules(f, &r);
	assert_has(&r, named("service-"), "meta l4proto tcp dnat ip to numgen random mod 2 map "
					  "{ 0 : 10.244.1.5 . 8080, 1 : 10.244.2.6 . 8080 }");
	const struct expect_rule *e = find(&r, "hairpin-connections", "10.244.1.5 . 10.244.1.5 . tcp . 8080");
	assert_non_null(e);
	assert_int_equal(e->role, ROLE_ENDPOINT_MASQ);
	assert_true(e->endpoint->local);
	assert_null(find(&r, "hairpin-connections", "10.244.2.6 . 10.244.2.6 . tcp . 8080"));
	assert_has(&r, "cluster-ips", "10.96.0.5");
	e = find(&r, "service-ips", line("10.96.0.5 . tcp . 80 : goto %s", named("service-")));
	assert_non_null(e);
	assert_string_equal(e->key, "10.96.0.5 . tcp . 80");
	assert_string_equal(e->target, named("service-"));
	assert_int_equal(e->role, ROLE_ENTRY);
	assert_int_equal(e->part, PART_ELEMENT);
	assert_ptr_equal(e->frontend, frontend(f, EXPECT_CLUSTER_IP));
	f->slice.nendpoints = 0;
	port_rules(f, &r);
	assert_has(&r, "no-endpoint-services", "10.96.0.5 . tcp . 80 comment \"ns/svc:http\" : goto reject-chain");
	assert_int_equal(r.v.len, 2);
	array_free(&r.v);
}

/* Where the policies lead, and what has no chain. */
static void test_policies(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	two(f);
	f->node.mode = MODE_NFTABLES;
	f->service.internal_local = true;
	f->ranges[0] = "198.51.100.0/24"; /* without a load-balancer IP: nothing to keep anybody from */
	f->service.nsource_ranges = 1;
	port_rules(f, &r);
	assert_has(&r, "service-ips", line("10.96.0.5 . tcp . 80 : goto %s", named("local-")));
	assert_has(&r, named("local-"), "meta l4proto tcp dnat to 10.244.1.5:8080");
	f->node.minor = 36;
	port_rules(f, &r);
	assert_has(&r, named("local-"), "meta l4proto tcp dnat ip to numgen random mod 1 map { 0 : 10.244.1.5 . 8080 }");
	for (size_t i = 0; i < r.v.len; i++) {
		assert_true(r.v.v[i].role != ROLE_FW_DROP && r.v.v[i].role != ROLE_FIREWALL);
	}
	f->ep[0].node_name = "n3";
	port_rules(f, &r);
	assert_has(&r, "no-endpoint-services", "10.96.0.5 . tcp . 80 comment \"ns/svc:http\" : drop");
	f->service.internal_local = false;
	f->service.external_local = true;
	f->service.type = "NodePort";
	f->port.node_port = 30080;
	port_rules(f, &r);
	assert_has(&r, "no-endpoint-nodeports", "tcp . 30080 comment \"ns/svc:http\" : drop");
	assert_has(&r, "service-nodeports", line("tcp . 30080 : goto %s", named("external-")));
	assert_has(&r, named("external-"), line("ip saddr 10.244.0.0/16 goto %s comment \"short-circuit pod traffic\"",
						named("service-")));
	assert_null(find(&r, named("external-"), line("goto %s", named("local-"))));
	f->config.ncluster_cidrs = 0; /* no detector: the short way of the node itself only */
	port_rules(f, &r);
	assert_null(find(&r, named("external-"), line("goto %s comment \"short-circuit pod traffic\"", named("service-"))));
	assert_has(&r, named("external-"), "fib saddr type local " MARK " comment \"masquerade local traffic\"");
	array_free(&r.v);
}

/* What a rule or an element says of itself beside its text. */
static void test_fields(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	add_ep(f, "10.244.1.5", "n1", 1, 1, 0);
	f->node.mode = MODE_NFTABLES;
	f->service.affinity_client_ip = true;
	port_rules(f, &r);
	assert_int_equal(find(&r, "cluster-ips", "10.96.0.5")->role, ROLE_SET);
	const char *chain = named_endpoint("endpoint-", "10.244.1.5");
	const struct expect_rule *x = find(&r, named("service-"), line("numgen random mod 1 vmap { 0 : goto %s }", chain));
	assert_non_null(x);
	assert_string_equal(x->target, chain);
	assert_ptr_equal(x->endpoint, &f->out.ports[0].all[0]);
	assert_has(&r, named_endpoint("affinity-", "10.244.1.5"), "type ipv4_addr; flags dynamic,timeout; timeout 10800s");
	add_ep(f, "10.244.2.6", "n2", 1, 1, 0);
	f->service.affinity_client_ip = false;
	port_rules(f, &r);
	x = find(&r, named("service-"), "meta l4proto tcp dnat ip to numgen random mod 2 map "
					"{ 0 : 10.244.1.5 . 8080, 1 : 10.244.2.6 . 8080 }");
	assert_non_null(x);
	assert_null(x->endpoint);
	assert_null(x->target);
	/* Two addresses of the node in the prefixes, one of them on two interfaces. */
	struct node_address again = { .addr = ip(NODE), .plen = 32, .ifname = "eth1" };
	assert_int_equal(array_push(&f->facts.addrs, again), 0);
	f->node_ports[0] = "192.0.2.0/24";
	f->node_ports[1] = "198.51.100.0/24";
	f->config.nnode_port_addresses = 2;
	common_rules(f, AF_INET, &r);
	size_t found = 0;
	for (size_t i = 0; i < r.v.len; i++) {
		found += r.v.v[i].part == PART_ELEMENT;
		assert_false(r.v.v[i].optional);
	}
	assert_int_equal(found, 2);
	assert_int_equal(find(&r, "nodeport-ips", "198.51.100.7")->role, ROLE_SET);
	f->config.masquerade_all = 1;
	common_rules(f, AF_INET, &r);
	assert_true(find(&r, "services", "ip daddr @cluster-ips " MARK)->optional);
	f->node.minor = 33;
	common_rules(f, AF_INET, &r);
	assert_true(find(&r, "reject-chain", "reject")->optional);
	f->config.ncluster_cidrs = 0;
	port_rules(f, &r);
	assert_has(&r, named("service-"), "ip daddr 10.96.0.5 tcp dport 80 jump mark-for-masquerade");
	f->config.masquerade_all = 0;
	port_rules(f, &r);
	assert_null(find(&r, named("service-"), "ip daddr 10.96.0.5 tcp dport 80 jump mark-for-masquerade"));
	array_free(&r.v);
}

static void test_ipv6(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	f->node.mode = MODE_NFTABLES;
	f->ips[0] = ip("fd00::5");
	f->slice.address_type = "IPv6";
	f->cluster_cidr = prefix("fd00:10::/64");
	add_ep(f, "fd00:1::5", "n1", 1, 1, 0);
	port_rules(f, &r);
	assert_has(&r, named("service-"), "meta l4proto tcp dnat to [fd00:1::5]:8080");
	f->node.minor = 36;
	port_rules(f, &r);
	assert_has(&r, named("service-"),
		   "meta l4proto tcp dnat ip6 to numgen random mod 1 map { 0 : fd00:1::5 . 8080 }");
	f->service.affinity_client_ip = true;
	port_rules(f, &r);
	const char *chain = named_endpoint("endpoint-", "fd00:1::5");
	assert_has(&r, chain, line("update @%s { ip6 saddr }", named_endpoint("affinity-", "fd00:1::5")));
	assert_has(&r, chain, "meta l4proto tcp dnat to [fd00:1::5]:8080");
	assert_has(&r, named_endpoint("affinity-", "fd00:1::5"), "type ipv6_addr; flags dynamic,timeout; timeout 10800s");
	common_rules(f, AF_INET6, &r);
	assert_has(&r, "services",
		   "ip6 daddr @cluster-ips ip6 saddr != fd00:10::/64 " MARK
		   " comment \"masquerade clusterIP traffic from outside cluster\"");
	array_free(&r.v);
}

/* As nft 1.0.6 prints what kube-proxy would have written. */
static void test_source_ranges(void **state)
{
	static const struct {
		const char *ranges[3];
		const char *want;
	} cases[] = {
		{ { "198.51.100.0/24" }, "ip saddr != 198.51.100.0/24 drop" },
		{ { "203.0.113.81/32" }, "ip saddr != 203.0.113.81 drop" },
		{ { "198.51.100.0/24", "192.0.3.0/24" }, "ip saddr != { 192.0.3.0/24, 198.51.100.0/24 } drop" },
		{ { "10.0.0.0/25", "10.0.0.128/25" }, "ip saddr != { 10.0.0.0/24 } drop" },
		{ { "10.0.0.0/24", "10.0.0.7/32" }, "ip saddr != { 10.0.0.0/24 } drop" },
		{ { "10.0.0.0/25", "10.0.0.128/26" }, "ip saddr != { 10.0.0.0-10.0.0.191 } drop" },
		/* The node's own address, 192.0.2.1: its load-balancer IP as source too. */
		{ { "192.0.2.0/24", "198.51.100.0/24" },
		  "ip saddr != { 192.0.2.0/24, 198.51.100.0/24, 203.0.113.81 } drop" },
		{ { "198.51.100.0/24", "2001:db8::/32" }, "ip saddr != 198.51.100.0/24 drop" },
	};
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	f->node.mode = MODE_NFTABLES;
	f->service.type = "LoadBalancer";
	f->ingress[0].ip = ip("203.0.113.81");
	f->service.ningress = 1;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		f->service.nsource_ranges = 0;
		while (f->service.nsource_ranges < 3 && cases[i].ranges[f->service.nsource_ranges]) {
			f->ranges[f->service.nsource_ranges] = cases[i].ranges[f->service.nsource_ranges];
			f->service.nsource_ranges++;
		}
		port_rules(f, &r);
		assert_has(&r, named("firewall-"), cases[i].want);
		/* There is no endpoint, and yet the ranges are asked. */
		assert_has(&r, "firewall-ips", line("203.0.113.81 . tcp . 80 : goto %s", named("firewall-")));
	}
	array_free(&r.v);
}

static void test_common(void **state)
{
	struct fixture *f = *state;
	struct expect_rules r = { 0 };
	const struct ip_prefix ranges[] = { prefix("10.96.0.0/16"), prefix("10.98.0.0/16"), prefix("fd00::/108") };
	struct k8s_service_cidr cidrs = { .cidrs = ranges, .ncidrs = 3 };
	assert_int_equal(array_push(&f->cluster.service_cidrs, &cidrs), 0);
	f->node.cluster = &f->cluster;
	f->node.mode = MODE_NFTABLES;
	f->config.detect_local_mode = "InterfaceNamePrefix";
	f->config.interface_prefix = "veth";
	common_rules(f, AF_INET, &r);
	assert_has(&r, "cluster-ips-check",
		   "ip daddr { 10.96.0.0/16, 10.98.0.0/16 } drop comment \"Drop traffic to unallocated ClusterIPs\"");
	assert_has(&r, "services", "ip daddr @cluster-ips iifname != \"veth*\" " MARK
				   " comment \"masquerade clusterIP traffic from outside cluster\"");
	assert_has(&r, "nodeport-ips", NODE);
	common_rules(f, AF_INET6, &r);
	assert_has(&r, "cluster-ips-check",
		   "ip6 daddr fd00::/108 drop comment \"Drop traffic to unallocated ClusterIPs\"");
	f->node_ports[0] = "0.0.0.0/0";
	f->config.nnode_port_addresses = 1;
	f->config.masquerade_bit = 3;
	common_rules(f, AF_INET, &r);
	assert_has(&r, "services",
		   "fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports");
	assert_has(&r, "nodeport-endpoints-check",
		   "ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @no-endpoint-nodeports");
	assert_has(&r, "masquerading",
		   "meta mark & 0x00000008 != 0x00000000 meta mark set meta mark ^ 0x00000008 masquerade fully-random");
	array_free(&r.v);
	array_free(&f->cluster.service_cidrs);
}

/* ---- the recorded cluster ---- */

static void add_line(expect_lines *l, char *s)
{
	assert_non_null(s);
	assert_int_equal(array_push(l, s), 0);
}

/* "elements = { a, b }", over several lines: one line each. */
static void dumped_elements(struct arena *arena, const char *family, const char *set, char *text, expect_lines *ret)
{
	char *save = NULL;
	for (char *e = strtok_r(text, ",}", &save); e; e = strtok_r(NULL, ",}", &save)) {
		e += strspn(e, " \t\n");
		for (size_t n = strlen(e); n > 0 && strchr(" \t\n", e[n - 1]); n--) {
			e[n - 1] = '\0';
		}
		if (*e) {
			add_line(ret, arena_printf(arena, "%s %s: %s", family, set, e));
		}
	}
}

/* Of a whole `nft list ruleset`: "FAMILY CHAIN NUMBER: RULE", "FAMILY SET: ELEMENT", "FAMILY SET". */
static void dumped(struct arena *arena, char *data, expect_lines *ret)
{
	char family[8] = "", name[300] = "", kind[8] = "";
	unsigned number = 0;
	for (char *l = data, *next; *l; l = next) {
		size_t len = strcspn(l, "\n");
		next = l + len + (l[len] == '\n');
		char *elements = strstr(l, "elements = {");
		if (elements && elements < l + len) {
			char *end = strstr(elements, " }\n");
			next = end + 3;
			end[1] = '\0';
			dumped_elements(arena, family, name, elements + strlen("elements = {"), ret);
			continue;
		}
		l[len] = '\0';
		l += strspn(l, "\t");
		char was[8];
		if (sscanf(l, "table %7s ", family) == 1 || strstr(l, " hook ") || strcmp(l, "}") == 0) {
			continue;
		} else if (l[0] && l[strlen(l) - 1] == '{' && sscanf(l, "%7[a-z] %299s", was, name) == 2) {
			(void)snprintf(kind, sizeof(kind), "%s", was);
			number = 0;
			if (str_starts(name, "affinity-")) {
				add_line(ret, arena_printf(arena, "%s %s", family, name));
			}
		} else if (*l && strcmp(kind, "chain") == 0) {
			add_line(ret, arena_printf(arena, "%s %s %u: %s", family, name, ++number, l));
		}
	}
}

static void expected(struct expect_lab *l, int family, bool rules_only, expect_lines *ret)
{
	const char *ip = family == AF_INET ? "ip" : "ip6";
	struct expect_rules r = { 0 };
	expect_lab_rules(l, family, &r);
	for (size_t i = 0; i < r.v.len; i++) {
		const struct expect_rule *x = &r.v.v[i];
		unsigned number = 1;
		for (size_t j = 0; j < i && x->part == PART_RULE; j++) {
			number += r.v.v[j].part == PART_RULE && strcmp(r.v.v[j].chain, x->chain) == 0;
		}
		if (x->part == PART_RULE) {
			assert_string_equal(x->table, "kube-proxy");
			add_line(ret, arena_printf(&l->arena, "%s %s %u: %s", ip, x->chain, number, x->text));
		} else if (rules_only) {
			continue;
		} else if (x->part == PART_SET) {
			add_line(ret, arena_printf(&l->arena, "%s %s", ip, x->set));
		} else {
			assert_int_equal(x->part, PART_ELEMENT);
			add_line(ret, arena_printf(&l->arena, "%s %s: %s", ip, x->set, x->text));
		}
	}
	array_free(&r.v);
}

static void compare(const char *node, const char *list)
{
	struct expect_lab l;
	expect_lines have = { 0 }, want = { 0 };
	expect_lab_open(&l, "lab-nftables", node, MODE_NFTABLES);
	dumped(&l.arena, expect_lab_file(&l.arena, list), &have);
	expected(&l, AF_INET, false, &want);
	expected(&l, AF_INET6, false, &want);
	expect_lines_compare(node, &have, &want, 130);
	expect_lab_release(&l);
}

/* The rules as the reader of nft's JSON brings them: blame compares what is expected with these. */
static void brought(const struct ruleset *rules, struct arena *arena, expect_lines *ret)
{
	for (size_t i = 0; i < rules->tables.len; i++) {
		const struct rs_table *t = rules->tables.v[i];
		for (size_t j = 0; j < t->chain_list.len && strcmp(t->name, "kube-proxy") == 0; j++) {
			const struct rs_chain *c = t->chain_list.v[j];
			for (size_t k = 0; k < c->nrules; k++) {
				const struct rs_rule *r = c->rules[k];
				add_line(ret, arena_printf(arena, "%s %s %u: %.*s", rs_family_name(t->family), c->name,
							   r->index, (int)r->text_len, r->text));
			}
		}
	}
}

static void compare_brought(const char *node)
{
	struct expect_lab l;
	expect_lines have = { 0 }, want = { 0 };
	expect_lab_open(&l, "lab-nftables", node, MODE_NFTABLES);
	brought(&l.snap->rules, &l.arena, &have);
	expected(&l, AF_INET, true, &want);
	expected(&l, AF_INET6, true, &want);
	expect_lines_compare(node, &have, &want, 80);
	expect_lab_release(&l);
}

static void test_brought(void **state)
{
	(void)state;
	compare_brought("node1");
	compare_brought("node2");
}

static void test_lab(void **state)
{
	(void)state;
	compare("node1", "tests/corpus/nft-list/lab-node1.txt");
	compare("node2", "tests/corpus/nft-list/lab-node2.txt");
}

/*
 * "test_expect_nft print MINOR DETECTOR WORD...": all that a kube-proxy of that version would have written on node1, for
 * scenario/test_nft_texts.py. Words: all (masqueradeAll), any (nodePortAddresses), ranges (source ranges that touch).
 */
static int print_expected(int n, char *const words[])
{
	static const char *const any[] = { "0.0.0.0/0" };
	static const char *const ranges[] = { "198.51.100.0/24", "10.0.0.0/25", "10.0.0.128/25", "172.30.99.0/24" };
	static const char *const parts[] = { "rule", "set", "element" };
	struct expect_lab l;
	struct expect_rules r = { 0 };
	expect_lab_open(&l, "lab-nftables", "node1", MODE_NFTABLES);
	struct kube_proxy_config config = *l.node.config;
	config.detect_local_mode = words[1];
	config.bridge_interface = "cni0";
	config.interface_prefix = "veth";
	l.node.config = &config;
	l.node.minor = (int)strtol(words[0], NULL, 10);
	for (int i = 2; i < n; i++) {
		if (strcmp(words[i], "all") == 0) {
			config.masquerade_all = 1;
		} else if (strcmp(words[i], "any") == 0) {
			config.node_port_addresses = any;
			config.nnode_port_addresses = 1;
		}
		for (size_t j = 0; j < l.lab.s.cluster.services.len && strcmp(words[i], "ranges") == 0; j++) {
			struct k8s_service *s = l.lab.s.cluster.services.v[j];
			if (s->nsource_ranges) {
				s->source_ranges = ranges;
				s->nsource_ranges = ARRAY_LEN(ranges);
			}
		}
	}
	expect_lab_rules(&l, AF_INET, &r);
	for (size_t i = 0; i < r.v.len; i++) {
		const struct expect_rule *x = &r.v.v[i];
		printf("%s\t%s\t%s\n", parts[x->part], x->part == PART_RULE ? x->chain : x->set, x->text);
	}
	array_free(&r.v);
	expect_lab_release(&l);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	if (argc >= 4 && strcmp(argv[1], "print") == 0) {
		return print_expected(argc - 2, argv + 2);
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		T(test_old_shape),
		T(test_new_shape),
		T(test_policies),
		T(test_fields),
		T(test_ipv6),
		T(test_source_ranges),
		T(test_common),
		cmocka_unit_test(test_lab),
		cmocka_unit_test(test_brought),
	};
	return cmocka_run_group_tests_name("expect-nft", tests, NULL, NULL);
}

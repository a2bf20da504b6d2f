/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules as text: by hand, and against those that kube-proxy v1.36.2 wrote in the recorded clusters, all of them,
 * nothing missing and nothing left over.
 */

#include "expect-fixture.h"

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
		cmocka_unit_test(test_names),
		T(test_rules_interface),
		T(test_rules_ipv6),
		T(test_probabilities),
		cmocka_unit_test(test_lab_nft),
		cmocka_unit_test(test_lab_legacy),
	};
	return cmocka_run_group_tests_name("expect-rules", tests, NULL, NULL);
}

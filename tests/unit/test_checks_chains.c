/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks of a node's chains, marks and addresses, on damaged copies of a recorded cluster: what they tell, and rules that
 * look alike and are no fault.
 */

#include "lab.h"

#define NFT "iptables-nft-save.txt"
#define FIREWALL "-A KUBE-FIREWALL -m comment --comment \"kubernetes firewall for dropping marked packets\" "

static const struct {
	const char *file, *find, *put, *check;
	int severity; /* SILENT: nothing of that check */
	const char *text;
} cases[] = {
	/* masks */
	{ NFT, "-A KUBE-MARK-MASQ -j MARK", "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000\n", "iptables-1.8.8-mark-mask-loss", SEVERITY_WARNING,
	  "KUBE-MARK-MASQ has lost the mask" },
	{ NFT, "-A KUBE-POSTROUTING -j MARK", "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0xffffffff\n", "iptables-1.8.8-mark-mask-loss",
	  SEVERITY_WARNING, "KUBE-POSTROUTING has lost the mask" },
	{ NFT, "-A KUBE-FIREWALL", "+" FIREWALL "-j DROP\n", "iptables-1.8.8-mark-mask-loss", SEVERITY_ERROR, "KUBE-FIREWALL drops every packet" },
	{ NFT, "-A KUBE-FIREWALL", "+" FIREWALL "-m mark --mark 0x8000/0x8000 -j DROP\n", "iptables-1.8.8-mark-mask-loss", SILENT, NULL },
	{ NFT, "-A KUBE-MARK-MASQ -j MARK", "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n", "iptables-1.8.8-mark-mask-loss", SILENT, NULL },
	/* bits */
	{ NFT, "-A PREROUTING -m comment", "+-A PREROUTING -i eth0 -j MARK --set-xmark 0x4000/0x4000\n", "mark-bit-conflict", SEVERITY_WARNING, "sets bit 0x4000" },
	{ NFT, "-A FORWARD ", "+-A FORWARD -i wg0 -j MARK --set-xmark 0x1/0xffffffff\n", "mark-bit-conflict", SEVERITY_WARNING, "clears bit 0x4000" },
	{ NFT, "-A FORWARD ", "+-A FORWARD -i ts0 -j MARK --set-xmark 0x40000/0xff0000\n", "mark-bit-conflict", SILENT, NULL },
	{ NFT, "-A FORWARD ", "+-A FORWARD -j MARK --set-xmark 0x0/0xf00\n", "mark-bit-conflict", SILENT, NULL },
	/* a whole mark that is set before kube-proxy marks harms nothing */
	{ NFT, "-A PREROUTING -m comment", "+-A PREROUTING -i eth0 -j MARK --set-xmark 0x1/0xffffffff\n", "mark-bit-conflict", SILENT, NULL },
	{ NFT, "-A INPUT ", "+-A INPUT -j MARK --set-xmark 0x1/0xffffffff\n", "mark-bit-conflict", SILENT, NULL },
	{ "ip-rule.json", "[{", "[{\"priority\":100,\"src\":\"all\",\"fwmark\":\"0x4000\",\"fwmask\":\"0x4000\",\"table\":\"200\"},{\"priority\":0,\"src\":\"all\","
				"\"table\":\"local\"},{\"priority\":32766,\"src\":\"all\",\"table\":\"main\"}]\n",
	  "mark-bit-conflict", SEVERITY_WARNING, "a routing rule asks for bit 0x4000" },
	{ "ip-rule.json", "[{", "[{\"priority\":100,\"not\":null,\"src\":\"all\",\"fwmark\":\"0xca6c\",\"table\":\"51820\"},{\"priority\":0,\"src\":\"all\","
				"\"table\":\"local\"},{\"priority\":32766,\"src\":\"all\",\"table\":\"main\"}]\n",
	  "mark-bit-conflict", SILENT, NULL },
	{ "ip-rule.json", "[{", "[{\"priority\":100,\"src\":\"all\",\"fwmark\":\"0x80000\",\"fwmask\":\"0xff0000\",\"table\":\"52\"},{\"priority\":0,\"src\":\"all\","
				"\"table\":\"local\"},{\"priority\":32766,\"src\":\"all\",\"table\":\"main\"}]\n",
	  "mark-bit-conflict", SILENT, NULL },
	/* rules of strangers in kube-proxy's chains */
	{ NFT, "-A KUBE-FORWARD ", "+-A KUBE-FORWARD -s 10.9.0.0/16 -j ACCEPT\n", "externally-edited-kube-chains", SEVERITY_WARNING,
	  "filter KUBE-FORWARD rule 1: -A KUBE-FORWARD -s 10.9.0.0/16 -j ACCEPT" },
	{ NFT, "-A KUBE-SERVICES -d", "+-A KUBE-SERVICES -s 192.0.2.1/32 -j ACCEPT\n", "externally-edited-kube-chains", SEVERITY_WARNING, "KUBE-SERVICES" },
	{ NFT, "-A KUBE-POSTROUTING -m comment", "+-A KUBE-POSTROUTING -s 192.0.2.1/32 -j SNAT --to-source 192.0.2.2\n", "externally-edited-kube-chains",
	  SEVERITY_WARNING, "--to-source 192.0.2.2" },
	{ NFT, "-A KUBE-SEP-LZSOAAIF344LOQYR -p", "+-A KUBE-SEP-LZSOAAIF344LOQYR -j LOG --log-prefix x\n", "externally-edited-kube-chains", SEVERITY_WARNING,
	  "1 rule into" },
	{ NFT, "-A FORWARD ", "+-A FORWARD -s 10.9.0.0/16 -j ACCEPT\n", "externally-edited-kube-chains", SILENT, NULL },
	{ NFT, "-A KUBE-SERVICES -d 10.96.169.132", "-A KUBE-SERVICES -d 10.96.169.132/32 -p tcp -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable\n",
	  "externally-edited-kube-chains", SILENT, NULL }, /* without its comment, as in large clusters */
	{ NFT, "-A KUBE-FORWARD ", "+-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP\n", "externally-edited-kube-chains", SILENT, NULL },
	/* addresses */
	{ "ip-addr.json", "[{\"ifindex\":1,", "[{\"ifindex\":9,\"ifname\":\"kube-ipvs0\",\"flags\":[\"NOARP\"],\"addr_info\":[{\"family\":\"inet\",\"local\":"
					      "\"10.96.136.124\",\"prefixlen\":32,\"scope\":\"global\"}]}]\n",
	  "vip-local-on-node-non-ipvs", SEVERITY_WARNING, "sudo ip link del kube-ipvs0" },
	{ "ip-addr.json", "[{\"ifindex\":1,", "[{\"ifindex\":9,\"ifname\":\"dummy0\",\"flags\":[\"NOARP\"],\"addr_info\":[{\"family\":\"inet\",\"local\":"
					      "\"10.96.136.124\",\"prefixlen\":32,\"scope\":\"global\"}]}]\n",
	  "vip-local-on-node-non-ipvs", SEVERITY_WARNING, "the cluster IP of default/web, is an address of dummy0" },
	{ "ip-addr.json", "[{\"ifindex\":1,", "[{\"ifindex\":9,\"ifname\":\"nodelocaldns\",\"flags\":[\"NOARP\"],\"addr_info\":[{\"family\":\"inet\",\"local\":"
					      "\"10.96.0.10\",\"prefixlen\":32,\"scope\":\"global\"}]}]\n",
	  "vip-local-on-node-non-ipvs", SILENT, NULL },
	/* the external IP of a Service on a node is for the announcer to know */
	{ "ip-addr.json", "[{\"ifindex\":1,", "[{\"ifindex\":9,\"ifname\":\"dummy0\",\"flags\":[\"NOARP\"],\"addr_info\":[{\"family\":\"inet\",\"local\":"
					      "\"80.11.12.10\",\"prefixlen\":32,\"scope\":\"global\"}]}]\n",
	  "vip-local-on-node-non-ipvs", SILENT, NULL },
	/* a firewall for node ports, for health checks, for both and more */
	{ NFT, "-A PREROUTING -m comment", "+-A PREROUTING -i eth0 -p tcp -m tcp --dport 30000:32767 -j DROP\n", "nodeport-firewall-sg", SEVERITY_ERROR,
	  "stops packets for node ports of 4 Services" },
	{ NFT, "-A INPUT -j KUBE-FIREWALL", "+-A INPUT -p tcp -m tcp --dport 32599 -j DROP\n", "hc-nodeport-blocked", SEVERITY_ERROR,
	  "the health-check port of default/example-service" },
	{ NFT, "-A FORWARD ", "+-A FORWARD -d 10.244.0.0/16 -j DROP\n", "nodeport-firewall-sg", SILENT, NULL },
	{ NFT, "-A FORWARD ", "+-A FORWARD -d 10.244.0.0/16 -j DROP\n", "hc-nodeport-blocked", SILENT, NULL },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct finding *f;
		char dir[] = LAB_DIR;
		struct lab l;

		assert_non_null(check_find(cases[i].check));
		lab_copy(dir);
		damage(dir, cases[i].file, cases[i].find, cases[i].put);
		lab_open(&l, dir);
		diagnose(&l, NULL);
		f = find_finding(&l, cases[i].check);
		if (!f != (cases[i].severity == SILENT) || (f && (int)f->severity != cases[i].severity))
			fail_msg("case %zu: %s", i, f ? f->text : "nothing is said");
		if (f && (strcmp(f->node, "node1") != 0 || !has_text(f, cases[i].text)))
			fail_msg("case %zu: '%s' is not said: %s", i, cases[i].text, f->text);
		lab_release(&l);
		lab_remove(dir);
	}
}

/* Another program that clears the mark is the cause of masquerading that is missing. */
static void test_blame(void **state)
{
	char dir[] = LAB_DIR;
	const struct finding *f, *g;
	struct lab l;

	(void)state;
	lab_copy(dir);
	damage(dir, NFT, "-A FORWARD ", "+-A FORWARD -i eth0 -j MARK --set-xmark 0x0/0x4000\n");
	lab_open(&l, dir);
	diagnose(&l, NULL);
	f = find_finding(&l, "mark-bit-conflict");
	g = find_finding(&l, "masquerade-missing");
	assert_non_null(f);
	assert_non_null(g);
	assert_ptr_equal(g->explained_by, f);
	assert_int_equal(f->severity, SEVERITY_ERROR);
	assert_int_equal(result_of(&l, "default", "web")->status, STATUS_BROKEN);
	lab_release(&l);
	lab_remove(dir);
}

/* ---- what large clusters leave out ---- */

static bool drop_comments(struct lab_line *l)
{
	static const char mark[] = "-m comment --comment \"";
	char *at = strstr(l->text, "-A KUBE-S") && !strstr(l->text, "-A KUBE-SERVICES") ? strstr(l->text, mark) : NULL;
	char *end = at ? strstr(at + sizeof(mark) - 1, "\" ") : NULL;

	if (!end)
		return true;
	l->found = true;
	memmove(at, end + 2, strlen(end + 2) + 1);
	return true;
}

/* kube-proxy drops the comments of its Services' and endpoints' chains above 1000 endpoints: nothing changes. */
static void test_large_mode(void **state)
{
	struct lab_line line = { 0 };
	struct lab plain, bare;
	char dir[] = LAB_DIR;

	(void)state;
	lab_copy(dir);
	lab_change(dir, NFT, drop_comments, &line);
	lab_open(&plain, LAB);
	diagnose(&plain, NULL);
	lab_open(&bare, dir);
	diagnose(&bare, NULL);
	assert_int_equal(bare.d.verify.differences.len, 0);
	assert_int_equal(bare.d.findings.len, plain.d.findings.len);
	for (size_t i = 0; i < plain.d.findings.len; i++)
		assert_string_equal(bare.d.findings.v[i]->id, plain.d.findings.v[i]->id);
	lab_release(&plain);
	lab_release(&bare);
	lab_remove(dir);
}

/* ---- nftables mode ---- */

#define FILTER(forward, rules) "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD " forward " [17:1020]\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n" rules "COMMIT\n"

static const struct {
	const char *filter;
	bool told;
} forwards[] = {
	{ FILTER("DROP", ""), true },
	{ FILTER("DROP", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"), true },
	{ FILTER("DROP", "-A DOCKER -j ACCEPT\n"), true }, /* nothing leads there */
	{ FILTER("DROP", "-A FORWARD -j DOCKER\n-A DOCKER -d 10.244.0.0/16 -j ACCEPT\n"), false },
	{ FILTER("DROP", "-A FORWARD -s 10.244.0.0/16 -j ACCEPT\n"), false },
	{ FILTER("DROP", "-A FORWARD -j NFQUEUE --queue-num 1\n"), false },
	{ FILTER("ACCEPT", ""), false },
};

static bool whole_file(struct lab_line *l)
{
	if (!l->found)
		l->before = l->put;
	l->found = true;
	return false;
}

static void test_nft_forward(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forwards); i++) {
		struct lab_line dump = { .put = forwards[i].filter }, mode = { .put = "nftables\n" };
		char dir[] = LAB_DIR;
		const struct finding *f;
		struct lab l;

		lab_copy(dir);
		lab_change(dir, NFT, whole_file, &dump);
		lab_change(dir, "kube-proxy-mode.txt", whole_file, &mode);
		lab_open(&l, dir);
		diagnose(&l, NULL);
		f = find_finding(&l, "nftables-forward-drop-no-accept");
		if ((f != NULL) != forwards[i].told)
			fail_msg("case %zu: %s", i, f ? f->text : "nothing is said");
		assert_true(!f || has_text(f, "has dropped 17 packets"));
		lab_release(&l);
		lab_remove(dir);
	}
}

/* ---- versions ---- */

static void test_mark_drop(void **state)
{
	static const struct {
		const char *image, *kubelet;
		bool told;
	} rows[] = {
		{ "registry.k8s.io/kube-proxy:v1.24.17", "v1.27.3", true },
		{ "registry.k8s.io/kube-proxy:v1.24.17", "v1.26.9", false },
		{ "registry.k8s.io/kube-proxy:v1.25.0", "v1.36.2", false },
		{ "localhost:5000/kube-proxy", "v1.36.2", false },
		{ "registry.k8s.io/kube-proxy:latest", "v1.36.2", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct k8s_container container = { .name = "kube-proxy", .image = rows[i].image };
		size_t pods = 0;
		struct lab l;

		lab_open(&l, LAB);
		for (size_t j = 0; j < l.s.cluster.pods.len; j++) {
			struct k8s_pod *p = l.s.cluster.pods.v[j];

			if (!str_starts(p->meta.name, "kube-proxy-"))
				continue;
			p->containers = &container;
			p->ncontainers = 1;
			pods++;
		}
		assert_int_equal(pods, 2);
		for (size_t j = 0; j < l.s.cluster.nodes.len; j++)
			l.s.cluster.nodes.v[j]->kubelet_version = rows[i].kubelet;
		diagnose(&l, NULL);
		if ((find_finding(&l, "kube-mark-drop-missing") != NULL) != rows[i].told)
			fail_msg("row %zu", i);
		lab_release(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_blame),
		cmocka_unit_test(test_large_mode),
		cmocka_unit_test(test_nft_forward),
		cmocka_unit_test(test_mark_drop),
	};

	return cmocka_run_group_tests_name("checks_chains", tests, NULL, NULL);
}

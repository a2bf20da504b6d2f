/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib/redact: addresses keep their prefixes and ranges, names their likeness, and texts show neither. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <svcdoctor/expect.h>
#include <svcdoctor/klog.h>
#include <svcdoctor/redact.h>

static const uint8_t key[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* Learns from one list of Services whose names are given. */
static struct redact *learned(const char *const *names)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	struct redact *r;

	strbuf_adds(&b, "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"items\":[");
	for (size_t i = 0; names[i]; i++)
		strbuf_addf(&b, "%s{\"metadata\":{\"namespace\":\"shop\",\"name\":\"%s\"},\"spec\":{\"ports\":[{\"name\":\"web\",\"port\":80}]}}", i ? "," : "", names[i]);
	strbuf_adds(&b, "]}");
	assert_int_equal(redact_new(key, &r), 0);
	assert_int_equal(redact_learn(r, "cluster/services.json", b.s, b.len), 0);
	assert_int_equal(redact_learned(r), 0);
	return r;
}

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(s, &a), 0);
	return a;
}

static struct ip_addr of(const struct redact *r, struct ip_addr a)
{
	struct ip_addr ret;

	redact_addr(r, &a, &ret);
	return ret;
}

static unsigned common_bits(const struct ip_addr *a, const struct ip_addr *b)
{
	unsigned n = 0, bits = (unsigned)ip_addr_size(a) * 8;

	while (n < bits && !((a->b[n / 8] ^ b->b[n / 8]) & (0x80 >> n % 8)))
		n++;
	return n;
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void prefixes(void **state)
{
	static const char *const none[] = { NULL };
	struct redact *r = learned(none);
	uint32_t seed = 7;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct ip_addr a = { .family = i % 2 ? AF_INET : AF_INET6 }, b, x, y;
		unsigned bit = next(&seed) % (i % 2 ? 32 : 128);

		for (size_t k = 0; k < ip_addr_size(&a); k++)
			a.b[k] = (uint8_t)next(&seed);
		b = a;
		b.b[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
		x = of(r, a);
		y = of(r, b);
		assert_int_equal(common_bits(&a, &b), common_bits(&x, &y));
	}
	redact_free(r);
}

static void ranges(void **state)
{
	static const char *const none[] = { NULL };
	static const char *const within[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/64", "198.18.0.0/15" };
	static const char *const same[] = { "0.0.0.0", "127.0.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1" };
	static const char *const outside[] = { "8.8.8.8", "80.11.12.10", "203.0.113.9", "9.255.255.255", "11.0.0.1", "172.32.0.1", "192.169.0.1", "128.66.0.1" };
	struct redact *r = learned(none);
	uint32_t seed = 9;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(within) * 200; i++) {
		struct ip_prefix p;
		struct ip_addr a, x;

		assert_int_equal(ip_prefix_parse(within[i % ARRAY_LEN(within)], &p), 0);
		a = p.addr;
		for (unsigned bit = p.len; bit < ip_addr_size(&a) * 8; bit++)
			a.b[bit / 8] |= (uint8_t)((next(&seed) & 1) << (7 - bit % 8));
		x = of(r, a);
		assert_true(ip_prefix_contains(&p, &x));
		if (a.family == AF_INET)
			assert_int_equal(a.b[3], x.b[3]);
	}
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		struct ip_addr a = addr(same[i]), x = of(r, a);

		assert_true(ip_addr_equal(&a, &x));
	}
	for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
		struct ip_addr a = addr(outside[i]), x = of(r, a);

		assert_false(ip_addr_equal(&a, &x));
		for (size_t k = 0; k < ARRAY_LEN(within); k++) {
			struct ip_prefix p;

			assert_int_equal(ip_prefix_parse(within[k], &p), 0);
			assert_false(ip_prefix_contains(&p, &x));
		}
	}
	struct ip_addr mapped = of(r, addr("::ffff:10.1.2.3")), plain = of(r, addr("10.1.2.3"));

	assert_memory_equal(mapped.b + 12, plain.b, 4);
	redact_free(r);
}

#define NAME(r, s) __extension__({ static char name_[256]; name_into(r, s, name_); name_; })
static void name_into(struct redact *r, const char *s, char ret[static 256])
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;

	assert_int_equal(redact_name(r, s, &b), 0);
	snprintf(ret, 256, "%s", strbuf_str(&b));
}

static void names(void **state)
{
	static const char *const known[] = { "payments", "payment", "paymnets", "payments-db-0", "payments-db-1", "web", "webb", "ip-10-0-3-17", "kube-proxy-x7f2k",
					     "cart-96d5df5c8-0", NULL };
	struct redact *r = learned(known);
	char a[256], b[256];

	(void)state;
	for (size_t i = 0; known[i]; i++) {
		name_into(r, known[i], a);
		name_into(r, known[i], b);
		assert_string_equal(a, b);
		assert_int_equal(strlen(a), strlen(known[i]));
		assert_true(is_k8s_name(a));
		for (size_t k = 0; known[k]; k++) {
			assert_string_not_equal(a, known[k]);
			if (k != i) {
				name_into(r, known[k], b);
				assert_string_not_equal(a, b);
			}
		}
	}
	name_into(r, "payments", a);
	assert_int_equal(edit_distance(a, NAME(r, "payment"), 3), 1);
	name_into(r, "web", a);
	assert_int_equal(edit_distance(a, NAME(r, "webb"), 3), 1);
	name_into(r, "payments-db-0", a);
	assert_int_equal(edit_distance(a, NAME(r, "payments-db-1"), 3), 1);
	assert_string_equal(a + strlen(a) - 2, "-0");
	assert_null(strstr(NAME(r, "ip-10-0-3-17"), "10-0-3-17"));
	assert_true(str_starts(NAME(r, "kube-proxy-x7f2k"), "kube-proxy-"));
	assert_string_equal(NAME(r, "kube-system"), "kube-system");
	assert_true(str_ends(NAME(r, "web.shop.svc.cluster.local"), ".svc.cluster.local"));
	redact_free(r);
}

static void texts(void **state)
{
	static const char *const known[] = { "failed", "cart-0", "web", NULL };
	struct redact *r = learned(known);
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	char name[256];

	(void)state;
	assert_int_equal(redact_text(r, "Readiness probe failed: Get \"http://10.244.1.5:8080/healthz\": dial tcp [fd00::7]:80: connection refused by cart-0, "
					"AcmeCorp 123456789012 CrashLoopBackOff", &b), 0);
	assert_true(str_starts(b.s, "Readiness probe "));
	assert_null(strstr(b.s, "failed")); /* a Service is called so */
	assert_null(strstr(b.s, "10.244.1.5"));
	assert_null(strstr(b.s, "fd00::7"));
	assert_non_null(strstr(b.s, ":8080/healthz\": dial tcp ["));
	assert_non_null(strstr(b.s, "connection refused by "));
	assert_non_null(strstr(b.s, " CrashLoopBackOff"));
	assert_null(strcasestr(b.s, "acme"));
	assert_null(strstr(b.s, "123456789012"));
	name_into(r, "cart-0", name);
	assert_non_null(strstr(b.s, name));
	redact_free(r);
}

/* The chain of a Service port is that of its new name; one that nobody has stays nobody's. */
static void chains(void **state)
{
	static const char *const known[] = { "cart", NULL };
	struct redact *r = learned(known);
	char old[EXPECT_CHAIN_MAX], new[EXPECT_CHAIN_MAX], rule[256], ns[256], port[256];
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT, b CLEANUP(strbuf_release) = STRBUF_INIT;

	(void)state;
	expect_chain_name("KUBE-SVC-", "shop", "cart", "web", IPPROTO_TCP, old);
	name_into(r, "shop", ns);
	name_into(r, "web", port);
	expect_chain_name("KUBE-SVC-", ns, NAME(r, "cart"), port, IPPROTO_TCP, new);
	snprintf(rule, sizeof(rule), "-A KUBE-SERVICES -d 10.96.1.2/32 -p tcp -m tcp --dport 80 -j %s\n-A %s -j KUBE-SEP-AAAAAAAAAAAAAAAA\n", old, old);
	assert_int_equal(redact_file(r, "nodes/n/iptables-save.txt", rule, strlen(rule), &path, &b), 1);
	assert_non_null(strstr(b.s, new));
	assert_null(strstr(b.s, old));
	assert_null(strstr(b.s, "AAAAAAAAAAAAAAAA"));
	assert_null(strstr(b.s, "10.96.1.2"));
	assert_non_null(strstr(b.s, " -p tcp -m tcp --dport 80 -j KUBE-SVC-"));
	redact_free(r);
}

static void unknown_files(void **state)
{
	static const char *const known[] = { "cart", NULL };
	static const char *const paths[] = { "nodes/n/notes.txt", "nodes/n/a/b", "secrets.txt", "cluster/logs/a/b/c.log", "nodes/n/lsmod", "nodes" };
	struct redact *r = learned(known);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT, b CLEANUP(strbuf_release) = STRBUF_INIT;

		assert_int_equal(redact_file(r, paths[i], "text", 4, &path, &b), 0);
	}
	redact_free(r);
}

/* A question that is left out makes a rule match more than it does. */
static void routing_rules(void **state)
{
	static const char *const known[] = { "cart", NULL };
	static const char *const words[] = {
		"\"not\":null", "\"family\":\"inet\"", "\"sport_start\":5", "\"sport_end\":6", "\"dport_start\":7", "\"dport_end\":8", "\"dscp\":9",
		"\"goto\":200", "\"tun_id\":77", "\"uid_start\":1", "\"nop\":null", "\"iif_detached\":null",
	};
	struct redact *r = learned(known);
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT, b CLEANUP(strbuf_release) = STRBUF_INIT, text CLEANUP(strbuf_release) = STRBUF_INIT;

	(void)state;
	strbuf_adds(&text, "[{\"priority\":1,\"src\":\"all\"");
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		strbuf_addf(&text, ",%s", words[i]);
	strbuf_adds(&text, "}]");
	assert_int_equal(redact_file(r, "nodes/n/ip-rule.json", text.s, text.len, &path, &b), 1);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		assert_non_null(strstr(b.s, words[i]));
	redact_free(r);
}

/* ---- the cluster's DNS ---- */

static void redact_one(const char *path, const char *data, size_t size, struct strbuf *out)
{
	struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT;
	struct redact *r;

	assert_int_equal(redact_new(key, &r), 0);
	assert_int_equal(redact_learn(r, path, data, size), 0);
	assert_int_equal(redact_learned(r), 0);
	assert_int_equal(redact_file(r, path, data, size, &name, out), 1);
	redact_free(r);
}

/* A log says the same of the same lines, about other names. */
static void dns_logs(void **state)
{
	static const char *const files[] = { "tests/fuzz/seeds/log/lines.txt", "tests/fuzz/seeds/log/cri.txt" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct strbuf out CLEANUP(strbuf_release) = STRBUF_INIT;
		struct arena arena CLEANUP(arena_release) = { 0 };
		struct log_summary a = { 0 }, b = { 0 };
		char *text CLEANUP(text_free) = NULL;
		size_t size;

		assert_int_equal(file_read_at(AT_FDCWD, files[i], 1u << 20, &text, &size), 0);
		redact_one("cluster/logs/kube-system/coredns-1/coredns.log", text, size, &out);
		assert_null(strstr(out.s, "example"));
		assert_int_equal(log_read(&arena, LOG_COREDNS, text, size, false, &a), 0);
		assert_int_equal(log_read(&arena, LOG_COREDNS, out.s, out.len, false, &b), 0);
		assert_int_equal(b.lines, a.lines);
		assert_int_equal(b.errors_unknown, a.errors_unknown);
		assert_int_equal(b.started_line, a.started_line);
		assert_true(str_same(a.version, b.version));
		assert_true(a.hits.len > 0);
		assert_int_equal(b.hits.len, a.hits.len);
		for (size_t k = 0; k < a.hits.len; k++) {
			assert_string_equal(b.hits.v[k].kind->id, a.hits.v[k].kind->id);
			assert_int_equal(b.hits.v[k].count, a.hits.v[k].count);
			assert_int_equal(b.hits.v[k].last_line, a.hits.v[k].last_line);
		}
		log_summary_release(&a);
		log_summary_release(&b);
	}
}

/* ---- kube-proxy, and what a node's kernel counts ---- */

/* What is of a known form stays, with other names; "geheim" and 203.0.113.7 are in each of them, and in none that comes out. */
static void node_files(void **state)
{
	static const struct {
		const char *file, *text, *kept[8];
	} rows[] = {
		{ "lsmod.txt", "Module                  Size  Used by\nxt_nat   16384  2 geheim\ngeheim 1 1\n", { "Module  ", "xt_nat ", " 16384 2\n" } },
		{ "nstat.txt", "#kernel\nTcpExtIPReversePathFilter 7 0.0\nUdpInErrors 3\ngeheim 3 0.0\nTcpExt203.0.113.7 3 0.0\n", { "TcpExtIPReversePathFilter 7 0.0\n", "UdpInErrors 3\n" } },
		{ "lnstat.txt", "==> arp_cache <==\nentries allocs table_fulls\n0000000a 00000001 00000004\n==> geheim <==\ngeheim 1\n",
		  { "==> arp_cache <==\nentries allocs table_fulls\n0000000a 00000001 00000004\n" } },
		{ "locks.txt", "27 1234 /run/xtables.lock\n27 99 /run/geheim\n1: FLOCK  ADVISORY  WRITE 4711 00:1b:1234 0 EOF\n4711 geheim\n",
		  { "27 1234 /run/xtables.lock\n", "1: FLOCK  ADVISORY  WRITE 4711 00:1b:1234 0 EOF\n", "\n4711 " } },
		{ "ethtool.txt", "Features for geheim0:\ntx-checksumming: on\n\ttx-checksum-ip-generic: off [fixed]\ngeheim geheim\n",
		  { "Features for ", "tx-checksumming: on\n", "tx-checksum-ip-generic: off [fixed]\n" } },
		{ "xt-recent.txt", "/sys/module/xt_recent/parameters/ip_list_tot:100\n  12 /proc/net/xt_recent/KUBE-SEP-JA2KGDKF2CQMWBSK\n  3 /proc/net/xt_recent/geheim\n  15 total\n",
		  { "/sys/module/xt_recent/parameters/ip_list_tot:100\n", "12 /proc/net/xt_recent/KUBE-SEP-" } },
		{ "ipvsadm-timeout.txt", "Timeout (tcp tcpfin udp): 900 120 300\nTimeout (geheim): 1\n", { "Timeout (tcp tcpfin udp): 900 120 300\n" } },
		{ "versions.txt", "nftables v1.0.6 (geheim)\niptables v1.8.9 (nf_tables)\ngeheim v1.0\n", { "nftables v1.0.6\n", "iptables v1.8.9 (nf_tables)\n" } },
		{ "ps.txt", " 4711  86400 /geheim/kube-proxy --config=/var/geheim --hostname-override=geheim1 --geheim=x --cluster-cidr=203.0.113.7/32\n1 1 geheim\n",
		  { "4711 86400 kube-proxy --config=/var/lib/kube-proxy/config.conf", " --hostname-override=", " --cluster-cidr=" } },
		{ "kube-proxy-http.txt", "healthz 503\nmetrics refused\nlivez unreachable (geheim no route to host)\ngeheim 200\n", { "healthz 503\n", "metrics refused\n", "livez unreachable (" } },
		{ "kube-proxy-livez.json", "{\"healthy\": false, \"lastUpdated\": \"2026-11-21T07:31:00Z\", \"geheim\": 1}", { "\"healthy\":false", "2026-11-21T07:31:00Z" } },
		{ "kube-proxy-livez.json", "{\"lastUpdated\": \"2023-05-01 10:00:00.123456789 +0000 UTC m=+100.5\", \"currentTime\": \"geheim\"}", { "\"2023-05-01 10:00:00.123456789 +0000 UTC m=+100.5\"" } },
		{ "conntrack.txt", "ipv4     2 udp      17 29 src=10.244.1.9 dst=203.0.113.7 sport=4711 dport=53 [UNREPLIED] src=10.244.2.3 dst=10.244.1.9 sport=53 dport=4711 secctx=geheim mark=0 use=1\ngeheim\n",
		  { "ipv4 2 udp 17 29 src=10.", " sport=4711 dport=53 [UNREPLIED] src=10.", " sport=53 dport=4711 mark=0 use=1\n" } },
		{ "kube-proxy-metrics.txt", "# HELP geheim\nrest_client_requests_total{code=\"200\",host=\"203.0.113.7:6443\",method=\"GET\"} 12\nkubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.001\"} 5\n"
		  "kubernetes_build_info{git_commit=\"geheim\",git_version=\"v1.36.2-geheim.1\"} 1\nkubeproxy_network_programming_duration_seconds_bucket{le=\"+Inf\"} 3\nprocess_start_time_seconds 1.7e+09\ngeheim 1\n",
		  { "rest_client_requests_total{code=\"200\",method=\"GET\"} 12\n", "duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.001\"} 5\n", "kubernetes_build_info{git_version=\"v1.36.2\"} 1\n",
		    "_bucket{le=\"+Inf\"} 3\n", "process_start_time_seconds 1.7e+09\n" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct strbuf out CLEANUP(strbuf_release) = STRBUF_INIT;
		char path[64];

		snprintf(path, sizeof(path), "nodes/n1/%s", rows[i].file);
		redact_one(path, rows[i].text, strlen(rows[i].text), &out);
		for (size_t k = 0; k < ARRAY_LEN(rows[i].kept) && rows[i].kept[k]; k++)
			if (!strstr(out.s, rows[i].kept[k]))
				fail_msg("%s: no '%s' in: %s", rows[i].file, rows[i].kept[k], out.s);
		if (strstr(out.s, "geheim") || strstr(out.s, "203.0.113.7"))
			fail_msg("%s: %s", rows[i].file, out.s);
	}
}

/* In whichever form: the flags that count, and no line that is not known. */
static void proxy_logs(void **state)
{
	static const char *const texts[] = {
		("I1121 07:30:59.249815     822 flags.go:64] FLAG: --proxy-mode=\"ipvs\"\nI1121 07:30:59.249815     822 flags.go:64] FLAG: --oom-score-adj=\"203.0.113.7\"\n"
		 "I1121 07:30:59.249815     822 flags.go:64] FLAG: --config=\"/geheim\"\nE1121 07:31:00.000000     822 proxier.go:1] geheim 203.0.113.7\ngeheim\n"),
		"{\"log\":\"I1121 07:30:59.249815 822 flags.go:64] FLAG: --proxy-mode=\\\"ipvs\\\"\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-21T07:30:59Z\"}\n{\"log\":\"geheim\\n\"}\n",
		"{\"__REALTIME_TIMESTAMP\":\"1795246260000000\",\"MESSAGE\":\"I1121 07:30:59.249815 822 flags.go:64] FLAG: --proxy-mode=\\\"ipvs\\\"\",\"_HOSTNAME\":\"geheim\"}\n",
		"2026-11-21T07:30:59.249815Z stderr F I1121 07:30:59.249815 822 flags.go:64] FLAG: --proxy-mode=\"ipvs\"\n2026-11-21T07:30:59.249815Z stderr F geheim\n",
		"{\"ts\":1795246260000.1,\"caller\":\"flag/flags.go:64\",\"msg\":\"FLAG: --proxy-mode=\\\"ipvs\\\"\\n\",\"v\":1}\n{\"ts\":1.0,\"msg\":\"geheim\"}\n",
	};
	static const char *const paths[] = { "nodes/n1/kube-proxy.log", "nodes/n1/kube-proxy.previous.log", "cluster/logs/kube-system/kube-proxy-x/kube-proxy.log" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts) * ARRAY_LEN(paths); i++) {
		struct strbuf out CLEANUP(strbuf_release) = STRBUF_INIT;
		const char *text = texts[i / ARRAY_LEN(paths)];

		redact_one(paths[i % ARRAY_LEN(paths)], text, strlen(text), &out);
		if (!strstr(out.s, "flags.go:64] FLAG: --proxy-mode=\"ipvs\"\n") || strstr(out.s, "geheim") || strstr(out.s, "203.0.113.7"))
			fail_msg("%s", out.s);
	}
}

/* The same blocks and directives, in the same lines. */
static void corefile(void **state)
{
	static const char map[] =
		"{\"kind\":\"ConfigMapList\",\"apiVersion\":\"v1\",\"items\":[{\"metadata\":{\"name\":\"coredns\",\"namespace\":\"kube-system\"},\"data\":{\"Corefile\":"
		"\".:53 {\\n    errors # geheimnis\\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\\n        pods insecure\\n        fallthrough in-addr.arpa\\n        ttl 30\\n    }\\n"
		"    forward . /etc/resolv.conf 8.8.8.8:53 {\\n        max_concurrent 1000\\n    }\\n    cache 30\\n    loop\\n}\\ngeheimnis.example.com:5353 {\\n"
		"    forward . tls://10.1.2.3\\n    geheimnis x\\n}\\n\"}}]}";
	struct strbuf out CLEANUP(strbuf_release) = STRBUF_INIT;

	(void)state;
	redact_one("cluster/configmaps.json", map, sizeof(map) - 1, &out);
	assert_non_null(strstr(out.s, ".:53 {\\n    errors #\\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\\n        pods insecure\\n        fallthrough in-addr.arpa\\n"
				      "        ttl 30\\n    }\\n    forward . /etc/resolv.conf "));
	assert_non_null(strstr(out.s, ":53 {\\n        max_concurrent 1000\\n    }\\n    cache 30\\n    loop\\n}\\n"));
	assert_non_null(strstr(out.s, ":5353 {\\n    forward . tls://10."));
	assert_null(strstr(out.s, "geheimnis"));
	assert_null(strstr(out.s, "8.8.8.8"));
	assert_null(strstr(out.s, "10.1.2.3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes), cmocka_unit_test(ranges), cmocka_unit_test(names), cmocka_unit_test(texts),
		cmocka_unit_test(chains),   cmocka_unit_test(unknown_files), cmocka_unit_test(routing_rules),
		cmocka_unit_test(dns_logs),
		cmocka_unit_test(node_files),
		cmocka_unit_test(proxy_logs),
		cmocka_unit_test(corefile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

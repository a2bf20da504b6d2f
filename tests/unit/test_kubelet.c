/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kubelets and pods answer, as a bundle holds it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <svcdoctor/source.h>

static void config(struct snapshot *s, const char *node, const char *json)
{
	assert_int_equal(read_kubelet_config(s, node, json, strlen(json), "f.json"), 0);
}

static void test_config(void **state)
{
	const struct snap_kubelet *k;
	struct snapshot s;

	(void)state;
	snapshot_init(&s);
	config(&s, "a", "{\"kubeletconfig\":{\"clusterDNS\":[\"10.96.0.10\",\"fd00::a\"],\"clusterDomain\":\"cluster.local\",\"hairpinMode\":\"hairpin-veth\","
			"\"resolvConf\":\"/etc/resolv.conf\",\"containerRuntimeEndpoint\":\"unix:///run/x.sock\"}}");
	config(&s, "b", "{\"kind\":\"KubeletConfiguration\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\"}");
	assert_int_equal(s.notes.len, 0);
	k = &snapshot_node(&s, "a", false)->kubelet;
	assert_true(k->known);
	assert_int_equal(k->ncluster_dns, 2);
	assert_string_equal(k->cluster_dns[1], "fd00::a");
	assert_string_equal(k->cluster_domain, "cluster.local");
	assert_string_equal(k->hairpin_mode, "hairpin-veth");
	assert_string_equal(k->resolv_conf, "/etc/resolv.conf");
	assert_string_equal(k->runtime_endpoint, "unix:///run/x.sock");
	k = &snapshot_node(&s, "b", false)->kubelet;
	assert_true(k->known);
	assert_int_equal(k->ncluster_dns, 0);
	assert_null(k->cluster_domain);
	snapshot_release(&s);
}

/* What is none of it is not known, and said; values of other types are as good as absent, and texts are cleaned. */
static void test_bad_config(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "{\"kind\":\"KubeProxyConfiguration\"}", "{\"kubeletconfig\":[]}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct snapshot s;

		snapshot_init(&s);
		config(&s, "a", bad[i]);
		assert_int_equal(s.notes.len, 1);
		assert_false(snapshot_node(&s, "a", false)->kubelet.known);
		snapshot_release(&s);
	}
	{
		const struct snap_kubelet *k;
		struct snapshot s;

		snapshot_init(&s);
		config(&s, "a", "{\"kubeletconfig\":{\"clusterDNS\":[1,\"x\\u001b[31m\"],\"clusterDomain\":7}}");
		k = &snapshot_node(&s, "a", false)->kubelet;
		assert_true(k->known);
		assert_int_equal(k->ncluster_dns, 1);
		assert_null(strchr(k->cluster_dns[0], '\x1b'));
		assert_null(k->cluster_domain);
		snapshot_release(&s);
	}
}

static void test_probe(void **state)
{
	static const struct {
		const char *data;
		int status; /* 0: none is taken */
		const char *text;
	} cases[] = {
		{ "200\nOK\n", 200, "OK" },
		{ "503\r\nkubernetes\r\nmore", 503, "kubernetes" },
		{ "HTTP/1.1 503 Service Unavailable\n\nkubernetes", 503, "kubernetes" },
		{ "200", 200, "" },
		{ "503\n\x1b[31mred", 503, "red" },
		{ "", 0, NULL },
		{ "OK\n", 0, NULL },
		{ "99\n", 0, NULL },
		{ "2000\n", 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct snapshot s;

		snapshot_init(&s);
		assert_int_equal(read_probe(&s, "ready", "kube-system", "coredns-0", cases[i].data, strlen(cases[i].data), "ready.txt"), 0);
		assert_int_equal(s.probes.len, cases[i].status != 0);
		assert_int_equal(s.notes.len, cases[i].status == 0);
		if (cases[i].status) {
			assert_int_equal(s.probes.v[0].status, cases[i].status);
			assert_non_null(strstr(s.probes.v[0].text, cases[i].text));
			assert_null(strchr(s.probes.v[0].text, '\x1b'));
			assert_string_equal(s.probes.v[0].pod, "coredns-0");
		}
		snapshot_release(&s);
	}
}

/* Where they stand in a folder and in an archive; a name that is none is passed over. */
static void test_layout(void **state)
{
	char dir[] = "/tmp/svcdoctor-kubelet-XXXXXX", command[600];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
		 "cd %s && mkdir -p b/cluster/pods/kube-system/coredns-0 b/cluster/pods/kube-system/Bad_Name b/nodes/n1 && "
		 "printf '503\\nkubernetes' > b/cluster/pods/kube-system/coredns-0/ready.txt && "
		 "echo 200 > b/cluster/pods/kube-system/Bad_Name/ready.txt && "
		 "echo '{\"kubeletconfig\":{\"clusterDNS\":[\"10.96.0.10\"]}}' > b/nodes/n1/kubelet-config.json && "
		 "echo '{\"kind\":\"ServiceList\",\"items\":[]}' > b/cluster/services.json && tar czf b.tar.gz b",
		 dir);
	assert_int_equal(system(command), 0);
	for (int archive = 0; archive < 2; archive++) {
		char path[100];
		struct snapshot s;

		snprintf(path, sizeof(path), "%s/b%s", dir, archive ? ".tar.gz" : "");
		snapshot_init(&s);
		assert_int_equal(bundle_open(&s, path), 0);
		assert_int_equal(snapshot_finish(&s), 0);
		assert_int_equal(s.probes.len, 1);
		assert_string_equal(s.probes.v[0].ns, "kube-system");
		assert_int_equal(s.probes.v[0].status, 503);
		assert_true(snapshot_node(&s, "n1", false)->kubelet.known);
		snapshot_release(&s);
	}
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_bad_config),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

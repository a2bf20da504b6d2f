/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command hairpin finds on recorded nodes and damaged copies of them, and the configuration of the pod network. */
#include "lab.h"

#include <svcdoctor/report.h>
#include <svcdoctor/source.h>

struct look {
	struct snapshot s;
	struct hairpin_report h;
	struct diagnosis d;
};

static void look(struct look *l, const char *path)
{
	memset(l, 0, sizeof(*l));
	snapshot_init(&l->s);
	assert_int_equal(bundle_open(&l->s, path), 0);
	assert_int_equal(snapshot_finish(&l->s), 0);
	assert_int_equal(hairpin_run(&l->s, "node1", &l->h), 0);
	assert_int_equal(hairpin_diagnose(&l->s, NULL, &l->h, &l->d), 0);
	assert_int_equal(l->h.nodes.len, 1);
}

static void release(struct look *l)
{
	hairpin_report_release(&l->h);
	diagnosis_release(&l->d);
	snapshot_release(&l->s);
}

static const struct hairpin_pod *pod(const struct look *l, const char *name)
{
	for (size_t i = 0; i < l->h.pods.len; i++)
		if (str_is(l->h.pods.v[i].name, name))
			return &l->h.pods.v[i];
	fail_msg("no pod %s", name);
	return NULL;
}

static void test_sound(void **state)
{
	const struct hairpin_node *n;
	struct look l;

	(void)state;
	look(&l, LAB);
	n = &l.h.nodes.v[0];
	assert_int_equal(n->self.can, HAIRPIN_YES);
	assert_int_equal(n->neighbour.can, HAIRPIN_YES);
	assert_int_equal(n->basis, HAIRPIN_BY_SERVICES);
	assert_string_equal(n->mode, "iptables");
	assert_int_equal(l.d.findings.len, 0);
	assert_int_equal(l.h.bridges.len, 1);
	assert_int_equal(l.h.bridges.v[0].calls[0], TRI_TRUE);
	assert_int_equal(l.h.bridges.v[0].cni->hairpin, 1);
	assert_int_equal(l.h.bridges.v[0].cni->promisc, -1);
	assert_int_equal(l.h.ports.len, 2);
	assert_string_equal(pod(&l, "default/hostnames-0")->port->name, "vethp5");
	assert_null(pod(&l, "default/hostnames-1")->port);
	assert_int_equal(pod(&l, "shop/cart-0")->self.can, HAIRPIN_UNASKED);
	release(&l);
}

static bool rename_all(struct lab_line *l)
{
	char *at = strstr(l->text, l->find);

	while (at) {
		memcpy(at, l->put, strlen(l->put));
		l->found = true;
		at = strstr(at, l->find);
	}
	return true;
}

static void ports_not_told(const char *dir)
{
	struct lab_line l = { .find = "\"hairpin\":true", .put = "\"hairpix\":true" };

	lab_change(dir, "ip-link.json", rename_all, &l);
}

static void netfilter_off(const char *dir)
{
	damage(dir, "sysctl.txt", "net.bridge.bridge-nf-call-iptables = 1", "net.bridge.bridge-nf-call-iptables = 0\n");
}

static void no_masquerade(const char *dir)
{
	damage(dir, "iptables-nft-save.txt", "-s 10.244.1.70/32 -m comment --comment \"shop/api\" -j KUBE-MARK-MASQ", "");
}

static void stopped(const char *dir)
{
	damage(dir, "iptables-nft-save.txt", "-A FORWARD -m comment --comment \"kubernetes forwarding rules\"", "+[0:0] -A FORWARD -s 10.244.0.0/16 -j DROP\n");
}

static const struct {
	void (*make)(const char *dir);
	enum hairpin_can self, neighbour, api; /* api: of the pod shop/api-0 */
	const char *check, *text, *fix;
} rows[] = {
	{ netfilter_off, HAIRPIN_YES, HAIRPIN_NO, HAIRPIN_YES, "bridge-nf-call-iptables-off", "bridge netfilter is off",
	  "sudo sysctl -w net.bridge.bridge-nf-call-iptables=1" },
	{ no_masquerade, HAIRPIN_NO, HAIRPIN_YES, HAIRPIN_NO, "hairpin-masquerade-missing", "missing in nat KUBE-SEP-", "-s 10.244.1.70 -j KUBE-MARK-MASQ" },
	{ stopped, HAIRPIN_NO, HAIRPIN_NO, HAIRPIN_NO, "foreign-rule-drops", "-A FORWARD -s 10.244.0.0/16 -j DROP", "-i cni0 -o cni0 -j ACCEPT" },
	{ ports_not_told, HAIRPIN_UNKNOWN, HAIRPIN_YES, HAIRPIN_UNKNOWN, NULL, NULL, NULL },
};

static void test_damaged(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char dir[] = LAB_DIR;
		const struct finding *f;
		struct look l;

		lab_copy(dir);
		rows[i].make(dir);
		look(&l, dir);
		assert_int_equal(l.h.nodes.v[0].self.can, rows[i].self);
		assert_int_equal(l.h.nodes.v[0].neighbour.can, rows[i].neighbour);
		assert_int_equal(pod(&l, "shop/api-0")->self.can, rows[i].api);
		assert_int_equal(l.d.findings.len, rows[i].check ? 1 : 0);
		assert_int_equal(l.d.inconclusive, rows[i].self == HAIRPIN_UNKNOWN);
		f = rows[i].check ? l.d.findings.v[0] : NULL;
		if (f) {
			assert_string_equal(f->check->id, rows[i].check);
			assert_true(has_text(f, rows[i].text));
			assert_true(has_text(f, rows[i].fix));
		}
		release(&l);
		lab_remove(dir);
	}
}

static const struct {
	const char *text;
	const char *type, *bridge; /* of the first plugin that is kept */
	int hairpin, promisc, masq;
	size_t n, notes;
} networks[] = {
	{ "{\"name\":\"a\",\"type\":\"bridge\",\"hairpinMode\":true,\"ipMasq\":false}", "bridge", "cni0", 1, -1, 0, 1, 0 },
	{ "{\"name\":\"a\",\"plugins\":[{\"type\":\"loopback\"},{\"type\":\"bridge\",\"bridge\":\"br1\",\"promiscMode\":true}]}", "bridge", "br1", -1, 1, -1, 1, 0 },
	{ "{\"name\":\"a\",\"plugins\":[{\"type\":\"flannel\",\"delegate\":{\"hairpinMode\":true,\"bridge\":\"flan\"}},{\"type\":\"portmap\"}]}", "flannel", "flan", 1, -1, -1, 1, 0 },
	{ "{\"name\":\"a\",\"plugins\":[{\"type\":\"calico\"},{\"type\":\"portmap\"}]}", "calico", NULL, -1, -1, -1, 1, 0 },
	{ "{\"name\":\"a\",\"plugins\":[]}", NULL, NULL, -1, -1, -1, 1, 0 },
	{ "{\"name\":\"a\",\"plugins\":[1,\"x\",null,{\"type\":7,\"hairpinMode\":\"yes\"}]}", NULL, NULL, -1, -1, -1, 1, 0 },
	{ "{\"name\":\"a\"}", NULL, NULL, 0, 0, 0, 0, 1 },
	{ "[]", NULL, NULL, 0, 0, 0, 0, 1 },
	{ "{\"name\":", NULL, NULL, 0, 0, 0, 0, 1 },
};

static void test_networks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
		const struct snap_node *n;
		struct snapshot s;

		snapshot_init(&s);
		assert_int_equal(read_cni(&s, "n", "10-x.conflist", networks[i].text, strlen(networks[i].text), "cni/10-x.conflist"), 0);
		n = snapshot_node(&s, "n", false);
		assert_non_null(n);
		assert_int_equal(n->cni.len, networks[i].n);
		assert_int_equal(s.notes.len, networks[i].notes);
		assert_int_equal(n->cni_known, networks[i].n > 0);
		if (n->cni.len) {
			const struct snap_cni *c = &n->cni.v[0];

			assert_true(networks[i].type ? str_is(c->type, networks[i].type) : !c->type);
			assert_true(networks[i].bridge ? str_is(c->bridge, networks[i].bridge) : !c->bridge);
			assert_int_equal(c->hairpin, networks[i].hairpin);
			assert_int_equal(c->promisc, networks[i].promisc);
			assert_int_equal(c->masq, networks[i].masq);
		}
		snapshot_release(&s);
	}
}

/* The first file is the one that is used, however they were read. */
static void test_order(void **state)
{
	static const char text[] = "{\"name\":\"a\",\"type\":\"bridge\"}";
	static const char *const names[] = { "20-b.conf", "10-a.conf", "30-c.conf" };
	const struct snap_node *n;
	struct snapshot s;

	(void)state;
	snapshot_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(read_cni(&s, "n", names[i], text, strlen(text), names[i]), 0);
	assert_int_equal(snapshot_finish(&s), 0);
	n = s.nodes.v[0];
	assert_int_equal(n->cni.len, 3);
	assert_string_equal(n->cni.v[0].file, "10-a.conf");
	assert_false(n->cni.v[0].second);
	assert_true(n->cni.v[1].second);
	snapshot_release(&s);
}

static void test_report(void **state)
{
	static const enum report_format formats[] = { REPORT_TEXT, REPORT_JSON, REPORT_LINES };
	struct look l;

	(void)state;
	look(&l, LAB);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		char *text = NULL;
		size_t size = 0;
		FILE *f = open_memstream(&text, &size);
		const struct report r = { .out = f, .format = formats[i], .command = "hairpin", .program = "svcdoctor", .source_flags = "",
					  .kubectl_flags = "", .snapshot = &l.s, .namespace_ = "default" };

		assert_non_null(f);
		assert_int_equal(report_hairpin(&r, &l.h, &l.d), 0);
		assert_int_equal(fclose(f), 0);
		if (formats[i] != REPORT_LINES)
			assert_non_null(strstr(text, "a pod can reach itself through its Service, because all ports of cni0 have hairpin mode on"));
		else
			assert_int_equal(size, 0);
		free(text);
	}
	release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),  cmocka_unit_test(test_damaged), cmocka_unit_test(test_networks),
		cmocka_unit_test(test_order), cmocka_unit_test(test_report),
	};

	return cmocka_run_group_tests_name("hairpin", tests, NULL, NULL);
}

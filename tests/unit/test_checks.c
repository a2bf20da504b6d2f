/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The catalogue, the diagnosis and the names of Services, on the recorded clusters and on damaged copies of them. Small
 * clusters for single checks are in test_checks_objects.c.
 */

#include <errno.h>
#include <unistd.h>

#include <svcdoctor/checks.h>

#include "lab.h"

/* ---- the catalogue ---- */

static bool reaches(const struct check *from, const struct check *to, unsigned depth)
{
	for (size_t i = 0; depth < 10 && from->explains && from->explains[i]; i++) {
		const struct check *c = check_find(from->explains[i]);

		if (c == to || reaches(c, to, depth + 1))
			return true;
	}
	return false;
}

static void test_catalogue(void **state)
{
	size_t n = 0;

	(void)state;
	for (const struct check *c = check_catalogue; c->id; c++, n++) {
		assert_true(c == check_catalogue || strcmp(c[-1].id, c->id) < 0);
		assert_true(check_find(c->id) == c);
		assert_true(is_k8s_name(c->id)); /* a dot only in the version of another program */
		assert_non_null(c->title);
		assert_non_null(c->meaning);
		assert_non_null(c->next);
		assert_non_null(c->fix);
		for (size_t i = 0; c->explains && c->explains[i]; i++)
			if (!check_find(c->explains[i]))
				fail_msg("%s explains %s, which is no check", c->id, c->explains[i]);
		if (reaches(c, c, 0))
			fail_msg("%s explains itself", c->id);
	}
	assert_true(n > 80);
	assert_null(check_find("no-such-check"));
	assert_null(check_find(""));
}

/* ---- the recorded clusters ---- */

static const struct {
	const char *name, *first, *text; /* first cause; something that it says */
	enum service_status status;
} shop[] = {
	{ "api", "target-port-wrong-number", "8080/TCP", STATUS_DEGRADED },
	{ "cart", "no-ready-endpoints", "kubectl -n shop logs cart-1 --previous", STATUS_BROKEN },
	{ "lb-ranges", NULL, NULL, STATUS_NO_FAULT_FOUND },
	{ "local-only", "selector-mismatch", "Pod default/example-0", STATUS_BROKEN },
	{ "no-match", "selector-mismatch", "the pod has app=web", STATUS_BROKEN },
	{ "no-selector", "selectorless-no-endpoints", "kubernetes.io/service-name=no-selector", STATUS_BROKEN },
	{ "node-ip-stolen", "externalip-equals-node-ip", "node2", STATUS_BROKEN },
	{ "pay", "named-target-port-missing", "tls (8443/TCP)", STATUS_BROKEN },
	{ "scaled-down", "workload-scaled-to-zero", "kubectl -n shop scale deployment worker --replicas=1", STATUS_BROKEN },
};

/* @slow: the Service that IPVS mode does not answer for on each node; NULL: none. */
static void check_lab(const char *path, const char *slow)
{
	struct lab l;

	lab_open(&l, path);
	diagnose(&l, NULL);
	for (size_t i = 0; i < ARRAY_LEN(shop); i++) {
		const struct service_result *sr = result_of(&l, "shop", shop[i].name);
		const struct finding *f = sr->causes.len ? sr->causes.v[0] : NULL;

		assert_int_equal(sr->status, shop[i].status);
		if (!shop[i].first) {
			assert_null(f);
			continue;
		}
		assert_non_null(f);
		assert_true(strncmp(f->check->id, shop[i].first, strlen(shop[i].first)) == 0);
		if (!has_text(f, shop[i].text))
			fail_msg("%s: '%s' is not said", shop[i].name, shop[i].text);
	}
	for (size_t i = 0; i < l.d.services.len; i++) {
		const struct service_result *sr = &l.d.services.v[i];

		if (slow && strcmp(sr->service->meta.name, slow) == 0) {
			assert_int_equal(sr->status, STATUS_DEGRADED);
			assert_int_equal(sr->axes[AXIS_RULES].state, AXIS_WARNING);
			assert_string_equal(sr->causes.v[0]->check->id, "ipvs-local-reply-lost");
			continue;
		}
		if (strcmp(sr->service->meta.ns, "shop") != 0)
			assert_int_equal(sr->status, STATUS_NO_FAULT_FOUND);
		assert_int_equal(sr->axes[AXIS_NAME].state, AXIS_NOT_LOOKED_AT);
		if (strcmp(sr->service->meta.name, "node-ip-stolen") != 0)
			assert_int_equal(sr->axes[AXIS_RULES].state, AXIS_OK);
	}
	assert_int_equal(l.d.healthy, -1);
	assert_false(l.d.inconclusive);
	assert_true(l.d.axis_has_source[AXIS_RULES]);
	assert_non_null(find_finding(&l, "ingress-backend-missing"));
	assert_non_null(find_finding(&l, "ingress-backend-port-missing"));
	lab_release(&l);
}

static void test_labs(void **state)
{
	(void)state;
	check_lab(LAB, NULL);
	check_lab("tests/corpus/lab-iptables-legacy", NULL);
	check_lab("tests/corpus/lab-ipvs", "example-service");
	check_lab("tests/corpus/lab-nftables", NULL);
}

static void test_cart(void **state)
{
	const struct service_result *sr;
	struct lab l;

	(void)state;
	lab_open(&l, LAB);
	diagnose(&l, NULL);
	sr = result_of(&l, "shop", "cart");
	assert_int_equal(sr->causes.len, 1);
	assert_int_equal(sr->explained.len, 2);
	assert_string_equal(sr->explained.v[0]->because, "Pod shop/cart-1 keeps crashing (CrashLoopBackOff, 17 restarts)");
	assert_string_equal(sr->explained.v[1]->because, "Pod shop/cart-0 runs but its containers are not ready");
	assert_true(sr->explained.v[0]->explained_by == sr->causes.v[0]);
	assert_int_equal(sr->causes.v[0]->explains.len, 2);
	assert_string_equal(sr->axes[AXIS_ENDPOINTS].line, "0 of 2 pods are ready");
	assert_int_equal(sr->axes[AXIS_ENDPOINTS].details.len, 2);
	assert_string_equal(sr->axes[AXIS_ENDPOINTS].details.v[0],
			    "cart-0   node1   10.244.1.50   running, not ready since 2026-11-21 05:00");
	assert_non_null(strstr(sr->axes[AXIS_RULES].line, "as they must be without endpoints"));
	assert_string_equal(sr->causes.v[0]->since, "2026-11-21T05:00:00Z");
	assert_string_equal(sr->head, "ClusterIP 10.96.75.131   80/TCP -> targetPort web");
	lab_release(&l);
}

static void test_axes_and_ignore(void **state)
{
	static const char *const ignore[] = { "no-ready-endpoints@shop/cart", "ingress-backend-missing", NULL };
	const struct diagnose_options only = { .axes = { false, true, false }, .axes_given = true };
	const struct diagnose_options names = { .axes = { true, false, false }, .axes_given = true };
	const struct diagnose_options without = { .axes = { true, true, true }, .ignore = ignore };
	struct lab l;

	(void)state;
	lab_open(&l, LAB);
	diagnose(&l, &only);
	for (size_t i = 0; i < l.d.findings.len; i++)
		assert_int_equal(l.d.findings.v[i]->axis, AXIS_ENDPOINTS);
	assert_int_equal(l.d.verify.walks, 0);
	assert_false(l.d.inconclusive);
	lab_release(&l);

	lab_open(&l, LAB);
	diagnose(&l, &names);
	assert_true(l.d.inconclusive);
	lab_release(&l);

	lab_open(&l, LAB);
	diagnose(&l, &without);
	assert_null(find_finding(&l, "no-ready-endpoints"));
	assert_null(find_finding(&l, "pod-crashlooping"));
	assert_null(find_finding(&l, "ingress-backend-missing"));
	assert_int_equal(result_of(&l, "shop", "cart")->status, STATUS_NO_FAULT_FOUND);
	assert_int_equal(result_of(&l, "shop", "pay")->status, STATUS_BROKEN);
	lab_release(&l);
}

/* ---- damaged rules ---- */

static const struct {
	const char *file, *find, *put, *check, *text;
	size_t services; /* at least */
} damages[] = {
	{ "iptables-nft-save.txt", "-A PREROUTING -m comment --comment \"kubernetes service portals\"", "", "kube-chain-not-jumped",
	  "PREROUTING", 5 },
	{ "iptables-nft-save.txt", "-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\"", "", "kube-chain-not-jumped",
	  "POSTROUTING", 5 },
	{ "iptables-nft-save.txt", "--to-destination 10.244.1.5:9376",
	  "-A KUBE-SEP-LZSOAAIF344LOQYR -p tcp -m tcp -j DNAT --to-destination 10.244.1.5:9377\n", "rules-endpoints-diff", "9377", 1 },
	{ "iptables-nft-save.txt", "--to-destination 10.244.1.5:9376",
	  "-A KUBE-SEP-LZSOAAIF344LOQYR -p tcp -m tcp -j DNAT --to-destination 10.244.1.99:9376\n", "rules-stale-endpoint", "10.244.1.99",
	  1 },
	{ "iptables-nft-save.txt", "-A KUBE-SERVICES -d 10.96.250.211/32", "", "rules-missing-for-service", "KUBE-SERVICES", 1 },
	{ "iptables-nft-save.txt", "-A FORWARD ", "+-A FORWARD -d 10.244.0.0/16 -j DROP\n", "foreign-rule-drops", "10.244.0.0/16", 5 },
	{ "iptables-nft-save.txt", "-A KUBE-MARK-MASQ ", "", "masquerade-missing", "KUBE-MARK-MASQ", 5 },
	{ "sysctl.txt", "net.ipv4.ip_forward = 1", "net.ipv4.ip_forward = 0\n", "ip-forward-disabled",
	  "sudo sysctl -w net.ipv4.ip_forward=1", 5 },
};

static void test_damaged_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		char dir[] = LAB_DIR;
		const struct finding *f;
		size_t same = 0;
		struct lab l;

		lab_copy(dir);
		damage(dir, damages[i].file, damages[i].find, damages[i].put);
		lab_open(&l, dir);
		diagnose(&l, NULL);
		f = find_finding(&l, damages[i].check);
		if (!f)
			fail_msg("damage %zu: no %s", i, damages[i].check);
		assert_int_equal(f->severity, SEVERITY_ERROR);
		assert_string_equal(f->node, "node1");
		if (!has_text(f, damages[i].text))
			fail_msg("damage %zu: '%s' is not said", i, damages[i].text);
		assert_true(f->services.len >= damages[i].services);
		assert_null(f->explained_by);
		/* one finding, however many Services: nothing else of the rules axis is an error and a cause */
		for (size_t j = 0; j < l.d.findings.len; j++) {
			const struct finding *g = l.d.findings.v[j];

			same += g->axis == AXIS_RULES && g->severity == SEVERITY_ERROR && g->node && !g->explained_by;
		}
		if (same != 1)
			fail_msg("damage %zu: %zu causes beside each other", i, same);
		assert_int_equal(result_of(&l, f->services.v[0]->meta.ns, f->services.v[0]->meta.name)->status, STATUS_BROKEN);
		lab_release(&l);
		lab_remove(dir);
	}
}
/* ---- a node as a whole ---- */

static bool empty_file(struct lab_line *l)
{
	l->found = true;
	return false;
}

static bool flush_chains(struct lab_line *l)
{
	bool rule = strstr(l->text, "-A KUBE-") != NULL;

	l->found |= rule;
	return !rule;
}

/* kube-proxy has made its own chains and the jumps to them, and has not come to Services. */
static bool begin_only(struct lab_line *l)
{
	static const char *const later[] = { ":KUBE-SVC-", ":KUBE-SVL-", ":KUBE-EXT-", ":KUBE-FW-", ":KUBE-SEP-" };

	for (size_t i = 0; i < ARRAY_LEN(later); i++)
		if (str_starts(l->text, later[i]))
			return false;
	return flush_chains(l);
}

static void change(const char *dir, const char *file, bool (*fn)(struct lab_line *l))
{
	struct lab_line l = { 0 };

	lab_change(dir, file, fn, &l);
}

static void empty_ipv4(const char *dir)
{
	change(dir, "iptables-nft-save.txt", empty_file);
	change(dir, "iptables-legacy-save.txt", empty_file);
	change(dir, "nft-ruleset.json", empty_file); /* it shows the tables of iptables-nft too */
}

static void empty_all(const char *dir)
{
	empty_ipv4(dir);
	change(dir, "ip6tables-nft-save.txt", empty_file);
	change(dir, "ip6tables-legacy-save.txt", empty_file);
}

static void flush(const char *dir)
{
	change(dir, "iptables-nft-save.txt", flush_chains);
}

static void first_sync(const char *dir)
{
	change(dir, "iptables-nft-save.txt", begin_only);
}

static void never_synced(const char *dir)
{
	flush(dir);
	damage(dir, "kube-proxy-healthz.json", "{",
	       "{\"lastUpdated\":\"0001-01-01T00:00:00Z\",\"currentTime\":\"2026-11-21T07:30:05Z\",\"healthy\":false}");
}

static const struct {
	void (*make)(const char *dir);
	const char *check, *text, *evidence;
} node_states[] = {
	{ empty_all, "kube-proxy-wrote-nothing", "kube-proxy has written nothing on node node1", "ip6tables-nft" },
	{ empty_ipv4, "kube-proxy-wrote-nothing", "kube-proxy has written nothing for IPv4 on node node1", "iptables-nft" },
	{ flush, "rules-flushed-by-other", "emptied by somebody else", "nat KUBE-SERVICES holds no rule" },
	{ first_sync, "rules-torn", "has not finished writing", "there is no chain of a Service yet" },
	{ never_synced, "rules-torn", "has not finished writing", "knows of no finished sync" },
};

/* One cause, which is the first of every Service that the node should serve, and everything else of it is explained. */
static void check_node_state(const struct lab *l, const char *check)
{
	const struct finding *f = find_finding(l, check);

	assert_non_null(f);
	assert_int_equal(f->severity, SEVERITY_ERROR);
	assert_string_equal(f->node, "node1");
	assert_null(f->explained_by);
	assert_true(f->services.len >= 11);
	assert_true(f->explains.len > 0);
	for (size_t i = 0; i < l->d.findings.len; i++) {
		const struct finding *g = l->d.findings.v[i];

		if (g != f && g->node && g->axis == AXIS_RULES && g->severity > SEVERITY_INFO && !g->explained_by)
			fail_msg("%s: %s stands beside it", check, g->id);
	}
	assert_int_equal(result_of(l, "default", "web")->status, STATUS_BROKEN);
	assert_int_equal(result_of(l, "default", "web")->causes.len, 1);
	assert_true(result_of(l, "default", "web")->causes.v[0] == f);
}

static void test_node_states(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(node_states); i++) {
		const struct finding *f;
		char dir[] = LAB_DIR;
		struct lab l;

		lab_copy(dir);
		node_states[i].make(dir);
		lab_open(&l, dir);
		diagnose(&l, NULL);
		f = find_finding(&l, node_states[i].check);
		if (!f)
			fail_msg("state %zu: no %s", i, node_states[i].check);
		check_node_state(&l, node_states[i].check);
		if (!strstr(f->text, node_states[i].text) || !has_text(f, node_states[i].evidence))
			fail_msg("state %zu says '%s' and '%s'", i, f->text, f->evidence.v[0]);
		lab_release(&l);
		lab_remove(dir);
	}
}

/* A dump that is not whole is no proof that the rest is missing. */
static void test_cut_dump(void **state)
{
	static const char phrase[] = "a part of this node's dump could not be read";
	const struct finding *f;
	char dir[] = LAB_DIR, path[256];
	struct lab l;

	(void)state;
	lab_copy(dir);
	snprintf(path, sizeof(path), "%s/nodes/node1/iptables-nft-save.txt", dir);
	assert_int_equal(truncate(path, 12000), 0);
	lab_open(&l, dir);
	diagnose(&l, NULL);
	assert_null(find_finding(&l, "kube-proxy-wrote-nothing"));
	assert_null(find_finding(&l, "rules-flushed-by-other"));
	assert_null(find_finding(&l, "rules-torn"));
	f = find_finding(&l, "rules-undecided");
	assert_non_null(f);
	assert_non_null(strstr(f->text, phrase));
	/* said once, and not again below */
	assert_null(strstr(strstr(f->text, phrase) + strlen(phrase), "could not be read"));
	assert_null(strstr(f->text, "decided: what becomes"));
	for (size_t i = 0; i < f->evidence.len; i++)
		assert_null(strstr(f->evidence.v[i], phrase));
	lab_release(&l);
	lab_remove(dir);
}

/* ---- delivery ---- */

static bool add_blackhole(struct lab_line *l)
{
	if (!l->found && l->text[0] == '[') {
		l->found = true;
		l->before = "[{\"type\":\"blackhole\",\"dst\":\"10.244.1.135\",\"flags\":[]},";
		l->skip = 1;
	}
	return true;
}

static void no_forwarding(const char *dir)
{
	damage(dir, "sysctl.txt", "net.ipv4.conf.cni0.forwarding = 1", "net.ipv4.conf.cni0.forwarding = 0\n");
}

static void no_localnet(const char *dir)
{
	damage(dir, "sysctl.txt", "net.ipv4.conf.all.route_localnet = 1", "net.ipv4.conf.all.route_localnet = 0\n");
}

static void blackhole(const char *dir)
{
	change(dir, "ip-route.json", add_blackhole);
}

static const struct {
	void (*make)(const char *dir);
	const char *check, *text, *fix; /* fix NULL: none is offered */
	size_t services;
	enum service_status web;
} losses[] = {
	/* shop/api too, which only pods of this bridge and the node itself reach here: what is bridged needs forwarding as well */
	{ no_forwarding, "ip-forward-disabled", "net.ipv4.conf.cni0.forwarding = 0", "sudo sysctl -w net.ipv4.conf.cni0.forwarding=1", 11,
	  STATUS_BROKEN },
	{ no_localnet, "route-localnet-off", "only its own connections to 127.0.0.1:nodePort", "sudo sysctl -w net.ipv4.conf.all.route_localnet=1",
	  4, STATUS_DEGRADED },
	/* the two Services whose endpoint that is, and no other */
	{ blackhole, "node-no-route", "10.244.1.135", NULL, 2, STATUS_BROKEN },
};

static void test_delivery(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(losses); i++) {
		const struct finding *f;
		char dir[] = LAB_DIR;
		struct lab l;

		lab_copy(dir);
		losses[i].make(dir);
		lab_open(&l, dir);
		diagnose(&l, NULL);
		f = find_finding(&l, losses[i].check);
		if (!f)
			fail_msg("loss %zu: no %s", i, losses[i].check);
		assert_non_null(strstr(f->text, losses[i].text));
		assert_int_equal(f->services.len, losses[i].services);
		assert_int_equal(f->fix.len, losses[i].fix ? 1 : 0);
		if (losses[i].fix)
			assert_string_equal(f->fix.v[0], losses[i].fix);
		assert_int_equal(result_of(&l, "default", "web")->status, losses[i].web);
		assert_int_equal(result_of(&l, "default", "headless")->status, STATUS_NO_FAULT_FOUND);
		for (size_t j = 0; j < f->services.len; j++)
			assert_true(result_of(&l, f->services.v[j]->meta.ns, f->services.v[j]->meta.name)->status != STATUS_NO_FAULT_FOUND);
		lab_release(&l);
		lab_remove(dir);
	}
}

/* ---- a rule that accepts too early ---- */

static const struct {
	const char *put, *check;
} accepts[] = {
	{ "+[0:0] -A OUTPUT -j ACCEPT\n", "accept-before-reject" },
	{ "+[0:0] -A OUTPUT -m comment --comment \"cali:tVnHkvAo15HuiPy0\" -j ACCEPT\n", "calico-accept-before-reject" },
};

static void test_accepting(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accepts); i++) {
		const char *other = accepts[1 - i].check;
		const struct finding *f;
		char dir[] = LAB_DIR;
		struct lab l;

		lab_copy(dir);
		damage(dir, "iptables-nft-save.txt", "-A OUTPUT -j KUBE-FIREWALL", accepts[i].put);
		lab_open(&l, dir);
		diagnose(&l, NULL);
		f = find_finding(&l, accepts[i].check);
		assert_non_null(f);
		assert_int_equal(f->severity, SEVERITY_INFO);
		assert_null(find_finding(&l, other));
		lab_release(&l);
		lab_remove(dir);
	}
}

/* Causes stand in the order of severity; what is explained never stands among them. */
static void test_order(void **state)
{
	static const char *const paths[] = { LAB, "tests/corpus/lab-ipvs" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct lab l;

		lab_open(&l, paths[i]);
		diagnose(&l, NULL);
		for (size_t j = 1; j < l.d.findings.len; j++)
			assert_true(strcmp(l.d.findings.v[j - 1]->id, l.d.findings.v[j]->id) < 0);
		for (size_t j = 0; j < l.d.services.len; j++) {
			const struct service_result *sr = &l.d.services.v[j];

			for (size_t k = 1; k < sr->causes.len; k++)
				assert_true(sr->causes.v[k - 1]->severity >= sr->causes.v[k]->severity);
			for (size_t k = 0; k < sr->explained.len; k++)
				assert_non_null(sr->explained.v[k]->explained_by);
		}
		lab_release(&l);
	}
}


/* ---- endpoints ---- */

static void test_rows(void **state)
{
	struct endpoints_report e = { 0 };
	size_t cart = 0, pay = 0, kubernetes = 0;
	struct lab l;

	(void)state;
	lab_open(&l, LAB);
	assert_int_equal(endpoints_run(&l.s, NULL, 0, &e), 0);
	for (size_t i = 0; i < e.rows.len; i++) {
		const struct endpoint_row *row = &e.rows.v[i];

		if (strcmp(row->service->meta.name, "cart") == 0) {
			assert_int_equal(row->ready, 0);
			assert_string_equal(row->ports, "8080/TCP");
			assert_string_equal(row->state, cart ? "CrashLoopBackOff" : "running");
			assert_int_equal(row->restarts, cart ? 17 : 0);
			cart++;
		} else if (strcmp(row->service->meta.name, "pay") == 0) {
			assert_null(row->ports);
			assert_non_null(row->note);
			pay++;
		} else if (strcmp(row->service->meta.name, "kubernetes") == 0) {
			assert_null(row->pod);
			assert_string_equal(row->address, "172.30.99.10");
			assert_int_equal(row->ready, 1);
			kubernetes++;
		}
	}
	assert_int_equal(cart, 2);
	assert_int_equal(pay, 1);
	assert_int_equal(kubernetes, 1);
	endpoints_report_release(&e);
	lab_release(&l);
}

/* ---- names ---- */

static const struct {
	const char *text, *ns, *found; /* found: "ns/name", NULL: none */
} words[] = {
	{ "cart", "shop", "shop/cart" },
	{ "cart", "default", NULL },
	{ "shop/cart", "default", "shop/cart" },
	{ "svc/cart", "shop", "shop/cart" },
	{ "service/cart", "shop", "shop/cart" },
	{ "cart.shop", "default", "shop/cart" },
	{ "cart.shop.svc", "default", "shop/cart" },
	{ "cart.shop.svc.cluster.local", "default", "shop/cart" },
	{ "cart.shop.svc.cluster.local.", "default", "shop/cart" },
	{ "http://cart.shop.svc:80/a/b?c=d", "default", "shop/cart" },
	{ "https://user@cart.shop/", "default", "shop/cart" },
	{ "http://cart", "shop", "shop/cart" },
	{ "cart:80", "shop", "shop/cart" },
	{ "10.96.75.131", "default", "shop/cart" },
	{ "10.96.75.131:80", "default", "shop/cart" },
	{ "10.96.75.131:80/TCP", "default", "shop/cart" },
	{ "http://10.96.75.131/", "default", "shop/cart" },
	{ "10.96.75.131:81", "default", "shop/cart" },
	{ "node1:32035", "shop", "default/web" },
	{ "172.30.99.1:32035", "shop", "default/web" },
	{ "172.30.99.1:32035/udp", "shop", NULL },
	{ "80.11.12.10", "shop", "default/ext-ip" },
	{ "203.0.113.80:8765", "shop", "default/example-service" },
	{ "203.0.113.81", "default", "shop/lb-ranges" },
	{ "10.96.75.131:99999", "default", NULL },
	{ "10.96.75.131:", "default", NULL },
	{ "[2001:db8::1]:80", "default", NULL },
	{ "[2001:db8::1", "default", NULL },
	{ "[]:80", "default", NULL },
	{ "::1", "default", NULL },
	{ "", "default", NULL },
	{ "/", "default", NULL },
	{ "a/b/c", "default", NULL },
	{ "://", "default", NULL },
	{ "svc/", "default", NULL },
	{ "cart.shop.svc.cluster.local..", "default", NULL },
	{ "...", "default", NULL },
};

static void test_resolve(void **state)
{
	struct arena arena = { 0 };
	char *big = malloc(100000);
	struct lab l;

	(void)state;
	assert_non_null(big);
	lab_open(&l, LAB);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct service_list list = { 0 };
		const char *const *similar;
		char both[512] = "";
		size_t n;
		int r = service_resolve(&arena, &l.s, words[i].text, words[i].ns, &list, &similar, &n);

		if (list.v.len)
			snprintf(both, sizeof(both), "%s/%s", list.v.v[0]->meta.ns, list.v.v[0]->meta.name);
		if ((r == 0) != (words[i].found != NULL) || (words[i].found && strcmp(both, words[i].found) != 0))
			fail_msg("'%s' gives %d '%s'", words[i].text, r, both);
		array_free(&list.v);
	}
	memset(big, 'a', 99999);
	big[99999] = '\0';
	{
		struct service_list list = { 0 };
		const char *const *similar;
		size_t n;

		assert_int_equal(service_resolve(&arena, &l.s, big, "default", &list, &similar, &n), -ENOENT);
		/* the same name elsewhere, and one letter off here */
		assert_int_equal(service_resolve(&arena, &l.s, "cart", "default", &list, &similar, &n), -ENOENT);
		assert_true(n >= 1);
		assert_string_equal(similar[0], "shop/cart");
		assert_int_equal(service_resolve(&arena, &l.s, "hostnaems", "default", &list, &similar, &n), -ENOENT);
		assert_true(n >= 1);
		assert_string_equal(similar[0], "default/hostnames");
	}
	free(big);
	arena_release(&arena);
	lab_release(&l);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(axis_name(AXIS_RULES), "rules");
	assert_string_equal(severity_name(SEVERITY_ERROR), "error");
	assert_string_equal(service_status_name(STATUS_NO_FAULT_FOUND), "no-fault-found");
	assert_string_equal(axis_state_name(AXIS_NOT_LOOKED_AT), "not-looked-at");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_catalogue),	cmocka_unit_test(test_names), cmocka_unit_test(test_labs), cmocka_unit_test(test_cart),
		cmocka_unit_test(test_axes_and_ignore), cmocka_unit_test(test_damaged_rules), cmocka_unit_test(test_order),
		cmocka_unit_test(test_rows),		cmocka_unit_test(test_resolve), cmocka_unit_test(test_node_states),
		cmocka_unit_test(test_cut_dump),	cmocka_unit_test(test_delivery), cmocka_unit_test(test_accepting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Services named with a port: which are meant, and what is said where they do not have it there. */

#include "lab.h"

static const struct {
	const char *text;
	const char *service;	 /* "ns/name" that is meant; NULL: none */
	enum asked_place place;
	const char *says;	 /* of the port; NULL: it is right, or nobody knows. Without a Service: what is similar */
} cases[] = {
	{ "10.96.107.94", "default/example-service", ASKED_SERVICE, NULL },
	{ "10.96.107.94:8765", "default/example-service", ASKED_SERVICE, NULL },
	{ "10.96.107.94:9376", "default/example-service", ASKED_SERVICE, "has no port 9376: 9376 is the targetPort of its port 8765" },
	{ "10.96.107.94:32147", "default/example-service", ASKED_SERVICE, "32147 is the nodePort of its port 8765" },
	{ "10.96.107.94:32599", "default/example-service", ASKED_SERVICE, "default/example-service has no port 32599" }, /* health checks: nodes only */
	{ "10.96.107.94:1", "default/example-service", ASKED_SERVICE, "default/example-service has no port 1" },
	{ "203.0.113.80:8765", "default/example-service", ASKED_ADDRESS, NULL },
	{ "203.0.113.80:9376", "default/example-service", ASKED_ADDRESS, "9376 is the targetPort of its port 8765" },
	{ "80.11.12.10:9376", "default/ext-ip", ASKED_ADDRESS, "9376 is the targetPort of its port 80" },
	{ "10.96.0.10:53", "kube-system/kube-dns", ASKED_SERVICE, NULL },
	{ "10.96.0.10:53/TCP", "kube-system/kube-dns", ASKED_SERVICE, NULL },
	{ "10.96.0.10:9153/UDP", "kube-system/kube-dns", ASKED_SERVICE, "has no port 9153/UDP: its port 9153 is TCP" },
	{ "default/web:80", "default/web", ASKED_SERVICE, NULL },
	{ "default/web:80/TCP", "default/web", ASKED_SERVICE, NULL },
	{ "svc/web:80", "default/web", ASKED_SERVICE, NULL },
	{ "svc/web:80/TCP", "default/web", ASKED_SERVICE, NULL },
	{ "default/web:32035", "default/web", ASKED_SERVICE, "32035 is the nodePort of its port 80" },
	{ "web:8080", "default/web", ASKED_SERVICE, "default/web has no port 8080" },
	{ "http://web.default:8080/x", "default/web", ASKED_SERVICE, "default/web has no port 8080" },
	{ "http://sticky.default/", "default/sticky", ASKED_SERVICE, "asked for: http://sticky.default/, which means port 80" },
	{ "http://web.default.svc.cluster.local", "default/web", ASKED_SERVICE, NULL },
	{ "https://web.default.svc", "default/web", ASKED_SERVICE, "default/web has no port 443" },
	{ "my-nginx:8443", "default/my-nginx", ASKED_SERVICE, "default/my-nginx has no port 8443" },
	/* a named targetPort is looked up in the slices */
	{ "shop/cart:8080", "shop/cart", ASKED_SERVICE, "8080 is the targetPort of its port 80" },
	/* at a node */
	{ "node1:32035", "default/web", ASKED_NODE, NULL },
	{ "node1:32599", "default/example-service", ASKED_NODE, NULL },
	{ "172.30.99.1:8765", "default/example-service", ASKED_NODE, "port 8765 of default/example-service is node port 32147 there" },
	{ "node2:8765/TCP", "default/example-service", ASKED_NODE, "port 8765 of default/example-service is node port 32147 there" },
	{ "127.0.0.1:8080/UDP", NULL, ASKED_NODE, NULL },
	{ "node1:8080", "shop/lb-ranges", ASKED_NODE, "8080 is the targetPort of port 80 of shop/lb-ranges, which is node port 32479 there" },
	/* several could be meant: none is chosen */
	{ "node1:80", NULL, ASKED_NODE, "default/web at node1:32035" },
	{ "172.30.99.1:80", NULL, ASKED_NODE, "default/web at 172.30.99.1:32035" },
	/* nobody has it, or without a node port */
	{ "node1:12345", NULL, ASKED_NODE, NULL },
	{ "node1:3306", NULL, ASKED_NODE, NULL },
	{ "node1:8765/UDP", NULL, ASKED_NODE, NULL },
	/* of a headless Service every port of its pods is open, and an ExternalName is another server's */
	{ "default/headless:8080", "default/headless", ASKED_SERVICE, NULL },
	{ "my-service:5432", "default/my-service", ASKED_SERVICE, NULL },
	{ "default/:80", NULL, ASKED_SERVICE, NULL },
	{ "/web:80", NULL, ASKED_SERVICE, NULL },
	{ "a/b/web:80", NULL, ASKED_SERVICE, NULL },
	{ "svc/x/web:80", NULL, ASKED_SERVICE, NULL },
	{ "default/web:", NULL, ASKED_SERVICE, NULL },
	{ "default/web:0", NULL, ASKED_SERVICE, NULL },
	{ "default/web:http", NULL, ASKED_SERVICE, NULL },
};

static void check_similar(size_t i, const char *const *similar, size_t n)
{
	bool said = !cases[i].says;

	for (size_t j = 0; j < n; j++)
		said |= strcmp(similar[j], cases[i].says ? cases[i].says : "") == 0;
	if (!said)
		fail_msg("'%s': %zu similar, not '%s'", cases[i].text, n, cases[i].says);
}

static void check_question(struct lab *l, size_t i, const struct service_list *list)
{
	const struct asked_service q = { list->v.v[0], list->asked, cases[i].text };
	const struct diagnose_options o = { .axes = { true, true, true }, .services = list->v.v, .nservices = list->v.len, .asked = &q, .nasked = 1 };
	const struct finding *f;

	diagnose(l, &o);
	f = find_finding(l, "port-targetport-nodeport-confusion");
	if (!f != !cases[i].says || (f && !has_text(f, cases[i].says)))
		fail_msg("'%s': %s", cases[i].text, f ? f->text : "nothing is said");
	if (f) {
		const struct service_result *sr = result_of(l, q.service->meta.ns, q.service->meta.name);

		assert_int_equal(f->severity, SEVERITY_ERROR);
		assert_true(sr->status == STATUS_DEGRADED || sr->status == STATUS_BROKEN);
		assert_ptr_equal(sr->causes.v[0]->check, f->check); /* it is said first */
	}
	diagnosis_release(&l->d);
	memset(&l->d, 0, sizeof(l->d));
}

static void test_questions(void **state)
{
	struct arena arena = { 0 };
	struct lab l;

	(void)state;
	lab_open(&l, LAB);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct service_list list = { 0 };
		const char *const *similar;
		char both[512] = "";
		size_t n;
		int r = service_resolve(&arena, &l.s, cases[i].text, "default", &list, &similar, &n);

		if (list.v.len)
			snprintf(both, sizeof(both), "%s/%s", list.v.v[0]->meta.ns, list.v.v[0]->meta.name);
		if ((r == 0) != (cases[i].service != NULL) || (cases[i].service && strcmp(both, cases[i].service) != 0))
			fail_msg("'%s' gives %d '%s'", cases[i].text, r, both);
		if (r == 0) {
			assert_int_equal(list.asked.place, cases[i].place);
			check_question(&l, i, &list);
		} else {
			check_similar(i, similar, n);
		}
		array_free(&list.v);
	}
	arena_release(&arena);
	lab_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),
	};

	return cmocka_run_group_tests_name("asked", tests, NULL, NULL);
}

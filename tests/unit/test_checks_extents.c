/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said where a run has read one namespace only, or only what belongs to a Service: absence is a fact where it was looked
 * for, and nowhere else.
 */

#include <errno.h>

#include "lab.h"
#include "objects.h"

#define LIST(file, kind, version, items) file ".json", "{'kind':'" kind "List','apiVersion':'" version "','items':[" items "]}"
#define INGRESS_TO(name) LIST("ingresses", "Ingress", "networking.k8s.io/v1", "{" META("i") ",'spec':{'defaultBackend':{'service':{'name':'" name "','port':{'number':80}}}}}")
#define STATEFULSET LIST("statefulsets", "StatefulSet", "apps/v1", "{" META("db") ",'spec':{'serviceName':'gone'}}")
#define WEBHOOK \
	LIST("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1", \
	     "{'metadata':{'name':'v'},'webhooks':[{'name':'h','clientConfig':{'service':{'namespace':'n','name':'gone'}}}]}")
#define NETPOLS LIST("networkpolicies", "NetworkPolicy", "networking.k8s.io/v1", "{" META("deny") ",'spec':{'podSelector':{}}}")
#define DNS_ONLY LIST("networkpolicies", "NetworkPolicy", "networking.k8s.io/v1", "{" META("deny") ",'spec':{'podSelector':{},'policyTypes':['Egress']}}")
#define EXTERNAL_TO(name) "{'kind':'Service'," META("s") ",'spec':{'type':'ExternalName','externalName':'" name "'}}"
#define OTHER_SVC "{'kind':'Service'," META("t") ",'spec':{'clusterIP':'10.0.0.8','selector':{'app':'t'},'ports':[{'port':80}]}}"
#define LB_SVC "{'kind':'Service'," META("s") ",'spec':{'type':'LoadBalancer','clusterIP':'10.0.0.9'," PLAIN "}}"
#define KEPT_AWAY "{'kind':'Node','metadata':{'name':'w1','labels':{'node.kubernetes.io/exclude-from-external-load-balancers':''}}}"
#define LOCAL SVC("s", "'internalTrafficPolicy':'Local'," PLAIN)
#define DNS_SVC \
	"{'kind':'Service','metadata':{'name':'kube-dns','namespace':'kube-system'},'spec':{'clusterIP':'10.0.0.10','selector':{'k8s-app':'kube-dns'}," \
	"'ports':[{'name':'dns','port':53,'protocol':'UDP'}]}}"
#define DNS_POD POD_IN("kube-system", "dns", "'k8s-app':'kube-dns'", "'image':'x'", READY("10.1.0.53"))
#define MANUAL SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "gone"), PORT80))
#define OTHER_POD PODS(POD("p", "'app':'x'", DECLARES("80"), READY("10.1.0.5")))
#define API_SVC "{'kind':'Service','metadata':{'name':'kubernetes','namespace':'default'},'spec':{'clusterIP':'10.0.0.1','ports':[{'name':'https','port':443}]}}"
#define API_SLICE \
	SLICES("{'kind':'EndpointSlice','apiVersion':'discovery.k8s.io/v1','metadata':{'name':'kubernetes','namespace':'default','labels':{" \
	       "'kubernetes.io/service-name':'kubernetes'}},'addressType':'IPv4','endpoints':[" EP("192.0.2.9", "true") "],'ports':[{'name':'https'," \
	       "'protocol':'TCP','port':6443}]}")

struct limit {
	enum { UNLIMITED, NAMESPACE, OF_SERVICE, OBJECT } how;
	enum k8s_kind kind;
	const char *ns, *name;
};

static const struct {
	const char *docs[12];
	struct limit limits[3];
	const char *check;
	bool said;
} cases[] = {
	/* pods of a selector */
	{ { SVCS(SVC("s", PLAIN)), EMPTY, OTHER_POD }, { { .how = UNLIMITED } }, "selector-mismatch", true },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, OTHER_POD }, { { NAMESPACE, K8S_PODS, "n", NULL } }, "selector-mismatch", true },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, OTHER_POD }, { { OF_SERVICE, K8S_PODS, "n", "s" } }, "selector-mismatch", true },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, OTHER_POD }, { { NAMESPACE, K8S_PODS, "m", NULL } }, "selector-mismatch", false },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, OTHER_POD }, { { OF_SERVICE, K8S_PODS, "n", "t" } }, "selector-mismatch", false },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, OTHER_POD }, { { OBJECT, K8S_PODS, "n", "p" } }, "selector-mismatch", false },
	/* slices of a Service */
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), SLICES("") }, { { OF_SERVICE, K8S_SLICES, "n", "s" } }, "selectorless-no-endpoints", true },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), SLICES("") }, { { OF_SERVICE, K8S_SLICES, "n", "t" } }, "selectorless-no-endpoints", false },
	{ { SVCS(SVC("s", PLAIN)), SLICES(""), PODS(POD("p", "'app':'a'", DECLARES("80"), READY("10.1.0.1"))) },
	  { { OF_SERVICE, K8S_SLICES, "n", "s" } }, "endpoint-controller-not-syncing", true },
	{ { SVCS(SVC("s", PLAIN)), SLICES(""), PODS(POD("p", "'app':'a'", DECLARES("80"), READY("10.1.0.1"))) },
	  { { NAMESPACE, K8S_SLICES, "m", NULL } }, "endpoint-controller-not-syncing", false },
	{ { SVCS(SVC("s", PLAIN)), SLICES(""), PODS(POD("p", "'app':'a'", DECLARES("80"), NOT_READY("'waiting':{}"))) },
	  { { NAMESPACE, K8S_SLICES, "m", NULL } }, "no-ready-endpoints", true },
	/* the pod of an endpoint */
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), MANUAL, OTHER_POD }, { { NAMESPACE, K8S_PODS, "n", NULL } }, "selectorless-stale-endpoints", true },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), MANUAL, OTHER_POD }, { { OBJECT, K8S_PODS, "n", "gone" } }, "selectorless-stale-endpoints", true },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), MANUAL, OTHER_POD }, { { OBJECT, K8S_PODS, "n", "p" } }, "selectorless-stale-endpoints", false },
	/* a Service that somebody names */
	{ { SVCS(EXTERNAL_TO("x.n.svc")) }, { { NAMESPACE, K8S_SERVICES, "n", NULL } }, "externalname-cname-loop", true },
	{ { SVCS(EXTERNAL_TO("x.m.svc")) }, { { .how = UNLIMITED } }, "externalname-cname-loop", true },
	{ { SVCS(EXTERNAL_TO("x.m.svc")) }, { { NAMESPACE, K8S_SERVICES, "n", NULL } }, "externalname-cname-loop", false },
	{ { SVCS(SVC("s", PLAIN)), GOOD, INGRESS_TO("gone") }, { { NAMESPACE, K8S_SERVICES, "n", NULL } }, "ingress-backend-missing", true },
	{ { SVCS(SVC("s", PLAIN)), GOOD, INGRESS_TO("gone") }, { { OBJECT, K8S_SERVICES, "n", "gone" } }, "ingress-backend-missing", true },
	{ { SVCS(SVC("s", PLAIN)), GOOD, INGRESS_TO("gone") }, { { OBJECT, K8S_SERVICES, "n", "s" } }, "ingress-backend-missing", false },
	{ { SVCS(SVC("s", PLAIN)), GOOD, STATEFULSET }, { { NAMESPACE, K8S_SERVICES, "n", NULL } }, "statefulset-servicename-mismatch", true },
	{ { SVCS(SVC("s", PLAIN)), GOOD, STATEFULSET }, { { NAMESPACE, K8S_SERVICES, "m", NULL } }, "statefulset-servicename-mismatch", false },
	{ { SVCS(SVC("s", PLAIN)), GOOD, WEBHOOK }, { { NAMESPACE, K8S_SERVICES, "n", NULL } }, "webhook-apiservice-unreachable", true },
	{ { SVCS(SVC("s", PLAIN)), GOOD, WEBHOOK }, { { NAMESPACE, K8S_SERVICES, "m", NULL } }, "webhook-apiservice-unreachable", false },
	/* the Service that a slice was made for */
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), SLICES(SLICE_OF("s-1", "t", "", "IPv4", EP("192.0.2.1", "true"), PORT80)) },
	  { { NAMESPACE, K8S_SERVICES, "n", NULL } }, "slice-service-name-label-wrong", true },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), SLICES(SLICE_OF("s-1", "t", "", "IPv4", EP("192.0.2.1", "true"), PORT80)) },
	  { { OBJECT, K8S_SERVICES, "n", "s" } }, "slice-service-name-label-wrong", false },
	/* nodes */
	{ { SVCS(LB_SVC), GOOD, NODES(KEPT_AWAY) }, { { .how = UNLIMITED } }, "lb-unavailable-nodes", true },
	{ { SVCS(LB_SVC), GOOD, NODES(KEPT_AWAY) }, { { OBJECT, K8S_NODES, "", "w1" } }, "lb-unavailable-nodes", false },
	{ { SVCS(LOCAL), GOOD, NODES(NODE("w1", "x", "192.0.2.1") "," NODE("w2", "x", "192.0.2.2")) }, { { .how = UNLIMITED } }, "itp-local-no-local-endpoint", true },
	{ { SVCS(LOCAL), GOOD, NODES(NODE("w1", "x", "192.0.2.1") "," NODE("w2", "x", "192.0.2.2")) }, { { OBJECT, K8S_NODES, "", "w1" } },
	  "itp-local-no-local-endpoint", false },
	{ { SVCS(API_SVC), API_SLICE, NODES(NODE("m1", "control-plane", "192.0.2.1")) }, { { .how = UNLIMITED } }, "kubernetes-endpoint-stale", true },
	{ { SVCS(API_SVC), API_SLICE, NODES(NODE("m1", "control-plane", "192.0.2.1")) }, { { OBJECT, K8S_NODES, "", "m1" } }, "kubernetes-endpoint-stale",
	  false },
	/* policies: one more may open what these close */
	{ { SVCS(SVC("s", PLAIN)), GOOD, NETPOLS }, { { NAMESPACE, K8S_NETPOLS, "n", NULL } }, "networkpolicy-blocks-service", true },
	{ { SVCS(SVC("s", PLAIN)), GOOD, NETPOLS }, { { OBJECT, K8S_NETPOLS, "n", "deny" } }, "networkpolicy-blocks-service", false },
	{ { SVCS(DNS_SVC), PODS(DNS_POD "," POD("p", "'app':'a'", "'image':'x'", READY("10.1.0.1"))), DNS_ONLY },
	  { { NAMESPACE, K8S_NETPOLS, "n", NULL } }, "networkpolicy-blocks-dns", true },
	{ { SVCS(DNS_SVC), PODS(DNS_POD "," POD("p", "'app':'a'", "'image':'x'", READY("10.1.0.1"))), DNS_ONLY },
	  { { OF_SERVICE, K8S_PODS, "kube-system", "kube-dns" } }, "networkpolicy-blocks-dns", false },
};

static void set_limit(struct snapshot *s, const struct limit *l)
{
	struct snap_extent *e = &s->extents[l->kind];
	const struct snap_name name = { l->ns, l->name };

	if (l->how == UNLIMITED)
		return;
	e->limited = true;
	if (l->how == NAMESPACE)
		assert_int_equal(array_push(&e->namespaces, l->ns), 0);
	else if (l->how == OF_SERVICE)
		assert_int_equal(array_push(&e->services, name), 0);
	else
		assert_int_equal(array_push(&e->objects, name), 0);
}

static void test_absence(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct lab l;
		bool said;

		lab_read(&l, cases[i].docs);
		for (size_t k = 0; k < ARRAY_LEN(cases[i].limits); k++)
			set_limit(&l.s, &cases[i].limits[k]);
		diagnose(&l, NULL);
		said = find_finding(&l, cases[i].check) != NULL;
		if (said != cases[i].said)
			fail_msg("case %zu: %s %s said", i, cases[i].check, said ? "is" : "is not");
		lab_release(&l);
	}
}

/* A Service that nobody asked for, whose slices and pods were not read: it is not looked at, and not judged. */
static void test_not_reached(void **state)
{
	static const char *const docs[] = { SVCS(SVC("s", PLAIN) "," OTHER_SVC), GOOD, NULL };
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	set_limit(&l.s, &(struct limit){ OF_SERVICE, K8S_SLICES, "n", "s" });
	set_limit(&l.s, &(struct limit){ OF_SERVICE, K8S_PODS, "n", "s" });
	diagnose(&l, NULL);
	assert_int_equal(l.d.findings.len, 0);
	assert_int_equal(result_of(&l, "n", "s")->axes[AXIS_ENDPOINTS].state, AXIS_OK);
	assert_int_equal(result_of(&l, "n", "t")->axes[AXIS_ENDPOINTS].state, AXIS_SKIPPED);
	assert_true(l.d.inconclusive);
	lab_release(&l);
}

/* With the Role of one namespace: nodes may not be read, and the axis of endpoints is complete all the same. */
static void test_role_of_one_namespace(void **state)
{
	static const char *const docs[] = { SVCS(SVC("s", PLAIN)), GOOD, NULL };
	const struct snap_missing m = { K8S_NODES, FORBIDDEN, "list nodes", "nodes: 403", NULL };
	bool named = false;
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	l.s.kinds[K8S_NODES] = FORBIDDEN;
	assert_int_equal(array_push(&l.s.missing, m), 0);
	diagnose(&l, NULL);
	assert_false(l.d.inconclusive);
	assert_int_equal(result_of(&l, "n", "s")->axes[AXIS_ENDPOINTS].state, AXIS_OK);
	for (size_t i = 0; i < l.d.skipped.len; i++)
		if (strcmp(l.d.skipped.v[i].check, "node-not-ready") == 0) {
			assert_string_equal(l.d.skipped.v[i].code, "forbidden");
			assert_string_equal(l.d.skipped.v[i].needs, "list nodes");
			named = true;
		}
	assert_true(named);
	lab_release(&l);
}

/* "there is no Service" is only said of those that would be there. */
static void test_unread_names(void **state)
{
	static const struct {
		const char *text;
		bool unread;
	} names[] = { { "gone", false }, { "n/gone", false }, { "svc/gone", false }, { "gone.n.svc.cluster.local", false }, { "http://gone.n:80/", false },
		      { "other", false }, { "m/gone", true }, { "gone.m.svc", true }, { "10.0.0.77", true }, { "app.example.com", true } };
	static const char *const docs[] = { SVCS(SVC("s", PLAIN)), NULL };
	CLEANUP(arena_release) struct arena a = { 0 };
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	set_limit(&l.s, &(struct limit){ NAMESPACE, K8S_SERVICES, "n", NULL });
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct service_list found = { 0 };
		const char *const *similar;
		size_t nsimilar;

		assert_int_equal(service_resolve(&a, &l.s, names[i].text, "n", &found, &similar, &nsimilar), -ENOENT);
		if (found.unread != names[i].unread)
			fail_msg("'%s' was %s", names[i].text, found.unread ? "not read" : "read");
		array_free(&found.v);
	}
	lab_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absence),
		cmocka_unit_test(test_not_reached),
		cmocka_unit_test(test_role_of_one_namespace),
		cmocka_unit_test(test_unread_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

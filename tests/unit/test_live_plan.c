/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of a cluster, and what the answers come to: the plan without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/source/live-private.h"

struct fixture {
	struct snapshot s;
	struct live_want want;
	struct live_plan plan;
	size_t answered; /* questions so far */
	size_t requests; /* with that of the version */
};

static void begin(struct fixture *f, struct live_want w)
{
	*f = (struct fixture){ .want = w, .requests = 1 };
	f->want.axes[0] = f->want.axes[1] = f->want.axes[2] = true;
	snapshot_init(&f->s);
	assert_int_equal(live_plan_init(&f->plan, &f->s.arena, &f->want, &f->s.cluster), 0);
}

static void end(struct fixture *f)
{
	live_plan_release(&f->plan);
	snapshot_release(&f->s);
}

static int next(struct fixture *f)
{
	f->plan.used_requests = f->requests;
	return live_plan_next(&f->plan);
}

/* The question with this path; NULL: it was not asked. */
static struct live_ask *asked(struct fixture *f, const char *path)
{
	for (size_t i = 0; i < f->plan.asks.len; i++) {
		if (strcmp(live_path(&f->s.arena, f->plan.asks.v[i], 0), path) == 0) {
			return f->plan.asks.v[i];
		}
	}
	return NULL;
}

static void is_asked(struct fixture *f, const char *path)
{
	if (!asked(f, path)) {
		for (size_t i = 0; i < f->plan.asks.len; i++) {
			print_error("asked: %s\n", live_path(&f->s.arena, f->plan.asks.v[i], 0));
		}
		fail_msg("%s is not asked for", path);
	}
}

/* One request is the version's. */
static void is_within_budget(struct fixture *f)
{
	for (size_t i = 0; f->plan.asks.len >= LIVE_REQUESTS && i < f->plan.asks.len; i++) {
		print_error("asked: %s\n", live_path(&f->s.arena, f->plan.asks.v[i], 0));
	}
	assert_true(f->plan.asks.len < LIVE_REQUESTS);
}

static void is_not_asked(struct fixture *f, const char *path)
{
	if (asked(f, path)) {
		fail_msg("%s is asked for", path);
	}
}

static void answer(struct fixture *f, const char *path, enum api_outcome outcome)
{
	struct live_ask *a = asked(f, path);
	if (!a) {
		fail_msg("%s is not asked for", path);
		return;
	}
	a->done = true;
	a->outcome = outcome;
	a->total = -1;
	a->text = outcome == API_OK ? NULL : "refused";
}

/* All that is open ends with this. */
static void answer_rest(struct fixture *f, enum api_outcome outcome)
{
	for (; f->answered < f->plan.asks.len; f->answered++, f->requests++) {
		struct live_ask *a = f->plan.asks.v[f->answered];
		if (!a->done) {
			a->done = true;
			a->outcome = outcome;
			a->total = -1;
			a->text = "refused";
		}
	}
}

static void count(struct fixture *f, const char *path, int64_t total)
{
	answer(f, path, API_OK);
	asked(f, path)->total = total;
}

static void object(struct fixture *f, const char *kind, const char *text)
{
	json_t *o = json_loads(text, 0, NULL);
	assert_non_null(o);
	assert_true(k8s_decode(&f->s.cluster, o, kind, "test", 0, &f->s.notes) >= 0);
	json_decref(o);
}

static void web(struct fixture *f)
{
	object(f, "Service",
	       "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"},\"spec\":{\"selector\":{\"app\":\"web\"},\"clusterIP\":\"10.96.0.7\","
	       "\"clusterIPs\":[\"10.96.0.7\"],\"ports\":[{\"port\":80}]}}");
}

static enum api_outcome results(struct fixture *f)
{
	enum api_outcome worst = API_STOPPED;
	assert_int_equal(live_results(&f->s, &f->plan, &worst), 0);
	return worst;
}

/* ---- all of the cluster ---- */

static void cluster_in_one_round(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, (struct live_want){ .all = true, .namespace_ = "shop" });
	assert_true(next(&f) > 10);
	is_asked(&f, "/api/v1/services");
	is_asked(&f, "/apis/discovery.k8s.io/v1/endpointslices");
	is_asked(&f, "/api/v1/events?fieldSelector=type%3DWarning");
	is_asked(&f, "/api/v1/namespaces/kube-system/configmaps/kube-proxy");
	is_asked(&f, "/api/v1/namespaces/kube-system/configmaps/coredns");
	is_asked(&f, "/api/v1/namespaces/kube-system/configmaps/node-local-dns");
	is_not_asked(&f, "/api/v1/secrets");
	is_not_asked(&f, "/api/v1/configmaps");
	answer(&f, "/apis/gateway.networking.k8s.io/v1/gateways", API_NO_KIND);
	answer_rest(&f, API_OK);
	assert_int_equal(next(&f), 0);
	assert_int_equal(results(&f), API_OK);
	for (int k = 0; k < K8S_KINDS; k++) {
		if (k != K8S_CONFIGMAPS && !snapshot_has_all(&f.s, (enum k8s_kind)k, NULL)) {
			fail_msg("%s are not known as a whole", k8s_kind_plural((enum k8s_kind)k));
		}
	}
	assert_int_equal(f.s.missing.len, 0);
	end(&f);
}

/* One Service of a large cluster, of which the name alone is asked: the cluster's DNS is read beside it. */
static void name_alone(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, (struct live_want){ .namespace_ = "shop", .services = (const char *const[]){ "web" }, .nservices = 1 });
	f.want.axes[1] = f.want.axes[2] = false;
	assert_true(next(&f) > 0);
	is_asked(&f, "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dweb");
	web(&f);
	for (int i = 0; i < 10; i++) {
		count(&f, "/api/v1/pods?limit=1", 50000);
		answer_rest(&f, API_OK);
		if (next(&f) == 0) {
			break;
		}
	}
	is_asked(&f, "/api/v1/namespaces/kube-system/configmaps/coredns");
	is_asked(&f, "/api/v1/namespaces/kube-system/services/kube-dns");
	is_asked(&f, "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns");
	is_not_asked(&f, "/api/v1/namespaces/kube-system/configmaps/kube-dns");
	is_within_budget(&f);
	end(&f);
}

static void routes_only_where_gateways_are(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, (struct live_want){ .all = true, .namespace_ = "shop" });
	(void)next(&f);
	is_not_asked(&f, "/apis/gateway.networking.k8s.io/v1/httproutes");
	answer_rest(&f, API_OK);
	assert_true(next(&f) > 0);
	is_asked(&f, "/apis/gateway.networking.k8s.io/v1/httproutes");
	end(&f);
}

/* -A with the rights of one namespace: that is read, and what is missing is said once. */
static void refused_cluster(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, (struct live_want){ .all = true, .namespace_ = "shop" });
	(void)next(&f);
	answer_rest(&f, API_FORBIDDEN);
	assert_true(next(&f) > 0);
	is_asked(&f, "/api/v1/namespaces/shop/services");
	is_asked(&f, "/api/v1/namespaces/shop/events?fieldSelector=type%3DWarning");
	is_not_asked(&f, "/api/v1/namespaces/shop/nodes");
	answer_rest(&f, API_OK);
	while (next(&f) > 0) {
		answer_rest(&f, API_OK);
	}
	assert_int_equal(results(&f), API_OK);
	assert_true(snapshot_has_all(&f.s, K8S_SERVICES, "shop"));
	assert_false(snapshot_has_all(&f.s, K8S_SERVICES, NULL));
	assert_int_equal(f.s.kinds[K8S_NODES], FORBIDDEN);
	size_t nodes = 0, services = 0;
	for (size_t i = 0; i < f.s.missing.len; i++) {
		nodes += str_is(f.s.missing.v[i].right, "list nodes");
		services += f.s.missing.v[i].kind == K8S_SERVICES;
	}
	assert_int_equal(nodes, 1);
	assert_int_equal(services, 1);
	end(&f);
}

static void refused_everything(void **state)
{
	static const struct {
		enum api_outcome all, worst;
	} rows[] = { { API_FORBIDDEN, API_FORBIDDEN }, { API_UNAUTHORIZED, API_UNAUTHORIZED }, { API_UNREACHABLE, API_UNREACHABLE },
		     { API_LATE, API_LATE }, { API_NO_KIND, API_NO_KIND } };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture f;
		begin(&f, (struct live_want){ .all = true, .namespace_ = "shop" });
		while (next(&f) > 0) {
			answer_rest(&f, rows[i].all);
		}
		assert_int_equal(results(&f), rows[i].worst);
		assert_int_not_equal(f.s.kinds[K8S_SERVICES], KNOWN);
		end(&f);
	}
}

/* ---- a namespace ---- */

static void namespace_of_a_large_cluster(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, (struct live_want){ .namespace_ = "shop" });
	assert_int_equal(next(&f), 2);
	count(&f, "/api/v1/pods?limit=1", 12000);
	answer_rest(&f, API_OK);
	(void)next(&f);
	is_asked(&f, "/api/v1/namespaces/shop/services");
	is_asked(&f, "/api/v1/namespaces/shop/pods");
	is_asked(&f, "/api/v1/namespaces/shop");
	is_asked(&f, "/api/v1/nodes");
	is_not_asked(&f, "/api/v1/services");
	is_not_asked(&f, "/api/v1/pods");
	answer_rest(&f, API_OK);
	while (next(&f) > 0) {
		answer_rest(&f, API_OK);
	}
	assert_int_equal(results(&f), API_OK);
	assert_true(snapshot_has_all(&f.s, K8S_PODS, "shop"));
	assert_false(snapshot_has_all(&f.s, K8S_PODS, "default"));
	assert_true(snapshot_has_all(&f.s, K8S_NODES, NULL));
	assert_true(snapshot_would_have(&f.s, K8S_NAMESPACES, "", "shop"));
	end(&f);
}

static void namespace_of_a_small_cluster(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, (struct live_want){ .namespace_ = "shop" });
	(void)next(&f);
	count(&f, "/api/v1/pods?limit=1", 20);
	count(&f, "/api/v1/services?limit=1", 10);
	answer_rest(&f, API_OK);
	(void)next(&f);
	is_asked(&f, "/api/v1/pods");
	is_not_asked(&f, "/api/v1/namespaces/shop/pods");
	end(&f);
}

/* A Role of one namespace: nobody misses what lies beside it. */
static void namespace_with_a_role(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, (struct live_want){ .namespace_ = "shop" });
	(void)next(&f);
	answer_rest(&f, API_FORBIDDEN);
	(void)next(&f);
	for (size_t i = 0; i < f.plan.asks.len; i++) {
		struct live_ask *a = f.plan.asks.v[i];
		if (a->ns && strcmp(a->ns, "shop") == 0) {
			a->done = true;
			a->outcome = API_OK;
		}
	}
	answer_rest(&f, API_FORBIDDEN);
	while (next(&f) > 0) {
		answer_rest(&f, API_OK);
	}
	assert_int_equal(results(&f), API_OK);
	assert_true(snapshot_has_all(&f.s, K8S_SLICES, "shop"));
	assert_int_equal(f.s.kinds[K8S_NODES], FORBIDDEN);
	for (size_t i = 0; i < f.s.missing.len; i++) {
		const struct snap_missing *m = &f.s.missing.v[i];
		if (k8s_resource((enum k8s_kind)m->kind)->namespaced) {
			fail_msg("%s is said to be missing", m->right);
		}
	}
	end(&f);
}

/* ---- one Service ---- */

static void one_service(struct fixture *f, const char *word)
{
	static const char *words[1];
	words[0] = word;
	begin(f, (struct live_want){ .namespace_ = "shop", .services = words, .nservices = 1 });
	(void)next(f);
}

static void service_of_a_large_cluster(void **state)
{
	struct fixture f;
	(void)state;
	one_service(&f, "web");
	is_asked(&f, "/api/v1/namespaces/shop/services/web");
	is_asked(&f, "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dweb");
	is_asked(&f, "/api/v1/namespaces/shop/endpoints/web");
	count(&f, "/api/v1/pods?limit=1", 12000);
	web(&f);
	object(&f, "EndpointSlice",
	       "{\"metadata\":{\"name\":\"web-x\",\"namespace\":\"shop\",\"labels\":{\"kubernetes.io/service-name\":\"web\"}},"
	       "\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"\",\"port\":80}],\"endpoints\":[{\"addresses\":[\"10.1.0.1\"],\"nodeName\":\"n1\","
	       "\"conditions\":{\"ready\":true},\"targetRef\":{\"kind\":\"Pod\",\"name\":\"gone\",\"namespace\":\"shop\"}}]}");
	answer_rest(&f, API_OK);
	(void)next(&f);
	is_asked(&f, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb");
	answer_rest(&f, API_OK);
	(void)next(&f);
	is_asked(&f, "/api/v1/namespaces/shop/pods/gone");
	answer(&f, "/api/v1/namespaces/shop/pods/gone", API_NOT_FOUND);
	answer_rest(&f, API_OK);
	while (next(&f) > 0) {
		answer_rest(&f, API_OK);
	}
	is_asked(&f, "/api/v1/nodes/n1");
	is_not_asked(&f, "/api/v1/nodes");
	is_not_asked(&f, "/apis/apps/v1/namespaces/shop/deployments");
	is_within_budget(&f);
	assert_int_equal(results(&f), API_OK);
	assert_true(snapshot_has_of_service(&f.s, K8S_PODS, "shop", "web"));
	assert_true(snapshot_has_of_service(&f.s, K8S_SLICES, "shop", "web"));
	assert_true(snapshot_would_have(&f.s, K8S_PODS, "shop", "gone"));
	assert_false(snapshot_would_have(&f.s, K8S_PODS, "shop", "other"));
	assert_false(snapshot_has_all(&f.s, K8S_SERVICES, "shop"));
	assert_int_equal(f.s.kinds[K8S_DEPLOYMENTS], KNOWN); /* nobody misses them */
	assert_false(snapshot_has_all(&f.s, K8S_DEPLOYMENTS, "shop"));
	end(&f);
}

/* Nothing matches: who was meant is looked for, within bounds. */
static void service_without_pods(void **state)
{
	struct fixture f;
	(void)state;
	one_service(&f, "web");
	count(&f, "/api/v1/pods?limit=1", 12000);
	web(&f);
	answer_rest(&f, API_OK);
	while (next(&f) > 0) {
		answer_rest(&f, API_OK);
	}
	is_asked(&f, "/apis/apps/v1/namespaces/shop/deployments?labelSelector=app%3Dweb");
	is_asked(&f, "/api/v1/pods?labelSelector=app%3Dweb");
	is_asked(&f, "/api/v1/namespaces/shop/pods");
	is_within_budget(&f);
	(void)results(&f);
	end(&f);
}

static void words_of_a_service(void **state)
{
	static const struct {
		const char *word, *path;
	} rows[] = {
		{ "svc/web", "/api/v1/namespaces/shop/services/web" },
		{ "web:80", "/api/v1/namespaces/shop/services/web" },
		{ "other/web", "/api/v1/namespaces/other/services/web" },
		{ "other/web:53/UDP", "/api/v1/namespaces/other/services/web" },
		{ "web.other", "/api/v1/namespaces/other/services/web" },
		{ "web.other.svc.cluster.local.", "/api/v1/namespaces/other/services/web" },
		{ "http://web.other.svc:8080/x", "/api/v1/namespaces/other/services/web" },
		{ "10.96.0.7:80", "/api/v1/services?fieldSelector=spec.clusterIP%3D10.96.0.7" },
		{ "https://[fd00::1]:443/", "/api/v1/services?fieldSelector=spec.clusterIP%3Dfd00%3A%3A1" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture f;
		one_service(&f, rows[i].word);
		is_asked(&f, rows[i].path);
		end(&f);
	}
}

static void address_of_a_service(void **state)
{
	struct fixture f;
	(void)state;
	one_service(&f, "10.96.0.7");
	count(&f, "/api/v1/pods?limit=1", 12000);
	web(&f);
	answer_rest(&f, API_OK);
	(void)next(&f);
	is_asked(&f, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb");
	is_asked(&f, "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dweb");
	is_not_asked(&f, "/api/v1/services");
	end(&f);
}

static void port_of_a_node(void **state)
{
	struct fixture f;
	(void)state;
	one_service(&f, "n1:30080");
	answer(&f, "/api/v1/namespaces/shop/services/n1", API_NOT_FOUND);
	answer_rest(&f, API_OK);
	(void)next(&f);
	is_asked(&f, "/api/v1/nodes/n1");
	answer_rest(&f, API_OK);
	(void)next(&f);
	is_asked(&f, "/api/v1/services");
	end(&f);
}

static void name_of_nobody(void **state)
{
	struct fixture f;
	(void)state;
	one_service(&f, "webb");
	count(&f, "/api/v1/pods?limit=1", 12000);
	answer(&f, "/api/v1/namespaces/shop/services/webb", API_NOT_FOUND);
	answer_rest(&f, API_OK);
	(void)next(&f);
	is_asked(&f, "/api/v1/services?fieldSelector=metadata.name%3Dwebb");
	is_asked(&f, "/api/v1/namespaces/shop/services");
	assert_true(asked(&f, "/api/v1/namespaces/shop/services")->metadata);
	answer_rest(&f, API_OK);
	while (next(&f) > 0) {
		answer_rest(&f, API_OK);
	}
	assert_int_equal(results(&f), API_OK);
	assert_true(snapshot_would_have(&f.s, K8S_SERVICES, "shop", "webb"));
	end(&f);
}

static void chain_of_names(void **state)
{
	struct fixture f;
	(void)state;
	one_service(&f, "out");
	count(&f, "/api/v1/pods?limit=1", 12000);
	object(&f, "Service",
	       "{\"metadata\":{\"name\":\"out\",\"namespace\":\"shop\"},\"spec\":{\"type\":\"ExternalName\","
	       "\"externalName\":\"web.other.svc.cluster.local\"}}");
	answer_rest(&f, API_OK);
	(void)next(&f);
	is_asked(&f, "/api/v1/namespaces/other/services/web");
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cluster_in_one_round),
		cmocka_unit_test(name_alone),
		cmocka_unit_test(routes_only_where_gateways_are),
		cmocka_unit_test(refused_cluster),
		cmocka_unit_test(refused_everything),
		cmocka_unit_test(namespace_of_a_large_cluster),
		cmocka_unit_test(namespace_of_a_small_cluster),
		cmocka_unit_test(namespace_with_a_role),
		cmocka_unit_test(service_of_a_large_cluster),
		cmocka_unit_test(service_without_pods),
		cmocka_unit_test(words_of_a_service),
		cmocka_unit_test(address_of_a_service),
		cmocka_unit_test(port_of_a_node),
		cmocka_unit_test(name_of_nobody),
		cmocka_unit_test(chain_of_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far a roll-out behind a Service is, by what the API says of the workload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include <svcdoctor/checks.h>

#define HEAD "{'apiVersion':'apps/v1','metadata':{'namespace':'shop','name':'web','generation':4},"
#define TEMPLATE "'template':{'metadata':{'labels':{'app':'web','tier':'front'}},'spec':{'containers':[]}}"

static struct k8s_label app = { "app", "web" };
static struct k8s_service web = { .meta = { .ns = "shop", .name = "web" }, .selector = { &app, 1 } };

static void decode(struct snapshot *s, const char *kind, const char *text)
{
	json_error_t e;
	char *copy = strdup(text);
	for (char *p = copy; *p; p++) {
		*p = *p == '\'' ? '"' : *p;
	}
	json_t *o = json_loads(copy, 0, &e);
	if (!o) {
		fail_msg("%s: %s", copy, e.text);
	}
	assert_true(k8s_decode(&s->cluster, o, kind, "test", 1, &s->notes) >= 0);
	json_decref(o);
	free(copy);
}

static const struct {
	const char *kind, *object;
	bool done;
	const char *text;
} rows[] = {
	{ "Deployment", HEAD "'spec':{'replicas':3," TEMPLATE "},'status':{'observedGeneration':3,'replicas':3,'updatedReplicas':3,'availableReplicas':3}}",
	  false, "no controller has seen the last change of Deployment shop/web yet" },
	{ "Deployment", HEAD "'spec':{" TEMPLATE "},'status':{}}", false,
	  "no controller has seen the last change of Deployment shop/web yet" },
	{ "Deployment", HEAD "'spec':{'replicas':3," TEMPLATE "},'status':{'observedGeneration':4,'replicas':4,'updatedReplicas':1,'availableReplicas':3}}",
	  false, "1 of 3 pods of Deployment shop/web have the new template" },
	{ "Deployment", HEAD "'spec':{'replicas':3,'paused':true," TEMPLATE "},'status':{'observedGeneration':4,'replicas':4,'updatedReplicas':1,'availableReplicas':3}}",
	  false, "1 of 3 pods of Deployment shop/web have the new template, and it is paused" },
	{ "Deployment", HEAD "'spec':{'replicas':3," TEMPLATE "},'status':{'observedGeneration':4,'replicas':4,'updatedReplicas':1,'availableReplicas':3,"
			     "'conditions':[{'type':'Progressing','status':'False','reason':'ProgressDeadlineExceeded'}]}}",
	  false, "1 of 3 pods of Deployment shop/web have the new template: it made no progress within its deadline" },
	{ "Deployment", HEAD "'spec':{'replicas':3," TEMPLATE "},'status':{'observedGeneration':4,'replicas':5,'updatedReplicas':3,'availableReplicas':5}}",
	  false, "2 of 5 pods of Deployment shop/web still have the template before" },
	{ "Deployment", HEAD "'spec':{'replicas':3," TEMPLATE "},'status':{'observedGeneration':4,'replicas':3,'updatedReplicas':3,'availableReplicas':2}}",
	  false, "2 of 3 pods of Deployment shop/web are available" },
	{ "Deployment", HEAD "'spec':{'replicas':3," TEMPLATE "},'status':{'observedGeneration':5,'replicas':3,'updatedReplicas':3,'availableReplicas':3}}",
	  true, "3 of 3 pods of Deployment shop/web are available" },
	{ "Deployment", HEAD "'spec':{" TEMPLATE "},'status':{'observedGeneration':4,'replicas':1,'updatedReplicas':1,'availableReplicas':1}}",
	  true, "1 of 1 pod of Deployment shop/web are available" },
	{ "Deployment", HEAD "'spec':{'replicas':0," TEMPLATE "},'status':{'observedGeneration':4}}", true,
	  "0 of 0 pods of Deployment shop/web are available" },
	{ "DaemonSet", HEAD "'spec':{" TEMPLATE "},'status':{'observedGeneration':4,'desiredNumberScheduled':2,'currentNumberScheduled':2,'updatedNumberScheduled':1,'numberAvailable':2,'numberReady':2}}",
	  false, "1 of 2 pods of DaemonSet shop/web have the new template" },
	{ "DaemonSet", HEAD "'spec':{" TEMPLATE "},'status':{'observedGeneration':4,'desiredNumberScheduled':2,'currentNumberScheduled':2,'updatedNumberScheduled':2,'numberAvailable':1,'numberReady':1}}",
	  false, "1 of 2 pods of DaemonSet shop/web are available" },
	{ "DaemonSet", HEAD "'spec':{" TEMPLATE "},'status':{'observedGeneration':4,'desiredNumberScheduled':2,'updatedNumberScheduled':2,'numberAvailable':2,'numberReady':2}}",
	  true, "2 of 2 pods of DaemonSet shop/web are available" },
	{ "DaemonSet", HEAD "'spec':{'updateStrategy':{'type':'OnDelete'}," TEMPLATE "},'status':{'observedGeneration':4,'desiredNumberScheduled':2}}",
	  true, "DaemonSet shop/web takes its template when pods are deleted" },
	{ "StatefulSet", HEAD "'spec':{'replicas':3," TEMPLATE "},'status':{'observedGeneration':4,'replicas':3,'readyReplicas':2,'updatedReplicas':1,'currentRevision':'a','updateRevision':'b'}}",
	  false, "2 of 3 pods of StatefulSet shop/web are ready" },
	{ "StatefulSet", HEAD "'spec':{'replicas':3," TEMPLATE "},'status':{'observedGeneration':4,'replicas':3,'readyReplicas':3,'updatedReplicas':1,'currentRevision':'a','updateRevision':'b'}}",
	  false, "1 of 3 pods of StatefulSet shop/web have the new template" },
	{ "StatefulSet", HEAD "'spec':{'replicas':3,'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'partition':2}}," TEMPLATE
			      "},'status':{'observedGeneration':4,'replicas':3,'readyReplicas':3,'updatedReplicas':1,'currentRevision':'a','updateRevision':'b'}}",
	  true, "3 of 3 pods of StatefulSet shop/web are ready" },
	{ "StatefulSet", HEAD "'spec':{'replicas':3,'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'partition':1}}," TEMPLATE
			      "},'status':{'observedGeneration':4,'replicas':3,'readyReplicas':3,'updatedReplicas':1,'currentRevision':'a','updateRevision':'b'}}",
	  false, "1 of 2 pods of StatefulSet shop/web have the new template" },
	{ "StatefulSet", HEAD "'spec':{'replicas':3," TEMPLATE "},'status':{'observedGeneration':4,'replicas':3,'readyReplicas':3,'updatedReplicas':3,'currentRevision':'b','updateRevision':'b'}}",
	  true, "3 of 3 pods of StatefulSet shop/web are ready" },
};

static void how_far(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct snapshot s;
		struct rollouts r CLEANUP(rollouts_release) = { 0 };
		snapshot_init(&s);
		decode(&s, rows[i].kind, rows[i].object);
		assert_int_equal(snapshot_finish(&s), 0);
		assert_int_equal(rollouts_of(&s, &web, &r), 0);
		assert_int_equal(rollouts_of(&s, &web, &r), 0); /* a second Service with the same pods */
		assert_int_equal(r.v.len, 1);
		if (r.v.v[0].done != rows[i].done || strcmp(r.v.v[0].text, rows[i].text) != 0) {
			fail_msg("row %zu: %s, '%s'", i, r.v.v[0].done ? "done" : "not done", r.v.v[0].text);
		}
		snapshot_release(&s);
	}
}

static void others_are_left_out(void **state)
{
	struct snapshot s;
	struct rollouts r CLEANUP(rollouts_release) = { 0 };
	(void)state;
	snapshot_init(&s);
	decode(&s, "Deployment", "{'metadata':{'namespace':'shop','name':'cart'},'spec':{'template':{'metadata':{'labels':{'app':'cart'}}}}}");
	decode(&s, "Deployment", "{'metadata':{'namespace':'other','name':'web'},'spec':{'template':{'metadata':{'labels':{'app':'web'}}}}}");
	decode(&s, "ReplicaSet", "{'metadata':{'namespace':'shop','name':'web-1'},'spec':{'template':{'metadata':{'labels':{'app':'web'}}}}}");
	decode(&s, "Job", "{'metadata':{'namespace':'shop','name':'web'},'spec':{'template':{'metadata':{'labels':{'app':'web'}}}}}");
	assert_int_equal(snapshot_finish(&s), 0);
	assert_int_equal(rollouts_of(&s, &web, &r), 0);
	assert_int_equal(r.v.len, 0);
	assert_null(r.unknown);
	snapshot_release(&s);
}

/* Pods of a ReplicaSet, and nobody knows the Deployments. */
static void unknown_workloads(void **state)
{
	static const struct {
		const char *owner;
		enum k8s_kind kind;
		enum known known;
		const char *unknown;
	} cases[] = {
		{ "ReplicaSet", K8S_DEPLOYMENTS, FORBIDDEN, "deployments" },  { "ReplicaSet", K8S_DEPLOYMENTS, KNOWN, NULL },
		{ "StatefulSet", K8S_DEPLOYMENTS, KNOWN, "statefulsets" },    { "DaemonSet", K8S_DAEMONSETS, PARTLY_KNOWN, "daemonsets" },
		{ "DaemonSet", K8S_DAEMONSETS, KNOWN, NULL },		      { "Node", K8S_DEPLOYMENTS, FORBIDDEN, NULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct snapshot s;
		struct rollouts r CLEANUP(rollouts_release) = { 0 };
		char pod[300];
		(void)snprintf(pod, sizeof(pod),
			       "{'metadata':{'namespace':'shop','name':'web-0','labels':{'app':'web'},'ownerReferences':[{'kind':'%s','name':'x','uid':'u'}]}}",
			       cases[i].owner);
		snapshot_init(&s);
		decode(&s, "Pod", pod);
		s.kinds[cases[i].kind] = cases[i].known;
		assert_int_equal(snapshot_finish(&s), 0);
		assert_int_equal(rollouts_of(&s, &web, &r), 0);
		if (!cases[i].unknown != !r.unknown || (r.unknown && strcmp(r.unknown, cases[i].unknown) != 0)) {
			fail_msg("case %zu: '%s'", i, r.unknown ? r.unknown : "none");
		}
		snapshot_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(how_far), cmocka_unit_test(others_are_left_out), cmocka_unit_test(unknown_workloads) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}

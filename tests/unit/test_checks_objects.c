/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks over objects, on small clusters that are written out here. The recorded clusters are in test_checks.c. */

#include <svcdoctor/checks.h>

#include "lab.h"
#include "objects.h"

/* ---- small clusters ---- */

static const struct {
	const char *docs[12];
	const char *first;	 /* id of the first cause of n/s; "" when there must be none above info */
	enum severity severity;
	const char *text;	 /* said somewhere in it; NULL */
} cases[] = {
	{ { SVCS(SVC("s", PLAIN)), GOOD }, "", 0, NULL },
	/* selectors */
	{ { SVCS(SVC("s", PLAIN)), EMPTY, PODS(POD("p", "'app':'b','x':'y'", DECLARES("80"), READY("10.1.0.1"))) }, "selector-mismatch",
	  SEVERITY_ERROR, "the pod has app=b" },
	{ { SVCS(SVC("s", "'selector':{'app':'front','tier':'web'},'ports':[{'port':80}]")), EMPTY,
	    PODS(POD("p", "'app':'front','tier':'ui'", DECLARES("80"), READY("10.1.0.1"))) },
	  "selector-mismatch", SEVERITY_ERROR, "kubectl -n n patch service s --type merge -p '{\"spec\":{\"selector\":{\"tier\":\"ui\"}}}'" },
	{ { SVCS(SVC("s", "'selector':{'app':'front'},'ports':[{'port':80}]")), EMPTY,
	    PODS(POD("p", "'app.kubernetes.io/name':'front'", DECLARES("80"), READY("10.1.0.1"))) },
	  "selector-mismatch", SEVERITY_ERROR, "{\"app\":null,\"app.kubernetes.io/name\":\"front\"}" },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, PODS(POD_IN("m", "p", "'app':'a'", DECLARES("80"), READY("10.1.0.1"))) }, "selector-mismatch",
	  SEVERITY_ERROR, "Pod m/p" },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, PODS(""),
	    "statefulsets.json",
	    "{'kind':'StatefulSetList','apiVersion':'apps/v1','items':[{'metadata':{'name':'db','namespace':'n'},'spec':{'replicas':0,'template':{"
	    "'metadata':{'labels':{'app':'a'}}}}}]}" },
	  "workload-scaled-to-zero", SEVERITY_ERROR, "kubectl -n n scale statefulset db --replicas=1" },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, PODS(""),
	    "deployments.json",
	    "{'kind':'DeploymentList','apiVersion':'apps/v1','items':[{'metadata':{'name':'d','namespace':'n'},'spec':{'replicas':2,'template':{"
	    "'metadata':{'labels':{'app':'a'}}}},'status':{'conditions':[{'type':'ReplicaFailure','status':'True','message':'exceeded quota'}]}}]}" },
	  "workload-has-no-pods", SEVERITY_ERROR, "exceeded quota" },
	/* pods that are not in the list are not "no pods": the slices name some */
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80)), PODS("") }, "", 0, NULL },
	/* pods */
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP("10.1.0.7", "false"), PORT80)),
	    PODS(POD("p", "'app':'a'", DECLARES("80"), NOT_READY("'waiting':{'reason':'CrashLoopBackOff'}"))) },
	  "all-pods-crashlooping", SEVERITY_ERROR, "kubectl -n n logs p --previous" },
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP("10.1.0.7", "false"), PORT80)),
	    PODS(POD("p", "'app':'a'", DECLARES("80"), NOT_READY("'waiting':{'reason':'ImagePullBackOff'}"))) },
	  "no-ready-endpoints", SEVERITY_ERROR, "ImagePullBackOff" },
	{ { SVCS(SVC("s", PLAIN)), EMPTY,
	    PODS("{'kind':'Pod','metadata':{'name':'p','namespace':'n','labels':{'app':'a'}},'spec':{'containers':[{'name':'c'}]},'status':{'phase':"
		 "'Pending','conditions':[{'type':'PodScheduled','status':'False','reason':'Unschedulable','message':'0/3 nodes are available'}]}}") },
	  "no-ready-endpoints", SEVERITY_ERROR, "0/3 nodes are available" },
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80)),
	    PODS(POD("p", "'app':'a'", DECLARES("80"), READY("10.1.0.1")) "," POD("q", "'app':'a'", DECLARES("80"),
									       NOT_READY("'waiting':{'reason':'CrashLoopBackOff'}"))) },
	  "pod-crashlooping", SEVERITY_WARNING, "3 restarts" },
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP("10.1.0.1", "false"), PORT80)) }, "no-ready-endpoints",
	  SEVERITY_ERROR, "none of the 1 endpoint" },
	/* ports */
	{ { SVCS(SVC("s", "'selector':{'app':'a'},'ports':[{'port':80,'targetPort':'web'}]")),
	    SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "p"), "")),
	    PODS(POD("p", "'app':'a'", "'ports':[{'name':'web','containerPort':80,'protocol':'UDP'}]", READY("10.1.0.1"))) },
	  "named-target-port-missing", SEVERITY_ERROR, "exists with protocol UDP" },
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80)),
	    PODS(POD("p", "'app':'a'", DECLARES("8080"), READY("10.1.0.1"))) },
	  "target-port-wrong-number", SEVERITY_WARNING, "\"value\":8080" },
	/* nothing declared says nothing; a probe on the port says that it is used */
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80)),
	    PODS(POD("p", "'app':'a'", "'image':'x'", READY("10.1.0.1"))) }, "", 0, NULL },
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80)),
	    PODS(POD("p", "'app':'a'", DECLARES("9090") ",'readinessProbe':{'tcpSocket':{'port':80}}", READY("10.1.0.1"))) }, "", 0, NULL },
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80)),
	    PODS(POD("p", "'app':'a'", "'ports':[{'containerPort':80,'protocol':'UDP'}]", READY("10.1.0.1"))) },
	  "protocol-mismatch", SEVERITY_WARNING, NULL },
	/* hand-made slices */
	{ { SVCS(SVC("s", "'ports':[{'port':80,'name':'web'}]")), SLICES(SLICE_OF("s-1", "s", "", "IPv4", EP("192.0.2.1", "true"), PORT80)) },
	  "multi-port-needs-name", SEVERITY_ERROR, "no EndpointSlice of n/s has a port named 'web'" },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), SLICES(SLICE_OF("s-1", "s", "", "IPv4", EP("192.0.2.1", "true"), "{'port':80}")) },
	  "slice-port-null-name-or-zero", SEVERITY_ERROR, NULL },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")),
	    SLICES(SLICE_OF("s-1", "s", ",'service.kubernetes.io/headless':''", "IPv4", EP("192.0.2.1", "true"), PORT80)) },
	  "stale-headless-label-slice", SEVERITY_ERROR, "service.kubernetes.io/headless-" },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), SLICES(SLICE_OF("s-1", "t", "", "IPv4", EP("192.0.2.1", "true"), PORT80)) },
	  "slice-service-name-label-wrong", SEVERITY_ERROR, "kubernetes.io/service-name=s" },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), SLICES(SLICE_OF("s-1", "s", "", "FQDN", "{'addresses':['db.example.com']}", PORT80)) },
	  "slice-service-name-label-wrong", SEVERITY_ERROR, "FQDN" },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), SLICES(SLICE_OF("s-1", "s", "", "IPv4", EP("169.254.1.1", "true"), PORT80)) },
	  "endpoint-address-special-range", SEVERITY_ERROR, "link-local" },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), SLICES(SLICE_OF("s-1", "s", "", "IPv4", EP("192.0.2.1", "true"), PORT80)) }, "", 0, NULL },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), SLICES("") }, "selectorless-no-endpoints", SEVERITY_ERROR, NULL },
	{ { SVCS(SVC("s", "'ports':[{'port':80}]")), SLICES(SLICE_OF("s-1", "s", "", "IPv4", EP_POD("10.1.0.1", "gone"), PORT80)),
	    PODS(POD("p", "'app':'a'", DECLARES("80"), READY("10.1.0.5"))) },
	  "selectorless-stale-endpoints", SEVERITY_ERROR, "gone" },
	/* the controller, terminating ones, other families */
	{ { SVCS(SVC("s", PLAIN)), EMPTY, PODS(POD("p", "'app':'a'", DECLARES("80"), READY("10.1.0.1"))) }, "endpoint-controller-not-syncing",
	  SEVERITY_ERROR, "1 ready pod" },
	{ { SVCS(SVC("s", PLAIN)),
	    SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", "{'addresses':['10.1.0.1'],'conditions':{'ready':false,'serving':true,'terminating':true}}",
			    PORT80)) },
	  "terminating-endpoints-only", SEVERITY_WARNING, NULL },
	{ { SVCS(SVC("s", "'ipFamilies':['IPv6']," PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv6", "", "")),
	    PODS(POD("p", "'app':'a'", DECLARES("80"), READY("10.1.0.1"))) },
	  "dual-stack-family-mismatch", SEVERITY_ERROR, "IPv6" },
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "old"), PORT80)),
	    PODS(POD("p", "'app':'other'", DECLARES("80"), READY("10.1.0.1"))) },
	  "pod-ip-reuse-wrong-backend", SEVERITY_ERROR, "Pod n/p" },
	/* specs */
	{ { SVCS("{'kind':'Service'," META("s") ",'spec':{'type':'ExternalName','externalName':'192.0.2.7'}}") }, "externalname-ip",
	  SEVERITY_ERROR, "192.0.2.7" },
	{ { SVCS("{'kind':'Service'," META("s") ",'spec':{'type':'ExternalName','externalName':'s.n.svc.cluster.local'}}") },
	  "externalname-cname-loop", SEVERITY_ERROR, "back to itself" },
	{ { SVCS("{'kind':'Service'," META("s") ",'spec':{'type':'ExternalName','externalName':'x.n.svc'}}") }, "externalname-cname-loop",
	  SEVERITY_ERROR, "there is no Service" },
	{ { SVCS("{'kind':'Service'," META("s") ",'spec':{'type':'ExternalName','externalName':'db.example.com'}}") }, "", 0, NULL },
	{ { SVCS("{'kind':'Service','metadata':{'name':'s','namespace':'n','labels':{'service.kubernetes.io/service-proxy-name':'x'}},'spec':{"
		 "'clusterIP':'10.0.0.9'," PLAIN "}}"), GOOD },
	  "service-proxy-name-label", SEVERITY_ERROR, "service.kubernetes.io/service-proxy-name-" },
	{ { SVCS("{'kind':'Service'," META("s") ",'spec':{'clusterIP':'None','selector':{'app':'a'},'ports':[{'port':8080,'targetPort':80}]}}"),
	    GOOD }, "headless-misuse", SEVERITY_WARNING, "8080" },
	{ { SVCS(SVC("s", "'externalIPs':['203.0.113.5']," PLAIN)), GOOD, "nodes.json",
	    "{'kind':'NodeList','items':[{'metadata':{'name':'w1'},'status':{'addresses':[{'type':'InternalIP','address':'203.0.113.5'}]}}]}" },
	  "externalip-equals-node-ip", SEVERITY_ERROR, "/spec/externalIPs/0" },
	{ { SVCS(SVC("s", PLAIN) "," SVC("t", "'externalIPs':['10.0.0.9'],'ports':[{'port':80}]")), GOOD }, "duplicate-vip-rules",
	  SEVERITY_ERROR, "10.0.0.9:80/TCP" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, "ingresses.json",
	    "{'kind':'IngressList','apiVersion':'networking.k8s.io/v1','items':[{" META("i") ",'spec':{'defaultBackend':{'service':{'name':'s',"
	    "'port':{'number':81}}}}}]}" },
	  "ingress-backend-port-missing", SEVERITY_ERROR, "default backend" },
	/* one of the three ports for another */
	{ { SVCS(SVC("s", "'selector':{'app':'a'},'ports':[{'port':8080,'targetPort':80}]")), GOOD, INGRESS("'number':80") },
	  "ingress-backend-port-missing", SEVERITY_ERROR, "80 is the targetPort of its port 8080" },
	{ { SVCS(SVC("s", "'selector':{'app':'a'},'ports':[{'port':8080,'targetPort':80,'nodePort':30080}]")), GOOD, INGRESS("'number':30080") },
	  "ingress-backend-port-missing", SEVERITY_ERROR, "30080 is the nodePort of its port 8080" },
	{ { SVCS(SVC("s", "'selector':{'app':'a'},'ports':[{'port':8080,'targetPort':'web'}]")), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4",
	    EP_POD("10.1.0.1", "p"), PORT80)), PODS(POD("p", "'app':'a'", "'ports':[{'name':'web','containerPort':80}]", READY("10.1.0.1"))),
	    INGRESS("'name':'web'") },
	  "ingress-backend-port-missing", SEVERITY_ERROR, "'web' is the name of the targetPort of its port 8080" },
	{ { SVCS(SVC("s", "'selector':{'app':'a'},'ports':[{'port':8080,'targetPort':'web'}]")), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4",
	    EP_POD("10.1.0.1", "p"), PORT80)), PODS(POD("p", "'app':'a'", "'ports':[{'name':'web','containerPort':80}]", READY("10.1.0.1"))),
	    INGRESS("'number':80") },
	  "ingress-backend-port-missing", SEVERITY_ERROR, "80 is the targetPort of its port 8080" },
	{ { SVCS(EXTERNAL("t.n.svc.cluster.local", "{'port':9376}") "," SVC("t", "'ports':[{'port':90,'targetPort':9376}]")) },
	  "port-targetport-nodeport-confusion", SEVERITY_WARNING, "9376 is the targetPort of its port 90" },
	{ { SVCS(EXTERNAL("t.n.svc", "{'port':90},{'name':'b','port':31000}") "," SVC("t", "'ports':[{'port':90,'nodePort':31000}]")) },
	  "port-targetport-nodeport-confusion", SEVERITY_WARNING, "31000 is the nodePort of its port 90" },
	/* names */
	{ { SVCS(EXTERNAL("www.example.com", "{'port':443}")) }, "externalname-host-header-tls", SEVERITY_INFO, "curl -v https://www.example.com/" },
	{ { SVCS(EXTERNAL("www.example.com", "{'name':'http-api','port':8000}")) }, "externalname-host-header-tls", SEVERITY_INFO, "s.n" },
	/* kubectl apply */
	{ { SVCS(APPLIED(APPLIED_PORTS("{\\'port\\':80},{\\'port\\':80,\\'protocol\\':\\'UDP\\'}"), "'ports':[{'port':80}]")), GOOD },
	  "apply-loses-port-same-number", SEVERITY_WARNING, "with ports 80/TCP and 80/UDP and has the former only" },
	/* a mesh */
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80)),
	    PODS(POD("p", "'app':'a'", PROXIED("80"), READY("10.1.0.1"))) },
	  "sidecar-proxy-intercept", SEVERITY_INFO, "kubectl -n n logs p -c istio-proxy" },
	{ { SVCS("{'kind':'Service'," META("s") ",'spec':{'type':'LoadBalancer','clusterIP':'10.0.0.9'," PLAIN "}}"), GOOD },
	  "lb-pending-no-provider", SEVERITY_WARNING, NULL },
	{ { SVCS(SVC("s", "'publishNotReadyAddresses':true," PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.7", "p"), PORT80)),
	    PODS(POD("p", "'app':'a'", DECLARES("80"), NOT_READY("'running':{}"))) },
	  "publish-not-ready", SEVERITY_WARNING, NULL },
};

static void test_small_clusters(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct service_result *sr;
		const struct finding *f;
		struct lab l;

		lab_read(&l, cases[i].docs);
		diagnose(&l, NULL);
		sr = result_of(&l, "n", "s");
		f = sr->causes.len ? sr->causes.v[0] : NULL;
		if (cases[i].first[0] && (!f || strcmp(f->check->id, cases[i].first) != 0))
			fail_msg("case %zu: %s instead of %s", i, f ? f->id : "nothing", cases[i].first);
		if (!cases[i].first[0] && f && f->severity > SEVERITY_INFO)
			fail_msg("case %zu: %s: %s", i, f->id, f->text);
		if (f && cases[i].first[0]) {
			assert_int_equal(f->severity, cases[i].severity);
			if (cases[i].text && !has_text(f, cases[i].text))
				fail_msg("case %zu: '%s' is not said: %s", i, cases[i].text, f->text);
		}
		lab_release(&l);
	}
}

/* What comes near to a fault and is none: that check says nothing. */
static const struct {
	const char *docs[8];
	const char *check;
} not_told[] = {
	/* both are there, another number, another protocol, another kind of object, no JSON */
	{ { SVCS(APPLIED(APPLIED_PORTS("{\\'port\\':80},{\\'port\\':80,\\'protocol\\':\\'UDP\\'}"),
			 "'ports':[{'name':'a','port':80},{'name':'b','port':80,'protocol':'UDP'}]")) },
	  "apply-loses-port-same-number" },
	{ { SVCS(APPLIED(APPLIED_PORTS("{\\'port\\':80},{\\'port\\':81}"), "'ports':[{'port':80}]")) }, "apply-loses-port-same-number" },
	{ { SVCS(APPLIED(APPLIED_PORTS("{\\'port\\':80,\\'protocol\\':\\'UDP\\'}"), "'ports':[{'port':80}]")) },
	  "apply-loses-port-same-number" },
	{ { SVCS(APPLIED(APPLIED_PORTS("{\\'port\\':80},{\\'port\\':80,\\'protocol\\':\\'x\\'},7,{\\'port\\':\\'80\\'},{\\'port\\':-1}"),
			 "'ports':[{'port':80}]")) },
	  "apply-loses-port-same-number" },
	{ { SVCS(APPLIED("[1,{}", "'ports':[{'port':80}]")) }, "apply-loses-port-same-number" },
	{ { SVCS(APPLIED("{\\'spec\\':{\\'ports\\':{}}}", "'ports':[{'port':80}]")) }, "apply-loses-port-same-number" },
	{ { SVCS(APPLIED("", "'ports':[{'port':80}]")) }, "apply-loses-port-same-number" },
	/* a name of the cluster, an address, ports of other protocols, none */
	{ { SVCS(EXTERNAL("t.n.svc.cluster.local", "{'port':80}") "," SVC("t", "'ports':[{'port':80}]")) }, "externalname-host-header-tls" },
	{ { SVCS(EXTERNAL("192.0.2.7", "{'port':80}")) }, "externalname-host-header-tls" },
	{ { SVCS(EXTERNAL("db.example.com", "{'port':5432},{'name':'q','port':443,'protocol':'UDP'}")) }, "externalname-host-header-tls" },
	{ { SVCS(EXTERNAL("db.example.com", "")) }, "externalname-host-header-tls" },
	/* the port is there, is none of the three, belongs to a headless Service, or the Service is not known */
	{ { SVCS(EXTERNAL("t.n.svc", "{'port':90}") "," SVC("t", "'ports':[{'port':90,'targetPort':80},{'name':'b','port':80,'targetPort':90}]")) },
	  "port-targetport-nodeport-confusion" },
	{ { SVCS(EXTERNAL("t.n.svc", "{'port':91}") "," SVC("t", "'ports':[{'port':90,'targetPort':80}]")) }, "port-targetport-nodeport-confusion" },
	{ { SVCS(EXTERNAL("t.n.svc", "{'port':80}") ",{'kind':'Service'," META("t")
		 ",'spec':{'clusterIP':'None','ports':[{'port':90,'targetPort':80}]}}") },
	  "port-targetport-nodeport-confusion" },
	{ { SVCS(EXTERNAL("t.n.svc", "{'port':80}")) }, "port-targetport-nodeport-confusion" },
	{ { SVCS(EXTERNAL("www.example.com", "{'port':80,'targetPort':8080}")) }, "port-targetport-nodeport-confusion" },
	/* a gateway, and a pod that has finished */
	{ { SVCS(SVC("s", PLAIN)), PODS("{'kind':'Pod','metadata':{'name':'p','namespace':'n','labels':{'app':'a'}},'spec':{'containers':[{"
					"'name':'istio-proxy'}],'initContainers':[{'name':'x'}]},'status':{" READY("10.1.0.1") "}}") },
	  "sidecar-proxy-intercept" },
	{ { SVCS(SVC("s", PLAIN)), PODS(POD("p", "'app':'a'", PROXIED("80"), "'phase':'Succeeded'")) }, "sidecar-proxy-intercept" },
};

static void test_not_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(not_told); i++) {
		struct lab l;

		assert_non_null(check_find(not_told[i].check));
		lab_read(&l, not_told[i].docs);
		diagnose(&l, NULL);
		if (find_finding(&l, not_told[i].check))
			fail_msg("case %zu: %s", i, find_finding(&l, not_told[i].check)->text);
		lab_release(&l);
	}
}

/* An annotation that is longer than it may be, and one with more ports than it may have, count as absent. */
static void test_applied_limits(void **state)
{
	static const char *const docs[] = {
		SVCS(APPLIED(APPLIED_PORTS("{\\'port\\':80},%s{\\'port\\':80,\\'protocol\\':\\'UDP\\'}"), "'ports':[{'port':80}]")), NULL
	};
	static const struct {
		const char *fill;
		size_t times;
		bool told;
	} fills[] = { { " ", 60000, true }, { " ", 66000, false }, { "{\\'port\\':81},", 200, true }, { "{\\'port\\':81},", 300, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fills); i++) {
		const size_t size = strlen(docs[1]) + strlen(fills[i].fill) * fills[i].times + 1;
		char *fill = calloc(1, size), *text = calloc(1, size);
		const char *const filled[] = { docs[0], text, NULL };
		struct lab l;

		assert_non_null(fill);
		assert_non_null(text);
		for (size_t j = 0; j < fills[i].times; j++)
			memcpy(fill + j * strlen(fills[i].fill), fills[i].fill, strlen(fills[i].fill));
		snprintf(text, size, docs[1], fill);
		lab_read(&l, filled);
		assert_int_equal(l.s.cluster.services.v[0]->napplied_ports > 0, fills[i].told);
		diagnose(&l, NULL);
		assert_int_equal(find_finding(&l, "apply-loses-port-same-number") != NULL, fills[i].told);
		lab_release(&l);
		free(fill);
		free(text);
	}
}

/* Information changes no status. */
static void test_information(void **state)
{
	static const char *const docs[] = {
		SVCS(EXTERNAL("www.example.com", "{'port':443}") "," SVC("t", PLAIN)),
		SLICES(SLICE_OF("t-1", "t", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80)),
		PODS(POD("p", "'app':'a'", PROXIED("80"), READY("10.1.0.1"))), NULL
	};
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	diagnose(&l, NULL);
	assert_non_null(find_finding(&l, "externalname-host-header-tls"));
	assert_non_null(find_finding(&l, "sidecar-proxy-intercept"));
	assert_int_equal(result_of(&l, "n", "s")->status, STATUS_NO_FAULT_FOUND);
	assert_int_equal(result_of(&l, "n", "t")->status, STATUS_NO_FAULT_FOUND);
	assert_int_equal(result_of(&l, "n", "s")->axes[AXIS_NAME].state, AXIS_NOT_LOOKED_AT);
	lab_release(&l);
}

/* ---- policy Local ---- */

#define ON(ip, node, state) "{'addresses':['" ip "'],'nodeName':'" node "','conditions':{" state "}}"
#define LEAVING "'ready':false,'serving':true,'terminating':true"
#define WORKER(name) "{'kind':'Node','metadata':{'name':'" name "'}}"
#define LOCAL "'type':'NodePort','externalTrafficPolicy':'Local',"

static const struct {
	const char *version, *slices, *nodes;
	const char *text; /* NULL: nothing to tell */
} locals[] = {
	/* a node whose only endpoint is terminating serves with it, since 1.26 */
	{ "v1.36.0", ON("10.1.0.1", "w1", LEAVING) "," ON("10.1.0.2", "w2", "'ready':true"), WORKER("w1") "," WORKER("w2"), NULL },
	{ "v1.25.0", ON("10.1.0.1", "w1", LEAVING) "," ON("10.1.0.2", "w2", "'ready':true"), WORKER("w1") "," WORKER("w2"), "1 of 2 nodes" },
	{ "v1.36.0", ON("10.1.0.1", "w1", LEAVING) "," ON("10.1.0.2", "w2", "'ready':true"), WORKER("w1") "," WORKER("w2") "," WORKER("w3"),
	  "2 of 3 nodes" },
	{ "v1.36.0", ON("10.1.0.1", "w1", "'ready':false") "," ON("10.1.0.2", "w2", "'ready':true"), WORKER("w1") "," WORKER("w2"), "1 of 2 nodes" },
};

static void test_local_policy(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(locals); i++) {
		char version[64], slices[1024], nodes[512];
		const char *const docs[] = { SVCS(SVC("s", LOCAL PLAIN)), "version.json",	version,
					     "endpointslices.json",	  slices, "nodes.json", nodes,
					     NULL };
		const struct finding *f;
		struct lab l;

		snprintf(version, sizeof(version), "{'gitVersion':'%s'}", locals[i].version);
		snprintf(slices, sizeof(slices), "{'kind':'EndpointSliceList','apiVersion':'discovery.k8s.io/v1','items':[" SLICE_OF("s-1", "s", "",
			 "IPv4", "%s", PORT80) "]}", locals[i].slices);
		snprintf(nodes, sizeof(nodes), "{'kind':'NodeList','items':[%s]}", locals[i].nodes);
		lab_read(&l, docs);
		assert_string_equal(l.s.cluster.version, locals[i].version);
		diagnose(&l, NULL);
		f = find_finding(&l, "etp-local-no-local-endpoint");
		if (!f != !locals[i].text || (f && !strstr(f->text, locals[i].text)))
			fail_msg("case %zu: %s", i, f ? f->text : "nothing is told");
		lab_release(&l);
	}
}

/* ---- default/kubernetes ---- */

#define API_SERVICE \
	SVCS("{'kind':'Service','metadata':{'name':'kubernetes','namespace':'default'},'spec':{'clusterIP':'10.0.0.1','clusterIPs':['10.0.0.1']," \
	     "'ports':[{'name':'https','port':443,'targetPort':6443}]}}")
#define API_SLICE(endpoints) \
	SLICES("{'kind':'EndpointSlice','apiVersion':'discovery.k8s.io/v1','metadata':{'name':'kubernetes','namespace':'default','labels':{" \
	       "'kubernetes.io/service-name':'kubernetes'}},'addressType':'IPv4','endpoints':[" endpoints \
	       "],'ports':[{'name':'https','port':6443}]}")
#define API_POD(advertised, ip) \
	"{'kind':'Pod','metadata':{'name':'kube-apiserver-m1','namespace':'kube-system','labels':{'component':'kube-apiserver'},'annotations':{" \
	"'kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint':'" advertised "'}},'spec':{'nodeName':'m1','hostNetwork':true," \
	"'containers':[{'name':'kube-apiserver'}]},'status':{'hostIP':'" ip "'," READY(ip) "}}"

static const struct {
	const char *docs[12];
	int severity;	  /* of the finding; -1: none */
	const char *text; /* NULL */
	enum service_status status;
} api_servers[] = {
	{ { API_SERVICE, API_SLICE(EP("192.0.2.1", "true") "," EP("192.0.2.9", "true")), NODES(NODE("m1", "control-plane", "192.0.2.1")) },
	  SEVERITY_WARNING, "endpoint 192.0.2.9", STATUS_DEGRADED },
	{ { API_SERVICE, API_SLICE(EP("192.0.2.1", "true") "," EP("192.0.2.2", "true")),
	    NODES(NODE("m1", "master", "192.0.2.1") "," NODE("w1", "worker", "192.0.2.2")) },
	  SEVERITY_WARNING, "an address of node w1, which is none of the control plane", STATUS_DEGRADED },
	{ { API_SERVICE, API_SLICE(EP("192.0.2.9", "true")), PODS(API_POD("192.0.2.1:6443", "192.0.2.1")) }, SEVERITY_WARNING,
	  "curl -k https://192.0.2.9:6443/readyz", STATUS_DEGRADED },
	{ { API_SERVICE, API_SLICE(EP("127.0.0.1", "true")) }, SEVERITY_ERROR, "loopback", STATUS_BROKEN },
	/* all are known: by Node, by pod, by what kubeadm advertises */
	{ { API_SERVICE, API_SLICE(EP("192.0.2.1", "true") "," EP("192.0.2.2", "true")),
	    NODES(NODE("m1", "control-plane", "192.0.2.1") "," NODE("m2", "control-plane", "192.0.2.2")) },
	  -1, NULL, STATUS_NO_FAULT_FOUND },
	{ { API_SERVICE, API_SLICE(EP("192.0.2.1", "true")), PODS(API_POD("", "192.0.2.1")) }, -1, NULL, STATUS_NO_FAULT_FOUND },
	{ { API_SERVICE, API_SLICE(EP("198.51.100.1", "true")), PODS(API_POD("198.51.100.1:6443", "192.0.2.1")),
	    NODES(NODE("m1", "control-plane", "192.0.2.1")) },
	  -1, NULL, STATUS_NO_FAULT_FOUND },
	/* a managed cluster; one that is not ready; another address family; nothing known */
	{ { API_SERVICE, API_SLICE(EP("198.51.100.1", "true")), NODES(NODE("w1", "worker", "192.0.2.1")), PODS("") }, -1, NULL,
	  STATUS_NO_FAULT_FOUND },
	{ { API_SERVICE, API_SLICE(EP("192.0.2.1", "true") "," EP("192.0.2.9", "false")), NODES(NODE("m1", "control-plane", "192.0.2.1")) }, -1,
	  NULL, STATUS_NO_FAULT_FOUND },
	{ { API_SERVICE, API_SLICE(EP("192.0.2.9", "true")), NODES(NODE("m1", "control-plane", "2001:db8::1")) }, -1, NULL, STATUS_NO_FAULT_FOUND },
	{ { API_SERVICE, API_SLICE(EP("192.0.2.9", "true")), PODS(API_POD("[2001:db8::1]:6443", "2001:db8::1")) }, -1, NULL, STATUS_NO_FAULT_FOUND },
	{ { API_SERVICE, API_SLICE(EP("192.0.2.9", "true")) }, -1, NULL, STATUS_NO_FAULT_FOUND },
};

static void test_api_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(api_servers); i++) {
		const struct finding *f;
		struct lab l;

		lab_read(&l, api_servers[i].docs);
		diagnose(&l, NULL);
		f = find_finding(&l, "kubernetes-endpoint-stale");
		if ((f != NULL) != (api_servers[i].severity >= 0))
			fail_msg("case %zu: %s", i, f ? f->text : "nothing is said");
		if (f) {
			assert_int_equal(f->severity, api_servers[i].severity);
			assert_null(f->explained_by);
			if (!has_text(f, api_servers[i].text))
				fail_msg("case %zu: '%s' is not said: %s", i, api_servers[i].text, f->text);
		}
		assert_int_equal(result_of(&l, "default", "kubernetes")->status, api_servers[i].status);
		lab_release(&l);
	}
}

/* A pod that two Services share: a cause where others are ready, explained where none is. */
static void test_shared_pod(void **state)
{
	static const char *const docs[] = {
		SVCS(SVC("all", "'selector':{'app':'a'},'ports':[{'port':80}]") ","
		     "{'kind':'Service'," META("one") ",'spec':{'clusterIP':'10.0.0.8','selector':{'x':'y'},'ports':[{'port':80}]}}"),
		SLICES(SLICE_OF("all-1", "all", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80) ","
		       SLICE_OF("one-1", "one", OURS, "IPv4", EP("10.1.0.7", "false"), PORT80)),
		PODS(POD("p", "'app':'a'", DECLARES("80"), READY("10.1.0.1")) ","
		     POD("q", "'app':'a','x':'y'", DECLARES("80"), NOT_READY("'waiting':{'reason':'ImagePullBackOff'}"))),
		NULL
	};
	const struct finding *f;
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	diagnose(&l, NULL);
	f = find_finding(&l, "pod-image-pull-failing");
	assert_non_null(f);
	assert_int_equal(f->services.len, 2);
	assert_null(f->explained_by);
	assert_int_equal(f->severity, SEVERITY_WARNING);
	assert_int_equal(result_of(&l, "n", "all")->status, STATUS_DEGRADED);
	assert_int_equal(result_of(&l, "n", "one")->status, STATUS_BROKEN);
	assert_int_equal(result_of(&l, "n", "one")->causes.len, 1);
	assert_int_equal(result_of(&l, "n", "one")->explained.len, 1);
	lab_release(&l);
}

/* What was not collected is skipped with its name, and nothing is claimed about it. */
static void test_missing_kinds(void **state)
{
	static const char *const docs[] = { SVCS(SVC("s", PLAIN)), NULL };
	bool pods = false;
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	diagnose(&l, NULL);
	assert_int_equal(l.d.findings.len, 0);
	for (size_t i = 0; i < l.d.skipped.len; i++)
		if (strcmp(l.d.skipped.v[i].check, "selector-mismatch") == 0) {
			assert_string_equal(l.d.skipped.v[i].code, "not-collected");
			assert_string_equal(l.d.skipped.v[i].needs, "pods");
			pods = true;
		}
	assert_true(pods);
	assert_false(l.d.axis_has_source[AXIS_ENDPOINTS]);
	assert_int_equal(result_of(&l, "n", "s")->axes[AXIS_ENDPOINTS].state, AXIS_NOT_LOOKED_AT);
	assert_int_equal(result_of(&l, "n", "s")->status, STATUS_NO_FAULT_FOUND);
	lab_release(&l);

	memset(&l, 0, sizeof(l));
	snapshot_init(&l.s);
	assert_int_equal(snapshot_finish(&l.s), 0);
	diagnose(&l, NULL);
	assert_int_equal(l.d.services.len, 0);
	lab_release(&l);
}

/* Names that are none never get into a command. */
static void test_hostile_names(void **state)
{
	static const char *const docs[] = {
		SVCS(SVC("s", "'selector':{'app':'front','t':'w'},'ports':[{'port':80,'targetPort':'x'}]")),
		EMPTY,
		PODS(POD("p;reboot", "'app':'front','t':'$(reboot)'", "'ports':[{'name':'`reboot`','containerPort':80}]", READY("10.1.0.1")) ","
		     POD("q", "'app':'front','t':'w\\u0027;reboot'", DECLARES("80"), NOT_READY("'waiting':{'reason':'CrashLoopBackOff'}"))),
		NULL
	};
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	diagnose(&l, NULL);
	for (size_t i = 0; i < l.d.findings.len; i++) {
		const struct finding *f = l.d.findings.v[i];

		for (size_t j = 0; j < f->next.len; j++)
			assert_null(strstr(f->next.v[j], "reboot"));
		for (size_t j = 0; j < f->fix.len; j++)
			assert_null(strstr(f->fix.v[j], "reboot"));
	}
	assert_non_null(find_finding(&l, "selector-mismatch"));
	lab_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_clusters), cmocka_unit_test(test_not_told),	    cmocka_unit_test(test_applied_limits),
		cmocka_unit_test(test_information),    cmocka_unit_test(test_api_servers),  cmocka_unit_test(test_shared_pod),
		cmocka_unit_test(test_missing_kinds),  cmocka_unit_test(test_hostile_names), cmocka_unit_test(test_local_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of traffic policies and NetworkPolicies, on small clusters: what they tell, and what comes near to it and is no fault. */

#include "lab.h"
#include "objects.h"

#define NETPOL_IN(ns, name, spec) \
	"{'kind':'NetworkPolicy','apiVersion':'networking.k8s.io/v1','metadata':{'name':'" name "','namespace':'" ns "'},'spec':{" spec "}}"
#define NETPOL(name, spec) NETPOL_IN("n", name, spec)
#define NETPOLS(list) "networkpolicies.json", "{'kind':'NetworkPolicyList','apiVersion':'networking.k8s.io/v1','items':[" list "]}"
#define OF_A(ingress) "'podSelector':{'matchLabels':{'app':'a'}},'ingress':[" ingress "]"
#define NAMESPACES(list) "namespaces.json", "{'kind':'NamespaceList','items':[" list "]}"
/* Service port 80 to port 8080 of pods with app=a */
#define TO8080 "'selector':{'app':'a'},'ports':[{'port':80,'targetPort':8080}]"
#define TO_WEB "'selector':{'app':'a'},'ports':[{'port':80,'targetPort':'web'}]"
#define BACKEND POD("p", "'app':'a'", "'ports':[{'name':'web','containerPort':8080}]", READY("10.1.0.1"))
#define CLIENT POD("q", "'app':'b'", "'image':'x'", READY("10.1.0.2"))
#define WORLD(svc) SVCS(SVC("s", svc)), PODS(BACKEND "," CLIENT)
#define CIDR_NODE(name, ip, cidr) \
	"{'kind':'Node','metadata':{'name':'" name "'},'spec':{'podCIDRs':['" cidr "']},'status':{'addresses':[{'type':'InternalIP','address':'" ip "'}]}}"
#define TWO_NODES NODES(CIDR_NODE("w1", "192.0.2.1", "10.1.0.0/24") "," CIDR_NODE("w2", "192.0.2.2", "10.1.1.0/24"))
/* kube-system/kube-dns with its pod, and n/s and its pods */
#define DNS_WORLD \
	SVCS("{'kind':'Service','metadata':{'name':'kube-dns','namespace':'kube-system'},'spec':{'clusterIP':'10.0.0.10','clusterIPs':['10.0.0.10']," \
	     "'selector':{'k8s-app':'kube-dns'},'ports':[{'name':'dns','port':53,'protocol':'UDP','targetPort':5353},{'name':'tcp','port':53," \
	     "'targetPort':5353}]}}," SVC("s", TO8080)), \
		PODS(POD_IN("kube-system", "dns", "'k8s-app':'kube-dns'", "'image':'x'", READY("10.1.0.53")) "," BACKEND "," CLIENT), \
		NAMESPACES("{'metadata':{'name':'n'}},{'metadata':{'name':'kube-system','labels':{'kubernetes.io/metadata.name':'kube-system'}}}")
#define EGRESS(rules) "'podSelector':{},'policyTypes':['Egress'],'egress':[" rules "]"
#define TO_DNS "{'namespaceSelector':{'matchLabels':{'kubernetes.io/metadata.name':'kube-system'}},'podSelector':{'matchLabels':{'k8s-app':'kube-dns'}}}"

/* Endpoints with hints, and nodes in zones */
#define HINTED(ip, hints) "{'addresses':['" ip "'],'conditions':{'ready':true},'zone':'a','hints':{" hints "}}"
#define ZONE(z) "'forZones':[{'name':'" z "'}]"
#define ON_NODE(n) "'forNodes':[{'name':'" n "'}]"
#define ENDPOINTS(list) SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", list, PORT80))
#define ZONED(name, zone) "{'kind':'Node','metadata':{'name':'" name "','labels':{'topology.kubernetes.io/zone':'" zone "'}}}"
#define AWARE(value, spec) \
	"{'kind':'Service','metadata':{'name':'s','namespace':'n','annotations':{'service.kubernetes.io/topology-mode':'" value \
	"'}},'spec':{'clusterIP':'10.0.0.9','clusterIPs':['10.0.0.9']," spec "}}"
#define HINTS_EVENT \
	"events.json", "{'kind':'EventList','items':[{'metadata':{'name':'e','namespace':'n'},'type':'Warning','reason':'TopologyAwareHintsDisabled'," \
		       "'message':'Insufficient number of endpoints (1)','involvedObject':{'kind':'Service','namespace':'n','name':'s'}}]}"
#define STICKY "'sessionAffinity':'ClientIP'," PLAIN
#define UPSTREAM(value) \
	"ingresses.json", "{'kind':'IngressList','apiVersion':'networking.k8s.io/v1','items':[{'metadata':{'name':'i','namespace':'n','annotations':{" \
			  "'nginx.ingress.kubernetes.io/service-upstream':'" value "'}},'spec':{'defaultBackend':{'service':{'name':'s','port':{'number':80}}}}}]}"

static const struct lab_case cases[] = {
	/* who is let in */
	{ { WORLD(TO8080), NETPOLS("") }, "networkpolicy-blocks-service", SILENT, NULL },
	{ { WORLD(TO8080), NETPOLS(NETPOL("deny", "'podSelector':{}")) }, "networkpolicy-blocks-service", SEVERITY_WARNING,
	  "NetworkPolicy n/deny lets nobody in to the pods behind n/s on port 80/TCP (targetPort 8080)" },
	{ { WORLD(TO8080), NETPOLS(NETPOL("deny", "'podSelector':{}")) }, "networkpolicy-blocks-service", SEVERITY_WARNING,
	  "kubectl -n n describe networkpolicy deny" },
	{ { WORLD(TO8080), NETPOLS(NETPOL("x", OF_A("{'from':[{'podSelector':{'matchLabels':{'app':'b'}}}],'ports':[{'port':8080}]}"))) },
	  "networkpolicy-blocks-service", SEVERITY_WARNING,
	  "lets in to the pods behind n/s on port 80/TCP (targetPort 8080) only: pods with app=b of namespace n" },
	{ { WORLD(TO8080), NETPOLS(NETPOL("x", OF_A("{'from':[{'namespaceSelector':{'matchExpressions':[{'key':'t','operator':'In','values':['1','2']}]}},"
						    "{'ipBlock':{'cidr':'10.0.0.0/8','except':['10.9.0.0/16']}}]}"))) },
	  "networkpolicy-blocks-service", SEVERITY_WARNING, "all pods of namespaces with t in (1,2); 10.0.0.0/8 except 10.9.0.0/16" },
	{ { WORLD(TO8080), NETPOLS(NETPOL("x", OF_A("{'ports':[{'port':'web'}]}"))) }, "networkpolicy-blocks-service", SEVERITY_INFO,
	  "lets everybody in" },
	{ { WORLD(TO8080), NETPOLS(NETPOL("deny", "'podSelector':{}") "," NETPOL("x", OF_A("{}"))) }, "networkpolicy-blocks-service", SEVERITY_INFO,
	  "NetworkPolicies n/deny, n/x isolate the pods behind n/s on port 80/TCP (targetPort 8080), and let everybody in" },
	/* of other pods, another namespace, the other direction */
	{ { WORLD(TO8080), NETPOLS(NETPOL("x", "'podSelector':{'matchLabels':{'app':'b'}}")) }, "networkpolicy-blocks-service", SILENT, NULL },
	{ { WORLD(TO8080), NETPOLS(NETPOL_IN("m", "x", "'podSelector':{}")) }, "networkpolicy-blocks-service", SILENT, NULL },
	{ { WORLD(TO8080), NETPOLS(NETPOL("x", EGRESS(""))) }, "networkpolicy-blocks-service", SILENT, NULL },
	/* some of the pods */
	{ { SVCS(SVC("s", TO8080)), PODS(BACKEND "," POD("r", "'app':'a','v':'2'", "'image':'x'", READY("10.1.0.3"))),
	    NETPOLS(NETPOL("x", "'podSelector':{'matchLabels':{'v':'2'}}")) },
	  "networkpolicy-blocks-service", SEVERITY_WARNING, "1 of 2 pods behind n/s" },
	{ { SVCS(SVC("s", "'selector':{'app':'a'},'ports':[{'name':'x','port':80,'targetPort':8080},{'name':'y','port':81,'targetPort':8081}]")),
	    PODS(BACKEND "," POD("r", "'app':'a','v':'2'", "'image':'x'", READY("10.1.0.3")) ","
		 POD("t", "'app':'a','v':'2'", "'image':'x'", READY("10.1.0.4"))),
	    NETPOLS(NETPOL("x", "'podSelector':{'matchLabels':{'v':'2'}}")) },
	  "networkpolicy-blocks-service", SEVERITY_WARNING, "2 of 3 pods behind n/s on ports 80/TCP, 81/TCP" },
	/* the Service's port instead of the targetPort */
	{ { WORLD(TO8080), NETPOLS(NETPOL("x", OF_A("{'ports':[{'port':80}]}"))) }, "networkpolicy-blocks-service", SEVERITY_WARNING,
	  "x opens port 80, and policies see the targetPort" },
	{ { WORLD(TO_WEB), NETPOLS(NETPOL("x", OF_A("{'ports':[{'port':80}]}"))) }, "networkpolicy-blocks-service", SEVERITY_WARNING,
	  "a policy sees the port after the translation, 8080" },
	{ { WORLD(TO_WEB), NETPOLS(NETPOL("x", OF_A("{'ports':[{'port':8080}]}"))) }, "networkpolicy-blocks-service", SEVERITY_INFO, NULL },
	/* other mistakes */
	{ { WORLD(TO8080), NETPOLS(NETPOL("x", OF_A("{'ports':[{'port':'http'}]}"))) }, "networkpolicy-blocks-service", SEVERITY_WARNING,
	  "opens port 'http', and Pod n/p has no TCP port of that name" },
	{ { WORLD(TO8080), NAMESPACES("{'metadata':{'name':'n'}},{'metadata':{'name':'m'}}"),
	    NETPOLS(NETPOL("x", OF_A("{'from':[{'namespaceSelector':{'matchLabels':{'name':'m'}}}]}"))) },
	  "networkpolicy-blocks-service", SEVERITY_WARNING, "no namespace has the labels name=m" },
	{ { WORLD(TO8080), NETPOLS(NETPOL("x", OF_A("{'from':[{'podSelector':{'matchLabels':{'app':'zzz'}}}]}"))) },
	  "networkpolicy-blocks-service", SEVERITY_WARNING, "no pod of namespace n has the labels app=zzz" },
	/* a cluster IP in a rule for outgoing traffic: it opens nothing; with the pods opened too, it is superfluous and no fault */
	{ { WORLD(TO8080), NETPOLS(NETPOL("x", EGRESS("{'to':[{'ipBlock':{'cidr':'10.0.0.9/32'}}]}"))) }, "networkpolicy-blocks-service",
	  SEVERITY_WARNING, "lets pods out to 10.0.0.9/32, the cluster IP of n/s" },
	{ { WORLD(TO8080), NETPOLS(NETPOL("x", EGRESS("{'to':[{'ipBlock':{'cidr':'10.0.0.9/32'}},{'podSelector':{'matchLabels':{'app':'a'}}}]}"))) },
	  "networkpolicy-blocks-service", SILENT, NULL },
	{ { WORLD(TO8080), NETPOLS(NETPOL("x", EGRESS("{'to':[{'ipBlock':{'cidr':'10.0.0.0/8'}}]}"))) }, "networkpolicy-blocks-service", SILENT, NULL },
	/* the DNS */
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS(""))) }, "networkpolicy-blocks-dns", SEVERITY_WARNING, "2 of 2 pods of namespace n" },
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("{'to':[{'podSelector':{}}]}"))) }, "networkpolicy-blocks-dns", SEVERITY_WARNING,
	  "no rule opens port 53/UDP of the DNS pods" },
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("{'to':[" TO_DNS "],'ports':[{'port':53,'protocol':'UDP'}]}"))) }, "networkpolicy-blocks-dns",
	  SEVERITY_WARNING, NULL }, /* the pods' port is 5353 */
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("{'to':[" TO_DNS "],'ports':[{'port':5353}]}"))) }, "networkpolicy-blocks-dns", SEVERITY_WARNING,
	  NULL }, /* TCP only */
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("{'to':[{'ipBlock':{'cidr':'10.0.0.10/32'}}]}"))) }, "networkpolicy-blocks-dns", SEVERITY_WARNING,
	  "opens the cluster IP of kube-system/kube-dns" },
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("{'to':[" TO_DNS "],'ports':[{'port':5353,'protocol':'UDP'}]}"))) }, "networkpolicy-blocks-dns",
	  SILENT, NULL },
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("{'ports':[{'port':5353,'protocol':'UDP'}]}"))) }, "networkpolicy-blocks-dns", SILENT, NULL },
	/* short answers only */
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("{'to':[" TO_DNS "],'ports':[{'port':5353,'protocol':'UDP'}]}"))) }, "dns-truncation-tcp53", SEVERITY_WARNING,
	  "let 2 pods of namespace n ask kube-system/kube-dns over UDP and not over TCP" },
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("{'to':[" TO_DNS "],'ports':[{'port':5353,'protocol':'UDP'},{'port':5353}]}"))) }, "dns-truncation-tcp53", SILENT, NULL },
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS(""))) }, "dns-truncation-tcp53", SILENT, NULL },
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("{'to':[{'ipBlock':{'cidr':'169.254.20.10/32'}}]}"))) }, "dns-truncation-tcp53", SILENT, NULL },
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("{'to':[{'ipBlock':{'cidr':'169.254.20.10/32'}}]}"))) }, "networkpolicy-blocks-dns", SILENT, NULL },
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("{'to':[{'ipBlock':{'cidr':'0.0.0.0/0'}}]}"))) }, "networkpolicy-blocks-dns", SILENT, NULL },
	{ { DNS_WORLD, NETPOLS(NETPOL("x", "'podSelector':{}")) }, "networkpolicy-blocks-dns", SILENT, NULL },
	{ { DNS_WORLD, NETPOLS(NETPOL("x", EGRESS("")) "," NETPOL("y", EGRESS("{'to':[" TO_DNS "]}"))) }, "networkpolicy-blocks-dns", SILENT, NULL },
	/* rewritten sources */
	{ { WORLD("'type':'NodePort'," TO8080), TWO_NODES, NETPOLS(NETPOL("x", OF_A("{'from':[{'ipBlock':{'cidr':'203.0.113.0/24'}}]}"))) },
	  "snat-breaks-networkpolicy", SEVERITY_WARNING, "NetworkPolicy n/x lets 203.0.113.0/24 in" },
	{ { WORLD("'type':'NodePort','externalTrafficPolicy':'Local'," TO8080), TWO_NODES,
	    NETPOLS(NETPOL("x", OF_A("{'from':[{'ipBlock':{'cidr':'203.0.113.0/24'}}]}"))) },
	  "snat-breaks-networkpolicy", SILENT, NULL },
	{ { WORLD(TO8080), TWO_NODES, NETPOLS(NETPOL("x", OF_A("{'from':[{'ipBlock':{'cidr':'203.0.113.0/24'}}]}"))) }, "snat-breaks-networkpolicy",
	  SILENT, NULL },
	{ { WORLD("'type':'NodePort'," TO8080), TWO_NODES,
	    NETPOLS(NETPOL("x", OF_A("{'from':[{'ipBlock':{'cidr':'203.0.113.0/24'}},{'ipBlock':{'cidr':'192.0.2.0/24'}}]}"))) },
	  "snat-breaks-networkpolicy", SILENT, NULL },
	{ { WORLD("'type':'NodePort'," TO8080), TWO_NODES,
	    NETPOLS(NETPOL("x", OF_A("{'from':[{'ipBlock':{'cidr':'203.0.113.0/24'}},{'ipBlock':{'cidr':'10.1.0.0/16'}}]}"))) },
	  "snat-breaks-networkpolicy", SILENT, NULL },
	{ { WORLD("'type':'NodePort'," TO8080), NODES(CIDR_NODE("w1", "192.0.2.1", "10.1.0.0/24")),
	    NETPOLS(NETPOL("x", OF_A("{'from':[{'ipBlock':{'cidr':'203.0.113.0/24'}}]}"))) },
	  "snat-breaks-networkpolicy", SILENT, NULL },
	{ { WORLD("'type':'NodePort'," TO8080), TWO_NODES, NETPOLS(NETPOL("x", OF_A("{'from':[{'podSelector':{}}]}"))) },
	  "snat-breaks-networkpolicy", SILENT, NULL },
	/* hints */
	{ { SVCS(AWARE("Auto", PLAIN)), ENDPOINTS(EP("10.1.0.1", "true")), HINTS_EVENT }, "topology-hints-off-or-imbalanced", SEVERITY_INFO,
	  "Insufficient number of endpoints" },
	{ { SVCS(AWARE("auto", PLAIN)), ENDPOINTS(EP("10.1.0.1", "true")), NODES(ZONED("w1", "a") ",{'kind':'Node','metadata':{'name':'w2'}}") },
	  "topology-hints-off-or-imbalanced", SEVERITY_INFO, "1 of 2 nodes have no label topology.kubernetes.io/zone" },
	{ { SVCS(SVC("s", PLAIN)), ENDPOINTS(HINTED("10.1.0.1", ZONE("a")) "," EP("10.1.0.2", "true")) }, "topology-hints-off-or-imbalanced",
	  SEVERITY_WARNING, "endpoint 10.1.0.2 has no hint" },
	{ { SVCS(AWARE("Auto", PLAIN)), ENDPOINTS(HINTED("10.1.0.1", ZONE("a")) "," HINTED("10.1.0.2", ZONE("b"))) },
	  "topology-hints-off-or-imbalanced", SILENT, NULL },
	{ { SVCS(AWARE("Auto", PLAIN)), ENDPOINTS(HINTED("10.1.0.1", ZONE("a")) "," EP("10.1.0.2", "false")) }, "topology-hints-off-or-imbalanced",
	  SILENT, NULL },
	{ { SVCS(AWARE("Disabled", PLAIN)), ENDPOINTS(EP("10.1.0.1", "true")) }, "topology-hints-off-or-imbalanced", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), ENDPOINTS(EP("10.1.0.1", "true")) }, "topology-hints-off-or-imbalanced", SILENT, NULL },
	/* kept close */
	{ { SVCS(SVC("s", "'trafficDistribution':'PreferClose'," PLAIN)), NODES(ZONED("w1", "a") "," ZONED("w2", "b")),
	    ENDPOINTS(HINTED("10.1.0.1", ZONE("a")) "," HINTED("10.1.0.2", ZONE("a")) "," HINTED("10.1.0.3", ZONE("b"))) },
	  "traffic-distribution-hotspot", SEVERITY_INFO, "all clients of zone b use one endpoint, another zone has 2" },
	{ { SVCS(SVC("s", "'trafficDistribution':'PreferSameNode'," PLAIN)), NODES(ZONED("w1", "a") "," ZONED("w2", "a")),
	    ENDPOINTS(HINTED("10.1.0.1", ON_NODE("w1")) "," HINTED("10.1.0.2", ON_NODE("w1")) "," HINTED("10.1.0.3", ON_NODE("w2"))) },
	  "traffic-distribution-hotspot", SEVERITY_INFO, "all clients of node w2 use one endpoint" },
	{ { SVCS(SVC("s", "'trafficDistribution':'PreferClose'," PLAIN)), NODES(ZONED("w1", "a") "," ZONED("w2", "b")),
	    ENDPOINTS(HINTED("10.1.0.1", ZONE("a")) "," HINTED("10.1.0.3", ZONE("b"))) },
	  "traffic-distribution-hotspot", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), NODES(ZONED("w1", "a") "," ZONED("w2", "b")),
	    ENDPOINTS(HINTED("10.1.0.1", ZONE("a")) "," HINTED("10.1.0.2", ZONE("a")) "," HINTED("10.1.0.3", ZONE("b"))) },
	  "traffic-distribution-hotspot", SILENT, NULL },
	/* affinity behind somebody's address; by itself it is no fault */
	{ { SVCS(SVC("s", STICKY)), ENDPOINTS(EP("10.1.0.1", "true") "," EP("10.1.0.2", "true")), UPSTREAM("true") }, "session-affinity-sticky",
	  SEVERITY_WARNING, "Ingress n/i" },
	{ { SVCS(SVC("s", STICKY)), ENDPOINTS(EP("10.1.0.1", "true") "," EP("10.1.0.2", "true")), UPSTREAM("false") }, "session-affinity-sticky",
	  SILENT, NULL },
	{ { SVCS(SVC("s", STICKY)), ENDPOINTS(EP("10.1.0.1", "true")), UPSTREAM("true") }, "session-affinity-sticky", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), ENDPOINTS(EP("10.1.0.1", "true") "," EP("10.1.0.2", "true")), UPSTREAM("true") }, "session-affinity-sticky", SILENT,
	  NULL },
	{ { SVCS(SVC("s", STICKY)), ENDPOINTS(EP("10.1.0.1", "true") "," EP("10.1.0.2", "true")) }, "session-affinity-sticky", SILENT, NULL },
	{ { SVCS("{'kind':'Service'," META("s") ",'spec':{'type':'LoadBalancer','clusterIP':'10.0.0.9'," STICKY
		 "},'status':{'loadBalancer':{'ingress':[{'hostname':'x.example.com'}]}}}"),
	    ENDPOINTS(EP("10.1.0.1", "true") "," EP("10.1.0.2", "true")) },
	  "session-affinity-sticky", SEVERITY_INFO, "x.example.com" },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct finding *f;
		bool said = !cases[i].text;
		struct lab l;

		assert_non_null(check_find(cases[i].check));
		lab_read(&l, cases[i].docs);
		diagnose(&l, NULL);
		f = find_finding(&l, cases[i].check);
		if ((f ? (int)f->severity : SILENT) != cases[i].severity)
			fail_msg("case %zu: %s", i, f ? f->text : "nothing is said");
		for (size_t j = 0; !said && j < l.d.findings.len; j++)
			said = strcmp(l.d.findings.v[j]->check->id, cases[i].check) == 0 && has_text(l.d.findings.v[j], cases[i].text);
		if (!said)
			fail_msg("case %zu: '%s' is not said: %s", i, cases[i].text, f->text);
		/* what objects say of policies never counts as broken */
		assert_true(result_of(&l, "n", "s")->status != STATUS_BROKEN);
		lab_release(&l);
	}
}

/* Without the list nothing is claimed, and the checks are said to be skipped. */
static void test_not_collected(void **state)
{
	static const char *const docs[] = { WORLD(TO8080), NULL };
	size_t skipped = 0;
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	diagnose(&l, NULL);
	assert_null(find_finding(&l, "networkpolicy-blocks-service"));
	for (size_t i = 0; i < l.d.skipped.len; i++)
		skipped += strcmp(l.d.skipped.v[i].needs, "networkpolicies") == 0;
	assert_int_equal(skipped, 2); /* the third lacks nodes as well, which is said of it */
	lab_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_not_collected),
	};

	return cmocka_run_group_tests_name("checks_policy", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of what leads into the cluster: what they tell, and what comes near to it and is no fault. */

#include <netinet/in.h>

#include "lab.h"
#include "objects.h"

#define LB(name, annotations, spec, ingress) \
	"{'kind':'Service','metadata':{'name':'" name "','namespace':'n','annotations':{" annotations "}},'spec':{'type':'LoadBalancer'," \
	"'clusterIP':'10.0.0.9','clusterIPs':['10.0.0.9'],'ipFamilies':['IPv4']," spec "},'status':{'loadBalancer':{'ingress':[" ingress "]}}}"
#define VIP "{'ip':'203.0.113.7','ipMode':'VIP'}"
#define PROXY_ANNOTATION "'service.beta.kubernetes.io/do-loadbalancer-enable-proxy-protocol':'true'"
#define NLB(more) "'service.beta.kubernetes.io/aws-load-balancer-type':'external'" more
#define NAMED "{'hostname':'x.elb.example.com'}"
#define LABELLED(name, labels, taints) "{'kind':'Node','metadata':{'name':'" name "','labels':{" labels "}},'spec':{'taints':[" taints "]}}"
#define EXCLUDED "'node.kubernetes.io/exclude-from-external-load-balancers':'false'"
#define OTHER(name, ip, spec) "{'kind':'Service'," META(name) ",'spec':{'clusterIP':'" ip "','clusterIPs':['" ip "']," spec "}}"
#define CIDR "servicecidrs.json", "{'kind':'ServiceCIDRList','apiVersion':'networking.k8s.io/v1','items':[{'metadata':{'name':'k'},'spec':{'cidrs':['10.0.0.0/16']}}]}"
#define CONFIGMAP(ns, name, data) "configmaps.json", "{'kind':'ConfigMapList','items':[{'metadata':{'name':'" name "','namespace':'" ns "'},'data':{" data "}}]}"

#define VALIDATING(hooks) \
	"validatingwebhookconfigurations.json", "{'kind':'ValidatingWebhookConfigurationList','apiVersion':'admissionregistration.k8s.io/v1','items':[{" \
						"'metadata':{'name':'v'},'webhooks':[" hooks "]}]}"
#define HOOK(service, more) "{'name':'h.example.com','clientConfig':{'service':{" service "}}" more "}"
#define N_S "'namespace':'n','name':'s'"
#define APISERVICE(service, status) \
	"apiservices.json", "{'kind':'APIServiceList','apiVersion':'apiregistration.k8s.io/v1','items':[{'metadata':{'name':'v1.metrics'},'spec':{" service \
			    "},'status':{'conditions':[{'type':'Available','status':'" status "','reason':'FailedDiscoveryCheck','message':'timed out'}]}}]}"

static const struct lab_case cases[] = {
	/* the PROXY protocol behind an address that kube-proxy answers for */
	{ { SVCS(LB("s", PROXY_ANNOTATION, PLAIN, VIP)), GOOD }, "lb-ipmode-proxy", SEVERITY_WARNING, "do-loadbalancer-enable-proxy-protocol is true" },
	{ { SVCS(LB("s", PROXY_ANNOTATION, PLAIN, "{'ip':'203.0.113.7'}")), GOOD }, "lb-ipmode-proxy", SEVERITY_WARNING, "203.0.113.7" },
	{ { SVCS(LB("s", PROXY_ANNOTATION, PLAIN, "{'ip':'203.0.113.7','ipMode':'Proxy'}")), GOOD }, "lb-ipmode-proxy", SILENT, NULL },
	{ { SVCS(LB("s", PROXY_ANNOTATION, PLAIN, NAMED)), GOOD }, "lb-ipmode-proxy", SILENT, NULL },
	{ { SVCS(LB("s", "'x/proxy-protocol':'false'", PLAIN, VIP)), GOOD }, "lb-ipmode-proxy", SILENT, NULL },
	{ { SVCS(LB("s", "", PLAIN, VIP)), GOOD }, "lb-ipmode-proxy", SILENT, NULL },
	{ { SVCS(LB("s", "", PLAIN, VIP)), GOOD, CONFIGMAP("n", "ingress-nginx-controller", "'use-proxy-protocol':'true'") }, "lb-ipmode-proxy",
	  SEVERITY_WARNING, "ConfigMap n/ingress-nginx-controller" },
	{ { SVCS(LB("s", "", PLAIN, VIP)), GOOD, CONFIGMAP("m", "ingress-nginx-controller", "'use-proxy-protocol':'true'") }, "lb-ipmode-proxy", SILENT,
	  NULL },
	/* source ranges that limit nobody */
	{ { SVCS(LB("s", "", "'loadBalancerSourceRanges':['2001:db8::/32']," PLAIN, VIP)), GOOD }, "lb-source-ranges-drop", SEVERITY_WARNING,
	  "range '2001:db8::/32'" },
	{ { SVCS(LB("s", "", "'loadBalancerSourceRanges':['198.51.100.0'," "'x']," PLAIN, VIP)), GOOD }, "lb-source-ranges-drop", SEVERITY_WARNING,
	  "lets everybody in to 203.0.113.7" },
	{ { SVCS(LB("s", "", "'loadBalancerSourceRanges':['2001:db8::/32',' 198.51.100.0/24 ']," PLAIN, VIP)), GOOD }, "lb-source-ranges-drop", SILENT,
	  NULL },
	{ { SVCS(LB("s", "", "'loadBalancerSourceRanges':['2001:db8::/32']," PLAIN, NAMED)), GOOD }, "lb-source-ranges-drop", SILENT, NULL },
	{ { SVCS(LB("s", "", PLAIN, VIP)), GOOD }, "lb-source-ranges-drop", SILENT, NULL },
	/* no node for the load balancer */
	{ { SVCS(LB("s", "", PLAIN, VIP)), GOOD, NODES(LABELLED("w1", EXCLUDED, "") "," LABELLED("w2", "", "{'key':'ToBeDeletedByClusterAutoscaler'}")) },
	  "lb-unavailable-nodes", SEVERITY_WARNING, "any value counts" },
	{ { SVCS(LB("s", "", PLAIN, VIP)), GOOD, NODES(LABELLED("w1", EXCLUDED, "") "," LABELLED("w2", "", "{'key':'other'}")) }, "lb-unavailable-nodes",
	  SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, NODES(LABELLED("w1", EXCLUDED, "")) }, "lb-unavailable-nodes", SILENT, NULL },
	/* ports that it refuses */
	{ { SVCS(LB("s", "", PLAIN, "{'ip':'203.0.113.7','ports':[{'port':80,'protocol':'TCP','error':'mixed protocol is not supported'}]}")), GOOD },
	  "lb-mixed-protocol", SEVERITY_ERROR, "mixed protocol is not supported" },
	{ { SVCS(LB("s", "", PLAIN, "{'ip':'203.0.113.7','ports':[{'port':80,'protocol':'TCP'}]}")), GOOD }, "lb-mixed-protocol", SILENT, NULL },
	/* back to where it comes from */
	{ { SVCS(LB("s", NLB(""), PLAIN, NAMED)), GOOD }, "hairpin-lb-client-ip", SEVERITY_INFO, "x.elb.example.com" },
	{ { SVCS(LB("s", NLB(",'service.beta.kubernetes.io/aws-load-balancer-nlb-target-type':'ip'"), PLAIN, NAMED)), GOOD }, "hairpin-lb-client-ip",
	  SILENT, NULL },
	{ { SVCS(LB("s", NLB(",'service.beta.kubernetes.io/aws-load-balancer-target-group-attributes':'preserve_client_ip.enabled=false'"), PLAIN, NAMED)),
	    GOOD },
	  "hairpin-lb-client-ip", SILENT, NULL },
	{ { SVCS(LB("s", "", PLAIN, NAMED)), GOOD }, "hairpin-lb-client-ip", SILENT, NULL },
	{ { SVCS(LB("s", NLB(""), PLAIN, VIP)), GOOD }, "hairpin-lb-client-ip", SILENT, NULL },
	/* somebody else's address */
	{ { SVCS(SVC("s", "'externalIPs':['10.0.0.1']," PLAIN) "," OTHER("t", "10.0.0.1", "'ports':[{'port':80}]")), GOOD },
	  "kubernetes-service-vip-hijack", SEVERITY_ERROR, "is the cluster IP of n/t" },
	{ { SVCS(SVC("s", "'externalIPs':['10.0.0.1']," PLAIN) "," OTHER("t", "10.0.0.1", "'ports':[{'port':81}]")), GOOD },
	  "kubernetes-service-vip-hijack", SEVERITY_WARNING, "no port in common" },
	{ { SVCS(SVC("s", "'externalIPs':['10.0.0.1']," PLAIN) "," OTHER("t", "10.0.0.1", "'ports':[{'port':80,'protocol':'UDP'}]")), GOOD },
	  "kubernetes-service-vip-hijack", SEVERITY_WARNING, NULL },
	{ { SVCS(SVC("s", "'externalIPs':['10.0.7.7']," PLAIN)), GOOD, CIDR }, "kubernetes-service-vip-hijack", SEVERITY_WARNING,
	  "lies in the range of cluster IPs" },
	{ { SVCS(SVC("s", "'externalIPs':['10.1.0.1']," PLAIN)), GOOD }, "kubernetes-service-vip-hijack", SEVERITY_WARNING, "address of Pod n/p" },
	{ { SVCS(LB("s", "", PLAIN, "{'ip':'10.0.0.1'}") "," OTHER("t", "10.0.0.1", "'ports':[{'port':80}]")), GOOD }, "kubernetes-service-vip-hijack",
	  SEVERITY_ERROR, "load-balancer IP 10.0.0.1" },
	/* its own address, one that kube-proxy passes over, one of nobody */
	{ { SVCS(LB("s", "", PLAIN, "{'ip':'10.0.0.9'}")), GOOD, CIDR }, "kubernetes-service-vip-hijack", SILENT, NULL },
	{ { SVCS(LB("s", "", PLAIN, "{'ip':'10.0.0.1','ipMode':'Proxy'}") "," OTHER("t", "10.0.0.1", "'ports':[{'port':80}]")), GOOD },
	  "kubernetes-service-vip-hijack", SILENT, NULL },
	{ { SVCS(SVC("s", "'externalIPs':['203.0.113.5']," PLAIN)), GOOD, CIDR }, "kubernetes-service-vip-hijack", SILENT, NULL },
	/* the API server's calls */
	{ { SVCS(SVC("s", PLAIN)), GOOD, VALIDATING(HOOK(N_S, "")) }, "webhook-apiservice-unreachable", SEVERITY_ERROR, "which has no port 443" },
	{ { SVCS(SVC("s", "'selector':{'app':'a'},'ports':[{'port':80,'targetPort':443}]")), GOOD, VALIDATING(HOOK(N_S, "")) },
	  "webhook-apiservice-unreachable", SEVERITY_ERROR, "443 is the targetPort of its port 80" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, VALIDATING(HOOK(N_S ",'port':80", "")) }, "webhook-apiservice-unreachable", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, VALIDATING(HOOK(N_S ",'port':80", "")) }, "webhook-apiservice-unreachable", SEVERITY_ERROR,
	  "which has no ready endpoint: the API server refuses" },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, VALIDATING(HOOK(N_S ",'port':80", ",'failurePolicy':'Ignore'")) }, "webhook-apiservice-unreachable",
	  SEVERITY_WARNING, "requests go on without it" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, VALIDATING(HOOK("'namespace':'n','name':'gone'", "")) }, "webhook-apiservice-unreachable", SEVERITY_ERROR,
	  "calls Service n/gone, which does not exist" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, VALIDATING("{'name':'h','clientConfig':{'url':'https://x'}}") }, "webhook-apiservice-unreachable", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, APISERVICE("'service':{" N_S ",'port':80}", "False") }, "webhook-apiservice-unreachable", SEVERITY_ERROR,
	  "gets no answer (FailedDiscoveryCheck)" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, APISERVICE("'service':{" N_S ",'port':80}", "True") }, "webhook-apiservice-unreachable", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, APISERVICE("'service':null", "True") }, "webhook-apiservice-unreachable", SILENT, NULL },
	/* not every node is recorded: nobody knows who has it */
	{ { SVCS(SVC("s", "'externalIPs':['203.0.113.5']," PLAIN)), GOOD, NODES(LABELLED("w1", "", "")) }, "externalip-not-routed", SILENT, NULL },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct finding *f;
		struct lab l;

		assert_non_null(check_find(cases[i].check));
		lab_read(&l, cases[i].docs);
		diagnose(&l, NULL);
		f = find_finding(&l, cases[i].check);
		if ((f ? (int)f->severity : SILENT) != cases[i].severity)
			fail_msg("case %zu: %s", i, f ? f->text : "nothing is said");
		if (cases[i].text && !has_text(f, cases[i].text))
			fail_msg("case %zu: '%s' is not said: %s", i, cases[i].text, f->text);
		lab_release(&l);
	}
}

static bool is_cause_of(const struct service_result *sr, const char *check)
{
	for (size_t i = 0; i < sr->causes.len; i++)
		if (strcmp(sr->causes.v[i]->check->id, check) == 0)
			return true;
	return false;
}

/* Another Service's address is the cause of both having one frontend, for the one that took it. */
static void test_explains(void **state)
{
	static const char *const docs[] = { SVCS(SVC("s", "'externalIPs':['10.0.0.1']," PLAIN) "," OTHER("t", "10.0.0.1", "'ports':[{'port':80}]")), GOOD,
					    NULL };
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	diagnose(&l, NULL);
	assert_int_equal(result_of(&l, "n", "s")->causes.len, 1);
	assert_string_equal(result_of(&l, "n", "s")->causes.v[0]->check->id, "kubernetes-service-vip-hijack");
	assert_string_equal(result_of(&l, "n", "s")->explained.v[0]->check->id, "duplicate-vip-rules");
	assert_true(is_cause_of(result_of(&l, "n", "t"), "duplicate-vip-rules"));
	lab_release(&l);
}

/* ---- recorded nodes ---- */

static const char *const gates_off[] = { "X=true", "AllowServiceExternalIPs=false" };
static const char *const gates_on[] = { "AllowServiceExternalIPs=false", "AllowServiceExternalIPs=true" };
static const char *const loopback[] = { "127.0.0.0/8" };
static const char *const nowhere[] = { "192.168.77.0/24" };
static const char *const here[] = { "172.30.99.0/24" };
static const char *const six[] = { "2001:db8::/32" };
static const char *const primary[] = { "primary" };

static const struct {
	const char *const *addresses, *const *gates;
	const char *healthz;
	const char *check;
	int severity;
	const char *text;
} configs[] = {
	{ NULL, gates_off, NULL, "externalips-gate-off", SEVERITY_WARNING, "80.11.12.10 of default/ext-ip" },
	{ NULL, gates_on, NULL, "externalips-gate-off", SILENT, NULL },
	{ NULL, NULL, NULL, "externalips-gate-off", SILENT, NULL },
	{ nowhere, NULL, NULL, "nodeport-addresses-filter", SEVERITY_WARNING, "they answer nowhere" },
	{ loopback, NULL, NULL, "nodeport-addresses-filter", SEVERITY_INFO, "not at 172.30.99.1, the node's address" },
	{ here, NULL, NULL, "nodeport-addresses-filter", SILENT, NULL },
	{ six, NULL, NULL, "nodeport-addresses-filter", SILENT, NULL }, /* of IPv4 every address serves */
	{ primary, NULL, NULL, "nodeport-addresses-filter", SILENT, NULL },
	{ NULL, NULL, "127.0.0.1:10256", "proxy-healthz-port-blocked", SEVERITY_INFO, "127.0.0.1:10256 only" },
	{ NULL, NULL, "[::1]:10256", "proxy-healthz-port-blocked", SEVERITY_INFO, NULL },
	{ NULL, NULL, "0.0.0.0:10256", "proxy-healthz-port-blocked", SILENT, NULL },
	{ NULL, NULL, "[::]:10256", "proxy-healthz-port-blocked", SILENT, NULL },
	{ NULL, NULL, "[2001:db8::1]:10256", "proxy-healthz-port-blocked", SEVERITY_INFO, "no node has an address of that family" },
	{ NULL, NULL, "172.30.99.1:10256", "proxy-healthz-port-blocked", SILENT, NULL },
	{ NULL, NULL, "", "proxy-healthz-port-blocked", SILENT, NULL },
};

static void test_configurations(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
		const struct finding *f;
		struct lab l;

		lab_open(&l, LAB);
		for (size_t j = 0; j < l.s.nodes.len; j++) {
			struct kube_proxy_config *c = &l.s.nodes.v[j]->proxy.config;

			assert_true(c->known);
			c->node_port_addresses = configs[i].addresses;
			c->nnode_port_addresses = configs[i].addresses ? 1 : 0;
			c->feature_gates = configs[i].gates;
			c->nfeature_gates = configs[i].gates ? 2 : 0;
			c->healthz_bind_address = configs[i].healthz;
		}
		diagnose(&l, NULL);
		f = find_finding(&l, configs[i].check);
		if ((f ? (int)f->severity : SILENT) != configs[i].severity)
			fail_msg("configuration %zu: %s", i, f ? f->text : "nothing is said");
		if (configs[i].text && !has_text(f, configs[i].text))
			fail_msg("configuration %zu: '%s' is not said: %s", i, configs[i].text, f->text);
		lab_release(&l);
	}
}

/* ---- sockets ---- */

static const struct {
	uint8_t proto;
	const char *addr; /* "*": every one */
	uint16_t port;
	const char *process, *kubelet; /* NULL: as recorded */
	const char *check;
	int severity;
	const char *text;
} sockets[] = {
	{ IPPROTO_TCP, "*", 32035, NULL, NULL, "nodeport-process-conflict", SEVERITY_WARNING, "a process listens on port 32035/TCP, which is a node port of default/web" },
	{ IPPROTO_TCP, "0.0.0.0", 32035, "nginx", "v1.20.0", "nodeport-process-conflict", SEVERITY_WARNING, "process nginx listens" },
	{ IPPROTO_TCP, "*", 32035, NULL, "v1.26.0", "nodeport-process-conflict", SILENT, NULL }, /* may be kube-proxy 1.23 */
	{ IPPROTO_TCP, "*", 32035, "kube-proxy", NULL, "nodeport-process-conflict", SILENT, NULL },
	{ IPPROTO_TCP, "127.0.0.1", 32035, NULL, NULL, "nodeport-process-conflict", SILENT, NULL },
	{ IPPROTO_UDP, "*", 32035, NULL, NULL, "nodeport-process-conflict", SILENT, NULL },
	{ IPPROTO_TCP, "*", 80, NULL, NULL, "nodeport-process-conflict", SILENT, NULL },
	{ IPPROTO_TCP, "*", 32599, NULL, NULL, "nodeport-process-conflict", SILENT, NULL },
	/* the health-check port must have a listener */
	{ IPPROTO_TCP, "*", 32599, NULL, NULL, "service-hc-nodeport-bind-failure", SILENT, NULL },
	{ IPPROTO_UDP, "*", 32599, NULL, NULL, "service-hc-nodeport-bind-failure", SEVERITY_WARNING, "nobody listens on the health-check port 32599" },
};

static void test_sockets(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
		struct node_socket s = { .proto = sockets[i].proto, .port = sockets[i].port, .process = sockets[i].process };
		const struct finding *f;
		struct lab l;

		if (sockets[i].addr[0] != '*')
			assert_int_equal(ip_addr_parse(sockets[i].addr, &s.addr), 0);
		lab_open(&l, LAB);
		for (size_t j = 0; sockets[i].kubelet && j < l.s.cluster.nodes.len; j++)
			l.s.cluster.nodes.v[j]->kubelet_version = sockets[i].kubelet;
		assert_int_equal(array_push(&l.s.nodes.v[0]->facts.sockets, s), 0);
		l.s.nodes.v[0]->facts.sockets_known = true;
		diagnose(&l, NULL);
		f = find_finding(&l, sockets[i].check);
		if ((f ? (int)f->severity : SILENT) != sockets[i].severity)
			fail_msg("socket %zu: %s", i, f ? f->text : "nothing is said");
		if (sockets[i].text && !has_text(f, sockets[i].text))
			fail_msg("socket %zu: '%s' is not said: %s", i, sockets[i].text, f->text);
		lab_release(&l);
	}
}

/* The address of no node, without anybody who would announce it: said, and no fault. */
static void test_not_routed(void **state)
{
	const struct finding *f;
	struct lab l;

	(void)state;
	lab_open(&l, LAB);
	diagnose(&l, NULL);
	f = find_finding(&l, "externalip-not-routed");
	assert_non_null(f);
	assert_int_equal(f->severity, SEVERITY_INFO);
	assert_int_equal(f->services.len, 1);
	assert_int_equal(result_of(&l, "default", "ext-ip")->status, STATUS_NO_FAULT_FOUND);
	lab_release(&l);

	lab_open(&l, LAB);
	l.s.cluster.pods.v[0]->meta.name = "metallb-speaker-x7k2p";
	diagnose(&l, NULL);
	assert_null(find_finding(&l, "externalip-not-routed"));
	lab_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_explains),
		cmocka_unit_test(test_configurations),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_not_routed),
	};

	return cmocka_run_group_tests_name("checks_outside", tests, NULL, NULL);
}

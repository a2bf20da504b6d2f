/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What leads to Services, and what every Service depends on: Ingresses, routes of the Gateway API, load balancers that wait, the pods
 * of the network plugin and of kube-proxy, the cluster's DNS. What they tell, and what comes near to it and is no fault.
 */

#include "lab.h"
#include "objects.h"

#define LIST(file, kind, version, items) file ".json", "{'kind':'" kind "List','apiVersion':'" version "','items':[" items "]}"
#define NETWORKING "networking.k8s.io/v1"
#define GATEWAY_API "gateway.networking.k8s.io/v1"

/* ---- Ingresses ---- */

#define INGRESS_WITH(name, spec, ingress) "{" META(name) ",'spec':{" spec "},'status':{'loadBalancer':{'ingress':[" ingress "]}}}"
#define INGRESSES(items) LIST("ingresses", "Ingress", NETWORKING, items)
#define CLASSES(items) LIST("ingressclasses", "IngressClass", NETWORKING, items)
#define NGINX "{'metadata':{'name':'nginx'},'spec':{'controller':'k8s.io/ingress-nginx'}}"
#define TO_S(port) "'defaultBackend':{'service':{'name':'s','port':{" port "}}}"
#define PATHS "'rules':[{'host':'x.example.com','http':{'paths':[{'path':'/a','backend':{'service':{'name':'s','port':{'number':80}}}},{'path':'/b','backend':{'service':{'name':'s','port':{'number':80}}}}]}}]"
#define NAMED_PORT "'selector':{'app':'a'},'ports':[{'name':'web','port':80}]"
#define GIVEN "{'ip':'203.0.113.9'}"
#define INGRESS_EVENT LIST("events", "Event", "v1", "{'metadata':{'name':'e','namespace':'n'},'type':'Warning','reason':'AddOrUpdate','message':'no certificate'," \
	"'involvedObject':{'kind':'Ingress','namespace':'n','name':'i'}}")

/* ---- routes ---- */

#define ROUTE_IN(ns, name, spec, status) "{'metadata':{'name':'" name "','namespace':'" ns "'},'spec':{" spec "},'status':{'parents':[" status "]}}"
#define ROUTES(items) LIST("httproutes", "HTTPRoute", GATEWAY_API, items)
#define RULE(ref) "'rules':[{'matches':[{'path':{'value':'/api'}}],'backendRefs':[{" ref "}]}]"
#define ROUTE(ref) ROUTES(ROUTE_IN("n", "r", RULE(ref), ""))
#define FROM_M(ref, status) ROUTES(ROUTE_IN("m", "r", RULE(ref), status))
#define S80 "'name':'s','port':80"
#define CONDITION(type, status, reason) "{'controllerName':'example.com/c','parentRef':{'name':'g'},'conditions':[{'type':'" type "','status':'" status "','reason':'" reason "','message':'so it is'}]}"
#define GRANTS(kind, ns, name) LIST("referencegrants", "ReferenceGrant", "gateway.networking.k8s.io/v1beta1", \
	"{" META("g") ",'spec':{'from':[{'group':'gateway.networking.k8s.io','kind':'" kind "','namespace':'" ns "'}],'to':[{'group':'','kind':'Service'" name "}]}}")
#define NO_GRANTS LIST("referencegrants", "ReferenceGrant", "gateway.networking.k8s.io/v1beta1", "")
#define GATEWAYS(items) LIST("gateways", "Gateway", GATEWAY_API, items)
#define PARENT(more) "'parentRefs':[{'name':'g'" more "}]," RULE(S80)

/* ---- load balancers ---- */

#define LB(meta, spec, ingress) \
	"{'kind':'Service','metadata':{'name':'s','namespace':'n','creationTimestamp':'2026-01-01T00:00:00Z'" meta "},'spec':{'type':'LoadBalancer'," \
	"'clusterIP':'10.0.0.9','clusterIPs':['10.0.0.9']," spec PLAIN "},'status':{'loadBalancer':{'ingress':[" ingress "]}}}"
#define WARNING(reason, message) LIST("events", "Event", "v1", "{'metadata':{'name':'e','namespace':'n'},'type':'Warning','reason':'" reason "','message':'" message "'," \
	"'involvedObject':{'kind':'Service','namespace':'n','name':'s'}}")
#define NO_EVENTS LIST("events", "Event", "v1", "")
#define BEHIND POD("p", "'app':'a'", DECLARES("80"), READY("10.1.0.1"))
#define ONE_SLICE SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80))
#define METALLB POD_IN("metallb-system", "controller-1", "'app':'metallb'", "'image':'x'", READY("10.1.0.8"))

/* ---- agents ---- */

#define AGENT(ns, name, set, labels, node, status) \
	"{'kind':'Pod','metadata':{'name':'" name "','namespace':'" ns "','labels':{" labels "},'ownerReferences':[{'kind':'DaemonSet','name':'" set \
	"'}]},'spec':{'nodeName':'" node "','hostNetwork':true,'containers':[{'name':'c'}]},'status':{" status "}}"
#define UP "'phase':'Running','conditions':[{'type':'Ready','status':'True'}]"
#define DOWN(state) "'phase':'Running','conditions':[{'type':'Ready','status':'False'}],'containerStatuses':[{'name':'c','ready':false,'restartCount':7,'state':{" state "}," \
	"'lastState':{'terminated':{'reason':'Error','exitCode':2}}}]"
#define CRASHES DOWN("'waiting':{'reason':'CrashLoopBackOff'}")
#define RUNS DOWN("'running':{}")
#define CALICO(node, status) AGENT("kube-system", "calico-" node, "calico-node", "'k8s-app':'calico-node'", node, status)
#define PROXY(node, status) AGENT("kube-system", "kube-proxy-" node, "kube-proxy", "'k8s-app':'kube-proxy'", node, status)
#define SET(name, labels, wanted, ready) LIST("daemonsets", "DaemonSet", "apps/v1", "{'metadata':{'name':'" name "','namespace':'kube-system'},'spec':{'template':{'metadata':{" \
	"'labels':{" labels "}}}},'status':{'desiredNumberScheduled':" wanted ",'numberReady':" ready "}}")
#define NODE_STATE(name, status, message) "{'kind':'Node','metadata':{'name':'" name "'},'status':{'conditions':[{'type':'Ready','status':'" status "','reason':'x','message':'" message "'}]}}"
#define TWO_NODES NODES(NODE_STATE("w1", "True", "") "," NODE_STATE("w2", "True", ""))
#define STARTING \
	"{'kind':'Pod','metadata':{'name':'q','namespace':'n','labels':{'app':'a'}},'spec':{'nodeName':'w1','containers':[{'name':'c'}]},'status':{'phase':'Pending'," \
	"'conditions':[{'type':'PodScheduled','status':'True'}]}}"

/* ---- DNS ---- */

#define DNS_SVC \
	"{'kind':'Service','metadata':{'name':'kube-dns','namespace':'kube-system'},'spec':{'clusterIP':'10.0.0.10','clusterIPs':['10.0.0.10'],'selector':{'k8s-app':" \
	"'kube-dns'},'ports':[{'name':'dns','port':53,'protocol':'UDP'}]}}"
#define DNS_SLICE_WITH(endpoints) \
	"{'kind':'EndpointSlice','apiVersion':'discovery.k8s.io/v1','metadata':{'name':'kube-dns-1','namespace':'kube-system','labels':{" \
	"'kubernetes.io/service-name':'kube-dns'" OURS "}},'addressType':'IPv4','endpoints':[" endpoints "],'ports':[{'name':'dns','protocol':'UDP','port':53}]}"
#define DNS_SLICE(endpoints) SLICES(DNS_SLICE_WITH(endpoints))
#define NO_DNS DNS_SLICE_WITH("")
#define DNS_POD(status) POD_IN("kube-system", "dns", "'k8s-app':'kube-dns'", "'image':'x'", status)

static const struct lab_case cases[] = {
	/* backends of Ingresses */
	{ { SVCS(SVC("s", PLAIN)), GOOD, INGRESSES(INGRESS_WITH("i", TO_S("'number':80"), "")) }, "ingress-backend-no-endpoints", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, INGRESSES(INGRESS_WITH("i", TO_S("'number':80"), "")) }, "ingress-backend-no-endpoints", SEVERITY_ERROR,
	  "sends default backend to n/s, which has no ready endpoint" },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, INGRESSES(INGRESS_WITH("i", PATHS, "")) }, "ingress-backend-no-endpoints", SEVERITY_ERROR, "path /a and 1 more" },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, INGRESSES(INGRESS_WITH("i", TO_S("'number':81"), "")) }, "ingress-backend-no-endpoints", SILENT, NULL },
	{ { SVCS(SVC("s", NAMED_PORT)), EMPTY, INGRESSES(INGRESS_WITH("i", TO_S("'name':'web'"), "")) }, "ingress-backend-port-missing", SILENT, NULL },
	{ { SVCS(SVC("s", NAMED_PORT)), EMPTY, INGRESSES(INGRESS_WITH("i", TO_S("'name':'www'"), "")) }, "ingress-backend-port-missing", SEVERITY_ERROR,
	  "port 80 named web" },
	{ { SVCS(EXTERNAL("db.example.com", "")), INGRESSES(INGRESS_WITH("i", TO_S("'number':80"), "")) }, "ingress-backend-no-endpoints", SILENT, NULL },
	{ { SVCS("{'kind':'Service'," META("s") ",'spec':{'clusterIP':'None'," PLAIN "}}"), GOOD, INGRESSES(INGRESS_WITH("i", TO_S("'number':80"), "")) },
	  "ingress-backend-no-endpoints", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, INGRESSES(INGRESS_WITH("i", "'defaultBackend':{'resource':{'kind':'Bucket','name':'s'}}", "")) },
	  "ingress-backend-missing", SILENT, NULL },
	/* classes and addresses */
	{ { SVCS(SVC("s", PLAIN)), GOOD, CLASSES(NGINX), INGRESSES(INGRESS_WITH("i", "'ingressClassName':'ngnix'," TO_S("'number':80"), "")) },
	  "ingress-class-missing", SEVERITY_WARNING, "{\"spec\":{\"ingressClassName\":\"nginx\"}}" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, CLASSES(NGINX), INGRESSES(INGRESS_WITH("i", "'ingressClassName':'nginx'," TO_S("'number':80"), "")) },
	  "ingress-class-missing", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, INGRESSES(INGRESS_WITH("i", "'ingressClassName':'nginx'," TO_S("'number':80"), "")) }, "ingress-class-missing",
	  SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, CLASSES(NGINX), INGRESSES(INGRESS_WITH("i", "'ingressClassName':'other'," TO_S("'number':80"), GIVEN)) },
	  "ingress-class-missing", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, CLASSES("{'metadata':{'name':'x'},'spec':{}}"),
	    INGRESSES(INGRESS_WITH("i", "'ingressClassName':'x'," TO_S("'number':80"), "")) }, "ingress-class-missing", SEVERITY_WARNING, "names no controller" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, CLASSES(NGINX), INGRESSES(INGRESS_WITH("i", "'ingressClassName':'nginx'," TO_S("'number':80"), "") ","
								    INGRESS_WITH("j", "'ingressClassName':'nginx'," TO_S("'number':80"), GIVEN)) },
	  "ingress-no-address", SEVERITY_INFO, "Ingress n/i has no address" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, CLASSES(NGINX), INGRESSES(INGRESS_WITH("i", "'ingressClassName':'nginx'," TO_S("'number':80"), "") ","
								    INGRESS_WITH("j", "'ingressClassName':'nginx'," TO_S("'number':80"), "")) },
	  "ingress-no-address", SEVERITY_INFO, "no Ingress of class nginx has an address (2, such as n/i)" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, CLASSES(NGINX), INGRESS_EVENT, INGRESSES(INGRESS_WITH("i", "'ingressClassName':'nginx'," TO_S("'number':80"), "")) },
	  "ingress-no-address", SEVERITY_WARNING, "no certificate" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, CLASSES(NGINX), INGRESSES(INGRESS_WITH("i", "'ingressClassName':'ngnix'," TO_S("'number':80"), "")) },
	  "ingress-no-address", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, INGRESSES(INGRESS_WITH("i", TO_S("'number':80"), "")) }, "ingress-no-address", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, CLASSES(""), INGRESSES(INGRESS_WITH("i", TO_S("'number':80"), "")) }, "ingress-no-address", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, CLASSES(NGINX), INGRESSES(INGRESS_WITH("i", TO_S("'number':80"), "")) }, "ingress-no-address", SEVERITY_INFO,
	  "no Ingress without a class has an address" },
	/* backends of routes */
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTE("'name':'gone','port':80") }, "gateway-route-backend-missing", SEVERITY_ERROR,
	  "HTTPRoute n/r sends path /api to Service n/gone, which does not exist" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTE(S80) }, "gateway-route-backend-missing", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTE("'name':'gone','port':80,'weight':0") }, "gateway-route-backend-missing", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTE("'name':'gone','port':80,'kind':'ServiceImport','group':'multicluster.x-k8s.io'") }, "gateway-route-backend-missing",
	  SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTES(ROUTE_IN("n", "r", RULE("'name':'gone','port':80"), CONDITION("ResolvedRefs", "False", "BackendNotFound"))) },
	  "gateway-route-backend-missing", SEVERITY_ERROR, "ResolvedRefs is False (BackendNotFound) by controller example.com/c" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, LIST("tcproutes", "TCPRoute", "gateway.networking.k8s.io/v1alpha2", ROUTE_IN("n", "r", "'rules':[{'backendRefs':[{'name':'gone','port':5432}]}]", "")) },
	  "gateway-route-backend-missing", SEVERITY_ERROR, "kubectl -n n get tcproute r -o yaml" },
	{ { SVCS(SVC("s", "'selector':{'app':'a'},'ports':[{'port':80,'targetPort':8080}]")), GOOD, ROUTE("'name':'s','port':8080") },
	  "gateway-route-backend-port-missing", SEVERITY_ERROR, "8080 is the targetPort of its port 80" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTE("'name':'s'") }, "gateway-route-backend-port-missing", SEVERITY_ERROR, "names no port" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTE(S80) }, "gateway-route-backend-port-missing", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, ROUTE(S80) }, "gateway-route-backend-no-endpoints", SEVERITY_ERROR, "clients get 503" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTE(S80) }, "gateway-route-backend-no-endpoints", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, ROUTE(S80 ",'weight':0") }, "gateway-route-backend-no-endpoints", SILENT, NULL },
	/* grants */
	{ { SVCS(SVC("s", PLAIN)), GOOD, NO_GRANTS, FROM_M(S80 ",'namespace':'n'", "") }, "gateway-route-not-granted", SEVERITY_ERROR,
	  "no ReferenceGrant of namespace n allows it" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, FROM_M(S80 ",'namespace':'n'", "") }, "gateway-route-not-granted", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, FROM_M(S80 ",'namespace':'n'", CONDITION("ResolvedRefs", "False", "RefNotPermitted")) }, "gateway-route-not-granted",
	  SEVERITY_ERROR, "RefNotPermitted" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, GRANTS("HTTPRoute", "m", ""), FROM_M(S80 ",'namespace':'n'", "") }, "gateway-route-not-granted", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, GRANTS("HTTPRoute", "m", ",'name':'s'"), FROM_M(S80 ",'namespace':'n'", "") }, "gateway-route-not-granted", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, GRANTS("HTTPRoute", "m", ",'name':'t'"), FROM_M(S80 ",'namespace':'n'", "") }, "gateway-route-not-granted",
	  SEVERITY_ERROR, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, GRANTS("GRPCRoute", "m", ""), FROM_M(S80 ",'namespace':'n'", "") }, "gateway-route-not-granted", SEVERITY_ERROR, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, GRANTS("HTTPRoute", "x", ""), FROM_M(S80 ",'namespace':'n'", "") }, "gateway-route-not-granted", SEVERITY_ERROR, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, NO_GRANTS, ROUTE(S80) }, "gateway-route-not-granted", SILENT, NULL },
	/* parents and what controllers say */
	{ { SVCS(SVC("s", PLAIN)), GOOD, GATEWAYS(""), ROUTES(ROUTE_IN("n", "r", PARENT(""), "")) }, "gateway-route-parent-missing", SEVERITY_WARNING, "Gateway n/g" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, GATEWAYS("{" META("g") ",'spec':{}}"), ROUTES(ROUTE_IN("n", "r", PARENT(""), "")) }, "gateway-route-parent-missing", SILENT,
	  NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, GATEWAYS("{" META("g") ",'spec':{}}"), ROUTES(ROUTE_IN("n", "r", PARENT(",'namespace':'infra'"), "")) },
	  "gateway-route-parent-missing", SEVERITY_WARNING, "there is Gateway n/g" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTES(ROUTE_IN("n", "r", PARENT(""), "")) }, "gateway-route-parent-missing", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, GATEWAYS(""), ROUTES(ROUTE_IN("n", "r", PARENT(",'kind':'Service','group':''"), "")) }, "gateway-route-parent-missing",
	  SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTES(ROUTE_IN("n", "r", PARENT(""), CONDITION("Accepted", "False", "NotAllowedByListeners"))) },
	  "gateway-route-not-accepted", SEVERITY_WARNING, "is not accepted by Gateway n/g (NotAllowedByListeners)" },
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTES(ROUTE_IN("n", "r", PARENT(""), CONDITION("Accepted", "True", "Accepted"))) }, "gateway-route-not-accepted", SILENT,
	  NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD, ROUTES(ROUTE_IN("n", "r", RULE("'name':'gone','port':80"), CONDITION("ResolvedRefs", "False", "BackendNotFound"))) },
	  "gateway-route-not-accepted", SILENT, NULL },
	/* load balancers that wait */
	{ { SVCS(LB("", "", "")), ONE_SLICE, PODS(BEHIND), WARNING("SyncLoadBalancerFailed", "quota exceeded") }, "lb-pending-no-provider", SEVERITY_WARNING,
	  "its controller fails: quota exceeded" },
	{ { SVCS(LB("", "", "")), ONE_SLICE, PODS(BEHIND), NO_EVENTS }, "lb-pending-no-provider", SEVERITY_WARNING, "no pod of a controller that is known" },
	{ { SVCS(LB("", "", "")), ONE_SLICE, NO_EVENTS }, "lb-pending-no-provider", SEVERITY_WARNING, "perhaps no controller" },
	{ { SVCS(LB("", "", "")), ONE_SLICE, PODS(BEHIND "," METALLB), NO_EVENTS }, "lb-pending-no-provider", SEVERITY_WARNING,
	  "kubectl -n metallb-system logs controller-1 --tail=50" },
	{ { SVCS(LB(",'finalizers':['service.kubernetes.io/load-balancer-cleanup']", "", "")), ONE_SLICE, PODS(BEHIND), NO_EVENTS }, "lb-pending-no-provider",
	  SEVERITY_WARNING, "a controller has taken it up" },
	{ { SVCS(LB("", "'loadBalancerClass':'example.com/x',", "")), ONE_SLICE, PODS(BEHIND), NO_EVENTS }, "lb-class-mismatch", SEVERITY_WARNING,
	  "class example.com/x" },
	{ { SVCS(LB("", "'loadBalancerClass':'example.com/x',", "")), ONE_SLICE, PODS(BEHIND), WARNING("AllocationFailed", "no available IPs") }, "lb-class-mismatch",
	  SILENT, NULL },
	{ { SVCS(LB("", "", GIVEN)), ONE_SLICE, PODS(BEHIND), NO_EVENTS }, "lb-pending-no-provider", SILENT, NULL },
	{ { SVCS(LB("", "'loadBalancerIP':'203.0.113.5',", GIVEN)), ONE_SLICE, PODS(BEHIND) }, "lb-requested-ip-not-given", SEVERITY_WARNING,
	  "asks for the load-balancer IP 203.0.113.5 and was given 203.0.113.9" },
	{ { SVCS(LB("", "'loadBalancerIP':'203.0.113.9',", GIVEN)), ONE_SLICE, PODS(BEHIND) }, "lb-requested-ip-not-given", SILENT, NULL },
	{ { SVCS(LB("", "'loadBalancerIP':'203.0.113.9',", "{'hostname':'x.example.com'}")), ONE_SLICE, PODS(BEHIND) }, "lb-requested-ip-not-given", SILENT, NULL },
	{ { SVCS(LB("", "'allocateLoadBalancerNodePorts':false,", GIVEN)), ONE_SLICE, PODS(BEHIND) }, "lb-no-node-ports", SEVERITY_INFO, NULL },
	{ { SVCS(LB("", "'allocateLoadBalancerNodePorts':false,", GIVEN)), ONE_SLICE, PODS(BEHIND "," METALLB) }, "lb-no-node-ports", SILENT, NULL },
	{ { SVCS(LB("", "", GIVEN)), ONE_SLICE, PODS(BEHIND) }, "lb-no-node-ports", SILENT, NULL },
	/* the network plugin */
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, PODS(BEHIND "," CALICO("w1", UP)) }, "cni-pod-not-ready", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, PODS(BEHIND "," CALICO("w1", CRASHES)) }, "cni-pod-not-ready", SEVERITY_WARNING,
	  "the network plugin's pod on node w1 is not ready (Pod kube-system/calico-w1, CrashLoopBackOff)" },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, PODS(BEHIND "," CALICO("w1", CRASHES)) }, "cni-pod-not-ready", SEVERITY_WARNING,
	  "kubectl -n kube-system logs calico-w1 --previous" },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, PODS(STARTING "," CALICO("w1", CRASHES)) }, "cni-pod-not-ready", SEVERITY_ERROR, "none of the 1 pods behind Services" },
	{ { SVCS(SVC("s", PLAIN)), EMPTY, PODS(STARTING "," AGENT("kube-system", "multus-1", "kube-multus-ds", "'app':'multus'", "w1", CRASHES)) }, "cni-pod-not-ready",
	  SEVERITY_WARNING, NULL },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, PODS(BEHIND "," AGENT("kube-flannel", "f", "x", "'app':'flannel'", "w1", CRASHES)) }, "cni-pod-not-ready",
	  SEVERITY_WARNING, NULL },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, PODS(BEHIND "," AGENT("n", "f", "node-exporter", "'app':'node-exporter'", "w1", CRASHES)) }, "cni-pod-not-ready", SILENT,
	  NULL },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, NODES(NODE_STATE("w1", "Unknown", "Kubelet stopped posting node status.")), PODS(BEHIND "," CALICO("w1", CRASHES)) },
	  "cni-pod-not-ready", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, NODES(NODE_STATE("w1", "False", "PLEG is not healthy")), PODS(BEHIND "," CALICO("w1", RUNS)) }, "cni-pod-not-ready",
	  SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, NODES(NODE_STATE("w1", "False", "container runtime network not ready: NetworkReady=false")), PODS(BEHIND "," CALICO("w1", RUNS)) },
	  "cni-pod-not-ready", SEVERITY_WARNING, NULL },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, TWO_NODES, SET("calico-node", "", "2", "1"), PODS(BEHIND "," CALICO("w1", UP)) }, "cni-pod-missing", SEVERITY_WARNING,
	  "node w2 has no pod of the network plugin calico-node" },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, TWO_NODES, SET("calico-node", "", "1", "1"), PODS(BEHIND "," CALICO("w1", UP)) }, "cni-pod-missing", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, TWO_NODES, SET("calico-node", "", "2", "2"), PODS(BEHIND "," CALICO("w1", UP) "," CALICO("w2", UP)) }, "cni-pod-missing",
	  SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, SET("calico-node", "", "2", "1"), PODS(BEHIND "," CALICO("w1", UP)) }, "cni-pod-missing", SILENT, NULL },
	/* kube-proxy */
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, PODS(BEHIND "," PROXY("w1", UP)) }, "kube-proxy-not-running", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, PODS(BEHIND "," PROXY("w1", UP) "," PROXY("w2", CRASHES)) }, "kube-proxy-not-running", SEVERITY_WARNING,
	  "kube-proxy does not run on node w2 (Pod kube-system/kube-proxy-w2, CrashLoopBackOff)" },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, TWO_NODES, SET("kube-proxy", "'k8s-app':'kube-proxy'", "2", "1"), PODS(BEHIND "," PROXY("w1", UP)) },
	  "kube-proxy-not-running", SEVERITY_WARNING, "node w2 has no pod of kube-proxy" },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, TWO_NODES, PODS(BEHIND "," PROXY("w1", UP)) }, "kube-proxy-not-running", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), ONE_SLICE, TWO_NODES, PODS(BEHIND) }, "kube-proxy-not-running", SILENT, NULL },
	/* the cluster's DNS */
	{ { SVCS(DNS_SVC), DNS_SLICE(EP("10.1.0.53", "true")), PODS(DNS_POD(READY("10.1.0.53"))) }, "coredns-not-running", SILENT, NULL },
	{ { SVCS(DNS_SVC), DNS_SLICE(EP("10.1.0.7", "false")), PODS(DNS_POD(NOT_READY("'waiting':{'reason':'CrashLoopBackOff'}"))) }, "coredns-not-running",
	  SEVERITY_ERROR, "Pod kube-system/dns: CrashLoopBackOff" },
	{ { SVCS(DNS_SVC), DNS_SLICE(""), PODS("") }, "coredns-not-running", SEVERITY_ERROR, "no pod has the labels k8s-app=kube-dns" },
	{ { SVCS(DNS_SVC), PODS("") }, "coredns-not-running", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN) "," DNS_SVC), GOOD }, "coredns-not-running", SILENT, NULL },
	{ { SVCS(SVC("s", PLAIN)), GOOD }, "coredns-not-running", SILENT, NULL },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct finding *f;
		struct lab l;

		lab_read(&l, cases[i].docs);
		diagnose(&l, NULL);
		f = find_finding(&l, cases[i].check);
		if ((f != NULL) != (cases[i].severity != SILENT))
			fail_msg("case %zu: %s: %s", i, cases[i].check, f ? f->text : "nothing is said");
		if (f && (int)f->severity != cases[i].severity)
			fail_msg("case %zu: %s is %s: %s", i, cases[i].check, severity_name(f->severity), f->text);
		if (f && cases[i].text && !has_text(f, cases[i].text))
			fail_msg("case %zu: '%s' is not said: %s", i, cases[i].text, f->text);
		lab_release(&l);
	}
}

static const struct finding *explained_by(const struct lab *l, const char *id, const char *by)
{
	const struct finding *f = find_finding(l, id);

	assert_non_null(f);
	assert_non_null(f->explained_by);
	assert_string_equal(f->explained_by->check->id, by);
	return f;
}

/* The Service's own cause explains what fails for want of its endpoints; nothing is counted twice. */
static void test_consequences(void **state)
{
	static const char *const docs[] = { SVCS(SVC("s", PLAIN)), EMPTY, PODS(POD("p", "'app':'b'", DECLARES("80"), READY("10.1.0.1"))),
					    INGRESSES(INGRESS_WITH("i", TO_S("'number':80"), "")), ROUTE(S80), NULL };
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	diagnose(&l, NULL);
	explained_by(&l, "ingress-backend-no-endpoints", "selector-mismatch");
	explained_by(&l, "gateway-route-backend-no-endpoints", "selector-mismatch");
	assert_int_equal(result_of(&l, "n", "s")->causes.len, 1);
	assert_int_equal(result_of(&l, "n", "s")->status, STATUS_BROKEN);
	lab_release(&l);
}

/* A node whose network is not set up, because the plugin's pod fails there. */
static void test_plugin_explains(void **state)
{
	static const char *const docs[] = { SVCS(SVC("s", PLAIN)), EMPTY, NODES(NODE_STATE("w1", "False", "NetworkReady=false cni config uninitialized")),
					    PODS(STARTING "," CALICO("w1", CRASHES)), NULL };
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	diagnose(&l, NULL);
	explained_by(&l, "node-not-ready", "cni-pod-not-ready");
	assert_null(find_finding(&l, "cni-pod-not-ready")->explained_by);
	lab_release(&l);
}

/* The DNS is told even where the run is about other Services, beside its own cause where it is not. */
static void test_dns_of_others(void **state)
{
	static const char *const docs[] = { SVCS(SVC("s", PLAIN) "," DNS_SVC),
					    "endpointslices.json",
					    "{'kind':'EndpointSliceList','apiVersion':'discovery.k8s.io/v1','items':[" SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80) "," NO_DNS "]}",
					    PODS(BEHIND), NULL };
	const struct k8s_service *one[1];
	struct diagnose_options o = { .axes = { true, true, true }, .services = one, .nservices = 1 };
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	one[0] = k8s_find_service(&l.s.cluster, "n", "s");
	diagnose(&l, &o);
	assert_non_null(find_finding(&l, "coredns-not-running"));
	assert_int_equal(result_of(&l, "n", "s")->status, STATUS_NO_FAULT_FOUND);
	assert_int_equal(result_of(&l, "n", "s")->axes[AXIS_NAME].state, AXIS_NOT_LOOKED_AT);
	assert_false(l.d.axis_has_source[AXIS_NAME]);
	lab_release(&l);

	lab_read(&l, docs);
	diagnose(&l, NULL);
	explained_by(&l, "coredns-not-running", "selector-mismatch");
	lab_release(&l);
}

static void add_probe(struct lab *l, int status, const char *text)
{
	const struct snap_probe p = { .what = "ready", .ns = "kube-system", .pod = "dns", .status = status, .text = text };

	assert_int_equal(array_push(&l->s.probes, p), 0);
}

static void test_probes(void **state)
{
	static const char *const docs[] = { SVCS(DNS_SVC), DNS_SLICE(EP("10.1.0.53", "true")), PODS(DNS_POD(READY("10.1.0.53"))), NULL };
	static const struct {
		int status, severity;
	} cases_[] = { { 200, SILENT }, { 503, SEVERITY_ERROR }, { 502, SILENT } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases_); i++) {
		const struct finding *f;
		struct lab l;

		lab_read(&l, docs);
		add_probe(&l, cases_[i].status, "kubernetes");
		diagnose(&l, NULL);
		f = find_finding(&l, "coredns-not-running");
		assert_int_equal(f ? (int)f->severity : SILENT, cases_[i].severity);
		if (f)
			assert_true(has_text(f, "Pod kube-system/dns answers /ready with 503: kubernetes"));
		lab_release(&l);
	}
}

/* ---- the nameserver that kubelets give ---- */

#define RANGE LIST("servicecidrs", "ServiceCIDR", NETWORKING, "{'metadata':{'name':'k'},'spec':{'cidrs':['10.0.0.0/16']}}")
#define NODE_LOCAL AGENT("kube-system", "node-local-dns-1", "node-local-dns", "'k8s-app':'node-local-dns'", "w1", UP)

static void test_nameservers(void **state)
{
	static const char *const docs[] = { SVCS(DNS_SVC "," SVC("s", PLAIN)), DNS_SLICE(EP("10.1.0.53", "true")), RANGE, PODS(DNS_POD(READY("10.1.0.53"))),
					    NODES(NODE("w1", "x", "192.0.2.1")), NULL };
	static const char *const cached[] = { SVCS(DNS_SVC), DNS_SLICE(EP("10.1.0.53", "true")), PODS(DNS_POD(READY("10.1.0.53")) "," NODE_LOCAL), NULL };
	static const struct {
		const char *const *docs;
		const char *address;
		int severity;
		const char *text;
	} servers[] = {
		{ docs, "10.0.0.10", SILENT, NULL },
		{ docs, "10.0.0.77", SEVERITY_ERROR, "in the range of cluster IPs, and no Service has it" },
		{ docs, "10.0.0.9", SEVERITY_ERROR, "the cluster IP of Service n/s, which has no port 53" },
		{ docs, "198.51.100.53", SEVERITY_WARNING, "a server outside the cluster may know its names" },
		{ docs, "192.0.2.1", SILENT, NULL },
		{ docs, "169.254.20.10", SEVERITY_WARNING, "no pod of NodeLocal DNSCache is on the node" },
		{ cached, "169.254.20.10", SILENT, NULL },
		{ docs, "dns.example.com", SILENT, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		const struct finding *f;
		struct snap_node *n;
		struct lab l;

		lab_read(&l, servers[i].docs);
		n = snapshot_node(&l.s, "w1", true);
		assert_non_null(n);
		n->kubelet = (struct snap_kubelet){ .known = true, .cluster_dns = &servers[i].address, .ncluster_dns = 1 };
		diagnose(&l, NULL);
		f = find_finding(&l, "wrong-cluster-dns-address");
		if ((f ? (int)f->severity : SILENT) != servers[i].severity)
			fail_msg("%s: %s", servers[i].address, f ? f->text : "nothing is said");
		if (f && !has_text(f, servers[i].text))
			fail_msg("%s: '%s' is not said: %s", servers[i].address, servers[i].text, f->text);
		lab_release(&l);
	}
}

/* The recorded clusters have sound agents, a sound DNS, and kubelets that name it. */
static void test_recorded(void **state)
{
	static const char *const labs[] = { LAB, "tests/corpus/lab-nftables" };
	static const char *const silent[] = { "cni-pod-not-ready", "cni-pod-missing", "kube-proxy-not-running", "coredns-not-running", "wrong-cluster-dns-address",
					      "ingress-class-missing", "ingress-no-address", "lb-requested-ip-not-given", "lb-no-node-ports" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(labs); i++) {
		struct lab l;

		lab_open(&l, labs[i]);
		assert_true(l.s.nodes.v[0]->kubelet.known);
		diagnose(&l, NULL);
		for (size_t k = 0; k < ARRAY_LEN(silent); k++)
			assert_null(find_finding(&l, silent[k]));
		lab_release(&l);
	}
}

/* The pod of kube-proxy on that node is not ready any more. */
static void stop_proxy(struct lab *l, const char *node)
{
	for (size_t i = 0; i < l->s.cluster.pods.len; i++) {
		struct k8s_pod *p = l->s.cluster.pods.v[i];

		if (str_starts(p->meta.name, "kube-proxy") && strcmp(p->node, node) == 0)
			p->nconditions = 0;
	}
}

/* Where the node's rules are wrong it is the reason; elsewhere a warning, and the causes of other nodes are their own. */
static void test_proxy_explains(void **state)
{
	static const struct {
		const char *node;
		enum severity severity;
		bool reason;
	} stops[] = { { "node1", SEVERITY_ERROR, true }, { "node2", SEVERITY_WARNING, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
		const struct finding *rule, *f;
		char dir[] = LAB_DIR;
		struct lab l;

		lab_copy(dir);
		damage(dir, "iptables-nft-save.txt", "-A KUBE-SERVICES -d 10.96.136.124/32", "");
		lab_open(&l, dir);
		stop_proxy(&l, stops[i].node);
		diagnose(&l, NULL);
		f = find_finding(&l, "kube-proxy-not-running");
		rule = find_finding(&l, "rules-missing-for-service");
		assert_non_null(f);
		assert_non_null(rule);
		assert_string_equal(rule->node, "node1");
		assert_int_equal(f->severity, stops[i].severity);
		assert_null(f->explained_by);
		assert_true(rule->explained_by == (stops[i].reason ? f : NULL));
		assert_int_equal(result_of(&l, "default", "web")->status, STATUS_BROKEN);
		lab_release(&l);
		lab_remove(dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),	       cmocka_unit_test(test_consequences), cmocka_unit_test(test_plugin_explains),
		cmocka_unit_test(test_dns_of_others),  cmocka_unit_test(test_probes),	    cmocka_unit_test(test_nameservers),
		cmocka_unit_test(test_recorded),       cmocka_unit_test(test_proxy_explains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

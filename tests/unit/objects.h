/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OBJECTS_H
#define OBJECTS_H

/* Kubernetes objects as JSON with ' for ", to write small clusters within a test: lab_read() takes them. Namespace n, pods on w1. */

#define META(name) "'metadata':{'name':'" name "','namespace':'n'}"
#define SVC(name, spec) "{'kind':'Service'," META(name) ",'spec':{'clusterIP':'10.0.0.9','clusterIPs':['10.0.0.9']," spec "}}"
#define SVCS(list) "services.json", "{'kind':'ServiceList','items':[" list "]}"
#define SLICE_OF(name, service, more, type, endpoints, ports) \
	"{'kind':'EndpointSlice','apiVersion':'discovery.k8s.io/v1','metadata':{'name':'" name \
	"','namespace':'n','labels':{'kubernetes.io/service-name':'" service "'" more "}},'addressType':'" type "','endpoints':[" endpoints \
	"],'ports':[" ports "]}"
#define OURS ",'endpointslice.kubernetes.io/managed-by':'endpointslice-controller.k8s.io'"
#define SLICES(list) "endpointslices.json", "{'kind':'EndpointSliceList','apiVersion':'discovery.k8s.io/v1','items':[" list "]}"
#define EP(ip, ready) "{'addresses':['" ip "'],'conditions':{'ready':" ready "}}"
#define EP_POD(ip, pod) \
	"{'addresses':['" ip "'],'conditions':{'ready':true},'nodeName':'w1','targetRef':{'kind':'Pod','namespace':'n','name':'" pod \
	"','uid':'u-" pod "'}}"
#define PORT80 "{'name':'','protocol':'TCP','port':80}"
#define POD_IN(ns, name, labels, spec, status) \
	"{'kind':'Pod','metadata':{'name':'" name "','namespace':'" ns "','uid':'u-" name "','labels':{" labels "}},'spec':{'nodeName':'w1'," \
	"'containers':[{'name':'c'," spec "}]},'status':{" status "}}"
#define POD(name, labels, spec, status) POD_IN("n", name, labels, spec, status)
#define READY(ip) \
	"'phase':'Running','podIPs':[{'ip':'" ip "'}],'conditions':[{'type':'ContainersReady','status':'True'},{'type':'Ready','status':'True'}]," \
	"'containerStatuses':[{'name':'c','ready':true,'restartCount':0,'state':{'running':{'startedAt':'2026-01-01T00:00:00Z'}}}]"
#define NOT_READY(state) \
	"'phase':'Running','podIPs':[{'ip':'10.1.0.7'}],'conditions':[{'type':'Ready','status':'False','lastTransitionTime':'2026-01-02T03:04:05Z'}]," \
	"'containerStatuses':[{'name':'c','ready':false,'restartCount':3,'state':{" state "}}]"
#define PODS(list) "pods.json", "{'kind':'PodList','items':[" list "]}"
#define PLAIN "'selector':{'app':'a'},'ports':[{'port':80,'protocol':'TCP'}]"
#define DECLARES(port) "'ports':[{'containerPort':" port ",'protocol':'TCP'}]"
#define PROXIED(port) DECLARES(port) "},{'name':'istio-proxy'"
#define EXTERNAL(name, ports) "{'kind':'Service'," META("s") ",'spec':{'type':'ExternalName','externalName':'" name "','ports':[" ports "]}}"
/* n/s with what kubectl apply has kept of it, \\' being a quote within the text */
#define APPLIED(text, spec) \
	"{'kind':'Service','metadata':{'name':'s','namespace':'n','annotations':{'kubectl.kubernetes.io/last-applied-configuration':'" text \
	"'}},'spec':{'clusterIP':'10.0.0.9','selector':{'app':'a'}," spec "}}"
#define APPLIED_PORTS(ports) "{\\'kind\\':\\'Service\\',\\'spec\\':{\\'ports\\':[" ports "]}}"
#define INGRESS(port) \
	"ingresses.json", "{'kind':'IngressList','apiVersion':'networking.k8s.io/v1','items':[{" META("i") ",'spec':{'defaultBackend':{'service':{" \
	"'name':'s','port':{" port "}}}}}]}"
#define GOOD SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP_POD("10.1.0.1", "p"), PORT80)), PODS(POD("p", "'app':'a'", DECLARES("80"), READY("10.1.0.1")))
#define EMPTY SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", "", ""))
#define NODE(name, role, ip) \
	"{'kind':'Node','metadata':{'name':'" name "','labels':{'node-role.kubernetes.io/" role "':''}},'status':{'addresses':[{'type':'InternalIP'," \
	"'address':'" ip "'}]}}"
#define NODES(list) "nodes.json", "{'kind':'NodeList','items':[" list "]}"

#endif

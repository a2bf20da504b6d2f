/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks of the DNS server's side, on small clusters: objects, kubelets, files of nodes and logs in, findings out. What comes near to a
 * fault and is none, and what cannot be told, says nothing.
 */
#include "lab.h"
#include "objects.h"

#define DNS_SERVICE(ports) \
	"{'kind':'Service','metadata':{'name':'kube-dns','namespace':'kube-system'},'spec':{'clusterIP':'10.0.0.10','clusterIPs':['10.0.0.10']," \
	"'selector':{'k8s-app':'kube-dns'},'ports':[" ports "]}}"
#define UDP53 "{'name':'dns','port':53,'protocol':'UDP','targetPort':53}"
#define TCP53 "{'name':'tcp','port':53,'protocol':'TCP','targetPort':53}"
#define DNS_POD_WITH(name, image, policy, more, status) \
	"{'kind':'Pod','metadata':{'name':'" name "','namespace':'kube-system','labels':{'k8s-app':'kube-dns'}},'spec':{'nodeName':'w1','dnsPolicy':'" policy \
	"','containers':[{'name':'c','image':'" image "'" more "}]},'status':{" status "}}"
#define V112 "registry.k8s.io/coredns/coredns:v1.12.0"
#define DNS_POD(name) DNS_POD_WITH(name, V112, "Default", "", READY("10.1.0.53"))
#define DNS_POD_DOWN(name) DNS_POD_WITH(name, V112, "Default", "", NOT_READY("'waiting':{'reason':'CrashLoopBackOff'}"))
#define PROBES \
	",'ports':[{'name':'ready','containerPort':8181}],'readinessProbe':{'httpGet':{'path':'/ready','port':'ready'}},'livenessProbe':{'httpGet':{'path':'/health','port':8080}}"
#define CACHE_POD(name, status) \
	"{'kind':'Pod','metadata':{'name':'" name "','namespace':'kube-system','labels':{'k8s-app':'node-local-dns'}},'spec':{'nodeName':'w1','hostNetwork':true," \
	"'containers':[{'name':'c','image':'registry.k8s.io/dns/k8s-dns-node-cache:1.23.1'}]},'status':{" status "}}"
#define DNS_SLICE(ready) \
	"{'kind':'EndpointSlice','apiVersion':'discovery.k8s.io/v1','metadata':{'name':'kube-dns-1','namespace':'kube-system','labels':{" \
	"'kubernetes.io/service-name':'kube-dns'" OURS "}},'addressType':'IPv4','endpoints':[{'addresses':['10.1.0.53'],'conditions':{'ready':" ready "}}]," \
	"'ports':[{'name':'dns','protocol':'UDP','port':53},{'name':'tcp','protocol':'TCP','port':53}]}"
#define MAP(name, text) "{'kind':'ConfigMap','metadata':{'name':'" name "','namespace':'kube-system'},'data':{'Corefile':'" text "'}}"
#define MAPS(list) "configmaps.json", "{'kind':'ConfigMapList','items':[" list "]}"
#define COREFILE(text) MAPS(MAP("coredns", text))

#define UP SVCS(DNS_SERVICE(UDP53 "," TCP53)), SLICES(DNS_SLICE("true")), PODS(DNS_POD("coredns-a"))
#define DOWN SVCS(DNS_SERVICE(UDP53 "," TCP53)), SLICES(DNS_SLICE("false")), PODS(DNS_POD_DOWN("coredns-a"))
#define PLAIN_COREFILE(zone, more) \
	".:53 {\\n errors\\n health\\n ready\\n kubernetes " zone " in-addr.arpa ip6.arpa {\\n  pods insecure\\n  ttl 30\\n }\\n forward . /etc/resolv.conf {\\n" \
	"  max_concurrent 1000\\n }\\n cache 30\\n" more " reload\\n loadbalance\\n}\\n"
#define GOOD_COREFILE COREFILE(PLAIN_COREFILE("cluster.local", " loop\\n"))

struct row {
	const char *docs[12];
	const char *log;	/* of coredns-a, or of the pod named here: "POD|text", "POD|previous|text" */
	const char *cluster_dns, *cluster_domain, *resolv_conf; /* of the kubelet of w1; all NULL: not known */
	const char *node_conf;	/* /etc/resolv.conf of w1; NULL: not known */
	const char *asked;	/* a name; NULL */
	const char *check;
	int severity;
	const char *text;
	const char *domain;	/* in the search list of a pod; NULL */
};
#define KUBELET .cluster_dns = "10.0.0.10", .cluster_domain = "cluster.local", .resolv_conf = "/etc/resolv.conf"
#define BANNER ".:53\nCoreDNS-1.12.0\nlinux/amd64, go1.23.3, 51e11f1\n"
#define LOOP_LINE "[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :53) detected for zone \".\", see https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO 1.2.\"\n"
#define TIMEOUT_AT(time) time " [ERROR] plugin/errors: 2 www.example.com. A: read udp 10.1.0.53:1->192.0.2.53:53: i/o timeout\n"
#define ONE_TIMEOUT "[ERROR] plugin/errors: 2 www.example.com. A: read udp 10.1.0.53:1->192.0.2.53:53: i/o timeout\n"
#define TIMEOUT ONE_TIMEOUT ONE_TIMEOUT ONE_TIMEOUT
#define PROBE "[ERROR] plugin/errors: 2 1.2. HINFO: read udp 10.1.0.53:1->192.0.2.53:53: i/o timeout\n"
#define EXCEEDED "[ERROR] plugin/errors: 5 a.example. A: concurrent queries exceeded maximum 1000\n"
#define FORBIDDEN \
	"E0105 08:01:02.000000       1 reflector.go:138] pkg/mod/x/reflector.go:167: Failed to watch *v1.EndpointSlice: failed to list *v1.EndpointSlice: " \
	"endpointslices.discovery.k8s.io is forbidden: User \"system:serviceaccount:kube-system:coredns\" cannot list resource \"endpointslices\" in API group " \
	"\"discovery.k8s.io\" at the cluster scope\n"
#define NO_API \
	"[ERROR] plugin/kubernetes: pkg/mod/x/reflector.go:243: Failed to watch *v1.Service: failed to list *v1.Service: " \
	"Get \"https://10.0.0.1:443/api/v1/services\": dial tcp 10.0.0.1:443: i/o timeout\n"
#define STUB "nameserver 127.0.0.53\noptions edns0\n"
#define HEADLESS(more, ready) \
	SVCS("{'kind':'Service'," META("s") ",'spec':{'clusterIP':'None'," more "'selector':{'app':'a'},'ports':[{'port':80}]}}"), \
		SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP("10.1.0.1", ready), PORT80))
#define ALL_SILENT "*"

static const struct row rows[] = {
	/* nothing is wrong */
	{ { UP, GOOD_COREFILE }, BANNER "[INFO] plugin/ready: Still waiting on: \"kubernetes\"\n", KUBELET, .node_conf = "nameserver 192.0.2.53\n", .check = ALL_SILENT },
	{ { UP, GOOD_COREFILE }, .check = ALL_SILENT },
	{ { UP }, .check = ALL_SILENT },
	{ { SVCS(DNS_SERVICE(UDP53 "," TCP53)), SLICES(DNS_SLICE("true")), PODS(DNS_POD_WITH("coredns-a", V112, "Default", PROBES, READY("10.1.0.53"))), GOOD_COREFILE },
	  .check = ALL_SILENT },
	{ { UP, COREFILE("import custom/*.override\\n(x) {\\n errors\\n}\\n. {\\n import x\\n}\\n") }, .check = ALL_SILENT },

	/* loops */
	{ { DOWN, GOOD_COREFILE }, LOOP_LINE, .check = "coredns-loop", .severity = SEVERITY_ERROR, .text = "comes back to it for the zone ., and it ends" },
	{ { DOWN, GOOD_COREFILE }, LOOP_LINE, .check = "coredns-loop", .severity = SEVERITY_ERROR, .text = "Pod kube-system/coredns-a logs: [FATAL] plugin/loop: Loop" },
	{ { DOWN, GOOD_COREFILE }, "coredns-a|previous|" LOOP_LINE, .check = "coredns-loop", .severity = SEVERITY_ERROR, .text = "(the container before)" },
	{ { DOWN, GOOD_COREFILE }, LOOP_LINE, KUBELET, .node_conf = STUB, .check = "coredns-loop", .severity = SEVERITY_ERROR,
	  .text = "/etc/resolv.conf of node w1, which its kubelet gives the pod, names 127.0.0.53 (line 1), which is the pod itself" },
	{ { UP, COREFILE(PLAIN_COREFILE("cluster.local", "")) }, NULL, KUBELET, .node_conf = STUB, .check = "coredns-loop", .severity = SEVERITY_ERROR,
	  .text = "ConfigMap kube-system/coredns line 9 forwards to /etc/resolv.conf" },
	{ { UP, GOOD_COREFILE }, NULL, KUBELET, .node_conf = STUB, .check = "coredns-loop", .severity = SEVERITY_WARNING, .text = "are ready all the same" },
	{ { UP, COREFILE(PLAIN_COREFILE("cluster.local", "")) }, NULL, KUBELET, .node_conf = "nameserver 10.0.0.10\n", .check = "coredns-loop", .severity = SEVERITY_ERROR,
	  .text = "its own cluster IP" },
	{ { UP, COREFILE(". {\\n kubernetes cluster.local\\n forward . 10.0.0.10\\n}") }, .check = "coredns-loop", .severity = SEVERITY_ERROR,
	  .text = "it forwards to 10.0.0.10, which is its own cluster IP" },
	{ { UP, COREFILE(". {\\n kubernetes cluster.local\\n forward . dns://127.0.0.1:53\\n}") }, .check = "coredns-loop", .severity = SEVERITY_ERROR,
	  .text = "which is the pod itself" },
	{ { SVCS(DNS_SERVICE(UDP53 "," TCP53)), SLICES(DNS_SLICE("true")), PODS(DNS_POD_WITH("coredns-a", V112, "ClusterFirst", "", READY("10.1.0.53"))),
	    COREFILE(PLAIN_COREFILE("cluster.local", "")) },
	  NULL, KUBELET, .check = "coredns-loop", .severity = SEVERITY_ERROR, .text = "has dnsPolicy ClusterFirst" },
	/* a pod that is ready is not what plugin loop has ended, whether its endpoint is known or not */
	{ { SVCS(DNS_SERVICE(UDP53 "," TCP53)), PODS(DNS_POD_WITH("coredns-a", V112, "ClusterFirst", "", READY("10.1.0.53"))), GOOD_COREFILE }, NULL, KUBELET,
	  .check = "coredns-loop", .severity = SILENT },
	/* another file than the node's, another port, another server, an old run, a kubelet that is not known */
	{ { UP, COREFILE(PLAIN_COREFILE("cluster.local", "")) }, .cluster_dns = "10.0.0.10", .cluster_domain = "cluster.local",
	  .resolv_conf = "/run/systemd/resolve/resolv.conf", .node_conf = STUB, .check = "coredns-loop", .severity = SILENT },
	{ { UP, COREFILE(PLAIN_COREFILE("cluster.local", "")) }, .node_conf = STUB, .check = "coredns-loop", .severity = SILENT },
	{ { UP, COREFILE(". {\\n kubernetes cluster.local\\n forward . 127.0.0.1:5353\\n}") }, .check = "coredns-loop", .severity = SILENT },
	{ { UP, COREFILE(". {\\n kubernetes cluster.local\\n forward . 10.0.0.11\\n}") }, .check = "coredns-loop", .severity = SILENT },
	{ { UP, GOOD_COREFILE }, LOOP_LINE BANNER, .check = "coredns-loop", .severity = SILENT },
	{ { UP, GOOD_COREFILE }, "coredns-a|previous|" LOOP_LINE, .check = "coredns-loop", .severity = SILENT },
	{ { UP, GOOD_COREFILE }, PROBE, .check = "coredns-loop", .severity = SILENT },

	/* upstream */
	{ { UP, GOOD_COREFILE }, BANNER TIMEOUT, .check = "coredns-upstream-timeout", .severity = SEVERITY_WARNING,
	  .text = "gets no answer from the upstream DNS: read udp 10.1.0.53:1->192.0.2.53:53: i/o timeout" },
	{ { UP, GOOD_COREFILE }, BANNER TIMEOUT, .asked = "www.example.com", .check = "coredns-upstream-timeout", .severity = SEVERITY_ERROR, .text = "" },
	{ { UP, GOOD_COREFILE }, BANNER TIMEOUT, .asked = "s.n.svc.cluster.local", .check = "coredns-upstream-timeout", .severity = SEVERITY_WARNING, .text = "" },
	{ { UP, GOOD_COREFILE }, BANNER ONE_TIMEOUT, .asked = "www.example.com", .check = "coredns-upstream-timeout", .severity = SEVERITY_INFO, .text = "" },
	{ { UP, GOOD_COREFILE }, PROBE PROBE PROBE, .check = "coredns-upstream-timeout",
	  .severity = SEVERITY_WARNING, .text = "" },
	{ { UP, GOOD_COREFILE }, TIMEOUT_AT("2026-01-01T00:00:00Z") TIMEOUT_AT("2026-01-01T00:00:00Z") TIMEOUT_AT("2026-01-01T00:00:00Z") "2026-01-01T03:00:00Z [INFO] Reloading\n", .check = "coredns-upstream-timeout", .severity = SILENT },
	{ { UP, GOOD_COREFILE }, TIMEOUT_AT("2026-01-01T02:50:00Z") TIMEOUT_AT("2026-01-01T02:51:00Z") TIMEOUT_AT("2026-01-01T02:55:00Z") "2026-01-01T03:00:00Z [INFO] Reloading\n", .check = "coredns-upstream-timeout",
	  .severity = SEVERITY_WARNING, .text = "last at 2026-01-01T02:55:00Z" },
	{ { UP, GOOD_COREFILE,
	    "events.json", "{'kind':'EventList','items':[{'metadata':{'name':'e','namespace':'n'},'type':'Normal','reason':'Pulled','lastTimestamp':'2026-01-01T06:00:00Z',"
			   "'involvedObject':{'kind':'Pod','namespace':'n','name':'p'}}]}" },
	  TIMEOUT_AT("2026-01-01T02:50:00Z") TIMEOUT_AT("2026-01-01T02:51:00Z") TIMEOUT_AT("2026-01-01T02:55:00Z"), .check = "coredns-upstream-timeout", .severity = SILENT },
	{ { UP, GOOD_COREFILE }, TIMEOUT BANNER, .check = "coredns-upstream-timeout", .severity = SEVERITY_WARNING, .text = "" },
	{ { UP, GOOD_COREFILE }, BANNER TIMEOUT "[INFO] SIGTERM: Shutting down servers then terminating\n" BANNER, .check = "coredns-upstream-timeout", .severity = SILENT },
	{ { UP, GOOD_COREFILE }, EXCEEDED EXCEEDED EXCEEDED, .check = "coredns-max-concurrent",
	  .severity = SEVERITY_WARNING, .text = "max_concurrent (1000)" },
	{ { UP, GOOD_COREFILE }, EXCEEDED EXCEEDED EXCEEDED, .asked = "a.example", .check = "coredns-max-concurrent",
	  .severity = SEVERITY_ERROR, .text = "" },

	/* the API server */
	{ { UP, GOOD_COREFILE }, "[INFO] plugin/ready: Still waiting on: \"kubernetes\"\n" FORBIDDEN, .check = "coredns-rbac", .severity = SEVERITY_ERROR,
	  .text = "may not read endpointslices" },
	{ { UP, GOOD_COREFILE }, FORBIDDEN NO_API, .check = "coredns-api-unreachable", .severity = SILENT },
	{ { UP, GOOD_COREFILE }, BANNER NO_API, .check = "coredns-api-unreachable", .severity = SEVERITY_ERROR, .text = "cannot reach the API server at 10.0.0.1:443: i/o timeout" },
	{ { SVCS(DNS_SERVICE(UDP53)), SLICES(DNS_SLICE("true")), PODS(DNS_POD_WITH("coredns-a", V112, "Default", PROBES, READY("10.1.0.53"))), GOOD_COREFILE }, BANNER NO_API,
	  .check = "coredns-api-unreachable", .severity = SEVERITY_WARNING, .text = "it may be over since" },
	{ { UP, GOOD_COREFILE }, "[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server\n" BANNER, .check = "coredns-api-unreachable", .severity = SILENT },
	{ { UP, GOOD_COREFILE },
	  "[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server\n[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API\n" BANNER,
	  .check = "coredns-api-unreachable", .severity = SEVERITY_ERROR, .text = "started without having read the API server" },

	/* the Corefile */
	{ { DOWN, COREFILE(PLAIN_COREFILE("cluster.local", " proxy . 8.8.8.8\\n")) }, .check = "corefile-error", .severity = SEVERITY_ERROR,
	  .text = "line 13: it has the plugin 'proxy', which CoreDNS 1.12.0 does not know any more (until 1.5.0)" },
	{ { UP, COREFILE(PLAIN_COREFILE("cluster.local", " proxy . 8.8.8.8\\n")) }, .check = "corefile-error", .severity = SEVERITY_WARNING, .text = "they keep the Corefile" },
	{ { SVCS(DNS_SERVICE(UDP53)), SLICES(DNS_SLICE("false")), PODS(DNS_POD_WITH("coredns-a", "k8s.gcr.io/coredns:1.3.1", "Default", "", NOT_READY("'waiting':{'reason':'CrashLoopBackOff'}"))),
	    GOOD_COREFILE },
	  .check = "corefile-error", .severity = SEVERITY_ERROR, .text = "'ready', which CoreDNS 1.3.1 does not know yet (since 1.5.0)" },
	{ { DOWN, COREFILE(". {\\n kubernetes cluster.local {\\n  upstream\\n }\\n forward . 192.0.2.1\\n}") }, .check = "corefile-error", .severity = SEVERITY_ERROR,
	  .text = "line 3: kubernetes has the option 'upstream', which CoreDNS 1.12.0 does not know any more (until 1.7.0)" },
	{ { SVCS(DNS_SERVICE(UDP53)), SLICES(DNS_SLICE("true")), PODS(DNS_POD_WITH("coredns-a", "example.com/dns@sha256:0", "Default", "", READY("10.1.0.53"))),
	    COREFILE(PLAIN_COREFILE("cluster.local", " proxy . 8.8.8.8\\n")) },
	  .check = "corefile-error", .severity = SILENT },
	{ { SVCS(DNS_SERVICE(UDP53)), SLICES(DNS_SLICE("true")), PODS(DNS_POD_WITH("coredns-a", "example.com/dns@sha256:0", "Default", "", READY("10.1.0.53"))),
	    COREFILE(PLAIN_COREFILE("cluster.local", " proxy . 8.8.8.8\\n")) },
	  BANNER, .check = "corefile-error", .severity = SEVERITY_WARNING, .text = "CoreDNS 1.12.0" },
	{ { UP, COREFILE(PLAIN_COREFILE("cluster.local", " fanout . 8.8.8.8\\n")) }, .check = "corefile-error", .severity = SILENT },
	{ { DOWN, COREFILE(PLAIN_COREFILE("cluster.local", " fanout . 8.8.8.8\\n")) }, .check = "corefile-error", .severity = SEVERITY_WARNING,
	  .text = "'fanout', which comes with no known release" },
	{ { DOWN, COREFILE(". {\\n errors\\n") }, .check = "corefile-error", .severity = SEVERITY_ERROR, .text = "line 2: Syntax error: Unexpected token 'errors', expecting '}'" },
	{ { DOWN, COREFILE(". {\\n kubernetes cluster.local\\n forward . 192.0.2.1\\n}\\n.:53 {\\n}\\n") }, .check = "corefile-error", .severity = SEVERITY_ERROR,
	  .text = "zone '.' with port 53 is there already, in line 1" },
	{ { DOWN, COREFILE(". {\\n bind 10.0.0.1\\n kubernetes cluster.local\\n forward . 192.0.2.1\\n}\\n.:53 {\\n bind 10.0.0.2\\n}\\n") }, .check = "corefile-error",
	  .severity = SILENT },
	{ { DOWN, COREFILE(". {\\n errors\\n forward . 192.0.2.1\\n}\\n") }, .check = "corefile-error", .severity = SEVERITY_ERROR, .text = "no block has the plugin kubernetes" },
	{ { SVCS(DNS_SERVICE(UDP53)), SLICES(DNS_SLICE("false")), PODS(DNS_POD_WITH("coredns-a", V112, "Default", PROBES, NOT_READY("'running':{}"))),
	    COREFILE(". {\\n health\\n kubernetes cluster.local\\n forward . 192.0.2.1\\n}") },
	  .check = "corefile-error", .severity = SEVERITY_ERROR, .text = "plugin ready is not there on port 8181, and the readiness probe of the pods asks /ready there" },
	{ { SVCS(DNS_SERVICE(UDP53)), SLICES(DNS_SLICE("false")), PODS(DNS_POD_WITH("coredns-a", V112, "Default", PROBES, NOT_READY("'running':{}"))),
	    COREFILE(". {\\n health :8081\\n ready\\n kubernetes cluster.local\\n forward . 192.0.2.1\\n}") },
	  .check = "corefile-error", .severity = SEVERITY_ERROR, .text = "plugin health is not there on port 8080" },
	{ { DOWN, GOOD_COREFILE }, "coredns-a|previous|plugin/kubernetes: /etc/coredns/Corefile:7 - Error during parsing: unknown property 'zonal'\n", .check = "corefile-error",
	  .severity = SEVERITY_ERROR, .text = "unknown property 'zonal'" },
	{ { UP, GOOD_COREFILE }, "[ERROR] plugin/reload: Corefile changed but reload failed: x\n", .check = "corefile-error", .severity = SEVERITY_WARNING,
	  .text = "reload failed" },
	{ { UP, MAPS("{'kind':'ConfigMap','metadata':{'name':'coredns','namespace':'kube-system','managedFields':[{'manager':'m','operation':'Update',"
		     "'time':'2026-01-01T05:00:00Z'}]},'data':{'Corefile':'" PLAIN_COREFILE("cluster.local", "") "'}}") },
	  "2026-01-01T04:00:00Z [ERROR] plugin/reload: Corefile changed but reload failed: x\n", .check = "corefile-error", .severity = SILENT },
	{ { UP, GOOD_COREFILE }, "[ERROR] plugin/reload: Corefile changed but reload failed: x\n[INFO] Reloading complete\n", .check = "corefile-error", .severity = SILENT },

	/* zones */
	{ { UP, GOOD_COREFILE }, .cluster_dns = "10.0.0.10", .cluster_domain = "corp.example", .check = "wrong-cluster-domain", .severity = SEVERITY_ERROR,
	  .text = "pods look names up in the domain corp.example, and CoreDNS serves cluster.local" },
	{ { UP, GOOD_COREFILE }, .domain = "corp.example", .check = "wrong-cluster-domain", .severity = SEVERITY_ERROR, .text = "the search list of pod n/p" },
	{ { UP, GOOD_COREFILE }, .domain = "Cluster.Local", .check = "wrong-cluster-domain", .severity = SILENT },
	{ { UP, COREFILE("import x\\n. {\\n kubernetes cluster.local\\n forward . 192.0.2.1\\n}") }, .cluster_dns = "10.0.0.10", .cluster_domain = "corp.example",
	  .check = "wrong-cluster-domain", .severity = SEVERITY_WARNING, .text = "what the Corefile imports is not seen here" },
	{ { UP, COREFILE("cluster.local corp.example:53 {\\n kubernetes\\n}\\n. {\\n forward . 192.0.2.1\\n}") }, .cluster_dns = "10.0.0.10", .cluster_domain = "corp.example",
	  .check = "wrong-cluster-domain", .severity = SILENT },
	{ { UP, COREFILE(". {\\n rewrite name suffix corp.example cluster.local\\n kubernetes cluster.local\\n forward . 192.0.2.1\\n}") }, .cluster_dns = "10.0.0.10",
	  .cluster_domain = "corp.example", .check = "wrong-cluster-domain", .severity = SILENT },
	{ { UP, COREFILE("example.com {\\n forward . 192.0.2.1\\n}\\nin-addr.arpa {\\n kubernetes in-addr.arpa\\n}") }, NULL, KUBELET, .check = "coredns-servfail-no-zone",
	  .severity = SEVERITY_ERROR, .text = "no block for names of the cluster (cluster.local)" },
	{ { UP, COREFILE("cluster.local {\\n kubernetes\\n}") }, NULL, KUBELET, .check = "coredns-servfail-no-zone", .severity = SEVERITY_WARNING,
	  .text = "no block for '.': CoreDNS refuses every name of the outside" },
	{ { UP, COREFILE("cluster.local {\\n kubernetes\\n}") }, NULL, KUBELET, .asked = "www.example.com", .check = "coredns-servfail-no-zone", .severity = SEVERITY_ERROR,
	  .text = "no block for www.example.com" },
	{ { UP, COREFILE(". {\\n kubernetes cluster.local\\n}") }, NULL, KUBELET, .check = "coredns-servfail-no-zone", .severity = SEVERITY_WARNING, .text = "SERVFAIL" },
	{ { UP, COREFILE("import x/*\\ncluster.local {\\n kubernetes\\n}") }, NULL, KUBELET, .check = "coredns-servfail-no-zone", .severity = SILENT },

	/* headless Services */
	{ { HEADLESS("", "false") }, .check = "headless-no-dns-until-ready", .severity = SEVERITY_ERROR, .text = "n/s has no name: it is headless, and none of its 1 endpoint is ready" },
	{ { HEADLESS("'publishNotReadyAddresses':true,", "false") }, .check = "headless-no-dns-until-ready", .severity = SILENT },
	{ { HEADLESS("", "true") }, .check = "headless-no-dns-until-ready", .severity = SILENT },
	{ { SVCS(SVC("s", PLAIN)), SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", EP("10.1.0.1", "false"), PORT80)) }, .check = "headless-no-dns-until-ready", .severity = SILENT },

	/* TCP */
	{ { SVCS(DNS_SERVICE(UDP53)), SLICES(DNS_SLICE("true")), PODS(DNS_POD("coredns-a")) }, .check = "dns-truncation-tcp53", .severity = SEVERITY_WARNING,
	  .text = "port 53 for UDP only" },

	/* NodeLocal DNSCache */
	{ { SVCS(DNS_SERVICE(UDP53 "," TCP53)), PODS(CACHE_POD("node-local-dns-x", NOT_READY("'waiting':{'reason':'CrashLoopBackOff'}"))) },
	  "node-local-dns-x|Listen: listen tcp 169.254.20.10:53: bind: cannot assign requested address\n", .cluster_dns = "169.254.20.10", .cluster_domain = "cluster.local",
	  .check = "nodelocaldns-broken", .severity = SEVERITY_ERROR, .text = "cannot assign requested address" },
	{ { SVCS(DNS_SERVICE(UDP53 "," TCP53)), PODS(CACHE_POD("node-local-dns-x", READY("192.0.2.1"))) }, .cluster_dns = "169.254.20.10", .cluster_domain = "cluster.local",
	  .check = "nodelocaldns-broken", .severity = SILENT },
	{ { SVCS(DNS_SERVICE(UDP53 "," TCP53)), PODS(CACHE_POD("node-local-dns-x", READY("192.0.2.1"))), MAPS(MAP("node-local-dns", ".:53 {\\n bind 169.254.25.10\\n}")) },
	  .cluster_dns = "169.254.20.10", .cluster_domain = "cluster.local", .check = "nodelocaldns-broken", .severity = SEVERITY_ERROR, .text = "binds it to 169.254.25.10" },
	{ { SVCS(DNS_SERVICE(UDP53 "," TCP53)), PODS(CACHE_POD("node-local-dns-x", READY("192.0.2.1"))),
	    MAPS(MAP("node-local-dns", ".:53 {\\n bind __PILLAR__LOCAL__DNS__\\n}")) },
	  .cluster_dns = "169.254.20.10", .cluster_domain = "cluster.local", .check = "nodelocaldns-broken", .severity = SILENT },
	{ { SVCS(DNS_SERVICE(UDP53 "," TCP53)), PODS(CACHE_POD("node-local-dns-x", NOT_READY("'waiting':{'reason':'CrashLoopBackOff'}"))) }, NULL, KUBELET,
	  .check = "nodelocaldns-broken", .severity = SILENT },
};

static const char *const ours[] = { "coredns-loop",	   "coredns-upstream-timeout", "coredns-max-concurrent", "coredns-rbac",	   "coredns-api-unreachable",
				    "corefile-error",	   "wrong-cluster-domain",     "coredns-servfail-no-zone", "dns-truncation-tcp53", "nodelocaldns-broken",
				    "coredns-not-running", "wrong-cluster-dns-address" };

/* ---- what is not JSON ---- */

static void add_log(struct lab *l, const char *text)
{
	struct snap_log log = { .program = LOG_COREDNS, .ns = "kube-system", .pod = "coredns-a", .container = "coredns" };
	const char *bar = text[0] == '[' || text[0] == '.' ? NULL : strchr(text, '|');

	if (bar && bar - text < 40) {
		log.pod = arena_strndup(&l->s.arena, text, (size_t)(bar - text));
		text = bar + 1;
		log.previous = str_starts(text, "previous|");
		text += log.previous ? strlen("previous|") : 0;
	}
	assert_non_null(log.pod);
	assert_int_equal(log_read(&l->s.arena, LOG_COREDNS, text, strlen(text), false, &log.summary), 0);
	assert_int_equal(array_push(&l->s.logs, log), 0);
}

static void add_kubelet(struct lab *l, const struct row *row)
{
	struct snap_node *n = snapshot_node(&l->s, "w1", true);
	const char **dns = arena_array(&l->s.arena, const char *, 1);

	assert_non_null(n);
	assert_non_null(dns);
	dns[0] = row->cluster_dns;
	n->kubelet = (struct snap_kubelet){ .known = true, .cluster_dns = dns, .ncluster_dns = 1, .cluster_domain = row->cluster_domain, .resolv_conf = row->resolv_conf };
}

static void add_conf(struct lab *l, enum snap_dns_where where, const char *text)
{
	struct snap_dns *d = where == DNS_FROM_NODE ? snapshot_dns(&l->s, where, "w1", NULL, NULL) : snapshot_dns(&l->s, where, NULL, "n", "p");

	assert_non_null(d);
	assert_int_equal(resolv_conf_read(&l->s.arena, text, strlen(text), "/etc/resolv.conf", &l->s.notes, &d->conf), 0);
	d->has_conf = true;
	d->label = where == DNS_FROM_NODE ? "node w1" : "pod n/p";
}

static void prepare(struct lab *l, const struct row *row)
{
	lab_read(l, row->docs);
	if (row->log)
		add_log(l, row->log);
	if (row->cluster_dns)
		add_kubelet(l, row);
	if (row->node_conf)
		add_conf(l, DNS_FROM_NODE, row->node_conf);
	if (row->domain) {
		char text[200];

		snprintf(text, sizeof(text), "nameserver 10.0.0.10\nsearch n.svc.%s svc.%s %s\n", row->domain, row->domain, row->domain);
		add_conf(l, DNS_FROM_POD, text);
	}
}

/* ---- */

static void judge_row(size_t i, const struct row *row)
{
	const struct diagnose_options o = { .axes = { true, true, true }, .dns_name = row->asked };
	const struct finding *f;
	bool said;
	struct lab l;

	prepare(&l, row);
	diagnose(&l, &o);
	for (size_t j = 0; strcmp(row->check, ALL_SILENT) == 0 && j < ARRAY_LEN(ours); j++)
		if ((f = find_finding(&l, ours[j])))
			fail_msg("row %zu: %s: %s", i, ours[j], f->text);
	if (strcmp(row->check, ALL_SILENT) != 0) {
		f = find_finding(&l, row->check);
		if ((f ? (int)f->severity : SILENT) != row->severity)
			fail_msg("row %zu: %s: %s", i, row->check, f ? f->text : "nothing is said");
		said = !f || (row->text && has_text(f, row->text));
		if (!said)
			fail_msg("row %zu: '%s' is not said: %s; %s", i, row->text ? row->text : "", f->text, f->evidence.len ? f->evidence.v[0] : "");
		if (f)
			assert_int_equal(f->axis, AXIS_NAME);
	}
	lab_release(&l);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		judge_row(i, &rows[i]);
}

/* What the log says explains that no pod is ready. */
static void explained(void **state)
{
	static const struct row row = { .docs = { DOWN, GOOD_COREFILE }, .log = LOOP_LINE };
	const struct finding *f;
	struct lab l;

	(void)state;
	prepare(&l, &row);
	diagnose(&l, NULL);
	f = find_finding(&l, "coredns-loop");
	assert_non_null(f);
	assert_null(f->explained_by);
	f = find_finding(&l, "coredns-not-running");
	assert_non_null(f);
	assert_non_null(f->explained_by);
	lab_release(&l);
}

/* With its address on the interface of the cache, and nobody who listens there. */
static void silent_cache(void **state)
{
	static const struct row row = { { SVCS(DNS_SERVICE(UDP53 "," TCP53)), PODS(CACHE_POD("node-local-dns-x", READY("192.0.2.1"))) },
					.cluster_dns = "169.254.20.10",
					.cluster_domain = "cluster.local" };
	for (int listens = 0; listens < 2; listens++) {
		struct node_address a = { .ifname = "nodelocaldns", .plen = 32 };
		struct node_socket k = { .proto = IPPROTO_UDP, .port = 53 };
		const struct finding *f;
		struct snap_node *n;
		struct lab l;

		(void)state;
		prepare(&l, &row);
		n = snapshot_node(&l.s, "w1", false);
		assert_non_null(n);
		assert_int_equal(ip_addr_parse("169.254.20.10", &a.addr), 0);
		k.addr = a.addr;
		n->facts.addrs_known = n->facts.sockets_known = true;
		assert_int_equal(array_push(&n->facts.addrs, a), 0);
		if (listens)
			assert_int_equal(array_push(&n->facts.sockets, k), 0);
		diagnose(&l, NULL);
		f = find_finding(&l, "nodelocaldns-broken");
		if (listens)
			assert_null(f);
		else
			assert_true(f && has_text(f, "nobody listens on it"));
		lab_release(&l);
	}
}

/* In IPVS mode pods that are given the cluster IP ask the Service, whatever the cache does. */
static void cache_beside_ipvs(void **state)
{
	static const struct row row = { { SVCS(DNS_SERVICE(UDP53 "," TCP53)), PODS(CACHE_POD("node-local-dns-x", NOT_READY("'waiting':{'reason':'CrashLoopBackOff'}"))) },
					.cluster_dns = "10.0.0.10",
					.cluster_domain = "cluster.local" };
	const struct finding *f;
	struct snap_node *n;
	struct lab l;

	(void)state;
	prepare(&l, &row);
	n = snapshot_node(&l.s, "w1", false);
	assert_non_null(n);
	n->proxy.mode = "ipvs";
	diagnose(&l, NULL);
	f = find_finding(&l, "nodelocaldns-broken");
	assert_true(f && f->severity == SEVERITY_WARNING && has_text(f, "kube-ipvs0"));
	lab_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(explained), cmocka_unit_test(silent_cache),
					    cmocka_unit_test(cache_beside_ipvs) };

	return cmocka_run_group_tests_name("dns_server", tests, NULL, NULL);
}

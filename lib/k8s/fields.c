/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the decoders of this room read of objects, so that the rest of a long list need not be decoded: tests/scenario/test_fields.py compares. */

#include "k8s-private.h"

const char *const k8s_fields[] = {
	"address", "addressType", "addresses", "allocateLoadBalancerNodePorts", "annotations*", "apiVersion", "appProtocol", "architecture",
	"availableReplicas", "backend", "backendRefs", "cidr", "cidrs", "clientConfig", "clientIP", "clusterIP", "clusterIPs", "conditionType",
	"conditions", "containerPort", "containerRuntimeVersion", "containerStatuses", "containers", "continue", "controller", "controllerName",
	"count", "creationTimestamp", "currentNumberScheduled", "currentRevision", "data*", "defaultBackend", "deletionTimestamp",
	"deprecatedCount", "deprecatedFirstTimestamp", "deprecatedLastTimestamp", "desiredNumberScheduled", "dnsConfig", "dnsPolicy", "effect",
	"egress", "enableServiceLinks", "endPort", "endpoints", "env", "error", "eventTime", "except", "exec", "exitCode", "externalIPs",
	"externalName", "externalTrafficPolicy", "failurePolicy", "failureThreshold", "finalizers", "finishedAt", "firstTimestamp", "forNodes",
	"forZones", "from", "gatewayClassName", "generation", "group", "grpc", "healthCheckNodePort", "hints", "host", "hostIP", "hostNetwork",
	"hostPort", "hostname", "hostnames", "http", "httpGet", "image", "ingress", "ingressClassName", "initContainerStatuses",
	"initContainers", "initialDelaySeconds", "internalTrafficPolicy", "involvedObject", "ip", "ipBlock", "ipFamilies", "ipFamilyPolicy",
	"ipMode", "items", "kernelVersion", "key", "kind", "kubeProxyVersion", "kubeletVersion", "labels*", "lastObservedTime", "lastState",
	"lastTimestamp", "lastTransitionTime", "livenessProbe", "loadBalancer", "loadBalancerClass", "loadBalancerIP",
	"loadBalancerSourceRanges", "machineID", "managedFields", "manager", "matchExpressions", "matchLabels*", "matches", "message",
	"metadata", "method", "name", "nameservers", "namespace", "namespaceSelector", "nodeInfo", "nodeName", "nodePort", "notReadyAddresses",
	"note", "number", "numberAvailable", "numberReady", "observedGeneration", "operatingSystem", "operator", "options", "osImage",
	"ownerReferences", "parallelism", "parentRef", "parentRefs", "parents", "partition", "path", "paths", "paused", "periodSeconds",
	"phase", "podCIDR", "podCIDRs", "podIP", "podIPs", "podSelector", "policyTypes", "port", "ports", "protocol",
	"publishNotReadyAddresses", "readinessGates", "readinessProbe", "ready", "readyReplicas", "reason", "regarding", "replicas", "resource",
	"restartCount", "restartPolicy", "rollingUpdate", "rules", "running", "scheme", "searches", "selector*", "series", "service",
	"serviceName", "servicePort", "serving", "sessionAffinity", "sessionAffinityConfig", "spec", "startedAt", "startupProbe", "state",
	"status", "subdomain", "subresource", "subsets", "taints", "targetPort", "targetRef", "tcpSocket", "template", "terminated",
	"terminating", "time", "timeoutSeconds", "to", "topology*", "trafficDistribution", "type", "uid", "unschedulable", "updateRevision",
	"updateStrategy", "updatedNumberScheduled", "updatedReplicas", "value", "values", "waiting", "webhooks", "weight", "zone", NULL
};

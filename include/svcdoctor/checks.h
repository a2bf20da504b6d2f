/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_CHECKS_H
#define SVCDOCTOR_CHECKS_H

/*
 * The catalogue of checks, findings, and the diagnosis. A check is a pure function over the snapshot (and over what
 * verify found); it yields findings, or says why it was skipped. The diagnosis orders findings by cause.
 */

#include <svcdoctor/snapshot.h>
#include <svcdoctor/verify.h>

enum axis { AXIS_NAME, AXIS_ENDPOINTS, AXIS_RULES, AXIS_COUNT };
const char *axis_name(enum axis a); /* "name", "endpoints", "rules" */

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_ERROR };
const char *severity_name(enum severity s);
enum severity difference_severity(enum verify_severity s);

/* What a check needs: bits of the snapshot. */
enum {
	NEEDS_SERVICES = 1 << 0, NEEDS_SLICES = 1 << 1, NEEDS_PODS = 1 << 2, NEEDS_NODES = 1 << 3, NEEDS_ENDPOINTS = 1 << 4,
	NEEDS_EVENTS = 1 << 5, NEEDS_WORKLOADS = 1 << 6, NEEDS_RULES = 1 << 7, NEEDS_INGRESSES = 1 << 8,
	NEEDS_CONFIGMAPS = 1 << 9, NEEDS_SERVICECIDRS = 1 << 10, NEEDS_NETPOLS = 1 << 11, NEEDS_NAMESPACES = 1 << 12,
	NEEDS_ROUTES = 1 << 13, NEEDS_INGRESSCLASSES = 1 << 14,
};

enum check_scope { SCOPE_SERVICE, SCOPE_NODE, SCOPE_CLUSTER };

/* A row of the catalogue: the one place from which explain, the man page, the ids and the diagnosis come. */
struct check {
	const char *id;		/* kebab-case, stable */
	enum axis axis;
	enum severity severity;	/* as a rule; a finding may carry a lower one */
	enum check_scope scope;
	unsigned needs;
	const char *title;	/* one line */
	const char *meaning;	/* what it is and what users see */
	const char *lookalikes;	/* what it is mistaken for and what separates them; NULL */
	const char *next;	/* what to look at, with NS, NAME placeholders in words */
	const char *fix;
	const char *const *explains; /* ids of checks that this one explains, in its scope; NULL-terminated, or NULL */
	const char *source;	/* docs, KEP, kernel: where it is said; NULL */
};
extern const struct check check_catalogue[]; /* ends with id NULL; sorted by id */
const struct check *check_find(const char *id);

struct finding {
	const char *id;		/* check/node/subject */
	const struct check *check;
	enum axis axis;
	enum severity severity;
	const char *subject;	/* "Pod shop/cart-1", "Service shop/web" */
	const char *node;	/* NULL: not of one node */
	const char *text;	/* one line: the fact */
	const char *because;	/* NULL, or the clause that is printed under a cause that explains this */
	ARRAY_OF(const char *) evidence;
	ARRAY_OF(const char *) next, fix; /* complete commands, without the source flags, which the report appends to svcdoctor's own */
	const char *since;	/* time as the object tells it, NULL: not told */
	const char *changed_by;	/* who changed it last, NULL: not told */
	ARRAY_OF(const struct k8s_service *) services; /* those it concerns */
	ARRAY_OF(const struct finding *) explains;     /* filled by the diagnosis */
	const struct finding *explained_by;	       /* filled by the diagnosis; NULL: a cause */
	int rank;		/* order among causes of one Service: smaller is nearer to the root */
};

enum service_status { STATUS_HEALTHY, STATUS_NO_FAULT_FOUND, STATUS_DEGRADED, STATUS_BROKEN, STATUS_UNDECIDED };
const char *service_status_name(enum service_status s);
enum axis_state { AXIS_OK, AXIS_WARNING, AXIS_FAILED, AXIS_SKIPPED, AXIS_NOT_LOOKED_AT };
const char *axis_state_name(enum axis_state s); /* "ok", "warning", "failed", "skipped", "not-looked-at" */

struct axis_result {
	enum axis_state state;
	const char *line;		/* "0 of 2 pods are ready", "node1, node2: connections are refused, as they must be without endpoints" */
	ARRAY_OF(const char *) details; /* lines under it: one pod each, ... */
};
struct service_result {
	const struct k8s_service *service;
	enum service_status status;
	struct axis_result axes[AXIS_COUNT];
	ARRAY_OF(const struct finding *) causes, explained;
	const char *head;		/* "ClusterIP 10.96.143.247   80/TCP -> targetPort web" */
};
struct skipped_check {
	const char *check, *subject, *node, *code, *reason, *needs; /* subject, node may be NULL */
};

struct diagnosis {
	struct arena arena;
	ARRAY_OF(struct finding *) findings;	/* all, sorted by id */
	ARRAY_OF(struct service_result) services; /* sorted by ns/name */
	ARRAY_OF(const struct finding *) cluster; /* of no Service in particular: nodes, Ingresses, the cluster; causes first */
	ARRAY_OF(struct skipped_check) skipped;
	bool axis_has_source[AXIS_COUNT];	/* something of it could be looked at */
	const char *axis_why_not[AXIS_COUNT];	/* "the bundle holds no DNS answers" */
	int healthy;				/* -1 null, 0, 1 */
	bool inconclusive;			/* a needed check of an asked-for axis could not be made */
	struct verify_report verify;		/* empty when the rules axis was not looked at */
};

/* The port that the words of a user ask for, and where: a Service has other ports at its own addresses than at a node's. */
enum asked_place { ASKED_SERVICE /* cluster IP or name */, ASKED_ADDRESS /* external or load-balancer address */, ASKED_NODE };
struct asked_port {
	enum asked_place place;
	uint16_t port;	/* 0: none was asked for */
	uint8_t proto;	/* 0: not said */
	bool implied;	/* by the scheme of a URL */
};
struct asked_service {
	const struct k8s_service *service;
	struct asked_port asked;
	const char *text; /* as the user wrote it */
};

struct diagnose_options {
	bool axes[AXIS_COUNT];		/* asked for */
	bool axes_given;		/* by --axes: an axis without source is then inconclusive */
	const char *node;		/* NULL: all */
	const struct k8s_service *const *services; /* NULL: all */
	size_t nservices;
	const char *namespace_;		/* whose Services these are, all of them; NULL: they were named one by one */
	const struct asked_service *asked; /* with a port, among those Services */
	size_t nasked;
	const char *const *ignore;	/* "CHECK" or "CHECK@ns/name"; NULL-terminated, or NULL */
	const char *dns_name;		/* a name as somebody types it, to be judged beside those of the Services; NULL */
	const char *dns_ns;		/* the namespace in which it is typed, where the place it is asked from does not tell; NULL */
};
void diagnosis_release(struct diagnosis *d);
/* 0 or -ENOMEM. @ret must be zeroed. */
int diagnose_run(const struct snapshot *s, const struct diagnose_options *o, struct diagnosis *ret);

/*
 * What hairpin_run found as findings, and as skipped checks the nodes of which it could not tell. @h->found is moved to @ret. @ignore: as
 * of diagnose_options. 0 or -ENOMEM; @ret must be zeroed.
 */
int hairpin_diagnose(const struct snapshot *s, const char *const *ignore, struct hairpin_report *h, struct diagnosis *ret);

/* One row of the command `endpoints`: a pod, a slice endpoint, or both, beside a Service. */
struct endpoint_row {
	const struct k8s_service *service;
	const char *pod, *node, *address, *state; /* "running", "CrashLoopBackOff", ...; NULL where not known */
	const char *ports;	/* "8080/TCP web" */
	int ready, serving, terminating; /* of the slice; -1: in no slice */
	int64_t restarts;
	const char *since, *slice, *note;
};
struct endpoints_report {
	struct arena arena;
	ARRAY_OF(struct endpoint_row) rows;
};
void endpoints_report_release(struct endpoints_report *r);
int endpoints_run(const struct snapshot *s, const struct k8s_service *const *services, size_t nservices, struct endpoints_report *ret);

/*
 * Whose question: SERVICE as a user writes it (name, ns/name, svc/name, DNS name, URL, ClusterIP, node:nodePort, external address; a port may
 * follow). Fills @ret with the Services that it names (usually one) and the port that was asked for, which they need not have: at a
 * cluster IP or a name any of theirs, at a node the one Service that has it as port or targetPort and a node port beside.
 * @ret_similar, in @arena: similar names when there is none. 0, -ENOENT, -ENOMEM.
 */
struct service_list {
	ARRAY_OF(const struct k8s_service *) v;
	struct asked_port asked;
	bool unread; /* a Service that the word may mean was not read: that there is none is not known */
};
int service_resolve(struct arena *arena, const struct snapshot *s, const char *text, const char *ns, struct service_list *ret, const char *const **ret_similar, size_t *ret_nsimilar);

/* ---- roll-outs behind a Service ---- */

/*
 * The Deployments, StatefulSets and DaemonSets that make the pods of a Service, and how far each is with its last change: by the rules of
 * `kubectl rollout status` (kubectl, pkg/polymorphichelpers/rollout_status.go), but that a workload which takes its template only
 * when somebody deletes pods (OnDelete) is done.
 */
struct rollout {
	const struct k8s_workload *workload;
	bool done;
	const char *text; /* "1 of 3 pods of Deployment shop/web have the new template" */
};
struct rollouts {
	struct arena arena;
	ARRAY_OF(struct rollout) v; /* by kind and name */
	const char *unknown;	    /* the kind of workload that made some of the pods and is not known: "deployments"; NULL: none */
};
void rollouts_release(struct rollouts *r);
/* Adds those of one more Service. 0 or -ENOMEM. */
int rollouts_of(const struct snapshot *s, const struct k8s_service *service, struct rollouts *ret);

/* ---- what changed between two looks ---- */

/* What is kept of a diagnosis when it and its snapshot are gone: enough to say later what changed. Strings are its own. */
struct digest_finding {
	const char *id, *check, *subject, *node, *text; /* node may be NULL */
	enum axis axis;
	enum severity severity;
	bool cause;
	const char *const *services; /* "ns/name", in the order of the finding */
	size_t nservices;
};
struct digest_service {
	const char *name; /* "ns/name" */
	enum service_status status;
	const char *line; /* of the axis endpoints; NULL: none */
};
struct digest_node {
	const char *name;
	size_t dumps; /* of rules that are known */
};
struct digest {
	struct arena arena;
	ARRAY_OF(struct digest_finding) findings; /* sorted by id */
	ARRAY_OF(struct digest_service) services; /* sorted by name */
	ARRAY_OF(struct digest_node) nodes;	  /* that were judged, sorted */
	enum known kinds[K8S_KINDS];
	bool live; /* kinds that were not collected were not asked for */
	/* Filled by digest_keep: what an earlier look could read and this one could not, and how many causes stay because of that. */
	struct digest_lost {
		bool kinds[K8S_KINDS], nodes;
		size_t unseen;
	} lost;
};
void digest_release(struct digest *g);
/* 0 or -ENOMEM. @ret must be zeroed. */
int digest_make(const struct snapshot *s, const struct diagnosis *d, struct digest *ret);

enum change_kind {
	CHANGE_NEW,	  /* a finding that was not there, or was explained by another one, is a cause */
	CHANGE_SEVERITY,  /* a cause has another severity */
	CHANGE_CONCERNS,  /* a cause concerns more or fewer Services */
	CHANGE_APPEARED,  /* a Service */
	CHANGE_STATUS,	  /* of a Service */
	CHANGE_LINE,	  /* the status is the same, and its axis endpoints says something else */
	CHANGE_EXPLAINED, /* what was a cause is there still, and another one explains it now */
	CHANGE_GONE,	  /* a cause is not there any more */
	CHANGE_VANISHED,  /* a Service */
};
const char *change_name(enum change_kind k); /* "new", "severity", "concerns", "appeared", ... */
struct change {
	enum change_kind kind;
	const struct digest_finding *before, *after;   /* of a cause: NULL where it was or is not there */
	const struct digest_service *was, *is; /* of a Service */
};
struct changes {
	ARRAY_OF(struct change) v; /* by kind, then the worst first, then by id or name */
	struct digest_lost lost;
	bool lost_more; /* causes could not be looked at that could before, or for another reason */
	bool lost_none; /* everything can be looked at again */
};
/*
 * What changed from @before to @after. A look that could read less than the one before it can add, but takes nothing away: what it did
 * not find is no change. 0 or -ENOMEM; @ret must be zeroed, points into both, and is freed with array_free(&ret->v).
 */
int digest_compare(const struct digest *before, const struct digest *after, struct changes *ret);
/*
 * After the comparison: what @after could not tell stays in it as @before knew it, so that the next comparison can. Pointers into
 * @after are no longer good. 0 or -ENOMEM.
 */
int digest_keep(const struct digest *before, struct digest *after);

/* ---- connect: who answers ---- */

enum connect_kind { CONNECT_ENDPOINT, CONNECT_CLUSTER_IP, CONNECT_EXTERNAL_IP, CONNECT_LOAD_BALANCER, CONNECT_NODE_PORT };
const char *connect_kind_name(enum connect_kind k); /* "endpoint", "cluster IP", ... */
/* Who sends. UNKNOWN: neither nodes nor pods are known well enough to tell. */
enum connect_from { FROM_NODE, FROM_POD, FROM_OUTSIDE, FROM_UNKNOWN };
const char *connect_from_name(enum connect_from f); /* "node", "pod", "outside", "unknown" */
struct connect_client {
	enum connect_from from;
	const char *name;	  /* of the node, or "ns/name" of the pod; NULL: not known */
	const char *node;	  /* on which it is; NULL: none, or not known */
	const struct k8s_pod *pod; /* NULL: no pod, or not known which */
	bool entered;		  /* another network namespace than that of the program was asked for */
	bool in_pod;		  /* the program runs in a pod */
	struct ip_addr addr[2];	  /* IPv4, IPv6: by which it is known; family 0: none */
	const struct ip_addr *addrs; /* all of them */
	size_t naddrs;
	const char *words; /* made by connect_judge: "node node1" */
};
struct connect_target {
	enum connect_kind kind;
	const struct k8s_service *service;
	const struct k8s_service_port *port;
	struct ip_addr addr;
	uint16_t number;
	uint8_t proto;
	enum snap_try_way way;
	const char *node;	   /* of an endpoint, of a node port's address; NULL: not known */
	const struct k8s_pod *pod; /* of an endpoint; NULL: not known */
	bool here;		   /* an endpoint or a node port of the client's node */
	bool self;		   /* the endpoint is the client */
	unsigned count;
	struct snap_try *tries;	   /* in the arena of the plan; @count of them */
	const struct snap_listeners *listeners; /* of an endpoint; NULL: not looked for */
	/* Made by connect_judge. */
	unsigned made, answered;
	/*
	 * What share of its tries must be answered, when every endpoint answers as it did when it was asked itself: with the endpoints that the
	 * API gives this client (expected), and with those that the rules of the node lead it to (predicted). NAN: not known.
	 */
	double expected, predicted;
	double weight;	 /* of an endpoint: its share of what this client sends to the cluster IP, by the rules where they are known; NAN */
	bool by_rules;	 /* and they are */
	const struct snap_try *worst; /* the try that tells most; NULL: none was made */
	const char *result; /* in words; in the diagnosis */
	bool told;	 /* a finding about more than this one says it */
};
/* What was not tried, and why. */
struct connect_left {
	const struct k8s_service *service;
	const struct k8s_service_port *port; /* NULL: any */
	const char *what, *reason;
};
struct connect_plan {
	struct arena arena;
	struct connect_client client;
	ARRAY_OF(struct connect_target) targets; /* by Service and port; endpoints first, those of the client's node before others */
	ARRAY_OF(struct connect_left) left;
	size_t tries; /* of all targets */
};
#define CONNECT_COUNT_MAX 1000
#define CONNECT_TARGETS_MAX 4096
#define CONNECT_TRIES_MAX 100000 /* of one run */
#define CONNECT_NODES_MAX 16 /* whose node ports are tried */
struct connect_options {
	const struct k8s_service *const *services;
	size_t nservices;
	const struct asked_service *asked; /* with a port: only that one; may be NULL */
	size_t nasked;
	const char *port;		   /* name or number; NULL: all */
	unsigned count;			   /* of tries for each address; 0: 1 for an endpoint, 10 for what leads to several */
	bool http, udp;
	bool entered, in_pod;		   /* as in struct connect_client */
	const struct ip_addr *addrs;	   /* the client's */
	size_t naddrs;
	const struct ip_addr *host_addrs;  /* of the machine, when another namespace was entered */
	size_t nhost_addrs;
};
void connect_plan_release(struct connect_plan *p);
/* What is to be tried. Pure: nothing is sent here. @ret must be zeroed. 0 or -ENOMEM. */
int connect_plan_make(const struct snapshot *s, const struct connect_options *o, struct connect_plan *ret);
/* With every try made: what they say. Pure as well. @ret must be zeroed. 0 or -ENOMEM. */
int connect_judge(const struct snapshot *s, struct connect_plan *p, struct diagnosis *ret);

/* ---- dns: what to ask, and what is to be seen of the answers ---- */

struct dns_plan_options {
	const char *name;	/* as typed; NULL: none but kubernetes.default and the names of @services */
	const char *ns;		/* in which it is typed; NULL: by the place */
	const struct k8s_service *const *services; /* whose names are asked */
	size_t nservices;
	const struct ip_addr *servers; /* asked instead of the cluster's (--server), port by port */
	const uint16_t *ports;
	size_t nservers;
	bool tcp_only;
	unsigned repeat;	/* pairs of A and AAAA to each server; 0: none */
	bool outside;		/* this place is not in the cluster: addresses of the cluster are not asked */
	uint64_t random;	/* for labels that nobody has */
};
struct dns_plan {
	struct arena arena;
	ARRAY_OF(struct dns_question) questions;
	ARRAY_OF(struct connect_left) left; /* what is not asked, and why */
};
void dns_plan_release(struct dns_plan *p);
/*
 * The questions of one more round, from this place: the first when @from has no answers; then what these answers lead to (CNAMEs, a second
 * try of what was lost, TCP where an answer was cut). No questions: all is asked. 0 or -ENOMEM. @ret must be zeroed.
 */
int dns_plan_make(const struct snapshot *s, const struct snap_dns *from, const struct dns_plan_options *o, struct dns_plan *ret);

/* Tables of the command `dns`. */
struct dns_name_row { /* a name as typed, as one libc takes it, at one place */
	const struct snap_dns *from;
	const char *typed, *full; /* full: the whole name that is meant, where it is one of the cluster; NULL */
	const struct k8s_service *service; /* NULL: of none that is known */
	bool control;		/* kubernetes.default, which is asked for beside every name */
	bool asked;		/* this is what the user typed */
	enum libc libc;
	struct libc_walk walk;
	const char *result;	/* in words */
	bool as_expected;	/* the addresses are those that the API says; false also where that is not known */
	int ok;			/* 1; 0: a fault; -1: not known */
	bool harmless;		/* it does not resolve, and must not, or would not with a libc that may not be there */
};
struct dns_server_row { /* a server, over one transport, at one place */
	const struct snap_dns *from;
	struct ip_addr addr;
	uint16_t port;
	bool tcp;
	const char *what;	/* "cluster DNS kube-system/kube-dns", "endpoint coredns-x", "nameserver 2" */
	const char *node;	/* of an endpoint; NULL */
	size_t asked, answered, refused, servfail, nxdomain; /* messages; the last three of those answered */
	uint32_t min_us, median_us, max_us;
	const char *result;	/* in words */
	int ok;
};
struct dns_record_row { /* an answer beside what the API says */
	const struct snap_dns *from;
	const struct dns_answer *answer;
	const char *expected, *got; /* in words */
	int ok;
};
struct dns_report {
	struct arena arena;
	const char *domain;	/* the cluster's */
	bool domain_assumed;	/* nobody tells it: cluster.local is assumed */
	ARRAY_OF(struct dns_name_row) names;
	ARRAY_OF(struct dns_server_row) servers;
	ARRAY_OF(struct dns_record_row) records;
	ARRAY_OF(struct connect_left) left; /* what was not asked, and why: added by whoever asked */
	bool outside;		/* this machine is not in the cluster */
	ARRAY_OF(const char *) inside; /* commands that ask from inside; where it was not asked from there */
};
void dns_report_release(struct dns_report *r);
/* @ret must be zeroed; it points into the snapshot. 0 or -ENOMEM. */
int dns_run(const struct snapshot *s, const struct diagnose_options *o, struct dns_report *ret);
/* Was any question answered with records? */
bool dns_any_data(const struct dns_report *r);
/* A live place that is of no node and no pod that is known, and whose resolv.conf has nothing of a cluster. */
bool dns_looks_foreign(const struct snap_dns *d);
/* Why this machine is taken for one outside the cluster, of which nothing is asked. */
const char *dns_why_outside(const struct snapshot *s);
/* Adds the commands that ask from inside the cluster: for whoever is not there. 0 or -ENOMEM. */
int dns_from_inside(const struct snapshot *s, const struct diagnose_options *o, struct dns_report *ret);

/* ---- proxy: kube-proxy of each node ---- */

enum proxy_state { PROXY_WELL, PROXY_WARNED, PROXY_FAULTY, PROXY_UNTOLD /* nothing tells how it does */, PROXY_REPLACED /* another program serves there */ };
const char *proxy_state_name(enum proxy_state s); /* "well", "warned", "faulty", "unknown", "replaced" */

/* What is set, in the order of enum proxy_key; what kube-proxy does where nobody sets it is `standard`. */
enum proxy_key {
	KEY_MODE, KEY_CLUSTER_CIDR, KEY_DETECT_LOCAL, KEY_MASQUERADE_ALL, KEY_MASQUERADE_BIT, KEY_NODE_PORTS, KEY_LOCALHOST_NODE_PORTS,
	KEY_SYNC_PERIOD, KEY_MIN_SYNC_PERIOD, KEY_SCHEDULER, KEY_STRICT_ARP, KEY_TCP_TIMEOUT, KEY_CONNTRACK_PER_CORE, KEY_CONNTRACK_MIN,
	KEY_BE_LIBERAL, KEY_HOSTNAME, KEY_BIND, KEY_HEALTHZ, KEY_METRICS, KEY_GATES, KEY_KUBECONFIG, PROXY_KEYS
};
const char *proxy_key_name(enum proxy_key k); /* "clusterCIDR", "iptables.minSyncPeriod": as in KubeProxyConfiguration, the mode's section left out */
struct proxy_setting {
	const char *value; /* NULL: not known, or it means nothing in this mode */
	bool standard;
};
/* A line of its log that is known. */
struct proxy_line {
	const struct log_hit *hit;
	const struct snap_log *log;
	bool history; /* it was so once, and does not count any more */
	bool loud;    /* it calls itself a warning or an error, whatever it is worth */
};
struct proxy_row {
	const char *node;	/* NULL: of a log alone */
	const char *label;	/* the node, or the log's file */
	const struct snap_node *n; /* NULL: nothing was collected of the node itself */
	enum proxy_state state;
	const char *words;	/* the state in a few words: "last sync 41 minutes ago" */
	const char *pod;	/* "kube-system/kube-proxy-x2x4f"; NULL */
	const char *runs;	/* "Pod kube-system/kube-proxy-x2x4f, running, 3 restarts"; "pid 4711 on the node"; NULL: not known */
	int64_t restarts;	/* -1: not known */
	const char *version;	/* "v1.36.2"; NULL */
	const char *asked, *mode; /* as in struct proxy_view */
	const struct kube_proxy_config *config; /* never NULL */
	struct proxy_setting settings[PROXY_KEYS];
	int64_t conntrack_max;	/* net.netfilter.nf_conntrack_max of the node; -1: not known */
	int64_t conntrack_asked; /* the least that it must be by the configuration, where it is lower than that; 0 */
	const char *health;	/* how its ports answered, in words: "healthz 503, livez 200, metrics refused"; NULL: none was asked */
	int64_t now;		/* when it was looked at, seconds since 1970; 0: not known */
	/* [0] IPv4, [1] IPv6; of both at once where they are not told apart. 0: never, or not known */
	int64_t queued[2], synced[2];
	bool by_family;
	double sync_p50, sync_p99, programming_p50, programming_p99; /* seconds; NAN: not known */
	double restore_failures, nft_failures; /* of both families; NAN: not known */
	/* Ports of Services, at each address family, that need rules there; those that have all of them, and those that have none. */
	bool rules_known;
	size_t wanted, complete, absent;
	size_t chains_missing;	/* chains, or what stands for them, that are not as they must be */
	double rules_said;	/* rules that it says it has; NAN */
	ARRAY_OF(struct proxy_line) lines; /* the worst first */
	size_t errors, harmless, good, history; /* lines of its log, repeats counted */
	const struct snap_log *log, *previous; /* NULL: not read */
	ARRAY_OF(const struct finding *) findings; /* causes of this node, the worst first */
};
struct proxy_report {
	struct arena arena;
	ARRAY_OF(struct proxy_row) rows; /* by node, logs of none last */
	const char *cluster_version;	 /* NULL: not known */
	const char *pod_cidrs;		 /* of the Node objects, in words; NULL: not known */
	const char *why_no_rules;	 /* why rules were not counted anywhere; NULL */
};
void proxy_report_release(struct proxy_report *r);
/*
 * The diagnosis of the axis of rules, of which only those findings stay that are about kube-proxy and its nodes, and a row for each node. Both point
 * into the snapshot, the report into the diagnosis. @ret and @d must be zeroed. 0 or -ENOMEM.
 */
int proxy_run(const struct snapshot *s, const struct diagnose_options *o, struct proxy_report *ret, struct diagnosis *d);

#endif

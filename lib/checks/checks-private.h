/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_CHECKS_PRIVATE_H
#define SVCDOCTOR_CHECKS_PRIVATE_H

/*
 * What the files of lib/checks share: the context of one run with its indexes, how a finding is made, how a
 * command is put together from names that came from outside, and the functions that the table of checks names.
 *
 * Out of memory is sticky (run.err): helpers go on with a dummy so that checks need no error paths, and the run
 * gives -ENOMEM at its end.
 */

#include <errno.h>

#include <svcdoctor/checks.h>

/* Pods that one selector matches; Services of one namespace with the same selector share it. */
struct pod_set {
	ARRAY_OF(const struct k8s_pod *) v;
	size_t live;	/* not Succeeded or Failed */
	size_t ready;	/* condition Ready, not terminal, not being deleted */
	bool filled;
};

/* One Service that was asked for, with what every check wants to know of it. */
struct svc {
	const struct k8s_service *o;
	struct pod_set *pods;	/* never NULL; empty where pods are not known */
	const struct k8s_slice_group *slices; /* NULL: none */
	size_t listed;		/* endpoints in the slices that kube-proxy and DNS read */
	size_t ready;		/* of those: ready */
	size_t usable;		/* of those: with a port that the Service has */
	size_t fallback;	/* serving and terminating, with such a port */
	bool endpoints_known;	/* slices are known, or at least pods */
	bool nothing_ready;	/* known: nobody can be sent to */
	bool external_name;
	ARRAY_OF(struct finding *) findings;
};

/* A finding with what only the diagnosis needs. */
struct finding_full {
	struct finding f;	/* first */
	bool partial;		/* concerns some clients or endpoints of a Service, not the Service as a whole */
	bool cluster;		/* also stands in the list of the cluster */
	bool dropped;		/* ignored, or of an axis that was not asked for */
	bool foreign;		/* a rule that is not kube-proxy's makes it */
	bool own_rules;		/* kube-proxy does not do its work: explains nothing that a stranger's rule makes */
	int64_t behind_since;	/* own_rules: seconds since 1970; 0: not known */
	bool is_cause;		/* of at least one Service, or of the cluster */
	size_t kept;		/* Services for which it was not ignored */
	const struct finding *last_explainer;
};

struct run {
	const struct snapshot *s;
	const struct k8s_cluster *c;
	const struct diagnose_options *o;
	struct diagnosis *d;
	struct arena *a;	/* the diagnosis's */
	struct arena scratch;	/* freed at the end of the run */
	int err;

	struct svc *svcs;
	size_t nsvcs;
	struct map svc_by_object;  /* &struct k8s_service pointer -> struct svc */
	struct map pod_sets;	   /* selector text -> struct pod_set */
	ARRAY_OF(struct pod_set *) all_sets;
	struct map pairs;	   /* "ns\x1fkey\x1fvalue" of selectors -> struct pod_set (candidates) */
	struct map events;	   /* "Kind\x1fns\x1fname" -> struct event_list: warnings only */
	ARRAY_OF(struct event_list *) event_lists;
	struct map workloads_by_ns; /* ns -> struct workload_list */
	ARRAY_OF(struct workload_list *) workload_lists;
	struct map node_addrs;	   /* struct ip_addr -> struct k8s_node */
	struct map proxy_pods;	   /* node name -> struct k8s_pod */
	struct map pod_findings;   /* struct k8s_pod pointer -> struct finding */
	const struct k8s_pod *balancer; /* of a controller of load balancers, once it was sought */
	bool balancer_sought;
	size_t budget;		   /* comparisons left for searches of what is nearest */
	struct proxy_view *proxies; /* of every node, by name; made by proxy_views */
	size_t nproxies;
	size_t proxies_judged;	   /* nodes of verify's report that they know of */
	struct dns_report *dns;	   /* the answers of DNS as tables; NULL: there are none */
	struct finding_full dummy; /* stands in when memory is out */
};

struct event_list {
	ARRAY_OF(const struct k8s_event *) v;
};
struct workload_list {
	ARRAY_OF(const struct k8s_workload *) v;
};

#define run_push(r, arr, value) \
	do { \
		if (array_push((arr), (value)) < 0) \
			(r)->err = -ENOMEM; \
	} while (0)

/* ---- ipvs.c ---- */

/* What it means on a node in IPVS mode, whose addresses are known, that a Service has the address of @owner as @what. False: nothing. */
bool ipvs_node_address(struct run *r, struct svc *v, const struct snap_node *n, const struct ip_addr *a, const struct k8s_node *owner,
		       const char *what);
void ipvs_reply_findings(struct run *r);
void check_ipvs_filter(struct run *r);

/* ---- context.c ---- */

/* Builds the indexes over the Services that were asked for. */
void run_index(struct run *r);
void run_release(struct run *r);
bool is_proxy_pod(const struct k8s_pod *p); /* of kube-proxy */
bool run_has(const struct run *r, enum k8s_kind k);	 /* known, at least partly */
/*
 * Is absence a fact? Of the whole cluster; of a namespace; of what belongs to a Service by selector, label or reference; of one
 * object (@ns "" for kinds without namespace). A run may have read no more than one namespace, or one Service.
 */
bool run_complete(const struct run *r, enum k8s_kind k);
bool run_complete_in(const struct run *r, enum k8s_kind k, const char *ns);
bool run_complete_of(const struct run *r, enum k8s_kind k, const struct svc *v);
bool run_would_have(const struct run *r, enum k8s_kind k, const char *ns, const char *name);
/* The same where some of it may be damaged: was the namespace (NULL: the cluster), or what belongs to this Service, read at all? */
bool run_reaches_in(const struct run *r, enum k8s_kind k, const char *ns);
bool run_reaches(const struct run *r, enum k8s_kind k, const struct svc *v);
/* Is the run about all of this namespace, and not about a few Services of it? */
bool run_asked_for(const struct run *r, const char *ns);
struct svc *run_svc(const struct run *r, const struct k8s_service *s); /* NULL: not asked for */
const struct event_list *run_events(const struct run *r, const char *kind, const char *ns, const char *name);
/* The newest warning with that reason about the object; NULL when there is none. @reason NULL: any. */
const struct k8s_event *run_event(const struct run *r, const char *kind, const char *ns, const char *name,
				  const char *reason);
const struct workload_list *run_workloads(const struct run *r, const char *ns);
/* The address as the key of a map, with nothing but family and bytes; never NULL. */
const struct k8s_node *run_node_of_addr(const struct run *r, const struct ip_addr *a);
/* "iptables", "ipvs", "nftables", or NULL: of the node, or of the first node whose mode is known when @node is NULL. */
const char *run_proxy_mode(const struct run *r, const char *node);
/* Does kube-proxy read this slice for this Service? */
bool slice_used(const struct k8s_service *s, const struct k8s_slice *sl);
/* The slice's port of that Service port that kube-proxy can use; NULL: none. */
const struct k8s_slice_port *slice_port(const struct k8s_slice *sl, const struct k8s_service_port *p);

/* ---- finding.c ---- */

/* Text in the diagnosis's arena; "" when memory is out, never NULL. */
const char *run_printf(struct run *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * A new finding of check @id at its catalogue severity. @detail (may be NULL) tells two findings of one subject apart.
 * Never NULL. It is kept by the diagnosis.
 */
struct finding *finding_new(struct run *r, const char *id, const char *node, const char *detail, const char *subject);
/* The same with the Service as its subject, which it concerns. */
struct finding *finding_of_service(struct run *r, const char *id, const char *node, const char *detail, struct svc *v);
struct finding *finding_of_pod(struct run *r, const char *id, const struct k8s_pod *p);
void finding_text(struct run *r, struct finding *f, const char *fmt, ...) PRINTF_LIKE(3, 4);
void finding_because(struct run *r, struct finding *f, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* At most 12 lines are kept. */
void finding_evidence(struct run *r, struct finding *f, const char *fmt, ...) PRINTF_LIKE(3, 4);
void finding_event(struct run *r, struct finding *f, const struct k8s_event *e); /* NULL: nothing */
/* The Service's spec is the reason: since its last change, and by whom. */
void finding_changed(struct finding *f, const struct k8s_meta *m);
/* Each Service once. */
void finding_concerns(struct run *r, struct finding *f, const struct k8s_service *s);
void finding_partial(struct finding *f);
void finding_cluster(struct finding *f);
bool finding_is_partial(const struct finding *f);
bool finding_is_cluster(const struct finding *f);
static inline void finding_severity(struct finding *f, enum severity s) { f->severity = s; }

/*
 * Commands. @fmt knows only: %s a Kubernetes name, %a an address or address:port, %t a token of letters, digits and
 * ._:/- (a chain, a label key or value), %u an unsigned number, %% itself. A value that is not what it must be makes
 * no command at all: what came from outside never reaches a shell unchecked.
 */
const char *command_format(struct run *r, const char *fmt, va_list ap); /* NULL: refused */
void finding_next(struct run *r, struct finding *f, const char *fmt, ...);
void finding_fix(struct run *r, struct finding *f, const char *fmt, ...);
bool is_token(const char *s);

/* "a=b,c=d", at most a few pairs. */
const char *labels_text(struct run *r, const struct k8s_labels *l);
const char *target_port_text(struct run *r, const struct k8s_service_port *p);
const char *proto_upper(uint8_t proto); /* "TCP", ... */
const char *time_text(struct run *r, const char *rfc3339); /* "2026-11-21 05:00"; NULL gives NULL */
/* The later of two RFC 3339 times in UTC; NULL is earlier than anything. */
const char *time_later(const char *a, const char *b);
#define PLURAL(n) ((n) == 1 ? "" : "s")

/* ---- pods.c ---- */

enum pod_trouble {
	POD_FINE, POD_TERMINATING, POD_FINISHED, POD_UNSCHEDULABLE, POD_STARTING, POD_IMAGE, POD_CONFIG, POD_CRASHING,
	POD_INIT, POD_GATE, POD_PROBE, POD_NOT_READY, POD_NO_ADDRESS
};
struct pod_view {
	enum pod_trouble trouble;
	const char *state;	/* as kubectl would say it: "running", "CrashLoopBackOff", "Pending" */
	const char *since;	/* NULL: not told */
	const char *message;	/* NULL */
	const struct k8s_container *container; /* the one at fault; NULL */
	const struct k8s_event *event;
	int64_t restarts;	/* of all containers */
};
void pod_view(const struct run *r, const struct k8s_pod *p, struct pod_view *ret);
/* One line without the name: "running, not ready since 2026-11-21 05:00", "CrashLoopBackOff, 17 restarts". */
const char *pod_line(struct run *r, const struct pod_view *w);
bool pod_counts_ready(const struct k8s_pod *p); /* ready, not finished, not going away */
/* Commands that look into the trouble of a pod. */
void pod_commands(struct run *r, struct finding *f, const struct k8s_pod *p, const struct pod_view *w);

/* ---- spec.c ---- */

/*
 * What a port that @s does not have is instead: "8080 is the targetPort of its port 80"; NULL: nothing of it. By @name, or by
 * @number when that is NULL. @proto 0: any.
 */
const char *port_instead(struct run *r, const struct k8s_service *s, const char *name, uint16_t number, uint8_t proto);

/* ---- table.c ---- */

void run_checks(struct run *r);

/* The functions of the table; a row names the check, the function the rest. */
void check_selector(struct run *r, struct svc *v);
void check_no_ready(struct run *r, struct svc *v);
void check_pods(struct run *r, struct svc *v);
void check_selectorless(struct run *r, struct svc *v);
void check_named_port(struct run *r, struct svc *v);
void check_number_port(struct run *r, struct svc *v);
void check_port_names(struct run *r, struct svc *v);
void check_slice_null_port(struct run *r, struct svc *v);
void check_headless_label(struct run *r, struct svc *v);
void check_special_address(struct run *r, struct svc *v);
void check_stale_manual(struct run *r, struct svc *v);
void check_orphan_mirror(struct run *r, struct svc *v);
void check_not_mirrored(struct run *r, struct svc *v);
void check_endpoints_object(struct run *r, struct svc *v);
void check_not_syncing(struct run *r, struct svc *v);
void check_ip_reuse(struct run *r, struct svc *v);
void check_terminating(struct run *r, struct svc *v);
void check_publish_not_ready(struct run *r, struct svc *v);
void check_dead_node(struct run *r, struct svc *v);
void check_pod_excluded(struct run *r, struct svc *v);
void check_too_broad(struct run *r, struct svc *v);
void check_family(struct run *r, struct svc *v);
void check_host_network(struct run *r, struct svc *v);
void check_local_policy(struct run *r, struct svc *v);
void check_headless(struct run *r, struct svc *v);
void check_external_name(struct run *r, struct svc *v);
void check_external_http(struct run *r, struct svc *v);
void check_external_ports(struct run *r, struct svc *v);
void check_applied_ports(struct run *r, struct svc *v);
void check_sidecar(struct run *r, struct svc *v);
void check_api_servers(struct run *r, struct svc *v);
void check_proxy_name(struct run *r, struct svc *v);
void check_service_events(struct run *r, struct svc *v);
void check_load_balancer(struct run *r, struct svc *v);
void check_node_address(struct run *r, struct svc *v);
void check_cluster_ip_range(struct run *r, struct svc *v);
void check_env_clash(struct run *r, struct svc *v);
void check_slice_labels(struct run *r);
void check_duplicate_addresses(struct run *r);
void check_range_overlap(struct run *r);
void check_ingresses(struct run *r);
void check_ingress_classes(struct run *r);
void check_gateway_routes(struct run *r);
void check_lb_wishes(struct run *r, struct svc *v);
void check_cni_pods(struct run *r);
void check_proxy_pods(struct run *r);
void check_cluster_dns_address(struct run *r);
void check_dns_pods(struct run *r);
void check_dns_loop(struct run *r);
void check_dns_api(struct run *r);
void check_dns_upstream(struct run *r);
void check_dns_concurrent(struct run *r);
void check_corefile(struct run *r);
void check_corefile_zones(struct run *r);
void check_cluster_domain(struct run *r);
void check_node_local_dns(struct run *r);
void check_headless_dns(struct run *r, struct svc *v);
void check_dns_tcp(struct run *r);
void check_statefulsets(struct run *r);
void check_nodes(struct run *r);
void check_host_ports(struct run *r);
void check_probe_path(struct run *r);
void check_asked_ports(struct run *r);
void check_external_route(struct run *r);
void check_external_gate(struct run *r, struct svc *v);
void check_vip_hijack(struct run *r);
void check_lb_ip_mode(struct run *r, struct svc *v);
void check_source_ranges(struct run *r, struct svc *v);
void check_lb_nodes(struct run *r, struct svc *v);
void check_lb_port_errors(struct run *r, struct svc *v);
void check_lb_hairpin(struct run *r, struct svc *v);
void check_node_port_addresses(struct run *r);
void check_healthz_bind(struct run *r, struct svc *v);
void check_mark_masks(struct run *r);
void check_mark_bits(struct run *r);
void check_mark_drop(struct run *r);
void check_nft_forward(struct run *r);
void check_edited_chains(struct run *r);
void check_local_vips(struct run *r);
void check_topology_hints(struct run *r, struct svc *v);
void check_traffic_distribution(struct run *r, struct svc *v);
void check_affinity(struct run *r, struct svc *v);
void check_callers(struct run *r);
void check_port_processes(struct run *r);
void check_health_listener(struct run *r, struct svc *v);
void check_network_policy(struct run *r, struct svc *v);
void check_policy_addresses(struct run *r);
void check_policy_sources(struct run *r, struct svc *v);
void check_dns_policy(struct run *r);
void check_dns_answers(struct run *r);
void check_cluster_cidr(struct run *r);
void check_detect_local(struct run *r);
void check_node_cidr_wait(struct run *r);
void check_masquerade_all(struct run *r);
void check_proxy_node_name(struct run *r);
void check_unknown_mode(struct run *r);
void check_proxy_mode(struct run *r);
void check_modes_mixed(struct run *r);
void check_proxy_version(struct run *r);
void check_versions_mixed(struct run *r);
void check_proxy_config_map(struct run *r);
void check_tw_recycle(struct run *r);
void check_neighbours(struct run *r);
void check_recent(struct run *r);
void check_six(struct run *r);
void check_ipvs_kernel(struct run *r);
void check_ipvs_settings(struct run *r);
void check_ipvs_arp(struct run *r);
void check_mtu(struct run *r);
void check_vxlan_checksum(struct run *r);
void check_overlay(struct run *r);
void check_tunnel_address(struct run *r);

/* ---- dns.c ---- */

const struct k8s_service *dns_service_object(const struct run *r); /* of the cluster's DNS; NULL: not known */
bool dns_is_service_address(const struct run *r, const struct ip_addr *a); /* of one that has port 53 */
/*
 * What is wrong with the address as a nameserver of pods on @node; NULL: nothing that is known. A server outside the cluster that knows its
 * names is possible, in the range of cluster IPs it is not.
 */
const char *dns_address_fault(struct run *r, const char *node, const struct ip_addr *a, bool *ret_certain);

/* ---- dns-client.c ---- */

void dns_client_findings(struct run *r); /* after the tables of DNS */

/* ---- dns-axis.c ---- */

bool dns_any_answers(const struct snapshot *s); /* or questions that were asked in vain */
void dns_note_unasked(struct run *r);
/* The line of the axis of names of one Service. */
void dns_axis(struct run *r, struct svc *v, struct axis_result *ret);

/* ---- agents.c ---- */

/* After verify: a kube-proxy that does not run is the reason where the node's rules are wrong. */
void proxy_pods_judged(struct run *r);

/* ---- kernel-path.c ---- */

/* After verify: what the kernel counted and said of packets that it threw away. */
void kernel_judged(struct run *r);

/* ---- rules.c ---- */

/* Turns what verify found (r->d->verify) into findings. */
void rules_findings(struct run *r);
/* Of that only the differences, and what the node does not deliver. */
void difference_findings(struct run *r);

/* Commands that look at the node's kube-proxy and restart it, where its pod is known. */
void proxy_commands(struct run *r, struct finding *f, const char *node);

/* ---- rules-node.c ---- */

/* kube-proxy's rules of a node as a whole: never written, flushed, torn. At most one finding for a node. */
void node_rules_findings(struct run *r);
void delivery_finding(struct run *r, const struct verify_broken *b);
/* What switches hairpin mode on at the ports of @bridge (NULL: of every bridge) of node @n that lack it, now and for good. */
void hairpin_commands(struct run *r, struct finding *f, const struct snap_node *n, const struct node_link *bridge);
/* What takes the isolation off them. */
void isolation_commands(struct run *r, struct finding *f, const struct snap_node *n, const struct node_link *bridge);

/* ---- conntrack.c ---- */

/* Connections that go where the rules do not send any more, after the findings of rules. */
void conntrack_findings(struct run *r);

/* ---- conntrack-node.c ---- */

void conntrack_node_findings(struct run *r);

/* ---- proxy-sync.c ---- */

/* kube-proxy node by node, after the findings of rules, which it may explain. */
void proxy_findings(struct run *r);

/* ---- planes.c ---- */

/* Other data planes, leftovers of other modes and backends, nodes that differ from their peers. */
void plane_findings(struct run *r);

/* ---- diagnose.c ---- */

/* Fills which axes have a source, and why others have none. */
void run_sources(struct run *r);

/* ---- verdict.c ---- */

/* Explains, filters, orders; fills services, cluster, healthy, inconclusive. */
void run_verdict(struct run *r);

/* ---- axes.c ---- */

/* The line and details of each axis; states come from findings and from what is known. */
void axis_name_result(struct run *r, struct svc *v, struct service_result *sr);
void axis_endpoints_result(struct run *r, struct svc *v, struct service_result *sr);
void axes_rules_results(struct run *r); /* of all Services in one pass over verify's frontends */
const char *service_head(struct run *r, const struct k8s_service *s);

#endif

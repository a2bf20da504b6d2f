/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_EXPECT_PRIVATE_H
#define SVCDOCTOR_EXPECT_PRIVATE_H

/*
 * What the files of lib/expect share: kube-proxy's reading of its configuration, its version and a
 * Service's fields.
 */

#include <svcdoctor/expect.h>

/* ---- version.c: what changed between kube-proxy 1.20 and 1.37 ---- */

enum expect_change {
	CHANGE_HEALTH_ACCEPT,       /* the health-check node port has an ACCEPT rule */
	CHANGE_INTERNAL_LOCAL,      /* internalTrafficPolicy is read */
	CHANGE_POLICIES_APART,      /* internal and external policy, and hints, do not touch each other */
	CHANGE_DROP_IN_FILTER,      /* DROP in table filter, not by a mark that INPUT and OUTPUT look at */
	CHANGE_EXTERNAL_IP_INSIDE,  /* pods and the node are translated when they go to an external IP */
	CHANGE_EXTERNAL_IP_MASQ,    /* Cluster policy masquerades pods that go to an external IP too */
	CHANGE_TERMINATING,         /* serving-and-terminating endpoints as a last resort */
	CHANGE_HINTS,               /* zone hints are read */
	CHANGE_HINTS_ANY_VALUE,     /* the hints annotation may have any value but "disabled" */
	CHANGE_HINTS_NO_ANNOTATION, /* hints count without the annotation */
	CHANGE_NODE_HINTS,          /* node hints are read */
	CHANGE_IP_MODE,             /* ipMode of a load-balancer IP is read */
	CHANGE_LABELS_APART,        /* service-proxy-name is read on Services, headless on EndpointSlices only */
	CHANGE_NFT_PRIMARY,         /* nftables: node ports answer on the primary addresses, where nothing is configured */
	CHANGE_NFT_CLUSTER_IPS,     /* nftables: other ports of a cluster IP are rejected */
	CHANGE_NFT_SERVICE_CIDRS,   /* nftables: unused addresses of the ServiceCIDRs are dropped */
	CHANGE_NFT_LATE_REFUSALS,   /* nftables: refusals behind the translation, in OUTPUT too */
	CHANGE_NFT_SETS,            /* nftables: endpoints in one map, hairpin and cluster IPs as sets, no chain for marking */
	CHANGE_NFT_SINGLE,          /* nftables: a single endpoint without a map */
	CHANGE_IPVS_FILTER,         /* IPVS: other ports of a virtual address are rejected */
	CHANGE_IPVS_NODE_RANGES,    /* IPVS: source ranges hold for the node itself too */
	EXPECT_CHANGES
};
/*
 * Does this kube-proxy behave as after @c? By its feature gates, else by its version; an unknown
 * version is the newest.
 */
bool expect_after(const struct expect_node *node, enum expect_change c);
/*
 * Value of a feature gate in the configuration: 0, 1, or -1 where it is not set. The last mention
 * wins, as in kube-proxy.
 */
int expect_gate(const struct expect_node *node, const char *name);

/* ---- fields.c: a Service's and the configuration's fields as kube-proxy reads them ---- */

bool expect_external_local(const struct k8s_service *s);
bool expect_internal_local(const struct expect_node *node, const struct k8s_service *s);
/* spec.externalIPs count. */
bool expect_external_ips_on(const struct expect_node *node);
/* A load-balancer ingress point of @family that needs rules. */
bool expect_is_vip(const struct expect_node *node, const struct k8s_ingress_point *i, int family);
/* Port of the node's health-check listener, or 0. */
uint16_t expect_health_port(const struct k8s_service *s);
/* The port is reachable from outside in @family: node port, external IP or load-balancer IP. */
bool expect_externally_accessible(const struct expect_node *node, const struct k8s_service *s,
				  const struct k8s_service_port *port, int family);
/* Source range @i in @family, its host bits cleared; false when it is of the other family or unreadable. */
bool expect_source_range(const struct k8s_service *s, size_t i, int family, struct ip_prefix *ret);
/* loadBalancerSourceRanges limit who may use the load-balancer IPs of @family. */
bool expect_has_ranges(const struct k8s_service *s, int family);
bool expect_in_ranges(const struct k8s_service *s, const struct ip_addr *a);
/* The node's primary address of @family; family 0 when not known. */
const struct ip_addr *expect_node_ip(const struct expect_node *node, int family);

enum detector_kind {
	DETECTOR_UNKNOWN,
	DETECTOR_NONE,
	DETECTOR_PREFIX,
	DETECTOR_INTERFACE,
	DETECTOR_INTERFACE_PREFIX
};
/* How kube-proxy tells a pod of the cluster from everybody else, in one family. */
struct local_detector {
	enum detector_kind kind;
	struct ip_prefix prefix; /* DETECTOR_PREFIX */
	const char *interface;   /* name, or its beginning */
};
void expect_detector(const struct expect_node *node, int family, struct local_detector *ret);

enum node_ports_kind {
	NODE_PORTS_ALL,     /* every local address, by addrtype */
	NODE_PORTS_LIST,    /* the local addresses in the configured prefixes */
	NODE_PORTS_UNKNOWN, /* the primary addresses, which are not known */
};
enum node_ports_kind expect_node_ports(const struct expect_node *node, int family);
/* 127.0.0.1 answers on node ports. */
bool expect_localhost_node_ports(const struct expect_node *node);
/* @a, if it is an address of the node, answers on node ports. */
bool expect_is_node_port_addr(const struct expect_node *node, const struct ip_addr *a);

/* The name of the interface that holds the virtual addresses of IPVS mode. */
#define EXPECT_IPVS_INTERFACE "kube-ipvs0"

/* ---- answer.c: what answer-ipvs.c needs too ---- */

extern const char expect_why_none[], expect_why_loopback[], expect_why_ranges[], expect_why_own_ip[],
	expect_why_no_node_port[];

/* An answer without endpoints. */
void expect_say(struct expect_answer *ret, enum expect_verdict verdict, const char *why);
void expect_to_cluster(const struct expect_port *p, enum tri masquerade, const char *why, struct expect_answer *ret);
void expect_to_local(const struct expect_port *p, enum tri masquerade, const char *why, struct expect_answer *ret);
/* Does kube-proxy take the source for a pod? The detector's "local"; without detector nobody is. */
enum tri expect_taken_for_pod(const struct expect_node *node, const struct local_detector *d, enum expect_source source,
			      const struct ip_addr *src);
/* Is @a an address of this node? */
enum tri expect_is_own(const struct expect_node *node, const struct ip_addr *a);

static inline enum tri tri_not(enum tri t)
{
	return t == TRI_UNKNOWN ? t : t == TRI_TRUE ? TRI_FALSE : TRI_TRUE;
}

/* ---- answer-ipvs.c ---- */

void expect_answer_ipvs(const struct expect_node *node, const struct expect_frontend *f, enum expect_source source,
			const struct ip_addr *src, const struct ip_addr *dst, struct expect_answer *ret);

/* ---- endpoints.c ---- */

/* Fills all, cluster, local and the flags of @p, whose service, port and family are set. 0 or -ENOMEM. */
int expect_endpoints(struct arena *arena, const struct k8s_cluster *cluster, const struct expect_node *node,
		     struct expect_port *p);

/* ---- plan.c ---- */

/* What the rules of one Service port use, and for whom. */
struct expect_plan {
	const char *name; /* "ns/name:port" */
	const char *proto;
	bool any;		 /* an endpoint somewhere */
	bool internal, external; /* endpoints for internal and for external traffic */
	bool internal_local, external_local; /* the policies */
	bool accessible;	 /* from outside */
	bool uses_cluster, uses_local; /* the chains of both policies are there */
	bool has_ranges;	 /* source ranges, and an address that they hold for */
	bool has_detector;
	struct local_detector detector;
};
int expect_plan(struct arena *arena, const struct expect_node *node, const struct expect_port *p,
		struct expect_plan *ret);
/* Every endpoint that one of the policies in use can reach from here, once. 0 or -ENOMEM. */
int expect_reached(struct arena *arena, const struct expect_port *p, const struct expect_plan *plan,
		   const struct expect_endpoint ***ret, size_t *ret_len);
/* The frontend of @p of that kind (and address, unless NULL), or NULL. */
const struct expect_frontend *expect_find_frontend(const struct expect_service *s, const struct expect_port *p,
						   enum expect_kind kind, const struct ip_addr *a);
/* The addresses of interfaces that node ports answer on, sorted; none where they are not known. 0 or -ENOMEM. */
int expect_interface_addrs(struct arena *arena, const struct expect_node *node, int family, struct ip_addr **ret,
			   size_t *ret_len);
/* Appends @r with a text to @ret. 0 or -ENOMEM. */
int expect_put(struct arena *arena, struct expect_rules *ret, const struct expect_rule *r, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* ---- rules.c, rules-common.c: iptables mode ---- */

int expect_iptables_port(struct arena *arena, const struct expect_node *node, const struct expect_service *s,
			 const struct expect_port *p, struct expect_rules *ret);
int expect_iptables_common(struct arena *arena, const struct expect_node *node, int family,
			   struct expect_rules *ret);
/* Appends "-A CHAIN body" to @ret. 0 or -ENOMEM. */
int expect_add_rule(struct arena *arena, struct expect_rules *ret, const struct expect_rule *r,
		    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The bit that marks what is to be masqueraded. */
unsigned expect_mark(const struct expect_node *node);

/* ---- nft.c, nft-common.c: nftables mode ---- */

int expect_nft_port(struct arena *arena, const struct expect_node *node, const struct expect_service *s,
		    const struct expect_port *p, struct expect_rules *ret);
int expect_nft_common(struct arena *arena, const struct expect_node *node, int family, struct expect_rules *ret);
/*
 * An anonymous set of addresses as nft prints it: sorted, neighbours joined, a single one without braces. @v is sorted and
 * joined in place. NULL without memory.
 */
struct expect_span {
	struct ip_addr first, last;
};
const char *expect_nft_spans(struct arena *arena, struct expect_span *v, size_t len);
/* "ip saddr != 10.244.0.0/16 " and its like, or "" without detector; NULL without memory. */
const char *expect_nft_detector(struct arena *arena, const struct local_detector *d, bool local, int family);

/* ---- ipvs.c, ipvs-common.c ---- */

/* The longest name of an ipset: those of IPv6 are cut to it. */
#define IPSET_NAME_MAX 31
/* "KUBE-CLUSTER-IP" or "KUBE-6-CLUSTER-IP"; NULL without memory. */
const char *expect_ipset_name(struct arena *arena, const char *name, int family);
/* Another interface than kube-ipvs0 has the address @a. */
bool expect_on_another_interface(const struct node_facts *f, const struct ip_addr *a);

int expect_ipvs_port(struct arena *arena, const struct expect_node *node, const struct expect_service *s,
		     const struct expect_port *p, struct expect_rules *ret);
int expect_ipvs_common(struct arena *arena, const struct expect_node *node, int family, struct expect_rules *ret);

#endif

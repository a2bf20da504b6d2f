/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_EXPECT_H
#define SVCDOCTOR_EXPECT_H

/*
 * What must be true of a Service on a node, computed from the API as kube-proxy computes it in each of its modes, and the
 * rules that kube-proxy would write for it, as text. Pure functions over cluster objects.
 */

#include <svcdoctor/base.h>
#include <svcdoctor/k8s.h>
#include <svcdoctor/names.h>
#include <svcdoctor/node.h>

enum expect_kind { EXPECT_CLUSTER_IP, EXPECT_EXTERNAL_IP, EXPECT_LOAD_BALANCER, EXPECT_NODE_PORT, EXPECT_HEALTH_CHECK };
const char *expect_kind_name(enum expect_kind k); /* "cluster IP", "external IP", "load-balancer IP", "node port", "health-check node port" */

/* One usable endpoint: an address and port that kube-proxy could send to. */
struct expect_endpoint {
	struct ip_addr addr;
	uint16_t port;
	bool ready, serving, terminating;
	bool local;		/* nodeName equals kube-proxy's node name */
	const char *node, *zone;
	const struct k8s_endpoint *object;
};

/* kube-proxy's mode: what must be true differs between them. */
enum expect_mode { MODE_IPTABLES, MODE_NFTABLES, MODE_IPVS };

/* The node as kube-proxy sees itself. */
struct expect_node {
	enum expect_mode mode;
	const char *name;	/* hostnameOverride, or the node's name */
	const struct k8s_node *object; /* NULL: not known (no zone, no addresses) */
	const struct node_facts *facts; /* for node-port addresses; may be NULL */
	struct ip_addr ip4, ip6; /* the node's primary addresses; family 0: not known */
	const struct kube_proxy_config *config; /* never NULL; known may be false */
	int minor;		/* of kube-proxy's version; -1 not known (then the newest is assumed) */
	const struct k8s_cluster *cluster; /* for the ServiceCIDRs in expect_common_rules(); NULL: not known */
};

/* The endpoints of one Service port in one family on one node, and the choices kube-proxy makes from them (pkg/proxy/topology.go CategorizeEndpoints). */
struct expect_port {
	const struct k8s_service *service;
	const struct k8s_service_port *port;
	uint8_t family;		/* AF_INET, AF_INET6 */
	struct ip_addr cluster_ip; /* of that family */
	const struct expect_endpoint *all; /* every usable one, doubles removed: sorted by address and port */
	size_t nall;
	const struct expect_endpoint *const *cluster; /* for policy Cluster, after readiness and topology */
	size_t ncluster;
	const struct expect_endpoint *const *local;	/* for policy Local on this node */
	size_t nlocal;
	bool any_anywhere;	/* an endpoint that is ready, or serving and terminating, exists somewhere */
	bool uses_topology;	/* hints narrowed the cluster endpoints */
};

/* A frontend: an address, protocol and port that the node must answer for. */
struct expect_frontend {
	enum expect_kind kind;
	const struct expect_port *port;
	struct ip_addr addr;	/* NODE_PORT, HEALTH_CHECK: family 0, see addrs */
	const struct ip_addr *addrs; /* NODE_PORT and HEALTH_CHECK: the node's addresses that answer, where known */
	size_t naddrs;
	bool addrs_known;
	uint8_t proto;
	uint16_t number;	/* port that the client uses */
	bool marked;		/* IPVS mode: a node port of policy Cluster has the same number, and so it is masqueraded like that */
};

/* All frontends of one Service on one node. Everything lies in @arena. A Service that kube-proxy leaves alone has none. 0 or -ENOMEM. */
struct expect_service {
	const struct k8s_service *service;
	const struct expect_port *ports;
	size_t nports;		/* Service ports times families */
	const struct expect_frontend *frontends;
	size_t nfrontends;
};
int expect_service(struct arena *arena, const struct k8s_cluster *cluster, const struct k8s_service *s,
		   const struct expect_node *node, struct expect_service *ret);

/* Who sends. */
enum expect_source {
	SOURCE_POD,	   /* a pod (its address is not the node's), on this node or another */
	SOURCE_NODE,	   /* the node itself */
	SOURCE_LOOPBACK,   /* 127.0.0.1 to 127.0.0.1 */
	SOURCE_OUTSIDE,
};

enum expect_verdict {
	EXPECT_TRANSLATE,  /* to exactly the endpoints, in equal shares */
	EXPECT_REJECT,
	EXPECT_DROP,
	EXPECT_ACCEPT,	   /* health-check port: let through untranslated */
	EXPECT_NOTHING,	   /* kube-proxy writes no rule that concerns this packet: not judged */
};

struct expect_answer {
	enum expect_verdict verdict;
	const struct expect_endpoint *const *endpoints;
	size_t nendpoints;
	/* For an endpoint that is not the client itself. TRI_UNKNOWN: the configuration is not known. Endpoint equal to source: expect_masquerade(). */
	enum tri masquerade;
	const char *why;	/* constant text: "no endpoints", "no endpoint on this node", "source not in loadBalancerSourceRanges", ... */
};
/*
 * What must become of a first packet from @src (of kind @source) to frontend @f at @dst (an address of @f). The essays on
 * who gets what stand in lib/expect/answer.c (iptables, nftables) and answer-ipvs.c. @src is what the packet bears:
 * for the node itself in IPVS mode see expect_own_source().
 */
void expect_answer(const struct expect_node *node, const struct expect_frontend *f, enum expect_source source,
		   const struct ip_addr *src, const struct ip_addr *dst, struct expect_answer *ret);

/*
 * Must this packet be masqueraded on its way to endpoint @e of answer @a? A client that is the endpoint itself included:
 * nftables (1.36) and IPVS masquerade it for this node's endpoints only.
 */
enum tri expect_masquerade(const struct expect_node *node, const struct expect_answer *a, const struct expect_endpoint *e,
			   const struct ip_addr *src);

/*
 * The source of the node's own packets to @dst, an address that kube-proxy answers for: in IPVS mode @dst itself, which
 * lies on kube-ipvs0 or on another interface of the node. False: in the other modes the route decides.
 */
bool expect_own_source(const struct expect_node *node, const struct ip_addr *dst, struct ip_addr *ret);

/* What is no frontend, and yet must not simply pass. */
enum expect_catch {
	CATCH_CLUSTER_IP_PORT,	 /* a port of a cluster IP that no Service has */
	CATCH_EXTERNAL_PORT,	 /* the same of an external or load-balancer IP */
	CATCH_UNUSED_CLUSTER_IP, /* an address of a ServiceCIDR that no Service has */
};
/* What must become of such a packet to @dst: EXPECT_REJECT, EXPECT_DROP, or EXPECT_NOTHING where kube-proxy has no rule for it. */
void expect_catch_all(const struct expect_node *node, const struct k8s_cluster *cluster, enum expect_catch what,
		      enum expect_source source, const struct ip_addr *dst, struct expect_answer *ret);

/* Is @src a pod's address as kube-proxy's local detector sees it? TRI_UNKNOWN: no detector, or one that asks the interface. */
enum tri expect_is_local_pod(const struct expect_node *node, const struct ip_addr *src);

/* Do node ports answer on @a, an address of the node? TRI_UNKNOWN: the configuration or the primary addresses are not known. */
enum tri expect_answers_node_ports(const struct expect_node *node, const struct ip_addr *a);

/* ---- the rules as kube-proxy writes them ---- */

enum expect_role {
	ROLE_JUMP, ROLE_ENTRY, ROLE_NODEPORT, ROLE_FIREWALL, ROLE_EXTERNAL, ROLE_MASQ, ROLE_BALANCE, ROLE_ENDPOINT_MASQ, ROLE_ENDPOINT,
	ROLE_REFUSE, ROLE_FW_DROP, ROLE_ACCEPT, ROLE_MARK, ROLE_POSTROUTING, ROLE_FORWARD, ROLE_AFFINITY,
	ROLE_CATCH,	/* for what no Service has: rejects other ports of a virtual address, drops unused cluster IPs */
	ROLE_SET,	/* a member of a set by which rules decide: cluster IPs, node-port addresses, the ipsets of IPVS mode */
	ROLE_ADDRESS,	/* of kube-ipvs0 */
};

/* What kind of thing it is, and where it belongs. */
enum expect_part {
	PART_RULE,	/* in @chain of @table. Of nftables: table "kube-proxy" of the family of the port */
	PART_SET,	/* an nftables set of its own (affinity) by the name of @set */
	PART_ELEMENT,	/* of @set, a set or map of nftables: @key and, of a map, @value */
	PART_SERVER,	/* a virtual server of IPVS: @key "-t 10.96.0.1:443" */
	PART_REAL,	/* a real server of the virtual server @set ("-t 10.96.0.1:443"): @key "10.244.1.2:53" */
	PART_MEMBER,	/* of the ipset @set: @key "10.96.0.1,tcp:443" */
	PART_ADDRESS,	/* on the interface @set: @key "10.96.0.1" */
};

struct expect_rule {
	enum expect_role role;
	enum expect_part part;
	const char *table, *chain; /* of a rule */
	const char *set, *key, *value;
	/*
	 * As the tools print it: a rule "-A CHAIN ..." in the words of iptables-save 1.8.9, or that of a chain in those of `nft
	 * list ruleset`; an element "10.96.0.1 . tcp . 443 : goto ..."; "-A -t 10.96.0.1:443 -s rr" and "-a -t 10.96.0.1:443 -r
	 * 10.244.1.2:53 -m -w 1" of ipvsadm -Sn; "add SET 10.96.0.1,tcp:443" of ipset save; an address.
	 */
	const char *text;
	const struct expect_endpoint *endpoint; /* BALANCE, ENDPOINT, ENDPOINT_MASQ, AFFINITY; NULL: of several */
	const char *target;	/* chain that it jumps to, or NULL */
	bool optional; /* behaviour is the same without it, or some builds of this version write it otherwise */
	const char *needs; /* an ipset: kube-proxy writes the rule only while that has members. See expect_settle() */
	const struct expect_frontend *frontend; /* ENTRY, NODEPORT, REFUSE, FW_DROP; NULL where it serves several */
};
struct expect_rules {
	ARRAY_OF(struct expect_rule) v;
};
/*
 * All that must be there for one Service port, by the mode of @node. iptables: entries, KUBE-SVC, KUBE-SVL, KUBE-EXT,
 * KUBE-FW, KUBE-SEP, and the filter table's. nftables: elements of the maps and sets, and the same chains. IPVS: virtual and
 * real servers, ipset members, addresses. Several ports may ask for the same element, member or address. Texts in
 * @arena. 0 or -ENOMEM.
 */
int expect_port_rules(struct arena *arena, const struct expect_node *node, const struct expect_service *s,
		      const struct expect_port *p, struct expect_rules *ret);
/* The rules that all Services share: from the hooks to the Services, marking and masquerading, what is let through. */
int expect_common_rules(struct arena *arena, const struct expect_node *node, int family, struct expect_rules *ret);
/*
 * IPVS mode: drops the rules of @r that need an ipset without a member in @r. After expect_common_rules() and the ports of
 * all Services of that family; or of one port, for what must be there because of that port alone. 0 or -ENOMEM.
 */
int expect_settle(struct expect_rules *r);

/*
 * Chain names: prefix + base32(SHA-256(...))[:16], pkg/proxy/iptables/proxier.go portProtoHash. @prefix "KUBE-SVC-", "KUBE-SVL-",
 * "KUBE-EXT-", "KUBE-FW-", "KUBE-XLB-". The port is named in the hash as "ns/name" or "ns/name:port", then the protocol in lower case.
 */
#define EXPECT_CHAIN_MAX 29
void expect_chain_name(const char *prefix, const char *ns, const char *name, const char *port_name, uint8_t proto, char ret[static EXPECT_CHAIN_MAX]);
/*
 * The names of nftables mode: prefix + base32(SHA-256(name))[:8] + "-" + name, cut to 240 bytes behind the prefix. A chain
 * of a Service port ("service-", "local-", "external-", "firewall-"): name "ns/service/proto/port"; of an endpoint
 * ("endpoint-", "affinity-"): the same and "__10.244.1.5/80", with points for the colons of IPv6.
 */
#define EXPECT_NFT_NAME_MAX 256
void expect_nft_name(const char *prefix, const char *ns, const char *name, const char *port_name, uint8_t proto,
		     char ret[static EXPECT_NFT_NAME_MAX]);
void expect_nft_endpoint_name(const char *prefix, const char *ns, const char *name, const char *port_name, uint8_t proto,
			      const struct ip_addr *addr, uint16_t port, char ret[static EXPECT_NFT_NAME_MAX]);
void expect_sep_name(const char *ns, const char *name, const char *port_name, uint8_t proto, const struct ip_addr *addr, uint16_t port, char ret[static EXPECT_CHAIN_MAX]);

/* ---- what the cluster's DNS must answer ---- */

/*
 * By the specification "Kubernetes DNS-Based Service Discovery" 1.1.0, and where it leaves a choice as CoreDNS's plugin kubernetes does it
 * (pods insecure, endpoint names, publishNotReadyAddresses, dual stack).
 */
enum dns_expect_kind {
	DNS_EXPECT_NOTHING, /* nothing can be said: the name is not the cluster's, or what decides is not known (why) */
	DNS_EXPECT_RECORDS, /* these, and in this answer no others of the type; order does not count */
	DNS_EXPECT_NODATA,
	DNS_EXPECT_NXDOMAIN
};
/*
 * Which objects are known as a whole, so that absence is a fact; @arg is the caller's. @name NULL: all of the namespace; @ns NULL as well:
 * all there are. Of K8S_SLICES @name is the Service's, whose slices are meant. A namespace has the ns "".
 */
typedef bool dns_known_fn(void *arg, enum k8s_kind k, const char *ns, const char *name);
struct dns_expected {
	enum dns_expect_kind kind;
	const char *why;		/* a line: "Service shop/web has no IPv6 address", "no endpoint is ready", "pods are not known" */
	ARRAY_OF(struct dns_record) records; /* owner, type, and what identifies it; TTL 0. A CNAME where the name is an ExternalName */
	const struct k8s_service *service; /* whose name it is; NULL */
	const char *hostname;		/* of an endpoint's own name: "web-0"; NULL */
	bool may_have_more;		/* headless: endpoints are not known as a whole, or change just now: more is no fault */
};
void dns_expected_release(struct dns_expected *e);
/* @domain: the cluster's, "cluster.local". @qname whole. 0 or -ENOMEM. */
int expect_dns(struct arena *arena, const struct k8s_cluster *c, const char *domain, const char *qname, uint16_t qtype,
	       dns_known_fn *known, void *arg, struct dns_expected *ret);

#endif
